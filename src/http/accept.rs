//! Which media types a client accepts, by `Accept` and its weights (RFC 9110, section 12.5.1), and whether it is a person with a
//! browser.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use super::media_type::{Weighted, media_type, weighted};

/// A media range that a client accepts.
pub(crate) struct MediaRange<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths.
    weight: u16,
}

impl<'a> MediaRange<'a> {
    /// Reads `text/csv`, `text/*` or `*/*`; `None` if the range or its weight is malformed.
    fn read(range: Weighted<'a>) -> Option<MediaRange<'a>> {
        let (kind, subtype) = range.name.split_once('/')?;
        Some(MediaRange { kind, subtype, weight: range.weight? })
    }

    /// How specifically it matches a media type; `None` if it does not match.
    fn closeness(&self, kind: &str, subtype: &str) -> Option<u8> {
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (own, "*") if own.eq_ignore_ascii_case(kind) => Some(1),
            (own, of) if own.eq_ignore_ascii_case(kind) && of.eq_ignore_ascii_case(subtype) => Some(2),
            _ => None,
        }
    }
}

/// The weight of a media type: that of the most specific range that matches it.
pub(crate) fn weight(ranges: &[MediaRange<'_>], media: &str) -> u16 {
    let Some((kind, subtype)) = media.split_once('/') else { return 0 };
    let close = ranges.iter().filter_map(|range| Some((range.closeness(kind, subtype)?, range.weight)));
    close.max_by_key(|(closeness, _)| *closeness).map_or(0, |(_, weight)| weight)
}

/// The media ranges that a client accepts. Those that are malformed are passed over.
pub(crate) fn media_ranges(headers: &HeaderMap) -> Vec<MediaRange<'_>> {
    weighted(headers, header::ACCEPT).filter_map(MediaRange::read).collect()
}

/// The `Accept` of `java.net.HttpURLConnection` begins like this, whatever the program wants.
const JAVA: &[u8] = b"text/html, image/gif, image/jpeg";

/// The forms in which programs read errors.
const OF_PROGRAMS: [&str; 4] = ["application/json", "application/problem+json", "text/xml", "text/plain"];

/// The media types of requests that browsers send without a script.
const OF_FORMS: [&str; 3] = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

/// Whether the sender of a request wants to read its response as HTML: it prefers `text/html` to every form for programs, and
/// has not sent the document of a protocol.
pub(crate) fn prefers_html(head: &Parts) -> bool {
    let Some(accept) = head.headers.get(header::ACCEPT).map(HeaderValue::as_bytes) else { return false };
    if accept.starts_with(JAVA) {
        return false;
    }
    let media = media_type(&head.headers);
    let is_of_page = media.is_empty() || OF_FORMS.iter().any(|form| media.eq_ignore_ascii_case(form));
    let ranges = media_ranges(&head.headers);
    let of_programs = OF_PROGRAMS.iter().map(|media| weight(&ranges, media)).max().unwrap_or_default();
    is_of_page && weight(&ranges, "text/html") > of_programs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_prefer_html_and_programs_do_not() {
        let prefers = |accept: &str, media: &str| {
            let request =
                http::Request::get("/").header("accept", accept).header("content-type", media).body(()).unwrap();
            prefers_html(&request.into_parts().0)
        };
        let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
        for (accept, expected) in [
            (chromium, true),
            ("text/html", true),
            ("TEXT/HTML, */*;q=0.1", true),
            ("text/html, application/xhtml+xml, image/jxr, */*", false),
            ("*/*", false),
            ("application/json", false),
            ("text/html, application/json", false),
            ("text/html;q=0.5, application/json;q=0.9", false),
            ("text/html;q=0", false),
            ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", false),
            ("", false),
        ] {
            assert_eq!(prefers(accept, ""), expected, "{accept}");
        }
        assert!(prefers(chromium, "multipart/form-data; boundary=x"));
        assert!(!prefers(chromium, "application/json") && !prefers(chromium, "text/xml"));
        let none = http::Request::get("/").body(()).unwrap();
        assert!(!prefers_html(&none.into_parts().0));
    }
}
