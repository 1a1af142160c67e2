//! Keeps the description of an upstream up to date.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep, timeout};

use super::Upstream;
use super::first_discovery::{MAX_WAIT, RunningDiscovery};
use super::outage::Failure;
use crate::model::fault::{Fault, Kind};

/// The time limit for one discovery.
const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(60);
/// The delay after the first failure. It doubles with each further failure.
const FIRST_DELAY: Duration = Duration::from_millis(500);
/// The shortest time from a description to the next discovery, if calls find the upstream to be down meanwhile. An upstream that
/// comes and goes would be asked twice a second otherwise.
const RECOVERY_INTERVAL: Duration = Duration::from_secs(3);
/// Why there is no description, for callers. The reason itself may have addresses, and what the server wrote.
const UNREACHED: &str = "the upstream server cannot be reached";
/// The same for a server that responds.
const UNDESCRIBED: &str = "the upstream server does not describe itself; the log of the gateway has details";
/// How many parts of a description that are not used are logged.
const MAX_GAPS: usize = 20;
/// The longest delay after a failure.
const MAX_DELAY: Duration = Duration::from_secs(30);

impl Upstream {
    /// Discovers the upstream at the interval of [`refresh`](Upstream::refresh), or after a failure with an increasing delay
    /// of 0.5 to 30 s. Calls `on_described` after each success, with whether the description has changed. The future never
    /// completes: drop it to end the loop.
    ///
    /// Meanwhile, the hosts are probed if the options say so.
    ///
    /// From the call of this method until the first discovery has succeeded or failed, but for 3 s at most, calls that a
    /// [`Gateway`](crate::server::gateway::Gateway) dispatches to the upstream wait for it.
    pub fn watch<F: FnMut(&Upstream, bool)>(self, on_described: F) -> impl Future<Output = ()> + use<F> {
        let first = RunningDiscovery::begin(&self);
        async move {
            let upstream = self.clone();
            tokio::join!(self.watch_after(first, on_described), upstream.probe_hosts());
        }
    }

    async fn watch_after(self, mut first: Option<RunningDiscovery>, mut on_described: impl FnMut(&Upstream, bool)) {
        let group = self.inner.options.group.as_str();
        let mut delay = FIRST_DELAY;
        let mut failing = false;
        loop {
            let mut discovery = pin!(timeout(DISCOVERY_TIMEOUT, self.discover()));
            let discovered = match first.take() {
                Some(running) => match timeout(MAX_WAIT, discovery.as_mut()).await {
                    Ok(discovered) => {
                        drop(running);
                        discovered
                    }
                    Err(_) => {
                        drop(running);
                        discovery.await
                    }
                },
                None => discovery.await,
            };
            match discovered.unwrap_or_else(|_| Err(no_description_in_time())) {
                Ok(changed) => {
                    self.inner.discovery_error.set(None);
                    // A description from a file says nothing about the server.
                    if self.state().why_unusable().is_none() {
                        self.inner.outages.note_success(|| self.name());
                        delay = FIRST_DELAY;
                    }
                    if changed || failing {
                        let methods = self.description().interface.methods.len();
                        tracing::info!(group, server = self.servers(), methods, "an upstream has described itself");
                    }
                    for option in self.description().unmatched.iter().filter(|_| changed) {
                        tracing::warn!(group, server = self.servers(), "{option} matches no method of the upstream");
                    }
                    for gap in self.description().gaps.sentences(MAX_GAPS).iter().filter(|_| changed) {
                        tracing::warn!(
                            group,
                            server = self.servers(),
                            "a part of the description of an upstream is not used: {gap}"
                        );
                    }
                    on_described(&self, changed);
                    failing = false;
                    let described = Instant::now();
                    // An upstream that calls find to be down is asked sooner, so that its end is noticed without a call.
                    let went_down =
                        timeout(self.wait(self.refresh()), self.inner.outages.wait_until_down()).await.is_ok();
                    if went_down {
                        sleep(self.wait(delay.max(RECOVERY_INTERVAL.saturating_sub(described.elapsed())))).await;
                        delay = (2 * delay).min(MAX_DELAY);
                    }
                }
                Err(fault) => {
                    self.inner.discovery_error.set(Some(&fault.message));
                    let state = self.state();
                    if state.why_unusable().is_some() {
                        let (failure, reason) = if state.is_unreached() {
                            (Failure::Unreached, UNREACHED)
                        } else {
                            (Failure::Undescribed, UNDESCRIBED)
                        };
                        self.inner.outages.note_failure(
                            self.name(),
                            reason.to_owned(),
                            fault.message.to_string(),
                            failure,
                        );
                    } else {
                        // It has responded, and can be called without a description.
                        self.inner.outages.note_success(|| self.name());
                        if !failing {
                            tracing::warn!(group, server = self.servers(), reason = %fault.message, "an upstream does not describe itself");
                        }
                    }
                    failing = true;
                    sleep(self.wait(delay)).await;
                    delay = (2 * delay).min(MAX_DELAY);
                }
            }
            self.inner.outages.set_next_attempt(None);
        }
    }

    /// Notes that the upstream is asked again after this time, if it is asked at all, and returns the time.
    fn wait(&self, time: Duration) -> Duration {
        if !self.inner.options.has_whole_description() {
            self.inner.outages.set_next_attempt(SystemTime::now().checked_add(time));
        }
        time
    }
}

fn no_description_in_time() -> Fault {
    Fault::new(Kind::Late, format!("no description within {DISCOVERY_TIMEOUT:?}"))
}
