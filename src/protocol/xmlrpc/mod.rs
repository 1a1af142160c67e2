//! XML-RPC: the server side, the client side, introspection.

pub mod client;
pub mod introspection;
pub mod server;
pub mod signature;
