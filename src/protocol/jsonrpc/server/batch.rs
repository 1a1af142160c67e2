//! Several requests at once: each a call of its own, a few of them running at a time, answered in their order.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use super::begin;
use super::request;
use super::response::Frame;
use crate::codec::json::JsonDialect;
use crate::http::body::Source;
use crate::model::fault::{BoxError, Fault, Kind};
use crate::protocol::batch::BatchState;
use crate::protocol::frontend;
use crate::service::batch::Batch;
use crate::service::future::MaybeReady;
use crate::service::{Call, CallForm, CallFuture, Context, Format, Output, Rows, RpcService};

/// How many calls of one batch run at a time.
const ABREAST: usize = 16;
/// How long the calls of one batch may keep a worker before others get their turn.
const TURN: Duration = Duration::from_millis(5);

/// The requests of a batch, none of them read.
pub(super) struct Calls {
    next: std::vec::IntoIter<Box<RawValue>>,
    /// Whether requests of JSON-RPC 1.0 are accepted.
    version_1: bool,
    travel: BatchState,
}

impl Calls {
    /// These requests, of which there may be `limit`.
    pub(super) fn new(requests: &[&RawValue], limit: usize, version_1: bool) -> Result<Calls, Fault> {
        let count = requests.len();
        if count > limit {
            return Err(Fault::new(Kind::Limit, format!("{count} calls at once; at most {limit} are allowed")));
        }
        let owned: Vec<_> = requests.iter().map(|raw| (*raw).to_owned()).collect();
        Ok(Calls { next: owned.into_iter(), version_1, travel: BatchState::default() })
    }

    /// Begins the next call, or all that are left if they travel together. A malformed call is a fault of its own and
    /// does not affect the others.
    fn begin(&mut self, callee: &Callee) -> VecDeque<(Frame, CallFuture)> {
        let Calls { next, version_1, travel } = self;
        travel.begin(|batch| next.next().map(|raw| begin_one(&raw, *version_1, callee, batch)))
    }
}

fn begin_one(raw: &RawValue, version_1: bool, callee: &Callee, batch: &Batch) -> (Frame, CallFuture) {
    let (frame, asking) = match request::members(raw) {
        Ok(members) => members.read(version_1),
        Err(fault) => (Frame::unknown(), Err(fault)),
    };
    let pending = match asking {
        Ok(asking) => {
            let call = Call { form: CallForm::Batch(batch), ..asking.call(&callee.context) };
            begin(callee.service.as_ref(), call, || callee.url.clone())
        }
        Err(fault) => MaybeReady::now(Err(fault)),
    };
    (frame, pending)
}

/// Who answers the calls of a batch.
pub(super) struct Callee {
    pub(super) service: Arc<dyn RpcService>,
    pub(super) context: Context,
    /// The address of the group.
    pub(super) url: String,
}

/// A call that has begun, and whose turn to be written has not come.
struct Running {
    frame: Frame,
    state: State,
}

enum State {
    Waiting(CallFuture),
    Ready(Result<Output, Fault>),
}

impl Running {
    fn poll(&mut self, cx: &mut Task<'_>) {
        if let State::Waiting(pending) = &mut self.state
            && let Poll::Ready(answer) = Pin::new(pending).poll(cx)
        {
            self.state = State::Ready(answer);
        }
    }

    /// Whether this is an answer that is made while it is being written, and holds its place until then.
    fn is_rows(&self) -> bool {
        matches!(self.state, State::Ready(Ok(Output::Many(_))))
    }
}

/// The answer to a batch: an array, or nothing at all if no request wants an answer.
pub(super) struct Answers {
    calls: Calls,
    callee: Callee,
    dialect: JsonDialect,
    /// Calls in the order of their requests, the first of them the next to be written.
    running: VecDeque<Running>,
    /// The answer that is being written.
    rows: Option<(Frame, Rows)>,
    /// Whether any answer was written.
    begun: bool,
}

impl Answers {
    pub(super) fn new(calls: Calls, callee: Callee, dialect: JsonDialect) -> Answers {
        Answers { calls, callee, dialect, running: VecDeque::new(), rows: None, begun: false }
    }

    /// Whether another call may begin. None begins behind rows: they take their reader's time, and it would have to
    /// wait in its place.
    fn has_room(&self) -> bool {
        self.running.len() < ABREAST && !self.running.iter().any(Running::is_rows)
    }

    /// Begins another call, or all that are left if they travel together. Returns whether there was one.
    fn begin(&mut self, cx: &mut Task<'_>) -> bool {
        let begun = self.calls.begin(&self.callee);
        let has_begun = !begun.is_empty();
        for (frame, pending) in begun {
            let mut running = Running { frame, state: State::Waiting(pending) };
            running.poll(cx);
            self.running.push_back(running);
        }
        has_begun
    }

    /// The answer whose turn it is, if it is there.
    fn next_ready(&mut self) -> Option<(Frame, Result<Output, Fault>)> {
        match self.running.pop_front()? {
            Running { frame, state: State::Ready(answer) } => Some((frame, answer)),
            waiting => {
                self.running.push_front(waiting);
                None
            }
        }
    }

    /// Writes a call's result, or its fault; of rows at first as many as there is room for.
    fn write(&mut self, frame: Frame, answer: Result<Output, Fault>, to: &mut Vec<u8>, until: usize) {
        if frame.is_silent() {
            return;
        }
        to.push(if self.begun { b',' } else { b'[' });
        self.begun = true;
        let start = to.len();
        frame.head(to);
        let written = match answer {
            Ok(Output::One(value)) => frontend::encode(value.as_ref(), Format::Json(self.dialect), to).map(|()| None),
            Ok(Output::Many(rows)) => self.begin_rows(rows, to, until),
            Ok(Output::Raw(_)) => Err(Fault::internal()),
            Err(fault) => Err(fault),
        };
        match written {
            Ok(None) => frame.tail(to),
            Ok(Some(rows)) => self.rows = Some((frame, rows)),
            Err(fault) => {
                to.truncate(start);
                frame.error(&fault, to);
            }
        }
    }

    /// Writes rows; comes back with those for which there was no room.
    fn begin_rows(&self, mut rows: Rows, to: &mut Vec<u8>, until: usize) -> Result<Option<Rows>, Fault> {
        to.push(b'[');
        if frontend::fill(&mut rows, Format::Json(self.dialect), to, until)? {
            return Ok(Some(rows));
        }
        to.push(b']');
        Ok(None)
    }

    /// Goes on with the rows that are being written.
    fn go_on(&mut self, to: &mut Vec<u8>, until: usize) -> Result<(), BoxError> {
        if let Some((frame, rows)) = &mut self.rows
            && !rows.fill(Format::Json(self.dialect), to, until)?
        {
            to.push(b']');
            frame.tail(to);
            self.rows = None;
        }
        Ok(())
    }
}

impl Source for Answers {
    fn poll_fill(&mut self, cx: &mut Task<'_>, to: &mut Vec<u8>, until: usize) -> Poll<Result<bool, BoxError>> {
        let begun = Instant::now();
        for running in &mut self.running {
            running.poll(cx);
        }
        while to.len() < until {
            if self.rows.is_some() {
                self.go_on(to, until)?;
            } else if let Some((frame, answer)) = self.next_ready() {
                self.write(frame, answer, to, until);
            } else if self.has_room() && begun.elapsed() > TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            } else if !(self.has_room() && self.begin(cx)) {
                if !self.running.is_empty() {
                    return Poll::Pending;
                }
                if self.begun {
                    to.push(b']');
                }
                return Poll::Ready(Ok(false));
            }
        }
        Poll::Ready(Ok(true))
    }
}
