//! OpenAPI documents of servers and in files, as `add`, `check`, `call` and the server read them.

use std::net::SocketAddr;

use super::admin::Served;
use crate::support::peers::Folder;
use crate::support::process::ShutdownReport;
use crate::support::scripted::{Scripted, http};

const JSON: &str = "Content-Type: application/json\r\n";

/// A service whose operation `lost` needs another document.
const MAIN: &str = "openapi: 3.1.0
info: {title: Pets}
servers: [{url: 'https://pets.example/v1'}]
paths:
  /pets/{id}:
    get:
      operationId: readPet
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {200: {content: {application/json: {schema: {$ref: 'types/pet.yaml#/Pet'}}}}}
  /lost: {$ref: 'types/lost.yaml'}
";
const TYPES: &str = "Pet: {type: object, properties: {name: {type: string}}}\n";
const LOST: &str = "get: {operationId: lost}\n";

fn ran(words: &[&str]) -> ShutdownReport {
    crate::support::process::run(
        std::process::Command::new(env!("CARGO_BIN_EXE_croupier")).args(words).env("NO_COLOR", "1"),
    )
}

fn server() -> Scripted {
    Scripted::start(|request| match request.split(' ').nth(1).unwrap_or_default() {
        "/v1/pets/7" => http("200 OK", JSON, r#"{"name":"Rex"}"#),
        "/v1/lost" => http("200 OK", JSON, "1"),
        "/api.yaml" => http("200 OK", "Content-Type: application/yaml\r\n", MAIN),
        "/types/pet.yaml" => http("200 OK", "Content-Type: text/plain\r\n", TYPES),
        _ => http("404 Not Found", "", ""),
    })
}

fn group(address: SocketAddr, more: &str) -> String {
    format!(
        "listen = ['127.0.0.1:0']\n[admin]\nlisten = '127.0.0.1:0'\n[group.'/g'.upstream]\n\
         urls = ['http://{address}']\nprotocol = 'rest'\n{more}\n"
    )
}

fn call(served: &Served, method: &str, params: &str) -> String {
    let request = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#);
    served.call("/g", &request).1
}

#[test]
fn a_document_in_a_file_refers_to_what_is_beside_it() {
    let (folder, server) = (Folder::new(), server());
    std::fs::create_dir(folder.path("types")).unwrap();
    folder.file("api.yaml", MAIN);
    folder.file("types/pet.yaml", TYPES);
    folder.file("types/lost.yaml", LOST);
    let file = folder.file("a.toml", &group(server.address, "description = 'file:api.yaml'"));
    let checked = ran(&["check", &file]);
    assert!(checked.code() == Some(0) && !checked.stderr.contains("import"), "{checked:?}");
    let served = Served::start(&file);
    served.process.wait_for_log("has described itself");
    assert!(call(&served, "readPet", "[7]").contains(r#""result":{"name":"Rex"}"#));
    assert!(call(&served, "lost", "[]").contains(r#""result":1"#));
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.starts_with("GET /v1/")), "{requests:?}");

    std::fs::remove_file(folder.path("types/lost.yaml")).unwrap();
    let checked = ran(&["check", &file]);
    assert!(checked.stderr.contains("an import of `api.yaml`: `types/lost.yaml` cannot be read: "), "{checked:?}");
    let told = ran(&["check", "--ask", &file]).stdout;
    assert!(told.contains(": 1 method over REST, 1 of them safe"), "{told}");
    assert!(told.contains("operation `* /lost` is left out: the reference `types/lost.yaml` leads nowhere"), "{told}");
    folder.file("api.yaml", "swagger: '1.2'\n");
    let checked = ran(&["check", &file]);
    assert!(checked.stderr.contains("the version `1.2` of Swagger is not supported"), "{checked:?}");
}

#[test]
fn what_a_document_of_a_server_refers_to_is_fetched_from_the_server() {
    let (folder, server) = (Folder::new(), server());
    let file = folder.file("a.toml", &group(server.address, "description = '/api.yaml'"));
    let served = Served::start(&file);
    let log = served.process.wait_for_log("its operation `* /lost` is left out");
    assert!(log.contains("WARN"), "{log}");
    assert!(call(&served, "readPet", "[7]").contains(r#""result":{"name":"Rex"}"#));
    let (_, status) = served.json("/status");
    let upstream = &status["groups"][0]["upstream"];
    assert_eq!(upstream["unread-imports"][0]["location"], "/types/lost.yaml", "{upstream}");
}

#[test]
fn the_command_line_calls_a_server_by_its_document() {
    let server = server();
    let url = format!("http://{}/api.yaml", server.address);
    let called = ran(&["call", "--protocol", "rest", &url, "readPet", "id=7"]);
    assert_eq!((called.code(), called.stdout.as_str()), (Some(0), "{\"name\":\"Rex\"}\n"), "{called:?}");
    let described = ran(&["describe", &url]);
    assert!(described.stdout.contains("1 method over REST\n\nreadPet(id: int) -> "), "{described:?}");
}

#[test]
fn a_document_in_a_file_is_added_without_asking_anything() {
    let folder = Folder::new();
    let file = folder.file("pets.json", r#"{"openapi":"3.0.0","paths":{"/a":{"get":{}},"/b":{"trace":{}}}}"#);
    let told = ran(&["add", &file]).stdout;
    assert!(told.contains("It offers 1 method, as its OpenAPI document says."), "{told}");
    assert!(told.contains("Its operation `TRACE /b` is left out"), "{told}");
    assert!(told.contains("Its OpenAPI document does not say where the service is."), "{told}");
    assert!(told.contains(&format!("\nprotocol = \"rest\"\ndescription = \"file:{file}\"\n")), "{told}");
    let ended = ran(&["add", &folder.file("other.yaml", "a: b")]);
    assert!(ended.code() == Some(1) && ended.stderr.contains("neither a member `openapi`"), "{ended:?}");
}
