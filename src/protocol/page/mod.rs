//! HTML pages: the page of a group with its methods, forms and sample code, the directory of all groups, and pages made
//! from an operator's templates.
//!
//! [`Page`] renders the interface of a group with built-in templates, all methods on one page or, if that would be too large,
//! each on a page of its own at `?method=NAME`; [`Directory`] lists all groups at `/`; a
//! [`TemplatePage`] fills an operator's [`PageTemplate`] with the result of a method.
//!
//! Every value is escaped where a template writes it, and characters that hide text or change its direction are replaced.
//! A content security policy allows only the script and the style sheet of the server itself. A service may add a
//! [section](crate::model::interface::PageSection) of its own to the page of its group, such as the drawing of a wheel:
//! its template is rendered with the same escaping, and its script and style sheet are appended to those of the page, so
//! that the policy is the same for every page.

mod assets;
mod custom;
mod directory;
mod forms;
mod group_list;
mod input;
mod method_list;
mod method_view;
mod outage;
mod prose;
pub(crate) mod refusal;
mod template;
mod templates;
mod type_text;
mod view;

use std::sync::{Arc, LazyLock};

use http::request::Parts;
use http::{Method, Response, StatusCode};

pub use custom::{PageStyle, TemplatePage};
pub use directory::Directory;
pub use group_list::{GroupSummary, PageSummary};
pub use template::{FRAME, PageTemplate, TemplateError};

use super::Protocol;
use super::frontend::{self, Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest};
use super::rest::server::query;
use crate::http::audience::Audience;
use crate::http::body::Body;
use crate::http::public_url::PublicUrl;
use crate::http::rejection::HttpRejection;
use crate::http::routes::RouteTable;
use crate::model::fault::{Fault, Kind};
use crate::model::interface::{self, Interface, PageSection};
use crate::service::RpcService;
use crate::service::future::MaybeReady;
use crate::service::log_throttle::LogThrottle;
use assets::Asset;
use method_list::METHOD;
use outage::OutageView;
use view::GroupPage;

/// The page of a group at its own path, those of its methods at `?method=NAME`, with their script and style sheet below that.
///
/// It follows the frontends that serve `GET` with a query, such as `?wsdl`.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The public address of the server.
    pub public_url: Arc<PublicUrl>,
    /// The protocols in which the page makes calls, in this order: those that the group has, without the page itself.
    pub protocols: Vec<Protocol>,
    /// Whether the group is an MCP server, so that the page says how clients connect to it.
    pub has_mcp: bool,
    /// All groups. If there are several, the page links to the others and to the directory at `/`.
    pub groups: Arc<[GroupSummary]>,
    /// The namespace of the group's SOAP elements; needed if SOAP is among the protocols.
    pub namespace: String,
    /// The REST routes that the operator added.
    pub routes: Arc<RouteTable>,
}

impl Frontend for Page {
    fn verbs(&self, _: &Interface, tail: &str) -> &'static [Method] {
        verbs(tail)
    }

    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        claims(head)
    }

    fn protocol(&self) -> Protocol {
        Protocol::Page
    }

    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        let interface = service.interface_for(request.context);
        let shown = match self.shown(service.as_ref(), &interface, &request) {
            Ok(shown) => shown,
            Err((rejection, fault)) => {
                return MaybeReady::now(make_page_response(rejection.into_response(), Some(fault)));
            }
        };
        serve(request, interface.page_section.as_deref(), || {
            let base = self.public_url.base(request.head, request.context.peer);
            // A listener that serves no calls shows the page without forms.
            let read_only = Page { protocols: Vec::new(), ..self.clone() };
            let page = if request.head.extensions.get() == Some(&Audience::Pages) { &read_only } else { self };
            let outage = service.outage().map(|outage| OutageView::new(&outage, !interface.incomplete));
            let group = GroupPage { page, interface: &interface, base: &base, path: request.path(), outage };
            match shown {
                Shown::Group => group.render(),
                Shown::Method(index, method) => group.render_method(method, index),
            }
        })
    }
}

/// What a request to the path of a group shows.
enum Shown<'i> {
    /// The page of the group.
    Group,
    /// The page of the method with this index among the methods of the group.
    Method(usize, &'i interface::Method),
}

impl Page {
    /// What a request shows, by its path and its query.
    ///
    /// # Errors
    /// The rejection and the kind of the failure, if the query names a method that the caller cannot see.
    fn shown<'i>(
        &self,
        service: &dyn RpcService,
        interface: &'i Interface,
        request: &GroupRequest<'_>,
    ) -> Result<Shown<'i>, (HttpRejection, Kind)> {
        if !request.tail.is_empty() {
            return Ok(Shown::Group);
        }
        let bad = |reason: &str| (HttpRejection::new(StatusCode::BAD_REQUEST, reason), Kind::BadParams);
        let mut names = query::values(request.query(), METHOD);
        let Some(name) = names.next() else { return Ok(Shown::Group) };
        let name = name.ok_or_else(|| bad("the query has a malformed escape at `method`"))?;
        if names.next().is_some() {
            return Err(bad("the query names several methods"));
        }
        match interface.methods.iter().enumerate().find(|(_, method)| method.name == name) {
            Some((index, method)) => Ok(Shown::Method(index, method)),
            None => Err(match frontend::refuse_undescribed(service) {
                Some(rejection) => (rejection, Kind::Unreachable),
                None => {
                    let fault = Fault::no_such_method(&name);
                    (HttpRejection::new(StatusCode::NOT_FOUND, fault.message), fault.kind)
                }
            }),
        }
    }
}

fn verbs(tail: &str) -> &'static [Method] {
    if tail.is_empty() || Asset::at(tail).is_some() { &[Method::GET, Method::HEAD] } else { &[] }
}

/// Whether a request is for a page, its script or its style sheet. A request for a WSDL document is not.
fn claims(head: &GroupHead<'_>) -> Claim {
    claims_page(head.parts, verbs(head.tail))
}

fn claims_page(head: &Parts, verbs: &[Method]) -> Claim {
    if verbs.is_empty() || !matches!(head.method, Method::GET | Method::HEAD) {
        return Claim::No;
    }
    let query = head.uri.query().unwrap_or_default();
    let wsdl = query.split('&').any(|pair| pair.split('=').next().is_some_and(|key| key.eq_ignore_ascii_case("wsdl")));
    if wsdl { Claim::No } else { Claim::Yes }
}

/// For the log lines of pages that cannot be rendered.
static FAILURES: LazyLock<LogThrottle> = LazyLock::new(LogThrottle::default);

/// The response with the page, its script or its style sheet.
fn serve(
    request: GroupRequest<'_>,
    section: Option<&PageSection>,
    page: impl FnOnce() -> Result<String, minijinja::Error>,
) -> FrontendFuture {
    let response = match Asset::at(request.tail) {
        Some(asset) => Ok(asset.response(request.head, section)),
        None => page().map(|html| assets::page(request.head, html)),
    };
    MaybeReady::now(match response {
        Ok(response) => make_page_response(response, None),
        Err(error) => {
            FAILURES.log(move |count| tracing::error!(%error, count, "cannot render a page"));
            let rejection = HttpRejection::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the page cannot be rendered; the log of the server has details",
            );
            make_page_response(rejection.into_response(), Some(Kind::Internal))
        }
    })
}

fn make_page_response(response: Response<Body>, fault: Option<Kind>) -> FrontendResponse {
    FrontendResponse { response, method: Box::from(""), fault }
}

/// The path of a public address: the prefix that a proxy removes from the paths of groups.
pub(crate) fn root(base: &str) -> &str {
    let host = base.split_once("://").map_or(base, |(_, host)| host);
    host.bytes().position(|byte| byte == b'/').and_then(|at| host.get(at..)).unwrap_or_default()
}
