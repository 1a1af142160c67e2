//! The settings of a client: address, credentials, time limit, size limit, TLS.

use std::sync::Arc;
use std::time::Duration;

use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderValue, header};

use super::{Client, ClientInner};
use crate::codec::xmlrpc::XmlRpcDialect;
use crate::protocol::xmlrpc::client::XmlRpcCodec;
use crate::upstream::transport::{Address, InvalidAddress, Tls, TlsError, Transport, TransportOptions};

/// The settings of a [`Client`] that is yet to be built.
#[derive(Clone)]
pub struct ClientBuilder {
    url: String,
    credentials: Option<(String, String)>,
    user_agent: String,
    dialect: XmlRpcDialect,
    timeout: Duration,
    max_response: usize,
    tls: Tls,
}

/// Why a client cannot be built. The message does not repeat a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The URL, or the user and password, cannot be used.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The user agent cannot be a header's value.
    #[error("the user agent has characters that a header cannot hold")]
    UserAgent(#[from] InvalidHeaderValue),
}

impl ClientBuilder {
    pub(super) fn new(url: &str) -> ClientBuilder {
        ClientBuilder {
            url: url.to_owned(),
            credentials: None,
            user_agent: concat!("croupier/", env!("CARGO_PKG_VERSION")).to_owned(),
            dialect: XmlRpcDialect::default(),
            timeout: Duration::from_secs(60),
            max_response: 64 << 20,
            tls: Tls::default(),
        }
    }

    /// The time limit for a call, from connecting to the last byte of the response (60 s by default).
    pub fn timeout(self, timeout: Duration) -> ClientBuilder {
        ClientBuilder { timeout, ..self }
    }

    /// Sends this user and password with each call as basic authentication, instead of those in the URL.
    pub fn basic_auth(self, user: &str, password: &str) -> ClientBuilder {
        ClientBuilder { credentials: Some((user.to_owned(), password.to_owned())), ..self }
    }

    /// The `User-Agent` header (`croupier/VERSION` by default).
    pub fn user_agent(self, user_agent: &str) -> ClientBuilder {
        ClientBuilder { user_agent: user_agent.to_owned(), ..self }
    }

    /// The dialect of XML-RPC: nil, large integers, control characters.
    pub fn dialect(self, dialect: XmlRpcDialect) -> ClientBuilder {
        ClientBuilder { dialect, ..self }
    }

    /// The largest response, in bytes (64 MiB by default). The rest of a larger one is not read.
    pub fn max_response(self, bytes: usize) -> ClientBuilder {
        ClientBuilder { max_response: bytes, ..self }
    }

    /// The client's side of TLS, for an `https` URL.
    pub fn tls(self, tls: Tls) -> ClientBuilder {
        ClientBuilder { tls, ..self }
    }

    /// Builds the client. The first call opens the first connection.
    ///
    /// # Errors
    /// If the URL is not valid, a user, password or user agent cannot be sent, or TLS cannot be set up.
    pub fn build(self) -> Result<Client, BuildError> {
        let mut address: Address = self.url.parse()?;
        if let Some((user, password)) = &self.credentials {
            address = address.with_basic(user, password)?;
        }
        let headers = HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_str(&self.user_agent)?)]);
        let codec = XmlRpcCodec { dialect: self.dialect, ..XmlRpcCodec::default() };
        let options = TransportOptions {
            headers,
            tls: self.tls,
            connect: self.timeout,
            response: self.timeout,
            ..TransportOptions::default()
        };
        let transport = Transport::new(vec![address], options)?;
        let (timeout, max_response) = (self.timeout, self.max_response);
        Ok(Client { inner: Arc::new(ClientInner { transport, codec, timeout, max_response }) })
    }
}
