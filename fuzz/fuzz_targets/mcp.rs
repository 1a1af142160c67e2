//! Any bytes sent as an MCP message get a JSON-RPC response, or none if they are no request, within bounds.

#![no_main]

#[path = "../../tests/it/support/specimen.rs"]
mod specimen;

use std::sync::{Arc, LazyLock};

use croupier::protocol::Protocol;
use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::set::{ProtocolSet, ServerInfo};
use croupier::service::{Context, RpcService};
use http::{Method, Request, header};
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::runtime::{Builder, Runtime};

/// How many times longer than its request a response may be: one method repeats its parameter up to 255 times, and a result is
/// there as text and as value.
const LONGER: usize = 1000;

static SERVICE: LazyLock<Arc<dyn RpcService>> = LazyLock::new(|| {
    // libfuzzer's hook reports every panic as a finding, and some methods panic on purpose.
    std::panic::set_hook(Box::new(|_| {}));
    Arc::new(specimen::service())
});

static FRONTEND: LazyLock<Arc<dyn Frontend>> = LazyLock::new(|| {
    let set = ProtocolSet { names: vec![Protocol::Mcp], ..ProtocolSet::default() };
    set.of_group("/specimen", &ServerInfo::default()).remove(0)
});

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().enable_time().build().unwrap());

fuzz_target!(|body: &[u8]| {
    // The length of the input chooses the headers, so that plain messages can serve as seeds.
    let revisions = ["", "2024-11-05", "2025-03-26", "2025-11-25", "2026-07-28", "2027-01-01"];
    let mut request = Request::builder().method(Method::POST).uri("/specimen/mcp");
    request = request.header(header::CONTENT_TYPE, "application/json");
    request = request.header(header::ACCEPT, "application/json, text/event-stream");
    let revision = revisions[body.len() % revisions.len()];
    if !revision.is_empty() {
        request = request.header("mcp-protocol-version", revision);
    }
    if revision == "2026-07-28" {
        request = request.header("mcp-method", "tools/call").header("mcp-name", "echo");
    } else if body.len() % 2 == 0 {
        request = request.header("mcp-session-id", "7");
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let reply = FRONTEND.serve(&SERVICE, GroupRequest { head: &head, tail: "mcp", body, context: &Context::default() });
    let (status, bytes) = RUNTIME.block_on(async {
        let response = reply.await.response;
        (response.status().as_u16(), response.into_body().collect().await.map(|body| body.to_bytes()))
    });
    check(bytes.is_ok(), "a complete response");
    let bytes = bytes.unwrap_or_default();
    check(bytes.len() < LONGER * (body.len() + 1000), "a response within bounds");
    if status == 202 {
        return check(bytes.is_empty(), "a response without a body");
    }
    check([200, 400, 404, 500].contains(&status), "a status of the protocol");
    if bytes.starts_with(b"[") {
        let responses: Vec<Response<'_>> = serde_json::from_slice(&bytes).unwrap_or_default();
        check(!responses.is_empty() && responses.iter().all(Response::is_valid), "a batch");
    } else {
        let response = serde_json::from_slice::<Response<'_>>(&bytes);
        check(response.is_ok_and(|response| response.is_valid()), "a response");
    }
});

/// The members of a response. An `id` is that of the request, which may be a number that no program can represent.
#[derive(Deserialize)]
struct Response<'a> {
    jsonrpc: String,
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl Response<'_> {
    fn is_valid(&self) -> bool {
        let id = self.id.get();
        let has_id = id.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit());
        self.jsonrpc == "2.0"
            && (has_id || (id == "null" && self.error.is_some()))
            && self.result.is_some() != self.error.is_some()
    }
}

/// Aborts on a failure: the panic hook that libfuzzer relies on has been replaced.
fn check(holds: bool, what: &str) {
    if !holds {
        eprintln!("this is not {what}");
        std::process::abort();
    }
}
