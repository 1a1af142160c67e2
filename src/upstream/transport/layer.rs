//! The place for layers of tower's: around the one client that asks the servers.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

use super::Repeat;
use super::balancer::Servers;
use super::body::Incoming;
use super::error::TransportError;
use crate::model::fault::BoxError;

/// The client that asks the servers of a [`Transport`](super::Transport), as layers see it: always ready. A request's
/// [`Repeat`] is among its extensions; without one it is `Unsent`.
#[derive(Clone)]
pub struct Client {
    pub(super) servers: Arc<Servers>,
    /// What was put around the servers before.
    pub(super) around: Option<Around>,
}

/// Layers with the client within them.
#[derive(Clone)]
pub(super) struct Around(Arc<dyn Layered>);

type Sent = Pin<Box<dyn Future<Output = Result<Response<Incoming>, TransportError>> + Send>>;

trait Layered: Send + Sync {
    fn send(&self, request: Request<Bytes>) -> Sent;
}

impl Around {
    pub(super) fn new<S>(client: S) -> Around
    where
        S: Service<Request<Bytes>, Response = Response<Incoming>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        Around(Arc::new(Layers(client)))
    }

    pub(super) fn send(&self, mut request: Request<Bytes>, repeat: Repeat) -> Sent {
        request.extensions_mut().insert(repeat);
        self.0.send(request)
    }
}

struct Layers<S>(S);

impl<S> Layered for Layers<S>
where
    S: Service<Request<Bytes>, Response = Response<Incoming>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    fn send(&self, request: Request<Bytes>) -> Sent {
        // Each request has a service of its own, which becomes ready for it alone.
        let mut service = self.0.clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(TransportError::withheld)?;
            service.call(request).await.map_err(TransportError::withheld)
        })
    }
}

impl Service<Request<Bytes>> for Client {
    type Response = Response<Incoming>;
    type Error = TransportError;
    type Future = Sent;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Sent {
        let repeat = request.extensions().get().copied().unwrap_or(Repeat::Unsent);
        match &self.around {
            Some(around) => around.send(request, repeat),
            None => {
                let servers = self.servers.clone();
                Box::pin(async move { servers.send(request, repeat).await })
            }
        }
    }
}
