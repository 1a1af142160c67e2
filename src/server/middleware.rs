//! The rules around every request to the gateway: the limit on requests in flight, the request id, panics, and the access
//! line.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};

use super::access_log::{AccessLog, ConnectionInfo};
use super::in_flight::{Connection, InFlight};
use super::streamed_body::ArrivingBody;
use super::tracked_body::{CountedBody, TrackedBody};
use crate::http::body::Body;
use crate::http::rejection::HttpRejection;
use crate::model::fault::BoxError;
use crate::server::gateway::{GatewayResponse, RequestSender};
use crate::server::settings::HttpsRedirect;
use crate::service::Context as RequestContext;
use crate::service::future::with_timeout;
use crate::service::trace_context::TraceContext;

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
            in_flight.serve(head, body)
        })
    }
}

impl InFlight {
    #[expect(clippy::manual_async_fn, reason = "the future of an async function holds its arguments twice")]
    fn serve(
        mut self,
        mut head: Parts,
        body: Incoming,
    ) -> impl Future<Output = Result<Response<TrackedBody>, BoxError>> + Send {
        async move {
            let Connection {
                shared,
                peer,
                process,
                audience,
                client,
                listener,
                proxy,
                activity,
                secured,
                redirect_https,
            } = self.connection.as_ref();
            if let Some(audience) = audience {
                head.extensions.insert(*audience);
            }
            if let Some(process) = process {
                head.extensions.insert(*process);
            }
            if let Some(secured) = secured {
                secured.mark(&mut head);
            }
            let request_id = shared.gateway.request_id(&head, *peer);
            let address = shared.gateway.client_address(client, &head.headers, *peer);
            let received = TraceContext::received(&head.headers);
            let trace = match shared.log.as_ref().and_then(AccessLog::tracer) {
                None => received,
                Some(tracer) => Some(tracer.trace(received)),
            };
            let trace = trace.map(Arc::new);
            let mut context =
                RequestContext { peer: *peer, client: address, request_id, trace, ..RequestContext::default() };
            if let Some(log) = &shared.log {
                let tls = secured.as_ref().map(|secured| secured.version);
                self.line = log.begin(&head, &mut context, ConnectionInfo { listener, proxy: *proxy, tls });
            }
            let redirect = match redirect_https {
                HttpsRedirect::Off => None,
                // Boxed, so that the futures of other requests stay small.
                HttpsRedirect::To(port) => shared.gateway.redirect_to_https(&head, *peer, *port).map(Box::new),
            };
            let GatewayResponse { mut response, outcome, metered } = if activity.take_fragment() {
                HttpRejection::new(StatusCode::BAD_REQUEST, "the target of a request has no fragment")
                    .into_response()
                    .into()
            } else if let Some(redirect) = redirect {
                // A body that is not read makes the connection linger.
                drop(CountedBody::new(body, context.record.clone(), activity, &head.headers));
                *redirect
            } else {
                let body = CountedBody::new(body, context.record.clone(), activity, &head.headers);
                let mut body = pin!(ArrivingBody::new(body));
                let sender =
                    RequestSender { client, within_share: self.within_share, connection: Some(activity.as_ref()) };
                let mut served =
                    catch_panic(pin!(shared.gateway.respond_to(sender, &head, body.as_mut(), &mut context))).await;
                if !body.is_end_stream() && head.version < Version::HTTP_2 {
                    // Boxed, because few requests are refused before they have arrived.
                    Box::pin(end_unread(body, &head, &mut served.response)).await;
                }
                served
            };
            // The gateway has shown its own refusals already.
            shared.gateway.show_refusal(&head, &context, &mut response);
            self.metered = metered;
            if let Some(secured) = secured {
                secured.add_headers(response.headers_mut());
            }
            if let Some(line) = &mut self.line {
                line.record_response(&mut response, outcome);
            }
            Ok(response.map(|body| TrackedBody { body, in_flight: self, rest: None }))
        }
    }
}

/// How many bytes of a refused request are read so that the connection can be used again.
const MAX_UNREAD: u64 = 16 << 10;
/// How long is waited for them. Many clients send the head and the body one after the other.
const UNREAD_TIME: Duration = Duration::from_millis(100);

/// Reads the rest of a short request body, so that the connection can be used for another request. If the body is longer, or does not
/// arrive within [`UNREAD_TIME`], sets `Connection: close` in the response instead (RFC 9112, section 9.6).
async fn end_unread(mut body: Pin<&mut ArrivingBody<CountedBody>>, head: &Parts, response: &mut Response<Body>) {
    let is_short = body.size_hint().upper().is_some_and(|length| length <= MAX_UNREAD);
    // Reading would ask a client for the body that waits to be asked.
    let is_ended = is_short && !head.headers.contains_key(header::EXPECT) && {
        let read = async { while let Some(Ok(_)) = body.frame().await {} };
        with_timeout(UNREAD_TIME, pin!(read)).await.is_some() && body.is_end_stream()
    };
    if !is_ended {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Turns a panic into a response with status 500: it ends one request instead of all requests of the connection.
pub(super) async fn catch_panic(mut response: Pin<&mut impl Future<Output = GatewayResponse>>) -> GatewayResponse {
    let poll = |cx: &mut Context<'_>| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| response.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| {
            let rejection =
                HttpRejection::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; its log says why");
            Poll::Ready(rejection.into_response().into())
        })
    };
    std::future::poll_fn(poll).await
}
