//! The settings of TLS at a listener, as the configuration file has them.

#[cfg(feature = "config")]
use std::path::Path;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::units::Period;

/// TLS for the clients of a listener: the certificate of the server, and whose certificates clients need. Connections
/// speak HTTP/2 or HTTP/1.1, as the client prefers. The files are read again when they change, at SIGHUP, and at
/// `POST /reload`; open connections go on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TlsSettings {
    /// A PEM file with the certificate of the server, and the intermediate certificates after it. Clients get it unless
    /// one of `certificates` has the name that they ask for.
    pub certificate: PathBuf,
    /// A PEM file with the private key of `certificate`, not encrypted.
    pub key: PathBuf,
    /// Further certificates with their keys, for other names: a client that asks for a name (SNI) gets the first that is
    /// valid for the name, `certificate` included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub certificates: Vec<CertificateFiles>,
    /// A PEM file with the root certificates of clients. With it, clients prove with a certificate who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_roots: Option<PathBuf>,
    /// Whether a client needs a certificate that comes from `client-roots`. Without it, `"required"` if there are
    /// `client-roots`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificates: Option<ClientCertificates>,
    /// The oldest version of TLS that clients may use.
    #[serde(default)]
    pub min_version: TlsVersion,
    /// How long browsers use only https for this host after a response, such as `"365d"`: the header
    /// `Strict-Transport-Security` (HSTS) of responses over TLS. Without it, they have no such header. Begin with a short
    /// time, because browsers do not forget it sooner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hsts: Option<Period>,
}

/// A certificate and its private key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CertificateFiles {
    /// A PEM file with the certificate, and the intermediate certificates after it.
    pub certificate: PathBuf,
    /// A PEM file with its private key, not encrypted.
    pub key: PathBuf,
}

/// Whether clients need a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientCertificates {
    /// A handshake without a valid certificate fails.
    #[default]
    Required,
    /// A client may have none. One that it has must be valid.
    Optional,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246), with forward secrecy and authenticated encryption only.
    #[default]
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    V13,
}

impl TlsSettings {
    /// TLS with this certificate and this key, for clients of all versions and without certificates.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> TlsSettings {
        TlsSettings {
            certificate: certificate.into(),
            key: key.into(),
            certificates: Vec::new(),
            client_roots: None,
            client_certificates: None,
            min_version: TlsVersion::default(),
            hsts: None,
        }
    }

    /// Whether every client has a certificate.
    pub(crate) fn requires_certificates(&self) -> bool {
        let required = self.client_certificates.unwrap_or_default() == ClientCertificates::Required;
        self.client_roots.is_some() && required
    }

    /// The certificate and those for other names, in the order of the file.
    pub(crate) fn all_certificates(&self) -> Vec<CertificateFiles> {
        let first = CertificateFiles { certificate: self.certificate.clone(), key: self.key.clone() };
        [first].into_iter().chain(self.certificates.iter().cloned()).collect()
    }

    /// The same with other names of its files.
    #[cfg(feature = "config")]
    pub(crate) fn map_files(&self, mut rename: impl FnMut(&Path) -> PathBuf) -> TlsSettings {
        TlsSettings {
            certificate: rename(&self.certificate),
            key: rename(&self.key),
            certificates: self
                .certificates
                .iter()
                .map(|CertificateFiles { certificate, key }| CertificateFiles {
                    certificate: rename(certificate),
                    key: rename(key),
                })
                .collect(),
            client_roots: self.client_roots.as_deref().map(rename),
            ..self.clone()
        }
    }
}
