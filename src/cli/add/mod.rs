//! `croupier add`: examines an upstream server and writes the configuration of a group for it.
//!
//! `location` parses the URL as it was typed, `search` finds the server with the help of
//! [`upstream::discovery::probe`](crate::upstream::discovery::probe), `file` reads a WSDL or OpenAPI document from a file, `words` and `write` turn the report into TOML with
//! comments, and `names` suggests which methods are safe or dangerous by their names.

mod file;
pub(super) mod location;
mod names;
pub(super) mod search;
mod words;
mod write;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tokio::runtime::Builder;

use super::args::Add;
use super::load::refuse_standard_input;
use super::progress::waiting;
use super::{Failure, say};
use crate::config::{Config, LARGEST_FILE, Registry, Variables};
use crate::files;
use crate::upstream::transport::TransportOptions;
use location::{ServerLocation, segment, variable};
use search::{FoundServer, Search};
use write::NewGroup;

/// Examines a server, and prints the configuration of a group for it or appends it to a file.
pub(super) fn add(args: &Add, registry: &Registry) -> Result<(), Failure> {
    if let Some(file) = args.config.path() {
        refuse_standard_input(file)?;
    }
    if let Some(file) = description_file(&args.url) {
        return print(args, &file::found(&file, args.config.path())?, None, registry);
    }
    let mut location = ServerLocation::parse(&args.url)?;
    let password = variable(&args.path.clone().or_else(|| location.name()).unwrap_or_default(), "PASSWORD");
    if let Some(user) = &args.user {
        location.user = Some(user.clone());
    }
    let from_environment = location.user.is_some() && location.password.is_none();
    if from_environment {
        let missing = || {
            Failure::from(format_args!("the environment variable {password} with the password of this user is not set"))
        };
        location.password = Some(std::env::var(&password).map_err(|_| missing())?);
    }
    let credentials = format!("give the user with --user, and the password in the environment variable {password}");
    let search = Search {
        only: args.protocol,
        limit: args.timeout.into(),
        options: &TransportOptions::default(),
        credentials: &credentials,
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let asking = format!("asking {}", location.url);
    let found = runtime.block_on(waiting(&asking, search::search(&location, &search)))?;
    print(args, &found, from_environment.then_some(password), registry)
}

/// Prints the configuration of a group for a server, or appends it to the file. `password` is the environment variable from
/// which the password has been read.
fn print(args: &Add, found: &FoundServer, password: Option<String>, registry: &Registry) -> Result<(), Failure> {
    let path = args.path.clone().unwrap_or_else(|| format!("/{}", group_name(found)));
    let password = password.unwrap_or_else(|| variable(&path, "PASSWORD"));
    let group = NewGroup { path, password };
    let block = write::block(found, &group);
    let Some(file) = args.config.path() else {
        say(block.trim_end());
        return Ok(());
    };
    let addition = Addition::to(file, &block, &group, registry)?;
    if args.append {
        addition.append(file)?;
        say(format_args!("{}: the group {} has been appended", file.display(), group.path));
    } else {
        say(block.trim_end());
    }
    Ok(())
}

/// The name of the file, if the argument is that of a file and not a URL.
fn description_file(argument: &str) -> Option<PathBuf> {
    let name = match argument.strip_prefix("file:") {
        Some(name) => name.strip_prefix("//").unwrap_or(name),
        None => argument,
    };
    let is_file = name != argument || (!argument.contains("://") && Path::new(argument).is_file());
    let ends = [".wsdl", ".json", ".yaml", ".yml"];
    let lower = argument.to_ascii_lowercase();
    let is_meant = !argument.contains(':') && ends.iter().any(|end| lower.ends_with(end));
    (is_file || is_meant).then(|| PathBuf::from(name))
}

/// The name of a group for which no path is given: that of its SOAP service, of its server, or the common prefix of its
/// methods.
fn group_name(found: &FoundServer) -> String {
    let service = || {
        let port = found.report.soap_port()?;
        Some(segment(&port.service)).filter(|name| !name.is_empty())
    };
    let common = || {
        let methods = found.report.interface.as_ref().map(|interface| interface.methods.as_slice());
        names::common(methods.unwrap_or_default()).map(segment).filter(|name| !name.is_empty())
    };
    service().or_else(|| found.location.name()).or_else(common).unwrap_or_else(|| "upstream".to_owned())
}

/// The text to append to a file. The file is known to load with it.
struct Addition(String);

impl Addition {
    /// Fails if the path is taken, or if the file would not load with the addition.
    fn to(file: &Path, block: &str, group: &NewGroup, registry: &Registry) -> Result<Addition, Failure> {
        let text = files::read_text(file, LARGEST_FILE)
            .map_err(|error| Failure::from(format_args!("`{}` cannot be read: {error}", file.display())))?;
        if is_taken(&text, &group.path) {
            let path = &group.path;
            let message =
                format_args!("the path `{path}` is taken in `{}`; give another one with --path", file.display());
            return Err(Failure::from(message));
        }
        let gap = match text.as_str() {
            "" => "",
            text if text.ends_with('\n') => "\n",
            _ => "\n\n",
        };
        let mut addition = format!("{gap}{block}");
        let candidate = format!("{text}{gap}{block}");
        // The secrets are to be in the environment of the server, not in that of this command.
        Config::parse_at(file, &candidate, registry, &Variables::new().optional())
            .map_err(|errors| Failure::new(errors.for_terminal()))?;
        if text.contains("\r\n") {
            addition = addition.replace('\n', "\r\n");
        }
        Ok(Addition(addition))
    }

    /// Appends to the file, which is otherwise unchanged.
    fn append(&self, file: &Path) -> Result<(), Failure> {
        let unwritten = |error| Failure::from(format_args!("`{}` cannot be written: {error}", file.display()));
        let mut open = OpenOptions::new().append(true).open(file).map_err(unwritten)?;
        open.write_all(self.0.as_bytes()).and_then(|()| open.sync_all()).map_err(unwritten)
    }
}

/// Whether a file has a group or a page at this path.
fn is_taken(text: &str, path: &str) -> bool {
    let Ok(table) = text.parse::<toml::Table>() else { return false };
    ["group", "page"]
        .iter()
        .any(|key| table.get(*key).and_then(toml::Value::as_table).is_some_and(|paths| paths.contains_key(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_by_a_group_or_a_page() {
        let text = "[group.\"/a\"]\nservice = \"wheel\"\n[group.\"/b\".upstream]\nurls = []\n[page]\n\"/c\" = {}\n";
        for (path, taken) in [("/a", true), ("/b", true), ("/c", true), ("/d", false), ("group", false)] {
            assert_eq!(is_taken(text, path), taken, "{path}");
        }
        assert!(!is_taken("[[", "/a"));
    }
}
