//! Why a request has no response.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use tokio_rustls::rustls;

use super::outgoing::OutgoingRequest;
use crate::model::fault::{BoxError, Fault};

/// Why a request has no response, or no complete one.
#[derive(Debug, thiserror::Error)]
pub struct TransportError {
    /// The server, as messages name it; empty if the error is about a response whose server is not at hand.
    server: String,
    stage: FailureStage,
    #[source]
    cause: BoxError,
}

/// How far a request had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FailureStage {
    /// No server was reached.
    Unreached,
    /// The connection broke, or the response.
    Broken,
    /// The response is larger than allowed.
    TooLarge,
    /// A layer has withheld the request or the response.
    Withheld,
    /// There is no memory for the response.
    NoMemory,
    /// There is no access token for the request, which was not sent.
    NoToken,
    /// The server has not agreed to a session, and the request was not sent. Whether it has refused one by a status 4xx, as
    /// for missing credentials.
    NoSession { is_refused: bool },
    /// Every host has as many requests as it may have.
    Busy,
}

/// An error, with the request if nothing of it was sent: then another server may be tried.
pub(super) type Failed = (TransportError, Option<OutgoingRequest>);

/// Why a request over one connection has no response.
pub(super) struct SendFailure {
    pub(super) cause: BoxError,
    /// The request, if nothing of it was sent.
    pub(super) unsent: Option<OutgoingRequest>,
}

impl SendFailure {
    /// The request, or a part of it, may have been sent.
    pub(super) fn sent(cause: impl Into<BoxError>) -> SendFailure {
        SendFailure { cause: cause.into(), unsent: None }
    }
}

impl TransportError {
    /// No server was reached: nothing was sent.
    pub(super) fn unreached(server: String, cause: BoxError) -> TransportError {
        TransportError { server, stage: FailureStage::Unreached, cause }
    }

    /// The connection broke after the request, or a part of it, was sent.
    pub(super) fn broken(server: String, cause: BoxError) -> TransportError {
        TransportError { server, stage: FailureStage::Broken, cause }
    }

    /// The transport has no server.
    pub(super) fn no_server() -> TransportError {
        TransportError::unreached("the upstream".to_owned(), "it has no address".into())
    }

    /// Every host has as many requests as it may have: nothing was sent.
    pub(super) fn busy() -> TransportError {
        let cause = "as many requests are running as may run".into();
        TransportError { server: String::new(), stage: FailureStage::Busy, cause }
    }

    /// A response ended before its end.
    pub fn broken_off(cause: BoxError) -> TransportError {
        TransportError::broken(String::new(), cause)
    }

    pub(crate) fn too_large(max_body: usize) -> TransportError {
        let cause = format!("it is larger than {max_body} bytes").into();
        TransportError { server: String::new(), stage: FailureStage::TooLarge, cause }
    }

    /// There is no memory for the response; the fault says why.
    pub(super) fn no_memory(fault: Fault) -> TransportError {
        TransportError { server: String::new(), stage: FailureStage::NoMemory, cause: fault.into() }
    }

    /// There is no access token for the request.
    pub(super) fn no_token(cause: TokenError) -> TransportError {
        TransportError { server: String::new(), stage: FailureStage::NoToken, cause: cause.into() }
    }

    /// The server has not agreed to a session; `cause` says why, and `is_refused` whether by a status 4xx.
    pub(super) fn no_session(server: String, is_refused: bool, cause: BoxError) -> TransportError {
        TransportError { server, stage: FailureStage::NoSession { is_refused }, cause }
    }

    /// The fault, if there is no memory for the response.
    pub(crate) fn memory_fault(&self) -> Option<&Fault> {
        self.cause.downcast_ref().filter(|_| self.stage == FailureStage::NoMemory)
    }

    /// The error of a layer: one of its own, or a `TransportError` that it passes on, which stays what it is.
    pub(super) fn withheld(error: impl Into<BoxError>) -> TransportError {
        match error.into().downcast() {
            Ok(own) => *own,
            Err(cause) => TransportError { server: String::new(), stage: FailureStage::Withheld, cause },
        }
    }

    /// Whether the server may have received the request, so that it may have carried out the call. If not, it is safe to
    /// repeat the call.
    pub fn connected(&self) -> bool {
        !matches!(self.stage, FailureStage::Unreached | FailureStage::Busy)
    }

    /// Whether the request was not sent because every host has as many requests as it may have.
    pub fn is_busy(&self) -> bool {
        self.stage == FailureStage::Busy
    }

    /// Whether the response is larger than allowed.
    pub fn is_too_large(&self) -> bool {
        self.stage == FailureStage::TooLarge
    }

    /// Whether a layer has withheld the request or the response, or there was no access token or no session for the request.
    pub fn is_withheld(&self) -> bool {
        matches!(self.stage, FailureStage::Withheld | FailureStage::NoToken | FailureStage::NoSession { .. })
    }

    /// Whether the server has not agreed to a session.
    #[cfg(feature = "server")]
    pub(crate) fn is_without_session(&self) -> bool {
        matches!(self.stage, FailureStage::NoSession { .. })
    }

    /// Whether the server has refused a session by a status 4xx: it works, and the request is not one that it accepts.
    pub(super) fn has_refused_session(&self) -> bool {
        self.stage == FailureStage::NoSession { is_refused: true }
    }

    /// Whether a time limit or the deadline was reached.
    pub fn is_late(&self) -> bool {
        self.cause.is::<LateError>()
    }

    /// Whether the deadline of the call was reached, and no time limit of the upstream.
    pub(crate) fn is_past_deadline(&self) -> bool {
        matches!(self.cause.downcast_ref(), Some(LateError::Deadline))
    }

    /// Whether the server sent something that is not HTTP, or not an SCGI response.
    pub fn is_malformed(&self) -> bool {
        // hyper has the kind "too large", and the question for it, only where it is a server as well.
        #[cfg(feature = "server")]
        let parsed = |error: &hyper::Error| error.is_parse() || error.is_parse_too_large();
        #[cfg(not(feature = "server"))]
        let parsed = |error: &hyper::Error| error.is_parse();
        self.stage == FailureStage::Broken
            && (self.cause.is::<MalformedHead>() || self.cause.downcast_ref().is_some_and(parsed))
    }

    /// What went wrong, without the address of the server.
    pub fn reason(&self) -> String {
        if self.has_rejected_certificate() {
            // The words of the cause name the host that was expected, and the hosts that the certificate is for.
            return "its certificate is not accepted".to_owned();
        }
        if let Some(TokenError { reason, .. }) = self.cause.downcast_ref() {
            return format!("there is no access token for it: {reason}");
        }
        #[cfg(feature = "server")]
        if let Some(ProgramError { reason, .. }) = self.cause.downcast_ref() {
            return (*reason).to_owned();
        }
        if matches!(self.stage, FailureStage::NoSession { .. }) {
            // The cause may repeat what the server wrote.
            return "it has not agreed to a session".to_owned();
        }
        self.innermost()
    }

    /// The innermost cause, which is the one that helps: `Connection refused`, not `client error`.
    fn innermost(&self) -> String {
        let mut cause: &dyn Error = self.cause.as_ref();
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        cause.to_string()
    }

    fn has_rejected_certificate(&self) -> bool {
        let io = self.cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = io.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = self.innermost();
        match (self.stage, &self.server) {
            (FailureStage::TooLarge | FailureStage::NoMemory, _) => write!(f, "the response cannot be read: {cause}"),
            (FailureStage::NoToken, _) => write!(f, "there is no access token for the request: {cause}"),
            (FailureStage::NoSession { .. }, server) => write!(f, "there is no session with {server}: {cause}"),
            (FailureStage::Busy, _) => write!(f, "no host takes the request: {cause}"),
            (FailureStage::Withheld, _) => write!(f, "a layer has stopped the request: {cause}"),
            (FailureStage::Broken, server) if server.is_empty() => write!(f, "the response broke off: {cause}"),
            (FailureStage::Broken, server) => write!(f, "the connection to {server} broke: {cause}"),
            (FailureStage::Unreached, server) => write!(f, "{server} cannot be reached: {cause}"),
        }
    }
}

/// A time limit or the deadline was reached before the response, or the rest of it, had come.
#[derive(Debug, thiserror::Error)]
pub(super) enum LateError {
    #[error("no response within {0:?}")]
    Timeout(Duration),
    #[error("no response before the deadline of the call")]
    Deadline,
}

/// Why there is no access token.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub(super) struct TokenError {
    /// For callers: it names no server, and repeats nothing that a server wrote.
    pub(super) reason: String,
    /// For the log.
    pub(super) detail: String,
}

impl TokenError {
    pub(super) fn new(reason: &str) -> TokenError {
        TokenError { reason: reason.to_owned(), detail: reason.to_owned() }
    }
}

/// Why a program has not responded.
#[cfg(feature = "server")]
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub(super) struct ProgramError {
    /// For callers: it does not name the program, and repeats nothing that the program wrote.
    pub(super) reason: &'static str,
    /// For the log.
    pub(super) detail: String,
}

#[cfg(feature = "server")]
impl ProgramError {
    pub(super) fn new(reason: &'static str, detail: impl Into<String>) -> ProgramError {
        ProgramError { reason, detail: detail.into() }
    }
}

/// The head of an SCGI response cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct MalformedHead(pub(super) &'static str);

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
        let error = TransportError::unreached("inner.example".to_owned(), cause.into());
        assert_eq!(error.reason(), "its certificate is not accepted");
        assert!(error.to_string().contains("other.example"));
    }
}
