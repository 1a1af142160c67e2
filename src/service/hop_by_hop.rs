//! Headers of a request that are not passed on: those that concern one connection, and not the message (RFC 9110, section 7.6.1), and
//! those that croupier replaces.

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName};

/// The headers that concern a connection, beside those that `Connection` names.
pub(crate) const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The headers that croupier writes itself or for which an upstream has keys of its own, in lower case and with `-` for `_`.
#[cfg(feature = "server")]
pub(crate) const REPLACED: [&str; 10] = [
    "authorization",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "traceparent",
    "tracestate",
    "x-request-id",
];

/// Removes the headers that concern a connection, and others.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap, is_other: impl Fn(&HeaderName) -> bool) {
    let names_some = headers.contains_key(CONNECTION);
    let is_removed = |name: &&HeaderName| {
        let named = names_some && concerns_connection(name, headers);
        named || HOP_BY_HOP.contains(&name.as_str()) || is_other(name)
    };
    let removed: Vec<HeaderName> = headers.keys().filter(is_removed).cloned().collect();
    for name in removed {
        headers.remove(name);
    }
}

/// Whether a header is named by `Connection`, so that it must not be forwarded.
pub(crate) fn concerns_connection(name: &HeaderName, headers: &HeaderMap) -> bool {
    let mut options = headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
}
