//! The Model Context Protocol: the methods of a group as tools for agents.
//!
//! - [`server::Mcp`] is the frontend, at `mcp` below the path of the group.
//! - `names` has the names of the tools.
//! - `schema` writes the types of a method as the schemas of a tool.
//!
//! ```text
//! client ──tools/call──▶ server::Mcp ──Call──▶ RpcService
//! client ◀──content and value──     ◀──Output or Fault──
//! ```

pub(crate) mod names;
pub(crate) mod schema;
pub mod server;
