//! A call's arguments as they came, unread, until a handler says what types they are.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::value::RawValue;

use crate::fault::Fault;
use crate::text::{abridge, nearest};
use crate::wire::xmlrpc::{ValueRef, Values};

/// The arguments of a call, in the form in which its protocol brought them.
#[derive(Debug, Clone, Copy)]
pub enum Args<'a> {
    /// None at all.
    None,
    /// XML-RPC's parameters, by position.
    XmlRpc(Values<'a, 'a>),
    /// A JSON array, by position, or a JSON object, by name.
    Json(&'a RawValue),
}

impl<'a> Args<'a> {
    /// Reads the arguments into a record, by position or by name, defaults included; `()` takes none.
    ///
    /// # Errors
    /// `BadParams`, naming the parameter: too many, too few, of the wrong type, or of an unknown name.
    pub fn take<A: DeserializeOwned>(self) -> Result<A, Fault> {
        let taken = match self {
            Args::None => A::deserialize(ByPosition { given: std::iter::empty::<ValueRef<'a, 'a>>() }),
            Args::XmlRpc(given) => A::deserialize(ByPosition { given }),
            Args::Json(raw) => match Listed::read(raw)? {
                Listed::ByPosition(given) => A::deserialize(ByPosition { given: given.into_iter() }),
                Listed::ByName(given) => A::deserialize(ByName { given: given.into_iter() }),
            },
        };
        taken.map_err(|wrong| Fault::bad_params(wrong.0))
    }
}

/// JSON arguments taken apart, each still unread.
enum Listed<'a> {
    ByPosition(Vec<&'a RawValue>),
    ByName(Vec<(Cow<'a, str>, &'a RawValue)>),
}

impl<'a> Listed<'a> {
    fn read(raw: &'a RawValue) -> Result<Listed<'a>, Fault> {
        let read = match raw.get().bytes().next() {
            Some(b'[') => serde_json::from_str(raw.get()).map(Listed::ByPosition),
            Some(b'{') => serde_json::from_str(raw.get()).map(|members: Members<'a>| Listed::ByName(members.0)),
            _ => return Err(Fault::bad_params("the parameters are neither an array nor an object")),
        };
        read.map_err(|error| Fault::bad_params(error.to_string()))
    }
}

/// The members of a JSON object, in order, none of them twice.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'de>, M::Error> {
                let (mut members, mut seen) = (Vec::new(), std::collections::HashSet::new());
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if !seen.insert(name.clone()) {
                        return Err(de::Error::custom(format_args!(
                            "the parameter `{}` is given twice",
                            abridge(&name)
                        )));
                    }
                    members.push((Cow::Owned(name), value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// What is wrong with the arguments, for the caller.
#[derive(Debug)]
struct Wrong(String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Wrong {
        Wrong(message.to_string())
    }

    fn missing_field(name: &'static str) -> Wrong {
        Wrong(format!("the parameter `{name}` is missing"))
    }

    /// serde's word for a list that ends before a field that has no default.
    fn invalid_length(length: usize, _: &dyn de::Expected) -> Wrong {
        Wrong(format!("parameter {} is missing", length + 1))
    }
}

/// Arguments by position.
struct ByPosition<I> {
    given: I,
}

impl<'de, I> ByPosition<I>
where
    I: ExactSizeIterator,
    I::Item: Deserializer<'de>,
{
    /// Reads a record whose parameters have these names, or as many as are wanted where they have none.
    fn read<V: Visitor<'de>>(self, names: &'static [&'static str], visitor: V) -> Result<V::Value, Wrong> {
        let count = self.given.len();
        let mut access = Positions { given: self.given, at: 0, names };
        let value = visitor.visit_seq(&mut access).map_err(|wrong| match names.get(count) {
            Some(name) if access.at == count && wrong.0 == format!("parameter {} is missing", count + 1) => {
                Wrong(format!("{wrong} (`{name}`)"))
            }
            _ => wrong,
        })?;
        if access.given.len() == 0 {
            return Ok(value);
        }
        Err(Wrong(too_many(access.at, count)))
    }

    fn nothing<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.given.len() {
            0 => visitor.visit_unit(),
            count => Err(Wrong(too_many(0, count))),
        }
    }
}

fn too_many(taken: usize, given: usize) -> String {
    match taken {
        0 => format!("the method takes no parameters, {given} given"),
        1 => format!("the method takes at most 1 parameter, {given} given"),
        _ => format!("the method takes at most {taken} parameters, {given} given"),
    }
}

impl<'de, I> Deserializer<'de> for ByPosition<I>
where
    I: ExactSizeIterator,
    I::Item: Deserializer<'de>,
{
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.read(&[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.read(fields, visitor)
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

/// Hands out arguments one after the other, and says in an error which of them was wrong.
struct Positions<I> {
    given: I,
    at: usize,
    names: &'static [&'static str],
}

impl<'de, I> SeqAccess<'de> for &mut Positions<I>
where
    I: ExactSizeIterator,
    I::Item: Deserializer<'de>,
{
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let Some(value) = self.given.next() else { return Ok(None) };
        self.at += 1;
        seed.deserialize(value).map(Some).map_err(|error| {
            let name = self.names.get(self.at - 1).map(|name| format!(" (`{name}`)")).unwrap_or_default();
            Wrong(format!("parameter {}{name}: {error}", self.at))
        })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.given.len())
    }
}

/// Arguments by name.
struct ByName<I> {
    given: I,
}

impl<'de, 'n, I, D> ByName<I>
where
    I: ExactSizeIterator<Item = (Cow<'n, str>, D)>,
    D: Deserializer<'de>,
{
    fn nothing<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Wrong> {
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

impl<'de, 'n, I, D> Deserializer<'de> for ByName<I>
where
    I: ExactSizeIterator<Item = (Cow<'n, str>, D)>,
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

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option seq tuple
        tuple_struct map enum identifier ignored_any
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
            Some((name, value)) => {
                seed.deserialize(value).map_err(|error| Wrong(format!("parameter `{}`: {error}", abridge(&name))))
            }
            None => seed.deserialize(BorrowedStrDeserializer::<Wrong>::new("")),
        }
    }
}
