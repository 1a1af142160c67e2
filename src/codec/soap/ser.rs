//! Serializes a value into the element or elements that its shape prescribes.

use std::fmt::Debug;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{self, Serialize, Serializer};

use crate::codec::xml::escape as characters;
use crate::codec::xml::unwritable::{TextOf, Unwritable, forbidden};
use crate::codec::xml::{Characters, Control};
use crate::model::date;
use crate::model::shape::{Field, Record, Shape, Shapes, escape};
use crate::model::text::abridge;
use crate::model::value::{BINARY, NUMBER, Number, shortest};

/// The prefix of the target namespace, with its colon. [`write_head`](super::write_head) declares it.
const PREFIX: &[u8] = b"m:";

static ANY: Shape = Shape::Any;

/// The element that a value is written into, and the value's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementTarget<'f> {
    /// The shapes that names in `shape` point into.
    pub shapes: &'f Shapes,
    /// The value's shape. A value that does not match it is written by its own type.
    pub shape: &'f Shape,
    /// The local name of its element.
    pub element: &'f str,
    /// Whether the element and all elements inside are in the target namespace, whose prefix is `m`.
    pub qualified: bool,
    /// Whether it is a [member](crate::model::shape): repeated for each item of a list, left out for nil.
    pub member: bool,
    /// How characters that XML forbids are written.
    pub control: Control,
}

impl<'f> ElementTarget<'f> {
    /// The element of a field of this value.
    fn field(self, field: &'f Field) -> ElementTarget<'f> {
        ElementTarget { shape: &field.shape, element: &field.element, member: true, ..self }
    }

    /// A single element inside this element.
    fn sole(self, element: &'f str, shape: &'f Shape) -> ElementTarget<'f> {
        ElementTarget { shape, element, member: false, ..self }
    }

    fn any(self, element: &'f str) -> ElementTarget<'f> {
        self.sole(element, &ANY)
    }

    /// The shape of a value that is not nil.
    fn form(self) -> &'f Shape {
        match self.shape {
            Shape::Optional(inner) => self.shapes.follow(inner),
            shape => self.shapes.follow(shape),
        }
    }

    fn open(self, to: &mut Vec<u8>) {
        to.push(b'<');
        self.name(to);
        to.push(b'>');
    }

    fn close(self, to: &mut Vec<u8>) {
        to.extend_from_slice(b"</");
        self.name(to);
        to.push(b'>');
    }

    fn name(self, to: &mut Vec<u8>) {
        if self.qualified {
            to.extend_from_slice(PREFIX);
        }
        to.extend_from_slice(self.element.as_bytes());
    }
}

/// Writes a value with its element, or one element for each item of a repeated member.
///
/// # Errors
/// `Unwritable`; `to` then holds an incomplete element.
pub fn write_value<T: Serialize + ?Sized>(
    to: &mut Vec<u8>,
    value: &T,
    place: ElementTarget<'_>,
) -> Result<(), Unwritable> {
    value.serialize(ElementWriter { to, place })
}

struct ElementWriter<'w, 'f> {
    to: &'w mut Vec<u8>,
    place: ElementTarget<'f>,
}

impl<'w, 'f> ElementWriter<'w, 'f> {
    /// Writes an element with text. A value of any type gets an inner element that names its type.
    fn scalar(self, word: &str, text: impl FnOnce(&mut Vec<u8>) -> Result<(), Unwritable>) -> Result<(), Unwritable> {
        let ElementWriter { to, place } = self;
        place.open(to);
        if matches!(place.shape, Shape::Any) {
            let typed = place.any(word);
            typed.open(to);
            text(to)?;
            typed.close(to);
        } else {
            text(to)?;
        }
        place.close(to);
        Ok(())
    }

    fn plain(self, word: &str, text: &[u8]) -> Result<(), Unwritable> {
        self.scalar(word, |to| {
            to.extend_from_slice(text);
            Ok(())
        })
    }

    fn text(self, text: &str) -> Result<(), Unwritable> {
        let how = Characters { control: self.place.control, ascii: false };
        self.scalar("string", |to| characters::text(to, text, how).map_err(forbidden))
    }

    fn integer(self, number: impl std::fmt::Display, word: &str) -> Result<(), Unwritable> {
        self.scalar(word, |to| {
            // Writing to a vector cannot fail.
            let _ = write!(to, "{number}");
            Ok(())
        })
    }

    /// Writes the shortest text that reads back as the same number.
    fn double(self, number: f64, shortest: &str) -> Result<(), Unwritable> {
        self.scalar("double", |to| {
            // Writing to a vector cannot fail.
            let _ = match number {
                number if number.is_nan() => write!(to, "NaN"),
                f64::INFINITY => write!(to, "INF"),
                f64::NEG_INFINITY => write!(to, "-INF"),
                _ => write!(to, "{shortest}"),
            };
            Ok(())
        })
    }

    /// Writes all digits of a number. A value of any type is an `xs:integer` or `xs:decimal`, which have no exponents.
    fn number(self, number: &Number) -> Result<(), Unwritable> {
        if matches!(self.place.form(), Shape::Double) {
            return self.plain("double", number.as_str().as_bytes());
        }
        let Some(plain) = number.plain() else {
            let number = abridge(number.as_str());
            return Err(Unwritable::new(format!(
                "xs:decimal has no exponents, and `{number}` has too many digits without one"
            )));
        };
        self.plain(if number.is_integer() { "integer" } else { "decimal" }, plain.as_bytes())
    }

    fn nothing(self) -> Result<(), Unwritable> {
        let ElementWriter { to, place } = self;
        if matches!(place.shape, Shape::Any) {
            place.open(to);
            to.push(b'<');
            place.any("nil").name(to);
            to.extend_from_slice(b"/>");
            place.close(to);
        } else if !place.member {
            to.push(b'<');
            place.name(to);
            to.extend_from_slice(b" xsi:nil=\"true\"/>");
        }
        Ok(())
    }

    fn items(self) -> ItemWriter<'w, 'f> {
        let ElementWriter { to, place } = self;
        let (each, inner) = match (place.form(), place.shape) {
            (_, Shape::List(item)) if place.member => (ItemTarget::One(place.sole(place.element, item), place), None),
            (Shape::List(item), _) => (ItemTarget::One(place.sole("item", item), place), Some("")),
            (Shape::Tuple(fields), _) => (ItemTarget::Field(fields, place), Some("")),
            _ => (ItemTarget::One(place.any("item"), place), Some("array")),
        };
        if let Some(word) = inner {
            place.open(to);
            open_word(to, place, word);
        }
        ItemWriter { to, each, inner, at: 0, variant: None }
    }

    fn members(self) -> MemberWriter<'w, 'f> {
        let ElementWriter { to, place } = self;
        place.open(to);
        let record = match place.form() {
            Shape::Record(record) => Some(record),
            _ => {
                open_word(to, place, "struct");
                None
            }
        };
        MemberWriter { to, place, record, at: 0, name: String::new(), variant: None }
    }

    /// Begins a struct with one member named after a variant. Its value is written next.
    fn variant(self, name: &str) -> Result<ElementWriter<'w, 'f>, Unwritable> {
        let ElementWriter { to, place } = self;
        place.open(to);
        open_word(to, place, "struct");
        open_member(to, place, name)?;
        Ok(ElementWriter { to, place: place.any("value") })
    }
}

/// Opens an element inside that of `place`, unless it has no name.
fn open_word(to: &mut Vec<u8>, place: ElementTarget<'_>, word: &str) {
    if !word.is_empty() {
        place.any(word).open(to);
    }
}

fn close_word(to: &mut Vec<u8>, place: ElementTarget<'_>, word: &str) {
    if !word.is_empty() {
        place.any(word).close(to);
    }
}

/// Opens the element of a free-form struct's member, and writes its name. Characters that XML forbids are refused here
/// regardless of the policy, because a changed name would be a different member.
fn open_member(to: &mut Vec<u8>, place: ElementTarget<'_>, name: &str) -> Result<(), Unwritable> {
    open_word(to, place, "member");
    write_key(to, place.any("name"), name)
}

/// Writes the element with the name of a member.
fn write_key(to: &mut Vec<u8>, place: ElementTarget<'_>, name: &str) -> Result<(), Unwritable> {
    place.open(to);
    characters::text(to, name, Characters::default()).map_err(forbidden)?;
    place.close(to);
    Ok(())
}

/// Closes what [`ElementWriter::variant`] opened.
fn close_variant(to: &mut Vec<u8>, place: Option<ElementTarget<'_>>) {
    if let Some(place) = place {
        close_word(to, place, "member");
        close_word(to, place, "struct");
        place.close(to);
    }
}

macro_rules! integers {
    ($($method:ident $kind:ty,)*) => {$(
        fn $method(self, value: $kind) -> Result<(), Unwritable> {
            self.integer(value, if i64::try_from(value).is_ok() { "int" } else { "integer" })
        }
    )*};
}

impl<'w, 'f> Serializer for ElementWriter<'w, 'f> {
    type Ok = ();
    type Error = Unwritable;
    type SerializeSeq = ItemWriter<'w, 'f>;
    type SerializeTuple = ItemWriter<'w, 'f>;
    type SerializeTupleStruct = ItemWriter<'w, 'f>;
    type SerializeTupleVariant = ItemWriter<'w, 'f>;
    type SerializeMap = MemberWriter<'w, 'f>;
    type SerializeStruct = MemberWriter<'w, 'f>;
    type SerializeStructVariant = MemberWriter<'w, 'f>;

    integers! {
        serialize_i8 i8,
        serialize_i16 i16,
        serialize_i32 i32,
        serialize_i64 i64,
        serialize_i128 i128,
        serialize_u8 u8,
        serialize_u16 u16,
        serialize_u32 u32,
        serialize_u64 u64,
        serialize_u128 u128,
    }

    fn serialize_bool(self, value: bool) -> Result<(), Unwritable> {
        self.plain("boolean", if value { b"true" } else { b"false" })
    }

    fn serialize_f32(self, value: f32) -> Result<(), Unwritable> {
        self.double(value.into(), &format!("{value:?}"))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Unwritable> {
        let shortest = if value.is_finite() { shortest(value) } else { String::new() };
        self.double(value, &shortest)
    }

    fn serialize_char(self, value: char) -> Result<(), Unwritable> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Unwritable> {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Unwritable> {
        self.plain("base64", STANDARD.encode(value).as_bytes())
    }

    fn serialize_none(self) -> Result<(), Unwritable> {
        self.nothing()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unwritable> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unwritable> {
        self.nothing()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unwritable> {
        self.nothing()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Unwritable> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Unwritable> {
        match name {
            date::TOKEN => self.plain("dateTime", value.serialize(TextOf)?.as_bytes()),
            BINARY => self.plain("base64", value.serialize(TextOf)?.as_bytes()),
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
    ) -> Result<(), Unwritable> {
        let outer = self.place;
        let ElementWriter { to, place } = self.variant(variant)?;
        value.serialize(ElementWriter { to, place })?;
        close_variant(to, Some(outer));
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<ItemWriter<'w, 'f>, Unwritable> {
        Ok(self.items())
    }

    fn serialize_tuple(self, _: usize) -> Result<ItemWriter<'w, 'f>, Unwritable> {
        Ok(self.items())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<ItemWriter<'w, 'f>, Unwritable> {
        Ok(self.items())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<ItemWriter<'w, 'f>, Unwritable> {
        let outer = self.place;
        Ok(ItemWriter { variant: Some(outer), ..self.variant(variant)?.items() })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<MemberWriter<'w, 'f>, Unwritable> {
        Ok(self.members())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<MemberWriter<'w, 'f>, Unwritable> {
        Ok(self.members())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<MemberWriter<'w, 'f>, Unwritable> {
        let outer = self.place;
        Ok(MemberWriter { variant: Some(outer), ..self.variant(variant)?.members() })
    }
}

/// The element of the next item, and the element around all items.
#[derive(Clone, Copy)]
enum ItemTarget<'f> {
    /// The same element for every item.
    One(ElementTarget<'f>, ElementTarget<'f>),
    /// One field for each item, in order.
    Field(&'f [Field], ElementTarget<'f>),
}

struct ItemWriter<'w, 'f> {
    to: &'w mut Vec<u8>,
    each: ItemTarget<'f>,
    /// The element inside the outer element that holds the items, empty if there is none; `None` if there is no outer
    /// element.
    inner: Option<&'static str>,
    at: usize,
    variant: Option<ElementTarget<'f>>,
}

impl ItemWriter<'_, '_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        let place = match self.each {
            ItemTarget::One(item, _) => item,
            ItemTarget::Field(fields, outer) => match fields.get(self.at) {
                Some(field) => outer.field(field),
                None => outer.any("item"),
            },
        };
        self.at += 1;
        write_value(self.to, value, place)
    }

    fn finish(self) -> Result<(), Unwritable> {
        let (ItemTarget::One(_, outer) | ItemTarget::Field(_, outer)) = self.each;
        if let Some(word) = self.inner {
            close_word(self.to, outer, word);
            outer.close(self.to);
        }
        close_variant(self.to, self.variant);
        Ok(())
    }
}

macro_rules! seq_like {
    ($($part:ident $method:ident,)*) => {$(
        impl ser::$part for ItemWriter<'_, '_> {
            type Ok = ();
            type Error = Unwritable;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
                self.item(value)
            }

            fn end(self) -> Result<(), Unwritable> {
                self.finish()
            }
        }
    )*};
}

seq_like! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

struct MemberWriter<'w, 'f> {
    to: &'w mut Vec<u8>,
    place: ElementTarget<'f>,
    /// The shape of the members; `None` for a free-form struct.
    record: Option<&'f Record>,
    /// The index of the field that is expected next.
    at: usize,
    /// A map's key whose value has not been written yet.
    name: String,
    variant: Option<ElementTarget<'f>>,
}

impl<'f> MemberWriter<'_, 'f> {
    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Unwritable> {
        let place = self.place;
        let Some(record) = self.record else {
            open_member(self.to, place, name)?;
            write_value(self.to, value, place.any("value"))?;
            close_word(self.to, place, "member");
            return Ok(());
        };
        if let Some(field) = self.field(&record.fields, name) {
            return write_value(self.to, value, place.field(field));
        }
        let Some(further) = &record.further else {
            return write_value(self.to, value, ElementTarget { member: true, ..place.any(&escape(name)) });
        };
        open_word(self.to, place, "entry");
        write_key(self.to, place.any("key"), name)?;
        write_value(self.to, value, place.sole("value", further))?;
        close_word(self.to, place, "entry");
        Ok(())
    }

    /// The field of this name; nearly always the one after the previous field.
    fn field(&mut self, fields: &'f [Field], name: &str) -> Option<&'f Field> {
        let next = fields.get(self.at).filter(|field| field.name == name);
        let at = if next.is_some() { self.at } else { fields.iter().position(|field| field.name == name)? };
        self.at = at + 1;
        fields.get(at)
    }

    fn finish(self) -> Result<(), Unwritable> {
        if self.record.is_none() {
            close_word(self.to, self.place, "struct");
        }
        self.place.close(self.to);
        close_variant(self.to, self.variant);
        Ok(())
    }
}

impl ser::SerializeMap for MemberWriter<'_, '_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unwritable> {
        self.name = key.serialize(TextOf)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        let name = std::mem::take(&mut self.name);
        self.member(&name, value)
    }

    fn end(self) -> Result<(), Unwritable> {
        self.finish()
    }
}

macro_rules! struct_like {
    ($($part:ident)*) => {$(
        impl ser::$part for MemberWriter<'_, '_> {
            type Ok = ();
            type Error = Unwritable;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unwritable> {
                self.member(name, value)
            }

            fn end(self) -> Result<(), Unwritable> {
                self.finish()
            }
        }
    )*};
}

struct_like! { SerializeStruct SerializeStructVariant }
