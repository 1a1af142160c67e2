//! REST: JSON over plain HTTP for clients, described by OpenAPI. There is no REST codec for upstream servers.
//!
//! - [`server::Rest`] is the frontend. Every method has its own path below that of the group, with POST, and with GET and
//!   HEAD if it is safe. The operator can add [routes](crate::http::routes): other verbs and paths, with variables, that
//!   call a method. Results are plain JSON, or JSON lines or CSV if the client accepts them and the result is a list.
//! - Errors are `application/problem+json` (RFC 9457) with the HTTP status of the fault.
//! - [`server::OpenApi`] serves the OpenAPI document of a group at `openapi.json` below its path, and
//!   [`server::OpenApiOfAll`] that of all groups.
//! - [`openapi`] writes these documents from the interfaces and routes.
//! - `form` decides how a value is written as text in a path or a query.
//!
//! ```text
//! POST /group/method       {"a": 1} or [1]   ─▶ Call
//! GET  /group/method?a=1                     ─▶ Call, if the method is safe
//! GET  /group/things/1     with a route      ─▶ Call of the route's method
//! ```
//!
//! [`server::check`] checks routes against an interface at start-up and reports each error with its place in the route.
//! The interface of an upstream can change later, so every request is checked again.

pub(crate) mod form;
pub mod openapi;
pub mod server;
