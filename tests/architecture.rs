//! The floors: a module imports only from floors below its own, and never from beside it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of each floor, from the ground up. `ARCHITECTURE.md` says what each is for.
const FLOORS: [&[&str]; 11] = [
    &["model"],
    &["codec"],
    &["service"],
    &["http"],
    &["protocol"],
    &["upstream"],
    &["client", "server"],
    &["demo"],
    &["app", "config"],
    &["cli"],
    &["main"],
];

/// How many lines of code, tests left out, a file may have.
const LONGEST: usize = 500;

fn floor(module: &str) -> usize {
    let found = FLOORS.iter().position(|floor| floor.contains(&module));
    found.unwrap_or_else(|| panic!("the module `{module}` is on no floor: give it one in tests/architecture.rs"))
}

/// All source files with their text, tests cut off.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, to: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, to);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
                to.push((path, code));
            }
        }
    }
    let mut sources = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut sources);
    sources
}

/// The top-level module that a file belongs to.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The top-level modules of this crate that code names, in `use` lines and in paths, comments left out.
fn imports(code: &str) -> BTreeSet<String> {
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |all, line| all + line + "\n");
    let mut found = BTreeSet::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => top_level(group),
            None => vec![rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()],
        };
        found.extend(names.into_iter().filter(|name| name.starts_with(char::is_lowercase)));
    }
    found
}

/// The first names in `a::b, c::{d, e}, f}`.
fn top_level(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut name) = (0, Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut name)),
            c if depth == 0 => name.push(c),
            _ => {}
        }
    }
    names.push(name);
    names.iter().map(|name| name.trim().split("::").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn imports_go_downwards_only() {
    let mut wrong = Vec::new();
    for (path, code) in sources() {
        let module = module(&path);
        if module == "lib" {
            continue;
        }
        for import in imports(&code) {
            if import != module && floor(&import) >= floor(&module) {
                wrong.push(format!("{} imports `{import}`, which is not below `{module}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_module_is_without_a_floor_and_no_floor_without_a_module() {
    let there: BTreeSet<String> = sources().iter().map(|(path, _)| module(path)).filter(|name| name != "lib").collect();
    let planned: BTreeSet<String> =
        FLOORS.iter().flat_map(|floor| floor.iter().map(|name| (*name).to_owned())).collect();
    assert_eq!(there, planned);
}

#[test]
fn the_reader_of_imports_sees_through_every_form() {
    let code = "use crate::a::B;\nuse crate::{c, d::{e, f}, g::*};\n// crate::no\nfn x() { crate::h::y(); }";
    let expected = ["a", "c", "d", "g", "h"].map(String::from);
    assert_eq!(imports(code), BTreeSet::from(expected));
}

#[test]
fn every_file_says_what_it_is_for_and_none_is_long() {
    let mut wrong = BTreeMap::new();
    for (path, code) in sources() {
        if !code.starts_with("//! ") {
            wrong.insert(path.clone(), "does not begin with what it is for".to_owned());
        }
        let lines = code.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//")).count();
        if lines > LONGEST {
            wrong.insert(path, format!("has {lines} lines of code"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
