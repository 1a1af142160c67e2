//! Faults for callers of the gateway. They say what went wrong, and never where the upstream is or what it wrote, unless it
//! returned a fault of the protocol or a line of plain text, which is meant for the caller: an error page may
//! show addresses, paths and source code. The log has both.

use crate::model::fault::{Fault, Kind};
use crate::model::text::printable;
use crate::protocol::Protocol;
use crate::protocol::client_codec::ResponseError;
use crate::upstream::transport::TransportError;

/// The fault for a request that has no response, or no complete one.
pub(super) fn from_transport(error: &TransportError) -> Fault {
    if let Some(fault) = error.memory_fault() {
        return fault.clone();
    }
    let reason = error.reason();
    if error.is_busy() {
        return Fault::new(Kind::Busy, format!("the upstream server is busy: {reason}; the call was not sent"));
    }
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
        ResponseError::Text { start } => {
            let start = printable(&start, usize::MAX);
            format!("the upstream server returned a text, not a valid {protocol} response: {start}")
        }
        ResponseError::Malformed(fault) => {
            let reason = without_quotes(&fault.message);
            format!("the upstream server did not return a valid {protocol} response: {reason}")
        }
        ResponseError::WrongType(_) => {
            format!(
                "the upstream server did not return a valid {protocol} response; the log of the gateway has details"
            )
        }
    };
    Fault::new(Kind::Unreachable, message)
}

/// The words of a protocol that an error may quote.
const VOCABULARY: [&str; 24] = [
    "methodResponse",
    "params",
    "param",
    "value",
    "struct",
    "member",
    "name",
    "array",
    "data",
    "fault",
    "faultCode",
    "faultString",
    "int",
    "double",
    "boolean",
    "string",
    "dateTime.iso8601",
    "base64",
    "jsonrpc",
    "id",
    "result",
    "error",
    "Envelope",
    "Body",
];

/// An error of a reader, without what it quotes of the document: only words of the protocol stay.
fn without_quotes(reason: &str) -> String {
    let mut rest = reason;
    let mut kept = String::with_capacity(reason.len());
    while let Some((before, quoted)) = rest.split_once(['`', '"', '\'']) {
        let Some(quote) = rest.get(before.len()..).and_then(|from| from.chars().next()) else { break };
        kept.push_str(before);
        // A quote that is not closed hides everything after it.
        let (inside, after) = quoted.split_once(quote).unwrap_or((quoted, ""));
        let word = inside.trim_matches(['<', '>', '/']);
        kept.push_str(if VOCABULARY.contains(&word) { inside } else { "…" });
        rest = after;
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_reader_keeps_no_text_of_the_document() {
        for (reason, expected) in [
            ("a member has no `value`", "a member has no value"),
            ("`<params>` is missing, there is `<html>`", "<params> is missing, there is …"),
            ("invalid type: string \"/srv/secret.py\", expected a map", "invalid type: string …, expected a map"),
            ("unknown entity 'inner` and more", "unknown entity …"),
            ("plain", "plain"),
        ] {
            assert_eq!(without_quotes(reason), expected);
        }
    }
}
