//! Plain data that every other module uses. Nothing here knows a protocol, except the codes of faults, or does I/O.
//!
//! | module | what it defines |
//! |---|---|
//! | [`value`] | [`Value`](value::Value): a value of any type that a protocol can carry; [`Binary`](value::Binary): bytes; [`Number`](value::Number): a decimal number of any length |
//! | [`date`] | [`DateTime`](date::DateTime): a date and time with an optional zone |
//! | [`fault`] | [`Fault`](fault::Fault): why a call failed, with a kind that every protocol maps to its own codes |
//! | [`http_operations`] | the verbs and paths by which clients of an upstream call its methods, found by path |
//! | [`interface`] | [`Interface`](interface::Interface): a service's methods, with JSON Schemas for parameters and results |
//! | [`shape`] | [`Shape`](shape::Shape): a JSON Schema compiled to a type, for formats that need types to read |
//! | [`coerce`](mod@coerce) | conversion of a value to the type of a shape |
//! | [`name_patterns`] | patterns that match names of methods |
//! | [`network`] | ranges of network addresses, such as `"10.0.0.0/8"` |
//! | [`option_error`] | an error in a service's options, with the path of the key |
//! | [`text`] | shortening of foreign text in messages, and "did you mean" hints |
//! | [`units`] | sizes and durations with units, such as `"64 KiB"` and `"5s"`, for the configuration |
//!
//! A service describes itself with an `Interface`. OpenRPC, OpenAPI and WSDL documents, help texts and pages are all
//! generated from it, and descriptions of upstreams are parsed into it. `Shapes` are compiled from an `Interface` once.
//! Calls carry values and return values or faults.
//!
//! ```
//! use croupier::{DateTime, Fault, Value};
//!
//! let date: DateTime = "1998-07-17T14:08:55Z".parse()?;
//! let call = Value::Array(vec![Value::Date(date), Value::Int(3)]);
//! let fault = Fault::bad_params("`spins` is at most 10, 11 asked for");
//! assert_eq!(fault.message, "`spins` is at most 10, 11 asked for");
//! # let _ = call;
//! # Ok::<(), croupier::model::date::DateError>(())
//! ```

pub mod coerce;
pub mod date;
pub mod fault;
#[cfg(feature = "server")]
pub mod http_operations;
pub mod interface;
pub mod name_patterns;
#[cfg(feature = "server")]
pub mod network;
pub mod option_error;
pub mod shape;
pub mod text;
#[cfg(feature = "client")]
pub(crate) mod text_form;
#[cfg(feature = "server")]
pub mod units;
pub mod value;
