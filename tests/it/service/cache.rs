//! Answers of safe methods are returned to equal calls, on every way, and the upstream gets one call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use croupier::model::name_patterns::NamePatterns;
use croupier::model::units::Period;
use croupier::protocol::Protocol;
use croupier::protocol::soap::server::namespace_of;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::settings::{GroupLimits, ServerSettings};
use croupier::service::cache::CacheOptions;
use croupier::service::local::{Local, named};
use croupier::service::rate::RateOptions;
use croupier::upstream::forwarding::Forwarding;
use croupier::upstream::transport::{Transport, TransportOptions};
use croupier::upstream::{Batching, Upstream, UpstreamOptions};

use super::rules::{ENOUGH, Told, Way, rest_spoken, rest_upstream, rest_ways, spoken, start, upstream, ways};
use crate::support::running::Running;

fn options() -> CacheOptions {
    CacheOptions { ttl: Some(Period(Duration::from_secs(3600))), ..CacheOptions::default() }
}

#[test]
fn equal_calls_on_all_ways_reach_the_upstream_once() {
    for ((group, told), ways_to_it, passed_on) in [
        (upstream(spoken(), ""), ways(), 0),
        // Requests at the paths of the upstream's own document are passed on as they are.
        (rest_upstream(rest_spoken(), ""), rest_ways(), 2),
    ] {
        let server = start(group.with_cache(options()), GroupLimits::default(), ENOUGH);
        for _ in 0..2 {
            for Way { name, request, calls, .. } in ways_to_it.iter().cloned() {
                let answer = server.raw(request);
                assert_eq!(answer.matches("world").count(), calls, "{name}: {answer}");
            }
        }
        assert_eq!(told.try_iter().filter(|told| *told == Told::Begun).count(), 1 + 2 * passed_on);
    }
}

#[test]
fn each_way_fills_the_cache() {
    for (index, Way { name, .. }) in ways().into_iter().enumerate() {
        let (group, told) = upstream(spoken(), "");
        let server = start(group.with_cache(options()), GroupLimits::default(), ENOUGH);
        for _ in 0..2 {
            let Way { request, calls, .. } = ways().swap_remove(index);
            let answer = server.raw(request);
            assert_eq!(answer.matches("world").count(), calls, "{name}: {answer}");
        }
        assert_eq!(told.try_iter().filter(|told| *told == Told::Begun).count(), 1, "{name}");
    }
}

#[test]
fn calls_that_are_answered_from_the_cache_obey_the_rules() {
    let rate = RateOptions { calls: "1/day".parse().ok(), ..RateOptions::default() };
    let (group, _told) = upstream(spoken(), "");
    let server = start(group.with_cache(options()), GroupLimits { rate, ..GroupLimits::default() }, ENOUGH);
    let Way { request, .. } = ways().remove(0);
    assert!(server.raw(request.clone()).contains("world"));
    let refused = server.raw(request);
    assert!(refused.starts_with("HTTP/1.1 429 ") && !refused.contains("cache-status"), "{refused}");
}

/// A server whose methods count their calls, and a group before it.
struct Pair {
    _behind: Running,
    front: Running,
    calls: Arc<AtomicU32>,
    requests: Arc<AtomicU32>,
}

/// Counts the HTTP requests to the group, which may have several calls.
struct Batches(Arc<AtomicU32>, std::sync::Mutex<std::collections::HashSet<String>>);

impl croupier::service::layer::GroupLayer for Batches {
    fn call(
        &self,
        call: croupier::service::Call<'_>,
        next: &dyn croupier::service::RpcService,
    ) -> croupier::service::CallFuture {
        let begun = format!("{:?}", call.context.begun);
        if self.1.lock().unwrap().insert(begun) {
            self.0.fetch_add(1, SeqCst);
        }
        next.call(call)
    }
}

fn pair(protocol: Protocol, forwarding: Forwarding, cache: CacheOptions) -> Pair {
    let (calls, requests) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let service = Local::new("Numbers", calls.clone())
        .method(named("double").safe(), |calls: &Arc<AtomicU32>, (number,): (i64,)| {
            calls.fetch_add(1, SeqCst);
            number * 2
        })
        .method_with_context(named("tenant").safe(), |calls: &Arc<AtomicU32>, context, (): ()| {
            calls.fetch_add(1, SeqCst);
            context.header("x-tenant").unwrap_or("nobody").to_owned()
        })
        .request_header("x-tenant")
        .build()
        .unwrap();
    let mut group = GroupMount::new("/numbers", service).layer(Batches(requests.clone(), Default::default()));
    group.protocols.xml_rpc = crate::support::calls::dialect();
    let behind = Running::of_mounts(Mounts { groups: vec![group], ..Mounts::default() });
    let address = format!("http://{}/numbers", behind.address).parse().unwrap();
    let transport = Transport::new(vec![address], TransportOptions::default()).unwrap();
    let safe = NamePatterns(vec!["*".to_owned()]);
    let upstream = UpstreamOptions { safe, forwarding, batching: Batching::On, ..UpstreamOptions::new(protocol) };
    let upstream = Upstream::new(transport, upstream).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(upstream.discover()).unwrap();
    // What discovery has asked for does not count.
    requests.store(0, SeqCst);
    let group = GroupMount::upstream("/front", upstream).with_cache(cache);
    let front = Running::router(
        Mounts { groups: vec![group], ..Mounts::default() }.router().unwrap(),
        ServerSettings::default(),
    );
    Pair { _behind: behind, front, calls, requests }
}

impl Pair {
    fn post(&self, media: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        self.front.raw(format!(
            "POST /front HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Type: {media}\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    fn json(&self, headers: &str, body: &str) -> String {
        self.post("application/json", headers, body)
    }

    /// How many calls have reached the server behind, in how many requests.
    fn reached(&self) -> (u32, u32) {
        (self.calls.load(SeqCst), self.requests.load(SeqCst))
    }
}

fn double(number: i64) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"double","params":[{number}],"id":{number}}}"#)
}

#[test]
fn calls_of_all_protocols_share_answers_and_those_of_a_batch_that_miss_travel_together() {
    for protocol in [Protocol::XmlRpc, Protocol::JsonRpc] {
        let pair = pair(protocol, Forwarding::default(), options());
        assert!(pair.json("", &double(7)).contains("\"result\":14"));
        assert_eq!(pair.reached(), (1, 1));
        let batch = format!("[{}]", [7, 8, 7, 9, 8, 7].map(double).join(","));
        let answer = pair.json("", &batch);
        let results: Vec<_> =
            answer.split("\"result\":").skip(1).map(|rest| rest.split([',', '}']).next().unwrap()).collect();
        assert_eq!(results, ["14", "16", "14", "18", "16", "14"], "{answer}");
        assert!(!answer.contains("cache-status"), "the calls of a batch have no header of their own");
        assert_eq!(pair.reached(), (3, 2), "{protocol:?} {answer}");
        let xml = "<methodCall><methodName>double</methodName><params><param><value><i4>9</i4></value></param></params></methodCall>";
        let answer = pair.post("text/xml", "", xml);
        assert!(answer.contains("<int>18</int>") && answer.contains("cache-status: croupier; hit; ttl=3"), "{answer}");
        assert_eq!(pair.reached(), (3, 2));
    }
}

#[test]
fn many_equal_soap_calls_reach_the_server_once() {
    let pair = pair(Protocol::Soap, Forwarding::default(), options());
    let (envelope, namespace) = ("http://schemas.xmlsoap.org/soap/envelope/", namespace_of("/front"));
    let own = namespace_of("/numbers");
    let soap = |namespace: &str, parameter: &str| {
        format!(
            r#"<e:Envelope xmlns:e="{envelope}"><e:Body><m:double xmlns:m="{namespace}"><m:{parameter}>21</m:{parameter}></m:double></e:Body></e:Envelope>"#
        )
    };
    let wsdl = pair.front.raw("GET /front?wsdl HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let parameter = wsdl.split("name=\"double\"").nth(1).unwrap().split("element name=\"").nth(1).unwrap();
    let parameter = parameter.split('"').next().unwrap();
    // Messages of the upstream's own WSDL are compared in their original bytes, so they are calls of their own.
    for (namespace, calls) in [(&namespace, 1), (&own, 2)] {
        for turn in 0..500 {
            let answer = pair.post("text/xml", "", &soap(namespace, parameter));
            assert!(answer.contains(">42</"), "{answer}");
            assert_eq!(answer.contains("cache-status: croupier; fwd=miss; stored"), turn == 0, "{answer}");
        }
        assert_eq!(pair.reached().0, calls);
    }
    // A call over another protocol is equal to those over SOAP.
    let answer = pair.json("", &double(21));
    assert!(answer.contains("\"result\":42") && answer.contains("croupier; hit"), "{answer}");
    assert_eq!(pair.reached().0, 2);
}

#[test]
fn a_header_that_reaches_the_upstream_makes_another_call() {
    let forwarding = Forwarding { pass_headers: vec!["x-tenant".parse().unwrap()], ..Forwarding::default() };
    let call = r#"{"jsonrpc":"2.0","method":"tenant","id":7}"#;
    for per_identity in [true, false] {
        let pair = pair(Protocol::JsonRpc, forwarding.clone(), CacheOptions { per_identity, ..options() });
        for tenant in ["red", "black", "black", "red"] {
            let answer = pair.json(&format!("X-Tenant: {tenant}\r\nX-Other: {tenant}\r\n"), call);
            assert!(answer.contains(&format!("\"result\":\"{tenant}\"")), "{answer}");
        }
        assert!(pair.json("Connection: close\r\n", call).contains("nobody"));
        assert!(pair.json("Connection: keep-alive\r\n", call).contains("nobody"));
        assert_eq!(pair.reached().0, 3);
    }
}
