//! Tests of the reader of OpenAPI documents.

use serde_json::{Value as Json, json};

use super::*;
use crate::codec::rest::text::{Style, TextStyle};
use crate::codec::rest::{BodyContent, MemberForm, ParamPlace, ResultForm};

fn described(document: &Json) -> OpenApiDescription {
    read(Document { location: "/openapi.json", text: &document.to_string() }).unwrap()
}

/// A document with one operation, `GET /x` unless `operation` is that of another verb.
fn with(version: &str, verb: &str, operation: Json, further: Json) -> Json {
    let mut document = if version == "2.0" { json!({ "swagger": "2.0" }) } else { json!({ "openapi": version }) };
    let members = document.as_object_mut().unwrap();
    members.insert("paths".into(), json!({ "/x": { verb: operation } }));
    members.extend(further.as_object().unwrap().clone());
    document
}

/// The schema of the result of the one operation of a document, and the definitions.
fn result_of(version: &str, schema: Json, schemas: Json) -> (Json, Json) {
    let operation = json!({ "responses": { "200": { "content": { "application/json": { "schema": schema } } } } });
    let read = described(&with(version, "get", operation, json!({ "components": { "schemas": schemas } })));
    (read.interface.methods[0].result.as_value().clone(), Json::Object(read.interface.defs))
}

fn params(read: &OpenApiDescription) -> Vec<(String, bool, Json)> {
    let params = read.interface.methods[0].params.iter();
    params.map(|param| (param.name.clone(), param.required, param.schema.as_value().clone())).collect()
}

#[test]
fn every_version_is_known_and_others_are_refused() {
    let paths = json!({ "/x": { "get": {} } });
    for version in ["3.0.0", "3.0", "3.0.0-RC1", "3.1.7", "3.2.0"] {
        assert_eq!(described(&json!({ "openapi": version, "paths": paths })).interface.methods.len(), 1, "{version}");
    }
    for text in ["openapi: 3.0\npaths: {/x: {get: {}}}", "swagger: 2.0\npaths: {/x: {get: {}}}"] {
        assert_eq!(read(Document { location: "a", text }).unwrap().operations, 1, "{text}");
    }
    for (document, reason) in [
        (json!({ "openapi": "3.3.0" }), "the version `3.3.0`"),
        (json!({ "swagger": "1.2" }), "the version `1.2`"),
        (json!({ "paths": paths }), "neither a member"),
        (json!({ "openapi": "3.1.0", "webhooks": {} }), "no operations in `paths`"),
        (json!({ "openapi": "3.1.0", "paths": { "/x": { "trace": {} } } }), "`TRACE /x`"),
    ] {
        let fault = read(Document { location: "a", text: &document.to_string() }).unwrap_err();
        assert!(fault.message.contains(reason), "{fault}");
    }
    for text in ["{", "[1]", "", "a: b: c", "{\"openapi\":\"3.0.0\"} x"] {
        assert!(read(Document { location: "a", text }).is_err(), "{text}");
    }
}

#[test]
fn dialects_of_schemas_become_one() {
    for (version, schema, expected) in [
        ("3.0.0", json!({ "type": "string", "nullable": true }), json!({ "type": ["string", "null"] })),
        ("3.1.0", json!({ "type": "string", "nullable": true }), json!({ "type": ["string", "null"] })),
        ("3.1.0", json!({ "type": ["string", "null"] }), json!({ "type": ["string", "null"] })),
        (
            "3.0.0",
            json!({ "type": "string", "enum": ["a", "b", "a"], "nullable": true }),
            json!({ "enum": ["a", "b", null], "type": ["string", "null"] }),
        ),
        (
            "3.0.0",
            json!({ "type": "integer", "minimum": 1, "exclusiveMinimum": true, "maximum": 9, "exclusiveMaximum": false }),
            json!({ "type": "integer", "exclusiveMinimum": 1, "maximum": 9 }),
        ),
        (
            "3.1.0",
            json!({ "type": "number", "exclusiveMinimum": 1 }),
            json!({ "type": "number", "exclusiveMinimum": 1 }),
        ),
        (
            "3.0.0",
            json!({ "type": "string", "format": "byte" }),
            json!({ "contentEncoding": "base64", "type": "string" }),
        ),
        (
            "3.0.0",
            json!({ "type": "string", "format": "unixtime", "x-a": 1, "example": 2 }),
            json!({ "type": "string" }),
        ),
        ("3.0.0", json!({ "type": "any", "required": true, "pattern": "(?!a)" }), json!({})),
        ("3.0.0", json!({ "properties": { "a": {} } }), json!({ "properties": { "a": {} }, "type": "object" })),
        ("3.0.0", json!({ "type": "array" }), json!({ "items": {}, "type": "array" })),
        (
            "3.0.0",
            json!({ "allOf": [{ "type": "string" }], "description": "d" }),
            json!({ "type": "string", "description": "d" }),
        ),
        (
            "3.1.0",
            json!({ "oneOf": [{ "type": "string" }, { "type": "null" }] }),
            json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }),
        ),
        ("3.0.0", json!({ "$ref": "#/nowhere" }), json!({})),
        (
            "3.0.0",
            json!({ "type": "object", "default": { "$ref": "#/data" } }),
            json!({ "default": { "$ref": "#/data" }, "type": "object" }),
        ),
    ] {
        assert_eq!(result_of(version, schema.clone(), json!({})).0, expected, "{schema}");
    }
}

#[test]
fn references_become_definitions_and_may_be_circular() {
    let schemas = json!({
        "Node": { "type": "object", "properties": { "next": { "$ref": "#/components/schemas/Node" }, "leaf": { "$ref": "#/components/schemas/Leaf" } } },
        "Leaf": { "type": "string", "nullable": true },
        "Self": { "$ref": "#/components/schemas/Self" },
        "A": { "allOf": [{ "$ref": "#/components/schemas/A" }, { "type": "object" }] },
    });
    let refer = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let (result, defs) = result_of("3.0.0", refer("Node"), schemas.clone());
    assert_eq!(result, json!({ "$ref": "#/$defs/Node" }));
    let leaf = json!({ "anyOf": [{ "$ref": "#/$defs/Leaf" }, { "type": "null" }] });
    let node = json!({ "properties": { "next": { "$ref": "#/$defs/Node" }, "leaf": leaf }, "type": "object" });
    assert_eq!(defs, json!({ "Node": node, "Leaf": { "type": "string" } }));
    assert_eq!(result_of("3.0.0", refer("Self"), schemas.clone()).0, json!({}));
    assert!(result_of("3.0.0", refer("A"), schemas).1["A"].is_object());
}

#[test]
fn objects_that_are_combined_are_one_object() {
    let schemas = json!({
        "Base": { "type": "object", "required": ["id"], "properties": { "id": { "type": "integer" } }, "discriminator": { "propertyName": "id" } },
        "Named": { "allOf": [{ "$ref": "#/components/schemas/Base" }, { "properties": { "name": { "type": "string" } }, "required": ["name"] }] },
        "Other": { "allOf": [{ "$ref": "#/components/schemas/Base" }, { "properties": { "id": { "type": "string" } } }] },
    });
    let (result, defs) = result_of("3.0.0", json!({ "$ref": "#/components/schemas/Named" }), schemas.clone());
    assert_eq!(result, json!({ "$ref": "#/$defs/Named" }));
    let named = json!({
        "type": "object",
        "properties": { "id": { "type": "integer" }, "name": { "type": "string" } },
        "required": ["id", "name"],
    });
    assert_eq!(defs["Named"], named);
    let (_, defs) = result_of("3.0.0", json!({ "$ref": "#/components/schemas/Other" }), schemas);
    assert_eq!(defs["Other"]["allOf"].as_array().unwrap().len(), 2);
}

#[test]
fn members_go_in_their_direction() {
    let pet = json!({ "$ref": "#/components/schemas/Pet" });
    let schemas = json!({ "Pet": {
        "type": "object",
        "required": ["id", "name", "secret"],
        "properties": {
            "id": { "type": "integer", "readOnly": true }, "name": { "type": "string" },
            "secret": { "type": "string", "writeOnly": true }, "friend": pet,
        },
    } });
    let operation = json!({
        "requestBody": { "required": true, "content": { "application/json": { "schema": { "type": "array", "items": pet } } } },
        "responses": { "200": { "content": { "application/json": { "schema": pet } } } },
    });
    let read = described(&with("3.0.0", "post", operation, json!({ "components": { "schemas": schemas } })));
    let names = |name: &str| -> Vec<&str> {
        read.interface.defs[name]["properties"].as_object().unwrap().keys().map(String::as_str).collect()
    };
    assert_eq!(names("Pet"), ["id", "name", "friend"]);
    assert_eq!(names("PetRequest"), ["name", "secret", "friend"]);
    assert_eq!(read.interface.defs["PetRequest"]["required"], json!(["name", "secret"]));
    assert_eq!(read.interface.defs["PetRequest"]["properties"]["friend"], json!({ "$ref": "#/$defs/PetRequest" }));
}

#[test]
fn parameters_have_their_order_and_their_names() {
    let param = |name: &str, place: &str| json!({ "name": name, "in": place, "schema": { "type": "string" } });
    let document = json!({ "openapi": "3.0.0", "paths": { "/{b}/{a}/{undeclared}": {
        "parameters": [param("a", "path"), param("q", "query"), param("only", "header")],
        "post": {
            "parameters": [
                param("id", "cookie"), param("Authorization", "header"), param("b", "path"), param("id", "query"),
                { "name": "q", "in": "query", "required": true, "schema": { "type": "integer" } },
                { "name": "d", "in": "query", "required": true, "schema": { "type": "integer", "default": 3 } },
            ],
            "requestBody": { "required": true, "content": { "application/json": { "schema": {
                "type": "object", "properties": { "x": { "type": "string" }, "y": {} }, "required": ["x"],
            } } } },
        },
    } } });
    let read = described(&document);
    let named: Vec<(String, bool)> = params(&read).into_iter().map(|(name, required, _)| (name, required)).collect();
    let expected = [
        ("b", true),
        ("a", true),
        ("undeclared", true),
        ("id_query", false),
        ("q", true),
        ("d", false),
        ("only", false),
        ("id_cookie", false),
        ("x", true),
        ("y", false),
    ];
    assert_eq!(named, expected.map(|(name, required)| (name.to_owned(), required)));
    let wire: Vec<&str> = read.binding.operations[0].params.iter().map(|param| param.name.as_str()).collect();
    assert_eq!(wire, ["b", "a", "undeclared", "id", "q", "d", "only", "id", "x", "y"]);
}

#[test]
fn a_body_is_one_parameter_where_its_members_cannot_be() {
    let body = |schema: Json, parameters: Json| {
        let body = json!({ "content": { "application/json": { "schema": schema } } });
        let operation = json!({ "parameters": parameters, "requestBody": body });
        let read = described(&with("3.0.0", "put", operation, json!({})));
        params(&read).into_iter().map(|(name, ..)| name).collect::<Vec<_>>()
    };
    let object = json!({ "type": "object", "properties": { "a": {}, "b": {} } });
    let query = json!([{ "name": "a", "in": "query" }, { "name": "body", "in": "query" }]);
    assert_eq!(body(object.clone(), json!([])), ["a", "b"]);
    assert_eq!(body(object, query), ["a", "body_query", "body"]);
    for schema in [
        json!({ "type": "array", "items": {} }),
        json!({ "oneOf": [{ "type": "object", "properties": { "a": {} } }] }),
        json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        json!({ "type": "object", "properties": { "a": {} }, "additionalProperties": true }),
        json!({ "type": "object" }),
    ] {
        assert_eq!(body(schema.clone(), json!([])), ["body"], "{schema}");
    }
}

#[test]
fn media_types_of_bodies_are_chosen_by_what_they_can_carry() {
    let file =
        json!({ "schema": { "type": "object", "properties": { "f": { "type": "string", "format": "binary" } } } });
    let form = json!({ "schema": { "type": "object", "properties": { "f": { "type": "string" } } } });
    for (content, media, how) in [
        (json!({ "text/xml": {}, "application/json": {} }), "application/json", BodyContent::Json),
        (json!({ "application/merge-patch+json": {} }), "application/merge-patch+json", BodyContent::Json),
        (json!({ "application/vnd.a+json; v=1": {}, "*/*": {} }), "application/vnd.a+json; v=1", BodyContent::Json),
        (json!({ "*/*": {} }), "application/json", BodyContent::Json),
        (
            json!({ "application/x-www-form-urlencoded": form, "multipart/form-data": file }),
            "multipart/form-data",
            BodyContent::Multipart,
        ),
        (
            json!({ "multipart/form-data": form, "application/x-www-form-urlencoded": form }),
            "application/x-www-form-urlencoded",
            BodyContent::Form,
        ),
        (json!({ "text/plain": {} }), "text/plain", BodyContent::Text),
        (json!({ "image/png": {} }), "image/png", BodyContent::Bytes),
    ] {
        let read = described(&with("3.1.0", "post", json!({ "requestBody": { "content": content } }), json!({})));
        let body = read.binding.operations[0].body.clone().unwrap();
        assert_eq!((body.media.as_str(), body.content), (media, how), "{content}");
    }
    let xml = json!({ "openapi": "3.0.0", "paths": {
        "/x": { "post": { "requestBody": { "content": { "application/xml": {} } } }, "get": {} },
        "/y": { "get": { "requestBody": { "required": true, "content": { "application/json": {} } } } },
    } });
    let read = described(&xml);
    let left: Vec<(&str, &str)> = read.left_out.iter().map(|left| (left.name.as_str(), left.reason.as_str())).collect();
    let expected = [
        ("POST /x", "a body of the type `application/xml` cannot be written"),
        ("GET /y", "a request with the verb GET cannot have a body"),
    ];
    assert_eq!((left.as_slice(), read.interface.methods.len(), read.operations), (expected.as_slice(), 1, 3));
}

#[test]
fn defaults_that_a_schema_does_not_allow_are_left_out() {
    let nullable = json!({ "type": "object", "nullable": true, "default": null });
    for (schema, expected) in [
        (json!({ "type": "boolean", "default": "false" }), json!({ "type": "boolean" })),
        (json!({ "type": "integer", "default": 1.5 }), json!({ "type": "integer" })),
        (json!({ "type": "number", "default": 1 }), json!({ "type": "number", "default": 1 })),
        (json!({ "enum": ["a"], "default": "b" }), json!({ "enum": ["a"] })),
        (json!({ "enum": ["a"], "default": "a" }), json!({ "enum": ["a"], "default": "a" })),
        (nullable.clone(), json!({ "type": ["object", "null"], "default": null })),
    ] {
        assert_eq!(result_of("3.0.3", schema, json!({})).0, expected);
    }
    // Null is said where the definition is referred to.
    let (_, definitions) = result_of("3.0.3", json!({ "$ref": "#/components/schemas/A" }), json!({ "A": nullable }));
    assert_eq!(definitions["A"], json!({ "type": "object" }));
}

#[test]
fn parameters_keep_their_order_whether_required_or_not() {
    let text = json!({ "type": "string" });
    let list = json!({ "type": "array", "items": text });
    let body = json!({ "type": "object", "required": ["c"], "properties": { "b": text, "c": text } });
    let operation = json!({
        "parameters": [
            { "name": "a", "in": "query", "schema": text },
            { "name": "d", "in": "query", "required": true, "schema": list },
        ],
        "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
    });
    let read = described(&with("3.0.3", "post", operation, json!({})));
    let all = params(&read);
    let names: Vec<(&str, bool)> = all.iter().map(|(name, required, _)| (name.as_str(), *required)).collect();
    assert_eq!(names, [("a", false), ("d", true), ("b", false), ("c", true)]);
    let targets: Vec<&str> = read.binding.operations[0].params.iter().map(|param| param.name.as_str()).collect();
    assert_eq!(targets, ["a", "d", "b", "c"]);
    assert!(read.binding.operations[0].params.iter().all(|param| param.default.is_none()));
    assert_eq!(all[1].2, json!({ "type": "array", "items": text, "minItems": 1 }), "an empty list cannot be sent");
}

#[test]
fn what_is_required_and_has_a_default_is_optional_and_sent() {
    let with_default = |default: Json| json!({ "type": "integer", "default": default });
    let properties = json!({ "c": with_default(json!(3)), "d": with_default(json!(4)) });
    let body = json!({ "type": "object", "required": ["c"], "properties": properties });
    let operation = json!({
        "parameters": [
            { "name": "a", "in": "header", "required": true, "schema": with_default(json!(1)) },
            { "name": "b", "in": "header", "schema": with_default(json!(2)) },
        ],
        "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
    });
    let read = described(&with("3.0.3", "post", operation, json!({})));
    assert!(params(&read).iter().all(|(_, required, _)| !required));
    let defaults: Vec<Option<Json>> =
        read.binding.operations[0].params.iter().map(|param| param.default.clone()).collect();
    assert_eq!(defaults, [Some(json!(1)), None, Some(json!(3)), None]);
}

#[test]
fn files_that_may_be_nil_are_files() {
    let file = json!({ "type": "string", "contentMediaType": "application/octet-stream" });
    let nil = json!({ "type": "null" });
    let schema = json!({ "type": "object", "properties": {
        "one": { "anyOf": [file, nil], "title": "One" },
        "several": { "anyOf": [{ "type": "array", "items": file }, nil] },
        "either": { "anyOf": [file, { "type": "integer" }] },
    } });
    let operation = json!({ "requestBody": { "content": { "multipart/form-data": { "schema": schema } } } });
    let read = described(&with("3.1.0", "post", operation, json!({})));
    let bytes = json!({ "type": "string", "contentEncoding": "base64" });
    let own: Vec<Json> = params(&read).into_iter().map(|(.., schema)| schema).collect();
    assert_eq!(own[..2], [bytes.clone(), json!({ "type": "array", "items": bytes })]);
    let part = ParamPlace::Member(MemberForm::Part { media: "application/octet-stream".into(), is_file: true });
    let is_part: Vec<bool> = read.binding.operations[0].params.iter().map(|param| param.place == part).collect();
    assert_eq!(is_part, [true, true, false]);
}

#[test]
fn swagger_has_bodies_forms_and_collections() {
    let operation = json!({
        "parameters": [
            { "name": "csv", "in": "query", "type": "array", "items": { "type": "string" } },
            { "name": "multi", "in": "query", "type": "array", "collectionFormat": "multi", "items": { "type": "string" } },
            { "name": "pipes", "in": "query", "type": "array", "collectionFormat": "pipes", "items": { "type": "string" } },
            { "name": "file", "in": "formData", "type": "file", "required": true, "description": "A file." },
            { "name": "note", "in": "formData", "type": "string" },
        ],
        "responses": { "200": { "schema": { "type": "file" } } },
    });
    let read = described(&with("2.0", "post", operation, json!({ "basePath": "/v2", "host": "h.example" })));
    let operation = &read.binding.operations[0];
    let style = |style, explode| ParamPlace::Query(TextStyle { style, explode, allow_reserved: false });
    let part = MemberForm::Part { media: "application/octet-stream".into(), is_file: true };
    let places: Vec<ParamPlace> = operation.params.iter().map(|param| param.place.clone()).collect();
    assert_eq!(
        places,
        [
            style(Style::Form, false),
            style(Style::Form, true),
            style(Style::PipeDelimited, false),
            ParamPlace::Member(part),
            ParamPlace::Member(MemberForm::Plain)
        ]
    );
    assert_eq!(operation.body.as_ref().unwrap().content, BodyContent::Multipart);
    assert_eq!(operation.result, ResultForm::Bytes);
    assert_eq!((read.binding.base.as_str(), read.server.as_deref()), ("/v2", Some("https://h.example/v2")));
    let bytes = json!({ "contentEncoding": "base64", "type": "string" });
    assert_eq!(params(&read)[3], ("file".into(), true, bytes.clone()));
    assert_eq!(read.interface.methods[0].result.as_value(), &bytes);

    let body = json!({ "parameters": [{ "name": "pet", "in": "body", "schema": { "$ref": "#/definitions/Pet" } }] });
    let pet = json!({ "definitions": { "Pet": { "properties": { "a": {}, "b": {} } } } });
    let read = described(&with("2.0", "put", body, pet));
    assert_eq!(params(&read).iter().map(|param| param.0.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn results_are_those_of_all_successes() {
    let json_of = |schema: Json| json!({ "content": { "application/json": { "schema": schema } } });
    let text = json!({ "type": "string" });
    for (responses, result, form) in [
        (json!({ "200": json_of(text.clone()) }), text.clone(), ResultForm::Json),
        (json!({ "2XX": json_of(text.clone()), "404": {} }), text.clone(), ResultForm::Json),
        (json!({ "default": json_of(text.clone()) }), text.clone(), ResultForm::Json),
        (json!({ "200": {}, "default": json_of(text.clone()) }), json!(true), ResultForm::Unknown),
        (json!({ "200": {}, "204": {} }), json!(true), ResultForm::Unknown),
        (json!({ "200": json_of(text.clone()), "202": {} }), json!({ "type": ["string", "null"] }), ResultForm::Json),
        (json!({ "204": {} }), json!({ "type": "null" }), ResultForm::Nothing),
        (json!({ "200": json_of(text.clone()), "204": {} }), json!({ "type": ["string", "null"] }), ResultForm::Json),
        (
            json!({ "200": json_of(text.clone()), "201": json_of(json!({ "type": "integer" })) }),
            json!({ "anyOf": [text, { "type": "integer" }] }),
            ResultForm::Json,
        ),
        (json!({ "200": { "content": { "text/csv": {} } } }), json!({ "type": "string" }), ResultForm::Text),
        (json!({ "200": { "content": { "application/xml": {} } } }), json!({ "type": "string" }), ResultForm::Text),
        (
            json!({ "200": { "content": { "application/pdf": {} } } }),
            json!({ "type": "string", "contentEncoding": "base64" }),
            ResultForm::Bytes,
        ),
        (
            json!({ "200": { "content": { "application/x-ndjson": { "itemSchema": { "type": "integer" } } } } }),
            json!({ "type": "array", "items": { "type": "integer" } }),
            ResultForm::Json,
        ),
        (json!({ "404": {} }), json!(true), ResultForm::Unknown),
    ] {
        let read = described(&with("3.2.0", "get", json!({ "responses": responses }), json!({})));
        assert_eq!(read.interface.methods[0].result.as_value(), &result, "{responses}");
        assert_eq!(read.binding.operations[0].result, form, "{responses}");
    }
}

#[test]
fn a_description_may_be_in_several_documents() {
    let main = "openapi: 3.1.0\npaths:\n  /a: {$ref: 'paths/a.yaml'}\n  /b: {$ref: 'gone.yaml'}\n";
    let path = "get:\n  responses:\n    200:\n      content: {application/json: {schema: {$ref: '#/Own'}}}\n\
                Own: {type: object, properties: {pet: {$ref: '../pet.json'}}}\n";
    let pet = r#"{ "type": "object", "properties": { "again": { "$ref": "pet.json" } } }"#;
    let documents = [("api.yaml", main), ("paths/a.yaml", path), ("pet.json", pet)]
        .map(|(location, text)| Document { location, text });
    assert_eq!(references(documents[0]).unwrap(), ["paths/a.yaml", "gone.yaml"]);
    assert_eq!(references(documents[1]).unwrap(), ["../pet.json"]);
    let links =
        Links::from([((0, "paths/a.yaml".into()), 1), ((1, "../pet.json".into()), 2), ((2, "pet.json".into()), 2)]);
    let read = read_linked(&documents, &links).unwrap();
    assert_eq!(read.interface.methods.len(), 1);
    assert_eq!(read.left_out[0].reason, "the reference `gone.yaml` leads nowhere");
    let refer = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });
    assert_eq!(read.interface.methods[0].result.as_value(), &refer("Own"));
    assert_eq!(read.interface.defs["Own"]["properties"]["pet"], refer("pet"));
    assert_eq!(read.interface.defs["pet"]["properties"]["again"], refer("pet"));
}

#[test]
fn servers_of_operations_must_be_below_that_of_the_document() {
    let servers = |url: &str| json!([{ "url": url }]);
    let document = json!({
        "openapi": "3.0.0",
        "servers": servers("https://h.example/v1"),
        "paths": {
            "/a": { "get": { "servers": servers("https://h.example/v1/deep") } },
            "/b": { "get": { "servers": servers("https://other.example/v1") } },
            "/c": { "servers": servers("/v2"), "get": {} },
        },
    });
    let read = described(&document);
    assert_eq!(read.binding.operations.len(), 1);
    let literal = crate::codec::rest::PathPart::Literal("/deep".into());
    assert_eq!(read.binding.operations[0].path[0], literal);
    let reasons: Vec<&str> = read.left_out.iter().map(|left| left.reason.as_str()).collect();
    assert_eq!(reasons, ["it is on another server", "it is not below the path of the server"]);
}

#[test]
fn documents_are_bounded() {
    let deep = format!("{}1{}", "{\"a\":".repeat(2000), "}".repeat(2000));
    assert_eq!(read(Document { location: "a", text: &deep }).unwrap_err().kind, Kind::NotWellFormed);
    let wide = format!("{{\"openapi\":\"3.0.0\",\"x\":[{}1]}}", "1,".repeat(1_000_001));
    assert_eq!(read(Document { location: "a", text: &wide }).unwrap_err().kind, Kind::Limit);
}

/// A document whose one operation returns the schema `A`, with these schemas.
fn returning(schemas: Json) -> Json {
    let schema = json!({ "$ref": "#/components/schemas/A" });
    let operation = json!({ "responses": { "200": { "content": { "application/json": { "schema": schema } } } } });
    with("3.0.0", "get", operation, json!({ "components": { "schemas": schemas } }))
}

#[test]
fn schemas_that_combine_themselves_end() {
    let own = json!({ "$ref": "#/components/schemas/A", "allOf": [{}, {}] });
    described(&returning(json!({ "A": { "type": "object", "properties": { "x": own } } })));
    // Each level has the next one twice: 2^31 schemas.
    let next = |at: usize| json!({ "$ref": format!("#/components/schemas/L{}", at + 1) });
    let levels = (0..31).map(|at| (format!("L{at}"), json!({ "allOf": [next(at), next(at)] })));
    let mut schemas: serde_json::Map<String, Json> = levels.collect();
    schemas.insert("L31".into(), json!({ "type": "object", "properties": { "x": {} } }));
    schemas.insert("A".into(), json!({ "$ref": "#/components/schemas/L0" }));
    described(&returning(schemas.into()));
}

#[test]
fn what_operations_share_counts_for_each_of_them() {
    let text = "x".repeat(1 << 20);
    let shared =
        json!({ "name": "q", "in": "query", "description": text, "schema": { "type": "string", "default": text } });
    let operation = json!({ "get": { "parameters": [{ "$ref": "#/components/parameters/Q" }] } });
    let paths: serde_json::Map<String, Json> = (0..2000).map(|at| (format!("/p{at}"), operation.clone())).collect();
    let document = json!({ "openapi": "3.0.0", "paths": paths, "components": { "parameters": { "Q": shared } } });
    let fault = read(Document { location: "a", text: &document.to_string() }).unwrap_err();
    assert_eq!(fault.kind, Kind::Limit, "{fault}");
}

#[test]
fn all_documents_together_are_bounded() {
    let wide = format!("{{\"x\":[{}1]}}", "1,".repeat(400_000));
    let main = r#"{ "openapi": "3.0.0", "paths": { "/x": { "get": {} } } }"#;
    let document = |location, text| Document { location, text };
    let two = [document("main", main), document("a", &wide), document("b", &wide)];
    assert_eq!(read_linked(&two, &Links::new()).unwrap().interface.methods.len(), 1);
    let three = [document("main", main), document("a", &wide), document("b", &wide), document("c", &wide)];
    assert_eq!(read_linked(&three, &Links::new()).unwrap_err().kind, Kind::Limit);
}

#[test]
fn a_caller_cannot_set_the_headers_of_a_connection() {
    let header = |name: &str| json!({ "name": name, "in": "header", "schema": { "type": "string" } });
    let names = ["Content-Length", "transfer-encoding", "Connection", "Host", "X-Own", "TE", "Upgrade", "Expect"];
    let operation = json!({ "parameters": names.map(header) });
    let read = described(&with("3.0.0", "get", operation, json!({})));
    assert_eq!(params(&read).into_iter().map(|(name, ..)| name).collect::<Vec<_>>(), ["X-Own"]);
}

#[test]
fn an_operation_has_a_bounded_number_of_parameters() {
    let params: Vec<Json> = (0..1001).map(|at| json!({ "name": format!("q{at}"), "in": "query" })).collect();
    let document =
        json!({ "openapi": "3.0.0", "paths": { "/a": { "get": { "parameters": params } }, "/b": { "get": {} } } });
    let read = described(&document);
    assert_eq!(read.interface.methods.len(), 1);
    assert_eq!(read.left_out[0].reason, "it has more than 1000 parameters");
}

#[test]
fn a_method_of_another_croupier_has_one_operation() {
    let own = |id: &str| json!({ "x-method": "spin", "operationId": id });
    let paths = json!({
        "/spin": { "get": own("a"), "post": own("b") },
        "/route": { "post": own("c") },
        "/other": { "get": { "operationId": "spin" } },
    });
    let read = described(&json!({ "openapi": "3.1.0", "paths": paths }));
    let mut names: Vec<_> = read.interface.methods.iter().map(|method| method.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["get_other", "spin"]);
    let spin = read.binding.operations.iter().find(|operation| operation.method == "spin").unwrap();
    assert_eq!((spin.verb.as_str(), &spin.path[0]), ("POST", &crate::codec::rest::PathPart::Literal("/spin".into())));
}
