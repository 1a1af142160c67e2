//! The documents of a description, with their components by kind and qualified name.

use std::collections::HashMap;

use roxmltree::{Document as Xml, Node};

use super::{Document, description_fault};
use crate::codec::DocumentLimits;
use crate::codec::xml::description;
use crate::model::fault::Fault;
use crate::model::text::abridge;

/// The namespace of WSDL 1.1.
pub(super) const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
/// The namespace of XML Schema.
pub(super) const XSD: &str = "http://www.w3.org/2001/XMLSchema";

/// The namespace of `xml:lang` and the like.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

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

/// All documents of a description.
pub(super) struct Sources<'x> {
    documents: &'x [Document<'x>],
    trees: &'x [Xml<'x>],
    /// The roots that are `wsdl:definitions`, in the order of the documents.
    pub(super) definitions: Vec<ElementRef<'x>>,
    named: HashMap<(ComponentKind, QName), ElementRef<'x>>,
    imports: Vec<String>,
}

/// Parses the documents.
pub(super) fn trees<'a>(documents: &[Document<'a>]) -> Result<Vec<Xml<'a>>, Fault> {
    let mut left = MAX_ELEMENTS;
    let mut trees = Vec::with_capacity(documents.len());
    for document in documents {
        let limits = DocumentLimits { elements: left, ..DocumentLimits::default() };
        let tree = description(document.text, limits)
            .map_err(|fault| Fault::new(fault.kind, format!("{}: {}", document.location, fault.message)))?;
        left = left.saturating_sub(tree.root().descendants().count());
        trees.push(tree);
    }
    Ok(trees)
}

impl<'x> Sources<'x> {
    pub(super) fn new(documents: &'x [Document<'x>], trees: &'x [Xml<'x>]) -> Result<Sources<'x>, Fault> {
        let mut sources =
            Sources { documents, trees, definitions: Vec::new(), named: HashMap::new(), imports: Vec::new() };
        for tree in trees {
            let root = tree.root_element();
            if is(root, WSDL, "definitions") {
                sources.definitions(root);
            } else if is(root, XSD, "schema") {
                sources.schema(root);
            } else {
                let name = abridge(root.tag_name().name());
                return Err(sources.description_fault(root, &format!("`{name}` is neither WSDL 1.1 nor XML Schema")));
            }
        }
        Ok(sources)
    }

    pub(super) fn imports(self) -> Vec<String> {
        self.imports
    }

    fn definitions(&mut self, root: ElementRef<'x>) {
        self.definitions.push(root);
        let namespace = root.attribute("targetNamespace").unwrap_or_default();
        for child in children(root).filter(|child| child.tag_name().namespace() == Some(WSDL)) {
            match child.tag_name().name() {
                "message" => self.add(ComponentKind::Message, namespace, child),
                "portType" => self.add(ComponentKind::PortType, namespace, child),
                "binding" => self.add(ComponentKind::Binding, namespace, child),
                "import" => self.refer(child, "location"),
                "types" => {
                    for schema in children(child).filter(|child| is(*child, XSD, "schema")) {
                        self.schema(schema);
                    }
                }
                _ => {}
            }
        }
    }

    fn schema(&mut self, root: ElementRef<'x>) {
        let namespace = root.attribute("targetNamespace").unwrap_or_default();
        for child in children(root).filter(|child| child.tag_name().namespace() == Some(XSD)) {
            match child.tag_name().name() {
                "element" => self.add(ComponentKind::Element, namespace, child),
                "complexType" | "simpleType" => self.add(ComponentKind::Type, namespace, child),
                "group" => self.add(ComponentKind::Group, namespace, child),
                "attribute" => self.add(ComponentKind::Attribute, namespace, child),
                "attributeGroup" => self.add(ComponentKind::AttributeGroup, namespace, child),
                "import" | "include" => self.refer(child, "schemaLocation"),
                _ => {}
            }
        }
    }

    fn add(&mut self, kind: ComponentKind, namespace: &str, element: ElementRef<'x>) {
        let Some(local) = element.attribute("name") else { return };
        let name = QName { namespace: namespace.to_owned(), local: local.to_owned() };
        self.named.entry((kind, name)).or_insert(element);
    }

    fn refer(&mut self, element: ElementRef<'x>, attribute: &str) {
        let location = element.attribute(attribute).map(str::trim).filter(|location| !location.is_empty());
        if let Some(location) = location.filter(|location| self.imports.iter().all(|known| known != location)) {
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

    /// The component with a name that an attribute of `from` refers to. A schema without a target namespace takes that of
    /// the schema that includes it, so names without a namespace are found too.
    pub(super) fn find(
        &self,
        kind: ComponentKind,
        name: &QName,
        from: ElementRef<'x>,
    ) -> Result<ElementRef<'x>, Fault> {
        let bare = QName { namespace: String::new(), local: name.local.clone() };
        let found = self.named.get(&(kind, name.clone())).or_else(|| self.named.get(&(kind, bare)));
        found.copied().ok_or_else(|| {
            let [local, namespace] = [&name.local, &name.namespace].map(|text| abridge(text));
            self.description_fault(
                from,
                &format!("there is no {} `{local}` in the namespace `{namespace}`", kind.word()),
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
        let tree = element.document();
        let at = tree.text_pos_at(element.range().start);
        let document = self.trees.iter().position(|other| std::ptr::eq(other, tree));
        let location = document.and_then(|at| self.documents.get(at)).map_or("", |document| document.location);
        format!("{location}:{}:{}", at.row, at.col)
    }

    /// The index of the document of an element, and its number in that document. Together they are unique.
    pub(super) fn number(&self, element: ElementRef<'x>) -> (usize, u32) {
        let document = self.trees.iter().position(|other| std::ptr::eq(other, element.document()));
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

/// The target namespace that applies to an element.
pub(super) fn target(element: ElementRef<'_>) -> &str {
    element.ancestors().find_map(|outer| outer.attribute("targetNamespace")).unwrap_or_default()
}
