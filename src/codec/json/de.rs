//! serde_json's deserializer with two changes: the target type, not the spelling, decides whether a number is an integer,
//! and a value of any type keeps all digits of its numbers.

use std::fmt;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_json::value::RawValue;

use super::exact::{ExactJson, may_have_long};
use crate::model::value::{NUMBER, VALUE};

/// 2^53: up to here a double holds every integer exactly, so a whole double is certainly the integer that was sent.
const LARGEST: f64 = 9_007_199_254_740_992.0;

/// Wraps a deserializer of serde_json, and every visitor, seed and access that it hands out for the parts of a value. It
/// forwards everything, with two exceptions:
///
/// - If the target type is an integer, `3.0` is accepted, as JSON Schema defines integers.
/// - If the target type takes any value, or is a [`Number`](crate::Number), a number keeps all of its digits.
///   serde_json itself would silently round it to the nearest double.
#[derive(Debug, Clone, Copy)]
pub struct TypedJson<D>(pub D);

macro_rules! pass_through {
    ($($method:ident,)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(visitor)
        }
    )*};
}

macro_rules! with {
    ($wrapper:ident: $($method:ident($($argument:ident: $kind:ty),*),)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($argument,)* $wrapper(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for TypedJson<D> {
    type Error = D::Error;

    with! {
        IntegerVisitor:
        deserialize_i8(),
        deserialize_i16(),
        deserialize_i32(),
        deserialize_i64(),
        deserialize_i128(),
        deserialize_u8(),
        deserialize_u16(),
        deserialize_u32(),
        deserialize_u64(),
        deserialize_u128(),
    }

    with! {
        TypedJson:
        deserialize_any(),
        deserialize_option(),
        deserialize_seq(),
        deserialize_tuple(length: usize),
        deserialize_tuple_struct(name: &'static str, length: usize),
        deserialize_map(),
        deserialize_struct(name: &'static str, fields: &'static [&'static str]),
        deserialize_enum(name: &'static str, variants: &'static [&'static str]),
    }

    pass_through! {
        deserialize_bool,
        deserialize_f32,
        deserialize_f64,
        deserialize_char,
        deserialize_str,
        deserialize_string,
        deserialize_bytes,
        deserialize_byte_buf,
        deserialize_unit,
        deserialize_identifier,
        deserialize_ignored_any,
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        match name {
            VALUE => {
                let raw = <&RawValue>::deserialize(self.0)?;
                match may_have_long(raw.get().as_bytes()) {
                    false => visitor.visit_newtype_struct(raw),
                    true => visitor.visit_newtype_struct(&mut ExactJson::new(raw.get())),
                }
                .map_err(D::Error::custom)
            }
            NUMBER => {
                let raw = <&RawValue>::deserialize(self.0)?.get();
                if raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
                    return visitor.visit_newtype_struct(StrDeserializer::new(raw));
                }
                serde_json::Deserializer::from_str(raw).deserialize_any(visitor).map_err(D::Error::custom)
            }
            _ => self.0.deserialize_newtype_struct(name, TypedJson(visitor)),
        }
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// The visitor of an integer type. It accepts whole doubles.
struct IntegerVisitor<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for IntegerVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<V::Value, E> {
        self.0.visit_i64(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<V::Value, E> {
        self.0.visit_u64(value)
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<V::Value, E> {
        self.0.visit_i128(value)
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<V::Value, E> {
        self.0.visit_u128(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        if value.fract() == 0.0 && value.abs() < LARGEST {
            #[expect(clippy::cast_possible_truncation, reason = "it has no fraction, and is far below 64 bits")]
            return self.0.visit_i64(value as i64);
        }
        self.0.visit_f64(value)
    }
}

macro_rules! visit {
    ($($method:ident($kind:ty),)*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for TypedJson<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    visit! {
        visit_bool(bool),
        visit_i64(i64),
        visit_i128(i128),
        visit_u64(u64),
        visit_u128(u128),
        visit_f64(f64),
        visit_char(char),
        visit_str(&str),
        visit_borrowed_str(&'de str),
        visit_string(String),
        visit_bytes(&[u8]),
        visit_borrowed_bytes(&'de [u8]),
        visit_byte_buf(Vec<u8>),
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(TypedJson(deserializer))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(TypedJson(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(TypedJson(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(TypedJson(members))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(TypedJson(data))
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for TypedJson<T> {
    type Value = T::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        self.0.deserialize(TypedJson(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for TypedJson<A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(TypedJson(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for TypedJson<A> {
    type Error = A::Error;

    /// Member names are not wrapped: a number that is a name is in quotes.
    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.0.next_value_seed(TypedJson(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for TypedJson<A> {
    type Error = A::Error;
    type Variant = TypedJson<A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self::Variant), A::Error> {
        self.0.variant_seed(seed).map(|(value, variant)| (value, TypedJson(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for TypedJson<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.0.newtype_variant_seed(TypedJson(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(length, TypedJson(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, TypedJson(visitor))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::de::DeserializeOwned;

    use super::*;
    use crate::model::value::{Number, Value};

    #[derive(Debug, PartialEq, Deserialize)]
    enum ReadVariant {
        Unit,
        One(u8),
        Two(i64, Option<i32>),
        Named { list: Vec<u16> },
    }

    fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        T::deserialize(TypedJson(raw)).map_err(|error| error.to_string())
    }

    #[test]
    fn an_integer_may_have_a_fraction_of_zeros_at_any_depth() {
        assert_eq!(read("[3.0, -0.0, 1e2]"), Ok(vec![3_i64, 0, 100]));
        assert_eq!(read("{\"a\": 255.0}"), Ok(BTreeMap::from([("a".to_owned(), 255_u8)])));
        assert_eq!(
            read("[\"Unit\", {\"One\": 1.0}, {\"Two\": [2.0, 3.0]}, {\"Named\": {\"list\": [4.0]}}]"),
            Ok(vec![
                ReadVariant::Unit,
                ReadVariant::One(1),
                ReadVariant::Two(2, Some(3)),
                ReadVariant::Named { list: vec![4] }
            ])
        );
        for text in ["1.5", "256.0", "-1.0", "1e20", "\"1\"", "null"] {
            assert!(read::<u8>(text).is_err(), "{text}");
        }
        assert!(read::<i64>("9007199254740993.0").is_err(), "it could be 9007199254740992");
        assert_eq!(read::<i64>("9007199254740993"), Ok(9_007_199_254_740_993));
    }

    #[test]
    fn free_values_keep_what_they_are() {
        assert_eq!(read("1.0"), Ok(Value::Double(1.0)));
        assert_eq!(read("9223372036854775807"), Ok(Value::Int(i64::MAX)));
        assert_eq!(read("-9223372036854775808"), Ok(Value::Int(i64::MIN)));
        assert_eq!(read("1e30"), Ok(Value::Double(1e30)));
        for digits in [
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "1234567890123456789.5",
            "12345678901234567890.1234567890",
            "1e400",
            "-1e-400",
        ] {
            assert_eq!(read(digits), Ok(Value::Number(digits.parse().unwrap())));
            assert_eq!(read(digits), Ok(digits.parse::<Number>().unwrap()));
        }
        let text = r#"{"18446744073709551616\"": [18446744073709551616, "\\", 1.5], "a": {"b": 18446744073709551616, "c": []}}"#;
        let long = || Value::Number("18446744073709551616".parse().unwrap());
        let expected = Value::Struct(vec![
            ("18446744073709551616\"".into(), Value::Array(vec![long(), Value::Text("\\".into()), Value::Double(1.5)])),
            ("a".into(), Value::Struct(vec![("b".into(), long()), ("c".into(), Value::Array(Vec::new()))])),
        ]);
        assert_eq!(read(text), Ok(expected));
        let mixed = read(r#"[1e400, true, false, null, "1e400", -7, 0.1, {}]"#);
        let expected = vec![
            Value::Number("1e400".parse().unwrap()),
            Value::Bool(true),
            Value::Bool(false),
            Value::Nil,
            Value::Text("1e400".into()),
            Value::Int(-7),
            Value::Double(0.1),
            Value::Struct(Vec::new()),
        ];
        assert_eq!(mixed, Ok(Value::Array(expected)));
    }

    #[test]
    fn a_number_is_no_other_value() {
        for text in ["\"1\"", "null", "[1]", "true"] {
            assert!(read::<Number>(text).is_err(), "{text}");
        }
        assert_eq!(read("[0.10, 7]"), Ok(["0.10", "7"].map(|text| text.parse::<Number>().unwrap())));
    }

    #[test]
    fn a_large_number_is_accepted_if_ignored_or_read_as_a_double() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct HugePoint {
            x: f64,
        }
        assert_eq!(read(r#"{"x": 100000000000000000000, "y": 1e999}"#), Ok(HugePoint { x: 1e20 }));
    }
}
