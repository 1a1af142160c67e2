//! Metrics: counts and gauges for Prometheus.
//!
//! [`Metrics`] reads what the gateway and its groups count (`service::counters`), and writes it as text.
//! A scrape reads atomics. It takes no lock that a request takes, and nothing is copied when a request is counted.
//!
//! The number of series depends on the configuration alone: the labels are groups, their methods, protocols, and words of
//! fixed lists. What clients send never becomes a label. `docs/metrics.md` lists all metrics.

mod families;
pub(crate) mod lifecycle;
mod process;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;

use crate::server::gateway::Gateway;
use crate::server::quotas::SaveFailures;
use lifecycle::Lifecycle;

/// The metrics of a gateway.
#[derive(Clone)]
pub struct Metrics {
    gateway: Gateway,
    lifecycle: Arc<Lifecycle>,
    /// How often counts of quotas could not be stored; `None` if they are not.
    quotas: Option<SaveFailures>,
}

/// The form in which metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsFormat {
    /// The text format of Prometheus, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl MetricsFormat {
    /// The media type of the text.
    pub fn content_type(self) -> &'static str {
        match self {
            MetricsFormat::Prometheus => prometheus_text::CONTENT_TYPE,
            MetricsFormat::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Metrics {
    pub(crate) fn new(gateway: Gateway, lifecycle: Arc<Lifecycle>) -> Metrics {
        gateway.start_counting();
        Metrics { gateway, lifecycle, quotas: None }
    }

    /// Adds how often counts of quotas could not be stored.
    #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "only the program keeps quotas itself"))]
    pub(crate) fn with_quotas(self, quotas: Option<SaveFailures>) -> Metrics {
        Metrics { quotas, ..self }
    }

    /// All metrics at this moment.
    pub fn encode(&self, format: MetricsFormat) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.clone()));
        let mut encoded = String::new();
        // Writing into a text does not fail.
        let _ = match format {
            MetricsFormat::Prometheus => prometheus_text::encode(&mut encoded, &registry),
            MetricsFormat::OpenMetrics => text::encode(&mut encoded, &registry),
        };
        encoded
    }
}

impl Gateway {
    /// Starts to count requests and calls, if it has not started yet, and returns the metrics. Without this, nothing is
    /// counted.
    ///
    /// ```
    /// # use croupier::app::App;
    /// # use croupier::server::metrics::MetricsFormat;
    /// # use croupier::service::local::Local;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let service = Local::new("Greeter", ()).method("hello", |_: &(), (): ()| "world").build()?;
    /// let runtime = App::new().mount("/hello", service)?.start().await;
    /// let metrics = runtime.gateway().metrics();
    /// assert!(metrics.encode(MetricsFormat::Prometheus).contains("croupier_permits{group=\"/hello\"}"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn metrics(&self) -> Metrics {
        Metrics::new(self.clone(), Arc::default())
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        families::encode_lifecycle(&self.lifecycle, &mut encoder)?;
        families::encode_connections(self.gateway.listeners(), &mut encoder)?;
        families::encode_tls(self.gateway.listeners(), &mut encoder)?;
        families::encode_memory(self.gateway.memory_pools(), &mut encoder)?;
        let mounts = self.gateway.mounts();
        families::encode_requests(&mounts, self.gateway.others(), &mut encoder)?;
        families::encode_calls(&mounts, &mut encoder)?;
        families::encode_caches(&mounts, &mut encoder)?;
        families::encode_other_groups(&mounts, &mut encoder)?;
        families::encode_quotas(&mounts, self.quotas.as_ref(), &mut encoder)?;
        families::encode_upstreams(&mounts, &mut encoder)?;
        families::encode_spans(self.gateway.spans(), &mut encoder)?;
        process::encode(self.lifecycle.started(), &mut encoder)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
