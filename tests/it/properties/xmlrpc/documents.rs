//! The two readers read the same from every document, sound or not.

use croupier::codec::DocumentLimits;
use croupier::codec::xml::Reading;
use croupier::codec::xml::charset::decode;
use croupier::codec::xmlrpc::{BigIntegers, Nil, XmlRpcDialect, XmlRpcDocument, write_call, write_response};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::support::random_cases;
use crate::support::trees::carried;

/// Pieces of documents, sound and broken, known and unknown.
const PIECES: &[&str] = &[
    "<methodCall>",
    "</methodCall>",
    "<methodName>",
    "</methodName>",
    "<methodResponse>",
    "</methodResponse>",
    "<params>",
    "</params>",
    "<params/>",
    "<param>",
    "</param>",
    "<fault>",
    "</fault>",
    "<value>",
    "</value>",
    "<value/>",
    "<array>",
    "</array>",
    "<array/>",
    "<data>",
    "</data>",
    "<data/>",
    "<struct>",
    "</struct>",
    "<struct/>",
    "<member>",
    "</member>",
    "<name>",
    "</name>",
    "<string>",
    "</string>",
    "<string/>",
    "<int>",
    "</int>",
    "<i4>",
    "</i4>",
    "<i8>",
    "</i8>",
    "<double>",
    "</double>",
    "<boolean>",
    "</boolean>",
    "<nil/>",
    "<nil>",
    "</nil>",
    "<base64>",
    "</base64>",
    "<dateTime.iso8601>",
    "</dateTime.iso8601>",
    "<ex:nil/>",
    "<ex:i1>",
    "</ex:i1>",
    "<value a='1'>",
    "<methodCall xmlns='urn:x'>",
    "<x>",
    "</x>",
    "<x/>",
    "spin",
    "sum",
    "1",
    "-",
    "2147483648",
    "1.5",
    "NaN",
    "true",
    "19980717T14:08:55",
    "aGk=",
    " ",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "&amp;",
    "&lt;",
    "&#13;",
    "&#65;",
    "&#x1F600;",
    "&#0;",
    "&#xD800;",
    "&nbsp;",
    "&",
    "<",
    ">",
    "]]>",
    "'",
    "\"",
    "<![CDATA[",
    "<![CDATA[x]]>",
    "<!-- x -->",
    "<!--",
    "-->",
    "<?p x?>",
    "<?",
    "?>",
    "<?xml version=\"1.0\"?>",
    "<?xml version='1.0' encoding='utf-8' standalone='yes' ?>",
    "<?xml version='1.1'?>",
    "<!DOCTYPE a>",
    "\u{0}",
    "\u{c}",
    "\u{e9}",
    "\u{fffd}",
    "\u{feff}",
    "\u{ffff}",
    "\u{1f600}",
];

const CALL: &str = "<?xml version=\"1.0\"?>\n<methodCall><methodName>sum</methodName><params><param><value><struct>\
    <member><name>a</name><value><array><data><value><i4>1</i4></value><value>b &amp; c</value></data></array>\
    </value></member><member><name>d</name><value><nil/></value></member></struct></value></param></params>\
    </methodCall>";
const FAULT: &str = "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>4</int></value>\
    </member><member><name>faultString</name><value><string>no</string></value></member></struct></value></fault>\
    </methodResponse>";

/// A value as clients write them: with white space, without types, its text split and escaped in every way.
fn loose_value() -> impl Strategy<Value = String> {
    let kinds = ["string", "int", "i4", "i8", "double", "boolean", "base64", "dateTime.iso8601", "nil", "money"];
    let texts =
        ["1", " 1 ", "0", "-2147483649", "1.5", "NaN", "true", "aGk=", "19980717T14:08:55", "19980230T00:00:00", ""];
    let typed = (select(kinds.to_vec()), select(texts.to_vec()));
    let leaf = prop_oneof![
        3 => loose_text(),
        1 => loose_text().prop_map(|text| format!("<string>{text}</string>")),
        1 => typed.prop_map(|(kind, text)| format!("<{kind}>{text}</{kind}>")),
        1 => select(vec!["", "<string/>", "<array/>", "<struct/>", "<nil/>", "<array><data/></array>"]).prop_map(str::to_owned),
    ];
    let value = |(before, content, after): (String, String, String)| format!("<value>{before}{content}{after}</value>");
    let leaf = (blank(), leaf, blank()).prop_map(value);
    leaf.prop_recursive(4, 20, 4, move |inner| {
        let items = (blank(), vec((inner.clone(), blank()).prop_map(|(item, blank)| item + &blank), 0..4));
        let array = (items, 0..6).prop_map(|((blank, items), kind)| {
            let items = items.concat();
            match kind {
                0 => format!("<array>{blank}{items}</array>"),
                1 => format!("<array><data>{}</data></array>", items.replace("<value>", "").replace("</value>", "")),
                _ => format!("<array>{blank}<data>{blank}{items}</data></array>"),
            }
        });
        let member = (loose_text(), inner, any::<bool>()).prop_map(|(name, value, first)| match first {
            true => format!("<member>{value}<name>{name}</name></member>"),
            false => format!("<member><name>{name}</name>{value}</member>"),
        });
        let members = vec((member, blank()).prop_map(|(member, blank)| member + &blank), 0..4);
        let members = members.prop_map(|members| format!("<struct>{}</struct>", members.concat()));
        (blank(), prop_oneof![array, members], blank()).prop_map(value)
    })
}

fn loose_text() -> impl Strategy<Value = String> {
    let sound = ["a", "b", " ", "\n", "\t", "&amp;", "&lt;", "&#65;", "&#x41;", "&#13;", "]", "]]", ">", "\u{e9}"];
    let odd =
        ["<!-- x -->", "<![CDATA[<]]>", "<?p?>", "\r", "\r\n", "]]>", "&#0;", "&#xD800;", "&", "\u{ffff}", "\u{1}"];
    vec(prop_oneof![12 => select(sound.to_vec()), 1 => select(odd.to_vec())], 0..5).prop_map(|pieces| pieces.concat())
}

fn blank() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(""),
        2 => select(vec![" ", "\n", "\n  ", "\t"]),
        1 => select(vec!["<!-- -->", "\r\n", "<![CDATA[ ]]>", "&#32;", "x", "<x/>"]),
    ]
    .prop_map(str::to_owned)
}

/// Calls and answers as clients and servers write them.
fn loose() -> impl Strategy<Value = String> {
    let declaration = select(vec![
        "",
        "<?xml version=\"1.0\"?>",
        "<?xml version='1.0' encoding='utf-8'?>\n",
        " ",
        "\u{feff}",
        "<!-- -->",
    ]);
    let param = (blank(), loose_value(), blank())
        .prop_map(|(before, value, after)| format!("<param>{before}{value}{after}</param>"));
    let root = (loose_text(), vec(param, 0..3), blank(), 0..3).prop_map(|(name, params, blank, kind)| {
        let params = params.concat();
        match kind {
            0 => format!("<methodCall>{blank}<methodName>{name}</methodName><params>{params}</params></methodCall>"),
            1 => format!("<methodResponse><params>{params}</params>{blank}</methodResponse>"),
            _ => format!(
                "<methodResponse><fault>{}</fault></methodResponse>",
                params.replace("<param>", "").replace("</param>", "")
            ),
        }
    });
    (declaration, root, blank()).prop_map(|(declaration, root, blank)| format!("{declaration}{root}{blank}"))
}

/// A change to a document: at a place, a number of pieces is taken out and a piece is put in.
type Change = (Index, usize, &'static str);

/// Documents that are written properly, and then changed a little.
fn changed() -> impl Strategy<Value = String> {
    let document = prop_oneof![
        1 => Just(CALL.to_owned()),
        1 => Just(FAULT.to_owned()),
        5 => loose(),
        2 => (carried(), any::<bool>(), any::<bool>()).prop_map(|(value, call, apache)| {
            let mut bytes = Vec::new();
            let (nil, big_integers) =
                if apache { (Nil::ExNil, BigIntegers::ExI8) } else { (Nil::Nil, BigIntegers::I8) };
            let dialect = XmlRpcDialect { nil, big_integers, ..XmlRpcDialect::default() };
            let dialect = XmlRpcDialect { non_finite: croupier::codec::xmlrpc::XmlRpcNonFinite::Words, ..dialect };
            let written = if call {
                write_call(&mut bytes, "sum", &(&value,), dialect)
            } else {
                write_response(&mut bytes, &value, dialect)
            };
            written.unwrap();
            String::from_utf8(bytes).unwrap()
        }),
    ];
    let change = (any::<Index>(), 0_usize..3, prop_oneof![Just(""), select(PIECES)]);
    (document, vec(change, 0..4)).prop_map(|(document, changes)| apply(&document, &changes))
}

fn apply(document: &str, changes: &[Change]) -> String {
    let mut pieces: Vec<String> = pieces_of(document);
    for (place, taken, put) in changes {
        let at = place.index(pieces.len() + 1);
        let end = (at + taken).min(pieces.len());
        pieces.splice(at..end, [(*put).to_owned()]);
    }
    pieces.concat()
}

/// A document as tags and the texts between them.
fn pieces_of(document: &str) -> Vec<String> {
    document
        .split_inclusive('>')
        .flat_map(|piece| match piece.find('<') {
            Some(at) if at > 0 => vec![piece[..at].to_owned(), piece[at..].to_owned()],
            _ => vec![piece.to_owned()],
        })
        .collect()
}

/// Documents made of pieces alone: hardly ever sound, but broken in every way.
fn jumble() -> impl Strategy<Value = String> {
    vec(select(PIECES), 0..30).prop_map(|pieces| pieces.concat())
}

/// Both readers, by what they print: two doubles that are no numbers are not equal, but the same.
fn readings(text: &str, limits: DocumentLimits) -> [[String; 2]; 2] {
    [Reading::Lenient, Reading::Strict].map(|reading| {
        let plain = XmlRpcDocument::read(text, reading, limits);
        let tree = XmlRpcDocument::read_tree(text, reading, limits);
        [format!("{plain:?}"), format!("{tree:?}")]
    })
}

proptest! {
    #![proptest_config(random_cases(1500))]

    #[test]
    fn one_pass_and_tree_read_the_same(
        text in prop_oneof![9 => changed(), 1 => jumble()],
        depth in 0_usize..6,
        elements in 0_usize..60,
    ) {
        for limits in [DocumentLimits::default(), DocumentLimits { depth, elements }] {
            for [plain, tree] in readings(&text, limits) {
                prop_assert_eq!(plain, tree, "in {}", text);
            }
        }
    }

    /// XML's own rule: a document means the same with any line ends.
    #[test]
    fn line_ends_mean_the_same(text in changed()) {
        let expected = readings(&text.replace("\r\n", "\n").replace('\r', "\n"), DocumentLimits::default());
        prop_assert_eq!(readings(&text, DocumentLimits::default()), expected);
    }

    #[test]
    fn text_is_read_from_every_encoding_that_can_write_it(text in changed(), big: bool, mark: bool) {
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        let units: Vec<u16> = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16()).collect();
        let bytes: Vec<u8> =
            units.iter().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect();
        let label = if big { "utf-16be" } else { "utf-16le" };
        if mark {
            prop_assert_eq!(decode(&bytes, Some("iso-8859-1")).unwrap(), text.as_str());
        } else if matches!(text.as_bytes(), [1..0x80, 1..=0xff, ..]) {
            prop_assert_eq!(decode(&bytes, Some(label)).unwrap(), text.as_str());
            prop_assert_eq!(decode(&bytes, None).unwrap(), text.as_str());
            prop_assert_eq!(decode(text.as_bytes(), Some("utf-8")).unwrap(), text.as_str());
        }
    }
}
