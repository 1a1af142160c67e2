//! A request in flight: what it holds from its head until its response has been sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::Version;

use super::access_log::{AccessLine, AccessLog};
use super::activity::{Activity, Stream};
use super::gateway::Gateway;
use crate::http::audience::Audience;

/// What all connections share.
pub(super) struct ServerState {
    pub(super) gateway: Gateway,
    pub(super) in_flight_limit: InFlightLimit,
    pub(super) log: Option<AccessLog>,
}

/// The permits for requests in flight. A request without one is refused, not queued: a queue would only add to the time
/// that an overloaded server takes.
#[derive(Debug)]
pub(super) struct InFlightLimit {
    acquired: AtomicUsize,
    maximum: usize,
}

/// One connection, seen from its requests.
pub(super) struct Connection {
    pub(super) shared: Arc<ServerState>,
    pub(super) activity: Arc<Activity>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) audience: Option<Audience>,
}

/// A request that is being served. Dropping it returns its permit and writes its access line.
pub(super) struct InFlight {
    pub(super) connection: Arc<Connection>,
    /// Whether it holds a permit.
    pub(super) has_permit: bool,
    /// The line for the access log.
    pub(super) line: Option<Box<AccessLine>>,
    /// For HTTP/2: the activity of this stream.
    pub(super) stream: Option<Arc<Stream>>,
}

impl InFlightLimit {
    pub(super) fn new(maximum: usize) -> InFlightLimit {
        InFlightLimit { acquired: AtomicUsize::new(0), maximum }
    }

    fn try_acquire(&self) -> bool {
        let free = self.acquired.fetch_add(1, Relaxed) < self.maximum;
        if !free {
            self.release();
        }
        free
    }

    fn release(&self) {
        self.acquired.fetch_sub(1, Relaxed);
    }
}

impl InFlight {
    pub(super) fn begin(connection: &Arc<Connection>, version: Version) -> InFlight {
        let multiplexed = version == Version::HTTP_2;
        connection.activity.begin(multiplexed);
        let stream = multiplexed.then(|| connection.activity.stream());
        InFlight {
            connection: connection.clone(),
            has_permit: connection.shared.in_flight_limit.try_acquire(),
            line: None,
            stream,
        }
    }
}

impl Drop for InFlight {
    /// Also runs if the client leaves before the response: its request has an access line all the same.
    fn drop(&mut self) {
        let Connection { shared, activity, .. } = self.connection.as_ref();
        if let (Some(log), Some(line)) = (&shared.log, self.line.take()) {
            log.close(line);
        }
        if self.has_permit {
            shared.in_flight_limit.release();
        }
        activity.end();
    }
}
