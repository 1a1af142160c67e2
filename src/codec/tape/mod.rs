//! A document's values in one flat list, borrowing their text: what readers of documents make and serde reads.

mod build;
mod de;
mod mismatch;

use std::borrow::Cow;
use std::collections::HashSet;

use crate::model::date::DateTime;
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;

pub use mismatch::Mismatch;

/// Up to this many members, comparing all pairs of names is cheaper than hashing them.
const FEW: usize = 12;

/// One value, or the opening of one that holds others.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<'a> {
    /// `<nil/>`
    Nil,
    /// `<boolean>`
    Bool(bool),
    /// `<int>`, `<i4>`, `<i8>` and the Apache integers.
    Int(i64),
    /// `<double>`
    Double(f64),
    /// `<string>` or an untyped value.
    Text(Cow<'a, str>),
    /// A number too long or too precise for the machine's: its digits.
    Digits(Cow<'a, str>),
    /// `<dateTime.iso8601>`
    Date(DateTime),
    /// `<base64>`
    Binary(Vec<u8>),
    /// `<array>`: so many values follow, up to the node at `end`.
    Array {
        /// How many values.
        items: u32,
        /// The first node after them.
        end: u32,
    },
    /// `<struct>`: so many pairs of a text and a value follow, up to the node at `end`.
    Struct {
        /// How many pairs.
        members: u32,
        /// The first node after them.
        end: u32,
    },
}

/// The values of one document: parameters, a result, or a fault's struct, one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tape<'a> {
    nodes: Vec<Node<'a>>,
    values: usize,
}

/// Values that follow each other on a tape.
#[derive(Debug, Clone, Copy)]
pub struct Values<'t, 'a> {
    tape: &'t Tape<'a>,
    at: usize,
    left: usize,
}

/// One value on a tape.
#[derive(Debug, Clone, Copy)]
pub struct ValueRef<'t, 'a> {
    tape: &'t Tape<'a>,
    at: usize,
}

/// Where on its tape a value is.
#[derive(Debug, Clone, Copy)]
pub struct Place(usize);

/// A struct or an array that is still being written onto a tape.
#[derive(Debug)]
pub(in crate::codec) struct OpenNode(usize);

impl<'a> Tape<'a> {
    /// The top-level values, in order.
    pub fn values(&self) -> Values<'_, 'a> {
        Values { tape: self, at: 0, left: self.values }
    }

    /// The value at a place that this tape, or the one it was made from, has given out.
    pub fn at(&self, place: Place) -> ValueRef<'_, 'a> {
        ValueRef { tape: self, at: place.0 }
    }

    /// The same values, free of the text they were read from.
    pub fn into_owned(self) -> Tape<'static> {
        Tape { nodes: self.nodes.into_iter().map(Node::into_owned).collect(), values: self.values }
    }

    pub(in crate::codec) fn push(&mut self, node: Node<'a>) {
        self.nodes.push(node);
    }

    /// Counts what was pushed last as a top-level value.
    pub(in crate::codec) fn complete(&mut self) {
        self.values += 1;
    }

    pub(in crate::codec) fn open(&mut self) -> OpenNode {
        self.nodes.push(Node::Nil);
        OpenNode(self.nodes.len() - 1)
    }

    pub(in crate::codec) fn close_array(&mut self, opened: OpenNode, items: usize) {
        self.close(opened, |end| Node::Array { items: narrow(items), end });
    }

    /// Closes a struct, unless two of its members have one name: which of them counts would be a guess.
    pub(in crate::codec) fn close_struct(&mut self, opened: OpenNode, members: usize) -> Result<(), Fault> {
        let start = opened.0 + 1;
        self.close(opened, |end| Node::Struct { members: narrow(members), end });
        match self.repeated_name(start, members) {
            Some(name) => Err(Fault::new(Kind::Structure, format!("a struct has two members `{}`", abridge(name)))),
            None => Ok(()),
        }
    }

    fn close(&mut self, opened: OpenNode, node: impl FnOnce(u32) -> Node<'a>) {
        let end = narrow(self.nodes.len());
        if let Some(slot) = self.nodes.get_mut(opened.0) {
            *slot = node(end);
        }
    }

    fn repeated_name(&self, start: usize, members: usize) -> Option<&str> {
        let names = MemberNames { tape: self, at: start, left: members };
        if members > FEW {
            let mut seen = HashSet::with_capacity(members);
            return names.into_iter().find(|name| !seen.insert(*name));
        }
        let mut rest = names;
        while let Some(name) = rest.next() {
            let mut later = rest;
            if later.any(|other| other == name) {
                return Some(name);
            }
        }
        None
    }

    pub(in crate::codec) fn node(&self, at: usize) -> &Node<'a> {
        self.nodes.get(at).unwrap_or(&Node::Nil)
    }

    /// Where the value after the one at `at` begins.
    pub(in crate::codec) fn after(&self, at: usize) -> usize {
        match self.node(at) {
            Node::Array { end, .. } | Node::Struct { end, .. } => *end as usize,
            _ => at + 1,
        }
    }
}

impl Node<'_> {
    fn into_owned(self) -> Node<'static> {
        match self {
            Node::Nil => Node::Nil,
            Node::Bool(value) => Node::Bool(value),
            Node::Int(value) => Node::Int(value),
            Node::Double(value) => Node::Double(value),
            Node::Text(text) => Node::Text(Cow::Owned(text.into_owned())),
            Node::Digits(digits) => Node::Digits(Cow::Owned(digits.into_owned())),
            Node::Date(date) => Node::Date(date),
            Node::Binary(bytes) => Node::Binary(bytes),
            Node::Array { items, end } => Node::Array { items, end },
            Node::Struct { members, end } => Node::Struct { members, end },
        }
    }
}

/// The names of a struct's members.
#[derive(Clone, Copy)]
struct MemberNames<'t, 'a> {
    tape: &'t Tape<'a>,
    at: usize,
    left: usize,
}

impl<'t> Iterator for MemberNames<'t, '_> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        self.at = self.tape.after(at + 1);
        match self.tape.node(at) {
            Node::Text(name) => Some(name),
            _ => None,
        }
    }
}

impl<'t, 'a> Iterator for Values<'t, 'a> {
    type Item = ValueRef<'t, 'a>;

    fn next(&mut self) -> Option<ValueRef<'t, 'a>> {
        self.left = self.left.checked_sub(1)?;
        let value = ValueRef { tape: self.tape, at: self.at };
        self.at = self.tape.after(self.at);
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Values<'_, '_> {}

impl<'t, 'a> ValueRef<'t, 'a> {
    pub(in crate::codec) fn node(self) -> &'t Node<'a> {
        self.tape.node(self.at)
    }

    /// Where on its tape this value is.
    pub fn place(self) -> Place {
        Place(self.at)
    }

    /// The values of an array; `None` where this is something else.
    pub fn items(self) -> Option<Values<'t, 'a>> {
        match self.node() {
            Node::Array { items, .. } => Some(self.below(*items)),
            _ => None,
        }
    }

    /// So many values from the one after this.
    pub(in crate::codec) fn below(self, items: u32) -> Values<'t, 'a> {
        Values { tape: self.tape, at: self.at + 1, left: items as usize }
    }

    /// The value of a struct's member; `None` where there is no such member, or this is no struct.
    pub fn member(self, name: &str) -> Option<ValueRef<'t, 'a>> {
        let Node::Struct { members, .. } = self.node() else { return None };
        let mut at = self.at + 1;
        for _ in 0..*members {
            if matches!(self.tape.node(at), Node::Text(found) if found == name) {
                return Some(ValueRef { tape: self.tape, at: at + 1 });
            }
            at = self.tape.after(at + 1);
        }
        None
    }

    /// The names and values of a struct's members, in order; `None` where this is something else.
    pub fn members(self) -> Option<impl Iterator<Item = (&'t str, ValueRef<'t, 'a>)>> {
        let Node::Struct { members, .. } = self.node() else { return None };
        let names = MemberNames { tape: self.tape, at: self.at + 1, left: *members as usize };
        let values = self.below(members.saturating_mul(2)).skip(1).step_by(2);
        Some(names.zip(values))
    }

    /// The text of a string; `None` where this is something else.
    pub fn text(self) -> Option<&'t str> {
        match self.node() {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this is a struct.
    pub fn is_struct(self) -> bool {
        matches!(self.node(), Node::Struct { .. })
    }
}

/// A count of nodes: documents are far smaller than 4 GiB, and a larger one would only read as cut short.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
