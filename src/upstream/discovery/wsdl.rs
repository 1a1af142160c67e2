//! WSDL: a document, and the documents that it imports.

use super::client::{DiscoveryClient, DiscoveryError};
use super::documents;
use super::documents::{LinkedDocuments, RootDocuments};
use crate::model::fault::Fault;
use crate::protocol::soap::wsdl::read as wsdl;
use crate::protocol::soap::wsdl::read::{Document, WsdlDescription, WsdlOptions};
use crate::upstream::DescriptionFile;
use crate::upstream::gaps::UnreadImport;

/// A description that has been read.
#[derive(Debug)]
pub(crate) struct ReadDescription {
    pub(crate) description: WsdlDescription,
    /// What could not be had of it.
    pub(crate) unread: Vec<UnreadImport>,
}

/// Fetches a WSDL document, without its imports.
pub(super) async fn fetch(client: &DiscoveryClient<'_>, path: &str) -> Result<String, DiscoveryError> {
    let text = client.get(path).await?;
    match wsdl::imports(Document { location: path, text: &text }) {
        Ok(_) => Ok(text),
        Err(fault) => Err(DiscoveryError::Malformed(format!("the response is not a WSDL document: {}", fault.message))),
    }
}

/// The WSDL document of a server.
pub(super) struct FetchedWsdl {
    /// Its path.
    pub(super) location: String,
    pub(super) text: String,
    /// Whether the path of the server's address is that of the document, and not that of the service.
    pub(super) is_own_path: bool,
}

/// The path and query of an address.
pub(crate) fn path_of(address: &str) -> Option<String> {
    let uri: http::Uri = address.trim().parse().ok()?;
    uri.path_and_query().map(|path| path.as_str().to_owned())
}

/// Whether a path with its query is that of a WSDL document, and not that of a service: it ends in `.wsdl`, or the query has a
/// name such as `wsdl` or `singleWsdl`.
pub(crate) fn is_document(path: &str) -> bool {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let is_wsdl = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
        name == "wsdl" || name == "singlewsdl"
    };
    path.to_ascii_lowercase().ends_with(".wsdl") || query.split('&').any(is_wsdl)
}

/// Fetches the WSDL document of a server: at its address if that is the address of a document; otherwise at the address with
/// `?wsdl`, or at the address itself.
pub(super) async fn fetch_usual(client: &DiscoveryClient<'_>) -> Result<FetchedWsdl, DiscoveryError> {
    let path = client.path();
    if is_document(path) {
        let text = fetch(client, path).await?;
        return Ok(FetchedWsdl { location: path.to_owned(), text, is_own_path: true });
    }
    let path = path.split('?').next().unwrap_or("/");
    let usual = format!("{path}?wsdl");
    match fetch(client, &usual).await {
        Ok(text) => Ok(FetchedWsdl { location: usual, text, is_own_path: false }),
        Err(error @ (DiscoveryError::Transport(_) | DiscoveryError::Unauthorized(_))) => Err(error),
        Err(error) => {
            let text = fetch(client, path).await.map_err(|_| error)?;
            Ok(FetchedWsdl { location: path.to_owned(), text, is_own_path: true })
        }
    }
}

/// Reads the description that begins with this document of the server, and fetches the others. `options` name one of
/// several SOAP ports.
///
/// # Errors
/// As for [`describe_files`], and if the document cannot be read.
pub(super) async fn describe(
    client: &DiscoveryClient<'_>,
    location: String,
    text: String,
    options: WsdlOptions<'_>,
) -> Result<ReadDescription, Fault> {
    read(documents::fetch_all(client, RootDocuments::OfServer(location, text), imports).await?, options)
}

/// Reads the description in these files, the first of which is the WSDL document.
///
/// # Errors
/// `Limit` if there are too many documents; otherwise if the server cannot be reached for a document that is imported from it,
/// or if no operation can be called.
pub(super) async fn describe_files(
    client: &DiscoveryClient<'_>,
    files: &[DescriptionFile],
    options: WsdlOptions<'_>,
) -> Result<ReadDescription, Fault> {
    read(documents::fetch_all(client, RootDocuments::Files(files), imports).await?, options)
}

/// The imports of a document of a description, as written.
///
/// # Errors
/// If it is neither WSDL nor XML Schema.
pub(crate) fn imports(location: &str, text: &str) -> Result<Vec<String>, Fault> {
    wsdl::imports(Document { location, text })
}

/// Reads the description in these files, as [`describe_files`] does, without documents of the server.
///
/// # Errors
/// `Limit` if there are too many documents; otherwise if no operation can be called.
#[cfg(feature = "config")]
pub(crate) fn read_files(files: &[DescriptionFile], options: WsdlOptions<'_>) -> Result<ReadDescription, Fault> {
    read(documents::link_files(files, imports)?, options)
}

fn read(linked: LinkedDocuments, options: WsdlOptions<'_>) -> Result<ReadDescription, Fault> {
    let LinkedDocuments { documents, links, unread } = linked;
    let documents: Vec<_> = documents.iter().map(|(location, text)| Document { location, text }).collect();
    Ok(ReadDescription { description: wsdl::read_linked(&documents, &links, options)?, unread })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_address_is_what_counts() {
        assert_eq!(path_of("http://c/d?e").as_deref(), Some("/d?e"));
        assert_eq!(path_of("nowhere at all"), None);
    }

    #[test]
    fn a_document_is_known_by_its_address() {
        for path in ["/a.wsdl", "/a.WSDL?x", "/a?wsdl", "/a.svc?singleWsdl", "/a?b=c&WSDL=1", "/a?wsdl=a.wsdl"] {
            assert!(is_document(path), "{path}");
        }
        for path in ["/", "/a", "/wsdl", "/a?wsdls", "/a?b=wsdl", "/a.wsdl/b"] {
            assert!(!is_document(path), "{path}");
        }
    }
}
