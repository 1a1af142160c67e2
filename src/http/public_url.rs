//! The address under which clients know this server, for the documents that it writes about itself.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderName, Uri, header};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use crate::http::timeout_header::{InvalidTimeout, TimeoutHeader};
use crate::model::network::Network;
use crate::model::text_form::text_form;

/// The `format` of [`BaseUrl`] in a JSON Schema.
pub const BASE_URL: &str = "base-url";
/// The `format` of [`HostPattern`] in a JSON Schema.
pub const HOST: &str = "host-name";

/// The address under which clients know this server. It is written into WSDL, OpenAPI and OpenRPC documents and into pages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PublicUrl {
    /// The part of the address before each group's path, such as `"https://casino.example"`. Without it, the address is
    /// that of each request: its `Host`, or the `X-Forwarded-*` headers of a trusted proxy.
    #[serde(deserialize_with = "base_url")]
    #[schemars(with = "Option<BaseUrl>")]
    pub base: Option<String>,
    /// The proxies whose `X-Forwarded-Proto`, `X-Forwarded-Host`, `X-Forwarded-Prefix` and `X-Request-Id` headers are
    /// used, as addresses or ranges such as `"10.0.0.0/8"`. These headers of all other clients are ignored.
    pub trusted_proxies: Vec<Network>,
    /// The header in which trusted proxies say which client a request comes from. Their proxies must set it or append to it,
    /// and the other header is ignored: a proxy passes on what a client writes into a header that it does not know.
    pub client_header: ClientHeader,
    /// Whether every client that connects through a unix socket is a trusted proxy.
    pub trust_unix_sockets: bool,
    /// The allowed values of `Host`, such as `"casino.example"`, or `"*.casino.example"` for all subdomains; the host of
    /// `base` is allowed too. A request with another name gets status 421. Without it, clients of this
    /// machine may use only loopback names and names without a dot, which protects against DNS rebinding, and others may use
    /// any name.
    pub hosts: Vec<HostPattern>,
    /// The headers in which clients may say how much time a request has, as seconds (`1.5`), in milliseconds if the name ends
    /// with `-ms`, or as gRPC writes it for `grpc-timeout`. The calls of the request end by then, or by the `limits.deadline` of
    /// the group if that is earlier. A value that is no time is refused with status 400. Without a header in this list, no time of
    /// a client is read.
    pub timeout_headers: Vec<TimeoutHeader>,
}

impl Default for PublicUrl {
    fn default() -> Self {
        PublicUrl {
            base: None,
            trusted_proxies: Vec::new(),
            client_header: ClientHeader::default(),
            trust_unix_sockets: false,
            hosts: Vec::new(),
            timeout_headers: "x-request-timeout".parse().into_iter().collect(),
        }
    }
}

/// An extension of the head of a request that has come over TLS, to this server itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverTls;

/// The name of a host, or `*.` and a name for all names below it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern(String);

/// A header that says which client a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// An address with scheme and host: `"https://casino.example"` or `"https://example.org/rpc"`. It has no slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

/// The text is not a valid [`BaseUrl`] or [`HostPattern`]. The message says how one is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PublicUrlError(&'static str);

impl PublicUrl {
    /// An address that does not depend on the request. It has the path below which the groups are mounted, if another HTTP
    /// server or a proxy removes that path before the gateway sees it.
    ///
    /// ```
    /// use croupier::PublicUrl;
    ///
    /// let public_url = PublicUrl::at("https://example.org/rpc/")?;
    /// assert_eq!(public_url.base.as_deref(), Some("https://example.org/rpc"));
    /// assert!(PublicUrl::at("example.org/rpc").is_err());
    /// # Ok::<(), croupier::PublicUrlError>(())
    /// ```
    ///
    /// # Errors
    /// If the text is not a `http` or `https` URL with a host, or has a user, a query or a fragment.
    pub fn at(url: &str) -> Result<PublicUrl, PublicUrlError> {
        let BaseUrl(base) = url.parse()?;
        Ok(PublicUrl { base: Some(base), ..PublicUrl::default() })
    }

    /// The public address for the sender of a request, without a slash at its end.
    ///
    /// It is [`base`](PublicUrl::base) if that is set. Otherwise it consists of `X-Forwarded-Proto`, `-Host` and `-Prefix`
    /// if a trusted proxy sends them, and of the `Host` of the request if not. A request with [`OverTls`] has come over
    /// `https`.
    pub fn base(&self, head: &Parts, peer: Option<SocketAddr>) -> String {
        if let Some(base) = &self.base {
            return base.clone();
        }
        let trusted = self.trusts(peer);
        let forwarded = |name: &str| if trusted { last(&head.headers, name) } else { None };
        let host = forwarded("x-forwarded-host").filter(|host| is_host(host));
        let own = || head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // A target in absolute form counts before the header (RFC 9112, section 3.2.2).
        let authority = || head.uri.authority().map(http::uri::Authority::as_str);
        let host = host.or_else(authority).or_else(own).filter(|host| is_host(host)).unwrap_or("localhost");
        let scheme = forwarded("x-forwarded-proto").filter(|scheme| matches!(*scheme, "http" | "https"));
        let prefix = forwarded("x-forwarded-prefix").filter(|prefix| is_prefix(prefix)).unwrap_or_default();
        let own = || if head.extensions.get::<OverTls>().is_some() { "https" } else { "http" };
        [scheme.unwrap_or_else(own), "://", host, prefix.trim_end_matches('/')].concat()
    }

    /// Whether a trusted proxy has received a request over https.
    #[cfg(feature = "server")]
    pub(crate) fn is_forwarded_https(&self, head: &Parts, peer: Option<SocketAddr>) -> bool {
        self.trusts(peer) && last(&head.headers, "x-forwarded-proto") == Some("https")
    }

    /// The client that a trusted proxy has received a request from: the last address in the header for it that is not a
    /// trusted proxy itself. `None` if there is none.
    #[doc(hidden)]
    pub fn forwarded_client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let (name, address): (_, fn(&str) -> Option<IpAddr>) = match self.client_header {
            ClientHeader::XForwardedFor => (X_FORWARDED_FOR, forwarded_address),
            ClientHeader::Forwarded => (header::FORWARDED, forwarded_for),
        };
        // A client may write bytes that are no text, and a proxy append to them: then only that part is no address.
        let elements = headers.get_all(name).iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let addresses = elements.map(|element| std::str::from_utf8(element).ok().and_then(address));
        // The first element that is not an address ends the search: what is before it may be made up.
        let mut addresses = addresses.map_while(|address| address.map(|address| address.to_canonical()));
        addresses.find(|address| !self.trusts(Some(SocketAddr::new(*address, 0))))
    }

    /// Whether a name is one of the configured names of this server. Upper and lower case are the same, and so is a dot at
    /// the end.
    pub(crate) fn has_host(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        let base = self.base.as_ref().and_then(|base| base.parse::<Uri>().ok());
        let is_base = base.as_ref().and_then(Uri::host).is_some_and(|host| host.eq_ignore_ascii_case(name));
        is_base || self.hosts.iter().any(|host| host.matches(name))
    }

    /// How much time the client gives a request; `None` if it does not say.
    ///
    /// # Errors
    /// If a header with a time has something else.
    pub(crate) fn stated_time(&self, headers: &HeaderMap) -> Result<Option<Duration>, InvalidTimeout> {
        let mut shortest: Option<Duration> = None;
        for header in &self.timeout_headers {
            shortest = [shortest, header.read(headers)?].into_iter().flatten().min();
        }
        Ok(shortest)
    }

    /// Whether the sender of a request is a trusted proxy. `peer` is `None` for a unix socket.
    pub fn trusts(&self, peer: Option<SocketAddr>) -> bool {
        match peer {
            Some(peer) => {
                // An IPv4 client of a socket that listens on `::` has an IPv4-mapped address.
                let address = peer.ip().to_canonical();
                self.trusted_proxies.iter().any(|network| network.contains(address))
            }
            None => self.trust_unix_sockets,
        }
    }
}

impl HostPattern {
    fn matches(&self, name: &str) -> bool {
        match self.0.strip_prefix('*') {
            Some(below) => {
                let at = name.len().checked_sub(below.len()).filter(|at| *at > 0);
                at.and_then(|at| name.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(below))
            }
            None => self.0.eq_ignore_ascii_case(name),
        }
    }
}

impl FromStr for HostPattern {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<HostPattern, PublicUrlError> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let is_address = name.starts_with('[') && name.ends_with(']') || !name.contains(':');
        if is_address && is_host(name) && !name.ends_with('.') {
            Ok(HostPattern(text.to_owned()))
        } else {
            Err(PublicUrlError("a name without a port, such as \"casino.example\", or \"*.casino.example\""))
        }
    }
}

text_form!(HostPattern, PublicUrlError, HOST);

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BaseUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<BaseUrl, PublicUrlError> {
        let error = PublicUrlError("an address such as \"https://casino.example\" or \"https://example.org/rpc\"");
        let uri: Uri = text.parse().map_err(|_| error.clone())?;
        let web = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.authority().is_some_and(|host| !host.host().is_empty() && !host.as_str().contains('@'));
        if !web || !host || uri.query().is_some() || text.contains('#') {
            return Err(error);
        }
        Ok(BaseUrl(text.trim_end_matches('/').to_owned()))
    }
}

fn base_url<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    let url = text.map(|text| text.parse().map(|BaseUrl(url)| url)).transpose();
    url.map_err(serde::de::Error::custom)
}

impl JsonSchema for BaseUrl {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "BaseUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": BASE_URL })
    }
}

/// The last value of a header to which every proxy appends: that of the nearest proxy. What is before it may be no text.
fn last<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = headers.get_all(name).iter().next_back()?.as_bytes().rsplit(|byte| *byte == b',').next()?;
    std::str::from_utf8(value).ok().map(str::trim).filter(|value| !value.is_empty())
}

/// The header with the clients and proxies that a request has passed.
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of `for` in an element of `Forwarded` (RFC 7239, section 4). `None` for an element without an address, and for
/// one that a comma within quotes has cut in two: no address has a comma.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let node = node.trim();
    let node = match node.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?,
        None => node,
    };
    forwarded_address(node)
}

/// An address in `X-Forwarded-For`, which some proxies write with a port.
fn forwarded_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bracketed.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
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
    use http::{HeaderValue, Request};

    use super::*;

    fn base(public_url: &PublicUrl, peer: Option<&str>, headers: &[(&str, &str)]) -> String {
        let request = headers.iter().fold(Request::get("/"), |request, (name, value)| request.header(*name, *value));
        public_url.base(&request.body(()).unwrap().into_parts().0, peer.map(|peer| peer.parse().unwrap()))
    }

    #[test]
    fn the_client_behind_proxies_is_the_last_address_that_is_not_trusted() {
        let public_url = PublicUrl { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..PublicUrl::default() };
        let client = |lines: &[&str]| {
            let lines = lines.iter().map(|line| (HeaderName::from_static("x-forwarded-for"), line.parse().unwrap()));
            let headers: HeaderMap = lines.collect();
            public_url.forwarded_client(&headers).map(|address| address.to_string())
        };
        for (lines, expected) in [
            (&["192.0.2.1"][..], Some("192.0.2.1")),
            (&["198.51.100.7, 192.0.2.1, 10.1.1.1"], Some("192.0.2.1")),
            (&["198.51.100.7", "192.0.2.1:4711"], Some("192.0.2.1")),
            (&["[2001:db8::1]:80, 10.1.1.1"], Some("2001:db8::1")),
            (&["192.0.2.1, unknown, 10.1.1.1"], None),
            (&["10.1.1.1"], None),
            (&[], None),
        ] {
            assert_eq!(client(lines).as_deref(), expected, "{lines:?}");
        }
    }

    /// Otherwise a client could make its requests those of the proxy, from whose address more may be allowed.
    #[test]
    fn a_client_cannot_hide_what_a_proxy_appends_to_its_own_words() {
        for client_header in [ClientHeader::XForwardedFor, ClientHeader::Forwarded] {
            let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
            let public_url = PublicUrl { trusted_proxies, client_header, ..PublicUrl::default() };
            let (name, prefix) = match client_header {
                ClientHeader::XForwardedFor => ("x-forwarded-for", ""),
                ClientHeader::Forwarded => ("forwarded", "for="),
            };
            for own in [&b"\xff"[..], b"\xc3\xa9", b"\"", b"\t", b",", b"10.0.0.1;\xff=", b"for=\"\xff"] {
                let line = [own, format!(", {prefix}192.0.2.1, {prefix}10.1.1.1").as_bytes()].concat();
                let headers = [(HeaderName::from_static(name), HeaderValue::from_bytes(&line).unwrap())];
                let client = public_url.forwarded_client(&headers.into_iter().collect());
                assert_eq!(client, "192.0.2.1".parse().ok(), "{line:?}");
            }
        }
        // The address of IPv4 is one and the same in both of its forms.
        let headers = [(X_FORWARDED_FOR, HeaderValue::from_static("::ffff:192.0.2.1"))];
        let client = PublicUrl::default().forwarded_client(&headers.into_iter().collect());
        assert_eq!(client, "192.0.2.1".parse().ok());
        let headers =
            [(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_bytes(b"\xff, https").unwrap())];
        assert_eq!(last(&headers.into_iter().collect(), "x-forwarded-proto"), Some("https"));
    }

    #[test]
    fn only_the_configured_header_names_the_client() {
        let own = |client_header| {
            let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
            PublicUrl { trusted_proxies, client_header, ..PublicUrl::default() }
        };
        let client = |client_header, lines: &[(&'static str, &str)]| {
            let lines = lines.iter().map(|(name, line)| (HeaderName::from_static(name), line.parse().unwrap()));
            let headers: HeaderMap = lines.collect();
            own(client_header).forwarded_client(&headers).map(|address| address.to_string())
        };
        for (line, expected) in [
            ("for=192.0.2.1", Some("192.0.2.1")),
            ("For=\"[2001:db8::1]:4711\";proto=https, for=10.1.1.1;by=10.2.2.2", Some("2001:db8::1")),
            ("proto=https;for=\"192.0.2.1:80\"", Some("192.0.2.1")),
            ("for=198.51.100.7, for=192.0.2.1", Some("192.0.2.1")),
            ("for=192.0.2.1, for=unknown", None),
            ("for=192.0.2.1, for=_hidden, for=10.1.1.1", None),
            // The quotes of a client do not hide what the proxy has appended.
            ("for=\"198.51.100.7, for=192.0.2.1", Some("192.0.2.1")),
            ("for=\"192.0.2.1", None),
            ("192.0.2.1", None),
            ("", None),
        ] {
            assert_eq!(client(ClientHeader::Forwarded, &[("forwarded", line)]).as_deref(), expected, "{line}");
            assert_eq!(client(ClientHeader::XForwardedFor, &[("forwarded", line)]), None);
        }
        let both = [("forwarded", "for=192.0.2.1"), ("x-forwarded-for", "192.0.2.2")];
        assert_eq!(client(ClientHeader::Forwarded, &both).as_deref(), Some("192.0.2.1"));
        assert_eq!(client(ClientHeader::XForwardedFor, &both).as_deref(), Some("192.0.2.2"));
    }

    const FORWARDED: [(&str, &str); 4] = [
        ("host", "inside:8008"),
        ("x-forwarded-host", "evil.example, casino.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-prefix", "/rpc/"),
    ];

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let public_url = PublicUrl { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..PublicUrl::default() };
        assert_eq!(base(&public_url, Some("10.1.2.3:5"), &FORWARDED), "https://casino.example/rpc");
        assert_eq!(base(&public_url, Some("11.1.2.3:5"), &FORWARDED), "http://inside:8008");
        assert_eq!(base(&public_url, Some("[::ffff:10.1.2.3]:5"), &FORWARDED), "https://casino.example/rpc");
        assert_eq!(base(&public_url, None, &FORWARDED), "http://inside:8008");
        let unix = PublicUrl { trust_unix_sockets: true, ..PublicUrl::default() };
        assert_eq!(base(&unix, None, &FORWARDED), "https://casino.example/rpc");
    }

    #[test]
    fn a_configured_address_takes_precedence_and_markup_is_refused() {
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
            let public_url = PublicUrl { trusted_proxies: vec![network.parse().unwrap()], ..PublicUrl::default() };
            let trusts = |address: &str| public_url.trusts(Some(SocketAddr::new(address.parse().unwrap(), 5)));
            assert!(trusts(inside), "{network} {inside}");
            assert!(!trusts(outside), "{network} {outside}");
        }
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "a"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn public_addresses_have_a_scheme_and_a_host_and_no_query() {
        for (text, read) in [
            ("https://casino.example", Some("https://casino.example")),
            ("http://[::1]:8008/rpc/", Some("http://[::1]:8008/rpc")),
            ("casino.example", None),
            ("ftp://casino.example", None),
            ("https://user@casino.example", None),
            ("https://casino.example/?a=b", None),
            ("https://casino.example/#a", None),
            ("/rpc", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<BaseUrl>().ok().map(|base| base.0).as_deref(), read, "{text}");
        }
    }
}
