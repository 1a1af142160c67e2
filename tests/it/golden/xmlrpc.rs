//! XML-RPC requests and their whole responses, byte for byte.
//!
//! The cases are in `tests/golden/xmlrpc/*.cases`, in the form that `support/cases.rs` describes, with the keys
//!
//! ```text
//! type: text/xml; charset=utf-8        (the Content-Type; none if left out)
//! dialect: reading = "strict"          (settings that differ from the default)
//! limits: depth = 3, elements = 20, multicall = 2
//! as: utf-16le                         (how the request is encoded; UTF-8 if left out)
//! ```
//!
//! `UPDATE_GOLDEN=1` writes the actual responses instead of comparing them. `SEEDS=DIR` writes the requests
//! into a directory, for a fuzzer to begin with.

use std::path::PathBuf;
use std::sync::Arc;

use croupier::codec::DocumentLimits;
use croupier::codec::xml::Reading;
use croupier::codec::xmlrpc::{Root, XmlRpcDialect, XmlRpcDocument};
use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::xmlrpc::server::XmlRpc;
use croupier::service::{Context, RpcService};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde::Deserialize;

use crate::support::cases::{self, Case};
use crate::support::specimen;

/// How many cases there are at least.
const CASES: usize = 160;

#[test]
fn every_request_has_its_golden_answer() {
    let service = Arc::new(specimen::service()) as Arc<dyn RpcService>;
    let count = cases::check_all("xmlrpc", |case| answer(case, &service));
    assert!(count >= CASES, "only {count} cases were found");
}

#[test]
fn no_two_cases_have_one_name() {
    cases::check_names("xmlrpc");
}

#[test]
fn requests_become_seeds_where_that_is_asked_for() {
    let Some(directory) = std::env::var_os("SEEDS").map(PathBuf::from) else { return };
    for target in ["frontend", "charset", "readers_agree", "upstream_response", "date"] {
        std::fs::create_dir_all(directory.join(target)).unwrap();
    }
    for path in cases::files("xmlrpc") {
        let text = std::fs::read_to_string(&path).unwrap();
        for case in cases::cases(&text) {
            let name = case.name().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            let write = |target: &str, seed: &[u8]| std::fs::write(directory.join(target).join(&name), seed).unwrap();
            let request = case.request_bytes();
            write("frontend", &request);
            write("charset", &request);
            write("readers_agree", &request);
            write("upstream_response", case.expected.as_bytes());
            if let Some((_, date)) = case.request.split_once("<dateTime.iso8601>") {
                write("date", date.split('<').next().unwrap_or_default().as_bytes());
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
    batch: Option<usize>,
}

fn frontend(case: &Case<'_>) -> XmlRpc {
    let (bounds, default): (Bounds, _) = (case.table("limits"), DocumentLimits::default());
    XmlRpc {
        dialect: case.table("dialect"),
        limits: DocumentLimits {
            depth: bounds.depth.unwrap_or(default.depth),
            elements: bounds.elements.unwrap_or(default.elements),
        },
        batch: bounds.batch.unwrap_or(XmlRpc::default().batch),
    }
}

/// The answer, which must be sound XML-RPC whatever is expected.
fn answer(case: &Case<'_>, service: &Arc<dyn RpcService>) -> String {
    let mut request = Request::builder().method(Method::POST).uri("/");
    if let Some(value) = case.line("type") {
        request = request.header(header::CONTENT_TYPE, value);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let reply = frontend(case).serve(
        service,
        GroupRequest { head: &head, tail: "", body: &case.request_bytes(), context: &Context::default() },
    );
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (fault, bytes) = runtime.block_on(async {
        let replied = reply.await;
        assert_eq!(replied.response.status(), StatusCode::OK);
        assert_eq!(replied.response.headers()[header::CONTENT_TYPE], "text/xml");
        (replied.fault, replied.response.into_body().collect().await.unwrap().to_bytes())
    });
    let text = String::from_utf8(bytes.to_vec()).expect("an answer in UTF-8");
    roxmltree::Document::parse(&text).expect("a well-formed answer");
    let dialect: XmlRpcDialect = case.table("dialect");
    assert!(!dialect.ascii || text.is_ascii());
    let read =
        XmlRpcDocument::read(&text, Reading::Lenient, DocumentLimits { depth: 100, ..DocumentLimits::default() });
    let root = read.expect("an answer in XML-RPC").root;
    assert_eq!(root, if fault.is_some() { Root::Fault } else { Root::Response });
    text.strip_suffix('\n').expect("an answer ends its last line").to_owned()
}
