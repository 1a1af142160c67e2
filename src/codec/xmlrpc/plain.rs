//! A one-pass reader for plain documents: XML-RPC's own elements, text and references, and nothing else.
//!
//! It never reports an error: on anything that it does not recognize, valid or not, it gives up, and the tree reader reads
//! the document. It must never read a document differently from the tree reader; a fuzz target compares the two.

use std::borrow::Cow;

use memchr::memchr;

use super::document::{Root, XmlRpcDocument};
use super::scalar::XmlRpcScalar;
use crate::codec::DocumentLimits;
use crate::codec::tape::Tape;
use crate::codec::xml::plain::has_unusual_characters;
use crate::codec::xml::prolog::Start;
use crate::codec::xml::{Reading, escape};

/// Reads the document whose root begins at `start`; `None` if it is not plain.
pub(super) fn read(text: &str, start: Start, reading: Reading, limits: DocumentLimits) -> Option<XmlRpcDocument<'_>> {
    if !start.plain || has_unusual_characters(text) {
        return None;
    }
    let mut reader = PlainXmlRpcReader::new(text, start.at, reading, limits);
    let root = if reader.tag("<methodCall>") { reader.call()? } else { reader.response()? };
    reader.blank();
    (reader.at == text.len() && reader.elements <= limits.elements)
        .then_some(XmlRpcDocument { root, tape: reader.tape })
}

struct PlainXmlRpcReader<'a> {
    text: &'a str,
    at: usize,
    reading: Reading,
    limits: DocumentLimits,
    elements: usize,
    tape: Tape<'a>,
}

impl<'a> PlainXmlRpcReader<'a> {
    fn new(text: &'a str, at: usize, reading: Reading, limits: DocumentLimits) -> PlainXmlRpcReader<'a> {
        PlainXmlRpcReader { text, at, reading, limits, elements: 0, tape: Tape::default() }
    }

    /// The content of `<methodCall>`, with its end tag.
    fn call(&mut self) -> Option<Root<'a>> {
        self.blank();
        self.require("<methodName>")?;
        let name = self.content()?;
        self.require_end("</methodName>")?;
        let Cow::Borrowed(name) = name else { return None };
        let name = Cow::Borrowed(name.trim_matches([' ', '\t', '\n']));
        if name.is_empty() {
            return None;
        }
        self.blank();
        if self.tag("<params>") {
            self.params()?;
            self.blank();
        } else if self.tag("<params/>") {
            self.blank();
        }
        self.require_end("</methodCall>")?;
        Some(Root::Call(name))
    }

    fn response(&mut self) -> Option<Root<'a>> {
        self.require("<methodResponse>")?;
        self.blank();
        let root = if self.tag("<params>") {
            self.params()?;
            Root::Response
        } else {
            self.require("<fault>")?;
            self.blank();
            self.require("<value>")?;
            self.value(0)?;
            self.tape.complete();
            self.blank();
            self.require_end("</fault>")?;
            Root::Fault
        };
        let sound = match root {
            Root::Response => self.tape.values().len() <= 1,
            _ => self.tape.values().all(|value| value.is_struct()),
        };
        self.blank();
        self.require_end("</methodResponse>")?;
        sound.then_some(root)
    }

    fn params(&mut self) -> Option<()> {
        self.blank();
        while self.tag("<param>") {
            self.blank();
            self.require("<value>")?;
            self.value(0)?;
            self.tape.complete();
            self.blank();
            self.require_end("</param>")?;
            self.blank();
        }
        self.require_end("</params>")
    }

    /// The content of `<value>`, with its end tag. `depth` arrays and structs enclose it.
    fn value(&mut self, depth: usize) -> Option<()> {
        if self.elements > self.limits.elements {
            return None;
        }
        let before = self.at;
        self.blank();
        if self.tag("<string>") {
            return self.scalar(XmlRpcScalar::String, "</string>");
        }
        if self.tag("<struct>") {
            self.members(self.deeper(depth)?)?;
            return self.end_of_value();
        }
        if self.tag("<array>") {
            self.items(self.deeper(depth)?)?;
            return self.end_of_value();
        }
        match self.typed() {
            Some(Some((scalar, end))) => self.scalar(scalar, end),
            Some(None) => {
                self.at = before;
                let text = self.content()?;
                self.push(XmlRpcScalar::String, text)?;
                self.require_end("</value>")
            }
            None => {
                self.empty_container(depth)?;
                self.end_of_value()
            }
        }
    }

    /// A `value` that is an item or the value of a member. Returns whether there is one.
    fn item(&mut self, depth: usize) -> Option<bool> {
        if self.tag("<value>") {
            self.value(depth)?;
        } else if self.tag("<value/>") {
            (self.elements <= self.limits.elements).then_some(())?;
            self.push(XmlRpcScalar::String, Cow::Borrowed(""))?;
        } else {
            return Some(false);
        }
        Some(true)
    }

    fn empty_container(&mut self, depth: usize) -> Option<()> {
        self.deeper(depth)?;
        if self.tag("<struct/>") {
            let opened = self.tape.open();
            return self.tape.close_struct(opened, 0).ok();
        }
        self.require("<array/>")?;
        let opened = self.tape.open();
        self.tape.close_array(opened, 0);
        Some(())
    }

    /// The type of the element that begins here, and its end tag; `Some(None)` if only text follows.
    fn typed(&mut self) -> Option<Option<(XmlRpcScalar, &'static str)>> {
        const TYPES: [(&str, &str, XmlRpcScalar); 7] = [
            ("<int>", "</int>", XmlRpcScalar::Int(32)),
            ("<i4>", "</i4>", XmlRpcScalar::Int(32)),
            ("<double>", "</double>", XmlRpcScalar::Double),
            ("<boolean>", "</boolean>", XmlRpcScalar::Boolean),
            ("<dateTime.iso8601>", "</dateTime.iso8601>", XmlRpcScalar::DateTime),
            ("<base64>", "</base64>", XmlRpcScalar::Base64),
            ("<i8>", "</i8>", XmlRpcScalar::Int(64)),
        ];
        for (start, end, scalar) in TYPES {
            if self.tag(start) {
                return Some(Some((scalar, end)));
            }
        }
        if self.tag("<nil/>") {
            return Some(Some((XmlRpcScalar::Nil, "")));
        }
        if self.tag("<string/>") {
            return Some(Some((XmlRpcScalar::String, "")));
        }
        let text_only = !self.rest().starts_with(b"<") || self.rest().starts_with(b"</value>");
        text_only.then_some(None)
    }

    fn scalar(&mut self, scalar: XmlRpcScalar, end: &str) -> Option<()> {
        let text = if end.is_empty() { Cow::Borrowed("") } else { self.content()? };
        self.push(scalar, text)?;
        self.require_end(end)?;
        self.end_of_value()
    }

    fn push(&mut self, scalar: XmlRpcScalar, text: Cow<'a, str>) -> Option<()> {
        self.tape.push(scalar.read(text, self.reading).ok()?);
        Some(())
    }

    fn end_of_value(&mut self) -> Option<()> {
        self.blank();
        self.require_end("</value>")
    }

    fn items(&mut self, depth: usize) -> Option<()> {
        let opened = self.tape.open();
        let mut items = 0;
        self.blank();
        if !self.tag("<data/>") {
            self.require("<data>")?;
            self.blank();
            while self.item(depth)? {
                self.blank();
                items += 1;
            }
            self.require_end("</data>")?;
        }
        self.tape.close_array(opened, items);
        self.blank();
        self.require_end("</array>")
    }

    fn members(&mut self, depth: usize) -> Option<()> {
        let opened = self.tape.open();
        let mut members = 0;
        self.blank();
        while self.tag("<member>") {
            self.blank();
            self.require("<name>")?;
            let name = self.content()?;
            self.push(XmlRpcScalar::String, name)?;
            self.require_end("</name>")?;
            self.blank();
            self.item(depth)?.then_some(())?;
            self.blank();
            self.require_end("</member>")?;
            self.blank();
            members += 1;
        }
        self.tape.close_struct(opened, members).ok()?;
        self.require_end("</struct>")
    }

    fn deeper(&self, depth: usize) -> Option<usize> {
        (depth < self.limits.depth.min(DocumentLimits::DEEPEST)).then_some(depth + 1)
    }

    /// The text up to the next tag, with its references resolved.
    fn content(&mut self) -> Option<Cow<'a, str>> {
        let length = memchr(b'<', self.rest())?;
        let content = self.text.get(self.at..self.at + length)?;
        self.at += length;
        escape::resolve(content)
    }

    /// Skips this start tag if it comes next.
    fn tag(&mut self, tag: &str) -> bool {
        let here = self.rest().starts_with(tag.as_bytes());
        if here {
            self.at += tag.len();
            self.elements += 1;
        }
        here
    }

    fn require(&mut self, tag: &str) -> Option<()> {
        self.tag(tag).then_some(())
    }

    fn require_end(&mut self, tag: &str) -> Option<()> {
        self.rest().starts_with(tag.as_bytes()).then(|| self.at += tag.len())
    }

    fn blank(&mut self) {
        let blank = self.rest().iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n')).count();
        self.at += blank;
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}
