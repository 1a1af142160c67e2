//! Arguments by name.

use std::borrow::Cow;

use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::Wrong;
use super::position::ByPosition;
use crate::model::text::abridge;

/// Arguments by name, none of them twice.
pub(super) struct ByName<I> {
    pub(super) given: I,
}

impl<'n, D, I: Iterator<Item = (Cow<'n, str>, D)>> ByName<I> {
    fn nothing<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Wrong> {
        match self.given.next() {
            None => visitor.visit_unit(),
            Some((name, _)) => Err(Wrong::unknown(&name, [])),
        }
    }

    /// The values in the order of the names by which a record without names of its own is described: `arg1`, `arg2`
    /// and so on.
    fn numbered(self, length: usize) -> Result<Vec<D>, Wrong> {
        let mut placed: Vec<Option<D>> = (0..length).map(|_| None).collect();
        for (name, value) in self.given {
            let number = name.strip_prefix("arg").filter(|number| !number.starts_with(['0', '+']));
            let at = number.and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
            match at.and_then(|at| placed.get_mut(at)) {
                Some(place) => *place = Some(value),
                None => return Err(Wrong::unknown(&name, [])),
            }
        }
        let missing = |at: usize| {
            let name = format!("arg{}", at + 1);
            Wrong::new(format!("the parameter `{name}` is missing")).of_parameter(&name)
        };
        placed.into_iter().enumerate().map(|(at, value)| value.ok_or_else(|| missing(at))).collect()
    }
}

impl<'de, 'n, I, D> Deserializer<'de> for ByName<I>
where
    I: Iterator<Item = (Cow<'n, str>, D)>,
    D: Deserializer<'de>,
{
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_map(Names { given: self.given, value: None, known: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_map(Names { given: self.given, value: None, known: Some(fields) })
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

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Wrong> {
        let given = self.numbered(length)?;
        ByPosition { given: given.into_iter() }.deserialize_tuple(length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let given = self.numbered(length)?;
        ByPosition { given: given.into_iter() }.deserialize_tuple_struct(name, length, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Wrong> {
        Err(de::Error::custom("the parameters of this method have no names: give them as an array"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option map enum
        identifier ignored_any
    }
}

/// Hands out named arguments, refusing names that the record does not have.
struct Names<'n, I, D> {
    given: I,
    value: Option<(Cow<'n, str>, D)>,
    known: Option<&'static [&'static str]>,
}

impl<'de, 'n, I, D> MapAccess<'de> for Names<'n, I, D>
where
    I: Iterator<Item = (Cow<'n, str>, D)>,
    D: Deserializer<'de>,
{
    type Error = Wrong;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let Some((name, value)) = self.given.next() else { return Ok(None) };
        if let Some(known) = self.known.filter(|known| !known.contains(&name.as_ref())) {
            return Err(Wrong::unknown(&name, known.iter().copied()));
        }
        let key = seed.deserialize(IntoDeserializer::<Wrong>::into_deserializer(name.as_ref()))?;
        self.value = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Wrong> {
        match self.value.take() {
            Some((name, value)) => seed.deserialize(value).map_err(|error| {
                Wrong::new(format!("parameter `{}`: {}", abridge(&name), Wrong::of(&error))).of_parameter(&name)
            }),
            None => Err(de::Error::custom("a value was asked for before its name")),
        }
    }
}
