//! The REST frontend: it serves each method at its own path below that of the group, at the routes of the operator, and at the paths
//! of the OpenAPI document of a REST upstream.

mod accept;
mod body_check;
mod conditional_read;
mod csv;
mod described;
mod described_check;
mod documents;
mod problem;
pub mod query;
mod response;
mod route_call;
mod route_check;

use std::borrow::Cow;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use memchr::memchr;
use percent_encoding::percent_decode_str;
use serde_json::value::RawValue;

use crate::codec::{DocumentLimits, json};
use crate::http::body::Body;
use crate::http::media_type;
use crate::http::public_url::PublicUrl;
use crate::http::rejection::HttpRejection;
use crate::http::routes::{RestRoute, RouteMatch, RouteTable};
use crate::model::fault::{Fault, Kind};
use crate::model::http_operations::OperationMatch;
use crate::model::interface;
use crate::model::interface::Interface;
use crate::model::text::abridge;
use crate::protocol::Protocol;
use crate::protocol::frontend;
use crate::protocol::frontend::{
    Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest, Streaming, UnreadRequest,
};
use crate::service::args::Args;
use crate::service::future::MaybeReady;
use crate::service::{Call, RpcService};
use accept::Media;
use conditional_read::ConditionalRead;
use problem::RestProblem;
use response::ResponseFormat;

pub use documents::{OpenApi, OpenApiOfAll, RestGroup};
pub use route_check::{RouteError, RoutePart, RouteReport, check};

/// The REST frontend of a group.
#[derive(Debug, Clone, Default)]
pub struct Rest {
    /// The dialect: how values that JSON cannot express are written.
    pub dialect: json::JsonDialect,
    /// The limits on the JSON text of a request.
    pub limits: DocumentLimits,
    /// The routes of the operator.
    pub routes: Arc<RouteTable>,
    /// The public address of the server.
    pub public_url: Arc<PublicUrl>,
}

/// The verbs of a safe method.
const OF_SAFE: &[Method] = &[Method::GET, Method::HEAD, Method::OPTIONS, Method::POST];
/// The verbs of every other method.
const OF_UNSAFE: &[Method] = &[Method::OPTIONS, Method::POST];

impl Frontend for Rest {
    fn protocol(&self) -> Protocol {
        Protocol::Rest
    }

    fn verbs(&self, interface: &Interface, tail: &str) -> &'static [Method] {
        find_method(interface, tail).map_or(&[], verbs)
    }

    fn example_command(&self, method: Option<&interface::Method>, url: &str) -> Option<String> {
        let url = format!("{}/{}", url.trim_end_matches('/'), method?.name);
        let post = "-H 'Content-Type: application/json' -d '{}' ";
        Some(format!("curl {}{url}", if method?.safe { "" } else { post }))
    }

    /// Claims every path below that of the group, with every verb, so that paths without a method get an error in REST's form.
    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        if head.tail.is_empty() { Claim::No } else { Claim::Yes }
    }

    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        // What may be called is asked only of those who may call it; a call itself is refused by the rules.
        let interface = match request.head.method {
            Method::OPTIONS => service.interface_for(request.context),
            _ => service.interface(),
        };
        let target = PathTarget::find(&interface, &self.routes, request.tail);
        let name =
            target.method(&request.head.method).map_or_else(|| abridge(&decoded(request.tail)).into(), Box::from);
        let response = self.respond(service.as_ref(), &interface, &target, &request);
        let only_head = request.head.method == Method::HEAD;
        let packs = only_head && request.head.headers.contains_key(header::ACCEPT_ENCODING);
        let conditional = ConditionalRead::of(&request);
        response.map(move |result| {
            let fault = result.as_ref().err().and_then(RestProblem::kind);
            let mut response = result.unwrap_or_else(RestProblem::into_response);
            if let Some(conditional) = conditional {
                response = conditional.apply(response);
            }
            if only_head {
                response = frontend::head_response(response, packs);
            }
            FrontendResponse { response, method: name, fault }
        })
    }

    /// A request of the document of an upstream is passed on to it.
    fn streams(&self, service: &dyn RpcService, head: &GroupHead<'_>) -> Option<Streaming> {
        let interface = service.interface();
        // Most groups have no such upstream.
        if interface.operations.all().is_empty() {
            return None;
        }
        let target = PathTarget::find(&interface, &self.routes, head.tail);
        let (operation, _) = target.described(&head.parts.method)?;
        Some(Streaming { read_first: body_check::bytes_to_read(&interface, operation, &head.parts.headers) })
    }

    fn serve_unread(&self, service: &Arc<dyn RpcService>, request: UnreadRequest<'_>) -> FrontendFuture {
        self.pass_on(service, request)
    }

    fn refuse(&self, _: &Parts, rejection: HttpRejection) -> Response<Body> {
        RestProblem::from(rejection).into_response()
    }
}

/// A response or an error, ready or pending.
type RestResponse = MaybeReady<Result<Response<Body>, RestProblem>>;

/// The method and the routes at a path.
struct PathTarget<'a> {
    /// The method that has this path as its own, unless it is a path of the upstream's document without variables.
    own: Option<&'a interface::Method>,
    /// The routes at the path. If it is also the path of a method, or one of the upstream's document without variables, only routes
    /// without variables count.
    routes: Option<RouteMatch<'a, 'a>>,
    /// The operations of the upstream's document at the path, the most specific path first.
    described: Vec<OperationMatch<'a, 'a>>,
    interface: &'a Interface,
}

impl<'a> PathTarget<'a> {
    fn find(interface: &'a Interface, routes: &'a RouteTable, tail: &'a str) -> PathTarget<'a> {
        let described = interface.operations.find(tail);
        // A path of the document without variables is served by the verbs of the document only.
        let is_of_document = || {
            let mut literal = described.iter().filter(|found| found.values.is_empty());
            literal.any(|found| found.operations().any(|operation| interface.method(&operation.method).is_some()))
        };
        let own = find_method(interface, tail).filter(|_| !is_of_document());
        let found = routes.find(tail);
        let found = found.filter(|found| found.values.is_empty() || own.is_none() && !is_of_document());
        PathTarget { own, routes: found, described, interface }
    }

    /// The method, if its own path serves this verb.
    fn own(&self, verb: &Method) -> Option<&'a interface::Method> {
        self.own.filter(|method| *verb != Method::OPTIONS && verbs(method).contains(verb))
    }

    /// The route with this verb, and the values of its variables.
    fn route(&self, verb: &Method) -> Option<(&'a Arc<RestRoute>, &[Cow<'a, str>])> {
        let found = self.routes.as_ref()?;
        Some((found.route(verb)?, &found.values))
    }

    /// The name of the method that this verb calls, or else of the method that has the path as its own.
    fn method(&self, verb: &Method) -> Option<&'a str> {
        let route = || self.route(verb).map(|(route, _)| route.method());
        if let Some((operation, _)) = self.described(verb) {
            return Some(&operation.method);
        }
        self.own(verb).map(|own| own.name.as_str()).or_else(route).or(self.own.map(|own| own.name.as_str()))
    }

    /// The verbs that are served, in alphabetical order; empty if there is nothing at the path.
    fn allow(&self) -> Cow<'static, [Method]> {
        let own = self.own.map_or(&[][..], verbs);
        let described: Vec<&Method> = self.described_verbs().collect();
        if self.routes.is_none() && described.is_empty() {
            return Cow::Borrowed(own);
        }
        let routes = self.routes.iter().flat_map(|found| found.routes);
        let verbs = routes.map(|route| route.template().verb()).chain(described);
        let mut all: Vec<Method> = verbs.chain(own).chain([&Method::OPTIONS]).cloned().collect();
        if all.contains(&Method::GET) {
            all.push(Method::HEAD);
        }
        all.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        all.dedup();
        Cow::Owned(all)
    }
}

impl Rest {
    /// Calls what is at the target, or says why nothing is called.
    fn respond(
        &self,
        service: &dyn RpcService,
        interface: &Interface,
        target: &PathTarget<'_>,
        request: &GroupRequest<'_>,
    ) -> RestResponse {
        let verb = &request.head.method;
        if let Some(method) = target.own(verb) {
            let begun = match *verb {
                Method::POST => {
                    let format = self.format(interface, Some(method), request.head);
                    format.and_then(|format| post(service, &method.name, format, self.limits, request))
                }
                _ => self.get(service, interface, method, request),
            };
            return write_response(begun, verb);
        }
        if let Some((route, values)) = target.route(verb) {
            let called = route.clone();
            let response = write_response(self.call_route(service, interface, route, values, request), verb);
            return response.map(move |result| result.map_err(|problem| problem.with_location(&called)));
        }
        let allow = target.allow();
        if allow.is_empty() && interface.incomplete {
            return write_response(self.call_unknown(service, interface, request), verb);
        }
        MaybeReady::now(match *verb {
            _ if allow.is_empty() => Err(Fault::no_such_method(&decoded(request.tail)).into()),
            Method::OPTIONS => Ok(options(&allow)),
            _ => Err(RestProblem::not_allowed(&allow, not_allowed_reason(request.head, target))),
        })
    }

    fn get(
        &self,
        service: &dyn RpcService,
        interface: &Interface,
        method: &interface::Method,
        request: &GroupRequest<'_>,
    ) -> StartedCall {
        if !request.body.is_empty() {
            let reason = "a GET request has its parameters in the query and must not have a body";
            return Err(RestProblem::refused(StatusCode::BAD_REQUEST, reason));
        }
        let format = self.format(interface, Some(method), request.head)?;
        let object = query::read(interface, method, request.query(), self.limits)?;
        match object {
            Some(object) => Ok((format, begin(service, &method.name, Args::Json(raw(&object)?), request))),
            None => Ok((format, begin(service, &method.name, Args::None, request))),
        }
    }

    /// Calls a method of an upstream that is not discovered yet, with unchecked arguments. Only POST is allowed, because it
    /// is not known whether the method is safe.
    fn call_unknown(&self, service: &dyn RpcService, interface: &Interface, request: &GroupRequest<'_>) -> StartedCall {
        if request.head.method != Method::POST {
            return Err(frontend::undescribed(interface).unwrap_or_else(Fault::internal).into());
        }
        let format = self.format(interface, None, request.head)?;
        post(service, &decoded(request.tail), format, self.limits, request)
    }

    /// The format of the response, by `Accept`.
    fn format(
        &self,
        interface: &Interface,
        method: Option<&interface::Method>,
        head: &Parts,
    ) -> Result<ResponseFormat, RestProblem> {
        let items = method.and_then(|method| response::items(interface, method));
        let offered = if items.is_some() { Media::OF_ROWS } else { Media::OF_VALUES };
        let media = accept::choose(&head.headers, offered).ok_or_else(|| {
            let names: Vec<_> = offered.iter().map(|media| media.name()).collect();
            let reason = format!("the response is available as {}, and Accept allows none of these", names.join(", "));
            RestProblem::refused(StatusCode::NOT_ACCEPTABLE, reason)
        })?;
        Ok(ResponseFormat::new(media, interface, items, self.dialect))
    }
}

/// A call that has started, and the format of its response.
type StartedCall = Result<(ResponseFormat, crate::service::CallFuture), RestProblem>;

/// The response to a call that has started; for HEAD, without a body.
fn write_response(begun: StartedCall, verb: &Method) -> RestResponse {
    let only_head = verb == Method::HEAD;
    match begun {
        Ok((format, pending)) => {
            pending.and_then(move |result| format.write(result, only_head)).map(|response| Ok(response?))
        }
        Err(problem) => MaybeReady::now(Err(problem)),
    }
}

/// Starts a call whose arguments are in the body.
fn post(
    service: &dyn RpcService,
    method: &str,
    format: ResponseFormat,
    limits: DocumentLimits,
    request: &GroupRequest<'_>,
) -> StartedCall {
    check_type(request)?;
    if !request.query().is_empty() {
        let reason = "a POST request has its parameters in the body and must not have a query";
        return Err(RestProblem::refused(StatusCode::BAD_REQUEST, reason));
    }
    if request.body.is_empty() {
        return Ok((format, begin(service, method, Args::None, request)));
    }
    let args = raw(json::check(request.body, limits)?.text())?;
    if !args.get().starts_with(['[', '{']) {
        let reason = "the body must be an object of parameters by name or an array of parameters by position";
        return Err(Fault::new(Kind::Structure, reason).into());
    }
    Ok((format, begin(service, method, Args::Json(args), request)))
}

fn begin(
    service: &dyn RpcService,
    method: &str,
    args: Args<'_>,
    request: &GroupRequest<'_>,
) -> crate::service::CallFuture {
    frontend::start_call(service, Call::new(method, args, request.context))
}

fn raw(text: &str) -> Result<&RawValue, Fault> {
    serde_json::from_str(text).map_err(json::not_well_formed)
}

/// The method with a path. A slash at the end is ignored unless it is part of the name.
fn find_method<'a>(interface: &'a Interface, tail: &str) -> Option<&'a interface::Method> {
    let name = decoded(tail);
    interface.method(&name).or_else(|| interface.method(name.strip_suffix('/')?))
}

/// A path, percent-decoded. The router has checked its escapes.
fn decoded(tail: &str) -> Cow<'_, str> {
    match memchr(b'%', tail.as_bytes()) {
        None => Cow::Borrowed(tail),
        Some(_) => percent_decode_str(tail).decode_utf8_lossy(),
    }
}

fn verbs(method: &interface::Method) -> &'static [Method] {
    if method.safe { OF_SAFE } else { OF_UNSAFE }
}

fn not_allowed_reason(head: &Parts, target: &PathTarget<'_>) -> String {
    match (&head.method, target.own) {
        (&Method::GET | &Method::HEAD, Some(method)) if target.routes.is_none() && target.described.is_empty() => {
            format!("`{}` may change data; call it with POST", method.name)
        }
        (verb, _) => format!("{} is not allowed here", abridge(verb.as_str())),
    }
}

fn options(allow: &[Method]) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(allow) = HeaderValue::from_str(&problem::list(allow)) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// Checks that a body is JSON by its media type. A request without a body needs no media type, unless it has an `Origin`:
/// browsers send requests without a body to any site without a preflight request, and JSON only after one (CORS).
///
/// # Errors
/// 415 for other media types and charsets.
fn check_type(request: &GroupRequest<'_>) -> Result<(), RestProblem> {
    let headers = &request.head.headers;
    let media = media_type::media_type(&request.head.headers);
    let suffix = media.len().checked_sub(5).and_then(|at| media.get(at..));
    let is_json = media.eq_ignore_ascii_case("application/json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json"));
    let needless =
        !headers.contains_key(header::CONTENT_TYPE) && !headers.contains_key(header::ORIGIN) && request.body.is_empty();
    let utf8 = media_type::parameter(headers, "charset").is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"));
    if needless || (is_json && utf8) {
        return Ok(());
    }
    let reason = if is_json {
        "JSON must be in UTF-8".to_owned()
    } else {
        let verb = abridge(request.head.method.as_str());
        format!("the parameters of a {verb} request are JSON; its Content-Type must be application/json")
    };
    Err(RestProblem::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason))
}
