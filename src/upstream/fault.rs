//! Faults for callers of the gateway. They say what went wrong, and never where the upstream is or what it wrote, unless it
//! returned a fault of the protocol: an error page may show addresses, paths and source code. The log has both.

use crate::model::fault::{Fault, Kind};
use crate::protocol::Protocol;
use crate::protocol::client_codec::ResponseError;
use crate::upstream::transport::TransportError;

/// The fault for a request that has no response, or no complete one.
pub(super) fn from_transport(error: &TransportError) -> Fault {
    if let Some(fault) = error.memory_fault() {
        return fault.clone();
    }
    let reason = error.reason();
    if error.is_late() {
        return Fault::new(Kind::Late, format!("the upstream server did not respond in time: {reason}"));
    }
    let message = if error.is_withheld() {
        format!("the request was not sent to the upstream server: {reason}")
    } else if error.is_too_large() {
        format!("the response of the upstream server is too large: {reason}")
    } else if error.is_malformed() {
        format!("the response of the upstream server is not valid HTTP: {reason}")
    } else if error.connected() {
        format!("the connection to the upstream server broke off: {reason}")
    } else {
        format!("the upstream server cannot be reached: {reason}")
    };
    Fault::new(Kind::Unreachable, message)
}

/// The fault for a response without a result: the upstream's own fault unchanged, or what is wrong with the response.
pub(super) fn from_response(error: ResponseError, protocol: Protocol) -> Fault {
    let protocol = protocol.title();
    let message = match error {
        ResponseError::Fault(fault) => return fault,
        ResponseError::Status { status, .. } => format!("the upstream server responded with HTTP status {status}"),
        ResponseError::Malformed(_) | ResponseError::WrongType(_) => {
            format!(
                "the upstream server did not return a valid {protocol} response; the log of the gateway has details"
            )
        }
    };
    Fault::new(Kind::Unreachable, message)
}
