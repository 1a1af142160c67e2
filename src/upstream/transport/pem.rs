//! PEM files with certificates and private keys.

use std::fmt;
use std::path::Path;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::{Error, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::files;

/// How many bytes a file with certificates or a key may have.
const LARGEST_FILE: usize = 16 << 20;

/// A file with certificates or a key cannot be read, or its content cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct UnusableFile {
    message: String,
}

impl UnusableFile {
    pub(crate) fn new(file: &Path, reason: &dyn fmt::Display) -> UnusableFile {
        UnusableFile { message: format!("`{}` cannot be used: {reason}", file.display()) }
    }
}

/// The content of a file.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, UnusableFile> {
    files::read(file, LARGEST_FILE).map_err(|error| UnusableFile::new(file, &error))
}

/// The certificates in the content of a file; at least one.
pub(crate) fn certificates(file: &Path, content: &[u8]) -> Result<Vec<CertificateDer<'static>>, UnusableFile> {
    match CertificateDer::pem_slice_iter(content).collect::<Result<Vec<_>, _>>() {
        Ok(none) if none.is_empty() => Err(UnusableFile::new(file, &"it has no certificate")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(UnusableFile::new(file, &error)),
    }
}

/// The private key in the content of a file.
pub(crate) fn private_key(file: &Path, content: &[u8]) -> Result<PrivateKeyDer<'static>, UnusableFile> {
    private_key_in(content).map_err(|reason| UnusableFile::new(file, &reason))
}

/// The private key in a text, or why there is none.
pub(crate) fn private_key_in(content: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    // Both forms of an encrypted key say so: the label of PKCS #8 (RFC 7468, section 11), and the header of RFC 1421.
    let is_encrypted = || memchr::memmem::find(content, b"ENCRYPTED").is_some();
    PrivateKeyDer::from_pem_slice(content).map_err(|error| match error {
        _ if is_encrypted() => "the key is encrypted, and there is nobody to ask for its password: \
                                `openssl pkey -in FILE -out NEW-FILE` writes it in clear"
            .to_owned(),
        Error::NoItemsFound => "it has no private key".to_owned(),
        error => error.to_string(),
    })
}

/// The trusted roots in the content of a file; at least one.
pub(crate) fn roots(file: &Path, content: &[u8]) -> Result<RootCertStore, UnusableFile> {
    let mut trusted = RootCertStore::empty();
    for certificate in certificates(file, content)? {
        trusted.add(certificate).map_err(|error| UnusableFile::new(file, &error))?;
    }
    Ok(trusted)
}
