//! Values that a configuration passes on: references to parameters, and values as they stand.

use serde_json::Value as Json;
use serde_json::value::RawValue;
use toml::{Spanned, Value};

use crate::config::problem::Problem;
use crate::config::wording;
use crate::model::interface::{Interface, Param};
use crate::model::text::abridge;

/// What stands for an argument.
pub(super) enum Meant {
    /// The own parameter of this name.
    Param(String),
    /// Always this value.
    Literal(Json),
}

/// What the value of an argument means.
pub(super) fn meant(value: &Spanned<Value>) -> Result<Meant, Problem> {
    let name = match value.get_ref() {
        Value::String(text) if text.starts_with("$$") => {
            return Ok(Meant::Literal(Json::from(text.get(1..).unwrap_or_default())));
        }
        Value::String(text) => text.strip_prefix('$'),
        _ => None,
    };
    match name {
        None => literal(value).map(Meant::Literal),
        Some(name) if is_name(name) => Ok(Meant::Param(name.to_owned())),
        Some(name) => {
            let message = format!("`${}` names no parameter: a name has letters, digits and `_`", abridge(name));
            Err(Problem::at(value.span(), message).hint("a text that begins with `$` is written with two of them"))
        }
    }
}

/// Whether a parameter may have this name: protocols and templates are to take it as it is.
pub(super) fn is_name(name: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(begins) && name.chars().all(|c| begins(c) || c.is_ascii_digit()) && name.len() <= 64
}

/// A value as it stands, as JSON has it; a date is the text of it.
pub(super) fn literal(value: &Spanned<Value>) -> Result<Json, Problem> {
    json(value.get_ref()).ok_or_else(|| Problem::at(value.span(), "an argument cannot be `nan` or `inf`"))
}

fn json(value: &Value) -> Option<Json> {
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

/// A value as it is passed on, unread.
pub(super) fn raw(value: &Json) -> Option<Box<RawValue>> {
    RawValue::from_string(value.to_string()).ok()
}

/// What is wrong with a value for a parameter, as far as the type's name says so.
pub(super) fn misfit(interface: &Interface, param: &Param, value: &Json) -> Option<String> {
    let wanted = interface.resolve(param.schema.as_value()).get("type")?.as_str()?;
    let fits = match wanted {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    };
    (!fits).then(|| {
        format!(
            "`{}` should be {}, not {}",
            abridge(&param.name),
            wording::type_name(wanted),
            wording::json_type(value)
        )
    })
}
