//! Values as texts: in paths, queries, headers and cookies, by the styles of OpenAPI (3.1, section "Style Values") and the
//! `collectionFormat` of Swagger 2.0.
//!
//! The specification leaves three things open. Numbers and truth values are written as in JSON; a number
//! without a fraction is written without one, because many documents give integers the type `number`. Values in places for texts that are
//! lists or structs themselves are JSON texts. Nil is left out.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::codec::json::{JsonDialect, write_value};
use crate::model::fault::Fault;
use crate::model::value::Value;

/// All but the unreserved characters (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// As [`RESERVED`], without the reserved characters that keep their meaning in any part of a query.
const UNSAFE_IN_QUERY: &AsciiSet = &RESERVED
    .remove(b':')
    .remove(b'/')
    .remove(b'?')
    .remove(b'[')
    .remove(b']')
    .remove(b'@')
    .remove(b'!')
    .remove(b'$')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b',')
    .remove(b';')
    .remove(b'%');

/// How a value is written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// The style.
    pub style: Style,
    /// Whether each item or member is written by itself.
    pub explode: bool,
    /// Whether reserved characters are not encoded.
    pub allow_reserved: bool,
}

/// The styles of OpenAPI, and those that Swagger 2.0 has besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `a,b`
    Simple,
    /// `.a.b`
    Label,
    /// `;name=a;name=b`
    Matrix,
    /// `name=a&name=b`
    Form,
    /// `name=a%20b`
    SpaceDelimited,
    /// `name=a%7Cb`
    PipeDelimited,
    /// `name=a%09b`, of Swagger 2.0.
    TabDelimited,
    /// `name[a]=1`
    DeepObject,
    /// `name=a; name=b`, in cookies.
    Cookie,
    /// The value as JSON.
    Json,
}

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a path.
    Path,
    /// In a query.
    Query,
    /// In a header.
    Header,
    /// In a cookie.
    Cookie,
    /// In the parts of a form, where nothing is encoded.
    Parts,
}

/// A name and a value. In a path and in a header only the value is written.
type Pair = (String, String);

impl TextStyle {
    /// The default style in a query.
    pub const FORM: TextStyle = TextStyle { style: Style::Form, explode: true, allow_reserved: false };
    /// The default style in a path and a header.
    pub const SIMPLE: TextStyle = TextStyle { style: Style::Simple, explode: false, allow_reserved: false };
    /// A JSON text.
    pub const JSON: TextStyle = TextStyle { style: Style::Json, explode: false, allow_reserved: false };

    /// The texts for a value: in a query and in cookies one for each pair of name and value, otherwise at most one. Nil, empty
    /// lists and empty structs have none.
    ///
    /// # Errors
    /// `BadParams` if the value cannot be written as text.
    pub fn write(self, place: Place, name: &str, value: &Value) -> Result<Vec<String>, Fault> {
        TextWriter { style: self, place, name }.write(value)
    }

    /// The parts of a form for a value, each with its name and its text. Nil, empty lists and empty structs have none.
    ///
    /// # Errors
    /// `BadParams` if the value cannot be written as text.
    pub(super) fn write_parts(self, name: &str, value: &Value) -> Result<Vec<(String, String)>, Fault> {
        TextWriter { style: self, place: Place::Parts, name }.pairs(value)
    }
}

struct TextWriter<'a> {
    style: TextStyle,
    place: Place,
    name: &'a str,
}

impl TextWriter<'_> {
    fn write(&self, value: &Value) -> Result<Vec<String>, Fault> {
        let pairs = self.pairs(value)?.into_iter().map(|(name, value)| match self.place {
            Place::Query | Place::Cookie | Place::Parts => format!("{name}={value}"),
            Place::Path | Place::Header => value,
        });
        let pairs: Vec<String> = pairs.collect();
        // Such a text would be several cookies (RFC 6265, section 4.2.1).
        if self.place == Place::Cookie && pairs.iter().any(|pair| pair.contains(';')) {
            return Err(Fault::bad_params("a cookie cannot have a `;`"));
        }
        Ok(pairs)
    }

    fn pairs(&self, value: &Value) -> Result<Vec<Pair>, Fault> {
        match (self.style.style, value) {
            (_, Value::Nil) => Ok(Vec::new()),
            (Style::Json, value) => Ok(vec![self.named(&self.encoded(&json(value)?))]),
            (Style::DeepObject, value @ (Value::Struct(_) | Value::Array(_))) => {
                let mut pairs = Vec::new();
                self.nested(&mut pairs, self.name, value)?;
                Ok(pairs)
            }
            (_, Value::Array(items)) => {
                let items: Vec<String> = items.iter().map(|item| self.item(item)).collect::<Result<_, _>>()?;
                Ok(if items.is_empty() { Vec::new() } else { self.list(items) })
            }
            (_, Value::Struct(members)) => {
                let pair = |(name, value): &(String, Value)| Ok((self.encoded(name), self.item(value)?));
                let pairs = members.iter().filter(|(_, value)| *value != Value::Nil).map(pair);
                let pairs: Vec<(String, String)> = pairs.collect::<Result<_, Fault>>()?;
                Ok(if pairs.is_empty() { Vec::new() } else { self.members(pairs) })
            }
            (_, value) => Ok(vec![self.scalar(&self.item(value)?)]),
        }
    }

    /// The text of one value inside another, encoded.
    fn item(&self, value: &Value) -> Result<String, Fault> {
        Ok(self.encoded(&plain(value)?))
    }

    fn encoded(&self, text: &str) -> String {
        match self.place {
            Place::Header | Place::Parts => text.to_owned(),
            Place::Cookie if self.style.style == Style::Cookie => text.to_owned(),
            Place::Query if self.style.allow_reserved => {
                // A percent sign that is not that of a triple is encoded too.
                encode_percent_signs(&utf8_percent_encode(text, UNSAFE_IN_QUERY).to_string()).into_owned()
            }
            _ => percent_encoded(text),
        }
    }

    fn encoded_name(&self, name: &str) -> String {
        match self.place {
            Place::Query => percent_encoded(name),
            Place::Path | Place::Header | Place::Cookie | Place::Parts => name.to_owned(),
        }
    }

    /// A value with the name, as far as values have names in this place.
    fn named(&self, value: &str) -> Pair {
        (self.encoded_name(self.name), value.to_owned())
    }

    fn scalar(&self, value: &str) -> Pair {
        match self.style.style {
            Style::Label | Style::Matrix => (String::new(), self.prefixed(value)),
            _ => self.named(value),
        }
    }

    /// A value in the path, with its label or with its name.
    fn prefixed(&self, value: &str) -> String {
        match self.style.style {
            Style::Matrix if value.is_empty() => format!(";{}", percent_encoded(self.name)),
            Style::Matrix => format!(";{}={value}", percent_encoded(self.name)),
            _ => format!(".{value}"),
        }
    }

    fn list(&self, items: Vec<String>) -> Vec<Pair> {
        let explode = self.style.explode;
        let in_path = |text: String| vec![(String::new(), text)];
        match self.style.style {
            Style::Label => in_path(format!(".{}", items.join(if explode { "." } else { "," }))),
            Style::Matrix if explode => in_path(items.iter().map(|item| self.prefixed(item)).collect()),
            Style::Matrix => in_path(self.prefixed(&items.join(","))),
            Style::Form | Style::Cookie | Style::SpaceDelimited | Style::PipeDelimited | Style::TabDelimited
                if explode && matches!(self.place, Place::Query | Place::Cookie | Place::Parts) =>
            {
                items.iter().map(|item| self.named(item)).collect()
            }
            _ => vec![self.named(&items.join(self.delimiter()))],
        }
    }

    fn members(&self, pairs: Vec<Pair>) -> Vec<Pair> {
        let explode = self.style.explode;
        let in_path = |text: String| vec![(String::new(), text)];
        let equal = |delimiter: &str| -> String {
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(delimiter)
        };
        let flat = |delimiter: &str| -> String {
            pairs.iter().flat_map(|(name, value)| [name.as_str(), value]).collect::<Vec<_>>().join(delimiter)
        };
        match self.style.style {
            Style::Label if explode => in_path(format!(".{}", equal("."))),
            Style::Label => in_path(format!(".{}", flat(","))),
            Style::Matrix if explode => in_path(format!(";{}", equal(";"))),
            Style::Matrix => in_path(self.prefixed(&flat(","))),
            Style::Simple if explode => vec![self.named(&equal(","))],
            Style::Form | Style::Cookie if explode => pairs,
            _ => vec![self.named(&flat(self.delimiter()))],
        }
    }

    fn delimiter(&self) -> &'static str {
        let encoded = !matches!(self.place, Place::Header | Place::Parts);
        match self.style.style {
            Style::SpaceDelimited if encoded => "%20",
            Style::SpaceDelimited => " ",
            Style::PipeDelimited if encoded => "%7C",
            Style::PipeDelimited => "|",
            Style::TabDelimited if encoded => "%09",
            Style::TabDelimited => "\t",
            _ => ",",
        }
    }

    /// The pairs of a struct at any depth. The specification defines one level; servers agree on `a[b][c]` for more, and a name
    /// is repeated for each item of a list. The depth of a value is bounded by its reader.
    fn nested(&self, pairs: &mut Vec<Pair>, name: &str, value: &Value) -> Result<(), Fault> {
        match value {
            Value::Nil => {}
            Value::Struct(members) => {
                for (member, value) in members {
                    self.nested(pairs, &format!("{name}[{member}]"), value)?;
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.nested(pairs, name, item)?;
                }
            }
            value => pairs.push((self.encoded_name(name), self.item(value)?)),
        }
        Ok(())
    }
}

/// The largest double below which each integer is a double of its own: 2^53.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// The text of a value: lists and structs as JSON, bytes as base64, nil as no text. A double up to 2^53 without a fraction is
/// written without one.
///
/// # Errors
/// `BadParams` for NaN and the infinities.
pub fn plain(value: &Value) -> Result<Cow<'_, str>, Fault> {
    match value {
        Value::Nil => Ok(Cow::Borrowed("")),
        Value::Text(text) => Ok(Cow::Borrowed(text)),
        Value::Double(number) if number.fract() == 0.0 && number.abs() <= MAX_EXACT => {
            Ok(Cow::Owned(number.to_string()))
        }
        Value::Number(number) if number.is_integer() => Ok(Cow::Borrowed(number.as_str())),
        Value::Date(_) | Value::Binary(_) => {
            let text = json(value)?;
            Ok(Cow::Owned(serde_json::from_str(&text).unwrap_or(text)))
        }
        value => Ok(Cow::Owned(json(value)?)),
    }
}

/// A value as JSON.
///
/// # Errors
/// `BadParams` if JSON cannot express it.
pub fn json(value: &Value) -> Result<String, Fault> {
    let mut text = Vec::new();
    let written = write_value(&mut text, value, JsonDialect::default()).map_err(|error| error.to_string());
    let text = written.and_then(|()| String::from_utf8(text).map_err(|error| error.to_string()));
    text.map_err(|error| Fault::bad_params(format!("the arguments cannot be encoded: {error}")))
}

/// A text in which all but the unreserved characters are encoded.
pub fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The same text, with `%25` for each percent sign that two hexadecimal digits do not follow.
pub fn encode_percent_signs(text: &str) -> Cow<'_, str> {
    let is_triple = |rest: &str| {
        let digits = rest.as_bytes().get(1..3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if text.match_indices('%').all(|(at, _)| is_triple(text.get(at..).unwrap_or_default())) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() + 8);
    for (at, character) in text.char_indices() {
        match character {
            '%' if !is_triple(text.get(at..).unwrap_or_default()) => encoded.push_str("%25"),
            character => encoded.push(character),
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn list() -> Value {
        Value::Array(vec![text("blue"), text("black"), text("brown")])
    }

    fn record() -> Value {
        Value::Struct(vec![("R".into(), Value::Int(100)), ("G".into(), Value::Int(200)), ("B".into(), Value::Int(150))])
    }

    fn written(place: Place, style: Style, explode: bool, value: &Value) -> String {
        TextStyle { style, explode, allow_reserved: false }.write(place, "color", value).unwrap().join("&")
    }

    #[test]
    fn numbers_without_a_fraction_have_none() {
        for (number, expected) in
            [(7.0, "7"), (-2.0, "-2"), (MAX_EXACT, "9007199254740992"), (0.5, "0.5"), (1e22, "1e+22"), (1e-7, "1e-7")]
        {
            assert_eq!(plain(&Value::Double(number)).unwrap(), expected);
        }
        assert!(plain(&Value::Double(f64::NAN)).is_err());
    }

    #[test]
    fn every_style_is_written_as_the_specification_shows_it() {
        use Style::*;
        for (place, style, explode, of_text, of_list, of_record) in [
            (Place::Path, Simple, false, "blue", "blue,black,brown", "R,100,G,200,B,150"),
            (Place::Path, Simple, true, "blue", "blue,black,brown", "R=100,G=200,B=150"),
            (Place::Path, Label, false, ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
            (Place::Path, Label, true, ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
            (Place::Path, Matrix, false, ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"),
            (Place::Path, Matrix, true, ";color=blue", ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"),
            (Place::Query, Form, true, "color=blue", "color=blue&color=black&color=brown", "R=100&G=200&B=150"),
            (Place::Query, Form, false, "color=blue", "color=blue,black,brown", "color=R,100,G,200,B,150"),
            (
                Place::Query,
                SpaceDelimited,
                false,
                "color=blue",
                "color=blue%20black%20brown",
                "color=R%20100%20G%20200%20B%20150",
            ),
            (
                Place::Query,
                PipeDelimited,
                false,
                "color=blue",
                "color=blue%7Cblack%7Cbrown",
                "color=R%7C100%7CG%7C200%7CB%7C150",
            ),
            (
                Place::Query,
                PipeDelimited,
                true,
                "color=blue",
                "color=blue&color=black&color=brown",
                "color=R%7C100%7CG%7C200%7CB%7C150",
            ),
            (
                Place::Query,
                DeepObject,
                true,
                "color=blue",
                "color=blue&color=black&color=brown",
                "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150",
            ),
            (Place::Header, Simple, false, "blue", "blue,black,brown", "R,100,G,200,B,150"),
            (Place::Header, Simple, true, "blue", "blue,black,brown", "R=100,G=200,B=150"),
            (Place::Cookie, Form, false, "color=blue", "color=blue,black,brown", "color=R,100,G,200,B,150"),
            (Place::Cookie, Cookie, true, "color=blue", "color=blue&color=black&color=brown", "R=100&G=200&B=150"),
            (
                Place::Query,
                Json,
                false,
                "color=%22blue%22",
                "color=%5B%22blue%22%2C%22black%22%2C%22brown%22%5D",
                "color=%7B%22R%22%3A100%2C%22G%22%3A200%2C%22B%22%3A150%7D",
            ),
        ] {
            let expected = [of_text, of_list, of_record];
            let values = [text("blue"), list(), record()];
            assert_eq!(values.map(|value| written(place, style, explode, &value)), expected, "{place:?} {style:?}");
        }
    }

    #[test]
    fn empty_values_are_written_or_left_out() {
        assert_eq!(written(Place::Query, Style::Form, true, &text("")), "color=");
        assert_eq!(written(Place::Path, Style::Matrix, false, &text("")), ";color");
        assert_eq!(written(Place::Path, Style::Label, false, &text("")), ".");
        for value in [Value::Nil, Value::Array(Vec::new()), Value::Struct(Vec::new())] {
            let texts = TextStyle::FORM.write(Place::Query, "color", &value).unwrap();
            assert!(texts.is_empty(), "{value:?}");
        }
    }

    #[test]
    fn delimiters_in_values_are_encoded_and_numbers_are_exact() {
        let values = Value::Array(vec![text("a,b c/é"), Value::Int(i64::MIN), Value::Bool(true), Value::Double(0.1)]);
        assert_eq!(
            written(Place::Query, Style::Form, false, &values),
            "color=a%2Cb%20c%2F%C3%A9,-9223372036854775808,true,0.1"
        );
        let large = Value::Number("12345678901234567890123.50".parse().unwrap());
        assert_eq!(written(Place::Path, Style::Simple, false, &large), "12345678901234567890123.50");
        assert_eq!(written(Place::Query, Style::Form, true, &Value::Binary(vec![251, 255])), "color=%2B%2F8%3D");
        assert!(TextStyle::FORM.write(Place::Query, "a", &Value::Double(f64::NAN)).is_err());
    }

    #[test]
    fn reserved_characters_stay_where_they_may() {
        let style = TextStyle { allow_reserved: true, ..TextStyle::FORM };
        let written = style.write(Place::Query, "a", &text("http://x/?b=[1]&c#d+e%2F%zz")).unwrap();
        assert_eq!(written, ["a=http://x/?b%3D[1]%26c%23d%2Be%2F%25zz"]);
    }

    #[test]
    fn structs_are_nested_as_deep_as_they_are() {
        let inner = Value::Struct(vec![("c".into(), list()), ("d".into(), Value::Nil)]);
        let value = Value::Struct(vec![("b".into(), inner)]);
        assert_eq!(
            written(Place::Query, Style::DeepObject, true, &value),
            "color%5Bb%5D%5Bc%5D=blue&color%5Bb%5D%5Bc%5D=black&color%5Bb%5D%5Bc%5D=brown"
        );
    }
}
