//! The words for types, keys and paths in messages.

use toml::de::DeValue;

use super::schema::SchemaNode;
use crate::http::public_url::{BASE_URL, HOST, NETWORK};
use crate::model::option_error::Key;
use crate::model::units::{PERIOD, SIZE};
use crate::server::settings::ADDRESS;

/// The most keys that a hint lists.
const LISTED: usize = 12;

/// The path of a value, relative to its group if it is in one: `limits.body`, `options.pockets[3].color`.
pub(super) fn path(keys: &[Key]) -> String {
    let keys = match keys {
        [Key::Name(group), _, rest @ ..] if group == "group" && !rest.is_empty() => rest,
        all => all,
    };
    let mut path = String::new();
    for key in keys {
        match key {
            Key::Index(index) => path.push_str(&format!("[{index}]")),
            Key::Name(name) => {
                let dot = if path.is_empty() { "" } else { "." };
                path.push_str(dot);
                path.push_str(&self::key(name));
            }
        }
    }
    path
}

/// A key in TOML syntax, quoted if it has to be.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let name = crate::model::text::abridge(name);
    if bare { name.into_owned() } else { format!("\"{name}\"") }
}

/// The expected types, as in "should be ...".
pub(super) fn expected(types: &[&str], node: SchemaNode<'_>) -> String {
    let format = match node.text("format") {
        Some(SIZE) => Some("a size"),
        Some(PERIOD) => Some("a time"),
        Some(ADDRESS | NETWORK) => Some("an address"),
        Some(HOST) => Some("a host name"),
        Some(BASE_URL) => Some("an http or https URL"),
        _ => None,
    };
    let mut names: Vec<&str> = types.iter().map(|name| type_name(name)).collect();
    names.dedup();
    match format {
        Some(format) => format.to_owned(),
        None if names.is_empty() => "left out".to_owned(),
        None => names.join(" or "),
    }
}

/// The name of a type, as in "should be ...".
pub(super) fn type_name(name: &str) -> &str {
    match name {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "an array",
        "object" => "a table",
        other => other,
    }
}

/// The type of a value, as in "not ...".
pub(super) fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// The type of a JSON value, as in "not ...".
pub(super) fn json_type(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "nothing",
        serde_json::Value::Bool(_) => "a boolean",
        serde_json::Value::Number(number) if number.is_f64() => "a number with a fraction",
        serde_json::Value::Number(_) => "an integer",
        serde_json::Value::String(_) => "a string",
        serde_json::Value::Array(_) => "an array",
        serde_json::Value::Object(_) => "a table",
    }
}

/// How to write a value of the wrong type, if that can be guessed.
pub(super) fn type_hint(expected: &[&str], node: SchemaNode<'_>, value: &DeValue<'_>) -> Option<String> {
    let expects = |name: &str| expected.contains(&name);
    match value {
        DeValue::Integer(number) if node.text("format") == Some(PERIOD) => {
            Some(format!("give a time with its unit: `\"{}s\"`", number.as_str()))
        }
        DeValue::Float(_) if node.text("format") == Some(SIZE) => {
            Some("a size is a whole number of bytes, KiB or MiB".to_owned())
        }
        DeValue::String(text) if expects("integer") && text.parse::<i64>().is_ok() => {
            Some(format!("without quotes: `{text}`"))
        }
        DeValue::String(text) if expects("boolean") && (text == "true" || text == "false") => {
            Some(format!("without quotes: `{text}`"))
        }
        DeValue::String(text) if expects("array") => {
            Some(format!("in brackets: `[{:?}]`", crate::model::text::abridge(text)))
        }
        DeValue::Integer(number) if expects("string") && node.text("format").is_none() => {
            Some(format!("in quotes: `\"{}\"`", number.as_str()))
        }
        DeValue::Boolean(flag) if expects("string") && node.text("format").is_none() => {
            Some(format!("in quotes: `\"{flag}\"`"))
        }
        DeValue::Array(_) if expects("object") => {
            Some("a table is written `[name]`; `[[name]]` makes an array of tables".to_owned())
        }
        _ => None,
    }
}

/// A list of the known keys, if there are at most [`LISTED`].
pub(super) fn known_keys(known: &[&str]) -> Option<String> {
    match known {
        [] => Some("there is nothing to set here".to_owned()),
        [only] => Some(format!("the only key here is `{only}`")),
        known if known.len() <= LISTED => Some(format!("the keys here are {}", list(known, "and"))),
        _ => None,
    }
}

/// One of several words: `a`, `b` or `c`.
pub(super) fn either(words: &[&str]) -> String {
    list(words, "or")
}

fn list(words: &[&str], last: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((word, before)) if !before.is_empty() => format!("{} {last} {word}", before.join(", ")),
        _ => quoted.concat(),
    }
}
