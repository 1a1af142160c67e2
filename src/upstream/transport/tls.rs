//! TLS as a client has it: whom to trust, and who one is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::Secure;

/// Whom a client trusts with TLS, and who it is. Certificates are always checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// A file of certificates, in PEM, of those who vouch for servers; without it, whom the system trusts.
    pub roots: Option<PathBuf>,
    /// A file with the client's own certificate, and those between it and a root, in PEM; and one with its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Why there is no TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    message: String,
}

impl Tls {
    /// The client that this describes.
    pub(super) fn client(&self) -> Result<Secure, TlsError> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(self.trusted()?);
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let own = PrivateKeyDer::from_pem_file(key).map_err(|error| unread(key, &error))?;
                config.with_client_auth_cert(certificates(chain)?, own).map_err(|error| unread(key, &error))?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn trusted(&self) -> Result<RootCertStore, TlsError> {
        let mut trusted = RootCertStore::empty();
        match &self.roots {
            Some(file) => {
                for certificate in certificates(file)? {
                    trusted.add(certificate).map_err(|error| unread(file, &error))?;
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                trusted.add_parsable_certificates(found.certs);
                if trusted.is_empty() {
                    return Err(wrong("the system has no certificates to trust".to_owned()));
                }
            }
        }
        Ok(trusted)
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(none) if none.is_empty() => Err(unread(file, &"it holds no certificate")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unread(file, &error)),
    }
}

fn unread(file: &Path, error: &dyn fmt::Display) -> TlsError {
    wrong(format!("`{}` cannot be used: {error}", file.display()))
}

fn wrong(message: String) -> TlsError {
    TlsError { message }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TlsError {}
