//! The body of a request.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};

use crate::model::fault::BoxError;
use crate::service::unread_body::UnreadBody;

/// An extension of a request: the body of its response stays compressed if it is.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "a client alone passes no requests on"))]
pub(crate) struct KeepCoding;

/// A request on its way to a server. It is boxed, because each future on this way would hold it several times.
pub(super) type OutgoingRequest = Box<Request<Bytes>>;

/// The body of a request: bytes, or what arrives from a client.
///
/// The requests of a transport have bytes as their bodies, so that they can be sent again. A body that arrives is an extension
/// of its request, and is read only when it is sent.
pub(super) enum OutgoingBody {
    Whole(Bytes),
    Arriving(UnreadBody),
}

/// The body that arrives while a request is sent, if it has one.
pub(crate) fn arriving<B>(request: &Request<B>) -> Option<UnreadBody> {
    request.extensions().get::<UnreadBody>().cloned()
}

impl OutgoingBody {
    pub(super) fn of(request: OutgoingRequest) -> Request<OutgoingBody> {
        let arriving = arriving(&request);
        (*request).map(|bytes| arriving.map_or(OutgoingBody::Whole(bytes), OutgoingBody::Arriving))
    }

    /// The bytes of a body that was not sent.
    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            OutgoingBody::Whole(bytes) => bytes,
            OutgoingBody::Arriving(_) => Bytes::new(),
        }
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            OutgoingBody::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            OutgoingBody::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            OutgoingBody::Arriving(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            OutgoingBody::Whole(bytes) => bytes.is_empty(),
            OutgoingBody::Arriving(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            OutgoingBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            OutgoingBody::Arriving(body) => body.size_hint(),
        }
    }
}
