//! Batches: runs the calls of a `system.multicall` or of a JSON-RPC batch and writes their results in order.
//!
//! A protocol implements [`Entries`]: it reads the entries of the request one by one, and writes what surrounds a result.
//! [`BatchResponse`] does the rest, as a [`Source`] of the body, so that the first results leave before the last calls
//! have begun:
//!
//! - Up to [`Entries::concurrent`] calls run at a time. As soon as one call joins the [`Batch`], because an upstream can
//!   receive several at once, all that follow begin too, so that they travel in the same request.
//! - A result is written as soon as all results before it are. Rows are written piece by piece.
//! - A malformed entry or a failed call becomes a fault and does not affect the other calls.
//! - After 5 ms without a pause the machine yields, so that a long batch does not hold up other connections.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::{Pin, pin};
use std::task::{Context as Task, Poll, ready};
use std::time::{Duration, Instant};

use crate::http::body::Source;
use crate::model::fault::{BoxError, Fault, Kind};
use crate::protocol::frontend;
use crate::service::batch::Batch;
use crate::service::request_record::RequestRecord;
use crate::service::result_memory::{ReservedMemory, ResultMemory, SMALL, no_memory};
use crate::service::{CallFuture, Encode, Format, Output, Rows};

/// How long the calls of one batch may keep a worker before others get their turn.
const MAX_TURN: Duration = Duration::from_millis(5);

/// Wakes this task when the others on its thread have had their turn and the sockets have been looked at. Waking it at
/// once would not do: a client that has left would be noticed only after many more calls.
fn yield_to_others(cx: &mut Task<'_>) {
    // The first poll of the future of `yield_now` leaves the waker with the runtime and is pending.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

/// A call of a batch that has begun.
pub(super) struct BegunCall<F> {
    /// What its result needs of its request in order to be written.
    pub(super) frame: F,
    pub(super) call: CallFuture,
    /// Its index in the record of the request; `None` if there is no access log.
    pub(super) index: Option<usize>,
}

/// The entries of a batch: what a protocol contributes to the [machine](BatchResponse).
pub(super) trait Entries: Send {
    /// What the result of an entry needs of its request in order to be written, such as an `id`.
    type Frame: Send;

    /// How many calls may run at a time when the next one begins.
    fn concurrent(&self) -> usize;

    /// Starts the next call, which may join the batch; `None` after the last entry.
    fn begin_next(&mut self, batch: &Batch) -> Option<BegunCall<Self::Frame>>;

    /// How values are written.
    fn format(&self) -> Format<'_>;

    /// Whether a result is not written, such as that of a notification.
    fn is_silent(&self, _frame: &Self::Frame) -> bool {
        false
    }

    /// Where the calls are noted for the access log; `None` if there is none.
    fn record(&self) -> Option<&RequestRecord>;

    /// Where results take their memory from; `None` without a limit.
    fn result_memory(&self) -> Option<&ResultMemory>;

    /// Writes what precedes all results.
    fn write_head(&self, to: &mut Vec<u8>);

    /// Writes what precedes a result that is `first` or follows another. It remains if the result turns out to be a fault.
    fn write_separator(&self, frame: &Self::Frame, first: bool, to: &mut Vec<u8>);

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

/// Checks the number of calls in a batch against the limit of the group.
///
/// # Errors
/// `Limit` if `count` is greater than `batch_limit`.
pub(super) fn check_count(count: usize, batch_limit: usize) -> Result<(), Fault> {
    if count > batch_limit {
        return Err(Fault::new(Kind::Limit, format!("{count} calls at once; at most {batch_limit} are allowed")));
    }
    Ok(())
}

/// A call that has started and whose result is not written yet.
struct Running<F> {
    frame: F,
    state: CallState,
    index: Option<usize>,
}

enum CallState {
    Pending(CallFuture),
    Ready(Result<Output, Fault>),
}

impl<F> Running<F> {
    fn new(BegunCall { frame, call, index }: BegunCall<F>) -> Running<F> {
        Running { frame, state: CallState::Pending(call), index }
    }

    fn poll(&mut self, cx: &mut Task<'_>, record: Option<&RequestRecord>) {
        if let CallState::Pending(call) = &mut self.state
            && let Poll::Ready(result) = Pin::new(call).poll(cx)
        {
            if let (Some(record), Some(index)) = (record, self.index) {
                record.end_batch_call(index, result.as_ref().err());
            }
            self.state = CallState::Ready(result);
        }
    }

    fn is_pending(&self) -> bool {
        matches!(self.state, CallState::Pending(_))
    }

    /// Whether the result is made while it is written, and holds its permit until then.
    fn is_rows(&self) -> bool {
        matches!(self.state, CallState::Ready(Ok(Output::Many(_))))
    }
}

/// The body of the response to a batch.
pub(super) struct BatchResponse<E: Entries> {
    entries: E,
    /// The calls that are sent together.
    batch: Batch,
    /// The calls in the order of their entries; the first is written next.
    running: VecDeque<Running<E::Frame>>,
    /// The rows that are being written.
    rows: Option<(E::Frame, Rows)>,
    /// What is reserved for the results in the last piece, until the client has taken it.
    memory: Vec<ReservedMemory>,
    head_written: bool,
    /// Whether no result is written yet.
    empty: bool,
}

impl<E: Entries> BatchResponse<E> {
    /// The response to these entries. The calls begin when the body is polled.
    pub(super) fn new(entries: E) -> BatchResponse<E> {
        let batch = Batch::default();
        let (running, memory) = (VecDeque::new(), Vec::new());
        BatchResponse { entries, batch, running, rows: None, memory, head_written: false, empty: true }
    }

    /// Whether another call may start. None starts after rows: the client decides how long these take, and the call
    /// would hold its permit for that long.
    fn has_room(&self) -> bool {
        self.running.len() < self.entries.concurrent() && !self.running.iter().any(Running::is_rows)
    }

    /// Starts another call, or all that are left if they join the batch. Returns whether there was one.
    fn start_next(&mut self, cx: &mut Task<'_>) -> bool {
        let BatchResponse { entries, batch, running, .. } = self;
        let Some(first) = entries.begin_next(batch) else { return false };
        let before = running.len();
        running.push_back(Running::new(first));
        if !batch.is_empty() {
            running.extend(std::iter::from_fn(|| entries.begin_next(batch)).map(Running::new));
            batch.close();
        }
        // All join before the first is polled: that poll sends the request.
        running.iter_mut().skip(before).for_each(|running| running.poll(cx, entries.record()));
        true
    }

    /// The result that is to be written next, if it is ready.
    fn next_ready(&mut self) -> Option<(E::Frame, Result<Output, Fault>)> {
        match self.running.pop_front()? {
            Running { frame, state: CallState::Ready(result), .. } => Some((frame, result)),
            pending => {
                self.running.push_front(pending);
                None
            }
        }
    }

    /// Writes the result of a call, or its fault; of rows, as many as fit into the piece.
    fn write(&mut self, frame: E::Frame, result: Result<Output, Fault>, to: &mut Vec<u8>, until: usize) {
        if self.entries.is_silent(&frame) {
            return;
        }
        self.entries.write_separator(&frame, self.empty, to);
        self.empty = false;
        let start = to.len();
        self.entries.write_result_head(&frame, to);
        let written = match result {
            Ok(Output::One(value)) => self.write_one(value, to).map(|()| None),
            Ok(Output::Many(rows)) => self.begin_rows(rows, to, until),
            // A call of a batch is never passed through in its original bytes.
            Ok(Output::Raw(_)) => Err(Fault::internal()),
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

    /// Writes a value, whose text takes memory as that of a single call does.
    fn write_one(&mut self, mut value: Box<dyn Encode>, to: &mut Vec<u8>) -> Result<(), Fault> {
        let start = to.len();
        let reserved = value.take_memory();
        frontend::encode(value.as_ref(), self.entries.format(), to)?;
        drop(value);
        let written = to.len() - start;
        let mut memory = reserved.unwrap_or_else(|| ReservedMemory::of(self.entries.result_memory()));
        if written > SMALL {
            if !memory.try_extend_to(written) {
                return Err(no_memory());
            }
            memory.shrink_to(written);
            self.memory.push(memory);
        }
        Ok(())
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
    fn poll_rows(&mut self, cx: &mut Task<'_>, to: &mut Vec<u8>, until: usize) -> Poll<Result<(), BoxError>> {
        let Some((frame, rows)) = &mut self.rows else { return Poll::Ready(Ok(())) };
        ready!(rows.poll_ready(cx))?;
        if !rows.fill(self.entries.format(), to, until)? {
            to.extend_from_slice(self.entries.array().1);
            self.entries.write_result_tail(frame, to);
            self.rows = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<E: Entries> Source for BatchResponse<E> {
    fn poll_fill(&mut self, cx: &mut Task<'_>, to: &mut Vec<u8>, until: usize) -> Poll<Result<bool, BoxError>> {
        if to.is_empty() {
            // A new piece begins, so the client has taken the last one.
            self.memory.clear();
        }
        if !self.head_written {
            self.entries.write_head(to);
            self.head_written = true;
        }
        let begun = Instant::now();
        for running in &mut self.running {
            running.poll(cx, self.entries.record());
        }
        while to.len() < until {
            if self.rows.is_some() {
                ready!(self.poll_rows(cx, to, until))?;
            } else if let Some((frame, result)) = self.next_ready() {
                self.write(frame, result, to, until);
            } else if self.has_room() && begun.elapsed() > MAX_TURN {
                yield_to_others(cx);
                return Poll::Pending;
            } else if !(self.has_room() && self.start_next(cx)) {
                if !self.running.is_empty() {
                    return Poll::Pending;
                }
                self.entries.write_tail(self.empty, to);
                return Poll::Ready(Ok(false));
            }
        }
        // While the client takes the piece, no call is polled, and one that is not done would hold its permit for as long.
        if self.running.iter().any(Running::is_pending) { Poll::Pending } else { Poll::Ready(Ok(true)) }
    }
}
