//! The HTTP requests by which clients of an upstream call its methods in the form of its own description: verbs, and paths
//! with variables. A request that is one of them can be passed on to the upstream unchanged.

use std::collections::{BTreeMap, HashSet};

use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

/// How many segments a path may have. Operations with longer paths are found by the names of their methods only.
const MAX_SEGMENTS: usize = 64;

/// The request that calls one method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOperation {
    /// The name of the method in the interface.
    pub method: String,
    /// The verb.
    pub verb: Method,
    /// The path, which begins with a slash.
    pub path: Vec<PathPiece>,
    /// The parameters outside of the body.
    pub params: Vec<HttpParam>,
    /// The body; `None` if requests have none.
    pub body: Option<HttpBody>,
    /// The status with which the upstream refuses values that are not valid, by its document: 400 or 422.
    pub invalid_status: StatusCode,
}

/// A parameter outside of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpParam {
    /// The name in the request.
    pub name: String,
    /// The index among the parameters of the method.
    pub index: usize,
    /// Where it is.
    pub place: HttpPlace,
    /// How it is written, as OpenAPI names it; `None` if OpenAPI has no name for it, and for JSON.
    pub style: Option<&'static str>,
    /// Whether the items of a list are written by themselves.
    pub explode: bool,
    /// Whether it is a JSON text.
    pub is_json: bool,
}

/// Where a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpPlace {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In a header.
    Header,
    /// In a cookie.
    Cookie,
}

impl HttpPlace {
    /// The word of OpenAPI for it.
    pub fn word(self) -> &'static str {
        match self {
            HttpPlace::Path => "path",
            HttpPlace::Query => "query",
            HttpPlace::Header => "header",
            HttpPlace::Cookie => "cookie",
        }
    }
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpBody {
    /// The media type.
    pub media: String,
    /// Whether it is JSON.
    pub is_json: bool,
    /// Whether each request has one.
    pub required: bool,
    /// The indices of the parameters of the method that are in it.
    pub params: Vec<usize>,
    /// Whether the only one of these parameters is the body, and not a member of it.
    pub is_whole: bool,
}

/// A piece of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPiece {
    /// This text, percent-encoded.
    Literal(String),
    /// A variable of this name: a text that is not empty, within one segment.
    Variable(String),
}

/// The operations of an upstream as a tree of segments.
#[derive(Debug, Clone, Default)]
pub struct HttpOperations {
    all: Vec<HttpOperation>,
    /// JSON bodies of at most this many bytes are checked before they are passed on; 0 if none is.
    pub check_bodies: usize,
    root: PathNode,
}

#[derive(Debug, Clone, Default)]
struct PathNode {
    /// The segments without variables, percent-decoded.
    literals: BTreeMap<Box<str>, PathNode>,
    /// The segments with variables and other text.
    patterns: Vec<(Vec<PathPiece>, PathNode)>,
    /// The segment that is a variable.
    variable: Option<Box<PathNode>>,
    /// The indices of the operations that end here, with different verbs.
    ends: Vec<usize>,
}

/// The operations at a path that have the same literal segments.
#[derive(Debug)]
pub struct OperationMatch<'o, 'p> {
    operations: &'o HttpOperations,
    ends: &'o [usize],
    /// The texts of the variables in the order of the path, percent-encoded.
    pub values: Vec<&'p str>,
}

impl PartialEq for HttpOperations {
    fn eq(&self, other: &HttpOperations) -> bool {
        (&self.all, self.check_bodies) == (&other.all, other.check_bodies)
    }
}

impl HttpOperation {
    /// The path with the names of its variables in braces.
    pub fn template(&self) -> String {
        let piece = |piece: &PathPiece| match piece {
            PathPiece::Literal(text) => text.clone(),
            PathPiece::Variable(name) => format!("{{{name}}}"),
        };
        self.path.iter().map(piece).collect()
    }

    /// Whether both are the same requests: with the same verb and path, whatever the names of the variables.
    fn has_request_of(&self, other: &HttpOperation) -> bool {
        let is_same = |(own, other): (&PathPiece, &PathPiece)| match (own, other) {
            (PathPiece::Literal(own), PathPiece::Literal(other)) => own == other,
            (PathPiece::Variable(_), PathPiece::Variable(_)) => true,
            _ => false,
        };
        self.verb == other.verb && self.path.len() == other.path.len() && self.path.iter().zip(&other.path).all(is_same)
    }
}

impl HttpOperations {
    /// The operation whose requests are the same as those of another.
    pub fn with_request_of(&self, other: &HttpOperation) -> Option<&HttpOperation> {
        self.all.iter().find(|operation| operation.has_request_of(other))
    }

    /// The table of these operations. It leaves out those whose paths do not say where a variable ends, have a variable twice,
    /// have more than 64 segments, or are `/`; and of two with the same verb and the same path, the second.
    pub fn new(operations: Vec<HttpOperation>) -> HttpOperations {
        let mut table = HttpOperations::default();
        for operation in operations {
            let Some(segments) = segments(&operation.path) else { continue };
            let node = segments.into_iter().fold(&mut table.root, PathNode::child);
            let all = &table.all;
            if node.ends.iter().all(|end| all.get(*end).is_some_and(|other| other.verb != operation.verb)) {
                node.ends.push(table.all.len());
                table.all.push(operation);
            }
        }
        table
    }

    /// The operations, in their original order.
    pub fn all(&self) -> &[HttpOperation] {
        &self.all
    }

    /// Whether one of the operations that `is_served` has this path, which is without its first slash, and no variables in it.
    pub fn has_literal(&self, path: &str, is_served: impl Fn(&HttpOperation) -> bool) -> bool {
        let mut node = Some(&self.root);
        for segment in path.split('/').filter(|_| !self.all.is_empty()) {
            let text = percent_decode_str(segment).decode_utf8_lossy();
            node = node.and_then(|node| node.literals.get(text.as_ref()));
        }
        let ends = node.map_or(&[][..], |node| node.ends.as_slice());
        ends.iter().filter_map(|end| self.all.get(*end)).any(is_served)
    }

    /// The operations at a path without its first slash, in which each segment is percent-encoded. Literal segments precede
    /// segments with variables, the first segment counts most.
    pub fn find<'p>(&self, path: &'p str) -> Vec<OperationMatch<'_, 'p>> {
        let mut search = Search { operations: self, values: Vec::new(), found: Vec::new() };
        if !self.all.is_empty() {
            search.descend(&self.root, Some(path));
        }
        search.found
    }
}

impl<'o> OperationMatch<'o, '_> {
    /// The operations, with different verbs.
    pub fn operations(&self) -> impl Iterator<Item = &'o HttpOperation> {
        let all = &self.operations.all;
        self.ends.iter().filter_map(move |end| all.get(*end))
    }
}

/// The segments of a path; `None` if requests cannot be matched with it.
fn segments(path: &[PathPiece]) -> Option<Vec<Vec<PathPiece>>> {
    let mut segments = vec![Vec::new()];
    let mut variables = HashSet::new();
    for piece in path {
        match piece {
            PathPiece::Literal(text) => {
                for (at, part) in text.split('/').enumerate() {
                    if at > 0 {
                        segments.push(Vec::new());
                    }
                    if !part.is_empty() {
                        segments.last_mut()?.push(PathPiece::Literal(part.to_owned()));
                    }
                }
            }
            PathPiece::Variable(name) => {
                let segment = segments.last_mut()?;
                if !variables.insert(name) || matches!(segment.last(), Some(PathPiece::Variable(_))) {
                    return None;
                }
                segment.push(piece.clone());
            }
        }
    }
    // What precedes the first slash.
    let before = segments.remove(0);
    let is_root = segments.iter().all(Vec::is_empty);
    (before.is_empty() && !is_root && segments.len() <= MAX_SEGMENTS).then_some(segments)
}

impl PathNode {
    fn child(&mut self, segment: Vec<PathPiece>) -> &mut PathNode {
        match segment.as_slice() {
            [] => self.literals.entry(Box::from("")).or_default(),
            [PathPiece::Literal(text)] => {
                let text = percent_decode_str(text).decode_utf8_lossy();
                self.literals.entry(text.into()).or_default()
            }
            [PathPiece::Variable(_)] => self.variable.get_or_insert_default(),
            _ => {
                let shape = |pieces: &[PathPiece]| {
                    let text = |piece: &PathPiece| match piece {
                        PathPiece::Literal(text) => Some(text.clone()),
                        PathPiece::Variable(_) => None,
                    };
                    pieces.iter().map(text).collect::<Vec<_>>()
                };
                let known = self.patterns.iter().position(|(other, _)| shape(other) == shape(&segment));
                let at = known.unwrap_or_else(|| {
                    self.patterns.push((segment, PathNode::default()));
                    self.patterns.len() - 1
                });
                // The index is that of a pattern; the other arm only satisfies the compiler.
                match self.patterns.get_mut(at) {
                    Some((_, node)) => node,
                    None => self.variable.get_or_insert_default(),
                }
            }
        }
    }
}

struct Search<'o, 'p> {
    operations: &'o HttpOperations,
    values: Vec<&'p str>,
    found: Vec<OperationMatch<'o, 'p>>,
}

impl<'o, 'p> Search<'o, 'p> {
    /// Visits each node once at most. The depth of recursion is at most [`MAX_SEGMENTS`].
    fn descend(&mut self, node: &'o PathNode, path: Option<&'p str>) {
        let Some(path) = path else {
            if !node.ends.is_empty() {
                let values = self.values.clone();
                self.found.push(OperationMatch { operations: self.operations, ends: &node.ends, values });
            }
            return;
        };
        let (segment, rest) = path.split_once('/').map_or((path, None), |(segment, rest)| (segment, Some(rest)));
        let text = percent_decode_str(segment).decode_utf8_lossy();
        if let Some(literal) = node.literals.get(text.as_ref()) {
            self.descend(literal, rest);
        }
        let known = self.values.len();
        for (pattern, inner) in &node.patterns {
            if match_pattern(pattern, segment, &mut self.values) {
                self.descend(inner, rest);
            }
            self.values.truncate(known);
        }
        if let Some(variable) = node.variable.as_deref().filter(|_| !segment.is_empty()) {
            self.values.push(segment);
            self.descend(variable, rest);
            self.values.truncate(known);
        }
    }
}

/// Whether a segment matches a pattern; appends the texts of its variables to `values`. A variable ends where the text behind
/// it is found first, and the last one where the segment ends, or the last text begins.
fn match_pattern<'p>(pattern: &[PathPiece], segment: &'p str, values: &mut Vec<&'p str>) -> bool {
    let mut rest = segment;
    let mut pieces = pattern.iter().peekable();
    while let Some(piece) = pieces.next() {
        match piece {
            PathPiece::Literal(text) => match rest.strip_prefix(text.as_str()) {
                Some(behind) => rest = behind,
                None => return false,
            },
            PathPiece::Variable(_) => {
                let end = match pieces.next() {
                    None => Some((rest, "")),
                    Some(PathPiece::Literal(text)) if pieces.peek().is_none() => {
                        rest.strip_suffix(text.as_str()).map(|value| (value, ""))
                    }
                    Some(PathPiece::Literal(text)) => rest.split_once(text.as_str()),
                    Some(PathPiece::Variable(_)) => None,
                };
                match end.filter(|(value, _)| !value.is_empty()) {
                    Some((value, behind)) => {
                        values.push(value);
                        rest = behind;
                    }
                    None => return false,
                }
            }
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An operation whose path has its variables in braces.
    fn operation(text: &str) -> HttpOperation {
        let (verb, template) = text.split_once(' ').unwrap();
        let mut path = Vec::new();
        for (at, part) in template.split(['{', '}']).enumerate() {
            match at % 2 {
                0 if part.is_empty() => {}
                0 => path.push(PathPiece::Literal(part.to_owned())),
                _ => path.push(PathPiece::Variable(part.to_owned())),
            }
        }
        let (method, verb) = (text.to_owned(), verb.parse().unwrap());
        HttpOperation { method, verb, path, params: Vec::new(), body: None, invalid_status: StatusCode::BAD_REQUEST }
    }

    fn found(table: &HttpOperations, path: &str) -> Vec<(String, Vec<String>)> {
        let matches = table.find(path);
        let described = matches.iter().flat_map(|found| {
            let values: Vec<String> = found.values.iter().map(|value| (*value).to_owned()).collect();
            found.operations().map(move |operation| (operation.method.clone(), values.clone()))
        });
        described.collect()
    }

    fn table(operations: &[&str]) -> HttpOperations {
        HttpOperations::new(operations.iter().map(|text| operation(text)).collect())
    }

    #[test]
    fn literals_precede_variables_and_all_matches_are_found() {
        let table = table(&[
            "GET /a/{x}",
            "GET /{x}/b",
            "GET /a/b",
            "PUT /a/{y}",
            "GET /a/",
            "GET /f/{name}.json",
            "GET /f/{from}-{to}",
            "GET /é%20b",
        ]);
        for (path, expected) in [
            (
                "a/b",
                vec![
                    ("GET /a/b", vec![]),
                    ("GET /a/{x}", vec!["b"]),
                    ("PUT /a/{y}", vec!["b"]),
                    ("GET /{x}/b", vec!["a"]),
                ],
            ),
            (
                "%61/%62",
                vec![
                    ("GET /a/b", vec![]),
                    ("GET /a/{x}", vec!["%62"]),
                    ("PUT /a/{y}", vec!["%62"]),
                    ("GET /{x}/b", vec!["%61"]),
                ],
            ),
            ("a/", vec![("GET /a/", vec![])]),
            ("a/c%20d", vec![("GET /a/{x}", vec!["c%20d"]), ("PUT /a/{y}", vec!["c%20d"])]),
            ("f/a.b.json", vec![("GET /f/{name}.json", vec!["a.b"])]),
            ("f/1-2-3", vec![("GET /f/{from}-{to}", vec!["1", "2-3"])]),
            ("%C3%A9%20b", vec![("GET /é%20b", vec![])]),
            ("a", vec![]),
            ("a//", vec![]),
            ("a/b/", vec![]),
            ("f/.json", vec![]),
            ("f/-2", vec![]),
            ("", vec![]),
        ] {
            let expected: Vec<(String, Vec<String>)> = expected
                .into_iter()
                .map(|(name, values): (&str, Vec<&str>)| {
                    (name.to_owned(), values.into_iter().map(str::to_owned).collect())
                })
                .collect();
            assert_eq!(found(&table, path), expected, "{path}");
        }
    }

    #[test]
    fn paths_that_are_not_clear_are_left_out() {
        let deep = format!("GET {}", "/a".repeat(100));
        let table =
            table(&["GET /", "GET /{a}{b}", "GET /{a}/{a}", deep.as_str(), "GET /x/{a}", "GET /x/{b}", "PUT /x/{b}"]);
        let names: Vec<&str> = table.all().iter().map(|operation| operation.method.as_str()).collect();
        assert_eq!(names, ["GET /x/{a}", "PUT /x/{b}"]);
    }
}
