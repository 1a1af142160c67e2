//! What holds for every JSON text: what is accepted means one thing, nothing changes on its way, and every request has a
//! sound answer.

use std::sync::Arc;

use croupier::codec::DocumentLimits;
use croupier::codec::json::{JsonDialect, JsonNonFinite, TypedJson, check, write_value};
use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::jsonrpc::server::JsonRpc;
use croupier::service::{Context, RpcService};
use croupier::{Fault, Kind, Value};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::support::random_cases;
use crate::support::specimen;
use crate::support::trees::long_number;

/// How many times longer than its request an answer may be: a method repeats its parameter up to 255 times, and others
/// answer a thousand rows.
const LONGER: usize = 400;

/// The bytes of an answer, which must be sound JSON-RPC or nothing at all.
fn answer(frontend: &JsonRpc, body: &[u8]) -> Vec<u8> {
    let service: Arc<dyn RpcService> = Arc::new(specimen::service());
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let reply = frontend.serve(&service, GroupRequest { head: &head, tail: "", body, context: &Context::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (status, bytes) = runtime.block_on(async {
        let response = reply.await.response;
        (response.status(), response.into_body().collect().await.unwrap().to_bytes())
    });
    assert!(bytes.len() < LONGER * (body.len() + 1000), "{} bytes for {}", bytes.len(), body.len());
    if status == StatusCode::NO_CONTENT {
        assert!(bytes.is_empty());
    } else {
        assert_eq!(status, StatusCode::OK);
        // What is answered is read by the same rules as what is asked, save for numbers in an `id`.
        let limits = DocumentLimits { depth: 200, elements: 1_000_000 };
        let text = check(&bytes, limits).unwrap().text();
        serde_json::from_str::<&RawValue>(text).unwrap();
    }
    bytes.to_vec()
}

fn text() -> impl Strategy<Value = String> {
    let special = "\"\\/\u{8}\u{c}\n\r\t\0\u{1f}\u{7f}\u{2028}\u{feff}\u{ffff}{}[]:,é\u{1f600}";
    let character = prop_oneof![select(special.chars().collect::<Vec<_>>()), any::<char>()];
    vec(character, 0..12).prop_map(String::from_iter)
}

/// Values that JSON carries exactly: all but dates, bytes, and doubles that are no numbers.
fn carried() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<i16>().prop_map(|number| Value::Int(number.into())),
        prop::num::f64::ANY.prop_filter("a number", |number| number.is_finite()).prop_map(Value::Double),
        (-10_000_i32..10_000).prop_map(|number| Value::Double(f64::from(number) / 100.0)),
        text().prop_map(Value::Text),
        long_number(),
    ];
    leaf.prop_recursive(6, 60, 8, |inner| {
        let members = btree_map(text(), inner.clone(), 0..16).prop_map(Vec::from_iter).prop_shuffle();
        prop_oneof![vec(inner, 0..8).prop_map(Value::Array), members.prop_map(Value::Struct)]
    })
}

/// Whether two values are the same, to the bit.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Double(one), Value::Double(other)) => one.to_bits() == other.to_bits(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Struct(one), Value::Struct(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| one.0 == other.0 && same(&one.1, &other.1))
        }
        (Value::Double(_) | Value::Array(_) | Value::Struct(_), _) => false,
        _ => one == other,
    }
}

/// Texts that are JSON, or nearly so, with all that readers disagree about.
fn document() -> impl Strategy<Value = String> {
    let leaves = [
        "null",
        "true",
        "0",
        "-0",
        "-1.50E+2",
        "1e400",
        "-1e400",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "01",
        "1.",
        "NaN",
        "\"\"",
        "\"a\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\u00e9\\n\\\"\"",
        "\"\\x\"",
        "\"\n\"",
        "",
    ];
    let names = ["a", "\\u0061", "b", "c", "d", "", "\\\"", "\\ud800", "\\u"];
    select(leaves.to_vec()).prop_map(str::to_owned).prop_recursive(5, 60, 16, move |inner| {
        let member = (select(names.to_vec()), inner.clone()).prop_map(|(name, it)| format!("\"{name}\" : {it}"));
        prop_oneof![
            vec(inner, 0..6).prop_map(|items| format!("[{}]", items.join(" ,"))),
            vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

/// Reads a text as the JSON-RPC server does.
fn read(text: &str) -> Result<Value, Fault> {
    let not_well_formed = |error: serde_json::Error| Fault::new(Kind::NotWellFormed, error.to_string());
    let text = check(text.as_bytes(), DocumentLimits::default())?.text();
    let raw: &RawValue = serde_json::from_str(text).map_err(not_well_formed)?;
    Value::deserialize(TypedJson(raw)).map_err(not_well_formed)
}

/// Requests that mostly make sense.
fn request() -> impl Strategy<Value = String> {
    let methods =
        select(vec!["echo", "all", "count", "sum", "join", "maybe", "rows", "later", "nothing", "fails", "_x"]);
    let id = select(vec![",\"id\":1", ",\"id\":null", ",\"id\":1e400", ",\"id\":[]", ",\"id\":\"\\ud800\"", ""]);
    (methods, document(), id).prop_map(|(method, params, id)| {
        format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":[{params}]{id}}}")
    })
}

proptest! {
    #![proptest_config(random_cases(300))]

    #[test]
    fn a_value_comes_back_the_same(value in carried()) {
        let mut params = Vec::new();
        write_value(&mut params, &value, JsonDialect::default()).unwrap();
        let params = String::from_utf8(params).unwrap();
        for params in [format!("[{params}]"), format!("{{\"value\":{params}}}")] {
            let request = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":{params},\"id\":7}}");
            let bytes = answer(&JsonRpc::default(), request.as_bytes());
            let text = std::str::from_utf8(&bytes).unwrap();
            let result = text.strip_prefix("{\"jsonrpc\":\"2.0\",\"result\":").unwrap().strip_suffix(",\"id\":7}").unwrap();
            let back = read(result).unwrap();
            prop_assert!(same(&back, &value), "{back:?}\nis not\n{value:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_written_by_the_policy(number: f64, non_finite in select(vec![JsonNonFinite::Null, JsonNonFinite::Words, JsonNonFinite::Refuse])) {
        let mut bytes = Vec::new();
        let written = write_value(&mut bytes, &number, JsonDialect { non_finite });
        prop_assert_eq!(written.is_ok(), number.is_finite() || non_finite != JsonNonFinite::Refuse);
    }

    #[test]
    fn any_bytes_have_a_sound_answer(body in vec(any::<u8>(), 0..80)) {
        answer(&JsonRpc::default(), &body);
    }

    #[test]
    fn any_request_has_a_sound_answer(requests in vec(request(), 1..5), version_1: bool, at in any::<prop::sample::Index>(), byte: u8) {
        let frontend = JsonRpc { version_1, ..JsonRpc::default() };
        answer(&frontend, requests[0].as_bytes());
        let mut batch = format!("[{}]", requests.join(",")).into_bytes();
        answer(&frontend, &batch);
        let at = at.index(batch.len());
        batch[at] = byte;
        answer(&frontend, &batch);
    }
}

proptest! {
    #![proptest_config(random_cases(3000))]

    /// serde_json takes the last of two members of one name, croupier's `Value` takes neither; numbers that no double holds
    /// are rounded or refused by the one and kept by the other. Where they differ otherwise, nothing may have been accepted.
    #[test]
    fn an_accepted_text_means_one_thing(text in document()) {
        let plain = serde_json::from_str::<Json>(&text);
        let careful = serde_json::from_str::<Value>(&text);
        match read(&text) {
            Ok(value) => {
                let mut bytes = Vec::new();
                write_value(&mut bytes, &value, JsonDialect::default()).unwrap();
                let again = String::from_utf8(bytes).unwrap();
                prop_assert!(same(&read(&again).unwrap(), &value), "{again}");
                if let Ok(plain) = plain {
                    prop_assert_eq!(plain, serde_json::from_str::<Json>(&again).unwrap());
                }
            }
            Err(fault) if fault.kind == Kind::NotWellFormed => prop_assert!(careful.is_err()),
            Err(fault) if fault.kind == Kind::Structure => prop_assert!(careful.is_err()),
            Err(_) => {}
        }
    }
}
