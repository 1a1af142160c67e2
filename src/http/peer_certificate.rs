//! The certificate of a client, as an extension of the head of a request.

use std::sync::Arc;

/// The certificate that the client of a connection has proven to have, in DER. A listener sets it after it has verified the
/// chain of the certificate, and no other part of the server or of a request does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate(pub Arc<[u8]>);
