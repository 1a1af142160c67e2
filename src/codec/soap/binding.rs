//! The format of an upstream's messages, as its WSDL describes it: elements, namespaces and types. Shapes cannot express
//! this, because they assume one namespace and one way to write a list.

use super::SoapVersion;

/// The messages of one WSDL port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The URL for calls, if the document has one.
    pub address: Option<String>,
    /// The version of the envelopes.
    pub version: SoapVersion,
    /// The operations that can be called.
    pub operations: Vec<Operation>,
    /// The types that [`ElementContent::Typed`] refers to by index.
    pub types: Vec<BindingType>,
    /// The namespaces that [`QualifiedName::namespace`] refers to by index.
    pub namespaces: Vec<String>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The method's name in the interface.
    pub method: String,
    /// The SOAP action; may be empty.
    pub action: String,
    /// The element in the Body that contains the parameters; `None` if the parameters are directly in the Body.
    pub wrapper: Option<QualifiedName>,
    /// Whether values carry their types, by SOAP's encoding (SOAP 1.1, section 5).
    pub encoded: bool,
    /// The parameters, in the interface's order.
    pub params: Vec<MessagePart>,
    /// Where the result is in the response.
    pub outcome: ResultLocation,
}

/// Where the result is in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultLocation {
    /// There is no result, and possibly no response.
    Nothing,
    /// One member inside the Body's element, repeated if the result is a list.
    Member,
    /// The one part inside the Body's element, as in rpc style.
    Part,
    /// The Body's element itself.
    Whole,
    /// The members are the elements of the Body, which has several.
    Body,
}

/// The element of a parameter or a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessagePart {
    /// The member's name in the interface.
    pub name: String,
    /// The element's name.
    pub element: QualifiedName,
    /// Its content.
    pub content: ElementContent,
    /// How often it occurs.
    pub occurs: Occurrence,
    /// Whether it may be nil (`xsi:nil`).
    pub nillable: bool,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingType {
    /// Its name, if it has one.
    pub name: Option<QualifiedName>,
    /// The content of an element of this type.
    pub structure: TypeStructure,
}

/// The content of an element of a complex type, or of a named simple type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeStructure {
    /// A struct's members, and the entry element for members that the type does not name.
    Members(Vec<MessagePart>, Option<Box<MapEntry>>),
    /// A tuple: one element for each item, each with its own name.
    Row(Vec<MessagePart>),
    /// An element for each item of a list.
    Items(Box<MessagePart>),
    /// An array in SOAP's encoding, with the number and the type of its items.
    Array(Box<MessagePart>),
    /// One element that names the type of a free-form value, in this namespace, as croupier's own WSDL
    /// [describes it](crate::model::shape).
    Free(Option<usize>),
    /// A text of this simple type.
    Plain(&'static str),
}

/// The element of a struct member that the type does not name: a key and a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapEntry {
    /// The enclosing element.
    pub element: QualifiedName,
    /// The element with the member's name.
    pub key: QualifiedName,
    /// The element with the member's value.
    pub value: MessagePart,
}

impl Binding {
    /// The operation of this method.
    pub fn operation(&self, method: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.method == method)
    }
}
