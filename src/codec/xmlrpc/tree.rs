//! The reader for any XML, based on roxmltree. It reports what is wrong with a document.

use std::borrow::Cow;

use super::document::{Root, XmlRpcDocument};
use super::scalar::XmlRpcScalar;
use crate::codec::DocumentLimits;
use crate::codec::tape::{Tape, TapeNode};
use crate::codec::xml::Reading;
use crate::codec::xml::tree::{Element, XmlTree, misplaced, shape, syntax};
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;

/// The namespace of Apache's extension types.
pub(super) const APACHE: &str = "http://ws.apache.org/xmlrpc/namespaces/extensions";

/// Reads a document that has passed the census. Its root element begins at `root`.
pub(super) fn read(
    text: &str,
    root: usize,
    reading: Reading,
    limits: DocumentLimits,
) -> Result<XmlRpcDocument<'_>, Fault> {
    match XmlTree::read_any(text, limits) {
        Ok(xml) => TreeXmlRpcReader { reading, limits, tape: Tape::default() }.document(&xml),
        Err(roxmltree::Error::UnknownNamespace(prefix, _)) if prefix == "ex" && reading == Reading::Lenient => {
            let declared = declare_apache(text, root);
            let xml = XmlTree::read_any(&declared, limits).map_err(|error| syntax(&error, limits))?;
            let document = TreeXmlRpcReader { reading, limits, tape: Tape::default() }.document(&xml)?;
            Ok(document.into_owned())
        }
        Err(error) => Err(syntax(&error, limits)),
    }
}

/// The document with the prefix `ex` declared on its root, which many clients forget.
fn declare_apache(text: &str, root: usize) -> String {
    let (before, tag) = text.split_at(root);
    let name = tag.find(['>', '/', ' ', '\t', '\r', '\n']).unwrap_or(tag.len());
    let (name, rest) = tag.split_at(name);
    format!("{before}{name} xmlns:ex=\"{APACHE}\"{rest}")
}

struct TreeXmlRpcReader<'a> {
    reading: Reading,
    limits: DocumentLimits,
    tape: Tape<'a>,
}

impl<'a> TreeXmlRpcReader<'a> {
    fn document(mut self, xml: &XmlTree<'a>) -> Result<XmlRpcDocument<'a>, Fault> {
        let root = xml.root().ok_or_else(|| shape("there is no element in the document"))?;
        let says = match root.name() {
            "methodCall" => self.call(root)?,
            "methodResponse" => self.response(root)?,
            other => {
                return Err(shape(format!(
                    "the root element is `{}`, neither `methodCall` nor `methodResponse`",
                    abridge(other)
                )));
            }
        };
        Ok(XmlRpcDocument { root: says, tape: self.tape })
    }

    fn call(&mut self, root: Element<'_, 'a>) -> Result<Root<'a>, Fault> {
        let [name, params] = self.children(root, ["methodName", "params"])?;
        let name = name.ok_or_else(|| shape("`methodCall` has no `methodName`"))?;
        let name = trimmed(name.text()?);
        if name.is_empty() {
            return Err(shape("`methodName` is empty"));
        }
        if let Some(params) = params {
            self.params(params)?;
        }
        Ok(Root::Call(name))
    }

    fn response(&mut self, root: Element<'_, 'a>) -> Result<Root<'a>, Fault> {
        match self.children(root, ["params", "fault"])? {
            [Some(params), None] => {
                self.params(params)?;
                match self.tape.values().len() {
                    0 | 1 => Ok(Root::Response),
                    _ => Err(shape("`methodResponse` must hold one value, not several")),
                }
            }
            [None, Some(fault)] => {
                self.only_value(fault)?;
                match self.tape.values().all(|value| value.is_struct()) {
                    true => Ok(Root::Fault),
                    false => Err(shape("`fault` must hold a struct")),
                }
            }
            _ => Err(shape("`methodResponse` must hold either `params` or `fault`")),
        }
    }

    fn params(&mut self, params: Element<'_, 'a>) -> Result<(), Fault> {
        params.no_text()?;
        for param in params.elements() {
            match param.name() {
                "param" => self.only_value(param)?,
                other => self.unknown(params, other)?,
            }
        }
        Ok(())
    }

    fn only_value(&mut self, parent: Element<'_, 'a>) -> Result<(), Fault> {
        if let Some(typed) = self.bare(parent) {
            parent.no_text()?;
            self.typed(typed, 0)?;
        } else {
            let [value] = self.children(parent, ["value"])?;
            let value = value.ok_or_else(|| shape(format!("`{}` has no `value`", parent.name())))?;
            self.value(value, 0)?;
        }
        self.tape.complete();
        Ok(())
    }

    /// The element of a type that is in the place of a `value`, if it is the only element of its parent. Lenient reading
    /// accepts it.
    fn bare<'x>(&self, parent: Element<'x, 'a>) -> Option<Element<'x, 'a>> {
        let mut elements = parent.elements().filter(|child| child.name() != "name");
        let only = elements.next().filter(|child| self.is_bare(*child));
        only.filter(|_| elements.next().is_none())
    }

    fn is_bare(&self, element: Element<'_, 'a>) -> bool {
        self.reading == Reading::Lenient && is_type(element)
    }

    /// A `value`; `depth` arrays and structs enclose it.
    fn value(&mut self, value: Element<'_, 'a>, depth: usize) -> Result<(), Fault> {
        let mut typed = value.elements();
        let Some(element) = typed.next() else {
            self.tape.push(TapeNode::Text(value.text()?));
            return Ok(());
        };
        if typed.next().is_some() {
            return Err(shape("`value` holds more than one element"));
        }
        value.no_text()?;
        self.typed(element, depth)
    }

    /// The element in a `value` that gives its type.
    fn typed(&mut self, element: Element<'_, 'a>, depth: usize) -> Result<(), Fault> {
        let apache = element.namespace() == Some(APACHE);
        match element.name() {
            "array" if !apache => self.array(element, self.deeper(depth)?),
            "struct" if !apache => self.members(element, self.deeper(depth)?),
            word => {
                let scalar = if apache { XmlRpcScalar::of_apache(word) } else { XmlRpcScalar::named(word.as_bytes()) };
                let scalar = scalar.ok_or_else(|| shape(format!("there is no type `{}`", abridge(word))))?;
                self.tape.push(scalar.read(element.text()?, self.reading)?);
                Ok(())
            }
        }
    }

    fn array(&mut self, array: Element<'_, 'a>, depth: usize) -> Result<(), Fault> {
        let lacks_data = self.reading == Reading::Lenient && array.elements().all(|child| child.name() != "data");
        let data = if lacks_data {
            Some(array)
        } else {
            let [data] = self.children(array, ["data"])?;
            data
        };
        let opened = self.tape.open();
        let mut items = 0;
        if let Some(data) = data {
            data.no_text()?;
            for item in data.elements() {
                match item.name() {
                    "value" => self.value(item, depth)?,
                    _ if self.is_bare(item) => self.typed(item, depth)?,
                    other => return Err(misplaced(other, data.name())),
                }
                items += 1;
            }
        }
        self.tape.close_array(opened, items);
        Ok(())
    }

    fn members(&mut self, element: Element<'_, 'a>, depth: usize) -> Result<(), Fault> {
        element.no_text()?;
        let opened = self.tape.open();
        let mut members = 0;
        for member in element.elements() {
            if member.name() != "member" {
                return Err(misplaced(member.name(), "struct"));
            }
            self.member(member, depth)?;
            members += 1;
        }
        self.tape.close_struct(opened, members)
    }

    fn member(&mut self, member: Element<'_, 'a>, depth: usize) -> Result<(), Fault> {
        if let Some(typed) = self.bare(member) {
            member.no_text()?;
            let mut names = member.elements().filter(|child| child.name() == "name");
            let name = names.next().ok_or_else(|| shape("`member` has no `name`"))?;
            if names.next().is_some() {
                return Err(shape("`member` has two `name`"));
            }
            self.tape.push(TapeNode::Text(name.text()?));
            return self.typed(typed, depth);
        }
        let [name, value] = self.children(member, ["name", "value"])?;
        let name = name.ok_or_else(|| shape("`member` has no `name`"))?;
        let value = value.ok_or_else(|| shape("`member` has no `value`"))?;
        self.tape.push(TapeNode::Text(name.text()?));
        self.value(value, depth)
    }

    /// The children with these names, each at most once. Other children are ignored or refused, by [`Reading`].
    fn children<'x, const N: usize>(
        &self,
        parent: Element<'x, 'a>,
        names: [&str; N],
    ) -> Result<[Option<Element<'x, 'a>>; N], Fault> {
        parent.no_text()?;
        let mut found = [None; N];
        for child in parent.elements() {
            let name = child.name();
            match names.iter().zip(&mut found).find(|(known, _)| **known == name) {
                Some((_, slot @ None)) => *slot = Some(child),
                Some(_) => return Err(shape(format!("`{}` has two `{name}`", parent.name()))),
                None => self.unknown(parent, name)?,
            }
        }
        Ok(found)
    }

    /// Handles an unexpected element. It is refused inside a value, where it could be data, and if it is one of XML-RPC's
    /// own elements, which would be data in the wrong place. Lenient reading ignores it otherwise.
    fn unknown(&self, parent: Element<'_, 'a>, name: &str) -> Result<(), Fault> {
        let parent = parent.name();
        let outside_values = matches!(parent, "methodCall" | "methodResponse" | "params" | "param" | "fault");
        if self.reading == Reading::Lenient && outside_values && !is_own(name) {
            return Ok(());
        }
        Err(misplaced(name, parent))
    }

    fn deeper(&self, depth: usize) -> Result<usize, Fault> {
        let deepest = self.limits.depth.min(DocumentLimits::DEEPEST);
        if depth < deepest {
            return Ok(depth + 1);
        }
        Err(Fault::new(Kind::Limit, format!("values nest deeper than {deepest}")))
    }
}

fn trimmed(name: Cow<'_, str>) -> Cow<'_, str> {
    let blank = [' ', '\t', '\r', '\n'];
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(name.trim_matches(blank)),
        Cow::Owned(name) => Cow::Owned(name.trim_matches(blank).to_owned()),
    }
}

/// Whether this element gives the type of a value.
fn is_type(element: Element<'_, '_>) -> bool {
    match element.namespace() {
        Some(APACHE) => XmlRpcScalar::of_apache(element.name()).is_some(),
        _ => matches!(element.name(), "array" | "struct") || XmlRpcScalar::named(element.name().as_bytes()).is_some(),
    }
}

/// Whether this is the name of one of XML-RPC's own elements.
fn is_own(name: &str) -> bool {
    let holds = matches!(
        name,
        "methodCall"
            | "methodName"
            | "methodResponse"
            | "params"
            | "param"
            | "fault"
            | "value"
            | "array"
            | "data"
            | "struct"
            | "member"
    );
    holds || XmlRpcScalar::named(name.as_bytes()).is_some() || XmlRpcScalar::of_apache(name).is_some()
}
