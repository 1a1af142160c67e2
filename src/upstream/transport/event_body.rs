//! Collects the response from a body that is a stream of events.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::BytesMut;
use http_body::Body as _;
use http_body_util::BodyExt as _;

use super::body::{CollectedBody, Incoming};
use super::cancel_on_drop::CancelOnDrop;
use super::error::TransportError;
use super::event_stream::ExpectedEvent;
use crate::service::result_memory::{ReservedMemory, SMALL};

/// How many frames behind the response are read to reach the end of the stream.
const FRAMES_AT_END: usize = 4;

impl Incoming {
    /// Reads the stream of events until the response is found.
    ///
    /// # Errors
    /// As for [`collect_within`](Incoming::collect_within), and if the stream ends without the response. `limit` is for all events
    /// together.
    pub(super) async fn collect_event(
        &mut self,
        ExpectedEvent { mut finder, mut cancel }: ExpectedEvent,
        limit: usize,
        collected: &mut CollectedBody,
        memory: &mut ReservedMemory,
    ) -> Result<(), TransportError> {
        let deadline = self.deadline();
        let mut buffer = BytesMut::new();
        let mut total = 0_usize;
        loop {
            let Some(frame) = self.frame().await else {
                // The server waits for nothing any more.
                disarm(&mut cancel);
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
                disarm(&mut cancel);
                self.read_arrived().await;
                *collected = CollectedBody::beginning_with(response);
                return Ok(());
            }
        }
    }

    /// Reads what has already arrived. If that is the end of the stream, the connection can be used again.
    async fn read_arrived(&mut self) {
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

fn disarm(cancel: &mut Option<CancelOnDrop>) {
    if let Some(cancel) = cancel {
        cancel.disarm();
    }
}
