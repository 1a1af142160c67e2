//! The lowest pace of a client (`timeouts.min-rate`): how many bytes a second it sends of a body, or takes of a response.
//!
//! A client is behind by the time for which others have waited for it, less the time that its bytes may take at the lowest
//! pace. It is too slow when it is behind by more than a limit. So a client that stops is noticed when the limit has passed,
//! one that is a little too slow is noticed later, and one whose link stands still for a moment has time to catch up. Time
//! for which nothing is waited for does not count.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How far a client is behind the lowest pace.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How many bytes have moved.
    moved: AtomicU64,
    /// How many of them had moved at the last check.
    counted: AtomicU64,
    /// By how many milliseconds the client was behind at the last check.
    behind: AtomicU64,
}

impl Pace {
    /// Notes that bytes have moved. Only one task moves bytes, so an addition that others can see in two steps is enough.
    pub(super) fn moved(&self, bytes: usize) {
        self.moved.store(self.moved.load(Relaxed).wrapping_add(bytes as u64), Relaxed);
    }

    /// Whether the client is behind `rate`, in bytes a second, by more than `limit`. `waited` says for how many milliseconds
    /// of the time since the last check the client has been waited for. With a rate of 0, any byte is enough to catch up.
    /// Only one task checks.
    pub(super) fn is_below(&self, rate: usize, limit: Duration, waited: u64) -> bool {
        let moved = self.moved.load(Relaxed);
        let bytes = moved.wrapping_sub(self.counted.swap(moved, Relaxed));
        let earned = match bytes.saturating_mul(1000).checked_div(rate as u64) {
            Some(earned) => earned,
            None if bytes > 0 => u64::MAX,
            None => 0,
        };
        let behind = self.behind.load(Relaxed).saturating_add(waited).saturating_sub(earned);
        self.behind.store(behind, Relaxed);
        u128::from(behind) > limit.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// After how many seconds a client is too slow that is waited for all the time and moves this many bytes in each; `None`
    /// if it never is.
    fn ends(rate: usize, bytes: impl Fn(u64) -> usize) -> Option<u64> {
        let pace = Pace::default();
        (1..=1000).find(|second| {
            pace.moved(bytes(*second));
            pace.is_below(rate, LIMIT, 1000)
        })
    }

    #[test]
    fn a_client_is_too_slow_when_it_is_behind_by_more_than_the_limit() {
        assert_eq!(ends(500, |_| 0), Some(11));
        assert_eq!(ends(500, |_| 250), Some(21));
        assert_eq!(ends(500, |_| 500), None);
        assert_eq!(ends(500, |second| if second % 9 == 0 { 4500 } else { 0 }), None, "slow, in lumps");
        assert_eq!(ends(500, |second| if second < 5 { 1 << 30 } else { 0 }), Some(15), "bytes do not count in advance");
    }

    #[test]
    fn without_a_rate_a_client_must_only_not_stop() {
        assert_eq!(ends(0, |_| 0), Some(11));
        assert_eq!(ends(0, |second| usize::from(second % 10 == 0)), None);
    }

    #[test]
    fn time_for_which_the_client_is_not_waited_for_does_not_count() {
        let pace = Pace::default();
        assert!((0..1000).all(|_| !pace.is_below(500, LIMIT, 0)));
    }
}
