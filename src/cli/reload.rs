//! SIGHUP: the configuration read anew, and its groups put in the place of those that are there.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::signal::unix::Signal;

use super::args::Serve;
use super::remotes::{self, Keeping};
use super::serve::load;
use super::{Failure, say};
use crate::config::{Config, Registry};
use crate::gateway::Groups;

/// What is served.
pub(super) struct Served {
    pub(super) config: Arc<Config>,
    pub(super) groups: Groups,
    /// Keeps its servers elsewhere in mind.
    pub(super) keeping: Keeping,
}

/// Reads the configuration anew at each of these signals. What is wrong with it is told, and then all stays as it was.
///
/// Calls that run go on in the groups in which they began.
pub(super) async fn at_each(mut signal: Signal, args: &Serve, registry: &Registry, mut served: Served) -> Infallible {
    loop {
        if signal.recv().await.is_none() {
            // There will be none any more.
            std::future::pending::<()>().await;
        }
        match load(args.config.as_deref(), registry) {
            Ok(config) => served = exchange(served, Arc::new(config)).await,
            Err(Failure(message)) => {
                eprintln!("{}", message.trim_end());
                say("croupier: the configuration stays as it was");
            }
        }
    }
}

async fn exchange(served: Served, config: Arc<Config>) -> Served {
    let Served { config: before, groups, keeping } = served;
    let asking = remotes::first_look(&config).await;
    // Otherwise it could put the old groups back.
    drop(keeping);
    groups.replace(config.router());
    let keeping = remotes::keep(&config, groups.clone(), asking);
    say(format_args!("croupier: the configuration is read anew: {}", count(config.groups.len())));
    let later = fixed(&before, &config);
    if !later.is_empty() {
        say(format_args!("croupier: the next start is the first to go by what it says in {}", later.join(", ")));
    }
    Served { config, groups, keeping }
}

fn count(groups: usize) -> String {
    if groups == 1 { "1 group".to_owned() } else { format!("{groups} groups") }
}

/// The keys that are another now, and that a running server cannot follow.
fn fixed(before: &Config, now: &Config) -> Vec<&'static str> {
    let changed = [
        ("`listen`", before.listen != now.listen),
        ("`workers`", before.workers != now.workers),
        ("`log`", before.log != now.log),
        ("`server`", before.settings != now.settings),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}
