//! Complex types as structures: a struct, a map, a list, a tuple, or a free-form value.

use serde_json::{Map, Value as Json, json};

use super::content::{Content, choices, list_schema};
use super::source::ElementRef;
use super::types::{ConvertedType, Member, TypeReader, optional};
use crate::codec::soap::{
    ElementContent, ItemsType, MapEntry, MessagePart, Occurrence, PartKind, QualifiedName, RecordType, TypeStructure,
    Wildcard,
};
use crate::model::fault::Fault;

/// The members of a free-form value in the documents that croupier writes.
const FREE: [&str; 11] =
    ["string", "boolean", "int", "integer", "double", "decimal", "dateTime", "base64", "nil", "array", "struct"];

impl<'x> TypeReader<'x> {
    /// The schema of a type, and the content of an element of it.
    pub(super) fn structure(&mut self, element: ElementRef<'x>, name: &str) -> Result<(Json, TypeStructure), Fault> {
        if let Some(item) = self.encoded_item(element, name)? {
            return Ok((json!({ "type": "array", "items": item.schema }), TypeStructure::Array(Box::new(item.part))));
        }
        if let Some(plain) = self.plain(element)? {
            return Ok(plain);
        }
        let mut content = self.content(element, name)?;
        if content.members.iter().map(|member| member.part.name.as_str()).eq(FREE) {
            let namespace = content.members.first().and_then(|member| member.part.element.namespace);
            return Ok((Json::Bool(true), TypeStructure::Free(namespace)));
        }
        if content.members.is_empty() && content.is_open() {
            let wildcard = content.wildcard.unwrap_or(Wildcard { namespace: None });
            let structure = TypeStructure::Generic { wildcard, mixed: content.mixed };
            return Ok((Json::Bool(true), structure));
        }
        if content.is_plain()
            && let [only] = content.members.as_slice()
            && is_list(only, element.attribute("name").unwrap_or_default())
            && let range = content.only_range()
            && let Some(only) = content.members.pop()
        {
            let items = ItemsType { item: only.part, range };
            return Ok((list_schema(only.item, range), TypeStructure::Items(Box::new(items))));
        }
        let is_row = content.is_plain() && !content.members.is_empty();
        if is_row && content.members.iter().enumerate().all(|(at, member)| member.part.name == format!("arg{}", at + 1))
        {
            return Ok(row(content.members));
        }
        self.record(content)
    }

    /// A type with text content: the text alone, or a struct of the text and the attributes.
    fn plain(&mut self, element: ElementRef<'x>) -> Result<Option<(Json, TypeStructure)>, Fault> {
        let Some(text) = self.text_content(element, 0)? else { return Ok(None) };
        let (attributes, any_attribute) = self.attributes_of_text(element)?;
        if attributes.is_empty() && !any_attribute {
            let (schema, simple) = text;
            return Ok(Some((schema, TypeStructure::Plain(simple))));
        }
        let ConvertedType { schema, content } = self.text_element(text);
        let no_element = QualifiedName { namespace: None, local: String::new() };
        let part = MessagePart { kind: PartKind::Text, ..MessagePart::element(TEXT, no_element, content) };
        let text = Member { part, item: schema.clone(), schema, required: true, doc: String::new() };
        let mut members = vec![text];
        for mut attribute in attributes {
            if attribute.part.name == TEXT {
                attribute.part.name = format!("@{TEXT}");
            }
            members.push(attribute);
        }
        self.record(Content { members, any_attribute, ..Content::default() }).map(Some)
    }

    /// A struct. A repeated `entry` with a key and a value is a map, as in the documents that croupier writes.
    fn record(&mut self, mut content: Content) -> Result<(Json, TypeStructure), Fault> {
        let entry = match content.members.as_slice() {
            [.., last]
                if last.part.name == "entry"
                    && last.part.occurs == Occurrence::Repeatedly
                    && is_inline(&last.part.content) =>
            {
                self.entry(last)?
            }
            _ => None,
        };
        if entry.is_some() {
            content.members.pop();
            content.particles.pop();
        }
        let mut schema = record_schema(&content);
        if let (Json::Object(words), Some((_, further))) = (&mut schema, &entry) {
            words.insert("additionalProperties".to_owned(), further.clone());
            if properties_are_empty(words) {
                words.remove("properties");
            }
        }
        let record = content.into_record();
        let entry = entry.map(|(entry, _)| Box::new(entry));
        Ok((schema, TypeStructure::Members(RecordType { entry, ..record })))
    }

    /// The key and the value of an entry; `None` if its type has other members.
    fn entry(&mut self, member: &Member) -> Result<Option<(MapEntry, Json)>, Fault> {
        let ElementContent::Typed(place) = member.part.content else { return Ok(None) };
        let Some(element) = self.element_at(place) else { return Ok(None) };
        let inside = self.content(element, "entry")?;
        let [key, value] = inside.members.as_slice() else { return Ok(None) };
        let is_key = key.part.name == "key" && key.part.content == ElementContent::Text("string");
        if !inside.is_plain() || !is_key || value.part.name != "value" || value.part.occurs == Occurrence::Repeatedly {
            return Ok(None);
        }
        let entry =
            MapEntry { element: member.part.element.clone(), key: key.part.element.clone(), value: value.part.clone() };
        Ok(Some((entry, value.schema.clone())))
    }
}

/// The member with the text of a type with simple content and attributes.
const TEXT: &str = "value";

/// The schema of a struct.
pub(super) fn record_schema(content: &Content) -> Json {
    let members = &content.members;
    let required: Vec<_> =
        members.iter().filter(|it| it.required).map(|it| Json::from(it.part.name.as_str())).collect();
    let properties: Map<_, _> = members.iter().map(|it| (it.part.name.clone(), described_schema(it))).collect();
    let mut words =
        Map::from_iter([("type".to_owned(), json!("object")), ("properties".to_owned(), properties.into())]);
    if !required.is_empty() {
        words.insert("required".to_owned(), required.into());
    }
    let mut choices = choices(content);
    match choices.len() {
        0 => {}
        1 => {
            if let Some(Json::Object(choice)) = choices.pop() {
                words.extend(choice);
            }
        }
        _ => drop(words.insert("allOf".to_owned(), choices.into())),
    }
    if content.is_open() || content.any_attribute {
        words.insert("additionalProperties".to_owned(), true.into());
    }
    words.into()
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
