//! Deserializes the values on a tape with serde.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::value::{BorrowedStrDeserializer, BytesDeserializer, StringDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::Mismatch;
use super::{TapeNode, ValueRef, Values};
use crate::model::date;
use crate::model::text::abridge;
use crate::model::value::{BINARY, NUMBER, VALUE};

impl<'de> Deserializer<'de> for ValueRef<'de, '_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.node() {
            TapeNode::Nil => visitor.visit_unit(),
            TapeNode::Bool(value) => visitor.visit_bool(*value),
            TapeNode::Int(value) => visitor.visit_i64(*value),
            TapeNode::Double(value) => visitor.visit_f64(*value),
            TapeNode::Text(text) => visitor.visit_borrowed_str(text),
            TapeNode::Digits(digits) => visit_digits(digits, visitor),
            TapeNode::Date(date) => visitor.visit_string(date.to_string()),
            TapeNode::Binary(bytes) => visitor.visit_string(STANDARD.encode(bytes)),
            TapeNode::Array { items, .. } => {
                let mut access = ItemAccess { values: self.below(*items), read: 0 };
                let value = visitor.visit_seq(&mut access)?;
                access.finish(value)
            }
            TapeNode::Struct { members, .. } => visitor.visit_map(self.pairs(*members)),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_f64(visitor)
    }

    /// A target that is a double takes the nearest one.
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.node() {
            TapeNode::Digits(digits) => match digits.parse::<f64>() {
                Ok(number) if number.is_finite() => visitor.visit_f64(number),
                _ => Err(de::Error::custom(format_args!("`{}` is larger than any double", abridge(digits)))),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.node() {
            TapeNode::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.node() {
            TapeNode::Binary(bytes) => Err(de::Error::invalid_type(de::Unexpected::Bytes(bytes), &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.node() {
            TapeNode::Binary(bytes) => visitor.visit_borrowed_bytes(bytes),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_bytes(visitor)
    }

    /// XML-RPC has no empty result. Servers, this one included, send an empty string instead.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.node() {
            TapeNode::Text(text) if text.is_empty() => visitor.visit_unit(),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        match (name, self.node()) {
            (BINARY, TapeNode::Binary(bytes)) => visitor.visit_borrowed_bytes(bytes),
            // A string that happens to be valid base64 is still a string: XML-RPC has a type for bytes.
            (BINARY, _) => Err(de::Error::custom(format_args!("expected base64, not {}", self.word()))),
            (VALUE, TapeNode::Date(date)) => {
                visitor.visit_enum(Tagged(date::TOKEN, StringDeserializer::<Mismatch>::new(date.to_string())))
            }
            (VALUE, TapeNode::Binary(bytes)) => {
                visitor.visit_enum(Tagged(BINARY, BytesDeserializer::<Mismatch>::new(bytes)))
            }
            (VALUE, TapeNode::Digits(digits)) => {
                visitor.visit_enum(Tagged(NUMBER, BorrowedStrDeserializer::<Mismatch>::new(digits)))
            }
            (NUMBER, TapeNode::Digits(digits)) => {
                visitor.visit_newtype_struct(BorrowedStrDeserializer::<Mismatch>::new(digits))
            }
            (VALUE | NUMBER, _) => self.deserialize_any(visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    /// A unit variant is its name; a variant with content is a struct with one member.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.node() {
            TapeNode::Text(text) => visitor.visit_enum(BorrowedStrDeserializer::new(text)),
            TapeNode::Struct { members: 1, .. } => visitor.visit_enum(self.pairs(1)),
            _ => {
                Err(de::Error::custom(format_args!("expected a string or a struct of one member, not {}", self.word())))
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char seq tuple tuple_struct map struct identifier
    }
}

impl<'de> IntoDeserializer<'de, Mismatch> for ValueRef<'de, '_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Visits digits as the narrowest number that holds them exactly, and as text if there is none.
fn visit_digits<'de, V: Visitor<'de>>(digits: &'de str, visitor: V) -> Result<V::Value, Mismatch> {
    if let Ok(number) = digits.parse() {
        return visitor.visit_u64(number);
    }
    if let Ok(number) = digits.parse() {
        return visitor.visit_i128(number);
    }
    if let Ok(number) = digits.parse() {
        return visitor.visit_u128(number);
    }
    match digits.parse() {
        Ok(number) if digits.contains(['.', 'e', 'E']) => visitor.visit_f64(number),
        _ => visitor.visit_borrowed_str(digits),
    }
}

/// A value that is presented to serde as an enum variant, whose name tells the value's kind.
struct Tagged<D>(&'static str, D);

impl<'de, D: Deserializer<'de, Error = Mismatch>> EnumAccess<'de> for Tagged<D> {
    type Error = Mismatch;
    type Variant = VariantContent<D>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, VariantContent<D>), Mismatch> {
        let name = seed.deserialize(IntoDeserializer::<Mismatch>::into_deserializer(self.0))?;
        Ok((name, VariantContent(self.1)))
    }
}

/// The content of a variant.
struct VariantContent<D>(D);

impl<'de, D: Deserializer<'de, Error = Mismatch>> VariantAccess<'de> for VariantContent<D> {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<(), Mismatch> {
        Err(de::Error::custom("this variant has no content"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mismatch> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Mismatch> {
        self.0.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Mismatch> {
        self.0.deserialize_any(visitor)
    }
}

/// The items of an array.
struct ItemAccess<'de, 'a> {
    values: Values<'de, 'a>,
    read: usize,
}

impl ItemAccess<'_, '_> {
    /// Fails if items are left over: an array of three is not a pair.
    fn finish<T>(&self, value: T) -> Result<T, Mismatch> {
        match self.values.len() {
            0 => Ok(value),
            1 => Err(de::Error::custom("the array has 1 value too many")),
            more => Err(de::Error::custom(format_args!("the array has {more} values too many"))),
        }
    }
}

impl<'de> SeqAccess<'de> for &mut ItemAccess<'de, '_> {
    type Error = Mismatch;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mismatch> {
        let Some(value) = self.values.next() else { return Ok(None) };
        self.read += 1;
        seed.deserialize(value).map(Some).map_err(|wrong| wrong.within(format_args!("item {}", self.read)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.values.len())
    }
}

/// The members of a struct.
struct MemberAccess<'de, 'a> {
    next: ValueRef<'de, 'a>,
    left: usize,
}

impl<'de, 'a> MapAccess<'de> for MemberAccess<'de, 'a> {
    type Error = Mismatch;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mismatch> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let name = self.next;
        self.next.at += 1;
        seed.deserialize(NameDeserializer(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Mismatch> {
        let value = self.next;
        self.next.at = value.tape.after(value.at);
        seed.deserialize(value).map_err(|wrong| {
            let name = ValueRef { at: value.at - 1, ..value }.text().unwrap_or_default();
            wrong.within(format_args!("member `{}`", abridge(name)))
        })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de, 'a> EnumAccess<'de> for MemberAccess<'de, 'a> {
    type Error = Mismatch;
    type Variant = VariantContent<ValueRef<'de, 'a>>;

    fn variant_seed<T: DeserializeSeed<'de>>(mut self, seed: T) -> Result<(T::Value, Self::Variant), Mismatch> {
        let name = seed.deserialize(self.next)?;
        self.next.at += 1;
        Ok((name, VariantContent(self.next)))
    }
}

/// A member's name. If the target map has numbers as keys, the name is parsed as a number.
struct NameDeserializer<'de, 'a>(ValueRef<'de, 'a>);

macro_rules! keys_from_text {
    ($($method:ident $visit:ident $number:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            match self.0.text().map(str::parse::<$number>) {
                Some(Ok(key)) => visitor.$visit(key),
                _ => self.0.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for NameDeserializer<'de, '_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    keys_from_text! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_bool visit_bool bool,
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

impl<'de, 'a> ValueRef<'de, 'a> {
    /// The name of the value's type in error messages.
    fn word(self) -> &'static str {
        match self.node() {
            TapeNode::Nil => "nil",
            TapeNode::Bool(_) => "a boolean",
            TapeNode::Int(_) | TapeNode::Digits(_) => "an integer",
            TapeNode::Double(_) => "a double",
            TapeNode::Text(_) => "a string",
            TapeNode::Date(_) => "a dateTime.iso8601",
            TapeNode::Binary(_) => "base64",
            TapeNode::Array { .. } => "an array",
            TapeNode::Struct { .. } => "a struct",
        }
    }

    fn pairs(self, members: u32) -> MemberAccess<'de, 'a> {
        MemberAccess { next: ValueRef { tape: self.tape, at: self.at + 1 }, left: members as usize }
    }
}
