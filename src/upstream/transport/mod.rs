//! HTTP and SCGI clients for upstreams: requests out, responses in, over pooled connections.
//!
//! A [`Transport`] knows one or more equivalent servers, each given by an [`Address`]. A request passes these parts:
//!
//! ```text
//! Transport::send
//!   oauth2.rs     adds an access token, if the upstream needs one
//!   layer.rs      tower layers that the embedding program has put around the client, if any
//!   balancer.rs   sends to the only server, or to one of several (server_set.rs), which DNS may change (changing_servers.rs)
//!   host_set.rs   chooses one of several (`balancing`), and notes what a response tells of it
//!   attempts.rs   sends again (`retry_budget.rs`, `backoff.rs`), to another server if there is one
//!   server.rs     sends to one server, and counts
//!   mcp.rs        begins the session that a message of MCP needs (mcp_sessions.rs); event_stream.rs finds the response among events
//!   redirects.rs  follows redirects of safe requests within that server, if the request says so
//!   pool.rs       hands out an idle connection of this thread, or
//!   connect.rs    opens one: TCP, TLS or a unix socket
//!   resolve/      the addresses of names, by DNS
//!   child/        if the server is a program: writes a line to its standard input, and waits for one of its output
//!   http1.rs | http2.rs | scgi.rs   sends the request and reads the head of the response
//!   outgoing.rs   the body of the request: bytes, or what arrives from a client (UnreadBody, an extension of the request)
//!   body.rs       Incoming: the body of the response, and the way of the connection back into the pool
//! ```
//!
//! The task that sends a request also drives its HTTP/1.1 connection: no other task is woken, and each thread has a pool
//! of its own, so that threads share nothing. HTTP/2 connections carry many requests at once and are driven by a task.
//!
//! Three times bound a request: [`TransportOptions::connect`], [`TransportOptions::response`], and the deadline of the
//! call, which covers both. Whether a request may be sent twice is for the caller to say ([`Repeat`]). A failure is a
//! [`TransportError`], which tells whether the server may have seen the request.
//!
//! ```no_run
//! use croupier::upstream::transport::{Repeat, Transport, TransportOptions};
//!
//! # async fn get() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = Transport::new(vec!["http://127.0.0.1:9001/RPC2".parse()?], TransportOptions::default())?;
//! let request = http::Request::post("/").body("<methodCall/>".into())?;
//! let response = transport.exchange(request, Repeat::Unsent, 1 << 20, None).await?;
//! println!("{}", response.status());
//! # Ok(())
//! # }
//! ```

mod adaptive_limit;
mod address;
mod attempts;
mod backoff;
mod balancer;
pub(crate) mod balancing;
mod body;
mod cancel_on_drop;
mod changing_servers;
#[cfg(feature = "server")]
mod child;
mod connect;
mod connection_limit;
mod error;
mod event_body;
mod event_stream;
mod host_options;
mod host_set;
mod http1;
mod http2;
mod latency_quantile;
mod layer;
mod mcp;
mod mcp_sessions;
mod noted_request;
mod oauth2;
mod outgoing;
pub(crate) mod pem;
mod pending_outcome;
mod pool;
#[cfg(feature = "server")]
mod program;
pub(crate) mod redirects;
mod resolve;
mod retry_budget;
mod scgi;
mod secret_params;
mod send_policy;
mod server;
mod server_set;
#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "a client alone is not observed"))]
pub(crate) mod stats;
mod time_limit;
mod tls;
mod unpack;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tower_service::Service;

use crate::http::timeout_header::TimeoutHeader;
use crate::model::fault::BoxError;
#[cfg(feature = "server")]
pub(crate) use address::AppendedQuery;
pub use address::{Address, InvalidAddress, basic};
use balancer::Balancer;
pub use balancing::{Balance, OutlierOptions};
pub use body::Incoming;
#[cfg(feature = "server")]
pub(crate) use body::{CollectedBody, WasCompressed};
pub use error::TransportError;
#[cfg(feature = "server")]
pub(crate) use host_options::BalanceKey;
pub use host_options::{Hedge, HostLimits, RetryOptions};
#[cfg(feature = "server")]
pub(crate) use host_set::{HostReport, SendingReport};
use layer::LayeredClient;
pub use layer::{Deadline, TransportClient};
#[cfg(feature = "server")]
pub(crate) use mcp_sessions::SessionCaller;
pub use oauth2::OAuth2Options;
use oauth2::TokenSource;
pub(crate) use outgoing::KeepCoding;
use outgoing::OutgoingRequest;
#[cfg(feature = "server")]
pub(crate) use outgoing::arriving;
#[cfg(feature = "server")]
pub(crate) use pending_outcome::{MayBeAnswer, PendingOutcome, is_failure};
#[cfg(feature = "server")]
pub use program::Program;
pub use resolve::DnsOptions;
pub use secret_params::SecretParams;
#[cfg(feature = "server")]
use server::Server;
pub(crate) use server_set::ServerReports;
pub use tls::{Tls, TlsError};

/// How the servers of a [`Transport`] are connected to.
#[derive(Debug, Clone)]
pub struct TransportOptions {
    /// The time limit for connecting to each server, TLS handshake included (5 s by default).
    pub connect: Duration,
    /// The time limit until a response begins, and for each pause within its body (60 s by default).
    pub response: Duration,
    /// How long an unused connection stays in the pool. The default of 4 s is shorter than that of most servers, so that
    /// a request rarely meets a connection that its server is closing.
    pub idle: Duration,
    /// How many unused connections each thread keeps to each server (64 by default).
    pub max_idle: usize,
    /// Whether to use HTTP/2 without TLS, which the server must support (`false` by default). With TLS, both sides
    /// negotiate the version.
    pub http2: bool,
    /// The client's side of TLS, for `https` addresses.
    pub tls: Tls,
    /// Headers that are added to every request.
    pub headers: HeaderMap,
    /// Secrets that are added to the query of every request.
    pub query: SecretParams,
    /// Secrets that are added to the cookies of every request.
    pub cookies: SecretParams,
    /// The header that says how much time each request has until its deadline, if it has one.
    pub timeout_header: Option<TimeoutHeader>,
    /// The group whose calls are sent, for log lines (empty by default).
    pub group: String,
    /// How one of several servers is chosen for a request (by latency by default).
    pub balance: Balance,
    /// The shares of the servers, in the order of their addresses (1 for each by default).
    pub weights: Vec<u32>,
    /// The time in which a server that comes back gets more and more requests (10 s by default).
    pub slow_start: Duration,
    /// Which of several servers get no requests for a time.
    pub outliers: OutlierOptions,
    /// When requests are sent again.
    pub retries: RetryOptions,
    /// When a request that is harmless to repeat is sent to a second server, although the first may still respond (never by
    /// default).
    pub hedge: Option<Hedge>,
    /// How much each server gets at a time.
    pub limits: HostLimits,
    /// How the names in the addresses are looked up.
    pub dns: DnsOptions,
}

impl Default for TransportOptions {
    fn default() -> Self {
        TransportOptions {
            connect: Duration::from_secs(5),
            response: Duration::from_secs(60),
            idle: Duration::from_secs(4),
            max_idle: 64,
            http2: false,
            tls: Tls::default(),
            headers: HeaderMap::new(),
            query: SecretParams::default(),
            cookies: SecretParams::default(),
            timeout_header: None,
            group: String::new(),
            balance: Balance::default(),
            weights: Vec::new(),
            slow_start: Duration::from_secs(10),
            outliers: OutlierOptions::default(),
            retries: RetryOptions::default(),
            hedge: None,
            limits: HostLimits::default(),
            dns: DnsOptions::default(),
        }
    }
}

/// A client for one server, or for several servers that are equivalent.
pub struct Transport {
    balancer: Arc<Balancer>,
    layers: Option<LayeredClient>,
    /// Where the access tokens for its requests come from, if they need one.
    tokens: Option<Arc<TokenSource>>,
}

/// One of the servers among which requests are balanced.
#[cfg(feature = "server")]
#[derive(Clone)]
pub(crate) struct BalancedServer(Arc<Server>);

#[cfg(feature = "server")]
impl BalancedServer {
    /// Whether both are the same, with the same connections.
    pub(crate) fn is_same(&self, other: &BalancedServer) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Opens a connection, and closes it.
    pub(crate) async fn try_connect(&self) -> Result<(), BoxError> {
        self.0.try_connect().await
    }
}

/// Whether a request may reach a server twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// The request is sent again only if nothing of it was sent before.
    Unsent,
    /// The request is harmless to repeat: if a pooled connection breaks, it is sent once more over a new connection.
    Harmless,
}

impl Transport {
    /// A transport to these servers. The first request opens the first connection.
    ///
    /// # Errors
    /// If an address is `https` and TLS cannot be set up: a file is missing, or holds no certificate or key.
    pub fn new(addresses: Vec<Address>, options: TransportOptions) -> Result<Transport, TlsError> {
        Ok(Transport { balancer: Arc::new(Balancer::new(addresses, options)?), layers: None, tokens: None })
    }

    /// Sends each request with an access token from an authorization server.
    ///
    /// # Errors
    /// If the token endpoint is `https` and TLS cannot be set up.
    pub fn authorized(self, options: OAuth2Options) -> Result<Transport, TlsError> {
        Ok(Transport { tokens: Some(Arc::new(TokenSource::new(options)?)), ..self })
    }

    /// Wraps the client in a tower layer. `layer` receives the client that sends the requests and returns the client that
    /// takes its place. A body that is passed on while it arrives is not in the request, but an
    /// [`UnreadBody`](crate::service::unread_body::UnreadBody) among its extensions. This one limits how many requests are sent at a time:
    ///
    /// ```
    /// use croupier::upstream::transport::{TransportOptions, Transport};
    /// use tower::limit::ConcurrencyLimit;
    ///
    /// let transport = Transport::new(vec!["http://127.0.0.1:9001/RPC2".parse()?], TransportOptions::default())?;
    /// let transport = transport.layer(|client| ConcurrencyLimit::new(client, 4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn layer<S>(self, layer: impl FnOnce(TransportClient) -> S) -> Transport
    where
        S: Service<Request<Bytes>, Response = Response<Incoming>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let inner = TransportClient { balancer: self.balancer.clone(), layers: self.layers.clone() };
        Transport { layers: Some(LayeredClient::new(layer(inner))), ..self }
    }

    /// The servers as messages name them: host and port, the name of the service, or the path of the socket; without user and
    /// password.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.balancer.addresses().map(Address::to_string)
    }

    /// Whether both have the same servers, in the same order.
    pub(crate) fn has_same_servers(&self, other: &Transport) -> bool {
        let (own, other) = (&self.balancer, &other.balancer);
        own.addresses().count() == other.addresses().count()
            && own.addresses().zip(other.addresses()).all(|(own, other)| own.is_same_server(other))
    }

    /// The names of the servers, with a number behind a name that occurs more than once.
    #[cfg(feature = "cli")]
    pub(super) fn distinct_names(&self) -> Vec<String> {
        server_set::names(self.balancer.addresses())
    }

    /// The URLs of the servers that have one: their addresses without user and password.
    #[cfg(feature = "server")]
    pub(super) fn urls(&self) -> impl Iterator<Item = String> {
        self.balancer.addresses().filter_map(Address::url)
    }

    /// What every request has in its query.
    #[cfg(feature = "server")]
    pub(super) fn secret_query(&self) -> &SecretParams {
        &self.balancer.options().query
    }

    /// The names of the headers that are added to every request.
    #[cfg(feature = "server")]
    pub(super) fn header_names(&self) -> impl Iterator<Item = &http::HeaderName> {
        self.balancer.options().headers.keys()
    }

    /// The servers, each by a name of its own, with what is known of it from the requests to it.
    pub(crate) fn servers(&self) -> ServerReports {
        self.balancer.reports()
    }

    /// The servers among which requests are balanced, as DNS has them; none if there is nothing to choose.
    #[cfg(feature = "server")]
    pub(crate) async fn balanced_servers(&self) -> Vec<BalancedServer> {
        self.balancer.balanced_servers().await.into_iter().map(BalancedServer).collect()
    }

    /// Whether the servers may become others.
    #[cfg(feature = "server")]
    pub(crate) fn is_changing(&self) -> bool {
        self.balancer.is_changing()
    }

    /// Sends a request to one of the servers, whether or not it gets others, and reads the whole response.
    #[cfg(feature = "server")]
    pub(crate) async fn exchange_with(
        &self,
        server: &BalancedServer,
        request: Request<Bytes>,
        max_body: usize,
        deadline: Option<Instant>,
    ) -> Result<Response<Bytes>, TransportError> {
        let send = |request| self.balancer.send_to(&server.0, request, deadline.map(Into::into));
        let request = Box::new(request);
        let sent = match &self.tokens {
            None => send(request).await,
            Some(tokens) => tokens.authorize(request, deadline, send).await,
        };
        let (head, body) = Incoming::unpacked(sent?).into_parts();
        Ok(Response::from_parts(head, body.with_deadline(deadline).collect(max_body).await?))
    }

    /// Whether a request that is harmless to repeat may be sent again because of its response.
    #[cfg(feature = "server")]
    pub(crate) fn replaces_responses(&self) -> bool {
        let several = self.balancer.is_changing() || self.balancer.addresses().nth(1).is_some();
        self.balancer.options().retries.attempts_among(several) > 1
    }

    /// Notes the result of a probe of one of the servers.
    #[cfg(feature = "server")]
    pub(crate) fn note_probe(
        &self,
        server: &BalancedServer,
        error: Option<&str>,
        thresholds: balancing::ProbeThresholds,
    ) {
        self.balancer.note_probe(&server.0, error, thresholds);
    }

    /// What is known of requests that were sent again, or not at all.
    #[cfg(feature = "server")]
    pub(crate) fn sending(&self) -> SendingReport {
        let (hedged, busy) = self.balancer.hedged_and_busy();
        let budget = &self.balancer.policy().budget;
        SendingReport { retries: budget.made(), refused_retries: budget.refused(), hedged, busy }
    }

    /// Goes on with the counts of another transport to the same servers.
    pub(crate) fn adopt_stats(&self, known: &Transport) {
        self.balancer.adopt_stats(&known.balancer);
    }

    /// A transport to each of the servers, with the same options and without layers.
    #[cfg(feature = "cli")]
    pub(super) fn each_server(&self) -> Result<Vec<Transport>, TlsError> {
        let options = self.balancer.options();
        let transport = |address: &Address| {
            let options = TransportOptions { weights: Vec::new(), ..options.clone() };
            let transport = Transport::new(vec![address.clone()], options)?;
            Ok(Transport { tokens: self.tokens.clone(), ..transport })
        };
        self.balancer.addresses().map(transport).collect()
    }

    /// A transport to another server: with the same timeouts and TLS, and without headers, tokens and layers. `None` if this
    /// transport has the server.
    pub(super) fn to_other_server(&self, address: Address) -> Result<Option<Transport>, TlsError> {
        if self.balancer.addresses().any(|own| own.is_same_server(&address)) {
            return Ok(None);
        }
        let options = TransportOptions {
            headers: HeaderMap::new(),
            query: SecretParams::default(),
            cookies: SecretParams::default(),
            weights: Vec::new(),
            ..self.balancer.options().clone()
        };
        Transport::new(vec![address], options).map(Some)
    }

    /// How its servers are connected to.
    #[cfg(feature = "server")]
    pub(super) fn options(&self) -> &TransportOptions {
        self.balancer.options()
    }

    /// Whether its requests have an `Authorization`.
    #[cfg(feature = "server")]
    pub(super) fn is_authorized(&self) -> bool {
        let has_user = self.balancer.addresses().any(Address::has_user);
        self.tokens.is_some() || has_user || self.options().headers.contains_key(http::header::AUTHORIZATION)
    }

    /// The path to which a response redirects, if that is one of the servers; without its query.
    #[cfg(feature = "server")]
    pub(super) fn own_path(&self, location: &str) -> Option<String> {
        let path =
            |address: &Address| Some(address.same_origin(&address.path().parse().ok()?, location)?.path().to_owned());
        self.balancer.addresses().find_map(path)
    }

    /// The path of the first server's address, with its query.
    pub fn path(&self) -> &str {
        self.balancer.addresses().next().map_or("/", Address::path)
    }

    /// Sends a request and reads the head of its response, before `deadline` if there is one. The request goes to the path
    /// of the server's address, unless its URI has a path other than `/`.
    ///
    /// # Errors
    /// If no server can be reached, the connection breaks, the response does not begin in time, or there is no access token.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        repeat: Repeat,
        deadline: Option<Instant>,
    ) -> Result<Response<Incoming>, TransportError> {
        let keeps_coding = request.extensions().get::<KeepCoding>().is_some();
        let request = Box::new(request);
        let sent = match &self.tokens {
            None => self.send_through_layers(request, repeat, deadline).await,
            Some(tokens) => {
                let send = |request| self.send_through_layers(request, repeat, deadline);
                // Boxed, because most upstreams need no token.
                Box::pin(tokens.authorize(request, deadline, send)).await
            }
        };
        if keeps_coding { sent } else { sent.map(Incoming::unpacked) }
    }

    async fn send_through_layers(
        &self,
        request: OutgoingRequest,
        repeat: Repeat,
        deadline: Option<Instant>,
    ) -> Result<Response<Incoming>, TransportError> {
        match &self.layers {
            None => self.balancer.send(request, repeat, deadline.map(Into::into)).await,
            // Boxed, because most transports have no layers.
            Some(layers) => Box::pin(layers.send(*request, repeat, deadline)).await,
        }
    }

    /// Sends a request and reads the whole response, before `deadline` if there is one. The body may have at most
    /// `max_body` bytes.
    ///
    /// # Errors
    /// As for [`send`](Transport::send), and if the body is larger, breaks off or is not complete in time.
    pub async fn exchange(
        &self,
        request: Request<Bytes>,
        repeat: Repeat,
        max_body: usize,
        deadline: Option<Instant>,
    ) -> Result<Response<Bytes>, TransportError> {
        let (head, body) = self.send(request, repeat, deadline).await?.into_parts();
        Ok(Response::from_parts(head, body.with_deadline(deadline).collect(max_body).await?))
    }
}

impl fmt::Debug for Transport {
    /// Omits the headers, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
