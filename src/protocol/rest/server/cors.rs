//! Which pages of other sites may read answers: Cross-Origin Resource Sharing, as the Fetch standard has it.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, header};

use super::problem::list;
use crate::http::body::Body;

/// What a page may read beside the few headers that every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static("allow, retry-after");
/// What a page may send beside the few headers that every page may.
const ALLOWED: HeaderValue = HeaderValue::from_static("content-type");
/// For how many seconds a browser may remember what it was allowed.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");
/// The origin in the configuration that means all origins.
const ANY: &str = "*";

/// What the sender of a request may be told, as headers of its response.
#[derive(Debug, Default)]
pub(super) struct Grant {
    /// The origin that may read the response.
    origin: Option<HeaderValue>,
    /// Whether the response depends on the origin.
    varies: bool,
}

impl Grant {
    /// What these allowed origins grant to the sender of a request. Credentials are never granted.
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

    /// Puts into the response to OPTIONS what is granted to a page that asks beforehand.
    pub(super) fn apply_before(&self, head: &Parts, methods: &[Method], response: &mut Response<Body>) {
        let asked = head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if self.origin.is_none() || !asked {
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
