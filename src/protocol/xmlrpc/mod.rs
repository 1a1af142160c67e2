//! XML-RPC: the server side, the client side, introspection.

pub mod client;
#[cfg(feature = "server")]
pub mod introspection;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod signature;
