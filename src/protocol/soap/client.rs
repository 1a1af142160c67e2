//! The SOAP codec for upstream servers: it encodes calls and decodes responses in memory, by the WSDL document of the
//! server.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde::Deserialize;

use crate::codec::DocumentLimits;
#[cfg(feature = "server")]
use crate::codec::portions::{RowDocuments, Search};
use crate::codec::soap::{
    Attachments, Binding, HEADERS, Operation, RESULT, ResultContent, SoapFault, SoapResponse, SoapVersion,
    read_response, write_call,
};
#[cfg(feature = "server")]
use crate::codec::xml::rows::{self, OnPath};
use crate::codec::xml::{Control, charset};
use crate::model::fault::{Fault, Kind};
#[cfg(feature = "server")]
use crate::model::shape::{Shape, Shapes};
use crate::model::text::abridge;
use crate::model::value::Value;
use crate::protocol::client_codec::{CallTarget, ResponseError, excerpt, post_request, response_text};
#[cfg(feature = "server")]
use crate::protocol::soap::blocks::SoapHeaders;
use crate::protocol::soap::multipart::{Multipart, multipart};
use crate::service::args::ArgValues;

/// The longest row of a long array, in bytes.
#[cfg(feature = "server")]
const MAX_ROW: usize = 1 << 20;

/// SOAP towards a server.
#[derive(Debug, Clone)]
pub struct SoapCodec {
    /// The form of its messages, from its WSDL document.
    pub binding: Arc<Binding>,
    /// How characters that XML forbids are written.
    pub control: Control,
    /// The limits on the document of a response.
    pub limits: DocumentLimits,
    /// The header blocks of every call.
    #[cfg(feature = "server")]
    pub headers: SoapHeaders,
}

impl SoapCodec {
    /// A codec for these messages. It refuses characters that XML forbids, and accepts responses of at most 10,000,000
    /// elements, nested at most 64 deep.
    pub fn new(binding: Arc<Binding>) -> SoapCodec {
        let limits = DocumentLimits { elements: 10_000_000, ..DocumentLimits::default() };
        SoapCodec {
            binding,
            control: Control::default(),
            limits,
            #[cfg(feature = "server")]
            headers: SoapHeaders::default(),
        }
    }

    /// The request for one call.
    ///
    /// # Errors
    /// `NoSuchMethod` if the WSDL document does not have the method or `target` has no parameters; `BadParams` if the
    /// arguments do not match the parameters, or XML cannot express them.
    pub fn encode_call(&self, target: CallTarget<'_>, arguments: ArgValues) -> Result<Request<Bytes>, Fault> {
        let operation = self.operation(target)?;
        let known = target.known.ok_or_else(|| Fault::no_such_method(target.method))?;
        let by_position = matches!(arguments, ArgValues::ByPosition(_));
        let mut arguments = arguments.placed(known)?;
        if by_position {
            operation.leave_out_nil(&mut arguments);
        }
        let mut body = Vec::with_capacity(1024);
        #[cfg(feature = "server")]
        let blocks = self.headers.write(self.binding.version)?;
        #[cfg(not(feature = "server"))]
        let blocks = "";
        write_call(&mut body, &self.binding, operation, &arguments, blocks.as_ref(), self.control)?;
        Ok(self.post(body, &operation.action))
    }

    /// The form of the upstream's messages.
    pub(crate) fn binding(&self) -> &Binding {
        &self.binding
    }

    /// The request with a message in its original bytes, which are UTF-8, and the configured header blocks; `None` if the upstream
    /// does not have the method, or the blocks cannot be added.
    pub(crate) fn encode_raw(&self, method: &str, body: &[u8]) -> Option<Request<Bytes>> {
        let operation = self.binding.operations.iter().find(|operation| operation.method == method)?;
        #[cfg(feature = "server")]
        if !self.headers.is_empty() {
            let text = std::str::from_utf8(body).ok()?;
            let text = self.headers.add_to(text, self.binding.version, self.limits)?;
            return Some(self.post(text.into_bytes(), &operation.action));
        }
        Some(self.post(body.to_vec(), &operation.action))
    }

    /// The result in the response to a call.
    ///
    /// # Errors
    /// A [`ResponseError`] if the response has no result.
    pub fn decode_response(&self, target: CallTarget<'_>, response: &Response<Bytes>) -> Result<Value, ResponseError> {
        let operation = self.operation(target).map_err(ResponseError::Fault)?;
        let succeeded = response.status().is_success();
        if operation.result == ResultContent::Nothing && succeeded && response.body().is_empty() {
            return Ok(match operation.response_headers {
                Some(_) => {
                    let headers = Value::Struct(Vec::new());
                    Value::Struct(vec![(HEADERS.to_owned(), headers), (RESULT.to_owned(), Value::Nil)])
                }
                None => Value::Nil,
            });
        }
        let parts = multipart(response);
        let text = match &parts {
            Some(Multipart { root, charset, .. }) => charset::decode(root, *charset),
            None => response_text(response),
        };
        let none = Attachments::default();
        let attachments = parts.as_ref().map_or(&none, |parts| &parts.attachments);
        let read = text.and_then(|text| {
            let read = read_response(&text, &self.binding, operation, attachments, self.limits);
            read.map_err(Fault::from).map(into_owned)
        });
        match read {
            Ok(SoapResponse::Fault(soap_fault)) => Err(ResponseError::Fault(fault_of(soap_fault))),
            _ if response.status() != StatusCode::OK => {
                Err(ResponseError::Status { status: response.status(), start: excerpt(response.body()) })
            }
            Ok(SoapResponse::Result(tape)) => match tape.values().next() {
                Some(value) => Value::deserialize(value).map_err(ResponseError::WrongType),
                None => Ok(Value::Nil),
            },
            Err(fault) => Err(ResponseError::Malformed(fault)),
        }
    }

    /// Finds the rows of the result in the beginning of a response, if the result is a list. Values in SOAP's encoding can
    /// refer to each other, so they are read only as a whole.
    #[cfg(feature = "server")]
    pub(in crate::protocol) fn find_rows(&self, target: CallTarget<'_>, beginning: &[u8]) -> Search<RowDocuments> {
        let (Ok(operation), Some(known)) = (self.operation(target), target.known) else { return Search::None };
        let depth = rows_depth(&operation.result, &known.method.result, known.shapes)
            .filter(|_| !operation.encoded && operation.response_headers.is_none());
        let Some(depth) = depth else { return Search::None };
        let on_path = |level, name: &[u8]| match (level, name) {
            (0, b"Envelope") | (1, b"Body") => OnPath::Yes,
            (1, _) => OnPath::Beside,
            (0, _) | (2, b"Fault") => OnPath::Never,
            _ => OnPath::Yes,
        };
        rows::find_rows(beginning, depth, MAX_ROW, on_path)
    }

    fn operation(&self, target: CallTarget<'_>) -> Result<&Operation, Fault> {
        self.binding.operation(target.method).ok_or_else(|| Fault::no_such_method(target.method))
    }

    /// A POST request with the action: in its own header (SOAP 1.1, section 6.1.1), or as a parameter of the media type
    /// (SOAP 1.2, Part 2, section 6.5.3; RFC 3902).
    fn post(&self, body: Vec<u8>, action: &str) -> Request<Bytes> {
        let quoted = format!("\"{}\"", action.replace('"', "%22"));
        match self.binding.version {
            SoapVersion::V11 => {
                let mut request = post_request(body, SoapVersion::V11.content_type());
                let action = HeaderValue::from_str(&quoted).unwrap_or(HeaderValue::from_static("\"\""));
                request.headers_mut().insert(super::ACTION_HEADER, action);
                request
            }
            SoapVersion::V12 => {
                let mut request = post_request(body, SoapVersion::V12.content_type());
                let with_action = format!("{}; action={quoted}", SoapVersion::V12.content_type());
                if let (false, Ok(media)) = (action.is_empty(), HeaderValue::from_str(&with_action)) {
                    request.headers_mut().insert(header::CONTENT_TYPE, media);
                }
                request
            }
        }
    }
}

/// How many elements enclose the items of a result, if it is a list: the envelope, its Body, the element in the Body, and
/// the element of the result, unless that is repeated for each item.
#[cfg(feature = "server")]
fn rows_depth(content: &ResultContent, result: &Shape, shapes: &Shapes) -> Option<usize> {
    let inner = if let Shape::Optional(inner) = result { inner } else { result };
    let is_list = matches!(shapes.follow(inner), Shape::List(_));
    match content {
        ResultContent::Nothing | ResultContent::Record(_) | ResultContent::Body(_) => None,
        ResultContent::Member(_) if matches!(result, Shape::List(_)) => Some(3),
        ResultContent::Member(_) | ResultContent::Part(_) => is_list.then_some(4),
        ResultContent::Element(_) => is_list.then_some(3),
    }
}

fn into_owned(response: SoapResponse<'_>) -> SoapResponse<'static> {
    match response {
        SoapResponse::Result(tape) => SoapResponse::Result(tape.into_owned()),
        SoapResponse::Fault(soap_fault) => SoapResponse::Fault(soap_fault),
    }
}

/// The fault for a SOAP fault. The detail that croupier adds gives the exact kind. The codes of other servers are words
/// without a common meaning, which are added to the message.
fn fault_of(mut soap_fault: SoapFault) -> Fault {
    match soap_fault.data.take() {
        Some(data) => fault_without_data(soap_fault).with_data(data),
        None => fault_without_data(soap_fault),
    }
}

fn fault_without_data(mut soap_fault: SoapFault) -> Fault {
    if soap_fault.reason.is_empty() {
        soap_fault.reason = "the server returned a fault without a reason".to_owned();
    }
    let exact = soap_fault
        .exact
        .as_ref()
        .and_then(|(word, code)| Kind::from_word(word, *code).filter(|kind| kind.xmlrpc_code() == *code));
    if let Some(kind) = exact {
        return Fault::new(kind, soap_fault.reason);
    }
    let own = soap_fault.subcodes.iter().map(String::as_str).chain(soap_fault.code.split('.').skip(1)).last();
    let own = own.or(Some(soap_fault.code.as_str()).filter(|code| !is_standard(code))).unwrap_or_default();
    let kind = match own {
        "ProcedureNotPresent" => Kind::NoSuchMethod,
        "BadArguments" | "SchemaValidationError" | "ValidationError" => Kind::BadParams,
        _ => Kind::Service(own.parse().ok()),
    };
    match kind {
        // Some servers put the code before the reason themselves.
        Kind::Service(None) if !own.is_empty() && !begins_with(&soap_fault.reason, own) => {
            Fault::new(kind, format!("{}: {}", abridge(own), soap_fault.reason))
        }
        kind => Fault::new(kind, soap_fault.reason),
    }
}

/// Whether a text begins with a word.
fn begins_with(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

/// Whether a code is defined by SOAP itself. Such a code tells a caller nothing.
fn is_standard(code: &str) -> bool {
    let code = code.split('.').next().unwrap_or_default();
    ["Client", "Server", "Sender", "Receiver", ""].contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soap_fault(code: &str, subcodes: &[&str]) -> SoapFault {
        let subcodes = subcodes.iter().map(|code| (*code).to_owned()).collect();
        SoapFault { code: code.into(), subcodes, reason: "no luck".into(), exact: None, data: None }
    }

    #[test]
    fn faults_of_other_servers_keep_their_reason() {
        let service = |message: &'static str| Fault::new(Kind::Service(None), message);
        for (soap_fault, expected) in [
            (soap_fault("Server", &[]), service("no luck")),
            (soap_fault("Client", &[]), service("no luck")),
            (soap_fault("", &[]), service("no luck")),
            (soap_fault("Client.Refused", &[]), service("Refused: no luck")),
            (soap_fault("Client.SchemaValidationError", &[]), Fault::bad_params("no luck")),
            (soap_fault("E42", &[]), service("E42: no luck")),
            (SoapFault { reason: "E42: no luck".into(), ..soap_fault("E42", &[]) }, service("E42: no luck")),
            (SoapFault { reason: "E42a".into(), ..soap_fault("E42", &[]) }, service("E42: E42a")),
            (soap_fault("42", &[]), Fault::service(42, "no luck")),
            (soap_fault("Sender", &["ProcedureNotPresent"]), Fault::new(Kind::NoSuchMethod, "no luck")),
            (soap_fault("Sender", &["BadArguments"]), Fault::bad_params("no luck")),
            (soap_fault("Receiver", &["A", "B"]), service("B: no luck")),
            (soap_fault("MustUnderstand", &[]), service("MustUnderstand: no luck")),
        ] {
            assert_eq!(fault_of(soap_fault.clone()), expected, "{soap_fault:?}");
        }
    }

    #[test]
    fn faults_of_croupier_keep_their_kind() {
        let exact = |word: &str, code| {
            fault_of(SoapFault { exact: Some((word.into(), code)), ..soap_fault("Server", &[]) }).kind
        };
        assert_eq!(exact("encoding", -32701), Kind::Encoding);
        assert_eq!(exact("limit", -32400), Kind::Limit);
        assert_eq!(exact("service", 42), Kind::Service(Some(42)));
        assert_eq!(exact("service", -32500), Kind::Service(None));
        // The word does not match the code, so another kind of server has sent it.
        assert_eq!(exact("busy", 7), Kind::Service(None));
    }
}
