//! The transport "stdio" of the specification: messages are lines, without the headers and the status that HTTP gives them.
//!
//! The headers of a request are made from its body and from the revision of the handshake. A rejection by HTTP status has no `id`, so the
//! `id` of the request is added: clients find the request of a response by it.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::RpcError;
use super::message::{Message, MessageMembers, in_one_line};
#[cfg(feature = "cli")]
pub(crate) use super::progress::event_message;
use super::{CONTENT_TYPE, TAIL};
use crate::model::text::printable;
use crate::protocol::mcp::headers::{METHOD, NAME, VERSION, header_value};
use crate::protocol::mcp::request_id::id_key;

/// How many characters of a response that is not a message are passed on.
const LONGEST_REFUSAL: usize = 1000;

/// The path of the endpoint of the group at a path.
pub(crate) fn endpoint(group: &str) -> String {
    format!("{}/{TAIL}", group.trim_end_matches('/'))
}

/// A line of a client.
#[derive(Debug, PartialEq)]
pub(crate) struct StdioMessage {
    pub(crate) kind: StdioKind,
    /// The `id`, as text, if it could be read.
    pub(crate) id: Option<Box<str>>,
    /// The headers of the request to the frontend.
    pub(crate) headers: HeaderMap,
}

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StdioKind {
    /// The request `initialize`, which agrees on a revision.
    Handshake,
    /// Any other request. A cancellation can end it.
    Request,
    /// A message without a response.
    Notification,
    /// The client no longer wants the response to the request with this [key](id_key).
    Cancellation(Option<Box<str>>),
    /// A batch or a malformed message. The frontend writes the error.
    Other,
}

impl StdioMessage {
    /// Reads a line. `agreed` is the revision of the handshake.
    pub(crate) fn read(line: &[u8], agreed: Option<&HeaderValue>) -> StdioMessage {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let other = |id: Option<&RawValue>, mut headers: HeaderMap| {
            headers.extend(agreed.map(|agreed| (VERSION, agreed.clone())));
            StdioMessage { kind: StdioKind::Other, id: id.map(|id| id.get().into()), headers }
        };
        let message = match serde_json::from_slice::<MessageMembers<'_>>(line).map(Message::read) {
            Ok(Ok(message)) => message,
            Ok(Err((id, _))) => return other(id, headers),
            Err(_) => return other(None, headers),
        };
        let params = message.params.as_ref();
        if let Some(revision) = params.and_then(|params| params.protocol_version()) {
            headers.insert(VERSION, header_value(revision));
            headers.insert(METHOD, header_value(&message.method));
            let name = params.and_then(|params| params.name_of(&message.method));
            headers.extend(name.map(|name| (NAME, header_value(name))));
        } else if let Some(agreed) = agreed {
            headers.insert(VERSION, agreed.clone());
        }
        let kind = match (message.id, &*message.method) {
            (None, "notifications/cancelled") => {
                StdioKind::Cancellation(params.and_then(|params| params.request_id).map(|id| id_key(id.get())))
            }
            (None, _) => StdioKind::Notification,
            (Some(_), "initialize") => StdioKind::Handshake,
            (Some(_), _) => StdioKind::Request,
        };
        StdioMessage { kind, id: message.id.map(|id| id.get().into()), headers }
    }

    /// The line for a response of the frontend, without its end; `None` if the message has no response.
    pub(crate) fn response(&self, status: StatusCode, body: &[u8]) -> Option<Vec<u8>> {
        if matches!(self.kind, StdioKind::Notification | StdioKind::Cancellation(_)) {
            return None;
        }
        let id = self.id.as_deref();
        match serde_json::from_slice::<ResponseMembers<'_>>(body) {
            Ok(response) if id.is_none() || response.id.map(RawValue::get) == id => Some(in_one_line(body)),
            Ok(ResponseMembers { error: Some(error), .. }) => {
                let id = id.unwrap_or("null");
                Some(in_one_line(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).as_bytes()))
            }
            // The response to a batch.
            Err(_) if self.kind == StdioKind::Other && body.first() == Some(&b'[') => Some(in_one_line(body)),
            // The response to a batch of notifications.
            Err(_) if self.kind == StdioKind::Other && body.is_empty() && status.is_success() => None,
            _ => {
                let code = if status.is_client_error() { -32600 } else { -32603 };
                let text = String::from_utf8_lossy(body);
                let text = printable(text.trim(), LONGEST_REFUSAL);
                let message = if text.is_empty() { status.to_string() } else { format!("{status}: {text}") };
                Some(RpcError::new(code, message).text(id))
            }
        }
    }
}

/// The members of a response that are looked at.
#[derive(Deserialize)]
struct ResponseMembers<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// The revision that a response to `initialize` agrees on.
pub(crate) fn agreed_revision(body: &[u8]) -> Option<HeaderValue> {
    #[derive(Deserialize)]
    struct Response {
        result: Handshake,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Handshake {
        protocol_version: String,
    }
    let response = serde_json::from_slice::<Response>(body).ok()?;
    HeaderValue::from_str(&response.result.protocol_version).ok()
}

/// The line for a message that is longer than the group accepts.
pub(crate) fn refuse_long(id: Option<&str>, limit: usize) -> Vec<u8> {
    let message = format!("the message is longer than {limit} bytes, the limit of this group");
    RpcError::invalid_request(message).text(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> StdioMessage {
        StdioMessage::read(line.as_bytes(), Some(&HeaderValue::from_static("2025-06-18")))
    }

    fn header<'m>(message: &'m StdioMessage, name: &http::HeaderName) -> Option<&'m str> {
        message.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn headers_are_what_the_body_says_or_the_handshake_has_agreed_on() {
        let list = read(r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#);
        assert_eq!((list.kind, list.id.as_deref()), (StdioKind::Request, Some("7")));
        let list = read(r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#);
        assert_eq!((header(&list, &VERSION), header(&list, &METHOD)), (Some("2025-06-18"), None));
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        for (name, expected) in [
            ("spin", "spin"),
            ("größe", "=?base64?Z3LDtsOfZQ==?="),
            (" a", "=?base64?IGE=?="),
            ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
        ] {
            let call =
                format!(r#"{{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{{"name":"{name}",{meta}}}}}"#);
            let call = read(&call);
            assert_eq!(header(&call, &VERSION), Some("2026-07-28"));
            assert_eq!((header(&call, &METHOD), header(&call, &NAME)), (Some("tools/call"), Some(expected)));
        }
    }

    #[test]
    fn a_line_is_a_request_a_notification_a_cancellation_or_something_else() {
        let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"\u0061"}}"#;
        for (line, kind, id) in [
            (r#"{"jsonrpc":"2.0","id":3,"method":"initialize","params":{}}"#, StdioKind::Handshake, Some("3")),
            (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, StdioKind::Notification, None),
            (r#"{"jsonrpc":"2.0","id":3,"result":{}}"#, StdioKind::Notification, None),
            (cancelled, StdioKind::Cancellation(Some("\"a\"".into())), None),
            (r#"{"jsonrpc":"1.0","id":3,"method":"ping"}"#, StdioKind::Other, Some("3")),
            (r#"[{"jsonrpc":"2.0","id":3,"method":"ping"}]"#, StdioKind::Other, None),
            ("nonsense", StdioKind::Other, None),
        ] {
            let message = read(line);
            assert_eq!((message.kind, message.id.as_deref()), (kind, id), "{line}");
        }
    }

    #[test]
    fn a_response_has_the_id_of_its_request_and_is_one_line() {
        let response = |line: &str, status: u16, body: &str| {
            let line = read(line).response(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            line.map(|line| String::from_utf8(line).unwrap())
        };
        let ping = r#"{"jsonrpc":"2.0","id":"x7","method":"ping"}"#;
        assert_eq!(response(ping, 200, "{\"id\":\"x7\",\n\"result\":{}}").unwrap(), r#"{"id":"x7", "result":{}}"#);
        let refused = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no credentials"}}"#;
        assert_eq!(response(ping, 401, refused).unwrap(), refused.replace("null", r#""x7""#));
        let text = response(ping, 503, "busy\nnow\n").unwrap();
        assert!(text.starts_with(r#"{"jsonrpc":"2.0","id":"x7","error":{"code":-32603"#), "{text}");
        assert!(text.contains("busy") && !text.contains('\n'), "{text}");
        assert_eq!(response("nonsense", 400, refused).unwrap(), refused);
        assert_eq!(response("[]", 200, r#"[{"id":4,"result":{}}]"#).unwrap(), r#"[{"id":4,"result":{}}]"#);
        assert_eq!(response("[]", 202, ""), None);
        assert_eq!(response(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#, 401, refused), None);
    }
}
