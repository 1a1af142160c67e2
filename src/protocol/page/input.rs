//! The form fields for the types of parameters.

use serde::Serialize;
use serde_json::{Value, json};

use super::templates::{escape_misleading, is_misleading};
use super::type_text::{choices, other_than_null, plain, type_name};
use crate::model::interface::{Interface, Param};

/// The largest depth of an example. Deeper lists are empty, and deeper members `null`.
const DEPTH: usize = 6;

/// The most values of an example. Further members and items are left out.
const MAX_VALUES: usize = 400;

/// The most values of a choice that has a list of them. Others are written as JSON.
const MAX_OPTIONS: usize = 500;

/// The field for one parameter.
#[derive(Debug, Serialize, PartialEq)]
pub(super) struct Input {
    kind: InputKind,
    /// The values of a choice; empty for other kinds.
    options: Vec<Choice>,
    min: Option<String>,
    max: Option<String>,
    max_length: Option<u64>,
    /// The initial content of the field.
    value: String,
    /// The placeholder of an empty field.
    hint: &'static str,
}

#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum InputKind {
    Integer,
    Number,
    Text,
    Choice,
    Json,
}

/// One of the values of a choice.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct Choice {
    /// As a JSON text.
    json: String,
    label: String,
}

impl Input {
    pub(super) fn of(interface: &Interface, param: &Param) -> Input {
        let schema = resolved(interface, param.schema.as_value());
        let options = Some(options(schema)).filter(|all| all.len() <= MAX_OPTIONS).unwrap_or_default();
        let kind = kind(schema, !options.is_empty());
        let given = param.schema.get("default").filter(|default| !default.is_null());
        let value = match (kind, given) {
            (InputKind::Choice, given) => given.map(compact).unwrap_or_default(),
            (InputKind::Json, Some(given)) => pretty(given),
            (InputKind::Json, None) if param.required => {
                pretty(&example(interface, param.schema.as_value(), DEPTH, &mut MAX_VALUES.clone()))
            }
            (InputKind::Integer | InputKind::Number, None) if param.required => plain(&some_number(schema)),
            (InputKind::Text, None) if param.required && is_date(schema) => hint(schema).to_owned(),
            // A default that the field cannot show is left out. The server uses it anyway if the field is empty.
            (_, given) => given.map(plain).filter(|text| !text.contains(is_misleading)).unwrap_or_default(),
        };
        let bound = |key| schema.get(key).map(plain);
        let (min, max) = match schema.get("format").and_then(Value::as_str).and_then(range) {
            Some((min, max)) => (bound("minimum").or(Some(min)), bound("maximum").or(Some(max))),
            None => (bound("minimum"), bound("maximum")),
        };
        let max_length = schema.get("maxLength").and_then(Value::as_u64);
        Input { kind, options, min, max, max_length, value, hint: hint(schema) }
    }
}

/// The schema of a value, with references followed and null ignored.
fn resolved<'a>(interface: &'a Interface, schema: &'a Value) -> &'a Value {
    let schema = interface.resolve(schema);
    other_than_null(schema).map_or(schema, |other| interface.resolve(other))
}

fn kind(schema: &Value, is_choice: bool) -> InputKind {
    match type_name(schema).0 {
        _ if is_choice => InputKind::Choice,
        Some("integer") => InputKind::Integer,
        Some("number") => InputKind::Number,
        Some("string") => InputKind::Text,
        _ => InputKind::Json,
    }
}

fn options(schema: &Value) -> Vec<Choice> {
    let yes = Value::Bool(true);
    let no = Value::Bool(false);
    let values = match type_name(schema).0 {
        Some("boolean") => vec![&yes, &no],
        _ => choices(schema).unwrap_or_default(),
    };
    let choice = |value: &Value| Choice { json: compact(value), label: plain(value) };
    values.into_iter().filter(|value| !value.is_null()).map(choice).collect()
}

/// The bounds of an integer of this many bits. They are left out beyond the integers that a JavaScript number holds
/// exactly.
fn range(format: &str) -> Option<(String, String)> {
    let (least, most) = match format {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" => (0_i64, i64::from(u32::MAX)),
        _ => return None,
    };
    Some((least.to_string(), most.to_string()))
}

fn hint(schema: &Value) -> &'static str {
    let keyword = |key: &str| schema.get(key).and_then(Value::as_str);
    match (keyword("format"), keyword("contentEncoding")) {
        (Some("date-time"), _) => "2026-01-31T12:00:00Z",
        (_, Some("base64")) => "bytes in base64",
        _ => "",
    }
}

fn is_date(schema: &Value) -> bool {
    schema.get("format").is_some_and(|format| format == "date-time")
}

fn first_example(schema: &Value) -> Option<&Value> {
    schema.get("examples")?.as_array()?.first()
}

/// One, or the number nearest to it that the bounds allow.
fn some_number(schema: &Value) -> Value {
    let bound = |key| schema.get(key).and_then(Value::as_f64);
    let (least, most) = (bound("minimum").unwrap_or(1.0), bound("maximum").unwrap_or(1.0));
    match first_example(schema) {
        Some(example) => example.clone(),
        None if least > 1.0 => schema.get("minimum").cloned().unwrap_or_default(),
        None if most < 1.0 => schema.get("maximum").cloned().unwrap_or_default(),
        None => json!(1),
    }
}

/// An example of a type, which shows its form and can be edited. Each value takes one of those that are `left`.
fn example(interface: &Interface, schema: &Value, depth: usize, left: &mut usize) -> Value {
    let schema = resolved(interface, schema);
    *left = left.saturating_sub(1);
    if depth == 0 {
        return Value::Null;
    }
    if let Some(value) = schema.get("default").or_else(|| first_example(schema)) {
        return value.clone();
    }
    if let Some(first) = choices(schema).and_then(|values| values.first().copied()) {
        return first.clone();
    }
    match type_name(schema).0 {
        Some("boolean") => json!(false),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(0)),
        Some("string") => json!(if is_date(schema) { hint(schema) } else { "" }),
        Some("array") => {
            // At the end an empty list, because few types allow null in a list.
            let inner = |item| (*left > 0 && depth > 1).then(|| example(interface, item, depth - 1, left));
            items(schema).map_while(inner).collect()
        }
        Some("object") => {
            let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            let inner = |(name, schema): (&String, &Value)| {
                (*left > 0).then(|| (name.clone(), example(interface, schema, depth - 1, left)))
            };
            Value::Object(members.map_while(inner).collect())
        }
        _ => match schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            Some(all) => all.first().map(|first| example(interface, first, depth - 1, left)).unwrap_or_default(),
            None => json!("text"),
        },
    }
}

/// The types of the items that an example of an array has.
fn items(schema: &Value) -> impl Iterator<Item = &Value> {
    let first = schema.get("prefixItems").and_then(Value::as_array).into_iter().flatten();
    let of_all = schema.get("items").filter(|_| schema.get("prefixItems").is_none());
    first.chain(of_all)
}

fn pretty(value: &Value) -> String {
    escape_misleading(serde_json::to_string_pretty(value).unwrap_or_default())
}

fn compact(value: &Value) -> String {
    escape_misleading(value.to_string())
}

#[cfg(test)]
mod tests {
    use schemars::Schema;

    use super::*;

    fn input(schema: Value, required: bool) -> Input {
        let mut interface = Interface::default();
        interface.defs.insert("Pair".into(), json!({"type": "object", "properties": {
            "name": {"type": "string"}, "pair": {"$ref": "#/$defs/Pair"}, "sizes": {"type": "array", "items": {"type": "integer", "minimum": 1}},
        }}));
        let schema = Schema::try_from(schema).unwrap();
        Input::of(&interface, &Param { name: "it".into(), doc: String::new(), schema, required })
    }

    #[test]
    fn each_type_has_its_field() {
        for (schema, kind) in [
            (json!({"type": "integer"}), InputKind::Integer),
            (json!({"type": ["integer", "null"]}), InputKind::Integer),
            (json!({"anyOf": [{"type": "number"}, {"type": "null"}]}), InputKind::Number),
            (json!({"type": "boolean"}), InputKind::Choice),
            (json!({"enum": ["a", 1]}), InputKind::Choice),
            (json!({"type": "string"}), InputKind::Text),
            (json!({"type": "array"}), InputKind::Json),
            (json!(true), InputKind::Json),
        ] {
            assert_eq!(input(schema.clone(), true).kind, kind, "{schema}");
        }
    }

    #[test]
    fn bounds_come_from_the_schema_or_from_the_width() {
        let bounded = |schema| {
            let input = input(schema, true);
            [input.min, input.max].map(Option::unwrap_or_default)
        };
        assert_eq!(bounded(json!({"type": "integer", "format": "uint8"})), ["0", "255"]);
        assert_eq!(bounded(json!({"type": "integer", "format": "uint8", "minimum": 1.0})), ["1", "255"]);
        assert_eq!(bounded(json!({"type": "integer", "format": "uint64", "minimum": 0})), ["0", ""]);
    }

    #[test]
    fn required_inputs_have_examples_even_for_recursive_types() {
        let text = input(json!({"$ref": "#/$defs/Pair"}), true).value;
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["name"], &value["sizes"]), (&json!(""), &json!([1])));
        assert_eq!(input(json!({"$ref": "#/$defs/Pair"}), false).value, "");
        assert_eq!(input(json!({"type": "integer", "default": 5}), false).value, "5");
        assert_eq!(input(json!({"type": "boolean", "default": true}), false).value, "true");
    }

    #[test]
    fn examples_and_choices_are_bounded() {
        let wide = |inner: Value| {
            let members = (0..40).map(|at| (format!("m{at}"), inner.clone())).collect();
            json!({"type": "object", "properties": Value::Object(members)})
        };
        let deep = wide(wide(wide(wide(json!({"type": "string"})))));
        let text = input(deep, true).value;
        assert_eq!(text.matches(':').count(), MAX_VALUES - 1, "{text}");
        let many: Vec<_> = (0..=MAX_OPTIONS).collect();
        assert_eq!(input(json!({ "enum": many }), true).kind, InputKind::Json);
        assert_eq!(input(json!({ "enum": many[1..] }), true).kind, InputKind::Choice);
    }
}
