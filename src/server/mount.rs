//! From services and the faces they are to have to a router: each group at its path and aliases, all of them at `/`.

use std::sync::Arc;

use crate::http::public_url::Site;
use crate::model::fault::Fault;
use crate::model::interface::Interface;
use crate::protocol::page::{Listed, OwnListed, OwnPage};
use crate::protocol::rest::server::Described;
use crate::protocol::set::{FaceName, FaceSet, Surroundings, of_root};
use crate::server::gateway::Group;
use crate::server::group_router::{MountError, Router};
use crate::service::future::Soon;
use crate::service::{Call, Pending, Service};

/// A service, and where and how it is reached.
#[derive(Clone)]
pub struct Mounted {
    /// The path of its group.
    pub path: String,
    /// Further paths of the same group.
    pub aliases: Vec<String>,
    /// What answers its calls.
    pub service: Arc<dyn Service>,
    /// The faces it has.
    pub faces: FaceSet,
    /// How many bytes a request's body may have, as sent and as unpacked.
    pub body_limit: usize,
}

/// A page of an operator's own, and where it is.
#[derive(Clone)]
pub struct MountedPage {
    /// Its path.
    pub path: String,
    /// What answers the call whose answer it shows.
    pub service: Arc<dyn Service>,
    /// The page.
    pub page: OwnPage,
}

/// The path at which all groups are described together.
const ROOT: &str = "/";

/// A router to these groups. At `/` the directory and the description of all of them answer before whatever group is
/// there; a group that is there keeps its calls, its WSDL and its methods.
///
/// # Errors
/// Where a path is malformed or taken.
pub fn router(groups: &[Mounted], site: Arc<Site>) -> Result<Router<Arc<Group>>, MountError> {
    with_pages(groups, &[], site)
}

/// A router to these groups and pages. A page at `/` answers before the directory.
///
/// # Errors
/// Where a path is malformed or taken.
pub fn with_pages(
    groups: &[Mounted],
    pages: &[MountedPage],
    site: Arc<Site>,
) -> Result<Router<Arc<Group>>, MountError> {
    let listed = groups.iter().filter(|group| group.faces.has(FaceName::Page)).map(Mounted::listed).collect();
    let own =
        pages.iter().map(|page| OwnListed { path: page.path.clone(), title: page.page.title.to_string() }).collect();
    let around = Surroundings { site, listed, own };
    let mut router = Router::default();
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

impl MountedPage {
    fn group(&self) -> Group {
        let (path, service) = (self.path.clone(), self.service.clone());
        Group { path, service, faces: vec![Arc::new(self.page.clone())], body_limit: 0 }
    }
}

impl Mounted {
    fn listed(&self) -> Listed {
        Listed::new(&self.path, self.aliases.clone(), self.service.interface())
    }

    fn described(&self) -> Described {
        let (path, service) = (self.path.clone(), self.service.clone());
        Described { path, service, routes: Arc::new(self.faces.table()) }
    }

    fn group(&self, around: &Surroundings) -> Group {
        Group {
            path: self.path.clone(),
            service: self.service.clone(),
            faces: self.faces.of_group(&self.path, around),
            body_limit: self.body_limit,
        }
    }
}

/// What is mounted at `/`, with the faces of all groups before its own; `None` where there is nothing to mount.
fn with_all(root: Option<Arc<Group>>, groups: &[Mounted], around: &Surroundings) -> Option<Arc<Group>> {
    let described = groups.iter().filter(|group| group.faces.has(FaceName::Rest));
    let mut faces = of_root(around, described.map(Mounted::described).collect());
    match root {
        Some(group) if faces.is_empty() => Some(group),
        Some(group) => {
            // A page that somebody has put there is meant to be seen.
            let at = if group.faces.iter().all(|face| face.is_for_people()) { 0 } else { faces.len() };
            faces.splice(at..at, group.faces.iter().cloned());
            let (path, service) = (group.path.clone(), group.service.clone());
            Some(Arc::new(Group { path, service, faces, body_limit: group.body_limit }))
        }
        None if faces.is_empty() => None,
        None => {
            let service = Arc::new(Nothing(Interface::default()));
            Some(Arc::new(Group { path: ROOT.to_owned(), service, faces, body_limit: 0 }))
        }
    }
}

/// The service of a path at which nothing is mounted.
struct Nothing(Interface);

impl Service for Nothing {
    fn interface(&self) -> &Interface {
        &self.0
    }

    fn call(&self, call: Call<'_>) -> Pending {
        Soon::now(Err(Fault::no_such_method(call.method)))
    }
}
