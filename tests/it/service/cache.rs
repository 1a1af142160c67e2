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
use croupier::upstream::{Batching, DescriptionSource, Upstream, UpstreamOptions};

use super::rules::{ENOUGH, Told, Way, rest_spoken, rest_upstream, rest_ways, spoken, start, upstream, ways};
use crate::support::running::Running;
use crate::support::scripted::{Scripted, http};

fn options() -> CacheOptions {
    CacheOptions { ttl: Some(Period(Duration::from_secs(3600))), ..CacheOptions::default() }
}

/// How often the results of so many calls are in a response: MCP has each as a text and as a value.
fn mentions(way: &str, calls: usize) -> usize {
    if way.contains("MCP") { 2 * calls } else { calls }
}

#[test]
fn equal_calls_on_all_ways_reach_the_upstream_once() {
    for ((group, told), ways_to_it, begun) in [
        (upstream(spoken(), ""), ways(), 1),
        // A request at a path of the upstream's own document has a result of its own, and one with a body none.
        (rest_upstream(rest_spoken(), ""), rest_ways(), 1 + 1 + 2),
    ] {
        let server = start(group.with_cache(options()), GroupLimits::default(), ENOUGH);
        for _ in 0..2 {
            for Way { name, request, calls, .. } in ways_to_it.iter().cloned() {
                let answer = server.raw(request);
                assert_eq!(answer.matches("world").count(), mentions(name, calls), "{name}: {answer}");
            }
        }
        assert_eq!(told.try_iter().filter(|told| *told == Told::Begun).count(), begun);
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
            assert_eq!(answer.matches("world").count(), mentions(name, calls), "{name}: {answer}");
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

/// A REST server whose responses depend on the path, and the group `/pets` before it.
fn pets() -> (Scripted, Running) {
    let server = Scripted::start(|request| {
        let has_tag = request.to_ascii_lowercase().contains("if-none-match: \"7\"");
        let response = |headers: &str, body: &str| {
            http("200 OK", &format!("Content-Type: application/json\r\nConnection: close\r\n{headers}"), body)
        };
        let path = request.split(' ').nth(1).unwrap();
        match path {
            "/pets/checked" if has_tag => {
                "HTTP/1.1 304 Not Modified\r\nETag: \"7\"\r\nConnection: close\r\n\r\n".to_owned()
            }
            "/pets/checked" => response("ETag: \"7\"\r\nCache-Control: no-cache\r\n", "\"checked\""),
            "/pets/cookie" => response("Set-Cookie: session=1\r\n", "\"cookie\""),
            "/pets/large" => response("ETag: \"7\"\r\n", &format!("\"{}\"", "x".repeat(100_000))),
            "/pets/larger" => response("ETag: \"7\"\r\n", &format!("\"{}\"", "x".repeat(3_000_000))),
            "/pets/gone" => http("404 Not Found", "Connection: close\r\n", "gone"),
            _ => response("ETag: \"7\"\r\n", "\"plain\""),
        }
    });
    let number = r#"[{"name":"name","in":"path","required":true,"schema":{"type":"string"}}]"#;
    let returns = r#"{"200":{"description":"","content":{"application/json":{"schema":{"type":"string"}}}}}"#;
    let text = format!(
        r#"{{"openapi":"3.1.0","paths":{{"/pets/{{name}}":{{"parameters":{number},"get":{{"operationId":"getPet","responses":{returns}}}}}}}}}"#
    );
    let transport =
        Transport::new(vec![format!("http://{}/", server.address).parse().unwrap()], TransportOptions::default());
    let description = Some(DescriptionSource::Text { name: "openapi".to_owned(), text });
    let upstream = UpstreamOptions { description, ..UpstreamOptions::new(Protocol::Rest) };
    let upstream = Upstream::new(transport.unwrap(), upstream).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(upstream.discover()).unwrap();
    let group = GroupMount::upstream("/pets", upstream).with_cache(options());
    let running = Running::of_mounts(Mounts { groups: vec![group], ..Mounts::default() });
    (server, running)
}

/// The head, in small letters, and the body of the response to a request without a body.
fn exchange(running: &Running, verb: &str, path: &str, headers: &str) -> (String, String) {
    let text = running.raw(format!("{verb} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"));
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

#[test]
fn a_request_at_a_path_of_a_rest_server_reaches_it_once() {
    let (server, running) = pets();
    let get = |path: &str, headers: &str| exchange(&running, "GET", &format!("/pets/pets/{path}"), headers);
    let (head, body) = get("plain", "");
    assert!(head.contains("cache-status: croupier; fwd=miss; stored") && body == "\"plain\"", "{head}");
    assert!(!head.contains("\r\nage: "), "{head}");
    let (head, body) = get("plain", "User-Agent: other\r\n");
    assert!(head.contains("cache-status: croupier; hit; ttl=3") && head.contains("\r\nage: 0"), "{head}");
    assert!(
        head.contains("\r\ncontent-length: 7") && head.contains("\r\netag: \"7\"") && body == "\"plain\"",
        "{head}"
    );
    let (head, body) = get("plain", "If-None-Match: W/\"7\"\r\n");
    assert!(head.starts_with("http/1.1 304 ") && body.is_empty() && !head.contains("content-length"), "{head}");
    let (head, body) = exchange(&running, "HEAD", "/pets/pets/plain", "");
    assert!(head.starts_with("http/1.1 200 ") && head.contains("\r\ncontent-length: 7") && body.is_empty(), "{head}");
    assert_eq!(server.requests().len(), 1);
    // A body that needs memory while it is sent.
    for turn in 0..3 {
        let (head, body) = get("large", "");
        assert!(head.contains("\r\ncontent-length: 100002") && body.len() == 100_002, "{head}");
        assert_eq!(head.contains("croupier; hit"), turn > 0, "{head}");
    }
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_response_that_must_be_checked_is_asked_for_by_its_tag() {
    let (server, running) = pets();
    let get = |headers: &str| exchange(&running, "GET", "/pets/pets/checked", headers);
    let (head, body) = get("If-None-Match: \"7\"\r\n");
    // The condition of the client is not that of the cache, which has nothing yet.
    assert!(head.starts_with("http/1.1 304 ") && head.contains("fwd=miss; stored") && body.is_empty(), "{head}");
    assert!(!server.requests()[0].contains("if-none-match"), "{:?}", server.requests());
    for _ in 0..2 {
        let (head, body) = get("");
        assert!(head.contains("croupier; fwd=stale; fwd-status=304; stored") && body == "\"checked\"", "{head}");
        assert!(head.starts_with("http/1.1 200 ") && head.contains("content-type: application/json"), "{head}");
    }
    assert!(server.requests()[2].contains("if-none-match: \"7\""), "{:?}", server.requests());
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn what_is_not_kept_is_passed_on_each_time() {
    let (server, running) = pets();
    for (path, headers, first, second) in [
        ("cookie", "", "croupier; fwd=miss\r", "croupier; fwd=bypass"),
        ("larger", "", "croupier; fwd=miss\r", "croupier; fwd=bypass"),
        ("gone", "", "croupier; fwd=miss\r", "croupier; fwd=miss\r"),
        ("plain", "Range: bytes=0-1\r\n", "", ""),
        ("plain", "Cache-Control: no-store\r\n", "", ""),
        ("plain", "Content-Length: 1\r\n", "", ""),
    ] {
        let before = server.requests().len();
        let body = if headers.starts_with("Content-Length") { "1" } else { "" };
        for status in [first, second] {
            let text = running.raw(format!("GET /pets/pets/{path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}"));
            assert!(text.contains(status), "{path} {headers}");
            assert_eq!(text.contains("cache-status"), !status.is_empty(), "{path} {headers}");
            assert!(path != "larger" || text.len() > 3_000_000, "{}", text.len());
        }
        assert_eq!(server.requests().len(), before + 2, "{path} {headers}");
    }
}

#[test]
fn a_result_that_comes_from_a_cache_has_a_tag_over_rest() {
    let forwarding = Forwarding { pass_headers: vec!["x-tenant".parse().unwrap()], ..Forwarding::default() };
    let pair = pair(Protocol::JsonRpc, forwarding, options());
    let send = |verb: &str, headers: &str| exchange(&pair.front, verb, "/front/tenant", headers);
    let mut tags = Vec::new();
    for headers in ["X-Tenant: a\r\n", "X-Tenant: a\r\nIf-None-Match: W/\"0\"\r\n"] {
        let (head, body) = send("GET", headers);
        assert!(head.starts_with("http/1.1 200 ") && body == "\"a\"", "{head}");
        assert!(head.contains("\r\ncache-control: private, no-cache"), "{head}");
        tags.push(head.split("\r\netag: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned());
    }
    assert_eq!((tags[0].len(), &tags[0]), (36, &tags[1]));
    // The mark of a weak tag is a capital letter.
    let known = format!("If-None-Match: {}\r\n", tags[0].replacen('w', "W", 1));
    for verb in ["GET", "HEAD"] {
        let (head, body) = send(verb, &format!("X-Tenant: a\r\n{known}"));
        assert!(head.starts_with("http/1.1 304 ") && body.is_empty() && head.contains(&tags[0]), "{head}");
    }
    let (head, body) = send("GET", &format!("X-Tenant: b\r\n{known}"));
    assert!(head.starts_with("http/1.1 200 ") && body == "\"b\"", "{head}");
    // Without a cache there is none.
    let (head, _) = exchange(&pair._behind, "GET", "/numbers/tenant", "");
    assert!(head.contains("cache-control: no-store") && !head.contains("etag"), "{head}");
}
