//! The hosts of an upstream, and the choice among them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::latency::{Measured, PeakLatency};
use super::outlier::{Ejection, EjectionReason, Outcome, OutlierDetector, OutlierOptions};
use super::probe::{ProbeThresholds, ProbedHealth};
use super::{Balance, hash, slow_start};
use crate::service::lock::lock;
use crate::service::random::Random;

/// How often a host is drawn at random before all are looked at one by one.
const DRAWS: usize = 6;
/// How many turns are looked at for one request.
const MOST_TURNS: u64 = 4096;
/// How much weights are scaled in the order of turns: the fractional part of the golden ratio, which spreads the turns of a heavy
/// host between those of the others.
const TURN_STRIDE: f64 = 0.618_033_988_749_895;

/// The hosts of an upstream, with what is known of each.
///
/// All times are since the start of the balancer, and so the same for the same requests: nothing here reads a clock.
#[derive(Debug)]
pub(crate) struct Hosts {
    hosts: Box<[WeightedHost]>,
    balance: Balance,
    turns: Turns,
    turn: AtomicU64,
    slow_start: Duration,
    outliers: OutlierDetector,
}

/// The places of the hosts among all turns and draws: each has as many as its weight.
#[derive(Debug)]
struct Turns {
    /// The sums of the weights up to and including each host; empty if all weights are the same.
    cumulative: Box<[u64]>,
    total_weight: u64,
    /// The step from turn to turn, without a common divisor with the sum of the weights.
    stride: u64,
}

#[derive(Debug)]
struct WeightedHost {
    weight: u32,
    /// What it is in hashes: its address, so that another order of the hosts moves no keys.
    identity: u64,
    host: Arc<Host>,
}

/// What is known of a host.
#[derive(Debug)]
struct Host {
    in_flight: AtomicU32,
    /// How many requests may run at a time.
    limit: AtomicU32,
    latency: Mutex<PeakLatency>,
    /// When it has come back, in milliseconds; `u64::MAX` if it has never been away.
    returned: AtomicU64,
    probed: Mutex<ProbedHealth>,
    /// 1 if probes have found it to be ill.
    ill: AtomicU32,
    ejections: [AtomicU64; EjectionReason::ALL.len()],
}

/// A host as it is added.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewHost {
    pub(crate) identity: u64,
    /// Its share of requests in relation to that of others, at least 1.
    pub(crate) weight: u32,
}

impl NewHost {
    fn with(self, host: Arc<Host>) -> WeightedHost {
        WeightedHost { weight: self.weight.max(1), identity: self.identity, host }
    }
}

/// Why there is no host for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoHost {
    /// Every host was tried.
    AllTried,
    /// Every host that was not tried has as many requests as it may have.
    Full,
}

/// The state of a host, for those who watch over it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum HostState {
    Available,
    /// It has come back and gets this part of its requests.
    Warming(f64),
    /// It gets no requests for this time.
    Ejected(Duration),
    /// Probes have found it to be ill.
    Unhealthy,
}

impl HostState {
    pub(crate) fn word(self) -> &'static str {
        match self {
            HostState::Available => "available",
            HostState::Warming(_) => "warming",
            HostState::Ejected(_) => "ejected",
            HostState::Unhealthy => "unhealthy",
        }
    }
}

impl Default for Host {
    fn default() -> Self {
        Host {
            in_flight: AtomicU32::new(0),
            limit: AtomicU32::new(u32::MAX),
            latency: Mutex::default(),
            returned: AtomicU64::new(u64::MAX),
            probed: Mutex::default(),
            ill: AtomicU32::new(0),
            ejections: Default::default(),
        }
    }
}

impl Turns {
    fn new(hosts: &[NewHost]) -> Turns {
        let weights: Vec<u64> = hosts.iter().map(|host| u64::from(host.weight.max(1))).collect();
        let same = weights.windows(2).all(|pair| matches!(pair, [one, other] if one == other));
        if same {
            return Turns { cumulative: Box::default(), total_weight: hosts.len() as u64, stride: 1 };
        }
        let mut sum = 0_u64;
        let cumulative = weights.iter().map(|weight| {
            sum = sum.saturating_add(*weight);
            sum
        });
        let cumulative = cumulative.collect();
        Turns { cumulative, total_weight: sum, stride: stride(sum) }
    }

    /// The host that has a place.
    fn host_at(&self, place: u64) -> usize {
        if self.cumulative.is_empty() {
            return usize::try_from(place).unwrap_or_default();
        }
        self.cumulative.partition_point(|sum| *sum <= place)
    }
}

impl Hosts {
    pub(crate) fn new(hosts: &[NewHost], balance: Balance, slow_start: Duration, outliers: OutlierOptions) -> Hosts {
        Hosts {
            outliers: OutlierDetector::new(hosts.len(), outliers),
            hosts: hosts.iter().map(|host| host.with(Arc::default())).collect(),
            balance,
            turns: Turns::new(hosts),
            turn: AtomicU64::new(0),
            slow_start,
        }
    }

    /// Other hosts in place of these. What is known of a host with the same identity stays, and is the same for both: requests
    /// that were begun before end there. New hosts get few requests at first. Also returns which hosts they were.
    pub(crate) fn renewed(&self, hosts: &[NewHost], now: Duration) -> (Hosts, Vec<Option<usize>>) {
        let mut known: HashMap<u64, Vec<usize>> = HashMap::new();
        for (index, host) in self.hosts.iter().enumerate().rev() {
            known.entry(host.identity).or_default().push(index);
        }
        let before: Vec<Option<usize>> =
            hosts.iter().map(|host| known.get_mut(&host.identity).and_then(Vec::pop)).collect();
        let host_before = |index: &Option<usize>| index.and_then(|index| self.hosts.get(index));
        let renewed = Hosts {
            hosts: hosts
                .iter()
                .zip(&before)
                .map(|(host, index)| host.with(host_before(index).map(|known| known.host.clone()).unwrap_or_default()))
                .collect(),
            balance: self.balance,
            turns: Turns::new(hosts),
            turn: AtomicU64::new(self.turn.load(Relaxed)),
            slow_start: self.slow_start,
            outliers: self.outliers.renewed(before.iter().copied()),
        };
        if !self.hosts.is_empty() {
            let new = before.iter().enumerate().filter(|(_, before)| before.is_none());
            new.for_each(|(index, _)| renewed.begin_slowly(index, now));
        }
        (renewed, before)
    }

    pub(crate) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Chooses a host that was not `tried` yet. Hosts that are ejected or ill are chosen only if there is no other: requests to
    /// them may succeed, and without them the request fails for certain.
    pub(crate) fn pick(
        &self,
        key: Option<u64>,
        tried: &[usize],
        now: Duration,
        random: &Random,
    ) -> Result<usize, NoHost> {
        let picked = match (self.balance, key) {
            (Balance::Hash, Some(key)) => self.pick_by_hash(key, tried),
            (Balance::RoundRobin, _) => self.pick_by_turn(tried, now, random),
            (Balance::LeastLatency | Balance::LeastRequests | Balance::Hash, _) => self.pick_of_two(tried, now, random),
        };
        picked.or_else(|| self.pick_any(tried, now, random)).ok_or_else(|| {
            let untried = (0..self.hosts.len()).any(|host| !tried.contains(&host));
            if untried { NoHost::Full } else { NoHost::AllTried }
        })
    }

    /// The better of two hosts that are drawn at random (power of two choices).
    fn pick_of_two(&self, tried: &[usize], now: Duration, random: &Random) -> Option<usize> {
        let mut first = None;
        for _ in 0..DRAWS {
            let drawn = self.turns.host_at(random.below(self.turns.total_weight));
            if first == Some(drawn) || !self.takes(drawn, tried, now, random) {
                continue;
            }
            let Some(other) = first else {
                first = Some(drawn);
                continue;
            };
            return Some(if self.load(drawn, now) < self.load(other, now) { drawn } else { other });
        }
        first
    }

    fn pick_by_turn(&self, tried: &[usize], now: Duration, random: &Random) -> Option<usize> {
        // The turn of a host that does not take the request is over, too: otherwise the host after it would get all of its
        // requests beside its own.
        let Turns { total_weight, stride, .. } = self.turns;
        let mut turns = (0..total_weight.min(MOST_TURNS)).map(|_| {
            let turn = self.turn.fetch_add(1, Relaxed).wrapping_mul(stride) % total_weight.max(1);
            self.turns.host_at(turn)
        });
        turns.find(|host| self.takes(*host, tried, now, random))
    }

    fn pick_by_hash(&self, key: u64, tried: &[usize]) -> Option<usize> {
        let available = |(index, _): &(usize, &WeightedHost)| self.is_available(*index) && self.has_room(*index, tried);
        let score = |host: &WeightedHost| hash::score(key, host.identity, host.weight);
        let hosts = self.hosts.iter().enumerate().filter(available);
        hosts.max_by(|(_, a), (_, b)| score(a).total_cmp(&score(b))).map(|(index, _)| index)
    }

    /// The host with the least load of those that are available, or else of all.
    fn pick_any(&self, tried: &[usize], now: Duration, random: &Random) -> Option<usize> {
        let least = |available: bool| {
            // From a random one on: the first of equals is taken.
            let count = self.hosts.len();
            let first = usize::try_from(random.below(count as u64)).unwrap_or_default();
            let hosts = (0..count).map(|step| (first + step) % count.max(1));
            let hosts = hosts.filter(|host| self.has_room(*host, tried) && (!available || self.is_available(*host)));
            hosts.min_by(|a, b| self.load(*a, now).total_cmp(&self.load(*b, now)))
        };
        least(true).or_else(|| least(false))
    }

    /// Whether a host takes this request: one that has just come back takes a part of them only.
    fn takes(&self, index: usize, tried: &[usize], now: Duration, random: &Random) -> bool {
        if !self.is_available(index) || !self.has_room(index, tried) {
            return false;
        }
        let share = self.host(index).map_or(1.0, |host| self.share(host, now));
        share >= 1.0 || random.fraction() < share
    }

    fn has_room(&self, index: usize, tried: &[usize]) -> bool {
        let host = self.host(index).filter(|_| !tried.contains(&index));
        host.is_some_and(|host| host.in_flight.load(Relaxed) < host.limit.load(Relaxed))
    }

    fn is_available(&self, index: usize) -> bool {
        let is_ill = self.host(index).is_none_or(|host| host.ill.load(Relaxed) != 0);
        !is_ill && !self.outliers.is_ejected(index)
    }

    /// The part of its usual requests that a host gets.
    fn share(&self, host: &Host, now: Duration) -> f64 {
        match host.returned.load(Relaxed) {
            u64::MAX => 1.0,
            returned => slow_start::share(now.saturating_sub(Duration::from_millis(returned)), self.slow_start),
        }
    }

    /// How busy a host is. Weights count for requests in flight only: with few requests, draws alone give each its share.
    fn load(&self, index: usize, now: Duration) -> f64 {
        let Some(WeightedHost { weight, host, .. }) = self.hosts.get(index) else { return f64::INFINITY };
        let in_flight = host.in_flight.load(Relaxed);
        let waiting = f64::from(in_flight) / f64::from(*weight);
        match self.balance {
            Balance::LeastRequests => waiting,
            _ => lock(&host.latency).expected(in_flight, now) * (waiting + 1.0),
        }
    }

    fn host(&self, index: usize) -> Option<&Host> {
        self.hosts.get(index).map(|weighted| &*weighted.host)
    }

    /// Notes that a request is sent to a host. Returns whether it had room for it: another thread may have taken the last.
    #[must_use]
    pub(crate) fn begin(&self, index: usize, now: Duration) -> bool {
        let Some(host) = self.host(index) else { return false };
        let limit = host.limit.load(Relaxed);
        let begun = host.in_flight.fetch_update(Relaxed, Relaxed, |count| (count < limit).then_some(count + 1));
        let Ok(before) = begun else { return false };
        if self.measures() {
            lock(&host.latency).begin(before, now);
        }
        true
    }

    /// Notes how long a response took to begin, or a failure to show.
    pub(crate) fn measure(&self, index: usize, measured: Measured, now: Duration) {
        let Some(host) = self.host(index).filter(|_| self.measures()) else { return };
        let left = host.in_flight.load(Relaxed).saturating_sub(1);
        lock(&host.latency).end(measured, left, now);
    }

    /// Notes that the response to a request, whose latency was measured, is a failure.
    pub(crate) fn penalise(&self, index: usize, took: Duration, now: Duration) {
        let Some(host) = self.host(index).filter(|_| self.measures()) else { return };
        lock(&host.latency).end(Measured::Failure(took), host.in_flight.load(Relaxed), now);
    }

    /// Notes that a request to a host is over, with its response.
    pub(crate) fn end(&self, index: usize) {
        if let Some(host) = self.host(index) {
            let ended = host.in_flight.fetch_update(Relaxed, Relaxed, |count| count.checked_sub(1));
            debug_assert!(ended.is_ok(), "a request ends once");
        }
    }

    fn measures(&self) -> bool {
        matches!(self.balance, Balance::LeastLatency | Balance::Hash)
    }

    /// Notes how a request has ended. Returns what has changed.
    pub(crate) fn record(&self, index: usize, outcome: Outcome, now: Duration) -> Option<Ejection> {
        let change = self.outliers.record(index, outcome, now);
        self.apply(change.as_slice(), now);
        change
    }

    /// Does what is due: ends ejections, and compares success rates.
    pub(crate) fn advance(&self, now: Duration) -> Vec<Ejection> {
        let changes = self.outliers.advance(now);
        self.apply(&changes, now);
        changes
    }

    fn apply(&self, changes: &[Ejection], now: Duration) {
        for change in changes {
            match change {
                Ejection::Ejected { host, reason, .. } => {
                    let counts = self.host(*host).map(|host| &host.ejections);
                    let count = counts
                        .and_then(|counts| EjectionReason::ALL.iter().zip(counts).find(|(other, _)| *other == reason));
                    if let Some((_, count)) = count {
                        count.fetch_add(1, Relaxed);
                    }
                }
                Ejection::Returned { host } => self.begin_slowly(*host, now),
            }
        }
    }

    /// From now on a host gets few requests at first.
    pub(crate) fn begin_slowly(&self, index: usize, now: Duration) {
        if let Some(host) = self.host(index) {
            host.returned.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX - 1), Relaxed);
            lock(&host.latency).forget();
        }
    }

    /// Notes the result of a probe. Returns whether the host is well from now on, if that has changed. A host that is found to
    /// be well is not ejected any longer.
    pub(crate) fn probed(
        &self,
        index: usize,
        passed: bool,
        thresholds: ProbeThresholds,
        now: Duration,
    ) -> Option<bool> {
        let host = self.host(index)?;
        let (changed, is_ill) = {
            let mut probed = lock(&host.probed);
            let changed = probed.note(passed, thresholds);
            host.ill.store(u32::from(probed.is_ill()), Relaxed);
            (changed, probed.is_ill())
        };
        if changed == Some(true) {
            self.begin_slowly(index, now);
        }
        if passed && !is_ill {
            let returned = self.outliers.pardon(index);
            self.apply(returned.as_slice(), now);
        }
        changed
    }

    /// Sets how many requests may run at a time on a host.
    pub(crate) fn set_limit(&self, index: usize, limit: u32) {
        if let Some(host) = self.host(index) {
            host.limit.store(limit.max(1), Relaxed);
        }
    }

    pub(crate) fn in_flight(&self, index: usize) -> u32 {
        self.host(index).map_or(0, |host| host.in_flight.load(Relaxed))
    }

    pub(crate) fn state(&self, index: usize, now: Duration) -> HostState {
        let Some(host) = self.host(index) else { return HostState::Available };
        if host.ill.load(Relaxed) != 0 {
            return HostState::Unhealthy;
        }
        if let Some(time) = self.outliers.ejected_for(index, now) {
            return HostState::Ejected(time);
        }
        match self.share(host, now) {
            share if share < 1.0 => HostState::Warming(share),
            _ => HostState::Available,
        }
    }

    /// How often a host was ejected, by reason.
    pub(crate) fn ejections(&self, index: usize) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.host(index).into_iter().flat_map(|host| &host.ejections);
        EjectionReason::ALL.iter().zip(counts).map(|(reason, count)| (reason.word(), count.load(Relaxed)))
    }
}

/// A number near the golden part of `total` that has no common divisor with it, so that all turns come.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "neither negative nor larger than `total`, and any number near it will do"
)]
fn stride(total: u64) -> u64 {
    let near = ((total as f64) * TURN_STRIDE) as u64;
    (near.max(1)..).find(|stride| divisor(*stride, total) == 1).unwrap_or(1)
}

fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(weights: &[u32], balance: Balance) -> Hosts {
        let hosts: Vec<NewHost> =
            (11..).zip(weights).map(|(identity, weight)| NewHost { identity, weight: *weight }).collect();
        Hosts::new(&hosts, balance, Duration::from_secs(10), OutlierOptions::default())
    }

    fn counts(hosts: &Hosts, picks: u32, now: Duration, random: &Random) -> Vec<u32> {
        let mut counts = vec![0; hosts.len()];
        for _ in 0..picks {
            counts[hosts.pick(None, &[], now, random).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn turns_are_as_the_weights_and_spread() {
        let random = Random::seeded(5);
        let now = Duration::ZERO;
        let equal = hosts(&[1, 1, 1], Balance::RoundRobin);
        let picked: Vec<usize> = (0..6).map(|_| equal.pick(None, &[], now, &random).unwrap()).collect();
        assert_eq!(picked, [0, 1, 2, 0, 1, 2]);
        let weighted = hosts(&[5, 1, 1], Balance::RoundRobin);
        assert_eq!(counts(&weighted, 70, now, &random), [50, 10, 10]);
        let picked: Vec<usize> = (0..7).map(|_| weighted.pick(None, &[], now, &random).unwrap()).collect();
        assert!(!picked.windows(4).any(|turns| turns == [0; 4]), "{picked:?}");
    }

    #[test]
    fn draws_are_as_the_weights_and_busy_hosts_get_fewer() {
        let random = Random::seeded(5);
        for balance in [Balance::LeastLatency, Balance::LeastRequests] {
            let hosts = hosts(&[2, 1, 1], balance);
            let drawn = counts(&hosts, 4000, Duration::ZERO, &random);
            assert!(drawn[0] > drawn[1] + 300, "{drawn:?}");
            for _ in 0..20 {
                assert!(hosts.begin(1, Duration::ZERO));
            }
            assert!(counts(&hosts, 4000, Duration::ZERO, &random)[1] < 50, "{balance:?}");
        }
    }

    #[test]
    fn a_key_stays_with_its_host_and_returns_to_it() {
        let random = Random::seeded(5);
        let hosts = hosts(&[1; 5], Balance::Hash);
        let now = Duration::from_secs(1);
        let own = hosts.pick(Some(77), &[], now, &random).unwrap();
        for _ in 0..100 {
            assert_eq!(hosts.pick(Some(77), &[], now, &random), Ok(own));
        }
        hosts.record(own, Outcome::Unreached, now);
        assert_ne!(hosts.pick(Some(77), &[], now, &random), Ok(own));
        hosts.advance(Duration::from_secs(6));
        assert_eq!(hosts.pick(Some(77), &[], Duration::from_secs(6), &random), Ok(own));
        assert_ne!(hosts.pick(Some(77), &[own], now, &random), Ok(own));
    }

    #[test]
    fn hosts_are_full_or_tried() {
        let random = Random::seeded(5);
        let hosts = hosts(&[1, 1], Balance::LeastLatency);
        let pick = |tried: &[usize]| hosts.pick(None, tried, Duration::ZERO, &random);
        assert_eq!(pick(&[0]), Ok(1));
        assert_eq!(pick(&[0, 1]), Err(NoHost::AllTried));
        for host in 0..2 {
            hosts.set_limit(host, 2);
            assert!(hosts.begin(host, Duration::ZERO));
            assert!(pick(&[]).is_ok());
            assert!(hosts.begin(host, Duration::ZERO));
        }
        assert_eq!(pick(&[]), Err(NoHost::Full));
        assert_eq!(pick(&[0]), Err(NoHost::Full));
        hosts.end(0);
        assert_eq!(pick(&[]), Ok(0));
    }

    #[test]
    fn a_host_comes_back_by_degrees() {
        let random = Random::seeded(5);
        let hosts = hosts(&[1, 1], Balance::RoundRobin);
        let at = Duration::from_secs;
        hosts.record(0, Outcome::Unreached, at(1));
        assert_eq!(counts(&hosts, 100, at(2), &random), [0, 100]);
        assert_eq!(hosts.state(0, at(2)), HostState::Ejected(at(4)));
        hosts.advance(at(6));
        let first = counts(&hosts, 1000, at(6), &random)[0];
        let half = counts(&hosts, 1000, at(11), &random)[0];
        let all = counts(&hosts, 1000, at(16), &random)[0];
        assert!((20..130).contains(&first) && (230..420).contains(&half) && all == 500, "{first} {half} {all}");
        assert_eq!(hosts.ejections(0).collect::<Vec<_>>(), [("failures", 0), ("success-rate", 0), ("unreached", 1)]);
    }

    #[test]
    fn probes_take_a_host_out_and_where_all_are_ill_all_are_used() {
        let random = Random::seeded(5);
        let thresholds = ProbeThresholds { unhealthy: 2, healthy: 1 };
        let hosts = hosts(&[1, 1], Balance::LeastLatency);
        let at = Duration::from_secs;
        assert_eq!(hosts.probed(0, false, thresholds, at(1)), Some(false));
        assert_eq!(counts(&hosts, 100, at(1), &random), [0, 100]);
        assert_eq!(hosts.probed(1, false, thresholds, at(1)), Some(false));
        assert!(counts(&hosts, 100, at(1), &random).iter().all(|count| *count > 20));
        hosts.record(0, Outcome::Unreached, at(2));
        assert_eq!(hosts.probed(0, true, thresholds, at(3)), Some(true));
        assert!(matches!(hosts.state(0, at(3)), HostState::Warming(_)), "it is not ejected any longer");
    }

    #[test]
    fn hosts_that_stay_keep_what_is_known_and_new_ones_begin_slowly() {
        let random = Random::seeded(5);
        let at = Duration::from_secs;
        let before = hosts(&[1, 1, 1], Balance::RoundRobin);
        assert!(before.begin(2, at(1)));
        before.record(1, Outcome::Unreached, at(1));
        let new = [14, 12, 13].map(|identity| NewHost { identity, weight: 1 });
        let (after, same) = before.renewed(&new, at(2));
        assert_eq!(same, [None, Some(1), Some(2)]);
        assert!(matches!(after.state(0, at(2)), HostState::Warming(_)));
        assert_eq!(after.state(1, at(2)), HostState::Ejected(at(4)));
        assert_eq!((after.state(2, at(2)), after.in_flight(2)), (HostState::Available, 1));
        let picked = counts(&after, 1000, at(2), &random);
        assert!((20..130).contains(&picked[0]) && picked[1] == 0, "{picked:?}");
        before.end(2);
        assert_eq!(after.in_flight(2), 0, "the request has ended on the host, whichever set it was begun in");
        let (none, _) = after.renewed(&[], at(3));
        assert_eq!(none.pick(None, &[], at(3), &random), Err(NoHost::AllTried));
        let (first, _) = none.renewed(&new, at(3));
        assert_eq!(first.state(0, at(3)), HostState::Available, "there is no other to take its requests");
    }
}
