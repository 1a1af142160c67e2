//! Entity tags of results that come from a cache, and conditional requests for them (RFC 9110, sections 8.8.3 and 13.1.2).

use std::fmt::Write as _;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use ring::digest::{Context, SHA256};

use crate::http::body::Body;
use crate::protocol::frontend::GroupRequest;
use crate::service::entity_tag::is_listed;
use crate::service::response_headers::ResponseHeaders;

/// How many bytes of a hash are in a tag: as many as make it impossible to find two results with the same one.
const TAG: usize = 16;

/// A GET or HEAD request whose result may come from a cache, and the tags of the results that the client has.
pub(super) struct ConditionalRead {
    added: ResponseHeaders,
    /// The headers with the tags of the results that the client has. Boxed, because most requests have none.
    client_tags: Option<Box<HeaderMap>>,
}

impl ConditionalRead {
    /// Of a request; `None` if its result cannot come from a cache.
    pub(super) fn of(request: &GroupRequest<'_>) -> Option<ConditionalRead> {
        let added = request.context.response_headers.as_ref()?;
        if !matches!(request.head.method, Method::GET | Method::HEAD) {
            return None;
        }
        let headers = &request.head.headers;
        let client_tags = headers.contains_key(IF_NONE_MATCH).then(|| {
            let values = headers.get_all(IF_NONE_MATCH).iter();
            let mut client_tags = Box::new(HeaderMap::new());
            for value in values {
                client_tags.append(IF_NONE_MATCH, value.clone());
            }
            client_tags
        });
        Some(ConditionalRead { added: added.clone(), client_tags })
    }

    /// The response with its tag, or 304 if the client has it already. A response whose result is not in a cache stays as it is.
    pub(super) fn apply(&self, mut response: Response<Body>) -> Response<Body> {
        if response.status() != StatusCode::OK || !self.added.has_kept_result() {
            return response;
        }
        let Some(tag) = response.body().as_whole().and_then(|body| tag(response.headers(), body)) else {
            return response;
        };
        if self.client_tags.as_ref().is_some_and(|client_tags| is_listed(client_tags, tag.as_bytes())) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Body::default();
            response.headers_mut().remove(CONTENT_TYPE);
        }
        let headers = response.headers_mut();
        headers.insert(ETAG, tag);
        // The client may keep it for itself, and has to ask each time.
        headers.insert(CACHE_CONTROL, const { HeaderValue::from_static("private, no-cache") });
        response
    }
}

/// The tag of a body with its media type. It is weak, because the server may compress the same body for another client, and then
/// its bytes are others (RFC 9110, section 8.8.3.3); nothing but `If-None-Match` uses it, for which that makes no difference.
fn tag(headers: &HeaderMap, body: &[u8]) -> Option<HeaderValue> {
    let mut hash = Context::new(&SHA256);
    hash.update(headers.get(CONTENT_TYPE).map_or(b"", HeaderValue::as_bytes));
    hash.update(&[0]);
    hash.update(body);
    let mut tag = String::with_capacity(2 * TAG + 4);
    tag.push_str("W/\"");
    for byte in hash.finish().as_ref().iter().take(TAG) {
        // Writing to a text cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    HeaderValue::try_from(tag).ok()
}
