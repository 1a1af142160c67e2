//! The access log of the program: one line a request, however it ends.
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

use crate::support::peers::until;
use crate::support::scripted::{Scripted, answered, http};

const CONFIG: &str = "
listen = ['127.0.0.1:0']
log.format = 'json'
[group.'/wheel/american']
service = 'wheel'
options = { family = 'american' }
";

/// The program, serving until it is dropped.
pub(super) struct Program {
    child: Child,
    pub(super) address: String,
    pub(super) log: Lines<BufReader<ChildStderr>>,
    config: std::path::PathBuf,
}

impl Program {
    pub(super) fn start(name: &str, config: &str) -> Program {
        let mut program = Program::spawn(name, config);
        let mut lines = program.log.by_ref().map(Result::unwrap);
        let listens = lines.find(|line| line.contains(" listens on http://")).unwrap();
        let (_, url) = listens.split_once(" listens on http://").unwrap();
        program.address = url.split(|c: char| c != ':' && c != '.' && !c.is_ascii_digit()).next().unwrap().to_owned();
        program
    }

    /// The same with a log that does not say where the server listens.
    fn start_quiet(name: &str, config: &str) -> Program {
        let address = format!("127.0.0.1:{}", closed_port());
        let mut program = Program::spawn(name, &config.replace("127.0.0.1:0", &address));
        until("it listens", || TcpStream::connect(&address).ok());
        program.address = address;
        program
    }

    fn spawn(name: &str, config: &str) -> Program {
        let path = std::env::temp_dir().join(format!("croupier-{name}-{}.toml", std::process::id()));
        std::fs::write(&path, config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
        command.args(["serve", "--config"]).arg(&path).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let hints = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || hints.count());
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Program { child, address: String::new(), log, config: path }
    }

    pub(super) fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    pub(super) fn ask(&self, request: &str) -> String {
        let mut answer = String::new();
        self.send(request).read_to_string(&mut answer).unwrap();
        answer
    }

    fn line(&mut self) -> Value {
        serde_json::from_str(&self.log.next().unwrap().unwrap()).unwrap()
    }

    /// The next line that has this member.
    pub(super) fn line_with(&mut self, name: &str) -> Value {
        loop {
            let line = self.line();
            if !line[name].is_null() {
                return line;
            }
        }
    }

    /// The next line about a request.
    pub(super) fn access(&mut self) -> Value {
        loop {
            let line = self.line();
            if line["target"] == "croupier::access" {
                return line;
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.config);
    }
}

#[test]
fn a_call_at_the_address_of_several_groups_is_logged_with_its_group() {
    let more = "[group.'/wheel/mini']\nservice = 'wheel'\noptions = { family = 'mini' }\n[mcp]\ngroups = ['/wheel/mini', '/wheel/american']\n";
    let mut program = Program::start("access-mcp", &format!("{CONFIG}{more}"));
    let mut send = |method: &str, params: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":6,"method":"{method}","params":{params}}}"#);
        let length = body.len();
        program.ask(&format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ));
        let line = program.access();
        assert_eq!(line["path"], "/mcp", "{line}");
        ["group", "method"].map(|name| line[name].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(send("tools/call", r#"{"name":"wheel_american_spin"}"#), ["/wheel/american", "spin"]);
    assert_eq!(send("tools/call", r#"{"name":"wheel_mini_pockets"}"#), ["/wheel/mini", "pockets"]);
    assert_eq!(send("tools/list", "{}"), ["/mcp", ""]);
}

pub(super) fn post(path: &str, method: &str, more: &str) -> String {
    let body = format!("<methodCall><methodName>{method}</methodName></methodCall>");
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n{body}"
    )
}

#[test]
fn each_request_leaves_a_line_that_says_how_it_ended() {
    let config = format!("public.trusted-proxies = ['127.0.0.1']\n{CONFIG}");
    let mut program = Program::start("access", &config);
    let answer = program.ask(&post("/wheel/american", "spin", "X-Request-Id: mine-7\r\n"));
    assert!(answer.contains("\r\nx-request-id: mine-7\r\n"), "{answer}");
    let line = program.line();
    assert_eq!(line["target"], "croupier::access");
    assert_eq!(
        (&line["id"], &line["verb"], &line["path"]),
        (&"mine-7".into(), &"POST".into(), &"/wheel/american".into())
    );
    assert_eq!((&line["group"], &line["method"]), (&"/wheel/american".into(), &"spin".into()));
    assert_eq!((&line["outcome"], &line["status"]), (&"ok".into(), &200.into()));
    let length = answer.split("\r\n\r\n").nth(1).unwrap().len();
    assert_eq!(line["sent"], length);
    assert!(line["micros"].is_u64() && line["peer"].is_string());

    program.ask(&post("/wheel/american", "spinn", ""));
    let line = program.line();
    assert_eq!(
        (&line["outcome"], &line["status"], &line["method"]),
        (&"no-such-method".into(), &200.into(), &"spinn".into())
    );
    assert!(line["id"].as_str().unwrap().ends_with("-1"), "{line}");

    program.ask(&post("/nowhere", "spin", ""));
    let line = program.line();
    assert_eq!((&line["outcome"], &line["status"], &line["group"]), (&"rejected".into(), &404.into(), &Value::Null));
}

#[test]
fn the_id_of_a_stranger_is_replaced() {
    let mut program = Program::start("stranger", CONFIG);
    let answer = program.ask(&post("/wheel/american", "spin", "X-Request-Id: mine-7\r\n"));
    let id = program.line()["id"].as_str().unwrap().to_owned();
    assert!(id.ends_with("-1"), "{id}");
    assert!(answer.contains(&format!("\r\nx-request-id: {id}\r\n")), "{answer}");
}

/// A port on which no process listens: it was free a moment ago.
pub(super) fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_warning_carries_the_id_of_its_request() {
    let upstream = format!(
        "[group.'/old']\nupstream = {{ urls = ['http://127.0.0.1:{}/'], protocol = 'xml-rpc' }}\n",
        closed_port()
    );
    let mut program = Program::start_quiet("warning", &format!("log.level = 'warn'\n{CONFIG}{upstream}"));
    // Warnings about discovery belong to no request.
    let answer = program.ask(&post("/old", "spin", ""));
    let warning = loop {
        let line = program.line();
        if line["span"].is_object() {
            break line;
        }
    };
    assert_eq!(warning["level"], "WARN");
    assert_eq!((&warning["span"]["group"], &warning["span"]["protocol"]), (&"/old".into(), &"xml-rpc".into()));
    let id = warning["span"]["id"].as_str().unwrap();
    assert!(answer.contains(&format!("\r\nx-request-id: {id}\r\n")), "{warning} {answer}");
    drop(program);

    let mut program = Program::start("access-warning", &format!("{CONFIG}{upstream}"));
    program.ask(&post("/old", "spin", ""));
    let (mut of_warning, mut of_access) = (None, None);
    while of_warning.is_none() || of_access.is_none() {
        let line = program.line();
        if line["target"] == "croupier::access" {
            of_access = Some(line["id"].clone());
        } else if line["span"].is_object() {
            of_warning = Some(line["span"]["id"].clone());
        }
    }
    assert_eq!(of_warning, of_access);
}

#[test]
fn a_client_that_leaves_is_a_line_too() {
    let mut program = Program::start("leaves", CONFIG);
    let body = "<methodCall><methodName>spinList</methodName><params><param><value><int>5000000</int></value></param></params></methodCall>";
    let mut stream = program.send(&format!(
        "POST /wheel/american HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    stream.read_exact(&mut [0; 1000]).unwrap();
    drop(stream);
    let line = program.line();
    assert_eq!((&line["outcome"], &line["method"]), (&"client-gone".into(), &"spinList".into()));
    assert!(line["sent"].as_u64().unwrap() >= 1000);
}

#[test]
fn the_log_can_be_silenced() {
    let mut program = Program::start("silent", &CONFIG.replace("log.format = 'json'", "log.access = false"));
    let answer = program.ask(&post("/wheel/american", "spin", "X-Request-Id: mine\r\n"));
    assert!(answer.contains("<string>") && !answer.contains("x-request-id"), "{answer}");
    program.child.kill().unwrap();
    assert!(program.log.next().is_none());
}

#[test]
fn a_long_array_that_is_unusable_at_its_end_is_cut_and_the_log_says_why() {
    let rows = "<value><int>1234567</int></value>".repeat(120_000);
    let response = answered(&format!("<array><data>{rows}</data></array>")).replace("</methodResponse>", "</other>");
    let server = Scripted::start(move |_| http("200 OK", "Content-Type: text/xml\r\n", &response));
    let upstream = format!("[group.'/up'.upstream]\nurls = ['http://{}/']\nprotocol = 'xml-rpc'", server.address);
    let config = format!("listen = ['127.0.0.1:0']\nlog.format = 'json'\n{upstream}\n");
    let mut program = Program::start("array", &config);
    let call = r#"{"jsonrpc":"2.0","method":"list","id":1}"#;
    let length = call.len();
    let head = "POST /up HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json";
    let answer = program.ask(&format!("{head}\r\nContent-Length: {length}\r\n\r\n{call}"));
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("chunked"), "{}", &answer[..100]);
    assert!(answer.len() > 150_000 && !answer.ends_with("0\r\n\r\n"), "{}", &answer[answer.len() - 20..]);
    let warning = loop {
        let line = program.line();
        if line["message"] == "the response of an upstream is unusable" && line["method"] == "list" {
            break line;
        }
    };
    assert!(warning["error"].as_str().unwrap().contains("not well-formed"), "{warning}");
    let line = loop {
        let line = program.line();
        if line["path"] == "/up" {
            break line;
        }
    };
    assert_eq!((&line["outcome"], &line["status"]), (&"cut".into(), &200.into()), "{line}");
    assert!(line["error"].as_str().unwrap().contains("the upstream server"), "{line}");
}
