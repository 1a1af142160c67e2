//! A request to a route: its parameters gathered from the path, the query, the body and the route itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::value::RawValue;

use super::problem::Problem;
use super::query;
use super::query::Wrong;
use super::{Begun, Rest, begin, check_type, raw, route_check};
use crate::codec::{Limits, json};
use crate::http::routes::{Content, Place, RestRoute};
use crate::model::fault::{Fault, Kind};
use crate::model::interface;
use crate::model::interface::{Interface, Param};
use crate::model::text::abridge;
use crate::protocol::frontend::GroupRequest;
use crate::protocol::rest::form::Form;
use crate::service::RpcService;
use crate::service::args::Args;

impl Rest {
    /// Calls a route's method. `values` stand in the places of its variables.
    pub(super) fn routed(
        &self,
        service: &dyn RpcService,
        interface: &Interface,
        route: &RestRoute,
        values: &[Cow<'_, str>],
        request: &GroupRequest<'_>,
    ) -> Begun {
        let method = interface.method(route.method()).ok_or_else(|| unknown(interface, route))?;
        if !route_check::fits(route, method) {
            tracing::error!(route = %route.template(), method = method.name, "a route does not fit its method");
            return Err(
                Fault::new(Kind::Internal, "this route does not fit its method; the server's log says so").into()
            );
        }
        check_content(route, request)?;
        let form = self.form(interface, Some(method), request.head)?;
        let gathering = Gathering { interface, method, route, limits: self.limits };
        let object = gathering.gather(values, request)?;
        let args = if method.params.is_empty() { Args::None } else { Args::Json(raw(&object)?) };
        Ok((form, begin(service, &method.name, args, request)))
    }
}

/// The method of a route is not there, or it is not known yet whether it is.
fn unknown(interface: &Interface, route: &RestRoute) -> Fault {
    if interface.methods.is_empty() {
        return Fault::new(Kind::Unreachable, "the server that answers here has not said yet what it offers");
    }
    Fault::no_such_method(route.method())
}

/// Whether a request has a body where its route wants one, and only there. A browser sends what looks like a form to any
/// site without asking, whatever the route wants; so a POST has to look otherwise.
fn check_content(route: &RestRoute, request: &GroupRequest<'_>) -> Result<(), Problem> {
    let verb = route.template().verb();
    if *verb == Method::POST || (route.content().is_some() && !request.body.is_empty()) {
        check_type(request)?;
    }
    let (body, query) = (!request.body.is_empty(), !request.query().is_empty());
    let reason = match route.content() {
        None if body && *verb == Method::GET => "a GET has its parameters in the query; a body means nothing here",
        None if body => "the parameters stand in the path and the query; a body means nothing here",
        Some(Content::All) if query => "the parameters stand in the path and the body; a query means nothing here",
        _ => return Ok(()),
    };
    Err(Problem::refused(StatusCode::BAD_REQUEST, reason))
}

/// The parameters of one call.
struct Gathering<'a> {
    interface: &'a Interface,
    method: &'a interface::Method,
    route: &'a RestRoute,
    limits: Limits,
}

impl Gathering<'_> {
    /// All parameters as the text of a JSON object, in the order of the method's own.
    fn gather(&self, values: &[Cow<'_, str>], request: &GroupRequest<'_>) -> Result<String, Problem> {
        let path: Vec<(&str, &str)> =
            self.route.template().variables().map(|(name, _)| name).zip(values.iter().map(AsRef::as_ref)).collect();
        let query = self.query(request.query()).map_err(|fault| Problem::in_the(Place::Query, fault))?;
        let body = self.body(request.body).map_err(|fault| Problem::in_the(Place::Body, fault))?;
        let mut object = String::from("{");
        for param in &self.method.params {
            let (name, place) = (param.name.as_str(), self.route.place(&param.name));
            let length = object.len();
            object.push_str(if length == 1 { "" } else { "," });
            query::quote(name, &mut object);
            object.push(':');
            let given = match place {
                Place::Path => {
                    let texts = path.iter().filter(|(of, _)| *of == name).map(|(_, text)| *text);
                    self.write(param, texts, " in the path", &mut object)
                }
                Place::Query => {
                    let texts = query.iter().filter(|(of, _)| *of == name).map(|(_, text)| text.as_ref());
                    self.write(param, texts, " in the query", &mut object)
                }
                Place::Body => Ok(body.get(name).map(|value| object.push_str(value.get())).is_some()),
                Place::Fixed => {
                    Ok(self.route.args().get(name).map(|value| object.push_str(&value.to_string())).is_some())
                }
            };
            if !given.map_err(|fault| Problem::in_the(place, fault))? {
                object.truncate(length);
            }
        }
        object.push('}');
        Ok(object)
    }

    /// Writes the value of a parameter that is given as texts; answers whether it is given.
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
        let form = Form::of(self.interface, param.schema.as_value());
        query::write(form, texts, self.limits, to).map_err(|wrong: Wrong| wrong.of(&param.name, place))?;
        Ok(true)
    }

    /// What stands in the query: no parameter of another place among it.
    fn query<'q>(&self, query: &'q str) -> Result<Vec<(&str, Cow<'q, str>)>, Fault> {
        let params = &self.method.params;
        let given = query::pairs(params, query)?;
        let named = given.into_iter().filter_map(|(at, text)| Some((params.get(at)?.name.as_str(), text)));
        named
            .map(|(name, text)| match self.route.place(name) {
                Place::Query => Ok((name, text)),
                place => Err(elsewhere(name, place)),
            })
            .collect()
    }

    /// What stands in the body, by the parameters' names.
    fn body<'b>(&self, body: &'b [u8]) -> Result<BTreeMap<String, &'b RawValue>, Fault> {
        let Some(content) = self.route.content().filter(|_| !body.is_empty()) else { return Ok(BTreeMap::new()) };
        let text = json::check(body, self.limits)?.text();
        let members = match content {
            Content::Param(name) => return Ok(BTreeMap::from([(name.clone(), raw(text)?)])),
            Content::All if raw(text)?.get().starts_with('{') => {
                serde_json::from_str::<BTreeMap<String, &RawValue>>(text).map_err(json::not_well_formed)?
            }
            Content::All => {
                return Err(Fault::new(Kind::Structure, "the body is no object of parameters by name"));
            }
        };
        for name in members.keys() {
            if self.method.params.iter().all(|param| param.name != *name) {
                return Err(query::unknown(name, &self.method.params));
            }
            match self.route.place(name) {
                Place::Body => {}
                place => return Err(elsewhere(name, place)),
            }
        }
        Ok(members)
    }
}

/// A parameter was given where it does not stand.
fn elsewhere(name: &str, place: Place) -> Fault {
    let name = abridge(name);
    let reason = match place {
        Place::Path => format!("the parameter `{name}` stands in the path already"),
        Place::Body => format!("the parameter `{name}` stands in the body"),
        Place::Query => format!("the parameter `{name}` stands in the query"),
        Place::Fixed => format!("the parameter `{name}` cannot be chosen here"),
    };
    Fault::bad_params(reason).of_parameter(name)
}
