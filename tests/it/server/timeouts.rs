//! Slow, silent and vanished clients, and shutdown: every phase has its timeout.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use croupier::codec::DocumentLimits;
use croupier::codec::json::JsonDialect;
use croupier::protocol::mcp::server::{Mcp, McpOptions};
use croupier::protocol::xmlrpc::server::XmlRpc;
use croupier::server::settings::{ServerSettings, Timeouts};

use crate::support::running::{Running, call, post, small};

const SHORT: Duration = Duration::from_millis(300);

fn settings(change: impl FnOnce(&mut Timeouts)) -> ServerSettings {
    let mut settings = ServerSettings::default();
    change(&mut settings.timeouts);
    settings
}

/// Reads until the server closes, which it must do before long.
fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the server did not close: {error}"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn half_a_head_is_cut() {
    let server = Running::start(small(), settings(|timeouts| timeouts.header = SHORT));
    for start in ["P", "POST /test HTTP/1.1\r\nHost: localhost\r\n"] {
        let mut stream = server.connect();
        stream.write_all(start.as_bytes()).unwrap();
        assert_eq!(rest(&mut stream), "");
    }
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let server = Running::start(small(), settings(|timeouts| timeouts.idle = SHORT));
    assert_eq!(rest(&mut server.connect()), "");
    let mut used = server.connect();
    used.write_all(post("/test", "", &call("hello", &[])).as_bytes()).unwrap();
    assert!(rest(&mut used).contains("world"));
}

#[test]
fn half_a_body_is_answered_with_408() {
    let server = Running::start(small(), settings(|timeouts| timeouts.body = SHORT));
    let mut stream = server.connect();
    let request = post("/test", "", &call("hello", &[]));
    stream.write_all(&request.as_bytes()[..request.len() - 1]).unwrap();
    assert!(rest(&mut stream).starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_long_call_is_neither_idle_nor_late() {
    let server = Running::start(
        small(),
        settings(|timeouts| (timeouts.idle, timeouts.header, timeouts.write) = (SHORT, SHORT, SHORT)),
    );
    let answer = server.post("/test", &call("wait", &["<value><int>1200</int></value>"]));
    assert!(answer.contains("waited"), "{answer}");
}

#[test]
fn a_client_that_never_reads_is_cut() {
    let mut server = Running::start(small(), settings(|timeouts| timeouts.write = SHORT));
    let mut stream = server.connect();
    stream.write_all(post("/test", "", &call("numbers", &["<value><int>2000000</int></value>"])).as_bytes()).unwrap();
    // The answer is far larger than all buffers between here and there, so the server must give up on its own;
    // that it has, is seen when it stops at once instead of draining.
    let mut first = [0];
    stream.read_exact(&mut first).unwrap();
    let mut other = server.connect();
    other.write_all(post("/test", "", &call("wait", &["<value><int>1500</int></value>"])).as_bytes()).unwrap();
    let mut answer = [0; 12];
    other.read_exact(&mut answer).unwrap();
    server.begin_stop();
    let begun = Instant::now();
    assert_eq!(server.stop().cut, 0);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn running_requests_finish_before_the_stop_and_none_begins() {
    let mut server = Running::start(small(), ServerSettings::default());
    let mut busy = server.begin(&call("wait", &["<value><int>500</int></value>"]));
    let mut idle = server.connect();
    // The answer's first bytes make sure that this connection is known to the server before it stops.
    idle.write_all(post("/test", "", &call("hello", &[])).as_bytes()).unwrap();
    idle.read_exact(&mut [0; 17]).unwrap();
    let address = server.address;
    server.begin_stop();
    assert!(rest(&mut idle).contains("world"));
    assert!(TcpStream::connect(address).is_err());
    assert!(rest(&mut busy).contains("waited"));
    assert_eq!(server.stop().cut, 0);
}

#[test]
fn what_does_not_finish_in_time_is_cut() {
    let server = Running::start(small(), settings(|timeouts| timeouts.drain = SHORT));
    let _busy = server.begin(&call("wait", &["<value><int>60000</int></value>"]));
    assert_eq!(server.stop().cut, 1);
}

#[test]
fn a_call_that_reports_its_progress_ends_with_an_error() {
    let frontend = Mcp::new(JsonDialect::default(), DocumentLimits::default(), McpOptions::default());
    let server = Running::with(small(), frontend, settings(|timeouts| timeouts.drain = SHORT), 4 << 20);
    let mut stream = BufReader::new(server.connect());
    let message = r#"{"jsonrpc":"2.0","id":"p-9","method":"tools/call","params":{"name":"wait","arguments":{"millis":60000},"_meta":{"progressToken":4}}}"#;
    let head = "POST /test/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
    let request = format!("{head}Content-Length: {}\r\n\r\n{message}", message.len());
    stream.get_mut().write_all(request.as_bytes()).unwrap();
    let mut line = String::new();
    while !line.contains("notifications/progress") {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "there is no report");
    }
    server.stop();
    let last = rest(stream.get_mut());
    assert!(last.contains(r#""id":"p-9","error":{"code":-32603"#) && last.contains("is stopping"), "{last}");
    assert!(last.ends_with("\r\n0\r\n\r\n"), "the response is whole: {last:?}");
}

#[test]
fn what_is_too_much_at_once_is_shed() {
    let server = Running::start(small(), ServerSettings { in_flight: 1, ..ServerSettings::default() });
    let mut busy = server.connect();
    let body = call("wait", &["<value><int>1000</int></value>"]);
    busy.write_all(post("/test", "Expect: 100-continue\r\n", &body).as_bytes()).unwrap();
    let mut interim = [0; 25];
    busy.read_exact(&mut interim).unwrap();
    let shed = server.post("/test", &call("hello", &[]));
    assert!(shed.starts_with("HTTP/1.1 503 ") && shed.contains("\r\nretry-after: 1\r\n"), "{shed}");
    let mut answer = [0; 12];
    busy.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
fn large_bodies_share_a_bounded_memory() {
    let memory = 6 * (1 << 20);
    let server =
        Running::with(small(), XmlRpc::default(), ServerSettings { memory, ..ServerSettings::default() }, 4 << 20);
    let large = call("hello", &[&format!("<value>{}</value>", "x".repeat(700 << 10))]);
    let request = post("/test", "", &large);
    let hold = || {
        let mut holding = server.connect();
        holding.write_all(&request.as_bytes()[..request.len() - 1]).unwrap();
        holding
    };
    // What is held takes most of the memory as soon as the server has read it, so that a second body waits and is
    // refused. Until then the second may come first, and it is the held one that is refused.
    let (mut holding, mut refused) = (hold(), String::new());
    for _ in 0..50 {
        refused = server.post("/test", &large);
        if refused.starts_with("HTTP/1.1 503 ") {
            break;
        }
        holding = hold();
    }
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(server.post("/test", &call("hello", &[])).contains("world"));
    holding.write_all(&request.as_bytes()[request.len() - 1..]).unwrap();
    let mut answer = [0; 12];
    holding.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}
