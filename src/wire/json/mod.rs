//! JSON texts, read with care and written without silent loss.

mod dialect;
mod ser;

pub use dialect::{Dialect, NonFinite};
pub use ser::write_value;
