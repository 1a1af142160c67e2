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

/// How many sessions are kept with each server. One more replaces the least recently used.
const MAX_SESSIONS: usize = 256;

/// The caller to whom a session belongs, as an extension of the request to the server: the headers that are passed on and, if requests
/// have a token for the identity of the caller, this identity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SessionCaller {
    pub(crate) headers: HeaderMap,
    pub(crate) identity: Option<Arc<Identity>>,
}

/// The sessions with one server, by their callers.
#[derive(Default)]
pub(super) struct McpSessions {
    /// The most recently used one is the last.
    sessions: Mutex<VecDeque<(Option<SessionCaller>, Arc<McpSession>)>>,
    /// Held while a session begins, so that other calls wait for it and do not begin one of their own.
    beginning: tokio::sync::Mutex<()>,
}

/// A session with a server.
pub(super) struct McpSession {
    /// The id, if the server has given one.
    pub(super) id: Option<HeaderValue>,
    pub(super) agreement: Arc<Agreement>,
}

impl McpSessions {
    /// Waits until no session is beginning. Until the guard is dropped, other calls wait here.
    pub(super) async fn lock_beginning(&self) -> MutexGuard<'_, ()> {
        self.beginning.lock().await
    }

    /// The session of a caller, which counts as used now.
    pub(super) fn get(&self, caller: Option<&SessionCaller>) -> Option<Arc<McpSession>> {
        let mut sessions = lock(&self.sessions);
        // Requests do not name a session without an id, so it may serve all callers.
        let found = sessions.iter().position(|(own, session)| own.as_ref() == caller || session.id.is_none())?;
        let (caller, session) = sessions.remove(found)?;
        sessions.push_back((caller, session.clone()));
        Some(session)
    }

    pub(super) fn add(&self, caller: Option<SessionCaller>, session: &Arc<McpSession>) {
        let mut sessions = lock(&self.sessions);
        if sessions.len() >= MAX_SESSIONS {
            sessions.pop_front();
        }
        sessions.push_back((caller, session.clone()));
    }

    pub(super) fn forget(&self, session: &Arc<McpSession>) {
        lock(&self.sessions).retain(|(_, own)| !Arc::ptr_eq(own, session));
    }
}

impl McpSession {
    /// Sets the headers that name the session and its revision.
    pub(super) fn apply_to(&self, request: &mut Request<Bytes>) {
        let headers = request.headers_mut();
        headers.insert(VERSION, self.agreement.revision.clone());
        match &self.id {
            Some(id) => headers.insert(SESSION, id.clone()),
            // The id of a session with another server, if the request was sent to that before.
            None => headers.remove(SESSION),
        };
    }
}
