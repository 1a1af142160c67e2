//! A response body that tracks how much of it has been sent, and releases what its request holds when it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::activity::Activity;
use super::in_flight::InFlight;
use crate::http::body::Body;
use crate::model::fault::BoxError;
use crate::service::counters::Ending;
use crate::service::request_record::RequestRecord;

/// A response body with its request, which is in flight until the body has been sent or dropped.
pub(super) struct TrackedBody {
    pub(super) body: Body,
    pub(super) in_flight: InFlight,
    /// For HTTP/2: the rest of a piece of which a part has been given to the connection.
    pub(super) rest: Option<Box<Bytes>>,
}

/// The body of a request, whose bytes are counted for the access log. If it is not read to its end, the connection lingers
/// when it closes.
pub(super) struct CountedBody {
    body: Incoming,
    /// `None` if there is no access log.
    record: Option<Arc<RequestRecord>>,
    activity: Arc<Activity>,
    /// Whether the client waits for status 100 before it sends any of it.
    waits: bool,
    progress: Progress,
}

/// How far the body of a request has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Untouched,
    Begun,
    Ended,
}

impl CountedBody {
    pub(super) fn new(
        body: Incoming,
        record: Option<Arc<RequestRecord>>,
        activity: &Arc<Activity>,
        headers: &HeaderMap,
    ) -> CountedBody {
        let expect = headers.get(header::EXPECT).map(HeaderValue::as_bytes);
        let waits = expect.is_some_and(|expected| expected.eq_ignore_ascii_case(b"100-continue"));
        CountedBody { body, record, activity: activity.clone(), waits, progress: Progress::Untouched }
    }
}

impl Drop for CountedBody {
    fn drop(&mut self) {
        let is_whole = self.is_end_stream();
        // A client that waits for status 100 has sent nothing of its body.
        if !is_whole && (self.progress == Progress::Begun || !self.waits) {
            self.activity.note_unread_body();
        }
    }
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let poll = Pin::new(&mut self.body).poll_frame(cx);
        self.progress = if matches!(poll, Poll::Ready(None)) { Progress::Ended } else { Progress::Begun };
        if let (Some(record), Poll::Ready(Some(Ok(frame)))) = (&self.record, &poll) {
            record.count_received(frame.data_ref().map_or(0, Bytes::len));
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.progress == Progress::Ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How many bytes of a response are given to an HTTP/2 connection at a time: a frame has no more by default. It takes the next
/// ones when it has passed these on, so with larger pieces the pace of the client would be measured more coarsely.
const STREAM_PIECE: usize = 16 * 1024;

impl TrackedBody {
    /// The next frame, which has at most [`STREAM_PIECE`] bytes in HTTP/2.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(stream) = &self.in_flight.stream else { return Pin::new(&mut self.body).poll_frame(cx) };
        let frame = match self.rest.take() {
            Some(rest) => Frame::data(*rest),
            None => match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Pending => {
                    stream.piece_pending();
                    return Poll::Pending;
                }
                ended => return ended,
            },
        };
        let frame = match frame.into_data() {
            Ok(mut data) => {
                if data.len() > STREAM_PIECE {
                    self.rest = Some(Box::new(data.split_off(STREAM_PIECE)));
                }
                stream.piece_sent(data.len());
                Frame::data(data)
            }
            Err(trailers) => trailers,
        };
        Poll::Ready(Some(Ok(frame)))
    }
}

impl http_body::Body for TrackedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let poll = self.poll_piece(cx);
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
        self.rest.is_none() && self.body.is_end_stream()
    }

    /// The connection asks before the first frame, when there is no rest of one.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        let whole = self.is_end_stream();
        if let Some(line) = &mut self.in_flight.line {
            line.record_end(whole);
        }
        if !whole {
            self.in_flight.metered.end(Ending::ClientGone);
        }
    }
}
