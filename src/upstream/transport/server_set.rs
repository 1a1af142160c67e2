//! The servers that requests may go to at the moment, and the choice among them.

use std::collections::HashMap;
use std::sync::Arc;

use super::TransportOptions;
use super::address::Address;
use super::host_set::{HostReport, HostSet};
use super::resolve::Dns;
use super::server::Server;
use super::stats::ServerStats;
use super::tls::{TlsConfig, TlsError};

/// What new servers need.
pub(super) struct ServerSetup {
    tls: Option<TlsConfig>,
    pub(super) dns: Arc<Dns>,
}

/// A server as it is added, with its share of the requests in relation to that of others.
#[derive(Debug, Clone)]
pub(super) struct WeightedAddress {
    pub(super) address: Address,
    pub(super) weight: u32,
}

/// Some servers that are equivalent.
pub(super) struct ServerSet {
    servers: Box<[Arc<Server>]>,
    /// Chooses among several servers; `None` if there is nothing to decide.
    host_set: Option<Arc<HostSet>>,
}

/// What is known of the servers: each has a name of its own.
#[derive(Default)]
pub(crate) struct ServerReports {
    pub(crate) servers: Vec<(String, Arc<ServerStats>)>,
    /// Whether the servers get requests, in their order; empty if there is nothing to choose.
    pub(crate) hosts: Vec<HostReport>,
}

impl ServerSetup {
    pub(super) fn new(addresses: &[Address], options: &TransportOptions) -> Result<ServerSetup, TlsError> {
        let tls = addresses.iter().any(Address::is_secure).then(|| options.tls.config()).transpose()?;
        Ok(ServerSetup { tls, dns: Arc::new(Dns::new(options.dns.clone())) })
    }

    fn server(&self, address: Address, options: &TransportOptions) -> Arc<Server> {
        Arc::new(Server::new(address, self.tls.clone(), &self.dns, options))
    }
}

impl ServerSet {
    pub(super) fn new(addresses: &[WeightedAddress], setup: &ServerSetup, options: &TransportOptions) -> ServerSet {
        let servers = addresses.iter().map(|weighted| setup.server(weighted.address.clone(), options)).collect();
        let names = names(addresses.iter().map(|weighted| &weighted.address));
        let host_set = HostSet::new(names, &identities(addresses), options);
        ServerSet { servers, host_set }
    }

    /// No servers, in place of which others will come.
    pub(super) fn empty(options: &TransportOptions) -> ServerSet {
        ServerSet { servers: Box::default(), host_set: Some(HostSet::changing(options)) }
    }

    /// Other servers in place of these. Those with the same address stay, with their connections and with what is known of them.
    pub(super) fn renewed(
        &self,
        addresses: &[WeightedAddress],
        setup: &ServerSetup,
        options: &TransportOptions,
    ) -> ServerSet {
        let mut known: HashMap<String, Vec<&Arc<Server>>> = HashMap::new();
        for server in self.servers.iter().rev() {
            known.entry(identity(server.address())).or_default().push(server);
        }
        let servers = addresses.iter().map(|WeightedAddress { address, .. }| {
            let known = known.get_mut(&identity(address)).and_then(|known| {
                let same = known.iter().rposition(|server| server.address() == address)?;
                Some(known.swap_remove(same))
            });
            known.map_or_else(|| setup.server(address.clone(), options), Arc::clone)
        });
        let servers = servers.collect();
        let names = names(addresses.iter().map(|weighted| &weighted.address));
        let host_set = self.host_set.as_ref().map(|host_set| host_set.renewed(names, &identities(addresses), options));
        ServerSet { servers, host_set }
    }

    /// The only server, if there is nothing to choose and nothing to limit.
    pub(super) fn only(&self) -> Option<&Arc<Server>> {
        match (&self.host_set, &*self.servers) {
            (None, [only]) => Some(only),
            _ => None,
        }
    }

    /// What chooses among the servers; `None` if there is nothing to choose.
    pub(super) fn host_set(&self) -> Option<&Arc<HostSet>> {
        self.host_set.as_ref()
    }

    pub(super) fn server(&self, index: usize) -> Option<&Arc<Server>> {
        self.servers.get(index)
    }

    pub(super) fn servers(&self) -> &[Arc<Server>] {
        &self.servers
    }

    pub(super) fn reports(&self) -> ServerReports {
        let stats = self.servers.iter().map(|server| server.stats());
        ServerReports {
            servers: names(self.servers.iter().map(|server| server.address())).into_iter().zip(stats).collect(),
            hosts: self.host_set.as_ref().map(|host_set| host_set.reports()).unwrap_or_default(),
        }
    }

    /// Goes on with the counts of others to the same servers.
    pub(super) fn adopt_stats(&self, known: &ServerSet) {
        for (server, known) in self.servers.iter().zip(&known.servers) {
            server.adopt_stats(known);
        }
    }
}

/// What a server is in hashes, so that all gateways with the same servers choose the same.
fn identity(address: &Address) -> String {
    format!("{address}{}", address.path())
}

fn identities(addresses: &[WeightedAddress]) -> Vec<(String, u32)> {
    addresses.iter().map(|WeightedAddress { address, weight }| (identity(address), *weight)).collect()
}

/// The servers, each by a name of its own.
pub(super) fn names<'a>(addresses: impl Iterator<Item = &'a Address>) -> Vec<String> {
    let mut counts = HashMap::new();
    let name = |address: &Address| {
        let name = address.to_string();
        let count: &mut usize = counts.entry(name.clone()).or_default();
        *count += 1;
        // Two addresses of one server differ in their paths, which a name does not have.
        if *count == 1 { name } else { format!("{name} #{count}") }
    };
    addresses.map(name).collect()
}
