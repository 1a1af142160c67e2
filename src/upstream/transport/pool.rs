//! Connections that are kept for the next request, by each thread for itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use thread_local::ThreadLocal;
use tokio::time::Instant;

use super::body::Incoming;
use super::error::Failed;
use super::{http1, http2};

/// The connections that are kept to one server.
pub(super) struct Kept {
    threads: ThreadLocal<Keeper>,
    idle: Duration,
    spare: usize,
}

/// Those of one thread. The lock is there for the rare case that a task moved from one thread to another, and for
/// whoever clears up.
#[derive(Clone)]
pub(super) struct Keeper(Arc<Mutex<IdleConnection>>);

struct IdleConnection {
    /// The one used last at the end.
    single: VecDeque<(Instant, http1::Connection)>,
    shared: Option<(Instant, http2::Connection)>,
    /// Whether a task is there that lets go of what is kept for too long.
    watched: bool,
    idle: Duration,
    most: usize,
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
            Ready::Single(connection) => connection.send(request, limit, kept.own().clone()).await,
            Ready::Shared(connection) => Box::pin(connection.send(request, limit, kept.own())).await,
        }
    }
}

impl Kept {
    pub(super) fn new(idle: Duration, spare: usize) -> Kept {
        Kept { threads: ThreadLocal::new(), idle, spare }
    }

    /// What this thread keeps.
    pub(super) fn own(&self) -> &Keeper {
        self.threads.get_or(|| Keeper(Arc::new(Mutex::new(IdleConnection::new(self.idle, self.spare)))))
    }

    /// A connection that is kept and still ready, the one used last first.
    pub(super) async fn take(&self) -> Option<Ready> {
        loop {
            let (since, mut connection) = match self.own().spare().next() {
                Next::Shared(shared) => return Some(Ready::Shared(shared)),
                Next::Single(single) => single,
                Next::None => return None,
            };
            if since.elapsed() < self.idle && connection.is_ready().await {
                return Some(Ready::Single(connection));
            }
        }
    }
}

impl Keeper {
    /// Keeps a connection whose last answer has been read.
    pub(super) fn keep(&self, connection: http1::Connection) {
        // Dropped when the lock is open again: that closes a socket.
        let full = self.put(|spare| {
            spare.single.push_back((Instant::now(), connection));
            if spare.single.len() > spare.most { spare.single.pop_front() } else { None }
        });
        drop(full);
    }

    /// Keeps a connection for all who ask from this thread.
    pub(super) fn share(&self, connection: &http2::Connection) {
        let before = self.put(|spare| spare.shared.replace((Instant::now(), connection.clone())));
        drop(before);
    }

    fn spare(&self) -> MutexGuard<'_, IdleConnection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something there, and has a task let go of what is kept for too long, as long as something is kept.
    fn put<T>(&self, put: impl FnOnce(&mut IdleConnection) -> T) -> T {
        let mut spare = self.spare();
        let done = put(&mut spare);
        if !std::mem::replace(&mut spare.watched, true) {
            tokio::spawn(watch(Arc::downgrade(&self.0), spare.idle));
        }
        done
    }
}

/// Lets go of what is kept for too long, until nothing is.
async fn watch(spare: Weak<Mutex<IdleConnection>>, idle: Duration) {
    loop {
        tokio::time::sleep(idle).await;
        let Some(keeper) = spare.upgrade().map(Keeper) else { return };
        let mut spare = keeper.spare();
        let old = spare.old();
        spare.watched = !spare.is_empty();
        let goes_on = spare.watched;
        drop(spare);
        drop(old);
        if !goes_on {
            return;
        }
    }
}

enum Next {
    Single((Instant, http1::Connection)),
    Shared(http2::Connection),
    None,
}

impl IdleConnection {
    fn new(idle: Duration, most: usize) -> IdleConnection {
        IdleConnection { single: VecDeque::new(), shared: None, watched: false, idle, most }
    }

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
    fn old(&mut self) -> (Vec<http1::Connection>, Option<http2::Connection>) {
        let idle = self.idle;
        let count = self.single.iter().take_while(|(since, _)| since.elapsed() >= idle).count();
        let single = self.single.drain(..count).map(|(_, connection)| connection).collect();
        let shared = self.shared.take_if(|(since, _)| since.elapsed() >= idle);
        (single, shared.map(|(_, connection)| connection))
    }

    fn is_empty(&self) -> bool {
        self.single.is_empty() && self.shared.is_none()
    }
}
