//! The admin listener: probes, metrics and status over HTTP/1.1, and two commands.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /live` | 200 as long as the process responds |
//! | `GET /ready` | 200 if calls can be answered, else 503; the reasons as JSON |
//! | `GET /metrics` | the [metrics](crate::server::metrics) |
//! | `GET /status` | version, configuration, groups and upstreams as JSON |
//! | `POST /reload` | reads the configuration again, as SIGHUP does |
//! | `POST /drain` | stops the server, as SIGTERM does |
//!
//! It has a socket and limits of its own: it shares no connections, requests, permits or memory with the gateway, so a
//! gateway that is full still responds to probes. Without `admin.auth` and without client certificates, who reaches the
//! socket may use all of it; with `admin.auth`, only the probes `/live` and `/ready` need no credentials.

mod routes;
mod status;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::server::auth::unix::PeerProcess;
use crate::server::gateway::Gateway;
use crate::server::listener::{Accepted, Listener};
use crate::server::metrics::Metrics;
use crate::server::metrics::lifecycle::Lifecycle;
use crate::server::tls::handle::ServerTls;
use crate::server::unix_socket::peer_process;

/// How many connections are served at the same time. Further ones wait in the system's queue.
const CONNECTIONS: usize = 32;
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection may take in all. A reload reads files, each of which may take three seconds.
const LONGEST: Duration = Duration::from_secs(60);
/// How many bytes the head of a request may have.
const HEAD_BYTES: usize = 16 << 10;

/// A configuration that has been loaded on request.
#[derive(Debug)]
pub(crate) struct Reloaded {
    pub(crate) generation: u64,
    pub(crate) groups: usize,
    /// The keys whose changes take effect at the next start only.
    pub(crate) needs_restart: Vec<&'static str>,
}

/// Where the result of a requested reload goes: the new configuration, or the text of its problems.
pub(crate) type ReloadRequest = oneshot::Sender<Result<Reloaded, String>>;

/// What the admin listener reads and commands.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) gateway: Gateway,
    pub(crate) metrics: Metrics,
    pub(crate) lifecycle: Arc<Lifecycle>,
    /// The file of the configuration; `None` for the built-in one.
    pub(crate) config_file: Option<String>,
    /// Takes requests to reload. If nothing receives them any more, the server is stopping.
    pub(crate) reload: mpsc::Sender<ReloadRequest>,
    /// Notified by a request to drain.
    pub(crate) drain: Arc<Notify>,
}

impl Admin {
    /// Serves the connections of a listener, one request on each. Never returns.
    pub(crate) async fn serve(self: Arc<Admin>, listener: Listener) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        let tls = listener.tls.clone();
        if let Some(tls) = &tls {
            tls.follow_files(listener.address().to_string());
        }
        loop {
            let accepted = listener.accept().await;
            // The semaphore is never closed.
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            let (admin, tls) = (self.clone(), tls.clone());
            tokio::spawn(async move {
                let _ = timeout(LONGEST, admin.serve_connection(accepted, tls)).await;
                drop(permit);
            });
        }
    }

    async fn serve_connection(self: Arc<Admin>, accepted: Accepted, tls: Option<ServerTls>) {
        match (accepted, tls) {
            (Accepted::Tcp(stream, peer), Some(tls)) => {
                let client = Some(peer.ip().to_canonical());
                match timeout(HEAD, TlsAcceptor::from(tls.config()).accept(stream)).await {
                    Ok(Ok(stream)) => self.serve_stream(stream, client, None).await,
                    Ok(Err(error)) => tracing::info!(%peer, %error, "a TLS handshake of the admin listener has failed"),
                    Err(_) => {}
                }
            }
            (Accepted::Tcp(stream, peer), None) => {
                self.serve_stream(stream, Some(peer.ip().to_canonical()), None).await
            }
            (Accepted::Unix(stream), _) => {
                let process = peer_process(&stream);
                self.serve_stream(stream, None, process).await;
            }
        }
    }

    async fn serve_stream(
        self: Arc<Admin>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        client: Option<IpAddr>,
        process: Option<PeerProcess>,
    ) {
        let service = service_fn(|request: http::Request<Incoming>| {
            let admin = self.clone();
            let mut head = request.into_parts().0;
            if let Some(process) = process {
                head.extensions.insert(process);
            }
            async move { Ok::<_, std::convert::Infallible>(admin.respond(head, client).await) }
        });
        let mut builder = http1::Builder::new();
        // One request on each connection: a client that keeps many open cannot take the place of a probe for long.
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(false).max_buf_size(HEAD_BYTES);
        if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
            tracing::debug!(%error, "a connection to the admin listener ended early");
        }
    }
}
