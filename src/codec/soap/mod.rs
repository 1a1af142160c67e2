//! SOAP messages of both versions: envelopes, values, faults, and calls in another server's format.
//!
//! XML alone does not say whether an element is a text, a struct or one item of a list. SOAP values are therefore read and
//! written by a [`Shape`](crate::model::shape::Shape), which is compiled from a method's JSON Schema; the mapping is
//! documented in [`model::shape`](crate::model::shape).
//!
//! As a server: [`SoapCall::read`] reads the envelope and finds the method, then [`SoapCall::read_params`] reads the
//! parameters onto a [`Tape`](crate::codec::tape::Tape) and returns a [`SoapMessage`]. Responses are written with
//! [`write_head`], [`write_value`] and [`write_tail`], or with [`write_fault`] for a [`FaultCause`].
//!
//! As a client: an upstream's WSDL may name elements and namespaces as it likes. A [`Binding`] is what its WSDL says about
//! the messages; [`write_call`] writes calls by it, and [`read_response`] reads a [`SoapResponse`].
//!
//! Inside, `envelope` checks versions and headers. As a server, `read`, `members` and `free` read values (by shape, as
//! members of a record, and without a shape), `lexical` converts texts by the rules of XML Schema, and `ser` serializes with
//! serde. As a client, `call` writes values by the types of a binding and holds what the types demand (`content` the order
//! and the number of elements, `simple` and `pattern` the texts), and `binding_reader` reads values by the same types, with
//! `undeclared` for what no type has.

mod attachments;
mod binding;
mod binding_reader;
mod call;
mod content;
mod detail;
mod envelope;
mod fault;
mod free;
mod lexical;
mod members;
mod message;
mod order;
mod pattern;
mod read;
mod response;
mod ser;
mod simple;

use crate::model::fault::Fault;

pub use attachments::Attachments;
pub use binding::{
    Binding, BindingType, BindingTypes, ElementContent, ItemsType, MapEntry, MessagePart, Occurrence, Operation,
    PartKind, Particle, QualifiedName, Range, RecordType, ResultContent, TypeStructure, Wildcard,
};
pub use binding_reader::{HEADERS, RESULT};
pub use call::write_call;
pub use fault::{FaultCause, write_fault};
pub use message::{SoapCall, SoapMessage, read_result, write_head, write_tail};
pub use pattern::Pattern;
pub use read::ParamLayout;
pub use response::{SoapFault, SoapResponse, read_response};
pub use ser::{ElementTarget, write_value};
pub use simple::{Bound, Facet, SimpleType, Variety};

/// The namespace of `xsi:nil` and `xsi:type`.
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The version of SOAP, which the namespace of the envelope says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoapVersion {
    /// SOAP 1.1.
    V11,
    /// SOAP 1.2.
    V12,
}

impl SoapVersion {
    /// The namespace of the version's envelope.
    pub fn namespace(self) -> &'static str {
        match self {
            SoapVersion::V11 => "http://schemas.xmlsoap.org/soap/envelope/",
            SoapVersion::V12 => "http://www.w3.org/2003/05/soap-envelope",
        }
    }

    /// The content type of the version's messages.
    pub const fn content_type(self) -> &'static str {
        match self {
            SoapVersion::V11 => "text/xml; charset=utf-8",
            SoapVersion::V12 => "application/soap+xml; charset=utf-8",
        }
    }

    fn of_namespace(namespace: &str) -> Option<SoapVersion> {
        [SoapVersion::V11, SoapVersion::V12].into_iter().find(|version| version.namespace() == namespace)
    }
}

/// The style of a message, as in WSDL: how parameters and results are placed in the Body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SoapStyle {
    /// Document/literal, wrapped: all elements are in the target namespace, and lists are repeated elements.
    #[default]
    Document,
    /// Rpc/literal: parameters and results are in no namespace, each one element.
    Rpc,
}

/// Why a message is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoapMessageError {
    /// The message's version, if it could be determined.
    pub version: Option<SoapVersion>,
    /// The cause of the fault that is returned.
    pub cause: FaultCause,
}

impl From<Fault> for SoapMessageError {
    fn from(fault: Fault) -> SoapMessageError {
        SoapMessageError { version: None, cause: FaultCause::Message(fault) }
    }
}
