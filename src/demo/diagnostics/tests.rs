//! Calls each method directly, and through XML-RPC for types that JSON does not have.

use std::sync::Arc;

use http_body_util::BodyExt as _;
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use super::*;
use crate::codec::json;
use crate::codec::xmlrpc::{BigIntegers, Nil, XmlRpcDialect};
use crate::model::fault::{Fault, Kind};
use crate::protocol::frontend::{Frontend as _, GroupRequest};
use crate::protocol::xmlrpc::server::XmlRpc;
use crate::service::args::Args;
use crate::service::{Call, Context, Format, Output, RpcService};

async fn call(method: &str, args: Json) -> Result<Json, Fault> {
    call_with(method, &RawValue::from_string(args.to_string()).unwrap()).await
}

async fn call_with(method: &str, args: &RawValue) -> Result<Json, Fault> {
    let service = diagnostics().unwrap();
    let output = service.call(Call::new(method, Args::Json(args), &Context::default())).await?;
    let Output::One(value) = output else { panic!("no method here returns rows") };
    let mut text = Vec::new();
    value.encode(Format::Json(json::JsonDialect::default()), &mut text).unwrap();
    Ok(serde_json::from_slice(&text).unwrap())
}

/// The content of `<methodResponse>` for a call over XML-RPC.
async fn call_xmlrpc(method: &str, params: &str) -> String {
    let body = format!("<methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>");
    let dialect = XmlRpcDialect { nil: Nil::Nil, big_integers: BigIntegers::I8, ..XmlRpcDialect::default() };
    let frontend = XmlRpc { dialect, ..XmlRpc::default() };
    let (head, ()) = http::Request::post("/").body(()).unwrap().into_parts();
    let service: Arc<dyn RpcService> = Arc::new(diagnostics().unwrap());
    let replied = frontend
        .serve(&service, GroupRequest { head: &head, tail: "", body: body.as_bytes(), context: &Context::default() })
        .await;
    let bytes = replied.response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (_, rest) = text.split_once("<methodResponse>").unwrap();
    rest.split_once("</methodResponse>").unwrap().0.to_owned()
}

/// Asserts that a method returns its parameter over XML-RPC.
async fn assert_echoed(method: &str, value: &str) {
    let param = format!("<param><value>{value}</value></param>");
    assert_eq!(call_xmlrpc(method, &param).await, format!("<params>{param}</params>"), "{method}");
}

#[tokio::test]
async fn the_validator_suite_returns_the_expected_results() {
    let stooges = |moe, larry, curly| json!({ "moe": moe, "larry": larry, "curly": curly, "shemp": "none" });
    let strings: Vec<_> = (0..150).map(|at| format!("s{at}")).collect();
    for (method, args, expected) in [
        ("arrayOfStructsTest", json!([[stooges(1, 2, 3), stooges(4, 5, -7)]]), json!(-4)),
        ("arrayOfStructsTest", json!([[]]), json!(0)),
        (
            "countTheEntities",
            json!(["<<>&&&''''\"\"\"\"\" plain"]),
            json!({
                "ctLeftAngleBrackets": 2, "ctRightAngleBrackets": 1, "ctAmpersands": 3, "ctApostrophes": 4,
                "ctQuotes": 5,
            }),
        ),
        ("easyStructTest", json!([stooges(1, 20, 300)]), json!(321)),
        ("easyStructTest", json!([stooges(i32::MAX, i32::MAX, i32::MAX)]), json!(6_442_450_941_i64)),
        (
            "echoStructTest",
            json!([{ "a": [1, "two"], "b": { "c": true } }]),
            json!({ "a": [1, "two"], "b": { "c": true } }),
        ),
        (
            "manyTypesTest",
            json!([1, true, "text", 2.5, "1998-07-17T14:08:55", "AAH/"]),
            json!([1, true, "text", 2.5, "1998-07-17T14:08:55", "AAH/"]),
        ),
        ("moderateSizeArrayCheck", json!([strings]), json!("s0s149")),
        ("moderateSizeArrayCheck", json!([["only"]]), json!("onlyonly")),
        (
            "nestedStructTest",
            json!([{ "1999": {}, "2000": { "03": {}, "04": { "01": stooges(1, 2, 4), "02": stooges(0, 0, 0) } } }]),
            json!(7),
        ),
        ("simpleStructReturnTest", json!([-7]), json!({ "times10": -70, "times100": -700, "times1000": -7000 })),
    ] {
        assert_eq!(call(&format!("validator1.{method}"), args).await, Ok(expected), "{method}");
    }
}

#[tokio::test]
async fn the_validator_suite_refuses_invalid_parameters() {
    for (method, args) in [
        ("moderateSizeArrayCheck", json!([[]])),
        ("easyStructTest", json!([{ "moe": 1, "larry": 2 }])),
        ("nestedStructTest", json!([{ "1999": {} }])),
        ("manyTypesTest", json!([1, true, "text", 2.5, "1998-02-30T14:08:55", "AAH/"])),
        ("simpleStructReturnTest", json!(["7"])),
    ] {
        let fault = call(&format!("validator1.{method}"), args).await.unwrap_err();
        assert_eq!(fault.kind, Kind::BadParams, "{method}");
    }
}

#[tokio::test]
async fn the_echo_suite_returns_its_parameter() {
    for (method, value) in [
        ("echoValue", json!({ "any": [1, null, "thing"] })),
        ("echoString", json!("<&>\r\n é")),
        ("echoInteger", json!(9_007_199_254_740_993_i64)),
        ("echoBoolean", json!(true)),
        ("echoFloat", json!(-0.1)),
        ("echoStruct", json!({ "a": 1, "b": [] })),
        ("echoDate", json!("1998-07-17T14:08:55")),
        ("echoBase64", json!("AAH/")),
        ("echoStringArray", json!(["a", ""])),
        ("echoIntegerArray", json!([1, -2])),
        ("echoFloatArray", json!([1.5, -2.0])),
        ("echoStructArray", json!([{ "a": 1 }, {}])),
    ] {
        let method = format!("interopEchoTests.{method}");
        assert_eq!(call(&method, json!([value])).await, Ok(value.clone()), "{method}");
        assert_eq!(call(&method, json!({ "value": value })).await, Ok(value), "{method} by name");
        assert_eq!(call(&method, json!([])).await.unwrap_err().kind, Kind::BadParams, "{method}");
    }
    assert!(call("interopEchoTests.echoString", json!([1])).await.is_err());
    assert!(call("interopEchoTests.echoStruct", json!([[]])).await.is_err());
}

#[tokio::test]
async fn the_methods_without_parameters_take_none() {
    assert!(call("interopEchoTests.noInParams", json!([])).await.unwrap().is_i64());
    let toolkit = call("interopEchoTests.whichToolkit", json!([])).await.unwrap();
    assert_eq!(toolkit["toolkitName"], "croupier");
    assert!(toolkit["toolkitDocsUrl"].is_string());
    for key in ["toolkitVersion", "toolkitOperatingSystem"] {
        assert!(toolkit[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
    }
    for method in ["noInParams", "whichToolkit"] {
        let fault = call(&format!("interopEchoTests.{method}"), json!([1])).await.unwrap_err();
        assert_eq!(fault.kind, Kind::BadParams);
    }
}

#[tokio::test]
async fn counting_reads_every_value() {
    assert_eq!(call("count", json!([[1, "two", [3, 4], {}]])).await, Ok(json!(4)));
    assert_eq!(call("count", json!([[]])).await, Ok(json!(0)));
    // The last struct has a name twice, which only a reader of every value notices.
    let raw = RawValue::from_string("[[1, { \"deep\": [{ \"a\": 1, \"a\": 2 }] }]]".to_owned()).unwrap();
    assert!(call_with("count", &raw).await.is_err());
    assert_eq!(call("count", json!([7])).await.unwrap_err().kind, Kind::BadParams);
    assert_eq!(call("echo", json!([[1, { "a": "b" }]])).await, Ok(json!([1, { "a": "b" }])));
}

#[tokio::test]
async fn every_type_of_xml_rpc_is_returned_unchanged() {
    for value in [
        "<dateTime.iso8601>19980717T14:08:55</dateTime.iso8601>",
        "<base64>AAH/</base64>",
        "<nil/>",
        "<i8>9007199254740993</i8>",
        "<array><data><value><boolean>1</boolean></value><value><base64></base64></value></data></array>",
        "<struct><member><name>when</name><value><dateTime.iso8601>20000229T00:00:00</dateTime.iso8601></value>\
         </member></struct>",
    ] {
        assert_echoed("echo", value).await;
        assert_echoed("interopEchoTests.echoValue", value).await;
    }
    assert_echoed("interopEchoTests.echoDate", "<dateTime.iso8601>19980717T14:08:55</dateTime.iso8601>").await;
    assert_echoed("interopEchoTests.echoBase64", "<base64>AAH/</base64>").await;
}

#[tokio::test]
async fn many_types_come_back_as_an_array_of_them() {
    let values = "<value><int>1</int></value><value><boolean>1</boolean></value><value><string>a&amp;b</string></value>\
                  <value><double>2.5</double></value>\
                  <value><dateTime.iso8601>19980717T14:08:55</dateTime.iso8601></value>\
                  <value><base64>AAH/</base64></value>";
    let params = values.replace("<value>", "<param><value>").replace("</value>", "</value></param>");
    let expected = format!("<params><param><value><array><data>{values}</data></array></value></param></params>");
    assert_eq!(call_xmlrpc("validator1.manyTypesTest", &params).await, expected);
}

#[tokio::test]
async fn text_is_neither_a_date_nor_bytes() {
    for method in ["echoDate", "echoBase64"] {
        let text = call_xmlrpc(&format!("interopEchoTests.{method}"), "<param><value>no!</value></param>").await;
        assert!(text.contains("<int>-32602</int>"), "{method}: {text}");
    }
}

#[test]
fn every_method_and_every_parameter_is_explained() {
    let service = diagnostics().unwrap();
    let methods = &service.interface().methods;
    let of = |prefix: &str| methods.iter().filter(|method| method.name.starts_with(prefix)).count();
    assert_eq!((of("validator1."), of("interopEchoTests."), methods.len()), (8, 14, 24));
    for method in methods {
        assert!(!method.doc.is_empty(), "{}", method.name);
        assert!(method.params.iter().all(|param| !param.doc.is_empty()), "{}", method.name);
        assert!(method.safe, "{}", method.name);
    }
}
