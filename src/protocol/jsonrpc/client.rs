//! The JSON-RPC codec for upstream servers: it encodes calls and decodes responses in memory.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::codec::DocumentLimits;
use crate::codec::json::members::{is_present, present, without_nul};
#[cfg(feature = "server")]
use crate::codec::json::rows;
use crate::codec::json::{JsonDialect, TypedJson, check, not_well_formed, write_value};
#[cfg(feature = "server")]
use crate::codec::portions::{RowDocuments, Search};
use crate::model::fault::{Fault, Kind};
use crate::model::value::Value;
use crate::protocol::client_codec::{
    CallTarget, FaultCode, ResponseError, check_uncompressed, excerpt, fault_from_code, not_encodable, post_request,
};
use crate::service::args::ArgValues;

/// The id of a single call, and of the first call of a batch.
const FIRST_ID: usize = 1;
/// The longest row of a long array, in bytes.
#[cfg(feature = "server")]
const MAX_ROW: usize = 256 << 10;

/// JSON-RPC towards a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonRpcCodec {
    /// How arguments are passed to a method whose parameters are known. For other methods, they are passed as received.
    pub param_structure: ParamStructure,
    /// The dialect: how values that JSON cannot express are written.
    pub dialect: JsonDialect,
    /// The limits on the text of a response.
    pub limits: DocumentLimits,
}

/// How arguments are passed to a method whose parameters are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ParamStructure {
    /// As an array, which every server accepts.
    #[default]
    ByPosition,
    /// As an object.
    ByName,
}

impl Default for JsonRpcCodec {
    /// By position, and responses of at most 10,000,000 values, nested at most 64 deep.
    fn default() -> Self {
        let limits = DocumentLimits { elements: 10_000_000, ..DocumentLimits::default() };
        JsonRpcCodec { param_structure: ParamStructure::default(), dialect: JsonDialect::default(), limits }
    }
}

impl JsonRpcCodec {
    /// The request for one call.
    ///
    /// # Errors
    /// `BadParams` if the arguments do not match the parameters, or JSON cannot express them.
    pub fn encode_call(&self, target: CallTarget<'_>, arguments: ArgValues) -> Result<Request<Bytes>, Fault> {
        let mut body = Vec::with_capacity(256);
        self.write_call(&mut body, target, arguments, FIRST_ID)?;
        Ok(post(body))
    }

    /// The request for a batch of calls. There must be at least one: an empty batch is not valid (specification, section 6).
    ///
    /// # Errors
    /// The error of [`encode_call`](JsonRpcCodec::encode_call) for the first call that cannot be encoded.
    pub fn encode_batch(&self, calls: Vec<(CallTarget<'_>, ArgValues)>) -> Result<Request<Bytes>, Fault> {
        let mut body = Vec::with_capacity(256);
        for (at, (target, arguments)) in calls.into_iter().enumerate() {
            body.extend_from_slice(if at == 0 { b"[" } else { b"," });
            self.write_call(&mut body, target, arguments, FIRST_ID + at)?;
        }
        body.push(b']');
        Ok(post(body))
    }

    /// The result in the response to a call.
    ///
    /// # Errors
    /// A [`ResponseError`] if the response has no result.
    pub fn decode_response(&self, target: CallTarget<'_>, response: &Response<Bytes>) -> Result<Value, ResponseError> {
        match self.read(response)? {
            ParsedResponse::One(object) => object.into_result(&sent_id(target), response),
            ParsedResponse::Many(_) if response.status() != StatusCode::OK => Err(status(response)),
            ParsedResponse::Many(_) => Err(malformed("the response to a single call is an array")),
        }
    }

    /// Finds the rows of the result in the beginning of a response, if the result is an array.
    #[cfg(feature = "server")]
    pub(in crate::protocol) fn find_rows(&self, target: CallTarget<'_>, beginning: &[u8]) -> Search<RowDocuments> {
        let id = sent_id(target);
        let portion_head = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":[");
        // Of the members that precede the result, only the id is needed; a document with portions has its own.
        let empty_tail = |names: &[&[u8]]| {
            let has_id = names.contains(&b"id".as_slice());
            if has_id { b"]}".to_vec() } else { format!("],\"id\":{id}}}").into_bytes() }
        };
        rows::find_rows(beginning, b"result", MAX_ROW, [portion_head.as_bytes(), b"]}"], empty_tail)
    }

    /// The results in the response to a batch, in the order of the calls. The response itself may have any order.
    ///
    /// # Errors
    /// If the response as a whole cannot be read, or is an error. A call without a response is an error of that call alone.
    pub fn decode_batch(
        &self,
        response: &Response<Bytes>,
        calls: usize,
    ) -> Result<Vec<Result<Value, ResponseError>>, ResponseError> {
        let objects = match self.read(response)? {
            ParsedResponse::Many(objects) => objects,
            // An error for the whole batch has no id. A server without batches returns only that.
            ParsedResponse::One(object) => {
                let first = FIRST_ID.to_string();
                return Err(object.into_result(&first, response).err().unwrap_or_else(|| malformed(ONE_FOR_ALL)));
            }
        };
        let mut found = HashMap::with_capacity(objects.len());
        for object in objects {
            let id = object.number().filter(|id| (FIRST_ID..FIRST_ID + calls).contains(id));
            let id = id.ok_or_else(|| malformed("a response has an `id` that no call has"))?;
            if found.insert(id, object).is_some() {
                return Err(malformed(format!("two responses have the `id` {id}")));
            }
        }
        let each = (FIRST_ID..FIRST_ID + calls).map(|id| match found.remove(&id) {
            Some(object) => object.into_result(&id.to_string(), response),
            None => Err(malformed("the batch has no response to this call")),
        });
        Ok(each.collect())
    }

    fn write_call(
        &self,
        to: &mut Vec<u8>,
        target: CallTarget<'_>,
        arguments: ArgValues,
        id: usize,
    ) -> Result<(), Fault> {
        let arguments = match (target.known, self.param_structure) {
            (None, _) => arguments,
            // The server may know names that are not known here.
            (Some(known), _)
                if known.method.has_free_arguments
                    && matches!(arguments, ArgValues::ByName(_))
                    && !arguments.is_free_list() =>
            {
                arguments
            }
            (Some(known), ParamStructure::ByPosition) => ArgValues::ByPosition(arguments.by_position(known)?),
            (Some(known), ParamStructure::ByName) => ArgValues::ByName(arguments.by_name(known)?),
        };
        let params = match arguments {
            ArgValues::ByPosition(values) => Value::Array(values),
            ArgValues::ByName(members) => Value::Struct(members),
        };
        to.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"method\":");
        write_value(to, target.method, self.dialect).map_err(|error| not_encodable(&error))?;
        to.extend_from_slice(b",\"params\":");
        write_value(to, &params, self.dialect).map_err(|error| not_encodable(&error))?;
        to.extend_from_slice(format!(",\"id\":{id}}}").as_bytes());
        Ok(())
    }

    /// Reads a response. If it cannot be read and its status is not 200, the error is the status.
    fn read<'r>(&self, response: &'r Response<Bytes>) -> Result<ParsedResponse<'r>, ResponseError> {
        let text =
            check_uncompressed(response.headers()).and_then(|()| check(without_nul(response.body()), self.limits));
        text.and_then(|checked| ParsedResponse::read(checked.text())).map_err(|fault| match response.status() {
            StatusCode::OK => ResponseError::Malformed(fault),
            _ => status(response),
        })
    }
}

/// The id of the request for a call, as it is written there.
fn sent_id(target: CallTarget<'_>) -> Cow<'_, str> {
    target.sent_id.map_or_else(|| FIRST_ID.to_string().into(), Cow::Borrowed)
}

/// Whether an id that has come back is the one that was sent. A server may write the same string or number in another way, or
/// a number as a text and a text as a number: the responses of two calls differ all the same.
pub(crate) fn is_same_id(sent: &str, received: &str) -> bool {
    if sent == received {
        return true;
    }
    let text = |id: &str| serde_json::from_str::<String>(id).ok();
    let number = |id: &str| id.parse::<f64>().ok();
    match (text(sent), text(received)) {
        (Some(sent), Some(received)) => sent == received,
        (Some(sent), None) => number(received).is_some() && sent == received,
        (None, Some(received)) => number(sent).is_some() && sent == received,
        // Many servers read numbers as floating-point numbers.
        (None, None) => number(sent).is_some_and(|sent| Some(sent) == number(received)),
    }
}

const ONE_FOR_ALL: &str = "the response to a batch is a single result";

fn post(body: Vec<u8>) -> Request<Bytes> {
    let mut request = post_request(body, "application/json");
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request
}

fn malformed(message: impl Into<Cow<'static, str>>) -> ResponseError {
    ResponseError::Malformed(Fault::new(Kind::Structure, message))
}

fn status(response: &Response<Bytes>) -> ResponseError {
    ResponseError::Status { status: response.status(), start: excerpt(response.body()) }
}

/// The content of a response body.
enum ParsedResponse<'a> {
    One(ResponseObject<'a>),
    Many(Vec<ResponseObject<'a>>),
}

impl<'a> ParsedResponse<'a> {
    fn read(text: &'a str) -> Result<ParsedResponse<'a>, Fault> {
        match text.trim_start_matches([' ', '\t', '\r', '\n']).bytes().next() {
            Some(b'{') => serde_json::from_str(text).map(ParsedResponse::One),
            Some(b'[') => serde_json::from_str(text).map(ParsedResponse::Many),
            _ => {
                serde_json::from_str::<&RawValue>(text).map_err(not_well_formed)?;
                return Err(Fault::new(Kind::Structure, "a response must be an object"));
            }
        }
        .map_err(|error| {
            if error.is_data() {
                Fault::new(Kind::Structure, format!("this is not a response: {error}"))
            } else {
                not_well_formed(error)
            }
        })
    }
}

/// The members of a response object. Their values are not read yet.
#[derive(Deserialize)]
struct ResponseObject<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    /// Whether there is a member `jsonrpc`.
    #[serde(default, deserialize_with = "is_present")]
    jsonrpc: bool,
}

impl ResponseObject<'_> {
    /// The id as a number, also if it is written as a text.
    fn number(&self) -> Option<usize> {
        self.id.and_then(|id| id.get().trim_matches('"').parse().ok())
    }

    /// Whether this has no id, as the error of a server that could not read the request. The error pages of other JSON
    /// interfaces have neither an `id` nor a `jsonrpc`.
    fn is_for_all(&self) -> bool {
        match self.id {
            Some(id) => id.get() == "null",
            None => self.jsonrpc,
        }
    }

    /// The result of the call with this id. An error is returned with any status. It may have no id, because a server that
    /// cannot read a request does not know its id. JSON-RPC 1.0 has both a result and an error, of which one is `null`.
    fn into_result(self, sent: &str, response: &Response<Bytes>) -> Result<Value, ResponseError> {
        let own = self.id.is_some_and(|id| is_same_id(sent, id.get()));
        let result = self.result.filter(|result| self.error.is_none() || result.get() != "null");
        match (self.error, result) {
            (Some(error), None) if own || self.is_for_all() => Err(ResponseError::Fault(fault_of(error))),
            _ if response.status() != StatusCode::OK => Err(status(response)),
            (Some(_), Some(_)) if own => Err(malformed("the response has both a result and an error")),
            (None, Some(result)) if own => Value::deserialize(TypedJson(result))
                .map_err(|error| ResponseError::Malformed(Fault::new(Kind::Structure, error.to_string()))),
            (None, None) => Err(malformed("the response has neither a result nor an error")),
            _ if self.id.is_none() => Err(malformed("the response has no `id`")),
            _ => Err(malformed("the response has the `id` of another call")),
        }
    }
}

/// An error object (specification, section 5.1). Some servers send a text as the code, or a text in place of the object.
#[derive(Deserialize)]
struct ReceivedError<'a> {
    #[serde(default)]
    code: FaultCode,
    #[serde(default)]
    message: Option<String>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// The data that croupier adds to an error that has none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceivedErrorData {
    kind: String,
}

fn fault_of(raw: &RawValue) -> Fault {
    if let Ok(text) = serde_json::from_str::<String>(raw.get()) {
        return Fault::new(Kind::Service(None), text);
    }
    // Structs are read from arrays, too.
    let error = Some(raw.get()).filter(|error| error.starts_with('{'));
    let Some(error) = error.and_then(|error| serde_json::from_str::<ReceivedError<'_>>(error).ok()) else {
        let fault = Fault::new(Kind::Service(None), "the server returned an error that is no object");
        return fault.with_data(raw.to_owned());
    };
    let message = error.message.as_deref().unwrap_or_default();
    let data = error.data.filter(|data| data.get() != "null");
    let own = data.and_then(|data| serde_json::from_str::<ReceivedErrorData>(data.get()).ok());
    let is_own_word = own.as_ref().is_some_and(|own| Kind::from_word(&own.kind, 0).is_some());
    let fault = fault_from_code(error.code, message, |code| match own {
        Some(ReceivedErrorData { kind }) => kind_from_word(&kind, code),
        None => Kind::from_jsonrpc_code(code),
    });
    match data {
        Some(data) if !is_own_word => fault.with_data(data.to_owned()),
        _ => fault,
    }
}

/// The kind for the word that croupier adds to the code, if word and code match; otherwise the kind for the code.
fn kind_from_word(word: &str, code: i32) -> Kind {
    Kind::from_word(word, code)
        .filter(|kind| kind.jsonrpc_code() == code)
        .unwrap_or_else(|| Kind::from_jsonrpc_code(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(status: u16, body: &str) -> Result<Value, ResponseError> {
        JsonRpcCodec::default().decode_response(target("m"), &response(status, body))
    }

    fn response(status: u16, body: &str) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap()
    }

    fn target(method: &str) -> CallTarget<'_> {
        CallTarget::new(method, None)
    }

    #[test]
    fn a_call_is_a_post_with_its_length() {
        let arguments = ArgValues::ByName(vec![("a".into(), Value::Binary(vec![1]))]);
        let request = JsonRpcCodec::default().encode_call(target("say \"é\""), arguments).unwrap();
        assert_eq!(request.headers()[header::CONTENT_TYPE], "application/json");
        assert_eq!(request.headers()[header::CONTENT_LENGTH], request.body().len().to_string());
        let expected = r#"{"jsonrpc":"2.0","method":"say \"é\"","params":{"a":"AQ=="},"id":1}"#;
        assert_eq!(request.body(), expected);
    }

    #[test]
    fn what_json_cannot_carry_is_refused() {
        let arguments = ArgValues::ByPosition(vec![Value::Double(f64::NAN)]);
        assert_eq!(JsonRpcCodec::default().encode_call(target("m"), arguments).unwrap_err().kind, Kind::BadParams);
    }

    #[test]
    fn results_are_read_to_the_last_digit() {
        for (result, value) in [
            ("null", Value::Nil),
            ("9007199254740993", Value::Int(9_007_199_254_740_993)),
            ("18446744073709551615", Value::Number(u64::MAX.into())),
            ("0.12345678901234567890", Value::Number("0.12345678901234567890".parse().unwrap())),
            ("[0.1]", Value::Array(vec![Value::Double(0.1)])),
        ] {
            assert_eq!(decode(200, &format!(r#"{{"jsonrpc":"2.0","result":{result},"id":1}}"#)), Ok(value));
        }
        assert_eq!(decode(200, "\u{feff}{\"result\":1,\"error\":null,\"id\":1}"), Ok(Value::Int(1)));
    }

    #[test]
    fn errors_count_whatever_the_status() {
        let fault = Fault::service(1, "Unauthorized");
        for status in [200, 400, 500] {
            for id in ["1", "null"] {
                let body = format!(r#"{{"id":{id},"jsonrpc":"2.0","error":{{"code":1,"message":"Unauthorized"}}}}"#);
                assert_eq!(decode(status, &body), Err(ResponseError::Fault(fault.clone())));
            }
        }
        let body = r#"{"result":null,"error":{"code":-32601,"message":"none"},"id":1}"#;
        assert_eq!(decode(200, body), Err(ResponseError::Fault(Fault::new(Kind::NoSuchMethod, "none"))));
    }

    #[test]
    fn errors_are_read_in_every_form_that_servers_send() {
        for (error, fault) in [
            (r#"{"code":"4","message":"a"}"#, Fault::service(4, "a")),
            (r#"{"code":"E_NO","message":"a"}"#, Fault::new(Kind::Service(None), "E_NO: a")),
            (r#"{"message":"a"}"#, Fault::new(Kind::Service(None), "a")),
            (r#"{"code":7,"message":null}"#, Fault::service(7, "")),
            (r#""a""#, Fault::new(Kind::Service(None), "a")),
            (r#"{"code":-32700,"message":"a","data":{"kind":"encoding"}}"#, Fault::new(Kind::Encoding, "a")),
            (r#"{"code":-32000,"message":"a","data":{"kind":"service"}}"#, Fault::new(Kind::Service(None), "a")),
            (r#"{"code":-32000,"message":"a","data":{"kind":"busy"}}"#, Fault::service(-32000, "a")),
            (
                r#"{"code":-32602,"message":"a","data":[1e400]}"#,
                Fault::new(Kind::BadParams, "a").with_data(RawValue::from_string("[1e400]".into()).unwrap()),
            ),
            (
                r#"{"code":3,"message":"reverted","data":"0x08"}"#,
                Fault::service(3, "reverted").with_data(RawValue::from_string("\"0x08\"".into()).unwrap()),
            ),
            (r#"{"code":3,"message":"a","data":null}"#, Fault::service(3, "a")),
            (
                "true",
                Fault::new(Kind::Service(None), "the server returned an error that is no object")
                    .with_data(RawValue::from_string("true".into()).unwrap()),
            ),
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","error":{error},"id":1}}"#);
            assert_eq!(decode(200, &body), Err(ResponseError::Fault(fault)), "{error}");
        }
    }

    #[test]
    fn responses_to_other_calls_are_malformed() {
        for body in [
            "",
            "<html>",
            "7",
            "[]",
            "{}",
            r#"{"result":1}"#,
            r#"{"result":1,"id":2}"#,
            r#"{"result":1,"id":"1.0"}"#,
            r#"{"result":1,"id":null}"#,
            r#"{"error":{"code":1,"message":""},"id":2}"#,
            r#"{"error":"Traceback (most recent call last)"}"#,
            r#"{"error":{"code":404,"message":"no such path"}}"#,
            r#"{"result":1,"error":{"code":1,"message":""},"id":1}"#,
            r#"{"result":1,"result":2,"id":1}"#,
            r#"{"result":{"a":1,"a":2},"id":1}"#,
            r#"{"result":1,"id":1} x"#,
            r#"{"result":1,"id":1"#,
        ] {
            assert!(matches!(decode(200, body), Err(ResponseError::Malformed(_))), "{body}");
            assert!(matches!(decode(502, body), Err(ResponseError::Status { .. })), "{body}");
        }
        let nested = format!(r#"{{"result":{}{},"id":1}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(decode(200, &nested), Err(ResponseError::Malformed(fault)) if fault.kind == Kind::Limit));
    }

    #[test]
    fn the_id_that_was_sent_has_to_come_back() {
        for (sent, received, same) in [
            ("7", "7", true),
            ("7", "\"7\"", true),
            ("\"7\"", "7", true),
            ("7", "7.0", true),
            ("9007199254740993", "9007199254740992", true),
            ("18446744073709551615", "18446744073709551615", true),
            (r#""qwér""#, r#""qw\u00e9r""#, true),
            ("null", "null", true),
            ("\"null\"", "null", false),
            ("null", "\"null\"", false),
            ("7", "8", false),
            ("7", "null", false),
            ("\"a\"", "\"b\"", false),
            ("\"\"", "null", false),
            ("7", "true", false),
            ("7", "[7]", false),
            ("\"7\"", "7.0", false),
        ] {
            assert_eq!(is_same_id(sent, received), same, "{sent} {received}");
            let target = CallTarget { sent_id: Some(sent), ..target("m") };
            let body = format!(r#"{{"result":[3],"error":null,"id":{received}}}"#);
            let decoded = JsonRpcCodec::default().decode_response(target, &response(200, &body));
            assert_eq!(decoded.is_ok(), same, "{sent} {received} {decoded:?}");
        }
    }

    #[test]
    fn a_truncated_response_is_malformed() {
        let whole = r#"{"jsonrpc":"2.0","result":{"a":[1,"é\u00e9",null]},"id":1}"#;
        for end in 0..whole.len() {
            let cut = Response::new(Bytes::copy_from_slice(&whole.as_bytes()[..end]));
            let decoded = JsonRpcCodec::default().decode_response(target("m"), &cut);
            assert!(matches!(decoded, Err(ResponseError::Malformed(_))), "{end}");
        }
    }

    #[test]
    fn results_of_a_batch_are_in_the_order_of_the_calls() {
        let calls = vec![(target("a"), ArgValues::default()), (target("b"), ArgValues::default())];
        let request = JsonRpcCodec::default().encode_batch(calls).unwrap();
        let call = |method, id| format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":[],"id":{id}}}"#);
        assert_eq!(request.body(), &format!("[{},{}]", call("a", 1), call("b", 2)));

        let decode_batch = |body: &str| JsonRpcCodec::default().decode_batch(&response(200, body), 2);
        let results = decode_batch(r#"[{"error":{"code":5,"message":"no"},"id":2},{"result":1,"id":1}]"#).unwrap();
        assert_eq!(results, [Ok(Value::Int(1)), Err(ResponseError::Fault(Fault::service(5, "no")))]);
        let results = decode_batch(r#"[{"result":2,"id":2}]"#).unwrap();
        assert!(matches!(results[..], [Err(ResponseError::Malformed(_)), Ok(Value::Int(2))]));
        for body in [
            r#"[{"result":1,"id":1},{"result":1,"id":1}]"#,
            r#"[{"result":1,"id":3}]"#,
            r#"[7]"#,
            r#"{"result":1,"id":1}"#,
        ] {
            assert!(matches!(decode_batch(body), Err(ResponseError::Malformed(_))), "{body}");
        }
        let refused = decode_batch(r#"{"error":{"code":-32600,"message":"no batches"},"id":null}"#);
        assert_eq!(refused, Err(ResponseError::Fault(Fault::new(Kind::Structure, "no batches"))));
    }
}
