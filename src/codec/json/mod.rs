//! JSON texts, read with care and written without silent loss.

mod check;
mod de;
mod dialect;
mod ser;

pub use check::{CheckedJson, check, not_well_formed};
pub use de::TypedJson;
pub use dialect::{JsonDialect, JsonNonFinite};
pub use ser::write_value;
