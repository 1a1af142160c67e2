//! Where the counts of quotas are kept when the process ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::period::QuotaPeriod;
use crate::model::fault::BoxError;
use crate::service::lock::lock;

/// A caller, as the start of the SHA-256 of what it is known by: its address, its name, or the value of a header, and the
/// method if methods count apart. It is the same in every process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallerId(pub u128);

/// How many calls a caller has made in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredCount {
    /// The caller.
    pub caller: CallerId,
    /// The day or month.
    pub period: QuotaPeriod,
    /// The calls that were made in it.
    pub calls: u64,
}

/// How the count of a caller has changed since it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountChange {
    /// The caller.
    pub caller: CallerId,
    /// The day or month.
    pub period: QuotaPeriod,
    /// The calls that have been made since then.
    pub added: u64,
    /// All calls that this gateway knows of.
    pub total: u64,
}

/// What has changed in the counts of one quota since they were stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaChanges {
    /// Which quota it is: a text with the path of its group, and what its callers are.
    pub scope: Arc<str>,
    /// Callers whose counts are removed, before the others change.
    pub forgotten: Vec<CallerId>,
    /// Counts that have changed.
    pub counts: Vec<CountChange>,
}

/// Keeps the counts of quotas when the process ends.
///
/// Calls are counted in memory. A [`QuotaKeeper`](crate::server::quotas::QuotaKeeper) asks for what is stored when it
/// starts, and stores what has changed about once a second, from a thread that may block. So a store may do input and
/// output, and no call waits for it.
///
/// Several gateways may share a store. Each adds its own calls ([`CountChange::added`]) and learns the sum
/// ([`CountChange::total`]), so that each knows the calls of the others about a second later.
pub trait QuotaStore: Send + Sync + 'static {
    /// Passes all counts of a scope to `each`, in any order.
    ///
    /// # Errors
    /// If they cannot be read.
    fn load(&self, scope: &str, each: &mut dyn FnMut(StoredCount)) -> Result<(), BoxError>;

    /// Stores changes, either all or none of them.
    ///
    /// If the store has a count of the same caller and period, `added` is added to it; otherwise the count is `total`. Where
    /// the result is not `total`, because others share the store, the store sets `total` to the result.
    ///
    /// # Errors
    /// If nothing has been stored. The same changes, and further ones, are then stored with the next call.
    fn save(&self, changes: &mut [QuotaChanges]) -> Result<(), BoxError>;

    /// Removes the counts of all periods that are over.
    ///
    /// # Errors
    /// If they cannot be removed now. They are not loaded any more in any case.
    fn remove(&self, is_over: &dyn Fn(QuotaPeriod) -> bool) -> Result<(), BoxError>;
}

/// A store in memory, for several gateways of one process.
#[derive(Debug, Default)]
pub struct MemoryQuotaStore(Mutex<StoredCounts>);

/// The calls in the last period of each scope and caller.
type StoredCounts = HashMap<(Arc<str>, CallerId), (QuotaPeriod, u64)>;

impl MemoryQuotaStore {
    /// An empty store.
    pub fn new() -> MemoryQuotaStore {
        MemoryQuotaStore::default()
    }
}

impl QuotaStore for MemoryQuotaStore {
    fn load(&self, scope: &str, each: &mut dyn FnMut(StoredCount)) -> Result<(), BoxError> {
        let found: Vec<_> = lock(&self.0)
            .iter()
            .filter(|((stored, _), _)| **stored == *scope)
            .map(|((_, caller), (period, calls))| StoredCount { caller: *caller, period: *period, calls: *calls })
            .collect();
        found.into_iter().for_each(each);
        Ok(())
    }

    fn save(&self, changes: &mut [QuotaChanges]) -> Result<(), BoxError> {
        let mut stored = lock(&self.0);
        for QuotaChanges { scope, forgotten, counts } in changes {
            for caller in forgotten {
                stored.remove(&(scope.clone(), *caller));
            }
            for change in counts {
                let known = stored.get(&(scope.clone(), change.caller)).copied();
                change.add_to(known);
                stored.insert((scope.clone(), change.caller), (change.period, change.total));
            }
        }
        Ok(())
    }

    fn remove(&self, is_over: &dyn Fn(QuotaPeriod) -> bool) -> Result<(), BoxError> {
        lock(&self.0).retain(|_, (period, _)| !is_over(*period));
        Ok(())
    }
}

impl CountChange {
    /// Sets `total` to the sum of what is stored and what is added, if both are of the same period.
    pub(crate) fn add_to(&mut self, stored: Option<(QuotaPeriod, u64)>) {
        if let Some((period, calls)) = stored
            && period == self.period
        {
            self.total = calls.saturating_add(self.added);
        }
    }
}
