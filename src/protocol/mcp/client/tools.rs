//! Reads the list of tools of a server into an interface.
//!
//! The annotations of a tool, such as `readOnlyHint`, are ignored: the server may not be trusted (specification, "Tool"). The
//! configuration lists the methods that are safe.

use std::collections::{BTreeSet, HashMap, HashSet};

use http::HeaderName;
use schemars::Schema;
use serde_json::{Map, Value as Json};

use super::handshake::ServerDescription;
use super::message::Era;
use super::{McpParam, McpTool, McpTools, ResultForm};
use crate::codec::DocumentLimits;
use crate::codec::json::{check, not_well_formed};
use crate::model::fault::{Fault, Kind};
use crate::model::interface::{Interface, Method, Param};
use crate::protocol::discovered::{LeftOutOperation, UniqueNames, is_valid_method_name, schema};
use crate::protocol::discovered_schemas::{SchemaReader, resolve_reference};

/// How many tools a server may have.
pub(crate) const MAX_TOOLS: usize = 10_000;
/// The largest number of references in a chain that leads to the schema of a tool.
const MAX_REFERENCES: usize = 8;
/// How many parameters a tool may have. Further ones are left out.
const MAX_PARAMS: usize = 1000;
/// How deep the parts of a schema (`allOf`, `anyOf`, `oneOf`) may be nested. Deeper ones are left out.
const MAX_DEPTH: usize = 8;
/// How many parts each of these keywords may have. Further ones are left out.
const MAX_PARTS: usize = 8;
/// The largest number of JSON values in all schemas together.
const MAX_VALUES: usize = 500_000;
/// The longest name of a tool, in bytes: each call repeats it.
const MAX_NAME: usize = 1024;
/// The keyword in the schema of a parameter that names the header which repeats the argument.
const HEADER_KEYWORD: &str = "x-mcp-header";
/// The beginning of the names of such headers.
const HEADER_PREFIX: &str = "mcp-param-";
/// The beginnings of the names of methods that other protocols define.
const RESERVED: [&str; 2] = ["rpc.", "system."];

/// The tools of a server, as an interface and as what its codec needs.
#[derive(Debug)]
pub(crate) struct McpDescription {
    pub(crate) interface: Interface,
    pub(crate) tools: McpTools,
    /// The tools that cannot be called.
    pub(crate) left_out: Vec<LeftOutOperation>,
}

/// Reads the tools of a server.
///
/// # Errors
/// `Limit` if their schemas become too large with their references.
pub(crate) fn read(listed: &[Json], server: ServerDescription, era: Era) -> Result<McpDescription, Fault> {
    let (mut usable, mut names, mut left_out) = (Vec::new(), BTreeSet::new(), Vec::new());
    for tool in listed {
        let name = text(tool, "name");
        match why_unusable(tool, name, &names) {
            Some(reason) => left_out.push(LeftOutOperation { name: name.to_owned(), reason: reason.to_owned() }),
            None => {
                usable.push((name, tool));
                names.insert(name);
            }
        }
    }
    let method_names = method_names(names.iter().copied());
    let mut schemas = SchemaReader::new(MAX_VALUES, "the tools");
    let (mut methods, mut by_method) = (Vec::with_capacity(usable.len()), HashMap::new());
    for (name, tool) in usable {
        let Some(method_name) = method_names.get(name) else { continue };
        let (params, tool_params) = params(tool, &mut schemas)?;
        let (result, form) = result(tool, &mut schemas)?;
        methods.push(Method { name: method_name.clone(), doc: doc(tool), params, result, safe: false });
        by_method.insert(method_name.clone(), McpTool { name: name.to_owned(), params: tool_params, form });
    }
    let ServerDescription { title, doc } = server;
    let interface = Interface { title, doc, methods, defs: schemas.into_definitions()?, ..Interface::default() };
    Ok(McpDescription { interface, tools: McpTools { era, by_method }, left_out })
}

/// Why a tool cannot be called; `None` if it can be. `names` has the tools before it that can be called.
fn why_unusable(tool: &Json, name: &str, names: &BTreeSet<&str>) -> Option<&'static str> {
    if name.is_empty() {
        Some("it has no name")
    } else if name.len() > MAX_NAME {
        Some("its name is too long")
    } else if names.contains(name) {
        Some("another tool has this name")
    } else if !tool.get("inputSchema").is_some_and(Json::is_object) {
        Some("it has no `inputSchema` that is an object")
    } else {
        None
    }
}

/// Reads the result of `tools/list` from a file. A result with `resultType` comes from a server without a handshake.
///
/// # Errors
/// Those of [`read`]; `NotWellFormed` if the text is not JSON; `Structure` if it has no array of tools.
pub(crate) fn read_text(text: &[u8]) -> Result<McpDescription, Fault> {
    let checked = check(text, DocumentLimits { elements: MAX_VALUES, depth: 100 })?;
    let list: Json = serde_json::from_str(checked.text()).map_err(not_well_formed)?;
    let tools = list.get("tools").and_then(Json::as_array);
    let tools = tools.ok_or_else(|| Fault::new(Kind::Structure, "the list of tools has no array `tools`"))?;
    let era = if list.get("resultType").is_some() { Era::Stateless } else { Era::Handshake };
    read(tools, ServerDescription::default(), era)
}

fn text<'j>(of: &'j Json, name: &str) -> &'j str {
    of.get(name).and_then(Json::as_str).unwrap_or_default()
}

/// The documentation of a tool: its description, or else its title.
fn doc(tool: &Json) -> String {
    let of_annotations = tool.get("annotations").map_or("", |annotations| text(annotations, "title"));
    let texts = [text(tool, "description"), text(tool, "title"), of_annotations];
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default().to_owned()
}

/// The names of the methods, by those of their tools: the name of the tool, with `_` in place of characters that no method name has, and
/// with a number if another method has that name. `tools` are sorted, so names do not depend on the order in which a server lists them.
fn method_names<'t>(tools: impl Iterator<Item = &'t str> + Clone) -> HashMap<&'t str, String> {
    let is_valid = |name: &str| is_valid_method_name(name) && !is_reserved(name) && !has_odd_segment(name);
    let mut taken: HashSet<String> = tools.clone().filter(|name| is_valid(name)).map(str::to_owned).collect();
    let (mut names, mut unique) = (HashMap::new(), UniqueNames::default());
    for tool in tools {
        if is_valid(tool) {
            names.insert(tool, tool.to_owned());
            continue;
        }
        let name = unique.unique(&method_name_from(tool), |name| taken.contains(name));
        taken.insert(name.clone());
        names.insert(tool, name);
    }
    names
}

fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether the name cannot be part of a path: REST calls a method by a path that ends with its name.
fn has_odd_segment(name: &str) -> bool {
    name.split('/').any(|segment| matches!(segment, "" | "." | ".."))
}

fn method_name_from(tool: &str) -> String {
    let keeps_more = !is_reserved(tool) && !has_odd_segment(tool);
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || keeps_more && ".:/".contains(c);
    let name: String = tool.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    // Methods whose names begin with `_` are private.
    let name = name.trim_start_matches('_');
    let name = if has_odd_segment(name) { name.replace('/', "_") } else { name.to_owned() };
    let name = name.trim_start_matches('_');
    if name.is_empty() { "tool".to_owned() } else { name.to_owned() }
}

/// Follows the references from a schema of a document to their end.
fn follow_references<'j>(document: &'j Json, schema: &'j Json) -> &'j Json {
    let mut root = schema;
    for _ in 0..MAX_REFERENCES {
        let target = root.get("$ref").and_then(Json::as_str);
        match target.and_then(|target| resolve_reference(document, target)) {
            Some(next) => root = next,
            None => break,
        }
    }
    root
}

fn properties(schema: &Json) -> Option<&Map<String, Json>> {
    schema.get("properties").and_then(Json::as_object)
}

fn requires(schema: &Json, name: &str) -> bool {
    schema.get("required").and_then(Json::as_array).is_some_and(|required| required.iter().any(|own| own == name))
}

/// Adds the members of the objects that a schema describes, each with its schema and whether it is required: its own, and those of its
/// parts. The members of alternatives (`anyOf`, `oneOf`) are optional.
fn gather_members<'j>(
    document: &'j Json,
    schema: &'j Json,
    is_required: bool,
    depth: usize,
    to: &mut Vec<(&'j String, &'j Json, bool)>,
) {
    let schema = follow_references(document, schema);
    for (name, property) in properties(schema).into_iter().flatten() {
        let required = is_required && requires(schema, name);
        let is_full = to.len() >= MAX_PARAMS;
        match to.iter_mut().find(|(own, ..)| *own == name) {
            Some((.., is_required)) => *is_required |= required,
            None if is_full => {}
            None => to.push((name, property, required)),
        }
    }
    if depth == MAX_DEPTH {
        return;
    }
    for (keyword, is_required) in [("allOf", is_required), ("anyOf", false), ("oneOf", false)] {
        for part in schema.get(keyword).and_then(Json::as_array).into_iter().flatten().take(MAX_PARTS) {
            gather_members(document, part, is_required, depth + 1, to);
        }
    }
}

/// The parameters of the method of a tool, and those of the tool.
fn params<'j>(tool: &'j Json, schemas: &mut SchemaReader<'j>) -> Result<(Vec<Param>, Vec<McpParam>), Fault> {
    let Some(document) = tool.get("inputSchema") else { return Ok(Default::default()) };
    let (mut params, mut tool_params) = (Vec::new(), Vec::new());
    let mut members = Vec::new();
    gather_members(document, document, true, 0, &mut members);
    for (name, property, required) in members {
        let mut converted = schemas.read(property, document)?;
        if let Json::Object(members) = &mut converted {
            members.shift_remove(HEADER_KEYWORD);
        }
        params.push(Param {
            name: name.clone(),
            doc: text(property, "description").to_owned(),
            schema: schema(converted),
            required,
        });
        let header = property.get(HEADER_KEYWORD).and_then(Json::as_str).filter(|name| !name.is_empty());
        let header = header.and_then(|header| format!("{HEADER_PREFIX}{header}").parse::<HeaderName>().ok());
        tool_params.push(McpParam { name: name.clone(), header });
    }
    Ok((params, tool_params))
}

/// The type of the result of a tool, and whether its structured result is an object that wraps it.
fn result<'j>(tool: &'j Json, schemas: &mut SchemaReader<'j>) -> Result<(Schema, ResultForm), Fault> {
    let Some(document) = tool.get("outputSchema").filter(|schema| schema.is_object()) else {
        return Ok((Schema::default(), ResultForm::Undescribed));
    };
    let root = follow_references(document, document);
    let wrapped = properties(root).filter(|properties| properties.len() == 1).and_then(|properties| {
        let inner = properties.get("result")?;
        requires(root, "result").then_some(inner)
    });
    let form = if wrapped.is_some() { ResultForm::Wrapped } else { ResultForm::Plain };
    Ok((schema(schemas.read(wrapped.unwrap_or(document), document)?), form))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_list(tools: &Json) -> McpDescription {
        read(tools.as_array().unwrap(), ServerDescription::default(), Era::Handshake).unwrap()
    }

    #[test]
    fn a_tool_is_a_method() {
        let input = json!({
            "type": "object",
            "properties": {
                "city": { "type": "string", "description": "Where.", "x-mcp-header": "Region" },
                "days": { "$ref": "#/$defs/Days" },
            },
            "required": ["city"],
            "$defs": { "Days": { "type": "integer", "maximum": 7 } },
        });
        let tools = json!([
            {
                "name": "get-weather", "title": "Weather", "description": "Tells the weather.", "inputSchema": input,
                "outputSchema": { "type": "object", "properties": { "result": { "type": "number" } }, "required": ["result"] },
                "annotations": { "readOnlyHint": true, "idempotentHint": true },
            },
            { "name": "now", "title": "Now", "inputSchema": { "type": "object" } },
        ]);
        let McpDescription { interface, tools, left_out } = read_list(&tools);
        assert!(left_out.is_empty());
        let [weather, now] = interface.methods.as_slice() else { panic!("{interface:?}") };
        assert_eq!(
            (weather.name.as_str(), weather.doc.as_str(), weather.safe),
            ("get_weather", "Tells the weather.", false)
        );
        assert_eq!(weather.result.as_value(), &json!({ "type": "number" }));
        let params: Vec<_> = weather.params.iter().map(|param| (param.name.as_str(), param.required)).collect();
        assert_eq!(params, [("city", true), ("days", false)]);
        assert_eq!(weather.params[0].schema.as_value(), &json!({ "type": "string", "description": "Where." }));
        assert_eq!(interface.defs["Days"], json!({ "type": "integer", "maximum": 7 }));
        assert_eq!((now.name.as_str(), now.doc.as_str(), now.params.len()), ("now", "Now", 0));
        let tool = &tools.by_method["get_weather"];
        assert_eq!((tool.name.as_str(), tool.form), ("get-weather", ResultForm::Wrapped));
        assert_eq!(tool.params[0].header, Some(HeaderName::from_static("mcp-param-region")));
        assert_eq!(tools.by_method["now"].form, ResultForm::Undescribed);
    }

    #[test]
    fn each_tool_has_definitions_of_its_own() {
        let tool = |name: &str, kind: &str| {
            let defs = json!({ "A": { "type": kind } });
            let input = json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/A" } }, "$defs": defs });
            let output =
                json!({ "$ref": "#/$defs/Out", "$defs": { "Out": { "type": "object", "properties": { "b": {} } } } });
            json!({ "name": name, "inputSchema": input, "outputSchema": output })
        };
        let description = read_list(&json!([tool("one", "string"), tool("two", "number")]));
        let interface = description.interface;
        let kind = |method: &Method| interface.resolve(method.params[0].schema.as_value())["type"].clone();
        let kinds: Vec<_> = interface.methods.iter().map(kind).collect();
        assert_eq!(kinds, ["string", "number"]);
        assert_eq!(interface.resolve(interface.methods[1].result.as_value())["type"], "object");
        assert_eq!(description.tools.by_method["one"].form, ResultForm::Plain);
    }

    #[test]
    fn names_become_those_of_methods() {
        let tools = ["a b", "a-b", "a_b", "_private", "system.list", "größe", "x//y", "-", "a.b/c:d"];
        let mut sorted = tools.to_vec();
        sorted.sort_unstable();
        let names = method_names(sorted.iter().copied());
        let found: Vec<&str> = tools.iter().map(|tool| names[tool].as_str()).collect();
        assert_eq!(found, ["a_b_2", "a_b_3", "a_b", "private", "system_list", "gr__e", "x__y", "tool", "a.b/c:d"]);
        assert!(found.iter().all(|name| is_valid_method_name(name)));
    }

    #[test]
    fn what_is_no_tool_is_left_out() {
        let tools = json!([
            7, {}, { "name": "a" }, { "name": "b", "inputSchema": true }, { "name": "c", "inputSchema": {} },
            { "name": "c", "inputSchema": {} }, { "name": "x".repeat(2000), "inputSchema": {} },
        ]);
        let McpDescription { interface, left_out, .. } = read_list(&tools);
        assert_eq!(interface.methods.len(), 1);
        assert_eq!(left_out.len(), 6, "{left_out:?}");
    }

    #[test]
    fn a_list_in_a_file_tells_whether_there_is_a_handshake() {
        let tools = r#""tools":[{"name":"a","inputSchema":{}}]"#;
        for (text, era) in [
            (format!("{{{tools}}}"), Era::Handshake),
            (format!(r#"{{{tools},"resultType":"complete"}}"#), Era::Stateless),
        ] {
            let description = read_text(text.as_bytes()).unwrap();
            assert_eq!((description.tools.era, description.interface.methods.len()), (era, 1));
        }
        assert_eq!(read_text(b"{}").unwrap_err().kind, Kind::Structure);
        assert_eq!(read_text(b"tools").unwrap_err().kind, Kind::NotWellFormed);
    }

    #[test]
    fn a_place_is_one_definition_however_it_is_spelled_and_long_texts_count() {
        let schema = |text: String| {
            let members = json!({
                "a": { "$ref": "#/$defs/A" }, "b": { "$ref": "#/%24defs/A" }, "c": { "$ref": "#/$defs/%41" },
            });
            json!({ "type": "object", "properties": members, "$defs": { "A": { "const": text } } })
        };
        let short = read_list(&json!([{ "name": "a", "inputSchema": schema("x".to_owned()) }]));
        assert_eq!(short.interface.defs.len(), 1);
        let long = [json!({ "name": "a", "inputSchema": schema("x".repeat(64 * MAX_VALUES)) })];
        assert_eq!(read(&long, ServerDescription::default(), Era::Handshake).unwrap_err().kind, Kind::Limit);
    }

    #[test]
    fn the_parts_of_a_schema_have_parameters_too() {
        let part = |name: &str| json!({ "properties": { name: { "type": "string" } }, "required": [name] });
        let input = json!({
            "type": "object", "properties": { "own": {} }, "required": ["own"],
            "allOf": [part("a"), { "$ref": "#/$defs/B" }], "oneOf": [part("c"), part("d")], "$defs": { "B": part("b") },
        });
        let methods = read_list(&json!([{ "name": "a", "inputSchema": input }])).interface.methods;
        let params: Vec<_> = methods[0].params.iter().map(|param| (param.name.as_str(), param.required)).collect();
        assert_eq!(params, [("own", true), ("a", true), ("b", true), ("c", false), ("d", false)]);
    }

    #[test]
    fn schemas_are_limited_and_circles_kept() {
        let circle = json!({ "type": "object", "properties": { "a": { "$ref": "#" } } });
        let tools = json!([{ "name": "a", "inputSchema": circle }, { "name": "b", "inputSchema": { "$ref": "#" } }]);
        assert_eq!(read_list(&tools).interface.methods.len(), 2);
        let long = json!({ "type": "object", "properties": { "a": { "anyOf": vec![json!({}); MAX_VALUES] } } });
        let tools = [json!({ "name": "a", "inputSchema": long })];
        assert_eq!(read(&tools, ServerDescription::default(), Era::Handshake).unwrap_err().kind, Kind::Limit);
    }
}
