//! WSDL documents of others: what they import, their namespaces, their operations and their sizes.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use croupier::Fault;
use croupier::model::fault::Kind;
use croupier::model::shape::Shapes;
use croupier::protocol::client_codec::{CallTarget, ClientCodec};
use croupier::protocol::soap::client::SoapCodec;
use croupier::protocol::soap::wsdl::read::{Document, WsdlDescription, imports, read};
use croupier::service::args::{Args, KnownParams};
use http::Response;

/// What surrounds the types, the messages and the operations of a description.
#[derive(Clone, Copy)]
struct Parts<'a> {
    types: &'a str,
    messages: &'a str,
    port_type: &'a str,
    style: &'a str,
    operations: &'a str,
}

const BODY: &str = r#"<s:body use="literal"/>"#;
/// A message `in` of the element `Ask`, and a message `out` of the element `Told`.
const PARTS: Parts<'_> = Parts {
    types: "",
    messages: r#"<message name="in"><part name="p" element="t:Ask"/></message>
                 <message name="out"><part name="p" element="t:Told"/></message>"#,
    port_type: r#"<operation name="ask"><input message="t:in"/><output message="t:out"/></operation>"#,
    style: "document",
    operations: r#"<operation name="ask"><input><s:body use="literal"/></input><output><s:body use="literal"/></output></operation>"#,
};
/// The two elements in a schema of the namespace `urn:t`.
const ELEMENTS: &str = r#"<x:element name="Ask"><x:complexType><x:sequence><x:element name="q" type="x:string"/></x:sequence></x:complexType></x:element>
    <x:element name="Told"><x:complexType><x:sequence><x:element name="r" type="x:int"/></x:sequence></x:complexType></x:element>"#;

fn schema(inside: &str) -> String {
    format!(r#"<x:schema targetNamespace="urn:t" elementFormDefault="qualified">{inside}</x:schema>"#)
}

fn wsdl(parts: Parts<'_>) -> String {
    let Parts { types, messages, port_type, style, operations } = parts;
    format!(
        r#"<definitions name="Asking" targetNamespace="urn:t" xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:w="http://schemas.xmlsoap.org/wsdl/"
             xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t">
           <types>{types}</types>{messages}<portType name="P">{port_type}</portType>
           <binding name="B" type="t:P"><s:binding style="{style}" transport="http://schemas.xmlsoap.org/soap/http"/>{operations}</binding>
           <service name="Asking"><port name="Ask" binding="t:B"><s:address location="http://localhost/ask"/></port></service>
           </definitions>"#
    )
}

fn with_types(types: &str) -> String {
    wsdl(Parts { types, ..PARTS })
}

/// A description of documents, the first of which is called `a.wsdl`, and what it calls.
struct Read {
    description: WsdlDescription,
    shapes: Shapes,
    codec: ClientCodec,
}

impl Read {
    fn new(texts: &[(&str, &str)]) -> Result<Read, Fault> {
        let documents: Vec<_> = texts.iter().map(|(location, text)| Document { location, text }).collect();
        let description = read(&documents, None)?;
        let shapes = Shapes::of(&description.interface);
        let codec = ClientCodec::Soap(SoapCodec::new(Arc::new(description.binding.clone())));
        Ok(Read { description, shapes, codec })
    }

    fn one(text: &str) -> Read {
        Read::new(&[("a.wsdl", text)]).unwrap()
    }

    fn methods(&self) -> Vec<&str> {
        self.description.interface.methods.iter().map(|method| method.name.as_str()).collect()
    }

    fn left_out(&self) -> Vec<(&str, &str)> {
        let left_out = self.description.left_out.iter();
        left_out.map(|operation| (operation.name.as_str(), operation.reason.as_str())).collect()
    }

    fn target<'a>(&'a self, method: &'a str) -> CallTarget<'a> {
        let known = KnownParams { method: self.shapes.method(method).unwrap(), shapes: &self.shapes, inferred: false };
        CallTarget::new(method, Some(known))
    }

    /// The content of the Body of a call, with the namespace of each prefix in braces.
    fn sent(&self, method: &str, args: &str) -> String {
        let raw = serde_json::value::RawValue::from_string(args.to_owned()).unwrap();
        let request = self.codec.encode_call(self.target(method), Args::Json(&raw).read_values().unwrap()).unwrap();
        let text = String::from_utf8(request.body().to_vec()).unwrap();
        let xml = roxmltree::Document::parse(&text).unwrap();
        let body = xml.root_element().children().find(|child| child.has_tag_name((ENVELOPE, "Body"))).unwrap();
        body.children().map(said).collect()
    }

    /// The result in a Body, as JSON.
    fn received(&self, method: &str, body: &str) -> String {
        let text = format!("<e:Envelope xmlns:e=\"{ENVELOPE}\" xmlns:t=\"urn:t\"><e:Body>{body}</e:Body></e:Envelope>");
        let value = self.codec.decode_response(self.target(method), &Response::new(text.into())).unwrap();
        serde_json::to_string(&value).unwrap()
    }
}

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// An element by its names and its content.
fn said(node: roxmltree::Node<'_, '_>) -> String {
    if !node.is_element() {
        return node.text().unwrap_or_default().to_owned();
    }
    let namespace = node.tag_name().namespace().map(|namespace| format!("{{{namespace}}}")).unwrap_or_default();
    let inside: String = node.children().map(said).collect();
    format!("<{namespace}{}>{inside}</>", node.tag_name().name())
}

#[test]
fn public_schemas_are_built_in_and_not_among_the_imports() {
    let import = |namespace: &str, location: &str| {
        format!(
            r#"<x:import namespace="{namespace}"{}/>"#,
            match location {
                "" => String::new(),
                location => format!(r#" schemaLocation="{location}""#),
            }
        )
    };
    let mime = "http://www.w3.org/2005/05/xmlmime";
    let addressing = "http://www.w3.org/2005/08/addressing";
    let all = [
        import("http://schemas.xmlsoap.org/soap/encoding/", "http://schemas.xmlsoap.org/soap/encoding/"),
        import("http://schemas.xmlsoap.org/wsdl/", ""),
        import("http://www.w3.org/XML/1998/namespace", "xml.xsd"),
        import(mime, ""),
        import(addressing, "http://www.w3.org/2006/03/addressing/ws-addr.xsd"),
        import("http://xml.apache.org/xml-soap", "soap.xsd"),
        import("urn:own", "own.xsd"),
    ];
    let ask = format!(
        r#"<x:element name="Ask"><x:complexType><x:sequence><x:element name="q" xmlns:m="{mime}" type="m:base64Binary"/>
           <x:element name="to" xmlns:a="{addressing}" type="a:EndpointReferenceType"/>
           <x:element name="e" xmlns:c="http://www.w3.org/2003/05/soap-encoding" type="c:int"/></x:sequence></x:complexType></x:element>
           <x:element name="Told"><x:complexType><x:sequence><x:element ref="x:schema" minOccurs="0"/></x:sequence></x:complexType></x:element>"#
    );
    let text = with_types(&schema(&format!("{}{ask}", all.concat())));
    assert_eq!(imports(Document { location: "a.wsdl", text: &text }).unwrap(), ["own.xsd"]);
    let read = Read::one(&text);
    assert_eq!(read.methods(), ["ask"]);
    let sent = read.sent("ask", r#"{"q": "aGk=", "to": {"Address": "urn:b"}, "e": 1}"#);
    assert_eq!(
        sent,
        format!(
            "<{{urn:t}}Ask><{{urn:t}}q>aGk=</><{{urn:t}}to><{{{addressing}}}Address>urn:b</></><{{urn:t}}e>1</></>"
        )
    );
}

#[test]
fn an_operation_that_cannot_be_read_is_left_out_with_its_reason() {
    let operation = |name: &str| PARTS.operations.replace("\"ask\"", &format!("\"{name}\""));
    let declared = |name: &str, input: &str| {
        format!(r#"<operation name="{name}"><input message="t:{input}"/><output message="t:out"/></operation>"#)
    };
    let names = ["no_message", "no_type", "far_type", "no_prefix", "not_declared", "ask"];
    let port_type = [
        declared("no_message", "gone"),
        declared("no_type", "untyped"),
        declared("far_type", "far"),
        declared("no_prefix", "prefix"),
        declared("ask", "in"),
    ];
    let messages = format!(
        r#"{}<message name="untyped"><part name="p" element="t:Untyped"/></message><message name="far"><part name="p" element="t:Far"/></message>
           <message name="prefix"><part name="p" element="nope:Far"/></message>"#,
        PARTS.messages
    );
    let member = |kind: &str| format!(r#"<x:sequence><x:element name="m" type="{kind}"/></x:sequence>"#);
    let types = schema(&format!(
        r#"{ELEMENTS}<x:element name="Untyped" type="t:Gone"/><x:element name="Far"><x:complexType>{}</x:complexType></x:element>
           <x:complexType name="Near">{}</x:complexType><x:complexType name="Broken">{}</x:complexType>"#,
        member("t:Near"),
        member("t:Broken"),
        member("t:Gone")
    ));
    let text = wsdl(Parts {
        types: &types,
        messages: &messages,
        port_type: &port_type.concat(),
        operations: &names.map(operation).concat(),
        ..PARTS
    });
    let read = Read::one(&text);
    assert_eq!(read.methods(), ["ask"]);
    assert_eq!(read.description.binding.operations.len(), 1);
    let gone = "there is no type `Gone` in the namespace `urn:t`";
    for (name, reason) in [
        ("no_message", "there is no message `gone` in the namespace `urn:t`"),
        ("no_type", gone),
        ("far_type", gone),
        ("no_prefix", "the prefix `nope` is not declared"),
        ("not_declared", "the port type has no operation `not_declared`"),
    ] {
        let left_out = read.left_out();
        let (_, said) = left_out.iter().find(|(other, _)| *other == name).unwrap();
        assert!(said.starts_with("a.wsdl:") && said.ends_with(reason), "{name}: {said}");
    }
    // Without any operation that can be called, there is no description.
    let bad = wsdl(Parts {
        types: &types,
        messages: &messages,
        port_type: &port_type[1],
        operations: &operation("no_type"),
        ..PARTS
    });
    assert!(Read::new(&[("a.wsdl", &bad)]).err().unwrap().message.ends_with(gone));
}

#[test]
fn thousands_of_operations_that_cannot_be_read_take_bounded_time() {
    let operations: String =
        (0..4000).map(|at| format!(r#"<operation name="o{at}"><input>{BODY}</input></operation>"#)).collect();
    let port_type: String =
        (0..4000).map(|at| format!(r#"<operation name="o{at}"><input message="t:gone{at}"/></operation>"#)).collect();
    let started = Instant::now();
    let text = wsdl(Parts {
        types: &schema(ELEMENTS),
        port_type: &format!("{port_type}{}", PARTS.port_type),
        operations: &format!("{operations}{}", PARTS.operations),
        ..PARTS
    });
    let read = Read::one(&text);
    assert_eq!((read.methods().len(), read.left_out().len()), (1, 4000));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn an_included_schema_without_a_namespace_takes_that_of_each_includer() {
    let chameleon = r#"<?xml version="1.0"?>
        <x:schema xmlns:x="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified"><x:include schemaLocation="inner.xsd"/>
        <x:complexType name="Pair"><x:sequence><x:element name="one" type="One"/></x:sequence></x:complexType></x:schema>"#;
    let inner = r#"<schema xmlns="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">
        <complexType name="One"><sequence><element name="n" type="int"/></sequence></complexType></schema>"#;
    let other = r#"<x:schema xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:o="urn:o&amp;" targetNamespace="urn:o&amp;">
        <x:include schemaLocation="pair.xsd"/><x:element name="Other" type="o:Pair"/></x:schema>"#;
    let types = schema(
        r#"<x:include schemaLocation="pair.xsd"/><x:import namespace="urn:o&amp;" schemaLocation="other.xsd"/>
           <x:element name="Ask"><x:complexType><x:sequence><x:element name="a" type="t:Pair"/><x:element ref="o:Other" xmlns:o="urn:o&amp;"/></x:sequence></x:complexType></x:element>
           <x:element name="Told" type="t:Pair"/>"#,
    );
    let text = with_types(&types);
    let read =
        Read::new(&[("a.wsdl", &text), ("pair.xsd", chameleon), ("inner.xsd", inner), ("other.xsd", other)]).unwrap();
    assert_eq!(
        read.sent("ask", r#"{"a": {"one": {"n": 1}}, "Other": {"one": {"n": 2}}}"#),
        "<{urn:t}Ask><{urn:t}a><{urn:t}one><{urn:t}n>1</></></><{urn:o&}Other><{urn:o&}one><{urn:o&}n>2</></></></>"
    );
}

#[test]
fn a_schema_without_a_namespace_in_a_description_has_none() {
    let types = r#"<x:schema elementFormDefault="qualified"><x:element name="Ask"><x:complexType><x:sequence><x:element name="q" type="Words"/></x:sequence></x:complexType></x:element>
        <x:element name="Told" type="x:int"/><x:complexType name="Words"><x:sequence><x:element name="w" type="x:string"/></x:sequence></x:complexType></x:schema>"#
        .replace("type=\"Words\"", "type=\"Words\" xmlns=\"\"");
    let messages =
        PARTS.messages.replace("<part ", "<w:part xmlns=\"\" ").replace("t:Ask", "Ask").replace("t:Told", "Told");
    let read = Read::one(&wsdl(Parts { types: &types, messages: &messages, ..PARTS }));
    assert_eq!(read.sent("ask", r#"{"q": {"w": "x"}}"#), "<Ask><q><w>x</></></>");
    assert_eq!(read.received("ask", "<Told>7</Told>"), "7");
}

#[test]
fn a_redefined_type_extends_the_one_that_it_replaces() {
    let base = r#"<x:schema xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t" elementFormDefault="qualified">
        <x:complexType name="Base"><x:sequence><x:element name="a" type="t:Word"/></x:sequence></x:complexType>
        <x:simpleType name="Word"><x:restriction base="x:string"/></x:simpleType><x:element name="Told" type="t:Base"/></x:schema>"#;
    let types = schema(
        r#"<x:redefine schemaLocation="base.xsd"><x:complexType name="Base"><x:complexContent><x:extension base="t:Base"><x:sequence>
           <x:element name="b" type="x:int"/></x:sequence></x:extension></x:complexContent></x:complexType></x:redefine>
           <x:element name="Ask" type="t:Base"/>"#,
    );
    let text = with_types(&types);
    // Whichever of the documents is read first.
    for documents in [[("a.wsdl", text.as_str()), ("base.xsd", base)], [("base.xsd", base), ("a.wsdl", text.as_str())]]
    {
        let read = Read::new(&documents).unwrap();
        assert_eq!(read.sent("ask", r#"{"a": "x", "b": 2}"#), "<{urn:t}Ask><{urn:t}a>x</><{urn:t}b>2</></>");
        assert_eq!(read.received("ask", "<t:Told><t:a>y</t:a><t:b>3</t:b></t:Told>"), r#"{"a":"y","b":3}"#);
    }
    // A redefinition of something that is not there refers to nothing, and not to itself.
    let fault = Read::new(&[("a.wsdl", &text)]).err().unwrap();
    assert_eq!(fault.kind, Kind::Structure, "{fault:?}");
}

#[test]
fn several_schemas_of_one_namespace_are_one() {
    let (ask, told) = ELEMENTS.split_once('\n').unwrap();
    let read = Read::one(&with_types(&format!("{}{}", schema(ask), schema(told))));
    assert_eq!(read.sent("ask", r#"["x"]"#), "<{urn:t}Ask><{urn:t}q>x</></>");
    assert_eq!(read.received("ask", "<t:Told><t:r>1</t:r></t:Told>"), "1");
}

#[test]
fn overloads_and_names_that_methods_cannot_have_are_offered() {
    let names = ["_ask", "спросить", "frägen", "fragen", "frägen"];
    let operation = |(at, name): (usize, &&str)| {
        format!(r#"<operation name="{name}"><input name="i{at}">{BODY}</input></operation>"#)
    };
    let declared = |(at, name): (usize, &&str)| {
        format!(r#"<operation name="{name}"><input name="i{at}" message="t:m{at}"/></operation>"#)
    };
    let messages: String =
        (0..5).map(|at| format!(r#"<message name="m{at}"><part name="p" element="t:E{at}"/></message>"#)).collect();
    let element = |at| {
        format!(
            r#"<x:element name="E{at}"><x:complexType><x:sequence><x:element name="q{at}" type="x:int"/></x:sequence></x:complexType></x:element>"#
        )
    };
    let types = schema(&(0..5).map(element).collect::<String>());
    let operations: String = names.iter().enumerate().map(operation).collect();
    // In another order than in the binding: the names of the inputs say which is which.
    let port_type: String = names.iter().enumerate().rev().map(declared).collect();
    let read = Read::one(&wsdl(Parts {
        types: &types,
        messages: &messages,
        port_type: &port_type,
        operations: &operations,
        ..PARTS
    }));
    assert_eq!(read.methods(), ["ask", "sprosit", "fraegen", "fragen", "fraegen_2"]);
    for (at, method) in read.methods().into_iter().enumerate() {
        assert_eq!(read.sent(method, "[5]"), format!("<{{urn:t}}E{at}><{{urn:t}}q{at}>5</></>"), "{method}");
    }
    let docs: Vec<_> = read.description.interface.methods.iter().map(|method| method.doc.as_str()).collect();
    assert_eq!(docs[1], "The operation `спросить`.");
    assert_eq!(docs[3], "");
}

#[test]
fn the_body_has_the_parts_that_are_not_elsewhere() {
    let elements = r#"<x:element name="One" type="x:string"/><x:element name="Two"><x:complexType><x:sequence><x:element name="n" type="x:int"/></x:sequence></x:complexType></x:element>
        <x:element name="Key"><x:complexType><x:sequence><x:element name="k" type="x:string"/></x:sequence></x:complexType></x:element>"#;
    let parts = r#"<part name="a" element="t:One"/><part name="b" element="t:Two"/><part name="key" element="t:Key"/>"#;
    let messages = format!(r#"<message name="in">{parts}</message><message name="out">{parts}</message>"#);
    let header = r#"<s:header message="t:in" part="key" use="literal"/>"#;
    let attached =
        r#"<w:extra/><mime:content xmlns:mime="http://schemas.xmlsoap.org/wsdl/mime/" part="key" type="image/png"/>"#;
    let both = "<{urn:t}One>x</><{urn:t}Two><{urn:t}n>1</></>";
    for (input, sent) in [
        (format!("{header}{BODY}"), both),
        (format!("{BODY}{attached}"), both),
        (r#"<s:body use="literal" parts="b a"/>"#.to_owned(), both),
        (r#"<s:body use="literal" parts="a"/>"#.to_owned(), "<{urn:t}One>x</>"),
        (r#"<s:body use="literal" parts=""/>"#.to_owned(), ""),
    ] {
        let operations = format!(
            r#"<operation name="ask"><input>{input}</input><output><s:body use="literal" parts="a b"/></output></operation>"#
        );
        let read =
            Read::one(&wsdl(Parts { types: &schema(elements), messages: &messages, operations: &operations, ..PARTS }));
        let args = match sent {
            "" => "{}",
            sent if sent == both => r#"{"One": "x", "Two": {"n": 1}}"#,
            _ => r#"{"One": "x"}"#,
        };
        assert_eq!(read.sent("ask", args), sent, "{input}");
        assert_eq!(
            read.received("ask", "<t:One>y</t:One><t:Two><t:n>2</t:n></t:Two>"),
            r#"{"One":"y","Two":{"n":2}}"#,
            "{input}"
        );
    }
}

#[test]
fn a_part_with_a_type_is_the_body_or_an_element_of_its_own_name() {
    let types = schema(
        r#"<x:complexType name="R"><x:sequence><x:element name="a" type="x:string"/><x:element name="b" type="x:int"/></x:sequence></x:complexType>"#,
    );
    let of = |kind: &str| {
        let part = format!(r#"<part name="p" type="{kind}"/>"#);
        let messages = format!(r#"<message name="in">{part}</message><message name="out">{part}</message>"#);
        Read::one(&wsdl(Parts { types: &types, messages: &messages, ..PARTS }))
    };
    let read = of("t:R");
    assert_eq!(read.sent("ask", r#"{"a": "x", "b": 1}"#), "<{urn:t}a>x</><{urn:t}b>1</>");
    assert_eq!(read.received("ask", "<t:a>y</t:a><t:b>2</t:b>"), r#"{"a":"y","b":2}"#);
    let read = of("x:int");
    assert_eq!(read.sent("ask", r#"{"p": 5}"#), "<p>5</>");
    assert_eq!(read.received("ask", "<p>6</p>"), "6");
}

#[test]
fn a_port_is_chosen_by_its_name_its_service_or_both() {
    let service = |name: &str| {
        format!(
            r#"<service name="{name}"><port name="Port" binding="t:B"><s:address location="http://{name}/"/></port>
               <port name="Gone" binding="t:Gone"/></service>"#
        )
    };
    let queue = r#"<service name="Queue"><port name="Jms" binding="t:B"><s:address location="jms:queue:ask"/></port></service>"#;
    let services = format!("{queue}{}{}</definitions>", service("first"), service("second"));
    let text = with_types(&schema(ELEMENTS));
    let (before, _) = text.split_once("<service").unwrap();
    let text = format!("{before}{services}");
    let document = [Document { location: "a.wsdl", text: &text }];
    let address = |port: Option<&str>| read(&document, port).unwrap().binding.address;
    for (port, expected) in [
        (None, "http://first/"),
        (Some("Port"), "http://first/"),
        (Some("second/Port"), "http://second/"),
        (Some("second"), "http://second/"),
        (Some("Jms"), "jms:queue:ask"),
    ] {
        assert_eq!(address(port).as_deref(), Some(expected), "{port:?}");
    }
    let description = read(&document, Some("second")).unwrap();
    let names: Vec<_> = description.ports.iter().map(|port| format!("{}/{}", port.service, port.name)).collect();
    assert_eq!(
        (names.as_slice(), description.port),
        (["Queue/Jms", "first/Port", "second/Port"].map(String::from).as_slice(), Some(2))
    );
    assert_eq!(
        read(&document, Some("third")).unwrap_err().message,
        "there is no SOAP port `third`; there is `Jms`, `Port`, `Port`"
    );
}

#[test]
fn what_is_not_supported_is_refused_with_the_reason() {
    let types = schema(ELEMENTS).replace("<x:schema", r#"<x:schema xmlns:x="http://www.w3.org/1999/XMLSchema""#);
    let fault = |text: &str| Read::new(&[("a.wsdl", text)]).err().unwrap();
    assert!(fault(&with_types(&types)).message.contains("XML Schema of 1999"));
    let types = schema(ELEMENTS)
        .replace("type=\"x:string\"", r#"xmlns:o="http://www.w3.org/2000/10/XMLSchema" type="o:string""#);
    assert!(fault(&with_types(&types)).message.contains("XML Schema of 1999 or 2000"));
    let plain = with_types(&schema(ELEMENTS))
        .replace("http://schemas.xmlsoap.org/wsdl/soap/", "http://schemas.xmlsoap.org/wsdl/http/");
    assert!(fault(&plain).message.starts_with("there is no SOAP port: the ports are for other protocols"));
    let two = r#"<description xmlns="http://www.w3.org/ns/wsdl"/>"#;
    assert!(fault(two).message.contains("WSDL 2.0"));
}

#[test]
fn a_document_type_is_passed_over_and_never_expanded() {
    let text = with_types(&schema(ELEMENTS));
    let doctype = "<!DOCTYPE definitions [<!ENTITY e 'x'> <!ATTLIST a b CDATA #FIXED 'c'>]>";
    let read = Read::one(&format!("<?xml version='1.0'?>\n{doctype}\n{text}"));
    assert_eq!(read.methods(), ["ask"]);
    let with_entity = text.replace("name=\"q\"", "name=\"q&e;\"");
    let fault = Read::new(&[("a.wsdl", &format!("{doctype}{with_entity}"))]).err().unwrap();
    assert_eq!(fault.kind, Kind::NotWellFormed, "{fault:?}");
}

/// As large as the largest descriptions of real services.
#[test]
fn thousands_of_operations_and_namespaces_and_megabytes_are_read() {
    let (mut types, mut messages, mut port_type, mut operations) =
        (String::from(ELEMENTS), String::new(), String::new(), String::new());
    let note = "A paragraph that says at some length what this operation is for. ".repeat(60);
    for at in 0..1511 {
        for name in ["Do", "Done"] {
            let _ = write!(
                types,
                r#"<x:element name="{name}{at}"><x:complexType><x:sequence><x:element name="v" type="q{at}:V{at}" xmlns:q{at}="urn:t"/>
                   <x:element name="w" minOccurs="0" nillable="true" type="r:V{at}" xmlns:r="urn:t"/></x:sequence></x:complexType></x:element>"#
            );
        }
        let _ = write!(
            types,
            r#"<x:complexType name="V{at}"><x:sequence><x:element name="i" type="x:int"/></x:sequence></x:complexType>"#
        );
        let _ = write!(
            messages,
            r#"<message name="i{at}"><part name="p" element="t:Do{at}"/></message><message name="o{at}"><part name="p" element="t:Done{at}"/></message>"#
        );
        let _ = write!(
            port_type,
            r#"<operation name="do{at}"><documentation>{note}</documentation><input message="t:i{at}"/><output message="t:o{at}"/></operation>"#
        );
        let _ =
            write!(operations, r#"<operation name="do{at}"><input>{BODY}</input><output>{BODY}</output></operation>"#);
    }
    let text = wsdl(Parts {
        types: &schema(&types),
        messages: &messages,
        port_type: &port_type,
        operations: &operations,
        ..PARTS
    });
    assert!(text.len() > 5 << 20 && text.matches("xmlns").count() > 4000, "{}", text.len());
    let started = Instant::now();
    let read = Read::one(&text);
    assert_eq!((read.methods().len(), read.left_out().len()), (1511, 0));
    assert_eq!(read.sent("do1510", r#"[{"i": 1}]"#), "<{urn:t}Do1510><{urn:t}v><{urn:t}i>1</></></>");
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}
