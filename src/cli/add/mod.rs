//! `croupier add`: a server elsewhere looked at, and the configuration of a group for it.

mod asking;
mod look;
mod names;
mod place;
mod quirks;
mod write;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use tokio::runtime::Builder;

use super::args::Add;
use super::{Failure, say};
use crate::config::{Config, Registry};
use look::Found;
use place::{Place, segment, variable};
use write::Group;

/// Looks at a server and prints the configuration of a group for it, or appends that to a file.
pub(super) fn add(args: &Add, registry: &Registry) -> Result<(), Failure> {
    let mut place = Place::of(&args.url)?;
    let password = variable(&args.path.clone().or_else(|| place.name()).unwrap_or_default(), "PASSWORD");
    if let Some(user) = &args.user {
        place.user = Some(user.clone());
    }
    let from_environment = place.user.is_some() && place.password.is_none();
    if from_environment {
        let missing = || Failure::from(format_args!("the environment has no password for this user in {password}"));
        place.password = Some(std::env::var(&password).map_err(|_| missing())?);
    }
    let limit = args.timeout.into();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let looked = look::look(&place, args.protocol, limit, &password);
    let found = runtime.block_on(looked)?;
    let path = args.path.clone().unwrap_or_else(|| format!("/{}", group_name(&place, &found)));
    let password = if from_environment { password } else { variable(&path, "PASSWORD") };
    let group = Group { path, password };
    let block = write::block(&found, &group);
    let Some(file) = &args.config else {
        say(block.trim_end());
        return Ok(());
    };
    let addition = Addition::to(file, &block, &found, &group, registry)?;
    if args.append {
        addition.append(file)?;
        say(format_args!("{}: the group {} is at its end", file.display(), group.path));
    } else {
        say(block.trim_end());
    }
    Ok(())
}

/// What a group is called if nobody says: by its server, or by what its methods have in common.
fn group_name(place: &Place, found: &Found) -> String {
    let common = || {
        let methods = found.interface.as_ref().map(|interface| interface.methods.as_slice());
        names::common(methods.unwrap_or_default()).map(segment).filter(|name| !name.is_empty())
    };
    place.name().or_else(common).unwrap_or_else(|| "upstream".to_owned())
}

/// What is to stand behind all that a file has; the whole is known to load.
struct Addition(String);

impl Addition {
    /// Fails where the path is taken, or where the file with this would not load.
    fn to(file: &Path, block: &str, found: &Found, group: &Group, registry: &Registry) -> Result<Addition, Failure> {
        let text = fs::read_to_string(file)
            .map_err(|error| Failure::from(format_args!("`{}` cannot be read: {error}", file.display())))?;
        if is_taken(&text, &group.path) {
            let path = &group.path;
            let message = format_args!("the path `{path}` is taken in `{}`; --path names another", file.display());
            return Err(Failure::from(message));
        }
        let gap = match text.as_str() {
            "" => "",
            text if text.ends_with('\n') => "\n",
            _ => "\n\n",
        };
        let mut addition = format!("{gap}{block}");
        let proof = format!("{text}{gap}{}", provable(block, found, group));
        Config::parse_at(file, &proof, registry).map_err(|errors| Failure(errors.for_terminal()))?;
        if text.contains("\r\n") {
            addition = addition.replace('\n', "\r\n");
        }
        Ok(Addition(addition))
    }

    /// Writes behind the file's end, so that everything in it stays as it is.
    fn append(&self, file: &Path) -> Result<(), Failure> {
        let unwritten = |error| Failure::from(format_args!("`{}` cannot be written: {error}", file.display()));
        let mut open = OpenOptions::new().append(true).open(file).map_err(unwritten)?;
        open.write_all(self.0.as_bytes()).and_then(|()| open.sync_all()).map_err(unwritten)
    }
}

/// Whether a file has a group or a page at a path.
fn is_taken(text: &str, path: &str) -> bool {
    let Ok(table) = text.parse::<toml::Table>() else { return false };
    ["group", "page"]
        .iter()
        .any(|key| table.get(*key).and_then(toml::Value::as_table).is_some_and(|paths| paths.contains_key(path)))
}

/// The same group as if its secrets were there already: where they belong is the environment of the server, which is not
/// this one.
fn provable(block: &str, found: &Found, group: &Group) -> String {
    let mut block = block.to_owned();
    let password = found.place.user.as_ref().map(|_| group.password.clone());
    for variable in password.into_iter().chain(found.token.then(|| group.token())) {
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
