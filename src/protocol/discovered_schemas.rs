//! Reads JSON Schemas with references into their own documents: those of OpenRPC documents, and of the tools of MCP servers.

use std::collections::{HashMap, VecDeque};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value as Json};

use super::discovered::UniqueNames;
use crate::model::fault::{Fault, Kind};

/// Converts schemas of draft 7 and of draft 2020-12 into schemas of an interface, and gathers the definitions that they refer to.
pub(super) struct SchemaReader<'d> {
    defs: Map<String, Json>,
    taken: UniqueNames,
    /// The names of the definitions, by the addresses of their schemas in memory: references of different spelling may lead to one
    /// schema.
    names: HashMap<*const Json, String>,
    /// The definitions that are not converted yet, with their documents. The queue replaces recursion, so that schemas can refer to
    /// each other.
    waiting: VecDeque<(String, &'d Json, &'d Json)>,
    /// The number of values that may still be converted.
    left: usize,
    /// How many that were at the beginning.
    max_values: usize,
    /// Where the schemas come from, for messages.
    source: &'static str,
}

/// The value in the document that a reference leads to; `None` if there is none, or if the reference leads to another document.
pub(super) fn resolve_reference<'d>(document: &'d Json, reference: &str) -> Option<&'d Json> {
    let pointer = reference.strip_prefix('#')?;
    document.pointer(&percent_decode_str(pointer).decode_utf8().ok()?)
}

impl<'d> SchemaReader<'d> {
    /// A reader of at most this number of JSON values in all schemas together.
    pub(super) fn new(max_values: usize, source: &'static str) -> SchemaReader<'d> {
        SchemaReader {
            defs: Map::new(),
            taken: UniqueNames::default(),
            names: HashMap::new(),
            waiting: VecDeque::new(),
            left: max_values,
            max_values,
            source,
        }
    }

    /// Converts the definitions that schemas refer to, and returns them.
    ///
    /// # Errors
    /// Those of [`read`](SchemaReader::read).
    pub(super) fn into_definitions(mut self) -> Result<Map<String, Json>, Fault> {
        while let Some((name, schema, document)) = self.waiting.pop_front() {
            let converted = self.read(schema, document)?;
            self.defs.insert(name, converted);
        }
        Ok(self.defs)
    }

    /// The same schema in draft 2020-12, with references to the definitions of the interface. It recurses: the reader of the text has
    /// limited the depth.
    ///
    /// # Errors
    /// `Limit` if there are too many values.
    pub(super) fn read(&mut self, schema: &'d Json, document: &'d Json) -> Result<Json, Fault> {
        let Json::Object(members) = schema else { return self.copy(schema) };
        self.charge(1)?;
        let mut converted = Map::new();
        for (key, value) in members {
            let value = match (key.as_str(), value) {
                ("$ref", Json::String(target)) => {
                    match self.definition(target, document) {
                        Some(reference) => reference.into(),
                        // A reference to another document is not followed.
                        None => continue,
                    }
                }
                ("properties" | "patternProperties" | "dependentSchemas", Json::Object(inner)) => {
                    let each = inner.iter().map(|(name, inner)| Ok((name.clone(), self.read(inner, document)?)));
                    Json::Object(each.collect::<Result<_, Fault>>()?)
                }
                ("allOf" | "anyOf" | "oneOf" | "prefixItems" | "items", Json::Array(inner)) => {
                    Json::Array(inner.iter().map(|inner| self.read(inner, document)).collect::<Result<_, _>>()?)
                }
                (
                    "items"
                    | "additionalItems"
                    | "unevaluatedItems"
                    | "additionalProperties"
                    | "unevaluatedProperties"
                    | "not"
                    | "if"
                    | "then"
                    | "else"
                    | "contains"
                    | "propertyNames",
                    inner,
                ) => self.read(inner, document)?,
                // Definitions are converted when a reference to them is found.
                ("definitions" | "$defs", _) => continue,
                (_, data) => self.copy(data)?,
            };
            self.charge(key.len() / BYTES_PER_VALUE)?;
            converted.insert(key.clone(), value);
        }
        tuples(&mut converted);
        Ok(Json::Object(beside_references(converted)))
    }

    /// A copy of a value that is not an object, or not a schema.
    fn copy(&mut self, value: &Json) -> Result<Json, Fault> {
        self.charge(cost(value))?;
        Ok(value.clone())
    }

    /// Counts values against the limit.
    fn charge(&mut self, cost: usize) -> Result<(), Fault> {
        self.left = self.left.checked_sub(cost).ok_or_else(|| {
            let (source, max_values) = (self.source, self.max_values);
            let message = format!("the schemas of {source} have more than {max_values} values, or too long texts");
            Fault::new(Kind::Limit, message)
        })?;
        Ok(())
    }

    /// The reference to the definition in the interface, for a reference in a document; `None` if that does not lead to a value of the
    /// document.
    fn definition(&mut self, target: &'d str, document: &'d Json) -> Option<String> {
        let schema = resolve_reference(document, target)?;
        let place = std::ptr::from_ref(schema);
        if let Some(name) = self.names.get(&place) {
            return Some(definition_reference(name));
        }
        let last = target.rsplit('/').next().unwrap_or_default();
        let plain = percent_decode_str(last).decode_utf8_lossy().replace("~1", "/").replace("~0", "~");
        let name = self.taken.unique(&plain, |name| self.defs.contains_key(name));
        self.defs.insert(name.clone(), Json::Bool(true));
        self.names.insert(place, name.clone());
        self.waiting.push_back((name.clone(), schema, document));
        Some(definition_reference(&name))
    }
}

/// How many bytes of a text count as one value.
const BYTES_PER_VALUE: usize = 64;

/// How much a value counts: one for itself and each value in it, and more for long texts.
fn cost(value: &Json) -> usize {
    match value {
        Json::String(text) => 1 + text.len() / BYTES_PER_VALUE,
        Json::Array(items) => 1 + items.iter().map(cost).sum::<usize>(),
        Json::Object(members) => {
            1 + members.iter().map(|(name, member)| name.len() / BYTES_PER_VALUE + cost(member)).sum::<usize>()
        }
        _ => 1,
    }
}

fn definition_reference(name: &str) -> String {
    format!("#/$defs/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Replaces an array of `items` by `prefixItems`, and `additionalItems` by `items`, as draft 2020-12 names them.
fn tuples(members: &mut Map<String, Json>) {
    let rest = members.shift_remove("additionalItems");
    if members.get("items").is_some_and(Json::is_array)
        && let Some(items) = members.shift_remove("items")
    {
        members.insert("prefixItems".to_owned(), items);
        members.extend(rest.map(|rest| ("items".to_owned(), rest)));
    }
}

/// Puts a reference that is alone in `allOf` directly into the schema. Draft 7 ignores keywords next to a reference, so
/// documents use `allOf` for it; draft 2020-12 does not ignore them.
fn beside_references(mut members: Map<String, Json>) -> Map<String, Json> {
    let only = members.get("allOf").and_then(Json::as_array).and_then(|all| match all.as_slice() {
        [Json::Object(only)] if only.len() == 1 => only.get("$ref").cloned(),
        _ => None,
    });
    if let Some(target) = only {
        members.shift_remove("allOf");
        members.insert("$ref".to_owned(), target);
    }
    members
}
