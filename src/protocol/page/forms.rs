//! The forms of an interface's values, as the page's script reads them: compact, and without what it does not ask for.

use serde_json::{Value, json};

use crate::model::interface::Interface;
use crate::model::shape::{Field, MethodShape, Record, Shape, Shapes};

/// The methods and the named forms.
pub(super) fn forms(interface: &Interface) -> (Value, Value) {
    let shapes = Shapes::of(interface);
    let safe = |name: &str| interface.method(name).is_some_and(|method| method.safe);
    let methods = shapes.methods().iter().map(|of| method(of, safe(&of.name))).collect();
    (methods, shapes.definitions().iter().map(|definition| form(&definition.shape)).collect())
}

fn method(method: &MethodShape, safe: bool) -> Value {
    json!({"name": method.name, "element": method.element, "safe": safe, "params": fields(&method.params)})
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

/// A word for what is written as one text, and otherwise an object whose first key says what it is.
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
        Shape::Tuple(of) => json!({ "tuple": fields(of) }),
        Shape::Record(Record { fields: of, further }) => {
            json!({ "record": fields(of), "further": further.as_deref().map(form) })
        }
        Shape::Named(at) => json!({ "named": at }),
        _ => json!("any"),
    }
}
