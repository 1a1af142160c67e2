//! SIGHUP: reads the configuration again and reloads the runtime with it.

use std::future::pending;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::Failure;
use super::args::ServeArgs;
use super::load::load;
use super::output::Console;
use super::signals::Hangup;
use super::systemd::{self, Notification};
use crate::config::{Config, Registry};
use crate::server::runtime::Runtime;

/// What a reload needs, and what it changes.
pub(super) struct Reloader {
    pub(super) args: ServeArgs,
    pub(super) registry: Arc<Registry>,
    pub(super) console: Console,
    /// The configuration with which the server was started.
    pub(super) started: Config,
    pub(super) runtime: Runtime,
}

impl Reloader {
    /// Reloads the runtime at each SIGHUP. The errors of an invalid configuration are written to standard error, and
    /// nothing changes.
    ///
    /// Returns if the SIGHUP means that the terminal in which the server was started has been closed.
    pub(super) async fn reload_at_hangup(mut self, mut hangup: Hangup) {
        let in_terminal = io::stdout().is_terminal();
        while hangup.recv().await.is_some() {
            self.console.say("croupier: reading the configuration again");
            if in_terminal && self.terminal_is_closed().await {
                return;
            }
            systemd::notify(Notification::Reloading).await;
            if let Err(Failure(message)) = self.reload().await {
                self.console.stderr.write_line(message.trim_end());
                self.console.say("croupier: the configuration is unchanged");
            }
            systemd::notify(Notification::Ready).await;
        }
        // No further SIGHUP can be received. The runtime has to live as long as the server runs.
        pending().await
    }

    async fn reload(&mut self) -> Result<(), Failure> {
        let (file, registry) = (self.args.config.clone(), self.registry.clone());
        // Reading may take until the time limit for each file. This thread accepts connections meanwhile.
        let config = spawn_blocking(move || load(file.as_deref(), &registry)).await??;
        self.runtime.reload(config.mounts()).await?;
        let count = config.groups.len();
        let groups = if count == 1 { "group" } else { "groups" };
        self.console.say(format_args!("croupier: the configuration is loaded: {count} {groups}"));
        let mut fixed = self.started.needs_restart(&config);
        // `--listen` takes precedence over the key, so a change of the key is of no consequence.
        fixed.retain(|key| self.args.listen.is_empty() || *key != "listen");
        if !fixed.is_empty() {
            let keys = fixed.join("`, `");
            self.console.say(format_args!("croupier: the changes in `{keys}` take effect at the next start only"));
        }
        Ok(())
    }

    /// Whether nothing can be written to the terminal any more.
    async fn terminal_is_closed(&self) -> bool {
        let stdout = self.console.stdout.clone();
        // An error means that this runtime ends.
        spawn_blocking(move || stdout.has_failed()).await.unwrap_or(false)
    }
}
