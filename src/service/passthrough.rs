//! Passthrough: calls and responses that are forwarded in their original bytes, if both sides use the same protocol.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
#[cfg(feature = "server")]
use http_body::SizeHint;

use crate::model::fault::{BoxError, Kind};
use crate::service::permit::ResponsePermit;
use crate::service::unread_body::UnreadBody;

/// The protocol of a message that may be passed on in its original bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawFormat {
    /// XML-RPC: a document with one `methodCall`.
    XmlRpc,
    /// JSON-RPC: a text with one request that is not a notification.
    JsonRpc,
    /// SOAP: an envelope in UTF-8 with one element in its Body, which is one of the upstream's own
    /// [messages](crate::model::interface::Interface::messages).
    Soap,
}

/// A call in its original bytes: a well-formed message for the given method. Its parameters are not validated.
#[derive(Clone, Copy)]
pub struct RawCall<'a> {
    /// The protocol of the message.
    pub wire: RawFormat,
    /// The message.
    pub body: &'a [u8],
    /// The `id` of a JSON-RPC request, as it is written in the message; `None` in other protocols.
    pub id: Option<&'a str>,
    /// The `charset` that the client has named for an XML document.
    pub charset: Option<&'a str>,
    /// Whether the message says more than the call: it has to be passed on as it is, or refused.
    pub has_further: bool,
    /// Whether every reader finds the same call in these bytes. Only a call for which this returns `true` may be passed
    /// on. It takes time, so ask last.
    pub is_unambiguous: &'a dyn Fn() -> bool,
}

impl fmt::Debug for RawCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawCall").field("wire", &self.wire).field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// An HTTP request that is one of the upstream's own [operations](crate::model::interface::Interface::operations). Neither its
/// parameters nor its body have been read.
#[derive(Clone, Copy)]
pub struct HttpCall<'a> {
    /// The verb: that of the operation, or HEAD for an operation with GET.
    pub verb: &'a Method,
    /// The texts of the variables in the path, percent-encoded, in the order of the path.
    pub path_values: &'a [&'a str],
    /// The query, without its question mark.
    pub query: &'a str,
    /// The version of HTTP in which the client has sent it.
    pub version: Version,
    /// The headers of the request.
    pub headers: &'a HeaderMap,
    /// The headers with the credentials of the client for croupier itself. They must not be passed on.
    pub credentials: &'a [HeaderName],
    /// The body.
    pub body: &'a UnreadBody,
    /// The URL of the group as the client knows it, without a slash at its end.
    pub group_url: &'a str,
}

impl fmt::Debug for HttpCall<'_> {
    /// Omits the headers, which may have secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCall").field("verb", &self.verb).field("body", &self.body).finish_non_exhaustive()
    }
}

/// A response in the original bytes of the upstream.
pub struct RawResponse {
    /// The status: 200, except for SOAP faults and responses to an [`HttpCall`].
    pub status: StatusCode,
    /// The `Content-Type` of the document; for an [`HttpCall`] all headers that are passed on.
    pub headers: HeaderMap,
    /// The document, which may not have arrived yet.
    pub content: RawBody,
    /// The kind of the fault, if the document is one: for logs and metrics.
    pub fault: Option<Kind>,
    /// Whether the upstream has set a cookie with it: it is for one client only.
    pub sets_cookies: bool,
    permit: Option<ResponsePermit>,
}

/// The document of a [`RawResponse`].
pub enum RawBody {
    /// The whole document.
    Whole(Bytes),
    /// A document that arrives in pieces.
    Coming(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl RawResponse {
    /// A response with this status and media type.
    pub fn new(status: StatusCode, content_type: HeaderValue, content: RawBody) -> RawResponse {
        RawResponse::with_headers(status, HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]), content)
    }

    /// A response with this status and these headers.
    pub fn with_headers(status: StatusCode, headers: HeaderMap, content: RawBody) -> RawResponse {
        RawResponse { status, headers, content, fault: None, sets_cookies: false, permit: None }
    }

    /// The same response, whose document is a fault of this kind if there is one.
    pub fn with_fault(self, fault: Option<Kind>) -> RawResponse {
        RawResponse { fault, ..self }
    }

    /// The same response, which holds a permit until all of it has arrived.
    pub fn holding(self, permit: ResponsePermit) -> RawResponse {
        RawResponse { permit: Some(permit), ..self }
    }

    /// The headers, the document, and the permit to hold until the document has arrived.
    pub fn into_parts(self) -> (HeaderMap, RawBody, Option<ResponsePermit>) {
        (self.headers, self.content, self.permit)
    }
}

/// The size of a body that begins with so many bytes, before the rest of it.
#[cfg(feature = "server")]
pub(crate) fn size_after(first: usize, rest: &SizeHint) -> SizeHint {
    let first = first as u64;
    let mut hint = SizeHint::new();
    hint.set_lower(rest.lower().saturating_add(first));
    if let Some(upper) = rest.upper() {
        hint.set_upper(upper.saturating_add(first));
    }
    hint
}
