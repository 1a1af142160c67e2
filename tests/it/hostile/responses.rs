//! Responses that no server should send: each client codec returns an error for them, and never panics.
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use croupier::Value;
use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::model::shape::Shapes;
use croupier::protocol::client_codec::{CallTarget, ClientCodec, ResponseError};
use croupier::protocol::jsonrpc;
use croupier::protocol::jsonrpc::openrpc::read as openrpc;
use croupier::protocol::soap;
use croupier::protocol::soap::wsdl::read::{Document, read};
use croupier::protocol::soap::wsdl::write as wsdl;
use croupier::protocol::soap::wsdl::write::WsdlForm;
use croupier::protocol::xmlrpc;
use croupier::protocol::xmlrpc::introspection;
use croupier::service::RpcService;
use croupier::service::args::KnownParams;
use http::Response;
use proptest::prelude::*;

use crate::support::random_cases;

/// The method that is asked, and the shapes that it is known by.
const METHOD: &str = "spinList";

static CODECS: LazyLock<Vec<(ClientCodec, Shapes, &'static str, &'static str)>> = LazyLock::new(|| {
    let wheel = WheelTable::new(Family::American, Chance::seeded(7)).service().unwrap();
    let own = Shapes::of(&wheel.interface());
    let text = wsdl::document(&wheel.interface(), &own, "urn:w", "http://localhost/w", WsdlForm::default());
    let discovered = read(&[Document { location: "w.wsdl", text: &text }], None).unwrap();
    let spoken = soap::client::SoapCodec::new(Arc::new(discovered.binding));
    vec![
        (ClientCodec::XmlRpc(xmlrpc::client::XmlRpcCodec::default()), own.clone(), XML, XML_FAULT),
        (ClientCodec::JsonRpc(jsonrpc::client::JsonRpcCodec::default()), own, JSON, JSON_ERROR),
        (ClientCodec::Soap(spoken), Shapes::of(&discovered.interface), SOAP, SOAP_FAULT),
    ]
});

const XML: &str = "<?xml version=\"1.0\"?>\n<methodResponse><params><param><value><array><data><value><array><data>\
    <value>0</value><value>é</value><value><string>&lt;</string></value><value>x</value></data></array></value></data>\
    </array></value></param></params></methodResponse>";
const XML_FAULT: &str = "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>7</int></value>\
    </member><member><name>faultString</name><value>no</value></member></struct></value></fault></methodResponse>";
const JSON: &str = "{\"jsonrpc\":\"2.0\",\"result\":[[\"0\",\"é\",\"\\u00e9\",\"x\"]],\"id\":1}";
const JSON_ERROR: &str = "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":7,\"message\":\"no\"},\"id\":1}";
const SOAP: &str = "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>\
    <w:spinListResponse xmlns:w=\"urn:w\"><w:result><w:number>0</w:number><w:color>é</w:color></w:result>\
    </w:spinListResponse></e:Body></e:Envelope>";
const SOAP_FAULT: &str = "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body><e:Fault>\
    <faultcode>e:7</faultcode><faultstring>no</faultstring></e:Fault></e:Body></e:Envelope>";

fn heard(codec: &ClientCodec, shapes: &Shapes, status: u16, body: impl Into<Bytes>) -> Result<Value, ResponseError> {
    let known = KnownParams { method: shapes.method(METHOD).unwrap(), shapes, inferred: false };
    let response = Response::builder().status(status).body(body.into()).unwrap();
    codec.decode_response(CallTarget::new(METHOD, Some(known)), &response)
}

#[test]
fn a_truncated_response_is_an_error() {
    for (codec, shapes, answer, fault) in CODECS.iter() {
        assert!(heard(codec, shapes, 200, *answer).is_ok(), "{answer}");
        match heard(codec, shapes, 500, *fault) {
            Err(ResponseError::Fault(fault)) => assert_eq!((fault.kind.xmlrpc_code(), &*fault.message), (7, "no")),
            other => panic!("{other:?}"),
        }
        for whole in [answer, fault] {
            for end in 0..whole.len() {
                let cut = Bytes::copy_from_slice(&whole.as_bytes()[..end]);
                let error = heard(codec, shapes, 200, cut.clone()).unwrap_err();
                assert!(matches!(error, ResponseError::Malformed(_)), "{error:?}");
                let error = heard(codec, shapes, 502, cut).unwrap_err();
                assert!(matches!(error, ResponseError::Status { .. }), "{error:?}");
            }
        }
    }
}

#[test]
fn the_beginning_of_other_responses_is_reported() {
    let page = "<!DOCTYPE html>\n<html><body><h1>502 Bad Gateway</h1></body></html>";
    for (codec, shapes, ..) in CODECS.iter() {
        for body in ["", page, "null", "Error: at Object.<anonymous> (x.js:1:1)", "<a/>", "[]", "{}", "\u{feff}"] {
            let error = heard(codec, shapes, 200, body).unwrap_err();
            assert!(matches!(error, ResponseError::Malformed(_) | ResponseError::Text { .. }), "{body}: {error:?}");
            assert!(matches!(heard(codec, shapes, 404, body), Err(ResponseError::Status { .. })), "{body}");
        }
        let told = heard(codec, shapes, 502, page).unwrap_err().to_string();
        assert!(
            told.ends_with("HTTP 502 Bad Gateway: <!DOCTYPE html> <html><body><h1>502 Bad Gateway</h1></body></html>")
        );
    }
}

#[test]
fn deep_responses_are_refused_before_they_are_read() {
    let nested = |open: &str, close: &str| [open.repeat(50_000), close.repeat(50_000)].concat();
    let xml = nested("<value><array><data>", "</data></array></value>");
    let json = nested("[", "]");
    let soap = nested("<w:result>", "</w:result>");
    for ((codec, shapes, ..), body) in CODECS.iter().zip([
        format!("<methodResponse><params><param>{xml}</param></params></methodResponse>"),
        format!("{{\"result\":{json},\"id\":1}}"),
        format!("<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:w=\"urn:w\"><e:Body><w:r>{soap}</w:r></e:Body></e:Envelope>"),
    ]) {
        assert!(matches!(heard(codec, shapes, 200, body), Err(ResponseError::Malformed(_))));
    }
}

proptest! {
    #![proptest_config(random_cases(256))]

    #[test]
    fn any_response_is_read_without_panic(body in prop::collection::vec(any::<u8>(), 0..200), status in 200_u16..600) {
        for (codec, shapes, ..) in CODECS.iter() {
            prop_assert!(heard(codec, shapes, status, body.clone()).is_err());
        }
    }

    #[test]
    fn changed_responses_are_read_without_panic(
        fault in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for (codec, shapes, answer, other) in CODECS.iter() {
            let mut body = if fault { other } else { answer }.as_bytes().to_vec();
            for (at, byte) in &changes {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            let _ = heard(codec, shapes, 200, body);
        }
    }

    #[test]
    fn no_description_is_too_strange(text in "(<|>|/|\"|[a-z:]|xsd:|<wsdl:|\\{|\\}|\\[|\\]|,|\\PC){0,60}", names in any::<bool>()) {
        let _ = read(&[Document { location: "x", text: &text }], None);
        let _ = openrpc::read(text.as_bytes());
        let answer = if names { Value::Array(vec![Value::Text(text)]) } else { Value::Text(text) };
        let _ = introspection::names(&answer);
    }
}
