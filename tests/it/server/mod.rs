//! The HTTP server.

mod http1;
mod http2;
mod refusals;
mod runtime;
mod timeouts;
mod tower;
mod workers;
