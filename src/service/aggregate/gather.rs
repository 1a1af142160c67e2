//! Waits for the calls of a method, and makes its result from theirs.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use super::{Composed, ERRORS, Given, OnError, Part, PartResult, PendingPart};
use crate::model::fault::{Fault, Kind};
use crate::model::text::shorten;
use crate::model::value::Value;
use crate::service::Output;
use crate::service::result_memory::ReservedMemory;

/// The longest message of a failed call in a result, in characters.
const LONGEST: usize = 400;

/// The result of a method, once its calls have finished. If the method fails, the calls that still run are cancelled.
pub(super) async fn gather_results(method: Arc<Composed>, running: Vec<PendingPart>) -> Result<Output, Fault> {
    let strict = method.on_error == OnError::Fail;
    let results = wait_for_all(running, strict).await;
    let mut members = Vec::with_capacity(results.len() + 1);
    let mut errors = Vec::new();
    let mut memory = ReservedMemory::default();
    for (part, result) in method.calls.iter().zip(results) {
        match result {
            Some(Ok((value, reserved))) => {
                members.push((part.name.clone(), value));
                memory.merge(reserved);
            }
            Some(Err(fault)) if strict || is_fault_of_caller(part, &fault) => {
                return Err(method_fault(&method, part, fault));
            }
            Some(Err(fault)) => errors.push((part.name.clone(), failure_value(&fault))),
            None => {}
        }
    }
    if !strict {
        members.push((ERRORS.to_owned(), Value::Struct(errors)));
    }
    Ok(Output::reserved(Box::new(Value::Struct(members)), memory))
}

/// Waits for all calls, or, with `until_failure`, until one of them fails. The result of a call that still runs is `None`.
async fn wait_for_all(mut running: Vec<PendingPart>, until_failure: bool) -> Vec<Option<Result<PartResult, Fault>>> {
    let mut results: Vec<Option<Result<PartResult, Fault>>> = running.iter().map(|_| None).collect();
    poll_fn(move |cx| {
        let mut finished = true;
        for (pending, result) in running.iter_mut().zip(&mut results) {
            if result.is_some() {
                continue;
            }
            match Pin::new(pending).poll(cx) {
                Poll::Ready(Err(fault)) if until_failure => {
                    *result = Some(Err(fault));
                    return Poll::Ready(std::mem::take(&mut results));
                }
                Poll::Ready(value) => *result = Some(value),
                Poll::Pending => finished = false,
            }
        }
        if finished { Poll::Ready(std::mem::take(&mut results)) } else { Poll::Pending }
    })
    .await
}

/// Whether a call failed because of an argument of the caller. The caller then needs the fault, not a partial result.
fn is_fault_of_caller(part: &Part, fault: &Fault) -> bool {
    fault.kind == Kind::BadParams && has_argument_of_caller(part)
}

fn has_argument_of_caller(part: &Part) -> bool {
    part.args.iter().any(|(_, given)| matches!(given, Given::Param(_)))
}

/// The fault of the method, made from the fault of one of its calls. It names the call, and the caller's parameter if the
/// fault is about an argument that comes from it.
fn method_fault(method: &Composed, part: &Part, fault: Fault) -> Fault {
    let own_param = |(name, given): &(String, Given)| match given {
        Given::Param(at) if fault.parameter.as_deref() == Some(name) => method.params.get(*at),
        _ => None,
    };
    let own = part.args.iter().find_map(own_param);
    let kind = match fault.kind {
        // The method that the caller called exists. The method that it calls does not.
        Kind::NoSuchMethod => Kind::Unreachable,
        Kind::BadParams if !has_argument_of_caller(part) => Kind::Internal,
        kind => kind,
    };
    let message = format!("{}: {}", part.name, fault.message);
    let retry_after = fault.retry_after;
    let fault = Fault { retry_after, ..Fault::new(kind, shorten(&message, LONGEST).into_owned()) };
    own.into_iter().fold(fault, |fault, own| fault.of_parameter(own.name.as_str()))
}

/// The member of `errors` for a failed call.
fn failure_value(fault: &Fault) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    let code = match fault.kind {
        Kind::Service(code) => code,
        _ => None,
    };
    let code = code.map(|code| ("code".to_owned(), Value::Int(code.into())));
    let kind = ("kind".to_owned(), text(fault.kind.word()));
    let message = ("message".to_owned(), text(&shorten(&fault.message, LONGEST)));
    Value::Struct([kind].into_iter().chain(code).chain([message]).collect())
}
