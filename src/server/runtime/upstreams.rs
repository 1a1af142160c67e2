//! The discovery of all upstreams of a gateway.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::model::interface::Interface;
use crate::protocol::set::ProtocolSet;
use crate::server::gateway::Groups;
use crate::server::mount::Mounts;
use crate::service::RpcService as _;
use crate::upstream::Upstream;

/// How long the first discovery is waited for before anything is served. Most upstreams describe themselves within this
/// time, so that the directory and the aggregates of a server that has just started know them. The discovery of others goes
/// on in the background; the first calls of their own groups wait for it, and nothing else does.
const FIRST_DISCOVERY: Duration = Duration::from_millis(300);

/// Tasks that keep discovering the upstreams, one for each. Dropping it aborts them.
pub(super) struct Discovery {
    tasks: JoinSet<()>,
    changed: Arc<Notify>,
}

impl Discovery {
    /// Starts to discover the upstreams, without waiting for any.
    pub(super) fn start(mounts: &Mounts) -> Discovery {
        let changed = Arc::new(Notify::new());
        let mut tasks = JoinSet::new();
        for group in &mounts.groups {
            let Some(upstream) = group.upstream.clone() else { continue };
            let (changed, path, protocols) = (changed.clone(), group.path.clone(), group.protocols.clone());
            tasks.spawn(upstream.watch(move |upstream: &Upstream, is_new| {
                if is_new {
                    warn_of_routes(&path, &protocols, &upstream.interface());
                    changed.notify_one();
                }
            }));
        }
        Discovery { tasks, changed }
    }

    /// Starts to discover the upstreams, and waits until each has been asked once, but at most 0.3 s.
    pub(super) async fn start_and_wait(mounts: &Mounts) -> Discovery {
        let discovery = Discovery::start(mounts);
        let until = Instant::now() + FIRST_DISCOVERY;
        for upstream in mounts.groups.iter().filter_map(|group| group.upstream.as_ref()) {
            upstream.wait_for_first_discovery(until.saturating_duration_since(Instant::now())).await;
        }
        discovery
    }

    /// From now on rebuilds the groups whenever an upstream has changed its interface.
    pub(super) fn rebuild_on_change(&mut self, mounts: Mounts, groups: Groups) {
        let changed = self.changed.clone();
        self.tasks.spawn(async move {
            loop {
                changed.notified().await;
                match mounts.router() {
                    Ok(router) => groups.replace(router, mounts.clone()),
                    // The same paths could be mounted before, so this does not happen; the old groups go on.
                    Err(error) => tracing::error!(%error, "the groups could not be rebuilt"),
                }
            }
        });
    }
}

/// Copies what is known of upstreams that stay the same, so that a reload does not make their methods unknown until they
/// have described themselves again.
pub(super) fn carry_over(old: &Mounts, new: &Mounts) {
    for group in &new.groups {
        let known = old.groups.iter().find(|known| known.path == group.path).and_then(|known| known.upstream.as_ref());
        if let (Some(upstream), Some(known)) = (&group.upstream, known) {
            upstream.adopt_description(known);
        }
    }
}

/// Warns of routes that do not match the methods of an upstream. Reading the configuration could not: the methods were
/// not known then.
fn warn_of_routes(group: &str, protocols: &ProtocolSet, interface: &Interface) {
    for wrong in protocols.check_routes(interface).wrong {
        let route = protocols.routes.get(wrong.route).map(|route| route.template().to_string());
        let hint = wrong.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        tracing::warn!(group, route, "a route does not match the methods of the upstream: {}{hint}", wrong.message);
    }
}
