//! Responses that are passed on as they come, and compared when all of them has been passed on.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::oneshot;

use super::{Compared, MAX_COMPARED_BYTES};
use crate::model::fault::BoxError;
use crate::service::passthrough::{RawBody, RawResponse};
use crate::service::result_memory::ReservedMemory;

/// What of a response says how it is compared.
#[derive(Debug, Clone, Copy)]
struct ResponseHead {
    status: StatusCode,
    /// Whether the body is JSON, and not compressed.
    is_json: bool,
}

impl ResponseHead {
    fn of(response: &RawResponse) -> ResponseHead {
        let media = response.headers.get(CONTENT_TYPE).map_or(&b""[..], |media| media.as_bytes());
        let media = media.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        let is_json = media == b"application/json" || media.ends_with(b"+json");
        ResponseHead { status: response.status, is_json: is_json && !response.headers.contains_key(CONTENT_ENCODING) }
    }

    /// The response with this body, as it is compared. A body that is not JSON, or too large, is not.
    fn with_body(self, body: Bytes) -> Compared {
        let is_compared = self.is_json && body.len() <= MAX_COMPARED_BYTES;
        Compared::Response(self.status, is_compared.then_some(body))
    }

    fn without_body(self) -> Compared {
        Compared::Response(self.status, None)
    }
}

/// The response of the other group, which is collected in this memory.
pub(super) async fn compared_response(response: RawResponse, mut memory: ReservedMemory) -> Compared {
    let head = ResponseHead::of(&response);
    let (_, content, _permit) = response.into_parts();
    let mut body = match content {
        RawBody::Whole(bytes) => return head.with_body(bytes),
        RawBody::Coming(body) => body,
    };
    if !head.is_json {
        return head.without_body();
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Compared::Not };
        if let Ok(piece) = frame.into_data() {
            bytes.extend_from_slice(&piece);
        }
        if bytes.len() > MAX_COMPARED_BYTES || !memory.try_extend_to(bytes.len()) {
            return head.without_body();
        }
    }
    head.with_body(bytes.into())
}

/// Returns the response of the group itself, which is neither delayed nor changed. When its last byte has been forwarded, `sender` gets
/// what is compared of it, which this memory holds until then.
pub(super) fn observe_response(
    mut response: RawResponse,
    sender: oneshot::Sender<Compared>,
    memory: ReservedMemory,
) -> RawResponse {
    let head = ResponseHead::of(&response);
    response.content = match response.content {
        RawBody::Whole(bytes) => {
            // The other group may have gone on without it.
            let _ = sender.send(head.with_body(bytes.clone()));
            RawBody::Whole(bytes)
        }
        RawBody::Coming(body) if !head.is_json => {
            let _ = sender.send(head.without_body());
            RawBody::Coming(body)
        }
        RawBody::Coming(body) => {
            let mut observed = ObservedBody { body, head, bytes: Some((Vec::new(), memory)), sender: Some(sender) };
            observed.end_if_whole();
            RawBody::Coming(Box::pin(observed))
        }
    };
    response
}

/// A body that is collected while it is forwarded, up to what is compared.
struct ObservedBody {
    body: Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>,
    head: ResponseHead,
    /// What of it has been passed on; `None` if it is more than is compared, or if there is no memory for it.
    bytes: Option<(Vec<u8>, ReservedMemory)>,
    sender: Option<oneshot::Sender<Compared>>,
}

impl ObservedBody {
    fn note(&mut self, piece: &Bytes) {
        let Some((bytes, memory)) = &mut self.bytes else { return };
        let length = bytes.len() + piece.len();
        if length <= MAX_COMPARED_BYTES && memory.try_extend_to(length) {
            bytes.extend_from_slice(piece);
        } else {
            self.bytes = None;
        }
    }

    fn end(&mut self) {
        if let Some(sender) = self.sender.take() {
            let head = self.head;
            let _ =
                sender.send(self.bytes.take().map_or(head.without_body(), |(bytes, _)| head.with_body(bytes.into())));
        }
    }

    /// One whose length is known is not asked for its end.
    fn end_if_whole(&mut self) {
        if self.body.is_end_stream() {
            self.end();
        }
    }
}

impl Body for ObservedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(self.body.as_mut().poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(piece) = frame.data_ref() {
                    self.note(piece);
                }
                self.end_if_whole();
            }
            // A response that breaks off is not compared.
            Some(Err(_)) => self.sender = None,
            None => self.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use http_body_util::Full;

    use super::*;

    fn response(media: &'static str, text: String) -> RawResponse {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media))]);
        let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
        RawResponse::with_headers(StatusCode::OK, headers, RawBody::Coming(Box::pin(body)))
    }

    #[tokio::test]
    async fn a_response_is_forwarded_and_sent_to_the_comparison_at_its_end() {
        let (small, large) = ("[7]".to_owned(), "7".repeat(MAX_COMPARED_BYTES + 1));
        for (media, text, is_compared) in [
            ("application/json; charset=utf-8", &small, true),
            ("application/problem+json", &small, true),
            ("application/json", &String::new(), true),
            ("text/plain", &small, false),
            ("application/json", &large, false),
        ] {
            let expected = Compared::Response(StatusCode::OK, is_compared.then(|| Bytes::from(text.clone())));
            assert!(
                compared_response(response(media, text.clone()), ReservedMemory::default()).await == expected,
                "{media}"
            );
            let (sender, receiver) = oneshot::channel();
            let (_, RawBody::Coming(body), _) =
                observe_response(response(media, text.clone()), sender, ReservedMemory::default()).into_parts()
            else {
                panic!("it comes")
            };
            assert_eq!(body.size_hint().exact(), Some(text.len() as u64));
            assert_eq!(body.collect().await.unwrap().to_bytes(), text.as_bytes());
            assert!(receiver.await.unwrap() == expected, "{media}");
        }
        let (sender, receiver) = oneshot::channel();
        drop(observe_response(response("application/json", small), sender, ReservedMemory::default()));
        assert!(receiver.await.is_err(), "a client that leaves ends it");
    }
}
