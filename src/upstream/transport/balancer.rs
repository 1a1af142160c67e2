//! Sends requests to one server over pooled or new connections, and counts them. `host_set.rs` chooses among several servers.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Method, Request, Response};
use tokio::time::Instant;

use super::address;
use super::address::{Address, Endpoint};
use super::body::Incoming;
use super::connect::{ByteStream, Connector};
use super::connection_limit::{ConnectionLimit, ConnectionPlace};
use super::error::{LateError, SendFailure, TransportError};
use super::host_set::HostSet;
use super::http1::Http1Connection;
use super::http2::Http2Connection;
use super::outgoing::{OutgoingRequest, arriving};
use super::pool::{Pool, PooledConnection, ThreadPool};
use super::redirects::{FollowRedirects, MAX_REDIRECTS};
use super::retry_budget::RetryBudget;
use super::stats::{BROKEN, ServerStats, failure_reason};
use super::time_limit::TimeLimit;
use super::tls::TlsError;
use super::{Repeat, TransportOptions, redirects, scgi};
use crate::model::fault::BoxError;
use crate::service::request_record::RequestRecord;
use crate::service::spans::{Attribute, AttributeValue, BegunSpan, SpanKind};

/// The error of a request that was given up before its response began.
const GIVEN_UP: &str = "cancelled";

/// The servers of a transport.
pub(super) struct Balancer {
    servers: Box<[BalancedServer]>,
    /// Chooses among several servers; `None` if there is nothing to decide.
    host_set: Option<Arc<HostSet>>,
    budget: RetryBudget,
    /// The origin of the times of the budget.
    start: Instant,
    options: TransportOptions,
}

/// One server, and the connections to it.
pub(super) struct BalancedServer {
    address: Address,
    connector: Connector,
    pool: Pool,
    limit: ConnectionLimit,
    stats: ArcSwap<ServerStats>,
}

/// A new connection.
enum Opened {
    Http1(Http1Connection),
    Http2(Http2Connection),
    Scgi(ByteStream, ConnectionPlace),
}

/// An error, with the request if nothing of it was sent: then another server may be tried.
pub(super) type Failed = (TransportError, Option<OutgoingRequest>);

impl Balancer {
    pub(super) fn new(addresses: Vec<Address>, options: TransportOptions) -> Result<Balancer, TlsError> {
        let tls = addresses.iter().any(Address::is_secure).then(|| options.tls.config()).transpose()?;
        let servers = addresses.into_iter().map(|address| BalancedServer {
            connector: Connector::new(&address, tls.clone(), &options.dns),
            pool: Pool::new(options.idle, options.max_idle),
            limit: ConnectionLimit::new(options.limits.connections),
            stats: ArcSwap::default(),
            address,
        });
        let servers: Box<[BalancedServer]> = servers.collect();
        let identities: Vec<String> =
            servers.iter().map(|server| format!("{}{}", server.address, server.address.path())).collect();
        let host_set = HostSet::new(names(&servers).collect(), &identities, &options);
        let budget = RetryBudget::new(options.retries.budget, options.retries.floor);
        Ok(Balancer { host_set, servers, budget, start: Instant::now(), options })
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.servers.iter().map(|server| &server.address)
    }

    pub(super) fn options(&self) -> &TransportOptions {
        &self.options
    }

    /// The servers, with what is known of each from the requests to it.
    pub(super) fn stats(&self) -> impl Iterator<Item = (String, Arc<ServerStats>)> {
        names(&self.servers).zip(&self.servers).map(|(name, server)| (name, server.stats.load_full()))
    }

    /// What is known of the hosts, if it is decided among them.
    pub(super) fn host_set(&self) -> Option<&Arc<HostSet>> {
        self.host_set.as_ref()
    }

    pub(super) fn budget(&self) -> &RetryBudget {
        &self.budget
    }

    /// Goes on with the counts of another balancer to the same servers.
    pub(super) fn adopt_stats(&self, known: &Balancer) {
        for (server, known) in self.servers.iter().zip(&known.servers) {
            server.stats.store(known.stats.load_full());
        }
    }

    pub(super) async fn send(
        &self,
        request: OutgoingRequest,
        repeat: Repeat,
        deadline: Option<Instant>,
    ) -> Result<Response<Incoming>, TransportError> {
        match (&self.host_set, &*self.servers) {
            (None, [only]) => self.send_to(only, request, repeat, deadline, 0).await.map_err(|(error, _)| error),
            // Boxed, because most upstreams are one server: the future of each of their requests would be as large.
            (Some(host_set), _) => Box::pin(self.send_balanced(host_set, request, repeat, deadline)).await,
            (None, _) => Err(TransportError::no_server()),
        }
    }

    pub(super) fn server(&self, index: usize) -> Option<&BalancedServer> {
        self.servers.get(index)
    }

    /// Sends a request to one server. `resent` is how often it was sent before, to other servers.
    pub(super) fn send_to<'b>(
        &'b self,
        server: &'b BalancedServer,
        request: OutgoingRequest,
        repeat: Repeat,
        deadline: Option<Instant>,
        resent: u32,
    ) -> impl Future<Output = Result<Response<Incoming>, Failed>> + 'b {
        server.send_following(request, repeat, deadline, self, resent)
    }

    /// Opens a connection to a server, and closes it.
    #[cfg(feature = "server")]
    pub(super) async fn connect_to(&self, index: usize) -> Result<(), BoxError> {
        let server = self.server(index).ok_or("there is no such server")?;
        server.connector.connect().await.map(drop).map_err(Into::into)
    }

    /// Takes one retry from the budget. Returns whether there was one.
    pub(super) fn withdraw_retry(&self) -> bool {
        self.budget.withdraw(self.start.elapsed())
    }
}

/// The servers, each by a name of its own.
fn names(servers: &[BalancedServer]) -> impl Iterator<Item = String> {
    servers.iter().enumerate().map(|(index, server)| {
        let name = server.address.to_string();
        // Two addresses of one server differ in their paths, which a name does not have.
        let same = servers.iter().take(index).filter(|other| other.address.to_string() == name).count();
        if same == 0 { name } else { format!("{name} #{}", same + 1) }
    })
}

impl BalancedServer {
    /// Sends a request, and follows its redirects if it says so. `resent` is how often it was sent before, to other servers.
    async fn send_following(
        &self,
        request: OutgoingRequest,
        repeat: Repeat,
        deadline: Option<Instant>,
        balancer: &Balancer,
        resent: u32,
    ) -> Result<Response<Incoming>, Failed> {
        if request.extensions().get::<FollowRedirects>().is_none() {
            return self.send_counted(request, repeat, deadline, balancer, resent).await;
        }
        let mut next = request.clone();
        // Boxed, because few requests are redirected.
        let mut response = Box::pin(self.send_counted(request, repeat, deadline, balancer, resent)).await?;
        for _ in 0..MAX_REDIRECTS {
            let Some(path) = redirects::target(&self.address, &next, &response) else { break };
            redirects::discard(response, deadline).await;
            address::redirect(&mut next, path);
            let sent = Box::pin(self.send_counted(next.clone(), repeat, deadline, balancer, 0)).await;
            // The path is one of this server, and not of another that could be tried.
            response = sent.map_err(|(error, _)| (error, None))?;
        }
        Ok(response)
    }

    /// Sends a request, and counts it. `resent` is how often it was sent before, to other servers.
    async fn send_counted(
        &self,
        mut request: OutgoingRequest,
        repeat: Repeat,
        deadline: Option<Instant>,
        balancer: &Balancer,
        resent: u32,
    ) -> Result<Response<Incoming>, Failed> {
        let stats = self.stats.load_full();
        let begun = Instant::now();
        if resent == 0 {
            balancer.budget.deposit(begun.saturating_duration_since(balancer.start));
        }
        let mut noted = NotedRequest::begin(&mut request, &self.address, begun, resent);
        let sending = stats.begin();
        let sent = self.send(request, repeat, deadline, balancer, &mut noted).await;
        if let Some(noted) = &mut noted {
            noted.end_attempt(Some(&sent));
        }
        drop((sending, noted));
        stats.record(begun.elapsed(), sent.as_ref().err().map(|(error, _)| error));
        sent
    }

    /// Sends a request over a pooled connection, or over a new one.
    async fn send(
        &self,
        mut request: OutgoingRequest,
        repeat: Repeat,
        deadline: Option<Instant>,
        balancer: &Balancer,
        noted: &mut Option<NotedRequest<'_>>,
    ) -> Result<Response<Incoming>, Failed> {
        let options = &balancer.options;
        let limit = TimeLimit { timeout: options.response, deadline };
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
                    (None, Some(copy)) if !failure.cause.is::<LateError>() && balancer.withdraw_retry() => {
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

/// A request that is noted in the record of its client's request when this is dropped, also if it is given up.
struct NotedRequest<'s> {
    record: Arc<RequestRecord>,
    address: &'s Address,
    begun: Instant,
    /// Boxed, because most requests have no recorded trace.
    attempt: Option<Box<Attempt>>,
}

/// What the span of a request says of it, while it is being sent.
struct Attempt {
    span: BegunSpan,
    method: Method,
    /// How often the request was sent before.
    resent: u32,
}

impl<'s> NotedRequest<'s> {
    /// `None` if the request of the client has no record. If its spans are recorded, the upstream is told of the span of this
    /// request.
    fn begin(
        request: &mut Request<Bytes>,
        address: &'s Address,
        begun: Instant,
        resent: u32,
    ) -> Option<NotedRequest<'s>> {
        let record = request.extensions().get::<Arc<RequestRecord>>()?.clone();
        let mut noted = NotedRequest { record, address, begun, attempt: None };
        if noted.record.trace().is_some() {
            noted.begin_attempt(request, resent);
        }
        Some(noted)
    }

    fn begin_attempt(&mut self, request: &mut Request<Bytes>, resent: u32) {
        let Some(trace) = self.record.trace() else { return };
        let span = trace.begin();
        span.apply_to(request.headers_mut());
        self.attempt = Some(Box::new(Attempt { span, method: request.method().clone(), resent }));
    }

    /// Notes that the connection has broken and the request is sent once more.
    fn repeat(&mut self, request: &mut Request<Bytes>) {
        if let Some(resent) = self.attempt.as_ref().map(|attempt| attempt.resent) {
            self.end_attempt(None);
            self.begin_attempt(request, resent.saturating_add(1));
        }
    }

    /// Ends the span of the request, if it has one. Without a result, the connection has broken.
    fn end_attempt(&mut self, sent: Option<&Result<Response<Incoming>, Failed>>) {
        let error = match sent {
            Some(Ok(response)) => {
                let status = response.status().as_u16();
                self.finish((status >= 400).then(|| status.to_string().into()), Some(status));
                return;
            }
            Some(Err((error, _))) => failure_reason(error),
            None => BROKEN,
        };
        self.finish(Some(error.into()), None);
    }

    fn finish(&mut self, error: Option<AttributeValue>, status: Option<u16>) {
        let Some(attempt) = self.attempt.take() else { return };
        let Attempt { span, method, resent } = *attempt;
        let mut attributes: Vec<Attribute> = vec![("http.request.method", method.as_str().to_owned().into())];
        match self.address.endpoint() {
            Endpoint::Tcp { host, port } => {
                attributes.extend([("server.address", host.clone().into()), ("server.port", (*port).into())]);
            }
            Endpoint::Unix(path) => attributes.push(("server.address", path.display().to_string().into())),
        }
        if resent > 0 {
            attributes.push(("http.request.resend_count", resent.into()));
        }
        attributes.extend(status.map(|status| ("http.response.status_code", status.into())));
        let failed = error.is_some();
        attributes.extend(error.map(|error| ("error.type", error)));
        span.end(SpanKind::Client, method.as_str().to_owned(), failed, attributes);
    }
}

impl Drop for NotedRequest<'_> {
    fn drop(&mut self) {
        self.finish(Some(GIVEN_UP.into()), None);
        self.record.note_upstream(&self.address.to_string(), self.begun.elapsed());
    }
}

/// Notes that a request is sent again, to this server or to another.
pub(super) fn count_retry(request: &Request<Bytes>) {
    if let Some(record) = request.extensions().get::<Arc<RequestRecord>>() {
        record.count_retry();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::service::spans::{RecordedTrace, Span, SpanQueue};
    use crate::service::trace_context::TraceContext;
    use crate::upstream::transport::Balance;

    #[tokio::test]
    async fn a_request_notes_the_servers_that_were_tried() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        });
        let addresses = [closed, open].map(|address| format!("http://{address}/").parse().unwrap());
        let in_turn = TransportOptions { balance: Balance::RoundRobin, ..TransportOptions::default() };
        let balancer = Balancer::new(addresses.to_vec(), in_turn).unwrap();
        let record = Arc::new(RequestRecord::new(false, None));
        let mut request = OutgoingRequest::new(Request::new(Bytes::new()));
        request.extensions_mut().insert(record.clone());
        balancer.send(request, Repeat::Unsent, None).await.unwrap();
        let noted = record.upstream().unwrap();
        assert_eq!((noted.servers, noted.retries), (vec![closed.to_string(), open.to_string()], 1));
    }

    /// What the spans say that wait in a queue: error, resend count and id, in the order of their ends.
    fn told(waiting: &Receiver<Box<Span>>) -> Vec<(Option<AttributeValue>, Option<AttributeValue>, u64)> {
        let attribute = |span: &Span, name: &str| {
            span.attributes.iter().find(|(found, _)| *found == name).map(|(_, value)| value.clone())
        };
        let spans = waiting.try_iter().map(|span| {
            assert_eq!(
                (span.kind, span.parent, span.failed),
                (SpanKind::Client, 9, attribute(&span, "error.type").is_some())
            );
            (attribute(&span, "error.type"), attribute(&span, "http.request.resend_count"), span.id)
        });
        spans.collect()
    }

    #[tokio::test]
    async fn each_attempt_has_a_span_that_its_server_is_told_of() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let (tell, mut heads) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            // The second request over each connection breaks it.
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                for answered in [true, false] {
                    let mut head = vec![0; 1024];
                    let length = stream.read(&mut head).await.unwrap();
                    tell.send(String::from_utf8_lossy(&head[..length]).into_owned()).unwrap();
                    if answered {
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                    }
                }
            }
        });
        let addresses = [closed, open].map(|address| format!("http://{address}/").parse().unwrap());
        let in_turn = TransportOptions { balance: Balance::RoundRobin, ..TransportOptions::default() };
        let balancer = Balancer::new(addresses.to_vec(), in_turn).unwrap();
        let (queue, waiting) = SpanQueue::new();
        let trace = Arc::new(RecordedTrace::new(Arc::new(TraceContext::begin(7, true)), 9, queue));
        let record = Arc::new(RequestRecord::new(false, Some(trace)));
        let mut request = OutgoingRequest::new(Request::new(Bytes::new()));
        request.extensions_mut().insert(record.clone());

        let response = balancer.send(request.clone(), Repeat::Harmless, None).await.unwrap();
        let first = told(&waiting);
        let [(Some(unreached), None, _), (None, Some(resent), id)] = first.as_slice() else { panic!("{first:?}") };
        assert_eq!((unreached, resent), (&"unreached".into(), &1_u32.into()));
        assert!(heads.recv().await.unwrap().contains(&format!("traceparent: 00-{:032x}-{id:016x}-03", 7)));
        response.into_body().collect(16).await.unwrap();

        balancer.send(request, Repeat::Harmless, None).await.unwrap();
        let second = told(&waiting);
        let [(Some(broken), None, first_id), (None, Some(resent), second_id)] = second.as_slice() else {
            panic!("{second:?}")
        };
        assert_eq!((broken, resent), (&"broken".into(), &1_u32.into()));
        for id in [first_id, second_id] {
            assert!(heads.recv().await.unwrap().contains(&format!("traceparent: 00-{:032x}-{id:016x}-03", 7)));
        }
    }
}
