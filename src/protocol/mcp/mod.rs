//! The Model Context Protocol: the methods of a group as tools of a model.
//!
//! - [`server`] answers the requests of clients.
//! - `names` has the names of the tools.
//! - `schema` writes the types of a method as the schemas of a tool.

pub(crate) mod names;
pub(crate) mod schema;
pub mod server;
