//! Lookups by DNS.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::DnsOptions;
use super::answer::LookupResult;
use super::search::{SearchDomains, look_up_in_turn};

/// After this time the next lookup reads the files of the system again, `/etc/resolv.conf` and `/etc/hosts`.
const SYSTEM_FILES_KEPT: Duration = Duration::from_secs(60);
/// How long a lookup may take, whatever the files of the system say of timeouts and attempts.
const LONGEST_LOOKUP: Duration = Duration::from_secs(30);
/// How long a DNS server of the options may take for one try.
const TRY: Duration = Duration::from_secs(2);
/// The DNS server if the system names none.
const LOCAL_SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// One host of a service, by its SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct ServiceHost {
    /// Hosts with a lower number come first.
    pub(in super::super) priority: u16,
    /// Its share among the hosts with the same priority.
    pub(in super::super) weight: u16,
    /// Absolute: it ends with a dot, so that it is not searched for.
    pub(in super::super) name: String,
    pub(in super::super) port: u16,
}

/// The DNS servers, and the names in the files of the system.
pub(in super::super) struct Dns {
    pub(super) options: DnsOptions,
    /// The resolver, and when the files of the system were read for it.
    resolver: Mutex<Option<(Instant, Arc<SystemResolver>)>>,
}

/// A resolver, and the search domains, which it does not know.
struct SystemResolver {
    resolver: TokioResolver,
    domains: SearchDomains,
}

impl Dns {
    pub(in super::super) fn new(options: DnsOptions) -> Dns {
        Dns { options, resolver: Mutex::default() }
    }

    /// Looks up the addresses of a name in one family.
    pub(super) async fn addresses(&self, name: &str, family: Family) -> LookupResult<IpAddr> {
        let record = match family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
        };
        self.look_up(name, record, |data| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        })
        .await
    }

    /// Looks up the hosts of a service (RFC 2782).
    pub(super) async fn service_hosts(&self, name: &str) -> LookupResult<ServiceHost> {
        self.look_up(name, RecordType::SRV, |data| match data {
            // "." says that there is no such service.
            RData::SRV(record) if !record.target.is_root() => Some(ServiceHost {
                priority: record.priority,
                weight: record.weight,
                name: record.target.to_ascii(),
                port: record.port,
            }),
            _ => None,
        })
        .await
    }

    async fn look_up<R>(&self, name: &str, record: RecordType, read: impl Fn(&RData) -> Option<R>) -> LookupResult<R> {
        let Ok(name) = Name::from_utf8(name) else { return LookupResult::Absent { ttl: None } };
        let resolver = match self.resolver().await {
            Ok(resolver) => resolver,
            Err(reason) => return LookupResult::Failed { reason },
        };
        let lookup = look_up_in_turn(resolver.domains.candidates(&name), |name| resolver.look_up(name, record, &read));
        let outcome = tokio::time::timeout(LONGEST_LOOKUP, lookup).await;
        outcome.unwrap_or_else(|_| LookupResult::Failed { reason: format!("no answer within {LONGEST_LOOKUP:?}") })
    }

    async fn resolver(&self) -> Result<Arc<SystemResolver>, String> {
        let mut known = self.resolver.lock().await;
        if let Some((_, resolver)) = known.as_ref().filter(|(read, _)| read.elapsed() < SYSTEM_FILES_KEPT) {
            return Ok(resolver.clone());
        }
        let options = self.options.clone();
        // It reads files.
        let built = tokio::task::spawn_blocking(move || build(&options)).await;
        let resolver = Arc::new(built.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?);
        *known = Some((Instant::now(), resolver.clone()));
        Ok(resolver)
    }
}

impl SystemResolver {
    /// Looks up the records of an absolute name.
    async fn look_up<R>(&self, name: Name, record: RecordType, read: impl Fn(&RData) -> Option<R>) -> LookupResult<R> {
        match self.resolver.lookup(name, record).await {
            Ok(lookup) => {
                let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or_default();
                let records = lookup.answers().iter().filter_map(|record| read(&record.data)).collect();
                LookupResult::Found { records, ttl: Duration::from_secs(ttl.into()) }
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                LookupResult::Absent { ttl: none.negative_ttl.map(|seconds| Duration::from_secs(seconds.into())) }
            }
            Err(error) => LookupResult::Failed { reason: error.to_string() },
        }
    }
}

/// A resolver without a cache: answers are kept by `answer.rs`.
fn build(options: &DnsOptions) -> Result<SystemResolver, NetError> {
    let (config, mut resolving) = match options.servers.as_slice() {
        [] => read_system_conf().unwrap_or_else(|error| {
            tracing::warn!(%error, "the DNS servers of the system are not known; asking {LOCAL_SERVER}");
            (
                ResolverConfig::from_name_servers(vec![NameServerConfig::udp_and_tcp(LOCAL_SERVER)]),
                ResolverOpts::default(),
            )
        }),
        servers => {
            let servers = servers.iter().map(|server| {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                NameServerConfig::new(server.ip(), true, connections.into())
            });
            let mut resolving = ResolverOpts::default();
            resolving.timeout = TRY;
            (ResolverConfig::from_name_servers(servers.collect()), resolving)
        }
    };
    resolving.cache_size = 0;
    resolving.use_hosts_file = ResolveHosts::Always;
    let domains = SearchDomains::new(&config, &resolving);
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(resolving);
    Ok(SystemResolver { resolver: builder.build()?, domains })
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;

    /// A DNS server that fails for all names below `broken.test`, and has no others.
    async fn serve(socket: UdpSocket) {
        let mut query = [0; 512];
        loop {
            let (length, client) = socket.recv_from(&mut query).await.unwrap();
            let is_broken = query[..length].windows(7).any(|part| part == b"\x06broken");
            // A response with recursion: SERVFAIL or NXDOMAIN (RFC 1035, section 4.1.1).
            (query[2], query[3]) = (0x81, if is_broken { 0x82 } else { 0x83 });
            // There is one question, and nothing behind it.
            query[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
            let end = 12 + query[12..length].iter().position(|byte| *byte == 0).unwrap() + 5;
            socket.send_to(&query[..end], client).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_failure_for_one_search_domain_outweighs_that_there_is_no_such_name_in_another() {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let serving = tokio::spawn(serve(socket));
        let options = DnsOptions { servers: vec![address], ..DnsOptions::default() };
        for (domains, is_absent) in [
            (vec!["casino.test.", "floor.test."], true),
            (vec!["broken.test.", "casino.test."], false),
            (vec!["casino.test.", "broken.test."], false),
        ] {
            let domains = domains.into_iter().map(|domain| Name::from_utf8(domain).unwrap()).collect();
            let resolver = SystemResolver { domains: SearchDomains::of(1, domains), ..build(&options).unwrap() };
            let resolver = Mutex::new(Some((Instant::now(), Arc::new(resolver))));
            let dns = Dns { options: options.clone(), resolver };
            for family in [Family::V4, Family::V6] {
                let outcome = dns.addresses("wheel", family).await;
                assert_eq!(matches!(outcome, LookupResult::Absent { .. }), is_absent, "{outcome:?}");
                assert_eq!(matches!(outcome, LookupResult::Failed { .. }), !is_absent, "{outcome:?}");
            }
        }
        serving.abort();
    }
}
