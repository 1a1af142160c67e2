//! Refuses calls to an upstream that fails, instead of letting each of them wait for its failure (circuit breaker).
//!
//! A breaker is *closed* as long as few calls fail. When too many have failed it is *open*: calls are refused. After a time it is
//! *half open*: a few calls are let through, and their results close it or open it again.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::service::lock::lock;

/// When the calls to an upstream are refused.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerOptions {
    /// How many calls must have failed within the window (20 by default).
    pub failures: u32,
    /// The part of the calls within the window that must have failed, from 0 to 1 (0.5 by default).
    pub ratio: f64,
    /// The time over which calls are counted (10 s by default).
    pub window: Duration,
    /// How long calls are refused before a few are let through (5 s by default).
    pub open: Duration,
    /// How many calls are let through then, all of which must succeed (3 by default).
    pub probes: u32,
    /// Whether each method has a breaker of its own instead of one for all (no by default).
    pub per_method: bool,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        BreakerOptions {
            failures: 20,
            ratio: 0.5,
            window: Duration::from_secs(10),
            open: Duration::from_secs(5),
            probes: 3,
            per_method: false,
        }
    }
}

/// The parts into which the window is divided.
const PARTS: u32 = 10;

/// The state of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BreakerState {
    Closed,
    /// Calls are refused until this time.
    Open(Duration),
    HalfOpen,
}

impl BreakerState {
    pub(crate) fn word(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Open(_) => "open",
            BreakerState::HalfOpen => "half-open",
        }
    }
}

/// How a call has ended, for its breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallEnd {
    Answered,
    Failed,
    /// It was given up, or refused before it was sent: that says nothing of the upstream.
    Unknown,
}

/// One breaker. Times are since its making.
#[derive(Debug)]
pub(crate) struct Breaker {
    inner: Mutex<Inner>,
    opened: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    state: BreakerState,
    /// The number of changes: the end of a call that began in another state does not count.
    period: u64,
    /// The parts of the window that have calls: their numbers, answers and failures.
    parts: VecDeque<(u64, u32, u32)>,
    /// How many calls were let through since it is half open, and how many of them were answered.
    let_through: u32,
    answered: u32,
}

/// The right to make a call. Its period says in which state it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admission {
    period: u64,
    /// Whether its end decides about a breaker that is half open.
    is_probe: bool,
}

impl Breaker {
    pub(crate) fn new() -> Breaker {
        Breaker {
            inner: Mutex::new(Inner {
                state: BreakerState::Closed,
                period: 0,
                parts: VecDeque::new(),
                let_through: 0,
                answered: 0,
            }),
            opened: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Lets a call through, or says how long calls are refused.
    ///
    /// # Errors
    /// With the time until a call may be let through.
    pub(crate) fn admit(&self, options: &BreakerOptions, now: Duration) -> Result<Admission, Duration> {
        let mut inner = lock(&self.inner);
        if let BreakerState::Open(until) = inner.state
            && until <= now
        {
            inner.change(BreakerState::HalfOpen);
        }
        let is_probe = match inner.state {
            BreakerState::Closed => false,
            BreakerState::HalfOpen if inner.let_through < options.probes.max(1) => {
                inner.let_through += 1;
                true
            }
            BreakerState::HalfOpen => {
                self.refused.fetch_add(1, Relaxed);
                return Err(options.open);
            }
            BreakerState::Open(until) => {
                self.refused.fetch_add(1, Relaxed);
                return Err(until.saturating_sub(now));
            }
        };
        Ok(Admission { period: inner.period, is_probe })
    }

    /// Notes how a call has ended that was let through. Returns the new state if it has changed.
    pub(crate) fn end(
        &self,
        admission: Admission,
        end: CallEnd,
        options: &BreakerOptions,
        now: Duration,
    ) -> Option<BreakerState> {
        let mut inner = lock(&self.inner);
        if inner.period != admission.period {
            return None;
        }
        if admission.is_probe {
            match end {
                // Another call takes its place.
                CallEnd::Unknown => inner.let_through = inner.let_through.saturating_sub(1),
                CallEnd::Failed => return Some(self.open(&mut inner, options, now)),
                CallEnd::Answered => {
                    inner.answered += 1;
                    if inner.answered >= options.probes.max(1) {
                        inner.change(BreakerState::Closed);
                        return Some(BreakerState::Closed);
                    }
                }
            }
            return None;
        }
        if end == CallEnd::Unknown {
            return None;
        }
        let failed = end == CallEnd::Failed;
        let (answers, failures) = inner.count(failed, options, now);
        let is_part = f64::from(failures) >= options.ratio * (f64::from(answers) + f64::from(failures));
        if failed && failures >= options.failures.max(1) && is_part {
            return Some(self.open(&mut inner, options, now));
        }
        None
    }

    fn open(&self, inner: &mut Inner, options: &BreakerOptions, now: Duration) -> BreakerState {
        self.opened.fetch_add(1, Relaxed);
        inner.change(BreakerState::Open(now.saturating_add(options.open)));
        inner.state
    }

    pub(crate) fn state(&self) -> BreakerState {
        lock(&self.inner).state
    }

    /// How often it has opened.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    /// How many calls it has refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

impl Inner {
    fn change(&mut self, state: BreakerState) {
        self.state = state;
        self.period += 1;
        self.parts.clear();
        (self.let_through, self.answered) = (0, 0);
    }

    /// Counts a call, and returns the answers and failures within the window.
    fn count(&mut self, failed: bool, options: &BreakerOptions, now: Duration) -> (u32, u32) {
        let part = (options.window / PARTS).as_nanos().max(1);
        let current = u64::try_from(now.as_nanos() / part).unwrap_or(u64::MAX);
        let first = current.saturating_sub(u64::from(PARTS) - 1);
        self.parts.retain(|(number, ..)| *number >= first);
        if self.parts.back().is_none_or(|(number, ..)| *number < current) {
            self.parts.push_back((current, 0, 0));
        }
        if let Some((_, answers, failures)) = self.parts.back_mut() {
            let count = if failed { failures } else { answers };
            *count = count.saturating_add(1);
        }
        self.parts.iter().fold((0, 0), |(answers, failures), (_, answered, failed)| {
            (answers.saturating_add(*answered), failures.saturating_add(*failed))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::random::Random;

    fn call(breaker: &Breaker, options: &BreakerOptions, end: CallEnd, seconds: u64) -> Option<BreakerState> {
        let now = Duration::from_secs(seconds);
        let admission = breaker.admit(options, now).unwrap();
        breaker.end(admission, end, options, now)
    }

    #[test]
    fn failures_open_it_and_answers_close_it() {
        let options = BreakerOptions { failures: 3, probes: 2, ..BreakerOptions::default() };
        let breaker = Breaker::new();
        let late = breaker.admit(&options, Duration::ZERO).unwrap();
        for _ in 0..2 {
            assert_eq!(call(&breaker, &options, CallEnd::Failed, 1), None);
        }
        assert_eq!(call(&breaker, &options, CallEnd::Unknown, 1), None);
        let open = BreakerState::Open(Duration::from_secs(6));
        assert_eq!(call(&breaker, &options, CallEnd::Failed, 1), Some(open));
        assert_eq!(breaker.admit(&options, Duration::from_secs(2)), Err(Duration::from_secs(4)));
        assert_eq!(breaker.end(late, CallEnd::Answered, &options, Duration::from_secs(3)), None, "it began before");
        assert_eq!(breaker.state(), open);
        assert_eq!(call(&breaker, &options, CallEnd::Failed, 6), Some(BreakerState::Open(Duration::from_secs(11))));
        assert_eq!(call(&breaker, &options, CallEnd::Unknown, 11), None);
        assert_eq!(call(&breaker, &options, CallEnd::Answered, 11), None);
        let waiting = breaker.admit(&options, Duration::from_secs(11)).unwrap();
        assert!(breaker.admit(&options, Duration::from_secs(11)).is_err(), "two at a time");
        let closed = breaker.end(waiting, CallEnd::Answered, &options, Duration::from_secs(11));
        assert_eq!(closed, Some(BreakerState::Closed));
        assert_eq!((breaker.opened(), breaker.refused()), (2, 2));
    }

    #[test]
    fn few_failures_among_many_answers_do_not_open_it() {
        let options = BreakerOptions { failures: 3, ..BreakerOptions::default() };
        let breaker = Breaker::new();
        for second in 0..100 {
            for end in [CallEnd::Answered, CallEnd::Answered, CallEnd::Failed] {
                assert_eq!(call(&breaker, &options, end, second), None);
            }
        }
        let old = Breaker::new();
        for second in [0, 1, 30, 31] {
            assert_eq!(call(&old, &options, CallEnd::Failed, second), None, "only those within the window count");
        }
    }

    /// What a breaker lets through, for any sequence of calls.
    #[test]
    fn a_breaker_lets_through_as_many_calls_as_its_state_allows() {
        for seed in 0..256 {
            let random = Random::seeded(seed);
            let options = BreakerOptions {
                failures: u32::try_from(random.below(5)).unwrap() + 1,
                probes: u32::try_from(random.below(4)).unwrap() + 1,
                ratio: random.fraction(),
                ..BreakerOptions::default()
            };
            let breaker = Breaker::new();
            let mut running: Vec<Admission> = Vec::new();
            let mut now = Duration::ZERO;
            for _ in 0..3_000 {
                now += Duration::from_millis(random.below(400));
                let before = breaker.state();
                if random.below(2) == 0 {
                    match breaker.admit(&options, now) {
                        Ok(admission) => running.push(admission),
                        Err(wait) => assert!(before != BreakerState::Closed && wait <= options.open, "seed {seed}"),
                    }
                } else if !running.is_empty() {
                    let index = usize::try_from(random.below(running.len() as u64)).unwrap();
                    let ends = [CallEnd::Answered, CallEnd::Failed, CallEnd::Failed, CallEnd::Unknown];
                    let end = ends[usize::try_from(random.below(4)).unwrap()];
                    breaker.end(running.swap_remove(index), end, &options, now);
                }
                if let BreakerState::Open(until) = breaker.state() {
                    assert!(until <= now + options.open, "seed {seed}");
                    if until > now {
                        assert!(breaker.admit(&options, now).is_err(), "seed {seed}");
                    }
                }
                let inner = lock(&breaker.inner);
                assert!(inner.let_through <= options.probes && inner.answered <= inner.let_through, "seed {seed}");
            }
        }
    }
}
