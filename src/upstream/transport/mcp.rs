//! Sends messages of MCP: they may need a session with their server, and their responses may be streams of events.
//!
//! A session begins with a handshake (specification, "Session Management"). Each server has sessions of its own, and so has each caller.
//! The first message begins the session. If the server no longer knows it, the server has not carried out the message: another session
//! begins, and the message is sent once more. If the caller leaves or the deadline passes, the transport cancels the message.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Body as _;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::Repeat;
use super::body::Incoming;
use super::cancel_on_drop::CancelOnDrop;
use super::error::{Failed, TransportError};
use super::event_stream::{EventFinder, ExpectedEvent};
use super::mcp_sessions::{McpSession, SessionCaller};
use super::outgoing::OutgoingRequest;
use super::redirects;
use super::send_policy::SendPolicy;
use super::server::Server;
use crate::http::media_type::is_event_stream;
use crate::protocol::mcp::client::handshake;
use crate::protocol::mcp::client::handshake::HandshakeError;
use crate::protocol::mcp::client::message::{MessageId, NeedsSession, cancelled};
use crate::protocol::mcp::headers::{SESSION, VERSION};

/// The largest response to the request that begins a session, in bytes.
const MAX_HANDSHAKE: usize = 1 << 20;
/// The longest response with status 400 that is read for what it says of the session, in bytes.
const MAX_REFUSAL: u64 = 64 << 10;
/// What such a response has in its text.
const ABOUT_SESSION: &[u8] = b"session";
/// How long the notification that cancels a call may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);
/// The headers that describe the message, and not the caller.
const MESSAGE_HEADERS: [HeaderName; 3] = [ACCEPT, CONTENT_LENGTH, CONTENT_TYPE];

/// The headers of the caller, as an extension of a request. They were noted before the request was prepared for the first server, whose
/// address may have added credentials that are not for other servers.
#[derive(Clone)]
struct CallerHeaders(HeaderMap);

/// A call that was sent in a session.
struct SentCall {
    id: MessageId,
    /// The headers of the caller.
    headers: HeaderMap,
    session: Arc<McpSession>,
    server: Arc<Server>,
    policy: Arc<SendPolicy>,
}

impl SentCall {
    /// Sends `notifications/cancelled` in a task of its own. In a session, a closed connection does not cancel a call (specification,
    /// "Sending Messages to the Server").
    fn begin_to_cancel(self) {
        // Without a runtime, the process ends.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(self.cancel());
        }
    }

    async fn cancel(self) {
        let mut request = Box::new(cancelled(self.id));
        request.headers_mut().extend(self.headers);
        self.session.apply_to(&mut request);
        let deadline = Some(Instant::now() + CANCEL_TIMEOUT);
        // An error says that the server is gone, and the call with it.
        if let Ok(response) = self.server.send_counted(request, Repeat::Harmless, deadline, &self.policy, 0).await {
            redirects::discard(response, deadline).await;
        }
    }
}

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
        self: &Arc<Server>,
        id: MessageId,
        request: OutgoingRequest,
        repeat: Repeat,
        deadline: Option<Instant>,
        policy: &Arc<SendPolicy>,
        resent: u32,
    ) -> Result<Response<Incoming>, Failed> {
        // The session with a program has begun when the program was started.
        let needs_session = request.extensions().get::<NeedsSession>().is_some() && !self.is_program();
        let mut response = if needs_session {
            self.send_in_session(id, request, repeat, deadline, policy, resent).await?
        } else {
            let mut response = self.send_counted(request, repeat, deadline, policy, resent).await?;
            expect_event(&mut response, id, None);
            response
        };
        response.extensions_mut().insert(id);
        Ok(response)
    }

    async fn send_in_session(
        self: &Arc<Server>,
        id: MessageId,
        mut request: OutgoingRequest,
        repeat: Repeat,
        deadline: Option<Instant>,
        policy: &Arc<SendPolicy>,
        resent: u32,
    ) -> Result<Response<Incoming>, Failed> {
        let headers = match request.extensions().get::<CallerHeaders>() {
            Some(CallerHeaders(headers)) => headers.clone(),
            None => caller_headers(&request),
        };
        request.extensions_mut().insert(CallerHeaders(headers.clone()));
        let caller = request.extensions().get::<SessionCaller>().cloned();
        let begin = async || self.session(caller.as_ref(), &headers, deadline, policy).await;
        let send = async |mut request: OutgoingRequest, session: &Arc<McpSession>, resent| {
            session.apply_to(&mut request);
            let call = SentCall {
                id,
                headers: headers.clone(),
                session: session.clone(),
                server: self.clone(),
                policy: policy.clone(),
            };
            let mut cancel = CancelOnDrop::new(move || call.begin_to_cancel());
            match self.send_counted(request, repeat, deadline, policy, resent).await {
                Ok(response) => Ok((response, cancel)),
                Err((error, unsent)) => {
                    if unsent.is_some() {
                        cancel.disarm();
                    }
                    Err((error, unsent))
                }
            }
        };

        let mut session = match begin().await {
            Ok(session) => session,
            Err(error) => return Err((error, Some(request))),
        };
        let again = request.clone();
        let (mut response, mut cancel) = send(request, &session, resent).await?;
        if session.id.is_some() && has_lost_session(&mut response, deadline).await.map_err(|error| (error, None))? {
            cancel.disarm();
            self.sessions().forget(&session);
            redirects::discard(response, deadline).await;
            session = match begin().await {
                Ok(session) => session,
                Err(error) => return Err((error, Some(again))),
            };
            (response, cancel) = send(again, &session, 0).await?;
        }
        expect_event(&mut response, id, Some(cancel));
        response.extensions_mut().insert(session.agreement.clone());
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
        let refused = |status: StatusCode, reason: HandshakeError| {
            TransportError::no_session(self.address().to_string(), status.is_client_error(), reason.into())
        };
        let with_headers = |mut request: Request<Bytes>| {
            request.headers_mut().extend(headers.clone());
            Box::new(request)
        };
        let request = with_headers(handshake::initialize());
        let id = request.extensions().get::<MessageId>().copied();
        let sent = self.send_counted(request, Repeat::Harmless, deadline, policy, 0).await;
        let mut response = Incoming::unpacked(sent.map_err(|(error, _)| error)?);
        if let Some(id) = id {
            expect_event(&mut response, id, None);
            response.extensions_mut().insert(id);
        }
        let (head, body) = response.into_parts();
        let body = body.with_deadline(deadline.map(Instant::into_std)).collect(MAX_HANDSHAKE).await?;
        let response = Response::from_parts(head, body);
        let agreement = handshake::read_agreement(&response).map_err(|reason| refused(response.status(), reason))?;
        let session = McpSession { id: response.headers().get(SESSION).cloned(), agreement: Arc::new(agreement) };
        let mut begun = with_headers(handshake::initialized());
        session.apply_to(&mut begun);
        let sent = self.send_counted(begun, Repeat::Harmless, deadline, policy, 0).await;
        // The status is ignored: a server that refuses the notification refuses the call, too.
        redirects::discard(sent.map_err(|(error, _)| error)?, deadline).await;
        Ok(session)
    }
}

/// Whether a response says that the server does not know the session: by status 404, or as many servers do, by status 400 with a short
/// text about a session.
async fn has_lost_session(
    response: &mut Response<Incoming>,
    deadline: Option<Instant>,
) -> Result<bool, TransportError> {
    if response.status() != StatusCode::BAD_REQUEST {
        return Ok(response.status() == StatusCode::NOT_FOUND);
    }
    if response.body().size_hint().upper().is_none_or(|length| length > MAX_REFUSAL) {
        return Ok(false);
    }
    let body = std::mem::replace(response.body_mut(), Incoming::whole(Bytes::new()));
    let text = body.with_deadline(deadline.map(Instant::into_std)).collect(usize::MAX).await?;
    let is_about_session = text.to_ascii_lowercase().windows(ABOUT_SESSION.len()).any(|part| part == ABOUT_SESSION);
    *response.body_mut() = Incoming::whole(text);
    Ok(is_about_session)
}

/// Prepares the body of a response that is a stream of events, so that collecting it yields the response in it, which is JSON. Any other
/// response has come, so there is nothing to cancel.
fn expect_event(response: &mut Response<Incoming>, id: MessageId, cancel: Option<CancelOnDrop>) {
    if is_event_stream(response.headers()) {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.body_mut().expect_event(ExpectedEvent { finder: EventFinder::new(id), cancel });
    } else if let Some(mut cancel) = cancel {
        cancel.disarm();
    }
}
