//! The URL of a server as a user types it: without its secrets, and with a name for its group.

use std::path::Path;

use percent_encoding::percent_decode_str;

use crate::upstream::discovery::{openapi, wsdl};
use crate::upstream::transport::{Address, InvalidAddress};

/// The paths that are tried if the URL has none.
const USUAL_PATHS: [&str; 2] = ["/RPC2", "/jsonrpc"];

/// The URL of a server, and the credentials for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct ServerLocation {
    /// The URL without user and password.
    pub(in crate::cli) url: String,
    /// The user for basic authentication.
    pub(in crate::cli) user: Option<String>,
    /// The password for it.
    pub(in crate::cli) password: Option<String>,
    /// The path of the WSDL or OpenAPI document with its query, if the URL is that of one.
    pub(in crate::cli) document: Option<String>,
}

impl ServerLocation {
    /// Parses a URL. The query `?wsdl` is dropped from it: it belongs to the document, not to the service.
    pub(in crate::cli) fn parse(url: &str) -> Result<ServerLocation, InvalidAddress> {
        // Its errors do not repeat a password.
        let address: Address = url.parse()?;
        let is_document = wsdl::is_document(address.path()) || openapi::is_document(address.path());
        let document = is_document.then(|| address.path().to_owned());
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let cut = url.len().saturating_sub("?wsdl".len());
        let url = match url.get(cut..) {
            Some(query) if query.eq_ignore_ascii_case("?wsdl") => url.get(..cut).unwrap_or(url),
            _ => url,
        };
        let plain = ServerLocation { url: url.to_owned(), user: None, password: None, document };
        let Some((scheme, rest)) = url.split_once("://") else { return Ok(plain) };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let Some((secret, host)) = authority.rsplit_once('@') else { return Ok(plain) };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (user, password) = match secret.split_once(':') {
            Some((user, password)) => (user, Some(decoded(password))),
            None => (secret, None),
        };
        Ok(ServerLocation { url: format!("{scheme}://{host}{path}"), user: Some(decoded(user)), password, ..plain })
    }

    /// The address, with user and password.
    pub(in crate::cli) fn address(&self) -> Result<Address, InvalidAddress> {
        let address: Address = self.url.parse()?;
        match &self.user {
            Some(user) => address.with_basic(user, self.password.as_deref().unwrap_or_default()),
            None => Ok(address),
        }
    }

    /// This location and, if it has no path, the same server with the usual paths.
    pub(in crate::cli) fn and_usual(&self) -> Vec<ServerLocation> {
        let has_path =
            self.document.is_some() || self.url.parse::<Address>().is_ok_and(|address| address.path() != "/");
        let others = USUAL_PATHS.iter().filter(|_| !has_path).filter_map(|path| self.at(path));
        [self.clone()].into_iter().chain(others).collect()
    }

    /// The same server with another path; `None` if that is not a valid URL.
    pub(super) fn at(&self, path: &str) -> Option<ServerLocation> {
        let own = self.url.parse::<Address>().ok()?;
        let bare = self.url.strip_suffix(own.path()).unwrap_or(&self.url);
        let between = if self.url.contains("://") || bare.ends_with(':') { "" } else { ":" };
        let url = format!("{bare}{between}{path}");
        url.parse::<Address>().is_ok().then(|| ServerLocation { url, ..self.clone() })
    }

    /// Whether a URL has the same server; also if it lacks the TLS of this one.
    pub(super) fn is_server_of(&self, url: &str) -> bool {
        let (Ok(own), Ok(other)) = (self.url.parse::<Address>(), url.parse::<Address>()) else { return false };
        own.is_same_server(&other) || own.is_insecure_form(&other)
    }

    /// The same server over SCGI; `None` if it is already, or if the URL has no form for SCGI.
    pub(super) fn over_scgi(&self) -> Option<ServerLocation> {
        let (scheme, rest) = self.url.split_once(':')?;
        let url = ["http", "unix"].contains(&scheme).then(|| format!("scgi:{rest}"))?;
        url.parse::<Address>().is_ok().then(|| ServerLocation { url, ..self.clone() })
    }

    /// A name for the server: that of its socket, or of its host unless that is an IP address or `localhost`.
    pub(super) fn name(&self) -> Option<String> {
        let rest = self.url.split_once(':').map_or("", |(_, rest)| rest);
        let name = match rest.strip_prefix("//") {
            None => {
                let socket = rest.split_once(":/").map_or(rest, |(socket, _)| socket);
                Path::new(socket).file_stem().map(|stem| stem.to_string_lossy().into_owned())?
            }
            Some(rest) => {
                let host = rest.split(['/', '?']).next().unwrap_or_default();
                let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
                let label = host.split('.').find(|label| *label != "www").unwrap_or_default();
                let named = host.chars().any(|c| c.is_ascii_alphabetic()) && !host.starts_with('[');
                (named && label != "localhost").then(|| label.to_owned())?
            }
        };
        let name = segment(&name);
        (!name.is_empty()).then_some(name)
    }
}

/// A text as a segment of a group's path: other characters become `-`.
pub(super) fn segment(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    text.chars().map(kept).collect::<String>().trim_matches(['-', '.']).to_owned()
}

/// The name of an environment variable for a group: `SUPERVISOR_PASSWORD` for `/supervisor`.
pub(super) fn variable(path: &str, what: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = path.trim_matches('/').chars().map(kept).collect();
    match name.chars().next() {
        Some(first) if !first.is_ascii_digit() => format!("{name}_{what}"),
        _ => format!("UPSTREAM_{what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_taken_out() {
        let location = ServerLocation::parse("http://ann:p%40ss@wheel:9001/RPC2").unwrap();
        assert_eq!(location.url, "http://wheel:9001/RPC2");
        assert_eq!((location.user.as_deref(), location.password.as_deref()), (Some("ann"), Some("p@ss")));
        assert!(location.address().is_ok());
        assert_eq!(ServerLocation::parse("https://ann@wheel/a@b").unwrap().password, None);
        assert_eq!(ServerLocation::parse("http://wheel/a@b").unwrap().user, None);
        let document = ServerLocation::parse("http://ann:secret@wheel/service?WSDL").unwrap();
        assert_eq!(
            (document.url.as_str(), document.document.as_deref()),
            ("http://wheel/service", Some("/service?WSDL"))
        );
        let document = ServerLocation::parse("http://wheel/a.svc?singleWsdl").unwrap();
        assert_eq!(document.document.as_deref(), Some("/a.svc?singleWsdl"));
        assert!(document.is_server_of("http://wheel:80/other") && !document.is_server_of("https://wheel/other"));
        let secure = ServerLocation::parse("https://wheel/a.wsdl").unwrap();
        assert!(secure.is_server_of("http://wheel/other") && !secure.is_server_of("http://wheel:8080/other"));
        assert!(!ServerLocation::parse("ftp://ann:secret@wheel").unwrap_err().to_string().contains("secret"));
    }

    #[test]
    fn a_server_without_a_path_is_looked_for_at_the_usual_ones() {
        let urls = |url: &str| -> Vec<String> {
            ServerLocation::parse(url).unwrap().and_usual().into_iter().map(|location| location.url).collect()
        };
        assert_eq!(urls("http://wheel/"), ["http://wheel/", "http://wheel/RPC2", "http://wheel/jsonrpc"]);
        assert_eq!(urls("unix:/a.sock"), ["unix:/a.sock", "unix:/a.sock:/RPC2", "unix:/a.sock:/jsonrpc"]);
        assert_eq!(urls("unix:/a.sock:/"), ["unix:/a.sock:/", "unix:/a.sock:/RPC2", "unix:/a.sock:/jsonrpc"]);
        assert_eq!(urls("unix:/a.sock:/x"), ["unix:/a.sock:/x"]);
        let other = |url: &str| ServerLocation::parse(url).unwrap().at("/b?c").unwrap().url;
        assert_eq!(other("http://wheel/a.wsdl"), "http://wheel/b?c");
        assert_eq!(other("unix:/a.sock:/a.wsdl"), "unix:/a.sock:/b?c");
    }

    #[test]
    fn scgi_is_tried_where_it_can_be_meant() {
        let scgi = |url: &str| ServerLocation::parse(url).unwrap().over_scgi().map(|location| location.url);
        assert_eq!(scgi("http://wheel:5000/RPC2").as_deref(), Some("scgi://wheel:5000/RPC2"));
        assert_eq!(scgi("unix:/a.sock:/RPC2").as_deref(), Some("scgi:/a.sock:/RPC2"));
        assert_eq!((scgi("https://wheel"), scgi("http://wheel"), scgi("scgi://wheel:1")), (None, None, None));
    }

    #[test]
    fn names_are_the_sockets_or_the_hosts() {
        for (url, name) in [
            ("unix:/run/supervisor.sock:/RPC2", Some("supervisor")),
            ("scgi:/run/r torrent", Some("r-torrent")),
            ("https://www.wheel.example/a", Some("wheel")),
            ("http://torrents:80", Some("torrents")),
            ("http://127.0.0.1:6800/jsonrpc", None),
            ("http://[::1]:80/", None),
            ("http://localhost:80/", None),
        ] {
            assert_eq!(ServerLocation::parse(url).unwrap().name().as_deref(), name, "{url}");
        }
    }

    #[test]
    fn variables_are_named_after_the_path() {
        assert_eq!(variable("/a/b-c", "TOKEN"), "A_B_C_TOKEN");
        assert_eq!(variable("/1", "TOKEN"), "UPSTREAM_TOKEN");
        assert_eq!(variable("/", "TOKEN"), "UPSTREAM_TOKEN");
    }
}
