//! Requests of MCP to a gateway, in revisions with a handshake and in one without.

use bytes::Bytes;
use croupier::server::gateway::Gateway;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// The member of `params` with which a client without a handshake says its revision, as text.
pub(crate) const STATELESS_META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

/// The status and the body of the response to a request.
pub(crate) async fn send(gateway: &Gateway, request: Request<Full<Bytes>>) -> (StatusCode, String) {
    let response = gateway.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// The status and the body of the response to a message. `headers` may have another `Content-Type` than JSON.
pub(crate) async fn post(
    gateway: &Gateway,
    path: &str,
    headers: &[(&str, &str)],
    message: &str,
) -> (StatusCode, String) {
    let mut request = Request::post(path).header("host", "localhost");
    if headers.iter().all(|(name, _)| *name != "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(gateway, request.body(Full::new(Bytes::from(message.to_owned()))).unwrap()).await
}

/// A request for a method in a revision with a handshake.
pub(crate) fn message(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": "m-9", "method": method, "params": params }).to_string()
}

/// The response to [`message`].
pub(crate) async fn ask(gateway: &Gateway, path: &str, method: &str, params: &Value) -> Value {
    let (_, text) = post(gateway, path, &[], &message(method, params)).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The names of tools.
pub(crate) fn names(tools: &Value) -> Vec<&str> {
    tools.as_array().unwrap_or_else(|| panic!("{tools}")).iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

/// A revision of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2025-11-25, the last one with a handshake.
    Legacy,
    /// 2026-07-28.
    Modern,
}

impl Era {
    pub(crate) const BOTH: [Era; 2] = [Era::Legacy, Era::Modern];
}

/// An endpoint, and the headers of each request to it.
pub(crate) struct Endpoint<'g> {
    pub(crate) gateway: &'g Gateway,
    pub(crate) path: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl<'g> Endpoint<'g> {
    pub(crate) fn new(gateway: &'g Gateway, path: &'static str) -> Endpoint<'g> {
        Endpoint { gateway, path, headers: Vec::new() }
    }

    /// The response to a request for a method.
    pub(crate) async fn ask(&self, era: Era, method: &str, params: Value) -> (StatusCode, Value) {
        let mut params = params;
        let mut request =
            Request::post(self.path).header("host", "localhost").header("content-type", "application/json");
        match era {
            Era::Legacy => request = request.header("mcp-protocol-version", "2025-11-25"),
            Era::Modern => {
                let name = params["name"].as_str().or_else(|| params["uri"].as_str()).map(str::to_owned);
                params["_meta"] = json!({
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                });
                request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
                if let Some(name) = name {
                    request = request.header("mcp-name", name);
                }
            }
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let body = json!({ "jsonrpc": "2.0", "id": 17, "method": method, "params": params }).to_string();
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let (status, text) = send(self.gateway, request).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    pub(crate) async fn result(&self, era: Era, method: &str, params: Value) -> Value {
        let (status, answer) = self.ask(era, method, params).await;
        assert!(status == StatusCode::OK && answer["result"].is_object(), "{method}: {status} {answer}");
        answer["result"].clone()
    }

    /// The code and the message of the error.
    pub(crate) async fn error(&self, era: Era, method: &str, params: Value) -> (i64, String) {
        let (_, answer) = self.ask(era, method, params).await;
        let error = &answer["error"];
        (error["code"].as_i64().unwrap_or_else(|| panic!("{answer}")), error["message"].as_str().unwrap().to_owned())
    }
}
