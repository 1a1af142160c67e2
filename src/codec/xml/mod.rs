//! What all protocols that speak XML share: encodings, what stands before a document's root, character data.

pub mod charset;
pub(super) mod escape;
pub(super) mod plain;
pub(super) mod prolog;
pub(super) mod tree;
pub(super) mod unwritable;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use tree::description;
pub use unwritable::Unwritable;

use self::prolog::Start;
use self::tree::{XmlTree, syntax};
use crate::codec::Limits;
use crate::model::fault::Fault;

/// How much is forgiven when reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// What real clients send and nobody can misunderstand: white space before the document, unknown elements
    /// beside the known ones, integers beyond 32 bits in `int`, `true` and `false`, `NaN` and `INF`, an undeclared
    /// `ex:` prefix.
    #[default]
    Lenient,
    /// None of that.
    Strict,
}

/// How a character is written that XML forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// Not at all: the call ends in a fault.
    #[default]
    Refuse,
    /// As U+FFFD, the replacement character.
    Replace,
    /// By leaving it out.
    Strip,
}

/// How text is written as character data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Characters {
    /// What becomes of a character that XML forbids.
    pub control: Control,
    /// Whether everything but ASCII is a character reference.
    pub ascii: bool,
}

/// Whether XML 1.0 allows this character in a document (section 2.2).
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// Reads a document whose root element begins at `start` into a tree.
///
/// # Errors
/// `NotWellFormed`, or `Limit` for too many elements and attributes.
pub(super) fn read_tree(text: &str, start: Start, limits: Limits) -> Result<XmlTree<'_>, Fault> {
    match plain::read(text, start, limits) {
        Some(tree) => Ok(tree),
        None => {
            prolog::census(text, limits)?;
            XmlTree::read_any(text, limits).map_err(|error| syntax(&error, limits))
        }
    }
}
