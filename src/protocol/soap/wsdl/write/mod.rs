//! Writes an interface as a WSDL 1.1 document, for SOAP clients.
//!
//! The document conforms to the WS-I Basic Profile 1.1: all use is literal, a message of document style has one part, and
//! there are no arrays of the SOAP encoding. How shapes become elements and types is context in [`shape`](crate::model::shape).

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
use names::TypeNames;

/// The form of a WSDL document. Several documents describe the same interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WsdlForm {
    /// The form of a call in its message.
    pub style: Style,
    /// The versions of SOAP that have ports.
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
    /// describes. For clients that support no other style.
    Rpc,
}

/// The versions of SOAP that have ports. Many clients fail on a document with several ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versions {
    /// One port, for SOAP 1.1.
    #[default]
    One,
    /// One port, for SOAP 1.2.
    Two,
    /// A port for each version.
    Both,
}

/// The WSDL document of an interface that is served at `address`.
///
/// `shapes` are those of the interface, and `namespace` is that of its operations and types. Calls in rpc style go to the
/// same address with `?style=rpc`, because a request does not show its style.
///
/// ```
/// use croupier::protocol::soap::wsdl::write as wsdl;
/// use croupier::protocol::soap::wsdl::write::WsdlForm;
/// use croupier::model::shape::Shapes;
/// # use croupier::model::interface::Interface;
/// # let interface = Interface::default();
/// let shapes = Shapes::of(&interface);
/// let text = wsdl::document(&interface, &shapes, "urn:wheel", "http://localhost/wheel", WsdlForm::default());
/// assert!(text.contains("<soap:address location=\"http://localhost/wheel\"/>"));
/// ```
pub fn document(interface: &Interface, shapes: &Shapes, namespace: &str, address: &str, form: WsdlForm) -> String {
    let name = service_name(&interface.title);
    let context = WsdlContext { interface, shapes, names: TypeNames::new(shapes), namespace, form };
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
    markup.element("wsdl:definitions", &attributes, |markup| {
        documentation(markup, &interface.doc);
        types::write(markup, &context);
        operations::write(markup, &context, &name);
        binding::write(markup, &context, &name, address);
    });
    markup.finish()
}

/// The name of the element with the result.
const RESULT: &str = "result";
/// The name of the element in the detail of a fault, and of its message.
const FAULT: &str = "fault";

/// The input of all parts of the document.
struct WsdlContext<'a> {
    interface: &'a Interface,
    shapes: &'a Shapes,
    names: TypeNames,
    namespace: &'a str,
    form: WsdlForm,
}

impl WsdlContext<'_> {
    /// The methods with their documentation, in the order of the interface.
    fn methods(&self) -> impl Iterator<Item = (&MethodShape, &str)> {
        self.shapes.methods().iter().zip(self.interface.methods.iter().map(|method| method.doc.as_str()))
    }

    /// Whether the document describes faults. It cannot if a method has the name of the element in their detail.
    fn describes_faults(&self) -> bool {
        self.shapes.method_of_element(FAULT).is_none()
    }
}

fn documentation(markup: &mut Markup, doc: &str) {
    if !doc.is_empty() {
        markup.text("wsdl:documentation", doc);
    }
}

/// `AmericanWheel` for `American wheel`: a name that is also an identifier in every programming language.
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
