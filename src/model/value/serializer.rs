//! Serializes any type into a [`Value`], within a memory budget.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{BINARY, NUMBER, Number, Value, repeated, two_members};
use crate::model::date;

/// The deepest nesting of values: building, writing and dropping them recurses.
pub const DEEPEST: usize = 256;

/// How much memory values may still take. Memory is reserved before it is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeBudget {
    left: usize,
    whole: usize,
}

/// Why a value could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The value would exceed this many bytes of memory.
    #[error("it takes more than {0} bytes of memory")]
    TooLarge(usize),
    /// A [`Value`] cannot represent it, or the type's own serialization failed.
    #[error("{0}")]
    Unfit(String),
}

impl SizeBudget {
    /// A budget of this many bytes.
    pub fn new(bytes: usize) -> SizeBudget {
        SizeBudget { left: bytes, whole: bytes }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    fn take(&mut self, bytes: usize) -> Result<(), ValueError> {
        self.left = self.left.checked_sub(bytes).ok_or(ValueError::TooLarge(self.whole))?;
        Ok(())
    }
}

/// Serializes a type into a value. Dates, bytes and integers keep their types. An enum variant with content becomes a
/// struct with one member.
///
/// ```
/// use croupier::model::value::{SizeBudget, Value, value_of};
/// let value = value_of(&(7, "a", Some(1.5), u64::MAX), &mut SizeBudget::new(1000))?;
/// let parts = vec![Value::Int(7), Value::Text("a".into()), Value::Double(1.5), Value::Number(u64::MAX.into())];
/// assert_eq!(value, Value::Array(parts));
/// # Ok::<(), croupier::model::value::ValueError>(())
/// ```
///
/// # Errors
/// If the budget is exceeded, two members of a struct have the same name, a name is not text, or the value is deeper than
/// [`DEEPEST`].
pub fn value_of<T: Serialize + ?Sized>(from: &T, room: &mut SizeBudget) -> Result<Value, ValueError> {
    from.serialize(ValueSerializer { room, depth: 0 })
}

impl ser::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> ValueError {
        ValueError::Unfit(message.to_string())
    }
}

struct ValueSerializer<'r> {
    room: &'r mut SizeBudget,
    depth: usize,
}

impl<'r> ValueSerializer<'r> {
    fn made(self, value: Value, further: usize) -> Result<Value, ValueError> {
        self.room.take(size_of::<Value>().saturating_add(further))?;
        Ok(value)
    }

    fn text(self, text: &str) -> Result<Value, ValueError> {
        self.room.take(size_of::<Value>().saturating_add(text.len()))?;
        Ok(Value::Text(text.to_owned()))
    }

    fn integer<T: Copy + TryInto<i64> + Into<Number>>(self, integer: T) -> Result<Value, ValueError> {
        match integer.try_into() {
            Ok(value) => self.made(Value::Int(value), 0),
            Err(_) => self.number(integer.into()),
        }
    }

    fn number(self, number: Number) -> Result<Value, ValueError> {
        let length = number.as_str().len();
        self.made(Value::Number(number), length)
    }

    /// A serializer for the parts of this value.
    fn inside(self) -> Result<ValueSerializer<'r>, ValueError> {
        if self.depth >= DEEPEST {
            return Err(ValueError::Unfit(format!("values lie more than {DEEPEST} deep inside each other")));
        }
        self.room.take(size_of::<Value>())?;
        Ok(ValueSerializer { room: self.room, depth: self.depth + 1 })
    }

    fn items(self, variant: Option<&'static str>) -> Result<ArrayBuilder<'r>, ValueError> {
        // The announced length is not trusted: items are charged to the budget one by one.
        Ok(ArrayBuilder { maker: self.inside()?, made: Vec::new(), variant })
    }

    fn members(self, variant: Option<&'static str>) -> Result<StructBuilder<'r>, ValueError> {
        Ok(StructBuilder { maker: self.inside()?, made: Vec::new(), name: String::new(), variant })
    }
}

macro_rules! integers {
    ($($method:ident $kind:ty,)*) => {$(
        fn $method(self, value: $kind) -> Result<Value, ValueError> {
            self.integer(i64::from(value))
        }
    )*};
}

impl<'r> Serializer for ValueSerializer<'r> {
    type Ok = Value;
    type Error = ValueError;
    type SerializeSeq = ArrayBuilder<'r>;
    type SerializeTuple = ArrayBuilder<'r>;
    type SerializeTupleStruct = ArrayBuilder<'r>;
    type SerializeTupleVariant = ArrayBuilder<'r>;
    type SerializeMap = StructBuilder<'r>;
    type SerializeStruct = StructBuilder<'r>;
    type SerializeStructVariant = StructBuilder<'r>;

    integers! {
        serialize_i8 i8,
        serialize_i16 i16,
        serialize_i32 i32,
        serialize_i64 i64,
        serialize_u8 u8,
        serialize_u16 u16,
        serialize_u32 u32,
    }

    fn serialize_u64(self, value: u64) -> Result<Value, ValueError> {
        self.integer(value)
    }

    fn serialize_i128(self, value: i128) -> Result<Value, ValueError> {
        self.integer(value)
    }

    fn serialize_u128(self, value: u128) -> Result<Value, ValueError> {
        self.integer(value)
    }

    fn serialize_bool(self, value: bool) -> Result<Value, ValueError> {
        self.made(Value::Bool(value), 0)
    }

    /// Converts by the shortest text: the float 0.1 becomes the double 0.1, not 0.10000000149011612.
    fn serialize_f32(self, value: f32) -> Result<Value, ValueError> {
        let double = value.to_string().parse().unwrap_or(f64::from(value));
        self.made(Value::Double(double), 0)
    }

    fn serialize_f64(self, value: f64) -> Result<Value, ValueError> {
        self.made(Value::Double(value), 0)
    }

    fn serialize_char(self, value: char) -> Result<Value, ValueError> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<Value, ValueError> {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Value, ValueError> {
        self.room.take(value.len())?;
        self.made(Value::Binary(value.to_vec()), 0)
    }

    fn serialize_none(self) -> Result<Value, ValueError> {
        self.made(Value::Nil, 0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, ValueError> {
        self.made(Value::Nil, 0)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, ValueError> {
        self.made(Value::Nil, 0)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, ValueError> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        let made = value.serialize(self)?;
        match (name, made) {
            (date::TOKEN, Value::Text(text)) => text.parse().map(Value::Date).map_err(ser::Error::custom),
            (BINARY, Value::Text(text)) => STANDARD.decode(text).map(Value::Binary).map_err(ser::Error::custom),
            (NUMBER, Value::Text(text)) => text.parse().map(Value::Number).map_err(ser::Error::custom),
            (_, made) => Ok(made),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        let mut members = self.members(None)?;
        SerializeStruct::serialize_field(&mut members, variant, value)?;
        members.finish()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<ArrayBuilder<'r>, ValueError> {
        self.items(None)
    }

    fn serialize_tuple(self, _: usize) -> Result<ArrayBuilder<'r>, ValueError> {
        self.items(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<ArrayBuilder<'r>, ValueError> {
        self.items(None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<ArrayBuilder<'r>, ValueError> {
        self.items(Some(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<StructBuilder<'r>, ValueError> {
        self.members(None)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<StructBuilder<'r>, ValueError> {
        self.members(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<StructBuilder<'r>, ValueError> {
        self.members(Some(variant))
    }
}

fn in_variant(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(name) => Value::Struct(vec![(name.to_owned(), value)]),
        None => value,
    }
}

/// Builds an array.
struct ArrayBuilder<'r> {
    maker: ValueSerializer<'r>,
    made: Vec<Value>,
    variant: Option<&'static str>,
}

impl ArrayBuilder<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.made.push(value.serialize(ValueSerializer { room: self.maker.room, depth: self.maker.depth })?);
        Ok(())
    }
}

macro_rules! items {
    ($($kind:ident::$method:ident,)*) => {$(
        impl $kind for ArrayBuilder<'_> {
            type Ok = Value;
            type Error = ValueError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
                self.push(value)
            }

            fn end(self) -> Result<Value, ValueError> {
                Ok(in_variant(self.variant, Value::Array(self.made)))
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

/// Builds a struct.
struct StructBuilder<'r> {
    maker: ValueSerializer<'r>,
    made: Vec<(String, Value)>,
    /// The name of the next value.
    name: String,
    variant: Option<&'static str>,
}

impl StructBuilder<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, name: String, value: &T) -> Result<(), ValueError> {
        self.maker.room.take(size_of::<String>().saturating_add(name.len()))?;
        self.made.push((name, value.serialize(ValueSerializer { room: self.maker.room, depth: self.maker.depth })?));
        Ok(())
    }

    fn finish(self) -> Result<Value, ValueError> {
        match repeated(&self.made) {
            Some(name) => Err(ValueError::Unfit(two_members(name))),
            None => Ok(in_variant(self.variant, Value::Struct(self.made))),
        }
    }
}

macro_rules! fields {
    ($($kind:ident,)*) => {$(
        impl $kind for StructBuilder<'_> {
            type Ok = Value;
            type Error = ValueError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), ValueError> {
                self.push(name.to_owned(), value)
            }

            fn end(self) -> Result<Value, ValueError> {
                self.finish()
            }
        }
    )*};
}

fields! {
    SerializeStruct,
    SerializeStructVariant,
}

impl SerializeMap for StructBuilder<'_> {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), ValueError> {
        let name = name.serialize(ValueSerializer { room: self.maker.room, depth: self.maker.depth })?;
        self.name = match name {
            Value::Text(name) => name,
            Value::Int(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Date(date) => date.to_string(),
            _ => return Err(ValueError::Unfit("a struct's member is named by text".to_owned())),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let name = std::mem::take(&mut self.name);
        self.push(name, value)
    }

    fn end(self) -> Result<Value, ValueError> {
        self.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::*;
    use crate::model::date::DateTime;
    use crate::model::value::Binary;

    fn made(from: &impl Serialize) -> Result<Value, ValueError> {
        value_of(from, &mut SizeBudget::new(100_000))
    }

    #[derive(Serialize)]
    enum AnyVariant {
        Unit,
        One(i32),
        Two(i32, bool),
        Named { x: f32 },
    }

    #[test]
    fn each_type_becomes_its_value() {
        let date: DateTime = "1998-07-17T14:08:55Z".parse().unwrap();
        let member = |name: &str, value| Value::Struct(vec![(name.to_owned(), value)]);
        for (made, expected) in [
            (made(&date), Value::Date(date)),
            (made(&Binary(vec![1, 2])), Value::Binary(vec![1, 2])),
            (made(&()), Value::Nil),
            (made(&None::<i32>), Value::Nil),
            (made(&u64::MAX), Value::Number(u64::MAX.into())),
            (made(&i128::MIN), Value::Number(i128::MIN.into())),
            (made(&u128::MAX), Value::Number(u128::MAX.into())),
            (made(&i64::MIN), Value::Int(i64::MIN)),
            (made(&0.1_f32), Value::Double(0.1)),
            (made(&f32::NEG_INFINITY), Value::Double(f64::NEG_INFINITY)),
            (made(&BTreeMap::from([(7, "a")])), member("7", Value::Text("a".into()))),
            (made(&AnyVariant::Unit), Value::Text("Unit".into())),
            (made(&AnyVariant::One(1)), member("One", Value::Int(1))),
            (made(&AnyVariant::Two(1, true)), member("Two", Value::Array(vec![Value::Int(1), Value::Bool(true)]))),
            (made(&AnyVariant::Named { x: 0.5 }), member("Named", member("x", Value::Double(0.5)))),
        ] {
            assert_eq!(made, Ok(expected));
        }
    }

    #[test]
    fn a_value_serializes_to_itself() {
        let value = Value::Struct(vec![
            ("date".into(), Value::Date("0001-01-01T00:00:00".parse().unwrap())),
            (
                "list".into(),
                Value::Array(vec![Value::Nil, Value::Number((1_i128 << 100).into()), Value::Binary(Vec::new())]),
            ),
        ]);
        assert_eq!(made(&value), Ok(value));
    }

    #[test]
    fn unrepresentable_types_are_refused() {
        let mut deep = Value::Nil;
        for _ in 0..=DEEPEST {
            deep = Value::Array(vec![deep]);
        }
        for (wrong, reason) in [
            (made(&deep), "values lie more than 256 deep inside each other"),
            (made(&BTreeMap::from([((), 1)])), "a struct's member is named by text"),
        ] {
            assert!(wrong.unwrap_err().to_string().ends_with(reason), "{reason}");
        }
    }

    #[test]
    fn nothing_exceeds_its_budget() {
        let endless = vec!["x".repeat(100); 1000];
        assert_eq!(value_of(&endless, &mut SizeBudget::new(5000)), Err(ValueError::TooLarge(5000)));
        let mut room = SizeBudget::new(1000);
        assert!(value_of("x", &mut room).is_ok() && room.left < 1000);
        assert_eq!(value_of(&vec![(); 100], &mut room), Err(ValueError::TooLarge(1000)));
    }
}
