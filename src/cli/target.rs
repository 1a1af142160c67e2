//! The server of `croupier call` and `croupier describe`: its address, credentials and connection.

use std::time::Duration;

use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue};

use super::Failure;
use super::add::location::ServerLocation;
use super::args::{Credentials, SecretSource, ServerArgs};
use crate::protocol::Protocol;
use crate::upstream::transport::{InvalidAddress, Tls, Transport, TransportOptions};

/// The exit code if a server cannot be reached or its response is unusable.
pub(super) const NO_RESULT: u8 = 3;
/// How credentials are given.
pub(super) const CREDENTIALS: &str =
    "give the user with --user and the password with --password env:NAME, or a token with --bearer env:NAME";

/// The header with a token for bearer authentication.
///
/// # Errors
/// With a message if the token is not there, or no header can have it.
pub(super) fn bearer(source: &SecretSource) -> Result<HeaderValue, String> {
    let value = HeaderValue::from_str(&format!("Bearer {}", source.read()?));
    let mut value = value.map_err(|_| "the token has characters that a header cannot have".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// The headers of these credentials.
pub(super) fn credential_headers(credentials: &Credentials) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    if let Some(source) = &credentials.bearer {
        headers.insert(AUTHORIZATION, bearer(source).map_err(|error| Failure::usage(format!("croupier: {error}")))?);
    }
    for (name, value) in &credentials.headers {
        headers.append(name, value.clone());
    }
    Ok(headers)
}

/// A server, and how it is called.
pub(super) struct Target {
    pub(super) location: ServerLocation,
    pub(super) options: TransportOptions,
    /// The only protocol, if one is given.
    pub(super) protocol: Option<Protocol>,
    /// The time limit for each response.
    pub(super) limit: Duration,
}

impl Target {
    /// The server at a URL.
    ///
    /// # Errors
    /// If the URL is not valid, or a secret or file is not there.
    pub(super) fn new(url: &str, args: &ServerArgs) -> Result<Target, Failure> {
        let usage = |error: String| Failure::usage(format!("croupier: {error}"));
        let mut location = ServerLocation::parse(url).map_err(|error: InvalidAddress| usage(error.to_string()))?;
        if let Some(user) = &args.user {
            location.user = Some(user.clone());
        }
        if let Some(source) = &args.password {
            location.password = Some(source.read().map_err(usage)?);
        }
        let agent = HeaderValue::from_static(concat!("croupier/", env!("CARGO_PKG_VERSION")));
        let mut headers = HeaderMap::from_iter([(USER_AGENT, agent)]);
        if let Some(source) = &args.bearer {
            headers.insert(AUTHORIZATION, bearer(source).map_err(usage)?);
        }
        for (name, value) in &args.headers {
            headers.append(name, value.clone());
        }
        let tls = Tls { roots: args.ca_file.clone(), identity: args.client_cert.clone().zip(args.client_key.clone()) };
        tls.check().map_err(|error| usage(error.to_string()))?;
        let limit = args.timeout.into();
        let options = TransportOptions { connect: limit, response: limit, tls, headers, ..TransportOptions::default() };
        Ok(Target { location, options, protocol: args.protocol, limit })
    }

    /// A connection to the server.
    pub(super) fn transport(&self) -> Result<Transport, Failure> {
        self.transport_to(&self.location)
    }

    /// A connection to another location of the server.
    pub(super) fn transport_to(&self, location: &ServerLocation) -> Result<Transport, Failure> {
        let address = location.address().map_err(|error| Failure::usage(format!("croupier: {error}")))?;
        Transport::new(vec![address], self.options.clone()).map_err(|error| Failure::from(error).code(NO_RESULT))
    }

    /// The failure that there is no result.
    pub(super) fn failed(&self, reason: impl std::fmt::Display) -> Failure {
        Failure::from(format_args!("{}: {reason}", self.location.url)).code(NO_RESULT)
    }
}
