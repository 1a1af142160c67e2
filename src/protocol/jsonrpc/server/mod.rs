//! JSON-RPC 2.0 seen from the client: one POST to the group's own path, answered with status 200 whatever comes of it,
//! or with 204 where there is nothing to say.

mod batch;
mod openrpc;
mod request;
mod response;

use std::sync::Arc;
use std::task::{Context as Task, Poll};

use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::value::RawValue;

use crate::codec::Limits;
use crate::codec::json::{JsonDialect, check};
use crate::http::body::{Body, Source};
use crate::http::media_type;
use crate::http::public_url::PublicUrl;
use crate::model::fault::{BoxError, Fault, Kind};
use crate::model::interface::Interface;
use crate::model::text::abridge;
use crate::protocol::batch::BatchResponse;
use crate::protocol::frontend;
use crate::protocol::frontend::{Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest};
use crate::service::future::MaybeReady;
use crate::service::passthrough::{RawCall, RawFormat};
use crate::service::{Call, CallForm, CallFuture, Encode, Format, Output, Rows, RpcService};
use batch::{Callee, Requests};
pub use openrpc::OpenRpc;
use request::{CallTarget, Members};
use response::Frame;

/// The JSON-RPC frontend of a group.
#[derive(Debug, Clone)]
pub struct JsonRpc {
    /// How what JSON cannot carry is written.
    pub dialect: JsonDialect,
    /// How large a request's text may be.
    pub limits: Limits,
    /// How many calls one batch may hold (1,000 by default).
    pub batch: usize,
    /// Whether requests of JSON-RPC 1.0, which have no member `jsonrpc`, are accepted and answered in kind (`false` by
    /// default).
    pub version_1: bool,
    /// Under which address the server is known, for the description that `rpc.discover` answers.
    pub public_url: Arc<PublicUrl>,
}

impl Default for JsonRpc {
    fn default() -> Self {
        JsonRpc {
            dialect: JsonDialect::default(),
            limits: Limits::default(),
            batch: 1000,
            version_1: false,
            public_url: Arc::default(),
        }
    }
}

impl Frontend for JsonRpc {
    fn protocol(&self) -> &'static str {
        "json-rpc"
    }

    fn methods(&self, _: &Interface, tail: &str) -> &'static [Method] {
        if tail.is_empty() { &[Method::POST] } else { &[] }
    }

    /// JSON by its media type. Never `text/plain` or a form, or no type at all: those a browser sends to any site
    /// without asking.
    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        let claimed = head.tail.is_empty() && head.parts.method == Method::POST && is_json(head.media);
        if claimed { Claim::Yes } else { Claim::No }
    }

    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        let checked = check(request.body, self.limits);
        match checked.and_then(|checked| CallTarget::read(checked.text())) {
            Ok(CallTarget::One(members)) => self.one(service, request, members),
            Ok(CallTarget::Batch(raw)) => self.batch(&raw, service.clone(), request),
            Err(fault) => refused(&fault),
        }
    }
}

fn is_json(media: &str) -> bool {
    let is = |name: &str| media.eq_ignore_ascii_case(name);
    let part = |range: Option<&str>, name: &str| range.is_some_and(|part| part.eq_ignore_ascii_case(name));
    let suffix = media.len().checked_sub(5).and_then(|at| media.get(at..));
    is("application/json")
        || is("application/json-rpc")
        || is("application/jsonrequest")
        || (part(media.get(..12), "application/") && part(suffix, "+json"))
}

impl JsonRpc {
    /// Answers a request that stands by itself.
    fn one(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>, members: Members<'_>) -> FrontendFuture {
        let (frame, asking) = members.read(self.version_1);
        let (method, pending) = match asking {
            Ok(asking) => {
                let is_unambiguous = || is_unambiguous(request);
                let raw = RawCall {
                    wire: RawFormat::JsonRpc,
                    body: request.body,
                    content_type: request.head.headers.get(header::CONTENT_TYPE),
                    is_unambiguous: &is_unambiguous,
                };
                // A notification has no response that could be passed back.
                let form = if frame.is_silent() { CallForm::Plain } else { CallForm::Raw(&raw) };
                let call = Call { form, ..asking.call(request.context) };
                let pending = begin(service.as_ref(), call, || address(&self.public_url, &request));
                (Box::from(abridge(&asking.method)), pending)
            }
            Err(fault) => (Box::from(""), MaybeReady::now(Err(fault))),
        };
        let dialect = self.dialect;
        pending.and_then(move |answer| reply(answer, frame, method, dialect))
    }

    /// Runs several requests; the response has no content if all of them are notifications.
    fn batch(&self, raw: &[&RawValue], service: Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        let url = address(&self.public_url, &request);
        let callee = Callee { service, context: request.context.clone(), url };
        let answers = match Requests::new(raw, self.batch, callee, self.version_1, self.dialect) {
            Ok(requests) => BatchResponse::new(requests),
            Err(fault) => return refused(&fault),
        };
        MaybeReady::later(async move {
            let (response, fault) = match Body::gather(answers).await {
                Ok(body) if body.as_whole().is_some_and(|bytes| bytes.is_empty()) => (silence(), None),
                Ok(body) => (json(body), None),
                Err(error) => error_response(&Frame::unknown(), &frontend::unsent(error)),
            };
            FrontendResponse { response, method: Box::from(""), fault }
        })
    }
}

/// The address of the group that was asked.
fn address(public_url: &PublicUrl, request: &GroupRequest<'_>) -> String {
    public_url.base(request.head, request.context.peer) + request.path()
}

/// Begins a call of the service, or of the one method that belongs to the protocol.
fn begin(service: &dyn RpcService, call: Call<'_>, url: impl FnOnce() -> String) -> CallFuture {
    if openrpc::is_own(call.method)
        && let Some(result) = openrpc::call(&service.interface(), call.method, call.args, url)
    {
        return MaybeReady::now(result);
    }
    frontend::begin(service, call)
}

/// Whether every JSON reader finds the same request in the bytes.
fn is_unambiguous(request: GroupRequest<'_>) -> bool {
    // JSON is in UTF-8 (RFC 8259, section 8.1), but a reader that believes another header would read another text.
    let named = media_type::parameter(&request.head.headers, "charset").unwrap_or("utf-8");
    let in_utf8 = named.eq_ignore_ascii_case("utf-8") || named.eq_ignore_ascii_case("utf8");
    in_utf8 && request::has_own_members(request.body)
}

/// The reply to a request that stands by itself.
fn reply(answer: Result<Output, Fault>, frame: Frame, method: Box<str>, dialect: JsonDialect) -> FrontendFuture {
    let replied = |(response, fault)| FrontendResponse { response, method, fault };
    if frame.is_silent() {
        let fault = answer.err().map(|fault| fault.kind);
        return MaybeReady::now(replied((silence(), fault)));
    }
    match answer {
        Ok(Output::One(value)) => MaybeReady::now(replied(match whole(value.as_ref(), &frame, dialect) {
            Ok(body) => (json(body), None),
            Err(fault) => error_response(&frame, &fault),
        })),
        Ok(Output::Raw(raw)) => MaybeReady::now(replied((frontend::passed(raw), None))),
        Ok(Output::Many(rows)) => MaybeReady::later(async move {
            let array = Array { rows, frame: frame.clone(), dialect, begun: false };
            replied(match Body::gather(array).await {
                Ok(body) => (json(body), None),
                Err(error) => error_response(&frame, &frontend::unsent(error)),
            })
        }),
        Err(fault) => MaybeReady::now(replied(error_response(&frame, &fault))),
    }
}

fn whole(value: &dyn Encode, frame: &Frame, dialect: JsonDialect) -> Result<Body, Fault> {
    let mut bytes = Vec::with_capacity(256);
    frame.head(&mut bytes);
    frontend::encode(value, Format::Json(dialect), &mut bytes)?;
    frame.tail(&mut bytes);
    Ok(Body::whole(bytes))
}

/// An answer that is one array, made item by item.
struct Array {
    rows: Rows,
    frame: Frame,
    dialect: JsonDialect,
    begun: bool,
}

impl Source for Array {
    fn poll_fill(&mut self, _: &mut Task<'_>, to: &mut Vec<u8>, until: usize) -> Poll<Result<bool, BoxError>> {
        if !self.begun {
            self.frame.head(to);
            to.push(b'[');
            self.begun = true;
        }
        let more = self.rows.fill(Format::Json(self.dialect), to, until)?;
        if !more {
            to.push(b']');
            self.frame.tail(to);
        }
        Poll::Ready(Ok(more))
    }
}

/// The reply to what is no request, or too many of them.
fn refused(fault: &Fault) -> FrontendFuture {
    let (response, fault) = error_response(&Frame::unknown(), fault);
    MaybeReady::now(FrontendResponse { response, method: Box::from(""), fault })
}

fn error_response(frame: &Frame, fault: &Fault) -> (Response<Body>, Option<Kind>) {
    let mut bytes = Vec::with_capacity(256);
    frame.error(fault, &mut bytes);
    (json(Body::whole(bytes)), Some(fault.kind))
}

fn json(body: Body) -> Response<Body> {
    frontend::ok(const { HeaderValue::from_static("application/json") }, body)
}

/// The response where there is nothing to say.
fn silence() -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
