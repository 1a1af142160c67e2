//! The timeouts of connections: one sweep over all connections ten times a second, instead of a timer per request.
//!
//! Each connection has an [`Activity`]: a few atomics with the times at which it became idle, began to receive a head, or
//! could no longer send, and how many bytes it has sent. The [`ActivityMonitor`] compares them with the timeouts at each tick,
//! and sends a [`CloseRequest`] to a connection that exceeds one. A timeout may therefore take effect one tick late, and a
//! request costs no timer.
//!
//! A client is slow if it does not take the bytes of a response at the lowest [pace](super::pace). In HTTP/1 that is measured
//! while the socket accepts no bytes. In HTTP/2 it is also measured for each stream, while a piece of its response waits for
//! the client's window; but not while the socket accepts no bytes, because then the link is what all streams wait for.
//!
//! A connection lingers if a request was refused that its client is still sending: the bytes are read and discarded, because
//! the system resets a connection that is closed with unread bytes, and a reset may overtake the response.

use std::collections::HashMap;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::server::access_log::AccessLine;
use crate::server::clients::ClientAccount;
use crate::server::pace::Pace;
use crate::server::settings::Timeouts;
use crate::service::lock::lock;

/// The time between two sweeps.
const TICK: Duration = Duration::from_millis(100);

/// The time between two looks whether a client has left that has sent bytes which are not read yet, in milliseconds.
const LOOK: u64 = 500;

/// How long the bytes are discarded that a client still sends after its request was refused.
const LINGER: Duration = Duration::from_secs(30);
/// The same once the connection has to close, because the server stops.
const LAST_LINGER: Duration = Duration::from_secs(1);
/// By how much such a client may be behind the lowest pace.
const LINGER_PAUSE: Duration = Duration::from_secs(2);

/// All open connections.
#[derive(Debug)]
pub(super) struct ActivityMonitor {
    timeouts: Mutex<Timeouts>,
    clock: Arc<Clock>,
    open: Mutex<HashMap<u64, Entry>>,
    last: AtomicU64,
    closed: Notify,
}

/// An open connection.
#[derive(Debug)]
struct Entry {
    activity: Arc<Activity>,
    client: Arc<ClientAccount>,
}

/// The time of the last tick, in milliseconds since the server began; never 0, which means "not now".
#[derive(Debug)]
struct Clock(AtomicU64);

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    clock: Arc<Clock>,
    /// Whether there has been a request.
    has_served: AtomicBool,
    /// How many requests are being served.
    requests: AtomicU32,
    /// Since when there is no request; 0 while there is one.
    idle: AtomicU64,
    /// Since when a request head has been arriving; 0 while none is.
    head: AtomicU64,
    /// Whether the socket accepts no bytes although some wait to be sent.
    blocked: AtomicBool,
    /// How fast the client takes the bytes of all responses together.
    pace: Pace,
    /// Whether this is HTTP/2, where not all bytes belong to requests, and where each stream waits by itself.
    multiplexed: AtomicBool,
    streams: Mutex<Vec<Weak<Stream>>>,
    /// Whether the target of the request whose head is arriving has a fragment.
    fragment: AtomicBool,
    /// Whether bytes have arrived that are not read while a request is served: a client that leaves does not wake the task.
    unread: AtomicBool,
    /// Whether the request that is served ends when the client closes its side of the connection.
    ends_on_half_close: AtomicBool,
    /// Whether the first bytes of the connection are those of a TLS handshake.
    tls: AtomicBool,
    /// Whether the first bytes of the connection are those of HTTP/2.
    http2: AtomicBool,
    /// Whether the request that was answered last has a body of which the rest is not read.
    unread_body: AtomicBool,
    /// Since when the bytes are discarded that a client still sends behind the last response; 0 before.
    lingering: AtomicU64,
    /// Whether there is a line in `unflushed`.
    has_unflushed: AtomicBool,
    /// The access line of a response whose last bytes are not written to the socket yet.
    unflushed: Mutex<Option<Box<AccessLine>>>,
    /// The last [`CloseRequest`], as a number.
    close_request: AtomicU8,
    /// Wakes the connection's task at a close request.
    waker: OnceLock<Waker>,
}

/// The body of one HTTP/2 response.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Whether its last piece waits for the client's window, and the next piece is not being made.
    waiting: AtomicBool,
    /// How fast the client takes its pieces.
    pace: Pace,
}

/// Whether a connection has to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CloseRequest {
    /// It may stay open.
    None = 0,
    /// The server stops: it has to close as soon as no request is being served, but one that has just been opened may wait
    /// for its first request.
    Drain = 1,
    /// It has to close as soon as no request is being served.
    Finish = 2,
    /// It has to close at once.
    Cut = 3,
}

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
pub(super) struct ActivityGuard {
    monitor: Arc<ActivityMonitor>,
    key: u64,
    pub(super) activity: Arc<Activity>,
}

impl ActivityMonitor {
    pub(super) fn new(timeouts: Timeouts) -> Arc<ActivityMonitor> {
        let clock = Arc::new(Clock(AtomicU64::new(1)));
        Arc::new(ActivityMonitor {
            timeouts: Mutex::new(timeouts),
            clock,
            open: Mutex::default(),
            last: AtomicU64::new(0),
            closed: Notify::new(),
        })
    }

    /// Adds a connection.
    pub(super) fn enter(self: &Arc<ActivityMonitor>, client: &Arc<ClientAccount>) -> ActivityGuard {
        let activity = Arc::new(Activity {
            clock: self.clock.clone(),
            has_served: AtomicBool::new(false),
            requests: AtomicU32::new(0),
            idle: AtomicU64::new(self.clock.now()),
            head: AtomicU64::new(0),
            blocked: AtomicBool::new(false),
            pace: Pace::default(),
            multiplexed: AtomicBool::new(false),
            streams: Mutex::default(),
            fragment: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            ends_on_half_close: AtomicBool::new(false),
            tls: AtomicBool::new(false),
            http2: AtomicBool::new(false),
            unread_body: AtomicBool::new(false),
            lingering: AtomicU64::new(0),
            has_unflushed: AtomicBool::new(false),
            unflushed: Mutex::default(),
            close_request: AtomicU8::new(CloseRequest::None as u8),
            waker: OnceLock::new(),
        });
        let key = self.last.fetch_add(1, Relaxed);
        lock(&self.open).insert(key, Entry { activity: activity.clone(), client: client.clone() });
        ActivityGuard { monitor: self.clone(), key, activity }
    }

    /// Changes the timeouts, also those of connections that are open.
    pub(super) fn set_timeouts(&self, timeouts: Timeouts) {
        *lock(&self.timeouts) = timeouts;
    }

    /// Checks the timeouts of all connections at each tick. Never returns.
    pub(super) async fn sweep(&self) {
        let begun = Instant::now();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
            let since_last = now - self.clock.0.swap(now, Relaxed).min(now);
            let looks = now / LOOK > (now - since_last) / LOOK;
            let timeouts = *lock(&self.timeouts);
            for Entry { activity, .. } in lock(&self.open).values() {
                activity.check(now, since_last, &timeouts);
                if looks && activity.unread.swap(false, Relaxed) {
                    activity.wake();
                }
            }
        }
    }

    /// Requests all connections to close.
    pub(super) fn request_close(&self, request: CloseRequest) {
        for Entry { activity, .. } in lock(&self.open).values() {
            activity.request_close(request);
        }
    }

    /// Requests the connection to close that has been idle for the longest time, of one client or of all. Returns whether
    /// there was one.
    pub(super) fn close_longest_idle(&self, client: Option<&Arc<ClientAccount>>) -> bool {
        let open = lock(&self.open);
        let idle = open.iter().filter_map(|(key, entry)| {
            let of_client = client.is_none_or(|client| Arc::ptr_eq(client, &entry.client));
            (of_client && !entry.activity.has_to_close()).then_some(())?;
            let since = entry.activity.idle.load(Relaxed);
            (since != 0).then_some((since, *key))
        });
        let Some(longest) = idle.min().and_then(|(_, key)| open.get(&key)) else { return false };
        longest.activity.request_close(CloseRequest::Finish);
        true
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
        lock(&self.open).len()
    }
}

impl Drop for ActivityGuard {
    fn drop(&mut self) {
        let mut open = lock(&self.monitor.open);
        open.remove(&self.key);
        if open.is_empty() {
            self.monitor.closed.notify_waiters();
        }
    }
}

impl Clock {
    fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Activity {
    /// Notes that a request head has been received. The request is being served until [`end`](Activity::end).
    pub(super) fn begin(&self, multiplexed: bool) {
        self.has_served.store(true, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        self.idle.store(0, Relaxed);
        self.head.store(0, Relaxed);
        self.multiplexed.store(multiplexed, Relaxed);
        // What holds for one request only.
        for flag in [&self.unread_body, &self.ends_on_half_close] {
            if flag.load(Relaxed) {
                flag.store(false, Relaxed);
            }
        }
    }

    /// Whether there has been no request yet.
    pub(super) fn is_fresh(&self) -> bool {
        !self.has_served.load(Relaxed)
    }

    /// Notes that a request has ended.
    pub(super) fn end(&self) {
        if self.requests.fetch_sub(1, Relaxed) == 1 {
            self.idle.store(self.clock.now(), Relaxed);
        }
    }

    /// Whether a request is being served and the connection is not HTTP/2, whose streams the client can reset.
    pub(super) fn is_serving(&self) -> bool {
        self.requests.load(Relaxed) > 0 && !self.is_multiplexed()
    }

    /// Notes that bytes were received. Returns whether they begin the head of a request.
    pub(super) fn received(&self) -> bool {
        let begins = self.requests.load(Relaxed) == 0 && self.head.load(Relaxed) == 0;
        if begins {
            self.head.store(self.clock.now(), Relaxed);
        }
        begins && !self.is_multiplexed()
    }

    /// Whether the head of a request has begun to arrive, and not ended.
    pub(super) fn is_head_arriving(&self) -> bool {
        self.head.load(Relaxed) != 0
    }

    /// Notes that the connection cannot notice by itself that its client has left. Its task is woken at the next look.
    pub(super) fn note_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// Notes that the request that is served ends when the client closes its side of the connection.
    pub(super) fn note_ends_on_half_close(&self) {
        self.ends_on_half_close.store(true, Relaxed);
    }

    /// Whether the request that is served ends when the client closes its side of the connection.
    pub(super) fn ends_on_half_close(&self) -> bool {
        self.ends_on_half_close.load(Relaxed)
    }

    /// Notes that the target of the request whose head is arriving has a fragment.
    pub(super) fn note_fragment(&self) {
        self.fragment.store(true, Relaxed);
    }

    /// Whether the target of the request whose head has just arrived has a fragment.
    pub(super) fn take_fragment(&self) -> bool {
        self.fragment.load(Relaxed) && self.fragment.swap(false, Relaxed)
    }

    /// Notes that the connection begins like one of TLS.
    pub(super) fn note_tls(&self) {
        self.tls.store(true, Relaxed);
    }

    /// Whether the connection began like one of TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.tls.load(Relaxed)
    }

    /// Notes that the connection begins like one of HTTP/2.
    pub(super) fn note_http2(&self) {
        self.http2.store(true, Relaxed);
    }

    /// Whether the connection began like one of HTTP/2, and has had no request.
    pub(super) fn is_http2_without_request(&self) -> bool {
        self.http2.load(Relaxed) && self.is_fresh()
    }

    /// Notes that the rest of a request's body will not be read.
    pub(super) fn note_unread_body(&self) {
        self.unread_body.store(true, Relaxed);
    }

    /// Begins to linger, if the client may still be sending a request that has been refused. Returns whether it is so. The
    /// sweep then limits the time.
    pub(super) fn begin_to_linger(&self) -> bool {
        let refused = self.unread_body.load(Relaxed) || self.is_head_arriving();
        // A connection of HTTP/2 that breaks the rules has been told so before.
        let is_http2 = self.is_multiplexed() || self.http2.load(Relaxed);
        let lingers = refused && !is_http2 && !self.has_to_finish();
        if lingers {
            self.blocked.store(false, Relaxed);
            self.lingering.store(self.clock.now(), Relaxed);
        }
        lingers
    }

    /// Notes that bytes were discarded which the client has sent behind the last response.
    pub(super) fn discarded(&self, bytes: usize) {
        self.pace.moved(bytes);
    }

    /// Whether the connection has to close as soon as no request is being served.
    pub(super) fn has_to_finish(&self) -> bool {
        self.close_request.load(SeqCst) >= CloseRequest::Finish as u8
    }

    /// Keeps an access line until the response has been written to the socket. Returns the line that was kept before, whose
    /// response precedes this one.
    pub(super) fn keep_line(&self, line: Box<AccessLine>) -> Option<Box<AccessLine>> {
        self.has_unflushed.store(true, Relaxed);
        lock(&self.unflushed).replace(line)
    }

    /// The access line that waits for its response to be written.
    pub(super) fn take_line(&self) -> Option<Box<AccessLine>> {
        if !self.has_unflushed.load(Relaxed) {
            return None;
        }
        self.has_unflushed.store(false, Relaxed);
        lock(&self.unflushed).take()
    }

    /// Whether the server closes the connection without waiting for its requests.
    pub(super) fn is_cut(&self) -> bool {
        self.close_request.load(SeqCst) == CloseRequest::Cut as u8
    }

    /// Notes that the socket accepted bytes.
    pub(super) fn sent(&self, bytes: usize) {
        self.pace.moved(bytes);
        if self.blocked.load(Relaxed) {
            self.blocked.store(false, Relaxed);
        }
    }

    /// Notes that the socket accepted no bytes although some wait to be sent.
    pub(super) fn blocked(&self) {
        self.blocked.store(true, Relaxed);
    }

    /// Whether a request has shown that the connection is HTTP/2.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.multiplexed.load(Relaxed)
    }

    /// Adds the body of an HTTP/2 response, whose pace the sweep then checks.
    pub(super) fn stream(&self) -> Arc<Stream> {
        let stream = Arc::<Stream>::default();
        let mut streams = lock(&self.streams);
        streams.retain(|stream| stream.strong_count() > 0);
        streams.push(Arc::downgrade(&stream));
        stream
    }

    /// Ready when there is a request beyond `seen`. Only the connection's own task may call it, because only the first
    /// waker is kept: it is called at each poll, and the waker of a task stays the same.
    pub(super) fn poll_close_request(&self, cx: &Context<'_>, seen: CloseRequest) -> Poll<CloseRequest> {
        self.waker.get_or_init(|| cx.waker().clone());
        match self.close_request.load(SeqCst) {
            request if request <= seen as u8 => Poll::Pending,
            request if request == CloseRequest::Drain as u8 => Poll::Ready(CloseRequest::Drain),
            request if request == CloseRequest::Finish as u8 => Poll::Ready(CloseRequest::Finish),
            _ => Poll::Ready(CloseRequest::Cut),
        }
    }

    fn has_to_close(&self) -> bool {
        self.close_request.load(SeqCst) != CloseRequest::None as u8
    }

    fn request_close(&self, request: CloseRequest) {
        let is_new = self.close_request.fetch_max(request as u8, SeqCst) < request as u8;
        if is_new {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    fn check(&self, now: u64, since_last: u64, timeouts: &Timeouts) {
        let over =
            |since: u64, limit: Duration| since != 0 && u128::from(now.saturating_sub(since)) > limit.as_millis();
        let slow_reader = self.has_slow_reader(since_last, timeouts);
        let slow_head = over(self.head.load(Relaxed), timeouts.header) && !self.is_multiplexed();
        // An idle connection closes when it is requested to finish. One that does not is cut after the write timeout.
        let idle = self.idle.load(Relaxed);
        let long_idle = over(idle, timeouts.idle + timeouts.write);
        let linger = if self.has_to_close() { LAST_LINGER } else { LINGER };
        let long_lingering = over(self.lingering.load(Relaxed), linger);
        if slow_reader || slow_head || long_idle || long_lingering {
            self.request_close(CloseRequest::Cut);
        } else if over(idle, timeouts.idle) {
            self.request_close(CloseRequest::Finish);
        }
    }

    /// Whether the client takes bytes below the lowest pace, those of one stream or those of the connection. A client whose
    /// bytes are discarded has to send them at that pace.
    fn has_slow_reader(&self, since_last: u64, timeouts: &Timeouts) -> bool {
        let (rate, limit) = (timeouts.min_rate, timeouts.write);
        let waited = |waits: bool| if waits { since_last } else { 0 };
        let is_blocked = self.blocked.load(Relaxed);
        if self.lingering.load(Relaxed) != 0 {
            return self.pace.is_below(rate, LINGER_PAUSE.min(limit), since_last);
        }
        let is_slow = self.pace.is_below(rate, limit, waited(is_blocked));
        is_slow
            || (self.is_multiplexed()
                && lock(&self.streams).iter().filter_map(Weak::upgrade).any(|stream| {
                    let waits = stream.waiting.load(Relaxed) && !is_blocked;
                    stream.pace.is_below(rate, limit, waited(waits))
                }))
    }
}

impl Stream {
    /// Notes that a piece was given to the connection, which polls for the next when the client's window allows it.
    pub(super) fn piece_sent(&self, bytes: usize) {
        self.pace.moved(bytes);
        self.waiting.store(true, Relaxed);
    }

    /// Notes that the next piece is not ready yet, so the client is not the one that is late.
    pub(super) fn piece_pending(&self) {
        self.waiting.store(false, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection that lingers, and after how many ticks it is cut when its client sends this many bytes in each.
    fn lingers(bytes: usize, closing: Option<CloseRequest>) -> u64 {
        let guard = ActivityMonitor::new(Timeouts::default()).enter(&Arc::default());
        let activity = &guard.activity;
        activity.begin(false);
        activity.note_unread_body();
        activity.end();
        if let Some(request) = closing {
            activity.request_close(request);
        }
        assert!(activity.begin_to_linger());
        let ticks = (1..1000).find(|tick| {
            activity.discarded(bytes);
            activity.check(1 + tick * 100, 100, &Timeouts::default());
            activity.is_cut()
        });
        ticks.unwrap()
    }

    #[test]
    fn a_connection_lingers_for_a_bounded_time_at_the_lowest_pace() {
        assert_eq!(lingers(50, None), 301, "500 bytes a second for 30 seconds");
        assert_eq!(lingers(0, None), 21, "nothing for 2 seconds");
        assert_eq!(lingers(25, None), 41, "half of the pace");
        assert_eq!(lingers(50, Some(CloseRequest::Drain)), 11, "a second when the server stops");
    }

    #[test]
    fn only_a_refused_request_makes_a_connection_linger() {
        let monitor = ActivityMonitor::new(Timeouts::default());
        let connection = || monitor.enter(&Arc::default());
        let one = connection();
        one.activity.note_unread_body();
        // The rest of the body has been read, and another request has come.
        one.activity.begin(false);
        one.activity.end();
        assert!(!one.activity.begin_to_linger());
        let head = connection();
        head.activity.received();
        assert!(head.activity.begin_to_linger(), "the head is refused");
        let multiplexed = connection();
        multiplexed.activity.begin(true);
        multiplexed.activity.note_unread_body();
        assert!(!multiplexed.activity.begin_to_linger());
        let http2 = connection();
        http2.activity.received();
        http2.activity.note_http2();
        assert!(!http2.activity.begin_to_linger(), "it has no request yet");
        let closing = connection();
        closing.activity.note_unread_body();
        closing.activity.request_close(CloseRequest::Finish);
        assert!(!closing.activity.begin_to_linger(), "its place is needed");
    }

    #[test]
    fn a_connection_that_lingers_makes_room_for_others() {
        let monitor = ActivityMonitor::new(Timeouts::default());
        let guard = monitor.enter(&Arc::default());
        guard.activity.begin(false);
        guard.activity.note_unread_body();
        guard.activity.end();
        assert!(guard.activity.begin_to_linger());
        assert!(monitor.close_longest_idle(None) && guard.activity.has_to_finish());
    }
}
