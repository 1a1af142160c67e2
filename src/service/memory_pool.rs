//! Memory that several bodies or results share, taken as their bytes come.
//!
//! One that needs more than is free waits. Those that each hold a part and wait for more could wait for each other for
//! ever; so one of those that hold a part may exceed the pool until it is done. It finishes and gives everything back,
//! and then the next may.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::service::resize::resize;

/// The memory is counted in units of this many bytes.
pub(crate) const UNIT: usize = 1024;

/// A number of bytes that are shared. Clones share the same ones.
#[derive(Debug, Clone)]
pub(crate) struct MemoryPool {
    units: Arc<Semaphore>,
    /// How many units there are.
    total: Arc<AtomicUsize>,
    /// The permit to exceed the pool.
    overdraft: Arc<Semaphore>,
}

/// The part of a pool that one body or result has, given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct PooledMemory {
    units: Option<OwnedSemaphorePermit>,
    overdraft: Option<OwnedSemaphorePermit>,
}

impl MemoryPool {
    /// A pool of this many bytes, rounded up to whole units.
    pub(crate) fn new(bytes: usize) -> MemoryPool {
        let units = units(bytes);
        let (total, overdraft) = (Arc::new(AtomicUsize::new(units)), Arc::new(Semaphore::new(1)));
        MemoryPool { units: Arc::new(Semaphore::new(units)), total, overdraft }
    }

    /// Changes the pool to this many bytes. What is in use beyond them is given back first. Has to be called inside a tokio
    /// runtime.
    pub(crate) fn resize(&self, bytes: usize) {
        let units = units(bytes);
        resize(&self.units, self.total.swap(units, Relaxed), units);
    }

    /// How many bytes there are.
    pub(crate) fn bytes(&self) -> usize {
        self.total.load(Relaxed).saturating_mul(UNIT)
    }

    /// How many bytes are in use.
    pub(crate) fn used_bytes(&self) -> usize {
        self.total.load(Relaxed).saturating_sub(self.units.available_permits()).saturating_mul(UNIT)
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS)
}

impl PooledMemory {
    /// Gives back what exceeds this many bytes, and the permit to exceed the pool if it is not needed for these.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        if self.missing(bytes) == 0 {
            self.overdraft = None;
        }
        if bytes == 0 {
            self.units = None;
        }
        if let Some(units) = &mut self.units {
            let surplus = units.num_permits().saturating_sub(bytes.div_ceil(UNIT));
            drop(units.split(surplus));
        }
    }

    /// Extends the part to this many bytes, and waits until there are as many.
    pub(crate) async fn extend_to(&mut self, pool: &MemoryPool, bytes: usize) {
        if self.try_extend_to(pool, bytes) {
            return;
        }
        let more = pool.units.clone().acquire_many_owned(self.missing(bytes));
        // The semaphores are never closed, so acquiring does not fail.
        if self.units.is_none() {
            if let Ok(more) = more.await {
                self.add(more);
            }
            return;
        }
        tokio::select! {
            Ok(more) = more => self.add(more),
            Ok(overdraft) = pool.overdraft.clone().acquire_owned() => self.overdraft = Some(overdraft),
        }
    }

    /// Extends the part to this many bytes if there are as many and no other part waits for them.
    pub(crate) fn try_extend_to(&mut self, pool: &MemoryPool, bytes: usize) -> bool {
        let missing = self.missing(bytes);
        if missing == 0 || self.overdraft.is_some() {
            return true;
        }
        let more = pool.units.clone().try_acquire_many_owned(missing);
        more.map(|more| self.add(more)).is_ok()
    }

    /// How many units the part lacks to this many bytes.
    fn missing(&self, bytes: usize) -> u32 {
        let held = self.units.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        u32::try_from(bytes.div_ceil(UNIT).saturating_sub(held)).unwrap_or(u32::MAX)
    }

    fn add(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.units {
            Some(units) => units.merge(more),
            None => self.units = Some(more),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_ready(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
        matches!(std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()))
    }

    #[tokio::test]
    async fn of_two_bodies_that_hold_a_half_each_one_goes_on_and_then_the_other() {
        let pool = MemoryPool::new(2 * UNIT);
        let (mut one, mut other) = (PooledMemory::default(), PooledMemory::default());
        one.extend_to(&pool, UNIT).await;
        other.extend_to(&pool, UNIT).await;
        one.extend_to(&pool, 2 * UNIT).await;
        {
            let mut waiting = pin!(other.extend_to(&pool, 2 * UNIT));
            assert!(!is_ready(&mut waiting));
            drop(one);
            assert!(is_ready(&mut waiting));
        }
    }

    #[tokio::test]
    async fn a_body_that_holds_nothing_waits_until_there_is_enough() {
        let pool = MemoryPool::new(2 * UNIT);
        let (mut one, mut other) = (PooledMemory::default(), PooledMemory::default());
        one.extend_to(&pool, 2 * UNIT).await;
        let mut waiting = pin!(other.extend_to(&pool, 1));
        assert!(!is_ready(&mut waiting));
        drop(one);
        assert!(is_ready(&mut waiting));
    }
}
