//! Upstreams: servers behind the gateway, called as services.
//!
//! An [`Upstream`] is an [`RpcService`](crate::service::RpcService) whose methods are those of another server. It has
//!
//! - a [`Transport`](transport::Transport): where the server is, connections to it, time limits;
//! - [`UpstreamOptions`]: the operator's settings for it, such as its protocol and which methods may be called;
//! - a `Description`: the methods of the server and how they are called. It is discovered at start-up and again from time
//!   to time ([`Upstream::watch`], module `discovery`); meanwhile calls use the previous description.
//!
//! A call takes one of four ways:
//!
//! ```text
//! remote.rs       arguments are coerced to the description, encoded by the ClientCodec of the protocol, and the
//!                 response is decoded: every call that is not passed through
//! passthrough.rs  the original bytes of a message go to an upstream of the same protocol, and its response comes back
//!                 unchanged
//! http_passthrough.rs  an HTTP request in the form of the OpenAPI document of a REST upstream is passed on while it arrives
//! batch.rs        several calls of one request go out in one request (`system.multicall`, JSON-RPC batch)
//! ```
//!
//! A fault of the server reaches the caller unchanged. Everything else that goes wrong becomes a fault of the kind
//! `Unreachable` or `Late`, whose text says what happened but not where the server is (`fault.rs`); the log line names
//! the group and the server.

#[cfg(feature = "server")]
mod answer_media;
#[cfg(feature = "server")]
mod balance_key;
#[cfg(feature = "server")]
mod batch;
#[cfg(feature = "server")]
mod breaker;
#[cfg(feature = "server")]
pub(crate) mod breakers;
#[cfg(feature = "server")]
mod call_scope;
#[cfg(feature = "server")]
pub(crate) mod credentials;
#[cfg(feature = "server")]
pub(crate) mod discovery;
#[cfg(feature = "server")]
pub(crate) mod fault;
#[cfg(feature = "server")]
mod first_discovery;
#[cfg(feature = "server")]
pub mod forwarding;
#[cfg(feature = "server")]
pub(crate) mod gaps;
#[cfg(feature = "server")]
mod health_options;
#[cfg(feature = "server")]
mod http_operations;
#[cfg(feature = "server")]
mod http_passthrough;
#[cfg(feature = "server")]
pub mod identity_token;
#[cfg(feature = "server")]
mod incoming_rows;
#[cfg(feature = "server")]
mod json_result;
#[cfg(feature = "server")]
mod options;
#[cfg(feature = "server")]
mod outage;
#[cfg(feature = "server")]
mod passthrough;
#[cfg(feature = "server")]
mod probes;
#[cfg(feature = "server")]
mod received;
#[cfg(feature = "server")]
mod refresh;
#[cfg(feature = "server")]
mod remote;
#[cfg(feature = "server")]
mod return_links;
#[cfg(feature = "server")]
pub(crate) mod state;
pub mod transport;
#[cfg(feature = "server")]
mod version;

#[cfg(feature = "server")]
pub use balance_key::KeySource;
#[cfg(feature = "server")]
pub use breaker::BreakerOptions;
#[cfg(feature = "server")]
pub use health_options::{HealthOptions, Probe};
#[cfg(feature = "server")]
#[cfg(feature = "config")]
pub(crate) use options::UnmatchedName;
#[cfg(feature = "server")]
pub use options::{Batching, DescriptionFile, DescriptionSource, Redirects, UnsupportedProtocol, UpstreamOptions};
#[cfg(feature = "server")]
pub use remote::Upstream;
