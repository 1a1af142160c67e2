//! The frame of a response: what precedes and follows a result, and the error in place of a result.

use serde::Serialize;

use crate::model::fault::{Fault, FaultData};

/// The version of JSON-RPC of a request and of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonRpcVersion {
    /// 2.0, of 2013.
    Two,
    /// 1.0, of 2005. Its responses have both a `result` and an `error`.
    One,
}

/// What a response needs of its request.
#[derive(Debug, Clone)]
pub(super) struct ResponseFrame {
    version: JsonRpcVersion,
    /// The `id` of the request, as text; `None` for a notification, which has no response.
    id: Option<Box<str>>,
}

impl ResponseFrame {
    pub(super) fn new(version: JsonRpcVersion, id: Option<&str>) -> ResponseFrame {
        ResponseFrame { version, id: id.map(Box::from) }
    }

    /// The frame of the response to an unreadable request.
    pub(super) fn unknown() -> ResponseFrame {
        ResponseFrame::new(JsonRpcVersion::Two, Some("null"))
    }

    /// Whether the request is a notification, which has no response even if the call fails.
    pub(super) fn is_silent(&self) -> bool {
        self.id.is_none()
    }

    /// The `id` of a request of version 2.0, as text; `None` for other requests, and for notifications.
    pub(super) fn id_of_version_2(&self) -> Option<&str> {
        self.id.as_deref().filter(|_| self.version == JsonRpcVersion::Two)
    }

    /// Writes what precedes a result.
    pub(super) fn write_head(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(match self.version {
            JsonRpcVersion::Two => b"{\"jsonrpc\":\"2.0\",\"result\":",
            JsonRpcVersion::One => b"{\"result\":",
        });
    }

    /// Writes what follows a result.
    pub(super) fn write_tail(&self, to: &mut Vec<u8>) {
        if self.version == JsonRpcVersion::One {
            to.extend_from_slice(b",\"error\":null");
        }
        self.write_id(to);
    }

    /// Writes a whole error response.
    pub(super) fn write_error(&self, fault: &Fault, to: &mut Vec<u8>) {
        to.extend_from_slice(match self.version {
            JsonRpcVersion::Two => b"{\"jsonrpc\":\"2.0\",\"error\":",
            JsonRpcVersion::One => b"{\"result\":null,\"error\":",
        });
        write_error_object(fault, to);
        self.write_id(to);
    }

    fn write_id(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(b",\"id\":");
        to.extend_from_slice(self.id.as_deref().unwrap_or("null").as_bytes());
        to.push(b'}');
    }
}

/// Writes an error object.
pub(super) fn write_error_object(fault: &Fault, to: &mut Vec<u8>) {
    // Integers and texts can always be written.
    let error = ErrorObject {
        code: fault.kind.jsonrpc_code(),
        message: &fault.message,
        data: match &fault.data {
            Some(data) => ErrorData::Given(data),
            None => ErrorData::Own { kind: fault.kind.word() },
        },
    };
    if serde_json::to_writer(&mut *to, &error).is_err() {
        to.extend_from_slice(b"null");
    }
}

/// An error object (specification, section 5.1).
#[derive(Serialize)]
struct ErrorObject<'a> {
    code: i32,
    message: &'a str,
    data: ErrorData<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ErrorData<'a> {
    /// What the service says.
    Given(&'a FaultData),
    /// The kind of the fault in one word, because several kinds share a code.
    Own { kind: &'static str },
}
