//! Writes calls to an upstream in the format that its WSDL describes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::binding::{
    Binding, ElementContent, MapEntry, MessagePart, Occurrence, Operation, QualifiedName, TypeStructure,
};
use super::fault::attribute;
use super::{INSTANCE, SoapVersion};
use crate::codec::xml::{Characters, Control, escape};
use crate::model::fault::Fault;
use crate::model::text::{abridge, nearest};
use crate::model::value::Value;

/// The namespace of XML Schema's built-in types.
const XSD: &str = "http://www.w3.org/2001/XMLSchema";
/// The namespace of SOAP 1.1's encoding, which is also the value of `encodingStyle`.
const ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";

/// Writes a complete call. `arguments` are in the order of the parameters; a parameter whose argument is `None` is left
/// out.
///
/// # Errors
/// `BadParams`, with the path of the value, if a value does not match its type or XML cannot represent it.
pub fn write_call(
    to: &mut Vec<u8>,
    binding: &Binding,
    operation: &Operation,
    arguments: &[Option<Value>],
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
    if let Some(wrapper) = &operation.wrapper {
        writer.begin(wrapper);
        if operation.encoded {
            writer.raw(&[" soap:encodingStyle=\"", ENCODING, "\""]);
        }
        writer.raw(&[">"]);
    }
    for (part, argument) in operation.params.iter().zip(arguments) {
        if let Some(value) = argument {
            writer.member(part, value)?;
        }
    }
    if let Some(wrapper) = &operation.wrapper {
        writer.end(wrapper);
    }
    let BindingWriter { to: body, used, .. } = writer;
    head(to, binding, operation, &used);
    to.extend_from_slice(&body);
    to.extend_from_slice(b"</soap:Body></soap:Envelope>\n");
    Ok(())
}

/// Writes the part before the body, with declarations of the namespaces that the body uses.
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
    to.extend_from_slice(b"><soap:Body>");
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
    /// Writes a member: once for each item of a list; not at all for nil, if it may be absent.
    fn member(&mut self, part: &'b MessagePart, value: &Value) -> Result<(), Fault> {
        self.path.push(&part.name);
        match (part.occurs, value) {
            (Occurrence::Repeatedly, Value::Array(items)) => {
                for item in items {
                    self.element(part, item)?;
                }
            }
            (Occurrence::Repeatedly | Occurrence::Maybe, Value::Nil) => {}
            (Occurrence::Repeatedly, other) => return Err(self.wrong("a list", other)),
            _ => self.element(part, value)?,
        }
        self.path.pop();
        Ok(())
    }

    /// Writes one element with a value.
    fn element(&mut self, part: &'b MessagePart, value: &Value) -> Result<(), Fault> {
        let binding = self.binding;
        self.begin(&part.element);
        if matches!(value, Value::Nil) {
            if part.nillable || self.encoded {
                self.raw(&[" xsi:nil=\"true\"/>"]);
                return Ok(());
            }
            if !matches!(&part.content, ElementContent::Any) && !self.is_free(&part.content) {
                return Err(self.wrong("a value", value));
            }
        }
        match &part.content {
            ElementContent::Text(kind) => self.simple(kind, value)?,
            ElementContent::Any => self.any(value)?,
            ElementContent::Typed(at) => match binding.types.get(*at) {
                Some(typed) => self.typed(typed.name.as_ref(), &typed.structure, value)?,
                None => self.any(value)?,
            },
        }
        self.end(&part.element);
        Ok(())
    }

    fn is_free(&self, content: &ElementContent) -> bool {
        let ElementContent::Typed(at) = content else { return false };
        matches!(self.binding.types.get(*at).map(|typed| &typed.structure), Some(TypeStructure::Free(_)))
    }

    /// Writes the rest of a start tag, and a text.
    fn simple(&mut self, kind: &str, value: &Value) -> Result<(), Fault> {
        if self.encoded {
            self.raw(&[" xsi:type=\"xsd:", kind, "\""]);
        }
        self.raw(&[">"]);
        self.text(kind, value)
    }

    /// Writes a value as text of a simple type.
    fn text(&mut self, kind: &str, value: &Value) -> Result<(), Fault> {
        // Only the types of floating-point numbers allow exponents (XML Schema Part 2, 3.2.3.1).
        let exponents = matches!(kind, "double" | "float");
        match value {
            Value::Bool(value) => self.raw(&[if *value { "true" } else { "false" }]),
            Value::Int(value) => self.raw(&[&value.to_string()]),
            Value::Double(number) if exponents => self.raw(&[&double(*number)]),
            Value::Double(number) if number.is_finite() => self.raw(&[&number.to_string()]),
            Value::Double(_) => return Err(self.wrong(&format!("a number for xsd:{kind}"), value)),
            Value::Number(number) if exponents => self.raw(&[number.as_str()]),
            Value::Number(number) => match number.plain() {
                Some(plain) => self.raw(&[&plain]),
                None => return Err(self.wrong("a number of at most 400 digits", value)),
            },
            Value::Text(text) => return self.characters(text),
            Value::Date(value) => self.raw(&[&value.to_string()]),
            Value::Binary(value) => self.raw(&[&STANDARD.encode(value)]),
            Value::Nil => {}
            Value::Array(_) | Value::Struct(_) => return Err(self.wrong("a single value", value)),
        }
        Ok(())
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

    /// Writes the rest of a start tag, and the content of a complex type.
    fn typed(
        &mut self,
        name: Option<&QualifiedName>,
        structure: &'b TypeStructure,
        value: &Value,
    ) -> Result<(), Fault> {
        if let TypeStructure::Array(item) = structure {
            return self.array(item, value);
        }
        if let Some(name) = name.filter(|_| self.encoded) {
            self.raw(&[" xsi:type=\""]);
            self.name(name);
            self.raw(&["\""]);
        }
        self.raw(&[">"]);
        match (structure, value) {
            (TypeStructure::Members(parts, entry), Value::Struct(members)) => {
                self.members(parts, entry.as_deref(), members)
            }
            (TypeStructure::Row(parts), Value::Array(items)) if parts.len() == items.len() => {
                parts.iter().zip(items).try_for_each(|(part, item)| self.member(part, item))
            }
            (TypeStructure::Items(item), Value::Array(_)) => self.member(item, value),
            (TypeStructure::Free(namespace), value) => self.free(*namespace, value),
            (TypeStructure::Plain(kind), value) => self.text(kind, value),
            (TypeStructure::Members(..), _) => Err(self.wrong("a struct", value)),
            (TypeStructure::Row(parts), _) => Err(self.wrong(&format!("a list of {}", parts.len()), value)),
            _ => Err(self.wrong("a list", value)),
        }
    }

    /// Writes the members in the order of their type, which some servers require.
    fn members(
        &mut self,
        parts: &'b [MessagePart],
        entry: Option<&'b MapEntry>,
        members: &[(String, Value)],
    ) -> Result<(), Fault> {
        for part in parts {
            if let Some((_, value)) = members.iter().find(|(name, _)| *name == part.name) {
                self.member(part, value)?;
            }
        }
        for (name, value) in members.iter().filter(|(name, _)| parts.iter().all(|part| part.name != *name)) {
            let Some(entry) = entry else { return Err(self.unknown(name, parts)) };
            self.open(&entry.element);
            self.open(&entry.key);
            self.characters(name)?;
            self.end(&entry.key);
            self.element(&entry.value, value)?;
            self.end(&entry.element);
        }
        Ok(())
    }

    /// Writes an array in SOAP's encoding (SOAP 1.1, section 5.4.2).
    fn array(&mut self, item: &'b MessagePart, value: &Value) -> Result<(), Fault> {
        let Value::Array(items) = value else { return Err(self.wrong("a list", value)) };
        let binding = self.binding;
        self.raw(&[" xsi:type=\"soapenc:Array\" soapenc:arrayType=\""]);
        match &item.content {
            ElementContent::Text(kind) => self.raw(&["xsd:", kind]),
            ElementContent::Any => self.raw(&["xsd:anyType"]),
            ElementContent::Typed(at) => match binding.types.get(*at).and_then(|typed| typed.name.as_ref()) {
                Some(name) => self.name(name),
                None => self.raw(&["xsd:anyType"]),
            },
        }
        self.raw(&["[", &items.len().to_string(), "]\">"]);
        items.iter().try_for_each(|value| self.element(item, value))
    }

    /// Writes the rest of a start tag with the value's type, and the value.
    fn any(&mut self, value: &Value) -> Result<(), Fault> {
        let kind = match value {
            Value::Nil => {
                self.raw(&[" xsi:nil=\"true\">"]);
                return Ok(());
            }
            // XML Schema has no built-in type for lists and structs, so they are written as plain elements.
            Value::Array(items) => {
                self.raw(&[">"]);
                return items.iter().try_for_each(|item| self.loose("item", item));
            }
            Value::Struct(members) => {
                self.raw(&[">"]);
                return members
                    .iter()
                    .try_for_each(|(name, value)| self.loose(&crate::model::shape::escape(name), value));
            }
            Value::Bool(_) => "boolean",
            Value::Int(number) if i32::try_from(*number).is_ok() => "int",
            Value::Int(_) => "long",
            Value::Number(value) if value.is_integer() => "integer",
            Value::Number(_) => "decimal",
            Value::Double(_) => "double",
            Value::Text(_) => "string",
            Value::Date(_) => "dateTime",
            Value::Binary(_) => "base64Binary",
        };
        self.raw(&[" xsi:type=\"xsd:", kind, "\">"]);
        self.text(kind, value)
    }

    /// Writes an item or a member of a value of any type.
    fn loose(&mut self, element: &str, value: &Value) -> Result<(), Fault> {
        self.raw(&["<", element]);
        self.any(value)?;
        self.raw(&["</", element, ">"]);
        Ok(())
    }

    /// Writes the element that names a value's type, as in croupier's own WSDL.
    fn free(&mut self, namespace: Option<usize>, value: &Value) -> Result<(), Fault> {
        let word = |local: &str| QualifiedName { namespace, local: local.to_owned() };
        let inner = word(match value {
            Value::Nil => "nil",
            Value::Bool(_) => "boolean",
            Value::Int(_) => "int",
            Value::Number(value) if value.is_integer() => "integer",
            Value::Number(_) => "decimal",
            Value::Double(_) => "double",
            Value::Text(_) => "string",
            Value::Date(_) => "dateTime",
            Value::Binary(_) => "base64",
            Value::Array(_) => "array",
            Value::Struct(_) => "struct",
        });
        self.open(&inner);
        match value {
            Value::Array(items) => {
                let item = word("item");
                for value in items {
                    self.open(&item);
                    self.free(namespace, value)?;
                    self.end(&item);
                }
            }
            Value::Struct(members) => {
                let [member, name, inside] = ["member", "name", "value"].map(word);
                for (key, value) in members {
                    self.open(&member);
                    self.open(&name);
                    self.characters(key)?;
                    self.end(&name);
                    self.open(&inside);
                    self.free(namespace, value)?;
                    self.end(&inside);
                    self.end(&member);
                }
            }
            value => self.text(&inner.local, value)?,
        }
        self.end(&inner);
        Ok(())
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

    fn unknown(&self, name: &str, parts: &[MessagePart]) -> Fault {
        let near = nearest(name, parts.iter().map(|part| part.name.as_str()));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        self.at(format!("there is no member `{}`{hint}", abridge(name)))
    }

    /// A fault about the current member.
    fn at(&self, what: String) -> Fault {
        let fault = Fault::bad_params(format!("parameter `{}`: {what}", abridge(&self.path.join("."))));
        match self.path.first() {
            Some(name) => fault.of_parameter(*name),
            None => fault,
        }
    }
}

/// The shortest text that reads back as the same number.
fn double(number: f64) -> String {
    match number {
        number if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "INF".to_owned(),
        f64::NEG_INFINITY => "-INF".to_owned(),
        number => format!("{number:?}"),
    }
}
