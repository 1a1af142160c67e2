//! One request's whole way, from its head to its response.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode, Version, header};
use tracing::Instrument as _;

use crate::http::audience::Audience;
use crate::http::body::Body;
use crate::http::compression::compress;
use crate::http::public_url::PublicUrl;
use crate::http::rejection::HttpRejection;
use crate::model::fault::Kind;
use crate::model::text::abridge;
use crate::protocol::frontend::{Claim, Frontend, FrontendResponse, GroupHead, GroupRequest};
use crate::server::access_log::REQUEST_ID;
use crate::server::group_router::{GroupRouter, MountError};
use crate::server::mount::Mounts;
use crate::server::request_body::BodyReader;
use crate::service::future::MaybeReady;
use crate::service::request_id::RequestId;
use crate::service::{Context, RpcService};

/// The span of a request.
///
/// A span costs more than a small call does, so there are two of them. The one around a call that is answered at once is
/// made only at the level `debug`. The one around a reply that is waited for is made at the level `warn`, so that each
/// warning about an upstream or an aggregate carries the id of its request.
macro_rules! request_span {
    ($level:expr, $labels:expr, $group:expr, $frontend:expr) => {
        tracing::span!(
            $level,
            "request",
            id = %$labels.request_id,
            group = $group.path,
            protocol = $frontend.protocol().name(),
            method = tracing::field::Empty,
            peer = $labels.peer.map(tracing::field::display),
        )
    };
}

/// One URL path, and its aliases, with one service and what is decided about its requests.
pub struct Group {
    /// The path under which the group is known.
    pub path: String,
    /// What answers its calls.
    pub service: Arc<dyn RpcService>,
    /// The protocols it is reached over; the first that claims a request answers it.
    pub frontends: Vec<Arc<dyn Frontend>>,
    /// How many bytes a request's body may have, as sent and as unpacked.
    pub body_limit: usize,
}

/// Dispatches requests to groups. Clones share their groups.
#[derive(Clone)]
pub struct Gateway {
    groups: Groups,
    body_reader: BodyReader,
    ids: Arc<RequestIds>,
    /// Whether responses come with an [`Outcome`] for the access log.
    observed: bool,
    /// Whether responses are packed for clients that offer to unpack them.
    compressing: bool,
}

/// The groups of a gateway, which can be replaced while it serves. A request keeps the group that it was dispatched to.
#[derive(Clone)]
pub(super) struct Groups(Arc<ArcSwap<Dispatch>>);

/// What is replaced as one: the groups, and which clients are trusted proxies.
struct Dispatch {
    router: GroupRouter<Arc<Group>>,
    public_url: Arc<PublicUrl>,
}

impl Groups {
    pub(super) fn replace(&self, router: GroupRouter<Arc<Group>>, public_url: Arc<PublicUrl>) {
        self.0.store(Arc::new(Dispatch { router, public_url }));
    }
}

/// A response, and what has become of the call.
pub struct GatewayResponse {
    /// The response.
    pub response: Response<Body>,
    /// What the access log says of a request that reached a group, if there is one.
    pub outcome: Option<Outcome>,
}

/// What the access log says of a request that reached a group.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The group's path.
    pub group: Box<str>,
    /// The method that was called; empty where the request did not say.
    pub method: Box<str>,
    /// Why the call has no answer, if it has none.
    pub fault: Option<Kind>,
}

impl Gateway {
    /// A gateway to groups that stay as they are. It trusts no proxy.
    pub fn new(router: GroupRouter<Arc<Group>>, body_reader: BodyReader) -> Gateway {
        Gateway::dispatching(Dispatch { router, public_url: Arc::default() }, body_reader)
    }

    /// A gateway to these mounts. A [`Runtime`](crate::server::runtime::Runtime) makes one that follows their upstreams.
    ///
    /// # Errors
    /// If a path is malformed, or is mounted twice.
    pub fn serving(mounts: &Mounts, body_reader: BodyReader) -> Result<Gateway, MountError> {
        let dispatch = Dispatch { router: mounts.router()?, public_url: mounts.public_url.clone() };
        Ok(Gateway::dispatching(dispatch, body_reader))
    }

    fn dispatching(dispatch: Dispatch, body_reader: BodyReader) -> Gateway {
        let groups = Groups(Arc::new(ArcSwap::from_pointee(dispatch)));
        Gateway { groups, body_reader, ids: Arc::default(), observed: false, compressing: false }
    }

    /// The handle by which a [`Runtime`](crate::server::runtime::Runtime) replaces the groups.
    pub(super) fn groups(&self) -> Groups {
        self.groups.clone()
    }

    /// The same gateway, which says for the access log what was called and how it ended.
    pub fn observed(self) -> Gateway {
        Gateway { observed: true, ..self }
    }

    /// The same gateway, which packs its responses with gzip for clients that offer to unpack them, or does not.
    pub fn compressing(self, compressing: bool) -> Gateway {
        Gateway { compressing, ..self }
    }

    /// The id for a new request: the `X-Request-Id` of a trusted proxy, or a new one.
    pub(super) fn request_id(&self, head: &Parts, peer: Option<SocketAddr>) -> RequestId {
        let received = head.headers.get(REQUEST_ID).filter(|_| self.groups.0.load().public_url.trusts(peer));
        received.and_then(RequestId::received).unwrap_or_else(|| self.ids.generate())
    }

    /// Serves one request. If its head has an [`Audience`] as an extension, only what is for that audience is found.
    ///
    /// This is what [`Server`](crate::server::Server) calls. Other HTTP servers call the gateway as a
    /// [tower service](tower_service::Service).
    pub async fn respond<B>(&self, head: &Parts, body: B, context: Context) -> GatewayResponse
    where
        B: http_body::Body<Data = Bytes>,
    {
        match self.dispatch(head, body, context).await {
            Ok(response) => response,
            Err(rejection) => rejection.into_response().into(),
        }
    }

    async fn dispatch<B>(&self, head: &Parts, body: B, context: Context) -> Result<GatewayResponse, HttpRejection>
    where
        B: http_body::Body<Data = Bytes>,
    {
        check_host(head)?;
        // `load` touches no shared reference count, for which the workers would contend.
        let dispatch = self.groups.0.load();
        let (group, tail) = find(&dispatch.router, head)?;
        let group_head = GroupHead::new(head, tail);
        let claim = group.claim(&group_head)?;
        let taken = match self.body_reader.take(head, body, group.body_limit).await {
            Ok(taken) => taken,
            Err(rejection) => return Ok(claim.frontend.refuse(rejection).into()),
        };
        let frontend = claim.settle(group, &group_head, &taken.bytes);
        let span = request_span!(tracing::Level::DEBUG, &context, group, frontend);
        // `context` moves into the closure of a large body; a later span needs the same fields.
        let labels = SpanLabels { request_id: context.request_id.clone(), peer: context.peer };
        let (reply, share) = match taken.share {
            None => {
                let request = GroupRequest { head, tail, body: &taken.bytes, context: &context };
                (span.in_scope(|| frontend.serve(&group.service, request)), None)
            }
            Some(share) => {
                let (service, frontend, head, tail) =
                    (group.service.clone(), frontend.clone(), head.clone(), tail.to_owned());
                let span = span.clone();
                let serve = move || {
                    let request = GroupRequest { head: &head, tail: &tail, body: &taken.bytes, context: &context };
                    (span.in_scope(|| frontend.serve(&service, request)), Some(share))
                };
                // Rare and large, so it is boxed: otherwise each request's future would have room for it.
                Box::pin(self.body_reader.memory.in_turn(serve)).await
            }
        };
        let mut replied = match reply {
            MaybeReady::Now(Some(replied)) => replied,
            pending => {
                let disabled = span.is_disabled();
                let span = if disabled { request_span!(tracing::Level::WARN, &labels, group, frontend) } else { span };
                let replied = pending.instrument(span.clone()).await;
                span.record("method", replied.method.as_ref());
                replied
            }
        };
        if self.compressing {
            replied.response = compress(&head.headers, replied.response);
        }
        if let Some(share) = share {
            replied.response.body_mut().hold(share);
        }
        let FrontendResponse { response, method, fault } = replied;
        let outcome = self.observed.then(|| Outcome { group: group.path.as_str().into(), method, fault });
        Ok(GatewayResponse { response, outcome })
    }
}

impl From<Response<Body>> for GatewayResponse {
    /// A response to a request that has called nothing.
    fn from(response: Response<Body>) -> GatewayResponse {
        GatewayResponse { response, outcome: None }
    }
}

/// What a span says of a request beside its group and protocol.
struct SpanLabels {
    request_id: RequestId,
    peer: Option<SocketAddr>,
}

/// The next ids of a process.
#[derive(Debug)]
struct RequestIds {
    /// Distinguishes the ids of this process from those of another.
    process: u32,
    last: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        RequestIds { process: rand::random(), last: AtomicU64::new(0) }
    }
}

impl RequestIds {
    fn generate(&self) -> RequestId {
        RequestId::Generated { process: self.process, number: 1 + self.last.fetch_add(1, Relaxed) }
    }
}

fn find<'g, 'p>(groups: &'g GroupRouter<Arc<Group>>, head: &'p Parts) -> Result<(&'g Group, &'p str), HttpRejection> {
    let path = head.uri.path();
    let found = groups.find(path).map_err(|_| {
        HttpRejection::new(StatusCode::BAD_REQUEST, "the path has dot segments, encoded slashes or a broken escape")
    })?;
    let (group, tail) = found.ok_or_else(|| not_found(path))?;
    Ok((group, tail))
}

/// The first face that a request may be for, by its head.
struct Claimed<'g> {
    frontend: &'g Arc<dyn Frontend>,
    /// Its place among the faces that are reached.
    at: usize,
    claim: Claim,
}

impl<'g> Claimed<'g> {
    /// The face that a request is for, now that its body is there; one that nobody recognises is the first face's to
    /// refuse.
    fn settle(self, group: &'g Group, head: &GroupHead<'_>, body: &[u8]) -> &'g Arc<dyn Frontend> {
        if self.claim == Claim::Yes {
            return self.frontend;
        }
        if self.frontend.recognises(head.parts, body) {
            return self.frontend;
        }
        let settled = group.admitting(head.parts).skip(self.at + 1).find(|frontend| match frontend.claims(head) {
            Claim::No => false,
            Claim::Maybe => frontend.recognises(head.parts, body),
            Claim::Yes => true,
        });
        settled.unwrap_or(self.frontend)
    }
}

impl Group {
    /// The faces that are reached where a request has come in: an extension of its head says so where not all are.
    fn admitting(&self, head: &Parts) -> impl Iterator<Item = &Arc<dyn Frontend>> {
        let only = head.extensions.get::<Audience>().copied();
        self.frontends.iter().filter(move |frontend| match only {
            None => true,
            Some(Audience::Pages) => frontend.is_page(),
            Some(Audience::Api) => !frontend.is_page(),
        })
    }

    fn claim(&self, head: &GroupHead<'_>) -> Result<Claimed<'_>, HttpRejection> {
        let GroupHead { parts, tail, .. } = *head;
        for (at, frontend) in self.admitting(parts).enumerate() {
            match frontend.claims(head) {
                Claim::No => {}
                claim => return Ok(Claimed { frontend, at, claim }),
            }
        }
        if parts.extensions.get() == Some(&Audience::Pages) {
            return Err(not_found(parts.uri.path()));
        }
        let interface = self.service.interface();
        let methods = self.admitting(parts).flat_map(|frontend| frontend.methods(&interface, tail));
        let mut allow: Vec<Method> = methods.cloned().collect();
        allow.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        allow.dedup();
        if allow.is_empty() {
            return Err(not_found(parts.uri.path()));
        }
        if !allow.contains(&parts.method) {
            let reason = format!("{} is not allowed here", abridge(parts.method.as_str()));
            return Err(HttpRejection { allow, ..HttpRejection::new(StatusCode::METHOD_NOT_ALLOWED, reason) });
        }
        Err(HttpRejection::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "no protocol spoken here has this Content-Type; XML-RPC and SOAP have text/xml, JSON-RPC application/json",
        ))
    }
}

fn not_found(path: &str) -> HttpRejection {
    HttpRejection::new(StatusCode::NOT_FOUND, format!("nothing is at {}", abridge(path)))
}

/// An HTTP/1.1 request has exactly one `Host` (RFC 9112, section 3.2), and no request has two.
fn check_host(head: &Parts) -> Result<(), HttpRejection> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next(), head.version) {
        (_, Some(_), _) => Err(HttpRejection::new(StatusCode::BAD_REQUEST, "the request has two Host headers")),
        (None, _, Version::HTTP_11) => {
            Err(HttpRejection::new(StatusCode::BAD_REQUEST, "the request has no Host header"))
        }
        (Some(host), ..) if host.as_bytes().iter().any(|byte| !is_host_byte(*byte)) => {
            Err(HttpRejection::new(StatusCode::BAD_REQUEST, "the Host header is malformed"))
        }
        _ => Ok(()),
    }
}

/// Whether a byte may stand in a host and port: what RFC 3986, section 3.2, allows there, mark-up not among it.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')')
        || matches!(byte, b'*' | b'+' | b',' | b';' | b'=' | b':' | b'[' | b']')
}
