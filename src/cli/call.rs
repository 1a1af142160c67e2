//! `croupier call`: calls a method of a server, over any of the protocols.

use std::fmt::Display;
use std::io::{self, IsTerminal as _};
use std::time::Instant;

use tokio::runtime::Builder;

use super::add::location::ServerLocation;
use super::args::CallArgs;
use super::pretty::{Style, one_line};
use super::progress::waiting;
use super::target::{CREDENTIALS, Target};
use super::{Failure, say};
use crate::codec::xmlrpc::{BigIntegers, Nil, XmlRpcDialect};
use crate::config::in_colour;
use crate::model::fault::Fault;
use crate::model::text::{how_json_writes, printable};
use crate::model::value::Value;
use crate::protocol::Protocol;
use crate::protocol::client_codec::ResponseError;
use crate::service::args::ArgValues;
use crate::upstream::discovery::caller::{Caller, Failures};
use crate::upstream::discovery::client::DiscoveryError;
use crate::upstream::transport::{Repeat, Transport};

/// How many bytes a response may have.
const MAX_RESPONSE: usize = 64 << 20;
/// How many characters of a message of a server are printed.
const MESSAGE: usize = 4000;

/// Calls a method `args.repeat` times, and prints each result.
pub(super) fn call(args: &CallArgs) -> Result<(), Failure> {
    let arguments = arguments(&args.args)?;
    let target = Target::new(&args.url, &args.server)?;
    let by_name = matches!(arguments, ArgValues::ByName(_));
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let asking = format!("asking {} for its protocol", target.location.url);
        let (transport, caller) = waiting(&asking, find_caller(&target, by_name)).await?;
        let calling = format!("waiting for {}", args.method);
        for _ in 0..args.repeat {
            let call = MethodCall { target: &target, transport: &transport, method: &args.method, json: args.json };
            let result = waiting(&calling, call.over(&caller, arguments.clone())).await?;
            print(&result, args.json);
        }
        Ok(())
    })
}

/// The codec for the calls to a server, and the transport to its service. Without a given protocol, a URL without a path stands
/// for the usual paths, too.
async fn find_caller(target: &Target, by_name: bool) -> Result<(Transport, Caller), Failure> {
    // `null` and large integers are written as the extensions `<nil/>` and `<i8>`.
    let dialect = XmlRpcDialect { nil: Nil::Nil, big_integers: BigIntegers::I8, ..XmlRpcDialect::default() };
    let locations = match target.protocol {
        Some(_) => vec![target.location.clone()],
        None => target.location.and_usual(),
    };
    let mut failed = Vec::new();
    for location in locations {
        match find_at(target, &location, target.protocol, (by_name, dialect)).await? {
            Ok((transport, caller)) => {
                let has_no_names = caller.protocol == Protocol::XmlRpc && by_name && target.protocol.is_none();
                if !has_no_names {
                    return Ok((transport, caller));
                }
                let rest = find_at(target, &location, Some(Protocol::Rest), (by_name, dialect)).await?;
                return Ok(rest.unwrap_or((transport, caller)));
            }
            Err(failures) => {
                let is_final = failures.iter().any(|(_, error)| error.is_final());
                failed.push((location, failures));
                if is_final {
                    return Err(no_protocol(target, &failed));
                }
            }
        }
    }
    if target.protocol.is_none() {
        match find_at(target, &target.location, Some(Protocol::Rest), (by_name, dialect)).await? {
            Ok(found) => return Ok(found),
            Err(failures) => failed.push((target.location.clone(), failures)),
        }
    }
    Err(no_protocol(target, &failed))
}

/// The codec and the transport for a server at one location, in `only` this protocol or any but REST.
async fn find_at(
    target: &Target,
    location: &ServerLocation,
    only: Option<Protocol>,
    (by_name, dialect): (bool, XmlRpcDialect),
) -> Result<Result<(Transport, Caller), Failures>, Failure> {
    let transport = target.transport_to(location)?;
    let caller = match Caller::find(&transport, only, by_name, dialect, target.limit).await {
        Ok(caller) => caller,
        Err(failures) => return Ok(Err(failures)),
    };
    let Some(path) = &caller.path else { return Ok(Ok((transport, caller))) };
    let address = location.address().and_then(|address| address.with_path(path));
    let address = address.map_err(|error| target.failed(error))?;
    let transport = Transport::new(vec![address], target.options.clone());
    Ok(Ok((transport.map_err(|error| target.failed(error))?, caller)))
}

/// The failure that a server speaks none of the protocols, at none of the locations.
fn no_protocol(target: &Target, failed: &[(ServerLocation, Failures)]) -> Failure {
    let failures =
        || failed.iter().flat_map(|(location, failures)| failures.iter().map(move |failure| (location, failure)));
    if let Some((_, (_, DiscoveryError::Transport(error)))) = failures().find(|(_, (_, error))| error.is_final()) {
        return if error.is_late() {
            target.failed(format_args!("no response within {:?}", target.limit))
        } else {
            Failure::from(error).code(super::target::NO_RESULT)
        };
    }
    if failures().any(|(_, (_, error))| matches!(error, DiscoveryError::Unauthorized(_))) {
        return target.failed(format_args!("it requires authentication (HTTP 401): {CREDENTIALS}"));
    }
    let lines = failures()
        .map(|(location, (protocol, error))| format!("\n  {} ({}): {}", location.url, protocol.title(), shown(error)));
    target.failed(format_args!("it speaks none of the protocols that were tried{}", lines.collect::<String>()))
}

/// A text of a server, as it can be printed.
fn shown(text: &impl Display) -> String {
    printable(&text.to_string(), MESSAGE).into_owned()
}

/// One call.
struct MethodCall<'c> {
    target: &'c Target,
    transport: &'c Transport,
    method: &'c str,
    json: bool,
}

impl MethodCall<'_> {
    async fn over(&self, caller: &Caller, arguments: ArgValues) -> Result<serde_json::Value, Failure> {
        let method = caller.target(self.method);
        let request = caller.codec.encode_call(method, arguments);
        let request = request.map_err(|fault| self.fault(&fault, caller.protocol))?;
        let deadline = Instant::now() + self.target.limit;
        let response = self.transport.exchange(request, Repeat::Unsent, MAX_RESPONSE, Some(deadline)).await;
        let response = response.map_err(|error| match error.is_late() {
            true => self.target.failed(format_args!("no response within {:?}", self.target.limit)),
            false => Failure::from(error).code(super::target::NO_RESULT),
        })?;
        match caller.codec.decode_response(method, &response) {
            Ok(value) => json(&value).map_err(|error| self.target.failed(error)),
            Err(ResponseError::Fault(fault)) => Err(self.fault(&fault, caller.protocol)),
            Err(ResponseError::Status { status, .. }) if status == http::StatusCode::UNAUTHORIZED => {
                Err(self.target.failed(format_args!("it requires authentication (HTTP 401): {CREDENTIALS}")))
            }
            Err(error) => Err(self.target.failed(shown(&error))),
        }
    }

    /// The failure of a call that has a fault as its result, with the code of the protocol.
    fn fault(&self, fault: &Fault, protocol: Protocol) -> Failure {
        let code = match protocol {
            Protocol::JsonRpc => fault.kind.jsonrpc_code(),
            _ => fault.kind.xmlrpc_code(),
        };
        if self.json {
            let fault = serde_json::json!({ "fault": { "code": code, "message": fault.message } });
            return Failure::new(one_line(&fault));
        }
        let style = Style { colour: in_colour(io::stderr().is_terminal()) };
        Failure::new(format!("croupier: {}: {}", style.alarm(&format!("fault {code}")), shown(&fault.message)))
    }
}

/// A value as JSON.
fn json(value: &Value) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::to_value(value)
}

/// Prints a result: for people on a terminal, otherwise as one line.
fn print(result: &serde_json::Value, as_line: bool) {
    let terminal = io::stdout().is_terminal();
    if terminal && !as_line {
        say(Style { colour: in_colour(terminal) }.value(result));
    } else {
        say(one_line(result));
    }
}

/// The arguments, all by position or all by name.
fn arguments(texts: &[String]) -> Result<ArgValues, Failure> {
    let named: Option<Vec<(&str, &str)>> = texts.iter().map(|text| name_and_value(text)).collect();
    match named {
        Some(named) if !named.is_empty() => {
            let mut members: Vec<(String, Value)> = Vec::with_capacity(named.len());
            for (name, text) in named {
                if members.iter().any(|(known, _)| known == name) {
                    return Err(Failure::usage(format!("croupier: the argument {name} is given twice")));
                }
                members.push((name.to_owned(), argument(text)?));
            }
            Ok(ArgValues::ByName(members))
        }
        _ => match texts.iter().find(|text| name_and_value(text).is_some()) {
            Some(text) => Err(Failure::usage(format!(
                "croupier: the argument {text} is given by name, and others by position; give all in one way"
            ))),
            None => Ok(ArgValues::ByPosition(texts.iter().map(|text| argument(text)).collect::<Result<_, _>>()?)),
        },
    }
}

/// The name and the value of an argument such as `spins=3`. No JSON begins like that.
fn name_and_value(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    is_name.then_some((name, value))
}

fn argument(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        let hint = how_json_writes(text, '\'');
        Failure::usage(format!("croupier: the argument {text} is not valid JSON ({error}); {hint}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<ArgValues, String> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        arguments(&texts).map_err(|failure| failure.message)
    }

    #[test]
    fn arguments_are_by_position_or_by_name() {
        assert_eq!(read(&[]), Ok(ArgValues::ByPosition(Vec::new())));
        assert_eq!(read(&["1", "\"a=b\""]), Ok(ArgValues::ByPosition(vec![Value::Int(1), Value::Text("a=b".into())])));
        let named = vec![("spins".to_owned(), Value::Int(3)), ("a.b".to_owned(), Value::Bool(true))];
        assert_eq!(read(&["spins=3", "a.b=true"]), Ok(ArgValues::ByName(named)));
        for (texts, reason) in [
            (&["a=1", "2"][..], "by name, and others by position"),
            (&["a=1", "a=2"], "given twice"),
            (&["a=x"], "not valid JSON"),
            (&["three"], "'\"three\"'"),
        ] {
            let error = read(texts).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
