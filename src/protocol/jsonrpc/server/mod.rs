//! The JSON-RPC frontend: it serves POST at the path of the group and responds with status 200, also for errors. It
//! responds with 204 if all requests are notifications.

mod batch;
mod multicall;
mod openrpc;
mod request;
mod response;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::value::RawValue;

use crate::codec::DocumentLimits;
use crate::codec::json::members::begins_json;
use crate::codec::json::{JsonDialect, check};
use crate::http::body::Body;
use crate::http::media_type;
use crate::http::media_type::is_json;
use crate::http::public_url::PublicUrl;
use crate::http::rejection::HttpRejection;
use crate::model::fault::{Fault, Kind};
use crate::model::interface;
use crate::model::interface::Interface;
use crate::model::text::abridge;
use crate::protocol::Protocol;
use crate::protocol::batch::BatchResponse;
use crate::protocol::frontend::{
    Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest, JsonArray,
};
use crate::protocol::{frontend, system};
use crate::service::future::MaybeReady;
use crate::service::passthrough::{RawCall, RawFormat};
use crate::service::{Call, CallForm, CallFuture, Encode, Format, Output, RpcService};
use batch::{BatchEntries, Callee, RequestReading};
pub use openrpc::OpenRpc;
pub use request::FurtherMembers;
use request::{JsonRpcCall, RequestBody, RequestMembers};
use response::ResponseFrame;

/// The JSON-RPC frontend of a group.
#[derive(Debug, Clone)]
pub struct JsonRpc {
    /// The dialect: how values that JSON cannot express are written.
    pub dialect: JsonDialect,
    /// The limits on the text of a request.
    pub limits: DocumentLimits,
    /// The largest number of calls in one batch (1,000 by default).
    pub batch: usize,
    /// Whether requests of JSON-RPC 1.0, which have no member `jsonrpc`, are accepted (`false` by default). Their responses
    /// have the form of JSON-RPC 1.0.
    pub version_1: bool,
    /// What becomes of members of a request beyond those of the specification (they are passed over by default).
    pub further_members: FurtherMembers,
    /// The public address of the server, for the document that `rpc.discover` returns.
    pub public_url: Arc<PublicUrl>,
}

impl Default for JsonRpc {
    fn default() -> Self {
        JsonRpc {
            dialect: JsonDialect::default(),
            limits: DocumentLimits::default(),
            batch: 1000,
            version_1: false,
            further_members: FurtherMembers::default(),
            public_url: Arc::default(),
        }
    }
}

impl Frontend for JsonRpc {
    fn protocol(&self) -> Protocol {
        Protocol::JsonRpc
    }

    fn verbs(&self, _: &Interface, tail: &str) -> &'static [Method] {
        if tail.is_empty() { &[Method::POST] } else { &[] }
    }

    fn media_types(&self) -> &'static [&'static str] {
        &["application/json"]
    }

    fn example_command(&self, method: Option<&interface::Method>, url: &str) -> Option<String> {
        let method = method.map_or("rpc.discover", |method| &method.name);
        let request = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
        Some(format!("curl -H 'Content-Type: application/json' -d '{request}' {url}"))
    }

    /// Claims JSON media types, and JSON in requests without a media type. It never claims `text/plain` or a form: browsers send
    /// those to any site without a preflight request (CORS).
    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        match head.tail.is_empty() && head.parts.method == Method::POST {
            true if is_json(head.media) => Claim::Yes,
            true if head.media.is_empty() => Claim::Maybe,
            _ => Claim::No,
        }
    }

    fn recognises(&self, _: &Parts, body: &[u8]) -> bool {
        begins_json(body)
    }

    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        let checked = check(request.body, self.limits);
        match checked.and_then(|checked| RequestBody::read(checked.text())) {
            Ok(RequestBody::One(members)) => self.serve_one(service, request, members),
            Ok(RequestBody::Batch(raw)) => self.serve_batch(&raw, service.clone(), request),
            Err(fault) => refuse(&fault),
        }
    }

    /// An object with `error`, whose `id` is `null`: that of the request has not been read.
    fn refuse(&self, _: &Parts, rejection: HttpRejection) -> Response<Body> {
        let mut bytes = Vec::with_capacity(256);
        ResponseFrame::unknown().write_error(&rejection.fault(), &mut bytes);
        rejection.into_response_with(CONTENT_TYPE, Body::whole(bytes))
    }
}

impl JsonRpc {
    /// Serves a single request.
    fn serve_one(
        &self,
        service: &Arc<dyn RpcService>,
        request: GroupRequest<'_>,
        members: RequestMembers<'_>,
    ) -> FrontendFuture {
        let has_further = members.has_further(&self.further_members);
        let (frame, call) = members.read(self.version_1);
        let (method, pending) = match call.and_then(|call| Ok((call, has_further?))) {
            Ok((multicall, has_further)) if multicall.method == system::MULTICALL => {
                return self.serve_multicall(service.clone(), request, &multicall, has_further, frame);
            }
            Ok((request_call, has_further)) => {
                let is_unambiguous = || is_unambiguous(request, &self.further_members);
                let id = frame.id_of_version_2();
                let raw = RawCall {
                    wire: RawFormat::JsonRpc,
                    body: request.body,
                    id,
                    charset: None,
                    has_further,
                    is_unambiguous: &is_unambiguous,
                };
                // A notification has no response that could be passed through, and servers of one version may not understand
                // the other.
                let form = if id.is_some() { CallForm::Raw(&raw) } else { CallForm::Plain };
                let call = Call { form, ..request_call.call(request.context) };
                let pending = match form {
                    CallForm::Plain if has_further => MaybeReady::now(Err(not_passed_on())),
                    _ => start_call(service.as_ref(), call, || address(&self.public_url, &request)),
                };
                (Box::from(abridge(&request_call.method)), pending)
            }
            Err(fault) => (Box::from(""), MaybeReady::now(Err(fault))),
        };
        let dialect = self.dialect;
        pending.and_then(move |result| write_response(result, frame, method, dialect))
    }

    /// Takes a `system.multicall` apart and runs its calls.
    fn serve_multicall(
        &self,
        service: Arc<dyn RpcService>,
        request: GroupRequest<'_>,
        multicall: &JsonRpcCall<'_>,
        has_further: bool,
        frame: ResponseFrame,
    ) -> FrontendFuture {
        let calls = match multicall::calls(multicall.args) {
            Ok(_) if has_further => Err(not_passed_on()),
            calls => calls,
        };
        let (dialect, method) = (self.dialect, Box::from(system::MULTICALL));
        let entries = match calls {
            Ok(calls) if calls.is_empty() => Err(Ok(multicall::no_results())),
            Ok(calls) => {
                let (callee, reading) = (self.callee(service, request), self.reading());
                BatchEntries::of_multicall(&calls, frame.clone(), self.batch, callee, reading, dialect).map_err(Err)
            }
            Err(fault) => Err(Err(fault)),
        };
        match entries {
            Ok(entries) => respond_to_all(entries, method, frame),
            Err(result) => write_response(result, frame, method, dialect),
        }
    }

    fn callee(&self, service: Arc<dyn RpcService>, request: GroupRequest<'_>) -> Callee {
        Callee { service, context: request.context.clone(), url: address(&self.public_url, &request) }
    }

    fn reading(&self) -> RequestReading {
        RequestReading { version_1: self.version_1, further_members: self.further_members.clone() }
    }

    /// Runs several requests; the response has no content if all of them are notifications.
    fn serve_batch(
        &self,
        raw: &[&RawValue],
        service: Arc<dyn RpcService>,
        request: GroupRequest<'_>,
    ) -> FrontendFuture {
        let (callee, reading) = (self.callee(service, request), self.reading());
        match BatchEntries::new(raw, self.batch, callee, reading, self.dialect) {
            Ok(entries) => respond_to_all(entries, Box::from(""), ResponseFrame::unknown()),
            Err(fault) => refuse(&fault),
        }
    }
}

/// The response to several calls. `frame` is that of the response if their results cannot be written.
fn respond_to_all(entries: BatchEntries, method: Box<str>, frame: ResponseFrame) -> FrontendFuture {
    let body = BatchResponse::new(entries);
    MaybeReady::later(async move {
        let (response, fault) = match Body::gather(body).await {
            Ok(body) if body.as_whole().is_some_and(|bytes| bytes.is_empty()) => (no_content(), None),
            Ok(body) => (json(body), None),
            Err(error) => error_response(&frame, &frontend::encode_fault(error)),
        };
        FrontendResponse { response, method, fault }
    })
}

/// Why a request with further members cannot be passed on as a part of a batch, as a notification, or from a client of 1.0.
fn not_passed_on() -> Fault {
    Fault::new(
        Kind::Structure,
        "further members are passed on only with a single request of version 2.0 that has an `id`",
    )
}

/// The public address of the group.
fn address(public_url: &PublicUrl, request: &GroupRequest<'_>) -> String {
    public_url.base(request.head, request.context.peer) + request.path()
}

/// Starts a call of the service, or of a method of the protocol itself: `rpc.discover` and `system.*`.
fn start_call(service: &dyn RpcService, call: Call<'_>, url: impl FnOnce() -> String) -> CallFuture {
    if openrpc::is_builtin(call.method)
        && let Some(result) = openrpc::call(&service.interface_for(call.context), call.method, call.args, url)
    {
        return MaybeReady::now(result);
    }
    if system::is_builtin(call.method)
        && let Some(result) =
            system::call(&service.interface_for(call.context), call.method, call.args, Protocol::JsonRpc)
    {
        return MaybeReady::now(result);
    }
    frontend::start_call(service, call)
}

/// Whether every JSON reader reads the same request from the bytes.
fn is_unambiguous(request: GroupRequest<'_>, further: &FurtherMembers) -> bool {
    // JSON is in UTF-8 (RFC 8259, section 8.1), but a reader that obeys another `charset` would read another text.
    let charset = media_type::parameter(&request.head.headers, "charset").unwrap_or("utf-8");
    let in_utf8 = charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8");
    in_utf8 && request::is_unambiguous(request.body, further)
}

/// The response to a single request.
fn write_response(
    result: Result<Output, Fault>,
    frame: ResponseFrame,
    method: Box<str>,
    dialect: JsonDialect,
) -> FrontendFuture {
    let finish = |(response, fault)| FrontendResponse { response, method, fault };
    if frame.is_silent() {
        let fault = result.err().map(|fault| fault.kind);
        return MaybeReady::now(finish((no_content(), fault)));
    }
    match result {
        Ok(Output::One(value)) => {
            frontend::write_whole(value, (frame, dialect), encode_result).map(move |(body, (frame, _))| {
                finish(match body {
                    Ok(body) => (json(body), None),
                    Err(fault) => error_response(&frame, &fault),
                })
            })
        }
        Ok(Output::Raw(raw)) => MaybeReady::now(finish((frontend::passthrough_response(raw), None))),
        Ok(Output::Many(rows)) => MaybeReady::later(async move {
            let (mut head, mut tail) = (Vec::new(), Vec::new());
            frame.write_head(&mut head);
            frame.write_tail(&mut tail);
            finish(match Body::gather(JsonArray::framed(rows, dialect, head, tail)).await {
                Ok(body) => (json(body), None),
                Err(error) => error_response(&frame, &frontend::encode_fault(error)),
            })
        }),
        Err(fault) => MaybeReady::now(finish(error_response(&frame, &fault))),
    }
}

fn encode_result((frame, dialect): &(ResponseFrame, JsonDialect), value: &dyn Encode) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::with_capacity(256);
    frame.write_head(&mut bytes);
    frontend::encode(value, Format::Json(*dialect), &mut bytes)?;
    frame.write_tail(&mut bytes);
    Ok(bytes)
}

/// The response to a text that is not a request, or to a batch that is too large.
fn refuse(fault: &Fault) -> FrontendFuture {
    let (response, fault) = error_response(&ResponseFrame::unknown(), fault);
    MaybeReady::now(FrontendResponse { response, method: Box::from(""), fault })
}

fn error_response(frame: &ResponseFrame, fault: &Fault) -> (Response<Body>, Option<Kind>) {
    let mut bytes = Vec::with_capacity(256);
    frame.write_error(fault, &mut bytes);
    (json(Body::whole(bytes)), Some(fault.kind))
}

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/json");

fn json(body: Body) -> Response<Body> {
    frontend::ok(CONTENT_TYPE, body)
}

/// The response if all requests are notifications.
fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
