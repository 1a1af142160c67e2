//! JSON texts: checked before they are read, and written without silent loss.
//!
//! Reading takes two steps. `check` scans the bytes once and refuses what JSON readers disagree about (repeated member
//! names, unpaired surrogates) and what exceeds the [`DocumentLimits`](crate::codec::DocumentLimits). The result is a
//! [`CheckedJson`], whose text serde_json then parses, either into raw values that stay unparsed until a method needs
//! them, or through [`TypedJson`] into the types of a method's parameters.
//!
//! Writing goes through [`write_value`], which follows a group's [`JsonDialect`].
//!
//! ```
//! use croupier::codec::DocumentLimits;
//! use croupier::codec::json::check;
//!
//! let checked = check(br#"{"spins": 3}"#, DocumentLimits::default())?;
//! assert_eq!(checked.text(), r#"{"spins": 3}"#);
//! assert!(check(br#"{"a": 1, "a": 2}"#, DocumentLimits::default()).is_err());
//! # Ok::<(), croupier::Fault>(())
//! ```

mod check;
mod de;
mod dialect;
mod exact;
pub(crate) mod members;
#[cfg(feature = "server")]
pub(crate) mod rows;
mod ser;
#[cfg(feature = "server")]
pub(crate) mod value_end;

pub use check::{CheckedJson, check, not_well_formed};
pub use de::TypedJson;
pub use dialect::{JsonDialect, JsonNonFinite};
pub use ser::write_value;
