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
mod known;
mod names;
mod operations;
mod simple;
mod source;
mod structure;
#[cfg(test)]
mod tests;
mod types;

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::codec::soap::{
    Binding, BindingType, BindingTypes, ElementContent, Occurrence, Operation, SoapVersion, TypeStructure,
};
use crate::model::fault::{Fault, Kind};
use crate::model::interface::{Interface, Method};
pub use crate::protocol::discovered::{Document, LeftOutOperation, Links};
use operations::{Operations, Port};
use source::{SourceText, SourceTree, Sources};
use types::TypeReader;

/// The content of a description.
#[derive(Debug, Clone)]
pub struct WsdlDescription {
    /// The methods that can be called.
    pub interface: Interface,
    /// The form of the messages.
    pub binding: Binding,
    /// Whether the required parameters are inferred, because rpc style cannot express optional parameters.
    pub inferred: bool,
    /// The operations that are left out, because they refer to something that is missing or not supported.
    pub left_out: Vec<LeftOutOperation>,
    /// All SOAP ports of the description, in its order.
    pub ports: Vec<SoapPort>,
    /// The index in `ports` of the port that was read; `None` for a binding without a port.
    pub port: Option<usize>,
}

/// A SOAP port of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoapPort {
    /// The name of its service.
    pub service: String,
    /// Its own name.
    pub name: String,
    /// The URL for calls; may be empty.
    pub address: String,
    /// The version of its envelopes.
    pub version: SoapVersion,
}

/// The addresses in the imports and includes of a document, as written; they may be relative to the document's own. The
/// caller decides which of them it fetches. Public schemas that are built in, such as the encoding of SOAP, are not among
/// them.
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
    let texts = [SourceText::new(document)];
    let trees = source::trees(&texts)?;
    Ok(Sources::new(&trees)?.imports())
}

/// Reads a description from a document and all documents that it refers to. A reference leads to the document with this
/// location.
///
/// `port` is the name of the SOAP port, or of its service, or both with a `/` between them. Without it, the first port for
/// SOAP 1.1 is read, or else the first SOAP port.
///
/// # Errors
/// With the document, line and column: `NotWellFormed` if it is not XML; `Limit` if it is too large; `Structure` if it is
/// not WSDL, does not have the port, or if none of its operations can be called. The fault is then that of the first.
pub fn read(documents: &[Document<'_>], port: Option<&str>) -> Result<WsdlDescription, Fault> {
    let mut links = Links::new();
    for (from, document) in documents.iter().enumerate() {
        for reference in imports(*document)? {
            let target = documents.iter().position(|other| other.location == reference);
            links.extend(target.map(|to| ((from, reference), to)));
        }
    }
    read_linked(documents, &links, WsdlOptions { port, response_headers: false })
}

/// What is read of a description.
#[derive(Debug, Clone, Copy, Default)]
pub struct WsdlOptions<'a> {
    /// The SOAP port, as for [`read`].
    pub port: Option<&'a str>,
    /// Whether methods return the header blocks of responses beside the result: a struct of `headers` and `result`.
    pub response_headers: bool,
}

/// Reads a description, as [`read`] does. `links` has the documents that the references lead to.
///
/// # Errors
/// As those of [`read`].
pub fn read_linked(
    documents: &[Document<'_>],
    links: &Links,
    options: WsdlOptions<'_>,
) -> Result<WsdlDescription, Fault> {
    let known = known::schemas(documents.iter().map(|document| document.text));
    let mut texts: Vec<_> = documents.iter().copied().chain(known).map(SourceText::new).collect();
    let trees = source::trees(&texts)?;
    let adopted = source::adopted(&texts, &trees, links)?;
    if adopted.is_empty() {
        return describe(&trees, options);
    }
    drop(trees);
    texts.extend(adopted);
    describe(&source::trees(&texts)?, options)
}

fn describe(trees: &[SourceTree<'_>], options: WsdlOptions<'_>) -> Result<WsdlDescription, Fault> {
    let sources = Sources::new(trees)?;
    let ports = operations::ports(&sources)?;
    let port = Port::select(&ports, options.port)?;
    let mut types = TypeReader::new(&sources);
    let Operations { mut methods, mut operations, mut left_out } =
        port.operations(&mut types, options.response_headers)?;
    let failed = types.finish();
    if !failed.is_empty() {
        leave_out_failed(&mut methods, &mut operations, &mut left_out, &types.unusable(failed));
    }
    if let (true, Some((_, fault))) = (methods.is_empty(), left_out.first()) {
        return Err(fault.clone());
    }
    types.prune(methods.iter().flat_map(schemas));
    let TypeReader { typed, defs, namespaces, .. } = types;
    if port.is_rpc() {
        send_free_nil(&mut operations, &typed);
    }
    let interface = Interface { title: port.title(), doc: port.doc(), methods, defs, ..Interface::default() };
    let types = BindingTypes::new(typed);
    let binding = Binding { address: port.address(), version: port.version, operations, types, namespaces };
    let left_out = left_out.into_iter();
    let left_out = left_out.map(|(name, fault)| LeftOutOperation { name, reason: fault.message.into_owned() });
    Ok(WsdlDescription {
        interface,
        binding,
        inferred: port.is_rpc(),
        left_out: left_out.collect(),
        port: ports.iter().position(|other| other.is_same(&port)),
        ports: ports.iter().filter_map(Port::describe).collect(),
    })
}

/// A part of rpc style that is null is left out, but a free-form value, as in croupier's own documents, has an element for nil.
/// That a part has such a type is known only when all types are read.
fn send_free_nil(operations: &mut [Operation], types: &[BindingType]) {
    let is_free = |content: &ElementContent| match content {
        ElementContent::Typed(at) => {
            matches!(types.get(*at).map(|typed| &typed.structure), Some(TypeStructure::Free(_)))
        }
        _ => false,
    };
    let parts = operations.iter_mut().flat_map(|operation| &mut operation.request.parts);
    for part in parts.filter(|part| is_free(&part.content)) {
        part.occurs = Occurrence::Once;
    }
}

/// Removes the methods that use types which cannot be read: the faults of these by the names of their definitions.
fn leave_out_failed(
    methods: &mut Vec<Method>,
    operations: &mut Vec<Operation>,
    left_out: &mut Vec<(String, Fault)>,
    unusable: &HashMap<String, Fault>,
) {
    let fault = |method: &Method| {
        let mut names = schemas(method).flat_map(types::references);
        names.find_map(|name| unusable.get(&name)).cloned()
    };
    let faults: Vec<Option<Fault>> = methods.iter().map(fault).collect();
    let failed = methods.iter().zip(&faults).filter_map(|(method, fault)| Some((method.name.clone(), fault.clone()?)));
    left_out.extend(failed);
    let mut usable = faults.iter().map(Option::is_none);
    methods.retain(|_| usable.next().unwrap_or_default());
    let mut usable = faults.iter().map(Option::is_none);
    operations.retain(|_| usable.next().unwrap_or_default());
}

/// The schemas of the parameters and the result of a method.
fn schemas(method: &Method) -> impl Iterator<Item = &Json> {
    method.params.iter().map(|param| param.schema.as_value()).chain([method.result.as_value()])
}

/// The fault for an error in the description.
fn description_fault(message: impl Into<String>) -> Fault {
    Fault::new(Kind::Structure, message.into())
}
