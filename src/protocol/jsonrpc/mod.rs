//! JSON-RPC 2.0: the server side, the client side, and OpenRPC documents.

pub mod client;
pub mod openrpc;
pub mod server;
