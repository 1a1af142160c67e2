//! The body of a request that is passed on while it arrives: its size and its pace are checked meanwhile, and nothing of it is
//! kept.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, Sleep, sleep};

use crate::http::rejection::HttpRejection;
use crate::model::fault::BoxError;
use crate::server::clients::ClientAccount;
use crate::server::group::Group;
use crate::server::pace::Pace;
use crate::server::request_body::{
    ArrivalLimits, BodyMemory, MemoryBudget, PACE_WINDOW, STEP, check_length, too_large,
};
use crate::service::lock::lock;
use crate::service::passthrough::size_after;
use crate::service::unread_body::UnreadBody;

/// The body of a request, which can be taken out to be passed on.
pub(super) struct ArrivingBody<B>(Option<B>);

impl<B> ArrivingBody<B> {
    pub(super) fn new(body: B) -> ArrivingBody<B> {
        ArrivingBody(Some(body))
    }
}

impl<B: Body + Unpin> Body for ArrivingBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// A request whose body is passed on, seen from the gateway.
#[derive(Clone)]
pub(super) struct StreamedRequest {
    pub(super) body: UnreadBody,
    /// The bytes of the body, if all of it has been read to be checked.
    pub(super) whole: Option<Bytes>,
    /// The headers with the credentials of the client.
    pub(super) credentials: Vec<HeaderName>,
    received: Arc<AtomicU64>,
    refusal: Refusal,
}

/// Why the body has been refused, once it has.
type Refusal = Arc<Mutex<Option<HttpRejection>>>;

impl StreamedRequest {
    /// Takes the body of a request.
    ///
    /// # Errors
    /// 411 or 413, if the head of the request says that the body has no end or is too large.
    pub(super) fn begin<B>(
        head: &Parts,
        body: &mut ArrivingBody<B>,
        group: &Group,
        arrival: &Arc<ArrivalLimits>,
    ) -> Result<Box<StreamedRequest>, HttpRejection>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let limit = group.body_limit;
        check_length(head, &*body, limit)?;
        let credentials = group.auth.as_ref().map(|auth| auth.credential_headers()).unwrap_or_default();
        let (refusal, received) = (Refusal::default(), Arc::<AtomicU64>::default());
        let body = match body.0.take() {
            Some(body) if !body.is_end_stream() => UnreadBody::new(StreamedBody {
                body,
                limit: limit as u64,
                received: received.clone(),
                arrival: arrival.clone(),
                pace: Pace::default(),
                waited: Duration::ZERO,
                waiting_since: None,
                timer: None,
                refusal: refusal.clone(),
            }),
            _ => UnreadBody::empty(),
        };
        Ok(Box::new(StreamedRequest { body, whole: None, credentials, received, refusal }))
    }

    /// Reads the body if it has at most `most` bytes. A longer one is passed on with what has been read of it. Returns the memory
    /// for what is kept of the body.
    ///
    /// # Errors
    /// Why the body is refused; 503 if there is no memory for it.
    pub(super) async fn read_first(
        &mut self,
        most: usize,
        client: &Arc<ClientAccount>,
        budget: &MemoryBudget,
    ) -> Result<Option<BodyMemory>, HttpRejection> {
        let mut arriving = self.body.clone();
        let (mut read, mut length, mut memory) = (VecDeque::new(), 0, None);
        while let Some(frame) = arriving.frame().await {
            let Ok(frame) = frame else {
                let broken = || HttpRejection::new(StatusCode::BAD_REQUEST, "the request broke off");
                return Err(self.refusal().unwrap_or_else(broken));
            };
            let data = frame.into_data().unwrap_or_default();
            length += data.len();
            read.push_back(data);
            if length > most {
                self.body = UnreadBody::new(BegunBody { read, rest: arriving });
                return Ok(None);
            }
            budget.reserve(client, &mut memory, length).await?;
        }
        let whole = match read.len() {
            1 => read.pop_front().unwrap_or_default(),
            _ => Bytes::from(read.into_iter().flatten().collect::<Vec<u8>>()),
        };
        self.body = UnreadBody::new(Full::new(whole.clone()).map_err(|never| match never {}));
        self.whole = Some(whole);
        Ok(memory)
    }

    /// How many bytes have been received so far.
    pub(super) fn received(&self) -> usize {
        usize::try_from(self.received.load(Relaxed)).unwrap_or(usize::MAX)
    }

    /// Why the body was refused, if it was.
    pub(super) fn refusal(&self) -> Option<HttpRejection> {
        lock(&self.refusal).clone()
    }
}

/// A body of which a part has been read.
struct BegunBody {
    read: VecDeque<Bytes>,
    rest: UnreadBody,
}

impl Body for BegunBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.read.pop_front() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        size_after(self.read.iter().map(Bytes::len).sum(), &self.rest.size_hint())
    }
}

/// A body within its limits.
struct StreamedBody<B> {
    body: B,
    /// How many bytes it may have (`limits.body`).
    limit: u64,
    /// How many bytes have come. Only this body adds to it.
    received: Arc<AtomicU64>,
    arrival: Arc<ArrivalLimits>,
    pace: Pace,
    /// How long the client has been waited for since the last check.
    waited: Duration,
    waiting_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    refusal: Refusal,
}

impl<B> StreamedBody<B> {
    fn refuse(&self, rejection: HttpRejection) -> BoxError {
        let reason = rejection.reason.clone();
        *lock(&self.refusal) = Some(rejection);
        reason.into()
    }

    /// Counts the time for which the client has been waited for.
    fn stop_waiting(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
    }

    /// Checks the pace of the client once a second, as long as it is waited for.
    fn poll_pace(&mut self, cx: &mut Context<'_>) -> Poll<HttpRejection> {
        self.waiting_since.get_or_insert_with(Instant::now);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(STEP)));
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if let Some(since) = self.waiting_since.replace(now) {
                self.waited += now - since;
            }
            let waited = u64::try_from(std::mem::take(&mut self.waited).as_millis()).unwrap_or(u64::MAX);
            let (rate, longest) = match self.arrival.min_rate() {
                0 => (0, self.arrival.timeout()),
                rate => (rate, PACE_WINDOW),
            };
            if self.pace.is_below(rate, longest, waited) {
                let reason = match rate {
                    0 => format!("nothing of the request has arrived for {longest:?}"),
                    _ => format!("the request arrives at less than {rate} bytes a second"),
                };
                return Poll::Ready(HttpRejection::new(StatusCode::REQUEST_TIMEOUT, reason));
            }
            timer.as_mut().reset(now + STEP);
        }
        Poll::Pending
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Body for StreamedBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let frame = match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => return this.poll_pace(cx).map(|rejection| Some(Err(this.refuse(rejection)))),
        };
        this.stop_waiting();
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.pace.moved(length);
                let received = this.received.fetch_add(length as u64, Relaxed) + length as u64;
                if received > this.limit {
                    let limit = usize::try_from(this.limit).unwrap_or(usize::MAX);
                    return Poll::Ready(Some(Err(this.refuse(too_large(limit)))));
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                this.refuse(HttpRejection::new(StatusCode::BAD_REQUEST, "the request broke off"));
                Some(Err(error.into()))
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
