//! The OpenAPI documents, of one group and of all of them.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::Value;

use super::problem::{RestProblem, list};
use crate::http::body::Body;
use crate::http::public_url::PublicUrl;
use crate::http::rejection::HttpRejection;
use crate::http::routes::RouteTable;
use crate::model::interface::Interface;
use crate::protocol::Protocol;
use crate::protocol::document::GroupDocument;
use crate::protocol::frontend;
use crate::protocol::frontend::{Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest};
use crate::protocol::rest::openapi;
use crate::service::RpcService;
use crate::service::future::MaybeReady;

/// The path of the document below that of the group.
const TAIL: &str = "openapi.json";
/// The verbs for the document.
const VERBS: &[Method] = &[Method::GET, Method::HEAD, Method::OPTIONS];

/// The OpenAPI document of a group, at `openapi.json` below its path.
#[derive(Debug, Clone, Default)]
pub struct OpenApi {
    /// The public address of the server.
    pub public_url: Arc<PublicUrl>,
    /// The routes of the group.
    pub routes: Arc<RouteTable>,
}

/// The OpenAPI document of all groups, at `openapi.json` below the path it is mounted at, which is `/`.
#[derive(Clone, Default)]
pub struct OpenApiOfAll {
    /// The public address of the server.
    pub public_url: Arc<PublicUrl>,
    /// The groups, in the order of the document.
    pub groups: Vec<RestGroup>,
}

/// A group with REST.
#[derive(Clone)]
pub struct RestGroup {
    /// Its path.
    pub path: String,
    /// Its service.
    pub service: Arc<dyn RpcService>,
    /// Its routes.
    pub routes: Arc<RouteTable>,
}

impl Frontend for OpenApi {
    fn protocol(&self) -> Protocol {
        Protocol::Rest
    }

    fn verbs(&self, _: &Interface, tail: &str) -> &'static [Method] {
        verbs(tail)
    }

    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        claims(head.tail)
    }

    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        let base = self.public_url.base(request.head, request.context.peer);
        let url = base + request.path();
        if request.head.method != Method::OPTIONS
            && let Some(rejection) = frontend::refuse_undescribed(service.as_ref())
        {
            let response = self.refuse(request.head, rejection);
            return MaybeReady::now(FrontendResponse { response, method: Box::from(""), fault: None });
        }
        write_document(&request, || self.text(&service.interface_for(request.context), &url))
    }

    fn refuse(&self, _: &Parts, rejection: HttpRejection) -> Response<Body> {
        RestProblem::from(rejection).into_response()
    }
}

impl GroupDocument for OpenApi {
    fn name(&self) -> &'static str {
        TAIL
    }

    fn title(&self) -> &'static str {
        "OpenAPI document"
    }

    fn media_type(&self) -> &'static str {
        "application/json"
    }

    fn text(&self, interface: &Interface, url: &str) -> String {
        document_text(&openapi::document(interface, &self.routes, url.trim_end_matches('/')))
    }
}

impl Frontend for OpenApiOfAll {
    fn protocol(&self) -> Protocol {
        Protocol::Rest
    }

    fn verbs(&self, _: &Interface, tail: &str) -> &'static [Method] {
        verbs(tail)
    }

    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        claims(head.tail)
    }

    fn serve(&self, _: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        let base = self.public_url.base(request.head, request.context.peer);
        write_document(&request, || {
            // The credentials of the request are those of another group, if there are any.
            let anyone = request.context.without_identity();
            let interfaces: Vec<_> = self.groups.iter().map(|group| group.service.interface_for(&anyone)).collect();
            let groups = self.groups.iter().zip(&interfaces);
            let groups: Vec<_> =
                groups.map(|(group, interface)| (group.path.as_str(), &**interface, group.routes.as_ref())).collect();
            document_text(&openapi::document_of_all(&groups, &base))
        })
    }

    fn refuse(&self, _: &Parts, rejection: HttpRejection) -> Response<Body> {
        RestProblem::from(rejection).into_response()
    }
}

/// The largest document that is indented, in bytes without white space.
const MAX_INDENTED: usize = 256 << 10;

fn verbs(tail: &str) -> &'static [Method] {
    if tail == TAIL { VERBS } else { &[] }
}

fn claims(tail: &str) -> Claim {
    if tail == TAIL { Claim::Yes } else { Claim::No }
}

/// A document with a line for each value or, if it is large, without white space, which takes half the bytes.
fn document_text(document: &Value) -> String {
    let text = format!("{document}\n");
    if text.len() > MAX_INDENTED { text } else { format!("{document:#}\n") }
}

/// The response with a document, or to a request for something else than reading it.
fn write_document(request: &GroupRequest<'_>, document: impl FnOnce() -> String) -> FrontendFuture {
    let mut response = match request.head.method {
        Method::GET | Method::HEAD => {
            frontend::ok(const { HeaderValue::from_static("application/json") }, Body::whole(document()))
        }
        Method::OPTIONS => {
            let mut response = Response::new(Body::default());
            *response.status_mut() = StatusCode::NO_CONTENT;
            if let Ok(allow) = HeaderValue::from_str(&list(VERBS)) {
                response.headers_mut().insert(header::ALLOW, allow);
            }
            response
        }
        _ => RestProblem::not_allowed(VERBS, "a document can only be read").into_response(),
    };
    if request.head.method == Method::HEAD {
        response = frontend::head_response(response, request.head.headers.contains_key(header::ACCEPT_ENCODING));
    }
    MaybeReady::now(FrontendResponse { response, method: Box::from(""), fault: None })
}
