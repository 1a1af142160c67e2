//! Prompts of MCP: texts of the configuration with arguments.

use std::path::PathBuf;

use croupier::config::{Config, Registry};
use croupier::server::gateway::Gateway;
use croupier::server::request_body::BodyReader;
use croupier::server::settings::ServerSettings;
use http::StatusCode;
use serde_json::json;

use crate::support::mcp::{Endpoint, Era};
use crate::support::peers::Folder;

const CONFIG: &str = r#"
[auth.staff.api-key]
keys = { text = "" }
[group."/wheel"]
service = "wheel"
options = { family = "american" }
[group."/wheel".mcp.prompts.evening]
title = "An evening"
description = "Spins, and tells a story."
file = "evening.md"
args.times = { description = "How often.", required = true }
args.colour = {}
[group."/wheel".mcp.prompts.again]
text = "Spin the wheel again."
[group."/none"]
service = "wheel"
options = { family = "american" }
[group."/closed"]
service = "wheel"
options = { family = "american" }
auth = ["staff"]
mcp.prompts.secret.text = "A secret."
"#;

fn gateway(config: &Config) -> Gateway {
    Gateway::serving(&config.mounts(), BodyReader::new(&ServerSettings::default())).unwrap()
}

#[tokio::test]
async fn a_client_lists_prompts_and_gets_them_with_its_arguments() {
    let folder = Folder::new();
    let text = "# An evening\n\nSpin {{times}} times; bet on {{colour}}. {{times}}!\n";
    let prompt = PathBuf::from(folder.file("evening.md", text));
    let file = PathBuf::from(folder.file("croupier.toml", CONFIG));
    let config = Config::load(&file, &Registry::standard()).unwrap();
    assert!(config.files.files.contains(&prompt), "{:?}", config.files);
    let gateway = gateway(&config);
    let endpoint = Endpoint::new(&gateway, "/wheel/mcp");
    let (_, begun) = endpoint.ask(Era::Legacy, "initialize", json!({ "protocolVersion": "2025-11-25" })).await;
    assert_eq!(begun["result"]["capabilities"], json!({ "tools": {}, "resources": {}, "prompts": {} }));
    let found = endpoint.result(Era::Modern, "server/discover", json!({})).await;
    assert_eq!(found["capabilities"], json!({ "tools": {}, "resources": {}, "prompts": {} }));
    for era in Era::BOTH {
        let list = endpoint.result(era, "prompts/list", json!({})).await;
        let expected = json!([
            { "name": "again" },
            {
                "name": "evening", "title": "An evening", "description": "Spins, and tells a story.",
                "arguments": [
                    { "name": "colour", "required": false },
                    { "name": "times", "description": "How often.", "required": true },
                ],
            },
        ]);
        assert_eq!(list["prompts"], expected);
        assert_eq!(list.get("ttlMs").is_some() && list.get("cacheScope").is_some(), era == Era::Modern);
        let got = endpoint
            .result(
                era,
                "prompts/get",
                json!({ "name": "evening", "arguments": { "times": "{{colour}}", "colour": "RED" } }),
            )
            .await;
        assert_eq!(got["description"], "Spins, and tells a story.");
        let text = "# An evening\n\nSpin {{colour}} times; bet on RED. {{colour}}!\n";
        assert_eq!(got["messages"], json!([{ "role": "user", "content": { "type": "text", "text": text } }]));
        assert_eq!((got.get("resultType").is_some(), got.get("ttlMs")), (era == Era::Modern, None));
        let again = endpoint.result(era, "prompts/get", json!({ "name": "again" })).await;
        assert_eq!(again["messages"][0]["content"]["text"], "Spin the wheel again.");
        for (params, expected) in [
            (json!({ "name": "evenings" }), "there is no prompt `evenings`"),
            (json!({}), "`params.name` is not the name of a prompt"),
            (json!({ "name": "evening" }), "the argument `times` is missing"),
            (json!({ "name": "evening", "arguments": { "times": "2", "tmes": "" } }), "no argument `tmes`"),
            (json!({ "name": "evening", "arguments": { "times": 2 } }), "not an object of texts"),
            (json!({ "name": "evening", "arguments": ["2"] }), "not an object of texts"),
        ] {
            let (code, message) = endpoint.error(era, "prompts/get", params.clone()).await;
            assert!(code == -32602 && message.contains(expected), "{params}: {message}");
        }
        assert_eq!(endpoint.error(era, "prompts/list", json!({ "cursor": "" })).await.0, -32602);
        let (_, none) = Endpoint::new(&gateway, "/none/mcp").ask(era, "prompts/list", json!({})).await;
        assert_eq!(none["error"]["code"], -32601);
        for (method, params) in [("prompts/list", json!({})), ("prompts/get", json!({ "name": "secret" }))] {
            let (status, answer) = Endpoint::new(&gateway, "/closed/mcp").ask(era, method, params).await;
            assert!(status == StatusCode::UNAUTHORIZED && !answer.to_string().contains("secret"), "{answer}");
        }
    }
}

#[tokio::test]
async fn the_file_of_a_prompt_is_read_again_with_the_configuration() {
    let folder = Folder::new();
    folder.file("evening.md", "{{times}} {{colour}}");
    let file = PathBuf::from(folder.file("croupier.toml", CONFIG));
    let config = Config::load(&file, &Registry::standard()).unwrap();
    folder.file("evening.md", "Now {{times}} {{colour}}");
    let again = Config::load_keeping(&file, &Registry::standard(), &config.mounts()).unwrap();
    for (config, expected) in [(&config, "3 "), (&again, "Now 3 ")] {
        let gateway = gateway(config);
        let params = json!({ "name": "evening", "arguments": { "times": "3" } });
        let got = Endpoint::new(&gateway, "/wheel/mcp").result(Era::Modern, "prompts/get", params).await;
        assert_eq!(got["messages"][0]["content"]["text"], expected);
    }
    for (text, expected) in [("{{tmes}}", "`{{tmes}}`"), (&*"x".repeat((256 << 10) + 1), "cannot be read")] {
        folder.file("evening.md", text);
        let problems = Config::load_keeping(&file, &Registry::standard(), &config.mounts()).unwrap_err().to_string();
        assert!(problems.contains(expected) && problems.contains("file = \"evening.md\""), "{problems}");
    }
}
