//! SOAP seen from us as a client: a call into a request as the server's description has it, a response into its answer,
//! and no socket between.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde::Deserialize;

use crate::codec::Limits;
use crate::codec::soap::{
    Binding, Operation, ResultLocation, SoapFault, SoapReply, SoapVersion, read_reply, write_call,
};
use crate::codec::xml::Control;
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;
use crate::model::value::Value;
use crate::protocol::client_codec::{CallTarget, ResponseError, request, start_of, text_of};
use crate::service::args::ArgValues;

/// How SOAP is spoken to a server.
#[derive(Debug, Clone)]
pub struct SoapCodec {
    /// How its messages look, which only its own description says.
    pub binding: Arc<Binding>,
    /// What becomes of a character that XML forbids.
    pub control: Control,
    /// How large an answer's document may be.
    pub limits: Limits,
}

impl SoapCodec {
    /// A codec for these messages, which refuses characters that XML forbids; answers have at most 10,000,000 elements,
    /// nested at most 64 deep.
    pub fn new(binding: Arc<Binding>) -> SoapCodec {
        let limits = Limits { elements: 10_000_000, ..Limits::default() };
        SoapCodec { binding, control: Control::default(), limits }
    }

    /// The request that makes a call.
    ///
    /// # Errors
    /// `NoSuchMethod` for a method that the server's description does not have or whose interface is not given,
    /// `BadParams` where the method does not take these arguments, or XML cannot carry them.
    pub fn encode_call(&self, asked: CallTarget<'_>, arguments: ArgValues) -> Result<Request<Bytes>, Fault> {
        let operation = self.operation(asked)?;
        let known = asked.known.ok_or_else(|| Fault::no_such_method(asked.method))?;
        let arguments = arguments.placed(known)?;
        let mut body = Vec::with_capacity(1024);
        write_call(&mut body, &self.binding, operation, &arguments, self.control)?;
        Ok(self.post(body, &operation.action))
    }

    /// The messages of the upstream's own description.
    pub(crate) fn binding(&self) -> &Binding {
        &self.binding
    }

    /// The request that passes a message on, in UTF-8, for the method that it addresses.
    pub(crate) fn pass(&self, method: &str, body: &[u8]) -> Option<Request<Bytes>> {
        let operation = self.binding.operations.iter().find(|operation| operation.method == method)?;
        Some(self.post(body.to_vec(), &operation.action))
    }

    /// The result in the response to a call.
    ///
    /// # Errors
    /// Where there is none; see [`ResponseError`].
    pub fn decode_response(&self, asked: CallTarget<'_>, response: &Response<Bytes>) -> Result<Value, ResponseError> {
        let (operation, known) = match (self.operation(asked), asked.known) {
            (Ok(operation), Some(known)) => (operation, known),
            (Err(fault), _) => return Err(ResponseError::Fault(fault)),
            (_, None) => return Err(ResponseError::Fault(Fault::no_such_method(asked.method))),
        };
        let fine = response.status().is_success();
        if operation.outcome == ResultLocation::Nothing && fine && response.body().is_empty() {
            return Ok(Value::Nil);
        }
        let reply = text_of(response).and_then(|text| {
            let reply = read_reply(&text, known.shapes, &known.method.result, operation.outcome, self.limits);
            reply.map_err(Fault::from).map(owned)
        });
        match reply {
            Ok(SoapReply::Fault(told)) => Err(ResponseError::Fault(fault_of(told))),
            _ if response.status() != StatusCode::OK => {
                Err(ResponseError::Status { status: response.status(), start: start_of(response.body()) })
            }
            Ok(SoapReply::Answer(tape)) => match tape.values().next() {
                Some(value) => Value::deserialize(value).map_err(ResponseError::WrongType),
                None => Ok(Value::Nil),
            },
            Err(fault) => Err(ResponseError::Malformed(fault)),
        }
    }

    fn operation(&self, asked: CallTarget<'_>) -> Result<&Operation, Fault> {
        self.binding.operation(asked.method).ok_or_else(|| Fault::no_such_method(asked.method))
    }

    /// Adds the action where the version of SOAP has it: in a header of its own (SOAP 1.1, section 6.1.1), or
    /// among the parameters of the media type (SOAP 1.2, Part 2, section 6.5.3; RFC 3902).
    fn post(&self, body: Vec<u8>, action: &str) -> Request<Bytes> {
        let quoted = format!("\"{}\"", action.replace('"', "%22"));
        match self.binding.version {
            SoapVersion::V11 => {
                let mut request = request(body, SoapVersion::V11.content_type());
                let action = HeaderValue::from_str(&quoted).unwrap_or(HeaderValue::from_static("\"\""));
                request.headers_mut().insert(super::ACTION_HEADER, action);
                request
            }
            SoapVersion::V12 => {
                let mut request = request(body, SoapVersion::V12.content_type());
                let with_action = format!("{}; action={quoted}", SoapVersion::V12.content_type());
                if let (false, Ok(media)) = (action.is_empty(), HeaderValue::from_str(&with_action)) {
                    request.headers_mut().insert(header::CONTENT_TYPE, media);
                }
                request
            }
        }
    }
}

fn owned(reply: SoapReply<'_>) -> SoapReply<'static> {
    match reply {
        SoapReply::Answer(tape) => SoapReply::Answer(tape.into_owned()),
        SoapReply::Fault(told) => SoapReply::Fault(told),
    }
}

/// A fault in the one table's terms. What another croupier says in the detail is exact; others say little that means the
/// same everywhere, and their own codes are words, which are kept in the message.
fn fault_of(mut told: SoapFault) -> Fault {
    if told.reason.is_empty() {
        told.reason = "the server has failed, and says nothing about it".to_owned();
    }
    let exact = told
        .exact
        .as_ref()
        .and_then(|(word, code)| Kind::from_word(word, *code).filter(|kind| kind.xmlrpc_code() == *code));
    if let Some(kind) = exact {
        return Fault::new(kind, told.reason);
    }
    let own = told.subcodes.iter().map(String::as_str).chain(told.code.split('.').skip(1)).last();
    let own = own.or(Some(told.code.as_str()).filter(|code| !is_standard(code))).unwrap_or_default();
    let kind = match own {
        "ProcedureNotPresent" => Kind::NoSuchMethod,
        "BadArguments" | "SchemaValidationError" | "ValidationError" => Kind::BadParams,
        _ => Kind::Service(own.parse().ok()),
    };
    match kind {
        Kind::Service(None) if !own.is_empty() => Fault::new(kind, format!("{}: {}", abridge(own), told.reason)),
        kind => Fault::new(kind, told.reason),
    }
}

/// Whether a code is one that SOAP itself has, which tells a caller nothing.
fn is_standard(code: &str) -> bool {
    let code = code.split('.').next().unwrap_or_default();
    ["Client", "Server", "Sender", "Receiver", ""].contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: &str, subcodes: &[&str]) -> SoapFault {
        let subcodes = subcodes.iter().map(|code| (*code).to_owned()).collect();
        SoapFault { code: code.into(), subcodes, reason: "no luck".into(), exact: None }
    }

    #[test]
    fn faults_of_others_keep_what_they_say() {
        let service = |message: &'static str| Fault::new(Kind::Service(None), message);
        for (told, expected) in [
            (told("Server", &[]), service("no luck")),
            (told("Client", &[]), service("no luck")),
            (told("", &[]), service("no luck")),
            (told("Client.Refused", &[]), service("Refused: no luck")),
            (told("Client.SchemaValidationError", &[]), Fault::bad_params("no luck")),
            (told("E42", &[]), service("E42: no luck")),
            (told("42", &[]), Fault::service(42, "no luck")),
            (told("Sender", &["ProcedureNotPresent"]), Fault::new(Kind::NoSuchMethod, "no luck")),
            (told("Sender", &["BadArguments"]), Fault::bad_params("no luck")),
            (told("Receiver", &["A", "B"]), service("B: no luck")),
            (told("MustUnderstand", &[]), service("MustUnderstand: no luck")),
        ] {
            assert_eq!(fault_of(told.clone()), expected, "{told:?}");
        }
    }

    #[test]
    fn what_another_croupier_says_is_exact() {
        let exact =
            |word: &str, code| fault_of(SoapFault { exact: Some((word.into(), code)), ..told("Server", &[]) }).kind;
        assert_eq!(exact("encoding", -32701), Kind::Encoding);
        assert_eq!(exact("limit", -32400), Kind::Limit);
        assert_eq!(exact("service", 42), Kind::Service(Some(42)));
        assert_eq!(exact("service", -32500), Kind::Service(None));
        // The word does not match the code, so another kind of server has sent it.
        assert_eq!(exact("busy", 7), Kind::Service(None));
    }
}
