//! Compiles JSON Schema to shapes.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Definition, Field, MethodShape, Record, Shape, Shapes, Width, escape};
use crate::model::interface::{Interface, Method};

/// How deep schemas may nest. Anything deeper becomes [`Shape::Any`].
const DEEPEST: usize = 64;

type SchemaObject = Map<String, Value>;

pub(super) fn shapes(interface: &Interface) -> Shapes {
    let compiler = Compiler { defs: &interface.defs };
    let definitions = interface.defs.iter().map(|(name, schema)| Definition {
        name: name.clone(),
        element: escape(name).into_owned(),
        doc: text(schema, "description"),
        shape: compiler.shape(schema, 0),
    });
    let mut definitions: Vec<_> = definitions.collect();
    settle_definitions(&mut definitions);
    let methods = interface.methods.iter().map(|method| compiler.method(method, &interface.methods));
    let mut shapes = Shapes { methods: methods.collect(), definitions };
    let Shapes { methods, definitions } = &mut shapes;
    for method in methods {
        method.params.iter_mut().for_each(|field| field.shape.settle(definitions));
        method.result.settle(definitions);
    }
    shapes
}

/// Replaces names of definitions by their shapes, except for types that need a name.
fn settle_definitions(definitions: &mut [Definition]) {
    let before = definitions.to_vec();
    for definition in definitions {
        definition.shape = before_names(&definition.shape, &before);
        definition.shape.settle(&before);
    }
}

/// Follows names to a shape; `Any` if they form a cycle.
fn before_names(shape: &Shape, definitions: &[Definition]) -> Shape {
    let mut shape = shape;
    for _ in 0..=definitions.len() {
        match shape {
            Shape::Named(at) => shape = definitions.get(*at).map_or(&Shape::Any, |definition| &definition.shape),
            shape => return shape.clone(),
        }
    }
    Shape::Any
}

impl Shape {
    /// Replaces names in this shape, at any depth, except for types that need a name.
    fn settle(&mut self, definitions: &[Definition]) {
        match self {
            Shape::Named(_) => match before_names(self, definitions) {
                Shape::Choice(_) | Shape::List(_) | Shape::Tuple(_) | Shape::Record(_) => {}
                // The inner type may be a name. Only one level is followed: a type that is an option of itself does not
                // occur.
                Shape::Optional(inner) => *self = optional(before_option(*inner, definitions)),
                plain => *self = plain,
            },
            Shape::Optional(inner) => {
                inner.settle(definitions);
                *self = optional(std::mem::replace(inner, Shape::Any));
            }
            Shape::List(item) => item.settle(definitions),
            Shape::Tuple(fields) => fields.iter_mut().for_each(|field| field.settle(definitions)),
            Shape::Record(record) => {
                record.fields.iter_mut().for_each(|field| field.settle(definitions));
                if let Some(further) = &mut record.further {
                    further.settle(definitions);
                }
            }
            _ => {}
        }
    }
}

impl Field {
    fn settle(&mut self, definitions: &[Definition]) {
        self.shape.settle(definitions);
    }
}

fn before_option(inner: Shape, definitions: &[Definition]) -> Shape {
    match &inner {
        Shape::Named(_) => match before_names(&inner, definitions) {
            Shape::Choice(_) | Shape::List(_) | Shape::Tuple(_) | Shape::Record(_) => inner,
            Shape::Optional(_) => Shape::Any,
            plain => plain,
        },
        _ => inner,
    }
}

fn optional(inner: Shape) -> Shape {
    match inner {
        Shape::Any | Shape::Nil | Shape::Optional(_) => inner,
        inner => Shape::Optional(Box::new(inner)),
    }
}

struct Compiler<'i> {
    defs: &'i SchemaObject,
}

impl Compiler<'_> {
    fn method(&self, method: &Method, all: &[Method]) -> MethodShape {
        let params = method.params.iter().map(|param| {
            let shape = self.shape(param.schema.as_value(), 0);
            let default = param.schema.get("default").cloned();
            field(&param.name, param.doc.clone(), shape, param.required, default)
        });
        let mut response = format!("{}Response", method.name);
        while all.iter().any(|other| other.name == response) {
            response.push('_');
        }
        MethodShape {
            name: method.name.clone(),
            element: escape(&method.name).into_owned(),
            response_element: escape(&response).into_owned(),
            params: params.collect(),
            result: self.shape(method.result.as_value(), 0),
            has_free_arguments: method.has_free_arguments(),
        }
    }

    fn shape(&self, schema: &Value, depth: usize) -> Shape {
        let Some(schema) = schema.as_object().filter(|_| depth < DEEPEST) else { return Shape::Any };
        if let Some(target) = schema.get("$ref") {
            return self.reference(target);
        }
        if let Some(only) = schema.get("const") {
            return choice(std::slice::from_ref(only));
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            return choice(values);
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            if let Some(Value::Array(schemas)) = schema.get(key).filter(|_| !only_restricts(schema, key)) {
                return if key == "allOf" { self.all_of(schema, schemas, depth) } else { self.any_of(schemas, depth) };
            }
        }
        match schema.get("type") {
            Some(Value::String(word)) => self.typed(word, schema, depth),
            Some(Value::Array(words)) => self.one_type(words, schema, depth),
            _ if schema.contains_key("properties") => self.typed("object", schema, depth),
            _ => Shape::Any,
        }
    }

    fn reference(&self, target: &Value) -> Shape {
        let name = target.as_str().and_then(|target| target.strip_prefix("#/$defs/"));
        let name = name.map(|name| name.replace("~1", "/").replace("~0", "~"));
        let at = name.and_then(|name| self.defs.keys().position(|key| *key == name));
        at.map_or(Shape::Any, Shape::Named)
    }

    /// One of several schemas: an optional value, a choice of texts, or otherwise any value.
    fn any_of(&self, schemas: &[Value], depth: usize) -> Shape {
        let shapes: Vec<_> = schemas.iter().map(|schema| self.shape(schema, depth + 1)).collect();
        let nil = shapes.contains(&Shape::Nil);
        let mut texts = Vec::new();
        let mut others = shapes.into_iter().filter(|shape| *shape != Shape::Nil);
        let Some(first) = others.next() else { return if nil { Shape::Nil } else { Shape::Any } };
        let shape = match (others.next(), first) {
            (None, only) => only,
            (Some(second), first) => {
                for shape in [first, second].into_iter().chain(others) {
                    match shape {
                        Shape::Choice(more) => texts.extend(more),
                        _ => return Shape::Any,
                    }
                }
                Shape::Choice(texts)
            }
        };
        if nil { optional(shape) } else { shape }
    }

    /// All of several schemas. The result is known only if exactly one of them says anything.
    fn all_of(&self, schema: &SchemaObject, schemas: &[Value], depth: usize) -> Shape {
        match schemas {
            [only] if !schema.contains_key("properties") => self.shape(only, depth + 1),
            _ => Shape::Any,
        }
    }

    fn one_type(&self, words: &[Value], schema: &SchemaObject, depth: usize) -> Shape {
        let mut others = words.iter().filter_map(Value::as_str).filter(|word| *word != "null");
        let shape = match (others.next(), others.next()) {
            (Some(word), None) => self.typed(word, schema, depth),
            (None, _) => Shape::Nil,
            (Some(_), Some(_)) => Shape::Any,
        };
        if words.iter().any(|word| word == "null") { optional(shape) } else { shape }
    }

    fn typed(&self, word: &str, schema: &SchemaObject, depth: usize) -> Shape {
        let says = |key, value: &str| schema.get(key).is_some_and(|said| said == value);
        match word {
            "null" => Shape::Nil,
            "boolean" => Shape::Bool,
            "integer" => Shape::Int(width(schema)),
            "number" => Shape::Double,
            "string" if says("format", "date-time") => Shape::Date,
            "string" if says("contentEncoding", "base64") => Shape::Binary,
            "string" => Shape::Text,
            "array" => self.array(schema, depth),
            "object" => self.object(schema, depth),
            _ => Shape::Any,
        }
    }

    fn array(&self, schema: &SchemaObject, depth: usize) -> Shape {
        let items = schema.get("items");
        let Some(Value::Array(fixed)) = schema.get("prefixItems") else {
            return Shape::List(Box::new(items.map_or(Shape::Any, |items| self.shape(items, depth + 1))));
        };
        let exactly = |key| schema.get(key).and_then(Value::as_u64) == u64::try_from(fixed.len()).ok();
        if !(exactly("minItems") && (exactly("maxItems") || items == Some(&Value::Bool(false)))) {
            return Shape::List(Box::new(Shape::Any));
        }
        let titles: HashSet<_> = fixed.iter().map(|item| text(item, "title")).filter(|it| !it.is_empty()).collect();
        let titled = titles.len() == fixed.len();
        let fields = fixed.iter().enumerate().map(|(at, item)| {
            let name = if titled { text(item, "title") } else { format!("arg{}", at + 1) };
            field(&name, text(item, "description"), self.shape(item, depth + 1), true, None)
        });
        Shape::Tuple(fields.collect())
    }

    fn object(&self, schema: &SchemaObject, depth: usize) -> Shape {
        let required = |name: &str| {
            let names = schema.get("required").and_then(Value::as_array);
            names.is_some_and(|names| names.iter().any(|required| required == name))
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        let fields = properties.into_iter().flatten().map(|(name, schema)| {
            let (doc, default) = (text(schema, "description"), schema.get("default").cloned());
            field(name, doc, self.shape(schema, depth + 1), required(name), default)
        });
        let fields: Vec<_> = fields.collect();
        let further = match (schema.get("additionalProperties"), schema.get("patternProperties")) {
            (Some(Value::Bool(false)), None) => None,
            // schemars describes maps with keys other than text by a pattern.
            (Some(Value::Bool(false)) | None, Some(Value::Object(patterns))) if patterns.len() == 1 => {
                patterns.values().next().map(|further| self.shape(further, depth + 1))
            }
            (_, Some(_)) => Some(Shape::Any),
            (Some(further), None) => Some(self.shape(further, depth + 1)),
            // A record that does not mention further members writes none; its deserializer decides whether it accepts any.
            (None, None) if fields.is_empty() && properties.is_none() => Some(Shape::Any),
            (None, None) => None,
        };
        if further.is_some() && fields.iter().any(|field| field.element == "entry") {
            return Shape::Any;
        }
        Shape::Record(Record { fields, further: further.map(Box::new) })
    }
}

fn field(name: &str, doc: String, shape: Shape, required: bool, default: Option<Value>) -> Field {
    let none = Value::Array(Vec::new());
    let shape = match shape {
        list @ Shape::List(_) if !required && default.as_ref() != Some(&none) => optional(list),
        shape => shape,
    };
    Field { name: name.to_owned(), element: escape(name).into_owned(), doc, shape, required, default }
}

fn choice(values: &[Value]) -> Shape {
    let texts: Vec<_> = values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let nil = values.iter().any(Value::is_null);
    match values.len() - texts.len() {
        0 if !texts.is_empty() => Shape::Choice(texts),
        1 if nil && texts.is_empty() => Shape::Nil,
        1 if nil => optional(Shape::Choice(texts)),
        _ => Shape::Any,
    }
}

/// Whether the schemas of a record that a keyword combines say only which of the record's own members go together, as those
/// of a choice do.
fn only_restricts(schema: &SchemaObject, key: &str) -> bool {
    let Some(Value::Object(own)) = schema.get("properties") else { return false };
    let is_restriction = |schema: &Value| restricts(own, schema);
    schema.get(key).and_then(Value::as_array).is_some_and(|all| all.iter().all(is_restriction))
}

fn restricts(own: &SchemaObject, schema: &Value) -> bool {
    let Some(schema) = schema.as_object() else { return false };
    schema.iter().all(|(word, value)| match word.as_str() {
        "type" => value == "object",
        "required" => true,
        "properties" => value.as_object().is_some_and(|members| members.keys().all(|name| own.contains_key(name))),
        "not" => restricts(own, value),
        "oneOf" | "anyOf" => value.as_array().is_some_and(|all| {
            let is_simple = |it: &Value| it.as_object().is_some_and(|it| !it.contains_key("oneOf"));
            all.iter().all(|it| is_simple(it) && restricts(own, it))
        }),
        _ => false,
    })
}

/// The narrowest type for a schema's format and bounds.
fn width(schema: &SchemaObject) -> Width {
    let formats = match schema.get("format").and_then(Value::as_str) {
        Some("int8" | "int16" | "int32") => (i32::MIN.into(), i32::MAX.into()),
        Some("uint8" | "uint16" | "uint32") => (0, u32::MAX.into()),
        Some("int64" | "int") => (i64::MIN.into(), i64::MAX.into()),
        Some("uint64" | "uint") => (0, u64::MAX.into()),
        _ => (i128::MIN, i128::MAX),
    };
    let bound = |keys: [&str; 2]| keys.iter().find_map(|key| whole(schema.get(*key)?));
    let least = bound(["minimum", "exclusiveMinimum"]).unwrap_or(i128::MIN).max(formats.0);
    let most = bound(["maximum", "exclusiveMaximum"]).unwrap_or(i128::MAX).min(formats.1);
    let fits = |low: i128, high: i128| least >= low && most <= high;
    if fits(i32::MIN.into(), i32::MAX.into()) {
        Width::Int
    } else if fits(0, u32::MAX.into()) {
        Width::UnsignedInt
    } else if fits(i64::MIN.into(), i64::MAX.into()) {
        Width::Long
    } else if fits(0, u64::MAX.into()) {
        Width::UnsignedLong
    } else {
        Width::Unbounded
    }
}

fn whole(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

fn text(schema: &Value, key: &str) -> String {
    schema.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
