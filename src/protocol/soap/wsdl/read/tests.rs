//! Small descriptions: their errors and the limits on them.

use super::*;

fn fault(text: &str) -> Fault {
    read(&[Document { location: "x.wsdl", text }], None).unwrap_err()
}

/// A description with these schemas, whose one operation takes the element `in`.
fn with(schema: &str) -> String {
    format!(
        "<definitions targetNamespace='urn:t' xmlns='http://schemas.xmlsoap.org/wsdl/' xmlns:t='urn:t'\n\
         xmlns:s='http://schemas.xmlsoap.org/wsdl/soap/' xmlns:x='http://www.w3.org/2001/XMLSchema'>\n\
         <types><x:schema targetNamespace='urn:t'>\n{schema}\n</x:schema></types>\n\
         <message name='m'><part name='p' element='t:in'/></message>\n\
         <portType name='p'><operation name='o'><input message='t:m'/></operation></portType>\n\
         <binding name='b' type='t:p'><s:binding/><operation name='o'><input><s:body/></input></operation></binding>\n\
         </definitions>"
    )
}

fn holding(inside: &str) -> String {
    with(&format!("<x:element name='in'><x:complexType>{inside}</x:complexType></x:element>"))
}

#[test]
fn errors_have_the_place_in_the_document() {
    for (text, kind, message) in [
        ("", Kind::NotWellFormed, "x.wsdl: not well-formed: there is no element in the document"),
        ("<html/>", Kind::Structure, "x.wsdl:1:1: `html` is neither WSDL 1.1 nor XML Schema"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", Kind::Structure, "x.wsdl:1:31: `a` is neither WSDL 1.1 nor XML Schema"),
        (
            "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            Kind::NotWellFormed,
            "x.wsdl: not well-formed: unknown entity reference 'b' at 1:34",
        ),
        (
            "<!DOCTYPE a ><!DOCTYPE a><a/>",
            Kind::NotWellFormed,
            "x.wsdl: not well-formed: a document type declaration is not allowed",
        ),
        ("<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'/>", Kind::Structure, "there is no SOAP port"),
        (&with(""), Kind::Structure, "x.wsdl:6:19: there is no element `in` in the namespace `urn:t`"),
        (
            &holding("<x:sequence><x:element name='a' type='t:none'/></x:sequence>"),
            Kind::Structure,
            "x.wsdl:4:49: there is no type `none` in the namespace `urn:t`",
        ),
        (
            &holding("<x:sequence><x:element name='a' type='no:ne'/></x:sequence>"),
            Kind::Structure,
            "x.wsdl:4:49: the prefix `no` is not declared",
        ),
        (
            &holding("<x:sequence><x:element type='x:int'/></x:sequence>"),
            Kind::Structure,
            "x.wsdl:4:49: an element has no name",
        ),
    ] {
        let fault = fault(text);
        assert_eq!((fault.kind, fault.message.as_ref()), (kind, message));
    }
}

#[test]
fn recursive_members_are_kept_and_recursive_bases_are_refused() {
    let text = with(
        "<x:element name='in' type='t:T'/>\
         <x:complexType name='T'><x:sequence><x:element name='t' type='t:T' minOccurs='0'/></x:sequence></x:complexType>",
    );
    let discovered = read(&[Document { location: "x.wsdl", text: &text }], None).unwrap();
    assert_eq!(discovered.interface.defs["T"]["properties"]["t"]["$ref"], "#/$defs/T");
    let extends = "<x:complexContent><x:extension base='t:T'/></x:complexContent>";
    for schema in [
        format!("<x:element name='in' type='t:T'/><x:complexType name='T'>{extends}</x:complexType>"),
        "<x:element name='in' type='t:T'/><x:simpleType name='T'><x:restriction base='t:T'/></x:simpleType>".to_owned(),
        "<x:element name='in'><x:complexType><x:group ref='t:G'/></x:complexType></x:element>\
         <x:group name='G'><x:sequence><x:group ref='t:G'/></x:sequence></x:group>"
            .to_owned(),
    ] {
        assert_eq!(fault(&with(&schema)).kind, Kind::Limit);
    }
}

/// Each group has the next one twice: expanded, they would have more than 33 million members.
#[test]
fn groups_of_groups_are_bounded() {
    let group = |at: usize| {
        let inner = format!("<x:group ref='t:G{}'/>", at + 1).repeat(2);
        format!("<x:group name='G{at}'><x:sequence>{inner}</x:sequence></x:group>")
    };
    let groups: String = (0..25).map(group).collect();
    let last = "<x:group name='G25'><x:sequence><x:element name='a' type='x:int'/></x:sequence></x:group>";
    let inside = "<x:element name='in'><x:complexType><x:group ref='t:G0'/></x:complexType></x:element>";
    assert_eq!(fault(&with(&format!("{inside}{groups}{last}"))).kind, Kind::Limit);
}

#[test]
fn simple_types_keep_what_json_can_say() {
    let members = ["int", "t:Colour", "t:Small", "t:Any", "t:Nothing", "hexBinary", "decimal", "duration"];
    let elements = members.iter().enumerate().map(|(at, kind)| {
        let kind = if kind.contains(':') { (*kind).to_owned() } else { format!("x:{kind}") };
        format!("<x:element name='a{at}' type='{kind}'/>")
    });
    let types = "<x:simpleType name='Colour'><x:restriction base='x:token'><x:enumeration value='RED'/></x:restriction></x:simpleType>\
                 <x:simpleType name='Small'><x:restriction base='x:byte'><x:maxInclusive value='9'/></x:restriction></x:simpleType>\
                 <x:simpleType name='Any'><x:union memberTypes='x:int x:string'/></x:simpleType>\
                 <x:complexType name='Nothing'/>";
    let text = with(&format!(
        "<x:element name='in'><x:complexType><x:all>{}</x:all></x:complexType></x:element>{types}",
        elements.collect::<String>()
    ));
    let discovered = read(&[Document { location: "x.wsdl", text: &text }], None).unwrap();
    let schemas: Vec<_> =
        discovered.interface.methods[0].params.iter().map(|param| param.schema.as_value().to_string()).collect();
    assert_eq!(
        schemas,
        [
            r#"{"type":"integer","format":"int32","minimum":-2147483648,"maximum":2147483647}"#,
            r##"{"$ref":"#/$defs/Colour"}"##,
            r#"{"type":"integer","format":"int8","minimum":-128,"maximum":9}"#,
            r#"{"type":"string"}"#,
            r##"{"$ref":"#/$defs/Nothing"}"##,
            r#"{"type":"string","contentEncoding":"base16"}"#,
            r#"{"type":"number"}"#,
            r#"{"type":"string","pattern":"^-?P[0-9YMDTHS.]+$"}"#,
        ]
    );
    assert_eq!(discovered.interface.defs["Colour"].to_string(), r#"{"type":"string","enum":["RED"]}"#);
}

#[test]
fn a_truncated_description_is_refused() {
    let whole = holding("<x:sequence><x:element name='é' type='x:int'/></x:sequence>");
    assert!(read(&[Document { location: "x.wsdl", text: &whole }], None).is_ok());
    for (end, _) in whole.char_indices() {
        assert!(read(&[Document { location: "x.wsdl", text: &whole[..end] }], None).is_err());
    }
}
