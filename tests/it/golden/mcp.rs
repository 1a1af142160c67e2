//! MCP messages and their whole responses, byte for byte.
//!
//! The cases are in `tests/golden/mcp/*.cases` (see `support/cases.rs`). A request is its headers, and after an empty line its
//! body; a response is its status, its headers in alphabetical order, and after an empty line its body. `Content-Type` and
//! `Accept` of a request are those that clients send unless it has its own. The session of a response is random, and not shown.
//!
//! `UPDATE_GOLDEN=1` writes the actual responses instead of comparing them. `SEEDS=DIR` writes the bodies into a directory, for a
//! fuzzer to begin with.

use std::path::PathBuf;
use std::sync::Arc;

use croupier::protocol::Protocol;
use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::set::{ProtocolSet, ServerInfo};
use croupier::service::{Context, RpcService};
use http::{HeaderName, HeaderValue, Request, header};
use http_body_util::BodyExt;

use crate::support::cases::{self, Case};
use crate::support::rest;

#[test]
fn every_message_has_its_golden_response() {
    let service = Arc::new(rest::service()) as Arc<dyn RpcService>;
    let set = ProtocolSet { names: vec![Protocol::Mcp], ..ProtocolSet::default() };
    let frontends = set.of_group("/specimen", &ServerInfo::default());
    let [frontend] = &frontends[..] else { panic!("MCP has one frontend") };
    let count = cases::check_all("mcp", |case| answer(case, frontend, &service));
    cases::check_names("mcp");
    assert!(count >= 25, "only {count} cases were found");
}

#[test]
fn messages_become_seeds_where_that_is_asked_for() {
    let Some(directory) = std::env::var_os("SEEDS").map(|all| PathBuf::from(all).join("mcp")) else { return };
    std::fs::create_dir_all(&directory).unwrap();
    for path in cases::files("mcp") {
        let text = std::fs::read_to_string(&path).unwrap();
        for case in cases::cases(&text) {
            let name = case.name().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            std::fs::write(directory.join(name), split(&case.bytes()).1).unwrap();
        }
    }
}

/// The headers of a request, and its body.
fn split(bytes: &[u8]) -> (&str, &[u8]) {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").map_or(0, |end| end + 1);
    let (head, body) = bytes.split_at(end);
    (std::str::from_utf8(head).unwrap(), body.strip_prefix(b"\n").unwrap_or(body))
}

fn answer(case: &Case<'_>, frontend: &Arc<dyn Frontend>, service: &Arc<dyn RpcService>) -> String {
    let bytes = case.bytes();
    let (headers, body) = split(&bytes);
    let request = Request::post("/specimen/mcp").header(header::HOST, "localhost");
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    for (name, value) in
        [(header::CONTENT_TYPE, "application/json"), (header::ACCEPT, "application/json, text/event-stream")]
    {
        head.headers.insert(name, HeaderValue::from_static(value));
    }
    for line in headers.lines() {
        let (name, value) = line.split_once(": ").expect("a header");
        head.headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    let request = GroupRequest { head: &head, tail: "mcp", body, context: &Context::default() };
    let reply = frontend.serve(service, request);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut head, body) = reply.await.response.into_parts();
        head.headers.remove("mcp-session-id");
        let mut headers: Vec<_> =
            head.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect();
        headers.sort();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        format!("{}\n{}\n{body}", head.status, headers.concat()).trim_end_matches('\n').to_owned()
    })
}
