//! Reads an XML-RPC document by the cheaper of two readers: one pass over plain documents, a tree for all others.

use std::borrow::Cow;

use super::document::XmlRpcDocument;
use super::{plain, tree};
use crate::codec::Limits;
use crate::codec::xml::{Reading, charset, prolog};
use crate::model::fault::Fault;

impl<'a> XmlRpcDocument<'a> {
    /// Reads a document of at most `limits`.
    ///
    /// A plain document takes one pass. Whatever is unusual in it (comments, CDATA, attributes, namespaces,
    /// carriage returns, and every mistake) is left to the tree, which reads all of XML and words the errors.
    ///
    /// # Errors
    /// `NotWellFormed`, `Structure` where it is XML but no XML-RPC, `BadParams` where a value is none of its
    /// type, `Limit` where it is too large or too deep.
    pub fn read(text: &'a str, reading: Reading, limits: Limits) -> Result<XmlRpcDocument<'a>, Fault> {
        XmlRpcDocument::inspect(text, reading, limits).map(|(document, _)| document)
    }

    /// Reads a document, and answers whether it is plain: whether there is nothing in it but XML-RPC's own elements, each
    /// in its place, and text, and so nothing that was passed over.
    ///
    /// # Errors
    /// As for [`read`](XmlRpcDocument::read).
    pub fn inspect(text: &'a str, reading: Reading, limits: Limits) -> Result<(XmlRpcDocument<'a>, bool), Fault> {
        match plain::read(text, prolog::start(text, reading)?, reading, limits) {
            Some(document) => Ok((document, true)),
            None => XmlRpcDocument::read_tree(text, reading, limits).map(|document| (document, false)),
        }
    }

    /// Reads a document by way of a tree, plain or not; [`read`](XmlRpcDocument::read) must find the same in it.
    ///
    /// # Errors
    /// As for [`read`](XmlRpcDocument::read).
    pub fn read_tree(text: &'a str, reading: Reading, limits: Limits) -> Result<XmlRpcDocument<'a>, Fault> {
        let start = prolog::start(text, reading)?;
        if text.contains('\r') {
            let text = charset::one_line_end(Cow::Borrowed(text));
            return XmlRpcDocument::read_tree(&text, reading, limits).map(XmlRpcDocument::into_owned);
        }
        let before = text.len() - text.trim_start_matches([' ', '\t', '\n']).len();
        let text = text.get(before..).unwrap_or_default();
        prolog::census(text, limits)?;
        tree::read(text, start.at - before, reading, limits)
    }
}
