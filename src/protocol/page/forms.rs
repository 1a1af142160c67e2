//! The forms of the values of an interface, as compact data for the script of the page.

use serde_json::{Value, json};

use crate::model::interface::Interface;
use crate::model::shape::{Field, MethodShape, Record, Shape, Shapes};

/// The methods and the named forms.
pub(super) fn forms(interface: &Interface) -> (Value, Value) {
    let shapes = Shapes::of(interface);
    let safe = |name: &str| interface.method(name).is_some_and(|method| method.safe);
    let methods = shapes.methods().iter().map(|shape| method(shape, safe(&shape.name))).collect();
    (methods, shapes.definitions().iter().map(|definition| form(&definition.shape)).collect())
}

fn method(method: &MethodShape, safe: bool) -> Value {
    let mut form =
        json!({"name": method.name, "element": method.element, "safe": safe, "params": fields(&method.params)});
    // Few methods are like that, so the others do not say that they are not.
    if method.has_free_arguments
        && let Some(members) = form.as_object_mut()
    {
        members.insert("free".to_owned(), true.into());
    }
    form
}

fn fields(fields: &[Field]) -> Value {
    fields.iter().map(field).collect()
}

fn field(field: &Field) -> Value {
    let default = field.default.as_ref().filter(|_| !field.required);
    json!({
        "name": field.name,
        "element": field.element,
        "form": form(&field.shape),
        "required": field.required,
        // An array, since the default may be null.
        "default": default.into_iter().collect::<Vec<_>>(),
    })
}

/// The form of a shape: a word for a scalar, and otherwise an object whose first key is the kind.
fn form(shape: &Shape) -> Value {
    match shape {
        Shape::Nil => json!("nil"),
        Shape::Bool => json!("bool"),
        Shape::Int(_) => json!("int"),
        Shape::Double => json!("double"),
        Shape::Text | Shape::Choice(_) => json!("text"),
        Shape::Date => json!("date"),
        Shape::Binary => json!("binary"),
        Shape::Optional(inner) => json!({ "optional": form(inner) }),
        Shape::List(item) => json!({ "list": form(item) }),
        Shape::Tuple(items) => json!({ "tuple": fields(items) }),
        Shape::Record(Record { fields: members, further }) => {
            json!({ "record": fields(members), "further": further.as_deref().map(form) })
        }
        Shape::Named(at) => json!({ "named": at }),
        _ => json!("any"),
    }
}
