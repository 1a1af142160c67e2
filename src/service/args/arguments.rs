//! Arguments for an upstream: read as values, then put into the order, the names and the types of the upstream's method.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::{ArgumentError, placement};
use crate::model::coerce::coerce;
use crate::model::fault::Fault;
use crate::model::interface::Param;
use crate::model::shape::{Field, MethodShape, Shape, Shapes};
use crate::model::value::Value;

/// The arguments of a call, as values.
#[derive(Debug, Clone, PartialEq)]
pub enum ArgValues {
    /// By position.
    ByPosition(Vec<Value>),
    /// By name. No name occurs twice.
    ByName(Vec<(String, Value)>),
}

/// The description of a method of an upstream.
#[derive(Debug, Clone, Copy)]
pub struct KnownParams<'a> {
    /// Its parameters and its result.
    pub method: &'a MethodShape,
    /// The shapes to which its types refer.
    pub shapes: &'a Shapes,
    /// Whether the number of parameters, and which of them are required, is inferred: some servers omit optional parameters
    /// from a signature, others list them as required. The server then checks the number itself.
    pub inferred: bool,
}

impl Default for ArgValues {
    fn default() -> Self {
        ArgValues::ByPosition(Vec::new())
    }
}

impl ArgValues {
    /// The values in the order of the parameters, converted to their types; `None` for each parameter that is omitted. After
    /// them come the arguments for which an inferred interface has no parameter.
    ///
    /// # Errors
    /// `BadParams` for a name that the method does not have, and, unless the interface is inferred, if there are too many
    /// arguments or one is missing.
    pub fn placed(self, known: KnownParams<'_>) -> Result<Vec<Option<Value>>, Fault> {
        if known.method.has_free_arguments {
            return Ok(self.free()?.into_iter().map(Some).collect());
        }
        let params = &known.method.params;
        let mut placed: Vec<Option<Value>> = match self {
            ArgValues::ByPosition(values) => {
                let count = if known.inferred { values.len() } else { params.len() };
                placement::by_position(count, values.into_iter()).map_err(ArgumentError::into_fault)?
            }
            ArgValues::ByName(members) => {
                let members = members.into_iter().map(|(name, value)| (Cow::Owned(name), value));
                placement::by_name(params, |field: &Field| &field.name, members).map_err(ArgumentError::into_fault)?
            }
        };
        placed.resize(placed.len().max(params.len()), None);
        for (place, field) in placed.iter_mut().zip(params) {
            *place = place.take().map(|value| coerce(value, &field.shape, known.shapes));
            if place.is_none() && field.required && !known.inferred {
                if !field.may_be_absent() {
                    return Err(missing(field));
                }
                *place = empty_value(&field.shape);
            }
        }
        Ok(placed)
    }

    /// The arguments by position. A parameter that is omitted before one that is given gets its default value, or nil or an
    /// empty array if its type allows that.
    ///
    /// # Errors
    /// As for [`placed`](ArgValues::placed), and `BadParams` if there is no default for a parameter that must have a value.
    pub fn by_position(self, known: KnownParams<'_>) -> Result<Vec<Value>, Fault> {
        let mut placed = self.placed(known)?;
        let count = placed.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        placed.truncate(count);
        let filled = placed.into_iter().enumerate().map(|(at, place)| match (place, known.method.params.get(at)) {
            (Some(value), _) => Ok(value),
            (None, Some(field)) => value_if_omitted(field, known.shapes).ok_or_else(|| required_before_later(field)),
            (None, None) => Ok(Value::Nil),
        });
        filled.collect()
    }

    /// The arguments of a method of whose parameters nothing is known, by position: as they are given, or the items of a list
    /// that is named `args`.
    ///
    /// # Errors
    /// `BadParams` for other names, and if `args` is not a list.
    pub fn free(self) -> Result<Vec<Value>, Fault> {
        match self {
            ArgValues::ByPosition(values) => Ok(values),
            ArgValues::ByName(mut members) => {
                if let Some((name, _)) = members.iter().find(|(name, _)| name != Param::FREE_NAME) {
                    return Err(Fault::unknown_parameters(name));
                }
                match members.pop() {
                    None => Ok(Vec::new()),
                    Some((_, Value::Array(values))) => Ok(values),
                    Some(_) => Err(not_a_list()),
                }
            }
        }
    }

    /// Whether these are the arguments of a method of whose parameters nothing is known, as a list that is named `args`.
    pub fn is_free_list(&self) -> bool {
        matches!(self, ArgValues::ByName(members)
            if matches!(members.as_slice(), [(name, Value::Array(_))] if name == Param::FREE_NAME))
    }

    /// The arguments by name. Further arguments of an inferred interface are named by their position, such as `arg4`.
    ///
    /// # Errors
    /// As for [`placed`](ArgValues::placed).
    pub fn by_name(self, known: KnownParams<'_>) -> Result<Vec<(String, Value)>, Fault> {
        let placed = self.placed(known)?.into_iter().enumerate();
        let name = |at: usize| match known.method.params.get(at) {
            Some(field) if !known.method.has_free_arguments => field.name.clone(),
            _ => format!("arg{}", at + 1),
        };
        Ok(placed.filter_map(|(at, place)| Some((name(at), place?))).collect())
    }
}

fn not_a_list() -> Fault {
    let message = format!("parameter `{}`: a list of all arguments is expected, such as [1, \"a\"]", Param::FREE_NAME);
    ArgumentError::new(message).with_parameter(Param::FREE_NAME).into_fault()
}

fn missing(field: &Field) -> Fault {
    ArgumentError::new(format!("the parameter `{}` is missing", field.name)).with_parameter(&field.name).into_fault()
}

fn required_before_later(field: &Field) -> Fault {
    let message = format!("the parameter `{}` is required if a later one is given", field.name);
    ArgumentError::new(message).with_parameter(&field.name).into_fault()
}

/// The value for an omitted parameter that precedes one that is given.
fn value_if_omitted(field: &Field, shapes: &Shapes) -> Option<Value> {
    match &field.default {
        Some(default) => Some(coerce(of_json(default), &field.shape, shapes)),
        None => empty_value(&field.shape),
    }
}

/// The value that means the same as an omitted parameter; `None` if the type has none.
fn empty_value(shape: &Shape) -> Option<Value> {
    match shape {
        Shape::Nil | Shape::Optional(_) => Some(Value::Nil),
        Shape::List(_) => Some(Value::Array(Vec::new())),
        _ => None,
    }
}

/// The default value in a schema.
fn of_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => Value::Number(number.into()),
            (None, None) => number.as_f64().map_or(Value::Nil, Value::Double),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::Array(items.iter().map(of_json).collect()),
        Json::Object(members) => {
            Value::Struct(members.iter().map(|(name, value)| (name.clone(), of_json(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use schemars::{JsonSchema, Schema};
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;
    use crate::model::interface::{Interface, Method};
    use crate::service::args::Args;

    /// A method of the parameters `when`, `times` (2 by default), `note` (an option) and `share` (no default).
    fn shapes() -> Shapes {
        let param = |name: &str, schema: serde_json::Value, required| Param {
            name: name.into(),
            doc: String::new(),
            schema: Schema::try_from(schema).unwrap(),
            required,
        };
        let params = vec![
            param("when", json!({ "type": "string", "format": "date-time" }), true),
            param("times", json!({ "type": "integer", "default": 2 }), false),
            param("note", json!({ "type": ["string", "null"] }), false),
            param("share", json!({ "type": "number" }), false),
        ];
        let result = bool::json_schema(&mut schemars::SchemaGenerator::default());
        let method = Method { name: "m".into(), doc: String::new(), params, result, safe: false };
        Shapes::of(&Interface { methods: vec![method], ..Interface::default() })
    }

    fn arguments(json: &str) -> ArgValues {
        Args::Json(&RawValue::from_string(json.to_owned()).unwrap()).read_values().unwrap()
    }

    fn by_position(json: &str, inferred: bool) -> Result<Vec<Value>, Fault> {
        let shapes = shapes();
        arguments(json).by_position(KnownParams { method: shapes.method("m").unwrap(), shapes: &shapes, inferred })
    }

    fn by_name(json: &str) -> Vec<(String, Value)> {
        let shapes = shapes();
        arguments(json)
            .by_name(KnownParams { method: shapes.method("m").unwrap(), shapes: &shapes, inferred: false })
            .unwrap()
    }

    fn when() -> Value {
        Value::Date("1998-07-17T14:08:55".parse().unwrap())
    }

    const WHEN: &str = r#""19980717T14:08:55""#;

    #[test]
    fn names_become_positions_with_defaults_between() {
        let given = by_position(&format!(r#"{{"share": 1, "when": {WHEN}}}"#), false).unwrap();
        assert_eq!(given, [when(), Value::Int(2), Value::Nil, Value::Double(1.0)]);
        assert_eq!(by_position(&format!(r#"{{"when": {WHEN}}}"#), false).unwrap(), [when()]);
    }

    #[test]
    fn positions_become_names() {
        let expected = [("when".to_owned(), when()), ("times".to_owned(), Value::Int(3))];
        assert_eq!(by_name(&format!("[{WHEN}, 3.0]")), expected);
        assert_eq!(by_name(&format!(r#"{{"times": 3, "when": {WHEN}}}"#)), expected);
    }

    #[test]
    fn what_the_method_does_not_take_is_refused() {
        for (json, message, parameter) in [
            ("[]", "the parameter `when` is missing", Some("when")),
            (r#"{"times": 1}"#, "the parameter `when` is missing", Some("when")),
            (r#"{"wen": 1}"#, "there is no parameter `wen`; did you mean `when`?", Some("wen")),
            ("[1, 2, 3, 4, 5]", "the method takes at most 4 parameters, 5 given", None),
        ] {
            let fault = by_position(json, false).unwrap_err();
            assert_eq!((fault.message.as_ref(), fault.parameter.as_deref()), (message, parameter));
        }
    }

    #[test]
    fn an_inferred_interface_accepts_any_number_of_parameters() {
        assert_eq!(by_position("[]", true).unwrap(), []);
        assert_eq!(by_position(&format!("[{WHEN}, 1, null, 2, 3]"), true).unwrap().last(), Some(&Value::Int(3)));
        assert!(by_position(r#"{"wen": 1}"#, true).is_err());
        let fault = by_position(r#"{"times": 1}"#, true).unwrap_err();
        assert_eq!(fault.message, "the parameter `when` is required if a later one is given");
    }

    #[test]
    fn free_arguments_are_given_by_position_or_as_one_list() {
        let free = |json: &str| arguments(json).free();
        let expected = [Value::Int(1), Value::Array(vec![Value::Int(2)])];
        assert_eq!(free("[1, [2]]").unwrap(), expected);
        assert_eq!(free(r#"{"args": [1, [2]]}"#).unwrap(), expected);
        assert_eq!((free("{}").unwrap(), free(r#"{"args": []}"#).unwrap()), (Vec::new(), Vec::new()));
        for (json, parameter) in
            [(r#"{"a": 1}"#, "a"), (r#"{"args": [1], "b": 2}"#, "b"), (r#"{"args": {"a": 1}}"#, "args")]
        {
            assert_eq!(free(json).unwrap_err().parameter.as_deref(), Some(parameter), "{json}");
        }
        assert!(arguments(r#"{"args": []}"#).is_free_list());
        for other in ["[]", "{}", r#"{"args": 1}"#, r#"{"args": [], "b": 1}"#, r#"{"Args": []}"#] {
            assert!(!arguments(other).is_free_list(), "{other}");
        }
    }

    #[test]
    fn arguments_of_no_known_method_are_as_they_came() {
        assert_eq!(arguments("[1, \"a\"]"), ArgValues::ByPosition(vec![Value::Int(1), Value::Text("a".into())]));
        assert_eq!(arguments(r#"{"a": null}"#), ArgValues::ByName(vec![("a".into(), Value::Nil)]));
        assert_eq!(Args::None.read_values(), Ok(ArgValues::default()));
        let twice = RawValue::from_string(r#"{"a": 1, "a": 2}"#.into()).unwrap();
        assert!(Args::Json(&twice).read_values().is_err());
    }
}
