//! Messages by the types of a WSDL: what is sent, what is refused, and what is read from responses.

use croupier::model::fault::Kind;
use croupier::protocol::soap::wsdl::read::WsdlOptions;
use http::Response;
use serde_json::Value as Json;

use super::wsdl::Foreign;

/// A service whose operation `ask` sends the element `Ask` and returns the element `Answer`. `schema` declares both, in the
/// namespace `urn:zoo` with the prefix `z`.
fn zoo(schema: &str) -> Foreign {
    Foreign::new(&[&wsdl(schema, "", "")], None)
}

fn wsdl(schema: &str, messages: &str, header: &str) -> String {
    format!(
        "<definitions targetNamespace='urn:zoo' xmlns='http://schemas.xmlsoap.org/wsdl/' xmlns:z='urn:zoo'\n\
         xmlns:s='http://schemas.xmlsoap.org/wsdl/soap/' xmlns:x='http://www.w3.org/2001/XMLSchema'>\n\
         <types><x:schema targetNamespace='urn:zoo' elementFormDefault='qualified'>{schema}</x:schema></types>\n\
         <message name='in'><part name='p' element='z:Ask'/></message>\n\
         <message name='out'><part name='p' element='z:Answer'/></message>{messages}\n\
         <portType name='p'><operation name='ask'><input message='z:in'/><output message='z:out'/></operation></portType>\n\
         <binding name='b' type='z:p'><s:binding/><operation name='ask'><input><s:body use='literal'/>{header}</input>\
         <output><s:body use='literal'/></output></operation></binding></definitions>"
    )
}

/// A complex type of an element.
fn element(name: &str, inside: &str) -> String {
    format!("<x:element name='{name}'><x:complexType>{inside}</x:complexType></x:element>")
}

fn sequence(inside: &str) -> String {
    format!("<x:sequence>{inside}</x:sequence>")
}

fn ask(inside: &str) -> String {
    element("Ask", inside) + &element("Answer", "")
}

fn answer(inside: &str) -> String {
    element("Ask", "") + &element("Answer", inside)
}

/// The content of the element in the Body that a call is sent with.
fn sent(zoo: &Foreign, args: &str) -> String {
    zoo.body("ask", args)
}

/// What a call is refused with; its code is that of wrong parameters.
fn refused(zoo: &Foreign, args: &str) -> String {
    let fault = zoo.request("ask", args).unwrap_err();
    assert_eq!(fault.kind, Kind::BadParams, "{fault}");
    fault.message.into_owned()
}

/// The result in a response with this content of its element.
fn heard(zoo: &Foreign, inside: &str) -> Json {
    heard_with(zoo, "", inside)
}

fn heard_with(zoo: &Foreign, attributes: &str, inside: &str) -> Json {
    let body = format!("<z:Answer xmlns:z='urn:zoo' {attributes}>{inside}</z:Answer>");
    serde_json::from_str(&zoo.heard("ask", &body).unwrap()).unwrap()
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

#[test]
fn attributes_are_members_in_both_directions() {
    let cage = "<x:complexType name='Cage'><x:sequence><x:element name='animal' type='x:string'/></x:sequence>\
                <x:attribute name='number' type='x:int' use='required'/><x:attributeGroup ref='z:Size'/>\
                <x:attribute name='animal' type='x:string'/></x:complexType>\
                <x:attributeGroup name='Size'><x:attribute name='width' type='x:decimal' default='2'/>\
                <x:attribute name='unit' fixed='m' use='required'/><x:attribute ref='xml:lang'/></x:attributeGroup>";
    let both =
        sequence("<x:element name='cage' type='z:Cage'/>") + "<x:attribute name='day' type='x:string' use='required'/>";
    let zoo = zoo(&(element("Ask", &both) + &element("Answer", &both) + cage));
    assert_eq!(
        sent(&zoo, r#"{"day": "a \"b\"\n", "cage": {"animal": "ape", "number": 3, "@animal": "x<y", "lang": "en"}}"#),
        "<n0:Ask day=\"a &quot;b&quot;&#10;\"><n0:cage number=\"3\" unit=\"m\" xml:lang=\"en\" animal=\"x&lt;y\">\
         <n0:animal>ape</n0:animal></n0:cage></n0:Ask>"
    );
    // An attribute may be given with its mark although no element has its name.
    assert!(sent(&zoo, r#"{"day": "d", "cage": {"animal": "ape", "@number": 3}}"#).contains("number=\"3\""));
    assert_eq!(refused(&zoo, r#"{"cage": {"animal": "ape", "number": 3}}"#), "the parameter `day` is missing");
    for (cage, message) in [
        (r#"{"animal": "ape"}"#, "parameter `cage.number`: it is missing"),
        (r#"{"animal": "ape", "number": "three"}"#, "parameter `cage.number`: expected an integer, not `three`"),
        (r#"{"animal": "ape", "number": 1, "unit": "ft"}"#, "parameter `cage.unit`: expected `m`, not `ft`"),
        (
            r#"{"animal": "ape", "number": 1, "@number": 2}"#,
            "parameter `cage`: `number` is given twice, as `@number` as well",
        ),
        (r#"{"animal": "ape", "numbr": 1}"#, "parameter `cage`: there is no member `numbr`; did you mean `number`?"),
    ] {
        assert_eq!(refused(&zoo, &format!(r#"{{"day": "d", "cage": {cage}}}"#)), message);
    }
    assert_eq!(
        heard_with(
            &zoo,
            "day='d' later='l'",
            "<z:cage number='3' width='1.5' xml:lang='en' animal='a'><z:animal>ape</z:animal></z:cage>"
        ),
        json(
            r#"{"cage": {"animal": "ape", "number": 3, "width": 1.5, "lang": "en", "@animal": "a"}, "day": "d", "@later": "l"}"#
        )
    );
    let cage = &zoo.interface().defs["Cage"];
    assert_eq!(cage["required"], json(r#"["animal", "number"]"#));
    assert_eq!(cage["properties"]["width"], json(r#"{"type": "number", "default": 2.0}"#));
    assert_eq!(cage["properties"]["unit"], json(r#"{"type": "string", "const": "m"}"#));
}

#[test]
fn texts_with_attributes_are_records() {
    let price = "<x:complexType name='Price'><x:simpleContent><x:extension base='x:decimal'>\
                 <x:attribute name='currency' use='required'/><x:attribute name='value'/></x:extension></x:simpleContent>\
                 </x:complexType><x:complexType name='Net'><x:simpleContent><x:restriction base='z:Price'>\
                 <x:maxInclusive value='9'/><x:attribute name='value' use='prohibited'/></x:restriction></x:simpleContent>\
                 </x:complexType>";
    let zoo = zoo(&(element("Ask", &sequence("<x:element name='net' type='z:Net'/>"))
        + &element("Answer", &sequence("<x:element name='price' type='z:Price'/>"))
        + price));
    assert_eq!(
        sent(&zoo, r#"[{"currency": "EUR", "value": 8.5}]"#),
        "<n0:Ask><n0:net currency=\"EUR\">8.5</n0:net></n0:Ask>"
    );
    for (net, message) in [
        (r#"{"value": 8.5}"#, "parameter `net.currency`: it is missing"),
        (r#"{"currency": "EUR"}"#, "parameter `net.value`: it is missing"),
        (r#"{"currency": "EUR", "value": 10.5}"#, "parameter `net.value`: expected at most 9, not 10.5"),
        ("8.5", "parameter `net.currency`: it is missing"),
        (
            r#"{"currency": "EUR", "value": 1, "@value": "x"}"#,
            "parameter `net`: there is no member `@value`; did you mean `value`?",
        ),
    ] {
        assert_eq!(refused(&zoo, &format!("[{net}]")), message, "{net}");
    }
    assert_eq!(
        heard(&zoo, "<z:price currency='EUR' value='v'>12.5</z:price>"),
        json(r#"{"value": 12.5, "currency": "EUR", "@value": "v"}"#)
    );
}

#[test]
fn a_list_with_attributes_is_a_record() {
    let list = |attribute: &str| {
        format!(
            "<x:complexType name='AnimalList'><x:sequence><x:element name='animal' type='x:string' minOccurs='0' \
             maxOccurs='unbounded'/></x:sequence>{attribute}</x:complexType>"
        )
    };
    let with =
        |attribute: &str| zoo(&(answer(&sequence("<x:element name='all' type='z:AnimalList'/>")) + &list(attribute)));
    let all = "<z:all total='2'><z:animal>ape</z:animal><z:animal>bee</z:animal></z:all>";
    assert_eq!(heard(&with(""), &all.replace(" total='2'", "")), json(r#"["ape", "bee"]"#));
    // An attribute that the type does not have.
    assert_eq!(heard(&with(""), all), json(r#"{"animal": ["ape", "bee"], "@total": "2"}"#));
    assert_eq!(
        heard(&with("<x:attribute name='total' type='x:int'/>"), all),
        json(r#"{"animal": ["ape", "bee"], "total": 2}"#)
    );
}

#[test]
fn what_the_types_demand_is_held() {
    let types = "<x:simpleType name='Name'><x:restriction base='x:string'><x:minLength value='2'/><x:maxLength value='5'/>\
                 </x:restriction></x:simpleType>\
                 <x:simpleType name='Code'><x:restriction base='x:string'><x:pattern value='[A-Z]+-\\d'/></x:restriction>\
                 </x:simpleType><x:simpleType name='Kind'><x:restriction base='x:string'><x:enumeration value='fur'/>\
                 <x:enumeration value='feather'/></x:restriction></x:simpleType>\
                 <x:complexType name='Animal'><x:sequence><x:element name='name' type='z:Name' minOccurs='0'/>\
                 <x:element name='code' type='z:Code' minOccurs='0'/><x:element name='kind' type='z:Kind' minOccurs='0'/>\
                 <x:element name='legs' type='x:unsignedByte' minOccurs='0'/>\
                 <x:element name='food' type='x:string' maxOccurs='2'/><x:element name='born' type='x:date' minOccurs='0'/>\
                 <x:choice><x:element name='cage' type='x:int'/><x:sequence><x:element name='from' type='x:int'/>\
                 <x:element name='to' type='x:int'/></x:sequence></x:choice></x:sequence></x:complexType>";
    let zoo = zoo(&(ask(&sequence("<x:element name='a' type='z:Animal'/>")) + types));
    assert_eq!(
        sent(
            &zoo,
            r#"[{"cage": 1, "food": ["hay"], "legs": 4, "name": "lynx", "code": "AB-1", "kind": "fur", "born": "2024-02-29"}]"#
        ),
        "<n0:Ask><n0:a><n0:name>lynx</n0:name><n0:code>AB-1</n0:code><n0:kind>fur</n0:kind><n0:legs>4</n0:legs>\
         <n0:food>hay</n0:food><n0:born>2024-02-29</n0:born><n0:cage>1</n0:cage></n0:a></n0:Ask>"
    );
    assert!(
        sent(&zoo, r#"[{"from": 1, "to": 2, "food": ["hay"]}]"#)
            .ends_with("<n0:from>1</n0:from><n0:to>2</n0:to></n0:a></n0:Ask>")
    );
    for (animal, message) in [
        (r#""name": "x", "food": ["hay"], "cage": 1"#, "parameter `a.name`: expected at least 2 characters, not `x`"),
        (
            r#""name": "tiger!", "food": ["hay"], "cage": 1"#,
            "parameter `a.name`: expected at most 5 characters, not `tiger!`",
        ),
        (
            r#""code": "AB-12", "food": ["hay"], "cage": 1"#,
            "parameter `a.code`: expected a text that matches `[A-Z]+-\\d`, not `AB-12`",
        ),
        (
            r#""kind": "scale", "food": ["hay"], "cage": 1"#,
            "parameter `a.kind`: expected one of `fur`, `feather`, not `scale`",
        ),
        (
            r#""legs": 256, "food": ["hay"], "cage": 1"#,
            "parameter `a.legs`: expected an integer from 0 to 255, not 256",
        ),
        (r#""food": [], "cage": 1"#, "parameter `a.food`: expected at least 1 items, not 0"),
        (r#""food": ["a", "b", "c"], "cage": 1"#, "parameter `a.food`: expected at most 2 items, not 3"),
        (r#""food": "hay", "cage": 1"#, "parameter `a.food`: expected a list, not a string"),
        (r#""cage": 1"#, "parameter `a.food`: expected at least 1 items, not 0"),
        (r#""food": ["hay"]"#, "parameter `a`: one of `cage`, `from` is missing"),
        (r#""food": ["hay"], "cage": 1, "from": 2"#, "parameter `a`: only one of `cage`, `from` may be given"),
        (r#""food": ["hay"], "from": 2"#, "parameter `a.to`: it is missing"),
        (
            r#""food": ["hay"], "cage": 1, "born": "today""#,
            "parameter `a.born`: expected a date, such as `2024-02-29`, not `today`",
        ),
    ] {
        assert_eq!(refused(&zoo, &format!("[{{{animal}}}]")), message, "{animal}");
    }
    let animal = &zoo.interface().defs["Animal"];
    let properties = &animal["properties"];
    assert_eq!(properties["name"], json(r#"{"type": "string", "minLength": 2, "maxLength": 5}"#));
    assert_eq!(properties["code"], json(r#"{"type": "string", "pattern": "^(?:[A-Z]+-\\d)$"}"#));
    assert_eq!(properties["legs"]["maximum"], 255);
    assert_eq!(
        properties["food"],
        json(r#"{"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2}"#)
    );
    assert_eq!(animal["required"], json(r#"["food"]"#));
    assert_eq!(animal["oneOf"][1]["required"], json(r#"["from", "to"]"#));
}

#[test]
fn repeated_groups_keep_their_order() {
    let changes = "<x:complexType name='Changes'><x:choice maxOccurs='unbounded'><x:element name='set' type='x:string'/>\
                   <x:element name='drop' type='x:string'/></x:choice></x:complexType>\
                   <x:complexType name='Pairs'><x:sequence maxOccurs='unbounded'><x:element name='k' type='x:string'/>\
                   <x:element name='v' type='x:int' minOccurs='0'/></x:sequence></x:complexType>\
                   <x:complexType name='Again'><x:sequence><x:element name='a' type='x:int'/><x:element name='b' type='x:int'/>\
                   <x:element name='a' type='x:int'/></x:sequence></x:complexType>";
    let of = |kind: &str| zoo(&(ask(&sequence(&format!("<x:element name='it' type='z:{kind}'/>"))) + changes));
    let inside = |zoo: &Foreign, value: &str| {
        let whole = sent(zoo, &format!("[{value}]")).replace("n0:", "");
        whole.strip_prefix("<Ask><it>").unwrap().strip_suffix("</it></Ask>").unwrap().to_owned()
    };
    let changes = of("Changes");
    assert_eq!(inside(&changes, r#"{"drop": ["1"], "set": ["2", "3"]}"#), "<drop>1</drop><set>2</set><set>3</set>");
    assert_eq!(
        inside(&changes, r#"[{"set": ["1"]}, {"drop": ["2"]}, {"set": ["3"]}]"#),
        "<set>1</set><drop>2</drop><set>3</set>"
    );
    assert_eq!(refused(&changes, "[{}]"), "parameter `it`: one of `set`, `drop` is missing");
    let pairs = of("Pairs");
    assert_eq!(inside(&pairs, r#"{"k": ["a", "b"], "v": [1, 2]}"#), "<k>a</k><v>1</v><k>b</k><v>2</v>");
    assert_eq!(refused(&pairs, r#"[{"k": ["a"], "v": [1, 2]}]"#), "parameter `it.k`: expected at least 1 items, not 0");
    let again = of("Again");
    assert_eq!(inside(&again, r#"{"a": [1, 2], "b": 3}"#), "<a>1</a><b>3</b><a>2</a>");
}

#[test]
fn the_order_of_repeated_groups_comes_with_responses() {
    let types = "<x:complexType name='Changes'><x:choice maxOccurs='unbounded'><x:element name='set' type='x:string'/>\
                 <x:element name='drop' type='x:string' nillable='true'/><x:sequence><x:element name='from' type='x:int'/>\
                 <x:element name='to' type='x:int' minOccurs='0'/></x:sequence></x:choice></x:complexType>\
                 <x:complexType name='Pairs'><x:sequence><x:element name='id' type='x:int'/><x:sequence minOccurs='0' maxOccurs='9'>\
                 <x:element name='k' type='x:string'/><x:element name='v' type='x:int' minOccurs='0'/></x:sequence></x:sequence>\
                 </x:complexType>";
    let both = |kind: &str| {
        let one = sequence(&format!("<x:element name='it' type='z:{kind}'/>"));
        zoo(&(element("Ask", &one) + &element("Answer", &one) + types))
    };
    let changes = both("Changes");
    let pairs = both("Pairs");
    // What comes back is sent again as it came, and `#order` comes only where it is needed for that.
    for (zoo, inside, expected) in [
        (&changes, "<set>1</set><drop>2</drop>", r#"{"set": ["1"], "drop": ["2"]}"#),
        (&changes, "<from>1</from><to>2</to><from>3</from>", r#"{"from": [1, 3], "to": [2]}"#),
        (
            &changes,
            "<set>1</set><drop>2</drop><set>3</set>",
            r##"{"set": ["1", "3"], "drop": ["2"], "#order": ["set", "drop", "set"]}"##,
        ),
        (
            &changes,
            "<from>1</from><from>2</from><to>3</to><set>4</set>",
            r##"{"set": ["4"], "from": [1, 2], "to": [3], "#order": ["from", "from", "to", "set"]}"##,
        ),
        (&pairs, "<id>1</id>", r#"{"id": 1}"#),
        (&pairs, "<id>1</id><k>a</k><v>1</v><k>b</k><v>2</v>", r#"{"id": 1, "k": ["a", "b"], "v": [1, 2]}"#),
        (
            &pairs,
            "<id>1</id><k>a</k><k>b</k><v>2</v>",
            r##"{"id": 1, "k": ["a", "b"], "v": [2], "#order": ["id", "k", "k", "v"]}"##,
        ),
    ] {
        let value = heard(zoo, &format!("<it>{inside}</it>"));
        assert_eq!(value, json(expected), "{inside}");
        let again = sent(zoo, &format!("[{value}]")).replace("n0:", "");
        assert_eq!(again, format!("<Ask><it>{inside}</it></Ask>"));
    }
    for (value, message) in [
        (r##"{"set": ["1"], "#order": "set"}"##, "parameter `it`: `#order` must be a list of names"),
        (r##"{"set": ["1"], "#order": ["sit"]}"##, "parameter `it`: `#order` must be a list of the names of members"),
        (
            r##"{"set": ["1", "2"], "#order": ["set"]}"##,
            "parameter `it`: `#order` must name `set` as often as it has items",
        ),
        (
            r##"{"from": [1], "to": [2], "#order": ["to", "from"]}"##,
            "parameter `it`: `#order` has `to` where the type does not allow it",
        ),
    ] {
        assert_eq!(refused(&changes, &format!("[{value}]")), message, "{value}");
    }
}

#[test]
fn names_of_undeclared_attributes_come_back() {
    let one = sequence("<x:element name='it' type='x:anyType'/>");
    let zoo = zoo(&(element("Ask", &one) + &element("Answer", &one)));
    let value = heard(&zoo, "<z:it _x_y='1' _dz_xmlns='2'>b</z:it>");
    let again = sent(&zoo, &format!("[{value}]")).replace("n0:", "z:").replace("Ask", "");
    let inside = again.trim_start_matches("<z:>").trim_end_matches("</z:>");
    assert_eq!(heard(&zoo, inside), value);
}

#[test]
fn elements_of_one_name_in_two_namespaces_are_two_members() {
    let types = "<x:complexType name='Two'><x:sequence><x:element name='id' type='x:int' form='unqualified'/>\
                 <x:element ref='z:id'/></x:sequence></x:complexType><x:element name='id' type='x:string'/>";
    let one = sequence("<x:element name='it' type='z:Two'/>");
    let zoo = zoo(&(element("Ask", &one) + &element("Answer", &one) + types));
    let value = json(r#"{"id": 1, "id_2": "b"}"#);
    assert_eq!(heard(&zoo, "<z:it><id>1</id><z:id>b</z:id></z:it>"), value);
    assert_eq!(heard(&zoo, "<z:it><z:id>b</z:id><id>1</id></z:it>"), value);
    let whole = sent(&zoo, &format!("[{value}]"));
    assert!(whole.contains("<id>1</id><n0:id>b</n0:id>"), "{whole}");
}

#[test]
fn a_value_of_any_type_can_have_each_type_of_the_document() {
    let types = "<x:complexType name='Option'><x:sequence><x:element name='Value' type='x:int'/></x:sequence></x:complexType>\
                 <x:complexType name='Unreadable'><x:sequence><x:element ref='z:nowhere'/></x:sequence></x:complexType>";
    let one = sequence("<x:element name='it' type='x:anyType'/>");
    let zoo = zoo(&(element("Ask", &one) + &element("Answer", &one) + types));
    assert_eq!(
        sent(&zoo, r#"[{"@type": "Option", "Value": 3}]"#).replace("n0:", ""),
        r#"<Ask><it xsi:type="Option"><Value>3</Value></it></Ask>"#
    );
    assert_eq!(
        refused(&zoo, r#"[{"@type": "Option", "Value": "3.5"}]"#),
        "parameter `it.Value`: expected an integer, not `3.5`"
    );
    assert_eq!(
        heard(&zoo, "<z:it i:type='z:Option'><z:Value>3</z:Value></z:it>"),
        json(r#"{"@type": "Option", "Value": 3}"#)
    );
}

#[test]
fn derived_types_are_named() {
    let types = "<x:complexType name='Animal' abstract='true'><x:sequence><x:element name='id' type='x:int'/></x:sequence>\
                 </x:complexType><x:complexType name='Bird'><x:complexContent><x:extension base='z:Animal'><x:sequence>\
                 <x:element name='wings' type='x:int'/></x:sequence></x:extension></x:complexContent></x:complexType>\
                 <x:complexType name='Owl'><x:complexContent><x:extension base='z:Bird'><x:attribute name='night' type='x:boolean'/>\
                 </x:extension></x:complexContent></x:complexType>";
    let one = sequence("<x:element name='animal' type='z:Animal'/>");
    let zoo = zoo(&(element("Ask", &one) + &element("Answer", &one) + types));
    assert_eq!(
        sent(&zoo, r#"[{"@type": "Owl", "id": 1, "wings": 2, "night": true}]"#),
        "<n0:Ask><n0:animal xsi:type=\"n0:Owl\" night=\"true\"><n0:id>1</n0:id><n0:wings>2</n0:wings></n0:animal></n0:Ask>"
    );
    assert!(sent(&zoo, r#"[{"xsi:type": "z:Bird", "id": 1, "wings": 2}]"#).contains("xsi:type=\"n0:Bird\""));
    for (animal, message) in [
        (r#"{"id": 1}"#, "parameter `animal`: the member `@type` must name its type: one of `Bird`, `Owl`"),
        (
            r#"{"@type": "Animal", "id": 1}"#,
            "parameter `animal`: there is no type `Animal` here; there is `Bird`, `Owl`",
        ),
        (r#"{"@type": "Fish", "id": 1}"#, "parameter `animal`: there is no type `Fish` here; there is `Bird`, `Owl`"),
        (r#"{"@type": "Bird", "id": 1}"#, "parameter `animal.wings`: it is missing"),
    ] {
        assert_eq!(refused(&zoo, &format!("[{animal}]")), message, "{animal}");
    }
    let kind = |name: &str| format!("i:type='z:{name}'");
    assert_eq!(
        heard(&zoo, &format!("<z:animal {} night='1'><z:id>1</z:id><z:wings>2</z:wings></z:animal>", kind("Owl"))),
        json(r#"{"@type": "Owl", "id": 1, "wings": 2, "night": true}"#)
    );
    // A type that the description does not have: all of it comes in the generic form.
    assert_eq!(
        heard(&zoo, &format!("<z:animal {}><z:id>1</z:id><z:fins>2</z:fins></z:animal>", kind("Fish"))),
        json(r#"{"@type": "Fish", "id": 1, "fins": "2"}"#)
    );
    let defs = &zoo.interface().defs;
    let names: Vec<_> =
        defs["Animal"]["anyOf"].as_array().unwrap().iter().map(|it| &it["properties"]["@type"]["const"]).collect();
    assert_eq!(names, ["Bird", "Owl"]);
    assert_eq!(defs["Bird"]["anyOf"][0]["required"], json(r#"["id", "wings"]"#));
}

#[test]
fn elements_of_a_substitution_group_are_members() {
    let types = "<x:element name='shape' type='z:Shape' abstract='true'/>\
                 <x:element name='disc' type='z:Disc' substitutionGroup='z:shape'/>\
                 <x:element name='dot' type='z:Shape' substitutionGroup='z:disc'/>\
                 <x:complexType name='Shape'/><x:complexType name='Disc'><x:complexContent><x:extension base='z:Shape'>\
                 <x:sequence><x:element name='r' type='x:int'/></x:sequence></x:extension></x:complexContent></x:complexType>";
    let draw = element("draw", &sequence("<x:element ref='z:shape' maxOccurs='unbounded'/>"));
    let zoo = zoo(&(ask(&sequence(&draw)) + types));
    assert_eq!(
        sent(&zoo, r#"[{"dot": [{}], "disc": [{"r": 1}, {"r": 2}]}]"#).replace("n0:", ""),
        "<Ask><draw><dot></dot><disc><r>1</r></disc><disc><r>2</r></disc></draw></Ask>"
    );
    assert_eq!(refused(&zoo, "[{}]"), "parameter `draw`: one of `disc`, `dot` is missing");
}

#[test]
fn what_no_type_describes_is_read_in_one_form() {
    let zoo = zoo(&answer(&sequence(
        "<x:element name='known' type='x:int'/><x:any minOccurs='0' maxOccurs='unbounded' processContents='lax'/>",
    )));
    for (inside, expected) in [
        ("<z:known>1</z:known>", r#"{"known": 1}"#),
        ("<z:known>1</z:known><z:known>2</z:known>", r#"{"known": [1, 2]}"#),
        ("<z:known>1</z:known><n>a</n><m/><n>b</n>", r#"{"known": 1, "n": ["a", "b"], "m": ""}"#),
        (
            "<z:known/><r k='v'><c>1</c><c><d e='f'>2</d></c></r>",
            r##"{"known": null, "r": {"@k": "v", "c": ["1", {"d": {"@e": "f", "#text": "2"}}]}}"##,
        ),
        ("<z:known>1</z:known><p>a <b>c</b> d</p>", r##"{"known": 1, "p": {"b": "c", "#text": "a  d"}}"##),
        ("<z:known><odd>1</odd></z:known>", r#"{"known": {"odd": "1"}}"#),
        ("<z:known>1</z:known>text", r##"{"known": 1, "#text": "text"}"##),
        ("<z:known>1</z:known><t i:type='x:int'>5</t><t i:nil='true'/>", r#"{"known": 1, "t": [5, null]}"#),
        (
            "<z:known>1</z:known><known_>2</known_><a href='#b'/>",
            r##"{"known": 1, "known_": "2", "a": {"@href": "#b"}}"##,
        ),
    ] {
        assert_eq!(heard(&zoo, inside), json(expected), "{inside}");
    }
}

#[test]
fn wildcards_take_free_form_values() {
    let query = "<x:complexType mixed='true'><x:sequence><x:any/></x:sequence></x:complexType>";
    let row = element(
        "row",
        &sequence(
            "<x:element name='kind' type='x:string'/><x:any namespace='##targetNamespace' maxOccurs='unbounded'/>",
        ),
    );
    let zoo = zoo(&ask(&sequence(&format!("<x:element name='query'>{query}</x:element>{row}<x:any/>"))));
    assert_eq!(
        sent(
            &zoo,
            r##"{"query": {"Where": {"@op": "=", "Field": ["a", "b"], "#text": "&"}}, "row": {"kind": "K", "Id": "1", "Sub": {"X": 2}},
                "any": "<w xmlns='urn:w'>1</w>"}"##
        ),
        "<n0:Ask><n0:query><Where op=\"=\"><Field>a</Field><Field>b</Field>&amp;</Where></n0:query>\
         <n0:row><n0:kind>K</n0:kind><n0:Id>1</n0:Id><n0:Sub><n0:X>2</n0:X></n0:Sub></n0:row>\
         <w xmlns='urn:w'>1</w></n0:Ask>"
    );
    // An attribute has one value, and a wildcard is for elements.
    for (args, message) in [
        (
            r#"{"query": {"Where": {"@op": ["=", "<"]}}, "row": {"kind": "K"}}"#,
            "parameter `query`: expected a single value, not a list of 2",
        ),
        (r#"{"query": "", "row": {"kind": "K", "@Id": "1"}}"#, "parameter `row`: there is no member `@Id`"),
    ] {
        assert_eq!(refused(&zoo, args), message);
    }
    let query = |text: &str| {
        let args = format!(r#"{{"query": {}, "row": {{"kind": "K"}}}}"#, serde_json::to_string(text).unwrap());
        let whole = sent(&zoo, &args);
        let (_, behind) = whole.split_once("<n0:query>").unwrap();
        behind.split_once("</n0:query>").unwrap().0.to_owned()
    };
    assert_eq!(query("<a/> <b>1</b>"), "<a/> <b>1</b>");
    // What is no XML of elements, or could end the element around it, is a text.
    for (text, written) in [
        ("a < b", "a &lt; b"),
        ("<a>", "&lt;a&gt;"),
        ("</n0:query><x/>", "&lt;/n0:query&gt;&lt;x/&gt;"),
        ("<soap:Body/>", "&lt;soap:Body/&gt;"),
        ("<!DOCTYPE a><a/>", "&lt;!DOCTYPE a&gt;&lt;a/&gt;"),
        ("<a/>b<c/>", "&lt;a/&gt;b&lt;c/&gt;"),
    ] {
        assert_eq!(query(text), written);
    }
}

#[test]
fn headers_that_the_binding_names_are_parameters() {
    let schema = ask(&sequence("<x:element name='Session' type='x:int'/>"))
        + &element(
            "Session",
            &(sequence("<x:element name='id' type='x:string'/>") + "<x:attribute name='v' use='required'/>"),
        );
    let text = wsdl(
        &schema,
        "<message name='h'><part name='s' element='z:Session'/></message>",
        "<s:header message='z:h' part='s' use='literal'/><s:header message='z:none' part='s' use='literal'/>",
    );
    let zoo = Foreign::new(&[&text], None);
    let body = |args: &str| String::from_utf8(zoo.request("ask", args).unwrap().body().to_vec()).unwrap();
    let with = body(r#"{"Session": 1, "SessionHeader": {"id": "x", "v": "2"}}"#);
    assert!(
        with.contains(
            "<soap:Header><n0:Session v=\"2\"><n0:id>x</n0:id></n0:Session></soap:Header>\
             <soap:Body><n0:Ask><n0:Session>1</n0:Session></n0:Ask></soap:Body>"
        ),
        "{with}"
    );
    assert!(!body("[1]").contains("Header"));
    assert_eq!(
        refused(&zoo, r#"{"Session": 1, "SessionHeader": {"id": "x"}}"#),
        "parameter `SessionHeader.v`: it is missing"
    );
}

#[test]
fn headers_of_responses_are_returned_if_they_are_wanted() {
    let schema = answer(&sequence("<x:element name='r' type='x:int' maxOccurs='unbounded'/>"))
        + &element("Session", "<x:attribute name='left' type='x:int'/>");
    let text = wsdl(&schema, "<message name='h'><part name='s' element='z:Session'/></message>", "").replace(
        "<output><s:body use='literal'/>",
        "<output><s:header message='z:h' part='s' use='literal'/><s:body use='literal'/>",
    );
    let zoo = Foreign::with(&[&text], WsdlOptions { response_headers: true, ..WsdlOptions::default() });
    let result = zoo.interface().methods[0].result.as_value();
    assert_eq!(result["required"], json(r#"["headers", "result"]"#));
    assert_eq!(result["properties"]["headers"]["properties"]["Session"]["$ref"], "#/$defs/Session");
    assert_eq!(result["properties"]["result"]["type"], "array");
    let response = |header: &str, body: &str| {
        let text = format!(
            "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/' xmlns:z='urn:zoo'>{header}\
             <e:Body>{body}</e:Body></e:Envelope>"
        );
        zoo.decoded("ask", &Response::new(text.into()))
    };
    let body = "<z:Answer><z:r>1</z:r><z:r>2</z:r></z:Answer>";
    assert_eq!(
        response("<e:Header><z:Session e:mustUnderstand='1' left='7'/><t xmlns='urn:t'>9</t></e:Header>", body),
        json(r#"{"headers": {"Session": {"left": 7}, "t": "9"}, "result": [1, 2]}"#)
    );
    assert_eq!(response("", body), json(r#"{"headers": {}, "result": [1, 2]}"#));
    assert_eq!(response("", ""), json(r#"{"headers": {}, "result": null}"#));
}

#[test]
fn a_member_that_names_a_type_is_no_attribute() {
    let types = "<x:complexType name='Ref'><x:attribute name='id' type='x:int'/></x:complexType>\
                 <x:complexType name='RecordRef'><x:complexContent><x:extension base='z:Ref'>\
                 <x:attribute name='type'><x:simpleType><x:restriction base='x:string'><x:enumeration value='account'/>\
                 </x:restriction></x:simpleType></x:attribute></x:extension></x:complexContent></x:complexType>\
                 <x:complexType name='Any' abstract='true'/><x:complexType name='Open'><x:complexContent>\
                 <x:extension base='z:Any'><x:sequence><x:any minOccurs='0'/></x:sequence></x:extension></x:complexContent>\
                 </x:complexType>";
    let both = "<x:element name='ref' type='z:Ref'/><x:element name='open' type='z:Any' minOccurs='0'/>";
    let zoo = zoo(&(element("Ask", &sequence(both)) + &element("Answer", "") + types));
    for (reference, expected) in [
        (r#"{"@type": "RecordRef", "id": 1}"#, r#"<ref xsi:type="RecordRef" id="1"></ref>"#),
        (
            r#"{"@type": "RecordRef", "type": "account", "id": 1}"#,
            r#"<ref xsi:type="RecordRef" id="1" type="account"></ref>"#,
        ),
        (
            r#"{"id": 1}, {"@type": "Open", "made": "up"}"#,
            r#"<ref id="1"></ref><open xsi:type="Open"><made>up</made></open>"#,
        ),
    ] {
        let whole = sent(&zoo, &format!("[{reference}]")).replace("n0:", "");
        assert_eq!(whole, format!("<Ask>{expected}</Ask>"));
    }
}

#[test]
fn documents_say_what_the_writer_demands_of_choices() {
    let choice = |inside: &str| format!("<x:choice>{inside}</x:choice>");
    let of = |name: &str, inside: &str| format!("<x:complexType name='{name}'>{inside}</x:complexType>");
    let text = |name: &str, more: &str| format!("<x:element name='{name}' type='x:string' {more}/>");
    let optional = "minOccurs='0'";
    let types = of("Optional", &choice(&(text("a", optional) + &text("b", optional))))
        + &of("Nested", &choice(&(choice(&(text("a", "") + &text("b", ""))) + &text("c", ""))))
        + &of("Repeated", &format!("<x:choice maxOccurs='9'>{}{}</x:choice>", text("a", ""), text("b", "")))
        + &of("Together", &format!("<x:sequence {optional}>{}{}</x:sequence>", text("a", ""), text("b", optional)))
        + &of("Fixed", &(sequence(&text("a", "fixed='x'")) + "<x:attribute name='v' type='z:Version' fixed='2'/>"))
        + "<x:simpleType name='Version'><x:restriction base='x:string'><x:enumeration value='1'/><x:enumeration value='2'/>\
           </x:restriction></x:simpleType>";
    let all: String = ["Optional", "Nested", "Repeated", "Together", "Fixed"]
        .map(|name| format!("<x:element name='{}' type='z:{name}' minOccurs='0'/>", name.to_lowercase()))
        .concat();
    let zoo = zoo(&(ask(&sequence(&all)) + &types));
    let defs = &zoo.interface().defs;
    let required = |schemas: &Json| -> Vec<Json> {
        schemas.as_array().unwrap().iter().map(|schema| schema["required"].clone()).collect()
    };
    assert_eq!(defs["Optional"]["anyOf"][0]["not"], json(r#"{"anyOf": [{"required": ["b"]}]}"#));
    assert_eq!(required(&defs["Nested"]["oneOf"]), [json(r#"["a"]"#), json(r#"["b"]"#), json(r#"["c"]"#)]);
    assert_eq!(defs["Repeated"]["anyOf"][0], json(r#"{"properties": {"a": {"minItems": 1}}, "required": ["a"]}"#));
    assert_eq!(defs["Together"]["dependentRequired"], json(r#"{"b": ["a"]}"#));
    assert_eq!(defs["Fixed"]["properties"]["a"]["const"], "x");
    assert_eq!(defs["Fixed"]["properties"]["v"], json(r#"{"type": "string", "const": "2"}"#));
    // And it demands no more.
    for (args, expected) in [
        (r#"{"optional": {}}"#, "<optional></optional>"),
        (r#"{"nested": {"b": "1"}}"#, "<nested><b>1</b></nested>"),
        (r#"{"repeated": {"b": ["1"]}}"#, "<repeated><b>1</b></repeated>"),
        (r#"{"together": {}}"#, "<together></together>"),
        (r#"{"together": {"a": "1"}}"#, "<together><a>1</a></together>"),
        (r#"{"fixed": {}}"#, "<fixed><a>x</a></fixed>"),
    ] {
        assert_eq!(sent(&zoo, args).replace("n0:", ""), format!("<Ask>{expected}</Ask>"));
    }
}

#[test]
fn values_outside_their_types_still_come() {
    let zoo = zoo(&answer(&sequence(
        "<x:element name='i' type='x:int'/><x:element name='f' type='x:double'/><x:element name='s' type='x:string'/>\
         <x:element name='d' type='x:date'/><x:element name='l' type='x:int' maxOccurs='unbounded'/>",
    )));
    assert_eq!(
        heard(&zoo, "<z:i> </z:i><z:f/><z:s/><z:d>2024-02-29+01:00</z:d><z:l>1</z:l><z:l/>"),
        json(r#"{"i": null, "f": null, "s": "", "d": "2024-02-29+01:00", "l": [1, null]}"#)
    );
    assert_eq!(heard(&zoo, "<z:i>many</z:i>"), json(r#"{"i": "many"}"#));
    let schema = zoo.interface().methods[0].result.as_value();
    assert_eq!(schema["properties"]["d"].get("format"), None);
}

#[test]
fn parts_of_a_multipart_response_are_bytes() {
    use http::{Response, header};
    let zoo =
        zoo(&answer(&sequence("<x:element name='image' type='x:base64Binary'/><x:element name='n' type='x:int'/>")));
    let envelope = "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body><z:Answer xmlns:z='urn:zoo'>\
                    <z:image><o:Include xmlns:o='http://www.w3.org/2004/08/xop/include' href='cid:a%40b'/></z:image><z:n>1</z:n>\
                    </z:Answer></e:Body></e:Envelope>";
    let body = format!(
        "--x\r\nContent-ID: <a@b>\r\nContent-Transfer-Encoding: binary\r\n\r\nhi\r\n--x\r\nContent-ID: <root>\r\n\
         Content-Type: application/xop+xml; charset=utf-8; type=\"text/xml\"\r\n\r\n{envelope}\r\n--x--\r\n"
    );
    let response = Response::builder()
        .header(
            header::CONTENT_TYPE,
            "multipart/related; type=\"application/xop+xml\"; start=\"<root>\"; boundary=\"x\"",
        )
        .body(body.into())
        .unwrap();
    assert_eq!(zoo.decoded("ask", &response), json(r#"{"image": "aGk=", "n": 1}"#));
}

/// A service of rpc style whose operation `ask` has these parts and schemas.
fn rpc(usage: &str, parts: &str, types: &str) -> Foreign {
    let encoded = "http://schemas.xmlsoap.org/soap/encoding/";
    let text = format!(
        "<definitions targetNamespace='urn:zoo' xmlns='http://schemas.xmlsoap.org/wsdl/' xmlns:z='urn:zoo'\n\
         xmlns:w='http://schemas.xmlsoap.org/wsdl/' xmlns:s='http://schemas.xmlsoap.org/wsdl/soap/'\n\
         xmlns:c='{encoded}' xmlns:ap='http://xml.apache.org/xml-soap' xmlns:x='http://www.w3.org/2001/XMLSchema'>\n\
         <types><x:schema targetNamespace='urn:zoo'>{types}</x:schema></types><message name='in'>{parts}</message>\n\
         <message name='out'><part name='r' type='ap:Map'/></message>\n\
         <portType name='p'><operation name='ask'><input message='z:in'/><output message='z:out'/></operation></portType>\n\
         <binding name='b' type='z:p'><s:binding style='rpc'/><operation name='ask'>\
         <input><s:body use='{usage}' namespace='urn:zoo'/></input><output><s:body use='{usage}'/></output></operation>\
         </binding></definitions>"
    );
    Foreign::new(&[&text], None)
}

#[test]
fn values_of_soaps_encoding_have_their_types() {
    let matrix = "<x:complexType name='Matrix'><x:complexContent><x:restriction base='c:Array'>\
                  <x:attribute ref='c:arrayType' w:arrayType='x:int[][]'/></x:restriction></x:complexContent></x:complexType>";
    let zoo = rpc("encoded", "<part name='m' type='z:Matrix'/><part name='o' type='ap:Map'/>", matrix);
    let body = sent(&zoo, r#"[[[1, 2], []], {"a": 1, "b": {"c": ["x", true]}}]"#);
    let (_, inside) = body.split_once("encoding/\">").unwrap();
    assert_eq!(
        inside,
        "<m xsi:type=\"soapenc:Array\" soapenc:arrayType=\"xsd:int[][2]\">\
         <item xsi:type=\"soapenc:Array\" soapenc:arrayType=\"xsd:int[2]\"><item xsi:type=\"xsd:int\">1</item>\
         <item xsi:type=\"xsd:int\">2</item></item>\
         <item xsi:type=\"soapenc:Array\" soapenc:arrayType=\"xsd:int[0]\"></item></m>\
         <o xsi:type=\"n1:Map\"><item><key xsi:type=\"xsd:string\">a</key><value xsi:type=\"xsd:int\">1</value></item>\
         <item><key xsi:type=\"xsd:string\">b</key><value xsi:type=\"n1:Map\"><item><key xsi:type=\"xsd:string\">c</key>\
         <value xsi:type=\"soapenc:Array\" soapenc:arrayType=\"xsd:anyType[2]\"><item xsi:type=\"xsd:string\">x</item>\
         <item xsi:type=\"xsd:boolean\">true</item></value></item></value></item></o></n0:ask>"
    );
    let item = "<item><key>k</key><value i:type='x:int'>5</value></item>";
    let heard = zoo.heard("ask", &format!("<r><r>{item}<item><key>k</key></item></r></r>")).unwrap();
    assert_eq!(json(&heard), json(r#"{"k": 5, "k_": null}"#));
}

#[test]
fn parts_of_rpc_literal_are_never_nil() {
    let zoo = rpc("literal", "<part name='a' type='x:string'/><part name='b' type='x:int'/>", "");
    assert_eq!(sent(&zoo, "[null, 1]"), "<n0:ask><b>1</b></n0:ask>");
}
