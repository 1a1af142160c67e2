//! Reads the imports of every source file and checks two rules: top-level modules import from lower layers of the source
//! tree only, and no files import each other in a circle.
//!
//! The circle of a parent and its children is allowed: a `mod.rs` may declare, re-export and call what is in its folder, and
//! those files may use what the `mod.rs` defines.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The top-level modules of each layer of the source tree, the lowest layer first. `ARCHITECTURE.md` says what each module
/// is for.
const LAYERS: [&[&str]; 11] = [
    &["files", "model"],
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

/// One file below `src`, without its inline tests.
struct SourceFile {
    /// Its module path within the crate: `["codec", "xml"]` for `codec/xml/mod.rs`, empty for `lib.rs`.
    module: Vec<String>,
    code: String,
}

impl SourceFile {
    /// The top-level module that the file belongs to; `None` for `lib.rs`.
    fn top_module(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }

    fn name(&self) -> String {
        if self.module.is_empty() { "lib".to_owned() } else { self.module.join("::") }
    }
}

/// Which files each file imports from, by their indices. A file is in none of its own entries.
type Imports = Vec<BTreeSet<usize>>;

fn sources() -> Vec<SourceFile> {
    let mut sources = Vec::new();
    read_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut sources);
    sources
}

fn read_folder(folder: &Path, module: &[String], sources: &mut Vec<SourceFile>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut inner = module.to_vec();
        if path.is_dir() {
            inner.push(stem);
            read_folder(&path, &inner, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_folder_itself = stem == "mod" || (module.is_empty() && stem == "lib");
            if !is_folder_itself {
                inner.push(stem);
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
            sources.push(SourceFile { module: inner, code });
        }
    }
}

/// All paths in the code that begin with `crate`, `super` or `self`, groups written out: `use super::{a, b::C};` yields
/// `super::a` and `super::b::C`. Comments and `pub(in …)` do not count.
fn paths(code: &str) -> Vec<Vec<String>> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut next = 0;
    while let Some(token) = tokens.get(next) {
        let begins = matches!(token.as_str(), "crate" | "super" | "self");
        let inside_a_path = next > 0 && matches!(tokens[next - 1].as_str(), "::" | "in");
        if begins && !inside_a_path && tokens.get(next + 1).is_some_and(|token| token == "::") {
            next = read_path(&tokens, next, &[], &mut found);
        } else {
            next += 1;
        }
    }
    found
}

/// Reads one path with the groups inside it, and returns the index of the token that follows.
fn read_path(tokens: &[String], mut next: usize, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(next).map(String::as_str) {
            Some("{") => {
                next += 1;
                while tokens.get(next).is_some_and(|token| token != "}") {
                    next = read_path(tokens, next, &path, found);
                    next += usize::from(tokens.get(next).is_some_and(|token| token == ","));
                }
                return next + 1;
            }
            Some(segment) => path.push(segment.to_owned()),
            None => {}
        }
        let continues = tokens.get(next + 1).is_some_and(|token| token == "::")
            && tokens.get(next + 2).is_some_and(|token| token == "{" || token == "*" || is_word(token));
        if !continues {
            found.push(path);
            let renamed = !prefix.is_empty() && tokens.get(next + 1).is_some_and(|token| token == "as");
            return next + if renamed { 3 } else { 1 };
        }
        next += 2;
    }
}

/// Words, `::`, and other characters one by one; no white space, no comments, no string literals.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            if rest.starts_with("//") {
                break;
            }
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = if word > 0 {
                word
            } else if rest.starts_with("::") {
                2
            } else if first == '"' {
                // A literal that goes on in the next line is read as code up to its end: it has no paths in it.
                rest[1..].find('"').map_or(rest.len(), |end| end + 2)
            } else {
                first.len_utf8()
            };
            if first != '"' {
                tokens.push(rest[..length].to_owned());
            }
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The file that defines what a path in the module `from` leads to: the longest beginning of the path that is a file.
/// In `main.rs`, `croupier` is the crate; the caller has replaced it.
fn resolve(from: &[String], path: &[String], files: &BTreeMap<&[String], usize>) -> Option<usize> {
    let mut absolute = from.to_vec();
    for segment in path {
        match segment.as_str() {
            "crate" => absolute.clear(),
            "self" => {}
            "super" => {
                absolute.pop()?;
            }
            name => absolute.push(name.to_owned()),
        }
    }
    while !absolute.is_empty() && !files.contains_key(absolute.as_slice()) {
        absolute.pop();
    }
    files.get(absolute.as_slice()).copied()
}

fn imports(sources: &[SourceFile]) -> Imports {
    let files: BTreeMap<&[String], usize> =
        sources.iter().enumerate().map(|(index, source)| (source.module.as_slice(), index)).collect();
    let targets = |(index, source): (usize, &SourceFile)| {
        let is_program = source.module == ["main"];
        let code = if is_program { source.code.replace("croupier::", "crate::") } else { source.code.clone() };
        let resolved = paths(&code).into_iter().filter_map(|path| resolve(&source.module, &path, &files));
        resolved.filter(|target| *target != index).collect()
    };
    sources.iter().enumerate().map(targets).collect()
}

/// The imports without those from a file to its descendants.
fn without_children(sources: &[SourceFile], imports: &Imports) -> Imports {
    let is_descendant = |parent: usize, child: usize| sources[child].module.starts_with(&sources[parent].module);
    let kept = |(from, targets): (usize, &BTreeSet<usize>)| {
        targets.iter().copied().filter(|target| !is_descendant(from, *target)).collect()
    };
    imports.iter().enumerate().map(kept).collect()
}

/// The shortest circle through each file that lies on one, told once for all files on it.
fn cycles(imports: &Imports) -> Vec<Vec<usize>> {
    let mut covered = BTreeSet::new();
    let mut found = Vec::new();
    for start in 0..imports.len() {
        if covered.contains(&start) {
            continue;
        }
        if let Some(cycle) = shortest_cycle(imports, start) {
            covered.extend(cycle.iter().copied());
            found.push(cycle);
        }
    }
    found
}

/// Breadth first from a file until it is met again.
fn shortest_cycle(imports: &Imports, start: usize) -> Option<Vec<usize>> {
    let mut reached_from = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for target in &imports[file] {
            if *target == start {
                let mut cycle = vec![file];
                while cycle[cycle.len() - 1] != start {
                    cycle.push(reached_from[&cycle[cycle.len() - 1]]);
                }
                cycle.reverse();
                return Some(cycle);
            }
            if let std::collections::btree_map::Entry::Vacant(entry) = reached_from.entry(*target) {
                entry.insert(file);
                queue.push_back(*target);
            }
        }
    }
    None
}

fn layer_of(module: &str) -> usize {
    let found = LAYERS.iter().position(|layer| layer.contains(&module));
    found.unwrap_or_else(|| panic!("the module `{module}` is in no layer: add it to `LAYERS` in tests/architecture.rs"))
}

#[test]
fn modules_import_from_lower_layers_only() {
    let sources = sources();
    let mut wrong = Vec::new();
    for (source, targets) in sources.iter().zip(imports(&sources)) {
        for target in targets {
            let (Some(module), Some(imported)) = (source.top_module(), sources[target].top_module()) else { continue };
            if module != imported && layer_of(imported) >= layer_of(module) {
                wrong.push(format!("{} imports {}", source.name(), sources[target].name()));
            }
        }
    }
    assert!(wrong.is_empty(), "these imports do not go down:\n{}", wrong.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = sources();
    let cycles = cycles(&without_children(&sources, &imports(&sources)));
    let line = |cycle: &Vec<usize>| cycle.iter().map(|file| sources[*file].name()).collect::<Vec<_>>().join(" -> ");
    let lines: Vec<String> = cycles.iter().map(line).collect();
    assert!(lines.is_empty(), "{} import cycles (each ends where it began):\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn every_module_is_in_a_layer_and_every_layer_has_its_modules() {
    let sources = sources();
    let there: BTreeSet<&str> = sources.iter().filter_map(SourceFile::top_module).collect();
    let planned: BTreeSet<&str> = LAYERS.iter().flat_map(|layer| layer.iter().copied()).collect();
    assert_eq!(there, planned);
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    let sources = sources();
    let without: Vec<String> =
        sources.iter().filter(|source| !source.code.starts_with("//! ")).map(SourceFile::name).collect();
    assert!(without.is_empty(), "these files do not begin with `//! `: {without:?}");
}

fn sample(files: &[(&str, &str)]) -> Vec<SourceFile> {
    let module = |name: &str| name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    files.iter().map(|(name, code)| SourceFile { module: module(name), code: (*code).to_owned() }).collect()
}

#[test]
fn the_reader_finds_paths_in_every_form() {
    let code = "use crate::a::B;\nuse crate::{c, d::{e as f, G}, h::*};\n// crate::no\nlet x = 1; // super::no\n\
                use super::super::i;\nuse self::j;\npub(in crate::k) fn l() { super::m(crate::n::<O>(), \"crate::no\") }";
    let joined: Vec<String> = paths(code).iter().map(|path| path.join("::")).collect();
    let expected = [
        "crate::a::B",
        "crate::c",
        "crate::d::e",
        "crate::d::G",
        "crate::h::*",
        "super::super::i",
        "self::j",
        "super::m",
        "crate::n",
    ];
    assert_eq!(joined, expected);
}

#[test]
fn paths_lead_to_the_file_that_defines_what_they_name() {
    let sources = sample(&[
        ("", ""),
        ("a", "use self::x::One; use super::b::Two;"),
        ("a::x", "use super::{y, Own}; use crate::Root;"),
        ("a::y", "fn f() { super::super::b::g() }"),
        ("b", ""),
        ("main", "use croupier::a::x::One;"),
    ]);
    let named = |index: usize| sources[index].name();
    let found: Vec<Vec<String>> =
        imports(&sources).into_iter().map(|targets| targets.into_iter().map(named).collect()).collect();
    let expected: [&[&str]; 6] = [&[], &["a::x", "b"], &["lib", "a", "a::y"], &["b"], &[], &["a::x"]];
    assert_eq!(found, expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()));
}

#[test]
fn cycles_are_found_and_parents_are_left_aside() {
    let sources = sample(&[
        ("a", "use self::x::One;"),
        ("a::x", "use super::Own;"),
        ("b", "use crate::c::d::Three;"),
        ("c", ""),
        ("c::d", "use super::e::Four;"),
        ("c::e", "use crate::b::Two;"),
        ("f", "use crate::b::Two;"),
    ]);
    let found = cycles(&without_children(&sources, &imports(&sources)));
    assert_eq!(found, [vec![2, 4, 5]]);
}
