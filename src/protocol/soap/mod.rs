//! SOAP 1.1 and 1.2: the server side, the client side, WSDL documents.

pub mod client;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod wsdl;

/// The header that names the operation in SOAP 1.1 (section 6.1.1).
pub(crate) const ACTION_HEADER: http::HeaderName = http::HeaderName::from_static("soapaction");
