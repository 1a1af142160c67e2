//! Converts schemas for an OpenAPI document: they are self-contained, and allow exactly the values that are accepted.

use serde_json::{Map, Value, json};

use super::component_names::ComponentNames;
use crate::model::interface::Interface;

/// The pattern of a date and time: the basic or the extended format of ISO 8601, with or without a time zone. The format
/// `date-time` would require a time zone (RFC 3339).
pub(super) const DATE_TIME: &str = concat!(
    "^(?:[0-9]{4}-?(?:(?:0[13578]|1[02])-?(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-?(?:0[1-9]|[12][0-9]|30)",
    "|02-?(?:0[1-9]|1[0-9]|2[0-8]))",
    "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-?02-?29)",
    "T(?:[01][0-9]|2[0-3]):?[0-5][0-9]:?[0-5][0-9](?:[.,][0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?$",
);

/// The pattern of bytes: base64 with padding, whose unused bits are zero (RFC 4648, section 4).
const BASE64: &str = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";

/// The keywords whose value is a schema.
const SCHEMA: &[&str] = &[
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// The keywords whose value is a list of schemas.
const SCHEMAS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
/// The keywords whose value is an object of schemas.
const NAMED: &[&str] = &["dependentSchemas", "patternProperties", "properties"];

/// The keywords whose value may be `true` or `false` in what generators of clients read.
const SWITCHES: &[&str] = &["additionalProperties", "unevaluatedItems", "unevaluatedProperties"];

/// How deep the types that a record extends are searched for its members.
const MAX_EXTENDED: usize = 8;

/// Converts a schema: references point to the components of the document, and formats become bounds.
///
/// Some generators of clients refuse a document with a schema that is `true` or `false`, or with a list that does not say
/// what its items are. They are written as objects that mean the same.
pub(super) fn convert(schema: &Value, names: &ComponentNames<'_>) -> Value {
    let keywords = match schema {
        Value::Object(keywords) => keywords,
        Value::Bool(true) => return json!({}),
        Value::Bool(false) => return json!({ "not": {} }),
        other => return other.clone(),
    };
    let mut written: Map<String, Value> =
        keywords.iter().map(|(keyword, value)| (keyword.clone(), keyword_of(keyword, value, names))).collect();
    tighten(&mut written);
    if may_be_list(keywords) && !keywords.contains_key("items") && !keywords.contains_key("prefixItems") {
        written.insert("items".to_owned(), json!({}));
    }
    separate_attributes(&mut written, schema, names.interface());
    wrap_choices(&mut written);
    Value::Object(written)
}

/// Moves the choices beside the properties of a record into `allOf`, which means the same. They say which members go together.
/// Some generators of clients would make a class of each alternative, without the other members.
fn wrap_choices(written: &mut Map<String, Value>) {
    if !written.contains_key("properties") {
        return;
    }
    for keyword in ["anyOf", "oneOf"] {
        let Some(choice) = written.shift_remove(keyword) else { continue };
        let all = written.entry("allOf").or_insert_with(|| json!([]));
        if let Some(all) = all.as_array_mut() {
            all.push(Map::from_iter([(keyword.to_owned(), choice)]).into());
        }
    }
}

fn may_be_list(keywords: &Map<String, Value>) -> bool {
    match keywords.get("type") {
        Some(Value::String(word)) => word == "array",
        Some(Value::Array(words)) => words.iter().any(|word| word == "array"),
        _ => false,
    }
}

/// Moves the attribute `@name` of a record that also has an element `name` from the properties to a keyword that generators of
/// clients pass over, because some refuse a record whose members would have the same name in their language. The record
/// then says that it may have further members.
fn separate_attributes(written: &mut Map<String, Value>, schema: &Value, interface: &Interface) {
    if SWITCHES.iter().any(|keyword| written.contains_key(*keyword)) {
        return;
    }
    let Some(properties) = written.get_mut("properties").and_then(Value::as_object_mut) else { return };
    let is_ambiguous =
        |name: &&String| name.strip_prefix('@').is_some_and(|plain| has_member(interface, schema, plain, MAX_EXTENDED));
    let ambiguous: Vec<String> = properties.keys().filter(is_ambiguous).cloned().collect();
    if ambiguous.is_empty() {
        return;
    }
    let apart = ambiguous.into_iter().filter_map(|name| {
        let property = properties.shift_remove(&name)?;
        let own = Map::from_iter([(name.clone(), property)]);
        Some((name, json!({ "properties": own })))
    });
    let apart: Map<String, Value> = apart.collect();
    written.insert("dependentSchemas".to_owned(), apart.into());
    written.insert("additionalProperties".to_owned(), json!(true));
}

/// Whether a record, or a type that it extends, has a member of this name.
fn has_member(interface: &Interface, schema: &Value, name: &str, depth: usize) -> bool {
    let schema = interface.resolve(schema);
    let own = schema.get("properties").and_then(Value::as_object).is_some_and(|members| members.contains_key(name));
    let extended = ["allOf", "anyOf"].iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    own || (depth > 0 && extended.into_iter().any(|schema| has_member(interface, schema, name, depth - 1)))
}

fn keyword_of(keyword: &str, value: &Value, names: &ComponentNames<'_>) -> Value {
    match value {
        Value::String(target) if keyword == "$ref" => Value::from(names.reference(target)),
        Value::Array(all) if SCHEMAS.contains(&keyword) => all.iter().map(|schema| convert(schema, names)).collect(),
        Value::Object(all) if NAMED.contains(&keyword) => {
            Value::Object(all.iter().map(|(name, schema)| (name.clone(), convert(schema, names))).collect())
        }
        Value::Bool(_) if SWITCHES.contains(&keyword) => value.clone(),
        value if SCHEMA.contains(&keyword) => convert(value, names),
        value => value.clone(),
    }
}

/// Adds the bounds and patterns that a format means.
fn tighten(schema: &mut Map<String, Value>) {
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => {
            schema.shift_remove("format");
            schema.insert("pattern".into(), DATE_TIME.into());
            schema.entry("examples").or_insert_with(|| json!(["1998-07-17T14:08:55", "1998-07-17T14:08:55+02:00"]));
        }
        Some(format) => {
            if let Some((least, most)) = bounds(format) {
                schema.entry("minimum").or_insert(least);
                schema.entry("maximum").or_insert(most);
            }
        }
        None => {}
    }
    if schema.get("contentEncoding").is_some_and(|coding| coding == "base64") {
        schema.entry("pattern").or_insert_with(|| BASE64.into());
    }
}

/// The smallest and the largest value of an integer format.
fn bounds(format: &str) -> Option<(Value, Value)> {
    Some(match format {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "int64" | "int" => (i64::MIN.into(), i64::MAX.into()),
        "uint8" => (0.into(), u8::MAX.into()),
        "uint16" => (0.into(), u16::MAX.into()),
        "uint32" => (0.into(), u32::MAX.into()),
        "uint64" | "uint" => (0.into(), u64::MAX.into()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_in_a_schema_is_not_changed() {
        let interface = Interface::default();
        let names = ComponentNames::new(&interface);
        let data = json!({ "default": { "format": "int8", "$ref": "#/$defs/A" }, "enum": [{ "format": "int8" }] });
        assert_eq!(convert(&data, &names), data);
    }

    #[test]
    fn schemas_are_objects_and_lists_have_items() {
        let interface = Interface::default();
        let names = ComponentNames::new(&interface);
        for (schema, expected) in [
            (json!(true), json!({})),
            (json!(false), json!({ "not": {} })),
            (
                json!({ "properties": { "a": true }, "additionalProperties": false }),
                json!({ "properties": { "a": {} }, "additionalProperties": false }),
            ),
            (json!({ "prefixItems": [true], "items": false }), json!({ "prefixItems": [{}], "items": { "not": {} } })),
            (json!({ "type": "array" }), json!({ "type": "array", "items": {} })),
            (json!({ "type": ["array", "null"] }), json!({ "type": ["array", "null"], "items": {} })),
        ] {
            assert_eq!(convert(&schema, &names), expected, "{schema}");
        }
    }

    #[test]
    fn a_choice_beside_properties_is_one_of_all() {
        let interface = Interface::default();
        let names = ComponentNames::new(&interface);
        let members = json!({ "a": {}, "b": {} });
        let choice = json!([{ "required": ["a"] }, { "required": ["b"] }]);
        let record = json!({ "properties": members, "oneOf": choice, "allOf": [{ "minProperties": 1 }] });
        let expected = json!({ "properties": members, "allOf": [{ "minProperties": 1 }, { "oneOf": choice }] });
        assert_eq!(convert(&record, &names), expected);
        assert_eq!(convert(&json!({ "oneOf": choice }), &names), json!({ "oneOf": choice }));
    }

    #[test]
    fn an_attribute_beside_an_element_of_its_name_is_no_property() {
        let text = json!({ "type": "string" });
        let base = json!({ "properties": { "type": text } });
        let interface = Interface { defs: Map::from_iter([("Base".to_owned(), base)]), ..Interface::default() };
        let names = ComponentNames::new(&interface);
        let apart = |property: &Value| json!({ "@type": { "properties": { "@type": property } } });
        let own = json!({ "properties": { "type": text, "@type": text, "@other": text }, "required": ["@type"] });
        let expected = json!({
            "properties": { "type": text, "@other": text },
            "required": ["@type"],
            "dependentSchemas": apart(&text),
            "additionalProperties": true,
        });
        assert_eq!(convert(&own, &names), expected);
        let word = json!({ "const": "Base" });
        let extending = json!({ "allOf": [{ "$ref": "#/$defs/Base" }], "properties": { "@type": word } });
        assert_eq!(convert(&extending, &names)["dependentSchemas"], apart(&word));
        let closed = json!({ "properties": { "type": text, "@type": text }, "additionalProperties": false });
        assert_eq!(convert(&closed, &names), closed);
    }

    #[test]
    fn formats_become_bounds_wherever_they_stand() {
        let interface = Interface::default();
        let byte = json!({ "type": "integer", "format": "uint8", "maximum": 7 });
        let schema = json!({ "properties": { "format": { "items": byte } }, "allOf": [byte] });
        let written = convert(&schema, &ComponentNames::new(&interface));
        let bounded = json!({ "type": "integer", "format": "uint8", "maximum": 7, "minimum": 0 });
        assert_eq!(written, json!({ "properties": { "format": { "items": bounded } }, "allOf": [bounded] }));
    }
}
