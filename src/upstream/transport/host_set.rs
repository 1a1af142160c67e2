//! Several hosts, or one with limits: which host gets a request, and what its response tells of it.
//!
//! The decisions are in `balancing`, `adaptive_limit.rs` and `latency_quantile.rs`. Here they meet the clock, the requests that wait,
//! and the log. `attempts.rs` sends the requests. An upstream with one host and no such options passes by all of this.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst, fence};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::TransportOptions;
use super::adaptive_limit::AdaptiveLimit;
use super::balancing::{Ejection, HostState, Hosts, Measured, NewHost, NoHost, Outcome, ProbeThresholds, key_of};
use super::host_options::Hedge;
use super::latency_quantile::LatencyQuantile;
use crate::service::lock::lock;
use crate::service::random::Random;

/// The first and the least adaptive limit.
const ADAPTIVE: (u32, u32) = (20, 4);
/// The largest adaptive limit, if the options give none.
const MAX_ADAPTIVE: u32 = 1000;

/// The hosts, and what else is known of the requests to them.
pub(super) struct HostSet {
    hosts: Hosts,
    /// The host names, for log lines.
    names: Vec<String>,
    attempts: u32,
    adaptive: Vec<Arc<Mutex<AdaptiveLimit>>>,
    /// How many requests may wait.
    most_waiting: u32,
    common: Arc<Common>,
}

/// What stays the same when other hosts come.
struct Common {
    random: Random,
    start: Instant,
    group: String,
    quantile: Option<LatencyQuantile>,
    queue: Queue,
    hedged: AtomicU64,
    busy: AtomicU64,
}

/// What is known of a host.
#[derive(Debug, Clone)]
pub(crate) struct HostReport {
    pub(crate) state: HostState,
    /// How often it was ejected, by reason.
    pub(crate) ejections: Vec<(&'static str, u64)>,
    /// How many requests run on it, until their responses have been read.
    pub(crate) running: u32,
}

/// What is known of the requests to all hosts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SendingReport {
    /// How many requests were sent once more.
    pub(crate) retries: u64,
    /// How many were not sent again because the budget was spent.
    pub(crate) refused_retries: u64,
    /// How many were sent to a second host before the first had responded; they are among the retries.
    pub(crate) hedged: u64,
    /// How many were refused because all hosts were busy.
    pub(crate) busy: u64,
}

/// Requests that wait for room on a host.
struct Queue {
    room: Notify,
    waiting: AtomicU32,
}

/// A place in the queue.
struct Place<'q>(&'q Queue);

impl Queue {
    /// A place, if fewer requests than `most` wait.
    fn join(&self, most: u32) -> Option<Place<'_>> {
        let joined = self.waiting.fetch_update(Relaxed, Relaxed, |count| (count < most).then_some(count + 1));
        fence(SeqCst);
        joined.ok().map(|_| Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
        // A notification that has reached a request that was given up is for the next one.
        self.0.room.notify_one();
    }
}

/// A request that runs on a host, until its response has been read or is dropped.
pub(super) struct RunningRequest {
    host_set: Arc<HostSet>,
    host: usize,
    begun: Instant,
    measured: bool,
}

impl RunningRequest {
    /// Notes that the response broke off, or paused for too long.
    pub(super) fn broke_off(&self) {
        self.host_set.record(self.host, Outcome::Failed);
    }

    pub(super) fn host(&self) -> usize {
        self.host
    }

    /// Notes that the response has begun. Whether it is an answer is not known yet.
    pub(super) fn responded(&mut self) {
        self.measure(Measured::Response(self.begun.elapsed()));
    }

    /// Notes that the response is an answer.
    pub(super) fn answered(&self) {
        self.host_set.record(self.host, Outcome::Answered);
    }

    /// What notes later whether the response is an answer.
    pub(super) fn outcome(&self) -> impl FnOnce(bool) + Send + 'static {
        let (host_set, host, took) = (self.host_set.clone(), self.host, self.begun.elapsed());
        move |is_answer| {
            if !is_answer {
                host_set.hosts.penalise(host, took, host_set.now());
            }
            host_set.record(host, if is_answer { Outcome::Answered } else { Outcome::Failed });
        }
    }

    /// Notes that there is no response.
    pub(super) fn failed(&mut self, was_reached: bool) {
        self.measure(Measured::Failure(self.begun.elapsed()));
        self.host_set.record(self.host, if was_reached { Outcome::Failed } else { Outcome::Unreached });
    }

    /// Notes that the time of the call was over. That says something of the host only if it was `long`: clients choose how long they
    /// wait.
    pub(super) fn gave_up(&mut self, long: Duration) {
        let took = self.begun.elapsed();
        self.measure(Measured::AtLeast(took));
        if took >= long {
            self.host_set.record(self.host, Outcome::Failed);
        }
    }

    fn measure(&mut self, measured: Measured) {
        self.measured = true;
        let (host_set, now) = (&self.host_set, self.host_set.now());
        host_set.hosts.measure(self.host, measured, now);
        if let (Measured::Response(latency), Some(quantile)) = (measured, &host_set.common.quantile) {
            quantile.record(latency, now);
        }
        let Some(adaptive) = host_set.adaptive.get(self.host) else { return };
        let limit = match measured {
            Measured::Response(latency) => lock(adaptive).measure(latency, host_set.hosts.in_flight(self.host)),
            Measured::Failure(_) => lock(adaptive).overloaded(),
            Measured::AtLeast(_) => return,
        };
        host_set.hosts.set_limit(self.host, limit);
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        if !self.measured {
            // Its caller does not wait any longer.
            self.measure(Measured::AtLeast(self.begun.elapsed()));
        }
        self.host_set.hosts.end(self.host);
        // Either this sees the request that waits, or that sees the room: each writes before it reads.
        fence(SeqCst);
        let queue = &self.host_set.common.queue;
        if queue.waiting.load(Relaxed) > 0 {
            queue.room.notify_one();
        }
    }
}

impl HostSet {
    /// A set of hosts, each with its identity and its share; `None` if there is nothing to decide.
    pub(super) fn new(names: Vec<String>, hosts: &[(String, u32)], options: &TransportOptions) -> Option<Arc<HostSet>> {
        let is_needed = options.retries.attempts_among(names.len() > 1) > 1
            || most_running(options).is_some()
            || options.limits.adaptive;
        is_needed.then(|| Arc::new(HostSet::begin_with(names, hosts, options)))
    }

    /// No hosts, in place of which others will come.
    pub(super) fn changing(options: &TransportOptions) -> Arc<HostSet> {
        Arc::new(HostSet::begin_with(Vec::new(), &[], options))
    }

    fn begin_with(names: Vec<String>, hosts: &[(String, u32)], options: &TransportOptions) -> HostSet {
        let common = Common {
            random: Random::new(),
            start: Instant::now(),
            group: options.group.clone(),
            quantile: options.hedge.is_some().then(LatencyQuantile::default),
            queue: Queue { room: Notify::new(), waiting: AtomicU32::new(0) },
            hedged: AtomicU64::new(0),
            busy: AtomicU64::new(0),
        };
        let outliers = options.outliers.clone();
        let new = Hosts::new(&new_hosts(hosts), options.balance, options.slow_start, outliers);
        HostSet::with(new, names, &[], Arc::new(common), options)
    }

    /// Other hosts in place of these. What is known of a host with the same identity stays.
    pub(super) fn renewed(
        &self,
        names: Vec<String>,
        hosts: &[(String, u32)],
        options: &TransportOptions,
    ) -> Arc<HostSet> {
        let (renewed, before) = self.hosts.renewed(&new_hosts(hosts), self.now());
        let known: Vec<Option<Arc<Mutex<AdaptiveLimit>>>> =
            before.iter().map(|before| self.adaptive.get((*before)?).cloned()).collect();
        let host_set = HostSet::with(renewed, names, &known, self.common.clone(), options);
        self.log_changes(&host_set);
        // There may be room on the new hosts.
        self.common.queue.room.notify_waiters();
        Arc::new(host_set)
    }

    /// Hosts, with the adaptive limits that are `known` of them.
    fn with(
        hosts: Hosts,
        names: Vec<String>,
        known: &[Option<Arc<Mutex<AdaptiveLimit>>>],
        common: Arc<Common>,
        options: &TransportOptions,
    ) -> HostSet {
        let limits = &options.limits;
        let (first, least) = ADAPTIVE;
        let most = most_running(options);
        let largest = most.unwrap_or(MAX_ADAPTIVE);
        let count = hosts.len();
        let new = || Arc::new(Mutex::new(AdaptiveLimit::new(first, least.min(largest), largest)));
        let known = known.iter().cloned().chain(std::iter::repeat(None));
        let adaptive = known.take(if limits.adaptive { count } else { 0 }).map(|known| known.unwrap_or_else(new));
        let adaptive: Vec<Arc<Mutex<AdaptiveLimit>>> = adaptive.collect();
        for host in 0..count {
            let limit = adaptive.get(host).map(|limit| lock(limit).limit()).or(most);
            if let Some(limit) = limit {
                hosts.set_limit(host, limit);
            }
        }
        HostSet {
            attempts: options.retries.attempts_among(count > 1),
            most_waiting: limits.waiting.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)),
            hosts,
            names,
            adaptive,
            common,
        }
    }

    fn log_changes(&self, other: &HostSet) {
        let group = self.common.group.as_str();
        for server in other.names.iter().filter(|name| !self.names.contains(name)) {
            tracing::info!(group, server, "an upstream has another host");
        }
        for server in self.names.iter().filter(|name| !other.names.contains(name)) {
            tracing::info!(group, server, "a host of an upstream has gone");
        }
    }

    fn now(&self) -> Duration {
        self.common.start.elapsed()
    }

    pub(super) fn random(&self) -> &Random {
        &self.common.random
    }

    /// How often a request is sent at most.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(super) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Notes that a request is sent to a second host before the first has responded.
    pub(super) fn count_hedged(&self) {
        self.common.hedged.fetch_add(1, Relaxed);
    }

    /// The hosts, for those who watch over them.
    pub(super) fn reports(&self) -> Vec<HostReport> {
        let now = self.now();
        self.log(&self.hosts.advance(now));
        let report = |host| HostReport {
            state: self.hosts.state(host, now),
            ejections: self.hosts.ejections(host).collect(),
            running: self.hosts.in_flight(host),
        };
        (0..self.hosts.len()).map(report).collect()
    }

    /// How many requests were sent to a second host before the first had responded.
    pub(super) fn hedged(&self) -> u64 {
        self.common.hedged.load(Relaxed)
    }

    /// How many requests were refused because all hosts were busy.
    pub(super) fn busy(&self) -> u64 {
        self.common.busy.load(Relaxed)
    }

    /// Notes the result of a probe of a host.
    pub(super) fn probed(&self, host: usize, error: Option<&str>, thresholds: ProbeThresholds) {
        let changed = self.hosts.probed(host, error.is_none(), thresholds, self.now());
        let (group, server) = (self.common.group.as_str(), self.name(host));
        match changed {
            Some(true) => tracing::info!(group, server, "a host of an upstream passes its probes again"),
            Some(false) => tracing::warn!(group, server, error, "a host of an upstream fails its probes"),
            None => {}
        }
    }

    fn name(&self, host: usize) -> &str {
        self.names.get(host).map_or("", String::as_str)
    }

    fn record(&self, host: usize, outcome: Outcome) {
        let change = self.hosts.record(host, outcome, self.now());
        self.log(change.as_slice());
    }

    fn log(&self, changes: &[Ejection]) {
        let group = self.common.group.as_str();
        for change in changes {
            match change {
                Ejection::Ejected { host, reason, time } => {
                    let (server, reason) = (self.name(*host), reason.word());
                    tracing::warn!(group, server, reason, "a host of an upstream gets no requests for {time:?}");
                }
                Ejection::Returned { host } => {
                    tracing::info!(group, server = self.name(*host), "a host of an upstream gets requests again");
                }
            }
        }
    }

    /// Chooses a host for a request and begins it there, once there is room. The room is waited for until `until`.
    pub(super) async fn begin(
        self: &Arc<HostSet>,
        key: Option<u64>,
        tried: &[usize],
        until: Instant,
    ) -> Result<RunningRequest, NoHost> {
        match self.try_begin(key, tried) {
            Err(NoHost::Full) if tried.is_empty() => {}
            begun => return begun,
        }
        let full = || {
            self.common.busy.fetch_add(1, Relaxed);
            NoHost::Full
        };
        let queue = &self.common.queue;
        let _place = queue.join(self.most_waiting).ok_or_else(full)?;
        loop {
            let mut room = pin!(queue.room.notified());
            // Before the hosts are looked at: room that comes after that wakes this request.
            room.as_mut().enable();
            match self.try_begin(key, tried) {
                Err(NoHost::Full) => timeout_at(until, room).await.map_err(|_| full())?,
                begun => return begun,
            }
        }
    }

    pub(super) fn try_begin(self: &Arc<HostSet>, key: Option<u64>, tried: &[usize]) -> Result<RunningRequest, NoHost> {
        let now = self.now();
        self.log(&self.hosts.advance(now));
        loop {
            let host = self.hosts.pick(key, tried, now, &self.common.random)?;
            if self.hosts.begin(host, now) {
                return Ok(RunningRequest { host_set: self.clone(), host, begun: Instant::now(), measured: false });
            }
        }
    }

    /// After how long a request is sent to a second host.
    pub(super) fn hedge_delay(&self, hedge: Option<Hedge>) -> Option<Duration> {
        match hedge? {
            Hedge::After(delay) => Some(delay),
            Hedge::Quantile(part) => self.common.quantile.as_ref()?.quantile(part, self.now()),
        }
    }
}

/// How many requests may run on each host.
fn most_running(options: &TransportOptions) -> Option<u32> {
    // Over HTTP/1.1 and SCGI, each request has a connection: further ones would only wait for one, and fail.
    let of_connections = options.limits.connections.filter(|_| !options.http2);
    [options.limits.requests, of_connections].into_iter().flatten().min()
}

fn new_hosts(hosts: &[(String, u32)]) -> Vec<NewHost> {
    hosts.iter().map(|(identity, weight)| NewHost { identity: key_of(identity.as_bytes()), weight: *weight }).collect()
}
