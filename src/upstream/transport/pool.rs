//! Idle connections to one server, kept by each thread for itself.
//!
//! A ready-made pool, such as that of hyper-util, hands out connections that a task of their own drives. Here the task that
//! sends a request drives its HTTP/1.1 connection, so a connection belongs to exactly one request or to this pool, and
//! nothing but this pool knows of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use thread_local::ThreadLocal;
use tokio::time::Instant;

use super::Repeat;
use super::http1::Http1Connection;
use super::http2::Http2Connection;

/// The part of its time after which a connection is not taken for a request that must not be sent again.
const SAFE_PART: f32 = 0.8;

/// The connections to one server, of all threads.
pub(super) struct Pool {
    threads: ThreadLocal<ThreadPool>,
    idle: Duration,
    /// How long a connection may have been idle that is taken for a request which must not be sent again.
    safe_idle: Duration,
    max_idle: usize,
    /// Whether the server has negotiated HTTP/1.1 on the last new connection: then calls need not wait for each other's
    /// connections.
    negotiated_http1: AtomicBool,
}

/// The connections of one thread. The locks are all but uncontended: other threads come in only when a task has moved from
/// one thread to another, or when connections expire.
#[derive(Clone)]
pub(super) struct ThreadPool(Arc<ThreadConnections>);

struct ThreadConnections {
    idle: Mutex<IdleConnections>,
    /// Held by the call that opens a connection which may turn out to be HTTP/2, so that others can share it.
    opening: tokio::sync::Mutex<()>,
}

struct IdleConnections {
    /// The most recently used connection is at the end.
    http1: VecDeque<(Instant, Http1Connection)>,
    /// It may be in use, and is idle for no longer than since this time.
    http2: Option<(Instant, Http2Connection)>,
    /// Whether a task runs that closes expired connections.
    has_reaper: bool,
    idle: Duration,
    max_idle: usize,
}

/// A connection that was opened for an earlier request.
pub(super) enum PooledConnection {
    Http1(Http1Connection),
    Http2(Http2Connection),
}

impl Pool {
    pub(super) fn new(idle: Duration, max_idle: usize) -> Pool {
        let safe_idle = idle.mul_f32(SAFE_PART);
        Pool { threads: ThreadLocal::new(), idle, safe_idle, max_idle, negotiated_http1: AtomicBool::new(false) }
    }

    /// The connections of this thread.
    pub(super) fn own(&self) -> &ThreadPool {
        self.threads.get_or(|| ThreadPool::new(self.idle, self.max_idle))
    }

    /// Takes an idle connection that is still ready, the most recently used first.
    ///
    /// A server may close a connection just when a request is sent over it, and nobody knows then whether it has received that.
    /// A request that must not be sent again therefore gets no connection that has almost reached its time.
    pub(super) async fn take(&self, repeat: Repeat) -> Option<PooledConnection> {
        if let Some(shared) = self.own().shared() {
            return Some(PooledConnection::Http2(shared));
        }
        loop {
            let (since, mut connection) = self.own().lock().take(repeat, self.safe_idle)?;
            if since.elapsed() < self.idle && connection.is_ready().await {
                return Some(PooledConnection::Http1(connection));
            }
        }
    }

    /// Closes the idle connection of any thread that was not used for the longest time in that thread. Returns whether there was one.
    pub(super) fn close_idle(&self) -> bool {
        self.threads.iter().any(|thread| {
            let idle = thread.lock().http1.pop_front();
            // Dropped outside the lock: this closes a socket.
            idle.is_some()
        })
    }

    pub(super) fn negotiated_http1(&self) -> bool {
        self.negotiated_http1.load(Relaxed)
    }

    pub(super) fn set_negotiated_http1(&self, http1: bool) {
        self.negotiated_http1.store(http1, Relaxed);
    }
}

impl ThreadPool {
    fn new(idle: Duration, max_idle: usize) -> ThreadPool {
        let idle =
            Mutex::new(IdleConnections { http1: VecDeque::new(), http2: None, has_reaper: false, idle, max_idle });
        ThreadPool(Arc::new(ThreadConnections { idle, opening: tokio::sync::Mutex::new(()) }))
    }

    /// Puts back a connection whose last response has been read. If there are too many, the least recently used is closed.
    pub(super) fn put(&self, connection: Http1Connection) {
        let surplus = self.update(|idle| {
            idle.http1.push_back((Instant::now(), connection));
            if idle.http1.len() > idle.max_idle { idle.http1.pop_front() } else { None }
        });
        // Dropped outside the lock: this closes a socket.
        drop(surplus);
    }

    /// Shares a connection with all requests of this thread.
    pub(super) fn share(&self, connection: &Http2Connection) {
        let replaced = self.update(|idle| idle.http2.replace((Instant::now(), connection.clone())));
        drop(replaced);
    }

    /// The shared connection, if there is one that takes requests.
    pub(super) fn shared(&self) -> Option<Http2Connection> {
        let mut idle = self.lock();
        match &mut idle.http2 {
            Some((since, connection)) if connection.is_ready() => {
                *since = Instant::now();
                Some(connection.clone())
            }
            _ => {
                idle.http2 = None;
                None
            }
        }
    }

    /// Waits until no other request of this thread is opening a connection. The connections that it opened are then in
    /// the pool: look there first once the guard is held.
    pub(super) async fn opening(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.opening.lock().await
    }

    fn lock(&self) -> MutexGuard<'_, IdleConnections> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is in the pool, and starts the task that closes expired connections if none runs.
    fn update<T>(&self, change: impl FnOnce(&mut IdleConnections) -> T) -> T {
        let mut idle = self.lock();
        let result = change(&mut idle);
        if !std::mem::replace(&mut idle.has_reaper, true) {
            tokio::spawn(reap(Arc::downgrade(&self.0), idle.idle));
        }
        result
    }
}

/// Closes expired connections until none is left. It holds the pool weakly, so that it does not outlive it.
async fn reap(connections: Weak<ThreadConnections>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(pool) = connections.upgrade().map(ThreadPool) else { return };
        let mut idle = pool.lock();
        let expired = idle.remove_expired();
        idle.has_reaper = !idle.is_empty();
        let goes_on = idle.has_reaper;
        drop(idle);
        drop(expired);
        if !goes_on {
            return;
        }
    }
}

impl IdleConnections {
    /// The connection that was used last. It stays if it has been idle for too long for such a request.
    fn take(&mut self, repeat: Repeat, safe_idle: Duration) -> Option<(Instant, Http1Connection)> {
        let is_too_old = |(since, _): &(Instant, _)| since.elapsed() >= safe_idle;
        if repeat == Repeat::Unsent && self.http1.back().is_some_and(is_too_old) {
            return None;
        }
        self.http1.pop_back()
    }

    fn remove_expired(&mut self) -> (Vec<Http1Connection>, Option<Http2Connection>) {
        let idle = self.idle;
        let count = self.http1.iter().take_while(|(since, _)| since.elapsed() >= idle).count();
        let http1 = self.http1.drain(..count).map(|(_, connection)| connection).collect();
        let http2 = self.http2.take_if(|(since, _)| since.elapsed() >= idle);
        (http1, http2.map(|(_, connection)| connection))
    }

    fn is_empty(&self) -> bool {
        self.http1.is_empty() && self.http2.is_none()
    }
}
