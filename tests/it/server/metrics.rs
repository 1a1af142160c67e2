//! What is counted, and that clients cannot make further series.
use std::collections::BTreeSet;

use bytes::Bytes;
use croupier::app::App;
use croupier::server::gateway::Gateway;
use croupier::server::metrics::MetricsFormat;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::runtime::Runtime;
use croupier::server::settings::GroupLimits;
use croupier::service::local::{Local, named};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

use crate::support::scrape::Scrape;

fn service(methods: &[&str]) -> Local {
    let add = |service: croupier::service::local::Builder<()>, name: &&str| {
        service.method(named(*name).safe(), |(): &(), (): ()| "world")
    };
    methods.iter().fold(Local::new("Words", ()), add).build().unwrap()
}

async fn runtime(groups: Vec<GroupMount>) -> Runtime {
    let app = groups.into_iter().fold(App::new(), |app, group| app.mount_group(group).unwrap());
    app.start().await
}

async fn send(gateway: &Gateway, request: http::request::Builder, body: String) -> u16 {
    let response = gateway.clone().oneshot(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let _ = response.into_body().collect().await;
    status
}

async fn call(gateway: &Gateway, path: &str, method: &str) -> u16 {
    let request = Request::post(path).header("host", "x").header("content-type", "application/json");
    send(gateway, request, format!(r#"{{"jsonrpc":"2.0","method":"{method}","id":1}}"#)).await
}

fn scrape(gateway: &Gateway) -> Scrape {
    Scrape(gateway.metrics().encode(MetricsFormat::Prometheus))
}

const CALLS: &str = "croupier_call_duration_seconds_count";

/// Numbers that look random and are the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn word(&mut self) -> String {
        (0..=self.next() % 12).map(|_| char::from(b'a' + u8::try_from(self.next() % 26).unwrap())).collect()
    }
}

/// A request of one kind out of several, in which every name is random.
async fn send_random(gateway: &Gateway, random: &mut Random, kind: u64) {
    let (word, host) = (random.word(), random.word());
    let json = |method: &str| format!(r#"{{"jsonrpc":"2.0","method":"{method}","id":1}}"#);
    let (verb, path, media, body) = match kind {
        0 => (random.word(), format!("/{word}"), "text/plain", String::new()),
        1 => ("GET".to_owned(), format!("/words/x{word}"), "text/plain", String::new()),
        2 => (random.word().to_uppercase(), format!("/words/{word}"), "text/plain", String::new()),
        3 => ("POST".to_owned(), "/words".to_owned(), "application/json", json(&format!("x{word}"))),
        4 => (
            "POST".to_owned(),
            "/words".to_owned(),
            "application/json",
            format!("[{},{}]", json(&format!("x{word}")), json("x")),
        ),
        5 => (
            "POST".to_owned(),
            "/words".to_owned(),
            "text/xml",
            format!("<methodCall><methodName>x{word}</methodName></methodCall>"),
        ),
        6 => ("POST".to_owned(), "/words".to_owned(), "text/xml", format!("<{word}/>")),
        _ => ("POST".to_owned(), "/words".to_owned(), "application/x", word),
    };
    let verb = Method::from_bytes(verb.as_bytes()).unwrap();
    let request = Request::builder().method(verb).uri(path).header("host", host).header("content-type", media);
    send(gateway, request, body).await;
}

#[tokio::test]
async fn random_paths_methods_and_hosts_make_no_series() {
    let runtime = runtime(vec![GroupMount::new("/words", service(&["hello"]))]).await;
    let gateway = runtime.gateway();
    let series = |gateway: &Gateway| scrape(gateway).series().into_keys().map(str::to_owned).collect::<BTreeSet<_>>();
    series(&gateway);
    let mut random = Random(1);
    for turn in 0..800 {
        send_random(&gateway, &mut random, turn % 8).await;
    }
    let before = series(&gateway);
    for turn in 0..20_000 {
        send_random(&gateway, &mut random, turn % 8).await;
    }
    assert_eq!(series(&gateway), before);
    let scrape = scrape(&gateway);
    assert_eq!(scrape.sum("croupier_requests_total", &[]), 20_800.0, "each request is counted once");
    assert_eq!(scrape.sum(CALLS, &["method=\"_other\""]), scrape.sum(CALLS, &[]), "none has called a method");
}

#[tokio::test]
async fn nothing_is_counted_before_someone_asks() {
    let runtime = runtime(vec![GroupMount::new("/words", service(&["hello"]))]).await;
    let gateway = runtime.gateway();
    assert_eq!(call(&gateway, "/words", "hello").await, 200);
    assert_eq!(scrape(&gateway).sum(CALLS, &[]), 0.0);
    assert_eq!(call(&gateway, "/words", "hello").await, 200);
    let labels = ["group=\"/words\"", "protocol=\"json-rpc\"", "method=\"hello\"", "outcome=\"success\""];
    assert_eq!(scrape(&gateway).sum(CALLS, &labels), 1.0);
}

#[tokio::test]
async fn a_reload_keeps_the_counts_of_groups_that_stay_and_drops_those_of_groups_that_go() {
    let groups = ["/stays", "/goes"].map(|path| GroupMount::new(path, service(&["one", "two"])));
    let mut runtime = runtime(groups.to_vec()).await;
    let gateway = runtime.gateway();
    scrape(&gateway);
    for (path, method) in [("/stays", "one"), ("/stays", "two"), ("/goes", "one")] {
        assert_eq!(call(&gateway, path, method).await, 200);
    }
    let stays = GroupMount::new("/stays", service(&["one", "three"]));
    runtime.reload(Mounts { groups: vec![stays], ..Mounts::default() }).await.unwrap();
    assert_eq!(call(&gateway, "/stays", "one").await, 200);
    assert_eq!(call(&gateway, "/stays", "three").await, 200);
    let scrape = scrape(&gateway);
    assert!(!scrape.0.contains("/goes"), "{}", scrape.0);
    let of = |method: &str| scrape.sum(CALLS, &["group=\"/stays\"", &format!("method=\"{method}\"")]);
    assert_eq!((of("one"), of("two"), of("three")), (2.0, 0.0, 1.0));
    assert_eq!(scrape.sum("croupier_requests_total", &["group=\"/stays\""]), 4.0);
}

#[tokio::test]
async fn permits_waits_and_calls_that_are_given_up_are_counted() {
    let slow = Local::new("Slow", ()).method_async(named("slow").safe(), |_, (): ()| std::future::pending::<()>());
    let limits = GroupLimits { concurrent: 1, ..GroupLimits::default() };
    let runtime = runtime(vec![GroupMount::new("/slow", slow.build().unwrap()).with_limits(limits)]).await;
    let gateway = runtime.gateway();
    scrape(&gateway);
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let gateway = gateway.clone();
            tokio::spawn(async move { call(&gateway, "/slow", "slow").await })
        })
        .collect();
    let of = |scrape: &Scrape, name: &str| scrape.sum(name, &["group=\"/slow\""]);
    while of(&scrape(&gateway), "croupier_calls_waiting") == 0.0 {
        tokio::task::yield_now().await;
    }
    let during = scrape(&gateway);
    let figures =
        ["croupier_permits", "croupier_permits_in_use", "croupier_calls_in_flight", "croupier_requests_in_flight"];
    assert_eq!(figures.map(|name| of(&during, name)), [1.0, 1.0, 2.0, 2.0]);
    for call in calls {
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }
    let after = scrape(&gateway);
    assert_eq!(figures.map(|name| of(&after, name)), [1.0, 0.0, 0.0, 0.0]);
    assert_eq!(after.sum(CALLS, &["method=\"slow\"", "outcome=\"cancelled\""]), 2.0);
    assert_eq!(after.sum("croupier_requests_total", &["outcome=\"client-gone\""]), 2.0);
}

#[tokio::test]
async fn both_formats_have_the_same_samples() {
    let runtime = runtime(vec![GroupMount::new("/words", service(&["hello"]))]).await;
    let metrics = runtime.gateway().metrics();
    call(&runtime.gateway(), "/words", "hello").await;
    // OpenMetrics writes the bound `1` as `1.0`, and has the labels in another order.
    let names = |format| {
        let text = metrics.encode(format);
        let series = text.lines().filter(|line| !line.starts_with('#'));
        let labels = |line: &str| {
            let (name, labels) = line.rsplit_once(' ').unwrap().0.split_once('{').unwrap_or((line, ""));
            let labels = labels.trim_end_matches('}').split(',').map(|label| label.replace(".0\"", "\""));
            (name.split(' ').next().unwrap().to_owned(), labels.collect::<BTreeSet<_>>())
        };
        series.map(labels).collect::<BTreeSet<_>>()
    };
    assert_eq!(names(MetricsFormat::Prometheus), names(MetricsFormat::OpenMetrics));
    assert!(metrics.encode(MetricsFormat::OpenMetrics).ends_with("\n# EOF\n"));
}
