//! The arguments of a call, in the wire form of its protocol. They are read when the handler says what types they have.

mod arguments;
mod each;
mod name;
#[cfg(feature = "server")]
pub(crate) mod owned;
mod placement;
mod position;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::codec::json::TypedJson;
use crate::codec::tape::{ValueRef, Values};
use crate::model::fault::{Fault, Kind};
use crate::model::text::{abridge, shorten};
use crate::model::value::Value;
pub use arguments::{ArgValues, KnownParams};
pub use each::Arg;
use name::ByName;
use position::ByPosition;

/// Invokes a macro with every method of a `Deserializer`, except `deserialize_ignored_any`.
macro_rules! all_but_ignored {
    ($write:ident) => {
        $write! {
            deserialize_any(),
            deserialize_bool(),
            deserialize_i8(),
            deserialize_i16(),
            deserialize_i32(),
            deserialize_i64(),
            deserialize_i128(),
            deserialize_u8(),
            deserialize_u16(),
            deserialize_u32(),
            deserialize_u64(),
            deserialize_u128(),
            deserialize_f32(),
            deserialize_f64(),
            deserialize_char(),
            deserialize_str(),
            deserialize_string(),
            deserialize_bytes(),
            deserialize_byte_buf(),
            deserialize_option(),
            deserialize_unit(),
            deserialize_unit_struct(name: &'static str),
            deserialize_newtype_struct(name: &'static str),
            deserialize_seq(),
            deserialize_tuple(length: usize),
            deserialize_tuple_struct(name: &'static str, length: usize),
            deserialize_map(),
            deserialize_struct(name: &'static str, fields: &'static [&'static str]),
            deserialize_enum(name: &'static str, variants: &'static [&'static str]),
            deserialize_identifier(),
        }
    };
}
use all_but_ignored;

/// The longest error message, in characters: parts of it come from the caller.
const LONGEST: usize = 400;

/// The arguments of a call, in the wire form of its protocol.
///
/// A protocol with JSON values uses `Json`, also for values by position: the text of one array, such as `[1, "a"]`, as one
/// [`RawValue`]. A list of separate texts has to be joined into such an array first. A protocol that reads its documents onto
/// a tape uses `Values` or `Members`.
#[derive(Debug, Clone, Copy)]
pub enum Args<'a> {
    /// No arguments.
    None,
    /// Values of a document, by position.
    Values(Values<'a, 'a>),
    /// The members of a document's struct, by name. Any other value is an error.
    Members(ValueRef<'a, 'a>),
    /// A JSON array, by position, or a JSON object, by name.
    Json(&'a RawValue),
    /// Arguments that are only in the original bytes of the message, which are not read here. Reading them fails.
    Unread,
    /// Arguments by name, each from another call or from the configuration. No name occurs twice.
    Named(&'a [(&'a str, Arg<'a>)]),
}

impl<'a> Args<'a> {
    /// Reads the arguments into a record, by position or by name; `()` takes none.
    ///
    /// A field may be omitted if it has a default or is an `Option`, by position and by name alike.
    ///
    /// # Errors
    /// `BadParams`, naming the parameter: too many, too few, of the wrong type, or of an unknown name.
    pub fn read_record<A: DeserializeOwned>(self) -> Result<A, Fault> {
        let read = match self {
            Args::Unread => return Err(unread()),
            Args::None => A::deserialize(ByPosition { values: std::iter::empty::<ValueRef<'a, 'a>>() }),
            Args::Values(given) => A::deserialize(ByPosition { values: given }),
            Args::Members(record) => A::deserialize(ByName { members: members(record)? }),
            Args::Named(given) => {
                A::deserialize(ByName { members: given.iter().map(|(name, arg)| (Cow::Borrowed(*name), *arg)) })
            }
            Args::Json(raw) => match Listed::read(raw)? {
                Listed::ByPosition(given) => A::deserialize(ByPosition { values: given.into_iter().map(TypedJson) }),
                Listed::ByName(given) => {
                    A::deserialize(ByName { members: given.into_iter().map(|(name, value)| (name, TypedJson(value))) })
                }
            },
        };
        read.map_err(ArgumentError::into_fault)
    }

    /// Reads the arguments as values, without knowing the types of the parameters.
    ///
    /// # Errors
    /// `BadParams` if they are neither a list nor named, or if a name occurs twice.
    pub fn read_values(self) -> Result<ArgValues, Fault> {
        let by_position = |values: Result<Vec<Value>, ArgumentError>| {
            values.map(ArgValues::ByPosition).map_err(ArgumentError::into_fault)
        };
        match self {
            Args::Unread => Err(unread()),
            Args::None => Ok(ArgValues::default()),
            Args::Values(given) => by_position(given.map(read_any).collect()),
            Args::Members(record) => read_named(members(record)?),
            Args::Named(given) => read_named(given.iter().map(|(name, arg)| (Cow::Borrowed(*name), *arg))),
            Args::Json(raw) => match Listed::read(raw)? {
                Listed::ByPosition(given) => {
                    by_position(given.into_iter().map(|raw| read_any(TypedJson(raw))).collect())
                }
                Listed::ByName(given) => read_named(given.into_iter().map(|(name, raw)| (name, TypedJson(raw)))),
            },
        }
    }
}

/// The fault of a call that could only be passed through in its original bytes, and was not.
fn unread() -> Fault {
    Fault::new(Kind::Unreachable, "the server behind this one takes this message no longer; read its description again")
}

fn read_any<'de, D: Deserializer<'de>>(value: D) -> Result<Value, ArgumentError> {
    Value::deserialize(value).map_err(|error| ArgumentError::from_reader(&error))
}

fn read_named<'a, D: Deserializer<'a>>(given: impl Iterator<Item = (Cow<'a, str>, D)>) -> Result<ArgValues, Fault> {
    let read = given.map(|(name, value)| read_any(value).map(|value| (name.into_owned(), value)));
    let mut arguments = Vec::new();
    let mut seen = HashSet::new();
    for argument in read {
        let (name, value) = argument.map_err(ArgumentError::into_fault)?;
        if !seen.insert(name.clone()) {
            return Err(ArgumentError::new(twice(&name)).with_parameter(&name).into_fault());
        }
        arguments.push((name, value));
    }
    Ok(ArgValues::ByName(arguments))
}

fn members<'a>(record: ValueRef<'a, 'a>) -> Result<impl Iterator<Item = (Cow<'a, str>, ValueRef<'a, 'a>)>, Fault> {
    let members = record.members().ok_or_else(|| Fault::bad_params("the parameters are no struct"))?;
    Ok(members.map(|(name, value)| (Cow::Borrowed(name), value)))
}

/// JSON arguments as a list or by name, each still unread.
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
        read.map_err(|error| ArgumentError::from_reader(&error).into_fault())
    }
}

/// The members of a JSON object in their order. No name occurs twice.
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
                let (mut members, mut seen) = (Vec::new(), HashSet::new());
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if !seen.insert(name.clone()) {
                        return Err(de::Error::custom(twice(&name)));
                    }
                    members.push((Cow::Owned(name), value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Why arguments cannot be read, for the caller.
#[derive(Debug)]
pub struct ArgumentError {
    message: String,
    /// The name of the wrong parameter, if it has a name.
    parameter: Option<Box<str>>,
}

impl ArgumentError {
    fn new(message: String) -> ArgumentError {
        ArgumentError { message, parameter: None }
    }

    /// The method has no parameter of this name, but has those of the `known` names.
    fn unknown<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> ArgumentError {
        let fault = Fault::no_such_parameter(name, known);
        ArgumentError { message: fault.message.into_owned(), parameter: fault.parameter }
    }

    fn with_parameter(self, name: &str) -> ArgumentError {
        ArgumentError { parameter: Some(abridge(name).into()), ..self }
    }

    fn into_fault(self) -> Fault {
        Fault { parameter: self.parameter, ..Fault::bad_params(self.message) }
    }

    /// Converts the error of a reader. The position that serde_json adds is left out: it counts from the beginning of the
    /// argument, which would mislead a reader of the whole request.
    fn from_reader(error: &impl fmt::Display) -> ArgumentError {
        let mut text = error.to_string();
        let place = text.rfind(" at line ").filter(|at| {
            let place = text.get(at + 9..).unwrap_or_default();
            place.split(" column ").all(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        });
        text.truncate(place.unwrap_or(text.len()));
        if let Some((before, name)) = text.rsplit_once(EXPECTED)
            && let Some(plain) = plain_type(name)
        {
            text = format!("{before}{EXPECTED}{plain}");
        }
        ArgumentError::new(shorten(&text, LONGEST).into_owned())
    }
}

/// What precedes the expected type in an error of serde.
const EXPECTED: &str = ", expected ";

/// The words for a type of Rust that an error of serde names, such as `an integer from 0 to 255` for `u8`.
fn plain_type(name: &str) -> Option<String> {
    let range = |least: i128, most: i128| Some(format!("an integer from {least} to {most}"));
    match name {
        "u8" => range(0, u8::MAX.into()),
        "u16" => range(0, u16::MAX.into()),
        "u32" => range(0, u32::MAX.into()),
        "u64" | "usize" => range(0, u64::MAX.into()),
        "i8" => range(i8::MIN.into(), i8::MAX.into()),
        "i16" => range(i16::MIN.into(), i16::MAX.into()),
        "i32" => range(i32::MIN.into(), i32::MAX.into()),
        "i64" | "isize" => range(i64::MIN.into(), i64::MAX.into()),
        "u128" | "i128" => Some("an integer".to_owned()),
        "f32" | "f64" => Some("a number".to_owned()),
        _ => None,
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ArgumentError {}

impl de::Error for ArgumentError {
    fn custom<T: fmt::Display>(message: T) -> ArgumentError {
        ArgumentError::new(message.to_string())
    }

    fn missing_field(name: &'static str) -> ArgumentError {
        ArgumentError::new(format!("the parameter `{name}` is missing")).with_parameter(name)
    }

    /// A parameter was given under two of its names.
    fn duplicate_field(name: &'static str) -> ArgumentError {
        ArgumentError::new(twice(name)).with_parameter(name)
    }

    /// serde reports a list that ends before a parameter without a name in this way.
    fn invalid_length(length: usize, _: &dyn de::Expected) -> ArgumentError {
        ArgumentError::new(format!("parameter {} is missing", length + 1))
    }
}

fn twice(name: &str) -> String {
    format!("the parameter `{}` is given twice", abridge(name))
}
