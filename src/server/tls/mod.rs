//! TLS for the clients of a listener.
//!
//! [`TlsSettings`] name the files, `files` reads them, and [`ServerTls`] holds what was made of them: a configuration of
//! rustls that further handshakes use, and that is replaced when the files change. `handshake` turns a TCP connection
//! into a `TlsIo`, within a time and a number of handshakes. `certificate` reads of a certificate what
//! rustls does not tell: until when it is valid, and who has issued it.

pub(super) mod certificate;
pub(super) mod counts;
pub(super) mod files;
pub(super) mod handle;
pub(super) mod handshake;
pub(super) mod resolver;
pub(super) mod settings;
pub(super) mod wire;

pub use certificate::Validity;
pub use files::{TlsFileError, TlsKey};
pub use handle::{ServedCertificate, ServerTls};
pub use settings::{CertificateFiles, ClientCertificates, TlsSettings, TlsVersion};
