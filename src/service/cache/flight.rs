//! Calls that run once for all who make the same call meanwhile.
//!
//! A flight is driven by those who wait for it: whichever of them is polled polls the call. So a caller that leaves does not
//! end the call as long as another waits, and a call for which nobody waits any more is dropped.

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

/// How a flight has ended, for all who wait for it.
#[derive(Debug, Clone)]
pub(super) enum Landed {
    /// With an answer that all of them can have.
    Answer(Arc<Entry>),
    /// With a fault.
    Fault(Fault),
    /// With a result for one of them only: it is too large to be kept.
    Apart,
}

/// The end of a flight, and the result as it came, for one of those who wait.
pub(super) struct Landing {
    pub(super) landed: Landed,
    pub(super) own: Option<Output>,
}

/// The call of a flight.
pub(super) type FlightFuture = Pin<Box<dyn Future<Output = Landing> + Send>>;

/// The flights by the keys of their calls.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<CallKey, Weak<Flight>>>);

/// A call that several callers wait for.
pub(super) struct Flight {
    key: CallKey,
    flights: Arc<Flights>,
    state: Mutex<State>,
    wakers: Mutex<Vec<Waker>>,
}

enum State {
    Flying(FlightFuture),
    Landed(Landing),
}

impl Flights {
    /// The flight of equal calls, if there is one.
    pub(super) fn find(&self, key: &CallKey) -> Option<Arc<Flight>> {
        lock(&self.0).get(key)?.upgrade()
    }

    /// Begins a flight, unless there is one of equal calls.
    ///
    /// # Errors
    /// That other flight, and what would have begun this one.
    pub(super) fn begin<T>(
        self: &Arc<Flights>,
        key: &CallKey,
        call: T,
        begin: impl FnOnce(T) -> FlightFuture,
    ) -> Result<Arc<Flight>, (Arc<Flight>, T)> {
        let mut flights = lock(&self.0);
        if let Some(other) = flights.get(key).and_then(Weak::upgrade) {
            return Err((other, call));
        }
        let state = Mutex::new(State::Flying(begin(call)));
        let flight = Arc::new(Flight { key: key.clone(), flights: self.clone(), state, wakers: Mutex::default() });
        flights.insert(key.clone(), Arc::downgrade(&flight));
        Ok(flight)
    }

    /// How many flights there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }

    fn remove(&self, flight: &Flight) {
        let mut flights = lock(&self.0);
        // A newer flight may have taken its place.
        if flights.get(&flight.key).is_some_and(|other| std::ptr::eq(other.as_ptr(), flight)) {
            flights.remove(&flight.key);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.remove(self);
    }
}

impl Flight {
    fn wake_all(&self) {
        let wakers = std::mem::take(&mut *lock(&self.wakers));
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// The call is polled with a waker that wakes all who wait for it: the one who polled it last may be gone.
struct FlightWaker(Weak<Flight>);

impl Wake for FlightWaker {
    fn wake(self: Arc<Self>) {
        if let Some(flight) = self.0.upgrade() {
            flight.wake_all();
        }
    }
}

/// Waits for the end of a flight.
pub(super) struct Waiting(pub(super) Arc<Flight>);

impl Future for Waiting {
    /// The end, and the result as it came if no other has taken it.
    type Output = Landing;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Landing> {
        let flight = &self.0;
        // Before the state is looked at, so that no change of it is missed.
        let mut wakers = lock(&flight.wakers);
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        drop(wakers);
        let mut state = lock(&flight.state);
        if let State::Flying(call) = &mut *state {
            let waker = Waker::from(Arc::new(FlightWaker(Arc::downgrade(flight))));
            let Poll::Ready(landing) = call.as_mut().poll(&mut Context::from_waker(&waker)) else {
                return Poll::Pending;
            };
            *state = State::Landed(landing);
            flight.flights.remove(flight);
            flight.wake_all();
        }
        match &mut *state {
            State::Landed(Landing { landed, own }) => Poll::Ready(Landing { landed: landed.clone(), own: own.take() }),
            State::Flying(_) => Poll::Pending,
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

    /// A call that ends with a fault when it is told to, and counts itself.
    fn call(begun: &Arc<AtomicUsize>, end: &Arc<Notify>) -> impl FnOnce(()) -> FlightFuture + use<> {
        let (begun, end) = (begun.clone(), end.clone());
        move |()| {
            Box::pin(async move {
                begun.fetch_add(1, SeqCst);
                end.notified().await;
                Landing { landed: Landed::Fault(Fault::internal()), own: None }
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
        let (flights, begun, end) = (Arc::new(Flights::default()), Arc::default(), Arc::new(Notify::new()));
        let first = flights.begin(&key("a"), (), call(&begun, &end)).ok().unwrap();
        let Err((second, ())) = flights.begin(&key("a"), (), call(&begun, &end)) else { panic!("a second flight") };
        assert!(Arc::ptr_eq(&first, &second) && flights.find(&key("b")).is_none());
        let first = tokio::spawn(Waiting(first));
        let second = tokio::spawn(Waiting(second));
        turn().await;
        first.abort();
        turn().await;
        end.notify_one();
        assert!(matches!(second.await.unwrap().landed, Landed::Fault(_)));
        assert_eq!((begun.load(SeqCst), flights.len()), (1, 0));
    }

    #[tokio::test]
    async fn a_call_for_which_nobody_waits_is_dropped_and_can_begin_anew() {
        let (flights, begun, end) = (Arc::new(Flights::default()), Arc::default(), Arc::new(Notify::new()));
        for turns in 1..4 {
            let flight = tokio::spawn(Waiting(flights.begin(&key("a"), (), call(&begun, &end)).ok().unwrap()));
            turn().await;
            assert_eq!(flights.len(), 1);
            flight.abort();
            turn().await;
            assert_eq!((begun.load(SeqCst), flights.len()), (turns, 0));
        }
    }

    #[tokio::test]
    async fn a_thousand_callers_share_one_call() {
        let (flights, begun, end) = (Arc::new(Flights::default()), Arc::default(), Arc::new(Notify::new()));
        let flight = flights.begin(&key("a"), (), call(&begun, &end)).ok().unwrap();
        let waiting: Vec<_> = (0..1000).map(|_| tokio::spawn(Waiting(flight.clone()))).collect();
        drop(flight);
        turn().await;
        end.notify_one();
        for one in waiting {
            assert!(matches!(one.await.unwrap().landed, Landed::Fault(_)));
        }
        assert_eq!((begun.load(SeqCst), flights.len()), (1, 0));
    }
}
