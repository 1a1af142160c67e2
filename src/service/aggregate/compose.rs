//! What an aggregate says of itself, made of what the services say that it calls.

use std::sync::Arc;

use http::HeaderName;
use schemars::Schema;
use serde_json::{Map, Value, json};

use super::defs::{Renamed, refer, take_over, with_names};
use super::{Composed, ERRORS, Given, OnError, Own, Part};
use crate::model::interface::{Interface, Method, Param};

/// The name of the type that says why a call has failed.
const FAILURE: &str = "Failure";

/// The description of these methods together. `of_parts` has the description of each call's service, in the order of
/// the methods and their calls.
pub(super) fn interface(title: &str, doc: &str, methods: &[Arc<Composed>], of_parts: &[Arc<Interface>]) -> Interface {
    let mut request_headers: Vec<HeaderName> = Vec::new();
    for header in of_parts.iter().flat_map(|part| &part.request_headers) {
        if !request_headers.contains(header) {
            request_headers.push(header.clone());
        }
    }
    let mut of_parts = of_parts.iter();
    let mut defs = Map::new();
    if methods.iter().any(|method| method.on_error == OnError::Partial) {
        defs.insert(FAILURE.to_owned(), failure());
    }
    let methods = methods.iter().map(|composed| method(composed, &mut of_parts, &mut defs)).collect();
    Interface { title: title.to_owned(), doc: doc.to_owned(), methods, defs, request_headers, ..Interface::default() }
}

/// What is known of a call.
struct Known<'a> {
    part: &'a Part,
    /// The method that is called; `None` as long as its service does not know it.
    method: Option<&'a Method>,
    renamed: Renamed,
}

impl<'a> Known<'a> {
    fn of(part: &'a Part, interface: &'a Interface, defs: &mut Map<String, Value>) -> Known<'a> {
        let method = interface.method(&part.method);
        let passed = |name: &str| part.args.iter().any(|(arg, _)| arg == name);
        let params = method.into_iter().flat_map(|method| &method.params).filter(|param| passed(&param.name));
        let schemas = params.map(|param| param.schema.as_value()).chain(method.map(|of| of.result.as_value()));
        let renamed = take_over(defs, &interface.defs, schemas);
        Known { part, method, renamed }
    }

    fn schema(&self, schema: &Schema) -> Map<String, Value> {
        match with_names(schema.as_value(), &self.renamed) {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// The parameters for which the own parameter at this place is passed on.
    fn takes(&self, at: usize) -> impl Iterator<Item = &'a Param> {
        let names = self.part.args.iter().filter(move |(_, given)| matches!(given, Given::Param(own) if *own == at));
        let params = self.method.into_iter().flat_map(|method| &method.params);
        names.filter_map(move |(name, _)| params.clone().find(|param| param.name == *name))
    }
}

fn method<'a>(
    composed: &'a Composed,
    of_parts: &mut impl Iterator<Item = &'a Arc<Interface>>,
    defs: &mut Map<String, Value>,
) -> Method {
    let known = composed.calls.iter().zip(of_parts).map(|(part, interface)| Known::of(part, interface, defs));
    let known: Vec<Known<'_>> = known.collect();
    let params = composed.params.iter().enumerate().map(|(at, own)| param(own, at, &known)).collect();
    let result = result(composed, &known);
    let capital = |name: &str| {
        let mut letters = name.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    let name = format!("{}Result", capital(&composed.name));
    let named = take_over(defs, &Map::from_iter([(name.clone(), result)]), [refer(&name)].iter());
    let result = refer(named.get(&name).unwrap_or(&name));
    Method {
        name: composed.name.clone(),
        doc: composed.doc.clone(),
        params,
        result: Schema::try_from(result).unwrap_or_default(),
        safe: known.iter().all(|known| known.method.is_some_and(|method| method.safe)),
    }
}

/// A parameter has the type of that for which it is passed on first, and must be given where any of them must.
fn param(own: &Own, at: usize, known: &[Known<'_>]) -> Param {
    let takers: Vec<_> = known.iter().flat_map(|known| known.takes(at).map(move |param| (known, param))).collect();
    let mut schema = takers.first().map(|(known, param)| known.schema(&param.schema)).unwrap_or_default();
    let doc = match takers.first() {
        Some((_, param)) if own.doc.is_empty() => param.doc.clone(),
        _ => own.doc.clone(),
    };
    if !doc.is_empty() {
        schema.insert("description".to_owned(), doc.clone().into());
    }
    // Several defaults are none that could be told.
    let defaults = || takers.iter().map(|(_, param)| param.schema.get("default"));
    if defaults().any(|default| defaults().next() != Some(default)) {
        schema.remove("default");
    }
    let default = own.default.as_ref().and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    schema.extend(default.map(|default| ("default".to_owned(), default)));
    let required = own.default.is_none() && takers.iter().any(|(_, param)| param.required);
    Param { name: own.name.clone(), doc, schema: schema.into(), required }
}

/// A record of what the calls answer.
fn result(composed: &Composed, known: &[Known<'_>]) -> Value {
    let partial = composed.on_error == OnError::Partial;
    let member = |known: &Known<'_>| {
        let mut schema = known.method.map(|method| known.schema(&method.result)).unwrap_or_default();
        let Part { method, path, .. } = known.part;
        let unless = if partial { ", unless it has failed" } else { "" };
        schema.insert("description".to_owned(), format!("What `{method}` of {path} answers{unless}.").into());
        (known.part.name.clone(), Value::Object(schema))
    };
    let mut members: Map<String, Value> = known.iter().map(member).collect();
    let mut required: Vec<&str> = Vec::new();
    if partial {
        members.insert(ERRORS.to_owned(), errors(composed));
        required.push(ERRORS);
    } else {
        required.extend(composed.calls.iter().map(|part| part.name.as_str()));
    }
    json!({
        "type": "object",
        "description": "What each call answers, by its name.",
        "properties": members,
        "required": required,
        "additionalProperties": false,
    })
}

fn errors(composed: &Composed) -> Value {
    let each: Map<String, Value> = composed.calls.iter().map(|part| (part.name.clone(), refer(FAILURE))).collect();
    json!({
        "type": "object",
        "description": "Why a call has failed, by its name; those that have not are not there.",
        "properties": each,
        "additionalProperties": false,
    })
}

fn failure() -> Value {
    json!({
        "type": "object",
        "description": "Why a call has failed.",
        "properties": {
            "kind": {
                "type": "string",
                "description": "What sort of failure it is, such as `late`, `unreachable` or `service`.",
            },
            "code": {
                "type": "integer",
                "format": "int32",
                "description": "The service's own code, if it has given one.",
            },
            "message": { "type": "string", "description": "What has happened, for people." },
        },
        "required": ["kind", "message"],
        "additionalProperties": false,
    })
}
