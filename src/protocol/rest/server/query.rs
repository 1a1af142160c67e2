//! Reads a query as the arguments of a method. The interface decides the type of each text.

use std::borrow::Cow;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use crate::codec::{DocumentLimits, json};
use crate::model::fault::Fault;
use crate::model::interface::{Interface, Method, Param};
use crate::model::text::{abridge, how_json_writes};
use crate::protocol::rest::form::{Scalar, TextForm};

/// The arguments in a query as the text of a JSON object, in the order of the parameters; `None` if there are none.
///
/// - `+` is a space, as in forms. Empty parts between two `&` are ignored.
/// - A string is the text itself. Numbers are written as in JSON, truth values as `true` and `false`.
/// - `null` is null for a parameter that may be null, unless it may be a string.
/// - A list of these repeats its name for each item.
/// - Records, free-form values and lists of these are JSON texts.
///
/// # Errors
/// `BadParams`, naming the parameter: unknown, given twice, or of the wrong type.
pub fn read(
    interface: &Interface,
    method: &Method,
    query: &str,
    limits: DocumentLimits,
) -> Result<Option<String>, Fault> {
    let given = pairs(&method.params, query)?;
    if given.is_empty() {
        return Ok(None);
    }
    let mut object = String::with_capacity(query.len() + 16);
    for (at, param) in method.params.iter().enumerate() {
        let mut texts = given.iter().filter(|(of, _)| *of == at).map(|(_, text)| text.as_ref()).peekable();
        if texts.peek().is_none() {
            continue;
        }
        object.push(if object.is_empty() { '{' } else { ',' });
        quote(&param.name, &mut object);
        object.push(':');
        let form = TextForm::of(interface, param.schema.as_value());
        write(form, texts, limits, &mut object).map_err(|error| error.into_fault(&param.name, ""))?;
    }
    object.push('}');
    Ok(Some(object))
}

/// How many bytes a text may have for a message to show how it is written as JSON.
const LONGEST_HINT: usize = 60;

/// Why the texts of a value are not valid.
pub(super) enum TextError {
    /// A single value was given more than once.
    Twice,
    /// The text is not of the expected type.
    Not(&'static str, String),
    /// The text is not JSON.
    NotJson(String),
    /// The JSON text is refused.
    Json(Fault),
}

impl TextError {
    /// The fault for a parameter. `place` follows its name, such as ` in the path`; it is empty if there is only one place.
    pub(super) fn into_fault(self, name: &str, place: &str) -> Fault {
        let message = match self {
            TextError::Twice => format!("the parameter `{name}`{place} is given twice"),
            TextError::Not(what, text) => format!("parameter `{name}`{place}: `{}` is not {what}", abridge(&text)),
            TextError::NotJson(text) => {
                format!("parameter `{name}`{place}: `{}` is not a JSON text{}", abridge(&text), as_json(&text))
            }
            TextError::Json(fault) => format!("parameter `{name}`{place}: {}", fault.message),
        };
        Fault::bad_params(message).of_parameter(name)
    }
}

/// How a text that is not JSON is written, in JSON and in a URL. Empty for one that was probably meant as JSON, and for a long one.
fn as_json(text: &str) -> String {
    if text.len() > LONGEST_HINT || !text.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return String::new();
    }
    let json = Value::from(text).to_string();
    format!("; {}, in a URL `{}`", how_json_writes(text, '`'), utf8_percent_encode(&json, NON_ALPHANUMERIC))
}

/// The decoded values in a query, each with the index of its parameter.
pub(super) fn pairs<'q>(params: &[Param], query: &'q str) -> Result<Vec<(usize, Cow<'q, str>)>, Fault> {
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decoded(name).ok_or_else(|| broken(name))?;
        let at = params.iter().position(|param| param.name == name).ok_or_else(|| unknown(&name, params))?;
        let value = decoded(value).ok_or_else(|| broken(&name).of_parameter(abridge(&name)))?;
        pairs.push((at, value));
    }
    Ok(pairs)
}

/// The decoded values of the pairs of a query that have this name; `None` for one with a malformed escape.
pub fn values<'q>(query: &'q str, name: &str) -> impl Iterator<Item = Option<Cow<'q, str>>> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(move |(key, _)| decoded(key).is_some_and(|key| key == name)).map(|(_, value)| decoded(value))
}

/// A text, percent-decoded; `None` if an escape is malformed or the result is not UTF-8.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let sound = |escape: &str| escape.as_bytes().get(..2).is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(sound) {
        return None;
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|text| Cow::Owned(text.into_owned()))
}

fn broken(name: &str) -> Fault {
    Fault::bad_params(format!("the query has a malformed escape at `{}`", abridge(name)))
}

/// The fault for an unknown parameter.
pub(super) fn unknown(name: &str, params: &[Param]) -> Fault {
    if let [only] = params
        && only.has_free_arguments()
    {
        return Fault::unknown_parameters(name);
    }
    Fault::no_such_parameter(name, params.iter().map(|param| param.name.as_str()))
}

/// Writes the texts of a parameter, at least one, as a JSON text.
pub(super) fn write<'t>(
    form: TextForm<'_>,
    mut texts: impl Iterator<Item = &'t str>,
    limits: DocumentLimits,
    to: &mut String,
) -> Result<(), TextError> {
    if let TextForm::Many(items) = form {
        for (at, text) in texts.enumerate() {
            to.push(if at == 0 { '[' } else { ',' });
            let form = TextForm::One { scalar: items.at(at), nullable: false };
            write_one(form, text, limits, to)?;
        }
        to.push(']');
        return Ok(());
    }
    match (texts.next(), texts.next()) {
        (Some(text), None) => write_one(form, text, limits, to),
        _ => Err(TextError::Twice),
    }
}

fn write_one(form: TextForm<'_>, text: &str, limits: DocumentLimits, to: &mut String) -> Result<(), TextError> {
    match form {
        TextForm::One { scalar: Scalar::Text, .. } => {
            quote(text, to);
            return Ok(());
        }
        TextForm::One { scalar, nullable } if !(nullable && text == "null") => check(scalar, text)?,
        TextForm::One { .. } => {}
        TextForm::Many(_) | TextForm::Json => check_json(text, limits)?,
    }
    to.push_str(text);
    Ok(())
}

/// Checks that a text is of a type.
pub(super) fn check(scalar: Scalar, text: &str) -> Result<(), TextError> {
    let (sound, what) = match scalar {
        Scalar::Text => (true, "a text"),
        Scalar::Integer => (is_integer(text), "an integer"),
        Scalar::Number => (is_number(text), "a number"),
        Scalar::Boolean => (matches!(text, "true" | "false"), "`true` or `false`"),
    };
    if sound { Ok(()) } else { Err(TextError::Not(what, text.to_owned())) }
}

fn check_json(text: &str, limits: DocumentLimits) -> Result<(), TextError> {
    let checked = json::check(text.as_bytes(), limits).map_err(TextError::Json)?.text();
    // `IgnoredAny` checks the syntax and keeps nothing.
    match serde_json::from_str::<serde::de::IgnoredAny>(checked) {
        Ok(_) if checked.len() == text.len() => Ok(()),
        _ => Err(TextError::NotJson(text.to_owned())),
    }
}

/// An integer as JSON writes it (RFC 8259, section 6).
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let leading_zero = digits.len() > 1 && digits.starts_with('0');
    !digits.is_empty() && !leading_zero && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number as JSON writes it (RFC 8259, section 6).
fn is_number(text: &str) -> bool {
    let all_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    is_integer(whole) && all_digits(fraction) && all_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
}

/// Writes a text as a JSON string.
pub(super) fn quote(text: &str, to: &mut String) {
    // A string can always be written as JSON.
    to.push_str(&Value::from(text).to_string());
}
