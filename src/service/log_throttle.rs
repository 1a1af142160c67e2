//! Log lines that clients or upstreams can cause as often as they like.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// The time in which at most one line is written, unless another one is chosen.
const INTERVAL: Duration = Duration::from_secs(1);

/// Writes at most one of many similar lines a second, with the number of lines that it replaces, itself included.
///
/// The first line is written at once. Of the lines in the following second, and in each second after that, only the last
/// one is written, at the end of the second. After a second without a line, the next one is written at once again. Each
/// upstream, page and listener has throttles of its own, so none hides the lines of another.
#[derive(Clone)]
pub(crate) struct LogThrottle {
    state: Arc<Mutex<ThrottleState>>,
    /// What is a second above.
    interval: Duration,
}

impl Default for LogThrottle {
    fn default() -> Self {
        LogThrottle::with_interval(INTERVAL)
    }
}

#[derive(Default)]
struct ThrottleState {
    /// The end of the running interval; `None` if the next line is written at once.
    until: Option<Instant>,
    /// How many lines wait.
    count: u64,
    /// The last of them.
    last: Option<LogLine>,
    /// Writes it at the end of the interval.
    waiting: Option<AbortHandle>,
}

impl Drop for ThrottleState {
    fn drop(&mut self) {
        if let Some(waiting) = &self.waiting {
            waiting.abort();
        }
    }
}

/// Writes a line. The number is how many lines it replaces, itself included; `None` if it replaces no other.
type LogLine = Box<dyn FnOnce(Option<u64>) + Send>;

impl LogThrottle {
    /// Writes at most one line in each interval of this length.
    pub(crate) fn with_interval(interval: Duration) -> LogThrottle {
        LogThrottle { state: Arc::default(), interval }
    }

    /// Begins an interval, as if a line had been written.
    pub(crate) fn begin_interval(&self) {
        self.lock().until = Some(Instant::now() + self.interval);
    }

    /// Forgets the lines that wait. The next one is written at once.
    pub(crate) fn reset(&self) {
        // Lines are dropped without the lock.
        let _forgotten = std::mem::take(&mut *self.lock());
    }

    /// Writes a line, now or later, or counts it. `line` gets the number of lines that it replaces, itself included; `None`
    /// if it replaces no other.
    pub(crate) fn log(&self, line: impl FnOnce(Option<u64>) + Send + 'static) {
        let now = Instant::now();
        let mut state = self.lock();
        match state.until {
            Some(until) if now < until => {
                state.count += 1;
                state.last = Some(Box::new(line));
                if state.waiting.is_none()
                    && let Ok(runtime) = Handle::try_current()
                {
                    state.waiting = Some(runtime.spawn(self.clone().log_last_at(until)).abort_handle());
                }
            }
            // Without a runtime, lines that wait are counted in the next one.
            _ => {
                let count = std::mem::take(&mut state.count) + 1;
                state.last = None;
                state.until = Some(now + self.interval);
                drop(state);
                line(number(count));
            }
        }
    }

    /// Writes the last line of an interval at its end, and begins the next one.
    async fn log_last_at(self, until: Instant) {
        sleep_until(until).await;
        let (line, count) = {
            let mut state = self.lock();
            state.waiting = None;
            // Without a line, one came between the end of the interval and now, and has been written at once.
            let Some(line) = state.last.take() else { return };
            state.until = Some(until + self.interval);
            (line, std::mem::take(&mut state.count))
        };
        line(number(count));
    }

    fn lock(&self) -> MutexGuard<'_, ThrottleState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number(count: u64) -> Option<u64> {
    (count > 1).then_some(count)
}

impl fmt::Debug for LogThrottle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogThrottle").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of a line, and how many lines it replaces.
    type NamedLine = (u32, Option<u64>);

    /// The lines that were written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<NamedLine>>>);

    impl Written {
        fn log(&self, throttle: &LogThrottle, name: u32) {
            let lines = self.0.clone();
            throttle.log(move |count| lines.lock().unwrap().push((name, count)));
        }

        fn take(&self) -> Vec<NamedLine> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_line_a_second_stands_for_all() {
        let (throttle, written) = (LogThrottle::default(), Written::default());
        for name in 0..1000 {
            written.log(&throttle, name);
        }
        assert_eq!(written.take(), [(0, None)]);
        tokio::time::sleep(Duration::from_millis(1001)).await;
        assert_eq!(written.take(), [(999, Some(999))]);
        written.log(&throttle, 1);
        assert_eq!(written.take(), []);
        tokio::time::sleep(Duration::from_millis(1000)).await;
        assert_eq!(written.take(), [(1, None)]);
        // After a second without a line.
        tokio::time::sleep(Duration::from_millis(1000)).await;
        written.log(&throttle, 2);
        assert_eq!(written.take(), [(2, None)]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interval_may_be_longer_begin_without_a_line_and_be_forgotten() {
        let (throttle, written) = (LogThrottle::with_interval(Duration::from_secs(60)), Written::default());
        throttle.begin_interval();
        written.log(&throttle, 1);
        written.log(&throttle, 2);
        tokio::time::sleep(Duration::from_secs(59)).await;
        assert_eq!(written.take(), []);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(written.take(), [(2, Some(2))]);
        written.log(&throttle, 3);
        throttle.reset();
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(written.take(), []);
        written.log(&throttle, 4);
        assert_eq!(written.take(), [(4, None)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_forgotten_leaves_no_task() {
        let (throttle, start) = (LogThrottle::with_interval(Duration::from_secs(60)), Instant::now());
        for _ in 0..100 {
            throttle.begin_interval();
            throttle.log(|_| {});
            throttle.log(|_| {});
            throttle.reset();
        }
        // Tasks that were aborted end when the runtime comes to them, some at a time.
        while Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(Instant::now(), start, "no task waited for the end of its interval");
    }

    #[test]
    fn lines_are_counted_without_a_runtime_too() {
        let (throttle, written) = (LogThrottle::default(), Written::default());
        for name in 0..10 {
            written.log(&throttle, name);
        }
        throttle.lock().until = Some(Instant::now());
        written.log(&throttle, 10);
        assert_eq!(written.take(), [(0, None), (10, Some(10))]);
    }
}
