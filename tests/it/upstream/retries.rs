//! Responses with the status of a server error: which of them are answers, after which a harmless call is sent again, and what the
//! caller gets if it cannot be.

use std::sync::Arc;
use std::time::Duration;

use croupier::protocol::Protocol;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::upstream::transport::{HostLimits, RetryOptions, Transport, TransportOptions};
use croupier::upstream::{DescriptionSource, Upstream, UpstreamOptions};

use super::failing_hosts::{behind, call, idempotent, in_turn, requests, start, status, upstream, urls};
use super::rest_passthrough::exchange;
use crate::support::hello::{CLIENT_PROTOCOLS, response, unreachable, world};
use crate::support::over::Over;
use crate::support::running::Running;
use crate::support::upstream::{Act, ScriptedUpstream};

const PAGE: &str = "<h1>error</h1>";

/// A fault of the protocol with status 500, whose code is 7; `None` for REST, whose status says all.
fn fault(protocol: Protocol) -> Option<Act> {
    let (media, body) = match protocol {
        Protocol::Soap => (
            "text/xml; charset=utf-8",
            r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault><faultcode>e:Server</faultcode><faultstring>no</faultstring></e:Fault></e:Body></e:Envelope>"#,
        ),
        Protocol::XmlRpc => (
            "text/xml",
            "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>7</int></value></member><member><name>faultString</name><value>no</value></member></struct></value></fault></methodResponse>",
        ),
        Protocol::JsonRpc => ("application/json", r#"{"jsonrpc":"2.0","id":1,"error":{"code":7,"message":"no"}}"#),
        _ => return None,
    };
    Some(status(500, media, body))
}

#[tokio::test]
async fn a_harmless_call_that_gets_an_error_page_gets_its_result_from_another_host() {
    let hosts = start(2).await;
    let without_type = Act::Output(b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\nno".to_vec());
    let without_end = Act::Cut(b"HTTP/1.1 500 X\r\nContent-Type: text/html\r\n\r\n<h1>".to_vec());
    for protocol in CLIENT_PROTOCOLS {
        let sound = Act::Output(response(protocol).await);
        for act in [
            status(500, "text/html", PAGE),
            status(500, "application/problem+json", "{}"),
            status(502, "text/plain; charset=utf-8", "no"),
            status(504, "text/plain", ""),
            status(503, "text/html", &PAGE.repeat(10_000)),
            without_type.clone(),
            without_end.clone(),
        ] {
            let behind = behind(&urls(&hosts), idempotent(protocol), in_turn()).await;
            hosts[0].will([act]);
            hosts[1].will([sound.clone()]);
            for over in Over::ALL.into_iter().cycle().take(20) {
                assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()), "{over:?} to {protocol}");
            }
            assert_eq!((hosts[0].requests(), hosts[1].requests()), (5, 20), "then it gets none for a time");
        }
    }
}

#[tokio::test]
async fn an_error_of_rest_is_never_an_answer() {
    let hosts = start(2).await;
    for code in [500, 502, 503, 504] {
        let behind = behind(&urls(&hosts), idempotent(Protocol::Rest), in_turn()).await;
        hosts[0].will([status(code, "application/json", "{}")]);
        hosts[1].will([Act::Output(response(Protocol::Rest).await)]);
        for over in Over::ALL {
            assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()), "{over:?}");
        }
        assert!(hosts[0].requests() >= 2 && hosts[1].requests() == 4, "{code}");
    }
    // Other statuses say something of the call.
    for code in [400, 404, 429, 501] {
        let behind = behind(&urls(&hosts), idempotent(Protocol::Rest), in_turn()).await;
        hosts.iter().for_each(|host| host.will([status(code, "application/json", "{}")]));
        for over in Over::ALL {
            assert!(over.ask(&behind, "hello", &[]).await.is_err(), "{over:?}");
        }
        assert_eq!(requests(&hosts), 4, "{code}");
    }
}

#[tokio::test]
async fn a_fault_of_a_harmless_call_is_its_answer() {
    let hosts = start(2).await;
    for protocol in CLIENT_PROTOCOLS {
        let Some(fault) = fault(protocol) else { continue };
        let behind = behind(&urls(&hosts), idempotent(protocol), in_turn()).await;
        hosts.iter().for_each(|host| host.will([fault.clone()]));
        for (calls, over) in (1..).zip(Over::ALL.into_iter().cycle().take(8)) {
            let error = over.ask(&behind, "hello", &[]).await.unwrap_err();
            assert_ne!(Err(error.clone()), unreachable(over), "{over:?} to {protocol}");
            assert!(protocol == Protocol::Soap || over == Over::Rest || error.0 == 7, "{error:?}");
            assert_eq!(requests(&hosts), calls, "{over:?} to {protocol}");
        }
    }
}

/// The calls of this upstream, each with the text of its fault.
async fn texts(upstream: &Upstream, calls: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..calls {
        texts.push(call(upstream).await.unwrap_err().message.into_owned());
    }
    texts
}

#[tokio::test]
async fn the_last_response_reaches_the_caller_if_the_call_cannot_be_sent_again() {
    let hosts = start(2).await;
    let say = |host: &ScriptedUpstream, text: &str| host.will([status(500, "text/plain", text)]);
    say(&hosts[0], "no chips");
    say(&hosts[1], "no ball");
    let both = upstream(&urls(&hosts), idempotent(Protocol::Rest), in_turn()).await;
    for text in texts(&both, 4).await {
        assert!(text.contains("HTTP status 500") && (text.contains("no chips") || text.contains("no ball")), "{text}");
    }
    assert_eq!(requests(&hosts), 8);
    // There is no budget.
    let retries = RetryOptions { budget: 0.0, floor: 0, ..RetryOptions::default() };
    let poor = upstream(&urls(&hosts), idempotent(Protocol::Rest), TransportOptions { retries, ..in_turn() }).await;
    hosts.iter().for_each(|host| say(host, "no chips"));
    for text in texts(&poor, 4).await {
        assert!(text.contains("no chips"), "{text}");
    }
    assert_eq!(requests(&hosts), 4);
}

#[tokio::test]
async fn the_response_reaches_the_caller_if_the_other_host_is_busy() {
    let hosts = start(2).await;
    let limits = HostLimits { requests: Some(1), ..HostLimits::default() };
    let transport = TransportOptions { limits, ..in_turn() };
    let upstream = upstream(&urls(&hosts), idempotent(Protocol::Rest), transport).await;
    let held = Arc::new(tokio::sync::Barrier::new(2));
    let sound = response(Protocol::Rest).await;
    hosts.iter().for_each(|host| host.will([Act::BatchFuture(held.clone(), sound.clone())]));
    let running = tokio::spawn({
        let upstream = upstream.clone();
        async move { call(&upstream).await }
    });
    while requests(&hosts) == 0 {
        tokio::task::yield_now().await;
    }
    let free = hosts.iter().find(|host| host.requests() == 0).unwrap();
    free.will([status(500, "text/plain", "no chips")]);
    let text = texts(&upstream, 1).await.remove(0);
    assert!(text.contains("no chips"), "{text}");
    assert_eq!(free.requests(), 1);
    held.wait().await;
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_that_is_sent_to_the_same_host_again_has_room_there_and_costs_one_retry() {
    let hosts = start(1).await;
    let limits = HostLimits { requests: Some(1), waiting: 0, ..HostLimits::default() };
    let retries =
        RetryOptions { attempts: Some(2), budget: 0.0, floor: 1, backoff: Duration::ZERO, ..RetryOptions::default() };
    for protocol in CLIENT_PROTOCOLS {
        let sound = Act::Output(response(protocol).await);
        for act in [status(500, "text/html", PAGE), Act::Cut(Vec::new())] {
            let transport = TransportOptions { limits, retries: retries.clone(), ..TransportOptions::default() };
            let upstream = upstream(&urls(&hosts), idempotent(protocol), transport).await;
            // The budget is ten retries in ten seconds.
            for _ in 0..10 {
                hosts[0].will([act.clone(), sound.clone()]);
                call(&upstream).await.unwrap();
                assert_eq!(hosts[0].requests(), 2, "{protocol}");
            }
        }
    }
}

const DOCUMENT: &str = r#"{"openapi": "3.1.0", "info": {"title": "Wheel", "version": "1"}, "paths": {"/spins": {
    "get": {"operationId": "spins", "responses": {"200": {"description": "all"}}},
    "delete": {"operationId": "clear", "responses": {"200": {"description": "none"}}},
    "post": {"operationId": "spin", "requestBody": {"content": {"text/plain": {"schema": {"type": "string"}}}},
        "responses": {"200": {"description": "one"}}}}}}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_passed_on_are_sent_again_if_their_verb_allows_it() {
    let hosts = start(2).await;
    let addresses = urls(&hosts).iter().map(|url| url.parse().unwrap()).collect();
    let options = UpstreamOptions {
        description: Some(DescriptionSource::Text { name: "wheel.json".to_owned(), text: DOCUMENT.to_owned() }),
        ..UpstreamOptions::new(Protocol::Rest)
    };
    let upstream = Upstream::new(Transport::new(addresses, in_turn()).unwrap(), options).unwrap();
    upstream.discover().await.unwrap();
    let group = GroupMount::upstream("/wheel", upstream);
    let running = Running::of_mounts(Mounts { groups: vec![group], ..Mounts::default() });
    let failed = status(500, "application/json", r#"{"why": "no ball"}"#);
    for (head, body, is_sent_again) in [
        ("GET /wheel/spins", "", true),
        ("DELETE /wheel/spins", "", true),
        ("POST /wheel/spins\r\nContent-Type: text/plain", "red", false),
    ] {
        for fail in [vec![0], vec![1], vec![0, 1]] {
            hosts.iter().for_each(|host| host.will([status(200, "text/plain", "17")]));
            fail.iter().for_each(|host: &usize| hosts[*host].will([failed.clone()]));
            // One of two calls in turn goes to each host first, unless one that is sent again takes the turn of the other.
            let responses = [exchange(&running, head, body).await, exchange(&running, head, body).await];
            let results = responses.iter().filter(|(head, _)| head.starts_with("http/1.1 200 ")).count();
            let errors = responses.iter().filter(|(head, _)| head.starts_with("http/1.1 500 "));
            assert!(errors.clone().all(|(_, body)| body.contains("no ball")), "{responses:?}");
            let failed: usize = fail.iter().map(|host: &usize| hosts[*host].requests()).sum();
            let what = format!("{head}, {fail:?}: {responses:?}");
            assert!(failed > 0, "{what}");
            let expected = match (is_sent_again, fail.len()) {
                (true, 1) => (2, 0, 2 + failed),
                (true, _) => (0, 2, 4),
                (false, _) => (2 - failed, failed, 2),
            };
            assert_eq!((results, errors.count(), requests(&hosts)), expected, "{what}");
        }
    }
}
