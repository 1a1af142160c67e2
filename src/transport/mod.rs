//! Requests out and responses in: to one server, or to several that are the same, over connections that are kept.
//!
//! Whoever asks drives his own connection: a request wakes no other task. Each thread keeps connections of its own, so
//! nothing is shared out between threads either.

mod address;
mod body;
mod connect;
mod error;
mod http1;
mod http2;
mod kept;
mod scgi;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tokio::time::{Instant, timeout};

pub use self::address::{Address, AddressError, basic};
pub use self::body::Incoming;
use self::connect::{Place, Stream};
pub use self::error::TransportError;
use self::kept::Kept;
pub use self::tls::{Tls, TlsError};

/// How long a server that could not be reached is passed over, if there are others.
const PASSED_OVER: Duration = Duration::from_secs(5);

/// How servers are asked.
#[derive(Debug, Clone)]
pub struct Options {
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

impl Default for Options {
    fn default() -> Self {
        Options {
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
    servers: Box<[Server]>,
    /// How many requests there were: where the search for the next one's server begins.
    turn: AtomicUsize,
    /// When time began, for the marks of servers that are passed over.
    since: Instant,
    options: Options,
}

/// One server, and the connections to it.
struct Server {
    address: Address,
    place: Place,
    kept: Kept,
    /// Until when it is passed over, in milliseconds.
    passed_over: AtomicU64,
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
    pub fn new(addresses: Vec<Address>, options: Options) -> Result<Transport, TlsError> {
        let secure = addresses.iter().any(Address::is_secure).then(|| options.tls.client()).transpose()?;
        let servers = addresses.into_iter().map(|address| Server {
            place: Place::of(&address, secure.clone()),
            kept: Kept::new(options.idle, options.spare),
            passed_over: AtomicU64::new(0),
            address,
        });
        Ok(Transport { servers: servers.collect(), turn: AtomicUsize::new(0), since: Instant::now(), options })
    }

    /// Where requests go, for messages; without user and password.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.servers.iter().map(|server| server.address.to_string())
    }

    /// The path of the first server's address, with its query.
    pub fn path(&self) -> &str {
        self.servers.first().map_or("/", |server| server.address.path())
    }

    /// Sends a request and reads the head of its response. It goes to the path that the server's address has, unless it
    /// names another than `/`.
    ///
    /// # Errors
    /// Where no server can be reached, or the connection breaks, or the answer takes too long to begin.
    pub async fn send(&self, request: Request<Bytes>, repeat: Repeat) -> Result<Response<Incoming>, TransportError> {
        if let [only] = &*self.servers {
            return only.send(request, repeat, &self.options).await.map_err(|(error, _)| error);
        }
        let mut unsent = request;
        let mut last = None;
        for server in self.in_turn() {
            match server.send(unsent, repeat, &self.options).await {
                Ok(response) => return Ok(response),
                Err((error, Some(request))) => {
                    server.pass_over(self.since);
                    (unsent, last) = (request, Some(error));
                }
                Err((error, None)) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(TransportError::nowhere))
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

    /// The servers in the order in which they are tried: each has its turn, those that were not reached come last.
    fn in_turn(&self) -> Vec<&Server> {
        let (count, now) = (self.servers.len(), millis(self.since));
        let first = self.turn.fetch_add(1, Relaxed) % count.max(1);
        let mut servers: Vec<_> = self.servers.iter().cycle().skip(first).take(count).collect();
        servers.sort_by_key(|server| server.passed_over.load(Relaxed) > now);
        servers
    }
}

impl Server {
    /// Sends a request; gives it back where nothing of it was sent.
    async fn send(
        &self,
        request: Request<Bytes>,
        repeat: Repeat,
        options: &Options,
    ) -> Result<Response<Incoming>, (TransportError, Option<Request<Bytes>>)> {
        let mut request = self.addressed(request, options);
        if !self.place.is_scgi() {
            while let Some(kept) = self.kept.take().await {
                let again = (repeat == Repeat::Harmless).then(|| request.clone());
                let failed = match kept.send(request, options.answer, &self.kept).await {
                    Ok(response) => return Ok(response),
                    Err(failed) => failed,
                };
                match (failed.unsent, again) {
                    (Some(unsent), _) => request = unsent,
                    // Over one that is new, since what else is kept may be just as broken, and twice is enough.
                    (None, Some(again)) if !failed.cause.is::<error::Late>() => {
                        request = again;
                        break;
                    }
                    _ => return Err((self.broken(failed.cause), None)),
                }
            }
        }
        // Seldom, and large: not in every request's future.
        Box::pin(self.send_anew(request, options)).await
    }

    /// Connects and sends a request; gives it back where nothing of it was sent.
    async fn send_anew(
        &self,
        request: Request<Bytes>,
        options: &Options,
    ) -> Result<Response<Incoming>, (TransportError, Option<Request<Bytes>>)> {
        let stream = match timeout(options.connect, self.place.connect()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err((self.unreached(error.into()), Some(request))),
            Err(_) => {
                let why = format!("no connection within {:?}", options.connect);
                return Err((self.unreached(why.into()), Some(request)));
            }
        };
        self.begin(stream, request, options).await.map_err(|failed| match failed.unsent {
            Some(unsent) => (self.unreached(failed.cause), Some(unsent)),
            None => (self.broken(failed.cause), None),
        })
    }

    /// Sends a request over a connection that is new.
    async fn begin(
        &self,
        stream: Stream,
        request: Request<Bytes>,
        options: &Options,
    ) -> Result<Response<Incoming>, error::Failed> {
        if self.place.is_scgi() {
            return scgi::send(stream, request, options.answer).await;
        }
        if stream.is_http2() || options.http2 {
            return http2::Connection::open(stream).await?.send(request, options.answer, self.kept.own()).await;
        }
        http1::Connection::open(stream).await?.send(request, options.answer, self.kept.own().clone()).await
    }

    /// The request as this server is to have it.
    fn addressed(&self, mut request: Request<Bytes>, options: &Options) -> Request<Bytes> {
        self.address.address(&mut request);
        for (name, value) in &options.headers {
            request.headers_mut().insert(name, value.clone());
        }
        request
    }

    fn unreached(&self, cause: crate::fault::BoxError) -> TransportError {
        TransportError::new(self.address.to_string(), false, cause)
    }

    fn broken(&self, cause: crate::fault::BoxError) -> TransportError {
        TransportError::new(self.address.to_string(), true, cause)
    }

    fn pass_over(&self, since: Instant) {
        let until = millis(since).saturating_add(u64::try_from(PASSED_OVER.as_millis()).unwrap_or(u64::MAX));
        self.passed_over.store(until, Relaxed);
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Transport {
    /// Leaves out the headers, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// A TLS client, as all servers of a transport share it.
type Secure = Arc<tokio_rustls::rustls::ClientConfig>;
