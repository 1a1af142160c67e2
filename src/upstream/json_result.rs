//! The long result of a JSON-RPC response that is passed on while it arrives.
//!
//! What surrounds the result is written anew, so that it is a response of version 2.0 to the request of the client, in
//! whichever order and form the server writes its members. The bytes of the result stay as they are. What follows the result is
//! read before the end is sent: if it does not belong to a response to this request, the response breaks off.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::incoming_rows::{Report, RowsError};
use crate::codec::json::members::{present, without_nul};
use crate::codec::json::rows::members_before;
use crate::codec::json::value_end::ValueEnd;
use crate::model::fault::{BoxError, Fault, Kind};
use crate::protocol::client_codec::ResponseError;
use crate::protocol::jsonrpc::client::is_same_id;
use crate::upstream::transport::{Incoming, TransportError};

/// How many bytes may follow the result.
const MAX_TAIL: usize = 64 << 10;

/// What of a response surrounds its result.
#[derive(Debug, Default, Deserialize)]
struct Surroundings<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    /// `None` if it is `null`.
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// The place of a result in the beginning of a response.
pub(super) struct ResultPlace {
    /// Where its value begins.
    begin: usize,
}

impl ResultPlace {
    /// The place of the result, if nothing before it contradicts that this is a response to the request with this id.
    pub(super) fn find(beginning: &[u8], sent_id: &str) -> Option<ResultPlace> {
        let (members, begin) = members_before(beginning, b"result")?;
        let sound = members.into_iter().all(|(name, value)| match name {
            b"id" => std::str::from_utf8(value).is_ok_and(|id| is_same_id(sent_id, id.trim_ascii())),
            b"error" => value.trim_ascii() == b"null",
            _ => true,
        });
        sound.then_some(ResultPlace { begin })
    }
}

/// A response whose result is passed on while it arrives.
pub(super) struct JsonResultBody {
    sent_id: Box<str>,
    /// The first frame, until it is sent.
    first: Option<Bytes>,
    /// What follows; `None` once all of it has arrived.
    rest: Option<Incoming>,
    end: ValueEnd,
    /// Whether the end of the result has been found.
    is_behind: bool,
    /// The response with `null` in place of its result.
    surroundings: Vec<u8>,
    report: Report,
}

impl JsonResultBody {
    /// The response with this beginning, in which the result has its place.
    pub(super) fn new(
        (beginning, place): (Bytes, ResultPlace),
        rest: Incoming,
        sent_id: &str,
        report: Report,
    ) -> JsonResultBody {
        let before = beginning.slice(..place.begin);
        let mut surroundings = before.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&before).to_vec();
        surroundings.extend_from_slice(b"null");
        let (end, is_behind) = (ValueEnd::default(), false);
        let mut body = JsonResultBody {
            sent_id: sent_id.into(),
            first: None,
            rest: Some(rest),
            end,
            is_behind,
            surroundings,
            report,
        };
        let mut first = format!("{{\"jsonrpc\":\"2.0\",\"id\":{sent_id},\"result\":").into_bytes();
        first.extend_from_slice(&body.result_part(beginning.slice(place.begin..)));
        body.first = Some(first.into());
        body
    }

    /// The part of a piece that belongs to the result.
    fn result_part(&mut self, mut piece: Bytes) -> Bytes {
        let behind = if self.is_behind { Some(0) } else { self.end.find(&piece) };
        let Some(behind) = behind else { return piece };
        self.is_behind = true;
        self.surroundings.extend_from_slice(&piece.split_off(behind));
        piece
    }

    /// Checks what surrounds the result, of which all has arrived.
    fn check(&self) -> Result<(), &'static str> {
        if !self.is_behind {
            return Err("the document ends in the middle of the result");
        }
        let read = serde_json::from_slice::<Surroundings<'_>>(without_nul(&self.surroundings));
        let Surroundings { id, error } = read.map_err(|_| "what follows the result is not JSON")?;
        match (id, error) {
            (_, Some(_)) => Err("the response has both a result and an error"),
            (None, _) => Err("the response has no `id`"),
            (Some(id), _) if !is_same_id(&self.sent_id, id.get()) => Err("the response has the `id` of another call"),
            _ => Ok(()),
        }
    }

    fn fail(&mut self, error: RowsError) -> BoxError {
        self.rest = None;
        (self.report)(error).into()
    }

    fn malformed(&mut self, reason: &'static str) -> BoxError {
        self.fail(RowsError::Response(ResponseError::Malformed(Fault::new(Kind::Structure, reason))))
    }
}

impl Body for JsonResultBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        loop {
            let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
            let piece = match ready!(Pin::new(rest).poll_frame(cx)) {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    let error = RowsError::Transport(TransportError::broken_off(error));
                    return Poll::Ready(Some(Err(self.fail(error))));
                }
                None => {
                    let checked = self.check();
                    self.rest = None;
                    return Poll::Ready(Some(match checked {
                        Ok(()) => Ok(Frame::data(Bytes::from_static(b"}"))),
                        Err(reason) => Err(self.malformed(reason)),
                    }));
                }
            };
            let part = self.result_part(piece);
            if self.surroundings.len() > MAX_TAIL {
                return Poll::Ready(Some(Err(self.malformed("too much follows the result"))));
            }
            if !part.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(part))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_none()
    }
}
