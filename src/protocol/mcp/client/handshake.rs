//! What client and server say of themselves before the first call: `initialize` of revisions with a handshake, and `server/discover` of
//! those without.

use bytes::Bytes;
use http::{HeaderValue, Request, Response};

use super::message::{Era, MessageWriter, NeedsSession, post};
use super::{decode_message, member};
use crate::codec::DocumentLimits;
use crate::model::text::abridge;
use crate::model::value::Value;
use crate::protocol::client_codec::ResponseError;
use crate::protocol::mcp::revision::Revision;

/// The member of `_meta` in which a server without a handshake names itself.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ServerDescription {
    pub(crate) title: String,
    /// Its `instructions` for clients.
    pub(crate) doc: String,
}

/// What client and server have agreed on in a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// The name of the revision.
    pub(crate) revision: HeaderValue,
    pub(crate) server: ServerDescription,
}

/// Why a handshake has failed, for operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// The server has returned an error.
    #[error("the server refuses it: {0}")]
    Refused(String),
    /// The response cannot be read, or names an unknown revision.
    #[error("{0}")]
    Unusable(String),
}

/// The request that begins a session.
pub(crate) fn initialize() -> Request<Bytes> {
    let mut writer = MessageWriter::new(Era::Handshake, "initialize");
    let revision = Revision::November2025.name();
    for (name, json) in [
        ("protocolVersion", format!("\"{revision}\"")),
        ("capabilities", "{}".to_owned()),
        ("clientInfo", format!(r#"{{"name":"croupier","version":"{}"}}"#, env!("CARGO_PKG_VERSION"))),
    ] {
        // Writing a constant cannot fail.
        let _ = writer.member(name, |to| {
            to.extend_from_slice(json.as_bytes());
            Ok(())
        });
    }
    let mut request = writer.into_request();
    request.extensions_mut().remove::<NeedsSession>();
    request
}

/// The notification that ends the handshake. It has no response.
pub(crate) fn initialized() -> Request<Bytes> {
    post(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_vec())
}

/// The request for the description of a server without a handshake.
pub(crate) fn discover() -> Request<Bytes> {
    MessageWriter::new(Era::Stateless, "server/discover").into_request()
}

/// Reads the response to [`initialize`].
///
/// # Errors
/// If the handshake has failed.
pub(crate) fn read_agreement(response: &Response<Bytes>) -> Result<Agreement, HandshakeError> {
    let result = decode_message(response, DocumentLimits::default()).map_err(|error| match error {
        ResponseError::Fault(fault) => HandshakeError::Refused(abridge(&fault.message).into()),
        error => HandshakeError::Unusable(error.to_string()),
    })?;
    let revision = member(&result, "protocolVersion").and_then(text).unwrap_or_default();
    let known = Revision::of_name(revision).filter(|revision| !revision.is_stateless());
    let another = || HandshakeError::Unusable(format!("the server speaks another revision: `{}`", abridge(revision)));
    let known = known.ok_or_else(another)?;
    let info = member(&result, "serverInfo");
    Ok(Agreement { revision: HeaderValue::from_static(known.name()), server: server_description(info, &result) })
}

/// Reads the response to [`discover`]; `None` if the server does not support the revision without a handshake.
#[cfg(feature = "server")]
pub(crate) fn read_stateless_server(response: &Response<Bytes>) -> Option<ServerDescription> {
    let result = decode_message(response, DocumentLimits::default()).ok()?;
    let Some(Value::Array(versions)) = member(&result, "supportedVersions") else { return None };
    if !versions.iter().any(|version| text(version) == Some(Revision::July2026.name())) {
        return None;
    }
    let info = member(&result, "_meta").and_then(|meta| member(meta, SERVER_INFO));
    Some(server_description(info, &result))
}

fn server_description(info: Option<&Value>, result: &Value) -> ServerDescription {
    let of_info = |name: &str| info.and_then(|info| member(info, name)).and_then(text).filter(|text| !text.is_empty());
    ServerDescription {
        title: of_info("title").or_else(|| of_info("name")).unwrap_or_default().to_owned(),
        doc: member(result, "instructions").and_then(text).unwrap_or_default().to_owned(),
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::MessageId;
    use super::*;

    fn response(status: u16, result: &str) -> Response<Bytes> {
        let body = format!(r#"{{"jsonrpc":"2.0","id":17,{result}}}"#);
        let response = Response::builder().status(status).extension(MessageId(17));
        response.body(Bytes::from(body)).unwrap()
    }

    #[test]
    fn a_handshake_agrees_on_a_known_revision() {
        let result =
            r#""result":{"protocolVersion":"2025-06-18","serverInfo":{"name":"a","title":"A"},"instructions":"Ask."}"#;
        let agreed = read_agreement(&response(200, result)).unwrap();
        assert_eq!(agreed.revision, "2025-06-18");
        assert_eq!(agreed.server, ServerDescription { title: "A".to_owned(), doc: "Ask.".to_owned() });
        for (result, expected) in [
            (r#""result":{"protocolVersion":"2026-07-28"}"#, "another revision: `2026-07-28`"),
            (r#""result":{}"#, "another revision: ``"),
            (r#""error":{"code":-32601,"message":"no"}"#, "refuses it: no"),
        ] {
            let reason = read_agreement(&response(200, result)).unwrap_err().to_string();
            assert!(reason.contains(expected), "{reason}");
        }
    }

    #[cfg(feature = "server")]
    #[test]
    fn a_server_without_a_handshake_names_its_revisions() {
        let versions = |versions: &str| {
            let meta = r#""_meta":{"io.modelcontextprotocol/serverInfo":{"name":"b"}}"#;
            response(200, &format!(r#""result":{{"supportedVersions":[{versions}],{meta}}}"#))
        };
        let found = read_stateless_server(&versions(r#""2027-01-01","2026-07-28""#)).unwrap();
        assert_eq!((found.title.as_str(), found.doc.as_str()), ("b", ""));
        assert_eq!(read_stateless_server(&versions(r#""2027-01-01""#)), None);
        assert_eq!(read_stateless_server(&response(404, r#""error":{"code":-32601,"message":"no"}"#)), None);
    }
}
