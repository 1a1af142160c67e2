//! Methods that the operator describes: each is read as the one operation of a document.
//!
//! In that document the parameters have the names `p0`, `p1` and so on, so that none of them is renamed, left out or read as
//! something else for its name.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use super::source::Version;
use super::{Links, OpenApiDescription, description_fault, read_values};
use crate::codec::rest::{ParamTarget, PathPart, RestBinding, RestOperation};
use crate::model::fault::Fault;
use crate::model::interface::{Interface, Method};
use crate::model::text::abridge;
use crate::protocol::rest::methods::{ParamIn, RestMethod, RestParam, check};

impl OpenApiDescription {
    /// A description of methods without a document.
    ///
    /// # Errors
    /// `Structure` if one of them is not valid.
    ///
    /// ```
    /// use croupier::protocol::rest::methods::{RestMethod, RestParam, UpstreamRoute};
    /// use croupier::protocol::rest::openapi::read::OpenApiDescription;
    ///
    /// let mut method = RestMethod::new("readPet", UpstreamRoute::read("GET /pets/{id}")?);
    /// method.params = vec![RestParam::new("id"), RestParam::new("verbose")];
    /// let description = OpenApiDescription::of_methods(&[method])?;
    /// assert_eq!(description.interface.methods[0].params[1].name, "verbose");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_methods(methods: &[RestMethod]) -> Result<OpenApiDescription, Fault> {
        let none = OpenApiDescription {
            interface: Interface::default(),
            binding: RestBinding::default(),
            server: None,
            demands: Vec::new(),
            left_out: Vec::new(),
            operations: 0,
        };
        none.with_methods(methods)
    }

    /// The same description with further methods. One with the name of an operation takes its place.
    ///
    /// # Errors
    /// As for [`of_methods`](OpenApiDescription::of_methods).
    pub fn with_methods(mut self, methods: &[RestMethod]) -> Result<OpenApiDescription, Fault> {
        if let Some(error) = check(methods).into_iter().next() {
            return Err(description_fault(error.to_string()));
        }
        let names: HashSet<&str> = methods.iter().map(|method| method.name.as_str()).collect();
        self.interface.methods.retain(|method| !names.contains(method.name.as_str()));
        self.binding.operations.retain(|operation| !names.contains(operation.method.as_str()));
        for demand in &mut self.demands {
            demand.methods.retain(|name| !names.contains(name.as_str()));
        }
        for method in methods {
            let (described, operation) = read(method)?;
            self.interface.methods.push(described);
            self.binding.operations.push(operation);
        }
        self.operations = self.operations.max(self.interface.methods.len());
        Ok(self)
    }
}

fn read(method: &RestMethod) -> Result<(Method, RestOperation), Fault> {
    let wrong = |reason: &str| description_fault(format!("the method `{}`: {reason}", abridge(&method.name)));
    let read = read_values(vec![document(method)], Version::V31, (&Links::new(), ""));
    let mut read = read.map_err(|fault| wrong(&fault.message))?;
    let (described, operation) =
        read.interface.methods.pop().zip(read.binding.operations.pop()).ok_or_else(|| wrong("it is empty"))?;
    let order: Option<Vec<usize>> = (0..method.params.len())
        .map(|at| operation.params.iter().position(|target| target.name == placeholder(at)))
        .collect();
    let order = order.filter(|order| order.len() == operation.params.len());
    let order = order.ok_or_else(|| wrong("a parameter has no place in the request"))?;
    let is_at = |read: usize| order.iter().position(|other| *other == read);
    let path = operation.path.into_iter().map(|part| match part {
        PathPart::Param(read) => is_at(read).map(PathPart::Param),
        literal => Some(literal),
    });
    let path = path.collect::<Option<_>>().ok_or_else(|| wrong("a variable has no parameter"))?;
    let (mut params, mut targets) = (Vec::new(), Vec::new());
    for (param, read) in method.params.iter().zip(order) {
        let (described, target) = described
            .params
            .get(read)
            .zip(operation.params.get(read))
            .ok_or_else(|| wrong("a parameter is missing"))?;
        let mut described = described.clone();
        described.name.clone_from(&param.name);
        params.push(described);
        targets.push(ParamTarget { name: param.sent_name().to_owned(), ..target.clone() });
    }
    let described = Method { name: method.name.clone(), params, ..described };
    Ok((described, RestOperation { method: method.name.clone(), path, params: targets, ..operation }))
}

/// The name of the parameter with an index in the document.
fn placeholder(at: usize) -> String {
    format!("p{at}")
}

/// A document with the method as its only operation.
fn document(method: &RestMethod) -> Json {
    let (mut params, mut members, mut required) = (Vec::new(), Map::new(), Vec::new());
    for (at, param) in method.params.iter().enumerate() {
        let (name, place) = (placeholder(at), method.place_of(param));
        let is_required = param.required.unwrap_or(place == ParamIn::Path);
        if place == ParamIn::Body {
            required.extend(is_required.then(|| name.clone()));
            members.insert(name, schema(param));
            continue;
        }
        params.push(json!({
            "name": name,
            "in": place.word(),
            "required": is_required,
            "description": param.doc,
            "schema": schema(param),
        }));
    }
    let is_json = method.result.get("type").is_some_and(|name| name != "string");
    let media = if is_json { "application/json" } else { "*/*" };
    let mut operation = json!({
        "description": method.doc,
        "parameters": params,
        "responses": { "200": { "content": { media: { "schema": method.result } } } },
    });
    if let (false, Json::Object(operation)) = (members.is_empty(), &mut operation) {
        let schema = json!({ "type": "object", "properties": members, "required": required });
        let body = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        operation.insert("requestBody".into(), body);
    }
    let named = |variable: &str| {
        let is_variable = |param: &RestParam| param.sent_name() == variable && method.place_of(param) == ParamIn::Path;
        method.params.iter().position(is_variable).map(placeholder).unwrap_or_default()
    };
    let verb = method.route.verb().as_str().to_ascii_lowercase();
    json!({ "paths": { method.route.renamed(named): { verb: operation } } })
}

/// The schema of a parameter, with its documentation and its default.
fn schema(param: &RestParam) -> Json {
    let mut keywords = match &param.schema {
        Json::Object(keywords) => keywords.clone(),
        _ => Map::new(),
    };
    if !param.doc.is_empty() {
        keywords.insert("description".into(), param.doc.as_str().into());
    }
    if let Some(default) = &param.default {
        keywords.insert("default".into(), default.clone());
    }
    if keywords.is_empty() { Json::Bool(true) } else { Json::Object(keywords) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::rest::ParamPlace;
    use crate::protocol::rest::methods::UpstreamRoute;

    fn method(name: &str, route: &str, params: Vec<RestParam>) -> RestMethod {
        RestMethod { params, ..RestMethod::new(name, UpstreamRoute::read(route).unwrap()) }
    }

    #[test]
    fn parameters_keep_their_order_their_names_and_their_places() {
        let mut session = RestParam::new("session");
        session.place = Some(ParamIn::Cookie);
        let mut trace = RestParam::new("trace");
        (trace.place, trace.name_in_request) = (Some(ParamIn::Header), Some("X-Trace".to_owned()));
        let mut id = RestParam::new("number");
        (id.name_in_request, id.schema) = (Some("id".to_owned()), json!({ "type": "integer" }));
        let mut other = RestParam::new("id");
        other.place = Some(ParamIn::Query);
        let mut name = RestParam::new("name");
        (name.required, name.doc) = (Some(true), "The name.".to_owned());
        let method = method("write.pet", "PUT /pets/{id}/x", vec![session, name, trace, other, id]);
        let read = OpenApiDescription::of_methods(&[method]).unwrap();
        let (described, operation) = (&read.interface.methods[0], &read.binding.operations[0]);
        let params: Vec<(&str, bool)> =
            described.params.iter().map(|param| (param.name.as_str(), param.required)).collect();
        let expected = [("session", false), ("name", true), ("trace", false), ("id", false), ("number", true)];
        assert_eq!(params, expected);
        assert_eq!((described.params[1].doc.as_str(), described.name.as_str()), ("The name.", "write.pet"));
        let sent: Vec<&str> = operation.params.iter().map(|target| target.name.as_str()).collect();
        assert_eq!(sent, ["session", "name", "X-Trace", "id", "id"]);
        assert!(matches!(operation.params[1].place, ParamPlace::Member(_)));
        assert!(matches!(operation.params[3].place, ParamPlace::Query(_)));
        let literal = |text: &str| PathPart::Literal(text.into());
        assert_eq!(operation.path, [literal("/pets/"), PathPart::Param(4), literal("/x")]);
        assert_eq!((operation.method.as_str(), described.safe), ("write.pet", false));
    }

    #[test]
    fn a_method_takes_the_place_of_an_operation_with_its_name() {
        let text = r#"{ "openapi": "3.0.0", "paths": {
            "/a": { "get": { "operationId": "one" }, "post": { "operationId": "two" } } } }"#;
        let document = super::super::read(super::super::Document { location: "", text }).unwrap();
        let read =
            document.with_methods(&[method("one", "GET /b", vec![]), method("three", "GET /c", vec![])]).unwrap();
        let names: Vec<&str> = read.interface.methods.iter().map(|method| method.name.as_str()).collect();
        assert_eq!(names, ["two", "one", "three"]);
        let paths: Vec<&[PathPart]> =
            read.binding.operations.iter().map(|operation| operation.path.as_slice()).collect();
        assert_eq!(
            paths,
            [["/a", "/b", "/c"].map(|path| PathPart::Literal(path.into()))].concat().chunks(1).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_method_that_is_not_valid_is_an_error() {
        let mut hidden = RestParam::new("hidden");
        hidden.schema = json!({ "readOnly": true });
        for (method, reason) in [
            (method("m", "GET /a/{id}", vec![]), "the variable `{id}` is not a parameter"),
            (method("_m", "GET /a", vec![]), "begins with `_`"),
            (method("m", "POST /a", vec![hidden]), "a parameter has no place in the request"),
        ] {
            let fault = OpenApiDescription::of_methods(&[method]).unwrap_err();
            assert!(fault.message.contains(reason), "{}", fault.message);
        }
    }
}
