//! The XML-RPC frontend: it serves POST at the path of the group and always responds with status 200, also for faults.

mod multicall;

use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};

use http::request::Parts;
use http::{HeaderValue, Method, Response};

use crate::codec::DocumentLimits;
use crate::codec::json::members::begins_json;
use crate::codec::xml::charset;
use crate::codec::xmlrpc as codec;
use crate::codec::xmlrpc::{Root, XmlRpcDialect, XmlRpcDocument};
use crate::http::body::{Body, Source};
use crate::http::media_type;
use crate::http::rejection::HttpRejection;
use crate::model::fault::{BoxError, Fault, Kind};
use crate::model::interface;
use crate::model::interface::Interface;
use crate::model::text::abridge;
use crate::protocol::Protocol;
use crate::protocol::batch::BatchResponse;
use crate::protocol::frontend::{Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest};
use crate::protocol::{frontend, system};
use crate::service::args::Args;
use crate::service::future::MaybeReady;
use crate::service::passthrough::{RawCall, RawFormat};
use crate::service::{Call, CallForm, CallFuture, Encode, Format, Output, Rows, RpcService};
use multicall::MulticallEntries;

/// The XML-RPC frontend of a group.
#[derive(Debug, Clone, Copy)]
pub struct XmlRpc {
    /// The dialect: how points that XML-RPC leaves open are read and written.
    pub dialect: XmlRpcDialect,
    /// The limits on the document of a request.
    pub limits: DocumentLimits,
    /// The largest number of calls in one `system.multicall` (1,000 by default).
    pub batch: usize,
}

impl Default for XmlRpc {
    fn default() -> Self {
        XmlRpc { dialect: XmlRpcDialect::default(), limits: DocumentLimits::default(), batch: 1000 }
    }
}

impl Frontend for XmlRpc {
    fn protocol(&self) -> Protocol {
        Protocol::XmlRpc
    }

    fn verbs(&self, _: &Interface, tail: &str) -> &'static [Method] {
        if tail.is_empty() { &[Method::POST] } else { &[] }
    }

    fn media_types(&self) -> &'static [&'static str] {
        &["text/xml"]
    }

    fn example_command(&self, method: Option<&interface::Method>, url: &str) -> Option<String> {
        let method = method.map_or("system.listMethods", |method| &method.name);
        let request = format!("<methodCall><methodName>{method}</methodName></methodCall>");
        Some(format!("curl -H 'Content-Type: text/xml' -d '{request}' {url}"))
    }

    /// Claims XML media types, and requests without a media type. It never claims `text/plain` or a form: browsers send
    /// those to any site without a preflight request (CORS).
    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        let xml = |media: &str| {
            let is = |name: &str| media.eq_ignore_ascii_case(name);
            let suffix = media.len().checked_sub(4).and_then(|at| media.get(at..));
            let has_xml_suffix = suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+xml"));
            is("text/xml") || is("application/xml") || (has_xml_suffix && !is("application/soap+xml"))
        };
        match head.tail.is_empty() && head.parts.method == Method::POST {
            true if head.media.is_empty() => Claim::Maybe,
            true if xml(head.media) => Claim::Yes,
            _ => Claim::No,
        }
    }

    /// Anything but JSON: the answer to what is neither is a fault of XML-RPC.
    fn recognises(&self, _: &Parts, body: &[u8]) -> bool {
        !begins_json(body)
    }

    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        let started = self.start(service, request);
        started
            .unwrap_or_else(|fault| MaybeReady::now(write_response_or_fault(Err(fault), Box::from(""), self.dialect)))
    }

    fn refuse(&self, _: &Parts, rejection: HttpRejection) -> Response<Body> {
        let body = fault_body(&rejection.fault(), self.dialect);
        rejection.into_response_with(CONTENT_TYPE, body)
    }
}

/// The response to a call, or the fault as a response.
fn write_response_or_fault(
    response: Result<Response<Body>, Fault>,
    method: Box<str>,
    dialect: XmlRpcDialect,
) -> FrontendResponse {
    let fault = response.as_ref().err().map(|fault| fault.kind);
    let response = response.unwrap_or_else(|fault| xml_response(fault_body(&fault, dialect)));
    FrontendResponse { response, method, fault }
}

/// The response to a call, ready or pending.
type PendingResponse = MaybeReady<Result<Response<Body>, Fault>>;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/xml");

fn xml_response(body: Body) -> Response<Body> {
    frontend::ok(CONTENT_TYPE, body)
}

impl XmlRpc {
    /// Reads a request and starts its call.
    fn start(
        &self,
        service: &Arc<dyn RpcService>,
        GroupRequest { head, body, context, .. }: GroupRequest<'_>,
    ) -> Result<FrontendFuture, Fault> {
        let named = media_type::parameter(&head.headers, "charset");
        let text = charset::decode(body, named)?;
        let (XmlRpcDocument { root, tape }, is_plain) =
            XmlRpcDocument::inspect(&text, self.dialect.reading, self.limits)?;
        let Root::Call(method) = root else {
            return Err(Fault::new(Kind::Structure, "this is a `methodResponse`, not a `methodCall`"));
        };
        let (dialect, name) = (self.dialect, Box::from(abridge(&method)));
        let finish = move |response| write_response_or_fault(response, name, dialect);
        if method == system::MULTICALL {
            let calls = MulticallEntries::new(tape, self.batch, service.clone(), context.clone(), dialect);
            return Ok(match calls {
                Ok(calls) => gather(BatchResponse::new(calls)).map(finish),
                Err(fault) => MaybeReady::now(finish(Err(fault))),
            });
        }
        let is_unambiguous = || is_plain && charset::is_certain(body, named);
        let raw = RawCall {
            wire: RawFormat::XmlRpc,
            body,
            id: None,
            charset: named,
            has_further: false,
            is_unambiguous: &is_unambiguous,
        };
        let call = Call { method: &method, args: Args::Values(tape.values()), context, form: CallForm::Raw(&raw) };
        Ok(start_call(service.as_ref(), call).and_then(move |result| write(result, dialect).map(finish)))
    }
}

/// Starts a call of the service, or of a method of the protocol itself.
fn start_call(service: &dyn RpcService, call: Call<'_>) -> CallFuture {
    if system::is_builtin(call.method)
        && let Some(result) =
            system::call(&service.interface_for(call.context), call.method, call.args, Protocol::XmlRpc)
    {
        return MaybeReady::now(result);
    }
    frontend::start_call(service, call)
}

fn write(result: Result<Output, Fault>, dialect: XmlRpcDialect) -> PendingResponse {
    match result {
        Ok(Output::One(value)) => write_one(value, dialect),
        Ok(Output::Raw(raw)) => MaybeReady::now(Ok(frontend::passthrough_response(raw))),
        Ok(Output::Many(rows)) => gather(XmlRpcArray { rows, dialect, begun: false }),
        Err(fault) => MaybeReady::now(Err(fault)),
    }
}

/// A response whose body is made piece by piece.
fn gather(source: impl Source + 'static) -> PendingResponse {
    MaybeReady::later(async move { Body::gather(source).await.map(xml_response).map_err(frontend::encode_fault) })
}

fn write_one(value: Box<dyn Encode>, dialect: XmlRpcDialect) -> PendingResponse {
    let written = frontend::write_whole(value, dialect, |dialect, value| {
        let mut bytes = Vec::with_capacity(512);
        codec::write_response_head(&mut bytes, *dialect);
        frontend::encode(value, Format::XmlRpc(*dialect), &mut bytes)?;
        bytes.extend_from_slice(codec::response_tail());
        Ok(bytes)
    });
    written.map(|(body, _)| body.map(xml_response))
}

/// A response whose result is one array, made item by item.
struct XmlRpcArray {
    rows: Rows,
    dialect: XmlRpcDialect,
    begun: bool,
}

impl Source for XmlRpcArray {
    fn poll_fill(&mut self, cx: &mut Task<'_>, to: &mut Vec<u8>, until: usize) -> Poll<Result<bool, BoxError>> {
        if !self.begun {
            codec::write_response_head(to, self.dialect);
            to.extend_from_slice(ARRAY_HEAD);
            self.begun = true;
        }
        ready!(self.rows.poll_ready(cx))?;
        let more = self.rows.fill(Format::XmlRpc(self.dialect), to, until)?;
        if !more {
            to.extend_from_slice(ARRAY_TAIL);
            to.extend_from_slice(codec::response_tail());
        }
        Poll::Ready(Ok(more))
    }

    fn rows(&mut self) -> Option<&mut Rows> {
        Some(&mut self.rows)
    }
}

const ARRAY_HEAD: &[u8] = b"<value><array><data>";
const ARRAY_TAIL: &[u8] = b"</data></array></value>";

fn fault_body(fault: &Fault, dialect: XmlRpcDialect) -> Body {
    let mut bytes = Vec::with_capacity(512);
    codec::write_fault(&mut bytes, fault, dialect);
    Body::whole(bytes)
}
