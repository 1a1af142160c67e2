//! The public address of the server, for the URLs in documents such as WSDL and OpenAPI.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::request::Parts;
use http::{HeaderMap, header};

/// How the public address of the server is determined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicUrl {
    /// The configured address, if there is one: scheme, host and the prefix of all paths, without a slash at its end.
    pub base: Option<String>,
    /// The proxies whose `X-Forwarded-*` headers are trusted.
    pub proxies: Vec<Network>,
    /// Whether clients of a unix socket are trusted as such proxies.
    pub unix: bool,
}

/// A range of IP addresses: those with the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl PublicUrl {
    /// The public address for the sender of a request, without a slash at its end.
    ///
    /// It is [`base`](PublicUrl::base) if that is set. Otherwise it consists of `X-Forwarded-Proto`, `-Host` and `-Prefix`
    /// if a trusted proxy sends them, and of the `Host` of the request if not.
    pub fn base(&self, head: &Parts, peer: Option<SocketAddr>) -> String {
        if let Some(base) = &self.base {
            return base.clone();
        }
        let trusted = self.trusts(peer);
        let forwarded = |name: &str| last(&head.headers, name).filter(|_| trusted);
        let host = forwarded("x-forwarded-host").filter(|host| is_host(host));
        let own = || head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let authority = || head.uri.authority().map(http::uri::Authority::as_str);
        let host = host.or_else(own).or_else(authority).filter(|host| is_host(host)).unwrap_or("localhost");
        let scheme = forwarded("x-forwarded-proto").filter(|scheme| matches!(*scheme, "http" | "https"));
        let prefix = forwarded("x-forwarded-prefix").filter(|prefix| is_prefix(prefix)).unwrap_or_default();
        format!("{}://{host}{}", scheme.unwrap_or("http"), prefix.trim_end_matches('/'))
    }

    fn trusts(&self, peer: Option<SocketAddr>) -> bool {
        match peer {
            Some(peer) => self.proxies.iter().any(|network| network.holds(peer.ip())),
            None => self.unix,
        }
    }
}

impl Network {
    /// Whether an address is in this range.
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same(own.to_bits().into(), other.to_bits().into(), 32, self.bits),
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128, self.bits),
            _ => false,
        }
    }
}

/// Whether two addresses of this width have the same first bits.
fn same(own: u128, other: u128, width: u32, bits: u8) -> bool {
    let differing = own ^ other;
    differing.checked_shr(width.saturating_sub(bits.into())).unwrap_or_default() == 0
}

/// The text is neither an IP address nor a range of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotANetwork;

impl FromStr for Network {
    type Err = NotANetwork;

    /// Reads `10.0.0.7`, `10.0.0.0/8`, `::1` or `fd00::/8`.
    fn from_str(text: &str) -> Result<Network, NotANetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| NotANetwork)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        if bits > width { Err(NotANetwork) } else { Ok(Network { address, bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an address such as 10.0.0.7 or ::1, nor a range such as 10.0.0.0/8")
    }
}

impl std::error::Error for NotANetwork {}

/// The last value of a header to which every proxy appends: that of the nearest proxy.
fn last<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim).filter(|value| !value.is_empty())
}

/// A host with or without a port, and nothing that would be mark-up in a document.
fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte))
}

fn is_prefix(prefix: &str) -> bool {
    prefix.starts_with('/')
        && !prefix.starts_with("//")
        && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn base(public_url: &PublicUrl, peer: Option<&str>, headers: &[(&str, &str)]) -> String {
        let request = headers.iter().fold(Request::get("/"), |request, (name, value)| request.header(*name, *value));
        public_url.base(&request.body(()).unwrap().into_parts().0, peer.map(|peer| peer.parse().unwrap()))
    }

    const FORWARDED: [(&str, &str); 4] = [
        ("host", "inside:8008"),
        ("x-forwarded-host", "evil.example, casino.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-prefix", "/rpc/"),
    ];

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let public_url = PublicUrl { proxies: vec!["10.0.0.0/8".parse().unwrap()], ..PublicUrl::default() };
        assert_eq!(base(&public_url, Some("10.1.2.3:5"), &FORWARDED), "https://casino.example/rpc");
        assert_eq!(base(&public_url, Some("11.1.2.3:5"), &FORWARDED), "http://inside:8008");
        assert_eq!(base(&public_url, Some("[::ffff:10.1.2.3]:5"), &FORWARDED), "https://casino.example/rpc");
        assert_eq!(base(&public_url, None, &FORWARDED), "http://inside:8008");
        let unix = PublicUrl { unix: true, ..PublicUrl::default() };
        assert_eq!(base(&unix, None, &FORWARDED), "https://casino.example/rpc");
    }

    #[test]
    fn a_configured_address_wins_and_markup_never_gets_through() {
        let public_url = PublicUrl { base: Some("https://casino.example".into()), ..PublicUrl::default() };
        assert_eq!(base(&public_url, None, &FORWARDED), "https://casino.example");
        assert_eq!(base(&PublicUrl::default(), None, &[("host", "a\"><b")]), "http://localhost");
    }

    #[test]
    fn networks_are_read_and_hold_what_they_should() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.168.7.4", "192.168.7.4", "192.168.7.5"),
            ("0.0.0.0/0", "1.2.3.4", "::1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::1", "::1", "::2"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.holds(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.holds(outside.parse().unwrap()), "{network} {outside}");
        }
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "a"] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
        }
    }
}
