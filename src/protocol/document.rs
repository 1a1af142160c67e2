//! Documents that describe a group: each is served by HTTP, and is a resource of MCP with the same text.

use crate::model::interface::Interface;

/// A document about a group.
pub trait GroupDocument: Send + Sync + 'static {
    /// Its name among the documents of the group, such as `openapi.json`.
    fn name(&self) -> &'static str;

    /// What it is, such as `OpenAPI document`.
    fn title(&self) -> &'static str;

    /// Its media type.
    fn media_type(&self) -> &'static str;

    /// Its text. `url` is the public address of the group.
    fn text(&self, interface: &Interface, url: &str) -> String;
}
