//! Media types, their parameters, and weighted lists such as those of `Accept` and `Accept-Encoding`.
//!
//! Everything here borrows from the header and allocates nothing, because a media type is read for every request. What
//! is malformed is passed over rather than refused: old clients send content types that no grammar allows.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use memchr::memchr;

/// The media type of a message without its parameters, in the letters of the header; empty without a `Content-Type`.
/// Compare it without regard to case.
pub fn media_type(headers: &HeaderMap) -> &str {
    let value = content_type(headers);
    let end = memchr(b';', value).unwrap_or(value.len());
    std::str::from_utf8(value.get(..end).unwrap_or_default()).unwrap_or_default().trim_ascii()
}

/// A parameter of the content type of a message, such as `charset`, without quotes around its value.
pub fn parameter<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    parameter_of(content_type(headers), name)
}

/// As [`parameter`], of the value of a `Content-Type` header.
pub(crate) fn parameter_of<'h>(value: &'h [u8], name: &str) -> Option<&'h str> {
    let parameters = value.get(memchr(b';', value)? + 1..)?;
    let value = parameters.split(|byte| *byte == b';').find_map(|parameter| {
        let (own, value) = parameter.trim_ascii_start().split_at_checked(name.len())?;
        let has_name = own.eq_ignore_ascii_case(name.as_bytes());
        value.trim_ascii_start().strip_prefix(b"=").filter(|_| has_name)
    })?;
    std::str::from_utf8(value).ok().map(|value| value.trim_ascii().trim_matches('"'))
}

fn content_type(headers: &HeaderMap) -> &[u8] {
    headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default()
}

/// One element of a weighted list, such as `gzip;q=0.5` or `text/csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weighted<'a> {
    /// What the client accepts, without parameters.
    pub(crate) name: &'a str,
    /// How much the client prefers it, from 0 (refused) to 1,000; `None` if the weight is malformed.
    pub(crate) weight: Option<u16>,
}

/// The elements of all header lines of a name (RFC 9110, sections 5.6.1 and 12.4.2).
pub(crate) fn weighted(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Weighted<'_>> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(Weighted::read)
}

impl<'a> Weighted<'a> {
    fn read(element: &'a str) -> Weighted<'a> {
        let mut parts = element.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Weighted { name, weight: weight.map_or(Some(1000), thousandths) }
    }
}

/// A weight from 0 to 1 with at most three digits after the point, in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1") || fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat(b'0')).take(4);
    let weight = digits.fold(0, |weight, digit| weight * 10 + u16::from(digit - b'0'));
    (weight <= 1000).then_some(weight)
}

/// Whether the body of a message is a stream of events (HTML Standard, section 9.2).
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case("text/event-stream")
}

/// Whether a media type is JSON: one of those that JSON-RPC clients send, or any with the suffix `+json`.
pub(crate) fn is_json(media: &str) -> bool {
    let is = |name: &str| media.eq_ignore_ascii_case(name);
    let part = |range: Option<&str>, name: &str| range.is_some_and(|part| part.eq_ignore_ascii_case(name));
    let suffix = media.len().checked_sub(5).and_then(|at| media.get(at..));
    is("application/json")
        || is("application/json-rpc")
        || is("application/jsonrequest")
        || (part(media.get(..12), "application/") && part(suffix, "+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn content_types_are_read_with_their_parameters() {
        let headers = headers(header::CONTENT_TYPE, " Text/XML ; Charset = \"utf-8\"; action=\"a\"");
        assert_eq!(media_type(&headers), "Text/XML");
        assert_eq!(parameter(&headers, "charset"), Some("utf-8"));
        assert_eq!(parameter(&headers, "action"), Some("a"));
        assert_eq!(parameter(&headers, "boundary"), None);
        assert_eq!(media_type(&HeaderMap::new()), "");
        assert_eq!(parameter(&HeaderMap::new(), "charset"), None);
    }

    #[test]
    fn weights_have_at_most_three_digits_and_are_at_most_one() {
        let weights = [
            ("a", Some(1000)),
            ("a;q=0", Some(0)),
            ("a; q=0.5", Some(500)),
            ("a;x=y;Q=1.000", Some(1000)),
            ("a;q=.5", None),
            ("a;q=1.001", None),
            ("a;q=0.1234", None),
            ("a;q=x", None),
        ];
        for (element, weight) in weights {
            assert_eq!(Weighted::read(element), Weighted { name: "a", weight }, "{element}");
        }
    }
}
