//! Interfaces read from WSDL: our own documents give the shapes that they were made of, and those of others the methods
//! that they offer, with the messages that they want.

use std::sync::Arc;

use bytes::Bytes;
use croupier::codec::DocumentLimits;
use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::model::fault::Kind;
use croupier::model::shape::{Field, Shape, Shapes};
use croupier::protocol::client_codec;
use croupier::protocol::client_codec::{CallTarget, ResponseError};
use croupier::protocol::soap::client::SoapCodec;
use croupier::protocol::soap::wsdl::read::{Document, Links, WsdlDescription, WsdlOptions, imports, read, read_linked};
use croupier::protocol::soap::wsdl::write as wsdl;
use croupier::protocol::soap::wsdl::write::{Style, Versions, WsdlForm};
use croupier::protocol::xmlrpc::signature::signature_line;
use croupier::service::RpcService;
use croupier::service::args::{Args, KnownParams};
use croupier::{Fault, Value};
use http::{Request, Response, header};

use crate::support::every_type;

/// What a shape says, written out to a depth, in the words that WSDL has for it: tuples whose items have names of their
/// own are records.
fn said(shape: &Shape, shapes: &Shapes, depth: usize) -> String {
    if depth > 6 {
        return "…".to_owned();
    }
    let inner = |shape: &Shape| said(shape, shapes, depth + 1);
    let fields = |fields: &[Field]| {
        let each = fields.iter().map(|field| {
            let mark = if field.may_be_absent() { "?" } else { "" };
            format!("{}{mark}: {}", field.name, inner(&field.shape))
        });
        each.collect::<Vec<_>>().join(", ")
    };
    match shapes.follow(shape) {
        Shape::Optional(it) => format!("{}?", inner(it)),
        Shape::List(it) => format!("[{}]", inner(it)),
        Shape::Tuple(it) if it[0].name == "arg1" => format!("({})", fields(it)),
        Shape::Tuple(it) => format!("{{{}}}", fields(it)),
        Shape::Record(it) => {
            let further = it.further.as_deref().map(|it| format!(" *: {}", inner(it))).unwrap_or_default();
            format!("{{{}{further}}}", fields(&it.fields))
        }
        other => format!("{other:?}"),
    }
}

/// What is said of all methods; of optional parameters only where the style has words for them.
fn all_said(shapes: &Shapes, style: Style) -> Vec<String> {
    let methods = shapes.methods().iter().map(|method| {
        let params = method.params.iter().map(|field| {
            let shape = match (&field.shape, style) {
                (Shape::Optional(inner), Style::Rpc) => inner,
                (shape, _) => shape,
            };
            let mark = if field.may_be_absent() && style == Style::Document { "?" } else { "" };
            format!("{}{mark}: {}", field.name, said(shape, shapes, 0))
        });
        let result = match (&method.result, style) {
            (Shape::Optional(inner), Style::Rpc) => inner,
            (shape, _) => shape,
        };
        format!("{}({}) {}", method.name, params.collect::<Vec<_>>().join(", "), said(result, shapes, 0))
    });
    methods.collect()
}

#[test]
fn our_own_documents_give_the_shapes_that_they_were_made_of() {
    let wheel = WheelTable::new(Family::American, Chance::seeded(7)).service().unwrap();
    for service in [&wheel as &dyn RpcService, &every_type::service()] {
        let shapes = Shapes::of(&service.interface());
        for style in [Style::Document, Style::Rpc] {
            for versions in [Versions::One, Versions::Two, Versions::Both] {
                let form = WsdlForm { style, versions };
                let text = wsdl::document(&service.interface(), &shapes, "urn:own", "http://localhost/own", form);
                let discovered = read(&[Document { location: "own.wsdl", text: &text }], None).unwrap();
                assert_eq!(all_said(&Shapes::of(&discovered.interface), style), all_said(&shapes, style), "{form:?}");
                assert_eq!(discovered.interface.doc, service.interface().doc);
                let docs = |interface: &croupier::model::interface::Interface| {
                    interface.methods.iter().map(|method| method.doc.trim().to_owned()).collect::<Vec<_>>()
                };
                assert_eq!(docs(&discovered.interface), docs(&service.interface()));
                assert_eq!(discovered.inferred, style == Style::Rpc);
            }
        }
    }
}

/// A description, and the client codec made from it.
pub(super) struct Foreign {
    discovered: WsdlDescription,
    shapes: Shapes,
    codec: client_codec::ClientCodec,
}

impl Foreign {
    pub(super) fn new(texts: &[&str], port: Option<&str>) -> Foreign {
        Foreign::with(texts, WsdlOptions { port, ..WsdlOptions::default() })
    }

    pub(super) fn with(texts: &[&str], options: WsdlOptions<'_>) -> Foreign {
        let documents: Vec<_> = texts.iter().map(|text| Document { location: "x.wsdl", text }).collect();
        let discovered = read_linked(&documents, &Links::new(), options).unwrap();
        let shapes = Shapes::of(&discovered.interface);
        let codec = client_codec::ClientCodec::Soap(SoapCodec::new(Arc::new(discovered.binding.clone())));
        Foreign { discovered, shapes, codec }
    }

    fn lines(&self) -> Vec<String> {
        self.discovered
            .interface
            .methods
            .iter()
            .map(|method| signature_line(&self.discovered.interface, method))
            .collect()
    }

    fn asked<'a>(&'a self, method: &'a str) -> CallTarget<'a> {
        let known = KnownParams { method: self.shapes.method(method).unwrap(), shapes: &self.shapes, inferred: false };
        CallTarget::new(method, Some(known))
    }

    pub(super) fn request(&self, method: &str, args: &str) -> Result<Request<Bytes>, Fault> {
        let raw = serde_json::value::RawValue::from_string(args.to_owned()).unwrap();
        self.codec.encode_call(self.asked(method), Args::Json(&raw).read_values().unwrap())
    }

    /// The content of the Body of a request.
    pub(super) fn body(&self, method: &str, args: &str) -> String {
        let request = self.request(method, args).unwrap();
        let text = String::from_utf8(request.body().to_vec()).unwrap();
        let (_, behind) = text.split_once("<soap:Body>").unwrap();
        behind.strip_suffix("</soap:Body></soap:Envelope>\n").unwrap().to_owned()
    }

    pub(super) fn interface(&self) -> &croupier::model::interface::Interface {
        &self.discovered.interface
    }

    /// The result in a response, as JSON.
    pub(super) fn decoded(&self, method: &str, response: &Response<Bytes>) -> serde_json::Value {
        serde_json::to_value(self.codec.decode_response(self.asked(method), response).unwrap()).unwrap()
    }

    /// The answer in a Body, as JSON.
    pub(super) fn heard(&self, method: &str, body: &str) -> Result<String, ResponseError> {
        let text = format!(
            "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xmlns:c=\"http://schemas.xmlsoap.org/soap/encoding/\"><e:Body>{body}</e:Body></e:Envelope>"
        );
        let heard = self.codec.decode_response(self.asked(method), &Response::new(text.into()));
        heard.map(|value| serde_json::to_string(&value).unwrap())
    }
}

#[test]
fn elements_that_are_not_called_as_their_operations_hold_parameters_all_the_same() {
    let wheel = Foreign::new(&[include_str!("../../fixtures/wsdl/contract-first.wsdl")], None);
    assert_eq!(
        wheel.lines(),
        [
            "Spin() -> struct",
            "SpinList(spins?: int) -> array",
            "Fail(why: string) -> nil",
            "When(when: dateTime.iso8601) -> dateTime.iso8601",
        ]
    );
    assert_eq!(wheel.discovered.interface.methods[0].doc, "Spins.");
    assert_eq!(wheel.discovered.binding.address.as_deref(), Some("http://localhost:1/wheel"));
    assert_eq!(wheel.body("SpinList", "[3]"), "<n0:SpinListRequest><spins>3</spins></n0:SpinListRequest>");
    let pocket = "<pockets><number>1</number><color>RED</color></pockets>";
    let heard =
        |pockets: &str| wheel.heard("SpinList", &format!("<t:R xmlns:t=\"urn:wheel\">{pockets}</t:R>")).unwrap();
    assert_eq!(heard(pocket), r#"[{"number":"1","color":"RED"}]"#);
    assert_eq!(heard(""), "[]");
    let request = wheel.request("Spin", "[]").unwrap();
    assert_eq!(request.headers()["soapaction"], "\"urn:wheel/Spin\"");
    assert_eq!(request.headers()[header::CONTENT_TYPE], "text/xml; charset=utf-8");
}

#[test]
fn of_many_ports_one_that_speaks_soap_is_taken() {
    let text = include_str!("../../fixtures/wsdl/many-ports.wsdl");
    let stock = Foreign::new(&[text], None);
    assert_eq!(stock.discovered.binding.address.as_deref(), Some("http://example.org/eleven"));
    assert_eq!(stock.discovered.interface.title, "Stock");
    assert_eq!(stock.discovered.interface.doc, "A store of things.");
    assert_eq!(
        stock.lines(),
        ["GetItems(filter?: string, since: dateTime.iso8601, kinds?: array) -> array", "Drop(id: int) -> nil",]
    );
    let twelve = Foreign::new(&[text], Some("StockSoap12"));
    let request = twelve.request("GetItems", r#"{"since": null}"#).unwrap();
    let expected = "application/soap+xml; charset=utf-8; action=\"http://example.org/stock/GetItems\"";
    assert_eq!(request.headers()[header::CONTENT_TYPE], expected);
    let fault = read(&[Document { location: "x.wsdl", text }], Some("StockHttpGet")).unwrap_err();
    assert_eq!(fault.message, "there is no SOAP port `StockHttpGet`; there is `StockSoap12`, `StockSoap`");
}

#[test]
fn arrays_extensions_groups_and_choices_are_read_and_written() {
    let stock = Foreign::new(&[include_str!("../../fixtures/wsdl/many-ports.wsdl")], None);
    assert_eq!(
        stock.body("GetItems", r#"{"since": "2026-01-02T03:04:05", "kinds": ["Big", "Small"]}"#),
        "<n0:GetItems><n0:since>2026-01-02T03:04:05</n0:since><n0:kinds><n0:Kind>Big</n0:Kind>\
         <n0:Kind>Small</n0:Kind></n0:kinds></n0:GetItems>"
    );
    assert_eq!(stock.body("GetItems", r#"[null, null]"#), "<n0:GetItems><n0:since xsi:nil=\"true\"/></n0:GetItems>");
    let item = "<Item colour='red'><id>1</id><width>1</width><height>2</height><store>7</store>\
                <price currency='EUR'>9.5</price><part><id>2</id></part><extra i:type='x:int'>5</extra></Item>";
    let answer =
        format!("<GetItemsResponse><GetItemsResult>{item}<Item i:nil='1'/></GetItemsResult></GetItemsResponse>");
    assert_eq!(
        stock.heard("GetItems", &answer.replace("<GetItemsResponse>", "<GetItemsResponse xmlns:x='x'>")).unwrap(),
        r#"[{"id":1,"width":1.0,"height":2.0,"store":7,"price":{"value":9.5,"currency":"EUR"},"part":[{"id":2}],"extra":5,"colour":"red"},null]"#
    );
    // An answer without the result, and no answer at all to a call that has none.
    assert_eq!(stock.heard("GetItems", "<GetItemsResponse/>").unwrap(), "null");
    let accepted = Response::builder().status(202).body(Bytes::new()).unwrap();
    assert_eq!(stock.codec.decode_response(stock.asked("Drop"), &accepted), Ok(Value::Nil));
    let item = &stock.discovered.interface.defs["Item"];
    let required: Vec<_> = item["required"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(required, ["id", "width", "height"]);
}

#[test]
fn values_of_soaps_encoding_say_their_types_and_refer_to_each_other() {
    let enc = Foreign::new(&[include_str!("../../fixtures/wsdl/encoded.wsdl")], None);
    assert_eq!(enc.lines()[1], "sum(xs: array) -> int");
    assert_eq!(
        enc.body("sum", "[[1, 2]]"),
        "<n0:sum soap:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><xs xsi:type=\"soapenc:Array\" \
         soapenc:arrayType=\"xsd:int[2]\"><item xsi:type=\"xsd:int\">1</item><item xsi:type=\"xsd:int\">2</item></xs>\
         </n0:sum>"
    );
    assert_eq!(
        enc.body("echo", r#"[{"name": "n", "number": "7", "odds": 1}]"#),
        "<n0:echo soap:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><p xsi:type=\"n0:Named\">\
         <number xsi:type=\"xsd:string\">7</number><odds xsi:type=\"xsd:double\">1.0</odds>\
         <name xsi:type=\"xsd:string\">n</name></p></n0:echo>"
    );
    let pocket = "<number>7</number><odds>1.5</odds>";
    let expected = r#"[{"number":"7","odds":1.5},{"number":"7","odds":1.5}]"#;
    let inline = format!("<r><return><item id='a'>{pocket}</item><item href='#a'/></return></r>");
    let behind = format!("<r><return href='#l'/></r><m id='l'><i href='#a'/><i href='#a'/></m><m id='a'>{pocket}</m>");
    for answer in [inline, behind] {
        assert_eq!(enc.heard("twice", &answer).unwrap(), expected);
    }
}

#[test]
fn references_that_lead_nowhere_or_round_in_circles_are_refused() {
    let enc = Foreign::new(&[include_str!("../../fixtures/wsdl/encoded.wsdl")], None);
    for (answer, kind, message) in [
        ("<r><return href='#a'/></r>", Kind::Structure, "refers to another element by `href`"),
        (
            "<r><return href='#a'/></r><m id='a' href='#b'/><m id='b' href='#a'/>",
            Kind::Structure,
            "nothing but references",
        ),
        ("<r><return href='#a'/></r><m id='a'><i><x href='#a'/></i></m>", Kind::Limit, "nest deeper"),
        ("<r/><m/>", Kind::Structure, "more than one element"),
    ] {
        match enc.heard("twice", answer) {
            Err(ResponseError::Malformed(fault)) => {
                assert_eq!(fault.kind, kind, "{fault}");
                assert!(fault.message.contains(message), "{fault}");
            }
            other => panic!("{answer}: {other:?}"),
        }
    }
    // Each of these holds the next ten times: written out there would be ten to the twentieth.
    let client_codec::ClientCodec::Soap(own) = &enc.codec else { panic!() };
    let limits = DocumentLimits { elements: 10_000, ..DocumentLimits::default() };
    let enc = Foreign { codec: client_codec::ClientCodec::Soap(SoapCodec { limits, ..own.clone() }), ..enc };
    let items = |at: usize| format!("<item href='#n{}'/>", at + 1).repeat(10);
    let bomb: String = (0..20).map(|at| format!("<m id='n{at}'>{}</m>", items(at))).collect();
    let answer = format!("<r><return><item><x href='#n0'/></item></return></r>{bomb}<m id='n20'><y/></m>");
    match enc.heard("twice", &answer) {
        Err(ResponseError::Malformed(fault)) => assert_eq!(fault.kind, Kind::Limit, "{fault}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_description_may_be_in_several_documents() {
    let main = include_str!("../../fixtures/wsdl/split.wsdl");
    let (calc, types) =
        (include_str!("../../fixtures/wsdl/split-calc.wsdl"), include_str!("../../fixtures/wsdl/split-calc.xsd"));
    let wanted = |text| imports(Document { location: "x", text }).unwrap();
    assert_eq!(
        (wanted(main), wanted(calc), wanted(types)),
        (vec!["parts/calc.wsdl".into()], vec!["calc.xsd".into()], vec!["more.xsd".into()])
    );
    let split = Foreign::new(&[main, calc, types], None);
    assert_eq!(split.lines(), ["add(a: struct, b: struct) -> struct", "both_ways(xs: array) -> struct"]);
    assert!(split.discovered.inferred);
    assert_eq!(split.discovered.interface.doc, "Adds.");
    assert_eq!(
        split.body("add", r#"[{"re": 1, "im": 2}, {"im": 0, "re": 0.5}]"#),
        "<n0:add><a><n1:re>1.0</n1:re><im>2.0</im></a><b><n1:re>0.5</n1:re><im>0.0</im></b></n0:add>"
    );
    assert_eq!(
        split.body("both_ways", "[[1, 2]]"),
        "<n0:both-ways><xs><n1:item>1.0</n1:item><n1:item>2.0</n1:item></xs></n0:both-ways>"
    );
    let heard = split.heard("both_ways", "<r><low>1</low><high>2</high></r>").unwrap();
    assert_eq!(heard, r#"{"low":1.0,"high":2.0}"#);
    let missing = read(&[Document { location: "main.wsdl", text: main }], None).unwrap_err();
    assert_eq!(missing.message, "main.wsdl:5:3: there is no port type `Calc` in the namespace `urn:calc`");
    let documents = [Document { location: "main.wsdl", text: main }, Document { location: "calc.wsdl", text: calc }];
    let missing = read(&documents, None).unwrap_err();
    assert_eq!(missing.message, "calc.wsdl:3:25: there is no type `Complex` in the namespace `urn:calc:types`");
}

#[test]
fn a_discovered_interface_survives_description_and_discovery() {
    for text in [
        include_str!("../../fixtures/wsdl/contract-first.wsdl"),
        include_str!("../../fixtures/wsdl/encoded.wsdl"),
        include_str!("../../fixtures/wsdl/many-ports.wsdl"),
    ] {
        let foreign = Foreign::new(&[text], None);
        let own = wsdl::document(
            &foreign.discovered.interface,
            &foreign.shapes,
            "urn:own",
            "http://localhost/own",
            WsdlForm::default(),
        );
        let again = Foreign::new(&[&own], None);
        assert_eq!(all_said(&again.shapes, Style::Document), all_said(&foreign.shapes, Style::Document));
    }
}

#[test]
fn arguments_that_do_not_fit_are_refused_with_their_place() {
    let stock = Foreign::new(&[include_str!("../../fixtures/wsdl/many-ports.wsdl")], None);
    let enc = Foreign::new(&[include_str!("../../fixtures/wsdl/encoded.wsdl")], None);
    for (service, method, args, message) in [
        (&stock, "Drop", "{}", "the parameter `id` is missing"),
        (&stock, "GetItems", r#"{"since": null, "kinds": 1}"#, "parameter `kinds`: expected a list, not an integer"),
        (&stock, "Drop", "[[1]]", "parameter `id`: expected an integer, not a list of 1"),
        (&stock, "Drop", "[null]", "parameter `id`: expected a value, not nothing"),
        (&stock, "GetItems", r#"["\u0000", null]"#, "parameter `filter`: XML cannot represent the character U+0000"),
        (&enc, "echo", r#"[{"nam": "n"}]"#, "parameter `p`: there is no member `nam`; did you mean `name`?"),
        (&enc, "echo", "[1]", "parameter `p`: expected a struct, not an integer"),
    ] {
        let fault = service.request(method, args).unwrap_err();
        assert_eq!((fault.kind, fault.message.as_ref()), (Kind::BadParams, message));
    }
}
