//! The batch machine: it runs the calls of a `system.multicall` or of a JSON-RPC batch and writes their results in order.
//!
//! A protocol implements [`Entries`]: it reads the entries of the request one by one, and writes what surrounds a result.
//! [`BatchResponse`] does the rest, as a [`Source`] of the body, so that the first results leave before the last calls
//! have begun:
//!
//! - If the service [supports batches](RpcService::supports_batching), all calls begin at once. Otherwise up to
//!   [`Entries::CONCURRENT`] of them run at a time.
//! - A result is written as soon as all results before it are. Rows are written piece by piece.
//! - A malformed entry, or a call that fails, is a fault of its own and leaves the other calls alone.
//! - After 5 ms without a pause the machine yields, so that a long batch does not hold up other connections.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};
use std::time::{Duration, Instant};
use std::vec::IntoIter;

use crate::http::body::Source;
use crate::model::fault::{BoxError, Fault, Kind};
use crate::protocol::frontend;
use crate::service::future::MaybeReady;
use crate::service::{BatchFuture, Call, CallFuture, Encode, Format, Output, Rows, RpcService};

/// How long the calls of one batch may keep a worker before others get their turn.
const TURN: Duration = Duration::from_millis(5);

/// The entries of a batch: what a protocol contributes to the [machine](BatchResponse).
pub(super) trait Entries: Send {
    /// What the result of an entry needs of its request in order to be written, such as an `id`.
    type Frame: Send;

    /// How many calls run at a time.
    const CONCURRENT: usize;

    /// Begins all calls of the service at once; `None` if the service does not support that.
    fn begin_all(&self) -> Option<BatchFuture>;

    /// Begins the next call, or takes its result from `batched`; `None` after the last entry.
    fn begin_next(&mut self, batched: &mut BatchState) -> Option<(Self::Frame, CallFuture)>;

    /// How values are written.
    fn format(&self) -> Format<'_>;

    /// Whether a result is not written, such as that of a notification.
    fn is_silent(&self, _frame: &Self::Frame) -> bool {
        false
    }

    /// Writes what precedes all results.
    fn write_head(&self, to: &mut Vec<u8>);

    /// Writes what precedes a result that is `first` or follows another.
    fn write_separator(&self, first: bool, to: &mut Vec<u8>);

    /// Writes what precedes a value.
    fn write_result_head(&self, frame: &Self::Frame, to: &mut Vec<u8>);

    /// Writes what follows a value.
    fn write_result_tail(&self, frame: &Self::Frame, to: &mut Vec<u8>);

    /// What surrounds the items of a value that is an array.
    fn array(&self) -> (&'static [u8], &'static [u8]);

    /// Writes a fault in place of a result.
    fn write_fault(&self, frame: &Self::Frame, fault: &Fault, to: &mut Vec<u8>);

    /// Writes what follows all results; `empty` if there are none.
    fn write_tail(&self, empty: bool, to: &mut Vec<u8>);
}

/// Refuses a batch of more calls than the group allows.
///
/// # Errors
/// `Limit` where `count` is more than `limit`.
pub(super) fn check_count(count: usize, limit: usize) -> Result<(), Fault> {
    if count > limit {
        return Err(Fault::new(Kind::Limit, format!("{count} calls at once; at most {limit} are allowed")));
    }
    Ok(())
}

/// Begins these calls at once, if the service supports that.
pub(super) fn begin_all<'c>(
    service: &dyn RpcService,
    calls: impl IntoIterator<Item = Call<'c>>,
) -> Option<BatchFuture> {
    if !service.supports_batching() {
        return None;
    }
    service.call_batch(&calls.into_iter().collect::<Vec<_>>())
}

/// The calls of a batch that the service runs together, and their results.
#[derive(Default)]
pub(super) enum BatchState {
    /// Each call begins by itself.
    #[default]
    Separate,
    /// The calls are running.
    Running(BatchFuture),
    /// The results that are not taken yet, in the order of the calls.
    Done(IntoIter<Result<Box<dyn Encode>, Fault>>),
}

impl BatchState {
    fn new(calls: Option<BatchFuture>) -> BatchState {
        calls.map_or(BatchState::Separate, BatchState::Running)
    }

    /// Waits for the results, if the calls run together.
    fn poll(&mut self, cx: &mut Task<'_>) -> Poll<()> {
        if let BatchState::Running(calls) = self {
            *self = BatchState::Done(ready!(Pin::new(calls).poll(cx)).into_iter());
        }
        Poll::Ready(())
    }

    /// The result of the next of the calls that run together; `None` if each call begins by itself.
    pub(super) fn take_next(&mut self) -> Option<CallFuture> {
        match self {
            BatchState::Done(results) => {
                let result = results.next().unwrap_or_else(|| Err(Fault::internal()));
                Some(MaybeReady::now(result.map(Output::One)))
            }
            BatchState::Separate | BatchState::Running(_) => None,
        }
    }
}

/// A call that has begun and is not written yet.
struct Running<F> {
    frame: F,
    state: State,
}

enum State {
    Pending(CallFuture),
    Ready(Result<Output, Fault>),
}

impl<F> Running<F> {
    fn poll(&mut self, cx: &mut Task<'_>) {
        if let State::Pending(call) = &mut self.state
            && let Poll::Ready(result) = Pin::new(call).poll(cx)
        {
            self.state = State::Ready(result);
        }
    }

    /// Whether the result is made while it is written, and holds its permit until then.
    fn is_rows(&self) -> bool {
        matches!(self.state, State::Ready(Ok(Output::Many(_))))
    }
}

/// The body of the response to a batch.
pub(super) struct BatchResponse<E: Entries> {
    entries: E,
    batched: BatchState,
    /// The calls in the order of their entries; the first is written next.
    running: VecDeque<Running<E::Frame>>,
    /// The rows that are being written.
    rows: Option<(E::Frame, Rows)>,
    head_written: bool,
    /// Whether no result is written yet.
    empty: bool,
}

impl<E: Entries> BatchResponse<E> {
    /// The response to these entries. If the service runs them together, they begin now.
    pub(super) fn new(entries: E) -> BatchResponse<E> {
        let batched = BatchState::new(entries.begin_all());
        BatchResponse { entries, batched, running: VecDeque::new(), rows: None, head_written: false, empty: true }
    }

    /// Whether another call may begin. None begins behind rows: the client decides how long these take, and the call
    /// would hold its permit for as long.
    fn has_room(&self) -> bool {
        self.running.len() < E::CONCURRENT && !self.running.iter().any(Running::is_rows)
    }

    /// Begins another call, if there is one.
    fn begin(&mut self, cx: &mut Task<'_>) -> bool {
        let Some((frame, call)) = self.entries.begin_next(&mut self.batched) else { return false };
        let mut running = Running { frame, state: State::Pending(call) };
        running.poll(cx);
        self.running.push_back(running);
        true
    }

    /// The result that is to be written next, if it is ready.
    fn next_ready(&mut self) -> Option<(E::Frame, Result<Output, Fault>)> {
        match self.running.pop_front()? {
            Running { frame, state: State::Ready(result) } => Some((frame, result)),
            pending => {
                self.running.push_front(pending);
                None
            }
        }
    }

    /// Writes the result of a call, or its fault; of rows, as many as there is room for.
    fn write(&mut self, frame: E::Frame, result: Result<Output, Fault>, to: &mut Vec<u8>, until: usize) {
        if self.entries.is_silent(&frame) {
            return;
        }
        self.entries.write_separator(self.empty, to);
        self.empty = false;
        let start = to.len();
        self.entries.write_result_head(&frame, to);
        let written = match result {
            Ok(Output::One(value)) => frontend::encode(value.as_ref(), self.entries.format(), to).map(|()| None),
            Ok(Output::Many(rows)) => self.begin_rows(rows, to, until),
            Err(fault) => Err(fault),
        };
        match written {
            Ok(None) => self.entries.write_result_tail(&frame, to),
            Ok(Some(rows)) => self.rows = Some((frame, rows)),
            Err(fault) => {
                to.truncate(start);
                self.entries.write_fault(&frame, &fault, to);
            }
        }
    }

    /// Writes rows; returns those for which there was no room.
    fn begin_rows(&self, mut rows: Rows, to: &mut Vec<u8>, until: usize) -> Result<Option<Rows>, Fault> {
        let (head, tail) = self.entries.array();
        to.extend_from_slice(head);
        if frontend::fill(&mut rows, self.entries.format(), to, until)? {
            return Ok(Some(rows));
        }
        to.extend_from_slice(tail);
        Ok(None)
    }

    /// Writes more of the rows that are being written.
    fn continue_rows(&mut self, to: &mut Vec<u8>, until: usize) -> Result<(), BoxError> {
        if let Some((frame, rows)) = &mut self.rows
            && !rows.fill(self.entries.format(), to, until)?
        {
            to.extend_from_slice(self.entries.array().1);
            self.entries.write_result_tail(frame, to);
            self.rows = None;
        }
        Ok(())
    }
}

impl<E: Entries> Source for BatchResponse<E> {
    fn poll_fill(&mut self, cx: &mut Task<'_>, to: &mut Vec<u8>, until: usize) -> Poll<Result<bool, BoxError>> {
        if !self.head_written {
            self.entries.write_head(to);
            self.head_written = true;
        }
        ready!(self.batched.poll(cx));
        let begun = Instant::now();
        for running in &mut self.running {
            running.poll(cx);
        }
        while to.len() < until {
            if self.rows.is_some() {
                self.continue_rows(to, until)?;
            } else if let Some((frame, result)) = self.next_ready() {
                self.write(frame, result, to, until);
            } else if self.has_room() && begun.elapsed() > TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            } else if !(self.has_room() && self.begin(cx)) {
                if !self.running.is_empty() {
                    return Poll::Pending;
                }
                self.entries.write_tail(self.empty, to);
                return Poll::Ready(Ok(false));
            }
        }
        Poll::Ready(Ok(true))
    }
}
