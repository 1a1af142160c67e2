//! Reads the configuration again and reloads the runtime with it, at SIGHUP and on request of the admin listener.

use std::fmt::Display;
use std::future::pending;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::args::ServeArgs;
use super::descriptors;
use super::listeners::ServedListeners;
use super::load::read;
use super::logging;
use super::logging::LogLevel;
use super::output::{Console, OutputStream};
use super::signals::Hangup;
use super::systemd::{self, Notification};
use super::watch::{Stamps, Watch};
use crate::config::{Config, NamedFiles, Registry};
use crate::server::ServerControl;
use crate::server::admin::{ReloadRequest, Reloaded};
use crate::server::metrics::lifecycle::{Lifecycle, ReloadEnd};
use crate::server::quotas::QuotaKeeper;
use crate::server::runtime::Runtime;

/// What a reload needs, and what it changes.
pub(super) struct Reloader {
    pub(super) args: ServeArgs,
    pub(super) registry: Arc<Registry>,
    pub(super) console: Console,
    /// The configuration with which the server was started.
    pub(super) started: Config,
    pub(super) runtime: Runtime,
    pub(super) control: ServerControl,
    pub(super) listeners: ServedListeners,
    pub(super) log_level: LogLevel,
    /// When reading the configuration began with which the server was started.
    pub(super) reading_since: SystemTime,
    /// The files of the configuration, if they are watched.
    pub(super) watch: Option<Watch>,
    /// How many workers there are.
    pub(super) workers: usize,
    /// Where the results of reloads are noted.
    pub(super) lifecycle: Arc<Lifecycle>,
    /// What stores the counts of quotas, if anything does.
    pub(super) quotas: Option<Arc<QuotaKeeper>>,
}

/// Why a reload has failed.
struct ReloadFailure {
    /// For standard error, which may be a terminal.
    for_terminal: String,
    plain: String,
}

impl<E: Display> From<E> for ReloadFailure {
    fn from(error: E) -> ReloadFailure {
        let plain = error.to_string();
        ReloadFailure { for_terminal: format!("croupier: {plain}"), plain }
    }
}

impl Reloader {
    /// Reloads the runtime at each SIGHUP and at each request of the admin listener. The errors of an invalid configuration
    /// are written to standard error, and nothing changes.
    ///
    /// Returns if the SIGHUP means that the terminal in which the server was started has been closed.
    pub(super) async fn reload_on_demand(mut self, mut hangup: Hangup, mut requests: mpsc::Receiver<ReloadRequest>) {
        let terminals = self.console.terminals();
        self.watch(self.started.watch, self.started.files.clone(), Stamps::new(), self.reading_since).await;
        loop {
            let (request, by_signal) = tokio::select! {
                Some(()) = hangup.recv() => (None, true),
                Some(request) = requests.recv() => (Some(request), false),
                () = changed(&mut self.watch) => (None, false),
                // Nothing can ask any more. The runtime has to live as long as the server runs.
                else => pending().await,
            };
            tracing::info!("reading the configuration again");
            if by_signal && io::stdout().is_terminal() {
                self.console.hint("croupier: reading the configuration again");
            }
            if by_signal && is_any_closed(&terminals).await {
                return;
            }
            systemd::notify(Notification::Reloading).await;
            let reloaded = self.reload().await;
            if let Err(failure) = &reloaded {
                self.lifecycle.record_reload(ReloadEnd::Failure(failure.plain.clone()));
                let plain = format!("the configuration is unchanged, because it cannot be loaded: {}", failure.plain);
                self.console.report(&failure.for_terminal, &plain);
            }
            systemd::notify(Notification::Ready).await;
            if let Some(request) = request {
                // The client that has asked may have left.
                let _ = request.send(reloaded.map_err(|failure| failure.plain));
            }
        }
    }

    async fn reload(&mut self) -> Result<Reloaded, ReloadFailure> {
        let (file, registry) = (self.args.config.clone(), self.registry.clone());
        let served = self.runtime.mounts().clone();
        // What changes from now on is read by the next reload, also if this one fails.
        let reading_since = SystemTime::now();
        let stamps = match &mut self.watch {
            Some(watch) => {
                let stamps = watch.look().await;
                watch.note(stamps.clone());
                stamps
            }
            None => Stamps::new(),
        };
        // Reading may take until the time limit for each file. This thread accepts connections meanwhile.
        let config = spawn_blocking(move || read(file.as_deref(), &registry, &served))
            .await?
            .map_err(|errors| ReloadFailure { for_terminal: errors.for_terminal(), plain: errors.to_string() })?;
        // From the command line, the listeners take precedence over those of the configuration.
        let listeners =
            if self.args.listen.is_empty() { Some(self.listeners.prepare(&config.listen).await?) } else { None };
        if let Some(quotas) = &self.quotas {
            quotas.follow(&config.mounts()).await?;
        }
        self.runtime.reload(config.mounts()).await?;
        // Nothing fails from here on.
        logging::log_remarks(&config.remarks);
        descriptors::prepare(&config, self.workers);
        self.log_level.set(config.log.level);
        self.control.set_limits(config.settings).await;
        if let Some(listeners) = listeners {
            self.listeners.apply(listeners, &self.control).await;
        }
        self.watch(config.watch, config.files.clone(), stamps, reading_since).await;
        self.lifecycle.record_reload(ReloadEnd::Success(config.hash));
        let count = config.groups.len();
        let groups = if count == 1 { "group" } else { "groups" };
        let generation = self.lifecycle.config().generation;
        tracing::info!(groups = count, generation, "the configuration is loaded: {count} {groups}");
        let fixed = self.started.needs_restart(&config);
        if !fixed.is_empty() {
            let keys = fixed.join("`, `");
            tracing::warn!("the changes in `{keys}` take effect at the next start only");
        }
        Ok(Reloaded { generation, groups: count, needs_restart: fixed })
    }

    /// Watches these files from now on, or none. `before` is how they were when they were read.
    async fn watch(&mut self, watched: bool, files: NamedFiles, before: Stamps, reading_since: SystemTime) {
        // The built-in configuration has no file.
        let watched = watched && self.args.config.is_some();
        self.watch = if watched { Some(Watch::start(files, before, reading_since).await) } else { None };
    }
}

/// Whether nothing can be written to one of these terminals any more. Only a write shows it, so there has to be one before.
async fn is_any_closed(terminals: &[OutputStream]) -> bool {
    let terminals = terminals.to_vec();
    // An error means that this runtime ends.
    spawn_blocking(move || terminals.iter().any(OutputStream::has_failed)).await.unwrap_or(false)
}

/// Waits until the watched files have changed; for ever if none are watched.
async fn changed(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => pending().await,
    }
}
