//! Reads an upstream's response: a result by its shape, or a fault of either version.

use serde_json::value::RawValue;

use super::attachments::Attachments;
use super::binding::ResultContent;
use super::binding::{Binding, Operation};
use super::binding_reader::BindingReader;
use super::detail::detail_as_json;
use super::envelope;
use super::envelope::{Envelope, is};
use super::read::ShapeReader;
use super::{SoapMessageError, SoapStyle};
use crate::codec::DocumentLimits;
use crate::codec::tape::Tape;
use crate::codec::xml::tree::Element;
use crate::model::shape::Shapes;

/// The deepest nesting of subcodes that is read.
const SUBCODES: usize = 16;

/// The content of a response.
#[derive(Debug, Clone)]
pub enum SoapResponse<'a> {
    /// The result, if there is one.
    Result(Tape<'a>),
    /// A fault.
    Fault(SoapFault),
}

/// A fault as an upstream sends it.
#[derive(Debug, Clone, Default)]
pub struct SoapFault {
    /// Its code without prefix: `Client` or `Server` in SOAP 1.1, possibly followed by a dot and more; `Sender` or `Receiver`
    /// in SOAP 1.2.
    pub code: String,
    /// The subcodes, outermost first; only SOAP 1.2 has them.
    pub subcodes: Vec<String>,
    /// The text for people.
    pub reason: String,
    /// The [kind](crate::model::fault::Kind::word) and the code in the detail, if the upstream is a croupier.
    pub exact: Option<(String, i32)>,
    /// What else the detail says, as JSON.
    pub data: Option<Box<RawValue>>,
}

/// Reads the response to a call of an operation.
///
/// # Errors
/// `SoapMessageError` if it is not a SOAP message, or exceeds the limits.
pub fn read_response<'a>(
    text: &'a str,
    binding: &Binding,
    operation: &Operation,
    attachments: &Attachments<'_>,
    limits: DocumentLimits,
) -> Result<SoapResponse<'a>, SoapMessageError> {
    let xml = envelope::response_tree(text, limits)?;
    let no_shapes = Shapes::default();
    let inner = ShapeReader::new(&no_shapes, SoapStyle::Document, limits);
    let mut reader = BindingReader { binding, inner, encoded: operation.encoded, attachments };
    let header = Envelope::response_header(&xml)?;
    let Some(envelope) = Envelope::read_response(&xml)? else {
        reader.response(header, None, operation)?;
        return Ok(SoapResponse::Result(reader.inner.tape));
    };
    let (version, content) = (envelope.version, envelope.content);
    if is(content, version, "Fault") {
        return Ok(SoapResponse::Fault(read_fault(content)));
    }
    let (single, content) = match &operation.result {
        ResultContent::Body(_) => (Ok(()), envelope.body),
        _ => (envelope.check_single(), content),
    };
    reader.inner.referred = envelope.referred;
    match single.and_then(|()| reader.response(header, Some(content), operation)) {
        Ok(()) => Ok(SoapResponse::Result(reader.inner.tape)),
        Err(fault) => Err(SoapMessageError { version: Some(version), ..SoapMessageError::from(fault) }),
    }
}

/// Reads a fault, whose children tell its version: some servers write a fault of one version into an envelope of the
/// other.
fn read_fault(fault: Element<'_, '_>) -> SoapFault {
    let child = |parent: Element<'_, '_>, name: &str| find(parent, &[name]).map(text).unwrap_or_default();
    let detail = find(fault, &["detail", "Detail"]);
    let exact = detail.and_then(exact);
    let data = match &exact {
        Some(_) => detail.and_then(own_data),
        None => detail.and_then(detail_as_json),
    };
    let Some(code) = find(fault, &["Code"]) else {
        let code = local(&child(fault, "faultcode"));
        return SoapFault { code, subcodes: Vec::new(), reason: child(fault, "faultstring"), exact, data };
    };
    let mut subcodes = Vec::new();
    let mut below = find(code, &["Subcode"]);
    while let Some(subcode) = below.filter(|_| subcodes.len() < SUBCODES) {
        subcodes.push(local(&child(subcode, "Value")));
        below = find(subcode, &["Subcode"]);
    }
    let reason = find(fault, &["Reason"]).map(|reason| child(reason, "Text")).unwrap_or_default();
    SoapFault { code: local(&child(code, "Value")), subcodes, reason, exact, data }
}

/// Reads the detail that croupier's own SOAP frontend writes.
fn exact(detail: Element<'_, '_>) -> Option<(String, i32)> {
    let fault = find(detail, &["fault"])?;
    Some((text(find(fault, &["kind"])?), text(find(fault, &["code"])?).parse().ok()?))
}

/// The data in the detail that croupier's own SOAP frontend writes.
fn own_data(detail: Element<'_, '_>) -> Option<Box<RawValue>> {
    RawValue::from_string(text(find(find(detail, &["fault"])?, &["data"])?)).ok()
}

/// The first child with one of these names, in any namespace: many servers get the namespaces of faults wrong.
fn find<'x, 'a>(parent: Element<'x, 'a>, names: &[&str]) -> Option<Element<'x, 'a>> {
    parent.elements().find(|child| names.contains(&child.name()))
}

/// The text of an element; empty if it has child elements.
fn text(element: Element<'_, '_>) -> String {
    element.text().map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or_default().to_owned()
}
