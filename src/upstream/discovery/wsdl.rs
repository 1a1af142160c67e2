//! WSDL: a document, and the documents that it imports.
//!
//! Everything is fetched from the upstream itself, whatever a reference says: a URL with another host is read as the same
//! path on the upstream. Servers behind a proxy write the host under which they know themselves, and a description must not
//! be able to make the gateway send requests to other hosts.

use std::collections::BTreeSet;

use url::{Position, Url};

use super::client::{DiscoveryClient, DiscoveryError};
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;
use crate::protocol::soap::wsdl::read as wsdl;
use crate::protocol::soap::wsdl::read::{Document, WsdlDescription};

/// How many documents a description may consist of.
const MAX_DOCUMENTS: usize = 64;
/// How many ports of each SOAP version are listed.
const MAX_PORTS: usize = 20;
/// The namespaces of port addresses of SOAP 1.1 and 1.2 (WSDL 1.1, section 3.8, and its binding for SOAP 1.2).
const ADDRESS_NAMESPACES: [&str; 2] =
    ["http://schemas.xmlsoap.org/wsdl/soap/", "http://schemas.xmlsoap.org/wsdl/soap12/"];

/// A SOAP port of a WSDL document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SoapPort {
    pub(crate) name: String,
    pub(crate) address: String,
}

/// Fetches a WSDL document, without its imports.
pub(super) async fn fetch(client: &DiscoveryClient<'_>, path: &str) -> Result<String, DiscoveryError> {
    let text = client.get(path).await?;
    match wsdl::imports(Document { location: path, text: &text }) {
        Ok(_) => Ok(text),
        Err(_) => Err(DiscoveryError::Malformed("the response is not a WSDL document".to_owned())),
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

impl FetchedWsdl {
    /// The path of the service according to the document, if the server's address does not have it. Only the path is used: it
    /// is this server that is to be called.
    #[cfg(feature = "cli")]
    pub(super) fn service_path(&self) -> Option<String> {
        if !self.is_own_path {
            return None;
        }
        path_of(&soap_ports(&self.text).first()?.address)
    }
}

/// The path and query of an address.
#[cfg(feature = "cli")]
pub(crate) fn path_of(address: &str) -> Option<String> {
    let uri: http::Uri = address.trim().parse().ok()?;
    uri.path_and_query().map(|path| path.as_str().to_owned())
}

/// Fetches the WSDL document of a server: at its address with `?wsdl`, or at the address itself.
pub(super) async fn fetch_usual(client: &DiscoveryClient<'_>) -> Result<FetchedWsdl, DiscoveryError> {
    let path = client.path().split('?').next().unwrap_or("/");
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

/// Reads the description that begins with this document, and fetches the others. `port` names one of several SOAP ports.
///
/// # Errors
/// `Limit` if there are too many documents; otherwise if one cannot be fetched or read.
pub(super) async fn describe(
    client: &DiscoveryClient<'_>,
    location: String,
    text: String,
    port: Option<&str>,
) -> Result<WsdlDescription, Fault> {
    let mut documents = vec![(location, text)];
    let mut next = 0;
    while let Some((location, text)) = documents.get(next) {
        let imports = wsdl::imports(Document { location, text })?;
        let locations: BTreeSet<String> =
            imports.iter().map(|import| resolve(location, import)).collect::<Result<_, _>>()?;
        for location in locations {
            if documents.iter().any(|(known, _)| *known == location) {
                continue;
            }
            if documents.len() == MAX_DOCUMENTS {
                let message = format!("the description consists of more than {MAX_DOCUMENTS} documents");
                return Err(Fault::new(Kind::Limit, message));
            }
            let text = client.get(&location).await.map_err(|error| match error {
                DiscoveryError::Transport(error) => crate::upstream::fault::from_transport(&error),
                other => super::unusable(&format_args!("{location}: {other}")),
            })?;
            documents.push((location, text));
        }
        next += 1;
    }
    let documents: Vec<_> = documents.iter().map(|(location, text)| Document { location, text }).collect();
    wsdl::read(&documents, port)
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

/// The SOAP ports of a WSDL document, those of SOAP 1.1 first, which are preferred.
///
/// The document must have been read before: this sets no limits of its own.
pub(super) fn soap_ports(text: &str) -> Vec<SoapPort> {
    let Ok(tree) = roxmltree::Document::parse(text) else { return Vec::new() };
    let ports_of = |namespace: &str| -> Vec<SoapPort> {
        let addresses = tree.descendants().filter(|node| node.has_tag_name((namespace, "address")));
        let ports = addresses.filter_map(|address| {
            let name = address.parent_element()?.attribute("name")?.to_owned();
            Some(SoapPort { name, address: address.attribute("location").unwrap_or_default().to_owned() })
        });
        ports.take(MAX_PORTS).collect()
    };
    ADDRESS_NAMESPACES.iter().flat_map(|namespace| ports_of(namespace)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "cli")]
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
    fn ports_for_soap_are_read_from_a_wsdl_document() {
        let text = format!(
            "<d xmlns:t='{}' xmlns:s='{}'><service><port name='A'><x location='http://x/'/></port>\
             <port name='B'><t:address location='http://b/'/></port>\
             <port name='C'><s:address location='http://c/d?e'/></port></service></d>",
            ADDRESS_NAMESPACES[1], ADDRESS_NAMESPACES[0]
        );
        let ports = soap_ports(&text);
        assert_eq!(ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>(), ["C", "B"]);
        assert_eq!(ports[0].address, "http://c/d?e");
    }
}
