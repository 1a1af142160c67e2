//! The Model Context Protocol: the methods of a group as tools for agents.
//!
//! - [`server::Mcp`] is the frontend, at `mcp` below the path of the group.
//! - `names` has the names of the tools.
//! - `schema` writes the types of a method as the schemas of a tool.
//! - [`client::McpCodec`] is the other direction: the tools of an upstream are the methods of a group.
//! - `headers`, `request_id` and `revision` are for both directions.
//!
//! ```text
//! client ──tools/call──▶ server::Mcp ──Call──▶ RpcService
//! client ◀──content and value──     ◀──Output or Fault──
//! ```

pub mod client;
pub(crate) mod headers;
#[cfg(feature = "server")]
pub(crate) mod names;
#[cfg(feature = "server")]
pub(crate) mod request_id;
pub(crate) mod revision;
#[cfg(feature = "server")]
pub(crate) mod schema;
#[cfg(feature = "server")]
pub mod server;
