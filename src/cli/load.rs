//! Loads the configuration that a command uses.

use std::path::Path;

use super::Failure;
use crate::config::{Config, ConfigErrors, DEFAULT, Registry};

/// The configuration in a file, or the built-in one.
pub(super) fn load(file: Option<&Path>, registry: &Registry) -> Result<Config, Failure> {
    read(file, registry).map_err(|errors| Failure(errors.for_terminal()))
}

/// The same, with the problems as they are.
pub(super) fn read(file: Option<&Path>, registry: &Registry) -> Result<Config, ConfigErrors> {
    match file {
        Some(file) => Config::load(file, registry),
        None => Config::parse("built-in configuration", DEFAULT, registry),
    }
}
