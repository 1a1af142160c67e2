//! Any bytes sent as a SOAP request get a well-formed envelope, within bounds.

#![no_main]

#[path = "../../tests/it/support/specimen.rs"]
mod specimen;

use std::sync::{Arc, LazyLock};

use croupier::codec::xml::Control;
use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::soap::server::Soap;
use croupier::service::{Context, RpcService};
use http::{Request, header};
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
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
    // The length of the input chooses the settings, so that plain requests can serve as seeds.
    let content_type = ["text/xml", "application/soap+xml", "text/xml; charset=utf-16"][body.len() % 3];
    let control = [Control::Refuse, Control::Replace, Control::Strip][body.len() / 3 % 3];
    let uri = if body.len() / 9 % 4 == 0 { "/?style=rpc" } else { "/" };
    let (head, ()) = Request::post(uri).header(header::CONTENT_TYPE, content_type).body(()).unwrap().into_parts();
    let mut frontend = Soap::new("urn:test");
    frontend.options.control_characters = control;
    frontend.recognises(&head, body);
    let request = GroupRequest { head: &head, tail: "", body, context: &Context::default() };
    let reply = frontend.serve(&SERVICE, request);
    let (status, bytes) = RUNTIME.block_on(async {
        let response = reply.await.response;
        (response.status(), response.into_body().collect().await.map(|body| body.to_bytes()))
    });
    check(
        matches!(status.as_u16(), 200 | 400 | 500) && bytes.is_ok(),
        "a complete response with a status that SOAP allows",
    );
    let bytes = bytes.unwrap_or_default();
    check(bytes.len() < LONGER * (body.len() + 1000), "a response within bounds");
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let xml = roxmltree::Document::parse(text);
    check(xml.is_ok_and(|xml| xml.root_element().tag_name().name() == "Envelope"), "a well-formed envelope");
});

/// Aborts on a failure: the panic hook that libfuzzer relies on has been replaced.
fn check(holds: bool, what: &str) {
    if !holds {
        eprintln!("this is not {what}");
        std::process::abort();
    }
}
