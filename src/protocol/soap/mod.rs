//! SOAP 1.1 and 1.2: a frontend for clients, a codec for upstream servers, and WSDL documents in both directions.
//!
//! Envelopes and values are read and written by [`codec::soap`](crate::codec::soap), by the
//! [shapes](crate::model::shape) of an interface. The parts here are:
//!
//! - [`server::Soap`] is the frontend. It claims POST requests with the media type of SOAP 1.2, and those with an XML media
//!   type whose root element is an `Envelope`. It responds in the version and style of the request.
//! - [`server::Wsdl`] serves the WSDL document of the group at `?wsdl`.
//! - [`client::SoapCodec`] is the other direction: it encodes calls and decodes responses by the
//!   [`Binding`](crate::codec::soap::Binding) in the WSDL document of the upstream.
//! - [`wsdl`] writes an [`Interface`](crate::model::interface::Interface) as a WSDL 1.1 document, and reads such documents with
//!   their XML schemas into an interface and a binding.
//!
//! ```text
//! client ──Envelope──▶ server::Soap ──Call──▶ RpcService
//! client ◀─Envelope──      ◀──Output or Fault──
//! ```
//!
//! A group has its own target namespace, which [`server::namespace_of`] derives from its path. A call in the namespace of
//! the upstream instead is passed through in its original bytes, so that clients made for the upstream keep working.

#[cfg(feature = "server")]
pub mod blocks;
pub mod client;
mod multipart;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod wsdl;

/// The header that names the operation in SOAP 1.1 (section 6.1.1).
pub(crate) const ACTION_HEADER: http::HeaderName = http::HeaderName::from_static("soapaction");
