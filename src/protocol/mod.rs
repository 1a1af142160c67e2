//! Protocols seen from the client: each face reads calls and writes answers.

mod batch;
pub mod client_codec;
pub mod describe;
pub mod discovered;
pub mod frontend;
pub mod jsonrpc;
mod name;
pub mod page;
pub mod rest;
pub mod set;
pub mod soap;
pub mod xmlrpc;

pub use name::{Protocol, UnknownProtocol};
