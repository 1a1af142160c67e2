//! Connects to one of several addresses of a name (RFC 8305, "Happy Eyeballs"): the next address is tried when one has failed or
//! takes long, and the first connection counts.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long an address is tried before the next one is tried as well (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The order in which the addresses are tried: the families in turn, IPv6 first (RFC 8305, section 4). Each turn begins with another
/// address of each family, so that connections are spread over all of them.
pub(super) fn order(addresses: &[IpAddr], turn: usize) -> Vec<IpAddr> {
    let rotated = |is_of_family: fn(&IpAddr) -> bool| {
        let mut family: Vec<IpAddr> = addresses.iter().copied().filter(is_of_family).collect();
        let first = turn % family.len().max(1);
        family.rotate_left(first);
        family
    };
    let (v6, v4) = (rotated(IpAddr::is_ipv6), rotated(IpAddr::is_ipv4));
    let longest = v6.len().max(v4.len());
    (0..longest).flat_map(|at| v6.get(at).into_iter().chain(v4.get(at)).copied()).collect()
}

/// Connects to the first of the addresses that accepts a connection.
///
/// # Errors
/// The error of the last attempt that has failed.
pub(super) async fn connect(addresses: Vec<IpAddr>, port: u16) -> io::Result<TcpStream> {
    let mut left = addresses.into_iter().map(|address| SocketAddr::new(address, port));
    // Dropped with the attempts that are not needed any more.
    let mut attempts = JoinSet::new();
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut may_begin = true;
    loop {
        let next = if may_begin { left.next() } else { None };
        if let Some(address) = next {
            attempts.spawn(TcpStream::connect(address));
        }
        let ended = match left.len() {
            0 => attempts.join_next().await,
            _ => match timeout(ATTEMPT_DELAY, attempts.join_next()).await {
                Ok(ended) => ended,
                Err(_) => {
                    may_begin = true;
                    continue;
                }
            },
        };
        match ended {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => last_error = error,
            Some(Err(error)) => last_error = io::Error::other(error),
            None => return Err(last_error),
        }
        may_begin = true;
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_and_addresses_take_turns() {
        let all = addresses(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2"]);
        for (turn, expected) in [
            (0, ["fd00::1", "10.0.0.1", "fd00::2", "10.0.0.2", "10.0.0.3"]),
            (1, ["fd00::2", "10.0.0.2", "fd00::1", "10.0.0.3", "10.0.0.1"]),
            (usize::MAX, ["fd00::2", "10.0.0.1", "fd00::1", "10.0.0.2", "10.0.0.3"]),
        ] {
            assert_eq!(order(&all, turn), addresses(&expected), "{turn}");
        }
        assert_eq!(order(&addresses(&["10.0.0.1"]), 7), addresses(&["10.0.0.1"]));
        assert!(order(&[], 7).is_empty());
    }

    #[tokio::test]
    async fn the_first_address_that_accepts_is_used() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // 127.0.0.2 has no listener at this port: it refuses at once.
        let stream = connect(addresses(&["127.0.0.2", "127.0.0.1"]), port).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
        let refused = connect(addresses(&["127.0.0.2", "127.0.0.3"]), port).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(connect(Vec::new(), port).await.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_takes_long_does_not_hold_up_the_next() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Packets to a multicast or reserved address are never answered, or refused at once: in both cases the next is tried.
        let stream = connect(addresses(&["240.0.0.1", "127.0.0.1"]), port).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
    }
}
