//! Writes a request for a server, and reads the members that tell what a message of the server is.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::codec::json::members::{is_present, present, text};
use crate::model::fault::Fault;
use crate::protocol::client_codec::post_request;
use crate::protocol::mcp::headers::{METHOD, NAME, VERSION, header_value};
use crate::protocol::mcp::revision::Revision;

/// The media types of responses: servers refuse a request that does not accept both (specification, "Sending Messages to the Server").
const ACCEPT: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// The `_meta` of a request without a handshake: its revision, and the name and the capabilities of the client.
const META: &str = concat!(
    r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"croupier","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""},"io.modelcontextprotocol/clientCapabilities":{}}"#
);

/// The `id` of the next message.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// How client and server agree on a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Era {
    /// By a handshake, which begins a session.
    #[default]
    Handshake,
    /// Each request names its revision.
    Stateless,
}

/// The `id` of a request, as an extension of the HTTP request and of its response. It is unique in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MessageId(pub(crate) u64);

impl MessageId {
    /// Reads the `id` of a response, as JSON. A server may write the number as a text or as a floating-point number.
    pub(crate) fn read(json: &str) -> Option<MessageId> {
        if let Ok(text) = serde_json::from_str::<Cow<'_, str>>(json) {
            let id = text.parse::<u64>().ok()?;
            return (id.to_string() == text).then_some(MessageId(id));
        }
        let whole = || json.parse::<f64>().ok()?.to_string().parse().ok();
        json.parse().ok().or_else(whole).map(MessageId)
    }
}

/// The members that tell whether a message of a server is a request, a notification or a response, and to which request.
#[derive(Deserialize)]
pub(crate) struct MessageHead<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "text")]
    pub(crate) method: Option<Cow<'a, str>>,
    /// Whether it is an error.
    #[serde(default, deserialize_with = "is_present")]
    pub(crate) error: bool,
}

/// An extension of a request that needs a session. The transport begins the session, and sends the request in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NeedsSession;

/// Writes a request.
pub(crate) struct MessageWriter {
    id: MessageId,
    era: Era,
    method: &'static str,
    /// The members of `params`.
    params: Vec<u8>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl MessageWriter {
    pub(crate) fn new(era: Era, method: &'static str) -> MessageWriter {
        let id = MessageId(NEXT_ID.fetch_add(1, Relaxed));
        MessageWriter { id, era, method, params: Vec::with_capacity(256), headers: Vec::new() }
    }

    /// Adds a member to the parameters.
    pub(crate) fn member(
        &mut self,
        name: &'static str,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if !self.params.is_empty() {
            self.params.push(b',');
        }
        self.params.extend_from_slice(format!("\"{name}\":").as_bytes());
        write(&mut self.params)
    }

    /// Adds the header that repeats the name of the tool, in the era that has it.
    pub(crate) fn name_header(&mut self, name: &str) {
        if self.era == Era::Stateless {
            self.header(NAME, header_value(name));
        }
    }

    pub(crate) fn header(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.push((name, value));
    }

    pub(crate) fn into_request(mut self) -> Request<Bytes> {
        let MessageId(id) = self.id;
        let method = self.method;
        let mut body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"#).into_bytes();
        body.append(&mut self.params);
        if self.era == Era::Stateless {
            body.extend_from_slice(if body.ends_with(b"{") { b"" } else { b"," });
            body.extend_from_slice(META.as_bytes());
        }
        body.extend_from_slice(b"}}");
        let mut request = post(body);
        if self.era == Era::Stateless {
            request.headers_mut().insert(VERSION, HeaderValue::from_static(Revision::July2026.name()));
            request.headers_mut().insert(METHOD, HeaderValue::from_static(method));
        } else {
            request.extensions_mut().insert(NeedsSession);
        }
        request.headers_mut().extend(self.headers);
        request.extensions_mut().insert(self.id);
        request
    }
}

/// The notification that cancels a request (specification, "Cancellation"). The server does not respond to it.
pub(crate) fn cancelled(MessageId(id): MessageId) -> Request<Bytes> {
    post(
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#).into_bytes(),
    )
}

/// The HTTP request with a message.
pub(super) fn post(body: Vec<u8>) -> Request<Bytes> {
    let mut request = post_request(body, "application/json");
    request.headers_mut().insert(header::ACCEPT, ACCEPT);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_in_several_notations() {
        for (json, expected) in [
            ("17", Some(17)),
            ("\"17\"", Some(17)),
            (r#""\u00317""#, Some(17)),
            ("17.0", Some(17)),
            ("1.7e1", Some(17)),
            ("18446744073709551615", Some(u64::MAX)),
            ("17.5", None),
            ("-17", None),
            ("1e300", None),
            ("\"17.0\"", None),
            ("\"+17\"", None),
            ("\"017\"", None),
            ("\"\"", None),
            ("null", None),
            ("true", None),
            ("[17]", None),
        ] {
            assert_eq!(MessageId::read(json), expected.map(MessageId), "{json}");
        }
    }
}
