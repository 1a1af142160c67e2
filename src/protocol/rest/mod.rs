//! REST: JSON over plain HTTP, described by OpenAPI.

pub mod form;
pub mod openapi;
pub mod server;
