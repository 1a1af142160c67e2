//! The life of a serving process: its start, its configurations, its end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// When the process began to serve, which configuration it serves, and whether it is stopping.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    started: SystemTime,
    draining: AtomicBool,
    /// Reloads that succeeded and that failed.
    reloads: [AtomicU64; 2],
    config: Mutex<ServedConfig>,
}

/// The configuration that is served.
#[derive(Debug, Clone)]
pub(crate) struct ServedConfig {
    /// A hash of the text of the file.
    pub(crate) hash: u64,
    /// 1 for that of the start; each successful reload adds 1.
    pub(crate) generation: u64,
    /// Since when it has been served.
    pub(crate) loaded: SystemTime,
    pub(crate) last_reload: Option<LastReload>,
}

/// When the configuration was read again, and the result.
#[derive(Debug, Clone)]
pub(crate) struct LastReload {
    pub(crate) time: SystemTime,
    /// The problems, if it failed.
    pub(crate) error: Option<String>,
}

/// How a reload has ended.
#[derive(Debug)]
pub(crate) enum ReloadEnd {
    /// A configuration with this hash is served now.
    Success(u64),
    /// The configuration stays as it was, because of these problems.
    Failure(String),
}

impl Default for Lifecycle {
    /// A process that begins to serve now, without a file.
    fn default() -> Self {
        Lifecycle::start(0)
    }
}

impl Lifecycle {
    /// A process that begins to serve a configuration with this hash now.
    pub(crate) fn start(hash: u64) -> Lifecycle {
        let started = SystemTime::now();
        let config = ServedConfig { hash, generation: 1, loaded: started, last_reload: None };
        let (draining, reloads) = Default::default();
        Lifecycle { started, draining, reloads, config: Mutex::new(config) }
    }

    pub(crate) fn started(&self) -> SystemTime {
        self.started
    }

    /// Notes that the server is stopping.
    pub(crate) fn drain(&self) {
        self.draining.store(true, SeqCst);
    }

    /// Whether the server is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(SeqCst)
    }

    pub(crate) fn config(&self) -> ServedConfig {
        self.lock().clone()
    }

    /// The number of reloads by result.
    pub(crate) fn reloads(&self) -> [(&'static str, u64); 2] {
        let [success, failure] = &self.reloads;
        [("success", success.load(SeqCst)), ("failure", failure.load(SeqCst))]
    }

    /// Notes how a reload has ended.
    pub(crate) fn record_reload(&self, end: ReloadEnd) {
        let (time, [success, failure]) = (SystemTime::now(), &self.reloads);
        let mut config = self.lock();
        match end {
            ReloadEnd::Success(hash) => {
                success.fetch_add(1, SeqCst);
                let last_reload = Some(LastReload { time, error: None });
                *config = ServedConfig { hash, generation: config.generation + 1, loaded: time, last_reload };
            }
            ReloadEnd::Failure(error) => {
                failure.fetch_add(1, SeqCst);
                config.last_reload = Some(LastReload { time, error: Some(error) });
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, ServedConfig> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_reload_leaves_the_generation_and_the_hash_as_they_were() {
        let lifecycle = Lifecycle::start(7);
        lifecycle.record_reload(ReloadEnd::Failure("no groups".to_owned()));
        let config = lifecycle.config();
        assert_eq!((config.hash, config.generation), (7, 1));
        assert_eq!(config.last_reload.unwrap().error.as_deref(), Some("no groups"));
        lifecycle.record_reload(ReloadEnd::Success(8));
        let config = lifecycle.config();
        assert_eq!((config.hash, config.generation, config.last_reload.unwrap().error), (8, 2, None));
        assert_eq!(lifecycle.reloads(), [("success", 1), ("failure", 1)]);
    }
}
