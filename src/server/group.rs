//! A group, as requests are dispatched to it, and the choice of the frontend that serves a request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::http::audience::Audience;
use crate::http::cors::Cors;
use crate::http::rejection::HttpRejection;
use crate::model::interface::Interface;
use crate::model::text::abridge;
use crate::protocol::Protocol;
use crate::protocol::frontend::{Claim, Frontend, GroupHead, Streaming};
use crate::server::admission::{GroupLoad, refusing_service};
use crate::server::auth::GroupAuth;
use crate::server::protected_resource::ProtectedResources;
use crate::service::access::AccessRules;
use crate::service::limiter::LimiterState;
use crate::service::{Context, RpcService};
use crate::upstream::Upstream;

/// One URL path, and its aliases, with one service and the frontends over which it is reached.
pub struct Group {
    /// The path under which the group is known.
    pub path: String,
    /// The service that its calls go to.
    pub service: Arc<dyn RpcService>,
    /// The frontends over which it is reached. The first that claims a request serves it.
    pub frontends: Vec<Arc<dyn Frontend>>,
    /// How many bytes the body of a request may have, both as sent and after decompression (`limits.body`).
    pub body_limit: usize,
    /// Who may send requests; `None` if anyone may.
    pub auth: Option<Arc<GroupAuth>>,
    /// The OAuth resources of the group; `None` if it has none.
    pub(super) protected_resources: Option<Arc<ProtectedResources>>,
    /// The access rules, by which a refusal names the scope that a token lacks.
    pub(super) access: Option<Arc<AccessRules>>,
    /// Which pages of other origins may call; `None` if none may.
    pub(super) cors: Option<Arc<Cors>>,
    /// Whether each caller sees only the methods that this caller may call.
    pub(super) varies_by_caller: bool,
    /// How long a call may take; `None` if only the service itself limits it.
    pub(super) deadline: Option<Duration>,
    /// The headers of a request that its calls have in their context.
    pub(super) request_headers: Vec<HeaderName>,
    /// Whether its calls have the URL of the request in their context.
    pub(super) reads_request_target: bool,
    /// Whether its calls may add headers to the response.
    pub(super) sets_response_headers: bool,
    /// The upstream for whose first discovery calls wait, if the group has one.
    pub(super) upstream: Option<Upstream>,
    /// The upstreams of the groups whose tools are at its path, each with the deadline of its group: how long a request waits for
    /// the first discovery.
    pub(super) joined_upstreams: Vec<(Upstream, Duration)>,
    /// The permits of its calls, and where requests and calls are counted; `None` if it is no group of its own, such as the
    /// directory.
    pub(super) limiter: Option<LimiterState>,
    /// The calls of the group that run.
    pub(super) load: Arc<GroupLoad>,
    /// Whether nothing is mounted at its path: it is the directory at `/`.
    pub(super) is_directory: bool,
}

impl Group {
    /// A group. The headers that its calls have in their context are those that the service asks for now: if the service
    /// changes its interface, make another group.
    pub fn new(
        path: impl Into<String>,
        service: Arc<dyn RpcService>,
        frontends: Vec<Arc<dyn Frontend>>,
        body_limit: usize,
    ) -> Group {
        let interface = service.interface();
        let request_headers = interface.request_headers.clone();
        let Interface { reads_request_target, sets_response_headers, .. } = *interface;
        Group {
            path: path.into(),
            service,
            frontends,
            body_limit,
            auth: None,
            protected_resources: None,
            access: None,
            cors: None,
            varies_by_caller: false,
            deadline: None,
            upstream: None,
            joined_upstreams: Vec::new(),
            limiter: None,
            request_headers,
            reads_request_target,
            sets_response_headers,
            load: Arc::default(),
            is_directory: false,
        }
    }

    /// The headers of a request that the calls of the group have in their context, with all their values.
    pub(super) fn select_headers(&self, headers: &HeaderMap) -> HeaderMap {
        let mut selected = HeaderMap::new();
        for name in &self.request_headers {
            for value in headers.get_all(name) {
                selected.append(name, value.clone());
            }
        }
        selected
    }
}

impl Group {
    /// A service that refuses each call of the group by this caller as busy.
    pub(super) fn refusing_service(&self, caller: &Context, reason: &'static str) -> Arc<dyn RpcService> {
        refusing_service(self.service.as_ref(), caller, self.limiter.as_ref(), reason)
    }

    /// Refuses the query of a call that an upstream would not get. `?wsdl` is the address of a document, to which some clients
    /// send their calls, too.
    pub(super) fn check_query(&self, head: &Parts, protocol: Protocol) -> Result<(), HttpRejection> {
        let Some(query) = head.uri.query().filter(|query| !query.is_empty()) else { return Ok(()) };
        let has_no_use = matches!(protocol, Protocol::XmlRpc | Protocol::JsonRpc | Protocol::Soap);
        let is_lost = self.upstream.as_ref().is_some_and(|upstream| !upstream.passes_query());
        let names_document = query.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("wsdl"));
        if head.method != Method::POST || !has_no_use || !is_lost || names_document {
            return Ok(());
        }
        let reason =
            "the query of the URL is not passed on to the upstream server: `pass-query` of the group would do so";
        Err(HttpRejection::new(StatusCode::BAD_REQUEST, reason))
    }

    /// Waits until the upstream of the group, if it has one, has been asked for its description for the first time. Returns
    /// how long that took.
    pub(super) async fn wait_for_description(&self) -> Duration {
        match &self.upstream {
            Some(upstream) if upstream.is_in_first_discovery() => {
                let begun = Instant::now();
                // Boxed, because it is rare: otherwise the future of each request would be larger.
                Box::pin(upstream.wait_for_first_discovery(self.deadline.unwrap_or(Duration::MAX))).await;
                begun.elapsed()
            }
            None if self.joined_upstreams.iter().any(|(upstream, _)| upstream.is_in_first_discovery()) => {
                Box::pin(self.wait_for_joined()).await;
                // No deadline covers this wait: only the body says which group is called.
                Duration::ZERO
            }
            _ => Duration::ZERO,
        }
    }

    /// Waits until each of the joined upstreams has been discovered for the first time, or the deadline of its group has passed.
    async fn wait_for_joined(&self) {
        let begun = Instant::now();
        // They are discovered at the same time, so all deadlines begin now.
        for (upstream, deadline) in &self.joined_upstreams {
            upstream.wait_for_first_discovery(deadline.saturating_sub(begun.elapsed())).await;
        }
    }
}

/// The first frontend that claims a request by its head.
pub(super) struct ClaimedRequest<'g> {
    pub(super) frontend: &'g Arc<dyn Frontend>,
    /// Its index among the group's frontends for the audience.
    index: usize,
    claim: Claim,
}

impl<'g> ClaimedRequest<'g> {
    /// How the frontend passes the body of the request on while it arrives, if it does.
    pub(super) fn streams(&self, group: &Group, head: &GroupHead<'_>) -> Option<Streaming> {
        (self.claim == Claim::Yes).then(|| self.frontend.streams(group.service.as_ref(), head)).flatten()
    }

    /// The frontend that serves the request, now that its body is known. If no frontend recognises the body, the first one
    /// refuses the request in its own form.
    pub(super) fn settle(self, group: &'g Group, head: &GroupHead<'_>, body: &[u8]) -> &'g Arc<dyn Frontend> {
        if self.claim == Claim::Yes {
            return self.frontend;
        }
        if self.frontend.recognises(head.parts, body) {
            return self.frontend;
        }
        let settled =
            group.for_audience(head.parts).skip(self.index + 1).find(|frontend| match frontend.claims(head) {
                Claim::No => false,
                Claim::Maybe => frontend.recognises(head.parts, body),
                Claim::Yes => true,
            });
        settled.unwrap_or(self.frontend)
    }
}

impl Group {
    /// The frontends for the audience of a request, which is an extension of its head; all of them if there is none.
    fn for_audience(&self, head: &Parts) -> impl Iterator<Item = &Arc<dyn Frontend>> {
        let audience = head.extensions.get::<Audience>().copied();
        self.frontends.iter().filter(move |frontend| match audience {
            None => true,
            Some(Audience::Pages) => frontend.is_page(),
            Some(Audience::Api) => !frontend.is_page(),
        })
    }

    /// Finds the first frontend that claims a request.
    ///
    /// # Errors
    /// 404, 405 or 415 if none does.
    pub(super) fn claim(&self, head: &GroupHead<'_>) -> Result<ClaimedRequest<'_>, HttpRejection> {
        let GroupHead { parts, tail, .. } = *head;
        for (index, frontend) in self.for_audience(parts).enumerate() {
            match frontend.claims(head) {
                Claim::No => {}
                claim => return Ok(ClaimedRequest { frontend, index, claim }),
            }
        }
        if parts.extensions.get() == Some(&Audience::Pages) {
            return Err(not_found(parts.uri.path()));
        }
        let interface = self.service.interface();
        let verbs = self.for_audience(parts).flat_map(|frontend| frontend.verbs(&interface, tail));
        let mut allow: Vec<Method> = verbs.cloned().collect();
        allow.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        allow.dedup();
        if allow.is_empty() {
            return Err(not_found(parts.uri.path()));
        }
        if !allow.contains(&parts.method) {
            let reason = format!("{} is not allowed here", abridge(parts.method.as_str()));
            return Err(HttpRejection { allow, ..HttpRejection::new(StatusCode::METHOD_NOT_ALLOWED, reason) });
        }
        Err(HttpRejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, self.media_types_reason(parts)))
    }

    /// The message that no protocol has the media type of a request, and which ones they have.
    fn media_types_reason(&self, parts: &Parts) -> String {
        let known = self
            .for_audience(parts)
            .filter(|frontend| !frontend.media_types().is_empty())
            .map(|frontend| format!("{} has {}", frontend.protocol().title(), frontend.media_types().join(" or ")));
        let known: Vec<String> = known.collect();
        if known.is_empty() {
            return "no protocol of this group has this Content-Type".to_owned();
        }
        format!("no protocol of this group has this Content-Type; {}", known.join(", "))
    }
}

/// 404: nothing is mounted at the path, or not for this audience.
pub(super) fn not_found(path: &str) -> HttpRejection {
    HttpRejection::new(StatusCode::NOT_FOUND, format!("nothing is at {}", abridge(path)))
}
