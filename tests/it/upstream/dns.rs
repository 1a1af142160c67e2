//! Upstreams whose URLs have names, or are services: their addresses and hosts come from a DNS server, and change.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use croupier::upstream::transport::{Balance, DnsOptions, Repeat, Transport, TransportError, TransportOptions};
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::dns_server::{DnsServer, Said};

/// Servers at different addresses with the same port, each of which says its own address.
struct Servers {
    port: u16,
    _serving: JoinSet<()>,
}

impl Servers {
    /// Servers at these addresses. The port is free at the first one, and was never used at the others.
    async fn start(addresses: &[IpAddr]) -> Servers {
        let mut serving = JoinSet::new();
        let mut port = 0;
        for address in addresses {
            let listener = TcpListener::bind((*address, port)).await.unwrap();
            port = listener.local_addr().unwrap().port();
            serving.spawn(serve(listener, address.to_string()));
        }
        Servers { port, _serving: serving }
    }
}

/// Responds to each request with this body.
async fn serve(listener: TcpListener, body: String) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let length = body.len();
        let response = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(response.as_bytes()).await.unwrap();
    }
}

/// An address of this machine. All of 127.0.0.0/8 are, on Linux.
fn own(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

fn transport(dns: &[SocketAddr], port: u16, min_ttl: Duration, max_ttl: Duration) -> Transport {
    let dns = DnsOptions { servers: dns.to_vec(), min_ttl, max_ttl, negative_ttl: min_ttl, each_address: false };
    let address = format!("http://wheel.casino.test:{port}/").parse().unwrap();
    Transport::new(vec![address], TransportOptions { dns, ..TransportOptions::default() }).unwrap()
}

/// The address of the server that a request has reached.
async fn reached(transport: &Transport) -> Result<String, TransportError> {
    let response = transport.exchange(Request::default(), Repeat::Unsent, 1 << 10, None).await?;
    Ok(String::from_utf8(response.into_body().to_vec()).unwrap())
}

const NAME: &str = "wheel.casino.test";
const LONG: Duration = Duration::from_secs(3600);

#[cfg(target_os = "linux")]
#[tokio::test]
async fn connections_follow_the_addresses_of_a_name() {
    let dns = DnsServer::start().await;
    let servers = Servers::start(&[own(1), own(2)]).await;
    // Each connection looks the name up.
    let transport = transport(&[dns.address], servers.port, Duration::ZERO, Duration::ZERO);
    dns.say(NAME, Said::Addresses(vec![own(1)], 60));
    assert_eq!(reached(&transport).await.unwrap(), "127.0.0.1");
    dns.say(NAME, Said::Alias("croupier.casino.test", vec![own(2)], 60));
    assert_eq!(reached(&transport).await.unwrap(), "127.0.0.2");
    // The last good answer is used as long as the DNS server fails.
    dns.say(NAME, Said::Failure);
    assert_eq!(reached(&transport).await.unwrap(), "127.0.0.2");
    assert_eq!(reached(&transport).await.unwrap(), "127.0.0.2");
    // That there is no such name is an answer.
    dns.say(NAME, Said::NoName);
    let error = reached(&transport).await.unwrap_err();
    let text = format!("{:?}", std::error::Error::source(&error).map(ToString::to_string));
    assert!(!error.connected() && text.contains("wheel.casino.test: the name has no addresses"), "{text}");
    dns.say(NAME, Said::Addresses(vec![own(1)], 60));
    assert_eq!(reached(&transport).await.unwrap(), "127.0.0.1");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn answers_are_kept_for_their_time() {
    let dns = DnsServer::start().await;
    let servers = Servers::start(&[own(1), own(2)]).await;
    let keeping = transport(&[dns.address], servers.port, Duration::ZERO, LONG);
    dns.say(NAME, Said::Addresses(vec![own(1)], 3600));
    for _ in 0..3 {
        assert_eq!(reached(&keeping).await.unwrap(), "127.0.0.1");
        dns.say(NAME, Said::Addresses(vec![own(2)], 3600));
    }
    assert_eq!(dns.lookups(), 1);
    // So is that there are none.
    dns.say(NAME, Said::NoName);
    let keeping = transport(&[dns.address], servers.port, LONG, LONG);
    for _ in 0..3 {
        assert!(reached(&keeping).await.is_err());
        dns.say(NAME, Said::Addresses(vec![own(2)], 3600));
    }
    assert_eq!(dns.lookups(), 2);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn requests_at_the_same_time_share_a_lookup() {
    let dns = DnsServer::start().await;
    let servers = Servers::start(&[own(1)]).await;
    dns.say(NAME, Said::Addresses(vec![own(1)], 60));
    let transport = std::sync::Arc::new(transport(&[dns.address], servers.port, LONG, LONG));
    let mut requests = JoinSet::new();
    for _ in 0..8 {
        let transport = transport.clone();
        requests.spawn(async move { reached(&transport).await.unwrap() });
    }
    assert!(requests.join_all().await.iter().all(|reached| reached == "127.0.0.1"));
    assert_eq!(dns.lookups(), 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn all_addresses_are_used() {
    let dns = DnsServer::start().await;
    // Nothing listens at 127.0.0.3, nor at ::1.
    let servers = Servers::start(&[own(1), own(2)]).await;
    let all = vec![own(1), own(3), own(2), "::1".parse().unwrap()];
    dns.say(NAME, Said::Addresses(all, 60));
    let transport = transport(&[dns.address], servers.port, LONG, LONG);
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..6 {
        *counts.entry(reached(&transport).await.unwrap()).or_default() += 1;
    }
    assert_eq!(counts.values().sum::<usize>(), 6);
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["127.0.0.1", "127.0.0.2"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_dns_server_is_asked_if_one_is_silent() {
    let (silent, dns) = (DnsServer::start().await, DnsServer::start().await);
    let servers = Servers::start(&[own(1)]).await;
    silent.say(NAME, Said::Nothing);
    dns.say(NAME, Said::Addresses(vec![own(1)], 60));
    let transport = transport(&[silent.address, dns.address], servers.port, LONG, LONG);
    assert_eq!(reached(&transport).await.unwrap(), "127.0.0.1");
}

#[tokio::test]
async fn names_of_the_system_need_no_dns_server() {
    let servers = Servers::start(&[own(1)]).await;
    let address = format!("http://localhost:{}/", servers.port).parse().unwrap();
    let transport = Transport::new(vec![address], TransportOptions::default()).unwrap();
    assert_eq!(reached(&transport).await.unwrap(), "127.0.0.1");
}

/// The hosts of a service, each a server that says its name.
struct ServiceHosts {
    dns: DnsServer,
    ports: [u16; 3],
    transport: Transport,
    serving: JoinSet<()>,
}

const SERVICE: &str = "_rpc._tcp.casino.test";
const HOSTS: [&str; 3] = ["a.casino.test", "b.casino.test", "c.casino.test"];

impl ServiceHosts {
    /// Three hosts. Each answer of the DNS server is looked up again.
    async fn start() -> ServiceHosts {
        let dns = DnsServer::start().await;
        let mut serving = JoinSet::new();
        let mut ports = [0; 3];
        for (name, port) in HOSTS.into_iter().zip(&mut ports) {
            let listener = TcpListener::bind((own(1), 0)).await.unwrap();
            *port = listener.local_addr().unwrap().port();
            serving.spawn(serve(listener, name.to_owned()));
            dns.say(name, Said::Addresses(vec![own(1)], 60));
        }
        let options = DnsOptions {
            servers: vec![dns.address],
            min_ttl: Duration::ZERO,
            negative_ttl: Duration::ZERO,
            ..DnsOptions::default()
        };
        let address = format!("srv+http://{SERVICE}/RPC2").parse().unwrap();
        let options = TransportOptions {
            dns: options,
            balance: Balance::RoundRobin,
            slow_start: Duration::ZERO,
            ..TransportOptions::default()
        };
        let transport = Transport::new(vec![address], options).unwrap();
        ServiceHosts { dns, ports, transport, serving }
    }

    /// From now on, the service has these hosts, each with its priority and its weight.
    fn say(&self, hosts: &[(usize, u16, u16)]) {
        let record =
            |(index, priority, weight): &(usize, u16, u16)| (*priority, *weight, HOSTS[*index], self.ports[*index]);
        self.dns.say(SERVICE, Said::Services(hosts.iter().map(record).collect(), 0));
    }

    /// How often each host is reached by so many requests.
    async fn counts(&self, requests: usize) -> [usize; 3] {
        let mut counts = [0; 3];
        for _ in 0..requests {
            let name = reached(&self.transport).await.unwrap();
            counts[HOSTS.iter().position(|host| *host == name).unwrap()] += 1;
        }
        counts
    }

    /// Sends requests until only these hosts are reached.
    async fn settle(&self, expected: &[usize]) {
        for _ in 0..1000 {
            let counts = self.counts(8).await;
            if counts.iter().enumerate().all(|(host, count)| *count == 0 || expected.contains(&host)) {
                return;
            }
        }
        panic!("hosts that have gone are still reached");
    }
}

#[tokio::test]
async fn requests_follow_the_hosts_of_a_service() {
    let service = ServiceHosts::start().await;
    service.say(&[(0, 10, 1)]);
    assert_eq!(service.counts(3).await, [3, 0, 0]);
    service.say(&[(1, 10, 1), (2, 20, 1)]);
    service.settle(&[1]).await;
    assert_eq!(service.counts(3).await, [0, 3, 0], "hosts with a higher number are left out");
    service.say(&[(0, 10, 1), (1, 10, 0), (2, 10, 6)]);
    service.settle(&[0, 1, 2]).await;
    let counts = service.counts(60).await;
    assert!(counts[2] > 40 && counts[0] > 4 && counts[1] > 4, "{counts:?}");
    // As long as the DNS server fails, the last answer counts.
    service.dns.say(SERVICE, Said::Failure);
    assert_eq!(service.counts(20).await.iter().sum::<usize>(), 20);
    service.dns.say(SERVICE, Said::NoName);
    let mut last = reached(&service.transport).await;
    while last.is_ok() {
        last = reached(&service.transport).await;
    }
    let error = last.unwrap_err();
    let text = format!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
    assert!(!error.connected() && text.contains(SERVICE) && text.contains("the service has no hosts"), "{text}");
    service.say(&[(2, 0, 0)]);
    service.settle(&[2]).await;
}

#[tokio::test]
async fn a_host_of_a_service_that_is_gone_costs_no_request() {
    let mut service = ServiceHosts::start().await;
    service.say(&[(0, 10, 1), (1, 10, 1), (2, 10, 1)]);
    assert_eq!(service.counts(30).await.iter().sum::<usize>(), 30);
    service.serving.abort_all();
    while service.serving.join_next().await.is_some() {}
    let listener = TcpListener::bind((own(1), service.ports[1])).await.unwrap();
    service.serving.spawn(serve(listener, HOSTS[1].to_owned()));
    assert_eq!(service.counts(30).await, [0, 30, 0]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn each_address_of_a_name_can_be_a_host_of_its_own() {
    let dns = DnsServer::start().await;
    // Nothing listens at 127.0.0.3.
    let servers = Servers::start(&[own(1), own(2)]).await;
    dns.say(NAME, Said::Addresses(vec![own(1), own(3), own(2)], 60));
    let options = DnsOptions { servers: vec![dns.address], each_address: true, ..DnsOptions::default() };
    let address = format!("http://{NAME}:{}/", servers.port).parse().unwrap();
    let options = TransportOptions { dns: options, balance: Balance::RoundRobin, ..TransportOptions::default() };
    let transport = Transport::new(vec![address], options).unwrap();
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..20 {
        *counts.entry(reached(&transport).await.unwrap()).or_default() += 1;
    }
    assert_eq!(counts, [("127.0.0.1".to_owned(), 10), ("127.0.0.2".to_owned(), 10)].into());
}
