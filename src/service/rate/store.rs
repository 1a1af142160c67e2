//! What is remembered of each caller, within bounds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;

use crate::service::already_hashed::BuildAlreadyHashed;

/// How many maps share the callers, so that the workers seldom wait for each other.
const SHARDS: u64 = 64;

/// Among how many callers the one that is forgotten is chosen.
const CANDIDATES: usize = 8;

/// The next time of arrival of each caller.
type Callers = HashMap<u64, Nanos, BuildAlreadyHashed>;

/// The next time of arrival of each caller, by the hash of the caller.
///
/// If there is no room for another caller, one of a few is forgotten: the one whose burst comes back first. A caller that is
/// being limited comes back late, so it is not forgotten before those that have called once.
pub(super) struct BoundedStore {
    shards: Box<[Mutex<Callers>]>,
    /// How many callers each map has at most.
    maximum: usize,
}

impl BoundedStore {
    pub(super) fn new(callers: usize) -> BoundedStore {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        let maximum = callers.div_ceil(usize::try_from(SHARDS).unwrap_or(usize::MAX)).max(1);
        BoundedStore { shards, maximum }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }
}

impl StateStore for BoundedStore {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // A map takes the lowest and the highest bits, which have to differ within it.
        let shard = usize::try_from((key >> 32) % SHARDS).ok().and_then(|index| self.shards.get(index));
        // There is a map for each remainder.
        let Some(shard) = shard else { return measure(None).map(|(outcome, _)| outcome) };
        let mut callers = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let known = callers.get_mut(key);
        let (outcome, next) = measure(known.as_deref().copied())?;
        match known {
            Some(known) => *known = next,
            None => {
                if callers.len() >= self.maximum {
                    let candidates = callers.iter().take(CANDIDATES);
                    if let Some(forgotten) = candidates.min_by_key(|(_, next)| **next).map(|(key, _)| *key) {
                        callers.remove(&forgotten);
                    }
                }
                callers.insert(*key, next);
            }
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrive(store: &BoundedStore, key: u64, next: u64) -> Option<Nanos> {
        store.measure_and_replace::<_, _, ()>(&key, |known| Ok((known, Nanos::from(next)))).unwrap()
    }

    #[test]
    fn a_million_callers_do_not_outgrow_the_bound() {
        let store = BoundedStore::new(10_000);
        for key in 0..1_000_000_u64 {
            arrive(&store, key.wrapping_mul(0x9e37_79b9_7f4a_7c15), key);
        }
        assert!(store.len() <= 10_000 + 64, "{}", store.len());
    }

    #[test]
    fn a_caller_that_is_limited_is_not_forgotten_for_those_that_call_once() {
        let store = BoundedStore::new(64 * 16);
        arrive(&store, 7, u64::MAX);
        // All of them are in the same map.
        for other in 1..10_000 {
            arrive(&store, 7 + 64 * other, other);
        }
        assert_eq!(arrive(&store, 7, u64::MAX), Some(Nanos::from(u64::MAX)));
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let store = BoundedStore::new(100);
        assert_eq!(arrive(&store, 1, 5), None);
        assert_eq!(store.measure_and_replace::<(), _, _>(&1, |_| Err("refused")), Err("refused"));
        assert_eq!(arrive(&store, 1, 6), Some(Nanos::from(5)));
    }
}
