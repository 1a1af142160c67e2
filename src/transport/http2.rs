//! One connection of HTTP/2, shared by all who ask from a thread, and driven by a task of its own.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::timeout;

use super::body::Incoming;
use super::connect::Stream;
use super::error::{Failed, Late};
use super::kept::Kept;

/// A connection over which any number ask.
#[derive(Clone)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    pub(super) async fn open(stream: Stream) -> Result<Connection, Failed> {
        let opened = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, driver) = opened.map_err(Failed::sent)?;
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "a connection to a server ended early");
            }
        });
        Ok(Connection { sender })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    pub(super) async fn send(
        mut self,
        mut request: Request<Bytes>,
        limit: Duration,
        kept: &Kept,
    ) -> Result<Response<Incoming>, Failed> {
        // The authority stands in its place (RFC 9113, section 8.3.1).
        request.headers_mut().remove(header::HOST);
        kept.share(&self);
        match timeout(limit, self.sender.send_request(request.map(Full::new))).await {
            Ok(Ok(response)) => Ok(response.map(|body| Incoming::http2(body, limit))),
            Ok(Err(error)) => Err(Failed::sent(error)),
            Err(_) => Err(Failed::sent(Late(limit))),
        }
    }
}
