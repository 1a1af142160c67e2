//! The types of a method as the schemas of a tool: a plain subset of JSON Schema that all clients accept.
//!
//! A client passes the schemas of all tools on to a model, and many clients refuse a tool, or all tools of a server, for a
//! keyword that they do not know. The schemas here have these keywords only: `type`, `description`, `format`, `enum`,
//! `properties`, `required`, `items`, `anyOf`, `default`, and those for bounds and patterns.
//!
//! - There are no references: each is replaced by what it refers to, within [`MAX_BYTES`]. A type that contains itself is
//!   written three levels deep.
//! - The root is an object with `properties`. Of all objects, only the root of an input says `additionalProperties: false`.
//! - `anyOf` is only below the root. A value that may be null has `null` among the words of `type`, where it can.
//! - A list says what its items are. A tuple is a list of which the description says what each item is.
//! - The description has what no keyword can say, such as bounds beyond 2^53, which JavaScript would round.
//!
//! What is left out makes a schema allow more, and never less: a value that the method accepts is valid, unless it is only a
//! different form of the same, such as a date without a time zone. Names of parameters remain as they are, even those that
//! some models refuse, such as `@type`: a call has to use them.

mod budget;
mod doc;
mod intersection;
mod mismatch;
mod plain;
#[cfg(test)]
mod tests;
mod writer;

use serde_json::{Map, Value, json};

use crate::model::interface::{Method, Param};
pub(crate) use mismatch::mismatches;
use plain::Plain;
use writer::{Direction, Limits, Writer};

/// The longest schema, in bytes of JSON.
pub(crate) const MAX_BYTES: usize = 64 << 10;

/// The longest documentation of a parameter, in characters.
const MAX_DOC: usize = 1024;

/// The limits of the attempts to write a schema. If it becomes too long, it is written again with less detail, so that the
/// parameters at its end are described as well as those at its beginning.
const ATTEMPTS: [Limits; 6] = [
    Limits { work: 3 * MAX_BYTES, references: 16, doc: MAX_DOC },
    Limits { work: 3 * MAX_BYTES, references: 8, doc: 400 },
    Limits { work: 3 * MAX_BYTES, references: 5, doc: 300 },
    Limits { work: 3 * MAX_BYTES, references: 3, doc: 200 },
    Limits { work: 3 * MAX_BYTES, references: 2, doc: 100 },
    LAST,
];

/// The limits with which a schema is never longer than [`MAX_BYTES`], because every byte is counted before it is written.
const LAST: Limits = Limits { work: MAX_BYTES - 1024, references: 1, doc: 100 };

/// The name of the only member of a result that is no object.
pub(crate) const WRAPPED: &str = "result";

/// The schema of a result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OutputSchema {
    /// The schema, whose root is an object.
    pub(crate) schema: Value,
    /// Whether results are the member [`WRAPPED`] of an object, because their own type may be something else than an object.
    pub(crate) is_wrapped: bool,
}

/// The schema of the arguments of a method, by name.
pub(crate) fn input_schema(method: &Method, defs: &Map<String, Value>) -> Value {
    within_bounds(defs, Direction::Input, |writer| input(method, writer))
}

/// The schema of the result of a method.
pub(crate) fn output_schema(method: &Method, defs: &Map<String, Value>) -> OutputSchema {
    let mut is_wrapped = false;
    let schema = within_bounds(defs, Direction::Output, |writer| {
        let result = writer.schema(method.result.as_value());
        is_wrapped = !result.is_object();
        if is_wrapped {
            return json!({ "type": "object", "properties": { WRAPPED: result.to_value() }, "required": [WRAPPED] });
        }
        let mut root = result.to_value();
        if let Value::Object(members) = &mut root {
            members.entry("properties").or_insert_with(|| json!({}));
        }
        root
    });
    OutputSchema { schema, is_wrapped }
}

fn within_bounds<'d>(
    defs: &'d Map<String, Value>,
    direction: Direction,
    mut write: impl FnMut(&mut Writer<'d>) -> Value,
) -> Value {
    let mut last = Value::Null;
    for limits in ATTEMPTS {
        let mut writer = Writer::new(defs, direction, limits);
        last = write(&mut writer);
        if !writer.is_exhausted() && last.to_string().len() <= MAX_BYTES {
            break;
        }
    }
    last
}

fn input<'d>(method: &'d Method, writer: &mut Writer<'d>) -> Value {
    let names = method.params.iter().map(|param| param.name.as_str());
    let shown = writer.reserve(names);
    let mut properties = Map::new();
    let mut required = Vec::new();
    for param in method.params.iter().take(shown) {
        properties.insert(param.name.clone(), writer.param(param).to_value());
        if param.required {
            required.push(param.name.as_str());
        }
    }
    let mut root = Map::new();
    root.insert("type".to_owned(), "object".into());
    if shown < method.params.len() {
        let left_out = method.params.len() - shown;
        root.insert("description".to_owned(), format!("Has {left_out} more parameters, which are not listed.").into());
    }
    root.insert("properties".to_owned(), properties.into());
    if !required.is_empty() {
        root.insert("required".to_owned(), required.into());
    }
    if shown == method.params.len() {
        root.insert("additionalProperties".to_owned(), false.into());
    }
    Value::Object(root)
}

impl<'d> Writer<'d> {
    /// The type of a parameter with its documentation.
    fn param(&mut self, param: &'d Param) -> Plain {
        let mut plain = self.schema(param.schema.as_value());
        let own = param.schema.get("description").and_then(Value::as_str);
        if !param.doc.is_empty() && own != Some(&param.doc) {
            plain.doc = self.doc(&param.doc);
        }
        plain
    }
}
