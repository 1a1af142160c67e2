//! The discovery of all upstreams of a gateway.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::model::interface::Interface;
use crate::protocol::set::ProtocolSet;
use crate::server::gateway::Groups;
use crate::server::mount::Mounts;
use crate::service::RpcService as _;
use crate::upstream::Upstream;

/// How long the first discovery is waited for. An upstream that takes longer, or is down, does not keep the others from
/// being served; its discovery goes on in the background.
const FIRST_DISCOVERY: Duration = Duration::from_secs(3);

/// Tasks that keep discovering the upstreams, one for each. Dropping it aborts them.
pub(super) struct Discovery {
    tasks: JoinSet<()>,
    changed: Arc<Notify>,
}

impl Discovery {
    /// Starts to discover the upstreams, without waiting for any.
    pub(super) fn start(mounts: &Mounts) -> Discovery {
        Discovery::start_reporting(mounts, |_| ())
    }

    /// Starts to discover the upstreams, and waits until each has described itself once, but at most 3 s.
    pub(super) async fn start_and_wait(mounts: &Mounts) -> Discovery {
        let mut first = Vec::new();
        let discovery = Discovery::start_reporting(mounts, |described| first.push(described));
        let all_described = async {
            for described in first {
                described.notified().await;
            }
        };
        // A timeout is no error: see `FIRST_DISCOVERY`.
        let _ = timeout(FIRST_DISCOVERY, all_described).await;
        discovery
    }

    fn start_reporting(mounts: &Mounts, mut report: impl FnMut(Arc<Notify>)) -> Discovery {
        let changed = Arc::new(Notify::new());
        let mut tasks = JoinSet::new();
        for group in &mounts.groups {
            let Some(upstream) = group.upstream.clone() else { continue };
            let described = Arc::new(Notify::new());
            report(described.clone());
            let (changed, path, protocols) = (changed.clone(), group.path.clone(), group.protocols.clone());
            tasks.spawn(upstream.watch(move |upstream: &Upstream, is_new| {
                if is_new {
                    warn_of_routes(&path, &protocols, &upstream.interface());
                    changed.notify_one();
                }
                described.notify_one();
            }));
        }
        Discovery { tasks, changed }
    }

    /// From now on rebuilds the groups whenever an upstream has changed its interface.
    pub(super) fn rebuild_on_change(&mut self, mounts: Mounts, groups: Groups) {
        let changed = self.changed.clone();
        self.tasks.spawn(async move {
            loop {
                changed.notified().await;
                match mounts.router() {
                    Ok(router) => groups.replace(router, mounts.public_url.clone()),
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
