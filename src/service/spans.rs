//! Spans: when the parts of a request began and ended, for a tracing system.
//!
//! A server with tracing decides for each request whether its spans are recorded. If they are, the
//! [`RequestRecord`](crate::service::request_record::RequestRecord) of the request has a [`RecordedTrace`], by which those who
//! do a part of the work add a [`Span`] when it has ended. The spans wait in a [`SpanQueue`] of bounded length for the thread
//! that sends them. Nothing waits for the queue: a span for which there is no room is dropped and counted.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::trace_context::TraceContext;

/// How many spans wait to be sent. Further ones are dropped and counted.
const WAITING: usize = 4096;

/// A part of the work for a request, which has ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span {
    pub(crate) trace: Arc<TraceContext>,
    /// Not 0, and not the id of another span of the trace.
    pub(crate) id: u64,
    /// The span that this one is a part of; 0 if there is none.
    pub(crate) parent: u64,
    pub(crate) kind: SpanKind,
    pub(crate) name: String,
    pub(crate) start: SystemTime,
    pub(crate) end: SystemTime,
    pub(crate) failed: bool,
    pub(crate) attributes: Vec<Attribute>,
}

/// What a span is to the spans before and after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpanKind {
    Internal,
    Server,
    Client,
}

/// A fact about a span, by the names of the semantic conventions of OpenTelemetry.
pub(crate) type Attribute = (&'static str, AttributeValue);

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AttributeValue {
    Word(&'static str),
    Text(String),
    Number(i64),
}

impl From<&'static str> for AttributeValue {
    fn from(word: &'static str) -> Self {
        AttributeValue::Word(word)
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        AttributeValue::Text(text)
    }
}

impl From<IpAddr> for AttributeValue {
    fn from(address: IpAddr) -> Self {
        AttributeValue::Text(address.to_string())
    }
}

impl From<u16> for AttributeValue {
    fn from(number: u16) -> Self {
        AttributeValue::Number(number.into())
    }
}

impl From<u32> for AttributeValue {
    fn from(number: u32) -> Self {
        AttributeValue::Number(number.into())
    }
}

/// Spans that wait to be sent.
#[derive(Debug, Clone)]
pub(crate) struct SpanQueue {
    spans: SyncSender<Box<Span>>,
    counts: Arc<SpanCounts>,
}

/// What has become of spans.
#[derive(Debug, Default)]
pub(crate) struct SpanCounts {
    exported: AtomicU64,
    dropped: AtomicU64,
}

impl SpanCounts {
    pub(crate) fn count_exported(&self, spans: u64) {
        self.exported.fetch_add(spans, Relaxed);
    }

    pub(crate) fn count_dropped(&self, spans: u64) {
        self.dropped.fetch_add(spans, Relaxed);
    }

    /// How many spans a collector has accepted.
    pub(crate) fn exported(&self) -> u64 {
        self.exported.load(Relaxed)
    }

    /// How many spans are lost.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

impl SpanQueue {
    /// A queue, and the end at which spans are taken from it.
    pub(crate) fn new() -> (SpanQueue, Receiver<Box<Span>>) {
        let (spans, waiting) = sync_channel(WAITING);
        (SpanQueue { spans, counts: Arc::default() }, waiting)
    }

    pub(crate) fn counts(&self) -> &Arc<SpanCounts> {
        &self.counts
    }

    fn push(&self, span: Span) {
        if self.spans.try_send(Box::new(span)).is_err() {
            self.counts.count_dropped(1);
        }
    }
}

/// The trace of a request whose spans are recorded.
#[derive(Debug)]
pub(crate) struct RecordedTrace {
    context: Arc<TraceContext>,
    /// The id of the span of the request.
    root: u64,
    /// How many spans have begun within that of the request.
    parts: AtomicU64,
    queue: SpanQueue,
}

impl RecordedTrace {
    /// `root` is a random number that is not 0.
    pub(crate) fn new(context: Arc<TraceContext>, root: u64, queue: SpanQueue) -> RecordedTrace {
        RecordedTrace { context, root, parts: AtomicU64::new(0), queue }
    }

    /// Begins a part of the request.
    pub(crate) fn begin(self: &Arc<RecordedTrace>) -> BegunSpan {
        let id = span_id(self.root, self.parts.fetch_add(1, Relaxed));
        BegunSpan { trace: self.clone(), id, start: SystemTime::now() }
    }

    /// Adds the span of a part that ends now and has taken this time.
    pub(crate) fn add_ended(self: &Arc<RecordedTrace>, name: &str, time: Duration, failed: bool) {
        let begun = self.begin();
        let end = begun.start;
        let start = end.checked_sub(time).unwrap_or(end);
        BegunSpan { start, ..begun }.end_at(end, SpanKind::Internal, name.to_owned(), failed, Vec::new());
    }

    /// Adds the span of the request itself, which ends now.
    pub(crate) fn end_request(&self, name: String, took: Duration, failed: bool, attributes: Vec<Attribute>) {
        let end = SystemTime::now();
        self.queue.push(Span {
            trace: self.context.clone(),
            id: self.root,
            parent: self.context.parent_id(),
            kind: SpanKind::Server,
            name,
            start: end.checked_sub(took).unwrap_or(end),
            end,
            failed,
            attributes,
        });
    }
}

/// A part of a request that has begun and not ended.
#[derive(Debug, Clone)]
pub(crate) struct BegunSpan {
    trace: Arc<RecordedTrace>,
    id: u64,
    start: SystemTime,
}

impl BegunSpan {
    /// Makes this span the parent of what the server does that receives these headers.
    pub(crate) fn apply_to(&self, headers: &mut HeaderMap) {
        self.trace.context.apply_to(headers, self.id);
    }

    /// Ends the span now.
    pub(crate) fn end(self, kind: SpanKind, name: String, failed: bool, attributes: Vec<Attribute>) {
        // The clock may have been set back meanwhile.
        let end = SystemTime::now().max(self.start);
        self.end_at(end, kind, name, failed, attributes);
    }

    fn end_at(self, end: SystemTime, kind: SpanKind, name: String, failed: bool, attributes: Vec<Attribute>) {
        let BegunSpan { trace, id, start } = self;
        trace.queue.push(Span {
            trace: trace.context.clone(),
            id,
            parent: trace.root,
            kind,
            name,
            start,
            end,
            failed,
            attributes,
        });
    }
}

/// The id of a part: the numbers of the generator SplitMix64 that begins at the random id of the request. They differ within
/// the request, because each step of the generator is reversible.
fn span_id(root: u64, part: u64) -> u64 {
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = root.wrapping_add(GAMMA.wrapping_mul(part.wrapping_add(1)));
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)).max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_ids_of_the_parts_of_a_request_differ() {
        let ids: BTreeSet<u64> = (0..10_000).map(|part| span_id(7, part)).chain([7]).collect();
        assert_eq!((ids.len(), ids.contains(&0)), (10_001, false));
    }

    #[test]
    fn a_part_has_the_span_of_the_request_as_its_parent() {
        let (queue, waiting) = SpanQueue::new();
        let context = Arc::new(TraceContext::begin(5, true));
        let trace = Arc::new(RecordedTrace::new(context, 9, queue));
        trace.add_ended("part", Duration::from_secs(2), true);
        trace.end_request("whole".to_owned(), Duration::from_secs(3), false, Vec::new());
        let (part, whole) = (waiting.try_recv().unwrap(), waiting.try_recv().unwrap());
        assert_eq!((part.parent, part.failed, whole.id, whole.parent, whole.failed), (9, true, 9, 0, false));
        assert_eq!(part.end.duration_since(part.start).unwrap(), Duration::from_secs(2));
        assert_eq!(whole.end.duration_since(whole.start).unwrap(), Duration::from_secs(3));
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let (queue, waiting) = SpanQueue::new();
        let trace = Arc::new(RecordedTrace::new(Arc::new(TraceContext::begin(5, true)), 9, queue.clone()));
        for _ in 0..WAITING + 3 {
            trace.add_ended("part", Duration::ZERO, false);
        }
        assert_eq!((waiting.try_iter().count(), queue.counts().dropped()), (WAITING, 3));
    }
}
