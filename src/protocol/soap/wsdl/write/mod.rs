//! An interface as WSDL 1.1, for clients that speak SOAP.
//!
//! The document keeps to the WS-I Basic Profile 1.1: literal use throughout, one part a message in document style, no
//! arrays of SOAP's own encoding. How shapes become elements and types is described in [`shape`](crate::model::shape).

mod binding;
mod markup;
mod names;
mod operations;
#[cfg(test)]
mod tests;
mod types;

use crate::model::interface::Interface;
use crate::model::shape::{MethodShape, Shapes};
use markup::Markup;
use names::Names;

/// Which of the documents that describe one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Form {
    /// The form of a call in its message.
    pub style: Style,
    /// For which versions of SOAP there are ports.
    pub versions: Versions,
}

/// The form of a call in its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Document/literal, wrapped: a message is an element that the schema describes as a whole. Every client can
    /// make such calls.
    #[default]
    Document,
    /// RPC/literal: a message is an operation's name with its parameters inside, each of a type that the schema
    /// describes. For clients that know nothing else.
    Rpc,
}

/// For which versions of SOAP there are ports. Many clients are at a loss with more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versions {
    /// One port, for SOAP 1.1.
    #[default]
    One,
    /// One port, for SOAP 1.2.
    Two,
    /// A port for each of them.
    Both,
}

/// The WSDL of an interface whose calls are taken at this address.
///
/// `shapes` are those of the interface, `namespace` is that of its operations and types. Calls in rpc style go to the
/// same address with `?style=rpc`, since the reader of a call must know which style it has.
///
/// ```
/// use croupier::protocol::soap::wsdl::write as wsdl;
/// use croupier::protocol::soap::wsdl::write::Form;
/// use croupier::model::shape::Shapes;
/// # use croupier::model::interface::Interface;
/// # let interface = Interface::default();
/// let shapes = Shapes::of(&interface);
/// let text = wsdl::document(&interface, &shapes, "urn:wheel", "http://localhost/wheel", Form::default());
/// assert!(text.contains("<soap:address location=\"http://localhost/wheel\"/>"));
/// ```
pub fn document(interface: &Interface, shapes: &Shapes, namespace: &str, address: &str, form: Form) -> String {
    let name = service_name(&interface.title);
    let described = Described { interface, shapes, names: Names::of(shapes), namespace, form };
    let attributes = [
        ("name", name.as_str()),
        ("targetNamespace", namespace),
        ("xmlns:wsdl", "http://schemas.xmlsoap.org/wsdl/"),
        ("xmlns:soap", "http://schemas.xmlsoap.org/wsdl/soap/"),
        ("xmlns:soap12", "http://schemas.xmlsoap.org/wsdl/soap12/"),
        ("xmlns:xsd", "http://www.w3.org/2001/XMLSchema"),
        ("xmlns:tns", namespace),
    ];
    let mut markup = Markup::new();
    markup.with_timeout("wsdl:definitions", &attributes, |markup| {
        documentation(markup, &interface.doc);
        types::write(markup, &described);
        operations::write(markup, &described, &name);
        binding::write(markup, &described, &name, address);
    });
    markup.finish()
}

/// The element of an answer's value.
const RESULT: &str = "result";
/// The element in the detail of a fault, and what is called after it.
const FAULT: &str = "fault";

/// What every part of the document needs to know.
struct Described<'a> {
    interface: &'a Interface,
    shapes: &'a Shapes,
    names: Names,
    namespace: &'a str,
    form: Form,
}

impl Described<'_> {
    /// The methods with their documentation: both are in the interface's order.
    fn methods(&self) -> impl Iterator<Item = (&MethodShape, &str)> {
        self.shapes.methods().iter().zip(self.interface.methods.iter().map(|method| method.doc.as_str()))
    }

    /// Whether faults can be described: not where a method has the name of the element in their detail.
    fn tells_faults(&self) -> bool {
        self.shapes.method_of_element(FAULT).is_none()
    }
}

fn documentation(markup: &mut Markup, doc: &str) {
    if !doc.is_empty() {
        markup.text("wsdl:documentation", doc);
    }
}

/// `AmericanWheel` for `American wheel`: a name that is one in every programming language too.
fn service_name(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric());
    let mut name = String::with_capacity(title.len());
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("Service{name}") }
}
