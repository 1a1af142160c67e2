//! One call, the same over every protocol: the same value comes back, or the same fault by the one table.
//!
//! The calls go to every method of every wheel, of the diagnostics, and of a service with values of every type, also
//! where that is called by an aggregate; their arguments mostly fit. What SOAP leaves out (a member that is nil, or a list
//! without items) is left out of all results before they are compared; nothing is done to what is sent.

use croupier::codec::DocumentLimits;
use croupier::codec::soap;
use croupier::codec::soap::{ElementTarget, SoapStyle, SoapVersion};
use croupier::codec::xml::{Control, Reading};
use croupier::codec::xmlrpc;
use croupier::codec::xmlrpc::{Root, XmlRpcDocument};
use croupier::protocol::soap::server::namespace_of;
use croupier::{Kind, Value};
use http::StatusCode;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde::Deserialize;

use croupier::model::shape::Shape;

use crate::support::calls::{
    self, CallTarget, PATH, SHAPES, ShutdownReport, asked, dialect, directly, json_of, member, post, value_of_json,
};
use crate::support::random_cases;

/// How many calls are made at least, each over every protocol.
const CASES: u32 = 2200;

fn over_xml_rpc(asked: &CallTarget) -> ShutdownReport {
    let mut body = Vec::new();
    xmlrpc::write_call(&mut body, &asked.method, &asked.args, dialect()).unwrap();
    let (status, text) = post(asked, "", "text/xml", &body);
    assert_eq!(status, StatusCode::OK);
    let document = XmlRpcDocument::read(&text, Reading::Lenient, DocumentLimits::default()).unwrap();
    let value = Value::deserialize(document.tape.values().next().unwrap()).unwrap();
    match (document.root, value) {
        // XML-RPC has no form for a result without content, and answers an empty text.
        (Root::Response, Value::Text(text)) if text.is_empty() && answers_nothing(asked) => {
            ShutdownReport::Value(Value::Nil)
        }
        (Root::Response, value) => ShutdownReport::Value(value_of_json(&json_of(&value))),
        (Root::Fault, Value::Struct(members)) => {
            let code = members.iter().find(|(name, _)| name == "faultCode").map(|(_, code)| code.clone());
            let Some(Value::Int(code)) = code else { panic!("{text}") };
            ShutdownReport::Fault(Kind::from_xmlrpc_code(i32::try_from(code).unwrap()))
        }
        _ => panic!("{text}"),
    }
}

fn answers_nothing(asked: &CallTarget) -> bool {
    SHAPES[asked.service].method(&asked.method).is_some_and(|method| method.result == Shape::Nil)
}

fn over_json_rpc(asked: &CallTarget) -> ShutdownReport {
    let method = serde_json::to_string(&asked.method).unwrap();
    let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":{method},"params":{}}}"#, json_of(&asked.args));
    let (status, text) = post(asked, "", "application/json", body.as_bytes());
    assert_eq!(status, StatusCode::OK);
    let answer = value_of_json(&text);
    match member(&answer, "error").map(|error| member(error, "code")) {
        None => ShutdownReport::Value(member(&answer, "result").unwrap().clone()),
        Some(Some(Value::Int(code))) => ShutdownReport::Fault(Kind::from_jsonrpc_code(i32::try_from(*code).unwrap())),
        Some(_) => panic!("{text}"),
    }
}

fn over_rest(asked: &CallTarget) -> Result<ShutdownReport, StatusCode> {
    let (status, text) = post(asked, &asked.method, "application/json", json_of(&asked.args).as_bytes());
    if status == StatusCode::OK { Ok(ShutdownReport::Value(value_of_json(&text))) } else { Err(status) }
}

/// The arguments by name, since tools have no others.
fn over_mcp(asked: &CallTarget) -> ShutdownReport {
    let method = SHAPES[asked.service].method(&asked.method);
    let name = |at: usize| {
        method.and_then(|method| method.params.get(at)).map_or(format!("extra{at}"), |param| param.name.clone())
    };
    let named = asked.args.iter().enumerate().map(|(at, value)| (name(at), value.clone())).collect();
    let tool: String =
        asked.method.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let tool = serde_json::to_string(&tool).unwrap();
    let arguments = json_of(&Value::Struct(named));
    let params = format!(r#"{{"name":{tool},"arguments":{arguments}}}"#);
    let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{params}}}"#);
    let (status, text) = post(asked, "mcp", "application/json", body.as_bytes());
    assert_eq!(status, StatusCode::OK);
    let answer = value_of_json(&text);
    if let Some(error) = member(&answer, "error") {
        let Some(Value::Int(code)) = member(error, "code") else { panic!("{text}") };
        let kind =
            if *code == -32602 { Kind::NoSuchMethod } else { Kind::from_jsonrpc_code(i32::try_from(*code).unwrap()) };
        return ShutdownReport::Fault(kind);
    }
    let result = member(&answer, "result").unwrap();
    if member(result, "isError") == Some(&Value::Bool(true)) {
        let meta = |name: &str| member(result, "_meta").and_then(|meta| member(meta, name));
        let Some(Value::Text(word)) = meta("croupier/kind") else { panic!("{text}") };
        let code = match meta("croupier/code") {
            Some(Value::Int(code)) => i32::try_from(*code).unwrap(),
            _ => Kind::Service(None).jsonrpc_code(),
        };
        return ShutdownReport::Fault(Kind::from_word(word, code).unwrap());
    }
    let structured = member(result, "structuredContent").unwrap();
    let shapes = &SHAPES[asked.service];
    let is_record = method.is_some_and(|method| matches!(shapes.follow(&method.result), Shape::Record(_)));
    ShutdownReport::Value(if is_record { structured.clone() } else { member(structured, "result").unwrap().clone() })
}

fn over_soap(asked: &CallTarget, version: SoapVersion) -> Result<ShutdownReport, StatusCode> {
    let shapes = &SHAPES[asked.service];
    let method = shapes.method(&asked.method);
    let element = method.map_or(asked.method.as_str(), |method| &method.element);
    let mut body = Vec::new();
    soap::write_head(&mut body, version, element, &namespace_of(PATH));
    for (field, value) in method.iter().flat_map(|method| &method.params).zip(&asked.args) {
        let (shape, element) = (&field.shape, field.element.as_str());
        let control = Control::Refuse;
        let place = ElementTarget { shapes, shape, element, qualified: true, member: true, control };
        soap::write_value(&mut body, value, place).unwrap();
    }
    soap::write_tail(&mut body, element);
    let media = if version == SoapVersion::V11 { "text/xml" } else { "application/soap+xml" };
    let (status, text) = post(asked, "", media, &body);
    let (StatusCode::OK, Some(method)) = (status, method) else { return Err(status) };
    let answer = soap::read_result(&text, shapes, method, SoapStyle::Document, DocumentLimits::default()).unwrap();
    let value = answer.tape.values().next().map_or(Value::Nil, |value| Value::deserialize(value).unwrap());
    Ok(ShutdownReport::Value(value_of_json(&json_of(&value))))
}

/// The same answer without the members that SOAP leaves out.
fn told(ended: ShutdownReport) -> ShutdownReport {
    match ended {
        ShutdownReport::Value(value) => ShutdownReport::Value(calls::told(value)),
        fault @ ShutdownReport::Fault(_) => fault,
    }
}

fn code(kind: Kind) -> i32 {
    kind.jsonrpc_code()
}

#[test]
fn the_same_call_ends_the_same_over_every_protocol() {
    let config = ProptestConfig { max_shrink_iters: 200, ..random_cases(CASES) };
    let outcome = TestRunner::new(config).run(&asked(), |asked| {
        let expected = told(directly(&asked));
        let [xml_rpc, json_rpc, mcp] =
            [told(over_xml_rpc(&asked)), told(over_json_rpc(&asked)), told(over_mcp(&asked))];
        let [rest, soap_11, soap_12] =
            [over_rest(&asked), over_soap(&asked, SoapVersion::V11), over_soap(&asked, SoapVersion::V12)]
                .map(|it| it.map(told));
        match &expected {
            ShutdownReport::Value(_) => {
                prop_assert_eq!(&xml_rpc, &expected, "XML-RPC");
                prop_assert_eq!(&json_rpc, &expected, "JSON-RPC");
                prop_assert_eq!(&mcp, &expected, "MCP");
                prop_assert_eq!(rest.as_ref(), Ok(&expected), "REST");
                prop_assert_eq!(soap_11.as_ref(), Ok(&expected), "SOAP 1.1");
                prop_assert_eq!(soap_12.as_ref(), Ok(&expected), "SOAP 1.2");
            }
            ShutdownReport::Fault(kind) => {
                let ShutdownReport::Fault(by_xml_rpc) = xml_rpc else { panic!("XML-RPC: {xml_rpc:?}, not {kind:?}") };
                let ShutdownReport::Fault(by_json_rpc) = json_rpc else {
                    panic!("JSON-RPC: {json_rpc:?}, not {kind:?}")
                };
                prop_assert_eq!(by_xml_rpc.xmlrpc_code(), kind.xmlrpc_code(), "XML-RPC");
                prop_assert_eq!(code(by_json_rpc), code(*kind), "JSON-RPC");
                let ShutdownReport::Fault(by_mcp) = mcp else { panic!("MCP: {mcp:?}, not {kind:?}") };
                prop_assert_eq!(code(by_mcp), code(*kind), "MCP");
                prop_assert_eq!(rest.as_ref().err(), Some(&kind.http_status()), "REST");
                let blamed =
                    if kind.blames_sender() { StatusCode::BAD_REQUEST } else { StatusCode::INTERNAL_SERVER_ERROR };
                prop_assert_eq!(soap_11.as_ref().err(), Some(&StatusCode::INTERNAL_SERVER_ERROR), "SOAP 1.1");
                prop_assert_eq!(soap_12.as_ref().err(), Some(&blamed), "SOAP 1.2");
            }
        }
        Ok(())
    });
    outcome.unwrap();
}
