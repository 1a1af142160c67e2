//! SIGHUP: reads the configuration again and reloads the runtime with it.

use std::future::pending;
use std::io::{IsTerminal as _, Write as _};

use super::args::Serve;
use super::load::load;
use super::signals::Hangup;
use super::{Failure, say};
use crate::config::{Config, Registry};
use crate::server::runtime::Runtime;

/// Reloads the runtime at each hangup. An invalid configuration is reported on standard error, and changes nothing.
///
/// Returns if the hangup means that the terminal in which the server was started has been closed.
pub(super) async fn at_each(
    mut hangup: Hangup,
    args: &Serve,
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
            say("croupier: the configuration stays as it was");
        }
    }
    // No hangup can come any more. The runtime has to live as long as the server runs.
    pending().await
}

async fn reload(args: &Serve, registry: &Registry, started: &Config, runtime: &mut Runtime) -> Result<(), Failure> {
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
