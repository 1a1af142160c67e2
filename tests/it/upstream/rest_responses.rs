//! What of a REST server's responses is more than a result: redirects, error statuses, and calls that it knows by a key.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use croupier::protocol::Protocol;
use croupier::protocol::rest::methods::{RestMethod, RestParam, UpstreamRoute};
use croupier::service::args::Args;
use croupier::service::{Call, Context, RpcService as _};
use croupier::upstream::transport::{Transport, TransportOptions};
use croupier::upstream::{Redirects, Upstream, UpstreamOptions};
use croupier::{Fault, Kind};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::support::calls::text_of;
use crate::support::scripted::{Scripted, http};
use crate::support::upstream::{Act, ScriptedUpstream};

const JSON: &str = "Content-Type: application/json\r\n";

fn method(name: &str, route: &str) -> RestMethod {
    let body = (!route.starts_with("GET")).then(|| RestParam::new("text"));
    RestMethod { params: body.into_iter().collect(), ..RestMethod::new(name, UpstreamRoute::read(route).unwrap()) }
}

fn options() -> UpstreamOptions {
    let routes = [
        ("read", "GET /a/0"),
        ("away", "GET /away"),
        ("loop", "GET /loop"),
        ("write", "POST /write"),
        ("change", "PUT /write"),
    ];
    let methods = routes.into_iter().map(|(name, route)| method(name, route)).collect();
    UpstreamOptions { methods, ..UpstreamOptions::new(Protocol::Rest) }
}

async fn upstream(server: SocketAddr, options: UpstreamOptions) -> Upstream {
    let mut headers = HeaderMap::new();
    headers.insert("x-key", HeaderValue::from_static("k3y"));
    let address = format!("http://{server}/api").parse().unwrap();
    let transport = Transport::new(vec![address], TransportOptions { headers, ..TransportOptions::default() }).unwrap();
    let upstream = Upstream::new(transport, options).unwrap();
    upstream.discover().await.unwrap();
    upstream
}

async fn called(upstream: &Upstream, method: &str) -> Result<String, Fault> {
    let output = upstream.call(Call::new(method, Args::None, &Context::default())).await?;
    Ok(text_of(output).unwrap())
}

fn lines(server: &Scripted) -> Vec<String> {
    server.requests().iter().map(|request| request.lines().next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn redirects_of_safe_calls_are_followed_on_the_same_server() {
    let server = Scripted::start(|request| {
        let to = |status: &str, place: &str| http(status, &format!("Location: {place}\r\n"), "moved");
        match request.split(' ').nth(1).unwrap() {
            "/api/a/0" => to("301 Moved Permanently", "1?x=2"),
            "/api/a/1?x=2" => to("307 Temporary Redirect", "/"),
            "/" => http("200 OK", JSON, "[7]"),
            "/api/loop" => to("302 Found", "loop"),
            "/api/away" => to("302 Found", "http://10.0.0.7/secret?token=1"),
            _ => to("303 See Other", "/jobs/7?token=1"),
        }
    });
    let upstream = upstream(server.address, options()).await;
    assert_eq!(called(&upstream, "read").await.unwrap(), "[7]");
    assert_eq!(lines(&server), ["GET /api/a/0 HTTP/1.1", "GET /api/a/1?x=2 HTTP/1.1", "GET / HTTP/1.1"]);
    assert!(server.requests().iter().all(|request| request.to_ascii_lowercase().contains("\r\nx-key: k3y\r\n")));

    let refused = |fault: Fault| {
        assert_eq!(fault.kind, Kind::Unreachable);
        fault.message.into_owned()
    };
    let before = server.requests().len();
    let fault = refused(called(&upstream, "away").await.unwrap_err());
    assert_eq!(fault, "the upstream server responded with HTTP status 302 Found: it redirects to another server");
    let fault = refused(called(&upstream, "write").await.unwrap_err());
    assert_eq!(fault, "the upstream server responded with HTTP status 303 See Other: it redirects to /jobs/7");
    assert_eq!(server.requests().len(), before + 2);
    let fault = refused(called(&upstream, "loop").await.unwrap_err());
    assert_eq!(fault, "the upstream server responded with HTTP status 302 Found: it redirects to /loop");
    assert_eq!(server.requests().len(), before + 8);
}

#[tokio::test]
async fn no_redirect_is_followed_without_leave() {
    let server = Scripted::start(|_| http("302 Found", "Location: /b\r\n", ""));
    let options = UpstreamOptions { redirects: Redirects::Off, return_error_text: true, ..options() };
    let upstream = upstream(server.address, options).await;
    let fault = called(&upstream, "read").await.unwrap_err();
    assert_eq!(fault.message, "the upstream server responded with HTTP status 302 Found: it redirects to /b");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_status_becomes_the_kind_that_is_configured() {
    let server = Scripted::start(|request| match request.starts_with("GET") {
        true => http("429 Too Many Requests", JSON, r#"{"message":"slower","wait":3}"#),
        false => http("404 Not Found", JSON, r#"{"message":"no such text"}"#),
    });
    let fault_kinds = BTreeMap::from([(429, Kind::RateLimited), (503, Kind::Busy)]);
    let upstream = upstream(server.address, UpstreamOptions { fault_kinds, ..options() }).await;
    let fault = called(&upstream, "read").await.unwrap_err();
    assert_eq!((fault.kind, &*fault.message), (Kind::RateLimited, "slower"));
    assert_eq!(fault.data.unwrap().json(), r#"{"message":"slower","wait":3}"#);
    let fault = called(&upstream, "write").await.unwrap_err();
    assert_eq!((fault.kind, &*fault.message), (Kind::Service(Some(404)), "no such text"));
}

/// A server that breaks off the connection of the second request.
async fn forgetful() -> ScriptedUpstream {
    let server = ScriptedUpstream::start().await;
    let response = || b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]".to_vec();
    server.will([Act::Output(response()), Act::Cut(Vec::new()), Act::Output(response())]);
    server
}

fn keys(server: &ScriptedUpstream) -> Vec<String> {
    let key = |request: &String| {
        let head = request.to_ascii_lowercase();
        head.lines().find_map(|line| line.strip_prefix("x-call: ").map(str::to_owned)).unwrap_or_default()
    };
    server.all().iter().map(key).collect()
}

#[tokio::test]
async fn a_call_with_a_key_is_sent_again_with_the_same_key() {
    let server = forgetful().await;
    let idempotency_key = Some(HeaderName::from_static("x-call"));
    let upstream = upstream(server.address(), UpstreamOptions { idempotency_key, ..options() }).await;
    for method in ["write", "write", "change"] {
        called(&upstream, method).await.unwrap();
    }
    let sent = keys(&server);
    let [first, broken, again, idempotent] = sent.as_slice() else { panic!("{sent:?}") };
    assert!(first.len() == 32 && first.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
    assert!(broken == again && first != broken, "{sent:?}");
    assert_eq!(idempotent, "", "PUT may be sent twice anyway");
}

#[tokio::test]
async fn a_call_without_a_key_is_not_sent_again() {
    let server = forgetful().await;
    let upstream = upstream(server.address(), options()).await;
    called(&upstream, "write").await.unwrap();
    let fault = called(&upstream, "write").await.unwrap_err();
    assert_eq!((fault.kind, keys(&server)), (Kind::Unreachable, vec![String::new(), String::new()]));
}
