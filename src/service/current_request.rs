//! The request that runs, for the log lines that are written on its behalf.
//!
//! A span costs more than a small call, so a request has none unless spans of the level `debug` are enabled. Instead, a
//! request that waits is known to its task, and its span is made when a line needs it.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use tracing::Span;

use crate::service::request_id::RequestId;
use crate::service::trace_context::TraceContext;

tokio::task_local! {
    static CURRENT: CurrentRequest;
}

/// What log lines say of their request.
#[derive(Debug, Clone)]
pub(crate) struct CurrentRequest {
    pub(crate) request_id: RequestId,
    pub(crate) group: Box<str>,
    pub(crate) protocol: &'static str,
    pub(crate) client: Option<IpAddr>,
    pub(crate) trace: Option<Arc<TraceContext>>,
}

/// The span of a request.
macro_rules! log_span {
    ($level:expr, $id:expr, $group:expr, $protocol:expr, $client:expr, $trace:expr) => {
        tracing::span!(
            $level,
            "request",
            id = %$id,
            group = $group,
            protocol = $protocol,
            method = tracing::field::Empty,
            client = $client.map(tracing::field::display),
            trace = $trace.as_ref().map(tracing::field::display),
        )
    };
}
#[cfg_attr(not(feature = "server"), allow(unused_imports, reason = "only a server receives requests"))]
pub(crate) use log_span;

impl CurrentRequest {
    /// Runs a future on behalf of this request.
    pub(crate) async fn scope<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }

    /// Runs work of another thread on behalf of the request, if there is one.
    pub(crate) fn run<T>(request: Option<CurrentRequest>, work: impl FnOnce() -> T) -> T {
        match request {
            Some(request) => CURRENT.sync_scope(request, work),
            None => work(),
        }
    }

    /// The request on whose behalf this runs, if it waits.
    pub(crate) fn get() -> Option<CurrentRequest> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Its span, enabled whenever a line is.
    pub(crate) fn span(&self) -> Span {
        let CurrentRequest { request_id, group, protocol, client, trace } = self;
        log_span!(tracing::Level::ERROR, request_id, group, protocol, client, trace)
    }
}
