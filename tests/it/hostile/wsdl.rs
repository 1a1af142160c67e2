//! WSDL documents that are made to cost much: each is read or refused within the limits, and what is read from it is not
//! larger than they allow.

use croupier::Fault;
use croupier::model::fault::Kind;
use croupier::model::shape::Shapes;
use croupier::protocol::jsonrpc::openrpc;
use croupier::protocol::soap::wsdl::read::{Document, Links, WsdlDescription, WsdlOptions, read, read_linked};
use croupier::protocol::soap::wsdl::write;

/// The largest document that croupier may make of one that it has read, in bytes.
const LARGEST: usize = 64 << 20;

/// A description whose one operation takes and returns the element `Ask`, with these types.
fn wsdl(types: &str) -> String {
    format!(
        "<definitions targetNamespace='urn:t' xmlns='http://schemas.xmlsoap.org/wsdl/' xmlns:t='urn:t' \
         xmlns:s='http://schemas.xmlsoap.org/wsdl/soap/' xmlns:x='http://www.w3.org/2001/XMLSchema'>\
         <types><x:schema targetNamespace='urn:t'>{types}</x:schema></types>\
         <message name='m'><part name='p' element='t:Ask'/></message>\
         <portType name='p'><operation name='ask'><input message='t:m'/><output message='t:m'/></operation></portType>\
         <binding name='b' type='t:p'><s:binding/><operation name='ask'><input><s:body use='literal'/></input>\
         <output><s:body use='literal'/></output></operation></binding></definitions>"
    )
}

/// The element `Ask` with this content.
fn ask(inside: &str) -> String {
    format!("<x:element name='Ask'><x:complexType><x:sequence>{inside}</x:sequence></x:complexType></x:element>")
}

fn many(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect()
}

fn described(types: &str) -> Result<WsdlDescription, Fault> {
    let text = wsdl(types);
    read(&[Document { location: "hostile.wsdl", text: &text }], None)
}

/// Makes the documents of what has been read.
fn assert_small(name: &str, description: &WsdlDescription) {
    let interface = &description.interface;
    let openrpc = openrpc::write::document(interface, "http://localhost/").to_string();
    assert!(openrpc.len() < LARGEST, "{name}: {}", openrpc.len());
    let shapes = Shapes::of(interface);
    let own = write::document(interface, &shapes, "urn:x", "http://localhost/", write::WsdlForm::default());
    assert!(own.len() < LARGEST, "{name}: {}", own.len());
}

/// Reads a description with these types, and makes its documents, or refuses it.
fn assert_bounded(name: &str, types: &str) {
    match described(types) {
        Ok(description) => assert_small(name, &description),
        Err(fault) => assert!(matches!(fault.kind, Kind::Limit | Kind::Structure), "{name}: {fault}"),
    }
}

#[test]
fn crowds_and_towers_of_types_are_read_or_refused() {
    let empty = |name: &str| format!("<x:complexType name='{name}'/>");
    let extends = |name: &str, base: &str, inside: &str| {
        format!(
            "<x:complexType name='{name}'><x:complexContent><x:extension base='t:{base}'>{inside}</x:extension>\
             </x:complexContent></x:complexType>"
        )
    };
    let text = |name: &str| format!("<x:element name='{name}' type='x:string' minOccurs='0'/>");
    let group = |at: usize, inside: &str| format!("<x:group name='g{at}'><x:sequence>{inside}</x:sequence></x:group>");
    let used = |at: usize| format!("<x:group ref='t:g{at}'/>");
    for (name, types) in [
        // A value of any type may have each of these.
        (
            "types beside xs:anyType",
            ask("<x:element name='a' type='x:anyType'/>") + &many(100_000, |at| empty(&format!("T{at}"))),
        ),
        (
            "types derived from one",
            ask("<x:element name='a' type='t:T'/>")
                + &empty("T")
                + &many(20_000, |at| extends(&format!("T{at}"), "T", "")),
        ),
        (
            "types derived from each other",
            ask("<x:element name='a' type='t:T0'/>")
                + &empty("T0")
                + &many(20_000, |at| extends(&format!("T{}", at + 1), &format!("T{at}"), &text("a"))),
        ),
        (
            "a tower of extensions",
            ask("<x:element name='a' type='t:T5000'/>")
                + &empty("T0")
                + &many(5000, |at| extends(&format!("T{}", at + 1), &format!("T{at}"), "")),
        ),
        (
            "groups that use others twice",
            ask(&used(0)) + &many(40, |at| group(at, &(used(at + 1) + &used(at + 1)))) + &group(40, &text("a")),
        ),
        (
            "choices in choices",
            ask(&(many(60, |_| "<x:choice maxOccurs='unbounded'>".to_owned())
                + &text("a")
                + &many(60, |_| "</x:choice>".to_owned()))),
        ),
        (
            "elements of a crowded substitution group",
            ask("<x:element ref='t:e' maxOccurs='unbounded'/>")
                + "<x:element name='e' type='x:string'/>"
                + &many(20_000, |at| format!("<x:element name='e{at}' type='x:string' substitutionGroup='t:e'/>")),
        ),
        (
            "an enumeration of very many texts",
            ask("<x:element name='a' type='t:E'/>")
                + "<x:simpleType name='E'><x:restriction base='x:string'>"
                + &many(50_000, |at| format!("<x:enumeration value='{at}'/>"))
                + "</x:restriction></x:simpleType>",
        ),
        (
            "alternatives that share their elements",
            ask(&format!(
                "<x:choice>{}</x:choice>",
                many(200, |_| format!("<x:sequence>{}</x:sequence>", many(200, |at| text(&format!("e{at}")))))
            )),
        ),
        (
            "a pattern of nested quantifiers",
            ask("<x:element name='a' type='t:P'/>")
                + "<x:simpleType name='P'><x:restriction base='x:string'><x:pattern value='((((a{1,99}){1,99}){1,99}){1,99})*'/>\
               </x:restriction></x:simpleType>",
        ),
    ] {
        assert_bounded(name, &types);
    }
}

#[test]
fn what_members_and_types_share_is_bounded() {
    for (name, types) in [
        (
            "members that share an enumeration of very many texts",
            ask(&many(1999, |at| format!("<x:element name='a{at}' type='t:E'/>")))
                + "<x:simpleType name='E'><x:restriction base='x:string'>"
                + &many(2000, |at| format!("<x:enumeration value='{at}'/>"))
                + "</x:restriction></x:simpleType>",
        ),
        (
            "alternatives that share an enumeration of very many texts",
            ask(&format!(
                "<x:choice>{}</x:choice>",
                many(24, |at| format!(
                    "<x:sequence>{}<x:element name='a{at}' type='x:string' minOccurs='0'/></x:sequence>",
                    many(50, |at| format!("<x:element name='e{at}' type='t:E'/>"))
                ))
            )) + "<x:simpleType name='E'><x:restriction base='x:string'>"
                + &many(2000, |at| format!("<x:enumeration value='{at}'/>"))
                + "</x:restriction></x:simpleType>",
        ),
        (
            "types that share an enumeration without a name",
            ask(&many(1900, |at| format!("<x:element name='a{at}' type='t:T{at}'/>")))
                + &many(1900, |at| {
                    format!("<x:complexType name='T{at}'><x:sequence><x:group ref='t:g'/></x:sequence></x:complexType>")
                })
                + "<x:group name='g'><x:sequence><x:element name='e'><x:simpleType><x:restriction base='x:string'>"
                + &many(2000, |at| format!("<x:enumeration value='{at}'/>"))
                + "</x:restriction></x:simpleType></x:element></x:sequence></x:group>",
        ),
        (
            "optional sequences of many required elements",
            ask(&many(15, |at| format!("<x:element name='a{at}' type='t:T{at}'/>")))
                + &many(15, |at| {
                    format!(
                        "<x:complexType name='T{at}'><x:sequence><x:sequence minOccurs='0'><x:group ref='t:g'/></x:sequence>\
                         </x:sequence></x:complexType>"
                    )
                })
                + &format!(
                    "<x:group name='g'><x:sequence>{}</x:sequence></x:group>",
                    many(1900, |at| format!("<x:element name='e{at}' type='x:string'/>"))
                ),
        ),
        (
            "alternatives with many elements each",
            ask(&many(15, |at| format!("<x:element name='a{at}' type='t:T{at}'/>")))
                + &many(15, |at| {
                    let group = |group: usize| format!("<x:group ref='t:g{group}'/>");
                    format!(
                        "<x:complexType name='T{at}'><x:sequence><x:choice>{}</x:choice></x:sequence></x:complexType>",
                        many(24, group)
                    )
                })
                + &many(24, |group| {
                    format!(
                        "<x:group name='g{group}'><x:sequence>{}</x:sequence></x:group>",
                        many(40, |at| format!("<x:element name='e{group}-{at}' type='x:string' minOccurs='0'/>"))
                    )
                }),
        ),
    ] {
        assert_bounded(name, &types);
    }
}

#[test]
fn circles_end() {
    for (name, types) in [
        (
            "a type of itself",
            ask("<x:element name='a' type='t:T'/>")
                + "<x:complexType name='T'><x:complexContent><x:extension base='t:T'/></x:complexContent></x:complexType>",
        ),
        (
            "a group in itself",
            ask("<x:group ref='t:G'/>") + "<x:group name='G'><x:sequence><x:group ref='t:G'/></x:sequence></x:group>",
        ),
        (
            "attributes in themselves",
            ask("<x:element name='a' type='t:T'/>")
                + "<x:complexType name='T'><x:attributeGroup ref='t:A'/></x:complexType><x:attributeGroup name='A'><x:attributeGroup ref='t:A'/><x:attributeGroup ref='t:A'/></x:attributeGroup>",
        ),
        (
            "a union of itself",
            ask("<x:element name='a' type='t:U'/>")
                + "<x:simpleType name='U'><x:union memberTypes='t:U t:U'/></x:simpleType>",
        ),
        (
            "a list of itself",
            ask("<x:element name='a' type='t:L'/>") + "<x:simpleType name='L'><x:list itemType='t:L'/></x:simpleType>",
        ),
        (
            "a restriction of itself",
            ask("<x:element name='a' type='t:R'/>")
                + "<x:simpleType name='R'><x:restriction base='t:R'/></x:simpleType>",
        ),
        (
            "elements in place of each other",
            ask("<x:element ref='t:e'/>")
                + "<x:element name='e' type='x:string' substitutionGroup='t:f'/><x:element name='f' type='x:string' substitutionGroup='t:e'/>",
        ),
        (
            "two types of each other",
            ask("<x:element name='a' type='t:T'/>")
                + "<x:complexType name='T'><x:complexContent><x:extension base='t:V'/></x:complexContent></x:complexType><x:complexType name='V'><x:complexContent><x:restriction base='t:T'/></x:complexContent></x:complexType>",
        ),
    ] {
        assert_bounded(name, &types);
    }
}

#[test]
fn documents_that_import_each_other_are_read_once() {
    let schema = |other: &str, inside: &str| {
        format!(
            "<x:schema xmlns:x='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:t'><x:include schemaLocation='{other}'/>\
             <x:include schemaLocation='hostile.wsdl'/>{inside}</x:schema>"
        )
    };
    let first = wsdl("<x:include schemaLocation='a.xsd'/>");
    let [a, b] = [schema("b.xsd", &ask("")), schema("a.xsd", "<x:complexType name='T'/>")];
    let documents =
        [("hostile.wsdl", &first), ("a.xsd", &a), ("b.xsd", &b)].map(|(location, text)| Document { location, text });
    assert_eq!(read(&documents, None).unwrap().interface.methods.len(), 1);
    // A document without a namespace takes that of each that includes it, here through a circle.
    let nameless = |other: &str| {
        format!("<x:schema xmlns:x='http://www.w3.org/2001/XMLSchema'><x:include schemaLocation='{other}'/></x:schema>")
    };
    let [a, b] = [nameless("b.xsd"), nameless("a.xsd")];
    let documents =
        [("hostile.wsdl", &first), ("a.xsd", &a), ("b.xsd", &b)].map(|(location, text)| Document { location, text });
    let links = [((0, "a.xsd"), 1), ((1, "b.xsd"), 2), ((2, "a.xsd"), 1)];
    let links: Links = links.into_iter().map(|((from, to), at)| ((from, to.to_owned()), at)).collect();
    assert_eq!(read_linked(&documents, &links, WsdlOptions::default()).unwrap_err().kind, Kind::Structure);
}
