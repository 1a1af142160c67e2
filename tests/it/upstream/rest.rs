//! A REST server as an upstream: its document, the requests that it gets, and what becomes of its responses over each protocol.

use std::sync::Arc;

use croupier::model::shape::Shapes;
use croupier::protocol::Protocol;
use croupier::protocol::set::{ProtocolSet, ServerInfo};
use croupier::service::RpcService;
use croupier::upstream::transport;
use croupier::upstream::transport::Transport;
use croupier::upstream::{Upstream, UpstreamOptions};
use croupier::{Kind, Value};
use serde_json::json;

use crate::support::calls::{PATH, dialect, json_of};
use crate::support::over::{Behind, Over};
use crate::support::scripted::{Scripted, http};

const JSON: &str = "Content-Type: application/json\r\n";

fn document() -> String {
    let id =
        json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "integer", "format": "int64" } });
    let pet = json!({ "$ref": "#/components/schemas/Pet" });
    let returns_pet = json!({ "description": "", "content": { "application/json": { "schema": pet } } });
    let returns_text = json!({ "description": "", "content": { "text/plain": { "schema": { "type": "string" } } } });
    json!({
        "openapi": "3.0.3",
        "info": { "title": "Pets", "version": "7", "description": "A shop." },
        "servers": [{ "url": "/v1" }],
        "paths": {
            "/pets/{id}": {
                "parameters": [id],
                "get": {
                    "operationId": "readPet",
                    "summary": "Reads a pet.",
                    "parameters": [
                        { "name": "fields", "in": "query", "explode": false, "schema": { "type": "array", "items": { "type": "string" } } },
                        { "name": "near", "in": "query", "style": "deepObject",
                          "schema": { "type": "object", "properties": { "x": { "type": "number" }, "y": { "type": "number" } } } },
                        { "name": "X-Trace", "in": "header", "schema": { "type": "string" } },
                        { "name": "session", "in": "cookie", "schema": { "type": "string" } },
                    ],
                    "responses": { "200": returns_pet, "404": { "description": "No such pet." } },
                },
                "delete": { "operationId": "deletePet", "responses": { "204": { "description": "" } } },
            },
            "/pets": {
                "post": {
                    "operationId": "addPet",
                    "requestBody": { "required": true, "content": { "application/json": { "schema": pet } } },
                    "responses": { "201": returns_pet },
                },
            },
            "/photos": {
                "post": {
                    "requestBody": { "required": true, "content": { "multipart/form-data": { "schema": {
                        "type": "object",
                        "properties": { "title": { "type": "string" }, "file": { "type": "string", "format": "binary" } },
                        "required": ["file"],
                    } } } },
                    "responses": { "200": returns_text },
                },
            },
            "/photos/{id}": {
                "get": {
                    "operationId": "photo",
                    "parameters": [id],
                    "responses": { "200": { "description": "", "content": { "image/png": {} } } },
                },
            },
            "/search": {
                "post": {
                    "operationId": "search",
                    "requestBody": { "content": { "application/x-www-form-urlencoded": { "schema": {
                        "type": "object",
                        "properties": {
                            "text": { "type": "string" },
                            "tags": { "type": "array", "items": { "type": "string" } },
                        },
                    } } } },
                    "responses": { "200": returns_text },
                },
            },
        },
        "components": { "schemas": { "Pet": {
            "type": "object",
            "required": ["id", "name"],
            "properties": {
                "id": { "type": "integer", "format": "int64", "readOnly": true },
                "name": { "type": "string" },
                "born": { "type": "string", "format": "date-time", "nullable": true },
                "friends": { "type": "array", "items": pet },
            },
        } } },
    })
    .to_string()
}

fn server() -> Scripted {
    let pet = r#"{"id":9007199254740993,"name":"Rex","born":"1998-07-17T14:08:55Z","friends":[]}"#;
    Scripted::start(move |request| {
        let line = request.lines().next().unwrap_or_default();
        match line.split(' ').take(2).collect::<Vec<_>>().as_slice() {
            ["GET", "/openapi.json"] => http("200 OK", JSON, &document()),
            ["GET", "/v1/pets/404"] => {
                let problem = r#"{"type":"about:blank","title":"Not Found","detail":"no pet 404","status":404}"#;
                http("404 Not Found", "Content-Type: application/problem+json\r\n", problem)
            }
            ["GET", "/v1/photos/7"] => http("200 OK", "Content-Type: image/png\r\n", "\u{1}PNG"),
            ["GET", path] if path.starts_with("/v1/pets/") => http("200 OK", JSON, pet),
            ["POST", "/v1/pets"] => http("201 Created", JSON, pet),
            ["DELETE", _] => "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned(),
            ["POST", _] => http("200 OK", "Content-Type: text/plain; charset=utf-8\r\n", "done: é"),
            _ => http("404 Not Found", "", ""),
        }
    })
}

async fn behind(server: &Scripted) -> Behind {
    let address = format!("http://{}/", server.address).parse().unwrap();
    let transport = Transport::new(vec![address], transport::TransportOptions::default()).unwrap();
    let upstream = Upstream::new(transport, UpstreamOptions::new(Protocol::Rest)).unwrap();
    upstream.discover().await.unwrap();
    assert!(!upstream.discover().await.unwrap(), "a second discovery finds the same");
    let set = ProtocolSet { xml_rpc: dialect(), ..ProtocolSet::default() };
    let shapes = Shapes::of(&upstream.interface());
    Behind { service: Arc::new(upstream), shapes, frontends: set.of_group(PATH, &ServerInfo::default()) }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// The request that a call over a protocol becomes, and its result.
async fn exchange(
    server: &Scripted,
    behind: &Behind,
    over: Over,
    (method, args): (&str, &[Value]),
) -> (String, Result<Value, i64>) {
    let result = over.ask(behind, method, args).await;
    (server.requests().pop().unwrap(), result.map_err(|code| code.0))
}

#[tokio::test]
async fn the_document_becomes_the_interface() {
    let server = server();
    let behind = behind(&server).await;
    let interface = behind.service.interface();
    assert_eq!((interface.title.as_str(), interface.doc.as_str()), ("Pets", "A shop."));
    let methods: Vec<(String, bool)> = interface
        .methods
        .iter()
        .map(|method| {
            let names: Vec<&str> = method.params.iter().map(|param| param.name.as_str()).collect();
            (format!("{}({})", method.name, names.join(", ")), method.safe)
        })
        .collect();
    let expected = [
        ("readPet(id, fields, near, X-Trace, session)", true),
        ("deletePet(id)", false),
        ("addPet(name, born, friends)", false),
        ("post_photos(file, title)", false),
        ("photo(id)", true),
        ("search(text, tags)", false),
    ];
    assert_eq!(methods, expected.map(|(method, safe)| (method.to_owned(), safe)));
    assert_eq!(interface.methods[0].doc, "Reads a pet.\n\nFaults: 404 (No such pet).");
}

#[tokio::test]
async fn arguments_reach_their_places_over_every_protocol() {
    let server = server();
    let behind = behind(&server).await;
    let near = Value::Struct(vec![("x".into(), Value::Double(0.5)), ("y".into(), Value::Double(-2.25))]);
    let args = [Value::Int(i64::MAX), Value::Array(vec![text("a,b"), text("c d")]), near, text("tr-7"), text("s/1")];
    for over in Over::ALL {
        let (request, result) = exchange(&server, &behind, over, ("readPet", &args)).await;
        let line = "GET /v1/pets/9223372036854775807?fields=a%2Cb,c%20d&near%5Bx%5D=0.5&near%5By%5D=-2.25 HTTP/1.1";
        assert_eq!(request.lines().next(), Some(line), "{over:?}");
        let head = request.to_ascii_lowercase();
        for header in ["x-trace: tr-7", "cookie: session=s%2f1", "accept: application/json, */*;q=0.1"] {
            assert!(head.contains(&format!("\r\n{header}\r\n")), "{over:?}: {header} in {request}");
        }
        assert!(!head.contains("content-length") && !head.contains("content-type"), "{request}");
        let pet = result.unwrap();
        assert!(json_of(&pet).contains(r#""id":9007199254740993,"name":"Rex""#), "{over:?}: {pet:?}");
    }
}

#[tokio::test]
async fn bodies_are_written_as_the_document_says() {
    let server = server();
    let behind = behind(&server).await;
    for over in Over::ALL {
        // XML-RPC has no time zones.
        let born = Value::Date("1998-07-17T14:08:55".parse().unwrap());
        let (request, _) = exchange(&server, &behind, over, ("addPet", &[text("Rex \"é\""), born])).await;
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /v1/pets HTTP/1.1") && head.to_ascii_lowercase().contains("application/json"));
        let sent: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(sent, json!({ "name": "Rex \"é\"", "born": "1998-07-17T14:08:55" }), "{over:?}");

        let tags = Value::Array(vec![text("x y"), text("z&")]);
        let (request, result) = exchange(&server, &behind, over, ("search", &[text("a=b"), tags])).await;
        assert!(request.ends_with("\r\n\r\ntext=a%3Db&tags=x+y&tags=z%26"), "{over:?}: {request}");
        assert_eq!(result, Ok(text("done: é")));

        let file = Value::Binary(b"one\r\n--two".to_vec());
        let (request, _) = exchange(&server, &behind, over, ("post_photos", &[file, text("T")])).await;
        let boundary = request.split("boundary=").nth(1).unwrap().split("\r\n").next().unwrap();
        let form = "Content-Disposition: form-data; name=";
        let expected = format!(
            "--{boundary}\r\n{form}\"file\"; filename=\"file\"\r\nContent-Type: application/octet-stream\r\n\r\n\
             one\r\n--two\r\n--{boundary}\r\n{form}\"title\"\r\n\r\nT\r\n--{boundary}--\r\n"
        );
        assert!(request.ends_with(&expected), "{over:?}: {request}");
    }
}

#[tokio::test]
async fn responses_become_results_and_faults() {
    let server = server();
    let behind = behind(&server).await;
    for over in Over::ALL {
        let (_, deleted) = exchange(&server, &behind, over, ("deletePet", &[Value::Int(7)])).await;
        // XML-RPC says it with an empty text, because not every client knows nil.
        let nothing = if over == Over::XmlRpc { text("") } else { Value::Nil };
        assert_eq!(deleted, Ok(nothing), "{over:?}");
        let (_, photo) = exchange(&server, &behind, over, ("photo", &[Value::Int(7)])).await;
        let bytes = if over.has_types() { Value::Binary(b"\x01PNG".to_vec()) } else { text("AVBORw==") };
        assert_eq!(photo, Ok(bytes), "{over:?}");
        let (_, missing) = exchange(&server, &behind, over, ("readPet", &[Value::Int(404)])).await;
        assert_eq!(missing, Err(over.code(Kind::Service(Some(404))).0), "{over:?}");
    }
}

#[tokio::test]
async fn arguments_that_no_request_can_have_are_refused() {
    let server = server();
    let behind = behind(&server).await;
    let before = server.requests().len();
    for (method, args) in [
        ("readPet", vec![]),
        ("readPet", vec![text("..")]),
        ("readPet", vec![text("")]),
        ("readPet", vec![Value::Int(7), Value::Nil, Value::Nil, text("a\r\nb: c")]),
        ("readPet", vec![Value::Nil]),
        ("deletePet", vec![Value::Int(7), Value::Int(8)]),
    ] {
        let code = Over::JsonRpc.ask(&behind, method, &args).await;
        assert_eq!(code, Err(Over::JsonRpc.code(Kind::BadParams)), "{method} {args:?}");
    }
    assert_eq!(server.requests().len(), before);
}
