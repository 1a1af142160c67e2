//! The state of an upstream, for those who watch over it: status, readiness and metrics.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::breakers::BreakerReport;
use super::gaps::DescriptionGaps;
use super::transport::stats::{LastError, ServerHealth, ServerStats};
use super::transport::{HostReport, SendingReport};
use crate::protocol::Protocol;

/// What is known of an upstream at one moment.
#[derive(Debug)]
pub(crate) struct UpstreamState {
    pub(crate) protocol: Protocol,
    /// How many methods it has; `None` if it has not described itself.
    pub(crate) methods: Option<usize>,
    /// Whether calls can be sent to it, even without a description.
    pub(crate) callable: bool,
    /// Why the last discovery has failed, if it has.
    pub(crate) discovery_error: Option<LastError>,
    /// What of its description is not used.
    pub(crate) gaps: Arc<DescriptionGaps>,
    /// The servers, with what is known of each from the requests to it.
    pub(crate) servers: Vec<(String, Arc<ServerStats>)>,
    /// Whether the servers get requests, in the same order; empty if there is only one, which always does.
    pub(crate) hosts: Vec<HostReport>,
    pub(crate) sending: SendingReport,
    pub(crate) breakers: Vec<BreakerReport>,
}

impl UpstreamState {
    /// Whether none of the servers could be reached.
    pub(crate) fn is_unreached(&self) -> bool {
        !self.servers.is_empty() && self.servers.iter().all(|(_, stats)| stats.state() == ServerHealth::Down)
    }

    /// Why no call can succeed; `None` if calls can. A server that has described itself is trusted until it cannot be
    /// reached. One that has not is trusted if it responds, and calls to it need no description.
    pub(crate) fn why_unusable(&self) -> Option<String> {
        let in_state = |state| self.servers.iter().any(|(_, stats)| stats.state() == state);
        let described = self.methods.is_some();
        let usable = in_state(ServerHealth::Up) || (described && in_state(ServerHealth::Unknown));
        if usable && (described || self.callable) {
            return None;
        }
        if !described && let Some(LastError { reason, .. }) = &self.discovery_error {
            return Some(reason.clone());
        }
        let error = self.servers.iter().filter_map(|(_, stats)| stats.last_error()).max_by_key(|error| error.time);
        Some(match error {
            Some(error) => format!("the upstream server cannot be reached: {}", error.reason),
            None => "the upstream server has not yet described itself".to_owned(),
        })
    }
}

/// Why the last discovery of an upstream has failed, if it has.
#[derive(Debug, Default)]
pub(super) struct LastDiscoveryError(Mutex<Option<LastError>>);

impl LastDiscoveryError {
    pub(super) fn get(&self) -> Option<LastError> {
        self.lock().clone()
    }

    /// Notes how a discovery has ended; `None` for success.
    pub(super) fn set(&self, reason: Option<&str>) {
        *self.lock() = reason.map(|reason| LastError { time: SystemTime::now(), reason: reason.to_owned() });
    }

    fn lock(&self) -> MutexGuard<'_, Option<LastError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
