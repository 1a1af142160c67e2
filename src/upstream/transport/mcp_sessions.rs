//! The sessions of MCP with a server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderValue, Request};
use tokio::sync::MutexGuard;

use crate::protocol::mcp::client::handshake::Agreement;
use crate::protocol::mcp::headers::{SESSION, VERSION};
use crate::service::lock::lock;

/// How many sessions are kept with each server. The oldest is forgotten.
const MAX_SESSIONS: usize = 256;

/// The credentials of a request.
pub(super) type Credentials = [Option<HeaderValue>; 2];

/// The sessions with one server, by the credentials with which they began.
#[derive(Default)]
pub(super) struct McpSessions {
    known: Mutex<VecDeque<(Credentials, Arc<McpSession>)>>,
    /// Held while a session begins, so that others wait for it instead of beginning another.
    beginning: tokio::sync::Mutex<()>,
}

/// What a server has agreed to.
pub(super) struct McpSession {
    /// The id, if the server has sessions.
    pub(super) id: Option<HeaderValue>,
    pub(super) agreement: Arc<Agreement>,
}

impl McpSessions {
    /// Waits until no session is beginning. Others wait until the result is dropped.
    pub(super) async fn beginning(&self) -> MutexGuard<'_, ()> {
        self.beginning.lock().await
    }

    pub(super) fn get(&self, credentials: &Credentials) -> Option<Arc<McpSession>> {
        let known = lock(&self.known);
        // Without an id, nothing is said of who has begun it.
        known
            .iter()
            .find(|(own, session)| own == credentials || session.id.is_none())
            .map(|(_, session)| session.clone())
    }

    pub(super) fn add(&self, credentials: Credentials, session: &Arc<McpSession>) {
        let mut known = lock(&self.known);
        if known.len() >= MAX_SESSIONS {
            known.pop_front();
        }
        known.push_back((credentials, session.clone()));
    }

    pub(super) fn forget(&self, session: &Arc<McpSession>) {
        lock(&self.known).retain(|(_, known)| !Arc::ptr_eq(known, session));
    }
}

impl McpSession {
    pub(super) fn apply_to(&self, request: &mut Request<Bytes>) {
        let headers = request.headers_mut();
        headers.insert(VERSION, self.agreement.revision.clone());
        match &self.id {
            Some(id) => headers.insert(SESSION, id.clone()),
            // That of another server, which could not be reached.
            None => headers.remove(SESSION),
        };
    }
}
