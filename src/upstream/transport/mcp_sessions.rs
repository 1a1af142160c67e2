//! The sessions of MCP with a server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use tokio::sync::MutexGuard;

use crate::protocol::mcp::client::handshake::Agreement;
use crate::protocol::mcp::headers::{SESSION, VERSION};
use crate::service::Identity;
use crate::service::lock::lock;

/// How many sessions are kept with each server. The one that has not been used for the longest time is forgotten.
const MAX_SESSIONS: usize = 256;

/// Who has sent a request to croupier, as far as the server learns of it, as an extension of the request to the server: the headers that
/// are passed on, and the identity for which each request has a token of its own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SessionCaller {
    pub(crate) headers: HeaderMap,
    pub(crate) identity: Option<Arc<Identity>>,
}

/// The sessions with one server, by the callers for whom they began.
#[derive(Default)]
pub(super) struct McpSessions {
    known: Mutex<VecDeque<(Option<SessionCaller>, Arc<McpSession>)>>,
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

    pub(super) fn get(&self, caller: Option<&SessionCaller>) -> Option<Arc<McpSession>> {
        let mut known = lock(&self.known);
        // Without an id, nothing is said of who has begun it.
        let found = known.iter().position(|(own, session)| own.as_ref() == caller || session.id.is_none())?;
        let entry = known.remove(found)?;
        let session = entry.1.clone();
        known.push_back(entry);
        Some(session)
    }

    pub(super) fn add(&self, caller: Option<SessionCaller>, session: &Arc<McpSession>) {
        let mut known = lock(&self.known);
        if known.len() >= MAX_SESSIONS {
            known.pop_front();
        }
        known.push_back((caller, session.clone()));
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
