//! The header of the PROXY protocol, by which a proxy that passes on bytes says where a connection has come from: versions 1
//! and 2 (haproxy.org, `proxy-protocol.txt`).
//!
//! Exactly the bytes of the header are read, so that the connection goes on with the first request.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The bytes of the shortest header, `PROXY UNKNOWN` with a line end (section 2.1).
const SHORTEST: usize = 15;
/// The bytes of the longest header of version 1 (section 2.1).
const LONGEST_TEXT: usize = 107;
/// The first bytes of version 2 (section 2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// How many bytes may follow the fixed part of version 2: addresses, and what proxies add to them.
const LONGEST_BINARY: u16 = 2048;

/// Where a connection has come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionSource {
    /// The proxy itself, which looks whether the server is there.
    Proxy,
    /// A client with this address.
    Client(SocketAddr),
    /// A client whose address the proxy does not say.
    Unknown,
}

impl ConnectionSource {
    /// The address that stands for the client. One that is not known is no trusted proxy.
    pub(crate) fn address(self) -> SocketAddr {
        match self {
            ConnectionSource::Client(address) => address,
            ConnectionSource::Proxy | ConnectionSource::Unknown => {
                SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)
            }
        }
    }
}

/// Why a header is refused.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The connection ended too early.
    #[error("the connection ended within it")]
    Broken(#[from] io::Error),
    /// There is no header.
    #[error("the first bytes are not those of a PROXY header")]
    None,
    /// It is not as the specification says.
    #[error("it is malformed")]
    Malformed,
    /// It is longer than the addresses and what proxies add to them.
    #[error("it has more than {LONGEST_BINARY} bytes")]
    TooLong,
}

/// Reads the header with which a connection begins.
///
/// # Errors
/// If the first bytes are no header, or one that is malformed or too long, and if the connection ends within it.
pub async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> Result<ConnectionSource, HeaderError> {
    let mut first = [0; SHORTEST];
    stream.read_exact(&mut first).await?;
    if first.starts_with(b"PROXY ") {
        return read_text(stream, &first).await;
    }
    match first {
        [signature @ .., version, family, high] if signature == *SIGNATURE => {
            let low = stream.read_u8().await?;
            read_binary(stream, version, family, u16::from_be_bytes([high, low])).await
        }
        _ => Err(HeaderError::None),
    }
}

async fn read_text(stream: &mut (impl AsyncRead + Unpin), first: &[u8]) -> Result<ConnectionSource, HeaderError> {
    let mut line = first.to_vec();
    // One byte at a time: what follows the line is not part of the header.
    while !line.ends_with(b"\r\n") {
        if line.len() == LONGEST_TEXT {
            return Err(HeaderError::Malformed);
        }
        line.push(stream.read_u8().await?);
    }
    let text = line.strip_suffix(b"\r\n").and_then(|line| std::str::from_utf8(line).ok());
    text.and_then(parse_text).ok_or(HeaderError::Malformed)
}

/// Reads a line of version 1, without its end.
fn parse_text(line: &str) -> Option<ConnectionSource> {
    let mut words = line.split(' ');
    let (name, family) = (words.next()?, words.next()?);
    if name != "PROXY" {
        return None;
    }
    if family == "UNKNOWN" {
        return Some(ConnectionSource::Unknown);
    }
    let [source, destination, source_port, destination_port] =
        [words.next()?, words.next()?, words.next()?, words.next()?];
    let address = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        _ => None,
    };
    // `parse` would accept a sign.
    let port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let client = SocketAddr::new(address(source)?, port(source_port)?);
    let to: (IpAddr, u16) = (address(destination)?, port(destination_port)?);
    (words.next().is_none() && !to.0.is_multicast()).then_some(ConnectionSource::Client(client))
}

async fn read_binary(
    stream: &mut (impl AsyncRead + Unpin),
    version: u8,
    family: u8,
    length: u16,
) -> Result<ConnectionSource, HeaderError> {
    if length > LONGEST_BINARY {
        return Err(HeaderError::TooLong);
    }
    let mut rest = vec![0; usize::from(length)];
    stream.read_exact(&mut rest).await?;
    match (version, family) {
        (0x20, _) => Ok(ConnectionSource::Proxy),
        (0x21, 0x11) => addresses(&rest).map(|(ip, port)| client(Ipv4Addr::from(ip), port)),
        (0x21, 0x21) => addresses(&rest).map(|(ip, port)| client(Ipv6Addr::from(ip), port)),
        // A unix socket, or what is not a stream.
        (0x21, 0x00..=0x32) => Ok(ConnectionSource::Unknown),
        _ => Err(HeaderError::Malformed),
    }
}

/// The source in a block of source address, destination address, source port and destination port.
fn addresses<const N: usize>(block: &[u8]) -> Result<([u8; N], u16), HeaderError> {
    let source = block.first_chunk::<N>();
    let ports = block.get(2 * N..).and_then(|ports| ports.first_chunk::<4>());
    let (Some(source), Some([high, low, ..])) = (source, ports) else { return Err(HeaderError::Malformed) };
    Ok((*source, u16::from_be_bytes([*high, *low])))
}

fn client(ip: impl Into<IpAddr>, port: u16) -> ConnectionSource {
    ConnectionSource::Client(SocketAddr::new(ip.into(), port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a header says, and how many bytes after it are left.
    fn read(bytes: &[u8]) -> Result<(ConnectionSource, usize), HeaderError> {
        let mut stream = bytes;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let origin = runtime.block_on(read_header(&mut stream))?;
        Ok((origin, stream.len()))
    }

    fn binary(version: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &[version, family], &length, rest].concat()
    }

    fn address(text: &str) -> ConnectionSource {
        ConnectionSource::Client(text.parse().unwrap())
    }

    #[test]
    fn text_headers_say_where_a_connection_has_come_from() {
        for (header, origin) in [
            ("PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n", address("192.0.2.1:4711")),
            ("PROXY TCP6 2001:db8::1 ::1 4711 80\r\n", address("[2001:db8::1]:4711")),
            ("PROXY UNKNOWN\r\n", ConnectionSource::Unknown),
            ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", ConnectionSource::Unknown),
        ] {
            let read = read(format!("{header}GET / HTTP/1.1\r\n").as_bytes()).unwrap();
            assert_eq!(read, (origin, "GET / HTTP/1.1\r\n".len()), "{header}");
        }
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
        for header in [
            "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 4711\r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 4711 80 \r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 +4711 80\r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 471100 80\r\n",
            "PROXY TCP4 ::1 10.0.0.1 4711 80\r\n",
            "PROXY TCP6 192.0.2.1 ::1 4711 80\r\n",
            "PROXY UDP4 192.0.2.1 10.0.0.1 4711 80\r\n",
            "PROXY TCP4 192.0.2.1",
            &long,
        ] {
            assert!(read(header.as_bytes()).is_err(), "{header}");
        }
    }

    #[test]
    fn binary_headers_say_where_a_connection_has_come_from() {
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x67, 0, 80];
        let mut v6 = [0; 36];
        v6[..16].copy_from_slice(&"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        v6[32..].copy_from_slice(&[0x12, 0x67, 0, 80]);
        let with_more = [v4.as_slice(), &[4, 0, 1, 0]].concat();
        for (version, family, rest, origin) in [
            (0x21, 0x11, v4.as_slice(), address("192.0.2.1:4711")),
            (0x21, 0x11, &with_more, address("192.0.2.1:4711")),
            (0x21, 0x21, &v6, address("[2001:db8::1]:4711")),
            (0x21, 0x31, &[0; 216], ConnectionSource::Unknown),
            (0x21, 0x00, &[], ConnectionSource::Unknown),
            (0x20, 0x00, &[], ConnectionSource::Proxy),
            (0x20, 0x11, &v4, ConnectionSource::Proxy),
        ] {
            let bytes = [binary(version, family, rest).as_slice(), b"GET "].concat();
            assert_eq!(read(&bytes).unwrap(), (origin, 4), "{version:x} {family:x}");
        }
        for (version, family, rest) in [
            (0x21, 0x11, &v4[..11]),
            (0x21, 0x21, &v4),
            (0x22, 0x11, &v4),
            (0x11, 0x11, &v4),
            (0x21, 0x41, &v4),
            (0x21, 0x00, &[0; 2049]),
        ] {
            assert!(read(&binary(version, family, rest)).is_err(), "{version:x} {family:x}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            text in proptest::option::of("PROXY (TCP4|TCP6|UNKNOWN|UDP4)( [0-9a-f.:]{1,12}){0,5}(\r\n)?"),
            version in 0x1f_u8..0x23,
            family: u8,
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = read(&bytes);
            let _ = read(&[text.unwrap_or_default().as_bytes(), &bytes].concat());
            let header = binary(version, family, &bytes);
            if let Ok((_, left)) = read(&[header.as_slice(), b"rest"].concat()) {
                prop_assert_eq!(left, 4);
            }
        }

        #[test]
        fn what_a_proxy_writes_is_read(client: SocketAddr, to in 1_u16..) {
            let client = SocketAddr::new(client.ip(), client.port());
            let (family, server) = if client.is_ipv4() { ("TCP4", "10.0.0.1") } else { ("TCP6", "::1") };
            let header = format!("PROXY {family} {} {server} {} {to}\r\n", client.ip(), client.port());
            prop_assert_eq!(read(header.as_bytes()).unwrap(), (ConnectionSource::Client(client), 0));
        }
    }
}
