//! What is decided about every call of a group, one by one: how many may run, and for how long.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fault::{Fault, Kind};
use crate::interface::Interface;
use crate::relay::Written;
use crate::service::{Answer, Call, Pending, Relayed, Relaying, Service};
use crate::wait::{Soon, within};

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
        let (running, deadline) = (&self.running, self.deadline);
        match self.inner.call(call) {
            Soon::Now(Some(Ok(Answer::Many(rows)))) => {
                let place = Place::of(running);
                Soon::later(async move { Ok(Answer::Many(rows.holding(place.free(deadline).await?))) })
            }
            now @ Soon::Now(_) => now,
            Soon::Later(pending) => {
                let place = Place::of(running);
                Soon::later(async move {
                    let place = place.free(deadline).await?;
                    match within(deadline, pending).await.ok_or_else(|| late(deadline))?? {
                        Answer::Many(rows) => Ok(Answer::Many(rows.holding(place))),
                        one @ Answer::One(_) => Ok(one),
                    }
                })
            }
        }
    }

    fn relay(&self, call: Call<'_>, written: Written<'_>) -> Option<Relaying> {
        let relaying = self.inner.relay(call, written)?;
        let (deadline, place) = (self.deadline, Place::of(&self.running));
        Some(Soon::later(async move {
            let place = place.free(deadline).await?;
            match within(deadline, relaying).await.ok_or_else(|| late(deadline))?? {
                Relayed::Passed(passed) => Ok(Relayed::Passed(passed.holding(place))),
                Relayed::Read(Answer::Many(rows)) => Ok(Relayed::Read(Answer::Many(rows.holding(place)))),
                one @ Relayed::Read(Answer::One(_)) => Ok(one),
            }
        }))
    }
}

/// A place among the running calls.
enum Place {
    /// There was one, as there mostly is.
    Taken(OwnedSemaphorePermit),
    /// There was none.
    Wanted(Arc<Semaphore>),
}

impl Place {
    fn of(running: &Arc<Semaphore>) -> Place {
        running.clone().try_acquire_owned().map_or_else(|_| Place::Wanted(running.clone()), Place::Taken)
    }

    /// The place, as soon as there is one.
    async fn free(self, deadline: Duration) -> Result<OwnedSemaphorePermit, Fault> {
        match self {
            Place::Taken(place) => Ok(place),
            // Seldom, and large: not in every call's future.
            Place::Wanted(running) => {
                let place = Box::pin(within(deadline, running.acquire_owned())).await;
                place.and_then(Result::ok).ok_or_else(busy)
            }
        }
    }
}

fn busy() -> Fault {
    Fault::new(Kind::Busy, "too many calls are running; try again later")
}

fn late(deadline: Duration) -> Fault {
    Fault::new(Kind::Late, format!("no answer within {deadline:?}"))
}
