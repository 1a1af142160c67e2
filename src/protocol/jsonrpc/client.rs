//! JSON-RPC 2.0 seen from us as a client: a call into a request, a response into its answer, and no socket between.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::codec::Limits;
use crate::codec::json::{JsonDialect, TypedJson, check, not_well_formed, write_value};
use crate::model::fault::{Fault, Kind};
use crate::model::value::Value;
use crate::protocol::client_codec::{CallTarget, Code, ResponseError, fault, request, start_of, uncarried, unpacked};
use crate::service::args::ArgValues;

/// The id of a call that is made by itself: its response is the only one on its way.
const FIRST: usize = 1;

/// How JSON-RPC is spoken to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonRpcCodec {
    /// How arguments are passed to a method whose parameters are known; to others they are passed as they came.
    pub param_structure: ParamStructure,
    /// How what JSON cannot carry is written.
    pub dialect: JsonDialect,
    /// How large an answer may be.
    pub limits: Limits,
}

/// How arguments are passed to a method whose parameters are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ParamStructure {
    /// As an array, which every server takes.
    #[default]
    ByPosition,
    /// As an object.
    ByName,
}

impl Default for JsonRpcCodec {
    /// By position, and answers of at most 10,000,000 values, nested at most 64 deep.
    fn default() -> Self {
        let limits = Limits { elements: 10_000_000, ..Limits::default() };
        JsonRpcCodec { param_structure: ParamStructure::default(), dialect: JsonDialect::default(), limits }
    }
}

impl JsonRpcCodec {
    /// The request that makes a call.
    ///
    /// # Errors
    /// `BadParams` where the method does not take these arguments, or JSON cannot carry them.
    pub fn encode_call(&self, asked: CallTarget<'_>, arguments: ArgValues) -> Result<Request<Bytes>, Fault> {
        let mut body = Vec::with_capacity(256);
        self.write_call(&mut body, asked, arguments, FIRST)?;
        Ok(post(body))
    }

    /// The request that makes several calls at once; there must be some, since an empty batch is none.
    ///
    /// # Errors
    /// As for [`ask`](JsonRpcCodec::ask), for the first of the calls that cannot be made.
    pub fn encode_batch(&self, calls: Vec<(CallTarget<'_>, ArgValues)>) -> Result<Request<Bytes>, Fault> {
        let mut body = Vec::with_capacity(256);
        for (at, (asked, arguments)) in calls.into_iter().enumerate() {
            body.extend_from_slice(if at == 0 { b"[" } else { b"," });
            self.write_call(&mut body, asked, arguments, FIRST + at)?;
        }
        body.push(b']');
        Ok(post(body))
    }

    /// The result in the response to a call.
    ///
    /// # Errors
    /// Where there is none; see [`ResponseError`].
    pub fn decode_response(&self, response: &Response<Bytes>) -> Result<Value, ResponseError> {
        match self.read(response)? {
            Heard::One(answer) => answer.of(FIRST, response),
            Heard::Many(_) if response.status() != StatusCode::OK => Err(status(response)),
            Heard::Many(_) => Err(malformed("an array answers one call")),
        }
    }

    /// The results in the response to a batch, in the order of the calls. The response itself may have any order.
    ///
    /// # Errors
    /// Where the response as a whole is no answer. A call without an answer is an error of its own.
    pub fn decode_batch(
        &self,
        response: &Response<Bytes>,
        calls: usize,
    ) -> Result<Vec<Result<Value, ResponseError>>, ResponseError> {
        let answers = match self.read(response)? {
            Heard::Many(answers) => answers,
            // What is said of all calls together has no id; a server that knows no batches says nothing else.
            Heard::One(answer) => return Err(answer.of(FIRST, response).err().unwrap_or_else(|| malformed(ALONE))),
        };
        let mut found = HashMap::with_capacity(answers.len());
        for answer in answers {
            let id = answer.id().filter(|id| (FIRST..FIRST + calls).contains(id));
            let id = id.ok_or_else(|| malformed("an answer has the id of no call"))?;
            if found.insert(id, answer).is_some() {
                return Err(malformed(format!("the call with the id {id} is answered twice")));
            }
        }
        let each = (FIRST..FIRST + calls).map(|id| match found.remove(&id) {
            Some(answer) => answer.of(id, response),
            None => Err(malformed("the server has answered the other calls, but not this one")),
        });
        Ok(each.collect())
    }

    fn write_call(
        &self,
        to: &mut Vec<u8>,
        asked: CallTarget<'_>,
        arguments: ArgValues,
        id: usize,
    ) -> Result<(), Fault> {
        let arguments = match (asked.known, self.param_structure) {
            (None, _) => arguments,
            (Some(known), ParamStructure::ByPosition) => ArgValues::ByPosition(arguments.by_position(known)?),
            (Some(known), ParamStructure::ByName) => ArgValues::ByName(arguments.by_name(known)?),
        };
        let params = match arguments {
            ArgValues::ByPosition(values) => Value::Array(values),
            ArgValues::ByName(members) => Value::Struct(members),
        };
        to.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"method\":");
        write_value(to, asked.method, self.dialect).map_err(|error| uncarried(&error))?;
        to.extend_from_slice(b",\"params\":");
        write_value(to, &params, self.dialect).map_err(|error| uncarried(&error))?;
        to.extend_from_slice(format!(",\"id\":{id}}}").as_bytes());
        Ok(())
    }

    /// Takes a response apart. What cannot be read counts as a status where that says that something is wrong.
    fn read<'r>(&self, response: &'r Response<Bytes>) -> Result<Heard<'r>, ResponseError> {
        let text = unpacked(response.headers()).and_then(|()| check(response.body(), self.limits));
        text.and_then(|checked| Heard::of(checked.text())).map_err(|fault| match response.status() {
            StatusCode::OK => ResponseError::Malformed(fault),
            _ => status(response),
        })
    }
}

const ALONE: &str = "one answer stands for several calls";

fn post(body: Vec<u8>) -> Request<Bytes> {
    let mut request = request(body, "application/json");
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request
}

fn malformed(message: impl Into<Cow<'static, str>>) -> ResponseError {
    ResponseError::Malformed(Fault::new(Kind::Structure, message))
}

fn status(response: &Response<Bytes>) -> ResponseError {
    ResponseError::Status { status: response.status(), start: start_of(response.body()) }
}

/// What a response holds.
enum Heard<'a> {
    One(Answer<'a>),
    Many(Vec<Answer<'a>>),
}

impl<'a> Heard<'a> {
    fn of(text: &'a str) -> Result<Heard<'a>, Fault> {
        match text.trim_start_matches([' ', '\t', '\r', '\n']).bytes().next() {
            Some(b'{') => serde_json::from_str(text).map(Heard::One),
            Some(b'[') => serde_json::from_str(text).map(Heard::Many),
            _ => {
                serde_json::from_str::<&RawValue>(text).map_err(not_well_formed)?;
                return Err(Fault::new(Kind::Structure, "an answer is an object"));
            }
        }
        .map_err(|error| match error.is_data() {
            true => Fault::new(Kind::Structure, format!("this is no answer: {error}")),
            false => not_well_formed(error),
        })
    }
}

/// The members of a response object, unread.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
}

/// A member that is there, be it `null`.
fn given<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Answer<'_> {
    fn id(&self) -> Option<usize> {
        self.id.and_then(|id| id.get().parse().ok())
    }

    /// The result of the call that has this id. An error counts whatever the status is, and without an id too: a server
    /// that could not read the request knows none.
    fn of(&self, id: usize, response: &Response<Bytes>) -> Result<Value, ResponseError> {
        let own = self.id() == Some(id);
        match (self.error, self.result) {
            (Some(error), None) if own || self.id.is_none() => Err(ResponseError::Fault(fault_of(error))),
            // JSON-RPC 1.0 has both, of which one is null.
            (Some(error), Some(result)) if own && result.get() == "null" => Err(ResponseError::Fault(fault_of(error))),
            _ if response.status() != StatusCode::OK => Err(status(response)),
            (Some(_), Some(_)) if own => Err(malformed("the answer has both a result and an error")),
            (None, Some(result)) if own => Value::deserialize(TypedJson(result))
                .map_err(|error| ResponseError::Malformed(Fault::new(Kind::Structure, error.to_string()))),
            (None, None) => Err(malformed("the answer has neither a result nor an error")),
            _ => Err(malformed("the answer has the id of another call")),
        }
    }
}

/// An error object (specification, section 5.1). Some servers have a text for a code, or nothing but a text for it all.
#[derive(Deserialize)]
struct Error<'a> {
    #[serde(default)]
    code: Code,
    #[serde(default)]
    message: Option<String>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// What another croupier adds to an error.
#[derive(Deserialize)]
struct Reason {
    kind: String,
}

fn fault_of(raw: &RawValue) -> Fault {
    if let Ok(text) = serde_json::from_str::<String>(raw.get()) {
        return Fault::new(Kind::Service(None), text);
    }
    let Ok(error) = serde_json::from_str::<Error>(raw.get()) else {
        return Fault::new(Kind::Service(None), "the server has failed, and says nothing about it that can be read");
    };
    let reason = error.data.and_then(|data| serde_json::from_str::<Reason>(data.get()).ok());
    fault(error.code, error.message.as_deref().unwrap_or_default(), |code| match reason {
        Some(Reason { kind }) => exact(&kind, code),
        None => Kind::from_jsonrpc_code(code),
    })
}

/// The kind by the word that another croupier adds to the code.
fn exact(word: &str, code: i32) -> Kind {
    Kind::from_word(word, code)
        .filter(|kind| kind.jsonrpc_code() == code)
        .unwrap_or_else(|| Kind::from_jsonrpc_code(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(status: u16, body: &str) -> Result<Value, ResponseError> {
        JsonRpcCodec::default().decode_response(&response(status, body))
    }

    fn response(status: u16, body: &str) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap()
    }

    fn asked(method: &str) -> CallTarget<'_> {
        CallTarget { method, known: None }
    }

    #[test]
    fn a_call_is_a_post_that_says_its_length() {
        let arguments = ArgValues::ByName(vec![("a".into(), Value::Binary(vec![1]))]);
        let request = JsonRpcCodec::default().encode_call(asked("say \"é\""), arguments).unwrap();
        assert_eq!(request.headers()[header::CONTENT_TYPE], "application/json");
        assert_eq!(request.headers()[header::CONTENT_LENGTH], request.body().len().to_string());
        let expected = r#"{"jsonrpc":"2.0","method":"say \"é\"","params":{"a":"AQ=="},"id":1}"#;
        assert_eq!(request.body(), expected);
    }

    #[test]
    fn what_json_cannot_carry_is_refused() {
        let arguments = ArgValues::ByPosition(vec![Value::Double(f64::NAN)]);
        assert_eq!(JsonRpcCodec::default().encode_call(asked("m"), arguments).unwrap_err().kind, Kind::BadParams);
    }

    #[test]
    fn results_are_heard_to_the_last_digit() {
        for (result, value) in [
            ("null", Value::Nil),
            ("9007199254740993", Value::Int(9_007_199_254_740_993)),
            ("18446744073709551615", Value::Text("18446744073709551615".into())),
            ("[0.1]", Value::Array(vec![Value::Double(0.1)])),
        ] {
            assert_eq!(heard(200, &format!(r#"{{"jsonrpc":"2.0","result":{result},"id":1}}"#)), Ok(value));
        }
        assert_eq!(heard(200, "\u{feff}{\"result\":1,\"error\":null,\"id\":1}"), Ok(Value::Int(1)));
    }

    #[test]
    fn errors_count_whatever_the_status() {
        let fault = Fault::service(1, "Unauthorized");
        for status in [200, 400, 500] {
            for id in ["1", "null"] {
                let body = format!(r#"{{"id":{id},"jsonrpc":"2.0","error":{{"code":1,"message":"Unauthorized"}}}}"#);
                assert_eq!(heard(status, &body), Err(ResponseError::Fault(fault.clone())));
            }
        }
        let body = r#"{"result":null,"error":{"code":-32601,"message":"none"},"id":1}"#;
        assert_eq!(heard(200, body), Err(ResponseError::Fault(Fault::new(Kind::NoSuchMethod, "none"))));
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
            (r#"{"code":-32602,"message":"a","data":[1e400]}"#, Fault::new(Kind::BadParams, "a")),
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","error":{error},"id":1}}"#);
            assert_eq!(heard(200, &body), Err(ResponseError::Fault(fault)), "{error}");
        }
    }

    #[test]
    fn what_is_no_answer_to_this_call_is_malformed() {
        for body in [
            "",
            "<html>",
            "7",
            "[]",
            "{}",
            r#"{"result":1}"#,
            r#"{"result":1,"id":2}"#,
            r#"{"result":1,"id":"1"}"#,
            r#"{"result":1,"id":null}"#,
            r#"{"error":{"code":1,"message":""},"id":2}"#,
            r#"{"result":1,"error":{"code":1,"message":""},"id":1}"#,
            r#"{"result":1,"result":2,"id":1}"#,
            r#"{"result":{"a":1,"a":2},"id":1}"#,
            r#"{"result":1,"id":1} x"#,
            r#"{"result":1,"id":1"#,
        ] {
            assert!(matches!(heard(200, body), Err(ResponseError::Malformed(_))), "{body}");
            assert!(matches!(heard(502, body), Err(ResponseError::Status { .. })), "{body}");
        }
        let nested = format!(r#"{{"result":{}{},"id":1}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(heard(200, &nested), Err(ResponseError::Malformed(fault)) if fault.kind == Kind::Limit));
    }

    #[test]
    fn an_answer_cut_anywhere_is_none() {
        let whole = r#"{"jsonrpc":"2.0","result":{"a":[1,"é\u00e9",null]},"id":1}"#;
        for end in 0..whole.len() {
            let cut = Response::new(Bytes::copy_from_slice(&whole.as_bytes()[..end]));
            assert!(matches!(JsonRpcCodec::default().decode_response(&cut), Err(ResponseError::Malformed(_))), "{end}");
        }
    }

    #[test]
    fn answers_to_several_calls_are_put_in_their_order() {
        let calls = vec![(asked("a"), ArgValues::default()), (asked("b"), ArgValues::default())];
        let request = JsonRpcCodec::default().encode_batch(calls).unwrap();
        let call = |method, id| format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":[],"id":{id}}}"#);
        assert_eq!(request.body(), &format!("[{},{}]", call("a", 1), call("b", 2)));

        let many = |body: &str| JsonRpcCodec::default().decode_batch(&response(200, body), 2);
        let heard = many(r#"[{"error":{"code":5,"message":"no"},"id":2},{"result":1,"id":1}]"#).unwrap();
        assert_eq!(heard, [Ok(Value::Int(1)), Err(ResponseError::Fault(Fault::service(5, "no")))]);
        let heard = many(r#"[{"result":2,"id":2}]"#).unwrap();
        assert!(matches!(heard[..], [Err(ResponseError::Malformed(_)), Ok(Value::Int(2))]));
        for body in [
            r#"[{"result":1,"id":1},{"result":1,"id":1}]"#,
            r#"[{"result":1,"id":3}]"#,
            r#"[7]"#,
            r#"{"result":1,"id":1}"#,
        ] {
            assert!(matches!(many(body), Err(ResponseError::Malformed(_))), "{body}");
        }
        let refused = many(r#"{"error":{"code":-32600,"message":"no batches"},"id":null}"#);
        assert_eq!(refused, Err(ResponseError::Fault(Fault::new(Kind::Structure, "no batches"))));
    }
}
