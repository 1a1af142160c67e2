//! What is unusual about a server, as far as harmless questions show it.

use super::asking::{Asking, Silence};
use super::look::Found;
use crate::model::fault::Fault;
use crate::model::text::abridge;
use crate::model::value::Value;
use crate::protocol::client_codec::ClientCodec;
use crate::service::args::ArgValues;

/// How many methods are asked for their signatures, to see in which form they come.
const SAMPLE: usize = 8;

/// A fault's code and text.
pub(super) fn shown(fault: &Fault) -> String {
    format!("{} ({})", fault.kind.xmlrpc_code(), abridge(&fault.message))
}

/// Whether a fault says that the secret is missing which aria2 wants before all parameters. It says so even of methods
/// that it does not have.
pub(super) fn unauthorized(fault: &Fault, found: &mut Found) {
    found.token |= fault.message.to_ascii_lowercase().contains("unauthorized");
}

/// The forms in which signatures come, by a sample.
pub(super) async fn signatures(asking: &Asking<'_>, codec: &ClientCodec, names: &[String], found: &mut Found) {
    let step = names.len().div_ceil(SAMPLE).max(1);
    let (mut nested, mut flat, mut wide, mut word, mut none) = (0, 0, false, None, None);
    for name in names.iter().step_by(step) {
        let arguments = ArgValues::ByPosition(vec![Value::Text(name.clone())]);
        match asking.ask(codec, "system.methodSignature", arguments).await {
            Ok(Value::Array(items)) => {
                wide |= items.iter().any(has_i8);
                match items.first() {
                    Some(Value::Array(_)) => nested += 1,
                    Some(Value::Text(_)) => flat += 1,
                    _ => {}
                }
            }
            Ok(Value::Text(text)) => word = Some(text),
            Ok(_) => {}
            Err(Silence::Fault(fault)) => {
                unauthorized(&fault, found);
                none = Some(shown(&fault));
            }
            // It is no reason to stop: signatures are a hint, and never a condition.
            Err(_) => {}
        }
    }
    if flat > 0 {
        let message = "Its signatures are flat: one list of types for each method, and not a list of such lists.";
        found.notes.push(message.to_owned());
    }
    if wide {
        found.notes.push("Its signatures have integers of 64 bits (`i8`).".to_owned());
    }
    if nested + flat == 0 && !names.is_empty() {
        let why = match (word, none) {
            (Some(word), _) => format!(": the answer is \"{}\"", abridge(&word)),
            (None, Some(fault)) => format!(": the answer is the fault {fault}"),
            (None, None) => String::new(),
        };
        found.notes.push(format!("It has no signatures{why}. `params` can name the parameters of methods."));
    }
}

fn has_i8(value: &Value) -> bool {
    match value {
        Value::Text(word) => word == "i8",
        Value::Array(words) => words.iter().any(|word| matches!(word, Value::Text(word) if word == "i8")),
        _ => false,
    }
}

/// How results stand in the answer to a `system.multicall` of `system.listMethods`.
pub(super) async fn batching(asking: &Asking<'_>, codec: &ClientCodec, found: &mut Found) {
    if found.interface.is_none() {
        return;
    }
    let call = Value::Struct(vec![
        ("methodName".to_owned(), Value::Text("system.listMethods".to_owned())),
        ("params".to_owned(), Value::Array(Vec::new())),
    ]);
    let calls = ArgValues::ByPosition(vec![Value::Array(vec![call])]);
    let note = match asking.ask(codec, "system.multicall", calls).await {
        Ok(Value::Array(results)) => match results.as_slice() {
            [Value::Array(one)] if matches!(one.as_slice(), [Value::Array(_)]) => {
                found.batching = Some("on");
                return;
            }
            [Value::Array(_)] => {
                found.batching = Some("bare-results");
                "The results of its `system.multicall` are bare, and not each in an array of one.".to_owned()
            }
            _ => "Its `system.multicall` answers something else than results.".to_owned(),
        },
        Ok(_) => "Its `system.multicall` answers something else than results.".to_owned(),
        Err(Silence::Fault(fault)) => {
            unauthorized(&fault, found);
            format!("It has no `system.multicall`: the answer is the fault {}.", shown(&fault))
        }
        Err(silence) => format!("Its `system.multicall` cannot be used: {}.", silence.reason()),
    };
    found.notes.push(note);
}

/// Asks for the capabilities, which are of no interest; the integers in them are, and so is a refusal.
pub(super) async fn capabilities(asking: &Asking<'_>, codec: &ClientCodec, found: &mut Found) {
    if let Err(Silence::Fault(fault)) = asking.ask(codec, "system.getCapabilities", ArgValues::default()).await {
        unauthorized(&fault, found);
    }
    if asking.has_i8() {
        found.notes.push("It sends integers of 64 bits (`<i8>`).".to_owned());
    }
}

/// Whether JSON-RPC takes parameters by position, by name, or both.
pub(super) async fn param_structure(asking: &Asking<'_>, codec: &ClientCodec, found: &mut Found) {
    let named = asking.ask(codec, "system.listMethods", ArgValues::ByName(Vec::new())).await;
    match (&found.interface, named) {
        (Some(_), Err(Silence::Fault(fault))) => {
            found.notes.push(format!("It refuses parameters by name: the answer is the fault {}.", shown(&fault)));
        }
        (Some(_), Err(silence)) => {
            found.notes.push(format!("It refuses parameters by name: {}.", silence.reason()));
        }
        (None, Ok(_)) => {
            found.by_name = true;
            found.notes.push("It takes parameters by name, and refuses them by position.".to_owned());
        }
        _ => {}
    }
}
