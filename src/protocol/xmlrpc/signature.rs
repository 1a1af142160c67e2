//! Signatures of methods: as XML-RPC type words for `system.methodSignature`, and as one line for people.

use serde_json::Value;

use crate::model::interface::{Interface, Method, Param};

/// The signatures of a method. Each has the type word of the result, followed by those of the parameters.
///
/// A method of whose parameters nothing is known has none.
///
/// A method with optional parameters has several signatures, one for each number of arguments that a call can have. The
/// words are the type names of XML-RPC, and `mixed` for a value of any type.
pub fn signatures(interface: &Interface, method: &Method) -> Vec<Vec<&'static str>> {
    if method.has_free_arguments() {
        return Vec::new();
    }
    let result = match type_word(interface, method.result.as_value()) {
        // A method without a result returns an empty string, because plain XML-RPC has no null.
        "nil" => "string",
        word => word,
    };
    let params: Vec<_> = method.params.iter().map(|param| type_word(interface, param.schema.as_value())).collect();
    let counts = method.least_arguments()..=params.len();
    counts.map(|count| [result].into_iter().chain(params.iter().copied().take(count)).collect()).collect()
}

/// A method as one line for people: `spinList(spins: int = 1) -> array`.
pub fn signature_line(interface: &Interface, method: &Method) -> String {
    let params: Vec<_> = match method.params.as_slice() {
        [only] if method.has_free_arguments() => vec![format!("...{}", only.name)],
        params => params.iter().map(|param| param_signature(interface, param)).collect(),
    };
    format!("{}({}) -> {}", method.name, params.join(", "), type_word(interface, method.result.as_value()))
}

fn param_signature(interface: &Interface, param: &Param) -> String {
    let word = type_word(interface, param.schema.as_value());
    match param.schema.get("default") {
        Some(default) => format!("{}: {word} = {default}", param.name),
        None if !param.required => format!("{}?: {word}", param.name),
        None => format!("{}: {word}", param.name),
    }
}

/// The XML-RPC type in which the values of a schema are written.
fn type_word(interface: &Interface, schema: &Value) -> &'static str {
    let schema = interface.resolve(schema);
    if let Some(only) = other_than_null(schema) {
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

/// The type of a schema, ignoring `null`.
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

/// The other schema in a choice between one schema and null, which describes an optional value.
fn other_than_null(schema: &Value) -> Option<&Value> {
    let choices = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
    let is_null = |choice: &&Value| choice.get("type").is_some_and(|name| name == "null");
    match choices.iter().filter(|choice| !is_null(choice)).collect::<Vec<_>>()[..] {
        [only] => Some(only),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::Schema;

    #[test]
    fn arguments_by_position_go_up_to_the_last_required_parameter() {
        let param =
            |name: &str, required| Param { name: name.into(), doc: String::new(), schema: Schema::default(), required };
        let params = vec![param("a", false), param("b", true), param("c", false)];
        let method = Method { params, ..Method::undescribed("m") };
        let lengths: Vec<usize> = signatures(&Interface::default(), &method).iter().map(Vec::len).collect();
        assert_eq!(lengths, [3, 4], "the result, and two or three arguments");
    }
}
