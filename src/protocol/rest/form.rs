//! How a value of a type stands where there are only texts, as in a query: as the text of one value, as several, or as
//! a JSON text.

use serde_json::Value;

use crate::model::interface::Interface;

/// How many references and choices are followed on the way to a type; a schema that leads further, or in a circle, is
/// taken for one of any type.
const FURTHEST: usize = 16;

/// What the text of a value is.
#[derive(Debug, Clone, Copy)]
pub enum Form<'a> {
    /// The text of one value.
    One {
        /// What the text is read as.
        scalar: Scalar,
        /// Whether there may be no value. The word `null` says so, but not for a string, of which it is one.
        nullable: bool,
    },
    /// Several such texts one after the other: the items of a list.
    Many(Items<'a>),
    /// A JSON text: values of free form, records, lists of those, and whatever may be of several types.
    Json,
}

/// What is written without quotes or brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// The text itself.
    Text,
    /// A JSON number without fraction and exponent.
    Integer,
    /// A JSON number.
    Number,
    /// `true` or `false`.
    Boolean,
}

/// The types of a list's items.
#[derive(Debug, Clone, Copy)]
pub struct Items<'a> {
    interface: &'a Interface,
    list: &'a Value,
    /// How many references and choices may still be followed.
    further: usize,
}

impl<'a> Items<'a> {
    /// What the text of the item at this place is read as.
    pub fn at(self, place: usize) -> Scalar {
        self.schema(place).and_then(|schema| self.scalar(schema)).unwrap_or(Scalar::Text)
    }

    fn schema(self, place: usize) -> Option<&'a Value> {
        let first = self.list.get("prefixItems").and_then(Value::as_array);
        first.and_then(|first| first.get(place)).or_else(|| self.list.get("items"))
    }

    /// Whether each item is surely the text of one value.
    fn are_texts(self) -> bool {
        let first = self.list.get("prefixItems").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut schemas = first.iter().chain(self.list.get("items")).peekable();
        schemas.peek().is_some() && schemas.all(|schema| self.scalar(schema).is_some())
    }

    fn scalar(self, schema: &'a Value) -> Option<Scalar> {
        match Form::with_timeout(self.interface, schema, self.further) {
            Form::One { scalar, nullable: false } => Some(scalar),
            _ => None,
        }
    }
}

impl<'a> Form<'a> {
    /// The form of a type's values.
    pub fn of(interface: &'a Interface, schema: &'a Value) -> Form<'a> {
        Form::with_timeout(interface, schema, FURTHEST)
    }

    fn with_timeout(interface: &'a Interface, schema: &'a Value, further: usize) -> Form<'a> {
        let Some(further) = further.checked_sub(1) else { return Form::Json };
        let target = interface.resolve(schema);
        if !std::ptr::eq(target, schema) {
            return Form::with_timeout(interface, target, further);
        }
        let choices = ["anyOf", "oneOf", "allOf"].into_iter().find_map(|key| schema.get(key)?.as_array());
        match (schema.get("type"), choices) {
            (Some(Value::String(name)), _) => Form::named(interface, schema, name, further),
            (Some(Value::Array(names)), _) => {
                let forms = names.iter().filter_map(Value::as_str).map(|name| match name {
                    "null" => None,
                    name => Some(Form::named(interface, schema, name, further)),
                });
                Form::one_of(forms)
            }
            (None, Some(choices)) => {
                let forms = choices.iter().map(|choice| match is_null(choice) {
                    true => None,
                    false => Some(Form::with_timeout(interface, choice, further)),
                });
                Form::one_of(forms)
            }
            _ => Form::one_of(words(schema).iter().map(Form::of_word)),
        }
    }

    /// Whether the two are surely one form.
    fn is_as(self, other: Form<'_>) -> bool {
        match (self, other) {
            (Form::One { scalar, .. }, Form::One { scalar: other, .. }) => scalar == other,
            (Form::Json, Form::Json) => true,
            _ => false,
        }
    }

    fn named(interface: &'a Interface, schema: &'a Value, name: &str, further: usize) -> Form<'a> {
        let one = |scalar| Form::One { scalar, nullable: false };
        match name {
            "string" => one(Scalar::Text),
            "integer" => one(Scalar::Integer),
            "number" => one(Scalar::Number),
            "boolean" => one(Scalar::Boolean),
            "array" => {
                let items = Items { interface, list: schema, further };
                if items.are_texts() { Form::Many(items) } else { Form::Json }
            }
            _ => Form::Json,
        }
    }

    /// The form of a value that is given as a constant; `None` for null.
    fn of_word(word: &Value) -> Option<Form<'a>> {
        let one = |scalar| Some(Form::One { scalar, nullable: false });
        match word {
            Value::Null => None,
            Value::String(_) => one(Scalar::Text),
            Value::Number(number) if number.is_f64() => one(Scalar::Number),
            Value::Number(_) => one(Scalar::Integer),
            Value::Bool(_) => one(Scalar::Boolean),
            _ => Some(Form::Json),
        }
    }

    /// The form of a value that has any of these, `None` being null: where they differ, only JSON can tell them apart.
    fn one_of(forms: impl Iterator<Item = Option<Form<'a>>>) -> Form<'a> {
        let (mut found, mut null) = (None, false);
        for form in forms {
            match form {
                None => null = true,
                Some(form) if found.is_none_or(|found: Form<'_>| found.is_as(form)) => found = Some(form),
                Some(_) => return Form::Json,
            }
        }
        match found {
            Some(Form::One { scalar, nullable }) => Form::One { scalar, nullable: nullable || null },
            Some(form) => form,
            None => Form::Json,
        }
    }
}

/// The constants of which a value must be one.
fn words(schema: &Value) -> &[Value] {
    let listed = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice);
    listed.or_else(|| schema.get("const").map(std::slice::from_ref)).unwrap_or_default()
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|name| name == "null") || schema.get("const").is_some_and(Value::is_null)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(scalar: Scalar, nullable: bool) -> Option<(Scalar, bool)> {
        Some((scalar, nullable))
    }

    #[test]
    fn every_schema_has_a_form() {
        let mut interface = Interface::default();
        interface.defs.insert("Colour".into(), json!({ "type": "string", "enum": ["RED"] }));
        interface.defs.insert("Circle".into(), json!({ "$ref": "#/$defs/Circle" }));
        for (schema, expected) in [
            (json!({ "type": "string" }), one(Scalar::Text, false)),
            (json!({ "type": ["string", "null"] }), one(Scalar::Text, true)),
            (json!({ "type": ["integer", "null"] }), one(Scalar::Integer, true)),
            (json!({ "type": "number" }), one(Scalar::Number, false)),
            (json!({ "anyOf": [{ "type": "boolean" }, { "type": "null" }] }), one(Scalar::Boolean, true)),
            (json!({ "$ref": "#/$defs/Colour" }), one(Scalar::Text, false)),
            (json!({ "oneOf": [{ "const": "a" }, { "const": "b", "type": "string" }] }), one(Scalar::Text, false)),
            (json!({ "enum": [1, 2, null] }), one(Scalar::Integer, true)),
            (json!({ "enum": [1, "a"] }), None),
            (json!({ "anyOf": [{ "type": "integer" }, { "type": "string" }] }), None),
            (json!({ "type": "object" }), None),
            (json!({ "$ref": "#/$defs/Circle" }), None),
            (json!(true), None),
            (json!({}), None),
        ] {
            let form = match Form::of(&interface, &schema) {
                Form::One { scalar, nullable } => Some((scalar, nullable)),
                form => {
                    assert!(matches!(form, Form::Json), "{schema}");
                    None
                }
            };
            assert_eq!(form, expected, "{schema}");
        }
    }

    #[test]
    fn a_list_is_several_texts_only_where_each_item_is_one() {
        let interface = Interface::default();
        let pair = json!({ "type": ["array", "null"], "prefixItems": [{ "type": "integer" }, { "type": "string" }] });
        let Form::Many(items) = Form::of(&interface, &pair) else { panic!("a list is several values") };
        assert_eq!([items.at(0), items.at(1)], [Scalar::Integer, Scalar::Text]);
        for items in [json!({ "type": "array" }), json!(true), json!({ "type": ["integer", "null"] })] {
            let list = json!({ "type": "array", "items": items });
            assert!(matches!(Form::of(&interface, &list), Form::Json), "{list}");
        }
        assert!(matches!(Form::of(&interface, &json!({ "type": "array" })), Form::Json));
    }
}
