//! A document's elements in one flat tree, and what all readers do alike who go by it.
//!
//! Two readers make it: one pass over documents without anything unusual in them ([`plain`]), and roxmltree for all of
//! XML, which also words what is wrong with a document. The first must read nothing that the second would read
//! otherwise.

use std::borrow::Cow;

use roxmltree::{Document, Node, ParsingOptions, StringStorage};

use super::{Reading, prolog};
use crate::codec::Limits;
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;

/// The tree of a document that describes messages, such as WSDL, within these limits.
///
/// # Errors
/// `NotWellFormed`, also for a document type declaration, and `Limit`.
pub fn description(text: &str, limits: Limits) -> Result<Document<'_>, Fault> {
    let text = text.trim_start_matches([' ', '\t', '\r', '\n']);
    prolog::start(text, Reading::Lenient)?;
    prolog::census_of_description(text, limits)?;
    Document::parse_with_options(text, options(limits)).map_err(|error| syntax(&error, limits))
}

/// How roxmltree reads a document within these limits.
fn options<'a>(limits: Limits) -> ParsingOptions<'a> {
    // Each piece of mark-up has at most a text before it and, if it is an element, one before its end; the census
    // has bounded this already.
    let nodes = limits.elements.saturating_mul(4).saturating_add(64);
    ParsingOptions { nodes_limit: u32::try_from(nodes).unwrap_or(u32::MAX), ..ParsingOptions::default() }
}

/// The elements of a document, in their order.
#[derive(Debug, Default, PartialEq)]
pub(in crate::codec) struct XmlTree<'a> {
    elements: Vec<ElementRecord<'a>>,
    attributes: Vec<XmlAttribute<'a>>,
    /// The namespaces that were declared, each time that one was.
    namespaces: Vec<Cow<'a, str>>,
}

/// The namespace of a name among those of its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Namespace(usize);

#[derive(Debug, PartialEq)]
struct ElementRecord<'a> {
    name: &'a str,
    namespace: Option<Namespace>,
    /// Where its attributes begin; they end where those of the next element begin.
    attributes: usize,
    /// The place behind all elements inside.
    end: usize,
    /// Its text, up to the first element inside.
    text: Cow<'a, str>,
    /// Whether text other than white space stands beside elements.
    mixed: bool,
}

/// An attribute of an element, without those that declare namespaces.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::codec) struct XmlAttribute<'a> {
    pub(super) namespace: Option<Namespace>,
    pub(in crate::codec) name: &'a str,
    pub(in crate::codec) value: Cow<'a, str>,
}

/// An element of a tree.
#[derive(Debug, Clone, Copy)]
pub(in crate::codec) struct Element<'x, 'a> {
    tree: &'x XmlTree<'a>,
    entry: &'x ElementRecord<'a>,
    at: usize,
}

impl<'a> XmlTree<'a> {
    /// The tree of a document that the census has let pass, by way of roxmltree.
    pub(in crate::codec) fn read_any(text: &'a str, limits: Limits) -> Result<XmlTree<'a>, roxmltree::Error> {
        let document = Document::parse_with_options(text, options(limits))?;
        Ok(TreeBuilder::default().copy(document.root_element()))
    }

    pub(in crate::codec) fn root(&self) -> Option<Element<'_, 'a>> {
        self.element(0)
    }

    /// All elements, in the order of their start tags.
    pub(in crate::codec) fn all(&self) -> impl Iterator<Item = Element<'_, 'a>> {
        self.elements.iter().enumerate().map(|(at, entry)| Element { tree: self, entry, at })
    }

    /// The element at a place.
    pub(in crate::codec) fn element(&self, at: usize) -> Option<Element<'_, 'a>> {
        self.elements.get(at).map(|entry| Element { tree: self, entry, at })
    }

    fn namespace(&self, namespace: Option<Namespace>) -> Option<&str> {
        namespace.and_then(|Namespace(at)| self.namespaces.get(at)).map(AsRef::as_ref)
    }
}

impl<'x, 'a> Element<'x, 'a> {
    /// Its name without a prefix.
    pub(in crate::codec) fn name(self) -> &'a str {
        self.entry.name
    }

    pub(in crate::codec) fn namespace(self) -> Option<&'x str> {
        self.tree.namespace(self.entry.namespace)
    }

    /// The same, for whoever keeps it longer than the tree.
    pub(in crate::codec) fn own_namespace(self) -> Option<Cow<'a, str>> {
        self.entry.namespace.and_then(|Namespace(at)| self.tree.namespaces.get(at)).cloned()
    }

    /// Its place in its tree.
    pub(in crate::codec) fn at(self) -> usize {
        self.at
    }

    pub(in crate::codec) fn attributes(self) -> &'x [XmlAttribute<'a>] {
        let next = self.tree.elements.get(self.at + 1);
        let end = next.map_or(self.tree.attributes.len(), |next| next.attributes);
        self.tree.attributes.get(self.entry.attributes..end).unwrap_or_default()
    }

    pub(in crate::codec) fn namespace_of(self, attribute: &XmlAttribute<'_>) -> Option<&'x str> {
        self.tree.namespace(attribute.namespace)
    }

    /// The value of an attribute of this namespace.
    pub(in crate::codec) fn attribute(self, namespace: &str, name: &str) -> Option<&'x str> {
        let is = |it: &&XmlAttribute<'_>| it.name == name && self.namespace_of(it) == Some(namespace);
        self.attributes().iter().find(is).map(|it| it.value.as_ref())
    }

    /// The elements inside, without those inside of them.
    pub(in crate::codec) fn elements(self) -> impl Iterator<Item = Element<'x, 'a>> {
        let (tree, end) = (self.tree, self.entry.end);
        let inside = move |at: usize| tree.element(at).filter(|_| at < end);
        std::iter::successors(inside(self.at + 1), move |element| inside(element.entry.end))
    }

    /// All elements inside, at any depth.
    pub(in crate::codec) fn inside(self) -> impl Iterator<Item = Element<'x, 'a>> {
        (self.at + 1..self.entry.end).filter_map(move |at| self.tree.element(at))
    }

    /// How much it is with all that is inside: each element counts as one, and its text by its bytes.
    pub(in crate::codec) fn weight(self) -> usize {
        self.inside().map(|element| 1 + element.entry.text.len()).sum::<usize>() + 1 + self.entry.text.len()
    }

    /// Whether there is neither an element nor any text inside.
    pub(in crate::codec) fn is_empty(self) -> bool {
        self.is_text() && self.entry.text.is_empty()
    }

    /// Whether there is no element inside.
    pub(in crate::codec) fn is_text(self) -> bool {
        self.entry.end == self.at + 1
    }

    /// All of its text: comments and processing instructions may split it, elements may not.
    pub(in crate::codec) fn text(self) -> Result<Cow<'a, str>, Fault> {
        match self.elements().next() {
            None => Ok(self.entry.text.clone()),
            Some(child) => Err(misplaced(child.name(), self.name())),
        }
    }

    /// Refuses text other than white space among the elements inside.
    pub(in crate::codec) fn no_text(self) -> Result<(), Fault> {
        let text = self.entry.mixed || !is_blank(&self.entry.text);
        if text { Err(shape(format!("text does not belong in `{}`", self.name()))) } else { Ok(()) }
    }
}

/// A tree that is being made, element by element.
#[derive(Default)]
pub(super) struct TreeBuilder<'a> {
    tree: XmlTree<'a>,
    /// The places of the elements that are open.
    open: Vec<usize>,
}

impl<'a> TreeBuilder<'a> {
    /// Begins an element, whose attributes are to follow.
    pub(super) fn enter(&mut self, name: &'a str, namespace: Option<Namespace>) {
        let at = self.tree.elements.len();
        if self.tree.elements.is_empty() {
            self.tree.elements.reserve(8);
        }
        let (attributes, text) = (self.tree.attributes.len(), Cow::Borrowed(""));
        self.tree.elements.push(ElementRecord { name, namespace, attributes, end: at + 1, text, mixed: false });
        self.open.push(at);
    }

    pub(super) fn attribute(&mut self, attribute: XmlAttribute<'a>) {
        self.tree.attributes.push(attribute);
    }

    pub(super) fn declare(&mut self, namespace: Cow<'a, str>) -> Namespace {
        self.tree.namespaces.push(namespace);
        Namespace(self.tree.namespaces.len() - 1)
    }

    /// Text inside the element that was begun last and has not ended.
    pub(super) fn text(&mut self, text: Cow<'a, str>) {
        let (count, open) = (self.tree.elements.len(), self.open.last());
        let Some((at, entry)) = open.and_then(|at| Some((at, self.tree.elements.get_mut(*at)?))) else { return };
        if at + 1 < count {
            entry.mixed |= !is_blank(&text);
        } else if entry.text.is_empty() {
            entry.text = text;
        } else {
            entry.text.to_mut().push_str(&text);
        }
    }

    /// Ends the element that was begun last.
    pub(super) fn leave(&mut self) {
        let end = self.tree.elements.len();
        if let Some(entry) = self.open.pop().and_then(|at| self.tree.elements.get_mut(at)) {
            entry.end = end;
        }
    }

    /// How many elements are open.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    pub(super) fn finish(self) -> XmlTree<'a> {
        self.tree
    }

    /// Whether the element that was begun last has two attributes of one name.
    pub(super) fn has_twins(&self) -> bool {
        let first = self.tree.elements.last().map_or(0, |entry| entry.attributes);
        let all = self.tree.attributes.get(first..).unwrap_or_default();
        let same = |one: &XmlAttribute<'_>, other: &XmlAttribute<'_>| {
            one.name == other.name && self.tree.namespace(one.namespace) == self.tree.namespace(other.namespace)
        };
        all.iter().enumerate().any(|(at, one)| all.iter().skip(at + 1).any(|other| same(one, other)))
    }

    /// The tree of what roxmltree has read.
    fn copy(mut self, root: Node<'_, 'a>) -> XmlTree<'a> {
        let mut ends = Vec::new();
        for node in root.descendants() {
            let begin = node.range().start;
            while ends.pop_if(|end| *end <= begin).is_some() {
                self.leave();
            }
            if node.is_element() {
                ends.push(node.range().end);
                self.copy_element(node);
            } else if node.is_text()
                && let Some(text) = node.text_storage()
            {
                self.text(owned(text));
            }
        }
        while self.depth() > 0 {
            self.leave();
        }
        self.finish()
    }

    fn copy_element(&mut self, node: Node<'_, 'a>) {
        let namespace = node.tag_name().namespace().map(|uri| self.known(uri));
        self.enter(node.tag_name().name(), namespace);
        for attribute in node.attributes() {
            let namespace = attribute.namespace().map(|uri| self.known(uri));
            self.attribute(XmlAttribute { namespace, name: attribute.name(), value: owned(attribute.value_storage()) });
        }
    }

    /// A namespace, declared if it was not; a document has but few.
    fn known(&mut self, uri: &str) -> Namespace {
        let known = self.tree.namespaces.iter().position(|known| known == uri);
        known.map_or_else(|| self.declare(Cow::Owned(uri.to_owned())), Namespace)
    }
}

fn owned<'a>(text: &StringStorage<'a>) -> Cow<'a, str> {
    match text {
        StringStorage::Borrowed(text) => Cow::Borrowed(text),
        StringStorage::Owned(text) => Cow::Owned(text.as_ref().to_owned()),
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}

/// What to say where no tree can be made.
pub(in crate::codec) fn syntax(error: &roxmltree::Error, limits: Limits) -> Fault {
    use roxmltree::Error::{AttributesLimitReached, NamespacesLimitReached, NodesLimitReached};
    match error {
        NodesLimitReached | AttributesLimitReached | NamespacesLimitReached => {
            Fault::new(Kind::Limit, prolog::too_many(limits))
        }
        error => Fault::new(Kind::NotWellFormed, format!("not well-formed: {}", abridge(&error.to_string()))),
    }
}

/// An element stands where it does not belong.
pub(in crate::codec) fn misplaced(name: &str, parent: &str) -> Fault {
    shape(format!("`{}` does not belong in `{}`", abridge(name), abridge(parent)))
}

/// The document is XML, but not what it should be.
pub(in crate::codec) fn shape(message: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(Kind::Structure, message)
}
