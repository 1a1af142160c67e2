//! Calls that run once for all callers who make an equal call meanwhile.
//!
//! A shared call is driven by those who wait for it: whichever of them is polled polls the call. So a caller that leaves does not
//! end the call as long as another waits, and a call that has lost all of its callers is dropped.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};

use super::entry::Entry;
use super::key::CallKey;
use crate::model::fault::Fault;
use crate::service::Output;
use crate::service::lock::lock;

/// How a shared call has ended, for all who wait for it.
#[derive(Debug, Clone)]
pub(super) enum SharedResult {
    /// With an answer that all of them can have.
    Answer(Arc<Entry>),
    /// With a fault.
    Fault(Box<Fault>),
    /// With a result for one of them only: it is too large to be kept.
    NotShared,
}

impl SharedResult {
    /// The answer that all can have, if there is one.
    pub(super) fn answer(&self) -> Option<&Arc<Entry>> {
        match self {
            SharedResult::Answer(entry) => Some(entry),
            SharedResult::Fault(_) | SharedResult::NotShared => None,
        }
    }
}

/// The end of a shared call, and the result as the upstream returned it, for the first caller that takes it.
pub(super) struct FinishedCall {
    pub(super) result: SharedResult,
    pub(super) original: Option<Output>,
}

/// The future of a shared call.
pub(super) type SharedCallFuture = Pin<Box<dyn Future<Output = FinishedCall> + Send>>;

/// The shared calls that run, by the keys of their calls.
#[derive(Default)]
pub(super) struct SharedCalls(Mutex<HashMap<CallKey, Weak<SharedCall>>>);

/// A call that several callers wait for.
pub(super) struct SharedCall {
    key: CallKey,
    shared_calls: Arc<SharedCalls>,
    state: Mutex<State>,
    wakers: Mutex<Vec<Waker>>,
}

enum State {
    Running(SharedCallFuture),
    Ended(FinishedCall),
}

impl SharedCalls {
    /// The shared call of equal calls, if there is one.
    pub(super) fn find(&self, key: &CallKey) -> Option<Arc<SharedCall>> {
        lock(&self.0).get(key)?.upgrade()
    }

    /// Begins a shared call, unless there is one of equal calls.
    ///
    /// # Errors
    /// That other shared call, and what would have begun this one.
    pub(super) fn begin<T>(
        self: &Arc<SharedCalls>,
        key: &CallKey,
        call: T,
        begin: impl FnOnce(T) -> SharedCallFuture,
    ) -> Result<Arc<SharedCall>, (Arc<SharedCall>, T)> {
        let mut shared_calls = lock(&self.0);
        if let Some(other) = shared_calls.get(key).and_then(Weak::upgrade) {
            return Err((other, call));
        }
        let state = Mutex::new(State::Running(begin(call)));
        let shared =
            Arc::new(SharedCall { key: key.clone(), shared_calls: self.clone(), state, wakers: Mutex::default() });
        shared_calls.insert(key.clone(), Arc::downgrade(&shared));
        Ok(shared)
    }

    /// How many shared calls run.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }

    fn remove(&self, shared: &SharedCall) {
        let mut shared_calls = lock(&self.0);
        // A newer shared call may have taken its place.
        if shared_calls.get(&shared.key).is_some_and(|other| std::ptr::eq(other.as_ptr(), shared)) {
            shared_calls.remove(&shared.key);
        }
    }
}

impl Drop for SharedCall {
    fn drop(&mut self) {
        self.shared_calls.remove(self);
    }
}

impl SharedCall {
    fn wake_all(&self) {
        let wakers = std::mem::take(&mut *lock(&self.wakers));
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// The call is polled with a waker that wakes all who wait for it: the one who polled it last may be gone.
struct SharedCallWaker(Weak<SharedCall>);

impl Wake for SharedCallWaker {
    fn wake(self: Arc<Self>) {
        if let Some(shared) = self.0.upgrade() {
            shared.wake_all();
        }
    }
}

/// Waits for the end of a shared call.
pub(super) struct Waiting(pub(super) Arc<SharedCall>);

impl Future for Waiting {
    /// The end, and the result as it came if no other has taken it.
    type Output = FinishedCall;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<FinishedCall> {
        let shared = &self.0;
        // Before the state is looked at, so that no change of it is missed.
        let mut wakers = lock(&shared.wakers);
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        drop(wakers);
        let mut state = lock(&shared.state);
        if let State::Running(call) = &mut *state {
            let waker = Waker::from(Arc::new(SharedCallWaker(Arc::downgrade(shared))));
            let Poll::Ready(end) = call.as_mut().poll(&mut Context::from_waker(&waker)) else {
                return Poll::Pending;
            };
            *state = State::Ended(end);
            shared.shared_calls.remove(shared);
            shared.wake_all();
        }
        match &mut *state {
            State::Ended(FinishedCall { result, original }) => {
                Poll::Ready(FinishedCall { result: result.clone(), original: original.take() })
            }
            State::Running(_) => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use tokio::sync::Notify;

    use super::*;

    fn key(text: &str) -> CallKey {
        CallKey(text.as_bytes().into())
    }

    /// A call that fails once the test has notified it. `begun` counts such calls.
    fn call(begun: &Arc<AtomicUsize>, end: &Arc<Notify>) -> impl FnOnce(()) -> SharedCallFuture + use<> {
        let (begun, end) = (begun.clone(), end.clone());
        move |()| {
            Box::pin(async move {
                begun.fetch_add(1, SeqCst);
                end.notified().await;
                FinishedCall { result: SharedResult::Fault(Box::new(Fault::internal())), original: None }
            })
        }
    }

    async fn turn() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_call_goes_on_as_long_as_anyone_waits() {
        let (shared_calls, begun, end) = (Arc::new(SharedCalls::default()), Arc::default(), Arc::new(Notify::new()));
        let first = shared_calls.begin(&key("a"), (), call(&begun, &end)).ok().unwrap();
        let Err((second, ())) = shared_calls.begin(&key("a"), (), call(&begun, &end)) else {
            panic!("a second shared call")
        };
        assert!(Arc::ptr_eq(&first, &second) && shared_calls.find(&key("b")).is_none());
        let first = tokio::spawn(Waiting(first));
        let second = tokio::spawn(Waiting(second));
        turn().await;
        first.abort();
        turn().await;
        end.notify_one();
        assert!(matches!(second.await.unwrap().result, SharedResult::Fault(_)));
        assert_eq!((begun.load(SeqCst), shared_calls.len()), (1, 0));
    }

    #[tokio::test]
    async fn a_call_for_which_nobody_waits_is_dropped_and_can_begin_anew() {
        let (shared_calls, begun, end) = (Arc::new(SharedCalls::default()), Arc::default(), Arc::new(Notify::new()));
        for turns in 1..4 {
            let shared = tokio::spawn(Waiting(shared_calls.begin(&key("a"), (), call(&begun, &end)).ok().unwrap()));
            turn().await;
            assert_eq!(shared_calls.len(), 1);
            shared.abort();
            turn().await;
            assert_eq!((begun.load(SeqCst), shared_calls.len()), (turns, 0));
        }
    }

    #[tokio::test]
    async fn a_thousand_callers_share_one_call() {
        let (shared_calls, begun, end) = (Arc::new(SharedCalls::default()), Arc::default(), Arc::new(Notify::new()));
        let shared = shared_calls.begin(&key("a"), (), call(&begun, &end)).ok().unwrap();
        let waiting: Vec<_> = (0..1000).map(|_| tokio::spawn(Waiting(shared.clone()))).collect();
        drop(shared);
        turn().await;
        end.notify_one();
        for one in waiting {
            assert!(matches!(one.await.unwrap().result, SharedResult::Fault(_)));
        }
        assert_eq!((begun.load(SeqCst), shared_calls.len()), (1, 0));
    }
}
