//! Values read by their shapes onto a tape.

use std::borrow::Cow;

use super::{Style, lexical};
use crate::fault::{Fault, Kind};
use crate::shape::{Shape, Shapes};
use crate::text::abridge;
use crate::wire::Limits;
use crate::wire::tape::{Node, Tape};
use crate::wire::xml::tree::{Element, shape};

/// How a message's parameters are on its tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// One struct, whose members are the parameters.
    ByName,
    /// A value for each.
    ByPosition,
}

/// Reads elements onto a tape.
pub(super) struct Reader<'s, 'a> {
    pub(super) shapes: &'s Shapes,
    pub(super) style: Style,
    deepest: usize,
    pub(super) tape: Tape<'a>,
}

impl<'s, 'a> Reader<'s, 'a> {
    pub(super) fn new(shapes: &'s Shapes, style: Style, limits: Limits) -> Reader<'s, 'a> {
        Reader { shapes, style, deepest: limits.depth.min(Limits::DEEPEST), tape: Tape::default() }
    }

    /// The one element of a value; `depth` others are open around it.
    pub(super) fn value(&mut self, element: Element<'_, 'a>, form: &Shape, depth: usize) -> Result<(), Fault> {
        let marks = Marks::of(element)?;
        if marks.nil {
            self.tape.push(Node::Nil);
            return Ok(());
        }
        let form = match form {
            Shape::Optional(inner) => self.shapes.follow(inner),
            form => self.shapes.follow(form),
        };
        match form {
            Shape::Any => self.free(element, &marks, depth),
            Shape::Nil if element.is_empty() => {
                self.tape.push(Node::Nil);
                Ok(())
            }
            Shape::List(item) => self.list(element, item, depth),
            Shape::Tuple(fields) => self.tuple(element, fields, depth),
            Shape::Record(record) => self.record(element, record, depth),
            form => self.scalar(element, form, &marks, depth),
        }
    }

    /// A text; where there are elements instead, whatever they say, for the method to refuse.
    fn scalar(&mut self, element: Element<'_, 'a>, form: &Shape, marks: &Marks<'_>, depth: usize) -> Result<(), Fault> {
        if element.elements().next().is_some() {
            return self.free(element, marks, depth);
        }
        let node = lexical::scalar(form, element.text()?);
        self.tape.push(node);
        Ok(())
    }

    /// An element with an element for each item, whatever that is called.
    fn list(&mut self, element: Element<'_, 'a>, item: &Shape, depth: usize) -> Result<(), Fault> {
        if self.text_instead(element)? {
            return Ok(());
        }
        self.items(element.elements(), item, depth)
    }

    /// An array of these elements' values.
    pub(super) fn items<'x>(
        &mut self,
        items: impl Iterator<Item = Element<'x, 'a>>,
        form: &Shape,
        depth: usize,
    ) -> Result<(), Fault>
    where
        'a: 'x,
    {
        let depth = self.deeper(depth)?;
        let opened = self.tape.open();
        let mut count = 0;
        for item in items {
            self.value(item, form, depth)?;
            count += 1;
        }
        self.tape.close_array(opened, count);
        Ok(())
    }

    /// Reads an element that should hold others, but holds text: the method will say that it is none of what it takes.
    pub(super) fn text_instead(&mut self, element: Element<'_, 'a>) -> Result<bool, Fault> {
        if element.elements().next().is_some() {
            element.no_text()?;
            return Ok(false);
        }
        let text = element.text()?;
        let blank = text.bytes().all(|byte| byte.is_ascii_whitespace());
        if !blank {
            self.tape.push(Node::Text(text));
        }
        Ok(!blank)
    }

    pub(super) fn name(&mut self, name: Cow<'a, str>) {
        self.tape.push(Node::Text(name));
    }

    pub(super) fn deeper(&self, depth: usize) -> Result<usize, Fault> {
        if depth < self.deepest {
            return Ok(depth + 1);
        }
        Err(Fault::new(Kind::Limit, format!("values nest deeper than {}", self.deepest)))
    }
}

/// What the attributes of an element say about its value.
#[derive(Default)]
pub(super) struct Marks<'a> {
    /// `xsi:nil`
    pub(super) nil: bool,
    /// The local name of its `xsi:type`.
    pub(super) kind: Option<&'a str>,
    /// Whether it is an array of SOAP's encoding.
    pub(super) array: bool,
}

impl<'a> Marks<'a> {
    /// Reads the attributes.
    ///
    /// # Errors
    /// `Structure` for a reference to another element, which SOAP's encoding has for values that occur twice.
    pub(super) fn of(element: Element<'a, '_>) -> Result<Marks<'a>, Fault> {
        let mut marks = Marks::default();
        for attribute in element.attributes() {
            let (namespace, value) = (element.namespace_of(attribute), attribute.value.trim());
            match attribute.name {
                "nil" | "null" if is_instance(namespace) => marks.nil = matches!(value, "true" | "1"),
                "type" if is_instance(namespace) => marks.kind = value.rsplit(':').next(),
                "arrayType" | "itemType" | "arraySize" => marks.array = namespace.is_some(),
                "href" if namespace.is_none() => return Err(reference("href", element)),
                "ref" if namespace == Some("http://www.w3.org/2003/05/soap-encoding") => {
                    return Err(reference("ref", element));
                }
                _ => {}
            }
        }
        Ok(marks)
    }
}

/// Whether an attribute is of XML Schema's namespace for instances, which had a year of its own in each draft.
fn is_instance(namespace: Option<&str>) -> bool {
    namespace.is_some_and(|it| it.starts_with("http://www.w3.org/") && it.ends_with("/XMLSchema-instance"))
}

fn reference(attribute: &str, element: Element<'_, '_>) -> Fault {
    let name = abridge(element.name());
    shape(format!("`{name}` refers by `{attribute}` to another element; a value must stand where it belongs"))
}
