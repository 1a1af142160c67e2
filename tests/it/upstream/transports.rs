//! The transports to upstream servers: several equal ones, unix sockets, SCGI; and a server whose interface changes while
//! it is in use.
use std::path::PathBuf;
use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use croupier::codec::xml::Reading;
use croupier::codec::xmlrpc::XmlRpcDialect;
use croupier::model::name_patterns::NamePatterns;
use croupier::model::shape::Shapes;
use croupier::protocol::Protocol;
use croupier::protocol::set::{ProtocolSet, ServerInfo};
use croupier::service::RpcService;
use croupier::upstream::transport;
use croupier::upstream::transport::Transport;
use croupier::upstream::{Upstream, UpstreamOptions};
use http::StatusCode;
use tokio::sync::Barrier;

use crate::support::calls::{self, post_to};
use crate::support::hello::{CLIENT_PROTOCOLS, behind, document, frontends, response, unreachable, world};
use crate::support::over::{Behind, Over};
use crate::support::upstream::{Act, ScriptedUpstream, Speech};

/// A path for a socket that no other test uses.
fn socket(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("croupier-{}-{name}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

#[test]
fn upstreams_are_called_in_four_protocols() {
    for protocol in Protocol::ALL {
        let address = "http://127.0.0.1:1/".parse().unwrap();
        let transport = Transport::new(vec![address], transport::TransportOptions::default()).unwrap();
        let upstream = Upstream::new(transport, UpstreamOptions::new(protocol));
        assert_eq!(upstream.is_ok(), CLIENT_PROTOCOLS.contains(&protocol), "{protocol}");
    }
}

#[tokio::test]
async fn a_dead_server_is_passed_over_and_tried_again_later() {
    let path = socket("dead");
    let alive = ScriptedUpstream::start().await;
    for (over, protocol) in Over::ALL.into_iter().zip(CLIENT_PROTOCOLS.into_iter().cycle()) {
        let response = response(protocol).await;
        let urls = [format!("unix:{}", path.display()), format!("http://{}/", alive.address())];
        let behind = behind(&urls, protocol, false).await;
        alive.will([Act::Output(response.clone())]);
        for _ in 0..10 {
            assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()));
        }
        assert_eq!(alive.requests(), 10);
        let risen = ScriptedUpstream::unix(&path, Speech::Http);
        risen.will([Act::Output(response)]);
        assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()));
        assert_eq!((alive.requests(), risen.requests()), (11, 0), "it was dead a moment ago");
        // The first time brings it back, and after the second it has all of its share again.
        for seconds in [6, 20] {
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(seconds)).await;
            tokio::time::resume();
            assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()));
        }
        for _ in 0..20 {
            assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()));
        }
        assert_eq!(alive.requests() + risen.requests(), 33);
        assert!(risen.requests() > 0, "it is tried again");
        std::fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
async fn a_call_that_may_have_run_is_sent_to_another_server_only_if_that_is_harmless() {
    let (one, other) = (ScriptedUpstream::start().await, ScriptedUpstream::start().await);
    for protocol in CLIENT_PROTOCOLS {
        for idempotent in [false, true] {
            let urls = [&one, &other].map(|server| format!("http://{}/", server.address()));
            let behind = behind(&urls, protocol, idempotent).await;
            for server in [&one, &other] {
                server.will([Act::Cut(Vec::new())]);
            }
            for calls in 1..10 {
                assert_eq!(Over::Rest.ask(&behind, "hello", &[]).await, unreachable(Over::Rest));
                let sent = if idempotent { 2 * calls } else { calls };
                assert_eq!(one.requests() + other.requests(), sent);
            }
        }
    }
}

#[tokio::test]
async fn where_all_are_dead_all_are_tried() {
    let paths = ["first", "second"].map(socket);
    let urls = paths.clone().map(|path| format!("unix:{}", path.display()));
    let behind = behind(&urls, Protocol::XmlRpc, false).await;
    for _ in 0..3 {
        assert_eq!(Over::Soap.ask(&behind, "hello", &[]).await, unreachable(Over::Soap));
    }
    for path in paths {
        let server = ScriptedUpstream::unix(&path, Speech::Http);
        server.will([Act::Cut(response(Protocol::XmlRpc).await)]);
        assert_eq!(Over::Soap.ask(&behind, "hello", &[]).await, Ok(world()));
        std::fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
async fn unix_sockets_are_asked_like_ports() {
    let path = socket("http");
    let server = ScriptedUpstream::unix(&path, Speech::Http);
    for protocol in CLIENT_PROTOCOLS {
        server.will([Act::Output(response(protocol).await)]);
        let behind = behind(&[format!("unix:{}:/RPC2", path.display())], protocol, false).await;
        for over in Over::ALL {
            assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()), "{over:?} to {protocol:?}");
        }
        let request = String::from_utf8(server.last()).unwrap();
        let path = if protocol == Protocol::Rest { "/RPC2/say/hello" } else { "/RPC2" };
        assert!(request.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{request}");
        assert!(request.contains("host: localhost\r\n"), "{request}");
    }
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn a_connection_is_reused_however_the_response_ends() {
    for protocol in CLIENT_PROTOCOLS {
        let (media, body) = document(protocol).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n");
        let (size, length) = (format!("{:x}", body.len()), body.len());
        for response in [
            format!("{head}Content-Length: {length}\r\n\r\n{body}"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{size}\r\n{body}\r\n0\r\n\r\n"),
        ] {
            let server = ScriptedUpstream::start().await;
            server.will([Act::Output(response.into_bytes())]);
            let behind = behind(&[format!("http://{}/", server.address())], protocol, false).await;
            for over in Over::ALL {
                assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()), "{over:?} to {protocol:?}");
            }
            assert_eq!((server.requests(), server.connections()), (4, 1), "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn an_ambiguous_message_is_not_passed_through() {
    let server = ScriptedUpstream::start().await;
    let xml = |label: &str| {
        format!("<?xml version=\"1.0\" encoding=\"{label}\"?><methodCall><methodName>hello</methodName></methodCall>")
    };
    let hidden = "<methodName>hidden</methodName>";
    let unusual = |inside: &str| format!("<methodCall><methodName>hello</methodName>{inside}</methodCall>");
    let json = r#"{"jsonrpc":"2.0","method":"hello","id":"own"}"#.to_owned();
    let more = |member: &str| format!(r#"{{"jsonrpc":"2.0","method":"hello","id":"own",{member}}}"#);
    for (protocol, media, sent, passed) in [
        (Protocol::XmlRpc, "text/xml", xml("utf-8"), true),
        (Protocol::XmlRpc, "text/xml", xml("iso-8859-1"), true),
        (Protocol::XmlRpc, "text/xml; charset=utf-8", xml("iso-8859-1"), false),
        (Protocol::XmlRpc, "text/xml; charset=utf-8", xml("utf-7"), false),
        (Protocol::XmlRpc, "text/xml; charset=shift_jis", xml("shift_jis"), false),
        (Protocol::XmlRpc, "text/xml", unusual("<params></params>"), true),
        (Protocol::XmlRpc, "text/xml", unusual(&format!("<x>{hidden}</x>")), false),
        (Protocol::XmlRpc, "text/xml", unusual(&format!("<params/><x><y>{hidden}</y></x>")), false),
        (Protocol::XmlRpc, "text/xml", unusual("<params><x><methodName>hidden</methodName></x></params>"), false),
        (Protocol::XmlRpc, "text/xml", unusual("").replace("<methodCall>", "<methodCall xmlns=\"u:x\">"), false),
        (Protocol::JsonRpc, "application/json", more(r#""Method":"hidden""#), false),
        (Protocol::JsonRpc, "application/json", more(r#""METHOD":"hidden","more":[]"#), false),
        (Protocol::JsonRpc, "application/json", more(r#""params":[]"#), true),
        (Protocol::JsonRpc, "application/json", json.clone(), true),
        (Protocol::JsonRpc, "application/json; charset=UTF-8", json.clone(), true),
        (Protocol::JsonRpc, "application/json; charset=ibm037", json, false),
    ] {
        let (response_media, body) = document(protocol).await;
        // The id is that of the client, or of the gateway.
        let body = if passed { body.replace("\"id\":1", "\"id\":\"own\"") } else { body };
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {response_media}\r\nContent-Length: {length}\r\n\r\n");
        server.will([Act::Output((head + &body).into_bytes())]);
        let behind = behind(&[format!("http://{}/", server.address())], protocol, false).await;
        let xml_rpc = XmlRpcDialect { reading: Reading::Lenient, ..XmlRpcDialect::default() };
        let frontends = ProtocolSet { xml_rpc, ..ProtocolSet::default() }.of_group(calls::PATH, &ServerInfo::default());
        let (_, heard) = post_to(&behind.service, &frontends, "", media, sent.as_bytes()).await;
        assert!(heard.contains("world"), "{heard}");
        let request = String::from_utf8(server.last()).unwrap();
        assert_eq!(request.ends_with(&sent), passed, "{media} {sent}\n{request}");
    }
}

#[tokio::test]
async fn over_rest_too_calls_are_passed_on_before_anything_is_known() {
    let server = ScriptedUpstream::start().await;
    for protocol in [Protocol::XmlRpc, Protocol::JsonRpc] {
        let address = format!("http://{}/", server.address()).parse().unwrap();
        let transport = Transport::new(vec![address], transport::TransportOptions::default()).unwrap();
        let deny = NamePatterns(vec!["hidden".to_owned()]);
        let remote: Arc<dyn RpcService> =
            Arc::new(Upstream::new(transport, UpstreamOptions { deny, ..UpstreamOptions::new(protocol) }).unwrap());
        server.will([Act::Output(response(protocol).await), Act::Cut(Vec::new())]);
        let ask = async |tail: &str| post_to(&remote, &frontends(), tail, "application/json", b"[]").await;
        assert_eq!(ask("hello").await, (StatusCode::OK, "\"world\"".to_owned()));
        assert_eq!(ask("hello").await.0, StatusCode::BAD_GATEWAY);
        assert_eq!(ask("hidden").await.0, StatusCode::NOT_FOUND);
        assert_eq!(ask("_hello").await.0, StatusCode::NOT_FOUND);
        assert_eq!(server.requests(), 2);
    }
}

#[tokio::test]
async fn system_multicall_is_never_a_method_of_the_upstream() {
    let server = ScriptedUpstream::start().await;
    server.will([Act::Silence]);
    for protocol in [Protocol::XmlRpc, Protocol::JsonRpc] {
        let address = format!("http://{}/", server.address()).parse().unwrap();
        let transport = Transport::new(vec![address], transport::TransportOptions::default()).unwrap();
        let remote: Arc<dyn RpcService> = Arc::new(Upstream::new(transport, UpstreamOptions::new(protocol)).unwrap());
        for method in ["system.multicall", "system.multiCall"] {
            let (_, heard) = post_to(&remote, &frontends(), method, "application/json", b"[[]]").await;
            assert!(heard.contains("no-such-method"), "{method}: {heard}");
        }
    }
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn a_description_is_kept_until_the_same_server_changes_it() {
    let server = ScriptedUpstream::start().await;
    let remote = |port: u16, options: UpstreamOptions| {
        let address = format!("http://127.0.0.1:{port}/").parse().unwrap();
        Upstream::new(Transport::new(vec![address], transport::TransportOptions::default()).unwrap(), options).unwrap()
    };
    let (port, options) = (server.address().port(), UpstreamOptions::new(Protocol::JsonRpc));
    let known = remote(port, options.clone());
    server.will([Act::Output(description("hello"))]);
    assert!(known.discover().await.unwrap());
    let methods =
        |remote: &Upstream| remote.interface().methods.iter().map(|method| method.name.clone()).collect::<Vec<_>>();
    for (port, options, expected) in [
        (port, options.clone(), vec!["hello"]),
        (port + 1, options.clone(), vec![]),
        (port, UpstreamOptions { title: Some("Another".to_owned()), ..options.clone() }, vec![]),
    ] {
        let now = remote(port, options);
        now.adopt_description(&known);
        assert_eq!(methods(&now), expected);
    }
    let now = remote(port, options);
    server.will([Act::Output(description("other"))]);
    now.adopt_description(&known);
    assert!(now.discover().await.unwrap());
    assert_eq!(methods(&now), ["other"]);
    now.adopt_description(&known);
    assert_eq!(methods(&now), ["other"], "it has learned something itself");
}

/// The response of a sound server as a CGI program writes it.
async fn scgi(protocol: Protocol, with_length: bool) -> Vec<u8> {
    let (media, body) = document(protocol).await;
    let length = if with_length { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
    format!("Status: 200 OK\r\nContent-Type: {media}\r\n{length}\r\n{body}").into_bytes()
}

#[tokio::test]
async fn scgi_is_spoken_over_ports_and_sockets() {
    let path = socket("scgi");
    let (by_port, by_socket) = (ScriptedUpstream::tcp(Speech::Scgi).await, ScriptedUpstream::unix(&path, Speech::Scgi));
    let urls = [format!("scgi://{}/RPC2", by_port.address()), format!("scgi:{}:/RPC2", path.display())];
    for (server, url) in [&by_port, &by_socket].into_iter().zip(urls) {
        for (protocol, with_length) in
            CLIENT_PROTOCOLS.into_iter().flat_map(|protocol| [(protocol, false), (protocol, true)])
        {
            let (response, behind) = (scgi(protocol, with_length).await, behind(from_ref(&url), protocol, false).await);
            for over in Over::ALL {
                server.will([Act::Cut(response.clone())]);
                assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()), "{over:?} to {protocol:?}");
                assert_eq!(server.requests(), 1);
            }
            let request = String::from_utf8(server.last()).unwrap();
            let path = if protocol == Protocol::Rest { "/RPC2/say/hello" } else { "/RPC2" };
            assert!(request.contains("\0REQUEST_METHOD\0POST\0"), "{request}");
            assert!(request.contains(&format!("\0PATH_INFO\0{path}\0")), "{request}");
        }
    }
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn a_truncated_scgi_response_is_an_error() {
    let server = ScriptedUpstream::tcp(Speech::Scgi).await;
    let url = format!("scgi://{}/RPC2", server.address());
    for protocol in CLIENT_PROTOCOLS {
        let (response, behind) = (scgi(protocol, true).await, behind(from_ref(&url), protocol, true).await);
        for over in Over::ALL {
            for end in 0..response.len() {
                server.will([Act::Cut(response[..end].to_vec())]);
                let heard = over.ask(&behind, "hello", &[]).await;
                assert_eq!((heard, server.requests()), (unreachable(over), 1), "{over:?} to {protocol:?}, {end} bytes");
            }
            for bytes in 0..server.last().len() {
                server.will([Act::Deaf(bytes)]);
                let heard = over.ask(&behind, "hello", &[]).await;
                assert_eq!(
                    (heard, server.requests()),
                    (unreachable(over), 1),
                    "{over:?} to {protocol:?}, {bytes} bytes"
                );
            }
        }
    }
}

/// The answer to `rpc.discover` of a server that has one method.
fn description(method: &str) -> Vec<u8> {
    let methods =
        format!(r#"[{{"name":"{method}","params":[],"result":{{"name":"it","schema":{{"type":"string"}}}}}}]"#);
    let document = format!(r#"{{"openrpc":"1.3.2","info":{{"title":"It","version":"1"}},"methods":{methods}}}"#);
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{document}}}"#);
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    [head, body].concat().into_bytes()
}

#[tokio::test]
async fn a_response_is_read_by_the_description_of_its_request() {
    let server = ScriptedUpstream::start().await;
    let transport = Transport::new(
        vec![format!("http://{}/", server.address()).parse().unwrap()],
        transport::TransportOptions::default(),
    );
    let remote = Upstream::new(transport.unwrap(), UpstreamOptions::new(Protocol::JsonRpc)).unwrap();
    server.will([Act::Output(description("hello"))]);
    assert!(remote.discover().await.unwrap());
    let behind =
        Behind { shapes: Shapes::of(&remote.interface()), service: Arc::new(remote.clone()), frontends: frontends() };
    let both = Arc::new(Barrier::new(2));
    server.will([Act::BatchFuture(both.clone(), response(Protocol::JsonRpc).await), Act::Output(description("other"))]);
    let asked = Over::Rest.ask(&behind, "hello", &[]);
    let discovered = async {
        while server.requests() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(remote.discover().await.unwrap());
        both.wait().await;
    };
    assert_eq!(tokio::join!(asked, discovered).0, Ok(world()));
}
