//! OpenAPI: a document, and the documents that it refers to.

use super::client::{DiscoveryClient, DiscoveryError};
use super::documents;
use super::documents::{LinkedDocuments, RootDocuments};
use crate::model::fault::Fault;
use crate::protocol::rest::openapi::read as openapi;
use crate::protocol::rest::openapi::read::{Document, OpenApiDescription};
use crate::upstream::DescriptionFile;
use crate::upstream::gaps::UnreadImport;

/// The paths at which servers have their documents, below the path of the server or of its host. Common frameworks have one of
/// them unless they are configured otherwise.
const USUAL: [&str; 9] = [
    "/openapi.json",
    "/v3/api-docs",
    "/swagger.json",
    "/api/openapi.json",
    "/openapi.yaml",
    "/swagger/v1/swagger.json",
    "/v2/api-docs",
    "/openapi/v1.json",
    "/api-docs",
];

/// A description that has been read.
#[derive(Debug)]
pub(crate) struct ReadOpenApi {
    pub(crate) description: OpenApiDescription,
    /// What could not be had of it.
    pub(crate) unread: Vec<UnreadImport>,
}

/// The OpenAPI document of a server.
pub(super) struct FetchedOpenApi {
    /// Its path.
    pub(super) location: String,
    pub(super) text: String,
}

/// Whether a path is that of a document by its end, and not that of a service.
pub(crate) fn is_document(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default().to_ascii_lowercase();
    [".json", ".yaml", ".yml", "/api-docs"].iter().any(|end| path.ends_with(end))
}

/// Fetches the OpenAPI document at a path of the server, without those that it refers to.
pub(super) async fn fetch(client: &DiscoveryClient<'_>, path: &str) -> Result<FetchedOpenApi, DiscoveryError> {
    let text = client.get(path).await?;
    match openapi::check_main(Document { location: path, text: &text }) {
        Ok(()) => Ok(FetchedOpenApi { location: path.to_owned(), text }),
        Err(fault) => {
            Err(DiscoveryError::Malformed(format!("the response is not an OpenAPI document: {}", fault.message)))
        }
    }
}

/// Fetches the OpenAPI document of a server: at its address if that is the address of a document; otherwise at the usual paths
/// below that of its address, and then below its host. A document there counts if it is about the path of the address: a host
/// may have several services.
///
/// # Errors
/// Of several paths, the error of the first; that the server cannot be reached ends the search.
pub(super) async fn fetch_usual(client: &DiscoveryClient<'_>) -> Result<FetchedOpenApi, DiscoveryError> {
    let path = client.path().split('?').next().unwrap_or_default();
    if is_document(path) {
        return fetch(client, client.path()).await;
    }
    let own = path.trim_end_matches('/');
    let below = USUAL.iter().map(|usual| format!("{own}{usual}"));
    let below_host = USUAL.iter().filter(|_| !own.is_empty()).map(|usual| (*usual).to_owned());
    let places = below.map(|path| (path, false)).chain(below_host.map(|path| (path, true)));
    let mut first = None;
    for (path, is_of_host) in places {
        let fetched = fetch(client, &path).await.and_then(|fetched| match is_of_host {
            true => check_base_path(fetched, own),
            false => Ok(fetched),
        });
        match fetched {
            Ok(fetched) => return Ok(fetched),
            Err(error) if error.is_final() => return Err(error),
            Err(error) => drop(first.get_or_insert((path, error))),
        }
    }
    Err(match first {
        Some((path, DiscoveryError::Status(reason))) => DiscoveryError::Status(format!("{path}: {reason}")),
        Some((path, DiscoveryError::Malformed(reason))) => DiscoveryError::Malformed(format!("{path}: {reason}")),
        Some((_, error)) => error,
        None => DiscoveryError::Malformed("it has no path".to_owned()),
    })
}

/// The document, if it is about the service at this path.
fn check_base_path(fetched: FetchedOpenApi, path: &str) -> Result<FetchedOpenApi, DiscoveryError> {
    let base = openapi::base_path(Document { location: &fetched.location, text: &fetched.text });
    match base.is_ok_and(|base| base == path) {
        true => Ok(fetched),
        false => Err(DiscoveryError::Malformed("the document is about another service".to_owned())),
    }
}

/// Reads the description that begins with this document of the server, and fetches the others.
///
/// # Errors
/// As for [`describe_files`].
pub(super) async fn describe(
    client: &DiscoveryClient<'_>,
    location: String,
    text: String,
) -> Result<ReadOpenApi, Fault> {
    read(documents::fetch_all(client, RootDocuments::OfServer(location, text), references).await?)
}

/// Reads the description in these files, the first of which is the main document.
///
/// # Errors
/// `Limit` if there are too many documents; otherwise if the server cannot be reached for a document that is referred to, or if
/// no operation can be called.
pub(super) async fn describe_files(
    client: &DiscoveryClient<'_>,
    files: &[DescriptionFile],
) -> Result<ReadOpenApi, Fault> {
    read(documents::fetch_all(client, RootDocuments::Files(files), references).await?)
}

/// Reads the description in these files, as [`describe_files`] does, without documents of the server.
///
/// # Errors
/// `Limit` if there are too many documents; otherwise if no operation can be called.
#[cfg(feature = "config")]
pub(crate) fn read_files(files: &[DescriptionFile]) -> Result<ReadOpenApi, Fault> {
    read(documents::link_files(files, references)?)
}

/// The references of a document to others, as written.
///
/// # Errors
/// If it is neither JSON nor YAML.
pub(crate) fn references(location: &str, text: &str) -> Result<Vec<String>, Fault> {
    openapi::references(Document { location, text })
}

fn read(linked: LinkedDocuments) -> Result<ReadOpenApi, Fault> {
    let LinkedDocuments { documents, links, unread } = linked;
    let documents: Vec<_> = documents.iter().map(|(location, text)| Document { location, text }).collect();
    Ok(ReadOpenApi { description: openapi::read_linked(&documents, &links)?, unread })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_known_by_its_address() {
        for path in ["/openapi.json", "/a/b.YAML?x=1", "/x.yml", "/v3/api-docs"] {
            assert!(is_document(path), "{path}");
        }
        for path in ["/", "/api", "/json", "/api?format=.json"] {
            assert!(!is_document(path), "{path}");
        }
    }
}
