//! The requests of a REST upstream's own document as OpenAPI operations of its group. They are passed on to the upstream as they are.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{GroupWriter, describe, set};
use crate::model::http_operations::{HttpBody, HttpOperation, HttpParam, HttpPlace};
use crate::model::interface::Method;

/// Adds the operations to the paths. The methods and routes that are there already precede them, as requests are found.
pub(super) fn add(group: &GroupWriter<'_>, paths: &mut Map<String, Value>) {
    let operations = group.names.interface().operations.all();
    if operations.is_empty() {
        return;
    }
    // Two paths that differ in the names of their variables alone are one path (OpenAPI 3.1, section 4.8.8).
    let mut known: HashMap<String, String> = paths.keys().map(|path| (shape(path), path.clone())).collect();
    for operation in operations {
        let Some(method) = group.names.interface().method(&operation.method) else { continue };
        let template = format!("{}{}", group.path, operation.template());
        let path = known.entry(shape(&template)).or_insert_with(|| template.clone()).clone();
        let verb = operation.verb.as_str().to_ascii_lowercase();
        // OpenAPI 3.1 has no place for other verbs.
        if !VERBS.contains(&verb.as_str()) {
            continue;
        }
        let described = DescribedOperation { group, method, operation }.operation((&path, &template), &verb);
        let item = paths.entry(path).or_insert_with(|| json!({}));
        if item.get(&verb).is_none() {
            set(item, &verb, described);
        }
    }
}

/// The verbs that a path of OpenAPI 3.1 may have.
const VERBS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// The names of the variables of a path.
fn variables(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name)
}

/// A path without the names of its variables.
fn shape(path: &str) -> String {
    let mut shape = String::with_capacity(path.len());
    let mut inside = false;
    for character in path.chars() {
        inside &= character != '}';
        if !inside {
            shape.push(character);
        }
        inside |= character == '{';
    }
    shape
}

struct DescribedOperation<'a> {
    group: &'a GroupWriter<'a>,
    method: &'a Method,
    operation: &'a HttpOperation,
}

impl DescribedOperation<'_> {
    /// The operation at a path, which may have other names for its variables than its template.
    fn operation(&self, (path, template): (&str, &str), verb: &str) -> Value {
        let mut operation = self.group.operation(self.method, path, verb);
        let parameters: Vec<Value> =
            self.operation.params.iter().filter_map(|param| self.parameter(param, (path, template))).collect();
        if !parameters.is_empty() {
            set(&mut operation, "parameters", parameters);
        }
        let body = self.operation.body.as_ref();
        body.map(|body| self.body(body)).into_iter().for_each(|body| set(&mut operation, "requestBody", body));
        set(&mut operation, "responses", self.group.responses(self.method, body.is_some()));
        operation
    }

    fn parameter(&self, own: &HttpParam, (path, template): (&str, &str)) -> Option<Value> {
        let param = self.method.params.get(own.index)?;
        let is_in_path = own.place == HttpPlace::Path;
        let renamed = || variables(template).position(|name| name == own.name).and_then(|at| variables(path).nth(at));
        let name = if is_in_path { renamed().unwrap_or(&own.name) } else { &own.name };
        let required = is_in_path || param.required;
        let mut parameter = json!({ "name": name, "in": own.place.word(), "required": required });
        describe(&mut parameter, "description", &param.doc);
        let schema = self.group.schema(param);
        if own.is_json {
            set(&mut parameter, "content", json!({ "application/json": { "schema": schema } }));
            return Some(parameter);
        }
        if let Some(style) = own.style.filter(|style| *style != "cookie") {
            set(&mut parameter, "style", style);
            set(&mut parameter, "explode", own.explode);
        }
        set(&mut parameter, "schema", schema);
        Some(parameter)
    }

    fn body(&self, body: &HttpBody) -> Value {
        let params: Vec<_> = body.params.iter().filter_map(|index| self.method.params.get(*index)).collect();
        let schema = match params.as_slice() {
            [param] if body.is_whole => self.group.schema(param),
            params => {
                let mut members = self.group.by_name(params);
                // The upstream decides about further members.
                if let Some(members) = members.as_object_mut() {
                    members.remove("additionalProperties");
                    members.remove("title");
                }
                members
            }
        };
        let content = Map::from_iter([(body.media.clone(), json!({ "schema": schema }))]);
        let required = body.required || params.iter().any(|param| param.required);
        json!({ "required": required, "content": content })
    }
}
