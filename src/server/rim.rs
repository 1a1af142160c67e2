//! The rim: what happens to every request before the gateway sees it and after it has answered.

use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use tokio::sync::Semaphore;
use tower::Service;

use super::access::AccessLog;
use super::guarded::Guarded;
use super::watch::Pulse;
use crate::body::Body;
use crate::fault::BoxError;
use crate::gateway::Gateway;
use crate::refusal::Refusal;

/// What all connections share.
pub(super) struct Shared {
    pub(super) gateway: Gateway,
    pub(super) places: Arc<Semaphore>,
    pub(super) log: Option<AccessLog>,
}

/// The tower service of one connection: sheds load, keeps places until bodies are out, catches panics, and logs.
#[derive(Clone)]
pub(super) struct Rim {
    pub(super) shared: Arc<Shared>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) peer: Option<SocketAddr>,
}

impl<B> Service<Request<B>> for Rim
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
{
    type Response = Response<Guarded>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Guarded>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let multiplexed = request.version() == Version::HTTP_2;
        let busy = self.pulse.begin(multiplexed);
        let stream = multiplexed.then(|| self.pulse.stream());
        let (shared, peer) = (self.shared.clone(), self.peer);
        Box::pin(async move {
            let place = shared.places.clone().try_acquire_owned().ok();
            let (head, body) = request.into_parts();
            let mut line = shared.log.as_ref().map(|log| Box::new(log.begin(&head, peer)));
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
            Poll::Ready(
                Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; its log says why").into_response(),
            )
        })
    };
    std::future::poll_fn(poll).await
}

fn overloaded() -> Response<Body> {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests are being answered; try again later")
        .into_response()
}
