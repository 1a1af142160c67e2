//! WSDL documents: written from a description, and read into one.

pub mod read;
pub mod write;
