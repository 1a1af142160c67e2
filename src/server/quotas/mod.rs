//! Carries the counts of quotas between the groups and a store, so that they survive a restart.
//!
//! A quota counts in memory (`limits.quota`, [`QuotaLimit`](crate::service::quota::QuotaLimit)). A [`QuotaKeeper`] has a
//! thread of its own, so that a slow disk holds up no call. It loads what a [`QuotaStore`] has of each group, and stores what
//! has changed once a second and when it is stopped. A process that is killed loses the calls since then.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use croupier::config::{Config, Registry};
//! use croupier::server::quotas::{FileQuotaStore, QuotaKeeper};
//! use croupier::server::request_body::BodyReader;
//! use croupier::server::runtime::Runtime;
//!
//! # async fn run(text: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::parse("croupier.toml", text, &Registry::standard())?;
//! let store = FileQuotaStore::open("/var/lib/croupier/quotas.redb".as_ref())?;
//! let keeper = QuotaKeeper::start(Arc::new(store), &config.mounts()).await?;
//! let runtime = Runtime::start(config.mounts(), BodyReader::new(&config.settings)).await?;
//! // Serve, and at the end:
//! keeper.stop(Duration::from_secs(5)).await;
//! # drop(runtime);
//! # Ok(())
//! # }
//! ```

mod file;
mod saver;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

pub use file::{FileQuotaStore, QuotaFileError};

use crate::model::fault::BoxError;
use crate::server::mount::Mounts;
use crate::service::quota::QuotaStore;
use saver::{Command, Saver};

/// Loads and stores the counts of quotas. See the [module](self).
///
/// When it is dropped, what has changed is stored in the background.
pub struct QuotaKeeper {
    commands: Sender<Command>,
    failures: SaveFailures,
}

/// How often counts could not be stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct SaveFailures(Arc<AtomicU64>);

impl SaveFailures {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// The counts of quotas cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum QuotaKeeperError {
    /// The system has no thread left.
    #[error("no thread can be started for the counts of quotas: {0}")]
    Thread(#[from] io::Error),
    /// The store cannot be read.
    #[error("the counts of quotas cannot be read: {0}")]
    Load(BoxError),
    /// The thread has ended.
    #[error("the counts of quotas are not kept any more")]
    Ended,
}

impl QuotaKeeper {
    /// Loads the counts of these mounts, and stores them from now on. Start it before the mounts are served.
    ///
    /// # Errors
    /// If the store cannot be read, or the system has no thread left.
    pub async fn start(store: Arc<dyn QuotaStore>, mounts: &Mounts) -> Result<QuotaKeeper, QuotaKeeperError> {
        let (commands, received) = channel();
        let failures = SaveFailures::default();
        let saver = Saver::new(store, failures.clone());
        std::thread::Builder::new().name("quotas".into()).spawn(move || saver.run(&received))?;
        let keeper = QuotaKeeper { commands, failures };
        keeper.follow(mounts).await?;
        Ok(keeper)
    }

    /// Loads the counts of those of these mounts that are new, and stores them too from now on. Call it before these mounts
    /// replace others. Those that are not served any more are forgotten once they are stored.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn follow(&self, mounts: &Mounts) -> Result<(), QuotaKeeperError> {
        let (reply, replied) = oneshot::channel();
        self.command(Command::Follow(mounts.quota_counts(), reply))?;
        replied.await.map_err(|_| QuotaKeeperError::Ended)?.map_err(QuotaKeeperError::Load)
    }

    /// Stores what has changed, within this time, and ends. Returns whether all of it is stored.
    pub async fn stop(&self, limit: Duration) -> bool {
        let (reply, replied) = oneshot::channel();
        self.command(Command::Stop(reply)).is_ok() && matches!(timeout(limit, replied).await, Ok(Ok(true)))
    }

    /// How often counts could not be stored.
    #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "only the program adds it to its metrics"))]
    pub(crate) fn failures(&self) -> SaveFailures {
        self.failures.clone()
    }

    fn command(&self, command: Command) -> Result<(), QuotaKeeperError> {
        self.commands.send(command).map_err(|_| QuotaKeeperError::Ended)
    }
}

impl fmt::Debug for QuotaKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuotaKeeper").field("failures", &self.failures.count()).finish_non_exhaustive()
    }
}
