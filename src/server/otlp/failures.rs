//! The log lines about spans that are lost: one when it begins, one a minute while it goes on, and one at its end.

use std::time::{Duration, Instant};

use super::ExportError;
use crate::upstream::transport::Address;

/// How often it is said that spans are being lost.
const INTERVAL: Duration = Duration::from_secs(60);
/// The port at which collectors speak gRPC.
const GRPC: &str = ":4317";

/// What has been said about spans that are lost.
pub(super) struct Failures {
    collector: String,
    /// When the collector began to accept no spans; `None` if it accepts them, or if the end need not be logged.
    since: Option<Instant>,
    /// When the last line was written.
    logged: Option<Instant>,
    /// How many spans had been lost then.
    logged_lost: u64,
}

impl Failures {
    pub(super) fn new(endpoint: &Address) -> Failures {
        Failures { collector: endpoint.to_string(), since: None, logged: None, logged_lost: 0 }
    }

    /// Notes that the collector has not accepted a batch; `lost` is the number of spans that were lost before.
    pub(super) fn begin(&mut self, error: &ExportError, lost: u64) {
        // A collector that fails again and again is logged once a minute, too.
        if self.since.is_some() || !self.may_tell() {
            return;
        }
        self.since = Some(Instant::now());
        self.tell(lost);
        let collector = self.collector.as_str();
        let hint = collector.ends_with(GRPC).then_some("port 4317 is usually for gRPC; OTLP over HTTP has 4318");
        tracing::warn!(collector, %error, hint, "spans cannot be exported; until they can, only their number is logged");
    }

    /// Notes that the collector has accepted a batch.
    pub(super) fn end(&mut self) {
        if let Some(since) = self.since.take() {
            let seconds = since.elapsed().as_secs();
            tracing::warn!(collector = self.collector, seconds, "spans are exported again");
        }
    }

    /// Says how many spans have been lost since the last line, if there are any. `lost` is the number of all lost spans.
    pub(super) fn report(&mut self, lost: u64) {
        let count = lost.saturating_sub(self.logged_lost);
        if count > 0 && self.may_tell() {
            self.tell(lost);
            tracing::warn!(
                collector = self.collector,
                count,
                "spans are lost: they cannot be exported as fast as they end"
            );
        }
    }

    fn may_tell(&self) -> bool {
        self.logged.is_none_or(|logged| logged.elapsed() >= INTERVAL)
    }

    fn tell(&mut self, lost: u64) {
        self.logged = Some(Instant::now());
        self.logged_lost = lost;
    }
}
