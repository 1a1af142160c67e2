//! Which hosts fail more than others, and how long they get no requests for it (outlier ejection, as in Envoy).
//!
//! A host is ejected after a number of failures in a row, or when its success rate is far below that of the others. A host that
//! cannot be connected to is ejected at once: nothing was sent to it, so the request goes to another host, and each further attempt
//! would cost a whole time limit. Never are more than a part of the hosts ejected.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::service::lock::lock;

/// How hosts are found that get no requests for a time.
#[derive(Debug, Clone, PartialEq)]
pub struct OutlierOptions {
    /// After how many failures in a row a host is ejected; 0 for never (5 by default).
    pub failures: u32,
    /// How many standard deviations below the mean the success rate of a host must be so that it is ejected; 0 for never (1.9 by
    /// default).
    pub deviations: f64,
    /// How many hosts must have enough requests so that their success rates are compared (5 by default).
    pub min_hosts: usize,
    /// How many requests within an interval are enough (20 by default).
    pub min_requests: u32,
    /// The time over which success rates are counted, and after which the time of the next ejection becomes shorter again
    /// (10 s by default).
    pub interval: Duration,
    /// The time of a first ejection (5 s by default). It doubles each time.
    pub ejection: Duration,
    /// The longest time of an ejection (1 min by default).
    pub max_ejection: Duration,
    /// The part of the hosts that may be ejected at a time, from 0 to 1 (0.5 by default). Above 0, at least one host of several may
    /// be.
    pub max_ejected: f64,
}

impl Default for OutlierOptions {
    fn default() -> Self {
        OutlierOptions {
            failures: 5,
            deviations: 1.9,
            min_hosts: 5,
            min_requests: 20,
            interval: Duration::from_secs(10),
            ejection: Duration::from_secs(5),
            max_ejection: Duration::from_secs(60),
            max_ejected: 0.5,
        }
    }
}

/// The least difference of success rates that counts: hosts that hardly differ are not ejected, however small the deviation.
const MIN_DIFFERENCE: f64 = 0.05;

/// How a request to a host has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With an answer, be it a fault.
    Answered,
    /// Without: the connection broke, it took too long, or the response is an error of the server and no answer.
    Failed,
    /// The host could not be connected to.
    Unreached,
}

/// Why a host was ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EjectionReason {
    Failures,
    SuccessRate,
    Unreached,
}

impl EjectionReason {
    pub(crate) const ALL: [EjectionReason; 3] =
        [EjectionReason::Failures, EjectionReason::SuccessRate, EjectionReason::Unreached];

    pub(crate) fn word(self) -> &'static str {
        match self {
            EjectionReason::Failures => "failures",
            EjectionReason::SuccessRate => "success-rate",
            EjectionReason::Unreached => "unreached",
        }
    }
}

/// What has changed for a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ejection {
    Ejected {
        host: usize,
        reason: EjectionReason,
        time: Duration,
    },
    /// It gets requests again.
    Returned {
        host: usize,
    },
}

/// Finds outliers. Answers are counted without a lock; the lock is taken for failures, and once an interval.
#[derive(Debug)]
pub(crate) struct OutlierDetector {
    options: OutlierOptions,
    hosts: Box<[Arc<HostOutcomes>]>,
    schedule: Arc<Schedule>,
}

/// When something is to be done.
#[derive(Debug)]
struct Schedule {
    /// Locked by all that ejects hosts or ends that.
    interval_end: Mutex<Duration>,
    /// In milliseconds; read for each request.
    next_event: AtomicU64,
}

/// How the requests to a host have ended.
#[derive(Debug, Default)]
struct HostOutcomes {
    in_a_row: AtomicU32,
    answered: AtomicU32,
    failed: AtomicU32,
    /// Until when the host is ejected, in milliseconds; 0 if it is not.
    ejected_until: AtomicU64,
    ejections: Mutex<Ejections>,
}

#[derive(Debug, Default)]
struct Ejections {
    until: Option<Duration>,
    /// How often the time of the next ejection is doubled.
    doublings: u32,
    /// Whether it was ejected at any time in the current interval.
    was_ejected: bool,
}

impl OutlierDetector {
    pub(crate) fn new(hosts: usize, options: OutlierOptions) -> OutlierDetector {
        let interval_end = options.interval;
        let schedule =
            Schedule { interval_end: Mutex::new(interval_end), next_event: AtomicU64::new(millis(interval_end)) };
        OutlierDetector { hosts: (0..hosts).map(|_| Arc::default()).collect(), schedule: Arc::new(schedule), options }
    }

    /// A detector for other hosts. Each is new, or has this index here; both detectors then share what is known of it.
    pub(crate) fn renewed(&self, hosts: impl Iterator<Item = Option<usize>>) -> OutlierDetector {
        let known = |index: Option<usize>| index.and_then(|index| self.hosts.get(index)).cloned().unwrap_or_default();
        OutlierDetector {
            hosts: hosts.map(known).collect(),
            schedule: self.schedule.clone(),
            options: self.options.clone(),
        }
    }

    pub(crate) fn is_ejected(&self, host: usize) -> bool {
        self.hosts.get(host).is_some_and(|host| host.is_ejected())
    }

    /// How much longer a host is ejected.
    pub(crate) fn ejected_for(&self, host: usize, now: Duration) -> Option<Duration> {
        let until = self.hosts.get(host)?.ejected_until.load(Relaxed);
        (until > 0).then(|| Duration::from_millis(until).saturating_sub(now))
    }

    /// How many hosts may be ejected at a time.
    pub(crate) fn most_ejected(&self) -> usize {
        let hosts = self.hosts.len();
        if hosts < 2 || self.options.max_ejected <= 0.0 {
            return 0;
        }
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of hosts is far below 2^53, and a part of it is neither negative nor larger"
        )]
        let part = (hosts as f64 * self.options.max_ejected.clamp(0.0, 1.0)) as usize;
        part.clamp(1, hosts)
    }

    /// Notes how a request has ended.
    pub(crate) fn record(&self, index: usize, outcome: Outcome, now: Duration) -> Option<Ejection> {
        let host = self.hosts.get(index)?;
        if outcome == Outcome::Answered {
            host.answered.fetch_add(1, Relaxed);
            // Only written if it changes, so that threads do not wait for each other's writes.
            if host.in_a_row.load(Relaxed) > 0 {
                host.in_a_row.store(0, Relaxed);
            }
            return None;
        }
        host.failed.fetch_add(1, Relaxed);
        let in_a_row = host.in_a_row.fetch_add(1, Relaxed).saturating_add(1);
        let reason = match outcome {
            Outcome::Unreached => EjectionReason::Unreached,
            _ if self.options.failures > 0 && in_a_row >= self.options.failures => EjectionReason::Failures,
            _ => return None,
        };
        let interval_end = lock(&self.schedule.interval_end);
        let ejection = self.eject(index, reason, now);
        self.plan(*interval_end);
        ejection
    }

    /// Ends ejections whose time is over, and compares success rates at the end of an interval. Returns what has changed.
    pub(crate) fn advance(&self, now: Duration) -> Vec<Ejection> {
        if millis(now) < self.schedule.next_event.load(Relaxed) {
            return Vec::new();
        }
        let mut interval_end = lock(&self.schedule.interval_end);
        let mut changes = Vec::new();
        for (index, host) in self.hosts.iter().enumerate() {
            if lock(&host.ejections).until.is_some_and(|until| until <= now) {
                changes.extend(host.end_ejection().then_some(Ejection::Returned { host: index }));
            }
        }
        if *interval_end <= now {
            *interval_end = now.saturating_add(self.options.interval);
            changes.extend(self.compare_rates(now));
            self.hosts.iter().for_each(|host| host.begin_interval());
        }
        self.plan(*interval_end);
        changes
    }

    /// Ends the ejection of a host before its time: a probe has found it to be well.
    pub(crate) fn pardon(&self, index: usize) -> Option<Ejection> {
        let interval_end = lock(&self.schedule.interval_end);
        let returned = self.hosts.get(index)?.end_ejection();
        self.plan(*interval_end);
        returned.then_some(Ejection::Returned { host: index })
    }

    fn compare_rates(&self, now: Duration) -> Vec<Ejection> {
        if self.options.deviations <= 0.0 {
            return Vec::new();
        }
        let rates: Vec<(usize, f64)> = self
            .hosts
            .iter()
            .enumerate()
            .filter_map(|(index, host)| {
                let (answered, failed) = (host.answered.load(Relaxed), host.failed.load(Relaxed));
                let all = answered.saturating_add(failed);
                let counts = all > 0 && all >= self.options.min_requests;
                counts.then(|| (index, f64::from(answered) / f64::from(all)))
            })
            .collect();
        if rates.len() < self.options.min_hosts.max(2) {
            return Vec::new();
        }
        let threshold = threshold(&rates, self.options.deviations);
        let mut below: Vec<(usize, f64)> = rates.into_iter().filter(|(_, rate)| *rate < threshold).collect();
        below.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        below.iter().filter_map(|(host, _)| self.eject(*host, EjectionReason::SuccessRate, now)).collect()
    }

    /// Ejects a host, if not as many are ejected as may be.
    fn eject(&self, index: usize, reason: EjectionReason, now: Duration) -> Option<Ejection> {
        if self.hosts.iter().filter(|host| host.is_ejected()).count() >= self.most_ejected() {
            return None;
        }
        let time = self.hosts.get(index)?.eject(now, &self.options)?;
        Some(Ejection::Ejected { host: index, reason, time })
    }

    fn plan(&self, interval_end: Duration) {
        let ends = self.hosts.iter().map(|host| host.ejected_until.load(Relaxed)).filter(|until| *until > 0);
        self.schedule.next_event.store(ends.fold(millis(interval_end), u64::min), Relaxed);
    }
}

impl HostOutcomes {
    fn is_ejected(&self) -> bool {
        self.ejected_until.load(Relaxed) > 0
    }

    /// Ejects the host, unless it is ejected already. Returns for how long.
    fn eject(&self, now: Duration, options: &OutlierOptions) -> Option<Duration> {
        let mut ejections = lock(&self.ejections);
        if ejections.until.is_some() {
            return None;
        }
        let factor = 2_u32.saturating_pow(ejections.doublings);
        let time = options.ejection.saturating_mul(factor).min(options.max_ejection.max(options.ejection));
        if time < options.max_ejection {
            ejections.doublings += 1;
        }
        let until = now.saturating_add(time);
        (ejections.until, ejections.was_ejected) = (Some(until), true);
        self.ejected_until.store(millis(until).max(1), Relaxed);
        Some(time)
    }

    /// Ends an ejection. Returns whether the host was ejected.
    fn end_ejection(&self) -> bool {
        if lock(&self.ejections).until.take().is_none() {
            return false;
        }
        self.ejected_until.store(0, Relaxed);
        // Requests that were sent before may still fail; they do not count against the host again.
        self.in_a_row.store(0, Relaxed);
        self.answered.store(0, Relaxed);
        self.failed.store(0, Relaxed);
        true
    }

    /// Counts anew. An interval without an ejection halves the time of the next one.
    fn begin_interval(&self) {
        self.answered.store(0, Relaxed);
        self.failed.store(0, Relaxed);
        let mut ejections = lock(&self.ejections);
        if !ejections.was_ejected {
            ejections.doublings = ejections.doublings.saturating_sub(1);
        }
        ejections.was_ejected = ejections.until.is_some();
    }
}

/// The success rate below which a host is an outlier.
#[allow(clippy::cast_precision_loss, reason = "a number of hosts is far below 2^53, up to which a double is exact")]
fn threshold(rates: &[(usize, f64)], deviations: f64) -> f64 {
    let count = rates.len() as f64;
    let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / count;
    let variance = rates.iter().map(|(_, rate)| (rate - mean).powi(2)).sum::<f64>() / count;
    mean - (deviations * variance.sqrt()).max(MIN_DIFFERENCE)
}

/// Rounded up, so that what is planned for a time is not tried before it.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ejected(change: Option<Ejection>) -> Option<(usize, EjectionReason, u64)> {
        match change? {
            Ejection::Ejected { host, reason, time } => Some((host, reason, time.as_secs())),
            Ejection::Returned { .. } => None,
        }
    }

    #[test]
    fn failures_in_a_row_eject_a_host_and_an_answer_begins_anew() {
        let detector = OutlierDetector::new(2, OutlierOptions::default());
        for _ in 0..3 {
            for _ in 0..4 {
                assert_eq!(detector.record(0, Outcome::Failed, secs(1)), None);
            }
            detector.record(0, Outcome::Answered, secs(1));
        }
        for _ in 0..4 {
            assert_eq!(detector.record(0, Outcome::Failed, secs(1)), None);
        }
        let ejection = detector.record(0, Outcome::Failed, secs(1));
        assert_eq!(ejected(ejection), Some((0, EjectionReason::Failures, 5)));
        assert!(detector.is_ejected(0));
        assert_eq!(detector.ejected_for(0, secs(2)), Some(secs(4)));
        assert_eq!(detector.record(0, Outcome::Failed, secs(2)), None, "it is ejected already");
        assert_eq!(detector.record(1, Outcome::Unreached, secs(2)), None, "half of the hosts stay");
        assert_eq!(detector.advance(secs(5)), []);
        assert_eq!(detector.advance(secs(6)), [Ejection::Returned { host: 0 }]);
        assert_eq!(ejected(detector.record(1, Outcome::Unreached, secs(6))), Some((1, EjectionReason::Unreached, 5)));
        assert_eq!(detector.pardon(1), Some(Ejection::Returned { host: 1 }));
        assert_eq!(detector.pardon(1), None);
    }

    #[test]
    fn the_time_doubles_and_falls_back() {
        let detector = OutlierDetector::new(2, OutlierOptions::default());
        let mut now = secs(1);
        let mut times = Vec::new();
        for _ in 0..6 {
            let Some((_, _, time)) = ejected(detector.record(0, Outcome::Unreached, now)) else { panic!("stays") };
            times.push(time);
            now += secs(time);
            assert!(detector.advance(now).contains(&Ejection::Returned { host: 0 }));
        }
        assert_eq!(times, [5, 10, 20, 40, 60, 60]);
        for _ in 0..10 {
            now += secs(10);
            detector.advance(now);
        }
        assert_eq!(ejected(detector.record(0, Outcome::Unreached, now)), Some((0, EjectionReason::Unreached, 5)));
    }

    #[test]
    fn a_host_far_below_the_others_is_ejected_and_small_differences_do_not_count() {
        let run = |failures: [u32; 6]| {
            let detector = OutlierDetector::new(6, OutlierOptions::default());
            for (host, failed) in failures.into_iter().enumerate() {
                for request in 0..100 {
                    let outcome =
                        if request % 100 < failed && request % 2 == 0 { Outcome::Failed } else { Outcome::Answered };
                    detector.record(host, outcome, secs(1));
                }
            }
            detector.advance(secs(10)).into_iter().filter_map(|change| ejected(Some(change))).collect::<Vec<_>>()
        };
        assert_eq!(run([0, 0, 60, 0, 0, 0]), [(2, EjectionReason::SuccessRate, 5)]);
        assert_eq!(run([0, 0, 4, 0, 0, 0]), [], "2 % are no outlier");
        assert_eq!(run([60; 6]), [], "where all fail, none is an outlier");
        assert_eq!(run([60, 0, 0, 0, 0, 0]).len(), 1);
    }

    #[test]
    fn one_host_alone_is_never_ejected() {
        let detector = OutlierDetector::new(1, OutlierOptions::default());
        for _ in 0..100 {
            assert_eq!(detector.record(0, Outcome::Unreached, secs(1)), None);
        }
    }

    #[test]
    fn detectors_of_other_hosts_share_what_is_known() {
        let before = OutlierDetector::new(4, OutlierOptions::default());
        assert!(before.record(1, Outcome::Unreached, secs(1)).is_some());
        // The hosts 1 and 3 have stayed, and one is new.
        let after = before.renewed([Some(3), None, Some(1)].into_iter());
        assert_eq!([0, 1, 2].map(|host| after.is_ejected(host)), [false, false, true]);
        assert_eq!(after.record(0, Outcome::Unreached, secs(2)), None, "one of three is ejected already");
        // A request that was sent before the change ends.
        assert!(before.record(3, Outcome::Unreached, secs(3)).is_some());
        assert_eq!(after.ejected_for(0, secs(3)), Some(secs(5)));
        assert_eq!(after.advance(secs(6)), [Ejection::Returned { host: 2 }]);
        assert_eq!(after.advance(secs(8)), [Ejection::Returned { host: 0 }]);
        assert!(!before.is_ejected(3));
    }
}
