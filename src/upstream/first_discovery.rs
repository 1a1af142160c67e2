//! The first discovery of an upstream, for which the first calls of its group wait.
//!
//! A server serves at once when it starts, although its upstreams have not described themselves yet. A call of a group
//! whose upstream is being asked for the first time waits for that, so that it is not refused for a description that is on
//! its way. Nothing else waits, and an upstream that does not respond delays only its own group.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::Upstream;

/// How long calls wait for the first description at most.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(3);

/// Whether the first discovery runs.
#[derive(Default)]
pub(super) struct FirstDiscovery {
    running: AtomicBool,
    ended: Notify,
}

/// The first discovery runs until this is dropped.
pub(super) struct RunningDiscovery(Upstream);

impl RunningDiscovery {
    /// Begins the first discovery, unless the upstream has described itself already.
    pub(super) fn begin(upstream: &Upstream) -> Option<RunningDiscovery> {
        if upstream.description().is_complete() {
            return None;
        }
        upstream.inner.first_discovery.running.store(true, SeqCst);
        Some(RunningDiscovery(upstream.clone()))
    }
}

impl Drop for RunningDiscovery {
    fn drop(&mut self) {
        let first = &self.0.inner.first_discovery;
        first.running.store(false, SeqCst);
        first.ended.notify_waiters();
    }
}

impl Upstream {
    /// Whether the upstream is being asked for its description for the first time, and calls should wait for it.
    pub(crate) fn is_in_first_discovery(&self) -> bool {
        self.inner.first_discovery.running.load(SeqCst)
    }

    /// Waits until the first discovery has succeeded or failed, but for no longer than `limit`.
    pub(crate) async fn wait_for_first_discovery(&self, limit: Duration) {
        let ended = self.inner.first_discovery.ended.notified();
        // Created before the check, so that an end after the check is not missed.
        if self.is_in_first_discovery() {
            // A discovery that takes longer goes on, and the call is sent without a description.
            let _ = timeout(limit, ended).await;
        }
    }
}
