//! The random source of decisions: fast, shared by all threads, and the same for the same seed.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The step of SplitMix64: the golden ratio of 2^64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Random numbers for decisions that are no secret (SplitMix64). Threads share it without a lock.
#[derive(Debug)]
pub(crate) struct Random(AtomicU64);

impl Random {
    /// A source with a seed of the process.
    pub(crate) fn new() -> Random {
        Random::seeded(RandomState::new().hash_one(STEP))
    }

    pub(crate) fn seeded(seed: u64) -> Random {
        Random(AtomicU64::new(seed))
    }

    pub(crate) fn next(&self) -> u64 {
        mix(self.0.fetch_add(STEP, Relaxed).wrapping_add(STEP))
    }

    /// A number below `bound`, or 0 if that is 0.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// A number from 0 up to but not including 1.
    pub(crate) fn fraction(&self) -> f64 {
        fraction(self.next())
    }
}

/// The key of some bytes: the same in every process, so that several gateways decide the same (FNV-1a, mixed).
pub(crate) fn key_of(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Distributes the bits of a number over all bits.
pub(crate) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The upper 53 bits as a number from 0 up to but not including 1.
#[allow(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
pub(crate) fn fraction(number: u64) -> f64 {
    (number >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_within_their_bounds_and_spread() {
        let random = Random::seeded(7);
        assert_eq!(random.below(0), 0);
        let mut counts = [0_u32; 10];
        for _ in 0..10_000 {
            let fraction = random.fraction();
            assert!((0.0..1.0).contains(&fraction));
            counts[usize::try_from(random.below(10)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_ne!(Random::new().next(), Random::new().next());
    }
}
