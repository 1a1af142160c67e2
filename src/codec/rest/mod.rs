//! REST requests: where each argument goes in a request, and how it is written there.
//!
//! A [`RestBinding`] says it for every method of an upstream. [`text`] writes values as texts in paths, queries, headers and
//! cookies (RFC 6570, and the styles of OpenAPI). [`form`] and [`multipart`] write the bodies of HTML forms.
//!
//! ```
//! use croupier::codec::rest::text::{Place, TextStyle};
//! use croupier::Value;
//!
//! let ids = Value::Array(vec![Value::Int(3), Value::Int(4)]);
//! assert_eq!(TextStyle::FORM.write(Place::Query, "id", &ids)?, ["id=3", "id=4"]);
//! # Ok::<(), croupier::Fault>(())
//! ```

mod binding;
pub mod form;
pub mod multipart;
pub mod text;

pub use binding::{
    BodyContent, BodyForm, MemberForm, ParamPlace, ParamTarget, PathPart, RestBinding, RestOperation, ResultForm,
};
