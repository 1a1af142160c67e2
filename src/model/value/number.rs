//! A decimal number of any size and precision.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::model::text::abridge;

/// The serde newtype name of a [`Number`], by which the codecs read and write all of its digits.
pub(crate) const NUMBER: &str = "croupier::Number";

/// With this many significant digits every decimal number is the shortest text of a double (DBL_DIG of IEEE 754).
const DIGITS_OF_DOUBLE: usize = 15;
/// A number with fewer characters before its exponent, and an exponent nearer to zero, is within the range of a double.
const SHORT_MANTISSA: usize = 140;
const SMALL_EXPONENT: i64 = 140;
/// How many zeros are written at most in the place of an exponent.
const MOST_ZEROS: i64 = 400;

/// A decimal number of any size and precision, such as an amount of money or an integer beyond 64 bits.
///
/// It is kept as the text of its digits, in the grammar of JSON (RFC 8259, section 6), and every protocol reads and writes
/// all of them. Two numbers are equal if their texts are.
///
/// ```
/// use croupier::Number;
/// let amount: Number = "12345678901234567890.50".parse()?;
/// assert_eq!(amount.as_str(), "12345678901234567890.50");
/// assert_eq!("+007.".parse::<Number>()?.as_str(), "7");
/// assert!("0x10".parse::<Number>().is_err());
/// # Ok::<(), croupier::model::value::NumberError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(Box<str>);

/// The text is not a decimal number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a decimal number")]
pub struct NumberError(String);

impl Number {
    /// The number as JSON writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is written without a fraction and an exponent.
    pub fn is_integer(&self) -> bool {
        !self.0.contains(['.', 'e', 'E'])
    }

    /// The number without an exponent; `None` if more than 400 zeros would take its place.
    ///
    /// ```
    /// # use croupier::Number;
    /// let plain = |text: &str| text.parse::<Number>().unwrap().plain().map(|plain| plain.into_owned());
    /// assert_eq!(plain("1.25e3").as_deref(), Some("1250"));
    /// assert_eq!(plain("-1e-5").as_deref(), Some("-0.00001"));
    /// assert_eq!(plain("1e1000000000"), None);
    /// ```
    pub fn plain(&self) -> Option<Cow<'_, str>> {
        if !self.0.contains(['e', 'E']) {
            return Some(Cow::Borrowed(&self.0));
        }
        let Decimal { negative, digits, exponent } = Decimal::of(&self.0)?;
        if digits.is_empty() {
            return Some(Cow::Borrowed("0"));
        }
        let sign = if negative { "-" } else { "" };
        // The place of the point, counted from the first digit.
        let point = i64::try_from(digits.len()).ok()?.checked_add(exponent)?;
        let zeros = |count: i64| (count <= MOST_ZEROS).then(|| "0".repeat(usize::try_from(count).unwrap_or(0)));
        if exponent >= 0 {
            return Some(Cow::Owned(format!("{sign}{digits}{}", zeros(exponent)?)));
        }
        if point <= 0 {
            return Some(Cow::Owned(format!("{sign}0.{}{digits}", zeros(point.checked_neg()?)?)));
        }
        let (whole, fraction) = digits.split_at_checked(usize::try_from(point).ok()?)?;
        Some(Cow::Owned(format!("{sign}{whole}.{fraction}")))
    }

    /// Whether the shortest text of this double is the same number as `text`, so that the double loses nothing.
    pub(crate) fn is_double(text: &str, double: f64) -> bool {
        if !double.is_finite() {
            return false;
        }
        match (Decimal::of(text), Decimal::of(&shortest(double))) {
            (Some(wanted), Some(found)) => wanted.digits.is_empty() == found.digits.is_empty() && wanted == found,
            _ => false,
        }
    }

    /// Whether a number of this text may be one that [no double holds](Number::is_double). Needs no allocation.
    pub(crate) fn may_exceed_double(text: &str) -> bool {
        let mantissa = text.find(['e', 'E']).map_or(text, |at| text.get(..at).unwrap_or(text));
        let exponent = text.get(mantissa.len() + 1..).map_or(Ok(0), str::parse::<i64>);
        let significant = mantissa.trim_start_matches(['+', '-', '0', '.']);
        let digits = significant.bytes().filter(u8::is_ascii_digit).count();
        digits > DIGITS_OF_DOUBLE
            || mantissa.len() > SHORT_MANTISSA
            || !exponent.is_ok_and(|exponent| exponent.abs() < SMALL_EXPONENT)
    }
}

/// The shortest text that reads back as a finite double, with an exponent if it is very large or small. Of two texts that are
/// equally near, it has the digits that serde_json writes: a double has the same digits in every protocol.
pub(crate) fn shortest(double: f64) -> String {
    zmij::Buffer::new().format_finite(double).replace("e+", "e")
}

/// The shortest text of a finite double, without an exponent.
pub(crate) fn shortest_plain(double: f64) -> String {
    let number = Number(shortest(double).into());
    // No double has as many zeros as `plain` refuses.
    number.plain().map_or_else(|| double.to_string(), Cow::into_owned)
}

/// A decimal number's parts: the digits without zeros at either end, times ten to the power of the exponent.
#[derive(Debug, PartialEq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// `None` if the exponent has more than 63 bits.
    fn of(text: &str) -> Option<Decimal> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(positive) => (true, positive),
            None => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let significant = digits.trim_end_matches('0');
        if significant.is_empty() {
            return Some(Decimal { negative, digits: String::new(), exponent: 0 });
        }
        let exponent: i64 = exponent.parse().ok()?;
        let further = i64::try_from(digits.len() - significant.len()).ok()?;
        let behind = i64::try_from(fraction.len()).ok()?;
        let exponent = exponent.checked_add(further)?.checked_sub(behind)?;
        Some(Decimal { negative, digits: significant.to_owned(), exponent })
    }
}

impl FromStr for Number {
    type Err = NumberError;

    /// Reads an optional sign, digits with an optional point, and an optional exponent. Digits may be missing on one side
    /// of the point.
    fn from_str(text: &str) -> Result<Number, NumberError> {
        let wrong = || NumberError(abridge(text).into_owned());
        let all_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (text.get(..at).unwrap_or_default(), text.get(at..).unwrap_or_default()),
            None => (text, ""),
        };
        let (sign, bare) = match mantissa.strip_prefix('-') {
            Some(bare) => ("-", bare),
            None => ("", mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
        let power = exponent.get(1..).map(|power| power.strip_prefix(['+', '-']).unwrap_or(power));
        let sound = all_digits(whole)
            && all_digits(fraction)
            && !(whole.is_empty() && fraction.is_empty())
            && power.is_none_or(|power| !power.is_empty() && all_digits(power));
        if !sound {
            return Err(wrong());
        }
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        let point = if fraction.is_empty() { "" } else { "." };
        Ok(Number([sign, whole, point, fraction, exponent].concat().into()))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! from_integers {
    ($($kind:ty)*) => {$(
        impl From<$kind> for Number {
            fn from(value: $kind) -> Number {
                Number(value.to_string().into())
            }
        }
    )*};
}

from_integers! { i64 u64 i128 u128 }

impl Serialize for Number {
    /// As an integer if it is one of at most 128 bits, which every format of serde knows; otherwise as a newtype of its
    /// text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_integer() && self.0.as_ref() != "-0" {
            if let Ok(value) = self.0.parse() {
                return serializer.serialize_i64(value);
            }
            if let Ok(value) = self.0.parse() {
                return serializer.serialize_u64(value);
            }
            if let Ok(value) = self.0.parse() {
                return serializer.serialize_i128(value);
            }
            if let Ok(value) = self.0.parse() {
                return serializer.serialize_u128(value);
            }
        }
        serializer.serialize_newtype_struct(NUMBER, self.as_str())
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        deserializer.deserialize_newtype_struct(NUMBER, NumberVisitor { text: false })
    }
}

/// Reads numbers, and inside of the newtype also their text.
struct NumberVisitor {
    text: bool,
}

macro_rules! visit_integers {
    ($($method:ident $kind:ty,)*) => {$(
        fn $method<E>(self, value: $kind) -> Result<Number, E> {
            Ok(value.into())
        }
    )*};
}

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    visit_integers! {
        visit_i64 i64,
        visit_u64 u64,
        visit_i128 i128,
        visit_u128 u128,
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
        let text = if value.is_finite() { shortest(value) } else { value.to_string() };
        text.parse().map_err(|_| E::invalid_value(de::Unexpected::Float(value), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
        match text.parse() {
            Ok(number) if self.text => Ok(number),
            _ => Err(E::invalid_type(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Number, D::Error> {
        inner.deserialize_any(NumberVisitor { text: true })
    }
}

impl JsonSchema for Number {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbers_of_the_json_grammar() {
        for (text, number) in [
            ("0", "0"),
            ("-0", "-0"),
            ("+1", "1"),
            ("007", "7"),
            ("-.5", "-0.5"),
            ("5.", "5"),
            ("00.10", "0.10"),
            ("1E+05", "1E+05"),
            (".5e-3", "0.5e-3"),
            ("000", "0"),
        ] {
            let read: Number = text.parse().unwrap();
            assert_eq!(read.as_str(), number);
            assert!(serde_json::from_str::<serde_json::Value>(number).is_ok(), "{number}");
        }
        for text in
            ["", "-", ".", "+.", "1e", "1e+", "e5", "1.2.3", "1 ", "0x1", "1e5.0", "--1", "١", "NaN", "INF", "1,5"]
        {
            assert!(text.parse::<Number>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_double_holds_a_number_if_its_shortest_text_is_that_number() {
        for text in [
            "0",
            "-0.0",
            "0.1",
            "0.10",
            "19.90",
            "1e30",
            "1E-7",
            "100e-2",
            "9007199254740992e-1",
            "123456789012345",
            "1e308",
        ] {
            assert!(Number::is_double(text, text.parse().unwrap()), "{text}");
        }
        for text in [
            "12345678901234567890.1234567890",
            "9007199254740993",
            "0.10000000000000001",
            "1e400",
            "-1e400",
            "1e-400",
            "1e99999999999999999999",
            "123456789012345678",
        ] {
            assert!(!Number::is_double(text, text.parse().unwrap()), "{text}");
            assert!(Number::may_exceed_double(text), "{text}");
        }
        for text in ["0.1", "-19.90", "0.000001", "1e100", "-1.5E-100", "123456789012345"] {
            assert!(!Number::may_exceed_double(text), "{text}");
        }
    }

    #[test]
    fn plain_numbers_have_no_exponent() {
        for (text, plain) in [
            ("1e5", "100000"),
            ("-1.50e1", "-15"),
            ("1.5e-3", "0.0015"),
            ("123.456e1", "1234.56"),
            ("123.456e2", "12345.6"),
            ("0e99", "0"),
            ("12345678901234567890.10", "12345678901234567890.10"),
        ] {
            assert_eq!(text.parse::<Number>().unwrap().plain().as_deref(), Some(plain), "{text}");
        }
        for text in ["1e401", "1e-402", "1e99999999999999999999"] {
            assert_eq!(text.parse::<Number>().unwrap().plain(), None, "{text}");
        }
    }

    #[test]
    fn other_formats_of_serde_read_and_write_integers() {
        for digits in ["7", "-9223372036854775808", "18446744073709551615"] {
            let number: Number = digits.parse().unwrap();
            let text = serde_json::to_string(&number).unwrap();
            assert_eq!(serde_json::from_str::<Number>(&text).unwrap(), number);
        }
        let beyond: Number = "-9223372036854775809".parse().unwrap();
        assert_eq!(serde_json::to_string(&beyond).unwrap(), "-9223372036854775809");
        assert!(serde_json::from_str::<Number>("\"seven\"").is_err());
    }

    #[test]
    fn of_two_equally_near_texts_all_protocols_write_the_same() {
        // 651569528846977.2 and 651569528846977.3 are equally near.
        let double: f64 = "651569528846977.25".parse().unwrap();
        let json = serde_json::to_string(&double).unwrap();
        assert_eq!((shortest(double), shortest_plain(double)), (json.clone(), json.clone()));
        assert!(Number::is_double(&json, double));
        for (double, text, plain) in [
            (0.0, "0.0", "0.0"),
            (-0.0, "-0.0", "-0.0"),
            (1e21, "1e21", "1000000000000000000000"),
            (-2.5e-7, "-2.5e-7", "-0.00000025"),
        ] {
            assert_eq!((shortest(double), shortest_plain(double)), (text.to_owned(), plain.to_owned()));
        }
        assert_eq!(shortest_plain(f64::MIN_POSITIVE).len(), 326);
    }
}
