//! How somebody else's messages look, by their own description: which elements stand in them, in which namespaces, and
//! what is said about types. Shapes do not say this: they know one namespace and one way to write a list.

use super::SoapVersion;

/// What a WSDL document says of the messages of one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Where calls are taken, if the document says so.
    pub address: Option<String>,
    /// The version of its envelopes.
    pub version: SoapVersion,
    /// What may be called.
    pub operations: Vec<Operation>,
    /// The types that have names, or places, of their own, for [`ElementContent::Typed`] to point at.
    pub types: Vec<BindingType>,
    /// The namespaces of names, for [`QualifiedName::namespace`] to point at.
    pub namespaces: Vec<String>,
}

/// A qualified name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualifiedName {
    /// Its namespace's place in [`Binding::namespaces`]; `None` for none.
    pub namespace: Option<usize>,
    /// Its name within that.
    pub local: String,
}

/// The messages of one method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The method's name in the interface.
    pub method: String,
    /// The action that is named beside the message; may be empty.
    pub action: String,
    /// The element in the Body that holds the parameters; `None` where the only parameter is itself in the Body, or
    /// nothing is.
    pub wrapper: Option<QualifiedName>,
    /// Whether values say their types, by the rules of SOAP's encoding (SOAP 1.1, section 5).
    pub encoded: bool,
    /// The parameters, in the interface's order.
    pub params: Vec<MessagePart>,
    /// Where in the answer the result is.
    pub outcome: ResultLocation,
}

/// Where in an answer its result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultLocation {
    /// There is none, and maybe not even an answer.
    Nothing,
    /// It is what stands in the Body's element: one member, repeated where the result is a list.
    Member,
    /// It is the one part in the Body's element, by the rules of rpc style.
    Part,
    /// It is the Body's element itself.
    Whole,
}

/// An element that stands for a parameter or a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessagePart {
    /// The member's name, as the interface has it.
    pub name: String,
    /// The element's name.
    pub element: QualifiedName,
    /// What it holds.
    pub content: ElementContent,
    /// How often it stands there.
    pub occurs: Occurrence,
    /// Whether it may be there and say that it is nothing.
    pub nillable: bool,
}

/// How often an element may stand where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurrence {
    /// Once.
    Once,
    /// Once or not at all.
    Maybe,
    /// Once for each item of a list.
    Repeatedly,
}

/// What an element holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElementContent {
    /// A text, of this simple type of XML Schema's.
    Text(&'static str),
    /// A value of the type at this place in [`Binding::types`].
    Typed(usize),
    /// A value that says its type by `xsi:type`.
    Any,
}

/// A type that has a name, or that has a place of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingType {
    /// Its name, if it has one.
    pub name: Option<QualifiedName>,
    /// What stands in an element of this type.
    pub structure: TypeStructure,
}

/// What stands in an element of a type that is made of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeStructure {
    /// A struct's members, and an entry for each further one.
    Members(Vec<MessagePart>, Option<Box<MapEntry>>),
    /// A list's items in order, each an element of its own name.
    Row(Vec<MessagePart>),
    /// An element for each item of a list.
    Items(Box<MessagePart>),
    /// The same as an array of SOAP's encoding, which says how many there are and of what type.
    Array(Box<MessagePart>),
    /// One element that names the type of a free-form value, as our own documents [have it](crate::model::shape). Its namespace.
    Free(Option<usize>),
    /// One text, as in this content: a type of text with a name of its own.
    Plain(&'static str),
}

/// The element of a member that no type names: a key and a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapEntry {
    /// The element around them.
    pub element: QualifiedName,
    /// The element of the name.
    pub key: QualifiedName,
    /// The element of the value.
    pub value: MessagePart,
}

impl Binding {
    /// The messages of the method of this name.
    pub fn operation(&self, method: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.method == method)
    }
}
