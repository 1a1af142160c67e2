//! Refusals as people with a browser see them: a page that says what has happened and what is there instead, with a link to the directory.
//! Programs get the response as it is.

use std::sync::Arc;

use http::request::Parts;
use http::{Response, StatusCode};

use super::group::Group;
use super::group_router::GroupRouter;
use super::mount::{GroupMount, Mounts, PageMount};
use crate::http::accept::prefers_html;
use crate::http::audience::Audience;
use crate::http::body::Body;
use crate::http::rejection::RefusalReason;
use crate::protocol::Protocol;
use crate::protocol::page::refusal::{MAX_ENTRIES, Refusal, RefusalLink, RefusalPlace};
use crate::protocol::page::root;
use crate::service::{Context, RpcService as _};

/// Whether a page takes the place of a response.
pub(super) fn is_shown(head: &Parts, response: &Response<Body>) -> bool {
    response.status().as_u16() >= 400
        && response.extensions().get::<RefusalReason>().is_some()
        && head.extensions.get() != Some(&Audience::Api)
        && prefers_html(head)
}

/// The page in the place of a response. What has no page of its own is not named.
pub(super) fn show(
    head: &Parts,
    context: &Context,
    response: Response<Body>,
    (router, mounts): (&GroupRouter<Arc<Group>>, &Mounts),
) -> Response<Body> {
    let base = mounts.public_url.base(head, context.peer);
    let mut refusal = Refusal {
        head,
        request_id: &context.request_id,
        root: root(&base),
        home: None,
        place: None,
        heading: String::new(),
        entries: Vec::new(),
        more: 0,
    };
    // A page of another site may read this, by the name that it has given to the address of this server.
    if response.status() != StatusCode::MISDIRECTED_REQUEST {
        refusal.home = home(mounts);
        let found = router.find(head.uri.path()).ok().flatten();
        let path = found.map(|(group, _)| group.path.as_str());
        let group = listed(mounts).find(|group| Some(group.path.as_str()) == path);
        match (group, path.and_then(|path| mounts.pages.iter().find(|page| page.path == path))) {
            // Who has no identity may not know the methods.
            (Some(group), None) if !group.is_closed() => add_methods(&mut refusal, group, context),
            (_, page) => {
                refusal.place = page.map(place_of_page);
                add_groups(&mut refusal, mounts);
            }
        }
    }
    refusal.into_page(response)
}

/// The groups that have a page.
fn listed(mounts: &Mounts) -> impl Iterator<Item = &GroupMount> {
    mounts.groups.iter().filter(|group| group.protocols.has(Protocol::Page))
}

/// The page from which people find the others.
fn home(mounts: &Mounts) -> Option<RefusalLink> {
    let (mut groups, link) =
        (listed(mounts), |title: String, path: &str| RefusalLink { title, path: path.to_owned(), method: None });
    if let Some(page) = mounts.pages.iter().find(|page| page.path == "/") {
        return Some(link(page.page.title.to_string(), "/"));
    }
    match (groups.next(), groups.next()) {
        (Some(only), None) => Some(link(title(only), &only.path)),
        (Some(_), Some(_)) => Some(link("All services".to_owned(), "/")),
        (None, _) => None,
    }
}

fn place_of_page(page: &PageMount) -> RefusalPlace {
    RefusalPlace { title: page.page.title.to_string(), path: page.path.clone() }
}

/// Names the group, and its methods.
fn add_methods(refusal: &mut Refusal<'_>, group: &GroupMount, context: &Context) {
    let interface = group.service.interface_for(context);
    refusal.place = Some(RefusalPlace { title: title(group), path: group.path.clone() });
    refusal.heading = "Methods".to_owned();
    let link =
        |name: &String| RefusalLink { title: name.clone(), path: group.path.clone(), method: Some(name.clone()) };
    refusal.entries = interface.methods.iter().take(MAX_ENTRIES).map(|method| link(&method.name)).collect();
    refusal.more = interface.methods.len().saturating_sub(MAX_ENTRIES);
}

/// Names the groups.
fn add_groups(refusal: &mut Refusal<'_>, mounts: &Mounts) {
    refusal.heading = "Services".to_owned();
    let link = |group: &GroupMount| RefusalLink { title: title(group), path: group.path.clone(), method: None };
    refusal.entries = listed(mounts).take(MAX_ENTRIES).map(link).collect();
    refusal.more = listed(mounts).skip(MAX_ENTRIES).count();
}

fn title(group: &GroupMount) -> String {
    let title = group.service.interface().title.clone();
    if title.is_empty() { group.path.clone() } else { title }
}
