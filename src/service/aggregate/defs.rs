//! Merges the named types of several interfaces. Equal types are merged; different types with one name are renamed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// How deep a schema may nest. A schema below this depth is replaced by one that allows any value.
const DEEPEST: usize = 100;

/// The part of a reference before the name of the type.
const PREFIX: &str = "#/$defs/";

/// The new names of renamed types of one interface, by their old names.
pub(super) type Renamed = BTreeMap<String, String>;

/// Adds to `into` the types that the schemas refer to, and returns which of them were renamed.
///
/// Two types with the same name are merged if they are equal, including all types that they refer to.
pub(super) fn merge_types<'s>(
    into: &mut Map<String, Value>,
    from: &Map<String, Value>,
    schemas: impl Iterator<Item = &'s Value>,
) -> Renamed {
    let needed = reachable(from, schemas);
    let mut renamed = Renamed::new();
    for name in differing(into, from, &needed) {
        let free = |name: &String| !into.contains_key(name) && !needed.contains(name);
        let new = (2..).map(|number| format!("{name}_{number}")).find(free).unwrap_or_default();
        renamed.insert(name, new);
    }
    for name in &needed {
        let new = renamed.get(name).unwrap_or(name);
        if let (false, Some(schema)) = (into.contains_key(new), from.get(name)) {
            into.insert(new.clone(), with_names(schema, &renamed));
        }
    }
    renamed
}

/// The schema with the new names in its references.
pub(super) fn with_names(schema: &Value, renamed: &Renamed) -> Value {
    rename_references(schema, renamed, 0)
}

fn rename_references(schema: &Value, renamed: &Renamed, depth: usize) -> Value {
    match schema {
        _ if depth > DEEPEST => Value::Bool(true),
        Value::Array(items) => items.iter().map(|item| rename_references(item, renamed, depth + 1)).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| match target(key, value) {
                Some(name) => (key.clone(), reference(renamed.get(&name).unwrap_or(&name))),
                None => (key.clone(), rename_references(value, renamed, depth + 1)),
            });
            Value::Object(members.collect())
        }
        other => other.clone(),
    }
}

/// The value of a reference to a type.
fn reference(name: &str) -> Value {
    Value::String(format!("{PREFIX}{}", name.replace('~', "~0").replace('/', "~1")))
}

/// The schema that refers to the type of this name.
pub(super) fn refer(name: &str) -> Value {
    Value::Object(Map::from_iter([("$ref".to_owned(), reference(name))]))
}

/// The name of the type, if this member of a schema is a reference.
fn target(key: &str, value: &Value) -> Option<String> {
    let name = value.as_str().filter(|_| key == "$ref")?.strip_prefix(PREFIX)?;
    Some(name.replace("~1", "/").replace("~0", "~"))
}

/// Adds the names to which a schema refers to `to`.
fn collect_references(schema: &Value, depth: usize, to: &mut BTreeSet<String>) {
    match schema {
        _ if depth > DEEPEST => {}
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, depth + 1, to)),
        Value::Object(members) => {
            for (key, value) in members {
                match target(key, value) {
                    Some(name) => drop(to.insert(name)),
                    None => collect_references(value, depth + 1, to),
                }
            }
        }
        _ => {}
    }
}

/// The types that the schemas refer to, directly or through other types.
fn reachable<'s>(from: &Map<String, Value>, schemas: impl Iterator<Item = &'s Value>) -> BTreeSet<String> {
    let mut open = BTreeSet::new();
    schemas.for_each(|schema| collect_references(schema, 0, &mut open));
    let mut needed = BTreeSet::new();
    while let Some(name) = open.pop_first() {
        if let (Some(schema), false) = (from.get(&name), needed.contains(&name)) {
            collect_references(schema, 0, &mut open);
            needed.insert(name);
        }
    }
    needed
}

/// The needed types whose names are taken in `into` by different types: they differ themselves, or refer to a type that
/// does.
fn differing(into: &Map<String, Value>, from: &Map<String, Value>, needed: &BTreeSet<String>) -> BTreeSet<String> {
    let is_taken = |name: &&String| into.contains_key(*name);
    let mut differing: BTreeSet<String> =
        needed.iter().filter(is_taken).filter(|name| into.get(*name) != from.get(*name)).cloned().collect();
    loop {
        let refers = |name: &&String| {
            let mut to = BTreeSet::new();
            from.get(*name).into_iter().for_each(|schema| collect_references(schema, 0, &mut to));
            !to.is_disjoint(&differing)
        };
        let more: Vec<String> =
            needed.iter().filter(is_taken).filter(|name| !differing.contains(*name)).filter(refers).cloned().collect();
        if more.is_empty() {
            return differing;
        }
        differing.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn renamed_by(into: &mut Map<String, Value>, from: Value) -> Vec<(String, String)> {
        let all: Vec<Value> = object(from.clone()).keys().map(|name| refer(name)).collect();
        merge_types(into, &object(from), all.iter()).into_iter().collect()
    }

    #[test]
    fn equal_types_are_merged_and_different_ones_renamed() {
        let spin = json!({"type": "object", "properties": {"pocket": {"$ref": "#/$defs/Pocket"}}});
        let one = json!({"Spin": spin, "Pocket": {"type": "string"}});
        let other = json!({"Spin": spin, "Pocket": {"type": "integer"}, "Pocket_2": {"type": "null"}});
        let mut into = Map::new();
        assert_eq!(renamed_by(&mut into, one.clone()), []);
        assert_eq!(renamed_by(&mut into, one), []);
        let renamed = [("Pocket", "Pocket_3"), ("Spin", "Spin_2")];
        assert_eq!(renamed_by(&mut into, other), renamed.map(|(old, new)| (old.to_owned(), new.to_owned())));
        assert_eq!(into.keys().collect::<Vec<_>>(), ["Pocket", "Spin", "Pocket_3", "Pocket_2", "Spin_2"]);
        assert_eq!(into["Spin_2"]["properties"]["pocket"], json!({"$ref": "#/$defs/Pocket_3"}));
        assert_eq!(into["Spin"]["properties"]["pocket"], json!({"$ref": "#/$defs/Pocket"}));
    }

    #[test]
    fn recursive_types_and_escaped_names_are_renamed() {
        let ring = |kind| json!({"a/b": {"items": {"$ref": "#/$defs/c~0d"}}, "c~d": {"type": kind, "not": {"$ref": "#/$defs/a~1b"}}});
        let mut into = Map::new();
        assert_eq!(renamed_by(&mut into, ring("array")), []);
        assert_eq!(renamed_by(&mut into, ring("object")).len(), 2);
        assert_eq!(into["a/b_2"]["items"], refer("c~d_2"));
        assert_eq!(into["c~d_2"]["not"], refer("a/b_2"));
    }

    #[test]
    fn only_referenced_types_are_added() {
        let from = object(json!({"A": {"type": "string"}, "B": {"type": "string"}}));
        let mut into = Map::new();
        merge_types(&mut into, &from, [json!({"items": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/gone"}]})].iter());
        assert_eq!(into.keys().collect::<Vec<_>>(), ["A"]);
    }
}
