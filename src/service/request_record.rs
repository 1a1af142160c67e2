//! What is noted about a request while it is served, for its line in the access log.
//!
//! A [`RequestRecord`] is in the [`Context`](crate::service::Context) of a request whose server has an access log, and in
//! no other. Those who know something note it there: the gateway the group and the protocol, the
//! [limiter](crate::service::limiter) the method and the wait for a permit, a protocol the calls of a batch, and the
//! transport the requests to upstream servers.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;
#[cfg(feature = "server")]
use crate::service::cache::Lookup;
use crate::service::counters::{OTHER_PROTOCOL, PROTOCOLS, protocol_index};
use crate::service::lock::lock;
use crate::service::spans::RecordedTrace;
use crate::service::{Call, CallForm, Identity};

/// How many upstream servers a record names.
const MAX_SERVERS: usize = 8;

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its head has been received.
    Head = 0,
    /// Its body is being received.
    Body = 1,
    /// Its calls are being read and run.
    Call = 2,
    /// Its response is being sent.
    Response = 3,
}

impl Stage {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Stage::Head => "head",
            Stage::Body => "body",
            Stage::Call => "call",
            Stage::Response => "response",
        }
    }
}

/// What is noted about one request.
#[derive(Debug)]
pub struct RequestRecord {
    stage: AtomicU8,
    /// The place in [`PROTOCOLS`] of the protocol that has claimed it.
    protocol: AtomicU8,
    /// The bytes of its body, as they were sent.
    received: AtomicU64,
    /// How long its calls have waited for permits, in microseconds.
    queued: AtomicU64,
    calls: AtomicU32,
    faults: AtomicU32,
    group: OnceLock<Box<str>>,
    /// The group whose method was called, if the endpoint has several groups.
    called_group: OnceLock<Box<str>>,
    method: OnceLock<Box<str>>,
    user: OnceLock<Arc<Identity>>,
    upstream: Mutex<UpstreamRecord>,
    /// The calls of its batch, one by one; `None` if they are not logged.
    batch: Option<Mutex<Vec<CallRecord>>>,
    /// Where its spans are added; `None` if they are not recorded.
    trace: Option<Arc<RecordedTrace>>,
    /// Whether the group has the method that was called. Only requests with a span know it.
    has_method: AtomicBool,
    /// What its calls have found in a cache: a bit for each [`Lookup`].
    lookups: AtomicU8,
    /// What has taken the place of a result.
    fallback: OnceLock<&'static str>,
    /// Whether a call has gone to the other side of a split.
    is_split: AtomicBool,
    /// Whether an upstream that is down was the reason for a refusal.
    upstream_is_down: AtomicBool,
    /// The fault that a call has ended with after its response has begun.
    late_fault: OnceLock<Kind>,
    /// Whether the client has cancelled the call.
    is_cancelled: AtomicBool,
}

/// The requests to upstream servers.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpstreamRecord {
    /// The servers, each once, in the order in which they were asked.
    pub(crate) servers: Vec<String>,
    /// From each request to the head of its response, all together.
    pub(crate) time: Duration,
    /// How many requests repeated another one.
    pub(crate) retries: u32,
}

/// One call of a batch.
#[derive(Debug, Clone)]
pub(crate) struct CallRecord {
    /// The method; empty if the call is malformed.
    pub(crate) method: Box<str>,
    begun: Instant,
    /// How it has ended; `None` if it has not.
    pub(crate) ended: Option<(Option<Kind>, Duration)>,
}

impl RequestRecord {
    /// An empty record. With `each_call` the calls of a batch are noted one by one, and with a trace its spans are recorded.
    pub(crate) fn new(each_call: bool, trace: Option<Arc<RecordedTrace>>) -> RequestRecord {
        RequestRecord {
            stage: AtomicU8::new(Stage::Head as u8),
            protocol: AtomicU8::new(OTHER_PROTOCOL),
            received: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            calls: AtomicU32::new(0),
            faults: AtomicU32::new(0),
            group: OnceLock::new(),
            called_group: OnceLock::new(),
            method: OnceLock::new(),
            user: OnceLock::new(),
            upstream: Mutex::default(),
            batch: each_call.then(Mutex::default),
            trace,
            has_method: AtomicBool::new(false),
            lookups: AtomicU8::new(0),
            fallback: OnceLock::new(),
            is_split: AtomicBool::new(false),
            upstream_is_down: AtomicBool::new(false),
            late_fault: OnceLock::new(),
            is_cancelled: AtomicBool::new(false),
        }
    }

    /// Notes the fault that a call has ended with after its response has begun.
    pub(crate) fn note_late_fault(&self, fault: Kind) {
        let _ = self.late_fault.set(fault);
    }

    pub(crate) fn late_fault(&self) -> Option<Kind> {
        self.late_fault.get().copied()
    }

    /// Notes that the client has cancelled the call.
    pub(crate) fn note_cancelled(&self) {
        self.is_cancelled.store(true, Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Relaxed)
    }

    /// Notes that the request was refused because an upstream is down.
    pub(crate) fn note_upstream_down(&self) {
        self.upstream_is_down.store(true, Relaxed);
    }

    pub(crate) fn is_upstream_down(&self) -> bool {
        self.upstream_is_down.load(Relaxed)
    }

    /// Notes what a call has found in a cache.
    #[cfg(feature = "server")]
    pub(crate) fn note_lookup(&self, lookup: Lookup) {
        self.lookups.fetch_or(1 << lookup as u8, Relaxed);
    }

    /// What the calls have found in caches: the word for it, `mixed` if they have found different things, or `None` if they
    /// are not cached.
    #[cfg(feature = "server")]
    pub(crate) fn lookup(&self) -> Option<&'static str> {
        let lookups = self.lookups.load(Relaxed);
        let mut found = Lookup::ALL.into_iter().filter(|lookup| lookups & (1 << *lookup as u8) != 0);
        let first = found.next()?;
        Some(if found.next().is_some() { "mixed" } else { first.word() })
    }

    /// Notes what has taken the place of a result.
    pub(crate) fn note_fallback(&self, kind: &'static str) {
        self.fallback.get_or_init(|| kind);
    }

    /// What has taken the place of a result: `group` or `value`.
    pub(crate) fn fallback(&self) -> Option<&'static str> {
        self.fallback.get().copied()
    }

    /// Notes that a call has gone to the other side of a split.
    pub(crate) fn note_split(&self) {
        self.is_split.store(true, Relaxed);
    }

    pub(crate) fn is_split(&self) -> bool {
        self.is_split.load(Relaxed)
    }

    /// Notes that the group has the method that was called.
    pub(crate) fn note_known_method(&self) {
        self.has_method.store(true, Relaxed);
    }

    pub(crate) fn has_known_method(&self) -> bool {
        self.has_method.load(Relaxed)
    }

    /// Where the spans of the request are added; `None` if they are not recorded.
    pub(crate) fn trace(&self) -> Option<&Arc<RecordedTrace>> {
        self.trace.as_ref()
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Relaxed) {
            0 => Stage::Head,
            1 => Stage::Body,
            2 => Stage::Call,
            _ => Stage::Response,
        }
    }

    pub(crate) fn note_group(&self, path: &str) {
        self.group.get_or_init(|| path.into());
    }

    /// Notes the group whose method is called at an endpoint of several groups. Only the first call is noted.
    pub(crate) fn note_called_group(&self, path: &str) {
        self.called_group.get_or_init(|| path.into());
    }

    /// The group whose method was called, if the endpoint has several groups.
    pub(crate) fn called_group(&self) -> Option<&str> {
        self.called_group.get().map(AsRef::as_ref)
    }

    /// The group whose method was called, or else the group at the path of the request.
    pub(crate) fn group(&self) -> Option<&str> {
        self.called_group().or_else(|| self.group.get().map(AsRef::as_ref))
    }

    pub(crate) fn note_protocol(&self, name: &str) {
        self.protocol.store(protocol_index(Some(name)), Relaxed);
    }

    /// The protocol that has claimed the request; `None` if none has.
    pub(crate) fn protocol(&self) -> Option<&'static str> {
        let index = self.protocol.load(Relaxed);
        PROTOCOLS.get(usize::from(index)).copied().filter(|_| index != OTHER_PROTOCOL)
    }

    /// Notes the method and the caller of the first call. The calls that this call makes come later.
    pub(crate) fn note_call(&self, call: &Call<'_>) {
        if !matches!(call.form, CallForm::Batch(_)) {
            self.method.get_or_init(|| abridge(call.method).into());
        }
        if let Some(identity) = &call.context.identity {
            self.note_user(identity);
        }
    }

    /// Notes who has sent the request, unless that is known already.
    pub(crate) fn note_user(&self, identity: &Arc<Identity>) {
        self.user.get_or_init(|| identity.clone());
    }

    pub(crate) fn method(&self) -> Option<&str> {
        self.method.get().map(AsRef::as_ref)
    }

    /// The name of the caller, if a layer has found out.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.get().map(|identity| identity.name.as_str())
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Adds the time for which a call has waited for a permit, which it has been `given` or not.
    pub(crate) fn note_queued(&self, time: Duration, given: bool) {
        self.queued.fetch_add(micros(time), Relaxed);
        if let Some(trace) = &self.trace {
            trace.add_ended("wait for a permit", time, !given);
        }
    }

    /// In microseconds.
    pub(crate) fn queued(&self) -> u64 {
        self.queued.load(Relaxed)
    }

    /// Notes that the next call of a batch begins. Returns its index.
    pub(crate) fn begin_batch_call(&self, method: &str) -> usize {
        let index = self.calls.fetch_add(1, Relaxed);
        if let Some(batch) = &self.batch {
            lock(batch).push(CallRecord { method: abridge(method).into(), begun: Instant::now(), ended: None });
        }
        index as usize
    }

    /// Notes how a call of a batch has ended.
    pub(crate) fn end_batch_call(&self, index: usize, fault: Option<&Fault>) {
        self.faults.fetch_add(u32::from(fault.is_some()), Relaxed);
        let Some(batch) = &self.batch else { return };
        if let Some(call) = lock(batch).get_mut(index) {
            call.ended = Some((fault.map(|fault| fault.kind), call.begun.elapsed()));
        }
    }

    /// How many calls the batch has begun, and how many of them have failed; `None` if there is no batch.
    pub(crate) fn batch_counts(&self) -> Option<(u32, u32)> {
        let calls = self.calls.load(Relaxed);
        (calls > 0).then(|| (calls, self.faults.load(Relaxed)))
    }

    /// The calls of the batch, if they are noted one by one.
    pub(crate) fn batch_calls(&self) -> Vec<CallRecord> {
        self.batch.as_ref().map(|batch| lock(batch).clone()).unwrap_or_default()
    }

    /// Adds a request to an upstream server, which has a response now, or none.
    pub(crate) fn note_upstream(&self, server: &str, time: Duration) {
        let mut upstream = lock(&self.upstream);
        upstream.time += time;
        if upstream.servers.len() < MAX_SERVERS && !upstream.servers.iter().any(|known| known == server) {
            upstream.servers.push(server.to_owned());
        }
    }

    /// Counts a request that was sent again, to the same upstream server or to another.
    pub(crate) fn count_retry(&self) {
        lock(&self.upstream).retries += 1;
    }

    /// The requests to upstream servers; `None` if there was none.
    pub(crate) fn upstream(&self) -> Option<UpstreamRecord> {
        let upstream = lock(&self.upstream);
        (!upstream.servers.is_empty()).then(|| upstream.clone())
    }
}

/// A time in whole microseconds.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Context;
    use crate::service::args::Args;

    #[test]
    fn the_first_call_is_that_of_the_client() {
        let record = RequestRecord::new(false, None);
        let context = Context { identity: Some(Arc::new(Identity::new("ada"))), ..Context::default() };
        record.note_call(&Call::new("outer", Args::None, &context));
        record.note_call(&Call::new("inner", Args::None, &Context::default()));
        assert_eq!((record.method(), record.user()), (Some("outer"), Some("ada")));
    }

    #[test]
    fn a_batch_is_counted_and_noted_call_by_call_only_on_request() {
        for each in [false, true] {
            let record = RequestRecord::new(each, None);
            assert_eq!(record.batch_counts(), None);
            let (first, second) = (record.begin_batch_call("a"), record.begin_batch_call("b"));
            record.end_batch_call(second, Some(&Fault::internal()));
            record.end_batch_call(first, None);
            assert_eq!(record.batch_counts(), Some((2, 1)));
            let calls = record.batch_calls();
            let ended: Vec<_> = calls.iter().map(|call| (&*call.method, call.ended.map(|(kind, _)| kind))).collect();
            let expected = [("a", Some(None)), ("b", Some(Some(Kind::Internal)))];
            assert_eq!(ended, if each { expected.to_vec() } else { Vec::new() });
        }
    }

    #[test]
    fn each_upstream_server_is_named_once_and_not_too_many_are() {
        let record = RequestRecord::new(false, None);
        assert!(record.upstream().is_none());
        for turn in 0..20 {
            record.note_upstream(&format!("server-{}", turn % 10), Duration::from_millis(1));
        }
        let upstream = record.upstream().unwrap();
        assert_eq!((upstream.servers.len(), upstream.time), (MAX_SERVERS, Duration::from_millis(20)));
    }
}
