//! MCP servers as upstreams: sessions, streams of events, results and errors in every form that servers send, and hostile servers.

use std::time::{Duration, Instant};

use croupier::model::interface::Interface;
use croupier::protocol::Protocol;
use croupier::service::args::Args;
use croupier::service::{Call, Context, RpcService};
use croupier::upstream::transport;
use croupier::upstream::transport::Transport;
use croupier::upstream::{Upstream, UpstreamOptions};
use croupier::{Fault, Kind, Value};
use serde_json::{Value as Json, json};

use super::failing_hosts::until;
use crate::support::hello::LARGEST;
use crate::support::over::{Behind, Over};
use crate::support::upstream::{Act, ID, ScriptedUpstream};

/// A response with this status, these lines of its head, and this body.
fn http(status: &str, head: &[&str], body: &str) -> Vec<u8> {
    let lines: String = head.iter().map(|line| format!("{line}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{lines}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn message(result: &Json) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{ID},"result":{result}}}"#)
}

fn result(result: &Json) -> Act {
    Act::Output(http("200 OK", &["Content-Type: application/json"], &message(result)))
}

fn error(status: &str, error: &Json) -> Act {
    let body = format!(r#"{{"jsonrpc":"2.0","id":{ID},"error":{error}}}"#);
    Act::Output(http(status, &["Content-Type: application/json"], &body))
}

/// A stream with these events, which ends.
fn events(events: &[String]) -> Act {
    let body: String = events.iter().map(|event| format!("event: message\r\ndata: {event}\r\n\r\n")).collect();
    Act::Output(http("200 OK", &["Content-Type: text/event-stream"], &body))
}

fn no_discovery() -> Act {
    Act::Output(http("400 Bad Request", &["Content-Type: text/plain"], "no valid session"))
}

fn handshake(session: &str) -> Act {
    let agreed = json!({
        "protocolVersion": "2025-06-18", "capabilities": { "tools": {} },
        "serverInfo": { "name": "wheel", "title": "The wheel" }, "instructions": "Spin it.",
    });
    let session = format!("Mcp-Session-Id: {session}");
    Act::Output(http("200 OK", &["Content-Type: application/json", &session], &message(&agreed)))
}

fn accepted() -> Act {
    Act::Output(http("202 Accepted", &[], ""))
}

fn spin() -> Json {
    json!({
        "name": "spin-wheel", "description": "Spins.", "annotations": { "readOnlyHint": true },
        "inputSchema": { "type": "object", "properties": { "times": { "type": "integer" } }, "required": ["times"] },
    })
}

fn tools(tools: &[Json]) -> Act {
    result(&json!({ "tools": tools }))
}

fn said(text: &str) -> Json {
    json!({ "content": [{ "type": "text", "text": text }] })
}

fn upstream(servers: &[&ScriptedUpstream]) -> Upstream {
    let addresses = servers.iter().map(|server| format!("http://{}/mcp", server.address()).parse().unwrap()).collect();
    let options = transport::TransportOptions {
        balance: transport::Balance::RoundRobin,
        ..transport::TransportOptions::default()
    };
    let transport = Transport::new(addresses, options).unwrap();
    Upstream::new(transport, UpstreamOptions { max_response: LARGEST, ..UpstreamOptions::new(Protocol::Mcp) }).unwrap()
}

/// A server with a session, whose script begins anew after the discovery.
async fn in_session(server: &ScriptedUpstream) -> Behind {
    server.will([no_discovery(), handshake("s-1"), accepted(), tools(&[spin()])]);
    let upstream = upstream(&[server]);
    upstream.discover().await.unwrap();
    Behind::discovered(upstream)
}

/// The same without a handshake.
async fn stateless(server: &ScriptedUpstream) -> Behind {
    let discovered = json!({
        "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} },
        "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "wheel" } },
    });
    server.will([result(&discovered), tools(&[spin()])]);
    let upstream = upstream(&[server]);
    upstream.discover().await.unwrap();
    Behind::discovered(upstream)
}

async fn spun(behind: &Behind) -> Result<Value, i64> {
    Over::JsonRpc.ask(behind, "spin_wheel", &[Value::Int(3)]).await.map_err(|code| code.0)
}

fn code(kind: Kind) -> i64 {
    kind.jsonrpc_code().into()
}

fn header<'r>(request: &'r str, name: &str) -> Option<&'r str> {
    let lines = request.split("\r\n\r\n").next().unwrap().lines();
    let found = lines.filter_map(|line| line.split_once(": ")).find(|(own, _)| own.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

fn body(request: &str) -> Json {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_session_begins_once_and_its_id_is_in_each_request() {
    let server = ScriptedUpstream::start().await;
    let part = |tool: Json, next: Option<&str>| result(&json!({ "tools": [tool], "nextCursor": next }));
    let other = json!({ "name": "stop", "inputSchema": { "type": "object" } });
    server.will([no_discovery(), handshake("s-1"), accepted(), part(spin(), Some("p\"2")), part(other, None)]);
    let upstream = upstream(&[&server]);
    assert!(upstream.discover().await.unwrap());
    let Interface { title, doc, methods, .. } = &*upstream.interface();
    assert_eq!((title.as_str(), doc.as_str()), ("The wheel", "Spin it."));
    assert_eq!(methods.iter().map(|method| method.name.as_str()).collect::<Vec<_>>(), ["spin_wheel", "stop"]);
    assert!(methods.iter().all(|method| !method.safe), "the hints of a server are not believed");

    let sent = server.all();
    let methods: Vec<_> = sent.iter().map(|request| body(request)["method"].as_str().unwrap().to_owned()).collect();
    let expected = ["server/discover", "initialize", "notifications/initialized", "tools/list", "tools/list"];
    assert_eq!(methods, expected);
    assert_eq!(body(&sent[1])["params"]["protocolVersion"], "2025-11-25");
    assert_eq!(body(&sent[4])["params"]["cursor"], "p\"2");
    for request in &sent[2..] {
        assert_eq!(header(request, "mcp-session-id"), Some("s-1"));
        assert_eq!(header(request, "mcp-protocol-version"), Some("2025-06-18"));
    }

    server.will([result(&said("17"))]);
    assert_eq!(spun(&Behind::discovered(upstream)).await, Ok(Value::Text("17".to_owned())));
    let call = server.all().remove(0);
    assert_eq!(body(&call)["params"], json!({ "name": "spin-wheel", "arguments": { "times": 3 } }));
    assert_eq!(header(&call, "mcp-session-id"), Some("s-1"));
    assert_eq!(header(&call, "accept"), Some("application/json, text/event-stream"));
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_server_without_a_handshake_gets_none() {
    let server = ScriptedUpstream::start().await;
    let behind = stateless(&server).await;
    assert_eq!(behind.service.interface().title, "wheel");
    server.will([result(&json!({ "resultType": "complete", "content": [], "structuredContent": [1, 2] }))]);
    assert_eq!(spun(&behind).await, Ok(Value::Array(vec![Value::Int(1), Value::Int(2)])));
    let call = server.all().remove(0);
    assert_eq!(header(&call, "mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!((header(&call, "mcp-method"), header(&call, "mcp-name")), (Some("tools/call"), Some("spin-wheel")));
    assert_eq!(header(&call, "mcp-session-id"), None);
}

#[tokio::test]
async fn a_session_that_has_ended_begins_again_once() {
    let server = ScriptedUpstream::start().await;
    let behind = in_session(&server).await;
    let gone = || Act::Output(http("404 Not Found", &[], ""));
    server.will([gone(), handshake("s-2"), accepted(), result(&said("17")), result(&said("18"))]);
    assert_eq!(spun(&behind).await, Ok(Value::Text("17".to_owned())));
    assert_eq!(spun(&behind).await, Ok(Value::Text("18".to_owned())));
    let sent = server.all();
    let sessions: Vec<_> = sent.iter().map(|request| header(request, "mcp-session-id")).collect();
    assert_eq!(sessions, [Some("s-1"), None, Some("s-2"), Some("s-2"), Some("s-2")]);

    server.will([gone(), handshake("s-3"), accepted(), gone()]);
    assert_eq!(spun(&behind).await, Err(code(Kind::Unreachable)));
    assert_eq!(server.requests(), 4, "the call is not sent a third time");

    // Without a session, the status says nothing of one.
    let server = ScriptedUpstream::start().await;
    let behind = stateless(&server).await;
    server.will([gone()]);
    assert_eq!((spun(&behind).await, server.requests()), (Err(code(Kind::Unreachable)), 1));
}

#[tokio::test]
async fn a_session_is_lost_by_status_400_if_the_text_says_so() {
    let server = ScriptedUpstream::start().await;
    let behind = in_session(&server).await;
    let refused = |message: &str| error("400 Bad Request", &json!({ "code": -32000, "message": message }));
    let lost = refused("Bad Request: No valid Session ID provided");
    server.will([lost.clone(), handshake("s-2"), accepted(), result(&said("17"))]);
    assert_eq!(spun(&behind).await, Ok(Value::Text("17".to_owned())));
    assert_eq!(header(&server.all()[3], "mcp-session-id"), Some("s-2"));

    server.will([lost.clone(), handshake("s-3"), accepted(), lost]);
    assert_eq!(spun(&behind).await, Err(-32000), "the call is not sent a third time");
    assert_eq!(server.requests(), 4);

    // Any other refusal is the response to the call.
    server.will([refused("the wheel is closed")]);
    assert_eq!((spun(&behind).await, server.requests()), (Err(-32000), 1));
}

/// A stream of events that has begun, and ends only with its connection.
fn open_stream() -> Act {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    Act::Drip(head.as_bytes().to_vec(), b":".to_vec())
}

/// A server in a session whose calls do not end.
async fn never_ending(server: &ScriptedUpstream, call: Act) -> Behind {
    let behind = in_session(server).await;
    server.will_answer(move |request| match body(request)["method"].as_str().unwrap() {
        "tools/call" => call.clone(),
        _ => accepted(),
    });
    behind
}

#[tokio::test]
async fn a_call_in_a_session_is_cancelled_if_nobody_waits_for_it() {
    for call in [Act::Silence, open_stream()] {
        let server = ScriptedUpstream::start().await;
        let behind = never_ending(&server, call).await;
        tokio::select! {
            result = spun(&behind) => panic!("{result:?}"),
            () = until(&server, 1) => {}
        }
        until(&server, 2).await;
        let sent = server.all();
        assert_eq!(body(&sent[1])["method"], "notifications/cancelled");
        assert_eq!(body(&sent[1])["params"]["requestId"], body(&sent[0])["id"]);
        assert_eq!(header(&sent[1], "mcp-session-id"), Some("s-1"));
    }
}

#[tokio::test]
async fn a_call_in_a_session_is_cancelled_at_its_deadline() {
    let server = ScriptedUpstream::start().await;
    let behind = never_ending(&server, open_stream()).await;
    let context = Context { deadline: Some(Instant::now() + Duration::from_millis(100)), ..Context::default() };
    let args = serde_json::value::to_raw_value(&[3]).unwrap();
    let fault = behind.service.call(Call::new("spin_wheel", Args::Json(&args), &context)).await.err().unwrap();
    assert_eq!(fault.kind, Kind::Late);
    until(&server, 2).await;
    assert_eq!(body(&server.all()[1])["method"], "notifications/cancelled");
}

#[tokio::test]
async fn a_host_that_refuses_a_session_is_not_held_for_broken() {
    let servers = [ScriptedUpstream::start().await, ScriptedUpstream::start().await];
    for (server, session) in servers.iter().zip([handshake("s-1"), handshake("s-2")]) {
        server.will_answer(move |request| match body(request)["method"].as_str().unwrap() {
            "server/discover" => no_discovery(),
            "initialize" => session.clone(),
            "notifications/initialized" => accepted(),
            "tools/list" => tools(&[spin()]),
            _ => result(&said("17")),
        });
    }
    let upstream = upstream(&[&servers[0], &servers[1]]);
    upstream.discover().await.unwrap();
    let behind = Behind::discovered(upstream);
    // Its own session, which the discovery may have begun, is lost.
    let refusal = || Act::Output(http("401 Unauthorized", &["Content-Type: text/plain"], "who are you?"));
    servers[1].will_answer(move |request| match body(request)["method"].as_str().unwrap() {
        "initialize" => refusal(),
        _ => Act::Output(http("404 Not Found", &[], "")),
    });
    for _ in 0..40 {
        let _ = spun(&behind).await;
    }
    // Five failures in a row would end its calls.
    assert!(servers[1].requests() >= 15, "{}", servers[1].requests());
}

#[tokio::test]
async fn each_host_has_a_session_of_its_own() {
    let servers = [ScriptedUpstream::start().await, ScriptedUpstream::start().await];
    for (server, session) in servers.iter().zip(["s-1", "s-2"]) {
        // The requests of the discovery may go to any of them.
        server.will_answer(move |request| match body(request)["method"].as_str().unwrap() {
            "server/discover" => no_discovery(),
            "initialize" => handshake(session),
            "notifications/initialized" => accepted(),
            "tools/list" => tools(&[spin()]),
            _ => result(&said(session)),
        });
    }
    let upstream = upstream(&[&servers[0], &servers[1]]);
    upstream.discover().await.unwrap();
    let behind = Behind::discovered(upstream);
    for _ in 0..6 {
        assert!(spun(&behind).await.is_ok());
    }
    for (server, session) in servers.iter().zip(["s-1", "s-2"]) {
        let sent = server.all();
        let methods: Vec<_> = sent.iter().map(|request| body(request)["method"].as_str().unwrap().to_owned()).collect();
        assert_eq!(methods.iter().filter(|method| *method == "initialize").count(), 1, "{methods:?}");
        assert!(methods.iter().any(|method| method == "tools/call"), "{methods:?}");
        let of_session = |request: &String| header(request, "mcp-session-id").is_none_or(|own| own == session);
        assert!(sent.iter().all(of_session), "{sent:?}");
    }
}

#[tokio::test]
async fn the_response_is_found_in_a_stream_of_events() {
    let server = ScriptedUpstream::start().await;
    for behind in [in_session(&server).await, stateless(&server).await] {
        let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#.to_owned();
        let asked = r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#.to_owned();
        let stream = events(&[progress.clone(), asked, message(&said("17"))]);
        server.will([stream.clone(), stream]);
        for _ in 0..2 {
            assert_eq!(spun(&behind).await, Ok(Value::Text("17".to_owned())));
        }
        assert_eq!(server.requests(), 2);
        server.will([events(&[progress])]);
        assert_eq!(spun(&behind).await, Err(code(Kind::Unreachable)), "it ends without the response");
        // The stream stays open behind the response.
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        let open = format!("{head}data: {}\n\n", message(&said("18"))).into_bytes();
        server.will([Act::Drip(open, b":".to_vec())]);
        assert_eq!(spun(&behind).await, Ok(Value::Text("18".to_owned())));
    }
}

#[tokio::test]
async fn a_handshake_may_come_as_a_stream_of_events() {
    let server = ScriptedUpstream::start().await;
    let agreed = json!({ "protocolVersion": "2025-03-26", "capabilities": {}, "serverInfo": { "name": "wheel" } });
    server.will([
        error("200 OK", &json!({ "code": -32601, "message": "no" })),
        events(&[message(&agreed)]),
        accepted(),
        events(&[message(&json!({ "tools": [spin()] }))]),
    ]);
    let upstream = upstream(&[&server]);
    upstream.discover().await.unwrap();
    assert_eq!(upstream.interface().title, "wheel");
    assert_eq!(header(&server.all()[3], "mcp-protocol-version"), Some("2025-03-26"));
}

#[tokio::test]
async fn errors_and_failed_tools_are_faults() {
    let server = ScriptedUpstream::start().await;
    let behind = in_session(&server).await;
    let failed = |meta: Json| {
        result(&json!({ "content": [{ "type": "text", "text": "no luck" }], "isError": true, "_meta": meta }))
    };
    for (act, expected) in [
        (failed(json!({})), Kind::Service(None)),
        (failed(json!({ "croupier/kind": "service", "croupier/code": 17 })), Kind::Service(Some(17))),
        (failed(json!({ "croupier/kind": "busy" })), Kind::Busy),
        (error("200 OK", &json!({ "code": -32602, "message": "Unknown tool: x" })), Kind::NoSuchMethod),
        (error("200 OK", &json!({ "code": -32602, "message": "no" })), Kind::BadParams),
        (error("400 Bad Request", &json!({ "code": -32600, "message": "no" })), Kind::Structure),
        (error("500 Internal Server Error", &json!({ "code": -32603, "message": "no" })), Kind::Internal),
        (error("200 OK", &json!({ "code": 7, "message": "no" })), Kind::Service(Some(7))),
        (Act::Output(http("500 Internal Server Error", &[], "no")), Kind::Unreachable),
        (Act::Output(http("200 OK", &[], "<html>")), Kind::Unreachable),
        (Act::Output(http("202 Accepted", &[], "")), Kind::Unreachable),
        (Act::Output(http("200 OK", &[], r#"{"jsonrpc":"2.0","id":1000000,"result":{}}"#)), Kind::Unreachable),
        (result(&json!({ "resultType": "input_required", "inputRequests": {} })), Kind::Service(None)),
        (result(&json!({ "content": [7] })), Kind::Unreachable),
    ] {
        server.will([act]);
        assert_eq!((spun(&behind).await, server.requests()), (Err(code(expected)), 1), "{expected:?}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_the_handshake_is_not_called() {
    let server = ScriptedUpstream::start().await;
    let fault = async |acts: Vec<Act>| -> Fault {
        server.will(acts);
        upstream(&[&server]).discover().await.unwrap_err()
    };
    let newer = json!({ "protocolVersion": "2031-01-01", "capabilities": {} });
    for act in [
        no_discovery(),
        result(&newer),
        result(&json!(7)),
        error("200 OK", &json!({ "code": -32601, "message": "no" })),
    ] {
        let fault = fault(vec![no_discovery(), act]).await;
        assert_eq!((fault.kind, server.requests()), (Kind::Unreachable, 2), "{fault}");
    }
    let locked = Act::Output(http("401 Unauthorized", &[], ""));
    assert!(fault(vec![locked]).await.message.contains("401"));
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn lists_of_tools_are_bounded() {
    let server = ScriptedUpstream::start().await;
    let endless = result(&json!({ "tools": [], "nextCursor": "again" }));
    server.will([no_discovery(), handshake("s"), accepted(), endless]);
    let fault = upstream(&[&server]).discover().await.unwrap_err();
    assert!(fault.message.contains("more than 200 pages"), "{fault}");
    assert_eq!(server.requests(), 203);

    let many: Vec<Json> = (0..10_001).map(|at| json!({ "name": format!("t{at}"), "inputSchema": {} })).collect();
    server.will([no_discovery(), handshake("s"), accepted(), tools(&many)]);
    let fault = upstream(&[&server]).discover().await.unwrap_err();
    assert!(fault.message.contains("too long"), "{fault}");

    for wrong in [json!({}), json!({ "tools": {} }), json!(7)] {
        server.will([no_discovery(), handshake("s"), accepted(), result(&wrong)]);
        assert_eq!(upstream(&[&server]).discover().await.unwrap_err().kind, Kind::Unreachable, "{wrong}");
    }
}

#[tokio::test]
async fn endless_events_are_cut_off() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_vec();
    for flood in ["data: {}\n\n", "data:\n", ": comment\n", "x", "\r", "data: {\"id\":1,\"result\":1}\n\n"] {
        let server = ScriptedUpstream::start().await;
        let behind = never_ending(&server, Act::Flood(head.clone(), flood.repeat(1000).into_bytes())).await;
        assert_eq!(spun(&behind).await, Err(code(Kind::Unreachable)), "{flood:?}");
        let calls = server.all().iter().filter(|request| body(request)["method"] == "tools/call").count();
        assert_eq!(calls, 1, "{flood:?}");
    }
}
