//! What the record of a client's request, and its trace, say of the requests to servers.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use tokio::time::Instant;

use super::address::{Address, Endpoint};
use super::body::Incoming;
use super::error::Failed;
use super::stats::{BROKEN, failure_reason};
use crate::service::request_record::RequestRecord;
use crate::service::spans::{Attribute, AttributeValue, BegunSpan, SpanKind};

/// The error of a request that was given up before its response began.
const GIVEN_UP: &str = "cancelled";

/// A request that is noted in the record of its client's request when this is dropped, also if it is given up.
pub(super) struct NotedRequest<'s> {
    record: Arc<RequestRecord>,
    address: &'s Address,
    begun: Instant,
    /// Boxed, because most requests have no recorded trace.
    attempt: Option<Box<Attempt>>,
}

/// What the span of a request says of it, while it is being sent.
struct Attempt {
    span: BegunSpan,
    method: Method,
    /// How often the request was sent before.
    resent: u32,
}

impl<'s> NotedRequest<'s> {
    /// `None` if the request of the client has no record. If its spans are recorded, the request carries the id of its span in
    /// `traceparent`.
    pub(super) fn begin(
        request: &mut Request<Bytes>,
        address: &'s Address,
        begun: Instant,
        resent: u32,
    ) -> Option<NotedRequest<'s>> {
        let record = request.extensions().get::<Arc<RequestRecord>>()?.clone();
        let mut noted = NotedRequest { record, address, begun, attempt: None };
        if noted.record.trace().is_some() {
            noted.begin_attempt(request, resent);
        }
        Some(noted)
    }

    fn begin_attempt(&mut self, request: &mut Request<Bytes>, resent: u32) {
        let Some(trace) = self.record.trace() else { return };
        let span = trace.begin();
        span.apply_to(request.headers_mut());
        self.attempt = Some(Box::new(Attempt { span, method: request.method().clone(), resent }));
    }

    /// Notes that the connection has broken and the request is sent once more.
    pub(super) fn repeat(&mut self, request: &mut Request<Bytes>) {
        if let Some(resent) = self.attempt.as_ref().map(|attempt| attempt.resent) {
            self.end_attempt(None);
            self.begin_attempt(request, resent.saturating_add(1));
        }
    }

    /// Ends the span of the request, if it has one. Without a result, the connection has broken.
    pub(super) fn end_attempt(&mut self, sent: Option<&Result<Response<Incoming>, Failed>>) {
        let error = match sent {
            Some(Ok(response)) => {
                let status = response.status().as_u16();
                self.finish((status >= 400).then(|| status.to_string().into()), Some(status));
                return;
            }
            Some(Err((error, _))) => failure_reason(error),
            None => BROKEN,
        };
        self.finish(Some(error.into()), None);
    }

    fn finish(&mut self, error: Option<AttributeValue>, status: Option<u16>) {
        let Some(attempt) = self.attempt.take() else { return };
        let Attempt { span, method, resent } = *attempt;
        let mut attributes: Vec<Attribute> = vec![("http.request.method", method.as_str().to_owned().into())];
        match self.address.endpoint() {
            Endpoint::Tcp { host, port } => {
                attributes.extend([("server.address", host.clone().into()), ("server.port", (*port).into())]);
            }
            Endpoint::Service { name } => attributes.push(("server.address", name.clone().into())),
            Endpoint::Unix(path) => attributes.push(("server.address", path.display().to_string().into())),
            #[cfg(feature = "server")]
            Endpoint::Program(program) => attributes.push(("server.address", program.name().to_owned().into())),
        }
        if resent > 0 {
            attributes.push(("http.request.resend_count", resent.into()));
        }
        attributes.extend(status.map(|status| ("http.response.status_code", status.into())));
        let failed = error.is_some();
        attributes.extend(error.map(|error| ("error.type", error)));
        span.end(SpanKind::Client, method.as_str().to_owned(), failed, attributes);
    }
}

impl Drop for NotedRequest<'_> {
    fn drop(&mut self) {
        self.finish(Some(GIVEN_UP.into()), None);
        self.record.note_upstream(&self.address.to_string(), self.begun.elapsed());
    }
}

/// Notes that a request is sent again, to this server or to another.
pub(super) fn count_retry(request: &Request<Bytes>) {
    if let Some(record) = request.extensions().get::<Arc<RequestRecord>>() {
        record.count_retry();
    }
}
