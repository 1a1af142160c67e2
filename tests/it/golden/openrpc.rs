//! The OpenRPC documents of a wheel and of a service that has every type, byte for byte.
//!
//! `UPDATE_GOLDEN=1` writes the documents that are made instead of comparing them.

use std::sync::Arc;

use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::http::public_url::PublicUrl;
use croupier::protocol::frontend::{Claim, Frontend, GroupHead, GroupRequest};
use croupier::protocol::jsonrpc::openrpc::write as openrpc;
use croupier::protocol::jsonrpc::server::{JsonRpc, OpenRpc};
use croupier::service::local::Local;
use croupier::service::{Context, RpcService};
use http::{Method, Request, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::every_type;

fn wheel() -> Local {
    WheelTable::new(Family::American, Chance::seeded(7)).with_max_spins(1000).service().unwrap()
}

fn check(name: &str, service: &Local) {
    let mut document = openrpc::document(&service.interface(), "http://localhost:8008/group");
    // The document's version is croupier's, and changes with every release.
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    document["info"]["version"] = "VERSION".into();
    let made = format!("{document:#}\n");
    let path = format!("{}/tests/golden/openrpc/{name}.json", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert_eq!(made, std::fs::read_to_string(path).unwrap());
}

#[test]
fn a_wheel_is_described() {
    check("wheel", &wheel());
}

#[test]
fn every_type_is_described() {
    check("every_type", &every_type::service());
}

/// Every reference in a document, wherever it stands.
fn references<'d>(value: &'d Value, to: &mut Vec<&'d str>) {
    match value {
        Value::Object(members) => {
            to.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, to));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, to)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = openrpc::document(&every_type::service().interface(), "http://localhost/");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
}

/// The response of a protocol, as JSON.
fn served(frontend: &dyn Frontend, method: Method, tail: &str, body: &str) -> Value {
    let service: Arc<dyn RpcService> = Arc::new(wheel());
    let slash = if tail.is_empty() { "" } else { "/" };
    let request = Request::builder().method(method).uri(format!("/alias{slash}{tail}"));
    let request = request.header(header::HOST, "casino.example").header(header::CONTENT_TYPE, "application/json");
    let (head, ()) = request.body(()).unwrap().into_parts();
    assert_eq!(frontend.claims(&GroupHead::new(&head, tail)), Claim::Yes);
    let request = GroupRequest { head: &head, tail, body: body.as_bytes(), context: &Context::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let response = frontend.serve(&service, request).await.response;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    })
}

#[test]
fn the_document_is_returned_by_method_and_by_address() {
    let discover = r#"{"jsonrpc":"2.0","method":"rpc.discover","id":1}"#;
    let expected = |url: &str| openrpc::document(&wheel().interface(), url);
    let frontend = JsonRpc::default();
    let here = expected("http://casino.example/alias");
    assert_eq!(served(&frontend, Method::POST, "", discover)["result"], here);
    assert_eq!(served(&frontend, Method::POST, "", &format!("[{discover}]"))[0]["result"], here);
    assert_eq!(served(&OpenRpc::default(), Method::GET, "openrpc.json", ""), here);
    assert_eq!(served(&OpenRpc::default(), Method::HEAD, "openrpc.json", ""), here);
    let public_url = Arc::new(PublicUrl { base: Some("https://public.example/rpc".into()), ..PublicUrl::default() });
    let there = expected("https://public.example/rpc/alias");
    assert_eq!(
        served(&JsonRpc { public_url: public_url.clone(), ..frontend }, Method::POST, "", discover)["result"],
        there
    );
    assert_eq!(served(&OpenRpc { public_url }, Method::GET, "openrpc.json", ""), there);
    assert_eq!(there["methods"][1]["params"][0]["schema"]["default"], json!(1));
}
