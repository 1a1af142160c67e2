//! The text of a JSON-RPC response: a result or an error.

use std::borrow::Cow;
use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::model::fault::Kind;
use crate::model::interface::Interface;
use crate::model::text::abridge;

/// An error of the protocol, such as a malformed request or an unknown tool. The failure of a tool is a result instead.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RpcError {
    pub(super) code: i32,
    pub(super) message: Cow<'static, str>,
    pub(super) data: Option<Value>,
    /// The status of the response if it is not 200.
    pub(super) status: Option<StatusCode>,
    /// Whether an upstream is not available: the access log then has `Unreachable`, and not an internal error.
    pub(super) is_outage: bool,
}

impl RpcError {
    pub(super) fn new(code: i32, message: impl Into<Cow<'static, str>>) -> RpcError {
        RpcError { code, message: message.into(), data: None, status: None, is_outage: false }
    }

    pub(super) fn invalid_request(message: impl Into<Cow<'static, str>>) -> RpcError {
        RpcError::new(-32600, message)
    }

    pub(super) fn invalid_params(message: impl Into<Cow<'static, str>>) -> RpcError {
        RpcError::new(-32602, message)
    }

    /// There is no such method of the protocol. Clients take status 404 with this error for a server without a handshake.
    pub(super) fn no_such_method(method: &str, is_stateless: bool) -> RpcError {
        let status = is_stateless.then_some(StatusCode::NOT_FOUND);
        RpcError { status, ..RpcError::new(-32601, format!("there is no method `{method}`")) }
    }

    pub(super) fn no_such_tool(name: &str) -> RpcError {
        RpcError::invalid_params(format!("Unknown tool: {}", abridge(name)))
    }

    /// The same error with status 400.
    pub(super) fn bad_request(self) -> RpcError {
        RpcError { status: Some(StatusCode::BAD_REQUEST), ..self }
    }

    /// The same error, because an upstream is not available.
    pub(super) fn caused_by_outage(self) -> RpcError {
        RpcError { is_outage: true, ..self }
    }

    /// The kind of fault for the access log and metrics.
    pub(super) fn kind(&self) -> Kind {
        match self.code {
            _ if self.is_outage => Kind::Unreachable,
            -32700 => Kind::NotWellFormed,
            -32601 => Kind::NoSuchMethod,
            -32602 => Kind::BadParams,
            -32603 => Kind::Internal,
            _ => Kind::Structure,
        }
    }

    /// The text of the response. `id` is `None` if that of the request is not known.
    pub(super) fn text(&self, id: Option<&str>) -> Vec<u8> {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(data), Some(members)) = (&self.data, error.as_object_mut()) {
            members.insert("data".to_owned(), data.clone());
        }
        format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, id.unwrap_or("null")).into_bytes()
    }
}

/// What a response takes from its request and from the server.
#[derive(Debug, Clone)]
pub(super) struct ResultFrame {
    /// The `id`, as text.
    pub(super) id: Box<str>,
    /// Whether the revision has no handshake, so that each request has its revision.
    pub(super) is_stateless: bool,
    /// The interface, whose title is in each response of a server without a handshake.
    pub(super) interface: Arc<Interface>,
}

impl ResultFrame {
    /// Writes what precedes the members of a result.
    pub(super) fn write_head(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        to.extend_from_slice(self.id.as_bytes());
        to.extend_from_slice(b",\"result\":{");
        if self.is_stateless {
            to.extend_from_slice(b"\"resultType\":\"complete\",");
        }
    }

    /// Writes what follows the members of a result, of which there is at least one. `meta` becomes a part of `_meta`.
    pub(super) fn write_tail(&self, meta: Option<JsonObject>, to: &mut Vec<u8>) {
        let meta = meta.unwrap_or_default();
        if !meta.is_empty() || self.is_stateless {
            to.extend_from_slice(b",\"_meta\":{");
            for (name, value) in &meta {
                write_json(name, to);
                to.push(b':');
                write_json(value, to);
                to.push(b',');
            }
            match self.is_stateless {
                true => self.write_server_info(to),
                false => drop(to.pop()),
            }
            to.push(b'}');
        }
        to.extend_from_slice(b"}}");
    }

    /// Writes [`server_info`] as a member of `_meta`, without a [`Value`] for each response.
    fn write_server_info(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(b"\"io.modelcontextprotocol/serverInfo\":{\"name\":\"croupier\",\"title\":");
        write_json(&self.interface.title, to);
        to.extend_from_slice(concat!(",\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}").as_bytes());
    }

    /// A whole response, with these members of its result.
    pub(super) fn response(&self, members: &JsonObject) -> Vec<u8> {
        let mut text = Vec::with_capacity(256);
        self.write_head(&mut text);
        for (index, (name, value)) in members.iter().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            write_json(name, &mut text);
            text.push(b':');
            write_json(value, &mut text);
        }
        match members.is_empty() {
            // Only results with a handshake may be empty: no method without one has such a result.
            true => text.extend_from_slice(b"}}"),
            false => self.write_tail(None, &mut text),
        }
        text
    }
}

/// A JSON object.
pub(super) type JsonObject = serde_json::Map<String, Value>;

/// The `serverInfo` of a server.
pub(super) fn server_info(title: &str) -> Value {
    json!({ "name": "croupier", "title": title, "version": env!("CARGO_PKG_VERSION") })
}

/// Appends a value. Numbers and texts can always be written.
pub(super) fn write_json(value: &(impl Serialize + ?Sized), to: &mut Vec<u8>) {
    if serde_json::to_writer(&mut *to, value).is_err() {
        to.extend_from_slice(b"null");
    }
}
