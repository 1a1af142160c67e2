//! Any bytes sent as a JSON-RPC request get a valid response within bounds. Any text that the scanner accepts means the
//! same to readers that disagree about other texts.

#![no_main]

#[path = "../../tests/it/support/specimen.rs"]
mod specimen;

use std::sync::{Arc, LazyLock};

use croupier::Value;
use croupier::codec::DocumentLimits;
use croupier::codec::json::{CheckedJson, JsonDialect, JsonNonFinite, check};
use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::jsonrpc::server::JsonRpc;
use croupier::service::{Context, RpcService};
use http::Request;
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use tokio::runtime::{Builder, Runtime};

/// How many times longer than its request a response may be: one method repeats its parameter up to 255 times, others
/// return a thousand rows.
const LONGER: usize = 400;

static SERVICE: LazyLock<Arc<dyn RpcService>> = LazyLock::new(|| {
    // libfuzzer's hook reports every panic as a finding, and some methods panic on purpose.
    std::panic::set_hook(Box::new(|_| {}));
    Arc::new(specimen::service())
});

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());

fuzz_target!(|body: &[u8]| {
    let service = &*SERVICE;
    one_meaning(body);
    // The length of the input chooses the settings, so that plain requests can serve as seeds.
    let non_finite = [JsonNonFinite::Refuse, JsonNonFinite::Null, JsonNonFinite::Words][body.len() % 3];
    let frontend = JsonRpc {
        dialect: JsonDialect { non_finite },
        version_1: body.len() / 3 % 2 == 1,
        batch: 50,
        ..JsonRpc::default()
    };
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let reply = frontend.serve(service, GroupRequest { head: &head, tail: "", body, context: &Context::default() });
    let (status, bytes) = RUNTIME.block_on(async {
        let response = reply.await.response;
        (response.status(), response.into_body().collect().await.map(|body| body.to_bytes()))
    });
    check_that(bytes.is_ok(), "a complete response");
    let bytes = bytes.unwrap_or_default();
    check_that(status == if bytes.is_empty() { 204 } else { 200 }, "the right status");
    // In a batch each request may be as short as `0,` and its response an error object.
    check_that(bytes.len() < LONGER * (body.len() + 1000), "a response within bounds");
    if !bytes.is_empty() {
        let text = check(&bytes, DocumentLimits { depth: 200, elements: 1_000_000 }).map(CheckedJson::text);
        check_that(text.is_ok_and(|text| serde_json::from_str::<&RawValue>(text).is_ok()), "a valid response");
    }
});

/// serde_json's own tree takes the last of two members with the same name and turns large integers into doubles; `Value`
/// does neither. In accepted texts both must read the same.
fn one_meaning(body: &[u8]) {
    let Ok(text) = check(body, DocumentLimits::default()).and_then(CheckedJson::exact) else { return };
    let Ok(plain) = serde_json::from_str::<serde_json::Value>(text) else { return };
    // A `Value` has no integers beyond 63 bits and a sign.
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return check_that(has_large(&plain), "a text without two members of one name");
    };
    check_that(serde_json::to_value(&value).is_ok_and(|again| again == plain), "a text with one meaning");
}

fn has_large(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => number.is_u64() && !number.is_i64(),
        serde_json::Value::Array(items) => items.iter().any(has_large),
        serde_json::Value::Object(members) => members.values().any(has_large),
        _ => false,
    }
}

/// Aborts on a failure: the panic hook that libfuzzer relies on has been replaced.
fn check_that(holds: bool, what: &str) {
    if !holds {
        eprintln!("this is not {what}");
        std::process::abort();
    }
}
