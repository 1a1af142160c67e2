//! Arguments by name.

use std::borrow::Cow;

use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::ArgumentError;
use super::position::ByPosition;
use crate::model::text::abridge;

/// Deserializes a record from arguments by name. No name occurs twice.
pub(super) struct ByName<I> {
    pub(super) members: I,
}

impl<'n, D, I: Iterator<Item = (Cow<'n, str>, D)>> ByName<I> {
    fn expect_none<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, ArgumentError> {
        match self.members.next() {
            None => visitor.visit_unit(),
            Some((name, _)) => Err(ArgumentError::unknown(&name, [])),
        }
    }

    /// The values in the order of `arg1`, `arg2` and so on: the names in the description of a record whose fields have no
    /// names.
    fn into_numbered(self, length: usize) -> Result<Vec<D>, ArgumentError> {
        let mut placed: Vec<Option<D>> = (0..length).map(|_| None).collect();
        for (name, value) in self.members {
            let number = name.strip_prefix("arg").filter(|number| !number.starts_with(['0', '+']));
            let at = number.and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
            match at.and_then(|at| placed.get_mut(at)) {
                Some(place) => *place = Some(value),
                None => return Err(ArgumentError::unknown(&name, [])),
            }
        }
        let missing = |at: usize| {
            let name = format!("arg{}", at + 1);
            ArgumentError::new(format!("the parameter `{name}` is missing")).with_parameter(&name)
        };
        placed.into_iter().enumerate().map(|(at, value)| value.ok_or_else(|| missing(at))).collect()
    }
}

impl<'de, 'n, I, D> Deserializer<'de> for ByName<I>
where
    I: Iterator<Item = (Cow<'n, str>, D)>,
    D: Deserializer<'de>,
{
    type Error = ArgumentError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentError> {
        visitor.visit_map(Names { members: self.members, value: None, known: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ArgumentError> {
        visitor.visit_map(Names { members: self.members, value: None, known: Some(fields) })
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

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, ArgumentError> {
        let values = self.into_numbered(length)?;
        ByPosition { values: values.into_iter() }.deserialize_tuple(length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, ArgumentError> {
        let values = self.into_numbered(length)?;
        ByPosition { values: values.into_iter() }.deserialize_tuple_struct(name, length, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ArgumentError> {
        Err(de::Error::custom("the parameters of this method have no names: give them as an array"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option map enum
        identifier ignored_any
    }
}

/// Gives serde the arguments one after the other. Refuses names that the record does not have.
struct Names<'n, I, D> {
    members: I,
    /// The argument whose name serde has read, and whose value it reads next.
    value: Option<(Cow<'n, str>, D)>,
    /// The names of the fields; `None` for a map, which takes any name.
    known: Option<&'static [&'static str]>,
}

impl<'de, 'n, I, D> MapAccess<'de> for Names<'n, I, D>
where
    I: Iterator<Item = (Cow<'n, str>, D)>,
    D: Deserializer<'de>,
{
    type Error = ArgumentError;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ArgumentError> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        if let Some(known) = self.known.filter(|known| !known.contains(&name.as_ref())) {
            return Err(ArgumentError::unknown(&name, known.iter().copied()));
        }
        let key = seed.deserialize(IntoDeserializer::<ArgumentError>::into_deserializer(name.as_ref()))?;
        self.value = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ArgumentError> {
        match self.value.take() {
            Some((name, value)) => seed.deserialize(value).map_err(|error| {
                ArgumentError::new(format!("parameter `{}`: {}", abridge(&name), ArgumentError::from_reader(&error)))
                    .with_parameter(&name)
            }),
            None => Err(de::Error::custom("a value was requested before its name")),
        }
    }
}
