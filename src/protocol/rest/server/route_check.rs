//! Whether routes fit beside each other, and the interface of the group whose methods they call.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use http::Method;
use serde_json::Value;

use super::{find, verbs};
use crate::http::routes::{Content, Place, RestRoute};
use crate::model::interface;
use crate::model::interface::{Interface, Param};
use crate::model::text::{abridge, nearest};
use crate::protocol::rest::form::Form;

/// What is wrong with routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// What no method of the group can mend, and what does not fit the methods that there are.
    pub wrong: Vec<Wrong>,
    /// Routes to methods that the interface does not have. A group whose interface comes later may have them then; until
    /// then such a route is answered 404, or 502 where nothing at all is known of the group's methods.
    pub unknown: Vec<Wrong>,
}

/// One thing that is wrong with a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The place of the route among all that were given, from 0.
    pub route: usize,
    /// What of it is wrong.
    pub part: Part,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to write instead, if it can be guessed.
    pub hint: Option<String>,
    /// Another part that has to do with it, of this route or of an earlier one, and what is there.
    pub related: Option<(usize, Part, &'static str)>,
}

/// A part of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The verb and the path, or the bytes of that text that are meant.
    RestRoute(Option<Range<usize>>),
    /// The name of the method.
    Method,
    /// What the body is.
    Body,
    /// The name of a fixed parameter.
    Arg(String),
    /// The value of a fixed parameter.
    Value(String),
}

impl Wrong {
    /// Something that is wrong with a part, without a hint.
    pub fn new(route: usize, part: Part, message: impl Into<String>) -> Wrong {
        Wrong { route, part, message: message.into(), hint: None, related: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Wrong {
        Wrong { hint: Some(hint.into()), ..self }
    }

    fn related(self, route: usize, part: Part, label: &'static str) -> Wrong {
        Wrong { related: Some((route, part, label)), ..self }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for Wrong {}

/// Looks at routes beside each other and beside an interface. It remembers nothing, so that it can be asked again when
/// an interface has changed.
pub fn check(routes: &[RestRoute], interface: &Interface) -> Checked {
    let mut checked = Checked { wrong: conflicts(routes), unknown: Vec::new() };
    for (at, route) in routes.iter().enumerate() {
        let route = Checking { at, route, interface };
        checked.wrong.extend(route.alone());
        checked.wrong.extend(route.taken());
        match interface.method(route.route.method()) {
            Some(method) => checked.wrong.extend(route.on_runtime(method)),
            None => checked.unknown.push(route.unknown_method()),
        }
    }
    checked
}

/// Whether a route gives each parameter once, and only parameters that its method has.
pub(super) fn fits(route: &RestRoute, method: &interface::Method) -> bool {
    let has = |name: &str| method.params.iter().any(|param| param.name == name);
    let variables = route.template().variables().map(|(name, _)| name);
    let body = route.content().and_then(|content| match content {
        Content::Param(name) => Some(name.as_str()),
        Content::All => None,
    });
    variables.chain(body).chain(route.args().keys().map(String::as_str)).all(has)
}

/// Routes that answer the same requests as earlier ones.
fn conflicts(routes: &[RestRoute]) -> Vec<Wrong> {
    let mut first: HashMap<(&Method, String), usize> = HashMap::new();
    let mut wrong = Vec::new();
    for (at, route) in routes.iter().enumerate() {
        let template = route.template();
        let earlier = *first.entry((template.verb(), template.shape())).or_insert(at);
        if earlier != at {
            let message = format!("duplicate route `{template}`");
            wrong.push(Wrong::new(at, Part::RestRoute(None), message).related(
                earlier,
                Part::RestRoute(None),
                "first here",
            ));
        }
    }
    wrong
}

/// A route that is looked at.
#[derive(Clone, Copy)]
struct Checking<'a> {
    at: usize,
    route: &'a RestRoute,
    interface: &'a Interface,
}

impl Checking<'_> {
    fn wrong(self, part: Part, message: impl Into<String>) -> Wrong {
        Wrong::new(self.at, part, message)
    }

    /// What is wrong whatever the method takes.
    fn alone(self) -> Vec<Wrong> {
        let (template, mut wrong) = (self.route.template(), Vec::new());
        if self.route.content().is_some() && matches!(*template.verb(), Method::GET | Method::DELETE) {
            let message = format!("a route with {} has no body", template.verb());
            wrong.push(self.wrong(Part::Body, message).hint("leave `body` out: its parameters stand in the query"));
        }
        let body = self.route.content().and_then(|content| match content {
            Content::Param(name) => Some(name),
            Content::All => None,
        });
        let mut given: Vec<(&str, Part)> =
            template.variables().map(|(name, place)| (name, Part::RestRoute(Some(place.clone())))).collect();
        let others = body.map(|name| (name.as_str(), Part::Body));
        let args = self.route.args().keys().map(|name| (name.as_str(), Part::Arg(name.clone())));
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

    /// Whether a method has that verb at that path itself.
    fn taken(self) -> Option<Wrong> {
        let template = self.route.template();
        if template.variables().next().is_some() {
            return None;
        }
        let tail = template.path().strip_prefix('/')?;
        let own = find(self.interface, tail).filter(|own| verbs(own).contains(template.verb()))?;
        let message = format!("at `{template}` the method `{}` is called already", own.name);
        let hint = match own.name == self.route.method() {
            true => "each method has a path of its own: leave this route out",
            false => "each method has a path of its own: take another one",
        };
        Some(self.wrong(Part::RestRoute(None), message).hint(hint))
    }

    fn unknown_method(self) -> Wrong {
        let names = self.interface.methods.iter().map(|method| method.name.as_str());
        let name = self.route.method();
        self.wrong(Part::Method, format!("there is no method `{}`", abridge(name))).maybe(known(name, names))
    }

    /// What does not fit the method.
    fn on_runtime(self, method: &interface::Method) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        for (name, place) in self.route.template().variables() {
            let part = Part::RestRoute(Some(place.clone()));
            match find_param(method, name) {
                Some(param) => wrong.extend(self.unfit_for_a_path(param, part)),
                None => wrong.push(self.unknown_param(method, name, part)),
            }
        }
        match self.route.content() {
            Some(Content::Param(name)) if find_param(method, name).is_none() => {
                wrong.push(self.unknown_param(method, name, Part::Body));
            }
            Some(Content::All) if method.params.iter().all(|param| self.route.place(&param.name) != Place::Body) => {
                let message = format!("nothing is left for the body: `{}` takes no other parameters", method.name);
                wrong.push(self.wrong(Part::Body, message).hint("leave `body` out"));
            }
            _ => {}
        }
        for (name, value) in self.route.args() {
            match find_param(method, name) {
                Some(param) => wrong.extend(self.unfit_value(param, value)),
                None => wrong.push(self.unknown_param(method, name, Part::Arg(name.clone()))),
            }
        }
        wrong
    }

    fn unknown_param(self, method: &interface::Method, name: &str, part: Part) -> Wrong {
        let names = method.params.iter().map(|param| param.name.as_str());
        let message = format!("the method `{}` has no parameter `{}`", method.name, abridge(name));
        let none = || Some("it takes none".to_owned());
        let hint = if method.params.is_empty() { none() } else { known(name, names) };
        self.wrong(part, message).maybe(hint)
    }

    /// A path has one text for each parameter; a list and a record take more than that.
    fn unfit_for_a_path(self, param: &Param, part: Part) -> Option<Wrong> {
        let schema = param.schema.as_value();
        let what = match Form::of(self.interface, schema) {
            Form::Many(_) => "a list",
            Form::Json if has_type(self.interface, schema, "array") => "a list",
            Form::Json if has_type(self.interface, schema, "object") => "a record",
            Form::Json | Form::One { .. } => return None,
        };
        let message = format!("the parameter `{}` is {what}, which cannot stand in a path", param.name);
        Some(self.wrong(part, message).hint("leave it to the query, or to the body"))
    }

    fn unfit_value(self, param: &Param, value: &Value) -> Option<Wrong> {
        let schema = self.interface.resolve(param.schema.as_value());
        let reason = unfit(schema, value)?;
        let message = format!("the parameter `{}` {reason}", param.name);
        Some(self.wrong(Part::Value(param.name.clone()), message))
    }
}

impl Wrong {
    fn maybe(self, hint: Option<String>) -> Wrong {
        Wrong { hint, ..self }
    }
}

fn find_param<'a>(method: &'a interface::Method, name: &str) -> Option<&'a Param> {
    method.params.iter().find(|param| param.name == name)
}

/// The most names that a hint lists.
const LISTED: usize = 12;

/// What was meant, or what there is, if that is little enough to be read.
fn known<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
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

/// Whether a type is of this kind and, null left aside, of no other.
fn has_type(interface: &Interface, schema: &Value, kind: &str) -> bool {
    match interface.resolve(schema).get("type") {
        Some(Value::String(name)) => name == kind,
        Some(Value::Array(names)) => names.iter().filter(|name| *name != "null").all(|name| name == kind),
        _ => false,
    }
}

/// Why a value is none of a type, as far as that can be said of it as a whole.
fn unfit(schema: &Value, value: &Value) -> Option<String> {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|name| is_of(name, value)) {
        let wanted = types.iter().filter(|name| **name != "null").map(|name| in_words(name)).collect::<Vec<_>>();
        return Some(format!("should be {}, not {}", wanted.join(" or "), in_words(type_of(value))));
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array).filter(|words| !words.contains(value)) {
        let words: Vec<String> = words.iter().take(LISTED).map(|word| format!("`{}`", plain(word))).collect();
        return Some(format!("cannot be `{}`: there is {}", abridge(&plain(value)), words.join(", ")));
    }
    let bound = |key| schema.get(key).and_then(Value::as_f64);
    let (number, least, most) = (value.as_f64()?, bound("minimum"), bound("maximum"));
    match (least.filter(|least| number < *least), most.filter(|most| number > *most)) {
        (Some(least), _) => Some(format!("is {value}, but has to be at least {least}")),
        (None, Some(most)) => Some(format!("is {value}, but has to be at most {most}")),
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
