//! Pages made from an operator's template, filled with the result of a method.

use std::sync::Arc;

use http::{HeaderValue, Method, Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::assets;
use super::assets::STYLE;
use super::template::{PageTemplate, TemplateError};
use super::{claims_page, make_page_response, root};
use crate::codec::DocumentLimits;
use crate::http::body::Body;
use crate::http::public_url::PublicUrl;
use crate::model::fault::{Fault, Kind};
use crate::model::interface::{Interface, Method as MethodInterface};
use crate::model::value::{SizeBudget, Value};
use crate::protocol::Protocol;
use crate::protocol::frontend;
use crate::protocol::frontend::{Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest};
use crate::protocol::rest::server::query;
use crate::service::args::Args;
use crate::service::future::MaybeReady;
use crate::service::result_memory::ReservedMemory;
use crate::service::{Call, Output, RpcService};

/// The largest size of the result in memory, in bytes.
const MAX_RESULT: usize = 8 << 20;

/// The path of the operator's style sheet, below that of the page.
const OWN_STYLE: &str = "style.css";

/// A page made from a template and the result of a method, for GET and HEAD at its path. The query has the parameters
/// of the method, as in REST.
#[derive(Debug, Clone)]
pub struct TemplatePage {
    /// The title.
    pub title: Arc<str>,
    /// The method whose result is shown.
    pub method: Arc<str>,
    /// The template.
    pub template: Arc<PageTemplate>,
    /// The operator's style sheet, applied after that of all pages.
    pub style: Option<PageStyle>,
    /// The interval in seconds after which a browser reloads the page.
    pub refresh: Option<u64>,
    /// The limits on values in the query.
    pub limits: DocumentLimits,
    /// The public address of the server.
    pub public_url: Arc<PublicUrl>,
}

/// A style sheet.
#[derive(Debug, Clone)]
pub struct PageStyle {
    text: Arc<str>,
    version: Arc<str>,
}

impl PageStyle {
    /// A style sheet of this text.
    pub fn new(text: &str) -> PageStyle {
        PageStyle { text: text.into(), version: assets::hash(text).into() }
    }
}

impl Frontend for TemplatePage {
    fn verbs(&self, _: &Interface, tail: &str) -> &'static [Method] {
        self.verbs_at(tail)
    }

    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        claims_page(head.parts, self.verbs_at(head.tail))
    }

    fn protocol(&self) -> Protocol {
        Protocol::Page
    }

    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        match (request.tail, &self.style) {
            (STYLE_SHEET, _) => MaybeReady::now(make_page_response(STYLE.response(request.head, None), None)),
            (OWN_STYLE, Some(style)) => {
                let body = Body::whole(style.text.as_bytes().to_vec());
                MaybeReady::now(make_page_response(
                    assets::part(request.head, &style.version, "text/css; charset=utf-8", body),
                    None,
                ))
            }
            _ => self.page(service.as_ref(), request),
        }
    }
}

/// The path of the style sheet of all pages, below that of the page.
const STYLE_SHEET: &str = "page.css";

impl TemplatePage {
    fn verbs_at(&self, tail: &str) -> &'static [Method] {
        let own = tail == OWN_STYLE && self.style.is_some();
        if tail.is_empty() || tail == STYLE_SHEET || own { &[Method::GET, Method::HEAD] } else { &[] }
    }

    fn page(&self, service: &dyn RpcService, request: GroupRequest<'_>) -> FrontendFuture {
        let base = self.public_url.base(request.head, request.context.peer);
        let root = root(&base).to_owned();
        let path = request.path().to_owned();
        let interface = service.interface();
        let method = interface.method(&self.method);
        let (output, params) = match read_query(&interface, method, request.query(), self.limits) {
            Ok(object) => (self.call(service, object.as_deref(), &request), params(method, object.as_deref())),
            Err(fault) => (MaybeReady::now(Err(fault)), params(method, None)),
        };
        let page = self.clone();
        let mut memory = ReservedMemory::of(request.context.result_memory.as_ref());
        let deadline = request.context.deadline;
        let value = output.and_then(move |output| match output {
            Ok(output) => MaybeReady::later(async move {
                let value = output.into_reserved_value(SizeBudget::new(MAX_RESULT), &mut memory, deadline).await?;
                Ok((value, memory))
            }),
            Err(fault) => MaybeReady::now(Err(fault)),
        });
        value.map(move |result| {
            let (result, memory) = match result {
                Ok((value, memory)) => (Ok(value), memory),
                Err(fault) => (Err(fault), ReservedMemory::default()),
            };
            let mut page = page.respond(result, &PageRequest { root: &root, path: &path, params });
            page.response.body_mut().hold_needed(memory);
            page
        })
    }

    fn call(
        &self,
        service: &dyn RpcService,
        object: Option<&str>,
        request: &GroupRequest<'_>,
    ) -> MaybeReady<Result<Output, Fault>> {
        let raw = object.map(serde_json::from_str).transpose();
        match raw {
            Ok(raw) => {
                let args = raw.map_or(Args::None, Args::Json);
                frontend::start_call(service, Call::new(&self.method, args, request.context))
            }
            Err(error) => MaybeReady::now(Err(Fault::bad_params(error.to_string()))),
        }
    }

    fn respond(&self, result: Result<Value, Fault>, request: &PageRequest<'_>) -> FrontendResponse {
        let (made, fault) = match result {
            Ok(result) => {
                let made = self.template.render(&self.variables(request, Some(&result), None));
                let fault = made.as_ref().err().map(|error| {
                    let (page, error) = (request.path.to_owned(), error.clone());
                    self.template
                        .failures
                        .log(move |count| tracing::error!(%error, page, count, "cannot render a page"));
                    Fault::new(Kind::Internal, "the page cannot be rendered; the log of the server has details")
                });
                (made, fault)
            }
            Err(fault) => (Ok(String::new()), Some(fault)),
        };
        let response = match &fault {
            Some(fault) => self.failed(fault, request),
            None => made.map(|html| (StatusCode::OK, html)),
        };
        let (status, html) = response.unwrap_or_else(|error| {
            let failures = &self.template.failures;
            failures.log(move |count| tracing::error!(%error, count, "cannot render the error page"));
            (StatusCode::INTERNAL_SERVER_ERROR, String::new())
        });
        let mut response = self.response(status, html);
        if let Some(retry_after) = fault.as_ref().and_then(|fault| fault.retry_after_header(status)) {
            response.headers_mut().insert(header::RETRY_AFTER, retry_after);
        }
        FrontendResponse { response, method: Box::from(&*self.method), fault: fault.map(|fault| fault.kind) }
    }

    fn failed(&self, fault: &Fault, request: &PageRequest<'_>) -> Result<(StatusCode, String), TemplateError> {
        let status = fault.kind.http_status();
        let what = match fault.kind {
            Kind::Unreachable => "This page cannot be shown: an upstream server cannot be reached.",
            Kind::Late => "This page cannot be shown: an upstream server took too long.",
            Kind::Busy => "This page cannot be shown now: the server is busy.",
            Kind::BadParams => "This page cannot be shown with these parameters.",
            Kind::Unauthenticated => "This page is shown only to those who have signed in.",
            Kind::Forbidden => "You may not see this page.",
            Kind::RateLimited => "This page cannot be shown now: it has been asked for too often.",
            _ => "This page cannot be shown.",
        };
        let failure = FailureView { status: status.as_u16(), what, message: &fault.message };
        let html = self.template.failed(&self.variables(request, None, Some(failure)))?;
        Ok((status, html))
    }

    fn variables<'a>(
        &'a self,
        request: &'a PageRequest<'a>,
        result: Option<&'a Value>,
        failure: Option<FailureView<'a>>,
    ) -> TemplateVariables<'a> {
        let here = request.path.trim_end_matches('/');
        let style = |style: &PageStyle| format!("{}{here}/{OWN_STYLE}?{}", request.root, style.version);
        TemplateVariables {
            title: &self.title,
            root: request.root,
            here,
            base_style: format!("{}{here}/{STYLE_SHEET}?{}", request.root, *STYLE.version),
            style: self.style.as_ref().map(style),
            version: env!("CARGO_PKG_VERSION"),
            params: &request.params,
            result,
            failure,
        }
    }

    fn response(&self, status: StatusCode, html: String) -> Response<Body> {
        let mut response = assets::own(html);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if let Some(seconds) = self.refresh {
            headers.insert(header::REFRESH, HeaderValue::from(seconds));
        }
        response
    }
}

/// The parameters in the query as a JSON object. A method that is not known yet has none.
fn read_query(
    interface: &Interface,
    method: Option<&MethodInterface>,
    query: &str,
    limits: DocumentLimits,
) -> Result<Option<String>, Fault> {
    match method {
        Some(method) => query::read(interface, method, query, limits),
        None if query.is_empty() => Ok(None),
        None => Err(Fault::new(Kind::Unreachable, "the parameters of this page are not known yet")),
    }
}

/// The parameters for a template: those in the query, and the defaults of the others.
fn params(method: Option<&MethodInterface>, object: Option<&str>) -> Map<String, Json> {
    let given = object.and_then(|object| serde_json::from_str::<Map<String, Json>>(object).ok()).unwrap_or_default();
    let all = method.into_iter().flat_map(|method| &method.params);
    let counts = all.filter_map(|param| {
        let value = given.get(&param.name).or_else(|| param.schema.get("default"))?;
        Some((param.name.clone(), value.clone()))
    });
    counts.collect()
}

/// The parts of a request that a template uses.
struct PageRequest<'a> {
    /// The prefix of all paths.
    root: &'a str,
    path: &'a str,
    params: Map<String, Json>,
}

/// The variables of a template.
#[derive(Serialize)]
struct TemplateVariables<'a> {
    title: &'a str,
    root: &'a str,
    /// The path of the page, without a slash at its end.
    here: &'a str,
    base_style: String,
    style: Option<String>,
    version: &'a str,
    params: &'a Map<String, Json>,
    /// The result of the method, which templates know as `answer`.
    #[serde(rename = "answer")]
    result: Option<&'a Value>,
    failure: Option<FailureView<'a>>,
}

#[derive(Serialize)]
struct FailureView<'a> {
    status: u16,
    what: &'a str,
    message: &'a str,
}
