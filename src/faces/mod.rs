//! Protocols seen from the client: each face reads calls and writes answers.

pub mod face;
pub mod jsonrpc;
pub mod page;
pub mod rest;
pub mod set;
pub mod soap;
pub mod together;
pub mod tongue;
pub mod xmlrpc;
