//! Who the client of a TLS connection is.

use std::sync::Arc;

/// The certificate with which the client of a TLS connection has proved who it is: an extension of the head of each of its
/// requests. It comes from `client-roots` and was valid when the connection was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate(Arc<[u8]>);

impl PeerCertificate {
    pub(in crate::server) fn new(der: &[u8]) -> PeerCertificate {
        PeerCertificate(der.into())
    }

    /// The certificate itself, without those of its issuers, in DER.
    pub fn der(&self) -> &[u8] {
        &self.0
    }
}
