//! The cache around services of this process.

use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio::time::{Instant, advance};

use super::*;
use crate::model::fault::{Fault, Kind};
use crate::model::units::Period;
use crate::model::value::{SizeBudget, Value};
use crate::service::args::Args;
use crate::service::future::MaybeReady;
use crate::service::layer::layered_unguarded;
use crate::service::local::{Local, named};
use crate::service::response_headers::ResponseHeaders;
use crate::service::result_memory::ResultBudget;
use crate::service::{Identity, Output};

/// What the service does, and how often it has been called.
#[derive(Default)]
struct Script {
    calls: AtomicU32,
    finish: Notify,
    /// The fault of the calls; `None` if they succeed.
    fault: Mutex<Option<Fault>>,
}

impl Script {
    fn calls(&self) -> u32 {
        self.calls.load(Relaxed)
    }

    fn end(&self) -> Result<String, Fault> {
        match self.fault.lock().unwrap().clone() {
            Some(fault) => Err(fault),
            None => Ok(format!("answer {}", self.calls())),
        }
    }
}

fn options(change: impl FnOnce(&mut CacheOptions)) -> CacheOptions {
    let mut options = CacheOptions { ttl: Some(Period(Duration::from_secs(30))), ..CacheOptions::default() };
    change(&mut options);
    options
}

struct Cached {
    inner: Arc<dyn RpcService>,
    service: Arc<dyn RpcService>,
    cache: Arc<ResponseCache>,
    script: Arc<Script>,
}

/// A service with methods that return at once, when they are told to, with rows, and never.
fn cached(change: impl FnOnce(&mut CacheOptions)) -> Cached {
    let script = Arc::new(Script::default());
    let count = |script: &Arc<Script>| script.calls.fetch_add(1, Relaxed);
    let service = Local::new("Script", script.clone())
        .method(named("now").safe(), move |script: &Arc<Script>, _: (Value,)| {
            count(script);
            script.end()
        })
        .method(named("unsafe"), move |script: &Arc<Script>, (): ()| {
            count(script);
            script.end()
        })
        .method_async(named("later").safe(), move |script: Arc<Arc<Script>>, (): ()| async move {
            count(&script);
            script.finish.notified().await;
            script.end()
        })
        .method_async(named("never").safe(), move |script: Arc<Arc<Script>>, (): ()| async move {
            count(&script);
            std::future::pending::<()>().await;
        })
        .method(named("nothing").safe(), move |script: &Arc<Script>, (): ()| {
            count(script);
        })
        .rows(named("rows").safe(), move |script: &Arc<Arc<Script>>, (rows,): (i64,)| {
            count(script);
            0..rows
        })
        .build()
        .unwrap();
    let cache = Arc::new(ResponseCache::new(options(change)).unwrap());
    let inner: Arc<dyn RpcService> = Arc::new(service);
    let service: Arc<dyn RpcService> = layered_unguarded(inner.clone(), Caching(cache.clone()));
    Cached { inner, service, cache, script }
}

impl Cached {
    /// The result as a text and the `Cache-Status` of one call.
    async fn call_in(&self, method: &str, json: &str, context: Context) -> (Result<String, Fault>, String) {
        let headers = ResponseHeaders::default();
        let context = Context { response_headers: Some(headers.clone()), ..context };
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        let pending = self.service.call(Call::new(method, Args::Json(&raw), &context));
        let value = match pending.await {
            Ok(output) => output.into_value(SizeBudget::new(64 << 20)).await,
            Err(fault) => Err(fault),
        };
        let mut response = http::HeaderMap::new();
        headers.move_to(&mut response);
        let status = response.get(CACHE_STATUS).map_or("", |status| status.to_str().unwrap());
        (value.map(|value| serde_json::to_string(&value).unwrap()), status.to_owned())
    }

    async fn call(&self, method: &str, json: &str) -> (String, String) {
        let (result, status) = self.call_in(method, json, Context::default()).await;
        (result.unwrap_or_else(|fault| fault.to_string()), status)
    }

    fn count(&self, lookup: Lookup) -> u64 {
        self.cache.state().lookups.iter().find(|(other, _)| *other == lookup).unwrap().1
    }
}

async fn turn() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

fn answer(number: u32) -> String {
    format!("\"answer {number}\"")
}

#[tokio::test(start_paused = true)]
async fn equal_calls_reach_the_service_once_a_ttl() {
    let cached = cached(|_| {});
    for turn in 1..4 {
        assert_eq!(cached.call("now", "[7]").await, (answer(turn), "croupier; fwd=miss; stored".into()));
        for _ in 0..1000 {
            assert_eq!(cached.call("now", "[7]").await, (answer(turn), "croupier; hit; ttl=30".into()));
        }
        advance(Duration::from_millis(29_500)).await;
        assert_eq!(cached.call("now", "[7]").await.1, "croupier; hit; ttl=0");
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(cached.script.calls(), 3);
    assert_eq!((cached.count(Lookup::Hit), cached.count(Lookup::Miss)), (3003, 3));
    assert_eq!(cached.cache.state().entries, 1);
}

#[tokio::test(start_paused = true)]
async fn only_results_of_safe_methods_are_kept() {
    let cached = cached(|options| options.methods = [("nothing".into(), Period(Duration::ZERO))].into());
    for _ in 0..2 {
        assert_eq!(cached.call("unsafe", "[]").await.1, "");
        assert_eq!(cached.call("nothing", "[]").await.1, "");
    }
    *cached.script.fault.lock().unwrap() = Some(Fault::service(7, "no"));
    for _ in 0..2 {
        assert_eq!(cached.call("now", "[1]").await, ("service: no".into(), "croupier; fwd=miss".into()));
    }
    assert_eq!(cached.call("now", "[]").await.0, "bad-params: parameter 1 is missing");
    assert_eq!((cached.script.calls(), cached.cache.state().entries), (6, 0));
}

#[tokio::test(start_paused = true)]
async fn a_method_that_returns_nothing_is_kept_as_nothing() {
    let cached = cached(|_| {});
    let context = Context::default();
    for _ in 0..2 {
        let output = cached.service.call(Call::new("nothing", Args::None, &context)).await.unwrap();
        let Output::One(value) = output else { panic!("no value") };
        let mut text = Vec::new();
        let format = crate::service::Format::XmlRpc(crate::codec::xmlrpc::XmlRpcDialect::default());
        value.encode(format, &mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "<value><string></string></value>");
    }
    assert_eq!(cached.script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn callers_do_not_share_answers_unless_the_options_say_so() {
    for (per_identity, calls) in [(true, 3), (false, 1)] {
        let cached = cached(|options| options.per_identity = per_identity);
        for name in [None, Some("ada"), Some("bob"), None, Some("bob"), Some("ada")] {
            let identity = name.map(|name| Arc::new(Identity::new(name)));
            let context = Context { identity, ..Context::default() };
            assert!(cached.call_in("now", "[1]", context).await.0.is_ok());
        }
        assert_eq!(cached.script.calls(), calls);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_run_at_the_same_time_are_one() {
    let cached = Arc::new(cached(|_| {}));
    let begin = || {
        let cached = cached.clone();
        tokio::spawn(async move { cached.call("later", "[]").await })
    };
    let first = begin();
    turn().await;
    let others: Vec<_> = (0..99).map(|_| begin()).collect();
    turn().await;
    // The call goes on for the others when the one who has begun it leaves.
    first.abort();
    turn().await;
    cached.script.finish.notify_one();
    for other in others {
        let (result, status) = other.await.unwrap();
        assert_eq!((result, status.as_str()), (answer(1), "croupier; fwd=miss; collapsed; stored"));
    }
    assert_eq!(cached.call("later", "[]").await, (answer(1), "croupier; hit; ttl=30".into()));
    assert_eq!((cached.script.calls(), cached.count(Lookup::Collapsed)), (1, 99));
}

#[tokio::test(start_paused = true)]
async fn a_fault_about_one_caller_is_not_that_of_others() {
    for (kind, calls, others) in [(Kind::Late, 2, "\"answer 2\""), (Kind::Unreachable, 1, "unreachable: gone")] {
        let cached = Arc::new(cached(|_| {}));
        let begin = || {
            let cached = cached.clone();
            tokio::spawn(async move { cached.call("later", "[]").await.0 })
        };
        let first = begin();
        turn().await;
        let second: Vec<_> = (0..9).map(|_| begin()).collect();
        turn().await;
        *cached.script.fault.lock().unwrap() = Some(Fault::new(kind, "gone"));
        cached.script.finish.notify_one();
        assert_eq!(first.await.unwrap(), format!("{}: gone", kind.word()));
        turn().await;
        // The others wait for one of them, again.
        *cached.script.fault.lock().unwrap() = None;
        cached.script.finish.notify_one();
        for one in second {
            assert_eq!(one.await.unwrap(), others);
        }
        assert_eq!(cached.script.calls(), calls, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_returned_while_one_call_fetches_another() {
    let cached = cached(|options| options.stale_while_revalidate = Duration::from_secs(60));
    cached.script.finish.notify_one();
    assert_eq!(cached.call("later", "[]").await.0, answer(1));
    advance(Duration::from_secs(40)).await;
    for _ in 0..10 {
        assert_eq!(cached.call("later", "[]").await, (answer(1), "croupier; hit; ttl=-10".into()));
        turn().await;
    }
    assert_eq!(cached.script.calls(), 2);
    cached.script.finish.notify_one();
    turn().await;
    assert_eq!(cached.call("later", "[]").await, (answer(2), "croupier; hit; ttl=30".into()));
    advance(Duration::from_secs(91)).await;
    cached.script.finish.notify_one();
    assert_eq!(cached.call("later", "[]").await, (answer(3), "croupier; fwd=miss; stored".into()));
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_better_than_an_outage_and_not_better_than_a_fault() {
    let cached = cached(|options| options.stale_if_error = Duration::from_secs(60));
    assert_eq!(cached.call("now", "[1]").await.0, answer(1));
    advance(Duration::from_secs(50)).await;
    for (kind, result) in [
        (Kind::Unreachable, answer(1)),
        (Kind::Busy, answer(1)),
        (Kind::Service(None), "service: gone".to_owned()),
        (Kind::Internal, "internal: gone".to_owned()),
    ] {
        *cached.script.fault.lock().unwrap() = Some(Fault::new(kind, "gone"));
        let (returned, status) = cached.call("now", "[1]").await;
        let expected =
            if result == answer(1) { "croupier; hit; ttl=-20; detail=upstream-failed" } else { "croupier; fwd=miss" };
        assert_eq!((returned, status.as_str()), (result, expected));
    }
    advance(Duration::from_secs(41)).await;
    *cached.script.fault.lock().unwrap() = Some(Fault::new(Kind::Unreachable, "gone"));
    assert_eq!(cached.call("now", "[1]").await.0, "unreachable: gone");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_leaves_time_for_a_stale_answer() {
    let cached = cached(|options| {
        options.ttl = Some(Period(Duration::from_millis(10)));
        options.stale_if_error = Duration::from_secs(60);
    });
    let slot = cached.cache.slot(&Call::new("never", Args::None, &Context::default()), || cached.inner.interface());
    // As after an earlier success.
    cached.cache.store(&slot.unwrap(), Content::Value { value: Value::Int(7), is_void: false }, 24);
    advance(Duration::from_millis(20)).await;
    let begun = std::time::Instant::now();
    let context = || Context { deadline: begun.checked_add(Duration::from_secs(2)), ..Context::default() };
    let started = Instant::now();
    let called = cached.call_in("never", "[]", context());
    let (result, status) = tokio::time::timeout(Duration::from_millis(1990), called).await.unwrap();
    assert_eq!((result, status.as_str()), (Ok("7".to_owned()), "croupier; hit; ttl=-1; detail=upstream-failed"));
    assert!(started.elapsed() > Duration::from_millis(1000));
}

#[tokio::test(start_paused = true)]
async fn rows_are_kept_up_to_the_largest_answer_and_passed_on_above() {
    let cached = cached(|options| options.size = 256 << 10);
    let rows = |count: i64| serde_json::to_string(&(0..count).collect::<Vec<_>>()).unwrap();
    for (count, status) in [(1000, "croupier; hit; ttl=30"), (10_000, "croupier; fwd=bypass")] {
        let arguments = format!("[{count}]");
        assert_eq!(cached.call("rows", &arguments).await.0, rows(count));
        assert_eq!(cached.call("rows", &arguments).await, (rows(count), status.to_owned()));
    }
    assert_eq!((cached.script.calls(), cached.count(Lookup::Passed)), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn answers_stay_within_their_memory() {
    let cached = cached(|options| options.size = 128 << 10);
    for number in 0..5000 {
        cached.call("now", &format!("[\"{number} {}\"]", "x".repeat(number % 3000))).await;
        assert!(cached.cache.state().bytes <= 128 << 10);
    }
    let state = cached.cache.state();
    assert!(state.entries > 20 && state.bytes > 32 << 10, "{state:?}");
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_takes_memory_of_the_caller_that_gets_it() {
    let cached = cached(|_| {});
    let budget = ResultBudget::new(256 << 10);
    let context = || Context { result_memory: Some(budget.of_client(None)), ..Context::default() };
    assert!(cached.call_in("rows", "[2000]", context()).await.0.is_ok());
    let mut held = Vec::new();
    let other = context();
    let raw = RawValue::from_string("[2000]".to_owned()).unwrap();
    for _ in 0..2 {
        held.push(cached.service.call(Call::new("rows", Args::Json(&raw), &other)).await.unwrap());
    }
    let mut waiting = Box::pin(cached.call_in("rows", "[2000]", context()));
    let none = std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await;
    assert!(none, "there is no memory for a third");
    held.clear();
    assert!(waiting.await.0.is_ok());
    assert_eq!(cached.script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_description_makes_another_cache() {
    let cache = Arc::new(ResponseCache::new(options(|_| {})).unwrap());
    let service = |title: &str| {
        let title = title.to_owned();
        let answer = title.clone();
        let service = Local::new(title, answer).method(named("title").safe(), |title: &String, (): ()| title.clone());
        layered_unguarded(Arc::new(service.build().unwrap()), Caching(cache.clone()))
    };
    let (first, second) = (service("a"), service("b"));
    let context = Context::default();
    for (service, title) in [(&first, "a"), (&first, "a"), (&second, "b"), (&second, "b"), (&first, "a")] {
        let pending = service.call(Call::new("title", Args::None, &context));
        assert!(matches!(pending, MaybeReady::Now(_)));
        let value = pending.await.unwrap().into_value(SizeBudget::new(100)).await.unwrap();
        assert_eq!(value, Value::Text(title.into()));
    }
    let state = cache.state();
    assert_eq!(state.lookups.iter().map(|(_, count)| count).sum::<u64>(), 5);
    assert_eq!(state.entries, 1);
}
