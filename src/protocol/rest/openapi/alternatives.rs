//! Moves the records among the alternatives of a component into components of their own.
//!
//! Client generators make a class of each component when another refers to it, however they refer to each other. A record
//! inside of a choice is made at once instead, and some generators then fail if it refers to the choice again: openapi-python-client
//! 0.29 leaves out all that has to do with it. Types that several choices have in common are also written once.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::components::{NamedSchemas, reference};

/// The keywords of a choice.
const CHOICES: [&str; 2] = ["anyOf", "oneOf"];

/// Moves the records among the alternatives of each component that is a choice.
pub(super) fn in_components(schemas: &mut NamedSchemas) {
    let names: Vec<String> = schemas.by_name.keys().cloned().collect();
    let mut moved = HashMap::new();
    for name in names {
        let Some(mut schema) = schemas.by_name.get_mut(&name).map(Value::take) else { continue };
        move_records(&mut schema, &name, schemas, &mut moved);
        schemas.by_name.insert(name, schema);
    }
}

/// Replaces the records among the alternatives of a schema by references. `moved` has the names of those that are components
/// already, by their texts.
fn move_records(schema: &mut Value, name: &str, schemas: &mut NamedSchemas, moved: &mut HashMap<String, String>) {
    // The alternatives of a record say which of its members go together, and are no types.
    let Some(keywords) = schema.as_object_mut().filter(|keywords| !keywords.contains_key("properties")) else { return };
    let alternatives =
        CHOICES.iter().find(|choice| keywords.contains_key(**choice)).and_then(|it| keywords.get_mut(*it));
    for alternative in alternatives.and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(record) = alternative.as_object().filter(|it| it.contains_key("properties")) else { continue };
        let text = alternative.to_string();
        let known = moved.get(&text).cloned();
        let named = known.unwrap_or_else(|| {
            let added = schemas.add(&record_name(record, name), with_own_class(record, schemas));
            moved.insert(text, added.clone());
            added
        });
        *alternative = reference(&named);
    }
}

/// A record that extends another, with its own members in `allOf`, too: generators take a schema with a single reference
/// there for another name of the same class, which lacks these members. Only records can be extended so.
fn with_own_class(record: &Map<String, Value>, schemas: &NamedSchemas) -> Value {
    let mut own = record.clone();
    let extended = own.shift_remove("allOf").and_then(|all| match all.as_array().map(Vec::as_slice) {
        Some([only]) => Some(only.clone()),
        _ => None,
    });
    let target = extended.as_ref().and_then(|extended| schemas.by_name.get(target_name(extended)?));
    let is_record =
        target.is_some_and(|it| it.get("properties").is_some() && CHOICES.iter().all(|key| it.get(key).is_none()));
    match extended {
        Some(extended) if is_record => json!({ "allOf": [extended, own] }),
        _ => Value::Object(record.clone()),
    }
}

/// The name of the component that a schema refers to.
fn target_name(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.rsplit('/').next()
}

/// The name for a record: by the type that it extends, by its only member or by its word for itself, as the variants of an
/// enumeration in Rust have one. Otherwise it is the plain form of the choice.
fn record_name(record: &Map<String, Value>, choice: &str) -> String {
    if let Some(extended) = record.get("allOf").and_then(|all| target_name(all.get(0)?)) {
        return format!("{extended}_derived");
    }
    let members = record.get("properties").and_then(Value::as_object);
    let members: Vec<(&String, &Value)> = members.into_iter().flatten().collect();
    let word = match members.as_slice() {
        [(only, _)] => Some(only.as_str()),
        // The attribute of a derived type names the type itself.
        several => {
            several.iter().filter(|(name, _)| !name.starts_with('@')).find_map(|(_, it)| it.get("const")?.as_str())
        }
    };
    format!("{choice}_{}", word.unwrap_or("plain"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_in_choices_are_moved_once() {
        let derived = json!({ "allOf": [reference("Company")], "properties": { "@type": { "const": "Company" } } });
        let plain = json!({ "properties": { "name": { "type": "string" }, "@type": { "const": "Party" } } });
        let mut schemas = NamedSchemas::default();
        schemas.add("Company", json!({ "properties": { "owner": reference("Party") } }));
        schemas.add("Party", json!({ "anyOf": [plain, derived, { "type": "null" }, reference("Company")] }));
        schemas.add("Any", json!({ "oneOf": [derived] }));
        // Only restricts which members go together.
        let payment =
            json!({ "properties": { "a": {}, "b": {} }, "oneOf": [{ "properties": { "a": {} }, "required": ["a"] }] });
        schemas.add("Payment", payment.clone());
        in_components(&mut schemas);
        let by_name = &schemas.by_name;
        let alternatives =
            json!([reference("Party_plain"), reference("Company_derived"), { "type": "null" }, reference("Company")]);
        assert_eq!(by_name["Party"], json!({ "anyOf": alternatives }));
        assert_eq!(by_name["Any"], json!({ "oneOf": [reference("Company_derived")] }));
        assert_eq!(by_name["Party_plain"], plain);
        let own = json!({ "properties": { "@type": { "const": "Company" } } });
        assert_eq!(by_name["Company_derived"], json!({ "allOf": [reference("Company"), own] }));
        assert_eq!((by_name.len(), &by_name["Payment"]), (6, &payment));
    }

    #[test]
    fn variants_have_their_names() {
        let mut schemas = NamedSchemas::default();
        let variants = [
            json!({ "properties": { "Circle": {} } }),
            json!({ "properties": { "sort": { "const": "box" }, "width": {} } }),
            json!({ "properties": { "a": {}, "b": {} } }),
            json!({ "properties": {} }),
        ];
        schemas.add("Shape", json!({ "oneOf": variants }));
        in_components(&mut schemas);
        let names: Vec<_> = schemas.by_name.keys().collect();
        assert_eq!(names, ["Shape", "Shape_Circle", "Shape_box", "Shape_plain", "Shape_plain_2"]);
    }

    #[test]
    fn only_a_record_is_extended_by_members() {
        let extending = |name: &str| json!({ "allOf": [reference(name)], "properties": { "@type": {} } });
        let mut schemas = NamedSchemas::default();
        schemas.add("List", json!({ "type": "array" }));
        schemas.add("Choice", json!({ "anyOf": [reference("List")], "properties": {} }));
        schemas.add("All", json!({ "anyOf": [extending("List"), extending("Choice")] }));
        in_components(&mut schemas);
        assert_eq!(schemas.by_name["List_derived"], extending("List"));
        assert_eq!(schemas.by_name["Choice_derived"], extending("Choice"));
    }
}
