//! Writes the JSON Schema of the configuration file, by which editors complete and check it.
//!
//! It is made of the schema by which croupier itself checks a file (`schema`), and of what that leaves to code: how sizes,
//! times and addresses are written, values from the environment, the options of each service, and that a group has one
//! backend.

use serde_json::{Map, Value, json};

use super::Registry;
use super::auth::KINDS;
use super::file::File;
use super::schema;
use super::variables::SCALARS;
use crate::http::public_url::BASE_URL;
use crate::model::units::{PERIOD, SIZE};
use crate::server::settings::ADDRESS;
use crate::server::socket_access::MODE;

/// The key of the definitions.
const DEFS: &str = "$defs";
/// The name of the definition of a value from the environment.
const FROM_ENVIRONMENT: &str = "FromEnvironment";

/// The JSON Schema (draft 2020-12) of the configuration file, as a text. It has the options of each kind of service in the
/// registry.
///
/// What depends on several keys, on files or on services is not in it: [`Config::load`](super::Config::load) checks that.
pub fn json_schema(registry: &Registry) -> String {
    let mut root = schema::root_schema::<File>().to_value();
    let mut defs = take_definitions(&mut root);
    let mut kinds = Vec::new();
    for (kind, schema) in registry.schemas() {
        let mut options = schema.as_value().clone();
        let own = take_definitions(&mut options);
        // Two services may have types of the same name.
        let prefix = definition_name(kind);
        for (name, mut schema) in own.into_iter().chain([(OPTIONS.to_owned(), options)]) {
            refer_within(&mut schema, &prefix);
            defs.insert(format!("{prefix}.{name}"), schema);
        }
        kinds.push(kind);
    }
    complete(&mut root);
    defs.values_mut().for_each(complete);
    if let Some(auth) = defs.get_mut("AuthFile") {
        let described = std::mem::take(auth);
        *auth = one_of_keys(described, &KINDS);
    }
    if let Some(group) = defs.get_mut("GroupFile") {
        describe_group(group, &kinds);
    }
    if let Some(secret) = defs.get_mut("SecretFile") {
        *secret = one_of_keys(std::mem::take(secret), &["env", "file", "text"]);
    }
    defs.insert(FROM_ENVIRONMENT.to_owned(), from_environment());
    set(&mut root, DEFS, defs);
    for key in ["group", "page"] {
        if let Some(paths) = root.pointer_mut(&format!("/properties/{key}")) {
            set(paths, "propertyNames", json!({ "pattern": "^/" }));
        }
    }
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), Value::from("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), Value::from("The configuration of croupier"));
    if let Value::Object(root) = root {
        schema.extend(root.into_iter().filter(|(keyword, _)| !["$schema", "title"].contains(&keyword.as_str())));
    }
    format!("{:#}\n", Value::Object(schema))
}

/// The name of the definition of the options of a service.
const OPTIONS: &str = "options";

fn from_environment() -> Value {
    json!({
        "description": "The value of an environment variable.",
        "type": "object",
        "properties": { "env": { "description": "The name of the environment variable.", "type": "string", "minLength": 1 } },
        "required": ["env"],
        "additionalProperties": false,
    })
}

/// A group has one backend, and the options of its service.
fn describe_group(group: &mut Value, kinds: &[&str]) {
    let described = std::mem::take(group);
    *group = one_of_keys(described, &["service", "aggregate", "upstream"]);
    if let Some(Value::Array(forms)) = group.pointer_mut("/properties/service/anyOf") {
        // A program may have further kinds, for which its own schema is.
        forms.insert(0, json!({ "enum": kinds }));
    }
    let options = kinds.iter().map(|kind| {
        let reference = format!("#/{DEFS}/{}.{OPTIONS}", definition_name(kind));
        json!({
            "if": { "properties": { "service": { "const": kind } }, "required": ["service"] },
            "then": { "properties": { "options": { "$ref": reference } } },
        })
    });
    set(group, "allOf", options.collect::<Vec<_>>());
}

/// A table that has exactly one of these keys.
fn one_of_keys(mut schema: Value, keys: &[&str]) -> Value {
    let required = keys.iter().map(|key| json!({ "required": [key] }));
    set(&mut schema, "oneOf", required.collect::<Vec<_>>());
    schema
}

fn set(schema: &mut Value, keyword: &str, value: impl Into<Value>) {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert(keyword.to_owned(), value.into());
    }
}

fn take_definitions(schema: &mut Value) -> Map<String, Value> {
    match schema.as_object_mut().and_then(|schema| schema.remove(DEFS)) {
        Some(Value::Object(definitions)) => definitions,
        _ => Map::new(),
    }
}

/// A name as it can be in a reference.
fn definition_name(kind: &str) -> String {
    kind.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// Changes the references of a schema to definitions with this prefix.
fn refer_within(schema: &mut Value, prefix: &str) {
    match schema {
        Value::Object(schema) => {
            for (keyword, value) in schema {
                match value {
                    Value::String(reference) if keyword == "$ref" => {
                        let name = reference.strip_prefix("#/$defs/").unwrap_or(OPTIONS);
                        *reference = format!("#/{DEFS}/{prefix}.{name}");
                    }
                    value => refer_within(value, prefix),
                }
            }
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(|schema| refer_within(schema, prefix)),
        _ => {}
    }
}

/// Adds to a schema, and to those in it, how values are written, and that they may come from the environment.
fn complete(schema: &mut Value) {
    complete_at(schema, true);
}

/// The same; without `from_environment` the value itself cannot come from there.
fn complete_at(schema: &mut Value, from_environment: bool) {
    let Some(keywords) = schema.as_object_mut() else { return };
    remove_null(keywords);
    // What says where a value is does not come from there.
    let says_where = keywords.get("properties").is_some_and(|properties| properties.get("env").is_some());
    for (keyword, value) in keywords.iter_mut() {
        match (keyword.as_str(), value) {
            ("properties" | "patternProperties", Value::Object(schemas)) => {
                schemas.values_mut().for_each(|schema| complete_at(schema, !says_where));
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(schemas)) => {
                // A word is one of several, and all of them together may come from the environment.
                schemas.iter_mut().filter(|schema| schema.get("const").is_none()).for_each(complete);
            }
            ("items" | "additionalProperties", schema) => complete(schema),
            _ => {}
        }
    }
    write_format(keywords);
    if keywords.get("default").is_some_and(|default| default.is_null() || default.is_object()) {
        keywords.remove("default");
    }
    if from_environment && is_scalar(keywords) {
        let about: Map<_, _> = ["description", "default"]
            .into_iter()
            .filter_map(|keyword| Some((keyword.to_owned(), keywords.shift_remove(keyword)?)))
            .collect();
        let written = std::mem::replace(keywords, about);
        let reference = json!({ "$ref": format!("#/{DEFS}/{FROM_ENVIRONMENT}") });
        keywords.insert("anyOf".to_owned(), json!([written, reference]));
    }
}

/// Removes the alternative null, which TOML does not have.
fn remove_null(keywords: &mut Map<String, Value>) {
    for keyword in ["anyOf", "oneOf"] {
        if let Some(Value::Array(schemas)) = keywords.get_mut(keyword) {
            schemas.retain(|schema| schema.get("type").is_none_or(|name| name != "null"));
        }
    }
    for keyword in ["type", "enum"] {
        if let Some(Value::Array(names)) = keywords.get_mut(keyword) {
            names.retain(|name| name != "null" && !name.is_null());
            if let (true, [only]) = (keyword == "type", names.as_slice()) {
                let only = only.clone();
                keywords.insert(keyword.to_owned(), only);
            }
        }
    }
}

/// Replaces the formats of croupier, which no editor knows, with patterns.
fn write_format(keywords: &mut Map<String, Value>) {
    let pattern = match keywords.get("format").and_then(Value::as_str) {
        Some(SIZE) => r"^\s*[0-9][0-9_]*\s*([kKmMgG]?[bB]|[kKmMgG][iI][bB])?\s*$",
        Some(PERIOD) => r"^(\s*[0-9][0-9.]*\s*[a-zA-Zµ]+)+\s*$",
        Some(ADDRESS) => r"^(unix:.+|([0-9.]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5})$",
        Some(MODE) => "^0?[0-7]{3}$",
        Some(BASE_URL) => "^[hH][tT][tT][pP][sS]?://",
        // Those of numbers are of Rust. Host names and networks may be anything that croupier makes sense of.
        _ => {
            keywords.remove("format");
            return;
        }
    };
    let is_period = keywords.get("format").is_some_and(|format| format == PERIOD);
    keywords.remove("format");
    if is_period {
        // They are milliseconds.
        keywords.remove("minimum");
        keywords.remove("maximum");
    }
    keywords.insert("pattern".to_owned(), Value::from(pattern));
}

/// Whether values are texts, numbers, true or false.
fn is_scalar(keywords: &Map<String, Value>) -> bool {
    let scalar = |name: &Value| name.as_str().is_some_and(|name| SCALARS.contains(&name));
    let words = |keyword: &str| {
        let alternatives = keywords.get(keyword).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        !alternatives.is_empty() && alternatives.iter().all(|schema| schema.get("const").is_some())
    };
    let by_type = match keywords.get("type") {
        Some(Value::Array(names)) => names.iter().all(scalar),
        Some(name) => scalar(name),
        None => false,
    };
    by_type || keywords.contains_key("enum") || words("oneOf") || words("anyOf")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_come_from_the_environment_where_croupier_reads_them() {
        let completed = |mut schema: Value| {
            complete(&mut schema);
            schema
        };
        let reference = json!({ "$ref": "#/$defs/FromEnvironment" });
        let number = json!({ "description": "d", "type": ["integer", "null"], "format": "uint", "default": null });
        assert_eq!(completed(number), json!({ "description": "d", "anyOf": [{ "type": "integer" }, reference] }));
        let word = json!({ "oneOf": [{ "type": "string", "const": "a" }, { "type": "string", "const": "b" }] });
        assert_eq!(completed(word.clone()), json!({ "anyOf": [word, reference] }));
        for other in [
            json!({ "type": "object", "properties": { "env": { "type": "string" } } }),
            json!({ "$ref": "#/$defs/X" }),
            json!(true),
        ] {
            assert_eq!(completed(other.clone()), other);
        }
    }

    #[test]
    fn the_definitions_of_services_have_names_of_their_own() {
        let mut schema = json!({ "items": [{ "$ref": "#/$defs/A" }, { "$ref": "#" }] });
        refer_within(&mut schema, "dice");
        assert_eq!(schema, json!({ "items": [{ "$ref": "#/$defs/dice.A" }, { "$ref": "#/$defs/dice.options" }] }));
        assert_eq!(definition_name("a/b~c-1"), "a_b_c-1");
    }
}
