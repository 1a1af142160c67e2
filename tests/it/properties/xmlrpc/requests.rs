//! Every request, whatever its bytes, has an answer that any client can read.

use std::sync::Arc;

use croupier::Value;
use croupier::codec::DocumentLimits;
use croupier::codec::xml::Reading;
use croupier::codec::xmlrpc::{Nil, Root, XmlRpcDialect, XmlRpcDocument, XmlRpcNonFinite, write_call};
use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::xmlrpc::server::XmlRpc;
use croupier::service::{Context, RpcService};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;

use crate::support::random_cases;
use crate::support::specimen;
use crate::support::trees::{any_value, carried, dialect, same};

/// How many times longer than its request an answer may be: a method repeats its parameter up to 255 times, and
/// 1e308 takes 310 characters.
const LONGER: usize = 400;

/// The answer to a request, which must be sound.
fn answer(service: &Arc<dyn RpcService>, frontend: XmlRpc, content_type: Option<&str>, body: &[u8]) -> String {
    let mut request = Request::builder().method(Method::POST).uri("/");
    if let Some(value) = content_type {
        request = request.header(header::CONTENT_TYPE, value);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let reply = frontend.serve(service, GroupRequest { head: &head, tail: "", body, context: &Context::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (status, bytes) = runtime.block_on(async {
        let replied = reply.await;
        (replied.response.status(), replied.response.into_body().collect().await.unwrap().to_bytes())
    });
    assert_eq!(status, StatusCode::OK);
    assert!(bytes.len() < LONGER * (body.len() + 1000), "{} bytes for {}", bytes.len(), body.len());
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    roxmltree::Document::parse(&text).unwrap();
    let root =
        XmlRpcDocument::read(&text, Reading::Lenient, DocumentLimits { depth: 1000, ..DocumentLimits::default() })
            .unwrap()
            .root;
    assert!(root == Root::Response || root == Root::Fault);
    text
}

fn service() -> Arc<dyn RpcService> {
    Arc::new(specimen::service())
}

fn content_type() -> impl Strategy<Value = Option<&'static str>> {
    option::of(select(vec![
        "text/xml",
        "text/xml; charset=utf-8",
        "text/xml; charset=\"utf-16\"",
        "application/xml;charset=iso-8859-1",
        "text/xml; charset=shift_jis",
        "text/xml; charset=none",
    ]))
}

/// Calls of the specimen's methods with parameters that mostly do not fit.
fn call() -> impl Strategy<Value = Vec<u8>> {
    let names = [
        "echo",
        "all",
        "sum",
        "join",
        "nothing",
        "maybe",
        "record",
        "colour",
        "names",
        "date",
        "when",
        "bytes",
        "power",
        "double",
        "character",
        "fails",
        "rows",
        "rowsOrNone",
        "later",
        "system.listMethods",
        "system.methodHelp",
        "system.multicall",
        "_private",
        "unknown",
    ];
    let open = XmlRpcDialect { nil: Nil::Nil, non_finite: XmlRpcNonFinite::Words, ..XmlRpcDialect::default() };
    let open = XmlRpcDialect { big_integers: croupier::codec::xmlrpc::BigIntegers::I8, ..open };
    let plain = (select(names.to_vec()), vec(any_value(), 0..3));
    let inner = vec((select(names.to_vec()), vec(carried(), 0..3)), 0..6);
    let several = inner.prop_map(|calls| {
        let calls = calls.into_iter().map(|(name, params)| {
            let members = [("methodName", Value::Text(name.into())), ("params", Value::Array(params))];
            Value::Struct(members.map(|(name, value)| (name.to_owned(), value)).into())
        });
        ("system.multicall", vec![Value::Array(calls.collect())])
    });
    prop_oneof![plain, several].prop_map(move |(name, params)| {
        let mut bytes = Vec::new();
        // What cannot be written is cut off in the midst: one more request to answer.
        let _ = write_call(&mut bytes, name, &params, open);
        bytes
    })
}

fn overwritten(mut bytes: Vec<u8>, changes: Vec<(prop::sample::Index, u8)>) -> Vec<u8> {
    for (place, byte) in changes {
        if !bytes.is_empty() {
            *place.get_mut(&mut bytes) = byte;
        }
    }
    bytes
}

proptest! {
    #![proptest_config(random_cases(400))]

    #[test]
    fn any_bytes_have_a_sound_answer(
        body in vec(any::<u8>(), 0..200),
        content_type in content_type(),
        dialect in dialect(),
    ) {
        answer(&service(), XmlRpc { dialect, ..XmlRpc::default() }, content_type, &body);
    }

    #[test]
    fn any_call_has_a_sound_answer(
        body in call(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        content_type in content_type(),
        dialect in dialect(),
    ) {
        let body = overwritten(body, changes);
        answer(&service(), XmlRpc { dialect, ..XmlRpc::default() }, content_type, &body);
    }

    #[test]
    fn what_is_sent_to_an_echo_comes_back(values in vec(carried(), 0..5)) {
        let dialect = XmlRpcDialect { nil: Nil::Nil, non_finite: XmlRpcNonFinite::Words, ..XmlRpcDialect::default() };
        let dialect = XmlRpcDialect { big_integers: croupier::codec::xmlrpc::BigIntegers::I8, ..dialect };
        let mut body = Vec::new();
        write_call(&mut body, "all", &values, dialect).unwrap();
        let frontend = XmlRpc { dialect, ..XmlRpc::default() };
        let text = answer(&service(), frontend, Some("text/xml"), &body);
        let document = XmlRpcDocument::read(&text, Reading::Lenient, DocumentLimits { depth: 65, ..DocumentLimits::default() }).unwrap();
        let back = Value::deserialize(document.tape.values().next().unwrap()).unwrap();
        prop_assert!(same(&back, &Value::Array(values)), "{text}");
    }
}
