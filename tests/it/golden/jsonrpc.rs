//! JSON-RPC requests and their whole responses, byte for byte.
//!
//! The cases are in `tests/golden/jsonrpc/*.cases`, in the form that `support/cases.rs` describes, with the keys
//!
//! ```text
//! dialect: non-finite = "null"         (settings that differ from the default)
//! limits: depth = 3, elements = 20, batch = 2
//! version-1: true                      (requests of JSON-RPC 1.0 are accepted)
//! ```
//!
//! A response without a body is shown as its status, 204. `UPDATE_GOLDEN=1` writes the actual responses
//! instead of comparing them. `SEEDS=DIR` writes the requests into a directory, for a fuzzer to begin with.

use std::path::PathBuf;
use std::sync::Arc;

use croupier::codec::DocumentLimits;
use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::jsonrpc::server::JsonRpc;
use croupier::service::{Context, RpcService};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::support::cases::{self, Case};
use crate::support::specimen;

/// How many cases there are at least, and how many of them are hostile.
const CASES: usize = 160;
const HOSTILE: usize = 60;

/// How long a request may be that becomes a seed, in bytes.
const SEED: usize = 4096;

#[test]
fn every_request_has_its_golden_answer() {
    let service = Arc::new(specimen::service()) as Arc<dyn RpcService>;
    let count = cases::check_all("jsonrpc", |case| answer(case, &service));
    assert!(count >= CASES, "only {count} cases were found");
}

#[test]
fn no_two_cases_have_one_name_and_many_are_hostile() {
    cases::check_names("jsonrpc");
    let hostile = cases::files("jsonrpc").into_iter().find(|path| path.ends_with("hostile.cases")).unwrap();
    let count = cases::cases(&std::fs::read_to_string(hostile).unwrap()).count();
    assert!(count >= HOSTILE, "only {count} cases are hostile");
}

#[test]
fn requests_become_seeds_where_that_is_asked_for() {
    let Some(directory) = std::env::var_os("SEEDS").map(PathBuf::from) else { return };
    std::fs::create_dir_all(directory.join("json")).unwrap();
    for path in cases::files("jsonrpc") {
        let text = std::fs::read_to_string(&path).unwrap();
        for case in cases::cases(&text).filter(|case| case.bytes().len() <= SEED) {
            let name = case.name().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            std::fs::write(directory.join("json").join(name), case.bytes()).unwrap();
        }
    }
}

/// The settings that a case may make.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Bounds {
    depth: Option<usize>,
    elements: Option<usize>,
    batch: Option<usize>,
}

fn frontend(case: &Case<'_>) -> JsonRpc {
    let (bounds, default): (Bounds, _) = (case.table("limits"), DocumentLimits::default());
    JsonRpc {
        dialect: case.table("dialect"),
        limits: DocumentLimits {
            depth: bounds.depth.unwrap_or(default.depth),
            elements: bounds.elements.unwrap_or(default.elements),
        },
        batch: bounds.batch.unwrap_or(JsonRpc::default().batch),
        version_1: case.line("version-1") == Some("true"),
        ..JsonRpc::default()
    }
}

/// The answer, which must be sound JSON-RPC whatever is expected.
fn answer(case: &Case<'_>, service: &Arc<dyn RpcService>) -> String {
    let request = Request::builder().method(Method::POST).uri("/").header(header::HOST, "localhost");
    let (head, ()) = request.body(()).unwrap().into_parts();
    let body = case.bytes();
    let reply = frontend(case)
        .serve(service, GroupRequest { head: &head, tail: "", body: &body, context: &Context::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (head, bytes) = runtime.block_on(async {
        let (head, body) = reply.await.response.into_parts();
        (head, body.collect().await.unwrap().to_bytes())
    });
    if bytes.is_empty() {
        assert_eq!((head.status, head.headers.len()), (StatusCode::NO_CONTENT, 0));
        return "204".to_owned();
    }
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.headers[header::CONTENT_TYPE], "application/json");
    let text = String::from_utf8(bytes.to_vec()).expect("an answer in UTF-8");
    if text.starts_with('[') {
        serde_json::from_str::<Vec<Answered<'_>>>(&text).expect("sound answers").iter().for_each(Answered::check);
    } else {
        serde_json::from_str::<Answered<'_>>(&text).expect("a sound answer").check();
    }
    text
}

/// An answer. Its `id` is what the request said, and may be a number that no machine has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered<'a> {
    jsonrpc: Option<String>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<Wrong>,
    #[serde(rename = "id")]
    _id: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrong {
    #[serde(rename = "code")]
    _code: i32,
    #[serde(rename = "message")]
    _message: String,
    #[serde(rename = "data")]
    _data: Reason,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    #[serde(rename = "kind")]
    _kind: String,
}

impl Answered<'_> {
    /// An answer has either a `result` or an `error` (specification, section 5); one of version 1.0 has both, and one
    /// of them is null.
    fn check(&self) {
        if self.jsonrpc.is_some() {
            assert_eq!(self.jsonrpc.as_deref(), Some("2.0"));
        }
        assert!(self.result.is_none() || self.error.is_none());
    }
}
