//! The revision of the protocol that a request follows.
//!
//! Clients of revisions before 2026-07-28 begin with a handshake (`initialize`), and later requests have the revision in a header only.
//! Since then, each request has its revision in a header and in its body. One endpoint serves all revisions without a session.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName};
use serde_json::json;

use super::answer::RpcError;
use super::message::{Message, Params};
pub(super) use crate::protocol::mcp::headers::{METHOD, NAME, VERSION};
pub(super) use crate::protocol::mcp::revision::Revision;

/// The error code for a request whose headers contradict its body.
const HEADER_MISMATCH: i32 = -32020;
/// The error code for a revision that is not supported.
const UNSUPPORTED_VERSION: i32 = -32022;

/// The revision in the header of a request.
pub(super) fn of_head(headers: &HeaderMap) -> Option<Revision> {
    match headers.get(VERSION) {
        None => Some(Revision::March2025),
        Some(version) => version.to_str().ok().and_then(Revision::of_name),
    }
}

/// The revision of a message.
///
/// # Errors
/// If the revision is not supported, or the headers contradict the body.
pub(super) fn of_message(headers: &HeaderMap, message: &Message<'_>) -> Result<Revision, RpcError> {
    let header = only(headers, &VERSION)?;
    let in_body = message.params.as_ref().and_then(Params::protocol_version);
    let is_later =
        |name: &str| name >= Revision::July2026.name() && Revision::of_name(name).is_none_or(Revision::is_stateless);
    if in_body.is_some() || header.is_some_and(is_later) {
        return check_stateless(headers, header, in_body, message).map(|()| Revision::July2026);
    }
    match header {
        // A client says the revision after the handshake; before that, or as one of the oldest, it says none.
        None => Ok(Revision::March2025),
        Some(name) => Revision::of_name(name).ok_or_else(|| unsupported(name, Revision::ALL)),
    }
}

/// Checks the headers and `_meta` that each request without a handshake needs.
fn check_stateless(
    headers: &HeaderMap,
    header: Option<&str>,
    in_body: Option<&str>,
    message: &Message<'_>,
) -> Result<(), RpcError> {
    let Some(in_body) = in_body else {
        let field = "io.modelcontextprotocol/protocolVersion";
        return Err(RpcError::invalid_params(format!("`params._meta` has no `{field}`")).bad_request());
    };
    agree("MCP-Protocol-Version", header, in_body)?;
    if in_body != Revision::July2026.name() {
        return Err(unsupported(in_body, Revision::stateless()));
    }
    if message.id.is_some() && !message.params.as_ref().is_some_and(Params::has_capabilities) {
        let field = "io.modelcontextprotocol/clientCapabilities";
        return Err(RpcError::invalid_params(format!("`params._meta` has no `{field}`")).bad_request());
    }
    agree("Mcp-Method", only(headers, &METHOD)?, &message.method)?;
    let named = message.params.as_ref().and_then(|params| params.name_of(&message.method));
    if let Some(named) = named {
        agree("Mcp-Name", only(headers, &NAME)?, named)?;
    }
    Ok(())
}

/// Checks that a header says the same as the body.
fn agree(name: &str, header: Option<&str>, in_body: &str) -> Result<(), RpcError> {
    let header = header.map(|header| decoded(header.trim_matches([' ', '\t'])));
    match header {
        Some(Some(header)) if *header == *in_body => Ok(()),
        Some(_) => Err(mismatch(format!("the header `{name}` is not what the body says"))),
        None => Err(mismatch(format!("there is no header `{name}`"))),
    }
}

/// The value of a header, which may be in Base64 (`=?base64?…?=`); `None` if that is malformed.
fn decoded(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    match inner {
        None => Some(Cow::Borrowed(value)),
        Some(inner) => String::from_utf8(STANDARD.decode(inner).ok()?).ok().map(Cow::Owned),
    }
}

/// The only value of a header, if there is one.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, RpcError> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    match (first.map(|value| value.to_str()), second) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        (Some(_), _) => Err(mismatch(format!("the header `{name}` is there twice, or is no text"))),
    }
}

fn mismatch(message: String) -> RpcError {
    RpcError::new(HEADER_MISMATCH, message).bad_request()
}

/// The error for a revision that is not supported. The client can choose one of the `supported` ones instead.
fn unsupported(asked: &str, supported: impl IntoIterator<Item = Revision>) -> RpcError {
    let supported: Vec<&str> = supported.into_iter().map(Revision::name).collect();
    let data = json!({ "supported": supported, "requested": asked });
    let error = RpcError::new(UNSUPPORTED_VERSION, "the revision of the protocol is not one of those that are served");
    RpcError { data: Some(data), ..error }.bad_request()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn revision(headers: &[(&'static str, &str)], body: &str) -> Result<Revision, (i32, u16)> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect();
        let message = Message::read(serde_json::from_str(body).unwrap()).unwrap();
        of_message(&headers, &message).map_err(|error| (error.code, error.status.map_or(200, |status| status.as_u16())))
    }

    const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

    #[test]
    fn requests_with_a_handshake_name_their_revision_in_a_header_if_at_all() {
        let list = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;
        assert_eq!(revision(&[], list), Ok(Revision::March2025));
        for served in [Revision::November2024, Revision::June2025, Revision::November2025] {
            assert_eq!(revision(&[("mcp-protocol-version", served.name())], list), Ok(served));
        }
        assert_eq!(revision(&[("mcp-protocol-version", "2025-01-01")], list), Err((-32022, 400)));
        assert_eq!(revision(&[("mcp-protocol-version", "2026-07-28")], list), Err((-32602, 400)));
        assert_eq!(Revision::for_handshake("2024-11-05"), Revision::November2024);
        assert_eq!(Revision::for_handshake("2026-07-28"), Revision::November2025);
        assert_eq!(Revision::for_handshake("tomorrow"), Revision::November2025);
    }

    #[test]
    fn requests_without_a_handshake_say_the_same_in_headers_and_body() {
        let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"größe",{META}}}}}"#);
        let version = ("mcp-protocol-version", "2026-07-28");
        let method = ("mcp-method", "tools/call");
        let name = ("mcp-name", "=?base64?Z3LDtsOfZQ==?=");
        assert_eq!(revision(&[version, method, name], &body), Ok(Revision::July2026));
        for (headers, expected) in [
            (vec![method, name], (-32020, 400)),
            (vec![version, name], (-32020, 400)),
            (vec![version, method], (-32020, 400)),
            (vec![version, ("mcp-method", "tools/List"), name], (-32020, 400)),
            (vec![("mcp-protocol-version", "2025-11-25"), method, name], (-32020, 400)),
        ] {
            assert_eq!(revision(&headers, &body), Err(expected), "{headers:?}");
        }
        let other = body.replace("2026-07-28", "2027-01-01");
        assert_eq!(revision(&[version, method, name], &other), Err((-32020, 400)));
        let later = ("mcp-protocol-version", "2027-01-01");
        assert_eq!(revision(&[later, method, name], &other), Err((-32022, 400)));
        let without = body.replace(r#","io.modelcontextprotocol/clientCapabilities":{}"#, "");
        assert_eq!(revision(&[version, method, name], &without), Err((-32602, 400)));
    }
}
