//! Reads an XML-RPC document by the cheaper of two readers: one pass over plain documents, a tree for all others.

use std::borrow::Cow;

use super::document::XmlRpcDocument;
use super::{plain, tree};
use crate::codec::DocumentLimits;
use crate::codec::xml::{InvalidCharacters, Reading, charset, invalid, prolog};
use crate::model::fault::{Fault, Kind};

impl<'a> XmlRpcDocument<'a> {
    /// Reads a document within `limits`.
    ///
    /// A plain document takes one pass. A document with anything unusual in it (comments, CDATA, attributes, namespaces,
    /// carriage returns, any error) is read through a tree, which handles all of XML and reports errors.
    ///
    /// # Errors
    /// `NotWellFormed`, `Structure` for XML that is not XML-RPC, `BadParams` for a value that is not valid for its
    /// type, `Limit` for a document that is too large or too deep.
    pub fn read(text: &'a str, reading: Reading, limits: DocumentLimits) -> Result<XmlRpcDocument<'a>, Fault> {
        XmlRpcDocument::inspect(text, reading, limits).map(|(document, _)| document)
    }

    /// Reads a document, and returns whether it is plain: whether it consists of XML-RPC's own elements and text alone, so
    /// that nothing in it was ignored.
    ///
    /// # Errors
    /// As for [`read`](XmlRpcDocument::read).
    pub fn inspect(
        text: &'a str,
        reading: Reading,
        limits: DocumentLimits,
    ) -> Result<(XmlRpcDocument<'a>, bool), Fault> {
        match plain::read(text, prolog::start(text, reading)?, reading, limits) {
            Some(document) => Ok((document, true)),
            None => XmlRpcDocument::read_tree(text, reading, limits).map(|document| (document, false)),
        }
    }

    /// Reads a document that may have characters which XML forbids: they are kept or replaced in the texts of its values.
    /// Strict reading refuses them.
    ///
    /// # Errors
    /// As for [`read`](XmlRpcDocument::read).
    pub fn read_with(
        text: &'a str,
        reading: Reading,
        invalid: InvalidCharacters,
        limits: DocumentLimits,
    ) -> Result<XmlRpcDocument<'a>, Fault> {
        let fault = match XmlRpcDocument::read(text, reading, limits) {
            Err(fault) if fault.kind == Kind::NotWellFormed && reading == Reading::Lenient => fault,
            read => return read,
        };
        let Some(invalid::CleanedDocument { text, placeholders }) = invalid::without_forbidden(text, invalid) else {
            return Err(fault);
        };
        let mut document = XmlRpcDocument::read(&text, reading, limits)?.into_owned();
        if let Some(placeholders) = placeholders {
            document.tape.each_text(|text| placeholders.restore(text));
        }
        Ok(document)
    }

    /// Reads a document through a tree, plain or not. The result is the same as that of [`read`](XmlRpcDocument::read).
    ///
    /// # Errors
    /// As for [`read`](XmlRpcDocument::read).
    pub fn read_tree(text: &'a str, reading: Reading, limits: DocumentLimits) -> Result<XmlRpcDocument<'a>, Fault> {
        let start = prolog::start(text, reading)?;
        if text.contains('\r') {
            let text = charset::one_line_end(Cow::Borrowed(text));
            return XmlRpcDocument::read_tree(&text, reading, limits).map(XmlRpcDocument::into_owned);
        }
        let before = prolog::before_document(text, reading);
        let text = text.get(before..).unwrap_or_default();
        prolog::census(text, limits)?;
        tree::read(text, start.at - before, reading, limits)
    }
}
