//! XML-RPC seen from us as a client: a call into a request, a response into its answer, and no socket between.

mod multicall;

use std::fmt;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::de::value::UnitDeserializer;

pub use self::multicall::{Calls, Results};
use crate::faces::face;
use crate::fault::{Fault, Kind};
use crate::text::abridge;
use crate::wire::Limits;
use crate::wire::tape::{Mismatch, Tape, ValueRef};
use crate::wire::xml::charset;
use crate::wire::xmlrpc::{self as wire, Dialect, Document, Root, Unwritable};

/// How much of a response that is no answer is repeated in the error, in characters.
const REPEATED: usize = 200;

/// How XML-RPC is spoken to a server.
///
/// ```
/// use croupier::faces::xmlrpc::tongue::Tongue;
/// use http::Response;
///
/// let tongue = Tongue::default();
/// let request = tongue.ask("add", &(2, 3))?;
/// assert_eq!(request.headers()["content-type"], "text/xml");
///
/// let body = "<methodResponse><params><param><value><int>5</int></value></param></params></methodResponse>";
/// assert_eq!(tongue.hear::<i32>(&Response::new(body.into()))?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tongue {
    /// How what XML-RPC leaves open is written and read.
    pub dialect: Dialect,
    /// How large an answer's document may be.
    pub limits: Limits,
}

/// Why a response holds no answer of the type that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// The server answered with a fault.
    Fault(Fault),
    /// The response's status is not 200, and its body is no fault.
    Status {
        /// The status.
        status: StatusCode,
        /// The beginning of the body, on one line.
        start: String,
    },
    /// The response cannot be read.
    Malformed(Fault),
    /// The answer is of another type.
    WrongType(Mismatch),
}

impl Default for Tongue {
    /// The default dialect, and answers of at most 10,000,000 elements, nested at most 64 deep.
    fn default() -> Self {
        Tongue { dialect: Dialect::default(), limits: Limits { elements: 10_000_000, ..Limits::default() } }
    }
}

impl Tongue {
    /// The request that makes a call; the items of a tuple or an array, and the fields of a record, are its
    /// parameters. It lacks what only a transport knows: the URI is `/`, and there is no `Host`.
    ///
    /// # Errors
    /// Where `params` is something else, or holds what XML-RPC cannot carry.
    pub fn ask<P: Serialize + ?Sized>(&self, method: &str, params: &P) -> Result<Request<Bytes>, Unwritable> {
        let mut body = Vec::with_capacity(512);
        wire::write_call(&mut body, method, params, self.dialect)?;
        Ok(request(body))
    }

    /// The answer in a response. A response without a value, which is how some servers say null, reads as nil.
    ///
    /// # Errors
    /// Where there is none; see [`NoAnswer`].
    pub fn hear<T: DeserializeOwned>(&self, response: &Response<Bytes>) -> Result<T, NoAnswer> {
        self.hear_tape(response, |tape| read(tape.values().next()).map_err(NoAnswer::WrongType))
    }

    /// The request that makes several calls at once.
    pub fn ask_many(&self, calls: &Calls) -> Request<Bytes> {
        request(calls.document())
    }

    /// The results in the response to several calls.
    ///
    /// # Errors
    /// As for [`hear`](Tongue::hear), and `Malformed` where the results are not those of so many calls.
    pub fn hear_many(&self, response: &Response<Bytes>, calls: &Calls) -> Result<Results, NoAnswer> {
        self.hear_tape(response, |tape| Results::read(tape, calls.len()).map_err(NoAnswer::Malformed))
    }

    /// A fault counts whatever the status is, an answer only with status 200.
    fn hear_tape<R>(
        &self,
        response: &Response<Bytes>,
        take: impl FnOnce(Tape<'_>) -> Result<R, NoAnswer>,
    ) -> Result<R, NoAnswer> {
        let text = text_of(response);
        let document = match &text {
            Ok(text) => Document::read(text, self.dialect.reading, self.limits),
            Err(fault) => Err(fault.clone()),
        };
        match document {
            Ok(Document { root: Root::Fault, tape }) => Err(NoAnswer::Fault(fault_of(tape.values().next()))),
            _ if response.status() != StatusCode::OK => {
                Err(NoAnswer::Status { status: response.status(), start: start_of(response.body()) })
            }
            Ok(Document { root: Root::Answer, tape }) => take(tape),
            Ok(Document { root: Root::Call(_), .. }) => {
                Err(NoAnswer::Malformed(Fault::new(Kind::Structure, "this is a `methodCall`, not an answer")))
            }
            Err(fault) => Err(NoAnswer::Malformed(fault)),
        }
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoAnswer::Fault(fault) => write!(f, "fault {}: {}", fault.kind.xmlrpc_code(), fault.message),
            NoAnswer::Status { status, start } if start.is_empty() => write!(f, "HTTP {status}"),
            NoAnswer::Status { status, start } => write!(f, "HTTP {status}: {start}"),
            NoAnswer::Malformed(fault) => write!(f, "the answer cannot be read: {}", fault.message),
            NoAnswer::WrongType(mismatch) => write!(f, "the answer is of another type: {mismatch}"),
        }
    }
}

impl std::error::Error for NoAnswer {}

fn request(body: Vec<u8>) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    let length = HeaderValue::from(request.body().len());
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    request.headers_mut().insert(header::CONTENT_LENGTH, length);
    request
}

/// The text of a response's body.
fn text_of(response: &Response<Bytes>) -> Result<std::borrow::Cow<'_, str>, Fault> {
    let headers = response.headers();
    let coding = headers.get(header::CONTENT_ENCODING).map(|coding| String::from_utf8_lossy(coding.as_bytes()));
    if let Some(coding) = coding.filter(|coding| !coding.trim().eq_ignore_ascii_case("identity")) {
        let message = format!("it is compressed (`{}`), which was not asked for", abridge(&coding));
        return Err(Fault::new(Kind::Encoding, message));
    }
    charset::decode(response.body(), face::media_parameter(headers, "charset"))
}

/// The beginning of a body that is no answer, as one line.
fn start_of(body: &[u8]) -> String {
    let start = String::from_utf8_lossy(body.get(..REPEATED * 4).unwrap_or(body));
    let words = start.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(REPEATED).collect()
}

/// The value as a `T`; no value at all is nil.
fn read<T: DeserializeOwned>(value: Option<ValueRef<'_, '_>>) -> Result<T, Mismatch> {
    match value {
        Some(value) => T::deserialize(value),
        None => T::deserialize(UnitDeserializer::new()),
    }
}

/// The fault that a fault's struct stands for. A code that is no integer of 32 bits, which some servers send, is
/// kept in the message.
fn fault_of(members: Option<ValueRef<'_, '_>>) -> Fault {
    let member = |name| members.and_then(|members| members.member(name));
    let message = member("faultString").and_then(ValueRef::text).unwrap_or_default();
    let code: Code =
        member("faultCode").and_then(|code| serde::Deserialize::deserialize(code).ok()).unwrap_or_default();
    match code {
        Code::Number(code) => Fault::new(Kind::from_xmlrpc_code(code), message.to_owned()),
        Code::Word(word) => match word.trim().parse() {
            Ok(code) => Fault::new(Kind::from_xmlrpc_code(code), message.to_owned()),
            Err(_) => Fault::new(Kind::Service(None), format!("{word}: {message}")),
        },
        Code::None => Fault::new(Kind::Service(None), message.to_owned()),
    }
}

/// A fault's code as servers send it.
#[derive(Default, serde::Deserialize)]
#[serde(untagged)]
enum Code {
    Number(i32),
    Word(String),
    #[default]
    None,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

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
    fn a_call_is_a_post_that_says_its_length() {
        let request = Tongue::default().ask("spinList", &(3,)).unwrap();
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.headers()[header::CONTENT_LENGTH], request.body().len().to_string());
        let body = std::str::from_utf8(request.body()).unwrap();
        assert!(body.contains("<methodName>spinList</methodName><params><param><value><int>3</int></value></param>"));
    }

    #[test]
    fn parameters_that_are_no_list_are_refused() {
        assert!(Tongue::default().ask("spin", &7).is_err());
        assert!(Tongue::default().ask("spin", &("\u{1}",)).is_err());
    }

    #[test]
    fn a_response_without_a_value_is_nil() {
        let empty = response(200, "<methodResponse><params/></methodResponse>");
        assert_eq!(Tongue::default().hear::<Value>(&empty), Ok(Value::Nil));
        assert_eq!(Tongue::default().hear::<Option<i32>>(&empty), Ok(None));
        assert_eq!(Tongue::default().hear::<()>(&empty), Ok(()));
        assert!(matches!(Tongue::default().hear::<i32>(&empty), Err(NoAnswer::WrongType(_))));
    }

    #[test]
    fn a_fault_counts_whatever_the_status() {
        for status in [200, 400, 401, 500, 503] {
            let heard = Tongue::default().hear::<Value>(&response(status, &fault("<int>7</int>")));
            assert_eq!(heard, Err(NoAnswer::Fault(Fault::service(7, "no luck"))), "{status}");
        }
    }

    #[test]
    fn an_answer_counts_only_with_status_200() {
        let body = "<methodResponse><params><param><value><struct/></value></param></params></methodResponse>";
        assert_eq!(Tongue::default().hear::<Value>(&response(200, body)), Ok(Value::Struct(vec![])));
        for status in [202, 401, 500] {
            let heard = Tongue::default().hear::<Value>(&response(status, body));
            assert!(matches!(heard, Err(NoAnswer::Status { status: it, .. }) if it == status), "{heard:?}");
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
            let heard = Tongue::default().hear::<Value>(&response(200, &fault(code)));
            assert_eq!(heard, Err(NoAnswer::Fault(expected)), "{code}");
        }
    }

    #[test]
    fn what_is_no_answer_is_malformed() {
        for (body, kind) in [
            ("", Kind::NotWellFormed),
            ("<html><body>Welcome</body></html>", Kind::Structure),
            ("<methodCall><methodName>spin</methodName></methodCall>", Kind::Structure),
            ("<methodResponse><params><param><value>cut", Kind::NotWellFormed),
        ] {
            let heard = Tongue::default().hear::<Value>(&response(200, body));
            assert!(matches!(&heard, Err(NoAnswer::Malformed(fault)) if fault.kind == kind), "{body}: {heard:?}");
        }
    }

    #[test]
    fn a_compressed_answer_is_not_taken_for_text() {
        let mut packed = response(200, "\u{1f}\u{8b}");
        packed.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let heard = Tongue::default().hear::<Value>(&packed);
        assert!(matches!(heard, Err(NoAnswer::Malformed(fault)) if fault.kind == Kind::Encoding));
    }

    #[test]
    fn the_charset_of_the_header_counts() {
        let body = b"<methodResponse><params><param><value>\xe9</value></param></params></methodResponse>";
        let mut latin = Response::new(Bytes::from_static(body));
        latin.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=ISO-8859-1"));
        assert_eq!(Tongue::default().hear::<String>(&latin).unwrap(), "é");
    }

    #[test]
    fn the_start_of_a_page_is_one_line() {
        assert_eq!(start_of(b"<html>\r\n  <p>Not\0here\x1b[2J</p>"), "<html> <p>Not here [2J</p>");
        assert_eq!(start_of(&b"x".repeat(5000)).len(), REPEATED);
    }
}
