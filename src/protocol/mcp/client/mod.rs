//! The MCP codec for upstream servers: it encodes calls of tools and decodes their results in memory.
//!
//! ```text
//! message.rs    writes a request, in either era of the protocol, and reads the head of a message
//! handshake.rs  what client and server say of themselves before the first call
//! tools.rs      the list of tools of a server as an interface
//! result.rs     the result of a tool as a value
//! ```
//!
//! A method has the name of its tool, with `_` in place of each character that no method name has. The codec knows the tool of each
//! method, and which of its arguments a request repeats in a header.

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

/// The beginning of the error message for a tool that the server does not have (specification, "Error Handling" of tools). The code of
/// the error, -32602, does not tell: wrong arguments have the same.
const UNKNOWN_TOOL: &str = "unknown tool";

/// MCP towards an upstream.
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
    /// It is the result of the method.
    Plain,
    /// It is an object whose only member, `result`, is the result of the method.
    Wrapped,
    /// The tool has no `outputSchema`, so it may be either.
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
            Some(known) => name_arguments(tool, known, arguments)?,
            None => undescribed_arguments(arguments)?,
        };
        let name = tool.map_or(target.method, |tool| tool.name.as_str());
        let mut writer = MessageWriter::new(self.tools.era, "tools/call");
        writer.member("name", |to| write_value(to, name, self.dialect).map_err(|error| not_encodable(&error)))?;
        writer.name_header(name);
        if self.tools.era == Era::Stateless {
            for (header, value) in arguments_in_headers(tool, &arguments) {
                writer.header(header.clone(), header_value(&value));
            }
        }
        let members = Value::Struct(arguments.into_iter().map(|argument| (argument.name, argument.value)).collect());
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
            Err(ResponseError::Fault(fault)) => Err(ResponseError::Fault(with_unknown_tool(fault))),
            Err(error) => Err(error),
        }
    }

    /// The result in the response to any request, such as `tools/list`.
    ///
    /// # Errors
    /// A [`ResponseError`] if the response has no result.
    pub(crate) fn decode_message(&self, response: &Response<Bytes>) -> Result<Value, ResponseError> {
        decode_message(response, self.limits)
    }
}

/// The result in the response to a request, whose `id` is an extension of the response.
fn decode_message(response: &Response<Bytes>, limits: DocumentLimits) -> Result<Value, ResponseError> {
    let id = response.extensions().get::<MessageId>().map(|MessageId(id)| id.to_string());
    let target = CallTarget { sent_id: Some(id.as_deref().unwrap_or("null")), ..CallTarget::new("", None) };
    JsonRpcCodec { limits, ..JsonRpcCodec::default() }.decode_response(target, response)
}

/// The member `name` of a struct.
fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Struct(members) => members.iter().find(|(own, _)| own == name).map(|(_, value)| value),
        _ => None,
    }
}

/// An argument of a call.
struct NamedArgument {
    /// The position of its parameter.
    position: usize,
    /// The name of the parameter of the tool.
    name: String,
    value: Value,
}

/// The arguments with the names of the tool's parameters. Nil leaves out an argument that is optional and cannot be nil: callers by
/// position have no other way to do so.
fn name_arguments(
    tool: Option<&McpTool>,
    known: KnownParams<'_>,
    arguments: ArgValues,
) -> Result<Vec<NamedArgument>, Fault> {
    let params = &known.method.params;
    let placed = arguments.placed(known)?.into_iter().enumerate();
    let means_absent = |value: &Value, field: Option<&Field>| {
        *value == Value::Nil && field.is_some_and(|field| !field.required && !field.shape.may_be_nil())
    };
    let given = placed.filter_map(|(position, value)| {
        Some((position, value.filter(|value| !means_absent(value, params.get(position)))?))
    });
    let name = |position: usize| {
        let own = tool.and_then(|tool| tool.params.get(position)).map(|param| param.name.clone());
        own.or_else(|| params.get(position).map(|field| field.name.clone())).ok_or_else(without_names)
    };
    given.map(|(position, value)| Ok(NamedArgument { position, name: name(position)?, value })).collect()
}

/// The arguments of a method that the server does not describe.
fn undescribed_arguments(arguments: ArgValues) -> Result<Vec<NamedArgument>, Fault> {
    match arguments {
        ArgValues::ByName(members) => {
            let members = members.into_iter().enumerate();
            Ok(members.map(|(position, (name, value))| NamedArgument { position, name, value }).collect())
        }
        ArgValues::ByPosition(values) if values.is_empty() => Ok(Vec::new()),
        ArgValues::ByPosition(_) => Err(without_names()),
    }
}

fn without_names() -> Fault {
    Fault::bad_params("the upstream server takes arguments by name, and the names of these are not known")
}

/// The headers that repeat arguments, and their texts.
fn arguments_in_headers<'t>(
    tool: Option<&'t McpTool>,
    arguments: &[NamedArgument],
) -> impl Iterator<Item = (&'t HeaderName, Cow<'static, str>)> {
    arguments.iter().filter_map(move |argument| {
        let header = tool?.params.get(argument.position)?.header.as_ref()?;
        let value = &argument.value;
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

/// Turns the fault for an unknown tool into [`Kind::NoSuchMethod`]. Servers return one error code for an unknown tool and for wrong
/// arguments, and only their messages differ.
fn with_unknown_tool(fault: Fault) -> Fault {
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
            assert_eq!(with_unknown_tool(Fault::bad_params(message)).kind, kind, "{message}");
        }
    }
}
