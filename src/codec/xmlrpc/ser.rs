//! Serializes one XML-RPC value with serde.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{self, Serialize, Serializer};

use super::dialect::{BigIntegers, Fractions, Nil, XmlRpcDialect, XmlRpcNonFinite};
use crate::codec::xml::escape;
use crate::codec::xml::unwritable::{TextOf, Unwritable, forbidden};
use crate::codec::xml::{Characters, Control};
use crate::model::date;
use crate::model::date::DateTime;
use crate::model::text::abridge;
use crate::model::value::{BINARY, NUMBER, Number, shortest_plain};

/// 2^53: up to here a double holds every integer exactly.
const EXACT: u64 = 1 << 53;

/// Writes one `<value>` element.
///
/// # Errors
/// `Unwritable`; `to` then holds an incomplete element.
pub fn write_value<T: Serialize + ?Sized>(
    to: &mut Vec<u8>,
    value: &T,
    dialect: XmlRpcDialect,
) -> Result<(), Unwritable> {
    value.serialize(XmlRpcWriter { to, dialect, place: ValuePosition::Top }).map(|_| ())
}

/// The position of a value, which decides how nil is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValuePosition {
    Top,
    Member,
    Item,
}

/// Whether a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteOutcome {
    Value,
    Nothing,
}

struct XmlRpcWriter<'w> {
    to: &'w mut Vec<u8>,
    dialect: XmlRpcDialect,
    place: ValuePosition,
}

impl<'w> XmlRpcWriter<'w> {
    fn element(self, name: &str, content: &str) -> Result<WriteOutcome, Unwritable> {
        for part in ["<value><", name, ">", content, "</", name, "></value>"] {
            self.to.extend_from_slice(part.as_bytes());
        }
        Ok(WriteOutcome::Value)
    }

    fn text(self, text: &str) -> Result<WriteOutcome, Unwritable> {
        self.to.extend_from_slice(b"<value><string>");
        escape::text(self.to, text, self.dialect.characters()).map_err(forbidden)?;
        self.to.extend_from_slice(b"</string></value>");
        Ok(WriteOutcome::Value)
    }

    fn integer(self, number: i64) -> Result<WriteOutcome, Unwritable> {
        if i32::try_from(number).is_ok() {
            // Writing to a vector cannot fail.
            let _ = write!(self.to, "<value><int>{number}</int></value>");
            return Ok(WriteOutcome::Value);
        }
        let digits = number.to_string();
        match self.dialect.big_integers {
            BigIntegers::I8 => self.element("i8", &digits),
            BigIntegers::ExI8 => self.element("ex:i8", &digits),
            BigIntegers::Double if number.unsigned_abs() <= EXACT => self.element("double", &format!("{digits}.0")),
            BigIntegers::String => self.text(&digits),
            policy => Err(too_large(&digits, policy)),
        }
    }

    /// Writes a number that may be beyond 64 bits and beyond a double.
    fn number(self, number: &Number) -> Result<WriteOutcome, Unwritable> {
        let Some(plain) = number.plain() else {
            let number = abridge(number.as_str());
            return Err(Unwritable::new(format!(
                "XML-RPC has no exponents, and `{number}` has too many digits without one"
            )));
        };
        if number.is_integer() {
            return match (plain.parse(), self.dialect.big_integers) {
                (Ok(number), _) => self.integer(number),
                (_, BigIntegers::ExI8) => self.element("ex:biginteger", &plain),
                (_, BigIntegers::String) => self.text(&plain),
                (_, policy) => Err(too_large(&plain, policy)),
            };
        }
        match self.dialect.big_integers {
            BigIntegers::ExI8 => self.element("ex:bigdecimal", &plain),
            _ => self.element("double", &format!("{plain}{}", if plain.contains('.') { "" } else { ".0" })),
        }
    }

    /// Writes the shortest text that reads back as the same number, never with an exponent.
    fn double(self, number: f64, shortest: &str) -> Result<WriteOutcome, Unwritable> {
        if number.is_finite() {
            let point = if shortest.contains('.') { "" } else { ".0" };
            return self.element("double", &format!("{shortest}{point}"));
        }
        match self.dialect.non_finite {
            XmlRpcNonFinite::Refuse => Err(Unwritable::new(format!("XML-RPC has no double for {number}"))),
            XmlRpcNonFinite::Nil => self.nil(),
            XmlRpcNonFinite::Words if number.is_nan() => self.element("double", "NaN"),
            XmlRpcNonFinite::Words => self.element("double", if number > 0.0 { "INF" } else { "-INF" }),
        }
    }

    fn nil(self) -> Result<WriteOutcome, Unwritable> {
        match self.dialect.nil {
            Nil::Nil => self.to.extend_from_slice(b"<value><nil/></value>"),
            Nil::ExNil => self.to.extend_from_slice(b"<value><ex:nil/></value>"),
            Nil::Omit if self.place == ValuePosition::Member => return Ok(WriteOutcome::Nothing),
            Nil::Omit | Nil::Refuse => {
                return Err(Unwritable::new("XML-RPC has no nil, and this group does not send one".to_owned()));
            }
        }
        Ok(WriteOutcome::Value)
    }

    fn date(self, text: &str) -> Result<WriteOutcome, Unwritable> {
        let date: DateTime = text.parse().map_err(ser::Error::custom)?;
        if self.dialect.fractions == Fractions::Refuse && date.local.nanosecond() != 0 {
            return Err(Unwritable::new("a date in XML-RPC cannot have a fraction of a second".to_owned()));
        }
        let zone = time::UtcOffset::from_whole_seconds(i32::from(self.dialect.zone) * 60);
        let moved = zone.ok().and_then(|zone| date.at(zone)).and_then(|moved| moved.basic());
        let moved = moved.ok_or_else(|| {
            Unwritable::new(format!("the date {date} falls outside the years 0 to 9999 in this group's zone"))
        })?;
        self.element("dateTime.iso8601", &moved)
    }

    fn array(self) -> ArrayWriter<'w> {
        self.to.extend_from_slice(b"<value><array><data>");
        ArrayWriter { to: self.to, dialect: self.dialect, end: b"</data></array></value>" }
    }

    fn members(self) -> StructWriter<'w> {
        self.to.extend_from_slice(b"<value><struct>");
        StructWriter { to: self.to, dialect: self.dialect, end: b"</struct></value>", member: 0 }
    }

    /// Begins a struct with one member named after a variant. Its value is written next.
    fn variant(self, name: &str) -> Result<XmlRpcWriter<'w>, Unwritable> {
        self.to.extend_from_slice(b"<value><struct><member><name>");
        escape::text(self.to, name, self.dialect.characters()).map_err(forbidden)?;
        self.to.extend_from_slice(b"</name>");
        Ok(XmlRpcWriter { place: ValuePosition::Item, ..self })
    }
}

const END_OF_VARIANT: &[u8] = b"</member></struct></value>";

impl<'w> Serializer for XmlRpcWriter<'w> {
    type Ok = WriteOutcome;
    type Error = Unwritable;
    type SerializeSeq = ArrayWriter<'w>;
    type SerializeTuple = ArrayWriter<'w>;
    type SerializeTupleStruct = ArrayWriter<'w>;
    type SerializeTupleVariant = ArrayWriter<'w>;
    type SerializeMap = StructWriter<'w>;
    type SerializeStruct = StructWriter<'w>;
    type SerializeStructVariant = StructWriter<'w>;

    fn serialize_bool(self, value: bool) -> Result<WriteOutcome, Unwritable> {
        self.element("boolean", if value { "1" } else { "0" })
    }

    fn serialize_i8(self, value: i8) -> Result<WriteOutcome, Unwritable> {
        self.integer(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<WriteOutcome, Unwritable> {
        self.integer(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<WriteOutcome, Unwritable> {
        self.integer(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<WriteOutcome, Unwritable> {
        self.integer(value)
    }

    fn serialize_i128(self, value: i128) -> Result<WriteOutcome, Unwritable> {
        self.number(&value.into())
    }

    fn serialize_u8(self, value: u8) -> Result<WriteOutcome, Unwritable> {
        self.integer(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<WriteOutcome, Unwritable> {
        self.integer(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<WriteOutcome, Unwritable> {
        self.integer(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<WriteOutcome, Unwritable> {
        match i64::try_from(value) {
            Ok(value) => self.integer(value),
            Err(_) => self.number(&value.into()),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<WriteOutcome, Unwritable> {
        self.number(&value.into())
    }

    fn serialize_f32(self, value: f32) -> Result<WriteOutcome, Unwritable> {
        self.double(value.into(), &value.to_string())
    }

    fn serialize_f64(self, value: f64) -> Result<WriteOutcome, Unwritable> {
        let shortest = if value.is_finite() { shortest_plain(value) } else { String::new() };
        self.double(value, &shortest)
    }

    fn serialize_char(self, value: char) -> Result<WriteOutcome, Unwritable> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<WriteOutcome, Unwritable> {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<WriteOutcome, Unwritable> {
        self.element("base64", &STANDARD.encode(value))
    }

    fn serialize_none(self) -> Result<WriteOutcome, Unwritable> {
        self.nil()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<WriteOutcome, Unwritable> {
        value.serialize(self)
    }

    /// A response must contain a value, so the result of a method without a result is an empty string.
    fn serialize_unit(self) -> Result<WriteOutcome, Unwritable> {
        if self.place == ValuePosition::Top { self.text("") } else { self.nil() }
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<WriteOutcome, Unwritable> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<WriteOutcome, Unwritable> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<WriteOutcome, Unwritable> {
        match name {
            date::TOKEN => self.date(&value.serialize(TextOf)?),
            BINARY => self.element("base64", &value.serialize(TextOf)?),
            NUMBER => self.number(&value.serialize(TextOf)?.parse().map_err(ser::Error::custom)?),
            _ => value.serialize(self),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<WriteOutcome, Unwritable> {
        let writer = self.variant(variant)?;
        let XmlRpcWriter { to, dialect, place } = writer;
        value.serialize(XmlRpcWriter { to, dialect, place })?;
        to.extend_from_slice(END_OF_VARIANT);
        Ok(WriteOutcome::Value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<ArrayWriter<'w>, Unwritable> {
        Ok(self.array())
    }

    fn serialize_tuple(self, _: usize) -> Result<ArrayWriter<'w>, Unwritable> {
        Ok(self.array())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<ArrayWriter<'w>, Unwritable> {
        Ok(self.array())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<ArrayWriter<'w>, Unwritable> {
        let items = self.variant(variant)?.array();
        Ok(ArrayWriter { end: b"</data></array></value></member></struct></value>", ..items })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<StructWriter<'w>, Unwritable> {
        Ok(self.members())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<StructWriter<'w>, Unwritable> {
        Ok(self.members())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<StructWriter<'w>, Unwritable> {
        let members = self.variant(variant)?.members();
        Ok(StructWriter { end: b"</struct></value></member></struct></value>", ..members })
    }
}

/// Writes the items of an array.
pub(super) struct ArrayWriter<'w> {
    to: &'w mut Vec<u8>,
    dialect: XmlRpcDialect,
    end: &'static [u8],
}

impl ArrayWriter<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        value.serialize(XmlRpcWriter { to: self.to, dialect: self.dialect, place: ValuePosition::Item }).map(|_| ())
    }

    fn finish(self) -> Result<WriteOutcome, Unwritable> {
        self.to.extend_from_slice(self.end);
        Ok(WriteOutcome::Value)
    }
}

macro_rules! array_like {
    ($($part:ident $method:ident,)*) => {$(
        impl ser::$part for ArrayWriter<'_> {
            type Ok = WriteOutcome;
            type Error = Unwritable;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
                self.item(value)
            }

            fn end(self) -> Result<WriteOutcome, Unwritable> {
                self.finish()
            }
        }
    )*};
}

array_like! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

/// Writes the members of a struct.
pub(super) struct StructWriter<'w> {
    to: &'w mut Vec<u8>,
    dialect: XmlRpcDialect,
    end: &'static [u8],
    /// The offset of the current member, which is removed again if its value is left out.
    member: usize,
}

impl StructWriter<'_> {
    fn name(&mut self, name: &str) -> Result<(), Unwritable> {
        self.member = self.to.len();
        self.to.extend_from_slice(b"<member><name>");
        // Replacing or dropping a character could make two names equal.
        let exact = Characters { control: Control::Refuse, ..self.dialect.characters() };
        escape::text(self.to, name, exact).map_err(forbidden)?;
        self.to.extend_from_slice(b"</name>");
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        match value.serialize(XmlRpcWriter { to: self.to, dialect: self.dialect, place: ValuePosition::Member })? {
            WriteOutcome::Value => self.to.extend_from_slice(b"</member>"),
            WriteOutcome::Nothing => self.to.truncate(self.member),
        }
        Ok(())
    }

    fn finish(self) -> Result<WriteOutcome, Unwritable> {
        self.to.extend_from_slice(self.end);
        Ok(WriteOutcome::Value)
    }
}

impl ser::SerializeMap for StructWriter<'_> {
    type Ok = WriteOutcome;
    type Error = Unwritable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unwritable> {
        self.name(&key.serialize(TextOf)?)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        self.value(value)
    }

    fn end(self) -> Result<WriteOutcome, Unwritable> {
        self.finish()
    }
}

macro_rules! struct_like {
    ($($part:ident)*) => {$(
        impl ser::$part for StructWriter<'_> {
            type Ok = WriteOutcome;
            type Error = Unwritable;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unwritable> {
                self.name(name)?;
                self.value(value)
            }

            fn end(self) -> Result<WriteOutcome, Unwritable> {
                self.finish()
            }
        }
    )*};
}

struct_like! { SerializeStruct SerializeStructVariant }

fn too_large(digits: &str, policy: BigIntegers) -> Unwritable {
    Unwritable::new(match policy {
        BigIntegers::Refuse => format!("the integer {digits} is beyond the 32 bits of XML-RPC"),
        BigIntegers::Double => format!("the integer {digits} is beyond 2^53, where doubles are not exact"),
        BigIntegers::I8 | BigIntegers::ExI8 | BigIntegers::String => format!("the integer {digits} is beyond 64 bits"),
    })
}
