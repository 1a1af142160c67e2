//! What is decided about every call of a group, one by one: how many may run, and for how long.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::fault::{Fault, Kind};
use crate::interface::Interface;
use crate::service::{Answer, Call, Pending, Service};
use crate::wait::within;

/// A service of which only so many calls run at a time, and none for longer than its deadline.
///
/// A call waits for its turn at most until its deadline; an answer made of rows keeps its place until the last row
/// is out.
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
        let (pending, running, deadline) = (self.inner.call(call), self.running.clone(), self.deadline);
        Box::pin(async move {
            let permit = within(deadline, running.acquire_owned()).await.and_then(Result::ok).ok_or_else(busy)?;
            let answer = within(deadline, pending).await.ok_or_else(|| late(deadline))??;
            Ok(match answer {
                Answer::Many(rows) => Answer::Many(rows.holding(permit)),
                one @ Answer::One(_) => one,
            })
        })
    }
}

fn busy() -> Fault {
    Fault::new(Kind::Busy, "too many calls are running; try again later")
}

fn late(deadline: Duration) -> Fault {
    Fault::new(Kind::Late, format!("no answer within {deadline:?}"))
}
