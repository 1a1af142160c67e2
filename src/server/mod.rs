//! The HTTP server and the gateway behind it.
//!
//! A [`Server`] accepts connections on its [`Listener`]s, within the limit on open connections, and gives each to one of
//! its [`Workers`], if it has any. A connection records what it does in its `Activity`; one sweep over all connections,
//! ten times a second, closes those that exceed a timeout. Each request acquires an in-flight permit, gets an id, is logged
//! in the [`AccessLog`], and goes to the [`Gateway`].
//!
//! A [`Gateway`] dispatches a request to a [`Group`](gateway::Group) by its path ([`group_router`]), to one of the group's
//! frontends by its head, and reads the body within the `limits.body` of the group and the memory that all bodies share
//! ([`request_body`]). It knows no protocol.
//!
//! The groups are built from [`Mounts`]: the groups and pages of a configuration or of an [`App`](crate::app::App). A
//! [`Runtime`](runtime::Runtime) keeps them up to date: it discovers upstreams and reloads.
//!
//! A response holds its permit, its memory and its access line until its last byte has been taken, or the client has left
//! (`TrackedBody`). When the server stops, it accepts no further connections, asks open connections to finish, and
//! cuts those that are still busy after the drain time.

mod access_log;
mod activity;
mod activity_io;
pub(crate) mod admin;
mod admission;
pub mod auth;
mod clients;
mod connection_count;
mod control;
pub mod gateway;
mod group;
pub mod group_router;
mod head_checks;
mod in_flight;
mod listener;
pub mod metrics;
mod middleware;
pub mod mount;
#[cfg(feature = "otlp")]
pub mod otlp;
mod pace;
mod protected_resource;
#[doc(hidden)]
pub mod proxy_protocol;
pub mod quotas;
mod refusal_page;
pub mod request_body;
mod request_context;
mod request_ids;
mod request_span;
mod response_rules;
pub mod runtime;
pub mod settings;
pub(crate) mod socket_access;
mod stop;
mod streamed_body;
pub mod tls;
mod tower;
mod tracer;
mod tracked_body;
mod unix_socket;
mod workers;

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};

pub use access_log::{AccessLog, AccessLogOptions};
pub use auth::unix::PeerProcess;
pub use control::ServerControl;
pub use listener::{BindError, Listener};
pub use tower::{GatewayFuture, PeerAddress};
pub use tracer::Tracer;
pub use workers::Workers;

use crate::model::fault::BoxError;
use crate::server::gateway::Gateway;
use crate::server::mount::Mounts;
use crate::server::settings::{ConnectionOptions, ListenAddress, ServerSettings};
use crate::service::resize::resize;
use activity::{Activity, ActivityGuard, ActivityMonitor, CloseRequest};
use activity_io::{ActivityIo, PollReset};
use clients::{ClientAccount, Resource, Taken};
use connection_count::{CountedConnection, ListenerCount};
use control::{Change, Order};
use in_flight::{Connection, SecuredBy, ServerState};
use listener::Accepted;
use proxy_protocol::{ConnectionSource, read_header};
use tls::ServerTls;
use tls::handshake::Handshake;
use unix_socket::peer_process;
use workers::WorkerSlot;

/// Serves a gateway on listening sockets.
pub struct Server {
    shared: Arc<ServerState>,
    settings: Arc<ArcSwap<ServerSettings>>,
    control: ServerControl,
    /// Where the orders of `control` arrive, until the server runs.
    orders: Option<mpsc::Receiver<Order>>,
    workers: Option<Workers>,
    /// The handshakes of TLS that may be under way.
    handshakes: Arc<Semaphore>,
    /// Mounts whose upstreams are discovered while the server runs.
    discovered: Option<Mounts>,
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownReport {
    /// How many connections were still busy after the drain time, and were cut.
    pub cut: usize,
}

impl Server {
    /// A server of this gateway. With a log, each request leaves a line in it.
    pub fn new(gateway: Gateway, settings: ServerSettings, log: Option<AccessLog>) -> Server {
        let gateway = gateway.limited(&settings).compressing(settings.compress);
        let gateway = match &log {
            Some(log) => gateway.observed().traced(log.tracer()),
            None => gateway,
        };
        let handshakes = Arc::new(Semaphore::new(settings.handshakes.min(Semaphore::MAX_PERMITS)));
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let (control, orders) = control::channel(settings.clone());
        Server {
            shared: Arc::new(ServerState { gateway, log }),
            settings,
            control,
            orders: Some(orders),
            workers: None,
            handshakes,
            discovered: None,
        }
    }

    /// The gateway that it serves.
    pub(crate) fn gateway(&self) -> Gateway {
        self.shared.gateway.clone()
    }

    /// What changes the server while it runs.
    pub fn control(&self) -> ServerControl {
        self.control.clone()
    }

    /// Serves connections on these workers. The runtime on which the server runs then only accepts them. The workers end
    /// with the server.
    ///
    /// Give the gateway's [`MemoryBudget`](crate::server::request_body::MemoryBudget) the runtime that accepts
    /// ([`on_runtime`](crate::server::request_body::MemoryBudget::on_runtime)), so that all workers share its threads.
    pub fn on(self, workers: Workers) -> Server {
        Server { workers: Some(workers), ..self }
    }

    /// The same server, which keeps the gateway's groups up to date with the upstreams of these mounts while it runs. Not
    /// needed for the gateway of a [`Runtime`](runtime::Runtime), which does so itself.
    pub(crate) fn discovering(self, mounts: Mounts) -> Server {
        Server { discovered: Some(mounts), ..self }
    }

    /// Serves until `stop` is ready. Then it accepts no further connections, lets requests finish within the drain time,
    /// and cuts those that remain.
    pub async fn run(mut self, listeners: Vec<Listener>, stop: impl Future<Output = ()>) -> ShutdownReport {
        let ServerSettings { connections, timeouts, .. } = **self.settings.load();
        let monitor = ActivityMonitor::new(timeouts);
        let gateway = self.shared.gateway.clone();
        let permits = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
        let (workers, orders) = (self.workers.take(), self.orders.take());
        let mut tasks = JoinSet::new();
        if let Some(mounts) = self.discovered.take() {
            tasks.spawn(runtime::keep_up_to_date(&self.shared.gateway, mounts));
        }
        let acceptor = Arc::new(Acceptor { server: Arc::new(self), permits, monitor: monitor.clone(), workers });
        let swept = monitor.clone();
        tasks.spawn(async move { swept.sweep().await });
        let mut accepting = Accepting { acceptor, tasks: JoinSet::new(), open: HashMap::new() };
        gateway.listeners().set_limit(connections);
        for listener in listeners {
            accepting.open(listener);
        }
        accepting.follow_orders(orders, stop).await;
        let Accepting { acceptor, tasks: mut accepting, .. } = accepting;
        accepting.shutdown().await;
        let drain = acceptor.server.settings.load().timeouts.drain;
        // The accepting tasks have ended, so this is the last reference.
        let workers = Arc::into_inner(acceptor).and_then(|acceptor| acceptor.workers);
        end(&monitor, drain, workers, &gateway).await
    }

    /// Serves a connection until it ends.
    async fn serve(self: Arc<Server>, accepted: Accepted, guard: ConnectionGuard) {
        match accepted {
            Accepted::Tcp(stream, peer) => {
                // Without TCP_NODELAY a response may wait until the client has acknowledged the previous one.
                let _ = stream.set_nodelay(true);
                limit_unsent_bytes(&stream);
                match &guard.serving.tls {
                    // Boxed, so that connections without TLS stay small.
                    Some(tls) => Box::pin(self.serve_tls(stream, peer, tls, &guard)).await,
                    None => {
                        if let Some(opened) = self.open_stream(stream, (Some(peer), None), &guard).await {
                            self.serve_stream(opened, None, &guard).await;
                        }
                    }
                }
            }
            Accepted::Unix(stream) => {
                let process = peer_process(&stream);
                if let Some(opened) = self.open_stream(stream, (None, process), &guard).await {
                    self.serve_stream(opened, None, &guard).await;
                }
            }
        }
        drop(guard);
    }

    /// Serves a connection with TLS.
    async fn serve_tls(&self, stream: TcpStream, peer: SocketAddr, tls: &ServerTls, guard: &ConnectionGuard) {
        let Some(OpenStream { stream, peer, process, proxy, client }) =
            self.open_stream(stream, (Some(peer), None), guard).await
        else {
            return;
        };
        let handshake = Handshake {
            tls,
            activity: &guard.activity_guard.activity,
            client: &client,
            listener: guard.counted.listener(),
            peer,
            permits: &self.handshakes,
            within: self.settings.load().timeouts.header,
        };
        let Some(stream) = handshake.accept(stream).await else { return };
        let secured = SecuredBy::of(&stream, tls);
        self.serve_stream(OpenStream { stream, peer, process, proxy, client }, Some(secured), guard).await;
    }

    /// Finds out whose connection this is. `None` if it has to close. `from` is the address at its other end, and the process if
    /// it is a unix socket.
    async fn open_stream<T>(
        &self,
        mut stream: T,
        from: (Option<SocketAddr>, Option<PeerProcess>),
        guard: &ConnectionGuard,
    ) -> Option<OpenStream<T>>
    where
        T: AsyncRead + Unpin,
    {
        let ((mut peer, mut process), mut proxy, mut client) = (from, None, guard.client.clone());
        if guard.serving.options.proxy_protocol {
            match Box::pin(self.read_proxy_header(&mut stream, peer, guard)).await? {
                ConnectionSource::Proxy => {}
                source => {
                    (proxy, peer) = (peer, Some(source.address()));
                    // It is that of the proxy, and not of its client.
                    process = None;
                    client = self.shared.gateway.client_of_connection(peer);
                }
            }
        }
        Some(OpenStream { stream, peer, process, proxy, client })
    }

    /// Serves the requests of a connection until it ends or has to close.
    async fn serve_stream<T>(
        &self,
        OpenStream { stream, peer, process, proxy, client }: OpenStream<T>,
        secured: Option<SecuredBy>,
        guard: &ConnectionGuard,
    ) where
        T: AsyncRead + AsyncWrite + PollReset + Unpin + Send + 'static,
    {
        let activity = &guard.activity_guard.activity;
        let options = &guard.serving.options;
        let connection = Connection {
            shared: self.shared.clone(),
            activity: activity.clone(),
            client,
            peer,
            process,
            proxy,
            listener: guard.counted.listener().clone(),
            audience: options.serves,
            secured,
            redirect_https: options.redirect_https,
        };
        let service = connection.service();
        let builder = self.builder();
        let io = TokioIo::new(ActivityIo::new(stream, activity.clone(), self.shared.log.clone()));
        let mut connection = pin!(builder.serve_connection(io, service));
        let mut seen = CloseRequest::None;
        let mut first_request: Option<Pin<Box<Sleep>>> = None;
        let ended = poll_fn(|cx| {
            loop {
                if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                    return Poll::Ready(ended);
                }
                if let Some(wait) = &mut first_request
                    && (!activity.is_fresh() || wait.as_mut().poll(cx).is_ready())
                {
                    first_request = None;
                    connection.as_mut().graceful_shutdown();
                    continue;
                }
                seen = ready!(activity.poll_close_request(cx, seen));
                match seen {
                    CloseRequest::Cut => return Poll::Ready(Ok(())),
                    // Its request is on the way.
                    CloseRequest::Drain if activity.is_fresh() => first_request = Some(Box::pin(sleep(FIRST_REQUEST))),
                    _ => connection.as_mut().graceful_shutdown(),
                }
            }
        });
        if let Err(error) = ended.await {
            tracing::debug!(%error, ?peer, "a connection ended early");
            tell_of_bad_head(&error, peer, activity, guard.counted.listener());
        }
    }

    /// Reads the header of the PROXY protocol, within the time for the head of a request. `None` if the connection has to
    /// close.
    async fn read_proxy_header(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        peer: Option<SocketAddr>,
        guard: &ConnectionGuard,
    ) -> Option<ConnectionSource> {
        let refuse = |reason: String| {
            let listener = guard.counted.listener().clone();
            let throttle = listener.notices.proxy_headers.clone();
            throttle.log(move |count| {
                let peer = peer.map(tracing::field::display);
                let listener = listener.address.as_str();
                tracing::info!(listener, peer, reason, count, "a connection without a valid PROXY header was closed");
            });
            None
        };
        if !self.shared.gateway.trusts(peer) {
            return refuse("the peer is not a trusted proxy".to_owned());
        }
        let activity = &guard.activity_guard.activity;
        let reading = timeout(self.settings.load().timeouts.header, read_header(stream));
        let closing = poll_fn(|cx| activity.poll_close_request(cx, CloseRequest::None));
        tokio::select! {
            read = reading => match read {
                Ok(Ok(source)) => Some(source),
                Ok(Err(error)) => refuse(error.to_string()),
                Err(_) => refuse("it did not arrive in time".to_owned()),
            },
            _ = closing => None,
        }
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let settings = self.settings.load();
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().half_close(true).max_buf_size(settings.head_bytes.max(8192));
        builder
            .http2()
            .max_concurrent_streams(settings.streams)
            .max_header_list_size(u32::try_from(settings.head_bytes).unwrap_or(u32::MAX))
            .max_send_buf_size(crate::http::body::PIECE);
        builder
    }
}

/// Logs why a connection ended before there was a request, if its client does not speak HTTP.
fn tell_of_bad_head(error: &BoxError, peer: Option<SocketAddr>, activity: &Activity, listener: &Arc<ListenerCount>) {
    let is_malformed = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse);
    let (throttle, message) = if activity.is_tls() {
        (&listener.notices.tls, "a client speaks https here, where only http is spoken")
    } else if activity.is_http2_without_request() {
        (&listener.notices.bad_http2, "a connection of HTTP/2 failed before its first request")
    } else if is_malformed {
        (&listener.notices.bad_heads, "the head of a request is not HTTP")
    } else {
        return;
    };
    let (of_listener, reason) = (listener.clone(), innermost(error.as_ref()));
    throttle.log(move |count| {
        let (listener, peer) = (of_listener.address.as_str(), peer.map(tracing::field::display));
        tracing::info!(listener, peer, reason, count, "{message}");
    });
}

/// The innermost cause of an error.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// How long a connection that has been opened waits for its first request when the server stops.
const FIRST_REQUEST: Duration = Duration::from_millis(250);

/// How many bytes that have not been sent the system may hold for a TCP connection. Its buffers may have megabytes, and a
/// socket takes no further bytes until a third of them has been sent: a slow client would seem to take nothing for minutes.
#[cfg(target_os = "linux")]
const MAX_UNSENT: u32 = 64 * 1024;

/// Limits the bytes that the system holds for a client, so that the socket shows how fast the client takes them.
#[cfg(target_os = "linux")]
fn limit_unsent_bytes(stream: &TcpStream) {
    // Without it only slow clients are judged more coarsely.
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(MAX_UNSENT);
}

#[cfg(not(target_os = "linux"))]
fn limit_unsent_bytes(_: &TcpStream) {}

/// Accepts connections, and gives them to the workers.
struct Acceptor {
    server: Arc<Server>,
    permits: Arc<Semaphore>,
    monitor: Arc<ActivityMonitor>,
    /// Not a field of the server: connections hold the server, and the last of them would drop the workers on a worker's own
    /// thread.
    workers: Option<Workers>,
}

/// A stream whose client is known.
struct OpenStream<T> {
    stream: T,
    peer: Option<SocketAddr>,
    /// The process at the other end of a unix socket.
    process: Option<PeerProcess>,
    /// The proxy that has sent the address of the peer.
    proxy: Option<SocketAddr>,
    client: Arc<ClientAccount>,
}

/// How the connections of a listener are served.
#[derive(Debug, Clone)]
struct Serving {
    options: ConnectionOptions,
    tls: Option<ServerTls>,
}

/// What a connection holds while it is open. `activity_guard` is dropped last: without it the connection counts as
/// closed, and the server may end.
struct ConnectionGuard {
    #[expect(dead_code, reason = "it is held to be dropped with the connection")]
    permit: OwnedSemaphorePermit,
    #[expect(dead_code, reason = "it is held to be dropped with the connection")]
    worker_slot: Option<WorkerSlot>,
    /// The connection's part of the share of its client.
    #[expect(dead_code, reason = "it is held to be dropped with the connection")]
    taken: Taken,
    counted: CountedConnection,
    client: Arc<ClientAccount>,
    serving: Serving,
    activity_guard: ActivityGuard,
}

/// What a connection has been given when it was accepted.
struct Holding {
    permit: OwnedSemaphorePermit,
    taken: Taken,
    counted: CountedConnection,
}

/// The tasks that accept connections, one for each listener.
struct Accepting {
    acceptor: Arc<Acceptor>,
    tasks: JoinSet<()>,
    /// The listeners by their addresses.
    open: HashMap<String, OpenListener>,
}

/// A listener that accepts connections until this is dropped.
struct OpenListener {
    /// How further connections are served.
    serving: watch::Sender<Serving>,
    count: Arc<ListenerCount>,
    /// Never sent to: the other end is dropped when the listener is closed.
    closed: oneshot::Receiver<Infallible>,
}

/// How long the end of a listener is waited for. It may still wait for room for its last connection.
const CLOSING: Duration = Duration::from_millis(500);

impl Accepting {
    /// Begins to accept connections on a listener.
    fn open(&mut self, listener: Listener) {
        let address = listener.address().to_string();
        let count = self.acceptor.server.shared.gateway.listeners().add(address.clone());
        let tls = listener.tls.clone();
        set_tls(&count, tls.clone());
        let (serving, orders) = watch::channel(Serving { options: listener.options, tls });
        let (closing, closed) = oneshot::channel();
        let accepting = self.acceptor.clone().accept(listener, count.clone(), orders);
        self.tasks.spawn(async move {
            accepting.await;
            drop(closing);
        });
        self.open.insert(address, OpenListener { serving, count, closed });
    }

    /// Carries out orders until `stop` is ready.
    async fn follow_orders(&mut self, mut orders: Option<mpsc::Receiver<Order>>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            let next = async {
                match &mut orders {
                    Some(orders) => orders.recv().await,
                    None => None,
                }
            };
            tokio::select! {
                () = &mut stop => return,
                Some(Order { change, done }) = next => {
                    self.apply(change).await;
                    // The one who has given the order may not wait for it.
                    let _ = done.send(());
                }
            }
        }
    }

    async fn apply(&mut self, change: Change) {
        match change {
            Change::Open(listener) => self.open(*listener),
            Change::Close(address) => self.close(&address).await,
            Change::Options(address, options) => {
                if let Some(listener) = self.open.get(&address.to_string()) {
                    listener.serving.send_modify(|serving| serving.options = options);
                }
            }
            Change::Tls(address, tls) => {
                if let Some(listener) = self.open.get(&address.to_string()) {
                    set_tls(&listener.count, tls.clone());
                    listener.serving.send_modify(|serving| serving.tls = tls);
                }
            }
            Change::Settings(settings) => self.acceptor.set_limits(*settings),
        }
    }

    /// Closes a listener, and waits until it is closed, so that its address may be opened again.
    async fn close(&mut self, address: &ListenAddress) {
        let address = address.to_string();
        if let Some(OpenListener { serving, closed, .. }) = self.open.remove(&address) {
            drop(serving);
            let _ = timeout(CLOSING, closed).await;
            self.acceptor.server.shared.gateway.listeners().remove(&address);
        }
        // Tasks that have ended take memory until they are joined.
        while self.tasks.try_join_next().is_some() {}
    }
}

/// Sets the TLS of a listener, and follows its files.
fn set_tls(count: &ListenerCount, tls: Option<ServerTls>) {
    if let Some(tls) = &tls {
        tls.follow_files(count.address.clone());
    }
    count.set_tls(tls);
}

/// How many connections that clients have begun are still accepted by a listener that is closed.
const LAST_CONNECTIONS: usize = 4096;

impl Acceptor {
    /// Accepts connections until the sender of `serving` has been dropped.
    async fn accept(
        self: Arc<Acceptor>,
        listener: Listener,
        count: Arc<ListenerCount>,
        mut serving: watch::Receiver<Serving>,
    ) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                changed = serving.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => break,
                },
            };
            let serving = serving.borrow().clone();
            self.take(accepted, serving, &count).await;
        }
        // The system has accepted these already, and would reset them.
        for _ in 0..LAST_CONNECTIONS {
            let Ok(accepted) = timeout(Duration::ZERO, listener.accept()).await else { return };
            let serving = serving.borrow().clone();
            self.take(accepted, serving, &count).await;
        }
    }

    /// Gives a connection to a worker, once there is room for it.
    async fn take(&self, accepted: Accepted, serving: Serving, count: &Arc<ListenerCount>) {
        let client = self.server.shared.gateway.client_of_connection(accepted.peer());
        let Some(taken) = self.take_connection(&client) else { return };
        let permit = match self.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.monitor.close_longest_idle(None);
                // The semaphore is never closed.
                let Ok(permit) = self.permits.clone().acquire_owned().await else { return };
                permit
            }
        };
        let holding = Holding { permit, taken, counted: count.count() };
        if let Err(error) = self.hand_over(accepted, serving, holding, client) {
            tracing::debug!(%error, "a connection could not be handed over");
        }
    }

    /// Changes the limits and timeouts.
    fn set_limits(&self, settings: ServerSettings) {
        let before = self.server.settings.swap(Arc::new(settings));
        let of_semaphore = |permits: usize| permits.min(Semaphore::MAX_PERMITS);
        resize(&self.permits, of_semaphore(before.connections), of_semaphore(settings.connections));
        resize(&self.server.handshakes, of_semaphore(before.handshakes), of_semaphore(settings.handshakes));
        self.monitor.set_timeouts(settings.timeouts);
        let gateway = &self.server.shared.gateway;
        gateway.listeners().set_limit(settings.connections);
        gateway.set_limits(&settings);
    }

    /// Takes a connection from the share of a client. If the share is used up, the client's longest idle connection makes
    /// room; `None` if none is idle.
    fn take_connection(&self, client: &Arc<ClientAccount>) -> Option<Taken> {
        client.take(Resource::Connections, 1).or_else(|| {
            let closed = self.monitor.close_longest_idle(Some(client));
            // The connection that makes room counts until it is closed.
            closed.then(|| client.overdraw(Resource::Connections, 1))
        })
    }

    /// Serves a connection on a worker, or on this runtime if there are no workers.
    fn hand_over(
        &self,
        accepted: Accepted,
        serving: Serving,
        Holding { permit, taken, counted }: Holding,
        client: Arc<ClientAccount>,
    ) -> std::io::Result<()> {
        let server = self.server.clone();
        let activity_guard = self.monitor.enter(&client);
        let guard = ConnectionGuard { permit, worker_slot: None, taken, counted, client, serving, activity_guard };
        let Some(workers) = &self.workers else {
            tokio::spawn(server.serve(accepted, guard));
            return Ok(());
        };
        let detached = accepted.detach()?;
        workers.spawn(move |slot| async move {
            match detached.attach() {
                Ok(accepted) => {
                    server.serve(accepted, ConnectionGuard { worker_slot: Some(slot), ..guard }).await;
                }
                Err(error) => tracing::debug!(%error, "a connection could not be taken over"),
            }
        });
        Ok(())
    }
}

/// How long clients may take to receive the faults of calls that the end of the drain time has ended.
const LAST_RESPONSES: Duration = Duration::from_millis(300);

/// How long the tasks of cut connections may take to end.
const LAST_POLLS: Duration = Duration::from_millis(500);

/// Lets requests finish within the drain time, ends their calls, cuts those that remain, and ends the workers.
async fn end(
    monitor: &ActivityMonitor,
    drain: Duration,
    workers: Option<Workers>,
    gateway: &Gateway,
) -> ShutdownReport {
    monitor.request_close(CloseRequest::Drain);
    let cut = if timeout(drain, monitor.empty()).await.is_ok() { 0 } else { monitor.open() };
    if cut > 0 {
        // The clients of calls that are still running get a fault, and a moment to receive it.
        gateway.stop_calls();
        let _ = timeout(LAST_RESPONSES, monitor.empty()).await;
    }
    monitor.request_close(CloseRequest::Cut);
    let closed = async {
        // A cut connection ends when its task is next polled.
        monitor.empty().await;
        if let Some(workers) = workers {
            workers.stop().await;
        }
    };
    // A handler that never yields must not keep the server from ending.
    let _ = timeout(LAST_POLLS, closed).await;
    ShutdownReport { cut }
}
