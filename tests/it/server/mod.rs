//! The HTTP server.

mod http1;
mod http2;
mod metrics;
mod runtime;
mod timeouts;
mod tower;
mod workers;
