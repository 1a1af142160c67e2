//! What is not a call at all, and is HTTP's to say.

use http::{HeaderValue, Method, Response, StatusCode, header};

use crate::http::body::Body;

/// A request that no face answers, with the reason for the person behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRejection {
    /// The status, 400 or above.
    pub status: StatusCode,
    /// The reason, one line of plain text.
    pub reason: String,
    /// For 405: the methods that would have been answered.
    pub allow: Vec<Method>,
}

impl HttpRejection {
    /// A refusal with its reason.
    pub fn new(status: StatusCode, reason: impl Into<String>) -> HttpRejection {
        HttpRejection { status, reason: reason.into(), allow: Vec::new() }
    }

    /// The response that says so.
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::whole(format!("{}\n", self.reason)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let allow = self.allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        if let Some(allow) =
            HeaderValue::from_str(&allow).ok().filter(|_| self.status == StatusCode::METHOD_NOT_ALLOWED)
        {
            headers.insert(header::ALLOW, allow);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
