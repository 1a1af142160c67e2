//! Makes the interface of an aggregate from the interfaces of the services that it calls.

use std::sync::Arc;

use http::HeaderName;
use schemars::Schema;
use serde_json::{Map, Value, json};

use super::defs::{Renamed, merge_types, refer, with_names};
use super::{Composed, ERRORS, Given, OnError, Own, Part};
use crate::model::interface::{Interface, Method, Param};

/// The name of the type of a failed call in `errors`.
const FAILURE: &str = "Failure";

/// The interface with these methods. `of_parts` has the interface of the service of each call, in the order of the methods
/// and their calls.
pub(super) fn interface(title: &str, doc: &str, methods: &[Arc<Composed>], of_parts: &[Arc<Interface>]) -> Interface {
    let mut request_headers: Vec<HeaderName> = Vec::new();
    for header in of_parts.iter().flat_map(|part| &part.request_headers) {
        if !request_headers.contains(header) {
            request_headers.push(header.clone());
        }
    }
    let reads_request_target = of_parts.iter().any(|part| part.reads_request_target);
    let reads_client_address = of_parts.iter().any(|part| part.reads_client_address);
    let mut of_parts = of_parts.iter();
    let mut defs = Map::new();
    if methods.iter().any(|method| method.on_error == OnError::Partial) {
        defs.insert(FAILURE.to_owned(), failure());
    }
    let methods = methods.iter().map(|composed| method(composed, &mut of_parts, &mut defs)).collect();
    let (title, doc) = (title.to_owned(), doc.to_owned());
    Interface {
        title,
        doc,
        methods,
        defs,
        request_headers,
        reads_request_target,
        reads_client_address,
        ..Interface::default()
    }
}

/// A call, and what its service's interface says about it.
struct Known<'a> {
    part: &'a Part,
    /// The called method; `None` if the interface of its service does not have it, or is not known yet.
    method: Option<&'a Method>,
    /// The types of the service that have another name in the interface of the aggregate.
    renamed: Renamed,
}

impl<'a> Known<'a> {
    fn find(part: &'a Part, interface: &'a Interface, defs: &mut Map<String, Value>) -> Known<'a> {
        let method = interface.method(&part.method);
        let passed = |name: &str| part.args.iter().any(|(arg, _)| arg == name);
        let params = method.into_iter().flat_map(|method| &method.params).filter(|param| passed(&param.name));
        let schemas = params.map(|param| param.schema.as_value()).chain(method.map(|of| of.result.as_value()));
        let renamed = merge_types(defs, &interface.defs, schemas);
        Known { part, method, renamed }
    }

    fn schema(&self, schema: &Schema) -> Map<String, Value> {
        match with_names(schema.as_value(), &self.renamed) {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// The parameters of the call to which the method's own parameter with this index is passed on.
    fn receivers(&self, at: usize) -> impl Iterator<Item = &'a Param> {
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
    let known = composed.calls.iter().zip(of_parts).map(|(part, interface)| Known::find(part, interface, defs));
    let known: Vec<Known<'_>> = known.collect();
    let params = composed.params.iter().enumerate().map(|(at, own)| param(own, at, &known)).collect();
    let result = result(composed, &known);
    let capital = |name: &str| {
        let mut letters = name.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    let name = format!("{}Result", capital(&composed.name));
    let named = merge_types(defs, &Map::from_iter([(name.clone(), result)]), [refer(&name)].iter());
    let result = refer(named.get(&name).unwrap_or(&name));
    Method {
        name: composed.name.clone(),
        doc: composed.doc.clone(),
        params,
        result: Schema::try_from(result).unwrap_or_default(),
        safe: known.iter().all(|known| known.method.is_some_and(|method| method.safe)),
    }
}

/// A parameter has the type of the first parameter to which it is passed on. It is required if one of them is.
fn param(own: &Own, at: usize, known: &[Known<'_>]) -> Param {
    let receivers: Vec<_> =
        known.iter().flat_map(|known| known.receivers(at).map(move |param| (known, param))).collect();
    let mut schema = receivers.first().map(|(known, param)| known.schema(&param.schema)).unwrap_or_default();
    let doc = match receivers.first() {
        Some((_, param)) if own.doc.is_empty() => param.doc.clone(),
        _ => own.doc.clone(),
    };
    if !doc.is_empty() {
        schema.insert("description".to_owned(), doc.clone().into());
    }
    // If the defaults differ, none of them is true for all calls.
    let defaults = || receivers.iter().map(|(_, param)| param.schema.get("default"));
    if defaults().any(|default| defaults().next() != Some(default)) {
        schema.remove("default");
    }
    let default = own.default.as_ref().and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    schema.extend(default.map(|default| ("default".to_owned(), default)));
    let required = own.default.is_none() && receivers.iter().any(|(_, param)| param.required);
    Param { name: own.name.clone(), doc, schema: schema.into(), required }
}

/// The schema of the result: a record with a member for each call.
fn result(composed: &Composed, known: &[Known<'_>]) -> Value {
    let partial = composed.on_error == OnError::Partial;
    let member = |known: &Known<'_>| {
        let mut schema = known.method.map(|method| known.schema(&method.result)).unwrap_or_default();
        let Part { method, path, .. } = known.part;
        let unless = if partial { "; absent if the call failed" } else { "" };
        schema.insert("description".to_owned(), format!("The result of `{method}` of {path}{unless}.").into());
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
        "description": "The result of each call, by its name.",
        "properties": members,
        "required": required,
        "additionalProperties": false,
    })
}

fn errors(composed: &Composed) -> Value {
    let each: Map<String, Value> = composed.calls.iter().map(|part| (part.name.clone(), refer(FAILURE))).collect();
    json!({
        "type": "object",
        "description": "The failed calls, by name.",
        "properties": each,
        "additionalProperties": false,
    })
}

fn failure() -> Value {
    json!({
        "type": "object",
        "description": "Why a call failed.",
        "properties": {
            "kind": {
                "type": "string",
                "description": "The kind of failure, such as `late`, `unreachable` or `service`.",
            },
            "code": {
                "type": "integer",
                "format": "int32",
                "description": "The code of the service, if the fault has one.",
            },
            "message": { "type": "string", "description": "The message, for people." },
        },
        "required": ["kind", "message"],
        "additionalProperties": false,
    })
}
