//! The body of a response, as it comes in.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, sleep_until};

use super::error::{Late, TransportError};
use super::http1::Connection;
use super::pool::Keeper;
use super::scgi;
use crate::model::fault::BoxError;

/// Memory set aside at once for an answer that says how long it is, in bytes.
const FIRST: u64 = 1 << 20;
/// How many bytes must come while the time that an answer may pause goes by: a byte now and then is no answer.
const PACE: usize = 4096;

/// A body that comes from a server. Whoever reads it to its end gives the connection back.
pub struct Incoming {
    from: From,
    /// How long it may pause.
    limit: Duration,
    /// Ends when it has paused for too long; it counts only while somebody waits.
    pause: Option<Pin<Box<Sleep>>>,
    /// Since when somebody waits.
    waiting: Option<Instant>,
    /// How long was waited before, for the last few bytes.
    waited: Duration,
    /// How many bytes these are.
    since: usize,
}

enum From {
    Single { body: hyper::body::Incoming, connection: Option<(Connection, Keeper)> },
    Shared(hyper::body::Incoming),
    Scgi(scgi::Rest),
}

impl Incoming {
    pub(super) fn http1(
        body: hyper::body::Incoming,
        connection: Connection,
        limit: Duration,
        keeper: Keeper,
    ) -> Incoming {
        let mut incoming = Incoming::of(From::Single { body, connection: Some((connection, keeper)) }, limit);
        if incoming.is_end_stream() {
            incoming.give_back();
        }
        incoming
    }

    pub(super) fn http2(body: hyper::body::Incoming, limit: Duration) -> Incoming {
        Incoming::of(From::Shared(body), limit)
    }

    pub(super) fn scgi(rest: scgi::Rest, limit: Duration) -> Incoming {
        Incoming::of(From::Scgi(rest), limit)
    }

    fn of(from: From, limit: Duration) -> Incoming {
        Incoming { from, limit, pause: None, waiting: None, waited: Duration::ZERO, since: 0 }
    }

    /// The whole body, of at most `limit` bytes.
    ///
    /// # Errors
    /// Where it is larger, breaks off or pauses for too long.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, TransportError> {
        let announced = self.size_hint().lower();
        if announced > u64::try_from(limit).unwrap_or(u64::MAX) {
            return Err(TransportError::too_large(limit));
        }
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        while let Some(frame) = self.frame().await {
            let frame = frame.map_err(|error| TransportError::new(String::new(), true, error))?;
            let Ok(data) = frame.into_data() else { continue };
            if first.len().max(all.len()) + data.len() > limit {
                return Err(TransportError::too_large(limit));
            }
            if first.is_empty() {
                first = data;
                if self.is_end_stream() {
                    break;
                }
                continue;
            }
            if all.is_empty() {
                all.reserve(usize::try_from(announced.min(FIRST)).unwrap_or_default().max(first.len() + data.len()));
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
        Ok(if all.is_empty() { first } else { all.freeze() })
    }

    /// Gives the connection back: all has been read.
    fn give_back(&mut self) {
        if let From::Single { connection, .. } = &mut self.from
            && let Some((connection, keeper)) = connection.take()
        {
            keeper.keep(connection);
        }
    }

    /// Lets go of a connection over which nobody can ask any more.
    fn let_go(&mut self) {
        if let From::Single { connection, .. } = &mut self.from {
            *connection = None;
        }
    }

    /// Stops the clock, and puts it back where enough has come.
    fn has_come(&mut self, bytes: usize) {
        self.since += bytes;
        if let Some(waiting) = self.waiting.take() {
            self.waited += waiting.elapsed();
        }
        if self.since >= PACE {
            (self.since, self.waited) = (0, Duration::ZERO);
        }
    }

    /// Whether it has paused for too long.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting.is_none() {
            let now = Instant::now();
            let end = now + self.limit.saturating_sub(self.waited);
            self.waiting = Some(now);
            match &mut self.pause {
                Some(pause) => pause.as_mut().reset(end),
                None => self.pause = Some(Box::pin(sleep_until(end))),
            }
        }
        self.pause.as_mut().map_or(Poll::Pending, |pause| pause.as_mut().poll(cx))
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let (body, connection) = match &mut self.from {
            From::Single { body, connection } => (body, connection.as_mut()),
            From::Shared(body) => (body, None),
            From::Scgi(rest) => return rest.poll_frame(cx),
        };
        let mut body = Pin::new(body);
        if let Poll::Ready(frame) = body.as_mut().poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Some((connection, _)) = connection else { return Poll::Pending };
        connection.drive(cx);
        body.poll_frame(cx).map_err(Into::into)
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        match this.poll_more(cx) {
            Poll::Ready(frame) => {
                if let Some(Ok(data)) = frame.as_ref().map(|frame| frame.as_ref().map(|frame| frame.data_ref())) {
                    this.has_come(data.map_or(0, Bytes::len));
                }
                // A body in chunks is at its end only when there is nothing more of it.
                match &frame {
                    Some(Err(_)) => this.let_go(),
                    Some(Ok(_)) if !this.is_end_stream() => {}
                    _ => this.give_back(),
                }
                Poll::Ready(frame)
            }
            Poll::Pending => {
                ready!(this.poll_pause(cx));
                Poll::Ready(Some(Err(Late(this.limit).into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.from {
            From::Single { body, .. } | From::Shared(body) => body.is_end_stream(),
            From::Scgi(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.from {
            From::Single { body, .. } | From::Shared(body) => body.size_hint(),
            From::Scgi(rest) => rest.size_hint(),
        }
    }
}
