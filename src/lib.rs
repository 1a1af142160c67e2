//! croupier: a web-service gateway. Each URL path leads to a group with a service of its own, and every group is reached
//! over XML-RPC, JSON-RPC, REST, SOAP, MCP and HTML pages.
//!
//! The `croupier` program needs no code: a TOML file names the groups. This library is for programs that
//!
//! - add services of their own: [`service::local::Local`] turns functions into a service, [`config::Registry`] makes it
//!   available to the TOML file, and [`cli::run`] is the program with that registry;
//! - serve without a file: [`app::App`] mounts services and upstreams by hand;
//! - put the gateway into another HTTP server: [`server::gateway::Gateway`] is a [`tower_service::Service`];
//! - call other servers: [`client::Client`] for one call, [`upstream::Upstream`] for a server as a service.
//!
//! A module imports only from modules earlier in this list: [`model`] (plain data), `files` (reading files), `codec` (values as bytes),
//! [`service`] (calls, results, layers), `http` (what all protocols share of HTTP), [`protocol`] (XML-RPC, JSON-RPC, REST,
//! SOAP, pages), [`upstream`] (other servers as services), [`client`] and [`server`], [`demo`] (the services that ship),
//! [`app`] and [`config`], [`cli`]. `ARCHITECTURE.md` describes each.
#![cfg_attr(feature = "server", doc = include_str!("../docs/library.md"))]
// Without the program, parts that only the program uses are compiled and not called; likewise without the gateway.
#![cfg_attr(not(feature = "cli"), allow(dead_code))]

#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "server")]
pub mod demo;
#[cfg(feature = "client")]
mod files;
pub mod model;
#[cfg(feature = "client")]
pub mod protocol;
#[cfg(feature = "server")]
pub mod server;
pub mod service;
#[cfg(feature = "client")]
pub mod upstream;

// Not for users of the library, but public: the tests, benchmarks and fuzz targets are crates of their own, and read and
// write documents directly.
#[doc(hidden)]
pub mod codec;
#[cfg(feature = "client")]
#[doc(hidden)]
pub mod http;

#[cfg(feature = "server")]
pub use app::App;
#[cfg(feature = "client")]
pub use client::{CallError, Client};
#[cfg(feature = "config")]
pub use config::{Config, Registry};
#[cfg(feature = "server")]
pub use http::audience::Audience;
#[cfg(feature = "server")]
pub use http::peer_certificate::PeerCertificate;
#[cfg(feature = "server")]
pub use http::public_url::{ClientHeader, PublicUrl, PublicUrlError};
#[cfg(feature = "server")]
pub use http::routes::RestRoute;
pub use model::date::DateTime;
pub use model::fault::{BoxError, Fault, Kind};
#[cfg(feature = "server")]
pub use model::network::Network;
pub use model::value::{Binary, Number, Value};
/// The crate of [`JsonSchema`](schemars::JsonSchema), which the types of handlers implement. Write
/// `#[schemars(crate = "croupier::schemars")]` to derive it from here; a program may also depend on the same version itself.
pub use schemars;
