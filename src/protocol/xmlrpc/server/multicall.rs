//! `system.multicall`: several calls in one request, each on its own, answered in order as they finish.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::{Duration, Instant};

use super::{ARRAY_HEAD, ARRAY_TAIL, begin_call};
use crate::codec::tape::{Tape, TapePosition, ValueRef, Values};
use crate::codec::xmlrpc as wire;
use crate::codec::xmlrpc::XmlRpcDialect;
use crate::http::body::Source;
use crate::model::fault::{BoxError, Fault, Kind};
use crate::protocol::batch::BatchState;
use crate::protocol::frontend;
use crate::service::args::Args;
use crate::service::future::MaybeReady;
use crate::service::{Call, CallForm, CallFuture, Context, Format, Output, Rows, RpcService};

/// The name of the method.
pub(super) use crate::codec::xmlrpc::MULTICALL as NAME;

/// How long the calls of one request may keep a worker before others get their turn.
const TURN: Duration = Duration::from_millis(5);

/// The calls of one request, read but not begun.
pub(super) struct Calls {
    tape: Tape<'static>,
    /// Where on the tape the next call is, and those after it.
    next: std::vec::IntoIter<TapePosition>,
    service: Arc<dyn RpcService>,
    context: Context,
    travel: BatchState,
}

impl Calls {
    /// The calls that the parameters hold, of which there may be `limit`.
    pub(super) fn new(
        tape: Tape<'_>,
        limit: usize,
        service: Arc<dyn RpcService>,
        context: Context,
    ) -> Result<Calls, Fault> {
        let mut params = tape.values();
        let calls = match (params.next().and_then(ValueRef::items), params.next()) {
            (Some(calls), None) => calls,
            _ => return Err(Fault::bad_params("`system.multicall` takes one parameter, an array of calls")),
        };
        if calls.len() > limit {
            return Err(Fault::new(Kind::Limit, format!("{} calls at once; at most {limit} are allowed", calls.len())));
        }
        let next = calls.map(ValueRef::place).collect::<Vec<_>>().into_iter();
        Ok(Calls { tape: tape.into_owned(), next, service, context, travel: BatchState::default() })
    }

    /// Begins the next call, or all that are left if they travel together. A malformed call is a fault of its own and
    /// does not affect the others.
    fn begin(&mut self) -> VecDeque<Running> {
        let Calls { tape, next, service, context, travel } = self;
        let begun = travel.begin(|batch| {
            let pending = match member(tape.at(next.next()?)) {
                Ok((method, params)) => {
                    let (args, form) = (Args::Values(params), CallForm::Batch(batch));
                    begin_call(service.as_ref(), Call { method, args, context, form })
                }
                Err(fault) => MaybeReady::now(Err(fault)),
            };
            Some(((), pending))
        });
        begun.into_iter().map(|((), pending)| Running::Waiting(pending)).collect()
    }
}

/// A call that has begun, and whose result is not written yet.
enum Running {
    Waiting(CallFuture),
    Ready(Result<Output, Fault>),
}

impl Running {
    fn poll(&mut self, cx: &mut Task<'_>) {
        if let Running::Waiting(pending) = self
            && let Poll::Ready(result) = Pin::new(pending).poll(cx)
        {
            *self = Running::Ready(result);
        }
    }
}

/// The name and the parameters of one call.
fn member<'t>(call: ValueRef<'t, 't>) -> Result<(&'t str, Values<'t, 't>), Fault> {
    let wrong = |what: &'static str| Fault::new(Kind::Structure, what);
    if !call.is_struct() {
        return Err(wrong("a call is a struct of `methodName` and `params`"));
    }
    let name = call.member("methodName").ok_or_else(|| wrong("the call has no `methodName`"))?;
    let method = name.text().ok_or_else(|| wrong("`methodName` is not a string"))?;
    let params = call.member("params").ok_or_else(|| wrong("the call has no `params`"))?;
    let params = params.items().ok_or_else(|| wrong("`params` is not an array"))?;
    if method == NAME {
        return Err(Fault::new(Kind::Structure, "`system.multicall` cannot be nested"));
    }
    Ok((method, params))
}

/// The answer of a multicall. The calls run one after the other, and none begins before the one before it is
/// written, except for those that travel together.
pub(super) struct Answers {
    calls: Calls,
    /// Calls that have begun: one, or all that travel together.
    running: VecDeque<Running>,
    now: Now,
    dialect: XmlRpcDialect,
}

/// What is being done.
enum Now {
    Head,
    Next,
    Rows(Rows),
}

impl Answers {
    pub(super) fn new(calls: Calls, dialect: XmlRpcDialect) -> Answers {
        Answers { calls, running: VecDeque::new(), now: Now::Head, dialect }
    }

    /// Writes one call's result, or its fault; of rows at first as many as there is room for.
    fn write(&mut self, answer: Result<Output, Fault>, to: &mut Vec<u8>, until: usize) -> Now {
        let start = to.len();
        to.extend_from_slice(ARRAY_HEAD);
        let written = match answer {
            Ok(Output::One(value)) => frontend::encode(value.as_ref(), Format::XmlRpc(self.dialect), to).map(|()| None),
            Ok(Output::Many(rows)) => self.begin_rows(rows, to, until),
            Ok(Output::Raw(_)) => Err(Fault::internal()),
            Err(fault) => Err(fault),
        };
        match written {
            Ok(Some(rows)) => return Now::Rows(rows),
            Ok(None) => to.extend_from_slice(ARRAY_TAIL),
            Err(fault) => {
                to.truncate(start);
                wire::write_fault_value(to, &fault, self.dialect);
            }
        }
        Now::Next
    }

    /// Writes rows; comes back with those for which there was no room.
    fn begin_rows(&self, mut rows: Rows, to: &mut Vec<u8>, until: usize) -> Result<Option<Rows>, Fault> {
        to.extend_from_slice(ARRAY_HEAD);
        if frontend::fill(&mut rows, Format::XmlRpc(self.dialect), to, until)? {
            return Ok(Some(rows));
        }
        to.extend_from_slice(ARRAY_TAIL);
        Ok(None)
    }
}

impl Source for Answers {
    fn poll_fill(&mut self, cx: &mut Task<'_>, to: &mut Vec<u8>, until: usize) -> Poll<Result<bool, BoxError>> {
        let begun = Instant::now();
        while to.len() < until {
            self.now = match &mut self.now {
                Now::Head => {
                    wire::answer_head(to, self.dialect);
                    to.extend_from_slice(ARRAY_HEAD);
                    Now::Next
                }
                Now::Next if begun.elapsed() > TURN => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Now::Next => {
                    if self.running.is_empty() {
                        self.running = self.calls.begin();
                    }
                    // All of them, since each that travels with others takes a permit of its own if one is free.
                    self.running.iter_mut().for_each(|running| running.poll(cx));
                    match self.running.pop_front() {
                        Some(Running::Ready(result)) => self.write(result, to, until),
                        Some(waiting) => {
                            self.running.push_front(waiting);
                            return Poll::Pending;
                        }
                        None => {
                            to.extend_from_slice(ARRAY_TAIL);
                            to.extend_from_slice(wire::answer_tail());
                            return Poll::Ready(Ok(false));
                        }
                    }
                }
                Now::Rows(rows) => match rows.fill(Format::XmlRpc(self.dialect), to, until)? {
                    true => return Poll::Ready(Ok(true)),
                    false => {
                        to.extend_from_slice(ARRAY_TAIL);
                        to.extend_from_slice(ARRAY_TAIL);
                        Now::Next
                    }
                },
            };
        }
        Poll::Ready(Ok(true))
    }
}
