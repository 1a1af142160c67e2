//! The connections of each listener, counted.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;

use crate::server::tls::counts::HandshakeCounts;
use crate::server::tls::handle::ServerTls;
use crate::service::log_throttle::LogThrottle;

/// The listeners of a server. The lock is taken when a listener is opened or closed and by those who ask, never for a
/// connection.
#[derive(Debug, Default)]
pub(super) struct ListenerCounts {
    /// How many connections may be open at the same time; 0 until a server runs.
    limit: AtomicU64,
    all: Mutex<Vec<Arc<ListenerCount>>>,
}

/// The connections of one listener.
#[derive(Debug)]
pub(super) struct ListenerCount {
    /// The address, as the configuration writes it.
    pub(super) address: String,
    /// For the log lines of clients that do not speak HTTP, and of headers of proxies.
    pub(super) notices: Notices,
    /// How the handshakes of TLS have ended.
    pub(super) handshakes: HandshakeCounts,
    /// TLS for further connections; `None` if they have none.
    tls: ArcSwapOption<ServerTls>,
    open: AtomicI64,
    accepted: AtomicU64,
}

/// Throttles for what clients of one listener can do as often as they like.
#[derive(Debug, Default)]
pub(super) struct Notices {
    pub(super) tls: LogThrottle,
    pub(super) bad_heads: LogThrottle,
    pub(super) bad_http2: LogThrottle,
    pub(super) proxy_headers: LogThrottle,
    pub(super) plain_http: LogThrottle,
    pub(super) handshakes: LogThrottle,
}

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
pub(super) struct CountedConnection(Arc<ListenerCount>);

impl CountedConnection {
    /// The listener that has accepted the connection.
    pub(super) fn listener(&self) -> &Arc<ListenerCount> {
        &self.0
    }
}

impl ListenerCounts {
    /// Adds a listener, or goes on with the one that had the same address.
    pub(super) fn add(&self, address: String) -> Arc<ListenerCount> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|known| known.address == address) {
            return known.clone();
        }
        let count = Arc::new(ListenerCount {
            address,
            notices: Notices::default(),
            handshakes: HandshakeCounts::default(),
            tls: ArcSwapOption::empty(),
            open: AtomicI64::new(0),
            accepted: AtomicU64::new(0),
        });
        all.push(count.clone());
        count
    }

    /// Removes a listener that has been closed. Its connections go on.
    pub(super) fn remove(&self, address: &str) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| known.address != address);
    }

    pub(super) fn all(&self) -> Vec<Arc<ListenerCount>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_limit(&self, connections: usize) {
        self.limit.store(connections as u64, Relaxed);
    }

    /// How many connections may be open at the same time, at all listeners together.
    pub(super) fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }
}

impl ListenerCount {
    /// Counts a connection.
    pub(super) fn count(self: &Arc<ListenerCount>) -> CountedConnection {
        self.accepted.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        CountedConnection(self.clone())
    }

    /// Sets the TLS of further connections.
    pub(super) fn set_tls(&self, tls: Option<ServerTls>) {
        self.tls.store(tls.map(Arc::new));
    }

    pub(super) fn tls(&self) -> Option<Arc<ServerTls>> {
        self.tls.load_full()
    }

    pub(super) fn open(&self) -> i64 {
        self.open.load(Relaxed)
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}
