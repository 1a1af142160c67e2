//! Calls of one request that travel to an upstream in one request.
//!
//! A protocol that has several calls in one request creates a [`Batch`] and begins the first call with it. A service
//! that can send several calls at once adds the call to the batch ([`Batch::join`]) and returns the future that this
//! gives. If it does, the protocol begins all other calls with the same batch too, then [closes](Batch::close) it. The
//! first of the futures that is polled sends the request; all of them become ready when its response has come.
//!
//! Each call remains a call of its own: a layer sees it, may refuse it, and may wait before it lets it go on.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use tokio::sync::OnceCell;

use crate::model::fault::Fault;
use crate::service::args::ArgValues;
use crate::service::counters::Seen;
use crate::service::future::MaybeReady;
use crate::service::lock::lock;
use crate::service::{CallFuture, Encode, Output};

/// The results of the calls of a batch, in the order in which they joined.
pub type BatchFuture = MaybeReady<Vec<Result<Box<dyn Encode>, Fault>>>;

/// A call of a batch, with its arguments read.
#[derive(Debug)]
pub struct BatchCall {
    /// The name of the method.
    pub method: String,
    /// The arguments.
    pub arguments: ArgValues,
    /// When its result is of no use any more.
    pub deadline: Option<Instant>,
}

/// The calls of one request that travel together. Costs nothing until a call joins.
#[derive(Debug, Default)]
pub struct Batch {
    shared: OnceLock<Arc<Shared>>,
    /// Which limiters have admitted the batch; by the address of the limiter's permits.
    admissions: Mutex<Vec<(usize, Arc<OnceCell<()>>)>>,
    /// Whether it has been counted.
    counted: Seen,
}

#[derive(Debug)]
struct Shared {
    /// Identifies the service that sends the calls.
    sender: usize,
    state: Mutex<State>,
    wakers: Mutex<Vec<Waker>>,
}

type Send = Box<dyn FnOnce(Vec<BatchCall>) -> BatchFuture + std::marker::Send>;

enum State {
    /// Calls may still join.
    Open(Vec<BatchCall>, Send),
    /// No call joins any more; the request has not been sent.
    Closed(Vec<BatchCall>, Send),
    Sent(BatchFuture),
    Done(Vec<Option<Result<Box<dyn Encode>, Fault>>>),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            State::Open(..) => "Open",
            State::Closed(..) => "Closed",
            State::Sent(_) => "Sent",
            State::Done(_) => "Done",
        })
    }
}

impl Batch {
    /// Whether this is asked for the first time, to count the batch once.
    pub(crate) fn is_new(&self) -> bool {
        self.counted.is_first()
    }

    /// Adds a call. `send` makes the request for all calls; that of the first call is used. `None` if the batch is
    /// closed, or is that of another `sender`: then the call has to be made alone.
    pub fn join(
        &self,
        sender: usize,
        call: BatchCall,
        send: impl FnOnce(Vec<BatchCall>) -> BatchFuture + std::marker::Send + 'static,
    ) -> Option<CallFuture> {
        let shared = self.shared.get_or_init(|| {
            let state = Mutex::new(State::Open(Vec::new(), Box::new(send)));
            Arc::new(Shared { sender, state, wakers: Mutex::default() })
        });
        let place = match &mut *lock(&shared.state) {
            State::Open(calls, _) if shared.sender == sender => {
                calls.push(call);
                calls.len() - 1
            }
            _ => return None,
        };
        let joined = Joined { shared: shared.clone(), place };
        Some(MaybeReady::later(async move { joined.await.map(Output::One) }))
    }

    /// How many calls have joined and are not sent yet.
    pub fn len(&self) -> usize {
        self.shared.get().map_or(0, |shared| match &*lock(&shared.state) {
            State::Open(calls, _) | State::Closed(calls, _) => calls.len(),
            State::Sent(_) | State::Done(_) => 0,
        })
    }

    /// Whether no call has joined.
    pub fn is_empty(&self) -> bool {
        self.shared.get().is_none()
    }

    /// Lets the request be sent: no call joins any more.
    pub fn close(&self) {
        if let Some(shared) = self.shared.get() {
            let mut state = lock(&shared.state);
            if let State::Open(calls, send) = std::mem::replace(&mut *state, State::Done(Vec::new())) {
                *state = State::Closed(calls, send);
            }
            drop(state);
            shared.wake_all();
        }
    }

    /// The cell that is set once a limit has admitted one of the calls that have joined. One permit is enough for the
    /// request in which all of them travel.
    pub(crate) fn admission(&self, limit: usize) -> Arc<OnceCell<()>> {
        let mut admissions = lock(&self.admissions);
        if let Some((_, cell)) = admissions.iter().find(|(key, _)| *key == limit) {
            return cell.clone();
        }
        let cell = Arc::new(OnceCell::new());
        admissions.push((limit, cell.clone()));
        cell
    }
}

impl Shared {
    fn wake_all(&self) {
        let wakers = std::mem::take(&mut *lock(&self.wakers));
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// The request is polled with a waker that wakes every call that waits for it: the call that polled it last may be
/// dropped, and the others must go on.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}

/// The result of one call of a batch.
struct Joined {
    shared: Arc<Shared>,
    place: usize,
}

impl Future for Joined {
    type Output = Result<Box<dyn Encode>, Fault>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = &self.shared;
        // Before the state is looked at, so that no change of it is missed.
        let mut wakers = lock(&shared.wakers);
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        drop(wakers);
        let mut state = lock(&shared.state);
        if let State::Closed(calls, _) = &mut *state {
            let calls = std::mem::take(calls);
            if let State::Closed(_, send) = std::mem::replace(&mut *state, State::Done(Vec::new())) {
                *state = State::Sent(send(calls));
            }
        }
        if let State::Sent(request) = &mut *state {
            let waker = Waker::from(shared.clone());
            let Poll::Ready(results) = Pin::new(request).poll(&mut Context::from_waker(&waker)) else {
                return Poll::Pending;
            };
            *state = State::Done(results.into_iter().map(Some).collect());
            shared.wake_all();
        }
        match &mut *state {
            State::Done(results) => {
                let result = results.get_mut(self.place).and_then(Option::take);
                Poll::Ready(result.unwrap_or_else(|| Err(Fault::internal())))
            }
            _ => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn call(number: i64) -> BatchCall {
        BatchCall { method: format!("m{number}"), arguments: ArgValues::default(), deadline: None }
    }

    fn echo(count: &Arc<AtomicUsize>) -> impl FnOnce(Vec<BatchCall>) -> BatchFuture + std::marker::Send + 'static {
        let count = count.clone();
        move |calls| {
            MaybeReady::later(async move {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                calls.into_iter().map(|call| Ok(Box::new(call.method) as Box<dyn Encode>)).collect()
            })
        }
    }

    async fn text(future: CallFuture) -> String {
        let value = future.await.unwrap().into_value(crate::model::value::SizeBudget::new(100)).await.unwrap();
        serde_json::to_string(&value).unwrap()
    }

    #[tokio::test]
    async fn all_calls_travel_in_one_request_and_each_has_its_own_result() {
        let (batch, sent) = (Batch::default(), Arc::new(AtomicUsize::new(0)));
        assert!(batch.is_empty());
        let first = batch.join(1, call(1), echo(&sent)).unwrap();
        let second = batch.join(1, call(2), echo(&sent)).unwrap();
        assert!(batch.join(2, call(3), echo(&sent)).is_none(), "another sender");
        assert_eq!(batch.len(), 2);
        let mut waiting = tokio::spawn(text(second));
        tokio::task::yield_now().await;
        assert_eq!(sent.load(Ordering::Relaxed), 0, "nothing is sent before the batch is closed");
        batch.close();
        assert!(batch.join(1, call(3), echo(&sent)).is_none(), "too late");
        assert_eq!((&mut waiting).await.unwrap(), "\"m2\"");
        assert_eq!((text(first).await.as_str(), sent.load(Ordering::Relaxed)), ("\"m1\"", 1));
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_does_not_stop_the_others() {
        let (batch, sent) = (Batch::default(), Arc::new(AtomicUsize::new(0)));
        let first = batch.join(1, call(1), echo(&sent)).unwrap();
        let mut second = Box::pin(batch.join(1, call(2), echo(&sent)).unwrap());
        batch.close();
        let first = tokio::spawn(text(first));
        tokio::task::yield_now().await;
        // The second call polls the request last, and is dropped.
        let polled = std::future::poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_ready())).await;
        drop(second);
        assert_eq!((polled || first.await.unwrap() == "\"m1\"", sent.load(Ordering::Relaxed)), (true, 1));
    }
}
