//! Writes the metrics of the gateway, its groups and their upstreams.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::lifecycle::Lifecycle;
use crate::server::connection_count::ListenerCounts;
use crate::server::mount::{GroupMount, Mounts};
use crate::server::quotas::SaveFailures;
use crate::service::cache::CacheState;
use crate::service::counters::{BOUNDS, DurationCounts, GroupCounters, Meter, OTHER};
use crate::service::memory_pool::MemoryPool;
use crate::service::spans::SpanCounts;
use crate::upstream::breakers::{BreakerReport, BreakerState};
use crate::upstream::state::UpstreamState;
use crate::upstream::transport::SendingReport;
use crate::upstream::transport::balancing::HostState;
use crate::upstream::transport::stats::{ServerHealth, ServerStats};

/// The label `method` of a breaker that counts the calls of all methods.
const ALL_METHODS: &str = "_all";

/// A name and a value.
type Label<'l> = (&'static str, &'l str);

/// One metric, whose series are written one by one.
pub(super) struct MetricFamily<'e>(MetricEncoder<'e>);

impl<'e> MetricFamily<'e> {
    /// A value that only grows. The format adds `_total` to the name.
    pub(super) fn counter(
        to: &'e mut DescriptorEncoder<'_>,
        name: &'e str,
        help: &str,
    ) -> Result<MetricFamily<'e>, fmt::Error> {
        Ok(MetricFamily(to.encode_descriptor(name, help, None, MetricType::Counter)?))
    }

    pub(super) fn gauge(
        to: &'e mut DescriptorEncoder<'_>,
        name: &'e str,
        help: &str,
    ) -> Result<MetricFamily<'e>, fmt::Error> {
        Ok(MetricFamily(to.encode_descriptor(name, help, None, MetricType::Gauge)?))
    }

    fn histogram(to: &'e mut DescriptorEncoder<'_>, name: &'e str, help: &str) -> Result<MetricFamily<'e>, fmt::Error> {
        Ok(MetricFamily(to.encode_descriptor(name, help, None, MetricType::Histogram)?))
    }

    /// A series of a counter.
    pub(super) fn count<const N: usize>(&mut self, labels: [Label<'_>; N], value: u64) -> fmt::Result {
        if N == 0 {
            return self.0.encode_counter::<NoLabelSet, u64, u64>(&value, None);
        }
        self.0.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, u64>(&value, None)
    }

    /// A series of a counter in seconds.
    pub(super) fn count_seconds(&mut self, value: f64) -> fmt::Result {
        self.0.encode_counter::<NoLabelSet, f64, u64>(&value, None)
    }

    /// A series of a gauge.
    pub(super) fn value<const N: usize>(&mut self, labels: [Label<'_>; N], value: i64) -> fmt::Result {
        if N == 0 {
            return self.0.encode_gauge(&value);
        }
        self.0.encode_family(&labels)?.encode_gauge(&value)
    }

    /// A gauge that is a time.
    pub(super) fn time(&mut self, time: SystemTime) -> fmt::Result {
        let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        self.0.encode_gauge(&seconds)
    }

    /// A series of a histogram of seconds.
    fn durations<const N: usize>(&mut self, labels: [Label<'_>; N], counts: &DurationCounts) -> fmt::Result {
        let bounds = BOUNDS.iter().map(|bound| Duration::from_nanos(*bound).as_secs_f64()).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts.buckets).collect();
        let sum = counts.sum.as_secs_f64();
        self.0.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, counts.total(), &buckets, None)
    }
}

/// A number of bytes or things, as a gauge has it.
pub(super) fn number(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn encode_lifecycle(lifecycle: &Lifecycle, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let config = lifecycle.config();
    let version = env!("CARGO_PKG_VERSION");
    MetricFamily::gauge(to, "croupier_build_info", "The version of the program; the value is always 1")?
        .value([("version", version)], 1)?;
    MetricFamily::gauge(to, "croupier_draining", "1 while the server is stopping, otherwise 0")?
        .value([], i64::from(lifecycle.is_draining()))?;
    MetricFamily::gauge(
        to,
        "croupier_config_generation",
        "1 for the configuration of the start; each successful reload adds 1",
    )?
    .value([], i64::try_from(config.generation).unwrap_or(i64::MAX))?;
    MetricFamily::gauge(to, "croupier_config_last_success_timestamp_seconds", "When a configuration was last loaded")?
        .time(config.loaded)?;
    let failed = config.last_reload.is_some_and(|reload| reload.error.is_some());
    MetricFamily::gauge(to, "croupier_config_last_reload_successful", "0 if the last reload has failed, otherwise 1")?
        .value([], i64::from(!failed))?;
    let mut reloads = MetricFamily::counter(to, "croupier_config_reloads", "Reloads of the configuration, by result")?;
    lifecycle.reloads().into_iter().try_for_each(|(result, count)| reloads.count([("result", result)], count))
}

pub(super) fn encode_connections(listeners: &ListenerCounts, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let all = listeners.all();
    let limit = i64::try_from(listeners.limit()).unwrap_or(i64::MAX);
    MetricFamily::gauge(
        to,
        "croupier_connections_limit",
        "How many connections of clients may be open, at all listeners together",
    )?
    .value([], limit)?;
    let mut open = MetricFamily::gauge(to, "croupier_connections", "Open connections of clients, by listener")?;
    all.iter().try_for_each(|count| open.value([("listener", &count.address)], count.open()))?;
    let mut accepted =
        MetricFamily::counter(to, "croupier_connections_accepted", "Connections of clients, by listener")?;
    all.iter().try_for_each(|count| accepted.count([("listener", &count.address)], count.accepted()))
}

/// Without a listener with TLS there are no series.
pub(super) fn encode_tls(listeners: &ListenerCounts, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let all: Vec<_> = listeners.all().into_iter().filter_map(|count| Some((count.tls()?, count))).collect();
    if all.is_empty() {
        return Ok(());
    }
    let mut handshakes =
        MetricFamily::counter(to, "croupier_tls_handshakes", "TLS handshakes that have ended, by listener and result")?;
    for (_, listener) in &all {
        for (result, count) in listener.handshakes.all() {
            handshakes.count([("listener", &listener.address), ("result", result)], count)?;
        }
    }
    let mut expiry = MetricFamily::gauge(
        to,
        "croupier_tls_certificate_expiry_timestamp_seconds",
        "When a certificate of the server expires, by listener and file",
    )?;
    for (tls, listener) in &all {
        for served in tls.certificates() {
            let file = served.file.display().to_string();
            expiry.value([("listener", &listener.address), ("certificate", &file)], served.validity.not_after)?;
        }
    }
    let mut current = MetricFamily::gauge(
        to,
        "croupier_tls_files_usable",
        "0 if the files of TLS have changed and cannot be used, otherwise 1, by listener",
    )?;
    for (tls, listener) in &all {
        current.value([("listener", &listener.address)], i64::from(tls.error().is_none()))?;
    }
    Ok(())
}

pub(super) fn encode_memory(
    (bodies, results): (&MemoryPool, Option<&MemoryPool>),
    to: &mut DescriptorEncoder<'_>,
) -> fmt::Result {
    let pools = || {
        [("request", Some(bodies)), ("response", results)].into_iter().filter_map(|(name, pool)| Some((name, pool?)))
    };
    let mut used =
        MetricFamily::gauge(to, "croupier_memory_used_bytes", "Memory that bodies and results have reserved, by pool")?;
    pools().try_for_each(|(name, pool)| used.value([("pool", name)], number(pool.used_bytes())))?;
    let mut limit =
        MetricFamily::gauge(to, "croupier_memory_limit_bytes", "Memory that bodies and results may reserve, by pool")?;
    pools().try_for_each(|(name, pool)| limit.value([("pool", name)], number(pool.bytes())))
}

/// The groups and their counters.
fn counted(mounts: &Mounts) -> impl Iterator<Item = (&GroupMount, &GroupCounters)> {
    mounts.groups.iter().filter_map(|group| Some((group, group.limiter.meter().counters()?.as_ref())))
}

pub(super) fn encode_requests(mounts: &Mounts, others: &Meter, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let others = others.counters().map(|counters| (OTHER, counters.as_ref()));
    let all: Vec<(&str, &GroupCounters)> =
        counted(mounts).map(|(group, counters)| (group.path.as_str(), counters)).chain(others).collect();
    let requests: Vec<_> =
        all.iter().flat_map(|(group, counters)| counters.requests().map(move |one| (*group, one))).collect();

    let mut family = MetricFamily::counter(
        to,
        "croupier_requests",
        "HTTP requests that have ended, by group, protocol and outcome",
    )?;
    for (group, one) in &requests {
        for (ending, count) in &one.endings {
            family.count([("group", group), ("protocol", one.protocol), ("outcome", ending)], *count)?;
        }
    }
    let mut family = MetricFamily::gauge(
        to,
        "croupier_requests_in_flight",
        "HTTP requests whose responses have not been sent yet, by group",
    )?;
    for (group, counters) in &all {
        family.value([("group", group)], counters.requests_in_flight())?;
    }
    let mut family = MetricFamily::counter(
        to,
        "croupier_request_bytes",
        "Bytes of request bodies after decompression, by group and protocol",
    )?;
    for (group, one) in &requests {
        family.count([("group", group), ("protocol", one.protocol)], one.received_bytes)?;
    }
    let mut family =
        MetricFamily::counter(to, "croupier_response_bytes", "Bytes of response bodies, by group and protocol")?;
    for (group, one) in &requests {
        family.count([("group", group), ("protocol", one.protocol)], one.sent_bytes)?;
    }
    Ok(())
}

pub(super) fn encode_calls(mounts: &Mounts, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut family = MetricFamily::histogram(
        to,
        "croupier_call_duration_seconds",
        "From the beginning of a call to its result, by group, protocol, method and outcome",
    )?;
    for (group, counters) in counted(mounts) {
        let methods = counters.methods();
        for (method, calls) in methods.all() {
            for (protocol, ending, counts) in calls.calls() {
                let labels =
                    [("group", group.path.as_str()), ("protocol", protocol), ("method", method), ("outcome", ending)];
                family.durations(labels, &counts)?;
            }
        }
    }
    let mut family =
        MetricFamily::gauge(to, "croupier_calls_in_flight", "Calls whose results are waited for, by group")?;
    for (group, counters) in counted(mounts) {
        family.value([("group", &group.path)], counters.calls_in_flight())?;
    }
    let mut family = MetricFamily::counter(to, "croupier_batches", "Requests with several calls, by group")?;
    for (group, counters) in counted(mounts) {
        family.count([("group", &group.path)], counters.batches())?;
    }
    let mut family = MetricFamily::counter(to, "croupier_batch_calls", "Calls that came in a batch, by group")?;
    for (group, counters) in counted(mounts) {
        family.count([("group", &group.path)], counters.batch_calls())?;
    }
    let mut family = MetricFamily::gauge(
        to,
        "croupier_permits",
        "How many calls may run at the same time (`limits.concurrent`), by group",
    )?;
    for group in &mounts.groups {
        family.value([("group", &group.path)], number(group.limiter.permits()))?;
    }
    let mut family = MetricFamily::gauge(to, "croupier_permits_in_use", "Calls that have a permit to run, by group")?;
    for group in &mounts.groups {
        family.value([("group", &group.path)], number(group.limiter.in_use()))?;
    }
    let mut family = MetricFamily::gauge(to, "croupier_calls_waiting", "Calls that wait for a permit, by group")?;
    for group in &mounts.groups {
        family.value([("group", &group.path)], number(group.limiter.waiting()))?;
    }
    let mut family = MetricFamily::histogram(
        to,
        "croupier_queue_duration_seconds",
        "How long calls have waited for a permit, of those that had to wait, by group",
    )?;
    for (group, counters) in counted(mounts) {
        family.durations([("group", &group.path)], &counters.waits.counts())?;
    }
    Ok(())
}

pub(super) fn encode_upstreams(mounts: &Mounts, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let states: Vec<(&str, UpstreamState)> = mounts
        .groups
        .iter()
        .filter_map(|group| Some((group.path.as_str(), group.upstream.as_ref()?.state())))
        .collect();
    let mut family = MetricFamily::gauge(
        to,
        "croupier_upstream_described",
        "1 if the upstream has described its methods, otherwise 0, by group",
    )?;
    for (group, state) in &states {
        family.value([("group", group)], i64::from(state.methods.is_some()))?;
    }
    let servers = || {
        states.iter().flat_map(|(group, state)| {
            state
                .servers
                .iter()
                .map(move |(name, stats)| ([("group", *group), ("upstream", name.as_str())], stats.as_ref()))
        })
    };
    let mut family = MetricFamily::gauge(
        to,
        "croupier_upstream_up",
        "1 if the last request to the server has reached it, otherwise 0, by group and upstream",
    )?;
    for (labels, stats) in servers() {
        family.value(labels, i64::from(stats.state() == ServerHealth::Up))?;
    }
    let mut family = MetricFamily::gauge(
        to,
        "croupier_upstream_requests_in_flight",
        "Requests to the server that wait for a response, by group and upstream",
    )?;
    for (labels, stats) in servers() {
        family.value(labels, stats.in_flight())?;
    }
    encode_upstream_requests(servers, to)?;
    encode_hosts(&states, to)?;
    encode_sending(&states, to)
}

/// Whether the hosts of upstreams with several of them get requests.
fn encode_hosts(states: &[(&str, UpstreamState)], to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let hosts = || {
        states.iter().flat_map(|(group, state)| {
            let named = state.servers.iter().zip(&state.hosts);
            named.map(move |((name, _), host)| (("group", *group), ("upstream", name.as_str()), host))
        })
    };
    if hosts().next().is_none() {
        return Ok(());
    }
    let mut family = MetricFamily::gauge(
        to,
        "croupier_upstream_available",
        "1 if the host gets requests, 0 if it is ejected or fails its probes, by group and upstream",
    )?;
    for (group, upstream, host) in hosts() {
        let is_available = matches!(host.state, HostState::Available | HostState::Warming(_));
        family.value([group, upstream], i64::from(is_available))?;
    }
    let mut family = MetricFamily::counter(
        to,
        "croupier_upstream_ejections",
        "How often a host got no more requests for a time, by group, upstream and reason",
    )?;
    for (group, upstream, host) in hosts() {
        for (reason, count) in &host.ejections {
            family.count([group, upstream, ("reason", reason)], *count)?;
        }
    }
    Ok(())
}

/// Requests that are sent again or not at all, and breakers.
fn encode_sending(states: &[(&str, UpstreamState)], to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    type Count = fn(&SendingReport) -> u64;
    let counts: [(&str, &str, Count); 4] = [
        ("croupier_upstream_retries", "Requests that were sent once more, by group", |report| report.retries),
        (
            "croupier_upstream_retries_refused",
            "Requests that were not sent again because the budget for that was spent, by group",
            |report| report.refused_retries,
        ),
        (
            "croupier_upstream_hedged",
            "Requests that were sent to a second host before the first had responded, by group",
            |report| report.hedged,
        ),
        (
            "croupier_upstream_busy",
            "Requests that were refused because as many were running as may run, by group",
            |report| report.busy,
        ),
    ];
    for (name, help, count) in counts {
        let mut family = MetricFamily::counter(to, name, help)?;
        for (group, state) in states {
            family.count([("group", group)], count(&state.sending))?;
        }
    }
    let breakers = || {
        states.iter().flat_map(|(group, state)| {
            let named = |breaker: &BreakerReport| breaker.method.as_deref().unwrap_or(ALL_METHODS).to_owned();
            state.breakers.iter().map(move |breaker| (*group, named(breaker), breaker))
        })
    };
    if breakers().next().is_none() {
        return Ok(());
    }
    let mut family = MetricFamily::gauge(
        to,
        "croupier_breaker_closed",
        "1 if calls are let through, 0 if they are refused or only a few are let through, by group and method",
    )?;
    for (group, method, breaker) in breakers() {
        let is_closed = breaker.state == BreakerState::Closed;
        family.value([("group", group), ("method", &method)], i64::from(is_closed))?;
    }
    let mut family =
        MetricFamily::counter(to, "croupier_breaker_opened", "How often a breaker has opened, by group and method")?;
    for (group, method, breaker) in breakers() {
        family.count([("group", group), ("method", &method)], breaker.opened)?;
    }
    let mut family =
        MetricFamily::counter(to, "croupier_breaker_refused", "Calls that a breaker has refused, by group and method")?;
    for (group, method, breaker) in breakers() {
        family.count([("group", group), ("method", &method)], breaker.refused)?;
    }
    Ok(())
}

/// Without caches there are no series.
pub(super) fn encode_caches(mounts: &Mounts, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let cached = mounts.groups.iter().filter_map(|group| Some((group.path.as_str(), group.rules.cache()?.state())));
    let caches: Vec<(&str, CacheState)> = cached.collect();
    if caches.is_empty() {
        return Ok(());
    }
    let mut family = MetricFamily::counter(
        to,
        "croupier_cache_lookups",
        "Calls of cached methods, by group and what they have found in the cache",
    )?;
    for (group, cache) in &caches {
        for (lookup, count) in &cache.lookups {
            family.count([("group", group), ("result", lookup.word())], *count)?;
        }
    }
    let mut family = MetricFamily::gauge(to, "croupier_cache_answers", "Answers in the cache, by group")?;
    caches.iter().try_for_each(|(group, cache)| family.value([("group", group)], number(cache.entries)))?;
    let mut family =
        MetricFamily::gauge(to, "croupier_cache_bytes", "Memory that the answers in the cache take, by group")?;
    let bytes = |cache: &CacheState| i64::try_from(cache.bytes).unwrap_or(i64::MAX);
    caches.iter().try_for_each(|(group, cache)| family.value([("group", group)], bytes(cache)))?;
    let mut family = MetricFamily::gauge(
        to,
        "croupier_cache_limit_bytes",
        "Memory that the answers in the cache may take (`cache.size`), by group",
    )?;
    caches.iter().try_for_each(|(group, cache)| family.value([("group", group)], number(cache.limit)))
}

/// Counts by what has happened.
type OutcomeCounts = Vec<(&'static str, u64)>;

/// What other groups have done for the calls of groups. Without fallbacks, shadows and splits there are no series.
pub(super) fn encode_other_groups(mounts: &Mounts, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let of_groups = |counts: &dyn Fn(&GroupMount) -> Option<OutcomeCounts>| -> Vec<(&str, OutcomeCounts)> {
        mounts.groups.iter().filter_map(|group| Some((group.path.as_str(), counts(group)?))).collect()
    };
    let families = [
        (
            "croupier_fallbacks",
            "Calls that have failed and have a fallback, by group and whether it had a result",
            of_groups(&|group| Some(group.rules.fallbacks()?.counts().to_vec())),
        ),
        (
            "croupier_shadow_calls",
            "Calls that were also sent to another group, by group and how the result compares",
            of_groups(&|group| Some(group.rules.shadow()?.report().counts().collect())),
        ),
        (
            "croupier_split_calls",
            "Calls of groups with a split, by group and the side that has got them",
            of_groups(&|group| Some(group.rules.split()?.counts().to_vec())),
        ),
    ];
    for (name, help, groups) in families {
        if groups.is_empty() {
            continue;
        }
        let mut family = MetricFamily::counter(to, name, help)?;
        for (group, counts) in groups {
            for (result, count) in counts {
                family.count([("group", group), ("result", result)], count)?;
            }
        }
    }
    Ok(())
}

/// Without quotas, and without a store for their counts, there are no series.
pub(super) fn encode_quotas(
    mounts: &Mounts,
    failures: Option<&SaveFailures>,
    to: &mut DescriptorEncoder<'_>,
) -> fmt::Result {
    let quotas = || mounts.groups.iter().filter_map(|group| Some((&group.path, group.rules.quota_counts()?)));
    if quotas().next().is_some() {
        let mut family = MetricFamily::counter(
            to,
            "croupier_quota_callers_forgotten",
            "Callers with calls that were forgotten, because there are more than `limits.quota.callers`, by group",
        )?;
        for (group, counts) in quotas() {
            family.count([("group", group)], counts.forgotten())?;
        }
    }
    let Some(failures) = failures else { return Ok(()) };
    MetricFamily::counter(
        to,
        "croupier_quota_save_failures",
        "How often the counts of quotas could not be written to their file",
    )?
    .count([], failures.count())
}

/// Without spans there are no series.
pub(super) fn encode_spans(spans: Option<&SpanCounts>, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let Some(spans) = spans else { return Ok(()) };
    MetricFamily::counter(to, "croupier_otlp_spans_exported", "Spans that the collector has accepted")?
        .count([], spans.exported())?;
    MetricFamily::counter(
        to,
        "croupier_otlp_spans_dropped",
        "Spans that are lost, because too many waited or the collector has not accepted them",
    )?
    .count([], spans.dropped())
}

fn encode_upstream_requests<'s, S>(servers: impl Fn() -> S, to: &mut DescriptorEncoder<'_>) -> fmt::Result
where
    S: Iterator<Item = ([Label<'s>; 2], &'s ServerStats)>,
{
    let mut family = MetricFamily::histogram(
        to,
        "croupier_upstream_request_duration_seconds",
        "From a request to the server to the head of its response, also for requests that fail, by group and upstream",
    )?;
    for (labels, stats) in servers() {
        family.durations(labels, &stats.durations.counts())?;
    }
    let mut family = MetricFamily::counter(
        to,
        "croupier_upstream_failures",
        "Requests to the server that have no response, by group, upstream and reason",
    )?;
    for ([group, upstream], stats) in servers() {
        for (reason, count) in stats.failures() {
            family.count([group, upstream, ("reason", reason)], count)?;
        }
    }
    let mut family =
        MetricFamily::counter(to, "croupier_upstream_connects", "Connections to the server, by group and upstream")?;
    for (labels, stats) in servers() {
        family.count(labels, stats.connections())?;
    }
    Ok(())
}
