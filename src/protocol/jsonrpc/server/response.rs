//! How an answer is framed: what stands before and after a result, and the error in its place.

use serde::Serialize;

use crate::model::fault::{Fault, Kind};

/// The version of JSON-RPC that a request speaks, and in which it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// 2.0, of 2013.
    Two,
    /// 1.0, of 2005, whose answers have both a `result` and an `error`.
    One,
}

/// What an answer needs to know of its request.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    version: Version,
    /// The request's `id`, as it was written; `None` for a notification, to which nothing is answered.
    id: Option<Box<str>>,
}

impl Frame {
    pub(super) fn new(version: Version, id: Option<&str>) -> Frame {
        Frame { version, id: id.map(Box::from) }
    }

    /// The frame of an answer to what could not be read.
    pub(super) fn unknown() -> Frame {
        Frame::new(Version::Two, Some("null"))
    }

    /// Whether nothing is answered, whatever becomes of the call.
    pub(super) fn is_silent(&self) -> bool {
        self.id.is_none()
    }

    /// What stands before a result.
    pub(super) fn head(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(match self.version {
            Version::Two => b"{\"jsonrpc\":\"2.0\",\"result\":",
            Version::One => b"{\"result\":",
        });
    }

    /// What stands after it.
    pub(super) fn tail(&self, to: &mut Vec<u8>) {
        if self.version == Version::One {
            to.extend_from_slice(b",\"error\":null");
        }
        self.id(to);
    }

    /// A whole answer that is an error.
    pub(super) fn error(&self, fault: &Fault, to: &mut Vec<u8>) {
        to.extend_from_slice(match self.version {
            Version::Two => b"{\"jsonrpc\":\"2.0\",\"error\":",
            Version::One => b"{\"result\":null,\"error\":",
        });
        // An integer and texts: there is nothing in it that could not be written.
        let error = Error { code: fault.kind.jsonrpc_code(), message: &fault.message, data: Reason::of(fault.kind) };
        if serde_json::to_writer(&mut *to, &error).is_err() {
            to.extend_from_slice(b"null");
        }
        self.id(to);
    }

    fn id(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(b",\"id\":");
        to.extend_from_slice(self.id.as_deref().unwrap_or("null").as_bytes());
        to.push(b'}');
    }
}

/// An error object (specification, section 5.1).
#[derive(Serialize)]
struct Error<'a> {
    code: i32,
    message: &'a str,
    data: Reason,
}

/// Why a call has no answer, in the words of the access log: several kinds may share a code.
#[derive(Serialize)]
struct Reason {
    kind: &'static str,
}

impl Reason {
    fn of(kind: Kind) -> Reason {
        Reason { kind: kind.word() }
    }
}
