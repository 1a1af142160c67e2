//! The calls of one multicall or batch are sent to an upstream together: one round trip, a fault for each failed call, and
//! no call made twice.
use std::sync::Arc;
use std::time::Duration;

use croupier::Kind;
use croupier::protocol::Protocol;
use croupier::service::RpcService;
use croupier::service::layer::layered;
use croupier::service::limiter::Limiter;
use croupier::upstream::transport;
use croupier::upstream::transport::Transport;
use croupier::upstream::{Batching, Upstream, UpstreamOptions};
use serde_json::{Value as Json, json};
use tokio::sync::Barrier;

use crate::support::calls::post_to;
use crate::support::hello::{description, frontends};
use crate::support::upstream::{Act, ScriptedUpstream};

/// The server's one method is `hello`, which takes nothing.
async fn remote(server: &ScriptedUpstream, protocol: Protocol, batching: Batching) -> Upstream {
    let address = format!("http://{}/", server.address()).parse().unwrap();
    let transport = Transport::new(vec![address], transport::TransportOptions::default()).unwrap();
    let options =
        UpstreamOptions { description: Some(description(protocol)), batching, ..UpstreamOptions::new(protocol) };
    let remote = Upstream::new(transport, options).unwrap();
    remote.discover().await.unwrap();
    remote
}

/// What is answered to a request that holds several calls.
async fn ask(service: impl RpcService, media: &str, body: &str) -> String {
    let service: Arc<dyn RpcService> = Arc::new(service);
    post_to(&service, &frontends(), "", media, body.as_bytes()).await.1
}

fn call(method: &str) -> String {
    format!(
        "<value><struct><member><name>methodName</name><value>{method}</value></member>\
         <member><name>params</name><value><array><data></data></array></value></member></struct></value>"
    )
}

fn batching(calls: &[String]) -> String {
    format!(
        "<methodCall><methodName>system.multicall</methodName><params><param><value><array><data>{}</data></array>\
         </value></param></params></methodCall>",
        calls.concat()
    )
}

fn array(items: &[&str]) -> String {
    format!("<value><array><data>{}</data></array></value>", items.concat())
}

fn fault(code: i32, text: &str) -> String {
    format!(
        "<value><struct><member><name>faultCode</name><value><int>{code}</int></value></member>\
         <member><name>faultString</name><value><string>{text}</string></value></member></struct></value>"
    )
}

fn response(media: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn results(each: &[&str]) -> Vec<u8> {
    let body = format!("<methodResponse><params><param>{}</param></params></methodResponse>", array(each));
    response("text/xml", &body)
}

/// The answer's results, without what stands around them.
fn told(answer: &str) -> &str {
    let (_, inside) = answer.split_once("<param><value><array><data>").unwrap();
    inside.split_once("</data></array></value></param>").unwrap().0
}

const ONE: &str = "<value><string>one</string></value>";
const TWO: &str = "<value><string>two</string></value>";

#[tokio::test]
async fn those_of_the_service_travel_and_the_others_are_answered_here() {
    let server = ScriptedUpstream::start().await;
    let own = r#"<value><struct><member><name>methodName</name><value>system.methodHelp</value></member><member>
        <name>params</name><value><array><data><value>hello</value></data></array></value></member></struct></value>"#;
    let asked =
        [call("hello"), call("_hello"), own.to_owned(), call("nowhere"), "<value>7</value>".into(), call("hello")];
    for (how, there) in
        [(Batching::On, [array(&[ONE]), array(&[TWO])]), (Batching::BareResults, [ONE.to_owned(), TWO.to_owned()])]
    {
        server.will([Act::Output(results(&[&there[0], &there[1]]))]);
        let remote = remote(&server, Protocol::XmlRpc, how).await;
        let answer = ask(remote, "text/xml", &batching(&asked)).await;
        let expected = [
            array(&[ONE]),
            fault(-32601, "there is no method `_hello` here"),
            array(&["<value><string></string></value>"]),
            fault(-32601, "there is no method `nowhere` here"),
            fault(-32600, "a call is a struct of `methodName` and `params`"),
            array(&[TWO]),
        ];
        assert_eq!(told(&answer), expected.concat(), "{how:?}");
        assert_eq!(server.requests(), 1);
        let sent = String::from_utf8(server.last()).unwrap();
        let names: Vec<&str> = sent.split("<name>methodName</name><value>").skip(1).collect();
        assert_eq!(names.len(), 2, "{sent}");
        assert!(names.iter().all(|rest| rest.starts_with("<string>hello</string>")), "{sent}");
    }
}

#[tokio::test]
async fn each_call_has_the_fault_that_the_server_gives_it() {
    let server = ScriptedUpstream::start().await;
    server.will([Act::Output(results(&[&fault(42, "not today"), &array(&[TWO])]))]);
    let remote = remote(&server, Protocol::XmlRpc, Batching::On).await;
    let answer = ask(remote, "text/xml", &batching(&[call("hello"), call("hello")])).await;
    assert_eq!(told(&answer), [fault(42, "not today"), array(&[TWO])].concat());
}

/// A batch of three calls of the service's, one of them a notification, and of three others.
const BATCH: &str = r#"[{"jsonrpc":"2.0","method":"hello","id":"a"},7,{"jsonrpc":"2.0","method":"hello"},
    {"jsonrpc":"2.0","method":"nowhere","id":2},{"jsonrpc":"2.0","method":"_hello","id":3},
    {"jsonrpc":"2.0","method":"h\u0065llo","id":1}]"#;

#[tokio::test]
async fn a_batch_is_sent_as_a_batch_and_responses_may_be_in_any_order() {
    let server = ScriptedUpstream::start().await;
    let there = json!([
        {"jsonrpc": "2.0", "id": 3, "result": "third"},
        {"jsonrpc": "2.0", "id": 2, "error": {"code": 7, "message": "not a response of the batch"}},
        {"jsonrpc": "2.0", "id": 1, "result": "first"},
    ]);
    server.will([Act::Output(response("application/json", &there.to_string()))]);
    let remote = remote(&server, Protocol::JsonRpc, Batching::On).await;
    let answer: Json = serde_json::from_str(&ask(remote, "application/json", BATCH).await).unwrap();
    let codes: Vec<Json> = answer.as_array().unwrap().iter().map(|one| one["error"]["code"].clone()).collect();
    assert_eq!(Json::from(codes), json!([null, -32600, -32601, -32601, null]));
    assert_eq!((&answer[0]["id"], &answer[0]["result"]), (&json!("a"), &json!("first")));
    assert_eq!((&answer[4]["id"], &answer[4]["result"]), (&json!(1), &json!("third")));
    assert_eq!(server.requests(), 1);
    let sent = server.last();
    let body = sent.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let sent: Json = serde_json::from_slice(&sent[body + 4..]).unwrap();
    let call = |id: u32| json!({"jsonrpc": "2.0", "method": "hello", "params": [], "id": id});
    assert_eq!(sent, json!([call(1), call(2), call(3)]));
}

#[tokio::test]
async fn without_the_setting_each_call_is_a_request_of_its_own() {
    let server = ScriptedUpstream::start().await;
    let one = "<methodResponse><params><param><value><string>one</string></value></param></params></methodResponse>";
    server.will([Act::Output(response("text/xml", one))]);
    let remote = remote(&server, Protocol::XmlRpc, Batching::Off).await;
    let answer = ask(remote, "text/xml", &batching(&[call("hello"), call("hello")])).await;
    assert_eq!((told(&answer), server.requests()), ([array(&[ONE]), array(&[ONE])].concat().as_str(), 2));
}

#[tokio::test]
async fn one_call_alone_needs_no_multicall() {
    let server = ScriptedUpstream::start().await;
    let one = "<methodResponse><params><param><value><string>one</string></value></param></params></methodResponse>";
    server.will([Act::Output(response("text/xml", one))]);
    let remote = remote(&server, Protocol::XmlRpc, Batching::On).await;
    let answer = ask(remote, "text/xml", &batching(&[call("nowhere"), call("hello")])).await;
    assert_eq!(told(&answer), [fault(-32601, "there is no method `nowhere` here"), array(&[ONE])].concat());
    assert!(!String::from_utf8(server.last()).unwrap().contains("multicall"));
}

#[tokio::test]
async fn a_truncated_batch_response_fails_each_call_and_nothing_is_sent_twice() {
    let server = ScriptedUpstream::start().await;
    let whole = results(&[&array(&[ONE]), &array(&[TWO])]);
    for end in 0..whole.len() {
        server.will([Act::Cut(whole[..end].to_vec())]);
        let remote = remote(&server, Protocol::XmlRpc, Batching::On).await;
        let answer = ask(remote, "text/xml", &batching(&[call("hello"), call("nowhere"), call("hello")])).await;
        let codes: Vec<&str> =
            answer.split("<name>faultCode</name><value><int>").skip(1).map(|rest| &rest[..6]).collect();
        assert_eq!(codes, ["-32300", "-32601", "-32300"], "{end} bytes: {answer}");
        assert_eq!(server.requests(), 1, "{end} bytes");
    }
}

#[tokio::test]
async fn a_wrong_number_of_results_is_an_error() {
    let server = ScriptedUpstream::start().await;
    for there in [results(&[]), results(&[&array(&[ONE])]), results(&[ONE, TWO]), response("text/xml", "<html/>")] {
        server.will([Act::Output(there)]);
        let remote = remote(&server, Protocol::XmlRpc, Batching::On).await;
        let answer = ask(remote, "text/xml", &batching(&[call("hello"), call("hello")])).await;
        assert_eq!(answer.matches("<int>-32300</int>").count(), 2, "{answer}");
    }
}

#[tokio::test]
async fn each_takes_a_place_among_those_that_run() {
    let (two, one) = (batching(&[call("hello"), call("hello")]), call("hello"));
    let one = batching(&[one]);
    for (places, is_late) in [(2, true), (3, false)] {
        // A late request may still arrive: it must not take the response of the next round.
        let server = ScriptedUpstream::start().await;
        // The first request is answered when there is a second, for which there must be a place meanwhile.
        let both = Arc::new(Barrier::new(2));
        let alone =
            "<methodResponse><params><param><value><string>one</string></value></param></params></methodResponse>";
        server.will([
            Act::BatchFuture(both.clone(), results(&[&array(&[ONE]), &array(&[TWO])])),
            Act::BatchFuture(both, response("text/xml", alone)),
        ]);
        let remote = remote(&server, Protocol::XmlRpc, Batching::On).await;
        let limited: Arc<dyn RpcService> = layered(Arc::new(remote), Limiter::new(places, Duration::from_millis(500)));
        let all = frontends();
        let (first, second) = tokio::join!(
            post_to(&limited, &all, "", "text/xml", two.as_bytes()),
            post_to(&limited, &all, "", "text/xml", one.as_bytes()),
        );
        let late = fault(Kind::Late.xmlrpc_code(), "no result within 500ms");
        let expected = if is_late { [late.clone(), late] } else { [array(&[ONE]), array(&[TWO])] };
        assert_eq!(told(&first.1), expected.concat(), "{places} places");
        // Had the second request been sent while the first two calls had places, these would not be late. It gets a place
        // when they are, which is about when its own deadline ends, so that its result is not certain.
        if !is_late {
            assert_eq!(told(&second.1), array(&[ONE]), "{places} places");
        }
    }
}

#[tokio::test]
async fn a_server_without_multicall_is_not_a_missing_method() {
    let server = ScriptedUpstream::start().await;
    let refused = fault(-32601, "no system.multicall");
    let body = format!("<methodResponse><fault>{refused}</fault></methodResponse>");
    server.will([Act::Output(response("text/xml", &body))]);
    let remote = remote(&server, Protocol::XmlRpc, Batching::On).await;
    let answer = ask(remote, "text/xml", &batching(&[call("hello"), call("hello")])).await;
    let told = "the upstream server does not accept several calls in one request: no system.multicall";
    assert_eq!(answer.matches(&fault(-32300, told)).count(), 2, "{answer}");
}

#[tokio::test]
async fn a_large_batch_waits_for_one_permit_only() {
    let server = ScriptedUpstream::start().await;
    // One call is running, and keeps its place until the batch is there.
    let both = Arc::new(Barrier::new(2));
    let alone = "<methodResponse><params><param><value><string>one</string></value></param></params></methodResponse>";
    server.will([
        Act::BatchFuture(both.clone(), response("text/xml", alone)),
        Act::BatchFuture(both, results(&[&array(&[ONE]), &array(&[TWO]), &array(&[ONE])])),
    ]);
    let remote = remote(&server, Protocol::XmlRpc, Batching::On).await;
    let limited: Arc<dyn RpcService> = layered(Arc::new(remote), Limiter::new(2, Duration::from_secs(60)));
    let all = frontends();
    let (one, three) = (batching(&[call("hello")]), batching(&[call("hello"), call("hello"), call("hello")]));
    let (first, second) = tokio::join!(
        post_to(&limited, &all, "", "text/xml", one.as_bytes()),
        post_to(&limited, &all, "", "text/xml", three.as_bytes()),
    );
    assert_eq!(told(&first.1), array(&[ONE]));
    assert_eq!(told(&second.1), [array(&[ONE]), array(&[TWO]), array(&[ONE])].concat());
}

#[tokio::test]
async fn more_calls_than_places_travel_when_all_places_are_free() {
    let server = ScriptedUpstream::start().await;
    server.will([Act::Output(results(&[&array(&[ONE]), &array(&[TWO]), &array(&[ONE])]))]);
    let remote = remote(&server, Protocol::XmlRpc, Batching::On).await;
    let limited = layered(Arc::new(remote), Limiter::new(2, Duration::from_secs(60)));
    let answer = ask(limited, "text/xml", &batching(&[call("hello"), call("hello"), call("hello")])).await;
    assert_eq!(told(&answer), [array(&[ONE]), array(&[TWO]), array(&[ONE])].concat());
}
