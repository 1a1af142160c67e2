//! `system.multicall`: the calls in its parameter, and what surrounds each result.

use std::sync::Arc;

use super::{ARRAY_HEAD, ARRAY_TAIL, start_call};
use crate::codec::tape::{Tape, TapePosition, ValueRef, Values};
use crate::codec::xmlrpc as codec;
use crate::codec::xmlrpc::XmlRpcDialect;
use crate::model::fault::{Fault, Kind};
use crate::protocol::batch::{BegunCall, Entries};
use crate::protocol::{batch, system};
use crate::service::args::Args;
use crate::service::batch::Batch;
use crate::service::future::MaybeReady;
use crate::service::request_record::RequestRecord;
use crate::service::result_memory::ResultMemory;
use crate::service::{Call, CallForm, Context, Format, RpcService};

/// The calls of one `system.multicall` that have not started.
pub(super) struct MulticallEntries {
    tape: Tape<'static>,
    /// The positions on the tape of the next call and of all calls after it.
    next: std::vec::IntoIter<TapePosition>,
    service: Arc<dyn RpcService>,
    context: Context,
    dialect: XmlRpcDialect,
}

impl MulticallEntries {
    /// The calls in the parameters of `system.multicall`.
    ///
    /// # Errors
    /// `BadParams` if the only parameter is not an array; `Limit` if the array has more than `batch_limit` items.
    pub(super) fn new(
        tape: Tape<'_>,
        batch_limit: usize,
        service: Arc<dyn RpcService>,
        context: Context,
        dialect: XmlRpcDialect,
    ) -> Result<MulticallEntries, Fault> {
        let mut params = tape.values();
        let calls = match (params.next().and_then(ValueRef::items), params.next()) {
            (Some(calls), None) => calls,
            _ => return Err(system::no_calls()),
        };
        batch::check_count(calls.len(), batch_limit)?;
        let next = calls.map(ValueRef::place).collect::<Vec<_>>().into_iter();
        Ok(MulticallEntries { tape: tape.into_owned(), next, service, context, dialect })
    }
}

/// The name and the parameters of one call.
fn entry<'t>(call: ValueRef<'t, 't>) -> Result<(&'t str, Values<'t, 't>), Fault> {
    let wrong = |what: &'static str| Fault::new(Kind::Structure, what);
    if !call.is_struct() {
        return Err(wrong("a call is a struct of `methodName` and `params`"));
    }
    let name = call.member("methodName").ok_or_else(|| wrong("the call has no `methodName`"))?;
    let method = name.text().ok_or_else(|| wrong("`methodName` is not a string"))?;
    let params = call.member("params").ok_or_else(|| wrong("the call has no `params`"))?;
    let params = params.items().ok_or_else(|| wrong("`params` is not an array"))?;
    if method == system::MULTICALL {
        return Err(system::nested_multicall());
    }
    Ok((method, params))
}

impl Entries for MulticallEntries {
    type Frame = ();

    /// One: callers of `system.multicall` rely on the calls running in order.
    fn concurrent(&self) -> usize {
        1
    }

    fn begin_next(&mut self, batch: &Batch) -> Option<BegunCall<()>> {
        let place = self.next.next()?;
        let entry = entry(self.tape.at(place));
        let method = entry.as_ref().map_or("", |(method, _)| *method);
        let index = self.record().map(|record| record.begin_batch_call(method));
        let call = match entry {
            Ok((method, params)) => {
                let (args, form) = (Args::Values(params), CallForm::Batch(batch));
                start_call(self.service.as_ref(), Call { method, args, context: &self.context, form })
            }
            Err(fault) => MaybeReady::now(Err(fault)),
        };
        Some(BegunCall { frame: (), call, index })
    }

    fn format(&self) -> Format<'_> {
        Format::XmlRpc(self.dialect)
    }

    fn record(&self) -> Option<&RequestRecord> {
        self.context.record.as_deref()
    }

    fn result_memory(&self) -> Option<&ResultMemory> {
        self.context.result_memory.as_ref()
    }

    fn write_head(&self, to: &mut Vec<u8>) {
        codec::write_response_head(to, self.dialect);
        to.extend_from_slice(ARRAY_HEAD);
    }

    fn write_separator(&self, (): &(), _: bool, _: &mut Vec<u8>) {}

    /// A result is an array of one value, to distinguish it from a fault.
    fn write_result_head(&self, (): &(), to: &mut Vec<u8>) {
        to.extend_from_slice(ARRAY_HEAD);
    }

    fn write_result_tail(&self, (): &(), to: &mut Vec<u8>) {
        to.extend_from_slice(ARRAY_TAIL);
    }

    fn array(&self) -> (&'static [u8], &'static [u8]) {
        (ARRAY_HEAD, ARRAY_TAIL)
    }

    fn write_fault(&self, (): &(), fault: &Fault, to: &mut Vec<u8>) {
        codec::write_fault_value(to, fault, self.dialect);
    }

    fn write_tail(&self, _: bool, to: &mut Vec<u8>) {
        to.extend_from_slice(ARRAY_TAIL);
        to.extend_from_slice(codec::response_tail());
    }
}
