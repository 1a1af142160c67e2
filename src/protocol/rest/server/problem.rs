//! Errors as `application/problem+json` (RFC 9457).

use std::borrow::Cow;

use http::{HeaderValue, Method, Response, StatusCode, header};
use serde::Serialize;

use crate::http::body::Body;
use crate::http::rejection::{HttpRejection, RefusalReason};
use crate::http::routes::RestRoute;
use crate::model::fault::{Fault, FaultData, Kind};

/// The kind in the document for an HTTP rejection.
const REFUSED: &str = "refused";

/// Why a request failed.
#[derive(Debug)]
pub(super) enum RestProblem {
    /// The call failed.
    Fault {
        /// The fault.
        fault: Fault,
        /// The word for the location of the parameter in the request, if there are several places.
        location: Option<&'static str>,
        /// The status, if it is not that of the fault.
        status: Option<StatusCode>,
    },
    /// The request was rejected before a call started.
    HttpRejection(HttpRejection),
}

/// The document.
#[derive(Serialize)]
struct Details<'a> {
    /// Always `about:blank`: the type of the problem is that of the status, and `kind` is more specific.
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#in: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a FaultData>,
}

impl RestProblem {
    /// A rejection with a status and a reason.
    pub(super) fn refused(status: StatusCode, reason: impl Into<String>) -> RestProblem {
        RestProblem::HttpRejection(HttpRejection::new(status, reason))
    }

    /// Status 405: the verb is not allowed; `allow` are those that are.
    pub(super) fn not_allowed(allow: &[Method], reason: impl Into<String>) -> RestProblem {
        let rejection = HttpRejection::new(StatusCode::METHOD_NOT_ALLOWED, reason);
        RestProblem::HttpRejection(HttpRejection { allow: allow.to_vec(), ..rejection })
    }

    /// A fault in one location of a request, such as `query`.
    pub(super) fn at_location(location: &'static str, fault: Fault) -> RestProblem {
        RestProblem::Fault { fault, location: Some(location), status: None }
    }

    /// The same problem, with this status in place of 400.
    pub(super) fn with_invalid_status(self, invalid: StatusCode) -> RestProblem {
        match self {
            RestProblem::Fault { fault, location, .. } if fault.kind.http_status() == StatusCode::BAD_REQUEST => {
                RestProblem::Fault { fault, location, status: Some(invalid) }
            }
            other => other,
        }
    }

    /// Adds the location of the wrong parameter in the route, unless the problem has one.
    pub(super) fn with_location(self, route: &RestRoute) -> RestProblem {
        match self {
            RestProblem::Fault { fault, location: None, status } => {
                let location = fault.parameter.as_deref().map(|name| route.location(name).word());
                RestProblem::Fault { fault, location, status }
            }
            other => other,
        }
    }

    /// The kind of the fault; `None` for a rejection.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            RestProblem::Fault { fault, .. } => Some(fault.kind),
            RestProblem::HttpRejection(_) => None,
        }
    }

    /// The response with the problem document.
    pub(super) fn into_response(self) -> Response<Body> {
        let (status, allow, retry_after) = match &self {
            RestProblem::Fault { fault, status, .. } => {
                let status = status.unwrap_or_else(|| fault.kind.http_status());
                (status, Cow::Borrowed(""), fault.retry_after_header(status))
            }
            RestProblem::HttpRejection(rejection) => {
                let is_unavailable = rejection.status == StatusCode::SERVICE_UNAVAILABLE;
                let retry_after = is_unavailable.then(|| HeaderValue::from(rejection.retry_after));
                (rejection.status, Cow::Owned(list(&rejection.allow)), retry_after)
            }
        };
        let mut response = Response::new(Body::whole(self.details(status)));
        *response.status_mut() = status;
        let (reason, challenges) = match self {
            RestProblem::Fault { fault, .. } => (fault.message.to_string(), Vec::new()),
            RestProblem::HttpRejection(rejection) => (rejection.reason, rejection.challenges),
        };
        response.extensions_mut().insert(RefusalReason(reason));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(retry_after) = retry_after {
            headers.insert(header::RETRY_AFTER, retry_after);
        }
        if let Some(allow) = HeaderValue::from_str(&allow).ok().filter(|allow| !allow.is_empty()) {
            headers.insert(header::ALLOW, allow);
        }
        for challenge in challenges {
            headers.append(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }

    fn details(&self, status: StatusCode) -> Vec<u8> {
        let details = Details {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: match self {
                RestProblem::Fault { fault, .. } => &fault.message,
                RestProblem::HttpRejection(rejection) => &rejection.reason,
            },
            kind: self.kind().map_or(REFUSED, Kind::word),
            code: match self.kind() {
                Some(Kind::Service(code)) => code,
                _ => None,
            },
            parameter: match self {
                RestProblem::Fault { fault, .. } => fault.parameter.as_deref(),
                RestProblem::HttpRejection(_) => None,
            },
            r#in: match self {
                RestProblem::Fault { fault, location, .. } => location.filter(|_| fault.parameter.is_some()),
                RestProblem::HttpRejection(_) => None,
            },
            data: match self {
                RestProblem::Fault { fault, .. } => fault.data.as_ref(),
                RestProblem::HttpRejection(_) => None,
            },
        };
        // Texts and numbers can always be written as JSON.
        serde_json::to_vec(&details).unwrap_or_default()
    }
}

impl From<Fault> for RestProblem {
    fn from(fault: Fault) -> RestProblem {
        RestProblem::Fault { fault, location: None, status: None }
    }
}

impl From<HttpRejection> for RestProblem {
    fn from(rejection: HttpRejection) -> RestProblem {
        RestProblem::HttpRejection(rejection)
    }
}

/// Methods as the value of `Allow`.
pub(super) fn list(methods: &[Method]) -> String {
    methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
}
