//! MCP: the tools of several groups at one address.

use std::sync::Arc;

use bytes::Bytes;
use croupier::config::{Config, Registry};
use croupier::protocol::Protocol;
use croupier::server::auth::{Attempt, AuthRequest, Authenticator, GroupAuth, Verdict};
use croupier::server::gateway::Gateway;
use croupier::server::mount::{GroupMount, McpMember, McpMount, Mounts};
use croupier::server::request_body::BodyReader;
use croupier::server::runtime::Runtime;
use croupier::server::settings::ServerSettings;
use croupier::service::Identity;
use croupier::service::access::{AccessRule, AccessRules};
use croupier::service::local::{Local, named};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::mcp::{self, ask, message, post};

const WHEELS: &str = "
[group.'/wheel/european']
service = 'wheel'
options = { family = 'european', seed = 4 }
mcp.exclude = ['pockets']
mcp.tools = { spinList = { name = 'three', args = { spins = 3 } } }
limits.rate.calls = '2/day'
limits.rate.burst = 2
[group.'/wheel/mini']
service = 'wheel'
options = { family = 'mini', seed = 4 }
mcp.max-result = '1 KiB'
[group.'/hidden']
service = 'wheel'
options = { family = 'mini', seed = 4 }
";

fn config(text: &str) -> Config {
    Config::parse("test.toml", text, &Registry::standard()).unwrap_or_else(|errors| panic!("{errors}"))
}

async fn runtime(text: &str) -> Runtime {
    let config = config(text);
    Runtime::start(config.mounts(), BodyReader::new(&config.settings)).await.unwrap()
}

async fn call(gateway: &Gateway, path: &str, tool: &str, arguments: Value) -> Value {
    ask(gateway, path, "tools/call", &json!({ "name": tool, "arguments": arguments })).await
}

async fn names(gateway: &Gateway, path: &str) -> Vec<String> {
    let answer = ask(gateway, path, "tools/list", &json!({})).await;
    mcp::names(&answer["result"]["tools"]).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn each_tool_has_the_name_of_its_group_and_its_options() {
    let text = format!("[mcp]\ngroups = ['/wheel/mini', '/wheel/european']\n{WHEELS}");
    let gateway = runtime(&text).await.gateway();
    let expected = [
        "wheel_european_spin",
        "wheel_european_spinCounts",
        "wheel_european_three",
        "wheel_mini_pockets",
        "wheel_mini_spin",
        "wheel_mini_spinCounts",
        "wheel_mini_spinList",
    ];
    assert_eq!(names(&gateway, "/mcp").await, expected);
    let begun = ask(&gateway, "/mcp", "initialize", &json!({ "protocolVersion": "2025-06-18" })).await;
    let instructions = begun["result"]["instructions"].as_str().unwrap();
    assert!(instructions.contains("`wheel_european_…`: European wheel."), "{instructions}");
    let three = call(&gateway, "/mcp", "wheel_european_three", json!({})).await;
    assert_eq!(three["result"]["structuredContent"]["result"].as_array().unwrap().len(), 3, "{three}");
    let long = call(&gateway, "/mcp", "wheel_mini_spinList", json!({ "spins": 1000 })).await;
    assert_eq!(long["result"]["_meta"]["croupier/truncated"], true, "{long}");
    for missing in ["wheel_european_pockets", "hidden_spin", "spin", "/wheel/mini spin", "wheel_european_spinList"] {
        let answer = call(&gateway, "/mcp", missing, json!({})).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
    let listed = ask(&gateway, "/mcp", "resources/list", &json!({})).await;
    for uri in ["croupier:///wheel/mini/doc", "croupier:///wheel/european/openapi.json", "croupier:///wheel/mini/wsdl"]
    {
        assert!(listed.to_string().contains(&format!("\"{uri}\"")), "{uri}: {listed}");
        let read = ask(&gateway, "/mcp", "resources/read", &json!({ "uri": uri })).await;
        assert!(!read["result"]["contents"][0]["text"].as_str().unwrap().is_empty(), "{read}");
    }
    assert!(!listed.to_string().contains("hidden"), "{listed}");
    let named = format!("[mcp]\npath = '/a/b'\ngroups = {{ '/wheel/mini' = 'm-1' }}\n{WHEELS}");
    let gateway = runtime(&named).await.gateway();
    assert_eq!(names(&gateway, "/a/b").await, ["m-1_pockets", "m-1_spin", "m-1_spinCounts", "m-1_spinList"]);
    for path in ["/mcp", "/a/b/mcp", "/a/b/x"] {
        assert_eq!(
            post(&gateway, path, &[], &message("tools/list", &json!({}))).await.0,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let get = Request::get("/a/b").header("host", "localhost").body(Full::new(Bytes::new())).unwrap();
    assert_eq!(gateway.clone().oneshot(get).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_call_counts_for_its_group_and_for_no_other() {
    let text = format!("[mcp]\ngroups = ['/wheel/mini', '/wheel/european']\n{WHEELS}");
    let gateway = runtime(&text).await.gateway();
    let kind = |answer: &Value| answer["result"]["_meta"]["croupier/kind"].as_str().map(str::to_owned);
    let own = call(&gateway, "/wheel/european/mcp", "spin", json!({})).await;
    let joined = call(&gateway, "/mcp", "wheel_european_spin", json!({})).await;
    assert_eq!((kind(&own), kind(&joined)), (None, None));
    let third = call(&gateway, "/mcp", "wheel_european_spin", json!({})).await;
    let fourth = call(&gateway, "/wheel/european/mcp", "spin", json!({})).await;
    assert_eq!([kind(&third), kind(&fourth)], [Some("rate-limited".to_owned()), Some("rate-limited".to_owned())]);
    for _ in 0..4 {
        assert_eq!(kind(&call(&gateway, "/mcp", "wheel_mini_spin", json!({})).await), None);
    }
}

#[tokio::test]
async fn a_reload_changes_the_groups_and_takes_the_address_away() {
    let with = |groups: &str| format!("[mcp]\ngroups = {groups}\n{WHEELS}");
    let mut runtime = runtime(&with("['/wheel/mini']")).await;
    let gateway = runtime.gateway();
    assert_eq!(names(&gateway, "/mcp").await.len(), 4);
    for (text, expected) in [(with("['/wheel/mini', '/hidden']"), Some(8)), (WHEELS.to_owned(), None)] {
        let config = Config::parse_keeping("test.toml", &text, &Registry::standard(), runtime.mounts()).unwrap();
        runtime.reload(config.mounts()).await.unwrap();
        match expected {
            Some(count) => assert_eq!(names(&gateway, "/mcp").await.len(), count),
            None => {
                let (status, _) = post(&gateway, "/mcp", &[], &message("tools/list", &json!({}))).await;
                assert_eq!(status, StatusCode::NOT_FOUND);
            }
        }
    }
}

#[tokio::test]
async fn an_upstream_that_is_described_later_is_among_the_tools() {
    let folder = format!("{}/tests/fixtures/soap-services", env!("CARGO_MANIFEST_DIR"));
    let upstream = format!(
        "[group.'/rates'.upstream]\nurls = ['http://127.0.0.1:9/']\nprotocol = 'soap'\n\
         description = 'file:{folder}/currency-rates/service.wsdl'\n"
    );
    let text = format!("[mcp]\ngroups = ['/rates', '/wheel/mini']\n{upstream}{WHEELS}");
    let gateway = runtime(&text).await.gateway();
    let found = names(&gateway, "/mcp").await;
    assert!(found.contains(&"rates_GetRates".to_owned()) && found.contains(&"wheel_mini_spin".to_owned()), "{found:?}");
    let answer = ask(&gateway, "/mcp", "tools/list", &json!({})).await;
    let tool = |name: &str| {
        answer["result"]["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap().clone()
    };
    // croupier knows the types of results only of services in its own process.
    assert!(
        tool("rates_GetRates").get("outputSchema").is_none() && tool("wheel_mini_spin")["outputSchema"].is_object()
    );
    assert_eq!(tool("rates_GetRates")["annotations"]["openWorldHint"], true);
    assert_eq!(tool("wheel_mini_spin")["annotations"]["openWorldHint"], false);
}

#[tokio::test]
async fn the_directory_says_how_clients_connect() {
    let page = async |text: &str| {
        let gateway = runtime(text).await.gateway();
        let request = Request::get("/").header("host", "casino.example").header("accept", "text/html");
        let response = gateway.clone().oneshot(request.body(Full::new(Bytes::new())).unwrap()).await.unwrap();
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    };
    let command = "claude mcp add --transport http croupier http:&#x2f;&#x2f;casino.example&#x2f;all";
    let shown = page(&format!("[mcp]\npath = '/all'\ngroups = ['/hidden']\n{WHEELS}")).await;
    assert!(shown.contains(command), "{shown}");
    assert!(!page(WHEELS).await.contains("claude mcp add"));
}

/// Believes a header.
struct ByHeader;

impl Authenticator for ByHeader {
    fn name(&self) -> &str {
        "by-header"
    }

    fn authenticate(&self, request: &AuthRequest<'_>) -> Attempt {
        Attempt::now(match request.head.headers.get("x-user") {
            Some(name) => Verdict::Known(Arc::new(Identity::new(name.to_str().unwrap()))),
            None => Verdict::Absent,
        })
    }
}

/// The groups `/open` and `/closed`, and their tools at `/mcp`. The closed one relies on its authentication alone, or on rules.
async fn guarded(mcp_auth: bool, rules: bool) -> Gateway {
    let service = |name: &'static str| {
        Local::new("House", ()).method(named("name").safe(), move |(): &(), (): ()| name).build().unwrap()
    };
    let auth = || Some(Arc::new(GroupAuth::new(vec![Arc::new(ByHeader)], true)));
    let mut closed = GroupMount::new("/closed", service("closed"));
    if rules {
        let ada = AccessRule { names: vec!["ada".to_owned()], ..AccessRule::default() };
        closed = closed.layer(AccessRules::new(vec![ada]));
    }
    closed.auth = auth();
    let mut silent = GroupMount::new("/silent", service("silent"));
    silent.protocols.names.retain(|name| *name != Protocol::Mcp);
    let member = |path: &str| McpMember { group: path.to_owned(), prefix: path[1..].to_owned() };
    let mcp = McpMount {
        path: "/mcp".to_owned(),
        groups: ["/open", "/closed", "/silent", "/missing"].map(member).to_vec(),
        auth: auth().filter(|_| mcp_auth),
        search: None,
    };
    let groups = vec![GroupMount::new("/open", service("open")), closed, silent];
    let mounts = Mounts { groups, mcp: Some(mcp), ..Mounts::default() };
    Gateway::serving(&mounts, BodyReader::new(&ServerSettings::default())).unwrap()
}

#[tokio::test]
async fn a_group_that_needs_to_know_who_calls_is_not_reached_without_that() {
    for rules in [false, true] {
        let gateway = guarded(false, rules).await;
        assert_eq!(names(&gateway, "/mcp").await, ["open_name"]);
        for headers in [[].as_slice(), &[("x-user", "ada")]] {
            let params = json!({ "name": "closed_name" });
            let (_, text) = post(&gateway, "/mcp", headers, &message("tools/call", &params)).await;
            assert!(text.contains("Unknown tool"), "{text}");
        }
        let gateway = guarded(true, rules).await;
        for (user, tool, status, expected) in [
            (None, "open_name", 401, "needs credentials"),
            (None, "closed_name", 401, "needs credentials"),
            (Some("ada"), "closed_name", 200, r#""text":"closed""#),
            (Some("ada"), "silent_name", 200, "Unknown tool"),
            (Some("bob"), "open_name", 200, r#""text":"open""#),
            (
                Some("bob"),
                "closed_name",
                if rules { 403 } else { 200 },
                if rules { "you may not call" } else { "closed" },
            ),
        ] {
            let headers: Vec<_> = user.map(|user| ("x-user", user)).into_iter().collect();
            let (got, text) = post(&gateway, "/mcp", &headers, &message("tools/call", &json!({ "name": tool }))).await;
            assert!(got.as_u16() == status && text.contains(expected), "{user:?} {tool}: {got} {text}");
        }
    }
}

#[tokio::test]
async fn a_message_may_be_as_long_as_all_groups_allow() {
    let text = format!(
        "[mcp]\ngroups = ['/wheel/mini', '/short']\n{WHEELS}[group.'/short']\nservice = 'wheel'\noptions = {{ family = 'mini' }}\nlimits.body = '1 KiB'\n"
    );
    let gateway = runtime(&text).await.gateway();
    let long = json!({ "name": "wheel_mini_spin", "x": "x".repeat(2000) });
    let own = json!({ "name": "spin", "x": "x".repeat(2000) });
    let (joined, _) = post(&gateway, "/mcp", &[], &message("tools/call", &long)).await;
    let (alone, _) = post(&gateway, "/wheel/mini/mcp", &[], &message("tools/call", &own)).await;
    assert_eq!((joined, alone), (StatusCode::PAYLOAD_TOO_LARGE, StatusCode::OK));
}
