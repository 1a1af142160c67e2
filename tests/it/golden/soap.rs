//! SOAP requests and their whole responses, byte for byte.
//!
//! The cases are in `tests/golden/soap/*.cases`, in the form that `support/cases.rs` describes, with these lines:
//! `action` is the SOAPAction header, `query` follows the path, `options` and `limits` are settings that differ from
//! the default. A response begins with a line with its status and content type.

use std::path::PathBuf;
use std::sync::Arc;

use croupier::codec::DocumentLimits;
use croupier::protocol::frontend::{Claim, Frontend, GroupHead, GroupRequest};
use croupier::protocol::soap::server::Soap;
use croupier::service::{Context, RpcService};
use http::{Method, Request, header};
use http_body_util::BodyExt;
use serde::Deserialize;

use crate::support::cases::{self, Case};
use crate::support::specimen;

/// How many cases there are at least.
const CASES: usize = 150;

#[test]
fn every_request_has_its_golden_answer() {
    let service = Arc::new(specimen::service()) as Arc<dyn RpcService>;
    let count = cases::check_all("soap", |case| answer(case, &service));
    assert!(count >= CASES, "only {count} cases were found");
}

#[test]
fn requests_become_seeds_where_that_is_asked_for() {
    let Some(directory) = std::env::var_os("SEEDS").map(PathBuf::from) else { return };
    std::fs::create_dir_all(directory.join("soap")).unwrap();
    for path in cases::files("soap") {
        let text = std::fs::read_to_string(&path).unwrap();
        for case in cases::cases(&text) {
            let name = case.name().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            std::fs::write(directory.join("soap").join(name), case.request_bytes()).unwrap();
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

fn frontend(case: &Case<'_>) -> Soap {
    let (bounds, default): (Bounds, _) = (case.table("limits"), DocumentLimits::default());
    let limits = DocumentLimits {
        depth: bounds.depth.unwrap_or(default.depth),
        elements: bounds.elements.unwrap_or(default.elements),
    };
    let mut frontend = Soap::new("urn:test");
    (frontend.options, frontend.limits) = (case.table("options"), limits);
    frontend
}

/// The answer, which must be a sound message whatever is expected.
fn answer(case: &Case<'_>, service: &Arc<dyn RpcService>) -> String {
    let query = case.line("query").map(|query| format!("?{query}")).unwrap_or_default();
    let mut request = Request::builder().method(Method::POST).uri(format!("/{query}"));
    for (name, key) in [(header::CONTENT_TYPE.as_str(), "type"), ("soapaction", "action")] {
        if let Some(value) = case.line(key) {
            request = request.header(name, value);
        }
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let (frontend, body) = (frontend(case), case.request_bytes());
    assert_ne!(frontend.claims(&GroupHead::new(&head, "")), Claim::No);
    let reply =
        frontend.serve(service, GroupRequest { head: &head, tail: "", body: &body, context: &Context::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (status, kind, fault, bytes) = runtime.block_on(async {
        let replied = reply.await;
        let kind = replied.response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let status = replied.response.status();
        (status, kind, replied.fault, replied.response.into_body().collect().await.unwrap().to_bytes())
    });
    let text = String::from_utf8(bytes.to_vec()).expect("an answer in UTF-8");
    let xml = roxmltree::Document::parse(&text).expect("a well-formed answer");
    let faulty = xml.descendants().any(|element| element.tag_name().name() == "Fault");
    assert_eq!(faulty, fault.is_some());
    assert_eq!(status.is_success(), fault.is_none());
    format!("{} {kind}\n{}", status.as_u16(), text.strip_suffix('\n').expect("an answer ends its last line"))
}
