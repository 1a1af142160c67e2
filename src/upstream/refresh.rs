//! What is known of a server, kept up to date.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Upstream;
use crate::model::fault::{Fault, Kind};

/// How long a server may take to describe itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long after the first failure a server is asked again; after each further one, twice as long.
const SOON: Duration = Duration::from_millis(500);
/// The longest time between two such questions.
const RARELY: Duration = Duration::from_secs(30);

impl Upstream {
    /// Asks the server what it is, again and again: often while it does not say, rarely once it has. Tells whenever it has
    /// said so, and whether something has changed. Ends only by being dropped.
    pub async fn keep_discovering(self, mut told: impl FnMut(&Upstream, bool)) {
        let mut delay = SOON;
        let mut failing = false;
        loop {
            let discovered = timeout(PATIENCE, self.discover()).await;
            match discovered
                .unwrap_or_else(|_| Err(Fault::new(Kind::Late, format!("no description within {PATIENCE:?}"))))
            {
                Ok(new) => {
                    if new || failing {
                        let methods = self.offer().interface.methods.len();
                        tracing::info!(server = self.servers(), methods, "a server has described itself");
                    }
                    for stranger in self.offer().unmatched.iter().filter(|_| new) {
                        tracing::warn!(server = self.servers(), "{stranger} fits no method of the server");
                    }
                    told(&self, new);
                    (delay, failing) = (SOON, false);
                    sleep(self.refresh()).await;
                }
                Err(fault) => {
                    if !failing {
                        tracing::warn!(server = self.servers(), reason = %fault.message, "a server does not describe itself");
                    }
                    failing = true;
                    sleep(delay).await;
                    delay = (2 * delay).min(RARELY);
                }
            }
        }
    }
}
