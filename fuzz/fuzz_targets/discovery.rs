//! Any description of an upstream becomes an interface or an error. Every document of such an interface can be
//! generated.

#![no_main]

use croupier::Value;
use croupier::protocol::rest::openapi;
use croupier::protocol::jsonrpc::openrpc::write as openrpc;
use croupier::protocol::soap::wsdl::write as wsdl;
use croupier::model::interface::Interface;
use croupier::protocol::discovered;
use croupier::protocol::xmlrpc::introspection;
use croupier::model::shape::Shapes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(discovered) = discovered::openrpc::read(bytes) {
        describe(&discovered.interface);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let document = discovered::wsdl::Document { location: "x", text };
    let _ = discovered::wsdl::imports(document);
    if let Ok(discovered) = discovered::wsdl::read(&[document], None) {
        describe(&discovered.interface);
    }
    let help = Some(Value::Text(text.to_owned()));
    describe(&introspection::interface(&[introspection::Described { name: "m".into(), signature: None, help }]));
});

fn describe(interface: &Interface) {
    let shapes = Shapes::of(interface);
    let _ = openrpc::document(interface, "http://localhost/");
    let _ = openapi::document(interface, "http://localhost/");
    let text = wsdl::document(interface, &shapes, "urn:x", "http://localhost/", wsdl::Form::default());
    let document = discovered::wsdl::Document { location: "own", text: &text };
    discovered::wsdl::read(&[document], None).expect("our own document is read");
}
