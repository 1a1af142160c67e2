//! What the lines of the log say of a request, of its client, and of how it ended.
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::access_log::{Program, closed_port, post};
use crate::support::scripted::{Scripted, answered, http};

const WHEEL: &str = "
[group.'/wheel']
service = 'wheel'
options = { family = 'american' }
";

fn config(log: &str, more: &str) -> String {
    format!("listen = ['127.0.0.1:0']\nlog = {{ format = 'json'{log} }}\n{more}{WHEEL}")
}

/// A server that answers calls of `slow` when it is told to, and all others at once.
struct Upstream {
    server: Scripted,
    /// Says that a slow call has come.
    came: Receiver<()>,
    go_on: Sender<()>,
}

impl Upstream {
    fn start() -> Upstream {
        let ((tell, came), (go_on, wait)) = (channel(), channel::<()>());
        let server = Scripted::start(move |request| {
            if request.contains("<methodName>slow</methodName>") {
                tell.send(()).unwrap();
                let _ = wait.recv_timeout(Duration::from_secs(20));
            }
            http("200 OK", "Content-Type: text/xml\r\n", &answered("<int>1</int>"))
        });
        Upstream { server, came, go_on }
    }

    fn group(&self) -> String {
        format!(
            "[group.'/up']\nlimits.concurrent = 1\n\
             upstream = {{ urls = ['http://{}/'], protocol = 'xml-rpc' }}\n",
            self.server.address
        )
    }
}

fn json_rpc(path: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{more}\r\n{body}"
    )
}

/// The members of a line with these names.
fn fields(line: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| line[name].clone()).collect()
}

#[test]
fn a_line_says_who_asks_what_and_where() {
    let mut program = Program::start("fields", &config("", "public.trusted-proxies = ['127.0.0.1', '10.0.0.0/8']\n"));
    let more = "X-Forwarded-For: 198.51.100.1, 192.0.2.7, 10.0.0.3\r\nUser-Agent: test/1\r\n";
    let request = post("/wheel", "spin", more);
    program.ask(&request);
    let line = program.access();
    let names = ["listener", "client", "protocol", "verb", "version", "group", "method", "outcome", "user_agent"];
    let listener = program.address.clone();
    let expected = json!([listener, "192.0.2.7", "xml-rpc", "POST", "HTTP/1.1", "/wheel", "spin", "ok", "test/1"]);
    assert_eq!(fields(&line, &names), expected);
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(line["received"], request.split("\r\n\r\n").nth(1).unwrap().len());
    for absent in ["ended_by", "stage", "calls", "upstream", "queued_micros", "retries", "proxy", "user", "trace"] {
        assert_eq!(line.get(absent), None, "{absent}");
    }

    let forwarded = config("", "public = { trusted-proxies = ['127.0.0.1'], client-header = 'forwarded' }\n");
    let mut program = Program::start("forwarded", &forwarded);
    program.ask(&post("/wheel", "spin", "Forwarded: for=\"[2001:db8::1]:80\"\r\nX-Forwarded-For: 192.0.2.7\r\n"));
    assert_eq!(program.access()["client"], "2001:db8::1");
}

#[test]
fn the_headers_of_a_stranger_do_not_change_its_address() {
    let mut program = Program::start("spoof", &config("", ""));
    program.ask(&post("/wheel", "spin", "X-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.7\r\n"));
    assert_eq!(program.access()["client"], "127.0.0.1");
}

#[test]
fn a_refusal_says_who_ended_the_request_and_when() {
    let mut program = Program::start("refusal", &config("", "limits.body = 200\n"));
    let names = ["outcome", "ended_by", "stage", "status"];
    for (request, expected) in [
        (post("/nowhere", "spin", ""), json!(["rejected", "client", "head", 404])),
        (post("/wheel", &"x".repeat(200), ""), json!(["rejected", "client", "body", 413])),
        (post("/wheel", "spinn", ""), json!(["no-such-method", "client", "call", 200])),
        (json_rpc("/wheel", "", "{"), json!(["not-well-formed", "client", "call", 200])),
    ] {
        program.ask(&request);
        assert_eq!(fields(&program.access(), &names), expected);
    }
    let mut stream = program
        .send("POST /wheel HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: 100\r\n\r\n<met");
    // The response to another request shows that the first one has been read.
    program.ask("GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    program.access();
    stream.flush().unwrap();
    drop(stream);
    let line = program.access();
    // A body that ends too early is refused, and the refusal finds no reader.
    assert_eq!(fields(&line, &["ended_by", "group"]), json!(["client", "/wheel"]), "{line}");
    assert_ne!(line["outcome"], "ok");
    assert_eq!(line["received"], 4);
}

#[test]
fn a_client_that_leaves_during_a_call_has_no_success() {
    let upstream = Upstream::start();
    let mut program = Program::start("gone", &config("", &upstream.group()));
    // A reset ends the call.
    let stream = program.send(&post("/up", "slow", "User-Agent: hasty\r\n"));
    upstream.came.recv().unwrap();
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    let line = program.access();
    let names = ["outcome", "ended_by", "stage", "group", "method", "status", "upstream", "user_agent"];
    let server = upstream.server.address.to_string();
    let expected = json!(["client-gone", "client", "call", "/up", "slow", null, server, "hasty"]);
    assert_eq!(fields(&line, &names), expected, "{line}");
    upstream.go_on.send(()).unwrap();
    // A client that closes may still read, so its call goes on.
    let stream = program.send(&post("/up", "slow", ""));
    upstream.came.recv().unwrap();
    drop(stream);
    std::thread::sleep(Duration::from_millis(50));
    upstream.go_on.send(()).unwrap();
    let line = program.access();
    assert!(matches!(line["outcome"].as_str(), Some("client-gone" | "client-closed")), "{line}");
    assert_eq!(fields(&line, &["ended_by", "stage"]), json!(["client", "response"]));
}

#[test]
fn a_line_says_how_long_a_call_has_waited_and_for_whom() {
    let upstream = Upstream::start();
    let mut program = Program::start("waits", &config("", &upstream.group()));
    let first = program.send(&post("/up", "slow", ""));
    upstream.came.recv().unwrap();
    let mut second = program.send(&post("/up", "fast", ""));
    std::thread::sleep(Duration::from_millis(100));
    upstream.go_on.send(()).unwrap();
    let mut answer = String::new();
    second.read_to_string(&mut answer).unwrap();
    drop(first);
    let lines = [program.access(), program.access()];
    let line = |method: &str| lines.iter().find(|line| line["method"] == method).unwrap();
    assert!(line("fast")["queued_micros"].as_u64().unwrap() >= 50_000, "{lines:?}");
    assert!(line("slow").get("queued_micros").is_none());
    assert!(line("slow")["upstream_micros"].as_u64().unwrap() >= 100_000, "{lines:?}");
    assert_eq!(line("fast")["upstream"], upstream.server.address.to_string());
}

#[test]
fn a_line_names_an_upstream_that_cannot_be_reached() {
    let closed = format!("127.0.0.1:{}", closed_port());
    let group = format!("[group.'/down']\nupstream = {{ urls = ['http://{closed}/'], protocol = 'xml-rpc' }}\n");
    let mut program = Program::start("down", &config("", &group));
    program.ask(&post("/down", "fast", ""));
    let line = program.access();
    assert_eq!(
        fields(&line, &["outcome", "ended_by", "stage", "upstream"]),
        json!(["unreachable", "upstream", "call", closed]),
        "{line}"
    );
}

#[test]
fn a_line_says_what_came_from_a_cache_a_fallback_or_the_other_side_of_a_split() {
    let down = format!(
        "upstream.urls = ['http://127.0.0.1:{}/']\nupstream.protocol = 'rest'\n\
         upstream.methods.spin.route = 'GET /spin'\nupstream.methods.pockets.route = 'GET /pockets'\n\
         fallback = [{{ methods = ['spin'], value = 7 }}, {{ group = '/wheel' }}]\n",
        closed_port()
    );
    let more = format!(
        "[group.'/cached']\nservice = 'wheel'\noptions.family = 'mini'\ncache.ttl = '1h'\n[group.'/down']\n{down}\
         [group.'/split']\nservice = 'wheel'\noptions.family = 'mini'\n\
         split = {{ to = '/cached', percent = 100, methods = ['pockets'] }}\n"
    );
    let mut program = Program::start("sources", &config("", &more));
    for (path, method, expected) in [
        ("/cached", "pockets", json!(["miss", null, null])),
        ("/cached", "pockets", json!(["hit", null, null])),
        ("/down", "spin", json!([null, "value", null])),
        ("/down", "pockets", json!([null, "group", null])),
        ("/split", "spin", json!([null, null, null])),
        ("/split", "pockets", json!(["hit", null, true])),
        ("/wheel", "pockets", json!([null, null, null])),
    ] {
        let response = program.ask(&json_rpc(path, "", &format!(r#"{{"jsonrpc":"2.0","method":"{method}","id":1}}"#)));
        assert!(response.contains("\"result\""), "{path}: {response}");
        let line = program.access();
        assert_eq!(fields(&line, &["cache", "fallback", "split"]), expected, "{method} of {path}: {line}");
    }
    // The calls of a batch may have found different things.
    let call = |method: &str, id: u32| format!(r#"{{"jsonrpc":"2.0","method":"{method}","id":{id}}}"#);
    program.ask(&json_rpc("/cached", "", &format!("[{},{}]", call("pockets", 1), call("spin", 2))));
    assert_eq!(program.access()["cache"], "mixed");
}

/// A fault in the original bytes of an upstream is a failed call, as one that is written again.
#[test]
fn a_fault_that_is_passed_on_is_logged_and_counted_as_a_fault() {
    let fault = "<?xml version='1.0'?><methodResponse><fault><value><struct><member><name>faultCode</name>\
                 <value><int>7</int></value></member><member><name>faultString</name><value>no: &lt;fault&gt;</value></member>\
                 </struct></value></fault></methodResponse>";
    let xml = Scripted::start(move |request| {
        let answer =
            if request.contains("boom") { fault.to_owned() } else { answered(":fault> fault <![CDATA[<fault>]]>") };
        http("200 OK", "Content-Type: text/xml\r\n", &answer)
    });
    let json = Scripted::start(|request| {
        let answer = if request.contains("boom") {
            r#"{"jsonrpc":"2.0","id":"x","error":{"code":-32602,"message":"no"}}"#
        } else {
            r#"{"jsonrpc":"2.0","id":"x","result":{"error":1}}"#
        };
        http("200 OK", "Content-Type: application/json\r\n", answer)
    });
    let group = |path, server: &Scripted, protocol| {
        format!("[group.'{path}']\nupstream = {{ urls = ['http://{}/'], protocol = '{protocol}' }}\n", server.address)
    };
    let groups = group("/xml", &xml, "xml-rpc") + &group("/json", &json, "json-rpc");
    let mut program = Program::start("passed", &config("", &groups));
    let xml = |method: &str| {
        let body = format!("<methodCall><methodName>{method}</methodName><params/></methodCall>");
        let length = body.len();
        format!(
            "POST /xml HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/xml\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
    };
    let json = |method: &str| json_rpc("/json", "", &format!(r#"{{"jsonrpc":"2.0","method":"{method}","id":"x"}}"#));
    for (request, outcome, ended_by) in [
        (xml("boom"), "service", json!("upstream")),
        (xml("calm"), "ok", Value::Null),
        (json("boom"), "bad-params", json!("client")),
        (json("calm"), "ok", Value::Null),
    ] {
        program.ask(&request);
        let line = program.access();
        assert_eq!(fields(&line, &["outcome", "ended_by", "status"]), json!([outcome, ended_by, 200]), "{line}");
    }
}

#[test]
fn a_batch_is_counted_and_its_calls_are_logged_on_request() {
    let batch = r#"[{"jsonrpc":"2.0","method":"spin","id":1},{"jsonrpc":"2.0","method":"spinn","id":2},{"id":3}]"#;
    let multicall = "<methodCall><methodName>system.multicall</methodName><params><param><value><array><data>\
                     <value><struct><member><name>methodName</name><value>spin</value></member>\
                     <member><name>params</name><value><array><data/></array></value></member></struct></value>\
                     </data></array></value></param></params></methodCall>";
    let length = multicall.len();
    let multicall = format!(
        "POST /wheel HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\r\n{multicall}"
    );
    let mut program = Program::start("batch", &config("", ""));
    program.ask(&json_rpc("/wheel", "", batch));
    let line = program.line_with("outcome");
    assert_eq!(fields(&line, &["target", "calls", "faults", "outcome"]), json!(["croupier::access", 3, 2, "ok"]));
    program.ask(&multicall);
    assert_eq!(fields(&program.access(), &["calls", "faults"]), json!([1, 0]));

    let mut program = Program::start("calls", &config(", calls = true, only = 'errors'", ""));
    program.ask(&multicall);
    program.ask(&json_rpc("/wheel", "", batch));
    let calls: Vec<_> = (0..3).map(|_| program.line_with("outcome")).collect();
    let line = program.line_with("outcome");
    // The multicall had no fault, and has no line.
    assert_eq!(fields(&line, &["target", "calls", "faults"]), json!(["croupier::access", 3, 2]));
    let expected = [("spin", "ok"), ("spinn", "no-such-method")];
    for (number, call) in calls.iter().enumerate() {
        assert_eq!(fields(call, &["target", "call", "id"]), json!(["croupier::call", number + 1, line["id"]]));
        match expected.get(number) {
            Some((method, outcome)) => assert_eq!(fields(call, &["method", "outcome"]), json!([method, outcome])),
            None => assert_eq!(fields(call, &["method"]), json!([null]), "{call}"),
        }
        assert!(call["micros"].is_u64());
    }
}

#[test]
fn only_requests_that_failed_are_logged_on_request() {
    let mut program = Program::start("only", &config(", only = 'errors'", ""));
    program.ask(&post("/wheel", "spin", ""));
    program.ask(&post("/wheel", "spinn", ""));
    assert_eq!(program.line_with("outcome")["method"], "spinn");
}

#[test]
fn what_a_client_writes_is_escaped_in_every_format() {
    let request = |method: &str| post("/wheel", method, "User-Agent: a\u{202e}b\tc\u{85}\r\n");
    for format in ["text", "json", "logfmt"] {
        let file = config("", "").replace("'json'", &format!("'{format}'"));
        let mut program = Program::start(&format!("escaped-{format}"), &file);
        program.ask(&request("sp\u{2066}in\u{202e}&#10;FORGED"));
        let line = program.log.next().unwrap().unwrap();
        assert!(line.contains("user_agent") && line.contains("FORGED"), "{line}");
        assert!(!line.contains(['\t', '\u{85}', '\u{202e}', '\u{2066}']), "{line}");
        for escaped in ["u{202e}", "u{2066}", "u{9}c"] {
            assert!(line.contains(escaped), "{escaped} {line}");
        }
        if format == "logfmt" {
            assert!(line.starts_with("timestamp=") && line.contains(" outcome=no-such-method "), "{line}");
            assert!(line.ends_with(" target=croupier::access"), "{line}");
        }
    }
}

/// The last call of `fast`, in lower case; an upstream is also asked to describe itself.
fn called(seen: &Mutex<Vec<String>>) -> String {
    let mut seen = seen.lock().unwrap();
    let call = seen.iter().rfind(|request| request.contains("<methodName>fast<")).unwrap().to_ascii_lowercase();
    seen.clear();
    call
}

#[test]
fn a_trace_is_logged_and_passed_on() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = seen.clone();
    let server = Scripted::start(move |request| {
        requests.lock().unwrap().push(request.to_owned());
        http("200 OK", "Content-Type: text/xml\r\n", &answered("<int>1</int>"))
    });
    let group =
        format!("[group.'/up']\nupstream = {{ urls = ['http://{}/'], protocol = 'xml-rpc' }}\n", server.address);
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let headers = format!("traceparent: 00-{id}-00f067aa0ba902b7-01\r\ntracestate: a=1\r\n");
    for log in ["", ", access = false"] {
        let mut program = Program::start("trace", &config(log, &group));
        program.ask(&post("/up", "fast", &headers));
        let request = called(&seen);
        let parent = request.lines().find_map(|line| line.strip_prefix("traceparent: ")).unwrap().to_owned();
        assert!(parent.starts_with(&format!("00-{id}-")) && parent.ends_with("-01"), "{parent}");
        assert!(!parent.contains("00f067aa0ba902b7") && request.contains("\r\ntracestate: a=1\r\n"), "{request}");
        if log.is_empty() {
            assert_eq!(program.access()["trace"], id);
        }
        program.ask(&post("/up", "fast", "traceparent: 00-nonsense\r\n"));
        assert!(!called(&seen).contains("traceparent"));
    }
}

#[test]
fn a_proxy_says_where_a_connection_comes_from() {
    let listen = "{ address = '127.0.0.1:0', proxy-protocol = true }";
    let text = config("", "public.trusted-proxies = ['127.0.0.1']\n").replace("'127.0.0.1:0'", listen);
    let mut program = Program::start("proxied", &text);
    // The client is no trusted proxy, so its own headers do not count.
    let request = post("/wheel", "spin", "X-Forwarded-For: 198.51.100.1\r\n");
    let answer = program.ask(&format!("PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n{request}"));
    assert!(answer.contains("200 OK"), "{answer}");
    let line = program.access();
    assert_eq!(fields(&line, &["client", "peer", "outcome"]), json!(["192.0.2.7", "192.0.2.7:4711", "ok"]));
    assert!(line["proxy"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    // A check of the proxy itself.
    let check = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    let mut stream = TcpStream::connect(&program.address).unwrap();
    stream.write_all(&[check.as_slice(), post("/wheel", "spin", "").as_bytes()].concat()).unwrap();
    stream.read_to_string(&mut String::new()).unwrap();
    assert_eq!(fields(&program.access(), &["client", "proxy"]), json!(["127.0.0.1", null]));
    // A client of a proxy that does not know it.
    program.ask(&format!("PROXY UNKNOWN\r\n{request}"));
    assert_eq!(program.access()["client"], "0.0.0.0");

    // Closed with unread bytes, a connection may be reset.
    let _ = program.send(&request).read_to_string(&mut String::new());
    assert_eq!(program.line_with("reason")["reason"], "the first bytes are not those of a PROXY header");
}

#[test]
fn a_proxy_that_is_not_trusted_cannot_say_where_a_connection_comes_from() {
    let listen = "{ address = '127.0.0.1:0', proxy-protocol = true }";
    let text = config("", "public.trusted-proxies = ['192.0.2.1']\n").replace("'127.0.0.1:0'", listen);
    let mut program = Program::start("untrusted", &text);
    let mut stream = program.send("PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n");
    // Closed with unread bytes, a connection may be reset.
    let _ = stream.read_to_string(&mut String::new());
    assert_eq!(program.line_with("reason")["reason"], "the peer is not a trusted proxy");
}

#[test]
fn a_header_of_a_proxy_that_does_not_come_is_not_waited_for() {
    let listen = "{ address = '127.0.0.1:0', proxy-protocol = true }";
    let more = "public.trusted-proxies = ['127.0.0.1']\nserver.timeouts.header = '200ms'\n";
    let mut program = Program::start("late-header", &config("", more).replace("'127.0.0.1:0'", listen));
    let mut stream = program.send("PROXY TCP4 192.0.2.7 ");
    let _ = stream.read_to_string(&mut String::new());
    assert_eq!(program.line_with("reason")["reason"], "it did not arrive in time");
}

#[test]
fn clients_that_do_not_speak_http_have_a_line() {
    let mut program = Program::start("not-http", &config("", ""));
    let mut stream = TcpStream::connect(&program.address).unwrap();
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").unwrap();
    let mut answer = Vec::new();
    // It is closed with unread bytes, so it may be reset.
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(answer, b"", "nothing in plain text is of use to it");
    let line = program.line_with("message");
    assert_eq!(fields(&line, &["level", "listener"]), json!(["INFO", program.address]));
    assert!(line["message"].as_str().unwrap().contains("https"), "{line}");
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    program.ask("HELLO\u{1}\r\n\r\n");
    let line = program.line_with("reason");
    assert!(line["message"].as_str().unwrap().contains("not HTTP"), "{line}");
    // The first frame of HTTP/2 is one of settings (RFC 9113, section 3.4), whose length is a multiple of six.
    let mut stream = TcpStream::connect(&program.address).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x05\x04\0\0\0\0\0abcde").unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    let line = program.line_with("reason");
    assert!(line["message"].as_str().unwrap().contains("HTTP/2"), "{line}");
    assert_eq!(fields(&line, &["level", "listener"]), json!(["INFO", program.address]));
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
}
