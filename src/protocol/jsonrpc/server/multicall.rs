//! `system.multicall` over JSON-RPC: the calls in its parameter, and what surrounds their results.
//!
//! The result is an array with an item for each call: an array with the result of the call, or an error object.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::request::{JsonRpcCall, arguments, text};
use super::response::{ResponseFrame, write_error_object};
use crate::codec::json::not_well_formed;
use crate::model::fault::{Fault, Kind};
use crate::protocol::system;
use crate::service::Output;
use crate::service::args::Args;

/// The calls of a `system.multicall` that have not started.
pub(super) struct MulticallCalls {
    next: std::vec::IntoIter<Box<RawValue>>,
    /// The frame of the response to the `system.multicall`; its id may be long, and each of the calls refers to it.
    frame: Arc<ResponseFrame>,
    begun: bool,
}

/// The place of a call in a `system.multicall`.
pub(super) struct MulticallPlace {
    frame: Arc<ResponseFrame>,
    is_first: bool,
    is_last: bool,
}

/// The items of the only parameter of `system.multicall`.
///
/// # Errors
/// `BadParams` if the parameters are anything but one array.
pub(super) fn calls(args: Args<'_>) -> Result<Vec<&RawValue>, Fault> {
    let Args::Json(params) = args else { return Err(system::no_calls()) };
    let is_array = |raw: &RawValue| raw.get().starts_with('[');
    if !is_array(params) {
        return Err(system::no_calls());
    }
    match serde_json::from_str::<Vec<&RawValue>>(params.get()).map_err(not_well_formed)?.as_slice() {
        [calls] if is_array(calls) => serde_json::from_str(calls.get()).map_err(not_well_formed),
        _ => Err(system::no_calls()),
    }
}

/// The result of a `system.multicall` without calls.
pub(super) fn no_results() -> Output {
    Output::One(Box::new(Vec::<()>::new()))
}

impl MulticallCalls {
    /// Copies the texts of the calls. Each is read when it starts.
    pub(super) fn new(calls: &[&RawValue], frame: ResponseFrame) -> MulticallCalls {
        let owned: Vec<_> = calls.iter().map(|raw| (*raw).to_owned()).collect();
        MulticallCalls { next: owned.into_iter(), frame: Arc::new(frame), begun: false }
    }

    /// The next call, and its place.
    pub(super) fn next(&mut self) -> Option<(Box<RawValue>, MulticallPlace)> {
        let call = self.next.next()?;
        let is_first = !std::mem::replace(&mut self.begun, true);
        let is_last = self.next.len() == 0;
        Some((call, MulticallPlace { frame: self.frame.clone(), is_first, is_last }))
    }
}

/// The members of a call.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallMembers<'a> {
    #[serde(borrow)]
    method_name: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// Reads one call of a `system.multicall`. `params` may be absent, an array or an object, as in a request.
pub(super) fn read(raw: &RawValue) -> Result<JsonRpcCall<'_>, Fault> {
    let wrong = |what: &'static str| Fault::new(Kind::Structure, what);
    if !raw.get().starts_with('{') {
        return Err(wrong("a call is an object of `methodName` and `params`"));
    }
    let members: CallMembers<'_> = serde_json::from_str(raw.get()).map_err(not_well_formed)?;
    let name = members.method_name.ok_or_else(|| wrong("the call has no `methodName`"))?;
    let method: Cow<'_, str> = text(name).ok_or_else(|| wrong("`methodName` is not a string"))?;
    if method == system::MULTICALL {
        return Err(system::nested_multicall());
    }
    Ok(JsonRpcCall { method, args: arguments(members.params)? })
}

impl MulticallPlace {
    pub(super) fn is_silent(&self) -> bool {
        self.frame.is_silent()
    }

    /// Whether the response to the `system.multicall` begins with this call.
    pub(super) fn is_first(&self) -> bool {
        self.is_first
    }

    /// Writes what precedes the first item.
    pub(super) fn write_separator(&self, to: &mut Vec<u8>) {
        if self.is_first {
            self.frame.write_head(to);
            to.push(b'[');
        } else {
            to.push(b',');
        }
    }

    /// Writes what precedes the result: it is in an array of one item, to distinguish it from an error.
    pub(super) fn write_result_head(to: &mut Vec<u8>) {
        to.push(b'[');
    }

    /// Writes what follows the result.
    pub(super) fn write_result_tail(&self, to: &mut Vec<u8>) {
        to.push(b']');
        self.end(to);
    }

    pub(super) fn write_fault(&self, fault: &Fault, to: &mut Vec<u8>) {
        write_error_object(fault, to);
        self.end(to);
    }

    fn end(&self, to: &mut Vec<u8>) {
        if self.is_last {
            to.push(b']');
            self.frame.write_tail(to);
        }
    }
}
