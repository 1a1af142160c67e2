//! A quantile of the latencies of the last minute, for the delay of hedged requests.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The buckets: four for each doubling, from 64 µs to more than an hour.
const BUCKETS: usize = 104;
/// Twice the binary logarithm of the number of buckets for a doubling: the bits below the highest one that are looked at.
const FINE_BITS: u32 = 2;
/// The upper bound of the first buckets, in microseconds, as a power of two.
const SMALLEST: u32 = 6;
/// How long latencies are counted in one half before the other half is emptied and filled, in seconds.
const HALF: u64 = 30;
/// How many latencies are needed before a quantile is known.
const ENOUGH: u32 = 20;

/// Counts latencies in two halves, which take turns: so they are those of the last 30 to 60 s.
#[derive(Debug)]
pub(crate) struct LatencyQuantile {
    halves: [Half; 2],
}

#[derive(Debug)]
struct Half {
    /// Which turn it counts.
    turn: AtomicU64,
    buckets: [AtomicU32; BUCKETS],
}

impl Default for LatencyQuantile {
    fn default() -> LatencyQuantile {
        let half = || Half { turn: AtomicU64::new(u64::MAX), buckets: std::array::from_fn(|_| AtomicU32::new(0)) };
        LatencyQuantile { halves: [half(), half()] }
    }
}

impl LatencyQuantile {
    pub(crate) fn record(&self, latency: Duration, now: Duration) {
        let turn = now.as_secs() / HALF;
        let [even, odd] = &self.halves;
        let half = if turn.is_multiple_of(2) { even } else { odd };
        let known = half.turn.load(Relaxed);
        if known != turn && half.turn.compare_exchange(known, turn, Relaxed, Relaxed).is_ok() {
            half.buckets.iter().for_each(|bucket| bucket.store(0, Relaxed));
        }
        if let Some(bucket) = half.buckets.get(bucket_of(latency)) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    /// The latency that a part of the requests do not exceed; at most a quarter more than that. `None` if too few are known.
    pub(crate) fn quantile(&self, part: f64, now: Duration) -> Option<Duration> {
        let turn = now.as_secs() / HALF;
        let is_recent = |half: &&Half| {
            let counted = half.turn.load(Relaxed);
            counted == turn || counted.checked_add(1) == Some(turn)
        };
        let mut counts = [0_u32; BUCKETS];
        for half in self.halves.iter().filter(is_recent) {
            for (count, bucket) in counts.iter_mut().zip(&half.buckets) {
                *count = count.saturating_add(bucket.load(Relaxed));
            }
        }
        let all = counts.iter().fold(0_u32, |sum, count| sum.saturating_add(*count));
        if all < ENOUGH {
            return None;
        }
        let needed = f64::from(all) * part.clamp(0.0, 1.0);
        let mut below = 0_u32;
        let found = counts.iter().position(|count| {
            below = below.saturating_add(*count);
            f64::from(below) >= needed
        });
        Some(upper_bound(found.unwrap_or(BUCKETS - 1)))
    }
}

fn bucket_of(latency: Duration) -> usize {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1 << SMALLEST);
    let exponent = micros.ilog2();
    let fine = (micros >> (exponent - FINE_BITS)) & ((1 << FINE_BITS) - 1);
    let index = u64::from((exponent - SMALLEST) << FINE_BITS) + fine;
    usize::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

fn upper_bound(bucket: usize) -> Duration {
    let bucket = u32::try_from(bucket).unwrap_or_default();
    let (exponent, fine) = (SMALLEST + (bucket >> FINE_BITS), u64::from(bucket & ((1 << FINE_BITS) - 1)));
    let step = 1_u64 << (exponent - FINE_BITS);
    Duration::from_micros((1 << exponent) + (fine + 1) * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_at_most_a_quarter_too_large() {
        let latencies = LatencyQuantile::default();
        assert_eq!(latencies.quantile(0.5, Duration::ZERO), None);
        for millis in 1..=1000 {
            latencies.record(Duration::from_millis(millis), Duration::from_secs(7));
        }
        for (part, exact) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = latencies.quantile(part, Duration::from_secs(7)).unwrap().as_secs_f64() * 1000.0;
            assert!((exact..=exact * 1.25).contains(&found), "{part}: {found}");
        }
        assert!(latencies.quantile(0.5, Duration::from_secs(59)).is_some());
        assert_eq!(latencies.quantile(0.5, Duration::from_secs(60)), None, "it is too long ago");
    }

    #[test]
    fn every_latency_is_in_a_bucket_that_reaches_it() {
        for micros in (0..5000).chain([1 << 20, 1 << 31, (1 << 31) + 5]) {
            let latency = Duration::from_micros(micros);
            assert!(upper_bound(bucket_of(latency)) > latency, "{micros}");
        }
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
    }
}
