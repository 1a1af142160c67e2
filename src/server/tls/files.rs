//! Reads the files of TLS, and makes a configuration of rustls from them.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::rustls::crypto::ring::{Ticketer, default_provider};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig};

use super::certificate::{CertificateFields, Validity};
use super::resolver::CertificateChoice;
use super::settings::{CertificateFiles, ClientCertificates, TlsSettings, TlsVersion};
use crate::upstream::transport::pem::{self, UnusableFile};

/// A file of TLS cannot be read, or its content cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TlsFileError {
    /// The key in the configuration that names the file.
    pub key: TlsKey,
    message: String,
}

/// A key of [`TlsSettings`] that names a file. The number is that of the certificate: 0 for `certificate` and `key`
/// themselves, and from 1 on for those of `certificates`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsKey {
    /// `certificate`.
    Certificate(usize),
    /// `key`.
    PrivateKey(usize),
    /// `client-roots`.
    ClientRoots,
}

/// The contents of the files.
#[derive(Hash)]
pub(super) struct TlsFiles {
    /// Each certificate with its key.
    certificates: Vec<(Vec<u8>, Vec<u8>)>,
    client_roots: Option<Vec<u8>>,
}

/// What was made of the files.
#[derive(Debug)]
pub(super) struct LoadedTls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) certificates: Vec<LoadedCertificate>,
}

/// A certificate of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LoadedCertificate {
    pub(super) validity: Validity,
    /// Whether clients can verify it with what is in its file: its issuer is there, or itself.
    has_issuer: bool,
}

impl LoadedCertificate {
    /// What an operator should know of it.
    pub(super) fn warnings(&self) -> Vec<String> {
        let chain = (!self.has_issuer).then(|| {
            "is alone in its file: append the certificate of its issuer, without which many clients cannot verify it"
                .to_owned()
        });
        self.validity.warning(SystemTime::now()).into_iter().chain(chain).collect()
    }
}

impl TlsFileError {
    fn at(key: TlsKey, error: UnusableFile) -> TlsFileError {
        TlsFileError { key, message: error.to_string() }
    }
}

impl TlsFiles {
    /// Reads the files. Each may take three seconds.
    pub(super) fn read(settings: &TlsSettings) -> Result<TlsFiles, TlsFileError> {
        let read = |key: TlsKey, file: &Path| pem::read(file).map_err(|error| TlsFileError::at(key, error));
        let mut certificates = Vec::new();
        for (index, CertificateFiles { certificate, key }) in settings.all_certificates().iter().enumerate() {
            let chain = read(TlsKey::Certificate(index), certificate)?;
            certificates.push((chain, read(TlsKey::PrivateKey(index), key)?));
        }
        let client_roots = settings.client_roots.as_deref().map(|file| read(TlsKey::ClientRoots, file)).transpose()?;
        Ok(TlsFiles { certificates, client_roots })
    }

    /// A number that differs if the contents do.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

impl LoadedTls {
    /// Makes a configuration of the contents of the files.
    pub(super) fn new(settings: &TlsSettings, files: &TlsFiles) -> Result<LoadedTls, TlsFileError> {
        let provider = Arc::new(default_provider());
        let (mut keys, mut certificates) = (Vec::new(), Vec::new());
        for (index, (names, (chain, key))) in settings.all_certificates().iter().zip(&files.certificates).enumerate() {
            let at_certificate = |error| TlsFileError::at(TlsKey::Certificate(index), error);
            let at_key = |error| TlsFileError::at(TlsKey::PrivateKey(index), error);
            let chain = pem::certificates(&names.certificate, chain).map_err(at_certificate)?;
            let loaded = loaded(&chain).ok_or_else(|| {
                at_certificate(UnusableFile::new(&names.certificate, &"its first certificate is malformed"))
            })?;
            let key = pem::private_key(&names.key, key).map_err(at_key)?;
            let pair = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => {
                    let reason = format!("it is not the key of the certificate in `{}`", names.certificate.display());
                    at_key(UnusableFile::new(&names.key, &reason))
                }
                rustls::Error::InvalidCertificate(_) => at_certificate(UnusableFile::new(&names.certificate, &error)),
                error => at_key(UnusableFile::new(&names.key, &error)),
            })?;
            keys.push(Arc::new(pair));
            certificates.push(loaded);
        }
        let versions: &[_] = match settings.min_version {
            TlsVersion::V12 => &[&TLS13, &TLS12],
            TlsVersion::V13 => &[&TLS13],
        };
        // Of the errors that remain, none comes from a file.
        let internal = |error: rustls::Error| TlsFileError {
            key: TlsKey::Certificate(0),
            message: format!("TLS cannot be set up: {error}"),
        };
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(versions).map_err(internal)?;
        let builder = match (&settings.client_roots, &files.client_roots) {
            (Some(file), Some(content)) => {
                let at_roots = |error| TlsFileError::at(TlsKey::ClientRoots, error);
                let roots = pem::roots(file, content).map_err(at_roots)?;
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = match settings.client_certificates.unwrap_or_default() {
                    ClientCertificates::Required => verifier,
                    ClientCertificates::Optional => verifier.allow_unauthenticated(),
                };
                let verifier = verifier.build().map_err(|error| at_roots(UnusableFile::new(file, &error)))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(CertificateChoice(keys)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        if settings.client_roots.is_some() {
            // A resumed session would not verify the certificate of the client again.
            config.send_tls13_tickets = 0;
        } else {
            // The client keeps its session, so that the server has no memory of it.
            config.ticketer = Ticketer::new().map_err(internal)?;
        }
        Ok(LoadedTls { config: Arc::new(config), certificates })
    }
}

/// The certificate of the server, from its chain.
fn loaded(chain: &[CertificateDer<'static>]) -> Option<LoadedCertificate> {
    let (own, issuers) = chain.split_first()?;
    let own = CertificateFields::read(own)?;
    let is_issuer = |other: &CertificateDer<'static>| {
        CertificateFields::read(other).is_some_and(|other| other.subject == own.issuer)
    };
    let has_issuer = own.is_self_signed() || issuers.iter().any(is_issuer);
    Some(LoadedCertificate { validity: own.validity, has_issuer })
}
