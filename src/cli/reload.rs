//! SIGHUP: reads the configuration again and reloads the runtime with it.

use std::future::pending;
use std::io::{IsTerminal as _, Write as _};

use super::args::ServeArgs;
use super::load::load;
use super::signals::Hangup;
use super::{Failure, say};
use crate::config::{Config, Registry};
use crate::server::runtime::Runtime;

/// Reloads the runtime at each SIGHUP. The errors of an invalid configuration are written to standard error, and nothing
/// changes.
///
/// Returns if the SIGHUP means that the terminal in which the server was started has been closed.
pub(super) async fn reload_at_hangup(
    mut hangup: Hangup,
    args: &ServeArgs,
    registry: &Registry,
    started: Config,
    mut runtime: Runtime,
) {
    let in_terminal = std::io::stdout().is_terminal();
    while hangup.recv().await.is_some() {
        let written = writeln!(std::io::stdout(), "croupier: reading the configuration again");
        if in_terminal && written.is_err() {
            return;
        }
        if let Err(Failure(message)) = reload(args, registry, &started, &mut runtime).await {
            let _ = writeln!(std::io::stderr(), "{}", message.trim_end());
            say("croupier: the configuration is unchanged");
        }
    }
    // No further SIGHUP can be received. The runtime has to live as long as the server runs.
    pending().await
}

async fn reload(args: &ServeArgs, registry: &Registry, started: &Config, runtime: &mut Runtime) -> Result<(), Failure> {
    let config = load(args.config.as_deref(), registry)?;
    runtime.reload(config.mounts()).await?;
    let count = config.groups.len();
    say(format_args!("croupier: the configuration is loaded: {count} group{}", if count == 1 { "" } else { "s" }));
    let mut fixed = started.needs_restart(&config);
    // `--listen` takes precedence over the key, so a change of the key is of no consequence.
    fixed.retain(|key| args.listen.is_empty() || *key != "listen");
    if !fixed.is_empty() {
        let keys = fixed.join("`, `");
        say(format_args!("croupier: the changes in `{keys}` take effect at the next start only"));
    }
    Ok(())
}
