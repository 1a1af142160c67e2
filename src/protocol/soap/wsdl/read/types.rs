//! Converts types of XML Schema into JSON schemas, and into the structure of their values in a document.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Map, Value as Json, json};

use super::source::{ComponentKind, ElementRef, QName, Sources, XSD, documentation, is, schema_child, target};
use crate::codec::soap::{
    BindingType, ElementContent, MessagePart, QualifiedName, RecordType, TypeStructure, Wildcard,
};
use crate::model::fault::{Fault, Kind};
use crate::model::shape::unescape;
use crate::protocol::discovered::UniqueNames;

/// The largest depth of nested groups, sequences and restrictions.
const MAX_DEPTH: usize = 64;
/// The largest number of members of all types together, with groups and base types expanded.
const MAX_MEMBERS: usize = 100_000;
/// How many texts of an enumeration count as much as a member.
const TEXTS_OF_MEMBER: usize = 16;
/// As long as this many members are left, types that are derived from those that are used are read, too.
const MEMBERS_FOR_DERIVED: usize = 50_000;
/// The longest chain of types that are derived from each other.
const MAX_CHAIN: usize = 64;

/// The content of a type that cannot be read.
const GENERIC: TypeStructure = TypeStructure::Generic { wildcard: Wildcard { namespace: None }, mixed: true };
/// The most members of a substitution group.
const MAX_SUBSTITUTES: usize = 500;

/// Patterns for the texts of built-in types (XML Schema Part 2, section 3.2).
const DATE: &str = "^-?[0-9]{4,}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(Z|[+-][0-9]{2}:[0-9]{2})?$";
const TIME: &str = "^([01][0-9]|2[0-4]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?$";
const LANGUAGE: &str = "^[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*$";
const DURATION: &str = "^-?P[0-9YMDTHS.]+$";

/// The namespace of Apache's own types.
const APACHE: &str = "http://xml.apache.org/xml-soap";
/// The namespace of the SOAP 1.1 encoding. It has the types of XML Schema under the same names, and `Array`.
pub(super) const ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";
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
    /// The simple types that have a name, by their numbers.
    pub(super) simples: HashMap<(usize, u32), ConvertedType>,
    /// The element of each complex type, by index.
    elements: HashMap<usize, ElementRef<'x>>,
    /// The types that are derived from a type, by its number.
    derived: HashMap<(usize, u32), Vec<ElementRef<'x>>>,
    /// The direct members of the substitution group of an element, by its number.
    substitutes: HashMap<(usize, u32), Vec<ElementRef<'x>>>,
    /// The types that are used only because they are derived from others.
    optional: HashSet<usize>,
    /// The index of Apache's `Map`.
    map: Option<usize>,
    /// Whether there are elements of any type.
    uses_any: bool,
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
            simples: HashMap::new(),
            elements: HashMap::new(),
            derived: derived_types(sources),
            substitutes: substitutes(sources),
            optional: HashSet::new(),
            map: None,
            uses_any: false,
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
        let mut failed = self.convert_waiting();
        // A value of any type can have each type of the document.
        if self.uses_any {
            for element in self.sources.all(ComponentKind::Type) {
                if self.left < MEMBERS_FOR_DERIVED {
                    break;
                }
                if element.tag_name().name() == "complexType" {
                    self.complex(element, element.attribute("name").unwrap_or_default(), true);
                    failed.extend(self.convert_waiting());
                }
            }
        }
        self.describe_derived();
        failed
    }

    fn convert_waiting(&mut self) -> Vec<(String, Fault)> {
        let mut failed = Vec::new();
        while let Some((at, element, name)) = self.waiting.pop_front() {
            let (mut schema, structure) = match self.structure(element, &name) {
                Ok(structure) => structure,
                // A description does not become useless because a type that only might be sent cannot be read.
                Err(_) if self.is_derived_only(at) => (Json::Bool(true), GENERIC),
                Err(fault) => {
                    failed.push((name, fault));
                    continue;
                }
            };
            self.add_derived(at, element);
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

    /// Reads the types that are derived from a type, which can be sent in its place.
    fn add_derived(&mut self, at: usize, element: ElementRef<'x>) {
        for derived in self.derived.get(&self.sources.number(element)).cloned().unwrap_or_default() {
            let local = derived.attribute("name").unwrap_or_default();
            if self.left < MEMBERS_FOR_DERIVED && !self.known.contains_key(&self.sources.number(derived)) {
                continue;
            }
            if let ElementContent::Typed(index) = self.complex(derived, local, true).content
                && let Some(typed) = self.typed.get_mut(index)
            {
                typed.base = Some(at);
            }
        }
    }

    /// Whether a type has been found only because it is derived from another.
    fn is_derived_only(&self, at: usize) -> bool {
        self.optional.contains(&at)
    }

    /// Adds the derived types to the definition of each type that has any: one of them can stand in its place, and its
    /// member `@type` says which.
    fn describe_derived(&mut self) {
        let mut variants: HashMap<usize, Vec<usize>> = HashMap::new();
        for at in 0..self.typed.len() {
            let base = |at: &usize| self.typed.get(*at).and_then(|typed| typed.base);
            for base in std::iter::successors(base(&at), base).take(MAX_CHAIN) {
                variants.entry(base).or_default().push(at);
            }
        }
        let defs: HashMap<usize, String> = self.known.values().cloned().collect();
        for (at, variants) in variants {
            let (Some(def), Some(typed)) = (defs.get(&at), self.typed.get(at)) else { continue };
            let Some(own) = self.defs.get(def).cloned().filter(Json::is_object) else { continue };
            let mut all = Vec::with_capacity(variants.len() + 1);
            let doc = own.get("description").cloned();
            if !typed.is_abstract {
                all.push(with_type_name(own, typed.name.as_ref()));
            }
            let concrete = variants.into_iter().filter_map(|at| Some((defs.get(&at)?, self.typed.get(at)?)));
            all.extend(concrete.filter(|(_, typed)| !typed.is_abstract).map(|(def, typed)| variant(def, typed)));
            if all.is_empty() {
                continue;
            }
            let mut schema = json!({ "anyOf": all });
            if let (Json::Object(members), Some(doc)) = (&mut schema, doc) {
                members.insert("description".to_owned(), doc);
            }
            self.defs.insert(def.clone(), schema);
        }
    }

    /// The elements that can stand in the place of an element, in the order of the documents.
    pub(super) fn substitutes(&self, head: ElementRef<'x>) -> Vec<ElementRef<'x>> {
        let mut found: Vec<ElementRef<'x>> = Vec::new();
        let mut heads = vec![head];
        while let Some(head) = heads.pop() {
            let direct = self.substitutes.get(&self.sources.number(head)).map(Vec::as_slice).unwrap_or_default();
            for element in direct {
                if found.len() < MAX_SUBSTITUTES && *element != head && !found.contains(element) {
                    found.push(*element);
                    heads.push(*element);
                }
            }
        }
        found.retain(|element| !element.attribute("abstract").is_some_and(is_true));
        found.sort_by_key(|element| self.sources.number(*element));
        found
    }

    /// Counts a member, whose number is limited.
    pub(super) fn take_member(&mut self, element: ElementRef<'x>) -> Result<(), Fault> {
        self.left = self.left.checked_sub(1).ok_or_else(|| self.too_many_members(element))?;
        Ok(())
    }

    /// Counts the texts of an enumeration in the schema of a member: each member that uses such a type has texts of its own.
    pub(super) fn take_schema(&mut self, schema: &Json, element: ElementRef<'x>) -> Result<(), Fault> {
        let texts = schema.get("enum").and_then(Json::as_array).map_or(0, Vec::len);
        let left = self.left.checked_sub(texts / TEXTS_OF_MEMBER);
        self.left = left.ok_or_else(|| self.too_many_members(element))?;
        Ok(())
    }

    /// Adds a type, and returns the content of its elements.
    pub(super) fn add_type(&mut self, typed: BindingType) -> ElementContent {
        self.typed.push(typed);
        ElementContent::Typed(self.typed.len() - 1)
    }

    /// The element of the type with this index.
    pub(super) fn element_at(&self, place: usize) -> Option<ElementRef<'x>> {
        self.elements.get(&place).copied()
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
            return self.simple(inner);
        }
        match schema_child(element, "complexType") {
            Some(inner) => Ok(self.complex(inner, hint, false)),
            None => {
                self.uses_any = true;
                Ok(any())
            }
        }
    }

    /// The type with this name.
    pub(super) fn type_named(&mut self, name: &QName, from: ElementRef<'x>) -> Result<ConvertedType, Fault> {
        if name.namespace == APACHE && name.local == "Map" {
            return Ok(self.map());
        }
        if let Some(known) = builtin(name) {
            self.uses_any |= known.content == ElementContent::Any;
            return Ok(known);
        }
        let element = self.sources.find(ComponentKind::Type, name, from)?;
        if element.tag_name().name() == "simpleType" {
            let name = self.name(target(element), &name.local);
            self.named_simple(element, name)
        } else {
            Ok(self.complex(element, &name.local, false))
        }
    }

    /// Apache's `Map`: values of any types by texts.
    fn map(&mut self) -> ConvertedType {
        let content = match self.map {
            Some(at) => ElementContent::Typed(at),
            None => {
                let name = Some(self.name(APACHE, "Map"));
                self.map = Some(self.typed.len());
                self.add_type(BindingType { name, structure: TypeStructure::Map, base: None, is_abstract: false })
            }
        };
        ConvertedType { schema: json!({ "type": "object", "additionalProperties": true }), content }
    }

    /// A complex type, by its index. It is put into the queue on first use.
    fn complex(&mut self, element: ElementRef<'x>, hint: &str, derived: bool) -> ConvertedType {
        let number = self.sources.number(element);
        let (at, def) = match self.known.get(&number) {
            Some(known) => known.clone(),
            None => {
                let def = self.reserve(hint);
                let name = element.attribute("name").map(|local| self.name(target(element), local));
                let at = self.typed.len();
                let structure = TypeStructure::Members(RecordType::default());
                let is_abstract = element.attribute("abstract").is_some_and(is_true);
                self.typed.push(BindingType { name, structure, base: None, is_abstract });
                self.known.insert(number, (at, def.clone()));
                self.elements.insert(at, element);
                if derived {
                    // A type without members counts too.
                    self.left = self.left.saturating_sub(1);
                    self.optional.insert(at);
                }
                self.waiting.push_back((at, element, def.clone()));
                (at, def)
            }
        };
        ConvertedType { schema: refer(&def), content: ElementContent::Typed(at) }
    }

    /// Reserves a unique name for a definition.
    pub(super) fn reserve(&mut self, hint: &str) -> String {
        let name = self.taken.unique(&unescape(hint), |name| self.defs.contains_key(name));
        self.defs.insert(name.clone(), Json::Bool(true));
        name
    }

    pub(super) fn check_depth(&self, element: ElementRef<'x>, depth: usize) -> Result<(), Fault> {
        if depth < MAX_DEPTH {
            return Ok(());
        }
        let message = format!("{}: types are nested more than {MAX_DEPTH} deep", self.sources.position(element));
        Err(Fault::new(Kind::Limit, message))
    }

    pub(super) fn too_many_members(&self, element: ElementRef<'x>) -> Fault {
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

/// A text of any kind.
pub(super) fn text() -> ConvertedType {
    ConvertedType { schema: json!({ "type": "string" }), content: ElementContent::Text("string") }
}

/// A reference to a definition.
pub(super) fn refer(def: &str) -> Json {
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

/// Sets a word of a schema, if it has a value.
pub(super) fn optional_facet(schema: &mut Json, word: &str, value: Option<Json>) {
    if let (Json::Object(words), Some(value)) = (schema, value) {
        words.insert(word.to_owned(), value);
    }
}

/// The schema of a type that has derived types, with the name by which it can be chosen itself.
fn with_type_name(mut schema: Json, name: Option<&QualifiedName>) -> Json {
    if let (Some(Json::Object(properties)), Some(name)) = (schema.get_mut("properties"), name)
        && !properties.contains_key("@type")
    {
        properties.insert("@type".to_owned(), json!({ "const": unescape(&name.local) }));
    }
    schema
}

/// The schema of a derived type in the place of its base.
fn variant(def: &str, typed: &BindingType) -> Json {
    let name = typed.name.as_ref().map(|name| unescape(&name.local)).unwrap_or_default();
    json!({
        "allOf": [refer(def)],
        "type": "object",
        "properties": { "@type": { "const": name } },
        "required": ["@type"],
    })
}

/// Whether an element or an attribute is in the target namespace, by itself or by the default of its schema.
pub(super) fn is_qualified(element: ElementRef<'_>, default: &str) -> bool {
    let form = element.attribute("form").or_else(|| {
        let schema = element.ancestors().find(|outer| is(*outer, XSD, "schema"));
        schema.and_then(|schema| schema.attribute(default))
    });
    form == Some("qualified")
}

pub(super) fn is_true(word: &str) -> bool {
    matches!(word.trim(), "true" | "1")
}

/// The named types that are derived from each type.
fn derived_types<'x>(sources: &Sources<'x>) -> HashMap<(usize, u32), Vec<ElementRef<'x>>> {
    let mut derived: HashMap<_, Vec<_>> = HashMap::new();
    for element in sources.all(ComponentKind::Type) {
        let content = schema_child(element, "complexContent").or_else(|| schema_child(element, "simpleContent"));
        let derivation =
            content.and_then(|it| schema_child(it, "extension").or_else(|| schema_child(it, "restriction")));
        let base = derivation.and_then(|derivation| Some((derivation, sources.qname(derivation, "base").ok()??)));
        let Some((derivation, base)) = base.filter(|(_, base)| builtin(base).is_none()) else { continue };
        if let Ok(base) = sources.find(ComponentKind::Type, &base, derivation)
            && base != element
            && base.tag_name().name() == "complexType"
        {
            derived.entry(sources.number(base)).or_default().push(element);
        }
    }
    derived
}

/// The elements that name another as the head of their substitution group.
fn substitutes<'x>(sources: &Sources<'x>) -> HashMap<(usize, u32), Vec<ElementRef<'x>>> {
    let mut substitutes: HashMap<_, Vec<_>> = HashMap::new();
    for element in sources.all(ComponentKind::Element) {
        let Ok(Some(head)) = sources.qname(element, "substitutionGroup") else { continue };
        if let Ok(head) = sources.find(ComponentKind::Element, &head, element) {
            substitutes.entry(sources.number(head)).or_default().push(element);
        }
    }
    substitutes
}

/// Whether a type is built in.
pub(super) fn is_builtin(name: &QName) -> bool {
    builtin(name).is_some()
}

/// The built-in types of XML Schema, and those of the same names in the SOAP encoding.
pub(super) fn builtin(name: &QName) -> Option<ConvertedType> {
    let integer = |format: &str| json!({ "type": "integer", "format": format });
    let bounded = |format: &str, least: i64, most: i64| json!({ "type": "integer", "format": format, "minimum": least, "maximum": most });
    let matching = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    let zoned = |pattern: &str| matching(&format!("^{pattern}(Z|[+-][0-9]{{2}}:[0-9]{{2}})?$"));
    if name.namespace == APACHE {
        return Some(any());
    }
    if [ENCODING, ENCODING_12].contains(&name.namespace.as_str()) && matches!(name.local.as_str(), "Array" | "Struct") {
        return Some(any());
    }
    if ![XSD, ENCODING, ENCODING_12].contains(&name.namespace.as_str()) {
        return None;
    }
    let (kind, schema) = match name.local.as_str() {
        "anyType" | "ur-type" => return Some(any()),
        "anySimpleType" => {
            let schema = json!({ "type": ["string", "number", "boolean"] });
            return Some(ConvertedType { schema, content: ElementContent::Any });
        }
        "boolean" => ("boolean", json!({ "type": "boolean" })),
        "byte" => ("byte", bounded("int8", i8::MIN.into(), i8::MAX.into())),
        "short" => ("short", bounded("int16", i16::MIN.into(), i16::MAX.into())),
        "int" => ("int", bounded("int32", i32::MIN.into(), i32::MAX.into())),
        "long" => ("long", integer("int64")),
        "unsignedByte" => ("unsignedByte", bounded("uint8", 0, u8::MAX.into())),
        "unsignedShort" => ("unsignedShort", bounded("uint16", 0, u16::MAX.into())),
        "unsignedInt" => ("unsignedInt", bounded("uint32", 0, u32::MAX.into())),
        "unsignedLong" => ("unsignedLong", json!({ "type": "integer", "format": "uint64", "minimum": 0 })),
        "integer" => ("integer", json!({ "type": "integer" })),
        "nonNegativeInteger" => ("nonNegativeInteger", json!({ "type": "integer", "minimum": 0 })),
        "positiveInteger" => ("positiveInteger", json!({ "type": "integer", "minimum": 1 })),
        "nonPositiveInteger" => ("nonPositiveInteger", json!({ "type": "integer", "maximum": 0 })),
        "negativeInteger" => ("negativeInteger", json!({ "type": "integer", "maximum": -1 })),
        "float" => ("float", json!({ "type": "number" })),
        "double" => ("double", json!({ "type": "number" })),
        "decimal" => ("decimal", json!({ "type": "number" })),
        "dateTime" => ("dateTime", json!({ "type": "string", "format": "date-time" })),
        // The formats of JSON Schema are those of RFC 3339: its dates have no zone, its times must have one, and its durations
        // neither sign nor fraction.
        "date" => ("date", matching(DATE)),
        "time" => ("time", matching(TIME)),
        "duration" => ("duration", matching(DURATION)),
        "base64Binary" | "base64" => ("base64Binary", json!({ "type": "string", "contentEncoding": "base64" })),
        "hexBinary" => ("hexBinary", json!({ "type": "string", "contentEncoding": "base16" })),
        "gYear" => ("gYear", zoned("-?[0-9]{4,}")),
        "gYearMonth" => ("gYearMonth", zoned("-?[0-9]{4,}-(0[1-9]|1[0-2])")),
        "gMonth" => ("gMonth", zoned("--(0[1-9]|1[0-2])")),
        "gMonthDay" => ("gMonthDay", zoned("--(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")),
        "gDay" => ("gDay", zoned("---(0[1-9]|[12][0-9]|3[01])")),
        "language" => ("language", matching(LANGUAGE)),
        "anyURI" => ("anyURI", json!({ "type": "string", "format": "uri-reference" })),
        _ => ("string", json!({ "type": "string" })),
    };
    Some(ConvertedType { schema, content: ElementContent::Text(kind) })
}
