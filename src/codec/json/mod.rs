//! JSON texts, read with care and written without silent loss.

mod check;
mod de;
mod dialect;
mod ser;

pub use check::{Checked, check, not_well_formed};
pub use de::Typed;
pub use dialect::{Dialect, NonFinite};
pub use ser::write_value;
