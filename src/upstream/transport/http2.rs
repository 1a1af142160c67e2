//! An HTTP/2 connection. It carries many requests of one thread at once, and a task of its own drives it.

use http::uri::{Authority, Scheme};
use http::{Response, Uri, header};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::connect::ByteStream;
use super::connection_limit::ConnectionPlace;
use super::error::SendFailure;
use super::outgoing::{OutgoingBody, OutgoingRequest, arriving};
use super::time_limit::TimeLimit;

/// A handle to the connection, which closes when the last handle and the last response are dropped.
#[derive(Clone)]
pub(super) struct Http2Connection {
    sender: SendRequest<OutgoingBody>,
    scheme: Scheme,
}

impl Http2Connection {
    pub(super) async fn open(stream: ByteStream, place: ConnectionPlace) -> Result<Http2Connection, hyper::Error> {
        let scheme = if stream.is_secure() { Scheme::HTTPS } else { Scheme::HTTP };
        let (sender, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            let ended = driver.await;
            drop(place);
            if let Err(error) = ended {
                tracing::debug!(%error, "an HTTP/2 connection to an upstream ended with an error");
            }
        });
        Ok(Http2Connection { sender, scheme })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    pub(super) async fn send(
        mut self,
        mut request: OutgoingRequest,
        limit: TimeLimit,
    ) -> Result<Response<Incoming>, SendFailure> {
        // HTTP/2 has the host in the pseudo-header `:authority`, which hyper takes from the URI (RFC 9113, section 8.3.1).
        if let Some(host) = request.headers_mut().remove(header::HOST)
            && let Some(uri) = with_authority(&self.scheme, host.as_bytes(), request.uri())
        {
            *request.uri_mut() = uri;
        }
        let arriving = arriving(&request);
        let response = self.sender.send_request(OutgoingBody::of(request));
        match limit.run_beside(arriving.as_ref(), response).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(SendFailure::sent(error)),
            Err(late) => Err(SendFailure::sent(late)),
        }
    }
}

fn with_authority(scheme: &Scheme, host: &[u8], path: &Uri) -> Option<Uri> {
    let mut parts = path.clone().into_parts();
    parts.scheme = Some(scheme.clone());
    parts.authority = Some(Authority::try_from(host).ok()?);
    Uri::from_parts(parts).ok()
}
