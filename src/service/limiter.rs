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
/// A call whose result is available at once is not counted: there are never more of those than threads. A call that
/// goes on, or whose rows are still to be produced, waits for a permit at most until its deadline, and keeps the permit
/// until the call is done or the last row is sent.
pub struct Limiter {
    permits: Arc<Semaphore>,
    /// How long a call may take, waiting included (`limits.deadline`).
    deadline: Duration,
}

impl Limiter {
    /// Allows `concurrent` calls at a time, and each call to take `deadline`, waiting included.
    pub fn new(concurrent: usize, deadline: Duration) -> Limiter {
        Limiter { permits: Arc::new(Semaphore::new(concurrent.min(Semaphore::MAX_PERMITS))), deadline }
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

/// The end of `time` from now on, or the deadline that a call has already if that comes first.
fn earliest(deadline: Option<Instant>, time: Duration) -> Option<Instant> {
    match (deadline, Instant::now().checked_add(time)) {
        (Some(deadline), Some(end)) => Some(deadline.min(end)),
        (deadline, end) => deadline.or(end),
    }
}

impl GroupLayer for Limiter {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        // Set once, here: the wait for a permit, the parts of an aggregate and the request to an upstream all end by
        // it.
        let deadline = earliest(call.context.deadline, self.deadline);
        let context = Context { deadline, ..call.context.clone() };
        let call = Call { context: &context, ..call };
        if let CallForm::Batch(batch) = call.form {
            let joined = batch.len();
            let pending = next.call(call);
            if batch.len() > joined {
                let admission = batch.admission(Arc::as_ptr(&self.permits).addr());
                return self.call_in_batch(pending, admission, deadline);
            }
            return self.call_alone(pending, deadline);
        }
        self.call_alone(next.call(call), deadline)
    }
}

impl Limiter {
    fn call_alone(&self, pending: CallFuture, deadline: Option<Instant>) -> CallFuture {
        if let MaybeReady::Now(Some(Ok(Output::One(_)) | Err(_)) | None) = pending {
            return pending;
        }
        let permits = self.permits.clone();
        let time = self.deadline;
        match pending {
            MaybeReady::Now(ready) => MaybeReady::later(async move {
                let permit = acquire(permits, deadline).await?;
                let output = ready.ok_or_else(Fault::internal)??;
                Ok(output.holding(permit))
            }),
            MaybeReady::Later(pending) => MaybeReady::later(async move {
                let permit = acquire(permits, deadline).await?;
                let output = with_deadline(deadline, pending).await.ok_or_else(|| late(time))??;
                Ok(output.holding(permit))
            }),
        }
    }

    /// A call that travels with others. One of them waits for a permit; the others take one if it is free and go on
    /// without one if not, so a large batch cannot block others until there are permits for all of its calls.
    fn call_in_batch(
        &self,
        pending: CallFuture,
        admission: Arc<OnceCell<()>>,
        deadline: Option<Instant>,
    ) -> CallFuture {
        let permits = self.permits.clone();
        let time = self.deadline;
        MaybeReady::later(async move {
            let mut permit = None;
            let admitted = admission.get_or_try_init(async || {
                permit = Some(acquire(permits.clone(), deadline).await?);
                Ok::<_, Fault>(())
            });
            Box::pin(admitted).await?;
            let _permit = permit.or_else(|| permits.try_acquire_owned().ok());
            with_deadline(deadline, pending).await.ok_or_else(|| late(time))?
        })
    }
}

/// Waits for a permit. Called when the call's future is first polled: an aggregate that waits for its own permit while
/// holding the permits of its parts would starve others.
async fn acquire(permits: Arc<Semaphore>, deadline: Option<Instant>) -> Result<OwnedSemaphorePermit, Fault> {
    if let Ok(permit) = permits.clone().try_acquire_owned() {
        return Ok(permit);
    }
    // Boxed, because it is rare and large: otherwise the future of each call would be as large.
    let permit = Box::pin(with_deadline(deadline, permits.acquire_owned())).await;
    permit.and_then(Result::ok).ok_or_else(busy)
}

fn busy() -> Fault {
    Fault::new(Kind::Busy, "too many calls are running; try again later")
}

fn late(time: Duration) -> Fault {
    Fault::new(Kind::Late, format!("no result within {time:?}"))
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

    /// A service that calls another service, and returns its result after `finish` is notified.
    struct Outer {
        inner: Arc<dyn RpcService>,
        finish: Arc<Notify>,
    }

    impl RpcService for Outer {
        fn interface(&self) -> Arc<Interface> {
            self.inner.interface()
        }

        fn call(&self, call: Call<'_>) -> CallFuture {
            let inner = self.inner.call(call);
            let finish = self.finish.clone();
            MaybeReady::later(async move {
                let result = inner.await;
                finish.notified().await;
                result
            })
        }
    }

    #[tokio::test]
    async fn a_waiting_call_holds_no_permit_of_an_inner_service() {
        let slow = Local::new("Slow", ()).method_async("ask", |_, (): ()| tokio::task::yield_now()).build().unwrap();
        let inner = layered(Arc::new(slow), Limiter::new(1, LONG));
        let finish = Arc::new(Notify::new());
        let outer = Outer { inner: inner.clone(), finish: finish.clone() };
        let outer = layered(Arc::new(outer), Limiter::new(1, LONG));
        let context = Context::default();
        let call = Call::new("ask", Args::None, &context);
        let call_inner = async |times: usize| {
            for _ in 0..times {
                assert!(inner.call(call).await.is_ok());
            }
        };
        let first = tokio::spawn(outer.call(call));
        // The first call gets the permit of the outer service, and finishes its call of the inner service.
        tokio::task::yield_now().await;
        call_inner(1).await;
        // The second call waits for the permit of the outer service; the permit of the inner service stays free.
        let second = tokio::spawn(outer.call(call));
        tokio::task::yield_now().await;
        tokio::time::timeout(LONG / 2, call_inner(10)).await.unwrap();
        finish.notify_one();
        assert!(first.await.unwrap().is_ok());
        finish.notify_one();
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
        assert_eq!(fault, Fault::new(Kind::Late, "no result within 500ms"));
        assert!(begun.elapsed() < Duration::from_millis(600), "{:?}", begun.elapsed());
        assert!(first.await.unwrap().is_ok());
    }
}
