//! Reads the envelope of a message: its version, its headers, and the one element of its Body.

use std::collections::HashMap;

use super::fault::{FaultCause, HeaderName};
use super::{SoapMessageError, SoapVersion};
use crate::codec::DocumentLimits;
use crate::codec::xml::tree::{Element, XmlTree, misplaced, shape};
use crate::codec::xml::{self, Reading, prolog};
use crate::model::fault::Fault;
use crate::model::text::abridge;

/// The most headers that a fault lists as not understood.
const NAMED: usize = 16;

/// Reads a document without a document type declaration into a tree, within `limits`.
pub(super) fn tree(text: &str, limits: DocumentLimits) -> Result<XmlTree<'_>, Fault> {
    // Some clients send white space before the XML declaration. It is harmless.
    let text = text.trim_start_matches([' ', '\t', '\r', '\n']);
    xml::read_tree(text, prolog::start(text, Reading::Lenient)?, limits, prolog::census)
}

/// As [`tree`], for a response of an upstream.
pub(super) fn response_tree(text: &str, limits: DocumentLimits) -> Result<XmlTree<'_>, Fault> {
    let text = text.trim_start_matches([' ', '\t', '\r', '\n']);
    xml::read_tree(text, prolog::start(text, Reading::Lenient)?, limits, prolog::census_of_response)
}

/// The envelope of a message.
pub(super) struct Envelope<'x, 'a> {
    pub(super) version: SoapVersion,
    /// The Body.
    pub(super) body: Element<'x, 'a>,
    /// The first element in the Body. The others of a response are those that it refers to, unless the response has several
    /// parts.
    pub(super) content: Element<'x, 'a>,
    /// The headers of a call that must be understood; croupier understands none.
    pub(super) must_understand: Vec<HeaderName>,
    /// The elements of a response that have an id, for references in SOAP's encoding. Calls may not use references.
    pub(super) referred: HashMap<&'x str, Element<'x, 'a>>,
}

impl<'x, 'a> Envelope<'x, 'a> {
    /// Reads the envelope of a call.
    pub(super) fn read_call(xml: &'x XmlTree<'a>) -> Result<Envelope<'x, 'a>, SoapMessageError> {
        let (version, header, body) = Envelope::body(xml)?;
        let error = |fault: Fault| SoapMessageError { version: Some(version), cause: fault.into() };
        let must_understand = match header {
            Some(header) => headers(header, version).map_err(error)?,
            None => Vec::new(),
        };
        let content = content(body).map_err(error)?;
        Ok(Envelope { version, body, content, must_understand, referred: HashMap::new() })
    }

    /// Reads the envelope of a response; `None` if its Body is empty.
    pub(super) fn read_response(xml: &'x XmlTree<'a>) -> Result<Option<Envelope<'x, 'a>>, SoapMessageError> {
        // What the headers of a response demand, its client would have to understand: none of them changes the result.
        let (version, _, body) = Envelope::body(xml)?;
        let Some(content) = body.elements().next() else { return Ok(None) };
        let mut referred = HashMap::new();
        for element in body.inside() {
            if let Some(id) = id(element) {
                referred.entry(id).or_insert(element);
            }
        }
        Ok(Some(Envelope { version, body, content, must_understand: Vec::new(), referred }))
    }

    /// The Header of a response, if it has one.
    pub(super) fn response_header(xml: &'x XmlTree<'a>) -> Result<Option<Element<'x, 'a>>, SoapMessageError> {
        let (_, header, _) = Envelope::body(xml)?;
        Ok(header)
    }

    /// Fails if the first element is followed by others than those that it refers to.
    pub(super) fn check_single(&self) -> Result<(), Fault> {
        if self.body.elements().skip(1).any(|more| id(more).is_none()) {
            return Err(shape("the `Body` holds more than one element"));
        }
        Ok(())
    }

    /// The version, the Header and the Body of an envelope.
    fn body(xml: &'x XmlTree<'a>) -> Result<EnvelopeParts<'x, 'a>, SoapMessageError> {
        let root = xml.root().ok_or_else(|| shape("there is no element in the document"))?;
        if root.name() != "Envelope" {
            let name = abridge(root.name());
            return Err(shape(format!("the root element is `{name}`, not an `Envelope`")).into());
        }
        let version = root.namespace().and_then(SoapVersion::of_namespace);
        let version = version.ok_or(SoapMessageError { version: None, cause: FaultCause::Version })?;
        match parts(root, version) {
            Ok((header, body)) => Ok((version, header, body)),
            Err(fault) => Err(SoapMessageError { version: Some(version), cause: fault.into() }),
        }
    }
}

/// The version of an envelope, its Header if it has one, and its Body.
type EnvelopeParts<'x, 'a> = (SoapVersion, Option<Element<'x, 'a>>, Element<'x, 'a>);

/// The Header and the Body of an envelope.
fn parts<'x, 'a>(
    root: Element<'x, 'a>,
    version: SoapVersion,
) -> Result<(Option<Element<'x, 'a>>, Element<'x, 'a>), Fault> {
    root.no_text()?;
    let mut parts = root.elements().peekable();
    let header = parts.next_if(|part| is(*part, version, "Header"));
    let body = parts.next().ok_or_else(|| shape("the `Envelope` has no `Body`"))?;
    if !is(body, version, "Body") {
        return Err(misplaced(body.name(), "Envelope"));
    }
    // SOAP 1.1 allows other elements after the Body (section 4) without defining their meaning.
    let surplus = parts.find(|part| version == SoapVersion::V12 || is(*part, version, "Body"));
    if let Some(part) = surplus {
        return Err(misplaced(part.name(), "Envelope"));
    }
    body.no_text()?;
    Ok((header, body))
}

/// The id by which an element is referred to (SOAP 1.1, section 5.2.1; SOAP 1.2, Part 2, section 3.1.5.1).
fn id<'x>(element: Element<'x, '_>) -> Option<&'x str> {
    element.attributes().iter().find(|attribute| attribute.name == "id").map(|attribute| attribute.value.as_ref())
}

/// The one element of a call's Body.
fn content<'x, 'a>(body: Element<'x, 'a>) -> Result<Element<'x, 'a>, Fault> {
    let mut contents = body.elements();
    let content = contents.next().ok_or_else(|| shape("the `Body` is empty; it must hold a call"))?;
    if contents.next().is_some() {
        return Err(shape("the `Body` holds more than one element"));
    }
    Ok(content)
}

/// Whether this is the element of this name in the envelope's namespace.
pub(super) fn is(element: Element<'_, '_>, version: SoapVersion, name: &str) -> bool {
    element.name() == name && element.namespace() == Some(version.namespace())
}

/// The headers for this receiver that must be understood. All other headers are ignored.
fn headers(header: Element<'_, '_>, version: SoapVersion) -> Result<Vec<HeaderName>, Fault> {
    header.no_text()?;
    let mut unknown = Vec::new();
    for block in header.elements() {
        if is_for_us(block, version) && must_be_understood(block, version)? && unknown.len() < NAMED {
            let namespace = block.namespace().unwrap_or_default().to_owned();
            unknown.push(HeaderName { namespace, local: block.name().to_owned() });
        }
    }
    Ok(unknown)
}

/// Whether a header block is for the ultimate receiver, by its actor (SOAP 1.1, section 4.2.2) or role (SOAP 1.2, Part 1,
/// section 2.2).
fn is_for_us(block: Element<'_, '_>, version: SoapVersion) -> bool {
    let (attribute, roles): (_, &[_]) = match version {
        SoapVersion::V11 => ("actor", &["", "http://schemas.xmlsoap.org/soap/actor/next"]),
        SoapVersion::V12 => (
            "role",
            &[
                "",
                "http://www.w3.org/2003/05/soap-envelope/role/next",
                "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
            ],
        ),
    };
    let role = block.attribute(version.namespace(), attribute).unwrap_or_default();
    roles.contains(&role.trim())
}

fn must_be_understood(block: Element<'_, '_>, version: SoapVersion) -> Result<bool, Fault> {
    match block.attribute(version.namespace(), "mustUnderstand").map(str::trim) {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(other) => Err(shape(format!("`mustUnderstand` is `{}`, neither `1` nor `0`", abridge(other)))),
    }
}
