//! OpenAPI 3.1 documents: each method as a path, with GET where it is safe and with POST always, and each route.

mod component_names;
mod components;
mod routes;
mod schema;
mod tuples;

use serde_json::{Map, Value, json};

use super::form::Form;
use crate::http::routes::RouteTable;
use crate::model::interface::{Interface, Method, Param};
use component_names::ComponentNames;
use components::{Components, PROBLEM};

/// The errors that a call may end in, each with the name and the description of its response.
const ERRORS: &[(&str, &str, &str)] = &[
    ("400", "BadRequest", "The parameters are not those that the method takes, or the request is malformed."),
    ("406", "NotAcceptable", "The answer has none of the media types that the client takes."),
    ("413", "ContentTooLarge", "The request is larger, deeper or more numerous than allowed."),
    ("415", "UnsupportedMediaType", "The body is not JSON by its Content-Type."),
    ("422", "Refused", "The service itself refused or failed; `code` is its own."),
    ("500", "Internal", "A defect on the server's side."),
    ("502", "Unreachable", "The server that would have answered cannot be reached."),
    ("503", "Busy", "Too many calls are running; try again later."),
    ("504", "Late", "The answer did not come in time."),
];
/// The errors that only a request with a body can end in.
const OF_BODIES: &[&str] = &["413", "415"];

/// The path of the schema of the result in an operation.
const ANSWER: &str = "/responses/200/content/application~1json/schema";

/// The document of one group and its routes, which clients know under this address, without a slash at its end.
pub fn document(interface: &Interface, routes: &RouteTable, url: &str) -> Value {
    let mut components = Components::new();
    let names = components.add(interface);
    let group = Group { path: "", tag: None, names: &names };
    let mut paths = Map::new();
    group.describe(routes, &mut paths);
    whole(info(&interface.title, &interface.doc), url, Vec::new(), paths, components)
}

/// The document of several groups, given by their paths and with their routes, at a server that clients know under this
/// address, without a slash at its end.
pub fn document_of_all(groups: &[(&str, &Interface, &RouteTable)], url: &str) -> Value {
    let mut components = Components::new();
    let (mut tags, mut paths) = (Vec::new(), Map::new());
    for (path, interface, routes) in groups {
        let names = components.add(interface);
        let group = Group { path: path.trim_end_matches('/'), tag: Some(path), names: &names };
        let doc = [interface.title.as_str(), interface.doc.as_str()].map(str::trim);
        let doc: Vec<_> = doc.into_iter().filter(|text| !text.is_empty()).collect();
        tags.push(json!({ "name": path, "description": doc.join(". ") }));
        group.describe(routes, &mut paths);
    }
    whole(info("All groups", "Every method of every group of this server."), url, tags, paths, components)
}

fn info(title: &str, doc: &str) -> Value {
    let mut info = json!({ "title": title, "version": env!("CARGO_PKG_VERSION") });
    describe(&mut info, "description", doc);
    info
}

fn whole(info: Value, url: &str, tags: Vec<Value>, mut paths: Map<String, Value>, components: Components<'_>) -> Value {
    let mut schemas = components.into_schemas();
    tuples::in_components(&mut schemas);
    let operations = paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    for answer in operations.filter_map(|operation| operation.pointer_mut(ANSWER)) {
        tuples::in_answer(answer, &mut schemas);
    }
    let mut document = json!({ "openapi": "3.1.0", "info": info, "servers": [{ "url": url }] });
    if !tags.is_empty() {
        set(&mut document, "tags", tags);
    }
    set(&mut document, "paths", paths);
    let responses: Map<_, _> = ERRORS.iter().map(|(_, name, doc)| ((*name).to_owned(), error(doc))).collect();
    set(&mut document, "components", json!({ "schemas": schemas, "responses": responses }));
    document
}

fn error(doc: &str) -> Value {
    let schema = json!({ "$ref": format!("#/components/schemas/{PROBLEM}") });
    json!({ "description": doc, "content": { "application/problem+json": { "schema": schema } } })
}

/// A group, as its methods are described.
struct Group<'a> {
    /// What stands before a method's name, without a slash at its end.
    path: &'a str,
    tag: Option<&'a str>,
    names: &'a ComponentNames<'a>,
}

impl Group<'_> {
    /// Adds the paths of all methods and of all routes.
    fn describe(&self, routes: &RouteTable, paths: &mut Map<String, Value>) {
        let interface = self.names.interface();
        paths.extend(interface.methods.iter().map(|method| self.path_item(method)));
        routes::add(self, routes, paths);
    }

    /// A method's path, and what can be done there.
    fn path_item(&self, method: &Method) -> (String, Value) {
        let path = format!("{}/{}", self.path, method.name);
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
        // No method has a hyphen in its name, so the identifier of each operation is unique.
        set(&mut operation, "operationId", format!("{}-{verb}", path.trim_start_matches('/')));
        describe(&mut operation, "summary", method.doc.lines().next().unwrap_or_default());
        describe(&mut operation, "description", &method.doc);
        operation
    }

    /// A parameter in the query.
    fn in_query(&self, param: &Param) -> Value {
        let mut parameter = json!({ "name": param.name, "in": "query", "required": param.required });
        describe(&mut parameter, "description", &param.doc);
        let mut schema = self.schema(param);
        match Form::of(self.names.interface(), param.schema.as_value()) {
            Form::Json => {
                set(&mut parameter, "content", json!({ "application/json": { "schema": schema } }));
                return parameter;
            }
            // A list without items is a parameter that is not given.
            Form::Many(_) if param.schema.get("default").is_none_or(|default| default != &json!([])) => {
                schema = not_empty(schema);
            }
            Form::Many(_) | Form::One { .. } => {}
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
        let items: Vec<_> = params.iter().map(|param| self.schema(param)).collect();
        let least = params.iter().rposition(|param| param.required).map_or(0, |last| last + 1);
        let mut schema = json!({ "title": "By position", "type": "array", "minItems": least, "maxItems": items.len() });
        if !items.is_empty() {
            set(&mut schema, "prefixItems", items);
        }
        schema
    }

    fn schema(&self, param: &Param) -> Value {
        schema::of(param.schema.as_value(), self.names)
    }

    fn responses(&self, method: &Method, body: bool) -> Value {
        let mut responses = json!({ "200": self.answer(method) });
        for (status, name, _) in ERRORS {
            if body || !OF_BODIES.contains(status) {
                set(&mut responses, status, json!({ "$ref": format!("#/components/responses/{name}") }));
            }
        }
        responses
    }

    fn answer(&self, method: &Method) -> Value {
        let schema = schema::of(method.result.as_value(), self.names);
        let mut content = json!({ "application/json": { "schema": schema } });
        let result = self.names.interface().resolve(method.result.as_value());
        if result.get("items").is_some() && result.get("prefixItems").is_none() {
            let text = |doc: &str| json!({ "schema": { "type": "string", "description": doc } });
            set(&mut content, "application/x-ndjson", text("An item on each line, as a JSON text."));
            set(&mut content, "text/csv", text("A header line, and a line for each item."));
        }
        json!({ "description": "The answer.", "content": content })
    }
}

/// The schema of a list that has an item at least.
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

/// Sets a text, unless there is none.
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
