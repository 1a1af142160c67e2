//! From sockets to the gateway and back: accepting, deadlines, limits, and an orderly end.

mod access_log;
mod activity;
mod activity_io;
pub mod gateway;
pub mod group_router;
mod listener;
mod middleware;
pub mod mount;
pub mod request_body;
pub mod runtime;
pub mod settings;
mod tower;
mod tracked_body;
mod unix_socket;
mod workers;

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use access_log::AccessLog;
pub use listener::{BindError, Listener};
pub use tower::{GatewayFuture, PeerAddress};
pub use workers::Workers;

use crate::http::audience::Audience;
use crate::server::gateway::Gateway;
use crate::server::mount::Mounts;
use crate::server::settings::Settings;
use activity::{Activity, ActivityMonitor, CloseRequest, Entry};
use activity_io::ActivityIo;
use listener::Accepted;
use middleware::{Connection, InFlightLimit, Shared};
use workers::WorkerSlot;

/// A gateway, ready to be served.
pub struct Server {
    shared: Arc<Shared>,
    settings: Settings,
    workers: Option<Workers>,
    /// Mounts whose upstreams are discovered while the server runs.
    discovered: Option<Mounts>,
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Connections that were still answering when the time to finish was over, and were cut.
    pub cut: usize,
}

impl Server {
    /// A server of this gateway; with a log, each request leaves a line in it.
    pub fn new(gateway: Gateway, settings: Settings, log: Option<AccessLog>) -> Server {
        let gateway = gateway.compressing(settings.compress);
        let gateway = if log.is_some() { gateway.observed() } else { gateway };
        let in_flight_limit = InFlightLimit::new(settings.in_flight);
        Server { shared: Arc::new(Shared { gateway, in_flight_limit, log }), settings, workers: None, discovered: None }
    }

    /// The same server, whose connections are served by these workers, and not on the runtime that it runs on; there
    /// they are only accepted. The workers end with the server.
    ///
    /// The gateway's [`MemoryBudget`](crate::server::request_body::MemoryBudget) is best told to do its work
    /// [beside](crate::server::request_body::MemoryBudget::on_runtime) the runtime that accepts.
    pub fn on(self, workers: Workers) -> Server {
        Server { workers: Some(workers), ..self }
    }

    /// The same server, which keeps the gateway's groups up to date with the upstreams of these mounts while it runs. Not
    /// needed for the gateway of a [`Runtime`](runtime::Runtime), which does so itself.
    pub(crate) fn discovering(self, mounts: Mounts) -> Server {
        Server { discovered: Some(mounts), ..self }
    }

    /// Serves until `stop` is ready; then accepts nothing more, lets what runs finish within the drain deadline,
    /// and cuts what is left.
    pub async fn run(mut self, listeners: Vec<Listener>, stop: impl Future<Output = ()>) -> ShutdownReport {
        let Settings { connections, timeouts, .. } = self.settings;
        let watch = ActivityMonitor::new(timeouts);
        let slots = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
        let workers = self.workers.take();
        let mut tasks = JoinSet::new();
        if let Some(mounts) = self.discovered.take() {
            tasks.spawn(runtime::keep_up_to_date(&self.shared.gateway, mounts));
        }
        let door = Arc::new(Acceptor { server: Arc::new(self), slots, watch: watch.clone(), workers });
        let swept = watch.clone();
        tasks.spawn(async move { swept.sweep().await });
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(door.clone().accept(listener));
        }
        stop.await;
        accepting.shutdown().await;
        // Nobody else is at the door any more.
        let workers = Arc::into_inner(door).and_then(|door| door.workers);
        end(&watch, timeouts.drain, workers).await
    }

    /// Serves a connection until it ends, and gives back what it holds.
    async fn serve(self: Arc<Server>, accepted: Accepted, held: ConnectionGuard) {
        let (pulse, only) = (&held.entry.pulse, held.only);
        match accepted {
            Accepted::Tcp(stream, peer) => {
                // Without it an answer may wait for the client's acknowledgement of the last one.
                let _ = stream.set_nodelay(true);
                self.converse(stream, Some(peer), pulse, only).await;
            }
            Accepted::Unix(stream) => self.converse(stream, None, pulse, only).await,
        }
        drop(held);
    }

    async fn converse<T>(&self, stream: T, peer: Option<SocketAddr>, pulse: &Arc<Activity>, only: Option<Audience>)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = Connection { shared: self.shared.clone(), pulse: pulse.clone(), peer, only }.service();
        let builder = self.builder();
        let io = TokioIo::new(ActivityIo::new(stream, pulse.clone()));
        let mut connection = pin!(builder.serve_connection(io, service));
        let mut given = CloseRequest::Go;
        let ended = poll_fn(|cx| {
            loop {
                if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                    return Poll::Ready(ended);
                }
                given = ready!(pulse.poll_order(cx, given));
                match given {
                    CloseRequest::Cut => return Poll::Ready(Ok(())),
                    _ => connection.as_mut().graceful_shutdown(),
                }
            }
        });
        if let Err(error) = ended.await {
            tracing::debug!(%error, ?peer, "a connection ended early");
        }
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().half_close(true).max_buf_size(self.settings.head_bytes.max(8192));
        builder
            .http2()
            .max_concurrent_streams(self.settings.streams)
            .max_header_list_size(u32::try_from(self.settings.head_bytes).unwrap_or(u32::MAX))
            .max_send_buf_size(crate::http::body::PIECE);
        builder
    }
}

/// Where connections come in.
struct Acceptor {
    server: Arc<Server>,
    slots: Arc<Semaphore>,
    watch: Arc<ActivityMonitor>,
    /// Not the server's, which the connections keep: the last of them could not end the thread that it runs on.
    workers: Option<Workers>,
}

/// What a connection holds as long as it is open. The entry comes last: without it the connection counts as gone.
struct ConnectionGuard {
    #[expect(dead_code, reason = "it is held to be dropped with the connection")]
    slot: OwnedSemaphorePermit,
    #[expect(dead_code, reason = "it is held to be dropped with the connection")]
    seat: Option<WorkerSlot>,
    only: Option<Audience>,
    entry: Entry,
}

impl Acceptor {
    async fn accept(self: Arc<Acceptor>, listener: Listener) {
        loop {
            let Ok(slot) = self.slots.clone().acquire_owned().await else { return };
            let accepted = listener.accept().await;
            if let Err(error) = self.admit(accepted, slot, listener.serves) {
                tracing::debug!(%error, "a connection could not be handed over");
            }
        }
    }

    /// Has a connection served: by a worker if there are any, otherwise on this runtime.
    fn admit(&self, accepted: Accepted, slot: OwnedSemaphorePermit, only: Option<Audience>) -> std::io::Result<()> {
        let (server, entry) = (self.server.clone(), self.watch.enter());
        let Some(workers) = &self.workers else {
            tokio::spawn(server.serve(accepted, ConnectionGuard { slot, seat: None, only, entry }));
            return Ok(());
        };
        let detached = accepted.detach()?;
        workers.spawn(move |seat| async move {
            match detached.attach() {
                Ok(accepted) => server.serve(accepted, ConnectionGuard { slot, seat: Some(seat), only, entry }).await,
                Err(error) => tracing::debug!(%error, "a connection could not be taken over"),
            }
        });
        Ok(())
    }
}

/// Lets what runs finish within a time, cuts what is left, and ends the workers.
async fn end(watch: &ActivityMonitor, drain: Duration, workers: Option<Workers>) -> ShutdownReport {
    watch.order(CloseRequest::Finish);
    let cut = if timeout(drain, watch.empty()).await.is_ok() { 0 } else { watch.open() };
    watch.order(CloseRequest::Cut);
    let gone = async {
        // A cut connection is gone as soon as its task is next polled.
        watch.empty().await;
        if let Some(workers) = workers {
            workers.stop().await;
        }
    };
    // Not even a handler that never gives way keeps the server from its end.
    let _ = timeout(drain, gone).await;
    ShutdownReport { cut }
}
