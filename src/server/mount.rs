//! From services and the protocols they are to have to a router: each group at its path and aliases, all of them at `/`.

use std::sync::Arc;

use crate::http::public_url::PublicUrl;
use crate::model::fault::Fault;
use crate::model::interface::Interface;
use crate::protocol::page::{GroupSummary, PageSummary, TemplatePage};
use crate::protocol::rest::server::Described;
use crate::protocol::set::{Protocol, ProtocolSet, ServerInfo, of_root};
use crate::server::gateway::Group;
use crate::server::group_router::{GroupRouter, MountError};
use crate::service::future::MaybeReady;
use crate::service::{Call, CallFuture, RpcService};

/// A service, and where and how it is reached.
#[derive(Clone)]
pub struct GroupMount {
    /// The path of its group.
    pub path: String,
    /// Further paths of the same group.
    pub aliases: Vec<String>,
    /// What answers its calls.
    pub service: Arc<dyn RpcService>,
    /// The frontends it has.
    pub protocols: ProtocolSet,
    /// How many bytes a request's body may have, as sent and as unpacked.
    pub body_limit: usize,
}

/// A page of an operator's own, and where it is.
#[derive(Clone)]
pub struct PageMount {
    /// Its path.
    pub path: String,
    /// What answers the call whose answer it shows.
    pub service: Arc<dyn RpcService>,
    /// The page.
    pub page: TemplatePage,
}

/// The path at which all groups are described together.
const ROOT: &str = "/";

/// A router to these groups. At `/` the directory and the description of all of them answer before whatever group is
/// there; a group that is there keeps its calls, its WSDL and its methods.
///
/// # Errors
/// Where a path is malformed or taken.
pub fn router(groups: &[GroupMount], public_url: Arc<PublicUrl>) -> Result<GroupRouter<Arc<Group>>, MountError> {
    with_pages(groups, &[], public_url)
}

/// A router to these groups and pages. A page at `/` answers before the directory.
///
/// # Errors
/// Where a path is malformed or taken.
pub fn with_pages(
    groups: &[GroupMount],
    pages: &[PageMount],
    public_url: Arc<PublicUrl>,
) -> Result<GroupRouter<Arc<Group>>, MountError> {
    let listed = groups.iter().filter(|group| group.protocols.has(Protocol::Page)).map(GroupMount::listed).collect();
    let own =
        pages.iter().map(|page| PageSummary { path: page.path.clone(), title: page.page.title.to_string() }).collect();
    let around = ServerInfo { public_url, listed, own };
    let mut router = GroupRouter::default();
    let mut root = None;
    for mounted in groups {
        let group = Arc::new(mounted.group(&around));
        for path in [&mounted.path].into_iter().chain(&mounted.aliases) {
            match path.as_str() {
                ROOT if root.is_some() => return Err(MountError::Taken),
                ROOT => root = Some(group.clone()),
                path => router.mount(path, group.clone())?,
            }
        }
    }
    for mounted in pages {
        let group = Arc::new(mounted.group());
        match mounted.path.as_str() {
            ROOT if root.is_some() => return Err(MountError::Taken),
            ROOT => root = Some(group),
            path => router.mount(path, group)?,
        }
    }
    if let Some(group) = with_all(root, groups, &around) {
        router.mount(ROOT, group)?;
    }
    Ok(router)
}

impl PageMount {
    fn group(&self) -> Group {
        let (path, service) = (self.path.clone(), self.service.clone());
        Group { path, service, frontends: vec![Arc::new(self.page.clone())], body_limit: 0 }
    }
}

impl GroupMount {
    fn listed(&self) -> GroupSummary {
        GroupSummary::new(&self.path, self.aliases.clone(), &self.service.interface())
    }

    fn described(&self) -> Described {
        let (path, service) = (self.path.clone(), self.service.clone());
        Described { path, service, routes: Arc::new(self.protocols.table()) }
    }

    fn group(&self, around: &ServerInfo) -> Group {
        Group {
            path: self.path.clone(),
            service: self.service.clone(),
            frontends: self.protocols.of_group(&self.path, around),
            body_limit: self.body_limit,
        }
    }
}

/// What is mounted at `/`, with the frontends of all groups before its own; `None` where there is nothing to mount.
fn with_all(root: Option<Arc<Group>>, groups: &[GroupMount], around: &ServerInfo) -> Option<Arc<Group>> {
    let described = groups.iter().filter(|group| group.protocols.has(Protocol::Rest));
    let mut frontends = of_root(around, described.map(GroupMount::described).collect());
    match root {
        Some(group) if frontends.is_empty() => Some(group),
        Some(group) => {
            // A page that somebody has put there is meant to be seen.
            let at = if group.frontends.iter().all(|frontend| frontend.is_page()) { 0 } else { frontends.len() };
            frontends.splice(at..at, group.frontends.iter().cloned());
            let (path, service) = (group.path.clone(), group.service.clone());
            Some(Arc::new(Group { path, service, frontends, body_limit: group.body_limit }))
        }
        None if frontends.is_empty() => None,
        None => {
            let service = Arc::new(Nothing(Arc::default()));
            Some(Arc::new(Group { path: ROOT.to_owned(), service, frontends, body_limit: 0 }))
        }
    }
}

/// The service of a path at which nothing is mounted.
struct Nothing(Arc<Interface>);

impl RpcService for Nothing {
    fn interface(&self) -> Arc<Interface> {
        self.0.clone()
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        MaybeReady::now(Err(Fault::no_such_method(call.method)))
    }
}
