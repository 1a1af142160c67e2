//! The configuration.

mod default;
mod errors;
mod include;
mod keeping;
mod properties;
mod reference;
mod services;
