//! What happens to every request around the gateway: the limit on requests in flight, the request id, panics, the access
//! line.

use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};

use super::access_log::{AccessLog, Line};
use super::activity::{Activity, Stream};
use super::tracked_body::TrackedBody;
use crate::http::audience::Audience;
use crate::http::body::Body;
use crate::http::rejection::HttpRejection;
use crate::model::fault::BoxError;
use crate::server::gateway::{Gateway, GatewayResponse};
use crate::service::Context as RequestContext;

/// What all connections share.
pub(super) struct Shared {
    pub(super) gateway: Gateway,
    pub(super) in_flight_limit: InFlightLimit,
    pub(super) log: Option<AccessLog>,
}

/// The permits for requests in flight. A request without one is refused, not queued: a queue would only add to the time
/// that an overloaded server takes.
#[derive(Debug)]
pub(super) struct InFlightLimit {
    taken: AtomicUsize,
    most: usize,
}

/// One connection, seen from its requests.
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) pulse: Arc<Activity>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) only: Option<Audience>,
}

/// A request that is being served. Dropping it returns its permit and writes its access line.
pub(super) struct InFlight {
    connection: Arc<Connection>,
    /// Whether it holds a permit.
    placed: bool,
    /// The line for the access log.
    pub(super) line: Option<Box<Line>>,
    /// For HTTP/2: the activity of this stream.
    pub(super) stream: Option<Arc<Stream>>,
}

impl InFlightLimit {
    pub(super) fn new(most: usize) -> InFlightLimit {
        InFlightLimit { taken: AtomicUsize::new(0), most }
    }

    fn take(&self) -> bool {
        let free = self.taken.fetch_add(1, Relaxed) < self.most;
        if !free {
            self.give_back();
        }
        free
    }

    fn give_back(&self) {
        self.taken.fetch_sub(1, Relaxed);
    }
}

impl Connection {
    /// The service of this connection.
    ///
    /// It is a service of hyper and not of tower, because the bridge between the two costs a tenth of a small request. It
    /// is made from a function, because hyper then keeps each future in the place of the one before; a boxed future would
    /// cost an allocation for each request.
    pub(super) fn service(
        self,
    ) -> impl Service<Request<Incoming>, Response = Response<TrackedBody>, Error = BoxError, Future: Send + 'static>
    {
        let connection = Arc::new(self);
        service_fn(move |request: Request<Incoming>| {
            let in_flight = InFlight::begin(&connection, request.version());
            let (head, body) = request.into_parts();
            in_flight.answer(head, body)
        })
    }
}

impl InFlight {
    fn begin(connection: &Arc<Connection>, version: Version) -> InFlight {
        let multiplexed = version == Version::HTTP_2;
        connection.pulse.begin(multiplexed);
        let stream = multiplexed.then(|| connection.pulse.stream());
        InFlight {
            connection: connection.clone(),
            placed: connection.shared.in_flight_limit.take(),
            line: None,
            stream,
        }
    }

    async fn answer(mut self, mut head: Parts, body: Incoming) -> Result<Response<TrackedBody>, BoxError> {
        let Connection { shared, peer, only, .. } = self.connection.as_ref();
        if let Some(only) = only {
            head.extensions.insert(*only);
        }
        let request_id = shared.gateway.request_id(&head, *peer);
        let context = RequestContext { peer: *peer, request_id, ..RequestContext::default() };
        self.line = shared.log.as_ref().map(|log| log.begin(&head, &context));
        let GatewayResponse { mut response, outcome } = if self.placed {
            catch_panic(pin!(shared.gateway.respond(&head, body, context))).await
        } else {
            overloaded().into()
        };
        if let Some(line) = &mut self.line {
            line.answered(&mut response, outcome);
        }
        Ok(response.map(|body| TrackedBody { body, in_flight: self }))
    }
}

impl Drop for InFlight {
    /// Also runs if the client leaves before the response: its request has an access line all the same.
    fn drop(&mut self) {
        let Connection { shared, pulse, .. } = self.connection.as_ref();
        if let (Some(log), Some(line)) = (&shared.log, self.line.take()) {
            log.close(line);
        }
        if self.placed {
            shared.in_flight_limit.give_back();
        }
        pulse.end();
    }
}

/// Turns a panic into a response with status 500: it ends one request instead of all requests of the connection.
pub(super) async fn catch_panic(mut answer: Pin<&mut impl Future<Output = GatewayResponse>>) -> GatewayResponse {
    let poll = |cx: &mut Context<'_>| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| {
            let rejection =
                HttpRejection::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; its log says why");
            Poll::Ready(rejection.into_response().into())
        })
    };
    std::future::poll_fn(poll).await
}

fn overloaded() -> Response<Body> {
    HttpRejection::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests are being answered; try again later")
        .into_response()
}
