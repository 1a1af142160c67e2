//! What each client has taken of what all clients share, so that one client cannot take all of it.
//!
//! A client is an IPv4 address, or the first 64 bits of an IPv6 address, because a single host usually has all addresses
//! that begin with these. It has a [`ClientAccount`] as long as it has a connection. A client of a unix socket and a trusted
//! proxy have no share of their own: they speak for many.
//!
//! | what | counted from | until | when the share is used up |
//! |---|---|---|---|
//! | connections | accepted | closed | the client's longest idle connection is closed, else the new one |
//! | handshakes of TLS | the client has begun one | it has ended | refused, the connection is closed |
//! | requests | the head has been read | the response has been sent | refused as busy |
//! | body memory | bytes arrive | the response has been sent | refused with status 503 |
//! | result memory | the result is made | its bytes have been sent | the result waits, then becomes the fault "busy" |
//! | unsent bytes | the response is ready | they have been sent | further requests are refused as busy |

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};

use crate::server::settings::ServerSettings;
use crate::service::lock::lock;
use crate::service::memory_pool::MemoryPool;
use crate::service::result_memory::{ResultBudget, ResultMemory};

/// All clients that have a connection or a request.
#[derive(Debug, Default)]
pub(super) struct Clients {
    shares: Mutex<Shares>,
    /// The memory of all results; `None` without a limit.
    results: Option<ResultBudget>,
    known: Mutex<HashMap<IpAddr, Weak<ClientAccount>>>,
}

/// How much one client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    connections: usize,
    handshakes: usize,
    requests: usize,
    /// In bytes.
    body_memory: usize,
    /// In bytes.
    response_memory: usize,
}

/// One client, and what it has taken.
#[derive(Debug)]
pub(super) struct ClientAccount {
    /// Its address and the map that it is in; `None` for one without a share.
    entry: Option<(IpAddr, Weak<Clients>)>,
    shares: CurrentShares,
    connections: AtomicUsize,
    handshakes: AtomicUsize,
    requests: AtomicUsize,
    /// The memory of its bodies; `None` without a share.
    body_memory: Option<MemoryPool>,
    /// How many bytes of its responses are ready and not sent yet.
    unsent_bytes: AtomicUsize,
    /// The memory of its results; `None` without a limit.
    result_memory: Option<ResultMemory>,
}

/// The [`Shares`] of a client, which change with the settings of the server.
#[derive(Debug, Default)]
struct CurrentShares {
    connections: AtomicUsize,
    handshakes: AtomicUsize,
    requests: AtomicUsize,
    response_memory: AtomicUsize,
}

impl CurrentShares {
    fn of(shares: Shares) -> CurrentShares {
        let current = CurrentShares::default();
        current.set(shares);
        current
    }

    fn set(&self, shares: Shares) {
        self.connections.store(shares.connections, Relaxed);
        self.handshakes.store(shares.handshakes, Relaxed);
        self.requests.store(shares.requests, Relaxed);
        self.response_memory.store(shares.response_memory, Relaxed);
    }
}

/// A part of a client's share, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    client: Arc<ClientAccount>,
    resource: Resource,
    amount: usize,
}

/// A request of a client that a trusted proxy has passed on.
#[derive(Debug)]
pub(super) struct OpenRequest {
    pub(super) client: Arc<ClientAccount>,
    /// Whether the client had fewer requests than its share.
    pub(super) within_share: bool,
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.client.end_request();
    }
}

/// What a client takes a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource {
    Connections,
    /// The handshakes of TLS that are under way.
    Handshakes,
    /// The bytes of responses that are ready and not sent yet.
    UnsentBytes,
}

impl Default for Shares {
    fn default() -> Self {
        Shares {
            connections: usize::MAX,
            handshakes: usize::MAX,
            requests: usize::MAX,
            body_memory: usize::MAX,
            response_memory: usize::MAX,
        }
    }
}

impl Shares {
    pub(super) fn new(settings: &ServerSettings) -> Shares {
        let ServerSettings { connections, handshakes, in_flight, memory, response_memory, per_client, .. } = settings;
        let half = |whole: usize| whole.div_ceil(2);
        Shares {
            connections: per_client.connections.unwrap_or(half(*connections)),
            handshakes: half(*handshakes),
            requests: per_client.requests.unwrap_or(in_flight.div_ceil(4)),
            body_memory: per_client.memory.map_or(half(*memory), |size| size.0),
            response_memory: per_client.response_memory.map_or(half(*response_memory), |size| size.0),
        }
    }
}

impl Clients {
    pub(super) fn new(settings: &ServerSettings) -> Arc<Clients> {
        let results = Some(ResultBudget::new(settings.response_memory));
        Arc::new(Clients { shares: Mutex::new(Shares::new(settings)), results, known: Mutex::default() })
    }

    /// Changes the share of each client, those with open connections included. `response_memory` does not change.
    pub(super) fn set_shares(&self, settings: &ServerSettings) {
        let known = lock(&self.known);
        let mut shares = lock(&self.shares);
        *shares = Shares { response_memory: shares.response_memory, ..Shares::new(settings) };
        let clients: Vec<_> = known.values().filter_map(Weak::upgrade).collect();
        for client in &clients {
            client.shares.set(*shares);
            if let Some(memory) = &client.body_memory {
                memory.resize(shares.body_memory);
            }
        }
        // The last reference to a client takes the lock when it is dropped.
        drop((known, shares));
    }

    /// The memory that all results share; `None` without a limit.
    pub(super) fn result_pool(&self) -> Option<&MemoryPool> {
        self.results.as_ref().map(ResultBudget::pool)
    }

    /// The client with this address; one without a share if there is no address.
    pub(super) fn client(self: &Arc<Clients>, address: Option<IpAddr>) -> Arc<ClientAccount> {
        let result_memory = |share| self.results.as_ref().map(|results| results.of_client(share));
        let Some(address) = address else {
            return Arc::new(ClientAccount::new(None, Shares::default(), None, result_memory(None)));
        };
        let address = network(address);
        let mut known = lock(&self.known);
        if let Some(client) = known.get(&address).and_then(Weak::upgrade) {
            return client;
        }
        let entry = Some((address, Arc::downgrade(self)));
        let shares = *lock(&self.shares);
        let body_memory = Some(MemoryPool::new(shares.body_memory));
        let result_memory = result_memory(Some(shares.response_memory));
        let client = Arc::new(ClientAccount::new(entry, shares, body_memory, result_memory));
        known.insert(address, Arc::downgrade(&client));
        client
    }
}

impl ClientAccount {
    fn new(
        entry: Option<(IpAddr, Weak<Clients>)>,
        shares: Shares,
        body_memory: Option<MemoryPool>,
        result_memory: Option<ResultMemory>,
    ) -> ClientAccount {
        let (connections, handshakes, requests, unsent_bytes) = Default::default();
        let shares = CurrentShares::of(shares);
        ClientAccount { entry, shares, connections, handshakes, requests, body_memory, unsent_bytes, result_memory }
    }

    /// Takes a part of a resource; `None` if the share is used up.
    pub(super) fn take(self: &Arc<ClientAccount>, resource: Resource, amount: usize) -> Option<Taken> {
        let (taken, share) = self.counter(resource);
        let before = taken.fetch_add(amount, Relaxed);
        if before.saturating_add(amount) > share {
            taken.fetch_sub(amount, Relaxed);
            return None;
        }
        Some(Taken { client: self.clone(), resource, amount })
    }

    /// Takes a part of a resource even if that is more than the share: it is in use already.
    pub(super) fn overdraw(self: &Arc<ClientAccount>, resource: Resource, amount: usize) -> Taken {
        self.counter(resource).0.fetch_add(amount, Relaxed);
        Taken { client: self.clone(), resource, amount }
    }

    /// Whether the share of a resource is used up.
    pub(super) fn has_used_up(&self, resource: Resource) -> bool {
        let (taken, share) = self.counter(resource);
        taken.load(Relaxed) >= share
    }

    /// Counts a request until [`end_request`](ClientAccount::end_request). Returns whether it is within the share.
    pub(super) fn begin_request(&self) -> bool {
        self.requests.fetch_add(1, Relaxed) < self.shares.requests.load(Relaxed)
    }

    pub(super) fn end_request(&self) {
        self.requests.fetch_sub(1, Relaxed);
    }

    /// Counts a request until the result is dropped.
    pub(super) fn open_request(self: Arc<ClientAccount>) -> OpenRequest {
        OpenRequest { within_share: self.begin_request(), client: self }
    }

    /// Whether it has a share of its own.
    pub(super) fn has_share(&self) -> bool {
        self.entry.is_some()
    }

    /// The memory for its results; `None` without a limit.
    pub(super) fn result_memory(&self) -> Option<&ResultMemory> {
        self.result_memory.as_ref()
    }

    /// The memory that its bodies share; `None` without a share.
    pub(super) fn body_memory(&self) -> Option<&MemoryPool> {
        self.body_memory.as_ref()
    }

    fn counter(&self, resource: Resource) -> (&AtomicUsize, usize) {
        match resource {
            Resource::Connections => (&self.connections, self.shares.connections.load(Relaxed)),
            Resource::Handshakes => (&self.handshakes, self.shares.handshakes.load(Relaxed)),
            Resource::UnsentBytes => (&self.unsent_bytes, self.shares.response_memory.load(Relaxed)),
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.client.counter(self.resource).0.fetch_sub(self.amount, Relaxed);
    }
}

impl Drop for ClientAccount {
    fn drop(&mut self) {
        let Some((address, clients)) = &self.entry else { return };
        let Some(clients) = clients.upgrade() else { return };
        let mut known = lock(&clients.known);
        // The address may have got another client since the last reference to this one was dropped.
        if known.get(address).is_some_and(|client| client.strong_count() == 0) {
            known.remove(address);
        }
    }
}

impl Default for ClientAccount {
    /// A client without a share.
    fn default() -> Self {
        ClientAccount::new(None, Shares::default(), None, None)
    }
}

/// What counts as one client: an IPv4 address, or the first 64 bits of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients() -> Arc<Clients> {
        let shares = Shares { connections: 2, handshakes: 1, requests: 1, body_memory: 100, response_memory: 100 };
        Arc::new(Clients { shares: Mutex::new(shares), ..Clients::default() })
    }

    fn client(clients: &Arc<Clients>, address: &str) -> Arc<ClientAccount> {
        clients.client(Some(address.parse().unwrap()))
    }

    #[test]
    fn clients_are_distinguished_by_address_and_by_the_network_of_ipv6() {
        let clients = clients();
        let same = |one: &str, other: &str| Arc::ptr_eq(&client(&clients, one), &client(&clients, other));
        let _held = [client(&clients, "192.0.2.1"), client(&clients, "2001:db8::1")];
        assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
    }

    #[test]
    fn a_share_is_given_back_when_what_was_taken_is_dropped() {
        let clients = clients();
        let one = client(&clients, "192.0.2.1");
        let taken = one.take(Resource::UnsentBytes, 60).unwrap();
        assert!(one.take(Resource::UnsentBytes, 41).is_none());
        assert!(client(&clients, "192.0.2.2").take(Resource::UnsentBytes, 100).is_some(), "another client");
        let more = one.overdraw(Resource::UnsentBytes, 41);
        assert!(one.has_used_up(Resource::UnsentBytes));
        drop((taken, more));
        assert!(one.take(Resource::UnsentBytes, 100).is_some());
    }

    #[test]
    fn a_client_without_connections_is_forgotten() {
        let clients = clients();
        let taken = client(&clients, "192.0.2.1").take(Resource::Connections, 1);
        assert_eq!(lock(&clients.known).len(), 1);
        drop(taken);
        assert_eq!(lock(&clients.known).len(), 0);
    }

    #[test]
    fn a_client_without_an_address_has_no_share() {
        let unix = clients().client(None);
        assert!((0..100).all(|_| unix.begin_request()));
        assert!(unix.take(Resource::UnsentBytes, usize::MAX / 2).is_some() && unix.body_memory().is_none());
    }
}
