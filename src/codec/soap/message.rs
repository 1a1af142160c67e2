//! Whole messages: calls and answers read, and what stands around their values.

use std::borrow::Cow;

use super::envelope;
use super::envelope::{Envelope, is};
use super::fault::{SoapFailure, attribute};
use super::read::{ParamLayout, ShapeReader};
use super::{INSTANCE, SoapRejection, SoapStyle, SoapVersion};
use crate::codec::Limits;
use crate::codec::tape::Tape;
use crate::codec::xml::tree::{Element, XmlTree, shape};
use crate::model::fault::Fault;
use crate::model::shape::{MethodShape, Shapes, unescape};

/// A message as read.
#[derive(Debug, Clone, PartialEq)]
pub struct SoapMessage<'a> {
    /// Its version.
    pub version: SoapVersion,
    /// The name of the method that is called or has answered.
    pub method: Cow<'a, str>,
    /// How the parameters are on the tape.
    pub given: ParamLayout,
    /// The parameters; an answer's one result, or none.
    pub tape: Tape<'a>,
}

/// A call whose envelope has been read, and whose parameters have not.
#[derive(Debug)]
pub struct SoapCall<'a> {
    /// Its version.
    pub version: SoapVersion,
    /// The name of the element that makes the call.
    pub element: &'a str,
    /// The namespace of that element.
    pub namespace: Option<Cow<'a, str>>,
    xml: XmlTree<'a>,
    at: usize,
}

impl<'a> SoapCall<'a> {
    /// Reads an envelope with a call in it.
    ///
    /// # Errors
    /// `SoapRejection`, whose faults are `NotWellFormed`, `Structure` and `Limit`.
    pub fn read(text: &'a str, limits: Limits) -> Result<SoapCall<'a>, SoapRejection> {
        let xml = envelope::tree(text, limits)?;
        let Envelope { version, content, .. } = Envelope::of(&xml)?;
        if content.namespace() == Some(version.namespace()) {
            let refused = shape("the `Body` holds an element of SOAP's own, not a call").into();
            return Err(SoapRejection { version: Some(version), refused });
        }
        let (element, namespace, at) = (content.name(), content.own_namespace(), content.at());
        Ok(SoapCall { version, element, namespace, xml, at })
    }

    /// The name of the method that is called, as our own descriptions have it.
    pub fn method(&self) -> Cow<'a, str> {
        unescape(self.element)
    }

    /// Whether there is but one envelope, one Body and nothing behind it, and at most one Header, in the whole document,
    /// whatever their namespaces: whoever looks for these by their names alone finds the same call.
    pub fn is_certain(&self) -> bool {
        let count = |name: &str| self.xml.all().filter(|element| element.name() == name).count();
        let last = self.xml.root().and_then(|root| root.elements().last());
        let ends = last.is_some_and(|last| is(last, self.version, "Body"));
        ends && count("Envelope") == 1 && count("Body") == 1 && count("Header") <= 1
    }

    /// The actions that headers of WS-Addressing name, in any of its versions; what is no text is an empty one.
    pub fn actions(&self) -> Vec<Cow<'a, str>> {
        let parts = self.xml.root().into_iter().flat_map(Element::elements);
        let headers = parts.filter(|part| is(*part, self.version, "Header")).flat_map(Element::elements);
        let addressing = |namespace: Option<&str>| namespace.is_some_and(|it| it.contains("addressing"));
        let named = headers.filter(|header| header.name() == "Action" && addressing(header.namespace()));
        named.map(|action| action.text().unwrap_or_default()).collect()
    }

    /// Reads the parameters of one of these methods. A method that is not among them is read as well, its parameters as
    /// values of any type: who answers calls says that there is none.
    ///
    /// # Errors
    /// `SoapRejection`, whose faults are `Structure`, `Limit` and `BadParams`.
    pub fn call(&self, shapes: &Shapes, style: SoapStyle, limits: Limits) -> Result<SoapMessage<'a>, SoapRejection> {
        let version = self.version;
        let known = shapes.method_of_element(self.element);
        let mut reader = ShapeReader::new(shapes, style, limits);
        let params = known.map(|known| known.params.as_slice()).unwrap_or_default();
        // It was there a moment ago.
        let content = self.xml.element(self.at).ok_or_else(|| shape("there is no call"))?;
        let given = reader.params(content, params);
        let given =
            given.map_err(|fault| SoapRejection { version: Some(version), refused: SoapFailure::Call(fault) })?;
        Ok(SoapMessage { version, method: self.method(), given, tape: reader.tape })
    }
}

/// Reads the answer of a method.
///
/// # Errors
/// `SoapRejection`; for a fault message `Structure`.
pub fn read_answer<'a>(
    text: &'a str,
    shapes: &Shapes,
    method: &MethodShape,
    style: SoapStyle,
    limits: Limits,
) -> Result<SoapMessage<'a>, SoapRejection> {
    let xml = envelope::tree(text, limits)?;
    let Envelope { version, content, .. } = Envelope::of(&xml)?;
    let rejected = |fault| SoapRejection { version: Some(version), refused: SoapFailure::Call(fault) };
    if is(content, version, "Fault") {
        return Err(rejected(shape("this is a fault, not an answer")));
    }
    let mut reader = ShapeReader::new(shapes, style, limits);
    let results: Vec<_> = content.elements().collect();
    reader.result(&results, &method.result).map_err(rejected)?;
    let method = Cow::Owned(method.name.clone());
    Ok(SoapMessage { version, method, given: ParamLayout::ByPosition, tape: reader.tape })
}

/// Writes what stands before the parameters or the result of a method: an envelope with this element of `namespace` in its
/// Body. The prefixes `m` and `xsi` are declared.
pub fn write_head(to: &mut Vec<u8>, version: SoapVersion, element: &str, namespace: &str) {
    for part in [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"",
        version.namespace(),
        "\" xmlns:xsi=\"",
        INSTANCE,
        "\"><soap:Body><m:",
        element,
        " xmlns:m=\"",
    ] {
        to.extend_from_slice(part.as_bytes());
    }
    attribute(to, namespace);
    to.extend_from_slice(b"\">");
}

/// Writes what stands behind them.
pub fn write_tail(to: &mut Vec<u8>, element: &str) {
    for part in ["</m:", element, "></soap:Body></soap:Envelope>\n"] {
        to.extend_from_slice(part.as_bytes());
    }
}

impl From<SoapRejection> for Fault {
    /// The fault that a rejection is where there is no protocol to say it in.
    fn from(rejection: SoapRejection) -> Fault {
        match rejection.refused {
            SoapFailure::SoapMessage(fault) | SoapFailure::Call(fault) => fault,
            refused => Fault::new(refused.kind(), "the message is not understood"),
        }
    }
}
