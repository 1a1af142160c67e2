//! The list of methods in the place of their sections, for a group whose page would be too large with all of them.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::prose::{Paragraph, prose};
use crate::model::interface::{Interface, Method};

/// The most bytes of the lines of a list. Longer documentation is cut.
const MAX_LIST: usize = 272 << 10;

/// The bytes of a line beside the name of the method and the documentation.
const HTML_OF_METHOD: usize = 66;

/// The most bytes of documentation in a line.
const MAX_DOC: usize = 160;

/// The fewest bytes of documentation that say anything.
const MIN_DOC: usize = 24;

/// The characters of a name that are escaped in a query. The others are those of most names.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b':').remove(b'/').remove(b'-');

/// The parameter in the query of a group that names the method of a page.
pub(super) const METHOD: &str = "method";

/// A method in the list.
#[derive(Debug, Serialize)]
pub(super) struct MethodLine<'a> {
    name: &'a str,
    /// The address of its page, relative to that of the group.
    address: String,
    /// The beginning of its documentation.
    doc: Option<Paragraph>,
    safe: bool,
}

/// The methods of an interface in few bytes each.
pub(super) fn method_list(interface: &Interface) -> Vec<MethodLine<'_>> {
    let methods = &interface.methods;
    let fixed: usize = methods.iter().map(|method| HTML_OF_METHOD + 3 * html_size(&method.name)).sum();
    let longest = match MAX_LIST.saturating_sub(fixed) / methods.len().max(1) {
        few if few < MIN_DOC => 0,
        longest => longest.min(MAX_DOC),
    };
    methods.iter().map(|method| line(method, longest)).collect()
}

fn line(method: &Method, longest: usize) -> MethodLine<'_> {
    MethodLine {
        name: &method.name,
        address: address(&method.name),
        doc: prose(&beginning(&method.doc, longest)).into_iter().next(),
        safe: method.safe,
    }
}

/// The address of the page of a method, relative to that of its group.
fn address(name: &str) -> String {
    let mut address = format!("?{METHOD}=");
    // Writing to a text does not fail.
    let _ = write!(address, "{}", utf8_percent_encode(name, RESERVED));
    address
}

/// The number of bytes of a text in HTML.
fn html_size(text: &str) -> usize {
    // The longest of the references that templates write, such as `&quot;`.
    const LENGTH_OF_REFERENCE: usize = 6;
    text.bytes()
        .map(|byte| if matches!(byte, b'<' | b'>' | b'&' | b'"' | b'\'' | b'/') { LENGTH_OF_REFERENCE } else { 1 })
        .sum()
}

/// The first paragraph of a text, or the words at its beginning that have at most as many bytes in HTML.
fn beginning(text: &str, longest: usize) -> String {
    let (mut beginning, mut size) = (String::new(), 0);
    for word in text.trim().lines().take_while(|line| !line.trim().is_empty()).flat_map(str::split_whitespace) {
        size += html_size(word) + 1;
        if size > longest {
            if !beginning.is_empty() {
                beginning.push_str(" …");
            }
            break;
        }
        if !beginning.is_empty() {
            beginning.push(' ');
        }
        beginning.push_str(word);
    }
    beginning
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_is_cut_between_words() {
        for (text, longest, expected) in [
            ("  Turns the\n wheel.\n\nMore.", 100, "Turns the wheel."),
            ("Turns the wheel.", 12, "Turns the …"),
            ("Turns", 3, ""),
            ("\"a\" & \"b\"", 24, "\"a\" & …"),
            ("", 100, ""),
        ] {
            assert_eq!(beginning(text, longest), expected);
        }
    }

    #[test]
    fn addresses_are_escaped_as_queries_are() {
        assert_eq!(address("system.list:all/1-a_b"), "?method=system.list:all/1-a_b");
        assert_eq!(address("a&b=\u{e9}#"), "?method=a%26b%3D%C3%A9%23");
    }

    #[test]
    fn a_list_of_many_methods_has_less_of_each() {
        let interface = |count: usize| {
            let method =
                |number| Method { doc: "word ".repeat(100), ..Method::undescribed(&format!("method_{number}")) };
            Interface { methods: (0..count).map(method).collect(), ..Interface::default() }
        };
        let docs = |count: usize| -> usize {
            let interface = interface(count);
            let lines = method_list(&interface);
            lines.iter().map(|line| serde_json::to_string(&line.doc).unwrap().matches("word").count()).sum()
        };
        assert_eq!(docs(10), 10 * 32);
        assert!((1500 * 10..1500 * 20).contains(&docs(1500)), "{}", docs(1500));
        assert_eq!(docs(5000), 0);
    }
}
