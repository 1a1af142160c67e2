//! Reads values of responses by the types of a binding.
//!
//! Nothing that a server sends is lost, and nothing of it ends the call: elements and attributes that the type does not
//! name become members, elements that come more often than the type says become a list, and what no type describes is read
//! in one generic form.

mod undeclared;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::codec::soap::attachments::Attachments;
use crate::codec::soap::binding::{
    Binding, ElementContent, ItemsType, MapEntry, MessagePart, ORDER, Occurrence, Operation, PartKind, RecordType,
    ResultContent, TEXT, TYPE, TypeStructure, XSI_TYPE_ATTRIBUTE,
};
use crate::codec::soap::lexical::SoapScalar;
use crate::codec::soap::order::written_order;
use crate::codec::soap::read::{Marks, ShapeReader};
use crate::codec::soap::simple::{Facet, SimpleType};
use crate::codec::tape::TapeNode;
use crate::codec::xml::tree::Element;
use crate::model::fault::Fault;
use crate::model::shape::unescape;
use crate::model::value::Value;

/// The members of a result with the header blocks of the response beside it.
pub const HEADERS: &str = "headers";
pub const RESULT: &str = "result";

/// The namespace of `xop:Include` (XOP 1.0, section 2.1).
const XOP: &str = "http://www.w3.org/2004/08/xop/include";
/// How the namespaces of SOAP's own attributes begin: envelopes, encodings, instances of XML Schema, and WS-Security, which
/// marks elements that are signed.
const SOAP_NAMESPACES: [&str; 6] = [
    "http://schemas.xmlsoap.org/soap/",
    "http://www.w3.org/2003/05/soap-",
    "http://www.w3.org/2001/XMLSchema-instance",
    "http://www.w3.org/1999/XMLSchema-instance",
    "http://www.w3.org/2000/10/XMLSchema-instance",
    "http://docs.oasis-open.org/wss/",
];

/// Reads elements onto a tape, by the types of a binding.
pub(in crate::codec::soap) struct BindingReader<'s, 'x, 'a> {
    pub(in crate::codec::soap) binding: &'s Binding,
    pub(in crate::codec::soap) inner: ShapeReader<'s, 'x, 'a>,
    /// Whether values carry their types, by SOAP's encoding.
    pub(in crate::codec::soap) encoded: bool,
    pub(in crate::codec::soap) attachments: &'s Attachments<'s>,
}

/// A member that a type does not name: the elements or the attributes of one name.
pub(in crate::codec::soap) struct UndeclaredMember<'e, 'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) elements: Vec<Element<'e, 'a>>,
    pub(super) attributes: Vec<Cow<'a, str>>,
}

impl<'s, 'x, 'a> BindingReader<'s, 'x, 'a> {
    /// Reads the result in the Body's element, if there is one, with the header blocks beside it if they are returned.
    pub(in crate::codec::soap) fn response(
        &mut self,
        header: Option<Element<'x, 'a>>,
        content: Option<Element<'x, 'a>>,
        operation: &'s Operation,
    ) -> Result<(), Fault> {
        let content = content.filter(|it| operation.result != ResultContent::Nothing || !self.is_empty_result(*it));
        let Some(headers) = &operation.response_headers else {
            let Some(content) = content else { return Ok(()) };
            self.result(content, &operation.result)?;
            self.inner.tape.complete();
            return Ok(());
        };
        let opened = self.inner.tape.open();
        self.inner.name(Cow::Borrowed(HEADERS));
        match header {
            Some(header) => self.record(header, headers, None, 1)?,
            None => {
                let opened = self.inner.tape.open();
                self.inner.tape.close_struct(opened, 0)?;
            }
        }
        self.inner.name(Cow::Borrowed(RESULT));
        match content {
            Some(content) => self.result(content, &operation.result)?,
            None => self.inner.tape.push(TapeNode::Nil),
        }
        self.inner.tape.close_struct(opened, 2)?;
        self.inner.tape.complete();
        Ok(())
    }

    fn result(&mut self, content: Element<'x, 'a>, result: &'s ResultContent) -> Result<(), Fault> {
        match result {
            ResultContent::Nothing => self.content(content, &ElementContent::Any, 0)?,
            ResultContent::Element(kind) => self.content(content, kind, 0)?,
            ResultContent::Record(record) | ResultContent::Body(record) => {
                let (content, _) = self.meant(content, false)?;
                self.record(content, record, None, 0)?;
            }
            ResultContent::Member(part) | ResultContent::Part(part) => {
                let (content, _) = self.meant(content, false)?;
                let all: Vec<_> = content.elements().collect();
                let named: Vec<_> = all.iter().copied().filter(|it| it.name() == part.element.local).collect();
                let is_list = part.occurs == Occurrence::Repeatedly;
                if is_list {
                    // Rows are passed on while they arrive, and a reader of rows has no place for text between them.
                    content.no_text()?;
                }
                if self.has_undeclared_siblings(content, part) {
                    return self.struct_with_undeclared(content, part, false, 0);
                }
                // Some servers use another name than their WSDL.
                let found = if named.is_empty() || is_list { all } else { named };
                self.member(part, &found, 0)?;
            }
        }
        Ok(())
    }

    /// Follows references to the element that holds the value. Outside SOAP's encoding, `href` is an attribute like others,
    /// unless `follows` and the element is empty otherwise.
    fn meant<'e>(&self, element: Element<'e, 'a>, follows: bool) -> Result<(Element<'e, 'a>, Marks<'e>), Fault>
    where
        'x: 'e,
    {
        let marks = Marks::of(element)?;
        match marks.refers {
            Some((_, id)) if id.starts_with("cid:") => Ok((element, marks)),
            Some((_, id)) if self.encoded || (follows && id.starts_with('#') && element.is_empty()) => {
                self.inner.meant(element)
            }
            _ => Ok((element, marks)),
        }
    }

    /// Whether an element with this content may refer to the element that has it, as servers that mix SOAP's encoding with
    /// literal messages do. Content of any kind, and types with an attribute `href`, have it themselves.
    fn may_refer(&self, content: &ElementContent) -> bool {
        match content {
            ElementContent::Text(_) => true,
            ElementContent::Any => false,
            ElementContent::Typed(at) => match self.binding.typed(*at).map(|typed| &typed.structure) {
                Some(TypeStructure::Members(record)) => {
                    !record.any_attribute && record.parts.iter().all(|part| part.element.local != "href")
                }
                Some(TypeStructure::Generic { .. }) | None => false,
                Some(_) => true,
            },
        }
    }

    /// Reads the elements of one part: a list if they are repeated or the type says so; nil if there is none.
    pub(in crate::codec::soap) fn member(
        &mut self,
        part: &'s MessagePart,
        found: &[Element<'_, 'a>],
        depth: usize,
    ) -> Result<(), Fault> {
        match (part.occurs, found) {
            (Occurrence::Repeatedly, [only]) if self.is_wrapped(*only)? => {
                let (only, _) = self.meant(*only, false)?;
                self.list(only.elements(), &part.content, depth)
            }
            (Occurrence::Repeatedly, found) => self.list(found.iter().copied(), &part.content, depth),
            (_, []) => {
                self.inner.tape.push(TapeNode::Nil);
                Ok(())
            }
            (_, [only]) => self.content(*only, &part.content, depth),
            (_, found) => self.list(found.iter().copied(), &part.content, depth),
        }
    }

    /// Whether an element that should be repeated is one array in SOAP's encoding.
    fn is_wrapped(&self, element: Element<'_, 'a>) -> Result<bool, Fault> {
        if !self.encoded {
            return Ok(false);
        }
        let (_, marks) = self.meant(element, false)?;
        Ok(marks.array || marks.kind.is_some_and(|kind| kind.contains("Array")))
    }

    fn list<'e>(
        &mut self,
        items: impl Iterator<Item = Element<'e, 'a>>,
        content: &'s ElementContent,
        depth: usize,
    ) -> Result<(), Fault>
    where
        'a: 'e,
    {
        let depth = self.inner.deeper(depth)?;
        let opened = self.inner.tape.open();
        let mut count = 0;
        for item in items {
            self.content(item, content, depth)?;
            count += 1;
        }
        self.inner.tape.close_array(opened, count);
        Ok(())
    }

    /// Reads the value of an element; `depth` values enclose it.
    fn content(&mut self, element: Element<'_, 'a>, content: &'s ElementContent, depth: usize) -> Result<(), Fault> {
        let (element, marks) = self.meant(element, self.may_refer(content))?;
        if marks.nil {
            return self.nil(element, content, depth);
        }
        match content {
            ElementContent::Text(kind) => self.text(element, kind, None, depth),
            ElementContent::Any => self.any(element, &marks, depth),
            ElementContent::Typed(at) => self.typed(*at, element, &marks, depth),
        }
    }

    /// Reads a value of a declared type, or of the derived type that the element names.
    fn typed(
        &mut self,
        declared: usize,
        element: Element<'_, 'a>,
        marks: &Marks<'_>,
        depth: usize,
    ) -> Result<(), Fault> {
        let binding = self.binding;
        let Some(own) = binding.typed(declared) else { return self.any(element, marks, depth) };
        let is_own = |local: &str| own.name.as_ref().is_some_and(|name| name.local == local);
        let named = marks.kind.filter(|local| !is_own(local));
        let other = named.and_then(|local| binding.derived(declared, local).or_else(|| binding.type_of_name(local)));
        let shown = match (&own.structure, named) {
            (TypeStructure::Members(_), Some(local)) if other.is_some() || !self.encoded => Some(local),
            _ => None,
        };
        let structure = match other.and_then(|at| binding.typed(at)).map(|typed| &typed.structure) {
            // A type that is no struct says nothing about one.
            Some(structure @ TypeStructure::Members(_)) if shown.is_some() => structure,
            _ => &own.structure,
        };
        self.structure(structure, element, marks, shown, depth)
    }

    fn structure(
        &mut self,
        structure: &'s TypeStructure,
        element: Element<'_, 'a>,
        marks: &Marks<'_>,
        shown: Option<&str>,
        depth: usize,
    ) -> Result<(), Fault> {
        match structure {
            TypeStructure::Members(record) => self.record(element, record, shown, depth),
            TypeStructure::Row(parts) => self.row(element, parts, depth),
            TypeStructure::Items(list) => self.items(element, list, depth),
            TypeStructure::Array(item) if element.is_text() && !is_blank(&element.whole_text()) => {
                self.text(element, text_kind(&item.content), None, depth)
            }
            TypeStructure::Array(item) => {
                element.no_text()?;
                self.list(element.elements(), &item.content, depth)
            }
            TypeStructure::Map => self.map(element, depth),
            TypeStructure::Free(_) => self.inner.free(element, marks, depth),
            TypeStructure::Generic { .. } => self.generic(element, None, depth),
            TypeStructure::Plain(simple) => self.text(element, simple.kind(), Some(simple), depth),
        }
    }

    fn items(&mut self, element: Element<'_, 'a>, list: &'s ItemsType, depth: usize) -> Result<(), Fault> {
        if element.is_text() && !is_blank(&element.whole_text()) {
            return self.generic(element, None, depth);
        }
        element.no_text()?;
        // Items of a result are passed on while they arrive, so that elements of other names can only be items too.
        let has_others = depth > 0 && !self.encoded && has_others(element, &list.item.element.local);
        if self.has_attributes(element) || has_others {
            return self.struct_with_undeclared(element, &list.item, true, depth);
        }
        self.list(element.elements(), &list.item.content, depth)
    }

    /// Reads a text of a built-in type. An empty text is nil unless it is a value of the type. Elements instead of a text
    /// are read in the generic form.
    fn text(
        &mut self,
        element: Element<'_, 'a>,
        kind: &str,
        simple: Option<&SimpleType>,
        depth: usize,
    ) -> Result<(), Fault> {
        if let Some(bytes) = self.included(element) {
            return self.value_of_text(element, TapeNode::Binary(bytes), depth);
        }
        if !element.is_text() {
            return self.generic(element, None, depth);
        }
        let node = text_node(kind, simple, element.whole_text());
        self.value_of_text(element, node, depth)
    }

    /// The bytes of the part of a multipart message to which an element refers: by `xop:Include` inside (XOP 1.0, section
    /// 2.1), or by its own `href` (SOAP Messages with Attachments, section 3).
    pub(in crate::codec::soap) fn included(&self, element: Element<'_, 'a>) -> Option<Vec<u8>> {
        let mut inside = element.elements();
        let refers = match (inside.next(), inside.next()) {
            (Some(include), None) if include.name() == "Include" && include.namespace() == Some(XOP) => include,
            (None, _) if is_blank(&element.whole_text()) => element,
            _ => return None,
        };
        let href = refers.attributes().iter().find(|it| it.name == "href")?;
        self.attachments.bytes(&href.value)
    }

    /// Reads a struct. `shown` is the name of its type if that is not the declared one.
    fn record(
        &mut self,
        element: Element<'_, 'a>,
        record: &'s RecordType,
        shown: Option<&str>,
        depth: usize,
    ) -> Result<(), Fault> {
        let depth = self.inner.deeper(depth)?;
        let children = Children::sort(element, record, &self.binding.namespaces);
        let further = children.further(element, record, self.encoded);
        let opened = self.inner.tape.open();
        let mut count = 0;
        // The names that are taken, so that no two members have the same. Few structs have members without a part.
        let mut taken: HashSet<Cow<'_, str>> = HashSet::new();
        let has_further = !further.is_empty();
        if let Some(local) = shown {
            let is_taken = record.parts.iter().any(|part| part.name == TYPE);
            let name = if is_taken { XSI_TYPE_ATTRIBUTE } else { TYPE };
            self.named(name, TapeNode::Text(unescape(local).into_owned().into()));
            taken.extend(has_further.then_some(name.into()));
            count += 1;
        }
        for (at, part) in record.parts.iter().enumerate() {
            if part.kind == PartKind::Element {
                let found = children.part(at);
                let is_expected = part.nillable && part.occurs == Occurrence::Once;
                if found.is_empty() && !is_expected {
                    continue;
                }
                self.inner.name(Cow::Owned(part.name.clone()));
                self.member(part, found, depth)?;
            } else {
                let Some(node) = self.part_text(element, part)? else { continue };
                self.named(&part.name, node);
            }
            taken.extend(has_further.then_some(part.name.as_str().into()));
            count += 1;
        }
        if let Some(order) = &children.order {
            self.inner.name(Cow::Borrowed(ORDER));
            self.order(order, &record.parts, depth)?;
            count += 1;
        }
        let text = element.whole_text();
        if record.parts.iter().all(|part| part.kind != PartKind::Text) && !is_blank(&text) {
            self.named(TEXT, TapeNode::Text(text));
            count += 1;
        }
        let entry = record.entry.as_deref();
        for UndeclaredMember { name, elements, attributes } in further {
            if let Some(entry) = entry.filter(|entry| entry.element.local == *name) {
                count += self.entries(&elements, entry, &mut taken, depth)?;
                continue;
            }
            let mut name = name;
            while !taken.insert(name.clone()) {
                name.to_mut().push('_');
            }
            self.inner.name(name);
            self.further(&elements, attributes, depth)?;
            count += 1;
        }
        self.inner.tape.close_struct(opened, count)
    }

    /// Writes the order of elements, as the names of their parts.
    fn order(&mut self, order: &[usize], parts: &'s [MessagePart], depth: usize) -> Result<(), Fault> {
        self.inner.deeper(depth)?;
        let opened = self.inner.tape.open();
        let names = order.iter().filter_map(|at| parts.get(*at));
        let mut count = 0;
        for part in names {
            self.inner.tape.push(TapeNode::Text(Cow::Owned(part.name.clone())));
            count += 1;
        }
        self.inner.tape.close_array(opened, count);
        Ok(())
    }

    pub(in crate::codec::soap) fn named(&mut self, name: &str, node: TapeNode<'a>) {
        self.inner.name(Cow::Owned(name.to_owned()));
        self.inner.tape.push(node);
    }

    /// The value of a part that is an attribute or the text; `None` if it is not there.
    pub(in crate::codec::soap) fn part_text(
        &self,
        element: Element<'_, 'a>,
        part: &'s MessagePart,
    ) -> Result<Option<TapeNode<'a>>, Fault> {
        let text = match part.kind {
            PartKind::Attribute => {
                let namespace = part.element.namespace.and_then(|at| self.binding.namespaces.get(at));
                let named = element.attributes().iter().filter(|it| it.name == part.element.local);
                let mut named = named.filter(|it| !is_soap_namespace(element.namespace_of(it)));
                let exact = named.clone().find(|it| element.namespace_of(it) == namespace.map(String::as_str));
                exact.or_else(|| named.next()).map(|it| it.value.clone())
            }
            PartKind::Text => match self.included(element) {
                Some(bytes) => return Ok(Some(TapeNode::Binary(bytes))),
                None => Some(element.whole_text()),
            },
            PartKind::Element | PartKind::Wildcard => None,
        };
        let Some(text) = text else { return Ok(None) };
        let simple = match &part.content {
            ElementContent::Typed(at) => match self.binding.typed(*at).map(|typed| &typed.structure) {
                Some(TypeStructure::Plain(simple)) => Some(simple),
                _ => None,
            },
            _ => None,
        };
        let kind = simple.map_or_else(|| text_kind(&part.content), SimpleType::kind);
        Ok(Some(text_node(kind, simple, text)))
    }

    /// Reads elements or attributes of one name that no type describes.
    pub(in crate::codec::soap) fn further(
        &mut self,
        elements: &[Element<'_, 'a>],
        attributes: Vec<Cow<'a, str>>,
        depth: usize,
    ) -> Result<(), Fault> {
        match (elements, attributes.len()) {
            ([only], 0) => self.content(*only, &ElementContent::Any, depth),
            ([], 1) => {
                attributes.into_iter().for_each(|text| self.inner.tape.push(TapeNode::Text(text)));
                Ok(())
            }
            (elements, _) => {
                let depth = self.inner.deeper(depth)?;
                let opened = self.inner.tape.open();
                let count = elements.len() + attributes.len();
                attributes.into_iter().for_each(|text| self.inner.tape.push(TapeNode::Text(text)));
                for element in elements {
                    self.content(*element, &ElementContent::Any, depth)?;
                }
                self.inner.tape.close_array(opened, count);
                Ok(())
            }
        }
    }

    /// Reads the entries of a map as members; returns how many there are.
    fn entries(
        &mut self,
        elements: &[Element<'_, 'a>],
        entry: &'s MapEntry,
        taken: &mut HashSet<Cow<'_, str>>,
        depth: usize,
    ) -> Result<usize, Fault> {
        let mut count = 0;
        for element in elements {
            let (element, _) = self.meant(*element, false)?;
            let child = |name: &str| element.elements().find(|child| child.name() == name);
            let key = child(&entry.key.local).map(|key| key.whole_text().into_owned()).unwrap_or_default();
            let mut key = key;
            while !taken.insert(key.clone().into()) {
                key.push('_');
            }
            self.inner.name(key.into());
            match child(&entry.value.element.local) {
                Some(value) => self.member(&entry.value, &[value], depth)?,
                None => self.inner.tape.push(TapeNode::Nil),
            }
            count += 1;
        }
        Ok(count)
    }

    /// Reads a tuple: each item by its name, or by its position if the names are others.
    fn row(&mut self, element: Element<'_, 'a>, parts: &'s [MessagePart], depth: usize) -> Result<(), Fault> {
        let depth = self.inner.deeper(depth)?;
        let all: Vec<_> = element.elements().collect();
        let is_named = all.iter().any(|it| parts.iter().any(|part| part.element.local == it.name()));
        let opened = self.inner.tape.open();
        for (at, part) in parts.iter().enumerate() {
            let found: Vec<_> = match is_named {
                true => all.iter().copied().filter(|it| it.name() == part.element.local).collect(),
                false => all.get(at).copied().into_iter().collect(),
            };
            self.member(part, &found, depth)?;
        }
        self.inner.tape.close_array(opened, parts.len());
        Ok(())
    }

    /// Reads Apache's `Map`, or in its place elements of any kind.
    fn map(&mut self, element: Element<'_, 'a>, depth: usize) -> Result<(), Fault> {
        let child = |item: Element<'_, 'a>, name: &str| item.elements().any(|child| child.name() == name);
        if !element.elements().all(|item| item.name() == "item" && child(item, "key")) {
            return self.generic(element, None, depth);
        }
        let depth = self.inner.deeper(depth)?;
        let opened = self.inner.tape.open();
        let (mut count, mut taken) = (0, HashSet::new());
        for item in element.elements() {
            let find = |name: &str| item.elements().find(|child| child.name() == name);
            let mut key = find("key").map(|key| key.whole_text()).unwrap_or_default();
            while !taken.insert(key.clone()) {
                key.to_mut().push('_');
            }
            self.inner.name(key);
            match find("value") {
                Some(value) => self.content(value, &ElementContent::Any, depth)?,
                None => self.inner.tape.push(TapeNode::Nil),
            }
            count += 1;
        }
        self.inner.tape.close_struct(opened, count)
    }

    /// Reads a value of any type: by the type that it names, or in the generic form.
    fn any(&mut self, element: Element<'_, 'a>, marks: &Marks<'_>, depth: usize) -> Result<(), Fault> {
        let binding = self.binding;
        let kind = marks.kind.unwrap_or_default();
        if marks.array || (self.encoded && kind.contains("Array")) {
            return self.list(element.elements(), &ElementContent::Any, depth);
        }
        if let Some(bytes) = self.included(element) {
            self.inner.tape.push(TapeNode::Binary(bytes));
            return Ok(());
        }
        if kind == "Map" {
            return self.map(element, depth);
        }
        let known = marks.kind.and_then(|kind| binding.type_of_name(kind)).and_then(|at| binding.typed(at));
        if let Some(typed) = known {
            return self.structure(&typed.structure, element, marks, marks.kind, depth);
        }
        if self.encoded && element.elements().next().is_some() && element.elements().all(|child| child.name() == "item")
        {
            return self.list(element.elements(), &ElementContent::Any, depth);
        }
        self.generic(element, marks.kind, depth)
    }

    /// Reads an element in the generic form: a string if it has text alone, and otherwise a struct of its child elements, its
    /// attributes with `@` before their names, and its text as `#text`.
    fn generic(&mut self, element: Element<'_, 'a>, kind: Option<&str>, depth: usize) -> Result<(), Fault> {
        let text = element.whole_text();
        let encoded = self.encoded;
        let further = gather(element, element.elements(), |name| !(encoded && is_reference(name)));
        if further.is_empty() {
            if kind == Some("Struct") {
                let opened = self.inner.tape.open();
                return self.inner.tape.close_struct(opened, 0);
            }
            self.inner.tape.push(text_node(kind.unwrap_or_default(), None, text));
            return Ok(());
        }
        let depth = self.inner.deeper(depth)?;
        let opened = self.inner.tape.open();
        let mut count = 0;
        // The type of an element that has elements is content, as no type of the description has this name.
        if let Some(kind) = kind.filter(|kind| !matches!(*kind, "Struct" | "anyType")) {
            self.named(XSI_TYPE_ATTRIBUTE, TapeNode::Text(kind.to_owned().into()));
            count += 1;
        }
        for UndeclaredMember { name, elements, attributes } in further {
            self.inner.name(name);
            self.further(&elements, attributes, depth)?;
            count += 1;
        }
        if !is_blank(&text) {
            self.named(TEXT, TapeNode::Text(text));
            count += 1;
        }
        self.inner.tape.close_struct(opened, count)
    }
}

/// The child elements of an element, sorted by part; those that the type does not name come last.
struct Children<'e, 'a> {
    elements: Vec<Element<'e, 'a>>,
    /// The part of each element.
    parts: Vec<usize>,
    /// The number of parts.
    count: usize,
    /// The part of each element in the order of the elements, if the struct without it would be written in another one.
    order: Option<Vec<usize>>,
}

impl<'e, 'a> Children<'e, 'a> {
    /// Finds the part of each child by its local name only: some servers leave out the namespaces that their schemas have. Where
    /// several parts have the name, the one with the namespace of the child is meant.
    fn sort(element: Element<'e, 'a>, record: &RecordType, namespaces: &[String]) -> Children<'e, 'a> {
        let count = record.parts.len();
        let (mut sorted, mut next, mut ordered) = (Vec::with_capacity(count), 0, true);
        for child in element.elements() {
            let is = |at: &usize| {
                let part = record.parts.get(*at);
                part.is_some_and(|it| it.kind == PartKind::Element && it.element.local == child.name())
            };
            let is_exact = |at: &usize| {
                let namespace = record.parts.get(*at).and_then(|part| namespaces.get(part.element.namespace?));
                is(at) && namespace.map(String::as_str) == child.namespace()
            };
            let is_meant = |at: &usize| if record.has_ambiguous_names { is_exact(at) } else { is(at) };
            let near = [next, next + 1].into_iter().find(is_meant);
            let at = near.or_else(|| (0..count).find(is_meant)).or_else(|| (0..count).find(is)).unwrap_or(count);
            ordered &= at >= next;
            next = at;
            sorted.push((at, child));
        }
        let order = record.allows_several_orders.then(|| order_to_report(record, &sorted)).flatten();
        if !ordered {
            sorted.sort_by_key(|(at, _)| *at);
        }
        let (parts, elements) = sorted.into_iter().unzip();
        Children { elements, parts, count, order }
    }

    /// The elements of one part.
    fn part(&self, at: usize) -> &[Element<'e, 'a>] {
        let start = self.parts.partition_point(|other| *other < at);
        let end = self.parts.partition_point(|other| *other <= at);
        self.elements.get(start..end).unwrap_or_default()
    }

    /// The elements and attributes that the type does not name.
    fn further(&self, element: Element<'e, 'a>, record: &RecordType, encoded: bool) -> Vec<UndeclaredMember<'e, 'a>> {
        let parts = &record.parts;
        let declared =
            |name: &str| parts.iter().any(|part| part.kind == PartKind::Attribute && part.element.local == name);
        let is_text = parts.iter().any(|part| part.kind == PartKind::Text);
        let is_included = |child: &Element<'_, '_>| is_text && child.namespace() == Some(XOP);
        let is_further = |name: &str| !(declared(name) || (encoded && is_reference(name)));
        let unknown = self.part(self.count).iter().copied().filter(|child| !is_included(child));
        gather(element, unknown, is_further)
    }
}

/// The parts of elements in the order of the elements, if they would be written in another one.
fn order_to_report(record: &RecordType, elements: &[(usize, Element<'_, '_>)]) -> Option<Vec<usize>> {
    let mut counts = vec![0; record.parts.len()];
    let mut order = Vec::with_capacity(elements.len());
    for (at, _) in elements {
        if let Some(count) = counts.get_mut(*at) {
            *count += 1;
            order.push(*at);
        }
    }
    (order != written_order(record, counts)).then_some(order)
}

/// The attributes of an element and some of its child elements, those of one name together, in the order of their first.
pub(in crate::codec::soap) fn gather<'e, 'a>(
    element: Element<'e, 'a>,
    children: impl Iterator<Item = Element<'e, 'a>>,
    is_attribute: impl Fn(&str) -> bool,
) -> Vec<UndeclaredMember<'e, 'a>> {
    let mut all: Vec<UndeclaredMember<'e, 'a>> = Vec::new();
    let mut index: HashMap<Cow<'a, str>, usize> = HashMap::new();
    let mut slot = |all: &mut Vec<UndeclaredMember<'e, 'a>>, name: Cow<'a, str>| {
        *index.entry(name).or_insert_with_key(|name| {
            all.push(UndeclaredMember { name: name.clone(), elements: Vec::new(), attributes: Vec::new() });
            all.len() - 1
        })
    };
    let attributes =
        element.attributes().iter().filter(|it| !is_soap_namespace(element.namespace_of(it)) && is_attribute(it.name));
    for attribute in attributes {
        let at = slot(&mut all, Cow::Owned(format!("@{}", unescape(attribute.name))));
        if let Some(further) = all.get_mut(at) {
            further.attributes.push(attribute.value.clone());
        }
    }
    for child in children {
        let at = slot(&mut all, unescape(child.name()));
        if let Some(further) = all.get_mut(at) {
            further.elements.push(child);
        }
    }
    all
}

/// Whether an element has child elements of several names, not all of which are this one. Elements that all have one other name
/// are not others, because some servers use another name than their WSDL.
pub(in crate::codec::soap) fn has_others(element: Element<'_, '_>, name: &str) -> bool {
    let mut children = element.elements();
    let Some(first) = children.next() else { return false };
    let is_other = |child: Element<'_, '_>| child.name() != first.name();
    children.any(is_other) && element.elements().any(|child| child.name() != name)
}

/// Whether an attribute of this namespace belongs to SOAP or to instances of XML Schema, and is no content.
pub(in crate::codec::soap) fn is_soap_namespace(namespace: Option<&str>) -> bool {
    namespace.is_some_and(|namespace| SOAP_NAMESPACES.iter().any(|mark| namespace.starts_with(mark)))
}

/// Whether an attribute has this name by which SOAP's encoding connects elements.
pub(in crate::codec::soap) fn is_reference(name: &str) -> bool {
    matches!(name, "id" | "href" | "ref")
}

pub(in crate::codec::soap) fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}

/// The built-in type of a part that is a text.
fn text_kind(content: &ElementContent) -> &'static str {
    match content {
        ElementContent::Text(kind) => kind,
        ElementContent::Typed(_) | ElementContent::Any => "string",
    }
}

/// The texts of an enumeration.
fn texts_of(simple: &SimpleType) -> &[String] {
    let texts = simple.facets.iter().rev().find_map(|facet| match facet {
        Facet::OneOf(texts) => Some(texts.as_slice()),
        _ => None,
    });
    texts.unwrap_or_default()
}

/// The value of a text. A text that is not valid for its type stays text, and an empty one is nil then.
fn text_node<'a>(kind: &str, simple: Option<&SimpleType>, text: Cow<'a, str>) -> TapeNode<'a> {
    let blank = is_blank(&text);
    let Some(scalar) = SoapScalar::of_type(kind) else {
        let is_value = |simple: &SimpleType| simple.text(&Value::Text(text.clone().into_owned())).is_ok();
        return match simple {
            Some(simple) if blank && !is_value(simple) => TapeNode::Nil,
            simple => crate::codec::soap::lexical::choice(simple.map(texts_of).unwrap_or_default(), text),
        };
    };
    if blank && scalar != SoapScalar::Binary {
        return TapeNode::Nil;
    }
    scalar.read(text).unwrap_or_else(TapeNode::Text)
}
