//! Random calls to every method of every service: what the service itself returns, and what it returns over a protocol.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use croupier::codec::json;
use croupier::codec::json::TypedJson;
use croupier::codec::xmlrpc::{BigIntegers, Nil, XmlRpcDialect};
use croupier::demo::diagnostics::diagnostics;
use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::model::coerce::coerce;
use croupier::model::interface::Method;
use croupier::model::shape::{Field, MethodShape, Shape, Shapes};
use croupier::protocol::frontend::{Claim, Frontend, GroupHead, GroupRequest};
use croupier::protocol::set::{ProtocolSet, ServerInfo};
use croupier::service::aggregate::{Aggregate, Composed, Given, OnError, Own, Part};
use croupier::service::args::Args;
use croupier::service::{Call, Context, Format, Output, RpcService};
use croupier::{Fault, Kind, Value};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use proptest::prelude::*;
use serde::Deserialize;

use super::every_type;
use super::trees::{carried, long_number};

/// The path of the group, for its namespace.
pub(crate) const PATH: &str = "/test";

/// How a call ended: with a value, or with a fault of this kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ShutdownReport {
    Value(Value),
    Fault(Kind),
}

/// The services, made anew for each call, so that seeded wheels spin the same over every protocol.
pub(crate) type Make = fn() -> Arc<dyn RpcService>;

pub(crate) const SERVICES: [Make; 8] = [
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
pub(crate) fn passed_on(to: impl RpcService) -> Aggregate {
    let to: Arc<dyn RpcService> = Arc::new(to);
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

pub(crate) fn wheel(family: Family) -> Arc<dyn RpcService> {
    Arc::new(WheelTable::new(family, Chance::seeded(7)).service().unwrap())
}

pub(crate) fn dialect() -> XmlRpcDialect {
    XmlRpcDialect { nil: Nil::Nil, big_integers: BigIntegers::ExI8, ..XmlRpcDialect::default() }
}

/// The protocols of each service's group, as in the built-in configuration except for what XML-RPC may carry.
pub(crate) static FRONTENDS: LazyLock<Vec<Vec<Arc<dyn Frontend>>>> = LazyLock::new(|| {
    let set = ProtocolSet { xml_rpc: dialect(), ..ProtocolSet::default() };
    SERVICES.iter().map(|_| set.of_group(PATH, &ServerInfo::default())).collect()
});

/// The forms of what each service takes and answers.
pub(crate) static SHAPES: LazyLock<Vec<Shapes>> =
    LazyLock::new(|| SERVICES.iter().map(|make| Shapes::of(&make().interface())).collect());

/// A value that fits a shape, mostly. One that does not is a word where no word belongs: in SOAP, which writes a number
/// as it writes a text, and a list of one as it writes a value, other mistakes cannot be made.
pub(crate) fn fitting(shapes: &Shapes, shape: &Shape, depth: u32) -> BoxedStrategy<Value> {
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
        _ => prop_oneof![9 => carried(), 1 => long_number().boxed()]
            .prop_filter("JSON has no number for it", finite)
            .boxed(),
    };
    match shapes.follow(shape) {
        Shape::Bool | Shape::Int(_) | Shape::Double | Shape::Date | Shape::Choice(_) => {
            prop_oneof![30 => fits, 1 => "[g-z]{1,5}".prop_map(Value::Text)].boxed()
        }
        _ => fits,
    }
}

/// Whether JSON has a number for all that is in a value.
pub(crate) fn finite(value: &Value) -> bool {
    match value {
        Value::Double(number) => number.is_finite(),
        Value::Array(items) => items.iter().all(finite),
        Value::Struct(members) => members.iter().all(|(_, it)| finite(it)),
        _ => true,
    }
}

/// A value for each of these fields.
pub(crate) fn all(shapes: &Shapes, fields: &[Field], depth: u32) -> BoxedStrategy<Vec<Value>> {
    let each: Vec<_> = fields.iter().map(|field| fitting(shapes, &field.shape, depth.saturating_sub(1))).collect();
    each.boxed()
}

/// A call: whose, which method, and with what.
#[derive(Debug, Clone)]
pub(crate) struct CallTarget {
    pub(crate) service: usize,
    pub(crate) method: String,
    pub(crate) args: Vec<Value>,
}

pub(crate) fn asked() -> impl Strategy<Value = CallTarget> {
    (0..SERVICES.len()).prop_flat_map(|service| {
        let (shapes, methods) = (&SHAPES[service], SHAPES[service].methods());
        (0..methods.len(), prop::bool::weighted(0.02)).prop_flat_map(move |(at, unknown)| {
            let method: &MethodShape = &methods[at];
            let name = if unknown { "no.such.method".to_owned() } else { method.name.clone() };
            all(shapes, &method.params, 4).prop_map(move |args| CallTarget { service, method: name.clone(), args })
        })
    })
}

/// What the service returns when it is called without a protocol.
pub(crate) fn directly(asked: &CallTarget) -> ShutdownReport {
    let service = SERVICES[asked.service]();
    let raw = serde_json::value::RawValue::from_string(json_of(&asked.args)).unwrap();
    let context = Context::default();
    let answer = block(service.call(Call::new(&asked.method, Args::Json(&raw), &context)));
    match answer.and_then(|answer| text_of(answer).map_err(|_| Fault::new(Kind::Service(None), "no form in JSON"))) {
        Ok(text) => ShutdownReport::Value(value_of_json(&text)),
        Err(fault) => ShutdownReport::Fault(fault.kind),
    }
}

pub(crate) fn text_of(answer: Output) -> Result<String, croupier::BoxError> {
    let (format, mut bytes) = (Format::Json(json::JsonDialect::default()), Vec::new());
    match answer {
        Output::One(value) => value.encode(format, &mut bytes)?,
        Output::Many(mut rows) => {
            bytes.push(b'[');
            while rows.fill(format, &mut bytes, usize::MAX)? {}
            bytes.push(b']');
        }
        Output::Raw(_) => panic!("a call of this form has no raw response"),
    }
    Ok(String::from_utf8(bytes)?)
}

pub(crate) fn json_of<T: serde::Serialize + ?Sized>(value: &T) -> String {
    let mut bytes = Vec::new();
    json::write_value(&mut bytes, value, json::JsonDialect::default()).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The value of a JSON text, with all digits of its numbers.
pub(crate) fn value_of_json(text: &str) -> Value {
    let raw: &serde_json::value::RawValue = serde_json::from_str(text).unwrap();
    Value::deserialize(TypedJson(raw)).unwrap()
}

/// The member of this name, if the value is a struct that has one.
pub(crate) fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let Value::Struct(members) = value else { return None };
    members.iter().find(|(own, _)| own == name).map(|(_, value)| value)
}

/// The same value as a WSDL document can say it: tuples with named items are structs.
pub(crate) fn by_wsdl(value: Value, shape: &Shape, shapes: &Shapes) -> Value {
    match (shapes.follow(shape), value) {
        (Shape::Optional(inner), value) => by_wsdl(value, inner, shapes),
        (Shape::List(item), Value::Array(items)) => {
            Value::Array(items.into_iter().map(|value| by_wsdl(value, item, shapes)).collect())
        }
        (Shape::Tuple(fields), Value::Array(items)) => {
            let named = fields[0].name != "arg1";
            let items = items.into_iter().zip(fields);
            let items = items.map(|(value, field)| (field.name.clone(), by_wsdl(value, &field.shape, shapes)));
            match named {
                true => Value::Struct(items.collect()),
                false => Value::Array(items.map(|(_, value)| value).collect()),
            }
        }
        (Shape::Record(record), Value::Struct(members)) => {
            let members = members.into_iter().map(|(name, value)| {
                let field = record.fields.iter().find(|field| field.name == name);
                let shape = field.map(|field| &field.shape).or(record.further.as_deref()).unwrap_or(&Shape::Any);
                let value = by_wsdl(value, shape, shapes);
                (name, value)
            });
            Value::Struct(members.collect())
        }
        (_, value) => value,
    }
}

/// The same value without the members that SOAP leaves out.
pub(crate) fn told(value: Value) -> Value {
    match value {
        Value::Struct(members) => {
            let members = members.into_iter().map(|(name, value)| (name, told(value)));
            let left_out = |value: &Value| matches!(value, Value::Nil) || *value == Value::Array(Vec::new());
            let mut members: Vec<_> = members.filter(|(_, value)| !left_out(value)).collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Struct(members)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(told).collect()),
        value => value,
    }
}

/// Whether all types in a shape are known, so that no protocol can lose one.
pub(crate) fn is_typed(shapes: &Shapes, shape: &Shape, depth: usize) -> bool {
    let inner = |shape: &Shape| depth > 8 || is_typed(shapes, shape, depth + 1);
    match shapes.follow(shape) {
        Shape::Any => false,
        Shape::Optional(it) | Shape::List(it) => inner(it),
        Shape::Tuple(fields) => fields.iter().all(|field| inner(&field.shape)),
        Shape::Record(record) => {
            record.fields.iter().all(|field| inner(&field.shape)) && record.further.as_deref().is_none_or(inner)
        }
        _ => true,
    }
}

/// The value that a service has returned without a protocol, in the types that it has.
pub(crate) fn expected(asked: &CallTarget, json: &Value) -> Value {
    let shapes = &SHAPES[asked.service];
    let value = json.clone();
    match shapes.method(&asked.method) {
        Some(method) => coerce(value, &method.result, shapes),
        None => value,
    }
}

/// The status and the body of an answer to a POST.
pub(crate) fn post(asked: &CallTarget, tail: &str, media: &str, body: &[u8]) -> (StatusCode, String) {
    block(post_to(&SERVICES[asked.service](), &FRONTENDS[asked.service], tail, media, body))
}

/// The status and the body of a response to a POST to a service over one of these protocols.
pub(crate) async fn post_to(
    service: &Arc<dyn RpcService>,
    frontends: &[Arc<dyn Frontend>],
    tail: &str,
    media: &str,
    body: &[u8],
) -> (StatusCode, String) {
    let path = if tail.is_empty() { PATH.to_owned() } else { format!("{PATH}/{tail}") };
    let request = Request::post(path).header(header::CONTENT_TYPE, media).body(()).unwrap();
    let head = request.into_parts().0;
    let frontend = frontends.iter().find(|frontend| match frontend.claims(&GroupHead::new(&head, tail)) {
        Claim::No => false,
        Claim::Maybe => frontend.recognises(&head, body),
        Claim::Yes => true,
    });
    let reply =
        frontend.unwrap().serve(service, GroupRequest { head: &head, tail, body, context: &Context::default() });
    let response = reply.await.response;
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
