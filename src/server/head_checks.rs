//! What the head of a request alone decides about it: whether it names this server, whether a page of another origin may have
//! sent it, whether its body can be read, and where a request by http is redirected to.

use std::net::SocketAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, Version, header};

use crate::http::body::Body;
use crate::http::cors::CorsGrant;
use crate::http::cross_site::{is_known_host, is_of_other_origin, is_without_preflight, without_port};
use crate::http::public_url::PublicUrl;
use crate::http::rejection::HttpRejection;
use crate::protocol::frontend::Frontend;
use crate::server::group::Group;
use crate::server::settings::HTTPS_PORT;

/// The reasons for which requests are refused.
const UNKNOWN_HOST: &str = "this server is not known by the name in Host; its names are in `public.hosts`, and those of proxies in \
     `public.trusted-proxies`";
const CALL_WITHOUT_PREFLIGHT: &str =
    "pages of other origins make no calls with this Content-Type, which their browsers send without asking first";
const ORIGIN_NOT_ALLOWED: &str =
    "pages of other origins make no requests of this protocol, unless `cors` of the group allows their origin";
pub(super) const CLIENT_BUSY: &str =
    "this client has too many requests open or too many responses unread; try again later";

pub(super) fn busy(reason: &str) -> HttpRejection {
    HttpRejection::new(StatusCode::SERVICE_UNAVAILABLE, reason)
}

/// What the head of a request alone decides about it, once its protocol is known. `refusal` is the reason to refuse a
/// request of a page of another origin.
pub(super) fn check_before_body(
    head: &Parts,
    body: &impl http_body::Body,
    refusal: Option<&'static str>,
    within_share: bool,
) -> Result<(), HttpRejection> {
    if let Some(reason) = refusal {
        return Err(HttpRejection::new(StatusCode::FORBIDDEN, reason));
    }

    // Only a body of unknown length can have a transfer coding.
    if body.size_hint().exact().is_none() {
        check_transfer_coding(head)?;
    }
    if within_share { Ok(()) } else { Err(busy(CLIENT_BUSY)) }
}

/// Only `chunked` can be undone here (RFC 9112, section 6.1). hyper undoes it, and leaves codings below it as they are.
fn check_transfer_coding(head: &Parts) -> Result<(), HttpRejection> {
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(HttpRejection::new(
            StatusCode::NOT_IMPLEMENTED,
            "the only transfer coding that is supported is chunked",
        )),
    }
}

/// The redirect of a request to https. 308 keeps the method and the body.
pub(super) fn redirect_to_https(
    head: &Parts,
    peer: Option<SocketAddr>,
    port: u16,
    public_url: &PublicUrl,
) -> Result<Response<Body>, HttpRejection> {
    check_host(head)?;
    check_known_host(head, public_url, peer)?;
    let no_host = || HttpRejection::new(StatusCode::BAD_REQUEST, "the request has no host to redirect it to");
    let own = || head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let base = match public_url.base.as_deref().filter(|base| base.starts_with("https:")) {
        Some(base) => base.to_owned(),
        None => {
            let authority = head.uri.authority().map(http::uri::Authority::as_str).or_else(own);
            let host = authority.and_then(without_port).ok_or_else(no_host)?;
            let port = if port == HTTPS_PORT { String::new() } else { format!(":{port}") };
            format!("https://{host}{port}")
        }
    };
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    let location = HeaderValue::from_str(&format!("{base}{path}")).map_err(|_| no_host())?;
    let mut response = Response::new(Body::whole(format!("https only: {base}{path}\n")));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

/// An HTTP/1.1 request has exactly one `Host` (RFC 9112, section 3.2), and no request has two. In HTTP/2 it must be the
/// same as the authority (RFC 9113, section 8.3.1).
pub(super) fn check_host(head: &Parts) -> Result<(), HttpRejection> {
    if head.version == Version::HTTP_2
        && let (Some(host), Some(authority)) = (head.headers.get(header::HOST), head.uri.authority())
        && !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())
    {
        return Err(HttpRejection::new(StatusCode::BAD_REQUEST, "the Host header and :authority differ"));
    }
    let mut hosts = head.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next(), head.version) {
        (_, Some(_), _) => Err(HttpRejection::new(StatusCode::BAD_REQUEST, "the request has two Host headers")),
        (None, _, Version::HTTP_11) => {
            Err(HttpRejection::new(StatusCode::BAD_REQUEST, "the request has no Host header"))
        }
        (Some(host), ..) if host.as_bytes().iter().any(|byte| !is_host_byte(*byte)) => {
            Err(HttpRejection::new(StatusCode::BAD_REQUEST, "the Host header is malformed"))
        }
        _ => Ok(()),
    }
}

/// Checks that the server is known by the name in `Host`, so that a page cannot call it under a name of its own (DNS rebinding).
///
/// # Errors
/// 421 for another name.
pub(super) fn check_known_host(
    head: &Parts,
    public_url: &PublicUrl,
    peer: Option<SocketAddr>,
) -> Result<(), HttpRejection> {
    if is_known_host(head, public_url, peer) {
        return Ok(());
    }
    Err(HttpRejection::new(StatusCode::MISDIRECTED_REQUEST, UNKNOWN_HOST))
}

/// Whether a byte is allowed in a host and port (RFC 3986, section 3.2). Characters of HTML markup are not.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')')
        || matches!(byte, b'*' | b'+' | b',' | b';' | b'=' | b':' | b'[' | b']')
}

/// Why a request of a page of another origin is refused, if it is: what `cors` of the group does not allow.
pub(super) fn cross_origin_refusal(
    frontend: &Arc<dyn Frontend>,
    head: &Parts,
    (public_url, peer): (&PublicUrl, Option<SocketAddr>),
    (group, grant): (&Group, Option<&CorsGrant>),
) -> Option<&'static str> {
    let allows_without_preflight = || grant.is_some_and(|grant| grant.allows_without_preflight(group.auth.is_some()));
    if is_without_preflight(head, public_url, peer) && !allows_without_preflight() {
        return Some(CALL_WITHOUT_PREFLIGHT);
    }
    let is_foreign = frontend.refuses_foreign_origins() && is_of_other_origin(head, public_url, peer);
    (is_foreign && !grant.is_some_and(CorsGrant::allows_origin)).then_some(ORIGIN_NOT_ALLOWED)
}
