//! The memory that results share while they are made and until they are sent.
//!
//! A result that is made of a whole document or of whole values (the decoded response of an upstream, the result of an
//! aggregate) takes memory from a pool before it needs it: the text as its bytes come, the values before they are built.
//! If none is free, it waits in order. If the wait takes up nearly all of the time that the call has left, the call fails
//! as busy. A result that needs more than one result may have fails with a limit at once.
//!
//! [`Context::result_memory`](crate::service::Context::result_memory) says where a call takes the memory from. The
//! [`ReservedMemory`] of a call goes with its result, and is given back when the response has been sent.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::model::fault::{Fault, Kind};
use crate::service::future::with_timeout;
use crate::service::long_work::LongWork;
use crate::service::memory_pool::{MemoryPool, PooledMemory};

/// A result of at most this many bytes reserves no memory: the limit on running calls bounds them.
pub const SMALL: usize = 16 * 1024;
/// How long a call without a deadline waits for memory.
const PATIENCE: Duration = Duration::from_secs(30);
/// The part of the time left that a wait may take, as a fraction: the rest is for the fault.
const WAIT: (u32, u32) = (19, 20);
/// The part of the budget that one result may have, as a fraction.
const MOST: (usize, usize) = (2, 3);

/// The memory that all results together may use. Clones share it.
#[derive(Debug, Clone)]
pub struct ResultBudget {
    pool: MemoryPool,
    bytes: usize,
    /// Where large results are decoded.
    long_work: LongWork,
}

/// Where a call takes the memory for its result from.
#[derive(Debug, Clone)]
pub struct ResultMemory(MemorySource);

#[derive(Debug, Clone)]
enum MemorySource {
    /// Each result takes its own.
    Shares(Arc<ResultShares>),
    /// The results of several calls become one, which takes the memory for all of them.
    Common(Arc<ResultInProgress>),
}

/// The memory of one client, and that of all.
#[derive(Debug)]
struct ResultShares {
    of_client: Option<SizedPool>,
    of_all: ResultBudget,
    /// How many bytes one result may have.
    most: usize,
}

/// What one result has taken.
#[derive(Debug)]
struct ResultInProgress {
    shares: Arc<ResultShares>,
    /// How many bytes are in use.
    used: AtomicUsize,
    taken: Mutex<TakenMemory>,
}

#[derive(Debug, Default)]
struct TakenMemory {
    of_client: PooledMemory,
    of_all: PooledMemory,
}

/// How much of the memory the results of one source may take, such as an upstream: half of it. It is set when the first
/// result comes.
#[derive(Debug, Default)]
pub(crate) struct SourceShare(OnceLock<SizedPool>);

/// Memory that is reserved for a result or a part of it, given back when it is dropped. Without a budget it only counts.
#[derive(Debug, Default)]
pub struct ReservedMemory {
    result: Option<Arc<ResultInProgress>>,
    bytes: usize,
    /// The share of the source, and what is taken of it.
    of_source: Option<(SizedPool, PooledMemory)>,
}

/// A pool of which one result may take the whole.
#[derive(Debug, Clone)]
struct SizedPool {
    pool: MemoryPool,
    bytes: usize,
}

impl SizedPool {
    fn new(bytes: usize) -> SizedPool {
        SizedPool { pool: MemoryPool::new(bytes), bytes }
    }

    /// A result that is larger than the pool takes all of it.
    async fn extend(&self, taken: &mut PooledMemory, bytes: usize) {
        taken.extend_to(&self.pool, bytes.min(self.bytes)).await;
    }

    fn try_extend(&self, taken: &mut PooledMemory, bytes: usize) -> bool {
        taken.try_extend_to(&self.pool, bytes.min(self.bytes))
    }
}

impl ResultBudget {
    /// A budget of this many bytes.
    pub fn new(bytes: usize) -> ResultBudget {
        ResultBudget { pool: MemoryPool::new(bytes), bytes, long_work: LongWork::limited() }
    }

    /// The memory that all results share.
    pub(crate) fn pool(&self) -> &MemoryPool {
        &self.pool
    }

    /// The memory for the results of one client, which all together may have `share` bytes; `None` for a client without a
    /// share. One result may have two thirds of the budget; one that is larger than the share takes all of it.
    pub fn of_client(&self, share: Option<usize>) -> ResultMemory {
        let most = self.bytes / MOST.1 * MOST.0;
        let of_client = share.map(SizedPool::new);
        ResultMemory(MemorySource::Shares(Arc::new(ResultShares { of_client, of_all: self.clone(), most })))
    }
}

impl ResultMemory {
    /// A reservation of no bytes yet, for one result.
    pub fn begin(&self) -> ReservedMemory {
        let result = match &self.0 {
            MemorySource::Shares(shares) => shares.begin(),
            MemorySource::Common(result) => result.clone(),
        };
        ReservedMemory { result: Some(result), bytes: 0, of_source: None }
    }

    /// The memory for the results of several calls, which become one result.
    #[must_use]
    pub fn in_common(&self) -> ResultMemory {
        match &self.0 {
            MemorySource::Shares(shares) => ResultMemory(MemorySource::Common(shares.begin())),
            MemorySource::Common(_) => self.clone(),
        }
    }
}

impl ResultShares {
    fn begin(self: &Arc<ResultShares>) -> Arc<ResultInProgress> {
        Arc::new(ResultInProgress { shares: self.clone(), used: AtomicUsize::new(0), taken: Mutex::default() })
    }
}

impl ReservedMemory {
    /// A reservation from the memory of a call; one that only counts if the call has none.
    pub fn of(memory: Option<&ResultMemory>) -> ReservedMemory {
        memory.map(ResultMemory::begin).unwrap_or_default()
    }

    /// A reservation for a result of a source that has a share.
    pub(crate) fn of_source(memory: Option<&ResultMemory>, share: &SourceShare) -> ReservedMemory {
        let mut reserved = ReservedMemory::of(memory);
        reserved.of_source = reserved.result.as_ref().map(|result| {
            let share = share.0.get_or_init(|| SizedPool::new(result.shares.of_all.bytes.div_ceil(2)));
            (share.clone(), PooledMemory::default())
        });
        reserved
    }

    /// Whether there is nothing to give back.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0 || self.result.is_none()
    }

    /// How many bytes are reserved.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Extends the reservation to this many bytes, and waits until they are free.
    ///
    /// # Errors
    /// `Limit` if one result may not have as many; `Busy` if they do not become free in time.
    pub async fn extend_to(&mut self, bytes: usize, deadline: Option<Instant>) -> Result<(), Fault> {
        let more = bytes.saturating_sub(self.bytes);
        self.bytes += more;
        let Some(result) = self.result.as_ref().filter(|_| more > 0) else { return Ok(()) };
        let used = result.used.fetch_add(more, Relaxed) + more;
        if used > result.shares.most {
            return Err(too_large(result.shares.most));
        }
        let bytes = self.bytes;
        let of_source = self.of_source.as_mut();
        if of_source.is_none_or(|(share, taken)| share.try_extend(taken, bytes))
            && result.taken.try_lock().is_ok_and(|mut taken| taken.try_extend_to(&result.shares, used))
        {
            return Ok(());
        }
        let of_source = self.of_source.as_mut();
        let patience =
            deadline.map_or(PATIENCE, |deadline| deadline.saturating_duration_since(Instant::now()) * WAIT.0 / WAIT.1);
        // The share of the source first, then that of the client: what waits for these holds none of the memory of others.
        let extended = async {
            if let Some((share, taken)) = of_source {
                share.extend(taken, bytes).await;
            }
            result.take().await;
        };
        with_timeout(patience, Box::pin(extended))
            .await
            .ok_or_else(|| Fault::new(Kind::Busy, "too many large results at once: the call may have been carried out, but there is no memory for its result"))
    }

    /// Extends the reservation to this many bytes if they are free and no other body or result waits for them. Returns
    /// whether it has.
    pub(crate) fn try_extend_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let Some(result) = self.result.as_ref().filter(|_| more > 0) else { return true };
        let used = result.used.fetch_add(more, Relaxed) + more;
        let extended = result.taken.try_lock().is_ok_and(|mut taken| taken.try_extend_to(&result.shares, used));
        if extended {
            self.bytes += more
        } else {
            result.give_back(more)
        }
        extended
    }

    /// Gives back what exceeds this many bytes.
    pub fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.bytes.saturating_sub(bytes);
        self.bytes -= surplus;
        if let Some((_, taken)) = &mut self.of_source {
            taken.shrink_to(self.bytes);
        }
        if let Some(result) = self.result.as_ref().filter(|_| surplus > 0) {
            result.give_back(surplus);
        }
    }

    /// Takes this many of the bytes into a reservation of their own; fewer if there are fewer.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> ReservedMemory {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        ReservedMemory { result: self.result.clone(), bytes, of_source: None }
    }

    /// Adds another reservation of the same result.
    pub(crate) fn merge(&mut self, mut other: ReservedMemory) {
        match (&self.result, &other.result) {
            (None, Some(_)) => std::mem::swap(self, &mut other),
            (Some(one), Some(same)) if Arc::ptr_eq(one, same) => self.bytes += std::mem::take(&mut other.bytes),
            _ => {}
        }
    }

    /// Where long work on the result runs; any number at a time without a budget.
    pub(crate) fn long_work(&self) -> LongWork {
        self.result.as_ref().map(|result| result.shares.of_all.long_work.clone()).unwrap_or_default()
    }
}

impl Drop for ReservedMemory {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

impl ResultInProgress {
    /// Takes memory from the pools for all that is in use, and waits until it is free.
    async fn take(&self) {
        let mut taken = self.taken.lock().await;
        let used = self.used.load(Relaxed);
        if let Some(share) = &self.shares.of_client {
            share.extend(&mut taken.of_client, used).await;
        }
        taken.of_all.extend_to(&self.shares.of_all.pool, used).await;
        taken.shrink_to(self.used.load(Relaxed));
    }

    fn give_back(&self, bytes: usize) {
        let used = self.used.fetch_sub(bytes, Relaxed) - bytes;
        // Another part that is waiting for memory gives back what is too much when it has it.
        if let Ok(mut taken) = self.taken.try_lock() {
            taken.shrink_to(used);
        }
    }
}

impl TakenMemory {
    /// Extends to this many bytes if they are free and no other body or result waits for them.
    fn try_extend_to(&mut self, shares: &ResultShares, bytes: usize) -> bool {
        let of_client = shares.of_client.as_ref().is_none_or(|share| share.try_extend(&mut self.of_client, bytes));
        of_client && self.of_all.try_extend_to(&shares.of_all.pool, bytes)
    }

    fn shrink_to(&mut self, bytes: usize) {
        self.of_client.shrink_to(bytes);
        self.of_all.shrink_to(bytes);
    }
}

/// The fault for a result that is ready and for which there is no memory.
pub(crate) fn no_memory() -> Fault {
    Fault::new(Kind::Busy, NO_MEMORY)
}

/// The reason in [`no_memory`].
pub(crate) const NO_MEMORY: &str =
    "too many large results at once: the call was carried out, but there is no memory for its result";

fn too_large(most: usize) -> Fault {
    let message = format!("the result is too large: it takes more than {most} bytes of memory (response-memory)");
    Fault::new(Kind::Limit, message)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    const KIB: usize = 1 << 10;

    fn poll<T>(future: &mut Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn results_wait_in_order_until_others_are_given_back() {
        let budget = ResultBudget::new(30 * KIB);
        let begin = || budget.of_client(None).begin();
        let (mut first, mut second, mut third) = (begin(), begin(), begin());
        first.extend_to(20 * KIB, None).await.unwrap();
        let mut large = Box::pin(second.extend_to(15 * KIB, None));
        assert!(poll(&mut large.as_mut()).is_none());
        let mut small = Box::pin(third.extend_to(5 * KIB, None));
        assert!(poll(&mut small.as_mut()).is_none(), "it does not overtake");
        first.shrink_to(12 * KIB);
        assert_eq!(poll(&mut large.as_mut()), Some(Ok(())));
        assert!(poll(&mut small.as_mut()).is_none());
        drop(first);
        assert_eq!(poll(&mut small.as_mut()), Some(Ok(())));
    }

    #[tokio::test]
    async fn of_two_results_that_hold_a_half_each_one_goes_on_and_then_the_other() {
        let budget = ResultBudget::new(30 * KIB);
        let (mut one, mut other) = (budget.of_client(None).begin(), budget.of_client(None).begin());
        one.extend_to(15 * KIB, None).await.unwrap();
        other.extend_to(15 * KIB, None).await.unwrap();
        one.extend_to(20 * KIB, None).await.unwrap();
        let mut waiting = pin!(other.extend_to(20 * KIB, None));
        assert!(poll(&mut waiting).is_none());
        drop(one);
        assert_eq!(poll(&mut waiting), Some(Ok(())));
    }

    #[tokio::test]
    async fn a_client_and_a_source_leave_memory_to_others() {
        let budget = ResultBudget::new(40 * KIB);
        let client = budget.of_client(Some(10 * KIB));
        let (mut held, mut further) = (client.begin(), client.begin());
        held.extend_to(15 * KIB, None).await.unwrap();
        assert!(poll(&mut pin!(further.extend_to(KIB, None))).is_none(), "one result took the whole share");
        let share = SourceShare::default();
        let of_source = || ReservedMemory::of_source(Some(&budget.of_client(None)), &share);
        let (mut one, mut two) = (of_source(), of_source());
        one.extend_to(20 * KIB, None).await.unwrap();
        assert!(poll(&mut pin!(two.extend_to(KIB, None))).is_none());
        let mut another = budget.of_client(None).begin();
        assert_eq!(poll(&mut pin!(another.extend_to(5 * KIB, None))), Some(Ok(())));
    }

    #[tokio::test]
    async fn parts_of_one_result_count_together() {
        let budget = ResultBudget::new(30 * KIB);
        let common = budget.of_client(None).in_common();
        let (mut one, mut other) = (common.begin(), common.in_common().begin());
        one.extend_to(15 * KIB, None).await.unwrap();
        let fault = other.extend_to(6 * KIB, None).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Limit);
        other.shrink_to(5 * KIB);
        one.merge(other);
        assert_eq!(one.bytes(), 20 * KIB);
        let part = one.split(12 * KIB);
        drop(one);
        let mut next = budget.of_client(None).begin();
        assert!(poll(&mut pin!(next.extend_to(19 * KIB, None))).is_none());
        drop(part);
        next.shrink_to(0);
        assert_eq!(poll(&mut pin!(next.extend_to(20 * KIB, None))), Some(Ok(())));
    }
}
