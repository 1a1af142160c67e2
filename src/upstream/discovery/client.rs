//! The requests that discovery sends: calls of introspection methods, and GET of documents. None of them changes anything.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use memchr::{memchr_iter, memchr3_iter, memmem};
use serde::de::IgnoredAny;

use crate::model::fault::Fault;
use crate::model::text::shorten;
use crate::model::value::Value;
use crate::protocol::Protocol;
use crate::protocol::client_codec;
use crate::protocol::client_codec::{CallTarget, ClientCodec, ResponseError, redirect_target};
use crate::service::args::ArgValues;
use crate::upstream::fault;
use crate::upstream::identity_token::IdentityToken;
use crate::upstream::transport::{Repeat, Transport, TransportError, WasCompressed};

/// How many characters of a response are repeated in an error.
const EXCERPT: usize = 100;

/// How many bytes a description may have. Descriptions of thousands of methods have less than a tenth of it.
pub(crate) const MAX_DESCRIPTION: usize = 16 << 20;
/// How much memory the elements or values of a description may take, in bytes. Descriptions are read beside the memory for
/// results.
const MAX_MEMORY: usize = 64 << 20;
/// About how much memory an XML element or a JSON value takes while it is read.
const EACH: usize = 160;

/// Sends the requests of discovery to one upstream.
pub(crate) struct DiscoveryClient<'t> {
    transport: &'t Transport,
    /// The time limit for each request, besides the limits of the transport.
    timeout: Option<Duration>,
    /// The largest response, in bytes.
    max_response: usize,
    /// Signs a token for each request.
    token: Option<&'t IdentityToken>,
    seen: SeenForms,
}

/// What was in any of the responses.
#[derive(Debug, Default)]
pub(super) struct SeenForms {
    /// An integer of 64 bits (`<i8>`).
    pub(super) i8: AtomicBool,
    /// A compressed body.
    pub(super) compressed: AtomicBool,
    /// A response of JSON-RPC without `jsonrpc`, as in version 1.0.
    pub(super) json_rpc_1: AtomicBool,
    /// A character that XML forbids.
    pub(super) forbidden_characters: AtomicBool,
}

impl SeenForms {
    fn note(&self, response: &Response<Bytes>) {
        let body = response.body();
        let note = |form: &AtomicBool, was_seen: bool| {
            if was_seen {
                form.store(true, Relaxed);
            }
        };
        note(&self.compressed, response.extensions().get::<WasCompressed>().is_some());
        note(&self.i8, memmem::find(body, b"<i8>").is_some());
        let begins_with = |first: u8| body.trim_ascii_start().first() == Some(&first);
        note(&self.json_rpc_1, begins_with(b'{') && is_json_rpc_1(body));
        let is_forbidden = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
        note(&self.forbidden_characters, begins_with(b'<') && body.iter().any(is_forbidden));
    }
}

/// Whether this is a response of JSON-RPC 1.0: it has a result or an error, and does not name its version.
fn is_json_rpc_1(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Version {
        jsonrpc: Option<IgnoredAny>,
        result: Option<IgnoredAny>,
        error: Option<IgnoredAny>,
    }
    let version = serde_json::from_slice::<Version>(body);
    version.is_ok_and(|it| it.jsonrpc.is_none() && (it.result.is_some() || it.error.is_some()))
}

/// Why a request of discovery has no usable response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    /// The server cannot be reached, does not respond in time, or the connection broke.
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// The response is complete, but has status 401. The text is its `WWW-Authenticate` header.
    #[error("HTTP 401")]
    Unauthorized(String),
    /// The response has another status than 200, and holds no fault.
    #[error("{0}")]
    Status(String),
    /// The response is not of the protocol, or not the document that was requested.
    #[error("{0}")]
    Malformed(String),
    /// The server returned a fault of the protocol.
    #[error("the fault {}: {}", .0.kind.xmlrpc_code(), .0.message)]
    Fault(Fault),
}

impl DiscoveryError {
    /// Whether further requests would fail too: the server cannot be reached, or does not respond.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, DiscoveryError::Transport(_)) && !self.is_broken()
    }

    /// Whether the connection broke, which is how a server may react to a protocol that it does not know.
    pub(crate) fn is_broken(&self) -> bool {
        let broken = |error: &TransportError| error.connected() && !error.is_late() && !error.is_too_large();
        matches!(self, DiscoveryError::Transport(error) if broken(error))
    }

    pub(super) fn into_fault(self, protocol: Protocol) -> Fault {
        match self {
            DiscoveryError::Transport(error) => fault::from_transport(&error),
            DiscoveryError::Fault(fault) => fault,
            DiscoveryError::Unauthorized(_) => super::unusable(&"HTTP status 401"),
            DiscoveryError::Status(reason) => super::unusable(&reason),
            DiscoveryError::Malformed(reason) => {
                super::unusable(&format_args!("not a valid {} response: {reason}", protocol.title()))
            }
        }
    }
}

impl<'t> DiscoveryClient<'t> {
    pub(crate) fn new(transport: &'t Transport, timeout: Option<Duration>, max_response: usize) -> DiscoveryClient<'t> {
        let max_response = max_response.min(MAX_DESCRIPTION);
        DiscoveryClient { transport, timeout, max_response, token: None, seen: SeenForms::default() }
    }

    /// Sends tokens that this signs, if it signs any for requests without a caller.
    pub(super) fn with_token(self, token: Option<&'t IdentityToken>) -> DiscoveryClient<'t> {
        DiscoveryClient { token, ..self }
    }

    /// What was in the responses so far.
    pub(super) fn seen(&self) -> &SeenForms {
        &self.seen
    }

    /// The path of the upstream's address, with its query.
    pub(super) fn path(&self) -> &str {
        self.transport.path()
    }

    /// Calls a method that changes nothing.
    pub(super) async fn call(
        &self,
        codec: &ClientCodec,
        method: &str,
        arguments: ArgValues,
    ) -> Result<Value, DiscoveryError> {
        let target = CallTarget::new(method, None);
        let request = codec.encode_call(target, arguments).map_err(DiscoveryError::Fault)?;
        let response = self.exchange(request).await?;
        codec.decode_response(target, &response).map_err(|error| classify(error, &response))
    }

    /// Fetches a document from this server.
    pub(super) async fn get(&self, path: &str) -> Result<String, DiscoveryError> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::GET;
        let uri = path.parse();
        *request.uri_mut() =
            uri.map_err(|error| DiscoveryError::Malformed(format!("`{path}` is not a valid path: {error}")))?;
        let response = self.exchange(request).await?;
        match response.status() {
            StatusCode::OK => client_codec::document_text(&response)
                .map_err(|fault| DiscoveryError::Malformed(fault.message.into_owned())),
            StatusCode::UNAUTHORIZED => Err(unauthorized(response.headers())),
            status => Err(DiscoveryError::Status(format!("HTTP {status}{}", redirection(response.headers())))),
        }
    }

    pub(super) async fn exchange(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, DiscoveryError> {
        if let Some(token) = self.token {
            token.apply_own_to(request.headers_mut());
        }
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        let response = self.transport.exchange(request, Repeat::Harmless, self.max_response, deadline).await?;
        let body = response.body();
        let parts = memchr3_iter(b'<', b',', b'[', body).count() + memchr_iter(b'{', body).count();
        if parts.saturating_mul(EACH) > MAX_MEMORY {
            return Err(DiscoveryError::Malformed(format!("it has too many parts: {parts}")));
        }
        self.seen.note(&response);
        Ok(response)
    }
}

pub(super) fn classify(error: ResponseError, response: &Response<Bytes>) -> DiscoveryError {
    match error {
        ResponseError::Fault(fault) => DiscoveryError::Fault(fault),
        _ if response.status() == StatusCode::UNAUTHORIZED => unauthorized(response.headers()),
        ResponseError::Malformed(_) | ResponseError::Text { .. } => DiscoveryError::Malformed(excerpt(response)),
        ResponseError::Status { .. } => DiscoveryError::Status(format!("{error}{}", redirection(response.headers()))),
        ResponseError::WrongType(_) => DiscoveryError::Malformed(error.to_string()),
    }
}

pub(super) fn unauthorized(headers: &HeaderMap) -> DiscoveryError {
    DiscoveryError::Unauthorized(header_text(headers, header::WWW_AUTHENTICATE))
}

/// The status, type and beginning of a response that is not of the protocol.
fn excerpt(response: &Response<Bytes>) -> String {
    let media = header_text(response.headers(), header::CONTENT_TYPE);
    let body = String::from_utf8_lossy(response.body().get(..4 * EXCERPT).unwrap_or(response.body())).into_owned();
    let words: Vec<&str> = body.split_whitespace().collect();
    let start = words.join(" ");
    let status = response.status();
    let media = if media.is_empty() { media } else { format!(", {media}") };
    if start.is_empty() {
        format!("HTTP {status}{media}, with an empty body")
    } else {
        format!("HTTP {status}{media}: {}", shorten(&start, EXCERPT))
    }
}

fn redirection(headers: &HeaderMap) -> String {
    redirect_target(headers).map(|target| format!(" (it points to {target})")).unwrap_or_default()
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> String {
    let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    shorten(&value.unwrap_or_default(), 200).into_owned()
}
