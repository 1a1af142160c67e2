//! The parts of HTTP that the server and the protocols share.
//!
//! When a frontend claims a request, it sees only the head; when it serves the request, the body has been read. It
//! returns a response whose [`Body`](body::Body) is either whole or made piece by piece by a [`Source`](body::Source) as
//! the client reads, so that a response of any length holds one piece of 64 KiB in memory. `compression` wraps such a
//! body for clients that accept gzip.
//!
//! | module | what it has |
//! |---|---|
//! | `accept` | which form of a response a client prefers |
//! | [`body`] | response bodies |
//! | `compression` | gzip, by `Accept-Encoding` |
//! | [`cors`] | which pages of other origins may call a group |
//! | `cross_site` | requests of web pages of other sites |
//! | [`media_type`] | media types, their parameters, and weighted lists |
//! | [`rejection`] | requests refused by an HTTP status |
//! | [`public_url`] | the address of the server in documents, behind proxies too |
//! | [`routes`] | REST routes chosen by the operator |
//! | [`timeout_header`] | headers that say how much time a request has left |
//! | [`audience`] | whether a listener serves pages, calls, or both |
//!
//! A request that is refused before a protocol has read it becomes an [`HttpRejection`](rejection::HttpRejection): a
//! status and one line of text. A protocol may write the refusal in its own form instead.
//!
//! Nothing here knows of a protocol or of the server that accepts connections.

#[cfg(feature = "server")]
pub(crate) mod accept;
#[cfg(feature = "server")]
pub mod audience;
#[cfg(feature = "server")]
pub mod body;
pub(crate) mod coalesce;
#[cfg(feature = "server")]
pub(crate) mod compression;
#[cfg(feature = "server")]
pub mod cors;
#[cfg(feature = "server")]
pub(crate) mod cross_site;
pub mod media_type;
#[cfg(feature = "server")]
pub mod peer_certificate;
#[cfg(feature = "server")]
pub mod public_url;
#[cfg(feature = "server")]
pub mod rejection;
#[cfg(feature = "server")]
pub mod routes;
pub mod timeout_header;
pub(crate) mod turn;
