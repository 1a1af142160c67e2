//! Groups that are servers elsewhere: what they offer is asked of them, and asked again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::Config;
use crate::model::interface::Interface;
use crate::protocol::set::ProtocolSet;
use crate::server::gateway::Groups;
use crate::service::RpcService as _;
use crate::upstream::Upstream;

/// How long servers are waited for before the first request is answered without them.
const FIRST_LOOK: Duration = Duration::from_secs(3);

/// What keeps asking.
pub(super) struct Asking {
    tasks: JoinSet<()>,
    changed: Arc<Notify>,
}

/// Has servers that are the same as before remembered as they have described themselves, until they do so again.
pub(super) fn remember(before: &Config, now: &Config) {
    let known = |path: &str| before.groups.iter().find(|group| group.path == path)?.remote.as_ref();
    for group in &now.groups {
        if let (Some(remote), Some(known)) = (&group.remote, known(&group.path)) {
            remote.remember(known);
        }
    }
}

/// Asks all servers what they offer, and waits for a while: most are there, and the first documents are whole then.
pub(super) async fn first_look(config: &Config) -> Asking {
    let changed = Arc::new(Notify::new());
    let mut tasks = JoinSet::new();
    let mut first = Vec::new();
    for group in &config.groups {
        let Some(remote) = group.remote.clone() else { continue };
        let (noticed, looked) = (changed.clone(), Arc::new(Notify::new()));
        first.push(looked.clone());
        let (path, protocols) = (group.path.clone(), group.protocols.clone());
        tasks.spawn(remote.keep_discovering(move |remote: &Upstream, new| {
            if new {
                tell_of_routes(&path, &protocols, &remote.interface());
                noticed.notify_one();
            }
            looked.notify_one();
        }));
    }
    let all = async {
        for looked in first {
            looked.notified().await;
        }
    };
    // Whoever has not answered by then is asked further, while others are served.
    let _ = timeout(FIRST_LOOK, all).await;
    Asking { tasks, changed }
}

/// Says which routes do not fit what a server offers: before it has said so, nobody could know.
fn tell_of_routes(group: &str, protocols: &ProtocolSet, offered: &Interface) {
    for wrong in protocols.check_routes(offered).wrong {
        let route = protocols.routes.get(wrong.route).map(|route| route.template().to_string());
        let hint = wrong.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        tracing::warn!(group, route, "a route does not fit what the server offers: {}{hint}", wrong.message);
    }
}

/// Servers being asked, until this is dropped.
pub(super) struct Keeping {
    #[expect(dead_code, reason = "it is held to be dropped")]
    task: JoinSet<()>,
}

/// Puts the groups together anew whenever a server has turned out to offer something else.
pub(super) fn keep(config: &Arc<Config>, groups: Groups, asking: Asking) -> Keeping {
    let config = config.clone();
    let mut task = JoinSet::new();
    task.spawn(async move {
        // The tasks end with this one.
        let _tasks = asking.tasks;
        loop {
            asking.changed.notified().await;
            groups.replace(config.router());
        }
    });
    Keeping { task }
}
