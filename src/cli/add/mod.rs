//! `croupier add`: examines an upstream server and writes the configuration of a group for it.
//!
//! `location` parses the URL as it was typed, `search` finds the server with the help of
//! [`upstream::discovery::probe`](crate::upstream::discovery::probe), `words` and `write` turn the report into TOML with
//! comments, and `names` suggests which methods are safe or dangerous by their names.

mod location;
mod names;
mod search;
mod words;
mod write;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use tokio::runtime::Builder;

use super::args::Add;
use super::{Failure, say};
use crate::config::{Config, LARGEST_FILE, Registry};
use crate::files;
use location::{ServerLocation, segment, variable};
use search::FoundServer;
use write::NewGroup;

/// Examines a server, and prints the configuration of a group for it or appends it to a file.
pub(super) fn add(args: &Add, registry: &Registry) -> Result<(), Failure> {
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
    let limit = args.timeout.into();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(search::search(&location, args.protocol, limit, &password))?;
    let path = args.path.clone().unwrap_or_else(|| format!("/{}", group_name(&location, &found)));
    let password = if from_environment { password } else { variable(&path, "PASSWORD") };
    let group = NewGroup { path, password };
    let block = write::block(&found, &group);
    let Some(file) = &args.config else {
        say(block.trim_end());
        return Ok(());
    };
    let addition = Addition::to(file, &block, &found, &group, registry)?;
    if args.append {
        addition.append(file)?;
        say(format_args!("{}: the group {} has been appended", file.display(), group.path));
    } else {
        say(block.trim_end());
    }
    Ok(())
}

/// The name of a group for which no path is given: that of its server, or the common prefix of its methods.
fn group_name(location: &ServerLocation, found: &FoundServer) -> String {
    let common = || {
        let methods = found.report.interface.as_ref().map(|interface| interface.methods.as_slice());
        names::common(methods.unwrap_or_default()).map(segment).filter(|name| !name.is_empty())
    };
    location.name().or_else(common).unwrap_or_else(|| "upstream".to_owned())
}

/// The text to append to a file. The file is known to load with it.
struct Addition(String);

impl Addition {
    /// Fails if the path is taken, or if the file would not load with the addition.
    fn to(
        file: &Path,
        block: &str,
        found: &FoundServer,
        group: &NewGroup,
        registry: &Registry,
    ) -> Result<Addition, Failure> {
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
        let candidate = format!("{text}{gap}{}", without_secrets(block, found, group));
        Config::parse_at(file, &candidate, registry).map_err(|errors| Failure(errors.for_terminal()))?;
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

/// The same group with empty secrets: they are to be in the environment of the server, not in that of this command.
fn without_secrets(block: &str, found: &FoundServer, group: &NewGroup) -> String {
    let mut block = block.to_owned();
    let password = found.location.user.as_ref().map(|_| group.password.clone());
    for variable in password.into_iter().chain(found.report.wants_token.then(|| group.token_variable())) {
        block = block.replace(&write::secret(&variable), "{ text = \"\" }");
    }
    block
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
