//! The configurations that are shipped are valid, also with the keys in force that they only show.

use std::path::Path;

use croupier::config::{Config, ConfigErrors, Registry};

use super::files_below;
use crate::support::{dice, guests};

fn registry() -> Registry {
    guests::registry().with("dice", dice::dice)
}

/// The text with every commented key in force: a comment that is no prose has no space after its `#`.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with([' ', '#']) => key.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Whether all that is wrong is that secrets are on the machine of the operator and not on this one.
fn only_secrets_are_missing(errors: &ConfigErrors) -> bool {
    errors.problems().iter().all(|problem| {
        let message = &problem.message;
        (message.starts_with("the environment variable `") && message.contains("is not set"))
            || (message.starts_with("`/run/credentials/") && message.contains("cannot be read"))
    })
}

fn load(path: &Path, text: &str) {
    match Config::parse_at(path, text, &registry()) {
        Ok(config) => {
            assert!(!config.groups.is_empty(), "{}: nothing is served", path.display());
            // Panics if the groups cannot be mounted together.
            config.router();
        }
        Err(errors) => assert!(only_secrets_are_missing(&errors), "{errors}"),
    }
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

#[test]
fn a_configuration_with_a_mistake_is_found() {
    let text =
        "[group.'/a']\nupstream = { urls = ['http://h/'], protocol = 'xml-rpc', bearer = { env = 'NO_SUCH' } }\n";
    let problems = |text: &str| Config::parse("x.toml", text, &registry()).unwrap_err();
    assert!(only_secrets_are_missing(&problems(text)));
    assert!(!only_secrets_are_missing(&problems(&format!("{text}[groop.'/b']\n"))));
}
