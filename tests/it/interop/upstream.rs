//! Servers of other projects as upstreams: supervisord, aria2, Python's XML-RPC server with several paths and
//! jayson's JSON-RPC server, each over all four protocols.
//!
//! The servers must be where the shell finds them, jayson where Node finds it, in a folder that `NODE_PATH` names.

use std::os::unix::net::UnixStream;
use std::process::Command;

use croupier::Value;
use croupier::model::fault::Kind;
use serde_json::{Value as Json, json};

use crate::support::over::Over;
use crate::support::peers::{Croupier, Folder, Group, Outcome, Server, free_port, listens, text};

/// What is different each time.
const PASSING: [&str; 6] = ["now", "start", "stop", "pid", "description", "exitstatus"];

/// supervisord with a process that sleeps, on a unix socket and on a port, and a gateway before both.
struct Supervised {
    croupier: Croupier,
    _supervisord: Server,
    folder: Folder,
}

impl Supervised {
    fn start() -> Supervised {
        let (folder, port) = (Folder::new(), free_port());
        let own = folder.path("");
        let socket = folder.path("s.sock");
        let conf = folder.file(
            "supervisord.conf",
            &format!(
                "[unix_http_server]\nfile={socket}\n\
                 [inet_http_server]\nport=127.0.0.1:{port}\nusername=wheel\npassword=red or black\n\
                 [supervisord]\nlogfile={own}s.log\npidfile={own}s.pid\nchildlogdir={own}\nnodaemon=true\nsilent=true\n\
                 [rpcinterface:supervisor]\n\
                 supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
                 [program:sleeper]\ncommand=sleep 1000\nstartsecs=0\nautostart=false\n\
                 stdout_logfile={own}out.log\nstderr_logfile={own}err.log\n"
            ),
        );
        let supervisord = Server::start(Command::new("supervisord").args(["-c", &conf]), || {
            UnixStream::connect(&socket).is_ok() && listens(port)
        });
        folder.file("password", "red or black\n");
        let config = folder.file(
            "croupier.toml",
            &format!(
                r#"
                [group."/supervisor"]
                upstream = {{ urls = ["unix:{socket}:/RPC2"], protocol = "xml-rpc", safe = ["supervisor.get*"],
                              deny = ["supervisor.shutdown", "supervisor.restart"] }}
                routes = [
                    {{ route = "POST /processes/{{name}}/start", method = "supervisor.startProcess" }},
                    {{ route = "POST /processes/{{name}}/stop", method = "supervisor.stopProcess" }},
                    {{ route = "GET /processes/{{name}}", method = "supervisor.getProcessInfo" }},
                ]
                [group."/together"]
                upstream = {{ urls = ["unix:{socket}:/RPC2"], protocol = "xml-rpc", batching = "bare-results" }}
                [group."/stripped"]
                upstream = {{ urls = ["unix:{socket}:/RPC2"], protocol = "xml-rpc" }}
                xml-rpc.control-characters = "strip"
                soap.control-characters = "strip"
                [group."/file"]
                upstream = {{ urls = ["http://127.0.0.1:{port}/RPC2"], protocol = "xml-rpc", user = "wheel",
                              password = {{ file = "password" }} }}
                [group."/environment"]
                upstream = {{ urls = ["http://127.0.0.1:{port}/RPC2"], protocol = "xml-rpc", user = "wheel",
                              password = {{ env = "CROUPIER_TEST_PASSWORD" }} }}
                [group."/anonymous"]
                upstream = {{ urls = ["http://127.0.0.1:{port}/RPC2"], protocol = "xml-rpc" }}
                "#
            ),
        );
        let croupier = Croupier::start(&config, &[("CROUPIER_TEST_PASSWORD", "red or black")]);
        Supervised { croupier, _supervisord: supervisord, folder }
    }

    fn group(&self) -> Group<'_> {
        self.croupier.group("/supervisor", "supervisor.getState")
    }
}

/// A value without what is different each time.
fn lasting(value: Json) -> Json {
    match value {
        Json::Array(items) => items.into_iter().map(lasting).collect(),
        Json::Object(members) => {
            let members = members.into_iter().filter(|(name, _)| !PASSING.contains(&name.as_str()));
            Json::Object(members.map(|(name, value)| (name, lasting(value))).collect())
        }
        other => other,
    }
}

/// The outcomes of calls made one after the other over each protocol, which are the same over all.
fn played(group: &Group<'_>, calls: &[(&str, Vec<Value>)]) -> Vec<Outcome> {
    let all = Over::ALL.map(|over| {
        let outcomes = calls.iter().map(|(method, args)| match group.outcome(over, method, args) {
            Outcome::Value(value) => Outcome::Value(lasting(value)),
            fault => fault,
        });
        outcomes.collect::<Vec<_>>()
    });
    for (over, outcomes) in Over::ALL.iter().zip(&all) {
        for ((call, outcome), first) in calls.iter().zip(outcomes).zip(&all[0]) {
            assert_eq!(outcome, first, "{call:?} over {over:?}, and over XML-RPC");
        }
    }
    let [first, ..] = all;
    first
}

/// Every method of supervisord but those that end it, in an order in which they can be called again and again.
fn every_method() -> Vec<(&'static str, Vec<Value>)> {
    let (name, none) = (|| text("sleeper"), || text("nobody"));
    let (zero, ten) = (Value::Int(0), Value::Int(10));
    let window = || vec![name(), zero.clone(), ten.clone()];
    vec![
        ("supervisor.getAPIVersion", vec![]),
        ("supervisor.getVersion", vec![]),
        ("supervisor.getSupervisorVersion", vec![]),
        ("supervisor.getIdentification", vec![]),
        ("supervisor.getState", vec![]),
        ("supervisor.getPID", vec![]),
        ("supervisor.getAllConfigInfo", vec![]),
        ("supervisor.getAllProcessInfo", vec![]),
        ("supervisor.getProcessInfo", vec![name()]),
        ("supervisor.getProcessInfo", vec![none()]),
        ("supervisor.startProcess", vec![name(), Value::Bool(true)]),
        ("supervisor.startProcess", vec![name(), Value::Bool(true)]),
        ("supervisor.getProcessInfo", vec![name()]),
        ("supervisor.signalProcess", vec![name(), text("CONT")]),
        ("supervisor.signalProcess", vec![name(), text("no signal")]),
        ("supervisor.signalProcessGroup", vec![name(), text("CONT")]),
        ("supervisor.signalAllProcesses", vec![text("CONT")]),
        ("supervisor.sendProcessStdin", vec![name(), text("7\n")]),
        ("supervisor.stopProcess", vec![name(), Value::Bool(true)]),
        ("supervisor.stopProcess", vec![name(), Value::Bool(true)]),
        ("supervisor.startProcessGroup", vec![name(), Value::Bool(true)]),
        ("supervisor.stopProcessGroup", vec![name(), Value::Bool(true)]),
        ("supervisor.startAllProcesses", vec![Value::Bool(true)]),
        ("supervisor.stopAllProcesses", vec![Value::Bool(true)]),
        ("supervisor.addProcessGroup", vec![none()]),
        ("supervisor.removeProcessGroup", vec![none()]),
        ("supervisor.reloadConfig", vec![]),
        ("supervisor.sendRemoteCommEvent", vec![text("bet"), text("red")]),
        ("supervisor.readProcessLog", window()),
        ("supervisor.readProcessStdoutLog", window()),
        ("supervisor.readProcessStderrLog", window()),
        ("supervisor.tailProcessLog", window()),
        ("supervisor.tailProcessStdoutLog", window()),
        ("supervisor.tailProcessStderrLog", window()),
        ("supervisor.clearProcessLog", vec![name()]),
        ("supervisor.clearProcessLogs", vec![name()]),
        ("supervisor.clearAllProcessLogs", vec![]),
        ("supervisor.readLog", vec![zero.clone(), Value::Int(2)]),
        ("supervisor.readMainLog", vec![zero.clone(), Value::Int(2)]),
        ("supervisor.clearLog", vec![]),
    ]
}

#[test]
#[ignore = "needs supervisord"]
fn supervisord_answers_every_method_over_all_protocols() {
    let supervised = Supervised::start();
    let group = supervised.group();
    let calls = every_method();
    let outcomes = played(&group, &calls);
    let of = |name: &str| {
        let found = calls.iter().zip(&outcomes).filter(|((method, _), _)| *method == name);
        found.map(|(_, outcome)| outcome.clone()).collect::<Vec<_>>()
    };
    let fault = |code, message: &str| Outcome::Fault(Kind::Service(Some(code)), message.to_owned());
    assert_eq!(of("supervisor.getState"), [Outcome::Value(json!({ "statecode": 1, "statename": "RUNNING" }))]);
    let info = of("supervisor.getProcessInfo");
    assert_eq!(info[0].clone().value()["statename"], "STOPPED");
    assert_eq!(info[1], fault(10, "BAD_NAME: nobody"));
    assert_eq!(info[2].clone().value()["statename"], "RUNNING");
    assert_eq!(of("supervisor.startProcess"), [Outcome::Value(true.into()), fault(60, "ALREADY_STARTED: sleeper")]);
    assert_eq!(of("supervisor.stopProcess"), [Outcome::Value(true.into()), fault(70, "NOT_RUNNING: sleeper")]);
    assert_eq!(of("supervisor.signalProcess")[1], fault(11, "BAD_SIGNAL: no signal"));

    let mut called: Vec<_> = calls.iter().map(|(method, _)| *method).collect();
    called.sort_unstable();
    called.dedup();
    let mut listed = group.names();
    listed.sort_unstable();
    assert_eq!(called, listed);
}

#[test]
#[ignore = "needs supervisord"]
fn a_log_with_colours_arrives() {
    let supervised = Supervised::start();
    supervised.folder.file("out.log", "\u{1b}[0;31mred\u{1b}[0m, then black\n");
    let args = [text("sleeper"), Value::Int(0), Value::Int(0)];
    let read = |path: &str, over| {
        let group = supervised.croupier.group(path, "supervisor.getState");
        group.outcome(over, "supervisor.readProcessStdoutLog", &args)
    };
    for over in [Over::JsonRpc, Over::Rest] {
        let expected = Outcome::Value("\u{1b}[0;31mred\u{1b}[0m, then black\n".into());
        assert_eq!(read("/supervisor", over), expected, "{over:?}");
    }
    for over in [Over::XmlRpc, Over::Soap] {
        assert_eq!(read("/stripped", over), Outcome::Value("[0;31mred[0m, then black\n".into()), "{over:?}");
        assert!(matches!(read("/supervisor", over), Outcome::Fault(Kind::Service(_), _)), "{over:?}");
    }
}

#[test]
#[ignore = "needs supervisord"]
fn supervisord_is_described_and_driven_by_routes() {
    let supervised = Supervised::start();
    let (croupier, group) = (&supervised.croupier, supervised.group());
    let interface = &group.discovered.interface;
    for method in &interface.methods {
        assert_ne!(method.result.as_value(), &json!(true), "{} has no type", method.name);
        assert!(!method.doc.is_empty(), "{} has no documentation", method.name);
    }
    assert!(!group.names().iter().any(|name| ["supervisor.shutdown", "supervisor.restart"].contains(name)));
    for over in [Over::XmlRpc, Over::JsonRpc] {
        let hidden = group.outcome(over, "supervisor.shutdown", &[]);
        assert!(matches!(hidden, Outcome::Fault(Kind::NoSuchMethod, _)), "{hidden:?}");
    }
    let (status, _) = croupier.rest("POST", "/supervisor/supervisor.shutdown", "{}");
    assert_eq!(status, 404);

    let state = || croupier.rest("GET", "/supervisor/processes/sleeper", "").1["statename"].clone();
    assert_eq!(state(), "STOPPED");
    assert_eq!(croupier.rest("POST", "/supervisor/processes/sleeper/start", ""), (200, json!(true)));
    assert_eq!(state(), "RUNNING");
    let (status, problem) = croupier.rest("POST", "/supervisor/processes/sleeper/start", "");
    assert_eq!((status, &problem["code"], &problem["detail"]), (422, &json!(60), &json!("ALREADY_STARTED: sleeper")));
    assert_eq!(croupier.rest("POST", "/supervisor/processes/sleeper/stop", ""), (200, json!(true)));
    assert_eq!(state(), "STOPPED");
    assert_eq!(croupier.rest("GET", "/supervisor/processes/nobody", "").1["code"], 10);
    let safe = croupier.rest("GET", "/supervisor/supervisor.getState", "");
    assert_eq!((safe.0, &safe.1["statecode"]), (200, &json!(1)));
}

#[test]
#[ignore = "needs supervisord"]
fn supervisord_gets_the_calls_of_a_batch_in_one_request() {
    let supervised = Supervised::start();
    let batch = r#"[{"jsonrpc": "2.0", "id": 1, "method": "supervisor.getState"},
        {"jsonrpc": "2.0", "id": 2, "method": "supervisor.getProcessInfo", "params": ["nobody"]},
        {"jsonrpc": "2.0", "id": 3, "method": "supervisor.getAllConfigInfo"},
        {"jsonrpc": "2.0", "id": 4, "method": "supervisor.nowhere"},
        {"jsonrpc": "2.0", "id": 5, "method": "supervisor.stopProcess", "params": {"name": "sleeper"}}]"#;
    let [apart, together] = ["/supervisor", "/together"].map(|path| {
        supervised.croupier.group(path, "supervisor.getState");
        supervised.croupier.json_rpc(path, batch)
    });
    assert_eq!(together, apart);
    let codes: Vec<&Json> = apart.as_array().unwrap().iter().map(|answer| &answer["error"]["code"]).collect();
    assert_eq!(codes, [&Json::Null, &json!(10), &Json::Null, &json!(-32601), &json!(70)]);
    assert_eq!(apart[0]["result"]["statename"], "RUNNING");
}

#[test]
#[ignore = "needs supervisord"]
fn supervisord_wants_a_password_over_tcp_and_fails_in_html() {
    let supervised = Supervised::start();
    for path in ["/file", "/environment"] {
        let group = supervised.croupier.group(path, "supervisor.getState");
        assert_eq!(group.agreed("supervisor.getState", &[]).value()["statename"], "RUNNING");
        let bad = group.agreed("supervisor.getProcessInfo", &[text("nobody")]);
        assert_eq!(bad, Outcome::Fault(Kind::Service(Some(10)), "BAD_NAME: nobody".to_owned()));
    }
    let call = r#"{"jsonrpc": "2.0", "id": 1, "method": "supervisor.getState"}"#;
    let refused = supervised.croupier.json_rpc("/anonymous", call)["error"].to_string();
    assert!(refused.contains("401"), "{refused}");

    // An argument of the wrong type is HTTP 500 with a page; over SOAP and REST the interface has it refused before.
    let group = supervised.group();
    for over in [Over::XmlRpc, Over::JsonRpc] {
        let failed = group.outcome(over, "supervisor.getProcessInfo", &[Value::Int(1)]);
        assert!(matches!(failed, Outcome::Fault(Kind::Unreachable | Kind::BadParams, _)), "{over:?}: {failed:?}");
    }
    let (status, problem) = supervised.croupier.rest("POST", "/supervisor/supervisor.getProcessInfo", r#"{"name": 1}"#);
    assert!([400, 502].contains(&status), "{status} {problem}");

    let ended = supervised.croupier.end();
    assert!(!(ended.stdout + &ended.stderr).contains("red or black"));
}

#[test]
#[ignore = "needs aria2c"]
fn aria2_gets_its_token_with_every_call_and_no_caller_sees_it() {
    const TOKEN: &str = "rien-ne-va-plus";
    let (folder, port) = (Folder::new(), free_port());
    let _aria2 = Server::start(
        Command::new("aria2c")
            .args(["--enable-rpc", "--rpc-listen-all=false", "--no-conf", "--quiet", "--dir", &folder.path("")])
            .args([format!("--rpc-listen-port={port}"), format!("--rpc-secret={TOKEN}")]),
        || listens(port),
    );
    folder.file("token", &format!("token:{TOKEN}"));
    let group = |path: &str, upstream: &str, protocol: &str, batching: &str| {
        format!(
            r#"
            [group."{path}".upstream]
            urls = ["http://127.0.0.1:{port}/{upstream}"]
            protocol = "{protocol}"
            token = {{ file = "token" }}
            batching = "{batching}"
            params = {{ "aria2.tellStopped" = ["offset", "num"], "aria2.tellStatus" = ["gid"] }}
            "#
        )
    };
    let groups = [
        group("/xml", "rpc", "xml-rpc", "off"),
        group("/json", "jsonrpc", "json-rpc", "off"),
        group("/xml-together", "rpc", "xml-rpc", "on"),
        group("/json-together", "jsonrpc", "json-rpc", "on"),
    ];
    let croupier = Croupier::start(&folder.file("croupier.toml", &groups.concat()), &[]);
    for path in ["/xml", "/json", "/xml-together", "/json-together"] {
        let group = croupier.group(path, "aria2.getVersion");
        assert!(group.agreed("aria2.getVersion", &[]).value()["version"].is_string());
        assert_eq!(group.agreed("aria2.getGlobalStat", &[]).value()["numActive"], "0");
        assert_eq!(group.agreed("aria2.tellStopped", &[Value::Int(0), Value::Int(10)]).value(), json!([]));
        let unknown = group.agreed("aria2.tellStatus", &[text("2089b05ecca3d829")]);
        assert!(matches!(&unknown, Outcome::Fault(Kind::Service(Some(1)), message) if message.contains("2089b05")));

        let batch = r#"[{"jsonrpc": "2.0", "id": 1, "method": "aria2.getVersion"},
            {"jsonrpc": "2.0", "id": "two", "method": "aria2.tellStatus", "params": ["2089b05ecca3d829"]},
            {"jsonrpc": "2.0", "id": 3, "method": "aria2.tellStopped", "params": [0, 1]}]"#;
        let mut answers: Vec<Json> = croupier.json_rpc(path, batch).as_array().unwrap().clone();
        answers.sort_by_key(|answer| answer["id"].to_string().len());
        let by_id = |id: Json| answers.iter().find(|answer| answer["id"] == id).unwrap();
        assert!(by_id(json!(1))["result"]["version"].is_string(), "{answers:?}");
        assert!(by_id(json!("two"))["error"]["message"].as_str().unwrap().contains("2089b05"), "{answers:?}");
        assert_eq!(by_id(json!(3))["result"], json!([]));

        let member = |name: &str| {
            Value::Struct(vec![("methodName".into(), text(name)), ("params".into(), Value::Array(Vec::new()))])
        };
        let calls = Value::Array(vec![member("aria2.getVersion"), member("aria2.getGlobalStat")]);
        let results = group.outcome(Over::XmlRpc, "system.multicall", &[calls]).value();
        assert!(results[0][0]["version"].is_string() && results[1][0]["numActive"] == "0", "{results}");

        for document in ["?wsdl", "/openapi.json", "/openrpc.json", ""] {
            let response = croupier.send("GET", &format!("{path}{document}"), "", b"");
            assert!(!String::from_utf8_lossy(response.body()).contains(TOKEN), "{path}{document}");
        }
        // An argument that the server does not take, so that it says what it was given.
        let refused = format!("{:?}", group.outcome(Over::JsonRpc, "aria2.tellStatus", &[Value::Int(1)]));
        assert!(!refused.contains(TOKEN), "{refused}");
    }
    let ended = croupier.end();
    let printed = ended.stdout + &ended.stderr;
    assert!(!printed.contains(TOKEN), "{printed}");
}

/// The ids that a client may use, among them those that aria2's own web interfaces use.
const IDS: [&str; 4] = ["7", "\"x\"", "null", "\"aria2-web-1\""];

#[test]
#[ignore = "needs aria2c"]
fn aria2_without_a_secret_answers_its_web_interfaces() {
    let (folder, port) = (Folder::new(), free_port());
    let _aria2 = Server::start(
        Command::new("aria2c")
            .args(["--enable-rpc", "--rpc-listen-all=false", "--no-conf", "--quiet", "--dir", &folder.path("")])
            .arg(format!("--rpc-listen-port={port}")),
        || listens(port),
    );
    let group = |path: &str, more: &str| {
        format!(
            "[group.\"{path}\".upstream]\nurls = [\"http://127.0.0.1:{port}/jsonrpc\"]\nprotocol = \"json-rpc\"\n{more}\n"
        )
    };
    let groups =
        group("/plain", "") + &group("/together", "batching = \"on\"") + &group("/anew", "passthrough = false");
    let croupier = Croupier::start(&folder.file("croupier.toml", &groups), &[]);
    for path in ["/plain", "/together", "/anew"] {
        let group = croupier.group(path, "aria2.getVersion");
        assert!(group.names().contains(&"system.listNotifications"), "{:?}", group.names());
        let notifications = group.agreed("system.listNotifications", &[]).value();
        assert!(notifications.as_array().unwrap().contains(&json!("aria2.onDownloadStart")), "{notifications}");
        // Nothing is known of the parameters: they are a list.
        let keys = Value::Array(vec![text("gid")]);
        assert_eq!(group.agreed("aria2.tellActive", std::slice::from_ref(&keys)).value(), json!([]));
        let (status, told) = croupier.rest("POST", &format!("{path}/aria2.tellActive"), r#"{"args":[["gid"]]}"#);
        assert_eq!((status, told), (200, json!([])));
        for id in IDS {
            let one = |method: &str, params: &str| {
                format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
            };
            let sent: Json = serde_json::from_str(id).unwrap();
            let answer = croupier.json_rpc(path, &one("aria2.getVersion", "[]"));
            assert!(answer["id"] == sent && answer["result"]["version"].is_string(), "{answer}");
            // aria2 answers this with status 400.
            let missing = one("aria2.tellStatus", r#"["2089b05ecca3d829"]"#);
            let answer = croupier.json_rpc(path, &missing);
            assert!(answer["id"] == sent && answer["error"]["code"] == 1, "{answer}");
            assert!(answer["error"]["message"].as_str().unwrap().contains("2089b05"), "{answer}");

            let calls = r#"[[{"methodName":"aria2.getVersion","params":[]},
                {"methodName":"aria2.tellActive","params":[["gid","status"]]},{"methodName":"aria2.getGlobalStat"},
                {"methodName":"aria2.tellStatus","params":["2089b05ecca3d829"]},
                {"methodName":"system.multicall","params":[[]]}]]"#;
            let multicall = one("system.multicall", calls);
            let check = |answer: &Json| {
                assert_eq!((&answer["id"], answer["error"].is_null()), (&sent, true), "{answer}");
                let results = answer["result"].as_array().unwrap();
                assert!(results.len() == 5 && results[0][0]["version"].is_string(), "{answer}");
                assert_eq!((&results[1], &results[2][0]["numActive"]), (&json!([[]]), &json!("0")), "{answer}");
                assert_eq!((&results[3]["code"], &results[4]["code"]), (&json!(1), &json!(-32600)), "{answer}");
                assert!(results[3]["message"].as_str().unwrap().contains("2089b05"), "{answer}");
            };
            check(&croupier.json_rpc(path, &multicall));
            let batch = format!("[{},{multicall},{missing},{multicall}]", one("aria2.getVersion", "[]"));
            let answers = croupier.json_rpc(path, &batch);
            let answers = answers.as_array().unwrap();
            assert_eq!(answers.len(), 4, "{answers:?}");
            assert!(answers.iter().all(|answer| answer["id"] == sent), "{answers:?}");
            let multicalls = answers.iter().filter(|answer| answer["result"].is_array());
            assert_eq!(multicalls.inspect(|answer| check(answer)).count(), 2);
            assert_eq!(answers.iter().filter(|answer| answer["error"]["code"] == 1).count(), 1, "{answers:?}");
        }
    }
    croupier.end();
}

#[test]
#[ignore = "needs python3"]
fn python_without_signatures_is_called_with_lists_of_arguments() {
    let (_server, port) = Server::script("python3", "remote_simple.py", &[]);
    let folder = Folder::new();
    let config = format!(
        "[group.\"/files\"]\nupstream = {{ urls = [\"http://127.0.0.1:{port}/RPC2\"], protocol = \"xml-rpc\" }}\n"
    );
    let croupier = Croupier::start(&folder.file("croupier.toml", &config), &[]);
    let group = croupier.group("/files", "join");
    assert_eq!(group.names(), ["join", "nothing", "total"]);
    assert_eq!(group.agreed("join", &[text("a"), Value::Int(2), text("c")]).value(), "a-2-c");
    let amounts = Value::Array(vec![Value::Int(1), Value::Int(2)]);
    assert_eq!(group.agreed("total", std::slice::from_ref(&amounts)).value(), 3);
    assert_eq!(group.agreed("total", &[amounts, Value::Int(4)]).value(), 7);
    assert_eq!(group.agreed("nothing", &[]).value(), "none");
    let (status, problem) = croupier.rest("POST", "/files/join", r#"{"word":"a"}"#);
    let detail = problem["detail"].as_str().unwrap();
    assert!(status == 400 && detail.contains("a list that is named `args`"), "{status} {problem}");
    let by_name = r#"{"jsonrpc":"2.0","id":7,"method":"join","params":{"args":["a",2]}}"#;
    assert_eq!(croupier.json_rpc("/files", by_name)["result"], "a-2");
}

#[test]
#[ignore = "needs python3"]
fn python_has_two_services_whose_values_keep_their_types() {
    let (_server, port) = Server::script("python3", "remote_paths.py", &[]);
    let folder = Folder::new();
    let config = format!(
        r#"
        [group."/house"]
        upstream = {{ urls = ["http://127.0.0.1:{port}/house"], protocol = "xml-rpc", params = {{ echo = ["value"] }} }}
        xml-rpc = {{ nil = "nil" }}
        [group."/guests"]
        upstream = {{ urls = ["http://127.0.0.1:{port}/guests"], protocol = "xml-rpc" }}
        "#
    );
    let croupier = Croupier::start(&folder.file("croupier.toml", &config), &[]);
    let (house, guests) = (croupier.group("/house", "opened"), croupier.group("/guests", "count"));
    assert_eq!(guests.names(), ["count"]);
    assert_eq!(guests.agreed("count", &[]).value(), 7);

    let opened: croupier::model::date::DateTime = "1863-07-01T20:30:15".parse().unwrap();
    let seal = Value::Binary((0..=255).collect());
    assert_eq!(house.agreed("opened", &[]).value(), "1863-07-01T20:30:15");
    for over in [Over::XmlRpc, Over::Soap] {
        assert_eq!(house.call(over, "opened", &[]), Ok(Value::Date(opened)), "{over:?}");
        assert_eq!(house.call(over, "seal", &[]), Ok(seal.clone()), "{over:?}");
        assert_eq!(house.call(over, "echo", &[Value::Date(opened)]), Ok(Value::Date(opened)), "{over:?}");
        assert_eq!(house.call(over, "echo", std::slice::from_ref(&seal)), Ok(seal.clone()), "{over:?}");
    }
    assert_eq!(house.agreed("nothing", &[]).value(), Json::Null);
    let rows = json!([[1, 2, 3], [], [[true, 2.5, "<&>"], null], ["AA==", "2026-11-22T01:02:03"]]);
    assert_eq!(house.agreed("rows", &[]).value(), rows);
    let nested = Value::Array(vec![Value::Array(vec![Value::Nil, Value::Double(0.25)]), text(" a ")]);
    assert_eq!(house.agreed("echo", &[nested]).value(), json!([[null, 0.25], " a "]));
    let refused = house.agreed("refuse", &[]);
    assert_eq!(refused, Outcome::Fault(Kind::Service(Some(42)), "the house <refuses>".to_owned()));
    let broken = house.agreed("broken", &[]);
    assert!(matches!(&broken, Outcome::Fault(Kind::Service(Some(1)), message) if message.contains("ZeroDivision")));
}

#[test]
#[ignore = "needs node with the jayson package"]
fn jayson_answers_over_all_protocols_by_an_openrpc_document() {
    let (_server, port) = Server::script("node", "remote_jayson.js", &[]);
    let folder = Folder::new();
    folder.file("cards.json", include_str!("../../peers/remote_jayson.json"));
    let config = format!(
        r#"
        [group."/cards"]
        upstream = {{ urls = ["http://127.0.0.1:{port}/"], protocol = "json-rpc", description = "file:cards.json" }}
        xml-rpc = {{ nil = "nil" }}
        [group."/undescribed"]
        upstream = {{ urls = ["http://127.0.0.1:{port}/"], protocol = "json-rpc", batching = "on" }}
        "#
    );
    let croupier = Croupier::start(&folder.file("croupier.toml", &config), &[]);
    let cards = croupier.group("/cards", "add");
    assert_eq!(cards.agreed("add", &[Value::Double(2.5), Value::Double(0.25)]).value(), 2.75);
    let row = |row: i32, odd: bool, half: f64| json!({ "row": row, "odd": odd, "half": half, "none": null });
    let rows = json!([row(0, false, 0.25), row(1, true, 0.75), row(2, false, 1.25)]);
    for over in Over::ALL {
        let mut told = cards.outcome(over, "rows", &[Value::Int(3)]).value();
        for row in told.as_array_mut().unwrap() {
            // SOAP leaves out what is not there.
            row.as_object_mut().unwrap().entry("none").or_insert(Json::Null);
        }
        assert_eq!(told, rows, "{over:?}");
    }
    let bust = cards.agreed("bust", &[]);
    assert_eq!(bust, Outcome::Fault(Kind::Service(Some(21)), "more than twenty-one".to_owned()));
    let sum = r#"{"jsonrpc": "2.0", "id": 5, "method": "add", "params": [20, 1]}"#;
    assert_eq!(croupier.json_rpc("/undescribed", sum)["result"], 21);
    let both = r#"[{"jsonrpc": "2.0", "id": 5, "method": "add", "params": [20, 1]},
        {"jsonrpc": "2.0", "id": 6, "method": "bust"}]"#;
    let both = croupier.json_rpc("/undescribed", both);
    assert_eq!((&both[0]["result"], &both[1]["error"]["code"]), (&json!(21), &json!(21)));
}

#[test]
#[ignore = "needs rtorrent"]
fn rtorrent_is_called_over_scgi_and_a_name_with_a_control_character_comes() {
    let folder = Folder::new();
    let (socket, session) = (folder.path("s.sock"), folder.path(""));
    let name = "col\u{1b}[31mour";
    let info = format!("d6:lengthi5e4:name{}:{name}12:piece lengthi16384e6:pieces20:01234567890123456789e", name.len());
    let torrent = folder.file("a.torrent", &format!("d4:info{info}e"));
    let options = [
        "system.daemon.set=true".to_owned(),
        format!("network.scgi.open_local={socket}"),
        format!("session.path.set={session}"),
        "network.port_open.set=no".to_owned(),
        "dht.mode.set=off".to_owned(),
    ];
    let options = options.iter().flat_map(|option| ["-o", option]);
    let _rtorrent =
        Server::start(Command::new("rtorrent").arg("-n").args(options), || UnixStream::connect(&socket).is_ok());
    let config = format!(
        r#"
        [group."/kept".upstream]
        urls = ["scgi:{socket}:/RPC2"]
        protocol = "xml-rpc"
        [group."/stripped"]
        xml-rpc.control-characters = "strip"
        soap.control-characters = "strip"
        [group."/stripped".upstream]
        urls = ["scgi:{socket}:/RPC2"]
        protocol = "xml-rpc"
        "#
    );
    let croupier = Croupier::start(&folder.file("croupier.toml", &config), &[]);
    let (kept, stripped) = (croupier.group("/kept", "d.multicall2"), croupier.group("/stripped", "d.multicall2"));
    kept.call(Over::JsonRpc, "load.normal", &[text(""), text(&torrent)]).unwrap();
    let args = [text(""), text("main"), text("d.name=")];
    // The file is read a moment later.
    let loaded = || kept.call(Over::JsonRpc, "d.multicall2", &args).unwrap() != Value::Array(Vec::new());
    let begun = std::time::Instant::now();
    while !loaded() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "the torrent is not loaded");
    }
    for over in [Over::JsonRpc, Over::Rest] {
        assert_eq!(kept.outcome(over, "d.multicall2", &args).value(), json!([[name]]), "{over:?}");
    }
    for over in [Over::XmlRpc, Over::Soap] {
        assert!(kept.call(over, "d.multicall2", &args).is_err(), "{over:?}");
        assert_eq!(stripped.outcome(over, "d.multicall2", &args).value(), json!([["col[31mour"]]), "{over:?}");
    }
    let calls = r#"[[{"methodName": "system.client_version", "params": []},
                     {"methodName": "d.multicall2", "params": ["", "main", "d.name="]}]]"#;
    for id in ["7", "\"x\"", "null"] {
        let call = format!(r#"{{"jsonrpc": "2.0", "id": {id}, "method": "system.multicall", "params": {calls}}}"#);
        let answer = croupier.json_rpc("/kept", &call);
        assert_eq!(answer["id"].to_string(), id);
        assert_eq!(answer["result"][1], json!([[[name]]]), "{answer}");
    }
}
