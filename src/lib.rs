//! croupier: a web-service gateway. Each URL path leads to a group with a service of its own, and every group is reached
//! over XML-RPC, JSON-RPC, REST, SOAP and HTML pages.
//!
//! The `croupier` program needs no code: a TOML file names the groups. This library is for programs that
//!
//! - add services of their own: [`service::local::Local`] turns functions into a service, [`config::Registry`] makes it
//!   available to the TOML file, and [`cli::run`] is the program with that registry;
//! - serve without a file: [`app::App`] mounts services and upstreams by hand;
//! - put the gateway into another HTTP server: [`server::gateway::Gateway`] is a [`tower_service::Service`];
//! - call other servers: [`client::Client`] for one call, [`upstream::Upstream`] for a server as a service.
//!
//! A module imports only from modules below it, in this order: [`model`] (plain data), `codec` (values as bytes),
//! [`service`] (calls, results, layers), `http` (what all protocols share of HTTP), [`protocol`] (XML-RPC, JSON-RPC, REST,
//! SOAP, pages), [`upstream`] (other servers as services), [`client`] and [`server`], [`demo`] (the services that ship),
//! [`app`] and [`config`], [`cli`]. `ARCHITECTURE.md` describes each.
#![doc = include_str!("../docs/library.md")]

pub mod app;
pub mod cli;
pub mod client;
pub mod config;
pub mod demo;
pub mod model;
pub mod protocol;
pub mod server;
pub mod service;
pub mod upstream;

// Not for users of the library, but public: the tests, benchmarks and fuzz targets are crates of their own, and read and
// write documents directly.
#[doc(hidden)]
pub mod codec;
#[doc(hidden)]
pub mod http;

pub use app::App;
pub use client::{CallError, Client};
pub use config::{Config, Registry};
pub use http::audience::Audience;
pub use http::public_url::{PublicUrl, TrustedProxy};
pub use http::routes::RestRoute;
pub use model::date::DateTime;
pub use model::fault::{BoxError, Fault, Kind};
pub use model::value::{Binary, Value};
