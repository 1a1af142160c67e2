//! Converts types of XML Schema into JSON schemas, and into the structure of their values in a document.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Map, Value as Json, json};

use super::source::{
    ComponentKind, ElementRef, QName, Sources, XSD, children, documentation, is, schema_child, target,
};
use crate::codec::soap::{BindingType, ElementContent, MessagePart, Occurrence, QualifiedName, TypeStructure};
use crate::model::fault::{Fault, Kind};
use crate::model::shape::unescape;
use crate::protocol::discovered::UniqueNames;

/// The largest depth of nested groups, sequences and restrictions.
const MAX_DEPTH: usize = 64;
/// The largest number of members of all types together, with groups and base types expanded.
const MAX_MEMBERS: usize = 50_000;
/// The largest number of members of one type.
const MAX_MEMBERS_OF_TYPE: usize = 2000;

/// The namespace of the SOAP 1.1 encoding. It has the types of XML Schema under the same names, and `Array`.
const ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";
/// The namespace of the SOAP 1.2 encoding.
const ENCODING_12: &str = "http://www.w3.org/2003/05/soap-encoding";

/// What a type means: for the interface, and for the wire.
#[derive(Debug, Clone)]
pub(super) struct ConvertedType {
    pub(super) schema: Json,
    pub(super) content: ElementContent,
}

/// A member of a type, or a parameter.
pub(super) struct Member {
    pub(super) part: MessagePart,
    /// The schema of its value, which is a list if the member is repeated.
    pub(super) schema: Json,
    /// The schema of the content of one element.
    pub(super) item: Json,
    pub(super) required: bool,
    pub(super) doc: String,
}

/// Reads the types that are used, each once.
pub(super) struct TypeReader<'x> {
    pub(super) sources: &'x Sources<'x>,
    pub(super) typed: Vec<BindingType>,
    pub(super) defs: Map<String, Json>,
    pub(super) namespaces: Vec<String>,
    taken: UniqueNames,
    /// The index and the definition name of each complex type.
    known: HashMap<(usize, u32), (usize, String)>,
    /// The types that are not converted yet. The queue replaces recursion, so that types can refer to each other.
    waiting: VecDeque<(usize, ElementRef<'x>, String)>,
    /// The element of each type, by index.
    elements: Vec<ElementRef<'x>>,
    /// The number of members that may still be read.
    left: usize,
}

impl<'x> TypeReader<'x> {
    pub(super) fn new(sources: &'x Sources<'x>) -> TypeReader<'x> {
        TypeReader {
            sources,
            typed: Vec::new(),
            defs: Map::new(),
            namespaces: Vec::new(),
            taken: UniqueNames::default(),
            known: HashMap::new(),
            waiting: VecDeque::new(),
            elements: Vec::new(),
            left: MAX_MEMBERS,
        }
    }

    /// Drops unused definitions.
    pub(super) fn prune<'s>(&mut self, roots: impl Iterator<Item = &'s Json>) {
        let mut reached = HashSet::new();
        let mut next: Vec<String> = roots.flat_map(references).collect();
        while let Some(name) = next.pop() {
            if let Some(schema) = self.defs.get(&name).filter(|_| !reached.contains(&name)) {
                next.extend(references(schema));
                reached.insert(name);
            }
        }
        self.defs.retain(|name, _| reached.contains(name));
    }

    /// Converts all types in the queue. Returns the types that cannot be converted, by the names of their definitions.
    pub(super) fn finish(&mut self) -> Vec<(String, Fault)> {
        let mut failed = Vec::new();
        while let Some((at, element, name)) = self.waiting.pop_front() {
            let (mut schema, structure) = match self.structure(element, &name) {
                Ok(converted) => converted,
                Err(fault) => {
                    failed.push((name, fault));
                    continue;
                }
            };
            let doc = documentation(element);
            if let (Json::Object(members), false) = (&mut schema, doc.is_empty()) {
                members.insert("description".to_owned(), doc.into());
            }
            self.defs.insert(name, schema);
            if let Some(slot) = self.typed.get_mut(at) {
                slot.structure = structure;
            }
        }
        failed
    }

    /// The definitions that refer to one of these, directly or not, each with the fault of that one.
    pub(super) fn unusable(&self, failed: Vec<(String, Fault)>) -> HashMap<String, Fault> {
        let mut users: HashMap<String, Vec<&str>> = HashMap::new();
        for (user, schema) in &self.defs {
            for used in references(schema) {
                users.entry(used).or_default().push(user);
            }
        }
        let mut unusable: HashMap<String, Fault> = HashMap::new();
        let mut next = failed;
        while let Some((name, fault)) = next.pop() {
            if unusable.contains_key(&name) {
                continue;
            }
            let users = users.get(&name).into_iter().flatten();
            next.extend(users.map(|user| ((*user).to_owned(), fault.clone())));
            unusable.insert(name, fault);
        }
        unusable
    }

    /// The element of the type with this index.
    pub(super) fn element_at(&self, place: usize) -> Option<ElementRef<'x>> {
        self.elements.get(place).copied()
    }

    /// A qualified name whose namespace is an index into those of the binding.
    pub(super) fn name(&mut self, namespace: &str, local: &str) -> QualifiedName {
        QualifiedName { namespace: self.namespace(namespace), local: local.to_owned() }
    }

    fn namespace(&mut self, namespace: &str) -> Option<usize> {
        if namespace.is_empty() {
            return None;
        }
        let known = self.namespaces.iter().position(|known| known == namespace);
        Some(known.unwrap_or_else(|| {
            self.namespaces.push(namespace.to_owned());
            self.namespaces.len() - 1
        }))
    }

    /// The type of an element: by name, inline, or any type if it declares none. `hint` is the name for an anonymous type.
    pub(super) fn type_of_element(&mut self, element: ElementRef<'x>, hint: &str) -> Result<ConvertedType, Fault> {
        if let Some(name) = self.sources.qname(element, "type")? {
            return self.type_named(&name, element);
        }
        if let Some(inner) = schema_child(element, "simpleType") {
            return self.simple(inner, 0);
        }
        match schema_child(element, "complexType") {
            Some(inner) => Ok(self.complex(inner, hint)),
            None => Ok(any()),
        }
    }

    /// The type with this name.
    pub(super) fn type_named(&mut self, name: &QName, from: ElementRef<'x>) -> Result<ConvertedType, Fault> {
        if let Some(known) = builtin(name) {
            return Ok(known);
        }
        let element = self.sources.find(ComponentKind::Type, name, from)?;
        if element.tag_name().name() == "simpleType" {
            self.named_simple(element, &name.local)
        } else {
            Ok(self.complex(element, &name.local))
        }
    }

    /// A complex type, by its index. It is put into the queue on first use.
    fn complex(&mut self, element: ElementRef<'x>, hint: &str) -> ConvertedType {
        let number = self.sources.number(element);
        let (at, def) = match self.known.get(&number) {
            Some(known) => known.clone(),
            None => {
                let def = self.reserve(hint);
                let name = element.attribute("name").map(|local| self.name(target(element), local));
                let at = self.typed.len();
                self.typed.push(BindingType { name, structure: TypeStructure::Members(Vec::new(), None) });
                self.known.insert(number, (at, def.clone()));
                self.elements.push(element);
                self.waiting.push_back((at, element, def.clone()));
                (at, def)
            }
        };
        ConvertedType { schema: refer(&def), content: ElementContent::Typed(at) }
    }

    /// Reserves a unique name for a definition.
    fn reserve(&mut self, hint: &str) -> String {
        let name = self.taken.unique(&unescape(hint), |name| self.defs.contains_key(name));
        self.defs.insert(name.clone(), Json::Bool(true));
        name
    }

    /// A named simple type: a definition if it is an enumeration, and otherwise its base type.
    fn named_simple(&mut self, element: ElementRef<'x>, local: &str) -> Result<ConvertedType, Fault> {
        let number = self.sources.number(element);
        let converted = self.simple(element, 0)?;
        if converted.schema.get("enum").is_none() {
            return Ok(converted);
        }
        let def = match self.known.get(&number) {
            Some((_, def)) => def.clone(),
            None => {
                let def = self.reserve(local);
                let mut schema = converted.schema;
                let doc = documentation(element);
                if let (Json::Object(members), false) = (&mut schema, doc.is_empty()) {
                    members.insert("description".to_owned(), doc.into());
                }
                self.defs.insert(def.clone(), schema);
                self.known.insert(number, (usize::MAX, def.clone()));
                def
            }
        };
        Ok(ConvertedType { schema: refer(&def), content: converted.content })
    }

    /// A simple type.
    fn simple(&mut self, element: ElementRef<'x>, depth: usize) -> Result<ConvertedType, Fault> {
        self.check_depth(element, depth)?;
        let Some(restriction) = schema_child(element, "restriction") else {
            // A list or a union is read as text.
            return Ok(text());
        };
        let base = match self.sources.qname(restriction, "base")? {
            Some(name) => match builtin(&name) {
                Some(known) => known,
                None => {
                    let base = self.sources.find(ComponentKind::Type, &name, restriction)?;
                    self.simple(base, depth + 1)?
                }
            },
            None => match schema_child(restriction, "simpleType") {
                Some(inner) => self.simple(inner, depth + 1)?,
                None => text(),
            },
        };
        let values = children(restriction).filter(|child| is(*child, XSD, "enumeration"));
        let values: Vec<_> = values.filter_map(|value| value.attribute("value")).map(Json::from).collect();
        let is_text = base.schema == text().schema || base.schema.get("enum").is_some();
        match values.is_empty() || !is_text {
            true => Ok(base),
            false => Ok(ConvertedType { schema: json!({ "type": "string", "enum": values }), content: base.content }),
        }
    }

    /// The members of a type; those of its base type come first.
    pub(super) fn members(&mut self, element: ElementRef<'x>, hint: &str, depth: usize) -> Result<Vec<Member>, Fault> {
        self.check_depth(element, depth)?;
        let mut members = Vec::new();
        let mut own = element;
        if let Some(content) = schema_child(element, "complexContent") {
            let inner = |name| schema_child(content, name);
            if let Some(extension) = inner("extension") {
                own = extension;
                if let Some(base) = self.base(extension)? {
                    members = self.members(base, hint, depth + 1)?;
                }
            } else if let Some(restriction) = inner("restriction") {
                own = restriction;
            }
        }
        self.particles(own, hint, Occurrence::Once, depth + 1, &mut members)?;
        Ok(members)
    }

    /// The base type of an extension, unless it is built in.
    fn base(&mut self, extension: ElementRef<'x>) -> Result<Option<ElementRef<'x>>, Fault> {
        let Some(name) = self.sources.qname(extension, "base")? else { return Ok(None) };
        if builtin(&name).is_some() {
            return Ok(None);
        }
        self.sources.find(ComponentKind::Type, &name, extension).map(Some)
    }

    /// Reads the content of a sequence, a choice, or an element with these.
    fn particles(
        &mut self,
        parent: ElementRef<'x>,
        hint: &str,
        outer: Occurrence,
        depth: usize,
        to: &mut Vec<Member>,
    ) -> Result<(), Fault> {
        self.check_depth(parent, depth)?;
        for child in children(parent).filter(|child| child.tag_name().namespace() == Some(XSD)) {
            match child.tag_name().name() {
                "element" => {
                    let member = self.member(child, hint, outer)?;
                    let left = self.left.checked_sub(1).filter(|_| to.len() < MAX_MEMBERS_OF_TYPE);
                    self.left = left.ok_or_else(|| self.too_many_members(child))?;
                    if to.iter().all(|known| known.part.name != member.part.name) {
                        to.push(member);
                    }
                }
                "sequence" | "all" => self.particles(child, hint, combine(outer, occurs(child)), depth + 1, to)?,
                "choice" => {
                    let optional = combine(Occurrence::Maybe, occurs(child));
                    self.particles(child, hint, combine(outer, optional), depth + 1, to)?;
                }
                "group" => {
                    self.left = self.left.checked_sub(1).ok_or_else(|| self.too_many_members(child))?;
                    if let Some(name) = self.sources.qname(child, "ref")? {
                        let group = self.sources.find(ComponentKind::Group, &name, child)?;
                        self.particles(group, hint, combine(outer, occurs(child)), depth + 1, to)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn member(&mut self, element: ElementRef<'x>, hint: &str, outer: Occurrence) -> Result<Member, Fault> {
        let occurs = combine(outer, occurs(element));
        let (declared, global) = match self.sources.qname(element, "ref")? {
            Some(name) => (self.sources.find(ComponentKind::Element, &name, element)?, true),
            None => (element, false),
        };
        let local = declared
            .attribute("name")
            .ok_or_else(|| self.sources.description_fault(declared, "an element has no name"))?;
        let namespace = if global || is_qualified(declared) { target(declared) } else { "" };
        let own = self.name(namespace, local);
        let ConvertedType { schema, content } = self.type_of_element(declared, &format!("{hint}_{local}"))?;
        let nillable = declared.attribute("nillable").is_some_and(|word| matches!(word.trim(), "true" | "1"));
        let item = if nillable { optional(schema) } else { schema };
        let schema = match occurs {
            Occurrence::Repeatedly => json!({ "type": "array", "items": item, "default": [] }),
            _ => item.clone(),
        };
        let doc = Some(documentation(element)).filter(|doc| !doc.is_empty());
        Ok(Member {
            part: MessagePart { name: unescape(local).into_owned(), element: own, content, occurs, nillable },
            schema,
            item,
            required: occurs == Occurrence::Once,
            doc: doc.unwrap_or_else(|| documentation(declared)),
        })
    }

    /// The item of an array of the SOAP encoding, by its attribute (WSDL 1.1, section 2.2) or its content; `None` if the type
    /// is not such an array.
    pub(super) fn encoded_item(&mut self, element: ElementRef<'x>, hint: &str) -> Result<Option<Member>, Fault> {
        let restriction = schema_child(element, "complexContent")
            .and_then(|content| schema_child(content, "restriction").or_else(|| schema_child(content, "extension")));
        let Some(restriction) = restriction else { return Ok(None) };
        let base = self.sources.qname(restriction, "base")?;
        if !base.is_some_and(|base| base.namespace == ENCODING && base.local == "Array") {
            return Ok(None);
        }
        let declared = children(restriction).find_map(|child| {
            let attribute = child.attribute((super::source::WSDL, "arrayType"))?;
            Some((child, attribute))
        });
        let ConvertedType { schema, content } = match declared {
            Some((element, written)) => match written.split_once('[') {
                // The attribute does not describe the items of inner arrays.
                Some((_, rest)) if rest.contains('[') => any(),
                Some((name, _)) => self.type_named(&self.sources.resolve(element, name)?, element)?,
                None => any(),
            },
            None => {
                let mut members = Vec::new();
                self.particles(restriction, hint, Occurrence::Once, 0, &mut members)?;
                members
                    .pop()
                    .map_or_else(any, |member| ConvertedType { schema: member.item, content: member.part.content })
            }
        };
        let element = QualifiedName { namespace: None, local: "item".to_owned() };
        let part = MessagePart { name: "item".to_owned(), element, content, occurs: Occurrence::Once, nillable: true };
        Ok(Some(Member { part, schema: schema.clone(), item: schema, required: true, doc: String::new() }))
    }

    fn check_depth(&self, element: ElementRef<'x>, depth: usize) -> Result<(), Fault> {
        if depth < MAX_DEPTH {
            return Ok(());
        }
        let message = format!("{}: types are nested more than {MAX_DEPTH} deep", self.sources.position(element));
        Err(Fault::new(Kind::Limit, message))
    }

    fn too_many_members(&self, element: ElementRef<'x>) -> Fault {
        Fault::new(Kind::Limit, format!("{}: types have too many members", self.sources.position(element)))
    }
}

/// The names of the definitions to which a schema refers.
pub(super) fn references(schema: &Json) -> Vec<String> {
    let (mut found, mut left) = (Vec::new(), vec![schema]);
    while let Some(schema) = left.pop() {
        match schema {
            Json::Object(members) => {
                let target = members.get("$ref").and_then(Json::as_str).and_then(|it| it.strip_prefix("#/$defs/"));
                found.extend(target.map(str::to_owned));
                left.extend(members.values());
            }
            Json::Array(items) => left.extend(items),
            _ => {}
        }
    }
    found
}

/// An unknown type: a free-form value.
pub(super) fn any() -> ConvertedType {
    ConvertedType { schema: Json::Bool(true), content: ElementContent::Any }
}

fn text() -> ConvertedType {
    ConvertedType { schema: json!({ "type": "string" }), content: ElementContent::Text("string") }
}

fn refer(def: &str) -> Json {
    json!({ "$ref": format!("#/$defs/{def}") })
}

/// The schema of a value that may be null.
pub(super) fn optional(schema: Json) -> Json {
    match schema {
        Json::Object(members) if members.get("type").is_some_and(Json::is_string) && !members.contains_key("enum") => {
            let mut members = members;
            if let Some(kind) = members.get_mut("type").filter(|kind| *kind != "null") {
                *kind = json!([kind.take(), "null"]);
            }
            Json::Object(members)
        }
        Json::Object(members) => json!({ "anyOf": [members, { "type": "null" }] }),
        schema => schema,
    }
}

fn is_qualified(element: ElementRef<'_>) -> bool {
    let form = element.attribute("form").or_else(|| {
        let schema = element.ancestors().find(|outer| is(*outer, XSD, "schema"));
        schema.and_then(|schema| schema.attribute("elementFormDefault"))
    });
    form == Some("qualified")
}

fn occurs(element: ElementRef<'_>) -> Occurrence {
    let most = element.attribute("maxOccurs").unwrap_or("1").trim();
    if most != "1" && most != "0" {
        Occurrence::Repeatedly
    } else if element.attribute("minOccurs").is_some_and(|least| least.trim() == "0") {
        Occurrence::Maybe
    } else {
        Occurrence::Once
    }
}

/// How often the content may occur, by its own bounds and those of its parent.
fn combine(outer: Occurrence, inside: Occurrence) -> Occurrence {
    match (outer, inside) {
        (Occurrence::Repeatedly, _) | (_, Occurrence::Repeatedly) => Occurrence::Repeatedly,
        (Occurrence::Maybe, _) | (_, Occurrence::Maybe) => Occurrence::Maybe,
        _ => Occurrence::Once,
    }
}

/// Whether a type is built in.
pub(super) fn is_builtin(name: &QName) -> bool {
    builtin(name).is_some()
}

/// The built-in types of XML Schema, and those of the same names in the SOAP encoding.
fn builtin(name: &QName) -> Option<ConvertedType> {
    let integer = |format: &str| json!({ "type": "integer", "format": format });
    if name.namespace == "http://xml.apache.org/xml-soap" {
        return Some(any());
    }
    if [ENCODING, ENCODING_12].contains(&name.namespace.as_str()) && matches!(name.local.as_str(), "Array" | "Struct") {
        return Some(any());
    }
    if ![XSD, ENCODING, ENCODING_12].contains(&name.namespace.as_str()) {
        return None;
    }
    let (kind, schema) = match name.local.as_str() {
        "anyType" | "anySimpleType" | "ur-type" => return Some(any()),
        "boolean" => ("boolean", json!({ "type": "boolean" })),
        "byte" => ("byte", integer("int8")),
        "short" => ("short", integer("int16")),
        "int" => ("int", integer("int32")),
        "long" => ("long", integer("int64")),
        "unsignedByte" => ("unsignedByte", integer("uint8")),
        "unsignedShort" => ("unsignedShort", integer("uint16")),
        "unsignedInt" => ("unsignedInt", integer("uint32")),
        "unsignedLong" => ("unsignedLong", integer("uint64")),
        "integer" => ("integer", json!({ "type": "integer" })),
        "nonNegativeInteger" => ("nonNegativeInteger", json!({ "type": "integer", "minimum": 0 })),
        "positiveInteger" => ("positiveInteger", json!({ "type": "integer", "minimum": 1 })),
        "nonPositiveInteger" => ("nonPositiveInteger", json!({ "type": "integer", "maximum": 0 })),
        "negativeInteger" => ("negativeInteger", json!({ "type": "integer", "maximum": -1 })),
        "float" => ("float", json!({ "type": "number" })),
        "double" => ("double", json!({ "type": "number" })),
        "decimal" => ("decimal", json!({ "type": "number" })),
        "dateTime" => ("dateTime", json!({ "type": "string", "format": "date-time" })),
        "date" => ("date", json!({ "type": "string", "format": "date" })),
        "time" => ("time", json!({ "type": "string", "format": "time" })),
        "duration" => ("duration", json!({ "type": "string", "format": "duration" })),
        "base64Binary" | "base64" => ("base64Binary", json!({ "type": "string", "contentEncoding": "base64" })),
        "hexBinary" => ("hexBinary", json!({ "type": "string", "contentEncoding": "base16" })),
        "anyURI" => ("anyURI", json!({ "type": "string", "format": "uri-reference" })),
        _ => ("string", json!({ "type": "string" })),
    };
    Some(ConvertedType { schema, content: ElementContent::Text(kind) })
}
