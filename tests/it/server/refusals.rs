//! Requests that are refused before they are read as calls, and calls whose result has no memory: each is refused with its
//! status, and in the protocol of the caller.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use croupier::protocol::soap::server::namespace_of;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::settings::{GroupLimits, PerClient, ServerSettings, Timeouts};
use croupier::service::local::Local;

use crate::support::running::{Running, call, post};

/// How a caller of each protocol asks, and the form of its errors.
struct Caller {
    name: &'static str,
    path: &'static str,
    headers: &'static str,
    /// The media type of an error.
    media: &'static str,
    /// What an error contains, with the reason and, where the protocol has codes, the code of its kind.
    error: fn(&str, Codes) -> Vec<String>,
    body: fn(&str) -> String,
}

/// The codes of a kind of fault.
#[derive(Clone, Copy)]
struct Codes {
    xmlrpc: i32,
    jsonrpc: i32,
    /// The fault code of SOAP 1.1; that of SOAP 1.2 follows from it.
    soap: &'static str,
}

const LIMIT: Codes = Codes { xmlrpc: -32400, jsonrpc: -32041, soap: "Client" };
const LATE: Codes = Codes { xmlrpc: -32031, jsonrpc: -32031, soap: "Server" };
const ENCODING: Codes = Codes { xmlrpc: -32701, jsonrpc: -32700, soap: "Client" };
const STRUCTURE: Codes = Codes { xmlrpc: -32600, jsonrpc: -32600, soap: "Client" };
const INTERNAL: Codes = Codes { xmlrpc: -32603, jsonrpc: -32603, soap: "Server" };
const BUSY: Codes = Codes { xmlrpc: -32040, jsonrpc: -32040, soap: "Server" };

fn envelope(namespace: &str, method: &str) -> String {
    let group = namespace_of("/g");
    format!(r#"<e:Envelope xmlns:e="{namespace}"><e:Body><m:{method} xmlns:m="{group}"/></e:Body></e:Envelope>"#)
}

const CALLERS: [Caller; 5] = [
    Caller {
        name: "XML-RPC",
        path: "/g",
        headers: "Content-Type: text/xml\r\n",
        media: "text/xml",
        error: |reason, codes| vec![format!("<int>{}</int>", codes.xmlrpc), reason.to_owned(), "<fault>".to_owned()],
        body: |method| call(method, &[]),
    },
    Caller {
        name: "JSON-RPC",
        path: "/g",
        headers: "Content-Type: application/json\r\n",
        media: "application/json",
        error: |reason, codes| {
            vec![
                format!(r#"{{"code":{},"message":"#, codes.jsonrpc),
                reason.to_owned(),
                r#""jsonrpc":"2.0""#.to_owned(),
            ]
        },
        body: |method| format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}"}}"#),
    },
    Caller {
        name: "SOAP 1.1",
        path: "/g",
        headers: "Content-Type: text/xml; charset=utf-8\r\nSOAPAction: \"\"\r\n",
        media: "text/xml; charset=utf-8",
        error: |reason, codes| {
            let code = format!("<faultcode>soap:{}</faultcode>", codes.soap);
            vec![code, format!("<faultstring>{reason}"), "http://schemas.xmlsoap.org/soap/envelope/".to_owned()]
        },
        body: |method| envelope("http://schemas.xmlsoap.org/soap/envelope/", method),
    },
    Caller {
        name: "SOAP 1.2",
        path: "/g",
        headers: "Content-Type: application/soap+xml\r\n",
        media: "application/soap+xml; charset=utf-8",
        error: |reason, codes| {
            let code = if codes.soap == "Client" { "Sender" } else { "Receiver" };
            vec![
                format!("soap:{code}</soap:Value>"),
                reason.to_owned(),
                "http://www.w3.org/2003/05/soap-envelope".to_owned(),
            ]
        },
        body: |method| envelope("http://www.w3.org/2003/05/soap-envelope", method),
    },
    Caller {
        name: "REST",
        path: "/g/METHOD",
        headers: "Content-Type: application/json\r\n",
        media: "application/problem+json",
        error: |reason, _| vec![format!(r#""detail":"{reason}"#), r#""type":"about:blank""#.to_owned()],
        body: |_| "{}".to_owned(),
    },
];

impl Caller {
    /// A request with these further header lines, each ended by CRLF.
    fn request(&self, version: &str, headers: &str, method: &str, body: &str) -> String {
        let (path, own) = (self.path.replace("METHOD", method), self.headers);
        format!("POST {path} {version}\r\nHost: localhost\r\n{own}{headers}\r\n{body}")
    }

    fn whole_request(&self, method: &str) -> String {
        let body = (self.body)(method);
        self.request("HTTP/1.1", &format!("Content-Length: {}\r\n", body.len()), method, &body)
    }

    fn check(&self, answer: &str, status: u16, reason: &str, codes: Codes) {
        let name = self.name;
        assert_eq!(answer.get(9..12), Some(status.to_string().as_str()), "{name}: {answer}");
        assert!(answer.contains(&format!("\r\ncontent-type: {}\r\n", self.media)), "{name}: {answer}");
        assert_eq!(answer.contains("\r\nretry-after: "), status == 503, "{name}: {answer}");
        for part in (self.error)(reason, codes) {
            assert!(answer.contains(&part), "{name}, {part}: {answer}");
        }
    }
}

fn service() -> Local {
    Local::new("Group", ())
        .method("hello", |_: &(), (): ()| "world")
        .method("large", |_: &(), (): ()| "x".repeat(1200 << 10))
        .build()
        .unwrap()
}

fn start(settings: ServerSettings) -> Running {
    let limits = GroupLimits { body: 4096, ..GroupLimits::default() };
    let group = GroupMount::new("/g", service()).with_limits(limits);
    let mounts = Mounts { groups: vec![group], ..Mounts::default() };
    Running::router(mounts.router().unwrap(), settings)
}

#[test]
fn a_request_that_is_refused_before_its_body_is_read_gets_an_error_in_its_protocol() {
    let server = start(ServerSettings::default());
    for caller in &CALLERS {
        let large = "Content-Length: 4097\r\n";
        for (version, headers, body, status, reason, codes) in [
            ("HTTP/1.1", large, "", 413, "the request is larger than 4096 bytes", LIMIT),
            ("HTTP/1.0", "", "", 411, "an HTTP/1.0 request needs a Content-Length", STRUCTURE),
            ("HTTP/1.1", "Content-Length: 2\r\nContent-Encoding: br\r\n", "{}", 415, "the content coding", ENCODING),
            (
                "HTTP/1.1",
                "Content-Length: 2\r\nContent-Encoding: gzip\r\n",
                "{}",
                400,
                "the body does not match its Content-Encoding",
                STRUCTURE,
            ),
            (
                "HTTP/1.1",
                "Transfer-Encoding: gzip, chunked\r\n",
                "2\r\n{}\r\n0\r\n\r\n",
                501,
                "the only transfer coding that is supported is chunked",
                INTERNAL,
            ),
            ("HTTP/1.1", "Transfer-Encoding: chunked\r\n", "8\r\n{}", 400, "the request broke off", STRUCTURE),
        ] {
            let answer = server.raw(caller.request(version, headers, "hello", body));
            caller.check(&answer, status, reason, codes);
        }
    }
}

#[test]
fn a_body_that_comes_too_late_gets_an_error_in_its_protocol() {
    let timeouts = Timeouts { body: Duration::from_millis(200), ..Timeouts::default() };
    let server = start(ServerSettings { timeouts, ..ServerSettings::default() });
    let open = CALLERS.map(|caller| {
        let mut stream = server.connect();
        stream.write_all(caller.request("HTTP/1.1", "Content-Length: 3\r\n", "hello", "{").as_bytes()).unwrap();
        (caller, stream)
    });
    for (caller, mut stream) in open {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        caller.check(&answer, 408, "the request took too long to arrive", LATE);
    }
}

#[test]
fn a_client_with_too_many_requests_gets_an_error_in_its_protocol() {
    let per_client = PerClient { requests: Some(1), ..PerClient::default() };
    let server = start(ServerSettings { per_client, ..ServerSettings::default() });
    let _open = server.begin_head(&post("/g", "Expect: 100-continue\r\n", &call("hello", &[])));
    for caller in &CALLERS {
        caller.check(&server.raw(caller.whole_request("hello")), 503, "this client has too many requests open", BUSY);
    }
}

/// The calls were carried out, so their responses have the status of a call that has failed, and the id of the request.
#[test]
fn a_result_that_has_no_memory_is_a_fault_of_its_call() {
    let server = start(ServerSettings { response_memory: 1 << 20, ..ServerSettings::default() });
    for caller in &CALLERS {
        let status = match caller.name {
            "XML-RPC" | "JSON-RPC" => 200,
            "REST" => 503,
            _ => 500,
        };
        let answer = server.raw(caller.whole_request("large"));
        caller.check(&answer, status, "too many large results at once: the call was carried out", BUSY);
        assert!(caller.name != "JSON-RPC" || answer.contains(r#""id":7"#), "{answer}");
    }
}

/// A length of more than 64 bits is too large like any other.
#[test]
fn a_length_that_does_not_fit_is_too_large() {
    let server = start(ServerSettings::default());
    for caller in &CALLERS {
        for length in
            ["18446744073709551615", "18446744073709551616", "9999999999999999999", "100000000000000000000000"]
        {
            let headers = format!("Content-Length: {length}\r\n");
            let answer = server.raw(caller.request("HTTP/1.1", &headers, "hello", "{}"));
            caller.check(&answer, 413, "the request is larger than 4096 bytes", LIMIT);
        }
    }
}

/// Pages of other sites may read why a request was refused as they may read any other response.
#[test]
fn a_refusal_has_the_headers_for_pages_of_other_sites() {
    let mut group = GroupMount::new("/g", service());
    group.cors.origins = vec!["https://other.example".parse().unwrap()];
    let mounts = Mounts { groups: vec![group], ..Mounts::default() };
    let server = Running::router(mounts.router().unwrap(), ServerSettings::default());
    let headers = "Origin: https://other.example\r\nContent-Length: 99999999\r\n";
    for caller in CALLERS {
        let answer = server.raw(caller.request("HTTP/1.1", headers, "hello", ""));
        assert!(answer.starts_with("HTTP/1.1 413 "), "{}: {answer}", caller.name);
        assert!(answer.contains("\r\naccess-control-allow-origin: https://other.example\r\n"), "{answer}");
    }
}

/// A request whose protocol is not known.
#[test]
fn a_request_that_no_protocol_claims_gets_plain_text() {
    let server = start(ServerSettings::default());
    let request = "POST /g HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 9999\r\n\r\n";
    let mut stream = server.connect();
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 415 ") && answer.contains("\r\ncontent-type: text/plain"), "{answer}");
}
