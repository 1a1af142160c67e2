//! Servers that are found by DNS: the hosts of a service, or the addresses of a name.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::TransportOptions;
use super::address::{Address, Endpoint};
use super::error::TransportError;
use super::resolve::{KnownName, ServiceHost, preferred};
use super::server_set::{ServerSet, ServerSetup, WeightedAddress};
use crate::model::fault::BoxError;
use crate::service::lock::lock;

/// For how long after its time an answer is used while the name is looked up: requests do not wait for DNS again and again.
const STALE: Duration = Duration::from_secs(10);

/// The servers of a transport of which some are found by DNS.
pub(super) struct ChangingServers {
    entries: Box<[Entry]>,
    setup: ServerSetup,
    current: ArcSwap<ServerSet>,
    /// The records of which the current set was made.
    made_of: Mutex<Vec<Option<Records>>>,
}

/// One of the configured addresses.
struct Entry {
    address: Address,
    weight: u32,
    source: Source,
}

/// Where the servers of an address come from.
enum Source {
    Address,
    Service(Arc<KnownName<ServiceHost>>),
    Name { name: Arc<KnownName<IpAddr>>, port: u16 },
}

/// What DNS says of an entry. Equal records are the same allocation.
#[derive(Clone)]
enum Records {
    Address,
    Service(Arc<[ServiceHost]>),
    Name(Arc<[IpAddr]>),
}

/// Whether DNS decides which servers one of the addresses means.
pub(super) fn is_needed(addresses: &[Address], options: &TransportOptions) -> bool {
    addresses.iter().any(|address| changes(address, options))
}

fn changes(address: &Address, options: &TransportOptions) -> bool {
    match address.endpoint() {
        Endpoint::Service { .. } => true,
        Endpoint::Tcp { host, .. } => options.dns.each_address && host.parse::<IpAddr>().is_err(),
        Endpoint::Unix(_) => false,
        #[cfg(feature = "server")]
        Endpoint::Program(_) => false,
    }
}

impl ChangingServers {
    pub(super) fn new(
        addresses: Vec<WeightedAddress>,
        setup: ServerSetup,
        options: &TransportOptions,
    ) -> ChangingServers {
        let entries = addresses.into_iter().map(|weighted| {
            let source = match weighted.address.endpoint() {
                Endpoint::Service { name } => Source::Service(KnownName::new(name, setup.dns.clone())),
                Endpoint::Tcp { host, port } if changes(&weighted.address, options) => {
                    Source::Name { name: KnownName::new(host, setup.dns.clone()), port: *port }
                }
                _ => Source::Address,
            };
            Entry { address: weighted.address, weight: weighted.weight, source }
        });
        ChangingServers {
            entries: entries.collect(),
            current: ArcSwap::from_pointee(ServerSet::empty(options)),
            made_of: Mutex::default(),
            setup,
        }
    }

    /// The servers, as far as they are known without waiting.
    pub(super) fn known(&self) -> Arc<ServerSet> {
        self.current.load_full()
    }

    /// The servers, as DNS has them.
    ///
    /// # Errors
    /// If there are none.
    pub(super) async fn current(&self, options: &TransportOptions) -> Result<Arc<ServerSet>, TransportError> {
        let mut found = Vec::with_capacity(self.entries.len());
        let mut last_error = None;
        for entry in &self.entries {
            let records = entry.records().await;
            found.push(records.map_err(|error| last_error = Some((entry, error))).ok());
        }
        let set = self.set_of(found, options);
        match last_error {
            Some((entry, error)) if set.servers().is_empty() => {
                Err(TransportError::unreached(entry.address.to_string(), error))
            }
            _ => Ok(set),
        }
    }

    fn set_of(&self, found: Vec<Option<Records>>, options: &TransportOptions) -> Arc<ServerSet> {
        let mut made_of = lock(&self.made_of);
        let is_same = made_of.len() == found.len() && made_of.iter().zip(&found).all(are_same);
        if !is_same {
            let members = self.entries.iter().zip(&found);
            let members: Vec<WeightedAddress> =
                members.flat_map(|(entry, records)| entry.members(records.as_ref())).collect();
            self.current.store(Arc::new(self.current.load().renewed(&members, &self.setup, options)));
            *made_of = found;
        }
        self.current.load_full()
    }
}

fn are_same(records: (&Option<Records>, &Option<Records>)) -> bool {
    match records {
        (Some(Records::Service(one)), Some(Records::Service(other))) => Arc::ptr_eq(one, other),
        (Some(Records::Name(one)), Some(Records::Name(other))) => Arc::ptr_eq(one, other),
        (Some(Records::Address), Some(Records::Address)) | (None, None) => true,
        _ => false,
    }
}

impl Entry {
    async fn records(&self) -> Result<Records, BoxError> {
        Ok(match &self.source {
            Source::Address => Records::Address,
            Source::Service(name) => Records::Service(name.records(STALE).await?),
            Source::Name { name, .. } => Records::Name(name.records(STALE).await?),
        })
    }

    fn members(&self, records: Option<&Records>) -> Vec<WeightedAddress> {
        let member = |host: String, port: u16, weight: u32| WeightedAddress {
            address: self.address.member(host, port),
            weight: weight.saturating_mul(self.weight),
        };
        match (records, &self.source) {
            (None, _) => Vec::new(),
            (Some(Records::Service(hosts)), _) => {
                preferred(hosts).map(|(host, weight)| member(host.name.clone(), host.port, weight)).collect()
            }
            (Some(Records::Name(addresses)), Source::Name { port, .. }) => {
                addresses.iter().map(|address| member(address.to_string(), *port, 1)).collect()
            }
            (Some(_), _) => vec![WeightedAddress { address: self.address.clone(), weight: self.weight }],
        }
    }
}
