//! What goes wrong with a call, in no protocol's words, and the one table that turns it into each protocol's.

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;

use crate::model::text::{abridge, nearest};

/// An error that crosses a seam where its type no longer matters.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a call has no answer. The set is closed: every face has a word for each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The request is not well-formed in its own syntax.
    NotWellFormed,
    /// The request is in a character encoding that cannot be read.
    Encoding,
    /// A byte sequence of the request is no character of its declared encoding.
    Character,
    /// The request is well-formed, but it is not a call.
    Structure,
    /// The request is larger, deeper or more numerous than the group allows.
    Limit,
    /// The service has no method of that name.
    NoSuchMethod,
    /// The parameters are not those that the method takes.
    BadParams,
    /// The service refused or failed in its own words, with its own code if it has one.
    Service(Option<i32>),
    /// A defect on the server's side; what happened is for the log, not for the caller.
    Internal,
    /// The server that would have answered cannot be reached.
    Unreachable,
    /// The answer did not come in time.
    Late,
    /// Too many calls are running already.
    Busy,
}

impl Kind {
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
        }
    }

    /// The kind that a peer reports by an XML-RPC fault code. Any other code is the service's own.
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
            code => Kind::Service(Some(code)),
        }
    }

    /// The status of an HTTP response that says nothing but this: REST's.
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
        }
    }

    /// The JSON-RPC error code: its specification's where that has one, else one of those it leaves to servers
    /// (-32099 to -32000).
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
        }
    }

    /// The kind that a peer's JSON-RPC error code stands for. The code that several kinds share becomes the first of
    /// them; a code that is nobody's is the service's own.
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
            code => Kind::Service(Some(code)),
        }
    }

    /// The kind whose [word](Kind::word) this is, told by a peer that is croupier itself together with a code: it is
    /// exact where several kinds share a code.
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
        let kinds = [
            Kind::NotWellFormed,
            Kind::Encoding,
            Kind::Character,
            Kind::Structure,
            Kind::Limit,
            Kind::NoSuchMethod,
            Kind::BadParams,
            service,
            Kind::Internal,
            Kind::Unreachable,
            Kind::Late,
            Kind::Busy,
        ];
        kinds.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether SOAP says that the caller is to blame: `Client` in SOAP 1.1, `Sender` in SOAP 1.2; otherwise it is the
    /// server, `Server` and `Receiver`.
    ///
    /// ```
    /// use croupier::model::fault::Kind;
    /// assert!(Kind::BadParams.is_senders() && !Kind::Service(None).is_senders());
    /// ```
    pub fn is_senders(self) -> bool {
        match self {
            Kind::NotWellFormed
            | Kind::Encoding
            | Kind::Character
            | Kind::Structure
            | Kind::Limit
            | Kind::NoSuchMethod
            | Kind::BadParams => true,
            Kind::Service(_) | Kind::Internal | Kind::Unreachable | Kind::Late | Kind::Busy => false,
        }
    }

    /// The subcode that SOAP 1.2 has for calls (Part 2, section 4.4), without its prefix.
    pub fn soap_subcode(self) -> Option<&'static str> {
        match self {
            Kind::NoSuchMethod => Some("ProcedureNotPresent"),
            Kind::BadParams => Some("BadArguments"),
            _ => None,
        }
    }

    /// One word for the access log and for metrics.
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
        }
    }
}

/// A refusal or a failure, on its way to the caller.
///
/// ```
/// use croupier::{Fault, Kind};
/// let fault = Fault::bad_params("`spins` is at most 10");
/// assert_eq!(fault.kind, Kind::BadParams);
/// assert_eq!(fault.to_string(), "bad-params: `spins` is at most 10");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What sort of failure it is.
    pub kind: Kind,
    /// What a person reads, in the caller's hands: no traces, no secrets.
    pub message: Cow<'static, str>,
    /// The parameter that is wrong, by its name, where it is one of them and it is known which. The message says so
    /// too; this is for protocols that have a place of its own for it.
    pub parameter: Option<Box<str>>,
}

impl Fault {
    /// A fault of a kind, with its message.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Fault {
        Fault { kind, message: message.into(), parameter: None }
    }

    /// The same fault, with the name of the parameter that is wrong.
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

    /// The parameters are not those that the method takes.
    pub fn bad_params(message: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(Kind::BadParams, message)
    }

    /// The service's own failure, with a code of its own (outside -32768..=-32000, which is reserved).
    pub fn service(code: i32, message: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(Kind::Service(Some(code)), message)
    }

    /// A defect on the server's side, such as a handler's panic.
    pub fn internal() -> Fault {
        Fault::new(Kind::Internal, "the method failed; the server's log says why")
    }

    /// The method has no parameter of this name, but has those of the `known` names.
    pub fn no_such_parameter<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Fault {
        let hint = nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let name = abridge(name);
        Fault::bad_params(format!("there is no parameter `{name}`{hint}")).of_parameter(name)
    }

    /// There is no method of this name.
    pub fn no_such_method(name: &str) -> Fault {
        Fault::new(Kind::NoSuchMethod, format!("there is no method `{}` here", abridge(name)))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.word(), self.message)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_rpc_codes_read_back_as_the_kind_that_wrote_them() {
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
        ] {
            assert_eq!(Kind::from_xmlrpc_code(kind.xmlrpc_code()), kind);
        }
    }

    #[test]
    fn json_rpc_tells_all_kinds_apart_but_those_of_broken_text() {
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
            Kind::Service(Some(7)),
        ] {
            assert_eq!(Kind::from_jsonrpc_code(kind.jsonrpc_code()), kind);
        }
    }
}
