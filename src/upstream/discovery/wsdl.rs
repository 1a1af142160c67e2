//! WSDL: a document, and the documents that it imports.
//!
//! Everything is fetched from the upstream itself, whatever a reference says: a URL with another host is read as the same
//! path on the upstream. Servers behind a proxy write the host under which they know themselves, and a description must not
//! be able to make the gateway send requests to other hosts.

use url::{Position, Url};

use super::client::{DiscoveryClient, DiscoveryError};
use super::{MAX_DOCUMENTS, wsdl_files};
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;
use crate::protocol::soap::wsdl::read as wsdl;
use crate::protocol::soap::wsdl::read::{Document, Links, WsdlDescription, WsdlOptions};
use crate::upstream::DescriptionFile;
use crate::upstream::gaps::UnreadImport;

/// How many bytes they may have together.
const MAX_TOTAL: usize = 64 << 20;

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

/// The documents of a description that have been read.
#[derive(Default)]
struct LoadedDocuments {
    documents: Vec<LoadedDocument>,
    /// The bytes of all of them.
    total: usize,
}

struct LoadedDocument {
    location: DocumentLocation,
    text: String,
    /// What it refers to.
    references: Vec<String>,
}

/// Where a document is from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum DocumentLocation {
    /// A path of the server.
    Path(String),
    /// A file.
    File(String),
}

impl DocumentLocation {
    fn text(&self) -> &str {
        match self {
            DocumentLocation::Path(text) | DocumentLocation::File(text) => text,
        }
    }
}

impl LoadedDocuments {
    /// Adds a document.
    ///
    /// # Errors
    /// The inner one, if it is not a document of a description; the outer one is `Limit`, if there are too many.
    fn add(&mut self, location: DocumentLocation, text: String) -> Result<Result<(), Fault>, Fault> {
        let references = match wsdl::imports(Document { location: location.text(), text: &text }) {
            Ok(references) => references,
            Err(fault) => return Ok(Err(fault)),
        };
        self.total = self.total.saturating_add(text.len());
        if self.documents.len() == MAX_DOCUMENTS || self.total > MAX_TOTAL {
            return Err(too_many_documents());
        }
        self.documents.push(LoadedDocument { location, text, references });
        Ok(Ok(()))
    }

    fn of_files(files: &[DescriptionFile]) -> Result<LoadedDocuments, Fault> {
        let mut loaded = LoadedDocuments::default();
        for (at, file) in files.iter().enumerate() {
            let added = loaded.add(DocumentLocation::File(file.name.clone()), file.text.clone())?;
            // The others have been reported when they were read.
            if at == 0 {
                added?;
            }
        }
        Ok(loaded)
    }

    fn read(
        &self,
        links: &Links,
        unread: Vec<UnreadImport>,
        options: WsdlOptions<'_>,
    ) -> Result<ReadDescription, Fault> {
        let documents = self.documents.iter();
        let documents: Vec<_> =
            documents.map(|document| Document { location: document.location.text(), text: &document.text }).collect();
        Ok(ReadDescription { description: wsdl::read_linked(&documents, links, options)?, unread })
    }

    fn position(&self, location: &DocumentLocation) -> Option<usize> {
        self.documents.iter().position(|document| document.location == *location)
    }
}

/// Reads the description that begins with this document of the server, and fetches the others. `options` name one of several
/// SOAP ports.
///
/// # Errors
/// As for [`describe_files`], and if the document cannot be read.
pub(super) async fn describe(
    client: &DiscoveryClient<'_>,
    location: String,
    text: String,
    options: WsdlOptions<'_>,
) -> Result<ReadDescription, Fault> {
    let mut loaded = LoadedDocuments::default();
    loaded.add(DocumentLocation::Path(location), text)??;
    read(client, loaded, options).await
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
    read(client, LoadedDocuments::of_files(files)?, options).await
}

async fn read(
    client: &DiscoveryClient<'_>,
    mut loaded: LoadedDocuments,
    options: WsdlOptions<'_>,
) -> Result<ReadDescription, Fault> {
    let mut links = Links::new();
    let mut unread: Vec<UnreadImport> = Vec::new();
    let mut next = 0;
    while let Some(document) = loaded.documents.get(next) {
        let (from, references) = (document.location.clone(), document.references.clone());
        for reference in references {
            if loaded.documents.len() + unread.len() > MAX_DOCUMENTS {
                return Err(too_many_documents());
            }
            let location = match locate(client, &from, &reference) {
                Ok(location) => location,
                Err(fault) => {
                    unread.push(UnreadImport { location: reference, reason: fault.message.into_owned() });
                    continue;
                }
            };
            let is_new =
                loaded.position(&location).is_none() && unread.iter().all(|known| known.location != location.text());
            if is_new && let Err(failed) = load(client, &mut loaded, location.clone()).await? {
                unread.push(failed);
            }
            links.extend(loaded.position(&location).map(|to| ((next, reference), to)));
        }
        next += 1;
    }
    loaded.read(&links, unread, options)
}

/// Reads the description in these files, as [`describe_files`] does, without documents of the server.
///
/// # Errors
/// `Limit` if there are too many documents; otherwise if no operation can be called.
#[cfg(feature = "config")]
pub(crate) fn read_files(files: &[DescriptionFile], options: WsdlOptions<'_>) -> Result<ReadDescription, Fault> {
    let loaded = LoadedDocuments::of_files(files)?;
    let (mut links, mut unread) = (Links::new(), Vec::new());
    for (from, document) in loaded.documents.iter().enumerate() {
        for reference in &document.references {
            let name = wsdl_files::resolve(document.location.text(), reference);
            let to = name.clone().and_then(|name| loaded.position(&DocumentLocation::File(name)));
            match (to, name) {
                (Some(to), _) => drop(links.insert((from, reference.clone()), to)),
                (None, Some(name)) => unread.push(UnreadImport::of_file(name)),
                (None, None) => {
                    let reason = "it is not a file, and is fetched from the server of the service".to_owned();
                    unread.push(UnreadImport { location: reference.clone(), reason });
                }
            }
            if unread.len() > MAX_DOCUMENTS {
                return Err(too_many_documents());
            }
        }
    }
    loaded.read(&links, unread, options)
}

fn too_many_documents() -> Fault {
    let message =
        format!("the description consists of more than {MAX_DOCUMENTS} documents, or of more than {MAX_TOTAL} bytes");
    Fault::new(Kind::Limit, message)
}

/// Where a reference in a document leads. What a file refers to that is not a file is on the server.
fn locate(client: &DiscoveryClient<'_>, from: &DocumentLocation, reference: &str) -> Result<DocumentLocation, Fault> {
    match from {
        DocumentLocation::Path(base) => resolve(base, reference).map(DocumentLocation::Path),
        DocumentLocation::File(name) => match wsdl_files::resolve(name, reference) {
            Some(name) => Ok(DocumentLocation::File(name)),
            None => resolve(client.path(), reference).map(DocumentLocation::Path),
        },
    }
}

/// Fetches a document that another one refers to. The inner error is one that only the document cannot be had.
async fn load(
    client: &DiscoveryClient<'_>,
    loaded: &mut LoadedDocuments,
    location: DocumentLocation,
) -> Result<Result<(), UnreadImport>, Fault> {
    let path = match &location {
        DocumentLocation::Path(path) => path.clone(),
        DocumentLocation::File(name) => return Ok(Err(UnreadImport::of_file(name.clone()))),
    };
    let reason = match client.get(&path).await {
        Ok(text) => match loaded.add(location, text)? {
            Ok(()) => return Ok(Ok(())),
            Err(fault) => fault.message.into_owned(),
        },
        Err(DiscoveryError::Transport(error)) if !error.connected() || error.is_late() => {
            return Err(crate::upstream::fault::from_transport(&error));
        }
        Err(error) => error.to_string(),
    };
    Ok(Err(UnreadImport { location: path, reason }))
}

/// The path and query of a reference in the document at `base`, which is a path or the name of a file (RFC 3986,
/// section 5.2). See the head of this module for references to other hosts.
///
/// # Errors
/// If the reference is not a valid URL, or its scheme is neither `http` nor `https`.
pub(super) fn resolve(base: &str, reference: &str) -> Result<String, Fault> {
    let invalid = |error: url::ParseError| {
        super::unusable(&format_args!("`{}` is not a valid reference: {error}", abridge(reference)))
    };
    // The host is only a stand-in: no request is sent to it.
    let root = Url::parse("http://upstream/").map_err(invalid)?;
    let base = root.join(base).ok().filter(|base| base.scheme() == "http").unwrap_or(root);
    let target = base.join(reference).map_err(invalid)?;
    if !matches!(target.scheme(), "http" | "https") {
        let message = format_args!("`{}` refers to a document that is not on this server", abridge(reference));
        return Err(super::unusable(&message));
    }
    Ok(target[Position::BeforePath..Position::AfterQuery].to_owned())
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
    fn references_are_paths_on_the_same_server() {
        for (base, reference, path) in [
            ("/a/service", "?wsdl", "/a/service?wsdl"),
            ("/a/service?wsdl", "types.xsd", "/a/types.xsd"),
            ("/a/service?wsdl", "../types.xsd?x=1", "/types.xsd?x=1"),
            ("/a/service", "http://other.example/b/types.xsd#c", "/b/types.xsd"),
            ("/a/service", "//other.example/b/types.xsd", "/b/types.xsd"),
            ("/a/b/c", "/d", "/d"),
            ("/", "../../e", "/e"),
            ("service.wsdl", "types.xsd", "/types.xsd"),
        ] {
            assert_eq!(resolve(base, reference).unwrap(), path, "{base} {reference}");
        }
        for reference in ["ftp://other.example/types.xsd", "file:///etc/passwd", "urn:types", "http://"] {
            assert!(resolve("/a/service", reference).is_err(), "{reference}");
        }
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
