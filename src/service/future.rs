//! Futures that may be ready at once, time limits, and work on blocking threads.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::model::fault::Fault;
use crate::service::current_request::CurrentRequest;

/// A value that is available now, or a future of it. Most results are available at once and cost no allocation.
pub enum MaybeReady<T> {
    /// The value; `None` once it has been taken.
    Now(Option<T>),
    /// The future.
    Later(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T> MaybeReady<T> {
    /// A value that is available.
    pub fn now(value: T) -> MaybeReady<T> {
        MaybeReady::Now(Some(value))
    }

    /// The output of a future.
    pub fn later(future: impl Future<Output = T> + Send + 'static) -> MaybeReady<T> {
        MaybeReady::Later(Box::pin(future))
    }

    /// Applies a function to the value when it is available.
    pub fn map<U>(self, make: impl FnOnce(T) -> U + Send + 'static) -> MaybeReady<U>
    where
        T: 'static,
    {
        match self {
            MaybeReady::Now(value) => MaybeReady::Now(value.map(make)),
            MaybeReady::Later(future) => MaybeReady::later(async move { make(future.await) }),
        }
    }

    /// Applies a function whose result may be a future itself.
    pub fn and_then<U: Send + Unpin + 'static>(
        self,
        make: impl FnOnce(T) -> MaybeReady<U> + Send + 'static,
    ) -> MaybeReady<U>
    where
        T: 'static,
    {
        match self {
            MaybeReady::Now(None) => MaybeReady::Now(None),
            MaybeReady::Now(Some(value)) => make(value),
            MaybeReady::Later(future) => MaybeReady::later(async move { make(future.await).await }),
        }
    }
}

/// A call that is refused.
///
/// ```
/// use croupier::Fault;
/// use croupier::service::CallFuture;
///
/// let refused: CallFuture = Fault::service(401, "the caller is not known").into();
/// ```
impl<T> From<Fault> for MaybeReady<Result<T, Fault>> {
    fn from(fault: Fault) -> Self {
        MaybeReady::now(Err(fault))
    }
}

/// # Panics
/// If it is polled again after it has returned its value, as [`std::future::Ready`] does.
impl<T: Unpin> Future for MaybeReady<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.get_mut() {
            MaybeReady::Now(value) => Poll::Ready(value.take().expect("`MaybeReady` polled after completion")),
            MaybeReady::Later(future) => future.as_mut().poll(cx),
        }
    }
}

/// Runs a function, and turns a panic into an internal fault.
pub(crate) fn catch_panic<T>(run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(Fault::internal()))
}

/// The output of a future; an internal fault if it panics.
pub(crate) async fn catch_panic_of<T>(running: impl Future<Output = T>) -> Result<T, Fault> {
    let mut running = pin!(running);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(Fault::internal())),
    })
    .await
}

/// The output of a future, if it is ready within this time; `None` otherwise.
///
/// A future that is ready at its first poll costs no look at the clock. Pass a large future pinned: this function holds
/// its argument twice.
pub async fn with_timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let future = pin!(future);
    with_checks(limit, future, || Err(())).await.ok()
}

/// The output of a future that is checked while it is not ready: for the first time after `first`. A check says after which
/// time the next one is due, or ends the wait.
///
/// # Errors
/// The error of the check that ends the wait.
pub(crate) async fn with_checks<F: Future, E>(
    first: Duration,
    future: F,
    mut check: impl FnMut() -> Result<Duration, E>,
) -> Result<F::Output, E> {
    let mut future = pin!(future);
    // A timer is large, and most futures need none.
    let mut timer: Option<Pin<Box<tokio::time::Sleep>>> = None;
    poll_fn(|cx| {
        // The timer comes first: a future that uses up the task's budget at each poll would leave none for it.
        if let Some(timer) = &mut timer
            && timer.as_mut().poll(cx).is_ready()
        {
            let next = check()?;
            timer.as_mut().reset(tokio::time::Instant::now() + next);
        }
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(first)));
        while timer.as_mut().poll(cx).is_ready() {
            let next = check()?;
            timer.as_mut().reset(tokio::time::Instant::now() + next);
        }
        Poll::Pending
    })
    .await
}

/// The output of a future, if it is ready before a deadline; `None` otherwise. Without a deadline there is no limit.
///
/// A future that is ready at its first poll costs no look at the clock. From then on the deadline counts first: a time limit
/// inside the future that ends at the same moment does not decide the result.
pub async fn with_deadline<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    // A timer is large, and most futures need none.
    let mut timer: Option<Pin<Box<tokio::time::Sleep>>> = None;
    poll_fn(|cx| {
        if let Some(timer) = &mut timer
            && timer.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(None);
        }
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        match (deadline, &timer) {
            (Some(deadline), None) => {
                let timer = timer.insert(Box::pin(tokio::time::sleep_until(deadline.into())));
                timer.as_mut().poll(cx).map(|()| None)
            }
            _ => Poll::Pending,
        }
    })
    .await
}

/// Runs long work on a thread of the runtime's blocking pool, so that the connections of the caller's thread do not wait
/// for it.
pub async fn run_blocking<T: Send + 'static>(runtime: &Handle, work: impl FnOnce() -> T + Send + 'static) -> T {
    // Log lines of the work belong to the same request as those of its caller.
    let (span, request) = (tracing::Span::current(), CurrentRequest::get());
    match runtime.spawn_blocking(move || CurrentRequest::run(request, || span.in_scope(work))).await {
        Ok(done) => done,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is shutting down, and this future with it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Nineteen twentieths of a time: what a call may take if something else can take the place of its result.
#[cfg(feature = "server")]
pub(crate) fn time_before_substitute(left: Duration) -> Duration {
    left.saturating_sub(left / 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "`MaybeReady` polled after completion")]
    fn a_future_that_is_polled_after_completion_says_so() {
        let mut ready = MaybeReady::now(1);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert_eq!(Pin::new(&mut ready).poll(&mut cx), Poll::Ready(1));
        let _ = Pin::new(&mut ready).poll(&mut cx);
    }
}
