//! Looks for a server at the given URL, at the usual paths if the URL has none, and over SCGI.

use std::time::Duration;

use super::location::ServerLocation;
use crate::protocol::Protocol;
use crate::upstream::discovery::client::DiscoveryError;
use crate::upstream::discovery::probe::{ProbeOutcome, ProbeReport, probe};
use crate::upstream::discovery::wsdl::{is_document, path_of};
use crate::upstream::transport::{Address, Transport, TransportOptions};

/// How many protocols are tried if none is given.
const PROTOCOLS: usize = 3;

/// A server that was found.
#[derive(Debug)]
pub(in crate::cli) struct FoundServer {
    pub(in crate::cli) location: ServerLocation,
    pub(in crate::cli) report: ProbeReport,
    /// Whether it was found over SCGI although the URL says HTTP.
    pub(super) scgi_instead: bool,
    /// Where its description is, if it is not where it is looked for.
    pub(super) description: Option<String>,
    /// What is to be said of the service's address.
    pub(super) address: AddressNote,
}

/// What is to be said of the address of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AddressNote {
    /// Nothing: it is the one that was given.
    None,
    /// The URL, or the file, is that of the WSDL or OpenAPI document. The service is at this address, as the document says.
    Stated(String),
    /// The document does not say where the service is.
    Missing,
    /// The document says that it is at another address.
    Different(String),
}

impl FoundServer {
    /// A server at the location at which it was looked for.
    pub(super) fn new(location: ServerLocation, report: ProbeReport) -> FoundServer {
        let found =
            FoundServer { location, report, scgi_instead: false, description: None, address: AddressNote::None };
        let stated = found.report.stated_address();
        match (found.report.document_path.clone(), stated) {
            // The base path is known to the codec.
            (None, Some(stated)) if stated.starts_with('/') => found,
            (None, Some(stated)) => found.note_other(stated),
            (Some(path), stated) => found.described_at(&path, stated.unwrap_or_default()),
            (None, None) => found,
        }
    }

    /// Notes an address of the document that is not the one which was given. Servers behind a proxy state that which they know.
    fn note_other(self, stated: String) -> FoundServer {
        let path = self.location.url.parse::<Address>().map(|address| address.path().to_owned());
        let is_same = self.location.is_server_of(&stated) && path_of(&stated) == path.ok();
        let address =
            if is_same || path_of(&stated).is_none() { AddressNote::None } else { AddressNote::Different(stated) };
        FoundServer { address, ..self }
    }

    /// A service whose document is at this path of the location. The service itself is where the document says (WSDL 1.1, section
    /// 3.8). An OpenAPI document without an address describes its own server.
    fn described_at(self, path: &str, stated: String) -> FoundServer {
        if self.report.protocol == Protocol::Rest && !stated.contains("://") {
            let location = self.location.at("/").unwrap_or_else(|| self.location.clone());
            return FoundServer { location, description: Some(path.to_owned()), ..self };
        }
        let is_url = stated.contains("://") && stated.parse::<Address>().is_ok();
        let is_local = !self.location.url.contains("://");
        let own_path = path_of(&stated).filter(|_| self.location.is_server_of(&stated) || is_local);
        if let Some(service) = own_path.and_then(|own| self.location.at(&own)) {
            let is_soap = self.report.protocol == Protocol::Soap;
            let is_usual = path_of(&stated).is_some_and(|own| is_soap && format!("{own}?wsdl") == path);
            // The server is the one that was given, whatever it is called in the document.
            let is_same = is_usual && service.url == self.location.url;
            let address = match (is_same, service.url == stated) {
                (true, _) => AddressNote::None,
                (false, true) => AddressNote::Stated(stated),
                (false, false) => AddressNote::Different(stated),
            };
            let description = (!is_usual).then(|| path.to_owned());
            return FoundServer { location: service, description, address, ..self };
        }
        if is_url {
            let description = self.location.at(path).map(|document| document.url);
            // The user and the password are those of the server of the document.
            let location = ServerLocation { url: stated.clone(), user: None, password: None, document: None };
            return FoundServer { location, description, address: AddressNote::Stated(stated), ..self };
        }
        let url = self.location.url.split('?').next().unwrap_or_default().to_owned();
        let location = ServerLocation { url, ..self.location.clone() };
        FoundServer { location, description: Some(path.to_owned()), address: AddressNote::Missing, ..self }
    }

    /// A service whose document is in a file. `name` is the name of the file for the configuration.
    pub(super) fn of_file(name: &str, report: ProbeReport) -> FoundServer {
        let stated = report.stated_address();
        let is_url = |stated: &String| stated.contains("://") && stated.parse::<Address>().is_ok();
        let (url, address) = match stated.filter(is_url) {
            Some(stated) => (stated.clone(), AddressNote::Stated(stated)),
            None => ("http://localhost/".to_owned(), AddressNote::Missing),
        };
        let location = ServerLocation { url, user: None, password: None, document: None };
        FoundServer { location, report, scgi_instead: false, description: Some(format!("file:{name}")), address }
    }
}

/// How a server is looked for.
pub(in crate::cli) struct Search<'a> {
    /// The only protocol that is tried, if it is one.
    pub(in crate::cli) only: Option<Protocol>,
    /// The time limit for each response.
    pub(in crate::cli) limit: Duration,
    /// How connections are made, and headers that are sent.
    pub(in crate::cli) options: &'a TransportOptions,
    /// How the user can give a user name and a password.
    pub(in crate::cli) credentials: &'a str,
}

/// Looks for a server.
///
/// # Errors
/// With a message for the user: the server cannot be reached, speaks none of the protocols, or requires a password.
pub(in crate::cli) async fn search(location: &ServerLocation, search: &Search<'_>) -> Result<FoundServer, String> {
    let mut failures = Failures::default();
    for location in location.and_usual() {
        let broken_before = failures.broken;
        if let Some(report) = probe_location(&location, search, &mut failures).await? {
            return Ok(FoundServer::new(location, report));
        }
        // A server that breaks every connection may be one of SCGI.
        if failures.broken - broken_before < search.only.map_or(PROTOCOLS, |_| 1) {
            continue;
        }
        if let Some(location) = location.over_scgi()
            && let Some(report) = probe_location(&location, search, &mut failures).await?
        {
            return Ok(FoundServer { scgi_instead: true, ..FoundServer::new(location, report) });
        }
    }
    // The document of a host may be about all of its services, so that each is looked for in its own protocol first.
    if search.only.is_none() {
        let search = Search { only: Some(Protocol::Rest), ..*search };
        if let Some(report) = probe_location(location, &search, &mut failures).await? {
            return Ok(FoundServer::new(location.clone(), report));
        }
    }
    Err(failures.message(location, search.credentials))
}

async fn probe_location(
    location: &ServerLocation,
    search: &Search<'_>,
    failures: &mut Failures,
) -> Result<Option<ProbeReport>, String> {
    let address = location.address().map_err(|error| error.to_string())?;
    // The limit of each request is to end it, not that of the transport.
    let limit = search.limit;
    let options = TransportOptions { response: limit * 2, ..search.options.clone() };
    let transport = Transport::new(vec![address], options).map_err(|error| error.to_string())?;
    let document = location.document.as_deref();
    let document = document.filter(|path| search.only.is_none_or(|only| only == protocol_of(path)));
    match probe(&transport, search.only, limit, document).await {
        Ok(ProbeOutcome { best, failures: failed }) => {
            for (protocol, error) in failed {
                failures.add(location, protocol, error);
            }
            Ok(best)
        }
        Err(DiscoveryError::Transport(error)) if error.is_late() => {
            Err(format!("{} does not respond within {limit:?}", location.url))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The protocol of the service that a document at this path describes.
fn protocol_of(path: &str) -> Protocol {
    if is_document(path) { Protocol::Soap } else { Protocol::Rest }
}

/// What was tried without success.
#[derive(Debug, Default)]
struct Failures {
    lines: Vec<String>,
    /// How often the connection broke.
    broken: usize,
    /// The `WWW-Authenticate` header of the first response with status 401.
    challenge: Option<String>,
    /// Why the WSDL document at the URL cannot be used, if the URL is that of one.
    of_document: Option<String>,
}

impl Failures {
    fn add(&mut self, location: &ServerLocation, protocol: Protocol, error: DiscoveryError) {
        if error.is_broken() {
            self.broken += 1;
        }
        let request = match protocol {
            Protocol::XmlRpc | Protocol::Page => "system.listMethods",
            Protocol::Rest => "GET openapi.json",
            Protocol::JsonRpc => "rpc.discover",
            Protocol::Soap => "GET ?wsdl",
            Protocol::Mcp => "tools/list",
        };
        if protocol == Protocol::Soap && location.document.is_some() {
            self.of_document = Some(error.to_string());
        }
        self.lines.push(format!("  {} ({}, {request}): {error}", location.url, protocol.title()));
        if let DiscoveryError::Unauthorized(challenge) = error {
            self.challenge.get_or_insert(challenge);
        }
    }

    fn message(self, location: &ServerLocation, credentials: &str) -> String {
        let url = &location.url;
        match (self.challenge, &location.user) {
            (Some(challenge), None) => {
                let challenge = if challenge.is_empty() { challenge } else { format!(" ({challenge})") };
                format!("{url} requires authentication: HTTP 401{challenge}\n{credentials}")
            }
            (Some(_), Some(user)) => format!("{url} does not accept the user `{user}` with this password: HTTP 401"),
            (None, _) if self.of_document.is_some() => {
                format!("the WSDL document at {url} cannot be used: {}", self.of_document.unwrap_or_default())
            }
            (None, _) => {
                format!("{url} speaks none of the protocols that were tried\n{}", self.lines.join("\n"))
            }
        }
    }
}
