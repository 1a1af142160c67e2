//! The gateway as a tower service, for other HTTP servers than [`Server`](super::Server).
//!
//! The [`Server`](super::Server) does not come through here: it calls [`Gateway::respond`], whose future hyper keeps in
//! place, while a tower service has to name its future and so to box it.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower_service::Service;

use super::access_log::REQUEST_ID;
use super::gateway::Gateway;
use super::middleware::catch_panic;
use crate::http::body::Body;
use crate::model::fault::BoxError;
use crate::service::Context;
use crate::service::request_id::RequestId;
use crate::service::trace_context::TraceContext;

/// The address of the client, as an extension of a request. Without it the client counts as one of a unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// The response of a [`Gateway`] that is called as a tower service.
pub type GatewayFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// The gateway is always ready, and a failure is a response with a status, so there is no error.
///
/// The limits of a server on connections, requests and time are those of the server that calls the gateway. The group
/// limits and the memory for bodies are the gateway's. The response carries the request's id as `X-Request-Id`.
impl<B> Service<Request<B>> for Gateway
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = GatewayFuture;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> GatewayFuture {
        let gateway = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let peer = head.extensions.get().map(|PeerAddress(address)| *address);
            let request_id = gateway.request_id(&head, peer);
            let header = request_id.header_value();
            let extensions = head.extensions.clone();
            let trace = TraceContext::received(&head.headers).map(Arc::new);
            let context = Context { peer, request_id, trace, extensions, ..Context::default() };
            let mut response =
                catch_panic(pin!(gateway.respond(&head, Box::pin(body), context))).await.into_untracked();
            if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
                // A panic takes the context of the call with it, and the gateway has shown its other refusals already.
                let request_id = header.as_ref().and_then(RequestId::received).unwrap_or_default();
                let context = Context { peer, request_id, ..Context::default() };
                gateway.show_refusal(&head, &context, &mut response);
            }
            if let Some(id) = header {
                response.headers_mut().insert(REQUEST_ID, id);
            }
            Ok(response)
        })
    }
}
