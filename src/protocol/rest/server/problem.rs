//! Errors as `application/problem+json` (RFC 9457).

use std::borrow::Cow;

use http::{HeaderValue, Method, Response, StatusCode, header};
use serde::Serialize;

use crate::http::body::Body;
use crate::http::rejection::HttpRejection;
use crate::http::routes::{Place, RestRoute};
use crate::model::fault::{Fault, Kind};

/// The word for a kind of fault if HTTP itself refuses a request.
const REFUSED: &str = "refused";

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum Problem {
    /// The call failed.
    Fault {
        /// Why.
        fault: Fault,
        /// The place of the parameter in the request, if there are several places.
        place: Option<Place>,
    },
    /// It was no call.
    HttpRejection(HttpRejection),
}

/// What is sent.
#[derive(Serialize)]
struct Details<'a> {
    /// The status says what sort of problem it is, and `kind` says it more closely.
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
}

impl Problem {
    /// What HTTP refuses, with its reason.
    pub(super) fn refused(status: StatusCode, reason: impl Into<String>) -> Problem {
        Problem::HttpRejection(HttpRejection::new(status, reason))
    }

    /// A method of HTTP that is not answered here; these are.
    pub(super) fn not_allowed(allow: &[Method], reason: impl Into<String>) -> Problem {
        let rejection = HttpRejection::new(StatusCode::METHOD_NOT_ALLOWED, reason);
        Problem::HttpRejection(HttpRejection { allow: allow.to_vec(), ..rejection })
    }

    /// A fault over what stands at one place of a request.
    pub(super) fn in_the(place: Place, fault: Fault) -> Problem {
        Problem::Fault { fault, place: Some(place) }
    }

    /// The same; if a parameter is wrong and it is not yet said where it stands, then with where the route has it.
    pub(super) fn of_route(self, route: &RestRoute) -> Problem {
        match self {
            Problem::Fault { fault, place: None } => {
                let place = fault.parameter.as_deref().map(|name| route.place(name));
                Problem::Fault { fault, place }
            }
            other => other,
        }
    }

    /// The kind of the fault, if it is one.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Problem::Fault { fault, .. } => Some(fault.kind),
            Problem::HttpRejection(_) => None,
        }
    }

    /// The response that says so.
    pub(super) fn into_response(self) -> Response<Body> {
        let (status, allow) = match &self {
            Problem::Fault { fault, .. } => (fault.kind.http_status(), Cow::Borrowed("")),
            Problem::HttpRejection(rejection) => (rejection.status, Cow::Owned(list(&rejection.allow))),
        };
        let mut response = Response::new(Body::whole(self.details(status)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(allow) = HeaderValue::from_str(&allow).ok().filter(|allow| !allow.is_empty()) {
            headers.insert(header::ALLOW, allow);
        }
        response
    }

    fn details(&self, status: StatusCode) -> Vec<u8> {
        let details = Details {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: match self {
                Problem::Fault { fault, .. } => &fault.message,
                Problem::HttpRejection(rejection) => &rejection.reason,
            },
            kind: self.kind().map_or(REFUSED, Kind::word),
            code: match self.kind() {
                Some(Kind::Service(code)) => code,
                _ => None,
            },
            parameter: match self {
                Problem::Fault { fault, .. } => fault.parameter.as_deref(),
                Problem::HttpRejection(_) => None,
            },
            r#in: match self {
                Problem::Fault { fault, place } => place.filter(|_| fault.parameter.is_some()).map(Place::word),
                Problem::HttpRejection(_) => None,
            },
        };
        // Texts and numbers always have a JSON text.
        serde_json::to_vec(&details).unwrap_or_default()
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Problem {
        Problem::Fault { fault, place: None }
    }
}

impl From<HttpRejection> for Problem {
    fn from(rejection: HttpRejection) -> Problem {
        Problem::HttpRejection(rejection)
    }
}

/// Methods as the value of `Allow`.
pub(super) fn list(methods: &[Method]) -> String {
    methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
}
