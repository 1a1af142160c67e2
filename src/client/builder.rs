//! A proxy being put together: where to, by what right, how long, how much.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use super::{Client, Inner};
use crate::codec::xmlrpc::XmlRpcDialect;
use crate::protocol::xmlrpc::client::XmlRpcCodec;
use crate::upstream::transport::{Address, AddressError, Tls, Transport, TransportOptions};

/// A [`Client`] that is being put together.
#[derive(Clone)]
pub struct Builder {
    url: String,
    credentials: Option<(String, String)>,
    user_agent: String,
    dialect: XmlRpcDialect,
    timeout: Duration,
    max_answer: usize,
    tls: Tls,
}

/// Why there can be no proxy like that. The message repeats no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError(pub(super) String);

impl Builder {
    pub(super) fn new(url: &str) -> Builder {
        Builder {
            url: url.to_owned(),
            credentials: None,
            user_agent: concat!("croupier/", env!("CARGO_PKG_VERSION")).to_owned(),
            dialect: XmlRpcDialect::default(),
            timeout: Duration::from_secs(60),
            max_answer: 64 << 20,
            tls: Tls::default(),
        }
    }

    /// How long a call may take in all, from connecting to the answer's last byte (60 s by default).
    pub fn timeout(self, timeout: Duration) -> Builder {
        Builder { timeout, ..self }
    }

    /// Sends this name and password with each call, by basic authentication, instead of what the URL says.
    pub fn basic_auth(self, user: &str, password: &str) -> Builder {
        Builder { credentials: Some((user.to_owned(), password.to_owned())), ..self }
    }

    /// Who the server is told is asking (`croupier/VERSION` by default).
    pub fn user_agent(self, user_agent: &str) -> Builder {
        Builder { user_agent: user_agent.to_owned(), ..self }
    }

    /// How what XML-RPC leaves open is written and read: nil, large integers, control characters.
    pub fn dialect(self, dialect: XmlRpcDialect) -> Builder {
        Builder { dialect, ..self }
    }

    /// How many bytes an answer may have (64 MiB by default); a longer one is not read to its end.
    pub fn max_answer(self, bytes: usize) -> Builder {
        Builder { max_answer: bytes, ..self }
    }

    /// Whom to trust, and who one is, where the URL is one of `https`.
    pub fn tls(self, tls: Tls) -> Builder {
        Builder { tls, ..self }
    }

    /// The proxy. Nothing is connected before the first call.
    ///
    /// # Errors
    /// Where the URL is none, where a name or a password cannot be sent, or where TLS is wanted and cannot be.
    pub fn build(self) -> Result<Client, BuildError> {
        let mut address: Address = self.url.parse()?;
        if let Some((user, password)) = &self.credentials {
            address = address.with_basic(user, password)?;
        }
        let agent = HeaderValue::from_str(&self.user_agent);
        let agent = agent.map_err(|_| BuildError("the user agent has characters that no header can hold".into()))?;
        let headers = HeaderMap::from_iter([(header::USER_AGENT, agent)]);
        let codec = XmlRpcCodec { dialect: self.dialect, ..XmlRpcCodec::default() };
        let options = TransportOptions {
            headers,
            tls: self.tls,
            connect: self.timeout,
            answer: self.timeout,
            ..TransportOptions::default()
        };
        let transport = Transport::new(vec![address], options).map_err(|error| BuildError(error.to_string()))?;
        let (timeout, max_answer) = (self.timeout, self.max_answer);
        Ok(Client { inner: Arc::new(Inner { transport, codec, timeout, max_answer }) })
    }
}

impl From<AddressError> for BuildError {
    fn from(error: AddressError) -> BuildError {
        BuildError(error.to_string())
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BuildError {}
