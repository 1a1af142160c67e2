//! Whatever a client writes into `X-Forwarded-For`, `Forwarded` or the bytes after a PROXY header, its address is that which
//! the nearest proxy outside its reach has written. Any bytes are a PROXY header or an error.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use croupier::PublicUrl;
use croupier::http::public_url::ClientHeader;
use croupier::server::proxy_protocol::{ConnectionSource, HeaderError, read_header};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().build().expect("a runtime without I/O");
}

fuzz_target!(|bytes: &[u8]| {
    let [form, rest @ ..] = bytes else { return };
    forwarded(*form, rest);
    own_words(rest);
    proxy_header(*form, rest);
});

fn public_url(client_header: ClientHeader) -> PublicUrl {
    let trusted_proxies = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network")).to_vec();
    PublicUrl { trusted_proxies, client_header, ..PublicUrl::default() }
}

/// Reads the header as a server behind a trusted proxy does.
fn client(public_url: &PublicUrl, name: &HeaderName, lines: &[Vec<u8>]) -> Option<IpAddr> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name.clone(), HeaderValue::from_bytes(line).ok()?);
    }
    public_url.forwarded_client(&headers)
}

/// A client writes any lines, and proxies append its address and those of each other.
fn forwarded(form: u8, of_client: &[u8]) {
    let real: IpAddr = if form & 1 == 0 {
        Ipv4Addr::new(203, 0, 113, form).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, form.into()).into()
    };
    let (client_header, name, elements) = if form & 2 == 0 {
        let own = match (form & 4 == 0, real) {
            (true, address) => address.to_string(),
            (false, address) => SocketAddr::new(address, 4711).to_string(),
        };
        (ClientHeader::XForwardedFor, "x-forwarded-for", [own, "10.1.2.3".to_owned(), "fd00::1".to_owned()])
    } else {
        let own = match (form & 4 == 0, real) {
            (true, IpAddr::V4(address)) => format!("for={address}"),
            (true, IpAddr::V6(address)) => format!("for=\"[{address}]\""),
            (false, address) => format!("proto=https;For=\"{}\"", SocketAddr::new(address, 4711)),
        };
        let others = ["for=10.1.2.3;host=x", "for=\"[fd00::1]:80\";by=10.1.1.1"].map(str::to_owned);
        (ClientHeader::Forwarded, "forwarded", [own, others[0].clone(), others[1].clone()])
    };
    let mut lines: Vec<Vec<u8>> = of_client.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    // No line of a request begins or ends with white space (RFC 9112, section 5), and a line with these bytes is refused.
    lines.retain(|line| HeaderValue::from_bytes(line).is_ok());
    let passed = 1 + usize::from(form >> 6).min(2);
    for element in elements.iter().take(passed) {
        match lines.last_mut() {
            Some(last) if form & 8 == 0 => last.extend_from_slice(format!(", {element}").as_bytes()),
            _ => lines.push(element.clone().into_bytes()),
        }
    }
    let name = HeaderName::from_static(name);
    let found = client(&public_url(client_header), &name, &lines);
    assert_eq!(found, Some(real), "{lines:?}");
    // The other header is ignored.
    let other =
        if client_header == ClientHeader::Forwarded { ClientHeader::XForwardedFor } else { ClientHeader::Forwarded };
    assert_eq!(client(&public_url(other), &name, &lines), None);
}

/// Whatever is found in words that a trusted proxy has passed on: it is no trusted proxy, and the public address has no mark-up.
fn own_words(bytes: &[u8]) {
    let lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    for (client_header, name) in
        [(ClientHeader::XForwardedFor, "x-forwarded-for"), (ClientHeader::Forwarded, "forwarded")]
    {
        let public_url = public_url(client_header);
        if let Some(found) = client(&public_url, &HeaderName::from_static(name), &lines) {
            assert!(!public_url.trusts(Some(SocketAddr::new(found, 0))) && found == found.to_canonical(), "{found}");
        }
    }
    let names = ["x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix", "host"];
    let mut request = Request::new(());
    for (name, line) in names.into_iter().zip(&lines) {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        request.headers_mut().insert(name, value);
    }
    let (head, ()) = request.into_parts();
    for peer in ["10.0.0.1:80", "203.0.113.1:80"].map(|peer| peer.parse().expect("an address")) {
        let base = public_url(ClientHeader::Forwarded).base(&head, Some(peer));
        assert!(base.starts_with("http://") || base.starts_with("https://"), "{base}");
        assert!(!base.ends_with('/') && !base.contains(['"', '<', '>', '&', '\'', ' ', '\\', '@', '?', '#']), "{base}");
    }
}

/// What a header says, and how many bytes are left.
fn read(bytes: &[u8]) -> Result<(ConnectionSource, usize), HeaderError> {
    let mut stream = bytes;
    let source = RUNTIME.with(|runtime| runtime.block_on(read_header(&mut stream)))?;
    Ok((source, stream.len()))
}

fn proxy_header(form: u8, bytes: &[u8]) {
    // Any bytes.
    if let Ok((source, left)) = read(bytes) {
        let header = &bytes[..bytes.len() - left];
        // What follows is not read, and what is missing is missed.
        assert_eq!(read(header).ok(), Some((source, 0)));
        assert!(read(&header[..header.len() - 1]).is_err());
        assert!(header.starts_with(b"PROXY ") || header.starts_with(b"\r\n\r\n\0\r\nQUIT\n"), "{header:?}");
        if let (Some(line), ConnectionSource::Client(address)) = (header.strip_prefix(b"PROXY TCP"), source) {
            let line = std::str::from_utf8(line).expect("an accepted line is text");
            let words: Vec<&str> = line.trim_end().split(' ').collect();
            assert_eq!(words[1].parse(), Ok(address.ip()), "{line}");
            assert_eq!(words[3].parse(), Ok(address.port()), "{line}");
        }
    }
    // A header that a proxy writes in front of what a client sends.
    let [a, b, c, d, e, f, ..] = *bytes else { return };
    let (ip, port) = (Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([e, f]));
    let v6 = ip.to_ipv6_mapped();
    let (source, header) = match form & 3 {
        0 => (IpAddr::V4(ip), format!("PROXY TCP4 {ip} 10.0.0.1 {port} 80\r\n").into_bytes()),
        1 => (IpAddr::V6(v6), format!("PROXY TCP6 {v6} ::1 {port} 80\r\n").into_bytes()),
        2 => {
            (IpAddr::V4(ip), binary(0x11, &[&ip.octets()[..], &[10, 0, 0, 1], &port.to_be_bytes(), &[0, 80]].concat()))
        }
        _ => (IpAddr::V6(v6), binary(0x21, &[&v6.octets()[..], &[0; 16], &port.to_be_bytes(), &[0, 80]].concat())),
    };
    let (found, left) = read(&[header.as_slice(), bytes].concat()).expect("the header is valid");
    assert_eq!((found, left), (ConnectionSource::Client(SocketAddr::new(source, port)), bytes.len()));
}

fn binary(family: u8, addresses: &[u8]) -> Vec<u8> {
    let length = u16::try_from(addresses.len()).expect("36 bytes at most").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[0x21, family], &length, addresses].concat()
}
