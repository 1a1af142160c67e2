//! From calls that are running to one answer.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use super::{Composed, ERRORS, Given, OnError, Part};
use crate::model::fault::{Fault, Kind};
use crate::model::text::shorten;
use crate::model::value::Value;
use crate::service::Output;
use crate::service::future::MaybeReady;

/// The longest message of a failed call that is passed on, in characters.
const LONGEST: usize = 400;

/// The answer of a method, as soon as its calls have theirs. Where it fails, the calls that still run are given up.
pub(super) async fn gather(
    method: Arc<Composed>,
    running: Vec<MaybeReady<Result<Value, Fault>>>,
) -> Result<Output, Fault> {
    let strict = method.on_error == OnError::Fail;
    let answered = all(running, strict).await;
    let (mut members, mut errors) = (Vec::with_capacity(answered.len() + 1), Vec::new());
    for (part, answered) in method.calls.iter().zip(answered) {
        match answered {
            Some(Ok(value)) => members.push((part.name.clone(), value)),
            Some(Err(fault)) if strict || is_callers(part, &fault) => return Err(of_whole(&method, part, fault)),
            Some(Err(fault)) => errors.push((part.name.clone(), failure(&fault))),
            None => {}
        }
    }
    if !strict {
        members.push((ERRORS.to_owned(), Value::Struct(errors)));
    }
    Ok(Output::One(Box::new(Value::Struct(members))))
}

/// What each of these comes to; if that is wanted, only until the first of them fails.
async fn all(
    mut running: Vec<MaybeReady<Result<Value, Fault>>>,
    until_failure: bool,
) -> Vec<Option<Result<Value, Fault>>> {
    let mut answered: Vec<Option<Result<Value, Fault>>> = running.iter().map(|_| None).collect();
    poll_fn(move |cx| {
        let mut over = true;
        for (pending, answer) in running.iter_mut().zip(&mut answered) {
            if answer.is_some() {
                continue;
            }
            match Pin::new(pending).poll(cx) {
                Poll::Ready(Err(fault)) if until_failure => {
                    *answer = Some(Err(fault));
                    return Poll::Ready(std::mem::take(&mut answered));
                }
                Poll::Ready(value) => *answer = Some(value),
                Poll::Pending => over = false,
            }
        }
        if over { Poll::Ready(std::mem::take(&mut answered)) } else { Poll::Pending }
    })
    .await
}

/// Whether a call has failed because of what the caller has given. The caller needs that fault, not a partial result.
fn is_callers(part: &Part, fault: &Fault) -> bool {
    fault.kind == Kind::BadParams && passes_on(part)
}

fn passes_on(part: &Part) -> bool {
    part.args.iter().any(|(_, given)| matches!(given, Given::Param(_)))
}

/// The fault of the whole, made of that of a part: it says which part it was, and of which of the caller's parameters.
fn of_whole(method: &Composed, part: &Part, fault: Fault) -> Fault {
    let of_ours = |(name, given): &(String, Given)| match given {
        Given::Param(at) if fault.parameter.as_deref() == Some(name) => method.params.get(*at),
        _ => None,
    };
    let own = part.args.iter().find_map(of_ours);
    let kind = match fault.kind {
        // The caller has asked for a method that is there. It is the one behind it that is not.
        Kind::NoSuchMethod => Kind::Unreachable,
        Kind::BadParams if !passes_on(part) => Kind::Internal,
        kind => kind,
    };
    let message = format!("{}: {}", part.name, fault.message);
    let whole = Fault::new(kind, shorten(&message, LONGEST).into_owned());
    own.into_iter().fold(whole, |whole, own| whole.of_parameter(own.name.as_str()))
}

/// What the answer says of a call that has failed.
fn failure(fault: &Fault) -> Value {
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
