//! JSON-RPC 2.0: the server side, the client side, and OpenRPC documents.

pub mod client;
#[cfg(feature = "server")]
pub mod openrpc;
#[cfg(feature = "server")]
pub mod server;
