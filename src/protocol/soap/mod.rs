//! SOAP 1.1 and 1.2: the server side, the client side, WSDL documents.

pub mod client;
pub mod server;
pub mod wsdl;
