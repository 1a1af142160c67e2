//! What is decided about every call of a group, one by one: how many may run, and for how long.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fault::{Fault, Kind};
use crate::interface::Interface;
use crate::relay::Written;
use crate::service::{Answer, Call, Pending, Relayed, Relaying, Service, Together};
use crate::wait::{Soon, within};

/// A service of which only so many calls run at a time, and none for longer than its deadline.
///
/// A call that is answered at once has been answered before anything could be limited: of those there are never more
/// than threads. A call that goes on, or whose rows are still to be made, waits for its place at most until its
/// deadline, and keeps it until it is done or the last row is out.
pub struct Limited {
    inner: Arc<dyn Service>,
    running: Arc<Semaphore>,
    /// How many may run at a time.
    most: usize,
    deadline: Duration,
}

impl Limited {
    /// Limits a service to `concurrent` calls at a time and each call to `deadline`, waiting included.
    pub fn new(inner: Arc<dyn Service>, concurrent: usize, deadline: Duration) -> Limited {
        let most = concurrent.min(Semaphore::MAX_PERMITS);
        Limited { inner, running: Arc::new(Semaphore::new(most)), most, deadline }
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
                let place = Place::of(running, 1);
                Soon::later(async move { Ok(Answer::Many(rows.holding(place.free(deadline).await?))) })
            }
            now @ Soon::Now(_) => now,
            Soon::Later(pending) => {
                let place = Place::of(running, 1);
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

    fn takes_several(&self) -> bool {
        self.inner.takes_several()
    }

    /// Each call takes a place, as far as there are so many.
    fn call_together(&self, calls: &[Call<'_>]) -> Option<Together> {
        let together = self.inner.call_together(calls)?;
        let (deadline, count) = (self.deadline, calls.len());
        let places = Place::of(&self.running, u32::try_from(count.min(self.most)).unwrap_or(u32::MAX));
        Some(Soon::later(async move {
            let answers = match places.free(deadline).await {
                Ok(_places) => within(deadline, together).await.ok_or_else(|| late(deadline)),
                Err(busy) => Err(busy),
            };
            answers.unwrap_or_else(|fault| (0..count).map(|_| Err(fault.clone())).collect())
        }))
    }

    fn relay(&self, call: Call<'_>, written: Written<'_>) -> Option<Relaying> {
        let relaying = self.inner.relay(call, written)?;
        let (deadline, place) = (self.deadline, Place::of(&self.running, 1));
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

/// Places among the running calls.
enum Place {
    /// They were there, as they mostly are.
    Taken(OwnedSemaphorePermit),
    /// So many were not.
    Wanted(Arc<Semaphore>, u32),
}

impl Place {
    fn of(running: &Arc<Semaphore>, count: u32) -> Place {
        let taken = running.clone().try_acquire_many_owned(count);
        taken.map_or_else(|_| Place::Wanted(running.clone(), count), Place::Taken)
    }

    /// The places, as soon as they are free.
    async fn free(self, deadline: Duration) -> Result<OwnedSemaphorePermit, Fault> {
        match self {
            Place::Taken(place) => Ok(place),
            // Seldom, and large: not in every call's future.
            Place::Wanted(running, count) => {
                let place = Box::pin(within(deadline, running.acquire_many_owned(count))).await;
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
