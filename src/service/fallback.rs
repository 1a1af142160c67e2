//! What takes the place of a result that cannot be had: that of another group, or a fixed value.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue};
use serde::{Serialize, Serializer};

use crate::model::fault::{Fault, Kind};
use crate::model::name_patterns::NamePatterns;
use crate::model::value::Value;
use crate::service::future::{MaybeReady, time_before_substitute, with_deadline};
use crate::service::layer::GroupLayer;
use crate::service::outage::is_outage_result;
use crate::service::repeatable_call::{RepeatableCall, is_repeatable, method_in_other_group};
use crate::service::response_headers::ResponseHeaders;
use crate::service::target::TargetGroup;
use crate::service::{Call, CallForm, CallFuture, Context, Output, RpcService};

/// The header that says that a result is that of a fallback.
const FALLBACK: HeaderName = HeaderName::from_static("croupier-fallback");

/// The fallbacks of a group. The first whose methods match decides.
#[derive(Debug)]
pub struct Fallbacks {
    fallbacks: Vec<Fallback>,
    counts: Arc<FallbackCounts>,
}

/// How many results were those of a fallback, and how many fallbacks have failed.
#[derive(Debug, Default)]
struct FallbackCounts {
    used: AtomicU64,
    failed: AtomicU64,
}

/// What takes the place of the results of some methods.
#[derive(Debug, Clone, PartialEq)]
pub struct Fallback {
    /// The methods, by names or patterns. Only those that are safe have a fallback.
    pub methods: NamePatterns,
    /// For how long the group itself may take. Without it, for a half of the time that the call has left if another group is
    /// called, and otherwise for nearly all of it.
    pub after: Option<Duration>,
    /// What takes the place of the result.
    pub substitute: Substitute,
}

/// What takes the place of a result.
#[derive(Debug, Clone, PartialEq)]
pub enum Substitute {
    /// The result of another group, with the same arguments.
    Call {
        /// The group.
        target: TargetGroup,
        /// Its method; `None` for the one of the same name.
        method: Option<String>,
    },
    /// A fixed value.
    Value(Arc<Value>),
}

impl Fallbacks {
    /// These fallbacks; `None` if there are none.
    pub fn new(fallbacks: Vec<Fallback>) -> Option<Fallbacks> {
        (!fallbacks.is_empty()).then(|| Fallbacks { fallbacks, counts: Arc::default() })
    }

    /// The same fallbacks, which go on with the counts of others.
    pub(crate) fn counting_on(&self, before: &Fallbacks) -> Fallbacks {
        Fallbacks { fallbacks: self.fallbacks.clone(), counts: before.counts.clone() }
    }

    /// How many results were those of a fallback, and how many fallbacks have failed too.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 2] {
        [("used", self.counts.used.load(Relaxed)), ("failed", self.counts.failed.load(Relaxed))]
    }

    fn of_method(&self, method: &str) -> Option<&Fallback> {
        self.fallbacks.iter().find(|fallback| fallback.methods.has(method))
    }
}

impl Fallback {
    /// When the call of the group itself has to end; `None` if it may take any time.
    fn deadline(&self, now: Instant, deadline: Option<Instant>) -> Option<Instant> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
        let usual = left.map(|left| match self.substitute {
            Substitute::Call { .. } => left / 2,
            Substitute::Value(_) => time_before_substitute(left),
        });
        let time = match (self.after, usual) {
            (Some(after), Some(_)) => after.min(left.unwrap_or(after)),
            (Some(after), None) => after,
            (None, usual) => usual?,
        };
        now.checked_add(time)
    }
}

/// A call with a fallback, which may have to be made.
struct Replacement {
    counts: Arc<FallbackCounts>,
    substitute: PreparedSubstitute,
    context: Context,
    is_alone: bool,
}

/// What takes the place of the result of one call.
enum PreparedSubstitute {
    /// The same call of another service, with the method there.
    Call { service: Arc<dyn RpcService>, method: String, call: RepeatableCall },
    /// A fixed value.
    Value(Arc<Value>),
}

impl Fallbacks {
    /// What may take the place of the result of a call, and when the call itself has to end.
    fn replacement(&self, call: &Call<'_>, next: &dyn RpcService) -> Option<(Replacement, Option<Instant>)> {
        let fallback = self.of_method(call.method)?;
        // What was read of a body that is passed on cannot be read again.
        let is_repeatable = !matches!(call.form, CallForm::Http(http) if !is_repeatable(http));
        let own = next.interface();
        if !is_repeatable || !own.method(call.method).is_some_and(|method| method.safe) {
            return None;
        }
        let substitute = match &fallback.substitute {
            Substitute::Call { target, method } => {
                let service = target.service()?.clone();
                let other = service.interface();
                let method = method_in_other_group(call, &own, &other, method.as_deref())?.to_owned();
                PreparedSubstitute::Call { service, method, call: RepeatableCall::of(call)? }
            }
            Substitute::Value(value) => PreparedSubstitute::Value(value.clone()),
        };
        let replacement = Replacement {
            counts: self.counts.clone(),
            substitute,
            context: call.context.clone(),
            is_alone: !matches!(call.form, CallForm::Batch(_)),
        };
        Some((replacement, fallback.deadline(Instant::now(), call.context.deadline)))
    }
}

impl Replacement {
    /// The result of a call that has ended, or what takes its place.
    fn settle(self, result: Result<Output, Fault>) -> CallFuture {
        if is_outage_result(&result) { self.call(result) } else { MaybeReady::now(result) }
    }

    /// What takes the place of the result of a call that has failed like this. If that fails too, the result remains.
    fn call(self, failed: Result<Output, Fault>) -> CallFuture {
        match &self.substitute {
            PreparedSubstitute::Value(value) => {
                let value = FixedValue(value.clone());
                self.note("value");
                MaybeReady::now(Ok(Output::One(Box::new(value))))
            }
            PreparedSubstitute::Call { service, method, call } => {
                // The headers of the other group are those of the response only if its result is.
                let added = self.context.response_headers.as_ref().map(|_| ResponseHeaders::default());
                let context = Context { response_headers: added.clone(), ..self.context.clone() };
                let pending = call.call(service.as_ref(), method, &context);
                pending.map(move |result| {
                    if result.is_err() || is_outage_result(&result) {
                        self.counts.failed.fetch_add(1, Relaxed);
                        return failed;
                    }
                    if let (Some(headers), Some(added)) = (&self.context.response_headers, &added) {
                        headers.take_all_of(added);
                    }
                    self.note("group");
                    result
                })
            }
        }
    }

    fn note(&self, kind: &'static str) {
        self.counts.used.fetch_add(1, Relaxed);
        if let Some(record) = &self.context.record {
            record.note_fallback(kind);
        }
        if let Some(headers) = self.context.response_headers.as_ref().filter(|_| self.is_alone) {
            headers.insert(FALLBACK, HeaderValue::from_static(kind));
        }
    }
}

/// A value that is the same for all calls.
struct FixedValue(Arc<Value>);

impl Serialize for FixedValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl GroupLayer for Fallbacks {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let Some((replacement, deadline)) = self.replacement(&call, next) else { return next.call(call) };
        let context = Context { deadline, ..call.context.clone() };
        match next.call(Call { context: &context, ..call }) {
            MaybeReady::Now(result) => replacement.settle(result.unwrap_or_else(|| Err(Fault::internal()))),
            MaybeReady::Later(pending) => MaybeReady::later(async move {
                let late = || Fault::new(Kind::Late, "no result in time");
                let result = with_deadline(deadline, pending).await.unwrap_or_else(|| Err(late()));
                replacement.settle(result).await
            }),
        }
    }

    fn sets_response_headers(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::model::interface::Interface;
    use crate::model::value::SizeBudget;
    use crate::service::args::Args;
    use crate::service::layer::layered_unguarded;
    use crate::service::local::{Local, named};

    type Failing = Mutex<Option<Fault>>;

    /// A service whose calls fail with a fault, if it has one.
    fn service(title: &'static str, fault: Option<Fault>) -> (Arc<dyn RpcService>, Arc<Mutex<Option<Fault>>>) {
        let fault = Arc::new(Mutex::new(fault));
        let result = move |fault: &Failing| fault.lock().unwrap().clone().map_or(Ok(title), Err);
        let service = Local::new(title, fault.clone())
            .method(named("get").safe(), move |fault: &Arc<Failing>, (): ()| result(fault))
            .method("put", move |fault: &Arc<Failing>, (): ()| result(fault))
            .method_async(named("never").safe(), |_, (): ()| std::future::pending::<()>())
            .build()
            .unwrap();
        (Arc::new(service), fault)
    }

    fn with(inner: Arc<dyn RpcService>, substitute: Substitute) -> (Arc<dyn RpcService>, Arc<Fallbacks>) {
        let fallback = Fallback { methods: NamePatterns(vec!["*".to_owned()]), after: None, substitute };
        let fallbacks = Arc::new(Fallbacks::new(vec![fallback]).unwrap());
        (layered_unguarded(inner, fallbacks.clone()), fallbacks)
    }

    async fn call(service: &Arc<dyn RpcService>, method: &str, deadline: Option<Instant>) -> (String, String) {
        let headers = ResponseHeaders::default();
        let context = Context { response_headers: Some(headers.clone()), deadline, ..Context::default() };
        let result = service.call(Call::new(method, Args::None, &context)).await;
        let text = match result {
            Ok(output) => match output.into_value(SizeBudget::new(1000)).await.unwrap() {
                Value::Text(text) => text,
                other => format!("{other:?}"),
            },
            Err(fault) => fault.to_string(),
        };
        let mut response = http::HeaderMap::new();
        headers.move_to(&mut response);
        (text, response.get(FALLBACK).map_or("", |value| value.to_str().unwrap()).to_owned())
    }

    /// Adds a header to the response of each call.
    struct Marked;

    impl RpcService for Marked {
        fn interface(&self) -> Arc<Interface> {
            Arc::default()
        }

        fn call(&self, call: Call<'_>) -> CallFuture {
            let headers = call.context.response_headers.as_ref().unwrap();
            headers.insert(HeaderName::from_static("x-second"), HeaderValue::from_static("7"));
            MaybeReady::now(match call.method {
                "get" => Ok(Output::One(Box::new("second"))),
                _ => Err(Fault::service(3, "no")),
            })
        }
    }

    #[tokio::test]
    async fn a_fallback_that_fails_adds_no_headers() {
        for (renamed, expected) in [("get", Some("7")), ("fail", None)] {
            let (first, _) = service("first", Some(Fault::new(Kind::Unreachable, "gone")));
            let target = TargetGroup::new("/second", Arc::new(Marked));
            let (both, _) = with(first, Substitute::Call { target, method: Some(renamed.to_owned()) });
            let headers = ResponseHeaders::default();
            let context = Context { response_headers: Some(headers.clone()), ..Context::default() };
            let is_ok = both.call(Call::new("get", Args::None, &context)).await.is_ok();
            let mut response = http::HeaderMap::new();
            headers.move_to(&mut response);
            assert_eq!(
                (is_ok, response.get("x-second").map(|value| value.to_str().unwrap())),
                (expected.is_some(), expected)
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_has_a_fallback_and_a_fault_of_the_service_has_none() {
        let (second, _) = service("second", None);
        let substitutes = [
            (Substitute::Call { target: TargetGroup::new("/second", second), method: None }, "second", "group"),
            (Substitute::Value(Arc::new(Value::Text("fixed".into()))), "fixed", "value"),
        ];
        for (substitute, result, header) in substitutes {
            let (first, fault) = service("first", None);
            let (both, fallbacks) = with(first, substitute);
            assert_eq!(call(&both, "get", None).await, ("first".into(), String::new()));
            for kind in Kind::ALL {
                let gone = Fault::new(kind, "gone");
                *fault.lock().unwrap() = Some(gone.clone());
                let expected = match kind {
                    Kind::Unreachable | Kind::Late | Kind::Busy => (result.to_owned(), header.to_owned()),
                    _ => (gone.to_string(), String::new()),
                };
                assert_eq!(call(&both, "get", None).await, expected);
                assert_eq!(call(&both, "put", None).await, (gone.to_string(), String::new()), "it is not safe");
            }
            assert_eq!(fallbacks.counts(), [("used", 3), ("failed", 0)]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn if_the_fallback_fails_too_the_fault_is_that_of_the_call() {
        let (first, _) = service("first", Some(Fault::new(Kind::Unreachable, "the first is gone")));
        let (second, _) = service("second", Some(Fault::new(Kind::Service(None), "the second says no")));
        let (both, fallbacks) =
            with(first, Substitute::Call { target: TargetGroup::new("/second", second), method: None });
        assert_eq!(call(&both, "get", None).await, ("unreachable: the first is gone".into(), String::new()));
        assert_eq!(fallbacks.counts(), [("used", 0), ("failed", 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_leaves_time_for_its_fallback() {
        let (first, _) = service("first", None);
        let (second, _) = service("second", None);
        let target = TargetGroup::new("/second", second);
        let (both, _) = with(first, Substitute::Call { target, method: Some("get".to_owned()) });
        let begun = tokio::time::Instant::now();
        let deadline = Instant::now().checked_add(Duration::from_secs(10));
        assert_eq!(call(&both, "never", deadline).await, ("second".into(), "group".into()));
        assert!((4_900..5_100).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    }

    #[test]
    fn the_time_of_a_call_is_a_part_of_what_it_has_left() {
        let now = Instant::now();
        let in_seconds = |seconds| now.checked_add(Duration::from_secs(seconds));
        let call = || Substitute::Call { target: TargetGroup::at("/x"), method: None };
        let value = || Substitute::Value(Arc::new(Value::Nil));
        for (substitute, after, deadline, expected) in [
            (call(), None, in_seconds(20), in_seconds(10)),
            (value(), None, in_seconds(20), in_seconds(19)),
            (call(), Some(3), in_seconds(20), in_seconds(3)),
            (value(), Some(30), in_seconds(20), in_seconds(20)),
            (call(), Some(3), None, in_seconds(3)),
            (call(), None, None, None),
        ] {
            let after = after.map(Duration::from_secs);
            let fallback = Fallback { methods: NamePatterns::default(), after, substitute };
            assert_eq!(fallback.deadline(now, deadline), expected);
        }
    }
}
