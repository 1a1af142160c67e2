//! How many requests may be sent again: a part of all requests, and a few more.
//!
//! When every request fails, retries would multiply the load of servers that cannot bear the usual one. With a budget they add
//! a part to it, whatever fails.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::service::lock::lock;

/// The time over which requests and retries are counted, in seconds.
const WINDOW: u64 = 10;
/// More seconds than the window has, so that the oldest is not yet written again while it counts. A power of two.
const SLOTS: usize = 16;

/// The part of the requests of the last ten seconds that may be sent again.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    ratio: f64,
    /// How many may be sent again each second, however few requests there are.
    floor: f64,
    /// The requests of each second: the second in the upper half, and their number in the lower half.
    requests: [AtomicU64; SLOTS],
    /// The seconds in which retries were made, and how many.
    retries: Mutex<VecDeque<(u64, u64)>>,
    made: AtomicU64,
    refused: AtomicU64,
}

impl RetryBudget {
    pub(crate) fn new(ratio: f64, floor: u32) -> RetryBudget {
        RetryBudget {
            ratio: ratio.max(0.0),
            floor: f64::from(floor),
            requests: Default::default(),
            retries: Mutex::default(),
            made: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Notes that a request is sent for the first time.
    pub(crate) fn deposit(&self, now: Duration) {
        let second = now.as_secs() & u64::from(u32::MAX);
        let Some(slot) = self.slot(second) else { return };
        let current = slot.load(Relaxed);
        if current >> 32 == second && current & u64::from(u32::MAX) != u64::from(u32::MAX) {
            slot.fetch_add(1, Relaxed);
        } else if current >> 32 != second {
            // If another thread is first, its count stays and this request is not counted.
            let _ = slot.compare_exchange(current, second << 32 | 1, Relaxed, Relaxed);
        }
    }

    /// Takes one retry from the budget. Returns whether there was one.
    pub(crate) fn withdraw(&self, now: Duration) -> bool {
        let second = now.as_secs() & u64::from(u32::MAX);
        let first = second.saturating_sub(WINDOW - 1);
        let requests: u64 = (first..=second)
            .filter_map(|second| {
                let current = self.slot(second)?.load(Relaxed);
                (current >> 32 == second).then_some(current & u64::from(u32::MAX))
            })
            .sum();
        let mut retries = lock(&self.retries);
        retries.retain(|(second, _)| *second >= first);
        let made: u64 = retries.iter().map(|(_, count)| count).sum();
        if !self.allows(requests, made + 1) {
            self.refused.fetch_add(1, Relaxed);
            return false;
        }
        self.made.fetch_add(1, Relaxed);
        match retries.back_mut() {
            Some((last, count)) if *last == second => *count += 1,
            _ => retries.push_back((second, 1)),
        }
        true
    }

    #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
    fn allows(&self, requests: u64, retries: u64) -> bool {
        retries as f64 <= requests as f64 * self.ratio + self.floor * WINDOW as f64
    }

    fn slot(&self, second: u64) -> Option<&AtomicU64> {
        self.requests.get(usize::try_from(second).unwrap_or_default() & (SLOTS - 1))
    }

    /// How many retries were made.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Relaxed)
    }

    /// How many retries there was no budget for.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::random::Random;

    #[test]
    fn a_part_of_the_requests_may_be_sent_again() {
        let budget = RetryBudget::new(0.2, 0);
        let at = Duration::from_secs(100);
        assert!(!budget.withdraw(at));
        for _ in 0..50 {
            budget.deposit(at);
        }
        assert_eq!((0..20).filter(|_| budget.withdraw(at)).count(), 10);
        assert!(!budget.withdraw(Duration::from_secs(109)));
        assert!(!budget.withdraw(Duration::from_secs(110)), "the requests of ten seconds ago do not count");
        assert_eq!(budget.refused(), 13);
        let floor = RetryBudget::new(0.2, 3);
        assert_eq!((0..100).filter(|_| floor.withdraw(at)).count(), 30, "three for each of ten seconds");
    }

    /// Each retry is within the budget of its last ten seconds, and all together are within that of all requests.
    #[test]
    fn the_budget_is_never_exceeded() {
        let number = |count: u64| f64::from(u32::try_from(count).unwrap());
        for seed in 0..256 {
            let random = Random::seeded(seed);
            let (ratio, floor) = (random.fraction(), u32::try_from(random.below(3)).unwrap());
            let budget = RetryBudget::new(ratio, floor);
            let mut seconds: Vec<(u64, u64)> = Vec::new();
            let mut now = Duration::from_secs(random.below(1000));
            let first = now.as_secs();
            for _ in 0..3_000 {
                now += Duration::from_millis(random.below(if random.below(50) == 0 { 8_000 } else { 60 }));
                let second = usize::try_from(now.as_secs() - first).unwrap();
                seconds.resize(seconds.len().max(second + 1), (0, 0));
                budget.deposit(now);
                seconds[second].0 += 1;
                for _ in 0..random.below(3) {
                    if !budget.withdraw(now) {
                        continue;
                    }
                    seconds[second].1 += 1;
                    let window = &seconds[(second + 1).saturating_sub(10)..];
                    let (requests, retries) = window.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
                    let most = number(requests) * ratio + f64::from(floor) * 10.0;
                    assert!(number(retries) <= most, "seed {seed}: {retries} of {requests}");
                }
            }
            let (requests, retries) = seconds.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
            let time = number(seconds.len() as u64) + 10.0;
            let most = number(requests) * ratio + f64::from(floor) * time;
            assert!(number(retries) <= most, "seed {seed}: {retries} of {requests} in all");
        }
    }
}
