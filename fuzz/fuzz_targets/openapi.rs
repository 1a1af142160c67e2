//! Any OpenAPI document becomes an interface with its requests, or an error. The names of the methods are valid and different,
//! every document of the interface can be generated, and any call of a method becomes a request or a fault.

#![no_main]

use std::collections::HashSet;

use croupier::Value;
use croupier::http::routes::RouteTable;
use croupier::model::shape::Shapes;
use croupier::protocol::client_codec::CallTarget;
use croupier::protocol::jsonrpc::openrpc;
use croupier::protocol::rest::client::RestCodec;
use croupier::protocol::rest::openapi;
use croupier::protocol::rest::openapi::read::{Document, read, references};
use croupier::protocol::soap::wsdl;
use croupier::service::args::{ArgValues, KnownParams};
use http::{HeaderValue, Response, header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let document = Document { location: "x", text };
    let _ = references(document);
    let Ok(description) = read(document) else { return };
    let interface = &description.interface;
    let names: HashSet<&str> = interface.methods.iter().map(|method| method.name.as_str()).collect();
    assert_eq!(names.len(), interface.methods.len(), "the names are different");
    for name in names {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:/".contains(c);
        assert!(!name.is_empty() && !name.starts_with('_') && name.chars().all(allowed), "{name:?}");
    }
    let shapes = Shapes::of(interface);
    let _ = openrpc::write::document(interface, "http://localhost/");
    let _ = openapi::document(interface, &RouteTable::default(), "http://localhost/");
    let text = wsdl::write::document(interface, &shapes, "urn:x", "http://localhost/", wsdl::write::WsdlForm::default());
    wsdl::read::read(&[wsdl::read::Document { location: "own", text: &text }], None)
        .expect("a generated document can be read");

    let mut response = Response::new("{\"a\":[1]}".into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let codec = RestCodec::new(description.binding.into());
    for method in shapes.methods() {
        let known = KnownParams { method, shapes: &shapes, inferred: false };
        let target = CallTarget::new(&method.name, Some(known));
        let values = [Value::Int(7), Value::Text("a/ \u{e9}".into()), Value::Array(vec![Value::Nil, Value::Bool(true)])];
        for value in values {
            let arguments = ArgValues::ByPosition(vec![value; method.params.len()]);
            if let Ok(request) = codec.encode_call(target, arguments) {
                assert!(request.uri().path().starts_with('/'), "{}", request.uri());
            }
        }
        let _ = codec.decode_response(target, &response);
    }
});
