//! The access log: one structured line for each request, written by a thread of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderName, Method, Response, Version};

use crate::http::body::Body;
use crate::model::fault::{BoxError, Kind};
use crate::service::Context;
use crate::service::request_id::RequestId;

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

/// Sends lines to the thread that writes them.
#[derive(Debug, Clone)]
pub struct AccessLog {
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
    peer: Option<SocketAddr>,
    verb: Method,
    path: String,
    version: Version,
    status: u16,
    outcome: Option<Outcome>,
    sent: u64,
    broken: Option<String>,
    whole: bool,
    took: Duration,
}

impl AccessLog {
    /// Starts the thread that writes the lines, as `tracing` events of the target `croupier::access`.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start() -> std::io::Result<AccessLog> {
        let (lines, waiting) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = lost.clone();
        std::thread::Builder::new().name("access-log".into()).spawn(move || write(&waiting, &counter))?;
        Ok(AccessLog { lines, lost })
    }

    /// Begins the line of a request.
    pub(super) fn begin(&self, head: &Parts, context: &Context) -> Box<AccessLine> {
        Box::new(AccessLine {
            begun: Instant::now(),
            id: context.request_id.clone(),
            peer: context.peer,
            verb: head.method.clone(),
            path: head.uri.path().to_owned(),
            version: head.version,
            status: 0,
            outcome: None,
            sent: 0,
            broken: None,
            whole: false,
            took: Duration::ZERO,
        })
    }

    /// Writes the line of a request that has ended.
    pub(super) fn close(&self, mut line: Box<AccessLine>) {
        line.took = line.begun.elapsed();
        if self.lines.try_send(LogEntry::Line(line)).is_err() {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    /// Waits until all lines have been written, but at most for half a second.
    pub fn flush(&self) {
        let (written, all) = sync_channel(1);
        if self.lines.try_send(LogEntry::Flush(written)).is_ok() {
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

    /// Notes whether the whole body was sent.
    pub(super) fn record_end(&mut self, whole: bool) {
        self.whole = whole;
    }

    /// One word for how the request ended: `ok`, the word of a fault, `http` for an HTTP error, or `cut` if the client left
    /// or the response broke off.
    fn ending(&self) -> &'static str {
        match &self.outcome {
            _ if !self.whole || self.broken.is_some() => "cut",
            Some(Outcome { fault: Some(kind), .. }) => kind.word(),
            Some(_) if self.status >= 400 => "http",
            Some(_) => "ok",
            None => "http",
        }
    }

    fn write(&self) {
        let outcome = self.outcome.as_ref();
        tracing::info!(
            target: "croupier::access",
            id = %self.id,
            peer = self.peer.map(tracing::field::display),
            verb = %self.verb,
            version = ?self.version,
            path = self.path,
            group = outcome.map(|outcome| outcome.group.as_ref()),
            method = outcome.map(|outcome| outcome.method.as_ref()),
            outcome = self.ending(),
            status = self.status,
            bytes = self.sent,
            micros = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
            error = self.broken,
        );
    }
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
    let mut told: Option<Instant> = None;
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
        if lost.load(Relaxed) > 0 && told.is_none_or(|told| told.elapsed() >= LOST_INTERVAL) {
            told = Some(Instant::now());
            let count = lost.swap(0, Relaxed);
            tracing::warn!(target: "croupier::access", count, "lines lost: requests came faster than they could be logged");
        }
    }
}
