//! Which of many calls are taken, by chance or by who calls.

use std::fmt;

use crate::service::Context;
use crate::service::caller_key::CallerKey;
use crate::service::random::{Random, fraction, key_of};

/// A share of all calls, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share(f64);

impl Share {
    /// A share of 0 to 100 percent.
    pub(crate) fn percent(percent: f64) -> Share {
        Share(percent.clamp(0.0, 100.0) / 100.0)
    }

    /// Whether a number is among those that the share takes. A larger share takes those of a smaller one, too.
    pub(crate) fn takes(self, number: u64) -> bool {
        fraction(number) < self.0
    }
}

/// Where random numbers come from.
pub(crate) struct RandomSource(Box<dyn Fn() -> u64 + Send + Sync>);

impl RandomSource {
    /// A source that returns these numbers.
    pub(crate) fn new(draw: impl Fn() -> u64 + Send + Sync + 'static) -> RandomSource {
        RandomSource(Box::new(draw))
    }

    pub(crate) fn draw(&self) -> u64 {
        (self.0)()
    }
}

impl Default for RandomSource {
    fn default() -> RandomSource {
        let random = Random::new();
        RandomSource::new(move || random.next())
    }
}

impl fmt::Debug for RandomSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RandomSource").finish_non_exhaustive()
    }
}

/// The number of a caller, which is the same for all of its calls, in each server and after a restart. Different groups give
/// the same caller different numbers.
pub(crate) fn number_of_caller(group: &str, key: &CallerKey, context: &Context) -> u64 {
    let mut bytes = group.as_bytes().to_vec();
    // No path has a zero byte, so it marks the end of the path.
    bytes.push(0);
    key.caller(context).write_to(&mut bytes);
    key_of(&bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::service::Identity;

    #[test]
    fn a_share_takes_about_as_many_as_it_says_and_all_or_nothing_at_its_ends() {
        for seed in 0..20 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let numbers: Vec<u64> = (0..100_000).map(|_| random.random()).collect();
            let taken = |percent| numbers.iter().filter(|number| Share::percent(percent).takes(**number)).count();
            assert_eq!((taken(0.0), taken(-3.0), taken(100.0), taken(300.0)), (0, 0, 100_000, 100_000));
            assert!((4_500..5_500).contains(&taken(5.0)) && (450..550 + 50).contains(&taken(0.5)), "{seed}");
            let grows =
                numbers.iter().all(|number| !Share::percent(5.0).takes(*number) || Share::percent(6.0).takes(*number));
            assert!(grows);
        }
        assert!(Share::percent(100.0).takes(u64::MAX) && !Share::percent(99.9).takes(u64::MAX));
    }

    #[test]
    fn a_caller_has_one_number_and_callers_have_different_ones() {
        let share = Share::percent(30.0);
        let taken = |group: &'static str| {
            move |number: usize| {
                let identity = Some(Arc::new(Identity::new(format!("caller {number}"))));
                let context = Context { identity, ..Context::default() };
                let drawn = share.takes(number_of_caller(group, &CallerKey::Identity, &context));
                assert_eq!(drawn, share.takes(number_of_caller(group, &CallerKey::Identity, &context)));
                drawn
            }
        };
        let ann = Context { identity: Some(Arc::new(Identity::new("ann"))), ..Context::default() };
        // All releases must give a caller the same number: servers of two releases may share the callers.
        assert_eq!(number_of_caller("/a", &CallerKey::Identity, &ann), 0xf9c4_7586_55be_85d4);
        let of_a: Vec<bool> = (0..2000).map(taken("/a")).collect();
        let of_b: Vec<bool> = (0..2000).map(taken("/b")).collect();
        let count = |all: &[bool]| all.iter().filter(|taken| **taken).count();
        assert!((500..700).contains(&count(&of_a)) && (500..700).contains(&count(&of_b)));
        assert_ne!(of_a, of_b);
    }
}
