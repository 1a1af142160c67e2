//! Keys of a REST server in the query, in a header and in a cookie: sent with every request, and told to nobody.

use croupier::config::{Config, Registry};
use croupier::service::args::Args;
use croupier::service::{Call, Context, RpcService as _};

use crate::support::calls::text_of;
use crate::support::scripted::{Scripted, http};

const JSON: &str = "Content-Type: application/json\r\n";

fn document() -> &'static str {
    r#"{ "openapi": "3.1.0", "paths": { "/pets/{id}": { "get": { "operationId": "readPet", "parameters": [
        { "name": "api_key", "in": "query", "required": true, "schema": { "type": "string" } },
        { "name": "X-Key", "in": "header", "schema": { "type": "string" } },
        { "name": "sid", "in": "cookie", "schema": { "type": "string" } },
        { "name": "sid", "in": "query", "schema": { "type": "string" } },
        { "name": "lang", "in": "cookie", "schema": { "type": "string" } },
        { "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } } ] } } } }"#
}

#[tokio::test]
async fn keys_are_sent_with_every_request_and_are_no_parameters() {
    let server = Scripted::start(|request| match request.split(' ').nth(1).unwrap_or_default() {
        path if path.starts_with("/openapi.json") => http("200 OK", JSON, document()),
        path if path.starts_with("/pets/7") => http("302 Found", "Location: /pets/8?x=1\r\n", ""),
        path if path.starts_with("/pets/8") => http("200 OK", JSON, "[]"),
        _ => http("403 Forbidden", JSON, r#"{"message":"no"}"#),
    });
    let text = format!(
        "[group.\"/pets\".upstream]\nurls = [\"http://{}\"]\nprotocol = \"rest\"\n\
         headers = {{ x-key = {{ text = \"h-s3cret\" }} }}\nquery = {{ api_key = {{ text = \"q s3cret\" }} }}\n\
         cookies = {{ sid = {{ text = \"c-s3cret\" }} }}\n",
        server.address
    );
    let config = Config::parse("x.toml", &text, &Registry::standard()).unwrap();
    let upstream = config.groups[0].upstream.clone().unwrap();
    upstream.discover().await.unwrap();
    assert!(server.requests()[0].starts_with("GET /openapi.json?api_key=q%20s3cret HTTP/1.1\r\n"));
    let interface = upstream.interface();
    let params: Vec<&str> = interface.methods[0].params.iter().map(|param| param.name.as_str()).collect();
    assert_eq!(params, ["id", "sid_query", "lang"]);

    let called = async |json: &str| {
        let args = serde_json::value::RawValue::from_string(json.to_owned()).unwrap();
        upstream.call(Call::new("readPet", Args::Json(&args), &Context::default())).await
    };
    let output = called(r#"{"id":7,"sid_query":"own","lang":"en"}"#).await.unwrap();
    assert_eq!(text_of(output).unwrap(), "[]");
    let requests = server.requests();
    let lines: Vec<&str> = requests.iter().skip(1).map(|request| request.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        ["GET /pets/7?sid=own&api_key=q%20s3cret HTTP/1.1", "GET /pets/8?x=1&api_key=q%20s3cret HTTP/1.1"]
    );
    for request in requests.iter().skip(1) {
        let head = request.to_ascii_lowercase();
        assert!(head.contains("\r\nx-key: h-s3cret\r\n") && head.contains("\r\ncookie: lang=en; sid=c-s3cret\r\n"));
    }
    let fault = called(r#"{"id":9}"#).await.err().unwrap();
    assert_eq!(fault.message, "no");
}

#[tokio::test]
async fn keys_are_not_sent_to_the_server_of_the_description() {
    let server = Scripted::start(|_| http("200 OK", JSON, "[]"));
    let other = Scripted::start(|_| http("200 OK", JSON, document()));
    let text = format!(
        "[group.\"/pets\".upstream]\nurls = [\"http://{}\"]\nprotocol = \"rest\"\ndescription = \"http://{}/api.json\"\n\
         query = {{ api_key = {{ text = \"s3cret\" }} }}\ncookies = {{ sid = {{ text = \"s3cret\" }} }}\n",
        server.address, other.address
    );
    let config = Config::parse("x.toml", &text, &Registry::standard()).unwrap();
    config.groups[0].upstream.clone().unwrap().discover().await.unwrap();
    let requests = other.requests();
    assert!(requests.len() == 1 && requests[0].starts_with("GET /api.json HTTP/1.1\r\n"), "{requests:?}");
    assert!(!requests[0].contains("s3cret") && server.requests().is_empty(), "{requests:?}");
}
