//! Checks routes against each other, and against the interface of the group whose methods they call.

use std::collections::HashMap;
use std::ops::Range;

use http::Method;
use serde_json::Value;

use super::{find_method, verbs};
use crate::http::routes::{ParamLocation, RestRoute, RouteBody};
use crate::model::interface;
use crate::model::interface::{Interface, Param};
use crate::model::text::{abridge, nearest};
use crate::protocol::rest::form::TextForm;

/// The errors of routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteReport {
    /// Errors of the routes themselves, and routes that do not match their methods.
    pub wrong: Vec<RouteError>,
    /// Routes to methods that the interface does not have. An upstream that is discovered later may have them. Until then,
    /// such a route returns 404, or 502 if no method of the group is known.
    pub unknown: Vec<RouteError>,
}

/// An error of a route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", .hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct RouteError {
    /// The index of the route, from 0.
    pub route: usize,
    /// The part of the route that is wrong.
    pub part: RoutePart,
    /// What is wrong.
    pub message: String,
    /// What to write instead, if it can be guessed.
    pub hint: Option<String>,
    /// A related part: the index of its route, the part, and its label.
    pub related: Option<(usize, RoutePart, &'static str)>,
}

/// A part of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutePart {
    /// The verb and the path, or a range of bytes in that text.
    Route(Option<Range<usize>>),
    /// The name of the method.
    Method,
    /// The body.
    Body,
    /// The name of a fixed parameter.
    Arg(String),
    /// The value of a fixed parameter.
    Value(String),
}

impl RouteError {
    /// An error of a part, without a hint.
    pub fn new(route: usize, part: RoutePart, message: impl Into<String>) -> RouteError {
        RouteError { route, part, message: message.into(), hint: None, related: None }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> RouteError {
        RouteError { hint: Some(hint.into()), ..self }
    }

    fn related(self, route: usize, part: RoutePart, label: &'static str) -> RouteError {
        RouteError { related: Some((route, part, label)), ..self }
    }
}

/// Checks routes against each other and against an interface. Call it again when the interface has changed.
pub fn check(routes: &[RestRoute], interface: &Interface) -> RouteReport {
    let mut checked = RouteReport { wrong: conflicts(routes), unknown: Vec::new() };
    for (at, route) in routes.iter().enumerate() {
        let route = RouteChecker { at, route, interface };
        checked.wrong.extend(route.on_its_own());
        checked.wrong.extend(route.taken_path());
        match interface.method(route.route.method()) {
            Some(method) => checked.wrong.extend(route.against_method(method)),
            None => checked.unknown.push(route.unknown_method()),
        }
    }
    checked
}

/// Whether a method has all parameters that a route sets.
pub(super) fn fits(route: &RestRoute, method: &interface::Method) -> bool {
    let has = |name: &str| method.params.iter().any(|param| param.name == name);
    let variables = route.template().variables().map(|(name, _)| name);
    let body = route.content().and_then(|content| match content {
        RouteBody::Param(name) => Some(name.as_str()),
        RouteBody::All => None,
    });
    variables.chain(body).chain(route.args().keys().map(String::as_str)).all(has)
}

/// Routes that match the same requests as earlier routes.
fn conflicts(routes: &[RestRoute]) -> Vec<RouteError> {
    let mut first: HashMap<(&Method, String), usize> = HashMap::new();
    let mut wrong = Vec::new();
    for (at, route) in routes.iter().enumerate() {
        let template = route.template();
        let earlier = *first.entry((template.verb(), template.shape())).or_insert(at);
        if earlier != at {
            let message = format!("duplicate route `{template}`");
            wrong.push(RouteError::new(at, RoutePart::Route(None), message).related(
                earlier,
                RoutePart::Route(None),
                "first here",
            ));
        }
    }
    wrong
}

/// A route that is being checked.
#[derive(Clone, Copy)]
struct RouteChecker<'a> {
    at: usize,
    route: &'a RestRoute,
    interface: &'a Interface,
}

impl RouteChecker<'_> {
    fn wrong(self, part: RoutePart, message: impl Into<String>) -> RouteError {
        RouteError::new(self.at, part, message)
    }

    /// The errors that do not depend on the method.
    fn on_its_own(self) -> Vec<RouteError> {
        let (template, mut wrong) = (self.route.template(), Vec::new());
        if self.route.content().is_some() && matches!(*template.verb(), Method::GET | Method::DELETE) {
            let message = format!("a {} route cannot have a body", template.verb());
            wrong.push(self.wrong(RoutePart::Body, message).hint("leave `body` out; its parameters are in the query"));
        }
        let body = self.route.content().and_then(|content| match content {
            RouteBody::Param(name) => Some(name),
            RouteBody::All => None,
        });
        let mut given: Vec<(&str, RoutePart)> =
            template.variables().map(|(name, place)| (name, RoutePart::Route(Some(place.clone())))).collect();
        let others = body.map(|name| (name.as_str(), RoutePart::Body));
        let args = self.route.args().keys().map(|name| (name.as_str(), RoutePart::Arg(name.clone())));
        for (name, part) in others.into_iter().chain(args) {
            match given.iter().find(|(other, _)| *other == name) {
                Some((_, first)) => {
                    let message = format!("the parameter `{}` is given twice", abridge(name));
                    wrong.push(self.wrong(part, message).related(self.at, first.clone(), "first here"));
                }
                None => given.push((name, part)),
            }
        }
        wrong
    }

    /// The error if the path and the verb are those of a method itself.
    fn taken_path(self) -> Option<RouteError> {
        let template = self.route.template();
        if template.variables().next().is_some() {
            return None;
        }
        let tail = template.path().strip_prefix('/')?;
        let own = find_method(self.interface, tail).filter(|own| verbs(own).contains(template.verb()))?;
        let message = format!("`{template}` calls the method `{}` already", own.name);
        let hint = if own.name == self.route.method() {
            "each method has its own path; leave this route out"
        } else {
            "each method has its own path; choose another one"
        };
        Some(self.wrong(RoutePart::Route(None), message).hint(hint))
    }

    fn unknown_method(self) -> RouteError {
        let names = self.interface.methods.iter().map(|method| method.name.as_str());
        let name = self.route.method();
        self.wrong(RoutePart::Method, format!("there is no method `{}`", abridge(name)))
            .with_hint(suggestion(name, names))
    }

    /// The errors that depend on the method.
    fn against_method(self, method: &interface::Method) -> Vec<RouteError> {
        let mut wrong = Vec::new();
        for (name, place) in self.route.template().variables() {
            let part = RoutePart::Route(Some(place.clone()));
            match find_param(method, name) {
                Some(param) => wrong.extend(self.unfit_for_a_path(param, part)),
                None => wrong.push(self.unknown_param(method, name, part)),
            }
        }
        match self.route.content() {
            Some(RouteBody::Param(name)) if find_param(method, name).is_none() => {
                wrong.push(self.unknown_param(method, name, RoutePart::Body));
            }
            Some(RouteBody::All)
                if method.params.iter().all(|param| self.route.location(&param.name) != ParamLocation::Body) =>
            {
                let message = format!("the body would be empty: `{}` has no other parameters", method.name);
                wrong.push(self.wrong(RoutePart::Body, message).hint("leave `body` out"));
            }
            _ => {}
        }
        for (name, value) in self.route.args() {
            match find_param(method, name) {
                Some(param) => wrong.extend(self.unfit_value(param, value)),
                None => wrong.push(self.unknown_param(method, name, RoutePart::Arg(name.clone()))),
            }
        }
        wrong
    }

    fn unknown_param(self, method: &interface::Method, name: &str, part: RoutePart) -> RouteError {
        let names = method.params.iter().map(|param| param.name.as_str());
        let message = format!("the method `{}` has no parameter `{}`", method.name, abridge(name));
        let none = || Some("it has none".to_owned());
        let hint = if method.params.is_empty() { none() } else { suggestion(name, names) };
        self.wrong(part, message).with_hint(hint)
    }

    /// The error if a parameter in the path is a list or a record, because a variable is one text.
    fn unfit_for_a_path(self, param: &Param, part: RoutePart) -> Option<RouteError> {
        let schema = param.schema.as_value();
        let what = match TextForm::of(self.interface, schema) {
            TextForm::Many(_) => "a list",
            TextForm::Json if has_type(self.interface, schema, "array") => "a list",
            TextForm::Json if has_type(self.interface, schema, "object") => "a record",
            TextForm::Json | TextForm::One { .. } => return None,
        };
        let message = format!("the parameter `{}` is {what}, which cannot be in a path", param.name);
        Some(self.wrong(part, message).hint("put it in the query or in the body"))
    }

    fn unfit_value(self, param: &Param, value: &Value) -> Option<RouteError> {
        let schema = self.interface.resolve(param.schema.as_value());
        let reason = unfit(schema, value)?;
        let message = format!("the parameter `{}` {reason}", param.name);
        Some(self.wrong(RoutePart::Value(param.name.clone()), message))
    }
}

impl RouteError {
    fn with_hint(self, hint: Option<String>) -> RouteError {
        RouteError { hint, ..self }
    }
}

fn find_param<'a>(method: &'a interface::Method, name: &str) -> Option<&'a Param> {
    method.params.iter().find(|param| param.name == name)
}

/// The largest number of names that a hint lists.
const LISTED: usize = 12;

/// A hint with the nearest name, or with all names if they are few.
fn suggestion<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(meant) = nearest(name, names.clone()) {
        return Some(format!("did you mean `{meant}`?"));
    }
    let all: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match all.split_last() {
        Some((last, before)) if !before.is_empty() && all.len() <= LISTED => {
            Some(format!("it is {} or {last}", before.join(", ")))
        }
        Some((only, [])) => Some(format!("it is {only}")),
        _ => None,
    }
}

/// Whether a schema allows only this type, ignoring null.
fn has_type(interface: &Interface, schema: &Value, kind: &str) -> bool {
    match interface.resolve(schema).get("type") {
        Some(Value::String(name)) => name == kind,
        Some(Value::Array(names)) => names.iter().filter(|name| *name != "null").all(|name| name == kind),
        _ => false,
    }
}

/// Why a value does not match a schema. Items and members are not checked.
fn unfit(schema: &Value, value: &Value) -> Option<String> {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|name| is_of(name, value)) {
        let wanted = types.iter().filter(|name| **name != "null").map(|name| in_words(name)).collect::<Vec<_>>();
        return Some(format!("must be {}, not {}", wanted.join(" or "), in_words(type_of(value))));
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array).filter(|words| !words.contains(value)) {
        let words: Vec<String> = words.iter().take(LISTED).map(|word| format!("`{}`", plain(word))).collect();
        return Some(format!("cannot be `{}`; it can be {}", abridge(&plain(value)), words.join(", ")));
    }
    let bound = |key| schema.get(key).and_then(Value::as_f64);
    let (number, least, most) = (value.as_f64()?, bound("minimum"), bound("maximum"));
    match (least.filter(|least| number < *least), most.filter(|most| number > *most)) {
        (Some(least), _) => Some(format!("is {value}, but must be at least {least}")),
        (None, Some(most)) => Some(format!("is {value}, but must be at most {most}")),
        (None, None) => None,
    }
}

fn is_of(name: &str, value: &Value) -> bool {
    match value {
        Value::Number(number) => name == "number" || (name == "integer" && !number.is_f64()),
        other => name == type_of(other),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn in_words(name: &str) -> &str {
    match name {
        "boolean" => "true or false",
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a text",
        "array" => "a list",
        "object" => "a record",
        "null" => "nothing",
        other => other,
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
