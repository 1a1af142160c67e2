//! Messages of MCP: they may need a session with the server that they are sent to, and their responses may be streams of events.
//!
//! A session begins with a handshake, which each server has on its own (specification, "Session Management"). It is begun for the first
//! message, and begun again when the server no longer knows it; the message was then not carried out, and is sent once more. Requests
//! of other callers have other sessions.

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
use crate::codec::media::essence;
use crate::http::media_type;
use crate::protocol::mcp::client::handshake;
use crate::protocol::mcp::client::handshake::NoAgreement;
use crate::protocol::mcp::client::message::{InSession, MessageId};
use crate::protocol::mcp::headers::{SESSION, VERSION};

/// The largest response to the request that begins a session, in bytes.
const MAX_HANDSHAKE: usize = 1 << 20;
/// The headers of the message itself.
const OF_MESSAGE: [HeaderName; 3] = [ACCEPT, CONTENT_LENGTH, CONTENT_TYPE];

/// The headers of a request before it was prepared for a server, which may have credentials of its own, as an extension of the request.
#[derive(Clone)]
struct CallerHeaders(HeaderMap);

/// The headers of a request that are not those of its message: a session begins with the same.
fn headers_of_caller(request: &Request<Bytes>) -> HeaderMap {
    let mut headers = request.headers().clone();
    for name in OF_MESSAGE.into_iter().chain([VERSION, SESSION]) {
        headers.remove(name);
    }
    headers
}

impl Server {
    /// Sends a message. The response has its `id` among its extensions; with a session, also what was agreed on.
    pub(super) async fn send_message(
        &self,
        id: MessageId,
        request: OutgoingRequest,
        (repeat, deadline): (Repeat, Option<Instant>),
        policy: &SendPolicy,
        resent: u32,
    ) -> Result<Response<Incoming>, Failed> {
        let mut response = match request.extensions().get::<InSession>() {
            // A program begins its session when it is started.
            None => self.send_counted(request, repeat, deadline, policy, resent).await?,
            Some(_) if self.is_program() => self.send_counted(request, repeat, deadline, policy, resent).await?,
            Some(_) => self.send_in_session(request, (repeat, deadline), policy, resent).await?,
        };
        expect_events(&mut response, id);
        response.extensions_mut().insert(id);
        Ok(response)
    }

    async fn send_in_session(
        &self,
        mut request: OutgoingRequest,
        (repeat, deadline): (Repeat, Option<Instant>),
        policy: &SendPolicy,
        resent: u32,
    ) -> Result<Response<Incoming>, Failed> {
        let headers = match request.extensions().get::<CallerHeaders>() {
            Some(CallerHeaders(headers)) => headers.clone(),
            None => headers_of_caller(&request),
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
        // Status 404 says that the session has ended.
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

    /// The session for requests of a caller with these headers, which begins if there is none.
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
        let _beginning = self.sessions().beginning().await;
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
        let refused = |reason: NoAgreement| TransportError::no_session(self.address().to_string(), reason.into());
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
        let agreement = handshake::agreement(&response).map_err(refused)?;
        let session = McpSession { id: response.headers().get(SESSION).cloned(), agreement: Arc::new(agreement) };
        let mut begun = with_headers(handshake::initialized());
        session.apply_to(&mut begun);
        let sent = self.send_counted(begun, Repeat::Harmless, deadline, policy, 0).await;
        // A server that does not take the notification says so when it gets a call.
        redirects::discard(sent.map_err(|(error, _)| error)?, deadline).await;
        Ok(session)
    }
}

/// Reads the body of a response as a stream of events, if it is one.
fn expect_events(response: &mut Response<Incoming>, id: MessageId) {
    if essence(media_type::media_type(response.headers())) == "text/event-stream" {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.body_mut().expect_event(EventFinder::new(id));
    }
}
