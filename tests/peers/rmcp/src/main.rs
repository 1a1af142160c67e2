//! An MCP client by `rmcp`, with each way to agree on a revision; prints the revisions. Its argument is the URL of the server.

use std::error::Error;
use std::time::Duration;

use rmcp::model::{CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest, ErrorCode, ProtocolVersion};
use rmcp::service::{
    ClientLifecycleMode, PeerRequestOptions, RoleClient, RunningService, ServiceError, serve_client_with_lifecycle,
};
use rmcp::transport::StreamableHttpClientTransport;
use serde_json::{Value, json};

type Client = RunningService<RoleClient, ()>;

async fn connect(base: &str, path: &str, lifecycle: ClientLifecycleMode) -> Result<Client, Box<dyn Error>> {
    let transport = StreamableHttpClientTransport::from_uri(format!("{base}{path}/mcp"));
    Ok(serve_client_with_lifecycle((), transport, lifecycle).await?)
}

fn params(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    let params = CallToolRequestParams::new(tool);
    match arguments {
        Value::Object(members) => params.with_arguments(members),
        _ => params,
    }
}

async fn call(client: &Client, tool: &'static str, arguments: Value) -> Result<CallToolResult, ServiceError> {
    client.call_tool(params(tool, arguments)).await
}

/// What a tool returns as a value.
async fn value(client: &Client, tool: &'static str, arguments: Value) -> Result<Value, Box<dyn Error>> {
    let result = call(client, tool, arguments).await?;
    assert_ne!(result.is_error, Some(true), "{result:?}");
    Ok(result.structured_content.ok_or("no value")?["result"].take())
}

async fn wheel(client: &Client) -> Result<(), Box<dyn Error>> {
    let tools = client.list_all_tools().await?;
    let spin = tools.iter().find(|tool| tool.name == "spin").ok_or("no tool `spin`")?;
    assert!(spin.description.as_ref().is_some_and(|text| !text.is_empty()), "{spin:?}");
    let pocket = value(client, "spin", json!({})).await?;
    assert!(pocket.is_array(), "{pocket}");
    let spins = value(client, "spinList", json!({ "spins": 17 })).await?;
    assert_eq!(spins.as_array().map(Vec::len), Some(17));
    let refused = call(client, "spinList", json!({ "spins": -1 })).await?;
    assert_eq!(refused.is_error, Some(true), "{refused:?}");
    match call(client, "no_such_tool", json!({})).await {
        Err(ServiceError::McpError(error)) => assert_eq!(error.code, ErrorCode::INVALID_PARAMS),
        other => panic!("a tool that is not there returned {other:?}"),
    }
    Ok(())
}

/// A call that the caller gives up while it runs: it ends, and further calls of the same client work.
async fn cancelled(client: &Client) -> Result<(), Box<dyn Error>> {
    let before = value(client, "hanging", json!({})).await?;
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(params("hang", json!({}))));
    let pending = client.send_cancellable_request(request, PeerRequestOptions::no_options()).await?;
    until(async || Ok(value(client, "hanging", json!({})).await? != before)).await?;
    pending.cancel(Some("enough".to_owned())).await?;
    until(async || Ok(value(client, "hanging", json!({})).await? == before)).await
}

/// Waits until a check succeeds, for at most half a minute.
async fn until(check: impl AsyncFn() -> Result<bool, Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    for _ in 0..1500 {
        if check().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("it did not happen in 30 s".into())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let base = std::env::args().nth(1).ok_or("usage: mcp-client-rmcp URL")?;
    let newest = || vec![ProtocolVersion::V_2026_07_28];
    for lifecycle in [
        ClientLifecycleMode::Initialize,
        ClientLifecycleMode::Discover { preferred_versions: newest() },
        ClientLifecycleMode::Auto { preferred_versions: newest(), legacy_version: None },
    ] {
        let client = connect(&base, "/wheel/european", lifecycle.clone()).await?;
        let revision = client.peer_info().map(|info| info.protocol_version.to_string());
        wheel(&client).await?;
        client.cancel().await?;
        let client = connect(&base, "/waiter", lifecycle).await?;
        cancelled(&client).await?;
        client.cancel().await?;
        println!("{}", revision.unwrap_or_default());
    }
    Ok(())
}
