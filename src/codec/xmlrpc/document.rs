//! From a document's text to what it says: a call, an answer or a fault, and the values in it.

use std::borrow::Cow;

use crate::codec::tape::Tape;

/// A document as read: what its root says, and the values under it.
#[derive(Debug, Clone, PartialEq)]
pub struct XmlRpcDocument<'a> {
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

impl XmlRpcDocument<'_> {
    /// The same document, free of the text it was read from.
    pub(super) fn into_owned(self) -> XmlRpcDocument<'static> {
        let root = match self.root {
            Root::Call(name) => Root::Call(Cow::Owned(name.into_owned())),
            Root::Answer => Root::Answer,
            Root::Fault => Root::Fault,
        };
        XmlRpcDocument { root, tape: self.tape.into_owned() }
    }
}
