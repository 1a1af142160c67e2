//! Limits on the calls of a group: how many run at a time, and for how long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use crate::model::fault::{Fault, Kind};
use crate::service::future::{MaybeReady, with_deadline};
use crate::service::layer::GroupLayer;
use crate::service::{Call, CallForm, CallFuture, Context, Output, RpcService};

/// A layer that lets a limited number of calls run at a time, and none for longer than its deadline.
///
/// A call whose result is available at once is not counted: there are never more of those than threads. A call that goes
/// on, or whose rows are still to be made, waits for a permit at most until its deadline, and keeps the permit until the
/// call is done or the last row is sent.
pub struct Limiter {
    permits: Arc<Semaphore>,
    limit: Duration,
}

impl Limiter {
    /// Allows `concurrent` calls at a time, and each call to take `deadline`, waiting included.
    pub fn new(concurrent: usize, deadline: Duration) -> Limiter {
        Limiter { permits: Arc::new(Semaphore::new(concurrent.min(Semaphore::MAX_PERMITS))), limit: deadline }
    }
}

/// A layer that sets the deadline of each call and does not enforce it, so that the layers between it and a [`Limiter`] of
/// the same deadline see it in the context.
pub(crate) struct SetDeadline(pub(crate) Duration);

impl GroupLayer for SetDeadline {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let deadline = earliest(call.context.deadline, self.0);
        let context = Context { deadline, ..call.context.clone() };
        next.call(Call { context: &context, ..call })
    }
}

/// The end of `limit` from now on, or the deadline that a call has already if that comes first.
fn earliest(deadline: Option<Instant>, limit: Duration) -> Option<Instant> {
    match (deadline, Instant::now().checked_add(limit)) {
        (Some(deadline), Some(end)) => Some(deadline.min(end)),
        (deadline, end) => deadline.or(end),
    }
}

impl GroupLayer for Limiter {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        // Set once, here: the wait for a permit, the parts of an aggregate and the request to an upstream all end by it.
        let deadline = earliest(call.context.deadline, self.limit);
        let context = Context { deadline, ..call.context.clone() };
        let call = Call { context: &context, ..call };
        if let CallForm::Batch(batch) = call.form {
            let joined = batch.len();
            let pending = next.call(call);
            if batch.len() > joined {
                let admission = batch.admission(Arc::as_ptr(&self.permits).addr());
                return self.call_of_batch(pending, admission, deadline);
            }
            return self.limited(pending, deadline);
        }
        self.limited(next.call(call), deadline)
    }
}

impl Limiter {
    fn limited(&self, pending: CallFuture, deadline: Option<Instant>) -> CallFuture {
        if let MaybeReady::Now(Some(Ok(Output::One(_)) | Err(_)) | None) = pending {
            return pending;
        }
        let (permits, limit) = (self.permits.clone(), self.limit);
        match pending {
            MaybeReady::Now(ready) => MaybeReady::later(async move {
                let permit = acquire(permits, deadline).await?;
                let output = ready.ok_or_else(Fault::internal)??;
                Ok(output.holding(permit))
            }),
            MaybeReady::Later(pending) => MaybeReady::later(async move {
                let permit = acquire(permits, deadline).await?;
                let output = with_deadline(deadline, pending).await.ok_or_else(|| late(limit))??;
                Ok(output.holding(permit))
            }),
        }
    }

    /// A call that travels with others. One of them waits for a permit; the others take one if it is free and go on
    /// without one if not, so a large batch cannot block others until there are permits for all of its calls.
    fn call_of_batch(
        &self,
        pending: CallFuture,
        admission: Arc<OnceCell<()>>,
        deadline: Option<Instant>,
    ) -> CallFuture {
        let (permits, limit) = (self.permits.clone(), self.limit);
        MaybeReady::later(async move {
            let mut permit = None;
            let admitted = admission.get_or_try_init(async || {
                permit = Some(acquire(permits.clone(), deadline).await?);
                Ok::<_, Fault>(())
            });
            Box::pin(admitted).await?;
            let _permit = permit.or_else(|| permits.try_acquire_owned().ok());
            with_deadline(deadline, pending).await.ok_or_else(|| late(limit))?
        })
    }
}

/// Waits for a permit. Called when the call's future is first polled: an aggregate that waits for its own permit while
/// holding the permits of its parts would starve others.
async fn acquire(permits: Arc<Semaphore>, deadline: Option<Instant>) -> Result<OwnedSemaphorePermit, Fault> {
    if let Ok(permit) = permits.clone().try_acquire_owned() {
        return Ok(permit);
    }
    // Seldom, and large: not in every call's future.
    let permit = Box::pin(with_deadline(deadline, permits.acquire_owned())).await;
    permit.and_then(Result::ok).ok_or_else(busy)
}

fn busy() -> Fault {
    Fault::new(Kind::Busy, "too many calls are running; try again later")
}

fn late(limit: Duration) -> Fault {
    Fault::new(Kind::Late, format!("no answer within {limit:?}"))
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;
    use crate::model::interface::Interface;
    use crate::service::args::Args;
    use crate::service::layer::layered;
    use crate::service::local::Local;

    const LONG: Duration = Duration::from_secs(60);

    /// A service that is made of another, and ends when it is let go.
    struct Made {
        part: Arc<dyn RpcService>,
        go: Arc<Notify>,
    }

    impl RpcService for Made {
        fn interface(&self) -> Arc<Interface> {
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
        let part = layered(Arc::new(slow), Limiter::new(1, LONG));
        let go = Arc::new(Notify::new());
        let made = layered(Arc::new(Made { part: part.clone(), go: go.clone() }), Limiter::new(1, LONG));
        let context = Context::default();
        let call = Call::new("ask", Args::None, &context);
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

    #[tokio::test]
    async fn waiting_for_a_permit_and_running_share_one_deadline() {
        let service = Local::new("Slow", ())
            .method_async("short", |_, (): ()| tokio::time::sleep(Duration::from_millis(400)))
            .method_async("never", |_, (): ()| std::future::pending::<()>())
            .build()
            .unwrap();
        let limited = layered(Arc::new(service), Limiter::new(1, Duration::from_millis(500)));
        let context = Context::default();
        let first = tokio::spawn(limited.call(Call::new("short", Args::None, &context)));
        tokio::task::yield_now().await;
        // This call gets its permit after 400 ms, and must not have 500 ms more.
        let begun = Instant::now();
        let fault = limited.call(Call::new("never", Args::None, &context)).await.err().unwrap();
        assert_eq!(fault, Fault::new(Kind::Late, "no answer within 500ms"));
        assert!(begun.elapsed() < Duration::from_millis(600), "{:?}", begun.elapsed());
        assert!(first.await.unwrap().is_ok());
    }
}
