//! Single arguments that are not read yet, for services that pass them on to other services.

use std::borrow::Cow;

use serde::de::{Deserializer, Visitor};
use serde_json::value::RawValue;

use super::placement::{by_name, by_position};
use super::{Args, ArgumentError, Listed, all_but_ignored, members};
use crate::codec::json::TypedJson;
use crate::codec::tape::ValueRef;
use crate::model::fault::Fault;
use crate::model::interface::Param;

/// One argument, in the wire form of its protocol.
#[derive(Debug, Clone, Copy)]
pub enum Arg<'a> {
    /// A value of a document.
    Value(ValueRef<'a, 'a>),
    /// A JSON text.
    Json(&'a RawValue),
}

impl<'a> Args<'a> {
    /// Assigns the arguments to these parameters: one item for each parameter, `None` if its argument is omitted.
    ///
    /// # Errors
    /// `BadParams`, naming the parameter: too many, of an unknown name, given twice, or missing.
    pub fn assign_to(self, params: &[Param]) -> Result<Vec<Option<Arg<'a>>>, Fault> {
        let placed = match self {
            Args::Unread => return Err(super::unread()),
            Args::None => by_position(params.len(), std::iter::empty()),
            Args::Values(given) => by_position(params.len(), given.map(Arg::Value)),
            Args::Members(record) => {
                by_name(params, param_name, members(record)?.map(|(name, value)| (name, Arg::Value(value))))
            }
            Args::Named(given) => {
                by_name(params, param_name, given.iter().map(|(name, arg)| (Cow::Borrowed(*name), *arg)))
            }
            Args::Json(raw) => match Listed::read(raw)? {
                Listed::ByPosition(given) => by_position(params.len(), given.into_iter().map(Arg::Json)),
                Listed::ByName(given) => {
                    by_name(params, param_name, given.into_iter().map(|(name, raw)| (name, Arg::Json(raw))))
                }
            },
        };
        let placed = placed.map_err(ArgumentError::into_fault)?;
        match params.iter().zip(&placed).find(|(param, place)| param.required && place.is_none()) {
            Some((param, _)) => {
                let message = format!("the parameter `{}` is missing", param.name);
                Err(ArgumentError::new(message).with_parameter(&param.name).into_fault())
            }
            None => Ok(placed),
        }
    }
}

fn param_name(param: &Param) -> &str {
    &param.name
}

macro_rules! read_as {
    ($($method:ident($($option:ident: $kind:ty),*),)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($option: $kind,)* visitor: V) -> Result<V::Value, ArgumentError> {
            match self {
                Arg::Value(value) => value.$method($($option,)* visitor).map_err(|error| ArgumentError::from_reader(&error)),
                Arg::Json(raw) => TypedJson(raw).$method($($option,)* visitor).map_err(|error| ArgumentError::from_reader(&error)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Arg<'de> {
    type Error = ArgumentError;

    all_but_ignored! { read_as }

    read_as! {
        deserialize_ignored_any(),
    }
}

#[cfg(test)]
mod tests {
    use schemars::Schema;

    use super::*;
    use crate::codec::tape::Tape;
    use crate::model::value::{Binary, Value};

    fn param(name: &str, required: bool) -> Param {
        Param { name: name.into(), doc: String::new(), schema: Schema::default(), required }
    }

    fn given(json: &str) -> Result<Vec<bool>, (String, Option<String>)> {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        let placed = Args::Json(&raw).assign_to(&[param("spins", true), param("color", false)]);
        let placed = placed.map_err(|fault| (fault.message.into_owned(), fault.parameter.map(String::from)))?;
        Ok(placed.iter().map(Option::is_some).collect())
    }

    #[test]
    fn arguments_find_their_places() {
        assert_eq!(given("[1]"), Ok(vec![true, false]));
        assert_eq!(given("[1, 2]"), Ok(vec![true, true]));
        assert_eq!(given(r#"{"color": 1, "spins": 2}"#), Ok(vec![true, true]));
        for (json, message, parameter) in [
            ("[1, 2, 3]", "the method takes at most 2 parameters, 3 given", None),
            ("{}", "the parameter `spins` is missing", Some("spins")),
            ("[]", "the parameter `spins` is missing", Some("spins")),
            (r#"{"spin": 1}"#, "there is no parameter `spin`; did you mean `spins`?", Some("spin")),
            (r#"{"spins": 1, "spins": 2}"#, "the parameter `spins` is given twice", None),
            ("1", "the parameters are neither an array nor an object", None),
        ] {
            assert_eq!(given(json), Err((message.to_owned(), parameter.map(str::to_owned))), "{json}");
        }
    }

    #[test]
    fn what_is_passed_on_is_read_as_it_came() {
        let values = [Value::Binary(vec![1, 2])];
        let tape = Tape::of(&values).unwrap();
        let params = [param("bytes", true)];
        let of_document = Args::Values(tape.values()).assign_to(&params).unwrap()[0].unwrap();
        let text = RawValue::from_string("[\"AQI=\"]".to_owned()).unwrap();
        let of_json = Args::Json(&text).assign_to(&params).unwrap()[0].unwrap();
        for arg in [of_document, of_json] {
            let named = [("bytes", arg)];
            let (Binary(bytes),) = Args::Named(&named).read_record::<One>().map(|one| (one.bytes,)).unwrap();
            assert_eq!(bytes, [1, 2]);
        }
        let wrong = [("bytes", of_json), ("more", of_json)];
        assert_eq!(Args::Named(&wrong).read_record::<One>().unwrap_err().parameter.as_deref(), Some("more"));
    }

    #[derive(Debug, serde::Deserialize)]
    struct One {
        bytes: Binary,
    }
}
