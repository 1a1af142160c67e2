//! The configurations that are shipped are valid, also with the keys in force that they only show.

use std::path::Path;

use croupier::config::{Config, Registry, Variables};

use super::files_below;
use crate::support::{dice, guests};

fn registry() -> Registry {
    guests::registry().with("dice", dice::dice)
}

/// The text with every commented key in force: a comment that is no prose has no space after its `#`.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with([' ', '#', ':']) => key.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Loads a configuration whose secrets are on the machine of the operator and not on this one.
fn load(path: &Path, text: &str) {
    let config = Config::parse_at(path, text, &registry(), &Variables::new().optional());
    let config = config.unwrap_or_else(|errors| panic!("{errors}"));
    assert!(!config.groups.is_empty(), "{}: nothing is served", path.display());
    // Panics if the groups cannot be mounted together.
    config.router();
}

#[test]
fn every_configuration_that_is_shipped_is_valid() {
    let folders = ["deploy", "config", "examples"];
    let files: Vec<_> = folders.iter().flat_map(|folder| files_below(folder, ".toml")).collect();
    for expected in ["container", "debian", "kubernetes", "config", "examples"] {
        assert!(files.iter().any(|file| file.parent().unwrap().ends_with(expected)), "{expected} has no configuration");
    }
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        load(&file, &text);
        load(&file, &uncommented(&text));
    }
}
