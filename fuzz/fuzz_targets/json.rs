//! Any bytes sent as a JSON-RPC request get a valid response within bounds. Any text that the scanner accepts means the
//! same to readers that disagree about other texts.

#![no_main]

#[path = "../../tests/it/support/specimen.rs"]
mod specimen;

use std::sync::{Arc, LazyLock};

use croupier::Value;
use croupier::codec::DocumentLimits;
use croupier::codec::json::{CheckedJson, JsonDialect, JsonNonFinite, TypedJson, check, write_value};
use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::jsonrpc::server::JsonRpc;
use croupier::service::{Context, RpcService};
use http::Request;
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
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

/// serde_json's own tree takes the last of two members with the same name and rounds long numbers; `Value` does neither. What a
/// `Value` is read from means the same to both, and it is the same after it is written and read again.
fn one_meaning(body: &[u8]) {
    let Ok(text) = check(body, DocumentLimits::default()).map(CheckedJson::text) else { return };
    let Ok(raw) = serde_json::from_str::<&RawValue>(text) else { return };
    let Ok(value) = Value::deserialize(TypedJson(raw)) else {
        return check_that(false, "a text without two members of one name");
    };
    let mut written = Vec::new();
    check_that(write_value(&mut written, &value, JsonDialect::default()).is_ok(), "a value that JSON can carry");
    let again = serde_json::from_slice::<&RawValue>(&written).and_then(|raw| Value::deserialize(TypedJson(raw)));
    check_that(again.is_ok_and(|again| again == value), "a value that comes back");
    if let Ok(plain) = serde_json::from_str::<serde_json::Value>(text) {
        check_that(
            serde_json::from_slice(&written).is_ok_and(|again: serde_json::Value| again == plain),
            "a text with one meaning",
        );
    }
}

/// Aborts on a failure: the panic hook that libfuzzer relies on has been replaced.
fn check_that(holds: bool, what: &str) {
    if !holds {
        eprintln!("this is not {what}");
        std::process::abort();
    }
}
