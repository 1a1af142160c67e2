//! Loads the configuration that a command uses.

use std::path::Path;

use super::{Failure, memory_limit};
use crate::config::{Config, ConfigErrors, DEFAULT, Registry};
use crate::server::mount::Mounts;

/// The configuration in a file, or the built-in one. Default sizes of memory fit what the process may have.
pub(super) fn load(file: Option<&Path>, registry: &Registry) -> Result<Config, Failure> {
    read(file, registry, &Mounts::default()).map_err(|errors| Failure(errors.for_terminal()))
}

/// The same, which keeps what is served and has not changed, with the problems as they are.
pub(super) fn read(file: Option<&Path>, registry: &Registry, served: &Mounts) -> Result<Config, ConfigErrors> {
    let mut config = match file {
        Some(file) => Config::load_keeping(file, registry, served),
        None => Config::parse_keeping("built-in configuration", DEFAULT, registry, served),
    }?;
    memory_limit::fit(&mut config);
    Ok(config)
}
