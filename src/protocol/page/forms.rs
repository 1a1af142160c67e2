//! The forms of the values of an interface, as compact data for the script of the page.
//!
//! A member that has its usual value is left out: an element or a path with the name of its field, `required` and `safe` that are
//! false, and a default that does not exist.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::model::interface::Interface;
use crate::model::shape::{Field, MethodShape, Record, Shape, Shapes};

/// The most fields that the definitions of a page have together. The script writes deeper values without their types.
const MAX_FIELDS: usize = 2000;

/// The forms of the methods of an interface.
#[derive(Default)]
pub(super) struct Forms {
    /// The methods, in the order of the interface.
    pub(super) methods: Vec<Value>,
    /// The named forms to which the parameters refer, by name.
    pub(super) definitions: Map<String, Value>,
    /// Whether there are more named forms than a page can have.
    pub(super) is_cut: bool,
}

/// The forms of the methods of an interface.
pub(super) fn forms(interface: &Interface) -> Forms {
    let shapes = Shapes::of(interface);
    let safe = |name: &str| interface.method(name).is_some_and(|method| method.safe);
    let (found, is_cut) = definitions_of_params(&shapes);
    let writer = FormWriter { interface, shapes: &shapes, known: found.iter().copied().collect() };
    let methods = shapes.methods().iter().map(|shape| writer.method(shape, safe(&shape.name))).collect();
    let definitions = found.iter().filter_map(|index| shapes.definitions().get(*index));
    let definitions = definitions.map(|definition| (definition.name.clone(), writer.form(&definition.shape))).collect();
    Forms { methods, definitions, is_cut }
}

/// The definitions to which the parameters refer, and those to which these refer, the nearest first, up to a number of
/// fields; and whether there are more.
fn definitions_of_params(shapes: &Shapes) -> (Vec<usize>, bool) {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for param in shapes.methods().iter().flat_map(|method| &method.params) {
        add_named(&param.shape, &mut found, &mut seen);
    }
    let (mut next, mut fields) = (0, 0);
    while let Some(definition) = found.get(next).and_then(|index| shapes.definitions().get(*index)) {
        fields += add_named(&definition.shape, &mut found, &mut seen);
        if fields > MAX_FIELDS {
            found.truncate(next);
            return (found, true);
        }
        next += 1;
    }
    (found, false)
}

/// Adds the definitions to which a shape refers, and returns the number of its fields.
fn add_named(shape: &Shape, found: &mut Vec<usize>, seen: &mut HashSet<usize>) -> usize {
    match shape {
        Shape::Named(index) => {
            if seen.insert(*index) {
                found.push(*index);
            }
            1
        }
        Shape::Optional(inner) | Shape::List(inner) => add_named(inner, found, seen),
        Shape::Tuple(fields) => fields.iter().map(|field| add_named(&field.shape, found, seen)).sum(),
        Shape::Record(Record { fields, further }) => {
            let further = further.as_deref().map_or(0, |shape| add_named(shape, found, seen));
            fields.iter().map(|field| add_named(&field.shape, found, seen)).sum::<usize>() + further
        }
        _ => 1,
    }
}

struct FormWriter<'s> {
    interface: &'s Interface,
    shapes: &'s Shapes,
    /// The definitions that are among the data.
    known: HashSet<usize>,
}

impl FormWriter<'_> {
    fn method(&self, method: &MethodShape, safe: bool) -> Value {
        let mut form = Map::from_iter([("name".to_owned(), json!(method.name))]);
        if method.element != method.name {
            form.insert("element".to_owned(), json!(method.element));
        }
        let path = self.interface.method_path(&method.name);
        if path != method.name.as_str() {
            form.insert("path".to_owned(), json!(path));
        }
        if safe {
            form.insert("safe".to_owned(), json!(true));
        }
        form.insert("params".to_owned(), self.fields(&method.params));
        if method.has_free_arguments {
            form.insert("free".to_owned(), json!(true));
        }
        form.into()
    }

    fn fields(&self, fields: &[Field]) -> Value {
        fields.iter().map(|field| self.field(field)).collect()
    }

    fn field(&self, field: &Field) -> Value {
        let mut form = Map::from_iter([("name".to_owned(), json!(field.name))]);
        if field.element != field.name {
            form.insert("element".to_owned(), json!(field.element));
        }
        form.insert("form".to_owned(), self.form(&field.shape));
        if field.required {
            form.insert("required".to_owned(), json!(true));
        }
        if let Some(default) = field.default.as_ref().filter(|_| !field.required) {
            // An array, since the default may be null.
            form.insert("default".to_owned(), json!([default]));
        }
        form.into()
    }

    /// The form of a shape: a word for a scalar, and otherwise an object whose first key is the kind.
    fn form(&self, shape: &Shape) -> Value {
        match shape {
            Shape::Nil => json!("nil"),
            Shape::Bool => json!("bool"),
            Shape::Int(_) => json!("int"),
            Shape::Double => json!("double"),
            Shape::Text | Shape::Choice(_) => json!("text"),
            Shape::Date => json!("date"),
            Shape::Binary => json!("binary"),
            Shape::Optional(inner) => json!({ "optional": self.form(inner) }),
            Shape::List(item) => json!({ "list": self.form(item) }),
            Shape::Tuple(items) => json!({ "tuple": self.fields(items) }),
            Shape::Record(Record { fields: members, further: None }) => json!({ "record": self.fields(members) }),
            Shape::Record(Record { fields: members, further: Some(further) }) => {
                json!({ "record": self.fields(members), "further": self.form(further) })
            }
            Shape::Named(index) => self.named(*index),
            _ => json!("any"),
        }
    }

    fn named(&self, index: usize) -> Value {
        match self.shapes.definitions().get(index) {
            Some(definition) if self.known.contains(&index) => json!({ "named": definition.name }),
            Some(_) => json!("deep"),
            None => json!("any"),
        }
    }
}
