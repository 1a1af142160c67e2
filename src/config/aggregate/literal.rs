//! Arguments of the calls of aggregates: references to parameters, and literal values.

use serde_json::Value as Json;
use serde_json::value::RawValue;
use toml::{Spanned, Value};

use crate::config::problem::Problem;
use crate::config::wording;
use crate::model::interface::{Interface, Param};
use crate::model::text::abridge;

/// Where the value of an argument comes from.
pub(super) enum ArgumentSource {
    /// The own parameter of this name.
    Param(String),
    /// This value.
    Literal(Json),
}

/// Reads the value of an argument: `"$name"` is a parameter, and `$$` a literal `$`.
pub(super) fn argument_source(value: &Spanned<Value>) -> Result<ArgumentSource, Problem> {
    let name = match value.get_ref() {
        Value::String(text) if text.starts_with("$$") => {
            return Ok(ArgumentSource::Literal(Json::from(text.get(1..).unwrap_or_default())));
        }
        Value::String(text) => text.strip_prefix('$'),
        _ => None,
    };
    match name {
        None => literal(value).map(ArgumentSource::Literal),
        Some(name) if is_name(name) => Ok(ArgumentSource::Param(name.to_owned())),
        Some(name) => {
            let message = format!(
                "`${}` is not a valid reference to a parameter: a name has letters, digits and `_`",
                abridge(name)
            );
            Err(Problem::at(value.span(), message).hint("write `$$` for a text that begins with `$`"))
        }
    }
}

/// Whether a parameter may have this name: one that all protocols and templates accept.
pub(super) fn is_name(name: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(begins) && name.chars().all(|c| begins(c) || c.is_ascii_digit()) && name.len() <= 64
}

/// A literal value as JSON, with dates as texts.
pub(in crate::config) fn literal(value: &Spanned<Value>) -> Result<Json, Problem> {
    json(value.get_ref()).ok_or_else(|| Problem::at(value.span(), "a value cannot be `nan` or `inf`"))
}

/// A value of the file as JSON, with dates as texts; `None` if it has a number that JSON does not have.
pub(in crate::config) fn json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::String(text) => Json::from(text.as_str()),
        Value::Integer(number) => Json::from(*number),
        Value::Float(number) => Json::Number(serde_json::Number::from_f64(*number)?),
        Value::Boolean(flag) => Json::from(*flag),
        Value::Datetime(date) => Json::from(date.to_string()),
        Value::Array(items) => Json::Array(items.iter().map(json).collect::<Option<_>>()?),
        Value::Table(members) => {
            let members = members.iter().map(|(name, value)| Some((name.clone(), json(value)?)));
            Json::Object(members.collect::<Option<_>>()?)
        }
    })
}

/// A value in the form in which it is passed to a call.
pub(super) fn raw(value: &Json) -> Option<Box<RawValue>> {
    RawValue::from_string(value.to_string()).ok()
}

/// Whether a value is of a type of JSON Schema.
pub(in crate::config) fn is_of_type(name: &str, value: &Json) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    }
}

/// Checks a value against the `type` of a parameter. Returns a message if it does not match.
pub(in crate::config) fn type_mismatch(interface: &Interface, param: &Param, value: &Json) -> Option<String> {
    let expected = interface.resolve(param.schema.as_value()).get("type")?.as_str()?;
    (!is_of_type(expected, value)).then(|| {
        format!(
            "`{}` should be {}, not {}",
            abridge(&param.name),
            wording::type_name(expected),
            wording::json_type(value)
        )
    })
}
