//! Servers that somebody else wrote, behind the gateway: supervisord, aria2, Python's XML-RPC server with several paths
//! and jayson's JSON-RPC server, each over all four faces.
//!
//! The servers must be where the shell finds them, jayson where Node finds it, in a folder that `NODE_PATH` names.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/process.rs"]
mod process;
#[path = "support/remote.rs"]
mod remote;

use std::os::unix::net::UnixStream;
use std::process::Command;

use croupier::Value;
use croupier::fault::Kind;
use remote::{Croupier, FACES, Folder, Group, Outcome, Server, free_port, listens, text};
use serde_json::{Value as Json, json};

/// What is different each time.
const PASSING: [&str; 6] = ["now", "start", "stop", "pid", "description", "exitstatus"];

/// supervisord with a process that sleeps, on a unix socket and on a port, and a gateway before both.
struct Supervised {
    croupier: Croupier,
    _supervisord: Server,
    _folder: Folder,
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
                 [program:sleeper]\ncommand=sleep 1000\nstartsecs=0\nautostart=false\n"
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
                upstream = {{ urls = ["unix:{socket}:/RPC2"], speaks = "xml-rpc", safe = ["supervisor.get*"],
                              hide = ["supervisor.shutdown", "supervisor.restart"] }}
                routes = [
                    {{ route = "POST /processes/{{name}}/start", method = "supervisor.startProcess" }},
                    {{ route = "POST /processes/{{name}}/stop", method = "supervisor.stopProcess" }},
                    {{ route = "GET /processes/{{name}}", method = "supervisor.getProcessInfo" }},
                ]
                [group."/file"]
                upstream = {{ urls = ["http://127.0.0.1:{port}/RPC2"], speaks = "xml-rpc", user = "wheel",
                              password = {{ file = "password" }} }}
                [group."/environment"]
                upstream = {{ urls = ["http://127.0.0.1:{port}/RPC2"], speaks = "xml-rpc", user = "wheel",
                              password = {{ env = "CROUPIER_TEST_PASSWORD" }} }}
                [group."/nobody"]
                upstream = {{ urls = ["http://127.0.0.1:{port}/RPC2"], speaks = "xml-rpc" }}
                "#
            ),
        );
        let croupier = Croupier::start(&config, &[("CROUPIER_TEST_PASSWORD", "red or black")]);
        Supervised { croupier, _supervisord: supervisord, _folder: folder }
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

/// The outcomes of calls made one after the other over each face, which are the same over all.
fn played(group: &Group<'_>, calls: &[(&str, Vec<Value>)]) -> Vec<Outcome> {
    let all = FACES.map(|face| {
        let outcomes = calls.iter().map(|(method, args)| match group.outcome(face, method, args) {
            Outcome::Value(value) => Outcome::Value(lasting(value)),
            fault => fault,
        });
        outcomes.collect::<Vec<_>>()
    });
    for (face, outcomes) in FACES.iter().zip(&all) {
        for ((call, outcome), first) in calls.iter().zip(outcomes).zip(&all[0]) {
            assert_eq!(outcome, first, "{call:?} over {face:?}, and over XML-RPC");
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
        ("supervisor.startProcess", vec![name()]),
        ("supervisor.getProcessInfo", vec![name()]),
        ("supervisor.signalProcess", vec![name(), text("CONT")]),
        ("supervisor.signalProcess", vec![name(), text("no signal")]),
        ("supervisor.signalProcessGroup", vec![name(), text("CONT")]),
        ("supervisor.signalAllProcesses", vec![text("CONT")]),
        ("supervisor.sendProcessStdin", vec![name(), text("7\n")]),
        ("supervisor.stopProcess", vec![name(), Value::Bool(true)]),
        ("supervisor.stopProcess", vec![name()]),
        ("supervisor.startProcessGroup", vec![name()]),
        ("supervisor.stopProcessGroup", vec![name()]),
        ("supervisor.startAllProcesses", vec![]),
        ("supervisor.stopAllProcesses", vec![]),
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
        ("supervisor.readLog", vec![zero.clone(), zero.clone()]),
        ("supervisor.readMainLog", vec![zero.clone(), zero.clone()]),
        ("supervisor.clearLog", vec![]),
    ]
}

#[test]
#[ignore = "needs supervisord"]
fn supervisord_answers_every_method_over_all_faces() {
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
