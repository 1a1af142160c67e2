//! Limits on the calls of a group: how many run at a time, and for how long.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::{AcquireError, OnceCell, OwnedSemaphorePermit, Semaphore};

use crate::model::fault::{Fault, Kind};
use crate::service::counters::{Ending, Meter, MeteredCall, PendingCall};
use crate::service::future::{MaybeReady, with_checks, with_deadline, with_timeout};
use crate::service::layer::GroupLayer;
use crate::service::permit::{READER_PATIENCE, ReclaimablePermits};
use crate::service::request_record::RequestRecord;
use crate::service::{Call, CallForm, CallFuture, Context, Output, RpcService};

/// A layer that lets a limited number of calls run at a time, and none for longer than its deadline.
///
/// A call whose result is available at once is not counted: there are never more of those than threads. A call that
/// goes on, or whose rows are still to be produced, waits for a permit at most until its deadline, and keeps the permit
/// until the call is done or the last row is sent. A result that only waits for its reader gives way to calls that wait for
/// a permit ([`permit`](crate::service::permit)).
///
/// Only a limited number of calls waits. Further calls fail as busy at once, and so does a call that could not begin before
/// its deadline if the calls before it take as long as calls have taken so far.
pub struct Limiter {
    queue: Arc<Queue>,
    /// How long a call may take, waiting included (`limits.deadline`).
    deadline: Duration,
}

impl Limiter {
    /// Allows `concurrent` calls at a time, and each call to take `deadline`, waiting included.
    pub fn new(concurrent: usize, deadline: Duration) -> Limiter {
        Limiter { queue: Arc::new(Queue::new(concurrent, usize::MAX)), deadline }
    }

    /// Allows this many calls to wait for a permit. Without this, any number may.
    #[must_use]
    pub fn waiting(self, maximum: usize) -> Limiter {
        Limiter { queue: Arc::new(Queue::new(self.queue.concurrent, maximum)), ..self }
    }

    /// What is known of it from outside.
    pub(crate) fn state(&self) -> LimiterState {
        LimiterState(self.queue.clone())
    }
}

/// What is known of a limiter from outside: its permits, and where its calls are counted.
#[derive(Clone)]
pub(crate) struct LimiterState(Arc<Queue>);

impl LimiterState {
    /// A limiter with the same permits and counts.
    #[cfg_attr(not(feature = "config"), allow(dead_code, reason = "only configurations are reloaded"))]
    pub(crate) fn limiter(&self, deadline: Duration) -> Limiter {
        Limiter { queue: self.0.clone(), deadline }
    }

    /// How many permits there are.
    pub(crate) fn permits(&self) -> usize {
        self.0.concurrent
    }

    /// How many permits are in use.
    pub(crate) fn in_use(&self) -> usize {
        self.0.concurrent.saturating_sub(self.0.permits.available_permits())
    }

    /// How many calls wait for a permit.
    pub(crate) fn waiting(&self) -> usize {
        self.0.waiting.load(Relaxed)
    }

    /// Where the calls are counted.
    pub(crate) fn meter(&self) -> &Meter {
        &self.0.meter
    }
}

/// The permits of a limiter, and the calls that wait for one.
struct Queue {
    /// Where the calls are counted.
    meter: Meter,
    permits: Arc<Semaphore>,
    /// The permits of results that are being sent.
    reclaimable: ReclaimablePermits,
    concurrent: usize,
    waiting: AtomicUsize,
    /// How many calls may wait.
    maximum: usize,
    /// How long a call holds a permit, in nanoseconds: a moving average; 0 until one has ended.
    mean_time: AtomicU64,
}

/// A layer that sets the deadline of each call and does not enforce it, so that the layers between it and a [`Limiter`] of
/// the same deadline see it in the context.
pub(crate) struct SetDeadline(pub(crate) Duration);

impl GroupLayer for SetDeadline {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        match with_deadline_after(call.context, self.0) {
            Some(context) => next.call(Call { context: &context, ..call }),
            None => next.call(call),
        }
    }
}

/// The context of a call that may take this time; `None` if the call has to end as early as that already.
fn with_deadline_after(context: &Context, time: Duration) -> Option<Context> {
    let end = context.begun.unwrap_or_else(Instant::now).checked_add(time)?;
    let has_to_end = context.deadline.is_some_and(|deadline| deadline <= end);
    (!has_to_end).then(|| Context { deadline: Some(end), ..context.clone() })
}

impl GroupLayer for Limiter {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        // Set once, here or where the request came in: the wait for a permit, the parts of an aggregate and the request to
        // an upstream all end by it.
        match with_deadline_after(call.context, self.deadline) {
            Some(context) => self.call_in_time(Call { context: &context, ..call }, next),
            None => self.call_in_time(call, next),
        }
    }
}

impl Limiter {
    fn call_in_time(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        if let Some(record) = &call.context.record {
            record.note_call(&call);
        }
        let metered = self.queue.meter.begin(&call);
        if let CallForm::Batch(batch) = call.form {
            let joined = batch.len();
            let pending = next.call(call);
            if batch.len() > joined {
                let admission = batch.admission(Arc::as_ptr(&self.queue).addr());
                let metered = self.watch(metered, call.method);
                return self.call_in_batch(pending, metered, admission, &call);
            }
            return self.call_alone(pending, metered, &call);
        }
        self.call_alone(next.call(call), metered, &call)
    }

    /// How long a call may take: the client may have said a shorter time.
    fn time_of(&self, context: &Context) -> Duration {
        let stated = context.begun.zip(context.deadline).map(|(begun, end)| end.saturating_duration_since(begun));
        stated.map_or(self.deadline, |stated| stated.min(self.deadline))
    }

    fn watch(&self, metered: Option<MeteredCall>, method: &str) -> Option<PendingCall> {
        metered.and_then(|metered| self.queue.meter.watch(metered, method))
    }

    fn call_alone(&self, pending: CallFuture, metered: Option<MeteredCall>, call: &Call<'_>) -> CallFuture {
        let (method, deadline) = (call.method, call.context.deadline);
        if let MaybeReady::Now(Some(Ok(Output::One(_)) | Err(_)) | None) = &pending {
            if let (MaybeReady::Now(Some(result)), Some(metered)) = (&pending, metered) {
                self.queue.meter.end(metered, method, Ending::of(result));
            }
            return pending;
        }
        let (queue, record) = (self.queue.clone(), call.context.record.clone());
        let time = self.time_of(call.context);
        let metered = self.watch(metered, method);
        let arriving = match call.form {
            CallForm::Http(http) if !http.body.is_empty() => Some(http.body.clone()),
            _ => None,
        };
        match pending {
            MaybeReady::Now(ready) => MaybeReady::later(ending(metered, async move {
                let permit = queue.acquire(deadline, record.as_deref()).await?;
                let output = ready.ok_or_else(Fault::internal)??;
                Ok(queue.hold(output, permit))
            })),
            MaybeReady::Later(pending) => MaybeReady::later(ending(metered, async move {
                let permit = queue.acquire(deadline, record.as_deref()).await?;
                let begun = Instant::now();
                let output = match arriving {
                    None => with_deadline(deadline, pending).await,
                    // The client sets the pace of its body: the time counts from its end.
                    Some(body) => Box::pin(with_checks(time, pending, || body.time_behind(time).ok_or(()))).await.ok(),
                };
                queue.record_time(begun.elapsed());
                Ok(queue.hold(output.ok_or_else(|| late(time))??, permit))
            })),
        }
    }

    /// A call that travels with others. One of them waits for a permit; the others take one if it is free and go on
    /// without one if not, so a large batch cannot block others until there are permits for all of its calls.
    fn call_in_batch(
        &self,
        pending: CallFuture,
        metered: Option<PendingCall>,
        admission: Arc<OnceCell<()>>,
        call: &Call<'_>,
    ) -> CallFuture {
        let (queue, record, deadline) = (self.queue.clone(), call.context.record.clone(), call.context.deadline);
        let time = self.time_of(call.context);
        MaybeReady::later(ending(metered, async move {
            let mut permit = None;
            let admitted = admission.get_or_try_init(async || {
                permit = Some(queue.acquire(deadline, record.as_deref()).await?);
                Ok::<_, Fault>(())
            });
            Box::pin(admitted).await?;
            let _permit = permit.or_else(|| queue.permits.clone().try_acquire_owned().ok());
            with_deadline(deadline, pending).await.ok_or_else(|| late(time))?
        }))
    }
}

impl Queue {
    fn new(concurrent: usize, maximum: usize) -> Queue {
        Queue {
            meter: Meter::default(),
            permits: Arc::new(Semaphore::new(concurrent.min(Semaphore::MAX_PERMITS))),
            reclaimable: ReclaimablePermits::default(),
            concurrent,
            waiting: AtomicUsize::new(0),
            maximum,
            mean_time: AtomicU64::new(0),
        }
    }

    /// Waits for a permit. Called when the call's future is first polled: an aggregate that waits for its own permit while
    /// holding the permits of its parts would starve others.
    async fn acquire(
        &self,
        deadline: Option<Instant>,
        record: Option<&RequestRecord>,
    ) -> Result<OwnedSemaphorePermit, Fault> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        // Boxed, because it is rare and large: otherwise the future of each call would be as large.
        Box::pin(self.wait(deadline, record)).await
    }

    /// The same result, with the permit for as long as it is being made and sent.
    fn hold(&self, output: Output, permit: OwnedSemaphorePermit) -> Output {
        match output {
            // It is complete, and needs no permit.
            one @ Output::One(_) => one,
            output => output.holding(self.reclaimable.hold(permit)),
        }
    }

    async fn wait(
        &self,
        deadline: Option<Instant>,
        record: Option<&RequestRecord>,
    ) -> Result<OwnedSemaphorePermit, Fault> {
        self.reclaimable.reclaim();
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let place = QueuePlace::take(&self.waiting);
        if place.ahead >= self.maximum || deadline.is_some_and(|end| !self.can_begin_before(end, place.ahead)) {
            return Err(busy());
        }
        let begun = Instant::now();
        let permit = with_deadline(deadline, self.permit_or_reclaimed()).await.and_then(Result::ok);
        if let Some(counters) = self.meter.counters() {
            counters.waits.record(begun.elapsed());
        }
        if let Some(record) = record {
            record.note_queued(begun.elapsed(), permit.is_some());
        }
        permit.ok_or_else(busy)
    }

    /// Waits for a permit in order. Meanwhile results may begin to wait for their readers, too.
    async fn permit_or_reclaimed(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        let mut permit = pin!(self.permits.clone().acquire_owned());
        loop {
            if let Some(permit) = with_timeout(READER_PATIENCE, permit.as_mut()).await {
                return permit;
            }
            self.reclaimable.reclaim();
        }
    }

    /// Whether a call with this many others ahead of it can begin before `end`, as far as the calls so far tell.
    fn can_begin_before(&self, end: Instant, ahead: usize) -> bool {
        let rounds = (ahead / self.concurrent.max(1)).try_into().unwrap_or(u32::MAX);
        let wait = Duration::from_nanos(self.mean_time.load(Relaxed)).saturating_mul(rounds);
        Instant::now().checked_add(wait).is_none_or(|begin| begin < end)
    }

    /// Counts the time of a call into the average, with a weight of an eighth.
    fn record_time(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let mean = self.mean_time.load(Relaxed);
        // Of two that are recorded at once one may be lost, which an average can bear.
        self.mean_time.store(if mean == 0 { time } else { mean - mean / 8 + time / 8 }, Relaxed);
    }
}

/// Waits for the result of a call, and counts it.
async fn ending(
    mut metered: Option<PendingCall>,
    pending: impl Future<Output = Result<Output, Fault>>,
) -> Result<Output, Fault> {
    let result = pending.await;
    if let Some(metered) = &mut metered {
        metered.end(Ending::of(&result));
    }
    result
}

/// A place among the calls that wait, until it is dropped.
struct QueuePlace<'q> {
    waiting: &'q AtomicUsize,
    /// How many calls were waiting before.
    ahead: usize,
}

impl<'q> QueuePlace<'q> {
    fn take(waiting: &'q AtomicUsize) -> QueuePlace<'q> {
        QueuePlace { waiting, ahead: waiting.fetch_add(1, Relaxed) }
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Relaxed);
    }
}

fn busy() -> Fault {
    Fault::new(Kind::Busy, "too many calls are running; try again later")
}

fn late(time: Duration) -> Fault {
    Fault::new(Kind::Late, format!("no result within {time:?}"))
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context as Poller, Poll, ready};

    use bytes::Bytes;
    use http_body::{Body, Frame};
    use http_body_util::BodyExt;
    use tokio::sync::Notify;
    use tokio::time::{Sleep, sleep};

    use super::*;
    use crate::model::fault::BoxError;
    use crate::model::interface::Interface;
    use crate::service::args::Args;
    use crate::service::layer::layered;
    use crate::service::local::Local;
    use crate::service::passthrough::HttpCall;
    use crate::service::unread_body::UnreadBody;

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
    async fn a_call_that_finds_no_place_to_wait_is_refused_at_once() {
        let service =
            Local::new("Slow", ()).method_async("never", |_, (): ()| std::future::pending::<()>()).build().unwrap();
        let limited = layered(Arc::new(service), Limiter::new(1, LONG).waiting(1));
        let context = Context::default();
        let begin = || tokio::spawn(limited.call(Call::new("never", Args::None, &context)));
        let held = [begin(), begin()];
        tokio::task::yield_now().await;
        let fault = begin().await.unwrap().err().unwrap();
        assert_eq!(fault.kind, Kind::Busy);
        held.iter().for_each(|call| call.abort());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_could_not_begin_in_time_is_refused_at_once() {
        let limiter = Limiter::new(1, Duration::from_secs(3));
        limiter.queue.record_time(Duration::from_secs(2));
        let end = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert!(limiter.queue.can_begin_before(end(3), 1));
        assert!(!limiter.queue.can_begin_before(end(3), 2));
        assert!(limiter.queue.can_begin_before(end(5), 2));
    }

    #[tokio::test]
    async fn waiting_for_a_permit_and_running_share_one_deadline() {
        let service = Local::new("Slow", ())
            .method_async("short", |_, (): ()| sleep(Duration::from_millis(400)))
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

    /// Reads the body of its calls, and then never returns.
    struct Reader;

    impl RpcService for Reader {
        fn interface(&self) -> Arc<Interface> {
            Arc::default()
        }

        fn call(&self, call: Call<'_>) -> CallFuture {
            let CallForm::Http(http) = call.form else { return Fault::internal().into() };
            let body = http.body.clone();
            MaybeReady::later(async move {
                let _ = body.collect().await;
                std::future::pending().await
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_call_begins_when_its_body_has_been_read() {
        let body = UnreadBody::new(Pieces { next: Box::pin(sleep(LONG / 2)), left: 10 });
        let (verb, headers) = (http::Method::POST, http::HeaderMap::new());
        let http = HttpCall {
            verb: &verb,
            path_values: &[],
            query: "",
            version: http::Version::HTTP_11,
            headers: &headers,
            credentials: &[],
            body: &body,
            group_url: "",
        };
        let (context, begun) = (Context::default(), tokio::time::Instant::now());
        let call = Call { form: CallForm::Http(&http), ..Call::new("read", Args::Unread, &context) };
        let service = layered(Arc::new(Reader), Limiter::new(1, LONG));
        let fault = service.call(call).await.err().unwrap();
        assert_eq!((fault.kind, begun.elapsed().as_secs()), (Kind::Late, (LONG / 2).as_secs() * 11 + LONG.as_secs()));
    }

    /// A body of which a piece comes from time to time.
    struct Pieces {
        next: Pin<Box<Sleep>>,
        left: usize,
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            ready!(self.next.as_mut().poll(cx));
            let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
            (self.left, self.next) = (left, Box::pin(sleep(LONG / 2)));
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }
}
