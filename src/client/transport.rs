//! Requests out and responses in, over connections that are kept for the next call.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::UnixStream;

use super::{CallError, TransportError};
use crate::fault::{BoxError, Fault, Kind};

/// How long an unused connection is kept: shorter than most servers keep theirs, so that a call seldom meets a
/// connection that its server is just closing.
const IDLE: Duration = Duration::from_secs(15);
/// Memory set aside at once for an answer that says how long it is, in bytes.
const FIRST: u64 = 1 << 20;

/// The connections to one server.
pub(super) struct Transport {
    client: Connections,
    socket: Option<PathBuf>,
    max_answer: usize,
}

enum Connections {
    Tcp(Client<HttpConnector, Full<Bytes>>),
    Unix(Client<UnixConnector, Full<Bytes>>),
}

impl Transport {
    /// To a unix socket, or to the host that each request names.
    pub(super) fn new(socket: Option<PathBuf>, max_answer: usize) -> Transport {
        let mut builder = Client::builder(TokioExecutor::new());
        let builder: &mut Builder = builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
        let client = match &socket {
            Some(path) => Connections::Unix(builder.build(UnixConnector { path: path.as_path().into() })),
            None => {
                let mut connector = HttpConnector::new();
                // Without it the kernel may hold back the end of a request until the server acknowledges its start.
                connector.set_nodelay(true);
                Connections::Tcp(builder.build(connector))
            }
        };
        Transport { client, socket, max_answer }
    }

    /// Sends a request, whose body is known and therefore never chunked, and reads the response.
    pub(super) async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        let uri = request.uri().clone();
        let broken = |connected, error: BoxError| TransportError::new(self.server(&uri), connected, error);
        let request = request.map(Full::new);
        let pending = match &self.client {
            Connections::Tcp(client) => client.request(request),
            Connections::Unix(client) => client.request(request),
        };
        let response = pending.await.map_err(|error| broken(!error.is_connect(), error.into()))?;
        let (head, body) = response.into_parts();
        let (bytes, whole) = collect(body, self.max_answer).await.map_err(|error| broken(true, error.into()))?;
        if !whole && head.status == StatusCode::OK {
            let message = format!("it is larger than {} bytes", self.max_answer);
            return Err(CallError::Malformed(Fault::new(Kind::Limit, message)));
        }
        Ok(Response::from_parts(head, bytes))
    }

    /// What an error calls the server: its host and port, or its socket.
    fn server(&self, uri: &Uri) -> String {
        match &self.socket {
            Some(path) => format!("unix:{}", path.display()),
            None => uri.authority().map(ToString::to_string).unwrap_or_default(),
        }
    }
}

/// A body up to `limit` bytes, and whether that is all of it.
async fn collect(mut body: Incoming, limit: usize) -> Result<(Bytes, bool), hyper::Error> {
    let announced = body.size_hint().lower();
    if announced > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Ok((Bytes::new(), false));
    }
    let mut bytes = BytesMut::with_capacity(usize::try_from(announced.min(FIRST)).unwrap_or_default());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Ok((bytes.freeze(), false));
        }
        bytes.extend_from_slice(&data);
    }
    Ok((bytes.freeze(), true))
}

/// Connects to a unix socket, whatever host a request names.
#[derive(Clone)]
struct UnixConnector {
    path: Arc<std::path::Path>,
}

impl tower::Service<Uri> for UnixConnector {
    type Response = TokioIo<UnixStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<UnixStream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let path = self.path.clone();
        Box::pin(async move { UnixStream::connect(path).await.map(TokioIo::new) })
    }
}
