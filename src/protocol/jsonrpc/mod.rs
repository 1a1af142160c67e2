//! JSON-RPC 2.0: a frontend for clients, a codec for upstream servers, and OpenRPC documents in both directions.
//!
//! Values are read and written by [`codec::json`](crate::codec::json). The parts here are:
//!
//! - [`server::JsonRpc`] is the frontend. It claims POST requests with a JSON media type at the path of the group and
//!   responds with status 200, or with 204 if all requests are notifications. A batch runs in the batch machine of
//!   [`protocol`](crate::protocol), up to 16 calls at a time.
//! - [`server::OpenRpc`] serves the OpenRPC document of the group at `openrpc.json` below its path. The method
//!   `rpc.discover` returns the same document.
//! - [`client::JsonRpcCodec`] is the other direction: it encodes calls and batches, and decodes the responses.
//! - [`openrpc`] writes an [`Interface`](crate::model::interface::Interface) as an OpenRPC document, and reads such a document
//!   of an upstream into an interface.
//!
//! ```text
//! client ──request or batch──▶ server::JsonRpc ──Call──▶ RpcService
//! client ◀──result or error──        ◀──Output or Fault──
//! ```
//!
//! The `id` of a request is kept as text and written back byte by byte, so that numbers of any size return unchanged.
//! Requests of JSON-RPC 1.0 are accepted if the group allows them, and their responses have the form of that version.

pub mod client;
#[cfg(feature = "server")]
pub mod openrpc;
#[cfg(feature = "server")]
pub mod server;
