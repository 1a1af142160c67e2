//! The protocols: what each reads and writes, towards clients and towards upstream servers.
//!
//! A [`Protocol`] is a name: XML-RPC, JSON-RPC, REST, SOAP, or the HTML page of a group. Each protocol has a folder with
//! up to three parts:
//!
//! - A *frontend* ([`frontend::Frontend`]) serves clients. It claims requests by their head, reads a call from the body,
//!   calls the service, and writes the result or the fault. [`set::ProtocolSet`] makes the frontends of a group from its
//!   settings.
//! - A *client codec* ([`client_codec::ClientCodec`]) is the other direction: it writes the request for a call to an
//!   upstream server and reads the response. XML-RPC, JSON-RPC, REST, SOAP and MCP have one.
//! - A *description* turns the neutral [`Interface`](crate::model::interface::Interface) into a document (introspection,
//!   OpenRPC, OpenAPI, WSDL), and reads such a document of an upstream into an interface.
//!
//! ```text
//! client ──request──▶ Frontend ──Call──▶ RpcService            (served here)
//!                                        Upstream ──▶ ClientCodec ──request──▶ server
//! ```
//!
//! How values look on the wire is not decided here but in [`codec`](crate::codec); how bodies, compression and
//! rejections work is in [`http`](crate::http). `system.multicall` and JSON-RPC batches share one implementation, `batch`.
//!
//! `CONTRIBUTING.md` has the steps for another protocol.

#[cfg(feature = "server")]
mod batch;
pub mod client_codec;
#[cfg(feature = "server")]
pub(crate) mod discovered;
#[cfg(feature = "server")]
mod discovered_schemas;
#[cfg(feature = "server")]
pub mod document;
#[cfg(feature = "server")]
pub mod frontend;
pub mod jsonrpc;
pub mod mcp;
mod name;
#[cfg(feature = "server")]
pub mod page;
#[cfg(feature = "server")]
pub(crate) mod response_rows;
pub mod rest;
#[cfg(feature = "server")]
pub mod set;
pub mod soap;
#[cfg(feature = "server")]
mod system;
pub mod xmlrpc;

#[cfg(feature = "server")]
pub use discovered::LeftOutOperation;
pub use name::{Protocol, UnknownProtocol};
