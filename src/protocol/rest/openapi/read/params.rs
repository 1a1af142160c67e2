//! The parameters of an operation: their order, their names, and their places in a request.

use std::collections::{HashMap, HashSet};

use serde_json::{Value as Json, json};

use super::objects::Direction;
use super::schema::SchemaReader;
use super::source::{Node, Sources, Version};
use crate::codec::media::is_json;
use crate::codec::rest::text::{Style, TextStyle};
use crate::codec::rest::{ParamPlace, ParamTarget};
use crate::model::interface::Param;
use crate::protocol::discovered;
use crate::protocol::rest::methods::is_reserved_header;

/// The largest number of parameters of an operation outside of its body.
pub(super) const MAX_PARAMS: usize = 1000;
/// The places of parameters, in the order of the parameters of a method.
const PLACES: [&str; 5] = ["path", "query", "querystring", "header", "cookie"];

/// A parameter of a method, and its place in a request.
#[derive(Debug)]
pub(super) struct PlacedParam {
    pub(super) param: Param,
    pub(super) target: ParamTarget,
    /// The location, such as `query`.
    pub(super) location: &'static str,
}

/// The parameters of an operation as the document has them: those of its path, and its own, which replace them. Those that are
/// the body, or parts of it, are among them.
pub(super) fn declared_params<'d>(
    sources: &'d Sources<'d>,
    item: Node<'d>,
    operation: Node<'d>,
) -> Result<Vec<Node<'d>>, String> {
    let mut all: Vec<Node<'d>> = Vec::new();
    let mut seen: HashSet<(&str, &str)> = HashSet::new();
    for node in operation.items("parameters").chain(item.items("parameters")) {
        let param = sources.followed(node).map_err(|reason| format!("a parameter: {reason}"))?;
        let (name, location) = (param.text("name"), param.text("in"));
        if name.is_empty() || location.is_empty() {
            return Err("a parameter has no `name` or no `in`".to_owned());
        }
        if seen.insert((name, location)) {
            all.push(param);
        }
        if all.len() > MAX_PARAMS {
            return Err(format!("it has more than {MAX_PARAMS} parameters"));
        }
    }
    Ok(all)
}

/// The parameters outside of the body: path, query, header and cookie. `in_path` are the names in the path, in their order.
pub(super) fn placed<'d>(
    schemas: &mut SchemaReader<'d>,
    version: Version,
    params: &[Node<'d>],
    in_path: &[String],
) -> Vec<PlacedParam> {
    let mut all = Vec::new();
    for location in PLACES {
        if location == "path" {
            for name in in_path {
                let declared =
                    params.iter().find(|param| param.text("in") == location && plain(param.text("name")) == *name);
                all.push(match declared {
                    Some(param) => read(schemas, version, *param, location, name),
                    None => undeclared(name),
                });
            }
            continue;
        }
        for param in params.iter().filter(|param| param.text("in") == location) {
            let name = param.text("name");
            if location != "header" || !is_reserved_header(name) {
                all.push(read(schemas, version, *param, location, name));
            }
        }
    }
    distinguish(&mut all);
    all
}

/// The name of a variable without the signs of RFC 6570, which some documents have.
pub(super) fn plain(name: &str) -> &str {
    name.trim_start_matches(['+', '#', '.', '/', ';', '?', '&']).trim_end_matches('*')
}

/// A variable of a path without a description.
fn undeclared(name: &str) -> PlacedParam {
    let schema = discovered::schema(json!({ "type": "string" }));
    PlacedParam {
        param: Param { name: name.to_owned(), doc: String::new(), schema, required: true },
        target: ParamTarget { name: name.to_owned(), place: ParamPlace::Path(TextStyle::SIMPLE), default: None },
        location: "path",
    }
}

fn read<'d>(
    schemas: &mut SchemaReader<'d>,
    version: Version,
    param: Node<'d>,
    location: &'static str,
    name: &str,
) -> PlacedParam {
    let content = param.members("content").next();
    let schema = match (version, content) {
        (Version::Swagger2, _) => Some(param),
        (_, Some((_, content))) => content.get("schema"),
        (_, None) => param.get("schema"),
    };
    let style = match version {
        Version::Swagger2 => collection_style(param, location),
        _ => style(param, location, content.map(|(media, _)| media)),
    };
    let mut converted = schema.map_or(json!(true), |schema| schemas.schema(schema, Direction::Request));
    if let (Version::Swagger2, Json::Object(members)) = (version, &mut converted) {
        members.shift_remove("description");
    }
    let default = schema.and_then(|schema| schema.value.get("default")).map(|default| schemas.copy(default));
    let place = match location {
        "path" => ParamPlace::Path(style),
        "query" => ParamPlace::Query(style),
        "querystring" => ParamPlace::QueryString(style),
        "header" => ParamPlace::Header(style),
        _ => ParamPlace::Cookie(style),
    };
    let is_needed = location == "path" || param.is_true("required");
    let required = is_needed && default.is_none();
    if is_needed && style != TextStyle::JSON {
        exclude_empty(&mut converted);
    }
    let param = Param {
        name: name.to_owned(),
        doc: param.text("description").trim().to_owned(),
        schema: discovered::schema(converted),
        required,
    };
    let default = default.filter(|_| is_needed);
    PlacedParam { param, target: ParamTarget { name: name.to_owned(), place, default }, location }
}

/// Adds to the schema of a list or an object that it is not empty: such a value has no text, so it would count as missing.
fn exclude_empty(schema: &mut Json) {
    let Json::Object(members) = schema else { return };
    let bound = match members.get("type").and_then(Json::as_str) {
        Some("array") => "minItems",
        Some("object") => "minProperties",
        _ => return,
    };
    if members.get(bound).is_none_or(|least| *least == json!(0)) {
        members.insert(bound.to_owned(), json!(1));
    }
}

/// The style of a parameter of OpenAPI 3. A style that its location does not have counts as the default of the location.
fn style(param: Node<'_>, location: &str, media: Option<&str>) -> TextStyle {
    match media {
        Some(media) if is_json(media) => return TextStyle::JSON,
        Some(_) if location == "querystring" => return TextStyle::FORM,
        Some(_) => return TextStyle { explode: false, ..default_style(location) },
        None => {}
    }
    named_style(param, location)
}

/// The style that `style`, `explode` and `allowReserved` name, in a parameter or in the encoding of a member of a form.
pub(super) fn named_style(node: Node<'_>, location: &str) -> TextStyle {
    let default = default_style(location);
    let style = match (node.text("style"), location) {
        ("label", "path") => Style::Label,
        ("matrix", "path") => Style::Matrix,
        ("spaceDelimited", "query") => Style::SpaceDelimited,
        ("pipeDelimited", "query") => Style::PipeDelimited,
        ("deepObject", "query") => Style::DeepObject,
        ("cookie", "cookie") => Style::Cookie,
        _ => default.style,
    };
    let explode = match node.value.get("explode") {
        Some(Json::Bool(explode)) => *explode,
        _ => matches!(style, Style::Form | Style::Cookie),
    };
    TextStyle { style, explode, allow_reserved: location == "query" && node.is_true("allowReserved") }
}

fn default_style(location: &str) -> TextStyle {
    match location {
        "query" | "cookie" => TextStyle::FORM,
        _ => TextStyle::SIMPLE,
    }
}

/// The style of a parameter of Swagger 2.0.
pub(super) fn collection_style(param: Node<'_>, location: &str) -> TextStyle {
    let default = default_style(location);
    let (style, explode) = match param.text("collectionFormat") {
        "ssv" => (Style::SpaceDelimited, false),
        "tsv" => (Style::TabDelimited, false),
        "pipes" => (Style::PipeDelimited, false),
        "multi" if location == "query" => (Style::Form, true),
        _ => (default.style, false),
    };
    TextStyle { style, explode, allow_reserved: false }
}

/// Gives parameters with the same name in several places the names `NAME_PLACE`.
fn distinguish(params: &mut [PlacedParam]) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for param in params.iter() {
        *counts.entry(param.param.name.clone()).or_default() += 1;
    }
    let mut taken: HashSet<String> = counts.keys().cloned().collect();
    for param in params.iter_mut() {
        if counts.get(&param.param.name).is_some_and(|count| *count > 1) {
            rename(param, &mut taken);
        }
    }
}

/// Gives a parameter another name: its own, and its location.
pub(super) fn rename(param: &mut PlacedParam, taken: &mut HashSet<String>) {
    let mut name = format!("{}_{}", param.param.name, param.location);
    while !taken.insert(name.clone()) {
        name.push('_');
    }
    param.param.name = name;
}
