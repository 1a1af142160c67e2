//! The documents of a description, and what is in them by its kind and its qualified name.

use std::collections::HashMap;

use roxmltree::{Document as Xml, Node};

use super::{Document, wrong};
use crate::codec::Limits;
use crate::codec::xml::description;
use crate::model::fault::Fault;
use crate::model::text::abridge;

/// The namespace of WSDL 1.1.
pub(super) const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
/// The namespace of XML Schema.
pub(super) const XSD: &str = "http://www.w3.org/2001/XMLSchema";

/// How many elements all documents of a description may have together.
const ELEMENTS: usize = 1_000_000;

/// An element of a description.
pub(super) type El<'x> = Node<'x, 'x>;

/// A qualified name; its namespace is empty for none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct QName {
    pub(super) namespace: String,
    pub(super) local: String,
}

/// What a name may be the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Sort {
    Message,
    PortType,
    Binding,
    Element,
    Type,
    Group,
}

impl Sort {
    fn word(self) -> &'static str {
        match self {
            Sort::Message => "message",
            Sort::PortType => "port type",
            Sort::Binding => "binding",
            Sort::Element => "element",
            Sort::Type => "type",
            Sort::Group => "group",
        }
    }
}

/// All documents of a description.
pub(super) struct Sources<'x> {
    documents: &'x [Document<'x>],
    trees: &'x [Xml<'x>],
    /// The roots that are `wsdl:definitions`, in their order.
    pub(super) definitions: Vec<El<'x>>,
    named: HashMap<(Sort, QName), El<'x>>,
    imports: Vec<String>,
}

/// The trees of documents.
pub(super) fn trees<'a>(documents: &[Document<'a>]) -> Result<Vec<Xml<'a>>, Fault> {
    let mut left = ELEMENTS;
    let mut trees = Vec::with_capacity(documents.len());
    for document in documents {
        let limits = Limits { elements: left, ..Limits::default() };
        let tree = description(document.text, limits)
            .map_err(|fault| Fault::new(fault.kind, format!("{}: {}", document.location, fault.message)))?;
        left = left.saturating_sub(tree.root().descendants().count());
        trees.push(tree);
    }
    Ok(trees)
}

impl<'x> Sources<'x> {
    pub(super) fn of(documents: &'x [Document<'x>], trees: &'x [Xml<'x>]) -> Result<Sources<'x>, Fault> {
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
                return Err(sources.wrong(root, &format!("`{name}` is neither WSDL 1.1 nor XML Schema")));
            }
        }
        Ok(sources)
    }

    pub(super) fn imports(self) -> Vec<String> {
        self.imports
    }

    fn definitions(&mut self, root: El<'x>) {
        self.definitions.push(root);
        let namespace = root.attribute("targetNamespace").unwrap_or_default();
        for child in children(root).filter(|child| child.tag_name().namespace() == Some(WSDL)) {
            match child.tag_name().name() {
                "message" => self.add(Sort::Message, namespace, child),
                "portType" => self.add(Sort::PortType, namespace, child),
                "binding" => self.add(Sort::Binding, namespace, child),
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

    fn schema(&mut self, root: El<'x>) {
        let namespace = root.attribute("targetNamespace").unwrap_or_default();
        for child in children(root).filter(|child| child.tag_name().namespace() == Some(XSD)) {
            match child.tag_name().name() {
                "element" => self.add(Sort::Element, namespace, child),
                "complexType" | "simpleType" => self.add(Sort::Type, namespace, child),
                "group" => self.add(Sort::Group, namespace, child),
                "import" | "include" => self.refer(child, "schemaLocation"),
                _ => {}
            }
        }
    }

    fn add(&mut self, sort: Sort, namespace: &str, element: El<'x>) {
        let Some(local) = element.attribute("name") else { return };
        let name = QName { namespace: namespace.to_owned(), local: local.to_owned() };
        self.named.entry((sort, name)).or_insert(element);
    }

    fn refer(&mut self, element: El<'x>, attribute: &str) {
        let location = element.attribute(attribute).map(str::trim).filter(|location| !location.is_empty());
        if let Some(location) = location.filter(|location| self.imports.iter().all(|known| known != location)) {
            self.imports.push(location.to_owned());
        }
    }

    /// What has this name, which stands in an attribute of `from`. A schema without a namespace takes that of whoever
    /// includes it, so its names are looked for as well.
    pub(super) fn find(&self, sort: Sort, name: &QName, from: El<'x>) -> Result<El<'x>, Fault> {
        let bare = QName { namespace: String::new(), local: name.local.clone() };
        let found = self.named.get(&(sort, name.clone())).or_else(|| self.named.get(&(sort, bare)));
        found.copied().ok_or_else(|| {
            let [local, namespace] = [&name.local, &name.namespace].map(|text| abridge(text));
            self.wrong(from, &format!("there is no {} `{local}` in the namespace `{namespace}`", sort.word()))
        })
    }

    /// The qualified name in an attribute.
    pub(super) fn qname(&self, element: El<'x>, attribute: &str) -> Result<Option<QName>, Fault> {
        element.attribute(attribute).map(|text| self.resolve(element, text)).transpose()
    }

    /// The qualified name that a text is in an element's attribute.
    pub(super) fn resolve(&self, element: El<'x>, text: &str) -> Result<QName, Fault> {
        let text = text.trim();
        let (prefix, local) = match text.split_once(':') {
            Some((prefix, local)) => (Some(prefix), local),
            None => (None, text),
        };
        let namespace = element.lookup_namespace_uri(prefix);
        match (prefix, namespace) {
            (Some(prefix), None) => {
                Err(self.wrong(element, &format!("the prefix `{}` is not declared", abridge(prefix))))
            }
            (_, namespace) => {
                Ok(QName { namespace: namespace.unwrap_or_default().to_owned(), local: local.to_owned() })
            }
        }
    }

    /// A fault of the element that stands here.
    pub(super) fn wrong(&self, element: El<'x>, what: &str) -> Fault {
        wrong(format!("{}: {what}", self.place(element)))
    }

    /// Where an element stands: document, line and column.
    pub(super) fn place(&self, element: El<'x>) -> String {
        let tree = element.document();
        let at = tree.text_pos_at(element.range().start);
        let document = self.trees.iter().position(|other| std::ptr::eq(other, tree));
        let location = document.and_then(|at| self.documents.get(at)).map_or("", |document| document.location);
        format!("{location}:{}:{}", at.row, at.col)
    }

    /// Which document an element is in, and its number there: no two elements have the same.
    pub(super) fn number(&self, element: El<'x>) -> (usize, u32) {
        let document = self.trees.iter().position(|other| std::ptr::eq(other, element.document()));
        (document.unwrap_or_default(), element.id().get())
    }
}

pub(super) fn children<'x>(parent: El<'x>) -> impl Iterator<Item = El<'x>> {
    parent.children().filter(Node::is_element)
}

pub(super) fn is(element: El<'_>, namespace: &str, name: &str) -> bool {
    element.tag_name().name() == name && element.tag_name().namespace() == Some(namespace)
}

/// The first child of XML Schema's of this name.
pub(super) fn schema_child<'x>(parent: El<'x>, name: &str) -> Option<El<'x>> {
    children(parent).find(|child| is(*child, XSD, name))
}

/// What an element says for people, of WSDL or of XML Schema.
pub(super) fn documentation(element: El<'_>) -> String {
    let own = children(element).find(|child| is(*child, WSDL, "documentation"));
    let noted = || schema_child(element, "annotation").and_then(|note| schema_child(note, "documentation"));
    let Some(found) = own.or_else(noted) else { return String::new() };
    let text: String = found.descendants().filter(|node| node.is_text()).filter_map(|node| node.text()).collect();
    text.trim().to_owned()
}

/// The target namespace around an element.
pub(super) fn target(element: El<'_>) -> &str {
    element.ancestors().find_map(|around| around.attribute("targetNamespace")).unwrap_or_default()
}
