//! The TLS handshakes of each listener, counted by how they have ended.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How a handshake has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum HandshakeResult {
    Success,
    /// The client has no certificate or one that is not valid, or refuses that of the server.
    Certificate,
    /// The client has left.
    ClientGone,
    /// The client speaks plain HTTP.
    PlainHttp,
    /// The client has as many handshakes under way as one client may have.
    Limited,
    /// It has not ended in time.
    Timeout,
    /// Anything else, such as no common version.
    Failure,
}

const ALL: [(HandshakeResult, &str); 7] = [
    (HandshakeResult::Success, "success"),
    (HandshakeResult::Certificate, "certificate"),
    (HandshakeResult::ClientGone, "client-gone"),
    (HandshakeResult::PlainHttp, "plain-http"),
    (HandshakeResult::Limited, "limited"),
    (HandshakeResult::Timeout, "timeout"),
    (HandshakeResult::Failure, "failure"),
];

/// How many handshakes have ended in each way.
#[derive(Debug, Default)]
pub(in crate::server) struct HandshakeCounts([AtomicU64; ALL.len()]);

impl HandshakeCounts {
    pub(in crate::server) fn count(&self, result: HandshakeResult) {
        let counters = ALL.iter().zip(&self.0);
        if let Some((_, counter)) = counters.into_iter().find(|((one, _), _)| *one == result) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// The word for each result, and how many handshakes have had it.
    pub(in crate::server) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ALL.iter().zip(&self.0).map(|((_, word), counter)| (*word, counter.load(Relaxed)))
    }
}
