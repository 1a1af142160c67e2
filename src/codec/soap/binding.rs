//! The format of an upstream's messages, as its WSDL describes it: elements, namespaces and types. Shapes cannot express
//! this, because they assume one namespace and one way to write a list.

use std::collections::HashMap;

use super::SoapVersion;
use super::simple::SimpleType;
use crate::model::value::Value;

/// The members of a struct that are not elements: the text, and the type.
pub(super) const TEXT: &str = "#text";
pub(super) const TYPE: &str = "@type";
pub(super) const XSI_TYPE: &str = "xsi:type";
/// The order of the elements of a struct, by the names of its members.
pub(super) const ORDER: &str = "#order";
/// The attribute `xsi:type` of an element of any type.
pub(super) const XSI_TYPE_ATTRIBUTE: &str = "@xsi:type";

/// The messages of one WSDL port.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// The URL for calls, if the document has one.
    pub address: Option<String>,
    /// The version of the envelopes.
    pub version: SoapVersion,
    /// The operations that can be called.
    pub operations: Vec<Operation>,
    /// The types that [`ElementContent::Typed`] refers to by index.
    pub types: BindingTypes,
    /// The namespaces that [`QualifiedName::namespace`] refers to by index.
    pub namespaces: Vec<String>,
}

/// The types of a binding, which are also found by their names.
#[derive(Debug, Clone, PartialEq)]
pub struct BindingTypes {
    types: Vec<BindingType>,
    /// The types with each local name, in their order.
    by_name: HashMap<String, Vec<usize>>,
}

/// A qualified name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualifiedName {
    /// The index of its namespace in [`Binding::namespaces`]; `None` for no namespace.
    pub namespace: Option<usize>,
    /// Its local name.
    pub local: String,
}

/// The messages of one method.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The method's name in the interface.
    pub method: String,
    /// The SOAP action; may be empty.
    pub action: String,
    /// The element in the Body that contains the parameters; `None` if the parameters are directly in the Body.
    pub wrapper: Option<QualifiedName>,
    /// Whether values carry their types, by SOAP's encoding (SOAP 1.1, section 5).
    pub encoded: bool,
    /// The content of the wrapper. Its parts are the parameters, in the interface's order.
    pub request: RecordType,
    /// The header blocks that can be given, which are the parameters after those of the Body.
    pub headers: Vec<MessagePart>,
    /// The result in the response.
    pub result: ResultContent,
    /// The header blocks of the response, if they are returned beside the result: those that the WSDL names, and others.
    pub response_headers: Option<RecordType>,
}

/// Where the result is in a response, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub enum ResultContent {
    /// There is no result, and possibly no response.
    Nothing,
    /// One member inside the Body's element, repeated if the result is a list.
    Member(MessagePart),
    /// The one part inside the Body's element, as in rpc style.
    Part(MessagePart),
    /// The content of the Body's element itself.
    Element(ElementContent),
    /// The members of the Body's element.
    Record(RecordType),
    /// The members are the elements of the Body, which has several.
    Body(RecordType),
}

/// An element, an attribute or a text that is a parameter or a member.
#[derive(Debug, Clone, PartialEq)]
pub struct MessagePart {
    /// The member's name in the interface.
    pub name: String,
    /// Its place in the enclosing element.
    pub kind: PartKind,
    /// The name of the element or the attribute.
    pub element: QualifiedName,
    /// Its content.
    pub content: ElementContent,
    /// How often it occurs.
    pub occurs: Occurrence,
    /// Whether it may be nil (`xsi:nil`).
    pub nillable: bool,
    /// The only value it can have. It is sent if none is given and the part is required.
    pub fixed: Option<String>,
}

/// What a part of a message is in its enclosing element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// A child element.
    Element,
    /// An attribute.
    Attribute,
    /// The text, beside attributes.
    Text,
    /// Elements that the schema does not name (`xs:any`).
    Wildcard,
}

/// How often an element may occur in its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurrence {
    /// Once.
    Once,
    /// Once or not at all.
    Maybe,
    /// Once for each item of a list.
    Repeatedly,
}

/// The content of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElementContent {
    /// A text of this simple type of XML Schema.
    Text(&'static str),
    /// A value of the type with this index in [`Binding::types`].
    Typed(usize),
    /// A value of any type, which `xsi:type` names.
    Any,
}

/// A type of a WSDL document, named or anonymous.
#[derive(Debug, Clone, PartialEq)]
pub struct BindingType {
    /// Its name, if it has one.
    pub name: Option<QualifiedName>,
    /// The content of an element of this type.
    pub structure: TypeStructure,
    /// The index of the type that it is derived from.
    pub base: Option<usize>,
    /// Whether an element needs a derived type in its place (`xsi:type`).
    pub is_abstract: bool,
}

/// The content of an element of a complex type, or of a simple type with facets.
#[derive(Debug, Clone, PartialEq)]
pub enum TypeStructure {
    /// A struct.
    Members(RecordType),
    /// A tuple: one element for each item, each with its own name.
    Row(Vec<MessagePart>),
    /// An element for each item of a list.
    Items(Box<ItemsType>),
    /// An array in SOAP's encoding, with the number and the type of its items.
    Array(Box<MessagePart>),
    /// Apache's `Map`: items of a key and a value, which carry their types.
    Map,
    /// One element that names the type of a free-form value, in this namespace, as croupier's own WSDL
    /// [describes it](crate::model::shape).
    Free(Option<usize>),
    /// Any attributes and elements. The elements are written in the namespace of the wildcard.
    Generic {
        /// The wildcard for the elements.
        wildcard: Wildcard,
        /// Whether there may be text.
        mixed: bool,
    },
    /// A text of this simple type.
    Plain(SimpleType),
}

/// A list of elements.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemsType {
    /// The element of an item.
    pub item: MessagePart,
    /// How many items there may be.
    pub range: Range,
}

/// How often something may occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The least number.
    pub min: u32,
    /// The greatest number; `u32::MAX` if there is none.
    pub max: u32,
}

impl Range {
    /// Exactly once.
    pub const ONCE: Range = Range { min: 1, max: 1 };
}

/// The members of a struct.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecordType {
    /// The members: the elements, then the text or the attributes.
    pub parts: Vec<MessagePart>,
    /// The order and the number of the elements, as a sequence.
    pub particles: Vec<Particle>,
    /// The entry element for members that the type does not name.
    pub entry: Option<Box<MapEntry>>,
    /// Further elements that the type allows without naming them (`xs:any`).
    pub wildcard: Option<Wildcard>,
    /// Whether further attributes are allowed (`xs:anyAttribute`).
    pub any_attribute: bool,
    /// Whether there may be text between the elements.
    pub mixed: bool,
    /// Whether several elements have the same local name, in different namespaces.
    pub has_ambiguous_names: bool,
    /// Whether elements of different names can follow each other in more than one order, because they are in a group that is
    /// repeated.
    pub allows_several_orders: bool,
}

/// Elements that a type does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wildcard {
    /// The namespace in which they are written; `None` for no namespace.
    pub namespace: Option<usize>,
}

/// A part of a content model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Particle {
    /// The element of the part with this index.
    Part(usize, Range),
    /// Several particles, in order.
    Sequence(Range, Vec<Particle>),
    /// One of several particles.
    Choice(Range, Vec<Particle>),
    /// Elements that the type does not name.
    Wildcard,
}

/// The element of a struct member that the type does not name: a key and a value.
#[derive(Debug, Clone, PartialEq)]
pub struct MapEntry {
    /// The enclosing element.
    pub element: QualifiedName,
    /// The element with the member's name.
    pub key: QualifiedName,
    /// The element with the member's value.
    pub value: MessagePart,
}

impl BindingTypes {
    /// These types, by their indexes.
    pub fn new(types: Vec<BindingType>) -> BindingTypes {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, typed) in types.iter().enumerate() {
            if let Some(name) = &typed.name {
                by_name.entry(name.local.clone()).or_default().push(at);
            }
        }
        BindingTypes { types, by_name }
    }

    /// The type with this index.
    pub fn get(&self, at: usize) -> Option<&BindingType> {
        self.types.get(at)
    }

    /// The indexes of all types.
    pub(super) fn indexes(&self) -> std::ops::Range<usize> {
        0..self.types.len()
    }

    /// The types with this local name.
    fn named(&self, local: &str) -> &[usize] {
        self.by_name.get(local).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Binding {
    /// The operation of this method.
    pub fn operation(&self, method: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.method == method)
    }

    /// The type with this index.
    pub(super) fn typed(&self, at: usize) -> Option<&BindingType> {
        self.types.get(at)
    }

    /// Whether a type is derived from another, or the same.
    pub(super) fn derives(&self, at: usize, from: usize) -> bool {
        let base = |at: &usize| self.types.get(*at).and_then(|typed| typed.base);
        // A description in which types derive from each other in a circle is refused; the bound holds all the same.
        std::iter::successors(Some(at), base).take(MAX_BASES).any(|at| at == from)
    }

    /// The types with this local name that are derived from a type, or are the type itself.
    pub(super) fn derived(&self, from: usize, local: &str) -> Option<usize> {
        self.types.named(local).iter().copied().find(|at| self.derives(*at, from))
    }

    /// The first named type with this local name.
    pub(super) fn type_of_name(&self, local: &str) -> Option<usize> {
        self.types.named(local).first().copied()
    }
}

impl Operation {
    /// Replaces nil with `None` for each parameter that may be absent. For arguments by position only: a client cannot leave out
    /// one of them otherwise if another follows.
    pub(crate) fn leave_out_nil(&self, arguments: &mut [Option<Value>]) {
        for (part, argument) in self.request.parts.iter().chain(&self.headers).zip(arguments) {
            if part.occurs == Occurrence::Maybe && *argument == Some(Value::Nil) {
                *argument = None;
            }
        }
    }
}

/// The longest chain of types that are derived from each other.
const MAX_BASES: usize = 64;

impl MessagePart {
    /// An element that occurs once.
    pub fn element(name: impl Into<String>, element: QualifiedName, content: ElementContent) -> MessagePart {
        MessagePart {
            name: name.into(),
            kind: PartKind::Element,
            element,
            content,
            occurs: Occurrence::Once,
            nillable: false,
            fixed: None,
        }
    }
}

impl RecordType {
    /// A struct of these elements, in order.
    pub fn sequence(parts: Vec<MessagePart>) -> RecordType {
        let particles = (0..parts.len()).map(|at| Particle::Part(at, Range::ONCE)).collect();
        RecordType { parts, particles, ..RecordType::default() }
    }
}
