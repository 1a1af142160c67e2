//! The MCP codec for upstream servers: it encodes calls of tools and decodes their results in memory.
//!
//! ```text
//! message.rs    the request with a message, in either era of the protocol
//! handshake.rs  what client and server say of themselves before the first call
//! tools.rs      the list of tools of a server as an interface
//! result.rs     the result of a tool as a value
//! ```
//!
//! A method has the name of its tool, in which each character that the name of a method cannot have is `_`. The codec knows which
//! tool a method is, and which of its parameters a request repeats in a header.

pub(crate) mod handshake;
pub(crate) mod message;
mod result;
#[cfg(feature = "server")]
pub(crate) mod tools;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, Request, Response};

use super::headers::header_value;
use crate::codec::DocumentLimits;
use crate::codec::json::{JsonDialect, write_value};
use crate::model::fault::{Fault, Kind};
use crate::model::shape::Field;
use crate::model::value::Value;
use crate::protocol::client_codec::{CallTarget, ResponseError, not_encodable};
use crate::protocol::jsonrpc::client::JsonRpcCodec;
use crate::service::args::{ArgValues, KnownParams};
use message::{Era, MessageId, MessageWriter};

/// The beginning of the message with which servers refuse a tool that they do not have (specification, "Error Handling" of tools). It
/// shares its code with other errors.
const UNKNOWN_TOOL: &str = "unknown tool";

/// MCP towards a server.
#[derive(Debug, Clone)]
pub struct McpCodec {
    /// The tools of the server, from its description.
    pub(crate) tools: Arc<McpTools>,
    /// The dialect: how values that JSON cannot express are written.
    pub dialect: JsonDialect,
    /// The limits on the text of a response.
    pub limits: DocumentLimits,
}

/// How the tools of a server are called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct McpTools {
    pub(crate) era: Era,
    /// The tools by the names of their methods.
    pub(crate) by_method: HashMap<String, McpTool>,
}

/// A tool of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct McpTool {
    pub(crate) name: String,
    /// The parameters, in the order of those of the method.
    pub(crate) params: Vec<McpParam>,
    pub(crate) form: ResultForm,
}

/// A parameter of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct McpParam {
    pub(crate) name: String,
    /// The header that repeats the argument (`x-mcp-header`).
    pub(crate) header: Option<HeaderName>,
}

/// What is known of the structured result of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResultForm {
    /// It is the result.
    Plain,
    /// It is an object whose only member, `result`, is the result.
    Wrapped,
    /// The server does not say which.
    Undescribed,
}

impl McpCodec {
    /// A codec for these tools. It accepts responses of at most 10,000,000 JSON values, nested at most 64 deep.
    pub(crate) fn new(tools: Arc<McpTools>) -> McpCodec {
        McpCodec { tools, dialect: JsonDialect::default(), limits: JsonRpcCodec::default().limits }
    }

    /// The request for one call.
    ///
    /// # Errors
    /// `BadParams` if the arguments do not match the parameters, JSON cannot express them, or they have no names.
    pub fn encode_call(&self, target: CallTarget<'_>, arguments: ArgValues) -> Result<Request<Bytes>, Fault> {
        let tool = self.tools.by_method.get(target.method);
        let arguments = match target.known {
            Some(known) => named(tool, known, arguments)?,
            None => unplaced(arguments)?,
        };
        let name = tool.map_or(target.method, |tool| tool.name.as_str());
        let mut writer = MessageWriter::new(self.tools.era, "tools/call");
        writer.member("name", |to| write_value(to, name, self.dialect).map_err(|error| not_encodable(&error)))?;
        writer.name(name);
        for (header, value) in repeated(tool, &arguments).filter(|_| self.tools.era == Era::Stateless) {
            writer.header(header.clone(), header_value(&value));
        }
        let members = Value::Struct(arguments.into_iter().map(|(_, name, value)| (name, value)).collect());
        writer
            .member("arguments", |to| write_value(to, &members, self.dialect).map_err(|error| not_encodable(&error)))?;
        Ok(writer.into_request())
    }

    /// The result in the response to a call; `None` if it has no content.
    ///
    /// # Errors
    /// A [`ResponseError`] if the response has no result.
    pub(crate) fn decode_result(
        &self,
        target: CallTarget<'_>,
        response: &Response<Bytes>,
    ) -> Result<Option<Value>, ResponseError> {
        let form = self.tools.by_method.get(target.method).map_or(ResultForm::Undescribed, |tool| tool.form);
        match self.decode_message(response) {
            Ok(result) => result::read(result, form, target.known, self.limits),
            Err(ResponseError::Fault(fault)) => Err(ResponseError::Fault(of_tool(fault))),
            Err(error) => Err(error),
        }
    }

    /// The result of any request.
    ///
    /// # Errors
    /// A [`ResponseError`] if the response has no result.
    pub(crate) fn decode_message(&self, response: &Response<Bytes>) -> Result<Value, ResponseError> {
        decode_message(response, self.limits)
    }
}

/// The result in the response to a message.
fn decode_message(response: &Response<Bytes>, limits: DocumentLimits) -> Result<Value, ResponseError> {
    let id = response.extensions().get::<MessageId>().map(|MessageId(id)| id.to_string());
    let target = CallTarget { sent_id: Some(id.as_deref().unwrap_or("null")), ..CallTarget::new("", None) };
    JsonRpcCodec { limits, ..JsonRpcCodec::default() }.decode_response(target, response)
}

/// The arguments by the names of the tool's parameters, each with its position. Nil leaves an argument out if it is optional and
/// cannot be nil: callers by position have no other way to do so.
fn named(
    tool: Option<&McpTool>,
    known: KnownParams<'_>,
    arguments: ArgValues,
) -> Result<Vec<(usize, String, Value)>, Fault> {
    let params = &known.method.params;
    let placed = arguments.placed(known)?.into_iter().enumerate();
    let means_absent = |value: &Value, field: Option<&Field>| {
        *value == Value::Nil && field.is_some_and(|field| !field.required && !field.shape.may_be_nil())
    };
    let given =
        placed.filter_map(|(at, value)| Some((at, value.filter(|value| !means_absent(value, params.get(at)))?)));
    let name = |at: usize| {
        let own = tool.and_then(|tool| tool.params.get(at)).map(|param| param.name.clone());
        own.or_else(|| params.get(at).map(|field| field.name.clone())).ok_or_else(without_names)
    };
    given.map(|(at, value)| Ok((at, name(at)?, value))).collect()
}

/// The arguments of a method that the server does not describe.
fn unplaced(arguments: ArgValues) -> Result<Vec<(usize, String, Value)>, Fault> {
    match arguments {
        ArgValues::ByName(members) => {
            Ok(members.into_iter().enumerate().map(|(at, (name, value))| (at, name, value)).collect())
        }
        ArgValues::ByPosition(values) if values.is_empty() => Ok(Vec::new()),
        ArgValues::ByPosition(_) => Err(without_names()),
    }
}

fn without_names() -> Fault {
    Fault::bad_params("the upstream server takes arguments by name, and the names of these are not known")
}

/// The arguments that a request repeats in headers, as texts.
fn repeated<'t>(
    tool: Option<&'t McpTool>,
    arguments: &[(usize, String, Value)],
) -> impl Iterator<Item = (&'t HeaderName, Cow<'static, str>)> {
    arguments.iter().filter_map(move |(at, _, value)| {
        let header = tool?.params.get(*at)?.header.as_ref()?;
        let text = match value {
            Value::Text(text) => text.clone().into(),
            Value::Bool(true) => "true".into(),
            Value::Bool(false) => "false".into(),
            Value::Int(number) => number.to_string().into(),
            Value::Number(_) | Value::Double(_) => serde_json::to_string(value).ok()?.into(),
            _ => return None,
        };
        Some((header, text))
    })
}

/// The fault for an error of the protocol: -32602 is also the code of a tool that the server does not have.
fn of_tool(fault: Fault) -> Fault {
    let start = fault.message.get(..UNKNOWN_TOOL.len()).unwrap_or_default();
    match fault.kind {
        Kind::BadParams if start.eq_ignore_ascii_case(UNKNOWN_TOOL) => Fault { kind: Kind::NoSuchMethod, ..fault },
        _ => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codec(era: Era) -> McpCodec {
        let param = |name: &str, header: Option<&'static str>| McpParam {
            name: name.to_owned(),
            header: header.map(HeaderName::from_static),
        };
        let tool = McpTool {
            name: "get-größe".to_owned(),
            params: vec![param("city", Some("mcp-param-region")), param("days", None)],
            form: ResultForm::Plain,
        };
        McpCodec::new(Arc::new(McpTools { era, by_method: HashMap::from([("get_gr_e".to_owned(), tool)]) }))
    }

    fn encoded(era: Era, arguments: ArgValues) -> Request<Bytes> {
        codec(era).encode_call(CallTarget::new("get_gr_e", None), arguments).unwrap()
    }

    fn body(request: &Request<Bytes>) -> serde_json::Value {
        serde_json::from_slice(request.body()).unwrap()
    }

    #[test]
    fn a_call_names_the_tool_and_has_an_id_of_its_own() {
        let arguments = || ArgValues::ByName(vec![("city".into(), Value::Text("Bonn".into()))]);
        let (first, second) = (encoded(Era::Handshake, arguments()), encoded(Era::Handshake, arguments()));
        let MessageId(id) = *first.extensions().get::<MessageId>().unwrap();
        let expected = serde_json::json!({
            "jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": { "name": "get-größe", "arguments": { "city": "Bonn" } },
        });
        assert_eq!(body(&first), expected);
        assert_ne!(body(&first)["id"], body(&second)["id"]);
        assert!(first.headers().get("mcp-name").is_none());
    }

    #[test]
    fn a_request_without_a_handshake_says_all_in_headers_and_body() {
        let arguments =
            ArgValues::ByName(vec![("city".into(), Value::Text("Köln".into())), ("days".into(), Value::Int(3))]);
        let request = encoded(Era::Stateless, arguments);
        let header = |name: &str| request.headers()[name].to_str().unwrap();
        assert_eq!(header("mcp-protocol-version"), "2026-07-28");
        assert_eq!((header("mcp-method"), header("mcp-name")), ("tools/call", "=?base64?Z2V0LWdyw7bDn2U=?="));
        assert_eq!(header("mcp-param-region"), "=?base64?S8O2bG4=?=");
        assert_eq!(header("accept"), "application/json, text/event-stream");
        let meta = &body(&request)["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
        assert!(meta["io.modelcontextprotocol/clientCapabilities"].is_object());
    }

    #[test]
    fn arguments_need_names() {
        let encode = |arguments| codec(Era::Handshake).encode_call(CallTarget::new("x", None), arguments);
        let fault = encode(ArgValues::ByPosition(vec![Value::Int(3)])).unwrap_err();
        assert_eq!(fault.kind, Kind::BadParams);
        assert!(encode(ArgValues::default()).is_ok());
    }

    #[test]
    fn an_unknown_tool_is_no_wrong_argument() {
        for (message, kind) in [
            ("Unknown tool: spin", Kind::NoSuchMethod),
            ("unknown tool", Kind::NoSuchMethod),
            ("Unknown parameter", Kind::BadParams),
            ("é", Kind::BadParams),
        ] {
            assert_eq!(of_tool(Fault::bad_params(message)).kind, kind, "{message}");
        }
    }
}
