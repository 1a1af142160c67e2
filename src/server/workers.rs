//! Workers: threads with a runtime each, among which the connections are distributed.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Threads that serve connections, each with a runtime of its own.
///
/// A connection stays on one worker from its first byte to its last, and wakes no other thread. A small request therefore
/// costs less than on a runtime whose threads steal tasks from each other. The price: no other thread takes over the
/// connections of a worker that is busy, so a handler that computes for long has to yield.
///
/// Dropped workers end when the tasks on them next yield; dropping does not wait for that.
#[derive(Debug)]
pub struct Workers {
    all: Vec<Worker>,
    /// How many connections have been assigned. The search for the next worker starts at this index, so that equal
    /// workers take turns.
    next: AtomicUsize,
}

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    /// How many connections it serves.
    open: Arc<AtomicUsize>,
    /// Never sent to: the worker ends when this is dropped.
    stop: oneshot::Sender<Infallible>,
    /// Never sent to: the other end is dropped when the worker has ended.
    ended: oneshot::Receiver<Infallible>,
}

/// Counts a connection of a worker until it is dropped.
#[derive(Debug)]
pub(super) struct WorkerSlot(Arc<AtomicUsize>);

impl Workers {
    /// Starts `count` workers, but at least one.
    ///
    /// # Errors
    /// If the system has no thread or no file descriptor left.
    pub fn start(count: usize) -> io::Result<Workers> {
        let all = (0..count.max(1)).map(Worker::start).collect::<io::Result<_>>()?;
        Ok(Workers { all, next: AtomicUsize::new(0) })
    }

    /// Ends the workers and waits for them. Tasks that still run on them are dropped when they next yield.
    pub async fn stop(self) {
        let ended = self.all.into_iter().map(|worker| {
            drop(worker.stop);
            worker.ended
        });
        // Stop all of them before waiting for the first.
        for ended in ended.collect::<Vec<_>>() {
            // The channel closes when the worker has ended, which is an error here.
            let _ = ended.await;
        }
    }

    /// Spawns the task of a connection on the worker with the fewest connections; equal workers take turns. The task has to
    /// keep its slot. A panic ends the task and not the worker.
    pub(super) fn spawn<F>(&self, task: impl FnOnce(WorkerSlot) -> F) -> Option<JoinHandle<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let worker = self.least_busy()?;
        Some(worker.runtime.spawn(task(worker.slot())))
    }

    /// The worker with the fewest connections. There is at least one worker, so it is never `None`.
    fn least_busy(&self) -> Option<&Worker> {
        let count = self.all.len();
        let first = self.next.fetch_add(1, Relaxed).checked_rem(count)?;
        self.all.iter().cycle().skip(first).take(count).min_by_key(|worker| worker.open.load(Relaxed))
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Worker> {
        let (stop, stopped) = oneshot::channel();
        let (over, ended) = oneshot::channel::<Infallible>();
        let (ready, runtime) = mpsc::channel();
        thread::Builder::new().name(format!("croupier-worker-{number}")).spawn(move || {
            work(&ready, stopped);
            drop(over);
        })?;
        let runtime = runtime.recv().map_err(io::Error::other)??;
        Ok(Worker { runtime, open: Arc::default(), stop, ended })
    }

    /// Counts a connection.
    fn slot(&self) -> WorkerSlot {
        self.open.fetch_add(1, Relaxed);
        WorkerSlot(self.open.clone())
    }
}

impl Drop for WorkerSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Runs a worker. Its runtime is built and dropped on its own thread: the caller may be inside another runtime, where
/// dropping one panics.
fn work(ready: &mpsc::Sender<io::Result<Handle>>, stopped: oneshot::Receiver<Infallible>) {
    match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let _ = ready.send(Ok(runtime.handle().clone()));
            // The channel closes when the worker has to stop, which is an error here.
            let _ = runtime.block_on(stopped);
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    async fn name() -> String {
        thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn the_worker_with_the_fewest_connections_has_the_next_one() {
        let workers = Workers::start(3).unwrap();
        let connect = async || workers.spawn(async |slot| (name().await, slot)).unwrap().await.unwrap();
        let mut open = Vec::new();
        for turn in 0..6 {
            let (name, slot) = connect().await;
            assert_eq!(name, format!("croupier-worker-{}", turn % 3));
            open.push((name, slot));
        }
        let (left, _) = open.remove(1);
        assert_eq!(connect().await.0, left, "the worker with one connection less");
        // That connection was closed at once, so the same worker has the next one.
        assert_eq!(connect().await.0, left);
    }

    #[tokio::test]
    async fn a_panic_ends_its_task_and_no_worker() {
        let workers = Workers::start(1).unwrap();
        let panicking = workers.spawn(async |_slot| -> () { panic!("a test of panics") }).unwrap();
        assert!(panicking.await.unwrap_err().is_panic());
        assert_eq!(workers.all[0].open.load(Relaxed), 0);
        assert_eq!(workers.spawn(|_slot| name()).unwrap().await.unwrap(), "croupier-worker-0");
    }

    #[tokio::test]
    async fn nothing_is_left_when_the_workers_have_stopped() {
        let (workers, held) = (Workers::start(2).unwrap(), Arc::new(()));
        for _ in 0..4 {
            let held = held.clone();
            workers.spawn(async move |_slot| {
                pending::<()>().await;
                drop(held);
            });
        }
        workers.stop().await;
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn there_is_always_a_worker() {
        assert_eq!(Workers::start(0).unwrap().all.len(), 1);
    }
}
