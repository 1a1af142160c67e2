//! How many connections there may be to a server.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a place is waited for before idle connections are looked for again: other threads put theirs back without a word.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A place among the connections to a server, until the connection is closed; `None` if their number is not limited.
///
/// Boxed, because most numbers are not limited, and each connection and body has a place.
pub(super) type ConnectionPlace = Option<Box<OwnedSemaphorePermit>>;

/// The limit on the connections of all threads to one server.
pub(super) struct ConnectionLimit(Option<Arc<Semaphore>>);

impl ConnectionLimit {
    pub(super) fn new(connections: Option<u32>) -> ConnectionLimit {
        let permits =
            connections.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS));
        ConnectionLimit(permits.map(|permits| Arc::new(Semaphore::new(permits))))
    }

    /// Waits for a place. If there is none, `close_idle` is asked to close an idle connection of any thread for it, and returns
    /// whether there was one.
    pub(super) async fn place(&self, close_idle: impl Fn() -> bool) -> ConnectionPlace {
        let places = self.0.as_ref()?;
        loop {
            if let Ok(place) = places.clone().try_acquire_owned() {
                return Some(Box::new(place));
            }
            if close_idle() {
                continue;
            }
            // It is never closed, so there is no error but that of the time.
            if let Ok(Ok(place)) = timeout(LOOK_AGAIN, places.clone().acquire_owned()).await {
                return Some(Box::new(place));
            }
        }
    }
}
