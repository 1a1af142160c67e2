//! Faults: why a call failed, independent of any protocol, and the codes of each protocol for them.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::time::Duration;

#[cfg(feature = "server")]
use http::HeaderValue;
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::model::text::{abridge, nearest};

/// An error of any type, for interfaces between layers that do not depend on each other's error types.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The kind of a fault. Every protocol has a code or status for each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The request is not well-formed in its own syntax.
    NotWellFormed,
    /// The request is in a character encoding that cannot be read.
    Encoding,
    /// The request has a byte sequence that is not valid in its declared encoding.
    Character,
    /// The request is well-formed, but not a valid call.
    Structure,
    /// The document of a request exceeds a limit of the group: its depth, or the number of its values or calls. Also: a
    /// result takes more memory than an aggregate or a page allows. A request whose body is too large never becomes a
    /// call: it is refused by an `HttpRejection` with status 413.
    Limit,
    /// The service has no method of that name.
    NoSuchMethod,
    /// The parameters do not match those of the method.
    BadParams,
    /// The service itself reported an error, with a code of its own if it has one.
    Service(Option<i32>),
    /// A defect in the server. The details are logged, and not sent to the caller.
    Internal,
    /// The upstream server cannot be reached, or its response cannot be used.
    Unreachable,
    /// The deadline of the call, or the time limit of an upstream, was reached before the result.
    Late,
    /// Too many calls are running, or too many large results wait. In the first case the call was not carried out, and can
    /// be repeated later.
    Busy,
    /// The call needs credentials, and the request has none, or none that are valid.
    Unauthenticated,
    /// The caller may not call the method.
    Forbidden,
    /// The caller has made too many calls in too short a time. The call was not carried out, and can be repeated later.
    RateLimited,
}

impl Kind {
    /// Every kind, with no code for [`Kind::Service`].
    pub(crate) const ALL: [Kind; 15] = [
        Kind::NotWellFormed,
        Kind::Encoding,
        Kind::Character,
        Kind::Structure,
        Kind::Limit,
        Kind::NoSuchMethod,
        Kind::BadParams,
        Kind::Service(None),
        Kind::Internal,
        Kind::Unreachable,
        Kind::Late,
        Kind::Busy,
        Kind::Unauthenticated,
        Kind::Forbidden,
        Kind::RateLimited,
    ];

    /// The XML-RPC fault code: that of the Fault Code Interoperability specification if it has one for this kind alone,
    /// otherwise that of JSON-RPC. Each kind has a code of its own, so that a client reads the same kind back.
    ///
    /// ```
    /// use croupier::model::fault::Kind;
    /// assert_eq!(Kind::NoSuchMethod.xmlrpc_code(), -32601);
    /// assert_eq!(Kind::Service(Some(42)).xmlrpc_code(), 42);
    /// ```
    pub fn xmlrpc_code(self) -> i32 {
        match self {
            Kind::NotWellFormed => -32700,
            Kind::Encoding => -32701,
            Kind::Character => -32702,
            Kind::Structure => -32600,
            Kind::NoSuchMethod => -32601,
            Kind::BadParams => -32602,
            Kind::Internal => -32603,
            Kind::Service(code) => code.unwrap_or(-32500),
            Kind::Limit => -32400,
            Kind::Unreachable => -32300,
            Kind::Late => -32031,
            Kind::Busy => -32040,
            Kind::Unauthenticated => -32050,
            Kind::Forbidden => -32051,
            Kind::RateLimited => -32052,
        }
    }

    /// The kind of an XML-RPC fault code, the inverse of [`xmlrpc_code`](Kind::xmlrpc_code). Any other code is the service's
    /// own.
    pub fn from_xmlrpc_code(code: i32) -> Kind {
        match code {
            -32700 => Kind::NotWellFormed,
            -32701 => Kind::Encoding,
            -32702 => Kind::Character,
            -32600 => Kind::Structure,
            -32601 => Kind::NoSuchMethod,
            -32602 => Kind::BadParams,
            -32603 => Kind::Internal,
            -32500 => Kind::Service(None),
            -32400 => Kind::Limit,
            -32300 => Kind::Unreachable,
            -32031 => Kind::Late,
            -32040 => Kind::Busy,
            -32050 => Kind::Unauthenticated,
            -32051 => Kind::Forbidden,
            -32052 => Kind::RateLimited,
            code => Kind::Service(Some(code)),
        }
    }

    /// The HTTP status of a REST response with this fault.
    ///
    /// ```
    /// use croupier::model::fault::Kind;
    /// assert_eq!(Kind::BadParams.http_status(), http::StatusCode::BAD_REQUEST);
    /// assert_eq!(Kind::Service(Some(42)).http_status(), http::StatusCode::UNPROCESSABLE_ENTITY);
    /// ```
    pub fn http_status(self) -> StatusCode {
        match self {
            Kind::NotWellFormed | Kind::Character | Kind::Structure | Kind::BadParams => StatusCode::BAD_REQUEST,
            Kind::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::Limit => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::NoSuchMethod => StatusCode::NOT_FOUND,
            Kind::Service(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Kind::Unreachable => StatusCode::BAD_GATEWAY,
            Kind::Late => StatusCode::GATEWAY_TIMEOUT,
            Kind::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// The JSON-RPC error code: that of the specification (JSON-RPC 2.0, section 5.1) if it has one, otherwise one of those
    /// that it reserves for servers (-32099 to -32000).
    ///
    /// ```
    /// use croupier::model::fault::Kind;
    /// assert_eq!(Kind::NoSuchMethod.jsonrpc_code(), -32601);
    /// assert_eq!(Kind::Service(Some(42)).jsonrpc_code(), 42);
    /// ```
    pub fn jsonrpc_code(self) -> i32 {
        match self {
            Kind::NotWellFormed | Kind::Encoding | Kind::Character => -32700,
            Kind::Structure => -32600,
            Kind::NoSuchMethod => -32601,
            Kind::BadParams => -32602,
            Kind::Internal => -32603,
            Kind::Service(code) => code.unwrap_or(-32000),
            Kind::Unreachable => -32030,
            Kind::Late => -32031,
            Kind::Busy => -32040,
            Kind::Limit => -32041,
            Kind::Unauthenticated => -32050,
            Kind::Forbidden => -32051,
            Kind::RateLimited => -32052,
        }
    }

    /// The kind of a JSON-RPC error code. The code -32700, which three kinds share, becomes `NotWellFormed`; any code that is
    /// not in the table is the service's own.
    pub fn from_jsonrpc_code(code: i32) -> Kind {
        match code {
            -32700 => Kind::NotWellFormed,
            -32600 => Kind::Structure,
            -32601 => Kind::NoSuchMethod,
            -32602 => Kind::BadParams,
            -32603 => Kind::Internal,
            -32030 => Kind::Unreachable,
            -32031 => Kind::Late,
            -32040 => Kind::Busy,
            -32041 => Kind::Limit,
            -32050 => Kind::Unauthenticated,
            -32051 => Kind::Forbidden,
            -32052 => Kind::RateLimited,
            code => Kind::Service(Some(code)),
        }
    }

    /// The kind with this [word](Kind::word), which another croupier sends together with the code. It is exact even where
    /// several kinds share a code. `None` if no kind has this word.
    ///
    /// ```
    /// use croupier::model::fault::Kind;
    /// assert_eq!(Kind::from_word("encoding", -32700), Some(Kind::Encoding));
    /// assert_eq!(Kind::from_word("service", 42), Some(Kind::Service(Some(42))));
    /// assert_eq!(Kind::from_word("luck", 42), None);
    /// ```
    pub fn from_word(word: &str, code: i32) -> Option<Kind> {
        let none = Kind::Service(None);
        let service =
            if [none.xmlrpc_code(), none.jsonrpc_code()].contains(&code) { none } else { Kind::Service(Some(code)) };
        let found = Kind::ALL.into_iter().find(|kind| kind.word() == word);
        found.map(|kind| if kind == none { service } else { kind })
    }

    /// Whether the fault code of SOAP is `Client` (1.1) or `Sender` (1.2): the request was wrong. Otherwise it is `Server` or
    /// `Receiver`.
    ///
    /// ```
    /// use croupier::model::fault::Kind;
    /// assert!(Kind::BadParams.blames_sender() && !Kind::Service(None).blames_sender());
    /// ```
    pub fn blames_sender(self) -> bool {
        match self {
            Kind::NotWellFormed
            | Kind::Encoding
            | Kind::Character
            | Kind::Structure
            | Kind::Limit
            | Kind::NoSuchMethod
            | Kind::BadParams
            | Kind::Unauthenticated
            | Kind::Forbidden
            | Kind::RateLimited => true,
            Kind::Service(_) | Kind::Internal | Kind::Unreachable | Kind::Late | Kind::Busy => false,
        }
    }

    /// The local name of the fault subcode in SOAP 1.2 (Part 2, section 4.4), if there is one for this kind.
    pub fn soap_subcode(self) -> Option<&'static str> {
        match self {
            Kind::NoSuchMethod => Some("ProcedureNotPresent"),
            Kind::BadParams => Some("BadArguments"),
            _ => None,
        }
    }

    /// The name of the kind in the access log, in metrics and in REST problems, such as `bad-params`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::NotWellFormed => "not-well-formed",
            Kind::Encoding => "encoding",
            Kind::Character => "character",
            Kind::Structure => "structure",
            Kind::Limit => "limit",
            Kind::NoSuchMethod => "no-such-method",
            Kind::BadParams => "bad-params",
            Kind::Service(_) => "service",
            Kind::Internal => "internal",
            Kind::Unreachable => "unreachable",
            Kind::Late => "late",
            Kind::Busy => "busy",
            Kind::Unauthenticated => "unauthenticated",
            Kind::Forbidden => "forbidden",
            Kind::RateLimited => "rate-limited",
        }
    }
}

/// Why a call failed, as the caller is informed of it.
///
/// ```
/// use croupier::{Fault, Kind};
/// let fault = Fault::bad_params("`spins` is at most 10");
/// assert_eq!(fault.kind, Kind::BadParams);
/// assert_eq!(fault.to_string(), "bad-params: `spins` is at most 10");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .kind.word())]
pub struct Fault {
    /// The kind, which determines the codes.
    pub kind: Kind,
    /// A text for the person who calls. It is sent to the caller: it must not hold secrets or internals of the server.
    pub message: Cow<'static, str>,
    /// The name of the wrong parameter, if the fault is about one. The message names it too; this field is for protocols
    /// that report it separately.
    pub parameter: Option<Box<str>>,
    /// What else the service says of the fault.
    pub data: Option<FaultData>,
    /// After how many seconds a further call may succeed, if that is known: `Retry-After` of the responses in which the status is that
    /// of the fault (RFC 9110, section 10.2.3).
    pub retry_after: Option<NonZeroU32>,
}

/// What a service says of a fault beyond code and message, as JSON: the `data` of JSON-RPC errors and REST problems.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct FaultData(Box<RawValue>);

impl FaultData {
    /// The data as JSON text.
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// The data as a text for people: a JSON string without its quotes and escapes, anything else as JSON text.
    pub fn text(&self) -> Cow<'_, str> {
        serde_json::from_str::<String>(self.json()).map_or(Cow::Borrowed(self.json()), Cow::Owned)
    }
}

impl From<Box<RawValue>> for FaultData {
    fn from(json: Box<RawValue>) -> FaultData {
        FaultData(json)
    }
}

impl PartialEq for FaultData {
    fn eq(&self, other: &FaultData) -> bool {
        self.json() == other.json()
    }
}

impl Eq for FaultData {}

impl Fault {
    /// A fault that is not about one parameter.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Fault {
        Fault { kind, message: message.into(), parameter: None, data: None, retry_after: None }
    }

    /// The same fault with data that every protocol carries: as `data` in JSON-RPC and REST, in the detail of SOAP, and with
    /// the text of the fault in XML-RPC.
    ///
    /// ```
    /// # use croupier::Fault;
    /// let data = serde_json::value::to_raw_value(&serde_json::json!({ "free": 3 }))?;
    /// let fault = Fault::service(7, "not enough seats").with_data(data);
    /// assert_eq!(fault.data.as_ref().map(|data| data.json()), Some(r#"{"free":3}"#));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn with_data(self, data: impl Into<FaultData>) -> Fault {
        Fault { data: Some(data.into()), ..self }
    }

    /// The same fault, of a call that may succeed after this time. It is rounded up to whole seconds, and is at least one.
    ///
    /// ```
    /// # use croupier::{Fault, Kind};
    /// # use std::time::Duration;
    /// let fault = Fault::new(Kind::Unreachable, "the wheel is closed").retry_in(Duration::from_millis(2300));
    /// assert_eq!(fault.retry_after.map(u32::from), Some(3));
    /// ```
    #[must_use]
    pub fn retry_in(self, wait: Duration) -> Fault {
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        Fault { retry_after: Some(NonZeroU32::new(seconds).unwrap_or(NonZeroU32::MIN)), ..self }
    }

    /// The value of `Retry-After` in a response with the status of the fault; `None` if it has no such header. A server that has too much
    /// to do may be asked again after a second.
    #[cfg(feature = "server")]
    pub(crate) fn retry_after_header(&self, status: StatusCode) -> Option<HeaderValue> {
        let busy = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(NonZeroU32::MIN);
        self.retry_after.or(busy).map(|seconds| HeaderValue::from(seconds.get()))
    }

    /// The same fault with the name of the wrong parameter.
    ///
    /// ```
    /// # use croupier::Fault;
    /// let fault = Fault::bad_params("`spins` is at most 10").of_parameter("spins");
    /// assert_eq!(fault.parameter.as_deref(), Some("spins"));
    /// ```
    #[must_use]
    pub fn of_parameter(self, name: impl Into<Box<str>>) -> Fault {
        Fault { parameter: Some(name.into()), ..self }
    }

    /// A fault of the kind [`Kind::BadParams`].
    pub fn bad_params(message: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(Kind::BadParams, message)
    }

    /// An error of the service itself, with its own code (outside -32768..=-32000, which is reserved).
    pub fn service(code: i32, message: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(Kind::Service(Some(code)), message)
    }

    /// A defect in the server, such as a panic of a handler.
    pub fn internal() -> Fault {
        Fault::new(Kind::Internal, "the method failed; the server's log says why")
    }

    /// The method has no parameter of this name, but has those of the `known` names.
    pub fn no_such_parameter<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Fault {
        let hint = nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let name = abridge(name);
        Fault::bad_params(format!("there is no parameter `{name}`{hint}")).of_parameter(name)
    }

    /// The names of the parameters of a method are not known, so that an argument of this name has no place.
    pub fn unknown_parameters(name: &str) -> Fault {
        let name = abridge(name);
        let message = format!(
            "there is no parameter `{name}`: the names of the parameters are not known here. Give the arguments by position, \
             or as a list that is named `args`, such as {{\"args\": [1, \"a\"]}}"
        );
        Fault::bad_params(message).of_parameter(name)
    }

    /// The service has no method of this name.
    pub fn no_such_method(name: &str) -> Fault {
        Fault::new(Kind::NoSuchMethod, format!("there is no method `{}` here", abridge(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_rpc_codes_are_read_back_as_the_same_kind() {
        for kind in [
            Kind::NotWellFormed,
            Kind::Encoding,
            Kind::Character,
            Kind::Structure,
            Kind::Limit,
            Kind::NoSuchMethod,
            Kind::BadParams,
            Kind::Service(None),
            Kind::Service(Some(7)),
            Kind::Internal,
            Kind::Unreachable,
            Kind::Late,
            Kind::Busy,
            Kind::Unauthenticated,
            Kind::Forbidden,
            Kind::RateLimited,
        ] {
            assert_eq!(Kind::from_xmlrpc_code(kind.xmlrpc_code()), kind);
        }
    }

    #[test]
    fn json_rpc_codes_are_read_back_as_the_same_kind_except_for_encoding_errors() {
        for kind in [
            Kind::NotWellFormed,
            Kind::Structure,
            Kind::Limit,
            Kind::NoSuchMethod,
            Kind::BadParams,
            Kind::Internal,
            Kind::Unreachable,
            Kind::Late,
            Kind::Busy,
            Kind::Unauthenticated,
            Kind::Forbidden,
            Kind::RateLimited,
            Kind::Service(Some(7)),
        ] {
            assert_eq!(Kind::from_jsonrpc_code(kind.jsonrpc_code()), kind);
        }
    }
}
