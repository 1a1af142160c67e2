//! The rim: what happens to every request before the gateway sees it and after it has answered.

use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use hyper::service::Service;

use super::access::AccessLog;
use super::guarded::Guarded;
use super::watch::Pulse;
use crate::body::Body;
use crate::fault::BoxError;
use crate::gateway::Gateway;
use crate::refusal::Refusal;
use crate::settings::Only;

/// What all connections share.
pub(super) struct Shared {
    pub(super) gateway: Gateway,
    pub(super) places: Places,
    pub(super) log: Option<AccessLog>,
}

/// The places for requests that are being answered; who finds none is refused, not queued.
#[derive(Debug)]
pub(super) struct Places {
    taken: AtomicUsize,
    most: usize,
}

/// One of the places, given back when dropped.
pub(super) struct Place(Arc<Connection>);

/// The service of one connection: sheds load, keeps places until bodies are out, catches panics, and logs.
///
/// It is hyper's service and not tower's: the bridge between the two costs a tenth of a small request.
#[derive(Clone)]
pub(super) struct Rim(Arc<Connection>);

struct Connection {
    shared: Arc<Shared>,
    pulse: Arc<Pulse>,
    peer: Option<SocketAddr>,
    only: Option<Only>,
}

impl Places {
    pub(super) fn new(most: usize) -> Places {
        Places { taken: AtomicUsize::new(0), most }
    }
}

impl Place {
    fn take(connection: &Arc<Connection>) -> Option<Place> {
        let places = &connection.shared.places;
        if places.taken.fetch_add(1, Relaxed) < places.most {
            return Some(Place(connection.clone()));
        }
        places.taken.fetch_sub(1, Relaxed);
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.shared.places.taken.fetch_sub(1, Relaxed);
    }
}

impl Rim {
    pub(super) fn new(shared: Arc<Shared>, pulse: Arc<Pulse>, peer: Option<SocketAddr>, only: Option<Only>) -> Rim {
        Rim(Arc::new(Connection { shared, pulse, peer, only }))
    }
}

impl<B> Service<Request<B>> for Rim
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
{
    type Response = Response<Guarded>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Guarded>, BoxError>> + Send>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        let multiplexed = request.version() == Version::HTTP_2;
        let busy = self.0.pulse.begin(multiplexed);
        let stream = multiplexed.then(|| self.0.pulse.stream());
        let connection = self.0.clone();
        Box::pin(async move {
            let (shared, peer) = (&connection.shared, connection.peer);
            let place = Place::take(&connection);
            let (mut head, body) = request.into_parts();
            if let Some(only) = connection.only {
                head.extensions.insert(only);
            }
            let mut line = shared.log.as_ref().map(|log| log.begin(&head, peer));
            let mut response = match place {
                Some(_) => caught(pin!(shared.gateway.answer(&head, body, peer))).await,
                None => overloaded(),
            };
            if let Some(line) = &mut line {
                line.answered(&mut response);
            }
            Ok(response.map(|body| Guarded { body, place, line, stream, busy }))
        })
    }
}

/// A panic is a defect of ours, and ends the request instead of the connection.
async fn caught(mut answer: Pin<&mut impl Future<Output = Response<Body>>>) -> Response<Body> {
    let poll = |cx: &mut Context<'_>| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| {
            let refusal = Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; its log says why");
            Poll::Ready(refusal.into_response())
        })
    };
    std::future::poll_fn(poll).await
}

fn overloaded() -> Response<Body> {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests are being answered; try again later")
        .into_response()
}
