//! Shapes of all that Rust types and hand-written schemas are described by.

use std::collections::{BTreeMap, HashMap};

use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::model::interface::Method;

/// An interface with one method that returns this type.
fn interface<T: JsonSchema>() -> Interface {
    let mut generator = SchemaGenerator::default();
    let result = generator.subschema_for::<T>();
    let method = Method { name: "m".into(), doc: String::new(), params: Vec::new(), result, safe: false };
    Interface { methods: vec![method], defs: generator.take_definitions(true), ..Interface::default() }
}

/// A shape in a few characters.
fn line(shape: &Shape, shapes: &Shapes) -> String {
    let fields = |fields: &[Field]| {
        let field = |field: &Field| {
            let mark = if field.may_be_absent() { "?" } else { "" };
            format!("{}{mark}: {}", field.name, line(&field.shape, shapes))
        };
        fields.iter().map(field).collect::<Vec<_>>().join(", ")
    };
    match shape {
        Shape::Any => "any".into(),
        Shape::Nil => "nil".into(),
        Shape::Bool => "bool".into(),
        Shape::Int(width) => width.xsd().into(),
        Shape::Double => "double".into(),
        Shape::Text => "text".into(),
        Shape::Choice(texts) => texts.join("|"),
        Shape::Date => "date".into(),
        Shape::Binary => "binary".into(),
        Shape::Optional(inner) => format!("{}?", line(inner, shapes)),
        Shape::List(item) => format!("[{}]", line(item, shapes)),
        Shape::Tuple(members) => format!("({})", fields(members)),
        Shape::Record(record) => {
            let further = record.further.as_ref().map(|further| format!(" ..{}", line(further, shapes)));
            format!("{{{}{}}}", fields(&record.fields), further.unwrap_or_default())
        }
        Shape::Named(at) => shapes.definitions()[*at].name.clone(),
    }
}

fn of<T: JsonSchema>() -> String {
    let shapes = Shapes::of(&interface::<T>());
    line(&shapes.methods()[0].result, &shapes)
}

fn of_schema(schema: Value, defs: Value) -> String {
    let mut interface = interface::<()>();
    interface.methods[0].result = schema.try_into().unwrap();
    interface.defs = defs.as_object().unwrap().clone();
    let shapes = Shapes::of(&interface);
    line(&shapes.methods()[0].result, &shapes)
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only described")]
struct TreeNode {
    /// Its label.
    label: Option<String>,
    children: Vec<TreeNode>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default = "one_port")]
    ports: Vec<u16>,
    next: Option<Box<TreeNode>>,
}

fn one_port() -> Vec<u16> {
    vec![80]
}

#[derive(Deserialize, JsonSchema)]
enum Color {
    /// As blood.
    Red,
    Black,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only described")]
enum Figure {
    Dot,
    Circle(f64),
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only described")]
struct Percent(#[schemars(range(max = 100))] u8);

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only described")]
struct Coordinates(i32, f64);

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only described")]
struct Maybe(Option<Color>);

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only described")]
struct Extended {
    name: String,
    #[serde(flatten)]
    others: BTreeMap<String, i32>,
}

#[test]
fn rust_types_have_their_shapes() {
    for (found, expected) in [
        (of::<()>(), "nil"),
        (of::<bool>(), "bool"),
        (of::<i8>(), "int"),
        (of::<u16>(), "int"),
        (of::<u32>(), "unsignedInt"),
        (of::<i64>(), "long"),
        (of::<usize>(), "unsignedLong"),
        (of::<i128>(), "integer"),
        (of::<f32>(), "double"),
        (of::<char>(), "text"),
        (of::<crate::DateTime>(), "date"),
        (of::<crate::Binary>(), "binary"),
        (of::<crate::Value>(), "any"),
        (of::<Value>(), "any"),
        (of::<Option<Value>>(), "any"),
        (of::<Option<Option<i32>>>(), "int?"),
        (of::<Option<TreeNode>>(), "TreeNode?"),
        (of::<Vec<Option<Vec<i32>>>>(), "[[int]?]"),
        (of::<[i32; 3]>(), "[int]"),
        (of::<(i32, String)>(), "(arg1: int, arg2: text)"),
        (of::<HashMap<String, Vec<Color>>>(), "{ ..[Color]}"),
        (of::<HashMap<u32, f64>>(), "{ ..double}"),
        (of::<serde_json::Map<String, Value>>(), "{ ..any}"),
        (of::<Coordinates>(), "Coordinates"),
        (of::<Figure>(), "any"),
        (of::<Percent>(), "int"),
        (of::<Vec<Maybe>>(), "[Color?]"),
    ] {
        assert_eq!(found, expected);
    }
}

#[test]
fn definitions_end_recursion_and_keep_what_is_worth_a_name() {
    let shapes = Shapes::of(&interface::<(TreeNode, Coordinates, Maybe, Extended)>());
    let lines: Vec<_> =
        shapes.definitions().iter().map(|def| format!("{} = {}", def.name, line(&def.shape, &shapes))).collect();
    assert_eq!(
        lines,
        [
            "TreeNode = {label?: text?, children?: [TreeNode], tags?: [text], ports?: [int]?, next?: TreeNode?}",
            "Coordinates = (arg1: int, arg2: double)",
            "Maybe = Color?",
            "Color = Black|Red",
            "Extended = {name: text ..int}",
        ]
    );
}

#[test]
fn odd_schemas_are_anything_and_never_loop() {
    let none = || json!({});
    for (found, expected) in [
        (of_schema(json!(true), none()), "any"),
        (of_schema(json!({}), none()), "any"),
        (of_schema(json!({ "type": ["string", "integer"] }), none()), "any"),
        (of_schema(json!({ "type": ["null"] }), none()), "nil"),
        (of_schema(json!({ "type": "object" }), none()), "{ ..any}"),
        (of_schema(json!({ "type": "object", "properties": {} }), none()), "{}"),
        (of_schema(json!({ "properties": { "a": { "type": "integer" } } }), none()), "{a?: integer}"),
        (of_schema(json!({ "enum": ["a", null] }), none()), "a?"),
        (of_schema(json!({ "enum": [1, 2] }), none()), "any"),
        (of_schema(json!({ "const": "a" }), none()), "a"),
        (of_schema(json!({ "allOf": [{ "type": "null" }] }), none()), "nil"),
        (of_schema(json!({ "anyOf": [] }), none()), "any"),
        (of_schema(json!({ "type": "array" }), none()), "[any]"),
        (of_schema(json!({ "type": "array", "prefixItems": [true] }), none()), "[any]"),
        (of_schema(json!({ "$ref": "#/$defs/nowhere" }), none()), "any"),
        (of_schema(json!({ "$ref": "#/$defs/A" }), json!({ "A": { "$ref": "#/$defs/A" } })), "any"),
        (
            of_schema(
                json!({ "$ref": "#/$defs/A" }),
                json!({ "A": { "$ref": "#/$defs/B" }, "B": { "$ref": "#/$defs/A" } }),
            ),
            "any",
        ),
        (
            of_schema(
                json!({ "$ref": "#/$defs/A" }),
                json!({ "A": { "anyOf": [{ "$ref": "#/$defs/A" }, { "type": "null" }] } }),
            ),
            "any",
        ),
        (
            of_schema(
                json!({ "type": "object", "properties": { "entry": true }, "additionalProperties": true }),
                none(),
            ),
            "any",
        ),
        (of_schema(json!({ "type": "integer", "minimum": 0, "maximum": 4_000_000_000_u64 }), none()), "unsignedInt"),
        (of_schema(json!({ "type": "integer", "minimum": 0 }), none()), "integer"),
    ] {
        assert_eq!(found, expected);
    }
    let deep = (0..200).fold(json!({ "type": "null" }), |inner, _| json!({ "type": "array", "items": inner }));
    assert!(of_schema(deep, json!({})).contains("any"));
}

#[test]
fn a_response_element_differs_from_every_call() {
    let mut interface = interface::<()>();
    for name in ["a", "aResponse", "1/b"] {
        let mut method = interface.methods[0].clone();
        name.clone_into(&mut method.name);
        interface.methods.push(method);
    }
    let shapes = Shapes::of(&interface);
    let named = |name: &str| {
        let method = shapes.method(name).unwrap();
        [method.element.as_str(), method.response_element.as_str()]
    };
    assert_eq!(named("a"), ["a", "aResponse_"]);
    assert_eq!(named("aResponse"), ["aResponse", "aResponseResponse"]);
    assert_eq!(named("1/b"), ["_x0031__x002F_b", "_x0031__x002F_bResponse"]);
    assert_eq!(shapes.method_of_element("aResponse_"), None);
}
