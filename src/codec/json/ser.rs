//! serde_json's serializer with two changes: NaN and the infinities are written by the dialect's policy, and a number of
//! any length with all of its digits.

use std::fmt::Display;

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use serde_json::value::RawValue;

use super::dialect::{JsonDialect, JsonNonFinite};
use crate::model::value::NUMBER;

/// Appends one value as a JSON text.
///
/// # Errors
/// If JSON cannot represent the value, or the dialect forbids its representation. `to` then holds an incomplete text.
pub fn write_value<T: Serialize + ?Sized>(
    to: &mut Vec<u8>,
    value: &T,
    JsonDialect { non_finite }: JsonDialect,
) -> Result<(), serde_json::Error> {
    value.serialize(JsonWriter { inner: &mut serde_json::Serializer::new(to), non_finite })
}

/// Wraps a serializer of serde_json, and everything that it hands out for the parts of a value. It forwards everything
/// but NaN and the infinities, for which serde_json itself would silently write `null`, and numbers of any length, for
/// which it would write a string.
struct JsonWriter<S> {
    inner: S,
    non_finite: JsonNonFinite,
}

/// A part of a value, to be written through another [`JsonWriter`].
struct JsonPart<'v, T: ?Sized> {
    value: &'v T,
    non_finite: JsonNonFinite,
}

impl<T: Serialize + ?Sized> Serialize for JsonPart<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(JsonWriter { inner: serializer, non_finite: self.non_finite })
    }
}

impl<S> JsonWriter<S> {
    fn part<'v, T: ?Sized>(&self, value: &'v T) -> JsonPart<'v, T> {
        JsonPart { value, non_finite: self.non_finite }
    }

    /// Wraps what the inner serializer returns for the start of a value with parts.
    fn opened<C, E>(non_finite: JsonNonFinite, inner: Result<C, E>) -> Result<JsonWriter<C>, E> {
        inner.map(|inner| JsonWriter { inner, non_finite })
    }
}

impl<S: Serializer> JsonWriter<S> {
    /// Writes NaN or an infinity by the policy for it.
    #[cold]
    fn no_number(self, word: &str) -> Result<S::Ok, S::Error> {
        match self.non_finite {
            JsonNonFinite::Refuse => Err(S::Error::custom(format_args!("JSON has no number for {word}"))),
            JsonNonFinite::Null => self.inner.serialize_unit(),
            JsonNonFinite::Words => self.inner.serialize_str(word),
        }
    }
}

fn word(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

macro_rules! pass_through {
    ($($method:ident($($argument:ident: $kind:ty),*),)*) => {$(
        #[inline]
        fn $method(self, $($argument: $kind),*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($argument),*)
        }
    )*};
}

macro_rules! open {
    ($($method:ident($($argument:ident: $kind:ty),*) -> $opened:ident,)*) => {$(
        #[inline]
        fn $method(self, $($argument: $kind),*) -> Result<Self::$opened, S::Error> {
            Self::opened(self.non_finite, self.inner.$method($($argument),*))
        }
    )*};
}

impl<S: Serializer> Serializer for JsonWriter<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = JsonWriter<S::SerializeSeq>;
    type SerializeTuple = JsonWriter<S::SerializeTuple>;
    type SerializeTupleStruct = JsonWriter<S::SerializeTupleStruct>;
    type SerializeTupleVariant = JsonWriter<S::SerializeTupleVariant>;
    type SerializeMap = JsonWriter<S::SerializeMap>;
    type SerializeStruct = JsonWriter<S::SerializeStruct>;
    type SerializeStructVariant = JsonWriter<S::SerializeStructVariant>;

    fn serialize_f32(self, number: f32) -> Result<S::Ok, S::Error> {
        if number.is_finite() { self.inner.serialize_f32(number) } else { self.no_number(word(number.into())) }
    }

    fn serialize_f64(self, number: f64) -> Result<S::Ok, S::Error> {
        if number.is_finite() { self.inner.serialize_f64(number) } else { self.no_number(word(number)) }
    }

    pass_through! {
        serialize_bool(value: bool),
        serialize_i8(value: i8),
        serialize_i16(value: i16),
        serialize_i32(value: i32),
        serialize_i64(value: i64),
        serialize_i128(value: i128),
        serialize_u8(value: u8),
        serialize_u16(value: u16),
        serialize_u32(value: u32),
        serialize_u64(value: u64),
        serialize_u128(value: u128),
        serialize_char(value: char),
        serialize_str(value: &str),
        serialize_bytes(value: &[u8]),
        serialize_none(),
        serialize_unit(),
        serialize_unit_struct(name: &'static str),
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str),
    }

    open! {
        serialize_seq(length: Option<usize>) -> SerializeSeq,
        serialize_tuple(length: usize) -> SerializeTuple,
        serialize_tuple_struct(name: &'static str, length: usize) -> SerializeTupleStruct,
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> SerializeTupleVariant,
        serialize_map(length: Option<usize>) -> SerializeMap,
        serialize_struct(name: &'static str, length: usize) -> SerializeStruct,
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> SerializeStructVariant,
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let part = self.part(value);
        self.inner.serialize_some(&part)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        if name == NUMBER {
            let quoted = serde_json::to_string(value).map_err(S::Error::custom)?;
            let digits: &RawValue = serde_json::from_str(quoted.trim_matches('"')).map_err(S::Error::custom)?;
            return digits.serialize(self.inner);
        }
        let part = self.part(value);
        self.inner.serialize_newtype_struct(name, &part)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let part = self.part(value);
        self.inner.serialize_newtype_variant(name, index, variant, &part)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! items {
    ($($kind:ident::$method:ident,)*) => {$(
        impl<S: $kind> $kind for JsonWriter<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                let part = self.part(value);
                self.inner.$method(&part)
            }

            #[inline]
            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        }
    )*};
}

items! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! fields {
    ($($kind:ident,)*) => {$(
        impl<S: $kind> $kind for JsonWriter<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), S::Error> {
                let part = self.part(value);
                self.inner.serialize_field(name, &part)
            }

            #[inline]
            fn skip_field(&mut self, name: &'static str) -> Result<(), S::Error> {
                self.inner.skip_field(name)
            }

            #[inline]
            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        }
    )*};
}

fields! {
    SerializeStruct,
    SerializeStructVariant,
}

impl<S: SerializeMap> SerializeMap for JsonWriter<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    /// Member names are not wrapped: serde_json itself refuses NaN and the infinities as names.
    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), S::Error> {
        self.inner.serialize_key(name)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        let part = self.part(value);
        self.inner.serialize_value(&part)
    }

    #[inline]
    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        name: &K,
        value: &V,
    ) -> Result<(), S::Error> {
        let part = self.part(value);
        self.inner.serialize_entry(name, &part)
    }

    #[inline]
    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::*;
    use crate::model::value::{Number, Value};

    #[derive(Serialize)]
    struct WrittenSample {
        number: f64,
        some: Option<f32>,
        list: Vec<f64>,
        pair: (i32, f64),
        map: BTreeMap<&'static str, f64>,
        kinds: Vec<WrittenVariant>,
    }

    #[derive(Serialize)]
    enum WrittenVariant {
        Unit,
        One(f64),
        Two(f64, f32),
        Named { x: f64 },
    }

    fn record(number: f64, single: f32) -> WrittenSample {
        WrittenSample {
            number,
            some: Some(single),
            list: vec![number],
            pair: (7, number),
            map: BTreeMap::from([("a", number)]),
            kinds: vec![
                WrittenVariant::Unit,
                WrittenVariant::One(number),
                WrittenVariant::Two(number, single),
                WrittenVariant::Named { x: number },
            ],
        }
    }

    fn written(value: &impl Serialize, non_finite: JsonNonFinite) -> Result<String, String> {
        let mut bytes = Vec::new();
        write_value(&mut bytes, value, JsonDialect { non_finite }).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn numbers_are_written_as_serde_json_writes_them() {
        let raw = RawValue::from_string("[1.50, 2E3]".into()).unwrap();
        let plain = (record(-0.0, 0.1), i128::MIN, u64::MAX, 'c', (), "\u{1}\u{1f600}", &raw);
        assert_eq!(written(&plain, JsonNonFinite::Refuse), Ok(serde_json::to_string(&plain).unwrap()));
    }

    #[test]
    fn nan_and_infinity_are_written_by_policy_at_any_depth() {
        let odd = record(f64::NAN, f32::NEG_INFINITY);
        let shape = |number: &str, single: &str| {
            format!(
                "{{\"number\":{number},\"some\":{single},\"list\":[{number}],\"pair\":[7,{number}],\
                 \"map\":{{\"a\":{number}}},\"kinds\":[\"Unit\",{{\"One\":{number}}},\
                 {{\"Two\":[{number},{single}]}},{{\"Named\":{{\"x\":{number}}}}}]}}"
            )
        };
        assert_eq!(written(&odd, JsonNonFinite::Null), Ok(shape("null", "null")));
        assert_eq!(written(&odd, JsonNonFinite::Words), Ok(shape("\"NaN\"", "\"-Infinity\"")));
        assert_eq!(written(&f64::INFINITY, JsonNonFinite::Words), Ok("\"Infinity\"".into()));
        assert_eq!(written(&odd, JsonNonFinite::Refuse), Err("JSON has no number for NaN".into()));
        for part in odd.kinds.iter().skip(1) {
            assert!(written(part, JsonNonFinite::Refuse).is_err());
        }
    }

    #[test]
    fn a_number_of_any_length_keeps_its_digits() {
        let number = |text: &str| text.parse::<Number>().unwrap();
        let list = [number("12345678901234567890.1234567890"), number("1e400"), number("18446744073709551616")];
        let text = "[12345678901234567890.1234567890,1e400,18446744073709551616]";
        assert_eq!(written(&list, JsonNonFinite::Refuse), Ok(text.into()));
        assert_eq!(written(&list.map(Value::Number).to_vec(), JsonNonFinite::Refuse), Ok(text.into()));
    }

    #[test]
    fn a_name_that_is_no_number_is_refused() {
        struct Odd;
        impl Serialize for Odd {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map([(f64::NAN, 1)])
            }
        }
        assert!(written(&Odd, JsonNonFinite::Words).is_err());
    }
}
