//! What an upstream call takes over from the request that caused it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};

use super::forwarding::ForwardedRequest;
use super::transport::BalanceKey;
use crate::service::Context;
use crate::service::request_record::RequestRecord;
use crate::service::response_headers::ResponseHeaders;
use crate::service::result_memory::{ReservedMemory, ResultMemory, SourceShare};
use crate::service::trace_context::TraceContext;

/// The header that carries the id of a request from server to server.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The deadline and the id of the request that a call belongs to.
#[derive(Debug, Clone, Default)]
pub(super) struct CallScope {
    pub(super) deadline: Option<Instant>,
    /// Sent to the upstream, and part of each log line about the call.
    pub(super) request_id: Option<HeaderValue>,
    /// The method that is called, for log lines; `None` for several calls in one request.
    pub(super) method: Option<Arc<str>>,
    /// The trace of the request, which the requests to the upstream continue.
    pub(super) trace: Option<Arc<TraceContext>>,
    /// Where requests to the upstream are noted for the access log.
    pub(super) record: Option<Arc<RequestRecord>>,
    /// What else of the request is sent to the upstream.
    pub(super) forwarded: Option<Arc<ForwardedRequest>>,
    /// Where headers of the response are noted for the client.
    pub(super) response_headers: Option<ResponseHeaders>,
    /// The key by which a host is chosen.
    pub(super) balance_key: Option<BalanceKey>,
    /// Where the result takes its memory from.
    pub(super) result_memory: Option<ResultMemory>,
}

impl CallScope {
    pub(super) fn new(context: &Context) -> CallScope {
        CallScope {
            deadline: context.deadline,
            request_id: context.request_id.header_value(),
            method: None,
            trace: context.trace.clone(),
            record: context.record.clone(),
            forwarded: None,
            response_headers: None,
            balance_key: None,
            result_memory: context.result_memory.clone(),
        }
    }

    /// A reservation of memory for the result of an upstream with this share, of no bytes yet.
    pub(super) fn reserve(&self, share: &SourceShare) -> ReservedMemory {
        ReservedMemory::of_source(self.result_memory.as_ref(), share)
    }

    /// Adds the id, the trace, and what else the upstream gets of the client's request, to a request to the upstream.
    pub(super) fn apply_to(&self, request: &mut Request<Bytes>) {
        if let Some(forwarded) = &self.forwarded {
            forwarded.apply_to(request);
        }
        if let Some(id) = &self.request_id {
            request.headers_mut().insert(X_REQUEST_ID, id.clone());
        }
        if let Some(trace) = &self.trace {
            trace.apply_to(request.headers_mut(), rand::random::<u64>().max(1));
        }
        if let Some(record) = &self.record {
            request.extensions_mut().insert(record.clone());
        }
        if let Some(key) = self.balance_key {
            request.extensions_mut().insert(key);
        }
    }

    /// The id as log lines have it.
    pub(super) fn id(&self) -> Option<&str> {
        self.request_id.as_ref().and_then(|id| id.to_str().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_request_goes_to_the_upstream() {
        let mut request = Request::new(Bytes::new());
        CallScope::default().apply_to(&mut request);
        assert!(request.headers().is_empty());
        let scope = CallScope { request_id: Some(HeaderValue::from_static("7f3a")), ..CallScope::default() };
        scope.apply_to(&mut request);
        assert_eq!(request.headers()["x-request-id"], "7f3a");
        assert_eq!(scope.id(), Some("7f3a"));
    }
}
