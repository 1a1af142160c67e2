//! What an interface looks like to each protocol: pure functions from the neutral description.

pub mod form;
pub mod openapi;
pub mod openrpc;
pub mod signature;
pub mod wsdl;
