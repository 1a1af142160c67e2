//! `croupier add` with servers of every kind: what it prints is in `tests/golden/add/*.toml`, and its error messages are
//! in `*.txt`. `UPDATE_GOLDEN=1` writes them instead.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use croupier::config::{Config, Registry};

use crate::support::process::{ShutdownReport, run};
use crate::support::running::Running;
use crate::support::scripted::{Scripted, answered, array, fault, fault_struct, http};

fn add(words: &[&str]) -> ShutdownReport {
    add_with(words, &[])
}

fn add_with(words: &[&str], environment: &[(&str, &str)]) -> ShutdownReport {
    let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
    run(command.arg("add").args(words).env("NO_COLOR", "1").envs(environment.iter().copied()))
}

/// Compares a text to a golden file, in which addresses have no port.
fn golden(name: &str, address: SocketAddr, text: &str) {
    let text = text.replace(&address.to_string(), "127.0.0.1:PORT");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/add").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "not as in {}", path.display());
}

/// What is printed for a server; it loads, but for secrets that are not there.
fn printed(name: &str, address: SocketAddr, words: &[&str]) -> String {
    let ended = add(words);
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{words:?}: {ended:?}");
    golden(name, address, &ended.stdout);
    let text = ended.stdout.lines().map(|line| match line.split_once("{ env = ") {
        Some((before, _)) => format!("{before}{{ text = \"\" }}\n"),
        None => format!("{line}\n"),
    });
    Config::parse(name, &text.collect::<String>(), &Registry::standard()).unwrap_or_else(|errors| panic!("{errors}"));
    ended.stdout
}

fn failed(name: &str, address: SocketAddr, words: &[&str]) -> String {
    let ended = add(words);
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(1), ""), "{words:?}: {ended:?}");
    golden(name, address, &ended.stderr);
    ended.stderr
}

fn wheels() -> Running {
    Running::configured(
        r#"
        [group."/all"]
        service = "wheel"
        options = { family = "american" }
        [group."/xml"]
        service = "diagnostics"
        protocols = ["xml-rpc"]
        [group."/json"]
        service = "wheel"
        options = { family = "american" }
        protocols = ["json-rpc"]
        [group."/soap"]
        service = "wheel"
        options = { family = "american" }
        protocols = ["soap"]
        "#,
    )
}

#[test]
fn our_own_groups_are_found_in_each_protocol() {
    let server = wheels();
    for (path, file) in [
        ("all", "all.toml"),
        ("xml", "xml.toml"),
        ("json", "json.toml"),
        ("soap", "soap.toml"),
        ("all/mcp", "mcp.toml"),
    ] {
        let url = format!("http://{}/{path}", server.address);
        printed(file, server.address, &[&url, "--path", "/wheel"]);
    }
    let url = format!("http://{}/soap?wsdl", server.address);
    printed("soap.toml", server.address, &[&url, "--path", "/wheel"]);
    let url = format!("http://{}/all", server.address);
    printed("all_as_xml.toml", server.address, &[&url, "--path", "/wheel", "--protocol", "xml-rpc"]);
}

#[test]
fn what_was_printed_is_served() {
    let server = wheels();
    for path in ["xml", "json", "soap", "all/mcp"] {
        let url = format!("http://{}/{path}", server.address);
        let text = add(&[&url, "--path", "/far"]).stdout;
        let config = Config::parse(path, &text, &Registry::standard()).unwrap();
        let remote = config.groups[0].upstream.clone().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        assert_eq!(runtime.block_on(remote.discover()), Ok(true), "{path}");
    }
}

/// Answers as supervisord does: flat signatures, bare results of multicalls, and no other path than `/RPC2`.
fn supervisor(request: &str) -> String {
    if !request.starts_with("POST /RPC2 ") {
        return http("404 Not Found", "Content-Type: text/html\r\n", "<html>Not here</html>");
    }
    let names = array(&["supervisor.getState", "supervisor.shutdown", "supervisor.startProcess", "system.listMethods"]);
    let method = request.split("<methodName>").nth(1).unwrap_or_default().split('<').next().unwrap();
    let body = match method {
        "system.listMethods" => answered(&names),
        "system.methodSignature" if request.contains("startProcess") => {
            answered(&array(&["boolean", "string", "boolean"]))
        }
        "system.methodSignature" if request.contains("shutdown") => fault(4, "SIGNATURE_UNSUPPORTED"),
        "system.methodSignature" => answered(&array(&["struct"])),
        "system.methodHelp" => answered("<string>It is what it is.</string>"),
        "system.multicall" if request.contains("<string>system.listMethods") => answered(&array(&[&names])),
        "system.multicall" => answered(&array(&["bare"; 6])),
        _ => fault(1, "UNKNOWN_METHOD"),
    };
    http("200 OK", "Content-Type: text/xml\r\n", &body)
}

#[test]
fn flat_signatures_and_bare_results_are_reported_and_only_introspection_is_called() {
    let server = Scripted::start(supervisor);
    printed("supervisor.toml", server.address, &[&format!("http://{}", server.address)]);
    let called = server.called();
    assert!(called.iter().any(|name| name == "system.multicall"), "{called:?}");
    for name in called {
        let harmless = ["listMethods", "methodSignature", "methodHelp", "getCapabilities", "multicall"];
        let harmless = harmless.iter().any(|own| name == format!("system.{own}"))
            || ["rpc.discover", "server/discover", "initialize"].contains(&name.as_str());
        assert!(harmless, "{name} was called");
    }
}

#[test]
fn a_password_is_wanted_and_never_shown() {
    let secret = "Authorization: Basic YW5uOnMzY3JldA==";
    let server = Scripted::start(move |request| match request.to_lowercase().contains(&secret.to_lowercase()) {
        true => supervisor(request),
        false => http("401 Unauthorized", "WWW-Authenticate: Basic realm=\"default\"\r\n", "<html>no</html>"),
    });
    let address = server.address;
    failed("locked.txt", address, &[&format!("http://{address}/RPC2"), "--path", "/guarded"]);
    let refused = failed("refused.txt", address, &[&format!("http://ann:wr0ng@{address}/RPC2")]);
    assert!(!refused.contains("wr0ng"));
    let words = [format!("http://ann:s3cret@{address}/RPC2"), "--path".into(), "/guarded".into()];
    let text = printed("guarded.toml", address, &words.each_ref().map(String::as_str));
    assert!(!text.contains("s3cret"));
    let url = format!("http://{address}/RPC2");
    let words = [&url, "--path", "/guarded", "--user", "ann"];
    assert_eq!(add_with(&words, &[("GUARDED_PASSWORD", "s3cret")]).stdout, text);
    failed("no_variable.txt", address, &words);
}

/// Answers as aria2 does that has a secret.
fn downloads(request: &str) -> String {
    let method = request.split("\"method\":\"").nth(1).unwrap_or_default().split('"').next().unwrap();
    match method {
        "system.listMethods" if request.contains("\"params\":{") => {
            let error = r#"{"id":1,"jsonrpc":"2.0","error":{"code":-32602,"message":"Invalid params."}}"#;
            http("500 Internal Server Error", "", error)
        }
        "system.listMethods" => {
            let names = r#"{"id":1,"jsonrpc":"2.0","result":["aria2.addUri","aria2.tellStatus","aria2.shutdown"]}"#;
            http("200 OK", "", names)
        }
        "" => http("400 Bad Request", "", ""),
        _ => {
            let error = r#"{"id":1,"jsonrpc":"2.0","error":{"code":1,"message":"Unauthorized"}}"#;
            http("400 Bad Request", "", error)
        }
    }
}

#[test]
fn a_secret_parameter_and_positional_parameters_are_reported() {
    let server = Scripted::start(downloads);
    printed("downloads.toml", server.address, &[&format!("http://{}/jsonrpc", server.address)]);
}

/// Answers as bitcoind does: by JSON-RPC 1.0, with an HTTP status for each error.
fn node(request: &str) -> String {
    let json = "Content-Type: application/json\r\n";
    if !request.starts_with("POST") || !request.contains("\"method\"") {
        return http("405 Method Not Allowed", "", "JSONRPC server handles only POST requests");
    }
    http("404 Not Found", json, r#"{"result":null,"error":{"code":-32601,"message":"Method not found"},"id":1}"#)
}

#[test]
fn the_form_of_responses_is_reported() {
    let server = Scripted::start(node);
    printed("node.toml", server.address, &[&format!("http://{}/", server.address), "--path", "/node"]);
    let colours = Scripted::start(|request| match request.contains("system.methodHelp") {
        true => http("200 OK", "Content-Type: text/xml\r\n", &answered("<string>\u{1b}[31mred\u{1b}[0m</string>")),
        false => supervisor(request),
    });
    printed("colours.toml", colours.address, &[&format!("http://{}/RPC2", colours.address), "--path", "/colours"]);
}

#[test]
fn scgi_is_found_at_an_http_url_and_wide_integers_are_reported() {
    let server = Scripted::start(|request| {
        if !request.starts_with(|c: char| c.is_ascii_digit()) {
            return String::new();
        }
        let body = match request.split("<methodName>").nth(1).unwrap_or_default().split('<').next().unwrap() {
            "system.listMethods" => answered(&array(&["d.name", "execute.throw", "get_port"])),
            "system.multicall" => answered(&array(&[&fault_struct(-501, "no")])),
            "system.methodSignature" => answered("undef"),
            "system.getCapabilities" => answered("<i8>1</i8>"),
            _ => fault(-506, "Method not defined"),
        };
        format!("Status: 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    });
    let address = server.address;
    printed("scgi.toml", address, &[&format!("http://{address}/RPC2"), "--path", "/torrents"]);
    printed("scgi_said.toml", address, &[&format!("scgi://{address}/RPC2"), "--path", "/torrents"]);
}

#[test]
fn the_url_may_be_that_of_the_wsdl_document_and_its_ports_are_listed() {
    let document = include_str!("../../fixtures/wsdl/many-ports.wsdl");
    let server = Scripted::start(|request| match request.starts_with("GET /calc.wsdl ") {
        true => http("200 OK", "Content-Type: text/xml\r\n", document),
        false => http("404 Not Found", "", ""),
    });
    printed("ports.toml", server.address, &[&format!("http://{}/calc.wsdl", server.address), "--path", "/calc"]);
}

/// A REST server whose document is at `/api/openapi.json` and at `/docs/pets.yaml`.
fn pets(request: &str) -> String {
    let json = r#"{"openapi":"3.0.0","info":{"title":"Pets"},"servers":[{"url":"/v2"}],"paths":{
        "/pets":{"get":{"operationId":"listPets","security":[{"key":[]}]},"post":{"requestBody":{"content":{"text/xml":{}}}}},
        "/pets/{id}":{"delete":{"operationId":"deletePet","security":[{"key":[]}]}}},
        "components":{"securitySchemes":{"key":{"type":"apiKey","in":"query","name":"api_key"}}}}"#;
    let yaml = "swagger: '2.0'\nhost: pets.example\nbasePath: /v3\nschemes: [https]\npaths: {/pets: {get: {}}}\n";
    let path = request.split(' ').nth(1).unwrap_or_default();
    match path {
        "/api/openapi.json" => http("200 OK", "Content-Type: application/json\r\n", json),
        "/docs/pets.yaml" => http("200 OK", "Content-Type: application/yaml\r\n", yaml),
        _ => http("404 Not Found", "Content-Type: text/html\r\n", "<html></html>"),
    }
}

#[test]
fn a_rest_server_is_found_by_its_openapi_document() {
    let server = Scripted::start(pets);
    printed("rest.toml", server.address, &[&format!("http://{}/", server.address), "--path", "/pets"]);
    let requests = server.requests();
    assert!(
        requests.iter().all(|request| request.starts_with("GET ")
            || request.starts_with("POST / ")
            || request.starts_with("POST /RPC2 ")
            || request.starts_with("POST /jsonrpc ")),
        "{requests:?}"
    );
    let given = Scripted::start(pets);
    let url = format!("http://{}/docs/pets.yaml", given.address);
    printed("rest_document.toml", given.address, &[&url, "--path", "/pets"]);
    assert_eq!(given.requests().len(), 1);
}

#[test]
fn a_server_without_a_method_list_is_reported() {
    let server = Scripted::start(|request| match request.starts_with("POST") && request.contains("<methodCall>") {
        true => http("200 OK", "Content-Type: text/xml\r\n", &answered("<struct></struct>")),
        false => http("405 Method Not Allowed", "", ""),
    });
    printed("mute.toml", server.address, &[&format!("http://{}/xmlrpc.php", server.address), "--path", "/wiki"]);
}

#[test]
fn a_server_without_a_known_protocol_is_reported_with_its_response() {
    let page = "<!DOCTYPE html>\n<html><body>Welcome</body></html>";
    let server = Scripted::start(move |_| http("200 OK", "Content-Type: text/html\r\n", page));
    failed("page.txt", server.address, &[&format!("http://{}/index.html", server.address)]);
    let server = Scripted::start(|_| http("301 Moved Permanently", "Location: https://wheel.example/RPC2\r\n", ""));
    failed("moved.txt", server.address, &[&format!("http://{}/RPC2", server.address)]);
    let server = Scripted::start(|_| http("404 Not Found", "", r#"{"error":{"code":404,"message":"no such path"}}"#));
    failed("api.txt", server.address, &[&format!("http://{}/v1", server.address)]);
}

#[test]
fn an_unreachable_server_is_reported() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    failed("late.txt", address, &[&format!("http://{address}"), "--timeout", "100ms"]);
    drop(listener);
    failed("gone.txt", address, &[&format!("http://{address}")]);
    failed("no_socket.txt", address, &["unix:/no/such.sock"]);
    failed("no_url.txt", address, &["localhost:9001"]);
}

/// A file that is removed at the end.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str, text: &str) -> File {
        let path = std::env::temp_dir().join(format!("croupier-add-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        File(path)
    }

    fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const OWN: &str = "# My own words.\nlisten = [\"127.0.0.1:0\"] # here\n\n[group.\"/mine\"]\nservice = \"wheel\"\n\
                   options = { family = 'mini' }   # oddly   spaced";

#[test]
fn a_group_is_appended_and_the_rest_of_the_file_stays() {
    let server = Scripted::start(downloads);
    let url = format!("http://{}/jsonrpc", server.address);
    let file = File::new("appended", OWN);
    let ended = add(&[&url, "--config", file.name(), "--append"]);
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(ended.stdout, format!("{}: the group /aria2 has been appended\n", file.name()));
    let printed = add(&[&url, "--config", File::new("printed", OWN).name()]).stdout;
    assert_eq!(file.text(), format!("{OWN}\n\n{printed}"));
}

#[test]
fn a_path_that_is_taken_and_a_file_that_does_not_load_are_left_alone() {
    let server = Scripted::start(downloads);
    let url = format!("http://{}/jsonrpc", server.address);
    for (name, text, path, said) in [
        ("taken", OWN, "/mine", "the path `/mine` is taken"),
        ("alias", &OWN.replace("options", "aliases = [\"/other\"]\noptions"), "/other", "duplicate path `/other`"),
        ("broken", "listen = [", "/aria2", "error in"),
        ("unsound", &OWN.replace("mini", "tiny"), "/aria2", "tiny"),
        ("path", OWN, "/a b", "/a b"),
    ] {
        let file = File::new(name, text);
        let ended = add(&[&url, "--path", path, "--config", file.name(), "--append"]);
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.stderr.contains(said), "{name}: {ended:?}");
        assert_eq!(file.text(), text);
    }
    let ended = add(&[&url, "--config", "/no/such/file.toml", "--append"]);
    assert_eq!(ended.code(), Some(1));
    assert!(ended.stderr.contains("`/no/such/file.toml` cannot be read"), "{ended:?}");
    assert_eq!(add(&[&url, "--append"]).code(), Some(2));
}
