//! MCP: what each revision of the protocol gets, which requests are refused, and methods as tools.

use bytes::Bytes;
use croupier::Fault;
use croupier::app::App;
use croupier::model::name_patterns::NamePatterns;
use croupier::protocol::mcp::server::{McpOptions, ToolOptions};
use croupier::server::PeerAddress;
use croupier::server::gateway::Gateway;
use croupier::server::mount::GroupMount;
use croupier::service::local::{Local, named};
use http::{Request, StatusCode};
use http_body_util::Full;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::mcp::{self, send};

#[derive(Deserialize, JsonSchema)]
struct Guest {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Booking {
    seats: u8,
}

fn house() -> GroupMount {
    let service = Local::new("House", ())
        .about("A house with a guest book.")
        .method(named("greet").safe(), |(): &(), guest: Guest| format!("hello, {}", guest.name))
        .rows(named("guests").safe(), |_, (): ()| (0..100_000).map(|at| format!("guest {at}")))
        .method(named("seats").safe(), |(): &(), (): ()| std::collections::BTreeMap::from([("free", 3)]))
        .method(named("book"), |(): &(), booking: Booking| match booking.seats {
            seats if seats > 3 => Err(Fault::service(17, "not enough seats")),
            seats => Ok(seats),
        })
        .method(named("fail"), |(): &(), (): ()| -> u8 { panic!("on purpose") });
    GroupMount::new("/house", service.build().unwrap())
}

async fn gateway(options: McpOptions) -> Gateway {
    let mut group = house();
    group.protocols.mcp = options;
    App::new().mount_group(group).unwrap().start().await.gateway()
}

async fn post(gateway: &Gateway, headers: &[(&str, &str)], body: &str) -> (StatusCode, String) {
    mcp::post(gateway, "/house/mcp", headers, body).await
}

async fn result(gateway: &Gateway, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": "q-7", "method": method, "params": params }).to_string();
    let (status, text) = post(gateway, &[], &body).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["id"], "q-7");
    answer["result"].clone()
}

async fn call(gateway: &Gateway, tool: &str, arguments: Value) -> Value {
    result(gateway, "tools/call", json!({ "name": tool, "arguments": arguments })).await
}

fn names(list: &Value) -> Vec<&str> {
    mcp::names(&list["tools"])
}

#[tokio::test]
async fn a_client_with_a_handshake_gets_the_revision_that_it_asks_for() {
    let gateway = gateway(McpOptions::default()).await;
    for (asked, agreed) in
        [("2024-11-05", "2024-11-05"), ("2025-06-18", "2025-06-18"), ("2026-07-28", "2025-11-25"), ("1", "2025-11-25")]
    {
        let params =
            json!({ "protocolVersion": asked, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        let result = result(&gateway, "initialize", params).await;
        let info = json!({ "name": "croupier", "title": "House", "version": env!("CARGO_PKG_VERSION") });
        let expected = json!({
            "protocolVersion": agreed, "capabilities": { "tools": {}, "resources": {} }, "serverInfo": info,
            "instructions": "A house with a guest book.",
        });
        assert_eq!(result, expected);
    }
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(post(&gateway, &[], initialized).await, (StatusCode::ACCEPTED, String::new()));
    let response = r#"{"jsonrpc":"2.0","id":3,"result":{}}"#;
    assert_eq!(post(&gateway, &[], response).await, (StatusCode::ACCEPTED, String::new()));
    let ping = r#"{"jsonrpc":"2.0","id":18446744073709551617,"method":"ping"}"#;
    let pong = r#"{"jsonrpc":"2.0","id":18446744073709551617,"result":{}}"#;
    assert_eq!(
        post(&gateway, &[("mcp-protocol-version", "2025-06-18")], ping).await,
        (StatusCode::OK, pong.to_owned())
    );
    let batch = format!("[{initialized},{ping},{ping}]");
    assert_eq!(post(&gateway, &[], &batch).await, (StatusCode::OK, format!("[{pong},{pong}]")));
    assert_eq!(post(&gateway, &[], &format!("[{initialized}]")).await, (StatusCode::ACCEPTED, String::new()));
    let (status, text) = post(&gateway, &[("mcp-protocol-version", "2025-06-18")], &batch).await;
    assert!(status == StatusCode::BAD_REQUEST && text.contains("no batches"), "{text}");
}

#[tokio::test]
async fn a_client_without_a_handshake_says_its_revision_each_time() {
    let gateway = gateway(McpOptions::default()).await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
    });
    let ask = async |method: &str, name: Option<&str>| {
        let mut params = json!({ "_meta": meta });
        let mut headers = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        if let Some(name) = name {
            params["name"] = name.into();
            headers.push(("mcp-name", name));
        }
        let body = json!({ "jsonrpc": "2.0", "id": 9, "method": method, "params": params }).to_string();
        let (status, text) = post(&gateway, &headers, &body).await;
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };
    let (status, found) = ask("server/discover", None).await;
    let result = &found["result"];
    assert_eq!((status, &result["supportedVersions"]), (StatusCode::OK, &json!(["2026-07-28"])));
    assert_eq!((&result["resultType"], &result["cacheScope"]), (&json!("complete"), &json!("private")));
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["title"], "House");
    let (_, list) = ask("tools/list", None).await;
    assert_eq!((&list["result"]["ttlMs"], &list["result"]["resultType"]), (&json!(60_000), &json!("complete")));
    let (_, seats) = ask("tools/call", Some("seats")).await;
    assert_eq!(seats["result"]["structuredContent"], json!({ "free": 3 }));
    for (method, name, status, code) in [
        ("ping", None, StatusCode::NOT_FOUND, -32601),
        ("initialize", None, StatusCode::NOT_FOUND, -32601),
        ("prompts/list", None, StatusCode::NOT_FOUND, -32601),
        ("tools/call", Some("nothing"), StatusCode::OK, -32602),
        ("tools/call", Some("fail"), StatusCode::INTERNAL_SERVER_ERROR, -32603),
    ] {
        let (found, answer) = ask(method, name).await;
        assert_eq!((found, &answer["error"]["code"]), (status, &json!(code)), "{method}: {answer}");
    }
    let body = json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/list", "params": { "_meta": meta } }).to_string();
    let (status, text) = post(&gateway, &[("mcp-protocol-version", "2026-07-28")], &body).await;
    assert!(status == StatusCode::BAD_REQUEST && text.contains("-32020"), "{text}");
}

#[tokio::test]
async fn methods_are_tools() {
    let gateway = gateway(McpOptions::default()).await;
    let list = result(&gateway, "tools/list", json!({})).await;
    assert_eq!(names(&list), ["book", "fail", "greet", "guests", "seats"]);
    let greet = &list["tools"][2];
    assert_eq!(greet["inputSchema"]["properties"]["name"]["type"], "string");
    assert_eq!(greet["inputSchema"]["required"], json!(["name"]));
    assert_eq!(greet["outputSchema"]["required"], json!(["result"]));
    assert_eq!(
        (&greet["annotations"]["readOnlyHint"], &greet["annotations"]["openWorldHint"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(list["tools"][0]["annotations"]["destructiveHint"], true);
    assert!(!greet["description"].as_str().unwrap().is_empty());

    let greeted = call(&gateway, "greet", json!({ "name": "Ann \"A\"" })).await;
    assert_eq!(greeted["content"], json!([{ "type": "text", "text": "hello, Ann \"A\"" }]));
    assert_eq!(
        (&greeted["structuredContent"], &greeted["isError"]),
        (&json!({ "result": "hello, Ann \"A\"" }), &json!(false))
    );
    let seats = call(&gateway, "seats", json!({})).await;
    assert_eq!(seats["content"][0]["text"], r#"{"free":3}"#);
    assert_eq!(seats["structuredContent"], json!({ "free": 3 }));
}

#[tokio::test]
async fn faults_are_results_that_a_model_can_read() {
    let gateway = gateway(McpOptions::default()).await;
    for (tool, arguments, expected, kind) in [
        ("book", json!({ "seats": 9 }), "not enough seats\ncode: 17", "service"),
        ("book", json!({ "seats": "many" }), "\n`seats`: expected integer from 0 to 255, got \"many\"", "bad-params"),
        ("book", json!({}), "\n`seats`: missing, expected integer from 0 to 255", "bad-params"),
        ("greet", json!({ "nam": "Ann" }), "did you mean `name`?", "bad-params"),
    ] {
        let failed = call(&gateway, tool, arguments.clone()).await;
        let text = failed["content"][0]["text"].as_str().unwrap();
        assert!(failed["isError"] == true && text.contains(expected), "{tool} {arguments}: {failed}");
        assert_eq!(failed["_meta"]["croupier/kind"], kind);
        assert!(failed.get("structuredContent").is_none());
    }
    for (params, expected) in [
        (r#"{"name":"nothing"}"#, "Unknown tool: nothing"),
        (r#"{"name":"_private"}"#, "Unknown tool"),
        (r#"{"name":"system.listMethods"}"#, "Unknown tool"),
        (r#"{"name":"greet","arguments":["Ann"]}"#, "not an object"),
        (r#"{"arguments":{}}"#, "not the name of a tool"),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{params}}}"#);
        let (status, text) = post(&gateway, &[], &body).await;
        assert!(status == StatusCode::OK && text.contains("-32602") && text.contains(expected), "{text}");
    }
    let (status, text) =
        post(&gateway, &[], r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"fail"}}"#).await;
    assert!(status == StatusCode::OK && text.contains("-32603"), "{text}");
}

#[tokio::test]
async fn long_results_are_cut_between_rows_and_say_so() {
    let gateway = gateway(McpOptions { max_result: 10_000, ..McpOptions::default() }).await;
    let cut = call(&gateway, "guests", json!({})).await;
    let guests = cut["structuredContent"]["result"].as_array().unwrap();
    assert!((500..2000).contains(&guests.len()) && guests[7] == "guest 7", "{}", guests.len());
    assert_eq!(
        serde_json::from_str::<Value>(cut["content"][0]["text"].as_str().unwrap()).unwrap(),
        cut["structuredContent"]["result"]
    );
    assert!(cut["content"][1]["text"].as_str().unwrap().starts_with("The result goes on"), "{}", cut["content"][1]);
    assert_eq!(cut["_meta"]["croupier/truncated"], true);
    let refused = call(&gateway, "greet", json!({ "name": "a".repeat(20_000) })).await;
    let text = refused["content"][0]["text"].as_str().unwrap();
    assert!(refused["isError"] == true && text.contains("20009 bytes") && text.contains("`name`"), "{text}");
}

#[tokio::test]
async fn the_operator_chooses_and_shapes_tools() {
    let patterns = |names: &[&str]| NamePatterns(names.iter().map(|name| (*name).to_owned()).collect());
    let shaped = ToolOptions {
        name: Some("welcome_ann".to_owned()),
        title: Some("Welcome Ann".to_owned()),
        description: Some("Greets Ann.".to_owned()),
        args: json!({ "name": "Ann" }).as_object().unwrap().clone(),
    };
    let options = McpOptions {
        include: patterns(&["*e*"]),
        exclude: patterns(&["guests"]),
        tools: [("greet".to_owned(), shaped)].into(),
        ..McpOptions::default()
    };
    let gateway = gateway(options).await;
    let list = result(&gateway, "tools/list", json!({})).await;
    assert_eq!(names(&list), ["seats", "welcome_ann"]);
    let tool = &list["tools"][1];
    assert_eq!((&tool["title"], &tool["description"]), (&json!("Welcome Ann"), &json!("Greets Ann.")));
    assert_eq!(tool["inputSchema"]["properties"], json!({}));
    assert_eq!(call(&gateway, "welcome_ann", json!({})).await["content"][0]["text"], "hello, Ann");
    let body =
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"welcome_ann","arguments":{"name":"Bob"}}}"#;
    assert!(post(&gateway, &[], body).await.1.contains("no parameter `name`"));
    for hidden in ["greet", "guests", "book"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{{"name":"{hidden}"}}}}"#);
        assert!(post(&gateway, &[], &body).await.1.contains("Unknown tool"), "{hidden}");
    }
}

#[tokio::test]
async fn a_name_that_the_operator_gives_hides_no_other_tool() {
    let named_greet = ToolOptions { name: Some("greet".to_owned()), ..ToolOptions::default() };
    let options = McpOptions { tools: [("seats".to_owned(), named_greet)].into(), ..McpOptions::default() };
    let gateway = gateway(options).await;
    let list = result(&gateway, "tools/list", json!({})).await;
    let names = names(&list);
    assert_eq!((names.len(), names[2], &names[3][..6]), (5, "greet", "greet_"), "{names:?}");
    assert_eq!(call(&gateway, "greet", json!({})).await["structuredContent"], json!({ "free": 3 }));
    let greeted = call(&gateway, names[3], json!({ "name": "Ann" })).await;
    assert_eq!(greeted["content"][0]["text"], "hello, Ann");
}

#[tokio::test]
async fn strangers_on_other_machines_call_no_tools_that_change_something() {
    for (anonymous_effects, peer, may) in
        [(false, "127.0.0.1:7", true), (false, "10.1.2.3:7", false), (true, "10.1.2.3:7", true)]
    {
        let listed = NamePatterns(vec!["*".to_owned()]);
        let options = McpOptions { anonymous_effects, find_tools: true, listed, ..McpOptions::default() };
        let gateway = gateway(options).await;
        let ask = async |method: &str, params: Value| {
            let body = json!({ "jsonrpc": "2.0", "id": 2, "method": method, "params": params }).to_string();
            let request =
                Request::post("/house/mcp").header("host", "localhost").header("content-type", "application/json");
            let request = request.extension(PeerAddress(peer.parse().unwrap()));
            send(&gateway, request.body(Full::new(Bytes::from(body))).unwrap()).await.1
        };
        let booked = ask("tools/call", json!({ "name": "book", "arguments": { "seats": 2 } })).await;
        assert_eq!(booked.contains(r#""structuredContent":{"result":2}"#), may, "{booked}");
        assert_eq!(booked.contains(r#""croupier/kind":"forbidden""#), !may, "{booked}");
        assert_eq!(ask("tools/list", json!({})).await.contains(r#""name":"book""#), may);
        let query = json!({ "name": "find_tools", "arguments": { "query": "book seats" } });
        let found = ask("tools/call", query).await;
        assert_eq!((found.contains(r#""name":"book""#), found.contains(r#""name":"seats""#)), (may, true), "{found}");
        let arguments = json!({ "name": "book", "arguments": { "seats": 2 } });
        assert_eq!(ask("tools/call", json!({ "name": "call_tool", "arguments": arguments })).await, booked);
        assert!(ask("tools/call", json!({ "name": "seats" })).await.contains(r#"{"free":3}"#));
    }
}

#[tokio::test]
async fn other_requests_are_refused_in_the_form_of_the_protocol() {
    let gateway = gateway(McpOptions::default()).await;
    let list = r#"{"jsonrpc":"2.0","id":4,"method":"tools/list"}"#;
    for (headers, body, status, code) in [
        (&[("content-type", "text/plain")][..], list, 415, "-32600"),
        (&[("accept", "text/html")], list, 406, "-32600"),
        (&[("accept", "application/json, text/event-stream")], list, 200, "tools"),
        (&[("accept", "text/event-stream")], list, 200, "tools"),
        (&[("origin", "https://evil.example")], list, 403, "-32600"),
        (&[("origin", "http://localhost")], list, 200, "tools"),
        (&[("mcp-protocol-version", "2025-01-01")], list, 400, "-32022"),
        (&[("mcp-session-id", "7")], list, 200, "tools"),
        (&[], r#"{"jsonrpc":"2.0","id":4,"method":"tools\/list"}"#, 200, "tools"),
        (&[], "{", 400, "-32700"),
        (&[], "7", 400, "-32600"),
        (&[], r#"{"jsonrpc":"2.0","id":4,"method":"tools/list","params":{"cursor":"?"}}"#, 200, "-32602"),
        (&[], r#"{"jsonrpc":"2.0","id":4,"method":"logging/setLevel"}"#, 200, "-32601"),
    ] {
        let (found, text) = post(&gateway, headers, body).await;
        assert!(found.as_u16() == status && text.contains(code), "{headers:?} {body}: {found} {text}");
    }
    for verb in ["GET", "DELETE", "PUT"] {
        let request = Request::builder().method(verb).uri("/house/mcp").header("host", "localhost");
        let response = gateway.clone().oneshot(request.body(Full::new(Bytes::new())).unwrap()).await.unwrap();
        assert_eq!(
            (response.status(), &response.headers()["allow"].to_str().unwrap()),
            (StatusCode::METHOD_NOT_ALLOWED, &"POST")
        );
    }
}
