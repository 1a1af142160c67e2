//! Converts the text of one typed element, such as `<int>` or `<double>`, into a value.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::codec::tape::TapeNode;
use crate::codec::xml::Reading;
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;
use crate::model::value::Number;

/// Standard base64 with optional padding, which several clients leave out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The type of an element that contains only text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum XmlRpcScalar {
    Nil,
    /// An integer of at most this many bits.
    Int(u8),
    Boolean,
    Double,
    String,
    DateTime,
    Base64,
    BigInteger,
    BigDecimal,
}

impl XmlRpcScalar {
    /// The type of an element of the XML-RPC specification.
    pub(super) fn named(name: &[u8]) -> Option<XmlRpcScalar> {
        Some(match name {
            b"string" => XmlRpcScalar::String,
            b"int" | b"i4" => XmlRpcScalar::Int(32),
            b"double" => XmlRpcScalar::Double,
            b"boolean" => XmlRpcScalar::Boolean,
            b"i8" => XmlRpcScalar::Int(64),
            b"dateTime.iso8601" => XmlRpcScalar::DateTime,
            b"base64" => XmlRpcScalar::Base64,
            b"nil" => XmlRpcScalar::Nil,
            _ => return None,
        })
    }

    /// The type of an element in the Apache namespace. `serializable` and `dom` are not supported: serialized Java objects
    /// and DOM documents from the network are never built.
    pub(super) fn of_apache(name: &str) -> Option<XmlRpcScalar> {
        Some(match name {
            "nil" => XmlRpcScalar::Nil,
            "i1" => XmlRpcScalar::Int(8),
            "i2" => XmlRpcScalar::Int(16),
            "i8" => XmlRpcScalar::Int(64),
            "float" => XmlRpcScalar::Double,
            "biginteger" => XmlRpcScalar::BigInteger,
            "bigdecimal" => XmlRpcScalar::BigDecimal,
            "dateTime" => XmlRpcScalar::DateTime,
            _ => return None,
        })
    }

    fn is_number(self) -> bool {
        use XmlRpcScalar::{BigDecimal, BigInteger, Double, Int};
        matches!(self, Int(_) | Double | BigInteger | BigDecimal)
    }

    /// Converts the element's text into a value.
    pub(super) fn read<'a>(self, text: Cow<'a, str>, reading: Reading) -> Result<TapeNode<'a>, Fault> {
        match self {
            XmlRpcScalar::String => Ok(TapeNode::Text(text)),
            _ if self.is_number() && reading == Reading::Lenient && trim(&text).is_empty() => Ok(TapeNode::Nil),
            XmlRpcScalar::Int(bits) => integer(&text, bits, reading),
            XmlRpcScalar::Double => double(&text, reading),
            XmlRpcScalar::Boolean => boolean(&text, reading),
            XmlRpcScalar::DateTime => match (text.parse(), reading) {
                (Ok(date), _) => Ok(TapeNode::Date(date)),
                // Servers write "no date" in forms of their own, and the rest of the document is still sound.
                (Err(_), Reading::Lenient) => Ok(TapeNode::Text(text)),
                (Err(_), Reading::Strict) => Err(wrong(&text, "a date and time")),
            },
            XmlRpcScalar::Base64 => base64(&text),
            XmlRpcScalar::Nil => {
                if trim(&text).is_empty() {
                    Ok(TapeNode::Nil)
                } else {
                    Err(Fault::new(Kind::BadParams, format!("`nil` holds `{}`, not nothing", abridge(&text))))
                }
            }
            XmlRpcScalar::BigInteger => big_integer(text),
            XmlRpcScalar::BigDecimal => big_decimal(&text),
        }
    }
}

fn integer<'a>(text: &str, bits: u8, reading: Reading) -> Result<TapeNode<'a>, Fault> {
    let digits = trim(text);
    let Some(number) = whole(digits) else {
        return match (is_whole(digits), reading) {
            (true, Reading::Lenient) if bits >= 32 => Ok(TapeNode::Digits(Cow::Owned(digits.to_owned()))),
            (true, _) => Err(beyond(text, bits)),
            (false, _) => Err(wrong(text, "an integer")),
        };
    };
    let wide = bits == 64 || (bits == 32 && reading == Reading::Lenient);
    let shift = 64 - u32::from(bits);
    if wide || (number << shift) >> shift == number { Ok(TapeNode::Int(number)) } else { Err(beyond(text, bits)) }
}

/// Parses a 64-bit integer: an optional sign and ASCII digits.
fn whole(digits: &str) -> Option<i64> {
    digits.parse().ok()
}

/// Whether the text is an integer of any length.
fn is_whole(digits: &str) -> bool {
    let bare = digits.strip_prefix(['-', '+']).unwrap_or(digits);
    !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit())
}

fn double<'a>(text: &str, reading: Reading) -> Result<TapeNode<'a>, Fault> {
    let number = trim(text);
    let plain =
        !number.is_empty() && number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let word = reading == Reading::Lenient
        && matches!(number.trim_start_matches(['+', '-']), "NaN" | "nan" | "INF" | "inf" | "Inf" | "Infinity");
    if plain && Number::may_exceed_double(number) {
        let double = number.parse().map_err(|_| wrong(text, "a double"))?;
        return Ok(match Number::is_double(number, double) {
            true => TapeNode::Double(double),
            false => TapeNode::Digits(Cow::Owned(number.to_owned())),
        });
    }
    match number.parse::<f64>() {
        Ok(value) if word || (plain && value.is_finite()) => Ok(TapeNode::Double(value)),
        _ => Err(wrong(text, "a double")),
    }
}

fn boolean<'a>(text: &str, reading: Reading) -> Result<TapeNode<'a>, Fault> {
    match (trim(text), reading) {
        ("1", _) | ("true", Reading::Lenient) => Ok(TapeNode::Bool(true)),
        ("0", _) | ("false", Reading::Lenient) => Ok(TapeNode::Bool(false)),
        _ => Err(wrong(text, "a boolean")),
    }
}

fn base64<'a>(text: &str) -> Result<TapeNode<'a>, Fault> {
    let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(packed).map(TapeNode::Binary).map_err(|_| wrong(text, "base64"))
}

fn big_integer(text: Cow<'_, str>) -> Result<TapeNode<'_>, Fault> {
    let digits = trim(&text);
    if let Some(number) = whole(digits) {
        return Ok(TapeNode::Int(number));
    }
    if !is_whole(digits) {
        return Err(wrong(&text, "an integer"));
    }
    Ok(TapeNode::Digits(Cow::Owned(digits.to_owned())))
}

fn big_decimal<'a>(text: &str) -> Result<TapeNode<'a>, Fault> {
    double(text, Reading::Strict).map_err(|_| wrong(text, "a decimal number"))
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

fn wrong(text: &str, what: &str) -> Fault {
    Fault::new(Kind::BadParams, format!("`{}` is not {what}", abridge(text)))
}

fn beyond(text: &str, bits: u8) -> Fault {
    Fault::new(Kind::BadParams, format!("the integer `{}` is beyond {bits} bits", abridge(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(scalar: XmlRpcScalar, text: &str, reading: Reading) -> Option<TapeNode<'_>> {
        scalar.read(Cow::Borrowed(text), reading).ok()
    }

    #[test]
    fn integers_must_fit_their_width() {
        for (bits, text, lenient, strict) in [
            (32, "+12", Some(12), Some(12)),
            (32, "00012", Some(12), Some(12)),
            (32, " -7\n", Some(-7), Some(-7)),
            (32, "2147483648", Some(2_147_483_648), None),
            (32, "-2147483648", Some(-2_147_483_648), Some(-2_147_483_648)),
            (64, "9223372036854775807", Some(i64::MAX), Some(i64::MAX)),
            (8, "127", Some(127), Some(127)),
            (8, "128", None, None),
            (16, "-32769", None, None),
            (32, "1_0", None, None),
            (32, "12x", None, None),
            (32, "1 2", None, None),
            (32, "٣", None, None),
            (32, "+-1", None, None),
            (32, "1.0", None, None),
        ] {
            assert_eq!(read(XmlRpcScalar::Int(bits), text, Reading::Lenient), lenient.map(TapeNode::Int), "{text}");
            assert_eq!(read(XmlRpcScalar::Int(bits), text, Reading::Strict), strict.map(TapeNode::Int), "{text}");
        }
    }

    #[test]
    fn doubles_have_exponents_and_if_lenient_words() {
        for (text, value) in [("1e3", 1000.0), (".5", 0.5), ("5.", 5.0), (" -2.5 ", -2.5), ("+1", 1.0)] {
            assert_eq!(read(XmlRpcScalar::Double, text, Reading::Strict), Some(TapeNode::Double(value)), "{text}");
        }
        for text in [".", "1,5", "0x10", "infinite", "１"] {
            assert_eq!(read(XmlRpcScalar::Double, text, Reading::Lenient), None, "{text}");
        }
        for text in ["INF", "+INF", "-inf", "Infinity", "NaN"] {
            assert!(read(XmlRpcScalar::Double, text, Reading::Lenient).is_some(), "{text}");
            assert!(read(XmlRpcScalar::Double, text, Reading::Strict).is_none(), "{text}");
        }
    }

    #[test]
    fn an_empty_number_is_nil_if_lenient() {
        use XmlRpcScalar::{BigDecimal, BigInteger, Boolean, Double, Int};
        for scalar in [Int(8), Int(32), Int(64), Double, BigInteger, BigDecimal] {
            for text in ["", " \n"] {
                assert_eq!(read(scalar, text, Reading::Lenient), Some(TapeNode::Nil), "{scalar:?}");
                assert_eq!(read(scalar, text, Reading::Strict), None, "{scalar:?}");
            }
        }
        assert_eq!(read(Boolean, "", Reading::Lenient), None);
    }

    #[test]
    fn a_date_that_is_none_is_its_text_if_lenient() {
        for text in ["", "00000000T00:00:00Z", "2019-02-03 04:05:06", "20190203T24:00:00", "20190203T04:05:60", "never"]
        {
            let expected = Some(TapeNode::Text(Cow::Borrowed(text)));
            assert_eq!(read(XmlRpcScalar::DateTime, text, Reading::Lenient), expected);
            assert_eq!(read(XmlRpcScalar::DateTime, text, Reading::Strict), None, "{text}");
        }
        let date = read(XmlRpcScalar::DateTime, " 20190203T04:05:06Z", Reading::Lenient);
        assert!(matches!(date, Some(TapeNode::Date(_))), "{date:?}");
    }

    #[test]
    fn base64_may_have_white_space_and_lack_padding() {
        let hello = Some(TapeNode::Binary(b"hello".to_vec()));
        for text in ["aGVsbG8=", "aGVs\r\n bG8=", "aGVsbG8"] {
            assert_eq!(read(XmlRpcScalar::Base64, text, Reading::Strict), hello, "{text}");
        }
        for text in ["aGVsbG8*", "a-_b", "a", "=aaa"] {
            assert_eq!(read(XmlRpcScalar::Base64, text, Reading::Lenient), None, "{text}");
        }
    }

    #[test]
    fn numbers_out_of_range_keep_their_digits() {
        let long = "123456789012345678901234567890";
        assert_eq!(read(XmlRpcScalar::BigInteger, long, Reading::Strict), Some(TapeNode::Digits(Cow::Borrowed(long))));
        assert_eq!(read(XmlRpcScalar::BigInteger, "42", Reading::Strict), Some(TapeNode::Int(42)));
        assert_eq!(read(XmlRpcScalar::BigDecimal, "0.10", Reading::Strict), Some(TapeNode::Double(0.1)));
        for text in ["12345678901234567890.1234567890", "1e999", "0.10000000000000001", "-1e-400"] {
            let digits = Some(TapeNode::Digits(Cow::Borrowed(text)));
            for scalar in [XmlRpcScalar::Double, XmlRpcScalar::BigDecimal] {
                assert_eq!(read(scalar, text, Reading::Strict), digits);
            }
        }
        for bits in [32, 64] {
            let digits = Some(TapeNode::Digits(Cow::Borrowed("9223372036854775808")));
            assert_eq!(read(XmlRpcScalar::Int(bits), "9223372036854775808", Reading::Lenient), digits);
            assert_eq!(read(XmlRpcScalar::Int(bits), "9223372036854775808", Reading::Strict), None);
        }
        assert_eq!(read(XmlRpcScalar::BigInteger, "12x", Reading::Strict), None);
    }
}
