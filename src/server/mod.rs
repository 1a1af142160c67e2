//! From sockets to the gateway and back: accepting, deadlines, limits, and an orderly end.

mod access;
mod guarded;
mod io;
mod listener;
mod rim;
mod watch;

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use access::AccessLog;
pub use listener::{BindError, Listener};

use crate::gateway::Gateway;
use crate::settings::Settings;
use io::Noted;
use listener::Accepted;
use rim::{Places, Rim, Shared};
use watch::{Entry, Order, Watch};

/// A gateway, ready to be served.
pub struct Server {
    shared: Arc<Shared>,
    settings: Settings,
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Connections that were still answering when the time to finish was over, and were cut.
    pub cut: usize,
}

impl Server {
    /// A server of this gateway; with a log, each request leaves a line in it.
    pub fn new(gateway: Gateway, settings: Settings, log: Option<AccessLog>) -> Server {
        let gateway = gateway.packing(settings.compress);
        let gateway = if log.is_some() { gateway.observed() } else { gateway };
        let places = Places::new(settings.in_flight);
        Server { shared: Arc::new(Shared { gateway, places, log }), settings }
    }

    /// Serves until `stop` is ready; then accepts nothing more, lets what runs finish within the drain deadline,
    /// and cuts what is left.
    pub async fn run(self, listeners: Vec<Listener>, stop: impl Future<Output = ()>) -> Ended {
        let watch = Watch::new(self.settings.deadlines);
        let (drain, server) = (self.settings.deadlines.drain, Arc::new(self));
        let slots = Arc::new(Semaphore::new(server.settings.connections.min(Semaphore::MAX_PERMITS)));
        let mut tasks = JoinSet::new();
        let swept = watch.clone();
        tasks.spawn(async move { swept.sweep().await });
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(server.clone().accept(listener, slots.clone(), watch.clone()));
        }
        stop.await;
        accepting.shutdown().await;
        watch.order(Order::Finish);
        if timeout(drain, watch.empty()).await.is_ok() {
            return Ended { cut: 0 };
        }
        let cut = watch.open();
        watch.order(Order::Cut);
        // A cut connection is gone as soon as its task is next polled.
        let _ = timeout(drain, watch.empty()).await;
        Ended { cut }
    }

    async fn accept(self: Arc<Server>, listener: Listener, slots: Arc<Semaphore>, watch: Arc<Watch>) {
        loop {
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Accepted::Tcp(stream, peer) => {
                    // Without it an answer may wait for the client's acknowledgement of the last one.
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(self.clone().serve(stream, Some(peer), slot, watch.enter()));
                }
                Accepted::Unix(stream) => {
                    tokio::spawn(self.clone().serve(stream, None, slot, watch.enter()));
                }
            }
        }
    }

    async fn serve<T>(self: Arc<Server>, stream: T, peer: Option<SocketAddr>, slot: OwnedSemaphorePermit, entry: Entry)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let pulse = entry.pulse.clone();
        let rim = Rim::new(self.shared.clone(), pulse.clone(), peer);
        let builder = self.builder();
        let io = TokioIo::new(Noted::new(stream, pulse.clone()));
        let mut connection = pin!(builder.serve_connection(io, rim));
        let mut given = Order::Go;
        let ended = poll_fn(|cx| {
            loop {
                if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                    return Poll::Ready(ended);
                }
                given = ready!(pulse.poll_order(cx, given));
                match given {
                    Order::Cut => return Poll::Ready(Ok(())),
                    _ => connection.as_mut().graceful_shutdown(),
                }
            }
        });
        if let Err(error) = ended.await {
            tracing::debug!(%error, ?peer, "a connection ended early");
        }
        drop((slot, entry));
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().half_close(true).max_buf_size(self.settings.head_bytes.max(8192));
        builder
            .http2()
            .max_concurrent_streams(self.settings.streams)
            .max_header_list_size(u32::try_from(self.settings.head_bytes).unwrap_or(u32::MAX))
            .max_send_buf_size(crate::body::PIECE);
        builder
    }
}
