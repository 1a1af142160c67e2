//! Access tokens for an upstream, from the token endpoint of an authorization server (OAuth 2.0 client credentials,
//! RFC 6749, section 4.4; the token is sent as RFC 6750, section 2.1 says).
//!
//! A token is fetched when the first request needs it, and kept until it expires. After four fifths of its time, the next
//! request begins to fetch a new one, and all requests go on with the old one meanwhile. One token is fetched at a time, by a
//! task of its own, so that a client that leaves does not end what others wait for. If the upstream responds with status 401,
//! the token counts as revoked: a new one is fetched, and the request is sent once more.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout_at;
use url::form_urlencoded;

use super::address::{Address, basic};
use super::balancer::Balancer;
use super::body::Incoming;
use super::error::{LateError, TokenError, TransportError};
use super::outgoing::{OutgoingRequest, arriving};
use super::tls::{Tls, TlsError};
use super::{Repeat, TransportOptions};
use crate::model::text::shorten;

/// How many bytes the response of an authorization server may have.
const MAX_RESPONSE: usize = 64 << 10;
/// After a failure, and after a token that the upstream has refused, no other token is fetched for this time.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest time for which a token is kept, in seconds.
const MAX_LIFETIME: u64 = 30 * 24 * 60 * 60;

/// Where access tokens come from.
#[derive(Clone)]
pub struct OAuth2Options {
    /// The token endpoint of the authorization server.
    pub token_address: Address,
    /// The name of the client.
    pub client_id: String,
    /// Its password, which is sent in an `Authorization` header (RFC 6749, section 2.3.1).
    pub client_secret: String,
    /// What the token is to be used for; nothing in particular if empty.
    pub scopes: Vec<String>,
    /// The server that the token is for, if the authorization server asks for that.
    pub audience: Option<String>,
    /// The client's side of TLS, for an `https` endpoint.
    pub tls: Tls,
    /// The time limit for a token, from the connection to the end of the response (10 s by default).
    pub timeout: Duration,
}

impl OAuth2Options {
    /// A token endpoint, and the credentials for it.
    pub fn new(
        token_address: Address,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> OAuth2Options {
        OAuth2Options {
            token_address,
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            scopes: Vec::new(),
            audience: None,
            tls: Tls::default(),
            timeout: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for OAuth2Options {
    /// Omits the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Options").field("token_address", &self.token_address).finish_non_exhaustive()
    }
}

/// The tokens for one upstream.
pub(super) struct TokenSource {
    endpoint: Arc<TokenEndpoint>,
    current: Arc<ArcSwapOption<Token>>,
    /// Held while a token is fetched.
    fetching: Arc<Mutex<FetchState>>,
}

/// The authorization server, and the request for a token.
struct TokenEndpoint {
    servers: Balancer,
    authorization: HeaderValue,
    form: Bytes,
    timeout: Duration,
}

struct Token {
    authorization: HeaderValue,
    /// When a new one is fetched, while this one is still used.
    refresh: Option<Instant>,
    expiry: Option<Instant>,
}

#[derive(Default)]
struct FetchState {
    /// When the last token could not be fetched, and why.
    failure: Option<(Instant, TokenError)>,
    /// When a token was last fetched because the upstream has refused one.
    last_refused: Option<Instant>,
}

impl TokenSource {
    /// # Errors
    /// If the endpoint is `https` and TLS cannot be set up.
    pub(super) fn new(options: OAuth2Options) -> Result<TokenSource, TlsError> {
        let OAuth2Options { token_address, client_id, client_secret, scopes, audience, tls, timeout } = options;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !scopes.is_empty() {
            form.append_pair("scope", &scopes.join(" "));
        }
        if let Some(audience) = &audience {
            form.append_pair("audience", audience);
        }
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        // Neither has a colon or a control character once it is encoded.
        let authorization = basic(&encoded(&client_id), &encoded(&client_secret));
        let options = TransportOptions { tls, response: timeout, ..TransportOptions::default() };
        let endpoint = TokenEndpoint {
            servers: Balancer::new(vec![token_address], options)?,
            authorization: authorization.unwrap_or_else(|_| HeaderValue::from_static("")),
            form: form.finish().into(),
            timeout,
        };
        Ok(TokenSource { endpoint: Arc::new(endpoint), current: Arc::default(), fetching: Arc::default() })
    }

    /// Sends a request with a token; once more with a new one, if the upstream refuses the first.
    pub(super) async fn authorize<F>(
        &self,
        request: OutgoingRequest,
        deadline: Option<Instant>,
        send: impl Fn(OutgoingRequest) -> F,
    ) -> Result<Response<Incoming>, TransportError>
    where
        F: Future<Output = Result<Response<Incoming>, TransportError>>,
    {
        let token = within(deadline, self.token()).await??;
        let response = send(with_token(request.clone(), &token)).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        // What a client has sent of a body that is passed on is gone; the next request has the new token.
        let is_spent = arriving(&request).is_some_and(|body| body.has_begun());
        match within(deadline, self.token_after(&token)).await?? {
            Some(_) if is_spent => Ok(response),
            Some(other) => {
                drop(response);
                send(with_token(request, &other)).await
            }
            None => Ok(response),
        }
    }

    /// The current token, or a new one if there is none.
    async fn token(&self) -> Result<Arc<Token>, TransportError> {
        let now = Instant::now();
        if let Some(token) = self.current.load_full().filter(|token| !token.is_expired(now)) {
            if token.is_old(now)
                && let Ok(state) = self.fetching.clone().try_lock_owned()
                && state.failed_since(now.checked_sub(PAUSE)).is_none()
            {
                drop(tokio::spawn(self.fetch(state)));
            }
            return Ok(token);
        }
        let state = self.fetching.clone().lock_owned().await;
        // Another request may have fetched one meanwhile, or have found out that there is none.
        let found = self.current.load_full().filter(|token| !token.is_expired(Instant::now()));
        match (found, state.failed_since(now.checked_sub(PAUSE))) {
            (Some(token), _) => Ok(token),
            (None, Some(error)) => Err(TransportError::no_token(error.clone())),
            (None, None) => self.fetch_now(state).await,
        }
    }

    /// The token after one that the upstream has refused; `None` if a token was refused just before.
    async fn token_after(&self, refused: &Arc<Token>) -> Result<Option<Arc<Token>>, TransportError> {
        let now = Instant::now();
        let mut state = self.fetching.clone().lock_owned().await;
        if let Some(other) = self.current.load_full().filter(|token| !Arc::ptr_eq(token, refused)) {
            return Ok(Some(other));
        }
        // An upstream that refuses every token must not cause a request for a token with every call.
        let pause_begin = now.checked_sub(PAUSE);
        if state.last_refused.is_some() && state.last_refused > pause_begin {
            return Ok(None);
        }
        if let Some(error) = state.failed_since(pause_begin) {
            return Err(TransportError::no_token(error.clone()));
        }
        state.last_refused = Some(now);
        self.current.store(None);
        self.fetch_now(state).await.map(Some)
    }

    async fn fetch_now(&self, state: OwnedMutexGuard<FetchState>) -> Result<Arc<Token>, TransportError> {
        let fetched = tokio::spawn(self.fetch(state)).await;
        let fetched = fetched.unwrap_or_else(|_| Err(TokenError::new("the request for it has been given up")));
        fetched.map_err(TransportError::no_token)
    }

    /// Fetches a token, and notes it or why there is none. Others that need one wait for `state`.
    fn fetch(
        &self,
        mut state: OwnedMutexGuard<FetchState>,
    ) -> impl Future<Output = Result<Arc<Token>, TokenError>> + Send + use<> {
        let (endpoint, current) = (self.endpoint.clone(), self.current.clone());
        async move {
            match endpoint.fetch().await {
                Ok(token) => {
                    let token = Arc::new(token);
                    state.failure = None;
                    current.store(Some(token.clone()));
                    Ok(token)
                }
                Err(error) => {
                    state.failure = Some((Instant::now(), error.clone()));
                    Err(error)
                }
            }
        }
    }
}

impl FetchState {
    /// Why the last token could not be fetched, if that was after `since`.
    fn failed_since(&self, since: Option<Instant>) -> Option<&TokenError> {
        self.failure.as_ref().filter(|(at, _)| Some(*at) > since).map(|(_, error)| error)
    }
}

impl Token {
    fn is_old(&self, now: Instant) -> bool {
        self.refresh.is_some_and(|refresh| refresh <= now)
    }

    fn is_expired(&self, now: Instant) -> bool {
        self.expiry.is_some_and(|expiry| expiry <= now)
    }
}

fn with_token(mut request: OutgoingRequest, token: &Token) -> OutgoingRequest {
    request.headers_mut().insert(header::AUTHORIZATION, token.authorization.clone());
    request
}

/// What a future returns before the deadline of a call.
async fn within<F: Future>(deadline: Option<Instant>, future: F) -> Result<F::Output, TransportError> {
    match deadline {
        None => Ok(future.await),
        Some(deadline) => {
            timeout_at(deadline.into(), future).await.map_err(|_| TransportError::withheld(LateError::Deadline))
        }
    }
}

/// The response of an authorization server (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<serde_json::Value>,
}

/// Its error (RFC 6749, section 5.2).
#[derive(Deserialize)]
struct ErrorResponse {
    error: String,
}

impl TokenEndpoint {
    async fn fetch(&self) -> Result<Token, TokenError> {
        let mut request = Request::new(self.form.clone());
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.form.len()));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        let begun = Instant::now();
        let deadline = begun.checked_add(self.timeout);
        let unreached = |error: TransportError| TokenError {
            reason: match error.is_late() {
                true => format!("the authorization server did not respond within {:?}", self.timeout),
                false => format!("the authorization server cannot be used: {}", error.reason()),
            },
            detail: error.to_string(),
        };
        // Two tokens do no harm.
        let sent = self
            .servers
            .send(Box::new(request), Repeat::Harmless, deadline.map(Into::into))
            .await
            .map_err(unreached)?;
        let (head, body) = sent.into_parts();
        let body = body.with_deadline(deadline).collect(MAX_RESPONSE).await.map_err(unreached)?;
        if head.status != StatusCode::OK {
            return Err(refused(head.status, &body));
        }
        // Messages repeat nothing of the response, which may have a token.
        let response = serde_json::from_slice(&body)
            .map_err(|_| TokenError::new("the response of the authorization server has no `access_token`"))?;
        token(response, begun)
    }
}

fn token(response: TokenResponse, begun: Instant) -> Result<Token, TokenError> {
    let TokenResponse { access_token, token_type, expires_in } = response;
    if token_type.is_some_and(|name| !name.eq_ignore_ascii_case("bearer")) {
        return Err(TokenError::new("the authorization server has returned a token that is not of the type `Bearer`"));
    }
    // RFC 6750, section 2.1.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    let authorization = HeaderValue::from_str(&format!("Bearer {access_token}")).ok();
    let valid = authorization.filter(|_| !access_token.is_empty() && access_token.bytes().all(is_token));
    let mut authorization =
        valid.ok_or_else(|| TokenError::new("the authorization server has returned a malformed token"))?;
    authorization.set_sensitive(true);
    // Some servers write the number as a text.
    let seconds = expires_in.and_then(|value| match value {
        serde_json::Value::String(text) => text.trim().parse().ok(),
        number => number.as_u64(),
    });
    let lifetime = seconds.map(|seconds: u64| Duration::from_secs(seconds.min(MAX_LIFETIME)));
    let after = |time: Duration| begun.checked_add(time);
    let refresh = lifetime.and_then(|lifetime| after(lifetime * 4 / 5));
    Ok(Token { authorization, refresh, expiry: lifetime.and_then(after) })
}

/// The error for a response with another status than 200. Its code is for the log.
fn refused(status: StatusCode, body: &[u8]) -> TokenError {
    let reason = format!("the authorization server responded with HTTP status {status}");
    let detail = match serde_json::from_slice(body) {
        Ok(ErrorResponse { error }) => format!("{reason}: {}", shorten(&error, 100)),
        Err(_) => reason.clone(),
    };
    TokenError { reason, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Token, String> {
        token(serde_json::from_str(text).unwrap(), Instant::now()).map_err(|error| error.reason)
    }

    #[test]
    fn a_token_is_kept_for_as_long_as_it_says() {
        for (text, seconds) in [
            (r#"{"access_token":"t0k~","token_type":"bearer","expires_in":3600}"#, Some(3600)),
            (r#"{"access_token":"t0k~","token_type":"Bearer","expires_in":"60"}"#, Some(60)),
            (r#"{"access_token":"t0k~","expires_in":18446744073709551615}"#, Some(MAX_LIFETIME)),
            (r#"{"access_token":"t0k~","expires_in":0}"#, Some(0)),
            (r#"{"access_token":"t0k~"}"#, None),
            (r#"{"access_token":"t0k~","expires_in":-1}"#, None),
        ] {
            let begun = Instant::now();
            let token = parsed(text).unwrap();
            assert_eq!(token.authorization, "Bearer t0k~");
            assert!(token.authorization.is_sensitive());
            let Some(seconds) = seconds else {
                assert!(token.refresh.is_none() && token.expiry.is_none(), "{text}");
                continue;
            };
            let lifetime = Duration::from_secs(seconds);
            assert!(!token.is_old(begun + lifetime * 3 / 4) || seconds == 0, "{text}");
            assert!(token.is_old(Instant::now() + lifetime * 5 / 6) && token.is_expired(Instant::now() + lifetime));
            assert!(!token.is_expired(begun + lifetime * 9 / 10) || seconds == 0, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_bearer_token_is_refused() {
        for (text, reason) in [
            (r#"{"access_token":"t","token_type":"mac"}"#, "not of the type `Bearer`"),
            (r#"{"access_token":""}"#, "malformed"),
            (r#"{"access_token":"a b"}"#, "malformed"),
            (r#"{"access_token":"a\r\nX: b"}"#, "malformed"),
        ] {
            let error = parsed(text).err().unwrap();
            assert!(error.contains(reason), "{error}");
        }
    }
}
