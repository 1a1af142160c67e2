//! Client TLS: trusted roots and client certificate.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::pem::{self, UnusableFile};
use crate::files;

/// The TLS settings that all connections of a transport share.
pub(super) type TlsConfig = Arc<ClientConfig>;

/// Client TLS: trusted roots and client certificate. The server's certificate is always verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// A PEM file with the trusted root certificates; the system's trust store if `None`.
    pub roots: Option<PathBuf>,
    /// Two PEM files: the client certificate with its intermediate certificates, and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Why TLS cannot be set up: a file cannot be read, or its content cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TlsError {
    message: String,
}

impl Tls {
    /// Reads the files that are named, and checks that they can be used.
    ///
    /// # Errors
    /// If a file cannot be read or does not hold what it should.
    pub fn check(&self) -> Result<(), TlsError> {
        if self.roots.is_some() {
            self.root_store()?;
        }
        if self.identity.is_some() {
            // Any root will do: none is used.
            self.client_config(RootCertStore::empty())?;
        }
        Ok(())
    }

    /// Reads the files. HTTP/2 is offered to the server before HTTP/1.1 (RFC 7301, ALPN).
    pub(super) fn config(&self) -> Result<TlsConfig, TlsError> {
        let mut config = self.client_config(self.root_store()?)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn client_config(&self, roots: RootCertStore) -> Result<ClientConfig, TlsError> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| tls_error(error.to_string()))?
            .with_root_certificates(roots);
        match &self.identity {
            None => Ok(config.with_no_client_auth()),
            Some((chain, key)) => {
                let own = pem::private_key(key, &pem::read(key)?)?;
                let chain = pem::certificates(chain, &pem::read(chain)?)?;
                let config = config.with_client_auth_cert(chain, own);
                config.map_err(|error| UnusableFile::new(key, &error).into())
            }
        }
    }

    fn root_store(&self) -> Result<RootCertStore, TlsError> {
        match &self.roots {
            Some(file) => Ok(pem::roots(file, &pem::read(file)?)?),
            None => {
                let mut trusted = RootCertStore::empty();
                let found = files::in_bounded_time(rustls_native_certs::load_native_certs);
                let found = found.map_err(|error| tls_error(format!("the certificates of the system: {error}")))?;
                trusted.add_parsable_certificates(found.certs);
                if trusted.is_empty() {
                    return Err(tls_error(
                        "the system has no trusted certificates; name a file of them in `roots`".to_owned(),
                    ));
                }
                Ok(trusted)
            }
        }
    }
}

impl From<UnusableFile> for TlsError {
    fn from(error: UnusableFile) -> TlsError {
        tls_error(error.to_string())
    }
}

fn tls_error(message: String) -> TlsError {
    TlsError { message }
}
