//! Requests out and responses in: to one server, or to several that are the same, over connections that are kept.
//!
//! Whoever asks drives his own connection: a request wakes no other task. Each thread keeps connections of its own, so
//! nothing is shared out between threads either.

mod address;
mod balancer;
mod body;
mod connect;
mod error;
mod http1;
mod http2;
mod layer;
mod pool;
mod scgi;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tower_service::Service;

use crate::model::fault::BoxError;
pub use address::{Address, AddressError, basic};
use balancer::Servers;
pub use body::Incoming;
pub use error::TransportError;
use layer::Around;
pub use layer::Client;
pub use tls::{Tls, TlsError};

/// How servers are asked.
#[derive(Debug, Clone)]
pub struct TransportOptions {
    /// How long connecting may take, to each server (5 s by default).
    pub connect: Duration,
    /// How long a server may take until its answer begins, and how long the answer may then pause (60 s by default).
    pub answer: Duration,
    /// How long a connection is kept unused (4 s by default: shorter than most servers keep theirs, so that a request
    /// seldom meets a connection that its server is just closing).
    pub idle: Duration,
    /// How many unused connections each thread keeps (64 by default).
    pub spare: usize,
    /// Whether HTTP/2 is spoken to servers without TLS, which must know beforehand (`false` by default). With TLS both
    /// sides agree on it by themselves.
    pub http2: bool,
    /// Whom to trust, and who one is, with TLS.
    pub tls: Tls,
    /// What every request has besides its own headers.
    pub headers: HeaderMap,
}

impl Default for TransportOptions {
    fn default() -> Self {
        TransportOptions {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(60),
            idle: Duration::from_secs(4),
            spare: 64,
            http2: false,
            tls: Tls::default(),
            headers: HeaderMap::new(),
        }
    }
}

/// The way to one server, or to several of which any will do.
pub struct Transport {
    servers: Arc<Servers>,
    around: Option<Around>,
}

/// Whether a request may reach a server twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Only where nothing of it was sent the first time.
    Unsent,
    /// It does no harm: where a connection breaks that was kept from before, it is sent again over a new one.
    Harmless,
}

impl Transport {
    /// A way to these servers. Nothing is connected before the first request.
    ///
    /// # Errors
    /// Where TLS is wanted and cannot be: a file that is not there, or holds no certificate or key.
    pub fn new(addresses: Vec<Address>, options: TransportOptions) -> Result<Transport, TlsError> {
        Ok(Transport { servers: Arc::new(Servers::new(addresses, options)?), around: None })
    }

    /// The same way, with layers of tower's around it: `around` gets the client that asks the servers, and answers the
    /// client that is asked in its place, whatever it does before, after or instead. Here one that sends no more than so
    /// many requests at a time:
    ///
    /// ```
    /// use croupier::upstream::transport::{TransportOptions, Transport};
    /// use tower::limit::ConcurrencyLimit;
    ///
    /// let transport = Transport::new(vec!["http://127.0.0.1:9001/RPC2".parse()?], TransportOptions::default())?;
    /// let transport = transport.layer(|client| ConcurrencyLimit::new(client, 4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn layer<S>(self, around: impl FnOnce(Client) -> S) -> Transport
    where
        S: Service<Request<Bytes>, Response = Response<Incoming>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let inner = Client { servers: self.servers.clone(), around: self.around };
        Transport { servers: self.servers, around: Some(Around::new(around(inner))) }
    }

    /// Where requests go, for messages; without user and password.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.servers.addresses().map(Address::to_string)
    }

    /// The path of the first server's address, with its query.
    pub fn path(&self) -> &str {
        self.servers.addresses().next().map_or("/", Address::path)
    }

    /// Sends a request and reads the head of its response. It goes to the path that the server's address has, unless it
    /// names another than `/`.
    ///
    /// # Errors
    /// Where no server can be reached, or the connection breaks, or the answer takes too long to begin.
    pub async fn send(&self, request: Request<Bytes>, repeat: Repeat) -> Result<Response<Incoming>, TransportError> {
        match &self.around {
            None => self.servers.send(request, repeat).await,
            Some(around) => around.send(request, repeat).await,
        }
    }

    /// Sends a request and reads the whole response, of whose body there may be so many bytes.
    ///
    /// # Errors
    /// As for [`send`](Transport::send), and where the body is larger.
    pub async fn exchange(
        &self,
        request: Request<Bytes>,
        repeat: Repeat,
        limit: usize,
    ) -> Result<Response<Bytes>, TransportError> {
        let (head, body) = self.send(request, repeat).await?.into_parts();
        Ok(Response::from_parts(head, body.collect(limit).await?))
    }
}

impl std::fmt::Debug for Transport {
    /// Leaves out the headers, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// A TLS client, as all servers of a transport share it.
type Secure = Arc<tokio_rustls::rustls::ClientConfig>;
