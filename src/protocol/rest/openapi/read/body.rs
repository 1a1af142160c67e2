//! The bodies of requests: their media type, and the parameters that are in them.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use super::objects;
use super::objects::Direction;
use super::params::{PlacedParam, collection_style, named_style, rename};
use super::schema::SchemaReader;
use super::source::{Node, Sources, Version};
use crate::codec::media::{essence, is_json};
use crate::codec::rest::{BodyContent, BodyForm, MemberForm, ParamPlace, ParamTarget};
use crate::model::interface::Param;
use crate::protocol::discovered;

/// The name of the parameter that is a whole body.
const WHOLE: &str = "body";

/// The type of HTML forms.
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

/// A body, and the parameters in it.
#[derive(Debug)]
pub(super) struct ReadBody {
    pub(super) form: BodyForm,
    pub(super) params: Vec<PlacedParam>,
}

/// A body as the document has it.
struct DeclaredBody<'d> {
    media: &'d str,
    schema: Option<Node<'d>>,
    /// How the members of a form are written, by their names.
    encoding: Option<Node<'d>>,
    required: bool,
    doc: &'d str,
}

/// The body of an operation; `None` if it has none.
///
/// # Errors
/// If none of its media types can be written.
pub(super) fn read<'d>(
    schemas: &mut SchemaReader<'d>,
    version: Version,
    operation: Node<'d>,
    params: &[Node<'d>],
    is_by_name: bool,
) -> Result<Option<ReadBody>, String> {
    let sources = schemas.sources;
    if version == Version::Swagger2 {
        return swagger(schemas, operation, params);
    }
    let Some(body) = operation.get("requestBody") else { return Ok(None) };
    let body = sources.followed(body).map_err(|reason| format!("the body: {reason}"))?;
    let mut types: Vec<(&str, Node<'d>)> = body.members("content").collect();
    let Some(media) = choose(types.iter().map(|(media, content)| (*media, has_file(sources, *content)))) else {
        let names: Vec<&str> = types.drain(..).map(|(media, _)| media).take(5).collect();
        return match names.is_empty() {
            true => Ok(None),
            false => Err(format!("a body of the type `{}` cannot be written", names.join("`, `"))),
        };
    };
    let content = types.iter().find(|(name, _)| *name == media).map(|(_, content)| *content);
    let schema = content.and_then(|content| content.get("schema"));
    // The documents of croupier offer the arguments by position too.
    let by_name = schema.and_then(|schema| schema.items("anyOf").next()).filter(|_| is_by_name);
    let declared = DeclaredBody {
        media,
        schema: by_name.or(schema),
        encoding: content.and_then(|content| content.get("encoding")),
        required: body.is_true("required"),
        doc: body.text("description").trim(),
    };
    Ok(Some(convert(schemas, &declared)))
}

/// The media type that is used among several. JSON comes first, and a form of files before a form without.
fn choose<'d>(types: impl Iterator<Item = (&'d str, bool)> + Clone) -> Option<&'d str> {
    let is_patch = |media: &str| matches!(media, "application/json-patch+json" | "application/merge-patch+json");
    let rank = |(media, has_file): (&str, bool)| match essence(media).as_str() {
        "application/json" => Some(0),
        "*/*" | "application/*" => Some(2),
        MULTIPART if has_file => Some(3),
        FORM => Some(4),
        MULTIPART => Some(5),
        media if is_patch(media) => Some(6),
        media if is_json(media) => Some(1),
        media if media.ends_with("xml") || media.starts_with("multipart/") || !media.contains('/') => None,
        media if media.starts_with("text/") => Some(7),
        _ => Some(8),
    };
    types.filter_map(|of| Some((rank(of)?, of.0))).min_by_key(|(rank, _)| *rank).map(|(_, media)| media)
}

/// Whether a form has a member that is bytes.
fn has_file<'d>(sources: &'d Sources<'d>, content: Node<'d>) -> bool {
    let members = content.get("schema").and_then(|schema| objects::merged(sources, schema, Direction::Request));
    members.is_some_and(|members| members.members.iter().any(|(_, member)| is_bytes(sources, *member)))
}

/// The one alternative to nil of a schema that has only these two, or the schema itself. Forms cannot express nil.
fn without_null<'d>(sources: &'d Sources<'d>, schema: Node<'d>) -> Option<Node<'d>> {
    let schema = sources.follow(schema)?;
    let is_null = |one: &Node<'d>| one.text("type") == "null";
    for key in ["anyOf", "oneOf"] {
        let all: Vec<Node<'d>> = schema.items(key).collect();
        let others: Vec<Node<'d>> = all.iter().copied().filter(|one| !is_null(one)).collect();
        if let ([only], true) = (others.as_slice(), others.len() < all.len()) {
            return sources.follow(*only);
        }
    }
    Some(schema)
}

/// Whether a schema is that of bytes, or of a list of bytes, outside of JSON.
fn is_bytes<'d>(sources: &'d Sources<'d>, schema: Node<'d>) -> bool {
    let Some(schema) = without_null(sources, schema) else { return false };
    match schema.get("items") {
        Some(items) => sources.follow(items).is_some_and(is_binary),
        None => is_binary(schema),
    }
}

fn is_binary(schema: Node<'_>) -> bool {
    let has_media = !schema.text("contentMediaType").is_empty() && schema.text("contentEncoding").is_empty();
    schema.text("type") == "file" || schema.text("format") == "binary" || has_media
}

fn convert<'d>(schemas: &mut SchemaReader<'d>, declared: &DeclaredBody<'d>) -> ReadBody {
    let bare = essence(declared.media);
    let content = match bare.as_str() {
        FORM => BodyContent::Form,
        MULTIPART => BodyContent::Multipart,
        "*/*" | "application/*" => BodyContent::Json,
        media if is_json(media) => BodyContent::Json,
        media if media.starts_with("text/") => BodyContent::Text,
        _ => BodyContent::Bytes,
    };
    let media = match bare.as_str() {
        "*/*" | "application/*" => "application/json".to_owned(),
        _ if content == BodyContent::Multipart => bare,
        _ => declared.media.trim().to_owned(),
    };
    let form = BodyForm { media, content, required: declared.required };
    let has_members = matches!(content, BodyContent::Json | BodyContent::Form | BodyContent::Multipart);
    let is_null = declared.schema.is_some_and(|schema| schema.is_true("nullable"));
    let members = declared.schema.filter(|_| has_members && !is_null);
    let members = members.and_then(|schema| objects::merged(schemas.sources, schema, Direction::Request));
    let Some(members) = members.filter(|members| !members.is_open) else {
        return ReadBody { form, params: vec![whole(schemas, declared, content)] };
    };
    let mut params = Vec::with_capacity(members.members.len());
    for (name, member) in &members.members {
        let is_required = declared.required && members.required.contains(name);
        params.push(self::member(schemas, declared, content, (name, *member), is_required));
    }
    ReadBody { form, params }
}

/// The parameter that is a member of a body.
fn member<'d>(
    schemas: &mut SchemaReader<'d>,
    declared: &DeclaredBody<'d>,
    content: BodyContent,
    (name, schema): (&'d str, Node<'d>),
    required: bool,
) -> PlacedParam {
    let encoding = declared.encoding.and_then(|encoding| encoding.get(name));
    let is_file = content == BodyContent::Multipart && is_bytes(schemas.sources, schema);
    let form = match (content, encoding) {
        (BodyContent::Json, _) => MemberForm::Plain,
        (_, Some(encoding)) if ["style", "explode", "allowReserved"].iter().any(|key| encoding.get(key).is_some()) => {
            MemberForm::Styled(named_style(encoding, "query"))
        }
        (BodyContent::Multipart, encoding) => {
            let media = encoding.map(|encoding| encoding.text("contentType")).and_then(concrete);
            match media {
                Some(media) => MemberForm::Part { media: media.to_owned(), is_file },
                None if is_file => MemberForm::Part { media: "application/octet-stream".to_owned(), is_file },
                None => MemberForm::Plain,
            }
        }
        _ => MemberForm::Plain,
    };
    let converted = match is_file {
        true => bytes(schemas.sources, schema),
        false => schemas.schema(schema, Direction::Request),
    };
    let default = converted.get("default").filter(|_| required).cloned();
    let doc = converted.get("description").and_then(Json::as_str).unwrap_or_default().trim().to_owned();
    let param = Param {
        name: name.to_owned(),
        doc,
        schema: discovered::schema(converted),
        required: required && default.is_none(),
    };
    let target = ParamTarget { name: name.to_owned(), place: ParamPlace::Member(form), default };
    PlacedParam { param, target, location: WHOLE }
}

/// The first of several media types that is not a range.
fn concrete(list: &str) -> Option<&str> {
    list.split(',').map(str::trim).find(|media| media.contains('/') && !media.contains('*'))
}

/// The schema of bytes, or of a list of bytes.
fn bytes<'d>(sources: &'d Sources<'d>, schema: Node<'d>) -> Json {
    let doc = schema.text("description");
    let followed = without_null(sources, schema).unwrap_or(schema);
    let mut converted = match followed.get("items") {
        Some(_) => json!({ "type": "array", "items": { "type": "string", "contentEncoding": "base64" } }),
        None => json!({ "type": "string", "contentEncoding": "base64" }),
    };
    if let (false, Json::Object(members)) = (doc.is_empty(), &mut converted) {
        members.insert("description".into(), doc.into());
    }
    converted
}

/// The parameter that is a whole body.
fn whole<'d>(schemas: &mut SchemaReader<'d>, declared: &DeclaredBody<'d>, content: BodyContent) -> PlacedParam {
    let schema = match (content, declared.schema) {
        (BodyContent::Bytes, _) => json!({ "type": "string", "contentEncoding": "base64" }),
        (BodyContent::Text, _) => json!({ "type": "string" }),
        (_, Some(schema)) => schemas.schema(schema, Direction::Request),
        (_, None) => json!(true),
    };
    let param = Param {
        name: WHOLE.to_owned(),
        doc: declared.doc.to_owned(),
        schema: discovered::schema(schema),
        required: declared.required,
    };
    let target = ParamTarget { name: WHOLE.to_owned(), place: ParamPlace::Body, default: None };
    PlacedParam { param, target, location: WHOLE }
}

/// The body of an operation of Swagger 2.0, which is one parameter, or some that are members of a form.
fn swagger<'d>(
    schemas: &mut SchemaReader<'d>,
    operation: Node<'d>,
    params: &[Node<'d>],
) -> Result<Option<ReadBody>, String> {
    let root = schemas.sources.main();
    let consumes = operation.get("consumes").or_else(|| root.get("consumes"));
    let types: Vec<&str> = consumes
        .map(|list| list.value)
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    if let Some(body) = params.iter().find(|param| param.text("in") == "body") {
        let types = if types.is_empty() { vec!["application/json"] } else { types };
        let is_form = |media: &&str| ![FORM, MULTIPART].contains(media);
        let Some(media) = choose(types.iter().copied().filter(is_form).map(|media| (media, false))) else {
            return Err(format!("a body of the type `{}` cannot be written", types.join("`, `")));
        };
        let declared = DeclaredBody {
            media,
            schema: body.get("schema"),
            encoding: None,
            required: body.is_true("required"),
            doc: body.text("description").trim(),
        };
        return Ok(Some(convert(schemas, &declared)));
    }
    let fields: Vec<Node<'d>> = params.iter().copied().filter(|param| param.text("in") == "formData").collect();
    if fields.is_empty() {
        return Ok(None);
    }
    let has_file = fields.iter().any(|field| field.text("type") == "file");
    let is_multipart = has_file || types.contains(&MULTIPART) && !types.contains(&FORM);
    let (media, content) = match is_multipart {
        true => (MULTIPART, BodyContent::Multipart),
        false => (FORM, BodyContent::Form),
    };
    let required = fields.iter().any(|field| field.is_true("required"));
    let form = BodyForm { media: media.to_owned(), content, required };
    let params = fields.iter().map(|field| form_field(schemas, *field)).collect();
    Ok(Some(ReadBody { form, params }))
}

fn form_field<'d>(schemas: &mut SchemaReader<'d>, field: Node<'d>) -> PlacedParam {
    let mut converted = schemas.schema(field, Direction::Request);
    if let Json::Object(members) = &mut converted {
        members.shift_remove("description");
    }
    let form = match field.text("type") {
        "file" => MemberForm::Part { media: "application/octet-stream".to_owned(), is_file: true },
        "array" => MemberForm::Styled(collection_style(field, "query")),
        _ => MemberForm::Plain,
    };
    let name = field.text("name");
    let default = converted.get("default").filter(|_| field.is_true("required")).cloned();
    let param = Param {
        name: name.to_owned(),
        doc: field.text("description").trim().to_owned(),
        required: field.is_true("required") && default.is_none(),
        schema: discovered::schema(converted),
    };
    PlacedParam {
        param,
        target: ParamTarget { name: name.to_owned(), place: ParamPlace::Member(form), default },
        location: WHOLE,
    }
}

/// Joins the parameters of a body to the others. If members of the body have the names of other parameters, the body is one
/// parameter. A parameter that has the name of that one gets another name.
pub(super) fn join(params: &mut Vec<PlacedParam>, body: ReadBody) -> BodyForm {
    let ReadBody { form, params: mut members } = body;
    let mut taken: HashSet<String> = params.iter().map(|param| param.param.name.clone()).collect();
    let clashes = members.iter().any(|member| taken.contains(&member.param.name));
    let is_whole =
        matches!(members.as_slice(), [PlacedParam { target: ParamTarget { place: ParamPlace::Body, .. }, .. }]);
    if clashes && !is_whole && form.content == BodyContent::Json {
        members = vec![as_one_param(&members, form.required)];
    }
    for member in members {
        for other in params.iter_mut().filter(|other| other.param.name == member.param.name) {
            rename(other, &mut taken);
        }
        taken.insert(member.param.name.clone());
        params.push(member);
    }
    form
}

/// The one parameter for a body with these members.
fn as_one_param(members: &[PlacedParam], required: bool) -> PlacedParam {
    let properties: serde_json::Map<String, Json> =
        members.iter().map(|member| (member.param.name.clone(), member.param.schema.as_value().clone())).collect();
    let names: Vec<&str> =
        members.iter().filter(|member| member.param.required).map(|member| member.param.name.as_str()).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if let (false, Json::Object(keywords)) = (names.is_empty(), &mut schema) {
        keywords.insert("required".into(), json!(names));
    }
    let param = Param { name: WHOLE.to_owned(), doc: String::new(), schema: discovered::schema(schema), required };
    let target = ParamTarget { name: WHOLE.to_owned(), place: ParamPlace::Body, default: None };
    PlacedParam { param, target, location: WHOLE }
}
