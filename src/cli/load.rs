//! Loads the configuration that a command uses.

use std::path::Path;

use super::Failure;
use crate::config::{Config, DEFAULT, Registry};

/// The configuration in a file, or the built-in one.
pub(super) fn load(file: Option<&Path>, registry: &Registry) -> Result<Config, Failure> {
    let loaded = match file {
        Some(file) => Config::load(file, registry),
        None => Config::parse("built-in configuration", DEFAULT, registry),
    };
    loaded.map_err(|errors| Failure(errors.for_terminal()))
}
