//! A response body that tracks how much of it has been sent, and releases what its request holds when it ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use super::in_flight::InFlight;
use crate::http::body::Body;
use crate::model::fault::BoxError;
use crate::service::counters::Ending;

/// A response body with its request, which is in flight until the body has been sent or dropped.
pub(super) struct TrackedBody {
    pub(super) body: Body,
    pub(super) in_flight: InFlight,
}

impl http_body::Body for TrackedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let poll = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(stream) = &self.in_flight.stream {
            if poll.is_ready() { stream.piece_sent() } else { stream.piece_pending() }
        }
        if let Poll::Ready(Some(Ok(frame))) = &poll {
            self.in_flight.metered.count_sent(frame.data_ref().map_or(0, Bytes::len) as u64);
        }
        if let Some(line) = &mut self.in_flight.line {
            match &poll {
                Poll::Ready(Some(Ok(frame))) => line.count_sent(frame.data_ref().map_or(0, Bytes::len)),
                Poll::Ready(Some(Err(error))) => line.record_error(error),
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

impl Drop for TrackedBody {
    fn drop(&mut self) {
        let whole = self.body.is_end_stream();
        if let Some(line) = &mut self.in_flight.line {
            line.record_end(whole);
        }
        if !whole {
            self.in_flight.metered.end(Ending::ClientGone);
        }
    }
}
