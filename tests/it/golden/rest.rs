//! REST requests and their whole responses, byte for byte; and the OpenAPI documents.
//!
//! The cases are in `tests/golden/rest/*.cases` (see `support/cases.rs`). A request is its line, its headers, and
//! after an empty line its body; a response is its status, its headers in alphabetical order, and after an empty line its
//! body. The key is `limits` (`depth = 3, elements = 20`).
//!
//! `UPDATE_GOLDEN=1` writes the actual responses instead of comparing them. `SEEDS=DIR` writes the queries into
//! a directory, for a fuzzer to begin with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use croupier::codec::DocumentLimits;
use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::http::routes::RouteTable as Routes;
use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::rest::openapi;
use croupier::protocol::rest::server::Rest;
use croupier::service::{Context, RpcService};
use http::Request;
use http_body_util::BodyExt;
use serde::Deserialize;

use crate::support::cases::{self, Case};
use crate::support::every_type;
use crate::support::rest;

/// How many cases there are at least.
const CASES: usize = 100;

#[test]
fn every_request_has_its_golden_answer() {
    let service = Arc::new(rest::service()) as Arc<dyn RpcService>;
    let count = cases::check_all("rest", |case| answer(case, &service));
    cases::check_names("rest");
    assert!(count >= CASES, "only {count} cases were found");
}

#[test]
fn queries_become_seeds_where_that_is_asked_for() {
    let Some(directory) = std::env::var_os("SEEDS").map(|all| PathBuf::from(all).join("query")) else { return };
    std::fs::create_dir_all(&directory).unwrap();
    for path in cases::files("rest") {
        let text = std::fs::read_to_string(&path).unwrap();
        for case in cases::cases(&text) {
            let name = case.name().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            let query = case.request.lines().next().and_then(|line| line.split(' ').nth(1)?.split_once('?'));
            if let Some((_, query)) = query {
                std::fs::write(directory.join(name), query).unwrap();
            }
        }
    }
}

/// The settings that a case may make.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Bounds {
    depth: Option<usize>,
    elements: Option<usize>,
}

fn frontend(case: &Case<'_>) -> Rest {
    let (bounds, default): (Bounds, _) = (case.table("limits"), DocumentLimits::default());
    let limits = DocumentLimits {
        depth: bounds.depth.unwrap_or(default.depth),
        elements: bounds.elements.unwrap_or(default.elements),
    };
    Rest { limits, ..Rest::default() }
}

fn answer(case: &Case<'_>, service: &Arc<dyn RpcService>) -> String {
    let bytes = case.bytes();
    let end = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
    let head = std::str::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let (verb, path) = lines.next().unwrap().split_once(' ').unwrap();
    let mut request = Request::builder().method(verb).uri(path);
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a header");
        request = request.header(name, value);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let tail = head.uri.path().trim_start_matches('/');
    let context = Context::default();
    let body = body.strip_prefix(b"\n").unwrap_or_default();
    let reply = frontend(case).serve(service, GroupRequest { head: &head, tail, body, context: &context });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (head, body) = reply.await.response.into_parts();
        let mut headers: Vec<_> =
            head.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect();
        headers.sort();
        let body = body.collect().await.unwrap().to_bytes();
        rest::check_body(&head, &body);
        let body = String::from_utf8(body.to_vec()).unwrap().replace('\r', "\\r");
        format!("{}\n{}\n{body}", head.status, headers.concat()).trim_end_matches('\n').to_owned()
    })
}

#[test]
fn the_documents_are_as_they_were() {
    let wheel = WheelTable::new(Family::American, Chance::seeded(7)).service().unwrap();
    let (every, none) = (every_type::service(), Routes::default());
    let documents = [
        ("wheel", openapi::document(&wheel.interface(), &none, "https://casino.example/wheel/american")),
        ("every_type", openapi::document(&every.interface(), &none, "https://casino.example/every-type")),
        (
            "all",
            openapi::document_of_all(
                &[("/", &wheel.interface(), &none), ("/every-type", &every.interface(), &none)],
                "https://casino.example",
            ),
        ),
    ];
    for (name, document) in documents {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/openapi/{name}.json"));
        let text = format!("{document:#}\n");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{name}");
    }
}
