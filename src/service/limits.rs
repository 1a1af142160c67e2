//! What is decided about every call of a group, one by one: how many may run, and for how long.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::fault::{Fault, Kind};
use crate::model::interface::Interface;
use crate::service::future::{MaybeReady, with_timeout};
use crate::service::passthrough::{RawCall, RawFormat};
use crate::service::{BatchFuture, Call, CallFuture, Output, RawFuture, RawOutcome, RpcService};

/// A service of which only so many calls run at a time, and none for longer than its deadline.
///
/// A call that is answered at once has been answered before anything could be limited: of those there are never more
/// than threads. A call that goes on, or whose rows are still to be made, waits for its place at most until its
/// deadline, and keeps it until it is done or the last row is out.
pub struct Limiter {
    inner: Arc<dyn RpcService>,
    running: Arc<Semaphore>,
    deadline: Duration,
}

impl Limiter {
    /// Limits a service to `concurrent` calls at a time and each call to `deadline`, waiting included.
    pub fn new(inner: Arc<dyn RpcService>, concurrent: usize, deadline: Duration) -> Limiter {
        Limiter { inner, running: Arc::new(Semaphore::new(concurrent.min(Semaphore::MAX_PERMITS))), deadline }
    }
}

impl RpcService for Limiter {
    fn interface(&self) -> &Interface {
        self.inner.interface()
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        let (running, deadline) = (self.running.clone(), self.deadline);
        match self.inner.call(call) {
            MaybeReady::Now(Some(Ok(Output::Many(rows)))) => {
                MaybeReady::later(async move { Ok(Output::Many(rows.holding(place(running, deadline).await?))) })
            }
            now @ MaybeReady::Now(_) => now,
            MaybeReady::Later(pending) => MaybeReady::later(async move {
                let place = place(running, deadline).await?;
                match with_timeout(deadline, pending).await.ok_or_else(|| late(deadline))?? {
                    Output::Many(rows) => Ok(Output::Many(rows.holding(place))),
                    one @ Output::One(_) => Ok(one),
                }
            }),
        }
    }

    fn has_undescribed_methods(&self) -> bool {
        self.inner.has_undescribed_methods()
    }

    fn supports_batching(&self) -> bool {
        self.inner.supports_batching()
    }

    /// Each call takes a place as far as places are free; only for the first is waited, so that a large batch does not have
    /// everybody else wait until there is room for all of it.
    fn call_batch(&self, calls: &[Call<'_>]) -> Option<BatchFuture> {
        let together = self.inner.call_batch(calls)?;
        let (running, deadline, count) = (self.running.clone(), self.deadline, calls.len());
        Some(MaybeReady::later(async move {
            let answers = match place(running.clone(), deadline).await {
                Ok(mut in_flight_limit) => {
                    take_free(&mut in_flight_limit, &running, count.saturating_sub(1));
                    with_timeout(deadline, together).await.ok_or_else(|| late(deadline))
                }
                Err(busy) => Err(busy),
            };
            answers.unwrap_or_else(|fault| (0..count).map(|_| Err(fault.clone())).collect())
        }))
    }

    fn method_of_raw(&self, wire: RawFormat<'_>) -> Option<&str> {
        self.inner.method_of_raw(wire)
    }

    fn call_raw(&self, call: Call<'_>, written: RawCall<'_>) -> Option<RawFuture> {
        let relaying = self.inner.call_raw(call, written)?;
        let (running, deadline) = (self.running.clone(), self.deadline);
        Some(MaybeReady::later(async move {
            let place = place(running, deadline).await?;
            match with_timeout(deadline, relaying).await.ok_or_else(|| late(deadline))?? {
                RawOutcome::RawResponse(passed) => Ok(RawOutcome::RawResponse(passed.holding(place))),
                RawOutcome::Read(Output::Many(rows)) => Ok(RawOutcome::Read(Output::Many(rows.holding(place)))),
                one @ RawOutcome::Read(Output::One(_)) => Ok(one),
            }
        }))
    }
}

/// A place among the running calls, as soon as there is one. Nobody takes one before his call is waited for: a call that
/// is made of others, and waits for its own place, would keep theirs from everybody.
async fn place(running: Arc<Semaphore>, deadline: Duration) -> Result<OwnedSemaphorePermit, Fault> {
    if let Ok(place) = running.clone().try_acquire_owned() {
        return Ok(place);
    }
    // Seldom, and large: not in every call's future.
    let place = Box::pin(with_timeout(deadline, running.acquire_owned())).await;
    place.and_then(Result::ok).ok_or_else(busy)
}

/// Takes as many places more as are free, up to a number.
fn take_free(in_flight_limit: &mut OwnedSemaphorePermit, running: &Arc<Semaphore>, most: usize) {
    let free = u32::try_from(most.min(running.available_permits())).unwrap_or(u32::MAX);
    if let Ok(more) = running.clone().try_acquire_many_owned(free) {
        in_flight_limit.merge(more);
    }
}

fn busy() -> Fault {
    Fault::new(Kind::Busy, "too many calls are running; try again later")
}

fn late(deadline: Duration) -> Fault {
    Fault::new(Kind::Late, format!("no answer within {deadline:?}"))
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;
    use crate::service::Context;
    use crate::service::args::Args;
    use crate::service::local::Local;

    const LONG: Duration = Duration::from_secs(60);

    /// A service that is made of another, and ends when it is let go.
    struct Made {
        part: Arc<dyn RpcService>,
        go: Arc<Notify>,
    }

    impl RpcService for Made {
        fn interface(&self) -> &Interface {
            self.part.interface()
        }

        fn call(&self, call: Call<'_>) -> CallFuture {
            let (part, go) = (self.part.call(call), self.go.clone());
            MaybeReady::later(async move {
                let answer = part.await;
                go.notified().await;
                answer
            })
        }
    }

    #[tokio::test]
    async fn a_call_that_waits_for_its_place_keeps_none_of_what_it_is_made_of() {
        let slow = Local::new("Slow", ()).method_async("ask", |_, (): ()| tokio::task::yield_now()).build().unwrap();
        let part: Arc<dyn RpcService> = Arc::new(Limiter::new(Arc::new(slow), 1, LONG));
        let go = Arc::new(Notify::new());
        let made = Limiter::new(Arc::new(Made { part: part.clone(), go: go.clone() }), 1, LONG);
        let context = Context::default();
        let call = Call { method: "ask", args: Args::None, context: &context };
        let in_turn = async |count: usize| {
            for _ in 0..count {
                assert!(part.call(call).await.is_ok());
            }
        };
        let first = tokio::spawn(made.call(call));
        // It comes to its place, and is done with its part.
        tokio::task::yield_now().await;
        in_turn(1).await;
        // This one waits, and what it is made of is free for others.
        let second = tokio::spawn(made.call(call));
        tokio::task::yield_now().await;
        tokio::time::timeout(LONG / 2, in_turn(10)).await.unwrap();
        go.notify_one();
        assert!(first.await.unwrap().is_ok());
        go.notify_one();
        assert!(second.await.unwrap().is_ok());
    }
}
