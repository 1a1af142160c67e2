//! Fetches the OpenAPI document of a server, for `croupier describe`.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::Value;

use crate::model::text::printable;
use crate::upstream::transport::{Repeat, Transport, TransportError};

/// How many bytes a response may have.
const MAX_RESPONSE: usize = 64 << 20;
/// How many characters of a response are repeated in an error.
const EXCERPT: usize = 200;

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenApiError {
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// The response is not a document.
    #[error("{0}")]
    Unusable(String),
}

/// The OpenAPI document of the server.
pub(super) async fn fetch(transport: &Transport, deadline: std::time::Instant) -> Result<Value, OpenApiError> {
    let mut request = Request::new(Bytes::new());
    let path = below(transport.path(), "openapi.json");
    *request.uri_mut() =
        path.parse().map_err(|error: http::uri::InvalidUri| OpenApiError::Unusable(error.to_string()))?;
    let response = transport.exchange(request, Repeat::Harmless, MAX_RESPONSE, Some(deadline)).await?;
    let document = serde_json::from_slice::<Value>(response.body()).ok();
    let document = document.filter(|document| response.status() == StatusCode::OK && document.get("openapi").is_some());
    document.ok_or_else(|| OpenApiError::Unusable(format!("no OpenAPI document at {path}: {}", excerpt(&response))))
}

/// A path below that of a server, whose query is left out.
fn below(path: &str, segment: &str) -> String {
    let base = path.split('?').next().unwrap_or_default();
    format!("{}/{segment}", base.trim_end_matches('/'))
}

/// The status and the beginning of a response.
fn excerpt(response: &Response<Bytes>) -> String {
    let text = String::from_utf8_lossy(response.body()).into_owned();
    let words: Vec<&str> = text.split_whitespace().collect();
    let start = words.join(" ");
    let separator = if start.is_empty() { "" } else { ": " };
    format!("HTTP {}{separator}{}", response.status(), printable(&start, EXCERPT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_below_the_path_of_the_server() {
        assert_eq!(below("/", "a.json"), "/a.json");
        assert_eq!(below("/wheel/mini/?x=1", "a.json"), "/wheel/mini/a.json");
    }
}
