//! The discovery of all upstreams of a gateway.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::model::interface::Interface;
use crate::protocol::set::ProtocolSet;
use crate::server::gateway::Groups;
use crate::server::mount::{GroupMount, Mounts};
use crate::service::RpcService as _;
use crate::upstream::Upstream;

/// How long the first discovery is waited for before anything is served. Most upstreams describe themselves within this
/// time, so that the directory and the aggregates of a server that has just started know them. The discovery of others goes
/// on in the background; the first calls of their own groups wait for it, and nothing else does.
const FIRST_DISCOVERY: Duration = Duration::from_millis(300);

/// Tasks that keep discovering the upstreams, one for each. Dropping it aborts them.
#[derive(Default)]
pub(super) struct Discovery {
    tasks: JoinSet<()>,
    watched: Vec<Watched>,
    /// The task that rebuilds the groups.
    rebuilding: Option<AbortHandle>,
    changed: Arc<Notify>,
}

/// An upstream that is discovered.
struct Watched {
    upstream: Upstream,
    /// The protocols of its group, with the routes that are compared with each description.
    protocols: Arc<ArcSwap<ProtocolSet>>,
    task: AbortHandle,
}

impl Discovery {
    /// Starts to discover the upstreams that are not discovered yet, without waiting for any.
    pub(super) fn start(&mut self, mounts: &Mounts) {
        for group in &mounts.groups {
            let Some(upstream) = &group.upstream else { continue };
            match self.watched.iter().find(|watched| watched.upstream.is_same(upstream)) {
                Some(watched) => {
                    if watched.protocols.load().routes != group.protocols.routes {
                        warn_of_routes(&group.path, &group.protocols, &upstream.interface());
                    }
                    watched.protocols.store(Arc::new(group.protocols.clone()));
                }
                None => self.watch(upstream, group),
            }
        }
    }

    fn watch(&mut self, upstream: &Upstream, group: &GroupMount) {
        let protocols = Arc::new(ArcSwap::from_pointee(group.protocols.clone()));
        let (changed, path, compared) = (self.changed.clone(), group.path.clone(), protocols.clone());
        let task = self.tasks.spawn(upstream.clone().watch(move |upstream: &Upstream, is_new| {
            if is_new {
                warn_of_routes(&path, &compared.load(), &upstream.interface());
                changed.notify_one();
            }
        }));
        self.watched.push(Watched { upstream: upstream.clone(), protocols, task });
    }

    /// Ends the discovery of all upstreams that are not in these mounts.
    pub(super) fn keep_only(&mut self, mounts: &Mounts) {
        self.watched.retain(|watched| {
            let upstreams = mounts.groups.iter().filter_map(|group| group.upstream.as_ref());
            let stays = upstreams.into_iter().any(|upstream| upstream.is_same(&watched.upstream));
            if !stays {
                watched.task.abort();
            }
            stays
        });
        // Tasks that have ended take memory until they are joined.
        while self.tasks.try_join_next().is_some() {}
    }

    /// Starts to discover the upstreams that are not discovered yet, and waits until each has been asked once, but at most
    /// 0.3 s.
    pub(super) async fn start_and_wait(&mut self, mounts: &Mounts) {
        self.start(mounts);
        let until = Instant::now() + FIRST_DISCOVERY;
        for upstream in mounts.groups.iter().filter_map(|group| group.upstream.as_ref()) {
            upstream.wait_for_first_discovery(until.saturating_duration_since(Instant::now())).await;
        }
    }

    /// From now on rebuilds the groups whenever an upstream has changed its interface, and no longer those of earlier mounts.
    pub(super) fn rebuild_on_change(&mut self, mounts: Mounts, groups: Groups) {
        let changed = self.changed.clone();
        if let Some(earlier) = self.rebuilding.take() {
            earlier.abort();
        }
        let task = self.tasks.spawn(async move {
            loop {
                changed.notified().await;
                match mounts.router() {
                    Ok(router) => groups.replace(router, mounts.clone()),
                    // The same paths could be mounted before, so this does not happen; the old groups go on.
                    Err(error) => tracing::error!(%error, "the groups could not be rebuilt"),
                }
            }
        });
        self.rebuilding = Some(task);
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
