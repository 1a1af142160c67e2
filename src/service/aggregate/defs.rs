//! Named types of several interfaces in one place: alike where they are alike, otherwise under names of their own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// How deep a schema may nest; what lies deeper is anything.
const DEEPEST: usize = 100;

/// What stands before the name of a type where it is referred to.
const PREFIX: &str = "#/$defs/";

/// New names by old ones, for the types of one interface.
pub(super) type Renamed = BTreeMap<String, String>;

/// Takes over the types that some schemas refer to, and answers which of them have another name now.
///
/// Two types that are called the same are one where all that they say is the same, down to what they refer to.
pub(super) fn take_over<'s>(
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

/// A schema whose references follow the new names.
pub(super) fn with_names(schema: &Value, renamed: &Renamed) -> Value {
    rewritten(schema, renamed, 0)
}

fn rewritten(schema: &Value, renamed: &Renamed, depth: usize) -> Value {
    match schema {
        _ if depth > DEEPEST => Value::Bool(true),
        Value::Array(items) => items.iter().map(|item| rewritten(item, renamed, depth + 1)).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| match target(key, value) {
                Some(name) => (key.clone(), reference(renamed.get(&name).unwrap_or(&name))),
                None => (key.clone(), rewritten(value, renamed, depth + 1)),
            });
            Value::Object(members.collect())
        }
        plain => plain.clone(),
    }
}

/// A reference to a type.
fn reference(name: &str) -> Value {
    Value::String(format!("{PREFIX}{}", name.replace('~', "~0").replace('/', "~1")))
}

/// A schema that is the type of this name.
pub(super) fn refer(name: &str) -> Value {
    Value::Object(Map::from_iter([("$ref".to_owned(), reference(name))]))
}

fn target(key: &str, value: &Value) -> Option<String> {
    let name = value.as_str().filter(|_| key == "$ref")?.strip_prefix(PREFIX)?;
    Some(name.replace("~1", "/").replace("~0", "~"))
}

/// The names that a schema refers to.
fn referred(schema: &Value, depth: usize, to: &mut BTreeSet<String>) {
    match schema {
        _ if depth > DEEPEST => {}
        Value::Array(items) => items.iter().for_each(|item| referred(item, depth + 1, to)),
        Value::Object(members) => {
            for (key, value) in members {
                match target(key, value) {
                    Some(name) => drop(to.insert(name)),
                    None => referred(value, depth + 1, to),
                }
            }
        }
        _ => {}
    }
}

/// The types that schemas refer to, and those that these refer to, and so on.
fn reachable<'s>(from: &Map<String, Value>, schemas: impl Iterator<Item = &'s Value>) -> BTreeSet<String> {
    let mut open = BTreeSet::new();
    schemas.for_each(|schema| referred(schema, 0, &mut open));
    let mut needed = BTreeSet::new();
    while let Some(name) = open.pop_first() {
        if let (Some(schema), false) = (from.get(&name), needed.contains(&name)) {
            referred(schema, 0, &mut open);
            needed.insert(name);
        }
    }
    needed
}

/// Which of the needed types are not those that are there already under their names: they say something else, or refer
/// to one that does.
fn differing(into: &Map<String, Value>, from: &Map<String, Value>, needed: &BTreeSet<String>) -> BTreeSet<String> {
    let there = |name: &&String| into.contains_key(*name);
    let mut differing: BTreeSet<String> =
        needed.iter().filter(there).filter(|name| into.get(*name) != from.get(*name)).cloned().collect();
    loop {
        let refers = |name: &&String| {
            let mut to = BTreeSet::new();
            from.get(*name).into_iter().for_each(|schema| referred(schema, 0, &mut to));
            !to.is_disjoint(&differing)
        };
        let more: Vec<String> =
            needed.iter().filter(there).filter(|name| !differing.contains(*name)).filter(refers).cloned().collect();
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

    fn taken(into: &mut Map<String, Value>, from: Value) -> Vec<(String, String)> {
        let all: Vec<Value> = object(from.clone()).keys().map(|name| refer(name)).collect();
        take_over(into, &object(from), all.iter()).into_iter().collect()
    }

    #[test]
    fn what_is_the_same_is_shared_and_what_is_not_has_a_name_of_its_own() {
        let spin = json!({"type": "object", "properties": {"pocket": {"$ref": "#/$defs/Pocket"}}});
        let one = json!({"Spin": spin, "Pocket": {"type": "string"}});
        let other = json!({"Spin": spin, "Pocket": {"type": "integer"}, "Pocket_2": {"type": "null"}});
        let mut into = Map::new();
        assert_eq!(taken(&mut into, one.clone()), []);
        assert_eq!(taken(&mut into, one), []);
        let renamed = [("Pocket", "Pocket_3"), ("Spin", "Spin_2")];
        assert_eq!(taken(&mut into, other), renamed.map(|(old, new)| (old.to_owned(), new.to_owned())));
        assert_eq!(into.keys().collect::<Vec<_>>(), ["Pocket", "Spin", "Pocket_3", "Pocket_2", "Spin_2"]);
        assert_eq!(into["Spin_2"]["properties"]["pocket"], json!({"$ref": "#/$defs/Pocket_3"}));
        assert_eq!(into["Spin"]["properties"]["pocket"], json!({"$ref": "#/$defs/Pocket"}));
    }

    #[test]
    fn types_that_hold_each_other_and_odd_names_are_no_hindrance() {
        let ring = |kind| json!({"a/b": {"items": {"$ref": "#/$defs/c~0d"}}, "c~d": {"type": kind, "not": {"$ref": "#/$defs/a~1b"}}});
        let mut into = Map::new();
        assert_eq!(taken(&mut into, ring("array")), []);
        assert_eq!(taken(&mut into, ring("object")).len(), 2);
        assert_eq!(into["a/b_2"]["items"], refer("c~d_2"));
        assert_eq!(into["c~d_2"]["not"], refer("a/b_2"));
    }

    #[test]
    fn only_what_is_referred_to_is_taken_over() {
        let from = object(json!({"A": {"type": "string"}, "B": {"type": "string"}}));
        let mut into = Map::new();
        take_over(&mut into, &from, [json!({"items": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/gone"}]})].iter());
        assert_eq!(into.keys().collect::<Vec<_>>(), ["A"]);
    }
}
