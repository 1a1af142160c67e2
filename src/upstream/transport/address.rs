//! The address of an upstream server, parsed from a URL.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
#[cfg(feature = "server")]
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Uri, header};
use percent_encoding::percent_decode_str;
use url::{Position, Url};

#[cfg(feature = "server")]
use super::program::Program;
use crate::model::text::abridge;
use crate::protocol::client_codec::BelowServer;

/// The address of an upstream server, with the credentials for it.
///
/// These forms are accepted: `http://host:port/path`, `https://…`, `unix:/path/of.sock:/path` for HTTP over a unix socket,
/// `scgi://host:port/path` and `scgi:/path/of.sock:/path` for SCGI, and `srv+http://_service._tcp.name/path` or `srv+https://…` for
/// the hosts in the SRV records of a name. `user:password@` before a host is sent as basic authentication.
///
/// ```
/// use croupier::upstream::transport::Address;
/// let address: Address = "unix:/run/supervisor.sock:/RPC2".parse()?;
/// assert_eq!(address.to_string(), "unix:/run/supervisor.sock");
/// # Ok::<(), croupier::upstream::transport::InvalidAddress>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    endpoint: Endpoint,
    secure: bool,
    scgi: bool,
    /// Whether this is one of the servers behind a name or a service, which messages call by its own name.
    is_member: bool,
    /// The path and query of requests, in origin form; the server's name is in the `Host` header (RFC 9112, section 3.2.1).
    path: Uri,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
}

/// A query that is appended to the path of the server, as an extension of a request.
#[derive(Debug, Clone)]
pub(crate) struct AppendedQuery(pub(crate) String);

/// Says that the path of a request is its own even if it is `/`, as an extension of the request.
#[derive(Clone)]
struct OwnPath;

/// What a request had before it was prepared for a server, as an extension of the request: each server has a path and
/// credentials of its own.
#[derive(Clone)]
struct Unprepared {
    uri: Uri,
    authorization: Option<HeaderValue>,
    query: Option<AppendedQuery>,
    below: Option<BelowServer>,
    own_path: Option<OwnPath>,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// A TCP port. An IPv6 address is without brackets.
    Tcp { host: String, port: u16 },
    /// The hosts and ports in the SRV records of a name (RFC 2782).
    Service { name: String },
    /// A unix socket.
    Unix(PathBuf),
    /// The standard input and output of a program.
    #[cfg(feature = "server")]
    Program(Arc<Program>),
}

/// A text is not a valid address. The message does not repeat a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidAddress(String);

impl Address {
    /// A program that serves MCP over its standard input and output, which the first message starts.
    #[cfg(feature = "server")]
    pub fn program(program: Program) -> Address {
        let endpoint = Endpoint::Program(Arc::new(program));
        let (path, host) = (Uri::from_static("/"), HeaderValue::from_static("localhost"));
        Address { endpoint, secure: false, scgi: false, is_member: false, path, host, authorization: None }
    }

    /// Whether this is a program.
    #[cfg(feature = "server")]
    pub(crate) fn is_program(&self) -> bool {
        matches!(self.endpoint, Endpoint::Program(_))
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether the connection uses TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether the server is reached over SCGI instead of HTTP.
    pub fn is_scgi(&self) -> bool {
        self.scgi
    }

    /// The address of one of the servers behind a name or a service. Requests to it have the same `Host` and the same path.
    pub(super) fn member(&self, host: String, port: u16) -> Address {
        Address { endpoint: Endpoint::Tcp { host, port }, is_member: true, ..self.clone() }
    }

    /// The name for which a certificate must be valid: the one in the URL, whatever DNS says of it (RFC 9525, section 6.1).
    pub(super) fn name_in_url(&self) -> &str {
        let host = self.host.to_str().unwrap_or_default();
        match &self.endpoint {
            Endpoint::Tcp { host, .. } if !self.is_member => host,
            _ => host.rsplit_once(':').map_or(host, |(name, _)| name),
        }
    }

    /// Whether its servers are the hosts in SRV records.
    #[cfg(feature = "config")]
    pub(crate) fn is_service(&self) -> bool {
        matches!(self.endpoint, Endpoint::Service { .. })
    }

    /// Whether both are addresses of the same server, over the same protocol.
    pub(crate) fn is_same_server(&self, other: &Address) -> bool {
        let is_same = match (&self.endpoint, &other.endpoint) {
            #[cfg(feature = "server")]
            (Endpoint::Program(own), Endpoint::Program(other)) => own.is_same_server(other),
            (own, other) => own == other,
        };
        is_same && (self.secure, self.scgi) == (other.secure, other.scgi)
    }

    /// Whether the other is the address of the same host without TLS, at the usual ports. Servers behind a proxy for TLS state
    /// such addresses of themselves.
    #[cfg(feature = "cli")]
    pub(crate) fn is_insecure_form(&self, other: &Address) -> bool {
        match (&self.endpoint, &other.endpoint) {
            (Endpoint::Tcp { host, port: 443 }, Endpoint::Tcp { host: other_host, port: 80 }) => {
                self.secure && !other.secure && host == other_host
            }
            _ => false,
        }
    }

    /// Whether it has a user for basic authentication.
    #[cfg(feature = "server")]
    pub(super) fn has_user(&self) -> bool {
        self.authorization.is_some()
    }

    /// The URL of a server of HTTP, with its path and query and without user and password. A unix socket has the name `localhost`.
    #[cfg(feature = "server")]
    pub(super) fn url(&self) -> Option<String> {
        let scheme = if self.secure { "https" } else { "http" };
        let host = self.host.to_str().ok().filter(|_| !self.scgi && !self.is_program())?;
        Some(format!("{scheme}://{host}{}", self.path()))
    }

    /// The path of requests, with its query.
    pub fn path(&self) -> &str {
        self.path.path_and_query().map_or("/", |path| path.as_str())
    }

    /// The same server with another path, which begins with a slash.
    ///
    /// # Errors
    /// If `path` is not a valid path.
    pub fn with_path(&self, path: &str) -> Result<Address, InvalidAddress> {
        let path = PathAndQuery::from_str(path).map_err(|error| invalid(format!("the path is malformed: {error}")))?;
        Ok(Address { path: path.into(), ..self.clone() })
    }

    /// The same server, with this user and password for basic authentication.
    ///
    /// # Errors
    /// As for [`basic`].
    pub fn with_basic(self, user: &str, password: &str) -> Result<Address, InvalidAddress> {
        Ok(Address { authorization: Some(basic(user, password)?), ..self })
    }

    /// Sets the path, with the query that is to be appended, the `Host` header and the credentials. A request that has a path of
    /// its own keeps that, unless it is one below the path of the server.
    pub(super) fn apply_to(&self, request: &mut Request<Bytes>) {
        // The request may have been prepared for another server, which could not be reached.
        let unprepared = request.extensions_mut().remove::<Unprepared>();
        let Unprepared { uri, authorization, query, below, own_path } = unprepared.unwrap_or_else(|| Unprepared {
            uri: request.uri().clone(),
            authorization: request.headers().get(header::AUTHORIZATION).cloned(),
            query: request.extensions_mut().remove(),
            below: request.extensions_mut().remove(),
            own_path: request.extensions_mut().remove(),
        });
        let is_own = below.is_some() || own_path.is_some();
        let own = uri.path_and_query().filter(|path| *path != "/" || is_own).cloned();
        *request.uri_mut() = match (own, &below) {
            (Some(own), Some(below)) => self.path_below(&own, &below.base).unwrap_or_else(|| own.into()),
            (Some(own), None) => own.into(),
            (None, _) => self.path.clone(),
        };
        if let Some(AppendedQuery(query)) = &query {
            append_query(request.uri_mut(), query);
        }
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        match self.authorization.as_ref().or(authorization.as_ref()) {
            Some(authorization) => {
                headers.insert(header::AUTHORIZATION, authorization.clone());
            }
            None => {
                headers.remove(header::AUTHORIZATION);
            }
        }
        request.extensions_mut().insert(Unprepared { uri, authorization, query, below, own_path });
    }

    /// The path and query of a reference in a response to a request with this path; `None` if it leads to another scheme, host
    /// or port (RFC 6454, section 4), or is not a valid reference.
    pub(super) fn same_origin(&self, path: &Uri, reference: &str) -> Option<PathAndQuery> {
        let scheme = if self.secure { "https" } else { "http" };
        let path = path.path_and_query().map_or("/", PathAndQuery::as_str);
        let base = Url::parse(&format!("{scheme}://{}{path}", self.host.to_str().ok()?)).ok()?;
        let target = base.join(reference).ok()?;
        let is_same = target.origin() == base.origin() && target.username().is_empty() && target.password().is_none();
        let path = &target[Position::BeforePath..Position::AfterQuery];
        if is_same { path.parse().ok() } else { None }
    }

    /// A path below that of the server, or below `base` if the server has no path. A query of the server's address comes before
    /// that of the path. `None` if it would be longer than a URI can be.
    fn path_below(&self, path: &PathAndQuery, base: &str) -> Option<Uri> {
        let (own, own_query) = self.path().split_once('?').unwrap_or((self.path(), ""));
        let own = own.trim_end_matches('/');
        let above = if own.is_empty() { base } else { own };
        let queries = [own_query, path.query().unwrap_or_default()].into_iter().filter(|query| !query.is_empty());
        let query = queries.collect::<Vec<_>>().join("&");
        let separator = if query.is_empty() { "" } else { "?" };
        PathAndQuery::try_from(format!("{above}{}{separator}{query}", path.path())).ok().map(Uri::from)
    }
}

/// Gives a request another path, in place of the one below a server and of a query that would be appended.
pub(super) fn redirect(request: &mut Request<Bytes>, path: PathAndQuery) {
    *request.uri_mut() = path.into();
    let extensions = request.extensions_mut();
    extensions.remove::<BelowServer>();
    extensions.remove::<AppendedQuery>();
    extensions.insert(OwnPath);
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(url: &str) -> Result<Address, InvalidAddress> {
        let (scheme, rest) = url.split_once(':').unwrap_or_default();
        match (scheme.to_ascii_lowercase().as_str(), rest.starts_with("//")) {
            ("http", true) => parse_tcp(url),
            ("https", true) => Ok(Address { secure: true, ..parse_tcp(url)? }),
            ("scgi", true) => Ok(Address { scgi: true, ..parse_tcp(url)? }),
            ("srv+http", true) => parse_service(url),
            ("srv+https", true) => Ok(Address { secure: true, ..parse_service(url)? }),
            ("unix", _) => parse_unix(rest),
            ("scgi", false) => Ok(Address { scgi: true, ..parse_unix(rest)? }),
            (_, true) => {
                let schemes = "http, https, unix, scgi, srv+http and srv+https";
                Err(invalid(format!("the scheme `{}` is none of {schemes}", abridge(scheme))))
            }
            (_, false) => Err(invalid("a URL begins with `http://`, `https://`, `unix:/` or `scgi:`")),
        }
    }
}

/// Parses a URL with a host. The port may be left out where the scheme has a default: 80 or 443.
fn parse_tcp(url: &str) -> Result<Address, InvalidAddress> {
    let url = Url::parse(url).map_err(|error| invalid(format!("the URL is malformed: {error}")))?;
    let name = url.host_str().filter(|name| !name.is_empty()).ok_or_else(|| invalid("the URL names no host"))?;
    let port = url.port_or_known_default().ok_or_else(|| invalid("the URL names no port"))?;
    let authorization = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => Some(credentials(user, password.unwrap_or_default())?),
    };
    let path = parse_path(&url[Position::BeforePath..Position::AfterQuery])?;
    let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort])
        .map_err(|_| invalid("the URL's host has characters that a header cannot hold"))?;
    let endpoint = Endpoint::Tcp { host: name.trim_matches(['[', ']']).to_owned(), port };
    Ok(Address { endpoint, secure: false, scgi: false, is_member: false, path, host, authorization })
}

/// Parses the URL of a service. Requests have the name of the domain as their `Host`.
fn parse_service(url: &str) -> Result<Address, InvalidAddress> {
    let (_, plain) = url.split_once('+').unwrap_or_default();
    let address = parse_tcp(plain)?;
    let Endpoint::Tcp { host, .. } = &address.endpoint else { return Ok(address) };
    let mut labels = host.splitn(3, '.');
    let (service, protocol) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    let domain = labels.next().filter(|_| service.starts_with('_') && protocol.starts_with('_'));
    let domain = domain.ok_or_else(|| invalid("a service has the form `srv+http://_service._tcp.name/path`"))?;
    // As a scheme without a usual port, which a URL would not repeat.
    let (_, rest) = plain.split_once(':').unwrap_or_default();
    if Url::parse(&format!("srv:{rest}")).is_ok_and(|url| url.port().is_some()) {
        return Err(invalid("a service has no port in its URL: its SRV records have one"));
    }
    let host_header = HeaderValue::from_str(domain).map_err(|error| invalid(error.to_string()))?;
    Ok(Address { endpoint: Endpoint::Service { name: host.clone() }, host: host_header, ..address })
}

/// Parses what follows `unix:`: the path of a socket and, after `:`, the path of requests, which is `/` by default.
///
/// The `url` crate cannot read this form: to it, all of this is one path.
fn parse_unix(rest: &str) -> Result<Address, InvalidAddress> {
    let (socket, path) = match rest.split_once(":/") {
        Some((socket, path)) => (socket, path),
        None => (rest, ""),
    };
    if !socket.starts_with('/') {
        return Err(invalid("the path of a unix socket begins with a slash: `unix:/run/server.sock:/RPC2`"));
    }
    if !cfg!(unix) {
        return Err(invalid("unix sockets are not available on this system; use a TCP port"));
    }
    let path = parse_path(&format!("/{path}"))?;
    let (endpoint, host) = (Endpoint::Unix(socket.into()), HeaderValue::from_static("localhost"));
    Ok(Address { endpoint, secure: false, scgi: false, is_member: false, path, host, authorization: None })
}

fn parse_path(path: &str) -> Result<Uri, InvalidAddress> {
    // Unlike those of http and https, a path of scgi may be empty.
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let parsed: PathAndQuery =
        path.parse().map_err(|error| invalid(format!("the URL's path is malformed: {error}")))?;
    Ok(parsed.into())
}

/// Appends a query to the path and query of a request. One with which the path would be longer than a URI can be is left out.
fn append_query(uri: &mut Uri, query: &str) {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let separator = if path.contains('?') { '&' } else { '?' };
    if let Ok(path) = PathAndQuery::try_from(format!("{path}{separator}{query}")) {
        *uri = path.into();
    }
}

/// Credentials as a URL has them: percent-encoded.
fn credentials(user: &str, password: &str) -> Result<HeaderValue, InvalidAddress> {
    let decoded = |text| percent_decode_str(text).decode_utf8();
    match (decoded(user), decoded(password)) {
        (Ok(user), Ok(password)) => basic(&user, &password),
        _ => Err(invalid("the URL's user name or password is not UTF-8")),
    }
}

/// The value of an `Authorization` header for basic authentication (RFC 7617).
///
/// # Errors
/// If the user name has a colon, or either has control characters.
pub fn basic(user: &str, password: &str) -> Result<HeaderValue, InvalidAddress> {
    if user.contains(':') || [user, password].into_iter().any(|text| text.chars().any(char::is_control)) {
        return Err(invalid("a user name has no colon, and neither it nor a password has control characters"));
    }
    let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let mut value = HeaderValue::from_str(&value).map_err(|error| invalid(error.to_string()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn invalid(message: impl Into<String>) -> InvalidAddress {
    InvalidAddress(message.into())
}

impl fmt::Display for Address {
    /// The server, without path, user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Tcp { host, port } if self.is_member && host.contains(':') => write!(f, "[{host}]:{port}"),
            Endpoint::Tcp { host, port } if self.is_member => write!(f, "{}:{port}", host.trim_end_matches('.')),
            Endpoint::Tcp { .. } => f.write_str(self.host.to_str().unwrap_or_default()),
            Endpoint::Service { name } => f.write_str(name),
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
            #[cfg(feature = "server")]
            Endpoint::Program(program) => f.write_str(program.name()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Address {
        url.parse().unwrap()
    }

    fn applied(address: &Address) -> Request<Bytes> {
        let mut request = Request::new(Bytes::new());
        address.apply_to(&mut request);
        request
    }

    #[test]
    fn a_url_is_a_host_and_a_path() {
        for (url, host, port, path, named) in [
            ("http://wheel:8008/wheel/american", "wheel", 8008, "/wheel/american", "wheel:8008"),
            ("HTTP://127.0.0.1", "127.0.0.1", 80, "/", "127.0.0.1"),
            ("http://[::1]:8008/RPC2?key=1", "::1", 8008, "/RPC2?key=1", "[::1]:8008"),
            ("https://wheel/", "wheel", 443, "/", "wheel"),
            ("scgi://127.0.0.1:5000/RPC2", "127.0.0.1", 5000, "/RPC2", "127.0.0.1:5000"),
        ] {
            let address = parsed(url);
            assert_eq!(address.endpoint, Endpoint::Tcp { host: host.to_owned(), port }, "{url}");
            assert_eq!((address.path(), address.to_string().as_str()), (path, named));
            assert_eq!(applied(&address).headers()[header::HOST], named);
            assert_eq!((address.is_secure(), address.is_scgi()), (url.starts_with("https"), url.starts_with("scgi")));
        }
    }

    #[test]
    fn user_and_password_are_taken_out_of_the_url_and_unescaped() {
        let address = parsed("http://ann:p%40ss:w%2ford@wheel/RPC2");
        assert_eq!(applied(&address).uri(), "/RPC2");
        let expected = format!("Basic {}", STANDARD.encode("ann:p@ss:w/ord"));
        assert_eq!(applied(&address).headers()[header::AUTHORIZATION], expected);
        assert!(!format!("{address:?} {address}").contains("ann"));
        assert!(!applied(&parsed("http://wheel/a@b")).headers().contains_key(header::AUTHORIZATION));
        let other = parsed("http://ann@wheel/").with_basic("bob", "x").unwrap();
        assert_eq!(applied(&other).headers()[header::AUTHORIZATION], "Basic Ym9iOng=");
    }

    #[test]
    fn a_reference_is_followed_within_its_origin() {
        for (url, reference, path) in [
            ("http://wheel/a/b", "/c?d=1#e", Some("/c?d=1")),
            ("http://wheel/a/b", "c", Some("/a/c")),
            ("http://wheel/a/b", "http://wheel:80/c", Some("/c")),
            ("http://wheel/a/b", "?x", Some("/a/b?x")),
            ("https://wheel:8443/", "https://WHEEL:8443", Some("/")),
            ("unix:/run/a.sock:/b", "../c", Some("/c")),
            ("http://wheel/a/b", "https://wheel/c", None),
            ("http://wheel/a/b", "http://wheel:81/c", None),
            ("http://wheel/a/b", "//other/c", None),
            ("http://wheel/a/b", "\\\\other/c", None),
            ("http://wheel/a/b", "http://ann@wheel/c", None),
            ("http://wheel/a/b", "file:///c", None),
            ("http://wheel/a/b", "http://", None),
        ] {
            let address = parsed(url);
            let found = address.same_origin(&address.path, reference);
            assert_eq!(found.as_ref().map(PathAndQuery::as_str), path, "{url} {reference}");
        }
    }

    #[test]
    fn a_request_that_is_redirected_has_no_other_path() {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = Uri::from_static("/pets");
        request.extensions_mut().insert(BelowServer { base: "/v1".into() });
        request.extensions_mut().insert(AppendedQuery("a=1".to_owned()));
        redirect(&mut request, PathAndQuery::from_static("/"));
        parsed("http://wheel/api").apply_to(&mut request);
        assert_eq!(request.uri(), "/");
    }

    #[test]
    fn a_unix_socket_has_a_path_of_its_own() {
        for url in ["unix:/run/app:1.sock:/RPC2", "scgi:/run/app:1.sock:/RPC2"] {
            let address = parsed(url);
            assert_eq!((&address.endpoint, address.path()), (&Endpoint::Unix("/run/app:1.sock".into()), "/RPC2"));
            assert_eq!(address.is_scgi(), url.starts_with("scgi"));
        }
        assert_eq!(parsed("unix:/run/app.sock").path(), "/");
    }

    #[test]
    fn each_server_gets_its_own_path_and_credentials() {
        let address = |url: &str| url.parse::<Address>().unwrap();
        let mut request = Request::new(Bytes::new());
        request.extensions_mut().insert(AppendedQuery("a=1".to_owned()));
        for (url, path, authorization) in [
            ("http://ada:pw@localhost/first", "/first?a=1", Some("Basic YWRhOnB3")),
            ("http://localhost/second", "/second?a=1", None),
            ("http://bob:pw@localhost/third", "/third?a=1", Some("Basic Ym9iOnB3")),
        ] {
            address(url).apply_to(&mut request);
            assert_eq!(request.uri().to_string(), path);
            let sent = request.headers().get(header::AUTHORIZATION).map(|value| value.to_str().unwrap());
            assert_eq!(sent, authorization, "{url}");
        }
        let mut own = Request::new(Bytes::new());
        own.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        for _ in 0..2 {
            address("http://localhost/").apply_to(&mut own);
            assert_eq!(own.headers()[header::AUTHORIZATION], "Bearer a");
        }
    }

    #[test]
    fn a_path_is_below_that_of_each_server() {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = "/pets/7?a=b".parse().unwrap();
        request.extensions_mut().insert(BelowServer { base: "/v1".to_owned() });
        for (url, path) in [
            ("http://localhost", "/v1/pets/7?a=b"),
            ("http://localhost/api/", "/api/pets/7?a=b"),
            ("http://localhost/api/v2?key=1", "/api/v2/pets/7?key=1&a=b"),
            ("http://localhost/?key=1", "/v1/pets/7?key=1&a=b"),
        ] {
            parsed(url).apply_to(&mut request);
            assert_eq!(request.uri(), path, "{url}");
        }
        let mut root = Request::new(Bytes::new());
        root.extensions_mut().insert(BelowServer { base: String::new() });
        parsed("http://localhost/api").apply_to(&mut root);
        assert_eq!(root.uri(), "/api/");
    }

    #[test]
    fn a_service_is_named_by_its_url_and_its_hosts_by_their_records() {
        let service = parsed("srv+https://ann:b@_rpc._tcp.wheels.example/RPC2");
        let Endpoint::Service { name } = service.endpoint() else { panic!("{service:?}") };
        assert_eq!((name.as_str(), service.to_string().as_str()), ("_rpc._tcp.wheels.example", name.as_str()));
        assert!(service.is_secure());
        let host = service.member("a.wheels.example.".to_owned(), 9001);
        assert_eq!((host.to_string().as_str(), host.name_in_url()), ("a.wheels.example:9001", "wheels.example"));
        let request = applied(&host);
        assert_eq!(
            (request.uri().path(), request.headers()[header::HOST].as_bytes()),
            ("/RPC2", &b"wheels.example"[..])
        );
        assert!(request.headers().contains_key(header::AUTHORIZATION));
        let address = parsed("http://wheels.example:8008/RPC2").member("fd00::1".to_owned(), 8008);
        assert_eq!((address.to_string().as_str(), address.name_in_url()), ("[fd00::1]:8008", "wheels.example"));
        for (url, reason) in [
            ("srv+http://wheels.example/", "has the form"),
            ("srv+http://_rpc._tcp.wheels.example:80/", "no port"),
            ("srv+http://_rpc._tcp.wheels.example:9001/", "no port"),
            ("srv+scgi://_rpc._tcp.wheels.example/", "is none of"),
        ] {
            let error = url.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }

    #[test]
    fn a_server_has_other_paths() {
        let address = parsed("https://ann:b@wheel:1/RPC2").with_path("/wsdl?a=b").unwrap();
        assert_eq!((address.path(), address.is_secure()), ("/wsdl?a=b", true));
        assert!(address.with_path("no path").is_err());
    }

    #[test]
    fn an_error_about_a_url_has_no_password() {
        for (url, reason) in [
            ("ftp://ann:secret@wheel/", "scheme `ftp`"),
            ("ann:secret@wheel", "begins with"),
            ("localhost:8008", "begins with"),
            ("/wheel/american", "begins with"),
            ("http://", "malformed"),
            ("http://ann:secret@/RPC2", "malformed"),
            ("http://ann:secret@wh eel/", "malformed"),
            ("http://ann:secret%ff@wheel/", "not UTF-8"),
            ("scgi://ann:secret@wheel/", "names no port"),
            ("unix:run/app.sock", "begins with a slash"),
        ] {
            let error = url.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains("secret"), "{url}: {error}");
        }
    }
}
