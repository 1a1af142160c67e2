//! Sends the spans of requests to a collector of OpenTelemetry, over OTLP: protobuf over HTTP (version 1 of the protocol).
//!
//! A [`SpanExporter`] has a thread of its own, so that a collector that is slow, or does not respond, holds up no request.
//! Its [`Tracer`] goes to the [`AccessLog`](crate::server::AccessLog) of a server: requests then add their spans to a queue of
//! bounded length. The thread takes them from it a few times a second, all that are there, and posts them in batches. A
//! batch that the collector cannot take for a while is sent again a few times; meanwhile further spans wait in the queue, and
//! those for which there is no room are dropped and counted.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use croupier::server::AccessLog;
//! use croupier::server::otlp::{OtlpSettings, SpanExporter};
//!
//! # async fn serve(_: AccessLog) {}
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = OtlpSettings::new("http://127.0.0.1:4318".parse()?);
//! let exporter = SpanExporter::start(&settings)?;
//! let log = AccessLog::start()?.with_spans(exporter.tracer());
//! serve(log).await; // croupier::server::Server::new(gateway, settings, Some(log))
//! exporter.stop(Duration::from_secs(1)).await;
//! # Ok(())
//! # }
//! ```

mod failures;
mod messages;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::service::spans::{Span, SpanCounts, SpanQueue};
use crate::upstream::transport::{Address, Repeat, Tls, TlsError, Transport, TransportError, TransportOptions};
use failures::Failures;

pub use super::tracer::Tracer;

/// The path of the endpoint for spans, if its address has none.
const TRACES: &str = "/v1/traces";
/// How often the spans that have ended are sent.
const PERIOD: Duration = Duration::from_millis(200);
/// How many spans one request to the collector has at most.
const BATCH: usize = 512;
/// How long connecting to the collector may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a response of the collector may take.
const RESPONSE: Duration = Duration::from_secs(10);
/// How many bytes of a response are read.
const MAX_RESPONSE: usize = 64 * 1024;
/// How long the sender waits before it sends a batch once more, for each time.
const WAITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Where spans are sent, and how many.
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpSettings {
    /// The address of the collector, with the path for spans.
    pub endpoint: Address,
    /// Headers of each request to the collector.
    pub headers: HeaderMap,
    /// The client's side of TLS, for an `https` address.
    pub tls: Tls,
    /// Which part of the traces that begin here is sampled: 1 for all, 0 for none.
    pub sample: f64,
    /// The name of the service, by which traces are found.
    pub service_name: String,
}

impl OtlpSettings {
    /// All traces go to this collector, as those of the service `croupier`. If the address has no path, it is `/v1/traces`.
    pub fn new(endpoint: Address) -> OtlpSettings {
        let with_path = if endpoint.path() == "/" { endpoint.with_path(TRACES) } else { Ok(endpoint.clone()) };
        OtlpSettings {
            endpoint: with_path.unwrap_or(endpoint),
            headers: HeaderMap::new(),
            tls: Tls::default(),
            sample: 1.0,
            service_name: env!("CARGO_PKG_NAME").to_owned(),
        }
    }

    /// The client of the collector.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub(crate) fn transport(&self) -> Result<Transport, TlsError> {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("croupier/", env!("CARGO_PKG_VERSION"))));
        headers.extend(self.headers.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let (connect, response, tls) = (CONNECT, RESPONSE, self.tls.clone());
        let options = TransportOptions { connect, response, tls, headers, ..TransportOptions::default() };
        Transport::new(vec![self.endpoint.clone()], options)
    }
}

/// Spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum SpanExporterError {
    /// TLS to the collector cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system has no thread left.
    #[error("no thread can be started for the export of spans: {0}")]
    Thread(#[from] io::Error),
}

/// Sends spans to a collector until it is stopped.
#[derive(Debug)]
pub struct SpanExporter {
    tracer: Tracer,
    stop: watch::Sender<bool>,
    /// Its other end is dropped when the last span has been sent.
    ended: oneshot::Receiver<()>,
}

impl SpanExporter {
    /// Starts the thread that sends.
    ///
    /// # Errors
    /// If TLS cannot be set up, or the system has no thread left.
    pub fn start(settings: &OtlpSettings) -> Result<SpanExporter, SpanExporterError> {
        let transport = settings.transport()?;
        let (queue, waiting) = SpanQueue::new();
        let (stop, stopped) = watch::channel(false);
        let (ending, ended) = oneshot::channel();
        let sender = SpanSender {
            waiting,
            transport,
            counts: queue.counts().clone(),
            service_name: settings.service_name.clone(),
            stopped,
            failures: Failures::new(&settings.endpoint),
        };
        std::thread::Builder::new().name("spans".into()).spawn(move || {
            // Built here, because a runtime must not be dropped inside another one.
            match Builder::new_current_thread().enable_all().build() {
                Ok(tokio_runtime) => tokio_runtime.block_on(sender.run()),
                Err(error) => tracing::error!(%error, "spans cannot be exported"),
            }
            // The one who has stopped it may not wait for it any more.
            let _ = ending.send(());
        })?;
        Ok(SpanExporter { tracer: Tracer::new(queue, settings.sample), stop, ended })
    }

    /// What gives requests their traces.
    pub fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Sends the spans that wait, within this time.
    pub async fn stop(self, limit: Duration) {
        self.stop.send_replace(true);
        // Spans that a collector takes too slowly are lost, and so is the thread: the program ends.
        let _ = timeout(limit, self.ended).await;
    }
}

/// What the thread has that sends.
struct SpanSender {
    waiting: Receiver<Box<Span>>,
    transport: Transport,
    counts: Arc<SpanCounts>,
    service_name: String,
    stopped: watch::Receiver<bool>,
    failures: Failures,
}

impl SpanSender {
    async fn run(mut self) {
        loop {
            // A pause, and not a wait for the next span: each span would wake this thread.
            let stopping = self.pause(PERIOD).await;
            loop {
                let batch: Vec<Span> = self.waiting.try_iter().take(BATCH).map(|span| *span).collect();
                if batch.is_empty() {
                    break;
                }
                let is_full = batch.len() == BATCH;
                self.deliver(batch).await;
                self.failures.report(self.counts.dropped());
                // What is left when the exporter stops is sent without a pause.
                if !(is_full || stopping) {
                    break;
                }
            }
            self.failures.report(self.counts.dropped());
            if stopping {
                return;
            }
        }
    }

    /// Waits for this time, or until the exporter is stopped. Returns whether it is.
    async fn pause(&mut self, time: Duration) -> bool {
        match timeout(time, self.stopped.wait_for(|stopped| *stopped)).await {
            Ok(Ok(_)) => true,
            // The exporter was dropped without being stopped: its server has ended, or has never run.
            Ok(Err(_)) => true,
            Err(_) => false,
        }
    }

    /// Sends a batch, several times if need be, or drops it.
    async fn deliver(&mut self, batch: Vec<Span>) {
        let count = batch.len() as u64;
        let body = messages::encode(batch, &self.service_name);
        let mut waits = WAITS.iter();
        loop {
            let error = match self.post(body.clone()).await {
                Ok(rejected) => {
                    let rejected = rejected.min(count);
                    self.counts.count_exported(count - rejected);
                    self.counts.count_dropped(rejected);
                    self.failures.end();
                    return;
                }
                Err(error) => error,
            };
            let wait = waits.next().filter(|_| error.may_pass());
            self.failures.begin(&error, self.counts.dropped());
            let stopping = *self.stopped.borrow();
            match wait {
                Some(wait) if !stopping => self.pause(*wait).await,
                _ => {
                    self.counts.count_dropped(count);
                    return;
                }
            };
        }
    }

    /// Sends a batch once. Returns how many of its spans the collector has rejected.
    async fn post(&self, body: Bytes) -> Result<u64, ExportError> {
        let mut request = Request::new(body);
        *request.method_mut() = http::Method::POST;
        let response = self.transport.exchange(request, Repeat::Unsent, MAX_RESPONSE, None).await?;
        match response.status() {
            status if status.is_success() => Ok(messages::rejected_spans(response.body())),
            status => Err(ExportError::Status(status)),
        }
    }
}

/// Why a batch was not accepted.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("the collector responds with {0}")]
    Status(StatusCode),
}

impl ExportError {
    /// Whether the same batch may be accepted later (OTLP 1.0, section "Failures" of OTLP/HTTP).
    fn may_pass(&self) -> bool {
        match self {
            ExportError::Transport(_) => true,
            ExportError::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_path_gets_that_of_spans() {
        for (address, path) in [
            ("http://h:4318", "/v1/traces"),
            ("http://h:4318/", "/v1/traces"),
            ("https://h/otlp/v1/traces", "/otlp/v1/traces"),
            ("unix:/run/c.sock", "/v1/traces"),
        ] {
            assert_eq!(OtlpSettings::new(address.parse().unwrap()).endpoint.path(), path, "{address}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_exporter_without_spans_stops_at_once() {
        let exporter = SpanExporter::start(&OtlpSettings::new("http://127.0.0.1:9".parse().unwrap())).unwrap();
        let counts = exporter.tracer().counts().clone();
        exporter.stop(Duration::from_secs(60)).await;
        assert_eq!((counts.exported(), counts.dropped()), (0, 0));
    }
}
