//! XML-RPC's values and documents, read and written.

mod de;
mod dialect;
mod document;
mod escape;
mod message;
mod mismatch;
mod plain;
mod prolog;
mod scalar;
mod ser;
mod tape;
mod tree;

pub use dialect::{BigIntegers, Control, Dialect, Fractions, Nil, NonFinite, Reading};
pub use document::{Document, Root};
pub use message::{
    MULTICALL, answer_head, answer_tail, write_answer, write_call, write_call_value, write_fault, write_fault_value,
    write_multicall,
};
pub use mismatch::Mismatch;
pub use ser::{Unwritable, write_value};
pub use tape::{Node, Place, Tape, ValueRef, Values};

/// Whether XML 1.0 allows this character in a document (section 2.2).
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}
