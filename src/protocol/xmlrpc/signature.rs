//! Signatures: in XML-RPC's type words for `system.methodSignature`, and as a line for people.

use serde_json::Value;

use crate::model::interface::{Interface, Method, Param};

/// The signatures of a method, each its result's type word followed by those of its parameters.
///
/// Optional parameters make several signatures, one for each number of parameters that a call may give.
/// The words are XML-RPC's type names, and `mixed` for a value of any type.
pub fn signatures(interface: &Interface, method: &Method) -> Vec<Vec<&'static str>> {
    let result = match type_word(interface, method.result.as_value()) {
        // A method with nothing to say answers an empty string.
        "nil" => "string",
        word => word,
    };
    let params: Vec<_> = method.params.iter().map(|param| type_word(interface, param.schema.as_value())).collect();
    let counts = method.required()..=params.len();
    counts.map(|count| [result].into_iter().chain(params.iter().copied().take(count)).collect()).collect()
}

/// A method as one line for people: `spinList(spins: int = 1) -> array`.
pub fn line(interface: &Interface, method: &Method) -> String {
    let params: Vec<_> = method.params.iter().map(|param| param_text(interface, param)).collect();
    format!("{}({}) -> {}", method.name, params.join(", "), type_word(interface, method.result.as_value()))
}

fn param_text(interface: &Interface, param: &Param) -> String {
    let word = type_word(interface, param.schema.as_value());
    match param.schema.get("default") {
        Some(default) => format!("{}: {word} = {default}", param.name),
        None if !param.required => format!("{}?: {word}", param.name),
        None => format!("{}: {word}", param.name),
    }
}

/// The XML-RPC type that a schema's values are written as.
fn type_word(interface: &Interface, schema: &Value) -> &'static str {
    let schema = interface.resolve(schema);
    if let Some(only) = the_other_than_null(schema) {
        return type_word(interface, only);
    }
    match type_name(schema) {
        Some("boolean") => "boolean",
        Some("integer") => "int",
        Some("number") => "double",
        Some("string") if schema.get("format").is_some_and(|format| format == "date-time") => "dateTime.iso8601",
        Some("string") if schema.get("contentEncoding").is_some_and(|coding| coding == "base64") => "base64",
        Some("string") => "string",
        Some("array") => "array",
        Some("object") => "struct",
        Some("null") => "nil",
        _ if schema.get("enum").and_then(Value::as_array).is_some_and(|all| all.iter().all(Value::is_string)) => {
            "string"
        }
        _ => "mixed",
    }
}

/// The type of a schema, a `null` beside it left aside.
fn type_name(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => {
            match names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect::<Vec<_>>()[..] {
                [only] => Some(only),
                _ => None,
            }
        }
        _ => None,
    }
}

/// In a choice between one schema and null, which is how an optional value is described, that one schema.
fn the_other_than_null(schema: &Value) -> Option<&Value> {
    let choices = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
    let is_null = |choice: &&Value| choice.get("type").is_some_and(|name| name == "null");
    match choices.iter().filter(|choice| !is_null(choice)).collect::<Vec<_>>()[..] {
        [only] => Some(only),
        _ => None,
    }
}
