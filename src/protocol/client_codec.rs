//! Protocols towards upstream servers: the requests that make calls, and the results in their responses.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use memchr::{memchr_iter, memchr2_iter, memchr3_iter, memmem};

use super::jsonrpc;
use super::mcp;
use super::rest;
use super::soap;
use super::xmlrpc;
#[cfg(feature = "server")]
use crate::codec::portions::{RowDocuments, Search};
use crate::codec::tape::{Mismatch, TapeNode};
use crate::codec::xml::charset;
use crate::http::media_type;
use crate::model::coerce::coerce;
use crate::model::fault::{Fault, Kind};
#[cfg(feature = "server")]
use crate::model::shape::{Shape, Shapes};
use crate::model::text::{abridge, printable};
use crate::model::value::Value;
use crate::service::args::{ArgValues, KnownParams};

/// The largest length of the excerpt of an unreadable response in an error, in characters.
const MAX_EXCERPT: usize = 200;

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
/// let target = CallTarget::new("add", None);
/// let request = codec.encode_call(target, ArgValues::ByPosition(vec![Value::Int(2), Value::Int(3)]))?;
/// assert_eq!(request.body(), r#"{"jsonrpc":"2.0","method":"add","params":[2,3],"id":1}"#);
///
/// let response = Response::new(r#"{"jsonrpc":"2.0","result":5,"id":1}"#.into());
/// assert_eq!(codec.decode_response(target, &response)?, Value::Int(5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ClientCodec {
    /// XML-RPC.
    XmlRpc(xmlrpc::client::XmlRpcCodec),
    /// JSON-RPC 2.0.
    JsonRpc(jsonrpc::client::JsonRpcCodec),
    /// REST, by the OpenAPI document of one server.
    Rest(rest::client::RestCodec),
    /// SOAP, by the WSDL document of one server.
    Soap(soap::client::SoapCodec),
    /// MCP, by the list of tools of one server.
    Mcp(mcp::client::McpCodec),
}

/// An extension of a request whose URI is below the path of the server, which a transport puts before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BelowServer {
    /// The path of a server whose address has none, without a slash at its end.
    pub(crate) base: String,
}

/// The method that is called.
#[derive(Debug, Clone, Copy)]
pub struct CallTarget<'a> {
    /// Its name on the server.
    pub method: &'a str,
    /// Its parameters and result, if they are known. Arguments and results are coerced to these types.
    pub known: Option<KnownParams<'a>>,
    /// The `id` of a JSON-RPC request that was sent in its original bytes, as it is written there. `None` for requests that a
    /// codec has written.
    pub sent_id: Option<&'a str>,
}

impl<'a> CallTarget<'a> {
    /// A method, whose requests a codec writes.
    pub fn new(method: &'a str, known: Option<KnownParams<'a>>) -> CallTarget<'a> {
        CallTarget { method, known, sent_id: None }
    }
}

/// Why a response has no result of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The server returned a fault.
    #[error("fault {}: {}", .0.kind.xmlrpc_code(), .0.message)]
    Fault(Fault),
    /// The status of the response is not 200, and its body is not a fault.
    #[error("HTTP {status}{}{start}", if .start.is_empty() { "" } else { ": " })]
    Status {
        /// The status.
        status: StatusCode,
        /// The beginning of the body, on one line.
        start: String,
    },
    /// The response is a text, and not XML.
    #[error("the response is a text, not XML: {}", printable(start, MAX_EXCERPT))]
    Text {
        /// The beginning of the text, on one line.
        start: String,
    },
    /// The response cannot be read.
    #[error("the response cannot be read: {}", .0.message)]
    Malformed(Fault),
    /// The result has another type.
    #[error("the result has the wrong type: {0}")]
    WrongType(Mismatch),
}

impl ClientCodec {
    /// The request for one call. It has no `Host`, which the transport sets. Its URI is `/`, for which the transport sets the path of
    /// the server; that of REST is the path below it, with the query.
    ///
    /// # Errors
    /// `BadParams` if the arguments do not match the parameters, or the protocol cannot express them.
    pub fn encode_call(&self, target: CallTarget<'_>, arguments: ArgValues) -> Result<Request<Bytes>, Fault> {
        match self {
            ClientCodec::XmlRpc(codec) => codec
                .encode_call(target.method, &by_position(target, arguments)?)
                .map_err(|error| not_encodable(&error)),
            ClientCodec::JsonRpc(codec) => codec.encode_call(target, arguments),
            ClientCodec::Rest(codec) => codec.encode_call(target, arguments),
            ClientCodec::Soap(codec) => codec.encode_call(target, arguments),
            ClientCodec::Mcp(codec) => codec.encode_call(target, arguments),
        }
    }

    /// The result in the response to a call.
    ///
    /// # Errors
    /// A [`ResponseError`] if the response has no result.
    pub fn decode_response(&self, target: CallTarget<'_>, response: &Response<Bytes>) -> Result<Value, ResponseError> {
        self.decode_result(target, response).map(|value| value.unwrap_or(Value::Nil))
    }

    /// The result in the response to a call; `None` if the method has succeeded and the response has no value, which is not
    /// the same as nil: every protocol can say it.
    ///
    /// # Errors
    /// A [`ResponseError`] if the response has no result.
    pub(crate) fn decode_result(
        &self,
        target: CallTarget<'_>,
        response: &Response<Bytes>,
    ) -> Result<Option<Value>, ResponseError> {
        let result = match self {
            ClientCodec::XmlRpc(codec) => codec.decode_result(response),
            ClientCodec::JsonRpc(codec) => codec.decode_response(target, response).map(Some),
            ClientCodec::Rest(codec) => codec.decode_result(target, response),
            ClientCodec::Soap(codec) => codec.decode_response(target, response).map(Some),
            ClientCodec::Mcp(codec) => codec.decode_result(target, response),
        };
        Ok(result?.map(|value| coerce_result(target, value)))
    }

    /// Finds the rows of the result in the beginning of the body of a response, if the result is a long array. `head` is
    /// the response without its body.
    #[cfg(feature = "server")]
    pub(crate) fn find_rows(
        &self,
        target: CallTarget<'_>,
        head: &Response<Bytes>,
        beginning: &[u8],
    ) -> Search<RowDocuments> {
        let is_tuple = target.known.is_some_and(|known| is_tuple(&known.method.result, known.shapes));
        if is_tuple || head.status() != StatusCode::OK || check_uncompressed(head.headers()).is_err() {
            return Search::None;
        }
        match self {
            ClientCodec::JsonRpc(codec) => codec.find_rows(target, beginning),
            ClientCodec::Rest(_) | ClientCodec::Mcp(_) => Search::None,
            ClientCodec::XmlRpc(_) | ClientCodec::Soap(_) if !is_utf8_text(head, beginning) => Search::None,
            ClientCodec::XmlRpc(codec) => codec.find_rows(beginning),
            ClientCodec::Soap(codec) => codec.find_rows(target, beginning),
        }
    }

    /// The codec with the limits for a portion of a long array. The size of a row is limited already.
    #[cfg(feature = "server")]
    pub(crate) fn for_portions(&self) -> ClientCodec {
        /// A portion has at most 1,000 short rows, or one long one.
        const XML_ELEMENTS: usize = 33 << 10;
        let mut codec = self.clone();
        match &mut codec {
            ClientCodec::XmlRpc(codec) => codec.limits.elements = XML_ELEMENTS,
            ClientCodec::Soap(codec) => codec.limits.elements = XML_ELEMENTS,
            ClientCodec::JsonRpc(codec) => codec.limits.elements = usize::MAX,
            ClientCodec::Rest(codec) => codec.limits.elements = usize::MAX,
            ClientCodec::Mcp(codec) => codec.limits.elements = usize::MAX,
        }
        codec
    }

    /// How much memory the decoding of a response and its result may need at most, beyond the response itself.
    pub(crate) fn decoding_memory(&self, body: &[u8]) -> DecodingMemory {
        match self {
            ClientCodec::XmlRpc(_) => {
                let count = |tag: &[u8]| memmem::find_iter(body, tag).count();
                DecodingMemory::of_xml(body, count(b"<value") + count(b"<name"))
            }
            ClientCodec::Soap(_) => DecodingMemory::of_xml(body, memchr_iter(b'<', body).count()),
            ClientCodec::JsonRpc(_) | ClientCodec::Rest(_) | ClientCodec::Mcp(_) => {
                // Of JSON lines, each line is a value.
                let is_rest = matches!(self, ClientCodec::Rest(_));
                let lines = if is_rest { memchr2_iter(b'\n', 0x1e, body).count() } else { 0 };
                let values = memchr3_iter(b',', b'[', b'{', body).count() + lines + 1;
                DecodingMemory::of_values(body, values, memchr_iter(b':', body).count())
            }
        }
    }

    /// The request that makes several calls at once: `system.multicall` or a batch. `None` for REST, SOAP and MCP,
    /// which have neither.
    ///
    /// # Errors
    /// The error of [`encode_call`](ClientCodec::encode_call) for the first call that cannot be written.
    pub fn encode_batch(&self, calls: Vec<(CallTarget<'_>, ArgValues)>) -> Result<Option<Request<Bytes>>, Fault> {
        match self {
            ClientCodec::XmlRpc(codec) => {
                let mut gathered = xmlrpc::client::Calls::new(codec.dialect);
                for (target, arguments) in calls {
                    let values = by_position(target, arguments)?;
                    gathered.add(target.method, &values).map_err(|error| not_encodable(&error))?;
                }
                Ok(Some(codec.encode_batch(&gathered)))
            }
            ClientCodec::JsonRpc(codec) => codec.encode_batch(calls).map(Some),
            ClientCodec::Rest(_) | ClientCodec::Soap(_) | ClientCodec::Mcp(_) => Ok(None),
        }
    }

    /// Whether the protocol itself says that a second request for a method has the same effect as one.
    #[cfg(feature = "server")]
    pub(crate) fn is_idempotent(&self, method: &str) -> bool {
        match self {
            ClientCodec::Rest(codec) => codec.is_idempotent(method),
            ClientCodec::XmlRpc(_) | ClientCodec::JsonRpc(_) | ClientCodec::Soap(_) | ClientCodec::Mcp(_) => false,
        }
    }

    /// The results of several calls that were made at once, in the order of the calls.
    ///
    /// # Errors
    /// If the response as a whole cannot be read, or is a fault.
    pub fn decode_batch(
        &self,
        target: &[CallTarget<'_>],
        response: &Response<Bytes>,
    ) -> Result<Vec<Result<Value, ResponseError>>, ResponseError> {
        let results = self.decode_batch_results(target, response)?;
        Ok(results.into_iter().map(|result| result.map(|value| value.unwrap_or(Value::Nil))).collect())
    }

    /// As [`decode_batch`](ClientCodec::decode_batch), with `None` for a result without a value.
    ///
    /// # Errors
    /// If the response as a whole cannot be read, or is a fault.
    pub(crate) fn decode_batch_results(
        &self,
        target: &[CallTarget<'_>],
        response: &Response<Bytes>,
    ) -> Result<Vec<Result<Option<Value>, ResponseError>>, ResponseError> {
        let results: Result<Vec<_>, ResponseError> = match self {
            ClientCodec::XmlRpc(codec) => codec.decode_results(response, target.len()).map(|results| {
                results.into_results().into_iter().map(|result| result.map_err(ResponseError::Fault)).collect()
            }),
            ClientCodec::JsonRpc(codec) => codec
                .decode_batch(response, target.len())
                .map(|results| results.into_iter().map(|result| result.map(Some)).collect()),
            ClientCodec::Rest(_) | ClientCodec::Soap(_) | ClientCodec::Mcp(_) => {
                let message = "the protocol has no batches";
                return Err(ResponseError::Malformed(Fault::new(Kind::Structure, message)));
            }
        };
        let coerce = |(result, target): (Result<Option<Value>, _>, &CallTarget<'_>)| {
            result.map(|value| value.map(|value| coerce_result(*target, value)))
        };
        Ok(results?.into_iter().zip(target).map(coerce).collect())
    }
}

/// Where a response redirects to, for operators: without credentials and query. A redirect is followed within its server at most,
/// because the address of a server comes from the configuration alone.
pub(crate) fn redirect_target(headers: &HeaderMap) -> Option<String> {
    let location = String::from_utf8_lossy(headers.get(header::LOCATION)?.as_bytes());
    let address = location.split(['?', '#']).next().unwrap_or_default();
    let target = match address.split_once("//") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            format!("{scheme}//{}{path}", host.rsplit('@').next().unwrap_or_default())
        }
        None => address.to_owned(),
    };
    Some(printable(&target, MAX_EXCERPT).into_owned()).filter(|target| !target.is_empty())
}

impl ResponseError {
    /// The same error; if it is a redirect, it says where to.
    #[cfg(feature = "server")]
    pub(crate) fn with_redirect(self, headers: &HeaderMap) -> ResponseError {
        match (self, redirect_target(headers)) {
            (ResponseError::Status { status, start }, Some(target)) if status.is_redirection() => {
                let separator = if start.is_empty() { "" } else { ": " };
                ResponseError::Status { status, start: format!("it redirects to {target}{separator}{start}") }
            }
            (error, _) => error,
        }
    }
}

/// How much memory a response needs, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DecodingMemory {
    /// While it is decoded, beyond the response itself.
    pub(crate) peak: usize,
    /// After that, for the value and for the result that is written of it.
    pub(crate) result: usize,
}

/// The memory for a place in a vector that has grown by doubling.
const fn place(size: usize) -> usize {
    2 * size
}

impl DecodingMemory {
    /// For an XML document with this number of values and names.
    fn of_xml(body: &[u8], nodes: usize) -> DecodingMemory {
        /// The size of a node in a tree of elements, which has a place for each start tag, end tag and text.
        const TREE: usize = 72;
        let tree = memchr_iter(b'<', body).count() * TREE;
        let tape = nodes * place(size_of::<TapeNode<'_>>());
        let other_text = if body.contains(&b'\r') || std::str::from_utf8(body).is_err() { 3 * body.len() } else { 0 };
        // Each character that XML forbids becomes one of four bytes.
        let forbidden = body.iter().filter(|byte| **byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')).count();
        let other_text = if forbidden > 0 { other_text + body.len() + 4 * forbidden } else { other_text };
        let values = DecodingMemory::of_values(body, nodes, nodes / 2);
        DecodingMemory { peak: other_text + tape + tree.max(values.peak), ..values }
    }

    /// The memory for this number of values; `members` of them are members of structs.
    fn of_values(body: &[u8], values: usize, members: usize) -> DecodingMemory {
        /// The memory for a text of a few bytes, and the longest way to write a short value.
        const TEXT: usize = 32;
        let tree = values * (place(size_of::<Value>()) + TEXT) + members * (place(size_of::<String>()) + TEXT);
        // The texts in the values, and the written result.
        DecodingMemory { peak: tree + body.len(), result: tree + 2 * body.len() }
    }
}

/// The arguments by position.
fn by_position(target: CallTarget<'_>, arguments: ArgValues) -> Result<Vec<Value>, Fault> {
    match (target.known, arguments) {
        (Some(known), arguments) => arguments.by_position(known),
        (None, arguments) => arguments.free(),
    }
}

/// The result, coerced to the type in the interface.
fn coerce_result(target: CallTarget<'_>, value: Value) -> Value {
    match target.known {
        Some(known) => coerce(value, &known.method.result, known.shapes),
        None => value,
    }
}

/// Whether the items of an array have types of their own, by their position.
#[cfg(feature = "server")]
fn is_tuple(shape: &Shape, shapes: &Shapes) -> bool {
    match shapes.follow(shape) {
        Shape::Optional(inner) => is_tuple(inner, shapes),
        shape => matches!(shape, Shape::Tuple(_)),
    }
}

/// Whether an XML document that begins like this is read as UTF-8.
#[cfg(feature = "server")]
fn is_utf8_text(head: &Response<Bytes>, beginning: &[u8]) -> bool {
    charset::is_named_utf8(beginning, media_type::parameter(head.headers(), "charset"))
}

/// The fault for arguments that a protocol cannot express.
pub(super) fn not_encodable(error: &dyn fmt::Display) -> Fault {
    Fault::bad_params(format!("the arguments cannot be encoded: {error}"))
}

/// A POST request with the type and the length of its body.
pub(super) fn post_request(body: Vec<u8>, media: &'static str) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    let length = HeaderValue::from(request.body().len());
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    request.headers_mut().insert(header::CONTENT_LENGTH, length);
    request
}

/// The fault for the code that a server has sent. A code that is not a number of 32 bits is added to the message.
pub(super) fn fault_from_code(code: FaultCode, message: &str, kind: impl FnOnce(i32) -> Kind) -> Fault {
    match code {
        FaultCode::Number(code) => Fault::new(kind(code), message.to_owned()),
        FaultCode::Word(word) => match word.trim().parse() {
            Ok(code) => Fault::new(kind(code), message.to_owned()),
            Err(_) => Fault::new(Kind::Service(None), format!("{}: {message}", clean_lines(&word))),
        },
        FaultCode::None => Fault::new(Kind::Service(None), message.to_owned()),
    }
}

/// A text of several lines, with U+FFFD for control characters other than tabs and line ends.
fn clean_lines(text: &str) -> String {
    let clean = |c: char| if c.is_control() && !matches!(c, '\t' | '\n' | '\r') { '\u{fffd}' } else { c };
    text.chars().map(clean).collect()
}

/// The code of a fault as servers send it.
#[derive(Default, serde::Deserialize)]
#[serde(untagged)]
pub(super) enum FaultCode {
    /// A number of 32 bits.
    Number(i32),
    /// A text.
    Word(String),
    /// Missing, or of another type.
    #[default]
    None,
}

/// Checks that a body is not compressed in a way that is not unpacked.
pub(super) fn check_uncompressed(headers: &HeaderMap) -> Result<(), Fault> {
    let coding = headers.get(header::CONTENT_ENCODING).map(|coding| String::from_utf8_lossy(coding.as_bytes()));
    match coding.filter(|coding| !coding.trim().eq_ignore_ascii_case("identity")) {
        None => Ok(()),
        Some(coding) => {
            let message =
                format!("the response is compressed (`{}`), and only gzip and deflate are unpacked", abridge(&coding));
            Err(Fault::new(Kind::Encoding, message))
        }
    }
}

/// The text of an XML response.
pub(super) fn response_text(response: &Response<Bytes>) -> Result<Cow<'_, str>, Fault> {
    check_uncompressed(response.headers())?;
    charset::decode(response.body(), media_type::parameter(response.headers(), "charset"))
}

/// The text of an XML response, with U+FFFD for bytes that are not valid in its encoding.
pub(super) fn response_text_replacing(response: &Response<Bytes>) -> Result<Cow<'_, str>, Fault> {
    check_uncompressed(response.headers())?;
    charset::decode_replacing(response.body(), media_type::parameter(response.headers(), "charset"))
}

/// The text of an XML document in the charset of its `Content-Type`, its byte order mark or its declaration.
///
/// # Errors
/// `Encoding` if the charset is not supported or the bytes do not match it; `Character` for characters that XML forbids.
pub fn document_text(response: &Response<Bytes>) -> Result<String, Fault> {
    response_text(response).map(Cow::into_owned)
}

/// Whether a response is a text that is not XML: by its `Content-Type`, and by how its body begins.
pub(super) fn is_plain_text(response: &Response<Bytes>) -> bool {
    let content = response.body().trim_ascii_start();
    let content_type = response.headers().get(header::CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
    content_type.is_none_or(|value| value.starts_with(b"text/plain"))
        && !content.is_empty()
        && !content.starts_with(b"<")
}

/// What the body of a response with an error status says, for callers: the first line of a plain text, or the beginning of any
/// body if it is wanted. An error page may show addresses, paths and source code, and a redirect the address of a server.
#[cfg(feature = "server")]
pub(crate) fn error_text(response: &Response<Bytes>, any: bool) -> Option<String> {
    let status = response.status();
    if status == StatusCode::OK || status.is_redirection() || !(any || is_about_call(response)) {
        return None;
    }
    let body = response.body().trim_ascii_start();
    let line = if any { body } else { body.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default() };
    Some(printable(&excerpt(line), MAX_EXCERPT).into_owned()).filter(|text| !text.is_empty())
}

/// Whether a response with an error status is a plain text about the call. Others are about the credentials of the gateway or
/// about servers behind a proxy, of which callers learn nothing.
#[cfg(feature = "server")]
fn is_about_call(response: &Response<Bytes>) -> bool {
    let is_about_servers = matches!(
        response.status(),
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            | StatusCode::BAD_GATEWAY
            | StatusCode::GATEWAY_TIMEOUT
    );
    !is_about_servers && is_plain_text(response)
}

/// The beginning of an unreadable body, on one line.
pub(super) fn excerpt(body: &[u8]) -> String {
    let start = String::from_utf8_lossy(body.get(..MAX_EXCERPT * 4).unwrap_or(body));
    let words = start.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(MAX_EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_told_without_secrets() {
        for (location, expected) in [
            ("https://blog.example/xmlrpc.php", Some("https://blog.example/xmlrpc.php")),
            ("https://ann:wheel@blog.example:8443/x?token=1#a", Some("https://blog.example:8443/x")),
            ("//ann@blog.example", Some("//blog.example")),
            ("/RPC2?token=1", Some("/RPC2")),
            ("RPC2", Some("RPC2")),
            ("?token=1", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, HeaderValue::from_static(location));
            assert_eq!(redirect_target(&headers).as_deref(), expected, "{location}");
        }
        assert_eq!(redirect_target(&HeaderMap::new()), None);
    }

    #[test]
    fn a_code_of_several_lines_keeps_its_lines() {
        let code = FaultCode::Word("Traceback:\n\tline 1\r\n\u{1b}[0m".into());
        let fault = fault_from_code(code, "no", Kind::from_xmlrpc_code);
        assert_eq!(fault, Fault::new(Kind::Service(None), "Traceback:\n\tline 1\r\n\u{fffd}[0m: no"));
    }

    #[test]
    fn the_excerpt_a_page_is_one_line() {
        assert_eq!(excerpt(b"<html>\r\n  <p>Not\0here\x1b[2J</p>"), "<html> <p>Not here [2J</p>");
        assert_eq!(excerpt(&b"x".repeat(5000)).len(), MAX_EXCERPT);
    }
}
