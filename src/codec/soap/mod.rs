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

pub use binding::{Binding, Content, Entry, Name, Occurs, Operation, Outcome, Part, Structure, Typed};
pub use call::write_call;
pub use fault::{Refused, write_fault};
pub use message::{Message, Opened, read_answer, write_head, write_tail};
pub use read::Given;
pub use reply::{Reply, Told, read_reply};
pub use ser::{Place, write_value};

/// The namespace of `xsi:nil` and `xsi:type`.
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// SOAP's two versions, which the namespace of the envelope tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// SOAP 1.1.
    V11,
    /// SOAP 1.2.
    V12,
}

impl Version {
    /// The namespace of the version's envelope.
    pub fn namespace(self) -> &'static str {
        match self {
            Version::V11 => "http://schemas.xmlsoap.org/soap/envelope/",
            Version::V12 => "http://www.w3.org/2003/05/soap-envelope",
        }
    }

    /// The content type of the version's messages.
    pub const fn content_type(self) -> &'static str {
        match self {
            Version::V11 => "text/xml; charset=utf-8",
            Version::V12 => "application/soap+xml; charset=utf-8",
        }
    }

    fn of_namespace(namespace: &str) -> Option<Version> {
        [Version::V11, Version::V12].into_iter().find(|version| version.namespace() == namespace)
    }
}

/// How parameters and results stand in the Body, as a WSDL document says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Document/literal, wrapped: all elements are in the target namespace, and lists are repeated elements.
    #[default]
    Document,
    /// Rpc/literal: parameters and results are in no namespace, each one element.
    Rpc,
}

/// Why a message is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The message's version, where that much could be seen.
    pub version: Option<Version>,
    /// What is wrong.
    pub refused: Refused,
}

impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Rejection {
        Rejection { version: None, refused: Refused::Message(fault) }
    }
}
