//! Running calls, and how a notification cancels them. Clients of the revisions with a handshake send `notifications/cancelled` in an
//! HTTP request of its own. Two clients may use the same request id, so a call is found by the session id and the request id together.
//! Nothing else depends on a session: every server accepts requests with any session id. Only the server that runs a call can cancel it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderValue};
use tokio::sync::Notify;

pub(super) use crate::protocol::mcp::headers::SESSION;
use crate::protocol::mcp::request_id::id_key;
use crate::service::lock::lock;

/// The longest session id that is accepted, in bytes. Those of [`new_session`] have half of that.
const LONGEST_SESSION: usize = 64;

/// An unpredictable session id, for the response to a handshake.
pub(super) fn new_session() -> HeaderValue {
    let text = format!("{:032x}", rand::random::<u128>());
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The calls that can be cancelled.
#[derive(Default)]
pub(super) struct RunningCalls(Mutex<HashMap<CallKey, Arc<Notify>>>);

/// The session id, and the [key](id_key) of the request's `id`.
type CallKey = (Box<[u8]>, Box<str>);

/// A call in [`RunningCalls`]. Dropping it removes the call from the list.
pub(super) struct RunningCall {
    calls: Arc<RunningCalls>,
    key: CallKey,
    cancelled: Arc<Notify>,
}

impl RunningCalls {
    /// Lists the call of a request with this `id` as running; `None` if the request has no session id, and so cannot be cancelled.
    pub(super) fn begin(self: &Arc<RunningCalls>, headers: &HeaderMap, id: &str) -> Option<RunningCall> {
        let (key, cancelled) = (call_key(headers, id)?, Arc::new(Notify::new()));
        lock(&self.0).insert(key.clone(), cancelled.clone());
        Some(RunningCall { calls: self.clone(), key, cancelled })
    }

    /// Cancels the call of the request with this `id` in the session of the notification, if it runs here.
    pub(super) fn cancel(&self, headers: &HeaderMap, id: &str) {
        let Some(key) = call_key(headers, id) else { return };
        if let Some(cancelled) = lock(&self.0).get(&key) {
            cancelled.notify_one();
        }
    }
}

fn call_key(headers: &HeaderMap, id: &str) -> Option<CallKey> {
    let session = headers.get(SESSION)?.as_bytes();
    (1..=LONGEST_SESSION).contains(&session.len()).then(|| (session.into(), id_key(id)))
}

impl RunningCall {
    /// Waits until the call is cancelled.
    pub(super) async fn cancelled(&self) {
        self.cancelled.notified().await;
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        let mut calls = lock(&self.calls.0);
        // A client that uses an id twice at the same time can cancel only the later call.
        if calls.get(&self.key).is_some_and(|listed| Arc::ptr_eq(listed, &self.cancelled)) {
            calls.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    fn of_session(session: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(SESSION, HeaderValue::from_static(session))])
    }

    async fn is_cancelled(call: &RunningCall) -> bool {
        let mut cancelled = pin!(call.cancelled());
        poll_fn(|cx| Poll::Ready(cancelled.as_mut().poll(cx).is_ready())).await
    }

    #[tokio::test]
    async fn only_the_call_of_the_same_session_and_id_is_cancelled() {
        let calls = Arc::new(RunningCalls::default());
        let begin = |session, id| calls.begin(&of_session(session), id).unwrap();
        let (a7, a8, b7) = (begin("a", "7"), begin("a", "8"), begin("b", "7"));
        calls.cancel(&of_session("a"), "7");
        calls.cancel(&HeaderMap::new(), "8");
        assert!(is_cancelled(&a7).await && !is_cancelled(&a8).await && !is_cancelled(&b7).await);
        drop((a7, a8));
        calls.cancel(&of_session("a"), "8");
        assert_eq!(lock(&calls.0).len(), 1);
        let again = begin("b", "7");
        drop(b7);
        calls.cancel(&of_session("b"), "7");
        assert!(is_cancelled(&again).await);
        drop(again);
        assert!(lock(&calls.0).is_empty());
        assert!(calls.begin(&HeaderMap::new(), "7").is_none() && calls.begin(&of_session(""), "7").is_none());
    }

    #[test]
    fn sessions_differ_and_can_be_looked_up() {
        let (one, other) = (new_session(), new_session());
        assert!(one != other && (1..=LONGEST_SESSION).contains(&one.len()));
    }
}
