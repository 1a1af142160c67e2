//! What is decided about every call of a group, one by one: how many may run, and for how long.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::fault::{Fault, Kind};
use crate::model::interface::Interface;
use crate::service::future::{Soon, within};
use crate::service::passthrough::{Wire, Written};
use crate::service::{Answer, Call, Pending, Relayed, Relaying, Service, Together};

/// A service of which only so many calls run at a time, and none for longer than its deadline.
///
/// A call that is answered at once has been answered before anything could be limited: of those there are never more
/// than threads. A call that goes on, or whose rows are still to be made, waits for its place at most until its
/// deadline, and keeps it until it is done or the last row is out.
pub struct Limited {
    inner: Arc<dyn Service>,
    running: Arc<Semaphore>,
    deadline: Duration,
}

impl Limited {
    /// Limits a service to `concurrent` calls at a time and each call to `deadline`, waiting included.
    pub fn new(inner: Arc<dyn Service>, concurrent: usize, deadline: Duration) -> Limited {
        Limited { inner, running: Arc::new(Semaphore::new(concurrent.min(Semaphore::MAX_PERMITS))), deadline }
    }
}

impl Service for Limited {
    fn interface(&self) -> &Interface {
        self.inner.interface()
    }

    fn call(&self, call: Call<'_>) -> Pending {
        let (running, deadline) = (self.running.clone(), self.deadline);
        match self.inner.call(call) {
            Soon::Now(Some(Ok(Answer::Many(rows)))) => {
                Soon::later(async move { Ok(Answer::Many(rows.holding(place(running, deadline).await?))) })
            }
            now @ Soon::Now(_) => now,
            Soon::Later(pending) => Soon::later(async move {
                let place = place(running, deadline).await?;
                match within(deadline, pending).await.ok_or_else(|| late(deadline))?? {
                    Answer::Many(rows) => Ok(Answer::Many(rows.holding(place))),
                    one @ Answer::One(_) => Ok(one),
                }
            }),
        }
    }

    fn may_have_more(&self) -> bool {
        self.inner.may_have_more()
    }

    fn takes_several(&self) -> bool {
        self.inner.takes_several()
    }

    /// Each call takes a place as far as places are free; only for the first is waited, so that a large batch does not have
    /// everybody else wait until there is room for all of it.
    fn call_together(&self, calls: &[Call<'_>]) -> Option<Together> {
        let together = self.inner.call_together(calls)?;
        let (running, deadline, count) = (self.running.clone(), self.deadline, calls.len());
        Some(Soon::later(async move {
            let answers = match place(running.clone(), deadline).await {
                Ok(mut places) => {
                    take_free(&mut places, &running, count.saturating_sub(1));
                    within(deadline, together).await.ok_or_else(|| late(deadline))
                }
                Err(busy) => Err(busy),
            };
            answers.unwrap_or_else(|fault| (0..count).map(|_| Err(fault.clone())).collect())
        }))
    }

    fn method_of(&self, wire: Wire<'_>) -> Option<&str> {
        self.inner.method_of(wire)
    }

    fn relay(&self, call: Call<'_>, written: Written<'_>) -> Option<Relaying> {
        let relaying = self.inner.relay(call, written)?;
        let (running, deadline) = (self.running.clone(), self.deadline);
        Some(Soon::later(async move {
            let place = place(running, deadline).await?;
            match within(deadline, relaying).await.ok_or_else(|| late(deadline))?? {
                Relayed::Passed(passed) => Ok(Relayed::Passed(passed.holding(place))),
                Relayed::Read(Answer::Many(rows)) => Ok(Relayed::Read(Answer::Many(rows.holding(place)))),
                one @ Relayed::Read(Answer::One(_)) => Ok(one),
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
    let place = Box::pin(within(deadline, running.acquire_owned())).await;
    place.and_then(Result::ok).ok_or_else(busy)
}

/// Takes as many places more as are free, up to a number.
fn take_free(places: &mut OwnedSemaphorePermit, running: &Arc<Semaphore>, most: usize) {
    let free = u32::try_from(most.min(running.available_permits())).unwrap_or(u32::MAX);
    if let Ok(more) = running.clone().try_acquire_many_owned(free) {
        places.merge(more);
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
        part: Arc<dyn Service>,
        go: Arc<Notify>,
    }

    impl Service for Made {
        fn interface(&self) -> &Interface {
            self.part.interface()
        }

        fn call(&self, call: Call<'_>) -> Pending {
            let (part, go) = (self.part.call(call), self.go.clone());
            Soon::later(async move {
                let answer = part.await;
                go.notified().await;
                answer
            })
        }
    }

    #[tokio::test]
    async fn a_call_that_waits_for_its_place_keeps_none_of_what_it_is_made_of() {
        let slow = Local::new("Slow", ()).method_async("ask", |_, (): ()| tokio::task::yield_now()).build().unwrap();
        let part: Arc<dyn Service> = Arc::new(Limited::new(Arc::new(slow), 1, LONG));
        let go = Arc::new(Notify::new());
        let made = Limited::new(Arc::new(Made { part: part.clone(), go: go.clone() }), 1, LONG);
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
