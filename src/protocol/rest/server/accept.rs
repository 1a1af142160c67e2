//! Chooses the media type of a response by `Accept` and its weights (RFC 9110, section 12.5.1).

use http::{HeaderMap, HeaderValue, header};

use crate::http::accept::{media_ranges, weight};

/// A media type of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// One JSON text.
    Json,
    /// JSON lines, for lists.
    Lines,
    /// A table with a header line, for lists.
    Csv,
}

impl Media {
    /// The media types for a method that returns a list; the first is the default.
    pub(super) const OF_ROWS: &[Media] = &[Media::Json, Media::Lines, Media::Csv];
    /// The media types for every other method.
    pub(super) const OF_VALUES: &[Media] = &[Media::Json];

    /// Its name, without parameters.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Media::Json => "application/json",
            Media::Lines => "application/x-ndjson",
            Media::Csv => "text/csv",
        }
    }

    /// The value of `Content-Type` for it.
    pub(super) fn content_type(self) -> HeaderValue {
        match self {
            Media::Json => const { HeaderValue::from_static(Media::Json.name()) },
            Media::Lines => const { HeaderValue::from_static(Media::Lines.name()) },
            Media::Csv => const { HeaderValue::from_static("text/csv; charset=utf-8; header=present") },
        }
    }
}

/// The offered media type that the client prefers, or the first if it has no preference; `None` if it accepts none.
pub(super) fn choose(headers: &HeaderMap, offered: &[Media]) -> Option<Media> {
    let mut values = headers.get_all(header::ACCEPT).iter();
    let (first, second) = (values.next(), values.next());
    match first.map(HeaderValue::as_bytes) {
        None | Some(b"*/*" | b"application/json" | b"") if second.is_none() => return offered.first().copied(),
        _ => {}
    }
    let ranges = media_ranges(headers);
    let weighed = offered.iter().map(|media| (weight(&ranges, media.name()), *media));
    // Of several with the same weight, the first one is chosen.
    let best = weighed.rev().max_by_key(|(weight, _)| *weight)?;
    (best.0 > 0).then_some(best.1)
}

#[cfg(test)]
mod tests {

    use super::*;

    fn chosen(accept: &'static str) -> Option<Media> {
        choose(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]), Media::OF_ROWS)
    }

    #[test]
    fn the_heaviest_wins_and_the_closest_range_weighs() {
        for (accept, expected) in [
            ("*/*", Some(Media::Json)),
            ("text/csv", Some(Media::Csv)),
            ("TEXT/CSV", Some(Media::Csv)),
            ("text/*", Some(Media::Csv)),
            ("text/html, application/xhtml+xml, */*;q=0.8", Some(Media::Json)),
            ("application/x-ndjson;q=0.9, application/json;q=0.8", Some(Media::Lines)),
            ("application/*;q=0.5, application/json;q=0", Some(Media::Lines)),
            ("*/*;q=0.1, text/csv;q=0.2", Some(Media::Csv)),
            ("text/csv;header=present", Some(Media::Csv)),
            ("application/json;q=0.001", Some(Media::Json)),
            ("application/json;q=1.5, text/csv;q=0.1", Some(Media::Csv)),
            ("application/json;q=0", None),
            ("application/xml", None),
            ("nonsense", None),
            ("*/*;q=0", None),
        ] {
            assert_eq!(chosen(accept), expected, "{accept}");
        }
        assert_eq!(choose(&HeaderMap::new(), Media::OF_ROWS), Some(Media::Json));
    }

    #[test]
    fn two_lines_are_one_list() {
        let lines = ["text/csv;q=0.5", "application/x-ndjson"];
        let headers = lines.map(|line| (header::ACCEPT, HeaderValue::from_static(line)));
        let headers = headers.into_iter().fold(HeaderMap::new(), |mut all, (name, value)| {
            all.append(name, value);
            all
        });
        assert_eq!(choose(&headers, Media::OF_ROWS), Some(Media::Lines));
        assert_eq!(choose(&headers, Media::OF_VALUES), None);
    }
}
