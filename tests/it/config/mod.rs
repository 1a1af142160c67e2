//! The configuration.

mod default;
mod errors;
mod keeping;
mod properties;
mod reference;
mod services;
