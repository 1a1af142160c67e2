//! croupier: a multi-path web-service gateway.

pub mod date;
pub mod fault;
pub mod interface;
pub mod services;
pub mod text;
pub mod value;
pub mod wire;

pub use date::DateTime;
pub use fault::{BoxError, Fault, Kind};
pub use value::{Binary, Value};
