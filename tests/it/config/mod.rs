//! The configuration.

mod default;
mod errors;
mod include;
mod keeping;
mod other_groups;
mod properties;
mod reference;
mod schema;
mod services;
mod tls;
mod variables;
