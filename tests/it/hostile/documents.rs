//! Documents made to be slow, deep or large: each is answered at once, whatever its shape.
//!
//! Nothing here looks at a clock. Were a reader to take time in proportion to the square of such a document, the
//! test would not come to its end.

use croupier::codec::DocumentLimits;
use croupier::codec::xml::Reading;
use croupier::codec::xmlrpc::{Nil, XmlRpcDialect, XmlRpcDocument, write_response};
use croupier::model::fault::Kind;
use croupier::{Fault, Value};
use serde::Deserialize;

/// How long the documents are, in bytes.
const LONG: usize = 512 << 10;

/// A document as long as that: a beginning, as many middles as fit, and an end.
fn document(head: &str, middle: &str, tail: &str) -> String {
    [head, &middle.repeat(LONG / middle.len()), tail].concat()
}

/// A call with one string, of the text `@`.
const CALL: &str = "<methodCall><methodName>m</methodName><params><param><value><string>@</string></value></param></params></methodCall>";

/// The same around one string's text.
fn text(middle: &str) -> String {
    let (head, tail) = CALL.split_once('@').unwrap();
    document(head, middle, tail)
}

/// The same around an array's values.
fn array(middle: &str) -> String {
    let array = CALL.replace("<string>@</string>", "<array><data>@</data></array>");
    let (head, tail) = array.split_once('@').unwrap();
    document(head, middle, tail)
}

fn read(text: &str) -> Result<usize, Fault> {
    let document = XmlRpcDocument::read(text, Reading::Lenient, DocumentLimits::default())?;
    for value in document.tape.values() {
        Value::deserialize(value).expect("any value is read into a `Value`");
    }
    Ok(document.tape.values().len())
}

fn kind(text: &str) -> Option<Kind> {
    read(text).err().map(|fault| fault.kind)
}

#[test]
fn text_may_be_split_and_escaped_as_often_as_there_is_room() {
    for middle in ["&amp;", "&#65;", "<![CDATA[a]]>", "a<!---->", "a<?p?>", "]", "\r", "=", "\u{ff21}"] {
        assert_eq!(kind(&text(middle)), None, "{middle}");
    }
    assert_eq!(kind(&text("<![CDATA[<]]>")), None);
}

#[test]
fn text_that_is_broken_throughout_is_refused() {
    for middle in ["&", "&#", "&#65", "&x", "<!--", "<![CDATA[", "<?", "<", "a<", "]]>", "\0"] {
        let kind = kind(&text(middle));
        assert!(matches!(kind, Some(Kind::NotWellFormed | Kind::Limit)), "{middle}: {kind:?}");
    }
}

#[test]
fn crowds_are_refused() {
    let crowds = ["<value/>", "<value></value>", "<!---->", "<?p?>"];
    for middle in crowds {
        let few = DocumentLimits { elements: 1000, ..DocumentLimits::default() };
        let refused = XmlRpcDocument::read(&array(middle), Reading::Lenient, few).map(|_| ()).unwrap_err();
        assert_eq!(refused.kind, Kind::Limit, "{middle}");
    }
    let attributes: String = (0..100_000).map(|number| format!(" a{number}=''")).collect();
    assert_eq!(kind(&format!("<m{attributes}/>")), Some(Kind::Limit));
    let spaces: String = (0..1000).map(|number| format!("<m xmlns:n{number}='u'/>")).collect();
    assert_eq!(kind(&format!("<m>{spaces}</m>")), Some(Kind::Limit));
}

#[test]
fn nesting_is_refused_however_deep() {
    let nested = |count: usize| {
        let values = "<value><array><data>".repeat(count) + &"</data></array></value>".repeat(count);
        CALL.replace("<value><string>@</string></value>", &values)
    };
    assert_eq!(read(&nested(64)), Ok(1));
    assert_eq!(kind(&nested(65)), Some(Kind::Limit));
    assert_eq!(kind(&nested(50_000)), Some(Kind::Limit));
    assert_eq!(kind(&document("", "<x>", "")), Some(Kind::NotWellFormed));
    let deep = ["<x>".repeat(100_000), "</x>".repeat(100_000)].concat();
    assert_eq!(kind(&deep), Some(Kind::Structure));
}

#[test]
fn a_struct_of_very_many_members_is_read_and_its_names_are_compared() {
    let member = |name: usize| format!("<member><name>n{name}</name><value>x</value></member>");
    let call = |members: String| CALL.replace("<string>@</string>", &format!("<struct>{members}</struct>"));
    let members: String = (0..20_000).map(member).collect();
    assert_eq!(read(&call(members.clone())), Ok(1));
    assert_eq!(kind(&call(members + &member(19_999))), Some(Kind::Structure));
}

#[test]
fn names_and_numbers_may_be_as_long_as_they_like_and_errors_are_short() {
    for middle in ["<int>@</int>", "<double>@</double>", "<boolean>@</boolean>", "<base64>@*</base64>", "<@/>"] {
        let text = CALL.replace("<string>@</string>", middle).replace('@', &"n".repeat(LONG));
        let message = read(&text).unwrap_err().message;
        assert!(message.len() < 500, "{message}");
    }
}

/// Even unoptimised, the deepest value must fit into the stack of a worker, which is where requests are read.
#[test]
fn the_deepest_values_allowed_fit_into_a_stack() {
    let deep = |depth| {
        (0..depth / 2).fold(Value::Nil, |inner, _| Value::Struct(vec![("a".into(), Value::Array(vec![inner]))]))
    };
    let checked = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let limits = DocumentLimits { depth: usize::MAX, ..DocumentLimits::default() };
        for (depth, fits) in [(DocumentLimits::DEEPEST, true), (DocumentLimits::DEEPEST + 2, false)] {
            let value = deep(depth);
            let mut bytes = Vec::new();
            write_response(&mut bytes, &value, XmlRpcDialect { nil: Nil::Nil, ..XmlRpcDialect::default() }).unwrap();
            let text = String::from_utf8(bytes).unwrap();
            for text in [text.clone(), text.replace("<nil/>", "<!-- --><nil/>")] {
                let document = XmlRpcDocument::read(&text, Reading::Strict, limits);
                let back = document.as_ref().map(|document| document.tape.values().map(Value::deserialize).collect());
                assert_eq!(back.ok(), fits.then(|| vec![Ok(value.clone())]));
            }
        }
    });
    checked.unwrap().join().unwrap();
}
