//! Checks the JSON body of a request that is passed on, against the schema in the document of the upstream.
//!
//! Checked are types, listed values, bounds, lengths, patterns, required members, and these of members and items at any depth. A
//! value of several alternatives has to match one of them. Everything else is left to the upstream: members that the schema does
//! not name, formats, and conditions such as `not` and `if`. So nothing is refused that the schema allows.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Write as _;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value, json};

use super::described_check::{listed_values, unmet_bound, unmet_length};
use super::problem::RestProblem;
use crate::codec::{DocumentLimits, json};
use crate::http::media_type;
use crate::model::fault::Fault;
use crate::model::http_operations::{HttpBody, HttpOperation};
use crate::model::interface::{Interface, Method, member};
use crate::model::text::abridge;

/// The word for the place of the body in a problem.
const BODY: &str = "body";
/// How often schemas are compared with values for one body. Alternatives within alternatives can need any number.
const COMPARISONS: usize = 200_000;
/// How deep schemas are followed, references and alternatives included.
const DEEPEST: usize = 300;
/// The largest compiled pattern, in bytes.
const MAX_PATTERN: usize = 256 << 10;

/// How many bytes of the body of a request are read to be checked: the bound of the configuration if it is JSON of the type in the
/// document, and may be no longer than that; otherwise 0.
pub(super) fn bytes_to_read(interface: &Interface, operation: &HttpOperation, headers: &http::HeaderMap) -> usize {
    let most = interface.operations.check_bodies;
    let Some(body) = operation.body.as_ref().filter(|body| most > 0 && body.is_json) else { return 0 };
    let is_encoded = headers.contains_key(http::header::CONTENT_ENCODING);
    let of_document = body.media.split(';').next().unwrap_or_default().trim();
    let is_json = media_type::media_type(headers).eq_ignore_ascii_case(of_document);
    let is_utf8 = media_type::parameter(headers, "charset").is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"));
    let announced = headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let is_short = announced.is_none_or(|length: usize| length <= most);
    if !is_encoded && is_json && is_utf8 && is_short { most } else { 0 }
}

/// Checks a body.
///
/// # Errors
/// The first mistake: its path (a JSON pointer, RFC 6901), what was expected there, and what there is.
pub(super) fn check_body(
    interface: &Interface,
    method: &Method,
    body: &HttpBody,
    (bytes, limits): (&[u8], DocumentLimits),
) -> Result<(), RestProblem> {
    let in_body = |fault: Fault| RestProblem::at_location(BODY, fault);
    if bytes.is_empty() {
        let missing = || Mistake { path: String::new(), expected: "a JSON text".to_owned(), got: "nothing".to_owned() };
        return if body.required { Err(in_body(missing().into_fault())) } else { Ok(()) };
    }
    let text = json::check(bytes, limits).map_err(in_body)?.text();
    let value: Value = serde_json::from_str(text).map_err(|error| in_body(json::not_well_formed(error)))?;
    let check =
        SchemaCheck { interface, left: Cell::new(COMPARISONS), patterns: RefCell::default(), path: RefCell::default() };
    let checked = match body.params.as_slice() {
        [whole] if body.is_whole => {
            let schema = method.params.get(*whole).map_or(&Value::Null, |param| param.schema.as_value());
            check.value(&value, schema, 0)
        }
        members => check.members(&value, method, members),
    };
    checked.map_err(|mistake| in_body(mistake.into_fault()))
}

/// Where a value does not match its schema.
struct Mistake {
    /// A JSON pointer.
    path: String,
    expected: String,
    got: String,
}

impl Mistake {
    fn into_fault(self) -> Fault {
        let Mistake { path, expected, got } = self;
        let place = if path.is_empty() { String::new() } else { format!(" at `{}`", abridge(&path)) };
        let message = format!("the body{place}: expected {expected}, got {got}");
        let first = path.split('/').nth(1).unwrap_or_default().replace("~1", "/").replace("~0", "~");
        let parameter = if first.is_empty() { BODY.to_owned() } else { abridge(&first).into_owned() };
        let data = json!({ "path": path, "expected": expected, "got": got });
        let fault = Fault::bad_params(message).of_parameter(parameter);
        match serde_json::value::to_raw_value(&data) {
            Ok(data) => fault.with_data(data),
            Err(_) => fault,
        }
    }
}

struct SchemaCheck<'a> {
    interface: &'a Interface,
    /// How many comparisons are left. When there are none, everything matches.
    left: Cell<usize>,
    /// The patterns that have been compiled; `None` for one that this reader does not understand.
    patterns: RefCell<HashMap<&'a str, Option<Regex>>>,
    /// The path of the value that is compared.
    path: RefCell<String>,
}

impl<'a> SchemaCheck<'a> {
    /// Checks the members of a body that are parameters of the method.
    fn members(&self, value: &Value, method: &'a Method, members: &[usize]) -> Result<(), Mistake> {
        let Value::Object(given) = value else { return Err(self.mistake("an object".to_owned(), value)) };
        for param in members.iter().filter_map(|index| method.params.get(*index)) {
            match given.get(&param.name) {
                Some(value) => self.member(&param.name, value, param.schema.as_value(), 0)?,
                None if param.required => return Err(self.missing(&param.name)),
                None => {}
            }
        }
        Ok(())
    }

    fn value(&self, value: &Value, schema: &'a Value, depth: usize) -> Result<(), Mistake> {
        let left = self.left.get();
        let (Value::Object(keywords), true) = (schema, left > 0 && depth < DEEPEST) else { return Ok(()) };
        self.left.set(left - 1);
        let target = self.interface.resolve(schema);
        if !std::ptr::eq(target, schema) {
            self.value(value, target, depth + 1)?;
        }
        for all in member(schema, "allOf").and_then(Value::as_array).into_iter().flatten() {
            self.value(value, all, depth + 1)?;
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(Value::Array(choices)) = keywords.get(key) {
                self.one_of(value, choices, depth)?;
            }
        }
        self.check_type(value, keywords)?;
        if let Some(expected) = listed_values(schema, |listed| is_same(listed, value)) {
            return Err(self.mistake(expected, value));
        }
        match value {
            Value::Number(number) => {
                let unmet = number.as_f64().and_then(|number| unmet_bound(schema, number));
                unmet.map_or(Ok(()), |expected| Err(self.mistake(format!("a number that is {expected}"), value)))
            }
            Value::String(text) => self.text(text, schema, value),
            Value::Array(items) => self.items(items, schema, (value, depth)),
            Value::Object(members) => self.object(members, keywords, (value, depth)),
            Value::Null | Value::Bool(_) => Ok(()),
        }
    }

    /// One of several schemas has to match. If only one of them is of the value's type, its mistake says more than all of them.
    fn one_of(&self, value: &Value, choices: &'a [Value], depth: usize) -> Result<(), Mistake> {
        let own = self.path.borrow().len();
        let mut deepest: Option<Mistake> = None;
        let mut expected: Vec<String> = Vec::new();
        for choice in choices {
            let Err(mistake) = self.value(value, choice, depth + 1) else { return Ok(()) };
            self.path.borrow_mut().truncate(own);
            if mistake.path.len() > own {
                deepest.get_or_insert(mistake);
            } else if !expected.contains(&mistake.expected) {
                expected.push(mistake.expected);
            }
        }
        match deepest {
            Some(mistake) => Err(mistake),
            None if expected.is_empty() => Ok(()),
            None => Err(self.mistake(expected.join(" or "), value)),
        }
    }

    fn check_type(&self, value: &Value, keywords: &Map<String, Value>) -> Result<(), Mistake> {
        let words: Vec<&str> = match keywords.get("type") {
            Some(Value::String(word)) => vec![word],
            Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
            _ => return Ok(()),
        };
        if words.is_empty() || words.iter().any(|word| is_of_type(value, word)) {
            return Ok(());
        }
        let names: Vec<&str> = words.into_iter().map(type_name).collect();
        Err(self.mistake(names.join(" or "), value))
    }

    fn text(&self, text: &str, schema: &'a Value, value: &Value) -> Result<(), Mistake> {
        if let Some(expected) = unmet_length(schema, text) {
            return Err(self.mistake(format!("a string that is {expected}"), value));
        }
        let Some(pattern) = member(schema, "pattern").and_then(Value::as_str) else { return Ok(()) };
        let mut patterns = self.patterns.borrow_mut();
        let compile = || RegexBuilder::new(pattern).size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN).build().ok();
        let compiled = patterns.entry(pattern).or_insert_with(compile);
        match compiled {
            Some(regex) if !regex.is_match(text) => {
                Err(self.mistake(format!("a string that matches `{}`", abridge(pattern)), value))
            }
            _ => Ok(()),
        }
    }

    fn items(&self, items: &[Value], schema: &'a Value, (value, depth): (&Value, usize)) -> Result<(), Mistake> {
        if let Some(expected) = unmet_count(schema, ["minItems", "maxItems"], items.len(), "items") {
            return Err(self.mistake(format!("an array with {expected}"), value));
        }
        let first = member(schema, "prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let further = member(schema, "items");
        for (at, item) in items.iter().enumerate() {
            if let Some(schema) = first.get(at).or(further) {
                self.member(&at.to_string(), item, schema, depth)?;
            }
        }
        Ok(())
    }

    fn object(
        &self,
        members: &Map<String, Value>,
        keywords: &'a Map<String, Value>,
        (value, depth): (&Value, usize),
    ) -> Result<(), Mistake> {
        for name in keywords.get("required").and_then(Value::as_array).into_iter().flatten() {
            if let Some(name) = name.as_str().filter(|name| !members.contains_key(*name)) {
                return Err(self.missing(name));
            }
        }
        let bounds = ["minProperties", "maxProperties"];
        let (least, most) = (keywords.get(bounds[0]), keywords.get(bounds[1]));
        if let Some(expected) = unmet_counts((least, most), members.len(), "members") {
            return Err(self.mistake(format!("an object with {expected}"), value));
        }
        let named = keywords.get("properties").and_then(Value::as_object);
        let has_patterns = keywords.contains_key("patternProperties");
        let further = keywords.get("additionalProperties").filter(|_| !has_patterns);
        for (name, value) in members {
            if let Some(schema) = named.and_then(|named| named.get(name)).or(further) {
                self.member(name, value, schema, depth)?;
            }
        }
        Ok(())
    }

    /// Checks a member or an item.
    fn member(&self, name: &str, value: &Value, schema: &'a Value, depth: usize) -> Result<(), Mistake> {
        let own = self.path.borrow().len();
        self.enter(name);
        let checked = self.value(value, schema, depth + 1);
        self.path.borrow_mut().truncate(own);
        checked
    }

    fn enter(&self, name: &str) {
        // Writing to a text does not fail.
        let _ = write!(self.path.borrow_mut(), "/{}", name.replace('~', "~0").replace('/', "~1"));
    }

    fn missing(&self, name: &str) -> Mistake {
        self.enter(name);
        let path = self.path.borrow().clone();
        Mistake { path, expected: "a value".to_owned(), got: "nothing".to_owned() }
    }

    fn mistake(&self, expected: String, value: &Value) -> Mistake {
        Mistake { path: self.path.borrow().clone(), expected, got: shown(value) }
    }
}

fn is_of_type(value: &Value, word: &str) -> bool {
    match (word, value) {
        // A number without a fraction is an integer, however it is written (JSON Schema, section 6.1.1).
        ("integer", Value::Number(number)) => {
            number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        ("number", Value::Number(_))
        | ("string", Value::String(_))
        | ("boolean", Value::Bool(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_))
        | ("null", Value::Null) => true,
        (word, _) => !["integer", "number", "string", "boolean", "array", "object", "null"].contains(&word),
    }
}

fn type_name(word: &str) -> &'static str {
    match word {
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a string",
        "boolean" => "true or false",
        "array" => "an array",
        "object" => "an object",
        _ => "null",
    }
}

/// Whether two values are equal. Numbers are compared as numbers (JSON Schema, section 4.2.2).
fn is_same(listed: &Value, value: &Value) -> bool {
    match (listed, value) {
        (Value::Number(listed), Value::Number(number)) => listed == number || listed.as_f64() == number.as_f64(),
        _ => listed == value,
    }
}

/// A value in a message.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("an array with {} items", items.len()),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => format!("the string `{}`", abridge(text)),
        value => format!("`{}`", abridge(&value.to_string())),
    }
}

fn unmet_count(schema: &Value, bounds: [&str; 2], count: usize, noun: &str) -> Option<String> {
    let [least, most] = bounds.map(|key| member(schema, key));
    unmet_counts((least, most), count, noun)
}

fn unmet_counts((least, most): (Option<&Value>, Option<&Value>), count: usize, noun: &str) -> Option<String> {
    let bound = |value: Option<&Value>| value?.as_u64().and_then(|bound| usize::try_from(bound).ok());
    if let Some(least) = bound(least).filter(|least| count < *least) {
        return Some(format!("at least {least} {noun}"));
    }
    bound(most).filter(|most| count > *most).map(|most| format!("at most {most} {noun}"))
}

#[cfg(test)]
mod tests {
    use schemars::Schema;

    use super::*;
    use crate::model::interface::Param;

    /// What is wrong with a body of this schema: its path, what was expected, and what there is.
    fn mistake(schema: Value, defs: Value, body: &str) -> Option<[String; 3]> {
        let param = Param { name: "body".into(), doc: String::new(), schema: schema_of(schema), required: true };
        let Value::Object(defs) = defs else { panic!("definitions are an object") };
        let method = Method { params: vec![param], ..Method::undescribed("write") };
        let interface = Interface { methods: vec![method.clone()], defs, ..Interface::default() };
        let form = HttpBody {
            media: "application/json".into(),
            is_json: true,
            required: true,
            params: vec![0],
            is_whole: true,
        };
        let checked = check_body(&interface, &method, &form, (body.as_bytes(), DocumentLimits::default()));
        let Err(RestProblem::Fault { fault, .. }) = checked else { return None };
        let data: Value = serde_json::from_str(fault.data.unwrap().json()).unwrap();
        Some(["path", "expected", "got"].map(|key| data[key].as_str().unwrap().to_owned()))
    }

    fn schema_of(schema: Value) -> Schema {
        schema.try_into().unwrap()
    }

    #[test]
    fn mistakes_have_a_path() {
        let defs = json!({
            "Pet": {
                "type": "object", "required": ["name"],
                "properties": {
                    "name": { "type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-zA-Z]+$" },
                    "age": { "type": ["integer", "null"], "minimum": 0 },
                    "kind": { "enum": ["dog", "cat", 3] },
                    "tags": { "type": "array", "items": { "type": "string" }, "maxItems": 3 },
                    "at": { "type": "array", "prefixItems": [{ "type": "number" }, { "type": "boolean" }] },
                    "a/b~": { "type": "boolean" },
                    "friends": { "type": "array", "items": { "$ref": "#/$defs/Pet" } },
                    "more": { "type": "object", "additionalProperties": { "type": "integer" } },
                    "either": { "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/Pet" }, { "type": "null" }] },
                },
            },
        });
        let pet = json!({ "$ref": "#/$defs/Pet" });
        for (body, expected) in [
            (r#"{"name":"Rex","age":3.0,"kind":3.0,"tags":["a"],"at":[1.5,true,7],"unknown":[1]}"#, None),
            (r#"{"name":"Rex","age":null,"either":null,"more":{"a":1},"friends":[{"name":"Bo"}]}"#, None),
            ("[]", Some(["", "an object", "an array with 0 items"])),
            ("{}", Some(["/name", "a value", "nothing"])),
            (r#"{"name":7}"#, Some(["/name", "a string", "`7`"])),
            (r#"{"name":"R"}"#, Some(["/name", "a string that is at least 2 characters long", "the string `R`"])),
            (r#"{"name":"R2"}"#, Some(["/name", "a string that matches `^[a-zA-Z]+$`", "the string `R2`"])),
            (r#"{"name":"Rex","age":"3"}"#, Some(["/age", "an integer or null", "the string `3`"])),
            (r#"{"name":"Rex","age":1.5}"#, Some(["/age", "an integer or null", "`1.5`"])),
            (r#"{"name":"Rex","age":-1}"#, Some(["/age", "a number that is at least 0", "`-1`"])),
            (r#"{"name":"Rex","kind":"Cat"}"#, Some(["/kind", "one of `dog`, `cat`, `3`", "the string `Cat`"])),
            (r#"{"name":"Rex","tags":["a",1]}"#, Some(["/tags/1", "a string", "`1`"])),
            (
                r#"{"name":"Rex","tags":["","","",""]}"#,
                Some(["/tags", "an array with at most 3 items", "an array with 4 items"]),
            ),
            (r#"{"name":"Rex","at":[1,2]}"#, Some(["/at/1", "true or false", "`2`"])),
            (r#"{"name":"Rex","a/b~":1}"#, Some(["/a~1b~0", "true or false", "`1`"])),
            (
                r#"{"name":"Rex","friends":[{"name":"Bo","friends":[{}]}]}"#,
                Some(["/friends/0/friends/0/name", "a value", "nothing"]),
            ),
            (r#"{"name":"Rex","more":{"a":true}}"#, Some(["/more/a", "an integer", "`true`"])),
            (r#"{"name":"Rex","either":7}"#, Some(["/either", "a string or an object or null", "`7`"])),
            (r#"{"name":"Rex","either":{}}"#, Some(["/either/name", "a value", "nothing"])),
        ] {
            let expected = expected.map(|expected| expected.map(str::to_owned));
            assert_eq!(mistake(pet.clone(), defs.clone(), body), expected, "{body}");
        }
    }

    #[test]
    fn schemas_without_an_end_are_followed_within_bounds() {
        let inner = json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/Twice" } } });
        let defs = json!({
            "Loop": { "allOf": [{ "$ref": "#/$defs/Loop" }] },
            "Twice": { "anyOf": [inner, inner, { "type": "integer" }] },
        });
        assert_eq!(mistake(json!({ "$ref": "#/$defs/Loop" }), defs.clone(), "1"), None);
        let deep = format!("{}\"x\"{}", r#"{"a":"#.repeat(40), "}".repeat(40));
        // Two ways at each of forty levels: it is given up, and what is not compared matches.
        assert_eq!(mistake(json!({ "$ref": "#/$defs/Twice" }), defs, &deep), None);
    }
}
