//! WSDL documents of servers and in files, as `add`, `check` and the server read them.

use std::net::SocketAddr;

use super::admin::Served;
use crate::support::peers::Folder;
use crate::support::process::ShutdownReport;
use crate::support::scripted::{Scripted, http};

const XML: &str = "Content-Type: text/xml\r\n";

fn ran(words: &[&str]) -> ShutdownReport {
    crate::support::process::run(
        std::process::Command::new(env!("CARGO_BIN_EXE_croupier")).args(words).env("NO_COLOR", "1"),
    )
}

fn printed(words: &[&str]) -> String {
    let ended = ran(words);
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{words:?}: {ended:?}");
    ended.stdout
}

/// A service with the operations `sound`, whose types are in the document, and `lost`, whose type is in `more.xsd`.
fn document(address: &str, location: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="iso-8859-1"?>
        <definitions targetNamespace="urn:t" xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
          xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" xmlns:m="urn:m">
        <types><x:schema targetNamespace="urn:t"><x:import namespace="urn:m" schemaLocation="{location}"/>
          <x:element name="Sound"><x:complexType><x:sequence><x:element name="a" type="x:string"/></x:sequence></x:complexType></x:element>
          <x:element name="Lost"><x:complexType><x:sequence><x:element name="b" type="m:More"/></x:sequence></x:complexType></x:element>
          <x:element name="Done"><x:complexType><x:sequence><x:element name="r" type="x:string"/></x:sequence></x:complexType></x:element>
        </x:schema></types>
        <message name="sound"><part name="p" element="t:Sound"/></message><message name="lost"><part name="p" element="t:Lost"/></message>
        <message name="done"><part name="p" element="t:Done"/></message>
        <portType name="P"><operation name="sound"><input message="t:sound"/><output message="t:done"/></operation>
          <operation name="lost"><input message="t:lost"/><output message="t:done"/></operation></portType>
        <binding name="B" type="t:P"><s:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
          <operation name="sound"><input><s:body use="literal"/></input><output><s:body use="literal"/></output></operation>
          <operation name="lost"><input><s:body use="literal"/></input><output><s:body use="literal"/></output></operation></binding>
        <service name="Losing"><port name="Port" binding="t:B"><s:address location="{address}"/></port></service></definitions>"#
    )
}

const MORE: &str = r#"<x:schema xmlns:x="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:m"><x:complexType name="More">
    <x:sequence><x:element name="n" type="x:int"/></x:sequence></x:complexType></x:schema>"#;

const DONE: &str = r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><t:Done xmlns:t="urn:t"><r>yes</r></t:Done></e:Body></e:Envelope>"#;

/// A server with the document at `/x/ask.wsdl`, the service at `/ask`, and HTML at `/x/page.xsd`.
fn server(location: &'static str) -> Scripted {
    Scripted::start(move |request| {
        if request.starts_with("GET /x/ask.wsdl") {
            http("200 OK", XML, &document("http://127.0.0.1:1/ask", location))
        } else if request.starts_with("GET /x/page.xsd") {
            http("200 OK", "Content-Type: text/html\r\n", "<html>nothing</html>")
        } else if request.starts_with("POST /ask ") {
            http("200 OK", XML, DONE)
        } else {
            http("404 Not Found", "", "")
        }
    })
}

fn group(address: SocketAddr, more: &str) -> String {
    format!(
        "listen = ['127.0.0.1:0']\n[admin]\nlisten = '127.0.0.1:0'\n[group.'/g'.upstream]\n\
         urls = ['http://{address}/ask']\nprotocol = 'soap'\n{more}\n"
    )
}

fn call(served: &Served, method: &str, params: &str) -> String {
    let request = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    served.call("/g", &request).1
}

#[test]
fn an_import_that_cannot_be_read_costs_the_operations_that_need_it_and_is_reported() {
    for (location, reason) in
        [("gone.xsd", "HTTP 404 Not Found"), ("page.xsd", "`html` is neither WSDL 1.1 nor XML Schema")]
    {
        let (folder, server) = (Folder::new(), server(location));
        let file = folder.file("a.toml", &group(server.address, "description = '/x/ask.wsdl'"));
        let told = printed(&["check", "--ask", &file]);
        for part in [
            ": 1 method over SOAP",
            &format!("/g    its import `/x/{location}` cannot be read: "),
            reason,
            "/g    its operation `lost` is left out: /x/ask.wsdl:",
            "there is no type `More` in the namespace `urn:m`",
        ] {
            assert!(told.contains(part), "{part:?} is not in {told}");
        }
        let added = printed(&["add", &format!("http://{}/x/ask.wsdl", server.address), "--path", "/g"]);
        assert!(
            added.contains("# - Its operation `lost` is left out: ") && added.contains("# - Its import "),
            "{added}"
        );
        let served = Served::start(&file);
        let log = served.process.wait_for_log("its operation `lost` is left out");
        assert!(log.contains("WARN"), "{log}");
        assert!(call(&served, "sound", r#"{"a":"x"}"#).contains(r#""result":"yes""#));
        assert!(call(&served, "lost", r#"{"b":{"n":1}}"#).contains("-32601"));
        let (_, status) = served.json("/status");
        let upstream = &status["groups"][0]["upstream"];
        assert_eq!(upstream["left-out"][0]["method"], "lost");
        assert!(upstream["left-out"][0]["reason"].as_str().unwrap().contains("no type `More`"), "{upstream}");
        assert_eq!(upstream["unread-imports"][0]["location"], format!("/x/{location}"));
        assert!(upstream["unread-imports"][0]["reason"].as_str().unwrap().contains(reason), "{upstream}");
    }
}

#[test]
fn a_document_in_a_file_imports_what_is_beside_it() {
    let (folder, server) = (Folder::new(), server(""));
    for name in ["w", "types"] {
        std::fs::create_dir(folder.path(name)).unwrap();
    }
    folder.file("w/ask.wsdl", &document("http://127.0.0.1:1/ask", "../types/more.xsd"));
    folder.file("types/more.xsd", MORE);
    let relative = folder.file("a.toml", &group(server.address, "description = 'file:w/ask.wsdl'"));
    let absolute =
        folder.file("w/a.toml", &group(server.address, &format!("description = 'file:{}'", folder.path("w/ask.wsdl"))));
    for file in [&relative, &absolute] {
        let told = ran(&["check", file]);
        assert!(told.code() == Some(0) && !told.stderr.contains("import"), "{told:?}");
        let served = Served::start(file);
        served.process.wait_for_log("has described itself");
        assert!(call(&served, "lost", r#"{"b":{"n":1}}"#).contains(r#""result":"yes""#), "{file}");
    }
    assert!(server.requests().iter().all(|request| request.starts_with("POST /ask ")), "{:?}", server.requests());

    // Only an absolute name leads out of the folder of the configuration.
    let outside = folder.file("w/b.toml", &group(server.address, "description = 'file:ask.wsdl'"));
    let told = ran(&["check", &outside]);
    assert!(told.stderr.contains("`../types/more.xsd` cannot be read: it is outside the folder"), "{told:?}");
    std::fs::remove_file(folder.path("types/more.xsd")).unwrap();
    let told = ran(&["check", &relative]);
    assert_eq!(told.code(), Some(0), "{told:?}");
    assert!(told.stderr.contains("an import of `w/ask.wsdl`: `types/more.xsd` cannot be read: "), "{told:?}");
    let told = ran(&["check", "--ask", &relative]).stdout;
    assert!(told.contains(": 1 method over SOAP") && told.contains("operation `lost` is left out"), "{told}");
    // A document that is of no use is reported without asking anything.
    folder.file("w/ask.wsdl", "<definitions");
    let told = ran(&["check", &relative]);
    assert!(told.stderr.contains("w/ask.wsdl: not well-formed"), "{told:?}");
}

#[test]
fn a_description_on_another_server_is_fetched_there_without_secrets() {
    let (folder, documents, service) = (Folder::new(), server("gone.xsd"), server(""));
    let more = format!(
        "description = 'http://{}/x/ask.wsdl'\nheaders = {{ X-Key = {{ text = 's3cret' }} }}\n",
        documents.address
    );
    let file = folder.file("a.toml", &group(service.address, &more));
    let served = Served::start(&file);
    served.process.wait_for_log("has described itself");
    assert!(call(&served, "sound", r#"{"a":"x"}"#).contains(r#""result":"yes""#));
    let [fetched, called] = [&documents, &service].map(Scripted::requests);
    assert!(fetched.iter().all(|request| request.starts_with("GET /x/") && !request.contains("s3cret")), "{fetched:?}");
    assert!(called.iter().all(|request| request.starts_with("POST /ask ") && request.contains("s3cret")), "{called:?}");
}

#[test]
fn the_url_of_a_document_leads_to_the_address_in_it() {
    let server = Scripted::start(|request| match request.split(' ').nth(1).unwrap_or_default() {
        "/single.svc?singleWsdl" | "/files/ask.wsdl" | "/files/ask.xml" | "/files/ask.xml?wsdl" | "/old?WSDL" => {
            http("200 OK", XML, &document("https://ask.example:8443/svc?x=1", "gone.xsd"))
        }
        "/broken.wsdl" => http("200 OK", XML, "<definitions><open></definitions>"),
        _ => http("404 Not Found", "", ""),
    });
    for path in ["/single.svc?singleWsdl", "/files/ask.wsdl", "/files/ask.xml", "/old?WSDL"] {
        let url = format!("http://{}{path}", server.address);
        let told = printed(&["add", &url]);
        for line in [
            "[group.\"/Losing\".upstream]".to_owned(),
            "urls = [\"https://ask.example:8443/svc?x=1\"]".to_owned(),
            format!("description = \"{url}\""),
        ] {
            assert!(told.lines().any(|told| told == line), "{path}: {line:?} is not in {told}");
        }
    }
    let ended = ran(&["add", &format!("http://{}/broken.wsdl", server.address)]);
    assert_eq!((ended.code(), ended.stderr.lines().count()), (Some(1), 1), "{ended:?}");
    assert!(
        ended.stderr.contains("broken.wsdl cannot be used: ") && ended.stderr.contains("not well-formed"),
        "{ended:?}"
    );
}

#[test]
fn a_document_in_a_file_is_added_without_asking_anything() {
    let folder = Folder::new();
    let file = folder.file("ask.wsdl", &document("http://ask.example/svc", "more.xsd"));
    folder.file("more.xsd", MORE);
    let told = printed(&["add", &file]);
    assert!(told.contains("It offers 2 methods"), "{told}");
    assert!(told.contains("\nurls = [\"http://ask.example/svc\"]\n"), "{told}");
    assert!(told.contains(&format!("\ndescription = \"file:{file}\"\n")), "{told}");
    let config = folder.file("a.toml", "listen = ['127.0.0.1:0']\n");
    printed(&["add", &file, "--config", &config, "--append"]);
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(
        text.contains("[group.\"/Losing\".upstream]") && text.contains("description = \"file:ask.wsdl\""),
        "{text}"
    );
    let checked = ran(&["check", &config]);
    assert!(checked.code() == Some(0) && !checked.stderr.contains("import"), "{checked:?}");
    let nowhere = folder.file("nowhere.wsdl", &document("", "more.xsd"));
    let told = printed(&["add", &nowhere]);
    assert!(told.contains("does not say where the service is"), "{told}");
    for (name, text, reason) in [
        ("a.wsdl", "<a", "not well-formed"),
        ("b.wsdl", "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'/>", "there is no SOAP port"),
        ("c.wsdl", "", "there is no element in the document"),
    ] {
        let ended = ran(&["add", &folder.file(name, text)]);
        assert!(ended.code() == Some(1) && ended.stderr.contains(reason), "{name}: {ended:?}");
    }
    let ended = ran(&["add", &folder.path("none.wsdl")]);
    assert!(ended.code() == Some(1) && ended.stderr.contains("none.wsdl` cannot be used: "), "{ended:?}");
}
