//! The body of a response.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use super::connection_limit::ConnectionPlace;
use super::error::{LateError, TransportError};
use super::event_stream::ExpectedEvent;
use super::host_set::RunningRequest;
use super::http1::Http1Connection;
use super::pool::ThreadPool;
use super::scgi;
use super::unpack::Unpacker;
use crate::model::fault::BoxError;
use crate::service::result_memory::{ReservedMemory, SMALL};
use crate::service::unread_body::UnreadBody;

/// How many bytes must arrive within the time limit for a pause. A server that sends single bytes does not reset the limit.
const MIN_PROGRESS: usize = 4096;

/// The body of a response, as it arrives. Reading it to its end returns the connection to the pool.
///
/// A body may pause only for a limited time. The time counts while the reader waits for data, not while the reader does
/// something else: a slow client of the gateway is not held against the upstream.
pub struct Incoming {
    source: BodySource,
    /// The time limit for a pause.
    limit: Duration,
    /// When the whole body must have arrived.
    deadline: Option<Instant>,
    /// Fires when the body has paused for too long.
    timer: Option<Pin<Box<Sleep>>>,
    /// Since when the reader waits for data; `None` if it does not.
    waiting_since: Option<Instant>,
    /// How long the reader has waited for the last `progress` bytes.
    waited: Duration,
    progress: usize,
    /// How many bytes must arrive within the time limit for a pause.
    min_progress: usize,
    /// The body of the request, if it may still be arriving.
    request_body: Option<UnreadBody>,
    /// Unpacks the body if it is compressed.
    unpacker: Option<Box<Unpacker>>,
    /// The request of which this is the response, if one of several hosts was chosen for it.
    running: Option<Box<RunningRequest>>,
    /// The response that is expected in the body, if that is a stream of events.
    event: Option<Box<ExpectedEvent>>,
}

/// An extension of a response whose body the server has compressed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WasCompressed;

/// What has been collected of a body.
#[derive(Default)]
pub(crate) struct CollectedBody {
    /// The first piece, if there is no other: most bodies arrive as one piece, and are then not copied.
    first: Bytes,
    all: BytesMut,
}

impl CollectedBody {
    /// A body whose first bytes have been read already.
    pub(crate) fn beginning_with(first: Bytes) -> CollectedBody {
        CollectedBody { first, all: BytesMut::new() }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        if self.all.is_empty() { &self.first } else { &self.all }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

enum BodySource {
    /// A connection for one request at a time. It is dropped, not pooled, if the body is not read to its end.
    Http1 { body: hyper::body::Incoming, connection: Option<(Http1Connection, ThreadPool)> },
    /// A stream of a shared connection.
    Http2(hyper::body::Incoming),
    /// What has been read already.
    Whole(Bytes),
    Scgi {
        body: scgi::ScgiBody,
        /// The place of its connection.
        _place: ConnectionPlace,
    },
}

impl Incoming {
    pub(super) fn http1(
        body: hyper::body::Incoming,
        connection: Http1Connection,
        limit: Duration,
        pool: ThreadPool,
        request_body: Option<UnreadBody>,
    ) -> Incoming {
        let mut incoming = Incoming::new(BodySource::Http1 { body, connection: Some((connection, pool)) }, limit);
        incoming.request_body = request_body;
        if incoming.is_end_stream() {
            incoming.return_connection();
        }
        incoming
    }

    pub(super) fn http2(body: hyper::body::Incoming, limit: Duration) -> Incoming {
        Incoming::new(BodySource::Http2(body), limit)
    }

    pub(super) fn scgi(body: scgi::ScgiBody, limit: Duration, place: ConnectionPlace) -> Incoming {
        Incoming::new(BodySource::Scgi { body, _place: place }, limit)
    }

    /// A body that has been read already.
    pub(super) fn whole(body: Bytes) -> Incoming {
        // It never pauses.
        Incoming::new(BodySource::Whole(body), Duration::ZERO)
    }

    fn new(source: BodySource, limit: Duration) -> Incoming {
        Incoming {
            source,
            limit,
            deadline: None,
            timer: None,
            waiting_since: None,
            waited: Duration::ZERO,
            progress: 0,
            min_progress: MIN_PROGRESS,
            request_body: None,
            unpacker: None,
            running: None,
            event: None,
        }
    }

    /// Makes collecting the body find the response in it, which is a stream of events.
    pub(super) fn expect_event(&mut self, event: ExpectedEvent) {
        // Events may be rare and small.
        self.min_progress = 1;
        self.event = Some(Box::new(event));
    }

    pub(super) fn deadline(&self) -> Option<std::time::Instant> {
        self.deadline.map(Instant::into_std)
    }

    /// The same body, with which a request ends.
    pub(super) fn running(mut self, running: RunningRequest) -> Incoming {
        if !self.is_sent() {
            self.running = Some(Box::new(running));
        }
        self
    }

    /// Says that the request does not run any longer, whether or not the body is read to its end.
    pub(super) fn end_running(&mut self) {
        self.running = None;
    }

    /// The response with its body unpacked, if it is compressed with gzip or deflate.
    pub(super) fn unpacked(mut response: Response<Incoming>) -> Response<Incoming> {
        if response.headers().contains_key(header::CONTENT_ENCODING) {
            let unpacker = Unpacker::for_response(response.headers_mut()).map(Box::new);
            if unpacker.is_some() {
                response.extensions_mut().insert(WasCompressed);
            }
            response.body_mut().unpacker = unpacker;
        }
        response
    }

    /// The same body, which must have arrived before `deadline` if there is one.
    pub fn with_deadline(self, deadline: Option<std::time::Instant>) -> Incoming {
        Incoming { deadline: deadline.map(Into::into), ..self }
    }

    /// The same body, of which each byte ends a pause: that of a stream of events, in which few bytes are much.
    #[cfg(feature = "server")]
    pub(crate) fn with_any_progress(self) -> Incoming {
        Incoming { min_progress: 1, ..self }
    }

    /// The whole body, of at most `limit` bytes.
    ///
    /// # Errors
    /// If it is larger, breaks off, pauses for too long, or is not complete before its deadline.
    pub async fn collect(self, limit: usize) -> Result<Bytes, TransportError> {
        self.collect_within(limit, &mut ReservedMemory::default()).await
    }

    /// The whole body, of at most `limit` bytes. Memory is reserved as its bytes come: what a server only announces
    /// reserves nothing.
    ///
    /// # Errors
    /// As for [`collect`](Incoming::collect), and if there is no memory for it.
    pub(crate) async fn collect_within(
        mut self,
        limit: usize,
        memory: &mut ReservedMemory,
    ) -> Result<Bytes, TransportError> {
        let mut collected = CollectedBody::default();
        self.collect_until(usize::MAX, limit, &mut collected, memory).await?;
        Ok(collected.into_bytes())
    }

    /// Collects more of the body, until there are `enough` bytes of it or all. Returns whether it is known to be whole.
    ///
    /// # Errors
    /// As for [`collect_within`](Incoming::collect_within).
    pub(crate) async fn collect_until(
        &mut self,
        enough: usize,
        limit: usize,
        collected: &mut CollectedBody,
        memory: &mut ReservedMemory,
    ) -> Result<bool, TransportError> {
        if let Some(event) = self.event.take() {
            // Boxed, because few responses are streams of events.
            return Box::pin(self.collect_event(*event, limit, collected, memory)).await.map(|()| true);
        }
        let left = usize::try_from(self.size_hint().lower()).unwrap_or(usize::MAX);
        let announced = left.saturating_add(collected.as_slice().len());
        if announced > limit && enough > limit {
            return Err(TransportError::too_large(limit));
        }
        let deadline = self.deadline();
        let CollectedBody { first, all } = collected;
        while first.len().max(all.len()) < enough {
            let Some(frame) = self.frame().await else { return Ok(true) };
            let frame = frame.map_err(TransportError::broken_off)?;
            let Ok(data) = frame.into_data() else { continue };
            let length = first.len().max(all.len()) + data.len();
            if length > limit {
                return Err(TransportError::too_large(limit));
            }
            // Twice as much as there is, so that the bytes are copied few times.
            let until = length.saturating_mul(2).min(announced.max(length)).min(limit);
            if length > SMALL && length > memory.bytes() {
                memory.extend_to(until, deadline).await.map_err(TransportError::no_memory)?;
            }
            if first.is_empty() && all.is_empty() {
                *first = data;
                if self.is_end_stream() {
                    return Ok(true);
                }
                continue;
            }
            if all.is_empty() {
                all.reserve(until);
                all.extend_from_slice(first);
                *first = Bytes::new();
            }
            if all.capacity() < length {
                all.reserve(until - all.len());
            }
            all.extend_from_slice(&data);
        }
        Ok(self.is_end_stream())
    }

    /// Returns the connection to the pool, once the body has been read to its end.
    fn return_connection(&mut self) {
        if let BodySource::Http1 { connection, .. } = &mut self.source
            && let Some((connection, pool)) = connection.take()
            // A server may respond before it has read the request. The rest of that is of no use to it.
            && self.request_body.as_ref().is_none_or(UnreadBody::has_ended)
        {
            pool.put(connection);
        }
    }

    /// Closes a connection that has failed.
    fn drop_connection(&mut self) {
        if let BodySource::Http1 { connection, .. } = &mut self.source {
            *connection = None;
        }
    }

    /// Notes that the rest of the body does not come.
    fn note_failure(&mut self) {
        if let Some(running) = self.running.take() {
            running.broke_off();
        }
    }

    /// Stops the clock, and sets it back if enough data has arrived.
    fn record_progress(&mut self, bytes: usize) {
        self.progress += bytes;
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
        if self.progress >= self.min_progress {
            (self.progress, self.waited) = (0, Duration::ZERO);
        }
    }

    /// Becomes ready when the body has paused for too long, or its deadline has passed.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<LateError> {
        if self.waiting_since.is_none() {
            let now = Instant::now();
            let pause_end = now + self.limit.saturating_sub(self.waited);
            let end = self.deadline.map_or(pause_end, |deadline| deadline.min(pause_end));
            self.waiting_since = Some(now);
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(end),
                None => self.timer = Some(Box::pin(sleep_until(end))),
            }
        }
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        // Outside of the task's budget: a body that uses it up at each poll would otherwise stop the clock.
        ready!(pin!(unconstrained(timer.as_mut())).poll(cx));
        let deadline_passed = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        Poll::Ready(if deadline_passed { LateError::Deadline } else { LateError::Timeout(self.limit) })
    }

    /// The next frame of the body as the server sends it.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.poll_source(cx) {
            Poll::Ready(frame) => {
                if let Some(Ok(data)) = frame.as_ref().map(|frame| frame.as_ref().map(|frame| frame.data_ref())) {
                    self.record_progress(data.map_or(0, Bytes::len));
                }
                // A chunked body is complete only at the frame after its last data, which is `None`.
                match &frame {
                    Some(Err(_)) => {
                        self.drop_connection();
                        self.note_failure();
                    }
                    Some(Ok(_)) if !self.is_sent() => {}
                    _ => {
                        self.return_connection();
                        self.running = None;
                    }
                }
                Poll::Ready(frame)
            }
            Poll::Pending => {
                let late = ready!(self.poll_timer(cx));
                self.note_failure();
                Poll::Ready(Some(Err(late.into())))
            }
        }
    }

    /// Whether the server has sent the whole body.
    fn is_sent(&self) -> bool {
        match &self.source {
            BodySource::Http1 { body, .. } | BodySource::Http2(body) => body.is_end_stream(),
            BodySource::Whole(body) => body.is_empty(),
            BodySource::Scgi { .. } => false,
        }
    }

    /// The next frame of a compressed body.
    fn poll_unpacked(
        &mut self,
        mut unpacker: Box<Unpacker>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = loop {
            let unpacked = match unpacker.next_piece() {
                Ok(Some(piece)) => Ok(Some(piece)),
                Err(error) => Err(error),
                Ok(None) => match self.poll_sent(cx) {
                    Poll::Pending => break Poll::Pending,
                    Poll::Ready(Some(Ok(frame))) => {
                        // Trailers say nothing of a result.
                        unpacker.push(frame.into_data().unwrap_or_default());
                        continue;
                    }
                    Poll::Ready(Some(Err(error))) => break Poll::Ready(Some(Err(error))),
                    Poll::Ready(None) => unpacker.finish(),
                },
            };
            break Poll::Ready(match unpacked {
                Ok(piece) => piece.map(|piece| Ok(Frame::data(piece))),
                Err(error) => {
                    self.drop_connection();
                    Some(Err(format!("the compressed body is damaged: {error}").into()))
                }
            });
        };
        self.unpacker = Some(unpacker);
        polled
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let (body, connection) = match &mut self.source {
            BodySource::Http1 { body, connection } => (body, connection.as_mut()),
            BodySource::Http2(body) => (body, None),
            BodySource::Whole(body) => {
                let body = std::mem::take(body);
                return Poll::Ready((!body.is_empty()).then(|| Ok(Frame::data(body))));
            }
            BodySource::Scgi { body, .. } => return body.poll_frame(cx),
        };
        let mut body = Pin::new(body);
        if let Poll::Ready(frame) = body.as_mut().poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        // The reader drives the HTTP/1.1 connection: without this, no further byte of the body would be read.
        let Some((connection, _)) = connection else { return Poll::Pending };
        connection.drive(cx);
        body.poll_frame(cx).map_err(Into::into)
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.unpacker.take() {
            None => self.poll_sent(cx),
            Some(unpacker) => self.poll_unpacked(unpacker, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.unpacker.is_none() && self.is_sent()
    }

    fn size_hint(&self) -> SizeHint {
        if self.unpacker.is_some() {
            return SizeHint::default();
        }
        match &self.source {
            BodySource::Http1 { body, .. } | BodySource::Http2(body) => body.size_hint(),
            BodySource::Whole(body) => SizeHint::with_exact(body.len() as u64),
            BodySource::Scgi { body, .. } => body.size_hint(),
        }
    }
}
