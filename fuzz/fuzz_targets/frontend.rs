//! Any bytes sent as an XML-RPC request get a well-formed XML-RPC response with status 200, within bounds.

#![no_main]

#[path = "../../tests/it/support/specimen.rs"]
mod specimen;

use std::sync::{Arc, LazyLock};

use croupier::codec::DocumentLimits;
use croupier::codec::xml::{Control, Reading};
use croupier::codec::xmlrpc::{BigIntegers, Fractions, Nil, Root, XmlRpcDialect, XmlRpcDocument, XmlRpcNonFinite};
use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::xmlrpc::server::XmlRpc;
use croupier::service::{Context, RpcService};
use http::{Method, Request, header};
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
    let service = &*SERVICE;
    // The length of the input chooses the settings, so that plain requests can serve as seeds.
    let (dialect, content_type) = settings(body.len());
    let mut request = Request::builder().method(Method::POST).uri("/");
    if let Some(value) = content_type {
        request = request.header(header::CONTENT_TYPE, value);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let reply = XmlRpc { dialect, ..XmlRpc::default() }
        .serve(service, GroupRequest { head: &head, tail: "", body, context: &Context::default() });
    let (status, bytes) = RUNTIME.block_on(async {
        let response = reply.await.response;
        (response.status(), response.into_body().collect().await.map(|body| body.to_bytes()))
    });
    check(status == 200 && bytes.is_ok(), "a complete response with status 200");
    let bytes = bytes.unwrap_or_default();
    check(bytes.len() < LONGER * (body.len() + 1000), "a response within bounds");
    check(!dialect.ascii || bytes.is_ascii(), "a response in ASCII");
    let text = std::str::from_utf8(&bytes);
    check(text.is_ok_and(|text| roxmltree::Document::parse(text).is_ok()), "a well-formed response");
    let limits = DocumentLimits { depth: 256, elements: 10_000_000 };
    let read = XmlRpcDocument::read(text.unwrap_or_default(), Reading::Lenient, limits);
    check(read.is_ok_and(|document| !matches!(document.root, Root::Call(_))), "a response in XML-RPC");
});

/// Aborts on a failure: the panic hook that libfuzzer relies on has been replaced.
fn check(holds: bool, what: &str) {
    if !holds {
        eprintln!("this is not {what}");
        std::process::abort();
    }
}

fn settings(choice: usize) -> (XmlRpcDialect, Option<&'static str>) {
    let (strict, open) = (
        XmlRpcDialect { reading: Reading::Strict, fractions: Fractions::Refuse, ..XmlRpcDialect::default() },
        XmlRpcDialect {
            nil: Nil::Nil,
            big_integers: BigIntegers::I8,
            non_finite: XmlRpcNonFinite::Words,
            control_characters: Control::Strip,
            ..XmlRpcDialect::default()
        },
    );
    let apache = XmlRpcDialect {
        nil: Nil::ExNil,
        big_integers: BigIntegers::ExI8,
        non_finite: XmlRpcNonFinite::Nil,
        control_characters: Control::Replace,
        ascii: true,
        zone: 120,
        ..XmlRpcDialect::default()
    };
    let other = XmlRpcDialect { nil: Nil::Omit, big_integers: BigIntegers::Double, ..XmlRpcDialect::default() };
    let dialect = [XmlRpcDialect::default(), strict, open, apache, other][choice % 5];
    let content_type = [None, Some("text/xml"), Some("text/xml; charset=utf-8"), Some("text/xml; charset=utf-16")];
    (dialect, content_type[choice / 5 % 4])
}
