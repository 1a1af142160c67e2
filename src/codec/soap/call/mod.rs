//! Writes calls to an upstream in the format that its WSDL describes.

mod free_form;

use super::binding::{
    Binding, ElementContent, MapEntry, MessagePart, ORDER, Occurrence, Operation, PartKind, Particle, QualifiedName,
    RecordType, TEXT, TYPE, TypeStructure, Wildcard, XSI_TYPE, XSI_TYPE_ATTRIBUTE,
};
use super::content::{Given, can_be_absent, first_part};
use super::fault::attribute;
use super::simple::{SimpleType, atomic};
use super::{INSTANCE, SoapVersion};
use crate::codec::xml::{Characters, Control, escape};
use crate::model::fault::Fault;
use crate::model::shape::escape as escape_name;
use crate::model::text::{abridge, nearest};
use crate::model::value::Value;

/// The namespace of XML Schema's built-in types.
const XSD: &str = "http://www.w3.org/2001/XMLSchema";
/// The namespace of SOAP 1.1's encoding, which is also the value of `encodingStyle`.
const ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";
/// The namespace of `xml:lang` and the like, whose prefix is never declared.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// The most types that a fault names.
const NAMED: usize = 12;

/// Writes a complete call. `arguments` are in the order of the parameters; a parameter whose argument is `None` is left
/// out. `blocks` are header blocks that are written already.
///
/// # Errors
/// `BadParams`, with the path of the value, if a value does not match its type or XML cannot represent it.
pub fn write_call(
    to: &mut Vec<u8>,
    binding: &Binding,
    operation: &Operation,
    arguments: &[Option<Value>],
    blocks: &str,
    control: Control,
) -> Result<(), Fault> {
    let mut writer = BindingWriter {
        to: Vec::with_capacity(512),
        binding,
        encoded: operation.encoded,
        used: vec![false; binding.namespaces.len()],
        control,
        path: Vec::new(),
    };
    let parts = &operation.request.parts;
    for (part, argument) in operation.headers.iter().zip(arguments.iter().skip(parts.len())) {
        if let Some(value) = argument {
            writer.path.push(&part.name);
            writer.occurrence(part, value)?;
            writer.path.pop();
        }
    }
    let header = std::mem::take(&mut writer.to);
    let mut given = Given::new(parts.len());
    for (at, argument) in arguments.iter().enumerate().take(parts.len()) {
        if let Some(value) = argument {
            given.set(at, at, value);
        }
    }
    if let Some(wrapper) = &operation.wrapper {
        writer.begin(wrapper);
        if operation.encoded {
            writer.raw(&[" soap:encodingStyle=\"", ENCODING, "\""]);
        }
        writer.attributes(&operation.request, &given)?;
        writer.raw(&[">"]);
    }
    writer.elements(&operation.request, given)?;
    if let Some(wrapper) = &operation.wrapper {
        writer.end(wrapper);
    }
    let BindingWriter { to: body, used, .. } = writer;
    head(to, binding, operation, &used);
    if !header.is_empty() || !blocks.is_empty() {
        to.extend_from_slice(b"<soap:Header>");
        to.extend_from_slice(&header);
        to.extend_from_slice(blocks.as_bytes());
        to.extend_from_slice(b"</soap:Header>");
    }
    to.extend_from_slice(b"<soap:Body>");
    to.extend_from_slice(&body);
    to.extend_from_slice(b"</soap:Body></soap:Envelope>\n");
    Ok(())
}

/// Writes the start of the envelope, with declarations of the namespaces that its content uses.
fn head(to: &mut Vec<u8>, binding: &Binding, operation: &Operation, used: &[bool]) {
    let mut declare = |parts: [&str; 2], namespace: &str| {
        to.extend_from_slice(parts.concat().as_bytes());
        attribute(to, namespace);
        to.extend_from_slice(b"\"");
    };
    let version: SoapVersion = binding.version;
    declare(["<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope", " xmlns:soap=\""], version.namespace());
    declare([" xmlns:xsi", "=\""], INSTANCE);
    declare([" xmlns:xsd", "=\""], XSD);
    if operation.encoded {
        declare([" xmlns:soapenc", "=\""], ENCODING);
    }
    for (at, (namespace, _)) in binding.namespaces.iter().zip(used).enumerate().filter(|(_, (_, used))| **used) {
        declare([&format!(" xmlns:n{at}"), "=\""], namespace);
    }
    to.extend_from_slice(b">");
}

struct BindingWriter<'b> {
    to: Vec<u8>,
    binding: &'b Binding,
    encoded: bool,
    /// Which of the binding's namespaces the body uses.
    used: Vec<bool>,
    control: Control,
    /// The path to the current member, for error messages.
    path: Vec<&'b str>,
}

impl<'b> BindingWriter<'b> {
    /// Writes one value of a part; nothing for nil, if it may be absent and is not nillable.
    fn occurrence(&mut self, part: &'b MessagePart, value: &Value) -> Result<(), Fault> {
        match (part.occurs, value) {
            (Occurrence::Maybe, Value::Nil) if !part.nillable => Ok(()),
            _ => self.element(part, value),
        }
    }

    /// Writes one element with a value.
    fn element(&mut self, part: &'b MessagePart, value: &Value) -> Result<(), Fault> {
        if let (Some(fixed), Value::Text(text)) = (&part.fixed, value)
            && text != fixed
        {
            return Err(self.at(format!("expected `{}`, not `{}`", abridge(fixed), abridge(text))));
        }
        self.begin(&part.element);
        if matches!(value, Value::Nil) {
            if part.nillable || self.encoded {
                self.raw(&[" xsi:nil=\"true\"/>"]);
                return Ok(());
            }
            if !self.is_free(&part.content) {
                return Err(self.wrong("a value", value));
            }
        }
        self.content(&part.content, value)?;
        self.end(&part.element);
        Ok(())
    }

    /// Writes the rest of a start tag, and the content.
    fn content(&mut self, content: &ElementContent, value: &Value) -> Result<(), Fault> {
        match content {
            ElementContent::Text(kind) => {
                if self.encoded {
                    self.raw(&[" xsi:type=\"xsd:", kind, "\""]);
                }
                self.raw(&[">"]);
                let text = atomic(kind, value).map_err(|expected| self.unfit(&expected, value))?;
                self.characters(&text)
            }
            ElementContent::Any => self.any(value),
            ElementContent::Typed(at) => self.typed(*at, value),
        }
    }

    fn is_free(&self, content: &ElementContent) -> bool {
        let ElementContent::Typed(at) = content else { return *content == ElementContent::Any };
        let structure = self.binding.typed(*at).map(|typed| &typed.structure);
        matches!(structure, Some(TypeStructure::Free(_) | TypeStructure::Generic { .. }))
    }

    fn characters(&mut self, text: &str) -> Result<(), Fault> {
        let how = Characters { control: self.control, ascii: false };
        escape::text(&mut self.to, text, how).map_err(|c| {
            let place = self.path.join(".");
            Fault::bad_params(format!(
                "parameter `{}`: XML cannot represent the character U+{:04X}",
                abridge(&place),
                u32::from(c)
            ))
        })
    }

    /// Writes the value of an attribute. A parser reads line ends and tabs as spaces unless they are references.
    fn quoted(&mut self, text: &str) -> Result<(), Fault> {
        let mut rest = text;
        while let Some(at) = rest.find(['"', '\n', '\t']) {
            let (before, behind) = rest.split_at(at);
            self.characters(before)?;
            self.raw(&[match behind.as_bytes().first() {
                Some(b'"') => "&quot;",
                Some(b'\n') => "&#10;",
                _ => "&#9;",
            }]);
            rest = behind.get(1..).unwrap_or_default();
        }
        self.characters(rest)
    }

    /// Writes a value of a declared type, or of the derived type that it names.
    fn typed(&mut self, declared: usize, value: &Value) -> Result<(), Fault> {
        let binding = self.binding;
        let chosen = self.chosen(declared, value)?;
        let at = chosen.unwrap_or(declared);
        let Some(typed) = binding.typed(at) else { return self.any(value) };
        if let TypeStructure::Array(item) = &typed.structure {
            return self.array(item, value);
        }
        let is_named = self.encoded || at != declared;
        if let Some(name) = typed.name.as_ref().filter(|_| is_named) {
            self.raw(&[" xsi:type=\""]);
            self.name(name);
            self.raw(&["\""]);
        }
        if self.encoded
            && typed.name.is_none()
            && let TypeStructure::Plain(simple) = &typed.structure
        {
            self.raw(&[" xsi:type=\"xsd:", simple.kind(), "\""]);
        }
        self.structure(&typed.structure, value, chosen.is_some())
    }

    /// The derived type that a value names, if it names one.
    fn chosen(&self, declared: usize, value: &Value) -> Result<Option<usize>, Fault> {
        let binding = self.binding;
        let Some(typed) = binding.typed(declared) else { return Ok(None) };
        let names = || {
            let derived = binding.types.indexes().filter(|at| binding.derives(*at, declared));
            let concrete = derived.filter_map(|at| binding.typed(at)).filter(|typed| !typed.is_abstract);
            concrete.filter_map(|typed| Some(format!("`{}`", typed.name.as_ref()?.local)))
        };
        let choices = || {
            let first: Vec<_> = names().take(NAMED).collect();
            let more = if names().count() > NAMED { " and others" } else { "" };
            format!("{}{more}", first.join(", "))
        };
        match type_name(value).filter(|_| !is_own_member(&typed.structure)) {
            Some(local) => match binding.derived(declared, local) {
                Some(at) if binding.typed(at).is_some_and(|typed| !typed.is_abstract) => Ok(Some(at)),
                _ if names().next().is_none() || (!typed.is_abstract && has_type_attribute(&typed.structure)) => {
                    Ok(None)
                }
                _ => Err(self.at(format!("there is no type `{}` here; there is {}", abridge(local), choices()))),
            },
            None if typed.is_abstract && names().next().is_some() => {
                Err(self.at(format!("the member `{TYPE}` must name its type: one of {}", choices())))
            }
            None => Ok(None),
        }
    }

    /// Writes the rest of a start tag, and the content by its structure. `is_chosen` says that the member `@type` has named this
    /// type, and is no attribute.
    fn structure(&mut self, structure: &'b TypeStructure, value: &Value, is_chosen: bool) -> Result<(), Fault> {
        match (structure, value) {
            (TypeStructure::Members(record), value) => return self.record(record, value, is_chosen),
            (TypeStructure::Generic { wildcard, mixed }, value) => {
                return self.generic(wildcard.namespace, *mixed, value, is_chosen);
            }
            _ => self.raw(&[">"]),
        }
        match (structure, value) {
            (TypeStructure::Row(parts), Value::Array(items)) if parts.len() == items.len() => {
                for (part, item) in parts.iter().zip(items) {
                    self.path.push(&part.name);
                    match (part.occurs, item) {
                        (Occurrence::Repeatedly, Value::Array(items)) => {
                            items.iter().try_for_each(|item| self.element(part, item))?;
                        }
                        (Occurrence::Repeatedly, Value::Nil) => {}
                        (Occurrence::Repeatedly, other) => return Err(self.wrong("a list", other)),
                        _ => self.occurrence(part, item)?,
                    }
                    self.path.pop();
                }
                Ok(())
            }
            (TypeStructure::Items(list), Value::Array(items)) => {
                let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
                if count < list.range.min {
                    return Err(self.at(format!("expected at least {} items, not {count}", list.range.min)));
                }
                if count > list.range.max {
                    return Err(self.at(format!("expected at most {} items, not {count}", list.range.max)));
                }
                self.path.push(&list.item.name);
                items.iter().try_for_each(|item| self.element(&list.item, item))?;
                self.path.pop();
                Ok(())
            }
            (TypeStructure::Map, Value::Struct(members)) => self.map(members),
            (TypeStructure::Free(namespace), value) => self.free(*namespace, value),
            (TypeStructure::Plain(simple), value) => self.simple(simple, value),
            (TypeStructure::Map, _) => Err(self.wrong("a struct", value)),
            (TypeStructure::Row(parts), _) => Err(self.wrong(&format!("a list of {}", parts.len()), value)),
            _ => Err(self.wrong("a list", value)),
        }
    }

    fn simple(&mut self, simple: &SimpleType, value: &Value) -> Result<(), Fault> {
        let text = simple.text(value).map_err(|expected| self.unfit(&expected, value))?;
        self.characters(&text)
    }

    /// Writes the rest of a start tag, and the members of a struct.
    fn record(&mut self, record: &'b RecordType, value: &Value, is_chosen: bool) -> Result<(), Fault> {
        let parts = &record.parts;
        let text = parts.iter().position(|part| part.kind == PartKind::Text);
        match (value, text) {
            (Value::Struct(members), _) => {
                let given = self.given(record, members, is_chosen)?;
                self.attributes(record, &given)?;
                self.any_attributes(record, members)?;
                self.raw(&[">"]);
                if let Some((_, text)) = members.iter().find(|(name, _)| name == TEXT).filter(|_| record.mixed) {
                    let text = atomic("string", text).map_err(|expected| self.unfit(&expected, text))?;
                    self.characters(&text)?;
                }
                self.elements(record, given)
            }
            // A text without attributes does not need to be a struct.
            (value, Some(at)) if !matches!(value, Value::Array(_)) => {
                let mut given = Given::new(parts.len());
                given.set(at, 0, value);
                self.attributes(record, &given)?;
                self.raw(&[">"]);
                self.elements(record, given)
            }
            (Value::Array(items), _) if repeated(record).is_some() => self.rounds(record, items),
            (value, _) => Err(self.wrong("a struct", value)),
        }
    }

    /// Writes structs in turn, each one round of a group that is repeated. This keeps the order in which elements of
    /// different names follow each other.
    fn rounds(&mut self, record: &'b RecordType, items: &[Value]) -> Result<(), Fault> {
        let Some(group) = repeated(record) else { return Ok(()) };
        self.attributes(record, &Given::new(record.parts.len()))?;
        self.raw(&[">"]);
        for item in items {
            let Value::Struct(members) = item else { return Err(self.wrong("a struct", item)) };
            let mut given = self.given(record, members, false)?;
            self.particle(record, group, &mut given)?;
            self.nothing_left(record, &given)?;
        }
        Ok(())
    }

    /// Sorts the members of a struct by the parts of its type. With `is_chosen`, `@type` is none of them.
    fn given<'v>(
        &self,
        record: &'b RecordType,
        members: &'v [(String, Value)],
        is_chosen: bool,
    ) -> Result<Given<'v>, Fault> {
        let mut given = Given::new(record.parts.len());
        for (order, (name, value)) in members.iter().enumerate() {
            let attribute = name.strip_prefix('@');
            let is = |part: &MessagePart| {
                part.name == *name
                    || (part.kind == PartKind::Attribute && attribute == Some(part.element.local.as_str()))
                    || (part.kind == PartKind::Text && name == TEXT)
            };
            let by_name = record.parts.iter().position(|part| part.name == *name);
            let is_choice = is_chosen && name == TYPE;
            match by_name.or_else(|| record.parts.iter().position(is).filter(|_| !is_choice)) {
                Some(at) => {
                    if !given.set(at, order, value) {
                        return Err(self.twice(record, at, name));
                    }
                }
                None if [TYPE, XSI_TYPE, XSI_TYPE_ATTRIBUTE, ORDER].contains(&name.as_str()) => {}
                None if (attribute.is_some() && record.any_attribute) || (name == TEXT && record.mixed) => {}
                // A wildcard is for elements alone.
                None if record.entry.is_some() || (record.wildcard.is_some() && attribute.is_none()) => {
                    given.further.push((name, value));
                }
                None => return Err(self.unknown(name, &record.parts)),
            }
        }
        if let Some((_, order)) = members.iter().find(|(name, _)| name == ORDER) {
            self.set_order(record, order, &mut given)?;
        }
        Ok(given)
    }

    /// Sets the order of the elements, which are named by the members that they are of.
    fn set_order(&self, record: &'b RecordType, order: &Value, given: &mut Given<'_>) -> Result<(), Fault> {
        let place = |name: &Value| match name {
            Value::Text(name) => record.parts.iter().position(|part| part.name == *name),
            _ => None,
        };
        let Value::Array(names) = order else { return Err(self.at(format!("`{ORDER}` must be a list of names"))) };
        let Some(places) = names.iter().map(place).collect::<Option<Vec<_>>>() else {
            return Err(self.at(format!("`{ORDER}` must be a list of the names of members")));
        };
        given.set_order(places, &record.parts).map_err(|at| {
            let name = record.parts.get(at).map_or("", |part| part.name.as_str());
            self.at(format!("`{ORDER}` must name `{name}` as often as it has items"))
        })
    }

    /// Writes the attributes that a type declares.
    fn attributes(&mut self, record: &'b RecordType, given: &Given<'_>) -> Result<(), Fault> {
        for (at, part) in record.parts.iter().enumerate().filter(|(_, part)| part.kind == PartKind::Attribute) {
            self.path.push(&part.name);
            match (given.value(at).filter(|value| !matches!(value, Value::Nil)), &part.fixed) {
                (Some(value), fixed) => {
                    let text = match &part.content {
                        ElementContent::Text(kind) => atomic(kind, value).map_err(|it| self.unfit(&it, value))?,
                        ElementContent::Typed(at) => match self.binding.typed(*at).map(|typed| &typed.structure) {
                            Some(TypeStructure::Plain(simple)) => {
                                simple.text(value).map_err(|it| self.unfit(&it, value))?
                            }
                            _ => atomic("string", value).map_err(|it| self.unfit(&it, value))?,
                        },
                        ElementContent::Any => atomic("string", value).map_err(|it| self.unfit(&it, value))?,
                    };
                    if fixed.as_ref().is_some_and(|fixed| *fixed != text) {
                        let fixed = fixed.as_deref().unwrap_or_default();
                        return Err(self.at(format!("expected `{}`, not `{}`", abridge(fixed), abridge(&text))));
                    }
                    self.attribute(&part.element, &text)?;
                }
                (None, Some(fixed)) if part.occurs == Occurrence::Once => self.attribute(&part.element, fixed)?,
                (None, _) if part.occurs == Occurrence::Once => return Err(self.at("it is missing".to_owned())),
                (None, _) => {}
            }
            self.path.pop();
        }
        Ok(())
    }

    /// Writes the attributes that a type allows without declaring them.
    fn any_attributes(&mut self, record: &'b RecordType, members: &[(String, Value)]) -> Result<(), Fault> {
        let declared = |local: &str| {
            record.parts.iter().any(|part| part.kind == PartKind::Attribute && part.element.local == local)
        };
        for (name, value) in members.iter().filter(|_| record.any_attribute) {
            let Some(local) = name.strip_prefix('@').filter(|local| !declared(local) && *local != "type") else {
                continue;
            };
            if record.parts.iter().any(|part| part.name == *name) || name == XSI_TYPE_ATTRIBUTE {
                continue;
            }
            self.plain_attribute(local, value)?;
        }
        Ok(())
    }

    /// Writes an attribute without a namespace.
    fn plain_attribute(&mut self, local: &str, value: &Value) -> Result<(), Fault> {
        let text = atomic("string", value).map_err(|expected| self.unfit(&expected, value))?;
        self.raw(&[" ", &escape_name(local), "=\""]);
        self.quoted(&text)?;
        self.raw(&["\""]);
        Ok(())
    }

    fn attribute(&mut self, name: &QualifiedName, text: &str) -> Result<(), Fault> {
        self.raw(&[" "]);
        self.name(name);
        self.raw(&["=\""]);
        self.quoted(text)?;
        self.raw(&["\""]);
        Ok(())
    }

    /// Writes the elements of a struct, in the order of its type, which most servers require.
    fn elements(&mut self, record: &'b RecordType, mut given: Given<'_>) -> Result<(), Fault> {
        for (at, part) in record.parts.iter().enumerate().filter(|(_, part)| part.kind == PartKind::Text) {
            self.path.push(&part.name);
            let Some(value) = given.value(at) else { return Err(self.at("it is missing".to_owned())) };
            match &part.content {
                ElementContent::Typed(at) => match self.binding.typed(*at).map(|typed| &typed.structure) {
                    Some(TypeStructure::Plain(simple)) => self.simple(simple, value)?,
                    _ => return Err(self.wrong("a text", value)),
                },
                ElementContent::Text(kind) => {
                    let text = atomic(kind, value).map_err(|expected| self.unfit(&expected, value))?;
                    self.characters(&text)?;
                }
                ElementContent::Any => {
                    let text = atomic("string", value).map_err(|expected| self.unfit(&expected, value))?;
                    self.characters(&text)?;
                }
            }
            self.path.pop();
        }
        self.check_lists(record, &given)?;
        for particle in &record.particles {
            self.particle(record, particle, &mut given)?;
        }
        self.nothing_left(record, &given)?;
        let entry = record.entry.as_deref();
        for (name, value) in std::mem::take(&mut given.further) {
            let Some(entry) = entry else { return Err(self.unknown(name, &record.parts)) };
            self.entry(entry, name, value)?;
        }
        Ok(())
    }

    /// Fails if a repeated element is not given as a list.
    fn check_lists(&mut self, record: &'b RecordType, given: &Given<'_>) -> Result<(), Fault> {
        for (at, part) in record.parts.iter().enumerate() {
            let is_list = part.kind == PartKind::Element && part.occurs == Occurrence::Repeatedly;
            if let Some(value) = given.value(at).filter(|_| is_list)
                && !matches!(value, Value::Array(_) | Value::Nil)
            {
                self.path.push(&part.name);
                return Err(self.wrong("a list", value));
            }
        }
        Ok(())
    }

    fn nothing_left(&mut self, record: &'b RecordType, given: &Given<'_>) -> Result<(), Fault> {
        self.check_order(record, given)?;
        for (at, part) in record.parts.iter().enumerate().filter(|(_, part)| part.kind == PartKind::Element) {
            let left = if given.is_nil(at) { 0 } else { given.left(at, part) };
            if left > 0 {
                self.path.push(&part.name);
                let written = given.written(at);
                return Err(self.at(format!("expected at most {written} items, not {}", written + left)));
            }
        }
        Ok(())
    }

    fn particle(&mut self, record: &'b RecordType, particle: &'b Particle, given: &mut Given<'_>) -> Result<(), Fault> {
        match particle {
            Particle::Part(at, range) => {
                let Some(part) = record.parts.get(*at) else { return Ok(()) };
                self.path.push(&part.name);
                let mut count = 0;
                while count < range.max
                    && let Some(value) = given.next(*at, part)
                {
                    self.occurrence(part, value)?;
                    count += 1;
                }
                match &part.fixed {
                    _ if count >= range.min => {}
                    Some(fixed) if count == 0 => self.element(part, &Value::Text(fixed.clone()))?,
                    _ => {
                        self.path.pop();
                        self.check_order(record, given)?;
                        self.path.push(&part.name);
                        return Err(self.too_few(part, range.min, count));
                    }
                }
                self.path.pop();
                Ok(())
            }
            Particle::Sequence(range, inside) => {
                let mut rounds = 0;
                while rounds < range.max && inside.iter().any(|it| given.has(record, it)) {
                    inside.iter().try_for_each(|it| self.particle(record, it, given))?;
                    rounds += 1;
                }
                if rounds < range.min && !can_be_absent(particle) {
                    // Reports what is missing.
                    inside.iter().try_for_each(|it| self.particle(record, it, given))?;
                }
                Ok(())
            }
            Particle::Choice(range, inside) => self.choice(record, range.max, particle, inside, given),
            Particle::Wildcard => self.wildcard(record, given),
        }
    }

    /// Writes one of several alternatives; if they are repeated, all in the order in which they are given.
    fn choice(
        &mut self,
        record: &'b RecordType,
        most: u32,
        choice: &'b Particle,
        inside: &'b [Particle],
        given: &mut Given<'_>,
    ) -> Result<(), Fault> {
        let mut active: Vec<_> = inside.iter().filter(|it| given.has(record, it)).collect();
        if active.is_empty() {
            return match can_be_absent(choice) {
                true => Ok(()),
                false => Err(self.at(format!("one of {} is missing", names_of(record, inside)))),
            };
        }
        if most > 1 {
            let mut rounds = 0;
            while let Some(alternative) =
                inside.iter().filter(|it| given.has(record, it)).min_by_key(|it| given.order(record, it))
            {
                if rounds == most {
                    let names = names_of(record, inside);
                    return Err(self.at(format!("expected at most {most} of {names}")));
                }
                self.particle(record, alternative, given)?;
                rounds += 1;
            }
            return Ok(());
        }
        // Clients that give every member say nil for those of the other alternatives.
        match active.iter().any(|it| given.has_value(record, it)) {
            true => active.retain(|it| given.has_value(record, it)),
            false if active.len() > 1 && can_be_absent(choice) => return Ok(()),
            false => {}
        }
        // Alternatives may share elements: the one that has all that are given is meant.
        let whole = active.iter().find(|it| given.covers(record, it, inside));
        match (whole, active.as_slice()) {
            (Some(alternative), _) => self.particle(record, alternative, given),
            (None, [only]) => self.particle(record, only, given),
            _ => {
                let names = names_of(record, inside.iter().filter(|it| given.has(record, it)));
                Err(self.at(format!("only one of {names} may be given")))
            }
        }
    }

    /// Writes the elements that a type does not name.
    fn wildcard(&mut self, record: &'b RecordType, given: &mut Given<'_>) -> Result<(), Fault> {
        let namespace = record.wildcard.and_then(|Wildcard { namespace }| namespace);
        for (at, part) in record.parts.iter().enumerate().filter(|(_, part)| part.kind == PartKind::Wildcard) {
            if let Some(value) = given.next(at, part) {
                self.path.push(&part.name);
                self.free_content(namespace, record.mixed, value)?;
                self.path.pop();
            }
        }
        if record.entry.is_none() {
            for (name, value) in std::mem::take(&mut given.further) {
                self.free_member(namespace, name, value, false)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &'b MapEntry, name: &str, value: &Value) -> Result<(), Fault> {
        self.open(&entry.element);
        self.open(&entry.key);
        self.characters(name)?;
        self.end(&entry.key);
        self.element(&entry.value, value)?;
        self.end(&entry.element);
        Ok(())
    }

    /// Writes an array in SOAP's encoding (SOAP 1.1, section 5.4.2).
    fn array(&mut self, item: &'b MessagePart, value: &Value) -> Result<(), Fault> {
        let Value::Array(items) = value else { return Err(self.wrong("a list", value)) };
        self.raw(&[" xsi:type=\"soapenc:Array\" soapenc:arrayType=\""]);
        self.item_type(item);
        self.raw(&["[", &items.len().to_string(), "]\">"]);
        items.iter().try_for_each(|value| self.element(item, value))
    }

    /// Writes the type of an array's items, with an empty pair of brackets for each array inside.
    fn item_type(&mut self, item: &'b MessagePart) {
        match &item.content {
            ElementContent::Text(kind) => self.raw(&["xsd:", kind]),
            ElementContent::Any => self.raw(&["xsd:anyType"]),
            ElementContent::Typed(at) => match self.binding.typed(*at).map(|typed| (&typed.name, &typed.structure)) {
                Some((Some(name), _)) => self.name(name),
                Some((None, TypeStructure::Array(inner))) => {
                    self.item_type(inner);
                    self.raw(&["[]"]);
                }
                Some((None, TypeStructure::Plain(simple))) => self.raw(&["xsd:", simple.kind()]),
                _ => self.raw(&["xsd:anyType"]),
            },
        }
    }

    fn open(&mut self, name: &QualifiedName) {
        self.begin(name);
        self.raw(&[">"]);
    }

    fn begin(&mut self, name: &QualifiedName) {
        self.raw(&["<"]);
        self.name(name);
    }

    fn end(&mut self, name: &QualifiedName) {
        self.raw(&["</"]);
        self.name(name);
        self.raw(&[">"]);
    }

    fn name(&mut self, name: &QualifiedName) {
        if let Some(namespace) = name.namespace {
            if self.binding.namespaces.get(namespace).is_some_and(|it| it == XML) {
                self.raw(&["xml:", &name.local]);
                return;
            }
            self.raw(&["n", &namespace.to_string(), ":"]);
            if let Some(used) = self.used.get_mut(namespace) {
                *used = true;
            }
        }
        self.raw(&[&name.local]);
    }

    fn raw(&mut self, parts: &[&str]) {
        for part in parts {
            self.to.extend_from_slice(part.as_bytes());
        }
    }

    /// A fault about a value of another kind.
    fn wrong(&self, expected: &str, value: &Value) -> Fault {
        let given = match value {
            Value::Nil => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Number(value) if value.is_integer() => "an integer",
            Value::Number(_) => "a decimal number",
            Value::Double(_) => "a double",
            Value::Text(_) => "a string",
            Value::Date(_) => "a date and time",
            Value::Binary(_) => "bytes",
            Value::Array(items) => return self.at(format!("expected {expected}, not a list of {}", items.len())),
            Value::Struct(_) => "a struct",
        };
        self.at(format!("expected {expected}, not {given}"))
    }

    /// A fault about a value that its simple type does not allow.
    fn unfit(&self, expected: &str, value: &Value) -> Fault {
        let given = match value {
            Value::Bool(value) => value.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Number(number) => abridge(number.as_str()).into_owned(),
            Value::Double(number) => number.to_string(),
            Value::Text(text) => format!("`{}`", abridge(text)),
            value => return self.wrong(expected, value),
        };
        self.at(format!("expected {expected}, not {given}"))
    }

    /// A fault about a part of which too few elements are given.
    fn too_few(&self, part: &MessagePart, least: u32, count: u32) -> Fault {
        match part.occurs {
            Occurrence::Repeatedly => self.at(format!("expected at least {least} items, not {count}")),
            Occurrence::Once | Occurrence::Maybe => self.at("it is missing".to_owned()),
        }
    }

    /// Fails if the given order has an element next where the type does not allow it.
    fn check_order(&self, record: &RecordType, given: &Given<'_>) -> Result<(), Fault> {
        match given.next_in_order().and_then(|at| record.parts.get(at)) {
            Some(part) => Err(self.at(format!("`{ORDER}` has `{}` where the type does not allow it", part.name))),
            None => Ok(()),
        }
    }

    fn unknown(&self, name: &str, parts: &[MessagePart]) -> Fault {
        let near = nearest(name, parts.iter().map(|part| part.name.as_str()));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        self.at(format!("there is no member `{}`{hint}", abridge(name)))
    }

    /// A fault about an attribute or a text that is given by two names.
    fn twice(&self, record: &RecordType, at: usize, name: &str) -> Fault {
        let other = record.parts.get(at).map_or("", |part| part.name.as_str());
        self.at(format!("`{}` is given twice, as `{}` as well", abridge(other), abridge(name)))
    }

    /// A fault about the current member.
    fn at(&self, what: String) -> Fault {
        let Some(name) = self.path.first() else { return Fault::bad_params(what) };
        let fault = Fault::bad_params(format!("parameter `{}`: {what}", abridge(&self.path.join("."))));
        fault.of_parameter(*name)
    }
}

/// The local name of the type that a struct names.
fn type_name(value: &Value) -> Option<&str> {
    let Value::Struct(members) = value else { return None };
    let (_, named) = members.iter().find(|(name, _)| [TYPE, XSI_TYPE, XSI_TYPE_ATTRIBUTE].contains(&name.as_str()))?;
    let Value::Text(name) = named else { return None };
    name.rsplit([':', '}']).next().map(str::trim).filter(|name| !name.is_empty())
}

/// Whether a struct has a member of its own with the name of the type's.
fn is_own_member(structure: &TypeStructure) -> bool {
    let TypeStructure::Members(record) = structure else { return false };
    record.parts.iter().any(|part| part.name == TYPE)
}

/// Whether a struct has an attribute `type`, which may be given as `@type` too.
fn has_type_attribute(structure: &TypeStructure) -> bool {
    let TypeStructure::Members(record) = structure else { return false };
    record.parts.iter().any(|part| part.kind == PartKind::Attribute && part.element.local == "type")
}

/// The group of which a whole type consists, if it is repeated.
fn repeated(record: &RecordType) -> Option<&Particle> {
    match record.particles.as_slice() {
        [group @ (Particle::Choice(range, _) | Particle::Sequence(range, _))] if range.max > 1 => Some(group),
        _ => None,
    }
}

/// The names of the first members of some alternatives, for error messages.
fn names_of<'p>(record: &RecordType, alternatives: impl IntoIterator<Item = &'p Particle>) -> String {
    let names = alternatives.into_iter().filter_map(first_part);
    let names = names.filter_map(|at| record.parts.get(at)).map(|part| format!("`{}`", part.name)).take(NAMED);
    names.collect::<Vec<_>>().join(", ")
}
