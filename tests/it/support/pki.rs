//! Certificates for tests, and clients of TLS.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::peers::Folder;

/// Who issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate with its key.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

pub(crate) type TlsClient = StreamOwned<ClientConnection, TcpStream>;

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for these names that is valid for a long time.
    pub(crate) fn issue(&self, names: &[&str]) -> Pair {
        self.issue_for(names, (2020, 4000))
    }

    /// The same from the beginning of a year to the beginning of another.
    pub(crate) fn issue_for(&self, names: &[&str], (from, until): (i32, i32)) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name.push(DnType::CommonName, names.first().map_or("nobody", String::as_str));
        // Some clients want what RFC 5280 says of the certificates of authorities.
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        let key = KeyPair::generate().unwrap();
        let own = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate: format!("{own}{}", self.pem), key: key.serialize_pem() }
    }
}

impl Pair {
    /// The certificate itself.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }

    /// Writes both into files `NAME.pem` and `NAME.key`.
    pub(crate) fn write(&self, folder: &Folder, name: &str) {
        folder.file(&format!("{name}.key"), &self.key);
        folder.file(&format!("{name}.pem"), &self.certificate);
    }
}

/// What a client trusts, and who it is.
pub(crate) fn client(trusted: &Authority, identity: Option<&Pair>) -> ClientConfig {
    client_of(trusted, identity, &[&TLS13, &TLS12])
}

pub(crate) fn client_of(
    trusted: &Authority,
    identity: Option<&Pair>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
    match identity {
        None => config.with_no_client_auth(),
        Some(pair) => {
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            config.with_client_auth_cert(vec![pair.der()], key).unwrap()
        }
    }
}

/// A client of TLS over a connection, whose handshake has not begun.
pub(crate) fn over(stream: TcpStream, name: &str, config: &ClientConfig) -> TlsClient {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config.clone()), name).unwrap(), stream)
}

pub(crate) fn connect(address: SocketAddr, name: &str, config: &ClientConfig) -> TlsClient {
    over(TcpStream::connect(address).unwrap(), name, config)
}

/// Sends a request, and returns the response. The connection is closed then.
pub(crate) fn get(address: SocketAddr, name: &str, config: &ClientConfig, path: &str) -> std::io::Result<String> {
    let mut stream = over(TcpStream::connect(address)?, name, config);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}
