//! REST as croupier serves it, from the side of a client: calls by POST, and the OpenAPI document.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::model::fault::{Fault, Kind};
use crate::model::text::printable;
use crate::service::args::ArgValues;
use crate::upstream::transport::{Repeat, Transport, TransportError};

/// How many bytes a response may have.
const MAX_RESPONSE: usize = 64 << 20;
/// How many characters of a response are repeated in an error.
const EXCERPT: usize = 200;
/// What is escaped in the name of a method, as a segment of a path.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':').remove(b'/').remove(b'$');

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum RestError {
    /// The server returned a problem of the call.
    #[error("fault {}: {}", .0.kind.xmlrpc_code(), .0.message)]
    Fault(Fault),
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// The response is no result and no problem of a call.
    #[error("{0}")]
    Unusable(String),
}

/// Calls a method by POST to its path below that of the server.
pub(super) async fn call(
    transport: &Transport,
    method: &str,
    arguments: &ArgValues,
    deadline: std::time::Instant,
) -> Result<Value, RestError> {
    let arguments = match arguments {
        ArgValues::ByPosition(values) => serde_json::to_vec(values),
        ArgValues::ByName(members) => {
            let members = members.iter().map(|(name, value)| Ok((name.clone(), serde_json::to_value(value)?)));
            members.collect::<Result<serde_json::Map<_, _>, _>>().and_then(|members| serde_json::to_vec(&members))
        }
    };
    let unusable = |error: &dyn std::fmt::Display| RestError::Unusable(error.to_string());
    let body = arguments.map_err(|error| unusable(&error))?;
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    let path = below(transport.path(), &utf8_percent_encode(method, ESCAPED).to_string());
    *request.uri_mut() = path.parse().map_err(|error| unusable(&error))?;
    let json = HeaderValue::from_static("application/json");
    let length = HeaderValue::from(request.body().len());
    request.headers_mut().extend([
        (header::CONTENT_TYPE, json.clone()),
        (header::ACCEPT, json),
        (header::CONTENT_LENGTH, length),
    ]);
    let response = transport.exchange(request, Repeat::Unsent, MAX_RESPONSE, Some(deadline)).await?;
    if response.status().is_success() {
        return match response.body().is_empty() {
            true => Ok(Value::Null),
            false => serde_json::from_slice(response.body()).map_err(|_| RestError::Unusable(excerpt(&response))),
        };
    }
    Err(problem(&response).map_or_else(|| RestError::Unusable(excerpt(&response)), RestError::Fault))
}

/// The OpenAPI document of the server.
pub(super) async fn open_api(transport: &Transport, deadline: std::time::Instant) -> Result<Value, RestError> {
    let mut request = Request::new(Bytes::new());
    let path = below(transport.path(), "openapi.json");
    *request.uri_mut() = path.parse().map_err(|error: http::uri::InvalidUri| RestError::Unusable(error.to_string()))?;
    let response = transport.exchange(request, Repeat::Harmless, MAX_RESPONSE, Some(deadline)).await?;
    let document = serde_json::from_slice::<Value>(response.body()).ok();
    let document = document.filter(|document| response.status() == StatusCode::OK && document.get("openapi").is_some());
    document.ok_or_else(|| RestError::Unusable(format!("no OpenAPI document at {path}: {}", excerpt(&response))))
}

/// A path below that of a server, whose query is left out.
fn below(path: &str, segment: &str) -> String {
    let base = path.split('?').next().unwrap_or_default();
    format!("{}/{segment}", base.trim_end_matches('/'))
}

/// The fault in a document `application/problem+json` of a call; `None` for another response.
fn problem(response: &Response<Bytes>) -> Option<Fault> {
    let document: Value = serde_json::from_slice(response.body()).ok()?;
    let word = document.get("kind")?.as_str()?;
    let code = document.get("code").and_then(Value::as_i64).and_then(|code| i32::try_from(code).ok());
    let kind = Kind::from_word(word, code.unwrap_or(Kind::Service(None).xmlrpc_code()))?;
    let detail = document.get("detail").or_else(|| document.get("title")).and_then(Value::as_str);
    Some(Fault::new(kind, detail.unwrap_or_default().to_owned()))
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
    fn a_problem_of_a_call_is_a_fault() {
        let response = |body: &'static str| Response::new(Bytes::from(body));
        let fault = problem(&response(r#"{"kind":"no-such-method","status":404,"detail":"no `x`"}"#)).unwrap();
        assert_eq!((fault.kind, fault.message.as_ref()), (Kind::NoSuchMethod, "no `x`"));
        let fault = problem(&response(r#"{"kind":"service","code":42,"title":"t"}"#)).unwrap();
        assert_eq!((fault.kind, fault.message.as_ref()), (Kind::Service(Some(42)), "t"));
        for other in ["", "<html>", r#"{"kind":"refused","detail":"d"}"#, r#"{"error":"x"}"#] {
            assert!(problem(&response(other)).is_none(), "{other}");
        }
    }

    #[test]
    fn methods_are_below_the_path_of_the_server() {
        assert_eq!(below("/", "spin"), "/spin");
        assert_eq!(below("/wheel/mini/?x=1", "spin"), "/wheel/mini/spin");
        assert_eq!(utf8_percent_encode("a.b c?", ESCAPED).to_string(), "a.b%20c%3F");
    }
}
