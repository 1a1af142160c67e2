//! The end of the calls that are still running when the drain time is over.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Ends all calls at once.
#[derive(Debug, Default)]
pub(super) struct CallStop {
    stopped: AtomicBool,
    notify: Notify,
}

impl CallStop {
    /// Ends the calls that are running, and from now on each call that has to wait.
    pub(super) fn stop(&self) {
        self.stopped.store(true, SeqCst);
        self.notify.notify_waiters();
    }

    /// Waits for a call; `None` if all calls are ended first.
    pub(super) async fn unless_stopped<F: Future>(&self, call: F) -> Option<F::Output> {
        let stopped = pin!(self.stopped());
        tokio::select! {
            biased;
            output = call => Some(output),
            () = stopped => None,
        }
    }

    /// Notifies `end` when all calls are ended, unless the returned task is dropped before.
    pub(super) fn notify_when_stopped(self: &Arc<CallStop>, end: Arc<Notify>) -> JoinSet<()> {
        let (stop, mut task) = (self.clone(), JoinSet::new());
        task.spawn(async move {
            stop.stopped().await;
            end.notify_one();
        });
        task
    }

    /// Waits until all calls are ended.
    async fn stopped(&self) {
        let notified = self.notify.notified();
        // `stop` sets the flag before it notifies, so one of the two is seen.
        if !self.stopped.load(SeqCst) {
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_waits_ends_and_one_that_is_ready_does_not() {
        let stop = CallStop::default();
        assert_eq!(stop.unless_stopped(std::future::ready(1)).await, Some(1));
        let waiting = stop.unless_stopped(std::future::pending::<()>());
        let (ended, ()) = tokio::join!(waiting, async { stop.stop() });
        assert_eq!(ended, None);
        assert_eq!(stop.unless_stopped(std::future::pending::<()>()).await, None, "also one that begins later");
        assert_eq!(stop.unless_stopped(std::future::ready(2)).await, Some(2));
    }
}
