//! The schemas of a description as those of an interface, which follow draft 2020-12 of JSON Schema.
//!
//! Swagger 2.0 and OpenAPI 3.0 have dialects of older drafts: `nullable`, truth values in `exclusiveMinimum`, the type `file`.
//! What no draft allows is dropped, because the documents of the interface are to be valid. Schemas that references lead to
//! become definitions, so that types can refer to themselves.

use std::collections::{HashMap, HashSet, VecDeque};

use regex::RegexBuilder;
use serde_json::{Map, Number, Value as Json, json};

use super::objects;
use super::objects::Direction;
use super::source::{Node, Sources, weight};
use crate::model::interface::Method;
use crate::protocol::discovered::UniqueNames;

/// The largest number of JSON values in all converted schemas together.
const VALUES: usize = 1_000_000;
/// How deep schemas may be nested, those of combined objects included.
const DEEPEST: usize = 200;
/// The largest number of schemas that are looked through for members of one direction only.
const MAX_LOOKED_AT: usize = 5_000_000;
/// The largest compiled pattern, in bytes.
const MAX_PATTERN: usize = 256 << 10;
/// The types of JSON Schema.
const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "null"];
/// The formats that are kept. Others say nothing to a reader of another document.
const FORMATS: [&str; 24] = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "uuid",
    "float",
    "double",
    "password",
    "regex",
    "json-pointer",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
];

/// Converts schemas, and keeps the definitions that they refer to.
pub(super) struct SchemaReader<'d> {
    pub(super) sources: &'d Sources<'d>,
    pub(super) defs: Map<String, Json>,
    taken: UniqueNames,
    /// The names of definitions, by the address of the schema and by the direction if that matters.
    names: HashMap<(usize, Option<Direction>), String>,
    /// The definitions that are not converted yet. The queue replaces recursion, so that schemas can refer to each other.
    waiting: VecDeque<(String, Node<'d>, Direction)>,
    /// The number of values that may still be converted.
    left: usize,
    /// Whether the direction matters to the schema at an address.
    is_directed: HashMap<usize, bool>,
    /// The number of schemas that may still be looked through.
    looks_left: usize,
    /// How many schemas enclose the one that is converted.
    depth: usize,
}

impl<'d> SchemaReader<'d> {
    pub(super) fn new(sources: &'d Sources<'d>) -> SchemaReader<'d> {
        SchemaReader {
            sources,
            defs: Map::new(),
            taken: UniqueNames::default(),
            names: HashMap::new(),
            waiting: VecDeque::new(),
            left: VALUES,
            is_directed: HashMap::new(),
            looks_left: MAX_LOOKED_AT,
            depth: 0,
        }
    }

    /// Converts all definitions that have references to them. Returns whether the schemas are within their bounds.
    pub(super) fn finish(&mut self) -> bool {
        while let Some((name, node, direction)) = self.waiting.pop_front() {
            let mut converted = self.definition_of(node, direction);
            if converted.is_boolean() {
                converted = json!({});
            }
            self.defs.insert(name, converted);
        }
        self.left > 0
    }

    /// The same schema in draft 2020-12. A schema that is nested too deep, which combined objects can be in themselves, allows any
    /// value.
    pub(super) fn schema(&mut self, node: Node<'d>, direction: Direction) -> Json {
        let Json::Object(_) = node.value else {
            self.spend();
            return Json::Bool(node.value != &Json::Bool(false));
        };
        if !self.spend() || self.depth >= DEEPEST {
            return Json::Bool(true);
        }
        self.depth += 1;
        let converted = match node.reference() {
            Some(target) => self.reference(node, target, direction),
            // A definition of its own, because one of the schemas may refer to it.
            None if combines_several(node) => {
                let name = self.definition(node, node.text("title"), direction);
                json!({ "$ref": format!("#/$defs/{name}") })
            }
            None => self.keywords(node, direction),
        };
        self.depth -= 1;
        with_fitting_default(if is_nullable(node) { or_null(converted) } else { converted })
    }

    fn spend(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }

    /// Counts what has been copied for a method: its texts, and those of its parameters.
    pub(super) fn spend_on(&mut self, method: &Method) {
        let texts = std::iter::once(&method.doc).chain(method.params.iter().map(|param| &param.doc));
        let weight: usize = texts.map(|text| 1 + text.len() / 64).sum();
        self.left = self.left.saturating_sub(weight);
    }

    /// Whether more has been converted than the limits allow.
    pub(super) fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    /// A copy of a value, which counts by its size; null if there is no room for it.
    pub(super) fn copy(&mut self, value: &Json) -> Json {
        self.left = self.left.saturating_sub(weight(value));
        if self.left > 0 { value.clone() } else { Json::Null }
    }

    /// The schema of a definition. That it may be null is said where it is referred to.
    fn definition_of(&mut self, node: Node<'d>, direction: Direction) -> Json {
        match node.value {
            Json::Object(_) if self.spend() => with_fitting_default(self.keywords(node, direction)),
            value => Json::Bool(value != &Json::Bool(false)),
        }
    }

    /// A reference with what stands beside it. A reference that leads nowhere, or to itself, allows any value.
    fn reference(&mut self, node: Node<'d>, target: &str, direction: Direction) -> Json {
        let found = self.sources.target(node.document, target).and_then(|found| self.sources.follow(found));
        let mut converted = match found {
            Some(found) if found.value.is_object() => {
                let reference = json!({ "$ref": format!("#/$defs/{}", self.definition(found, target, direction)) });
                if is_nullable(found) { or_null(reference) } else { reference }
            }
            _ => json!({}),
        };
        let beside = node.value.as_object().is_some_and(|members| {
            members.keys().any(|key| ["properties", "allOf", "anyOf", "oneOf", "items", "enum"].contains(&key.as_str()))
        });
        if beside && let Json::Object(own) = self.keywords(node, direction) {
            converted = json!({ "allOf": [converted, own] });
        }
        self.annotate(&mut converted, node);
        converted
    }

    /// The name of the definition for a schema that a reference leads to.
    fn definition(&mut self, node: Node<'d>, target: &str, direction: Direction) -> String {
        let is_directed = self.is_directed(node);
        let key = (node.address(), is_directed.then_some(direction));
        if let Some(name) = self.names.get(&key) {
            return name.clone();
        }
        let mut plain = name_in(target);
        if is_directed && direction == Direction::Request {
            plain.push_str("Request");
        }
        let name = self.taken.unique(&plain, |name| self.defs.contains_key(name));
        self.defs.insert(name.clone(), json!({}));
        self.names.insert(key, name.clone());
        self.waiting.push_back((name.clone(), node, direction));
        name
    }

    /// Whether a schema, or one that it refers to, has members of one direction only.
    fn is_directed(&mut self, node: Node<'d>) -> bool {
        if let Some(known) = self.is_directed.get(&node.address()) {
            return *known;
        }
        let start = node.address();
        let mut seen = HashSet::from([start]);
        let mut left = vec![node];
        while let Some(node) = left.pop() {
            if self.looks_left == 0 || self.is_directed.get(&node.address()) == Some(&true) || has_direction(node) {
                self.is_directed.insert(start, true);
                return true;
            }
            self.looks_left -= 1;
            match node.value {
                Json::Object(members) => left.extend(members.values().map(|value| node.at(value))),
                Json::Array(items) => left.extend(items.iter().map(|value| node.at(value))),
                _ => {}
            }
            let target = node.reference().and_then(|target| self.sources.target(node.document, target));
            left.extend(target.filter(|target| seen.insert(target.address())));
        }
        self.is_directed.extend(seen.into_iter().map(|address| (address, false)));
        false
    }

    /// The keywords of a schema, without a reference.
    fn keywords(&mut self, node: Node<'d>, direction: Direction) -> Json {
        let Json::Object(members) = node.value else { return Json::Bool(true) };
        let mut converted = Map::new();
        // The caller combines the members beside a `$ref` with its target.
        if combines_several(node) && node.reference().is_none() {
            match objects::merged(self.sources, node, direction) {
                Some(merged) => return self.record(node, merged, direction),
                None => self.list_of(&mut converted, "allOf", node, direction),
            }
        } else {
            self.list_of(&mut converted, "allOf", node, direction);
        }
        for (key, value) in members {
            if !self.spend() {
                break;
            }
            self.keyword(&mut converted, key, node.at(value), direction);
        }
        self.types(&mut converted, node);
        bounds(&mut converted, node);
        self.without_other_direction(&mut converted, node, direction);
        unwrap_single(Json::Object(converted))
    }

    /// A record whose members are known one by one.
    fn record(&mut self, node: Node<'d>, merged: objects::Members<'d>, direction: Direction) -> Json {
        let mut properties = Map::new();
        for (name, member) in &merged.members {
            properties.insert((*name).to_owned(), self.schema(*member, direction));
        }
        let mut converted = json!({ "type": "object", "properties": properties });
        if !merged.required.is_empty() {
            set(&mut converted, "required", json!(merged.required));
        }
        match (node.get("additionalProperties").filter(|further| further.value.is_object()), &mut converted) {
            (Some(further), Json::Object(to)) => self.keyword(to, "additionalProperties", further, direction),
            _ if merged.is_open => set(&mut converted, "additionalProperties", true.into()),
            _ => {}
        }
        self.annotate(&mut converted, node);
        converted
    }

    /// Adds the annotations of a schema to another form of it.
    fn annotate(&mut self, schema: &mut Json, node: Node<'_>) {
        for key in ["title", "description", "default"] {
            let annotation = node.value.get(key).filter(|value| key == "default" || value.is_string());
            if let Some(annotation) = annotation.filter(|value| value.as_str() != Some("") || key == "default") {
                set(schema, key, self.copy(annotation));
            }
        }
    }

    fn keyword(&mut self, to: &mut Map<String, Json>, key: &str, node: Node<'d>, direction: Direction) {
        let value = match (key, node.value) {
            ("title" | "description" | "$comment", Json::String(_)) | ("default" | "const", _) => self.copy(node.value),
            ("enum", Json::Array(values)) if !values.is_empty() => match self.copy(node.value) {
                Json::Array(_) => Json::Array(distinct(values)),
                _ => return,
            },
            ("minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties", value) => {
                match count(value) {
                    Some(count) => count.into(),
                    None => return,
                }
            }
            ("multipleOf", Json::Number(number)) if number.as_f64().is_some_and(|number| number > 0.0) => {
                node.value.clone()
            }
            ("uniqueItems", Json::Bool(_)) => node.value.clone(),
            ("pattern", Json::String(pattern)) if is_pattern(pattern) => self.copy(node.value),
            ("contentEncoding", Json::String(coding)) if coding.eq_ignore_ascii_case("base64") => "base64".into(),
            ("required", Json::Array(names)) => {
                if self.copy(node.value).is_null() {
                    return;
                }
                let names = distinct(names).into_iter().filter(Json::is_string).collect::<Vec<_>>();
                if names.is_empty() {
                    return;
                }
                Json::Array(names)
            }
            ("properties" | "dependentSchemas", Json::Object(inner)) => self.named(node, inner, direction),
            ("patternProperties", Json::Object(inner)) if inner.keys().all(|pattern| is_pattern(pattern)) => {
                self.named(node, inner, direction)
            }
            ("anyOf" | "oneOf", Json::Array(inner)) if !inner.is_empty() => {
                // Of alternatives that exclude each other by their document, values often match several.
                let key = if key == "oneOf" && !to.contains_key("anyOf") { "anyOf" } else { key };
                let all = inner.iter().map(|inner| self.schema(node.at(inner), direction)).collect();
                drop(to.insert(key.to_owned(), Json::Array(all)));
                return;
            }
            ("items", Json::Array(inner)) => {
                let all = inner.iter().map(|inner| self.schema(node.at(inner), direction)).collect();
                drop(to.insert("prefixItems".to_owned(), Json::Array(all)));
                return;
            }
            ("prefixItems", Json::Array(inner)) if !inner.is_empty() => {
                Json::Array(inner.iter().map(|inner| self.schema(node.at(inner), direction)).collect())
            }
            (
                "items"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "unevaluatedItems"
                | "not"
                | "if"
                | "then"
                | "else"
                | "contains"
                | "propertyNames",
                Json::Object(_) | Json::Bool(_),
            ) => self.schema(node, direction),
            _ => return,
        };
        to.insert(key.to_owned(), value);
    }

    fn named(&mut self, node: Node<'d>, inner: &'d Map<String, Json>, direction: Direction) -> Json {
        let each = inner.iter().map(|(name, inner)| (name.clone(), self.schema(node.at(inner), direction)));
        Json::Object(each.collect())
    }

    fn list_of(&mut self, to: &mut Map<String, Json>, key: &str, node: Node<'d>, direction: Direction) {
        let all: Vec<Json> = node.items(key).map(|inner| self.schema(inner, direction)).collect();
        if !all.is_empty() {
            to.insert(key.to_owned(), Json::Array(all));
        }
    }

    /// Sets the type, the format, and the encoding of bytes.
    fn types(&self, to: &mut Map<String, Json>, node: Node<'d>) {
        let known = |name: &&str| TYPES.contains(name);
        let mut names: Vec<&str> = match node.value.get("type") {
            Some(Json::String(name)) => Some(name.as_str()).into_iter().filter(known).collect(),
            Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).filter(known).collect(),
            _ => Vec::new(),
        };
        let mut seen = HashSet::new();
        names.retain(|name| seen.insert(*name));
        if node.text("type") == "file" {
            names = vec!["string"];
            to.insert("contentEncoding".into(), "base64".into());
        }
        let combines = ["anyOf", "oneOf", "allOf", "enum", "const"].iter().any(|key| to.contains_key(*key));
        if names.is_empty() && !combines && to.contains_key("properties") {
            names = vec!["object"];
        } else if names.is_empty() && !combines && (to.contains_key("items") || to.contains_key("prefixItems")) {
            names = vec!["array"];
        }
        if names.contains(&"array") && !to.contains_key("items") && !to.contains_key("prefixItems") {
            to.insert("items".into(), json!({}));
        }
        let is_only =
            |wanted: &str| names.iter().all(|name| *name == wanted || *name == "null") && names.contains(&wanted);
        match node.text("format") {
            "byte" if is_only("string") => {
                to.insert("contentEncoding".into(), "base64".into());
            }
            format if !FORMATS.contains(&format) => {}
            "date-time" if !is_only("string") => {}
            format if (format.starts_with("int") || format.starts_with("uint")) && !is_only("integer") => {}
            format => {
                to.insert("format".into(), format.into());
            }
        }
        if to.get("pattern").is_some_and(|pattern| pattern == super::super::schema::DATE_TIME) && is_only("string") {
            // The documents of croupier say so of dates without a time zone.
            to.shift_remove("pattern");
            to.insert("format".into(), "date-time".into());
        }
        match names.as_slice() {
            [] => {}
            [only] => drop(to.insert("type".into(), (*only).into())),
            several => drop(to.insert("type".into(), json!(several))),
        }
    }

    /// Removes the members that do not go this way.
    fn without_other_direction(&self, to: &mut Map<String, Json>, node: Node<'d>, direction: Direction) {
        let Some(Json::Object(properties)) = to.get_mut("properties") else { return };
        let others: Vec<&str> = node
            .members("properties")
            .filter(|(_, member)| objects::is_of_other_direction(self.sources, *member, direction))
            .map(|(name, _)| name)
            .collect();
        if others.is_empty() {
            return;
        }
        properties.retain(|name, _| !others.contains(&name.as_str()));
        let Some(Json::Array(required)) = to.get_mut("required") else { return };
        required.retain(|name| name.as_str().is_none_or(|name| !others.contains(&name)));
        if required.is_empty() {
            to.shift_remove("required");
        }
    }
}

/// The bounds of a number. Older drafts say with a truth value that a bound is excluded.
fn bounds(to: &mut Map<String, Json>, node: Node<'_>) {
    for (plain, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        let number = |key: &str| node.value.get(key).filter(|value| value.is_number()).cloned();
        match node.value.get(exclusive) {
            Some(Json::Bool(true)) => to.extend(number(plain).map(|bound| (exclusive.to_owned(), bound))),
            _ => {
                to.extend(number(plain).map(|bound| (plain.to_owned(), bound)));
                to.extend(number(exclusive).map(|bound| (exclusive.to_owned(), bound)));
            }
        }
    }
}

/// Whether a schema combines several schemas of which each counts.
fn combines_several(node: Node<'_>) -> bool {
    match node.items("allOf").count() {
        0 => false,
        1 => node.value.get("properties").is_some(),
        _ => true,
    }
}

/// Whether a schema says that its value may be null in the way of Swagger 2.0 or OpenAPI 3.0. Documents of later versions say
/// it as well.
fn is_nullable(node: Node<'_>) -> bool {
    node.is_true("nullable") || node.is_true("x-nullable")
}

/// The same schema, without a default that it does not allow: of another type, such as a truth value in quotes, or not among the
/// listed values.
fn with_fitting_default(mut schema: Json) -> Json {
    let Json::Object(members) = &mut schema else { return schema };
    let own = match members.get("default") {
        None => return schema,
        Some(Json::Null) => "null",
        Some(Json::Bool(_)) => "boolean",
        Some(Json::String(_)) => "string",
        Some(Json::Array(_)) => "array",
        Some(Json::Object(_)) => "object",
        Some(Json::Number(number)) if number.as_f64().is_none_or(|number| number.fract() == 0.0) => "integer",
        Some(Json::Number(_)) => "number",
    };
    let fits = |name: &Json| *name == own || own == "integer" && name == "number";
    let is_fitting = match members.get("type") {
        Some(Json::Array(names)) => names.iter().any(fits),
        Some(name) => fits(name),
        None => true,
    };
    let listed = members.get("enum").and_then(Json::as_array);
    let is_listed = listed.is_none_or(|listed| members.get("default").is_none_or(|default| listed.contains(default)));
    if !is_fitting || !is_listed {
        members.shift_remove("default");
    }
    schema
}

/// The same schema, or null.
pub(super) fn or_null(mut schema: Json) -> Json {
    let Json::Object(members) = &mut schema else { return schema };
    if let Some(Json::Array(values)) = members.get_mut("enum")
        && !values.contains(&Json::Null)
    {
        values.push(Json::Null);
    }
    match members.get_mut("type") {
        Some(Json::String(name)) if name != "null" => {
            let name = std::mem::take(name);
            members.insert("type".into(), json!([name, "null"]));
            return schema;
        }
        Some(Json::Array(names)) => {
            if !names.iter().any(|name| name == "null") {
                names.push("null".into());
            }
            return schema;
        }
        _ => {}
    }
    let combines = ["$ref", "allOf", "anyOf", "oneOf"].iter().any(|key| members.contains_key(*key));
    if !combines {
        return schema;
    }
    let mut outer = Map::new();
    for key in ["title", "description", "default"] {
        outer.extend(members.shift_remove(key).map(|value| (key.to_owned(), value)));
    }
    outer.insert("anyOf".into(), json!([schema, { "type": "null" }]));
    Json::Object(outer)
}

/// A schema that only wraps one other, without the wrapping.
fn unwrap_single(schema: Json) -> Json {
    let Json::Object(mut members) = schema else { return schema };
    let is_only = |key: &&str| members.get(*key).and_then(Json::as_array).is_some_and(|all| all.len() == 1);
    let is_annotation = |key: &String| ["title", "description", "default", "allOf", "anyOf"].contains(&key.as_str());
    let Some(key) = ["allOf", "anyOf"].into_iter().find(is_only).filter(|_| members.keys().all(is_annotation)) else {
        return Json::Object(members);
    };
    if members.contains_key("allOf") && members.contains_key("anyOf") {
        return Json::Object(members);
    }
    match members.shift_remove(key) {
        Some(Json::Array(mut all)) => match all.pop() {
            Some(Json::Object(mut only)) => {
                only.extend(members);
                Json::Object(only)
            }
            only => only.unwrap_or(Json::Bool(true)),
        },
        _ => Json::Object(members),
    }
}

fn set(schema: &mut Json, key: &str, value: Json) {
    if let Json::Object(members) = schema {
        members.insert(key.to_owned(), value);
    }
}

/// Whether a schema marks a value as one that goes one way only.
fn has_direction(node: Node<'_>) -> bool {
    node.is_true("readOnly") || node.is_true("writeOnly")
}

fn distinct(values: &[Json]) -> Vec<Json> {
    let mut seen = HashSet::new();
    values.iter().filter(|value| seen.insert(value.to_string())).cloned().collect()
}

fn count(value: &Json) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a whole number within 53 bits")]
    let whole = |number: f64| (number >= 0.0 && number.fract() == 0.0 && number < 9e15).then_some(number as u64);
    value.as_u64().or_else(|| whole(value.as_number().and_then(Number::as_f64)?))
}

/// Whether this is a pattern that every reader understands. Those of other dialects are left out.
fn is_pattern(pattern: &str) -> bool {
    RegexBuilder::new(pattern).size_limit(MAX_PATTERN).build().is_ok()
}

/// The name of a definition: the last segment of a reference, with the characters that every document can have in it.
fn name_in(target: &str) -> String {
    let last = target.rsplit(['/', '#']).find(|part| !part.is_empty()).unwrap_or_default();
    let last = percent_encoding::percent_decode_str(last).decode_utf8_lossy().replace("~1", "/").replace("~0", "~");
    let last = last.rsplit('/').next().unwrap_or_default();
    let stem = [".yaml", ".yml", ".json"].iter().find_map(|end| last.strip_suffix(end)).unwrap_or(last);
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let name: String = stem.chars().map(allowed).take(100).collect();
    if name.is_empty() { "Schema".to_owned() } else { name }
}
