//! Looks for a server at the given URL, at the usual paths if the URL has none, and over SCGI.

use std::time::Duration;

use super::location::ServerLocation;
use crate::protocol::Protocol;
use crate::upstream::discovery::client::DiscoveryError;
use crate::upstream::discovery::probe::{ProbeOutcome, ProbeReport, probe};
use crate::upstream::discovery::wsdl::path_of;
use crate::upstream::transport::{Transport, TransportOptions};

/// How many protocols are tried if none is given.
const PROTOCOLS: usize = 3;

/// A server that was found.
#[derive(Debug)]
pub(in crate::cli) struct FoundServer {
    pub(in crate::cli) location: ServerLocation,
    pub(in crate::cli) report: ProbeReport,
    /// Whether it was found over SCGI although the URL says HTTP.
    pub(super) scgi_instead: bool,
    /// The service's address according to its WSDL document, if the URL is that of the document.
    pub(super) service_address: Option<String>,
}

impl FoundServer {
    fn new(location: ServerLocation, report: ProbeReport) -> FoundServer {
        let mut found = FoundServer { location, report, scgi_instead: false, service_address: None };
        if found.report.wsdl_path.is_some()
            && let Some(port) = found.report.ports.first()
            // Only the path is used: it is this server that is to be called.
            && let Some(service) = path_of(&port.address).and_then(|path| found.location.at(&path))
        {
            found.service_address = Some(port.address.clone());
            found.location = service;
        }
        found
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
    match probe(&transport, search.only, limit).await {
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

/// What was tried without success.
#[derive(Debug, Default)]
struct Failures {
    lines: Vec<String>,
    /// How often the connection broke.
    broken: usize,
    /// The `WWW-Authenticate` header of the first response with status 401.
    challenge: Option<String>,
}

impl Failures {
    fn add(&mut self, location: &ServerLocation, protocol: Protocol, error: DiscoveryError) {
        if error.is_broken() {
            self.broken += 1;
        }
        let request = match protocol {
            Protocol::XmlRpc | Protocol::Rest | Protocol::Page => "system.listMethods",
            Protocol::JsonRpc => "rpc.discover",
            Protocol::Soap => "GET ?wsdl",
        };
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
            (None, _) => {
                format!("{url} speaks none of the protocols that were tried\n{}", self.lines.join("\n"))
            }
        }
    }
}
