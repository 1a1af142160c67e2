//! Conditional requests (RFC 9110, section 13; RFC 9111, section 4.3): those of clients, and those by which an upstream is asked
//! whether a response that is kept is still the current one.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Full};

use super::Slot;
use crate::service::entity_tag::is_listed;
use crate::service::passthrough::{HttpCall, RawBody, RawResponse};
use crate::service::result_memory::SMALL;
use crate::service::{Call, CallForm, CallFuture, Context, RpcService};

/// A date in a header (RFC 9110, section 5.6.7).
pub(super) fn http_date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

/// What a client asks for beside the response itself.
pub(super) struct Conditions {
    /// Its conditions.
    headers: HeaderMap,
    only_head: bool,
}

impl Conditions {
    /// The conditions of a request.
    pub(super) fn of(http: &HttpCall<'_>) -> Conditions {
        let values = [IF_NONE_MATCH, IF_MODIFIED_SINCE].into_iter().flat_map(|name| {
            let values = http.headers.get_all(&name).iter();
            values.map(move |value| (name.clone(), value.clone())).collect::<Vec<_>>()
        });
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name, value);
        }
        Conditions { headers, only_head: *http.verb == Method::HEAD }
    }

    /// What the client gets of a response of which all is here; any other comes from the upstream and is what it has asked for.
    pub(super) fn apply(&self, mut response: RawResponse) -> RawResponse {
        let RawBody::Whole(body) = &response.content else { return response };
        let body = body.clone();
        if response.status != StatusCode::OK {
            return response;
        }
        let length = body.len();
        response.content = if self.is_met_by(&response.headers) {
            response.status = StatusCode::NOT_MODIFIED;
            // What describes the body is of no use without it (RFC 9110, section 15.4.5).
            for name in [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE] {
                response.headers.remove(name);
            }
            RawBody::Whole(Bytes::new())
        } else if self.only_head {
            // The response to a HEAD request is kept with the length that the upstream has said.
            if length > 0 {
                response.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
            RawBody::Whole(Bytes::new())
        } else if length > SMALL {
            // The bytes are those of the cache, whose size has a bound: they need no memory of the client.
            RawBody::Coming(Box::pin(Full::new(body).map_err(|never| match never {})))
        } else {
            RawBody::Whole(body)
        };
        response
    }

    /// Whether the client has the response with these headers already.
    fn is_met_by(&self, response: &HeaderMap) -> bool {
        if self.headers.contains_key(IF_NONE_MATCH) {
            return is_listed(&self.headers, response.get(ETAG).map_or(b"", HeaderValue::as_bytes));
        }
        let date = |headers: &HeaderMap, name| headers.get(name).and_then(http_date);
        match (date(&self.headers, IF_MODIFIED_SINCE), date(response, LAST_MODIFIED)) {
            (Some(since), Some(modified)) => modified <= since,
            _ => false,
        }
    }
}

/// Whether a response can be asked for by a condition.
pub(super) fn has_validator(response: &HeaderMap) -> bool {
    response.contains_key(ETAG) || response.contains_key(LAST_MODIFIED)
}

/// The headers of a request without the conditions of the client, whose response may be returned to others. With the headers of
/// a response that is kept it has the conditions that this response is still the current one.
pub(super) fn ask_again(request: &HeaderMap, kept: Option<&HeaderMap>) -> HeaderMap {
    let mut headers = request.clone();
    for (name, validator) in [(IF_NONE_MATCH, ETAG), (IF_MODIFIED_SINCE, LAST_MODIFIED)] {
        headers.remove(&name);
        if let Some(value) = kept.and_then(|kept| kept.get(validator)) {
            headers.insert(name, value.clone());
        }
    }
    headers
}

/// The headers of a kept response with those of one that says that it is still the current one (RFC 9111, section 3.2). What
/// describes the body stays.
pub(super) fn update(kept: &HeaderMap, confirming: &HeaderMap) -> HeaderMap {
    let mut headers = kept.clone();
    for name in confirming.keys().filter(|name| **name != ETAG && !name.as_str().starts_with("content-")) {
        headers.remove(name);
        for value in confirming.get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

/// Makes a call for a place in the cache. Of an HTTP request the conditions are those of the cache and not those of the client,
/// because others may get the response, too.
pub(super) fn call_for(slot: &Slot, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
    let CallForm::Http(http) = call.form else { return next.call(call) };
    let kept = slot.revalidates.as_deref().and_then(|entry| entry.validators());
    let headers = ask_again(http.headers, kept);
    // These replace those of the request.
    let passed = call.context.headers.as_ref().map(|headers| Arc::new(ask_again(headers, None)));
    let context = Context { headers: passed, ..call.context.clone() };
    let http = HttpCall { headers: &headers, ..*http };
    next.call(Call { context: &context, form: CallForm::Http(&http), ..call })
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let parsed = list.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()));
        parsed.collect()
    }

    #[test]
    fn a_client_that_has_the_response_gets_none() {
        let dated = [("etag", "\"7\""), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"), ("content-type", "a/b")];
        for (request, expected) in [
            (vec![("if-none-match", "\"6\", W/\"7\"")], 304),
            (vec![("if-none-match", "\"6\"")], 200),
            // The tag precedes the date (RFC 9110, section 13.1.3).
            (vec![("if-none-match", "\"6\""), ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], 200),
            (vec![("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], 304),
            (vec![("if-modified-since", "Sunday, 06-Nov-94 08:49:38 GMT")], 304),
            (vec![("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")], 200),
            (vec![("if-modified-since", "yesterday")], 200),
            (vec![], 200),
        ] {
            for only_head in [false, true] {
                let conditions = Conditions { headers: headers(&request), only_head };
                let body = Bytes::from_static(b"seven");
                let whole = RawResponse::with_headers(StatusCode::OK, headers(&dated), RawBody::Whole(body));
                let response = conditions.apply(whole);
                let RawBody::Whole(body) = &response.content else { panic!("it is small") };
                assert_eq!(response.status.as_u16(), expected, "{request:?}");
                assert_eq!(body.is_empty(), only_head || expected == 304, "{request:?}");
                assert_eq!(response.headers.contains_key("content-type"), expected == 200, "{request:?}");
                let length = response.headers.get("content-length").map(|length| length.to_str().unwrap());
                assert_eq!(length, (only_head && expected == 200).then_some("5"), "{request:?}");
            }
        }
    }

    #[test]
    fn the_upstream_is_asked_for_what_is_kept_and_not_for_what_the_client_has() {
        let request = headers(&[("if-none-match", "\"1\""), ("if-modified-since", "x"), ("accept", "a/b")]);
        assert_eq!(ask_again(&request, None), headers(&[("accept", "a/b")]));
        let kept = headers(&[("etag", "\"7\""), ("content-type", "a/b"), ("x-a", "1"), ("x-b", "2")]);
        let asking = headers(&[("accept", "a/b"), ("if-none-match", "\"7\"")]);
        assert_eq!(ask_again(&request, Some(&kept)), asking);
        let confirming = headers(&[("etag", "\"8\""), ("content-length", "0"), ("x-a", "3"), ("x-c", "4")]);
        let updated = headers(&[("etag", "\"7\""), ("content-type", "a/b"), ("x-a", "3"), ("x-b", "2"), ("x-c", "4")]);
        assert_eq!(update(&kept, &confirming), updated);
        assert!(has_validator(&kept) && !has_validator(&request));
    }
}
