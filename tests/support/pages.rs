//! Groups with pages: two wheels, a service of many types, one that is hostile, and the directory of them all.

use std::sync::Arc;

use croupier::faces::face::Face;
use croupier::faces::jsonrpc::JsonRpc;
use croupier::faces::page::{Directory, Listed, Page, Protocol};
use croupier::faces::xmlrpc::XmlRpc;
use croupier::gateway::Group;
use croupier::router::Router;
use croupier::service::Service;
use croupier::services::wheel::{Chance, Family, Table};
use croupier::site::Site;

use super::{every_type, hostile};

/// Each group's path, its aliases and its service.
fn services() -> Vec<(&'static str, &'static [&'static str], Arc<dyn Service>)> {
    let wheel = |family| {
        Arc::new(Table::new(family, Chance::seeded(7)).with_max_spins(100_000).service().expect("a sound wheel"))
    };
    vec![
        ("/wheel/american", &["/"], wheel(Family::American)),
        ("/wheel/european", &[], wheel(Family::European)),
        ("/types", &[], Arc::new(every_type::service())),
        ("/hostile", &[], Arc::new(hostile::service())),
    ]
}

/// The protocols that every one of these groups speaks.
const PROTOCOLS: &[Protocol] = &[Protocol::XmlRpc, Protocol::JsonRpc];

/// The faces for them, the page first.
fn faces(path: &str, site: &Arc<Site>, groups: &Arc<[Listed]>) -> Vec<Arc<dyn Face>> {
    let page = Page {
        site: site.clone(),
        protocols: PROTOCOLS.to_vec(),
        groups: groups.clone(),
        namespace: format!("urn:croupier{}", path.replace('/', ":")),
    };
    vec![Arc::new(page), Arc::new(XmlRpc::default()), Arc::new(JsonRpc::default())]
}

fn groups() -> Arc<[Listed]> {
    let list = |(path, aliases, service): (&'static str, &[&str], Arc<dyn Service>)| {
        Listed::new(path, aliases.iter().map(ToString::to_string).collect(), service.interface())
    };
    services().into_iter().map(list).collect()
}

pub(crate) fn router(site: Site) -> Router<Arc<Group>> {
    let (site, groups) = (Arc::new(site), groups());
    let mut router = Router::default();
    for (path, aliases, service) in services() {
        let group =
            |faces| Arc::new(Group { path: path.to_owned(), service: service.clone(), faces, body_limit: 4 << 20 });
        let faces = faces(path, &site, &groups);
        router.mount(path, group(faces.clone())).expect("a free path");
        for alias in aliases {
            let directory = Arc::new(Directory { site: site.clone(), groups: groups.clone() }) as Arc<dyn Face>;
            router.mount(alias, group([directory].into_iter().chain(faces.clone()).collect())).expect("a free path");
        }
    }
    router
}
