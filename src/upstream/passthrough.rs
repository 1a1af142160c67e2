//! Calls passed on as they are written, and their answers on their way back.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use memchr::memmem;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::version::Description;
use super::{Upstream, UpstreamProtocol};
use crate::model::fault::{BoxError, Fault};
use crate::protocol::client_codec::ClientCodec;
use crate::service::future::MaybeReady;
use crate::service::passthrough::{RawBody, RawCall, RawFormat, RawResponse};
use crate::service::{Call, CallFuture, Output};
use crate::upstream::transport::{Incoming, Repeat};

/// How an answer of XML-RPC begins, but for what may stand before it.
static START: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("<methodResponse"));
/// The same of SOAP.
static ENVELOPE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("Envelope"));
/// How much of an answer is waited for before any of it is passed on: where a shorter one breaks off, its caller can
/// still be told so.
const FIRST: usize = 64 << 10;

/// Which method is called, and what was known when it was.
#[derive(Clone, Copy)]
struct CallTarget<'a> {
    method: &'a str,
    offer: &'a Description,
}

/// An answer as far as it has come.
struct Begun {
    /// What has come.
    first: Bytes,
    /// What is still to come; `None` where that was all.
    rest: Option<Incoming>,
}

impl Upstream {
    /// Passes a call on, if the server is asked in the same protocol and nothing is to be put into the call.
    pub(super) fn pass_on(
        &self,
        offer: &Arc<Description>,
        call: Call<'_>,
        written: &RawCall<'_>,
    ) -> Option<CallFuture> {
        let options = &self.inner.options;
        if options.token.is_some() {
            return None;
        }
        let is_same_protocol = matches!(
            (written.wire, options.protocol),
            (RawFormat::XmlRpc, UpstreamProtocol::XmlRpc)
                | (RawFormat::JsonRpc, UpstreamProtocol::JsonRpc)
                | (RawFormat::Soap, UpstreamProtocol::Soap)
        );
        if !is_same_protocol || !(written.is_unambiguous)() {
            return None;
        }
        if let Err(fault) = self.find(offer, call.method) {
            return Some(MaybeReady::now(Err(fault)));
        }
        let request = match (written.wire, &offer.codec) {
            (RawFormat::XmlRpc, _) => request(written, HeaderValue::from_static("text/xml")),
            (RawFormat::JsonRpc, _) => request(written, HeaderValue::from_static("application/json")),
            (RawFormat::Soap, Some(ClientCodec::Soap(codec))) => codec.pass(call.method, written.body)?,
            (RawFormat::Soap, _) => return None,
        };
        let offer = offer.clone();
        let (remote, method, repeat) = (self.clone(), call.method.to_owned(), self.repeat(call.method));
        Some(MaybeReady::later(async move {
            let asked = CallTarget { method: &method, offer: &offer };
            remote.send_raw(request, repeat, asked).await
        }))
    }

    async fn send_raw(&self, request: Request<Bytes>, repeat: Repeat, asked: CallTarget<'_>) -> Result<Output, Fault> {
        let protocol = self.inner.options.protocol;
        let sent = self.inner.transport.send(request, repeat, None).await;
        let (head, body) = sent.map_err(|error| self.unanswered(&error))?.into_parts();
        let content_type = head.headers.get(header::CONTENT_TYPE).cloned();
        let plain = is_an_answers(head.status, protocol) && !head.headers.contains_key(header::CONTENT_ENCODING);
        if let Some(content_type) = content_type.filter(|content_type| plain && is_of(protocol, content_type)) {
            let begun = begin(body).await.map_err(|error| self.unanswered(&error))?;
            if begun.looks_like(protocol) {
                return Ok(Output::Raw(RawResponse::new(head.status, content_type, begun.content())));
            }
            return self.read(asked, Response::from_parts(head, begun.whole(self.inner.options.max_response).await?));
        }
        let bytes = body.collect(self.inner.options.max_response).await.map_err(|error| self.unanswered(&error))?;
        self.read(asked, Response::from_parts(head, bytes))
    }

    /// Reads an answer that cannot be passed on as it is: mostly it is none.
    fn read(&self, asked: CallTarget<'_>, response: Response<Bytes>) -> Result<Output, Fault> {
        self.decode_response(asked.method, asked.offer, &response)
    }
}

fn request(written: &RawCall<'_>, usual: HeaderValue) -> Request<Bytes> {
    let mut request = Request::new(Bytes::copy_from_slice(written.body));
    *request.method_mut() = Method::POST;
    request.headers_mut().insert(header::CONTENT_TYPE, written.content_type.cloned().unwrap_or(usual));
    request
}

/// Whether a response of this status holds an answer: faults of SOAP have others than 200 (SOAP 1.1, section 6.2; SOAP 1.2,
/// Part 2, section 7.4.2).
fn is_an_answers(status: StatusCode, protocol: UpstreamProtocol) -> bool {
    let fault = status == StatusCode::INTERNAL_SERVER_ERROR || status == StatusCode::BAD_REQUEST;
    status == StatusCode::OK || (protocol == UpstreamProtocol::Soap && fault)
}

/// Whether a content type is one of the protocol's.
fn is_of(protocol: UpstreamProtocol, content_type: &HeaderValue) -> bool {
    let bytes = content_type.as_bytes();
    let media = bytes.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    match protocol {
        UpstreamProtocol::XmlRpc | UpstreamProtocol::Soap => media.ends_with(b"/xml") || media.ends_with(b"+xml"),
        UpstreamProtocol::JsonRpc => media.starts_with(b"application/json") || media.ends_with(b"+json"),
    }
}

/// Waits for the beginning of an answer, or for all of a short one.
async fn begin(mut body: Incoming) -> Result<Begun, crate::upstream::transport::TransportError> {
    if let Some(length) = body.size_hint().exact().filter(|length| *length <= FIRST as u64) {
        let limit = usize::try_from(length).unwrap_or(FIRST);
        return Ok(Begun { first: body.collect(limit).await?, rest: None });
    }
    let mut first = BytesMut::new();
    while first.len() < FIRST {
        match body.frame().await {
            None => return Ok(Begun { first: first.freeze(), rest: None }),
            Some(frame) => {
                if let Ok(data) = frame.map_err(crate::upstream::transport::TransportError::broken_off)?.into_data() {
                    first.extend_from_slice(&data);
                }
            }
        }
    }
    Ok(Begun { first: first.freeze(), rest: Some(body) })
}

/// What an answer of JSON-RPC consists of, all of it unread.
#[derive(Deserialize)]
struct Members {
    jsonrpc: Option<IgnoredAny>,
    id: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    result: bool,
    error: Option<IgnoredAny>,
}

impl Members {
    fn are_an_answer(&self) -> bool {
        self.jsonrpc.is_some() && self.id.is_some() && self.result != self.error.is_some()
    }
}

/// A result may be `null`, and is there all the same.
fn present<'de, D: Deserializer<'de>>(result: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(result).map(|_| true)
}

/// Whether a document ends as every answer of XML-RPC does, unless there is a comment where nobody has one.
fn ends(all: &[u8]) -> bool {
    let inside = all.trim_ascii_end().strip_suffix(b"</methodResponse>").unwrap_or_default().trim_ascii_end();
    inside.ends_with(b"</params>") || inside.ends_with(b"</fault>")
}

impl Begun {
    /// Whether this looks like an answer in the protocol: it begins like one and, if it is all there, has what an answer
    /// has and ends like one.
    fn looks_like(&self, protocol: UpstreamProtocol) -> bool {
        let (all, whole) = (self.first.as_ref(), self.rest.is_none());
        let start = all.get(..512).unwrap_or(all);
        match protocol {
            UpstreamProtocol::XmlRpc => START.find(start).is_some() && (!whole || ends(all)),
            UpstreamProtocol::Soap => {
                ENVELOPE.find(start).is_some() && (!whole || all.trim_ascii_end().ends_with(b"Envelope>"))
            }
            UpstreamProtocol::JsonRpc if whole => {
                serde_json::from_slice(all).is_ok_and(|members: Members| members.are_an_answer())
            }
            UpstreamProtocol::JsonRpc => all.trim_ascii_start().starts_with(b"{"),
        }
    }

    fn content(self) -> RawBody {
        match self.rest {
            None => RawBody::Whole(self.first),
            Some(rest) => RawBody::Coming(Box::pin(Resumed { first: Some(self.first), rest })),
        }
    }

    /// All of it, of at most so many bytes.
    async fn whole(self, limit: usize) -> Result<Bytes, Fault> {
        let Some(rest) = self.rest else { return Ok(self.first) };
        let rest = rest.collect(limit.saturating_sub(self.first.len())).await;
        let rest = rest.map_err(|error| super::remote::unanswered(&error))?;
        Ok([self.first, rest].concat().into())
    }
}

/// A body whose beginning has been looked at.
struct Resumed {
    first: Option<Bytes>,
    rest: Incoming,
}

impl Body for Resumed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, Bytes::len) as u64;
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(first));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint
    }
}
