//! Where a server is, as a URL says it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Uri, header};
use percent_encoding::percent_decode_str;

use crate::model::text::abridge;

/// Where a server is, and by what right it is asked.
///
/// `http://host:port/path`, `https://…`, `unix:/path/of.sock:/path` for HTTP over a unix socket, `scgi://host:port/path` and
/// `scgi:/path/of.sock:/path` for SCGI. `user:password@` may stand before a host, for basic authentication.
///
/// ```
/// use croupier::upstream::transport::Address;
/// let address: Address = "unix:/run/supervisor.sock:/RPC2".parse()?;
/// assert_eq!(address.to_string(), "unix:/run/supervisor.sock");
/// # Ok::<(), croupier::upstream::transport::AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    place: Where,
    secure: bool,
    scgi: bool,
    /// The path that a request names, with its query: what stands before it is for the `Host` header to say (RFC 9112,
    /// section 3.2.1).
    path: Uri,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Where {
    /// At a port of a host.
    Tcp { host: String, port: u16 },
    /// At a unix socket.
    Unix(PathBuf),
}

/// A text is no address of a server. The message repeats no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressError(String);

impl Address {
    pub(super) fn place(&self) -> &Where {
        &self.place
    }

    /// Whether it is asked with TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether it speaks SCGI instead of HTTP.
    pub fn is_scgi(&self) -> bool {
        self.scgi
    }

    /// The path that requests name, with its query.
    pub fn path(&self) -> &str {
        self.path.path_and_query().map_or("/", |path| path.as_str())
    }

    /// The same server at another path, which begins with a slash.
    ///
    /// # Errors
    /// Where it is no path.
    pub fn at(&self, path: &str) -> Result<Address, AddressError> {
        let path = PathAndQuery::from_str(path).map_err(|error| wrong(format!("the path is malformed: {error}")))?;
        Ok(Address { path: path.into(), ..self.clone() })
    }

    /// The same server, asked by this name and password.
    ///
    /// # Errors
    /// Where they cannot be sent: a name has no colon, and neither has control characters.
    pub fn with_basic(self, user: &str, password: &str) -> Result<Address, AddressError> {
        Ok(Address { authorization: Some(basic(user, password)?), ..self })
    }

    /// Makes a request one to this server.
    pub(super) fn address(&self, request: &mut Request<Bytes>) {
        match request.uri().path_and_query().filter(|path| *path != "/").cloned() {
            Some(other) => *request.uri_mut() = other.into(),
            None => *request.uri_mut() = self.path.clone(),
        }
        request.headers_mut().insert(header::HOST, self.host.clone());
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(url: &str) -> Result<Address, AddressError> {
        let (scheme, rest) = url.split_once(':').unwrap_or_default();
        match (scheme.to_ascii_lowercase().as_str(), rest.strip_prefix("//")) {
            ("http", Some(rest)) => tcp(rest, Some(80)),
            ("https", Some(rest)) => Ok(Address { secure: true, ..tcp(rest, Some(443))? }),
            ("scgi", Some(rest)) => Ok(Address { scgi: true, ..tcp(rest, None)? }),
            ("unix", _) => unix(rest),
            ("scgi", None) => Ok(Address { scgi: true, ..unix(rest)? }),
            (_, Some(_)) => {
                Err(wrong(format!("the scheme `{}` is none of http, https, unix and scgi", abridge(scheme))))
            }
            (_, None) => Err(wrong("a URL begins with `http://`, `https://`, `unix:/` or `scgi:`")),
        }
    }
}

/// What stands behind `http://`.
fn tcp(rest: &str, usual: Option<u16>) -> Result<Address, AddressError> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (authorization, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(credentials(user)?), host),
        None => (None, authority),
    };
    let uri: Uri =
        format!("http://{host}{path}").parse().map_err(|error| wrong(format!("the URL is malformed: {error}")))?;
    let name = uri.host().filter(|name| !name.is_empty()).ok_or_else(|| wrong("the URL names no host"))?;
    let port = uri.port_u16().or(usual).ok_or_else(|| wrong("the URL names no port"))?;
    let place = Where::Tcp { host: name.trim_matches(['[', ']']).to_owned(), port };
    let host = HeaderValue::from_str(host).map_err(|_| wrong("the URL's host has characters that no host has"))?;
    Ok(Address { place, secure: false, scgi: false, path: origin(&uri), host, authorization })
}

/// What stands behind `unix:`: the path of a socket, and behind `:` the path of a request, `/` if there is none.
fn unix(rest: &str) -> Result<Address, AddressError> {
    let (socket, path) = match rest.split_once(":/") {
        Some((socket, path)) => (socket, path),
        None => (rest, ""),
    };
    if !socket.starts_with('/') {
        return Err(wrong("the path of a unix socket begins with a slash: `unix:/run/server.sock:/RPC2`"));
    }
    let uri = format!("http://localhost/{path}");
    let uri = uri.parse().map_err(|error| wrong(format!("the path behind the socket is malformed: {error}")))?;
    let path = origin(&uri);
    let (place, host) = (Where::Unix(socket.into()), HeaderValue::from_static("localhost"));
    Ok(Address { place, secure: false, scgi: false, path, host, authorization: None })
}

/// A URI's path and query, alone.
fn origin(uri: &Uri) -> Uri {
    uri.path_and_query().cloned().map(Uri::from).unwrap_or_default()
}

fn credentials(user: &str) -> Result<HeaderValue, AddressError> {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let decoded = |text| percent_decode_str(text).decode_utf8();
    match (decoded(user), decoded(password)) {
        (Ok(user), Ok(password)) => basic(&user, &password),
        _ => Err(wrong("the URL's user name or password is not UTF-8")),
    }
}

/// The header of basic authentication (RFC 7617).
///
/// # Errors
/// Where the name has a colon, or one of them has control characters.
pub fn basic(user: &str, password: &str) -> Result<HeaderValue, AddressError> {
    if user.contains(':') || [user, password].into_iter().any(|text| text.chars().any(char::is_control)) {
        return Err(wrong("a user name has no colon, and neither it nor a password has control characters"));
    }
    let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let mut value = HeaderValue::from_str(&value).map_err(|error| wrong(error.to_string()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn wrong(message: impl Into<String>) -> AddressError {
    AddressError(message.into())
}

impl fmt::Display for Address {
    /// The server without its path, user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Where::Tcp { .. } => f.write_str(self.host.to_str().unwrap_or_default()),
            Where::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Address {
        url.parse().unwrap()
    }

    fn asked(address: &Address) -> Request<Bytes> {
        let mut request = Request::new(Bytes::new());
        address.address(&mut request);
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
            assert_eq!(address.place, Where::Tcp { host: host.to_owned(), port }, "{url}");
            assert_eq!((address.path(), address.to_string().as_str()), (path, named));
            assert_eq!(asked(&address).headers()[header::HOST], named);
            assert_eq!((address.is_secure(), address.is_scgi()), (url.starts_with("https"), url.starts_with("scgi")));
        }
    }

    #[test]
    fn user_and_password_are_taken_out_of_the_url_and_unescaped() {
        let address = parsed("http://ann:p%40ss:w%2ford@wheel/RPC2");
        assert_eq!(asked(&address).uri(), "/RPC2");
        let expected = format!("Basic {}", STANDARD.encode("ann:p@ss:w/ord"));
        assert_eq!(asked(&address).headers()[header::AUTHORIZATION], expected);
        assert!(!format!("{address:?} {address}").contains("ann"));
        assert!(!asked(&parsed("http://wheel/a@b")).headers().contains_key(header::AUTHORIZATION));
        let other = parsed("http://ann@wheel/").with_basic("bob", "x").unwrap();
        assert_eq!(asked(&other).headers()[header::AUTHORIZATION], "Basic Ym9iOng=");
    }

    #[test]
    fn a_unix_socket_has_a_path_of_its_own() {
        for url in ["unix:/run/app:1.sock:/RPC2", "scgi:/run/app:1.sock:/RPC2"] {
            let address = parsed(url);
            assert_eq!((&address.place, address.path()), (&Where::Unix("/run/app:1.sock".into()), "/RPC2"));
            assert_eq!(address.is_scgi(), url.starts_with("scgi"));
        }
        assert_eq!(parsed("unix:/run/app.sock").path(), "/");
    }

    #[test]
    fn a_server_has_other_paths() {
        let address = parsed("https://ann:b@wheel:1/RPC2").at("/wsdl?a=b").unwrap();
        assert_eq!((address.path(), address.is_secure()), ("/wsdl?a=b", true));
        assert!(address.at("no path").is_err());
    }

    #[test]
    fn what_cannot_be_called_is_said_without_the_password() {
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
