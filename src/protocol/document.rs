//! Documents that describe a group, such as its OpenAPI document. HTTP and the resources of MCP have the same text.

use crate::model::interface::Interface;

/// A document about a group.
pub trait GroupDocument: Send + Sync + 'static {
    /// Its unique name among the documents of the group, such as `openapi.json`.
    fn name(&self) -> &'static str;

    /// Its kind in words, such as `OpenAPI document`.
    fn title(&self) -> &'static str;

    /// Its media type.
    fn media_type(&self) -> &'static str;

    /// Its text. `url` is the public address of the group.
    fn text(&self, interface: &Interface, url: &str) -> String;
}
