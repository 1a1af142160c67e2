//! SOAP seen from the client.

pub mod wsdl;
