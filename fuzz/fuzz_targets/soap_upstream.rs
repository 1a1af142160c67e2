//! Any response of a SOAP server is a result, a fault or an error, by a WSDL with most of what there is in XML Schema. The
//! operation returns what it takes: a result that can be sent as a call is the same value when the call is read as a response.

#![no_main]

use std::sync::{Arc, LazyLock};

use croupier::Value;
use croupier::model::shape::Shapes;
use croupier::protocol::client_codec::{CallTarget, ClientCodec};
use croupier::protocol::soap::client::SoapCodec;
use croupier::protocol::soap::wsdl::read::{Document, Links, WsdlOptions, read_linked};
use croupier::service::args::{ArgValues, KnownParams};
use http::Response;
use libfuzzer_sys::fuzz_target;

const METHOD: &str = "echo";

/// The operation, which returns the headers of responses too or does not.
struct Echo {
    shapes: Shapes,
    codec: ClientCodec,
}

static ECHO: LazyLock<[Echo; 2]> = LazyLock::new(|| [false, true].map(Echo::new));

impl Echo {
    fn new(response_headers: bool) -> Echo {
        let document = Document { location: "echo.wsdl", text: include_str!("../echo.wsdl") };
        let options = WsdlOptions { response_headers, ..WsdlOptions::default() };
        let description = read_linked(&[document], &Links::new(), options).expect("the description is valid");
        let codec = ClientCodec::Soap(SoapCodec::new(Arc::new(description.binding)));
        Echo { shapes: Shapes::of(&description.interface), codec }
    }

    fn target(&self) -> CallTarget<'_> {
        let method = self.shapes.method(METHOD).expect("the method");
        CallTarget::new(METHOD, Some(KnownParams { method, shapes: &self.shapes, inferred: false }))
    }

    fn result(&self, body: Vec<u8>) -> Option<Value> {
        self.codec.decode_response(self.target(), &Response::new(body.into())).ok()
    }
}

fuzz_target!(|inside: &[u8]| {
    let [echo, with_headers] = &*ECHO;
    let _ = with_headers.result(inside.to_vec());
    let _ = echo.result(inside.to_vec());
    // Most of what is tried should be inside of an envelope.
    let start = b"<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/' xmlns:t='urn:echo' \
                  xmlns:i='http://www.w3.org/2001/XMLSchema-instance' xmlns:x='http://www.w3.org/2001/XMLSchema'><e:Body><t:Ask><t:all>";
    let end = b"</t:all></t:Ask></e:Body></e:Envelope>";
    let Some(value) = echo.result([start.as_slice(), inside, end].concat()) else { return };
    let arguments = ArgValues::ByPosition(vec![value.clone()]);
    let Ok(request) = echo.codec.encode_call(echo.target(), arguments) else { return };
    let again = echo.result(request.into_body().to_vec()).expect("a call is a valid message");
    let third = echo.codec.encode_call(echo.target(), ArgValues::ByPosition(vec![again.clone()]));
    let third = third.unwrap_or_else(|fault| panic!("{value:?} was sent, but {again:?} is not: {fault}"));
    let third = echo.result(third.into_body().to_vec()).expect("a call is a valid message");
    assert_eq!(format!("{third:?}"), format!("{again:?}"), "{value:?}");
});
