//! Reads values of any type from JSON texts with numbers that neither 64 bits nor a double hold, so that they keep all of
//! their digits.

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Error;

use crate::model::value::{DEEPEST, NUMBER, Number};

/// A number with fewer bytes than this and no exponent has at most 15 digits, all of which a double holds.
const SHORT: usize = 17;
/// The shortest number whose exponent is beyond a double, such as `1e400`.
const SHORT_POWER: usize = 5;

/// Whether a JSON text may have a number that serde_json would round. It has a run of bytes that may be a number with many
/// digits or a large exponent.
pub(super) fn may_have_long(text: &[u8]) -> bool {
    text.chunk_by(|one, next| in_number(*one) == in_number(*next)).any(|run| {
        let may_have_power = || run.len() >= SHORT_POWER && run.iter().any(|byte| matches!(byte, b'e' | b'E'));
        run.first().is_some_and(|byte| in_number(*byte)) && (run.len() >= SHORT || may_have_power())
    })
}

fn in_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

/// The rest of a valid JSON text, at whose beginning a value is read.
pub(super) struct ExactJson<'de> {
    rest: &'de str,
    depth: usize,
}

impl<'de> ExactJson<'de> {
    /// Reads from a text whose syntax has been checked.
    pub(super) fn new(text: &'de str) -> ExactJson<'de> {
        ExactJson { rest: text, depth: 0 }
    }

    /// The next byte that is neither white space nor punctuation between values.
    fn peek(&mut self) -> Result<u8, Error> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n', ',', ':']);
        self.rest.bytes().next().ok_or_else(invalid)
    }

    fn take(&mut self, length: usize) -> Result<&'de str, Error> {
        let (token, rest) = self.rest.split_at_checked(length).ok_or_else(invalid)?;
        self.rest = rest;
        Ok(token)
    }

    /// Takes the bytes for which this holds.
    fn take_while(&mut self, holds: impl Fn(u8) -> bool) -> Result<&'de str, Error> {
        let length = self.rest.bytes().take_while(|byte| holds(*byte)).count();
        self.take(length)
    }

    /// Whether the array or object ends here. Its bracket is taken then.
    fn ends(&mut self) -> Result<bool, Error> {
        let ends = matches!(self.peek()?, b']' | b'}');
        if ends {
            self.take(1)?;
        }
        Ok(ends)
    }

    fn open(&mut self) -> Result<(), Error> {
        self.take(1)?;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(de::Error::custom(format_args!("values nest deeper than {DEEPEST}")));
        }
        Ok(())
    }

    fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let token = self.take_while(in_number)?;
        if let Some(integer) = token.parse().ok().filter(|_| token != "-0") {
            return visitor.visit_i64(integer);
        }
        match token.parse() {
            Ok(double) if token == "-0" || (token.contains(['.', 'e', 'E']) && Number::is_double(token, double)) => {
                visitor.visit_f64(double)
            }
            _ => visitor.visit_enum(LongNumber(token)),
        }
    }
}

impl<'de> Deserializer<'de> for &mut ExactJson<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek()? {
            b'[' => {
                self.open()?;
                let value = visitor.visit_seq(&mut *self)?;
                self.depth -= 1;
                Ok(value)
            }
            b'{' => {
                self.open()?;
                let value = visitor.visit_map(&mut *self)?;
                self.depth -= 1;
                Ok(value)
            }
            b'"' => {
                let length = string_length(self.rest.as_bytes());
                serde_json::Deserializer::from_str(self.take(length)?).deserialize_any(visitor)
            }
            b'-' | b'0'..=b'9' => self.number(visitor),
            _ => match self.take_while(|byte| byte.is_ascii_lowercase())? {
                "true" => visitor.visit_bool(true),
                "false" => visitor.visit_bool(false),
                "null" => visitor.visit_unit(),
                _ => Err(invalid()),
            },
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek()? {
            b'n' => self.deserialize_any(visitor),
            _ => visitor.visit_some(self),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for &mut ExactJson<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.ends()? { Ok(None) } else { seed.deserialize(&mut **self).map(Some) }
    }
}

impl<'de> MapAccess<'de> for &mut ExactJson<'de> {
    type Error = Error;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.ends()? { Ok(None) } else { seed.deserialize(&mut **self).map(Some) }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(&mut **self)
    }
}

/// A number that is presented as a variant named [`NUMBER`] with its text.
struct LongNumber<'de>(&'de str);

impl<'de> EnumAccess<'de> for LongNumber<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Error> {
        Ok((seed.deserialize(StrDeserializer::<Error>::new(NUMBER))?, self))
    }
}

impl<'de> VariantAccess<'de> for LongNumber<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Err(invalid())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(BorrowedStrDeserializer::new(self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(invalid())
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        Err(invalid())
    }
}

/// The length of the string at the beginning of a valid JSON text, with its quotes.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    let end = text.iter().skip(1).position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

fn invalid() -> Error {
    de::Error::custom("the text is not valid JSON")
}
