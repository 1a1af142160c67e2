//! What XML-RPC and SOAP share: encodings, checks before parsing, element trees and escaping.
//!
//! A document passes these stages:
//!
//! 1. [`charset`] decodes the bytes to text with one kind of line end.
//! 2. `prolog` finds the root element, refuses document type declarations, and counts elements, attributes and
//!    namespaces. This count before parsing is called the *census*: a parser never starts on a document that exceeds the
//!    [`DocumentLimits`].
//! 3. `read_tree` builds an `XmlTree`: with the one-pass reader in `plain` if the document has nothing unusual in it,
//!    otherwise with roxmltree. `plain` never reports errors; it gives up, and roxmltree reports them. Both must read the
//!    same from any document; a property test compares them.
//!
//! XML-RPC has a one-pass reader of its own and uses the tree only for unusual documents. Writers escape text with
//! `escape`, following [`Characters`]. What a format cannot represent is reported as [`Unwritable`].

pub mod charset;
pub(super) mod escape;
pub(super) mod invalid;
pub(super) mod plain;
pub(super) mod prolog;
#[cfg(feature = "server")]
pub(crate) mod rows;
pub(super) mod tree;
pub(super) mod unwritable;
#[cfg(feature = "server")]
pub(crate) mod well_formed;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use prolog::without_doctype;
pub use tree::description;
pub use unwritable::Unwritable;

use self::prolog::Start;
use self::tree::{XmlTree, syntax};
use crate::codec::DocumentLimits;
use crate::model::fault::Fault;

/// How strictly documents are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// Accepts common mistakes of real clients and servers that are not ambiguous: white space and byte order marks before
    /// the document, unknown elements next to the known ones, integers beyond 32 bits in `int`, `true` and `false`, `NaN` and
    /// `INF`, an undeclared `ex:` prefix, arrays without `data`, and values without `value`. An empty number is nil, and
    /// a date that is not in the calendar is its text.
    #[default]
    Lenient,
    /// Accepts none of these.
    Strict,
}

/// How characters that XML forbids are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// They are not written: the call ends in a fault.
    #[default]
    Refuse,
    /// As U+FFFD, the replacement character.
    Replace,
    /// They are left out.
    Strip,
}

/// How the responses of a server are read that have characters which XML forbids, or bytes that are not valid in their
/// encoding. Such bytes are U+FFFD, the replacement character, unless they are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InvalidCharacters {
    /// The characters stay in the text. JSON can represent all of them; XML is written by `control-characters`.
    #[default]
    Keep,
    /// Each is U+FFFD.
    Replace,
    /// The response is refused.
    Refuse,
}

/// How text is written as XML character data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Characters {
    /// How characters that XML forbids are written.
    pub control: Control,
    /// Whether every character outside ASCII is written as a character reference.
    pub ascii: bool,
}

/// Whether XML 1.0 allows this character in a document (section 2.2).
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// Reads a document whose root element begins at `start` into a tree. `count` counts its elements and attributes first: those of a
/// request, or those of a response, which may be more.
///
/// # Errors
/// `NotWellFormed`, or `Limit` for too many elements and attributes.
pub(super) fn read_tree(
    text: &str,
    start: Start,
    limits: DocumentLimits,
    count: fn(&str, DocumentLimits) -> Result<(), Fault>,
) -> Result<XmlTree<'_>, Fault> {
    match plain::read(text, start, limits) {
        Some(tree) => Ok(tree),
        None => {
            count(text, limits)?;
            XmlTree::read_any(text, limits).map_err(|error| syntax(&error, limits))
        }
    }
}

/// Whether a text is well-formed XML of one or more elements, which may be the content of an element of a document. It can use the
/// prefixes `xsi` and `xsd`, and must declare all others.
pub(crate) fn is_fragment(text: &str) -> bool {
    let bare = text.trim_matches([' ', '\t', '\r', '\n']);
    if !(bare.starts_with('<') && bare.ends_with('>')) {
        return false;
    }
    let whole = format!(
        "<x xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">{text}</x>"
    );
    let Ok(document) = description(&whole, DocumentLimits::default()) else { return false };
    let mut inside = document.root_element().children();
    inside.all(|node| !node.is_text() || node.text().is_none_or(|text| text.trim().is_empty()))
}
