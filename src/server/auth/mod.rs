//! Who calls: the authentication of requests before their bodies are read.
//!
//! An [`Authenticator`] finds out who has sent a request, by its head alone: there is one for each definition in
//! `[auth.NAME]`. A [`GroupAuth`] holds those that a group accepts, of which any suffices. The
//! [`Gateway`](crate::server::gateway::Gateway) asks it once for each request, when the protocol of the request is known, so
//! that a refusal is written in that protocol. The identity goes into the
//! [`Context`](crate::service::Context) of all calls of the request.
//!
//! | the request has | then |
//! |---|---|
//! | credentials of a known caller | it is served with the identity |
//! | credentials that are wrong | 401, also if the group needs no identity |
//! | no credentials | 401 if the group requires an identity, otherwise it is served without one |
//! | credentials that cannot be checked at the moment | 503 |
//!
//! ```
//! use std::sync::Arc;
//!
//! use croupier::server::auth::{Attempt, AuthRequest, Authenticator, GroupAuth, Verdict};
//! use croupier::server::mount::GroupMount;
//! use croupier::service::Identity;
//! # use croupier::service::local::Local;
//!
//! /// Believes a header, which a proxy sets.
//! struct ByProxy;
//!
//! impl Authenticator for ByProxy {
//!     fn name(&self) -> &str {
//!         "proxy"
//!     }
//!
//!     fn authenticate(&self, request: &AuthRequest<'_>) -> Attempt {
//!         Attempt::now(match request.head.headers.get("x-user").map(|name| name.to_str()) {
//!             Some(Ok(name)) => Verdict::Known(Arc::new(Identity::new(name))),
//!             Some(Err(_)) => Verdict::invalid("the name is not ASCII"),
//!             None => Verdict::Absent,
//!         })
//!     }
//! }
//! # let service = Local::new("Nothing", ()).build()?;
//! let mut group = GroupMount::new("/private", service);
//! group.auth = Some(Arc::new(GroupAuth::new(vec![Arc::new(ByProxy)], true)));
//! # Ok::<(), croupier::service::local::RegistrationError>(())
//! ```

pub mod api_key;
pub mod basic;
pub mod credentials;
pub mod forward;
pub mod jwks;
pub mod jwt;
pub mod mtls;
pub(crate) mod oauth;
pub mod unix;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::http::rejection::HttpRejection;
use crate::service::Identity;
use crate::service::future::MaybeReady;
use crate::service::log_throttle::LogThrottle;

/// What the authentication of a request may use of it.
#[derive(Debug, Clone, Copy)]
pub struct AuthRequest<'a> {
    /// The request line, the headers and the extensions.
    pub head: &'a Parts,
    /// The address of the client, behind trusted proxies too; `None` if it is not known.
    pub client: Option<IpAddr>,
}

/// What an [`Authenticator`] has found out.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// The request has no credentials of this kind.
    Absent,
    /// The credentials are those of this caller.
    Known(Arc<Identity>),
    /// The credentials are wrong.
    Invalid {
        /// Why, for the log. Clients do not see it: it would help those who guess.
        reason: String,
        /// What replaces [`Authenticator::challenge`] in the response; empty if nothing does.
        challenges: Vec<HeaderValue>,
    },
    /// The credentials cannot be checked at the moment. The text is for the log.
    Unavailable(String),
}

impl Verdict {
    /// The verdict that the credentials are wrong, with the reason for the log.
    pub fn invalid(reason: impl Into<String>) -> Verdict {
        Verdict::Invalid { reason: reason.into(), challenges: Vec::new() }
    }
}

/// A verdict, ready or pending.
pub type Attempt = MaybeReady<Verdict>;

/// Finds out who has sent a request.
pub trait Authenticator: Send + Sync + 'static {
    /// The name of the definition, which is also the realm of its challenge.
    fn name(&self) -> &str;

    /// Finds out who has sent a request. The attempt does not borrow the request.
    fn authenticate(&self, request: &AuthRequest<'_>) -> Attempt;

    /// The challenge by which a client learns of the credentials that it needs, for `WWW-Authenticate` (RFC 9110, section
    /// 11.6.1): after wrong credentials if `wrong`, otherwise after none. `None` if there is no scheme for them.
    fn challenge(&self, _wrong: bool) -> Option<HeaderValue> {
        None
    }

    /// The header in which a client sends the credentials; `None` if they are in none. Pages of other origins may send it if
    /// the group allows the origin.
    fn header(&self) -> Option<HeaderName> {
        None
    }

    /// All headers with credentials, which are not passed on to an upstream: [`header`](Authenticator::header), if there are no others.
    fn credential_headers(&self) -> Vec<HeaderName> {
        self.header().into_iter().collect()
    }

    /// The URLs of the authorization servers that issue the accepted tokens. Clients find them in the metadata of the resource (RFC
    /// 9728). Empty if there are none, or they are not known.
    fn authorization_servers(&self) -> &[String] {
        &[]
    }
}

/// The authentication of one group: any of several authenticators.
pub struct GroupAuth {
    authenticators: Vec<Arc<dyn Authenticator>>,
    required: bool,
    failures: LogThrottle,
}

/// Who has sent a request: an identity, or none if the group needs none. Otherwise the refusal.
pub(crate) type Authenticated = Result<Option<Arc<Identity>>, AuthRefusal>;

/// A refusal without challenges. [`GroupAuth::rejection`] adds them, because they name the resource that was requested.
pub(crate) struct AuthRefusal {
    rejection: HttpRejection,
    /// The credentials that are wrong.
    invalid: Vec<InvalidCredentials>,
}

/// Wrong credentials.
struct InvalidCredentials {
    /// The index of the authenticator that has refused them; `usize::MAX` if no authenticator has.
    index: usize,
    /// The challenges of that authenticator for this refusal; empty for its usual one.
    challenges: Vec<HeaderValue>,
}

/// What a client reads whose credentials are missing or wrong. It does not say which part of them is wrong.
const MISSING: &str = "this needs credentials, and the request has none";
const WRONG: &str = "the credentials of the request are not valid";
const UNCHECKED: &str = "the credentials of the request cannot be checked at the moment; try again later";

impl GroupAuth {
    /// Requests need the credentials of any of these. If `required`, requests without credentials are refused; otherwise they
    /// are served without an identity.
    pub fn new(authenticators: Vec<Arc<dyn Authenticator>>, required: bool) -> GroupAuth {
        GroupAuth { authenticators, required, failures: LogThrottle::default() }
    }

    /// The names of the definitions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.authenticators.iter().map(|authenticator| authenticator.name())
    }

    /// Whether each request needs an identity.
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Finds out who has sent a request to the group at `path`. The result is ready at once unless a password is hashed or
    /// another server is asked.
    pub(crate) fn authenticate(self: &Arc<Self>, request: &AuthRequest<'_>, path: &str) -> MaybeReady<Authenticated> {
        let mut found = Found::default();
        // Which of two would count is for each program to decide, so a proxy may have checked the other.
        if request.head.headers.get_all(header::AUTHORIZATION).iter().nth(1).is_some() {
            found.invalid.push(InvalidCredentials { index: usize::MAX, challenges: Vec::new() });
            found.reason = Some("the request has two Authorization headers".to_owned());
            return MaybeReady::now(self.finish(found, request.client, path));
        }
        let mut pending = Vec::new();
        for (index, authenticator) in self.authenticators.iter().enumerate() {
            match authenticator.authenticate(request) {
                MaybeReady::Now(Some(Verdict::Known(identity))) => return MaybeReady::now(Ok(Some(identity))),
                MaybeReady::Now(verdict) => found.add(index, verdict.unwrap_or(Verdict::Absent)),
                MaybeReady::Later(attempt) => pending.push((index, attempt)),
            }
        }
        if pending.is_empty() {
            return MaybeReady::now(self.finish(found, request.client, path));
        }
        let (auth, client, path) = (self.clone(), request.client, path.to_owned());
        MaybeReady::later(async move {
            for (index, attempt) in pending {
                match attempt.await {
                    Verdict::Known(identity) => return Ok(Some(identity)),
                    verdict => found.add(index, verdict),
                }
            }
            auth.finish(found, client, &path)
        })
    }

    /// What becomes of a request none of whose credentials are those of a known caller.
    fn finish(&self, found: Found, client: Option<IpAddr>, path: &str) -> Authenticated {
        let Found { invalid, reason, unavailable } = found;
        if let Some(reason) = unavailable {
            let path = path.to_owned();
            self.failures.log(move |count| {
                tracing::warn!(group = path, reason, count, "the credentials of a request cannot be checked");
            });
            let rejection = HttpRejection::new(StatusCode::SERVICE_UNAVAILABLE, UNCHECKED);
            return Err(AuthRefusal { rejection, invalid: Vec::new() });
        }
        if let Some(reason) = reason {
            let (path, client) = (path.to_owned(), client.map(tracing::field::display));
            self.failures.log(move |count| {
                tracing::info!(group = path, client, reason, count, "the credentials of a request are not valid");
            });
        } else if !self.required {
            return Ok(None);
        }
        let is_wrong = !invalid.is_empty();
        let rejection = HttpRejection::new(StatusCode::UNAUTHORIZED, if is_wrong { WRONG } else { MISSING });
        Err(AuthRefusal { rejection, invalid })
    }

    /// Adds the challenges to a refusal. `metadata` is the URL of the metadata of the requested resource, if it has any.
    pub(crate) fn rejection(&self, refusal: AuthRefusal, metadata: Option<&str>) -> HttpRejection {
        let AuthRefusal { rejection, invalid } = refusal;
        if rejection.status != StatusCode::UNAUTHORIZED {
            return rejection;
        }
        HttpRejection { challenges: self.challenges(&invalid, metadata), ..rejection }
    }

    /// The challenges of all authenticators. Those whose credentials were wrong may have given their own.
    fn challenges(&self, wrong: &[InvalidCredentials], metadata: Option<&str>) -> Vec<HeaderValue> {
        let challenges = self.authenticators.iter().enumerate().flat_map(|(index, authenticator)| {
            let mut challenges = match wrong.iter().find(|wrong| wrong.index == index) {
                Some(wrong) if !wrong.challenges.is_empty() => wrong.challenges.clone(),
                wrong => authenticator.challenge(wrong.is_some()).into_iter().collect(),
            };
            if let Some(metadata) = metadata.filter(|_| !authenticator.authorization_servers().is_empty()) {
                oauth::add_metadata(&mut challenges, authenticator.name(), metadata);
            }
            challenges
        });
        challenges.collect()
    }

    /// Adds the challenges to a response with status 401 that has none.
    pub(crate) fn challenge(&self, headers: &mut HeaderMap, metadata: Option<&str>) {
        if !headers.contains_key(header::WWW_AUTHENTICATE) {
            for challenge in self.challenges(&[], metadata) {
                headers.append(header::WWW_AUTHENTICATE, challenge);
            }
        }
    }

    /// Adds a challenge to a response with status 403 that names the scope that the token of the caller lacks, if the group
    /// accepts tokens.
    pub(crate) fn challenge_scope(&self, headers: &mut HeaderMap, scope: &str, metadata: Option<&str>) {
        let takes_tokens =
            |auth: &&Arc<dyn Authenticator>| auth.challenge(false).as_ref().is_some_and(oauth::is_bearer);
        let has_server = |auth: &&Arc<dyn Authenticator>| !auth.authorization_servers().is_empty();
        let with_server = self.authenticators.iter().find(has_server);
        let Some(auth) = with_server.or_else(|| self.authenticators.iter().find(takes_tokens)) else { return };
        headers.extend(
            oauth::insufficient_scope(auth.name(), scope, metadata)
                .map(|challenge| (header::WWW_AUTHENTICATE, challenge)),
        );
    }

    /// The authorization servers of all authenticators, each once.
    pub(crate) fn authorization_servers(&self) -> Vec<String> {
        let mut issuers: Vec<String> = Vec::new();
        for issuer in self.authenticators.iter().flat_map(|authenticator| authenticator.authorization_servers()) {
            if !issuers.contains(issuer) {
                issuers.push(issuer.clone());
            }
        }
        issuers
    }

    /// The headers in which clients send their credentials.
    pub(crate) fn headers(&self) -> Vec<HeaderName> {
        self.authenticators.iter().filter_map(|authenticator| authenticator.header()).collect()
    }

    /// All headers with credentials for croupier itself.
    pub(crate) fn credential_headers(&self) -> Vec<HeaderName> {
        self.authenticators.iter().flat_map(|authenticator| authenticator.credential_headers()).collect()
    }
}

impl fmt::Debug for GroupAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.authenticators.iter().map(|authenticator| authenticator.name()).collect();
        f.debug_struct("GroupAuth").field("authenticators", &names).field("required", &self.required).finish()
    }
}

/// What the authenticators have found that know no caller.
#[derive(Default)]
struct Found {
    invalid: Vec<InvalidCredentials>,
    /// Why the first of them are wrong.
    reason: Option<String>,
    unavailable: Option<String>,
}

impl Found {
    fn add(&mut self, index: usize, verdict: Verdict) {
        match verdict {
            Verdict::Absent | Verdict::Known(_) => {}
            Verdict::Invalid { reason, challenges } => {
                self.invalid.push(InvalidCredentials { index, challenges });
                self.reason.get_or_insert(reason);
            }
            Verdict::Unavailable(reason) => drop(self.unavailable.get_or_insert(reason)),
        }
    }
}
