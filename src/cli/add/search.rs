//! Looks for a server at the given URL, at the usual paths if the URL has none, and over SCGI.

use std::time::Duration;

use super::location::ServerLocation;
use crate::protocol::Protocol;
use crate::upstream::discovery::client::DiscoveryError;
use crate::upstream::discovery::probe::{ProbeOutcome, ProbeReport, probe};
use crate::upstream::transport::{Transport, TransportOptions};

/// How many protocols are tried if none is given.
const PROTOCOLS: usize = 3;

/// A server that was found.
#[derive(Debug)]
pub(super) struct FoundServer {
    pub(super) location: ServerLocation,
    pub(super) report: ProbeReport,
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

/// Looks for a server, in all protocols or in `only` this one. `limit` is the time limit for each response; `variable` is
/// the environment variable that can hold a password.
///
/// # Errors
/// With a message for the user: the server cannot be reached, speaks none of the protocols, or requires a password.
pub(super) async fn search(
    location: &ServerLocation,
    only: Option<Protocol>,
    limit: Duration,
    variable: &str,
) -> Result<FoundServer, String> {
    let mut failures = Failures::default();
    for location in location.and_usual() {
        let broken_before = failures.broken;
        if let Some(report) = probe_location(&location, only, limit, &mut failures).await? {
            return Ok(FoundServer::new(location, report));
        }
        // A server that breaks every connection may be one of SCGI.
        if failures.broken - broken_before < only.map_or(PROTOCOLS, |_| 1) {
            continue;
        }
        if let Some(location) = location.over_scgi()
            && let Some(report) = probe_location(&location, only, limit, &mut failures).await?
        {
            return Ok(FoundServer { scgi_instead: true, ..FoundServer::new(location, report) });
        }
    }
    Err(failures.message(location, variable))
}

async fn probe_location(
    location: &ServerLocation,
    only: Option<Protocol>,
    limit: Duration,
    failures: &mut Failures,
) -> Result<Option<ProbeReport>, String> {
    let address = location.address().map_err(|error| error.to_string())?;
    // The limit of each request is to end it, not that of the transport.
    let options = TransportOptions { response: limit * 2, ..TransportOptions::default() };
    let transport = Transport::new(vec![address], options).map_err(|error| error.to_string())?;
    match probe(&transport, only, limit).await {
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

/// The path and query of an address.
fn path_of(address: &str) -> Option<String> {
    let uri: http::Uri = address.trim().parse().ok()?;
    uri.path_and_query().map(|path| path.as_str().to_owned())
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

    fn message(self, location: &ServerLocation, variable: &str) -> String {
        let url = &location.url;
        match (self.challenge, &location.user) {
            (Some(challenge), None) => {
                let challenge = if challenge.is_empty() { challenge } else { format!(" ({challenge})") };
                format!(
                    "{url} requires authentication: HTTP 401{challenge}\ngive the user with --user, and the password in \
                     the environment variable {variable}"
                )
            }
            (Some(_), Some(user)) => format!("{url} does not accept the user `{user}` with this password: HTTP 401"),
            (None, _) => {
                format!("{url} speaks none of the protocols that were tried\n{}", self.lines.join("\n"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_address_is_what_counts() {
        assert_eq!(path_of("http://c/d?e").as_deref(), Some("/d?e"));
        assert_eq!(path_of("nowhere at all"), None);
    }
}
