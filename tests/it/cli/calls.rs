//! `croupier call` and `croupier describe`: over each protocol, found by themselves or given, with credentials.

use serde_json::{Value, json};

use super::commands::{Folder, croupier, failed_with, ran, serve, succeeded};
use crate::support::process::run;
use crate::support::running::Running;
use crate::support::scripted::{Scripted, answered, fault, http};

const PROTOCOLS: [&str; 4] = ["xml-rpc", "json-rpc", "rest", "soap"];

/// A group for each protocol, with that protocol only.
fn groups() -> Running {
    let group = |protocol: &str| {
        format!(
            "[group.'/{protocol}']\nservice = 'wheel'\noptions = {{ family = 'american', seed = 1 }}\n\
             protocols = ['{protocol}']\n"
        )
    };
    Running::configured(&PROTOCOLS.map(group).concat())
}

#[test]
fn call_prints_each_result_as_a_line_of_json() {
    let (_server, url) = serve(&[]);
    let spin = succeeded(&["call", &url, "spin"]);
    assert_eq!(serde_json::from_str::<[String; 4]>(&spin).unwrap().len(), 4, "{spin}");
    let spins = succeeded(&["call", "--repeat", "3", &url, "spinList", "2"]);
    let spins: Vec<Vec<[String; 4]>> = spins.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(spins.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
    let diagnostics = format!("{url}/diagnostics");
    let value = r#"{"a":[1,-2.5,"é",true],"b":null,"c":8589934592}"#;
    assert_eq!(succeeded(&["call", &diagnostics, "echo", value]), format!("{value}\n"));
    assert_eq!(succeeded(&["call", &diagnostics, "echo", "-7"]), "-7\n");
}

#[test]
fn every_protocol_is_found_and_can_be_given() {
    let server = groups();
    for protocol in PROTOCOLS {
        let url = format!("http://{}/{protocol}", server.address);
        for words in [&["call", &url, "spinList", "3"][..], &["call", &url, "--protocol", protocol, "spinList", "3"]] {
            let spins: Vec<Value> = serde_json::from_str(&succeeded(words)).unwrap();
            assert_eq!(spins.len(), 3, "{words:?}");
        }
        let other = if protocol == "xml-rpc" { "json-rpc" } else { "xml-rpc" };
        failed_with(3, &["call", &url, "--protocol", other, "spin"]);
    }
    for protocol in ["json-rpc", "rest", "soap"] {
        let url = format!("http://{}/{protocol}", server.address);
        let spins: Vec<Value> = serde_json::from_str(&succeeded(&["call", &url, "spinList", "spins=2"])).unwrap();
        assert_eq!(spins.len(), 2, "{protocol}");
    }
    // XML-RPC comes first, but not for names.
    let config = "[group.'/RPC2']\nservice = 'wheel'\noptions.family = 'american'\n\
                  [group.'/old']\nservice = 'wheel'\noptions.family = 'mini'\nprotocols = ['xml-rpc', 'rest']\n";
    let both = Running::configured(config);
    for path in ["/RPC2", "/old", "/"] {
        let url = format!("http://{}{path}", both.address);
        let spins: Vec<Value> = serde_json::from_str(&succeeded(&["call", &url, "spinList", "spins=2"])).unwrap();
        assert_eq!(spins.len(), 2, "{path}");
    }
    // A URL without a path is that of the usual paths, too.
    succeeded(&["call", &format!("http://{}/", both.address), "spinList", "3"]);
    // XML-RPC knows no names, and the server has not said which parameter is which.
    let url = format!("http://{}/xml-rpc", server.address);
    assert!(failed_with(1, &["call", &url, "spinList", "spins=2"]).contains("Give the arguments by position"));
    // The address of a WSDL document is that of the service, too.
    let wsdl = format!("http://{}/soap?wsdl", server.address);
    succeeded(&["call", &wsdl, "spin"]);
}

#[test]
fn a_fault_has_the_code_of_its_protocol_and_the_exit_code_1() {
    let server = groups();
    for protocol in PROTOCOLS {
        let url = format!("http://{}/{protocol}", server.address);
        let unknown = failed_with(1, &["call", &url, "--protocol", protocol, "nothing"]);
        assert!(
            unknown.starts_with("croupier: fault -32601: ") && unknown.contains("nothing"),
            "{protocol}: {unknown}"
        );
        let refused = failed_with(1, &["call", "--json", &url, "--protocol", protocol, "spinList", "\"three\""]);
        let refused: Value = serde_json::from_str(&refused).unwrap();
        assert_eq!(refused["fault"]["code"], -32602, "{protocol}: {refused}");
        assert!(refused["fault"]["message"].as_str().unwrap().contains("spins"), "{protocol}: {refused}");
    }
}

#[test]
fn a_call_without_a_result_has_the_exit_code_3_and_a_wrong_command_line_2() {
    let (server, url) = serve(&[]);
    let argument = failed_with(2, &["call", &url, "spinList", "three"]);
    assert!(
        argument.contains("the argument three is not valid JSON") && argument.contains("'\"three\"'"),
        "{argument}"
    );
    let nowhere = failed_with(3, &["call", &format!("{url}/nowhere"), "spin"]);
    assert!(nowhere.contains("none of the protocols") && nowhere.contains("404 Not Found"), "{nowhere}");
    let given = failed_with(3, &["call", "--protocol", "xml-rpc", &format!("{url}/nowhere"), "spin"]);
    assert!(given.contains("404 Not Found"), "{given}");
    assert!(failed_with(2, &["call", "ftp://localhost/", "spin"]).contains("ftp"));
    assert!(failed_with(2, &["call", "--bearer", "env:CROUPIER_TEST_UNSET", &url, "spin"]).contains("not set"));
    assert!(failed_with(2, &["call", "--ca-file", "/no/such.pem", &url, "spin"]).contains("/no/such.pem"));
    drop(server);
    for words in [&["call", &url, "spin"][..], &["call", "--protocol", "rest", &url, "spin"], &["describe", &url]] {
        let unreachable = failed_with(3, words);
        assert!(
            unreachable.contains(url.strip_prefix("http://").unwrap()) && unreachable.contains("refused"),
            "{unreachable}"
        );
    }
    assert!(failed_with(3, &["call", "http://unknown.invalid/", "spin"]).contains("unknown.invalid"));
}

#[test]
fn a_server_that_does_not_respond_in_time_is_no_result() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    for command in [&["call", "--timeout", "200ms", &url, "spin"][..], &["describe", "--timeout", "200ms", &url]] {
        let late = failed_with(3, command);
        assert!(late.contains("within 200ms"), "{late}");
    }
}

#[test]
fn credentials_and_headers_are_sent_and_come_from_environment_and_files() {
    let server = Scripted::start(|request| {
        let request = request.to_ascii_lowercase();
        let basic = request.contains("authorization: basic yw5uonmzy3jlda==");
        let bearer = request.contains("authorization: bearer t0ken") && request.contains("x-tenant: 7");
        match basic || bearer {
            true => http("200 OK", "Content-Type: text/xml\r\n", &answered("<int>1</int>")),
            false => http("401 Unauthorized", "WWW-Authenticate: Basic\r\n", "<html>no</html>"),
        }
    });
    let url = format!("http://{}/RPC2", server.address);
    let folder = Folder::new();
    let password = format!("file:{}", folder.file("password", "s3cret\n"));
    assert_eq!(succeeded(&["call", &url, "--user", "ann", "--password", &password, "spin"]), "1\n");
    assert_eq!(succeeded(&["call", &url.replace("//", "//ann:s3cret@"), "spin"]), "1\n");
    let mut call = croupier(&["call", &url, "--bearer", "env:CROUPIER_TEST_TOKEN", "-H", "X-Tenant: 7", "spin"]);
    let called = run(call.env("CROUPIER_TEST_TOKEN", "t0ken"));
    assert_eq!((called.code(), called.stdout.as_str()), (Some(0), "1\n"), "{called:?}");
    let refused = failed_with(3, &["call", &url, "spin"]);
    assert!(refused.contains("requires authentication") && refused.contains("--bearer env:NAME"), "{refused}");
    let refused = failed_with(3, &["call", "--protocol", "xml-rpc", &url, "spin"]);
    assert!(refused.contains("requires authentication"), "{refused}");
    let refused = failed_with(3, &["describe", &url]);
    assert!(refused.contains("requires authentication") && refused.contains("--bearer env:NAME"), "{refused}");
}

#[test]
fn describe_lists_methods_over_each_protocol() {
    let server = groups();
    for (protocol, parts) in [
        ("xml-rpc", ["over XML-RPC\n", "\nspinList(optional int) -> array\n    "]),
        ("json-rpc", ["over JSON-RPC\n", "\nspinList(spins: int = 1) -> array\n    "]),
        ("soap", ["over SOAP\n", "\nspinList("]),
        ("rest", ["over REST\n", "\nPOST /spinList  (spins?: integer)\n    "]),
    ] {
        let url = format!("http://{}/{protocol}", server.address);
        for words in [&["describe", &url][..], &["describe", "--protocol", protocol, &url]] {
            let told = succeeded(words);
            assert!(told.starts_with(&url), "{told}");
            for part in parts {
                assert!(told.contains(part), "{part:?} is not in {told}");
            }
        }
        let document: Value = serde_json::from_str(&succeeded(&["describe", "--json", &url])).unwrap();
        let version = if protocol == "rest" { "openapi" } else { "openrpc" };
        assert!(document[version].is_string(), "{document}");
    }
    // The best description of several.
    let (_server, url) = serve(&[]);
    assert!(succeeded(&["describe", &url]).contains("spinList(spins: int = 1) -> array"));
    let silent =
        Scripted::start(|_| http("200 OK", "Content-Type: text/xml\r\n", &fault(-32300, "it is down until noon")));
    let why = failed_with(3, &["describe", &format!("http://{}/up", silent.address)]);
    assert!(why.contains("does not list its methods: ") && why.contains("it is down until noon"), "{why}");
    let nowhere = failed_with(3, &["describe", &format!("{url}/nowhere")]);
    assert!(nowhere.contains("404") && nowhere.contains("none of the protocols"), "{nowhere}");
}

#[test]
fn texts_of_servers_do_not_move_the_cursor() {
    let server = Scripted::start(|request| {
        let escape = "\u{1b}[2J";
        let error = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": 7, "message": format!("a{escape}b") } });
        match request.contains("\"method\"") {
            true => http("200 OK", "Content-Type: application/json\r\n", &error.to_string()),
            false => http("404 Not Found", "", escape),
        }
    });
    let url = format!("http://{}/", server.address);
    for words in [&["call", &url, "spin"][..], &["call", "--protocol", "rest", &url, "spin"], &["describe", &url]] {
        let ended = ran(words);
        assert!(!ended.stderr.contains('\u{1b}') && !ended.stdout.contains('\u{1b}'), "{words:?}: {ended:?}");
    }
}
