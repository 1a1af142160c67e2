//! Long arrays that are passed on while they arrive, in constant memory.
//!
//! The response of the gateway begins when the beginning of the upstream's response has been read. From then on the client
//! sets the pace: more of the response is read only when the rows that have arrived are written. An error ends the rows,
//! and the response of the gateway breaks off.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http_body::Body as _;

use super::version::Description;
use crate::http::body::PIECE;
use crate::model::fault::{BoxError, Fault};
use crate::model::value::{SizeBudget, Value, value_of};
use crate::protocol::client_codec::{CallTarget, ResponseError};
use crate::protocol::response_rows::ResponseRows;
use crate::service::args::KnownParams;
use crate::service::result_memory::ReservedMemory;
use crate::service::rows::{end, separate};
use crate::service::{Encode, Format, RowSource};
use crate::upstream::transport::{Incoming, TransportError};

/// How many bytes the rest of a response may have so that its rows are sent as a whole.
const SHORT_REST: u64 = 8 << 20;
/// How many bytes such rows may have.
pub(super) const WHOLE_IF_SHORT: usize = 512 << 10;

/// How the method of a call is described; `description` is that with which the call was encoded.
#[derive(Clone)]
pub(super) struct CalledMethod {
    pub(super) name: Arc<str>,
    pub(super) description: Arc<Description>,
    /// The `id` of a JSON-RPC request that was sent in its original bytes; `None` for any other.
    pub(super) sent_id: Option<Arc<str>>,
}

impl CalledMethod {
    /// A method whose request is written by the codec of this description.
    pub(super) fn new(name: &str, description: Arc<Description>) -> CalledMethod {
        CalledMethod { name: name.into(), description, sent_id: None }
    }

    pub(super) fn target(&self) -> CallTarget<'_> {
        let Description { shapes, inferred, .. } = &*self.description;
        let known = shapes.method(&self.name).map(|method| KnownParams { method, shapes, inferred: *inferred });
        CallTarget { sent_id: self.sent_id.as_deref(), ..CallTarget::new(&self.name, known) }
    }
}

/// Why rows end too early.
pub(super) enum RowsError {
    /// The rest of the response does not arrive.
    Transport(TransportError),
    /// The rest of the response cannot be read.
    Response(ResponseError),
}

impl From<ResponseError> for RowsError {
    fn from(error: ResponseError) -> RowsError {
        RowsError::Response(error)
    }
}

/// Logs why rows end too early, and makes the fault.
pub(super) type Report = Box<dyn Fn(RowsError) -> Fault + Send>;

/// The rows of a response that is still arriving.
pub(super) struct IncomingRows {
    rows: Box<ResponseRows>,
    /// The rest of the response; `None` once all of it has arrived.
    rest: Option<Incoming>,
    method: CalledMethod,
    report: Report,
    state: RowsState,
    /// Rows that have been decoded and not yet taken.
    decoded: VecDeque<Value>,
    is_first: bool,
    memory: ReservedMemory,
}

enum RowsState {
    Going,
    /// All rows have been decoded, and the response is sound.
    Done,
    Failed(Fault),
}

impl IncomingRows {
    /// The rows of a response whose beginning has been read, and the memory for them.
    pub(super) fn new(
        rows: Box<ResponseRows>,
        rest: Incoming,
        method: CalledMethod,
        report: Report,
        memory: ReservedMemory,
    ) -> IncomingRows {
        let (state, decoded) = (RowsState::Going, VecDeque::new());
        IncomingRows { rows, rest: Some(rest), method, report, state, decoded, is_first: true, memory }
    }

    fn fail(&mut self, error: RowsError) -> BoxError {
        let fault = (self.report)(error);
        self.rest = None;
        self.state = RowsState::Failed(fault.clone());
        fault.into()
    }

    /// Reads until there is a portion of rows, or what there is when the upstream pauses.
    fn poll_arrived(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RowsError>> {
        loop {
            let is_whole_portion = self.rows.find_portion()?;
            if is_whole_portion && self.rows.has_rows() {
                return Poll::Ready(Ok(()));
            }
            let Some(rest) = &mut self.rest else { return Poll::Ready(Ok(())) };
            let frame = match Pin::new(rest).poll_frame(cx) {
                Poll::Pending if self.rows.has_rows() => return Poll::Ready(Ok(())),
                poll => ready!(poll),
            };
            match frame {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.rows.push(data);
                    }
                }
                Some(Err(error)) => {
                    return Poll::Ready(Err(RowsError::Transport(TransportError::broken_off(error))));
                }
                None => self.rest = None,
            }
        }
    }

    /// Decodes the rows that have arrived. Returns whether there are any.
    fn decode_portion(&mut self) -> Result<bool, RowsError> {
        // There may be several portions in what has arrived.
        self.rows.find_portion()?;
        if let Some(rows) = self.rows.next_portion(self.method.target())? {
            self.decoded = rows.into();
            return Ok(true);
        }
        if self.rest.is_none() {
            self.rows.finish(self.method.target())?;
            self.state = RowsState::Done;
        }
        Ok(false)
    }

    /// Makes sure that rows are decoded. Returns whether there are any; if not, they are done or have not arrived.
    fn prepare(&mut self) -> Result<bool, BoxError> {
        if !self.decoded.is_empty() {
            return Ok(true);
        }
        match &self.state {
            RowsState::Going => self.decode_portion().map_err(|error| self.fail(error)),
            RowsState::Done => Ok(false),
            RowsState::Failed(fault) => Err(fault.clone().into()),
        }
    }

    fn is_done(&self) -> bool {
        matches!(self.state, RowsState::Done)
    }
}

impl RowSource for IncomingRows {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if !self.decoded.is_empty() || !matches!(self.state, RowsState::Going) {
            return Poll::Ready(Ok(()));
        }
        self.poll_arrived(cx).map_err(|error| self.fail(error))
    }

    fn fill(&mut self, format: Format<'_>, to: &mut Vec<u8>, until: usize) -> Result<bool, BoxError> {
        while to.len() < until && self.prepare()? {
            for row in self.decoded.drain(..) {
                separate(format, to, &mut self.is_first);
                row.encode(format, to)?;
                end(format, to);
            }
        }
        Ok(!self.is_done())
    }

    fn values(&mut self, to: &mut Vec<Value>, most: usize, room: &mut SizeBudget) -> Result<bool, BoxError> {
        if most > 0 && self.prepare()? {
            for row in self.decoded.drain(..most.min(self.decoded.len())) {
                to.push(value_of(&row, room)?);
            }
        }
        Ok(!self.is_done())
    }

    fn take_memory(&mut self) -> Option<ReservedMemory> {
        Some(std::mem::take(&mut self.memory))
    }

    /// More, if the rest of the response is known to be short: an error in it is then a fault of its own.
    fn whole_up_to(&self) -> usize {
        let rest = self.rest.as_ref().map_or(Some(0), |rest| rest.size_hint().exact());
        if rest.is_some_and(|rest| rest <= SHORT_REST) { WHOLE_IF_SHORT } else { PIECE }
    }
}
