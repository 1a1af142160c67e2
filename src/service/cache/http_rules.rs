//! Which HTTP requests are answered from a cache that callers share, and which responses are kept for how long (RFC 9111):
//! decisions about heads, without a clock.

use std::time::{Duration, SystemTime};

use http::header::{
    AGE, CACHE_CONTROL, CONTENT_TYPE, DATE, EXPIRES, IF_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::conditions::{has_validator, http_date};
use super::policy::Lifetime;
use crate::service::hop_by_hop::{HOP_BY_HOP, REPLACED};
use crate::service::passthrough::HttpCall;

/// The headers that are not a part of the key: they are about the program of the client, the way of the request, or the cache. A
/// response whose `Vary` names one of them is not kept.
const NOT_IN_KEY: [&str; 12] = [
    "b3",
    "cache-control",
    "date",
    "dnt",
    "if-modified-since",
    "if-none-match",
    "pragma",
    "priority",
    "referer",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
];

/// The same for all headers that begin so.
const NOT_IN_KEY_BEGIN: [&str; 2] = ["sec-", "x-b3-"];

fn is_left_out_of_key(name: &str) -> bool {
    NOT_IN_KEY.contains(&name) || NOT_IN_KEY_BEGIN.iter().any(|begin| name.starts_with(begin))
}

/// Whether requests with different values of a header are different requests. What the upstream gets of `Authorization`, cookies
/// and the address of the client is a part of each call.
pub(super) fn is_in_key(name: &HeaderName) -> bool {
    let name = name.as_str();
    let is_passed_on = !HOP_BY_HOP.contains(&name) && !REPLACED.contains(&name) && !name.starts_with("x-forwarded-");
    is_passed_on && !is_left_out_of_key(name)
}

/// Whether a request may be answered from a cache.
pub(super) fn may_be_cached(http: &HttpCall<'_>) -> bool {
    let is_partial =
        [RANGE, IF_RANGE, IF_MATCH, IF_UNMODIFIED_SINCE].iter().any(|name| http.headers.contains_key(name));
    matches!(*http.verb, Method::GET | Method::HEAD)
        && http.body.is_empty()
        && !is_partial
        && !directives(http.headers, &CACHE_CONTROL).any(|(name, _)| name.eq_ignore_ascii_case("no-store"))
}

/// How a response is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StorageTerms {
    pub(super) lifetime: Lifetime,
    /// How old it was when it came.
    pub(super) age: Duration,
}

impl StorageTerms {
    /// How a response with these headers is kept at this time; `None` if it is not. It is fresh for the shorter one of the
    /// configured time and that which it says.
    pub(super) fn of(headers: &HeaderMap, configured: Lifetime, now: SystemTime) -> Option<StorageTerms> {
        let mut said = ResponseDirectives::default();
        for (name, value) in directives(headers, &CACHE_CONTROL) {
            said.read(name, value);
        }
        let is_event_stream = headers.get(CONTENT_TYPE).is_some_and(|media| {
            let media = media.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
            media.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
        });
        if said.must_not_be_stored || is_event_stream || varies_by_ignored_header(headers) {
            return None;
        }
        let age = headers.get(AGE).and_then(seconds_of).unwrap_or_default();
        let stated_time = said.s_maxage.or(said.max_age).or_else(|| time_until_expiry(headers, now));
        let fresh = if said.no_cache { Some(Duration::ZERO) } else { stated_time };
        let ttl = fresh.map_or(configured.ttl, |fresh| fresh.saturating_sub(age).min(configured.ttl));
        if ttl.is_zero() && !has_validator(headers) {
            return None;
        }
        let must_revalidate = said.must_revalidate || said.no_cache || said.s_maxage.is_some();
        let later = |time| if must_revalidate { Duration::ZERO } else { time };
        let (while_revalidate, if_error) = (later(configured.while_revalidate), later(configured.if_error));
        Some(StorageTerms { lifetime: Lifetime { ttl, while_revalidate, if_error }, age })
    }
}

/// What a response says of caches.
#[derive(Default)]
struct ResponseDirectives {
    must_not_be_stored: bool,
    no_cache: bool,
    must_revalidate: bool,
    max_age: Option<Duration>,
    s_maxage: Option<Duration>,
}

impl ResponseDirectives {
    fn read(&mut self, name: &str, value: Option<&str>) {
        // An invalid time counts as 0 (RFC 9111, section 4.2.1).
        let time = || value.and_then(seconds).unwrap_or_default();
        let shorter = |before: Option<Duration>| Some(before.map_or_else(time, |before| before.min(time())));
        match name.to_ascii_lowercase().as_str() {
            "no-store" | "private" => self.must_not_be_stored = true,
            "no-cache" => self.no_cache = true,
            "must-revalidate" | "proxy-revalidate" => self.must_revalidate = true,
            "max-age" => self.max_age = shorter(self.max_age),
            "s-maxage" => self.s_maxage = shorter(self.s_maxage),
            _ => {}
        }
    }
}

/// The directives of a header, with their values. A list in quotation marks is taken apart, too: what is in it can only make the
/// cache more careful.
fn directives<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = (&'h str, Option<&'h str>)> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|directive| match directive.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value.trim())),
        None => (directive.trim(), None),
    })
}

/// Whether `Vary` names a header that is not a part of the key.
fn varies_by_ignored_header(headers: &HeaderMap) -> bool {
    // What is not a text cannot be compared.
    let unreadable = headers.get_all(VARY).iter().any(|value| value.to_str().is_err());
    unreadable
        || directives(headers, &VARY).any(|(name, _)| name == "*" || is_left_out_of_key(&name.to_ascii_lowercase()))
}

/// A number of seconds.
fn seconds(text: &str) -> Option<Duration> {
    let digits = text.trim_matches('"');
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    // A time that is too large counts as 2^32 - 1 s (RFC 9111, section 1.2.2).
    is_number.then(|| Duration::from_secs(digits.parse::<u32>().unwrap_or(u32::MAX).into()))
}

fn seconds_of(value: &HeaderValue) -> Option<Duration> {
    seconds(value.to_str().ok()?.trim())
}

/// How long a response is fresh by `Expires`; no time if that is not a date (RFC 9111, section 5.3).
fn time_until_expiry(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let expires = headers.get(EXPIRES)?;
    let received = headers.get(DATE).and_then(http_date).unwrap_or(now);
    Some(http_date(expires).and_then(|expires| expires.duration_since(received).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::unread_body::UnreadBody;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn usual() -> Lifetime {
        let seconds = Duration::from_secs;
        Lifetime { ttl: seconds(60), while_revalidate: seconds(10), if_error: seconds(100) }
    }

    #[test]
    fn what_a_response_says_shortens_its_time_and_never_lengthens_it() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:50:00 GMT").unwrap();
        for (list, expected) in [
            (vec![], Some((60, 10))),
            (vec![("cache-control", "max-age=3600")], Some((60, 10))),
            (vec![("cache-control", "max-age=20")], Some((20, 10))),
            (vec![("cache-control", "Max-Age=\"20\", public")], Some((20, 10))),
            (vec![("cache-control", "max-age=20"), ("cache-control", "max-age=30")], Some((20, 10))),
            (vec![("cache-control", "max-age=20"), ("age", "15")], Some((5, 10))),
            (vec![("cache-control", "max-age=20"), ("age", "30")], None),
            (vec![("cache-control", "max-age=20"), ("age", "30"), ("etag", "\"7\"")], Some((0, 10))),
            (vec![("cache-control", "max-age=20, s-maxage=40")], Some((40, 0))),
            (vec![("cache-control", "max-age=20, must-revalidate")], Some((20, 0))),
            (vec![("cache-control", "proxy-revalidate")], Some((60, 0))),
            (vec![("cache-control", "max-age=no")], None),
            (vec![("cache-control", "max-age=-1"), ("last-modified", "x")], Some((0, 10))),
            (vec![("cache-control", "max-age=99999999999999999999")], Some((60, 10))),
            (vec![("cache-control", "no-cache")], None),
            (vec![("cache-control", "no-cache"), ("etag", "\"7\"")], Some((0, 0))),
            (vec![("cache-control", "max-age=20, no-store")], None),
            (vec![("cache-control", "PRIVATE")], None),
            (vec![("cache-control", "private=\"x-a\", max-age=20")], None),
            (vec![("cache-control", "max-age=20"), ("cache-control", "no-store")], None),
            (vec![("expires", "Sun, 06 Nov 1994 08:50:30 GMT")], Some((30, 10))),
            (
                vec![("expires", "Sun, 06 Nov 1994 08:50:30 GMT"), ("date", "Sun, 06 Nov 1994 08:50:25 GMT")],
                Some((5, 10)),
            ),
            (vec![("expires", "Sun, 06 Nov 1994 08:50:30 GMT"), ("cache-control", "max-age=7")], Some((7, 10))),
            (vec![("expires", "0")], None),
            (vec![("vary", "accept, Accept-Encoding, cookie, origin")], Some((60, 10))),
            (vec![("vary", "*")], None),
            (vec![("vary", "accept"), ("vary", "User-Agent")], None),
            (vec![("vary", "sec-ch-ua")], None),
            (vec![("content-type", "text/event-stream; charset=utf-8")], None),
        ] {
            let terms = StorageTerms::of(&headers(&list), usual(), now);
            let found = terms.map(|terms| (terms.lifetime.ttl.as_secs(), terms.lifetime.while_revalidate.as_secs()));
            assert_eq!(found, expected, "{list:?}");
        }
    }

    #[test]
    fn requests_that_ask_for_more_than_the_response_are_passed_on() {
        let empty = UnreadBody::empty();
        for (verb, list, expected) in [
            (Method::GET, vec![], true),
            (Method::HEAD, vec![], true),
            (Method::POST, vec![], false),
            (Method::OPTIONS, vec![], false),
            (Method::GET, vec![("range", "bytes=0-1")], false),
            (Method::GET, vec![("if-range", "\"7\"")], false),
            (Method::GET, vec![("if-match", "\"7\"")], false),
            (Method::GET, vec![("if-unmodified-since", "x")], false),
            (Method::GET, vec![("cache-control", "max-age=0, No-Store")], false),
            (Method::GET, vec![("cache-control", "no-cache")], true),
            (Method::GET, vec![("if-none-match", "\"7\"")], true),
        ] {
            let http = HttpCall {
                verb: &verb,
                path_values: &[],
                query: "",
                version: http::Version::HTTP_11,
                headers: &headers(&list),
                credentials: &[],
                body: &empty,
                group_url: "",
            };
            assert_eq!(may_be_cached(&http), expected, "{verb} {list:?}");
        }
    }

    #[test]
    fn headers_tell_requests_apart_unless_they_are_about_the_program() {
        for (name, expected) in [
            ("accept", true),
            ("accept-language", true),
            ("x-tenant", true),
            ("origin", true),
            ("user-agent", false),
            ("sec-fetch-mode", false),
            ("x-forwarded-for", false),
            ("x-request-id", false),
            ("if-none-match", false),
        ] {
            assert_eq!(is_in_key(&HeaderName::from_static(name)), expected, "{name}");
        }
    }
}
