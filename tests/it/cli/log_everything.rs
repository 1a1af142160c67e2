//! Everything that a serving process says is in its log, in the format of the log.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::access_log::{closed_port, post};
use super::commands::{Folder, croupier};
use crate::support::process::{Process, ShutdownReport, run};

const WHEEL: &str = "[group.'/wheel']\nservice = 'wheel'\noptions = { family = 'mini' }\n";

/// Host and port in the line that says where the server listens.
fn address(server: &Process) -> String {
    let line = server.wait_for_log(" listens on http://");
    let (_, url) = line.split_once(" listens on http://").unwrap();
    url.split(|c: char| c != ':' && c != '.' && !c.is_ascii_digit()).next().unwrap().to_owned()
}

fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// Starts, reloads a good and a wrong configuration, calls an upstream that is down, and stops.
fn live(format: &str) -> ShutdownReport {
    let folder = Folder::new();
    let down = closed_port();
    let config = |more: &str| {
        folder.file(
            "c.toml",
            &format!(
                "listen = ['127.0.0.1:0']\nadmin.listen = '127.0.0.1:0'\nlog.format = '{format}'\n\
                 server.timeouts.drain-delay = '10ms'\n{WHEEL}\
                 [group.'/down']\nupstream = {{ urls = ['http://127.0.0.1:{down}/'], protocol = 'xml-rpc' }}\n{more}"
            ),
        )
    };
    let server = Process::start(croupier(&["serve", "--config", &config("")]).env("RUST_BACKTRACE", "0"));
    let address = address(&server);
    assert!(ask(&address, &post("/down", "spin", "")).contains("cannot be reached"));
    server.wait_for_log("an upstream is");
    config(&WHEEL.replace("/wheel", "/other"));
    server.signal("HUP");
    server.wait_for_log("the configuration is loaded: 3 groups");
    config("[group.'/wrong']\nservice = 'wheell'\n\"");
    server.signal("HUP");
    server.wait_for_log("the configuration is unchanged, because it cannot be loaded");
    ask(&address, "\x16\x03\x01\x02\x00\x01\x00\x01");
    server.wait_for_log("speaks https");
    server.signal("TERM");
    let ended = server.end();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    ended
}

const SAID: [&str; 8] = [
    "croupier listens on http://127.0.0.1:",
    "the admin listener is at http://127.0.0.1:",
    "an upstream is",
    "reading the configuration again",
    "the configuration is loaded: 3 groups",
    "the configuration is unchanged",
    "finishing the running requests",
    "stopped",
];

#[test]
fn every_line_of_a_server_with_a_json_log_is_a_json_object() {
    let ended = live("json");
    assert_eq!(ended.stdout, "");
    let lines: Vec<Value> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for text in SAID {
        let says = |line: &&Value| line["message"].as_str().is_some_and(|message| message.contains(text));
        let line = lines.iter().find(says).unwrap_or_else(|| panic!("{text}: {}", ended.stderr));
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    let down: Vec<_> = lines.iter().filter(|line| line["group"] == "/down" && line["level"] == "WARN").collect();
    assert!(down.iter().any(|line| line["method"] == "spin" && line["request_id"].is_string()), "{down:#?}");
}

#[test]
fn a_server_says_the_same_in_every_format() {
    for format in ["text", "logfmt"] {
        let ended = live(format);
        for text in SAID {
            assert!(ended.stderr.contains(text), "{format}, {text}: {}", ended.stderr);
        }
        if format == "logfmt" {
            assert_eq!(ended.stdout, "");
            assert!(ended.stderr.lines().all(|line| line.starts_with("timestamp=")), "{}", ended.stderr);
        } else {
            assert!(ended.stdout.contains("Try it from another terminal:"), "{}", ended.stdout);
        }
    }
}

#[test]
fn a_start_that_fails_is_told_in_the_format_of_the_log_too() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = Folder::new();
    let file = folder.file("c.toml", &format!("listen = ['{address}']\nlog.format = 'json'\n{WHEEL}"));
    let ended = run(&mut croupier(&["serve", "--config", &file]));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    let line: Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!(line["level"], "ERROR");
    assert!(line["message"].as_str().unwrap().starts_with(&format!("cannot listen on {address}")), "{line}");
}
