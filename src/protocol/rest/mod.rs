//! REST: JSON over plain HTTP for clients, and any REST server as an upstream, both described by OpenAPI.
//!
//! - [`server::Rest`] is the frontend. Every method has its own path below that of the group, with POST, and with GET and
//!   HEAD if it is safe. The operator can add [routes](crate::http::routes): other verbs and paths, with variables, that
//!   call a method. Results are plain JSON, or JSON lines or CSV if the client accepts them and the result is a list.
//! - Errors are `application/problem+json` (RFC 9457) with the HTTP status of the fault.
//! - [`server::OpenApi`] serves the OpenAPI document of a group at `openapi.json` below its path, and
//!   [`server::OpenApiOfAll`] that of all groups.
//! - [`openapi`] writes these documents from the interfaces and routes, and [`openapi::read`] reads those of upstreams.
//! - [`client::RestCodec`] is the other direction: it encodes calls and decodes responses by the
//!   [`RestBinding`](crate::codec::rest::RestBinding) in the OpenAPI document of the upstream. `error_body` makes faults of
//!   responses with an error status.
//! - [`methods`] are those of an upstream without a document, or beside one.
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

pub mod client;
mod error_body;
#[cfg(feature = "server")]
pub(crate) mod form;
#[cfg(feature = "server")]
pub mod methods;
#[cfg(feature = "server")]
pub mod openapi;
#[cfg(feature = "server")]
pub mod server;
