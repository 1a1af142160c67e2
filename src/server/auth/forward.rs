//! Another server decides: it gets the headers with credentials and says who the caller is, as `forward_auth` of Caddy,
//! `ForwardAuth` of Traefik and `auth_request` of nginx ask it.
//!
//! | its response | then |
//! |---|---|
//! | 2xx with the header of the name | the caller is known |
//! | 401 or 403 | the credentials are wrong; its `WWW-Authenticate` is passed on |
//! | anything else, or none | 503 |
//!
//! A request without any of the headers is not worth a question: it has no credentials.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};

use super::credentials::{Tag, VerifiedCache, is_name};
use super::{Attempt, AuthRequest, Authenticator, Verdict};
use crate::http::public_url::X_FORWARDED_FOR;
use crate::service::Identity;
use crate::upstream::transport::{Repeat, Transport};

/// The kind of these credentials in an identity.
const KIND: &str = "forward";
/// How many callers are remembered.
const MOST_REMEMBERED: usize = 4096;
/// How many bytes of a response are read. Only its head counts.
const MAX_RESPONSE: usize = 64 << 10;
/// How many challenges of a response are passed on.
const MOST_CHALLENGES: usize = 4;

const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");

/// Which server is asked, and how.
#[derive(Debug)]
pub struct ForwardSettings {
    /// The name of the definition.
    pub name: String,
    /// The server.
    pub transport: Transport,
    /// How long its response may take.
    pub timeout: Duration,
    /// The headers of a request that are passed on.
    pub headers: Vec<HeaderName>,
    /// The header of a response with the name of the caller.
    pub name_header: HeaderName,
    /// The header of a response with the roles of the caller, with commas between them.
    pub roles_header: HeaderName,
    /// For how long a caller who is known is not asked about again.
    pub cache: Duration,
    /// The URLs of the authorization servers whose tokens the server accepts, for the metadata of the resource (RFC 9728).
    pub authorization_servers: Vec<String>,
}

/// Callers whom another server knows.
#[derive(Clone)]
pub struct ForwardAuth(Arc<Shared>);

struct Shared {
    settings: ForwardSettings,
    known: VerifiedCache<Arc<Identity>>,
}

impl fmt::Debug for ForwardAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.settings.fmt(f)
    }
}

impl ForwardAuth {
    /// The definition with these settings. `None` if the system has no random numbers.
    pub fn new(settings: ForwardSettings) -> Option<ForwardAuth> {
        let known = VerifiedCache::new(settings.cache, MOST_REMEMBERED)?;
        Some(ForwardAuth(Arc::new(Shared { settings, known })))
    }
}

impl Authenticator for ForwardAuth {
    fn name(&self) -> &str {
        &self.0.settings.name
    }

    fn authenticate(&self, request: &AuthRequest<'_>) -> Attempt {
        let settings = &self.0.settings;
        let mut headers = HeaderMap::new();
        for name in &settings.headers {
            for value in request.head.headers.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        if headers.is_empty() {
            return Attempt::now(Verdict::Absent);
        }
        // The server may decide by these too, so they are a part of the tag. Those that the client has sent are replaced.
        let client = request.client.map(|client| client.to_string()).unwrap_or_default();
        let (method, uri) = (request.head.method.as_str(), request.head.uri.path_and_query());
        let uri = uri.map_or("/", |uri| uri.as_str());
        let facts = [(X_ORIGINAL_METHOD, method), (X_ORIGINAL_URI, uri), (X_FORWARDED_FOR, client.as_str())];
        for (name, value) in facts {
            // Of what is not known the client says nothing either.
            headers.remove(&name);
            match HeaderValue::from_str(value) {
                Ok(_) if value.is_empty() => {}
                Ok(value) => drop(headers.insert(name, value)),
                Err(_) => return Attempt::now(Verdict::invalid("the URL has characters that no header can have")),
            }
        }
        let parts = headers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
        let tag = self.0.known.tag(parts);
        if let Some(identity) = self.0.known.get(&tag) {
            return Attempt::now(Verdict::Known(identity));
        }
        let shared = self.0.clone();
        Attempt::later(async move { shared.ask(headers, tag).await })
    }

    fn header(&self) -> Option<HeaderName> {
        // Cookies cannot be allowed to pages of other origins.
        self.0.settings.headers.iter().find(|name| **name != header::COOKIE).cloned()
    }

    fn credential_headers(&self) -> Vec<HeaderName> {
        self.0.settings.headers.clone()
    }

    fn authorization_servers(&self) -> &[String] {
        &self.0.settings.authorization_servers
    }
}

impl Shared {
    async fn ask(&self, headers: HeaderMap, tag: Tag) -> Verdict {
        let mut request = Request::new(Bytes::new());
        *request.headers_mut() = headers;
        let transport = &self.settings.transport;
        let deadline = Instant::now().checked_add(self.settings.timeout);
        match transport.exchange(request, Repeat::Harmless, MAX_RESPONSE, deadline).await {
            Ok(response) => {
                let verdict = self.verdict(&response);
                if let Verdict::Known(identity) = &verdict {
                    self.known.insert(tag, identity.clone());
                }
                verdict
            }
            Err(error) => Verdict::Unavailable(format!("the server that knows the callers: {error}")),
        }
    }

    fn verdict(&self, response: &Response<Bytes>) -> Verdict {
        let (status, headers) = (response.status(), response.headers());
        if matches!(status.as_u16(), 401 | 403) {
            let challenges = headers.get_all(header::WWW_AUTHENTICATE).iter().take(MOST_CHALLENGES).cloned().collect();
            return Verdict::Invalid {
                reason: format!("the server that knows the callers responds with {status}"),
                challenges,
            };
        }
        if !status.is_success() {
            return Verdict::Unavailable(format!("the server that knows the callers responds with {status}"));
        }
        let text = |name: &HeaderName| headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        let Some(name) = text(&self.settings.name_header).map(str::trim).filter(|name| is_name(name)) else {
            let name = &self.settings.name_header;
            return Verdict::Unavailable(format!("the server that knows the callers gives no name in {name}"));
        };
        let roles = text(&self.settings.roles_header).unwrap_or_default().split(',').map(str::trim);
        let roles = roles.filter(|role| is_name(role)).map(str::to_owned).collect();
        Verdict::Known(Arc::new(Identity { roles, proven_by: KIND, ..Identity::new(name) }))
    }
}
