//! Types in words for people: `integer from 1 to 10`, `list of text`.

use serde_json::Value;

use crate::model::interface::Interface;

/// The largest depth to which a type is described. Deeper types are named only.
const MAX_DEPTH: usize = 4;

/// The largest number of values or members that are listed.
const MAX_LISTED: usize = 8;

/// A type in words.
pub(super) fn words(interface: &Interface, schema: &Value) -> String {
    deep(interface, schema, MAX_DEPTH)
}

/// The values of a type that is a choice: those of `enum`, or of a choice of constants; `None` for other types.
pub(super) fn choices(schema: &Value) -> Option<Vec<&Value>> {
    if let Some(values) = list(schema, "enum") {
        return Some(values.iter().collect());
    }
    let alternatives = list(schema, "oneOf").or_else(|| list(schema, "anyOf"))?;
    let of_each = |alternative| choices(alternative).or_else(|| Some(vec![Value::get(alternative, "const")?]));
    alternatives.iter().map(of_each).collect::<Option<Vec<_>>>().map(|values| values.concat())
}

/// The other schema in a choice between one schema and null.
pub(super) fn other_than_null(schema: &Value) -> Option<&Value> {
    let alternatives = list(schema, "anyOf").or_else(|| list(schema, "oneOf"))?;
    let mut others = alternatives.iter().filter(|alternative| text(alternative, "type") != Some("null"));
    others.next().filter(|_| others.next().is_none() && alternatives.len() > 1)
}

/// The only type of a schema, ignoring `null`, and whether it allows `null`.
pub(super) fn type_name(schema: &Value) -> (Option<&str>, bool) {
    match schema.get("type") {
        Some(Value::String(name)) => (Some(name), false),
        Some(Value::Array(names)) => {
            let mut others = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            let only = others.next().filter(|_| others.next().is_none());
            (only, names.iter().any(|name| name == "null"))
        }
        _ => (None, false),
    }
}

fn deep(interface: &Interface, schema: &Value, depth: usize) -> String {
    let schema = interface.resolve(schema);
    if depth == 0 {
        return text(schema, "title").unwrap_or("a value").to_owned();
    }
    if let Some(values) = choices(schema) {
        return one_of(&values);
    }
    if let Some(other) = other_than_null(schema) {
        return format!("{}, or nothing", deep(interface, other, depth));
    }
    let (name, or_null) = type_name(schema);
    let said = match name {
        Some("boolean") => "true or false".to_owned(),
        Some(number @ ("integer" | "number")) => format!("{number}{}", range(schema, "minimum", "maximum", "")),
        Some("string") => string(schema),
        Some("array") => array(interface, schema, depth),
        Some("object") => object(interface, schema, depth),
        Some("null") => "nothing".to_owned(),
        _ if list(schema, "oneOf").or_else(|| list(schema, "anyOf")).is_some() => "one of several types".to_owned(),
        _ => "any value".to_owned(),
    };
    if or_null { format!("{said}, or nothing") } else { said }
}

fn one_of(values: &[&Value]) -> String {
    let shown: Vec<_> = values.iter().take(MAX_LISTED).map(|value| plain(value)).collect();
    let more = if values.len() > MAX_LISTED { ", …" } else { "" };
    match &shown[..] {
        [only] => only.clone(),
        _ => format!("one of {}{more}", shown.join(", ")),
    }
}

fn string(schema: &Value) -> String {
    let kind = match (text(schema, "format"), text(schema, "contentEncoding")) {
        (Some("date-time"), _) => "date and time".to_owned(),
        (_, Some("base64")) => "bytes in base64".to_owned(),
        (Some(format), _) => format!("text ({format})"),
        _ => "text".to_owned(),
    };
    let length = range(schema, "minLength", "maxLength", " characters");
    let pattern = text(schema, "pattern").map(|pattern| format!(" like {pattern}")).unwrap_or_default();
    format!("{kind}{length}{pattern}")
}

fn array(interface: &Interface, schema: &Value, depth: usize) -> String {
    if let Some(items) = list(schema, "prefixItems") {
        let name = |item| match text(interface.resolve(item), "title") {
            Some(title) => title.to_owned(),
            None => deep(interface, item, depth - 1),
        };
        return format!("list of {}", items.iter().map(name).collect::<Vec<_>>().join(", "));
    }
    let items = match schema.get("items") {
        Some(items) => deep(interface, items, depth - 1),
        None => "any value".to_owned(),
    };
    let length = match range(schema, "minItems", "maxItems", " items") {
        none if none.is_empty() => none,
        some => format!(", {}", some.trim_start_matches(" of ").trim_start()),
    };
    match items.strip_prefix("list of ") {
        Some(inner) => format!("list of lists of {inner}{length}"),
        None => format!("list of {items}{length}"),
    }
}

fn object(interface: &Interface, schema: &Value, depth: usize) -> String {
    if let Some(members) = schema.get("properties").and_then(Value::as_object) {
        let names: Vec<_> = members.keys().take(MAX_LISTED).map(String::as_str).collect();
        let more = if members.len() > MAX_LISTED { ", …" } else { "" };
        return format!("record of {}{more}", names.join(", "));
    }
    match schema.get("additionalProperties") {
        Some(Value::Bool(_)) | None => "record of any members".to_owned(),
        Some(values) => format!("record of any names, each with {}", deep(interface, values, depth - 1)),
    }
}

/// ` from 1 to 10 UNIT`, or a part of it if the schema has only one bound.
fn range(schema: &Value, least: &str, most: &str, unit: &str) -> String {
    match (schema.get(least).map(plain), schema.get(most).map(plain)) {
        (Some(least), Some(most)) if least == most && !unit.is_empty() => format!(" of {least}{unit}"),
        (Some(least), Some(most)) => format!(" from {least} to {most}{unit}"),
        (Some(least), None) => format!(" of at least {least}{unit}"),
        (None, Some(most)) => format!(" of at most {most}{unit}"),
        (None, None) => String::new(),
    }
}

/// A value as a person writes it: a text without quotation marks, a whole number without a fraction.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            let text = number.to_string();
            text.strip_suffix(".0").map_or(text.clone(), ToOwned::to_owned)
        }
        other => other.to_string(),
    }
}

fn text<'a>(schema: &'a Value, key: &str) -> Option<&'a str> {
    schema.get(key).and_then(Value::as_str)
}

fn list<'a>(schema: &'a Value, key: &str) -> Option<&'a Vec<Value>> {
    schema.get(key).and_then(Value::as_array)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_described_in_words() {
        let mut interface = Interface::default();
        interface
            .defs
            .insert("Node".into(), json!({"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}));
        interface.defs.insert("Loop".into(), json!({"type": "array", "items": {"$ref": "#/$defs/Loop"}}));
        for (schema, expected) in [
            (json!(true), "any value"),
            (json!({"type": "boolean"}), "true or false"),
            (json!({"type": "integer", "minimum": 0}), "integer of at least 0"),
            (json!({"type": "integer", "minimum": 0.0, "maximum": 255}), "integer from 0 to 255"),
            (json!({"type": ["number", "null"]}), "number, or nothing"),
            (json!({"type": "string", "maxLength": 3}), "text of at most 3 characters"),
            (json!({"type": "string", "format": "date-time"}), "date and time"),
            (json!({"type": "string", "contentEncoding": "base64"}), "bytes in base64"),
            (json!({"enum": ["a", "b"]}), "one of a, b"),
            (json!({"oneOf": [{"const": "a"}, {"enum": ["b", 1]}]}), "one of a, b, 1"),
            (json!({"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}), "record of next, or nothing"),
            (json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}), "one of several types"),
            (
                json!({"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}),
                "list of text, 2 items",
            ),
            (
                json!({"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}),
                "list of lists of integer",
            ),
            (
                json!({"type": "array", "prefixItems": [{"type": "string", "title": "number"}, true]}),
                "list of number, any value",
            ),
            (
                json!({"type": "object", "additionalProperties": {"type": "integer"}}),
                "record of any names, each with integer",
            ),
            (json!({"$ref": "#/$defs/Loop"}), "list of lists of lists of lists of a value"),
        ] {
            assert_eq!(words(&interface, &schema), expected, "{schema}");
        }
    }
}
