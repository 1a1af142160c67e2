//! Why a call has no result.

use std::time::Duration;

use http::StatusCode;

use crate::codec::tape::Mismatch;
use crate::codec::xmlrpc::Unwritable;
use crate::model::fault::{Fault, Kind};
use crate::protocol::xmlrpc::client::ResponseError;
use crate::upstream::transport::TransportError;

/// Why a call has no result, or none of the requested type.
///
/// ```
/// use croupier::{CallError, Fault, Kind};
///
/// let error = CallError::Fault(Fault::new(Kind::NoSuchMethod, "no method `spni` here"));
/// assert_eq!(error.code(), Some(-32601));
/// assert_eq!(error.to_string(), "fault -32601: no method `spni` here");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The server returned a fault.
    #[error("fault {}: {}", .0.kind.xmlrpc_code(), .0.message)]
    Fault(Fault),
    /// There was no response within this time. The server may still carry out the call.
    #[error("no response within {0:?}")]
    Timeout(Duration),
    /// The server cannot be reached, or the connection broke.
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// The status of the response is not 200, and its body is not a fault.
    #[error("HTTP {status}{}{start}", if start.is_empty() { "" } else { ": " })]
    Http {
        /// The status.
        status: StatusCode,
        /// The beginning of the body, on one line.
        start: String,
    },
    /// The response cannot be read: it is not valid XML-RPC, or it is too large.
    #[error("the response cannot be read: {}", .0.message)]
    Malformed(Fault),
    /// XML-RPC cannot carry the parameters, or the dialect forbids it. Nothing was sent.
    #[error("the parameters cannot be sent: {0}")]
    Unwritable(#[from] Unwritable),
    /// The result is not of the requested type.
    #[error("the result is of another type: {0}")]
    WrongType(#[source] Mismatch),
}

impl CallError {
    /// The code of the server's fault; `None` for any other error.
    pub fn code(&self) -> Option<i32> {
        match self {
            CallError::Fault(fault) => Some(fault.kind.xmlrpc_code()),
            _ => None,
        }
    }
}

impl From<ResponseError> for CallError {
    fn from(error: ResponseError) -> CallError {
        match error {
            ResponseError::Fault(fault) => CallError::Fault(fault),
            ResponseError::Status { status, start } => CallError::Http { status, start },
            ResponseError::Text { .. } => CallError::Malformed(Fault::new(Kind::Structure, error.to_string())),
            ResponseError::Malformed(fault) => CallError::Malformed(fault),
            ResponseError::WrongType(mismatch) => CallError::WrongType(mismatch),
        }
    }
}
