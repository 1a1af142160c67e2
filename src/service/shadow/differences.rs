//! What two results differ in.

use std::collections::BTreeMap;

use crate::model::text::shorten;
use crate::model::value::{Number, Value};

/// How many differences of two results are kept.
const MOST: usize = 8;
/// How long the text of a value is, in characters.
const LONGEST: usize = 100;
/// How deep values are compared. What is deeper counts as equal.
const DEEPEST: usize = 64;

/// A place at which two results differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The place, such as `.items[2].name`; empty for the whole.
    pub(crate) place: String,
    /// The value of the group itself; `None` if it has none there.
    pub(crate) own: Option<String>,
    /// The value of the other group.
    pub(crate) other: Option<String>,
}

/// The first differences of two results, in the order of the members of the first. The order of members makes none, and
/// numbers are compared by their values.
pub(super) fn differences(own: &Value, other: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(own, other, &mut String::new(), DEEPEST, &mut found);
    found
}

fn compare(own: &Value, other: &Value, place: &mut String, depth: usize, found: &mut Vec<Difference>) {
    let Some(depth) = depth.checked_sub(1).filter(|_| found.len() < MOST) else { return };
    match (own, other) {
        (Value::Array(own), Value::Array(other)) => {
            for index in 0..own.len().max(other.len()) {
                let length = place.len();
                place.push_str(&format!("[{index}]"));
                compare_parts(own.get(index), other.get(index), place, depth, found);
                place.truncate(length);
                if found.len() >= MOST {
                    return;
                }
            }
        }
        (Value::Struct(own), Value::Struct(other)) => {
            let (of_own, of_other) = (by_name(own), by_name(other));
            let further = other.iter().filter(|(name, _)| !of_own.contains_key(name.as_str()));
            for (name, _) in own.iter().chain(further) {
                let length = place.len();
                place.push('.');
                place.push_str(&shorten(name, LONGEST));
                let [own, other] = [&of_own, &of_other].map(|members| members.get(name.as_str()).copied());
                compare_parts(own, other, place, depth, found);
                place.truncate(length);
                if found.len() >= MOST {
                    return;
                }
            }
        }
        _ if are_equal(own, other) => {}
        _ => note(Some(own), Some(other), place, found),
    }
}

fn by_name(members: &[(String, Value)]) -> BTreeMap<&str, &Value> {
    members.iter().map(|(name, value)| (name.as_str(), value)).collect()
}

/// Compares what is at one place. One of the values may not be there.
fn compare_parts(
    own: Option<&Value>,
    other: Option<&Value>,
    place: &mut String,
    depth: usize,
    found: &mut Vec<Difference>,
) {
    match (own, other) {
        (Some(own), Some(other)) => compare(own, other, place, depth, found),
        (own, other) => note(own, other, place, found),
    }
}

fn note(own: Option<&Value>, other: Option<&Value>, place: &str, found: &mut Vec<Difference>) {
    let text = |value: Option<&Value>| value.map(text);
    found.push(Difference { place: place.to_owned(), own: text(own), other: text(other) });
}

/// A value as a short text. Of one with parts, only how many there are.
fn text(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Struct(members) => format!("a struct of {}", members.len()),
        Value::Binary(bytes) => format!("{} bytes", bytes.len()),
        Value::Nil => "nil".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Number(value) => shorten(value.as_str(), LONGEST).into_owned(),
        Value::Date(value) => value.to_string(),
        Value::Text(value) => format!("\"{}\"", shorten(value, LONGEST)),
    }
}

/// Whether two values without parts are equal, in whichever of the types of numbers and dates they come.
fn are_equal(own: &Value, other: &Value) -> bool {
    if own == other {
        return true;
    }
    match (own, other) {
        (Value::Date(date), Value::Text(text)) | (Value::Text(text), Value::Date(date)) => text.parse() == Ok(*date),
        _ => match (digits(own), digits(other)) {
            (Some(own), Some(other)) => own == other,
            _ => false,
        },
    }
}

/// The digits of a number in plain notation, without zeros at the end of a fraction.
fn digits(value: &Value) -> Option<String> {
    let number = match value {
        Value::Int(value) => Number::from(*value),
        Value::Double(value) if value.is_finite() => value.to_string().parse().ok()?,
        Value::Number(value) => value.clone(),
        _ => return None,
    };
    let plain = number.plain()?.into_owned();
    let plain = if plain.contains('.') { plain.trim_end_matches('0').trim_end_matches('.') } else { &plain };
    Some(if plain == "-0" { "0".to_owned() } else { plain.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    fn found(own: &str, other: &str) -> Vec<String> {
        let show = |text: Option<String>| text.unwrap_or_else(|| "nothing".to_owned());
        let all = differences(&value(own), &value(other)).into_iter();
        all.map(|it| format!("{}: {} / {}", it.place, show(it.own), show(it.other))).collect()
    }

    #[test]
    fn equal_results_have_no_differences_in_whatever_form() {
        for (own, other) in [
            ("null", "null"),
            (r#"{"a": 1, "b": [1, {"c": "x"}]}"#, r#"{"b": [1.0, {"c": "x"}], "a": 1}"#),
            ("0", "-0.0"),
            ("[]", "[]"),
        ] {
            assert_eq!(found(own, other), [""; 0], "{own} {other}");
        }
        let date = Value::Date("2026-11-30T02:30:00Z".parse().unwrap());
        assert_eq!(differences(&date, &Value::Text("2026-11-30T02:30:00Z".into())), []);
        assert_eq!(differences(&date, &Value::Text("2026-11-30T02:30:01Z".into())).len(), 1);
    }

    #[test]
    fn each_difference_has_its_place() {
        for (own, other, expected) in [
            ("1", "2", vec![": 1 / 2"]),
            ("1", "\"1\"", vec![": 1 / \"1\""]),
            ("[1, 2]", "[1]", vec!["[1]: 2 / nothing"]),
            (
                r#"{"a": {"b": [7, true]}, "c": 1}"#,
                r#"{"a": {"b": [7, false]}, "d": null}"#,
                vec![".a.b[1]: true / false", ".c: 1 / nothing", ".d: nothing / nil"],
            ),
            (r#"[{}]"#, r#"[[]]"#, vec!["[0]: a struct of 0 / an array of 0"]),
        ] {
            assert_eq!(found(own, other), expected);
        }
    }

    #[test]
    fn only_the_first_differences_are_kept() {
        let numbers = |from: i64| Value::Array((from..from + 1000).map(Value::Int).collect());
        let all = differences(&numbers(0), &numbers(7));
        assert_eq!((all.len(), all.last().unwrap().place.as_str()), (MOST, "[7]"));
        let text = Value::Text("x".repeat(10_000));
        let long = differences(&text, &Value::Nil);
        assert!(long[0].own.as_ref().unwrap().len() < 2 * LONGEST);
    }
}
