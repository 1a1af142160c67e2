//! OpenAPI 3.1 documents. Each method is a path with POST, and with GET if it is safe; each route is an operation.

mod alternatives;
mod component_names;
mod components;
mod described;
pub mod read;
mod routes;
mod schema;
mod tuples;

use serde_json::{Map, Value, json};

use super::form::TextForm;
use crate::http::routes::RouteTable;
use crate::model::interface::{Interface, Method, Param};
use component_names::ComponentNames;
use components::{Components, GeneratorNames, PROBLEM};

/// The errors of a call: status, name and description of the response.
const ERRORS: &[(&str, &str, &str)] = &[
    ("400", "BadRequest", "The parameters do not match the method, or the request is malformed."),
    ("406", "NotAcceptable", "The response is not available in a media type that the client accepts."),
    ("413", "ContentTooLarge", "The request is larger, deeper or more numerous than allowed."),
    ("415", "UnsupportedMediaType", "The body is not JSON by its Content-Type."),
    ("422", "Refused", "The service refused or failed; `code` is the code of the service."),
    ("500", "Internal", "The server failed."),
    ("502", "Unreachable", "The upstream server cannot be reached."),
    ("503", "Busy", "Too many calls are running; try again later."),
    ("504", "Late", "The call took too long."),
];
/// The errors of requests with a body.
const OF_BODIES: &[&str] = &["413", "415"];

/// The member of an operation with the name of the method that it calls.
const METHOD_NAME: &str = "x-method";

/// The JSON pointer to the schema of the result in an operation.
const RESULT_SCHEMA: &str = "/responses/200/content/application~1json/schema";

/// The document of one group and its routes. `url` is the public address of the group, without a slash at its end.
pub fn document(interface: &Interface, routes: &RouteTable, url: &str) -> Value {
    let mut components = Components::new();
    let names = components.add(interface);
    let group = GroupWriter { path: "", tag: None, names: &names };
    let mut paths = Map::new();
    group.describe(routes, &mut paths);
    assemble(info(&interface.title, &interface.doc), url, Vec::new(), paths, components)
}

/// The document of several groups, each with its path and its routes. `url` is the public address of the server, without a
/// slash at its end.
pub fn document_of_all(groups: &[(&str, &Interface, &RouteTable)], url: &str) -> Value {
    let mut components = Components::new();
    let (mut tags, mut paths) = (Vec::new(), Map::new());
    for (path, interface, routes) in groups {
        let names = components.add(interface);
        let group = GroupWriter { path: path.trim_end_matches('/'), tag: Some(path), names: &names };
        let doc = [interface.title.as_str(), interface.doc.as_str()].map(str::trim);
        let doc: Vec<_> = doc.into_iter().filter(|text| !text.is_empty()).collect();
        tags.push(json!({ "name": path, "description": doc.join(". ") }));
        group.describe(routes, &mut paths);
    }
    assemble(info("All groups", "Every method of every group of this server."), url, tags, paths, components)
}

fn info(title: &str, doc: &str) -> Value {
    let mut info = json!({ "title": title, "version": env!("CARGO_PKG_VERSION") });
    describe(&mut info, "description", doc);
    info
}

fn assemble(
    info: Value,
    url: &str,
    tags: Vec<Value>,
    mut paths: Map<String, Value>,
    components: Components<'_>,
) -> Value {
    let mut schemas = components.into_schemas();
    alternatives::in_components(&mut schemas);
    tuples::in_components(&mut schemas);
    let mut ids = GeneratorNames::default();
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        if let Some(result) = operation.pointer_mut(RESULT_SCHEMA) {
            tuples::in_result(result, &mut schemas);
        }
        if let Some(Value::String(id)) = operation.get_mut("operationId") {
            *id = ids.add(std::mem::take(id), "-");
        }
    }
    let mut document = json!({ "openapi": "3.1.0", "info": info, "servers": [{ "url": url }] });
    if !tags.is_empty() {
        set(&mut document, "tags", tags);
    }
    set(&mut document, "paths", paths);
    let responses: Map<_, _> = ERRORS.iter().map(|(_, name, doc)| ((*name).to_owned(), error(doc))).collect();
    set(&mut document, "components", json!({ "schemas": schemas.by_name, "responses": responses }));
    document
}

fn error(doc: &str) -> Value {
    let schema = json!({ "$ref": format!("#/components/schemas/{PROBLEM}") });
    json!({ "description": doc, "content": { "application/problem+json": { "schema": schema } } })
}

/// Writes the operations of a group.
struct GroupWriter<'a> {
    /// The path before the name of a method, without a slash at its end.
    path: &'a str,
    tag: Option<&'a str>,
    names: &'a ComponentNames<'a>,
}

impl GroupWriter<'_> {
    /// Adds the paths of all methods, of all routes, and of the document of a REST upstream.
    fn describe(&self, routes: &RouteTable, paths: &mut Map<String, Value>) {
        let interface = self.names.interface();
        paths.extend(interface.methods.iter().map(|method| self.path_item(method)));
        routes::add(self, routes, paths);
        described::add(self, paths);
    }

    /// The path of a method and its operations.
    fn path_item(&self, method: &Method) -> (String, Value) {
        let path = format!("{}/{}", self.path, self.names.interface().method_path(&method.name));
        let mut item = json!({});
        if method.safe {
            set(&mut item, "get", self.get(method, &path));
        }
        set(&mut item, "post", self.post(method, &path));
        (path, item)
    }

    fn get(&self, method: &Method, path: &str) -> Value {
        let mut operation = self.operation(method, path, "get");
        let parameters: Vec<_> = method.params.iter().map(|param| self.in_query(param)).collect();
        set(&mut operation, "parameters", parameters);
        set(&mut operation, "responses", self.responses(method, false));
        operation
    }

    fn post(&self, method: &Method, path: &str) -> Value {
        let mut operation = self.operation(method, path, "post");
        let by_name = self.by_name(&method.params.iter().collect::<Vec<_>>());
        let schema = json!({ "anyOf": [by_name, self.by_position(&method.params)] });
        let content = json!({ "application/json": { "schema": schema } });
        set(&mut operation, "requestBody", json!({ "required": method.required() > 0, "content": content }));
        set(&mut operation, "responses", self.responses(method, true));
        operation
    }

    fn operation(&self, method: &Method, path: &str, verb: &str) -> Value {
        let mut operation = json!({});
        if let Some(tag) = self.tag {
            set(&mut operation, "tags", json!([tag]));
        }
        set(&mut operation, "operationId", format!("{}-{verb}", path.trim_start_matches('/')));
        if self.tag.is_none() {
            set(&mut operation, METHOD_NAME, method.name.as_str());
        }
        describe(&mut operation, "summary", method.doc.lines().next().unwrap_or_default());
        describe(&mut operation, "description", &method.doc);
        operation
    }

    /// A parameter in the query.
    fn in_query(&self, param: &Param) -> Value {
        let mut parameter = json!({ "name": param.name, "in": "query", "required": param.required });
        describe(&mut parameter, "description", &param.doc);
        let mut schema = self.schema(param);
        match TextForm::of(self.names.interface(), param.schema.as_value()) {
            TextForm::Json => {
                set(&mut parameter, "content", json!({ "application/json": { "schema": schema } }));
                return parameter;
            }
            // A list without items is a parameter that is not given.
            TextForm::Many(_) if param.schema.get("default").is_none_or(|default| default != &json!([])) => {
                schema = not_empty(schema);
            }
            TextForm::Many(_) | TextForm::One { .. } => {}
        }
        set(&mut parameter, "schema", schema);
        parameter
    }

    fn by_name(&self, params: &[&Param]) -> Value {
        let properties: Map<_, _> = params.iter().map(|param| (param.name.clone(), self.schema(param))).collect();
        let required: Vec<_> = params.iter().filter(|param| param.required).map(|param| &param.name).collect();
        let mut schema = json!({ "title": "By name", "type": "object" });
        if !properties.is_empty() {
            set(&mut schema, "properties", properties);
        }
        if !required.is_empty() {
            set(&mut schema, "required", json!(required));
        }
        set(&mut schema, "additionalProperties", false);
        schema
    }

    fn by_position(&self, params: &[Param]) -> Value {
        if let [only] = params
            && only.has_free_arguments()
        {
            let mut schema = self.schema(only);
            set(&mut schema, "title", "By position");
            return schema;
        }
        let items: Vec<_> = params.iter().map(|param| self.schema(param)).collect();
        let least = params.iter().rposition(|param| param.required).map_or(0, |last| last + 1);
        let mut schema = json!({ "title": "By position", "type": "array", "minItems": least, "maxItems": items.len() });
        // Generators of clients refuse an array without either.
        match items.is_empty() {
            true => set(&mut schema, "items", json!({})),
            false => set(&mut schema, "prefixItems", items),
        }
        schema
    }

    fn schema(&self, param: &Param) -> Value {
        schema::convert(param.schema.as_value(), self.names)
    }

    fn responses(&self, method: &Method, body: bool) -> Value {
        let mut responses = json!({ "200": self.result(method) });
        for (status, name, _) in ERRORS {
            if body || !OF_BODIES.contains(status) {
                set(&mut responses, status, json!({ "$ref": format!("#/components/responses/{name}") }));
            }
        }
        responses
    }

    fn result(&self, method: &Method) -> Value {
        let schema = schema::convert(method.result.as_value(), self.names);
        let mut content = json!({ "application/json": { "schema": schema } });
        let result = self.names.interface().resolve(method.result.as_value());
        if result.get("items").is_some() && result.get("prefixItems").is_none() {
            let text = |doc: &str| json!({ "schema": { "type": "string", "description": doc } });
            set(&mut content, "application/x-ndjson", text("One JSON text per line, one line per item."));
            set(&mut content, "text/csv", text("A header line, then one line per item."));
        }
        json!({ "description": "The result.", "content": content })
    }
}

/// The schema of a list with at least one item.
fn not_empty(schema: Value) -> Value {
    let Value::Object(mut keywords) = schema else { return schema };
    if keywords.contains_key("$ref") || keywords.contains_key("anyOf") {
        return json!({ "allOf": [keywords, { "minItems": 1 }] });
    }
    keywords.entry("minItems").or_insert_with(|| json!(1));
    Value::Object(keywords)
}

/// Sets a member of an object.
fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(members) = object.as_object_mut() {
        members.insert(key.to_owned(), value.into());
    }
}

/// Sets a text, unless it is empty.
fn describe(object: &mut Value, key: &str, text: &str) {
    let text = text.trim();
    if !text.is_empty() {
        set(object, key, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(colour: &str) -> Interface {
        let definition = json!({ "type": "string", "enum": [colour] });
        let result = json!({ "$ref": "#/$defs/Colour" });
        Interface {
            title: "A wheel".into(),
            defs: Map::from_iter([("Colour".to_owned(), definition), (PROBLEM.to_owned(), json!({ "type": "null" }))]),
            methods: vec![Method {
                name: "spin".into(),
                doc: String::new(),
                params: Vec::new(),
                result: result.try_into().unwrap(),
                safe: true,
            }],
            ..Interface::default()
        }
    }

    #[test]
    fn names_are_kept_apart_where_they_clash_and_shared_where_not() {
        let (one, same, other) = (group("RED"), group("RED"), group("ROUGE"));
        let none = RouteTable::default();
        let groups = [("/", &one, &none), ("/b", &same, &none), ("/c", &other, &none)];
        let document = document_of_all(&groups, "http://x");
        let result = |path: &str| {
            document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].clone()
        };
        assert_eq!(result("/spin"), "#/components/schemas/Colour");
        assert_eq!(result("/b/spin"), "#/components/schemas/Colour");
        assert_eq!(result("/c/spin"), "#/components/schemas/Colour_2");
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["Colour_2"]["enum"], json!(["ROUGE"]));
        assert_eq!((&schemas["Problem"]["type"], &schemas["Problem_2"]["type"]), (&json!("object"), &json!("null")));
    }
}
