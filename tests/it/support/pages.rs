//! Groups with pages: two wheels, a service of many types, one that is hostile, and the directory of them all.

use std::sync::Arc;

use croupier::codec::xmlrpc::{Nil, XmlRpcDialect};
use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::http::public_url::PublicUrl;
use croupier::server::gateway::Group;
use croupier::server::group_router::GroupRouter;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::service::RpcService;

use super::{every_type, hostile_service, large_service};

/// Each group's path, its aliases and its service.
fn services() -> Vec<(&'static str, &'static [&'static str], Arc<dyn RpcService>)> {
    let wheel = |family| {
        Arc::new(WheelTable::new(family, Chance::seeded(7)).with_max_spins(100_000).service().expect("a sound wheel"))
    };
    vec![
        ("/wheel/american", &["/"], wheel(Family::American)),
        ("/wheel/european", &[], wheel(Family::European)),
        ("/types", &[], Arc::new(every_type::service())),
        ("/hostile", &[], Arc::new(hostile_service::service())),
    ]
}

pub(crate) fn router(public_url: PublicUrl) -> GroupRouter<Arc<Group>> {
    // What is nothing has a form over every protocol, so that all of them answer alike.
    let xml_rpc = XmlRpcDialect { nil: Nil::Nil, ..XmlRpcDialect::default() };
    let mounted = |(path, aliases, service): (&str, &[&str], Arc<dyn RpcService>)| {
        let mut group = GroupMount::new(path, service);
        group.aliases = aliases.iter().map(ToString::to_string).collect();
        group.protocols.xml_rpc = xml_rpc;
        group
    };
    let groups = services().into_iter().map(mounted).collect();
    Mounts { groups, public_url: Arc::new(public_url), ..Mounts::default() }.router().expect("free paths")
}

/// A group whose page is a list, and a small one.
pub(crate) fn large_mounts() -> Mounts {
    let groups = vec![
        GroupMount::new("/large", Arc::new(large_service::service())),
        GroupMount::new("/types", Arc::new(every_type::service())),
    ];
    Mounts { groups, ..Mounts::default() }
}
