//! Standard output and standard error of a server: a pipe that is not read stops nothing, and repeated lines are counted.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::peers::{Folder, free_port, until};

/// How long a call may take, and the end of the program beyond its drain time.
const LIMIT: Duration = Duration::from_secs(10);

/// The program, with pipes of which only the first line is read.
struct Unread {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: String,
    _folder: Folder,
}

impl Unread {
    fn start(config: &str) -> Unread {
        let folder = Folder::new();
        let file = folder.file("croupier.toml", &format!("listen = ['127.0.0.1:0']\n{config}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
        command.args(["serve", "--config", &file]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::with_capacity(16, child.stdout.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        let address = first.trim_end().rsplit("http://").next().unwrap().to_owned();
        Unread { child, stdout, address, _folder: folder }
    }

    /// The same with an address of one's own, and without hints on standard output.
    fn start_at(address: &str, config: &str) -> Unread {
        let folder = Folder::new();
        let file = folder.file("croupier.toml", &format!("listen = ['{address}']\n{config}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
        command.args(["serve", "--config", &file]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::with_capacity(16, child.stdout.take().unwrap());
        until("it listens", || TcpStream::connect(address).ok());
        Unread { child, stdout, address: address.to_owned(), _folder: folder }
    }

    /// Makes a call, and returns the status line of its response.
    fn call(&self, path: &str, method: &str) -> String {
        let body = format!("<methodCall><methodName>{method}</methodName></methodCall>");
        let length = body.len();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let request =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all((request + &body).as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response.lines().next().unwrap_or_default().to_owned()
    }

    fn signal(&self, name: &str) {
        Command::new("sh").args(["-c", &format!("kill -s {name} {}", self.child.id())]).status().unwrap();
    }

    /// Ends the program, and returns its exit code; its pipes are read only then.
    fn end(mut self) -> (Option<i32>, String, String) {
        self.signal("TERM");
        let ended = Instant::now() + LIMIT;
        let status = until("the end", || self.child.try_wait().unwrap());
        assert!(Instant::now() < ended);
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (status.code(), stdout, stderr)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_log_that_is_not_read_stops_neither_calls_nor_the_end() {
    let server = Unread::start("[group.'/wheel']\nservice = 'wheel'\noptions = { family = 'mini' }\n");
    // A pipe holds 64 KiB, which is less than the lines of these calls with their long paths.
    let path = format!("/wheel?{}", "x".repeat(10));
    let long = format!("/{}", "x".repeat(2000));
    for _ in 0..50 {
        assert_eq!(server.call(&path, "spin"), "HTTP/1.1 200 OK");
        assert_eq!(server.call(&long, "spin"), "HTTP/1.1 404 Not Found");
    }
    let (code, _, log) = server.end();
    assert_eq!(code, Some(0));
    // All lines together have more than 100,000 bytes.
    assert!((30_000..90_000).contains(&log.len()), "the pipe was not full: {}", log.len());
}

#[test]
fn an_output_that_is_not_read_stops_neither_the_start_nor_reloads_nor_the_end() {
    let mut config = "log = { access = false, level = 'warn' }\n".to_owned();
    for number in 0..1000 {
        let path = format!("/{}/{number}", "x".repeat(100));
        write!(config, "[group.'{path}']\nservice = 'diagnostics'\n").unwrap();
    }
    let server = Unread::start(&config);
    let path = format!("/{}/999", "x".repeat(100));
    assert_eq!(server.call(&path, "validator1.easyStructTest"), "HTTP/1.1 200 OK");
    server.signal("HUP");
    for _ in 0..10 {
        assert_eq!(server.call(&path, "validator1.easyStructTest"), "HTTP/1.1 200 OK");
    }
    let (code, output, log) = server.end();
    assert_eq!((code, log.as_str()), (Some(0), ""));
    assert!((30_000..90_000).contains(&output.len()), "the pipe was not full: {}", output.len());
}

#[test]
fn an_upstream_that_is_down_has_a_line_and_not_one_for_each_call() {
    let port = free_port();
    let server = Unread::start_at(
        &format!("127.0.0.1:{port}"),
        &format!(
            "log = {{ level = 'warn', access = false, format = 'json' }}\n\
             [group.'/up']\nupstream = {{ urls = ['http://127.0.0.1:{}/'], protocol = 'xml-rpc' }}\n",
            free_port()
        ),
    );
    for _ in 0..100 {
        server.call("/up", "spin");
    }
    std::thread::sleep(Duration::from_millis(1500));
    let (_, output, log) = server.end();
    assert_eq!(output, "");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_group = lines.iter().filter(|line| line["group"] == "/up");
    let said: Vec<_> = of_group.map(|line| line["message"].as_str().unwrap()).collect();
    // Its discovery finds it down, and the first call has a line of its own. The next one comes after a minute.
    assert_eq!(said.first(), Some(&"an upstream is down"), "{log}");
    assert!(said.len() == 2 && said[1].contains("1 call has failed"), "{log}");
}
