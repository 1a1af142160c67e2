//! One server, or several of which any will do: whose turn it is, and what is done where one cannot be reached.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::time::{Instant, timeout};

use super::address::Address;
use super::body::Incoming;
use super::connect::{Place, Stream};
use super::error::{Failed, Late, TransportError};
use super::pool::Kept;
use super::tls::TlsError;
use super::{Repeat, TransportOptions, http1, http2, scgi};
use crate::model::fault::BoxError;

/// How long a server that could not be reached is passed over, if there are others.
const PASSED_OVER: Duration = Duration::from_secs(5);

/// The servers of a transport.
pub(super) struct Servers {
    all: Box<[Server]>,
    /// How many requests there were: where the search for the next one's server begins.
    turn: AtomicUsize,
    /// When time began, for the marks of servers that are passed over.
    since: Instant,
    options: TransportOptions,
}

/// One server, and the connections to it.
struct Server {
    address: Address,
    place: Place,
    kept: Kept,
    /// Until when it is passed over, in milliseconds.
    passed_over: AtomicU64,
}

impl Servers {
    pub(super) fn new(addresses: Vec<Address>, options: TransportOptions) -> Result<Servers, TlsError> {
        let secure = addresses.iter().any(Address::is_secure).then(|| options.tls.client()).transpose()?;
        let all = addresses.into_iter().map(|address| Server {
            place: Place::of(&address, secure.clone()),
            kept: Kept::new(options.idle, options.spare),
            passed_over: AtomicU64::new(0),
            address,
        });
        Ok(Servers { all: all.collect(), turn: AtomicUsize::new(0), since: Instant::now(), options })
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.all.iter().map(|server| &server.address)
    }

    pub(super) async fn send(
        &self,
        request: Request<Bytes>,
        repeat: Repeat,
    ) -> Result<Response<Incoming>, TransportError> {
        if let [only] = &*self.all {
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

    /// The servers in the order in which they are tried: each has its turn, those that were not reached come last.
    fn in_turn(&self) -> Vec<&Server> {
        let (count, now) = (self.all.len(), millis(self.since));
        let first = self.turn.fetch_add(1, Relaxed) % count.max(1);
        let mut servers: Vec<_> = self.all.iter().cycle().skip(first).take(count).collect();
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
        options: &TransportOptions,
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
                    (None, Some(again)) if !failed.cause.is::<Late>() => {
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
        options: &TransportOptions,
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
        options: &TransportOptions,
    ) -> Result<Response<Incoming>, Failed> {
        if self.place.is_scgi() {
            return scgi::send(stream, request, options.answer).await;
        }
        if stream.is_http2() || options.http2 {
            return http2::Connection::open(stream).await?.send(request, options.answer, self.kept.own()).await;
        }
        http1::Connection::open(stream).await?.send(request, options.answer, self.kept.own().clone()).await
    }

    /// The request as this server is to have it.
    fn addressed(&self, mut request: Request<Bytes>, options: &TransportOptions) -> Request<Bytes> {
        self.address.address(&mut request);
        for (name, value) in &options.headers {
            request.headers_mut().insert(name, value.clone());
        }
        request
    }

    fn unreached(&self, cause: BoxError) -> TransportError {
        TransportError::new(self.address.to_string(), false, cause)
    }

    fn broken(&self, cause: BoxError) -> TransportError {
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
