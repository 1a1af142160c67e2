//! The error of the XML writers, and the conversion of member names to text.

use std::fmt;

use serde::ser::{self, Impossible, Serialize, Serializer};

/// The format cannot represent a value, or the group's dialect forbids its representation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unwritable(String);

impl Unwritable {
    pub(in crate::codec) fn new(message: impl Into<String>) -> Unwritable {
        Unwritable(message.into())
    }
}

impl ser::Error for Unwritable {
    fn custom<T: fmt::Display>(message: T) -> Unwritable {
        Unwritable(message.to_string())
    }
}

/// Converts a value to text: a map's key, or the content of a date or of bytes. Fails for values that are not text.
pub(in crate::codec) struct TextOf;

macro_rules! names_from {
    ($($method:ident $kind:ty,)*) => {$(
        fn $method(self, value: $kind) -> Result<String, Unwritable> {
            Ok(value.to_string())
        }
    )*};
}

impl Serializer for TextOf {
    type Ok = String;
    type Error = Unwritable;
    type SerializeSeq = Impossible<String, Unwritable>;
    type SerializeTuple = Impossible<String, Unwritable>;
    type SerializeTupleStruct = Impossible<String, Unwritable>;
    type SerializeTupleVariant = Impossible<String, Unwritable>;
    type SerializeMap = Impossible<String, Unwritable>;
    type SerializeStruct = Impossible<String, Unwritable>;
    type SerializeStructVariant = Impossible<String, Unwritable>;

    names_from! {
        serialize_bool bool,
        serialize_i8 i8,
        serialize_i16 i16,
        serialize_i32 i32,
        serialize_i64 i64,
        serialize_i128 i128,
        serialize_u8 u8,
        serialize_u16 u16,
        serialize_u32 u32,
        serialize_u64 u64,
        serialize_u128 u128,
        serialize_char char,
        serialize_str &str,
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<String, Unwritable> {
        Ok(variant.to_owned())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<String, Unwritable> {
        value.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<String, Unwritable> {
        value.serialize(self)
    }

    fn serialize_f32(self, _: f32) -> Result<String, Unwritable> {
        no_name()
    }

    fn serialize_f64(self, _: f64) -> Result<String, Unwritable> {
        no_name()
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<String, Unwritable> {
        no_name()
    }

    fn serialize_none(self) -> Result<String, Unwritable> {
        no_name()
    }

    fn serialize_unit(self) -> Result<String, Unwritable> {
        no_name()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<String, Unwritable> {
        no_name()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<String, Unwritable> {
        no_name()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Unwritable> {
        no_name()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unwritable> {
        no_name()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Unwritable> {
        no_name()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unwritable> {
        no_name()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Unwritable> {
        no_name()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Unwritable> {
        no_name()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unwritable> {
        no_name()
    }
}

fn no_name<T>() -> Result<T, Unwritable> {
    Err(Unwritable("a struct's member is named by text".to_owned()))
}

/// The error for a character that XML forbids.
pub(in crate::codec) fn forbidden(c: char) -> Unwritable {
    Unwritable(format!("XML cannot carry the character U+{:04X}", u32::from(c)))
}
