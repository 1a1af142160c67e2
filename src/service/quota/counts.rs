//! The calls of each caller in a period, within bounds.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::period::{PeriodUnit, QuotaPeriod};
use super::store::{CallerId, CountChange, QuotaChanges, StoredCount};
use crate::service::lock::lock;
use crate::service::log_throttle::LogThrottle;

/// How many maps share the callers, so that the workers seldom wait for each other.
const SHARDS: usize = 64;

/// Which part of the callers of a full map is forgotten at once. Those with the smallest counts are found by a look at all of
/// them, and so one new caller of many pays for it.
const FORGOTTEN_PART: usize = 8;

/// How often it is said that callers are forgotten.
const INTERVAL: Duration = Duration::from_secs(60);

/// The calls of each caller of one quota.
///
/// Counting takes one lock of 64, and no input or output. What has changed is noted, for the one who stores it.
#[derive(Debug)]
pub(crate) struct QuotaCounts {
    /// Which quota it is: counts of the same scope may be put together.
    scope: Arc<str>,
    unit: PeriodUnit,
    shards: Box<[Mutex<Shard>]>,
    /// How many callers each map has at most.
    maximum: AtomicUsize,
    /// Chooses the map of a caller. Clients could choose ids that have the same remainder, but not the same hash.
    hasher: RandomState,
    forgotten: AtomicU64,
    log: LogThrottle,
}

#[derive(Debug, Default)]
struct Shard {
    callers: HashMap<CallerId, CallerCount>,
    /// The callers whose counts have changed since they were stored. All of them are in `callers`, which bounds it.
    changed: HashSet<CallerId>,
    /// Callers that are stored, and have been forgotten since. A caller gets here once after it has been stored, which bounds
    /// it as long as nothing can be stored.
    removed: Vec<CallerId>,
}

/// The calls of one caller.
#[derive(Debug, Clone, Copy)]
struct CallerCount {
    /// The number of the period.
    period: u32,
    calls: u64,
    /// How many of them are stored.
    stored: u64,
}

/// What is left of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuotaState {
    pub(crate) remaining: u64,
    /// The period to which the calls count.
    pub(crate) period: QuotaPeriod,
    pub(crate) is_refused: bool,
}

impl CallerCount {
    /// The count at a time in this period.
    ///
    /// The clock may go backwards. A count of the next period goes on then, so that a clock that passes midnight twice gives
    /// one quota. A count of a period further ahead comes from a clock that was wrong; it goes on in the period of the clock,
    /// so that it does not have to wait for that time.
    fn at(self, now: u32) -> CallerCount {
        match self.period.checked_sub(now) {
            None => CallerCount { period: now, calls: 0, stored: 0 },
            Some(0 | 1) => self,
            Some(_) => CallerCount { period: now, ..self },
        }
    }
}

impl QuotaCounts {
    pub(super) fn new(scope: String, unit: PeriodUnit, callers: usize) -> QuotaCounts {
        let counts = QuotaCounts {
            scope: scope.into(),
            unit,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            maximum: AtomicUsize::new(0),
            hasher: RandomState::new(),
            forgotten: AtomicU64::new(0),
            log: LogThrottle::with_interval(INTERVAL),
        };
        counts.remember(callers);
        counts
    }

    /// Sets how many callers are remembered.
    pub(super) fn remember(&self, callers: usize) {
        self.maximum.store(callers.div_ceil(SHARDS).max(1), Relaxed);
    }

    /// Which quota it is.
    pub(crate) fn scope(&self) -> &Arc<str> {
        &self.scope
    }

    /// How many callers have been forgotten although they had made calls in the period.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten.load(Relaxed)
    }

    fn shard(&self, caller: CallerId) -> Option<MutexGuard<'_, Shard>> {
        let hash = self.hasher.hash_one(caller);
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or_default();
        self.shards.get(index).map(lock)
    }

    /// Counts a call as `weight` calls, if no more than `limit` have been made. A call that is refused changes nothing.
    pub(super) fn count(&self, caller: CallerId, now: QuotaPeriod, weight: u64, limit: u64) -> QuotaState {
        let state = |count: CallerCount, is_refused| QuotaState {
            remaining: limit.saturating_sub(count.calls),
            period: QuotaPeriod { number: count.period, ..now },
            is_refused,
        };
        let new = CallerCount { period: now.number, calls: 0, stored: 0 };
        // There is a map for each hash.
        let Some(mut shard) = self.shard(caller) else { return state(new, false) };
        let mut count = shard.callers.get(&caller).map_or(new, |known| known.at(now.number));
        if limit.saturating_sub(count.calls) < weight {
            return state(count, true);
        }
        count.calls += weight;
        let forgotten = shard.insert(caller, count, (now.number, self.maximum.load(Relaxed)));
        shard.changed.insert(caller);
        drop(shard);
        self.note_forgotten(forgotten);
        state(count, false)
    }

    /// Adds what is stored of a caller, unless its period is over.
    pub(crate) fn add_stored(&self, stored: StoredCount, now: QuotaPeriod) {
        let StoredCount { caller, period, calls } = stored;
        if period.unit != self.unit || now.unit != self.unit || period.number < now.number {
            return;
        }
        let Some(mut shard) = self.shard(caller) else { return };
        let loaded = CallerCount { period: period.number, calls, stored: calls }.at(now.number);
        let count = match shard.callers.get(&caller).map(|known| known.at(now.number)) {
            Some(known) if known.period == loaded.period => {
                CallerCount { calls: known.calls.saturating_add(calls), ..loaded }
            }
            Some(known) if known.period > loaded.period => return,
            _ => loaded,
        };
        let forgotten = shard.insert(caller, count, (now.number, self.maximum.load(Relaxed)));
        drop(shard);
        self.note_forgotten(forgotten);
    }

    /// What has changed since the last time; `None` if nothing has.
    pub(crate) fn take_changes(&self) -> Option<QuotaChanges> {
        let (mut forgotten, mut counts) = (Vec::new(), Vec::new());
        for shard in &self.shards {
            let mut shard = lock(shard);
            forgotten.append(&mut shard.removed);
            let Shard { callers, changed, .. } = &mut *shard;
            counts.extend(changed.drain().filter_map(|caller| {
                let CallerCount { period, calls, stored } = *callers.get(&caller)?;
                let period = QuotaPeriod { unit: self.unit, number: period };
                Some(CountChange { caller, period, added: calls.saturating_sub(stored), total: calls })
            }));
        }
        let is_empty = forgotten.is_empty() && counts.is_empty();
        (!is_empty).then(|| QuotaChanges { scope: self.scope.clone(), forgotten, counts })
    }

    /// Notes that changes are stored; `stored` is what the store has made of them.
    pub(crate) fn note_stored(&self, sent: &QuotaChanges, stored: &QuotaChanges) {
        for (sent, stored) in sent.counts.iter().zip(&stored.counts) {
            let Some(mut shard) = self.shard(sent.caller) else { continue };
            match shard.callers.get_mut(&sent.caller) {
                Some(count) if count.period == sent.period.number => {
                    // More, if others have made calls too.
                    count.calls = count.calls.saturating_add(stored.total.saturating_sub(sent.total));
                    count.stored = stored.total;
                }
                // The next period has begun, and its count takes the place of the old one.
                Some(_) => {}
                None => shard.removed.push(sent.caller),
            }
        }
    }

    /// Takes changes back that could not be stored.
    pub(crate) fn return_changes(&self, changes: QuotaChanges) {
        for caller in changes.forgotten {
            if let Some(mut shard) = self.shard(caller) {
                shard.removed.push(caller);
            }
        }
        for CountChange { caller, .. } in changes.counts {
            let Some(mut shard) = self.shard(caller) else { continue };
            if shard.callers.contains_key(&caller) {
                shard.changed.insert(caller);
            }
        }
    }

    /// Forgets the counts of periods that are over.
    pub(crate) fn remove_old(&self, now: QuotaPeriod) {
        if now.unit == self.unit {
            self.shards.iter().for_each(|shard| lock(shard).remove_old(now.number));
        }
    }

    pub(crate) fn unit(&self) -> PeriodUnit {
        self.unit
    }

    fn note_forgotten(&self, count: usize) {
        if count == 0 {
            return;
        }
        self.forgotten.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Relaxed);
        let quota = self.scope.clone();
        self.log.log(move |_| {
            tracing::warn!(
                quota = &*quota,
                "there are more callers than `limits.quota.callers`: those with the fewest calls are forgotten, and get a \
                 full quota again"
            );
        });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).callers.len()).sum()
    }
}

impl Shard {
    /// Sets the count of a caller. If there is no room for another one, others are forgotten; returns how many of them had
    /// made calls in this period.
    fn insert(&mut self, caller: CallerId, count: CallerCount, (now, maximum): (u32, usize)) -> usize {
        let is_full = self.callers.len() >= maximum && !self.callers.contains_key(&caller);
        let forgotten = if is_full { self.make_room(now, maximum) } else { 0 };
        self.callers.insert(caller, count);
        forgotten
    }

    fn make_room(&mut self, now: u32, maximum: usize) -> usize {
        self.remove_old(now);
        let Some(too_many) = self.callers.len().checked_sub(maximum) else { return 0 };
        let count = too_many.saturating_add(1).max(maximum / FORGOTTEN_PART).min(self.callers.len());
        let mut by_calls: Vec<_> =
            self.callers.iter().map(|(caller, count)| (count.period, count.calls, *caller)).collect();
        if let Some(last) = count.checked_sub(1).filter(|last| *last < by_calls.len()) {
            by_calls.select_nth_unstable(last);
        }
        for (_, _, caller) in by_calls.into_iter().take(count) {
            self.forget(caller);
        }
        count
    }

    fn forget(&mut self, caller: CallerId) {
        self.changed.remove(&caller);
        if self.callers.remove(&caller).is_some_and(|count| count.stored > 0) {
            self.removed.push(caller);
        }
    }

    fn remove_old(&mut self, now: u32) {
        // The stored ones are removed by their period.
        self.callers.retain(|_, count| count.period >= now);
        let Shard { callers, changed, .. } = self;
        changed.retain(|caller| callers.contains_key(caller));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: QuotaPeriod = QuotaPeriod { unit: PeriodUnit::Day, number: 20_000 };

    fn counts(callers: usize) -> QuotaCounts {
        QuotaCounts::new("/x day client".to_owned(), PeriodUnit::Day, callers)
    }

    fn remaining(counts: &QuotaCounts, caller: u128, day: QuotaPeriod) -> Option<u64> {
        let state = counts.count(CallerId(caller), day, 1, 10);
        (!state.is_refused).then_some(state.remaining)
    }

    fn day(number: u32) -> QuotaPeriod {
        QuotaPeriod { number, ..DAY }
    }

    fn stored(caller: u128, period: QuotaPeriod, calls: u64) -> StoredCount {
        StoredCount { caller: CallerId(caller), period, calls }
    }

    #[test]
    fn exactly_the_quota_passes_each_day() {
        let counts = counts(1000);
        for number in [20_000, 20_001, 20_007] {
            let passed = (0..50).filter_map(|_| remaining(&counts, 1, day(number))).collect::<Vec<_>>();
            assert_eq!(passed, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
        }
        let state = counts.count(CallerId(2), DAY, 11, 10);
        assert_eq!(state, QuotaState { remaining: 10, period: DAY, is_refused: true });
        assert_eq!(remaining(&counts, 2, DAY), Some(9), "a refused call takes nothing");
    }

    #[test]
    fn a_clock_that_goes_backwards_gives_no_second_quota_and_takes_none_for_long() {
        let counts = counts(1000);
        for _ in 0..10 {
            remaining(&counts, 1, day(100));
        }
        // Before midnight once more, then after it.
        for number in [99, 100] {
            assert_eq!(counts.count(CallerId(1), day(number), 1, 10).period, day(100));
            assert_eq!(remaining(&counts, 1, day(number)), None);
        }
        // It was years ahead.
        assert_eq!(remaining(&counts, 1, day(50)), None);
        assert_eq!(counts.count(CallerId(1), day(50), 1, 20).period, day(50));
        assert_eq!(remaining(&counts, 1, day(51)), Some(9));
    }

    #[test]
    fn callers_do_not_outgrow_the_bound_and_the_busiest_are_kept() {
        let counts = counts(64 * 16);
        for caller in 0..100 {
            for _ in 0..10 {
                remaining(&counts, caller, DAY);
            }
        }
        for caller in 1000..100_000 {
            remaining(&counts, caller, DAY);
        }
        assert!(counts.len() <= 64 * 16, "{}", counts.len());
        assert!(counts.forgotten() > 90_000, "{}", counts.forgotten());
        // A map has 16 callers, and seldom more than 8 of the hundred.
        let kept = (0..100).filter(|caller| remaining(&counts, *caller, DAY).is_none()).count();
        assert_eq!(kept, 100);
        // Those of yesterday go first, and nothing is lost with them.
        let before = counts.forgotten();
        for caller in 0..100 {
            assert_eq!(remaining(&counts, caller, day(DAY.number + 1)), Some(9));
        }
        counts.remove_old(day(DAY.number + 1));
        assert_eq!((counts.len(), counts.forgotten()), (100, before));
    }

    #[test]
    fn what_has_changed_is_told_once_and_again_if_it_was_not_stored() {
        let counts = counts(1000);
        assert_eq!(counts.take_changes(), None);
        for _ in 0..3 {
            remaining(&counts, 1, DAY);
        }
        let first = counts.take_changes().unwrap();
        let change = CountChange { caller: CallerId(1), period: DAY, added: 3, total: 3 };
        assert_eq!(first.counts, [change]);
        assert_eq!(counts.take_changes(), None);
        counts.return_changes(first.clone());
        remaining(&counts, 1, DAY);
        let second = counts.take_changes().unwrap();
        assert_eq!(second.counts, [CountChange { added: 4, total: 4, ..change }]);
        // Another gateway has made five calls.
        let stored = CountChange { total: 9, ..change };
        counts.note_stored(&second, &QuotaChanges { counts: vec![stored], ..second.clone() });
        assert_eq!((remaining(&counts, 1, DAY), remaining(&counts, 1, DAY)), (Some(0), None));
        assert_eq!(counts.take_changes().unwrap().counts, [CountChange { added: 1, total: 10, ..change }]);
    }

    #[test]
    fn a_caller_that_is_forgotten_is_removed_from_the_store_too() {
        let counts = counts(1);
        for caller in 0..1000 {
            remaining(&counts, caller, DAY);
        }
        let changes = counts.take_changes().unwrap();
        assert!(changes.forgotten.is_empty() && changes.counts.len() <= SHARDS, "{}", changes.counts.len());
        counts.note_stored(&changes, &changes);
        for caller in 1000..9000 {
            remaining(&counts, caller, DAY);
        }
        let mut forgotten = counts.take_changes().unwrap().forgotten;
        let mut expected: Vec<_> = changes.counts.iter().map(|change| change.caller).collect();
        forgotten.sort();
        expected.sort();
        assert_eq!(forgotten, expected);
    }

    #[test]
    fn what_is_stored_is_added_unless_its_day_is_over() {
        let counts = counts(1000);
        remaining(&counts, 1, DAY);
        counts.add_stored(stored(1, DAY, 7), DAY);
        counts.add_stored(stored(2, DAY, 8), DAY);
        counts.add_stored(stored(3, day(DAY.number - 1), 8), DAY);
        counts.add_stored(stored(4, day(DAY.number + 1000), 8), DAY);
        counts.add_stored(
            StoredCount { period: QuotaPeriod { unit: PeriodUnit::Month, ..DAY }, ..stored(5, DAY, 8) },
            DAY,
        );
        let left: Vec<_> = (1..=5).map(|caller| remaining(&counts, caller, DAY)).collect();
        assert_eq!(left, [Some(1), Some(1), Some(9), Some(1), Some(9)]);
        let mut added: Vec<_> = counts.take_changes().unwrap().counts.iter().map(|c| (c.caller.0, c.added)).collect();
        added.sort_unstable();
        assert_eq!(added, [(1, 2), (2, 1), (3, 1), (4, 1), (5, 1)]);
    }
}
