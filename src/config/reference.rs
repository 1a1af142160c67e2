//! Writes `docs/configuration.md`: a reference of all keys, from the types that read them.

use schemars::Schema;
use serde_json::Value;

use super::Registry;
use super::file::File;
use super::schema;
use super::schema::{BY_PATH, SchemaNode};
use super::wording;
use crate::model::network::NETWORK;
use crate::model::units::{PERIOD, SIZE};
use crate::server::settings::ADDRESS;

/// A reference of every key of the configuration as Markdown: its type, bounds, default and meaning.
///
/// It includes the options of each kind of service in the registry.
pub fn reference(registry: &Registry) -> String {
    let schema = schema::root_schema::<File>();
    let mut writer = ReferenceWriter { text: INTRODUCTION.to_owned(), described: Vec::new() };
    writer.table(SchemaNode::root(&schema), "", "");
    for (kind, options) in registry.schemas() {
        writer.service(kind, options);
    }
    writer.text.replace("\n\n\n", "\n\n")
}

const INTRODUCTION: &str = "# Configuration

The configuration is one TOML file. `croupier serve FILE` reads it, and `croupier check FILE` says what is wrong with it.
Every key has a default, except the groups and what their services need. `croupier schema` prints a JSON Schema of it for
editors, which `config/croupier.schema.json` has too.

At SIGHUP a running server reads the file again. If the file is valid, new requests go to the new groups and pages, while
running calls finish in the old ones. Groups that have not changed keep what they have in memory. Listeners, the log level and
the limits of `server` follow the file; changes of `workers`, `log.access`, `log.format`, `server.response-memory`, `admin` and
`otlp` take effect at the next start only. If the file is not valid, its errors are written to standard error and nothing changes. If
the terminal in which the server was started is closed, the server stops.

A *size* is a number of bytes or a text with a unit: `\"64 KiB\"`, `\"4 MiB\"`, `\"1 GiB\"`; kB, MB and GB are powers of
1000. A *time* is a text with a unit: `\"500ms\"`, `\"10s\"`, `\"2m\"`, `\"1h 30m\"`.

`{ env = \"NAME\" }` in place of a text, a number, true or false is the value of an environment variable, which has to be set.
Secrets can come from files too. Values that methods take as they are (`args`) are not replaced.

This page is generated from the types that read the file.
";

struct ReferenceWriter {
    text: String,
    /// The definitions that have a section, and its name.
    described: Vec<(String, String)>,
}

impl ReferenceWriter {
    /// Writes the keys of the table `name`, and then the tables inside it.
    fn table(&mut self, node: SchemaNode<'_>, name: &str, doc: &str) {
        let heading = if name.is_empty() { "Top level".to_owned() } else { format!("`[{name}]`") };
        self.section(&heading, doc);
        let (mut inner, required) = (Vec::new(), node.required());
        for (key, value) in node.properties() {
            // A table below each of several tables has their name without brackets: `[listen.tls]`.
            let path =
                if name.is_empty() { key.to_owned() } else { format!("{}.{key}", name.trim_matches(['[', ']'])) };
            if let Some(section) = self.section_of(value) {
                let line = format!("- `{key}`: a table with the keys of `[{section}]`. {}\n", prose(value.doc()));
                self.text.push_str(&line);
            } else if let Some(table) = value.table().filter(|table| self.section_of(*table).is_none()) {
                self.described.extend(table.reference().map(|reference| (reference.to_owned(), path.clone())));
                inner.push((path, table, value.doc()));
            } else if let Some(item) = value.others().filter(|item| !item.properties().is_empty()) {
                self.tables(key, &path, value, item, &mut inner);
            } else {
                self.key(key, value, required.contains(&key));
                let of_item = value.item(0).into_iter().flat_map(SchemaNode::alternatives);
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

    /// The section that describes the keys of a table, if one does already.
    fn section_of(&self, table: SchemaNode<'_>) -> Option<String> {
        let name = table.reference()?;
        self.described.iter().find(|(described, _)| described == name).map(|(_, section)| section.clone())
    }

    /// Writes the keys of a table that contains no tables.
    fn keys(&mut self, node: SchemaNode<'_>) {
        let required = node.required();
        for (key, value) in node.properties() {
            self.key(key, value, required.contains(&key));
        }
    }

    /// Adds tables of one type under freely chosen names. They are described where they first occur.
    fn tables<'n>(
        &mut self,
        key: &str,
        path: &str,
        value: SchemaNode<'n>,
        item: SchemaNode<'n>,
        inner: &mut Vec<(String, SchemaNode<'n>, &'n str)>,
    ) {
        if let Some(section) = self.section_of(item) {
            self.text.push_str(&format!("- `{key}`: tables with the keys of `[{section}]`. {}\n", prose(value.doc())));
            return;
        }
        let name = if BY_PATH.contains(&path) { "\"/path\"" } else { "NAME" };
        let section = format!("{path}.{name}");
        self.described.extend(item.reference().map(|reference| (reference.to_owned(), section.clone())));
        inner.push((section, item, value.doc()));
    }

    fn service(&mut self, kind: &str, options: &Schema) {
        let node = SchemaNode::root(options);
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
        // Only the first paragraph is about the configuration; the others are about the Rust type.
        let first = doc.split("\n\n").next().unwrap_or_default();
        if !first.is_empty() {
            self.text.push_str(&format!("{}\n\n", prose(first)));
        }
    }

    fn key(&mut self, key: &str, node: SchemaNode<'_>, required: bool) {
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

/// The type of a value, in words.
fn kind(node: SchemaNode<'_>) -> String {
    if node.words().is_some() {
        return "a word".to_owned();
    }
    let Some(types) = node.types() else { return "any value".to_owned() };
    match types.as_slice() {
        ["array"] => {
            let of_item =
                |item: SchemaNode<'_>| item.text("format").is_some_and(|format| matches!(format, ADDRESS | NETWORK));
            let mut items = node.item(0).into_iter().flat_map(|item| [vec![item], item.alternatives()].concat());
            if items.any(of_item) { "an array of addresses".to_owned() } else { "an array".to_owned() }
        }
        types => wording::expected(types, node),
    }
}

/// The bounds of a value, in words, if they are narrower than those of its type.
fn bounds(node: SchemaNode<'_>) -> String {
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
