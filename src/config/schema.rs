//! A JSON Schema, as far as types that serde reads from TOML need it.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The schema of what serde reads into a type.
pub(super) fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>()
}

/// One schema within a document of schemas, its reference followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'s> {
    root: &'s Value,
    own: &'s Value,
    /// What `$ref` refers to; `own` where there is none. Keywords beside a reference win over the referred ones.
    meant: &'s Value,
}

/// How many references may follow each other; more are a circle.
const REFERENCES: usize = 16;

impl<'s> Node<'s> {
    /// The schema as a whole.
    pub(super) fn root(schema: &'s Schema) -> Node<'s> {
        Node::within(schema.as_value(), schema.as_value())
    }

    fn within(root: &'s Value, own: &'s Value) -> Node<'s> {
        let mut meant = own;
        for _ in 0..REFERENCES {
            let target = meant.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
            match target.and_then(|pointer| root.pointer(pointer)) {
                Some(target) => meant = target,
                None => break,
            }
        }
        Node { root, own, meant }
    }

    fn at(self, own: &'s Value) -> Node<'s> {
        Node::within(self.root, own)
    }

    /// Whether any value fits.
    pub(super) fn is_any(self) -> bool {
        *self.meant == Value::Bool(true)
    }

    /// The value of a keyword.
    pub(super) fn get(self, keyword: &str) -> Option<&'s Value> {
        self.own.get(keyword).or_else(|| self.meant.get(keyword))
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

    /// The schemas of which a value fits one, without the one that fits nothing but null: TOML has no null.
    pub(super) fn alternatives(self) -> Vec<Node<'s>> {
        let all = self.list("anyOf").iter().chain(self.list("oneOf")).map(|own| self.at(own));
        all.filter(|node| node.text("type") != Some("null")).collect()
    }

    /// The words of which a value is one, if only words fit.
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
        let words: Option<Vec<_>> = alternatives.into_iter().map(Node::words).collect();
        words.map(|words| words.concat())
    }

    /// The types of the values that may fit, without null; `None` if any may.
    pub(super) fn types(self) -> Option<Vec<&'s str>> {
        if self.words().is_some() {
            return Some(vec!["string"]);
        }
        match self.get("type") {
            Some(Value::String(name)) => Some(vec![name.as_str()]),
            Some(Value::Array(names)) => Some(names.iter().filter_map(Value::as_str).collect()),
            _ => {
                let types: Option<Vec<_>> = self.alternatives().into_iter().map(Node::types).collect();
                types.map(|types| types.concat()).filter(|types| !types.is_empty())
            }
        }
        .map(|types| types.into_iter().filter(|name| *name != "null").collect())
    }

    /// The schemas that a table has to fit or may fit part by part, its own first.
    fn parts(self) -> Vec<Node<'s>> {
        let all = self.list("allOf").iter().map(|own| self.at(own));
        let alternatives = if self.get("properties").is_some() { self.alternatives() } else { Vec::new() };
        [self].into_iter().chain(all).chain(alternatives).collect()
    }

    /// The known keys of a table, in the order of declaration.
    pub(super) fn properties(self) -> Vec<(&'s str, Node<'s>)> {
        let tables = self.parts().into_iter().filter_map(|part| part.get("properties").and_then(Value::as_object));
        tables.flatten().map(|(key, own)| (key.as_str(), self.at(own))).collect()
    }

    /// The schema of the value of a key; `None` if a table has no such key.
    ///
    /// Keys that are not listed are unknown, unless the schema says that others may be there.
    pub(super) fn property(self, key: &str) -> Option<Node<'s>> {
        let listed = self.properties().into_iter().find(|(known, _)| *known == key).map(|(_, node)| node);
        listed.or_else(|| self.others())
    }

    /// The schema of the values of keys that are not listed.
    pub(super) fn others(self) -> Option<Node<'s>> {
        let patterns = |part: Node<'s>| part.get("patternProperties")?.as_object()?.values().next();
        let others = |part: Node<'s>| {
            let own = part.get("additionalProperties").filter(|own| **own != Value::Bool(false));
            own.or_else(|| patterns(part))
        };
        self.parts().into_iter().find_map(others).map(|own| self.at(own))
    }

    /// The keys that a table must have.
    pub(super) fn required(self) -> Vec<&'s str> {
        let all = self.list("allOf").iter().map(|own| self.at(own));
        [self].into_iter().chain(all).flat_map(|part| part.list("required")).filter_map(Value::as_str).collect()
    }

    /// The schema of an item of an array.
    pub(super) fn item(self, index: usize) -> Option<Node<'s>> {
        self.list("prefixItems").get(index).or_else(|| self.get("items")).map(|own| self.at(own))
    }

    /// What the schema is for, for people.
    pub(super) fn doc(self) -> &'s str {
        self.text("description").unwrap_or_default()
    }

    /// The name of the definition that is referred to.
    pub(super) fn reference(self) -> Option<&'s str> {
        let target = self.own.get("$ref").and_then(Value::as_str)?;
        target.strip_prefix("#/$defs/")
    }
}
