//! Counts the requests and calls of a group, for metrics.
//!
//! A [`Meter`] is where the calls of a group are counted. It is empty until someone wants to read the counts
//! ([`Meter::start`]); until then a call costs one load. The [limiter](crate::service::limiter) of the group has the meter,
//! because every call goes through it, whichever way it came.
//!
//! The number of counters depends on the interface of the service alone, never on what clients send: a method that the
//! interface does not have counts as [`OTHER`]. The methods are looked up in a table that is made when the group is mounted.
//! Counting takes no lock, and neither does reading.

use std::cmp::Ordering;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::model::fault::{Fault, Kind};
use crate::model::interface::Interface;
use crate::service::{Call, CallForm, Output};

/// Stands for all methods that the interface does not have, and for requests that no protocol has claimed.
pub(crate) const OTHER: &str = "_other";

/// The protocols by which requests are counted.
pub(crate) const PROTOCOLS: [&str; 6] = ["xml-rpc", "json-rpc", "rest", "soap", "page", OTHER];

/// The place of [`OTHER`] among the protocols.
pub(crate) const OTHER_PROTOCOL: u8 = 5;

/// How requests and calls end.
pub(crate) const ENDINGS: [&str; 19] = [
    "success",
    "not-well-formed",
    "encoding",
    "character",
    "structure",
    "limit",
    "no-such-method",
    "bad-params",
    "service",
    "internal",
    "unreachable",
    "late",
    "busy",
    "unauthenticated",
    "forbidden",
    "rate-limited",
    "cancelled",
    "rejected",
    "client-gone",
];

/// The upper bounds of the buckets of all durations, in nanoseconds. There is one more bucket, without a bound.
pub(crate) const BOUNDS: [u64; 14] = [
    100_000,
    1_000_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    60_000_000_000,
];

/// How a request or a call has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Success,
    Fault(Kind),
    /// A call that was given up before its result.
    Cancelled,
    /// A request that was refused by an HTTP status.
    Rejected,
    /// A request whose client has left before the end of the response.
    ClientGone,
}

impl Ending {
    pub(crate) fn of(result: &Result<Output, Fault>) -> Ending {
        match result {
            Ok(Output::Raw(raw)) => raw.fault.map_or(Ending::Success, Ending::Fault),
            Ok(_) => Ending::Success,
            Err(fault) => Ending::Fault(fault.kind),
        }
    }

    /// Its place in [`ENDINGS`].
    fn index(self) -> u8 {
        match self {
            Ending::Success => 0,
            Ending::Fault(kind) => match kind {
                Kind::NotWellFormed => 1,
                Kind::Encoding => 2,
                Kind::Character => 3,
                Kind::Structure => 4,
                Kind::Limit => 5,
                Kind::NoSuchMethod => 6,
                Kind::BadParams => 7,
                Kind::Service(_) => 8,
                Kind::Internal => 9,
                Kind::Unreachable => 10,
                Kind::Late => 11,
                Kind::Busy => 12,
                Kind::Unauthenticated => 13,
                Kind::Forbidden => 14,
                Kind::RateLimited => 15,
            },
            Ending::Cancelled => 16,
            Ending::Rejected => 17,
            Ending::ClientGone => 18,
        }
    }
}

/// The place of a protocol in [`PROTOCOLS`].
pub(crate) fn protocol_index(name: Option<&str>) -> u8 {
    let index = name.and_then(|name| PROTOCOLS.iter().position(|known| *known == name));
    index.and_then(|index| u8::try_from(index).ok()).unwrap_or(OTHER_PROTOCOL)
}

/// A number of durations in each bucket, and their sum.
#[derive(Debug, Default)]
pub(crate) struct Durations {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// What [`Durations`] hold at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DurationCounts {
    /// How many durations are in each bucket, and in none before it.
    pub(crate) buckets: [u64; BOUNDS.len() + 1],
    /// The sum of all durations.
    pub(crate) sum: Duration,
}

impl Durations {
    pub(crate) fn record(&self, duration: Duration) {
        let whole = duration.as_secs().saturating_mul(1_000_000_000);
        let nanoseconds = whole.saturating_add(u64::from(duration.subsec_nanos()));
        let bucket = BOUNDS.iter().position(|bound| nanoseconds <= *bound);
        if let Some(count) = self.buckets.get(bucket.unwrap_or(BOUNDS.len())) {
            count.fetch_add(1, Relaxed);
        }
        self.nanoseconds.fetch_add(nanoseconds, Relaxed);
    }

    pub(crate) fn counts(&self) -> DurationCounts {
        let buckets = std::array::from_fn(|index| self.buckets.get(index).map_or(0, |count| count.load(Relaxed)));
        DurationCounts { buckets, sum: Duration::from_nanos(self.nanoseconds.load(Relaxed)) }
    }
}

impl DurationCounts {
    /// How many durations there are.
    pub(crate) fn total(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// The calls of one method, by protocol and ending. What has not happened yet takes no memory.
#[derive(Debug, Default)]
pub(crate) struct MethodCounters([OnceLock<Box<CallsByEnding>>; PROTOCOLS.len()]);

type CallsByEnding = [OnceLock<Box<Durations>>; ENDINGS.len()];

impl MethodCounters {
    fn record(&self, protocol: u8, ending: Ending, duration: Duration) {
        let calls = self.0.get(usize::from(protocol)).map(|calls| calls.get_or_init(Box::default));
        if let Some(durations) = calls.and_then(|calls| calls.get(usize::from(ending.index()))) {
            durations.get_or_init(Box::default).record(duration);
        }
    }

    /// The calls so far: protocol, ending and durations.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (&'static str, &'static str, DurationCounts)> {
        PROTOCOLS.iter().zip(&self.0).flat_map(|(protocol, calls)| {
            let calls = calls.get().into_iter().flat_map(|calls| ENDINGS.iter().zip(calls.iter()));
            calls.filter_map(|(ending, durations)| Some((*protocol, *ending, durations.get()?.counts())))
        })
    }
}

/// The order of a [`MethodTable`]. Most names differ in their length, so few bytes are compared.
fn by_length(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The methods of a group, sorted by length and name, and what stands for all others.
#[derive(Debug, Default)]
pub(crate) struct MethodTable {
    methods: Box<[(Box<str>, Arc<MethodCounters>)]>,
    other: Arc<MethodCounters>,
}

impl MethodTable {
    /// A table of the methods of this interface, which keeps the counters of those that are in this table.
    fn renewed(&self, interface: &Interface) -> MethodTable {
        let mut methods: Vec<(Box<str>, Arc<MethodCounters>)> = interface
            .methods
            .iter()
            .map(|method| (Box::from(method.name.as_str()), self.known(&method.name).cloned().unwrap_or_default()))
            .collect();
        methods.sort_by(|(a, _), (b, _)| by_length(a, b));
        methods.dedup_by(|(a, _), (b, _)| a == b);
        MethodTable { methods: methods.into(), other: self.other.clone() }
    }

    fn known(&self, name: &str) -> Option<&Arc<MethodCounters>> {
        let place = self.methods.binary_search_by(|(known, _)| by_length(known, name)).ok()?;
        self.methods.get(place).map(|(_, counters)| counters)
    }

    fn counters(&self, name: &str) -> &Arc<MethodCounters> {
        self.known(name).unwrap_or(&self.other)
    }

    /// All methods by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &MethodCounters)> {
        let methods = self.methods.iter().map(|(name, counters)| (&**name, counters.as_ref()));
        methods.chain([(OTHER, self.other.as_ref())])
    }
}

/// The requests of one protocol.
#[derive(Debug, Default)]
struct RequestsOfProtocol {
    by_ending: [AtomicU64; ENDINGS.len()],
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

/// The requests of one protocol at one moment.
#[derive(Debug)]
pub(crate) struct RequestCounts {
    pub(crate) protocol: &'static str,
    /// How many have ended in each way, of those that have happened.
    pub(crate) endings: Vec<(&'static str, u64)>,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
}

/// The counters of one group.
#[derive(Debug, Default)]
pub(crate) struct GroupCounters {
    methods: ArcSwap<MethodTable>,
    requests: [RequestsOfProtocol; PROTOCOLS.len()],
    requests_in_flight: AtomicI64,
    calls_in_flight: AtomicI64,
    batches: AtomicU64,
    batch_calls: AtomicU64,
    /// How long calls have waited for a permit, of those that had to.
    pub(crate) waits: Durations,
}

impl GroupCounters {
    /// Makes the table of methods anew. Counters of methods that the interface still has go on.
    pub(crate) fn resolve(&self, interface: &Interface) {
        self.methods.store(Arc::new(self.methods.load().renewed(interface)));
    }

    pub(crate) fn methods(&self) -> Arc<MethodTable> {
        self.methods.load_full()
    }

    /// The requests so far, by protocol.
    pub(crate) fn requests(&self) -> impl Iterator<Item = RequestCounts> {
        PROTOCOLS.iter().zip(&self.requests).filter_map(|(protocol, requests)| {
            let endings = ENDINGS.iter().zip(&requests.by_ending).map(|(ending, count)| (*ending, count.load(Relaxed)));
            let endings: Vec<_> = endings.filter(|(_, count)| *count > 0).collect();
            (!endings.is_empty()).then(|| RequestCounts {
                protocol,
                endings,
                received_bytes: requests.received_bytes.load(Relaxed),
                sent_bytes: requests.sent_bytes.load(Relaxed),
            })
        })
    }

    pub(crate) fn requests_in_flight(&self) -> i64 {
        self.requests_in_flight.load(Relaxed)
    }

    /// The calls whose results were not ready at once and are waited for.
    pub(crate) fn calls_in_flight(&self) -> i64 {
        self.calls_in_flight.load(Relaxed)
    }

    pub(crate) fn batches(&self) -> u64 {
        self.batches.load(Relaxed)
    }

    pub(crate) fn batch_calls(&self) -> u64 {
        self.batch_calls.load(Relaxed)
    }
}

/// Where the calls of a group are counted.
#[derive(Debug, Default)]
pub(crate) struct Meter(OnceLock<Arc<GroupCounters>>);

impl Meter {
    /// The counters; `None` if nothing is counted.
    pub(crate) fn counters(&self) -> Option<&Arc<GroupCounters>> {
        self.0.get()
    }

    /// Starts to count, if it has not started yet. With `known` counters it goes on from these.
    pub(crate) fn start(&self, known: Option<&Meter>) {
        self.0.get_or_init(|| known.and_then(Meter::counters).cloned().unwrap_or_default());
    }

    /// Begins to measure a call; `None` if nothing is counted.
    pub(crate) fn begin(&self, call: &Call<'_>) -> Option<MeteredCall> {
        let counters = self.counters()?;
        // The calls of a batch all have the time at which their request began.
        let begun = match call.form {
            CallForm::Batch(batch) => {
                counters.batches.fetch_add(u64::from(batch.is_new()), Relaxed);
                counters.batch_calls.fetch_add(1, Relaxed);
                Instant::now()
            }
            _ => call.context.begun.unwrap_or_else(Instant::now),
        };
        let protocol = protocol_index(call.context.protocol);
        Some(MeteredCall { protocol, begun })
    }

    /// Counts a call whose result is ready.
    pub(crate) fn end(&self, metered: MeteredCall, method: &str, ending: Ending) {
        if let Some(counters) = self.counters() {
            let methods = counters.methods.load();
            methods.counters(method).record(metered.protocol, ending, metered.begun.elapsed());
        }
    }

    /// Counts a call when its result is ready, or when it is given up.
    pub(crate) fn watch(&self, metered: MeteredCall, method: &str) -> Option<PendingCall> {
        let counters = self.counters()?.clone();
        counters.calls_in_flight.fetch_add(1, Relaxed);
        let method = counters.methods.load().counters(method).clone();
        Some(PendingCall { metered, method, counters, ending: Ending::Cancelled })
    }
}

/// A call that is being measured.
#[derive(Debug)]
pub(crate) struct MeteredCall {
    protocol: u8,
    begun: Instant,
}

/// A call that is waited for. It is counted when this is dropped: as cancelled, unless it has [ended](PendingCall::end).
#[derive(Debug)]
pub(crate) struct PendingCall {
    metered: MeteredCall,
    method: Arc<MethodCounters>,
    counters: Arc<GroupCounters>,
    ending: Ending,
}

impl PendingCall {
    pub(crate) fn end(&mut self, ending: Ending) {
        self.ending = ending;
    }
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        self.counters.calls_in_flight.fetch_sub(1, Relaxed);
        self.method.record(self.metered.protocol, self.ending, self.metered.begun.elapsed());
    }
}

/// A request that is being measured; empty if nothing is counted. The request is counted when this is dropped: as one whose
/// client has left, unless it has [ended](MeteredRequest::end).
#[derive(Debug, Default)]
pub(crate) struct MeteredRequest(Option<CountedRequest>);

/// It is small, because it is a part of the future of each request: the bytes are counted as they come.
#[derive(Debug)]
struct CountedRequest {
    counters: Arc<GroupCounters>,
    protocol: u8,
    /// The place of how it ends in [`ENDINGS`].
    ending: u8,
}

impl MeteredRequest {
    /// Begins to measure a request.
    pub(crate) fn begin(meter: &Meter) -> MeteredRequest {
        MeteredRequest(meter.counters().map(|counters| {
            counters.requests_in_flight.fetch_add(1, Relaxed);
            let (counters, ending) = (counters.clone(), Ending::ClientGone.index());
            CountedRequest { counters, protocol: OTHER_PROTOCOL, ending }
        }))
    }

    /// Whether the request is counted.
    pub(crate) fn is_counted(&self) -> bool {
        self.0.is_some()
    }

    /// Notes the protocol of the request.
    pub(crate) fn claimed_by(&mut self, protocol: &str) {
        if let Some(request) = &mut self.0 {
            request.protocol = protocol_index(Some(protocol));
        }
    }

    /// Counts the bytes of the body, after decompression.
    pub(crate) fn count_received(&self, bytes: usize) {
        if let Some(requests) = self.0.as_ref().and_then(CountedRequest::of_protocol).filter(|_| bytes > 0) {
            requests.received_bytes.fetch_add(bytes as u64, Relaxed);
        }
    }

    /// Counts bytes of the response that were given to the connection.
    pub(crate) fn count_sent(&self, bytes: u64) {
        if let Some(requests) = self.0.as_ref().and_then(CountedRequest::of_protocol) {
            requests.sent_bytes.fetch_add(bytes, Relaxed);
        }
    }

    /// Notes how the request ends, if its client does not leave.
    pub(crate) fn end(&mut self, ending: Ending) {
        if let Some(request) = &mut self.0 {
            request.ending = ending.index();
        }
    }
}

impl CountedRequest {
    fn of_protocol(&self) -> Option<&RequestsOfProtocol> {
        self.counters.requests.get(usize::from(self.protocol))
    }
}

impl Drop for CountedRequest {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.ending = Ending::Fault(Kind::Internal).index();
        }
        self.counters.requests_in_flight.fetch_sub(1, Relaxed);
        let count = self.of_protocol().and_then(|requests| requests.by_ending.get(usize::from(self.ending)));
        if let Some(count) = count {
            count.fetch_add(1, Relaxed);
        }
    }
}

/// Whether something has been seen, for [`Batch::is_new`](crate::service::batch::Batch).
#[derive(Debug, Default)]
pub(crate) struct Seen(AtomicBool);

impl Seen {
    /// Whether this is the first question.
    pub(crate) fn is_first(&self) -> bool {
        !self.0.swap(true, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::interface::Method;

    fn interface(names: &[&str]) -> Interface {
        Interface { methods: names.iter().map(|name| Method::undescribed(name)).collect(), ..Interface::default() }
    }

    fn calls(counters: &GroupCounters) -> Vec<(String, &'static str, u64)> {
        let methods = counters.methods();
        let calls = methods.all().flat_map(|(name, method)| {
            method.calls().map(|(_, ending, counts)| (name.to_owned(), ending, counts.total())).collect::<Vec<_>>()
        });
        calls.collect()
    }

    #[test]
    fn each_kind_of_fault_has_the_word_that_the_log_has() {
        for kind in Kind::ALL {
            assert_eq!(ENDINGS[usize::from(Ending::Fault(kind).index())], kind.word());
        }
        for (ending, word) in [
            (Ending::Success, "success"),
            (Ending::Cancelled, "cancelled"),
            (Ending::Rejected, "rejected"),
            (Ending::ClientGone, "client-gone"),
        ] {
            assert_eq!(ENDINGS[usize::from(ending.index())], word);
        }
    }

    #[test]
    fn each_protocol_has_its_place() {
        for (index, name) in PROTOCOLS.iter().enumerate() {
            assert_eq!(usize::from(protocol_index(Some(name))), index);
        }
        assert_eq!(protocol_index(None), OTHER_PROTOCOL);
    }

    #[test]
    fn a_duration_is_in_the_first_bucket_that_it_does_not_exceed() {
        let durations = Durations::default();
        for (nanoseconds, bucket) in [(0, 0), (100_000, 0), (100_001, 1), (60_000_000_000, 13), (60_000_000_001, 14)] {
            let before = durations.counts().buckets[bucket];
            durations.record(Duration::from_nanos(nanoseconds));
            assert_eq!(durations.counts().buckets[bucket], before + 1, "{nanoseconds}");
        }
        assert_eq!(durations.counts().total(), 5);
    }

    #[test]
    fn methods_that_the_interface_does_not_have_share_one_counter() {
        let meter = Meter::default();
        meter.start(None);
        meter.counters().unwrap().resolve(&interface(&["b", "a"]));
        let context = crate::service::Context::default();
        for method in ["a", "b", "c", "d", ""] {
            let call = Call::new(method, crate::service::args::Args::None, &context);
            meter.end(meter.begin(&call).unwrap(), method, Ending::Success);
        }
        let counters = meter.counters().unwrap();
        let expected = [("a", 1), ("b", 1), ("_other", 3)];
        assert_eq!(calls(counters), expected.map(|(name, count)| (name.to_owned(), "success", count)));
        counters.resolve(&interface(&["b"]));
        let expected = [("b", 1), ("_other", 3)];
        assert_eq!(calls(counters), expected.map(|(name, count)| (name.to_owned(), "success", count)));
    }

    #[test]
    fn a_call_that_is_given_up_is_cancelled() {
        let meter = Meter::default();
        let context = crate::service::Context::default();
        let call = Call::new("a", crate::service::args::Args::None, &context);
        assert!(meter.begin(&call).is_none(), "nothing is counted before it is started");
        meter.start(None);
        let pending = meter.watch(meter.begin(&call).unwrap(), "a");
        let counters = meter.counters().unwrap();
        assert_eq!(counters.calls_in_flight(), 1);
        drop(pending);
        assert_eq!(counters.calls_in_flight(), 0);
        assert_eq!(calls(counters), [("_other".to_owned(), "cancelled", 1)]);
    }
}
