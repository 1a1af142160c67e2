//! The headers of MCP over HTTP (specification, "Streamable HTTP").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};

/// The header with the revision of a request.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The header with the method of a request.
pub(crate) const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// The header with the name of the tool, prompt or resource that a request addresses.
pub(crate) const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// The header with the session of a request, in revisions with a handshake.
pub(crate) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// A text as the value of a header. It is written in Base64 (`=?base64?…?=`) if it has other characters than visible ones of ASCII, has
/// spaces around it, or looks like Base64 itself.
pub(crate) fn header_value(text: &str) -> HeaderValue {
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && text.trim_matches(' ') == text
        && !text.starts_with("=?base64?");
    let value = if is_plain {
        HeaderValue::from_str(text)
    } else {
        HeaderValue::from_str(&format!("=?base64?{}?=", STANDARD.encode(text)))
    };
    // It cannot fail: visible characters and Base64 can be in a header.
    value.unwrap_or_else(|_| HeaderValue::from_static(""))
}
