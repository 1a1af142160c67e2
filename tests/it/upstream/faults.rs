//! What a caller and the log learn of an upstream that fails, and what the upstream learns of the call: the exact text of
//! each fault, the group in log lines, the id of the request, and the deadline.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use croupier::Kind;
use croupier::config::{Config, Registry};
use croupier::protocol::Protocol;
use croupier::server::PeerAddress;
use croupier::server::gateway::Gateway;
use croupier::server::request_body::BodyReader;
use croupier::upstream::transport::{Transport, TransportOptions};
use croupier::upstream::{Upstream, UpstreamOptions};
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tokio::time::Instant;
use tower::ServiceExt;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::calls::post_to;
use crate::support::hello::{self, CLIENT_PROTOCOLS, at, document};
use crate::support::over::Behind;
use crate::support::upstream::{Act, ScriptedUpstream};

/// The text and the kind of the fault that a REST call gets.
async fn fault(behind: &Behind) -> (String, String) {
    let (_, text) = post_to(&behind.service, &behind.frontends, "hello", "application/json", b"[]").await;
    let problem: Value = serde_json::from_str(&text).unwrap();
    (problem["detail"].as_str().unwrap().to_owned(), problem["kind"].as_str().unwrap().to_owned())
}

fn http_response(status: &str, media: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// A port on which no process listens, and what the operating system says of a connection to it.
fn closed_port() -> (u16, String) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    (address.port(), std::net::TcpStream::connect(address).unwrap_err().to_string())
}

#[tokio::test]
async fn an_unreachable_upstream_is_reported() {
    for protocol in CLIENT_PROTOCOLS {
        let (port, refused) = closed_port();
        let behind = hello::behind(&[format!("http://127.0.0.1:{port}/")], protocol, false).await;
        let expected = format!("the upstream server cannot be reached: {refused}");
        assert_eq!(fault(&behind).await, (expected, "unreachable".to_owned()), "{protocol}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_called_that() {
    let server = ScriptedUpstream::start().await;
    for protocol in CLIENT_PROTOCOLS {
        let behind = at(&server, protocol, false).await;
        let (media, body) = document(protocol).await;
        let whole = http_response("200 OK", media, &body);
        for (end, reason) in [
            (0, "connection closed before message completed"),
            (whole.len() - body.len() - 1, "connection closed before message completed"),
            (whole.len() - 1, "end of file before message length reached"),
        ] {
            server.will([Act::Cut(whole[..end].to_vec())]);
            let expected = format!("the connection to the upstream server broke off: {reason}");
            assert_eq!(fault(&behind).await, (expected, "unreachable".to_owned()), "{protocol}, {end} bytes");
        }
    }
}

#[tokio::test]
async fn another_status_than_200_is_named() {
    let server = ScriptedUpstream::start().await;
    for protocol in CLIENT_PROTOCOLS {
        let behind = at(&server, protocol, false).await;
        for (status, body, expected) in [
            ("503 Service Unavailable", "\r\nclosed\x1b[0m\nfor today", "503 Service Unavailable: closed [0m"),
            ("500 Internal Server Error", "<p>secret</p>", "500 Internal Server Error"),
            ("429 Too Many Requests", &"x".repeat(5000), &format!("429 Too Many Requests: {}", "x".repeat(200))),
            ("404 Not Found", "", "404 Not Found"),
            ("401 Unauthorized", "inner realm", "401 Unauthorized"),
            ("403 Forbidden", "denied by inner.example", "403 Forbidden"),
            ("502 Bad Gateway", "no route to 10.0.0.1", "502 Bad Gateway"),
            ("302 Found", "http://inner.example/", "302 Found"),
        ] {
            server.will([Act::Output(http_response(status, "text/plain", body))]);
            let expected = format!("the upstream server responded with HTTP status {expected}");
            let is_fault = protocol == Protocol::Rest && !status.starts_with('3');
            let kind = if is_fault { "service" } else { "unreachable" };
            assert_eq!(fault(&behind).await, (expected, kind.to_owned()), "{protocol}");
        }
    }
}

#[tokio::test]
async fn an_invalid_response_is_a_fault_of_the_kind_unreachable() {
    let server = ScriptedUpstream::start().await;
    let responses = [
        (Protocol::XmlRpc, "text/xml", "<html/>"),
        (Protocol::XmlRpc, "text/xml", "<methodResponse></methodResponse>"),
        (Protocol::JsonRpc, "application/json", "<html/>"),
        (Protocol::JsonRpc, "application/json", r#"{"jsonrpc": "2.0", "id": 1, "result": }"#),
        (Protocol::Soap, "text/xml", "<html/>"),
        (Protocol::Soap, "text/xml", "<a>"),
    ];
    for (protocol, media, body) in responses {
        let behind = at(&server, protocol, false).await;
        server.will([Act::Output(http_response("200 OK", media, body))]);
        let (text, kind) = fault(&behind).await;
        assert_eq!(kind, "unreachable", "{protocol}: {body}");
        let expected = format!("the upstream server did not return a valid {} response: ", protocol.title());
        assert!(text.starts_with(&expected) && !text.contains("html"), "{protocol}: {text}");
    }
}

#[tokio::test]
async fn a_plain_text_in_place_of_a_response_is_told() {
    let server = ScriptedUpstream::start().await;
    let behind = at(&server, Protocol::XmlRpc, false).await;
    let told = "the upstream server returned a text, not a valid XML-RPC response: ";
    for (media, body, expected) in [
        ("text/plain", "Closed for\r\n  today.\x1b[0m", format!("{told}Closed for today. [0m")),
        ("Text/Plain; charset=utf-8", "turned \u{202e}round", format!("{told}turned \\u{{202e}}round")),
        ("text/plain", &"x".repeat(5000), format!("{told}{}", "x".repeat(200))),
    ] {
        server.will([Act::Output(http_response("200 OK", media, body))]);
        assert_eq!(fault(&behind).await, (expected, "unreachable".to_owned()), "{body}");
    }
    // A page, or what precedes a document, may show addresses, paths and source code.
    for (media, body) in
        [("text/html", "secret"), ("text/xml", "secret <methodResponse/>"), ("text/plain", "<p>secret</p>")]
    {
        server.will([Act::Output(http_response("200 OK", media, body))]);
        assert!(!fault(&behind).await.0.contains("secret"), "{media}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_does_not_respond_is_late() {
    let server = ScriptedUpstream::start().await;
    for protocol in CLIENT_PROTOCOLS {
        let behind = at(&server, protocol, false).await;
        server.will([Act::Silence]);
        let expected = "the upstream server did not respond in time: no response within 60s".to_owned();
        assert_eq!(fault(&behind).await, (expected, "late".to_owned()), "{protocol}");
    }
}

/// Records the events of this thread, each with its fields.
#[derive(Clone, Default)]
struct EventLog(Arc<Mutex<Vec<EventFields>>>);

#[derive(Clone, Default)]
struct EventFields(BTreeMap<&'static str, String>);

impl Visit for EventFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for EventLog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if event.metadata().target().starts_with("croupier::upstream") {
            let mut fields = EventFields::default();
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl EventLog {
    /// The values of a field in the events with this message.
    fn values(&self, message: &str, field: &str) -> Vec<String> {
        let events = self.0.lock().unwrap();
        let matching = events.iter().filter(|EventFields(fields)| fields["message"] == message);
        matching.map(|EventFields(fields)| fields[field].clone()).collect()
    }
}

#[tokio::test]
async fn log_lines_about_an_upstream_name_its_group() {
    let server = ScriptedUpstream::start().await;
    let log = EventLog::default();
    // With one subscriber alone, tracing asks that of the current thread whether an event is wanted, and remembers the
    // answer for all threads: another test without a subscriber could switch these events off. With two it asks both.
    let _second = tracing::Dispatch::new(EventLog::default());
    let _guard = tracing::subscriber::set_default(log.clone());
    let gateway = gateway(&server, "");
    server.will([Act::Cut(Vec::new()), Act::Output(http_response("200 OK", "text/xml", "<html/>"))]);
    for _ in 0..2 {
        call(&gateway, "text/xml", XML_CALL, None).await;
    }
    let address = server.address().to_string();
    for message in ["a call to an upstream failed", "the response of an upstream is unusable"] {
        assert_eq!(log.values(message, "group"), ["/remote"], "{message}");
        assert_eq!(log.values(message, "server"), [address.as_str()], "{message}");
    }

    let transport = Transport::new(vec![format!("http://{address}/").parse().unwrap()], TransportOptions::default());
    let options = UpstreamOptions { group: "/remote".to_owned(), ..UpstreamOptions::new(Protocol::JsonRpc) };
    let upstream = Upstream::new(transport.unwrap(), options).unwrap();
    let described = r#"{"jsonrpc": "2.0", "id": 1, "result": {"openrpc": "1.3.2", "info": {"title": "", "version": "1"}, "methods": []}}"#;
    server.will([Act::Cut(Vec::new()), Act::Output(http_response("200 OK", "application/json", described))]);
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let mut sender = Some(sender);
    let on_described = |_: &Upstream, changed| sender.take().unwrap().send(changed).unwrap();
    tokio::select! {
        () = upstream.watch(on_described) => {}
        changed = receiver => assert!(changed.unwrap()),
    }
    for message in ["an upstream does not describe itself", "an upstream has described itself"] {
        assert_eq!(log.values(message, "group"), ["/remote"], "{message}");
    }
}

#[tokio::test]
async fn the_log_says_where_a_server_redirects_to() {
    let server = ScriptedUpstream::start().await;
    let log = EventLog::default();
    // As above.
    let _second = tracing::Dispatch::new(EventLog::default());
    let _guard = tracing::subscriber::set_default(log.clone());
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        for (media, body) in [("text/xml", XML_CALL), ("application/json", JSON_CALL), ("application/json", JSON_BATCH)]
        {
            let gateway = gateway(&server, "");
            let location = "Location: https://ann:wheel@blog.example/xmlrpc.php?token=1";
            let response = format!("HTTP/1.1 {status}\r\n{location}\r\nContent-Length: 5\r\n\r\nmoved");
            server.will([Act::Output(response.into_bytes())]);
            let (_, told) = call(&gateway, media, body, None).await;
            assert!(told.contains(&status[..3]) && !told.contains("blog.example"), "{told}");
            let errors = log.values("the response of an upstream is unusable", "error");
            let expected = format!("HTTP {status}: it redirects to https://blog.example/xmlrpc.php: moved");
            assert_eq!(errors.last(), Some(&expected));
        }
    }
}

const XML_CALL: &str = "<methodCall><methodName>hello</methodName></methodCall>";
const JSON_CALL: &str = r#"{"jsonrpc": "2.0", "id": 1, "method": "hello"}"#;
const JSON_BATCH: &str =
    r#"[{"jsonrpc": "2.0", "id": 1, "method": "hello"}, {"jsonrpc": "2.0", "id": 2, "method": "hello"}]"#;

/// A gateway whose group `/remote` is this server, of XML-RPC. The server has not described itself, so its methods are
/// unknown and calls of any are sent on.
fn gateway(server: &ScriptedUpstream, settings: &str) -> Gateway {
    gateway_with(server, settings, "")
}

/// The same with further keys of the upstream.
fn gateway_with(server: &ScriptedUpstream, settings: &str, upstream: &str) -> Gateway {
    let config = format!(
        "public.trusted-proxies = ['10.0.0.0/8']\n[group.'/remote']\n{settings}\n[group.'/remote'.upstream]\n\
         urls = ['http://{}/']\nprotocol = 'xml-rpc'\nbatching = 'on'\n{upstream}\n",
        server.address()
    );
    let config = Config::parse("test.toml", &config, &Registry::standard()).unwrap();
    Gateway::serving(&config.mounts(), BodyReader::new(&config.settings)).unwrap()
}

/// Posts a body to `/remote` from a trusted proxy, which names the request if `id` is given. Returns the `X-Request-Id` of
/// the response, and its body.
async fn call(gateway: &Gateway, media: &str, body: &'static str, id: Option<&str>) -> (String, String) {
    let peer = PeerAddress("10.1.2.3:5".parse().unwrap());
    let mut request = Request::post("/remote").header("host", "x").header("content-type", media).extension(peer);
    if let Some(id) = id {
        request = request.header("x-request-id", id);
    }
    let request = request.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap();
    let response = gateway.clone().oneshot(request).await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (id, String::from_utf8(body.to_vec()).unwrap())
}

/// The values of `X-Request-Id` in the last request to the server.
fn received_ids(server: &ScriptedUpstream) -> Vec<String> {
    let request = String::from_utf8(server.last()).unwrap();
    let head = request.split_once("\r\n\r\n").unwrap().0.to_owned();
    let ids = head.lines().filter_map(|line| line.strip_prefix("x-request-id: "));
    ids.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_id_of_a_request_arrives_at_the_upstream() {
    let server = ScriptedUpstream::start().await;
    let gateway = gateway(&server, "");
    let (media, result) = document(Protocol::XmlRpc).await;
    let value = "<value><string>world</string></value>";
    let results = format!(
        "<methodResponse><params><param><value><array><data>{0}{0}</data></array></value></param></params></methodResponse>",
        format!("<value><array><data>{value}</data></array></value>")
    );
    // In its original bytes, encoded anew, and together with another call.
    for (sent_media, sent, response, part) in [
        ("text/xml", XML_CALL, &result, "<methodName>hello</methodName>"),
        ("application/json", JSON_CALL, &result, "<methodName>hello</methodName>"),
        ("application/json", JSON_BATCH, &results, "<methodName>system.multicall</methodName>"),
    ] {
        server.will([Act::Output(http_response("200 OK", media, response))]);
        let (own, body) = call(&gateway, sent_media, sent, Some("mine-7")).await;
        assert!(body.contains("world"), "{body}");
        assert!(String::from_utf8(server.last()).unwrap().contains(part));
        assert_eq!((own.as_str(), received_ids(&server)), ("mine-7", vec!["mine-7".to_owned()]), "{sent}");
        let (generated, _) = call(&gateway, sent_media, sent, None).await;
        assert_ne!(generated, "mine-7");
        assert_eq!(received_ids(&server), [generated], "{sent}");
    }
}

#[tokio::test]
async fn a_deadline_covers_the_wait_for_a_permit_and_the_call_together() {
    const DEADLINE: Duration = Duration::from_secs(1);
    let server = ScriptedUpstream::start().await;
    let gateway = gateway(&server, "limits = { deadline = '1s', concurrent = 1 }");
    server.will([Act::Silence]);
    for (media, body) in [("text/xml", XML_CALL), ("application/json", JSON_CALL), ("application/json", JSON_BATCH)] {
        let timed = async || {
            let begun = Instant::now();
            let (_, body) = call(&gateway, media, body, None).await;
            (begun.elapsed(), body)
        };
        let (first, second) = tokio::join!(timed(), timed());
        for (taken, response) in [first, second] {
            assert!((DEADLINE..DEADLINE.mul_f64(1.9)).contains(&taken), "{taken:?}: {response}");
            let codes = [Kind::Late, Kind::Busy].map(|kind| [kind.xmlrpc_code(), kind.jsonrpc_code()]);
            assert!(codes.as_flattened().iter().any(|code| response.contains(&code.to_string())), "{response}");
        }
    }
}

#[tokio::test]
async fn the_log_has_the_whole_body_of_an_error_page_and_callers_only_if_they_may() {
    let server = ScriptedUpstream::start().await;
    let log = EventLog::default();
    // As above.
    let _second = tracing::Dispatch::new(EventLog::default());
    let _guard = tracing::subscriber::set_default(log.clone());
    let page = format!("<html>\n<h1>Proxy error</h1>{}</html>", "<p>why</p>".repeat(1000));
    for (keys, media, body, shown) in [
        ("", "text/xml", XML_CALL, false),
        ("", "application/json", JSON_CALL, false),
        ("", "application/json", JSON_BATCH, false),
        ("return-error-text = true", "text/xml", XML_CALL, true),
        ("return-error-text = true", "application/json", JSON_CALL, true),
    ] {
        let gateway = gateway_with(&server, "", keys);
        server.will([Act::Output(http_response("502 Bad Gateway", "text/html", &page))]);
        let (_, told) = call(&gateway, media, body, None).await;
        assert!(told.contains("HTTP status 502 Bad Gateway"), "{told}");
        assert_eq!(told.contains("Proxy error"), shown, "{told}");
        assert!(told.len() < 1500, "{told}");
        let bodies = log.values("the body of a response of an upstream that is unusable", "body");
        assert_eq!(bodies.last(), Some(&page));
    }
    let groups = log.values("the body of a response of an upstream that is unusable", "group");
    assert!(groups.iter().all(|group| group == "/remote"), "{groups:?}");
}
