//! Compression of responses with gzip, for clients that accept it.

use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::Body as _;

use crate::http::body::{Body, EndToEnd, Source};
use crate::http::media_type;
use crate::http::media_type::{Weighted, is_event_stream};
use crate::model::fault::BoxError;

/// Responses of fewer bytes are not compressed: they fit into one packet anyway.
const WORTHWHILE: usize = 1400;

/// Compresses a response if the client accepts gzip and the response is long enough.
///
/// Every response gets `Vary: accept-encoding`, compressed or not, for the sake of caches; except for those of an upstream that are
/// passed on as they are.
pub(crate) fn compress(request: &HeaderMap, mut response: Response<Body>) -> Response<Body> {
    // The compressor would hold back events until it has enough of them.
    if response.extensions().get::<EndToEnd>().is_some() || is_event_stream(response.headers()) {
        return response;
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let short = response.body().size_hint().exact().is_some_and(|length| length < WORTHWHILE as u64);
    if short || !accepts_gzip(request) {
        return response;
    }
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.map(|body| match body.as_whole() {
        Some(bytes) => {
            let mut encoder = encoder();
            // Writing to a vector cannot fail.
            let _ = encoder.write_all(bytes);
            Body::whole(encoder.finish().unwrap_or_default())
        }
        None => Body::stream(CompressedBody { body, encoder: encoder() }),
    })
}

fn encoder() -> GzEncoder<Vec<u8>> {
    GzEncoder::new(Vec::new(), Compression::fast())
}

/// Whether a request accepts gzip: `Accept-Encoding` has it with a weight above 0, or has `*` so and does not mention
/// gzip (RFC 9110, section 12.5.3).
fn accepts_gzip(request: &HeaderMap) -> bool {
    let mut by_wildcard = false;
    for Weighted { name, weight } in media_type::weighted(request, header::ACCEPT_ENCODING) {
        // A malformed weight refuses nothing.
        let accepted = weight != Some(0);
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            return accepted;
        }
        by_wildcard |= name == "*" && accepted;
    }
    by_wildcard
}

/// A body that is compressed piece by piece, as the client reads it.
struct CompressedBody {
    body: Body,
    encoder: GzEncoder<Vec<u8>>,
}

impl Source for CompressedBody {
    fn poll_fill(&mut self, cx: &mut Context<'_>, to: &mut Vec<u8>, until: usize) -> Poll<Result<bool, BoxError>> {
        while to.len() < until {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                self.encoder.try_finish()?;
                to.append(self.encoder.get_mut());
                return Poll::Ready(Ok(false));
            };
            if let Some(data) = frame?.data_ref() {
                self.encoder.write_all(data)?;
                to.append(self.encoder.get_mut());
            }
        }
        Poll::Ready(Ok(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_read_with_their_weights() {
        let reads = |offers: &'static str| {
            accepts_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(offers))]))
        };
        for offers in [
            "gzip",
            "deflate, gzip;q=0.5",
            "x-gzip",
            "GZIP;q=1.0,deflate;q=0.6,identity;q=0.3",
            "*",
            "br, *;q=0.1",
            "gzip, *;q=0",
        ] {
            assert!(reads(offers), "{offers}");
        }
        for offers in [
            "",
            "deflate",
            "identity",
            "gzip;q=0",
            "gzip; q=0.0",
            "gzipped",
            "none",
            "*;q=0",
            "gzip;q=0, *",
            "*, gzip;Q=0",
        ] {
            assert!(!reads(offers), "{offers}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
