//! Reads a JSON text as a message of the protocol: a request, a notification or the response of a client.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::RpcError;
use crate::codec::json::members::{present, text};
use crate::protocol::mcp::request_id::is_id;

/// A message of a client.
pub(super) struct Message<'a> {
    /// The `id` of a request, as text; `None` for a notification.
    pub(super) id: Option<&'a RawValue>,
    /// The method; empty for the response to a request of a server, of which croupier makes none.
    pub(super) method: Cow<'a, str>,
    pub(super) params: Option<Params<'a>>,
}

/// The members of a message (JSON-RPC 2.0, section 4).
#[derive(Deserialize)]
pub(super) struct MessageMembers<'a> {
    #[serde(default, borrow, deserialize_with = "text")]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(default, borrow, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    // Not always borrowed: some JSON writers escape the slash in `tools/list`.
    #[serde(default, borrow, deserialize_with = "text")]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// The parameters of a message that are looked at.
#[derive(Deserialize, Default)]
pub(super) struct Params<'a> {
    #[serde(default, borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
    /// The name of a tool or prompt.
    #[serde(default, borrow, deserialize_with = "text")]
    name: Option<Cow<'a, str>>,
    /// The address of a resource.
    #[serde(default, borrow, deserialize_with = "text")]
    uri: Option<Cow<'a, str>>,
    /// The arguments of a tool.
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
    /// Where a list goes on.
    #[serde(default, borrow, deserialize_with = "text")]
    pub(super) cursor: Option<Cow<'a, str>>,
    /// The revision that a client asks for in the handshake.
    #[serde(default, borrow, rename = "protocolVersion", deserialize_with = "text")]
    pub(super) asked_version: Option<Cow<'a, str>>,
    /// The `id` of the request that a notification cancels.
    #[serde(borrow, rename = "requestId")]
    pub(super) request_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(default, borrow, rename = "io.modelcontextprotocol/protocolVersion", deserialize_with = "text")]
    protocol_version: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    client_capabilities: Option<&'a RawValue>,
    /// The token that progress reports repeat, so that the client knows the request.
    #[serde(borrow, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    /// Checks the members of a message.
    ///
    /// # Errors
    /// `Structure` (-32600) if it is none, with the `id` if there is a valid one; -32602 if its parameters cannot be read.
    pub(super) fn read(members: MessageMembers<'a>) -> Result<Message<'a>, (Option<&'a RawValue>, RpcError)> {
        let MessageMembers { jsonrpc, id, method, params, result, error } = members;
        let id = match id {
            Some(id) if !is_id(id) => {
                return Err((None, RpcError::invalid_request("`id` is a text or a number")));
            }
            id => id,
        };
        if jsonrpc.as_deref() != Some("2.0") {
            return Err((id, RpcError::invalid_request("`jsonrpc` is not \"2.0\"")));
        }
        let Some(method) = method else {
            return match (result, error) {
                (None, None) => Err((id, RpcError::invalid_request("the message has no `method`"))),
                _ => Ok(Message { id: None, method: Cow::Borrowed(""), params: None }),
            };
        };
        let params = params.map(|params| serde_json::from_str(params.get())).transpose();
        let params = params.map_err(|error| (id, RpcError::invalid_params(format!("`params`: {error}"))))?;
        Ok(Message { id, method, params })
    }
}

impl Params<'_> {
    /// The revision that the request says it is of.
    pub(super) fn protocol_version(&self) -> Option<&str> {
        self.meta.as_ref()?.protocol_version.as_deref()
    }

    /// Whether the request says what the client can do: an object, which may be empty.
    pub(super) fn has_capabilities(&self) -> bool {
        let capabilities = self.meta.as_ref().and_then(|meta| meta.client_capabilities);
        capabilities.is_some_and(|raw| raw.get().starts_with('{'))
    }

    /// The name that the header `Mcp-Name` repeats.
    pub(super) fn name_of(&self, method: &str) -> Option<&str> {
        match method {
            "tools/call" | "prompts/get" => self.name.as_deref(),
            "resources/read" => self.uri.as_deref(),
            _ => None,
        }
    }

    /// The token of progress reports, if the client asks for them.
    pub(super) fn progress_token(&self) -> Option<&RawValue> {
        self.meta.as_ref()?.progress_token.filter(|token| is_id(token))
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn uri(&self) -> Option<&str> {
        self.uri.as_deref()
    }
}

/// A JSON text without line breaks. There are none in its strings, where JSON escapes them.
pub(super) fn in_one_line(json: &[u8]) -> Vec<u8> {
    json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_requests_notifications_or_responses() {
        let read = |text: &'static str| {
            let read = Message::read(serde_json::from_str(text).unwrap());
            read.map(|message| (message.id.map(RawValue::get), message.method.into_owned()))
                .map_err(|(id, error)| (id.map(RawValue::get), error.code))
        };
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#), Ok((Some("\"a\""), "ping".to_owned())));
        assert_eq!(
            read(r#"{"jsonrpc":"2.0","id":12345678901234567890,"method":"ping"}"#),
            Ok((Some("12345678901234567890"), "ping".to_owned()))
        );
        assert_eq!(
            read(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
            Ok((None, "notifications/initialized".to_owned()))
        );
        assert_eq!(
            read(r#"{"jsonrpc":"2.0","id":3,"method":"tools\/list"}"#),
            Ok((Some("3"), "tools/list".to_owned()))
        );
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":3,"result":{}}"#), Ok((None, String::new())));
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#), Err((None, -32600)));
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#), Err((None, -32600)));
        assert_eq!(read(r#"{"id":3,"method":"ping"}"#), Err((Some("3"), -32600)));
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":3}"#), Err((Some("3"), -32600)));
        assert_eq!(
            read(r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":4}}"#),
            Err((Some("3"), -32602))
        );
    }
}
