//! The trait that a protocol implements towards clients, and what its implementations share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::{Instant, SystemTime};

use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use tokio::sync::Notify;

use crate::codec::json::JsonDialect;
use crate::http::body::{Body, Source};
use crate::http::media_type;
use crate::http::rejection::HttpRejection;
use crate::model::fault::{BoxError, Fault, Kind};
use crate::model::interface::{Interface, Method};
use crate::protocol::Protocol;
use crate::service::future::MaybeReady;
use crate::service::passthrough::RawResponse;
use crate::service::unread_body::UnreadBody;
use crate::service::{Call, CallForm, CallFuture, Context, Encode, Format, Rows, RpcService};

/// A protocol towards clients: it reads requests, calls the service and writes responses.
///
/// A group has a list of frontends. The gateway passes a request to the first that [claims](Frontend::claims) it.
pub trait Frontend: Send + Sync + 'static {
    /// The HTTP verbs that the frontend serves at the path of the group, or below it at `tail`. They become the `Allow`
    /// header of a request that no frontend claims.
    fn verbs(&self, interface: &Interface, tail: &str) -> &'static [http::Method];

    /// Whether the frontend serves a request, judged by its head alone.
    ///
    /// Browsers send requests with the media types `text/plain`, `multipart/form-data` and
    /// `application/x-www-form-urlencoded`, or with none, to any site without asking it first (a CORS preflight). The gateway
    /// refuses those of pages of other origins.
    fn claims(&self, head: &GroupHead<'_>) -> Claim;

    /// Whether the frontend serves a request for which it claimed [`Claim::Maybe`], judged by the body.
    fn recognises(&self, _head: &Parts, _body: &[u8]) -> bool {
        true
    }

    /// The protocol to which the frontend belongs, for the span of a request.
    fn protocol(&self) -> Protocol;

    /// Whether the frontend serves pages for people rather than calls or descriptions for programs.
    fn is_page(&self) -> bool {
        self.protocol() == Protocol::Page
    }

    /// The path, below that of the group, of the OAuth resource to which the requests of the frontend belong; empty for the group
    /// itself. A client names its resource when it asks for a token (RFC 8707).
    fn protected_resource(&self) -> &'static str {
        ""
    }

    /// The media types of the requests that the frontend claims at the path of the group, for the message to a client whose
    /// request has another one. None if it claims requests by something else, such as their path.
    fn media_types(&self) -> &'static [&'static str] {
        &[]
    }

    /// A shell command that sends a request to the group at `url`, for people who try a server. It calls `method`, which is
    /// called without arguments; if that is `None`, the command asks for the methods of the group. `None` if the frontend has
    /// no such request.
    fn example_command(&self, _method: Option<&Method>, _url: &str) -> Option<String> {
        None
    }

    /// Reads a call from a request, calls the service and writes the response. The future does not borrow the request:
    /// everything that it needs of the body is read before this returns.
    ///
    /// An implementation has three steps: it reads the document, starts the call, and writes one of the three forms of a
    /// result. `start_call`, `encode`, `encode_fault`, `ok` and
    /// `JsonArray` are in this module; the other functions are the protocol's own.
    ///
    /// ```ignore
    /// fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
    ///     let (method, args) = match read(request.body, self.limits) {
    ///         Ok(read) => read,
    ///         Err(fault) => return MaybeReady::now(fault_response(fault, Box::from(""))),
    ///     };
    ///     // Reports private methods as missing. A protocol with methods of its own compares their names before.
    ///     let call = Call::new(&method, args, request.context);
    ///     let pending = start_call(service.as_ref(), call);
    ///     let name: Box<str> = abridge(&method).into();
    ///     pending.and_then(move |result| match result {
    ///         Ok(Output::One(value)) => MaybeReady::now(write_one(value.as_ref(), name)), // with `encode`
    ///         Ok(Output::Many(rows)) => MaybeReady::later(async move {
    ///             let array = JsonArray::new(rows, dialect); // or a `Source` that calls `Rows::poll_ready` and `fill`
    ///             match Body::gather(array).await {
    ///                 Ok(body) => success_response(ok(MEDIA_TYPE, body), name),
    ///                 Err(error) => fault_response(encode_fault(error), name),
    ///             }
    ///         }),
    ///         // Only a call with `CallForm::Raw` has such a result: here there is none.
    ///         Ok(Output::Raw(_)) => MaybeReady::now(fault_response(Fault::internal(), name)),
    ///         Err(fault) => MaybeReady::now(fault_response(fault, name)),
    ///     })
    /// }
    /// ```
    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture;

    /// Whether the body of a request that the frontend has claimed, with [`Claim::Yes`], is passed on while it arrives. The request
    /// then goes to [`serve_unread`](Frontend::serve_unread). `None` if the body is read as usual.
    fn streams(&self, _service: &dyn RpcService, _head: &GroupHead<'_>) -> Option<Streaming> {
        None
    }

    /// The same as [`serve`](Frontend::serve), for a request whose body has not been read.
    fn serve_unread(&self, service: &Arc<dyn RpcService>, request: UnreadRequest<'_>) -> FrontendFuture {
        self.serve(service, request.request)
    }

    /// The headers beside `Content-Type` that clients of the protocol send. Pages of other origins may send them.
    fn request_headers(&self) -> Vec<HeaderName> {
        Vec::new()
    }

    /// The headers of responses that clients of the protocol read. Pages of other origins may read them.
    fn response_headers(&self) -> Vec<HeaderName> {
        Vec::new()
    }

    /// Whether a request ends when its client closes its own side of the connection. Otherwise only a reset ends it, and a
    /// client that has closed its side still gets the response. HTTP/2 clients reset the stream instead, which always ends the
    /// request.
    fn ends_on_half_close(&self, _head: &Parts) -> bool {
        false
    }

    /// Whether requests of pages of other origins are refused, unless the group allows those (`cors`).
    fn refuses_foreign_origins(&self) -> bool {
        false
    }

    /// The response to a request that is refused before it is read as a call, such as one whose body is too large. It has
    /// the status of the rejection. A protocol whose clients expect errors in its own form overrides this.
    fn refuse(&self, _head: &Parts, rejection: HttpRejection) -> Response<Body> {
        rejection.into_response()
    }
}

/// How the body of a request is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Streaming {
    /// A body of at most this many bytes is read before the request is served, so that it can be checked. Longer ones are passed on
    /// unchecked. 0 if none is read.
    pub read_first: usize,
}

/// Whether a frontend serves a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It does not.
    No,
    /// The head does not decide it; the body does.
    Maybe,
    /// It does.
    Yes,
}

/// The head of a request to a group, with what several frontends need of it computed once.
#[derive(Debug, Clone, Copy)]
pub struct GroupHead<'a> {
    /// The request line and the headers.
    pub parts: &'a Parts,
    /// The rest of the path after that of the group, without the slash between them; empty at the path of the group.
    pub tail: &'a str,
    /// Its media type, without parameters; empty without a `Content-Type`.
    pub media: &'a str,
}

impl<'a> GroupHead<'a> {
    /// The head of a request with this `tail`.
    pub fn new(parts: &'a Parts, tail: &'a str) -> GroupHead<'a> {
        GroupHead { parts, tail, media: media_type::media_type(&parts.headers) }
    }

    /// The path of the group in this request: see [`GroupRequest::path`].
    pub fn path(&self) -> &'a str {
        path_of_group(self.parts, self.tail)
    }
}

/// A request whose body has been read.
#[derive(Debug, Clone, Copy)]
pub struct GroupRequest<'a> {
    /// The request line and the headers.
    pub head: &'a Parts,
    /// The rest of the path after that of the group, without the slash between them; empty at the path of the group.
    pub tail: &'a str,
    /// The body, decompressed.
    pub body: &'a [u8],
    /// The context of the call.
    pub context: &'a Context,
}

/// A request whose body is passed on.
#[derive(Debug, Clone, Copy)]
pub struct UnreadRequest<'a> {
    /// The request, without its body.
    pub request: GroupRequest<'a>,
    /// The body.
    pub body: &'a UnreadBody,
    /// The bytes of the body if all of it has been read, as [`Streaming::read_first`] says.
    pub whole: Option<&'a [u8]>,
    /// The headers with the credentials of the client for croupier itself.
    pub credentials: &'a [HeaderName],
}

impl<'a> GroupRequest<'a> {
    /// The path of the group in this request, which may be an alias: without the tail, and without a slash at its end
    /// unless it is `/`.
    pub fn path(&self) -> &'a str {
        path_of_group(self.head, self.tail)
    }

    /// The query without its question mark; empty if there is none.
    pub fn query(&self) -> &'a str {
        self.head.uri.query().unwrap_or_default()
    }
}

fn path_of_group<'a>(head: &'a Parts, tail: &str) -> &'a str {
    let whole = head.uri.path();
    let own = whole.strip_suffix(tail).unwrap_or(whole).trim_end_matches('/');
    if own.is_empty() { "/" } else { own }
}

/// The response of a frontend, ready or pending.
pub type FrontendFuture = MaybeReady<FrontendResponse>;

/// A response, and what the access log records of it.
pub struct FrontendResponse {
    /// The response.
    pub response: Response<Body>,
    /// The method that was called; empty if the request named none.
    pub method: Box<str>,
    /// The kind of the fault, if the call failed.
    pub fault: Option<Kind>,
}

/// Whether a method is private by its name: methods that begin with `_` are never called.
pub(crate) fn is_private(method: &str) -> bool {
    method.starts_with('_')
}

/// Starts a call. A private method is reported as missing. A call of a batch whose deadline has passed fails as late.
pub(crate) fn start_call(service: &dyn RpcService, call: Call<'_>) -> CallFuture {
    if matches!(call.form, CallForm::Batch(_)) && call.context.deadline.is_some_and(|end| end <= Instant::now()) {
        return MaybeReady::now(Err(Fault::new(
            Kind::Late,
            "the calls before this one took the whole time of the batch",
        )));
    }
    if is_private(call.method) {
        return MaybeReady::now(Err(Fault::no_such_method(call.method)));
    }
    service.call(call)
}

/// The kind of the fault that a response has in the original bytes of an upstream, as an extension of the response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PassthroughFault(pub(crate) Kind);

/// An extension of a response whose call still runs while the response is sent. The call counts as running until the response has
/// been sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallStillRunning {
    /// Notified to end the call. The rest of the response then says [`STOPPING`].
    pub(crate) end: Arc<Notify>,
}

/// The reason for which calls are ended when the server stops.
pub(crate) const STOPPING: &str = "the server is stopping; try again later";

/// The response with the body of an upstream in its original bytes.
pub(crate) fn passthrough_response(raw: RawResponse) -> Response<Body> {
    let (status, fault) = (raw.status, raw.fault);
    let (headers, body) = Body::passthrough(raw);
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    *response.status_mut() = status;
    if let Some(kind) = fault {
        response.extensions_mut().insert(PassthroughFault(kind));
    }
    response
}

/// Appends a value. If its type panics, the call fails with an internal fault, and other calls of a batch are not
/// affected.
///
/// # Errors
/// The fault of [`encode_fault`]. `to` then still has the bytes that were written before the error.
pub(crate) fn encode(value: &dyn Encode, format: Format<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let written = catch_unwind(AssertUnwindSafe(|| value.encode(format, to)));
    written.map_err(|_| Fault::internal())?.map_err(encode_fault)
}

/// A value for which as much memory is reserved is written on a blocking thread, so that it does not delay other calls.
const LARGE: usize = 1 << 20;

/// The body that a writer makes of a value, and the writer. The body holds the memory that is reserved for the value
/// until it has been sent.
pub(crate) fn write_whole<W: Send + 'static>(
    mut value: Box<dyn Encode>,
    writer: W,
    write: fn(&W, &dyn Encode) -> Result<Vec<u8>, Fault>,
) -> MaybeReady<(Result<Body, Fault>, W)> {
    let Some(memory) = value.take_memory() else {
        return MaybeReady::now((write(&writer, value.as_ref()).map(Body::whole), writer));
    };
    let (large, long_work) = (memory.bytes() >= LARGE, memory.long_work());
    let work = move || {
        let written = write(&writer, value.as_ref());
        drop(value);
        (written.map(|bytes| Body::reserved(bytes, Some(memory))), writer)
    };
    if large { MaybeReady::later(long_work.run(work)) } else { MaybeReady::now(work()) }
}

/// Appends the first rows, as [`Rows::fill`] does. If the source panics, the call fails with an internal fault.
///
/// # Errors
/// The fault of [`encode_fault`]. `to` then still has the bytes that were written before the error.
pub(crate) fn fill(rows: &mut Rows, format: Format<'_>, to: &mut Vec<u8>, until: usize) -> Result<bool, Fault> {
    let filled = catch_unwind(AssertUnwindSafe(|| rows.fill(format, to, until)));
    filled.map_err(|_| Fault::internal())?.map_err(encode_fault)
}

/// Rows as one JSON array, in a frame that precedes and follows it.
pub(crate) struct JsonArray {
    rows: Rows,
    dialect: JsonDialect,
    /// What precedes the array; `None` once it is written.
    head: Option<Vec<u8>>,
    tail: Vec<u8>,
}

impl JsonArray {
    /// An array with nothing before or after it.
    pub(crate) fn new(rows: Rows, dialect: JsonDialect) -> JsonArray {
        JsonArray::framed(rows, dialect, Vec::new(), Vec::new())
    }

    /// An array that is a part of a larger JSON text.
    pub(crate) fn framed(rows: Rows, dialect: JsonDialect, head: Vec<u8>, tail: Vec<u8>) -> JsonArray {
        JsonArray { rows, dialect, head: Some(head), tail }
    }
}

impl Source for JsonArray {
    fn poll_fill(&mut self, cx: &mut Task<'_>, to: &mut Vec<u8>, until: usize) -> Poll<Result<bool, BoxError>> {
        if let Some(head) = self.head.take() {
            to.extend_from_slice(&head);
            to.push(b'[');
        }
        ready!(self.rows.poll_ready(cx))?;
        let more = self.rows.fill(Format::Json(self.dialect), to, until)?;
        if !more {
            to.push(b']');
            to.extend_from_slice(&self.tail);
        }
        Poll::Ready(Ok(more))
    }

    fn rows(&mut self) -> Option<&mut Rows> {
        Some(&mut self.rows)
    }
}

/// The fault in the place of a document about a service that has not described itself; `None` if it has.
pub(crate) fn undescribed(interface: &Interface) -> Option<Fault> {
    interface.incomplete.then(|| Fault::new(Kind::Unreachable, UNDESCRIBED))
}

const UNDESCRIBED: &str = "the methods of the upstream server are not known yet";

/// The refusal of a request for a document about a service that has not described itself: it says since when, and when the
/// service is asked again. `None` if the service has described itself.
pub(crate) fn refuse_undescribed(service: &dyn RpcService) -> Option<HttpRejection> {
    if !service.interface().incomplete {
        return None;
    }
    let rejection = |reason: &str| HttpRejection::new(StatusCode::SERVICE_UNAVAILABLE, reason);
    Some(match service.outage() {
        Some(outage) => {
            let (since, retry_after) = (outage.since_text(), outage.retry_after(SystemTime::now()));
            let reason = format!(
                "{UNDESCRIBED}: {}; it has not been available since {since}, and is asked again in {retry_after} s",
                outage.reason
            );
            HttpRejection { retry_after, ..rejection(&reason) }
        }
        None => rejection(UNDESCRIBED),
    })
}

/// The fault for a result that cannot be written: the service's own fault, or a value that the protocol cannot express
/// with the settings of the group.
pub(crate) fn encode_fault(error: BoxError) -> Fault {
    match error.downcast::<Fault>() {
        Ok(fault) => *fault,
        Err(error) => Fault::new(Kind::Service(None), format!("the result cannot be sent: {error}")),
    }
}

/// A response of this content type with status 200.
pub(crate) fn ok(content_type: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// The response to HEAD, made from that to GET: it has the same headers and no body. `compressible` says whether the
/// client accepts compression; the response then has no `Content-Length`, because the length of the compressed body is
/// not known (RFC 9110, section 8.6).
pub(crate) fn head_response(response: Response<Body>, compressible: bool) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Some(bytes) = body.as_whole().filter(|_| !compressible) {
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
    Response::from_parts(head, Body::default())
}
