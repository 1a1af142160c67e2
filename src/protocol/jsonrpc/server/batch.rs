//! The entries of a request with several calls, and what surrounds each result: JSON-RPC batches (specification, section 6),
//! and `system.multicall`, alone or as a request of a batch.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::multicall::{self, MulticallCalls, MulticallPlace};
use super::request::{self, FurtherMembers, JsonRpcCall, RequestMembers};
use super::response::ResponseFrame;
use super::{not_passed_on, start_call};
use crate::codec::json::JsonDialect;
use crate::model::fault::Fault;
use crate::protocol::batch;
use crate::protocol::batch::{BegunCall, Entries};
use crate::protocol::system;
use crate::service::batch::Batch;
use crate::service::future::MaybeReady;
use crate::service::request_record::RequestRecord;
use crate::service::result_memory::ResultMemory;
use crate::service::{Call, CallForm, CallFuture, Context, Format, RpcService};

/// How many calls of a batch run at a time.
const CONCURRENT: usize = 16;

/// The service that the calls of a batch address, and their context.
pub(super) struct Callee {
    pub(super) service: Arc<dyn RpcService>,
    pub(super) context: Context,
    /// The address of the group.
    pub(super) url: String,
}

/// The requests of a batch whose calls have not started.
///
/// A `system.multicall` is taken apart: its calls are entries of their own. They run one after the other.
pub(super) struct BatchEntries {
    next: std::vec::IntoIter<Box<RawValue>>,
    /// The `system.multicall` whose calls are next.
    multicall: Option<MulticallCalls>,
    /// Whether the request is a batch, and not a single `system.multicall`.
    is_batch: bool,
    batch_limit: usize,
    /// How many calls the request has, as far as it has been read. A `system.multicall` counts as its calls.
    count: usize,
    callee: Callee,
    reading: RequestReading,
    dialect: JsonDialect,
}

/// How requests are read.
pub(super) struct RequestReading {
    /// Whether requests of JSON-RPC 1.0 are accepted.
    pub(super) version_1: bool,
    /// What becomes of members beyond the four of the specification.
    pub(super) further_members: FurtherMembers,
}

impl RequestReading {
    /// The call of a request of a batch, and the frame of its response. Further members cannot be passed on.
    fn read<'a>(&self, members: RequestMembers<'a>) -> (ResponseFrame, Result<JsonRpcCall<'a>, Fault>) {
        let has_further = members.has_further(&self.further_members);
        let (frame, call) = members.read(self.version_1);
        let call = call.and_then(|call| if has_further? { Err(not_passed_on()) } else { Ok(call) });
        (frame, call)
    }
}

impl BatchEntries {
    /// Copies the texts of the requests. Each is read when its call starts.
    ///
    /// # Errors
    /// `Limit` if there are more than `batch_limit` requests.
    pub(super) fn new(
        requests: &[&RawValue],
        batch_limit: usize,
        callee: Callee,
        reading: RequestReading,
        dialect: JsonDialect,
    ) -> Result<BatchEntries, Fault> {
        batch::check_count(requests.len(), batch_limit)?;
        let owned: Vec<_> = requests.iter().map(|raw| (*raw).to_owned()).collect();
        let (next, count) = (owned.into_iter(), requests.len());
        Ok(BatchEntries { next, multicall: None, is_batch: true, batch_limit, count, callee, reading, dialect })
    }

    /// The calls of a single `system.multicall`, of which there is at least one. `frame` is that of its response.
    ///
    /// # Errors
    /// `Limit` if there are more than `batch_limit` calls.
    pub(super) fn of_multicall(
        calls: &[&RawValue],
        frame: ResponseFrame,
        batch_limit: usize,
        callee: Callee,
        reading: RequestReading,
        dialect: JsonDialect,
    ) -> Result<BatchEntries, Fault> {
        let mut entries = BatchEntries::new(&[], batch_limit, callee, reading, dialect)?;
        entries.is_batch = false;
        entries.count = 1;
        entries.take_apart(calls, frame).map_err(|(_, fault)| fault)?;
        Ok(entries)
    }

    /// Puts the calls of a `system.multicall` next.
    ///
    /// # Errors
    /// `Limit` if the request has more calls then than allowed, with the frame.
    fn take_apart(&mut self, calls: &[&RawValue], frame: ResponseFrame) -> Result<(), (ResponseFrame, Fault)> {
        let count = self.count + calls.len().saturating_sub(1);
        if let Err(fault) = batch::check_count(count, self.batch_limit) {
            return Err((frame, fault));
        }
        self.count = count;
        self.multicall = Some(MulticallCalls::new(calls, frame));
        Ok(())
    }

    /// Starts the next call of a `system.multicall`.
    fn begin_part(&mut self, batch: &Batch) -> Option<BegunCall<EntryFrame>> {
        let Some((raw, place)) = self.multicall.as_mut().and_then(MulticallCalls::next) else {
            self.multicall = None;
            return None;
        };
        let (call, index) = self.begin_call(multicall::read(&raw), batch);
        Some(BegunCall { frame: EntryFrame::Part(place), call, index })
    }

    /// Starts a call. Returns its index in the record of the request, too.
    fn begin_call(&self, request: Result<JsonRpcCall<'_>, Fault>, batch: &Batch) -> (CallFuture, Option<usize>) {
        let method = request.as_ref().map_or("", |request| &*request.method);
        let index = self.record().map(|record| record.begin_batch_call(method));
        let call = match request {
            Ok(request) => {
                let Callee { service, context, url } = &self.callee;
                let call = Call { form: CallForm::Batch(batch), ..request.call(context) };
                start_call(service.as_ref(), call, || url.clone())
            }
            Err(fault) => MaybeReady::now(Err(fault)),
        };
        (call, index)
    }

    /// Starts the first call of a `system.multicall` that is a request of the batch. One without calls has its result already.
    fn begin_multicall(
        &mut self,
        request: &JsonRpcCall<'_>,
        frame: ResponseFrame,
        batch: &Batch,
    ) -> BegunCall<EntryFrame> {
        let taken = match multicall::calls(request.args) {
            Ok(calls) if calls.is_empty() => {
                let nothing: CallFuture = MaybeReady::now(Ok(multicall::no_results()));
                return BegunCall { frame: EntryFrame::Request(frame), call: nothing, index: None };
            }
            Ok(calls) => self.take_apart(&calls, frame),
            Err(fault) => Err((frame, fault)),
        };
        let (frame, fault) = match taken {
            Ok(()) => match self.begin_part(batch) {
                Some(begun) => return begun,
                // There is at least one call.
                None => (ResponseFrame::unknown(), Fault::internal()),
            },
            Err(refused) => refused,
        };
        let (call, index) = self.begin_call(Err(fault), batch);
        BegunCall { frame: EntryFrame::Request(frame), call, index }
    }
}

/// What the result of an entry needs of its request.
pub(super) enum EntryFrame {
    /// A request of the batch.
    Request(ResponseFrame),
    /// A call of a `system.multicall`.
    Part(MulticallPlace),
}

impl Entries for BatchEntries {
    type Frame = EntryFrame;

    /// The calls of a `system.multicall` run in order, as over XML-RPC.
    fn concurrent(&self) -> usize {
        if self.multicall.is_some() { 1 } else { CONCURRENT }
    }

    fn begin_next(&mut self, batch: &Batch) -> Option<BegunCall<EntryFrame>> {
        if let Some(part) = self.begin_part(batch) {
            return Some(part);
        }
        let raw = self.next.next()?;
        let (frame, request) = match request::members(&raw) {
            Ok(members) => self.reading.read(members),
            Err(fault) => (ResponseFrame::unknown(), Err(fault)),
        };
        if let Ok(request) = &request
            && request.method == system::MULTICALL
        {
            return Some(self.begin_multicall(request, frame, batch));
        }
        let (call, index) = self.begin_call(request, batch);
        Some(BegunCall { frame: EntryFrame::Request(frame), call, index })
    }

    fn format(&self) -> Format<'_> {
        Format::Json(self.dialect)
    }

    fn is_silent(&self, frame: &EntryFrame) -> bool {
        match frame {
            EntryFrame::Request(frame) => frame.is_silent(),
            EntryFrame::Part(place) => place.is_silent(),
        }
    }

    fn record(&self) -> Option<&RequestRecord> {
        self.callee.context.record.as_deref()
    }

    fn result_memory(&self) -> Option<&ResultMemory> {
        self.callee.context.result_memory.as_ref()
    }

    /// Writes nothing: if all requests are notifications, the response has no body, not even an empty array.
    fn write_head(&self, _: &mut Vec<u8>) {}

    fn write_separator(&self, frame: &EntryFrame, first: bool, to: &mut Vec<u8>) {
        let begins_response = match frame {
            EntryFrame::Request(_) => true,
            EntryFrame::Part(place) => place.is_first(),
        };
        if self.is_batch && begins_response {
            to.push(if first { b'[' } else { b',' });
        }
        if let EntryFrame::Part(place) = frame {
            place.write_separator(to);
        }
    }

    fn write_result_head(&self, frame: &EntryFrame, to: &mut Vec<u8>) {
        match frame {
            EntryFrame::Request(frame) => frame.write_head(to),
            EntryFrame::Part(_) => MulticallPlace::write_result_head(to),
        }
    }

    fn write_result_tail(&self, frame: &EntryFrame, to: &mut Vec<u8>) {
        match frame {
            EntryFrame::Request(frame) => frame.write_tail(to),
            EntryFrame::Part(place) => place.write_result_tail(to),
        }
    }

    fn array(&self) -> (&'static [u8], &'static [u8]) {
        (b"[", b"]")
    }

    fn write_fault(&self, frame: &EntryFrame, fault: &Fault, to: &mut Vec<u8>) {
        match frame {
            EntryFrame::Request(frame) => frame.write_error(fault, to),
            EntryFrame::Part(place) => place.write_fault(fault, to),
        }
    }

    fn write_tail(&self, empty: bool, to: &mut Vec<u8>) {
        if self.is_batch && !empty {
            to.push(b']');
        }
    }
}
