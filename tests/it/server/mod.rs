//! The HTTP server.

mod auth;
mod cors;
mod cross_site;
mod hostile_headers;
mod http1;
mod http2;
#[cfg(unix)]
mod leaving;
mod lingering;
mod metrics;
mod protected_resources;
mod readers;
mod refusals;
mod runtime;
mod timeouts;
mod tls;
mod tower;
mod visible_methods;
mod workers;
