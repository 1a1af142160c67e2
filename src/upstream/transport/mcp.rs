//! Sends messages of MCP: they may need a session with their server, and their responses may be streams of events.
//!
//! A session begins with a handshake (specification, "Session Management"). Each server has sessions of its own, and so has each caller.
//! The first message begins the session. If the server no longer knows it, the server has not carried out the message: another session
//! begins, and the message is sent once more.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::time::Instant;

use super::Repeat;
use super::body::Incoming;
use super::error::{Failed, TransportError};
use super::event_stream::EventFinder;
use super::mcp_sessions::{McpSession, SessionCaller};
use super::outgoing::OutgoingRequest;
use super::redirects;
use super::send_policy::SendPolicy;
use super::server::Server;
use crate::http::media_type::is_event_stream;
use crate::protocol::mcp::client::handshake;
use crate::protocol::mcp::client::handshake::HandshakeError;
use crate::protocol::mcp::client::message::{MessageId, NeedsSession};
use crate::protocol::mcp::headers::{SESSION, VERSION};

/// The largest response to the request that begins a session, in bytes.
const MAX_HANDSHAKE: usize = 1 << 20;
/// The headers that describe the message, and not the caller.
const MESSAGE_HEADERS: [HeaderName; 3] = [ACCEPT, CONTENT_LENGTH, CONTENT_TYPE];

/// The headers of the caller, as an extension of a request. They were noted before the request was prepared for the first server, whose
/// address may have added credentials that are not for other servers.
#[derive(Clone)]
struct CallerHeaders(HeaderMap);

/// The headers of a request without those of its message. A session begins with the same.
fn caller_headers(request: &Request<Bytes>) -> HeaderMap {
    let mut headers = request.headers().clone();
    for name in MESSAGE_HEADERS.into_iter().chain([VERSION, SESSION]) {
        headers.remove(name);
    }
    headers
}

impl Server {
    /// Sends a message. The response has the `id` of the message as an extension and, in a session, the [`Agreement`].
    ///
    /// [`Agreement`]: handshake::Agreement
    pub(super) async fn send_message(
        &self,
        id: MessageId,
        request: OutgoingRequest,
        repeat: Repeat,
        deadline: Option<Instant>,
        policy: &SendPolicy,
        resent: u32,
    ) -> Result<Response<Incoming>, Failed> {
        // The session with a program has begun when the program was started.
        let needs_session = request.extensions().get::<NeedsSession>().is_some() && !self.is_program();
        let mut response = if needs_session {
            self.send_in_session(request, repeat, deadline, policy, resent).await?
        } else {
            self.send_counted(request, repeat, deadline, policy, resent).await?
        };
        expect_events(&mut response, id);
        response.extensions_mut().insert(id);
        Ok(response)
    }

    async fn send_in_session(
        &self,
        mut request: OutgoingRequest,
        repeat: Repeat,
        deadline: Option<Instant>,
        policy: &SendPolicy,
        resent: u32,
    ) -> Result<Response<Incoming>, Failed> {
        let headers = match request.extensions().get::<CallerHeaders>() {
            Some(CallerHeaders(headers)) => headers.clone(),
            None => caller_headers(&request),
        };
        request.extensions_mut().insert(CallerHeaders(headers.clone()));
        let caller = request.extensions().get::<SessionCaller>().cloned();
        let session = match self.session(caller.as_ref(), &headers, deadline, policy).await {
            Ok(session) => session,
            Err(error) => return Err((error, Some(request))),
        };
        let mut again = request.clone();
        session.apply_to(&mut request);
        let mut response = self.send_counted(request, repeat, deadline, policy, resent).await?;
        let mut agreement = session.agreement.clone();
        // Status 404 means that the server no longer knows the session.
        if response.status() == StatusCode::NOT_FOUND && session.id.is_some() {
            self.sessions().forget(&session);
            redirects::discard(response, deadline).await;
            let session = match self.session(caller.as_ref(), &headers, deadline, policy).await {
                Ok(session) => session,
                Err(error) => return Err((error, Some(again))),
            };
            session.apply_to(&mut again);
            response = self.send_counted(again, repeat, deadline, policy, 0).await?;
            agreement = session.agreement.clone();
        }
        response.extensions_mut().insert(agreement);
        Ok(response)
    }

    /// The session of a caller. If there is none, one begins with these headers.
    async fn session(
        &self,
        caller: Option<&SessionCaller>,
        headers: &HeaderMap,
        deadline: Option<Instant>,
        policy: &SendPolicy,
    ) -> Result<Arc<McpSession>, TransportError> {
        if let Some(known) = self.sessions().get(caller) {
            return Ok(known);
        }
        let _beginning = self.sessions().lock_beginning().await;
        if let Some(known) = self.sessions().get(caller) {
            return Ok(known);
        }
        let session = Arc::new(self.begin_session(headers, deadline, policy).await?);
        self.sessions().add(caller.cloned(), &session);
        Ok(session)
    }

    async fn begin_session(
        &self,
        headers: &HeaderMap,
        deadline: Option<Instant>,
        policy: &SendPolicy,
    ) -> Result<McpSession, TransportError> {
        let refused = |reason: HandshakeError| TransportError::no_session(self.address().to_string(), reason.into());
        let with_headers = |mut request: Request<Bytes>| {
            request.headers_mut().extend(headers.clone());
            Box::new(request)
        };
        let request = with_headers(handshake::initialize());
        let id = request.extensions().get::<MessageId>().copied();
        let sent = self.send_counted(request, Repeat::Harmless, deadline, policy, 0).await;
        let mut response = Incoming::unpacked(sent.map_err(|(error, _)| error)?);
        if let Some(id) = id {
            expect_events(&mut response, id);
            response.extensions_mut().insert(id);
        }
        let (head, body) = response.into_parts();
        let body = body.with_deadline(deadline.map(Instant::into_std)).collect(MAX_HANDSHAKE).await?;
        let response = Response::from_parts(head, body);
        let agreement = handshake::read_agreement(&response).map_err(refused)?;
        let session = McpSession { id: response.headers().get(SESSION).cloned(), agreement: Arc::new(agreement) };
        let mut begun = with_headers(handshake::initialized());
        session.apply_to(&mut begun);
        let sent = self.send_counted(begun, Repeat::Harmless, deadline, policy, 0).await;
        // The status is ignored: a server that refuses the notification refuses the call, too.
        redirects::discard(sent.map_err(|(error, _)| error)?, deadline).await;
        Ok(session)
    }
}

/// Prepares the body of a response that is a stream of events, so that collecting it yields the response in it, which is JSON.
fn expect_events(response: &mut Response<Incoming>, id: MessageId) {
    if is_event_stream(response.headers()) {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.body_mut().expect_event(EventFinder::new(id));
    }
}
