//! Which certificate a client gets.

use std::sync::Arc;

use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// Chooses by the name that a client asks for (SNI, RFC 6066, section 3): the first certificate that is valid for the name,
/// or else the first of all. Of two certificates for one name, such as of ECDSA and RSA, a client gets the first whose
/// signatures it understands.
#[derive(Debug)]
pub(super) struct CertificateChoice(pub(super) Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for CertificateChoice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let first = self.0.first()?;
        if self.0.len() == 1 {
            return Some(first.clone());
        }
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let is_understood = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = name.and_then(|name| {
            self.0.iter().filter(is_understood).find(|key| {
                let parsed = key.end_entity_cert().and_then(ParsedCertificate::try_from);
                parsed.is_ok_and(|own| verify_server_name(&own, &name).is_ok())
            })
        });
        Some(named.unwrap_or(first).clone())
    }
}
