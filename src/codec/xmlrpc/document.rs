//! A document after reading: a call, a response or a fault, and its values.

use std::borrow::Cow;

use crate::codec::tape::Tape;

/// A document after reading.
#[derive(Debug, Clone, PartialEq)]
pub struct XmlRpcDocument<'a> {
    /// The kind of document.
    pub root: Root<'a>,
    /// A call's parameters, a response's value if it has one, or a fault's struct.
    pub tape: Tape<'a>,
}

/// The kind of document, by its root element.
#[derive(Debug, Clone, PartialEq)]
pub enum Root<'a> {
    /// `<methodCall>`, with the method's name.
    Call(Cow<'a, str>),
    /// `<methodResponse>` with `<params>`.
    Response,
    /// `<methodResponse>` with `<fault>`.
    Fault,
}

impl XmlRpcDocument<'_> {
    /// The same document without borrowed text.
    pub(super) fn into_owned(self) -> XmlRpcDocument<'static> {
        let root = match self.root {
            Root::Call(name) => Root::Call(Cow::Owned(name.into_owned())),
            Root::Response => Root::Response,
            Root::Fault => Root::Fault,
        };
        XmlRpcDocument { root, tape: self.tape.into_owned() }
    }
}
