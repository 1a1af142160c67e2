//! Reads what elements of responses have beyond a value that is not a struct: attributes of texts, lists and null, and
//! elements beside the items of a list or the result. Such a value becomes a struct with all of it.

use super::{BindingReader, UndeclaredMember, gather, has_others, is_blank, is_reference, is_soap_namespace};
use crate::codec::soap::binding::{ElementContent, MessagePart, Occurrence, PartKind, TEXT, TypeStructure};
use crate::codec::tape::TapeNode;
use crate::codec::xml::tree::Element;
use crate::model::fault::Fault;

/// The namespace of `xml:space`, which says how to lay a text out and is no content of it.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

impl<'s, 'a> BindingReader<'s, '_, 'a> {
    /// Whether an element has attributes that are content.
    pub(super) fn has_attributes(&self, element: Element<'_, 'a>) -> bool {
        element.attributes().iter().any(|it| {
            let namespace = element.namespace_of(it);
            let is_layout = it.name == "space" && namespace == Some(XML);
            !is_soap_namespace(namespace) && !is_layout && !self.refers(element, it.name)
        })
    }

    /// Whether an element has no content: no text and no element but empty ones, as for a result that is null.
    pub(super) fn is_empty_result(&self, element: Element<'_, 'a>) -> bool {
        let is_empty = |child: Element<'_, 'a>| child.is_text() && is_blank(&child.whole_text());
        is_blank(&element.whole_text()) && element.elements().all(|it| is_empty(it) && !self.has_attributes(it))
    }

    /// Whether an attribute connects elements, or an element with its bytes.
    fn refers(&self, element: Element<'_, 'a>, name: &str) -> bool {
        (self.encoded && is_reference(name)) || (name == "href" && self.included(element).is_some())
    }

    /// Pushes the value of an element that has no child elements: alone, or as the text of a struct if the element has
    /// attributes.
    pub(super) fn value_of_text(
        &mut self,
        element: Element<'_, 'a>,
        node: TapeNode<'a>,
        depth: usize,
    ) -> Result<(), Fault> {
        if !self.has_attributes(element) {
            self.inner.tape.push(node);
            return Ok(());
        }
        let depth = self.inner.deeper(depth)?;
        let opened = self.inner.tape.open();
        let attributes = gather(element, std::iter::empty(), |name| !self.refers(element, name));
        let mut count = self.all_further(attributes, depth)?;
        if node != TapeNode::Nil {
            self.named(TEXT, node);
            count += 1;
        }
        self.inner.tape.close_struct(opened, count)
    }

    /// Pushes null for an element that says that it is nil, or a struct of its attributes if it has any. A text with declared
    /// attributes is null among them.
    pub(super) fn nil(
        &mut self,
        element: Element<'_, 'a>,
        content: &'s ElementContent,
        depth: usize,
    ) -> Result<(), Fault> {
        let binding = self.binding;
        let declared = match content {
            ElementContent::Typed(at) => match binding.typed(*at).map(|typed| &typed.structure) {
                Some(TypeStructure::Members(record)) => record.parts.as_slice(),
                _ => &[],
            },
            _ => &[],
        };
        if declared.is_empty() || !self.has_attributes(element) {
            return self.value_of_text(element, TapeNode::Nil, depth);
        }
        let depth = self.inner.deeper(depth)?;
        let opened = self.inner.tape.open();
        let mut count = 0;
        for part in declared.iter().filter(|part| part.kind != PartKind::Element) {
            let node = match part.kind {
                PartKind::Text => Some(TapeNode::Nil),
                _ => self.part_text(element, part)?,
            };
            if let Some(node) = node {
                self.named(&part.name, node);
                count += 1;
            }
        }
        let is_declared =
            |name: &str| declared.iter().any(|it| it.kind == PartKind::Attribute && it.element.local == name);
        let attributes = gather(element, std::iter::empty(), |name| !is_declared(name) && !self.refers(element, name));
        count += self.all_further(attributes, depth)?;
        self.inner.tape.close_struct(opened, count)
    }

    /// Whether the element in the Body has text or elements beside its one declared member. What is beside a list is passed
    /// over, because the items are passed on while they arrive.
    pub(super) fn has_undeclared_siblings(&self, element: Element<'_, 'a>, part: &MessagePart) -> bool {
        let is_list = match &part.content {
            _ if part.occurs == Occurrence::Repeatedly => true,
            ElementContent::Typed(at) => matches!(
                self.binding.typed(*at).map(|typed| &typed.structure),
                Some(TypeStructure::Items(_) | TypeStructure::Array(_))
            ),
            _ => false,
        };
        let has_text = || !element.is_text() && !is_blank(&element.whole_text());
        !(self.encoded || is_list) && (has_others(element, &part.element.local) || has_text())
    }

    /// Reads an element with one declared member as a struct: the member, and everything else that the element has.
    pub(super) fn struct_with_undeclared(
        &mut self,
        element: Element<'_, 'a>,
        part: &'s MessagePart,
        attributes: bool,
        depth: usize,
    ) -> Result<(), Fault> {
        let is_named = |child: &Element<'_, 'a>| child.name() == part.element.local;
        let found: Vec<_> = element.elements().filter(is_named).collect();
        let depth = self.inner.deeper(depth)?;
        let opened = self.inner.tape.open();
        let mut count = 0;
        if !found.is_empty() {
            self.inner.name(part.name.clone().into());
            self.member(part, &found, depth)?;
            count += 1;
        }
        let others = element.elements().filter(|child| !is_named(child));
        let further = gather(element, others, |name| attributes && !self.refers(element, name));
        count += self.all_further(further, depth)?;
        let text = element.whole_text();
        if !is_blank(&text) {
            self.named(TEXT, TapeNode::Text(text));
            count += 1;
        }
        self.inner.tape.close_struct(opened, count)
    }

    fn all_further(&mut self, further: Vec<UndeclaredMember<'_, 'a>>, depth: usize) -> Result<usize, Fault> {
        let count = further.len();
        for UndeclaredMember { name, elements, attributes } in further {
            self.inner.name(name);
            self.further(&elements, attributes, depth)?;
        }
        Ok(count)
    }
}
