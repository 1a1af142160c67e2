//! The reference of all keys, as Markdown, from the types that read them.

use schemars::Schema;
use serde_json::Value;

use super::Registry;
use super::file::File;
use super::schema;
use super::schema::Node;
use super::wording;
use crate::http::public_url::NETWORK;
use crate::model::units::{PERIOD, SIZE};
use crate::server::settings::ADDRESS;

/// A reference of every key of the configuration, as Markdown: its type, bounds and default, and what it is for.
///
/// The options of each kind of service in the registry are part of it.
pub fn reference(registry: &Registry) -> String {
    let schema = schema::of::<File>();
    let mut pages = Pages { text: INTRODUCTION.to_owned(), told: Vec::new() };
    pages.table(Node::root(&schema), "", "");
    for (kind, options) in registry.schemas() {
        pages.service(kind, options);
    }
    pages.text.replace("\n\n\n", "\n\n")
}

const INTRODUCTION: &str = "# Configuration

The configuration is one TOML file. `croupier serve --config FILE` reads it, and `croupier check FILE` says what is
wrong with it. Every key has a default, except the groups and what their services need.

SIGHUP has a running server read the file anew. If it is sound, new requests go to its groups and pages; calls that run
finish where they began. Services are made anew, so what they held in memory is gone, limits count from nothing, and
servers elsewhere are asked again what they offer. If the file is not sound, its errors are told and all stays as it was.
`listen`, `workers`, `log` and `server` are taken at the next start only. Where the server runs in a terminal that is
closed, it ends.

A *size* is a number of bytes or a text with a unit: `\"64 KiB\"`, `\"4 MiB\"`, `\"1 GiB\"`; kB, MB and GB are powers of
1000. A *time* is a text with a unit: `\"500ms\"`, `\"10s\"`, `\"2m\"`, `\"1h 30m\"`.

This page is made from the types that read the file; a test keeps the two in step.
";

/// The tables whose keys are paths, and not names of another kind.
const BY_PATH: [&str; 2] = ["group", "page"];

struct Pages {
    text: String,
    /// Which definitions have a section of their own, and its name.
    told: Vec<(String, String)>,
}

impl Pages {
    /// The keys of a table that is called `name`, and then the tables in it.
    fn table(&mut self, node: Node<'_>, name: &str, doc: &str) {
        let heading = if name.is_empty() { "Top level".to_owned() } else { format!("`[{name}]`") };
        self.section(&heading, doc);
        let (mut inner, required) = (Vec::new(), node.required());
        for (key, value) in node.properties() {
            let path = if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
            let told = value.reference().and_then(|name| self.told.iter().find(|(told, _)| told == name));
            if let Some((_, section)) = told {
                let line = format!("- `{key}`: a table with the keys of `[{section}]`. {}\n", prose(value.doc()));
                self.text.push_str(&line);
            } else if !value.properties().is_empty() {
                self.told.extend(value.reference().map(|reference| (reference.to_owned(), path.clone())));
                inner.push((path, value, value.doc()));
            } else if let Some(item) = value.others().filter(|item| !item.properties().is_empty()) {
                self.tables(key, &path, value, item, &mut inner);
            } else {
                self.key(key, value, required.contains(&key));
                let of_item = value.item(0).into_iter().flat_map(Node::alternatives);
                inner.extend(
                    of_item
                        .filter(|item| !item.properties().is_empty())
                        .map(|item| (format!("[{path}]"), item, item.doc())),
                );
            }
        }
        for (path, table, doc) in inner {
            self.table(table, &path, doc);
        }
        for (key, value) in node.properties() {
            if let Some(item) = value.item(0).filter(|item| !item.properties().is_empty()) {
                self.section(&format!("Each of the `{key}` in `[{name}]`"), item.doc());
                self.keys(item);
            }
        }
    }

    /// The keys of a table that has no tables in it.
    fn keys(&mut self, node: Node<'_>) {
        let required = node.required();
        for (key, value) in node.properties() {
            self.key(key, value, required.contains(&key));
        }
    }

    /// Tables of one kind, each under a name of its own: described where they come first.
    fn tables<'n>(
        &mut self,
        key: &str,
        path: &str,
        value: Node<'n>,
        item: Node<'n>,
        inner: &mut Vec<(String, Node<'n>, &'n str)>,
    ) {
        let told = item.reference().and_then(|name| self.told.iter().find(|(told, _)| told == name));
        if let Some((_, section)) = told {
            self.text.push_str(&format!("- `{key}`: tables with the keys of `[{section}]`. {}\n", prose(value.doc())));
            return;
        }
        let name = if BY_PATH.contains(&path) { "\"/path\"" } else { "NAME" };
        let section = format!("{path}.{name}");
        self.told.extend(item.reference().map(|reference| (reference.to_owned(), section.clone())));
        inner.push((section, item, value.doc()));
    }

    fn service(&mut self, kind: &str, options: &Schema) {
        let node = Node::root(options);
        let known = node.properties();
        self.section(
            &format!("`options` of the service `{kind}`"),
            if known.is_empty() { "There are none." } else { node.doc() },
        );
        self.keys(node);
        for (key, value) in known {
            if let Some(item) = value.item(0).filter(|item| !item.properties().is_empty()) {
                self.section(&format!("Each of the `{key}` of the service `{kind}`"), item.doc());
                self.keys(item);
            }
        }
    }

    fn section(&mut self, heading: &str, doc: &str) {
        self.text.push_str(&format!("\n## {heading}\n\n"));
        // What follows the first paragraph is for programmers.
        let first = doc.split("\n\n").next().unwrap_or_default();
        if !first.is_empty() {
            self.text.push_str(&format!("{}\n\n", prose(first)));
        }
    }

    fn key(&mut self, key: &str, node: Node<'_>, required: bool) {
        let default = match node.get("default") {
            Some(Value::Null) | None if required => "required".to_owned(),
            Some(Value::Null) | None => "optional".to_owned(),
            Some(Value::Object(_)) => "empty by default".to_owned(),
            Some(value) => format!("default `{}`", value.to_string().replace("\",\"", "\", \"")),
        };
        let bounds = bounds(node);
        self.text.push_str(&format!("- `{key}` ({}{bounds}; {default}): {}\n", kind(node), prose(node.doc())));
        let words = match node.alternatives().as_slice() {
            [only] => only.alternatives(),
            several => several.to_vec(),
        };
        for word in words {
            if let Some(name) = word.text("const") {
                self.text.push_str(&format!("  - `\"{name}\"`: {}\n", prose(word.doc())));
            }
        }
    }
}

/// What a value is.
fn kind(node: Node<'_>) -> String {
    if node.words().is_some() {
        return "a word".to_owned();
    }
    let Some(types) = node.types() else { return "any value".to_owned() };
    match types.as_slice() {
        ["array"] => {
            let of_item =
                |item: Node<'_>| item.text("format").is_some_and(|format| matches!(format, ADDRESS | NETWORK));
            let mut items = node.item(0).into_iter().flat_map(|item| [vec![item], item.alternatives()].concat());
            if items.any(of_item) { "an array of addresses".to_owned() } else { "an array".to_owned() }
        }
        types => wording::wanted(types, node),
    }
}

/// Between which bounds a value has to be, as far as they are not the type's own.
fn bounds(node: Node<'_>) -> String {
    let show = |number: i128| match node.text("format") {
        Some(SIZE) => super::check::size(number),
        Some(PERIOD) => super::check::period(number),
        _ => number.to_string(),
    };
    match (node.number("minimum").filter(|least| *least != 0), node.number("maximum")) {
        (Some(least), Some(most)) => format!(" from {} to {}", show(least), show(most)),
        (Some(least), None) => format!(" from {} on", show(least)),
        (None, Some(most)) => format!(" up to {}", show(most)),
        (None, None) => String::new(),
    }
}

/// A doc comment as one line.
fn prose(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}
