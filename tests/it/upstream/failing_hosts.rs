//! Several hosts of which some fail: who gets calls, what is sent again, and what is refused.

use std::sync::Arc;
use std::time::Duration;

use croupier::model::name_patterns::NamePatterns;
use croupier::model::shape::Shapes;
use croupier::protocol::Protocol;
use croupier::service::args::Args;
use croupier::service::{Call, Context, Identity, RpcService};
use croupier::upstream::transport::{
    Balance, Hedge, HostLimits, OutlierOptions, RetryOptions, Transport, TransportOptions,
};
use croupier::upstream::{BreakerOptions, HealthOptions, KeySource, Probe, Upstream, UpstreamOptions};
use croupier::{Fault, Kind};
use http::StatusCode;

use crate::support::hello::{CLIENT_PROTOCOLS, description, frontends, response, unreachable, world};
use crate::support::over::{Behind, Over};
use crate::support::upstream::{Act, ScriptedUpstream};

/// This many hosts.
pub(super) async fn start(count: usize) -> Vec<ScriptedUpstream> {
    let mut hosts = Vec::new();
    for _ in 0..count {
        hosts.push(ScriptedUpstream::start().await);
    }
    hosts
}

pub(super) fn urls(hosts: &[ScriptedUpstream]) -> Vec<String> {
    hosts.iter().map(|host| format!("http://{}/", host.address())).collect()
}

pub(super) async fn upstream(urls: &[String], options: UpstreamOptions, transport: TransportOptions) -> Upstream {
    let addresses = urls.iter().map(|url| url.parse().unwrap()).collect();
    let transport = Transport::new(addresses, transport).unwrap();
    let description = options.description.clone().unwrap_or_else(|| description(options.protocol));
    let options = UpstreamOptions { description: Some(description), ..options };
    let upstream = Upstream::new(transport, options).unwrap();
    upstream.discover().await.unwrap();
    upstream
}

pub(super) fn idempotent(protocol: Protocol) -> UpstreamOptions {
    UpstreamOptions { idempotent: NamePatterns(vec!["hello".to_owned()]), ..UpstreamOptions::new(protocol) }
}

pub(super) async fn behind(urls: &[String], options: UpstreamOptions, transport: TransportOptions) -> Behind {
    let upstream = upstream(urls, options, transport).await;
    Behind { shapes: Shapes::of(&upstream.interface()), service: Arc::new(upstream), frontends: frontends() }
}

pub(super) fn in_turn() -> TransportOptions {
    TransportOptions { balance: Balance::RoundRobin, ..TransportOptions::default() }
}

pub(super) fn requests(hosts: &[ScriptedUpstream]) -> usize {
    hosts.iter().map(ScriptedUpstream::requests).sum()
}

pub(super) async fn call(upstream: &Upstream) -> Result<(), Fault> {
    upstream.call(Call::new("hello", Args::None, &Context::default())).await.map(drop)
}

pub(super) fn status(status: u16, media: &str, body: &str) -> Act {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n");
    Act::Output((head + body).into_bytes())
}

pub(super) async fn advance(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

/// The upstream counts: whatever fails and whatever the options, a call that may have an effect is sent at most once.
#[tokio::test]
async fn a_call_that_may_have_an_effect_is_never_sent_twice() {
    let hosts = start(3).await;
    for protocol in CLIENT_PROTOCOLS {
        let sound = response(protocol).await;
        let begun = sound[..sound.len() - 3].to_vec();
        for act in [
            Act::Cut(Vec::new()),
            Act::Cut(b"HTTP/1.1 200".to_vec()),
            Act::Cut(begun),
            Act::Deaf(1),
            Act::Silence,
            Act::Output(b"nonsense\r\n\r\n".to_vec()),
            status(500, "text/html", "<h1>error</h1>"),
            status(500, "application/json", "{}"),
            status(502, "text/plain", "no"),
            status(503, "text/plain", "busy"),
            status(504, "text/plain", ""),
            status(429, "text/plain", ""),
            Act::Output(sound.clone()),
        ] {
            let options = TransportOptions {
                response: Duration::from_millis(40),
                retries: RetryOptions {
                    attempts: Some(5),
                    budget: 1.0,
                    floor: 100,
                    statuses: [429, 502, 503, 504].map(|code| StatusCode::from_u16(code).unwrap()).to_vec(),
                    ..RetryOptions::default()
                },
                hedge: Some(Hedge::After(Duration::from_millis(1))),
                ..TransportOptions::default()
            };
            let behind = behind(&urls(&hosts), UpstreamOptions::new(protocol), options).await;
            hosts.iter().for_each(|host| host.will([act.clone()]));
            for (calls, over) in (1..).zip(Over::ALL) {
                let _ = over.ask(&behind, "hello", &[]).await;
                assert_eq!(requests(&hosts), calls, "{over:?} to {protocol}");
            }
        }
    }
}

#[tokio::test]
async fn a_harmless_call_gets_its_result_from_another_host() {
    let hosts = start(3).await;
    for protocol in CLIENT_PROTOCOLS {
        let sound = response(protocol).await;
        for act in [Act::Cut(Vec::new()), Act::Cut(b"HTTP/1.1 200".to_vec()), status(503, "text/plain", "busy")] {
            let behind = behind(&urls(&hosts), idempotent(protocol), in_turn()).await;
            hosts.iter().for_each(|host| host.will([Act::Output(sound.clone())]));
            hosts[1].will([act]);
            for over in Over::ALL.into_iter().cycle().take(30) {
                assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()), "{over:?} to {protocol}");
            }
            assert_eq!(hosts[1].requests(), 5, "then it gets none for a time");
            assert_eq!(requests(&hosts), 35);
        }
    }
}

/// A fault is an answer, whatever its status.
#[tokio::test]
async fn a_host_that_returns_faults_is_well_and_one_that_returns_errors_is_not() {
    let hosts = start(2).await;
    let soap = r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault><faultcode>e:Server</faultcode><faultstring>no</faultstring></e:Fault></e:Body></e:Envelope>"#;
    let xml_rpc = "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>7</int></value></member><member><name>faultString</name><value>no</value></member></struct></value></fault></methodResponse>";
    let json_rpc = r#"{"jsonrpc":"2.0","id":1,"error":{"code":7,"message":"no"}}"#;
    for (protocol, act, is_well) in [
        (Protocol::Soap, status(500, "text/xml", soap), true),
        (Protocol::XmlRpc, status(200, "text/xml", xml_rpc), true),
        (Protocol::JsonRpc, status(200, "application/json", json_rpc), true),
        (Protocol::Rest, status(404, "application/json", "{}"), true),
        (Protocol::Rest, status(422, "application/json", "{}"), true),
        (Protocol::Rest, status(500, "application/json", "{}"), false),
        (Protocol::Soap, status(500, "text/html", "<h1>error</h1>"), false),
        (Protocol::XmlRpc, status(500, "text/html", "<h1>error</h1>"), false),
        (Protocol::JsonRpc, status(502, "text/plain", "no"), false),
    ] {
        // One call of each pair is passed through, and the other decoded.
        let behind = behind(&urls(&hosts), UpstreamOptions::new(protocol), in_turn()).await;
        hosts[0].will([act]);
        hosts[1].will([Act::Output(response(protocol).await)]);
        for over in Over::ALL.into_iter().flat_map(|over| [over; 10]) {
            let _ = over.ask(&behind, "hello", &[]).await;
        }
        assert_eq!(hosts[0].requests(), if is_well { 20 } else { 5 }, "{protocol}");
        assert_eq!(requests(&hosts), 40);
    }
}

#[tokio::test]
async fn if_all_hosts_fail_retries_add_a_fifth() {
    let hosts = start(3).await;
    hosts.iter().for_each(|host| host.will([Act::Cut(Vec::new())]));
    let retries = RetryOptions { attempts: Some(3), floor: 1, backoff: Duration::ZERO, ..RetryOptions::default() };
    let options = TransportOptions { retries, ..TransportOptions::default() };
    let upstream = upstream(&urls(&hosts), idempotent(Protocol::XmlRpc), options).await;
    let calls = 200;
    for _ in 0..calls {
        assert_eq!(call(&upstream).await.unwrap_err().kind, Kind::Unreachable);
    }
    let sent = requests(&hosts);
    assert!(sent > calls && sent <= calls * 12 / 10 + 10, "{sent} requests for {calls} calls");
}

#[tokio::test]
async fn a_silent_host_costs_a_hedged_call_no_result() {
    let hosts = start(3).await;
    for protocol in CLIENT_PROTOCOLS {
        let hedge = Some(Hedge::After(Duration::from_millis(50)));
        let behind = behind(&urls(&hosts), idempotent(protocol), TransportOptions { hedge, ..in_turn() }).await;
        let sound = response(protocol).await;
        hosts.iter().for_each(|host| host.will([Act::Output(sound.clone())]));
        hosts[2].will([Act::Silence]);
        for over in Over::ALL.into_iter().cycle().take(12) {
            assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()), "{over:?} to {protocol}");
        }
        assert!(hosts[2].requests() >= 3 && requests(&hosts) >= 12 + hosts[2].requests(), "{}", requests(&hosts));
    }
}

/// With few calls, a call that takes long does not hold up others.
#[tokio::test]
async fn a_silent_host_gets_no_further_calls_by_latency() {
    let hosts = start(3).await;
    let sound = response(Protocol::JsonRpc).await;
    hosts.iter().for_each(|host| host.will([Act::Output(sound.clone())]));
    hosts[0].will([Act::Silence]);
    let upstream = upstream(&urls(&hosts), UpstreamOptions::new(Protocol::JsonRpc), TransportOptions::default()).await;
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let upstream = upstream.clone();
        waiting.spawn(async move { call(&upstream).await });
    }
    let mut answered = 0;
    // The silent host may still be reading its last requests once all others are answered.
    while answered + hosts[0].requests() < 60 {
        match waiting.try_join_next() {
            Some(ended) => {
                ended.unwrap().unwrap();
                answered += 1;
            }
            None => tokio::task::yield_now().await,
        }
    }
    assert!(hosts[0].requests() < 30, "{}", hosts[0].requests());
}

#[tokio::test]
async fn a_host_that_comes_back_gets_few_calls_at_first() {
    let hosts = start(2).await;
    let sound = response(Protocol::XmlRpc).await;
    hosts[0].will([Act::Cut(Vec::new())]);
    hosts[1].will([Act::Output(sound.clone())]);
    let outliers = OutlierOptions { failures: 2, ..OutlierOptions::default() };
    let upstream =
        upstream(&urls(&hosts), UpstreamOptions::new(Protocol::XmlRpc), TransportOptions { outliers, ..in_turn() })
            .await;
    for _ in 0..100 {
        let _ = call(&upstream).await;
    }
    assert_eq!(hosts[0].requests(), 2);
    hosts[0].will([Act::Output(sound.clone())]);
    hosts[1].will([Act::Output(sound)]);
    advance(5).await;
    for _ in 0..400 {
        call(&upstream).await.unwrap();
    }
    let first = hosts[0].requests();
    assert!((1..150).contains(&first), "{first} of 400");
    advance(10).await;
    for _ in 0..400 {
        call(&upstream).await.unwrap();
    }
    assert_eq!(hosts[0].requests() - first, 200, "now it has its share");
}

#[tokio::test]
async fn a_breaker_refuses_calls_and_tries_again() {
    let hosts = start(1).await;
    for protocol in CLIENT_PROTOCOLS {
        let breaker = BreakerOptions { failures: 4, probes: 2, ..BreakerOptions::default() };
        let options = UpstreamOptions { breaker: Some(breaker), ..UpstreamOptions::new(protocol) };
        let behind = behind(&urls(&hosts), options, TransportOptions::default()).await;
        hosts[0].will([status(500, "text/html", "<h1>error</h1>")]);
        for over in Over::ALL.into_iter().cycle().take(20) {
            assert!(over.ask(&behind, "hello", &[]).await.is_err());
        }
        assert_eq!(hosts[0].requests(), 4, "{protocol}");
        for over in Over::ALL {
            assert_eq!(over.ask(&behind, "hello", &[]).await, unreachable(over));
        }
        let outage = behind.service.outage().unwrap();
        assert!(outage.reason.contains("too many calls to it have failed"), "{outage:?}");
        advance(5).await;
        assert!(Over::XmlRpc.ask(&behind, "hello", &[]).await.is_err());
        assert!(Over::XmlRpc.ask(&behind, "hello", &[]).await.is_err());
        assert_eq!(hosts[0].requests(), 5, "the first call that is let through opens it again");
        hosts[0].will([Act::Output(response(protocol).await)]);
        advance(5).await;
        for over in Over::ALL {
            assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()));
        }
        assert_eq!(behind.service.outage(), None);
    }
}

#[tokio::test]
async fn a_breaker_counts_no_faults() {
    let hosts = start(1).await;
    let breaker = BreakerOptions { failures: 2, ..BreakerOptions::default() };
    let options = UpstreamOptions { breaker: Some(breaker), ..UpstreamOptions::new(Protocol::JsonRpc) };
    let behind = behind(&urls(&hosts), options, TransportOptions::default()).await;
    hosts[0].will([status(500, "application/json", r#"{"jsonrpc":"2.0","id":1,"error":{"code":7,"message":"no"}}"#)]);
    for over in Over::ALL.into_iter().cycle().take(20) {
        assert!(over.ask(&behind, "hello", &[]).await.is_err());
    }
    assert_eq!(hosts[0].requests(), 20);
}

#[tokio::test]
async fn calls_beyond_the_limit_wait_or_are_refused() {
    let hosts = start(2).await;
    let sound = response(Protocol::JsonRpc).await;
    let limits = HostLimits { requests: Some(1), waiting: 1, ..HostLimits::default() };
    let options = TransportOptions { limits, ..TransportOptions::default() };
    let upstream = upstream(&urls(&hosts), UpstreamOptions::new(Protocol::JsonRpc), options).await;
    // Both hosts respond once both have a request.
    let both = Arc::new(tokio::sync::Barrier::new(3));
    hosts
        .iter()
        .for_each(|host| host.will([Act::BatchFuture(both.clone(), sound.clone()), Act::Output(sound.clone())]));
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let upstream = upstream.clone();
        running.spawn(async move { call(&upstream).await });
    }
    while requests(&hosts) < 2 {
        tokio::task::yield_now().await;
    }
    let refused = call(&upstream).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Busy, "{refused:?}");
    assert_eq!(requests(&hosts), 2);
    both.wait().await;
    while let Some(ended) = running.join_next().await {
        ended.unwrap().unwrap();
    }
    assert_eq!(requests(&hosts), 4, "two have waited");
    call(&upstream).await.unwrap();
}

#[tokio::test]
async fn calls_with_the_same_key_go_to_the_same_host() {
    let hosts = start(4).await;
    let sound = response(Protocol::JsonRpc).await;
    let options = UpstreamOptions { balance_key: Some(KeySource::Identity), ..UpstreamOptions::new(Protocol::JsonRpc) };
    let transport = || TransportOptions { balance: Balance::Hash, ..TransportOptions::default() };
    let mut urls = urls(&hosts);
    let first = upstream(&urls, options.clone(), transport()).await;
    urls.reverse();
    let other = upstream(&urls, options, transport()).await;
    let mut used = [0; 4];
    for caller in 0..20 {
        hosts.iter().for_each(|host| host.will([Act::Output(sound.clone())]));
        let identity = Some(Arc::new(Identity::new(format!("caller-{caller}"))));
        let context = Context { identity, ..Context::default() };
        for upstream in [&first, &other, &first] {
            upstream.call(Call::new("hello", Args::None, &context)).await.unwrap();
        }
        let host = hosts.iter().position(|host| host.requests() == 3).expect("one host has all three calls");
        used[host] += 1;
    }
    assert!(used.iter().all(|count| *count < 20), "{used:?}");
}

#[tokio::test]
async fn one_host_gets_a_call_again_if_that_is_configured() {
    let hosts = start(1).await;
    let retries = RetryOptions { attempts: Some(3), backoff: Duration::from_millis(1), ..RetryOptions::default() };
    let options = TransportOptions { retries, ..TransportOptions::default() };
    let upstream = upstream(&urls(&hosts), idempotent(Protocol::XmlRpc), options).await;
    hosts[0].will([Act::Cut(Vec::new()), Act::Cut(Vec::new()), Act::Output(response(Protocol::XmlRpc).await)]);
    call(&upstream).await.unwrap();
    assert_eq!(hosts[0].requests(), 3);
}

pub(super) fn health(probe: Probe) -> Option<HealthOptions> {
    Some(HealthOptions {
        probe,
        interval: Duration::from_millis(5),
        jitter: 0.0,
        timeout: Duration::from_secs(20),
        unhealthy: 2,
        healthy: 2,
    })
}

/// Waits until a host has had this many requests.
pub(super) async fn until(host: &ScriptedUpstream, count: usize) {
    while host.requests() < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_host_that_fails_its_probes_gets_no_calls_until_it_passes_them() {
    let hosts = start(2).await;
    for protocol in CLIENT_PROTOCOLS {
        let sound = Act::Output(response(protocol).await);
        let get = |status| Probe::Get { path: "/health".to_owned(), status };
        let world = Some(serde_json::Value::from("world"));
        for (probe, well, ill) in [
            (Probe::Call { method: "hello".to_owned(), result: None }, sound.clone(), status(500, "text/plain", "no")),
            (Probe::Call { method: "hello".to_owned(), result: world }, sound.clone(), Act::Cut(Vec::new())),
            (get(None), status(204, "text/plain", ""), status(404, "text/plain", "")),
            (get(Some(StatusCode::NOT_FOUND)), status(404, "text/plain", ""), status(200, "text/plain", "")),
        ] {
            let options = UpstreamOptions { health: health(probe), ..UpstreamOptions::new(protocol) };
            let upstream = upstream(&urls(&hosts), options, in_turn()).await;
            hosts[0].will([ill]);
            hosts[1].will([well.clone()]);
            let watching = tokio::spawn(upstream.clone().watch(|_: &Upstream, _| {}));
            // The end of the second probe shows that the first was noted.
            until(&hosts[0], 2).await;
            until(&hosts[1], 2).await;
            watching.abort();
            let _ = watching.await;
            // A probe may still be on its way, but a call to this host would fail.
            hosts[0].will([Act::Cut(Vec::new())]);
            hosts[1].will([sound.clone()]);
            for _ in 0..10 {
                call(&upstream).await.unwrap();
            }
            hosts.iter().for_each(|host| host.will([well.clone()]));
            let watching = tokio::spawn(upstream.clone().watch(|_: &Upstream, _| {}));
            until(&hosts[0], 3).await;
            watching.abort();
            let _ = watching.await;
            hosts.iter().for_each(|host| host.will([sound.clone()]));
            advance(10).await;
            for _ in 0..30 {
                call(&upstream).await.unwrap();
            }
            assert!(hosts[0].requests() >= 10, "{protocol}: {}", hosts[0].requests());
        }
    }
}

#[tokio::test]
async fn connections_are_limited() {
    let hosts = start(1).await;
    let limits = HostLimits { connections: Some(2), ..HostLimits::default() };
    let options = TransportOptions { limits, ..TransportOptions::default() };
    let upstream = upstream(&urls(&hosts), UpstreamOptions::new(Protocol::JsonRpc), options).await;
    hosts[0].will([Act::Output(response(Protocol::JsonRpc).await)]);
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let upstream = upstream.clone();
        running.spawn(async move { call(&upstream).await });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap().unwrap();
    }
    assert!(hosts[0].connections() <= 2, "{}", hosts[0].connections());
}
