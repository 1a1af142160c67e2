//! Loads the configuration that a command uses.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::args::ValueArgs;
use super::{Failure, memory_limit};
use crate::config::{Config, ConfigErrors, DEFAULT, LARGEST_FILE, Registry, Variables};
use crate::files;
use crate::server::mount::Mounts;
use crate::upstream::Upstream;

/// The name of standard input as a configuration file.
pub(super) const STANDARD_INPUT: &str = "-";

/// The configuration in a file, or the built-in one. Default sizes of memory fit what the process may have.
pub(super) fn load(file: Option<&Path>, registry: &Registry) -> Result<Config, Failure> {
    if let Some(file) = file {
        refuse_standard_input(file)?;
    }
    read(file, registry, &Mounts::default()).map_err(|errors| Failure::new(errors.for_terminal()))
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

/// A configuration that a command only looks at, and what it was read from.
pub(super) struct ReadConfig {
    pub(super) config: Config,
    /// The file, and its text if that was standard input; `None` for the built-in one.
    source: Option<(PathBuf, Option<String>)>,
    variables: Variables,
}

impl ReadConfig {
    /// Reads the configuration in a file, in standard input or the built-in one. `values` says where the values of
    /// variables are.
    pub(super) fn read(file: Option<&Path>, values: &ValueArgs, registry: &Registry) -> Result<ReadConfig, Failure> {
        let variables = variables(values)?;
        let Some(file) = file else {
            return Ok(ReadConfig { config: load(None, registry)?, source: None, variables });
        };
        let (file, text) = match file == Path::new(STANDARD_INPUT) {
            true => {
                let text = standard_input();
                let text =
                    text.map_err(|error| Failure::from(format_args!("standard input cannot be read: {error}")))?;
                // Names of files in it are relative to the current folder.
                (Path::new("standard input"), Some(text))
            }
            false => (file, None),
        };
        let read = match &text {
            Some(text) => Config::parse_at(file, text, registry, &variables),
            None => Config::load_with(file, registry, &variables),
        };
        let mut config = read.map_err(|errors| Failure::new(errors.for_terminal()))?;
        memory_limit::fit(&mut config);
        Ok(ReadConfig { config, source: Some((file.to_owned(), text)), variables })
    }

    /// Compares the configuration with what its upstreams say.
    pub(super) fn compare(&self, registry: &Registry, described: &BTreeMap<String, Upstream>) -> Result<(), Failure> {
        let (path, text) = match &self.source {
            Some((path, Some(text))) => (path.as_path(), text.clone()),
            Some((path, None)) => (path.as_path(), files::read_text(path, LARGEST_FILE)?),
            None => (Path::new("built-in configuration"), DEFAULT.to_owned()),
        };
        match Config::compare_at(path, &text, (registry, &self.variables), described) {
            Ok(_) => Ok(()),
            Err(errors) => Err(Failure::new(errors.for_terminal())),
        }
    }
}

/// Fails for the name of standard input.
pub(super) fn refuse_standard_input(file: &Path) -> Result<(), Failure> {
    if file == Path::new(STANDARD_INPUT) {
        let message = "croupier: only `check` and `routes` read standard input (`-`); name a file";
        return Err(Failure::usage(message));
    }
    Ok(())
}

fn variables(values: &ValueArgs) -> Result<Variables, Failure> {
    let mut variables = Variables::new();
    if let Some(file) = &values.env_file {
        let wrong = |reason: String| Failure::from(format_args!("`{}`: {reason}", file.display()));
        let text =
            files::read_text(file, LARGEST_FILE).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
        variables = variables.with_file(&text).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(if values.without_secrets { variables.optional() } else { variables })
}

fn standard_input() -> io::Result<String> {
    let limit = u64::try_from(LARGEST_FILE).unwrap_or(u64::MAX);
    let mut text = String::new();
    io::stdin().lock().take(limit.saturating_add(1)).read_to_string(&mut text)?;
    if text.len() > LARGEST_FILE {
        let message = format!("it has more than {LARGEST_FILE} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}
