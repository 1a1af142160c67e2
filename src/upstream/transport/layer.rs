//! Tower layers around the client of a transport.
//!
//! [`TransportClient`] is the innermost service. [`LayeredClient`] holds what [`Transport::layer`](super::Transport::layer)
//! has put around it, with its type erased.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use tokio::time::timeout_at;
use tower_service::Service;

use super::Repeat;
use super::balancer::Balancer;
use super::body::Incoming;
use super::error::{LateError, TransportError};
use super::outgoing::arriving;
use crate::model::fault::BoxError;

/// The client that sends the requests of a [`Transport`](super::Transport), as layers see it. It is always ready.
///
/// Among the extensions of each request are its [`Repeat`] (`Unsent` if there is none) and the [`Deadline`] of its call, if
/// the call has one.
#[derive(Clone)]
pub struct TransportClient {
    pub(super) balancer: Arc<Balancer>,
    /// The layers that were added before.
    pub(super) layers: Option<LayeredClient>,
}

/// The deadline of a call, as an extension of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Instant);

/// Layers, with the client within them.
#[derive(Clone)]
pub(super) struct LayeredClient(Arc<dyn ErasedService>);

type SendFuture = Pin<Box<dyn Future<Output = Result<Response<Incoming>, TransportError>> + Send>>;

trait ErasedService: Send + Sync {
    fn send(&self, request: Request<Bytes>) -> SendFuture;
}

impl LayeredClient {
    pub(super) fn new<S>(service: S) -> LayeredClient
    where
        S: Service<Request<Bytes>, Response = Response<Incoming>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        LayeredClient(Arc::new(Erased(service)))
    }

    /// Sends a request through the layers. The deadline also bounds the time that the layers themselves take, such as a
    /// wait for a permit.
    pub(super) async fn send(
        &self,
        mut request: Request<Bytes>,
        repeat: Repeat,
        deadline: Option<Instant>,
    ) -> Result<Response<Incoming>, TransportError> {
        request.extensions_mut().insert(repeat);
        // The deadline does not count while a body arrives from a client: see `TimeLimit::run_beside`.
        let deadline = deadline.filter(|_| arriving(&request).is_none());
        let Some(deadline) = deadline else { return self.0.send(request).await };
        request.extensions_mut().insert(Deadline(deadline));
        match timeout_at(deadline.into(), self.0.send(request)).await {
            Ok(sent) => sent,
            Err(_) => Err(TransportError::withheld(LateError::Deadline)),
        }
    }
}

struct Erased<S>(S);

impl<S> ErasedService for Erased<S>
where
    S: Service<Request<Bytes>, Response = Response<Incoming>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    fn send(&self, request: Request<Bytes>) -> SendFuture {
        // `poll_ready` reserves capacity for the next `call` of the same value: each request needs a clone of its own.
        let mut service = self.0.clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(TransportError::withheld)?;
            service.call(request).await.map_err(TransportError::withheld)
        })
    }
}

impl Service<Request<Bytes>> for TransportClient {
    type Response = Response<Incoming>;
    type Error = TransportError;
    type Future = SendFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> SendFuture {
        let repeat = request.extensions().get().copied().unwrap_or(Repeat::Unsent);
        let deadline = request.extensions().get().map(|Deadline(deadline)| *deadline);
        match self.layers.clone() {
            Some(layers) => Box::pin(async move { layers.send(request, repeat, deadline).await }),
            None => {
                let balancer = self.balancer.clone();
                let request = Box::new(request);
                Box::pin(async move { balancer.send(request, repeat, deadline.map(Into::into)).await })
            }
        }
    }
}
