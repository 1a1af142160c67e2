//! Whether a host is well as probes find it: it changes after a number of equal results in a row.

use std::time::Duration;

use crate::service::random::Random;

/// How many equal results in a row change what is believed of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProbeThresholds {
    pub(crate) unhealthy: u32,
    pub(crate) healthy: u32,
}

/// What probes have found of one host. A host is well until they have found otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProbedHealth {
    is_ill: bool,
    /// How many results in a row contradict what is believed.
    contradicting: u32,
    has_result: bool,
}

impl ProbedHealth {
    /// Notes a result. Returns whether the host is well from now on, if that has changed. The first result of all counts at once:
    /// a host that has never been well should not get requests until it has failed several times.
    pub(crate) fn note(&mut self, passed: bool, thresholds: ProbeThresholds) -> Option<bool> {
        let is_first = !std::mem::replace(&mut self.has_result, true);
        if passed != self.is_ill {
            self.contradicting = 0;
            return None;
        }
        self.contradicting = self.contradicting.saturating_add(1);
        let needed = if passed { thresholds.healthy } else { thresholds.unhealthy };
        if !is_first && self.contradicting < needed.max(1) {
            return None;
        }
        (self.is_ill, self.contradicting) = (!passed, 0);
        Some(passed)
    }

    pub(crate) fn is_ill(&self) -> bool {
        self.is_ill
    }
}

/// The time until the next probe: the interval, changed by up to `jitter` of it in both directions, so that many gateways do not
/// probe at the same time.
pub(crate) fn next_probe(interval: Duration, jitter: f64, random: &Random) -> Duration {
    let factor = 1.0 + jitter.clamp(0.0, 1.0) * (2.0 * random.fraction() - 1.0);
    interval.mul_f64(factor.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_in_a_row_change_what_is_believed() {
        let thresholds = ProbeThresholds { unhealthy: 3, healthy: 2 };
        let mut health = ProbedHealth::default();
        let results = [true, false, false, true, false, false, false, false, true, false, true, true, true];
        let changes = results.map(|passed| health.note(passed, thresholds));
        let mut expected = [None; 13];
        (expected[6], expected[11]) = (Some(false), Some(true));
        assert_eq!(changes, expected);
        assert_eq!(ProbedHealth::default().note(false, thresholds), Some(false), "the first result counts at once");
    }

    #[test]
    fn probes_are_spread_around_their_interval() {
        let random = Random::seeded(3);
        for _ in 0..1000 {
            let time = next_probe(Duration::from_secs(10), 0.2, &random);
            assert!((8.0..12.0).contains(&time.as_secs_f64()), "{time:?}");
        }
        assert_eq!(next_probe(Duration::from_secs(10), 0.0, &random), Duration::from_secs(10));
    }
}
