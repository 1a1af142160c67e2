//! Response bodies: whole, or made piece by piece as the client reads them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::http::turn::charge;
use crate::model::fault::{BoxError, Fault};
use crate::service::passthrough::RawResponse;
use crate::service::permit::ResponsePermit;
use crate::service::result_memory::ReservedMemory;
use crate::service::{Rows, passthrough};

/// The size of a piece in bytes. A response of any length holds about this much memory.
pub(crate) const PIECE: usize = 64 * 1024;

/// How many bytes of the first piece are made before other tasks have their turn, so that many large responses that begin
/// at the same time do not delay small ones.
const TURN: usize = 16 * 1024;

/// What a body holds until it is sent, such as a permit or a part of a memory budget.
pub(crate) type Held = Box<dyn Any + Send + Sync>;

/// An extension of a response that is that of an upstream from end to end: its body must not be changed on the way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndToEnd;

/// A response body.
#[derive(Default)]
pub struct Body {
    content: BodyContent,
    held: Option<Held>,
    /// Whether memory is reserved for all of it.
    is_reserved: bool,
}

#[derive(Default)]
enum BodyContent {
    #[default]
    Empty,
    Whole(Bytes),
    Pieces(Pieces),
    Coming(ComingBody),
}

/// A body that arrives while it is sent, such as that of an upstream.
struct ComingBody {
    body: Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>,
    /// The permit of the call, until all of the body has arrived.
    permit: Option<ResponsePermit>,
}

/// What makes a body piece by piece.
pub trait Source: Send {
    /// Appends to `to` until it is `until` bytes long or more, or a turn of work is done, which may be less. Returns
    /// whether there may be more. What is appended is sent only when this is ready.
    ///
    /// # Errors
    /// Where the rest cannot be made. The connection is then closed: the client has read a part of the response, and a
    /// closed connection is the only way left to report the error.
    fn poll_fill(&mut self, cx: &mut Context<'_>, to: &mut Vec<u8>, until: usize) -> Poll<Result<bool, BoxError>>;

    /// The rows of which the body is made, if it is made of rows.
    fn rows(&mut self) -> Option<&mut Rows> {
        None
    }
}

/// A body that is being made.
struct Pieces {
    source: Box<dyn Source>,
    /// Bytes that are made and not sent yet.
    filled: Vec<u8>,
    /// Pieces that are being sent. When the socket has released a piece, its memory is used again.
    lent: Vec<Bytes>,
    /// Whether the source is still at work on the piece, even if there is enough of it.
    at_work: bool,
    done: bool,
}

impl Body {
    /// A body of these bytes, with a known length.
    pub fn whole(bytes: impl Into<Bytes>) -> Body {
        Body { content: BodyContent::Whole(bytes.into()), held: None, is_reserved: false }
    }

    /// A body of these bytes, which holds what they need of the memory that is reserved for the result.
    pub(crate) fn reserved(mut bytes: Vec<u8>, memory: Option<ReservedMemory>) -> Body {
        let Some(memory) = memory else { return Body::whole(bytes) };
        bytes.shrink_to_fit();
        let mut body = Body::whole(bytes);
        body.hold_needed(memory);
        body
    }

    /// Holds what a whole body needs of the memory that is reserved for the result.
    pub(crate) fn hold_needed(&mut self, mut memory: ReservedMemory) {
        memory.shrink_to(self.as_whole().map_or(0, Bytes::len));
        self.is_reserved = true;
        if !memory.is_empty() {
            self.hold(memory);
        }
    }

    /// A body from a source. It is whole, with a known length, if it is short: clients of
    /// HTTP/1.0 need the length.
    ///
    /// # Errors
    /// Where the first piece cannot be made. An error response is still possible then.
    pub async fn gather(source: impl Source + 'static) -> Result<Body, BoxError> {
        let mut pieces =
            Pieces { source: Box::new(source), filled: Vec::new(), lent: Vec::new(), at_work: false, done: false };
        let until = pieces.source.rows().map_or(PIECE, |rows| rows.whole_up_to());
        loop {
            let turn = until.min(pieces.filled.len() + TURN);
            std::future::poll_fn(|cx| pieces.poll_fill(cx, turn)).await?;
            if pieces.done || pieces.filled.len() >= until {
                break;
            }
            tokio::task::yield_now().await;
        }
        if !pieces.done {
            return Ok(Body { content: BodyContent::Pieces(pieces), held: None, is_reserved: false });
        }
        let memory = pieces.source.rows().and_then(Rows::take_memory);
        Ok(Body::reserved(pieces.filled, memory))
    }

    /// A body from a source, of any length.
    pub fn stream(source: impl Source + 'static) -> Body {
        let pieces =
            Pieces { source: Box::new(source), filled: Vec::new(), lent: Vec::new(), at_work: false, done: false };
        Body { content: BodyContent::Pieces(pieces), held: None, is_reserved: false }
    }

    /// A body that arrives while it is sent. Each piece is sent as it arrives.
    pub(crate) fn coming(body: impl http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static) -> Body {
        let content = BodyContent::Coming(ComingBody { body: Box::pin(body), permit: None });
        Body { content, held: None, is_reserved: false }
    }

    /// The body of an upstream's response, with its headers.
    pub(crate) fn passthrough(raw: RawResponse) -> (HeaderMap, Body) {
        let (headers, content, permit) = raw.into_parts();
        let body = match content {
            passthrough::RawBody::Whole(bytes) => Body::whole(bytes),
            passthrough::RawBody::Coming(coming) => {
                let content = BodyContent::Coming(ComingBody { body: coming, permit });
                Body { content, held: None, is_reserved: false }
            }
        };
        (headers, body)
    }

    /// The bytes of a whole body.
    pub fn as_whole(&self) -> Option<&Bytes> {
        match &self.content {
            BodyContent::Whole(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// How many bytes are in memory without being reserved there, for a whole body.
    pub(crate) fn unreserved_bytes(&self) -> usize {
        self.as_whole().filter(|_| !self.is_reserved).map_or(0, Bytes::len)
    }

    /// Holds a part of a budget until the body is sent. For a whole body it is tied to the bytes: the server drops the
    /// body early, while a piece in its write buffer still keeps all of the memory alive.
    pub(crate) fn hold(&mut self, held: impl Send + Sync + 'static) {
        match &mut self.content {
            BodyContent::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.content = BodyContent::Whole(Bytes::from_owner(Covered { bytes, _held: held }));
            }
            _ => self.held = Some(Box::new((held, self.held.take()))),
        }
    }
}

/// Bytes with what they hold.
struct Covered<T> {
    bytes: Bytes,
    _held: T,
}

impl<T> AsRef<[u8]> for Covered<T> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let piece = match &mut self.content {
            BodyContent::Empty => None,
            BodyContent::Whole(bytes) if bytes.is_empty() => None,
            BodyContent::Whole(bytes) => Some(Ok(bytes.split_to(bytes.len().min(PIECE)))),
            BodyContent::Pieces(pieces) => ready!(pieces.poll_next(cx)),
            BodyContent::Coming(coming) => return coming.poll_frame(cx),
        };
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            BodyContent::Empty => true,
            BodyContent::Whole(bytes) => bytes.is_empty(),
            BodyContent::Pieces(pieces) => pieces.done && pieces.filled.is_empty(),
            BodyContent::Coming(coming) => coming.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            BodyContent::Empty => SizeHint::with_exact(0),
            BodyContent::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            BodyContent::Pieces(_) => SizeHint::default(),
            BodyContent::Coming(coming) => coming.body.size_hint(),
        }
    }
}

impl ComingBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(permit) = &self.permit else { return self.body.as_mut().poll_frame(cx) };
        permit.resume();
        let frame = ready!(self.body.as_mut().poll_frame(cx));
        permit.pause();
        if self.body.is_end_stream() || !matches!(frame, Some(Ok(_))) {
            self.permit = None;
        }
        Poll::Ready(frame)
    }
}

impl Pieces {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        if self.filled.capacity() == 0 && !self.done {
            self.filled = self.used_again();
        }
        if !self.done && (self.at_work || self.filled.len() < PIECE) {
            if let Err(error) = ready!(self.poll_fill(cx, PIECE)) {
                self.done = true;
                self.filled = Vec::new();
                return Poll::Ready(Some(Err(error)));
            }
            if !self.done && self.filled.len() < PIECE {
                // The source has done a turn of work. Others of the thread have theirs now.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        if self.filled.is_empty() {
            return Poll::Ready(None);
        }
        // To make bytes costs more than to send them: a task yields after about one piece.
        charge(cx, 3 * self.filled.len());
        // The next buffer is allocated when the next piece is polled: a client that does not read holds one, not two.
        let piece = Bytes::from(std::mem::take(&mut self.filled));
        self.lent.push(piece.clone());
        Poll::Ready(Some(Ok(piece)))
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, until: usize) -> Poll<Result<(), BoxError>> {
        let Pieces { source, filled, .. } = self;
        let filling = catch_unwind(AssertUnwindSafe(|| source.poll_fill(cx, filled, until)));
        self.at_work = matches!(filling, Ok(Poll::Pending));
        match filling {
            Ok(poll) => self.done = !ready!(poll)?,
            Err(_) => return Poll::Ready(Err(Fault::internal().into())),
        }
        Poll::Ready(Ok(()))
    }

    /// An empty buffer: that of a piece which has been sent, if there is one.
    fn used_again(&mut self) -> Vec<u8> {
        let free = self.lent.iter().position(Bytes::is_unique);
        match free.map(|at| self.lent.swap_remove(at)) {
            Some(piece) => {
                let mut buffer = Vec::from(piece);
                buffer.clear();
                buffer
            }
            None => Vec::with_capacity(PIECE + PIECE / 16),
        }
    }
}
