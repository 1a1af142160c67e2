//! From WSDL 1.1, with XML Schema in it or beside it, to an interface and to how its messages look.
//!
//! What is read: SOAP 1.1 and 1.2 ports; document/literal, wrapped or not, rpc/literal and rpc/encoded; sequences, all,
//! choices, groups, extensions, enumerations, arrays of SOAP's encoding and repeated elements. What is not: attributes,
//! headers and wildcards, which calls then lack. Types of which nothing is known are free-form.
//!
//! Our own documents read back as the shapes that they were made of, so far as WSDL can say it: tuples whose items have
//! names become records, and defaults are only text.

mod operations;
mod source;
mod structure;
#[cfg(test)]
mod tests;
mod types;

use crate::codec::soap::Binding;
use crate::model::fault::{Fault, Kind};
use crate::model::interface::Interface;
use operations::Port;
use source::Sources;
use types::Types;

/// One document, and where it was found, for messages.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// Its address or path.
    pub location: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// What a description says.
#[derive(Debug, Clone)]
pub struct WsdlDescription {
    /// What may be called.
    pub interface: Interface,
    /// How the messages look.
    pub binding: Binding,
    /// Whether it is a guess which parameters must be given: rpc style has no words for one that may be left out.
    pub inferred: bool,
}

/// The other documents that a document refers to, as it writes their addresses, which may be relative to its own: those
/// of imports and includes that have one. Whoever fetches them decides which may be.
///
/// # Errors
/// As for [`read`].
///
/// ```
/// use croupier::protocol::soap::wsdl::read::{Document, imports};
/// let text = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/"><import namespace="urn:a" location="a.wsdl"/>
///               </definitions>"#;
/// assert_eq!(imports(Document { location: "http://localhost/b.wsdl", text })?, ["a.wsdl"]);
/// # Ok::<(), croupier::Fault>(())
/// ```
pub fn imports(document: Document<'_>) -> Result<Vec<String>, Fault> {
    let documents = [document];
    let trees = source::trees(&documents)?;
    Ok(Sources::of(&documents, &trees)?.imports())
}

/// Reads a description from a document and from those that it refers to, all of which must be there.
///
/// Of several ports that speak SOAP it is the one of this name, or else the first for SOAP 1.1, or else the first.
///
/// # Errors
/// With the document, line and column: `NotWellFormed` and `Limit` as for any document; `Structure` where it is no WSDL,
/// has no such port, or refers to what is not there.
pub fn read(documents: &[Document<'_>], port: Option<&str>) -> Result<WsdlDescription, Fault> {
    let trees = source::trees(documents)?;
    let sources = Sources::of(documents, &trees)?;
    let port = Port::find(&sources, port)?;
    let mut types = Types::new(&sources);
    let (methods, operations) = port.operations(&mut types)?;
    types.finish()?;
    types.prune(methods.iter().flat_map(|method| {
        method.params.iter().map(|param| param.schema.as_value()).chain([method.result.as_value()])
    }));
    let Types { typed, defs, namespaces, .. } = types;
    let interface = Interface { title: port.title(), doc: port.doc(), methods, defs, ..Interface::default() };
    let binding = Binding { address: port.address(), version: port.version, operations, types: typed, namespaces };
    Ok(WsdlDescription { interface, binding, inferred: port.is_rpc() })
}

/// A fault of the description itself.
fn wrong(message: impl Into<String>) -> Fault {
    Fault::new(Kind::Structure, message.into())
}
