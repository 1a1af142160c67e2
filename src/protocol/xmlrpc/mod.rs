//! XML-RPC: a frontend for clients, a codec for upstream servers, and introspection in both directions.
//!
//! The documents themselves are read and written by [`codec::xmlrpc`](crate::codec::xmlrpc). Everything here works on its
//! results:
//!
//! - [`server::XmlRpc`] is the frontend. It claims POST requests with an XML media type at the path of the group, calls the
//!   service and always responds with status 200, with a result or a `fault`. It also implements the methods of the
//!   protocol itself: `system.listMethods`, `system.methodSignature`, `system.methodHelp`, `system.getCapabilities` and
//!   `system.multicall`.
//! - [`client::XmlRpcCodec`] is the other direction: it encodes calls, also several as one `system.multicall`, and decodes
//!   the responses.
//! - [`introspection`] turns the results of an upstream's `system.*` methods into an
//!   [`Interface`](crate::model::interface::Interface).
//! - [`signature`] writes the parameter types of a method in the words of XML-RPC: as data for `system.methodSignature` and
//!   as one line for people.
//!
//! ```text
//! client ──methodCall──▶ server::XmlRpc ──Call──▶ RpcService
//! client ◀─methodResponse─      ◀──Output or Fault──
//! ```
//!
//! XML-RPC leaves several points open, such as the range of integers and the form of dates. The
//! [`XmlRpcDialect`](crate::codec::xmlrpc::XmlRpcDialect) of a group or of an upstream decides them.

pub mod client;
#[cfg(feature = "server")]
pub mod introspection;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod signature;
