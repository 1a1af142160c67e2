//! The values of a document as one flat list of nodes: the step between parsing and deserializing.
//!
//! A reader of XML documents does not know the types of a method's parameters while it parses. It therefore appends a
//! [`TapeNode`] for each value to a [`Tape`], which borrows text from the document where possible. An array or a struct is one
//! node that stores the index after its last item, so skipping it takes one step and the tape needs no allocation per
//! value. When the method is known, serde deserializes its parameters from [`ValueRef`]s; errors are [`Mismatch`]es, which
//! name the types of the format and the path to the value.
//!
//! A tape is complete or does not exist: readers check structure, limits and repeated member names while they write it.
//! [`Tape::of`] builds one from values that are already in memory.

mod build;
mod de;
mod mismatch;

use std::borrow::Cow;
use std::collections::HashSet;

use crate::model::date::DateTime;
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;

pub use mismatch::Mismatch;

/// Up to this many members, comparing all pairs of names is cheaper than hashing the names.
const FEW: usize = 12;

/// One value, or the beginning of an array or a struct.
#[derive(Debug, Clone, PartialEq)]
pub enum TapeNode<'a> {
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
    /// The digits of a number that neither 64 bits nor a double can hold exactly, as [`Number`](crate::Number) reads them.
    Digits(Cow<'a, str>),
    /// `<dateTime.iso8601>`
    Date(DateTime),
    /// `<base64>`
    Binary(Vec<u8>),
    /// `<array>`: its items follow.
    Array {
        /// The number of items.
        items: u32,
        /// The index after the last node inside.
        end: u32,
    },
    /// `<struct>`: its members follow, each a text node with the name and then the value.
    Struct {
        /// The number of members.
        members: u32,
        /// The index after the last node inside.
        end: u32,
    },
}

/// The top-level values of one document: a call's parameters, a result, or a fault's struct.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tape<'a> {
    nodes: Vec<TapeNode<'a>>,
    values: usize,
}

/// Consecutive values on a tape.
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

/// The position of a value on its tape.
#[derive(Debug, Clone, Copy)]
pub struct TapePosition(usize);

/// An array or a struct whose items are still being appended.
#[derive(Debug)]
pub(in crate::codec) struct OpenNode(usize);

impl<'a> Tape<'a> {
    /// The top-level values, in order.
    pub fn values(&self) -> Values<'_, 'a> {
        Values { tape: self, at: 0, left: self.values }
    }

    /// The value at a position that this tape, or the borrowed tape it was made from, has returned.
    pub fn at(&self, place: TapePosition) -> ValueRef<'_, 'a> {
        ValueRef { tape: self, at: place.0 }
    }

    /// The same values without borrowed text.
    pub fn into_owned(self) -> Tape<'static> {
        Tape { nodes: self.nodes.into_iter().map(TapeNode::into_owned).collect(), values: self.values }
    }

    /// Passes each text to `change`: those of values and the names of members.
    pub(in crate::codec) fn each_text(&mut self, mut change: impl FnMut(&mut Cow<'a, str>)) {
        for node in &mut self.nodes {
            if let TapeNode::Text(text) = node {
                change(text);
            }
        }
    }

    pub(in crate::codec) fn push(&mut self, node: TapeNode<'a>) {
        self.nodes.push(node);
    }

    /// Ends a top-level value: the value pushed last.
    pub(in crate::codec) fn complete(&mut self) {
        self.values += 1;
    }

    pub(in crate::codec) fn open(&mut self) -> OpenNode {
        self.nodes.push(TapeNode::Nil);
        OpenNode(self.nodes.len() - 1)
    }

    pub(in crate::codec) fn close_array(&mut self, opened: OpenNode, items: usize) {
        self.close(opened, |end| TapeNode::Array { items: narrow(items), end });
    }

    /// Closes a struct. Fails if two members have the same name, because it would be a guess which of them counts.
    pub(in crate::codec) fn close_struct(&mut self, opened: OpenNode, members: usize) -> Result<(), Fault> {
        let start = opened.0 + 1;
        self.close(opened, |end| TapeNode::Struct { members: narrow(members), end });
        match self.repeated_name(start, members) {
            Some(name) => Err(Fault::new(Kind::Structure, format!("a struct has two members `{}`", abridge(name)))),
            None => Ok(()),
        }
    }

    fn close(&mut self, opened: OpenNode, node: impl FnOnce(u32) -> TapeNode<'a>) {
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

    pub(in crate::codec) fn node(&self, at: usize) -> &TapeNode<'a> {
        self.nodes.get(at).unwrap_or(&TapeNode::Nil)
    }

    /// The index of the value after the one at `at`.
    pub(in crate::codec) fn after(&self, at: usize) -> usize {
        match self.node(at) {
            TapeNode::Array { end, .. } | TapeNode::Struct { end, .. } => *end as usize,
            _ => at + 1,
        }
    }
}

impl TapeNode<'_> {
    fn into_owned(self) -> TapeNode<'static> {
        match self {
            TapeNode::Nil => TapeNode::Nil,
            TapeNode::Bool(value) => TapeNode::Bool(value),
            TapeNode::Int(value) => TapeNode::Int(value),
            TapeNode::Double(value) => TapeNode::Double(value),
            TapeNode::Text(text) => TapeNode::Text(Cow::Owned(text.into_owned())),
            TapeNode::Digits(digits) => TapeNode::Digits(Cow::Owned(digits.into_owned())),
            TapeNode::Date(date) => TapeNode::Date(date),
            TapeNode::Binary(bytes) => TapeNode::Binary(bytes),
            TapeNode::Array { items, end } => TapeNode::Array { items, end },
            TapeNode::Struct { members, end } => TapeNode::Struct { members, end },
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
            TapeNode::Text(name) => Some(name),
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
    pub(in crate::codec) fn node(self) -> &'t TapeNode<'a> {
        self.tape.node(self.at)
    }

    /// The position of this value on its tape.
    pub fn place(self) -> TapePosition {
        TapePosition(self.at)
    }

    /// The items of an array; `None` for any other value.
    pub fn items(self) -> Option<Values<'t, 'a>> {
        match self.node() {
            TapeNode::Array { items, .. } => Some(self.below(*items)),
            _ => None,
        }
    }

    /// The `count` values after this node.
    pub(in crate::codec) fn below(self, items: u32) -> Values<'t, 'a> {
        Values { tape: self.tape, at: self.at + 1, left: items as usize }
    }

    /// The value of a struct's member; `None` if there is no such member or the value is not a struct.
    pub fn member(self, name: &str) -> Option<ValueRef<'t, 'a>> {
        let TapeNode::Struct { members, .. } = self.node() else { return None };
        let mut at = self.at + 1;
        for _ in 0..*members {
            if matches!(self.tape.node(at), TapeNode::Text(found) if found == name) {
                return Some(ValueRef { tape: self.tape, at: at + 1 });
            }
            at = self.tape.after(at + 1);
        }
        None
    }

    /// The names and values of a struct's members, in order; `None` for any other value.
    pub fn members(self) -> Option<impl Iterator<Item = (&'t str, ValueRef<'t, 'a>)>> {
        let TapeNode::Struct { members, .. } = self.node() else { return None };
        let names = MemberNames { tape: self.tape, at: self.at + 1, left: *members as usize };
        let values = self.below(members.saturating_mul(2)).skip(1).step_by(2);
        Some(names.zip(values))
    }

    /// The text of a string; `None` for any other value.
    pub fn text(self) -> Option<&'t str> {
        match self.node() {
            TapeNode::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the value is a struct.
    pub fn is_struct(self) -> bool {
        matches!(self.node(), TapeNode::Struct { .. })
    }
}

/// Stores a count of nodes in 32 bits. Documents are far smaller than 4 GiB; a larger count saturates, and the document
/// would read as truncated.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
