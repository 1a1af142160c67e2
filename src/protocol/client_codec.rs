//! Protocols towards upstream servers: the requests that make calls, and the results in their responses.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

use super::jsonrpc;
use super::soap;
use super::xmlrpc;
use crate::codec::tape::Mismatch;
use crate::codec::xml::charset;
use crate::http::media_type;
use crate::model::coerce::coerce;
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;
use crate::model::value::Value;
use crate::service::args::{ArgValues, KnownParams};

/// How much of an unreadable response is repeated in the error, in characters.
const REPEATED: usize = 200;

/// A protocol in which servers are called, with its settings. A codec writes requests and reads responses in memory; a
/// transport sends them.
///
/// ```
/// use croupier::service::args::ArgValues;
/// use croupier::protocol::client_codec::{CallTarget, ClientCodec};
/// use croupier::Value;
/// use http::Response;
///
/// let codec = ClientCodec::JsonRpc(Default::default());
/// let asked = CallTarget { method: "add", known: None };
/// let request = codec.encode_call(asked, ArgValues::ByPosition(vec![Value::Int(2), Value::Int(3)]))?;
/// assert_eq!(request.body(), r#"{"jsonrpc":"2.0","method":"add","params":[2,3],"id":1}"#);
///
/// let response = Response::new(r#"{"jsonrpc":"2.0","result":5,"id":1}"#.into());
/// assert_eq!(codec.decode_response(asked, &response)?, Value::Int(5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ClientCodec {
    /// XML-RPC.
    XmlRpc(xmlrpc::client::XmlRpcCodec),
    /// JSON-RPC 2.0.
    JsonRpc(jsonrpc::client::JsonRpcCodec),
    /// SOAP, by the WSDL document of one server.
    Soap(soap::client::SoapCodec),
}

/// The method that is called.
#[derive(Debug, Clone, Copy)]
pub struct CallTarget<'a> {
    /// Its name on the server.
    pub method: &'a str,
    /// Its parameters and result, if they are known. Arguments and results are coerced to these types.
    pub known: Option<KnownParams<'a>>,
}

/// Why a response has no result of the expected type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseError {
    /// The server returned a fault.
    Fault(Fault),
    /// The status of the response is not 200, and its body is not a fault.
    Status {
        /// The status.
        status: StatusCode,
        /// The beginning of the body, on one line.
        start: String,
    },
    /// The response cannot be read.
    Malformed(Fault),
    /// The result has another type.
    WrongType(Mismatch),
}

impl ClientCodec {
    /// The request that makes a call. The transport completes it: the URI is `/`, and there is no `Host`.
    ///
    /// # Errors
    /// `BadParams` where the method does not take these arguments, or the protocol cannot express them.
    pub fn encode_call(&self, asked: CallTarget<'_>, arguments: ArgValues) -> Result<Request<Bytes>, Fault> {
        match self {
            ClientCodec::XmlRpc(codec) => {
                codec.encode_call(asked.method, &positions(asked, arguments)?).map_err(|error| uncarried(&error))
            }
            ClientCodec::JsonRpc(codec) => codec.encode_call(asked, arguments),
            ClientCodec::Soap(codec) => codec.encode_call(asked, arguments),
        }
    }

    /// The result in the response to a call.
    ///
    /// # Errors
    /// Where there is no result; see [`ResponseError`].
    pub fn decode_response(&self, asked: CallTarget<'_>, response: &Response<Bytes>) -> Result<Value, ResponseError> {
        match self {
            ClientCodec::XmlRpc(codec) => codec.decode_response(response).map(|value| fitted(asked, value)),
            ClientCodec::JsonRpc(codec) => codec.decode_response(response).map(|value| fitted(asked, value)),
            ClientCodec::Soap(codec) => codec.decode_response(asked, response).map(|value| fitted(asked, value)),
        }
    }

    /// The request that makes several calls at once: `system.multicall` or a batch. `None` for SOAP, which has neither.
    ///
    /// # Errors
    /// As for [`encode_call`](ClientCodec::encode_call), for the first of the calls that cannot be written.
    pub fn encode_batch(&self, calls: Vec<(CallTarget<'_>, ArgValues)>) -> Result<Option<Request<Bytes>>, Fault> {
        match self {
            ClientCodec::XmlRpc(codec) => {
                let mut gathered = xmlrpc::client::Calls::new(codec.dialect);
                for (asked, arguments) in calls {
                    let values = positions(asked, arguments)?;
                    gathered.add(asked.method, &values).map_err(|error| uncarried(&error))?;
                }
                Ok(Some(codec.encode_batch(&gathered)))
            }
            ClientCodec::JsonRpc(codec) => codec.encode_batch(calls).map(Some),
            ClientCodec::Soap(_) => Ok(None),
        }
    }

    /// The results of several calls that were made at once, in the order of the calls.
    ///
    /// # Errors
    /// Where the response as a whole cannot be read, or is a fault.
    pub fn decode_batch(
        &self,
        asked: &[CallTarget<'_>],
        response: &Response<Bytes>,
    ) -> Result<Vec<Result<Value, ResponseError>>, ResponseError> {
        let answers: Vec<_> = match self {
            ClientCodec::XmlRpc(codec) => {
                let results = codec.hear_results(response, asked.len())?.into_values();
                results.into_iter().map(|result| result.map_err(ResponseError::Fault)).collect()
            }
            ClientCodec::JsonRpc(codec) => codec.decode_batch(response, asked.len())?,
            ClientCodec::Soap(_) => {
                let message = "SOAP has no answers to several calls";
                return Err(ResponseError::Malformed(Fault::new(Kind::Structure, message)));
            }
        };
        let answers = answers.into_iter().zip(asked);
        Ok(answers.map(|(answer, asked)| answer.map(|value| fitted(*asked, value))).collect())
    }
}

/// The arguments by position.
fn positions(asked: CallTarget<'_>, arguments: ArgValues) -> Result<Vec<Value>, Fault> {
    match (asked.known, arguments) {
        (Some(known), arguments) => arguments.by_position(known),
        (None, ArgValues::ByPosition(values)) => Ok(values),
        (None, ArgValues::ByName(members)) if members.is_empty() => Ok(Vec::new()),
        (None, ArgValues::ByName(_)) => Err(Fault::bad_params(format!(
            "the order of the parameters of `{}` is not known here: give them by position",
            abridge(asked.method)
        ))),
    }
}

/// The result, coerced to the type in the interface.
fn fitted(asked: CallTarget<'_>, value: Value) -> Value {
    match asked.known {
        Some(known) => coerce(value, &known.method.result, known.shapes),
        None => value,
    }
}

/// The fault for arguments that a protocol cannot express.
pub(super) fn uncarried(error: &dyn fmt::Display) -> Fault {
    Fault::bad_params(format!("the parameters cannot be passed on: {error}"))
}

impl ResponseError {
    /// The fault for the caller: the fault of the server unchanged, and otherwise `Unreachable`, because what responded
    /// does not speak the protocol.
    pub fn into_fault(self) -> Fault {
        match self {
            ResponseError::Fault(fault) => fault,
            other => Fault::new(Kind::Unreachable, format!("the server behind this one does not answer: {other}")),
        }
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResponseError::Fault(fault) => write!(f, "fault {}: {}", fault.kind.xmlrpc_code(), fault.message),
            ResponseError::Status { status, start } if start.is_empty() => write!(f, "HTTP {status}"),
            ResponseError::Status { status, start } => write!(f, "HTTP {status}: {start}"),
            ResponseError::Malformed(fault) => write!(f, "the answer cannot be read: {}", fault.message),
            ResponseError::WrongType(mismatch) => write!(f, "the answer is of another type: {mismatch}"),
        }
    }
}

impl std::error::Error for ResponseError {}

/// A POST request with the type and the length of its body.
pub(super) fn request(body: Vec<u8>, media: &'static str) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    let length = HeaderValue::from(request.body().len());
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    request.headers_mut().insert(header::CONTENT_LENGTH, length);
    request
}

/// The fault for the code that a server has sent. A code that is not a number of 32 bits is added to the message.
pub(super) fn fault(code: Code, message: &str, kind: impl FnOnce(i32) -> Kind) -> Fault {
    match code {
        Code::Number(code) => Fault::new(kind(code), message.to_owned()),
        Code::Word(word) => match word.trim().parse() {
            Ok(code) => Fault::new(kind(code), message.to_owned()),
            Err(_) => Fault::new(Kind::Service(None), format!("{}: {message}", abridge(&word))),
        },
        Code::None => Fault::new(Kind::Service(None), message.to_owned()),
    }
}

/// The code of a fault as servers send it.
#[derive(Default, serde::Deserialize)]
#[serde(untagged)]
pub(super) enum Code {
    /// A number of 32 bits.
    Number(i32),
    /// A text.
    Word(String),
    /// Missing, or of another type.
    #[default]
    None,
}

/// Refuses a body that is still compressed.
pub(super) fn unpacked(headers: &HeaderMap) -> Result<(), Fault> {
    let coding = headers.get(header::CONTENT_ENCODING).map(|coding| String::from_utf8_lossy(coding.as_bytes()));
    match coding.filter(|coding| !coding.trim().eq_ignore_ascii_case("identity")) {
        None => Ok(()),
        Some(coding) => {
            let message = format!("it is compressed (`{}`), which was not asked for", abridge(&coding));
            Err(Fault::new(Kind::Encoding, message))
        }
    }
}

/// The text of a response in XML.
pub(super) fn text_of(response: &Response<Bytes>) -> Result<Cow<'_, str>, Fault> {
    unpacked(response.headers())?;
    charset::decode(response.body(), media_type::parameter(response.headers(), "charset"))
}

/// The text of a document, decoded by its headers or its own declaration.
///
/// # Errors
/// `Encoding` and `Character`, as for a request.
pub fn document(response: &Response<Bytes>) -> Result<String, Fault> {
    text_of(response).map(Cow::into_owned)
}

/// The beginning of an unreadable body, on one line.
pub(super) fn start_of(body: &[u8]) -> String {
    let start = String::from_utf8_lossy(body.get(..REPEATED * 4).unwrap_or(body));
    let words = start.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(REPEATED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_a_page_is_one_line() {
        assert_eq!(start_of(b"<html>\r\n  <p>Not\0here\x1b[2J</p>"), "<html> <p>Not here [2J</p>");
        assert_eq!(start_of(&b"x".repeat(5000)).len(), REPEATED);
    }
}
