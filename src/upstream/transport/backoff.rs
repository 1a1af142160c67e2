//! How long to wait before a request is sent again.

use std::time::Duration;

use crate::service::random::Random;

/// The wait before retry `number`, of which the first is 0: a random time up to `base`, which doubles each time up to `max` (full
/// jitter). Requests that have failed together are not sent again together.
pub(super) fn wait(number: u32, base: Duration, max: Duration, random: &Random) -> Duration {
    let longest = base.saturating_mul(2_u32.saturating_pow(number)).min(max);
    longest.mul_f64(random.fraction())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_spread_up_to_a_bound_that_doubles() {
        let random = Random::seeded(9);
        let (base, max) = (Duration::from_millis(25), Duration::from_millis(250));
        for (number, bound) in [(0, 25), (1, 50), (2, 100), (4, 250), (40, 250)] {
            let waits: Vec<Duration> = (0..1000).map(|_| wait(number, base, max, &random)).collect();
            let bound = Duration::from_millis(bound);
            assert!(waits.iter().all(|wait| *wait < bound));
            assert!(waits.iter().any(|wait| *wait > bound * 9 / 10) && waits.iter().any(|wait| *wait < bound / 10));
        }
        assert_eq!(wait(3, Duration::ZERO, max, &random), Duration::ZERO);
    }
}
