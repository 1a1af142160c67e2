//! The documents of a description, with their components by kind and qualified name.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

use roxmltree::{Document as Xml, Node};

use super::{Document, Links, description_fault, known};
use crate::codec::DocumentLimits;
use crate::codec::xml::{description, without_doctype};
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;

/// The namespace of WSDL 1.1.
pub(super) const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
/// The namespace of XML Schema.
pub(super) const XSD: &str = "http://www.w3.org/2001/XMLSchema";

/// The namespaces of earlier versions of XML Schema, which are not supported.
const OLD_XSD: [&str; 3] =
    ["http://www.w3.org/1999/XMLSchema", "http://www.w3.org/2000/08/XMLSchema", "http://www.w3.org/2000/10/XMLSchema"];
/// The namespace of WSDL 2.0.
const WSDL_20: &str = "http://www.w3.org/ns/wsdl";

/// The namespace of `xml:lang` and the like.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// How many schemas without a target namespace may be part of namespaces, each once for each namespace.
const MAX_ADOPTED: usize = 256;
/// How many errors have the line and the column. Each is a search through the document.
const MAX_POSITIONS: usize = 100;
/// The largest number of elements in all documents of a description together.
const MAX_ELEMENTS: usize = 1_000_000;

/// An element of a description.
pub(super) type ElementRef<'x> = Node<'x, 'x>;

/// A qualified name. The namespace is empty if the name has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct QName {
    pub(super) namespace: String,
    pub(super) local: String,
}

/// The kind of a named component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ComponentKind {
    Message,
    PortType,
    Binding,
    Element,
    Type,
    Group,
    Attribute,
    AttributeGroup,
}

impl ComponentKind {
    /// The kind of a component of XML Schema.
    fn of_schema(element: ElementRef<'_>) -> Option<ComponentKind> {
        if element.tag_name().namespace() != Some(XSD) {
            return None;
        }
        match element.tag_name().name() {
            "element" => Some(ComponentKind::Element),
            "complexType" | "simpleType" => Some(ComponentKind::Type),
            "group" => Some(ComponentKind::Group),
            "attribute" => Some(ComponentKind::Attribute),
            "attributeGroup" => Some(ComponentKind::AttributeGroup),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            ComponentKind::Message => "message",
            ComponentKind::PortType => "port type",
            ComponentKind::Binding => "binding",
            ComponentKind::Element => "element",
            ComponentKind::Type => "type",
            ComponentKind::Group => "group",
            ComponentKind::Attribute => "attribute",
            ComponentKind::AttributeGroup => "attribute group",
        }
    }
}

/// The text of a document, without its document type declaration.
pub(super) struct SourceText<'a> {
    location: &'a str,
    text: Cow<'a, str>,
}

impl<'a> SourceText<'a> {
    pub(super) fn new(document: Document<'a>) -> SourceText<'a> {
        // Some servers write white space before the XML declaration. It is harmless.
        let text = document.text.trim_start_matches([' ', '\t', '\r', '\n']);
        SourceText { location: document.location, text: without_doctype(text) }
    }

    /// The schema as it is part of another namespace: with that as its target namespace, and as the namespace of its names
    /// without a prefix (XML Schema Part 1, section 4.2.1).
    fn in_namespace(&self, root: ElementRef<'_>, namespace: &str) -> SourceText<'a> {
        let start = root.range().start;
        let tag = self.text.get(start + 1..).unwrap_or_default();
        let name = tag.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')).unwrap_or(tag.len());
        let (before, behind) = self.text.split_at_checked(start + 1 + name).unwrap_or_default();
        let namespace = namespace.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        let default = match root.default_namespace() {
            Some(_) => String::new(),
            None => format!(" xmlns=\"{namespace}\""),
        };
        let text = format!("{before} targetNamespace=\"{namespace}\"{default}{behind}");
        SourceText { location: self.location, text: Cow::Owned(text) }
    }
}

/// A document as a tree.
pub(super) struct SourceTree<'x> {
    location: &'x str,
    xml: Xml<'x>,
}

/// Parses the documents.
pub(super) fn trees<'x>(texts: &'x [SourceText<'_>]) -> Result<Vec<SourceTree<'x>>, Fault> {
    let mut left = MAX_ELEMENTS;
    let mut trees = Vec::with_capacity(texts.len());
    for SourceText { location, text } in texts {
        let limits = DocumentLimits { elements: left, ..DocumentLimits::default() };
        let xml = description(text, limits)
            .map_err(|fault| Fault::new(fault.kind, format!("{location}: {}", fault.message)))?;
        left = left.saturating_sub(xml.root().descendants().count());
        trees.push(SourceTree { location, xml });
    }
    Ok(trees)
}

/// The schemas without a target namespace that schemas with one include: the first become part of the namespaces of the
/// second. `links` has the document that each reference in a document leads to.
///
/// # Errors
/// `Limit` if there are too many.
pub(super) fn adopted<'a>(
    texts: &[SourceText<'a>],
    trees: &[SourceTree<'_>],
    links: &Links,
) -> Result<Vec<SourceText<'a>>, Fault> {
    let mut found: BTreeSet<(usize, String)> = BTreeSet::new();
    let mut waiting: Vec<(usize, ElementRef<'_>, Option<String>)> = Vec::new();
    for (at, tree) in trees.iter().enumerate() {
        waiting.extend(
            schemas_of(tree).map(|schema| (at, schema, schema.attribute("targetNamespace").map(str::to_owned))),
        );
    }
    while let Some((at, schema, namespace)) = waiting.pop() {
        let Some(namespace) = namespace.filter(|namespace| !namespace.is_empty()) else { continue };
        let parts = children(schema).filter(|child| is(*child, XSD, "include") || is(*child, XSD, "redefine"));
        for location in parts.filter_map(|part| part.attribute("schemaLocation")) {
            let Some(target) = links.get(&(at, location.trim().to_owned())) else { continue };
            let Some(root) = trees.get(*target).map(|tree| tree.xml.root_element()) else { continue };
            if !is(root, XSD, "schema") || root.attribute("targetNamespace").is_some_and(|own| !own.is_empty()) {
                continue;
            }
            if found.insert((*target, namespace.clone())) {
                if found.len() > MAX_ADOPTED {
                    return Err(Fault::new(Kind::Limit, "too many schemas without a target namespace are included"));
                }
                waiting.push((*target, root, Some(namespace.clone())));
            }
        }
    }
    let adopted = found.iter().filter_map(|(at, namespace)| {
        Some(texts.get(*at)?.in_namespace(trees.get(*at)?.xml.root_element(), namespace))
    });
    Ok(adopted.collect())
}

/// The schemas of a document.
fn schemas_of<'x>(tree: &'x SourceTree<'x>) -> impl Iterator<Item = ElementRef<'x>> {
    let root = tree.xml.root_element();
    let types = children(root).filter(|child| is(*child, WSDL, "types")).flat_map(children);
    [root].into_iter().chain(types).filter(|element| is(*element, XSD, "schema"))
}

/// All documents of a description.
pub(super) struct Sources<'x> {
    trees: &'x [SourceTree<'x>],
    /// The roots that are `wsdl:definitions`, in the order of the documents.
    pub(super) definitions: Vec<ElementRef<'x>>,
    named: HashMap<(ComponentKind, QName), ElementRef<'x>>,
    /// The components that `xs:redefine` replaces.
    redefined: HashMap<(ComponentKind, QName), ElementRef<'x>>,
    has_redefinitions: bool,
    /// The target namespaces of schemas of an older XML Schema.
    outdated: HashSet<String>,
    imports: Vec<String>,
    /// How many positions may still be found.
    positions: Cell<usize>,
}

impl<'x> Sources<'x> {
    pub(super) fn new(trees: &'x [SourceTree<'x>]) -> Result<Sources<'x>, Fault> {
        let mut sources = Sources {
            trees,
            definitions: Vec::new(),
            named: HashMap::new(),
            redefined: HashMap::new(),
            has_redefinitions: false,
            outdated: HashSet::new(),
            imports: Vec::new(),
            positions: Cell::new(MAX_POSITIONS),
        };
        let mut known = HashSet::new();
        for tree in trees {
            let root = tree.xml.root_element();
            if is(root, WSDL, "definitions") {
                sources.definitions(root, &mut known);
            } else if is(root, XSD, "schema") {
                sources.schema(root, &mut known);
            } else {
                let name = abridge(root.tag_name().name());
                let what = match root.tag_name().namespace() {
                    Some(namespace) if OLD_XSD.contains(&namespace) => outdated(namespace),
                    Some(WSDL_20) => "the document is WSDL 2.0, and only WSDL 1.1 is supported".to_owned(),
                    _ => format!("`{name}` is neither WSDL 1.1 nor XML Schema"),
                };
                return Err(sources.description_fault(root, &what));
            }
        }
        Ok(sources)
    }

    pub(super) fn imports(self) -> Vec<String> {
        self.imports
    }

    fn definitions(&mut self, root: ElementRef<'x>, known: &mut HashSet<&'x str>) {
        self.definitions.push(root);
        let namespace = root.attribute("targetNamespace").unwrap_or_default();
        for child in children(root).filter(|child| child.tag_name().namespace() == Some(WSDL)) {
            match child.tag_name().name() {
                "message" => self.add(ComponentKind::Message, namespace, child),
                "portType" => self.add(ComponentKind::PortType, namespace, child),
                "binding" => self.add(ComponentKind::Binding, namespace, child),
                "import" => self.refer(child, "location", known),
                "types" => {
                    for schema in children(child).filter(|child| child.tag_name().name() == "schema") {
                        match schema.tag_name().namespace() {
                            Some(XSD) => self.schema(schema, known),
                            Some(namespace) if OLD_XSD.contains(&namespace) => {
                                let target = schema.attribute("targetNamespace").unwrap_or_default();
                                self.outdated.insert(target.to_owned());
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn schema(&mut self, root: ElementRef<'x>, known: &mut HashSet<&'x str>) {
        let namespace = root.attribute("targetNamespace").unwrap_or_default();
        for child in children(root).filter(|child| child.tag_name().namespace() == Some(XSD)) {
            match child.tag_name().name() {
                "import" | "include" => self.refer(child, "schemaLocation", known),
                "redefine" => {
                    self.refer(child, "schemaLocation", known);
                    self.has_redefinitions = true;
                    children(child).for_each(|redefined| self.redefine(namespace, redefined));
                }
                _ => self.component(namespace, child),
            }
        }
    }

    fn component(&mut self, namespace: &str, element: ElementRef<'x>) {
        if let Some(kind) = ComponentKind::of_schema(element) {
            self.add(kind, namespace, element);
        }
    }

    fn add(&mut self, kind: ComponentKind, namespace: &str, element: ElementRef<'x>) {
        let Some(name) = component_name(namespace, element) else { return };
        match self.named.entry((kind, name)) {
            Entry::Vacant(entry) => drop(entry.insert(element)),
            Entry::Occupied(entry) if is_redefinition(*entry.get()) => {
                self.redefined.entry(entry.key().clone()).or_insert(element);
            }
            Entry::Occupied(_) => {}
        }
    }

    /// Replaces a component that the redefined schema has, wherever that schema is (XML Schema Part 1, section 4.2.2).
    fn redefine(&mut self, namespace: &str, element: ElementRef<'x>) {
        let (Some(kind), Some(name)) = (ComponentKind::of_schema(element), component_name(namespace, element)) else {
            return;
        };
        if let Some(original) = self.named.insert((kind, name.clone()), element) {
            self.redefined.entry((kind, name)).or_insert(original);
        }
    }

    fn refer(&mut self, element: ElementRef<'x>, attribute: &str, known: &mut HashSet<&'x str>) {
        let location = element.attribute(attribute).map(str::trim).filter(|location| !location.is_empty());
        let followed = location.filter(|location| !known::is_known(element.attribute("namespace"), location));
        if let Some(location) = followed.filter(|location| known.insert(location)) {
            self.imports.push(location.to_owned());
        }
    }

    /// All components of a kind, in the order of the documents.
    pub(super) fn all(&self, kind: ComponentKind) -> Vec<ElementRef<'x>> {
        let named = self.named.iter().filter(|((known, _), _)| *known == kind);
        let mut all: Vec<_> = named.map(|(_, element)| *element).collect();
        all.sort_by_cached_key(|element| self.number(*element));
        all
    }

    /// The component with a name that an attribute of `from` refers to.
    ///
    /// Some documents are wrong about namespaces. A name that is in the namespace of WSDL, because it has no prefix, is
    /// looked up in the target namespace, and a name that is not found in its namespace among those of no namespace.
    pub(super) fn find(
        &self,
        kind: ComponentKind,
        name: &QName,
        from: ElementRef<'x>,
    ) -> Result<ElementRef<'x>, Fault> {
        let named = |namespace: &str| QName { namespace: namespace.to_owned(), local: name.local.clone() };
        // Within its own redefinition, a name is that of the component that is redefined.
        let redefinition = from.ancestors().find(|outer| self.has_redefinitions && is_redefinition(*outer));
        let is_inside = redefinition.is_some_and(|outer| {
            ComponentKind::of_schema(outer) == Some(kind) && outer.attribute("name") == Some(&name.local)
        });
        let key = (kind, name.clone());
        let found = if is_inside { self.redefined.get(&key) } else { self.named.get(&key) };
        let in_target = || (name.namespace == WSDL).then(|| self.named.get(&(kind, named(target(from))))).flatten();
        let found = found.or_else(in_target).or_else(|| self.named.get(&(kind, named(""))).filter(|_| !is_inside));
        found.copied().ok_or_else(|| {
            let [local, namespace] = [&name.local, &name.namespace].map(|text| abridge(text));
            let is_outdated = OLD_XSD.contains(&name.namespace.as_str()) || self.outdated.contains(&name.namespace);
            self.description_fault(
                from,
                &match is_outdated {
                    true => outdated(&name.namespace),
                    false => format!("there is no {} `{local}` in the namespace `{namespace}`", kind.word()),
                },
            )
        })
    }

    /// The qualified name in an attribute.
    pub(super) fn qname(&self, element: ElementRef<'x>, attribute: &str) -> Result<Option<QName>, Fault> {
        element.attribute(attribute).map(|text| self.resolve(element, text)).transpose()
    }

    /// The qualified name for the text of an attribute.
    pub(super) fn resolve(&self, element: ElementRef<'x>, text: &str) -> Result<QName, Fault> {
        let text = text.trim();
        let (prefix, local) = match text.split_once(':') {
            Some((prefix, local)) => (Some(prefix), local),
            None => (None, text),
        };
        // The prefix `xml` is never declared (Namespaces in XML 1.0, section 3).
        let namespace = if prefix == Some("xml") { Some(XML) } else { element.lookup_namespace_uri(prefix) };
        match (prefix, namespace) {
            (Some(prefix), None) => {
                Err(self.description_fault(element, &format!("the prefix `{}` is not declared", abridge(prefix))))
            }
            (_, namespace) => {
                Ok(QName { namespace: namespace.unwrap_or_default().to_owned(), local: local.to_owned() })
            }
        }
    }

    /// The fault for an error at an element.
    pub(super) fn description_fault(&self, element: ElementRef<'x>, what: &str) -> Fault {
        description_fault(format!("{}: {what}", self.position(element)))
    }

    /// The document, line and column of an element.
    pub(super) fn position(&self, element: ElementRef<'x>) -> String {
        let xml = element.document();
        let location = self.trees.iter().find(|tree| std::ptr::eq(&tree.xml, xml)).map_or("", |tree| tree.location);
        let Some(left) = self.positions.get().checked_sub(1) else { return location.to_owned() };
        self.positions.set(left);
        let at = xml.text_pos_at(element.range().start);
        format!("{location}:{}:{}", at.row, at.col)
    }

    /// The index of the document of an element, and its number in that document. Together they are unique.
    pub(super) fn number(&self, element: ElementRef<'x>) -> (usize, u32) {
        let document = self.trees.iter().position(|tree| std::ptr::eq(&tree.xml, element.document()));
        (document.unwrap_or_default(), element.id().get())
    }
}

pub(super) fn children<'x>(parent: ElementRef<'x>) -> impl Iterator<Item = ElementRef<'x>> {
    parent.children().filter(Node::is_element)
}

pub(super) fn is(element: ElementRef<'_>, namespace: &str, name: &str) -> bool {
    element.tag_name().name() == name && element.tag_name().namespace() == Some(namespace)
}

/// The first child with this name in the namespace of XML Schema.
pub(super) fn schema_child<'x>(parent: ElementRef<'x>, name: &str) -> Option<ElementRef<'x>> {
    children(parent).find(|child| is(*child, XSD, name))
}

/// The documentation of an element of WSDL or XML Schema.
pub(super) fn documentation(element: ElementRef<'_>) -> String {
    let own = children(element).find(|child| is(*child, WSDL, "documentation"));
    let noted = || schema_child(element, "annotation").and_then(|note| schema_child(note, "documentation"));
    let Some(found) = own.or_else(noted) else { return String::new() };
    let text: String = found.descendants().filter(|node| node.is_text()).filter_map(|node| node.text()).collect();
    text.trim().to_owned()
}

/// The target namespace that applies to an element: that of its schema, or else of its WSDL document.
pub(super) fn target(element: ElementRef<'_>) -> &str {
    let mut outer = element.ancestors().filter(|outer| is(*outer, XSD, "schema") || is(*outer, WSDL, "definitions"));
    outer.next().and_then(|outer| outer.attribute("targetNamespace")).unwrap_or_default()
}

fn component_name(namespace: &str, element: ElementRef<'_>) -> Option<QName> {
    Some(QName { namespace: namespace.to_owned(), local: element.attribute("name")?.to_owned() })
}

fn is_redefinition(element: ElementRef<'_>) -> bool {
    element.parent_element().is_some_and(|parent| is(parent, XSD, "redefine"))
}

/// The reason why something of an earlier version of XML Schema is not read.
fn outdated(namespace: &str) -> String {
    format!(
        "the types are in an XML Schema of 1999 or 2000, and only that of 2001 is supported (`{}`)",
        abridge(namespace)
    )
}
