//! The body of a request that is passed on to an upstream while it arrives.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::model::fault::BoxError;
use crate::service::lock::lock;

/// A body that has not been read. Clones share it: one of them reads it, and the others see how far that has come.
///
/// Trailers are left out (RFC 9110, section 6.5.1, allows that).
#[derive(Clone)]
pub struct UnreadBody {
    is_empty: bool,
    state: Arc<Mutex<BodyState>>,
}

struct BodyState {
    body: Option<Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>>,
    has_begun: bool,
    has_failed: bool,
    /// Whether the last poll has found nothing: the client is waited for.
    waits_for_client: bool,
    /// When the last bytes were taken.
    last_taken: Instant,
    ended: Option<Instant>,
}

impl UnreadBody {
    /// A body that arrives.
    pub fn new(body: impl Body<Data = Bytes, Error = BoxError> + Send + 'static) -> UnreadBody {
        if body.is_end_stream() {
            return UnreadBody::empty();
        }
        UnreadBody::of(Some(Box::pin(body)))
    }

    /// No body.
    pub fn empty() -> UnreadBody {
        UnreadBody::of(None)
    }

    fn of(body: Option<Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>>) -> UnreadBody {
        let (is_empty, now) = (body.is_none(), Instant::now());
        let state = BodyState {
            body,
            has_begun: false,
            has_failed: false,
            waits_for_client: false,
            last_taken: now,
            ended: is_empty.then_some(now),
        };
        UnreadBody { is_empty, state: Arc::new(Mutex::new(state)) }
    }

    /// Whether there has never been anything to read.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Whether some of it has been asked for, so that it cannot be sent to another server.
    pub fn has_begun(&self) -> bool {
        lock(&self.state).has_begun
    }

    /// Whether the client has broken off, or was refused.
    pub fn has_failed(&self) -> bool {
        lock(&self.state).has_failed
    }

    /// Whether all of it has been read.
    pub fn has_ended(&self) -> bool {
        lock(&self.state).ended.is_some()
    }

    /// How much is left of a time that begins when all of the body has been read; `None` if it has passed.
    pub(crate) fn time_behind(&self, time: Duration) -> Option<Duration> {
        let ended = lock(&self.state).ended;
        left(time, ended)
    }

    /// How much is left of a time in which the reader has to take some of the body, or what follows all of it has to happen;
    /// `None` if it has passed. Time for which the client is waited for does not count.
    #[cfg_attr(not(feature = "client"), allow(dead_code, reason = "only a transport reads bodies"))]
    pub(crate) fn pause_left(&self, time: Duration) -> Option<Duration> {
        let state = lock(&self.state);
        left(time, (!state.waits_for_client).then_some(state.last_taken))
    }
}

/// What is left of a time since `begun`, or all of it; `None` if nothing is.
fn left(time: Duration, begun: Option<Instant>) -> Option<Duration> {
    let passed = begun.map_or(Duration::ZERO, |begun| begun.elapsed());
    time.checked_sub(passed).filter(|left| !left.is_zero())
}

impl Body for UnreadBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = lock(&self.state);
        let state = &mut *state;
        state.has_begun = true;
        loop {
            let Some(body) = &mut state.body else { return Poll::Ready(None) };
            state.waits_for_client = true;
            let frame = ready!(body.as_mut().poll_frame(cx));
            state.waits_for_client = false;
            state.last_taken = Instant::now();
            match frame {
                Some(Ok(frame)) if frame.is_trailers() => continue,
                Some(Ok(frame)) => {
                    if body.is_end_stream() {
                        state.ended = Some(state.last_taken);
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Err(error)) => {
                    state.has_failed = true;
                    state.body = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    state.ended.get_or_insert(state.last_taken);
                    state.body = None;
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let state = lock(&self.state);
        !state.has_failed && state.body.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.state).body.as_ref().map_or_else(|| SizeHint::with_exact(0), |body| body.size_hint())
    }
}

impl fmt::Debug for UnreadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnreadBody").field("is_empty", &self.is_empty).finish_non_exhaustive()
    }
}
