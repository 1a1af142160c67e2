//! Upstreams whose URLs have names: their addresses come from a DNS server, and change.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use croupier::upstream::transport::{DnsOptions, Repeat, Transport, TransportError, TransportOptions};
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
            let body = address.to_string();
            serving.spawn(async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    let length = body.len();
                    let response =
                        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
                    stream.write_all(response.as_bytes()).await.unwrap();
                }
            });
        }
        Servers { port, _serving: serving }
    }
}

/// An address of this machine. All of 127.0.0.0/8 are, on Linux.
fn own(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

fn transport(dns: &[SocketAddr], port: u16, min_ttl: Duration, max_ttl: Duration) -> Transport {
    let dns = DnsOptions { servers: dns.to_vec(), min_ttl, max_ttl, negative_ttl: min_ttl };
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
