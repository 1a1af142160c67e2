//! Reads JSON Schema, as far as it occurs for types that serde reads from TOML.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The schema of what serde deserializes into a type.
pub(super) fn root_schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>()
}

/// A schema inside a document of schemas, with its `$ref` resolved.
#[derive(Debug, Clone, Copy)]
pub(super) struct SchemaNode<'s> {
    root: &'s Value,
    own: &'s Value,
    /// The target of `$ref`, or `own` if there is none. Keywords next to `$ref` take precedence over those of the target.
    target: &'s Value,
}

/// How many references are followed in a row; more are a cycle.
const MAX_REFERENCES: usize = 16;
/// How deep tables are nested that are searched for a key.
const MAX_TABLES: usize = 6;
/// The tables whose keys are paths.
pub(super) const BY_PATH: [&str; 2] = ["group", "page"];

impl<'s> SchemaNode<'s> {
    /// The root schema.
    pub(super) fn root(schema: &'s Schema) -> SchemaNode<'s> {
        SchemaNode::within(schema.as_value(), schema.as_value())
    }

    fn within(root: &'s Value, own: &'s Value) -> SchemaNode<'s> {
        let mut target = own;
        for _ in 0..MAX_REFERENCES {
            let reference = target.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
            match reference.and_then(|pointer| root.pointer(pointer)) {
                Some(found) => target = found,
                None => break,
            }
        }
        SchemaNode { root, own, target }
    }

    fn with(self, own: &'s Value) -> SchemaNode<'s> {
        SchemaNode::within(self.root, own)
    }

    /// Whether every value matches.
    pub(super) fn is_any(self) -> bool {
        *self.target == Value::Bool(true)
    }

    /// The value of a keyword.
    pub(super) fn get(self, keyword: &str) -> Option<&'s Value> {
        self.own.get(keyword).or_else(|| self.target.get(keyword))
    }

    /// The value of a keyword that is a text.
    pub(super) fn text(self, keyword: &str) -> Option<&'s str> {
        self.get(keyword).and_then(Value::as_str)
    }

    /// The value of a keyword that is a whole number.
    pub(super) fn number(self, keyword: &str) -> Option<i128> {
        let number = self.get(keyword)?;
        number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
    }

    fn list(self, keyword: &str) -> &'s [Value] {
        self.get(keyword).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// The schemas of which a value matches one, except that of null, which TOML does not have.
    pub(super) fn alternatives(self) -> Vec<SchemaNode<'s>> {
        let all = self.list("anyOf").iter().chain(self.list("oneOf")).map(|own| self.with(own));
        all.filter(|node| node.text("type") != Some("null")).collect()
    }

    /// The table with known keys that a value is, if there is one at all.
    pub(super) fn table(self) -> Option<SchemaNode<'s>> {
        if !self.properties().is_empty() {
            return Some(self);
        }
        match self.alternatives().as_slice() {
            [only] if !only.properties().is_empty() => Some(*only),
            _ => None,
        }
    }

    /// The allowed words, if only certain words match.
    pub(super) fn words(self) -> Option<Vec<&'s str>> {
        if let Some(word) = self.text("const") {
            return Some(vec![word]);
        }
        let listed = self.list("enum");
        if !listed.is_empty() {
            return listed.iter().filter(|word| !word.is_null()).map(Value::as_str).collect();
        }
        let alternatives = self.alternatives();
        if alternatives.is_empty() || self.get("properties").is_some() {
            return None;
        }
        let words: Option<Vec<_>> = alternatives.into_iter().map(SchemaNode::words).collect();
        words.map(|words| words.concat())
    }

    /// The allowed types, without null; `None` if all are.
    pub(super) fn types(self) -> Option<Vec<&'s str>> {
        if self.words().is_some() {
            return Some(vec!["string"]);
        }
        match self.get("type") {
            Some(Value::String(name)) => Some(vec![name.as_str()]),
            Some(Value::Array(names)) => Some(names.iter().filter_map(Value::as_str).collect()),
            _ => {
                let types: Option<Vec<_>> = self.alternatives().into_iter().map(SchemaNode::types).collect();
                types.map(|types| types.concat()).filter(|types| !types.is_empty())
            }
        }
        .map(|types| types.into_iter().filter(|name| *name != "null").collect())
    }

    /// The schemas that describe keys of a table, its own first.
    fn parts(self) -> Vec<SchemaNode<'s>> {
        let all = self.list("allOf").iter().map(|own| self.with(own));
        let alternatives = if self.get("properties").is_some() { self.alternatives() } else { Vec::new() };
        [self].into_iter().chain(all).chain(alternatives).collect()
    }

    /// The known keys of a table, in the order of declaration.
    pub(super) fn properties(self) -> Vec<(&'s str, SchemaNode<'s>)> {
        let tables = self.parts().into_iter().filter_map(|part| part.get("properties").and_then(Value::as_object));
        tables.flatten().map(|(key, own)| (key.as_str(), self.with(own))).collect()
    }

    /// The schema of the value of a key; `None` if a table has no such key.
    ///
    /// Keys that are not listed are unknown, unless the schema says that others may be there.
    pub(super) fn property(self, key: &str) -> Option<SchemaNode<'s>> {
        let listed = self.properties().into_iter().find(|(known, _)| *known == key).map(|(_, node)| node);
        listed.or_else(|| self.others())
    }

    /// The schema of the values of keys that are not listed.
    pub(super) fn others(self) -> Option<SchemaNode<'s>> {
        let patterns = |part: SchemaNode<'s>| part.get("patternProperties")?.as_object()?.values().next();
        let others = |part: SchemaNode<'s>| {
            let own = part.get("additionalProperties").filter(|own| **own != Value::Bool(false));
            own.or_else(|| patterns(part))
        };
        self.parts().into_iter().find_map(others).map(|own| self.with(own))
    }

    /// The keys that a table must have.
    pub(super) fn required(self) -> Vec<&'s str> {
        let all = self.list("allOf").iter().map(|own| self.with(own));
        [self].into_iter().chain(all).flat_map(|part| part.list("required")).filter_map(Value::as_str).collect()
    }

    /// The schema of an item of an array.
    pub(super) fn item(self, index: usize) -> Option<SchemaNode<'s>> {
        self.list("prefixItems").get(index).or_else(|| self.get("items")).map(|own| self.with(own))
    }

    /// The root schema of the document.
    pub(super) fn document(self) -> SchemaNode<'s> {
        self.with(self.root)
    }

    /// The tables below this one that have a key, named as in the file, in the order of declaration.
    pub(super) fn tables_with(self, key: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.find_tables_with(key, "", MAX_TABLES, &mut found);
        found
    }

    fn find_tables_with(self, key: &str, path: &str, depth: usize, found: &mut Vec<String>) {
        let properties = self.properties();
        if properties.iter().any(|(known, _)| *known == key) {
            found.push(if path.is_empty() { "the top level".to_owned() } else { format!("[{path}]") });
        }
        let Some(depth) = depth.checked_sub(1) else { return };
        for (name, node) in properties {
            let path =
                if path.is_empty() { name.to_owned() } else { format!("{}.{name}", path.trim_matches(['[', ']'])) };
            node.find_tables_with(key, &path, depth, found);
            if let Some(inner) = node.others().filter(|inner| !inner.properties().is_empty()) {
                let any = if BY_PATH.contains(&name) { "\"/path\"" } else { "NAME" };
                inner.find_tables_with(key, &format!("{path}.{any}"), depth, found);
            }
            let items = node.item(0).into_iter().flat_map(|item| [vec![item], item.alternatives()].concat());
            for item in items.filter(|item| !item.properties().is_empty()) {
                item.find_tables_with(key, &format!("[{path}]"), depth, found);
            }
        }
    }

    /// The documentation of the schema.
    pub(super) fn doc(self) -> &'s str {
        self.text("description").unwrap_or_default()
    }

    /// The name of the definition to which `$ref` refers.
    pub(super) fn reference(self) -> Option<&'s str> {
        let target = self.own.get("$ref").and_then(Value::as_str)?;
        target.strip_prefix("#/$defs/")
    }
}
