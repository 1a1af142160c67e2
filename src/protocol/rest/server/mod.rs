//! REST seen from the client: each method has a path of its own below the group's, and those that an operator's routes
//! give it, answered with bare JSON and with what HTTP itself has to say.

mod accept;
mod cors;
mod csv;
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
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::codec::{Limits, json};
use crate::http::body::Body;
use crate::http::media_type;
use crate::http::rejection::HttpRejection;
use crate::http::routes::{Found, RestRoute, RouteTable};
use crate::model::fault::{Fault, Kind};
use crate::model::interface;
use crate::model::interface::Interface;
use crate::model::text::abridge;
use crate::protocol::frontend;
use crate::protocol::frontend::{Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest};
use crate::service::args::Args;
use crate::service::future::MaybeReady;
use crate::service::{Call, RpcService};
use accept::Media;
use cors::Grant;
use problem::Problem;
use response::Form;

pub use documents::{Described, OpenApi, OpenApiOfAll};
pub use route_check::{Checked, Part, Wrong, check};

/// The REST frontend of a group.
#[derive(Debug, Clone, Default)]
pub struct Rest {
    /// What an operator decides about it.
    pub options: RestOptions,
    /// How numbers are written that JSON has no form for.
    pub dialect: json::JsonDialect,
    /// How large a request's JSON text may be.
    pub limits: Limits,
    /// By which other paths methods are called.
    pub routes: Arc<RouteTable>,
}

/// How a group is reached over REST.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RestOptions {
    /// The sites whose pages may call this group from a browser, such as `https://casino.example`, each exactly as
    /// browsers write it: scheme, host, and the port if it is not the usual one. `*` means all origins. Without any,
    /// pages of other sites may not.
    pub cors: Vec<String>,
}

/// The verbs of a method that changes nothing.
const OF_SAFE: &[Method] = &[Method::GET, Method::HEAD, Method::OPTIONS, Method::POST];
/// The verbs of every other method.
const OF_UNSAFE: &[Method] = &[Method::OPTIONS, Method::POST];

impl Frontend for Rest {
    fn protocol(&self) -> &'static str {
        "rest"
    }

    fn methods(&self, interface: &Interface, tail: &str) -> &'static [Method] {
        find(interface, tail).map_or(&[], verbs)
    }

    /// Every path below the group's own, with every verb: what is no method is REST's to refuse.
    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        if head.tail.is_empty() { Claim::No } else { Claim::Yes }
    }

    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        let grant = Grant::of(&self.options.cors, &request.head.headers);
        let interface = service.interface();
        let at = At::find(&interface, &self.routes, request.tail);
        let name = at.method(&request.head.method).map_or_else(|| abridge(&decoded(request.tail)).into(), Box::from);
        let response = self.answer(service.as_ref(), &interface, &at, &request, &grant);
        let only_head = request.head.method == Method::HEAD;
        let packs = only_head && request.head.headers.contains_key(header::ACCEPT_ENCODING);
        response.map(move |answered| {
            let fault = answered.as_ref().err().and_then(Problem::kind);
            let mut response = answered.unwrap_or_else(Problem::into_response);
            grant.apply(&mut response);
            if only_head {
                response = frontend::only_head(response, packs);
            }
            FrontendResponse { response, method: name, fault }
        })
    }

    fn refuse(&self, rejection: HttpRejection) -> Response<Body> {
        Problem::from(rejection).into_response()
    }
}

/// A response, or why there is none, now or later.
type Answered = MaybeReady<Result<Response<Body>, Problem>>;

/// What answers at a path.
struct At<'a> {
    /// The method whose own path it is.
    own: Option<&'a interface::Method>,
    /// The routes at the path. If it is also the path of a method, only routes without variables count.
    routes: Option<Found<'a, 'a>>,
}

impl<'a> At<'a> {
    fn find(interface: &'a Interface, routes: &'a RouteTable, tail: &'a str) -> At<'a> {
        let own = find(interface, tail);
        let found = routes.find(tail).filter(|found| own.is_none() || found.values.is_empty());
        At { own, routes: found }
    }

    /// The method, if its own path answers this verb.
    fn own(&self, verb: &Method) -> Option<&'a interface::Method> {
        self.own.filter(|method| *verb != Method::OPTIONS && verbs(method).contains(verb))
    }

    /// The route with this verb, and the values of its variables.
    fn route(&self, verb: &Method) -> Option<(&'a Arc<RestRoute>, &[Cow<'a, str>])> {
        let found = self.routes.as_ref()?;
        Some((found.route(verb)?, &found.values))
    }

    /// The name of the method that is called by this verb, or else of the one whose path it is.
    fn method(&self, verb: &Method) -> Option<&'a str> {
        let route = || self.route(verb).map(|(route, _)| route.method());
        self.own(verb).map(|own| own.name.as_str()).or_else(route).or(self.own.map(|own| own.name.as_str()))
    }

    /// The verbs that are answered, in alphabetical order; none where nothing is at this path.
    fn allow(&self) -> Cow<'static, [Method]> {
        let own = self.own.map_or(&[][..], verbs);
        let Some(found) = &self.routes else { return Cow::Borrowed(own) };
        let verbs = found.routes.iter().map(|route| route.template().verb());
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
    fn answer(
        &self,
        service: &dyn RpcService,
        interface: &Interface,
        at: &At<'_>,
        request: &GroupRequest<'_>,
        grant: &Grant,
    ) -> Answered {
        let verb = &request.head.method;
        if let Some(method) = at.own(verb) {
            let begun = match *verb {
                Method::POST => {
                    let form = self.form(interface, Some(method), request.head);
                    form.and_then(|form| post(service, &method.name, form, self.limits, request))
                }
                _ => self.get(service, interface, method, request),
            };
            return written(begun, verb);
        }
        if let Some((route, values)) = at.route(verb) {
            let of_route = route.clone();
            let answered = written(self.routed(service, interface, route, values, request), verb);
            return answered.map(move |answered| answered.map_err(|problem| problem.of_route(&of_route)));
        }
        let allow = at.allow();
        if allow.is_empty() && interface.incomplete {
            return written(self.untold(service, interface, request), verb);
        }
        MaybeReady::now(match *verb {
            _ if allow.is_empty() => Err(Fault::no_such_method(&decoded(request.tail)).into()),
            Method::OPTIONS => Ok(options(request.head, &allow, grant)),
            _ => Err(Problem::not_allowed(&allow, not_answered(request.head, at))),
        })
    }

    fn get(
        &self,
        service: &dyn RpcService,
        interface: &Interface,
        method: &interface::Method,
        request: &GroupRequest<'_>,
    ) -> Begun {
        if !request.body.is_empty() {
            let reason = "a GET has its parameters in the query; a body means nothing here";
            return Err(Problem::refused(StatusCode::BAD_REQUEST, reason));
        }
        let form = self.form(interface, Some(method), request.head)?;
        let object = query::read(interface, method, request.query(), self.limits)?;
        match object {
            Some(object) => Ok((form, begin(service, &method.name, Args::Json(raw(&object)?), request))),
            None => Ok((form, begin(service, &method.name, Args::None, request))),
        }
    }

    /// A call of a method of which nothing is known yet: it is passed on as it is. Whether it may be asked for by GET nobody
    /// knows.
    fn untold(&self, service: &dyn RpcService, interface: &Interface, request: &GroupRequest<'_>) -> Begun {
        if request.head.method != Method::POST {
            let reason = "the server behind this one has not said yet what it offers";
            return Err(Fault::new(Kind::Unreachable, reason).into());
        }
        let form = self.form(interface, None, request.head)?;
        post(service, &decoded(request.tail), form, self.limits, request)
    }

    /// The form of the answer, by what the client takes.
    fn form(&self, interface: &Interface, method: Option<&interface::Method>, head: &Parts) -> Result<Form, Problem> {
        let items = method.and_then(|method| response::items(interface, method));
        let offered = if items.is_some() { Media::OF_ROWS } else { Media::OF_VALUES };
        let media = accept::choose(&head.headers, offered).ok_or_else(|| {
            let names: Vec<_> = offered.iter().map(|media| media.name()).collect();
            let reason = format!("the answer comes as {}, and Accept takes none of that", names.join(", "));
            Problem::refused(StatusCode::NOT_ACCEPTABLE, reason)
        })?;
        Ok(Form::new(media, interface, items, self.dialect))
    }
}

/// A call that has begun, and how its answer is to be written.
type Begun = Result<(Form, crate::service::CallFuture), Problem>;

/// The response with the answer to a call that has begun; without a body where only its head was asked for.
fn written(begun: Begun, verb: &Method) -> Answered {
    let only_head = verb == Method::HEAD;
    match begun {
        Ok((form, answer)) => {
            answer.and_then(move |answer| form.write(answer, only_head)).map(|response| Ok(response?))
        }
        Err(problem) => MaybeReady::now(Err(problem)),
    }
}

/// Begins a call whose parameters are in the body.
fn post(service: &dyn RpcService, method: &str, form: Form, limits: Limits, request: &GroupRequest<'_>) -> Begun {
    check_type(request)?;
    if !request.query().is_empty() {
        let reason = "a POST has its parameters in the body; a query means nothing here";
        return Err(Problem::refused(StatusCode::BAD_REQUEST, reason));
    }
    if request.body.is_empty() {
        return Ok((form, begin(service, method, Args::None, request)));
    }
    let args = raw(json::check(request.body, limits)?.text())?;
    if !args.get().starts_with(['[', '{']) {
        let reason = "the body is neither an object of parameters by name nor an array of them by position";
        return Err(Fault::new(Kind::Structure, reason).into());
    }
    Ok((form, begin(service, method, Args::Json(args), request)))
}

fn begin(
    service: &dyn RpcService,
    method: &str,
    args: Args<'_>,
    request: &GroupRequest<'_>,
) -> crate::service::CallFuture {
    frontend::begin(service, Call::new(method, args, request.context))
}

fn raw(text: &str) -> Result<&RawValue, Fault> {
    serde_json::from_str(text).map_err(json::not_well_formed)
}

/// The method that a tail names. A slash at the end says nothing, unless it is part of the name.
fn find<'a>(interface: &'a Interface, tail: &str) -> Option<&'a interface::Method> {
    let name = decoded(tail);
    interface.method(&name).or_else(|| interface.method(name.strip_suffix('/')?))
}

/// A tail without its escapes. The router has seen that they are sound.
fn decoded(tail: &str) -> Cow<'_, str> {
    match memchr(b'%', tail.as_bytes()) {
        None => Cow::Borrowed(tail),
        Some(_) => percent_decode_str(tail).decode_utf8_lossy(),
    }
}

fn verbs(method: &interface::Method) -> &'static [Method] {
    if method.safe { OF_SAFE } else { OF_UNSAFE }
}

fn not_answered(head: &Parts, at: &At<'_>) -> String {
    match (&head.method, at.own) {
        (&Method::GET | &Method::HEAD, Some(method)) if at.routes.is_none() => {
            format!("`{}` may change something, so it is asked for by POST", method.name)
        }
        (verb, _) => format!("{} is not answered here", abridge(verb.as_str())),
    }
}

fn options(head: &Parts, allow: &[Method], grant: &Grant) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(allow) = HeaderValue::from_str(&problem::list(allow)) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    grant.apply_before(head, allow, &mut response);
    response
}

/// Whether a body is JSON by its media type. No body at all needs none, except from a page: a browser sends a request
/// without a body to any site without asking, and one of JSON only if it may.
fn check_type(request: &GroupRequest<'_>) -> Result<(), Problem> {
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
    let reason = match is_json {
        true => "JSON is always in UTF-8".to_owned(),
        false => {
            let verb = abridge(request.head.method.as_str());
            format!("the parameters of a {verb} are JSON, and its Content-Type application/json")
        }
    };
    Err(Problem::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason))
}
