//! From a document's text to what it says: a call, an answer or a fault, and the values in it.

use std::borrow::Cow;

use super::{plain, tree};
use crate::codec::Limits;
use crate::codec::tape::Tape;
use crate::codec::xml::{Reading, charset, prolog};
use crate::model::fault::Fault;

/// A document as read: what its root says, and the values under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document<'a> {
    /// What the root element says.
    pub root: Root<'a>,
    /// A call's parameters; an answer's one value, or none; a fault's struct.
    pub tape: Tape<'a>,
}

/// What a document's root element says.
#[derive(Debug, Clone, PartialEq)]
pub enum Root<'a> {
    /// `<methodCall>`, with the method's name.
    Call(Cow<'a, str>),
    /// `<methodResponse>` with `<params>`.
    Answer,
    /// `<methodResponse>` with `<fault>`.
    Fault,
}

impl<'a> Document<'a> {
    /// Reads a document of at most `limits`.
    ///
    /// A plain document takes one pass. Whatever is unusual in it (comments, CDATA, attributes, namespaces,
    /// carriage returns, and every mistake) is left to the tree, which reads all of XML and words the errors.
    ///
    /// # Errors
    /// `NotWellFormed`, `Structure` where it is XML but no XML-RPC, `BadParams` where a value is none of its
    /// type, `Limit` where it is too large or too deep.
    pub fn read(text: &'a str, reading: Reading, limits: Limits) -> Result<Document<'a>, Fault> {
        Document::inspect(text, reading, limits).map(|(document, _)| document)
    }

    /// Reads a document, and answers whether it is plain: whether there is nothing in it but XML-RPC's own elements, each
    /// in its place, and text, and so nothing that was passed over.
    ///
    /// # Errors
    /// As for [`read`](Document::read).
    pub fn inspect(text: &'a str, reading: Reading, limits: Limits) -> Result<(Document<'a>, bool), Fault> {
        match plain::read(text, prolog::start(text, reading)?, reading, limits) {
            Some(document) => Ok((document, true)),
            None => Document::read_tree(text, reading, limits).map(|document| (document, false)),
        }
    }

    /// Reads a document by way of a tree, plain or not; [`read`](Document::read) must find the same in it.
    ///
    /// # Errors
    /// As for [`read`](Document::read).
    pub fn read_tree(text: &'a str, reading: Reading, limits: Limits) -> Result<Document<'a>, Fault> {
        let start = prolog::start(text, reading)?;
        if text.contains('\r') {
            let text = charset::one_line_end(Cow::Borrowed(text));
            return Document::read_tree(&text, reading, limits).map(Document::into_owned);
        }
        let before = text.len() - text.trim_start_matches([' ', '\t', '\n']).len();
        let text = text.get(before..).unwrap_or_default();
        prolog::census(text, limits)?;
        tree::read(text, start.at - before, reading, limits)
    }

    /// The same document, free of the text it was read from.
    pub(super) fn into_owned(self) -> Document<'static> {
        let root = match self.root {
            Root::Call(name) => Root::Call(Cow::Owned(name.into_owned())),
            Root::Answer => Root::Answer,
            Root::Fault => Root::Fault,
        };
        Document { root, tape: self.tape.into_owned() }
    }
}
