//! Reads OpenAPI documents into an interface and a binding, which is the form of the requests.
//!
//! Supported are Swagger 2.0 and OpenAPI 3.0, 3.1 and 3.2, as JSON or YAML, in one document or in several. Real documents are
//! often not quite valid, so they are read leniently: an operation that cannot be read is left out, and a type that cannot be
//! read allows any value.
//!
//! The parameters of a method are those in the path, in the order of the path, then those in the query, in headers and in
//! cookies, each in the order of the document, and then the members of the body. A body that is not an object with named
//! members, or whose members have the names of other parameters, is one parameter `body`. Methods are
//! named by their `operationId`, or else by verb and path: `GET /pets/{petId}` is `get_pets_petId`.
//!
//! The documents that croupier writes are read back as the same methods.

mod body;
mod methods;
mod names;
mod objects;
mod operations;
mod params;
mod path;
mod responses;
mod schema;
mod security;
mod servers;
mod source;
#[cfg(test)]
mod tests;

use crate::codec::rest::RestBinding;
use crate::model::fault::{Fault, Kind};
use crate::model::interface::Interface;
use operations::Operations;
use schema::SchemaReader;
use serde_json::Value as Json;
use source::{Sources, Version};

pub use crate::protocol::discovered::{Document, LeftOutOperation, Links};
pub use security::{KeyPlace, SecurityDemand, SecurityScheme};

/// The content of a description.
#[derive(Debug, Clone)]
pub struct OpenApiDescription {
    /// The methods that can be called.
    pub interface: Interface,
    /// The form of the requests.
    pub binding: RestBinding,
    /// The URL of the server that the document names first, if it says on which host that is.
    pub server: Option<String>,
    /// The credentials that the operations demand.
    pub demands: Vec<SecurityDemand>,
    /// The operations that are left out.
    pub left_out: Vec<LeftOutOperation>,
    /// The number of operations in the document.
    pub operations: usize,
}

/// The references of a document to other documents, without their fragments, as written; they may be relative to the document's
/// own location. The caller decides which of them it fetches.
///
/// # Errors
/// `NotWellFormed` if the text is neither JSON nor YAML; `Limit` if it is too large or nested too deep.
///
/// ```
/// use croupier::protocol::rest::openapi::read::{Document, references};
/// let text = "openapi: 3.1.0\npaths:\n  /pets: { $ref: 'pets.yaml#/all' }\n";
/// assert_eq!(references(Document { location: "api.yaml", text })?, ["pets.yaml"]);
/// # Ok::<(), croupier::Fault>(())
/// ```
pub fn references(document: Document<'_>) -> Result<Vec<String>, Fault> {
    Ok(source::external(&source::parse(document)?))
}

/// Checks that a text is the main document of a description.
///
/// # Errors
/// As for [`references`], and `Structure` if it is not an OpenAPI document, or one of another version.
pub fn check_main(document: Document<'_>) -> Result<(), Fault> {
    source::version(&source::parse(document)?).ok_or_else(|| not_a_document(document.location))?.map(|_| ())
}

/// The path under which the server is by its main document, without a slash at its end; empty if the document does not say it.
///
/// # Errors
/// As for [`check_main`].
pub fn base_path(document: Document<'_>) -> Result<String, Fault> {
    let parsed = source::parse(document)?;
    let version = source::version(&parsed).ok_or_else(|| not_a_document(document.location))??;
    Ok(servers::of_document(version, source::Node { document: 0, value: &parsed }, document.location).path)
}

/// Reads a description in one document.
///
/// # Errors
/// As for [`read_linked`].
///
/// ```
/// use croupier::protocol::rest::openapi::read::{Document, read};
/// let text = r#"{ "openapi": "3.0.0", "paths": { "/pets/{id}": { "get": { "operationId": "readPet" } } } }"#;
/// let read = read(Document { location: "/openapi.json", text })?;
/// assert_eq!(read.interface.methods[0].name, "readPet");
/// assert_eq!(read.interface.methods[0].params[0].name, "id");
/// # Ok::<(), croupier::Fault>(())
/// ```
pub fn read(document: Document<'_>) -> Result<OpenApiDescription, Fault> {
    read_linked(&[document], &Links::new())
}

/// Reads a description in several documents, of which the first is the main one. `links` has the documents that references lead
/// to. A reference to any other document leads nowhere.
///
/// # Errors
/// `NotWellFormed` if a text is neither JSON nor YAML; `Limit` if there is too much of it; `Structure` if it is not an OpenAPI
/// document, is one of another version, or if none of its operations can be called.
pub fn read_linked(documents: &[Document<'_>], links: &Links) -> Result<OpenApiDescription, Fault> {
    let location = documents.first().map(|document| document.location).unwrap_or_default();
    let values = source::parse_all(documents)?;
    let version = values.first().and_then(source::version).ok_or_else(|| not_a_document(location))??;
    read_values(values, version, (links, location))
}

/// Reads a description in several documents, of which the first is the main one and has a location.
fn read_values(
    documents: Vec<Json>,
    version: Version,
    (links, location): (&Links, &str),
) -> Result<OpenApiDescription, Fault> {
    let sources = Sources::new(documents, links);
    let main = sources.main();
    let server = servers::of_document(version, main, location);
    let mut schemas = SchemaReader::new(&sources);
    let Operations { methods, operations, demands, left_out, count } =
        operations::read(&mut schemas, version, &server, location);
    if !schemas.finish() {
        return Err(Fault::new(Kind::Limit, "the schemas of the OpenAPI document have too many values"));
    }
    if methods.is_empty() {
        return Err(no_methods(&left_out));
    }
    let info = main.get("info").unwrap_or(main);
    let (title, doc) = (info.text("title").trim().to_owned(), info.text("description").trim().to_owned());
    Ok(OpenApiDescription {
        interface: Interface { title, doc, methods, defs: schemas.defs, ..Interface::default() },
        binding: RestBinding { base: server.path, operations },
        server: server.url,
        demands,
        left_out,
        operations: count,
    })
}

fn not_a_document(location: &str) -> Fault {
    description_fault(format!("{location}: it has neither a member `openapi` nor a member `swagger` with a version"))
}

fn no_methods(left_out: &[LeftOutOperation]) -> Fault {
    match left_out.first() {
        Some(first) => description_fault(format!(
            "none of the operations of the OpenAPI document can be called; `{}`: {}",
            first.name, first.reason
        )),
        None => description_fault("the OpenAPI document has no operations in `paths`"),
    }
}

/// The fault for an error in the description.
fn description_fault(message: impl Into<String>) -> Fault {
    Fault::new(Kind::Structure, message.into())
}
