//! The error for a value that does not have the expected type, in XML-RPC's terms.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::model::text::{abridge, nearest, shorten};

/// The longest message, in characters. Parts of it come from the caller.
const LONGEST: usize = 400;

/// A value does not have the type that the program expects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(String);

impl Mismatch {
    /// Prefixes the message with the position of the value: a member or an item.
    pub(super) fn within(self, place: impl fmt::Display) -> Mismatch {
        de::Error::custom(format_args!("{place}: {self}"))
    }
}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Mismatch {
        Mismatch(shorten(&message.to_string(), LONGEST).into_owned())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Mismatch {
        de::Error::custom(format_args!("expected {}, not {}", wanted(expected), given(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Mismatch {
        de::Error::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Mismatch {
        de::Error::custom(format_args!("expected {}, not of {length}", wanted(expected)))
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Mismatch {
        let known: Vec<_> = expected.iter().map(|name| format!("`{name}`")).collect();
        de::Error::custom(format_args!("`{}` is none of {}", abridge(found), known.join(", ")))
    }

    fn unknown_field(found: &str, expected: &'static [&'static str]) -> Mismatch {
        let near = nearest(found, expected.iter().copied());
        let hint = near.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        de::Error::custom(format_args!("there is no member `{}`{hint}", abridge(found)))
    }

    fn missing_field(name: &'static str) -> Mismatch {
        de::Error::custom(format_args!("the member `{name}` is missing"))
    }

    fn duplicate_field(name: &'static str) -> Mismatch {
        de::Error::custom(format_args!("the member `{name}` is given twice"))
    }
}

fn given(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(_) => "a boolean".to_owned(),
        Unexpected::Unsigned(number) => format!("the integer {number}"),
        Unexpected::Signed(number) => format!("the integer {number}"),
        Unexpected::Float(number) => format!("the double {number:?}"),
        Unexpected::Char(c) => format!("the string `{c}`"),
        Unexpected::Str(text) => format!("the string `{}`", abridge(text)),
        Unexpected::Bytes(_) => "base64".to_owned(),
        Unexpected::Unit | Unexpected::Option => "nil".to_owned(),
        Unexpected::Seq => "an array".to_owned(),
        Unexpected::Map => "a struct".to_owned(),
        other => other.to_string(),
    }
}

/// Translates serde's name of a Rust type into a caller's terms.
fn wanted(expected: &dyn Expected) -> String {
    let word = expected.to_string();
    let number = |text: &str| text.parse::<usize>().is_ok();
    let bits = |kind: &str| word.strip_prefix(kind).filter(|bits| number(bits)).map(str::to_owned);
    let size = word.strip_prefix("a tuple of size ").or_else(|| {
        let (record, count) = word.strip_suffix(" elements")?.rsplit_once(" with ")?;
        Some(count).filter(|_| record.contains("struct "))
    });
    match word.as_str() {
        "f32" | "f64" => "a double".to_owned(),
        "a sequence" => "an array".to_owned(),
        "a map" => "a struct".to_owned(),
        "unit" => "nil".to_owned(),
        "isize" => "an integer of 64 bits".to_owned(),
        "usize" => "a non-negative integer of 64 bits".to_owned(),
        _ => {
            let signed = bits("i").map(|bits| format!("an integer of {bits} bits"));
            let unsigned = || bits("u").map(|bits| format!("a non-negative integer of {bits} bits"));
            let array = || size.map(|size| format!("an array of {size} values"));
            let record = || word.strip_prefix("struct ").map(|_| "a struct".to_owned());
            signed.or_else(unsigned).or_else(array).or_else(record).unwrap_or(word.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use crate::codec::DocumentLimits;
    use crate::codec::xml::Reading;
    use crate::codec::xmlrpc::XmlRpcDocument;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read, to see it refused")]
    struct PlanePoint {
        x: u8,
        y: (i32, bool),
    }

    fn refused<T: DeserializeOwned + std::fmt::Debug>(value: &str) -> String {
        let text = format!("<methodResponse><params><param><value>{value}</value></param></params></methodResponse>");
        let document = XmlRpcDocument::read(&text, Reading::Lenient, DocumentLimits::default()).unwrap();
        T::deserialize(document.tape.values().next().unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn messages_are_in_the_words_of_xml_rpc() {
        assert_eq!(refused::<i32>("5"), "expected an integer of 32 bits, not the string `5`");
        assert_eq!(refused::<u8>("<int>-1</int>"), "expected a non-negative integer of 8 bits, not the integer -1");
        assert_eq!(refused::<f64>("<nil/>"), "expected a double, not nil");
        assert_eq!(refused::<bool>("<double>0.5</double>"), "expected a boolean, not the double 0.5");
        assert_eq!(refused::<Vec<i32>>("<struct/>"), "expected an array, not a struct");
        assert_eq!(refused::<PlanePoint>("<boolean>1</boolean>"), "expected a struct, not a boolean");
        assert_eq!(refused::<String>("<array/>"), "expected a string, not an array");
        assert_eq!(refused::<String>("<base64/>"), "expected a string, not base64");
        assert_eq!(refused::<(i32, i32)>("<array/>"), "expected an array of 2 values, not of 0");
        assert_eq!(refused::<PlanePoint>("<array/>"), "expected an array of 2 values, not of 0");
    }

    #[test]
    fn messages_say_where() {
        let members = |members: &str| refused::<PlanePoint>(&format!("<struct>{members}</struct>"));
        assert_eq!(members(""), "the member `x` is missing");
        assert_eq!(members("<member><name>X</name><value/></member>"), "there is no member `X`; did you mean `x`?");
        assert_eq!(
            members("<member><name>x</name><value>1</value></member>"),
            "member `x`: expected a non-negative integer of 8 bits, not the string `1`"
        );
        let pair = "<value><array><data><value><int>1</int></value><value><int>1</int></value></data></array></value>";
        assert_eq!(
            members(&format!("<member><name>y</name>{pair}</member>")),
            "member `y`: item 2: expected a boolean, not the integer 1"
        );
    }

    #[test]
    fn a_message_is_never_long() {
        let long = "x".repeat(100_000);
        assert!(refused::<i32>(&long).len() < 500);
        let nested = format!("<struct><member><name>{long}</name><value/></member></struct>");
        assert!(refused::<std::collections::BTreeMap<String, i32>>(&nested).len() < 500);
    }
}
