//! The responses of an operation: the type of its result, the media types that are asked for, and the declared faults.

use serde_json::{Value as Json, json};

use super::objects::Direction;
use super::schema::{SchemaReader, or_null};
use super::source::{Node, Version};
use crate::codec::media::{essence, is_json, is_json_lines, is_text};
use crate::codec::rest::ResultForm;
use crate::model::text::shorten;

/// The longest description of a fault, in characters.
const MAX_FAULT_DOC: usize = 200;

/// What the responses of an operation are.
#[derive(Debug)]
pub(super) struct ReadResponses {
    /// The schema of the result.
    pub(super) result: Json,
    pub(super) form: ResultForm,
    /// The value of `Accept`.
    pub(super) accept: String,
    /// The declared faults as a sentence; may be empty.
    pub(super) faults: String,
    /// Whether there is one with status 422 and none with 400.
    pub(super) refuses_as_unprocessable: bool,
}

/// One success as the document has it: its media types with their schemas.
struct Success<'d> {
    has_content: bool,
    /// Whether the status excludes a body.
    is_empty: bool,
    types: Vec<(&'d str, Option<Node<'d>>)>,
}

/// Reads the responses. A response behind a reference that leads nowhere counts as one of any type.
pub(super) fn read<'d>(
    schemas: &mut SchemaReader<'d>,
    version: Version,
    operation: Node<'d>,
    verb: &http::Method,
) -> ReadResponses {
    let all: Vec<(&str, Node<'d>)> =
        operation.members("responses").filter(|(status, _)| !status.starts_with("x-")).collect();
    let has = |wanted: &str| all.iter().any(|(status, _)| *status == wanted);
    let is_success = |status: &str| status.starts_with('2');
    let has_outcome = all.iter().any(|(status, _)| status.starts_with(['2', '3']));
    let successes: Vec<Success<'d>> = all
        .iter()
        .filter(|(status, _)| is_success(status) || *status == "default" && !has_outcome)
        .map(|(status, response)| success(schemas, version, operation, status, *response))
        .collect();
    let mut types: Vec<&str> = successes.iter().flat_map(|success| &success.types).map(|(media, _)| *media).collect();
    types.sort_by_key(|media| !is_json_or_any(media));
    let form = match verb {
        &http::Method::HEAD => ResultForm::Nothing,
        _ => form_of(&types, &successes),
    };
    ReadResponses {
        result: result(schemas, &successes, form),
        form,
        accept: accept(&types),
        faults: faults(schemas, &all, has_outcome),
        refuses_as_unprocessable: has("422") && !has("400"),
    }
}

fn success<'d>(
    schemas: &SchemaReader<'d>,
    version: Version,
    operation: Node<'d>,
    status: &str,
    response: Node<'d>,
) -> Success<'d> {
    if matches!(status, "204" | "205") {
        return Success { has_content: false, is_empty: true, types: Vec::new() };
    }
    let Some(response) = schemas.sources.follow(response) else {
        return Success { has_content: true, is_empty: false, types: vec![("application/json", None)] };
    };
    if version != Version::Swagger2 {
        let schema = |content: Node<'d>| content.get("schema").or_else(|| content.get("itemSchema"));
        let types: Vec<_> = response.members("content").map(|(media, content)| (media, schema(content))).collect();
        return Success { has_content: !types.is_empty(), is_empty: false, types };
    }
    let Some(schema) = response.get("schema") else {
        return Success { has_content: false, is_empty: false, types: Vec::new() };
    };
    let root = schemas.sources.main();
    let produces = operation.get("produces").or_else(|| root.get("produces")).map(|list| list.value);
    let produced: Vec<&str> =
        produces.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    let usual = if schema.text("type") == "file" { "application/octet-stream" } else { "application/json" };
    let types = if produced.is_empty() { vec![usual] } else { produced };
    Success {
        has_content: true,
        is_empty: false,
        types: types.into_iter().map(|media| (media, Some(schema))).collect(),
    }
}

fn is_json_or_any(media: &str) -> bool {
    is_json(media) || matches!(essence(media).as_str(), "*/*" | "application/*")
}

/// Whether the status of each success excludes a body.
///
/// A response of status 200 without content means by the specification that there is none, but many documents do not describe what
/// their servers return.
fn have_no_content(successes: &[Success<'_>]) -> bool {
    !successes.is_empty() && successes.iter().all(|success| success.is_empty)
}

/// What a result is by its media types.
fn form_of(types: &[&str], successes: &[Success<'_>]) -> ResultForm {
    let is_file = successes
        .iter()
        .flat_map(|success| &success.types)
        .any(|(_, schema)| schema.is_some_and(|schema| schema.text("type") == "file" || is_binary_text(schema)));
    match types {
        [] if have_no_content(successes) => ResultForm::Nothing,
        [] => ResultForm::Unknown,
        types if types.iter().any(|media| media.contains('*')) => ResultForm::Unknown,
        types if is_file && !types.iter().any(|media| is_text(media)) => ResultForm::Bytes,
        types if types.iter().any(|media| is_json_or_any(media) || is_json_lines(media)) => ResultForm::Json,
        types if types.iter().any(|media| is_text(media)) => ResultForm::Text,
        _ => ResultForm::Bytes,
    }
}

fn is_binary_text(schema: Node<'_>) -> bool {
    schema.text("type") == "string" && schema.text("format") == "binary"
}

/// The schema of the result: that of one success, or of any of several.
fn result<'d>(schemas: &mut SchemaReader<'d>, successes: &[Success<'d>], form: ResultForm) -> Json {
    let mut all: Vec<Json> = Vec::new();
    let mut is_null = false;
    for success in successes {
        if !success.has_content {
            is_null = true;
            continue;
        }
        let schema = match form {
            ResultForm::Nothing => json!({ "type": "null" }),
            ResultForm::Text => json!({ "type": "string" }),
            ResultForm::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            ResultForm::Json | ResultForm::Unknown => of_json(schemas, success),
        };
        if !all.contains(&schema) {
            all.push(schema);
        }
    }
    let one = match (all.pop(), all.is_empty()) {
        (None, _) if form == ResultForm::Nothing => return json!({ "type": "null" }),
        (None, _) => return json!(true),
        (Some(only), true) => only,
        (Some(last), false) => {
            all.push(last);
            json!({ "anyOf": all })
        }
    };
    if is_null && form != ResultForm::Nothing { or_null(one) } else { one }
}

fn of_json<'d>(schemas: &mut SchemaReader<'d>, success: &Success<'d>) -> Json {
    if let Some((_, schema)) = success.types.iter().find(|(media, _)| is_json_or_any(media)) {
        return schema.map_or(json!(true), |schema| schemas.schema(schema, Direction::Response));
    }
    match success.types.iter().find(|(media, _)| is_json_lines(media)) {
        Some((_, schema)) => {
            let item = schema.map_or(json!(true), |schema| schemas.schema(schema, Direction::Response));
            json!({ "type": "array", "items": item })
        }
        None => json!(true),
    }
}

/// The value of `Accept`: the media types of the document, and any other if need be. Streams of events are asked for only if there
/// is nothing else.
fn accept(types: &[&str]) -> String {
    let is_sound =
        |media: &&&str| media.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && media.contains('/');
    let mut named: Vec<&str> = Vec::new();
    for media in types.iter().filter(is_sound).filter(|media| !media.contains('*')) {
        let is_stream = media.starts_with("text/event-stream") && types.len() > 1;
        if !is_stream && !named.contains(media) && named.len() < 8 {
            named.push(media);
        }
    }
    if named.is_empty() {
        named.push("application/json");
    }
    named.push("*/*;q=0.1");
    named.join(", ")
}

fn faults<'d>(schemas: &SchemaReader<'d>, all: &[(&str, Node<'d>)], has_outcome: bool) -> String {
    let is_fault = |status: &str| status.starts_with(['4', '5']) || status == "default" && has_outcome;
    let declared = all.iter().filter(|(status, _)| is_fault(status)).filter_map(|(status, response)| {
        let doc = schemas.sources.follow(*response)?.text("description").trim();
        let line = doc.lines().next().unwrap_or_default().trim().trim_end_matches('.');
        let status = if *status == "default" { "others" } else { status };
        Some(match line {
            "" => status.to_owned(),
            line => format!("{status} ({})", shorten(line, MAX_FAULT_DOC)),
        })
    });
    let declared: Vec<String> = declared.collect();
    if declared.is_empty() { String::new() } else { format!("Faults: {}.", declared.join(", ")) }
}
