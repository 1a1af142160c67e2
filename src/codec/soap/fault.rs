//! Why a call fails, and faults as each version writes them.

use memchr::memchr;

use super::SoapVersion;
use crate::codec::xml::{Characters, Control, escape};
use crate::model::fault::{Fault, Kind};

/// The name of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderName {
    /// Its namespace; empty for none.
    pub namespace: String,
    /// Its local name.
    pub local: String,
}

/// The cause of a fault: what is wrong with a message, or why its call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultCause {
    /// The envelope is neither SOAP 1.1 nor 1.2.
    Version,
    /// These headers must be understood and are not.
    Headers(Vec<HeaderName>),
    /// The message is not well-formed, or is not a call.
    Message(Fault),
    /// The call is not valid, or has failed.
    Call(Fault),
}

impl From<Fault> for FaultCause {
    fn from(fault: Fault) -> FaultCause {
        FaultCause::Message(fault)
    }
}

impl FaultCause {
    /// The kind of fault, for the access log.
    pub fn kind(&self) -> Kind {
        match self {
            FaultCause::Version | FaultCause::Headers(_) => Kind::Structure,
            FaultCause::Message(fault) | FaultCause::Call(fault) => fault.kind,
        }
    }

    /// The HTTP status of the fault: always 500 in SOAP 1.1 (section 6.2); in SOAP 1.2 400 for a `Sender` fault (Part 2,
    /// table 20) and 500 otherwise.
    pub fn status(&self, version: SoapVersion) -> u16 {
        if version == SoapVersion::V12 && self.code(version) == "Sender" { 400 } else { 500 }
    }

    fn code(&self, version: SoapVersion) -> &'static str {
        match (self, version) {
            (FaultCause::Version, _) => "VersionMismatch",
            (FaultCause::Headers(_), _) => "MustUnderstand",
            (FaultCause::Message(fault) | FaultCause::Call(fault), version) => {
                match (fault.kind.blames_sender(), version) {
                    (true, SoapVersion::V11) => "Client",
                    (true, SoapVersion::V12) => "Sender",
                    (false, SoapVersion::V11) => "Server",
                    (false, SoapVersion::V12) => "Receiver",
                }
            }
        }
    }

    fn reason(&self) -> &str {
        match self {
            FaultCause::Version => "the `Envelope` is of an unsupported version of SOAP; send SOAP 1.1 or 1.2",
            FaultCause::Headers(_) => "a header that must be understood is not understood",
            FaultCause::Message(fault) | FaultCause::Call(fault) => &fault.message,
        }
    }
}

/// Writes a complete fault message. The detail of a failed call is an element `fault` in `namespace`, which holds the
/// [kind](Kind::word), the [code](Kind::xmlrpc_code), and the data of the fault as JSON. Characters that XML forbids are replaced, so that writing a
/// fault never fails.
pub fn write_fault(to: &mut Vec<u8>, cause: &FaultCause, version: SoapVersion, namespace: &str) {
    put(to, &["<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"", version.namespace(), "\">"]);
    write_header(to, cause, version);
    put(to, &["<soap:Body><soap:Fault>"]);
    let code = cause.code(version);
    match version {
        SoapVersion::V11 => {
            put(to, &["<faultcode>soap:", code, "</faultcode><faultstring>"]);
            text(to, cause.reason());
            put(to, &["</faultstring>"]);
        }
        SoapVersion::V12 => {
            put(to, &["<soap:Code><soap:Value>soap:", code, "</soap:Value>"]);
            write_subcode(to, cause);
            put(to, &["</soap:Code><soap:Reason><soap:Text xml:lang=\"en\">"]);
            text(to, cause.reason());
            put(to, &["</soap:Text></soap:Reason>"]);
        }
    }
    write_detail(to, cause, version, namespace);
    put(to, &["</soap:Fault></soap:Body></soap:Envelope>\n"]);
}

/// Writes the header about the fault: the supported versions (SOAP 1.2, Part 1, section 5.4.7), or the headers that are
/// not understood (section 5.4.8). SOAP 1.1 has no such header.
fn write_header(to: &mut Vec<u8>, cause: &FaultCause, version: SoapVersion) {
    match cause {
        FaultCause::Version => {
            let [first, second] = [SoapVersion::V12.namespace(), SoapVersion::V11.namespace()];
            put(
                to,
                &["<soap:Header><env:Upgrade xmlns:env=\"", first, "\"><env:SupportedEnvelope qname=\"a:Envelope\""],
            );
            put(to, &[" xmlns:a=\"", first, "\"/><env:SupportedEnvelope qname=\"b:Envelope\" xmlns:b=\"", second]);
            put(to, &["\"/></env:Upgrade></soap:Header>"]);
        }
        FaultCause::Headers(names) if version == SoapVersion::V12 => {
            put(to, &["<soap:Header>"]);
            for name in names {
                if name.namespace.is_empty() {
                    put(to, &["<soap:NotUnderstood qname=\"", &name.local, "\"/>"]);
                } else {
                    put(to, &["<soap:NotUnderstood qname=\"h:", &name.local, "\" xmlns:h=\""]);
                    attribute(to, &name.namespace);
                    put(to, &["\"/>"]);
                }
            }
            put(to, &["</soap:Header>"]);
        }
        _ => {}
    }
}

fn write_subcode(to: &mut Vec<u8>, cause: &FaultCause) {
    let FaultCause::Call(fault) = cause else { return };
    if let Some(subcode) = fault.kind.soap_subcode() {
        put(to, &["<soap:Subcode><soap:Value xmlns:rpc=\"http://www.w3.org/2003/05/soap-rpc\">rpc:", subcode]);
        put(to, &["</soap:Value></soap:Subcode>"]);
    }
}

/// Writes the detail. In SOAP 1.1 a fault has a detail only if it is about the Body (section 4.4); SOAP 1.2 faults are
/// written the same way.
fn write_detail(to: &mut Vec<u8>, cause: &FaultCause, version: SoapVersion, namespace: &str) {
    let FaultCause::Call(fault) = cause else { return };
    let name = match version {
        SoapVersion::V11 => "detail",
        SoapVersion::V12 => "soap:Detail",
    };
    put(to, &["<", name, "><m:fault xmlns:m=\""]);
    attribute(to, namespace);
    let code = fault.kind.xmlrpc_code().to_string();
    put(to, &["\"><m:kind>", fault.kind.word(), "</m:kind><m:code>", &code, "</m:code>"]);
    if let Some(data) = &fault.data {
        put(to, &["<m:data>"]);
        text(to, data.json());
        put(to, &["</m:data>"]);
    }
    put(to, &["</m:fault></", name, ">"]);
}

fn put(to: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        to.extend_from_slice(part.as_bytes());
    }
}

fn text(to: &mut Vec<u8>, text: &str) {
    // Writing cannot fail, because forbidden characters are replaced.
    let _ = escape::text(to, text, Characters { control: Control::Replace, ascii: false });
}

/// Writes text between double quotes.
pub(super) fn attribute(to: &mut Vec<u8>, value: &str) {
    let mut left = value;
    while let Some(quote) = memchr(b'"', left.as_bytes()) {
        let (before, behind) = left.split_at(quote);
        text(to, before);
        to.extend_from_slice(b"&quot;");
        left = behind.get(1..).unwrap_or_default();
    }
    text(to, left);
}
