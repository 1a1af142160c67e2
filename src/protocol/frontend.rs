//! What every face is, and what all of them do alike.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use memchr::memchr;

use crate::http::body::Body;
use crate::http::rejection::HttpRejection;
use crate::model::fault::{BoxError, Fault, Kind};
use crate::model::interface::Interface;
use crate::service::future::MaybeReady;
use crate::service::passthrough::RawResponse;
use crate::service::{Call, CallFuture, Context, Encode, Format, Rows, RpcService};

/// A protocol seen from the client.
pub trait Frontend: Send + Sync + 'static {
    /// The HTTP methods that this face answers at the group's own path, or below it at `tail`.
    fn methods(&self, interface: &Interface, tail: &str) -> &'static [Method];

    /// Whether a request is this face's, by its head alone.
    fn claims(&self, head: &GroupHead<'_>) -> Claim;

    /// Whether a request that is [perhaps](Claim::Maybe) this face's is so, by its body.
    fn recognises(&self, _head: &Parts, _body: &[u8]) -> bool {
        true
    }

    /// Whether this face is for people to look at, and not for programs to call.
    fn is_page(&self) -> bool {
        false
    }

    /// Reads a call, has it answered, and writes the answer. The body is read before this returns.
    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture;

    /// The response to a request of this face's that is refused before its body is read.
    fn refuse(&self, rejection: HttpRejection) -> Response<Body> {
        rejection.into_response()
    }
}

/// Whether a request is a face's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It is not.
    No,
    /// Its head leaves that open, and its body decides.
    Maybe,
    /// It is.
    Yes,
}

/// The head of a request that has come to a group, as every face looks at it. What many of them look for is found once.
#[derive(Debug, Clone, Copy)]
pub struct GroupHead<'a> {
    /// Its line and headers.
    pub parts: &'a Parts,
    /// Its path below the group's own, without the slash between them; empty at the group's own path.
    pub tail: &'a str,
    /// Its [media type](media_type).
    pub media: &'a str,
}

impl<'a> GroupHead<'a> {
    /// The head of a request whose path below the group's own is `tail`.
    pub fn new(parts: &'a Parts, tail: &'a str) -> GroupHead<'a> {
        GroupHead { parts, tail, media: media_type(parts) }
    }
}

/// A request whose body has been read.
#[derive(Debug, Clone, Copy)]
pub struct GroupRequest<'a> {
    /// Its line and headers.
    pub head: &'a Parts,
    /// Its path below the group's own, without the slash between them; empty at the group's own path.
    pub tail: &'a str,
    /// Its body, unpacked.
    pub body: &'a [u8],
    /// What is known of it beside that.
    pub context: &'a Context,
}

impl<'a> GroupRequest<'a> {
    /// The path by which the group was asked, which may be an alias: without the tail, and without a slash at its end
    /// unless it is nothing but that.
    pub fn path(&self) -> &'a str {
        let whole = self.head.uri.path();
        let own = whole.strip_suffix(self.tail).unwrap_or(whole).trim_end_matches('/');
        if own.is_empty() { "/" } else { own }
    }

    /// The query, without its question mark; empty where there is none.
    pub fn query(&self) -> &'a str {
        self.head.uri.query().unwrap_or_default()
    }
}

/// A reply that is on its way.
pub type FrontendFuture = MaybeReady<FrontendResponse>;

/// A response, and what the access log says about it.
pub struct FrontendResponse {
    /// The response.
    pub response: Response<Body>,
    /// The method that was called; empty where the request did not say.
    pub method: Box<str>,
    /// Why the call has no answer, if it has none.
    pub fault: Option<Kind>,
}

/// Whether its name makes a method private: nothing that begins with `_` is ever reachable.
pub fn is_private(method: &str) -> bool {
    method.starts_with('_')
}

/// Begins a call, unless its name makes it private.
pub fn begin(service: &dyn RpcService, call: Call<'_>) -> CallFuture {
    if is_private(call.method) {
        return MaybeReady::now(Err(Fault::no_such_method(call.method)));
    }
    service.call(call)
}

/// A response with an answer that somebody else has written.
pub fn passed(passed: RawResponse) -> Response<Body> {
    let status = passed.status;
    let (content_type, body) = Body::passed(passed);
    let mut response = ok(content_type, body);
    *response.status_mut() = status;
    response
}

/// Appends a value; a type that panics over it fails its own call and no other.
///
/// # Errors
/// As for [`unsent`]. What was half written then still stands in `to`.
pub fn encode(value: &dyn Encode, format: Format<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let written = catch_unwind(AssertUnwindSafe(|| value.encode(format, to)));
    written.map_err(|_| Fault::internal())?.map_err(unsent)
}

/// Appends the first rows, as [`Rows::fill`] does; a source that panics over them fails its own call and no other.
///
/// # Errors
/// As for [`unsent`]. What was half written then still stands in `to`.
pub fn fill(rows: &mut Rows, format: Format<'_>, to: &mut Vec<u8>, until: usize) -> Result<bool, Fault> {
    let filled = catch_unwind(AssertUnwindSafe(|| rows.fill(format, to, until)));
    filled.map_err(|_| Fault::internal())?.map_err(unsent)
}

/// Why an answer cannot be sent: a fault of the service's own, or a value for which the protocol, as the group speaks
/// it, has no form.
pub fn unsent(error: BoxError) -> Fault {
    match error.downcast::<Fault>() {
        Ok(fault) => *fault,
        Err(error) => Fault::new(Kind::Service(None), format!("the answer cannot be sent: {error}")),
    }
}

/// A response of this content type with status 200.
pub fn ok(content_type: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// The response to HEAD, given the response to GET: the same without its body. Its length is told, unless the client
/// unpacks bodies and the length on the way may be another (RFC 9110, section 8.6).
pub fn only_head(response: Response<Body>, unpacks: bool) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Some(bytes) = body.as_whole().filter(|_| !unpacks) {
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
    Response::from_parts(head, Body::default())
}

/// The media type of a request, without its parameters; empty where it has none. Upper and lower case are alike.
pub fn media_type(head: &Parts) -> &str {
    let value = content_type(&head.headers);
    let end = memchr(b';', value).unwrap_or(value.len());
    std::str::from_utf8(value.get(..end).unwrap_or_default()).unwrap_or_default().trim_ascii()
}

/// A parameter of a message's content type, such as `charset`, as it is written, but for quotes around it.
pub fn media_parameter<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = content_type(headers);
    let parameters = value.get(memchr(b';', value)? + 1..)?;
    let value = parameters.split(|byte| *byte == b';').find_map(|parameter| {
        let (own, value) = parameter.trim_ascii_start().split_at_checked(name.len())?;
        let is = own.eq_ignore_ascii_case(name.as_bytes());
        value.trim_ascii_start().strip_prefix(b"=").filter(|_| is)
    })?;
    std::str::from_utf8(value).ok().map(|value| value.trim_ascii().trim_matches('"'))
}

fn content_type(headers: &HeaderMap) -> &[u8] {
    headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default()
}
