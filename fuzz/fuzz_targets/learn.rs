//! Any description of a server is read as an interface or refused, and what is learned can be described in every way.

#![no_main]

use croupier::Value;
use croupier::describe::{openapi, openrpc, wsdl};
use croupier::interface::Interface;
use croupier::learn::{self, introspection};
use croupier::shape::Shapes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(learned) = learn::openrpc::read(bytes) {
        describe(&learned.interface);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let document = learn::wsdl::Document { location: "x", text };
    let _ = learn::wsdl::imports(document);
    if let Ok(learned) = learn::wsdl::read(&[document], None) {
        describe(&learned.interface);
    }
    let help = Some(Value::Text(text.to_owned()));
    describe(&introspection::interface(&[introspection::Described { name: "m".into(), signature: None, help }]));
});

fn describe(interface: &Interface) {
    let shapes = Shapes::of(interface);
    let _ = openrpc::document(interface, "http://localhost/");
    let _ = openapi::document(interface, "http://localhost/");
    let text = wsdl::document(interface, &shapes, "urn:x", "http://localhost/", wsdl::Form::default());
    let document = learn::wsdl::Document { location: "own", text: &text };
    learn::wsdl::read(&[document], None).expect("our own document is read");
}
