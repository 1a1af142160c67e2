//! Which pages of other sites may read responses: Cross-Origin Resource Sharing (Fetch standard).

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, header};

use super::problem::list;
use crate::http::body::Body;

/// The response headers that a page may read, in addition to the safelisted ones.
const EXPOSED: HeaderValue = HeaderValue::from_static("allow, retry-after");
/// The request headers that a page may send, in addition to the safelisted ones.
const ALLOWED: HeaderValue = HeaderValue::from_static("content-type");
/// How long a browser may cache a preflight response, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");
/// The origin in the configuration that means all origins.
const ANY: &str = "*";

/// The permission for the sender of a request, as response headers.
#[derive(Debug, Default)]
pub(super) struct Grant {
    /// The origin that may read the response.
    origin: Option<HeaderValue>,
    /// Whether the response depends on the origin.
    varies: bool,
}

impl Grant {
    /// The permission for the sender of a request, by the allowed origins. Credentials are never allowed.
    pub(super) fn of(origins: &[String], headers: &HeaderMap) -> Grant {
        if origins.is_empty() {
            return Grant::default();
        }
        if origins.iter().any(|origin| origin == ANY) {
            return Grant { origin: Some(HeaderValue::from_static(ANY)), varies: false };
        }
        let sender = headers.get(header::ORIGIN);
        let allowed = sender.filter(|sender| origins.iter().any(|origin| origin.as_bytes() == sender.as_bytes()));
        Grant { origin: allowed.cloned(), varies: true }
    }

    /// Adds the headers that allow a page of another origin to read the response.
    pub(super) fn apply(self, response: &mut Response<Body>) {
        let headers = response.headers_mut();
        if self.varies {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }

    /// Adds the headers of a preflight response to the response to OPTIONS.
    pub(super) fn apply_preflight(&self, head: &Parts, methods: &[Method], response: &mut Response<Body>) {
        let is_preflight = head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if self.origin.is_none() || !is_preflight {
            return;
        }
        let headers = response.headers_mut();
        if let Ok(methods) = HeaderValue::from_str(&list(methods)) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    }
}
