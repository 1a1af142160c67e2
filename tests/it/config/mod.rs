//! The configuration.

mod default;
mod errors;
mod properties;
mod reference;
mod services;
