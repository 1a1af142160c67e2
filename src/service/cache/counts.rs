//! Counts what calls find in a cache.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a call has found in the cache of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// A fresh answer.
    Hit = 0,
    /// An answer after its time.
    Stale = 1,
    /// Nothing: the call was made.
    Miss = 2,
    /// An equal call that was running.
    Collapsed = 3,
    /// Earlier results that were not to be kept: the call was made.
    Passed = 4,
    /// A response after its time, of which the upstream has said that it is still the current one.
    Revalidated = 5,
}

impl Lookup {
    pub(crate) const ALL: [Lookup; 6] =
        [Lookup::Hit, Lookup::Stale, Lookup::Miss, Lookup::Collapsed, Lookup::Passed, Lookup::Revalidated];

    /// The word for it in the access log and in metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Lookup::Hit => "hit",
            Lookup::Stale => "stale",
            Lookup::Miss => "miss",
            Lookup::Collapsed => "collapsed",
            Lookup::Passed => "passed",
            Lookup::Revalidated => "revalidated",
        }
    }
}

/// How many calls have found what.
#[derive(Debug, Default)]
pub(super) struct LookupCounts([AtomicU64; Lookup::ALL.len()]);

impl LookupCounts {
    pub(super) fn count(&self, lookup: Lookup) {
        if let Some(count) = self.0.get(lookup as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (Lookup, u64)> {
        Lookup::ALL.into_iter().zip(&self.0).map(|(lookup, count)| (lookup, count.load(Relaxed)))
    }
}
