//! The text of a route, such as `POST /processes/{name}/start`.

use std::fmt;
use std::ops::Range;

use http::Method;

use crate::model::text::{abridge, nearest};

/// The verbs that a route may have. HEAD is served where GET is, and OPTIONS for every path.
pub const VERBS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// A verb and a path below that of a group, with variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate {
    verb: Method,
    path: String,
    segments: Vec<Segment>,
}

/// One segment of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// This text, percent-decoded.
    Literal(Box<str>),
    /// Any text that is not empty: the value of a parameter.
    Variable {
        /// The parameter's name.
        name: Box<str>,
        /// Its range of bytes in the text of the route, including the braces.
        span: Range<usize>,
    },
}

/// Why a text is not a route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", .hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct PathTemplateError {
    /// What is wrong.
    pub message: String,
    /// What to write instead, if it can be guessed.
    pub hint: Option<String>,
    /// The range of bytes that is wrong.
    pub span: Range<usize>,
}

impl PathTemplateError {
    fn new(span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> PathTemplateError {
        PathTemplateError { message: message.into(), hint: Some(hint.into()), span }
    }

    /// The error for a text without white space.
    pub(crate) fn without_verb(text: &str) -> PathTemplateError {
        let whole = 0..text.len();
        if text.starts_with('/') {
            return PathTemplateError::new(whole, "the route has no verb", format!("such as `GET {}`", abridge(text)));
        }
        PathTemplateError::new(whole, "a route is a verb and a path", "such as `GET /things/{id}`")
    }
}

impl PathTemplate {
    /// Reads a verb, white space, and a path of literal segments and variables.
    ///
    /// # Errors
    /// The first error, with its range in the text.
    pub fn read(text: &str) -> Result<PathTemplate, PathTemplateError> {
        let (verb, path) = text.split_once(char::is_whitespace).ok_or_else(|| PathTemplateError::without_verb(text))?;
        let path = path.trim_start();
        let start = text.len() - path.len();
        let verb = read_verb(verb)?;
        let inside = path.strip_prefix('/').ok_or_else(|| {
            PathTemplateError::new(
                start..text.len(),
                "the path of a route begins with a slash",
                format!("such as `{verb} /{path}`"),
            )
        })?;
        if inside.is_empty() {
            let hint = format!("such as `{verb} /things`: the group's own path belongs to the other protocols");
            return Err(PathTemplateError::new(start..text.len(), "a route is below the group's own path", hint));
        }
        let (mut segments, mut at) = (Vec::new(), start + 1);
        for segment in inside.split('/') {
            let span = at..at + segment.len();
            at = span.end + 1;
            let segment = read_segment(segment, span.clone())?;
            let is_there = |name: &&str| segments.iter().any(|other: &Segment| other.variable() == Some(*name));
            if let Some(name) = segment.variable().filter(is_there) {
                let hint = "each variable must be a different parameter";
                return Err(PathTemplateError::new(span, format!("`{{{name}}}` is in the path twice"), hint));
            }
            segments.push(segment);
        }
        Ok(PathTemplate { verb, path: path.to_owned(), segments })
    }

    /// The verb, one of [`VERBS`].
    pub fn verb(&self) -> &Method {
        &self.verb
    }

    /// The path as written, such as `/processes/{name}/start`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The segments of the path: at least one.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The parameters in the path, each with its range of bytes in the text of the route.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &Range<usize>)> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Variable { name, span } => Some((name.as_ref(), span)),
            Segment::Literal(_) => None,
        })
    }

    /// The path without the names of its variables. Two routes with the same verb and the same shape match the same
    /// requests.
    pub fn shape(&self) -> String {
        self.segments
            .iter()
            .map(|segment| segment.literal().map_or("/{}".to_owned(), |text| format!("/{text}")))
            .collect()
    }
}

impl Segment {
    fn variable(&self) -> Option<&str> {
        match self {
            Segment::Variable { name, .. } => Some(name),
            Segment::Literal(_) => None,
        }
    }

    /// The text of a literal.
    pub fn literal(&self) -> Option<&str> {
        match self {
            Segment::Literal(text) => Some(text),
            Segment::Variable { .. } => None,
        }
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.path)
    }
}

fn read_verb(verb: &str) -> Result<Method, PathTemplateError> {
    if let Some(known) = VERBS.into_iter().find(|known| known.as_str() == verb) {
        return Ok(known);
    }
    let hint = match nearest(verb, VERBS.iter().map(Method::as_str)) {
        _ if verb == "HEAD" => "HEAD is served wherever GET is".to_owned(),
        _ if verb == "OPTIONS" => "OPTIONS is served at every path".to_owned(),
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "it is `GET`, `POST`, `PUT`, `PATCH` or `DELETE`".to_owned(),
    };
    Err(PathTemplateError::new(0..verb.len(), format!("a route cannot have the verb `{}`", abridge(verb)), hint))
}

fn read_segment(text: &str, span: Range<usize>) -> Result<Segment, PathTemplateError> {
    if let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        if name.contains(['=', '*']) {
            let name = name.split(['=', '*']).next().unwrap_or_default();
            return Err(PathTemplateError::new(span, "a variable is one segment", format!("such as `{{{name}}}`")));
        }
        if !name.is_empty() && !name.contains(['{', '}']) && !name.contains(char::is_whitespace) {
            return Ok(Segment::Variable { name: name.into(), span });
        }
    }
    let odd = |c: char| matches!(c, '%' | '#' | '\\') || c.is_whitespace() || c.is_control();
    let (message, hint) = match text {
        "" => ("the path of a route has no empty segment, and no slash at its end", "leave out the slash"),
        "." | ".." => ("no request path has such a segment", "leave it out"),
        _ if text.contains(['{', '}']) => ("a variable is a whole segment", "such as `/{id}/start`"),
        _ if text.contains('*') => ("a route has no wildcards", "such as `/{id}`, which matches one segment"),
        _ if text.contains('?') => ("a route has no query", "parameters in the query are not written in the route"),
        _ if text.contains(odd) => {
            ("a segment has no white space, no backslash and no `%` or `#`", "`{name}` matches any text")
        }
        _ => return Ok(Segment::Literal(text.into())),
    };
    Err(PathTemplateError::new(span, message, hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_verbs_and_segments() {
        let template = PathTemplate::read("POST  /processes/{name}/start:now").unwrap();
        assert_eq!((template.verb(), template.path()), (&Method::POST, "/processes/{name}/start:now"));
        assert_eq!(template.variables().collect::<Vec<_>>(), [("name", &(17..23))]);
        assert_eq!(template.shape(), "/processes/{}/start:now");
        assert_eq!(template.to_string(), "POST /processes/{name}/start:now");
    }

    #[test]
    fn an_invalid_route_is_reported_with_position_and_hint() {
        for (text, span, told) in [
            ("", "", "a route is a verb and a path (such as `GET /things/{id}`)"),
            ("GET", "GET", "a route is a verb and a path (such as `GET /things/{id}`)"),
            ("/a", "/a", "the route has no verb (such as `GET /a`)"),
            ("get /a", "get", "a route cannot have the verb `get` (did you mean `GET`?)"),
            ("PUTT /a", "PUTT", "a route cannot have the verb `PUTT` (did you mean `PUT`?)"),
            ("HEAD /a", "HEAD", "a route cannot have the verb `HEAD` (HEAD is served wherever GET is)"),
            ("OPTIONS /a", "OPTIONS", "a route cannot have the verb `OPTIONS` (OPTIONS is served at every path)"),
            (
                "CONNECT /a",
                "CONNECT",
                "a route cannot have the verb `CONNECT` (it is `GET`, `POST`, `PUT`, `PATCH` or `DELETE`)",
            ),
            ("GET a", "a", "the path of a route begins with a slash (such as `GET /a`)"),
            (
                "GET /",
                "/",
                "a route is below the group's own path (such as `GET /things`: the group's own path belongs to the other \
                 protocols)",
            ),
            ("GET /a/", "", "the path of a route has no empty segment, and no slash at its end (leave out the slash)"),
            (
                "GET /a//b",
                "",
                "the path of a route has no empty segment, and no slash at its end (leave out the slash)",
            ),
            ("GET /a/../b", "..", "no request path has such a segment (leave it out)"),
            ("GET /{a}/{a}", "{a}", "`{a}` is in the path twice (each variable must be a different parameter)"),
            ("GET /a{b}", "a{b}", "a variable is a whole segment (such as `/{id}/start`)"),
            ("GET /{}", "{}", "a variable is a whole segment (such as `/{id}/start`)"),
            ("GET /{a}:b", "{a}:b", "a variable is a whole segment (such as `/{id}/start`)"),
            ("GET /{a=b", "{a=b", "a variable is a whole segment (such as `/{id}/start`)"),
            ("GET /{a=**}", "{a=**}", "a variable is one segment (such as `{a}`)"),
            ("GET /*", "*", "a route has no wildcards (such as `/{id}`, which matches one segment)"),
            ("GET /a?b=c", "a?b=c", "a route has no query (parameters in the query are not written in the route)"),
            (
                "GET /a%20b",
                "a%20b",
                "a segment has no white space, no backslash and no `%` or `#` (`{name}` matches any text)",
            ),
            (
                "GET /a b",
                "a b",
                "a segment has no white space, no backslash and no `%` or `#` (`{name}` matches any text)",
            ),
        ] {
            let error = PathTemplate::read(text).unwrap_err();
            assert_eq!((&text[error.span.clone()], error.to_string().as_str()), (span, told), "{text}");
        }
    }
}
