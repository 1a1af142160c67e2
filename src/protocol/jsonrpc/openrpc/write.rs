//! Writes an interface as an OpenRPC document, for clients of JSON-RPC.
//!
//! Source: the OpenRPC specification 1.3.2 (spec.open-rpc.org).

use schemars::Schema;
use schemars::transform::{
    RecursiveTransform, RemoveRefSiblings, ReplacePrefixItems, ReplaceUnevaluatedProperties, Transform,
};
use serde_json::{Map, Value, json};

use crate::model::fault::Kind;
use crate::model::interface::{Interface, Method, Param};

/// The version of OpenRPC.
const VERSION: &str = "1.3.2";

/// The errors that any call can return. The last applies only to methods with parameters.
const ERRORS: [(Kind, &str); 5] = [
    (Kind::Internal, "The server failed; its log says why."),
    (Kind::Late, "The call took too long."),
    (Kind::Busy, "Too many calls are running."),
    (Kind::Service(None), "The service refused or failed; it may use its own code."),
    (Kind::BadParams, "The arguments do not match the parameters of the method."),
];

/// The OpenRPC document of an interface. `url` is the address of the group.
pub fn document(interface: &Interface, url: &str) -> Value {
    let mut info = json!({ "title": interface.title, "version": env!("CARGO_PKG_VERSION") });
    describe(&mut info, &interface.doc);
    let schemas: Map<_, _> = interface.defs.iter().map(|(name, def)| (name.clone(), draft_7(def))).collect();
    let errors: Map<_, _> = ERRORS.iter().map(|(kind, what)| (kind.word().to_owned(), error(*kind, what))).collect();
    json!({
        "openrpc": VERSION,
        "info": info,
        "servers": [{ "name": interface.title, "url": url }],
        "methods": interface.methods.iter().map(method).collect::<Vec<_>>(),
        "components": { "schemas": schemas, "errors": errors },
    })
}

fn method(method: &Method) -> Value {
    let (required, optional): (Vec<_>, Vec<_>) = method.params.iter().partition(|param| param.required);
    // OpenRPC lists required parameters first. If the method has another order, calls by position are not possible.
    let in_order = method.params.iter().is_sorted_by_key(|param| !param.required);
    // By position, the arguments themselves are given, and not their list.
    let in_order = in_order && !method.has_free_arguments();
    let mut it = json!({ "name": method.name });
    describe(&mut it, &method.doc);
    set(&mut it, "paramStructure", if in_order { "either" } else { "by-name" });
    set(&mut it, "params", required.into_iter().chain(optional).map(param).collect::<Vec<_>>());
    set(&mut it, "result", json!({ "name": "result", "schema": draft_7(method.result.as_value()) }));
    let errors = ERRORS.iter().filter(|(kind, _)| !method.params.is_empty() || *kind != Kind::BadParams);
    let reference = |kind: &Kind| json!({ "$ref": format!("#/components/errors/{}", kind.word()) });
    set(&mut it, "errors", errors.map(|(kind, _)| reference(kind)).collect::<Vec<_>>());
    it
}

/// Writes a content descriptor.
fn param(param: &Param) -> Value {
    let mut it = json!({ "name": param.name });
    describe(&mut it, &param.doc);
    set(&mut it, "required", param.required);
    set(&mut it, "schema", draft_7(param.schema.as_value()));
    it
}

fn error(kind: Kind, what: &str) -> Value {
    json!({ "code": kind.jsonrpc_code(), "message": what, "data": { "kind": kind.word() } })
}

fn describe(it: &mut Value, doc: &str) {
    if !doc.is_empty() {
        set(it, "description", doc);
    }
}

fn set(it: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = it.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

/// The same schema in draft 7, which OpenRPC uses, with references into this document.
fn draft_7(schema: &Value) -> Value {
    let Ok(mut schema) = Schema::try_from(schema.clone()) else { return Value::Bool(true) };
    ReplaceUnevaluatedProperties::default().transform(&mut schema);
    ReplacePrefixItems::default().transform(&mut schema);
    RemoveRefSiblings::default().transform(&mut schema);
    RecursiveTransform(refer_to_components).transform(&mut schema);
    schema.to_value()
}

fn refer_to_components(schema: &mut Schema) {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix("#/$defs/"));
    if let Some(target) = name.map(|name| format!("#/components/schemas/{name}")) {
        schema.insert("$ref".to_owned(), target.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(value: Value) -> Schema {
        Schema::try_from(value).unwrap()
    }

    fn interface(params: Vec<Param>) -> Interface {
        let result = schema(json!({
            "type": "array",
            "prefixItems": [{ "$ref": "#/$defs/Point", "description": "Where." }],
            "items": { "properties": { "default": { "$ref": "#/$defs/Point" } }, "default": { "$ref": "#/$defs/no" } },
        }));
        let method = Method { name: "m".into(), doc: String::new(), params, result, safe: false };
        let defs = [("Point".to_owned(), json!({ "anyOf": [{ "$ref": "#/$defs/Point" }, true] }))];
        Interface { title: "T".into(), methods: vec![method], defs: Map::from_iter(defs), ..Interface::default() }
    }

    fn param(name: &str, required: bool) -> Param {
        Param { name: name.into(), doc: String::new(), schema: schema(json!(true)), required }
    }

    #[test]
    fn references_point_into_the_document_and_schemas_are_draft_7() {
        let document = document(&interface(Vec::new()), "http://x/");
        let point = json!({ "$ref": "#/components/schemas/Point" });
        let result = json!({
            "type": "array",
            "items": [{ "description": "Where.", "allOf": [point] }],
            "additionalItems": { "properties": { "default": point }, "default": { "$ref": "#/$defs/no" } },
        });
        assert_eq!(document["methods"][0]["result"]["schema"], result);
        assert_eq!(document["components"]["schemas"]["Point"], json!({ "anyOf": [point, true] }));
        assert_eq!(document["servers"][0]["url"], "http://x/");
    }

    #[test]
    fn required_parameters_come_first_and_then_only_names_find_them() {
        let names = |params: Vec<Param>| {
            let method = document(&interface(params), "")["methods"][0].clone();
            let names: Vec<_> = method["params"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
            (Value::from(names), method["paramStructure"].clone())
        };
        let (a, b) = (|| param("a", true), || param("b", false));
        assert_eq!(names(vec![a(), b()]), (json!(["a", "b"]), json!("either")));
        assert_eq!(names(vec![b(), a()]), (json!(["a", "b"]), json!("by-name")));
    }
}
