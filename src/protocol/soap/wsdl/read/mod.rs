//! Reads WSDL 1.1 documents with their XML schemas into an interface and a binding, which is the form of the messages.
//!
//! Supported are ports of SOAP 1.1 and 1.2; document/literal, wrapped or not, rpc/literal and rpc/encoded; sequences, all,
//! choices, groups, attributes, extensions, substitution groups, facets, wildcards, arrays of the SOAP encoding, repeated
//! elements, and the headers that a binding names. Unknown types are free-form.
//!
//! The documents that croupier writes are read back as the same shapes, as far as WSDL can express them: tuples with named
//! items become records, and defaults become documentation.

mod arrays;
mod content;
mod operations;
mod simple;
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
use types::TypeReader;

/// A document, and its location for messages.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// Its address or path.
    pub location: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// The content of a description.
#[derive(Debug, Clone)]
pub struct WsdlDescription {
    /// The methods that can be called.
    pub interface: Interface,
    /// The form of the messages.
    pub binding: Binding,
    /// Whether the required parameters are inferred, because rpc style cannot express optional parameters.
    pub inferred: bool,
}

/// The addresses in the imports and includes of a document, as written; they may be relative to the document's own. The
/// caller decides which of them it fetches.
///
/// # Errors
/// The errors of [`read`].
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
    Ok(Sources::new(&documents, &trees)?.imports())
}

/// Reads a description from a document and all documents that it refers to.
///
/// `port` is the name of the SOAP port. Without it, the first port for SOAP 1.1 is read, or else the first SOAP port.
///
/// # Errors
/// With the document, line and column: `NotWellFormed` if it is not XML; `Limit` if it is too large; `Structure` if it is
/// not WSDL, does not have the port, or has a reference that leads nowhere.
pub fn read(documents: &[Document<'_>], port: Option<&str>) -> Result<WsdlDescription, Fault> {
    let trees = source::trees(documents)?;
    let sources = Sources::new(documents, &trees)?;
    let port = Port::find(&sources, port)?;
    let mut types = TypeReader::new(&sources);
    let (methods, operations) = port.operations(&mut types)?;
    types.finish()?;
    types.prune(methods.iter().flat_map(|method| {
        method.params.iter().map(|param| param.schema.as_value()).chain([method.result.as_value()])
    }));
    let TypeReader { typed, defs, namespaces, .. } = types;
    let interface = Interface { title: port.title(), doc: port.doc(), methods, defs, ..Interface::default() };
    let binding = Binding { address: port.address(), version: port.version, operations, types: typed, namespaces };
    Ok(WsdlDescription { interface, binding, inferred: port.is_rpc() })
}

/// The fault for an error in the description.
fn description_fault(message: impl Into<String>) -> Fault {
    Fault::new(Kind::Structure, message.into())
}
