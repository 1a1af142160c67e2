//! SOAP's messages, read and written in both versions: envelopes, values by their shapes, faults.

mod binding;
mod call;
mod envelope;
mod fault;
mod free;
mod lexical;
mod members;
mod message;
mod read;
mod reply;
mod ser;

use crate::model::fault::Fault;

pub use binding::{
    Binding, BindingType, ElementContent, MapEntry, MessagePart, Occurrence, Operation, QualifiedName, ResultLocation,
    TypeStructure,
};
pub use call::write_call;
pub use fault::{SoapFailure, write_fault};
pub use message::{SoapCall, SoapMessage, read_answer, write_head, write_tail};
pub use read::ParamLayout;
pub use reply::{SoapFault, SoapReply, read_reply};
pub use ser::{ElementTarget, write_value};

/// The namespace of `xsi:nil` and `xsi:type`.
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// SOAP's two versions, which the namespace of the envelope tells apart.
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

/// How parameters and results stand in the Body, as a WSDL document says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SoapStyle {
    /// Document/literal, wrapped: all elements are in the target namespace, and lists are repeated elements.
    #[default]
    Document,
    /// Rpc/literal: parameters and results are in no namespace, each one element.
    Rpc,
}

/// Why a message is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoapRejection {
    /// The message's version, where that much could be seen.
    pub version: Option<SoapVersion>,
    /// What is wrong.
    pub refused: SoapFailure,
}

impl From<Fault> for SoapRejection {
    fn from(fault: Fault) -> SoapRejection {
        SoapRejection { version: None, refused: SoapFailure::SoapMessage(fault) }
    }
}
