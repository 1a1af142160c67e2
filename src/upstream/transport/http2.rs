//! One connection of HTTP/2, shared by all who ask from a thread, and driven by a task of its own.

use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri, header};
use http_body_util::Full;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::timeout;

use super::body::Incoming;
use super::connect::Stream;
use super::error::{Failed, Late};
use super::pool::Keeper;

/// A connection over which any number ask.
#[derive(Clone)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    scheme: Scheme,
}

impl Connection {
    pub(super) async fn open(stream: Stream) -> Result<Connection, Failed> {
        let scheme = if stream.is_secure() { Scheme::HTTPS } else { Scheme::HTTP };
        let opened = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, driver) = opened.map_err(Failed::sent)?;
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "a connection to a server ended early");
            }
        });
        Ok(Connection { sender, scheme })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    pub(super) async fn send(
        mut self,
        mut request: Request<Bytes>,
        limit: Duration,
        keeper: &Keeper,
    ) -> Result<Response<Incoming>, Failed> {
        // The host stands before the path here (RFC 9113, section 8.3.1).
        if let Some(host) = request.headers_mut().remove(header::HOST)
            && let Some(uri) = absolute(&self.scheme, host.as_bytes(), request.uri())
        {
            *request.uri_mut() = uri;
        }
        keeper.share(&self);
        match timeout(limit, self.sender.send_request(request.map(Full::new))).await {
            Ok(Ok(response)) => Ok(response.map(|body| Incoming::http2(body, limit))),
            Ok(Err(error)) => Err(Failed::sent(error)),
            Err(_) => Err(Failed::sent(Late(limit))),
        }
    }
}

fn absolute(scheme: &Scheme, host: &[u8], path: &Uri) -> Option<Uri> {
    let mut parts = path.clone().into_parts();
    parts.scheme = Some(scheme.clone());
    parts.authority = Some(Authority::try_from(host).ok()?);
    Uri::from_parts(parts).ok()
}
