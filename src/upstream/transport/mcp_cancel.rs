//! Tells a server that a call in a session of MCP is cancelled.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::mcp_sessions::McpSession;
use super::send_policy::SendPolicy;
use super::server::Server;
use super::{Repeat, redirects};
use crate::protocol::mcp::client::message::{MessageId, cancelled};

/// How long the notification may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Cancels a call when it is dropped, unless the response has come. In a session, a server does not take the end of a connection for a
/// cancellation (specification, "Sending Messages to the Server").
pub(super) struct CancelOnDrop(Option<SentCall>);

/// A call that was sent in a session.
struct SentCall {
    id: MessageId,
    /// The headers of the caller.
    headers: HeaderMap,
    session: Arc<McpSession>,
    server: Arc<Server>,
    policy: Arc<SendPolicy>,
}

impl CancelOnDrop {
    /// For a call that is sent to this server. `headers` are those of its caller.
    pub(super) fn new(
        id: MessageId,
        headers: HeaderMap,
        session: &Arc<McpSession>,
        (server, policy): (&Arc<Server>, &Arc<SendPolicy>),
    ) -> CancelOnDrop {
        let (session, server, policy) = (session.clone(), server.clone(), policy.clone());
        CancelOnDrop(Some(SentCall { id, headers, session, server, policy }))
    }

    /// The response has come, or the call was not sent.
    pub(super) fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        // Without a runtime, the process ends.
        if let (Some(call), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(call.cancel());
        }
    }
}

impl SentCall {
    async fn cancel(self) {
        let mut request = Box::new(cancelled(self.id));
        request.headers_mut().extend(self.headers);
        self.session.apply_to(&mut request);
        let deadline = Some(Instant::now() + TIMEOUT);
        // An error says that the server is gone, and the call with it.
        if let Ok(response) = self.server.send_counted(request, Repeat::Harmless, deadline, &self.policy, 0).await {
            redirects::discard(response, deadline).await;
        }
    }
}
