//! `croupier mcp`: messages as lines on standard input and output.

use std::io::{PipeWriter, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::commands::{Folder, croupier, failed_with, ran};
use crate::support::process::Process;
use crate::support::scripted::{answered, array, fault, http};

/// A program and its standard input.
struct Client {
    process: Process,
    input: PipeWriter,
}

impl Client {
    fn start(words: &[&str]) -> Client {
        let (reader, input) = std::io::pipe().unwrap();
        let mut command = croupier(&["mcp"]);
        let process = Process::start_between(command.args(words), reader.into(), std::process::Stdio::piped());
        // The command holds the end of the pipe that the program reads.
        drop(command);
        Client { process, input }
    }

    fn send(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    fn response(&mut self) -> Value {
        let line = self.process.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn ask(&mut self, id: impl Into<Value>, method: &str, params: &Value) -> Value {
        let id = id.into();
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
        let response = self.response();
        assert_eq!(response["id"], id, "{response}");
        response
    }

    /// Closes standard input. Returns the exit code and what was left on standard output.
    fn end(self) -> (Option<i32>, String) {
        drop(self.input);
        let ended = self.process.end();
        (ended.code(), ended.stdout)
    }
}

const WHEEL: &str =
    "[group.'/wheel']\nservice = 'wheel'\noptions = { family = 'mini', seed = 4 }\nlimits.body = '1 KiB'\n";

#[test]
fn a_client_initializes_lists_and_calls() {
    let folder = Folder::new();
    let mut client = Client::start(&[&folder.file("wheel.toml", WHEEL)]);
    let params =
        json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "c", "version": "2" } });
    let begun = client.ask("a-5", "initialize", &params);
    assert_eq!(begun["result"]["protocolVersion"], "2025-06-18");
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    client.send("");
    let tools = client.ask(7, "tools/list", &json!({}));
    let names: Vec<&str> =
        tools["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"spinList"), "{names:?}");
    let called = client.ask(8, "tools/call", &json!({ "name": "spinList", "arguments": { "spins": 3 } }));
    assert_eq!(called["result"]["structuredContent"]["result"].as_array().unwrap().len(), 3, "{called}");
    // The revision that was agreed on has no batches: it is sent with each message.
    client.send(r#"[{"jsonrpc":"2.0","id":9,"method":"ping"}]"#);
    assert_eq!(client.response()["error"]["code"], -32600);
    assert_eq!(client.end(), (Some(0), String::new()));
}

#[test]
fn messages_without_a_handshake_say_their_revision_themselves() {
    let folder = Folder::new();
    let mut client = Client::start(&[&folder.file("wheel.toml", WHEEL)]);
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} });
    let found = client.ask(3, "server/discover", &json!({ "_meta": meta }));
    assert_eq!(found["result"]["supportedVersions"], json!(["2026-07-28"]));
    let called = client.ask(4, "tools/call", &json!({ "name": "spin", "_meta": meta }));
    assert_eq!(called["result"]["resultType"], "complete", "{called}");
    assert_eq!(client.ask(5, "tools/call", &json!({ "name": "größe", "_meta": meta }))["error"]["code"], -32602);
    assert_eq!(client.end(), (Some(0), String::new()));
}

#[test]
fn lines_that_are_no_messages_are_refused_and_the_next_is_served() {
    let folder = Folder::new();
    let mut client = Client::start(&[&folder.file("wheel.toml", WHEEL)]);
    for (line, id, code) in [
        ("nonsense".to_owned(), Value::Null, -32700),
        (r#"{"jsonrpc":"1.0","id":6,"method":"ping"}"#.to_owned(), json!(6), -32600),
        (format!(r#"{{"jsonrpc":"2.0","params":"{}","id":"long"}}"#, "x".repeat(100_000)), json!("long"), -32600),
    ] {
        client.send(&line);
        let response = client.response();
        assert_eq!((&response["id"], &response["error"]["code"]), (&id, &json!(code)), "{response}");
    }
    assert_eq!(client.ask(7, "ping", &json!({}))["result"], json!({}));
    assert_eq!(client.end(), (Some(0), String::new()));
}

#[test]
fn a_refusal_has_the_id_of_the_request_and_credentials_are_taken() {
    let folder = Folder::new();
    let made = ran(&["key", "new", "--name", "ada"]);
    folder.file("keys.txt", &made.stderr);
    let auth = "auth = ['programs']\n[auth.programs.api-key]\nkeys = { file = 'keys.txt' }\n";
    let file = folder.file("closed.toml", &format!("{WHEEL}{auth}"));
    let mut stranger = Client::start(&[&file]);
    let refused = stranger.ask("q", "tools/list", &json!({}));
    assert!(refused["error"]["code"].is_number(), "{refused}");
    assert_eq!(stranger.end().0, Some(0));
    let mut known = Client::start(&[&file, "--header", &format!("X-API-Key: {}", made.stdout.trim())]);
    assert!(known.ask("q", "tools/list", &json!({}))["result"]["tools"].is_array());
    assert_eq!(known.end().0, Some(0));
}

#[test]
fn without_a_group_the_tools_of_several_groups_are_served() {
    let folder = Folder::new();
    let second = "[group.'/second']\nservice = 'wheel'\noptions = { family = 'mini' }\n";
    let text = format!("{WHEEL}{second}[mcp]\npath = '/all'\ngroups = ['/wheel', '/second']\n");
    let file = folder.file("several.toml", &text);
    let mut client = Client::start(&[&file]);
    let called = client.ask(4, "tools/call", &json!({ "name": "second_spin" }));
    assert_eq!(called["result"]["isError"], false, "{called}");
    // The shortest of the limits of the groups holds.
    client.send(&format!(r#"{{"jsonrpc":"2.0","params":"{}","id":"long"}}"#, "x".repeat(2000)));
    assert_eq!(client.response()["error"]["code"], -32600);
    assert_eq!(client.end().0, Some(0));
    let mut one = Client::start(&[&file, "--group", "/second"]);
    assert_eq!(one.ask(5, "tools/call", &json!({ "name": "spin" }))["result"]["isError"], false);
    assert_eq!(one.end().0, Some(0));
}

/// A server for XML-RPC whose method `slow` returns when `quick` has been called, and whose method `stuck` returns never. The
/// receiver learns when `stuck` has been called, and when its connection has been closed.
fn slow_upstream() -> (SocketAddr, Receiver<&'static str>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (events, received) = channel();
    let (called, quick) = channel();
    let quick = Arc::new(Mutex::new(quick));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (events, called, quick) = (events.clone(), called.clone(), quick.clone());
            std::thread::spawn(move || answer_slowly(stream.unwrap(), &events, &called, &quick));
        }
    });
    (address, received)
}

fn answer_slowly(
    mut stream: TcpStream,
    events: &Sender<&'static str>,
    called: &Sender<()>,
    quick: &Mutex<Receiver<()>>,
) {
    let (mut request, mut piece) = (String::new(), [0; 4096]);
    while !request.contains("</methodCall>") {
        match stream.read(&mut piece).unwrap() {
            0 => return,
            count => request.push_str(&String::from_utf8_lossy(&piece[..count])),
        }
    }
    let name = request.split("<methodName>").nth(1).unwrap().split('<').next().unwrap();
    let answer = match name {
        "system.listMethods" => answered(&array(&["slow", "quick", "stuck"])),
        "quick" => {
            called.send(()).unwrap();
            answered("<string>quick</string>")
        }
        "slow" => {
            quick.lock().unwrap().recv().unwrap();
            answered("<string>slow</string>")
        }
        "stuck" => {
            events.send("called").unwrap();
            while stream.read(&mut piece).is_ok_and(|count| count > 0) {}
            events.send("closed").unwrap();
            return;
        }
        _ => fault(-32601, "no such method"),
    };
    stream.write_all(http("200 OK", "Content-Type: text/xml\r\n", &answer).as_bytes()).unwrap();
}

#[test]
fn calls_run_at_the_same_time_and_can_be_cancelled() {
    let (address, events) = slow_upstream();
    let folder = Folder::new();
    let upstream = format!("[group.'/up'.upstream]\nurls = ['http://{address}/']\nprotocol = 'xml-rpc'\n");
    let mut client = Client::start(&[&folder.file("up.toml", &upstream)]);
    let call = |id: &str, name: &str| {
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": name } }).to_string()
    };
    client.send(&call("first", "slow"));
    client.send(&call("second", "quick"));
    let responses = [client.response(), client.response()];
    for (id, text) in [("first", "slow"), ("second", "quick")] {
        let response = responses.iter().find(|response| response["id"] == id).unwrap();
        assert_eq!(response["result"]["content"][0]["text"], text, "{response}");
    }
    client.send(&call("third", "stuck"));
    assert_eq!(events.recv().unwrap(), "called");
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"third"}}"#);
    assert_eq!(events.recv().unwrap(), "closed");
    let meta = json!({ "progressToken": "p" });
    let params = json!({ "name": "slow", "_meta": meta });
    client.send(&json!({ "jsonrpc": "2.0", "id": "fourth", "method": "tools/call", "params": params }).to_string());
    let report = client.response();
    assert_eq!(
        (&report["method"], &report["params"]["progressToken"]),
        (&json!("notifications/progress"), &json!("p"))
    );
    client.send(&call("fifth", "quick"));
    let mut ended = Vec::new();
    while ended.len() < 2 {
        let response = client.response();
        if response["method"] != "notifications/progress" {
            ended.push(response["id"].clone());
        }
    }
    assert!(ended.contains(&json!("fourth")) && ended.contains(&json!("fifth")), "{ended:?}");
    assert_eq!(client.end(), (Some(0), String::new()));
}

#[test]
fn a_signal_and_a_closed_output_end_it() {
    let folder = Folder::new();
    let file = folder.file("wheel.toml", WHEEL);
    for signal in ["INT", "TERM"] {
        let mut client = Client::start(&[&file]);
        client.ask(2, "ping", &json!({}));
        client.process.signal(signal);
        let Client { process, input } = client;
        assert_eq!(process.end().code(), Some(0), "{signal}");
        drop(input);
    }
    let (reader, mut input) = std::io::pipe().unwrap();
    let (output, closed) = std::io::pipe().unwrap();
    drop(output);
    let mut command = croupier(&["mcp", &file]);
    let process = Process::start_between(&mut command, reader.into(), closed.into());
    drop(command);
    writeln!(input, r#"{{"jsonrpc":"2.0","id":2,"method":"ping"}}"#).unwrap();
    assert_eq!(process.end().code(), Some(0));
}

#[test]
fn the_group_has_to_be_clear() {
    let folder = Folder::new();
    let two = folder
        .file("two.toml", &format!("{WHEEL}{}", WHEEL.replace("/wheel", "/other") + "protocols = ['json-rpc']\n"));
    let mut client = Client::start(&[&two]);
    assert_eq!(client.ask(2, "ping", &json!({}))["result"], json!({}));
    assert_eq!(client.end().0, Some(0));
    assert!(failed_with(2, &["mcp", &two, "--group", "/other"]).contains("no MCP"));
    let missing = failed_with(2, &["mcp", &two, "--group", "/nowhere"]);
    assert!(missing.contains("/nowhere") && missing.contains("/wheel"), "{missing}");
    let several = failed_with(2, &["mcp"]);
    assert!(
        several.contains("--group") && several.contains("/wheel/mini") && several.contains("/diagnostics"),
        "{several}"
    );
}
