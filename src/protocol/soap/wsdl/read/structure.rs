//! Complex types as structures: a struct, a map, a list, a tuple, or a free-form value.

use serde_json::{Map, Value as Json, json};

use super::source::{ElementRef, schema_child};
use super::types::{Member, TypeReader, optional};
use crate::codec::soap::{ElementContent, MapEntry, Occurrence, TypeStructure};
use crate::model::fault::Fault;

/// The members of a free-form value in the documents that croupier writes.
const FREE: [&str; 11] =
    ["string", "boolean", "int", "integer", "double", "decimal", "dateTime", "base64", "nil", "array", "struct"];

impl<'x> TypeReader<'x> {
    /// The schema of a type, and the content of an element of it.
    pub(super) fn structure(&mut self, element: ElementRef<'x>, name: &str) -> Result<(Json, TypeStructure), Fault> {
        if let Some(item) = self.encoded_item(element, name)? {
            return Ok((list(item.schema), TypeStructure::Array(Box::new(item.part))));
        }
        if let Some(plain) = self.plain(element)? {
            return Ok(plain);
        }
        let mut members = self.members(element, name, 0)?;
        if members.iter().map(|member| member.part.name.as_str()).eq(FREE) {
            let namespace = members.first().and_then(|member| member.part.element.namespace);
            return Ok((Json::Bool(true), TypeStructure::Free(namespace)));
        }
        if let [only] = members.as_slice()
            && is_list(only, element.attribute("name").unwrap_or_default())
            && let Some(only) = members.pop()
        {
            return Ok((list(only.item), TypeStructure::Items(Box::new(only.part))));
        }
        if !members.is_empty()
            && members.iter().enumerate().all(|(at, member)| member.part.name == format!("arg{}", at + 1))
        {
            return Ok(row(members));
        }
        self.record(members)
    }

    /// A type with text content. Its attributes are ignored.
    fn plain(&mut self, element: ElementRef<'x>) -> Result<Option<(Json, TypeStructure)>, Fault> {
        let Some(content) = schema_child(element, "simpleContent") else { return Ok(None) };
        let inner = schema_child(content, "extension").or_else(|| schema_child(content, "restriction"));
        let Some(inner) = inner else { return Ok(None) };
        let Some(base) = self.sources.qname(inner, "base")? else { return Ok(None) };
        let converted = self.type_named(&base, inner)?;
        let kind = match converted.content {
            ElementContent::Text(kind) => kind,
            _ => "string",
        };
        Ok(Some((converted.schema, TypeStructure::Plain(kind))))
    }

    /// A struct. A repeated `entry` with a key and a value is a map, as in the documents that croupier writes.
    fn record(&mut self, mut members: Vec<Member>) -> Result<(Json, TypeStructure), Fault> {
        let entry = match members.iter().position(|member| {
            member.part.name == "entry"
                && member.part.occurs == Occurrence::Repeatedly
                && is_inline(&member.part.content)
        }) {
            Some(at) => self.entry(&members, at)?.map(|entry| (at, entry)),
            None => None,
        };
        let further = entry.map(|(at, (entry, schema))| {
            members.remove(at);
            (entry, schema)
        });
        let required: Vec<_> =
            members.iter().filter(|it| it.required).map(|it| Json::from(it.part.name.as_str())).collect();
        let properties: Map<_, _> = members.iter().map(|it| (it.part.name.clone(), described_schema(it))).collect();
        let mut schema = json!({ "type": "object", "properties": properties });
        if let Json::Object(words) = &mut schema {
            if !required.is_empty() {
                words.insert("required".to_owned(), required.into());
            }
            if let Some((_, further)) = &further {
                words.insert("additionalProperties".to_owned(), further.clone());
                if properties_are_empty(words) {
                    words.remove("properties");
                }
            }
        }
        let parts = members.into_iter().map(|member| member.part).collect();
        Ok((schema, TypeStructure::Members(parts, further.map(|(entry, _)| Box::new(entry)))))
    }

    /// The key and the value of an entry; `None` if its type has other members.
    fn entry(&mut self, members: &[Member], at: usize) -> Result<Option<(MapEntry, Json)>, Fault> {
        let Some(member) = members.get(at) else { return Ok(None) };
        let ElementContent::Typed(place) = member.part.content else { return Ok(None) };
        let Some(element) = self.element_at(place) else { return Ok(None) };
        let inside = self.members(element, "entry", 0)?;
        let [key, value] = inside.as_slice() else { return Ok(None) };
        let is_key = key.part.name == "key" && key.part.content == ElementContent::Text("string");
        if !is_key || value.part.name != "value" || value.part.occurs == Occurrence::Repeatedly {
            return Ok(None);
        }
        let entry =
            MapEntry { element: member.part.element.clone(), key: key.part.element.clone(), value: value.part.clone() };
        Ok(Some((entry, value.schema.clone())))
    }
}

fn is_inline(content: &ElementContent) -> bool {
    matches!(content, ElementContent::Typed(_))
}

fn properties_are_empty(words: &Map<String, Json>) -> bool {
    words.get("properties").and_then(Json::as_object).is_some_and(Map::is_empty)
}

/// Whether a type with one member is a list: the member is repeated, and it is named `item` or the name of the type says
/// that it is a list, as those of .NET and Python do.
fn is_list(only: &Member, name: &str) -> bool {
    only.part.occurs == Occurrence::Repeatedly
        && (only.part.name == "item" || name.contains("Array") || name.ends_with("List"))
}

fn list(item: Json) -> Json {
    json!({ "type": "array", "items": item })
}

/// A tuple: a list of fixed length in which each item has its own type.
fn row(members: Vec<Member>) -> (Json, TypeStructure) {
    let items = members.iter().map(|member| match member.part.occurs {
        Occurrence::Maybe => optional(described_schema(member)),
        _ => described_schema(member),
    });
    let items: Vec<_> = items.collect();
    let schema = json!({ "type": "array", "minItems": items.len(), "maxItems": items.len(), "prefixItems": items });
    (schema, TypeStructure::Row(members.into_iter().map(|member| member.part).collect()))
}

/// The schema of a member with its documentation.
pub(super) fn described_schema(member: &Member) -> Json {
    let mut schema = member.schema.clone();
    if let (Json::Object(words), false) = (&mut schema, member.doc.is_empty()) {
        words.insert("description".to_owned(), member.doc.clone().into());
    }
    schema
}
