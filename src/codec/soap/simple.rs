//! Simple types of XML Schema (Part 2): the texts that they allow, and how values become texts.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::pattern::Pattern;
use crate::model::text::abridge;
use crate::model::value::{Value, shortest, shortest_plain};

/// The most values of an enumeration in an error message.
const NAMED: usize = 12;

/// A simple type.
#[derive(Debug, Clone, PartialEq)]
pub struct SimpleType {
    /// What its texts are made of.
    pub variety: Variety,
    /// What restricts them.
    pub facets: Vec<Facet>,
}

/// The variety of a simple type (XML Schema Part 2, section 2.5).
#[derive(Debug, Clone, PartialEq)]
pub enum Variety {
    /// One value of this built-in type.
    Atomic(&'static str),
    /// Values of one type, separated by white space.
    List(Box<SimpleType>),
    /// A value of one of these types.
    Union(Vec<SimpleType>),
}

/// A constraining facet (XML Schema Part 2, section 4.3).
#[derive(Debug, Clone, PartialEq)]
pub enum Facet {
    /// One of these texts.
    OneOf(Vec<String>),
    /// Texts that match a regular expression.
    Pattern(Pattern),
    /// At least this many characters, bytes or items.
    MinLength(usize),
    /// At most this many characters, bytes or items.
    MaxLength(usize),
    /// Numbers from a bound up.
    Min(Bound),
    /// Numbers up to a bound.
    Max(Bound),
    /// At most this many digits.
    TotalDigits(usize),
    /// At most this many digits after the point.
    FractionDigits(usize),
}

/// A bound of a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// The text of the bound in the schema.
    pub text: String,
    /// Whether the bound itself is not allowed.
    pub exclusive: bool,
}

/// What the texts of a built-in type look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lexical {
    Boolean,
    Integer,
    Decimal,
    Double,
    DateTime,
    Date,
    Time,
    Duration,
    Base64,
    Hex,
    /// A part of a date: with these texts around it, without the hyphens in front, it is a whole one.
    DatePart {
        hyphens: &'static str,
        before: &'static str,
        after: &'static str,
    },
    Language,
    Text,
}

impl Lexical {
    fn of(kind: &str) -> Lexical {
        match kind {
            "boolean" => Lexical::Boolean,
            "decimal" => Lexical::Decimal,
            "float" | "double" => Lexical::Double,
            "dateTime" => Lexical::DateTime,
            "date" => Lexical::Date,
            "time" => Lexical::Time,
            "duration" => Lexical::Duration,
            "base64Binary" => Lexical::Base64,
            "hexBinary" => Lexical::Hex,
            "gYear" => Lexical::DatePart { hyphens: "", before: "", after: "-01-01" },
            "gYearMonth" => Lexical::DatePart { hyphens: "", before: "", after: "-01" },
            "gMonth" => Lexical::DatePart { hyphens: "--", before: "2024-", after: "-01" },
            "gMonthDay" => Lexical::DatePart { hyphens: "--", before: "2024-", after: "" },
            "gDay" => Lexical::DatePart { hyphens: "---", before: "2024-01-", after: "" },
            "language" => Lexical::Language,
            kind if range(kind).is_some() => Lexical::Integer,
            _ => Lexical::Text,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Lexical::Boolean => "a boolean",
            Lexical::Integer => "an integer",
            Lexical::Decimal | Lexical::Double => "a number",
            Lexical::DateTime => "a date and time",
            Lexical::Date => "a date, such as `2024-02-29`",
            Lexical::Time => "a time, such as `12:00:00`",
            Lexical::Duration => "a duration, such as `P1DT2H`",
            Lexical::Base64 => "bytes in base64",
            Lexical::Hex => "bytes in hexadecimal digits",
            Lexical::DatePart { after: "-01-01", .. } => "a year, such as `2024`",
            Lexical::DatePart { hyphens: "", .. } => "a year and a month, such as `2024-02`",
            Lexical::DatePart { hyphens: "---", .. } => "a day, such as `---29`",
            Lexical::DatePart { after: "", .. } => "a month and a day, such as `--02-29`",
            Lexical::DatePart { .. } => "a month, such as `--02`",
            Lexical::Language => "a language, such as `de-AT`",
            Lexical::Text => "a single value",
        }
    }
}

/// The least and the greatest value of a built-in integer type; `None` for other types.
pub(crate) fn range(kind: &str) -> Option<(i128, i128)> {
    Some(match kind {
        "byte" => (i8::MIN.into(), i8::MAX.into()),
        "short" => (i16::MIN.into(), i16::MAX.into()),
        "int" => (i32::MIN.into(), i32::MAX.into()),
        "long" => (i64::MIN.into(), i64::MAX.into()),
        "unsignedByte" => (0, u8::MAX.into()),
        "unsignedShort" => (0, u16::MAX.into()),
        "unsignedInt" => (0, u32::MAX.into()),
        "unsignedLong" => (0, u64::MAX.into()),
        "integer" => (i128::MIN, i128::MAX),
        "nonNegativeInteger" => (0, i128::MAX),
        "positiveInteger" => (1, i128::MAX),
        "nonPositiveInteger" => (i128::MIN, 0),
        "negativeInteger" => (i128::MIN, -1),
        _ => return None,
    })
}

impl SimpleType {
    /// A built-in type.
    pub fn atomic(kind: &'static str) -> SimpleType {
        SimpleType { variety: Variety::Atomic(kind), facets: Vec::new() }
    }

    /// The built-in type of a value; `string` for lists, and for unions of different types.
    pub fn kind(&self) -> &'static str {
        match &self.variety {
            Variety::Atomic(kind) => kind,
            Variety::List(_) => "string",
            Variety::Union(members) => {
                let mut kinds = members.iter().map(SimpleType::kind);
                let first = kinds.next().unwrap_or("string");
                if kinds.all(|kind| kind == first) { first } else { "string" }
            }
        }
    }

    /// The text of a value.
    ///
    /// # Errors
    /// What is expected instead, in words that follow "expected".
    pub(super) fn text<'v>(&self, value: &'v Value) -> Result<Cow<'v, str>, String> {
        let text = match &self.variety {
            Variety::Atomic(kind) => atomic(kind, value)?,
            Variety::List(item) => list(item, value)?,
            Variety::Union(members) => {
                let fitting = members.iter().find_map(|member| member.text(value).ok());
                match (fitting, members.first()) {
                    (Some(text), _) => text,
                    (None, Some(first)) => return Err(first.text(value).err().unwrap_or_else(|| "a value".to_owned())),
                    (None, None) => atomic("string", value)?,
                }
            }
        };
        for facet in &self.facets {
            self.check(facet, &text)?;
        }
        Ok(text)
    }

    fn check(&self, facet: &Facet, text: &str) -> Result<(), String> {
        let fits = match facet {
            Facet::OneOf(texts) => self.is_one_of(texts, text),
            Facet::Pattern(pattern) => pattern.matches(text),
            Facet::MinLength(least) => self.length(text) >= *least,
            Facet::MaxLength(most) => self.length(text) <= *most,
            Facet::Min(bound) => {
                compare(text, &bound.text).is_none_or(|order| order.is_gt() || (order.is_eq() && !bound.exclusive))
            }
            Facet::Max(bound) => {
                compare(text, &bound.text).is_none_or(|order| order.is_lt() || (order.is_eq() && !bound.exclusive))
            }
            Facet::TotalDigits(most) => digits(text).is_none_or(|(before, after)| before + after <= *most),
            Facet::FractionDigits(most) => digits(text).is_none_or(|(_, after)| after <= *most),
        };
        if fits { Ok(()) } else { Err(self.expected(facet)) }
    }

    /// What a facet demands, in words that follow "expected".
    fn expected(&self, facet: &Facet) -> String {
        let unit = match (&self.variety, Lexical::of(self.kind())) {
            (Variety::List(_), _) => "items",
            (_, Lexical::Base64 | Lexical::Hex) => "bytes",
            _ => "characters",
        };
        match facet {
            Facet::OneOf(texts) => {
                let named: Vec<_> = texts.iter().take(NAMED).map(|text| format!("`{}`", abridge(text))).collect();
                let more = if texts.len() > NAMED { " or another text of the enumeration" } else { "" };
                format!("one of {}{more}", named.join(", "))
            }
            Facet::Pattern(pattern) => format!("a text that matches `{}`", abridge(&pattern.source)),
            Facet::MinLength(least) => format!("at least {least} {unit}"),
            Facet::MaxLength(most) => format!("at most {most} {unit}"),
            Facet::Min(bound) => format!("{} {}", if bound.exclusive { "more than" } else { "at least" }, bound.text),
            Facet::Max(bound) => format!("{} {}", if bound.exclusive { "less than" } else { "at most" }, bound.text),
            Facet::TotalDigits(most) => format!("at most {most} digits"),
            Facet::FractionDigits(most) => format!("at most {most} digits after the point"),
        }
    }

    /// Whether a text has one of these values. Numbers may be written in several ways.
    fn is_one_of(&self, texts: &[String], text: &str) -> bool {
        let numeric = matches!(Lexical::of(self.kind()), Lexical::Integer | Lexical::Decimal | Lexical::Double);
        let dated = matches!(Lexical::of(self.kind()), Lexical::DateTime | Lexical::Date | Lexical::Time);
        let same = |known: &String| known == text || (numeric && compare(known, text).is_some_and(|it| it.is_eq()));
        // A moment can be written in several ways, which only the server compares.
        dated || texts.iter().any(same)
    }

    fn length(&self, text: &str) -> usize {
        match (&self.variety, Lexical::of(self.kind())) {
            (Variety::List(_), _) => text.split_ascii_whitespace().count(),
            (_, Lexical::Hex) => text.len() / 2,
            (_, Lexical::Base64) => {
                let digits = text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').count();
                digits * 3 / 4
            }
            _ => text.chars().count(),
        }
    }
}

/// The text of a value of a built-in type.
///
/// # Errors
/// What is expected instead.
pub(super) fn atomic<'v>(kind: &str, value: &'v Value) -> Result<Cow<'v, str>, String> {
    let lexical = Lexical::of(kind);
    let wrong = || lexical.words().to_owned();
    let text: Cow<'v, str> = match (lexical, value) {
        (_, Value::Nil | Value::Array(_) | Value::Struct(_)) => return Err(wrong()),
        (Lexical::Boolean, Value::Int(0)) => "false".into(),
        (Lexical::Boolean, Value::Int(1)) => "true".into(),
        (Lexical::Integer, Value::Double(number)) => whole(*number).ok_or_else(wrong)?.into(),
        (Lexical::Date, Value::Date(date)) => date.to_string().split('T').next().unwrap_or_default().to_owned().into(),
        (Lexical::Time, Value::Date(date)) => date.to_string().split_once('T').ok_or_else(wrong)?.1.to_owned().into(),
        (Lexical::Hex, Value::Binary(bytes)) => hexadecimal(bytes).into(),
        (_, Value::Bool(value)) => if *value { "true" } else { "false" }.into(),
        (_, Value::Int(number)) => number.to_string().into(),
        (Lexical::Double, Value::Number(number)) => number.as_str().into(),
        (_, Value::Number(number)) => number.plain().ok_or("a number of at most 400 digits")?,
        // Only the types of floating-point numbers have exponents (XML Schema Part 2, 3.2.3.1).
        (Lexical::Decimal, Value::Double(number)) if number.is_finite() => decimal(*number).into(),
        (_, Value::Double(number)) => double(*number).into(),
        (_, Value::Date(date)) => date.to_string().into(),
        (_, Value::Binary(bytes)) => STANDARD.encode(bytes).into(),
        (_, Value::Text(text)) => text.as_str().into(),
    };
    // Texts of numbers may have white space around them, as the types of XML Schema collapse it.
    let bare = text.trim_matches([' ', '\t', '\r', '\n']);
    let is_valid = match lexical {
        Lexical::Boolean => matches!(bare, "true" | "false" | "1" | "0"),
        Lexical::Integer => is_integer(bare),
        // Unlike a double, a decimal has no exponent and no words (XML Schema Part 2, 3.2.3.1).
        Lexical::Decimal => is_number(bare) && !bare.contains(|byte: char| byte.is_ascii_alphabetic()),
        Lexical::Double => is_number(bare),
        Lexical::DateTime => {
            bare.split_once('T').is_some_and(|(date, time)| is_date(date) && is_time(without_zone(time)))
        }
        Lexical::Date => is_date(without_zone(bare)),
        Lexical::Time => is_time(without_zone(bare)),
        Lexical::Duration => is_duration(bare),
        Lexical::Base64 => is_base64(bare),
        Lexical::Hex => bare.len().is_multiple_of(2) && bare.bytes().all(|byte| byte.is_ascii_hexdigit()),
        Lexical::DatePart { hyphens, before, after } => {
            let part = without_zone(bare).strip_prefix(hyphens);
            part.is_some_and(|part| is_date(&[before, part, after].concat()))
        }
        Lexical::Language => is_language(bare),
        Lexical::Text => true,
    };
    if !is_valid {
        return Err(wrong());
    }
    if let Some((least, most)) = range(kind).filter(|_| lexical == Lexical::Integer) {
        // A number beyond 128 bits is beyond every range that has an end.
        let number: Option<i128> = bare.parse().ok();
        let fits = match number {
            Some(number) => (least..=most).contains(&number),
            None if bare.starts_with('-') => least == i128::MIN,
            None => most == i128::MAX,
        };
        if !fits {
            return Err(in_range(least, most));
        }
    }
    Ok(text)
}

fn in_range(least: i128, most: i128) -> String {
    match (least, most) {
        (i128::MIN, most) => format!("an integer up to {most}"),
        (least, i128::MAX) => format!("an integer from {least}"),
        (least, most) => format!("an integer from {least} to {most}"),
    }
}

/// The items of a list, which are separated by spaces. A text is a list that is written already.
fn list<'v>(item: &SimpleType, value: &'v Value) -> Result<Cow<'v, str>, String> {
    match value {
        Value::Array(items) => {
            let texts: Result<Vec<_>, _> = items.iter().map(|value| item.text(value)).collect();
            let texts = texts?;
            match texts.iter().any(|text| text.is_empty() || text.contains([' ', '\t', '\r', '\n'])) {
                true => Err("items without white space".to_owned()),
                false => Ok(texts.join(" ").into()),
            }
        }
        Value::Text(text) => {
            for word in text.split_ascii_whitespace() {
                item.text(&Value::Text(word.to_owned()))?;
            }
            Ok(text.as_str().into())
        }
        value => item.text(value),
    }
}

/// The shortest decimal text of a finite double, without an exponent; whole numbers without `.0`.
fn decimal(number: f64) -> String {
    let mut text = shortest_plain(number);
    // A whole number has no point, for servers that read it as an integer.
    if text.ends_with(".0") {
        text.truncate(text.len() - 2);
    }
    text
}

/// The shortest text that reads back as the same number.
fn double(number: f64) -> String {
    match number {
        number if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "INF".to_owned(),
        f64::NEG_INFINITY => "-INF".to_owned(),
        number => shortest(number),
    }
}

fn whole(number: f64) -> Option<String> {
    (number.is_finite() && number.fract() == 0.0).then(|| number.to_string())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// Whether a text is a tag of a language (XML Schema Part 2, section 3.3.3).
fn is_language(text: &str) -> bool {
    let mut tags = text.split('-');
    let is_tag = |tag: &str| (1..=8).contains(&tag.len());
    tags.next().is_some_and(|tag| is_tag(tag) && tag.bytes().all(|byte| byte.is_ascii_alphabetic()))
        && tags.all(|tag| is_tag(tag) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn is_integer(text: &str) -> bool {
    let bare = text.strip_prefix(['-', '+']).unwrap_or(text);
    !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    matches!(text, "NaN" | "INF" | "-INF")
        || (text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
            && text.parse::<f64>().is_ok())
}

/// A text without the zone at its end (XML Schema Part 2, section 3.2.7.3).
fn without_zone(text: &str) -> &str {
    if let Some(bare) = text.strip_suffix('Z') {
        return bare;
    }
    let at = text.len().checked_sub(6);
    let zone = at.and_then(|at| text.get(at..));
    match (at, zone.map(str::as_bytes)) {
        (Some(at), Some([b'+' | b'-', a, b, b':', c, d])) if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()) => {
            text.get(..at).unwrap_or(text)
        }
        _ => text,
    }
}

fn is_date(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let parts: Vec<_> = text.splitn(3, '-').collect();
    let two = |text: &str, most: u8| {
        text.len() == 2 && !text.starts_with('+') && text.parse().is_ok_and(|it: u8| (1..=most).contains(&it))
    };
    let [year, month, day] = parts.as_slice() else { return false };
    year.len() >= 4 && year.bytes().all(|byte| byte.is_ascii_digit()) && two(month, 12) && two(day, 31)
}

fn is_time(text: &str) -> bool {
    let parts: Vec<_> = text.splitn(3, ':').collect();
    let [hour, minute, second] = parts.as_slice() else { return false };
    let two = |text: &str, most: u8| {
        text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse().is_ok_and(|it: u8| it <= most)
    };
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    let fraction_fits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    two(hour, 24) && two(minute, 59) && two(second, 60) && fraction_fits
}

fn is_duration(text: &str) -> bool {
    let parts = text.strip_prefix('-').unwrap_or(text).strip_prefix('P');
    let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'Y' | b'M' | b'D' | b'T' | b'H' | b'S' | b'.');
    parts.is_some_and(|parts| parts.bytes().any(|byte| byte.is_ascii_digit()) && parts.bytes().all(is_part))
}

fn is_base64(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') || byte.is_ascii_whitespace())
}

/// The numbers of digits before and after the point, without leading and trailing zeros; `None` if the text has an exponent
/// or is no number.
fn digits(text: &str) -> Option<(usize, usize)> {
    let bare = text.trim().trim_start_matches(['-', '+']);
    if !bare.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let (before, after) = bare.split_once('.').unwrap_or((bare, ""));
    Some((before.trim_start_matches('0').len(), after.trim_end_matches('0').len()))
}

/// The order of two numbers; exact for plain decimals. `None` if one is no number.
fn compare(one: &str, other: &str) -> Option<std::cmp::Ordering> {
    let [one, other] = [one, other].map(str::trim);
    match (one.parse::<i128>(), other.parse::<i128>()) {
        (Ok(one), Ok(other)) => Some(one.cmp(&other)),
        _ => {
            let number = |text: &str| match text {
                "INF" => Some(f64::INFINITY),
                "-INF" => Some(f64::NEG_INFINITY),
                text => text.parse().ok().filter(|_| is_number(text)),
            };
            number(one)?.partial_cmp(&number(other)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(kind: &'static str, facets: Vec<Facet>, value: Value) -> Result<String, String> {
        SimpleType { variety: Variety::Atomic(kind), facets }.text(&value).map(Cow::into_owned)
    }

    #[test]
    fn values_become_texts_of_their_types() {
        for (kind, value, text) in [
            ("int", Value::Double(5.0), "5"),
            ("byte", Value::Int(-128), "-128"),
            ("unsignedLong", Value::Text("18446744073709551615".into()), "18446744073709551615"),
            ("boolean", Value::Int(1), "true"),
            ("hexBinary", Value::Binary(vec![0x0a, 0xff]), "0aff"),
            ("date", Value::Date("2024-02-29T10:00:00".parse().unwrap()), "2024-02-29"),
            ("date", Value::Text("-12024-02-29+01:00".into()), "-12024-02-29+01:00"),
            ("time", Value::Text("23:59:59.5Z".into()), "23:59:59.5Z"),
            ("dateTime", Value::Text("0001-01-01T00:00:00".into()), "0001-01-01T00:00:00"),
            ("string", Value::Int(7), "7"),
        ] {
            assert_eq!(given(kind, Vec::new(), value).as_deref(), Ok(text), "{kind}");
        }
        for (kind, value, expected) in [
            ("int", Value::Int(1 << 31), "an integer from -2147483648 to 2147483647"),
            ("positiveInteger", Value::Int(0), "an integer from 1"),
            ("int", Value::Double(1.5), "an integer"),
            ("boolean", Value::Text("yes".into()), "a boolean"),
            ("date", Value::Text("2024-13-01".into()), "a date, such as `2024-02-29`"),
            ("time", Value::Text("25:00:00".into()), "a time, such as `12:00:00`"),
            ("duration", Value::Text("2 hours".into()), "a duration, such as `P1DT2H`"),
            ("hexBinary", Value::Text("abc".into()), "bytes in hexadecimal digits"),
            ("string", Value::Struct(Vec::new()), "a single value"),
        ] {
            assert_eq!(given(kind, Vec::new(), value), Err(expected.to_owned()), "{kind}");
        }
    }

    #[test]
    fn facets_restrict_texts() {
        let bound = |text: &str, exclusive| Bound { text: text.into(), exclusive };
        for (kind, facet, fitting, other) in [
            ("string", Facet::OneOf(vec!["A".into()]), Value::Text("A".into()), Value::Text("a".into())),
            ("decimal", Facet::OneOf(vec!["1.50".into()]), Value::Double(1.5), Value::Double(1.25)),
            ("string", Facet::MaxLength(2), Value::Text("éé".into()), Value::Text("abc".into())),
            ("base64Binary", Facet::MinLength(2), Value::Text("aGk=".into()), Value::Text("aA==".into())),
            ("int", Facet::Min(bound("5", true)), Value::Int(6), Value::Int(5)),
            ("double", Facet::Max(bound("0.5", false)), Value::Double(0.5), Value::Double(0.75)),
            ("decimal", Facet::FractionDigits(2), Value::Double(1.25), Value::Double(1.125)),
            ("decimal", Facet::TotalDigits(3), Value::Double(12.5), Value::Double(1234.0)),
        ] {
            assert!(given(kind, vec![facet.clone()], fitting).is_ok(), "{facet:?}");
            assert!(given(kind, vec![facet.clone()], other).is_err(), "{facet:?}");
        }
        let colours =
            SimpleType { variety: Variety::Atomic("string"), facets: vec![Facet::OneOf(vec!["R".into(), "G".into()])] };
        let list = SimpleType { variety: Variety::List(Box::new(colours)), facets: vec![Facet::MaxLength(2)] };
        let texts = |texts: &[&str]| Value::Array(texts.iter().map(|text| Value::Text((*text).into())).collect());
        assert_eq!(list.text(&texts(&["R", "G"])).as_deref(), Ok("R G"));
        assert_eq!(list.text(&Value::Text("G R".into())).as_deref(), Ok("G R"));
        assert_eq!(list.text(&texts(&["R", "B"])), Err("one of `R`, `G`".into()));
        assert_eq!(list.text(&texts(&["R", "R", "R"])), Err("at most 2 items".into()));
    }
}
