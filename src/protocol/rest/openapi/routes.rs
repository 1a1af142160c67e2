//! Routes as OpenAPI operations at paths with variables.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{GroupWriter, describe, set};
use crate::http::routes::{ParamLocation, RestRoute, RouteBody, RouteTable};
use crate::model::interface::{Method, Param};
use crate::protocol::rest::form::{Scalar, TextForm};

/// Adds the routes of a group to the paths. A route is left out if the interface does not have its method, for example
/// because the upstream is not discovered yet.
pub(super) fn add(group: &GroupWriter<'_>, routes: &RouteTable, paths: &mut Map<String, Value>) {
    // Two paths that differ in the names of their variables alone are one path (OpenAPI 3.1, section 4.8.8).
    let mut shapes: HashMap<String, &RestRoute> = HashMap::new();
    for route in routes.routes() {
        let Some(method) = group.names.interface().method(route.method()) else { continue };
        let named = *shapes.entry(route.template().shape()).or_insert(route);
        let path = format!("{}{}", group.path, named.template().path());
        let verb = route.template().verb().as_str().to_ascii_lowercase();
        let operation = RouteOperation { group, method, route, named }.operation(&path, &verb);
        let item = paths.entry(path).or_insert_with(|| json!({}));
        // The own path of a method precedes all routes.
        if item.get(&verb).is_none() {
            set(item, &verb, operation);
        }
    }
}

/// The operation of a route.
struct RouteOperation<'a> {
    group: &'a GroupWriter<'a>,
    method: &'a Method,
    route: &'a RestRoute,
    /// The first route with this shape of path, which names the variables.
    named: &'a RestRoute,
}

impl RouteOperation<'_> {
    fn operation(&self, path: &str, verb: &str) -> Value {
        let mut operation = self.group.operation(self.method, path, verb);
        self.describe_fixed(&mut operation);
        let parameters = self.parameters();
        if !parameters.is_empty() {
            set(&mut operation, "parameters", parameters);
        }
        let body = self.body();
        // Every POST must be JSON, so each can fail with 415.
        let may_have_type = body.is_some() || verb == "post";
        body.into_iter().for_each(|body| set(&mut operation, "requestBody", body));
        set(&mut operation, "responses", self.group.responses(self.method, may_have_type));
        operation
    }

    fn parameters(&self) -> Vec<Value> {
        let variables = self.route.template().variables().zip(self.named.template().variables());
        let in_path = variables.filter_map(|((name, _), (shown, _))| {
            let param = self.method.params.iter().find(|param| param.name == name)?;
            Some(self.in_path(param, shown))
        });
        let in_query = self.params_at(ParamLocation::Query).into_iter().map(|param| self.group.in_query(param));
        in_path.chain(in_query).collect()
    }

    fn in_path(&self, param: &Param, shown: &str) -> Value {
        let mut parameter = json!({ "name": shown, "in": "path", "required": true });
        describe(&mut parameter, "description", &param.doc);
        let schema = self.group.schema(param);
        match TextForm::of(self.group.names.interface(), param.schema.as_value()) {
            TextForm::One { scalar: Scalar::Text, .. } => {
                // A segment is never empty, so a route with a variable cannot match a shorter path.
                set(
                    &mut parameter,
                    "schema",
                    json!({ "allOf": [schema, { "minLength": 1, "pattern": "^[^/\\\\]*$" }] }),
                );
            }
            TextForm::One { .. } => set(&mut parameter, "schema", schema),
            TextForm::Many(_) | TextForm::Json => {
                set(&mut parameter, "content", json!({ "application/json": { "schema": schema } }));
            }
        }
        parameter
    }

    fn body(&self) -> Option<Value> {
        let params = self.params_at(ParamLocation::Body);
        let required = params.iter().any(|param| param.required);
        let schema = match (self.route.content()?, params.as_slice()) {
            (RouteBody::Param(_), [param]) => self.group.schema(param),
            (RouteBody::Param(_), _) => return None,
            (RouteBody::All, _) => self.group.by_name(&params),
        };
        Some(json!({ "required": required, "content": { "application/json": { "schema": schema } } }))
    }

    /// The parameters at a location of the request.
    fn params_at(&self, location: ParamLocation) -> Vec<&Param> {
        self.method.params.iter().filter(|param| self.route.location(&param.name) == location).collect()
    }

    /// Adds the parameters with fixed values to the documentation.
    fn describe_fixed(&self, operation: &mut Value) {
        let fixed: Vec<String> =
            self.route.args().iter().map(|(name, value)| format!("`{name}` is always `{value}`")).collect();
        if !fixed.is_empty() {
            let doc = format!("{}\n\nHere {}.", self.method.doc.trim(), fixed.join(", and "));
            describe(operation, "description", &doc);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::interface::Interface;
    use crate::protocol::rest::openapi::document;

    fn param(name: &str, schema: Value) -> Param {
        Param { name: name.into(), doc: String::new(), schema: schema.try_into().unwrap(), required: true }
    }

    #[test]
    fn paths_of_one_shape_are_one_path_with_one_set_of_names() {
        let method = |name: &str, params: Vec<Param>| Method {
            name: name.into(),
            doc: String::new(),
            params,
            result: json!(true).try_into().unwrap(),
            safe: false,
        };
        let number = || json!({ "type": "integer" });
        let interface = Interface {
            methods: vec![
                method("read", vec![param("id", number())]),
                method("write", vec![param("key", number()), param("value", json!(true))]),
            ],
            ..Interface::default()
        };
        let routes = [
            RestRoute::new("GET /things/{id}", "read").unwrap(),
            RestRoute::new("PUT /things/{key}", "write").unwrap().body("value"),
            RestRoute::new("GET /nowhere", "none").unwrap(),
        ];
        let document = document(&interface, &RouteTable::new(&routes), "http://x");
        let paths = document["paths"].as_object().unwrap();
        assert_eq!(paths.keys().collect::<Vec<_>>(), ["/read", "/write", "/things/{id}"]);
        let write = &paths["/things/{id}"]["put"];
        assert_eq!(write["parameters"], json!([{ "name": "id", "in": "path", "required": true, "schema": number() }]));
        assert_eq!(
            write["requestBody"],
            json!({ "required": true, "content": { "application/json": { "schema": {} } } })
        );
        assert_eq!(write["operationId"], "things/{id}-put");
    }
}
