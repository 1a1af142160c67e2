//! The JSON-RPC server at work: what it claims, what runs when, what is held in memory, and what HTTP says.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use croupier::protocol::frontend::{Claim, Frontend, GroupHead, GroupRequest};
use croupier::protocol::jsonrpc::server::{JsonRpc, OpenRpc};
use croupier::protocol::xmlrpc::server::XmlRpc;
use croupier::server::gateway::Group;
use croupier::server::group_router::GroupRouter;
use croupier::server::settings::ServerSettings;
use croupier::service::layer::layered;
use croupier::service::limiter::Limiter;
use croupier::service::local::Local;
use croupier::service::{Context, RpcService};
use http::{Method, Request, Response, header};
use http_body_util::BodyExt;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::running::{Running, small};

#[derive(Deserialize, JsonSchema)]
struct Number {
    number: u64,
}

/// What a test sees of its service.
#[derive(Default)]
struct Seen {
    called: Mutex<Vec<u64>>,
    running: AtomicUsize,
    most: AtomicUsize,
    made: Arc<AtomicUsize>,
    go: Notify,
}

/// `note` remembers its number; `wait` returns when the test says so; `rows` counts how many were made.
fn service(seen: &Arc<Seen>) -> Local {
    Local::new("Seen", seen.clone())
        .method("note", |seen: &Arc<Seen>, it: Number| seen.called.lock().unwrap().push(it.number))
        .method_async("wait", |seen: Arc<Arc<Seen>>, it: Number| async move {
            seen.most.fetch_max(seen.running.fetch_add(1, SeqCst) + 1, SeqCst);
            seen.go.notified().await;
            seen.running.fetch_sub(1, SeqCst);
            it.number
        })
        .rows("rows", |seen: &Arc<Arc<Seen>>, it: Number| {
            let made = seen.made.clone();
            (0..it.number).inspect(move |_| {
                made.fetch_add(1, SeqCst);
            })
        })
        .build()
        .unwrap()
}

async fn serve(service: Arc<dyn RpcService>, body: String) -> Response<croupier::http::body::Body> {
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let request = GroupRequest { head: &head, tail: "", body: body.as_bytes(), context: &Context::default() };
    JsonRpc::default().serve(&service, request).await.response
}

async fn answer(service: Arc<dyn RpcService>, body: String) -> Value {
    let bytes = serve(service, body).await.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

fn request(method: &str, number: u64, id: Option<u64>) -> String {
    let id = id.map(|id| format!(",\"id\":{id}")).unwrap_or_default();
    format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":[{number}]{id}}}")
}

fn batch(requests: impl Iterator<Item = String>) -> String {
    format!("[{}]", requests.collect::<Vec<_>>().join(","))
}

fn claim(method: Method, tail: &str, media: Option<&str>) -> Claim {
    let mut request = Request::builder().method(method).uri("/");
    if let Some(media) = media {
        request = request.header(header::CONTENT_TYPE, media);
    }
    JsonRpc::default().claims(&GroupHead::new(&request.body(()).unwrap().into_parts().0, tail))
}

#[test]
fn json_is_claimed_by_its_media_type_and_nothing_else_is() {
    for media in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/json-rpc",
        "application/jsonrequest;x=y",
        "application/vnd.casino+json",
        "APPLICATION/a+JSON",
    ] {
        assert_eq!(claim(Method::POST, "", Some(media)), Claim::Yes, "{media}");
    }
    for media in
        ["text/plain", "text/json", "text/x+json", "application/jsonp", "application/x-www-form-urlencoded", "é"]
    {
        assert_eq!(claim(Method::POST, "", Some(media)), Claim::No, "{media}");
    }
    // The body decides.
    assert_eq!(claim(Method::POST, "", None), Claim::Maybe);
    assert_eq!(claim(Method::POST, "", Some("")), Claim::Maybe);
    assert_eq!(claim(Method::POST, "spin", Some("application/json")), Claim::No);
    assert_eq!(claim(Method::GET, "", Some("application/json")), Claim::No);
}

#[tokio::test]
async fn a_notification_is_called_without_a_response() {
    let seen = Arc::new(Seen::default());
    assert_eq!(serve(Arc::new(service(&seen)), request("note", 7, None)).await.status(), 204);
    let notes = batch((0..40).map(|number| request("note", number, None)));
    assert_eq!(serve(Arc::new(service(&seen)), notes).await.status(), 204);
    let expected: Vec<_> = std::iter::once(7).chain(0..40).collect();
    assert_eq!(*seen.called.lock().unwrap(), expected);
}

#[tokio::test]
async fn calls_of_a_batch_run_at_the_same_time_within_a_bound_and_are_answered_in_order() {
    let seen = Arc::new(Seen::default());
    let body = batch((0..100).map(|number| request("wait", number, Some(number))));
    let answering = tokio::spawn(answer(Arc::new(service(&seen)), body));
    while !answering.is_finished() {
        tokio::task::yield_now().await;
        // The last one that waits first: so answers come in another order than their requests.
        seen.go.notify_last();
    }
    let answers = answering.await.unwrap();
    let expected: Vec<_> = (0..100).map(|id| json!({ "jsonrpc": "2.0", "result": id, "id": id })).collect();
    assert_eq!(answers, Value::from(expected));
    assert_eq!(seen.most.load(SeqCst), 16);
}

/// One place for running calls, and rows that hold it until they are out: nothing may begin behind them.
#[tokio::test]
async fn rows_in_a_batch_do_not_wait_for_the_place_that_they_hold() {
    let seen = Arc::new(Seen::default());
    let limited = layered(Arc::new(service(&seen)), Limiter::new(1, Duration::from_secs(60)));
    let body = batch((0..8).map(|id| request("rows", 20_000, Some(id))));
    let answers = answer(Arc::new(limited), body).await;
    let lengths: BTreeSet<_> =
        answers.as_array().unwrap().iter().map(|it| it["result"].as_array().unwrap().len()).collect();
    assert_eq!(lengths, BTreeSet::from([20_000]));
}

#[tokio::test]
async fn rows_are_made_as_they_are_taken() {
    for body in [request("rows", 1 << 40, Some(1)), format!("[{}]", request("rows", 1 << 40, Some(1)))] {
        let seen = Arc::new(Seen::default());
        let mut body = serve(Arc::new(service(&seen)), body).await.into_body();
        for pieces in 1..=20 {
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!(piece.len() < 80_000);
            assert!(seen.made.load(SeqCst) < (pieces + 2) * 40_000);
        }
    }
}

/// A gateway with both protocols, and the document.
fn server() -> Running {
    let group = Group::new(
        "/test",
        layered(Arc::new(small()), Limiter::new(1024, Duration::from_secs(60))),
        vec![Arc::new(OpenRpc::default()), Arc::new(XmlRpc::default()), Arc::new(JsonRpc::default())],
        1 << 20,
    );
    let mut router = GroupRouter::default();
    router.mount("/test", Arc::new(group)).unwrap();
    Running::router(router, ServerSettings::default())
}

fn post(media: &str, body: &str) -> String {
    let length = body.len();
    format!("POST /test HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[test]
fn http_says_what_it_should() {
    let server = server();
    let hello = r#"{"jsonrpc":"2.0","method":"hello","id":1}"#;
    let answer = server.raw(post("application/json; charset=utf-8", hello));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-type: application/json\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n{\"jsonrpc\":\"2.0\",\"result\":\"world\",\"id\":1}"), "{answer}");
    let nothing = server.raw(post("application/json", r#"{"jsonrpc":"2.0","method":"hello"}"#));
    assert!(nothing.starts_with("HTTP/1.1 204 No Content\r\n"), "{nothing}");
    assert!(nothing.ends_with("\r\n\r\n") && !nothing.contains("content-type"), "{nothing}");
    for (media, status) in [("text/plain", "415"), ("application/x-www-form-urlencoded", "415"), ("text/xml", "200")] {
        let answer = server.raw(post(media, hello));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{media}: {answer}");
    }
    let got = server.raw("GET /test HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(got.starts_with("HTTP/1.1 405 ") && got.contains("\r\nallow: POST\r\n"), "{got}");
}

#[test]
fn the_document_is_at_its_address() {
    let server = server();
    let ask =
        |method: &str| server.raw(format!("{method} /test/openrpc.json HTTP/1.1\r\nHost: casino.localhost\r\n\r\n"));
    let got = ask("GET");
    let (head, body) = got.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let document: Value = serde_json::from_str(body).unwrap();
    assert_eq!(document["servers"][0]["url"], "http://casino.localhost/test");
    let asked = ask("HEAD");
    let (head, nothing) = asked.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    assert_eq!(nothing, "");
    assert!(ask("POST").starts_with("HTTP/1.1 405 "));
}

#[test]
fn long_responses_come_in_pieces_and_complete() {
    let request =
        r#"[{"jsonrpc":"2.0","method":"numbers","params":[100000],"id":1},{"jsonrpc":"2.0","method":"hello","id":2}]"#;
    let answer = server().raw(post("application/json", request));
    assert!(answer.contains("\r\ntransfer-encoding: chunked\r\n"), "{}", &answer[..300]);
    assert!(answer.contains("\"result\":\"world\",\"id\":2}]"));
}
