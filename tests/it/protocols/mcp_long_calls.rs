//! MCP: calls that take long, which report their progress and can be cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};

use bytes::Bytes;
use croupier::app::App;
use croupier::model::fault::BoxError;
use croupier::model::interface::{Interface, Method};
use croupier::model::value::{SizeBudget, Value as Model};
use croupier::server::gateway::Gateway;
use croupier::server::mount::GroupMount;
use croupier::service::future::MaybeReady;
use croupier::service::{Call, CallFuture, Format, Output, RowSource, Rows, RpcService};
use croupier::{Fault, Kind};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use schemars::Schema;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tower::ServiceExt;

/// A service whose methods end when the test says so: `wait` with a text, `fail` with a fault, and `list` with rows, of which the
/// first are there before.
struct Kitchen {
    interface: Arc<Interface>,
    finish: Arc<Notify>,
    begun: mpsc::UnboundedSender<()>,
    running: Arc<AtomicUsize>,
}

/// Counts a call as running until it is dropped.
struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl RpcService for Kitchen {
    fn interface(&self) -> Arc<Interface> {
        self.interface.clone()
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        let (finish, method) = (self.finish.clone(), call.method.to_owned());
        let _ = self.begun.send(());
        if method == "list" {
            return MaybeReady::now(Ok(Output::Many(Rows::new(Dishes { finish, written: 0, waiting: None }))));
        }
        self.running.fetch_add(1, SeqCst);
        let guard = Guard(self.running.clone());
        MaybeReady::later(async move {
            let _guard = guard;
            finish.notified().await;
            match method.as_str() {
                "fail" => Err(Fault::new(Kind::Service(Some(23)), "the soup is burnt")),
                _ => Ok(Output::One(Box::new("done"))),
            }
        })
    }
}

/// Rows, of which the second half comes when the test says so.
struct Dishes {
    finish: Arc<Notify>,
    written: usize,
    waiting: Option<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl RowSource for Dishes {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.written < 1000 {
            return Poll::Ready(Ok(()));
        }
        let finish = self.finish.clone();
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(async move { finish.notified().await }));
        waiting.as_mut().poll(cx).map(Ok)
    }

    fn fill(&mut self, _: Format<'_>, to: &mut Vec<u8>, _: usize) -> Result<bool, BoxError> {
        let comma = if self.written == 0 { "" } else { "," };
        to.extend_from_slice(format!("{comma}\"a dish\"").as_bytes());
        self.written += 1;
        Ok(self.written < 1001)
    }

    fn values(&mut self, _: &mut Vec<Model>, _: usize, _: &mut SizeBudget) -> Result<bool, BoxError> {
        Ok(false)
    }
}

struct Test {
    gateway: Gateway,
    finish: Arc<Notify>,
    begun: mpsc::UnboundedReceiver<()>,
    running: Arc<AtomicUsize>,
}

async fn start() -> Test {
    let method = |name: &str| Method {
        name: name.to_owned(),
        doc: String::new(),
        params: Vec::new(),
        result: Schema::default(),
        safe: true,
    };
    let methods = vec![method("wait"), method("fail"), method("list")];
    let interface = Arc::new(Interface { title: "Kitchen".to_owned(), methods, ..Interface::default() });
    let (tell, begun) = mpsc::unbounded_channel();
    let (finish, running) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let kitchen = Kitchen { interface, finish: finish.clone(), begun: tell, running: running.clone() };
    let group = GroupMount::new("/kitchen", kitchen);
    let gateway = App::new().mount_group(group).unwrap().start().await.gateway();
    Test { gateway, finish, begun, running }
}

const BOTH: (&str, &str) = ("accept", "application/json, text/event-stream");

impl Test {
    fn send(
        &self,
        headers: &[(&str, &str)],
        message: &Value,
    ) -> impl Future<Output = Response<croupier::http::body::Body>> + use<> {
        let mut request =
            Request::post("/kitchen/mcp").header("host", "localhost").header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(message.to_string()))).unwrap();
        let gateway = self.gateway.clone();
        async move { gateway.oneshot(request).await.unwrap() }
    }
}

fn call(tool: &str, meta: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": "c-7", "method": "tools/call", "params": { "name": tool, "_meta": meta } })
}

/// The message of an event.
fn message(event: &[u8]) -> Value {
    let text = std::str::from_utf8(event).unwrap();
    let data = text.strip_prefix("event: message\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
    serde_json::from_str(data).unwrap()
}

async fn next(response: &mut Response<croupier::http::body::Body>) -> Option<Bytes> {
    Some(response.body_mut().frame().await?.unwrap().into_data().unwrap())
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_call_that_takes_long_reports_its_progress_and_then_its_result() {
    let test = start().await;
    for (tool, so_far, expected) in [
        ("wait", "", json!([{ "type": "text", "text": "done" }])),
        ("fail", "", json!([{ "type": "text", "text": "the soup is burnt\ncode: 23" }])),
        ("list", ", 9 KiB of the result", Value::Null),
    ] {
        let gzip = ("accept-encoding", "gzip");
        let mut response = test.send(&[BOTH, gzip], &call(tool, json!({ "progressToken": 41 }))).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(response.headers(), "content-type"), "text/event-stream");
        assert_eq!(header(response.headers(), "content-encoding"), "");
        let mut last = 0;
        for _ in 0..2 {
            let report = message(&next(&mut response).await.unwrap());
            let seconds = report["params"]["progress"].as_u64().unwrap();
            let text = format!("{seconds} s{so_far}");
            let params = json!({ "progressToken": 41, "progress": seconds, "message": text });
            assert_eq!(report, json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params }));
            assert!(seconds > last);
            last = seconds;
        }
        test.finish.notify_one();
        let mut events = Vec::new();
        while let Some(event) = next(&mut response).await {
            events.push(message(&event));
        }
        let answer = events.pop().unwrap();
        assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!("c-7"), &json!(tool == "fail")));
        match expected {
            Value::Null => assert_eq!(answer["result"]["structuredContent"]["result"].as_array().unwrap().len(), 1001),
            content => assert_eq!(answer["result"]["content"], content),
        }
    }
}

#[tokio::test]
async fn a_call_returns_json_if_the_client_asks_for_no_progress_or_the_result_is_ready_soon() {
    let test = start().await;
    let json_only = ("accept", "application/json");
    for (headers, meta) in [
        (BOTH, json!({})),
        (BOTH, json!({ "progressToken": null })),
        (BOTH, json!({ "progressToken": [1] })),
        (json_only, json!({ "progressToken": 41 })),
        (BOTH, json!({ "progressToken": "soon" })),
    ] {
        let pending = test.send(&[headers], &call("wait", meta));
        test.finish.notify_one();
        let response = pending.await;
        assert_eq!(header(response.headers(), "content-type"), "application/json");
    }
}

#[tokio::test]
async fn a_notification_cancels_the_call_of_its_session() {
    let mut test = start().await;
    let initialize =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-11-25" } });
    let session = async |test: &Test| {
        let response = test.send(&[BOTH], &initialize).await;
        header(response.headers(), "mcp-session-id").to_owned()
    };
    let (mine, other) = (session(&test).await, session(&test).await);
    assert!(!mine.is_empty() && mine != other);
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "c\u{2d}7" } });
    for meta in [json!({}), json!({ "progressToken": 8 })] {
        let call = tokio::spawn(test.send(&[BOTH, ("mcp-session-id", &mine)], &call("wait", meta)));
        test.begun.recv().await.unwrap();
        for session in [other.as_str(), "", "nobody's"] {
            let response = test.send(&[BOTH, ("mcp-session-id", session)], &cancel).await;
            assert_eq!(response.status(), StatusCode::ACCEPTED);
        }
        assert!(!call.is_finished() && test.running.load(SeqCst) == 1);
        let _ = test.send(&[BOTH, ("mcp-session-id", &mine)], &cancel).await;
        let response = call.await.unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
        assert_eq!(test.running.load(SeqCst), 0);
    }
}
