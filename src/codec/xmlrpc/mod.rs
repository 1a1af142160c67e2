//! XML-RPC documents: calls, responses and faults.
//!
//! An [`XmlRpcDocument`] is what a reader found: the [`Root`] says whether it is a call, a response or a fault, and the
//! [`Tape`](crate::codec::tape::Tape) holds the values. Two readers build it. `plain` reads documents that consist of
//! XML-RPC's own elements and text in one pass, which covers nearly all traffic. Everything else, such as comments,
//! CDATA, namespaces and every error, goes to `tree`, which reads any XML and reports errors. Both must read the same from
//! any document; a property test and a fuzz target compare them.
//!
//! `scalar` converts the text of one element, such as `<int>`. The writers ([`write_call`], [`write_response`],
//! [`write_fault`]) serialize values with serde and follow an [`XmlRpcDialect`], which says how to write what XML-RPC
//! leaves open: nil, integers beyond 32 bits, NaN, control characters and time zones.

mod dialect;
mod document;
mod message;
mod plain;
mod read;
mod scalar;
mod ser;
mod tree;

pub use super::xml::Unwritable;
pub use dialect::{BigIntegers, FaultDataForm, Fractions, Nil, XmlRpcDialect, XmlRpcNonFinite};
pub use document::{Root, XmlRpcDocument};
pub use message::{
    MULTICALL, response_tail, write_call, write_call_value, write_fault, write_fault_value, write_multicall,
    write_response, write_response_head,
};
pub use ser::write_value;
