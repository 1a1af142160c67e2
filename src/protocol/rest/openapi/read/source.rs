//! The documents of a description as values, and the references between them.

use std::cell::Cell;
use std::fmt;

use percent_encoding::percent_decode_str;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::{Document, Links, description_fault};
use crate::codec::{DocumentLimits, yaml};
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;

/// How many values all documents of a description may have, and how deep they may be nested.
pub(super) const LIMITS: DocumentLimits = DocumentLimits { elements: 1_000_000, depth: 100 };
/// How many schemas are visited to combine objects.
const MAX_VISITS: usize = 1_000_000;
/// The largest number of references in a chain.
pub(super) const HOPS: usize = 16;
/// The members whose values are data, in which `$ref` is no reference.
const DATA: [&str; 5] = ["example", "examples", "default", "enum", "const"];

/// A version of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// Swagger 2.0.
    Swagger2,
    /// OpenAPI 3.0.
    V30,
    /// OpenAPI 3.1.
    V31,
    /// OpenAPI 3.2.
    V32,
}

/// Parses all documents of a description, which share the [limits](LIMITS).
pub(super) fn parse_all(documents: &[Document<'_>]) -> Result<Vec<Json>, Fault> {
    let mut limits = LIMITS;
    let mut parsed = Vec::with_capacity(documents.len());
    for document in documents {
        let value = parse_within(*document, limits)?;
        limits.elements = limits.elements.saturating_sub(weight(&value));
        parsed.push(value);
    }
    Ok(parsed)
}

/// Parses a document: JSON if it begins like an object, otherwise YAML. Of members with the same name, the last counts.
pub(super) fn parse(document: Document<'_>) -> Result<Json, Fault> {
    parse_within(document, LIMITS)
}

/// How much memory a value takes, as a number of small values: each value counts, and each 64 bytes of text.
pub(super) fn weight(value: &Json) -> usize {
    let (mut weight, mut left) = (0_usize, vec![value]);
    while let Some(value) = left.pop() {
        weight = weight.saturating_add(1);
        match value {
            Json::String(text) => weight = weight.saturating_add(text.len() / 64),
            Json::Array(items) => left.extend(items),
            Json::Object(members) => {
                for (name, value) in members {
                    weight = weight.saturating_add(name.len() / 64);
                    left.push(value);
                }
            }
            _ => {}
        }
    }
    weight
}

fn parse_within(document: Document<'_>, limits: DocumentLimits) -> Result<Json, Fault> {
    let text = document.text.strip_prefix('\u{feff}').unwrap_or(document.text);
    let parsed = match text.trim_start().starts_with('{') {
        true => parse_json(text, limits),
        false => yaml::read(text, limits),
    };
    parsed.map_err(|fault| Fault { message: format!("{}: {}", document.location, fault.message).into(), ..fault })
}

fn parse_json(text: &str, limits: DocumentLimits) -> Result<Json, Fault> {
    let left = Cell::new(limits.elements);
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = BoundedValue { left: &left }.deserialize(&mut reader).and_then(|read| reader.end().map(|()| read));
    read.map_err(|error| {
        let kind = if left.get() == 0 { Kind::Limit } else { Kind::NotWellFormed };
        Fault::new(kind, format!("the text cannot be read as JSON: {error}"))
    })
}

/// A JSON value of which only so many parts are read. `serde_json` bounds the depth.
struct BoundedValue<'b> {
    left: &'b Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for BoundedValue<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        let left = self.left.get().checked_sub(1);
        let too_many = || de::Error::custom(format!("there are more than {} values in all documents", LIMITS.elements));
        self.left.set(left.ok_or_else(too_many)?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for BoundedValue<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(BoundedValue { left: self.left })? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            object.insert(name, members.next_value_seed(BoundedValue { left: self.left })?);
        }
        Ok(Json::Object(object))
    }
}

/// The version of a document; `None` if it is not the main document of a description.
pub(super) fn version(document: &Json) -> Option<Result<Version, Fault>> {
    let text = |key: &str| match document.get(key)? {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    };
    if let Some(version) = text("swagger") {
        return Some(match version.starts_with('2') {
            true => Ok(Version::Swagger2),
            false => Err(unknown_version("Swagger", &version)),
        });
    }
    let version = text("openapi")?;
    let mut numbers = version.split(['.', '-']);
    Some(match (numbers.next().map(str::trim), numbers.next().map(str::trim)) {
        (Some("3"), None | Some("0")) => Ok(Version::V30),
        (Some("3"), Some("1")) => Ok(Version::V31),
        (Some("3"), Some("2")) => Ok(Version::V32),
        _ => Err(unknown_version("OpenAPI", &version)),
    })
}

fn unknown_version(name: &str, version: &str) -> Fault {
    let version = abridge(version);
    description_fault(format!("the version `{version}` of {name} is not supported: 2.0, 3.0, 3.1 and 3.2 are"))
}

/// The references to other documents, each once and without its fragment.
pub(super) fn external(document: &Json) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut left = vec![document];
    while let Some(value) = left.pop() {
        match value {
            Json::Array(items) => left.extend(items.iter().rev()),
            Json::Object(members) => {
                for (name, value) in members.iter().rev() {
                    match (name.as_str(), value) {
                        ("$ref", Json::String(target)) => {
                            let target = file_of(target);
                            if !target.is_empty() && seen.insert(target) {
                                found.push(target.to_owned());
                            }
                        }
                        (name, _) if name.starts_with("x-") || DATA.contains(&name) => {}
                        (_, value) => left.push(value),
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// The part of a reference that names a document; empty for the same document.
fn file_of(reference: &str) -> &str {
    reference.split('#').next().unwrap_or_default()
}

/// A value, and the document that it is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'d> {
    pub(super) document: usize,
    pub(super) value: &'d Json,
}

impl<'d> Node<'d> {
    pub(super) fn get(self, name: &str) -> Option<Node<'d>> {
        Some(self.at(self.value.get(name)?))
    }

    /// Another value of the same document.
    pub(super) fn at(self, value: &'d Json) -> Node<'d> {
        Node { document: self.document, value }
    }

    pub(super) fn text(self, name: &str) -> &'d str {
        self.value.get(name).and_then(Json::as_str).unwrap_or_default()
    }

    pub(super) fn is_true(self, name: &str) -> bool {
        self.value.get(name) == Some(&Json::Bool(true))
    }

    /// The members of an object that is a member of this one.
    pub(super) fn members(self, name: &str) -> impl Iterator<Item = (&'d str, Node<'d>)> + use<'d> {
        let members = self.value.get(name).and_then(Json::as_object);
        members.into_iter().flatten().map(move |(name, value)| (name.as_str(), self.at(value)))
    }

    /// The items of an array that is a member of this object.
    pub(super) fn items(self, name: &str) -> impl Iterator<Item = Node<'d>> + use<'d> {
        let items = self.value.get(name).and_then(Json::as_array);
        items.into_iter().flatten().map(move |value| self.at(value))
    }

    /// The target, if this value is a reference.
    pub(super) fn reference(self) -> Option<&'d str> {
        let members = self.value.as_object()?;
        ["$ref", "$dynamicRef", "$recursiveRef"].iter().find_map(|key| members.get(*key)?.as_str())
    }

    /// What distinguishes this value from all others.
    pub(super) fn address(self) -> usize {
        std::ptr::from_ref(self.value).addr()
    }
}

/// The documents of a description.
pub(super) struct Sources<'a> {
    documents: Vec<Json>,
    links: &'a Links,
    /// How many schemas may still be visited to combine objects.
    visits: Cell<usize>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(documents: Vec<Json>, links: &'a Links) -> Sources<'a> {
        Sources { documents, links, visits: Cell::new(MAX_VISITS) }
    }

    /// Counts a visit; `None` if there have been too many. Schemas that combine each other several times have no other end.
    pub(super) fn visit(&self) -> Option<()> {
        self.visits.set(self.visits.get().checked_sub(1)?);
        Some(())
    }

    /// The main document.
    pub(super) fn main(&self) -> Node<'_> {
        Node { document: 0, value: self.documents.first().unwrap_or(&Json::Null) }
    }

    /// What a reference leads to.
    pub(super) fn target(&self, from: usize, reference: &str) -> Option<Node<'_>> {
        let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let document = match file {
            "" => from,
            file => *self.links.get(&(from, file.to_owned()))?,
        };
        let root = self.documents.get(document)?;
        let pointer = percent_decode_str(pointer).decode_utf8().ok()?;
        Some(Node { document, value: root.pointer(&pointer)? })
    }

    /// Follows references to their end; `None` if one leads nowhere, or if there are too many in a chain.
    pub(super) fn follow<'d>(&'d self, node: Node<'d>) -> Option<Node<'d>> {
        let mut node = node;
        for _ in 0..HOPS {
            let Some(reference) = node.reference() else { return Some(node) };
            node = self.target(node.document, reference)?;
        }
        None
    }

    /// The same, with a reason if there is no end.
    pub(super) fn followed<'d>(&'d self, node: Node<'d>) -> Result<Node<'d>, String> {
        let reference = || abridge(node.reference().unwrap_or_default()).into_owned();
        self.follow(node).ok_or_else(|| format!("the reference `{}` leads nowhere", reference()))
    }
}
