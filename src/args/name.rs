//! Arguments by name.

use std::borrow::Cow;

use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::Wrong;
use crate::text::{abridge, nearest};

/// Arguments by name, none of them twice.
pub(super) struct ByName<I> {
    pub(super) given: I,
}

impl<'n, D, I: Iterator<Item = (Cow<'n, str>, D)>> ByName<I> {
    fn nothing<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Wrong> {
        match self.given.next() {
            None => visitor.visit_unit(),
            Some((name, _)) => Err(unknown(&name, &[])),
        }
    }
}

fn unknown(name: &str, known: &'static [&'static str]) -> Wrong {
    let hint = nearest(name, known.iter().copied()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Wrong(format!("there is no parameter `{}`{hint}", abridge(name)))
}

macro_rules! only_by_position {
    ($($method:ident($($kind:ty),*),)*) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $kind,)* _: V) -> Result<V::Value, Wrong> {
            Err(de::Error::custom("the parameters of this method have no names: give them as an array"))
        }
    )*};
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

    only_by_position! {
        deserialize_seq(),
        deserialize_tuple(usize),
        deserialize_tuple_struct(&'static str, usize),
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
            return Err(unknown(&name, known));
        }
        let key = seed.deserialize(IntoDeserializer::<Wrong>::into_deserializer(name.as_ref()))?;
        self.value = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Wrong> {
        match self.value.take() {
            Some((name, value)) => seed
                .deserialize(value)
                .map_err(|error| Wrong(format!("parameter `{}`: {}", abridge(&name), Wrong::of(&error)))),
            None => Err(de::Error::custom("a value was asked for before its name")),
        }
    }
}
