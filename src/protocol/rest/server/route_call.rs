//! Requests to routes: collects the arguments from the path, the query, the body and the route itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::{Method, StatusCode};
use serde_json::value::RawValue;

use super::problem::RestProblem;
use super::query;
use super::query::TextError;
use super::{Rest, StartedCall, begin, check_type, raw, route_check};
use crate::codec::{DocumentLimits, json};
use crate::http::routes::{ParamLocation, RestRoute, RouteBody};
use crate::model::fault::{Fault, Kind};
use crate::model::interface;
use crate::model::interface::{Interface, Param};
use crate::model::text::abridge;
use crate::protocol::frontend::GroupRequest;
use crate::protocol::rest::form::TextForm;
use crate::service::RpcService;
use crate::service::args::Args;
use crate::service::log_throttle::LogThrottle;

/// For the log lines of routes that do not match their methods.
static UNUSABLE_ROUTES: LazyLock<LogThrottle> = LazyLock::new(LogThrottle::default);

impl Rest {
    /// Starts a call of the method of a route. `values` are those of its variables.
    pub(super) fn call_route(
        &self,
        service: &dyn RpcService,
        interface: &Interface,
        route: &RestRoute,
        values: &[Cow<'_, str>],
        request: &GroupRequest<'_>,
    ) -> StartedCall {
        let method = interface.method(route.method()).ok_or_else(|| missing_method(interface, route))?;
        if !route_check::fits(route, method) {
            let (route, method) = (route.template().to_string(), method.name.clone());
            UNUSABLE_ROUTES.log(move |count| {
                tracing::error!(route, method, count, "a route does not match its method");
            });
            return Err(Fault::new(
                Kind::Internal,
                "this route does not match its method; the log of the server has details",
            )
            .into());
        }
        check_content(route, request)?;
        let format = self.format(interface, Some(method), request.head)?;
        let collector = ParamCollector { interface, method, route, limits: self.limits };
        let object = collector.collect_params(values, request)?;
        let args = if method.params.is_empty() { Args::None } else { Args::Json(raw(&object)?) };
        Ok((format, begin(service, &method.name, args, request)))
    }
}

/// The fault if the interface does not have the method of a route, or is not known yet.
fn missing_method(interface: &Interface, route: &RestRoute) -> Fault {
    if interface.methods.is_empty() {
        return Fault::new(Kind::Unreachable, "the methods of the upstream server are not known yet");
    }
    Fault::no_such_method(route.method())
}

/// Checks that a request has a body only if its route has one. Every POST must be JSON, even for a route without a body,
/// because browsers send forms to any site without a preflight request (CORS).
fn check_content(route: &RestRoute, request: &GroupRequest<'_>) -> Result<(), RestProblem> {
    let verb = route.template().verb();
    if *verb == Method::POST || (route.content().is_some() && !request.body.is_empty()) {
        check_type(request)?;
    }
    let (body, query) = (!request.body.is_empty(), !request.query().is_empty());
    let reason = match route.content() {
        None if body && *verb == Method::GET => {
            "a GET request has its parameters in the query and must not have a body"
        }
        None if body => "the parameters are in the path and the query; the request must not have a body",
        Some(RouteBody::All) if query => {
            "the parameters are in the path and the body; the request must not have a query"
        }
        _ => return Ok(()),
    };
    Err(RestProblem::refused(StatusCode::BAD_REQUEST, reason))
}

/// Collects the arguments of one call.
struct ParamCollector<'a> {
    interface: &'a Interface,
    method: &'a interface::Method,
    route: &'a RestRoute,
    limits: DocumentLimits,
}

impl ParamCollector<'_> {
    /// All arguments as the text of a JSON object, in the order of the parameters of the method.
    fn collect_params(&self, values: &[Cow<'_, str>], request: &GroupRequest<'_>) -> Result<String, RestProblem> {
        let path: Vec<(&str, &str)> =
            self.route.template().variables().map(|(name, _)| name).zip(values.iter().map(AsRef::as_ref)).collect();
        let query = self
            .query(request.query())
            .map_err(|fault| RestProblem::at_location(ParamLocation::Query.word(), fault))?;
        let body =
            self.body(request.body).map_err(|fault| RestProblem::at_location(ParamLocation::Body.word(), fault))?;
        let mut object = String::from("{");
        for param in &self.method.params {
            let (name, location) = (param.name.as_str(), self.route.location(&param.name));
            let length = object.len();
            object.push_str(if length == 1 { "" } else { "," });
            query::quote(name, &mut object);
            object.push(':');
            let given = match location {
                ParamLocation::Path => {
                    let texts = path.iter().filter(|(of, _)| *of == name).map(|(_, text)| *text);
                    self.write(param, texts, " in the path", &mut object)
                }
                ParamLocation::Query => {
                    let texts = query.iter().filter(|(of, _)| *of == name).map(|(_, text)| text.as_ref());
                    self.write(param, texts, " in the query", &mut object)
                }
                ParamLocation::Body => Ok(body.get(name).map(|value| object.push_str(value.get())).is_some()),
                ParamLocation::Fixed => {
                    Ok(self.route.args().get(name).map(|value| object.push_str(&value.to_string())).is_some())
                }
            };
            if !given.map_err(|fault| RestProblem::at_location(location.word(), fault))? {
                object.truncate(length);
            }
        }
        object.push('}');
        Ok(object)
    }

    /// Writes the value of a parameter from its texts. Returns whether there are any.
    fn write<'t>(
        &self,
        param: &Param,
        texts: impl Iterator<Item = &'t str>,
        place: &str,
        to: &mut String,
    ) -> Result<bool, Fault> {
        let mut texts = texts.peekable();
        if texts.peek().is_none() {
            return Ok(false);
        }
        let form = TextForm::of(self.interface, param.schema.as_value());
        query::write(form, texts, self.limits, to).map_err(|error: TextError| error.into_fault(&param.name, place))?;
        Ok(true)
    }

    /// The arguments in the query. Parameters with another location are refused.
    fn query<'q>(&self, query: &'q str) -> Result<Vec<(&str, Cow<'q, str>)>, Fault> {
        let params = &self.method.params;
        let given = query::pairs(params, query)?;
        let named = given.into_iter().filter_map(|(at, text)| Some((params.get(at)?.name.as_str(), text)));
        named
            .map(|(name, text)| match self.route.location(name) {
                ParamLocation::Query => Ok((name, text)),
                location => Err(misplaced(name, location)),
            })
            .collect()
    }

    /// The arguments in the body, by name.
    fn body<'b>(&self, body: &'b [u8]) -> Result<BTreeMap<String, &'b RawValue>, Fault> {
        let Some(content) = self.route.content().filter(|_| !body.is_empty()) else { return Ok(BTreeMap::new()) };
        let text = json::check(body, self.limits)?.text();
        let members = match content {
            RouteBody::Param(name) => return Ok(BTreeMap::from([(name.clone(), raw(text)?)])),
            RouteBody::All if raw(text)?.get().starts_with('{') => {
                serde_json::from_str::<BTreeMap<String, &RawValue>>(text).map_err(json::not_well_formed)?
            }
            RouteBody::All => {
                return Err(Fault::new(Kind::Structure, "the body must be an object of parameters by name"));
            }
        };
        for name in members.keys() {
            if self.method.params.iter().all(|param| param.name != *name) {
                return Err(query::unknown(name, &self.method.params));
            }
            match self.route.location(name) {
                ParamLocation::Body => {}
                location => return Err(misplaced(name, location)),
            }
        }
        Ok(members)
    }
}

/// The fault for an argument at the wrong location.
fn misplaced(name: &str, location: ParamLocation) -> Fault {
    let name = abridge(name);
    let reason = match location {
        ParamLocation::Path => format!("the parameter `{name}` is in the path already"),
        ParamLocation::Body => format!("the parameter `{name}` must be in the body"),
        ParamLocation::Query => format!("the parameter `{name}` must be in the query"),
        ParamLocation::Fixed => format!("the parameter `{name}` is set by the route"),
    };
    Fault::bad_params(reason).of_parameter(name)
}
