//! The element tree of a document, stored as flat lists, and its construction from a roxmltree document.

use std::borrow::Cow;
use std::collections::BTreeMap;

use roxmltree::{Document, Node, ParsingOptions, StringStorage};

use super::{Reading, prolog};
use crate::codec::DocumentLimits;
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;

/// Parses a document that describes services, such as WSDL. It begins with its XML declaration, if it has one.
///
/// # Errors
/// `NotWellFormed`, also for a document type declaration (see [`without_doctype`](super::without_doctype)), and `Limit`.
pub fn description(text: &str, limits: DocumentLimits) -> Result<Document<'_>, Fault> {
    prolog::start(text, Reading::Lenient)?;
    prolog::census_of_description(text, limits)?;
    Document::parse_with_options(text, options(limits)).map_err(|error| syntax(&error, limits))
}

/// The options of roxmltree for these limits.
fn options<'a>(limits: DocumentLimits) -> ParsingOptions<'a> {
    // Each tag has at most one text before it, so the number of nodes is a small multiple of the number of elements,
    // which the census has limited already.
    let nodes = limits.elements.saturating_mul(4).saturating_add(64);
    ParsingOptions { nodes_limit: u32::try_from(nodes).unwrap_or(u32::MAX), ..ParsingOptions::default() }
}

/// The elements of a document, in document order.
#[derive(Debug, Default, PartialEq)]
pub(in crate::codec) struct XmlTree<'a> {
    elements: Vec<ElementRecord<'a>>,
    attributes: Vec<XmlAttribute<'a>>,
    /// The declared namespaces, one entry for each declaration.
    namespaces: Vec<Cow<'a, str>>,
    /// The texts after the first child element of the elements that are mixed, by index.
    tails: BTreeMap<usize, String>,
}

/// The index of a namespace in its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Namespace(usize);

#[derive(Debug, PartialEq)]
struct ElementRecord<'a> {
    name: &'a str,
    namespace: Option<Namespace>,
    /// The index of its first attribute; its attributes end where those of the next element begin.
    attributes: usize,
    /// The index after its last descendant.
    end: usize,
    /// Its text, up to the first element inside.
    text: Cow<'a, str>,
    /// Whether it has text other than white space next to child elements.
    mixed: bool,
}

/// An attribute that is not a namespace declaration.
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
    /// Reads a document that has passed the census, with roxmltree.
    pub(in crate::codec) fn read_any(text: &'a str, limits: DocumentLimits) -> Result<XmlTree<'a>, roxmltree::Error> {
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

    /// The element with this index.
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

    /// Its namespace, borrowed from the document if possible, so that it can outlive the tree.
    pub(in crate::codec) fn own_namespace(self) -> Option<Cow<'a, str>> {
        self.entry.namespace.and_then(|Namespace(at)| self.tree.namespaces.get(at)).cloned()
    }

    /// Its index in its tree.
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

    /// Its child elements.
    pub(in crate::codec) fn elements(self) -> impl Iterator<Item = Element<'x, 'a>> {
        let (tree, end) = (self.tree, self.entry.end);
        let inside = move |at: usize| tree.element(at).filter(|_| at < end);
        std::iter::successors(inside(self.at + 1), move |element| inside(element.entry.end))
    }

    /// Its descendants, in document order.
    pub(in crate::codec) fn inside(self) -> impl Iterator<Item = Element<'x, 'a>> {
        (self.at + 1..self.entry.end).filter_map(move |at| self.tree.element(at))
    }

    /// Its size with all descendants: one for each element, and the bytes of their texts.
    pub(in crate::codec) fn weight(self) -> usize {
        self.inside().map(|element| 1 + element.entry.text.len()).sum::<usize>() + 1 + self.entry.text.len()
    }

    /// Whether it has neither child elements nor text.
    pub(in crate::codec) fn is_empty(self) -> bool {
        self.is_text() && self.entry.text.is_empty()
    }

    /// Whether it has no child elements.
    pub(in crate::codec) fn is_text(self) -> bool {
        self.entry.end == self.at + 1
    }

    /// Its whole text, across comments and processing instructions. Fails if it has child elements.
    pub(in crate::codec) fn text(self) -> Result<Cow<'a, str>, Fault> {
        match self.elements().next() {
            None => Ok(self.entry.text.clone()),
            Some(child) => Err(misplaced(child.name(), self.name())),
        }
    }

    /// Its own text, before, between and after its child elements. White space alone between elements is left out.
    pub(in crate::codec) fn whole_text(self) -> Cow<'a, str> {
        match self.tree.tails.get(&self.at) {
            Some(tail) if is_blank(&self.entry.text) => Cow::Owned(tail.clone()),
            Some(tail) => Cow::Owned(format!("{}{tail}", self.entry.text)),
            None => self.entry.text.clone(),
        }
    }

    /// Fails if there is text other than white space next to the child elements.
    pub(in crate::codec) fn no_text(self) -> Result<(), Fault> {
        let text = self.entry.mixed || !is_blank(&self.entry.text);
        if text { Err(shape(format!("text does not belong in `{}`", self.name()))) } else { Ok(()) }
    }
}

/// Builds a tree, element by element.
#[derive(Default)]
pub(super) struct TreeBuilder<'a> {
    tree: XmlTree<'a>,
    /// The indices of the open elements.
    open: Vec<usize>,
}

impl<'a> TreeBuilder<'a> {
    /// Opens an element; its attributes follow.
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

    /// Adds text to the innermost open element.
    pub(super) fn text(&mut self, text: Cow<'a, str>) {
        let (count, open) = (self.tree.elements.len(), self.open.last());
        let Some((at, entry)) = open.and_then(|at| Some((at, self.tree.elements.get_mut(*at)?))) else { return };
        if at + 1 < count {
            if !is_blank(&text) {
                entry.mixed = true;
                self.tree.tails.entry(*at).or_default().push_str(&text);
            }
        } else if entry.text.is_empty() {
            entry.text = text;
        } else {
            entry.text.to_mut().push_str(&text);
        }
    }

    /// Closes the innermost open element.
    pub(super) fn leave(&mut self) {
        let end = self.tree.elements.len();
        if let Some(entry) = self.open.pop().and_then(|at| self.tree.elements.get_mut(at)) {
            entry.end = end;
        }
    }

    /// The number of open elements.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    pub(super) fn finish(self) -> XmlTree<'a> {
        self.tree
    }

    /// Whether the element opened last has two attributes with the same name.
    pub(super) fn has_ambiguous_names(&self) -> bool {
        let first = self.tree.elements.last().map_or(0, |entry| entry.attributes);
        let all = self.tree.attributes.get(first..).unwrap_or_default();
        let same = |one: &XmlAttribute<'_>, other: &XmlAttribute<'_>| {
            one.name == other.name && self.tree.namespace(one.namespace) == self.tree.namespace(other.namespace)
        };
        all.iter().enumerate().any(|(at, one)| all.iter().skip(at + 1).any(|other| same(one, other)))
    }

    /// Copies a tree of roxmltree.
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

    /// The index of a namespace, which is added if it is new. The linear search is cheap: a document has few namespaces.
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

/// Converts a parser error into a fault.
pub(in crate::codec) fn syntax(error: &roxmltree::Error, limits: DocumentLimits) -> Fault {
    use roxmltree::Error::{AttributesLimitReached, NamespacesLimitReached, NodesLimitReached};
    match error {
        NodesLimitReached | AttributesLimitReached | NamespacesLimitReached => {
            Fault::new(Kind::Limit, prolog::too_many(limits))
        }
        error => Fault::new(Kind::NotWellFormed, format!("not well-formed: {}", abridge(&error.to_string()))),
    }
}

/// The fault for an element that is not allowed in its parent.
pub(in crate::codec) fn misplaced(name: &str, parent: &str) -> Fault {
    shape(format!("`{}` does not belong in `{}`", abridge(name), abridge(parent)))
}

/// The fault for a document that is XML, but not of the expected structure.
pub(in crate::codec) fn shape(message: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(Kind::Structure, message)
}
