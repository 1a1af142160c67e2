//! The documents that a description consists of: one, and those that it refers to.
//!
//! Everything is fetched from the upstream itself, whatever a reference says: a URL with another host is read as the same
//! path on the upstream. Servers behind a proxy write the host under which they know themselves, and a description must not
//! be able to make the gateway send requests to other hosts. What a file refers to is a file, if it can be one.

use url::{Position, Url};

use super::client::{DiscoveryClient, DiscoveryError};
use super::imported_files::FindReferences;
use super::{MAX_DOCUMENTS, imported_files};
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;
use crate::protocol::discovered::Links;
use crate::upstream::DescriptionFile;
use crate::upstream::gaps::UnreadImport;

/// How many bytes they may have together.
const MAX_TOTAL: usize = 64 << 20;

/// The documents of a description, with all that could be had.
pub(super) struct LinkedDocuments {
    /// The location and the text of each.
    pub(super) documents: Vec<(String, String)>,
    pub(super) links: Links,
    pub(super) unread: Vec<UnreadImport>,
}

/// Where the first document of a description is.
pub(super) enum RootDocuments<'a> {
    /// A document of the server: its path and its text.
    OfServer(String, String),
    /// Files, of which the first is the main one.
    Files(&'a [DescriptionFile]),
}

/// Fetches the documents that those at hand refer to.
///
/// # Errors
/// `Limit` if there are too many; otherwise if the first cannot be read, or if the server cannot be reached.
pub(super) async fn fetch_all(
    client: &DiscoveryClient<'_>,
    first: RootDocuments<'_>,
    find: FindReferences,
) -> Result<LinkedDocuments, Fault> {
    let mut loaded = match first {
        RootDocuments::Files(files) => LoadedDocuments::of_files(files, find)?,
        RootDocuments::OfServer(path, text) => {
            let mut loaded = LoadedDocuments::new(find);
            loaded.add(DocumentLocation::Path(path), text)??;
            loaded
        }
    };
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
    Ok(loaded.linked(links, unread))
}

/// Links files, without documents of the server.
///
/// # Errors
/// `Limit` if there are too many; otherwise if the first cannot be read.
#[cfg(feature = "config")]
pub(super) fn link_files(files: &[DescriptionFile], find: FindReferences) -> Result<LinkedDocuments, Fault> {
    let loaded = LoadedDocuments::of_files(files, find)?;
    let (mut links, mut unread) = (Links::new(), Vec::new());
    for (from, document) in loaded.documents.iter().enumerate() {
        for reference in &document.references {
            let name = imported_files::resolve(document.location.text(), reference);
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
    Ok(loaded.linked(links, unread))
}

/// The documents that have been read.
struct LoadedDocuments {
    find: FindReferences,
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
    fn new(find: FindReferences) -> LoadedDocuments {
        LoadedDocuments { find, documents: Vec::new(), total: 0 }
    }

    /// Adds a document.
    ///
    /// # Errors
    /// The inner one, if it is not a document of a description; the outer one is `Limit`, if there are too many.
    fn add(&mut self, location: DocumentLocation, text: String) -> Result<Result<(), Fault>, Fault> {
        let references = match (self.find)(location.text(), &text) {
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

    fn of_files(files: &[DescriptionFile], find: FindReferences) -> Result<LoadedDocuments, Fault> {
        let mut loaded = LoadedDocuments::new(find);
        for (at, file) in files.iter().enumerate() {
            let added = loaded.add(DocumentLocation::File(file.name.clone()), file.text.clone())?;
            // The others have been reported when they were read.
            if at == 0 {
                added?;
            }
        }
        Ok(loaded)
    }

    fn linked(self, links: Links, unread: Vec<UnreadImport>) -> LinkedDocuments {
        let text = |document: LoadedDocument| (document.location.text().to_owned(), document.text);
        LinkedDocuments { documents: self.documents.into_iter().map(text).collect(), links, unread }
    }

    fn position(&self, location: &DocumentLocation) -> Option<usize> {
        self.documents.iter().position(|document| document.location == *location)
    }
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
        DocumentLocation::File(name) => match imported_files::resolve(name, reference) {
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
}
