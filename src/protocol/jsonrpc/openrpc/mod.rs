//! OpenRPC documents: writes them from an interface, and reads them into one.

pub mod read;
pub mod write;
