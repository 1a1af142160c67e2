//! What is known of a server from the requests to it: counts, and whether it can be reached.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::error::TransportError;
use crate::service::counters::Durations;

/// The requests to one server.
#[derive(Debug, Default)]
pub(crate) struct ServerStats {
    /// From the request to the head of its response, also of requests that fail.
    pub(crate) durations: Durations,
    failures: [AtomicU64; FAILURES.len()],
    connections: AtomicU64,
    in_flight: AtomicI64,
    state: AtomicU8,
    /// Locked only for a request that fails, and by those who ask.
    last_error: Mutex<Option<LastError>>,
}

/// Why requests have no response.
pub(crate) const FAILURES: [&str; 3] = [UNREACHED, BROKEN, LATE];
const UNREACHED: &str = "unreached";
pub(super) const BROKEN: &str = "broken";
const LATE: &str = "late";

/// Why a request has no response: one of [`FAILURES`].
pub(super) fn failure_reason(error: &TransportError) -> &'static str {
    match error {
        error if error.is_late() => LATE,
        error if error.connected() => BROKEN,
        _ => UNREACHED,
    }
}

/// Whether a server can be reached, as far as the last request tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerHealth {
    /// Nothing has been sent yet.
    Unknown,
    Up,
    Down,
}

impl ServerHealth {
    pub(crate) fn word(self) -> &'static str {
        match self {
            ServerHealth::Unknown => "unknown",
            ServerHealth::Up => "up",
            ServerHealth::Down => "down",
        }
    }
}

/// The last failure of a request.
#[derive(Debug, Clone)]
pub(crate) struct LastError {
    pub(crate) time: SystemTime,
    /// What went wrong, without the address of the server.
    pub(crate) reason: String,
}

impl ServerStats {
    pub(crate) fn state(&self) -> ServerHealth {
        match self.state.load(Relaxed) {
            0 => ServerHealth::Unknown,
            1 => ServerHealth::Up,
            _ => ServerHealth::Down,
        }
    }

    /// The number of failures for each of [`FAILURES`].
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        FAILURES.iter().zip(&self.failures).map(|(reason, count)| (*reason, count.load(Relaxed)))
    }

    /// How many connections have been opened.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }

    /// How many requests wait for the head of their response.
    pub(crate) fn in_flight(&self) -> i64 {
        self.in_flight.load(Relaxed)
    }

    pub(crate) fn last_error(&self) -> Option<LastError> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn count_connection(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    /// Counts a request as in flight until the result is dropped: a caller may give it up.
    pub(super) fn begin(&self) -> SentRequest<'_> {
        self.in_flight.fetch_add(1, Relaxed);
        SentRequest(self)
    }

    /// Counts a request that has a response, or none.
    pub(super) fn record(&self, duration: Duration, error: Option<&TransportError>) {
        self.durations.record(duration);
        let Some(error) = error else {
            self.state.store(1, Relaxed);
            return;
        };
        let failure = failure_reason(error);
        if let Some((_, count)) = FAILURES.iter().zip(&self.failures).find(|(reason, _)| **reason == failure) {
            count.fetch_add(1, Relaxed);
        }
        // A call whose own time was over says nothing about the server.
        if !error.connected() && !error.is_late() {
            self.state.store(2, Relaxed);
        }
        let last = LastError { time: SystemTime::now(), reason: error.reason() };
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }
}

/// A request that waits for the head of its response.
pub(super) struct SentRequest<'s>(&'s ServerStats);

impl Drop for SentRequest<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_down_when_it_was_not_reached_and_up_when_it_responds() {
        let stats = ServerStats::default();
        assert_eq!(stats.state(), ServerHealth::Unknown);
        stats.record(Duration::ZERO, Some(&TransportError::unreached("x".to_owned(), "refused".into())));
        assert_eq!((stats.state(), stats.last_error().unwrap().reason.as_str()), (ServerHealth::Down, "refused"));
        stats.record(Duration::ZERO, None);
        assert_eq!(stats.state(), ServerHealth::Up);
        stats.record(Duration::ZERO, Some(&TransportError::broken("x".to_owned(), "reset".into())));
        assert_eq!(stats.state(), ServerHealth::Up, "it was reached");
        let failures: Vec<u64> = stats.failures().map(|(_, count)| count).collect();
        assert_eq!((failures.as_slice(), stats.durations.counts().total()), ([1, 1, 0].as_slice(), 3));
    }
}
