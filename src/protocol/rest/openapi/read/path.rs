//! Paths of documents, with their variables.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::params::plain;
use crate::codec::rest::PathPart;
use crate::codec::rest::text::encode_percent_signs;

/// The characters that cannot be in a path (RFC 3986, section 3.3).
const NOT_IN_PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'{').add(b'}').add(b'\\').add(b'^').add(b'|');

/// A path of a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DocumentPath {
    /// Its parts, with the index in `variables` for each variable.
    pub(super) parts: Vec<PathPart>,
    /// The names of the variables in their order, each once.
    pub(super) variables: Vec<String>,
    /// The query that some documents write behind a path, without variables.
    pub(super) query: String,
}

/// Reads a path. A fragment, which only distinguishes paths in a document, is cut off.
pub(super) fn read(path: &str) -> DocumentPath {
    let path = path.split('#').next().unwrap_or_default();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (mut parts, mut variables): (Vec<PathPart>, Vec<String>) = (Vec::new(), Vec::new());
    let mut literal = if path.starts_with('/') { String::new() } else { "/".to_owned() };
    let mut rest = path;
    while let Some((before, name, after)) = next_variable(rest) {
        literal.push_str(&encoded(before));
        if !literal.is_empty() {
            parts.push(PathPart::Literal(std::mem::take(&mut literal)));
        }
        let at = variables.iter().position(|known| known == name).unwrap_or_else(|| {
            variables.push(name.to_owned());
            variables.len() - 1
        });
        parts.push(PathPart::Param(at));
        rest = after;
    }
    literal.push_str(&encoded(rest));
    if !literal.is_empty() {
        parts.push(PathPart::Literal(literal));
    }
    let pairs: Vec<String> =
        query.split('&').filter(|pair| !pair.is_empty() && !pair.contains('{')).map(encoded).collect();
    DocumentPath { parts, variables, query: pairs.join("&") }
}

/// The text before the next variable, its name, and the text after it.
fn next_variable(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    let name = plain(name);
    if name.is_empty() { None } else { Some((before, name, after)) }
}

fn encoded(text: &str) -> String {
    encode_percent_signs(&utf8_percent_encode(text, NOT_IN_PATH).to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_whole_segments_or_parts_of_them() {
        for (path, written, variables, query) in [
            ("/pets", "/pets", [].as_slice(), ""),
            ("/pets/{id}/a b", "/pets/<0>/a%20b", &["id"], ""),
            ("/a.{format}/{x}-{y}", "/a.<0>/<1>-<2>", &["format", "x", "y"], ""),
            ("/{t}/{t}", "/<0>/<0>", &["t"], ""),
            ("/{param*}/{.b}/{;c*}", "/<0>/<1>/<2>", &["param", "b", "c"], ""),
            ("/a?beta=true&x={y}#Action", "/a", &[], "beta=true"),
            ("pets/{id", "/pets/%7Bid", &[], ""),
            ("/a%2Fb/é/%", "/a%2Fb/%C3%A9/%25", &[], ""),
        ] {
            let read = read(path);
            let parts: String = read
                .parts
                .iter()
                .map(|part| match part {
                    PathPart::Literal(text) => text.clone(),
                    PathPart::Param(at) => format!("<{at}>"),
                })
                .collect();
            assert_eq!((parts.as_str(), read.query.as_str()), (written, query), "{path}");
            assert_eq!(read.variables, variables);
        }
    }
}
