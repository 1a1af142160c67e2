//! Checks the parameters of a request that is passed on, against the document of the upstream: those in the path, the query and
//! headers.
//!
//! Checked are whether a required parameter is there, and of texts of one value and of lists of such texts the type, the listed
//! values, the bounds of numbers and the lengths of texts. Everything else is left to the upstream, as is what the document does
//! not have.

use std::borrow::Cow;

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::problem::RestProblem;
use super::query::{TextError, check};
use crate::model::fault::Fault;
use crate::model::http_operations::{HttpOperation, HttpParam, HttpPlace};
use crate::model::interface::{Interface, Method, Param, member};
use crate::model::text::abridge;
use crate::protocol::rest::form::{Scalar, TextForm};
use crate::service::passthrough::HttpCall;

/// How many references and choices are followed to the schema of one text.
const STEPS: usize = 16;

/// Checks the parameters of a request.
///
/// # Errors
/// Status 400 for the first that is wrong, with its name and its place.
pub(super) fn check_params(
    interface: &Interface,
    method: &Method,
    operation: &HttpOperation,
    http: &HttpCall<'_>,
) -> Result<(), RestProblem> {
    let mut in_path = http.path_values.iter();
    for own in operation.params.iter() {
        let Some(param) = method.params.get(own.index) else { continue };
        let check = ParamCheck { interface, own, param };
        let checked = match own.place {
            HttpPlace::Path => in_path.next().map_or(Ok(()), |value| check.path_value(value)),
            HttpPlace::Query => check.query(http.query),
            HttpPlace::Header => check.headers(http.headers),
            // Cookies are passed on only as far as the configuration says so.
            HttpPlace::Cookie => Ok(()),
        };
        checked.map_err(|fault| RestProblem::at_location(own.place.word(), fault))?;
    }
    Ok(())
}

struct ParamCheck<'a> {
    interface: &'a Interface,
    own: &'a HttpParam,
    param: &'a Param,
}

impl ParamCheck<'_> {
    fn path_value(&self, value: &str) -> Result<(), Fault> {
        match self.own.style {
            Some("simple") => self.texts(value.split(',').map(decoded), || decoded(value)),
            _ => Ok(()),
        }
    }

    /// Checks the values in a query. One whose escape is malformed is left to the upstream.
    fn query(&self, query: &str) -> Result<(), Fault> {
        let (mut is_there, mut given) = (false, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).unwrap_or_default();
            let rest = name.strip_prefix(self.own.name.as_str());
            is_there |= rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('['));
            if rest == Some("") {
                given.push(value.to_owned());
            }
        }
        let is_object = || matches!(self.form(), TextForm::Json) && !self.own.is_json;
        // The members of an object may stand for themselves.
        if self.param.required && !is_there && !is_object() {
            return Err(self.missing());
        }
        let delimiter = match self.own.style {
            Some("form") => ",",
            Some("pipeDelimited") => "|",
            Some("spaceDelimited") => " ",
            _ => return Ok(()),
        };
        for value in &given {
            let value = value.replace('+', " ");
            let value = match delimiter {
                "," => value,
                // These delimiters are written as escapes.
                _ => decoded(&value).unwrap_or_default().into_owned(),
            };
            let is_split = !self.own.explode || delimiter != ",";
            let items: Vec<&str> = if is_split { value.split(delimiter).collect() } else { vec![&value] };
            self.texts(items.into_iter().map(decoded), || decoded(&value))?;
        }
        Ok(())
    }

    fn headers(&self, headers: &HeaderMap) -> Result<(), Fault> {
        let mut given = headers.get_all(self.own.name.as_str()).iter().peekable();
        if given.peek().is_none() {
            return if self.param.required { Err(self.missing()) } else { Ok(()) };
        }
        if self.own.style != Some("simple") {
            return Ok(());
        }
        for value in given.filter_map(|value| std::str::from_utf8(value.as_bytes()).ok()) {
            let items = value.split(',').map(|item| Some(Cow::Borrowed(item.trim())));
            self.texts(items, || Some(Cow::Borrowed(value.trim())))?;
        }
        Ok(())
    }

    fn form(&self) -> TextForm<'_> {
        TextForm::of(self.interface, self.param.schema.as_value())
    }

    /// Checks the texts of a value: `items` if it is a list, otherwise `whole`. `None` is a text with a malformed escape.
    fn texts<'t>(
        &self,
        items: impl Iterator<Item = Option<Cow<'t, str>>>,
        whole: impl FnOnce() -> Option<Cow<'t, str>>,
    ) -> Result<(), Fault> {
        match self.form() {
            TextForm::Json => Ok(()),
            TextForm::One { scalar, nullable } => match whole() {
                Some(text) if !(nullable && matches!(text.as_ref(), "null" | "")) => {
                    self.text(scalar, &text, self.param.schema.as_value())
                }
                _ => Ok(()),
            },
            TextForm::Many(list) => {
                for (at, text) in items.enumerate() {
                    if let Some(text) = text {
                        self.text(list.at(at), &text, list.schema(at).unwrap_or(&Value::Null))?;
                    }
                }
                Ok(())
            }
        }
    }

    fn text(&self, scalar: Scalar, text: &str, schema: &Value) -> Result<(), Fault> {
        // Python writes its truth values so.
        let is_truth = scalar == Scalar::Boolean && matches!(text, "True" | "False");
        if !is_truth {
            check(scalar, text).map_err(|error: TextError| error.into_fault(&self.param.name, self.place()))?;
        }
        match self.unmet(scalar, text, schema, STEPS) {
            None => Ok(()),
            Some(expected) => {
                let (name, place) = (&self.param.name, self.place());
                let message = format!("parameter `{name}`{place}: `{}` is not {expected}", abridge(text));
                Err(Fault::bad_params(message).of_parameter(name.as_str()))
            }
        }
    }

    /// What a schema expects of a text that is not met.
    fn unmet(&self, scalar: Scalar, text: &str, schema: &Value, steps: usize) -> Option<String> {
        let steps = steps.checked_sub(1)?;
        let target = self.interface.resolve(schema);
        if !std::ptr::eq(target, schema) {
            return self.unmet(scalar, text, target, steps);
        }
        if let Some(all) = member(schema, "allOf").and_then(Value::as_array) {
            return all.iter().find_map(|inner| self.unmet(scalar, text, inner, steps));
        }
        if let Some(choices) = ["anyOf", "oneOf"].iter().find_map(|key| member(schema, key)?.as_array()) {
            let unmet: Vec<_> = choices.iter().map(|inner| self.unmet(scalar, text, inner, steps)).collect();
            return if unmet.iter().any(Option::is_none) { None } else { unmet.into_iter().flatten().next() };
        }
        if let Some(expected) = listed_values(schema, |listed| is_text_of(listed, text)) {
            return Some(expected);
        }
        match scalar {
            Scalar::Integer | Scalar::Number => unmet_bound(schema, text.parse().ok()?),
            Scalar::Text => unmet_length(schema, text),
            Scalar::Boolean => None,
        }
    }

    fn missing(&self) -> Fault {
        let name = self.param.name.as_str();
        Fault::bad_params(format!("the parameter `{name}`{} is missing", self.place())).of_parameter(name)
    }

    fn place(&self) -> &'static str {
        match self.own.place {
            HttpPlace::Path => " in the path",
            HttpPlace::Query => " in the query",
            HttpPlace::Header => " in a header",
            HttpPlace::Cookie => " in a cookie",
        }
    }
}

/// A text, percent-decoded; `None` if the result is not UTF-8.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}

/// Whether a text is this value.
fn is_text_of(value: &Value, text: &str) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|number| text.parse() == Ok(number)),
        Value::Bool(value) => text.eq_ignore_ascii_case(if *value { "true" } else { "false" }),
        Value::Null => text == "null",
        value => plain(value) == text,
    }
}

fn plain(value: &Value) -> Cow<'_, str> {
    value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed)
}

/// The values that a schema lists, in words, if `is_same` is true for none of them.
pub(super) fn listed_values(schema: &Value, is_same: impl Fn(&Value) -> bool) -> Option<String> {
    let listed = member(schema, "enum").and_then(Value::as_array).map(Vec::as_slice);
    let listed = listed.or_else(|| member(schema, "const").map(std::slice::from_ref))?;
    if listed.iter().any(is_same) {
        return None;
    }
    let words: Vec<String> = listed.iter().take(10).map(|value| format!("`{}`", abridge(&plain(value)))).collect();
    let more = if listed.len() > words.len() { " and others" } else { "" };
    Some(format!("one of {}{more}", words.join(", ")))
}

pub(super) fn unmet_bound(schema: &Value, number: f64) -> Option<String> {
    let bound = |key: &str| member(schema, key)?.as_f64().map(|bound| (bound, member(schema, key)));
    let told = |words: &str, bound: Option<&Value>| format!("{words} {}", bound.map(plain).unwrap_or_default());
    let checks = [
        ("minimum", "at least", false),
        ("maximum", "at most", false),
        ("exclusiveMinimum", "more than", true),
        ("exclusiveMaximum", "less than", true),
    ];
    checks.into_iter().find_map(|(key, words, is_exclusive)| {
        let (value, shown) = bound(key)?;
        let is_beyond = if key.to_ascii_lowercase().ends_with("minimum") { number < value } else { number > value };
        (is_beyond || is_exclusive && number == value).then(|| told(words, shown))
    })
}

pub(super) fn unmet_length(schema: &Value, text: &str) -> Option<String> {
    let bound = |key: &str| member(schema, key)?.as_u64();
    let length = text.chars().count() as u64;
    if let Some(least) = bound("minLength").filter(|least| length < *least) {
        return Some(format!("at least {least} characters long"));
    }
    bound("maxLength").filter(|most| length > *most).map(|most| format!("at most {most} characters long"))
}
