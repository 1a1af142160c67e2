//! JSON-RPC batches: the entries of the request, and what surrounds each result (specification, section 6).

use std::sync::Arc;

use serde_json::value::RawValue;

use super::request::{self, FurtherMembers, JsonRpcCall, RequestMembers};
use super::response::ResponseFrame;
use super::{not_passed_on, start_call};
use crate::codec::json::JsonDialect;
use crate::model::fault::Fault;
use crate::protocol::batch;
use crate::protocol::batch::{BegunCall, Entries};
use crate::service::batch::Batch;
use crate::service::future::MaybeReady;
use crate::service::request_record::RequestRecord;
use crate::service::result_memory::ResultMemory;
use crate::service::{Call, CallForm, Context, Format, RpcService};

/// The service that the calls of a batch address, and their context.
pub(super) struct Callee {
    pub(super) service: Arc<dyn RpcService>,
    pub(super) context: Context,
    /// The address of the group.
    pub(super) url: String,
}

/// The requests of a batch whose calls have not started.
pub(super) struct BatchEntries {
    next: std::vec::IntoIter<Box<RawValue>>,
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
        Ok(BatchEntries { next: owned.into_iter(), callee, reading, dialect })
    }
}

impl Entries for BatchEntries {
    type Frame = ResponseFrame;

    const CONCURRENT: usize = 16;

    fn begin_next(&mut self, batch: &Batch) -> Option<BegunCall<ResponseFrame>> {
        let raw = self.next.next()?;
        let (frame, request) = match request::members(&raw) {
            Ok(members) => self.reading.read(members),
            Err(fault) => (ResponseFrame::unknown(), Err(fault)),
        };
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
        Some(BegunCall { frame, call, index })
    }

    fn format(&self) -> Format<'_> {
        Format::Json(self.dialect)
    }

    fn is_silent(&self, frame: &ResponseFrame) -> bool {
        frame.is_silent()
    }

    fn record(&self) -> Option<&RequestRecord> {
        self.callee.context.record.as_deref()
    }

    fn result_memory(&self) -> Option<&ResultMemory> {
        self.callee.context.result_memory.as_ref()
    }

    /// Writes nothing: if all requests are notifications, the response has no body, not even an empty array.
    fn write_head(&self, _: &mut Vec<u8>) {}

    fn write_separator(&self, first: bool, to: &mut Vec<u8>) {
        to.push(if first { b'[' } else { b',' });
    }

    fn write_result_head(&self, frame: &ResponseFrame, to: &mut Vec<u8>) {
        frame.write_head(to);
    }

    fn write_result_tail(&self, frame: &ResponseFrame, to: &mut Vec<u8>) {
        frame.write_tail(to);
    }

    fn array(&self) -> (&'static [u8], &'static [u8]) {
        (b"[", b"]")
    }

    fn write_fault(&self, frame: &ResponseFrame, fault: &Fault, to: &mut Vec<u8>) {
        frame.write_error(fault, to);
    }

    fn write_tail(&self, empty: bool, to: &mut Vec<u8>) {
        if !empty {
            to.push(b']');
        }
    }
}
