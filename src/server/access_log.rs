//! The access log: one structured line for each request, written by a thread of its own. With a [`Tracer`], a request also has
//! a span, made of the same facts.
//!
//! A line is begun with the head of a request. What others know of the request they note in its [`RequestRecord`]. The line
//! is closed when the response has been written to the socket, or when it is clear that it will not be: an outcome of `ok`
//! means that the client was still there.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, Version, header};

use crate::http::body::Body;
use crate::model::fault::{BoxError, Kind};
use crate::model::text::printable;
use crate::server::connection_count::ListenerCount;
use crate::server::request_span::EndedRequest;
use crate::server::tracer::Tracer;
use crate::service::Context;
use crate::service::request_id::RequestId;
use crate::service::request_record::{RequestRecord, Stage, micros};
use crate::service::trace_context::TraceContext;

/// The header with a request's id: in the request of a trusted proxy, and in the response.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How many lines may wait to be written. Further lines are dropped and counted.
const WAITING: usize = 8192;
/// How long [`AccessLog::flush`] waits for the last lines.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long the thread pauses between two batches of lines.
const PAUSE: Duration = Duration::from_millis(2);
/// How often the number of lost lines is logged at most.
const LOST_INTERVAL: Duration = Duration::from_secs(1);
/// The outcome of a request that was refused by its HTTP status.
const REJECTED: &str = "rejected";
/// How many characters of a path a line has.
const LONGEST_PATH: usize = 2000;
/// How many characters of any other text from outside a line has.
const LONGEST_TEXT: usize = 200;

/// What the access log says of a request that reached a group.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The group's path.
    pub group: Box<str>,
    /// The method that was called; empty if the request named none.
    pub method: Box<str>,
    /// The kind of fault with which the call failed, if it did.
    pub fault: Option<Kind>,
}

/// Which lines the access log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccessLogOptions {
    /// Only the lines of requests that failed, and of batches with a call that failed.
    pub only_errors: bool,
    /// Also a line for each call of a batch, before the line of its request.
    pub calls: bool,
}

/// Sends lines to the thread that writes them, and spans to a tracing system.
#[derive(Debug, Clone)]
pub struct AccessLog {
    /// `None` if requests have no lines.
    lines: Option<LineWriter>,
    /// `None` if requests have no spans.
    tracer: Option<Tracer>,
}

/// The way to the thread that writes lines.
#[derive(Debug, Clone)]
struct LineWriter {
    options: AccessLogOptions,
    lines: SyncSender<LogEntry>,
    lost: Arc<AtomicU64>,
}

/// What is sent to the thread that writes.
#[derive(Debug)]
enum LogEntry {
    Line(Box<AccessLine>),
    /// A `flush` waits until all entries before this one are written.
    Flush(SyncSender<()>),
}

/// The line of one request.
#[derive(Debug)]
pub(super) struct AccessLine {
    begun: Instant,
    id: RequestId,
    listener: Arc<ListenerCount>,
    client: Option<IpAddr>,
    peer: Option<SocketAddr>,
    /// The proxy that has sent the address of the peer.
    proxy: Option<SocketAddr>,
    /// The version of TLS of the connection.
    tls: Option<&'static str>,
    verb: Method,
    path: String,
    version: Version,
    user_agent: Option<HeaderValue>,
    trace: Option<Arc<TraceContext>>,
    record: Arc<RequestRecord>,
    status: u16,
    /// How far the request had come when its response was made.
    stage: Stage,
    outcome: Option<Outcome>,
    sent: u64,
    broken: Option<String>,
    end: LineEnd,
    took: Duration,
}

/// How the sending of a response has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// All of it was sent, and the client was there.
    Whole,
    /// All of it was sent after the client had ended its side of the connection.
    ClientClosed,
    /// The client has left before the end of the response.
    ClientGone,
    /// The server has closed the connection.
    Cut,
}

/// What a line says of the end of its request.
struct Conclusion {
    outcome: &'static str,
    /// Who has ended the request before its success, and at which stage.
    failed: Option<(&'static str, Stage)>,
}

/// The connection that a request has come over.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionInfo<'c> {
    pub(super) listener: &'c Arc<ListenerCount>,
    /// The proxy that has sent the address of the peer.
    pub(super) proxy: Option<SocketAddr>,
    /// The version of TLS of the connection, if it has any.
    pub(super) tls: Option<&'static str>,
}

impl AccessLog {
    /// Starts the thread that writes the lines, as `tracing` events of the target `croupier::access`.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start() -> std::io::Result<AccessLog> {
        AccessLog::with(AccessLogOptions::default())
    }

    /// Starts the thread that writes these lines.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn with(options: AccessLogOptions) -> std::io::Result<AccessLog> {
        let (lines, waiting) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = lost.clone();
        std::thread::Builder::new().name("access-log".into()).spawn(move || write(&waiting, &counter))?;
        Ok(AccessLog { lines: Some(LineWriter { options, lines, lost }), tracer: None })
    }

    /// No lines, only spans.
    pub fn spans_only(tracer: Tracer) -> AccessLog {
        AccessLog { lines: None, tracer: Some(tracer) }
    }

    /// The same lines, and spans.
    pub fn with_spans(self, tracer: Tracer) -> AccessLog {
        AccessLog { tracer: Some(tracer), ..self }
    }

    pub(super) fn tracer(&self) -> Option<&Tracer> {
        self.tracer.as_ref()
    }

    /// Begins the line and the span of a request, and gives its context a record. `None` if the request has neither.
    pub(super) fn begin(
        &self,
        head: &Parts,
        context: &mut Context,
        connection: ConnectionInfo<'_>,
    ) -> Option<Box<AccessLine>> {
        let trace = self.tracer.as_ref().and_then(|tracer| tracer.record(context.trace.as_ref()));
        if self.lines.is_none() && trace.is_none() {
            return None;
        }
        let calls = self.lines.as_ref().is_some_and(|lines| lines.options.calls);
        let record = Arc::new(RequestRecord::new(calls, trace));
        context.record = Some(record.clone());
        Some(Box::new(AccessLine {
            begun: Instant::now(),
            id: context.request_id.clone(),
            listener: connection.listener.clone(),
            client: context.client,
            peer: context.peer,
            proxy: connection.proxy,
            tls: connection.tls,
            verb: head.method.clone(),
            path: head.uri.path().to_owned(),
            version: head.version,
            user_agent: head.headers.get(header::USER_AGENT).cloned(),
            trace: context.trace.clone(),
            record,
            status: 0,
            stage: Stage::Head,
            outcome: None,
            sent: 0,
            broken: None,
            end: LineEnd::ClientGone,
            took: Duration::ZERO,
        }))
    }

    /// Writes the line of a request that has ended, and ends its span.
    pub(super) fn close(&self, mut line: Box<AccessLine>) {
        line.end_span();
        let Some(LineWriter { options, lines, lost }) = &self.lines else { return };
        if options.only_errors && line.is_success() {
            return;
        }
        line.took = line.begun.elapsed();
        if lines.try_send(LogEntry::Line(line)).is_err() {
            lost.fetch_add(1, Relaxed);
        }
    }

    /// Waits until all lines have been written, but at most for half a second.
    pub fn flush(&self) {
        let Some(LineWriter { lines, .. }) = &self.lines else { return };
        let (written, all) = sync_channel(1);
        if lines.try_send(LogEntry::Flush(written)).is_ok() {
            // A reader of standard error that has stopped reading must not keep the program from ending.
            let _ = all.recv_timeout(PATIENCE);
        }
    }
}

impl AccessLine {
    /// Notes the response, and adds the request's id to it.
    pub(super) fn record_response(&mut self, response: &mut Response<Body>, outcome: Option<Outcome>) {
        self.status = response.status().as_u16();
        self.outcome = outcome;
        self.stage = self.record.stage();
        self.record.enter(Stage::Response);
        if let Some(id) = self.id.header_value() {
            response.headers_mut().insert(REQUEST_ID, id);
        }
    }

    /// Counts bytes of the body that were given to the connection.
    pub(super) fn count_sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Notes why the body broke off.
    pub(super) fn record_error(&mut self, error: &BoxError) {
        self.broken = Some(error.to_string());
    }

    /// Notes whether the whole body was given to the connection. The response to `HEAD` has none.
    pub(super) fn record_end(&mut self, whole: bool) {
        self.end = if whole || self.verb == Method::HEAD { LineEnd::Whole } else { LineEnd::ClientGone };
    }

    /// Notes how the sending of the response has ended.
    pub(super) fn record_written(&mut self, end: LineEnd) {
        self.end = end;
    }

    /// Whether the whole body was given to the connection.
    pub(super) fn is_whole(&self) -> bool {
        self.end == LineEnd::Whole
    }

    fn is_success(&self) -> bool {
        self.conclusion().failed.is_none() && self.record.batch_counts().is_none_or(|(_, faults)| faults == 0)
    }

    fn conclusion(&self) -> Conclusion {
        let failed = |outcome, by, stage| Conclusion { outcome, failed: Some((by, stage)) };
        if self.broken.is_some() {
            return failed("cut", self.server_or_upstream(), Stage::Response);
        }
        match self.end {
            LineEnd::Whole => {}
            LineEnd::ClientClosed => return failed("client-closed", "client", Stage::Response),
            LineEnd::ClientGone => return failed("client-gone", "client", self.record.stage()),
            LineEnd::Cut => return failed("cut", "server", self.record.stage()),
        }
        let fault = self.outcome.as_ref().and_then(|outcome| outcome.fault).or_else(|| self.record.late_fault());
        match fault {
            None if self.record.is_cancelled() => failed("cancelled", "client", Stage::Call),
            Some(kind) => failed(kind.word(), self.cause_of_fault(kind), Stage::Call),
            None if self.record.is_upstream_down() => failed(REJECTED, "upstream", self.stage),
            None if self.status >= 500 => failed(REJECTED, "server", self.stage),
            None if self.status >= 400 => failed(REJECTED, "client", self.stage),
            None => Conclusion { outcome: "ok", failed: None },
        }
    }

    /// Who has caused a fault.
    fn cause_of_fault(&self, kind: Kind) -> &'static str {
        match kind {
            kind if kind.blames_sender() => "client",
            Kind::Unreachable => "upstream",
            Kind::Service(_) | Kind::Late => self.server_or_upstream(),
            _ => "server",
        }
    }

    fn server_or_upstream(&self) -> &'static str {
        if self.record.upstream().is_some() { "upstream" } else { "server" }
    }

    /// Ends the span of the request, if it has one.
    fn end_span(&self) {
        let Some(trace) = self.record.trace() else { return };
        let Conclusion { outcome, failed } = self.conclusion();
        let error = failed.map(|_| match (outcome, self.status) {
            (REJECTED, status) => status.to_string().into(),
            (outcome, _) => outcome.into(),
        });
        let ended = EndedRequest {
            method: &self.verb,
            is_https: self.tls.is_some(),
            path: &printable(&self.path, LONGEST_PATH),
            status: self.status,
            client: self.client,
            request_id: self.id.to_string(),
            protocol: self.record.protocol(),
            group: self.group(),
            rpc_method: self.method(),
            has_rpc_method: self.record.has_known_method(),
            user: self.record.user(),
            batch: self.record.batch_counts(),
            error,
        };
        // A mistake of the client is no failure of the server.
        let is_failure = failed.is_some_and(|(by, _)| by != "client");
        trace.end_request(ended.name(), self.begun.elapsed(), is_failure, ended.attributes());
    }

    fn group(&self) -> Option<&str> {
        self.outcome.as_ref().map(|outcome| outcome.group.as_ref()).or_else(|| self.record.group())
    }

    fn method(&self) -> Option<&str> {
        let method = self.outcome.as_ref().map(|outcome| outcome.method.as_ref()).filter(|method| !method.is_empty());
        method.or_else(|| self.record.method())
    }

    fn write(&self) {
        self.write_calls();
        let record = &self.record;
        let Conclusion { outcome, failed } = self.conclusion();
        let batch = record.batch_counts();
        let upstream = record.upstream();
        let user_agent = self.user_agent.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()));
        tracing::info!(
            target: "croupier::access",
            id = %self.id,
            trace = self.trace.as_ref().map(|trace| trace.trace_id()),
            listener = self.listener.address,
            client = self.client.map(tracing::field::display),
            peer = self.peer.map(tracing::field::display),
            proxy = self.proxy.map(tracing::field::display),
            tls = self.tls,
            user = record.user().map(text).as_deref(),
            protocol = record.protocol(),
            verb = %self.verb,
            version = ?self.version,
            path = &*printable(&self.path, LONGEST_PATH),
            group = self.group(),
            method = self.method().map(text).as_deref(),
            calls = batch.map(|(calls, _)| calls),
            faults = batch.map(|(_, faults)| faults),
            outcome,
            ended_by = failed.map(|(by, _)| by),
            stage = failed.map(|(_, stage)| stage.word()),
            status = (self.status > 0).then_some(self.status),
            received = record.received(),
            sent = self.sent,
            micros = micros(self.took),
            queued_micros = Some(record.queued()).filter(|queued| *queued > 0),
            cache = record.lookup(),
            fallback = record.fallback(),
            split = record.is_split().then_some(true),
            upstream = upstream.as_ref().map(|upstream| upstream.servers.join(", ")),
            upstream_micros = upstream.as_ref().map(|upstream| micros(upstream.time)),
            retries = upstream.as_ref().map(|upstream| upstream.retries).filter(|retries| *retries > 0),
            user_agent = user_agent.as_deref().map(text).as_deref(),
            error = self.broken.as_deref().map(text).as_deref(),
        );
    }

    /// Writes the lines of the calls of a batch, if they are noted.
    fn write_calls(&self) {
        for (index, call) in self.record.batch_calls().iter().enumerate() {
            let outcome = call.ended.map_or("cancelled", |(fault, _)| fault.map_or("ok", |kind| kind.word()));
            tracing::info!(
                target: "croupier::call",
                id = %self.id,
                trace = self.trace.as_ref().map(|trace| trace.trace_id()),
                client = self.client.map(tracing::field::display),
                group = self.record.group(),
                call = index + 1,
                method = Some(call.method.as_ref()).filter(|method| !method.is_empty()).map(text).as_deref(),
                outcome,
                micros = call.ended.map(|(_, time)| micros(time)),
            );
        }
    }
}

/// A text from outside, as a line has it.
fn text(text: &str) -> Cow<'_, str> {
    printable(text, LONGEST_TEXT)
}

impl LogEntry {
    fn write(self) {
        match self {
            LogEntry::Line(line) => line.write(),
            // The waiter may have given up, which is no error.
            LogEntry::Flush(written) => drop(written.try_send(())),
        }
    }
}

fn write(waiting: &Receiver<LogEntry>, lost: &AtomicU64) {
    let mut logged: Option<Instant> = None;
    loop {
        let entry = match lost.load(Relaxed) {
            0 => waiting.recv().map_err(RecvTimeoutError::from),
            // The number of lost lines still has to be logged.
            _ => waiting.recv_timeout(LOST_INTERVAL),
        };
        match entry {
            Ok(entry) => {
                entry.write();
                // Sending a line wakes this thread if it waits for one. The pause makes that once for many lines, not for
                // each.
                for entry in waiting.try_iter().take(WAITING) {
                    entry.write();
                }
                std::thread::sleep(PAUSE);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if lost.load(Relaxed) > 0 && logged.is_none_or(|logged| logged.elapsed() >= LOST_INTERVAL) {
            logged = Some(Instant::now());
            let count = lost.swap(0, Relaxed);
            tracing::warn!(target: "croupier::access", count, "lines lost: requests came faster than they could be logged");
        }
    }
}
