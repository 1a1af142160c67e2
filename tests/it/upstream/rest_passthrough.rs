//! HTTP requests in the form of the OpenAPI document of a REST upstream, which are passed on to it as they are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use bytes::Bytes;
use croupier::http::cors::CorsOptions;
use croupier::model::interface::{Interface, Method};
use croupier::model::name_patterns::NamePatterns;
use croupier::protocol::Protocol;
use croupier::protocol::rest::openapi::read as openapi;
use croupier::server::auth::GroupAuth;
use croupier::server::auth::api_key::{ApiKeyAuth, ApiKeys};
use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::settings::GroupLimits;
use croupier::service::RpcService;
use croupier::upstream::forwarding::{Cookies, ForwardedForm, Forwarding, HeaderTemplate};
use croupier::upstream::transport::{Transport, TransportOptions};
use croupier::upstream::{Upstream, UpstreamOptions};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::rest_upstream::{RestUpstream, STREAMED};
use crate::support::running::Running;

/// How many bytes may be on the way at once: in the buffers of four sockets and of the gateway.
const ON_THE_WAY: usize = 40 << 20;

fn options() -> UpstreamOptions {
    UpstreamOptions { deny: NamePatterns(vec!["secret".to_owned()]), ..UpstreamOptions::new(Protocol::Rest) }
}

async fn upstream(server: &RestUpstream, transport: TransportOptions, options: UpstreamOptions) -> Upstream {
    let address = format!("http://{}/", server.address).parse().unwrap();
    let upstream = Upstream::new(Transport::new(vec![address], transport).unwrap(), options).unwrap();
    upstream.discover().await.unwrap();
    server.shared.requests.store(0, SeqCst);
    upstream
}

/// The group `/shop` with this upstream.
async fn serving(server: &RestUpstream, options: UpstreamOptions) -> Running {
    let upstream = upstream(server, TransportOptions::default(), options).await;
    let group = GroupMount::upstream("/shop", upstream);
    Running::of_mounts(Mounts { groups: vec![group], ..Mounts::default() })
}

/// A response to a request in text: its head and its body. The requests have `Connection: close`.
pub(super) async fn exchange(running: &Running, head: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}{length}\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    let response = String::from_utf8(response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

/// What the upstream tells of a request.
async fn told(running: &Running, head: &str, body: &str) -> Value {
    let (response, text) = exchange(running, head, body).await;
    assert!(response.starts_with("http/1.1 202 "), "{head}: {response}\n{text}");
    serde_json::from_str(&text).unwrap()
}

/// The values of a header that the upstream has received.
fn values<'t>(told: &'t Value, name: &str) -> Vec<&'t str> {
    let headers = told["headers"].as_array().unwrap().iter();
    headers.filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_the_document_are_passed_on_as_they_are() {
    let server = RestUpstream::start().await;
    for http2 in [false, true] {
        let upstream = upstream(&server, TransportOptions { http2, ..TransportOptions::default() }, options()).await;
        let group = GroupMount::upstream("/shop", upstream);
        let running = Running::of_mounts(Mounts { groups: vec![group], ..Mounts::default() });
        are_passed_on(&running, &server.address.to_string(), http2).await;
    }
}

async fn are_passed_on(running: &Running, address: &str, http2: bool) {
    for (head, body, verb, target) in [
        ("GET /shop/pets/7", "", "GET", "/v1/pets/7"),
        ("GET /shop/pets/7?depth=3&other=a%20b&&x", "", "GET", "/v1/pets/7?depth=3&other=a%20b&&x"),
        ("GET /shop/pets/mine", "", "GET", "/v1/pets/mine"),
        ("GET /shop/a%20b;c", "", "GET", "/v1/a%20b;c"),
        ("PUT /shop/pets/7\r\nContent-Type: application/json", r#"{"name":"Rex", "more": 1}"#, "PUT", "/v1/pets/7"),
        ("POST /shop/pets\r\nContent-Type: text/odd", "any text", "POST", "/v1/pets"),
        ("POST /shop/pets\r\nContent-Encoding: gzip", "not read", "POST", "/v1/pets"),
        ("DELETE /shop/pets/7", "", "DELETE", "/v1/pets/7"),
    ] {
        let told = told(running, head, body).await;
        assert_eq!((&told["verb"], &told["target"], &told["body"]), (&json!(verb), &json!(target), &json!(body)));
        // HTTP/2 has the host in the target.
        assert!(values(&told, "host") == [address] || http2 && values(&told, "host").is_empty(), "{head}");
    }
    let (head, body) = exchange(running, "GET /shop/pets/7", "").await;
    assert!(head.contains("\r\netag: \"7\"") && head.contains("\r\ncontent-type: application/vnd.told+json"), "{head}");
    assert!(head.contains("\r\ncontent-length: ") && body.starts_with('{'), "{head}");
    let (head, body) = exchange(running, "HEAD /shop/pets/7", "").await;
    assert!(head.starts_with("http/1.1 202 ") && head.contains("\r\ncontent-length: ") && body.is_empty(), "{head}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_stay_at_their_names_unless_the_document_has_the_path() {
    let server = RestUpstream::start().await;
    let running = serving(&server, options()).await;
    let json = "Content-Type: application/json";
    let (head, body) = exchange(&running, &format!("POST /shop/readPet\r\n{json}"), r#"{"number":7}"#).await;
    assert!(head.starts_with("http/1.1 200 ") && body.contains("/v1/pets/7"), "{head}\n{body}");
    // A name is found before a path that is a variable.
    let (head, _) = exchange(&running, "GET /shop/readPet?number=7", "").await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    let passed_on = told(&running, &format!("POST /shop/login\r\n{json}"), "not read").await;
    assert_eq!(passed_on["body"], "not read");
    let (head, body) = exchange(&running, "GET /shop/login", "").await;
    assert!(head.starts_with("http/1.1 202 ") && body.contains("/v1/login"), "{head}\n{body}");
    // A path of the document has the verbs of the document only; the method is at its name with a slash, and over all protocols.
    for (verb, status, allow) in [
        ("POST", 405, "get, head, options, patch"),
        ("PUT", 405, "get, head, options, patch"),
        ("OPTIONS", 204, "get, head, options, patch"),
    ] {
        let (head, _) = exchange(&running, &format!("{verb} /shop/error\r\n{json}"), "{}").await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{verb}: {head}");
        assert!(head.contains(&format!("\r\nallow: {allow}\r\n")), "{verb}: {head}");
    }
    let (head, body) = exchange(&running, &format!("POST /shop/login/\r\n{json}"), r#"{"name":"Rex"}"#).await;
    assert!(head.starts_with("http/1.1 200 ") && body.contains("/v1/login"), "{head}\n{body}");
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"login","params":{"name":"Rex"}}"#;
    let (head, body) = exchange(&running, &format!("POST /shop\r\n{json}"), call).await;
    assert!(head.starts_with("http/1.1 200 ") && body.contains("/v1/login"), "{head}\n{body}");
    let (_, document) = exchange(&running, "GET /shop/openapi.json", "").await;
    let document: Value = serde_json::from_str(&document).unwrap();
    let verbs = |path: &str| document["paths"][path].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((verbs("/login"), verbs("/login/")), (vec!["post".to_owned()], vec!["post".to_owned()]));
    assert_eq!(
        (verbs("/error"), verbs("/error/")),
        (vec!["get".to_owned()], vec!["get".to_owned(), "post".to_owned()])
    );
    let (_, page) = exchange(&running, "GET /shop\r\nAccept: text/html", "").await;
    assert!(page.contains("login/") && !page.contains("readPet/"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_document_does_not_have_is_refused() {
    let server = RestUpstream::start().await;
    let running = serving(&server, options()).await;
    for (head, status, allow) in [
        ("GET /shop/pets/7/more", 404, None),
        ("GET /shop/secret", 202, None),
        ("POST /shop/pets/7", 405, Some("delete, get, head, options, put")),
        ("DELETE /shop/stream", 405, Some("get, head, options, patch")),
        ("GET /shop/pets/..%2fsecret", 400, None),
        ("GET /shop/pets/%2e%2e", 400, None),
        ("GET /shop/pets/../secret", 400, None),
        ("GET /shop/pets/", 404, None),
        ("GET /shop/pets/7\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13", 501, None),
    ] {
        let (response, body) = exchange(&running, head, "").await;
        assert!(response.starts_with(&format!("http/1.1 {status} ")), "{head}: {response}");
        let told = response.lines().find_map(|line| line.strip_prefix("allow: "));
        assert_eq!(told, allow, "{head}");
        assert!(status <= 400 || body.contains("\"type\":\"about:blank\""), "{head}: {body}");
    }
    // `secret` may not be called, and its path is one of `/{anything}`, which may.
    let denying =
        UpstreamOptions { deny: NamePatterns(vec!["secret".to_owned(), "readAnything".to_owned()]), ..options() };
    let running = serving(&server, denying).await;
    let (response, _) = exchange(&running, "GET /shop/secret", "").await;
    assert!(response.starts_with("http/1.1 405 "), "{response}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_come_back_as_they_are() {
    let server = RestUpstream::start().await;
    let running = serving(&server, options()).await;
    let (head, body) = exchange(&running, "GET /shop/error", "").await;
    assert!(head.starts_with("http/1.1 418 ") && head.contains("\r\nx-pot: short"), "{head}");
    for left_out in ["set-cookie", "x-hop", "access-control"] {
        assert!(!head.contains(left_out), "{head}");
    }
    assert_eq!(body, r#"{"own":"error"}"#);
    let (head, _) = exchange(&running, "GET /shop/moved", "").await;
    assert!(head.starts_with("http/1.1 302 "), "{head}");
    assert!(head.contains("\r\nlocation: http://localhost/shop/pets/8?a=1"), "{head}");
    let (head, _) = exchange(&running, "GET /shop/linked", "").await;
    let values = |name: &str| head.lines().filter_map(|line| line.strip_prefix(name)).collect::<Vec<_>>();
    let own = "<http://localhost/shop/pets?page=2>; rel=\"next\"; title=\"a, b; c\"";
    assert_eq!(values("link: "), [own, "<https://elsewhere.example/>; rel=help"]);
    assert_eq!(values("via: "), ["1.0 inner", "1.1 croupier"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_learn_that_there_is_a_gateway() {
    let server = RestUpstream::start().await;
    let running = serving(&server, options()).await;
    let told = told(&running, "GET /shop/pets/7\r\nVia: 1.0 first", "").await;
    assert_eq!(values(&told, "via"), ["1.0 first", "1.1 croupier"]);
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /shop/pets/7 HTTP/1.0\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.to_ascii_lowercase().contains("\r\nvia: 1.1 croupier"), "{head}");
    let told: Value = serde_json::from_str(body).unwrap();
    assert_eq!(values(&told, "via"), ["1.0 croupier"]);
}

/// A group whose JSON bodies of at most 64 bytes are checked.
async fn checking(server: &RestUpstream) -> Running {
    serving(server, UpstreamOptions { check_bodies: 64, ..options() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_checked_before_they_are_passed_on() {
    let server = RestUpstream::start().await;
    let running = checking(&server).await;
    let json = "Content-Type: application/json";
    for (head, body, status, path) in [
        ("POST /shop/pets", r#"{"tags":[]}"#, 400, "/name"),
        ("POST /shop/pets", r#"{"name":7}"#, 400, "/name"),
        ("PUT /shop/pets/7", r#"{"name":"Rex","tags":["long tag"]}"#, 400, "/tags/0"),
        ("POST /shop/toys/7", r#"[]"#, 422, ""),
        ("PUT /shop/toys/7", r#"{"name":null}"#, 400, "/name"),
    ] {
        let (response, text) = exchange(&running, &format!("{head}\r\n{json}; charset=utf-8"), body).await;
        assert!(response.starts_with(&format!("http/1.1 {status} ")), "{head}: {response}\n{text}");
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&problem["status"], &problem["in"], &problem["data"]["path"]),
            (&json!(status), &json!("body"), &json!(path))
        );
        let detail = problem["detail"].as_str().unwrap();
        for key in ["expected", "got"] {
            assert!(detail.contains(problem["data"][key].as_str().unwrap()), "{problem}");
        }
    }
    for body in ["{\"name\":", r#"{"name":"a","name":"b"}"#, r#"{"name":"a"}{}"#, ""] {
        for (target, status) in [("/shop/pets", 400), ("/shop/toys/7", 422)] {
            let (head, text) = exchange(&running, &format!("POST {target}\r\n{json}"), body).await;
            assert!(head.starts_with(&format!("http/1.1 {status} ")), "{body}: {head}\n{text}");
        }
    }
    // Of values that are not in the body, too.
    for (head, status) in [("POST /shop/toys/x", 422), ("PUT /shop/toys/x", 400), ("DELETE /shop/pets/x", 400)] {
        let (response, _) = exchange(&running, head, "").await;
        assert!(response.starts_with(&format!("http/1.1 {status} ")), "{head}: {response}");
    }
    assert_eq!(server.shared.requests.load(SeqCst), 0);
}

/// Sends a body in these chunks.
async fn exchange_chunks(running: &Running, head: &str, chunks: &[&str]) -> String {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for chunk in chunks {
        stream.write_all(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_checked_stay_as_they_are() {
    let server = RestUpstream::start().await;
    let running = checking(&server).await;
    let json = "Content-Type: application/json";
    let long = format!(r#"{{"name": 7, "more": "{}"}}"#, "x".repeat(64));
    let exact = format!(r#"{{"name": "{}"}}"#, "x".repeat(52));
    assert_eq!(exact.len(), 64);
    for (head, body) in [
        (json, r#" {"name": "Rex",  "tags":["\u0061"], "more": {"a": 1.50}} "#),
        ("Content-Type: Application/JSON;charset=UTF-8", r#"{"name":"Rex"}"#),
        (json, exact.as_str()),
        // Longer ones, other types and compressed ones are not checked.
        (json, long.as_str()),
        ("Content-Type: text/plain", "{}"),
        ("Content-Type: application/merge-patch+json", "{}"),
        ("Content-Type: application/json\r\nContent-Encoding: gzip", "{}"),
        ("X-Without-Type: 1", "{}"),
    ] {
        let whole = told(&running, &format!("POST /shop/pets\r\n{head}"), body).await;
        assert_eq!(
            (&whole["body"], values(&whole, "content-length")),
            (&json!(body), vec![body.len().to_string().as_str()])
        );
        let (begin, end) = body.split_at(body.len() / 2);
        let response = exchange_chunks(&running, &format!("POST /shop/pets\r\n{head}"), &[begin, end]).await;
        let (_, text) = response.split_once("\r\n\r\n").unwrap();
        let chunked: Value = serde_json::from_str(text).unwrap();
        assert_eq!(chunked["body"], *body, "{head}");
    }
    let response = exchange_chunks(&running, &format!("POST /shop/toys/7\r\n{json}"), &["{\"name\"", ":", "7}"]).await;
    assert!(response.starts_with("HTTP/1.1 422 "), "{response}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_are_checked_within_the_memory_for_bodies() {
    let server = RestUpstream::start().await;
    let running = serving(&server, UpstreamOptions { check_bodies: 1 << 20, ..options() }).await;
    let tags = vec!["\"a\""; 60_000].join(",");
    for (last, status) in [("\"b\"", 202), ("7", 400)] {
        let body = format!(r#"{{"name":"Rex","tags":[{tags},{last}]}}"#);
        let (head, text) = exchange(&running, "POST /shop/pets\r\nContent-Type: application/json", &body).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        match status {
            202 => assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["body"], body),
            _ => assert!(text.contains("/tags/60000"), "{text}"),
        }
    }
    // As much memory is free again.
    let body = format!(r#"{{"name":"Rex","tags":[{tags}]}}"#);
    for _ in 0..40 {
        told(&running, "POST /shop/pets\r\nContent-Type: application/json", &body).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_pass_unless_the_client_may_not_say_them() {
    let server = RestUpstream::start().await;
    let forwarding = Forwarding {
        pass_cookies: Cookies::Named(vec!["session".to_owned()]),
        set_headers: vec![("x-tenant".parse().unwrap(), HeaderTemplate::parse("for {method}").unwrap())],
        forwarded: ForwardedForm::XForwarded,
        ..Forwarding::default()
    };
    let mut transport = TransportOptions::default();
    transport.headers.insert("x-api-key", "k3y".parse().unwrap());
    let upstream = upstream(&server, transport, UpstreamOptions { forwarding, ..options() }).await;
    let group = GroupMount::upstream("/shop", upstream);
    let running = Running::of_mounts(Mounts { groups: vec![group], ..Mounts::default() });
    let head = "GET /shop/pets/7\r\nRange: bytes=0-1\r\nIf-None-Match: \"7\"\r\nAccept-Encoding: br, gzip\r\nX-Any: 1\r\n\
                X-Any: 2\r\nConnection: X-Mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nTrailer: X-End\r\n\
                Proxy-Authorization: Basic eA==\r\nAuthorization: Basic eA==\r\nCookie: session=1; other=2\r\n\
                X-Tenant: mine\r\nX_Tenant: mine\r\nX-Api-Key: mine\r\nX_API_KEY: mine\r\nForwarded: for=1.2.3.4\r\n\
                X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-User: root\r\nX-Request-Id: mine\r\nUpgrade: h2c";
    let told = told(&running, head, "").await;
    for (name, expected) in [
        ("range", vec!["bytes=0-1"]),
        ("if-none-match", vec!["\"7\""]),
        ("accept-encoding", vec!["br, gzip"]),
        ("x-any", vec!["1", "2"]),
        ("x-mine", vec![]),
        ("connection", vec![]),
        ("keep-alive", vec![]),
        ("te", vec![]),
        ("trailer", vec![]),
        ("upgrade", vec![]),
        ("proxy-authorization", vec![]),
        ("authorization", vec![]),
        ("cookie", vec!["session=1"]),
        ("x-tenant", vec!["for readPet"]),
        ("x_tenant", vec![]),
        ("x-api-key", vec!["k3y"]),
        ("x_api_key", vec![]),
        ("forwarded", vec![]),
        ("x-forwarded-for", vec!["127.0.0.1"]),
        ("x-forwarded-host", vec!["localhost"]),
        ("x-forwarded-user", vec![]),
    ] {
        assert_eq!(values(&told, name), expected, "{name}");
    }
    assert!(values(&told, "x-request-id").iter().all(|id| *id != "mine"));
    let (head, _) = exchange(&running, "GET /shop/error", "").await;
    assert!(head.contains("\r\nset-cookie: session=1"), "{head}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_comes_at_the_pace_of_the_client() {
    let server = RestUpstream::start().await;
    let running = serving(&server, options()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /shop/stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut received = 0;
    let mut piece = vec![0; 64 << 10];
    loop {
        let length = stream.read(&mut piece).await.unwrap();
        received += length;
        let on_the_way = server.shared.sent.load(SeqCst).saturating_sub(received);
        assert!(on_the_way < ON_THE_WAY, "{on_the_way} bytes after {received}");
        if length == 0 {
            break;
        }
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    assert!(received > STREAMED, "{received}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_comes_at_the_pace_of_the_upstream() {
    let server = RestUpstream::start().await;
    let upstream = upstream(&server, TransportOptions::default(), options()).await;
    let limits = GroupLimits { body: 2 * STREAMED, ..GroupLimits::default() };
    let group = GroupMount::upstream("/shop", upstream).with_limits(limits);
    let running = Running::of_mounts(Mounts { groups: vec![group], ..Mounts::default() });
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = format!(
        "POST /shop/upload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {STREAMED}\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![0; 64 << 10];
    let mut sent = 0;
    while sent < STREAMED {
        // The upstream begins to read when the client has sent some of it.
        if sent == 1 << 20 {
            server.shared.reading.notify_one();
        }
        stream.write_all(&piece).await.unwrap();
        sent += piece.len();
        let on_the_way = sent.saturating_sub(server.shared.received.load(SeqCst));
        assert!(on_the_way < ON_THE_WAY, "{on_the_way} bytes after {sent}");
    }
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with(&STREAMED.to_string()), "{response}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_unknown_length_is_cut_at_the_limit() {
    let server = RestUpstream::start().await;
    let upstream = upstream(&server, TransportOptions::default(), options()).await;
    let limits = GroupLimits { body: 1000, ..GroupLimits::default() };
    let group = GroupMount::upstream("/shop", upstream).with_limits(limits);
    let running = Running::of_mounts(Mounts { groups: vec![group], ..Mounts::default() });
    let (head, body) = exchange(&running, "POST /shop/pets", &"x".repeat(1001)).await;
    assert!(head.starts_with("http/1.1 413 ") && body.contains("larger than 1000 bytes"), "{head}\n{body}");
    assert_eq!(server.shared.requests.load(SeqCst), 0, "what is announced needs no request");
    let chunks = format!("3e8\r\n{}\r\n1\r\ny\r\n0\r\n\r\n", "x".repeat(1000));
    let request = format!(
        "POST /shop/pets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
    );
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    assert!(response.contains("larger than 1000 bytes"), "{response}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_passed_on_may_be_larger_than_the_memory_for_bodies() {
    let server = RestUpstream::start().await;
    let upstream = upstream(&server, TransportOptions::default(), options()).await;
    let limits = GroupLimits { body: 64 << 20, ..GroupLimits::default() };
    let group = GroupMount::upstream("/shop", upstream).with_limits(limits);
    let running = Running::of_mounts(Mounts { groups: vec![group], ..Mounts::default() });
    // A body that is read counts six times, and the memory for all bodies is 48 MiB.
    let body = "x".repeat(9 << 20);
    let (head, _) = exchange(&running, "POST /shop/pets", &body).await;
    assert!(head.starts_with("http/1.1 202 "), "{head}");
    let (head, problem) = exchange(&running, "POST /shop/addPet", &body).await;
    assert!(head.starts_with("http/1.1 413 ") && problem.contains("larger than 8388608 bytes"), "{head}\n{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_expects_100_gets_it_or_the_response() {
    let server = RestUpstream::start().await;
    let running = serving(&server, options()).await;
    let request = |length: u64| {
        let expects = "Expect: 100-continue\r\n";
        format!("POST /shop/pets HTTP/1.1\r\nHost: localhost\r\n{expects}Content-Length: {length}\r\n\r\n")
    };
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(request(5).as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 202");
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(request(1 << 40).as_bytes()).await.unwrap();
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_may_respond_before_it_has_read_the_request() {
    let server = RestUpstream::start().await;
    let running = serving(&server, options()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = "POST /shop/refusing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nbegin";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut response = vec![0; 12];
    stream.read_exact(&mut response).await.unwrap();
    assert_eq!(response, b"HTTP/1.1 422");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_one_by_one() {
    let server = RestUpstream::start().await;
    let running = serving(&server, options()).await;
    let (send, events) = tokio::sync::mpsc::unbounded_channel();
    *server.shared.events.lock().unwrap() = Some(events);
    let stream = TcpStream::connect(running.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driving = tokio::spawn(connection);
    let request = http::Request::get("/shop/events").header("host", "localhost").header("accept-encoding", "gzip");
    let request = request.body(http_body_util::Empty::<Bytes>::new()).unwrap();
    let mut response = sender.send_request(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    for number in 0..5 {
        let event = format!("data: {number}\n\n");
        send.send(event.clone()).unwrap();
        let frame = response.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), event, "each event comes by itself, before the next is sent");
    }
    drop(send);
    assert!(response.frame().await.is_none());
    driving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_not_there_is_a_problem() {
    let server = RestUpstream::start().await;
    let running = serving(&server, options()).await;
    drop(server);
    let (head, body) = exchange(&running, "POST /shop/pets", "x").await;
    assert!(head.starts_with("http/1.1 502 ") && body.contains("\"kind\":\"unreachable\""), "{head}\n{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_an_upload_has_the_time_of_a_call() {
    let server = RestUpstream::start().await;
    let upstream = upstream(&server, TransportOptions::default(), options()).await;
    let limits = GroupLimits { deadline: Duration::from_millis(100), ..GroupLimits::default() };
    let group = GroupMount::upstream("/shop", upstream).with_limits(limits);
    let running = Running::of_mounts(Mounts { groups: vec![group], ..Mounts::default() });
    // The upstream has received all of it, and never responds.
    let (head, body) = exchange(&running, "POST /shop/upload", "x").await;
    assert!(head.starts_with("http/1.1 504 ") && body.contains("\"kind\":\"late\""), "{head}\n{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_are_checked_against_the_document() {
    let server = RestUpstream::start().await;
    let running = serving(&server, options()).await;
    for (head, parameter, place) in [
        ("GET /shop/pets/x", "number", "path"),
        ("GET /shop/pets/0", "number", "path"),
        ("GET /shop/pets/1001", "number", "path"),
        ("DELETE /shop/pets/1.5", "number", "path"),
        ("GET /shop/pets/7?depth=deep", "depth", "query"),
        ("GET /shop/pets/7?depth=10", "depth", "query"),
        ("GET /shop/pets/7?depth=1&depth=x", "depth", "query"),
        ("GET /shop/pets/7?kind=bird", "kind", "query"),
        ("GET /shop/pets/7?ids=1,2,x", "ids", "query"),
        ("GET /shop/pets/7\r\nX-Level: high", "X-Level", "header"),
        ("GET /shop/needed", "page", "query"),
        ("GET /shop/needed?pages=1", "page", "query"),
    ] {
        let (response, body) = exchange(&running, head, "").await;
        assert!(response.starts_with("http/1.1 400 "), "{head}: {response}\n{body}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&problem["parameter"], &problem["in"]), (&json!(parameter), &json!(place)), "{head}: {body}");
    }
    assert_eq!(server.shared.requests.load(SeqCst), 0);
    for head in [
        "GET /shop/pets/%37",
        "GET /shop/pets/7?depth=9&kind=dog&ids=1,2&else=%zz&kin",
        "GET /shop/pets/7\r\nX-Level: 3",
        "GET /shop/needed?page=1",
    ] {
        told(&running, head, "").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_of_the_group_has_the_paths_of_the_upstream() {
    let server = RestUpstream::start().await;
    let upstream = upstream(&server, TransportOptions::default(), options()).await;
    let interface = upstream.interface();
    let group = GroupMount::upstream("/shop", upstream);
    let running = Running::of_mounts(Mounts { groups: vec![group], ..Mounts::default() });
    let (_, text) = exchange(&running, "GET /shop/openapi.json", "").await;
    let document: Value = serde_json::from_str(&text).unwrap();
    let paths = &document["paths"];
    let get = &paths["/pets/{number}"]["get"];
    assert_eq!((&get["x-method"], &get["parameters"][0]["name"]), (&json!("readPet"), &json!("number")));
    let ids = get["parameters"].as_array().unwrap().iter().find(|param| param["name"] == "ids").unwrap();
    assert_eq!((&ids["style"], &ids["explode"], &ids["in"]), (&json!("form"), &json!(false), &json!("query")));
    let put = &paths["/pets/{number}"]["put"]["requestBody"];
    assert_eq!(put["content"]["application/json"]["schema"]["required"], json!(["name"]));
    assert!(paths["/upload"]["post"]["requestBody"]["content"]["application/octet-stream"].is_object(), "{text}");
    // The path of the document precedes the method of this name.
    assert!(paths["/login"]["post"]["requestBody"]["content"]["application/json"]["schema"]["anyOf"].is_null());
    assert!(paths["/secret"].is_null() && paths["/{anything}"]["get"].is_object(), "{text}");
    let read = openapi::read(openapi::Document { location: "/openapi.json", text: &text }).unwrap();
    let params = |interface: &Interface| {
        let params = |method: &Method| method.params.iter().map(|param| param.name.clone()).collect::<Vec<_>>();
        let methods = interface.methods.iter().map(|method| (method.name.clone(), params(method)));
        methods.collect::<BTreeMap<String, Vec<String>>>()
    };
    assert_eq!(params(&read.interface), params(&interface), "a croupier in front of this one has the same methods");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_bodies_stream_at_the_same_time() {
    let server = RestUpstream::start().await;
    for http2 in [false, true] {
        let upstream = upstream(&server, TransportOptions { http2, ..TransportOptions::default() }, options()).await;
        let group = GroupMount::upstream("/shop", upstream);
        let running = Running::of_mounts(Mounts { groups: vec![group], ..Mounts::default() });
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let head = "POST /shop/duplex HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut received = String::new();
        for number in 0..5 {
            let word = format!("word-{number}");
            stream.write_all(format!("6\r\n{word}\r\n").as_bytes()).await.unwrap();
            while !received.contains(&word) {
                let mut piece = [0; 1024];
                let length = stream.read(&mut piece).await.unwrap();
                assert!(length > 0, "{received}");
                received.push_str(&String::from_utf8_lossy(&piece[..length]));
            }
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        while !received.ends_with("0\r\n\r\n") {
            let mut piece = [0; 1024];
            let length = stream.read(&mut piece).await.unwrap();
            assert!(length > 0, "{received}");
            received.push_str(&String::from_utf8_lossy(&piece[..length]));
        }
        assert!(received.starts_with("HTTP/1.1 200 "), "{received}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_for_the_gateway_are_not_passed_on() {
    let server = RestUpstream::start().await;
    let hash: String = digest(&SHA256, b"crp_ada").as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let keys = ApiKeys::parse(&format!("ada {hash}\n")).unwrap();
    let auth = ApiKeyAuth::new("staff", http::HeaderName::from_static("x-staff-key"), keys);
    let mut group = GroupMount::upstream("/shop", upstream(&server, TransportOptions::default(), options()).await);
    group.auth = Some(Arc::new(GroupAuth::new(vec![Arc::new(auth)], true)));
    let running = Running::of_mounts(Mounts { groups: vec![group], ..Mounts::default() });
    let (head, _) = exchange(&running, "POST /shop/pets\r\nExpect: 100-continue", "x").await;
    assert!(head.starts_with("http/1.1 401 "), "{head}");
    assert_eq!(server.shared.requests.load(SeqCst), 0);
    let told = told(&running, "GET /shop/pets/7\r\nX-Staff-Key: crp_ada\r\nX_Staff_Key: crp_ada", "").await;
    assert!(!told.to_string().contains("crp_ada"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_origins_may_use_the_verbs_of_the_document() {
    let server = RestUpstream::start().await;
    let mut group = GroupMount::upstream("/shop", upstream(&server, TransportOptions::default(), options()).await);
    group.cors = CorsOptions { origins: vec!["https://app.example".parse().unwrap()], ..CorsOptions::default() };
    let running = Running::of_mounts(Mounts { groups: vec![group], ..Mounts::default() });
    let origin = "Origin: https://app.example";
    let preflight = format!("OPTIONS /shop/pets/7\r\n{origin}\r\nAccess-Control-Request-Method: DELETE");
    let (head, _) = exchange(&running, &preflight, "").await;
    let allowed = head.lines().find(|line| line.starts_with("access-control-allow-methods: ")).unwrap();
    assert!(["put", "delete", "patch"].iter().all(|verb| allowed.contains(verb)), "{allowed}");
    let (head, _) = exchange(&running, &format!("GET /shop/error\r\n{origin}"), "").await;
    assert!(head.contains("\r\naccess-control-allow-origin: https://app.example"), "{head}");
    // Browsers send such a request without asking first.
    let evil = "POST /shop/pets\r\nOrigin: https://evil.example\r\nContent-Type: text/plain";
    let (head, _) = exchange(&running, evil, "x").await;
    assert!(head.starts_with("http/1.1 403 "), "{head}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_passthrough_only_the_names_of_methods_are_served() {
    let server = RestUpstream::start().await;
    let running = serving(&server, UpstreamOptions { passthrough: false, ..options() }).await;
    let (head, _) = exchange(&running, "GET /shop/pets/7", "").await;
    assert!(head.starts_with("http/1.1 404 "), "{head}");
    let (head, _) = exchange(&running, "GET /shop/readPet?number=7", "").await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
}
