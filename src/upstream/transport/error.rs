//! What can happen to a request on its way.

use std::error::Error;
use std::fmt;
use std::io;

use bytes::Bytes;
use http::Request;
use tokio_rustls::rustls;

use crate::model::fault::BoxError;

/// What happened to a connection.
#[derive(Debug)]
pub struct TransportError {
    server: String,
    what: What,
    cause: BoxError,
}

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// No server was reached.
    Unreached,
    /// The connection broke, or the answer.
    Broken,
    /// The answer is larger than was allowed.
    TooLarge,
    /// A layer has not let the request out, or the answer in.
    Withheld,
}

/// Why a request over one connection has no response.
pub(super) struct Failed {
    pub(super) cause: BoxError,
    /// The request, where nothing of it was sent.
    pub(super) unsent: Option<Request<Bytes>>,
}

impl Failed {
    pub(super) fn sent(cause: impl Into<BoxError>) -> Failed {
        Failed { cause: cause.into(), unsent: None }
    }
}

impl TransportError {
    pub(super) fn new(server: String, connected: bool, cause: BoxError) -> TransportError {
        let what = if connected { What::Broken } else { What::Unreached };
        TransportError { server, what, cause }
    }

    /// There is no server at all.
    pub(super) fn nowhere() -> TransportError {
        TransportError::new("no server".to_owned(), false, "none is given".into())
    }

    /// An answer has ended before its end.
    pub fn broken_off(cause: BoxError) -> TransportError {
        TransportError::new(String::new(), true, cause)
    }

    pub(super) fn too_large(limit: usize) -> TransportError {
        let cause = format!("it is larger than {limit} bytes").into();
        TransportError { server: String::new(), what: What::TooLarge, cause }
    }

    /// A layer says that there is no answer: for its own reasons, or by passing on an error from here.
    pub(super) fn withheld(error: impl Into<BoxError>) -> TransportError {
        match error.into().downcast() {
            Ok(own) => *own,
            Err(cause) => TransportError { server: String::new(), what: What::Withheld, cause },
        }
    }

    /// Whether the server may have been reached before this, so that it may have carried out the call.
    /// If not, it is safe to repeat the call.
    pub fn connected(&self) -> bool {
        self.what != What::Unreached
    }

    /// Whether there was an answer that is larger than was allowed.
    pub fn is_too_large(&self) -> bool {
        self.what == What::TooLarge
    }

    /// What went wrong, without saying where the server is.
    pub fn reason(&self) -> String {
        if self.is_untrusted() {
            // The words for it name the host that was expected, and those that the certificate is for.
            return "its certificate is not accepted".to_owned();
        }
        self.innermost()
    }

    fn innermost(&self) -> String {
        let mut cause: &dyn Error = self.cause.as_ref();
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        cause.to_string()
    }

    /// Whether the server has a certificate that is not accepted.
    fn is_untrusted(&self) -> bool {
        let with_timeout = self.cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = with_timeout.and_then(|with_timeout| with_timeout.downcast_ref::<rustls::Error>());
        matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
    }

    /// Whether the time for an answer was over.
    pub fn is_late(&self) -> bool {
        self.cause.is::<Late>()
    }
}

/// No answer, or no more of it, within its time.
#[derive(Debug)]
pub(super) struct Late(pub(super) std::time::Duration);

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer within {:?}", self.0)
    }
}

impl Error for Late {}

impl fmt::Display for TransportError {
    /// Says the innermost cause, which is the one that helps: `Connection refused`, not `client error`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = self.innermost();
        match (self.what, &self.server) {
            (What::TooLarge, _) => write!(f, "the answer cannot be read: {cause}"),
            (What::Withheld, _) => write!(f, "the answer is withheld: {cause}"),
            (What::Broken, server) if server.is_empty() => write!(f, "the answer broke off: {cause}"),
            (What::Broken, server) => write!(f, "the connection to {server} broke: {cause}"),
            (What::Unreached, server) => write!(f, "{server} cannot be reached: {cause}"),
        }
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_is_for_the_log() {
        let expected = ServerName::try_from("inner.example").unwrap();
        let presented = vec!["other.example".to_owned()];
        let wrong = rustls::CertificateError::NotValidForNameContext { expected, presented };
        let cause = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::InvalidCertificate(wrong));
        let error = TransportError::new("inner.example".to_owned(), false, cause.into());
        assert_eq!(error.reason(), "its certificate is not accepted");
        assert!(error.to_string().contains("other.example"));
    }
}
