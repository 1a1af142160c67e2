//! One call, the same over every face: the same value comes back, or the same fault by the one table.
//!
//! The calls go to every method of every wheel, of the diagnostics, and of a service with values of every type, also
//! where that is called by an aggregate; their arguments fit mostly, and sometimes not. What SOAP leaves out (a member that is nothing, or a list without items) is
//! left out of all answers before they are compared; nothing is done to what is sent.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/every_type.rs"]
mod every_type;
#[path = "properties_xmlrpc/trees.rs"]
#[allow(dead_code, reason = "only the values are wanted")]
mod trees;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use croupier::args::Args;
use croupier::faces::face::{Claim, Face, GroupRequest};
use croupier::faces::set::{FaceSet, Surroundings};
use croupier::faces::soap::namespace_of;
use croupier::interface::Method;
use croupier::service::{Answer, Call, Context, Format, Service};
use croupier::services::aggregate::{Aggregate, Composed, Given, OnError, Own, Part};
use croupier::services::diagnostics::diagnostics;
use croupier::services::wheel::{Chance, Family, Table};
use croupier::shape::{Field, MethodShape, Shape, Shapes};
use croupier::wire::Limits;
use croupier::wire::json;
use croupier::wire::soap::{self, Place, Style, Version};
use croupier::wire::xml::{Control, Reading};
use croupier::wire::xmlrpc::{self, BigIntegers, Dialect, Document, Nil, Root};
use croupier::{Fault, Kind, Value};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde::Deserialize;

use trees::carried;

/// How many calls are made at the least, each over every face.
const CASES: u32 = 2200;

/// The path of the group, for its namespace.
const PATH: &str = "/test";

/// How a call ended: with a value, or with a fault of this kind.
#[derive(Debug, Clone, PartialEq)]
enum Ended {
    Value(serde_json::Value),
    Fault(Kind),
}

/// The services, made anew for each call, so that seeded wheels spin the same for every face.
type Make = fn() -> Arc<dyn Service>;

const SERVICES: [Make; 8] = [
    || wheel(Family::American),
    || wheel(Family::European),
    || wheel(Family::French),
    || wheel(Family::TripleZero),
    || wheel(Family::Mini),
    || Arc::new(diagnostics().unwrap()),
    || Arc::new(every_type::service()),
    || Arc::new(passed_on(every_type::service())),
];

/// A service that passes each call on to another and answers a record with its answer.
fn passed_on(to: impl Service) -> Aggregate {
    let to: Arc<dyn Service> = Arc::new(to);
    let composed = |method: &Method| {
        let names = || method.params.iter().map(|param| param.name.clone());
        let part = Part {
            name: "it".into(),
            path: "/it".into(),
            service: to.clone(),
            method: method.name.clone(),
            args: names().enumerate().map(|(at, name)| (name, Given::Param(at))).collect(),
            deadline: Duration::from_secs(10),
            room: 1 << 20,
        };
        let params = names().map(|name| Own { name, doc: String::new(), default: None }).collect();
        Composed { name: method.name.clone(), doc: String::new(), params, calls: vec![part], on_error: OnError::Fail }
    };
    let methods = to.interface().methods.iter().map(composed).collect();
    Aggregate::new("Passed on", "", methods)
}

fn wheel(family: Family) -> Arc<dyn Service> {
    Arc::new(Table::new(family, Chance::seeded(7)).service().unwrap())
}

fn dialect() -> Dialect {
    Dialect { nil: Nil::Nil, big_integers: BigIntegers::I8, ..Dialect::default() }
}

/// The faces of each service's group, as the built-in configuration would have them, but for what XML-RPC may carry.
static FACES: LazyLock<Vec<Vec<Arc<dyn Face>>>> = LazyLock::new(|| {
    let set = FaceSet { xml_rpc: dialect(), ..FaceSet::default() };
    SERVICES.iter().map(|_| set.of_group(PATH, &Surroundings::default())).collect()
});

/// The forms of what each service takes and answers.
static SHAPES: LazyLock<Vec<Shapes>> =
    LazyLock::new(|| SERVICES.iter().map(|make| Shapes::of(make().interface())).collect());

/// A value that fits a shape, mostly. One that does not is a word where no word belongs: in SOAP, which writes a number
/// as it writes a text, and a list of one as it writes a value, other mistakes cannot be made.
fn fitting(shapes: &Shapes, shape: &Shape, depth: u32) -> BoxedStrategy<Value> {
    let fits = match shapes.follow(shape) {
        Shape::List(_) if depth == 0 => Just(Value::Array(Vec::new())).boxed(),
        Shape::Nil => Just(Value::Nil).boxed(),
        Shape::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Shape::Int(_) => prop_oneof![8 => 0_i64..40, 1 => any::<i64>()].prop_map(Value::Int).boxed(),
        Shape::Double => (-1e12..1e12).prop_map(Value::Double).boxed(),
        Shape::Text => "[ -~é\n]{0,12}".prop_map(Value::Text).boxed(),
        Shape::Choice(words) => prop::sample::select(words.clone()).prop_map(Value::Text).boxed(),
        Shape::Date => (1000..3000, 1..13, 1..29, 0..24)
            .prop_map(|(year, month, day, hour)| format!("{year:04}{month:02}{day:02}T{hour:02}:08:55"))
            .prop_map(|text| Value::Date(text.parse().unwrap()))
            .boxed(),
        Shape::Binary => prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Binary).boxed(),
        Shape::Optional(inner) => prop_oneof![1 => Just(Value::Nil), 4 => fitting(shapes, inner, depth)].boxed(),
        Shape::List(item) => {
            prop::collection::vec(fitting(shapes, item, depth.saturating_sub(1)), 0..4).prop_map(Value::Array).boxed()
        }
        Shape::Tuple(fields) => all(shapes, fields, depth).prop_map(Value::Array).boxed(),
        Shape::Record(record) => {
            let names: Vec<String> = record.fields.iter().map(|field| field.name.clone()).collect();
            let known = all(shapes, &record.fields, depth)
                .prop_map(move |values| names.iter().cloned().zip(values).collect::<Vec<_>>());
            match &record.further {
                Some(further) if record.fields.is_empty() => {
                    prop::collection::btree_map("[a-z]{1,6}", fitting(shapes, further, depth.saturating_sub(1)), 0..4)
                        .prop_map(|map| Value::Struct(map.into_iter().collect()))
                        .boxed()
                }
                _ => known.prop_map(Value::Struct).boxed(),
            }
        }
        _ => carried().prop_filter("JSON has no number for it", finite).boxed(),
    };
    match shapes.follow(shape) {
        Shape::Bool | Shape::Int(_) | Shape::Double | Shape::Date | Shape::Choice(_) => {
            prop_oneof![30 => fits, 1 => "[g-z]{1,5}".prop_map(Value::Text)].boxed()
        }
        _ => fits,
    }
}

/// Whether JSON has a number for all that is in a value.
fn finite(value: &Value) -> bool {
    match value {
        Value::Double(number) => number.is_finite(),
        Value::Array(items) => items.iter().all(finite),
        Value::Struct(members) => members.iter().all(|(_, it)| finite(it)),
        _ => true,
    }
}

/// A value for each of these fields.
fn all(shapes: &Shapes, fields: &[Field], depth: u32) -> BoxedStrategy<Vec<Value>> {
    let each: Vec<_> = fields.iter().map(|field| fitting(shapes, &field.shape, depth.saturating_sub(1))).collect();
    each.boxed()
}

/// A call: whose, which method, and with what.
#[derive(Debug, Clone)]
struct Asked {
    service: usize,
    method: String,
    args: Vec<Value>,
}

fn asked() -> impl Strategy<Value = Asked> {
    (0..SERVICES.len()).prop_flat_map(|service| {
        let (shapes, methods) = (&SHAPES[service], SHAPES[service].methods());
        (0..methods.len(), prop::bool::weighted(0.02)).prop_flat_map(move |(at, unknown)| {
            let method: &MethodShape = &methods[at];
            let name = if unknown { "no.such.method".to_owned() } else { method.name.clone() };
            all(shapes, &method.params, 4).prop_map(move |args| Asked { service, method: name.clone(), args })
        })
    })
}

/// What the service says when it is asked without any face.
fn directly(asked: &Asked) -> Ended {
    let service = SERVICES[asked.service]();
    let raw = serde_json::value::RawValue::from_string(json_of(&asked.args)).unwrap();
    let context = Context::default();
    let answer = block(service.call(Call { method: &asked.method, args: Args::Json(&raw), context: &context }));
    match answer.and_then(|answer| text_of(answer).map_err(|_| Fault::new(Kind::Service(None), "no form in JSON"))) {
        Ok(text) => Ended::Value(serde_json::from_str(&text).unwrap()),
        Err(fault) => Ended::Fault(fault.kind),
    }
}

fn text_of(answer: Answer) -> Result<String, croupier::BoxError> {
    let (format, mut bytes) = (Format::Json(json::Dialect::default()), Vec::new());
    match answer {
        Answer::One(value) => value.encode(format, &mut bytes)?,
        Answer::Many(mut rows) => {
            bytes.push(b'[');
            while rows.fill(format, &mut bytes, usize::MAX)? {}
            bytes.push(b']');
        }
    }
    Ok(String::from_utf8(bytes)?)
}

fn json_of<T: serde::Serialize + ?Sized>(value: &T) -> String {
    let mut bytes = Vec::new();
    json::write_value(&mut bytes, value, json::Dialect::default()).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The status and the body of an answer to a POST.
fn post(asked: &Asked, tail: &str, media: &str, body: &[u8]) -> (StatusCode, String) {
    let (service, faces) = (SERVICES[asked.service](), &FACES[asked.service]);
    let path = if tail.is_empty() { PATH.to_owned() } else { format!("{PATH}/{tail}") };
    let request = Request::post(path).header(header::CONTENT_TYPE, media).body(()).unwrap();
    let head = request.into_parts().0;
    let face = faces.iter().find(|face| match face.claims(service.interface(), &head, tail) {
        Claim::No => false,
        Claim::Perhaps => face.recognises(&head, body),
        Claim::Yes => true,
    });
    let reply = face.unwrap().serve(&service, GroupRequest { head: &head, tail, body, context: &Context::default() });
    block(async {
        let response = reply.await.response;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    })
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn over_xml_rpc(asked: &Asked) -> Ended {
    let mut body = Vec::new();
    xmlrpc::write_call(&mut body, &asked.method, &asked.args, dialect()).unwrap();
    let (status, text) = post(asked, "", "text/xml", &body);
    assert_eq!(status, StatusCode::OK);
    let document = Document::read(&text, Reading::Lenient, Limits::default()).unwrap();
    let value = Value::deserialize(document.tape.values().next().unwrap()).unwrap();
    match (document.root, value) {
        // XML-RPC has no form for a result without content, and answers an empty text.
        (Root::Answer, Value::Text(text)) if text.is_empty() && answers_nothing(asked) => {
            Ended::Value(serde_json::Value::Null)
        }
        (Root::Answer, value) => Ended::Value(serde_json::from_str(&json_of(&value)).unwrap()),
        (Root::Fault, Value::Struct(members)) => {
            let code = members.iter().find(|(name, _)| name == "faultCode").map(|(_, code)| code.clone());
            let Some(Value::Int(code)) = code else { panic!("{text}") };
            Ended::Fault(Kind::from_xmlrpc_code(i32::try_from(code).unwrap()))
        }
        _ => panic!("{text}"),
    }
}

fn answers_nothing(asked: &Asked) -> bool {
    SHAPES[asked.service].method(&asked.method).is_some_and(|method| method.result == Shape::Nil)
}

fn over_json_rpc(asked: &Asked) -> Ended {
    let method = serde_json::to_string(&asked.method).unwrap();
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":{method},"params":{}}}"#, json_of(&asked.args));
    let (status, text) = post(asked, "", "application/json", body.as_bytes());
    assert_eq!(status, StatusCode::OK);
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    match answer.get("error") {
        None => Ended::Value(answer["result"].clone()),
        Some(error) => Ended::Fault(Kind::from_jsonrpc_code(i32::try_from(error["code"].as_i64().unwrap()).unwrap())),
    }
}

fn over_rest(asked: &Asked) -> Result<Ended, StatusCode> {
    let (status, text) = post(asked, &asked.method, "application/json", json_of(&asked.args).as_bytes());
    if status == StatusCode::OK { Ok(Ended::Value(serde_json::from_str(&text).unwrap())) } else { Err(status) }
}

fn over_soap(asked: &Asked, version: Version) -> Result<Ended, StatusCode> {
    let shapes = &SHAPES[asked.service];
    let method = shapes.method(&asked.method);
    let element = method.map_or(asked.method.as_str(), |method| &method.element);
    let mut body = Vec::new();
    soap::write_head(&mut body, version, element, &namespace_of(PATH));
    for (field, value) in method.iter().flat_map(|method| &method.params).zip(&asked.args) {
        let (shape, element) = (&field.shape, field.element.as_str());
        let control = Control::Refuse;
        let place = Place { shapes, shape, element, qualified: true, member: true, control };
        soap::write_value(&mut body, value, place).unwrap();
    }
    soap::write_tail(&mut body, element);
    let media = if version == Version::V11 { "text/xml" } else { "application/soap+xml" };
    let (status, text) = post(asked, "", media, &body);
    let (StatusCode::OK, Some(method)) = (status, method) else { return Err(status) };
    let answer = soap::read_answer(&text, shapes, method, Style::Document, Limits::default()).unwrap();
    let value = answer.tape.values().next().map_or(Value::Nil, |value| Value::deserialize(value).unwrap());
    Ok(Ended::Value(serde_json::from_str(&json_of(&value)).unwrap()))
}

/// Whether SOAP leaves a member of this value out: nothing, and a list without items.
fn is_left_out(member: &serde_json::Value) -> bool {
    member.is_null() || member.as_array().is_some_and(Vec::is_empty)
}

/// The same answer without the members that SOAP leaves out.
fn told(ended: Ended) -> Ended {
    fn without(value: serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Object(members) => {
                members.into_iter().filter(|(_, it)| !is_left_out(it)).map(|(name, it)| (name, without(it))).collect()
            }
            serde_json::Value::Array(items) => items.into_iter().map(without).collect(),
            other => other,
        }
    }
    match ended {
        Ended::Value(value) => Ended::Value(without(value)),
        fault @ Ended::Fault(_) => fault,
    }
}

fn code(kind: Kind) -> i32 {
    kind.jsonrpc_code()
}

#[test]
fn the_same_call_ends_the_same_over_every_face() {
    let config =
        ProptestConfig { cases: CASES, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&asked(), |asked| {
        let expected = told(directly(&asked));
        let [xml_rpc, json_rpc] = [told(over_xml_rpc(&asked)), told(over_json_rpc(&asked))];
        let [rest, soap_11, soap_12] =
            [over_rest(&asked), over_soap(&asked, Version::V11), over_soap(&asked, Version::V12)]
                .map(|it| it.map(told));
        match &expected {
            Ended::Value(_) => {
                prop_assert_eq!(&xml_rpc, &expected, "XML-RPC");
                prop_assert_eq!(&json_rpc, &expected, "JSON-RPC");
                prop_assert_eq!(rest.as_ref(), Ok(&expected), "REST");
                prop_assert_eq!(soap_11.as_ref(), Ok(&expected), "SOAP 1.1");
                prop_assert_eq!(soap_12.as_ref(), Ok(&expected), "SOAP 1.2");
            }
            Ended::Fault(kind) => {
                let Ended::Fault(by_xml_rpc) = xml_rpc else { panic!("XML-RPC: {xml_rpc:?}, not {kind:?}") };
                let Ended::Fault(by_json_rpc) = json_rpc else { panic!("JSON-RPC: {json_rpc:?}, not {kind:?}") };
                prop_assert_eq!(by_xml_rpc.xmlrpc_code(), kind.xmlrpc_code(), "XML-RPC");
                prop_assert_eq!(code(by_json_rpc), code(*kind), "JSON-RPC");
                prop_assert_eq!(rest.as_ref().err(), Some(&kind.http_status()), "REST");
                let blamed =
                    if kind.is_senders() { StatusCode::BAD_REQUEST } else { StatusCode::INTERNAL_SERVER_ERROR };
                prop_assert_eq!(soap_11.as_ref().err(), Some(&StatusCode::INTERNAL_SERVER_ERROR), "SOAP 1.1");
                prop_assert_eq!(soap_12.as_ref().err(), Some(&blamed), "SOAP 1.2");
            }
        }
        Ok(())
    });
    outcome.unwrap();
}
