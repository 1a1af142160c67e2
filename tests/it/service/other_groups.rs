//! Fallbacks, shadows and splits hold for every call, whichever way it comes.

use std::sync::Arc;

use bytes::Bytes;
use croupier::model::name_patterns::NamePatterns;
use croupier::protocol::Protocol;
use croupier::server::gateway::Gateway;
use croupier::server::metrics::MetricsFormat;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::request_body::BodyReader;
use croupier::server::settings::ServerSettings;
use croupier::service::RpcService;
use croupier::service::fallback::{Fallback, Substitute};
use croupier::service::local::{Local, named};
use croupier::service::shadow::{Shadow, ShadowOptions};
use croupier::service::split::{Split, SplitOptions};
use croupier::service::target::TargetGroup;
use croupier::upstream::transport::{Transport, TransportOptions};
use croupier::upstream::{DescriptionSource, Upstream, UpstreamOptions};
use http::Request;
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

use super::layers::{mounts, send, ways};
use crate::support::hello::description;
use crate::support::peers::{free_port, until};
use crate::support::scrape::Scrape;
use crate::support::scripted::{Scripted, http};

fn hello(result: &'static str) -> Local {
    Local::new("Hello", ()).method(named("hello").safe(), move |(): &(), (): ()| result).build().unwrap()
}

fn all() -> NamePatterns {
    NamePatterns(vec!["*".to_owned()])
}

fn other(result: &'static str) -> TargetGroup {
    let service: Arc<dyn RpcService> = Arc::new(hello(result));
    TargetGroup::new("/other", service)
}

fn gateway(group: GroupMount) -> Gateway {
    Gateway::serving(&mounts(group), BodyReader::new(&ServerSettings::default())).unwrap()
}

/// A group whose upstream is not there.
async fn down(protocol: Protocol) -> GroupMount {
    let address = format!("http://127.0.0.1:{}/", free_port()).parse().unwrap();
    let transport = Transport::new(vec![address], TransportOptions::default()).unwrap();
    let options =
        UpstreamOptions { description: Some(description(protocol)), safe: all(), ..UpstreamOptions::new(protocol) };
    let upstream = Upstream::new(transport, options).unwrap();
    upstream.discover().await.unwrap();
    GroupMount::upstream("/hello", upstream)
}

#[tokio::test]
async fn the_fallback_of_an_upstream_that_is_down_has_the_result_on_every_way() {
    for protocol in [Protocol::XmlRpc, Protocol::JsonRpc] {
        for (substitute, header) in [
            (Substitute::Call { target: other("moon"), method: None }, "group"),
            (Substitute::Value(Arc::new(croupier::Value::Text("moon".to_owned()))), "value"),
        ] {
            let fallback = Fallback { methods: all(), after: None, substitute };
            let gateway = gateway(down(protocol).await.with_fallbacks(vec![fallback]));
            let metrics = gateway.metrics();
            let mut calls = 0;
            for (way, _, [method, path, media, body], seen) in ways() {
                let text = send(&gateway, &method, &path, &media, &body).await;
                assert_eq!(text.matches("moon").count(), seen, "{way}, {header}: {text}");
                calls += seen;
            }
            let scrape = Scrape(metrics.encode(MetricsFormat::Prometheus));
            let count = |result| scrape.sum("croupier_fallbacks_total", &["group=\"/hello\"", result]);
            #[expect(clippy::cast_precision_loss, reason = "there are few")]
            let calls = calls as f64;
            assert_eq!((count("result=\"used\""), count("result=\"failed\"")), (calls, 0.0));
        }
    }
}

#[tokio::test]
async fn all_calls_go_to_the_other_side_of_a_whole_split_on_every_way() {
    for (percent, result) in [(100.0, "moon"), (0.0, "world")] {
        let split = Split::new(SplitOptions {
            group: "/hello".to_owned(),
            to: other("moon"),
            percent,
            methods: all(),
            sticky: None,
        });
        let gateway = gateway(GroupMount::new("/hello", hello("world")).with_split(split));
        for (way, _, [method, path, media, body], seen) in ways() {
            let text = send(&gateway, &method, &path, &media, &body).await;
            assert_eq!(text.matches(result).count(), seen, "{way}: {text}");
        }
    }
}

#[tokio::test]
async fn a_shadow_gets_each_call_on_every_way_and_callers_do_not_see_it() {
    for (theirs, outcome) in [("world", "equal"), ("moon", "different")] {
        let shadow = Shadow::new(ShadowOptions {
            to: other(theirs),
            percent: 100.0,
            methods: all(),
            compare: true,
            concurrent: 1000,
        });
        let gateway = gateway(GroupMount::new("/hello", hello("world")).with_shadow(shadow));
        let metrics = gateway.metrics();
        let mut calls = 0;
        for (way, _, [method, path, media, body], seen) in ways() {
            let text = send(&gateway, &method, &path, &media, &body).await;
            assert_eq!(text.matches("world").count(), seen, "{way}: {text}");
            calls += seen;
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let scrape = Scrape(metrics.encode(MetricsFormat::Prometheus));
            let result = format!("result=\"{outcome}\"");
            let count = scrape.sum("croupier_shadow_calls_total", &["group=\"/hello\"", &result]);
            #[expect(clippy::cast_precision_loss, reason = "there are few")]
            let expected = calls as f64;
            assert_eq!(count, expected, "{way}");
        }
    }
}

/// A REST server that responds to each request in the same way, the group of it with this path, and whether it is there at all.
async fn rest(path: &str, server: Option<&Scripted>, document_path: &str) -> GroupMount {
    let port = server.map_or_else(free_port, |server| server.address.port());
    let address = format!("http://127.0.0.1:{port}/").parse().unwrap();
    let transport = Transport::new(vec![address], TransportOptions::default()).unwrap();
    let variable = document_path.split_once('{').and_then(|(_, rest)| rest.split_once('}')).unwrap().0;
    let document = serde_json::json!({ "openapi": "3.1.0", "paths": { document_path: {
        "parameters": [{ "name": variable, "in": "path", "required": true, "schema": { "type": "string" } }],
        "get": { "operationId": "getPet", "responses": { "200": { "description": "",
            "content": { "application/json": { "schema": {} } } } } },
        "put": { "operationId": "putPet", "responses": { "200": { "description": "" } } },
    } } });
    let description = Some(DescriptionSource::Text { name: "openapi".to_owned(), text: document.to_string() });
    let options = UpstreamOptions { description, ..UpstreamOptions::new(Protocol::Rest) };
    let upstream = Upstream::new(transport, options).unwrap();
    upstream.discover().await.unwrap();
    GroupMount::upstream(path, upstream)
}

fn responding(status: &'static str, headers: &'static str, body: &'static str) -> Scripted {
    Scripted::start(move |_| http(status, &format!("Connection: close\r\n{headers}"), body))
}

/// The status, the fallback by its header, and the body.
async fn request(gateway: &Gateway, verb: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String, String) {
    let mut request = Request::builder().method(verb).uri(path).header("host", "x");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::new())).unwrap();
    let (head, body) = gateway.clone().oneshot(request).await.unwrap().into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let header = head.headers.get("croupier-fallback").map_or("", |value| value.to_str().unwrap());
    (head.status.as_u16(), header.to_owned(), text)
}

fn target_of(group: &GroupMount) -> TargetGroup {
    TargetGroup::new(group.path.as_str(), group.layered_service())
}

fn gateway_of(group: GroupMount) -> Gateway {
    let mounts = Mounts { groups: vec![group], ..Mounts::default() };
    Gateway::serving(&mounts, BodyReader::new(&ServerSettings::default())).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn safe_requests_at_the_paths_of_a_rest_server_have_fallbacks() {
    let json = "Content-Type: application/json\r\n";
    let second = responding("200 OK", json, r#"{"name":"second"}"#);
    for (first, is_outage) in [
        (None, true),
        (Some(responding("503 Service Unavailable", "", "tired")), true),
        (Some(responding("502 Bad Gateway", "", "tired")), true),
        (Some(responding("504 Gateway Timeout", "", "tired")), true),
        (Some(responding("500 Internal Server Error", "", "tired")), false),
        (Some(responding("404 Not Found", "", "tired")), false),
    ] {
        // Other names of variables make no difference.
        let other = rest("/other", Some(&second), "/pets/{other}").await;
        let elsewhere = rest("/elsewhere", Some(&second), "/toys/{name}").await;
        let value = serde_json::from_str::<croupier::Value>(r#"{"name":"fixed"}"#).unwrap();
        for (substitute, header, expected) in [
            (Substitute::Call { target: target_of(&other), method: None }, "group", r#"{"name":"second"}"#),
            (Substitute::Value(Arc::new(value)), "value", r#"{"name":"fixed"}"#),
            (Substitute::Call { target: target_of(&elsewhere), method: None }, "", ""),
        ] {
            let group = rest("/pets", first.as_ref(), "/pets/{name}").await;
            let fallback = Fallback { methods: all(), after: None, substitute };
            let gateway = gateway_of(group.with_fallbacks(vec![fallback]));
            let metrics = gateway.metrics();
            let accept = [("accept", "application/vnd.pet+json")];
            let (status, used, text) = request(&gateway, "GET", "/pets/pets/7?a=1", &accept).await;
            if is_outage && !header.is_empty() {
                assert_eq!((status, used.as_str(), text.as_str()), (200, header, expected));
            } else {
                assert!(status >= 400 && used.is_empty() && (text == "tired" || first.is_none()), "{status} {text}");
            }
            let put = request(&gateway, "PUT", "/pets/pets/7", &[]).await;
            assert!(put.0 >= 400 && put.1.is_empty(), "it may change something: {put:?}");
            let scrape = Scrape(metrics.encode(MetricsFormat::Prometheus));
            let used = if is_outage && !header.is_empty() { 1.0 } else { 0.0 };
            assert_eq!(scrape.sum("croupier_fallbacks_total", &["group=\"/pets\"", "result=\"used\""]), used);
        }
    }
    assert!(second.requests().iter().all(|request| request.starts_with("GET /pets/7?a=1 ")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn if_the_fallback_of_a_request_fails_too_the_response_remains() {
    let first = responding("503 Service Unavailable", "X-Own: 1\r\n", "tired");
    let second = responding("502 Bad Gateway", "", "gone");
    let other = rest("/other", Some(&second), "/pets/{name}").await;
    let substitute = Substitute::Call { target: target_of(&other), method: None };
    let fallback = Fallback { methods: all(), after: None, substitute };
    let gateway = gateway_of(rest("/pets", Some(&first), "/pets/{name}").await.with_fallbacks(vec![fallback]));
    let got = request(&gateway, "GET", "/pets/pets/7", &[]).await;
    assert_eq!(got, (503, String::new(), "tired".to_owned()));
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn safe_requests_at_the_paths_of_a_rest_server_have_a_shadow() {
    let json = "Content-Type: application/json\r\n";
    let first = responding("200 OK", json, r#"{"name":"Rex","legs":4}"#);
    for (second, path, outcome) in [
        (responding("200 OK", json, r#"{"legs":4.0,"name":"Rex"}"#), "/pets/{other}", Some("equal")),
        (responding("200 OK", json, r#"{"name":"Rex","legs":3}"#), "/pets/{name}", Some("different")),
        (responding("404 Not Found", json, r#"{"name":"Rex","legs":4}"#), "/pets/{name}", Some("different")),
        (responding("200 OK", "Content-Type: text/plain\r\n", "Rex"), "/pets/{name}", Some("uncompared")),
        (responding("304 Not Modified", "", ""), "/pets/{name}", Some("uncompared")),
        (responding("200 OK", json, r#"{"name":"Rex","legs":4}"#), "/toys/{name}", None),
    ] {
        let other = rest("/other", Some(&second), path).await;
        let shadow = Shadow::new(ShadowOptions {
            to: target_of(&other),
            percent: 100.0,
            methods: all(),
            compare: true,
            concurrent: 1000,
        });
        let gateway = gateway_of(rest("/pets", Some(&first), "/pets/{name}").await.with_shadow(shadow));
        let metrics = gateway.metrics();
        let got = request(&gateway, "GET", "/pets/pets/7?a=1", &[]).await;
        assert_eq!(got, (200, String::new(), r#"{"name":"Rex","legs":4}"#.to_owned()));
        let put = request(&gateway, "PUT", "/pets/pets/7", &[]).await;
        assert_eq!(put.0, 200);
        let count = |outcome: &str| {
            let scrape = Scrape(metrics.encode(MetricsFormat::Prometheus));
            let result = format!("result=\"{outcome}\"");
            scrape.sum("croupier_shadow_calls_total", &["group=\"/pets\"", &result])
        };
        match outcome {
            Some(outcome) => {
                until("the shadow is compared", || (count(outcome) > 0.0).then_some(()));
                assert_eq!((count(outcome), second.requests().len()), (1.0, 1));
                assert!(second.requests()[0].starts_with("GET /pets/7?a=1 "));
            }
            None => assert_eq!(second.requests().len(), 0),
        }
    }
}
