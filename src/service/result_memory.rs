//! The memory that results share while they are made and until they are sent.
//!
//! A result that is made of a whole document or of whole values (the decoded response of an upstream, the result of an
//! aggregate) takes memory from a pool before it needs it: the text as its bytes come, the values before they are built.
//! If none is free, it waits in order. If the wait takes up nearly all of the time that the call has left, the call fails
//! as busy. A result that needs more than one result may have fails with a limit at once.
//!
//! [`Context::result_memory`](crate::service::Context::result_memory) says where a call takes the memory from. The
//! [`ReservedMemory`] of a call goes with its result, and is given back when the response has been sent.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Mutex, Semaphore};

use crate::model::fault::{Fault, Kind};
use crate::service::future::{run_blocking, with_timeout};
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
    /// How many large results are decoded at the same time: half as many as there are processors.
    long_work_permits: Arc<Semaphore>,
}

/// Where a call takes the memory for its result from.
#[derive(Debug, Clone)]
pub struct ResultMemory(Source);

#[derive(Debug, Clone)]
enum Source {
    /// Each result takes its own.
    Shares(Arc<ResultShares>),
    /// The results of several calls become one, which takes the memory for all of them.
    Common(Arc<ResultInProgress>),
}

/// The memory of one client, and that of all.
#[derive(Debug)]
struct ResultShares {
    /// The pool and its size.
    of_client: Option<(MemoryPool, usize)>,
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

/// Memory that is reserved for a result or a part of it, given back when it is dropped. Without a budget it only counts.
#[derive(Debug, Default)]
pub struct ReservedMemory {
    result: Option<Arc<ResultInProgress>>,
    bytes: usize,
}

impl ResultBudget {
    /// A budget of this many bytes.
    pub fn new(bytes: usize) -> ResultBudget {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let long_work_permits = Arc::new(Semaphore::new(processors.div_ceil(2)));
        ResultBudget { pool: MemoryPool::new(bytes), bytes, long_work_permits }
    }

    /// The memory for the results of one client, which all together may have `share` bytes; `None` for a client without a
    /// share. One result may have two thirds of the budget; one that is larger than the share takes all of it.
    pub fn of_client(&self, share: Option<usize>) -> ResultMemory {
        let most = self.bytes / MOST.1 * MOST.0;
        let of_client = share.map(|share| (MemoryPool::new(share), share));
        ResultMemory(Source::Shares(Arc::new(ResultShares { of_client, of_all: self.clone(), most })))
    }
}

impl ResultMemory {
    /// A reservation of no bytes yet, for one result.
    pub fn begin(&self) -> ReservedMemory {
        let result = match &self.0 {
            Source::Shares(shares) => shares.begin(),
            Source::Common(result) => result.clone(),
        };
        ReservedMemory { result: Some(result), bytes: 0 }
    }

    /// The memory for the results of several calls, which become one result.
    #[must_use]
    pub fn in_common(&self) -> ResultMemory {
        match &self.0 {
            Source::Shares(shares) => ResultMemory(Source::Common(shares.begin())),
            Source::Common(_) => self.clone(),
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
        if result.taken.try_lock().is_ok_and(|mut taken| taken.try_extend_to(&result.shares, used)) {
            return Ok(());
        }
        let patience =
            deadline.map_or(PATIENCE, |deadline| deadline.saturating_duration_since(Instant::now()) * WAIT.0 / WAIT.1);
        let extended = with_timeout(patience, Box::pin(result.take()));
        extended.await.ok_or_else(|| Fault::new(Kind::Busy, "too many large results at once; try again later"))
    }

    /// Gives back what exceeds this many bytes.
    pub fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.bytes.saturating_sub(bytes);
        self.bytes -= surplus;
        if let Some(result) = self.result.as_ref().filter(|_| surplus > 0) {
            result.give_back(surplus);
        }
    }

    /// Takes this many of the bytes into a reservation of their own; fewer if there are fewer.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> ReservedMemory {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        ReservedMemory { result: self.result.clone(), bytes }
    }

    /// Adds another reservation of the same result.
    pub(crate) fn merge(&mut self, mut other: ReservedMemory) {
        match (&self.result, &other.result) {
            (None, Some(_)) => std::mem::swap(self, &mut other),
            (Some(one), Some(same)) if Arc::ptr_eq(one, same) => self.bytes += std::mem::take(&mut other.bytes),
            _ => {}
        }
    }

    /// Runs long work on a blocking thread, once fewer than the maximum of them are running. Pass it what it needs of the
    /// reservation: work that has begun is finished even if its caller is dropped.
    pub(crate) async fn run_long_work<T: Send + 'static>(
        limit: Option<Arc<Semaphore>>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let permit = match limit {
            Some(limit) => limit.acquire_owned().await.ok(),
            None => None,
        };
        run_blocking(&Handle::current(), move || {
            let done = work();
            drop(permit);
            done
        })
        .await
    }

    /// The permits for long work; `None` without a budget.
    pub(crate) fn long_work_permits(&self) -> Option<Arc<Semaphore>> {
        self.result.as_ref().map(|result| result.shares.of_all.long_work_permits.clone())
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
        // The client's share first: what waits for it holds none of the memory of others.
        if let Some((share, size)) = &self.shares.of_client {
            taken.of_client.extend_to(share, used.min(*size)).await;
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
    /// Extends to this many bytes if they are free and nobody waits for them.
    fn try_extend_to(&mut self, shares: &ResultShares, bytes: usize) -> bool {
        let of_client = shares.of_client.as_ref();
        let of_client = of_client.is_none_or(|(share, size)| self.of_client.try_extend_to(share, bytes.min(*size)));
        of_client && self.of_all.try_extend_to(&shares.of_all.pool, bytes)
    }

    fn shrink_to(&mut self, bytes: usize) {
        self.of_client.shrink_to(bytes);
        self.of_all.shrink_to(bytes);
    }
}

fn too_large(most: usize) -> Fault {
    let message = format!("the result is too large: it takes more than {most} bytes of memory (response-memory)");
    Fault::new(Kind::Limit, message)
}
