//! A page for people: what a group offers, forms to try it, and code to begin with; and the directory of all groups.

mod assets;
mod custom;
mod directory;
mod forms;
mod group_list;
mod input;
mod prose;
mod ring;
mod template;
mod templates;
mod type_text;
mod view;

use std::sync::Arc;

use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde::Serialize;

pub use custom::{PageStyle, TemplatePage};
pub use directory::Directory;
pub use group_list::{GroupSummary, PageSummary};
pub use template::{FRAME, PageTemplate, TemplateError};

use super::frontend::{Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest};
use crate::http::audience::Audience;
use crate::http::body::Body;
use crate::http::public_url::PublicUrl;
use crate::http::rejection::HttpRejection;
use crate::http::routes::RouteTable;
use crate::model::fault::Kind;
use crate::model::interface::Interface;
use crate::service::RpcService;
use crate::service::future::MaybeReady;
use assets::Asset;

/// The page of a group, at its own path, and what the page consists of, below it.
///
/// It belongs behind the faces that answer `GET` with a query, such as `?wsdl`.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Under which address people know the server.
    pub public_url: Arc<PublicUrl>,
    /// Over what the page calls, in this order. Those that a group does not answer must not stand here.
    pub protocols: Vec<PageProtocol>,
    /// All groups. With more than one, the page leads to the others and to the directory at `/`.
    pub groups: Arc<[GroupSummary]>,
    /// The namespace of the group's SOAP elements; needed where SOAP is among the protocols.
    pub namespace: String,
    /// By which other paths REST calls the methods.
    pub routes: Arc<RouteTable>,
}

/// A protocol by which a page calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PageProtocol {
    /// XML-RPC.
    XmlRpc,
    /// JSON-RPC 2.0.
    JsonRpc,
    /// JSON over plain HTTP.
    Rest,
    /// SOAP 1.1.
    Soap,
}

impl PageProtocol {
    /// All of them, in the order in which a page offers them.
    pub const ALL: [PageProtocol; 4] =
        [PageProtocol::XmlRpc, PageProtocol::JsonRpc, PageProtocol::Rest, PageProtocol::Soap];
}

impl Frontend for Page {
    fn methods(&self, _: &Interface, tail: &str) -> &'static [Method] {
        methods(tail)
    }

    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        claims(head)
    }

    fn is_page(&self) -> bool {
        true
    }

    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        serve(request, || {
            let base = self.public_url.base(request.head, request.context.peer);
            // Where calls are not found, nothing is offered that makes them.
            let read_only = Page { protocols: Vec::new(), ..self.clone() };
            let page = if request.head.extensions.get() == Some(&Audience::Pages) { &read_only } else { self };
            let interface = service.interface();
            let group = view::group(page, &interface, &base, request.path());
            templates::render("group.html", &group)
        })
    }
}

fn methods(tail: &str) -> &'static [Method] {
    if tail.is_empty() || Asset::at(tail).is_some() { &[Method::GET, Method::HEAD] } else { &[] }
}

/// Whether a request asks for a page, or for what one consists of. A query that asks for a WSDL does not.
fn claims(head: &GroupHead<'_>) -> Claim {
    claims_page(head.parts, methods(head.tail))
}

fn claims_page(head: &Parts, methods: &[Method]) -> Claim {
    if methods.is_empty() || !matches!(head.method, Method::GET | Method::HEAD) {
        return Claim::No;
    }
    let query = head.uri.query().unwrap_or_default();
    let wsdl = query.split('&').any(|pair| pair.split('=').next().is_some_and(|key| key.eq_ignore_ascii_case("wsdl")));
    if wsdl { Claim::No } else { Claim::Yes }
}

/// Answers with a part of the page, or with the page itself.
fn serve(request: GroupRequest<'_>, page: impl FnOnce() -> Result<String, minijinja::Error>) -> FrontendFuture {
    let response = match Asset::at(request.tail) {
        Some(asset) => Ok(asset.response(request.head)),
        None => page().map(|html| assets::page(request.head, html)),
    };
    MaybeReady::now(match response {
        Ok(response) => replied(response, None),
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            let rejection =
                HttpRejection::new(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made; the log says why");
            replied(rejection.into_response(), Some(Kind::Internal))
        }
    })
}

fn replied(response: Response<Body>, fault: Option<Kind>) -> FrontendResponse {
    FrontendResponse { response, method: Box::from(""), fault }
}

/// The path part of a public address: what stands before the paths of groups where a proxy adds something.
fn root(base: &str) -> &str {
    let host = base.split_once("://").map_or(base, |(_, host)| host);
    host.bytes().position(|byte| byte == b'/').and_then(|at| host.get(at..)).unwrap_or_default()
}
