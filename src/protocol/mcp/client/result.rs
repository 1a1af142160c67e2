//! The result of a tool as a value.
//!
//! The structured result is the result of the method, if there is one. Many servers wrap a result that is not an object into an object
//! with the only member `result`. Then this member is the result of the method, if the schema of the tool declares it or, without a
//! schema, if the content repeats the member and not the object.
//!
//! Without a structured result, the content is the result: its only item, or an array of all items. Pictures, sounds and the bytes of
//! resources are bytes. A text whose type is not known is parsed if it is an object or array of JSON, because older servers return
//! these as texts only. A number or a word stays a text, because it may be one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{ResultForm, member};
use crate::codec::DocumentLimits;
use crate::codec::json::{TypedJson, check};
use crate::model::fault::{Fault, Kind};
use crate::model::shape::{Shape, Shapes};
use crate::model::value::Value;
use crate::protocol::client_codec::ResponseError;
use crate::service::args::KnownParams;

/// The only member of an object that wraps a result.
const WRAPPED: &str = "result";

/// How a text in the content is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextRule {
    /// As a text.
    Text,
    /// As JSON, if it is that.
    Json,
    /// As JSON, if it is an object or array.
    Any,
}

/// Reads the result of `tools/call`; `None` if it has no content.
///
/// # Errors
/// The fault of a tool that has failed; `Limit` if the server has truncated the result; `Malformed` if it is not a result.
pub(super) fn read(
    result: Value,
    form: ResultForm,
    known: Option<KnownParams<'_>>,
    limits: DocumentLimits,
) -> Result<Option<Value>, ResponseError> {
    let Value::Struct(mut members) = result else { return Err(malformed("the result is not an object")) };
    let mut take = |name: &str| {
        let at = members.iter().position(|(own, _)| own == name)?;
        Some(members.swap_remove(at).1)
    };
    let meta = take("_meta").unwrap_or(Value::Nil);
    let structured = take("structuredContent");
    let content = match take("content") {
        Some(Value::Array(items)) => items,
        None | Some(Value::Nil) => Vec::new(),
        Some(_) => return Err(malformed("the content of the result is not an array")),
    };
    if take("isError") == Some(Value::Bool(true)) {
        return Err(ResponseError::Fault(tool_fault(&content, structured, &meta)));
    }
    if let Some(Value::Text(kind)) = take("resultType")
        && kind != "complete"
    {
        let message = "the tool asks for more input than its arguments, which is not supported";
        return Err(ResponseError::Fault(Fault::new(Kind::Service(None), message)));
    }
    if member(&meta, "croupier/truncated") == Some(&Value::Bool(true)) {
        let message = "the upstream server has truncated the result: ask for less";
        return Err(ResponseError::Fault(Fault::new(Kind::Limit, message)));
    }
    match structured {
        Some(value) if value != Value::Nil || content.is_empty() => Ok(Some(unwrapped(value, form, &content, limits))),
        Some(Value::Nil) if only_item_text(&content) == Some("null") => Ok(Some(Value::Nil)),
        _ => {
            let shape = known.map(|known| (&known.method.result, known.shapes));
            from_content(content, shape, limits)
        }
    }
}

/// The structured result without the object that wraps it, if there is one.
fn unwrapped(value: Value, form: ResultForm, content: &[Value], limits: DocumentLimits) -> Value {
    let is_wrapper = match (&value, form) {
        (Value::Struct(members), ResultForm::Wrapped) => matches!(members.as_slice(), [(name, _)] if name == WRAPPED),
        (Value::Struct(members), ResultForm::Undescribed) => {
            matches!(members.as_slice(), [(name, inner)] if name == WRAPPED && repeats(content, inner, limits))
        }
        _ => false,
    };
    match value {
        Value::Struct(mut members) if is_wrapper => members.pop().map_or(Value::Nil, |(_, inner)| inner),
        value => value,
    }
}

/// Whether the content repeats this value, and not the object that has it as a member.
fn repeats(content: &[Value], value: &Value, limits: DocumentLimits) -> bool {
    match (content, value) {
        ([item], Value::Text(text)) => only_item_text(content) == Some(text) || base64_data(item) == Some(text),
        ([_], _) => only_item_text(content).and_then(|text| parsed(text, limits)).is_some_and(|said| said == *value),
        // Some servers write each element of a list as an item of the content.
        (_, Value::Array(items)) => items.len() == content.len(),
        _ => false,
    }
}

fn only_item_text(content: &[Value]) -> Option<&str> {
    match content {
        [item] => item_text(item),
        _ => None,
    }
}

fn item_text(item: &Value) -> Option<&str> {
    let is_text = matches!(member(item, "type"), Some(Value::Text(kind)) if kind == "text");
    match member(item, "text") {
        Some(Value::Text(text)) if is_text => Some(text),
        _ => None,
    }
}

/// The bytes of an item, in Base64.
fn base64_data(item: &Value) -> Option<&String> {
    let holder = member(item, "resource").unwrap_or(item);
    match member(holder, "blob").or_else(|| member(holder, "data")) {
        Some(Value::Text(data)) => Some(data),
        _ => None,
    }
}

fn from_content(
    content: Vec<Value>,
    shape: Option<(&Shape, &Shapes)>,
    limits: DocumentLimits,
) -> Result<Option<Value>, ResponseError> {
    let mut items = content.into_iter();
    match (items.next(), items.len()) {
        (None, _) => Ok(None),
        (Some(only), 0) => item_value(only, text_rule(shape), limits).map(Some),
        (Some(first), _) => {
            let inner = match shape.map(|(shape, shapes)| (non_nil(shape, shapes), shapes)) {
                Some((Shape::List(inner), shapes)) => Some((&**inner, shapes)),
                _ => None,
            };
            let rule = text_rule(inner);
            let all = std::iter::once(first).chain(items).map(|item| item_value(item, rule, limits));
            all.collect::<Result<_, _>>().map(|all| Some(Value::Array(all)))
        }
    }
}

/// The shape of the values that are not nil.
fn non_nil<'s>(shape: &'s Shape, shapes: &'s Shapes) -> &'s Shape {
    match shapes.follow(shape) {
        Shape::Optional(inner) => shapes.follow(inner),
        shape => shape,
    }
}

fn text_rule(shape: Option<(&Shape, &Shapes)>) -> TextRule {
    match shape.map(|(shape, shapes)| non_nil(shape, shapes)) {
        None | Some(Shape::Any) => TextRule::Any,
        Some(Shape::Text | Shape::Choice(_) | Shape::Date | Shape::Binary) => TextRule::Text,
        Some(_) => TextRule::Json,
    }
}

/// The value of an item of the content: its text, its bytes, or for other types, such as a link to a resource, the item itself.
fn item_value(item: Value, rule: TextRule, limits: DocumentLimits) -> Result<Value, ResponseError> {
    let kind = match member(&item, "type") {
        Some(Value::Text(kind)) => kind.as_str(),
        _ => return Err(malformed("a part of the content has no type")),
    };
    let holder = match (kind, member(&item, "resource")) {
        ("resource", Some(resource)) => resource,
        _ => &item,
    };
    match (kind, member(holder, "text"), base64_data(&item)) {
        ("text" | "resource", Some(Value::Text(text)), _) => Ok(text_value(text, rule, limits)),
        ("image" | "audio" | "resource", _, Some(data)) => {
            STANDARD.decode(data).map(Value::Binary).map_err(|_| malformed("the bytes in the content are not Base64"))
        }
        ("text" | "image" | "audio" | "resource", ..) => Err(malformed("a part of the content is empty")),
        _ => Ok(item),
    }
}

fn text_value(text: &str, rule: TextRule, limits: DocumentLimits) -> Value {
    let may_be_json = match rule {
        TextRule::Text => false,
        TextRule::Json => true,
        TextRule::Any => text.trim_start().starts_with(['{', '[']),
    };
    let value = if may_be_json { parsed(text, limits) } else { None };
    value.unwrap_or_else(|| Value::Text(text.to_owned()))
}

/// The value of a JSON text; `None` if it is not JSON, or is ambiguous, as with a name that occurs twice.
fn parsed(text: &str, limits: DocumentLimits) -> Option<Value> {
    let checked = check(text.as_bytes(), limits).ok()?;
    let raw: &RawValue = serde_json::from_str(checked.text()).ok()?;
    Value::deserialize(TypedJson(raw)).ok()
}

/// The fault of a tool that has failed. Another croupier sends its kind and its code, too.
fn tool_fault(content: &[Value], structured: Option<Value>, meta: &Value) -> Fault {
    let texts: Vec<&str> = content.iter().filter_map(item_text).collect();
    let mut message = texts.join("\n");
    let code = match member(meta, "croupier/code") {
        Some(Value::Int(code)) => i32::try_from(*code).ok(),
        _ => None,
    };
    let kind = match member(meta, "croupier/kind") {
        Some(Value::Text(word)) => Kind::from_word(word, code.unwrap_or(Kind::Service(None).jsonrpc_code())),
        _ => None,
    };
    if let Some(text) = code.and_then(|code| message.strip_suffix(&format!("\ncode: {code}"))) {
        message.truncate(text.len());
    }
    if message.is_empty() {
        "the tool failed, and does not say why".clone_into(&mut message);
    }
    let fault = Fault::new(kind.unwrap_or(Kind::Service(code)), message);
    match structured.filter(|data| *data != Value::Nil).and_then(|data| to_raw_value(&data).ok()) {
        Some(data) => fault.with_data(data),
        None => fault,
    }
}

fn malformed(reason: &'static str) -> ResponseError {
    ResponseError::Malformed(Fault::new(Kind::Structure, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        parsed(json, DocumentLimits::default()).unwrap()
    }

    fn read_as(json: &str, form: ResultForm) -> Result<Option<Value>, ResponseError> {
        read(value(json), form, None, DocumentLimits::default())
    }

    fn text(text: &str) -> Option<Value> {
        Some(Value::Text(text.to_owned()))
    }

    #[test]
    fn a_wrapper_is_taken_off_if_the_schema_or_the_content_says_so() {
        let result =
            |content: &str, structured: &str| format!(r#"{{"content":[{content}],"structuredContent":{structured}}}"#);
        let said = |text: &str| format!(r#"{{"type":"text","text":{}}}"#, serde_json::to_string(text).unwrap());
        let seven = value(r#"{"result":7}"#);
        for (content, structured, form, expected) in [
            (said("7"), r#"{"result":7}"#, ResultForm::Wrapped, Value::Int(7)),
            (said("7"), r#"{"result":7}"#, ResultForm::Plain, seven.clone()),
            (said("7"), r#"{"result":7}"#, ResultForm::Undescribed, Value::Int(7)),
            (said(r#"{"result": 7}"#), r#"{"result":7}"#, ResultForm::Undescribed, seven.clone()),
            (said("seven"), r#"{"result":7}"#, ResultForm::Undescribed, seven),
            (said("x"), r#"{"result":"x"}"#, ResultForm::Undescribed, Value::Text("x".to_owned())),
            (said("x"), r#"{"result":"x","more":1}"#, ResultForm::Wrapped, value(r#"{"result":"x","more":1}"#)),
            (said("[ 1, 2 ]"), r#"{"result":[1,2]}"#, ResultForm::Undescribed, value("[1,2]")),
            ([said("1"), said("2")].join(","), r#"{"result":[1,2]}"#, ResultForm::Undescribed, value("[1,2]")),
            (said("null"), "null", ResultForm::Undescribed, Value::Nil),
            (said("[1]"), "[1]", ResultForm::Undescribed, value("[1]")),
            (
                r#"{"type":"image","data":"AQ==","mimeType":"image/png"}"#.to_owned(),
                r#"{"result":"AQ=="}"#,
                ResultForm::Undescribed,
                Value::Text("AQ==".to_owned()),
            ),
        ] {
            let read = read_as(&result(&content, structured), form).unwrap();
            assert_eq!(read, Some(expected), "{content} {structured} {form:?}");
        }
    }

    #[test]
    fn content_is_the_result_if_there_is_no_structured_one() {
        for (content, expected) in [
            ("", None),
            (r#"{"type":"text","text":"42"}"#, text("42")),
            (r#"{"type":"text","text":" {\"a\": 1.50}"}"#, Some(value(r#"{"a":1.50}"#))),
            (r#"{"type":"text","text":"{\"a\": 1, \"a\": 2}"}"#, text(r#"{"a": 1, "a": 2}"#)),
            (r#"{"type":"text","text":"[not JSON]"}"#, text("[not JSON]")),
            (r#"{"type":"image","data":"AQI=","mimeType":"image/png"}"#, Some(Value::Binary(vec![1, 2]))),
            (r#"{"type":"resource","resource":{"uri":"a:b","blob":"AQI="}}"#, Some(Value::Binary(vec![1, 2]))),
            (r#"{"type":"resource","resource":{"uri":"a:b","text":"c"}}"#, text("c")),
            (
                r#"{"type":"resource_link","uri":"a:b","name":"b"}"#,
                Some(value(r#"{"type":"resource_link","uri":"a:b","name":"b"}"#)),
            ),
            (
                r#"{"type":"text","text":"a"},{"type":"audio","data":"AQ==","mimeType":"audio/wav"}"#,
                Some(Value::Array(vec![Value::Text("a".to_owned()), Value::Binary(vec![1])])),
            ),
        ] {
            let read = read_as(&format!(r#"{{"content":[{content}]}}"#), ResultForm::Undescribed).unwrap();
            assert_eq!(read, expected, "{content}");
        }
    }

    #[test]
    fn a_failed_tool_is_a_fault_with_its_text() {
        let fault_of = |json: &str| match read_as(json, ResultForm::Plain) {
            Err(ResponseError::Fault(fault)) => fault,
            other => panic!("{other:?}"),
        };
        let said = r#""content":[{"type":"text","text":"no luck\ncode: 17"}],"isError":true"#;
        assert_eq!(fault_of(&format!("{{{said}}}")), Fault::new(Kind::Service(None), "no luck\ncode: 17"));
        let meta = r#""_meta":{"croupier/kind":"service","croupier/code":17}"#;
        assert_eq!(fault_of(&format!("{{{said},{meta}}}")), Fault::service(17, "no luck"));
        let busy = r#"{"isError":true,"_meta":{"croupier/kind":"busy"},"structuredContent":{"a":1}}"#;
        let expected = Fault::new(Kind::Busy, "the tool failed, and does not say why");
        assert_eq!(fault_of(busy), expected.with_data(RawValue::from_string(r#"{"a":1}"#.to_owned()).unwrap()));
        let cut = r#"{"content":[],"structuredContent":{"result":[1]},"_meta":{"croupier/truncated":true}}"#;
        assert_eq!(fault_of(cut).kind, Kind::Limit);
        assert_eq!(fault_of(r#"{"resultType":"input_required"}"#).kind, Kind::Service(None));
    }

    #[test]
    fn what_is_no_result_is_malformed() {
        for json in [
            "7",
            "[]",
            r#"{"content":7}"#,
            r#"{"content":[7]}"#,
            r#"{"content":[{"type":"text"}]}"#,
            r#"{"content":[{"type":"image","data":"?"}]}"#,
            r#"{"content":[{"type":"resource","resource":{}}]}"#,
        ] {
            assert!(matches!(read_as(json, ResultForm::Undescribed), Err(ResponseError::Malformed(_))), "{json}");
        }
    }
}
