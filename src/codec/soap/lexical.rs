//! Converts the text of an element into a value, by the lexical rules of XML Schema (Part 2, section 3).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::codec::tape::TapeNode;
use crate::model::shape::Shape;
use crate::model::value::Number;

const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];

/// A type whose values are written as one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SoapScalar {
    Text,
    Bool,
    Int,
    Double,
    Date,
    Binary,
}

impl SoapScalar {
    /// The type for an element that names its type.
    pub(super) fn of_element(name: &str) -> Option<SoapScalar> {
        Some(match name {
            "string" => SoapScalar::Text,
            "boolean" => SoapScalar::Bool,
            "int" | "integer" => SoapScalar::Int,
            "double" | "decimal" => SoapScalar::Double,
            "dateTime" => SoapScalar::Date,
            "base64" => SoapScalar::Binary,
            _ => return None,
        })
    }

    /// The type for the local name of an `xsi:type`. Unknown types are read as text.
    pub(super) fn of_type(name: &str) -> Option<SoapScalar> {
        Some(match name {
            "boolean" => SoapScalar::Bool,
            "int" | "integer" | "long" | "short" | "byte" | "unsignedInt" | "unsignedLong" | "unsignedShort"
            | "unsignedByte" | "nonNegativeInteger" | "positiveInteger" | "nonPositiveInteger" | "negativeInteger" => {
                SoapScalar::Int
            }
            "double" | "float" | "decimal" => SoapScalar::Double,
            "dateTime" => SoapScalar::Date,
            "base64Binary" | "base64" => SoapScalar::Binary,
            _ => return None,
        })
    }

    /// The name of the type in error messages.
    pub(super) fn words(self) -> &'static str {
        match self {
            SoapScalar::Text => "a string",
            SoapScalar::Bool => "a boolean",
            SoapScalar::Int => "an integer",
            SoapScalar::Double => "a double",
            SoapScalar::Date => "a date and time",
            SoapScalar::Binary => "base64",
        }
    }

    /// Converts a text into a value; returns the text if it is not valid for the type.
    pub(super) fn read(self, text: Cow<'_, str>) -> Result<TapeNode<'_>, Cow<'_, str>> {
        let value = match self {
            SoapScalar::Text => return Ok(TapeNode::Text(text)),
            SoapScalar::Bool => boolean(&text),
            SoapScalar::Int => return integer(text),
            SoapScalar::Double => double(&text),
            SoapScalar::Date => text.parse().ok().map(TapeNode::Date),
            SoapScalar::Binary => base64(&text),
        };
        value.ok_or(text)
    }
}

/// Converts a text by the shape of its element. A text that is not valid stays text; the method then reports the error as
/// it does for every protocol.
pub(super) fn scalar<'a>(shape: &Shape, text: Cow<'a, str>) -> TapeNode<'a> {
    let scalar = match shape {
        Shape::Bool => SoapScalar::Bool,
        Shape::Int(_) => SoapScalar::Int,
        Shape::Double => SoapScalar::Double,
        Shape::Date => SoapScalar::Date,
        Shape::Binary => SoapScalar::Binary,
        Shape::Choice(texts) => return choice(texts, text),
        _ => SoapScalar::Text,
    };
    scalar.read(text).unwrap_or_else(TapeNode::Text)
}

/// White space around one of the choices is ignored, because XML printers add it.
pub(super) fn choice<'a>(texts: &[String], text: Cow<'a, str>) -> TapeNode<'a> {
    let collapsed = text.trim_matches(BLANK);
    let meant = collapsed.len() < text.len() && texts.iter().any(|known| known == collapsed);
    TapeNode::Text(if meant { Cow::Owned(collapsed.to_owned()) } else { text })
}

fn boolean(text: &str) -> Option<TapeNode<'static>> {
    match text.trim_matches(BLANK) {
        "true" | "1" => Some(TapeNode::Bool(true)),
        "false" | "0" => Some(TapeNode::Bool(false)),
        _ => None,
    }
}

fn integer(text: Cow<'_, str>) -> Result<TapeNode<'_>, Cow<'_, str>> {
    let digits = text.trim_matches(BLANK);
    if let Ok(number) = digits.parse() {
        return Ok(TapeNode::Int(number));
    }
    let bare = digits.strip_prefix(['-', '+']).unwrap_or(digits);
    if bare.is_empty() || !bare.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(text);
    }
    Ok(TapeNode::Digits(Cow::Owned(digits.to_owned())))
}

/// A number that a double does not hold keeps its digits. NaN and the infinities are accepted in any letter case and as `Infinity`: zeep writes Python's `inf` and `nan`,
/// JavaScript clients write `Infinity`.
fn double(text: &str) -> Option<TapeNode<'static>> {
    let number = text.trim_matches(BLANK);
    let bare = number.strip_prefix(['+', '-']).unwrap_or(number);
    let infinite = ["INF", "Infinity"].iter().any(|word| bare.eq_ignore_ascii_case(word));
    let value = match number {
        _ if infinite && number.starts_with('-') => f64::NEG_INFINITY,
        _ if infinite => f64::INFINITY,
        _ if number.eq_ignore_ascii_case("NaN") => f64::NAN,
        _ if number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
            let value = number.parse().ok()?;
            if Number::may_exceed_double(number) && !Number::is_double(number, value) {
                return Some(TapeNode::Digits(Cow::Owned(number.to_owned())));
            }
            value
        }
        _ => return None,
    };
    Some(TapeNode::Double(value))
}

fn base64(text: &str) -> Option<TapeNode<'static>> {
    let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(packed).ok().map(TapeNode::Binary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::shape::Width;

    fn read(shape: &Shape, text: &'static str) -> TapeNode<'static> {
        scalar(shape, Cow::Borrowed(text))
    }

    #[test]
    fn texts_are_read_by_the_rules_of_xml_schema() {
        for (shape, text, node) in [
            (Shape::Bool, " true\n", TapeNode::Bool(true)),
            (Shape::Bool, "0", TapeNode::Bool(false)),
            (Shape::Int(Width::Int), "\t+007 ", TapeNode::Int(7)),
            (Shape::Int(Width::Int), "-9223372036854775808", TapeNode::Int(i64::MIN)),
            (Shape::Int(Width::Unbounded), " 18446744073709551615", TapeNode::Digits("18446744073709551615".into())),
            (Shape::Double, "1E3", TapeNode::Double(1000.0)),
            (Shape::Double, "-INF", TapeNode::Double(f64::NEG_INFINITY)),
            (Shape::Double, "inf", TapeNode::Double(f64::INFINITY)),
            (Shape::Double, "-Infinity", TapeNode::Double(f64::NEG_INFINITY)),
            (Shape::Double, ".5", TapeNode::Double(0.5)),
            (Shape::Double, " 1234567890123456789.5", TapeNode::Digits("1234567890123456789.5".into())),
            (Shape::Double, "1e999", TapeNode::Digits("1e999".into())),
            (Shape::Binary, " aGVs\n bG8= ", TapeNode::Binary(b"hello".to_vec())),
            (Shape::Text, " a ", TapeNode::Text(" a ".into())),
            (Shape::Choice(vec!["RED".into()]), " RED ", TapeNode::Text("RED".into())),
            (Shape::Date, " 1998-07-17T14:08:55Z", TapeNode::Date("1998-07-17T14:08:55Z".parse().unwrap())),
        ] {
            assert_eq!(read(&shape, text), node, "{text}");
        }
        for text in ["NaN", "nan"] {
            assert!(matches!(read(&Shape::Double, text), TapeNode::Double(nan) if nan.is_nan()));
        }
    }

    #[test]
    fn a_text_that_is_not_valid_for_its_type_stays_text() {
        for (shape, texts) in [
            (Shape::Bool, &["yes", "TRUE", "", "2"][..]),
            (Shape::Int(Width::Int), &["", "1.0", "1e3", "--1", "+", "0x1", "٣", "1 2"]),
            (Shape::Double, &["", "infinite", "-nan", "--inf", "1,5", "0x1", "."]),
            (Shape::Date, &["", "1998-07-17", "yesterday"]),
            (Shape::Binary, &["a", "a*==", "aGVsbG8"]),
            (Shape::Choice(vec!["RED".into()]), &["red", " BLUE"]),
        ] {
            for text in texts {
                assert_eq!(read(&shape, text), TapeNode::Text(Cow::Borrowed(text)), "{shape:?} {text}");
            }
        }
    }
}
