//! REST seen from the client: each method has a path of its own below the group's, answered with bare JSON and with
//! what HTTP itself has to say.

mod accept;
mod answer;
mod cors;
mod csv;
mod documents;
mod problem;
pub mod query;

use std::borrow::Cow;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::accept::Media;
use self::answer::Form;
use self::cors::Grant;
use self::problem::Problem;
use super::face::{self, Claim, Face, GroupRequest, Replied, Reply};
use crate::args::Args;
use crate::body::Body;
use crate::fault::{Fault, Kind};
use crate::interface::{self, Interface};
use crate::refusal::Refusal;
use crate::service::{Call, Service};
use crate::text::abridge;
use crate::wait::Soon;
use crate::wire::{Limits, json};

pub use self::documents::{OpenApi, OpenApiOfAll};

/// The REST face of a group.
#[derive(Debug, Clone, Default)]
pub struct Rest {
    /// What an operator decides about it.
    pub options: RestOptions,
    /// How numbers are written that JSON has no form for.
    pub dialect: json::Dialect,
    /// How large a request's JSON text may be.
    pub limits: Limits,
}

/// How a group is reached over REST.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RestOptions {
    /// The sites whose pages may call this group from a browser, such as `https://casino.example`, each exactly as
    /// browsers write it: scheme, host, and the port if it is not the usual one. `*` stands for all sites. Without any,
    /// pages of other sites may not.
    pub cors: Vec<String>,
}

/// The verbs of a method that changes nothing.
const OF_SAFE: &[Method] = &[Method::GET, Method::HEAD, Method::OPTIONS, Method::POST];
/// The verbs of every other method.
const OF_UNSAFE: &[Method] = &[Method::OPTIONS, Method::POST];

impl Face for Rest {
    fn methods(&self, interface: &Interface, tail: &str) -> &'static [Method] {
        find(interface, tail).map_or(&[], verbs)
    }

    /// Every path below the group's own, with every verb: what is no method is REST's to refuse.
    fn claims(&self, _: &Interface, _: &Parts, tail: &str) -> Claim {
        if tail.is_empty() { Claim::No } else { Claim::Yes }
    }

    fn serve(&self, service: &Arc<dyn Service>, request: GroupRequest<'_>) -> Reply {
        let grant = Grant::of(&self.options.cors, &request.head.headers);
        let (name, response) = match find(service.interface(), request.tail) {
            Some(method) => (method.name.as_str().into(), self.answer(service.as_ref(), method, &request, &grant)),
            None => {
                let name = decoded(request.tail);
                (abridge(&name).into(), Soon::now(Err(Fault::no_such_method(&name).into())))
            }
        };
        let only_head = request.head.method == Method::HEAD;
        let packs = request.head.headers.contains_key(header::ACCEPT_ENCODING);
        response.map(move |answered| {
            let fault = answered.as_ref().err().and_then(Problem::kind);
            let mut response = answered.unwrap_or_else(Problem::into_response);
            grant.apply(&mut response);
            if only_head {
                response = face::only_head(response, packs);
            }
            Replied { response, method: name, fault }
        })
    }

    fn refuse(&self, refusal: Refusal) -> Response<Body> {
        Problem::from(refusal).into_response()
    }
}

/// A response, or why there is none, now or later.
type Answered = Soon<Result<Response<Body>, Problem>>;

impl Rest {
    fn answer(
        &self,
        service: &dyn Service,
        method: &interface::Method,
        request: &GroupRequest<'_>,
        grant: &Grant,
    ) -> Answered {
        let only_head = request.head.method == Method::HEAD;
        let begun = match request.head.method {
            Method::OPTIONS => return Soon::now(Ok(options(request.head, method, grant))),
            Method::POST => self.post(service, method, request),
            Method::GET | Method::HEAD if method.safe => self.get(service, method, request),
            _ => Err(Problem::not_allowed(verbs(method), not_answered(request.head, method))),
        };
        match begun {
            Ok((form, answer)) => {
                answer.and_then(move |answer| form.write(answer, only_head)).map(|response| Ok(response?))
            }
            Err(problem) => Soon::now(Err(problem)),
        }
    }

    fn get(&self, service: &dyn Service, method: &interface::Method, request: &GroupRequest<'_>) -> Begun {
        if !request.body.is_empty() {
            let reason = "a GET has its parameters in the query; a body means nothing here";
            return Err(Problem::refused(StatusCode::BAD_REQUEST, reason));
        }
        let form = self.form(service.interface(), method, request.head)?;
        let object = query::read(service.interface(), method, request.query(), self.limits)?;
        match object {
            Some(object) => Ok((form, begin(service, method, Args::Json(raw(&object)?), request))),
            None => Ok((form, begin(service, method, Args::None, request))),
        }
    }

    fn post(&self, service: &dyn Service, method: &interface::Method, request: &GroupRequest<'_>) -> Begun {
        check_type(request)?;
        if !request.query().is_empty() {
            let reason = "a POST has its parameters in the body; a query means nothing here";
            return Err(Problem::refused(StatusCode::BAD_REQUEST, reason));
        }
        let form = self.form(service.interface(), method, request.head)?;
        if request.body.is_empty() {
            return Ok((form, begin(service, method, Args::None, request)));
        }
        let args = raw(json::check(request.body, self.limits)?.text())?;
        if !args.get().starts_with(['[', '{']) {
            let reason = "the body is neither an object of parameters by name nor an array of them by position";
            return Err(Fault::new(Kind::Structure, reason).into());
        }
        Ok((form, begin(service, method, Args::Json(args), request)))
    }

    /// The form of the answer, by what the client takes.
    fn form(&self, interface: &Interface, method: &interface::Method, head: &Parts) -> Result<Form, Problem> {
        let offered = if answer::items(interface, method).is_some() { Media::OF_ROWS } else { Media::OF_VALUES };
        let media = accept::choose(&head.headers, offered).ok_or_else(|| {
            let names: Vec<_> = offered.iter().map(|media| media.name()).collect();
            let reason = format!("the answer comes as {}, and Accept takes none of that", names.join(", "));
            Problem::refused(StatusCode::NOT_ACCEPTABLE, reason)
        })?;
        Ok(Form::new(media, interface, method, self.dialect))
    }
}

/// A call that has begun, and how its answer is to be written.
type Begun = Result<(Form, crate::service::Pending), Problem>;

fn begin(
    service: &dyn Service,
    method: &interface::Method,
    args: Args<'_>,
    request: &GroupRequest<'_>,
) -> crate::service::Pending {
    face::begin(service, Call { method: &method.name, args, context: request.context })
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
    percent_decode_str(tail).decode_utf8_lossy()
}

fn verbs(method: &interface::Method) -> &'static [Method] {
    if method.safe { OF_SAFE } else { OF_UNSAFE }
}

fn not_answered(head: &Parts, method: &interface::Method) -> String {
    match head.method {
        Method::GET | Method::HEAD => format!("`{}` may change something, so it is asked for by POST", method.name),
        _ => format!("{} is not answered here", abridge(head.method.as_str())),
    }
}

fn options(head: &Parts, method: &interface::Method, grant: &Grant) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(allow) = HeaderValue::from_str(&problem::list(verbs(method))) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    grant.apply_before(head, verbs(method), &mut response);
    response
}

/// Whether a body is JSON by its media type. No body at all needs none, except from a page: a browser sends a request
/// without a body to any site without asking, and one of JSON only if it may.
fn check_type(request: &GroupRequest<'_>) -> Result<(), Problem> {
    let headers = &request.head.headers;
    let media = face::media_type(request.head);
    let suffix = media.len().checked_sub(5).and_then(|at| media.get(at..));
    let is_json = media.eq_ignore_ascii_case("application/json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json"));
    let needless =
        !headers.contains_key(header::CONTENT_TYPE) && !headers.contains_key(header::ORIGIN) && request.body.is_empty();
    let utf8 = face::media_parameter(headers, "charset").is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"));
    if needless || (is_json && utf8) {
        return Ok(());
    }
    let reason = match is_json {
        true => "JSON is always in UTF-8",
        false => "the parameters of a POST are JSON, and its Content-Type application/json",
    };
    Err(Problem::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason))
}
