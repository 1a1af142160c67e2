//! Any description of an upstream becomes an interface or an error. Every document of such an interface can be
//! generated.

#![no_main]

use croupier::Value;
use croupier::http::routes::RouteTable;
use croupier::model::interface::Interface;
use croupier::model::shape::Shapes;
use croupier::protocol::jsonrpc::openrpc;
use croupier::protocol::rest::openapi;
use croupier::protocol::soap::wsdl;
use croupier::protocol::xmlrpc::introspection;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(description) = openrpc::read::read(bytes) {
        write_documents(&description.interface);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let document = wsdl::read::Document { location: "x", text };
    let _ = wsdl::read::imports(document);
    if let Ok(description) = wsdl::read::read(&[document], None) {
        write_documents(&description.interface);
    }
    let help = Some(Value::Text(text.to_owned()));
    write_documents(&introspection::interface(&[introspection::MethodDescription { name: "m".into(), signature: None, help }]));
});

fn write_documents(interface: &Interface) {
    let shapes = Shapes::of(interface);
    let _ = openrpc::write::document(interface, "http://localhost/");
    let _ = openapi::document(interface, &RouteTable::default(), "http://localhost/");
    let text = wsdl::write::document(interface, &shapes, "urn:x", "http://localhost/", wsdl::write::WsdlForm::default());
    let document = wsdl::read::Document { location: "own", text: &text };
    wsdl::read::read(&[document], None).expect("a generated document can be read");
}
