//! The program, run as a process.

mod access_log;
mod add;
mod admin;
mod calls;
mod checks;
mod commands;
mod front;
#[cfg(unix)]
mod log_everything;
mod log_fields;
#[cfg(unix)]
mod log_questions;
#[cfg(unix)]
mod mcp;
mod openapi;
#[cfg(unix)]
mod outages;
mod proxies;
mod quotas;
#[cfg(unix)]
mod reload;
mod streams;
#[cfg(unix)]
mod systemd;
#[cfg(unix)]
mod tls;
#[cfg(feature = "otlp")]
mod tracing;
mod wsdl;
