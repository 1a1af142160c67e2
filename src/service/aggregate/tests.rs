//! Aggregates of services that return results, fail, wait, return too much, or have no interface yet.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::Barrier;

use super::*;
use crate::codec::tape::Tape;
use crate::model::date::DateTime;
use crate::model::value::Binary;
use crate::service::Output;
use crate::service::local::{Local, named};

#[derive(Deserialize, JsonSchema)]
struct Half {
    /// What is halved.
    number: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Kept {
    bytes: Binary,
    when: DateTime,
}

#[derive(Deserialize, JsonSchema)]
struct Count {
    /// How many.
    #[serde(default = "three")]
    count: u64,
}

fn three() -> u64 {
    3
}

/// A point.
#[derive(Serialize, JsonSchema)]
struct Point {
    x: i32,
}

fn halve(number: i64) -> Result<i64, Fault> {
    if number % 2 == 0 { Ok(number / 2) } else { Err(Fault::service(7, "it is odd").of_parameter("number")) }
}

fn local() -> Arc<dyn RpcService> {
    let barrier = Arc::new(Barrier::new(2));
    let service = Local::new("Parts", barrier)
        .method(named("half").safe(), |_: &Arc<Barrier>, half: Half| halve(half.number))
        .method("keep", |_: &Arc<Barrier>, kept: Kept| (kept.bytes, kept.when))
        .method(named("point").safe(), |_: &Arc<Barrier>, (): ()| Point { x: 1 })
        .method("panics", |_: &Arc<Barrier>, (): ()| -> i32 { panic!("on purpose") })
        .rows(named("numbers").safe(), |_: &Arc<Arc<Barrier>>, count: Count| 0..count.count)
        .method_async("together", |barrier: Arc<Arc<Barrier>>, (): ()| async move {
            barrier.wait().await;
            true
        })
        .method_async("never", |_: Arc<Arc<Barrier>>, (): ()| std::future::pending::<bool>())
        .build();
    Arc::new(service.unwrap())
}

fn own(name: &str) -> Own {
    Own { name: name.into(), doc: String::new(), default: None }
}

fn part(service: &Arc<dyn RpcService>, name: &str, method: &str, args: &[(&str, Given)]) -> Part {
    Part {
        name: name.into(),
        path: "/parts".into(),
        service: service.clone(),
        method: method.into(),
        args: args.iter().map(|(name, given)| ((*name).to_owned(), given.clone())).collect(),
        deadline: Duration::from_millis(200),
        room: 1 << 16,
    }
}

fn literal(json: &str) -> Given {
    Given::Literal(RawValue::from_string(json.into()).unwrap())
}

fn aggregate(on_error: OnError, params: Vec<Own>, calls: Vec<Part>) -> Aggregate {
    let method = Composed { name: "all".into(), doc: "All of it.".into(), params, calls, on_error };
    Aggregate::new("All", "", vec![method])
}

async fn call(service: &Aggregate, args: Args<'_>) -> Result<Value, Fault> {
    let context = Context::default();
    let call = Call::new("all", args, &context);
    service.call(call).await?.into_value(SizeBudget::new(1 << 20)).await
}

async fn call_json(service: &Aggregate, args: &str) -> Result<serde_json::Value, Fault> {
    let raw = RawValue::from_string(args.into()).unwrap();
    call(service, Args::Json(&raw)).await.map(|value| serde_json::to_value(value).unwrap())
}

#[tokio::test]
async fn the_result_has_a_member_for_each_call() {
    let parts = local();
    let calls = vec![
        part(&parts, "half", "half", &[("number", Given::Param(0))]),
        part(&parts, "nine", "half", &[("number", literal("18"))]),
        part(&parts, "rows", "numbers", &[("count", Given::Param(1))]),
    ];
    let all = aggregate(OnError::Fail, vec![own("number"), own("count")], calls);
    assert_eq!(call_json(&all, "[4]").await, Ok(json!({"half": 2, "nine": 9, "rows": [0, 1, 2]})));
    assert_eq!(call_json(&all, r#"{"count": 1, "number": 6}"#).await, Ok(json!({"half": 3, "nine": 9, "rows": [0]})));
    let interface = all.interface();
    let method = interface.method("all").unwrap();
    let params: Vec<_> = method.params.iter().map(|param| (param.doc.as_str(), param.required)).collect();
    assert_eq!(params, [("What is halved.", true), ("How many.", false)]);
    assert_eq!(method.params[1].schema.get("default"), Some(&json!(3)));
    assert!(method.safe);
    for (args, parameter) in [("[]", Some("number")), ("[1, 2, 3]", None), (r#"{"numbr": 1}"#, Some("numbr"))] {
        let fault = call_json(&all, args).await.unwrap_err();
        assert_eq!((fault.kind, fault.parameter.as_deref()), (Kind::BadParams, parameter), "{args}");
    }
}

#[tokio::test]
async fn a_failed_call_fails_the_method_or_is_reported_in_errors() {
    let parts = local();
    let calls = || {
        vec![
            part(&parts, "half", "half", &[("number", Given::Param(0))]),
            part(&parts, "point", "point", &[]),
            part(&parts, "gone", "gone", &[]),
            part(&parts, "broken", "panics", &[]),
        ]
    };
    let strict = aggregate(OnError::Fail, vec![own("amount")], calls().into_iter().take(2).collect());
    let fault = call_json(&strict, "[3]").await.unwrap_err();
    assert_eq!(fault, Fault::service(7, "half: it is odd").of_parameter("amount"));
    let gone = aggregate(OnError::Fail, vec![], calls().into_iter().skip(2).take(1).collect());
    assert_eq!(call_json(&gone, "[]").await.unwrap_err().kind, Kind::Unreachable);

    let partial = aggregate(OnError::Partial, vec![own("amount")], calls());
    let fault = call_json(&partial, "[\"three\"]").await.unwrap_err();
    assert_eq!((fault.kind, fault.parameter.as_deref()), (Kind::BadParams, Some("amount")), "the caller's own mistake");
    let result = call_json(&partial, "[3]").await.unwrap();
    assert_eq!(result["point"], json!({"x": 1}));
    assert_eq!(result["errors"]["half"], json!({"kind": "service", "code": 7, "message": "it is odd"}));
    assert_eq!(result["errors"]["gone"]["kind"], json!("no-such-method"));
    assert_eq!(result["errors"]["broken"]["kind"], json!("internal"));
    assert_eq!(result.as_object().unwrap().keys().collect::<Vec<_>>(), ["point", "errors"]);
}

#[tokio::test]
async fn calls_run_at_the_same_time_and_end_at_their_deadlines() {
    let parts = local();
    let calls = vec![
        part(&parts, "one", "together", &[]),
        part(&parts, "other", "together", &[]),
        part(&parts, "late", "never", &[]),
    ];
    let all = aggregate(OnError::Partial, vec![], calls.clone());
    let result = call_json(&all, "[]").await.unwrap();
    assert_eq!((&result["one"], &result["other"]), (&json!(true), &json!(true)));
    assert_eq!(result["errors"], json!({"late": {"kind": "late", "message": "no result within 200ms"}}));
    let strict = aggregate(OnError::Fail, vec![], calls);
    assert_eq!(call_json(&strict, "[]").await.unwrap_err(), Fault::new(Kind::Late, "late: no result within 200ms"));
}

#[tokio::test]
async fn rows_are_gathered_within_the_memory_of_a_call() {
    let parts = local();
    let all = aggregate(
        OnError::Fail,
        vec![own("count")],
        vec![part(&parts, "rows", "numbers", &[("count", Given::Param(0))])],
    );
    assert_eq!(call_json(&all, "[500]").await.unwrap()["rows"].as_array().unwrap().len(), 500);
    let fault = call_json(&all, "[18446744073709551615]").await.unwrap_err();
    assert_eq!(
        (fault.kind, fault.message.as_ref()),
        (Kind::Limit, "rows: the result is too large: it takes more than 65536 bytes of memory")
    );
}

#[tokio::test]
async fn bytes_and_dates_are_passed_on_unchanged() {
    let parts = local();
    let args = [("bytes", Given::Param(0)), ("when", Given::Param(1))];
    let all = aggregate(OnError::Fail, vec![own("bytes"), own("when")], vec![part(&parts, "kept", "keep", &args)]);
    let values = [Value::Binary(vec![1, 2]), Value::Date("1998-07-17T14:08:55".parse().unwrap())];
    let tape = Tape::of(&values).unwrap();
    let expected = Value::Struct(vec![("kept".into(), Value::Array(values.to_vec()))]);
    assert_eq!(call(&all, Args::Values(tape.values())).await, Ok(expected));
    assert_eq!(
        call_json(&all, r#"["AQI=", "1998-07-17T14:08:55"]"#).await,
        Ok(json!({"kept": ["AQI=", "1998-07-17T14:08:55"]}))
    );
}

/// A service whose interface is known later.
struct Later {
    nothing: Arc<Interface>,
    known: OnceLock<Arc<dyn RpcService>>,
}

impl RpcService for Later {
    fn interface(&self) -> Arc<Interface> {
        self.known.get().map_or_else(|| self.nothing.clone(), |known| known.interface())
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        match self.known.get() {
            Some(known) => known.call(call),
            None => MaybeReady::now(Err(Fault::new(Kind::Unreachable, "the server is down"))),
        }
    }
}

#[tokio::test]
async fn the_interface_follows_one_that_becomes_known_later() {
    let later = Arc::new(Later { nothing: Arc::default(), known: OnceLock::new() });
    let service: Arc<dyn RpcService> = later.clone();
    let all = aggregate(
        OnError::Fail,
        vec![own("number")],
        vec![part(&service, "half", "half", &[("number", Given::Param(0))])],
    );
    let before = all.interface();
    let unknown = before.method("all").unwrap();
    assert!(!unknown.safe && !unknown.params[0].required);
    assert_eq!(call_json(&all, "[4]").await.unwrap_err().kind, Kind::Unreachable);

    assert!(later.known.set(local()).is_ok());
    let after = all.interface();
    let known = after.method("all").unwrap();
    assert!(known.safe && known.params[0].required);
    assert_eq!(call_json(&all, "[4]").await, Ok(json!({"half": 2})));
    assert_eq!(unknown.name, known.name, "the first description is still there");
}

#[test]
fn the_schema_of_a_result_has_the_schemas_of_the_calls() {
    let parts = local();
    let calls = vec![part(&parts, "point", "point", &[]), part(&parts, "rows", "numbers", &[])];
    let partial = aggregate(OnError::Partial, vec![], calls.clone());
    let interface = partial.interface();
    assert_eq!(interface.defs.keys().collect::<Vec<_>>(), ["Failure", "Point", "AllResult"]);
    let result = &interface.defs["AllResult"];
    assert_eq!(result["required"], json!(["errors"]));
    assert_eq!(result["properties"]["point"]["$ref"], json!("#/$defs/Point"));
    let strict = aggregate(OnError::Fail, vec![], calls);
    assert_eq!(strict.interface().defs["AllResult"]["required"], json!(["point", "rows"]));
}

#[test]
fn a_result_is_one_value() {
    let parts = local();
    let all = aggregate(OnError::Fail, vec![], vec![part(&parts, "point", "point", &[])]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let context = Context::default();
    let call = Call::new("all", Args::None, &context);
    assert!(matches!(runtime.block_on(all.call(call)), Ok(Output::One(_))));
    let call = Call::new("none", Args::None, &context);
    assert!(runtime.block_on(all.call(call)).is_err_and(|fault| fault.kind == Kind::NoSuchMethod));
}
