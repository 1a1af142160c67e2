//! Reads values onto a tape, by their shapes.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

use super::{SoapStyle, lexical};
use crate::codec::DocumentLimits;
use crate::codec::tape::{Tape, TapeNode};
use crate::codec::xml::tree::{Element, shape};
use crate::model::fault::{Fault, Kind};
use crate::model::shape::{Shape, Shapes};
use crate::model::text::abridge;

/// How a message's parameters are laid out on its tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamLayout {
    /// One struct whose members are the parameters.
    ByName,
    /// One value for each parameter.
    ByPosition,
}

/// The longest chain of references before a value.
const HOPS: usize = 8;

/// Reads elements onto a tape.
pub(super) struct ShapeReader<'s, 'x, 'a> {
    pub(super) shapes: &'s Shapes,
    pub(super) style: SoapStyle,
    limits: DocumentLimits,
    /// How much of the document references may still repeat. Without this limit a small document could expand to a huge
    /// value.
    left: Cell<usize>,
    /// The elements that values may refer to, by id.
    pub(super) referred: HashMap<&'x str, Element<'x, 'a>>,
    pub(super) tape: Tape<'a>,
}

impl<'s, 'x, 'a> ShapeReader<'s, 'x, 'a> {
    pub(super) fn new(shapes: &'s Shapes, style: SoapStyle, limits: DocumentLimits) -> ShapeReader<'s, 'x, 'a> {
        let limits = DocumentLimits { depth: limits.depth.min(DocumentLimits::DEEPEST), ..limits };
        let left = Cell::new(limits.elements);
        ShapeReader { shapes, style, limits, left, referred: HashMap::new(), tape: Tape::default() }
    }

    /// Follows references to the element that holds the value, and reads its attributes.
    pub(super) fn meant<'e>(&self, element: Element<'e, 'a>) -> Result<(Element<'e, 'a>, Marks<'e>), Fault>
    where
        'x: 'e,
    {
        let mut element = element;
        for _ in 0..HOPS {
            let marks = Marks::of(element)?;
            let Some((attribute, id)) = marks.refers else { return Ok((element, marks)) };
            let referred = self.referred.get(id.strip_prefix('#').unwrap_or(id));
            element = *referred.ok_or_else(|| reference(attribute, element))?;
            let left = self.left.get().checked_sub(element.weight());
            self.left.set(left.ok_or_else(|| {
                let most = self.limits.elements;
                Fault::new(Kind::Limit, format!("references repeat more than {most} elements and bytes"))
            })?);
        }
        Err(shape("references refer to nothing but references"))
    }

    /// Reads the element of a value; `depth` values enclose it.
    pub(super) fn value(&mut self, element: Element<'_, 'a>, form: &Shape, depth: usize) -> Result<(), Fault> {
        let (element, marks) = self.meant(element)?;
        if marks.nil {
            self.tape.push(TapeNode::Nil);
            return Ok(());
        }
        let form = match form {
            Shape::Optional(inner) => self.shapes.follow(inner),
            form => self.shapes.follow(form),
        };
        match form {
            Shape::Any => self.free(element, &marks, depth),
            Shape::Nil if element.is_empty() => {
                self.tape.push(TapeNode::Nil);
                Ok(())
            }
            Shape::List(item) => self.list(element, item, depth),
            Shape::Tuple(fields) => self.tuple(element, fields, depth),
            Shape::Record(record) => self.record(element, record, depth),
            form => self.scalar(element, form, &marks, depth),
        }
    }

    /// Reads a text. If there are child elements instead, reads them as a free-form value, which the method then refuses.
    fn scalar(&mut self, element: Element<'_, 'a>, form: &Shape, marks: &Marks<'_>, depth: usize) -> Result<(), Fault> {
        if element.elements().next().is_some() {
            return self.free(element, marks, depth);
        }
        let node = lexical::scalar(form, element.text()?);
        self.tape.push(node);
        Ok(())
    }

    /// Reads an element with a child element of any name for each item.
    fn list(&mut self, element: Element<'_, 'a>, item: &Shape, depth: usize) -> Result<(), Fault> {
        if self.text_instead(element)? {
            return Ok(());
        }
        self.items(element.elements(), item, depth)
    }

    /// Reads an array of these elements' values.
    pub(super) fn items<'e>(
        &mut self,
        items: impl Iterator<Item = Element<'e, 'a>>,
        form: &Shape,
        depth: usize,
    ) -> Result<(), Fault>
    where
        'a: 'e,
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

    /// Reads an element that should have child elements but has text. The method then reports the wrong type.
    pub(super) fn text_instead(&mut self, element: Element<'_, 'a>) -> Result<bool, Fault> {
        if element.elements().next().is_some() {
            element.no_text()?;
            return Ok(false);
        }
        let text = element.text()?;
        let blank = text.bytes().all(|byte| byte.is_ascii_whitespace());
        if !blank {
            self.tape.push(TapeNode::Text(text));
        }
        Ok(!blank)
    }

    pub(super) fn name(&mut self, name: Cow<'a, str>) {
        self.tape.push(TapeNode::Text(name));
    }

    pub(super) fn deeper(&self, depth: usize) -> Result<usize, Fault> {
        if depth < self.limits.depth {
            return Ok(depth + 1);
        }
        Err(Fault::new(Kind::Limit, format!("values nest deeper than {}", self.limits.depth)))
    }
}

/// The attributes of an element that concern its value.
#[derive(Default)]
pub(super) struct Marks<'a> {
    /// `xsi:nil`
    pub(super) nil: bool,
    /// The local name of its `xsi:type`.
    pub(super) kind: Option<&'a str>,
    /// Whether it is an array in SOAP's encoding.
    pub(super) array: bool,
    /// A reference to another element, which SOAP's encoding uses for values that occur twice: the attribute's name and
    /// value.
    pub(super) refers: Option<(&'static str, &'a str)>,
}

impl<'a> Marks<'a> {
    /// Reads the attributes.
    pub(super) fn of(element: Element<'a, '_>) -> Result<Marks<'a>, Fault> {
        let mut marks = Marks::default();
        for attribute in element.attributes() {
            let (namespace, value) = (element.namespace_of(attribute), attribute.value.trim());
            match attribute.name {
                "nil" | "null" if is_instance(namespace) => marks.nil = matches!(value, "true" | "1"),
                "type" if is_instance(namespace) => marks.kind = value.rsplit(':').next(),
                "arrayType" | "itemType" | "arraySize" => marks.array = namespace.is_some(),
                "href" if namespace.is_none() => marks.refers = Some(("href", value)),
                "ref" if namespace == Some("http://www.w3.org/2003/05/soap-encoding") => {
                    marks.refers = Some(("ref", value));
                }
                _ => {}
            }
        }
        Ok(marks)
    }
}

/// Whether a namespace is XML Schema's instance namespace. Each draft had a different year in it.
fn is_instance(namespace: Option<&str>) -> bool {
    namespace.is_some_and(|it| it.starts_with("http://www.w3.org/") && it.ends_with("/XMLSchema-instance"))
}

fn reference(attribute: &str, element: Element<'_, '_>) -> Fault {
    let name = abridge(element.name());
    shape(format!("`{name}` refers to another element by `{attribute}`; send the value itself"))
}
