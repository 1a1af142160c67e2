//! Keeps the description of an upstream up to date.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Upstream;
use crate::model::fault::{Fault, Kind};

/// The time limit for one discovery.
const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(60);
/// The delay after the first failure. It doubles with each further failure.
const FIRST_DELAY: Duration = Duration::from_millis(500);
/// The longest delay after a failure.
const MAX_DELAY: Duration = Duration::from_secs(30);

impl Upstream {
    /// Discovers the server again and again: at the interval of [`refresh`](Upstream::refresh), or after a failure with an
    /// increasing delay of 0.5 to 30 s. `on_described` is called after each success, and receives whether the description
    /// has changed. The future never completes: drop it to end the loop.
    pub async fn keep_discovering(self, mut on_described: impl FnMut(&Upstream, bool)) {
        let group = self.inner.options.group.clone();
        let group = group.as_str();
        let mut delay = FIRST_DELAY;
        let mut failing = false;
        loop {
            let discovered = timeout(DISCOVERY_TIMEOUT, self.discover()).await;
            match discovered
                .unwrap_or_else(|_| Err(Fault::new(Kind::Late, format!("no description within {DISCOVERY_TIMEOUT:?}"))))
            {
                Ok(changed) => {
                    if changed || failing {
                        let methods = self.offer().interface.methods.len();
                        tracing::info!(group, server = self.servers(), methods, "an upstream has described itself");
                    }
                    for option in self.offer().unmatched.iter().filter(|_| changed) {
                        tracing::warn!(group, server = self.servers(), "{option} matches no method of the upstream");
                    }
                    on_described(&self, changed);
                    (delay, failing) = (FIRST_DELAY, false);
                    sleep(self.refresh()).await;
                }
                Err(fault) => {
                    if !failing {
                        tracing::warn!(group, server = self.servers(), reason = %fault.message, "an upstream does not describe itself");
                    }
                    failing = true;
                    sleep(delay).await;
                    delay = (2 * delay).min(MAX_DELAY);
                }
            }
        }
    }
}
