//! The form of values in a path or a query, where there are only texts: the text of one value, several texts, or a JSON
//! text.

use serde_json::Value;

use crate::model::interface::Interface;

/// The largest number of references and choices that are followed to find a type. A schema that needs more, or refers to
/// itself, counts as one for any type.
const STEPS: usize = 16;

/// The form of a value as text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TextForm<'a> {
    /// The text of one value.
    One {
        /// The type as which the text is read.
        scalar: Scalar,
        /// Whether the value may be null, written as `null`. For a string, `null` is the string itself.
        nullable: bool,
    },
    /// Several texts: the items of a list.
    Many(Items<'a>),
    /// A JSON text: free-form values, records, lists of these, and values of several types.
    Json,
}

/// A type whose values are written without quotes or brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    /// The text itself.
    Text,
    /// A JSON number without fraction and exponent.
    Integer,
    /// A JSON number.
    Number,
    /// `true` or `false`.
    Boolean,
}

/// The types of the items of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Items<'a> {
    interface: &'a Interface,
    list: &'a Value,
    /// The number of references and choices that may still be followed.
    steps: usize,
}

impl<'a> Items<'a> {
    /// The type as which the text of the item at an index is read.
    pub(crate) fn at(self, place: usize) -> Scalar {
        self.schema(place).and_then(|schema| self.scalar(schema)).unwrap_or(Scalar::Text)
    }

    /// The schema of the item at an index.
    pub(crate) fn schema(self, place: usize) -> Option<&'a Value> {
        let first = self.list.get("prefixItems").and_then(Value::as_array);
        first.and_then(|first| first.get(place)).or_else(|| self.list.get("items"))
    }

    /// Whether each item is always the text of one value.
    fn are_texts(self) -> bool {
        let first = self.list.get("prefixItems").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut schemas = first.iter().chain(self.list.get("items")).peekable();
        schemas.peek().is_some() && schemas.all(|schema| self.scalar(schema).is_some())
    }

    fn scalar(self, schema: &'a Value) -> Option<Scalar> {
        match TextForm::with_steps(self.interface, schema, self.steps) {
            TextForm::One { scalar, nullable: false } => Some(scalar),
            _ => None,
        }
    }
}

impl<'a> TextForm<'a> {
    /// The form of the values of a schema.
    pub(crate) fn of(interface: &'a Interface, schema: &'a Value) -> TextForm<'a> {
        TextForm::with_steps(interface, schema, STEPS)
    }

    fn with_steps(interface: &'a Interface, schema: &'a Value, steps: usize) -> TextForm<'a> {
        let Some(steps) = steps.checked_sub(1) else { return TextForm::Json };
        let target = interface.resolve(schema);
        if !std::ptr::eq(target, schema) {
            return TextForm::with_steps(interface, target, steps);
        }
        let choices = ["anyOf", "oneOf", "allOf"].into_iter().find_map(|key| schema.get(key)?.as_array());
        match (schema.get("type"), choices) {
            (Some(Value::String(name)), _) => TextForm::named(interface, schema, name, steps),
            (Some(Value::Array(names)), _) => {
                let forms = names.iter().filter_map(Value::as_str).map(|name| match name {
                    "null" => None,
                    name => Some(TextForm::named(interface, schema, name, steps)),
                });
                TextForm::one_of(forms)
            }
            (None, Some(choices)) => {
                let forms = choices
                    .iter()
                    .map(|choice| (!is_null(choice)).then(|| TextForm::with_steps(interface, choice, steps)));
                TextForm::one_of(forms)
            }
            _ => TextForm::one_of(constants(schema).iter().map(TextForm::of_constant)),
        }
    }

    /// Whether both are the same form.
    fn is_same_as(self, other: TextForm<'_>) -> bool {
        match (self, other) {
            (TextForm::One { scalar, .. }, TextForm::One { scalar: other, .. }) => scalar == other,
            (TextForm::Json, TextForm::Json) => true,
            _ => false,
        }
    }

    fn named(interface: &'a Interface, schema: &'a Value, name: &str, steps: usize) -> TextForm<'a> {
        let one = |scalar| TextForm::One { scalar, nullable: false };
        match name {
            "string" => one(Scalar::Text),
            "integer" => one(Scalar::Integer),
            "number" => one(Scalar::Number),
            "boolean" => one(Scalar::Boolean),
            "array" => {
                let items = Items { interface, list: schema, steps };
                if items.are_texts() { TextForm::Many(items) } else { TextForm::Json }
            }
            _ => TextForm::Json,
        }
    }

    /// The form of a constant; `None` for null.
    fn of_constant(word: &Value) -> Option<TextForm<'a>> {
        let one = |scalar| Some(TextForm::One { scalar, nullable: false });
        match word {
            Value::Null => None,
            Value::String(_) => one(Scalar::Text),
            Value::Number(number) if number.is_f64() => one(Scalar::Number),
            Value::Number(_) => one(Scalar::Integer),
            Value::Bool(_) => one(Scalar::Boolean),
            _ => Some(TextForm::Json),
        }
    }

    /// The form of a value that has one of these forms, of which `None` is null. If they differ, it is JSON, which distinguishes
    /// them.
    fn one_of(forms: impl Iterator<Item = Option<TextForm<'a>>>) -> TextForm<'a> {
        let (mut found, mut null) = (None, false);
        for form in forms {
            match form {
                None => null = true,
                Some(form) if found.is_none_or(|found: TextForm<'_>| found.is_same_as(form)) => found = Some(form),
                Some(_) => return TextForm::Json,
            }
        }
        match found {
            Some(TextForm::One { scalar, nullable }) => TextForm::One { scalar, nullable: nullable || null },
            Some(form) => form,
            None => TextForm::Json,
        }
    }
}

/// The constants that are the only values of a schema.
fn constants(schema: &Value) -> &[Value] {
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
            let form = match TextForm::of(&interface, &schema) {
                TextForm::One { scalar, nullable } => Some((scalar, nullable)),
                form => {
                    assert!(matches!(form, TextForm::Json), "{schema}");
                    None
                }
            };
            assert_eq!(form, expected, "{schema}");
        }
    }

    #[test]
    fn a_list_is_several_texts_only_if_each_item_is_a_text() {
        let interface = Interface::default();
        let pair = json!({ "type": ["array", "null"], "prefixItems": [{ "type": "integer" }, { "type": "string" }] });
        let TextForm::Many(items) = TextForm::of(&interface, &pair) else { panic!("a list is several values") };
        assert_eq!([items.at(0), items.at(1)], [Scalar::Integer, Scalar::Text]);
        for items in [json!({ "type": "array" }), json!(true), json!({ "type": ["integer", "null"] })] {
            let list = json!({ "type": "array", "items": items });
            assert!(matches!(TextForm::of(&interface, &list), TextForm::Json), "{list}");
        }
        assert!(matches!(TextForm::of(&interface, &json!({ "type": "array" })), TextForm::Json));
    }
}
