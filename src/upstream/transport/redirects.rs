//! Redirects that are followed: those of a request that changes nothing, to another path of the same server.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, header};
use http_body::Body as _;
use tokio::time::Instant;

use super::address::Address;
use super::body::Incoming;

/// How many redirects of one request are followed.
pub(super) const MAX_REDIRECTS: usize = 5;
/// The largest body of a redirect that is read so that its connection can be used again, in bytes.
const MAX_BODY: u64 = 16 << 10;

/// Says that redirects of a request are followed, as an extension of the request.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "a client alone follows no redirects"))]
pub(crate) struct FollowRedirects;

/// Where the response to a request leads; `None` if it is not a redirect, or one to another server.
pub(super) fn target(
    address: &Address,
    request: &Request<Bytes>,
    response: &Response<Incoming>,
) -> Option<PathAndQuery> {
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let mut locations = response.headers().get_all(header::LOCATION).iter().filter(|_| is_redirect);
    let (Some(location), None) = (locations.next(), locations.next()) else { return None };
    let mut sent = request.clone();
    address.apply_to(&mut sent);
    address.same_origin(sent.uri(), location.to_str().ok()?)
}

/// Reads the rest of a short response, which nobody needs.
pub(super) async fn discard(response: Response<Incoming>, deadline: Option<Instant>) {
    let body = response.into_body();
    if body.size_hint().upper().is_some_and(|length| length <= MAX_BODY) {
        // If it breaks off, its connection is not used again.
        let _ = body.with_deadline(deadline.map(Instant::into_std)).collect(usize::MAX).await;
    }
}
