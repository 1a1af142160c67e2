//! Simulations of the choice of hosts, with seeds: random steps with checks after each, and a fleet of which a part is sick.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::Duration;

use super::outlier::{Ejection, Outcome, OutlierOptions};
use super::{Balance, HostState, Hosts, Measured, NewHost, NoHost, ProbeThresholds};
use crate::service::random::Random;

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap()
}

const THRESHOLDS: ProbeThresholds = ProbeThresholds { unhealthy: 3, healthy: 2 };

/// A request that runs on a host of the set in which it was begun.
struct Running {
    hosts: Rc<Hosts>,
    host: usize,
    identity: u64,
    begun: Duration,
}

/// What the hosts must be like after each step.
struct Model {
    hosts: Rc<Hosts>,
    new: Vec<NewHost>,
    next_identity: u64,
    options: OutlierOptions,
    running: Vec<Running>,
    limits: Vec<u32>,
    /// How many hosts were ejected when others left, or by a request to an earlier set: they may be too many for the set.
    left_over: usize,
    now: Duration,
    seed: u64,
}

impl Model {
    fn new(random: &Random, seed: u64) -> Model {
        let count = random.below(12) + 1;
        let balances = [Balance::LeastLatency, Balance::LeastRequests, Balance::RoundRobin, Balance::Hash];
        let options = OutlierOptions {
            failures: small(random.below(6)),
            min_hosts: 3,
            min_requests: 5,
            max_ejected: if random.below(8) == 0 { 0.0 } else { random.fraction() },
            ..OutlierOptions::default()
        };
        let new: Vec<NewHost> =
            (0..count).map(|identity| NewHost { identity, weight: small(random.below(4)) + 1 }).collect();
        let balance = balances[index(random.below(4))];
        let hosts = Hosts::new(&new, balance, Duration::from_secs(random.below(20)), options.clone());
        Model {
            hosts: Rc::new(hosts),
            limits: vec![u32::MAX; new.len()],
            new,
            next_identity: count,
            options,
            running: Vec::new(),
            left_over: 0,
            now: Duration::ZERO,
            seed,
        }
    }

    fn step(&mut self, random: &Random) {
        self.now += Duration::from_millis(random.below(300));
        let host = index(random.below(self.hosts.len() as u64));
        match random.below(12) {
            0..4 => self.pick(random),
            4..8 if !self.running.is_empty() => self.end(random),
            8 => drop(self.hosts.advance(self.now)),
            9 => {
                self.hosts.probed(host, random.below(2) == 0, THRESHOLDS, self.now);
            }
            10 => {
                self.limits[host] = if random.below(2) == 0 { u32::MAX } else { small(random.below(6)) + 1 };
                self.hosts.set_limit(host, self.limits[host]);
            }
            _ if random.below(20) == 0 => self.change_hosts(random),
            _ => {}
        }
        self.check();
    }

    fn end(&mut self, random: &Random) {
        let Running { hosts, host, begun, .. } =
            self.running.swap_remove(index(random.below(self.running.len() as u64)));
        let took = self.now - begun;
        let (measured, outcome) = match random.below(6) {
            0 => (Measured::Failure(took), Outcome::Unreached),
            1 => (Measured::AtLeast(took), Outcome::Failed),
            2 => (Measured::Failure(took), Outcome::Failed),
            _ => (Measured::Response(took), Outcome::Answered),
        };
        hosts.measure(host, measured, self.now);
        hosts.end(host);
        if let Some(Ejection::Ejected { time, .. }) = hosts.record(host, outcome, self.now) {
            assert!(time <= self.options.max_ejection, "seed {}", self.seed);
            if !Rc::ptr_eq(&hosts, &self.hosts) {
                self.left_over = self.ejected();
            }
        }
    }

    /// Some hosts leave, and others come.
    fn change_hosts(&mut self, random: &Random) {
        let mut new: Vec<NewHost> = self.new.iter().copied().filter(|_| random.below(3) > 0).collect();
        for _ in 0..random.below(3) + u64::from(new.is_empty()) {
            let host = NewHost { identity: self.next_identity, weight: small(random.below(4)) + 1 };
            new.insert(index(random.below(new.len() as u64 + 1)), host);
            self.next_identity += 1;
        }
        let (hosts, before) = self.hosts.renewed(&new, self.now);
        for (host, before) in before.iter().enumerate() {
            let known = before.map(|before| self.hosts.state(before, self.now));
            assert!(known.is_none_or(|known| known == hosts.state(host, self.now)), "seed {}", self.seed);
        }
        self.limits = before.iter().map(|before| before.map_or(u32::MAX, |before| self.limits[before])).collect();
        (self.hosts, self.new) = (Rc::new(hosts), new);
        self.left_over = self.ejected();
    }

    fn ejected(&self) -> usize {
        let states = (0..self.hosts.len()).map(|host| self.hosts.state(host, self.now));
        states.filter(|state| matches!(state, HostState::Ejected(_))).count()
    }

    fn has_room(&self, host: usize) -> bool {
        self.hosts.in_flight(host) < self.limits[host]
    }

    fn is_available(&self, host: usize) -> bool {
        matches!(self.hosts.state(host, self.now), HostState::Available | HostState::Warming(_))
    }

    fn pick(&mut self, random: &Random) {
        self.hosts.advance(self.now);
        let tried: Vec<usize> = (0..self.hosts.len()).filter(|_| random.below(4) == 0).collect();
        let key = (random.below(2) == 0).then(|| random.next());
        let open = |model: &Model, host: usize| !tried.contains(&host) && model.has_room(host);
        let any_open = (0..self.hosts.len()).any(|host| open(self, host));
        match self.hosts.pick(key, &tried, self.now, random) {
            Ok(host) => {
                assert!(open(self, host), "seed {}: {host} is tried or full", self.seed);
                let better = (0..self.hosts.len()).any(|host| open(self, host) && self.is_available(host));
                assert!(self.is_available(host) || !better, "seed {}: {host} is ejected", self.seed);
                assert!(self.hosts.begin(host, self.now), "seed {}", self.seed);
                let (hosts, identity) = (self.hosts.clone(), self.new[host].identity);
                self.running.push(Running { hosts, host, identity, begun: self.now });
            }
            Err(reason) => {
                assert!(!any_open, "seed {}: there is a host", self.seed);
                let all_tried = tried.len() == self.hosts.len();
                assert_eq!(reason, if all_tried { NoHost::AllTried } else { NoHost::Full }, "seed {}", self.seed);
            }
        }
    }

    fn check(&mut self) {
        let ejected = self.ejected();
        let most = match self.hosts.len() {
            1 => 0,
            _ if self.options.max_ejected == 0.0 => 0,
            count => {
                let part = count as f64 * self.options.max_ejected;
                (0..=count).rev().find(|most| *most as f64 <= part).unwrap().max(1)
            }
        };
        assert!(ejected <= most.max(self.left_over), "seed {}: {ejected} of {most}", self.seed);
        self.left_over = self.left_over.min(ejected);
        for (host, new) in self.new.iter().enumerate() {
            let running = self.running.iter().filter(|running| running.identity == new.identity).count();
            assert_eq!(self.hosts.in_flight(host), small(running as u64), "seed {}", self.seed);
            if let HostState::Warming(share) = self.hosts.state(host, self.now) {
                assert!((0.1..1.0).contains(&share), "seed {}: {share}", self.seed);
            }
        }
    }
}

#[test]
fn every_step_leaves_the_hosts_in_order() {
    for seed in 0..256 {
        let random = Random::seeded(seed);
        let mut model = Model::new(&random, seed);
        for _ in 0..3_000 {
            model.step(&random);
        }
    }
}

/// What is wrong with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sickness {
    None,
    /// It refuses connections.
    Dead,
    /// It responds with errors, faster than others with results.
    Failing,
    /// A third of its responses are errors.
    Flaky,
    /// It takes twenty times as long.
    Slow,
    /// It never responds.
    Silent,
}

/// How often a part of the hosts is replaced by new ones, in seconds, and which part.
const CHURN: (f64, u64) = (2.0, 50);

impl Sickness {
    const ALL: [Sickness; 5] = [Sickness::Dead, Sickness::Failing, Sickness::Flaky, Sickness::Slow, Sickness::Silent];
}

/// The usual latency of a host.
const LATENCY: f64 = 0.005;
/// How long a response is waited for.
const TIMEOUT: f64 = 1.0;
/// When hosts fall sick, and when they recover, in seconds.
const SICK: (f64, f64) = (10.0, 40.0);
/// The end, in seconds.
const END: f64 = 60.0;

struct Fleet {
    hosts: Rc<Hosts>,
    new: Vec<NewHost>,
    sick: Vec<Sickness>,
    random: Random,
}

/// When a request ends, its host, the number of its set of hosts, when it began, and how it ends.
type EndingRequest = (u64, usize, usize, u64, usize);

/// What has become of the calls.
#[derive(Debug, Default)]
struct Report {
    calls: u64,
    /// Calls to hosts while they were sick, and all calls in that time, by sickness.
    to_sick: [u64; 5],
    while_sick: u64,
    failed: u64,
    /// The sum of the times until hosts were ejected, and how many were; by sickness.
    ejected: [(f64, u64); 5],
    healthy: Vec<u64>,
}

impl Report {
    /// How evenly the hosts that were never sick were used (Jain's index): 1 if all had the same number of calls.
    fn fairness(&self) -> f64 {
        let sum: f64 = self.healthy.iter().map(|count| *count as f64).sum();
        let squares: f64 = self.healthy.iter().map(|count| (*count as f64).powi(2)).sum();
        sum * sum / (self.healthy.len() as f64 * squares)
    }

    fn share_of_sick(&self) -> f64 {
        self.to_sick.iter().sum::<u64>() as f64 / self.while_sick as f64
    }
}

impl Fleet {
    /// Every tenth host falls sick, each sickness as often as the others.
    fn new(count: usize, balance: Balance, outliers: OutlierOptions, seed: u64) -> Fleet {
        let new: Vec<NewHost> = (0..count).map(|host| NewHost { identity: host as u64, weight: 1 }).collect();
        let sick = (0..count).map(|host| if host % 10 == 3 { Sickness::ALL[host / 10 % 5] } else { Sickness::None });
        let hosts = Hosts::new(&new, balance, Duration::from_secs(10), outliers);
        Fleet { hosts: Rc::new(hosts), new, sick: sick.collect(), random: Random::seeded(seed) }
    }

    /// Replaces a part of the hosts by new ones, with the same sickness.
    fn replace_some(&mut self, round: u64, now: Duration) {
        let count = self.new.len() as u64;
        for host in (0..count).filter(|host| host % CHURN.1 == round % CHURN.1) {
            self.new[index(host)].identity = count * (round + 1) + host;
        }
        self.hosts = Rc::new(self.hosts.renewed(&self.new, now).0);
    }

    fn sickness(&self, host: usize, time: f64) -> Sickness {
        if (SICK.0..SICK.1).contains(&time) { self.sick[host] } else { Sickness::None }
    }

    /// How long a request takes, and how it ends.
    fn serve(&self, host: usize, time: f64) -> (f64, Outcome) {
        let usual = LATENCY * (0.5 - 0.5 * (1.0 - self.random.fraction()).ln());
        match self.sickness(host, time) {
            Sickness::None => (usual, Outcome::Answered),
            Sickness::Dead => (0.000_3, Outcome::Unreached),
            Sickness::Failing => (0.001, Outcome::Failed),
            Sickness::Flaky if self.random.below(3) == 0 => (usual, Outcome::Failed),
            Sickness::Flaky => (usual, Outcome::Answered),
            Sickness::Slow => (20.0 * usual, Outcome::Answered),
            Sickness::Silent => (TIMEOUT, Outcome::Failed),
        }
    }

    /// Sends this many calls for each host and second, at random times.
    fn run(&mut self, rate: f64) -> Report {
        let count = self.hosts.len();
        let mut report = Report { healthy: vec![0; count], ..Report::default() };
        let mut running: BinaryHeap<Reverse<EndingRequest>> = BinaryHeap::new();
        let mut first_ejection = vec![false; count];
        let mut time = 0.0;
        // A request ends in the set of hosts in which it was begun.
        let mut sets: Vec<Rc<Hosts>> = vec![self.hosts.clone()];
        while time < END {
            time += -(1.0 - self.random.fraction()).ln() / (rate * count as f64);
            if time > CHURN.0 * sets.len() as f64 {
                self.replace_some(sets.len() as u64, Duration::from_secs_f64(time));
                sets.push(self.hosts.clone());
            }
            while let Some(Reverse((at, host, set, begun, outcome))) = running.peek().copied() {
                let now = Duration::from_nanos(at);
                if now.as_secs_f64() > time {
                    break;
                }
                running.pop();
                let changes = end(sets[set].as_ref(), host, now, Duration::from_nanos(begun), outcome);
                report.failed += u64::from(outcome != 0);
                self.note(&changes, now, &mut first_ejection, &mut report);
            }
            let now = Duration::from_secs_f64(time);
            let changes = self.hosts.advance(now);
            self.note(&changes, now, &mut first_ejection, &mut report);
            let Ok(host) = self.hosts.pick(None, &[], now, &self.random) else { continue };
            assert!(self.hosts.begin(host, now));
            let (took, outcome) = self.serve(host, time);
            let outcome = [Outcome::Answered, Outcome::Failed, Outcome::Unreached].iter().position(|o| *o == outcome);
            let at = now + Duration::from_secs_f64(took);
            let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap();
            running.push(Reverse((nanos(at), host, sets.len() - 1, nanos(now), outcome.unwrap())));
            report.calls += 1;
            if (SICK.0..SICK.1).contains(&time) {
                report.while_sick += 1;
                if let Some(kind) = Sickness::ALL.iter().position(|kind| *kind == self.sick[host]) {
                    report.to_sick[kind] += 1;
                }
            }
            report.healthy[host] += 1;
        }
        let never_sick = self.sick.iter().map(|sick| *sick == Sickness::None);
        let mut keep = never_sick.into_iter();
        report.healthy.retain(|_| keep.next().unwrap());
        report
    }

    fn note(&self, changes: &[Ejection], now: Duration, first: &mut [bool], report: &mut Report) {
        for change in changes {
            let Ejection::Ejected { host, .. } = change else { continue };
            let kind = Sickness::ALL.iter().position(|kind| *kind == self.sickness(*host, now.as_secs_f64()));
            if let (Some(kind), false) = (kind, std::mem::replace(&mut first[*host], true)) {
                let (sum, count) = &mut report.ejected[kind];
                *sum += now.as_secs_f64() - SICK.0;
                *count += 1;
            }
        }
    }
}

fn end(hosts: &Hosts, host: usize, now: Duration, begun: Duration, outcome: usize) -> Vec<Ejection> {
    let took = now.saturating_sub(begun);
    let (measured, outcome) = match outcome {
        0 => (Measured::Response(took), Outcome::Answered),
        1 => (Measured::Failure(took), Outcome::Failed),
        _ => (Measured::Failure(took), Outcome::Unreached),
    };
    hosts.measure(host, measured, now);
    hosts.end(host);
    hosts.record(host, outcome, now).into_iter().collect()
}

/// No ejections.
fn without_outliers() -> OutlierOptions {
    OutlierOptions { max_ejected: 0.0, ..OutlierOptions::default() }
}

#[test]
fn a_fleet_of_which_a_part_is_sick() {
    let run = |balance, outliers| Fleet::new(50, balance, outliers, 7).run(40.0);
    let plain = run(Balance::RoundRobin, without_outliers());
    let turns = run(Balance::RoundRobin, OutlierOptions::default());
    let latency = run(Balance::LeastLatency, OutlierOptions::default());
    assert!((0.08..0.12).contains(&plain.share_of_sick()), "{}", plain.share_of_sick());
    assert!(turns.share_of_sick() < plain.share_of_sick() * 0.6, "{}", turns.share_of_sick());
    assert!(latency.share_of_sick() < plain.share_of_sick() * 0.3, "{}", latency.share_of_sick());
    assert!(latency.failed < plain.failed / 5, "{} of {}", latency.failed, plain.failed);
    assert!(latency.fairness() > 0.9 && turns.fairness() > 0.98, "{} {}", latency.fairness(), turns.fairness());
}

/// `cargo test --lib fleet_of_a_thousand -- --ignored --nocapture` prints the table.
#[test]
#[ignore = "needs minutes"]
fn a_fleet_of_a_thousand_hosts() {
    println!("1,000 hosts, of which every tenth is sick from 10 s to 40 s, and every fiftieth is replaced every 2 s");
    println!("20 calls a second for each host");
    println!(
        "{:<34}{:>9}{:>9}{:>10}  calls to dead/failing/flaky/slow/silent hosts; s until ejected",
        "", "to sick", "failed", "fairness"
    );
    for (name, balance, outliers) in [
        ("round robin without ejection", Balance::RoundRobin, without_outliers()),
        ("round robin", Balance::RoundRobin, OutlierOptions::default()),
        ("least requests", Balance::LeastRequests, OutlierOptions::default()),
        ("least latency without ejection", Balance::LeastLatency, without_outliers()),
        ("least latency", Balance::LeastLatency, OutlierOptions::default()),
    ] {
        let report = Fleet::new(1000, balance, outliers, 7).run(20.0);
        let shares: Vec<String> = report
            .to_sick
            .iter()
            .zip(report.ejected)
            .map(|(calls, (sum, count))| {
                let share = *calls as f64 / report.while_sick as f64 * 100.0;
                let time = if count > 0 { format!("{:.2}", sum / count as f64) } else { "-".to_owned() };
                format!("{share:.2} % ({time})")
            })
            .collect();
        println!(
            "{name:<34}{:>7.2} %{:>7.2} %{:>10.4}  {}",
            report.share_of_sick() * 100.0,
            report.failed as f64 / report.calls as f64 * 100.0,
            report.fairness(),
            shares.join("  ")
        );
    }
}
