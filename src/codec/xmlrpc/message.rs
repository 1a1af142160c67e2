//! Writes complete XML-RPC documents: calls, responses and faults.

use serde::ser::{self, Impossible, Serialize, Serializer};

use super::dialect::{BigIntegers, FaultDataForm, Nil, XmlRpcDialect};
use super::ser::write_value;
use super::tree;
use crate::codec::xml::{Characters, Control, Unwritable, escape};
use crate::model::fault::Fault;

/// The name of the method that runs several calls.
pub const MULTICALL: &str = "system.multicall";

/// Writes the part of a response before its value.
pub fn write_response_head(to: &mut Vec<u8>, dialect: XmlRpcDialect) {
    root(to, "methodResponse", dialect);
    to.extend_from_slice(b"<params><param>");
}

/// The part of a response after its value.
pub fn response_tail() -> &'static [u8] {
    b"</param></params></methodResponse>\n"
}

/// Writes a complete response.
///
/// # Errors
/// `Unwritable`; `to` then holds an incomplete document.
pub fn write_response<T: Serialize + ?Sized>(
    to: &mut Vec<u8>,
    value: &T,
    dialect: XmlRpcDialect,
) -> Result<(), Unwritable> {
    write_response_head(to, dialect);
    write_value(to, value, dialect)?;
    to.extend_from_slice(response_tail());
    Ok(())
}

/// Writes a complete fault response. Characters that XML forbids are replaced, so that writing a fault never fails.
pub fn write_fault(to: &mut Vec<u8>, fault: &Fault, dialect: XmlRpcDialect) {
    root(to, "methodResponse", dialect);
    to.extend_from_slice(b"<fault>");
    write_fault_value(to, fault, dialect);
    to.extend_from_slice(b"</fault></methodResponse>\n");
}

/// Writes the struct of a fault, for a fault response or as an item of the result of `system.multicall`.
pub fn write_fault_value(to: &mut Vec<u8>, fault: &Fault, dialect: XmlRpcDialect) {
    let code = fault.kind.xmlrpc_code();
    to.extend_from_slice(b"<value><struct><member><name>faultCode</name><value><int>");
    to.extend_from_slice(code.to_string().as_bytes());
    to.extend_from_slice(b"</int></value></member><member><name>faultString</name><value><string>");
    // Writing cannot fail, because forbidden characters are replaced.
    let characters = Characters { control: Control::Replace, ..dialect.characters() };
    let _ = escape::text(to, &fault.message, characters);
    match (&fault.data, dialect.fault_data) {
        (Some(data), FaultDataForm::Text) => {
            let _ = escape::text(to, &format!(" ({})", data.text()), characters);
        }
        (Some(data), FaultDataForm::Member) => {
            to.extend_from_slice(b"</string></value></member><member><name>faultData</name><value><string>");
            let _ = escape::text(to, data.json(), characters);
        }
        (_, FaultDataForm::Omit) | (None, _) => {}
    }
    to.extend_from_slice(b"</string></value></member></struct></value>");
}

/// Writes a complete call. The items of a tuple or an array, or the fields of a struct, become its parameters.
///
/// # Errors
/// `Unwritable` if `params` is anything else, or holds a value that XML-RPC cannot represent.
pub fn write_call<P: Serialize + ?Sized>(
    to: &mut Vec<u8>,
    method: &str,
    params: &P,
    dialect: XmlRpcDialect,
) -> Result<(), Unwritable> {
    root(to, "methodCall", dialect);
    to.extend_from_slice(b"<methodName>");
    escape::text(to, method, dialect.characters())
        .map_err(|c| unsuited(format_args!("U+{:04X} in a method's name", u32::from(c))))?;
    to.extend_from_slice(b"</methodName><params>");
    params.serialize(ParamsWriter { to, dialect, around: ["<param>", "</param>"] })?;
    to.extend_from_slice(b"</params></methodCall>\n");
    Ok(())
}

/// Writes the struct of one call in a `system.multicall`. `params` is as for [`write_call`].
///
/// # Errors
/// As for [`write_call`]; `to` then holds an incomplete text.
pub fn write_call_value<P: Serialize + ?Sized>(
    to: &mut Vec<u8>,
    method: &str,
    params: &P,
    dialect: XmlRpcDialect,
) -> Result<(), Unwritable> {
    to.extend_from_slice(b"<value><struct><member><name>methodName</name>");
    write_value(to, method, dialect)?;
    to.extend_from_slice(b"</member><member><name>params</name><value><array><data>");
    params.serialize(ParamsWriter { to, dialect, around: ["", ""] })?;
    to.extend_from_slice(b"</data></array></value></member></struct></value>");
    Ok(())
}

/// Writes a complete call of `system.multicall`. `calls` holds what [`write_call_value`] wrote.
pub fn write_multicall(to: &mut Vec<u8>, calls: &[u8], dialect: XmlRpcDialect) {
    root(to, "methodCall", dialect);
    for part in ["<methodName>", MULTICALL, "</methodName><params><param><value><array><data>"] {
        to.extend_from_slice(part.as_bytes());
    }
    to.extend_from_slice(calls);
    to.extend_from_slice(b"</data></array></value></param></params></methodCall>\n");
}

fn root(to: &mut Vec<u8>, name: &str, dialect: XmlRpcDialect) {
    let encoding = if dialect.ascii { "US-ASCII" } else { "UTF-8" };
    let namespace = dialect.nil == Nil::ExNil || dialect.big_integers == BigIntegers::ExI8;
    for part in ["<?xml version=\"1.0\" encoding=\"", encoding, "\"?>\n<", name] {
        to.extend_from_slice(part.as_bytes());
    }
    if namespace {
        for part in [" xmlns:ex=\"", tree::APACHE, "\""] {
            to.extend_from_slice(part.as_bytes());
        }
    }
    to.extend_from_slice(b">");
}

/// Writes each item as a parameter.
struct ParamsWriter<'w> {
    to: &'w mut Vec<u8>,
    dialect: XmlRpcDialect,
    /// The tags before and after each value.
    around: [&'static str; 2],
}

impl ParamsWriter<'_> {
    fn param<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        let [before, behind] = self.around;
        self.to.extend_from_slice(before.as_bytes());
        write_value(self.to, value, self.dialect)?;
        self.to.extend_from_slice(behind.as_bytes());
        Ok(())
    }
}

macro_rules! no_parameters {
    ($($method:ident $kind:ty,)*) => {$(
        fn $method(self, _: $kind) -> Result<(), Unwritable> {
            Err(unsuited("a single value"))
        }
    )*};
}

impl Serializer for ParamsWriter<'_> {
    type Ok = ();
    type Error = Unwritable;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Impossible<(), Unwritable>;
    type SerializeMap = Impossible<(), Unwritable>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), Unwritable>;

    no_parameters! {
        serialize_bool bool,
        serialize_i8 i8,
        serialize_i16 i16,
        serialize_i32 i32,
        serialize_i64 i64,
        serialize_u8 u8,
        serialize_u16 u16,
        serialize_u32 u32,
        serialize_u64 u64,
        serialize_f32 f32,
        serialize_f64 f64,
        serialize_char char,
        serialize_str &str,
        serialize_bytes &[u8],
    }

    fn serialize_none(self) -> Result<(), Unwritable> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unwritable> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unwritable> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unwritable> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Unwritable> {
        Err(unsuited("a variant"))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Unwritable> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Unwritable> {
        Err(unsuited("a variant"))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Unwritable> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Unwritable> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Unwritable> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unwritable> {
        Err(unsuited("a variant"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Unwritable> {
        Err(unsuited("a map"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Unwritable> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unwritable> {
        Err(unsuited("a variant"))
    }
}

macro_rules! positional {
    ($($part:ident $method:ident,)*) => {$(
        impl ser::$part for ParamsWriter<'_> {
            type Ok = ();
            type Error = Unwritable;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
                self.param(value)
            }

            fn end(self) -> Result<(), Unwritable> {
                Ok(())
            }
        }
    )*};
}

positional! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
}

impl ser::SerializeStruct for ParamsWriter<'_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Unwritable> {
        self.param(value)
    }

    fn end(self) -> Result<(), Unwritable> {
        Ok(())
    }
}

fn unsuited(what: impl std::fmt::Display) -> Unwritable {
    ser::Error::custom(format_args!("{what} cannot be a call's parameters: use a tuple, an array or a struct"))
}
