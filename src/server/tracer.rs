//! Decides which requests have spans, and which trace they belong to.

use std::sync::Arc;

use crate::service::spans::{RecordedTrace, SpanCounts, SpanQueue};
use crate::service::trace_context::TraceContext;

/// Gives each request its trace. Clones share the spans that wait to be sent.
#[derive(Debug, Clone)]
pub struct Tracer {
    queue: SpanQueue,
    /// The traces that begin here and are sampled: those whose ids end with a number below this one, of 56 bits.
    threshold: u64,
}

/// The bits of a trace id that decide whether it is sampled: those that W3C Trace Context requires to be random.
const RANDOM_BITS: u32 = 56;
const RANDOM: u64 = (1 << RANDOM_BITS) - 1;

impl Tracer {
    /// A tracer that samples this part of the traces that begin here: 1 for all, 0 for none.
    #[cfg_attr(not(feature = "otlp"), allow(dead_code, reason = "only an exporter makes a tracer"))]
    pub(super) fn new(queue: SpanQueue, sample: f64) -> Tracer {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "the factor is between 0 and 1, and the product has 57 bits at most"
        )]
        let threshold = (sample.clamp(0.0, 1.0) * (RANDOM + 1) as f64) as u64;
        Tracer { queue, threshold }
    }

    /// The trace of a request. One that a client has begun goes on, sampled or not as the client has decided.
    pub(super) fn trace(&self, received: Option<TraceContext>) -> TraceContext {
        received.unwrap_or_else(|| {
            let id = rand::random::<u128>().max(1);
            TraceContext::begin(id, self.samples(id))
        })
    }

    fn samples(&self, trace_id: u128) -> bool {
        let random = trace_id & u128::from(RANDOM);
        random < u128::from(self.threshold)
    }

    /// Where the spans of a request are added; `None` if its trace is not sampled.
    pub(super) fn record(&self, trace: Option<&Arc<TraceContext>>) -> Option<Arc<RecordedTrace>> {
        let trace = trace.filter(|trace| trace.is_sampled())?;
        Some(Arc::new(RecordedTrace::new(trace.clone(), rand::random::<u64>().max(1), self.queue.clone())))
    }

    /// What has become of the spans.
    pub(super) fn counts(&self) -> &Arc<SpanCounts> {
        self.queue.counts()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn the_client_decides_for_its_traces_and_the_share_for_others() {
        for (sample, expected) in [(0.0, 0..1), (1.0, 1000..1001), (0.25, 150..350)] {
            let tracer = Tracer::new(SpanQueue::new().0, sample);
            let sampled = (0..1000).filter(|_| tracer.trace(None).is_sampled()).count();
            assert!(expected.contains(&sampled), "{sampled} of 1000 with {sample}");
            for (flags, is_sampled) in [("00", false), ("01", true)] {
                let mut headers = HeaderMap::new();
                let parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
                headers.insert("traceparent", parent.parse().unwrap());
                let trace = Arc::new(tracer.trace(TraceContext::received(&headers)));
                assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
                assert_eq!(tracer.record(Some(&trace)).is_some(), is_sampled);
            }
        }
    }
}
