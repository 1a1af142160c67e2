//! Any bytes given to the JSON-RPC face have a sound answer within bounds, and any text that the scanner accepts means
//! one thing to readers that disagree elsewhere.

#![no_main]

#[path = "../../tests/it/support/specimen.rs"]
mod specimen;

use std::sync::{Arc, LazyLock};

use croupier::Value;
use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::jsonrpc::server::JsonRpc;
use croupier::service::{Context, RpcService};
use croupier::codec::Limits;
use croupier::codec::json::{Checked, Dialect, NonFinite, check};
use http::Request;
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use tokio::runtime::{Builder, Runtime};

/// How many times longer than its request an answer may be: a method repeats its parameter up to 255 times, and
/// others answer a thousand rows.
const LONGER: usize = 400;

static SERVICE: LazyLock<Arc<dyn RpcService>> = LazyLock::new(|| {
    // libfuzzer's hook takes a panic for a finding, and some of the methods panic on purpose.
    std::panic::set_hook(Box::new(|_| {}));
    Arc::new(specimen::service())
});

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());

fuzz_target!(|body: &[u8]| {
    let service = &*SERVICE;
    one_meaning(body);
    // What the length chooses needs no bytes of the request, so that requests can be taken as they are for seeds.
    let non_finite = [NonFinite::Refuse, NonFinite::Null, NonFinite::Words][body.len() % 3];
    let frontend =
        JsonRpc { dialect: Dialect { non_finite }, version_1: body.len() / 3 % 2 == 1, batch: 50, ..JsonRpc::default() };
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let reply = frontend.serve(service, GroupRequest { head: &head, tail: "", body, context: &Context::default() });
    let (status, bytes) = RUNTIME.block_on(async {
        let response = reply.await.response;
        (response.status(), response.into_body().collect().await.map(|body| body.to_bytes()))
    });
    check_that(bytes.is_ok(), "a whole answer");
    let bytes = bytes.unwrap_or_default();
    check_that(status == if bytes.is_empty() { 204 } else { 200 }, "the right status");
    // In a batch each request may be as short as `0,` and its answer an error.
    check_that(bytes.len() < LONGER * (body.len() + 1000), "an answer within bounds");
    if !bytes.is_empty() {
        let text = check(&bytes, Limits { depth: 200, elements: 1_000_000 }).map(Checked::text);
        check_that(text.is_ok_and(|text| serde_json::from_str::<&RawValue>(text).is_ok()), "a sound answer");
    }
});

/// serde_json's own tree takes the last of two members of one name and makes doubles of large integers; `Value` does
/// neither. In what is accepted they must see the same.
fn one_meaning(body: &[u8]) {
    let Ok(text) = check(body, Limits::default()).and_then(Checked::exact) else { return };
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

/// A failure must end the process itself: the panic hook is gone.
fn check_that(holds: bool, what: &str) {
    if !holds {
        eprintln!("this is not {what}");
        std::process::abort();
    }
}
