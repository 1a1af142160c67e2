//! Bodies that are collected to be kept, and are passed on as they come if there is too much of them.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::rows::PATIENCE;
use crate::model::fault::{BoxError, Fault, Kind};
use crate::service::future::with_timeout;
use crate::service::passthrough::{RawBody, size_after};
use crate::service::result_memory::{ReservedMemory, SMALL};

/// A body of which as much was collected as may be.
pub(super) enum CollectedBody {
    /// All of it.
    All(Bytes),
    /// The body as it came and comes: it is too long, too slow, or there is no memory for it.
    Rest(RawBody),
}

/// Collects a body of at most `most` bytes.
///
/// # Errors
/// `Unreachable` if the body breaks off: nothing of it has been passed on, so another response can take its place.
pub(super) async fn collect_body(
    body: RawBody,
    most: usize,
    mut memory: ReservedMemory,
) -> Result<CollectedBody, Fault> {
    let mut coming = match body {
        RawBody::Whole(bytes) if bytes.len() <= most => return Ok(CollectedBody::All(bytes)),
        whole @ RawBody::Whole(_) => return Ok(CollectedBody::Rest(whole)),
        RawBody::Coming(coming) => coming,
    };
    if coming.size_hint().lower() > most as u64 {
        return Ok(CollectedBody::Rest(RawBody::Coming(coming)));
    }
    // Copied, because a piece may be a small part of a large buffer, all of which it would keep in memory.
    let (mut first, begun) = (Vec::new(), Instant::now());
    loop {
        let patience = PATIENCE.saturating_sub(begun.elapsed());
        let frame = with_timeout(patience, poll_fn(|cx| coming.as_mut().poll_frame(cx))).await;
        let is_in_time = frame.is_some();
        match frame.flatten() {
            Some(Ok(frame)) => {
                if let Ok(piece) = frame.into_data() {
                    first.extend_from_slice(&piece);
                }
            }
            Some(Err(_)) => {
                return Err(Fault::new(Kind::Unreachable, "the response of the upstream server broke off"));
            }
            None if is_in_time => return Ok(CollectedBody::All(first.into())),
            None => {}
        }
        let fits = first.len() <= most && (first.len() <= SMALL || memory.try_extend_to(first.len()));
        if !is_in_time || !fits {
            let body = ResumedBody { first: Some((first.into(), memory)), rest: coming };
            return Ok(CollectedBody::Rest(RawBody::Coming(Box::pin(body))));
        }
    }
}

/// A body whose first bytes were collected, with their memory.
struct ResumedBody {
    first: Option<(Bytes, ReservedMemory)>,
    rest: Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>,
}

impl Body for ResumedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.first.take() {
            Some((first, _memory)) if !first.is_empty() => Poll::Ready(Some(Ok(Frame::data(first)))),
            _ => self.rest.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, |(first, _)| first.len());
        size_after(first, &self.rest.size_hint())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::BodyExt;

    use super::*;

    /// A body of these pieces; `None` is a pause that does not end.
    struct Pieces(VecDeque<Option<Result<&'static str, &'static str>>>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            match self.0.pop_front() {
                None => Poll::Ready(None),
                Some(None) => Poll::Pending,
                Some(Some(piece)) => {
                    Poll::Ready(Some(piece.map(|text| Frame::data(text.into())).map_err(BoxError::from)))
                }
            }
        }
    }

    async fn collected(pieces: Vec<Option<Result<&'static str, &'static str>>>) -> Result<CollectedBody, Fault> {
        let body = RawBody::Coming(Box::pin(Pieces(pieces.into())));
        collect_body(body, 7, ReservedMemory::default()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_collected_up_to_its_bound_and_nothing_of_it_is_lost() {
        let Ok(CollectedBody::All(all)) = collected(vec![Some(Ok("abc")), Some(Ok("defg"))]).await else {
            panic!("it fits")
        };
        assert_eq!(all, "abcdefg");
        for pieces in [
            vec![Some(Ok("abc")), Some(Ok("defgh")), Some(Ok("i"))],
            vec![Some(Ok("abc")), None, Some(Ok("defgh")), Some(Ok("i"))],
            vec![None, Some(Ok("abcdefghi"))],
        ] {
            let Ok(CollectedBody::Rest(RawBody::Coming(rest))) = collected(pieces).await else {
                panic!("more or later")
            };
            assert_eq!(rest.collect().await.unwrap().to_bytes(), "abcdefghi");
        }
        let broken = collected(vec![Some(Ok("abc")), Some(Err("gone"))]).await.err().unwrap();
        assert_eq!(broken.kind, Kind::Unreachable);
    }
}
