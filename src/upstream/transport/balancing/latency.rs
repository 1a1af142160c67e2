//! The expected latency of a host: a moving average that follows peaks at once and forgets them slowly.

use std::time::Duration;

/// The time in which a measurement loses all but 37 % of its weight.
const DECAY: Duration = Duration::from_secs(10);
/// What a host without any measurement is expected to take while requests to it are waited for, in seconds.
const UNMEASURED: f64 = 1.0;
/// What a failure counts at least, in seconds: a host that fails fast must not look fast.
const FAILED: f64 = 1.0;

/// The latency of a host in seconds (peak EWMA, as in Finagle). Times are since the start of the balancer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PeakLatency {
    /// The average, and when it was last updated.
    average: Option<(f64, Duration)>,
    /// Since when the host has owed a response and has not sent any.
    silent_since: Option<Duration>,
}

impl PeakLatency {
    /// Notes that a request is sent. `in_flight` is the number of those before it.
    pub(crate) fn begin(&mut self, in_flight: u32, now: Duration) {
        if in_flight == 0 || self.silent_since.is_none() {
            self.silent_since = Some(now);
        }
    }

    /// Notes that a request has ended. `in_flight` is the number of those that are left.
    pub(crate) fn end(&mut self, measured: Measured, in_flight: u32, now: Duration) {
        let is_response = !matches!(measured, Measured::AtLeast(_));
        if in_flight == 0 {
            self.silent_since = None;
        } else if is_response {
            self.silent_since = Some(now);
        }
        let sample = match measured {
            // Only more than what is expected is news.
            Measured::AtLeast(latency) if latency.as_secs_f64() <= self.expected(0, now) => return,
            Measured::AtLeast(latency) => latency.as_secs_f64(),
            Measured::Response(latency) => latency.as_secs_f64(),
            Measured::Failure(latency) => latency.as_secs_f64().max(FAILED),
        };
        let average = match self.average {
            Some((average, at)) if sample < average => {
                let weight = decay(now.saturating_sub(at));
                average * weight + sample * (1.0 - weight)
            }
            _ => sample,
        };
        self.average = Some((average, now));
    }

    /// What a request would take, in seconds. Without new measurements it falls, so that a host that was slow is tried
    /// again. A host that owes responses takes at least as long as it has been silent.
    pub(crate) fn expected(&self, in_flight: u32, now: Duration) -> f64 {
        let silent = self.silent_since.filter(|_| in_flight > 0);
        let silent = silent.map_or(0.0, |since| now.saturating_sub(since).as_secs_f64());
        let average = match self.average {
            Some((average, at)) => average * decay(now.saturating_sub(at)),
            None if in_flight > 0 => UNMEASURED,
            None => 0.0,
        };
        average.max(silent)
    }

    /// Forgets what was measured: the host has been away.
    pub(crate) fn forget(&mut self) {
        self.average = None;
    }
}

/// How a request has ended, and when its response began.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Measured {
    Response(Duration),
    Failure(Duration),
    /// It was given up after this time without a response.
    AtLeast(Duration),
}

/// What is left of the weight of a measurement of this age.
fn decay(age: Duration) -> f64 {
    (-age.as_secs_f64() / DECAY.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(latency: &mut PeakLatency, millis: u64, at: u64) {
        latency.end(Measured::Response(Duration::from_millis(millis)), 0, Duration::from_secs(at));
    }

    #[test]
    fn peaks_are_followed_at_once_and_forgotten_slowly() {
        let mut latency = PeakLatency::default();
        assert_eq!(latency.expected(0, Duration::ZERO), 0.0, "it is tried");
        assert_eq!(latency.expected(1, Duration::ZERO), 1.0, "but not by all at once");
        measured(&mut latency, 10, 1);
        measured(&mut latency, 500, 2);
        assert_eq!(latency.expected(0, Duration::from_secs(2)), 0.5);
        measured(&mut latency, 10, 3);
        let after = latency.expected(0, Duration::from_secs(3));
        assert!((0.4..0.5).contains(&after), "{after}");
        assert!(latency.expected(0, Duration::from_secs(33)) < 0.03, "without requests it falls, too");
        latency.end(Measured::Failure(Duration::ZERO), 0, Duration::from_secs(33));
        assert_eq!(latency.expected(0, Duration::from_secs(33)), 1.0, "a failure is not fast");
    }

    #[test]
    fn a_host_that_owes_responses_is_as_slow_as_it_is_silent() {
        let mut latency = PeakLatency::default();
        measured(&mut latency, 10, 1);
        latency.begin(0, Duration::from_secs(2));
        latency.begin(1, Duration::from_secs(4));
        assert_eq!(latency.expected(2, Duration::from_secs(5)), 3.0);
        latency.end(Measured::AtLeast(Duration::ZERO), 1, Duration::from_secs(6));
        assert_eq!(latency.expected(1, Duration::from_secs(6)), 4.0, "given up, not answered");
        latency.end(Measured::AtLeast(Duration::ZERO), 0, Duration::from_secs(6));
        assert!(latency.expected(0, Duration::from_secs(6)) < 0.01);
        latency.end(Measured::AtLeast(Duration::from_secs(2)), 0, Duration::from_secs(6));
        assert_eq!(latency.expected(0, Duration::from_secs(6)), 2.0, "it was waited for longer than expected");
    }
}
