//! The words for types, keys and paths in messages.

use toml::de::DeValue;

use super::schema::SchemaNode;
use super::variables::SCALARS;
use crate::http::cors::{HEADER, ORIGIN};
use crate::http::public_url::{BASE_URL, HOST};
use crate::http::timeout_header::TIMEOUT_HEADER;
use crate::model::network::NETWORK;
use crate::model::option_error::Key;
use crate::model::text::abridge;
use crate::model::units::{PERIOD, SIZE};
use crate::server::settings::ADDRESS;
use crate::service::quota::CALL_QUOTA;
use crate::service::rate::CALL_RATE;

/// The most keys that a hint lists.
const LISTED: usize = 12;
/// The most keys that a hint lists with something else.
const FEW: usize = 6;
/// The most tables that a hint lists.
const MAX_PLACES: usize = 3;

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
    let name = abridge(name);
    if bare { name.into_owned() } else { format!("\"{name}\"") }
}

/// The expected types, as in "should be ...".
pub(super) fn expected(types: &[&str], node: SchemaNode<'_>) -> String {
    let format = match node.text("format") {
        Some(SIZE) => Some("a size"),
        Some(PERIOD) => Some("a time"),
        Some(ADDRESS | NETWORK) => Some("an address"),
        Some(HOST) => Some("a host name"),
        Some(ORIGIN) => Some("an origin"),
        Some(HEADER | TIMEOUT_HEADER) => Some("the name of a header"),
        Some(CALL_RATE) => Some("a rate"),
        Some(CALL_QUOTA) => Some("a quota"),
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
        DeValue::String(text) if expects("boolean") => match truth(text) {
            Some(meant) => Some(format!("without quotes: `{meant}`")),
            None => Some("write `true` or `false`, without quotes".to_owned()),
        },
        DeValue::Integer(number) if expects("boolean") => {
            truth(number.as_str()).map(|meant| format!("write `{meant}`"))
        }
        DeValue::String(_) if is_secret(node) => Some(
            "a secret is not written here: `{ env = \"NAME\" }` or `{ file = \"path\" }`; what is no secret is \
             `{ text = \"…\" }`"
                .to_owned(),
        ),
        // Before the hints for texts and arrays in general.
        DeValue::String(_) | DeValue::Array(_) if names_origins(node) => {
            Some("such as `cors = { origins = [\"https://casino.example\"] }`".to_owned())
        }
        DeValue::Table(_) if node.types().is_some_and(|types| types.iter().any(|name| SCALARS.contains(name))) => {
            Some("only a value from the environment is a table: `{ env = \"NAME\" }`".to_owned())
        }
        DeValue::String(text) if expects("array") => Some(format!("in brackets: `[{:?}]`", abridge(text))),
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

/// What a word probably means that is neither `true` nor `false`.
fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" | "enabled" => Some(true),
        "false" | "no" | "off" | "0" | "n" | "disabled" => Some(false),
        _ => None,
    }
}

/// Whether a table says where a secret is.
fn is_secret(node: SchemaNode<'_>) -> bool {
    let has = |node: SchemaNode<'_>, key: &str| node.properties().iter().any(|(known, _)| *known == key);
    let says_where = |node: SchemaNode<'_>| ["env", "file", "text"].into_iter().all(|key| has(node, key));
    says_where(node) || node.alternatives().into_iter().any(says_where)
}

/// Whether a table names the origins that it is about.
fn names_origins(node: SchemaNode<'_>) -> bool {
    node.properties().iter().any(|(known, _)| *known == "origins")
}

/// What to do about a key that is not known: the tables that have it, who does what croupier does not do, and the known keys.
pub(super) fn unknown_key(key: &str, node: SchemaNode<'_>, known: &[&str]) -> Option<String> {
    let places = node.document().tables_with(key);
    let shown: Vec<&str> = places.iter().take(MAX_PLACES).map(String::as_str).collect();
    let belongs = (!shown.is_empty()).then(|| format!("`{}` is a key of {}", abridge(key), list(&shown, "and")));
    let absent = absent(key, known, &places).map(str::to_owned);
    // A long list would hide what is more useful.
    let keys = if belongs.is_some() || absent.is_some() { known.len() <= FEW } else { true };
    let keys = keys.then(|| known_keys(known)).flatten();
    let hints: Vec<String> = [belongs, absent, keys].into_iter().flatten().collect();
    (!hints.is_empty()).then(|| hints.join("; "))
}

/// Who does what an unknown key is about, if croupier does not do it or does it elsewhere. `known` are the keys of the table,
/// and `places` the tables that have the key.
fn absent(key: &str, known: &[&str], places: &[String]) -> Option<&'static str> {
    let nowhere = places.is_empty();
    match key {
        "tls" | "ssl" | "https" if !known.contains(&"tls") => Some(TLS),
        "auth" | "authentication" | "authorization" | "users" | "basic-auth" | "jwt" | "oidc" | "api-keys"
            if nowhere =>
        {
            Some("a group names who may call it: `auth = [\"staff\"]`, with a table such as `[auth.staff.api-key]`")
        }
        "rest" if nowhere => Some(
            "REST has no options; the origins that may call over any protocol are those of `cors`: \
             `cors = { origins = [\"https://casino.example\"] }`",
        ),
        "rate-limit" | "rate-limits" | "ratelimit" if nowhere => {
            Some("the rate of calls is set by `limits.rate = { calls = \"50/s\" }`")
        }
        _ => None,
    }
}

/// Where TLS is configured.
const TLS: &str = "TLS is set at a listener: \
    `listen = [{ address = \"0.0.0.0:443\", tls = { certificate = \"cert.pem\", key = \"key.pem\" } }]`";

/// A list of the known keys, if there are at most [`LISTED`].
fn known_keys(known: &[&str]) -> Option<String> {
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
