//! Why a call has no answer.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::codec::tape::Mismatch;
use crate::codec::xmlrpc::Unwritable;
use crate::model::fault::Fault;
use crate::protocol::xmlrpc::client::ResponseError;
use crate::upstream::transport::TransportError;

/// Why a call has no answer, or none of the type that was asked for.
///
/// ```
/// use croupier::{CallError, Fault, Kind};
///
/// let error = CallError::Fault(Fault::new(Kind::NoSuchMethod, "no method `spni` here"));
/// assert_eq!(error.code(), Some(-32601));
/// assert_eq!(error.to_string(), "fault -32601: no method `spni` here");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The server answered with a fault.
    Fault(Fault),
    /// There was no answer in this time; the call may yet be carried out.
    Timeout(Duration),
    /// The server cannot be reached, or the connection broke.
    Transport(TransportError),
    /// The server answered with an HTTP status other than 200, and not with a fault.
    Http {
        /// The status.
        status: StatusCode,
        /// The beginning of what the server says about it, on one line.
        start: String,
    },
    /// What the server answered cannot be read: it is no XML-RPC, or it is too large.
    Malformed(Fault),
    /// XML-RPC cannot carry the parameters, or the dialect forbids it; nothing was sent.
    Unwritable(Unwritable),
    /// The answer is of another type than was asked for.
    WrongType(Mismatch),
}

impl CallError {
    /// The code of the server's fault; `None` where it is something else that went wrong.
    pub fn code(&self) -> Option<i32> {
        match self {
            CallError::Fault(fault) => Some(fault.kind.xmlrpc_code()),
            _ => None,
        }
    }
}

impl From<ResponseError> for CallError {
    fn from(why: ResponseError) -> CallError {
        match why {
            ResponseError::Fault(fault) => CallError::Fault(fault),
            ResponseError::Status { status, start } => CallError::Http { status, start },
            ResponseError::Malformed(fault) => CallError::Malformed(fault),
            ResponseError::WrongType(mismatch) => CallError::WrongType(mismatch),
        }
    }
}

impl From<Unwritable> for CallError {
    fn from(unwritable: Unwritable) -> CallError {
        CallError::Unwritable(unwritable)
    }
}

impl From<TransportError> for CallError {
    fn from(error: TransportError) -> CallError {
        CallError::Transport(error)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Fault(fault) => write!(f, "fault {}: {}", fault.kind.xmlrpc_code(), fault.message),
            CallError::Timeout(after) => write!(f, "no answer within {after:?}"),
            CallError::Transport(error) => error.fmt(f),
            CallError::Http { status, start } if start.is_empty() => write!(f, "HTTP {status}"),
            CallError::Http { status, start } => write!(f, "HTTP {status}: {start}"),
            CallError::Malformed(fault) => write!(f, "the answer cannot be read: {}", fault.message),
            CallError::Unwritable(why) => write!(f, "the parameters cannot be sent: {why}"),
            CallError::WrongType(mismatch) => write!(f, "the answer is of another type: {mismatch}"),
        }
    }
}

impl Error for CallError {}
