//! Requests that a web page causes without the consent of its reader: calls of a page of another site, and calls to a name
//! that is not the gateway's.
//!
//! A browser sends some requests to any site without asking the site first ("simple requests" of the Fetch standard, section
//! 3.3.5). The page cannot read the response, but the call is made. So such a request of a page of another origin is
//! refused.
//!
//! With DNS rebinding, a page of `evil.example` lets that name mean the address of the gateway. Its requests are then of
//! the same origin, but their `Host` is not a name of the gateway.

use std::net::{IpAddr, SocketAddr};

use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, header};

use super::public_url::PublicUrl;

/// The header in which a browser says whether a request is of the same origin.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a page of another origin has sent this request, which may change something, and its browser has not asked first.
pub(crate) fn is_without_preflight(head: &Parts, public_url: &PublicUrl, peer: Option<SocketAddr>) -> bool {
    // Before it sends another method that changes something, a browser asks.
    if head.method != Method::POST {
        return false;
    }
    let (origin, site) = (head.headers.get(header::ORIGIN), head.headers.get(FETCH_SITE));
    let is_foreign = match (origin, site.map(|site| site.as_bytes())) {
        (None, None) => return false,
        (_, Some(b"same-origin" | b"none")) => false,
        (_, Some(_)) => true,
        (Some(_), None) => is_of_other_origin(head, public_url, peer),
    };
    is_foreign && is_simple(&head.headers)
}

/// Whether a page of another origin has sent this request, as its browser says.
pub(crate) fn is_of_other_origin(head: &Parts, public_url: &PublicUrl, peer: Option<SocketAddr>) -> bool {
    let Some(origin) = head.headers.get(header::ORIGIN) else { return false };
    !origin.to_str().is_ok_and(|origin| is_own(origin, head, public_url, peer))
}

/// Whether an origin is that of the gateway, as the sender of a request knows it.
fn is_own(origin: &str, head: &Parts, public_url: &PublicUrl, peer: Option<SocketAddr>) -> bool {
    let base = public_url.base(head, peer);
    let authority = |url: &str| url.split("://").nth(1).map(|rest| rest.split('/').next().unwrap_or(rest).to_owned());
    let (origin, host) = (authority(origin), head.headers.get(header::HOST).and_then(|host| host.to_str().ok()));
    let same = |name: Option<&str>| match (&origin, name) {
        (Some(origin), Some(name)) => origin.eq_ignore_ascii_case(name),
        _ => false,
    };
    same(authority(&base).as_deref()) || same(host)
}

/// Whether a browser sends a body of this type without asking first. What is no media type counts as such.
fn is_simple(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return true };
    let Ok(text) = only.to_str() else { return true };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_media_type = essence.split_once('/').is_some_and(|(kind, subtype)| !kind.is_empty() && !subtype.is_empty());
    let simple = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"];
    !is_media_type || simple.contains(&essence.as_str())
}

/// Whether a request names the gateway by one of its names, or names none.
///
/// The names are those of `public.hosts` and the host of `public.base`. A client of this machine may also use `localhost`
/// and loopback addresses. Without `public.hosts`, it may also use names without a dot, such as that of a container: the
/// public DNS has none of them, so no page can be of such a name. Other clients may then use any name, because the gateway
/// cannot know them.
pub(crate) fn is_known_host(head: &Parts, public_url: &PublicUrl, peer: Option<SocketAddr>) -> bool {
    let is_local = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    if public_url.hosts.is_empty() && (!is_local || public_url.trusts(peer)) {
        return true;
    }
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let Some(authority) = authority.or_else(|| head.headers.get(header::HOST).map(|host| host.as_bytes())) else {
        return true;
    };
    let Some(name) = std::str::from_utf8(authority).ok().and_then(without_port) else { return false };
    let is_private = || public_url.hosts.is_empty() && !name.contains(['.', ':']);
    (is_local && (is_loopback_name(name) || is_private())) || public_url.has_host(name)
}

/// Whether a name always means the machine itself (RFC 6761, section 6.3).
fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_localhost = |name: &str| name.eq_ignore_ascii_case("localhost");
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    is_localhost(name)
        || name.rsplit_once('.').is_some_and(|(_, last)| is_localhost(last))
        || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The host of an authority, with the brackets of an IPv6 address; `None` if there is no such authority.
pub(crate) fn without_port(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']')? + 2;
            (authority.get(..end)?, authority.get(end..)?)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    (!host.is_empty() && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))).then_some(host)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(method: Method, headers: &[(&str, &str)]) -> Parts {
        let request = Request::builder().method(method).uri("/wheel");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn local() -> Option<SocketAddr> {
        Some(([127, 0, 0, 1], 5).into())
    }

    #[test]
    fn a_page_of_another_origin_calls_nothing_without_a_preflight() {
        let json = ("content-type", "application/json");
        let plain = ("content-type", "text/plain; charset=application/json");
        let (host, evil) = (("host", "localhost:8008"), ("origin", "https://evil.example"));
        for (headers, expected) in [
            (&[host][..], false),
            (&[host, evil], true),
            (&[host, evil, plain], true),
            (&[host, evil, ("content-type", "")], true),
            (&[host, evil, ("content-type", "json")], true),
            (&[host, evil, json, plain], true),
            (&[host, ("origin", "null")], true),
            (&[host, ("sec-fetch-site", "cross-site")], true),
            (&[host, ("sec-fetch-site", "same-site")], true),
            (&[host, ("sec-fetch-site", "same-origin"), ("origin", "http://localhost:8008")], false),
            (&[host, ("sec-fetch-site", "none")], false),
            (&[host, ("origin", "http://localhost:8008")], false),
            (&[host, ("origin", "http://LOCALHOST:8008")], false),
            (&[host, ("origin", "http://localhost:8009")], true),
            // The browser asks before it sends this.
            (&[host, evil, json], false),
        ] {
            let unasked = is_without_preflight(&head(Method::POST, headers), &PublicUrl::default(), local());
            assert_eq!(unasked, expected, "{headers:?}");
        }
        for method in [Method::GET, Method::DELETE] {
            assert!(!is_without_preflight(&head(method, &[host, evil]), &PublicUrl::default(), local()));
        }
        let behind = PublicUrl::at("https://casino.example/rpc").unwrap();
        let page = head(Method::POST, &[host, ("origin", "https://casino.example")]);
        assert!(!is_without_preflight(&page, &behind, local()));
        assert!(is_without_preflight(&page, &PublicUrl::default(), local()));
    }

    #[test]
    fn names_are_those_of_the_gateway() {
        let hosts = |names: &[&str]| PublicUrl {
            hosts: names.iter().map(|name| name.parse().unwrap()).collect(),
            ..PublicUrl::default()
        };
        let remote = Some(([192, 0, 2, 1], 5).into());
        let known = |host: &str, public_url: &PublicUrl, peer| {
            is_known_host(&head(Method::GET, &[("host", host)]), public_url, peer)
        };
        for name in [
            "localhost",
            "gateway:8008",
            "LocalHost:80",
            "a.localhost",
            "127.0.0.1",
            "127.1.2.3:80",
            "[::1]",
            "[::1]:8008",
        ] {
            assert!(known(name, &hosts(&[]), local()), "{name}");
        }
        for name in [
            "evil.example",
            "evil.example:80",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::1",
            "[::2]",
            "localhost:x",
            "",
        ] {
            assert!(!known(name, &hosts(&[]), local()), "{name}");
            assert!(known(name, &hosts(&[]), remote), "{name}");
            assert!(known(name, &hosts(&[]), None), "{name}");
        }
        let named = hosts(&["gateway.example", "*.casino.example"]);
        for (name, expected) in [
            ("gateway.example", true),
            ("GATEWAY.example:8008", true),
            ("gateway.example.", true),
            ("a.casino.example", true),
            ("casino.example", false),
            ("xgateway.example", false),
            ("gateway", false),
            ("gateway.example.evil.example", false),
        ] {
            for peer in [local(), remote, None] {
                assert_eq!(known(name, &named, peer), expected, "{name}");
            }
        }
        let base = PublicUrl::at("https://casino.example:444/rpc").unwrap();
        assert!(known("casino.example", &base, local()) && known("localhost", &base, local()));
        assert!(!known("casino.example.evil.example", &base, local()));
    }
}
