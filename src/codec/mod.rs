//! Codecs: how each format writes values to bytes and reads them back.
//!
//! A codec knows values, documents and messages of its format. It knows neither services nor HTTP: the frontends and
//! clients in `protocol/` decide which document to read or write, and what to do with it.
//!
//! | module | format |
//! |---|---|
//! | [`json`] | JSON texts, for JSON-RPC and REST |
//! | [`xmlrpc`] | XML-RPC calls, responses and faults |
//! | [`soap`] | SOAP 1.1 and 1.2 messages |
//! | [`xml`] | what the XML formats share: encodings, checks before parsing, element trees, escaping |
//! | `jws` | JSON Web Signatures, by which tokens are signed |
//! | [`tape`] | the values of an XML document as a flat list of nodes, between parsing and deserializing |
//!
//! Values are written through serde: each format has a `Serializer`, so a method's result is encoded straight from its
//! Rust type. Values are read in two steps. A reader checks the whole document, within [`DocumentLimits`], before
//! anything is built from it; only then does serde build the parameter types, because the method's signature is known
//! only after the method's name has been read. Between the steps JSON keeps the checked text itself, and XML keeps a *tape*
//! ([`tape::Tape`]): the values of the document in one flat list that borrows its text.
//!
//! Readers refuse ambiguous input, such as two members with the same name, instead of guessing. Writers refuse values
//! that a format cannot represent, unless the group's dialect ([`json::JsonDialect`], [`xmlrpc::XmlRpcDialect`]) allows a
//! replacement.
//!
//! ```
//! use croupier::codec::xmlrpc::{XmlRpcDialect, write_response};
//!
//! let mut document = Vec::new();
//! write_response(&mut document, &(17, "BLACK"), XmlRpcDialect::default())?;
//! assert!(document.starts_with(b"<?xml"));
//! # Ok::<(), croupier::codec::xml::Unwritable>(())
//! ```

pub mod json;
#[cfg(feature = "server")]
pub mod jws;
#[cfg(feature = "client")]
pub(crate) mod media;
#[cfg(feature = "server")]
pub(crate) mod portions;
#[cfg(feature = "client")]
pub mod rest;
pub mod soap;
pub mod tape;
pub mod xml;
pub mod xmlrpc;
#[cfg(feature = "server")]
pub mod yaml;

/// How large and how deep a document may be. Readers count before they allocate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentLimits {
    /// How deep arrays and structs may nest (64 by default). A value above [`DEEPEST`](DocumentLimits::DEEPEST) has the
    /// effect of `DEEPEST`.
    pub depth: usize,
    /// How many elements or JSON values a document may have (250,000 by default). Attributes, comments, processing
    /// instructions and CDATA sections count as elements.
    pub elements: usize,
}

impl DocumentLimits {
    /// The highest possible depth: readers and writers recurse, and a worker's stack is 2 MiB.
    pub const DEEPEST: usize = crate::model::value::DEEPEST;
}

impl Default for DocumentLimits {
    fn default() -> Self {
        DocumentLimits { depth: 64, elements: 250_000 }
    }
}
