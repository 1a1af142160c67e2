//! Arguments by position.

use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::{Wrong, all_but_ignored};

/// Arguments by position, to be read into a record's fields in their order, or into a list.
pub(super) struct ByPosition<I> {
    pub(super) given: I,
}

impl<I: ExactSizeIterator> ByPosition<I> {
    fn nothing<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.given.len() {
            0 => visitor.visit_unit(),
            count => Err(too_many(0, count)),
        }
    }
}

pub(super) fn too_many(taken: usize, given: usize) -> Wrong {
    Wrong::new(match taken {
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
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let count = self.given.len();
        let mut access = Positions { given: self.given, count, names: &[] };
        let value = visitor.visit_seq(&mut access)?;
        match access.given.len() {
            0 => Ok(value),
            left => Err(too_many(count - left, count)),
        }
    }

    /// As a map from each field's number, so that whatever may be left out by name may be left out here as well.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let count = self.given.len();
        visitor.visit_map(Positions { given: self.given, count, names: fields })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.nothing(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        self.nothing(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// Hands out arguments one after the other.
struct Positions<I> {
    given: I,
    count: usize,
    names: &'static [&'static str],
}

impl<I: ExactSizeIterator> Positions<I> {
    fn next(&mut self) -> Option<Argument<I::Item>> {
        let at = self.count - self.given.len();
        let name = self.names.get(at).copied();
        self.given.next().map(|value| Argument { value, at, count: self.count, name })
    }
}

impl<'de, I> SeqAccess<'de> for &mut Positions<I>
where
    I: ExactSizeIterator,
    I::Item: Deserializer<'de>,
{
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        self.next().map(|argument| seed.deserialize(argument)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.given.len())
    }
}

impl<'de, I> MapAccess<'de> for Positions<I>
where
    I: ExactSizeIterator,
    I::Item: Deserializer<'de>,
{
    type Error = Wrong;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let at = self.count - self.given.len();
        if at == self.count {
            return Ok(None);
        }
        let field = IntoDeserializer::<Wrong>::into_deserializer(at as u64);
        // A record that denies unknown fields refuses the number of one that it does not have.
        seed.deserialize(field).map(Some).map_err(|_| too_many(at, self.count))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Wrong> {
        match self.next() {
            Some(argument) => seed.deserialize(argument),
            None => Err(de::Error::custom("a value was asked for before its name")),
        }
    }
}

/// One argument, which says in an error that it was the wrong one.
struct Argument<D> {
    value: D,
    at: usize,
    count: usize,
    name: Option<&'static str>,
}

impl<D> Argument<D> {
    /// Reads the value; an error says which parameter it was.
    fn read<T, E: de::Error>(self, read: impl FnOnce(D) -> Result<T, E>) -> Result<T, Wrong> {
        let (position, name) = (self.at + 1, self.name);
        read(self.value).map_err(|error| {
            let named = name.map(|name| format!(" (`{name}`)")).unwrap_or_default();
            let wrong = Wrong::new(format!("parameter {position}{named}: {}", Wrong::of(&error)));
            name.into_iter().fold(wrong, Wrong::of_parameter)
        })
    }
}

macro_rules! read_as {
    ($($method:ident($($option:ident: $kind:ty),*),)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($option: $kind,)* visitor: V) -> Result<V::Value, Wrong> {
            self.read(|value| value.$method($($option,)* visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Argument<D> {
    type Error = Wrong;

    /// Only what fits no field is ignored.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Wrong> {
        Err(too_many(self.at, self.count))
    }

    all_but_ignored! { read_as }
}
