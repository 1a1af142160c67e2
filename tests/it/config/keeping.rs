//! What a reload keeps: the backends of groups that are described as before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use croupier::config::{Config, Registry};
use croupier::server::gateway::Gateway;
use croupier::server::metrics::MetricsFormat;
use croupier::server::mount::GroupMount;
use croupier::server::request_body::BodyReader;
use croupier::server::runtime::Runtime;
use croupier::server::settings::ServerSettings;
use croupier::server::{Listener, Server};
use croupier::service::local::{Local, RegistrationError, named};
use http::Request;
use http_body_util::{BodyExt, Full};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Notify;
use tokio::time::timeout;
use tower::ServiceExt;

const LIMIT: Duration = Duration::from_secs(20);

#[derive(Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
#[derive(Default)]
struct CounterOptions {
    /// What is added by each call.
    step: u32,
}

struct Counter {
    step: u32,
    count: AtomicU32,
    finish: Arc<Notify>,
}

/// A registry whose counters remember their calls, and what ends the calls of `hold`.
fn registry() -> (Registry, Arc<Notify>) {
    let finish = Arc::new(Notify::new());
    let of_service = finish.clone();
    let counter = move |options: CounterOptions| -> Result<Local, RegistrationError> {
        let counter = Counter { step: options.step.max(1), count: AtomicU32::new(0), finish: of_service.clone() };
        Local::new("Counter", counter)
            .method("next", |counter: &Counter, (): ()| {
                (counter.count.fetch_add(counter.step, SeqCst) + counter.step).to_string()
            })
            .method(named("peek").safe(), |counter: &Counter, (): ()| {
                (counter.count.fetch_add(counter.step, SeqCst) + counter.step).to_string()
            })
            .method_async("hold", |counter: Arc<Counter>, (): ()| async move {
                counter.finish.notified().await;
                counter.count.load(SeqCst).to_string()
            })
            .build()
    };
    (Registry::standard().with("counter", counter), finish)
}

fn counter(path: &str, more: &str) -> String {
    format!("[group.'{path}']\nservice = 'counter'\n{more}\n")
}

async fn started(text: &str, registry: &Registry) -> Runtime {
    let config = Config::parse("test.toml", text, registry).unwrap_or_else(|errors| panic!("{errors}"));
    Runtime::start(config.mounts(), BodyReader::new(&config.settings)).await.unwrap()
}

async fn reload(runtime: &mut Runtime, text: &str, registry: &Registry) {
    let config = Config::parse_keeping("test.toml", text, registry, runtime.mounts());
    runtime.reload(config.unwrap_or_else(|errors| panic!("{errors}")).mounts()).await.unwrap();
}

fn group<'r>(runtime: &'r Runtime, path: &str) -> &'r GroupMount {
    runtime.mounts().groups.iter().find(|group| group.path == path).unwrap()
}

/// The text that a method returns, or the whole response.
async fn call(gateway: &Gateway, path: &str, method: &str) -> String {
    let body = format!("<methodCall><methodName>{method}</methodName></methodCall>");
    let request = Request::post(path).header("host", "x").header("content-type", "text/xml");
    let response = gateway.clone().oneshot(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
    let body = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let result = body.split("<params><param><value><string>").nth(1).and_then(|rest| rest.split('<').next());
    result.unwrap_or(&body).to_owned()
}

#[tokio::test]
async fn a_service_lives_on_while_other_groups_come_change_and_go() {
    let (registry, _) = registry();
    let stays = counter("/stays", "options.step = 1");
    let mut runtime = started(&(stays.clone() + &counter("/goes", "")), &registry).await;
    let gateway = runtime.gateway();
    assert_eq!(call(&gateway, "/stays", "next").await, "1");
    // Another order of the groups, a comment and another form of the same options change nothing.
    let same = counter("/stays", "options = { step = 1 } # as before");
    for (turn, others) in [
        counter("/goes", "options.step = 5"),
        counter("/new", "") + &counter("/goes", "options.step = 5"),
        String::new(),
        "[limits]\nbody = '1 MiB'\n".to_owned() + &counter("/goes", ""),
    ]
    .iter()
    .enumerate()
    {
        reload(&mut runtime, &(others.clone() + &same), &registry).await;
        assert_eq!(call(&gateway, "/stays", "next").await, (turn + 2).to_string(), "{others}");
    }
    reload(&mut runtime, &counter("/stays", "options.step = 3"), &registry).await;
    assert_eq!(call(&gateway, "/stays", "next").await, "3", "other options make another service");
    reload(&mut runtime, &counter("/moved", "options.step = 3"), &registry).await;
    assert_eq!(call(&gateway, "/moved", "next").await, "3", "and so does another path");
}

#[tokio::test]
async fn a_group_that_goes_and_comes_back_is_new() {
    let (registry, _) = registry();
    let text = counter("/a", "") + &counter("/b", "");
    let mut runtime = started(&text, &registry).await;
    assert_eq!(call(&runtime.gateway(), "/a", "next").await, "1");
    reload(&mut runtime, &counter("/b", ""), &registry).await;
    reload(&mut runtime, &text, &registry).await;
    assert_eq!(call(&runtime.gateway(), "/a", "next").await, "1");
}

#[tokio::test]
async fn a_changed_default_changes_the_limits_of_those_that_inherit_it() {
    let (registry, _) = registry();
    let groups = counter("/inherits", "") + &counter("/own", "limits.concurrent = 7");
    let mut runtime = started(&format!("limits.concurrent = 5\n{groups}"), &registry).await;
    let gateway = runtime.gateway();
    for path in ["/inherits", "/own"] {
        assert_eq!(call(&gateway, path, "next").await, "1");
    }
    let before = ["/inherits", "/own"].map(|path| group(&runtime, path).service.clone());
    reload(&mut runtime, &format!("limits.concurrent = 6\n{groups}"), &registry).await;
    let after = ["/inherits", "/own"].map(|path| group(&runtime, path).service.clone());
    assert!(!Arc::ptr_eq(&before[0], &after[0]) && Arc::ptr_eq(&before[1], &after[1]));
    assert_eq!(group(&runtime, "/inherits").limits().concurrent, 6);
    // The limits are new, and the service within them is the same.
    assert_eq!(call(&gateway, "/inherits", "next").await, "2");
}

#[tokio::test]
async fn a_call_that_runs_outlasts_the_reload_of_its_own_group() {
    let (registry, finish) = registry();
    let mut runtime = started(&counter("/a", ""), &registry).await;
    let gateway = runtime.gateway();
    call(&gateway, "/a", "next").await;
    let running = {
        let gateway = gateway.clone();
        tokio::spawn(async move { call(&gateway, "/a", "hold").await })
    };
    tokio::task::yield_now().await;
    reload(&mut runtime, &counter("/a", "options.step = 9"), &registry).await;
    reload(&mut runtime, &counter("/b", ""), &registry).await;
    assert!(!running.is_finished());
    finish.notify_one();
    assert_eq!(timeout(LIMIT, running).await.unwrap().unwrap(), "1");
}

#[tokio::test]
async fn an_aggregate_is_new_if_it_or_what_it_calls_has_changed() {
    let (registry, _) = registry();
    let calls =
        |method: &str| format!("[group.'/all']\naggregate.calls.one = {{ group = '/one', method = '{method}' }}\n");
    let one = counter("/one", "");
    let mut runtime = started(&(one.clone() + &calls("next")), &registry).await;
    let mut before = group(&runtime, "/all").service.clone();
    for (text, kept) in [
        (one.clone() + &counter("/other", "") + &calls("next"), true),
        (one.clone() + &calls("hold"), false),
        (counter("/one", "options.step = 2") + &calls("hold"), false),
        (counter("/one", "options.step = 2") + &calls("hold"), true),
        (counter("/one", "options.step = 2\nlimits.concurrent = 3") + &calls("hold"), false),
    ] {
        reload(&mut runtime, &text, &registry).await;
        let after = group(&runtime, "/all").service.clone();
        assert_eq!(Arc::ptr_eq(&before, &after), kept, "{text}");
        before = after;
    }
}

#[tokio::test]
async fn an_upstream_is_neither_asked_nor_connected_to_again() {
    let (registry, _) = registry();
    let behind = started(&counter("/service", ""), &registry).await;
    let metrics = behind.gateway().metrics();
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address();
    tokio::spawn(
        Server::new(behind.gateway(), ServerSettings::default(), None).run(vec![listener], std::future::pending()),
    );
    let counts = || {
        let text = metrics.encode(MetricsFormat::Prometheus);
        let sum = |name: &str| -> f64 {
            let lines = text.lines().filter(|line| line.starts_with(name));
            lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
        };
        (sum("croupier_requests_total{"), sum("croupier_connections_accepted_total{"))
    };
    let upstream = |more: &str| {
        format!(
            "[group.'/front'.upstream]\nurls = ['http://{address}/service']\nprotocol = 'xml-rpc'\n\
             headers.x-key = {{ file = '{}' }}\n{more}\n",
            KEY.display()
        )
    };
    static KEY: std::sync::LazyLock<std::path::PathBuf> =
        std::sync::LazyLock::new(|| std::env::temp_dir().join(format!("croupier-keeping-{}", std::process::id())));
    std::fs::write(&*KEY, "first").unwrap();
    let mut front = started(&upstream(""), &registry).await;
    let gateway = front.gateway();
    assert_eq!(call(&gateway, "/front", "next").await, "1");
    let (requests, connections) = counts();
    for number in 2..6_u32 {
        reload(&mut front, &(counter("/other", &format!("options.step = {number}")) + &upstream("")), &registry).await;
        assert_eq!(call(&gateway, "/front", "next").await, number.to_string());
        assert!(group(&front, "/front").service.interface().method("next").is_some());
    }
    assert_eq!(counts(), (requests + 4.0, connections), "only the calls have been sent, on the same connection");
    // The contents of the files that it names are part of it.
    let before = group(&front, "/front").service.clone();
    std::fs::write(&*KEY, "second").unwrap();
    reload(&mut front, &upstream(""), &registry).await;
    assert!(!Arc::ptr_eq(&before, &group(&front, "/front").service));
    let before = group(&front, "/front").service.clone();
    reload(&mut front, &upstream("title = 'Other'"), &registry).await;
    assert!(!Arc::ptr_eq(&before, &group(&front, "/front").service));
    std::fs::remove_file(&*KEY).unwrap();
}

#[tokio::test]
async fn what_an_upstream_has_described_does_not_make_a_file_invalid() {
    let (registry, _) = registry();
    let behind = started(&counter("/service", ""), &registry).await;
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let text = format!(
        "[group.'/front'.upstream]\nurls = ['http://{}/service']\nprotocol = 'xml-rpc'\n\
         [group.'/all']\naggregate.calls.one = {{ group = '/front', method = 'unknown' }}\n",
        listener.address()
    );
    tokio::spawn(
        Server::new(behind.gateway(), ServerSettings::default(), None).run(vec![listener], std::future::pending()),
    );
    let mut front = started(&text, &registry).await;
    assert!(!group(&front, "/front").service.interface().methods.is_empty());
    reload(&mut front, &text, &registry).await;
}

/// The numbers of calls that groups inherit, and those of their own.
#[test]
fn a_group_overrides_single_keys_of_the_rate_and_the_quota() {
    let defaults =
        "[limits]\nrate = { calls = '50/s' }\nquota = { calls = '9/day', per = 'group', weights = { a = 2 } }\n";
    let own = "limits.rate.burst = 7\nlimits.quota = { calls = '5/month', weights = { b = 3 } }";
    let (registry, _) = registry();
    let config =
        Config::parse("x", &(defaults.to_owned() + &counter("/a", own) + &counter("/b", "")), &registry).unwrap();
    let found: Vec<String> = config
        .groups
        .iter()
        .map(|group| {
            let (rate, quota) = (&group.limits().rate, &group.limits().quota);
            let calls = (rate.calls.unwrap().to_string(), quota.calls.unwrap().to_string());
            format!("{calls:?} {:?} {} {:?}", rate.burst, quota.per, quota.weights)
        })
        .collect();
    assert_eq!(found, [r#"("50/s", "5/month") Some(7) group {"b": 3}"#, r#"("50/s", "9/day") None group {"a": 2}"#,]);
}

#[tokio::test]
async fn answers_are_kept_as_long_as_the_group_and_its_cache_are_the_same() {
    let (registry, _) = registry();
    let cached = |ttl: &str, more: &str| counter("/a", &format!("cache = {{ ttl = '{ttl}' }}\n{more}"));
    let mut runtime = started(&cached("1h", ""), &registry).await;
    let gateway = runtime.gateway();
    assert_eq!(call(&gateway, "/a", "peek").await, "1");
    for (text, expected) in [
        (cached("1h", "") + &counter("/b", ""), "1"),
        (cached("60m", "") + &counter("/c", ""), "1"),
        (cached("1h", "limits.rate.calls = '1000/s'"), "1"),
        (cached("1h", "limits.concurrent = 7"), "1"),
        // Another cache around the same service, and the same cache around another service.
        (cached("2h", ""), "2"),
        (cached("2h", "options.step = 5"), "5"),
    ] {
        reload(&mut runtime, &text, &registry).await;
        for _ in 0..2 {
            assert_eq!(call(&gateway, "/a", "peek").await, expected, "{text}");
        }
    }
}

#[tokio::test]
async fn rules_call_the_groups_of_the_new_configuration() {
    let (registry, _) = registry();
    let text = |step: u32| {
        counter("/a", "split = { to = '/b', percent = 100 }") + &counter("/b", &format!("options.step = {step}"))
    };
    let mut runtime = started(&text(1), &registry).await;
    let gateway = runtime.gateway();
    assert_eq!(call(&gateway, "/a", "next").await, "1");
    for (step, expected) in [(1, "2"), (7, "7"), (7, "14")] {
        reload(&mut runtime, &text(step), &registry).await;
        assert_eq!(call(&gateway, "/a", "next").await, expected);
    }
    let metrics = gateway.metrics().encode(MetricsFormat::Prometheus);
    let series = "croupier_split_calls_total{group=\"/a\",result=\"other\"} 4\n";
    assert!(metrics.contains(series), "{metrics}");
}
