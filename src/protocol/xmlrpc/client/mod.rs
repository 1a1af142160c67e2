//! The XML-RPC codec for upstream servers: it encodes calls and decodes responses in memory.

mod multicall;

use std::borrow::Cow;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::de::value::UnitDeserializer;
use serde::{Deserialize as _, Serialize};
use serde_json::value::RawValue;

use crate::codec::DocumentLimits;
use crate::codec::json::{JsonDialect, write_value};
#[cfg(feature = "server")]
use crate::codec::portions::{RowDocuments, Search};
use crate::codec::tape::{Mismatch, Tape, ValueRef};
#[cfg(feature = "server")]
use crate::codec::xml::rows::{self, OnPath};
use crate::codec::xml::{InvalidCharacters, Reading};
use crate::codec::xmlrpc as codec;
use crate::codec::xmlrpc::{Root, Unwritable, XmlRpcDialect, XmlRpcDocument};
use crate::model::fault::{Fault, Kind};
use crate::model::value::Value;
pub use crate::protocol::client_codec::ResponseError;
use crate::protocol::client_codec::{
    excerpt, fault_from_code, is_plain_text, post_request, response_text, response_text_replacing,
};
pub use multicall::{Calls, Results};

/// The longest row of a long array, in bytes.
#[cfg(feature = "server")]
const MAX_ROW: usize = 1 << 20;

/// XML-RPC towards a server, with arguments and results of any type that serde supports. For values of the crate's own
/// [`Value`], use [`ClientCodec::XmlRpc`](crate::protocol::client_codec::ClientCodec::XmlRpc).
///
/// ```
/// use croupier::protocol::xmlrpc::client::XmlRpcCodec;
/// use http::Response;
///
/// let codec = XmlRpcCodec::default();
/// let request = codec.encode_call("add", &(2, 3))?;
/// assert_eq!(request.headers()["content-type"], "text/xml");
///
/// let body = "<methodResponse><params><param><value><int>5</int></value></param></params></methodResponse>";
/// assert_eq!(codec.decode_response::<i32>(&Response::new(body.into()))?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XmlRpcCodec {
    /// The dialect: how points that XML-RPC leaves open are written and read.
    pub dialect: XmlRpcDialect,
    /// The limits on the document of a response.
    pub limits: DocumentLimits,
    /// Whether the server does not wrap each result of a `system.multicall` in an array of one value, as supervisord
    /// does not (`false` by default). A result that looks like a fault is then read as one.
    pub bare: bool,
    /// How characters that XML forbids, and bytes that are not valid in their encoding, are read (kept by default). Strict
    /// reading refuses them.
    pub invalid_characters: InvalidCharacters,
}

impl Default for XmlRpcCodec {
    /// The default dialect, invalid characters kept, and responses of at most 10,000,000 elements, nested at most 64 deep.
    fn default() -> Self {
        XmlRpcCodec {
            dialect: XmlRpcDialect::default(),
            limits: DocumentLimits { elements: 10_000_000, ..DocumentLimits::default() },
            bare: false,
            invalid_characters: InvalidCharacters::default(),
        }
    }
}

impl XmlRpcCodec {
    /// The request for one call. Its parameters are the items of a tuple or an array, or the fields of a struct. Its URI is
    /// `/` and it has no `Host`; the transport sets both.
    ///
    /// # Errors
    /// If `params` is anything else, or has a value that XML-RPC cannot express.
    pub fn encode_call<P: Serialize + ?Sized>(&self, method: &str, params: &P) -> Result<Request<Bytes>, Unwritable> {
        let mut body = Vec::with_capacity(512);
        codec::write_call(&mut body, method, params, self.dialect)?;
        Ok(post_request(body, "text/xml"))
    }

    /// The result in a response. A response without a value is read as nil: some servers write null that way.
    ///
    /// # Errors
    /// A [`ResponseError`] if the response has no result.
    pub fn decode_response<T: DeserializeOwned>(&self, response: &Response<Bytes>) -> Result<T, ResponseError> {
        self.decode_tape(response, |tape| read(tape.values().next()).map_err(ResponseError::WrongType))
    }

    /// The result in a response; `None` if it has no value.
    pub(in crate::protocol) fn decode_result(
        &self,
        response: &Response<Bytes>,
    ) -> Result<Option<Value>, ResponseError> {
        self.decode_tape(response, |tape| match tape.values().next() {
            Some(value) => read(Some(value)).map(Some).map_err(ResponseError::WrongType),
            None => Ok(None),
        })
    }

    /// Finds the rows of the result in the beginning of a response, if the result is an array.
    #[cfg(feature = "server")]
    pub(in crate::protocol) fn find_rows(&self, beginning: &[u8]) -> Search<RowDocuments> {
        const PATH: [&str; 6] = ["methodResponse", "params", "param", "value", "array", "data"];
        let on_path = |level: usize, name: &[u8]| match level {
            _ if PATH.get(level).is_some_and(|path| path.as_bytes() == name) => OnPath::Yes,
            // Lenient reading ignores unknown elements beside these.
            1..=3 if name != b"fault" => OnPath::Beside,
            _ => OnPath::Never,
        };
        rows::find_rows(beginning, PATH.len(), MAX_ROW, on_path)
    }

    /// The request for several calls.
    pub fn encode_batch(&self, calls: &Calls) -> Request<Bytes> {
        post_request(calls.document(), "text/xml")
    }

    /// The results in the response to several calls.
    ///
    /// # Errors
    /// The errors of [`decode_response`](XmlRpcCodec::decode_response), and `Malformed` if the number of results differs from
    /// that of the calls.
    pub fn decode_batch(&self, response: &Response<Bytes>, calls: &Calls) -> Result<Results, ResponseError> {
        self.decode_results(response, calls.len())
    }

    /// The results in the response to this number of calls.
    pub(in crate::protocol) fn decode_results(
        &self,
        response: &Response<Bytes>,
        calls: usize,
    ) -> Result<Results, ResponseError> {
        self.decode_tape(response, |tape| Results::read(tape, calls, self.bare).map_err(ResponseError::Malformed))
    }

    /// The text of a response, with U+FFFD for bytes that are not valid in its encoding, unless they are refused.
    fn text<'r>(&self, response: &'r Response<Bytes>) -> Result<Cow<'r, str>, Fault> {
        let refuses = self.dialect.reading == Reading::Strict || self.invalid_characters == InvalidCharacters::Refuse;
        match response_text(response) {
            Err(fault) if fault.kind == Kind::Character && !refuses => response_text_replacing(response),
            text => text,
        }
    }

    /// Reads a response. A fault is returned with any status, a result only with status 200.
    fn decode_tape<R>(
        &self,
        response: &Response<Bytes>,
        read_tape: impl FnOnce(Tape<'_>) -> Result<R, ResponseError>,
    ) -> Result<R, ResponseError> {
        let text = self.text(response);
        let document = match &text {
            Ok(text) => XmlRpcDocument::read_with(text, self.dialect.reading, self.invalid_characters, self.limits),
            Err(fault) => Err(fault.clone()),
        };
        match document {
            Ok(XmlRpcDocument { root: Root::Fault, tape }) => Err(ResponseError::Fault(fault_of(tape.values().next()))),
            _ if response.status() != StatusCode::OK => {
                Err(ResponseError::Status { status: response.status(), start: excerpt(response.body()) })
            }
            Ok(XmlRpcDocument { root: Root::Response, tape }) => read_tape(tape),
            Ok(XmlRpcDocument { root: Root::Call(_), .. }) => Err(ResponseError::Malformed(Fault::new(
                Kind::Structure,
                "this is a `methodCall`, not a `methodResponse`",
            ))),
            Err(_) if is_page(response) => Err(ResponseError::Malformed(Fault::new(Kind::Structure, HTML_PAGE))),
            Err(_) if text.is_ok() && is_plain_text(response) => {
                Err(ResponseError::Text { start: excerpt(response.body()) })
            }
            Err(fault) => Err(ResponseError::Malformed(fault)),
        }
    }
}

/// The message for an HTML page in place of a response.
const HTML_PAGE: &str = "it is an HTML page, not a response; check the path, which is often /RPC2";

/// Whether a response is an HTML page, by its `Content-Type`.
fn is_page(response: &Response<Bytes>) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|content_type| content_type.as_bytes().starts_with(b"text/html"))
}

/// Reads a value as a `T`. A missing value is nil.
fn read<T: DeserializeOwned>(value: Option<ValueRef<'_, '_>>) -> Result<T, Mismatch> {
    match value {
        Some(value) => T::deserialize(value),
        None => T::deserialize(UnitDeserializer::new()),
    }
}

/// The fault in a fault struct. Some servers send codes that are not 32-bit integers; such a code is added to the
/// message.
fn fault_of(members: Option<ValueRef<'_, '_>>) -> Fault {
    let member = |name| members.and_then(|members| members.member(name));
    let message = member("faultString").and_then(ValueRef::text).unwrap_or_default();
    let code = member("faultCode").and_then(|code| serde::Deserialize::deserialize(code).ok()).unwrap_or_default();
    let fault = fault_from_code(code, message, Kind::from_xmlrpc_code);
    match members.and_then(further_members) {
        Some(data) => fault.with_data(data),
        None => fault,
    }
}

/// The members of a fault struct beyond the two of the specification, as a JSON object. The data that croupier adds as one
/// member is already JSON.
fn further_members(members: ValueRef<'_, '_>) -> Option<Box<RawValue>> {
    let further = members.members()?.filter(|(name, _)| !matches!(*name, "faultCode" | "faultString"));
    let further: Vec<_> = further.collect();
    if let [("faultData", value)] = further.as_slice()
        && let Some(data) = value.text().and_then(|text| RawValue::from_string(text.to_owned()).ok())
    {
        return Some(data);
    }
    let values = further.into_iter().map(|(name, value)| Ok((name.to_owned(), Value::deserialize(value)?)));
    let values: Vec<_> = values.collect::<Result<_, Mismatch>>().ok()?;
    let mut json = Vec::new();
    (!values.is_empty()).then(|| write_value(&mut json, &Value::Struct(values), JsonDialect::default()).ok())??;
    RawValue::from_string(String::from_utf8(json).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method};

    use super::*;

    fn response(status: u16, body: &str) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap()
    }

    fn fault(code: &str) -> String {
        format!(
            "<methodResponse><fault><value><struct>\
             <member><name>faultString</name><value>no luck</value></member>\
             <member><name>faultCode</name><value>{code}</value></member>\
             </struct></value></fault></methodResponse>"
        )
    }

    #[test]
    fn a_call_is_a_post_with_its_length() {
        let request = XmlRpcCodec::default().encode_call("spinList", &(3,)).unwrap();
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.headers()[header::CONTENT_LENGTH], request.body().len().to_string());
        let body = std::str::from_utf8(request.body()).unwrap();
        assert!(body.contains("<methodName>spinList</methodName><params><param><value><int>3</int></value></param>"));
    }

    #[test]
    fn parameters_that_are_no_list_are_refused() {
        assert!(XmlRpcCodec::default().encode_call("spin", &7).is_err());
        assert!(XmlRpcCodec::default().encode_call("spin", &("\u{1}",)).is_err());
    }

    #[test]
    fn a_response_without_a_value_is_nil() {
        let empty = response(200, "<methodResponse><params/></methodResponse>");
        assert_eq!(XmlRpcCodec::default().decode_response::<Value>(&empty), Ok(Value::Nil));
        assert_eq!(XmlRpcCodec::default().decode_response::<Option<i32>>(&empty), Ok(None));
        assert_eq!(XmlRpcCodec::default().decode_response::<()>(&empty), Ok(()));
        assert!(matches!(XmlRpcCodec::default().decode_response::<i32>(&empty), Err(ResponseError::WrongType(_))));
    }

    #[test]
    fn a_fault_counts_whatever_the_status() {
        for status in [200, 400, 401, 500, 503] {
            let decoded = XmlRpcCodec::default().decode_response::<Value>(&response(status, &fault("<int>7</int>")));
            assert_eq!(decoded, Err(ResponseError::Fault(Fault::service(7, "no luck"))), "{status}");
        }
    }

    #[test]
    fn a_result_counts_only_with_status_200() {
        let body = "<methodResponse><params><param><value><struct/></value></param></params></methodResponse>";
        assert_eq!(XmlRpcCodec::default().decode_response::<Value>(&response(200, body)), Ok(Value::Struct(vec![])));
        for status in [202, 401, 500] {
            let decoded = XmlRpcCodec::default().decode_response::<Value>(&response(status, body));
            assert!(matches!(decoded, Err(ResponseError::Status { status: it, .. }) if it == status), "{decoded:?}");
        }
    }

    #[test]
    fn codes_are_read_in_every_form_that_servers_send() {
        for (code, expected) in [
            ("<int>-32601</int>", Fault::new(Kind::NoSuchMethod, "no luck")),
            ("<string>4</string>", Fault::service(4, "no luck")),
            ("access denied", Fault::new(Kind::Service(None), "access denied: no luck")),
            ("<nil/>", Fault::new(Kind::Service(None), "no luck")),
        ] {
            let decoded = XmlRpcCodec::default().decode_response::<Value>(&response(200, &fault(code)));
            assert_eq!(decoded, Err(ResponseError::Fault(expected)), "{code}");
        }
    }

    #[test]
    fn other_documents_are_malformed() {
        for (body, kind) in [
            ("", Kind::NotWellFormed),
            ("<html><body>Welcome</body></html>", Kind::Structure),
            ("<methodCall><methodName>spin</methodName></methodCall>", Kind::Structure),
            ("<methodResponse><params><param><value>cut", Kind::NotWellFormed),
        ] {
            let decoded = XmlRpcCodec::default().decode_response::<Value>(&response(200, body));
            assert!(
                matches!(&decoded, Err(ResponseError::Malformed(fault)) if fault.kind == kind),
                "{body}: {decoded:?}"
            );
        }
    }

    #[test]
    fn a_compressed_response_is_not_read_as_text() {
        let mut packed = response(200, "\u{1f}\u{8b}");
        packed.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let decoded = XmlRpcCodec::default().decode_response::<Value>(&packed);
        assert!(matches!(decoded, Err(ResponseError::Malformed(fault)) if fault.kind == Kind::Encoding));
    }

    #[test]
    fn the_charset_of_the_header_counts() {
        let body = b"<methodResponse><params><param><value>\xe9</value></param></params></methodResponse>";
        let mut latin = Response::new(Bytes::from_static(body));
        latin.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=ISO-8859-1"));
        assert_eq!(XmlRpcCodec::default().decode_response::<String>(&latin).unwrap(), "é");
    }
}
