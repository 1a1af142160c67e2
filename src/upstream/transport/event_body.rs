//! The body of a response that is a stream of events.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::BytesMut;
use http_body::Body as _;
use http_body_util::BodyExt as _;

use super::body::{CollectedBody, Incoming};
use super::error::TransportError;
use super::event_stream::EventFinder;
use crate::service::result_memory::{ReservedMemory, SMALL};

/// How many frames are looked at behind the response, for the end of the stream.
const FRAMES_AT_END: usize = 4;

impl Incoming {
    /// Collects the response in a stream of events.
    ///
    /// # Errors
    /// As for [`collect_within`](Incoming::collect_within), and if the stream ends without the response. All events together may have
    /// `limit` bytes.
    pub(super) async fn collect_event(
        &mut self,
        mut finder: EventFinder,
        limit: usize,
        collected: &mut CollectedBody,
        memory: &mut ReservedMemory,
    ) -> Result<(), TransportError> {
        let deadline = self.deadline();
        let mut buffer = BytesMut::new();
        let mut total = 0_usize;
        loop {
            let Some(frame) = self.frame().await else {
                let last = finder.finish(&mut buffer).ok_or_else(|| {
                    TransportError::broken_off("the stream of events ended without the response".into())
                })?;
                *collected = CollectedBody::beginning_with(last);
                return Ok(());
            };
            let Ok(data) = frame.map_err(TransportError::broken_off)?.into_data() else { continue };
            total = total.saturating_add(data.len());
            if total > limit {
                return Err(TransportError::too_large(limit));
            }
            let length = buffer.len() + data.len();
            if length > SMALL && length > memory.bytes() {
                let until = length.saturating_mul(2).min(limit);
                memory.extend_to(until, deadline).await.map_err(TransportError::no_memory)?;
            }
            buffer.extend_from_slice(&data);
            if let Some(response) = finder.find(&mut buffer) {
                self.look_for_end().await;
                *collected = CollectedBody::beginning_with(response);
                return Ok(());
            }
        }
    }

    /// Reads what has already arrived: if that is the end of the stream, its connection can be used again.
    async fn look_for_end(&mut self) {
        poll_fn(|cx| {
            for _ in 0..FRAMES_AT_END {
                match Pin::new(&mut *self).poll_frame(cx) {
                    Poll::Ready(Some(Ok(_))) => {}
                    _ => break,
                }
            }
            Poll::Ready(())
        })
        .await;
    }
}
