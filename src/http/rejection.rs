//! Requests that are refused with an HTTP status before a protocol reads them.

use http::{HeaderValue, Method, Response, StatusCode, header};

use crate::http::body::Body;
use crate::model::fault::{Fault, Kind};

/// The reason why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRejection {
    /// The status, 400 or above.
    pub status: StatusCode,
    /// The reason: one line of plain text for a person.
    pub reason: String,
    /// For status 405: the methods that are allowed, for the header `Allow`.
    pub allow: Vec<Method>,
    /// For status 429 and 503: after how many seconds a further request may succeed, for the header `Retry-After` (1 by
    /// default).
    pub retry_after: u64,
    /// For status 401: how a client may prove who it is, for the header `WWW-Authenticate`.
    pub challenges: Vec<HeaderValue>,
}

/// Why a request was refused, as an extension of a response that a page may replace: one line of plain text for a person.
/// Responses in the form of a protocol whose clients are always programs do not have it.
#[derive(Debug, Clone)]
pub(crate) struct RefusalReason(pub(crate) String);

impl HttpRejection {
    /// A rejection with its reason, and no allowed methods.
    pub fn new(status: StatusCode, reason: impl Into<String>) -> HttpRejection {
        HttpRejection { status, reason: reason.into(), allow: Vec::new(), retry_after: 1, challenges: Vec::new() }
    }

    /// The rejection as a fault, for protocols that write it in their own form.
    pub fn fault(&self) -> Fault {
        let kind = match self.status {
            StatusCode::UNAUTHORIZED => Kind::Unauthenticated,
            StatusCode::FORBIDDEN => Kind::Forbidden,
            StatusCode::TOO_MANY_REQUESTS => Kind::RateLimited,
            StatusCode::PAYLOAD_TOO_LARGE => Kind::Limit,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Kind::Encoding,
            StatusCode::REQUEST_TIMEOUT => Kind::Late,
            StatusCode::SERVICE_UNAVAILABLE => Kind::Busy,
            status if status.is_server_error() => Kind::Internal,
            _ => Kind::Structure,
        };
        Fault::new(kind, self.reason.clone())
    }

    /// The response, as plain text.
    pub fn into_response(mut self) -> Response<Body> {
        let reason = std::mem::take(&mut self.reason);
        let body = Body::whole(format!("{reason}\n"));
        let mut response = self.into_response_with(HeaderValue::from_static("text/plain; charset=utf-8"), body);
        response.extensions_mut().insert(RefusalReason(reason));
        response
    }

    /// The response, with a body in the form of a protocol.
    pub fn into_response_with(self, content_type: HeaderValue, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let allow = self.allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        if let Some(allow) =
            HeaderValue::from_str(&allow).ok().filter(|_| self.status == StatusCode::METHOD_NOT_ALLOWED)
        {
            headers.insert(header::ALLOW, allow);
        }
        for challenge in self.challenges {
            headers.append(header::WWW_AUTHENTICATE, challenge);
        }
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after));
        }
        response
    }
}
