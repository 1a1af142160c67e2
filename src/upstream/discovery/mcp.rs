//! MCP: the description of a server, and the list of its tools.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value as Json;

use super::client::{DiscoveryClient, DiscoveryError, MAX_DESCRIPTION, classify, unauthorized};
use crate::model::fault::Fault;
use crate::protocol::client_codec::ResponseError;
use crate::protocol::mcp::client::McpCodec;
use crate::protocol::mcp::client::handshake;
use crate::protocol::mcp::client::handshake::{Agreement, ServerDescription};
use crate::protocol::mcp::client::message::{Era, MessageWriter};
use crate::protocol::mcp::client::tools;
use crate::protocol::mcp::client::tools::{MAX_TOOLS, McpDescription};

/// How many pages a list of tools may have.
const MAX_PAGES: usize = 200;

/// Asks a server for its tools: without a handshake if the server supports that, because it needs no session, and otherwise in a session.
///
/// # Errors
/// The outer error if there is no list of tools, and the inner one if its schemas are too large.
pub(crate) async fn discover(client: &DiscoveryClient<'_>) -> Result<Result<McpDescription, Fault>, DiscoveryError> {
    let stateless = match client.exchange(handshake::discover()).await {
        Ok(response) if response.status() == StatusCode::UNAUTHORIZED => {
            return Err(unauthorized(response.headers()));
        }
        Ok(response) => handshake::read_stateless_server(&response),
        // A server may close the connection after a message that it does not know.
        Err(error) if error.is_broken() => None,
        Err(error) => return Err(error),
    };
    let era = if stateless.is_some() { Era::Stateless } else { Era::Handshake };
    let ToolList { tools, agreed_server } = list(client, era).await.map_err(|error| match error {
        // The server was reached, but it is not an MCP server, or it refuses the handshake.
        DiscoveryError::Transport(error) if error.is_without_session() => DiscoveryError::Status(error.to_string()),
        error => error,
    })?;
    let server = stateless.or(agreed_server).unwrap_or_default();
    Ok(tools::read(&tools, server, era))
}

/// The error for a list of tools that cannot be used.
pub(super) fn unusable(reason: &str) -> DiscoveryError {
    DiscoveryError::Malformed(format!("its list of tools cannot be used: {reason}"))
}

/// The tools of a server, from all pages of the list.
#[derive(Default)]
struct ToolList {
    tools: Vec<Json>,
    /// The description that the server has given in the handshake.
    agreed_server: Option<ServerDescription>,
}

async fn list(client: &DiscoveryClient<'_>, era: Era) -> Result<ToolList, DiscoveryError> {
    let codec = McpCodec::new(Arc::default());
    let mut listed = ToolList::default();
    let mut cursor: Option<Json> = None;
    let mut bytes = 0_usize;
    for _ in 0..MAX_PAGES {
        let mut writer = MessageWriter::new(era, "tools/list");
        if let Some(cursor) = &cursor {
            let written = writer.member("cursor", |to| {
                to.extend_from_slice(cursor.to_string().as_bytes());
                Ok(())
            });
            written.map_err(DiscoveryError::Fault)?;
        }
        let response = client.exchange(writer.into_request()).await?;
        bytes = bytes.saturating_add(response.body().len());
        listed.agreed_server = listed.agreed_server.or_else(|| agreed_server(&response));
        let mut page = match codec.decode_message(&response) {
            Ok(page) => serde_json::to_value(page).map_err(|error| DiscoveryError::Malformed(error.to_string()))?,
            Err(error) => return Err(classify(error, &response)),
        };
        let Some(Json::Array(tools)) = page.get_mut("tools").map(Json::take) else {
            let reason = ResponseError::Malformed(Fault::internal());
            return Err(classify(reason, &response));
        };
        listed.tools.extend(tools);
        if listed.tools.len() > MAX_TOOLS || bytes > MAX_DESCRIPTION {
            let count = listed.tools.len();
            return Err(DiscoveryError::Malformed(format!("its list of tools is too long: {count} in {bytes} bytes")));
        }
        match page.get_mut("nextCursor").map(Json::take) {
            Some(next @ Json::String(_)) => cursor = Some(next),
            _ => return Ok(listed),
        }
    }
    Err(DiscoveryError::Malformed(format!("its list of tools has more than {MAX_PAGES} pages")))
}

fn agreed_server(response: &Response<Bytes>) -> Option<ServerDescription> {
    response.extensions().get::<Arc<Agreement>>().map(|agreement| agreement.server.clone())
}
