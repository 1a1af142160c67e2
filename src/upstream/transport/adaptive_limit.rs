//! How many requests may run on a host at a time, found from its latency (as the second gradient limit of Netflix).
//!
//! If requests take longer than they usually do, they wait for each other on the host: the limit falls. Otherwise it rises by
//! about its square root, as long as it is used.

use std::time::Duration;

/// How much longer than usual requests may take before the limit falls.
const TOLERANCE: f64 = 1.5;
/// The most by which the limit falls at a time, before smoothing.
const STEEPEST: f64 = 0.5;
/// How much a new limit counts beside the old one.
const SMOOTHING: f64 = 0.2;
/// How much a measurement counts in the usual latency if the host is not busy.
const USUAL: f64 = 1.0 / 100.0;
/// The same if it is busy and the request took longer than usual: the wait that the limit allows is not to become usual.
const BUSY: f64 = 1.0 / 10_000.0;
/// The same for the latency of now.
const CURRENT: f64 = 1.0 / 10.0;
/// By how much the limit falls when a request takes too long or is refused by the host.
const OVERLOADED: f64 = 0.9;

/// The limit of one host.
#[derive(Debug, Clone)]
pub(crate) struct AdaptiveLimit {
    limit: f64,
    min: f64,
    max: f64,
    /// The latency over a long time and over a short one, in seconds.
    usual: Option<f64>,
    current: f64,
}

impl AdaptiveLimit {
    /// A limit that begins at `initial` and stays between `min` and `max`.
    pub(crate) fn new(initial: u32, min: u32, max: u32) -> AdaptiveLimit {
        let (min, max) = (f64::from(min.max(1)), f64::from(max.max(min).max(1)));
        AdaptiveLimit { limit: f64::from(initial).clamp(min, max), min, max, usual: None, current: 0.0 }
    }

    /// Notes how long a request took while `in_flight` were running, itself included. Returns the limit from now on.
    pub(crate) fn measure(&mut self, latency: Duration, in_flight: u32) -> u32 {
        // A host on the same machine may respond within the resolution of the clock.
        let latency = latency.as_secs_f64().max(1e-6);
        let Some(usual) = self.usual else {
            (self.usual, self.current) = (Some(latency), latency);
            return self.limit();
        };
        self.current += (latency - self.current) * CURRENT;
        let is_busy = f64::from(in_flight) >= self.limit / 2.0;
        let weight = if is_busy && latency > usual { BUSY } else { USUAL };
        let usual = usual + (latency - usual) * weight;
        self.usual = Some(usual);
        // A limit that is not used says nothing about what the host can bear.
        if !is_busy {
            return self.limit();
        }
        let gradient = (TOLERANCE * usual / self.current).clamp(STEEPEST, 1.0);
        let target = self.limit * gradient + self.limit.sqrt();
        self.set(self.limit * (1.0 - SMOOTHING) + target * SMOOTHING)
    }

    /// Notes that a request took too long or was refused. Returns the limit from now on.
    pub(crate) fn overloaded(&mut self) -> u32 {
        self.set(self.limit * OVERLOADED)
    }

    fn set(&mut self, limit: f64) -> u32 {
        self.limit = limit.clamp(self.min, self.max);
        self.limit()
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between two numbers of 32 bits")]
    pub(crate) fn limit(&self) -> u32 {
        self.limit as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::random::Random;

    /// A host that serves `capacity` requests at a time in 10 ms, and lets others wait.
    fn latency(in_flight: u32, capacity: u32) -> Duration {
        Duration::from_millis(10).mul_f64((f64::from(in_flight) / f64::from(capacity)).max(1.0))
    }

    #[test]
    fn the_limit_rises_until_requests_wait_and_falls_when_the_host_is_slower() {
        let mut adaptive = AdaptiveLimit::new(20, 1, 1000);
        for _ in 0..5000 {
            let running = adaptive.limit();
            adaptive.measure(latency(running, 100), running);
        }
        let found = adaptive.limit();
        assert!((100..400).contains(&found), "{found}");
        for _ in 0..200 {
            let running = adaptive.limit();
            adaptive.measure(latency(running, 10), running);
        }
        assert!(adaptive.limit() < found / 3, "{} of {found}", adaptive.limit());
    }

    #[test]
    fn a_limit_that_is_not_used_does_not_rise() {
        let mut adaptive = AdaptiveLimit::new(20, 1, 1000);
        for _ in 0..1000 {
            assert_eq!(adaptive.measure(Duration::from_millis(10), 3), 20);
        }
    }

    #[test]
    fn the_limit_stays_within_its_bounds() {
        for seed in 0..256 {
            let random = Random::seeded(seed);
            let min = u32::try_from(random.below(20)).unwrap() + 1;
            let max = min + u32::try_from(random.below(100)).unwrap();
            let mut adaptive = AdaptiveLimit::new(u32::try_from(random.below(200)).unwrap(), min, max);
            for _ in 0..3_000 {
                let limit = match random.below(20) {
                    0 => adaptive.overloaded(),
                    _ => adaptive.measure(
                        Duration::from_micros(random.below(1 << random.below(24))),
                        u32::try_from(random.below(200)).unwrap(),
                    ),
                };
                assert!((min..=max).contains(&limit), "seed {seed}: {limit} of {min} to {max}");
            }
        }
    }
}
