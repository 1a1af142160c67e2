//! The examples at the end of the JSON-RPC 2.0 specification (section 7), each with what must come back.
//!
//! Of an error only its code and its `id` are compared: messages are the server's own.

use std::sync::Arc;

use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::jsonrpc::server::JsonRpc;
use croupier::service::local::Local;
use croupier::service::{Context, RpcService};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Answers the difference of two numbers.
#[derive(Deserialize, JsonSchema)]
struct Subtract {
    minuend: i64,
    subtrahend: i64,
}

/// The service that the examples call. There is neither `foobar` nor `foo.get`.
fn service() -> Arc<dyn RpcService> {
    let service = Local::new("Examples", ())
        .method("subtract", |(): &(), it: Subtract| it.minuend - it.subtrahend)
        .method("update", |(): &(), _: Vec<i64>| ())
        .method("notify_hello", |(): &(), _: Vec<i64>| ())
        .method("notify_sum", |(): &(), _: Vec<i64>| ())
        .method("sum", |(): &(), all: Vec<i64>| all.iter().sum::<i64>())
        .method("get_data", |(): &(), (): ()| ("hello", 5))
        .build();
    Arc::new(service.unwrap())
}

/// What comes back, messages and data of errors left out; `None` for nothing at all.
fn ask(request: &str) -> Option<Value> {
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let request = GroupRequest { head: &head, tail: "", body: request.as_bytes(), context: &Context::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (status, bytes) = runtime.block_on(async {
        let response = JsonRpc::default().serve(&service(), request).await.response;
        (response.status(), response.into_body().collect().await.unwrap().to_bytes())
    });
    assert_eq!(status == StatusCode::NO_CONTENT, bytes.is_empty());
    let mut answer = serde_json::from_slice(&bytes).ok()?;
    match &mut answer {
        Value::Array(answers) => answers.iter_mut().for_each(bare),
        one => bare(one),
    }
    Some(answer)
}

fn bare(answer: &mut Value) {
    if let Some(error) = answer.get_mut("error") {
        *error = error["code"].clone();
    }
}

fn result(id: impl Into<Value>, result: impl Into<Value>) -> Value {
    json!({ "jsonrpc": "2.0", "result": result.into(), "id": id.into() })
}

fn error(id: impl Into<Value>, code: i32) -> Value {
    json!({ "jsonrpc": "2.0", "error": code, "id": id.into() })
}

#[test]
fn parameters_by_position() {
    assert_eq!(ask(r#"{"jsonrpc":"2.0","method":"subtract","params":[42,23],"id":1}"#), Some(result(1, 19)));
    assert_eq!(ask(r#"{"jsonrpc":"2.0","method":"subtract","params":[23,42],"id":2}"#), Some(result(2, -19)));
}

#[test]
fn parameters_by_name() {
    for (id, params) in [(3, r#"{"subtrahend":23,"minuend":42}"#), (4, r#"{"minuend":42,"subtrahend":23}"#)] {
        let request = format!(r#"{{"jsonrpc":"2.0","method":"subtract","params":{params},"id":{id}}}"#);
        assert_eq!(ask(&request), Some(result(id, 19)));
    }
}

#[test]
fn a_notification() {
    assert_eq!(ask(r#"{"jsonrpc":"2.0","method":"update","params":[1,2,3,4,5]}"#), None);
    assert_eq!(ask(r#"{"jsonrpc":"2.0","method":"foobar"}"#), None);
}

#[test]
fn a_method_that_is_not_there() {
    assert_eq!(ask(r#"{"jsonrpc":"2.0","method":"foobar","id":"1"}"#), Some(error("1", -32601)));
}

#[test]
fn broken_json() {
    let request = r#"{"jsonrpc":"2.0","method":"foobar,"params":"bar","baz]"#;
    assert_eq!(ask(request), Some(error(Value::Null, -32700)));
}

#[test]
fn a_request_object_that_is_none() {
    assert_eq!(ask(r#"{"jsonrpc":"2.0","method":1,"params":"bar"}"#), Some(error(Value::Null, -32600)));
}

#[test]
fn a_batch_of_broken_json() {
    let request = r#"[{"jsonrpc":"2.0","method":"sum","params":[1,2,4],"id":"1"},{"jsonrpc":"2.0","method"]"#;
    assert_eq!(ask(request), Some(error(Value::Null, -32700)));
}

#[test]
fn an_empty_array() {
    assert_eq!(ask("[]"), Some(error(Value::Null, -32600)));
}

#[test]
fn a_batch_that_is_not_empty_and_holds_no_request() {
    assert_eq!(ask("[1]"), Some(json!([error(Value::Null, -32600)])));
}

#[test]
fn a_batch_that_holds_no_request_at_all() {
    let wrong = error(Value::Null, -32600);
    assert_eq!(ask("[1,2,3]"), Some(json!([wrong, wrong, wrong])));
}

#[test]
fn a_batch_of_all_sorts() {
    let request = r#"[
        {"jsonrpc":"2.0","method":"sum","params":[1,2,4],"id":"1"},
        {"jsonrpc":"2.0","method":"notify_hello","params":[7]},
        {"jsonrpc":"2.0","method":"subtract","params":[42,23],"id":"2"},
        {"foo":"boo"},
        {"jsonrpc":"2.0","method":"foo.get","params":{"name":"myself"},"id":"5"},
        {"jsonrpc":"2.0","method":"get_data","id":"9"}
    ]"#;
    let expected = json!([
        result("1", 7),
        result("2", 19),
        error(Value::Null, -32600),
        error("5", -32601),
        result("9", json!(["hello", 5])),
    ]);
    assert_eq!(ask(request), Some(expected));
}

#[test]
fn a_batch_of_notifications() {
    let request = r#"[
        {"jsonrpc":"2.0","method":"notify_sum","params":[1,2,4]},
        {"jsonrpc":"2.0","method":"notify_hello","params":[7]}
    ]"#;
    assert_eq!(ask(request), None);
}
