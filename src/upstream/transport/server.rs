//! One server: sends requests to it over pooled or new connections, follows redirects, and counts.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response};
use tokio::time::Instant;

use super::address;
use super::address::Address;
#[cfg(feature = "server")]
use super::address::Endpoint;
use super::body::Incoming;
#[cfg(feature = "server")]
use super::child::ChildServer;
use super::connect::{ByteStream, Connector};
use super::connection_limit::{ConnectionLimit, ConnectionPlace};
use super::error::{Failed, LateError, SendFailure, TransportError};
use super::http1::Http1Connection;
use super::http2::Http2Connection;
use super::mcp_sessions::McpSessions;
use super::noted_request::{NotedRequest, count_retry};
use super::outgoing::{OutgoingRequest, arriving};
use super::pool::{Pool, PooledConnection, ThreadPool};
use super::redirects::{FollowRedirects, MAX_REDIRECTS};
use super::resolve::Dns;
use super::send_policy::SendPolicy;
use super::stats::ServerStats;
use super::time_limit::TimeLimit;
use super::tls::TlsConfig;
use super::{Repeat, TransportOptions, redirects, scgi};
use crate::model::fault::BoxError;
use crate::protocol::mcp::client::message::MessageId;

/// One server, and the connections to it.
pub(super) struct Server {
    address: Address,
    connector: Connector,
    pool: Pool,
    limit: ConnectionLimit,
    stats: ArcSwap<ServerStats>,
    sessions: McpSessions,
    /// The program, if the server is one.
    #[cfg(feature = "server")]
    child: Option<ChildServer>,
}

/// A new connection.
enum Opened {
    Http1(Http1Connection),
    Http2(Http2Connection),
    Scgi(ByteStream, ConnectionPlace),
}

impl Server {
    pub(super) fn new(address: Address, tls: Option<TlsConfig>, dns: &Arc<Dns>, options: &TransportOptions) -> Server {
        Server {
            connector: Connector::new(&address, tls, dns),
            pool: Pool::new(options.idle, options.max_idle),
            limit: ConnectionLimit::new(options.limits.connections),
            stats: ArcSwap::default(),
            sessions: McpSessions::default(),
            #[cfg(feature = "server")]
            child: match address.endpoint() {
                Endpoint::Program(program) => Some(ChildServer::new(program.clone(), options.group.clone())),
                _ => None,
            },
            address,
        }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// The sessions of MCP with the server.
    pub(super) fn sessions(&self) -> &McpSessions {
        &self.sessions
    }

    /// What is known of the server from the requests to it.
    pub(super) fn stats(&self) -> Arc<ServerStats> {
        self.stats.load_full()
    }

    /// Goes on with the counts of another connection to the same server.
    pub(super) fn adopt_stats(&self, known: &Server) {
        self.stats.store(known.stats());
    }

    /// Whether the server is a program. A session with it begins at each start.
    pub(super) fn is_program(&self) -> bool {
        #[cfg(feature = "server")]
        return self.child.is_some();
        #[cfg(not(feature = "server"))]
        false
    }

    /// Opens a connection, and closes it.
    #[cfg(feature = "server")]
    pub(super) async fn try_connect(&self) -> Result<(), BoxError> {
        self.connector.connect().await.map(drop).map_err(Into::into)
    }

    /// Sends a request, and follows its redirects if it says so. `resent` is how often it was sent before, to other servers.
    pub(super) async fn send(
        self: &Arc<Server>,
        request: OutgoingRequest,
        repeat: Repeat,
        deadline: Option<Instant>,
        policy: &Arc<SendPolicy>,
        resent: u32,
    ) -> Result<Response<Incoming>, Failed> {
        if let Some(id) = request.extensions().get::<MessageId>().copied() {
            // Boxed, because most upstreams have another protocol.
            return Box::pin(self.send_message(id, request, repeat, deadline, policy, resent)).await;
        }
        if request.extensions().get::<FollowRedirects>().is_none() {
            return self.send_counted(request, repeat, deadline, policy, resent).await;
        }
        let mut next = request.clone();
        // Boxed, because few requests are redirected.
        let mut response = Box::pin(self.send_counted(request, repeat, deadline, policy, resent)).await?;
        for _ in 0..MAX_REDIRECTS {
            let Some(path) = redirects::target(&self.address, &next, &response) else { break };
            redirects::discard(response, deadline).await;
            address::redirect(&mut next, path);
            let sent = Box::pin(self.send_counted(next.clone(), repeat, deadline, policy, 0)).await;
            // The path is one of this server, and not of another that could be tried.
            response = sent.map_err(|(error, _)| (error, None))?;
        }
        Ok(response)
    }

    /// Sends a request, and counts it. `resent` is how often it was sent before, to other servers.
    pub(super) async fn send_counted(
        &self,
        mut request: OutgoingRequest,
        repeat: Repeat,
        deadline: Option<Instant>,
        policy: &SendPolicy,
        resent: u32,
    ) -> Result<Response<Incoming>, Failed> {
        let stats = self.stats.load_full();
        let begun = Instant::now();
        if resent == 0 {
            policy.deposit(begun);
        }
        let mut noted = NotedRequest::begin(&mut request, &self.address, begun, resent);
        let in_flight = stats.begin();
        let sent = self.send_over_connection(request, repeat, deadline, policy, &mut noted).await;
        if let Some(noted) = &mut noted {
            noted.end_attempt(Some(&sent));
        }
        drop((in_flight, noted));
        stats.record(begun.elapsed(), sent.as_ref().err().map(|(error, _)| error));
        sent
    }

    /// Sends a request over a pooled connection, or over a new one.
    async fn send_over_connection(
        &self,
        mut request: OutgoingRequest,
        repeat: Repeat,
        deadline: Option<Instant>,
        policy: &SendPolicy,
        noted: &mut Option<NotedRequest<'_>>,
    ) -> Result<Response<Incoming>, Failed> {
        let options = &policy.options;
        let limit = TimeLimit { timeout: options.response, deadline };
        #[cfg(feature = "server")]
        if let Some(child) = &self.child {
            // Boxed, because most servers are not programs.
            return Box::pin(child.exchange(request, limit)).await;
        }
        self.prepare(&mut request, options, deadline);
        if !self.connector.is_scgi() {
            while let Some(connection) = self.pool.take(repeat).await {
                let copy = (repeat == Repeat::Harmless).then(|| request.clone());
                let failure = match self.send_over_pooled(connection, request, limit).await {
                    Ok(response) => return Ok(response),
                    Err(failure) => failure,
                };
                match (failure.unsent, copy) {
                    (Some(unsent), _) => request = unsent,
                    // Not over another pooled connection, which may be just as broken: a request is sent at most twice.
                    (None, Some(copy)) if !failure.cause.is::<LateError>() && policy.withdraw_retry() => {
                        count_retry(&copy);
                        request = copy;
                        if let Some(noted) = noted {
                            noted.repeat(&mut request);
                        }
                        break;
                    }
                    _ => return Err((self.broken(failure.cause), None)),
                }
            }
        }
        // Boxed, because this is rare, and would make the future of every request larger.
        Box::pin(self.send_over_new(request, deadline, options)).await
    }

    async fn send_over_pooled(
        &self,
        connection: PooledConnection,
        request: OutgoingRequest,
        limit: TimeLimit,
    ) -> Result<Response<Incoming>, SendFailure> {
        match connection {
            PooledConnection::Http1(connection) => {
                send_over_http1(connection, request, limit, self.pool.own().clone()).await
            }
            // Boxed, because this future is large and most connections are HTTP/1.1.
            PooledConnection::Http2(connection) => Box::pin(send_over_http2(connection, request, limit)).await,
        }
    }

    async fn send_over_new(
        &self,
        request: OutgoingRequest,
        deadline: Option<Instant>,
        options: &TransportOptions,
    ) -> Result<Response<Incoming>, Failed> {
        let connecting = TimeLimit { timeout: options.connect, deadline };
        let connection = match connecting.run(self.open(options)).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err((self.unreached(error), Some(request))),
            Err(LateError::Timeout(limit)) => {
                return Err((self.unreached(format!("no connection within {limit:?}").into()), Some(request)));
            }
            // There is no time left to try another server.
            Err(late @ LateError::Deadline) => return Err((self.unreached(late.into()), None)),
        };
        let limit = TimeLimit { timeout: options.response, deadline };
        let sent = match connection {
            Opened::Http1(connection) => send_over_http1(connection, request, limit, self.pool.own().clone()).await,
            Opened::Http2(connection) => send_over_http2(connection, request, limit).await,
            Opened::Scgi(stream, place) => scgi::send(stream, request, limit)
                .await
                .map(|response| response.map(|body| Incoming::scgi(body, limit.timeout, place))),
        };
        sent.map_err(|SendFailure { cause, unsent }| match unsent {
            Some(unsent) => (self.unreached(cause), Some(unsent)),
            None => (self.broken(cause), None),
        })
    }

    /// Opens a connection, or joins the HTTP/2 connection that another request of this thread opens.
    ///
    /// Whether a connection is HTTP/2 is known only once it is open. Without the wait, n first requests would open n
    /// connections of which n - 1 are closed again. Requests to a server that has negotiated HTTP/1.1 do not wait.
    async fn open(&self, options: &TransportOptions) -> Result<Opened, BoxError> {
        let may_be_http2 = !self.connector.is_scgi()
            && (options.http2 || (self.connector.is_secure() && !self.pool.negotiated_http1()));
        let thread = self.pool.own().clone();
        if !may_be_http2 {
            return self.connect(options, &thread).await;
        }
        let opening = thread.opening().await;
        if let Some(shared) = thread.shared() {
            return Ok(Opened::Http2(shared));
        }
        if !options.http2 && self.pool.negotiated_http1() {
            // Another request has found this out meanwhile. All that have waited now connect at the same time.
            drop(opening);
        }
        self.connect(options, &thread).await
    }

    async fn connect(&self, options: &TransportOptions, thread: &ThreadPool) -> Result<Opened, BoxError> {
        let place = self.limit.place(|| self.pool.close_idle()).await;
        let stream = self.connector.connect().await?;
        self.stats.load().count_connection();
        if self.connector.is_scgi() {
            return Ok(Opened::Scgi(stream, place));
        }
        let is_http2 = options.http2 || stream.is_http2();
        self.pool.set_negotiated_http1(!is_http2);
        if is_http2 {
            let connection = Http2Connection::open(stream, place).await?;
            thread.share(&connection);
            return Ok(Opened::Http2(connection));
        }
        Ok(Opened::Http1(Http1Connection::open(stream, place).await?))
    }

    /// Adds what the server's address and the options say.
    fn prepare(&self, request: &mut Request<Bytes>, options: &TransportOptions, deadline: Option<Instant>) {
        self.address.apply_to(request);
        options.query.add_to_query(request.uri_mut());
        for (name, value) in &options.headers {
            request.headers_mut().insert(name, value.clone());
        }
        options.cookies.add_to_cookies(request.headers_mut());
        if let (Some(header), Some(deadline)) = (&options.timeout_header, deadline) {
            header.write(deadline.saturating_duration_since(Instant::now()), request.headers_mut());
        }
    }

    fn unreached(&self, cause: BoxError) -> TransportError {
        TransportError::unreached(self.address.to_string(), cause)
    }

    fn broken(&self, cause: BoxError) -> TransportError {
        TransportError::broken(self.address.to_string(), cause)
    }
}

/// The connection goes into `pool` once the body has been read.
async fn send_over_http1(
    connection: Http1Connection,
    request: OutgoingRequest,
    limit: TimeLimit,
    pool: ThreadPool,
) -> Result<Response<Incoming>, SendFailure> {
    let request_body = arriving(&request);
    let (response, connection) = connection.send(request, limit).await?;
    Ok(response.map(|body| Incoming::http1(body, connection, limit.timeout, pool, request_body)))
}

async fn send_over_http2(
    connection: Http2Connection,
    request: OutgoingRequest,
    limit: TimeLimit,
) -> Result<Response<Incoming>, SendFailure> {
    let response = connection.send(request, limit).await?;
    Ok(response.map(|body| Incoming::http2(body, limit.timeout)))
}
