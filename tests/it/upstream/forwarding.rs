//! What of a client's request reaches an upstream, and what of its response comes back, whichever way a call comes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use croupier::config::{Config, Registry};
use croupier::http::timeout_header::TimeoutHeader;
use croupier::model::name_patterns::NamePatterns;
use croupier::protocol::Protocol;
use croupier::server::PeerAddress;
use croupier::server::gateway::Gateway;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::request_body::BodyReader;
use croupier::server::settings::{GroupLimits, ServerSettings};
use croupier::service::layer::GroupLayer;
use croupier::service::{Call, CallFuture, Context, Identity, RpcService};
use croupier::upstream::forwarding::{Cookies, ForwardedForm, Forwarding, HeaderTemplate};
use croupier::upstream::transport::{Transport, TransportOptions};
use croupier::upstream::{Batching, Upstream, UpstreamOptions};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

use crate::service::layers::{XML_RPC, mounts, multicall, ways};
use crate::support::hello::{CLIENT_PROTOCOLS, description, response};
use crate::support::upstream::{Act, ScriptedUpstream, Speech};

/// Finds out who calls.
struct Ann;

impl GroupLayer for Ann {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let identity = Identity::new("ann\r\nX-Evil: 1").with_role("staff").with_role("a,admin");
        let context = Context { identity: Some(Arc::new(identity)), ..call.context.clone() };
        next.call(Call { context: &context, ..call })
    }
}

/// The response of a sound server, with headers that a client may be interested in.
async fn with_headers(protocol: Protocol) -> Vec<u8> {
    let response = String::from_utf8(response(protocol).await).unwrap();
    let more = "HTTP/1.1 200 OK\r\nX-Total-Count: 12\r\nx-page: 1\r\nX-Page: 2\r\nSet-Cookie: sid=new; HttpOnly\r\n\
                Set-Cookie: other=1\r\nSet-Cookie: sid.x=1\r\nX-Hop: 1\r\nConnection: keep-alive, X-Hop\r\nServer: old\r\n\
                WWW-Authenticate: Basic\r\nAccess-Control-Allow-Origin: *\r\n";
    response.replacen("HTTP/1.1 200 OK\r\n", more, 1).into_bytes()
}

async fn upstream(url: String, protocol: Protocol, forwarding: Forwarding, batching: Batching) -> Upstream {
    let transport_options =
        TransportOptions { timeout_header: forwarding.timeout_header.clone(), ..TransportOptions::default() };
    let transport = Transport::new(vec![url.parse().unwrap()], transport_options).unwrap();
    let options = UpstreamOptions {
        description: Some(description(protocol)),
        safe: NamePatterns(vec!["hello".to_owned()]),
        group: "/hello".to_owned(),
        forwarding,
        batching,
        ..UpstreamOptions::new(protocol)
    };
    let upstream = Upstream::new(transport, options).unwrap();
    upstream.discover().await.unwrap();
    upstream
}

fn serving(mounts: &Mounts) -> Gateway {
    Gateway::serving(mounts, BodyReader::new(&ServerSettings::default())).unwrap()
}

/// The group `/hello` in front of a server, an aggregate of it, and a page.
async fn gateway(server: &ScriptedUpstream, protocol: Protocol, forwarding: Forwarding) -> Gateway {
    let url = format!("http://{}/RPC2", server.address());
    let upstream = upstream(url, protocol, forwarding, Batching::Off).await;
    serving(&mounts(GroupMount::upstream("/hello", upstream).layer(Ann)))
}

/// Headers that clients send, and some by which they pretend to be others.
const SENT: [(&str, &str); 25] = [
    ("accept-language", "de"),
    ("Accept-Language", "en"),
    ("authorization", "Bearer of-the-client"),
    ("cookie", "sid=old; theme=dark"),
    ("cookie", "sid2=1"),
    ("x-tenant", "evil"),
    ("x_tenant", "evil"),
    ("x-user", "evil"),
    ("x_user", "evil"),
    ("x-roles", "evil"),
    ("x-client", "evil"),
    ("x_time_ms", "evil"),
    ("x-forwarded-for", "203.0.113.66"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-proto", "evil"),
    ("x-real-ip", "203.0.113.66"),
    ("forwarded", "for=203.0.113.66"),
    ("via", "1.1 evil"),
    ("proxy", "http://evil.example"),
    ("proxy-authorization", "Basic evil"),
    ("te", "evil"),
    ("x-hop", "evil"),
    ("connection", "keep-alive, X-Hop"),
    ("referer", "http://evil.example/"),
    ("user-agent", "evil"),
];

async fn exchange(gateway: &Gateway, parts: [&str; 4], headers: &[(&str, &str)]) -> (HeaderMap, String) {
    let [method, path, media, body] = parts;
    let mut request = Request::builder().method(method).uri(path).header("host", "casino.localhost:8008");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_empty() {
        request = request.header("content-type", media);
    }
    let mut request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    request.extensions_mut().insert(PeerAddress("192.0.2.7:4711".parse::<SocketAddr>().unwrap()));
    let (head, body) = gateway.clone().oneshot(request).await.unwrap().into_parts();
    (head.headers, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

/// The headers of a request that a server has received, with names in lower case.
fn received(request: &str) -> Vec<(String, String)> {
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    let lines = head.lines().skip(1).map(|line| line.split_once(": ").unwrap());
    lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect()
}

/// The values of these headers.
fn values<'r>(received: &'r [(String, String)], name: &str) -> Vec<&'r str> {
    received.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect()
}

fn texts<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn nothing_but_the_call_passes_by_default() {
    for protocol in CLIENT_PROTOCOLS {
        let server = ScriptedUpstream::start().await;
        server.will([Act::Output(with_headers(protocol).await)]);
        let gateway = gateway(&server, protocol, Forwarding::default()).await;
        for (way, _, request, calls) in ways() {
            server.will([Act::Output(with_headers(protocol).await)]);
            let request = request.each_ref().map(|part| &**part);
            let (headers, all) = forwarded(&gateway, &server, request, calls).await;
            for request in &all {
                let path = path_at(protocol);
                assert!(request.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{request}");
                assert!(!request.contains("evil") && !request.contains("of-the-client"), "{way}: {request}");
                let own =
                    ["host", "content-type", "content-length", "user-agent", "x-request-id", "accept", "soapaction"];
                let of_mcp = ["mcp-protocol-version", "mcp-method", "mcp-name"];
                for (name, _) in received(request) {
                    let is_own = own.contains(&name.as_str()) || of_mcp.contains(&name.as_str());
                    assert!(is_own, "{protocol}, {way}: {request}");
                }
            }
            for name in ["x-total-count", "x-page", "set-cookie", "x-hop", "server", "access-control-allow-origin"] {
                assert_eq!(texts(&headers, name), [""; 0], "{protocol}, {way}");
            }
        }
    }
}

/// The path of the requests that call `hello` on a server whose address has the path `/RPC2`.
fn path_at(protocol: Protocol) -> &'static str {
    if protocol == Protocol::Rest { "/RPC2/say/hello" } else { "/RPC2" }
}

/// Sends a request of so many calls with the headers of [`SENT`]: the headers of the response, and what the upstream has
/// received.
async fn forwarded(
    gateway: &Gateway,
    server: &ScriptedUpstream,
    request: [&str; 4],
    calls: usize,
) -> (HeaderMap, Vec<String>) {
    let (headers, text) = exchange(gateway, request, &SENT).await;
    assert_eq!(text.matches("world").count(), calls, "{request:?}: {text}");
    let all = server.all();
    assert_eq!(all.len(), calls, "{request:?}");
    (headers, all)
}

fn template(text: &str) -> HeaderTemplate {
    HeaderTemplate::parse(text).unwrap()
}

fn everything() -> Forwarding {
    let name = |name: &'static str| http::HeaderName::from_static(name);
    Forwarding {
        pass_headers: vec![name("accept-language"), name("x-hop"), name("x-none")],
        pass_authorization: true,
        pass_cookies: Cookies::Named(vec!["sid".to_owned(), "sid2".to_owned()]),
        pass_query: true,
        set_headers: vec![
            (name("x-tenant"), HeaderTemplate::literal("{a}").unwrap()),
            (name("x-user"), template("{identity.name}")),
            (name("x-roles"), template("{identity.roles}")),
            (name("x-client"), template("{client.address} {group} {method}")),
        ],
        identity_token: None,
        timeout_header: Some(TimeoutHeader::new(name("x-time-ms"))),
        forwarded: ForwardedForm::Both,
        return_headers: vec![name("x-total-count"), name("x-page"), name("x-hop"), name("x-none")],
    }
}

fn assert_everything(request: &str, method: &str, way: &str) {
    let received = received(request);
    for (name, expected) in [
        ("accept-language", &["de", "en"][..]),
        ("authorization", &["Bearer of-the-client"]),
        ("cookie", &["sid=old; sid2=1"]),
        ("x-tenant", &["{a}"]),
        ("x-user", &["ann%0D%0AX-Evil: 1"]),
        ("x-roles", &["a%2Cadmin,staff"]),
        ("x-forwarded-for", &["192.0.2.7"]),
        ("x-forwarded-proto", &["http"]),
        ("x-forwarded-host", &["casino.localhost:8008"]),
        ("forwarded", &["for=192.0.2.7;host=\"casino.localhost:8008\";proto=http"]),
        ("x-client", &[format!("192.0.2.7 /hello {method}").as_str()]),
        ("x-hop", &[]),
        ("x-none", &[]),
    ] {
        let expected = if method.is_empty() && name == "x-client" { &[] } else { expected };
        assert_eq!(values(&received, name), expected, "{way}: {name} in {request}");
    }
    let left: Vec<u128> = values(&received, "x-time-ms").iter().map(|value| value.parse().unwrap()).collect();
    let deadline = GroupLimits::default().deadline.as_millis();
    assert!(matches!(left[..], [left] if left > 0 && left <= deadline), "{way}: {left:?} in {request}");
    assert!(!request.contains("evil"), "{way}: {request}");
}

#[tokio::test]
async fn every_way_to_an_upstream_forwards_the_same() {
    for protocol in CLIENT_PROTOCOLS {
        let server = ScriptedUpstream::start().await;
        let gateway = gateway(&server, protocol, everything()).await;
        for (way, _, request, calls) in ways() {
            server.will([Act::Output(with_headers(protocol).await)]);
            let request = request.each_ref().map(|part| &**part);
            let (headers, all) = forwarded(&gateway, &server, request, calls).await;
            all.iter().for_each(|request| assert_everything(request, "hello", way));
            let is_alone = calls == 1 && way != "aggregate";
            let expected = |values: &[&'static str]| if is_alone { values.to_vec() } else { Vec::new() };
            for (name, values) in [
                ("x-total-count", &["12"][..]),
                ("x-page", &["1", "2"]),
                ("set-cookie", &["sid=new; HttpOnly"]),
                ("x-hop", &[]),
                ("www-authenticate", &[]),
            ] {
                assert_eq!(texts(&headers, name), expected(values), "{protocol}, {way}: {name}");
            }
        }
    }
}

#[tokio::test]
async fn calls_that_travel_together_share_the_headers_of_their_request() {
    let server = ScriptedUpstream::start().await;
    let url = format!("http://{}/RPC2", server.address());
    let remote = upstream(url, Protocol::XmlRpc, everything(), Batching::On).await;
    let gateway = serving(&mounts(GroupMount::upstream("/hello", remote).layer(Ann)));
    let one = "<value><array><data><value>world</value></data></array></value>";
    let body = format!(
        "<methodResponse><params><param><value><array><data>{one}{one}</data></array></value></param></params>\
         </methodResponse>"
    );
    let length = body.len();
    let together = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nX-Total-Count: 12\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    server.will([Act::Output(together.into_bytes())]);
    let two = multicall(&["hello", "hello"]);
    let (headers, text) = exchange(&gateway, ["POST", "/hello", "text/xml", &two], &SENT).await;
    assert_eq!((text.matches("world").count(), server.requests()), (2, 1), "{text}");
    // There is no one method that `{method}` could be.
    assert_everything(&server.all()[0], "", "multicall");
    assert!(!headers.contains_key("x-total-count"));
    // A call that is alone in its batch is sent as a call.
    server.will([Act::Output(with_headers(Protocol::XmlRpc).await)]);
    let (headers, _) = exchange(&gateway, ["POST", "/hello", "text/xml", &multicall(&["hello"])], &SENT).await;
    assert_everything(&server.all()[0], "hello", "multicall of one");
    assert!(!headers.contains_key("x-total-count"));
}

/// Finds out another caller for each call.
struct Changing(AtomicUsize);

impl GroupLayer for Changing {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let name = ["ann", "ann", "bob"][self.0.fetch_add(1, SeqCst) % 3];
        let context = Context { identity: Some(Arc::new(Identity::new(name))), ..call.context.clone() };
        next.call(Call { context: &context, ..call })
    }
}

#[tokio::test]
async fn calls_of_different_callers_do_not_travel_together() {
    let server = ScriptedUpstream::start().await;
    let url = format!("http://{}/", server.address());
    let set_headers = vec![("x-user".parse().unwrap(), template("{identity.name}"))];
    let forwarding = Forwarding { set_headers, ..Forwarding::default() };
    let remote = upstream(url, Protocol::JsonRpc, forwarding, Batching::On).await;
    let gateway = serving(&mounts(GroupMount::upstream("/hello", remote).layer(Changing(AtomicUsize::new(0)))));
    server.will([Act::Output(response(Protocol::JsonRpc).await)]);
    let calls: Vec<_> = (1..4).map(|id| format!(r#"{{"jsonrpc":"2.0","method":"hello","id":{id}}}"#)).collect();
    exchange(&gateway, ["POST", "/hello", "application/json", &format!("[{}]", calls.join(","))], &[]).await;
    let mut sent: Vec<_> = server
        .all()
        .iter()
        .map(|request| {
            let user = values(&received(request), "x-user").join("+");
            (user, request.matches("\"method\"").count())
        })
        .collect();
    sent.sort();
    assert_eq!(sent, [("ann".to_owned(), 2), ("bob".to_owned(), 1)]);
}

#[tokio::test]
async fn of_two_credentials_none_is_passed_on() {
    let server = ScriptedUpstream::start().await;
    let forwarding = Forwarding { pass_authorization: true, ..Forwarding::default() };
    let gateway = gateway(&server, Protocol::XmlRpc, forwarding).await;
    for (given, expected) in [(&["a b"][..], &["a b"][..]), (&["a b", "c d"], &[]), (&["a b", "a b"], &[]), (&[], &[])]
    {
        server.will([Act::Output(response(Protocol::XmlRpc).await)]);
        let headers: Vec<_> = given.iter().map(|value| ("authorization", *value)).collect();
        exchange(&gateway, ["POST", "/hello", "text/xml", XML_RPC], &headers).await;
        assert_eq!(values(&received(&server.all()[0]), "authorization"), expected, "{given:?}");
    }
    server.will([Act::Output(response(Protocol::XmlRpc).await)]);
    let headers = [("authorization", "a b"), ("connection", "Authorization")];
    exchange(&gateway, ["POST", "/hello", "text/xml", XML_RPC], &headers).await;
    assert_eq!(values(&received(&server.all()[0]), "authorization"), [""; 0]);
}

#[tokio::test]
async fn the_query_is_appended_once_also_for_the_second_server() {
    let server = ScriptedUpstream::start().await;
    server.will([Act::Output(response(Protocol::XmlRpc).await)]);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let urls = [closed, server.address()].map(|address| format!("http://{address}/RPC2").parse().unwrap());
    let transport = Transport::new(urls.to_vec(), TransportOptions::default()).unwrap();
    let forwarding = Forwarding { pass_query: true, ..Forwarding::default() };
    let options = UpstreamOptions { forwarding, ..UpstreamOptions::new(Protocol::XmlRpc) };
    let remote = Upstream::new(transport, options).unwrap();
    let gateway = serving(&mounts(GroupMount::upstream("/hello", remote)));
    exchange(&gateway, ["POST", "/hello?a=1", "text/xml", XML_RPC], &[]).await;
    assert!(server.all()[0].starts_with("POST /RPC2?a=1 HTTP/1.1\r\n"), "{:?}", server.all());
}

#[tokio::test]
async fn the_query_passes_where_it_has_no_meaning() {
    for protocol in CLIENT_PROTOCOLS {
        let server = ScriptedUpstream::start().await;
        let gateway = gateway(&server, protocol, everything()).await;
        for (way, of_client, [method, path, media, body], _) in ways() {
            server.will([Act::Output(response(protocol).await)]);
            let has_meaning = ["rest", "page"].contains(&of_client);
            let path = if has_meaning { path.to_string() } else { format!("{path}?tenant=a%20b&x=1") };
            exchange(&gateway, [&method, &path, &media, &body], &[]).await;
            let query = if has_meaning { "" } else { "?tenant=a%20b&x=1" };
            for request in server.all() {
                let path = path_at(protocol);
                assert!(request.starts_with(&format!("POST {path}{query} HTTP/1.1\r\n")), "{way}: {request}");
            }
            assert!(server.requests() > 0, "{way}");
        }
        server.will([Act::Output(response(protocol).await)]);
        let greet = r#"{"jsonrpc":"2.0","method":"greet","id":1}"#;
        exchange(&gateway, ["POST", "/all?tenant=a", "application/json", greet], &[]).await;
        let line = format!("POST {}?tenant=a HTTP/1.1\r\n", path_at(protocol));
        assert!(server.all()[0].starts_with(&line), "{:?}", server.all());
    }
}

#[tokio::test]
async fn a_server_behind_scgi_knows_each_header_once() {
    let server = ScriptedUpstream::tcp(Speech::Scgi).await;
    let body = "<methodResponse><params><param><value>world</value></param></params></methodResponse>";
    server.will([Act::Cut(format!("Status: 200 OK\r\nContent-Type: text/xml\r\n\r\n{body}").into_bytes())]);
    let url = format!("scgi://{}/RPC2", server.address());
    let remote = upstream(url, Protocol::XmlRpc, everything(), Batching::Off).await;
    let gateway = serving(&mounts(GroupMount::upstream("/hello", remote).layer(Ann)));
    let (_, text) = exchange(&gateway, ["POST", "/hello?a=1", "text/xml", XML_RPC], &SENT).await;
    assert!(text.contains("world"), "{text}");
    let request = &server.all()[0];
    for (variable, value) in [
        ("HTTP_X_USER", "ann%0D%0AX-Evil: 1"),
        ("HTTP_X_TENANT", "{a}"),
        ("QUERY_STRING", "a=1"),
        ("HTTP_COOKIE", "sid=old; sid2=1"),
    ] {
        assert!(request.contains(&format!("\0{variable}\0{value}\0")), "{request:?}");
        assert_eq!(request.matches(&format!("\0{variable}\0")).count(), 1, "{request:?}");
    }
    assert!(!request.contains("evil") && !request.contains("HTTP_PROXY"), "{request:?}");
}

#[tokio::test]
async fn the_address_that_a_trusted_proxy_forwards_is_the_one_that_is_passed_on() {
    let server = ScriptedUpstream::start().await;
    server.will([Act::Output(response(Protocol::XmlRpc).await)]);
    let url = format!("http://{}/", server.address());
    let forwarding = Forwarding { forwarded: ForwardedForm::Both, ..Forwarding::default() };
    let remote = upstream(url, Protocol::XmlRpc, forwarding, Batching::Off).await;
    let public_url = croupier::PublicUrl {
        trusted_proxies: vec!["192.0.2.7".parse().unwrap()],
        hosts: vec!["casino.localhost".parse().unwrap()],
        ..croupier::PublicUrl::default()
    };
    let mounts = Mounts { public_url: Arc::new(public_url), ..mounts(GroupMount::upstream("/hello", remote)) };
    let headers = [
        ("x-forwarded-for", "203.0.113.66, 198.51.100.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "casino.example"),
    ];
    exchange(&serving(&mounts), ["POST", "/hello", "text/xml", XML_RPC], &headers).await;
    let request = &server.all()[0];
    let received = received(request);
    assert_eq!(values(&received, "x-forwarded-for"), ["198.51.100.1"]);
    assert_eq!(values(&received, "x-forwarded-proto"), ["https"]);
    assert_eq!(values(&received, "x-forwarded-host"), ["casino.example"]);
    assert_eq!(values(&received, "forwarded"), ["for=198.51.100.1;host=\"casino.example\";proto=https"]);
}

const GROUP: &str = "[group.\"/x\".upstream]\nprotocol = \"json-rpc\"\n";

fn parsed(text: &str) -> Config {
    Config::parse("test.toml", text, &Registry::standard()).unwrap_or_else(|errors| panic!("{errors}"))
}

#[tokio::test]
async fn the_keys_of_the_configuration_are_these_rules() {
    let server = ScriptedUpstream::start().await;
    server.will([Act::Output(with_headers(Protocol::JsonRpc).await)]);
    let secret = std::env::temp_dir().join(format!("croupier-forwarding-{}", std::process::id()));
    std::fs::write(&secret, " from {file}\n").unwrap();
    let keys = format!(
        r#"urls = ["http://{}/RPC2"]
        pass-headers = ["Accept-Language", "User-Agent"]
        pass-authorization = true
        pass-cookies = ["sid"]
        pass-query = true
        set-headers = {{ X-Tenant = "a of {{group}}", X-Client = "{{client.address}}", X-Secret = {{ file = "{}" }} }}
        forwarded = "x-forwarded"
        timeout-header = "grpc-timeout"
        forward-identity = {{ name = "X-User", roles = "X-Roles" }}
        return-headers = ["X-Total-Count"]"#,
        server.address(),
        secret.display(),
    );
    let config = parsed(&format!("{GROUP}{keys}"));
    let mut mounts = config.mounts();
    let group = mounts.groups.remove(0).layer(Ann);
    mounts.groups.push(group);
    let call = r#"{"jsonrpc":"2.0","method":"hello","id":1}"#;
    let (headers, text) = exchange(&serving(&mounts), ["POST", "/x?tenant=a", "application/json", call], &SENT).await;
    std::fs::remove_file(&secret).unwrap();
    assert!(text.contains("world"), "{text}");
    let request = &server.all()[0];
    assert!(request.starts_with("POST /RPC2?tenant=a "), "{request}");
    let received = received(request);
    for (name, value) in [
        ("user-agent", "evil"),
        ("authorization", "Bearer of-the-client"),
        ("cookie", "sid=old"),
        ("x-tenant", "a of /x"),
        ("x-client", "192.0.2.7"),
        ("x-secret", "from {file}"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-user", "ann%0D%0AX-Evil: 1"),
        ("x-roles", "a%2Cadmin,staff"),
    ] {
        assert_eq!(values(&received, name), [value], "{name}");
    }
    assert_eq!(values(&received, "forwarded"), [""; 0]);
    assert!(values(&received, "grpc-timeout")[0].ends_with('m'));
    assert_eq!(texts(&headers, "x-total-count"), ["12"]);
    assert_eq!(texts(&headers, "set-cookie"), ["sid=new; HttpOnly"]);
}

#[tokio::test]
async fn another_value_of_a_key_makes_another_upstream() {
    let group = |more: &str| format!("{GROUP}urls = [\"http://127.0.0.1:1/\"]\n{more}\n");
    let oauth2 = |secret: &str, more: &str| {
        let url = "http://127.0.0.1:1/token";
        format!("oauth2 = {{ token-url = \"{url}\", client-id = \"a\", client-secret.text = \"{secret}\"{more} }}")
    };
    let forms = [
        String::new(),
        "pass-headers = ['A']".to_owned(),
        "pass-headers = ['B']".to_owned(),
        "pass-authorization = true".to_owned(),
        "pass-cookies = true".to_owned(),
        "pass-cookies = ['a']".to_owned(),
        "pass-query = true".to_owned(),
        "set-headers = { A = 'a' }".to_owned(),
        "set-headers = { A = 'b' }".to_owned(),
        "forwarded = 'both'".to_owned(),
        "forward-identity.name = 'A'".to_owned(),
        "return-headers = ['A']".to_owned(),
        oauth2("s3cret", ""),
        oauth2("other", ""),
        oauth2("s3cret", ", scopes = ['x']"),
    ];
    for form in &forms {
        let served = parsed(&group(form)).mounts();
        for other in &forms {
            let config = Config::parse_keeping("test.toml", &group(other), &Registry::standard(), &served).unwrap();
            let is_kept = Arc::ptr_eq(&served.groups[0].service, &config.groups[0].service);
            assert_eq!(is_kept, form == other, "{form} and {other}");
        }
    }
    let file = std::env::temp_dir().join(format!("croupier-forwarding-kept-{}", std::process::id()));
    let text = group(&format!("set-headers = {{ A = {{ file = '{}' }} }}", file.display()));
    std::fs::write(&file, "a").unwrap();
    let served = parsed(&text).mounts();
    for (content, expected) in [("a", true), ("b", false)] {
        std::fs::write(&file, content).unwrap();
        let config = Config::parse_keeping("test.toml", &text, &Registry::standard(), &served).unwrap();
        assert_eq!(Arc::ptr_eq(&served.groups[0].service, &config.groups[0].service), expected);
    }
    std::fs::remove_file(&file).unwrap();
}
