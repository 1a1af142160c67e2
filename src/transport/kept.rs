//! Connections that are kept for the next request, by each thread for itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use thread_local::ThreadLocal;
use tokio::time::Instant;

use super::body::Incoming;
use super::error::Failed;
use super::{http1, http2};

/// The connections that are kept to one server.
#[derive(Clone)]
pub(super) struct Kept {
    threads: Arc<ThreadLocal<Own>>,
    idle: Duration,
    spare: usize,
}

/// Those of one thread, the one used last at the end. The lock is there for the rare case that a task moved from one
/// thread to another, and for whoever clears up.
type Own = Arc<Mutex<Spare>>;

#[derive(Default)]
struct Spare {
    single: VecDeque<(Instant, http1::Connection)>,
    shared: Option<(Instant, http2::Connection)>,
    /// Whether a task is there that lets go of what is kept for too long.
    watched: bool,
}

/// A connection to ask over.
pub(super) enum Ready {
    Single(http1::Connection),
    Shared(http2::Connection),
}

impl Ready {
    pub(super) async fn send(
        self,
        request: Request<Bytes>,
        limit: Duration,
        kept: &Kept,
    ) -> Result<Response<Incoming>, Failed> {
        match self {
            Ready::Single(connection) => connection.send(request, limit, kept).await,
            Ready::Shared(connection) => Box::pin(connection.send(request, limit, kept)).await,
        }
    }
}

impl Kept {
    pub(super) fn new(idle: Duration, spare: usize) -> Kept {
        Kept { threads: Arc::default(), idle, spare }
    }

    /// A connection that is kept and still ready, the one used last first.
    pub(super) async fn take(&self) -> Option<Ready> {
        loop {
            let (since, mut connection) = match self.with(Spare::next) {
                Next::Shared(shared) => return Some(Ready::Shared(shared)),
                Next::Single(single) => single,
                Next::None => return None,
            };
            if since.elapsed() < self.idle && connection.is_ready().await {
                return Some(Ready::Single(connection));
            }
        }
    }

    /// Keeps a connection whose last answer has been read.
    pub(super) fn keep(&self, connection: http1::Connection) {
        let full = self.with(|spare| {
            spare.single.push_back((Instant::now(), connection));
            // Dropped when the lock is open again: that closes a socket.
            (spare.single.len() > self.spare).then(|| spare.single.pop_front())
        });
        drop(full);
        self.watch();
    }

    /// Keeps a connection for all who ask from this thread.
    pub(super) fn share(&self, connection: &http2::Connection) {
        self.with(|spare| spare.shared = Some((Instant::now(), connection.clone())));
        self.watch();
    }

    fn with<T>(&self, with: impl FnOnce(&mut Spare) -> T) -> T {
        with(&mut self.threads.get_or_default().lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has a task let go of what is kept for too long, as long as something is kept.
    fn watch(&self) {
        if self.with(|spare| std::mem::replace(&mut spare.watched, true)) {
            return;
        }
        let (own, idle) = (Arc::downgrade(self.threads.get_or_default()), self.idle);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(idle).await;
                let Some(own) = own.upgrade() else { return };
                let mut spare = own.lock().unwrap_or_else(PoisonError::into_inner);
                let old = spare.old(idle);
                spare.watched = !spare.is_empty();
                let goes_on = spare.watched;
                drop(spare);
                drop(old);
                if !goes_on {
                    return;
                }
            }
        });
    }
}

enum Next {
    Single((Instant, http1::Connection)),
    Shared(http2::Connection),
    None,
}

impl Spare {
    fn next(&mut self) -> Next {
        match &mut self.shared {
            Some((since, connection)) if connection.is_ready() => {
                *since = Instant::now();
                return Next::Shared(connection.clone());
            }
            _ => self.shared = None,
        }
        self.single.pop_back().map_or(Next::None, Next::Single)
    }

    /// What is kept for longer than allowed.
    fn old(&mut self, idle: Duration) -> (Vec<http1::Connection>, Option<http2::Connection>) {
        let count = self.single.iter().take_while(|(since, _)| since.elapsed() >= idle).count();
        let single = self.single.drain(..count).map(|(_, connection)| connection).collect();
        let shared = self.shared.take_if(|(since, _)| since.elapsed() >= idle);
        (single, shared.map(|(_, connection)| connection))
    }

    fn is_empty(&self) -> bool {
        self.single.is_empty() && self.shared.is_none()
    }
}
