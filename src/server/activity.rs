//! The timeouts of connections: one sweep over all of them a few times a second, instead of timers per request.
//!
//! A connection notes what it does in a few atomics; the sweep compares them with the timeouts and tells the
//! connection to close. So a deadline may come late by one tick, and a request costs no timer.

use std::collections::HashMap;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::server::settings::Timeouts;

/// How often the sweep comes by.
const TICK: Duration = Duration::from_millis(100);

/// All open connections.
#[derive(Debug)]
pub(super) struct ActivityMonitor {
    timeouts: Timeouts,
    clock: Arc<Clock>,
    open: Mutex<HashMap<u64, Arc<Activity>>>,
    last: AtomicU64,
    closed: Notify,
}

/// The time of the last tick, in milliseconds since the server began; never 0, which stands for "not now".
#[derive(Debug)]
struct Clock(AtomicU64);

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    clock: Arc<Clock>,
    /// Requests that are being answered.
    requests: AtomicU32,
    /// Since when there is none; 0 while there is one.
    idle: AtomicU64,
    /// Since when a head has been arriving; 0 while none is.
    head: AtomicU64,
    /// Since when the socket has taken nothing of what waits for it; 0 while it takes what comes.
    stuck: AtomicU64,
    /// Whether this is HTTP/2, whose bytes are not all requests and whose streams stall one by one.
    multiplexed: AtomicBool,
    streams: Mutex<Vec<Weak<Stream>>>,
    order: AtomicU8,
    /// Wakes the connection's task for an order.
    waker: OnceLock<Waker>,
}

/// The body of one HTTP/2 response: since when its last piece has been waiting for the client's window.
#[derive(Debug)]
pub(super) struct Stream {
    clock: Arc<Clock>,
    handed: AtomicU64,
}

/// What a connection is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CloseRequest {
    /// Nothing.
    Go = 0,
    /// To close as soon as nothing is being answered.
    Finish = 1,
    /// To close at once.
    Cut = 2,
}

/// A connection's place among the open ones, given up when dropped.
#[derive(Debug)]
pub(super) struct Entry {
    watch: Arc<ActivityMonitor>,
    key: u64,
    pub(super) pulse: Arc<Activity>,
}

impl ActivityMonitor {
    pub(super) fn new(timeouts: Timeouts) -> Arc<ActivityMonitor> {
        let clock = Arc::new(Clock(AtomicU64::new(1)));
        Arc::new(ActivityMonitor {
            timeouts,
            clock,
            open: Mutex::default(),
            last: AtomicU64::new(0),
            closed: Notify::new(),
        })
    }

    /// Adds a connection.
    pub(super) fn enter(self: &Arc<ActivityMonitor>) -> Entry {
        let pulse = Arc::new(Activity {
            clock: self.clock.clone(),
            requests: AtomicU32::new(0),
            idle: AtomicU64::new(self.clock.now()),
            head: AtomicU64::new(0),
            stuck: AtomicU64::new(0),
            multiplexed: AtomicBool::new(false),
            streams: Mutex::default(),
            order: AtomicU8::new(CloseRequest::Go as u8),
            waker: OnceLock::new(),
        });
        let key = self.last.fetch_add(1, Relaxed);
        locked(&self.open).insert(key, pulse.clone());
        Entry { watch: self.clone(), key, pulse }
    }

    /// Sweeps for ever.
    pub(super) async fn sweep(&self) {
        let begun = Instant::now();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
            self.clock.0.store(now, Relaxed);
            for pulse in locked(&self.open).values() {
                pulse.check(now, &self.timeouts);
            }
        }
    }

    /// Gives all connections an order.
    pub(super) fn order(&self, order: CloseRequest) {
        for pulse in locked(&self.open).values() {
            pulse.order(order);
        }
    }

    /// Waits until no connection is open.
    pub(super) async fn empty(&self) {
        loop {
            let closed = self.closed.notified();
            if self.open() == 0 {
                return;
            }
            closed.await;
        }
    }

    /// How many connections are open.
    pub(super) fn open(&self) -> usize {
        locked(&self.open).len()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = locked(&self.watch.open);
        open.remove(&self.key);
        if open.is_empty() {
            self.watch.closed.notify_waiters();
        }
    }
}

impl Clock {
    fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Activity {
    /// A request's head is in; it is being answered until [`end`](Activity::end).
    pub(super) fn begin(&self, multiplexed: bool) {
        self.requests.fetch_add(1, Relaxed);
        self.idle.store(0, Relaxed);
        self.head.store(0, Relaxed);
        self.multiplexed.store(multiplexed, Relaxed);
    }

    /// A request has been answered, or will not be.
    pub(super) fn end(&self) {
        if self.requests.fetch_sub(1, Relaxed) == 1 {
            self.idle.store(self.clock.now(), Relaxed);
        }
    }

    /// Bytes came in.
    pub(super) fn received(&self) {
        if self.requests.load(Relaxed) == 0 && self.head.load(Relaxed) == 0 {
            self.head.store(self.clock.now(), Relaxed);
        }
    }

    /// The socket took bytes.
    pub(super) fn sent(&self) {
        if self.stuck.load(Relaxed) != 0 {
            self.stuck.store(0, Relaxed);
        }
    }

    /// The socket took nothing, though something waits for it.
    pub(super) fn blocked(&self) {
        if self.stuck.load(Relaxed) == 0 {
            self.stuck.store(self.clock.now(), Relaxed);
        }
    }

    /// Whether the connection has shown itself to be HTTP/2.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.multiplexed.load(Relaxed)
    }

    /// Watches over the body of an HTTP/2 response.
    pub(super) fn stream(&self) -> Arc<Stream> {
        let stream = Arc::new(Stream { clock: self.clock.clone(), handed: AtomicU64::new(0) });
        let mut streams = locked(&self.streams);
        streams.retain(|stream| stream.strong_count() > 0);
        streams.push(Arc::downgrade(&stream));
        stream
    }

    /// The next order beyond the one given already. Only the connection's own task may ask, since only the first
    /// waker is kept: asking is part of every poll, and a task's waker stays the same.
    pub(super) fn poll_order(&self, cx: &Context<'_>, given: CloseRequest) -> Poll<CloseRequest> {
        self.waker.get_or_init(|| cx.waker().clone());
        match self.order.load(SeqCst) {
            order if order <= given as u8 => Poll::Pending,
            order if order == CloseRequest::Finish as u8 => Poll::Ready(CloseRequest::Finish),
            _ => Poll::Ready(CloseRequest::Cut),
        }
    }

    fn order(&self, order: CloseRequest) {
        let news = self.order.fetch_max(order as u8, SeqCst) < order as u8;
        if let Some(waker) = self.waker.get().filter(|_| news) {
            waker.wake_by_ref();
        }
    }

    fn check(&self, now: u64, timeouts: &Timeouts) {
        let over =
            |since: u64, limit: Duration| since != 0 && u128::from(now.saturating_sub(since)) > limit.as_millis();
        let stuck = over(self.stuck.load(Relaxed), timeouts.write) || self.has_stalled_stream(now, timeouts.write);
        let slow = over(self.head.load(Relaxed), timeouts.header) && !self.is_multiplexed();
        // An idle HTTP/1 connection closes when told to finish; what does not is cut a write deadline later.
        let idle = self.idle.load(Relaxed);
        let long_idle = over(idle, timeouts.idle + timeouts.write);
        if stuck || slow || long_idle {
            self.order(CloseRequest::Cut);
        } else if over(idle, timeouts.idle) {
            self.order(CloseRequest::Finish);
        }
    }

    fn has_stalled_stream(&self, now: u64, limit: Duration) -> bool {
        self.is_multiplexed()
            && locked(&self.streams).iter().filter_map(Weak::upgrade).any(|stream| {
                let handed = stream.handed.load(Relaxed);
                handed != 0 && u128::from(now.saturating_sub(handed)) > limit.as_millis()
            })
    }
}

impl Stream {
    /// A piece was handed to the connection, which will ask for the next when the client has room.
    pub(super) fn handed(&self) {
        self.handed.store(self.clock.now(), Relaxed);
    }

    /// The next piece is being made: it is not the client that is late.
    pub(super) fn waiting(&self) {
        self.handed.store(0, Relaxed);
    }
}

/// What the mutex holds; nothing that panics runs under these locks, so they cannot be poisoned.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
