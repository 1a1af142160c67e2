//! `tools/call`: a call of a method, and its result as content for a model and as a value for a program.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::answer::{JsonObject, ResultFrame, RpcError, write_json};
use super::tools::ToolDefinition;
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;
use crate::protocol::frontend;
use crate::service::{Encode, Format, Rows};

/// How many bytes of rows are written at a time.
const PORTION: usize = 4 << 10;

/// Writes the result of a tool call.
#[derive(Debug, Clone)]
pub(super) struct ToolResult {
    pub(super) frame: ResultFrame,
    pub(super) tool: Arc<ToolDefinition>,
    /// How many bytes of the result are written so far, for progress reports; `None` if the client has not asked for them.
    pub(super) bytes_written: Option<Arc<AtomicUsize>>,
}

/// A fault as the protocol has it: as an error of the protocol, or as the text of a failed tool.
pub(super) enum ToolFault {
    Error(RpcError),
    Failed(Vec<u8>),
}

impl ToolResult {
    /// The response with a value as result.
    ///
    /// # Errors
    /// If it cannot be written, or is too long.
    pub(super) fn write(&self, value: &dyn Encode) -> Result<Vec<u8>, Fault> {
        let mut json = Vec::with_capacity(256);
        frontend::encode(value, Format::Json(self.tool.dialect), &mut json)?;
        if json.len() > self.tool.max_result {
            return Err(self.too_long(json.len()));
        }
        self.write_json_result(&json, None)
    }

    /// The response with rows as result. If they exceed `max_result`, the rest is left out, and the response says so.
    ///
    /// # Errors
    /// If the rows fail, or cannot be written.
    pub(super) async fn write_rows(&self, mut rows: Rows) -> Result<Vec<u8>, Fault> {
        let mut json = vec![b'['];
        let mut has_more = true;
        while has_more && json.len() <= self.tool.max_result {
            rows.ready().await?;
            let until = json.len() + PORTION;
            has_more = frontend::fill(&mut rows, Format::Json(self.tool.dialect), &mut json, until)?;
            if let Some(bytes_written) = &self.bytes_written {
                bytes_written.store(json.len(), Relaxed);
            }
        }
        let left_out = has_more.then(|| {
            let parameters = &self.tool.parameters;
            let how = if parameters.is_empty() { String::new() } else { format!(" Its parameters: {parameters}.") };
            format!(
                "The result goes on: these are the first {} bytes of it. Call the tool in a way that asks for less.{how}",
                json.len()
            )
        });
        // A separator may be behind the last row.
        while json.last() == Some(&b',') {
            json.pop();
        }
        json.push(b']');
        self.write_json_result(&json, left_out)
    }

    fn write_json_result(&self, json: &[u8], note: Option<String>) -> Result<Vec<u8>, Fault> {
        let text = std::str::from_utf8(json).map_err(|_| Fault::internal())?;
        let mut to = Vec::with_capacity(2 * json.len() + 256);
        self.frame.write_head(&mut to);
        to.extend_from_slice(b"\"content\":[");
        self.write_content(text, &mut to);
        if let Some(note) = &note {
            to.push(b',');
            write_json(&json!({ "type": "text", "text": note }), &mut to);
        }
        to.extend_from_slice(b"],\"structuredContent\":");
        if self.tool.is_wrapped {
            to.extend_from_slice(b"{\"result\":");
            to.extend_from_slice(json);
            to.push(b'}');
        } else {
            to.extend_from_slice(json);
        }
        to.extend_from_slice(b",\"isError\":false");
        let meta = note.map(|_| JsonObject::from_iter([("croupier/truncated".to_owned(), Value::Bool(true))]));
        self.frame.write_tail(meta, &mut to);
        Ok(to)
    }

    /// Writes the content for the model: a text without quotes, bytes by their media type, anything else as JSON.
    fn write_content(&self, json: &str, to: &mut Vec<u8>) {
        let is_text = json.starts_with('"');
        if let Some(media) = self.tool.bytes_type.as_deref().filter(|_| is_text)
            && let Ok(data) = serde_json::from_str::<String>(json)
        {
            return write_json(&bytes_content(media, data, &self.tool.method), to);
        }
        to.extend_from_slice(b"{\"type\":\"text\",\"text\":");
        if is_text {
            to.extend_from_slice(json.as_bytes());
        } else {
            write_json(json, to);
        }
        to.push(b'}');
    }

    /// The response to a fault. A model can react to most faults, so these are results; errors of the protocol are for the client program.
    pub(super) fn fault(&self, fault: &Fault) -> ToolFault {
        match fault.kind {
            Kind::NoSuchMethod => ToolFault::Error(RpcError::no_such_tool(&self.tool.name)),
            Kind::Internal => ToolFault::Error(RpcError::new(-32603, fault.message.clone())),
            _ => ToolFault::Failed(failed(&self.frame, fault)),
        }
    }

    fn too_long(&self, length: usize) -> Fault {
        let what = match &*self.tool.parameters {
            "" => String::new(),
            parameters => format!("; ask for less by {parameters}"),
        };
        let most = self.tool.max_result;
        Fault::new(Kind::Limit, format!("the result has {length} bytes, and a tool may return {most}{what}"))
    }
}

/// An item of `content` with Base64 data: an image, audio, or else an embedded resource.
fn bytes_content(media: &str, data: String, method: &str) -> Value {
    let kind = if media.starts_with("image/") { "image" } else { "audio" };
    match media.starts_with("image/") || media.starts_with("audio/") {
        true => json!({ "type": kind, "data": data, "mimeType": media }),
        false => {
            let uri = format!("croupier:/{method}");
            json!({ "type": "resource", "resource": { "uri": uri, "mimeType": media, "blob": data } })
        }
    }
}

/// The response of a failed tool: the message of the fault as text, with `isError`.
pub(super) fn failed(frame: &ResultFrame, fault: &Fault) -> Vec<u8> {
    let mut text = fault.message.clone().into_owned();
    if let Some(advice) = advice(fault) {
        text.push('\n');
        text.push_str(&advice);
    }
    if let Some(data) = &fault.data {
        text.push_str("\ndetails: ");
        text.push_str(&data.text());
    }
    let mut meta = JsonObject::from_iter([("croupier/kind".to_owned(), Value::from(fault.kind.word()))]);
    if let Kind::Service(Some(code)) = fault.kind {
        text.push_str(&format!("\ncode: {code}"));
        meta.insert("croupier/code".to_owned(), code.into());
    }
    let mut to = Vec::with_capacity(256);
    frame.write_head(&mut to);
    to.extend_from_slice(b"\"content\":[");
    write_json(&json!({ "type": "text", "text": text }), &mut to);
    to.extend_from_slice(b"],\"isError\":true");
    frame.write_tail(Some(meta), &mut to);
    to
}

/// The arguments of a call with those that are fixed; `None` if there are none.
///
/// # Errors
/// If they are not an object, or one of them is fixed.
pub(super) fn arguments<'a>(
    given: Option<&'a RawValue>,
    fixed: Option<&JsonObject>,
) -> Result<Option<Cow<'a, RawValue>>, RpcError> {
    let given = given.filter(|given| given.get() != "null");
    if given.is_some_and(|given| !given.get().starts_with('{')) {
        return Err(RpcError::invalid_params("`params.arguments` is not an object"));
    }
    let Some(fixed) = fixed else { return Ok(given.map(Cow::Borrowed)) };
    let unreadable = |error: serde_json::Error| RpcError::invalid_params(format!("`params.arguments`: {error}"));
    let mut members: BTreeMap<String, Box<RawValue>> = match given {
        Some(given) => serde_json::from_str(given.get()).map_err(unreadable)?,
        None => BTreeMap::new(),
    };
    if let Some(name) = members.keys().find(|name| fixed.contains_key(*name)) {
        let name = abridge(name).into_owned();
        return Err(RpcError::invalid_params(format!("the tool has no parameter `{name}`")));
    }
    for (name, value) in fixed {
        members.insert(name.clone(), to_raw_value(value).map_err(unreadable)?);
    }
    to_raw_value(&members).map(|members| Some(Cow::Owned(members))).map_err(unreadable)
}

/// What a model can do about a fault.
fn advice(fault: &Fault) -> Option<String> {
    match (fault.kind, fault.retry_after) {
        (Kind::Busy | Kind::Unreachable | Kind::RateLimited, Some(seconds)) => {
            Some(format!("Try again in {seconds} s."))
        }
        (Kind::Busy | Kind::RateLimited, None) => Some("Try again later.".to_owned()),
        (Kind::Unreachable, None) => Some("The server behind this tool is not available. Try again later.".to_owned()),
        (Kind::Late, _) => Some("Ask for less, or try again later.".to_owned()),
        _ => None,
    }
}
