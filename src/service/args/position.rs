//! Arguments by position.

use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::{ArgumentError, all_but_ignored};

/// Deserializes a record from arguments by position, in the order of its fields, or a list.
pub(super) struct ByPosition<I> {
    pub(super) values: I,
}

impl<I: ExactSizeIterator> ByPosition<I> {
    fn expect_none<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentError> {
        match self.values.len() {
            0 => visitor.visit_unit(),
            count => Err(too_many(0, count)),
        }
    }
}

pub(super) fn too_many(taken: usize, given: usize) -> ArgumentError {
    ArgumentError::new(match taken {
        0 => format!("the method takes no parameters, {given} given"),
        1 => format!("the method takes at most 1 parameter, {given} given"),
        _ => format!("the method takes at most {taken} parameters, {given} given"),
    })
}

impl<'de, I> Deserializer<'de> for ByPosition<I>
where
    I: ExactSizeIterator,
    I::Item: Deserializer<'de>,
{
    type Error = ArgumentError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentError> {
        let count = self.values.len();
        let mut access = Positions { values: self.values, count, names: &[] };
        let value = visitor.visit_seq(&mut access)?;
        match access.values.len() {
            0 => Ok(value),
            left => Err(too_many(count - left, count)),
        }
    }

    /// Presents the arguments as a map from field numbers to values, so that a field that may be omitted by name may be
    /// omitted here too.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ArgumentError> {
        let count = self.values.len();
        visitor.visit_map(Positions { values: self.values, count, names: fields })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentError> {
        self.expect_none(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ArgumentError> {
        self.expect_none(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ArgumentError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// Gives serde the arguments one after the other.
struct Positions<I> {
    values: I,
    /// How many arguments there were at the beginning.
    count: usize,
    /// The names of the fields, for error messages; empty for a list.
    names: &'static [&'static str],
}

impl<I: ExactSizeIterator> Positions<I> {
    fn next(&mut self) -> Option<Argument<I::Item>> {
        let at = self.count - self.values.len();
        let name = self.names.get(at).copied();
        self.values.next().map(|value| Argument { value, at, count: self.count, name })
    }
}

impl<'de, I> SeqAccess<'de> for &mut Positions<I>
where
    I: ExactSizeIterator,
    I::Item: Deserializer<'de>,
{
    type Error = ArgumentError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ArgumentError> {
        self.next().map(|argument| seed.deserialize(argument)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.values.len())
    }
}

impl<'de, I> MapAccess<'de> for Positions<I>
where
    I: ExactSizeIterator,
    I::Item: Deserializer<'de>,
{
    type Error = ArgumentError;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ArgumentError> {
        let at = self.count - self.values.len();
        if at == self.count {
            return Ok(None);
        }
        let field = IntoDeserializer::<ArgumentError>::into_deserializer(at as u64);
        // A record with `deny_unknown_fields` refuses a number that is not one of its fields.
        seed.deserialize(field).map(Some).map_err(|_| too_many(at, self.count))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ArgumentError> {
        match self.next() {
            Some(argument) => seed.deserialize(argument),
            None => Err(de::Error::custom("a value was requested before its name")),
        }
    }
}

/// One argument. Its position and name are added to errors.
struct Argument<D> {
    value: D,
    at: usize,
    count: usize,
    name: Option<&'static str>,
}

impl<D> Argument<D> {
    /// Reads the value, and adds the parameter to an error.
    fn read<T, E: de::Error>(self, read: impl FnOnce(D) -> Result<T, E>) -> Result<T, ArgumentError> {
        let (position, name) = (self.at + 1, self.name);
        read(self.value).map_err(|error| {
            let named = name.map(|name| format!(" (`{name}`)")).unwrap_or_default();
            let wrong =
                ArgumentError::new(format!("parameter {position}{named}: {}", ArgumentError::from_reader(&error)));
            name.into_iter().fold(wrong, ArgumentError::with_parameter)
        })
    }
}

macro_rules! read_as {
    ($($method:ident($($option:ident: $kind:ty),*),)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($option: $kind,)* visitor: V) -> Result<V::Value, ArgumentError> {
            self.read(|value| value.$method($($option,)* visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Argument<D> {
    type Error = ArgumentError;

    /// serde ignores only a value without a field: there are too many arguments.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ArgumentError> {
        Err(too_many(self.at, self.count))
    }

    all_but_ignored! { read_as }
}
