//! WSDL documents: writes them from an interface, and reads them into an interface and a binding.

pub mod read;
pub mod write;
