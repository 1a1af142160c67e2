//! The media types of responses that may be a result or a fault, although their status says that the server has failed.
//!
//! A fault of XML-RPC, SOAP or JSON-RPC may come with status 500, and in the protocol's own media type. An error page of a server
//! or of a proxy before it has another one.

use http::HeaderMap;

use crate::codec::media::{essence, is_json};
use crate::http::media_type;
use crate::protocol::Protocol;

/// What tells by the headers of such a response whether it may be an answer of the protocol. In REST, the status is the answer.
pub(super) fn answer_media(protocol: Protocol) -> fn(&HeaderMap) -> bool {
    match protocol {
        Protocol::XmlRpc => is_xml,
        Protocol::Soap => is_soap,
        Protocol::JsonRpc => is_json_rpc,
        Protocol::Mcp => is_mcp,
        Protocol::Rest | Protocol::Page => |_| false,
    }
}

/// The media type in lowercase, unless it is that of an error of HTTP (RFC 9457).
fn media(headers: &HeaderMap) -> Option<String> {
    Some(essence(media_type::media_type(headers))).filter(|media| !media.starts_with("application/problem+"))
}

fn is_xml(headers: &HeaderMap) -> bool {
    let is_xml = |media: String| matches!(media.as_str(), "text/xml" | "application/xml") || media.ends_with("+xml");
    media(headers).is_some_and(is_xml)
}

/// A message with attachments is an answer, too (SOAP Message Transmission Optimization Mechanism, section 3).
fn is_soap(headers: &HeaderMap) -> bool {
    is_xml(headers) || media(headers).is_some_and(|media| media == "multipart/related")
}

/// Some servers use the types of a proposal for JSON-RPC over HTTP.
fn is_json_rpc(headers: &HeaderMap) -> bool {
    let is_json_rpc =
        |media: String| is_json(&media) || matches!(media.as_str(), "application/json-rpc" | "application/jsonrequest");
    media(headers).is_some_and(is_json_rpc)
}

/// An error of the protocol may come with any status. A stream of events counts as JSON, because the transport takes the JSON out of it.
fn is_mcp(headers: &HeaderMap) -> bool {
    media(headers).is_some_and(|media| is_json(&media))
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;

    #[test]
    fn error_pages_are_no_answers() {
        for (media, expected) in [
            ("text/xml; charset=utf-8", [true, true, false, false]),
            ("Application/XML", [true, true, false, false]),
            ("application/soap+xml; action=\"a\"", [true, true, false, false]),
            ("multipart/related; type=\"text/xml\"", [false, true, false, false]),
            ("application/json", [false, false, true, false]),
            ("application/json-rpc", [false, false, true, false]),
            ("application/problem+json", [false; 4]),
            ("application/problem+xml", [false; 4]),
            ("text/html", [false; 4]),
            ("text/plain; charset=utf-8", [false; 4]),
            ("", [false; 4]),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(media))]);
            let found = [Protocol::XmlRpc, Protocol::Soap, Protocol::JsonRpc, Protocol::Rest]
                .map(|protocol| answer_media(protocol)(&headers));
            assert_eq!(found, expected, "{media}");
            assert!(Protocol::OF_UPSTREAMS.iter().all(|protocol| !answer_media(*protocol)(&HeaderMap::new())));
        }
    }
}
