//! XML-RPC's values and documents, read and written.

mod dialect;
mod document;
mod message;
mod plain;
mod read;
mod scalar;
mod ser;
mod tree;

pub use super::xml::Unwritable;
pub use dialect::{BigIntegers, Fractions, Nil, XmlRpcDialect, XmlRpcNonFinite};
pub use document::{Root, XmlRpcDocument};
pub use message::{
    MULTICALL, answer_head, answer_tail, write_answer, write_call, write_call_value, write_fault, write_fault_value,
    write_multicall,
};
pub use ser::write_value;
