//! croupier: a multi-path web-service gateway.

pub mod app;
pub mod args;
pub mod body;
pub mod cli;
pub mod client;
pub mod config;
pub mod date;
pub mod describe;
pub mod faces;
pub mod fault;
pub mod gateway;
pub mod intake;
pub mod interface;
pub mod local;
pub mod options;
pub mod policy;
pub mod refusal;
pub mod router;
pub mod rows;
pub mod server;
pub mod service;
pub mod services;
pub mod settings;
pub mod text;
pub mod value;
pub mod wait;
pub mod wire;

pub use client::{CallError, Proxy};
pub use date::DateTime;
pub use fault::{BoxError, Fault, Kind};
pub use value::{Binary, Value};
