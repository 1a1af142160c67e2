//! Methods of a REST upstream that its operator describes: their requests, and what can be wrong with them.
//!
//! [`read`](super::openapi::read::OpenApiDescription::of_methods) makes an interface and requests of them, by the same way as of a
//! document.

use std::collections::HashMap;
use std::ops::Range;

use http::{HeaderName, Method as Verb};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::http::routes::PathTemplateError;
use crate::model::text::{abridge, nearest};
use crate::service::hop_by_hop::HOP_BY_HOP;
use crate::service::local::unfit;

/// The verbs that a request may have.
const VERBS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"];

/// The headers that are not parameters, beside those that concern a connection: those that OpenAPI excludes (3.1, section
/// "Parameter Object"), and those that say where a message is sent and where it ends (RFC 9110, sections 7.2, 8.6 and 10.1.1). A
/// caller must not set them.
const NO_PARAMETERS: [&str; 7] =
    ["accept", "content-type", "authorization", "content-length", "expect", "host", "http2-settings"];

/// Whether a header cannot be a parameter.
pub(crate) fn is_reserved_header(name: &str) -> bool {
    NO_PARAMETERS.iter().chain(&HOP_BY_HOP).any(|other| name.eq_ignore_ascii_case(other))
}

/// A method of a REST upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct RestMethod {
    /// The name of the method.
    pub name: String,
    /// The request that calls it.
    pub route: UpstreamRoute,
    /// The parameters in the order of positional arguments.
    pub params: Vec<RestParam>,
    /// The JSON Schema of the result, without `$ref`. If its `type` is another than `string`, the result is JSON.
    pub result: Json,
    /// What the method does.
    pub doc: String,
}

/// A parameter of a [`RestMethod`].
#[derive(Debug, Clone, PartialEq)]
pub struct RestParam {
    /// The name of the parameter.
    pub name: String,
    /// The name in the request; `None` if it is the same.
    pub name_in_request: Option<String>,
    /// Where it is in the request. If `None`, in the path if that has a variable of this name; otherwise in the query of GET,
    /// HEAD, DELETE and OPTIONS, and in the body of other requests.
    pub place: Option<ParamIn>,
    /// The JSON Schema of its values, without `$ref`.
    pub schema: Json,
    /// Whether callers must give it. If `None`, they must if it is in the path and has no default.
    pub required: Option<bool>,
    /// Its default, which is sent only if it is in the path.
    pub default: Option<Json>,
    /// What it means.
    pub doc: String,
}

/// Where a parameter is in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ParamIn {
    /// In the path, in the place of its variable.
    Path,
    /// In the query. An array is several pairs of the same name.
    Query,
    /// In a header. The items of an array have commas between them.
    Header,
    /// In a cookie.
    Cookie,
    /// A member of the body, which is a JSON object.
    Body,
}

impl ParamIn {
    /// The word for it in an OpenAPI document.
    pub(super) fn word(self) -> &'static str {
        match self {
            ParamIn::Path => "path",
            ParamIn::Query => "query",
            ParamIn::Header => "header",
            ParamIn::Cookie => "cookie",
            ParamIn::Body => "body",
        }
    }
}

/// The verb and the path of a request to an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamRoute {
    verb: Verb,
    /// The texts before each variable, with the name of the variable.
    pieces: Vec<(String, String)>,
    /// The text after the last variable, and the query.
    rest: String,
    /// The range of each variable in the text of the route, including its braces.
    spans: Vec<Range<usize>>,
}

impl UpstreamRoute {
    /// Reads a verb, white space, and a path that begins with a slash. Variables in braces may be whole segments or parts of
    /// them. A query behind the path is sent unchanged with every call.
    ///
    /// ```
    /// use croupier::protocol::rest::methods::UpstreamRoute;
    ///
    /// let route = UpstreamRoute::read("GET /users/{id}.json?full=1")?;
    /// assert_eq!(route.variables().map(|(name, _)| name).collect::<Vec<_>>(), ["id"]);
    /// assert!(UpstreamRoute::read("/users").is_err());
    /// # Ok::<(), croupier::http::routes::PathTemplateError>(())
    /// ```
    ///
    /// # Errors
    /// The first error, with its range in the text.
    pub fn read(text: &str) -> Result<UpstreamRoute, PathTemplateError> {
        let (verb, path) = text.split_once(char::is_whitespace).ok_or_else(|| PathTemplateError::without_verb(text))?;
        let path = path.trim_start();
        let start = text.len() - path.len();
        let path = path.trim_end();
        let error = |range: Range<usize>, message: String, hint: &str| {
            let span = start + range.start..start + range.end;
            Err(PathTemplateError { message, hint: Some(hint.to_owned()), span })
        };
        let verb = read_verb(verb)?;
        if !path.starts_with('/') {
            return error(
                0..path.len(),
                "the path of a route begins with a slash".to_owned(),
                "such as `GET /users/{id}`",
            );
        }
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '#' | '\\');
        if let Some((at, found)) = path.char_indices().find(|(_, c)| odd(*c)) {
            let message = "a route has no white space, no backslash and no `#`".to_owned();
            return error(at..at + found.len_utf8(), message, "`{name}` is replaced by the value of a parameter");
        }
        let end = path.find('?').unwrap_or(path.len());
        if let Some(at) = path.get(end..).and_then(|query| query.find(['{', '}'])) {
            let message = "a variable cannot be in the query".to_owned();
            return error(
                end + at..end + at + 1,
                message,
                "a parameter with `in = \"query\"` is appended to the route",
            );
        }
        let (mut pieces, mut spans, mut at) = (Vec::new(), Vec::new(), 0);
        while let Some((before, _)) = path.get(at..end).and_then(|rest| rest.split_once(['{', '}'])) {
            let open = at + before.len();
            let inside = path.get(open..end).and_then(|rest| rest.strip_prefix('{'));
            let name = inside.and_then(|rest| rest.split_once('}')).map(|(name, _)| name);
            let is_name = |name: &&str| {
                name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
                    && name.starts_with(|c: char| c != '.')
            };
            let Some(name) = name.filter(is_name) else {
                let length = name.map_or(1, |name| name.len() + 2);
                let message = "a variable is a name in braces: letters, digits, `_`, `-` and `.`".to_owned();
                return error(open..open + length, message, "such as `GET /users/{id}`");
            };
            at = open + name.len() + 2;
            pieces.push((before.to_owned(), name.to_owned()));
            spans.push(start + open..start + at);
        }
        let rest = path.get(at..).unwrap_or_default().to_owned();
        let route = UpstreamRoute { verb, pieces, rest, spans };
        if path.get(..end).unwrap_or_default().split('/').any(|segment| matches!(segment, "." | "..")) {
            return error(0..end, "no request path has a segment `.` or `..`".to_owned(), "leave it out");
        }
        Ok(route)
    }

    /// The verb.
    pub fn verb(&self) -> &Verb {
        &self.verb
    }

    /// The variables in their order, each with its range of bytes in the text of the route. A name may occur several times.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &Range<usize>)> {
        self.pieces.iter().map(|(_, name)| name.as_str()).zip(&self.spans)
    }

    /// The path and the query, with other names of variables.
    pub(super) fn renamed(&self, name: impl Fn(&str) -> String) -> String {
        let pieces: String =
            self.pieces.iter().map(|(before, variable)| format!("{before}{{{}}}", name(variable))).collect();
        pieces + &self.rest
    }

    /// Whether requests may have a body. What the body of another request means is not defined (RFC 9110, section 9.3).
    fn may_have_body(&self) -> bool {
        !matches!(self.verb, Verb::GET | Verb::HEAD)
    }
}

fn read_verb(verb: &str) -> Result<Verb, PathTemplateError> {
    if VERBS.contains(&verb)
        && let Ok(known) = Verb::from_bytes(verb.as_bytes())
    {
        return Ok(known);
    }
    let hint = match nearest(verb, VERBS) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "it is `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS` or `QUERY`".to_owned(),
    };
    let message = format!("a request cannot have the verb `{}`", abridge(verb));
    Err(PathTemplateError { message, hint: Some(hint), span: 0..verb.len() })
}

impl RestParam {
    /// An optional parameter of any type, in the place that is usual for its request.
    pub fn new(name: impl Into<String>) -> RestParam {
        RestParam {
            name: name.into(),
            name_in_request: None,
            place: None,
            schema: Json::Bool(true),
            required: None,
            default: None,
            doc: String::new(),
        }
    }

    /// The name in the request.
    pub(super) fn sent_name(&self) -> &str {
        self.name_in_request.as_deref().unwrap_or(&self.name)
    }
}

impl RestMethod {
    /// A method without parameters and with a result of any type.
    pub fn new(name: impl Into<String>, route: UpstreamRoute) -> RestMethod {
        RestMethod { name: name.into(), route, params: Vec::new(), result: Json::Bool(true), doc: String::new() }
    }

    /// Where a parameter is in the request.
    pub fn place_of(&self, param: &RestParam) -> ParamIn {
        let is_variable = || self.route.variables().any(|(name, _)| name == param.sent_name());
        let is_in_query = matches!(self.route.verb, Verb::GET | Verb::HEAD | Verb::DELETE | Verb::OPTIONS);
        match param.place {
            Some(place) => place,
            None if is_variable() => ParamIn::Path,
            None if is_in_query => ParamIn::Query,
            None => ParamIn::Body,
        }
    }
}

/// What is wrong with one of several methods.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", .hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct RestMethodError {
    /// The index of the method, from 0.
    pub method: usize,
    /// The part of the method that is wrong.
    pub part: RestMethodPart,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The part of another method, or of the same, that does not agree with it.
    pub related: Option<(usize, RestMethodPart)>,
}

/// A part of a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestMethodPart {
    /// The name of the method.
    Name,
    /// The route, or a range of bytes in its text.
    Route(Option<Range<usize>>),
    /// A parameter, by its name.
    Param(String),
    /// The place of a parameter.
    Place(String),
    /// Whether a parameter is required.
    Required(String),
}

/// Checks methods each by itself and against each other.
pub fn check(methods: &[RestMethod]) -> Vec<RestMethodError> {
    let mut errors = Vec::new();
    let mut routes: HashMap<(&Verb, String), usize> = HashMap::new();
    for (at, method) in methods.iter().enumerate() {
        let mut report = |part, message: String, hint: Option<String>, related| {
            errors.push(RestMethodError { method: at, part, message, hint, related });
        };
        if let Some(reason) = unfit(&method.name) {
            let message = format!("the method name `{}` {reason}", abridge(&method.name));
            report(RestMethodPart::Name, message, None, None);
        }
        let shape = (&method.route.verb, method.route.renamed(|_| String::new()));
        let first = *routes.entry(shape).or_insert(at);
        if first != at {
            let message = "another method has the same route".to_owned();
            report(RestMethodPart::Route(None), message, None, Some((first, RestMethodPart::Route(None))));
        }
        for (name, span) in method.route.variables() {
            if !method.params.iter().any(|param| param.sent_name() == name) {
                let message = format!("the variable `{{{name}}}` is not a parameter");
                let hint = format!("such as `params = {{ {name} = {{ type = \"string\" }} }}`");
                report(RestMethodPart::Route(Some(span.clone())), message, Some(hint), None);
            }
        }
        let mut places: HashMap<(&str, ParamIn), &str> = HashMap::new();
        for param in &method.params {
            let place = method.place_of(param);
            if let Some((part, message, hint)) = wrong_param(method, param, place) {
                report(part, message, hint, None);
            }
            if let Some(first) = places.insert((param.sent_name(), place), &param.name) {
                let message =
                    format!("another parameter is `{}` in the {} too", abridge(param.sent_name()), place.word());
                let related = Some((at, RestMethodPart::Param(first.to_owned())));
                report(RestMethodPart::Param(param.name.clone()), message, None, related);
            }
        }
    }
    errors
}

/// What is wrong with a parameter that is in this place.
fn wrong_param(
    method: &RestMethod,
    param: &RestParam,
    place: ParamIn,
) -> Option<(RestMethodPart, String, Option<String>)> {
    let sent = param.sent_name();
    let is_variable = method.route.variables().any(|(name, _)| name == sent);
    let at_place =
        |message: String, hint: &str| Some((RestMethodPart::Place(param.name.clone()), message, Some(hint.to_owned())));
    let at_name = |message: String| Some((RestMethodPart::Param(param.name.clone()), message, None));
    if param.name.is_empty() || sent.is_empty() {
        return at_name("a parameter has a name".to_owned());
    }
    match place {
        ParamIn::Path if !is_variable => {
            at_place(format!("the route has no variable `{{{}}}`", abridge(sent)), "such as `GET /users/{id}`")
        }
        ParamIn::Path if param.required == Some(false) && param.default.is_none() => {
            let message = format!("`{}` is in the path, and needs a value or a `default`", abridge(&param.name));
            Some((RestMethodPart::Required(param.name.clone()), message, None))
        }
        ParamIn::Body if !method.route.may_have_body() => {
            at_place(format!("a {} request has no body", method.route.verb), "`in = \"query\"` is its usual place")
        }
        ParamIn::Header if HeaderName::from_bytes(sent.as_bytes()).is_err() => {
            at_name(format!("`{}` is not a valid name of a header", abridge(sent)))
        }
        ParamIn::Header if is_reserved_header(sent) => {
            at_name(format!("the header `{}` cannot be a parameter", abridge(sent)))
        }
        ParamIn::Cookie if !sent.bytes().all(|byte| byte.is_ascii_graphic() && !b"=;,\"".contains(&byte)) => {
            at_name(format!("`{}` is not a valid name of a cookie", abridge(sent)))
        }
        place if is_variable && place != ParamIn::Path && !has_path_param(method, sent) => {
            let message = format!("`{{{}}}` is a variable of the path", abridge(sent));
            at_place(message, "leave `in` out, or give the variable a parameter of its own by `name`")
        }
        _ => None,
    }
}

fn has_path_param(method: &RestMethod, sent: &str) -> bool {
    method.params.iter().any(|param| param.sent_name() == sent && method.place_of(param) == ParamIn::Path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_a_verb_and_a_path_with_variables() {
        let text = "GET  /a.{format}/{x}-{y}/?beta=true";
        let route = UpstreamRoute::read(text).unwrap();
        assert_eq!(route.renamed(|name| name.to_uppercase()), "/a.{FORMAT}/{X}-{Y}/?beta=true");
        let variables: Vec<_> = route.variables().map(|(name, span)| (name, &text[span.clone()])).collect();
        assert_eq!(variables, [("format", "{format}"), ("x", "{x}"), ("y", "{y}")]);
        assert_eq!(UpstreamRoute::read("POST /").unwrap().renamed(str::to_owned), "/");
    }

    #[test]
    fn an_invalid_route_is_reported_with_position_and_hint() {
        for (text, wrong, message) in [
            ("", "", "a route is a verb and a path (such as `GET /things/{id}`)"),
            ("/a", "/a", "the route has no verb (such as `GET /a`)"),
            ("get /a", "get", "a request cannot have the verb `get` (did you mean `GET`?)"),
            ("GETS /a", "GETS", "a request cannot have the verb `GETS` (did you mean `GET`?)"),
            ("GET a", "a", "the path of a route begins with a slash (such as `GET /users/{id}`)"),
            (
                "GET /a b",
                " ",
                "a route has no white space, no backslash and no `#` (`{name}` is replaced by the value of a parameter)",
            ),
            (
                "GET /a?b={c}",
                "{",
                "a variable cannot be in the query (a parameter with `in = \"query\"` is appended to the route)",
            ),
            (
                "GET /{a",
                "{",
                "a variable is a name in braces: letters, digits, `_`, `-` and `.` (such as `GET /users/{id}`)",
            ),
            (
                "GET /a}",
                "}",
                "a variable is a name in braces: letters, digits, `_`, `-` and `.` (such as `GET /users/{id}`)",
            ),
            (
                "GET /{a*}",
                "{a*}",
                "a variable is a name in braces: letters, digits, `_`, `-` and `.` (such as `GET /users/{id}`)",
            ),
            (
                "GET /{}",
                "{}",
                "a variable is a name in braces: letters, digits, `_`, `-` and `.` (such as `GET /users/{id}`)",
            ),
            ("GET /a/../b", "/a/../b", "no request path has a segment `.` or `..` (leave it out)"),
        ] {
            let error = UpstreamRoute::read(text).unwrap_err();
            assert_eq!((&text[error.span.clone()], error.to_string().as_str()), (wrong, message), "{text}");
        }
    }

    #[test]
    fn a_parameter_has_the_usual_place_of_its_request() {
        for (route, name, place) in [
            ("GET /a/{id}", "id", ParamIn::Path),
            ("GET /a/{id}", "x", ParamIn::Query),
            ("DELETE /a", "x", ParamIn::Query),
            ("POST /a", "x", ParamIn::Body),
            ("QUERY /a", "x", ParamIn::Body),
        ] {
            let method = RestMethod::new("m", UpstreamRoute::read(route).unwrap());
            assert_eq!(method.place_of(&RestParam::new(name)), place, "{route} {name}");
        }
    }
}
