//! Reads complete calls and responses, and writes the envelope around a value.

use std::borrow::Cow;

use super::envelope;
use super::envelope::{Envelope, is};
use super::fault::{FaultCause, HeaderName, attribute};
use super::read::{ParamLayout, ShapeReader};
use super::{INSTANCE, SoapMessageError, SoapStyle, SoapVersion};
use crate::codec::DocumentLimits;
use crate::codec::tape::Tape;
use crate::codec::xml::tree::{Element, XmlTree, shape};
use crate::model::fault::Fault;
use crate::model::shape::{MethodShape, Shapes, unescape};

/// A message after reading.
#[derive(Debug, Clone, PartialEq)]
pub struct SoapMessage<'a> {
    /// Its version.
    pub version: SoapVersion,
    /// The name of the called method.
    pub method: Cow<'a, str>,
    /// How the parameters are laid out on the tape.
    pub layout: ParamLayout,
    /// The parameters, or a response's result if it has one.
    pub tape: Tape<'a>,
}

/// A call whose envelope has been read, and whose parameters have not been read yet.
#[derive(Debug)]
pub struct SoapCall<'a> {
    /// Its version.
    pub version: SoapVersion,
    /// The name of the element in the Body.
    pub element: &'a str,
    /// The namespace of that element.
    pub namespace: Option<Cow<'a, str>>,
    /// The headers that must be understood, which croupier does not.
    must_understand: Vec<HeaderName>,
    xml: XmlTree<'a>,
    at: usize,
}

impl<'a> SoapCall<'a> {
    /// Reads the envelope of a call.
    ///
    /// # Errors
    /// `SoapMessageError`, whose faults are `NotWellFormed`, `Structure` and `Limit`.
    pub fn read(text: &'a str, limits: DocumentLimits) -> Result<SoapCall<'a>, SoapMessageError> {
        let xml = envelope::tree(text, limits)?;
        let Envelope { version, content, must_understand, .. } = Envelope::read_call(&xml)?;
        if content.namespace() == Some(version.namespace()) {
            let cause = shape("the `Body` holds an element of SOAP's own, not a call").into();
            return Err(SoapMessageError { version: Some(version), cause });
        }
        let (element, namespace, at) = (content.name(), content.own_namespace(), content.at());
        Ok(SoapCall { version, element, namespace, must_understand, xml, at })
    }

    /// The name of the called method, if the call follows croupier's own WSDL.
    pub fn method(&self) -> Cow<'a, str> {
        unescape(self.element)
    }

    /// Whether the whole document has one Envelope, one Body with nothing after it, and at most one Header, in any
    /// namespace. If so, a receiver that ignores namespaces finds the same call.
    pub fn is_certain(&self) -> bool {
        let count = |name: &str| self.xml.all().filter(|element| element.name() == name).count();
        let last = self.xml.root().and_then(|root| root.elements().last());
        let ends = last.is_some_and(|last| is(last, self.version, "Body"));
        ends && count("Envelope") == 1 && count("Body") == 1 && count("Header") <= 1
    }

    /// The actions in WS-Addressing headers of any version; an action that is not a text is empty.
    pub fn actions(&self) -> Vec<Cow<'a, str>> {
        let parts = self.xml.root().into_iter().flat_map(Element::elements);
        let headers = parts.filter(|part| is(*part, self.version, "Header")).flat_map(Element::elements);
        let addressing = |namespace: Option<&str>| namespace.is_some_and(|it| it.contains("addressing"));
        let named = headers.filter(|header| header.name() == "Action" && addressing(header.namespace()));
        named.map(|action| action.text().unwrap_or_default()).collect()
    }

    /// Reads the parameters by the shapes of the called method. If the method is unknown, they are read as values of any
    /// type; the service then reports the unknown method.
    ///
    /// # Errors
    /// `SoapMessageError`, whose faults are `Structure`, `Limit` and `BadParams`; also if a header must be understood. The
    /// receiver of a call that is passed through is the server behind, which may understand it.
    pub fn read_params(
        &self,
        shapes: &Shapes,
        style: SoapStyle,
        limits: DocumentLimits,
    ) -> Result<SoapMessage<'a>, SoapMessageError> {
        let version = self.version;
        if !self.must_understand.is_empty() {
            let cause = FaultCause::Headers(self.must_understand.clone());
            return Err(SoapMessageError { version: Some(version), cause });
        }
        let known = shapes.method_of_element(self.element);
        let mut reader = ShapeReader::new(shapes, style, limits);
        let params = known.map(|known| known.params.as_slice()).unwrap_or_default();
        // The element exists: `read` found it.
        let content = self.xml.element(self.at).ok_or_else(|| shape("there is no call"))?;
        let error = |fault| SoapMessageError { version: Some(version), cause: FaultCause::Call(fault) };
        let layout = reader.params(content, params).map_err(error)?;
        Ok(SoapMessage { version, method: self.method(), layout, tape: reader.tape })
    }
}

/// Reads the result from croupier's own response to a method.
///
/// # Errors
/// `SoapMessageError`; for a fault message `Structure`.
pub fn read_result<'a>(
    text: &'a str,
    shapes: &Shapes,
    method: &MethodShape,
    style: SoapStyle,
    limits: DocumentLimits,
) -> Result<SoapMessage<'a>, SoapMessageError> {
    let xml = envelope::tree(text, limits)?;
    let Envelope { version, content, .. } = Envelope::read_call(&xml)?;
    let error = |fault| SoapMessageError { version: Some(version), cause: FaultCause::Call(fault) };
    if is(content, version, "Fault") {
        return Err(error(shape("this is a fault, not a result")));
    }
    let mut reader = ShapeReader::new(shapes, style, limits);
    let results: Vec<_> = content.elements().collect();
    reader.result(&results, &method.result).map_err(error)?;
    let method = Cow::Owned(method.name.clone());
    Ok(SoapMessage { version, method, layout: ParamLayout::ByPosition, tape: reader.tape })
}

/// Writes the part before the parameters or the result of a method: an envelope with this element of `namespace` in its
/// Body. It declares the prefixes `m` and `xsi`.
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

/// Writes the part after the parameters or the result.
pub fn write_tail(to: &mut Vec<u8>, element: &str) {
    for part in ["</m:", element, "></soap:Body></soap:Envelope>\n"] {
        to.extend_from_slice(part.as_bytes());
    }
}

impl From<SoapMessageError> for Fault {
    /// Converts the error into a fault of any protocol.
    fn from(error: SoapMessageError) -> Fault {
        match error.cause {
            FaultCause::Message(fault) | FaultCause::Call(fault) => fault,
            cause => Fault::new(cause.kind(), "the message is not understood"),
        }
    }
}
