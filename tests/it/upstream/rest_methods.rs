//! A REST server whose methods are configured, without a document and beside one.

use std::sync::Arc;

use croupier::config::{Config, Registry};
use croupier::model::shape::Shapes;
use croupier::protocol::Protocol;
use croupier::protocol::rest::methods::{ParamIn, RestMethod, RestParam, UpstreamRoute};
use croupier::protocol::set::{ProtocolSet, ServerInfo};
use croupier::service::RpcService;
use croupier::upstream::transport::{Transport, TransportOptions};
use croupier::upstream::{DescriptionSource, Upstream, UpstreamOptions};
use croupier::{Kind, Value};
use serde_json::json;

use crate::support::calls::{PATH, dialect};
use crate::support::over::{Behind, Over};
use crate::support::scripted::{Scripted, http};

const JSON: &str = "Content-Type: application/json\r\n";

fn upstream(server: &Scripted, options: UpstreamOptions) -> Upstream {
    let address = format!("http://{}/api", server.address).parse().unwrap();
    Upstream::new(Transport::new(vec![address], TransportOptions::default()).unwrap(), options).unwrap()
}

async fn behind(server: &Scripted, options: UpstreamOptions) -> Behind {
    let upstream = upstream(server, options);
    upstream.discover().await.unwrap();
    assert!(!upstream.discover().await.unwrap(), "a second discovery finds the same");
    let set = ProtocolSet { xml_rpc: dialect(), ..ProtocolSet::default() };
    let shapes = Shapes::of(&upstream.interface());
    Behind { service: Arc::new(upstream), shapes, frontends: set.of_group(PATH, &ServerInfo::default()) }
}

fn route(text: &str) -> UpstreamRoute {
    UpstreamRoute::read(text).unwrap()
}

fn param(name: &str, schema: serde_json::Value) -> RestParam {
    RestParam { schema, ..RestParam::new(name) }
}

/// A method to read a pet, and one to write it.
fn methods() -> Vec<RestMethod> {
    let trace = RestParam {
        place: Some(ParamIn::Header),
        name_in_request: Some("X-Trace".to_owned()),
        ..param("trace", json!({ "type": "string" }))
    };
    let read = RestMethod {
        params: vec![
            trace,
            param("tags", json!({ "type": "array", "items": { "type": "string" } })),
            param("id", json!({ "type": "integer" })),
        ],
        result: json!({ "type": "object", "properties": { "name": { "type": "string" } } }),
        doc: "Reads a pet.".to_owned(),
        ..RestMethod::new("readPet", route("GET /pets/{id}?full=1"))
    };
    let mut name = param("name", json!({ "type": "string" }));
    name.required = Some(true);
    let write = RestMethod {
        params: vec![param("id", json!({ "type": "integer" })), name, param("born", json!(true))],
        ..RestMethod::new("writePet", route("PUT /pets/{id}"))
    };
    vec![read, write]
}

#[tokio::test]
async fn they_need_no_document_and_no_request_for_one() {
    let server = Scripted::start(|request| match request.starts_with("GET /api/pets/7") {
        true => http("200 OK", JSON, r#"{"name":"Rex"}"#),
        false => http("200 OK", "Content-Type: text/plain\r\n", "written"),
    });
    let options = UpstreamOptions { methods: methods(), ..UpstreamOptions::new(Protocol::Rest) };
    let behind = behind(&server, options).await;
    assert_eq!(server.requests(), Vec::<String>::new());
    let interface = behind.service.interface();
    let safe: Vec<(&str, bool)> = interface.methods.iter().map(|method| (method.name.as_str(), method.safe)).collect();
    assert_eq!(
        (safe, interface.methods[0].doc.as_str()),
        (vec![("readPet", true), ("writePet", false)], "Reads a pet.")
    );
    for over in Over::ALL {
        let tags = Value::Array(vec![Value::Text("a b".into()), Value::Text("c".into())]);
        let pet = over.ask(&behind, "readPet", &[Value::Text("t-7".into()), tags, Value::Int(7)]).await;
        assert_eq!(pet, Ok(Value::Struct(vec![("name".into(), Value::Text("Rex".into()))])), "{over:?}");
        let request = server.requests().pop().unwrap();
        assert!(request.starts_with("GET /api/pets/7?full=1&tags=a%20b&tags=c HTTP/1.1\r\n"), "{over:?}: {request}");
        assert!(request.to_ascii_lowercase().contains("\r\nx-trace: t-7\r\n"), "{request}");

        let written = over.ask(&behind, "writePet", &[Value::Int(8), Value::Text("Ann".into())]).await;
        assert_eq!(written, Ok(Value::Text("written".into())), "{over:?}");
        let request = server.requests().pop().unwrap();
        assert!(request.starts_with("PUT /api/pets/8 HTTP/1.1\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\n{\"name\":\"Ann\"}"), "{over:?}: {request}");
    }
    let missing = Over::JsonRpc.ask(&behind, "writePet", &[Value::Int(8)]).await;
    assert_eq!(missing, Err(Over::JsonRpc.code(Kind::BadParams)));
}

#[tokio::test]
async fn they_are_beside_those_of_a_document() {
    let document = json!({
        "openapi": "3.1.0",
        "servers": [{ "url": "/other" }],
        "paths": {
            "/pets/{id}": { "get": { "operationId": "readPet" }, "delete": { "operationId": "deletePet" } },
        },
    });
    let server = Scripted::start(|_| http("200 OK", JSON, "{}"));
    let description = DescriptionSource::Text { name: "api.json".to_owned(), text: document.to_string() };
    let options =
        UpstreamOptions { description: Some(description), methods: methods(), ..UpstreamOptions::new(Protocol::Rest) };
    let behind = behind(&server, options).await;
    let interface = behind.service.interface();
    let names: Vec<&str> = interface.methods.iter().map(|method| method.name.as_str()).collect();
    assert_eq!(names, ["deletePet", "readPet", "writePet"]);
    Over::JsonRpc.ask(&behind, "readPet", &[Value::Nil, Value::Nil, Value::Int(7)]).await.unwrap();
    Over::JsonRpc.ask(&behind, "deletePet", &[Value::Text("8".into())]).await.unwrap();
    let lines: Vec<String> =
        server.requests().iter().map(|request| request.lines().next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["GET /api/pets/7?full=1 HTTP/1.1", "DELETE /api/pets/8 HTTP/1.1"]);
}

#[tokio::test]
async fn they_are_read_from_the_configuration() {
    let server = Scripted::start(|_| http("200 OK", JSON, "[]"));
    let text = format!(
        r#"
        [group."/pets".upstream]
        urls = ["http://{}"]
        protocol = "rest"
        [group."/pets".upstream.methods.find]
        route = "POST /pets/{{shop}}/find"
        result = "array"
        params.kind = {{ required = true, type = "string" }}
        params.shop = {{ default = "main" }}
        params.limit = {{ in = "query", type = "integer" }}
        "#,
        server.address
    );
    let config = Config::parse("x.toml", &text, &Registry::standard()).unwrap_or_else(|errors| panic!("{errors}"));
    let upstream = config.groups[0].upstream.clone().unwrap();
    upstream.discover().await.unwrap();
    let interface = upstream.interface();
    let params: Vec<(&str, bool)> =
        interface.methods[0].params.iter().map(|param| (param.name.as_str(), param.required)).collect();
    assert_eq!(params, [("kind", true), ("shop", false), ("limit", false)]);
    let set = ProtocolSet::default();
    let shapes = Shapes::of(&interface);
    let behind = Behind { service: Arc::new(upstream), shapes, frontends: set.of_group(PATH, &ServerInfo::default()) };
    Over::JsonRpc.ask(&behind, "find", &[Value::Text("dog".into()), Value::Nil, Value::Int(3)]).await.unwrap();
    let request = server.requests().pop().unwrap();
    assert!(request.starts_with("POST /pets/main/find?limit=3 HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n{\"kind\":\"dog\"}"), "{request}");
}
