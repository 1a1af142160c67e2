//! Calls and answers that are passed on as they are written, where both sides speak the same protocol.

use std::borrow::Cow;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use crate::codec::soap::SoapVersion;
use crate::model::fault::BoxError;

/// The protocols in which a call may be passed on as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawFormat<'a> {
    /// XML-RPC: a document with one `methodCall`.
    XmlRpc,
    /// JSON-RPC: a text with one request that wants an answer.
    JsonRpc,
    /// SOAP: an envelope in UTF-8 with one element in its Body.
    Soap {
        /// Its version.
        version: SoapVersion,
        /// The name of the element in the Body.
        element: &'a str,
        /// The namespace of that element.
        namespace: Option<&'a str>,
        /// The actions that headers of WS-Addressing name.
        actions: &'a [Cow<'a, str>],
    },
}

/// A call as its caller wrote it. Whoever passes it on may trust that it is a sound one of the method that is called, whose
/// parameters nobody has looked at, and that everybody reads the same in its bytes.
#[derive(Debug, Clone, Copy)]
pub struct RawCall<'a> {
    /// What it is written in.
    pub wire: RawFormat<'a>,
    /// The document.
    pub body: &'a [u8],
    /// What its header says of it.
    pub content_type: Option<&'a HeaderValue>,
}

/// An answer as its server wrote it.
pub struct RawResponse {
    /// The status of its response: 200, but for faults of SOAP.
    pub status: StatusCode,
    /// What its header says of it.
    pub content_type: HeaderValue,
    /// The document, which may still be coming.
    pub content: RawBody,
    permit: Option<OwnedSemaphorePermit>,
}

/// The document of a [`RawResponse`] answer.
pub enum RawBody {
    /// It is there.
    Whole(Bytes),
    /// It comes piece by piece.
    Coming(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl RawResponse {
    /// An answer of this status and this type.
    pub fn new(status: StatusCode, content_type: HeaderValue, content: RawBody) -> RawResponse {
        RawResponse { status, content_type, content, permit: None }
    }

    /// The same answer, holding a permit until all of it has come.
    pub fn holding(self, permit: OwnedSemaphorePermit) -> RawResponse {
        RawResponse { permit: Some(permit), ..self }
    }

    /// Its parts: what its header says, the document, and what is to be held until that has come.
    pub fn into_parts(self) -> (HeaderValue, RawBody, Option<OwnedSemaphorePermit>) {
        (self.content_type, self.content, self.permit)
    }
}
