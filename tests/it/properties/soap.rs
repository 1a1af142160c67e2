//! Values that pass through SOAP and back are the same; any request gets a well-formed response.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use croupier::codec::DocumentLimits;
use croupier::codec::soap::{
    ElementTarget, SoapMessage, SoapStyle, SoapVersion, read_result, write_head, write_tail, write_value,
};
use croupier::codec::xml::Control;
use croupier::model::shape::{Shape, Shapes};
use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::soap::server::Soap;
use croupier::service::local::Local;
use croupier::service::{Context, RpcService};
use croupier::{Binary, DateTime, Value};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::support::random_cases;
use crate::support::specimen;
use crate::support::trees::{carried, is_xml_char, same};

/// A record with a field of every shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Everything {
    flag: bool,
    small: i8,
    big: u64,
    huge: i128,
    ratio: f64,
    #[serde(rename = "2nd text: a/b")]
    text: String,
    letter: char,
    choice: Choice,
    figure: Figure,
    when: DateTime,
    data: Binary,
    maybe: Option<String>,
    list: Vec<i32>,
    #[serde(default)]
    defaulted: Vec<String>,
    #[serde(default = "one_two")]
    otherwise: Vec<i32>,
    maybes: Vec<Option<i64>>,
    nested: Vec<Vec<String>>,
    perhaps: Option<Vec<bool>>,
    pair: (i32, Vec<String>),
    map: BTreeMap<String, i32>,
    numbered: BTreeMap<u32, Vec<f64>>,
    options: BTreeMap<String, Option<bool>>,
    children: Vec<Everything>,
    extended: Extended,
}

fn one_two() -> Vec<i32> {
    vec![1, 2]
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Choice {
    Red,
    #[serde(rename = " black & <white> ")]
    Black,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Figure {
    Dot,
    Circle(f64),
    Line(i32, i32),
    Named { name: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Extended {
    id: i32,
    #[serde(flatten)]
    others: BTreeMap<String, i32>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct One<T> {
    value: T,
}

static SERVICE: LazyLock<Arc<dyn RpcService>> = LazyLock::new(|| {
    let service = Local::new("Echo", ())
        .method("any", |_: &(), it: One<Value>| it.value)
        .method("typed", |_: &(), it: One<Everything>| it.value)
        .method("list", |_: &(), it: One<Vec<Everything>>| it.value)
        .method("lists", |_: &(), it: One<Vec<Vec<i32>>>| it.value)
        .method("maybe", |_: &(), it: One<Option<Vec<String>>>| it.value)
        .method("map", |_: &(), it: One<BTreeMap<String, Vec<i32>>>| it.value)
        .rows("rows", |_: &Arc<()>, it: One<Vec<Vec<String>>>| it.value.into_iter())
        .build();
    Arc::new(service.unwrap())
});

static SPECIMEN: LazyLock<Arc<dyn RpcService>> = LazyLock::new(|| Arc::new(specimen::service()));

fn post(service: &Arc<dyn RpcService>, style: SoapStyle, content_type: &str, body: &[u8]) -> (StatusCode, String) {
    let uri = if style == SoapStyle::Rpc { "/?style=rpc" } else { "/" };
    let (head, ()) = Request::post(uri).header(header::CONTENT_TYPE, content_type).body(()).unwrap().into_parts();
    let request = GroupRequest { head: &head, tail: "", body, context: &Context::default() };
    let reply = Soap::new("urn:a\"b&c").serve(service, request);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let response = reply.await.response;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    })
}

/// What a method answers to its one parameter.
fn echoed<T: Serialize, R: DeserializeOwned>(method: &str, value: &T, version: SoapVersion, style: SoapStyle) -> R {
    let shapes = Shapes::of(&SERVICE.interface());
    let shape = shapes.method(method).unwrap();
    let mut call = Vec::new();
    write_head(&mut call, version, &shape.element, "urn:a\"b&c");
    let document = style == SoapStyle::Document;
    let place = ElementTarget {
        shapes: &shapes,
        shape: &shape.params[0].shape,
        element: &shape.params[0].element,
        qualified: document,
        member: document,
        control: Control::Refuse,
    };
    write_value(&mut call, value, place).unwrap();
    write_tail(&mut call, &shape.element);
    let (status, text) = post(&SERVICE, style, version.content_type(), &call);
    assert_eq!(status, StatusCode::OK, "{}\n{text}", String::from_utf8_lossy(&call));
    let SoapMessage { version: answered, tape, .. } =
        read_result(&text, &shapes, shape, style, DocumentLimits::default())
            .unwrap_or_else(|it| panic!("{it:?}\n{text}"));
    assert_eq!(answered, version);
    let value = tape.values().next().unwrap();
    R::deserialize(value).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"))
}

fn versions() -> impl Strategy<Value = (SoapVersion, SoapStyle)> {
    let version = prop::sample::select(vec![SoapVersion::V11, SoapVersion::V12]);
    (version, prop::sample::select(vec![SoapStyle::Document, SoapStyle::Rpc]))
}

fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        prop::sample::select("<>&\"']\r\n\t #_x:".chars().collect::<Vec<_>>()),
        any::<char>().prop_filter("a character of XML", |c| is_xml_char(*c)),
    ];
    vec(character, 0..8).prop_map(String::from_iter)
}

fn number() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("a number that equals itself", |number| !number.is_nan())
}

fn figure() -> impl Strategy<Value = Figure> {
    prop_oneof![
        Just(Figure::Dot),
        number().prop_map(Figure::Circle),
        any::<(i32, i32)>().prop_map(|(from, to)| Figure::Line(from, to)),
        text().prop_map(|name| Figure::Named { name }),
    ]
}

fn date() -> impl Strategy<Value = DateTime> {
    let dates = ["1998-07-17T14:08:55", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.123456789+14:00"];
    prop::sample::select(dates.to_vec()).prop_map(|text| text.parse().unwrap())
}

fn leaf() -> impl Strategy<Value = Everything> {
    let scalars = (any::<(bool, i8, u64, i128)>(), number(), text(), any::<char>(), any::<bool>(), figure());
    let more = (date(), vec(any::<u8>(), 0..9), option::of(text()), vec(any::<i32>(), 0..4), vec(text(), 0..3));
    let lists = (
        vec(any::<i32>(), 0..3),
        vec(any::<Option<i64>>(), 0..4),
        vec(vec(text(), 0..3), 0..3),
        option::of(vec(any::<bool>(), 0..3)),
        (any::<i32>(), vec(text(), 0..3)),
    );
    let maps = (
        btree_map(text(), any::<i32>(), 0..3),
        btree_map(any::<u32>(), vec(number(), 0..3), 0..3),
        btree_map(text(), any::<Option<bool>>(), 0..3),
        (any::<i32>(), btree_map(text().prop_filter("no field", |name| name != "id"), any::<i32>(), 0..3)),
    );
    (scalars, more, lists, maps).prop_map(|(scalars, more, lists, maps)| {
        let ((flag, small, big, huge), ratio, text, letter, red, figure) = scalars;
        let (when, data, maybe, list, defaulted) = more;
        let (otherwise, maybes, nested, perhaps, pair) = lists;
        let (map, numbered, options, (id, others)) = maps;
        let letter = if is_xml_char(letter) { letter } else { 'x' };
        let choice = if red { Choice::Red } else { Choice::Black };
        let (data, children, extended) = (Binary(data), Vec::new(), Extended { id, others });
        Everything {
            flag,
            small,
            big,
            huge,
            ratio,
            text,
            letter,
            choice,
            figure,
            when,
            data,
            maybe,
            list,
            defaulted,
            otherwise,
            maybes,
            nested,
            perhaps,
            pair,
            map,
            numbered,
            options,
            children,
            extended,
        }
    })
}

fn everything() -> impl Strategy<Value = Everything> {
    leaf().prop_recursive(2, 6, 3, |inner| {
        (leaf(), vec(inner, 0..3)).prop_map(|(parent, children)| Everything { children, ..parent })
    })
}

proptest! {
    #![proptest_config(random_cases(256))]

    #[test]
    fn any_value_comes_back((version, style) in versions(), value in carried()) {
        let back: Value = echoed("any", &value, version, style);
        prop_assert!(same(&back, &value), "{back:?} is not {value:?}");
    }

    #[test]
    fn typed_values_come_back((version, style) in versions(), value in everything()) {
        let back: Everything = echoed("typed", &value, version, style);
        prop_assert_eq!(back, value);
    }

    #[test]
    fn lists_come_back_whatever_they_are_of(
        (version, style) in versions(),
        list in vec(everything(), 0..3),
        lists in vec(vec(any::<i32>(), 0..3), 0..4),
        maybe in option::of(vec(text(), 0..3)),
        map in btree_map(text(), vec(any::<i32>(), 0..3), 0..3),
        rows in vec(vec(text(), 0..3), 0..4),
    ) {
        prop_assert_eq!(echoed::<_, Vec<Everything>>("list", &list, version, style), list);
        prop_assert_eq!(echoed::<_, Vec<Vec<i32>>>("lists", &lists, version, style), lists);
        prop_assert_eq!(echoed::<_, Option<Vec<String>>>("maybe", &maybe, version, style), maybe);
        prop_assert_eq!(echoed::<_, BTreeMap<String, Vec<i32>>>("map", &map, version, style), map);
        prop_assert_eq!(echoed::<_, Vec<Vec<String>>>("rows", &rows, version, style), rows);
    }

    #[test]
    fn any_bytes_have_a_sound_answer(body in vec(any::<u8>(), 0..200)) {
        sound(&body);
    }

    #[test]
    fn broken_requests_have_a_sound_answer(at in 0_usize..400, cut in 0_usize..40, put in "\\PC{0,6}|<[a-z/!?]{0,3}>?") {
        let call = format!(
            "<s:Envelope xmlns:s='{}'><s:Header/><s:Body><record xmlns='urn:a'><record><id>1</id><name>n</name>\
             <tags>a</tags><pair><arg1>1</arg1></pair></record></record></s:Body></s:Envelope>",
            SoapVersion::V12.namespace()
        );
        let at = at.min(call.len());
        let end = (at + cut).min(call.len());
        sound(format!("{}{put}{}", &call[..at], &call[end..]).as_bytes());
    }

    #[test]
    fn a_value_that_contradicts_its_shape_is_still_written(value in carried(), other in everything()) {
        let shapes = Shapes::of(&SERVICE.interface());
        let mut found: Vec<&Shape> = shapes.definitions().iter().map(|definition| &definition.shape).collect();
        found.extend(shapes.methods().iter().map(|method| &method.result));
        for shape in found {
            for member in [true, false] {
                let place =
                    ElementTarget { shapes: &shapes, shape, element: "e", qualified: true, member, control: Control::Refuse };
                let mut bytes = Vec::new();
                write_value(&mut bytes, &value, place).unwrap();
                write_value(&mut bytes, &other, place).unwrap();
                let text = String::from_utf8(bytes).unwrap();
                let text = format!("<r xmlns:m='m' xmlns:xsi='x'>{text}</r>");
                prop_assert!(roxmltree::Document::parse(&text).is_ok(), "{}", text);
            }
        }
    }
}

fn sound(body: &[u8]) {
    for content_type in ["text/xml", "application/soap+xml"] {
        let (status, text) = post(&SPECIMEN, SoapStyle::Document, content_type, body);
        let xml = roxmltree::Document::parse(&text).unwrap();
        let root = xml.root_element().tag_name();
        assert_eq!(root.name(), "Envelope");
        let soap12 = root.namespace() == Some(SoapVersion::V12.namespace());
        let faulty = xml.descendants().any(|element| element.tag_name().name() == "Fault");
        let expected: &[u16] = match (faulty, soap12) {
            (false, _) => &[200],
            (true, false) => &[500],
            (true, true) => &[400, 500],
        };
        assert!(expected.contains(&status.as_u16()), "{status}: {text}");
    }
}

#[test]
fn a_hundred_thousand_levels_are_refused() {
    for (open, close) in [("<a>", "</a>"), ("<m:array><m:item>", "</m:item></m:array>"), ("<item>", "</item>")] {
        let call = format!(
            "<s:Envelope xmlns:s='{}'><s:Body><m:any xmlns:m='m'><value>{}{}</value></m:any></s:Body></s:Envelope>",
            SoapVersion::V11.namespace(),
            open.repeat(100_000),
            close.repeat(100_000)
        );
        let (status, text) = post(&SERVICE, SoapStyle::Document, "text/xml", call.as_bytes());
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(text.contains("<faultcode>soap:Client</faultcode>"), "{text}");
    }
}

/// A test's thread has the stack of a worker.
#[test]
fn the_deepest_values_there_may_be_are_read_and_written() {
    let (open, close) = ("<m:struct><m:member><m:name>a</m:name><m:value>", "</m:value></m:member></m:struct>");
    let call = |depth: usize| {
        format!(
            "<s:Envelope xmlns:s='{}'><s:Body><m:any xmlns:m='m'><value>{}{}</value></m:any></s:Body></s:Envelope>",
            SoapVersion::V12.namespace(),
            open.repeat(depth),
            close.repeat(depth)
        )
    };
    let mut frontend = Soap::new("m");
    frontend.limits.depth = usize::MAX;
    for (depth, status) in [(DocumentLimits::DEEPEST, 200), (DocumentLimits::DEEPEST + 1, 400)] {
        let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
        let (body, context) = (call(depth), Context::default());
        let request = GroupRequest { head: &head, tail: "", body: body.as_bytes(), context: &context };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(frontend.serve(&SERVICE, request)).response.status(), status);
    }
}
