//! Whether an upstream is down: noticed by calls and by discovery, logged when it changes, and summarised meanwhile.
//!
//! An upstream is down when no server of it can be reached, or when it has not described itself and calls need that. A
//! response, or a description, ends the outage.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::service::lock::lock;
use crate::service::log_throttle::LogThrottle;
use crate::service::outage::Outage;

/// The time in which at most one line says how many calls have failed.
const SUMMARY: Duration = Duration::from_secs(60);

/// What is known of the outages of an upstream. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct OutageMonitor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Read for each call, without the lock.
    is_down: AtomicBool,
    state: Mutex<MonitorState>,
    /// Notified when the upstream goes down.
    went_down: Notify,
    /// For the lines that an outage begins or ends.
    changes: LogThrottle,
    /// For the lines about calls that fail meanwhile.
    summary: LogThrottle,
}

#[derive(Debug, Default)]
struct MonitorState {
    running: Option<RunningOutage>,
    /// When the upstream is asked for its description again.
    next_attempt: Option<SystemTime>,
}

#[derive(Debug, Clone)]
struct RunningOutage {
    since: SystemTime,
    begun: Instant,
    reason: String,
}

impl Default for Shared {
    fn default() -> Self {
        Shared {
            is_down: AtomicBool::new(false),
            state: Mutex::default(),
            went_down: Notify::new(),
            changes: LogThrottle::default(),
            summary: LogThrottle::with_interval(SUMMARY),
        }
    }
}

/// The upstream, as log lines name it.
#[derive(Debug, Clone)]
pub(super) struct UpstreamName {
    pub(super) group: String,
    pub(super) server: String,
}

/// What has failed.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// A call: no server was reached.
    Call(FailedCall),
    /// The discovery: no server was reached.
    Unreached,
    /// The discovery: the server has no description that can be used.
    Undescribed,
}

/// A call that has failed because the upstream is down.
#[derive(Debug, Clone, Default)]
pub(super) struct FailedCall {
    pub(super) method: Option<Arc<str>>,
    pub(super) request_id: Option<String>,
}

impl OutageMonitor {
    /// Whether the upstream is down.
    pub(super) fn is_down(&self) -> bool {
        self.0.is_down.load(Relaxed)
    }

    /// The outage, if the upstream is down.
    pub(super) fn outage(&self) -> Option<Outage> {
        let state = lock(&self.0.state);
        let RunningOutage { since, reason, .. } = state.running.clone()?;
        Some(Outage { since, next_attempt: state.next_attempt, reason })
    }

    /// Notes when the upstream is asked for its description again; `None` while it is being asked.
    pub(super) fn set_next_attempt(&self, time: Option<SystemTime>) {
        lock(&self.0.state).next_attempt = time;
    }

    /// Waits until the upstream is down.
    pub(super) async fn wait_until_down(&self) {
        // A notification may be that of an outage that has ended.
        while !self.is_down() {
            self.0.went_down.notified().await;
        }
    }

    /// Notes that the upstream is down, because of a call or of its discovery. `reason` is for callers, and `error` is for
    /// the log. The first failure of an outage is logged at once; of the calls after it, one line a minute says how many
    /// there were.
    pub(super) fn note_failure(&self, name: UpstreamName, reason: String, error: String, failure: Failure) {
        let is_new = {
            let mut state = lock(&self.0.state);
            let is_new = state.running.is_none();
            if is_new {
                state.running = Some(RunningOutage { since: SystemTime::now(), begun: Instant::now(), reason });
                self.0.is_down.store(true, Relaxed);
            } else if let Some(running) = &mut state.running {
                running.reason = reason;
            }
            is_new
        };
        if !is_new {
            if let Failure::Call(call) = failure {
                self.summarise(name, error, call);
            }
            return;
        }
        self.0.went_down.notify_one();
        if matches!(failure, Failure::Call(_)) {
            // The line about the outage is that of this call.
            self.0.summary.begin_interval();
        }
        self.0.changes.log(move |count| {
            let UpstreamName { group, server } = name;
            let call = match failure {
                Failure::Undescribed => {
                    tracing::warn!(group, server, error, count, "an upstream does not describe itself");
                    return;
                }
                Failure::Unreached => FailedCall::default(),
                Failure::Call(call) => call,
            };
            let (method, request_id) = (call.method.as_deref(), call.request_id);
            tracing::warn!(group, server, method, request_id, error, count, "an upstream is down");
        });
    }

    fn summarise(&self, name: UpstreamName, error: String, call: FailedCall) {
        let monitor = self.clone();
        self.0.summary.log(move |count| {
            // It may have ended since the call.
            let Some(running) = lock(&monitor.0.state).running.clone() else { return };
            let UpstreamName { group, server } = name;
            let FailedCall { method, request_id } = call;
            let (down_for, method, calls) = (words(running.begun.elapsed()), method.as_deref(), count.unwrap_or(1));
            tracing::warn!(
                group,
                server,
                method,
                request_id,
                error,
                calls,
                "an upstream is still down, for {down_for}: {calls} {} failed",
                if calls == 1 { "call has" } else { "calls have" }
            );
        });
    }

    /// Notes that the upstream has responded.
    pub(super) fn note_success(&self, name: impl FnOnce() -> UpstreamName) {
        if !self.is_down() {
            return;
        }
        let ended = {
            let mut state = lock(&self.0.state);
            self.0.is_down.store(false, Relaxed);
            state.running.take()
        };
        let Some(RunningOutage { begun, .. }) = ended else { return };
        self.0.summary.reset();
        let (UpstreamName { group, server }, down_for) = (name(), words(begun.elapsed()));
        self.0.changes.log(move |count| {
            tracing::info!(group, server, count, "an upstream is back after {down_for}");
        });
    }
}

/// A duration in words, in whole seconds.
fn words(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::future::Future;

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// Keeps the lines that are logged.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    struct Line(String);

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            use std::fmt::Write as _;
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut line = Line(event.metadata().level().to_string());
            event.record(&mut line);
            lock(&self.0).push(line.0);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    fn name() -> UpstreamName {
        UpstreamName { group: "/up".to_owned(), server: "host:1".to_owned() }
    }

    fn call(monitor: &OutageMonitor, number: usize) {
        let call = FailedCall { method: Some("spin".into()), request_id: Some(format!("id-{number}")) };
        monitor.note_failure(name(), "unreached".to_owned(), "refused".to_owned(), Failure::Call(call));
    }

    /// Runs on one thread, whose lines are kept.
    fn logged(run: impl Future<Output = ()>) -> Vec<String> {
        let lines = Lines::default();
        // With one subscriber alone, tracing remembers for all threads whether an event is wanted by it.
        let _second = tracing::Dispatch::new(Lines::default());
        let _guard = tracing::subscriber::set_default(lines.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(run);
        std::mem::take(&mut lock(&lines.0))
    }

    async fn seconds(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[test]
    fn an_outage_is_logged_when_it_begins_each_minute_and_when_it_ends() {
        let lines = logged(async {
            let monitor = OutageMonitor::default();
            monitor.note_success(name);
            for number in 0..18 {
                call(&monitor, number);
                seconds(1).await;
            }
            assert_eq!(monitor.outage().unwrap().reason, "unreached");
            seconds(100).await;
            monitor.note_success(name);
            monitor.note_success(name);
            assert_eq!(monitor.outage(), None);
            seconds(100).await;
        });
        let [down, still, back] = lines.as_slice() else { panic!("{lines:#?}") };
        for part in ["WARN", "an upstream is down", "/up", "host:1", "spin", "id-0", "refused"] {
            assert!(down.contains(part), "{part}: {down}");
        }
        for part in ["WARN", "still down, for 1m: 17 calls have failed", "/up", "host:1", "spin", "id-17", "calls=17"] {
            assert!(still.contains(part), "{part}: {still}");
        }
        assert!(back.contains("an upstream is back after 1m 58s") && back.contains("/up"), "{back}");
    }

    #[test]
    fn the_first_call_after_a_failed_discovery_has_a_line() {
        let lines = logged(async {
            let monitor = OutageMonitor::default();
            for _ in 0..5 {
                monitor.note_failure(name(), "unreached".to_owned(), "refused".to_owned(), Failure::Unreached);
            }
            call(&monitor, 0);
            call(&monitor, 1);
            monitor.note_success(name);
            seconds(100).await;
        });
        let expected = ["an upstream is down", "still down, for 0s: 1 call has failed", "is back after 0s"];
        assert_eq!(lines.len(), expected.len(), "{lines:#?}");
        for (line, part) in lines.iter().zip(expected) {
            assert!(line.contains(part), "{line}");
        }
    }

    #[test]
    fn an_upstream_that_comes_and_goes_has_a_line_a_second() {
        let lines = logged(async {
            let monitor = OutageMonitor::default();
            for number in 0..1000 {
                call(&monitor, number);
                monitor.note_success(name);
            }
            seconds(10).await;
        });
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(lines[1].contains("count=1999"), "{lines:#?}");
    }
}
