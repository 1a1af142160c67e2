//! MCP: tools that are found by words.

use std::fmt::Write as _;

use croupier::config::{Config, Registry};
use croupier::server::gateway::Gateway;
use croupier::server::request_body::BodyReader;
use croupier::server::runtime::Runtime;
use serde_json::{Value, json};

use crate::support::mcp::{ask, names};

async fn gateway(text: &str) -> Gateway {
    let config = Config::parse("test.toml", text, &Registry::standard()).unwrap_or_else(|errors| panic!("{errors}"));
    Runtime::start(config.mounts(), BodyReader::new(&config.settings)).await.unwrap().gateway()
}

async fn find(gateway: &Gateway, path: &str, query: &str) -> Value {
    let params = json!({ "name": "find_tools", "arguments": { "query": query } });
    ask(gateway, path, "tools/call", &params).await["result"]["structuredContent"]["tools"].clone()
}

const WHEEL: &str = "
[group.'/wheel']
service = 'wheel'
options = { family = 'mini', seed = 4 }
[group.'/wheel'.mcp]
find-tools = true
listed = ['pock*']
tools.spinCounts = { name = 'statistics', title = 'Count results', args = { spins = 20 } }
";

#[tokio::test]
async fn the_list_has_the_two_tools_and_those_that_are_to_be_listed() {
    let gateway = gateway(WHEEL).await;
    let list = ask(&gateway, "/wheel/mcp", "tools/list", &json!({})).await;
    assert_eq!(names(&list["result"]["tools"]), ["call_tool", "find_tools", "pockets"]);
    let [call, find_tool] = [0, 1].map(|at| list["result"]["tools"][at]["annotations"].clone());
    assert_eq!((&call["readOnlyHint"], &call["destructiveHint"]), (&json!(false), &json!(true)));
    assert_eq!(find_tool["readOnlyHint"], true);
    let found = find(&gateway, "/wheel/mcp", "statistics of the results").await;
    assert_eq!(names(&found)[0], "statistics");
    let members: Vec<&String> = found[0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["name", "description", "inputSchema"]);
    assert!(found[0]["inputSchema"]["properties"].as_object().unwrap().is_empty(), "{found}");
    let params = json!({ "name": "find_tools", "arguments": { "query": "spin", "limit": 1 } });
    let one = ask(&gateway, "/wheel/mcp", "tools/call", &params).await;
    assert_eq!(one["result"]["structuredContent"]["tools"].as_array().unwrap().len(), 1);
    let text: Value = serde_json::from_str(one["result"]["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, one["result"]["structuredContent"]);
    assert_eq!(find(&gateway, "/wheel/mcp", "elephants").await, json!([]));
    for arguments in [json!({}), json!({ "query": 4 }), json!({ "query": "spin", "limit": 1000 })] {
        let params = json!({ "name": "find_tools", "arguments": arguments });
        let answer = ask(&gateway, "/wheel/mcp", "tools/call", &params).await;
        assert_eq!(answer["result"]["_meta"]["croupier/kind"], "bad-params", "{answer}");
    }
}

#[tokio::test]
async fn a_call_by_call_tool_ends_like_a_call_of_the_tool() {
    let gateway = gateway(WHEEL).await;
    for params in [
        json!({ "name": "pockets" }),
        json!({ "name": "pockets", "arguments": null }),
        json!({ "name": "spinList", "arguments": { "spins": -3 } }),
        json!({ "name": "spinList", "arguments": [3] }),
        json!({ "name": "statistics", "arguments": { "spins": 3 } }),
        json!({ "name": "missing", "arguments": {} }),
    ] {
        let called =
            ask(&gateway, "/wheel/mcp", "tools/call", &json!({ "name": "call_tool", "arguments": params })).await;
        let itself = ask(&gateway, "/wheel/mcp", "tools/call", &params).await;
        assert_eq!(called, itself, "{params}");
    }
    // `call_tool` calls neither `find_tools` nor itself.
    for params in [
        json!({ "name": "find_tools", "arguments": {} }),
        json!({ "name": "call_tool", "arguments": { "name": "pockets" } }),
    ] {
        let called =
            ask(&gateway, "/wheel/mcp", "tools/call", &json!({ "name": "call_tool", "arguments": params })).await;
        assert_eq!(called["error"]["code"], -32602, "{called}");
    }
    let three = json!({ "name": "call_tool", "arguments": { "name": "spinList", "arguments": { "spins": 3 } } });
    let three = ask(&gateway, "/wheel/mcp", "tools/call", &three).await;
    assert_eq!(three["result"]["structuredContent"]["result"].as_array().unwrap().len(), 3, "{three}");
    for wrong in [json!({}), json!({ "name": 4 }), json!({ "name": "pockets", "argument": {} })] {
        let answer =
            ask(&gateway, "/wheel/mcp", "tools/call", &json!({ "name": "call_tool", "arguments": wrong })).await;
        assert_eq!((&answer["result"]["isError"], &answer["error"]), (&json!(true), &Value::Null), "{answer}");
    }
    // Where they are not switched on, there are no such tools.
    let plain = self::gateway("[group.'/wheel']\nservice = 'wheel'\noptions = { family = 'mini' }\n").await;
    for tool in ["find_tools", "call_tool"] {
        let answer = ask(&plain, "/wheel/mcp", "tools/call", &json!({ "name": tool, "arguments": {} })).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}

#[tokio::test]
async fn a_caller_finds_only_what_the_list_would_show() {
    let text = "
[mcp]
groups = ['/shown', '/secret']
find-tools = true
[group.'/shown']
service = 'wheel'
options = { family = 'mini' }
[group.'/secret']
service = 'wheel'
options = { family = 'mini' }
auth = ['local']
visible-methods = 'callable'
access = [{ methods = ['pockets'] }, { authenticated = true }]
[auth.local.unix]
users = { 1000 = 'ada' }
";
    let gateway = gateway(text).await;
    let query = json!({ "name": "find_tools", "arguments": { "query": "spin the wheel, pockets", "limit": 20 } });
    let answer = ask(&gateway, "/mcp", "tools/call", &query).await;
    let mut found = names(&answer["result"]["structuredContent"]["tools"]);
    found.sort_unstable();
    assert_eq!(found, ["secret_pockets", "shown_pockets", "shown_spin", "shown_spinCounts", "shown_spinList"]);
    // The access rules refuse a call of a tool that is not found, by either way.
    for tool in ["call_tool", "secret_spin"] {
        let params = json!({ "name": tool, "arguments": { "name": "secret_spin" } });
        let called = ask(&gateway, "/mcp", "tools/call", &params).await;
        assert_eq!(called["result"]["_meta"]["croupier/kind"], "unauthenticated", "{called}");
    }
}

/// Questions in plain English, and the tool that each is about, among those of ten web services, two wheels and the diagnostics.
const QUESTIONS: [(&str, &str); 24] = [
    ("check if a VAT number is valid", "vat-numbers_checkVat"),
    ("approximate check of a VAT number", "vat-numbers_checkVatApprox"),
    ("what are the current exchange rates?", "currency-rates_GetRates"),
    ("put new currency rates", "currency-rates_PutRates"),
    ("rates as XML", "currency-rates_GetRatesXml"),
    ("merge two duplicate records in the CRM", "crm-records_merge"),
    ("create a record in the crm", "crm-records_create"),
    ("fetch more results of a query", "crm-records_queryMore"),
    ("run a query for crm records", "crm-records_query"),
    ("who are our workers?", "staff_Get_Workers"),
    ("list the staff", "staff_Get_Workers"),
    ("which profiles do the cameras have", "cameras_GetProfiles"),
    ("change the encoder of the video", "cameras_SetVideoEncoder"),
    ("set the source of the camera video", "cameras_SetVideoSource"),
    ("show the attachments of a list item", "list-server_GetAttachments"),
    ("update items of a list", "list-server_UpdateListItems"),
    ("find an item in my mailbox", "mailbox_FindItem"),
    ("create an item in the mailbox", "mailbox_CreateItem"),
    ("pay a bill", "payments_Pay"),
    ("retrieve the properties of a virtual machine", "virtual-machines_RetrieveProperties"),
    ("update options of virtual machines", "virtual-machines_UpdateOptions"),
    ("search the erp", "erp_search"),
    ("order of the pockets around the mini wheel", "mini_pockets"),
    ("count the entities in a text", "diagnostics_validator1_countTheEntities"),
];

#[tokio::test]
async fn questions_find_the_tool_that_is_meant() {
    let mut groups = String::new();
    let mut text = String::from(
        "[mcp]\nfind-tools = true\ngroups = { '/wheel/mini' = 'mini', '/wheel/american' = 'american', '/diagnostics' = 'diagnostics'",
    );
    let folder = format!("{}/tests/fixtures/soap-services", env!("CARGO_MANIFEST_DIR"));
    let mut services: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    services.sort();
    assert!(services.len() >= 10);
    for name in &services {
        write!(text, ", '/{name}' = '{name}'").unwrap();
        write!(
            groups,
            "[group.'/{name}'.upstream]\nurls = ['http://127.0.0.1:9/']\nprotocol = 'soap'\n\
             description = 'file:{folder}/{name}/service.wsdl'\n"
        )
        .unwrap();
    }
    for family in ["mini", "american"] {
        write!(groups, "[group.'/wheel/{family}']\nservice = 'wheel'\noptions = {{ family = '{family}' }}\n").unwrap();
    }
    let gateway = gateway(&format!("{text} }}\n{groups}[group.'/diagnostics']\nservice = 'diagnostics'\n")).await;
    let mut missed = Vec::new();
    for (question, expected) in QUESTIONS {
        let found = find(&gateway, "/mcp", question).await;
        let found = names(&found);
        if found.first() != Some(&expected) {
            missed.push(format!("{question}: {expected} is not the first of {found:?}"));
        }
        assert_eq!(names(&find(&gateway, "/mcp", question).await), found, "the same question has the same result");
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn a_long_list_of_tools_is_advised_against() {
    let methods: String = (0..41)
        .map(|at| format!("m{at} = {{ calls = {{ one = {{ group = '/wheel', method = 'spin' }} }} }}\n"))
        .collect();
    let wheel = "[group.'/wheel']\nservice = 'wheel'\noptions = { family = 'mini' }\n";
    let remarks = |more: &str| {
        let text = format!("{wheel}[group.'/many']\n{more}[group.'/many'.aggregate.methods]\n{methods}");
        let config =
            Config::parse("test.toml", &text, &Registry::standard()).unwrap_or_else(|errors| panic!("{errors}"));
        config.remarks.render(false)
    };
    let shown = remarks("");
    assert!(shown.contains("clients of MCP are shown 41 tools of `/many`"), "{shown}");
    for more in ["mcp.find-tools = true\n", "mcp.exclude = ['m1']\n", "protocols = ['rest']\n"] {
        assert_eq!(remarks(more), "", "{more}");
    }
}
