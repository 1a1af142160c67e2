//! The JSON Schema of the configuration: it is in step with the types, accepts every example, and refuses mistakes.

use std::path::{Path, PathBuf};
use std::{env, fs};

use croupier::config::{Registry, json_schema};
use jsonschema::Validator;
use serde_json::Value;

const FILE: &str = "config/croupier.schema.json";
/// The folders with examples.
const FOLDERS: [&str; 5] = ["config", "examples", "deploy/container", "deploy/debian", "deploy/kubernetes"];
/// Where the package for Debian has the schema.
const INSTALLED: &str = "/usr/share/doc/croupier/examples/croupier.schema.json";

fn validator() -> Validator {
    let schema: Value = serde_json::from_str(&json_schema(&Registry::standard())).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

fn examples() -> Vec<PathBuf> {
    let files = FOLDERS.iter().flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    files.sort();
    files
}

/// A file as JSON, with every key that is commented out in force: a comment that is no prose has no space after its `#`.
fn read(text: &str) -> Value {
    serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap()
}

fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.trim_start().strip_prefix('#') {
        Some(key) if !key.starts_with([' ', '#', ':']) => key.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn problems(validator: &Validator, text: &str) -> Vec<String> {
    validator.iter_errors(&read(text)).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_schema_is_in_step_with_the_types() {
    let made = json_schema(&Registry::standard());
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(FILE, &made).unwrap();
    }
    let written = fs::read_to_string(FILE).unwrap_or_default();
    assert_eq!(made, written, "{FILE} is old: `UPDATE_GOLDEN=1 cargo test` makes it anew");
}

#[test]
fn every_example_names_the_schema_and_is_valid() {
    let (validator, examples) = (validator(), examples());
    assert!(examples.len() >= 6, "{examples:?}");
    assert!(
        fs::read_to_string("Cargo.toml")
            .unwrap()
            .contains("[\"config/croupier.schema.json\", \"usr/share/doc/croupier/examples/\"")
    );
    for path in examples {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap();
        let schema = first.strip_prefix("#:schema ").unwrap_or_else(|| panic!("{}: {first}", path.display()));
        if schema != INSTALLED {
            let schema = path.parent().unwrap().join(schema).canonicalize().unwrap();
            assert_eq!(schema, Path::new(FILE).canonicalize().unwrap(), "{}", path.display());
        }
        for text in [text.clone(), uncommented(&text)] {
            assert_eq!(problems(&validator, &text), Vec::<String>::new(), "{}", path.display());
        }
    }
}

#[test]
fn forms_that_croupier_reads_are_accepted() {
    let validator = validator();
    for text in [
        "listen = ['unix:/run/x.sock', '[::1]:80', { env = 'A' }, { address = { env = 'A' }, serves = 'api', mode = '0660' }]",
        "workers = { env = 'A' }\nlog = { level = { env = 'A' }, access = { env = 'B' } }",
        "limits = { body = 65536, deadline = '1h 30m' }\nserver = { memory = '64 MiB', timeouts = { drain = { env = 'A' } } }",
        "[group.'/a']\nservice = 'wheel'\noptions = { pockets = [{ number = '1', color = 'RED' }] }",
        "[group.'/a']\nservice = 'a-service-of-another-program'\noptions = { anything = 1 }",
        "[group.'/a']\nservice = { env = 'A' }\noptions = { anything = 1 }",
        "[group.'/a'.upstream]\nurls = ['scgi:/x', { env = 'A' }]\nprotocol = 'soap'\npassword = { env = 'A' }\nuser = 'x'",
        "[group.'/a'.upstream]\nurls = ['http://x/']\nprotocol = 'soap'\nheaders = { x = { text = 'y' }, z = { file = 'y' } }",
        "[group.'/a'.aggregate.methods.m.calls]\none = { group = '/b', method = 'c', args = { d = { env = 'e' } } }",
    ] {
        assert_eq!(problems(&validator, text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn mistakes_are_refused() {
    let validator = validator();
    for text in [
        "lisen = []",
        "listen = ['localhost:80']",
        "listen = ['::1:80']",
        "listen = [{ serves = 'api' }]",
        "workers = '4'",
        "workers = 0",
        "workers = { file = 'x' }",
        "log = { level = 'loud' }",
        "log = { access = 'yes' }",
        "limits = { body = '10M' }",
        "limits = { deadline = '60' }",
        "limits = { deadline = 60 }",
        "[group.wheel]\nservice = 'wheel'",
        "[group.'/a']\naliases = []",
        "[group.'/a']\nservice = 'wheel'\nupstream = { urls = ['http://x/'], protocol = 'soap' }",
        "[group.'/a']\nservice = 'wheel'\noptions = { famly = 'mini' }",
        "[group.'/a']\nservice = 'diagnostics'\noptions = { family = 'mini' }",
        "[group.'/a'.upstream]\nurls = []\nprotocol = 'soap'",
        "[group.'/a'.upstream]\nurls = ['127.0.0.1:80']\nprotocol = 'soap'",
        "[group.'/a'.upstream]\nurls = ['http://x/']",
        "[group.'/a'.upstream]\nurls = ['http://x/']\nprotocol = 'page'",
        "[group.'/a'.upstream]\nurls = ['http://x/']\nprotocol = 'soap'\npassword = 's3cret'",
        "[group.'/a'.upstream]\nurls = ['http://x/']\nprotocol = 'soap'\npassword = { env = 'A', file = 'b' }",
        "[page.'/p']\ngroup = '/a'",
    ] {
        assert!(!problems(&validator, text).is_empty(), "{text}");
    }
}
