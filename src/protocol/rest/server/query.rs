//! A query read as a method's parameters: the interface says what each text is, and nothing is guessed.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::codec::{Limits, json};
use crate::model::fault::Fault;
use crate::model::interface::{Interface, Method, Param};
use crate::model::text::abridge;
use crate::protocol::rest::form::{Form, Scalar};

/// The parameters of a query as the text of a JSON object, in the order of the method's own; `None` where there are
/// none.
///
/// - `+` is a space, as in forms. What stands between two `&` may be empty.
/// - A string is the text itself. Numbers are written as in JSON, truth values as `true` and `false`.
/// - `null` gives nothing to a parameter that may be nothing, unless it may be a string.
/// - A list of any of these is its name given again for each item.
/// - Records, values of free form and lists of them are JSON texts.
///
/// # Errors
/// `BadParams`, naming the parameter: unknown, given twice, or of the wrong type.
pub fn read(interface: &Interface, method: &Method, query: &str, limits: Limits) -> Result<Option<String>, Fault> {
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
        let form = Form::of(interface, param.schema.as_value());
        write(form, texts, limits, &mut object).map_err(|wrong| wrong.of(&param.name, ""))?;
    }
    object.push('}');
    Ok(Some(object))
}

/// What is wrong with the text of a value.
pub(super) enum Wrong {
    /// A single value was given more than once.
    Twice,
    /// The text is not what it should be.
    Not(&'static str, String),
    /// The JSON text is refused.
    Json(Fault),
}

impl Wrong {
    /// The fault for a parameter. `place`, if there is more than one, is put behind its name: ` in the path`.
    pub(super) fn of(self, name: &str, place: &str) -> Fault {
        let message = match self {
            Wrong::Twice => format!("the parameter `{name}`{place} is given twice"),
            Wrong::Not(what, text) => format!("parameter `{name}`{place}: `{}` is not {what}", abridge(&text)),
            Wrong::Json(fault) => format!("parameter `{name}`{place}: {}", fault.message),
        };
        Fault::bad_params(message).of_parameter(name)
    }
}

/// The names and values of a query, decoded, each with the place of its parameter among the method's.
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

/// A text without its escapes; `None` where one is broken, or where they come to what is no UTF-8.
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
    Fault::bad_params(format!("the query has a broken escape at `{}`", abridge(name)))
}

/// The fault of a name that is none of these parameters.
pub(super) fn unknown(name: &str, params: &[Param]) -> Fault {
    Fault::no_such_parameter(name, params.iter().map(|param| param.name.as_str()))
}

/// Writes the texts given for a parameter, of which there is at least one, as a JSON text.
pub(super) fn write<'t>(
    form: Form<'_>,
    mut texts: impl Iterator<Item = &'t str>,
    limits: Limits,
    to: &mut String,
) -> Result<(), Wrong> {
    if let Form::Many(items) = form {
        for (at, text) in texts.enumerate() {
            to.push(if at == 0 { '[' } else { ',' });
            let form = Form::One { scalar: items.at(at), nullable: false };
            write_one(form, text, limits, to)?;
        }
        to.push(']');
        return Ok(());
    }
    match (texts.next(), texts.next()) {
        (Some(text), None) => write_one(form, text, limits, to),
        _ => Err(Wrong::Twice),
    }
}

fn write_one(form: Form<'_>, text: &str, limits: Limits, to: &mut String) -> Result<(), Wrong> {
    match form {
        Form::One { scalar: Scalar::Text, .. } => {
            quote(text, to);
            return Ok(());
        }
        Form::One { scalar, nullable } if !(nullable && text == "null") => check(scalar, text)?,
        Form::One { .. } => {}
        Form::Many(_) | Form::Json => check_json(text, limits)?,
    }
    to.push_str(text);
    Ok(())
}

fn check(scalar: Scalar, text: &str) -> Result<(), Wrong> {
    let (sound, what) = match scalar {
        Scalar::Text => (true, "a text"),
        Scalar::Integer => (is_integer(text), "an integer"),
        Scalar::Number => (is_number(text), "a number"),
        Scalar::Boolean => (matches!(text, "true" | "false"), "`true` or `false`"),
    };
    if sound { Ok(()) } else { Err(Wrong::Not(what, text.to_owned())) }
}

fn check_json(text: &str, limits: Limits) -> Result<(), Wrong> {
    let checked = json::check(text.as_bytes(), limits).map_err(Wrong::Json)?.text();
    // What serde passes over is looked at, but not kept.
    match serde_json::from_str::<serde::de::IgnoredAny>(checked) {
        Ok(_) if checked.len() == text.len() => Ok(()),
        _ => Err(Wrong::Not("a JSON text", text.to_owned())),
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
    // A string always has a JSON text.
    to.push_str(&Value::from(text).to_string());
}
