//! Compares arguments with the schema of a tool, and writes each mismatch as a text by which a model can correct it.

use serde_json::{Map, Value};

use crate::model::text::excerpt;

/// How many mismatches are reported.
const MAX_MISMATCHES: usize = 5;
/// How many characters of a path, a value or an expectation a report has.
const MAX_SHOWN_CHARS: usize = 120;
/// How many comparisons are made. With nested `anyOf`, one value is compared many times.
const MAX_COMPARISONS: usize = 10_000;

/// The first places where a value does not match a schema of the plain subset, such as "`guests[2].name`: expected string, got 7".
/// What the schema says in descriptions only is not checked.
pub(crate) fn mismatches(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Mismatches { reports: Vec::new(), comparisons_left: MAX_COMPARISONS };
    found.compare(schema, value, "");
    found.reports
}

struct Mismatches {
    reports: Vec<String>,
    comparisons_left: usize,
}

impl Mismatches {
    fn report(&mut self, path: &str, what: &str) {
        if self.reports.len() < MAX_MISMATCHES {
            let path = if path.is_empty() { "arguments" } else { path };
            self.reports.push(format!("`{}`: {what}", excerpt(path, MAX_SHOWN_CHARS)));
        }
    }

    fn report_value(&mut self, path: &str, schema: &Value, value: &Value) {
        let got = shown(value);
        self.report(path, &format!("expected {}, got {got}", excerpt(&expectation(schema), MAX_SHOWN_CHARS)));
    }

    fn compare(&mut self, schema: &Value, value: &Value, path: &str) {
        if self.reports.len() >= MAX_MISMATCHES || self.comparisons_left == 0 {
            return;
        }
        self.comparisons_left -= 1;
        if !allows_type(schema, value) || !is_one_of(schema, value) || !is_within_bounds(schema, value) {
            return self.report_value(path, schema, value);
        }
        if let Some(choices) = schema.get("anyOf").and_then(Value::as_array)
            && !choices.iter().any(|choice| self.matches(choice, value))
        {
            // The caller probably meant the choice of the same type.
            return match choices.iter().find(|choice| allows_type(choice, value)) {
                Some(meant) => self.compare(meant, value, path),
                None => self.report_value(path, schema, value),
            };
        }
        match value {
            Value::Object(members) => self.compare_members(schema, members, path),
            Value::Array(items) => {
                let Some(of_items) = schema.get("items") else { return };
                for (index, item) in items.iter().enumerate() {
                    self.compare(of_items, item, &format!("{path}[{index}]"));
                }
            }
            _ => {}
        }
    }

    fn matches(&mut self, schema: &Value, value: &Value) -> bool {
        let mut found = Mismatches { reports: Vec::new(), comparisons_left: self.comparisons_left };
        found.compare(schema, value, "");
        self.comparisons_left = found.comparisons_left;
        found.reports.is_empty()
    }

    fn compare_members(&mut self, schema: &Value, members: &Map<String, Value>, path: &str) {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let properties = schema.get("properties").and_then(Value::as_object);
        let property = |name: &str| properties.and_then(|properties| properties.get(name));
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                let expected = property(name).map_or_else(|| "a value".to_owned(), expectation);
                self.report(&below(name), &format!("missing, expected {}", excerpt(&expected, MAX_SHOWN_CHARS)));
            }
        }
        let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        for (name, member) in members {
            match property(name) {
                Some(property) => self.compare(property, member, &below(name)),
                None if is_closed => self.report(&below(name), "not a parameter of this tool"),
                None => {}
            }
        }
    }
}

/// A value, shortened before it is written, so that a long one costs nothing.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => Value::from(excerpt(text, MAX_SHOWN_CHARS)).to_string(),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
        short => short.to_string(),
    }
}

fn type_words(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(word)) => vec![word],
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn allows_type(schema: &Value, value: &Value) -> bool {
    let words = type_words(schema);
    words.is_empty()
        || words.iter().any(|word| match (*word, value) {
            ("null", Value::Null)
            | ("boolean", Value::Bool(_))
            | ("string", Value::String(_))
            | ("array", Value::Array(_))
            | ("object", Value::Object(_))
            | ("number", Value::Number(_)) => true,
            ("integer", Value::Number(number)) => {
                number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
            }
            _ => false,
        })
}

fn is_one_of(schema: &Value, value: &Value) -> bool {
    schema.get("enum").and_then(Value::as_array).is_none_or(|allowed| allowed.contains(value))
}

fn is_within_bounds(schema: &Value, value: &Value) -> bool {
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let is_within = |number: f64, least: &str, most: &str| {
        bound(least).is_none_or(|least| number >= least) && bound(most).is_none_or(|most| number <= most)
    };
    let count = |count: usize, least, most| is_within(count as f64, least, most);
    match value {
        Value::Number(number) => number.as_f64().is_none_or(|number| {
            is_within(number, "minimum", "maximum")
                && bound("exclusiveMinimum").is_none_or(|least| number > least)
                && bound("exclusiveMaximum").is_none_or(|most| number < most)
        }),
        Value::String(text) => count(text.chars().count(), "minLength", "maxLength"),
        Value::Array(items) => count(items.len(), "minItems", "maxItems"),
        _ => true,
    }
}

/// What a schema expects, such as "integer from 0 to 36" or "one of \"RED\", \"BLACK\"".
fn expectation(schema: &Value) -> String {
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        return match &allowed[..] {
            [only] => only.clone(),
            several => format!("one of {}", several.join(", ")),
        };
    }
    let mut text = match type_words(schema) {
        words if words.is_empty() => match schema.get("anyOf").and_then(Value::as_array) {
            Some(choices) => choices.iter().map(expectation).collect::<Vec<_>>().join(" or "),
            None => "any value".to_owned(),
        },
        words => words.join(" or "),
    };
    for (least, most, unit) in
        [("minimum", "maximum", ""), ("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items")]
    {
        let (with, unit) = if unit.is_empty() { ("", "") } else { ("with ", unit) };
        let range = match (schema.get(least), schema.get(most)) {
            (Some(least), Some(most)) if least == most => format!(" {with}exactly {least}{unit}"),
            (Some(least), Some(most)) if with.is_empty() => format!(" from {least} to {most}"),
            (Some(least), Some(most)) => format!(" {with}{least} to {most}{unit}"),
            (Some(least), None) => format!(" {with}at least {least}{unit}"),
            (None, Some(most)) => format!(" {with}at most {most}{unit}"),
            (None, None) => String::new(),
        };
        text.push_str(&range);
    }
    for (keyword, words) in [("exclusiveMinimum", "more than"), ("exclusiveMaximum", "less than")] {
        if let Some(bound) = schema.get(keyword) {
            text.push_str(&format!(" {words} {bound}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_mismatch_says_where_it_is_and_what_is_expected() {
        let guest = json!({
            "type": "object",
            "properties": { "name": { "type": "string", "minLength": 1 }, "age": { "type": ["integer", "null"], "minimum": 0 } },
            "required": ["name"]
        });
        let schema = json!({
            "type": "object",
            "properties": {
                "guests": { "type": "array", "items": guest, "maxItems": 3 },
                "table": { "type": "integer", "minimum": 1, "maximum": 36 },
                "color": { "type": "string", "enum": ["RED", "BLACK"] },
                "when": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "integer" } }] },
            },
            "required": ["table"],
            "additionalProperties": false
        });
        let reported = |value: Value| mismatches(&schema, &value);
        assert_eq!(reported(json!({ "table": 7, "guests": [{ "name": "Ada", "age": null }], "when": [1] })), [""; 0]);
        assert_eq!(reported(json!({})), ["`table`: missing, expected integer from 1 to 36"]);
        assert_eq!(reported(json!({ "table": 37.0 })), ["`table`: expected integer from 1 to 36, got 37.0"]);
        assert_eq!(
            reported(json!({ "table": "7", "chair": 1 })),
            ["`table`: expected integer from 1 to 36, got \"7\"", "`chair`: not a parameter of this tool"]
        );
        assert_eq!(
            reported(json!({ "table": 1, "guests": [{ "name": "" }, { "age": 1.5 }, 7] })),
            [
                "`guests[0].name`: expected string with at least 1 characters, got \"\"",
                "`guests[1].name`: missing, expected string with at least 1 characters",
                "`guests[1].age`: expected integer or null at least 0, got 1.5",
                "`guests[2]`: expected object, got 7"
            ]
        );
        assert_eq!(reported(json!({ "table": 1, "guests": [1, 2, 3, 4] })).len(), 1);
        assert_eq!(
            reported(json!({ "table": 1, "color": "GREEN" })),
            ["`color`: expected one of \"RED\", \"BLACK\", got \"GREEN\""]
        );
        assert_eq!(reported(json!({ "table": 1, "when": 4 })), ["`when`: expected string or array, got 4"]);
        assert_eq!(reported(json!({ "table": 1, "when": [1, "x"] })), ["`when[1]`: expected integer, got \"x\""]);
        assert_eq!(reported(json!([])), ["`arguments`: expected object, got []"]);
        let many: Vec<Value> = vec![json!("x"); 100];
        assert_eq!(reported(json!({ "table": 1, "when": many })).len(), MAX_MISMATCHES);
    }
}
