//! SIGHUP: the configuration read anew, and its groups put in the place of those that are there.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use tokio::signal::unix::Signal;

use super::args::Serve;
use super::remotes;
use super::remotes::Keeping;
use super::serve::load;
use super::{Failure, say};
use crate::config::{Config, Registry};
use crate::server::gateway::Groups;

/// What is served.
pub(super) struct Served {
    /// What the server was started with.
    begun: Arc<Config>,
    config: Arc<Config>,
    groups: Groups,
    /// Keeps its servers elsewhere in mind.
    keeping: Keeping,
}

impl Served {
    pub(super) fn new(config: Arc<Config>, groups: Groups, keeping: Keeping) -> Served {
        Served { begun: config.clone(), config, groups, keeping }
    }
}

/// Reads the configuration anew at each of these signals. What is wrong with it is told, and then all stays as it was.
/// Ends where the signal says that the terminal is gone in which the server was started.
///
/// Calls that run go on in the groups in which they began.
pub(super) async fn at_each(mut signal: Signal, args: &Serve, registry: &Registry, mut served: Served) {
    let in_terminal = std::io::stdout().is_terminal();
    while signal.recv().await.is_some() {
        let told = writeln!(std::io::stdout(), "croupier: reading the configuration anew");
        if in_terminal && told.is_err() {
            return;
        }
        match load(args.config.as_deref(), registry) {
            Ok(config) => served = exchange(served, Arc::new(config), args).await,
            Err(Failure(message)) => {
                let _ = writeln!(std::io::stderr(), "{}", message.trim_end());
                say("croupier: the configuration stays as it was");
            }
        }
    }
    // There will be none any more.
    std::future::pending().await
}

async fn exchange(served: Served, config: Arc<Config>, args: &Serve) -> Served {
    let Served { begun, config: before, groups, keeping } = served;
    remotes::remember(&before, &config);
    let asking = remotes::first_look(&config).await;
    // Otherwise it could put the old groups back.
    drop(keeping);
    groups.replace(config.router());
    let keeping = remotes::keep(&config, groups.clone(), asking);
    say(format_args!("croupier: the configuration is taken: {}", count(config.groups.len())));
    let later = fixed(&begun, &config, args);
    if !later.is_empty() {
        say(format_args!("croupier: what is changed in {} is taken at the next start only", later.join(", ")));
    }
    Served { begun, config, groups, keeping }
}

fn count(groups: usize) -> String {
    if groups == 1 { "1 group".to_owned() } else { format!("{groups} groups") }
}

/// The keys that say something else than at the start, and that a running server cannot follow.
fn fixed(begun: &Config, now: &Config, args: &Serve) -> Vec<&'static str> {
    let changed = [
        ("`listen`", args.listen.is_empty() && begun.listen != now.listen),
        ("`workers`", begun.workers != now.workers),
        ("`log`", begun.log != now.log),
        ("`server`", begun.settings != now.settings),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}
