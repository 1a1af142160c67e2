//! A value of any type that a protocol can carry, and bytes.

mod number;
mod serializer;

use std::collections::HashSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::ser::{self, SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use crate::model::date::DateTime;
use crate::model::text::abridge;

pub(crate) use number::{NUMBER, shortest, shortest_plain};
pub use number::{Number, NumberError};
pub use serializer::{DEEPEST, SizeBudget, ValueError, value_of};

/// The serde newtype name of bytes, by which serializers of protocols with a type for bytes recognize them.
pub(crate) const BINARY: &str = "croupier::Binary";
/// The serde enum name by which a deserializer recognizes that the target distinguishes dates, bytes and long numbers from text.
pub(crate) const VALUE: &str = "croupier::Value";

/// Up to this many members, comparing all pairs of names is cheaper than hashing the names.
const FEW: usize = 12;

/// A value of any type, for services with free-form parameters or results.
///
/// ```
/// use croupier::Value;
/// let value: Value = serde_json::from_str(r#"{"a": [1, 2.5, null]}"#)?;
/// assert_eq!(value, Value::Struct(vec![(
///     "a".into(),
///     Value::Array(vec![Value::Int(1), Value::Double(2.5), Value::Nil]),
/// )]));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Nil,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// A number that is neither: an integer beyond 64 bits with sign, or more digits than a double holds.
    Number(Number),
    /// Text.
    Text(String),
    /// A date and time.
    Date(DateTime),
    /// Bytes.
    Binary(Vec<u8>),
    /// Values in order.
    Array(Vec<Value>),
    /// Named values, in the order in which they were sent. Names are unique: structs with a repeated name are refused.
    Struct(Vec<(String, Value)>),
}

/// Bytes: `base64` in XML-RPC, a base64 string in JSON.
///
/// ```
/// # use croupier::Binary;
/// assert_eq!(serde_json::to_string(&Binary(b"hi".to_vec()))?, "\"aGk=\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Binary(pub Vec<u8>);

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Nil => serializer.serialize_none(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Double(value) => serializer.serialize_f64(*value),
            Value::Number(value) => value.serialize(serializer),
            Value::Text(value) => serializer.serialize_str(value),
            Value::Date(value) => value.serialize(serializer),
            Value::Binary(value) => serialize_binary(value, serializer),
            Value::Array(items) => serializer.collect_seq(items),
            Value::Struct(members) => {
                if let Some(name) = repeated(members) {
                    return Err(ser::Error::custom(two_members(name)));
                }
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_newtype_struct(VALUE, AnyValue)
    }
}

impl JsonSchema for Value {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Value".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}

/// Builds a [`Value`]. A deserializer that distinguishes dates, bytes and numbers of any length from text presents
/// them as enum variants.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        Value::deserialize(inner)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or_else(|_| Value::Number(value.into()), Value::Int))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or_else(|_| Value::Number(value.into()), Value::Int))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or_else(|_| Value::Number(value.into()), Value::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Double(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Binary(bytes.to_vec()))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        match data.variant::<String>()? {
            (name, content) if name == BINARY => Ok(Value::Binary(content.newtype_variant::<Binary>()?.0)),
            (name, content) if name == NUMBER => {
                let text = content.newtype_variant::<String>()?;
                text.parse().map(Value::Number).map_err(de::Error::custom)
            }
            (_, content) => Ok(Value::Date(content.newtype_variant()?)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::with_capacity(items.size_hint().unwrap_or(0).min(4096));
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Vec::with_capacity(members.size_hint().unwrap_or(0).min(4096));
        while let Some(member) = members.next_entry()? {
            map.push(member);
        }
        match repeated(&map) {
            Some(name) => Err(de::Error::custom(two_members(name))),
            None => Ok(Value::Struct(map)),
        }
    }
}

/// A name that two members have. It would be a guess which of them counts, and implementations differ.
fn repeated(members: &[(String, Value)]) -> Option<&str> {
    let names = members.iter().map(|(name, _)| name.as_str());
    if members.len() > FEW {
        let mut seen = HashSet::with_capacity(members.len());
        return names.into_iter().find(|name| !seen.insert(*name));
    }
    let mut pairs = names.clone().enumerate();
    pairs.find(|(at, name)| names.clone().skip(at + 1).any(|other| other == *name)).map(|(_, name)| name)
}

fn two_members(name: &str) -> String {
    format!("a struct has two members `{}`", abridge(name))
}

fn serialize_binary<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_newtype_struct(BINARY, &STANDARD.encode(bytes))
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_binary(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Binary, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Binary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Binary, D::Error> {
                inner.deserialize_str(self)
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Binary, E> {
                Ok(Binary(bytes.to_vec()))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Binary, E> {
                let bytes =
                    STANDARD.decode(text).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &"base64"))?;
                Ok(Binary(bytes))
            }
        }
        deserializer.deserialize_newtype_struct(BINARY, Bytes)
    }
}

impl JsonSchema for Binary {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Binary".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "contentEncoding": "base64" })
    }
}
