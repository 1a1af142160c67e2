//! Progress reports for calls that take long. If the client asks for them, the response is a stream of events (`text/event-stream`): each
//! second a notification with the duration of the call and the size of its result so far, and at last the response itself. A client that
//! resets its timeout at each report can therefore wait until the deadline of the group.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::Frame;
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval_at};
use tracing::Instrument as _;

use super::Answer;
use super::answer::RpcError;
use super::message::in_one_line;
use crate::http::body::Body;
use crate::model::fault::{BoxError, Fault, Kind};
use crate::protocol::frontend::{CallStillRunning, STOPPING};
use crate::service;
use crate::service::current_request::CurrentRequest;
use crate::service::future::{MaybeReady, catch_panic_of, with_timeout};
use crate::service::request_record::RequestRecord;
use crate::service::result_memory::{NO_MEMORY, ReservedMemory, ResultMemory, SMALL};

/// The time before the response becomes a stream, and between two reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Makes the progress reports of one call.
pub(super) struct Progress {
    /// The progress token of the request, as JSON.
    token: Box<str>,
    /// How many bytes of the result are written so far.
    pub(super) bytes_written: Arc<AtomicUsize>,
    /// The record of the request: a fault that comes after the head of the response is noted here.
    record: Option<Arc<RequestRecord>>,
    /// Where the memory for the last event is taken from.
    memory: Option<ResultMemory>,
    /// The `id` of the request, as text.
    id: Box<str>,
}

impl Progress {
    /// `token` is a text or a number.
    pub(super) fn new(token: &RawValue, id: &RawValue, context: &service::Context) -> Progress {
        Progress {
            token: token.get().into(),
            bytes_written: Arc::default(),
            record: context.record.clone(),
            memory: context.result_memory.clone(),
            id: id.get().into(),
        }
    }

    /// Turns an answer that is not ready within [`REPORT_INTERVAL`] into a stream of events.
    pub(super) fn report(self, answer: MaybeReady<Answer>, method: &str) -> MaybeReady<Answer> {
        let MaybeReady::Later(mut answer) = answer else { return answer };
        let method: Box<str> = method.into();
        MaybeReady::later(async move {
            let begun = Instant::now();
            if let Some(ready) = with_timeout(REPORT_INTERVAL, answer.as_mut()).await {
                return ready;
            }
            // A task of its own: hyper polls the body only while the client reads it, which would stop the call for slow clients, and
            // outside the scope of the current request, which log lines of the call need.
            let still_running = CallStillRunning::default();
            let answer = or_stopped(catch_panic_of(answer), still_running.end.clone()).in_current_span();
            let mut running = JoinSet::new();
            match CurrentRequest::get() {
                Some(request) => running.spawn(request.scope(answer)),
                None => running.spawn(answer),
            };
            let mut ticks = interval_at(tokio::time::Instant::now(), REPORT_INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let memory = ReservedMemory::of(self.memory.as_ref());
            let stream = EventStream { running, is_ended: false, progress: self, memory, begun, ticks };
            let answer = Answer::whole(Body::coming(stream), &method);
            Answer { headers: stream_headers(), still_running: Some(still_running), ..answer }
        })
    }

    fn event(&self, seconds: u64) -> Vec<u8> {
        let token = &self.token;
        let so_far = match self.bytes_written.load(Relaxed) {
            0 => String::new(),
            bytes => format!(", {} KiB of the result", bytes.div_ceil(1024)),
        };
        let params = format!(r#"{{"progressToken":{token},"progress":{seconds},"message":"{seconds} s{so_far}"}}"#);
        event(format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}"#).as_bytes())
    }
}

/// The body of a response: progress reports while the call runs, then its response.
struct EventStream {
    /// The call. Dropping the stream aborts it.
    running: JoinSet<Result<Answer, Fault>>,
    /// Whether the last event has been returned.
    is_ended: bool,
    progress: Progress,
    /// The memory of the last event.
    memory: ReservedMemory,
    begun: Instant,
    ticks: Interval,
}

/// The answer of a call, unless the call is ended before.
async fn or_stopped(answer: impl Future<Output = Result<Answer, Fault>>, end: Arc<Notify>) -> Result<Answer, Fault> {
    tokio::select! {
        biased;
        answer = answer => answer,
        () = end.notified() => Err(Fault::new(Kind::Busy, STOPPING)),
    }
}

impl http_body::Body for EventStream {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let EventStream { running, is_ended, progress, memory, begun, ticks } = &mut *self;
        if *is_ended {
            return Poll::Ready(None);
        }
        let bytes = match running.poll_join_next(cx) {
            Poll::Ready(ended) => {
                *is_ended = true;
                progress.last_event(ended.and_then(Result::ok).unwrap_or_else(|| Err(Fault::internal())), memory)
            }
            Poll::Pending if ticks.poll_tick(cx).is_ready() => progress.event(begun.elapsed().as_secs()),
            Poll::Pending => return Poll::Pending,
        };
        Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended
    }
}

impl Progress {
    /// The event with the response; empty for a call that was cancelled.
    fn last_event(&self, ended: Result<Answer, Fault>, memory: &mut ReservedMemory) -> Vec<u8> {
        let message = ended.map(|answer| (answer.body.as_ref().and_then(Body::as_whole).cloned(), answer.fault));
        let message = message.and_then(|(message, fault)| {
            let bytes = message.as_ref().map_or(0, Bytes::len);
            let is_reserved = bytes <= SMALL || memory.try_extend_to(bytes);
            if is_reserved { Ok((message, fault)) } else { Err(Fault::new(Kind::Busy, NO_MEMORY)) }
        });
        let (message, fault) = message.unwrap_or_else(|fault| {
            let error = RpcError::new(-32603, fault.message).text(Some(&self.id));
            (Some(error.into()), Some(fault.kind))
        });
        if let (Some(record), Some(fault)) = (&self.record, fault) {
            record.note_late_fault(fault);
        }
        message.map(|message| event(&message)).unwrap_or_default()
    }
}

fn stream_headers() -> HeaderMap {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // Proxies must pass each report on at once. nginx obeys the last of these headers.
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    headers.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
}

const BEFORE_MESSAGE: &[u8] = b"event: message\ndata: ";
const AFTER_MESSAGE: &[u8] = b"\n\n";

/// An event with a message (HTML Standard, section 9.2.6).
fn event(message: &[u8]) -> Vec<u8> {
    [BEFORE_MESSAGE, &in_one_line(message), AFTER_MESSAGE].concat()
}

/// The message in an event that [`event`] has written.
#[cfg(feature = "cli")]
pub(crate) fn event_message(event: &Bytes) -> Bytes {
    let message = event.strip_prefix(BEFORE_MESSAGE).and_then(|rest| rest.strip_suffix(AFTER_MESSAGE));
    message.map(|message| event.slice_ref(message)).unwrap_or_default()
}
