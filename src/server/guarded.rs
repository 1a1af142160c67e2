//! A response body that knows when it is out: what was held for it is given back, and what it came to is told.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use super::access::Open;
use super::rim::Place;
use super::watch::{Busy, Stream};
use crate::body::Body;
use crate::fault::BoxError;

/// A response body with what is held while it is being sent.
pub(super) struct Guarded {
    pub(super) body: Body,
    /// The place among the requests that are being answered.
    #[expect(dead_code, reason = "it is held to be dropped with the body")]
    pub(super) place: Option<Place>,
    /// The line for the access log, written when the body is out.
    pub(super) line: Option<Open>,
    /// For HTTP/2: the watch over this stream.
    pub(super) stream: Option<Arc<Stream>>,
    /// The connection's note that a request is being answered.
    #[expect(dead_code, reason = "it is held to be dropped with the body")]
    pub(super) busy: Busy,
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let poll = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(stream) = &self.stream {
            if poll.is_ready() { stream.handed() } else { stream.waiting() }
        }
        if let Some(line) = &mut self.line {
            match &poll {
                Poll::Ready(Some(Ok(frame))) => line.sent(frame.data_ref().map_or(0, Bytes::len)),
                Poll::Ready(Some(Err(error))) => line.broke(error),
                _ => {}
            }
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let whole = self.body.is_end_stream();
        if let Some(line) = &mut self.line {
            line.close(whole);
        }
    }
}
