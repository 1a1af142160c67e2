//! Calls that are also sent to another group, in the background, and whose results are compared.
//!
//! The result of the caller comes from the group itself: a shadow neither delays nor fails a call. The other group gets only
//! calls that change nothing, and only a limited number at a time.

mod differences;
mod responses;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use bytes::Bytes;
use http::StatusCode;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

pub(crate) use differences::Difference;
use differences::differences;
use responses::{compared_response, observe_response};

use crate::model::fault::{Fault, Kind};
use crate::model::name_patterns::NamePatterns;
use crate::model::text::abridge;
use crate::model::value::{SizeBudget, Value};
use crate::service::args::Args;
use crate::service::future::{MaybeReady, catch_panic_of, with_deadline};
use crate::service::layer::GroupLayer;
use crate::service::lock::lock;
use crate::service::repeatable_call::{RepeatableCall, is_repeatable, method_in_other_group};
use crate::service::result_memory::{ReservedMemory, ResultBudget, ResultMemory};
use crate::service::sampling::{RandomSource, Share};
use crate::service::target::TargetGroup;
use crate::service::{Call, CallForm, CallFuture, Context, Output, RpcService, catch_panic};

/// How many bytes a result may have that is compared.
const MAX_COMPARED_BYTES: usize = 1 << 20;
/// How much memory the results of the other group may take while they are received.
const MEMORY: usize = 32 << 20;
/// How many calls with differences are kept.
const EXAMPLES: usize = 20;

/// Which calls of a group are also sent to another group.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowOptions {
    /// The other group.
    pub to: TargetGroup,
    /// How many of a hundred calls of safe methods.
    pub percent: f64,
    /// The methods: calls of others are not sent.
    pub methods: NamePatterns,
    /// Whether the results are compared.
    pub compare: bool,
    /// How many calls run at the other group at a time. Further ones are left out.
    pub concurrent: usize,
}

/// A layer that also sends a share of the calls to another group.
#[derive(Debug)]
pub struct Shadow {
    options: ShadowOptions,
    share: Share,
    source: RandomSource,
    report: Arc<ShadowReport>,
}

/// What calls of a shadow have shown.
#[derive(Debug)]
pub(crate) struct ShadowReport {
    counts: [AtomicU64; ComparisonResult::ALL.len()],
    examples: Mutex<Vec<Example>>,
    running: AtomicUsize,
    memory: ResultMemory,
}

/// How a call of a shadow has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ComparisonResult {
    /// With the same result as that of the group itself, or with a fault of the same kind.
    Equal = 0,
    /// With another result.
    Different = 1,
    /// With a fault, while the call itself has a result.
    Failed = 2,
    /// With a result that was not compared: it is too large, or the options say so, or the caller has left.
    Uncompared = 3,
    /// It was not sent, because too many were running.
    LeftOut = 4,
}

impl ComparisonResult {
    const ALL: [ComparisonResult; 5] = [
        ComparisonResult::Equal,
        ComparisonResult::Different,
        ComparisonResult::Failed,
        ComparisonResult::Uncompared,
        ComparisonResult::LeftOut,
    ];

    /// The word for it in metrics and in the status.
    pub(crate) fn word(self) -> &'static str {
        match self {
            ComparisonResult::Equal => "equal",
            ComparisonResult::Different => "different",
            ComparisonResult::Failed => "failed",
            ComparisonResult::Uncompared => "uncompared",
            ComparisonResult::LeftOut => "left-out",
        }
    }
}

/// A call whose results differ.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    pub(crate) method: String,
    pub(crate) time: SystemTime,
    pub(crate) differences: Vec<Difference>,
}

/// A result, as far as it is compared.
#[derive(Debug, PartialEq)]
enum Compared {
    Value(Value),
    Fault(Kind, String),
    /// A response that is passed on as it is: its status, and its body if that is JSON.
    Response(StatusCode, Option<Bytes>),
    /// It is too large, or not here as a whole.
    Not,
}

impl Default for ShadowReport {
    fn default() -> ShadowReport {
        let memory = ResultBudget::new(MEMORY).of_client(None);
        ShadowReport { counts: Default::default(), examples: Mutex::default(), running: AtomicUsize::new(0), memory }
    }
}

impl ShadowReport {
    fn count(&self, outcome: ComparisonResult) {
        if let Some(count) = self.counts.get(outcome as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// How many calls have ended how.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ComparisonResult::ALL
            .into_iter()
            .zip(&self.counts)
            .map(|(outcome, count)| (outcome.word(), count.load(Relaxed)))
    }

    /// The first calls whose results differ.
    pub(crate) fn examples(&self) -> Vec<Example> {
        lock(&self.examples).clone()
    }

    fn record(&self, method: &str, own: &Compared, other: &Compared) {
        let found = match (own, other) {
            (Compared::Not, _) | (_, Compared::Not) => return self.count(ComparisonResult::Uncompared),
            (Compared::Value(own), Compared::Value(other)) => differences(own, other),
            // The tags are those of the servers, so one of them may have nothing new where the other has.
            (Compared::Response(own, _), Compared::Response(other, _))
                if [own, other].contains(&&StatusCode::NOT_MODIFIED) =>
            {
                return self.count(ComparisonResult::Uncompared);
            }
            (Compared::Response(own, of_own), Compared::Response(other, of_other)) if own == other => {
                match [of_own, of_other].map(|body| serde_json::from_slice::<Value>(body.as_deref()?).ok()) {
                    [Some(own), Some(other)] => differences(&own, &other),
                    _ => return self.count(ComparisonResult::Uncompared),
                }
            }
            (Compared::Fault(own, _), Compared::Fault(other, _)) if own == other => Vec::new(),
            // What is passed on in its bytes, and what is not.
            (Compared::Response(..), Compared::Value(_)) | (Compared::Value(_), Compared::Response(..)) => {
                return self.count(ComparisonResult::Uncompared);
            }
            (own, other) => {
                let text = |compared: &Compared| match compared {
                    Compared::Fault(kind, message) => format!("{}: {message}", kind.word()),
                    Compared::Response(status, _) => format!("status {}", status.as_u16()),
                    Compared::Value(_) | Compared::Not => "a result".to_owned(),
                };
                vec![Difference { place: String::new(), own: Some(text(own)), other: Some(text(other)) }]
            }
        };
        self.count(match (own, other) {
            _ if found.is_empty() => ComparisonResult::Equal,
            (Compared::Value(_) | Compared::Response(..), Compared::Fault(..)) => ComparisonResult::Failed,
            _ => ComparisonResult::Different,
        });
        if !found.is_empty() {
            let mut examples = lock(&self.examples);
            if examples.len() < EXAMPLES {
                examples.push(Example { method: abridge(method).into(), time: SystemTime::now(), differences: found });
            }
        }
    }
}

/// A call that runs at the other group.
struct Running(Arc<ShadowReport>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
    }
}

impl Shadow {
    /// A shadow with these options.
    pub fn new(options: ShadowOptions) -> Shadow {
        let share = Share::percent(options.percent);
        Shadow { options, share, source: RandomSource::default(), report: Arc::default() }
    }

    /// The same shadow, which goes on with the report of another if it sends the same calls to the same group.
    pub(crate) fn reporting_on(&self, before: &Shadow) -> Shadow {
        let report = if self.options == before.options { before.report.clone() } else { Arc::default() };
        Shadow { report, ..Shadow::new(self.options.clone()) }
    }

    /// The path of the other group.
    pub(crate) fn to(&self) -> &str {
        self.options.to.path()
    }

    pub(crate) fn report(&self) -> &ShadowReport {
        &self.report
    }

    /// Whether a call is also sent to the other group.
    fn takes(&self, call: &Call<'_>, own: &dyn RpcService) -> bool {
        let is_readable = match call.form {
            CallForm::Http(http) => is_repeatable(http),
            _ => !matches!(call.args, Args::Unread),
        };
        is_readable
            && self.options.methods.has(call.method)
            && self.share.takes(self.source.draw())
            && own.interface().method(call.method).is_some_and(|method| method.safe)
    }

    fn begin(&self) -> Option<Running> {
        let running = Running(self.report.clone());
        let is_free = self.report.running.fetch_add(1, Relaxed) < self.options.concurrent;
        is_free.then_some(running)
    }

    /// Sends a call to the other group in the background. Returns the channel for the result of the group itself, if
    /// the results are compared.
    fn send(&self, call: &Call<'_>, own: &dyn RpcService) -> Option<oneshot::Sender<Compared>> {
        let runtime = Handle::try_current().ok()?;
        let service = self.options.to.service()?.clone();
        let other = service.interface();
        let method = method_in_other_group(call, &own.interface(), &other, None)?.to_owned();
        let kept = RepeatableCall::of(call)?;
        let Some(running) = self.begin() else {
            self.report.count(ComparisonResult::LeftOut);
            return None;
        };
        let (sender, receiver) = oneshot::channel();
        let memory = Some(self.report.memory.clone());
        let context = Context { record: None, response_headers: None, result_memory: memory, ..call.context.clone() };
        let compare = self.options.compare;
        let report = Arc::downgrade(&self.report);
        drop(runtime.spawn(async move {
            let _running = running;
            let deadline = context.deadline;
            let asked = async {
                match kept.call(service.as_ref(), &method, &context).await {
                    Ok(output) => compared(output, context.result_memory.as_ref()).await,
                    Err(fault) => of_fault(&fault),
                }
            };
            let late = || of_fault(&Fault::new(Kind::Late, "no result in time"));
            let other = with_deadline(deadline, catch_panic_of(asked)).await;
            let other = other.map_or_else(late, |other| other.unwrap_or_else(|fault| of_fault(&fault)));
            let own = if compare { receiver.await.unwrap_or(Compared::Not) } else { Compared::Not };
            if let Some(report) = Weak::upgrade(&report) {
                report.record(&method, &own, &other);
            }
        }));
        compare.then_some(sender)
    }
}

/// A result of the other group.
async fn compared(output: Output, memory: Option<&ResultMemory>) -> Compared {
    match output {
        Output::Raw(response) => compared_response(response, ReservedMemory::of(memory)).await,
        output => match output.into_value(SizeBudget::new(MAX_COMPARED_BYTES)).await {
            Ok(value) => Compared::Value(value),
            Err(fault) if fault.kind == Kind::Limit => Compared::Not,
            Err(fault) => of_fault(&fault),
        },
    }
}

fn of_fault(fault: &Fault) -> Compared {
    Compared::Fault(fault.kind, abridge(&fault.message).into())
}

/// The result of the group itself. Only a value that is here is compared: rows go to the caller as they come.
fn own_result(result: &Result<Output, Fault>) -> Compared {
    match result {
        Ok(Output::One(value)) => catch_panic(|| Ok(value.value(&mut SizeBudget::new(MAX_COMPARED_BYTES))?))
            .map_or(Compared::Not, Compared::Value),
        Ok(_) => Compared::Not,
        Err(fault) => of_fault(fault),
    }
}

impl GroupLayer for Shadow {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        if !self.takes(&call, next) {
            return next.call(call);
        }
        let Some(sender) = self.send(&call, next) else { return next.call(call) };
        // Only a result that is read can be compared.
        let form = match call.form {
            CallForm::Raw(raw) if !raw.has_further => CallForm::Plain,
            form => form,
        };
        let memory = self.report.memory.begin();
        next.call(Call { form, ..call }).and_then(move |result| {
            MaybeReady::now(match result {
                Ok(Output::Raw(response)) => Ok(Output::Raw(observe_response(response, sender, memory))),
                result => {
                    // The other group may have gone on without it.
                    let _ = sender.send(own_result(&result));
                    result
                }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use tokio::sync::Notify;

    use super::*;
    use crate::service::layer::layered_unguarded;
    use crate::service::local::{Local, named};

    /// A group whose results differ from those of `other` in some methods.
    fn own() -> Arc<dyn RpcService> {
        let service = Local::new("Own", ())
            .method(named("same").safe(), |(): &(), (text,): (String,)| text)
            .method(named("differs").safe(), |(): &(), (): ()| vec![1, 2, 3])
            .method(named("fails").safe(), |(): &(), (): ()| 7)
            .method(named("both").safe(), |(): &(), (): ()| Err::<i64, _>(Fault::service(1, "no")))
            .method("changes", |(): &(), (): ()| 7)
            .rows(named("rows").safe(), |_: &Arc<()>, (): ()| 0..3);
        Arc::new(service.build().unwrap())
    }

    struct Other {
        calls: AtomicU64,
        finish: Notify,
    }

    fn other() -> (Arc<dyn RpcService>, Arc<Other>) {
        let other = Arc::new(Other { calls: AtomicU64::new(0), finish: Notify::new() });
        let service = Local::new("Other", other.clone())
            .method_async("same", |other: Arc<Arc<Other>>, (text,): (String,)| async move {
                other.calls.fetch_add(1, Relaxed);
                other.finish.notified().await;
                text
            })
            .method("differs", |_: &Arc<Other>, (): ()| vec![1, 5])
            .method("fails", |_: &Arc<Other>, (): ()| Err::<i64, _>(Fault::service(2, "no")))
            .method("both", |_: &Arc<Other>, (): ()| Err::<i64, _>(Fault::service(1, "never")))
            .method("changes", |other: &Arc<Other>, (): ()| {
                other.calls.fetch_add(1, Relaxed);
            })
            .method("rows", |_: &Arc<Other>, (): ()| vec![0, 1, 2]);
        (Arc::new(service.build().unwrap()), other)
    }

    fn shadow(service: Arc<dyn RpcService>, change: impl FnOnce(&mut ShadowOptions)) -> Arc<Shadow> {
        let mut options = ShadowOptions {
            to: TargetGroup::new("/other", service),
            percent: 100.0,
            methods: NamePatterns(vec!["*".to_owned()]),
            compare: true,
            concurrent: 4,
        };
        change(&mut options);
        Arc::new(Shadow::new(options))
    }

    async fn turn() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    fn begin(service: &Arc<dyn RpcService>, method: &str, json: &str) -> CallFuture {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        service.call(Call::new(method, Args::Json(&raw), &Context::default()))
    }

    fn counts(shadow: &Shadow) -> Vec<(&'static str, u64)> {
        shadow.report().counts().filter(|(_, count)| *count > 0).collect()
    }

    #[tokio::test]
    async fn results_are_counted_as_equal_different_or_failed() {
        for (method, json, outcome, example) in [
            ("same", "[\"a\"]", "equal", None),
            ("both", "[]", "equal", None),
            ("differs", "[]", "different", Some("[1]")),
            ("fails", "[]", "failed", Some("")),
            ("rows", "[]", "uncompared", None),
        ] {
            let (service, other) = other();
            let shadow = shadow(service, |_| {});
            let both = layered_unguarded(own(), shadow.clone());
            let _ = begin(&both, method, json).await;
            other.finish.notify_one();
            turn().await;
            assert_eq!(counts(&shadow), [(outcome, 1)], "{method}");
            let places: Vec<_> = shadow.report().examples().iter().map(|it| it.differences[0].place.clone()).collect();
            assert_eq!(places.first().map(String::as_str), example, "{method}");
        }
    }

    #[tokio::test]
    async fn the_caller_does_not_wait_and_too_many_calls_are_left_out() {
        let (service, other) = other();
        let shadow = shadow(service, |options| options.concurrent = 3);
        let both = layered_unguarded(own(), shadow.clone());
        for _ in 0..10 {
            assert!(matches!(begin(&both, "same", "[\"a\"]"), MaybeReady::Now(Some(Ok(_)))));
            turn().await;
        }
        assert_eq!((other.calls.load(Relaxed), counts(&shadow)), (3, vec![("left-out", 7)]));
        other.finish.notify_waiters();
        turn().await;
        assert_eq!(counts(&shadow), [("equal", 3), ("left-out", 7)]);
        // There is room again.
        let _ = begin(&both, "same", "[\"a\"]").await;
        turn().await;
        assert_eq!(other.calls.load(Relaxed), 4);
    }

    #[tokio::test]
    async fn only_the_share_of_the_safe_calls_is_sent() {
        let (service, other) = other();
        let shadow = shadow(service.clone(), |_| {});
        let both = layered_unguarded(own(), shadow.clone());
        assert!(begin(&both, "changes", "[]").await.is_ok());
        turn().await;
        assert_eq!((other.calls.load(Relaxed), counts(&shadow)), (0, vec![]));
        for (number, sent) in [(0, 1), (u64::MAX / 10, 1), (u64::MAX / 10 * 2, 0), (u64::MAX, 0)] {
            let options = shadow.options.clone();
            let source = RandomSource::new(move || number);
            let drawn = Arc::new(Shadow { source, ..Shadow::new(ShadowOptions { percent: 15.0, ..options }) });
            let _ = begin(&layered_unguarded(own(), drawn.clone()), "differs", "[]").await;
            turn().await;
            assert_eq!(counts(&drawn).len(), sent, "{number}");
        }
    }

    #[tokio::test]
    async fn examples_are_bounded_and_a_report_goes_on_with_the_same_options() {
        let (service, _) = other();
        let shadow = shadow(service, |_| {});
        let both = layered_unguarded(own(), shadow.clone());
        for _ in 0..EXAMPLES + 5 {
            let _ = begin(&both, "differs", "[]").await;
            turn().await;
        }
        assert_eq!(shadow.report().examples().len(), EXAMPLES);
        let same = Shadow::new(shadow.options.clone()).reporting_on(&shadow);
        assert_eq!(counts(&same), counts(&shadow));
        let other = Shadow::new(ShadowOptions { percent: 1.0, ..shadow.options.clone() }).reporting_on(&shadow);
        assert_eq!(counts(&other), []);
    }
}
