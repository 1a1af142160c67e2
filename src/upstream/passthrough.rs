//! Calls that are sent to an upstream in their original bytes, and their responses.
//!
//! The start of a response is read before any of it is sent to the client: a response that breaks off early, or is not
//! one of the protocol, still becomes a fault. The rest is streamed, with no limit on its size.
//!
//! Browsers and XML parsers do more with a response than the protocol needs: they run the scripts of some media types, load
//! what a document type declaration or a style sheet instruction names, and believe in a character encoding. So a response
//! is passed through only if its media type is one of the protocol's own, its encoding is certain, and nothing but an XML
//! declaration precedes its root element. Any other one is decoded and written again, or refused.
//!
//! An XML document that is passed through is [well-formed](well_formed): a client has no way to mend the server. What is
//! wrong in the start of a response leads to decoding, which may accept it; a character that is wrong later breaks off the
//! response.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use memchr::{memchr, memmem};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Upstream;
use super::call_scope::CallScope;
use super::incoming_rows::{CalledMethod, Report, RowsError};
use super::json_result::{JsonResultBody, ResultPlace};
use super::received::ReceivedResponse;
use super::version::Description;
use crate::codec::json::members::{is_present, present};
use crate::codec::xml::charset;
use crate::codec::xml::well_formed;
use crate::codec::xml::well_formed::CharacterCheck;
use crate::http::media_type;
use crate::model::fault::{BoxError, Fault, Kind};
use crate::model::shape::MethodShape;
use crate::protocol::Protocol;
use crate::protocol::client_codec::{CallTarget, ClientCodec, ResponseError};
use crate::protocol::jsonrpc::client::ParamStructure;
use crate::service::args::Args;
use crate::service::future::MaybeReady;
use crate::service::passthrough::{RawBody, RawCall, RawFormat, RawResponse, size_after};
use crate::service::{Call, CallFuture, Output};
use crate::upstream::transport::{CollectedBody, Incoming, Repeat, TransportError};

/// How many bytes of a response are read before any of them is sent to the client.
const START_SIZE: usize = 64 << 10;
/// How many bytes the XML declaration of a response may have.
const MAX_DECLARATION: usize = 512;

/// The body of a response whose start has been read.
struct ResponseStart {
    first: Bytes,
    /// What follows; `None` if `first` is the whole body.
    rest: Option<Incoming>,
}

/// How a response can be passed through.
enum Passable {
    /// In its bytes. If they have not all arrived, those of the result at this place.
    Json(Option<ResultPlace>),
    /// In its bytes. If they have not all arrived, the check goes on with the rest.
    Xml(Option<CharacterCheck>),
}

impl Upstream {
    /// Sends a call in its original bytes. `None` if it has to be encoded anew: the options say so, or the upstream has another
    /// protocol, or needs a token in front of the parameters, or two readers could understand the bytes differently.
    pub(super) fn pass_through(
        &self,
        description: &Arc<Description>,
        call: Call<'_>,
        raw: &RawCall<'_>,
    ) -> Option<CallFuture> {
        let options = &self.inner.options;
        if options.token.is_some() || !options.passthrough {
            return None;
        }
        if Protocol::from(raw.wire) != options.protocol || !(raw.is_unambiguous)() {
            return None;
        }
        match self.find(description, call.method) {
            Ok(Some(_)) if raw.wire == RawFormat::JsonRpc && self.arranges_arguments(description, &call) => {
                return None;
            }
            Ok(_) => {}
            Err(fault) => return Some(MaybeReady::now(Err(fault))),
        }
        let request = match (raw.wire, &description.codec) {
            (RawFormat::XmlRpc, _) => raw_request(raw.body, xml_type(raw.charset)?),
            (RawFormat::JsonRpc, _) => raw_request(raw.body, HeaderValue::from_static("application/json")),
            (RawFormat::Soap, Some(ClientCodec::Soap(codec))) => codec.encode_raw(call.method, raw.body)?,
            (RawFormat::Soap, _) => return None,
        };
        let upstream = self.clone();
        let method =
            CalledMethod { sent_id: raw.id.map(Arc::from), ..CalledMethod::new(call.method, description.clone()) };
        let repeat = self.repeat(call.method);
        let scope = self.scope(&call, Some(&method.name));
        Some(MaybeReady::later(async move { upstream.send_raw(request, repeat, method, &scope).await }))
    }

    /// Whether the options want the arguments of a JSON-RPC call of a known method in another form than the client's: by name, or
    /// in the order that they give.
    fn arranges_arguments(&self, description: &Description, call: &Call<'_>) -> bool {
        let Args::Json(arguments) = call.args else { return false };
        let are_named = arguments.get().starts_with('{');
        match &description.codec {
            Some(ClientCodec::JsonRpc(codec)) if codec.param_structure == ParamStructure::ByName => !are_named,
            _ if !are_named => false,
            _ if self.inner.options.params.contains_key(call.method) => true,
            _ => {
                let is_free = |shape: &MethodShape| shape.has_free_arguments;
                description.shapes.method(call.method).is_some_and(is_free)
                    && call.args.read_values().is_ok_and(|arguments| arguments.is_free_list())
            }
        }
    }

    async fn send_raw(
        &self,
        request: Request<Bytes>,
        repeat: Repeat,
        method: CalledMethod,
        scope: &CallScope,
    ) -> Result<Output, Fault> {
        let protocol = self.inner.options.protocol;
        let (head, body) = self.send_request(request, repeat, scope).await?;
        let content_type = head.headers.get(header::CONTENT_TYPE).cloned();
        let is_plain = may_be_response(head.status, protocol) && !head.headers.contains_key(header::CONTENT_ENCODING);
        if let Some(content_type) =
            content_type.filter(|content_type| is_plain && is_media_type_of(protocol, content_type))
        {
            let start = read_start(body).await.map_err(|error| self.transport_fault(&error, scope))?;
            if let Some(passable) = start.passable(protocol, &content_type, method.sent_id.as_deref()) {
                let fault = start.fault_kind(&head, &method);
                self.note_answer(head.status, &head.extensions);
                let content_type = own_content_type(protocol, content_type);
                let CalledMethod { name, sent_id, .. } = method;
                let report = start.rest.is_some().then(|| self.report_on_rest(name, scope.clone()));
                let body = start.into_raw_body(passable, sent_id.as_deref(), report);
                let response = RawResponse::new(head.status, content_type, body);
                return Ok(Output::Raw(response.with_fault(fault)));
            }
            let Some(rest) = start.rest else {
                let response = Response::from_parts(head, start.first);
                let memory = scope.reserve(&self.inner.share);
                let received = ReceivedResponse { response, memory, deadline: scope.deadline };
                // Boxed, here and below, because these are rare and large: the future of each call would be as large.
                return Box::pin(self.result(received, method, scope)).await;
            };
            let (rest, first) = (rest.with_deadline(scope.deadline), CollectedBody::beginning_with(start.first));
            return Box::pin(self.receive_result(head, rest, first, method, scope)).await;
        }
        // Such a response cannot be passed through, mostly because it is not one of the protocol.
        Box::pin(self.receive_result(head, body, CollectedBody::default(), method, scope)).await
    }
}

/// The request with a message in its original bytes. Its head is croupier's own: servers may take one spelling of a media type
/// only.
fn raw_request(body: &[u8], content_type: HeaderValue) -> Request<Bytes> {
    let mut request = Request::new(Bytes::copy_from_slice(body));
    *request.method_mut() = Method::POST;
    request.headers_mut().insert(header::CONTENT_TYPE, content_type);
    request
}

/// The media type of an XML document whose sender has named this charset. UTF-8 needs no name.
fn xml_type(charset: Option<&str>) -> Option<HeaderValue> {
    match charset {
        Some(charset) if !charset.eq_ignore_ascii_case("utf-8") => {
            HeaderValue::from_str(&format!("text/xml; charset={charset}")).ok()
        }
        _ => Some(HeaderValue::from_static("text/xml")),
    }
}

/// Whether a response with this status can hold a result or a fault. SOAP faults have statuses other than 200 (SOAP 1.1,
/// section 6.2; SOAP 1.2, Part 2, section 7.4.2).
fn may_be_response(status: StatusCode, protocol: Protocol) -> bool {
    let may_be_soap_fault = status == StatusCode::INTERNAL_SERVER_ERROR || status == StatusCode::BAD_REQUEST;
    status == StatusCode::OK || (protocol == Protocol::Soap && may_be_soap_fault)
}

/// Whether the protocol uses this media type, with no other parameters than those of the protocol.
fn is_media_type_of(protocol: Protocol, content_type: &HeaderValue) -> bool {
    let own: &[&str] = match protocol {
        Protocol::Rest | Protocol::Mcp | Protocol::Page => &[],
        Protocol::XmlRpc => &["text/xml", "application/xml"],
        Protocol::Soap => &["text/xml", "application/xml", "application/soap+xml"],
        Protocol::JsonRpc => &["application/json"],
    };
    let bytes = content_type.as_bytes();
    let mut parts = bytes.split(|byte| *byte == b';');
    let media = parts.next().unwrap_or_default().trim_ascii();
    let is_own_parameter = |parameter: &[u8]| {
        let name = parameter.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        // RFC 3902, section 2, defines `action`.
        let is_action = protocol == Protocol::Soap && name.eq_ignore_ascii_case(b"action");
        name.is_empty() || name.eq_ignore_ascii_case(b"charset") || is_action
    };
    own.iter().any(|own| media.eq_ignore_ascii_case(own.as_bytes()))
        && parts.all(is_own_parameter)
        // Browsers read a value with a comma as a list, and use the last media type in it.
        && memchr(b',', bytes).is_none()
}

/// The content type under which a response is passed through. XML-RPC has one media type, and some clients accept no other
/// (xmlrpc.com/spec.md).
fn own_content_type(protocol: Protocol, content_type: HeaderValue) -> HeaderValue {
    const OWN: &[u8] = b"text/xml";
    let has_own = content_type.as_bytes().get(..OWN.len()).is_some_and(|media| media.eq_ignore_ascii_case(OWN));
    if protocol != Protocol::XmlRpc || has_own {
        return content_type;
    }
    let parameters = memchr(b';', content_type.as_bytes()).and_then(|at| content_type.as_bytes().get(at..));
    let own = HeaderValue::from_bytes(&[OWN, parameters.unwrap_or_default()].concat());
    own.unwrap_or(HeaderValue::from_static("text/xml"))
}

/// The `charset` parameter of a content type.
fn charset_of(content_type: &HeaderValue) -> Option<&str> {
    media_type::parameter_of(content_type.as_bytes(), "charset")
}

/// What follows the `<` of the root element, if at most a byte order mark, an XML declaration and white space precede it.
fn root_tag(document: &[u8]) -> Option<&[u8]> {
    let text = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document).trim_ascii_start();
    let root = match text.strip_prefix(b"<?xml") {
        Some([blank, declaration @ ..]) if blank.is_ascii_whitespace() => {
            let end = memchr(b'>', declaration.get(..MAX_DECLARATION).unwrap_or(declaration))?;
            declaration.get(..end).filter(|declaration| declaration.ends_with(b"?"))?;
            declaration.get(end + 1..)?.trim_ascii_start()
        }
        _ => text,
    };
    root.strip_prefix(b"<")
}

/// Whether a tag, without its `<`, has this name; with a prefix or without, if it may have one.
fn has_name(tag: &[u8], name: &str, may_have_prefix: bool) -> bool {
    let end = tag.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'));
    let Some(own) = end.and_then(|end| tag.get(..end)) else { return false };
    let prefix = own.strip_suffix(name.as_bytes());
    prefix.is_some_and(|prefix| prefix.is_empty() || (may_have_prefix && prefix.ends_with(b":")))
}

/// Whether a document may have an element of this name, with a prefix or without: what only looks like its tag counts, too.
fn may_have_element(document: &[u8], name: &str) -> bool {
    memmem::find_iter(document, name.as_bytes()).any(|start| {
        let before = start.checked_sub(1).and_then(|index| document.get(index));
        let after = document.get(start + name.len());
        matches!(before, Some(b'<' | b':'))
            && after.is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))
    })
}

/// Reads the start of a response, or all of a short one.
async fn read_start(mut body: Incoming) -> Result<ResponseStart, TransportError> {
    if let Some(length) = body.size_hint().exact().filter(|length| *length <= START_SIZE as u64) {
        let limit = usize::try_from(length).unwrap_or(START_SIZE);
        return Ok(ResponseStart { first: body.collect(limit).await?, rest: None });
    }
    let mut first = BytesMut::new();
    while first.len() < START_SIZE {
        match body.frame().await {
            None => return Ok(ResponseStart { first: first.freeze(), rest: None }),
            Some(frame) => {
                if let Ok(data) = frame.map_err(TransportError::broken_off)?.into_data() {
                    first.extend_from_slice(&data);
                }
            }
        }
    }
    // From here on, the client of the gateway sets the pace, and the deadline is no longer that of the upstream.
    Ok(ResponseStart { first: first.freeze(), rest: Some(body.with_deadline(None)) })
}

/// The members of a JSON-RPC response, as they are written.
#[derive(Debug, Default, Deserialize)]
struct ResponseMembers<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "is_present")]
    result: bool,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// The error of a JSON-RPC response.
#[derive(Deserialize)]
struct ErrorResponse {
    error: Option<ErrorCode>,
}

/// The code of an error. An error without a code is one, too.
#[derive(Deserialize)]
struct ErrorCode {
    code: Option<i64>,
}

/// An error object as the specification has it (section 5.1).
#[derive(Deserialize)]
struct StandardError<'a> {
    #[serde(rename = "code")]
    _code: i64,
    #[serde(borrow, rename = "message")]
    _message: Cow<'a, str>,
}

fn is_standard_error(json: &str) -> bool {
    begins_object(json.as_bytes()) && serde_json::from_str::<StandardError<'_>>(json).is_ok()
}

/// Whether a text begins as an object. Structs are read from arrays, too.
fn begins_object(json: &[u8]) -> bool {
    json.trim_ascii_start().starts_with(b"{")
}

impl ResponseMembers<'_> {
    /// Whether these are the members of a response of version 2.0 to the request with this id.
    fn are_response(&self, sent_id: &str) -> bool {
        let own = self.id.is_some_and(|id| id.get() == sent_id);
        let is_version_2 = self.jsonrpc.is_some_and(|version| version.get() == "\"2.0\"");
        let is_outcome = match self.error {
            None => self.result,
            Some(error) => !self.result && is_standard_error(error.get()),
        };
        own && is_version_2 && is_outcome
    }
}

/// Whether a document ends with the end tags of an XML-RPC response with a value. One that ends with a comment does not, and
/// is decoded instead; so is one without a value, which is written with the empty string that other methods without a result
/// return.
fn ends_like_response(all: &[u8]) -> bool {
    ends_with(all, b"</fault>") || content_before(all, b"</params>").is_some_and(|params| params.ends_with(b"</param>"))
}

/// Whether the last element inside of the root element of an XML-RPC response ends with this tag.
fn ends_with(all: &[u8], tag: &[u8]) -> bool {
    content_before(all, tag).is_some()
}

/// What precedes this end tag, if it is the last one inside of the root element of an XML-RPC response.
fn content_before<'a>(all: &'a [u8], tag: &[u8]) -> Option<&'a [u8]> {
    let content = all.trim_ascii_end().strip_suffix(b"</methodResponse>")?.trim_ascii_end();
    content.strip_suffix(tag).map(<[u8]>::trim_ascii_end)
}

impl ResponseStart {
    /// How this can be passed through; `None` if it does not look like a response of the protocol: it begins like one and,
    /// if it is whole, ends like one; or if readers could find different things in these bytes, or none.
    fn passable(&self, protocol: Protocol, content_type: &HeaderValue, sent_id: Option<&str>) -> Option<Passable> {
        let all = self.first.as_ref();
        let charset = charset_of(content_type);
        let xml = |name, may_have_prefix| {
            let certain = charset::certainty(all, charset)?;
            let tag = root_tag(all).filter(|tag| has_name(tag, name, may_have_prefix))?;
            let root = all.len().checked_sub(tag.len() + 1)?;
            if self.rest.is_none() {
                return well_formed::check_whole(all, root, certain).is_ok().then_some(Passable::Xml(None));
            }
            let (prolog, content) = all.split_at_checked(root)?;
            well_formed::check_prolog(prolog).ok()?;
            let mut check = CharacterCheck::new(certain);
            check.check(content).is_ok().then_some(Passable::Xml(Some(check)))
        };
        let whole = self.rest.is_none();
        match protocol {
            Protocol::XmlRpc => xml("methodResponse", false).filter(|_| !whole || ends_like_response(all)),
            Protocol::Soap => xml("Envelope", true).filter(|_| !whole || all.trim_ascii_end().ends_with(b"Envelope>")),
            Protocol::JsonRpc if charset.is_some_and(|charset| !charset.eq_ignore_ascii_case("utf-8")) => None,
            Protocol::JsonRpc if whole => {
                let members = serde_json::from_slice::<ResponseMembers<'_>>(all).ok().filter(|_| begins_object(all))?;
                members.are_response(sent_id?).then_some(Passable::Json(None))
            }
            Protocol::JsonRpc => ResultPlace::find(all, sent_id?).map(|place| Passable::Json(Some(place))),
            Protocol::Rest | Protocol::Mcp | Protocol::Page => None,
        }
    }

    /// The kind of the fault, if this is one. Only what may be a fault is decoded.
    fn fault_kind(&self, head: &Parts, method: &CalledMethod) -> Option<Kind> {
        let CalledMethod { name, description, .. } = method;
        let codec = description.codec.as_ref()?;
        let may_be_fault = match codec {
            ClientCodec::XmlRpc(_) => ends_with(&self.first, b"</fault>"),
            // The codec would look for its own id.
            ClientCodec::JsonRpc(_) => return self.json_error_kind(),
            ClientCodec::Soap(_) => head.status != StatusCode::OK || may_have_element(&self.first, "Fault"),
            // Nothing of REST and MCP is passed through.
            ClientCodec::Rest(_) | ClientCodec::Mcp(_) => false,
        };
        // A fault that is longer than the start of a response is not looked for.
        if !may_be_fault || self.rest.is_some() {
            return None;
        }
        let response = Response::from_parts(head.clone(), self.first.clone());
        match codec.decode_response(CallTarget::new(name, None), &response) {
            Err(ResponseError::Fault(fault)) => Some(fault.kind),
            _ => None,
        }
    }

    /// The kind of the error of a JSON-RPC response; `None` if it is not one.
    fn json_error_kind(&self) -> Option<Kind> {
        if self.rest.is_some() || memmem::find(&self.first, b"\"error\"").is_none() {
            return None;
        }
        let ErrorResponse { error } = serde_json::from_slice(&self.first).ok()?;
        let code = error?.code.and_then(|code| i32::try_from(code).ok());
        Some(code.map_or(Kind::Service(None), Kind::from_jsonrpc_code))
    }

    /// The body as it is passed through. `report` logs what is wrong with the rest of it.
    fn into_raw_body(self, passable: Passable, sent_id: Option<&str>, report: Option<Report>) -> RawBody {
        let (Some(rest), Some(report)) = (self.rest, report) else { return RawBody::Whole(self.first) };
        let check = match (passable, sent_id) {
            (Passable::Json(Some(place)), Some(sent_id)) => {
                let body = JsonResultBody::new((self.first, place), rest, sent_id, report);
                return RawBody::Coming(Box::pin(body));
            }
            (Passable::Xml(Some(check)), _) => Some(RestCheck { check, report }),
            (Passable::Json(_) | Passable::Xml(None), _) => None,
        };
        RawBody::Coming(Box::pin(PrefixedBody { first: Some(self.first), rest, check }))
    }
}

/// A body whose first bytes have been read already.
struct PrefixedBody {
    first: Option<Bytes>,
    rest: Incoming,
    /// The check of the rest, for XML.
    check: Option<RestCheck>,
}

struct RestCheck {
    check: CharacterCheck,
    report: Report,
}

impl RestCheck {
    /// Checks a piece, or the end of the body. What is wrong is logged.
    fn check(&mut self, piece: Option<&Bytes>) -> Result<(), BoxError> {
        let checked = match piece {
            Some(piece) => self.check.check(piece),
            None => self.check.finish(),
        };
        checked.map_err(|fault| (self.report)(RowsError::Response(ResponseError::Malformed(fault))).into())
    }
}

impl Body for PrefixedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let frame = ready!(Pin::new(&mut self.rest).poll_frame(cx));
        let piece = match &frame {
            Some(Ok(frame)) => frame.data_ref(),
            Some(Err(_)) => return Poll::Ready(frame),
            None => None,
        };
        let is_end = frame.is_none();
        if let Some(check) = self.check.as_mut().filter(|_| is_end || piece.is_some())
            && let Err(error) = check.check(piece)
        {
            // Nothing more is checked or sent.
            self.check = None;
            return Poll::Ready(Some(Err(error)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        size_after(self.first.as_ref().map_or(0, Bytes::len), &self.rest.size_hint())
    }
}
