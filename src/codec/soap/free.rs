//! Reads values of any type: by the element that names the type, by `xsi:type`, or by their structure.

use std::borrow::Cow;

use super::lexical::SoapScalar;
use super::read::{Marks, ShapeReader};
use crate::codec::tape::TapeNode;
use crate::codec::xml::tree::{Element, misplaced, shape};
use crate::model::fault::Fault;
use crate::model::shape::{Shape, unescape};
use crate::model::text::abridge;

impl<'a> ShapeReader<'_, '_, 'a> {
    /// A value of any type.
    ///
    /// Clients that follow croupier's WSDL send one element that names the type. Other clients send `xsi:type` and SOAP's
    /// encoding, or plain elements: if all of them are named `item` they are an array, otherwise a struct. Plain text is a
    /// string.
    pub(super) fn free(&mut self, element: Element<'_, 'a>, marks: &Marks<'_>, depth: usize) -> Result<(), Fault> {
        let mut children = element.elements();
        let kind = marks.kind.unwrap_or_default();
        let is_array = marks.array || kind.contains("Array");
        let Some(first) = children.next() else { return self.childless(element, kind, is_array, depth) };
        element.no_text()?;
        let only = children.next().is_none();
        if only && marks.kind.is_none() && is_word(first.name()) {
            return self.word(first, depth);
        }
        if is_array {
            return self.items(element.elements(), &Shape::Any, depth);
        }
        if kind == "Map" {
            return self.pairs(element, "item", "key", depth);
        }
        if element.elements().all(|child| child.name() == "item") {
            return self.items(element.elements(), &Shape::Any, depth);
        }
        self.loose(element, depth)
    }

    /// A value without child elements.
    fn childless(&mut self, element: Element<'_, 'a>, kind: &str, is_array: bool, depth: usize) -> Result<(), Fault> {
        let text = element.text()?;
        if text.bytes().all(|byte| byte.is_ascii_whitespace()) && (is_array || matches!(kind, "Map" | "Struct")) {
            self.deeper(depth)?;
            let opened = self.tape.open();
            if is_array {
                self.tape.close_array(opened, 0);
                return Ok(());
            }
            return self.tape.close_struct(opened, 0);
        }
        self.typed(SoapScalar::of_type(kind).unwrap_or(SoapScalar::Text), text)
    }

    fn typed(&mut self, scalar: SoapScalar, text: Cow<'a, str>) -> Result<(), Fault> {
        let node = scalar
            .read(text)
            .map_err(|text| Fault::bad_params(format!("`{}` is not {}", abridge(&text), scalar.words())))?;
        self.tape.push(node);
        Ok(())
    }

    /// An element that names the type of its content.
    fn word(&mut self, element: Element<'_, 'a>, depth: usize) -> Result<(), Fault> {
        let (element, marks) = self.meant(element)?;
        if marks.nil {
            self.tape.push(TapeNode::Nil);
            return Ok(());
        }
        match element.name() {
            "array" => {
                element.no_text()?;
                self.items(element.elements(), &Shape::Any, depth)
            }
            "struct" => self.pairs(element, "member", "name", depth),
            "nil" => match element.elements().next() {
                Some(child) => Err(misplaced(child.name(), "nil")),
                None => {
                    self.tape.push(TapeNode::Nil);
                    Ok(())
                }
            },
            name => self.typed(SoapScalar::of_element(name).unwrap_or(SoapScalar::Text), element.text()?),
        }
    }

    /// A struct whose members are pairs of a name element and a `value` element.
    fn pairs(&mut self, element: Element<'_, 'a>, member: &str, name: &str, depth: usize) -> Result<(), Fault> {
        element.no_text()?;
        let depth = self.deeper(depth)?;
        let opened = self.tape.open();
        let mut count = 0;
        for pair in element.elements() {
            let inside: Vec<_> = pair.elements().take(3).collect();
            let named = |at: usize, name: &str| inside.get(at).copied().filter(|child| child.name() == name);
            let (key, value) = match (named(0, name), named(1, "value"), named(0, "value"), named(1, name)) {
                (Some(key), Some(value), _, _) | (_, _, Some(value), Some(key)) if inside.len() == 2 => (key, value),
                _ => return Err(shape(format!("a `{member}` must hold one `{name}` and one `value`"))),
            };
            if pair.name() != member {
                return Err(misplaced(pair.name(), element.name()));
            }
            let key = key.text()?;
            self.name(key);
            self.value(value, &Shape::Any, depth)?;
            count += 1;
        }
        self.tape.close_struct(opened, count)
    }

    /// A struct whose members are elements with the members' names.
    fn loose(&mut self, element: Element<'_, 'a>, depth: usize) -> Result<(), Fault> {
        let depth = self.deeper(depth)?;
        let opened = self.tape.open();
        let mut count = 0;
        for member in element.elements() {
            self.name(unescape(member.name()));
            self.value(member, &Shape::Any, depth)?;
            count += 1;
        }
        self.tape.close_struct(opened, count)
    }
}

/// Whether an element with this name says the type of its content.
fn is_word(name: &str) -> bool {
    matches!(name, "array" | "struct" | "nil") || SoapScalar::of_element(name).is_some()
}
