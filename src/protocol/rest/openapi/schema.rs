//! Converts schemas for an OpenAPI document: they are self-contained, and allow exactly the values that are accepted.

use serde_json::{Map, Value, json};

use super::component_names::ComponentNames;

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

/// Converts a schema: references point to the components of the document, and formats become bounds.
pub(super) fn convert(schema: &Value, names: &ComponentNames<'_>) -> Value {
    let Value::Object(keywords) = schema else { return schema.clone() };
    let mut written: Map<String, Value> =
        keywords.iter().map(|(keyword, value)| (keyword.clone(), keyword_of(keyword, value, names))).collect();
    tighten(&mut written);
    Value::Object(written)
}

fn keyword_of(keyword: &str, value: &Value, names: &ComponentNames<'_>) -> Value {
    match value {
        Value::String(target) if keyword == "$ref" => Value::from(names.reference(target)),
        Value::Array(all) if SCHEMAS.contains(&keyword) => all.iter().map(|schema| convert(schema, names)).collect(),
        Value::Object(all) if NAMED.contains(&keyword) => {
            Value::Object(all.iter().map(|(name, schema)| (name.clone(), convert(schema, names))).collect())
        }
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
    use crate::model::interface::Interface;

    #[test]
    fn data_in_a_schema_is_not_changed() {
        let interface = Interface::default();
        let names = ComponentNames::new(&interface);
        let data = json!({ "default": { "format": "int8", "$ref": "#/$defs/A" }, "enum": [{ "format": "int8" }] });
        assert_eq!(convert(&data, &names), data);
        assert_eq!(convert(&json!(true), &names), json!(true));
    }

    #[test]
    fn formats_become_bounds_wherever_they_stand() {
        let interface = Interface::default();
        let byte = json!({ "type": "integer", "format": "uint8", "maximum": 7 });
        let schema = json!({ "properties": { "format": { "items": byte } }, "anyOf": [byte] });
        let written = convert(&schema, &ComponentNames::new(&interface));
        let bounded = json!({ "type": "integer", "format": "uint8", "maximum": 7, "minimum": 0 });
        assert_eq!(written, json!({ "properties": { "format": { "items": bounded } }, "anyOf": [bounded] }));
    }
}
