//! The addresses of upstreams whose URLs have names, and the hosts of services.
//!
//! ```text
//! ResolvedName::connect
//!   known_name.rs   a name: one lookup of it runs at a time, and all who need it wait for that
//!   answer.rs       what is known of it: an answer is used until its time (TTL) is over, within bounds
//!   dns.rs          looks the name up, in /etc/hosts and at the DNS servers
//!   search.rs       which names that are, by the search domains of the system
//!   dial.rs         connects to one of the addresses (RFC 8305)
//! service.rs        the hosts of a service (RFC 2782), known in the same way
//! ```
//!
//! A lookup is a task of its own, so that a request that is given up does not end it. As long as the DNS servers fail, the last good
//! answer is used (RFC 8767).

mod answer;
mod dial;
mod dns;
mod known_name;
mod search;
mod service;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use answer::LookupResult;
use dns::Family;
pub(super) use dns::{Dns, ServiceHost};
pub(super) use known_name::KnownName;
use known_name::Record;
pub(super) use service::preferred;

/// How long the other family of addresses is waited for when one is known (RFC 8305, section 3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// How names of upstream servers are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsOptions {
    /// The DNS servers. If there are none, those of the system.
    pub servers: Vec<SocketAddr>,
    /// How long each answer is kept at least (1 s by default). After a lookup without an answer, the next one is made after this time.
    pub min_ttl: Duration,
    /// How long an answer is kept at most (5 min by default).
    pub max_ttl: Duration,
    /// How long the answer that a name has no addresses is kept at most (5 s by default).
    pub negative_ttl: Duration,
    /// Whether each address of a name is a server of its own (`false` by default). Otherwise a name is one server, and connections to
    /// it are spread over its addresses.
    pub each_address: bool,
}

impl Default for DnsOptions {
    fn default() -> Self {
        DnsOptions {
            servers: Vec::new(),
            min_ttl: Duration::from_secs(1),
            max_ttl: Duration::from_secs(300),
            negative_ttl: Duration::from_secs(5),
            each_address: false,
        }
    }
}

/// The name of a server, with what is known of its addresses.
pub(super) struct ResolvedName {
    name: Arc<KnownName<IpAddr>>,
    /// How many connections have been opened.
    turn: AtomicUsize,
}

impl ResolvedName {
    pub(super) fn new(name: &str, dns: Arc<Dns>) -> ResolvedName {
        ResolvedName { name: KnownName::new(name, dns), turn: AtomicUsize::new(0) }
    }

    /// Connects to one of the addresses.
    ///
    /// # Errors
    /// If there are none, or none accepts a connection.
    pub(super) async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let addresses = self.name.records(Duration::ZERO).await?;
        let turn = self.turn.fetch_add(1, Relaxed);
        dial::connect(dial::order(&addresses, turn), port).await
    }
}

impl Record for IpAddr {
    const ABSENT: &'static str = "the name has no addresses";

    /// Looks up both families. What one has found is noted soon, even if the other takes long.
    async fn look_up(known: &KnownName<IpAddr>) -> LookupResult<IpAddr> {
        let (name, dns) = (known.name(), known.dns());
        let (v4, v6) = (dns.addresses(name, Family::V4), dns.addresses(name, Family::V6));
        tokio::pin!(v4, v6);
        let (first, mut second) = tokio::select! {
            first = &mut v4 => (first, v6),
            first = &mut v6 => (first, v4),
        };
        match (&first, timeout(RESOLUTION_DELAY, second.as_mut()).await) {
            (_, Ok(second)) => first.with(second),
            (LookupResult::Found { .. }, Err(_)) => {
                known.note(first.clone());
                first.with(second.await)
            }
            (_, Err(_)) => first.with(second.await),
        }
    }
}
