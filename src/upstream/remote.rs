//! An upstream as a service.

use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{Extensions, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;

use super::answer_media::answer_media;
use super::balance_key::Described;
use super::breakers::Breakers;
use super::call_scope::CallScope;
use super::first_discovery::FirstDiscovery;
use super::incoming_rows::{CalledMethod, IncomingRows, Report, RowsError, WHOLE_IF_SHORT};
use super::outage::{FailedCall, Failure, OutageMonitor, UpstreamName};
use super::received::{LARGE, ReceivedResponse, encodable};
use super::state::{LastDiscoveryError, UpstreamState};
use super::version::{CurrentDescription, Description};
use super::{Batching, Redirects, UpstreamOptions, fault};
use crate::codec::portions::Search;
use crate::codec::xmlrpc::MULTICALL;
use crate::model::fault::{Fault, Kind};
use crate::model::interface::Interface;
use crate::model::text::shorten;
use crate::model::value::Value;
use crate::protocol::Protocol;
use crate::protocol::client_codec::{CallTarget, ClientCodec, ResponseError, error_text, redirect_target};
use crate::protocol::jsonrpc;
use crate::protocol::response_rows::ResponseRows;
use crate::protocol::xmlrpc;
use crate::service::args;
use crate::service::args::ArgValues;
use crate::service::future::MaybeReady;
use crate::service::log_throttle::LogThrottle;
use crate::service::outage::Outage;
use crate::service::result_memory::{ReservedMemory, SMALL, SourceShare};
use crate::service::{Call, CallForm, CallFuture, Encode, Output, Rows, RpcService};
#[cfg(feature = "config")]
use crate::upstream::UnmatchedName;
use crate::upstream::UnsupportedProtocol;
#[cfg(feature = "cli")]
use crate::upstream::transport::TlsError;
use crate::upstream::transport::redirects::FollowRedirects;
use crate::upstream::transport::{
    BalanceKey, CollectedBody, Incoming, MayBeAnswer, PendingOutcome, Repeat, ServerReports, Transport, TransportError,
    arriving,
};

/// How many bytes of a response may be read until its first row is complete.
const MAX_BEGINNING: usize = 2 << 20;
/// The memory for the rows of a response that is still arriving, beyond its beginning: a long row, what is decoded and
/// written of it, and the rows that are sent as a whole.
const ROWS: usize = (3 << 19) + WHOLE_IF_SHORT;

/// How much of the path of a redirect callers get, in characters.
const MAX_REDIRECT: usize = 200;

/// How much of the body of an unusable response is logged, in bytes.
const MAX_LOGGED_BODY: usize = 64 << 10;

/// A server behind the gateway, as a service.
///
/// Its methods are unknown until the server has [described itself](Upstream::discover). Until then, calls are sent to
/// XML-RPC and JSON-RPC servers with the arguments as they come. Clones share connections and description.
#[derive(Clone)]
pub struct Upstream {
    pub(super) inner: Arc<UpstreamInner>,
}

pub(super) struct UpstreamInner {
    pub(super) transport: Transport,
    pub(super) options: UpstreamOptions,
    pub(super) description: CurrentDescription,
    /// For hashes of headers that are forwarded.
    pub(super) hasher: RandomState,
    /// How much of the memory for results its responses may take.
    pub(super) share: SourceShare,
    pub(super) first_discovery: FirstDiscovery,
    /// Why the last discovery has failed, if it has.
    pub(super) discovery_error: LastDiscoveryError,
    /// Whether the upstream is down.
    pub(super) outages: OutageMonitor,
    /// Refuses calls while too many fail.
    breakers: Option<Arc<Breakers>>,
    /// For the log lines of calls that have no response from an upstream that is not down.
    failed_calls: LogThrottle,
    /// For the log lines of responses that cannot be read.
    unusable_responses: LogThrottle,
}

impl Upstream {
    /// An upstream that is reached by this transport. Nothing is sent before the first call or
    /// [`discover`](Upstream::discover).
    ///
    /// # Errors
    /// If upstream servers cannot be called in the protocol, which is so for [`Protocol::Page`].
    pub fn new(transport: Transport, options: UpstreamOptions) -> Result<Upstream, UnsupportedProtocol> {
        if !Protocol::OF_UPSTREAMS.contains(&options.protocol) {
            return Err(UnsupportedProtocol(options.protocol));
        }
        Ok(Upstream::with(transport, options))
    }

    fn with(transport: Transport, options: UpstreamOptions) -> Upstream {
        let title = options.title.clone().unwrap_or_else(|| options.group.clone());
        let description = CurrentDescription::new(Description::unknown(title, initial_codec(&options), &options));
        let breakers = options.breaker.clone().map(|breaker| Arc::new(Breakers::new(breaker, options.group.clone())));
        let inner = UpstreamInner {
            transport,
            options,
            breakers,
            description,
            hasher: RandomState::new(),
            share: SourceShare::default(),
            first_discovery: FirstDiscovery::default(),
            discovery_error: LastDiscoveryError::default(),
            outages: OutageMonitor::default(),
            failed_calls: LogThrottle::default(),
            unusable_responses: LogThrottle::default(),
        };
        Upstream { inner: Arc::new(inner) }
    }

    /// Asks the server for its description, which is the interface from now on. Returns whether it has changed.
    ///
    /// # Errors
    /// If the server cannot be reached or has no description that can be used. The last description then stays.
    pub async fn discover(&self) -> Result<bool, Fault> {
        Ok(self.inner.description.replace(self.describe_itself().await?))
    }

    /// Takes over the description of `other`, if both have the same servers and options, and this one has none yet. A
    /// reload of the configuration uses this, so that unchanged groups keep their methods.
    pub fn adopt_description(&self, other: &Upstream) {
        let (own, known) = (&self.inner, other.description());
        let same = own.options == other.inner.options && own.transport.has_same_servers(&other.inner.transport);
        if same {
            own.transport.adopt_stats(&other.inner.transport);
        }
        if same && known.is_complete() && !self.description().is_complete() {
            own.description.replace((*known).clone());
        }
    }

    /// Whether both are clones of the same upstream.
    pub(crate) fn is_same(&self, other: &Upstream) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The state of the upstream, for those who watch over it.
    pub(crate) fn state(&self) -> UpstreamState {
        let description = self.description();
        let ServerReports { servers, hosts } = self.inner.transport.servers();
        UpstreamState {
            protocol: self.inner.options.protocol,
            methods: description.is_complete().then(|| description.interface.methods.len()),
            callable: description.codec.is_some(),
            discovery_error: self.inner.discovery_error.get(),
            gaps: description.gaps.clone(),
            servers,
            hosts,
            sending: self.inner.transport.sending(),
            breakers: self.inner.breakers.as_ref().map(|breakers| breakers.reports()).unwrap_or_default(),
        }
    }

    /// Whether the query of a client's URL reaches the upstream.
    pub(crate) fn passes_query(&self) -> bool {
        self.inner.options.forwarding.pass_query
    }

    /// The time between two discoveries.
    pub fn refresh(&self) -> Duration {
        self.inner.options.refresh
    }

    /// The headers of its responses that come back to clients.
    #[cfg(feature = "server")]
    pub(crate) fn return_headers(&self) -> &[HeaderName] {
        &self.inner.options.forwarding.return_headers
    }

    /// The servers, for log lines; without passwords.
    pub fn servers(&self) -> String {
        self.inner.transport.names().collect::<Vec<_>>().join(" and ")
    }

    /// An upstream for each of the servers, with its name and the same options. None of them has described itself, and none
    /// has layers.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    #[cfg(feature = "cli")]
    pub(crate) fn each_server(&self) -> Result<Vec<(String, Upstream)>, TlsError> {
        let names = self.inner.transport.distinct_names();
        let transports = self.inner.transport.each_server()?;
        let upstream = |transport| Upstream::with(transport, self.inner.options.clone());
        Ok(names.into_iter().zip(transports.into_iter().map(upstream)).collect())
    }

    /// The names in the options that match none of the methods, as far as the server has described itself.
    #[cfg(feature = "config")]
    pub(crate) fn unmatched(&self) -> Vec<UnmatchedName> {
        self.description().unmatched.clone()
    }

    /// The interface for checks of what calls it. If its parameters are inferred, it is not known which are required.
    #[cfg(feature = "config")]
    pub(crate) fn checked_interface(&self) -> Arc<Interface> {
        let description = self.description();
        if !description.inferred {
            return description.interface.clone();
        }
        let mut interface = Interface::clone(&description.interface);
        interface.methods.iter_mut().flat_map(|method| &mut method.params).for_each(|param| param.required = false);
        Arc::new(interface)
    }

    /// The current description.
    pub(super) fn description(&self) -> Arc<Description> {
        self.inner.description.get()
    }

    /// Sends a request and reads the whole response, within the memory for results.
    pub(super) async fn exchange(
        &self,
        request: Request<Bytes>,
        repeat: Repeat,
        scope: &CallScope,
    ) -> Result<ReceivedResponse, Fault> {
        let (head, body) = self.send_request(request, repeat, scope).await?;
        let is_small = body.size_hint().upper().is_some_and(|length| length <= SMALL as u64);
        let mut memory = if is_small { ReservedMemory::default() } else { scope.reserve(&self.inner.share) };
        let collected = body.collect_within(self.inner.options.max_response, &mut memory).await;
        let body = collected.map_err(|error| self.transport_fault(&error, scope))?;
        Ok(ReceivedResponse { response: Response::from_parts(head, body), memory, deadline: scope.deadline })
    }

    /// Sends a request. The body of the response must arrive before the deadline of the call.
    pub(super) async fn send_request(
        &self,
        mut request: Request<Bytes>,
        repeat: Repeat,
        scope: &CallScope,
    ) -> Result<(Parts, Incoming), Fault> {
        scope.apply_to(&mut request);
        if repeat == Repeat::Harmless && self.inner.transport.replaces_responses() {
            request.extensions_mut().insert(MayBeAnswer(answer_media(self.inner.options.protocol)));
        }
        let admitted = match &self.inner.breakers {
            Some(breakers) => Some(breakers.admit(scope.method.as_ref(), arriving(&request))?),
            None => None,
        };
        let mut sent = self.inner.transport.send(request, repeat, scope.deadline).await;
        if let Some(admitted) = admitted {
            admitted.note(sent.as_mut().map_err(|error| &*error), self.inner.transport.options().connect);
        }
        let (head, body) = sent.map_err(|error| self.transport_fault(&error, scope))?.into_parts();
        if let Some(to) = &scope.response_headers {
            self.inner.options.forwarding.return_headers_of(&head.headers, to);
        }
        if self.inner.outages.is_down() && self.state().why_unusable().is_none() {
            self.inner.outages.note_success(|| self.name());
        }
        Ok((head, body.with_deadline(scope.deadline)))
    }

    /// The result in a response that is still arriving: rows, if it is a long array. `collected` is what has been read
    /// of its body.
    pub(super) async fn receive_result(
        &self,
        head: Parts,
        mut body: Incoming,
        mut collected: CollectedBody,
        method: CalledMethod,
        scope: &CallScope,
    ) -> Result<Output, Fault> {
        let limit = self.inner.options.max_response;
        let is_small = body.size_hint().upper().is_some_and(|length| length <= SMALL as u64);
        let mut memory = if is_small { ReservedMemory::default() } else { scope.reserve(&self.inner.share) };
        let head = Response::from_parts(head, Bytes::new());
        let mut enough = LARGE;
        loop {
            let read = body.collect_until(enough, limit, &mut collected, &mut memory).await;
            if read.map_err(|error| self.transport_fault(&error, scope))? {
                break;
            }
            let found = match &method.description.codec {
                Some(codec) if enough < usize::MAX => {
                    ResponseRows::find(codec, method.target(), &head, collected.as_slice())
                }
                _ => Search::None,
            };
            match found {
                Search::Found(rows) => {
                    let size = collected.as_slice().len();
                    drop(collected);
                    memory.extend_to(size + ROWS, scope.deadline).await?;
                    let report = self.report_on_rest(method.name.clone(), scope.clone());
                    // From here on, the client of the gateway sets the pace.
                    let rest = body.with_deadline(None);
                    return Ok(Output::Many(Rows::new(IncomingRows::new(rows, rest, method, report, memory))));
                }
                Search::Undecided if enough < MAX_BEGINNING => enough *= 2,
                Search::Undecided | Search::None => enough = usize::MAX,
            }
        }
        let response = head.map(|_| collected.into_bytes());
        self.result(ReceivedResponse { response, memory, deadline: scope.deadline }, method, scope).await
    }

    /// Logs why rows, or a response that is passed through, end too early, and makes the fault of it.
    pub(super) fn report_on_rest(&self, method: Arc<str>, scope: CallScope) -> Report {
        let upstream = self.clone();
        Box::new(move |error| match error {
            RowsError::Transport(error) => upstream.transport_fault(&error, &scope),
            // The rows have been a result, so this is not a fault of the method.
            RowsError::Response(ResponseError::Fault(fault)) => {
                upstream.response_fault(&method, ResponseError::Malformed(fault), &scope)
            }
            RowsError::Response(error) => upstream.response_fault(&method, error, &scope),
        })
    }

    /// The result in a response that has been read as a whole.
    pub(super) async fn result(
        &self,
        received: ReceivedResponse,
        method: CalledMethod,
        scope: &CallScope,
    ) -> Result<Output, Fault> {
        let (upstream, scope) = (self.clone(), scope.clone());
        let description = method.description.clone();
        let decode = move |response: &Response<Bytes>| upstream.decode_response(&method, response, &scope);
        let (value, memory) = received.decode(description, decode).await?;
        Ok(Output::reserved(value?, memory))
    }

    /// Logs a transport error, with the server, and converts it into a fault that does not name the server.
    pub(super) fn transport_fault(&self, error: &TransportError, scope: &CallScope) -> Fault {
        if let Some(fault) = error.memory_fault() {
            return fault.clone();
        }
        let fault = fault::from_transport(error);
        if error.is_busy() {
            // There may be very many of them, and each is counted.
            return fault;
        }
        let call = FailedCall { method: scope.method.clone(), request_id: scope.id().map(str::to_owned) };
        if !error.connected() && !error.is_late() {
            let reason = fault.message.to_string();
            self.inner.outages.note_failure(self.name(), reason, error.to_string(), Failure::Call(call));
            return fault;
        }
        let (name, text) = (self.name(), error.to_string());
        self.inner.failed_calls.log(move |count| {
            let UpstreamName { group, server } = name;
            let (method, request_id) = (call.method.as_deref(), call.request_id);
            tracing::warn!(group, server, method, request_id, error = text, count, "a call to an upstream failed");
        });
        fault
    }

    /// The scope of a call; of several calls in one request if there is no method.
    pub(super) fn scope(&self, call: &Call<'_>, method: Option<&Arc<str>>) -> CallScope {
        let UpstreamOptions { forwarding, group, balance_key, .. } = &self.inner.options;
        let mut scope = CallScope { method: method.cloned(), ..CallScope::new(call.context) };
        if let Some(source) = balance_key {
            let description = self.description();
            let described = Described { shapes: &description.shapes, codec: description.codec.as_ref() };
            scope.balance_key = source.key(call, described).map(BalanceKey);
        }
        if forwarding.is_empty() {
            return scope;
        }
        // The calls of a batch would replace each other's headers, and its response may have begun before they end.
        let is_alone = !matches!(call.form, CallForm::Batch(_));
        let response_headers = call.context.response_headers.clone().filter(|_| is_alone);
        let forwarded = forwarding.request(call.context, group, method.map(|method| method.as_ref()));
        CallScope { forwarded: Some(Arc::new(forwarded)), response_headers, ..scope }
    }

    /// The upstream, as log lines name it.
    pub(super) fn name(&self) -> UpstreamName {
        UpstreamName { group: self.inner.options.group.clone(), server: self.servers() }
    }

    /// Whether the request for a call may be sent twice.
    pub(super) fn repeat(&self, method: &str) -> Repeat {
        let options = &self.inner.options;
        let harmless = options.safe.has(method) || options.idempotent.has(method);
        if harmless { Repeat::Harmless } else { Repeat::Unsent }
    }

    /// The parameters of a method; `None` if the server has not described itself. `system.multicall` is never a method
    /// here, even if the server has it: its calls could be of methods that are not allowed.
    pub(super) fn find<'k>(
        &self,
        description: &'k Description,
        method: &str,
    ) -> Result<Option<args::KnownParams<'k>>, Fault> {
        if !self.inner.options.allows(method) || method.eq_ignore_ascii_case(MULTICALL) {
            return Err(Fault::no_such_method(method));
        }
        match description.shapes.method(method) {
            Some(shape) => Ok(Some(args::KnownParams {
                method: shape,
                shapes: &description.shapes,
                inferred: description.inferred,
            })),
            None if description.is_complete() && !self.inner.options.names(method)
                || !self.inner.options.allows_unknown(method) =>
            {
                Err(Fault::no_such_method(method))
            }
            None => Ok(None),
        }
    }

    /// The request of a call, and whether it may be sent twice.
    fn request(&self, description: &Description, call: &Call<'_>) -> Result<(Request<Bytes>, Repeat), Fault> {
        let (target, arguments) = self.prepare(description, call)?;
        let codec = description.codec.as_ref().ok_or_else(|| undescribed(self.outage().map(|outage| outage.reason)))?;
        let mut request = codec.encode_call(target, arguments)?;
        if codec.is_idempotent(call.method) {
            self.let_redirects_be_followed(&mut request);
            return Ok((request, Repeat::Harmless));
        }
        let repeat = if self.add_idempotency_key(&mut request) { Repeat::Harmless } else { self.repeat(call.method) };
        Ok((request, repeat))
    }

    /// Marks a request that changes nothing, if redirects are followed. The codec has found it to be one of REST.
    fn let_redirects_be_followed(&self, request: &mut Request<Bytes>) {
        let is_followed = self.inner.options.redirects == Redirects::SameOrigin;
        if is_followed && matches!(*request.method(), Method::GET | Method::HEAD) {
            request.extensions_mut().insert(FollowRedirects);
        }
    }

    /// Adds a random key to a request to a REST upstream, unless the caller has given one. Returns whether the server can tell by
    /// the key that it has the request already.
    fn add_idempotency_key(&self, request: &mut Request<Bytes>) -> bool {
        let UpstreamOptions { idempotency_key, protocol, .. } = &self.inner.options;
        let Some(name) = idempotency_key.as_ref().filter(|_| *protocol == Protocol::Rest) else { return false };
        let key = format!("{:032x}", rand::random::<u128>());
        if let Ok(key) = HeaderValue::from_str(&key) {
            request.headers_mut().entry(name).or_insert(key);
        }
        true
    }

    /// The arguments as they are sent: behind the token, if the options have one.
    pub(super) fn prepare<'c>(
        &self,
        description: &'c Description,
        call: &Call<'c>,
    ) -> Result<(CallTarget<'c>, ArgValues), Fault> {
        let target = CallTarget::new(call.method, self.find(description, call.method)?);
        let arguments = call.args.read_values()?;
        let Some(token) = &self.inner.options.token else { return Ok((target, arguments)) };
        let mut values = match target.known {
            Some(known) => arguments.by_position(known)?,
            None => arguments.free()?,
        };
        values.insert(0, Value::Text(token.clone()));
        Ok((CallTarget { known: None, ..target }, ArgValues::ByPosition(values)))
    }

    /// The result in a response.
    pub(super) fn decode_response(
        &self,
        method: &CalledMethod,
        response: &Response<Bytes>,
        scope: &CallScope,
    ) -> Result<Box<dyn Encode>, Fault> {
        let codec =
            method.description.codec.as_ref().ok_or_else(|| undescribed(self.outage().map(|outage| outage.reason)))?;
        let decoded = codec.decode_result(method.target(), response);
        if matches!(decoded, Ok(_) | Err(ResponseError::Fault(_))) {
            self.note_answer(response.status(), response.extensions());
        }
        match decoded {
            Ok(result) => Ok(encodable(result)),
            Err(error) => Err(self.whole_response_fault(&method.name, error, response, scope)),
        }
    }

    /// The same as [`response_fault`](Upstream::response_fault), of an error that is about the whole of a response. The caller learns
    /// what a response with an error status says, as far as the options allow.
    pub(super) fn whole_response_fault(
        &self,
        method: &str,
        error: ResponseError,
        response: &Response<Bytes>,
        scope: &CallScope,
    ) -> Fault {
        if !matches!(error, ResponseError::Fault(_)) {
            self.log_body(method, response, scope);
        }
        let is_status = matches!(error, ResponseError::Status { .. });
        let fault = self.response_fault(method, error.with_redirect(response.headers()), scope);
        let text = error_text(response, self.inner.options.return_error_text).or_else(|| self.redirect_text(response));
        match text.filter(|_| is_status) {
            Some(text) => Fault { message: format!("{}: {text}", fault.message).into(), ..fault },
            None => fault,
        }
    }

    /// Where a REST upstream redirects to, for callers: a path of the upstream. The address of another server is for the log, as that
    /// of the upstream is, unless the options let callers have such texts.
    fn redirect_text(&self, response: &Response<Bytes>) -> Option<String> {
        let UpstreamOptions { protocol, return_error_text, .. } = &self.inner.options;
        let is_redirect = *protocol == Protocol::Rest && response.status().is_redirection();
        let location = response.headers().get(header::LOCATION).filter(|_| is_redirect)?;
        let own = location.to_str().ok().and_then(|location| self.inner.transport.own_path(location));
        match own {
            Some(path) => Some(format!("it redirects to {}", shorten(&path, MAX_REDIRECT))),
            None if *return_error_text => Some(format!("it redirects to {}", redirect_target(response.headers())?)),
            None => Some("it redirects to another server".to_owned()),
        }
    }

    /// Notes that a response is an answer of the protocol, although its status says that the server has failed. In REST, the status
    /// is the answer.
    pub(super) fn note_answer(&self, status: StatusCode, extensions: &Extensions) {
        if self.inner.options.protocol != Protocol::Rest {
            PendingOutcome::note_answer(status, extensions);
        }
    }

    /// Logs the body of a response without a result. Only the log has all of it, at the level `debug`.
    fn log_body(&self, method: &str, response: &Response<Bytes>, scope: &CallScope) {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let body = response.body();
        let text = String::from_utf8_lossy(body.get(..MAX_LOGGED_BODY).unwrap_or(body));
        let (group, server, status) = (self.inner.options.group.as_str(), self.servers(), response.status().as_u16());
        let (request_id, bytes) = (scope.id(), body.len());
        tracing::debug!(
            group,
            request_id,
            method,
            server,
            status,
            bytes,
            body = &*text,
            "the body of a response of an upstream that is unusable"
        );
    }

    /// Logs a response without a result, and converts it into a fault. A fault of the upstream is neither logged nor
    /// changed.
    pub(super) fn response_fault(&self, method: &str, error: ResponseError, scope: &CallScope) -> Fault {
        if !matches!(error, ResponseError::Fault(_)) {
            let (upstream, id) = (self.clone(), scope.id().map(str::to_owned));
            let (method, text) = (method.to_owned(), error.to_string());
            self.inner.unusable_responses.log(move |count| {
                let (group, server) = (upstream.inner.options.group.as_str(), upstream.servers());
                tracing::warn!(
                    group,
                    request_id = id,
                    method,
                    error = text,
                    server,
                    count,
                    "the response of an upstream is unusable"
                );
            });
        }
        fault::from_response(error, self.inner.options.protocol)
    }
}

/// The fault of a call for which a description is needed that there is not.
fn undescribed(reason: Option<String>) -> Fault {
    let reason = reason.unwrap_or_else(|| "the upstream server has not yet described itself".to_owned());
    Fault::new(Kind::Unreachable, reason)
}

/// The codec until the server has described itself; REST and SOAP have none, because their requests depend on the description.
fn initial_codec(options: &UpstreamOptions) -> Option<ClientCodec> {
    match options.protocol {
        Protocol::XmlRpc => {
            let dialect = options.dialect;
            let bare = options.batching == Batching::BareResults;
            let invalid_characters = options.invalid_characters;
            Some(ClientCodec::XmlRpc(xmlrpc::client::XmlRpcCodec {
                dialect,
                bare,
                invalid_characters,
                ..xmlrpc::client::XmlRpcCodec::default()
            }))
        }
        Protocol::JsonRpc => {
            let param_structure = options.param_structure;
            Some(ClientCodec::JsonRpc(jsonrpc::client::JsonRpcCodec {
                param_structure,
                ..jsonrpc::client::JsonRpcCodec::default()
            }))
        }
        Protocol::Soap | Protocol::Rest | Protocol::Mcp | Protocol::Page => None,
    }
}

impl RpcService for Upstream {
    fn interface(&self) -> Arc<Interface> {
        self.description().interface.clone()
    }

    fn outage(&self) -> Option<Outage> {
        self.inner.outages.outage().or_else(|| self.inner.breakers.as_ref()?.outage())
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        let description = self.description();
        let other = match call.form {
            CallForm::Plain => None,
            CallForm::Raw(raw) => self.pass_through(&description, call, raw),
            CallForm::Http(http) => Some(self.pass_http(&description, call, http)),
            CallForm::Batch(batch) => self.join(&description, call, batch),
        };
        if let Some(other) = other {
            return other;
        }
        if matches!(call.form, CallForm::Raw(raw) if raw.has_further) {
            let message = "the further members of the request cannot be passed on to this upstream server";
            return MaybeReady::now(Err(Fault::new(Kind::Structure, message)));
        }
        let (request, repeat) = match self.request(&description, &call) {
            Ok(request) => request,
            Err(fault) => return MaybeReady::now(Err(fault)),
        };
        let upstream = self.clone();
        let method = CalledMethod::new(call.method, description);
        let scope = self.scope(&call, Some(&method.name));
        MaybeReady::later(async move {
            let (head, body) = upstream.send_request(request, repeat, &scope).await?;
            upstream.receive_result(head, body, CollectedBody::default(), method, &scope).await
        })
    }
}
