//! The gateway: dispatches a request to its group and frontend, reads its body, and returns the response.
//!
//! The way of a request: check `Host`; find the group by path ([`GroupRouter`]); respond to a preflight request of a page of
//! another origin (`CorsGrant`); let the group's frontends claim the head ([`Group`]); find out who calls ([`GroupAuth`](super::auth::GroupAuth)); read
//! the body ([`BodyReader`]); if the head left it open, let the body decide between frontends; serve. A large body is parsed on
//! a blocking thread.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as _;
use tracing::Instrument as _;

use crate::http::audience::Audience;
use crate::http::body::Body;
use crate::http::compression::compress;
use crate::http::cors::{CorsGrant, is_preflight};
use crate::http::public_url::PublicUrl;
use crate::http::rejection::HttpRejection;
use crate::model::fault::BoxError;
use crate::protocol::frontend::{
    CallStillRunning, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest, STOPPING, Streaming,
    UnreadRequest,
};
use crate::server::access_log::REQUEST_ID;
use crate::server::activity::Activity;
use crate::server::admission::{Admission, Admitted, OwnedAdmitted};
use crate::server::clients::{ClientAccount, Clients, Resource};
use crate::server::connection_count::ListenerCounts;
use crate::server::group::{ClaimedRequest, not_found};
use crate::server::group_router::{GroupRouter, MountError};
use crate::server::head_checks::{
    CLIENT_BUSY, check_before_body, check_host, check_known_host, cross_origin_refusal, redirect_to_https,
};
use crate::server::mount::Mounts;
use crate::server::refusal_page::{is_shown, show};
use crate::server::request_body::{ArrivalLimits, BodyMemory, BodyReader, ReadBody};
use crate::server::request_context::{
    authenticate, begin_call, note_claim, note_protocol, note_request, note_stated_time,
};
use crate::server::request_ids::RequestIds;
use crate::server::response_rules::{conclude, ending, hold_memory, note_response, refuse_result, reserve_whole};
use crate::server::settings::ServerSettings;
use crate::server::stop::CallStop;
use crate::server::streamed_body::{ArrivingBody, StreamedRequest};
use crate::server::tracer::Tracer;
use crate::service::counters::{Ending, Meter, MeteredRequest};
use crate::service::current_request::{CurrentRequest, log_span};
use crate::service::future::MaybeReady;
use crate::service::limiter::LimiterState;
use crate::service::memory_pool::MemoryPool;
use crate::service::request_id::RequestId;
use crate::service::spans::SpanCounts;
use crate::service::{Context, RpcService};

pub use super::access_log::Outcome;
pub use super::group::Group;

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

/// Dispatches requests to groups. Clones share their groups.
#[derive(Clone)]
pub struct Gateway {
    groups: Groups,
    body_reader: BodyReader,
    arrival_limits: Arc<ArrivalLimits>,
    admission: Arc<Admission>,
    clients: Arc<Clients>,
    stop: Arc<CallStop>,
    ids: Arc<RequestIds>,
    /// Where requests are counted that reach no group.
    others: Arc<Meter>,
    listeners: Arc<ListenerCounts>,
    /// Whether responses come with an [`Outcome`] for the access log.
    observed: bool,
    /// Whether responses are compressed for clients that accept it.
    compressing: Arc<AtomicBool>,
    /// What has become of the spans of requests; `None` if they have none.
    spans: Option<Arc<SpanCounts>>,
}

/// Where a request comes from.
#[derive(Clone, Copy)]
pub(super) struct RequestSender<'a> {
    pub(super) client: &'a Arc<ClientAccount>,
    /// Whether the client has no more requests than its share.
    pub(super) within_share: bool,
    /// The connection of the request; `None` if another HTTP server has accepted it.
    pub(super) connection: Option<&'a Activity>,
}

/// The groups of a gateway, which can be replaced while it serves. A request keeps the group to which it was dispatched.
#[derive(Clone)]
pub(super) struct Groups(Arc<ArcSwap<Dispatch>>);

/// The groups and the trusted proxies, which are replaced together.
struct Dispatch {
    router: GroupRouter<Arc<Group>>,
    public_url: Arc<PublicUrl>,
    /// What the groups were built from.
    mounts: Arc<Mounts>,
}

impl Groups {
    /// Replaces the groups by a router that was built from these mounts.
    pub(super) fn replace(&self, router: GroupRouter<Arc<Group>>, mounts: Mounts) {
        mounts.resolve_counters();
        self.0.store(Arc::new(Dispatch { router, public_url: mounts.public_url.clone(), mounts: Arc::new(mounts) }));
    }
}

/// A response, and the outcome of its call.
pub struct GatewayResponse {
    /// The response.
    pub response: Response<Body>,
    /// What the access log says of the request; `None` if it reached no group or the gateway is not observed.
    pub outcome: Option<Outcome>,
    /// The measurement of the request, which ends when the response has been sent.
    pub(super) metered: MeteredRequest,
}

impl Gateway {
    /// A gateway to groups that never change. It trusts no proxy.
    pub fn new(router: GroupRouter<Arc<Group>>, body_reader: BodyReader) -> Gateway {
        Gateway::dispatching(Dispatch { router, public_url: Arc::default(), mounts: Arc::default() }, body_reader)
    }

    /// A gateway to these mounts. A [`Runtime`](crate::server::runtime::Runtime) makes one that follows their upstreams.
    ///
    /// # Errors
    /// If a path is malformed, or is mounted twice.
    pub fn serving(mounts: &Mounts, body_reader: BodyReader) -> Result<Gateway, MountError> {
        let (router, public_url) = (mounts.router()?, mounts.public_url.clone());
        let dispatch = Dispatch { router, public_url, mounts: Arc::new(mounts.clone()) };
        Ok(Gateway::dispatching(dispatch, body_reader))
    }

    fn dispatching(dispatch: Dispatch, body_reader: BodyReader) -> Gateway {
        let groups = Groups(Arc::new(ArcSwap::from_pointee(dispatch)));
        let settings = ServerSettings::default();
        Gateway {
            groups,
            arrival_limits: Arc::new(ArrivalLimits::of(&body_reader)),
            body_reader,
            admission: Arc::new(Admission::new(settings.in_flight)),
            clients: Clients::new(&settings),
            stop: Arc::default(),
            ids: Arc::default(),
            others: Arc::default(),
            listeners: Arc::default(),
            observed: false,
            compressing: Arc::default(),
            spans: None,
        }
    }

    /// Sets how many calls may run, and how much each client may take.
    pub(super) fn limited(self, settings: &ServerSettings) -> Gateway {
        Gateway { admission: Arc::new(Admission::new(settings.in_flight)), clients: Clients::new(settings), ..self }
    }

    /// Changes these limits while requests are served. `response_memory` does not change.
    pub(super) fn set_limits(&self, settings: &ServerSettings) {
        self.admission.set_maximum(settings.in_flight);
        self.clients.set_shares(settings);
        self.body_reader.memory.pool().resize(settings.memory);
        self.arrival_limits.set(settings.timeouts.body, settings.timeouts.min_rate);
        self.compressing.store(settings.compress, Relaxed);
    }

    /// Ends all calls that are running, with a fault in the protocol of each.
    pub(super) fn stop_calls(&self) {
        self.stop.stop();
    }

    /// The response that sends a request to this port of the same host over https; `None` if a trusted proxy has received
    /// it over https.
    pub(super) fn redirect_to_https(
        &self,
        head: &Parts,
        peer: Option<SocketAddr>,
        port: u16,
    ) -> Option<GatewayResponse> {
        let public_url = self.groups.0.load().public_url.clone();
        if public_url.is_forwarded_https(head, peer) {
            return None;
        }
        let response = redirect_to_https(head, peer, port, &public_url).unwrap_or_else(HttpRejection::into_response);
        Some(GatewayResponse::refused(response, MeteredRequest::begin(&self.others)))
    }

    /// The client of a connection from this address. A trusted proxy has no share of its own.
    pub(super) fn client_of_connection(&self, peer: Option<SocketAddr>) -> Arc<ClientAccount> {
        let proxied = self.groups.0.load().public_url.trusts(peer);
        self.clients.client(peer.map(|peer| peer.ip()).filter(|_| !proxied))
    }

    /// Whether a connection from this address is one of a trusted proxy.
    pub(super) fn trusts(&self, peer: Option<SocketAddr>) -> bool {
        self.groups.0.load().public_url.trusts(peer)
    }

    /// What the groups were built from.
    pub(super) fn mounts(&self) -> Arc<Mounts> {
        self.groups.0.load().mounts.clone()
    }

    /// Where requests are counted that reach no group.
    pub(super) fn others(&self) -> &Meter {
        &self.others
    }

    /// The listeners of the server that serves the gateway.
    pub(super) fn listeners(&self) -> &ListenerCounts {
        &self.listeners
    }

    /// The memory that all request bodies share, and that which all results share; `None` without a limit.
    pub(super) fn memory_pools(&self) -> (&MemoryPool, Option<&MemoryPool>) {
        (self.body_reader.memory.pool(), self.clients.result_pool())
    }

    /// Starts to count requests and calls.
    pub(super) fn start_counting(&self) {
        self.others.start(None);
        let mounts = self.mounts();
        mounts.start_counting(&Mounts::default());
        mounts.resolve_counters();
    }

    /// Counts the requests and calls of these mounts too, if those of `before` are counted.
    pub(super) fn count_also(&self, mounts: &Mounts, before: &Mounts) {
        if self.others.counters().is_some() {
            mounts.start_counting(before);
        }
    }

    /// The handle by which a [`Runtime`](crate::server::runtime::Runtime) replaces the groups.
    pub(super) fn groups(&self) -> Groups {
        self.groups.clone()
    }

    /// Adds an [`Outcome`] to each response, for the access log.
    pub fn observed(self) -> Gateway {
        Gateway { observed: true, ..self }
    }

    /// Counts the spans of this tracer with the metrics.
    pub(super) fn traced(self, tracer: Option<&Tracer>) -> Gateway {
        Gateway { spans: tracer.map(|tracer| tracer.counts().clone()), ..self }
    }

    /// What has become of the spans of requests; `None` if they have none.
    pub(super) fn spans(&self) -> Option<&SpanCounts> {
        self.spans.as_deref()
    }

    /// Sets whether responses are compressed with gzip for clients that accept it.
    pub fn compressing(self, compressing: bool) -> Gateway {
        Gateway { compressing: Arc::new(AtomicBool::new(compressing)), ..self }
    }

    /// The id for a new request: the `X-Request-Id` of a trusted proxy, or a new one.
    pub(super) fn request_id(&self, head: &Parts, peer: Option<SocketAddr>) -> RequestId {
        // The proxies come first: most servers trust none, and the search for the header costs more.
        let trusted = self.groups.0.load().public_url.trusts(peer);
        let received = if trusted { head.headers.get(REQUEST_ID).and_then(RequestId::received) } else { None };
        received.unwrap_or_else(|| self.ids.generate())
    }

    /// Serves one request. If its head has an [`Audience`] as an extension, only the frontends for that audience are found.
    ///
    /// This is what [`Server`](crate::server::Server) calls. Other HTTP servers call the gateway as a
    /// [tower service](tower_service::Service).
    pub async fn respond<B>(&self, head: &Parts, body: B, mut context: Context) -> GatewayResponse
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let client = self.client_of_connection(context.peer);
        if context.client.is_none() {
            context.client = self.client_address(&client, &head.headers, context.peer);
        }
        let sender = RequestSender { client: &client, within_share: true, connection: None };
        self.respond_to(sender, head, pin!(ArrivingBody::new(body)), &mut context).await
    }

    /// Serves one request, of a client that may have more requests than its share.
    pub(super) async fn respond_to<B>(
        &self,
        sender: RequestSender<'_>,
        head: &Parts,
        body: Pin<&mut ArrivingBody<B>>,
        context: &mut Context,
    ) -> GatewayResponse
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        // A client with a share of its own is no proxy.
        let forwarded = if sender.client.has_share() { None } else { self.forwarded_client(context) };
        let (mut request, mut grant) = (None, None);
        let dispatched = match forwarded {
            None => self.dispatch(sender, head, body, context, &mut grant).await,
            Some(forwarded) => {
                let request = request.insert(forwarded.open_request());
                let sender = RequestSender { client: &request.client, within_share: request.within_share, ..sender };
                // Boxed, because it is the same future once more.
                Box::pin(self.dispatch(sender, head, body, context, &mut grant)).await
            }
        };
        let mut response = dispatched.unwrap_or_else(|rejection| {
            GatewayResponse::refused(rejection.into_response(), MeteredRequest::begin(&self.others))
        });
        self.show_refusal(head, context, &mut response.response);
        if let Some(grant) = grant {
            grant.apply(response.response.headers_mut());
        }
        if let Some(request) = request {
            response.response.body_mut().hold(request);
        }
        response
    }

    /// Makes a response a page, if it is a refusal and its reader is a person with a browser.
    pub(super) fn show_refusal(&self, head: &Parts, context: &Context, response: &mut Response<Body>) {
        if is_shown(head, response) {
            let dispatch = self.groups.0.load();
            let refused = std::mem::take(response);
            *response = show(head, context, refused, (&dispatch.router, &dispatch.mounts));
        }
    }

    /// The address of the client of a request: the one that trusted proxies have forwarded, or else that of the connection.
    pub(super) fn client_address(
        &self,
        connected: &ClientAccount,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
    ) -> Option<IpAddr> {
        let own = peer.map(|peer| peer.ip().to_canonical());
        if connected.has_share() {
            return own;
        }
        let public_url = &self.groups.0.load().public_url;
        let forwarded = public_url.trusts(peer).then(|| public_url.forwarded_client(headers)).flatten();
        forwarded.or(own)
    }

    /// The client that a trusted proxy has received a request from; `None` if the proxy does not say.
    fn forwarded_client(&self, context: &Context) -> Option<Arc<ClientAccount>> {
        let own = context.peer.map(|peer| peer.ip().to_canonical());
        let forwarded = context.client.filter(|client| own != Some(*client))?;
        Some(self.clients.client(Some(forwarded)))
    }

    fn begin_to_measure(&self, group: &Group) -> MeteredRequest {
        MeteredRequest::begin(group.limiter.as_ref().map_or(&self.others, LimiterState::meter))
    }

    /// Serves one request. `grant` becomes what the headers of the response let pages of other origins do, if the group allows
    /// any of them.
    async fn dispatch<B>(
        &self,
        sender: RequestSender<'_>,
        head: &Parts,
        body: Pin<&mut ArrivingBody<B>>,
        context: &mut Context,
        grant: &mut Option<Box<CorsGrant>>,
    ) -> Result<GatewayResponse, HttpRejection>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let RequestSender { client, within_share, connection } = sender;
        check_host(head)?;
        // `load` touches no shared reference count, for which the workers would contend.
        let dispatch = self.groups.0.load();
        check_known_host(head, &dispatch.public_url, context.peer)?;
        let (group, tail) = find(&dispatch.router, head)?;
        let mut metered = self.begin_to_measure(group);
        if let Some(cors) = group.cors.as_ref().filter(|_| head.extensions.get() != Some(&Audience::Pages)) {
            let grant = grant.insert(Box::new(cors.grant(&head.headers)));
            if is_preflight(head) {
                return Ok(self.respond_to_preflight(grant, group, context, metered));
            }
        }
        let waited = group.wait_for_description().await;
        note_request(context, group, head, &dispatch.public_url);
        let group_head = GroupHead::new(head, tail);
        let claim = match group.claim(&group_head) {
            Ok(claim) => claim,
            Err(rejection) => return Ok(GatewayResponse::refused(rejection.into_response(), metered)),
        };
        metered.claimed_by(claim.frontend.protocol().name());
        note_claim(context, group, claim.frontend);
        let refusal =
            cross_origin_refusal(claim.frontend, head, (&dispatch.public_url, context.peer), (group, grant.as_deref()));
        let mut checked = check_before_body(head, &body, refusal, within_share)
            .and_then(|()| note_stated_time(context, head, &dispatch.public_url));
        if let (Some(auth), Ok(())) = (&group.auth, &checked) {
            checked = authenticate(auth, group, claim.frontend, &group_head, context, &dispatch.public_url).await;
        }
        let read = match checked.and_then(|()| group.check_query(head, claim.frontend.protocol())) {
            Ok(()) => self.read_body(client, head, body, (group, &claim, &group_head)).await,
            Err(rejection) => Err(rejection),
        };
        let (body, streamed) = match read {
            Ok(read) => read,
            // There is no body to decide between frontends, so what the head says decides.
            Err(rejection) => {
                let response = claim.settle(group, &group_head, b"").refuse(head, rejection);
                return Ok(GatewayResponse::refused(response, metered));
            }
        };
        let frontend = claim.settle(group, &group_head, &body.bytes);
        let protocol = frontend.protocol().name();
        metered.claimed_by(protocol);
        metered.count_received(body.bytes.len());
        note_protocol(context, protocol);
        begin_call(context, group, client, waited);
        // Held until the result is ready, not until it is sent.
        let admitted = self.admission.admit(&group.load);
        let refusal = if admitted.is_none() { Some(GATEWAY_BUSY) } else { refusal_of_client(client) };
        let refusing = refusal.map(|reason| group.refusing_service(context, reason));
        let service = refusing.as_ref().unwrap_or(&group.service);
        // Disabled, it costs one comparison.
        let Context { request_id: id, client: address, trace, .. } = &*context;
        let span = log_span!(tracing::Level::DEBUG, id, group.path, protocol, address, trace);
        let ReadBody { bytes, memory } = body;
        let request = GroupRequest { head, tail, body: &bytes, context };
        // What is rare is boxed: otherwise the future of each request would be as large as that of the rare ones.
        let mut held = None;
        let response = match memory {
            None => span.in_scope(|| serve(frontend, service, request, streamed.as_deref())),
            Some(memory) => {
                let read = (bytes.clone(), streamed.clone(), memory);
                let serving = Box::pin(self.serve_large(frontend, service, request, &span, read));
                let (response, memory) = serving.await;
                // What is passed on needs no memory once it has been checked.
                held = memory.filter(|_| streamed.is_none());
                response
            }
        };
        let mut served = match response {
            MaybeReady::Now(Some(served)) => served,
            pending => {
                let streamed = streamed.as_deref();
                if let Some(connection) = connection.filter(|_| frontend.ends_on_half_close(head)) {
                    connection.note_ends_on_half_close();
                }
                Box::pin(self.wait_for_response(pending, group, frontend, (request, streamed), span)).await
            }
        };
        if let Some(streamed) = &streamed {
            served = end_streamed(streamed, served, frontend, (head, &metered));
        }
        if self.compressing.load(Relaxed) {
            served.response = compress(&head.headers, served.response);
        }
        if !reserve_whole(served.response.body_mut(), client) {
            // Dropped first, so that the future has no place for it.
            drop(served);
            served = Box::pin(refuse_result(group, frontend, request)).await;
        }
        hold_memory(served.response.body_mut(), held, client);
        self.hold_running_call(&mut served.response, admitted, group);
        conclude(&mut served, &request, (group, frontend), &dispatch.public_url);
        metered.end(ending(&served));
        Ok(self.with_outcome(served, context, group, metered))
    }

    /// If a call still runs while its response is sent, it counts as running until then, and is ended with all calls.
    fn hold_running_call(&self, response: &mut Response<Body>, admitted: Option<Admitted<'_>>, group: &Group) {
        let Some(CallStillRunning { end }) = response.extensions_mut().remove() else { return };
        if let Some(admitted) = admitted {
            response.body_mut().hold(OwnedAdmitted::new(admitted, &self.admission, &group.load));
        }
        response.body_mut().hold(self.stop.notify_when_stopped(end));
    }

    /// Notes a response in the record of its request, and adds its outcome for the access log.
    fn with_outcome(
        &self,
        served: FrontendResponse,
        context: &Context,
        group: &Group,
        metered: MeteredRequest,
    ) -> GatewayResponse {
        let FrontendResponse { response, method, fault } = served;
        if let Some(record) = &context.record {
            note_response(record, group, &response, (&method, fault));
        }
        let observed = self.observed && !group.is_directory;
        let called_group = context.record.as_ref().and_then(|record| record.called_group());
        let outcome = observed.then(|| Outcome { group: called_group.unwrap_or(&group.path).into(), method, fault });
        GatewayResponse { response, outcome, metered }
    }

    /// Reads the body of a request, or begins to pass it on if its frontend says so.
    async fn read_body<B>(
        &self,
        client: &Arc<ClientAccount>,
        head: &Parts,
        body: Pin<&mut ArrivingBody<B>>,
        (group, claim, group_head): (&Group, &ClaimedRequest<'_>, &GroupHead<'_>),
    ) -> Result<(ReadBody, Option<Box<StreamedRequest>>), HttpRejection>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        if let Some(Streaming { read_first }) = claim.streams(group, group_head) {
            let mut streamed = StreamedRequest::begin(head, body.get_mut(), group, &self.arrival_limits)?;
            let mut memory = None;
            if read_first > 0 {
                // Boxed, because it is rare: otherwise the future of each request would be larger.
                memory = Box::pin(streamed.read_first(read_first, client, &self.body_reader.memory)).await?;
            }
            return Ok((ReadBody { bytes: Bytes::new(), memory }, Some(streamed)));
        }
        let limits = (group.body_limit, self.arrival_limits.as_ref());
        Ok((self.body_reader.read(client, head, body, limits).await?, None))
    }

    /// The response to a preflight request. It needs no credentials, because browsers send none with it, and its body is not
    /// read.
    fn respond_to_preflight(
        &self,
        grant: &CorsGrant,
        group: &Group,
        context: &Context,
        mut metered: MeteredRequest,
    ) -> GatewayResponse {
        if let Some(record) = context.record.as_ref().filter(|_| !group.is_directory) {
            record.note_group(&group.path);
        }
        metered.end(Ending::Success);
        let observed = self.observed && !group.is_directory;
        let outcome =
            observed.then(|| Outcome { group: group.path.as_str().into(), method: Box::from(""), fault: None });
        GatewayResponse { response: grant.preflight_response(), outcome, metered }
    }

    /// Serves a request with a large body on a blocking thread. `read` are the bytes of the request, or what is passed on of it, and
    /// their memory, which is returned with the response.
    async fn serve_large(
        &self,
        frontend: &Arc<dyn Frontend>,
        service: &Arc<dyn RpcService>,
        request: GroupRequest<'_>,
        span: &tracing::Span,
        (bytes, streamed, memory): (Bytes, Option<Box<StreamedRequest>>, BodyMemory),
    ) -> (FrontendFuture, Option<BodyMemory>) {
        let (service, frontend, span) = (service.clone(), frontend.clone(), span.clone());
        let (head, tail, context) = (request.head.clone(), request.tail.to_owned(), request.context.clone());
        let serve = move || {
            let request = GroupRequest { head: &head, tail: &tail, body: &bytes, context: &context };
            (span.in_scope(|| serve(&frontend, &service, request, streamed.as_deref())), Some(memory))
        };
        self.body_reader.memory.long_work.clone().run(serve).await
    }

    /// Waits for a response that is not ready at once. Log lines say meanwhile which request they are about. If all calls are
    /// ended, the response is a fault.
    async fn wait_for_response(
        &self,
        pending: FrontendFuture,
        group: &Group,
        frontend: &Arc<dyn Frontend>,
        (request, streamed): (GroupRequest<'_>, Option<&StreamedRequest>),
        span: tracing::Span,
    ) -> FrontendResponse {
        let current = CurrentRequest {
            request_id: request.context.request_id.clone(),
            group: group.path.as_str().into(),
            protocol: frontend.protocol().name(),
            client: request.context.client,
            trace: request.context.trace.clone(),
        };
        let serving = current.scope(pending.instrument(span.clone()));
        let served = match self.stop.unless_stopped(serving).await {
            Some(served) => served,
            None => serve(frontend, &group.refusing_service(request.context, STOPPING), request, streamed).await,
        };
        span.record("method", served.method.as_ref());
        served
    }
}

/// Serves a request whose body has been read, or is passed on while it arrives.
fn serve(
    frontend: &Arc<dyn Frontend>,
    service: &Arc<dyn RpcService>,
    request: GroupRequest<'_>,
    streamed: Option<&StreamedRequest>,
) -> FrontendFuture {
    match streamed {
        None => frontend.serve(service, request),
        Some(StreamedRequest { body, whole, credentials, .. }) => {
            frontend.serve_unread(service, UnreadRequest { request, body, whole: whole.as_deref(), credentials })
        }
    }
}

/// Why calls of a client are refused for now; `None` if they are not.
fn refusal_of_client(client: &ClientAccount) -> Option<&'static str> {
    client.has_used_up(Resource::UnsentBytes).then_some(CLIENT_BUSY)
}

/// The response to a request whose body is passed on. If the body was refused, and that has ended the call, it is the refusal.
fn end_streamed(
    streamed: &StreamedRequest,
    served: FrontendResponse,
    frontend: &Arc<dyn Frontend>,
    (head, metered): (&Parts, &MeteredRequest),
) -> FrontendResponse {
    metered.count_received(streamed.received());
    match streamed.refusal().filter(|_| served.fault.is_some()) {
        Some(rejection) => FrontendResponse { response: frontend.refuse(head, rejection), fault: None, ..served },
        None => served,
    }
}

/// The reason for which calls are refused without being tried.
const GATEWAY_BUSY: &str = "too many calls are running; try again later";

impl From<Response<Body>> for GatewayResponse {
    /// A response to a request that called no method.
    fn from(response: Response<Body>) -> GatewayResponse {
        GatewayResponse { response, outcome: None, metered: MeteredRequest::default() }
    }
}

impl GatewayResponse {
    /// A response to a request that was refused before it became a call.
    fn refused(response: Response<Body>, mut metered: MeteredRequest) -> GatewayResponse {
        metered.end(Ending::Rejected);
        GatewayResponse { metered, ..GatewayResponse::from(response) }
    }

    /// The response for another HTTP server, which does not say how much of it is sent: its measurement ends with its body.
    pub(super) fn into_untracked(self) -> Response<Body> {
        let GatewayResponse { mut response, metered, .. } = self;
        if metered.is_counted() {
            metered.count_sent(response.body().size_hint().exact().unwrap_or(0));
            response.body_mut().hold(metered);
        }
        response
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
