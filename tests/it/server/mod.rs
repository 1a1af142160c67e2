//! The HTTP server.

mod http1;
mod http2;
#[cfg(unix)]
mod leaving;
mod readers;
mod refusals;
mod runtime;
mod timeouts;
mod tower;
mod workers;
